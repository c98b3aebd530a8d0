"""A second, slow search, written from docs/search.md alone: one dictionary of edges a node, one position a node.

Sums on an edge are from the side to move at its node; results that travel are from black's (side 1's) point of view.
Networks and rollouts are functions; the search calls them when the answer is needed and lets it arrive when its round is
backed up. Random numbers (Dirichlet, Gumbel) are handed in, rollouts are a function of the position and of how often it was
reached.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

MAX_SCORE = 1e20  # of a forced playout
FIRST_LATER = 4  # simulations that first-play urgency counts for in RAVE


class Game(Protocol):
    """A position. Sides are 1 (moves first) and 2."""

    @property
    def size(self) -> int: ...
    @property
    def to_play(self) -> int: ...
    @property
    def n_placed(self) -> int: ...  # actions below stand for the same thing all game long
    def legal(self) -> list[int]: ...  # ascending
    def after(self, action: int) -> Any: ...
    def is_over(self) -> bool: ...
    def outcome(self) -> tuple[int, float]: ...  # of a finished game, side 1's view: 1, 0 or -1; points


@dataclass
class Evaluation:
    """What a network says, from the side to move."""

    logits: NDArray[np.float32]  # [n_actions]
    value: NDArray[np.float32]  # [3] win, draw, loss logits, or [1] in -1..1
    score: float = math.nan


@dataclass
class Edge:
    """Statistics of a move; of the root's own evaluations when it leads nowhere from."""

    n_v: int = 0
    w_v: float = 0.0
    n_r: int = 0
    w_r: float = 0.0
    w2: float = 0.0  # squares of what `visits` counts
    in_flight: int = 0
    child: Node | None = None


@dataclass
class Node:
    game: Game
    entry: Edge  # the edge that leads here
    over: bool
    expanded: bool = False
    waiting: bool = False
    asked: bool = False  # the value
    asked_policy: bool = False
    priors: dict[int, float] = field(default_factory=dict)
    logits: NDArray[np.float32] | None = None  # a joint network's, kept until expansion
    value: float | None = None  # own, utility, side to move
    score: float = math.nan  # own, side to move
    edges: dict[int, Edge] = field(default_factory=dict)
    later: dict[int, list[float]] = field(
        default_factory=dict
    )  # by action: simulations that played it here or later, sum


@dataclass
class Simulation:
    path: list[tuple[Node, Edge]]
    leaf: Node
    asks_value: bool = False
    asks_policy: bool = False
    rollout: int | None = None
    played: list[int] = field(default_factory=list)  # by the rollout
    expands: bool = False  # when it is backed up
    has_asked: bool = False  # late, about a position on its way


Network = Callable[[Any], Evaluation]


class Search:
    """One tree. `params`: every search parameter by name (choices by their names)."""

    def __init__(
        self,
        game: Game,
        params: Mapping[str, Any],
        policy: Network | None = None,
        value: Network | None = None,
        rollout: Callable[[Any, int], tuple[int, list[int]]] | None = None,  # winner, black's view; actions
        noise: Callable[[int], NDArray[np.float64]] | None = None,  # eta over n legal moves
        gumbel: Mapping[int, float] | None = None,  # g by action, already scaled
    ):
        self.p = SimpleNamespace(**params)
        self.policy, self.value, self.rollout = policy, value, rollout
        self.joint = policy is not None and policy is value
        self.values = value is not None or rollout is None  # N_v is used; without a value network its values are 0
        self.noise, self.gumbel = noise, gumbel or {}
        self.root = Node(game, Edge(), game.is_over())
        self.sequence: list[int] = []
        self.late = self.p.late_evaluations > 0 and rollout is not None and not self.joint
        self.by_visits = self.late and self.p.network_threshold > 0
        self.queues: dict[str, list[tuple[list[tuple[Node, Edge]], Node]]] = {"policy": [], "value": []}

    # --- rounds -------------------------------------------------------------------------------------------------------

    def run(self, simulations: int) -> None:
        """`simulations` more: rounds are selected in order and backed up in order, `rounds_in_flight` of them apart.

        The root's own evaluation comes before them all. A Gumbel root starts from nothing.
        """
        budget = simulations
        if self.p.root == "gumbel":
            self.root = Node(self.root.game, Edge(), self.root.over)
            self.sequence = halving(min(self.p.gumbel_considered, len(self.root.game.legal())), simulations)
        if not self.root.expanded:
            self.back_up(self.at_leaf(Simulation([], self.root)))
        rounds: list[list[Simulation]] = []
        while budget or rounds:
            self.answer(self.p.late_evaluations * self.p.late_groups)
            current: list[Simulation] = []
            while budget and len(rounds) < self.p.rounds_in_flight and len(current) < self.p.leaves_in_flight:
                simulation = self.select()
                if simulation is None:
                    break
                current.append(simulation)
                budget -= 1
            if current:
                rounds.append(current)
            self.answer(self.p.late_evaluations * self.p.late_groups)
            if rounds and (len(rounds) == self.p.rounds_in_flight or not current or not budget):
                for simulation in rounds.pop(0):
                    self.back_up(simulation)
        self.answer(1)

    def select(self) -> Simulation | None:
        """One descent; None when it ends at a leaf that waits for a network, with nothing left behind."""
        node, asked = self.root, False
        path: list[tuple[Node, Edge]] = []
        while node.expanded and not node.over:
            asked = asked or self.ask(node, path)
            action = self.choose(node)
            edge = node.edges.setdefault(action, Edge())
            edge.in_flight += 1
            path.append((node, edge))
            if edge.child is None:
                game = node.game.after(action)
                edge.child = Node(game, edge, game.is_over())
            node = edge.child
        if not node.over and self.rollout is None and node.waiting:
            for _, edge in path:
                edge.in_flight -= 1
            return None
        return self.at_leaf(Simulation(path, node, has_asked=asked))

    def ask(self, node: Node, path: list[tuple[Node, Edge]]) -> bool:
        """Whether this position has visits enough for the networks and lacks an answer; asks if so."""
        if not self.by_visits or (node is not self.root and node.entry.n_r < self.p.network_threshold):
            return False
        policy = self.policy is not None and node.expanded and not node.asked_policy
        value = self.value is not None and not node.asked
        for name, asks in (("policy", policy), ("value", value)):
            if asks:
                self.queues[name].append((list(path), node))
        node.asked_policy, node.asked = node.asked_policy or policy, node.asked or value
        return policy or value

    def at_leaf(self, simulation: Simulation) -> Simulation:
        """Decides what the leaf is asked."""
        node, at_root = simulation.leaf, simulation.leaf is self.root
        if node.over:
            return simulation
        node.waiting = True
        late_by_visits = self.by_visits and not at_root
        simulation.asks_value = self.value is not None and not node.asked and not late_by_visits
        node.asked = node.asked or simulation.asks_value
        if self.rollout is not None and not at_root:
            visit = node.entry.n_r + node.entry.in_flight - 1
            simulation.rollout, simulation.played = self.rollout(node.game, visit)
        if self.rollout is None or at_root or node.entry.n_r >= self.p.expansion_threshold:
            simulation.expands = True
            simulation.asks_policy = self.policy is not None and not self.joint
            if simulation.asks_policy and self.rollout is not None and not at_root:
                self.expand(node, None)  # AlphaGo: placeholders until the network's answer
            simulation.asks_policy = simulation.asks_policy and not late_by_visits
            node.asked_policy = node.asked_policy or simulation.asks_policy
        if late_by_visits and not simulation.has_asked:
            self.ask(node, simulation.path)
        if self.late and not at_root:
            for name, asks in (("policy", simulation.asks_policy), ("value", simulation.asks_value)):
                if asks:
                    self.queues[name].append((simulation.path, node))
            simulation.asks_policy = simulation.asks_value = False
        return simulation

    def answer(self, most: int) -> None:
        """While a network has `most` positions to answer late, it answers its oldest group; the policy network before the other."""
        if not self.late:
            return
        for name, queue in self.queues.items():
            while len(queue) >= most:
                group = queue[: self.p.late_evaluations]
                del queue[: self.p.late_evaluations]
                for path, leaf in group:
                    self.answer_one(name, path, leaf)

    def answer_one(self, name: str, path: list[tuple[Node, Edge]], leaf: Node) -> None:
        if name == "policy":
            assert self.policy is not None
            self.expand(leaf, self.policy(leaf.game).logits)
            return
        assert self.value is not None
        v = self.learn_value(leaf, self.value(leaf.game))
        self.root.entry.n_v += 1
        self.root.entry.w_v -= v if self.root.game.to_play == 1 else -v
        for node, edge in path:
            edge.n_v += 1
            edge.w_v += v if node.game.to_play == 1 else -v

    def back_up(self, simulation: Simulation) -> None:
        leaf = simulation.leaf
        v = r = None
        if leaf.over:
            winner, score = leaf.game.outcome()
            v = self.utility(winner, winner == 0, score if not math.isnan(self.root.score) else math.nan)
            r = self.utility(winner, winner == 0, math.nan)
        elif simulation.rollout is not None:
            r = self.utility(simulation.rollout, simulation.rollout == 0, math.nan)
        if simulation.asks_value:
            assert self.value is not None
            v = self.learn_value(leaf, self.value(leaf.game))
        elif self.value is None and not leaf.over:
            v = 0.0
        if simulation.asks_policy:
            assert self.policy is not None
            self.expand(leaf, self.policy(leaf.game).logits)
        elif simulation.expands and not leaf.expanded:
            self.expand(leaf, leaf.logits)
        leaf.waiting = False
        for node, edge in [(None, self.root.entry), *simulation.path]:
            # the root's entry is seen from the opponent of the side to move there
            to_play = 3 - self.root.game.to_play if node is None else node.game.to_play
            sign = 1 if to_play == 1 else -1
            if v is not None and self.values:
                edge.n_v += 1
                edge.w_v += sign * v
            if r is not None and self.rollout is not None:
                edge.n_r += 1
                edge.w_r += sign * r
            counted = v if self.rollout is None else r
            edge.w2 += (counted or 0.0) ** 2
            edge.in_flight -= node is not None
        if r is not None and self.rollout is not None:
            self.learn_later(simulation, r)

    def learn_later(self, simulation: Simulation, result: float) -> None:
        """All moves as first: a node learns of every point that its side was the first to play on from there on."""
        moves, game = [], self.root.game
        for node, edge in simulation.path:
            moves.append(next(a for a, e in node.edges.items() if e is edge))
        for i, (node, _) in enumerate(simulation.path):
            first: dict[int, int] = {}
            side = node.game.to_play
            for action in [*moves[i:], *simulation.played]:
                first.setdefault(action, side)
                side = 3 - side
            for action, by in first.items():
                if by == node.game.to_play and action < game.n_placed:
                    found = node.later.setdefault(action, [0.0, 0.0])
                    found[0] += 1
                    found[1] += result if by == 1 else -result

    # --- evaluations --------------------------------------------------------------------------------------------------

    def learn_value(self, node: Node, answer: Evaluation) -> float:
        """Keeps a network's answer at `node`; its utility, black's view."""
        sign = 1 if node.game.to_play == 1 else -1
        node.score = answer.score
        if len(answer.value) == 3:
            win, draw, loss = softmax(answer.value.astype(np.float64))
        else:
            win, draw, loss = (1 + float(answer.value[0])) / 2, 0.0, (1 - float(answer.value[0])) / 2
        utility = self.utility(sign * (win - loss), draw, sign * answer.score)
        node.value = sign * utility
        if self.joint:
            node.logits = answer.logits
        return utility

    def utility(self, win_minus_loss: float, draw: float, score: float) -> float:
        """Black's view of all of it; `score` nan where nothing predicts it."""
        u: float = win_minus_loss + self.p.draw_value * draw
        if not math.isnan(score):
            own = self.root.score if self.root.game.to_play == 1 else -self.root.score
            center = (1 - self.p.score_zero_weight) * own
            u += self.p.score_static * self.saturated(score) + self.p.score_dynamic * self.saturated(score - center)
        return u

    def saturated(self, score: float) -> float:
        return 2 / math.pi * math.atan(score / (self.p.score_scale * self.root.game.size))

    def expand(self, node: Node, logits: NDArray[np.float32] | None) -> None:
        """Lists the moves of `node`; equal priors without logits."""
        moves = node.game.legal()
        p = np.full(len(moves), 1 / len(moves)) if logits is None else softmax(logits[moves].astype(np.float64))
        if logits is not None:
            p = power(p, self.p.policy_exponent)
        if node is self.root:
            p = power(p, 1 / self.p.root_policy_temperature)
            if self.p.noise_fraction > 0:
                assert self.noise is not None
                p = (1 - self.p.noise_fraction) * p + self.p.noise_fraction * self.noise(len(moves))
        node.priors = {a: float(np.float32(x)) for a, x in zip(moves, p, strict=True)}
        node.expanded = True

    # --- values and choices -------------------------------------------------------------------------------------------

    def visits(self, edge: Edge) -> int:
        return edge.n_v if self.rollout is None else edge.n_r

    def n(self, edge: Edge) -> float:
        return float(self.visits(edge) + self.p.virtual_loss * edge.in_flight)

    def q(self, edge: Edge, in_flight: bool = True) -> float | None:
        """Value of an edge; None without any count."""
        vl = self.p.virtual_loss * edge.in_flight if in_flight else 0.0
        vl_v, vl_r = (vl, 0.0) if self.rollout is None else (0.0, vl)
        q_v = (edge.w_v - vl_v) / (edge.n_v + vl_v) if edge.n_v + vl_v > 0 else None
        q_r = (edge.w_r - vl_r) / (edge.n_r + vl_r) if edge.n_r + vl_r > 0 else None
        if q_v is None or q_r is None:
            return q_r if q_v is None else q_v
        return float((1 - self.p.rollout_weight) * q_v + self.p.rollout_weight * q_r)

    def mean(self, node: Node) -> float:
        """Of everything backed up through `node`, side to move; 0 before anything was."""
        return -(self.q(node.entry, in_flight=False) or 0.0)

    def fpu(self, node: Node) -> float:
        if self.p.fpu == "value":
            return float(self.p.fpu_value)
        reduction = self.p.fpu_root_reduction if node is self.root else self.p.fpu_reduction
        visited = sum(node.priors[a] for a, e in node.edges.items() if self.n(e) > 0)
        return float(self.mean(node) - reduction * math.sqrt(visited))

    def choose(self, node: Node) -> int:
        if node is self.root and self.p.root == "gumbel":
            return self.choose_gumbel()
        total = sum(self.n(e) for e in node.edges.values())
        if node is not self.root and self.p.interior == "gumbel":
            improved = self.improved_policy(node)
            scores = {a: improved[a] - self.n(node.edges.get(a, Edge())) / (1 + total) for a in node.priors}
            return best(scores, node.priors)
        fpu, scores = self.fpu(node), {}
        for action, prior in node.priors.items():
            edge = node.edges.get(action, Edge())
            n = self.n(edge)
            q = self.q(edge) if n > 0 else fpu
            if self.p.rave > 0 and self.rollout is not None:
                m, w = node.later.get(action, (0.0, 0.0))
                m, w = m + FIRST_LATER, w + FIRST_LATER * fpu
                beta = m / (n + m + n * m / self.p.rave)
                q = beta * w / m + (1 - beta) * (q or 0.0)
            scores[action] = self.puct(fpu if q is None else q, prior, n, total)
            if self.p.rave == 0 and node is self.root and 0 < n < math.sqrt(self.p.forced_playouts * prior * total):
                scores[action] = MAX_SCORE
        return best(scores, node.priors)

    def puct(self, q: float, prior: float, n: float, total: float) -> float:
        if self.p.puct == "alphago":
            c = self.p.c_puct * math.sqrt(total)
        elif self.p.puct == "zero":
            c = self.p.c_puct * math.sqrt(max(total, 1))
        else:
            c = (math.log((1 + total + self.p.c_base) / self.p.c_base) + self.p.c_init) * math.sqrt(total + 1)
        return float(q + c * prior / (1 + n))

    # --- Gumbel -------------------------------------------------------------------------------------------------------

    def sigma_completed(self, node: Node) -> dict[int, float]:
        """sigma(completed q) of every move."""
        seen = {a: e for a, e in node.edges.items() if self.n(e) > 0}
        q = {a: self.q(e) or 0.0 for a, e in seen.items()}
        total = sum(self.n(e) for e in seen.values())
        own: float = self.mean(node) if node.value is None else node.value
        mixed = own
        if seen:
            mass = sum(node.priors[a] for a in seen)
            mixed = (own + total * sum(node.priors[a] * q[a] for a in seen) / mass) / (1 + total)
        factor = (self.p.gumbel_c_visit + max((self.n(e) for e in seen.values()), default=0)) * self.p.gumbel_c_scale
        return {a: factor * (q.get(a, mixed) + 1) / 2 for a in node.priors}

    def improved_policy(self, node: Node) -> dict[int, float]:
        sigma = self.sigma_completed(node)
        p = softmax(np.array([math.log(prior) + sigma[a] for a, prior in node.priors.items()]))
        return dict(zip(node.priors, p.tolist(), strict=True))

    def gumbel_scores(self) -> dict[int, float]:
        sigma = self.sigma_completed(self.root)
        return {a: self.gumbel.get(a, 0.0) + math.log(p) + sigma[a] for a, p in self.root.priors.items()}

    def choose_gumbel(self) -> int:
        scores = self.gumbel_scores()
        counts = {a: self.visits(e) + e.in_flight for a, e in self.root.edges.items()}
        wanted = self.sequence[sum(counts.values())]
        at_count = {a: s for a, s in scores.items() if counts.get(a, 0) == wanted}
        return best(at_count or scores, self.root.priors)

    # --- the move -----------------------------------------------------------------------------------------------------

    def most_visited(self) -> int:
        """Ties to the higher Q, then prior, then the lowest action; with a Gumbel root to g + ln P + sigma."""
        root = self.root
        most = max(self.visits(e) for e in root.edges.values())
        if self.p.root == "gumbel":
            scores = self.gumbel_scores()
            return best({a: scores[a] for a, e in root.edges.items() if self.visits(e) == most}, root.priors)
        return best({a: (self.visits(e), self.q(e) or 0.0) for a, e in root.edges.items()}, root.priors)


def softmax(x: NDArray[np.float64]) -> NDArray[np.float64]:
    e = np.exp(x - x.max())
    return np.asarray(e / e.sum())


def power(p: NDArray[np.float64], exponent: float) -> NDArray[np.float64]:
    return p if exponent == 1 else np.asarray(p**exponent / (p**exponent).sum())


def best(scores: Mapping[int, Any], priors: Mapping[int, float]) -> int:
    """The action with the highest score; ties to the higher prior, then to the lowest action."""
    return max(scores, key=lambda a: (scores[a], priors[a], -a))


def halving(considered: int, simulations: int) -> list[int]:
    """Visits that the chosen root move has before each simulation: sequential halving over the best moves.

    Danihelka et al. 2022, Algorithm 2. Each phase gives every move still considered the same number of visits; then the
    worse half drops out, two moves being the least. What is left over goes on with the last phases.
    """
    if considered <= 1:
        return list(range(simulations))
    phases = math.ceil(math.log2(considered))
    visits, sequence, moves = [0] * considered, list[int](), considered
    while len(sequence) < simulations:
        for _ in range(max(1, int(simulations / (phases * moves)))):
            sequence += visits[:moves]
            visits[:moves] = [n + 1 for n in visits[:moves]]
        moves = max(2, moves // 2)
    return sequence[:simulations]
