"""Games, deterministic networks and drivers that the tests of the search share."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from alphago import _core
from alphago.nets.rollout import load_rollout_weights
from reference import mcts

Params: TypeAlias = dict[str, Any]
Floats: TypeAlias = NDArray[np.float32]
Buffers: TypeAlias = list[tuple[NDArray[Any], Floats]]
DEFAULTS: Params = {name: default for name, _, default, _, _ in _core.SEARCH_PARAMS}
N_GLOBALS = 7
STONE_SCORING = 2  # of _core.Position


# --- games for the reference ------------------------------------------------------------------------------------------


class Go:
    """A core position for the reference: over after two passes or at the length limit, scored by area (or stones)."""

    def __init__(self, position: _core.Position, max_moves: int = 0):
        self.position = position
        self.size = position.size
        self.max_moves = max_moves or 2 * position.size**2

    @property
    def to_play(self) -> int:
        return self.position.to_play

    @property
    def n_placed(self) -> int:
        return self.size**2

    def legal(self) -> list[int]:
        return [int(a) for a in np.flatnonzero(self.position.legal_mask())]

    def after(self, action: int) -> Go:
        position = self.position.copy()
        assert position.try_play(action) >= 0
        return Go(position, self.max_moves)

    def is_over(self) -> bool:
        return self.position.is_over or self.position.move_count >= self.max_moves

    def outcome(self) -> tuple[int, float]:
        stones = self.position.stones()
        points = int((stones == 1).sum()) - int((stones == 2).sum())
        if self.position.scoring != STONE_SCORING:
            points = int(self.position.area().sum())
        score = points - self.position.komi - self.position.white_bonus
        return (score > 0) - (score < 0), score


LINES = [(0, 1, 2), (3, 4, 5), (6, 7, 8), (0, 3, 6), (1, 4, 7), (2, 5, 8), (0, 4, 8), (2, 4, 6)]


@dataclass(frozen=True)
class TicTacToe:
    """Noughts and crosses; marks are 0, 1, 2."""

    marks: tuple[int, ...] = (0,) * 9
    size: int = 3
    n_placed: int = 9

    @property
    def to_play(self) -> int:
        return 1 + sum(m > 0 for m in self.marks) % 2

    def legal(self) -> list[int]:
        return [a for a in range(9) if not self.marks[a]]

    def after(self, action: int) -> TicTacToe:
        assert not self.marks[action]
        return TicTacToe((*self.marks[:action], self.to_play, *self.marks[action + 1 :]))

    def winner(self) -> int:
        return next(
            (self.marks[a] for a, b, c in LINES if self.marks[a] and self.marks[a] == self.marks[b] == self.marks[c]), 0
        )

    def is_over(self) -> bool:
        return self.winner() > 0 or all(self.marks)

    def outcome(self) -> tuple[int, float]:
        winner = (0, 1, -1)[self.winner()]
        return winner, float(winner)

    @staticmethod
    def from_moves(moves: Sequence[int]) -> TicTacToe:
        game = TicTacToe()
        for move in moves:
            game = game.after(move)
        return game


@cache
def solve(game: TicTacToe) -> int:
    """Game-theoretic value for the side to move: 1, 0, -1."""
    if game.is_over():
        return -1 if game.winner() else 0
    return max(-solve(game.after(a)) for a in game.legal())


# --- positions --------------------------------------------------------------------------------------------------------


def random_moves(
    size: int, count: int, seed: int, captures: bool = False, spare_eyes: bool = False, **rules: Any
) -> list[int]:
    """Legal actions from the empty board; passes are rare.

    `captures`: stones are taken where they can be, so that kos abound. `spare_eyes`: the mover does not fill its own eyes, so
    that one-point eyes abound, where a single stone of the other side recreates the position and superko forbids it.
    """
    rng = random.Random(seed)
    position, moves = _core.Position(size, **rules), list[int]()
    while len(moves) < count:
        legal = [int(a) for a in np.flatnonzero(position.legal_mask())[:-1]]
        if spare_eyes:
            legal = [a for a in legal if not position.is_eye(a, position.to_play)]
        if captures and rng.random() < 0.7:
            most = max((_captures(position, a) for a in legal), default=0)
            legal = [a for a in legal if _captures(position, a) == most]
        action = rng.choice(legal) if legal and rng.random() > 0.02 else size * size
        if position.consecutive_passes and action == size * size:
            break
        assert position.try_play(action) >= 0
        moves.append(action)
    return moves


def _captures(position: _core.Position, action: int) -> int:
    return position.copy().try_play(action)


def replay(
    size: int,
    moves: Sequence[int],
    swap_colors: bool = False,
    symmetry: int = 0,
    komi: float = 7.5,
    **rules: Any,
) -> _core.Position:
    """The position after `moves` from the empty board, colours or points exchanged on the way."""
    position = _core.Position(size, komi=-komi if swap_colors else komi, **rules)
    if swap_colors:
        position.to_play = 2
    for move in moves:
        assert position.try_play(transform(symmetry, move, size)) >= 0
    return position


def transform(symmetry: int, action: int, size: int) -> int:
    """Where a symmetry (docs/features.md) moves an action; pass stays."""
    if action == size * size:
        return action
    r, c = divmod(action, size)
    if symmetry & 4:
        r, c = c, r
    if symmetry & 1:
        r = size - 1 - r
    if symmetry & 2:
        c = size - 1 - c
    return r * size + c


def permutation(symmetry: int, size: int, n_actions: int) -> NDArray[np.int64]:
    """perm[a]: where `symmetry` moves action a."""
    return np.array([transform(symmetry, a, size) for a in range(n_actions)])


# --- networks ---------------------------------------------------------------------------------------------------------


@dataclass
class FakeNet:
    """A function of a position's planes and globals that looks random: their hash seeds the answer.

    `equivariant`: a position turned or mirrored gets the same answer, turned or mirrored.
    """

    features: str = "zero17"
    seed: int = 0
    wdl: bool = True  # win/draw/loss logits; else a number in -1..1
    score: bool = False
    equivariant: bool = False
    sharpness: float = 1.0
    rows: int = field(default=0, compare=False)  # evaluated so far

    def answer(self, planes: NDArray[Any], globals_: Floats, n_actions: int) -> mcts.Evaluation:
        """Of one position: planes [planes, S, S], globals [7]."""
        self.rows += 1
        size = planes.shape[-1]
        planes = np.asarray(planes, dtype=bool)
        if not self.equivariant:
            logits, value, score = self._draw(planes, globals_, n_actions)
        else:
            views = [turned(planes, s) for s in range(8)]
            keys = [view.tobytes() for view in views]
            images = [s for s in range(8) if keys[s] == min(keys)]
            drawn, value, score = self._draw(views[images[0]], globals_, n_actions)
            # The action a of this position is action perm[a] of the canonical one; several images when it is symmetric itself.
            logits = np.mean([drawn[permutation(s, size, n_actions)] for s in images], axis=0)
        return mcts.Evaluation(logits.astype(np.float32), value, score)

    def _draw(
        self, planes: NDArray[Any], globals_: Floats, n_actions: int
    ) -> tuple[NDArray[np.float64], Floats, float]:
        message = np.packbits(planes).tobytes() + np.asarray(globals_, dtype=np.float32).tobytes()
        digest = hashlib.blake2b(message, digest_size=8, key=str(self.seed).encode()).digest()
        rng = np.random.default_rng(int.from_bytes(digest, "little"))
        # multiples of 2^-18, so that means over images are exact
        logits = np.round(self.sharpness * rng.standard_normal(n_actions) * 2**18) / 2**18
        value = rng.standard_normal(3) if self.wdl else np.clip(0.5 * rng.standard_normal(1), -1, 1)
        score = float(np.float32(5 * rng.standard_normal())) if self.score else float("nan")
        return logits, value.astype(np.float32), score

    def __call__(self, game: Any) -> mcts.Evaluation:
        """For the reference: a game of Go or noughts and crosses."""
        if isinstance(game, TicTacToe):
            mine = [[m == side for m in game.marks] for side in (game.to_play, 3 - game.to_play)]
            return self.answer(np.array(mine).reshape(2, 3, 3), np.zeros(N_GLOBALS, np.float32), 9)
        position: _core.Position = game.position
        planes = np.zeros((1, _core.feature_planes(self.features), position.size, position.size), np.float32)
        globals_ = np.zeros((1, N_GLOBALS), np.float32)
        _core.write_planes([position], self.features, planes)
        _core.write_globals([position], globals_)
        return self.answer(planes[0], globals_[0], position.size**2 + 1)


def turned(planes: NDArray[Any], symmetry: int) -> NDArray[Any]:
    """Planes [P, S, S] moved by a symmetry, as docs/features.md defines it."""
    if symmetry & 4:
        planes = planes.transpose(0, 2, 1)
    if symmetry & 1:
        planes = planes[:, ::-1]
    if symmetry & 2:
        planes = planes[:, :, ::-1]
    return np.ascontiguousarray(planes)


class FunctionNet:
    """A network given as a function of the number of stones and the planes: answers as `FakeNet` does."""

    def __init__(self, function: Callable[[NDArray[Any], int], tuple[Any, float]], features: str = "zero17"):
        self.function, self.features, self.score, self.rows = function, features, False, 0

    def answer(self, planes: NDArray[Any], globals_: Floats, n_actions: int) -> mcts.Evaluation:
        self.rows += 1
        logits, value = self.function(planes, n_actions)
        return mcts.Evaluation(np.asarray(logits, np.float32), np.array([value], np.float32))


Net: TypeAlias = FakeNet | FunctionNet


# --- driving a pool ---------------------------------------------------------------------------------------------------


def answer(pool: _core.SearchPool, nets: Sequence[Net], ticket: _core.Ticket, buffers: Buffers) -> dict[str, Any]:
    """What `apply` takes for this ticket, whose inputs are in `buffers`."""
    net, (planes, globals_) = nets[ticket.network], buffers[ticket.network]
    answers = [net.answer(planes[i], globals_[i], pool.n_actions) for i in range(ticket.rows)]
    value = np.stack([a.value for a in answers])
    outputs = {
        "policy": np.stack([a.logits for a in answers]),
        "value": np.ascontiguousarray(value[:, 0]) if value.shape[1] == 1 else value,
    }
    if net.score:
        outputs["score"] = np.array([a.score for a in answers], np.float32)
    return outputs


def make_buffers(pool: _core.SearchPool, nets: Sequence[Net], batch: int, dtype: Any = np.float32) -> Buffers:
    def planes(net: Net) -> int:
        return 2 if pool.n_actions == 9 else _core.feature_planes(net.features)

    return [
        (
            np.zeros((batch, planes(net), pool.size, pool.size), dtype),
            np.zeros((batch, N_GLOBALS), np.float32),
        )
        for net in nets
    ]


def drive(
    pool: _core.SearchPool,
    nets: Sequence[Net] = (),
    batch: int = 8,
    tickets: int = 1,
    rng: random.Random | None = None,
    dtype: Any = np.float32,
    min_rows: int = 1,
) -> None:
    """Works until nothing is left: up to `tickets` out at once, applied in an order that `rng` draws (none: first out)."""
    if not nets:
        pool.run()
        return
    outstanding: list[tuple[_core.Ticket, Buffers]] = []
    while outstanding or not all(pool.is_idle(slot) for slot in range(pool.n_slots)):
        while len(outstanding) < tickets:
            buffers = make_buffers(pool, nets, batch, dtype)
            ticket = pool.collect(buffers, min_rows)
            if ticket.rows == 0:
                break
            assert ticket.rows <= batch and 0 <= ticket.network < len(nets)
            outstanding.append((ticket, buffers))
        if outstanding:
            ticket, buffers = outstanding.pop(rng.randrange(len(outstanding)) if rng else 0)
            pool.apply(ticket, **answer(pool, nets, ticket, buffers))


def engine(params: Params, policy: int = -1, value: int = -1) -> _core.Engine:
    return _core.Engine(_core.SearchParams(params), policy, value)


def pool_for(size: int, nets: Sequence[Net] = (), **options: Any) -> _core.SearchPool:
    return _core.SearchPool(
        size=size, networks=[net.features for net in nets], weights=load_rollout_weights(), **options
    )


def searched(
    position: _core.Position,
    params: Params,
    simulations: int,
    net: Net | None = None,
    seed: int = 1,
    max_moves: int = 0,
    **driving: Any,
) -> _core.SearchPool:
    """A pool of one game after one search; `net` gives policy and value (none: rollouts or the uniform evaluator)."""
    nets = [net] if net else []
    pool = pool_for(position.size, nets)
    joint = 0 if net else -1
    pool.start(0, seed, [engine(params, joint, joint)], position, max_moves=max_moves)
    pool.search(0, simulations)
    drive(pool, nets, **driving)
    assert pool.is_idle(0)
    return pool


# --- comparing --------------------------------------------------------------------------------------------------------

EXACT = ("actions", "visit_counts", "n_v", "n_r")
CLOSE = ("priors", "w_v", "w_r", "q")
STATISTICS = (*EXACT, *CLOSE)


def same_node(a: dict[str, Any] | None, b: dict[str, Any] | None, exactly: bool = True) -> None:
    """Two nodes of two trees hold the same statistics, bit for bit or up to rounding."""
    assert (a is None) == (b is None)
    if a is None or b is None:
        return
    for name in STATISTICS:
        if exactly or name in EXACT:
            np.testing.assert_array_equal(a[name], b[name], err_msg=name)
        else:
            np.testing.assert_allclose(a[name], b[name], rtol=1e-6, atol=1e-9, err_msg=name)


def same_tree(
    a: _core.SearchPool,
    b: _core.SearchPool,
    slots: tuple[int, int] = (0, 0),
    depth: int = 3,
    width: int = 6,
    exactly: bool = True,
    roots: Sequence[str] = ("visits", "value", "to_play", "move", "simulations", "nodes"),
) -> None:
    """The trees are the same down to `depth`, followed along the `width` most visited moves of each node."""

    def compare(path: list[int], left: dict[str, Any] | None, right: dict[str, Any] | None) -> None:
        same_node(left, right, exactly)
        if left is None or len(path) == depth:
            return
        order = np.argsort(-left["visit_counts"].astype(np.int64), kind="stable")[:width]
        for action in left["actions"][order[left["visit_counts"][order] > 0]].tolist():
            below = [*path, action]
            compare(below, a.children(slots[0], below), b.children(slots[1], below))

    tops = a.root(slots[0]), b.root(slots[1])
    for name in roots:
        assert tops[0][name] == tops[1][name] or (name == "value" and not exactly), name
    compare([], *tops)


def like_reference(found: dict[str, Any] | None, node: mcts.Node, search: mcts.Search) -> None:
    """A node of the pool holds what the reference's node does."""
    if found is None:
        assert not node.expanded and not node.edges
        return
    assert found["actions"].tolist() == sorted(node.priors)
    np.testing.assert_allclose(found["priors"], [node.priors[a] for a in sorted(node.priors)], rtol=2e-6, atol=1e-9)
    empty = mcts.Edge()
    edges = [node.edges.get(a, empty) for a in sorted(node.priors)]
    where = f"moves {found['actions'].tolist()}"
    np.testing.assert_array_equal(found["n_v"], [e.n_v for e in edges], err_msg=where)
    np.testing.assert_array_equal(found["n_r"], [e.n_r for e in edges], err_msg=where)
    np.testing.assert_array_equal(found["visit_counts"], [search.visits(e) for e in edges], err_msg=where)
    np.testing.assert_allclose(found["w_v"], [e.w_v for e in edges], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found["w_r"], [e.w_r for e in edges], rtol=1e-5, atol=1e-6)
    q = [search.q(e) for e in edges]
    np.testing.assert_allclose(found["q"], [np.nan if x is None else x for x in q], rtol=1e-5, atol=1e-6)


def like_reference_tree(pool: _core.SearchPool, search: mcts.Search, slot: int = 0) -> None:
    """The root and every node one and two moves below it."""
    like_reference(pool.root(slot), search.root, search)
    for action, edge in search.root.edges.items():
        if edge.child is not None and not edge.child.over:
            like_reference(pool.children(slot, [action]), edge.child, search)
            for reply, below in edge.child.edges.items():
                if below.child is not None and below.child.expanded and not below.child.over:
                    like_reference(pool.children(slot, [action, reply]), below.child, search)
