"""How far values are from how games end: a value network's, the mean outcome of rollouts, and that of a policy's own playouts.

One position a game, each valued in every way; errors are looked at by the stage of the game (Nature 529, Figure 2b). They are mean
squares against +1 for a game won by the side to move, -1 for a game lost and 0 for a draw: papers that count outcomes as 1 and 0
print a quarter of them.
"""

from __future__ import annotations

import os
import queue
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from alphago import _core
from alphago.arena.stats import Z95
from alphago.data.games import RANDOM, GameDataError, GameRow, replay
from alphago.data.identity import game_key, split_number
from alphago.data.store import read_games
from alphago.go import BLACK
from alphago.nets.architecture import GLOBALS, NetworkError
from alphago.nets.evaluator import Evaluator
from alphago.nets.modules import Network
from alphago.nets.runtimes import choose, make_evaluators
from alphago.seeds import game_seed
from selfplay.policy_play import SETTLED, Finish, evaluated, settling

STAGES: Final = 9
"""Parts of a game that errors are shown for."""
THIRDS: Final = 3
PLAYOUTS: Final = 100
"""From each position (the paper: 100)."""
OUTCOMES: Final = (
    "+1 won, 0 drawn, -1 lost, for the side to move; outcomes counted as 1 and 0 give a quarter of these errors"
)
_BATCH: Final = 16
"""Rows of a policy's batches: a position's playouts end one by one, and what is left of them fills small batches better."""

Floats = NDArray[np.float64]
OnDone = Callable[[int, int], None]
"""Is told how many positions are done, and how many there are."""


@dataclass(frozen=True)
class Example:
    """A position, and how its game ended."""

    position: _core.Position
    outcome: float
    """+1, 0 or -1 for the side to move."""
    stage: float
    """Moves before it as a share of its game's, 0 <= stage < 1."""


def draw_examples(
    store: str | os.PathLike[str],
    *,
    size: int,
    share: float | None = None,
    split_seed: int = 0,
    most: int | None = None,
    seed: int = 0,
) -> list[Example]:
    """One position of every game: the one after its random move where it has one (`alphago make-value-data`), else any, by chance.

    Args:
        store: a file or folder of games.
        size: board size; other games are passed over.
        share: only games that a training run with this split held out; None: all.
        most: so many at most, evenly spread over the games.

    Raises:
        GameDataError: a store that cannot be read, or without such a position.
    """
    rows = [
        row for row in read_games(store) if _is_known(row) and row["size"] == size and _is_held(row, share, split_seed)
    ]
    if most is not None and len(rows) > most:
        rows = [rows[i] for i in np.linspace(0, len(rows) - 1, most).astype(np.int64).tolist()]
    found = [example for row in rows if (example := _example(row, seed)) is not None]
    if not found:
        of = "" if share is None else f" among the {share:.0%} that are held out"
        raise GameDataError(f"{os.fspath(store)}: no position of a {size}x{size} game with a result{of}")
    return found


def _is_known(row: GameRow) -> bool:
    return bool(row["winner"]) or row["score"] is not None


def _is_held(row: GameRow, share: float | None, split_seed: int) -> bool:
    return share is None or split_number(game_key(row), split_seed) < share


def _example(row: GameRow, seed: int) -> Example | None:
    length = len(row["moves"])
    by_chance = np.flatnonzero(row["chosen_by"] == RANDOM)
    if len(by_chance) == 1:
        turn = int(by_chance[0]) + 1
    else:
        turn = int(np.random.default_rng([seed, int.from_bytes(game_key(row)[:7], "big")]).integers(max(1, length)))
    if turn >= length:  # nobody moves there
        return None
    position = replay({**row, "moves": row["moves"][:turn], "colors": row["colors"][:turn]})
    position.to_play = int(row["colors"][turn])
    side = 1 if position.to_play == BLACK else -1
    black = {0: 0, 1: 1, 2: -1}[int(row["winner"])]
    return Example(position, float(side * black), turn / length)


# --- three ways of valuing ----------------------------------------------------------------------------------------------


@torch.no_grad()
def network_values(
    network: Network, positions: Sequence[_core.Position], *, device: torch.device | None = None, threads: int = 1
) -> Floats:
    """What a network expects, -1..1 for the side to move, [n]; fp32, no symmetry.

    Raises:
        NetworkError: it has no outcome or value head.
    """
    head = next((head for head in ("outcome", "value") if head in network.architecture.heads), None)
    if head is None:
        raise NetworkError(f"the network values nothing; its heads are {', '.join(network.architecture.heads)}")
    device = device or next(network.parameters()).device
    size, planes = positions[0].size, network.architecture.planes
    found = np.empty(len(positions))
    was_training = network.training
    network.eval()
    try:
        for first in range(0, len(positions), 256):
            part = list(positions[first : first + 256])
            inputs = np.empty((len(part), planes, size, size), np.float32)
            globals_ = np.empty((len(part), GLOBALS), np.float32)
            _core.write_planes(part, network.architecture.feature_set, inputs, None, threads)
            _core.write_globals(part, globals_)
            out = network(torch.from_numpy(inputs).to(device), torch.from_numpy(globals_).to(device), None, (head,))
            value = out[head].float()
            if head == "outcome":
                p = value.softmax(1)
                value = p[:, 0] - p[:, 2]
            found[first : first + len(part)] = value.cpu().numpy()
    finally:
        network.train(was_training)
    return found


def rollout_values(
    positions: Sequence[_core.Position],
    weights: _core.RolloutWeights,
    *,
    playouts: int = PLAYOUTS,
    seed: int = 0,
    threads: int = 1,
    on_done: OnDone | None = None,
) -> Floats:
    """Mean outcome of so many playouts of the softmax rollout policy, -1..1 for the side to move, [n]."""
    found = np.empty(len(positions))
    for i, position in enumerate(positions):
        area, _ = position.playouts("softmax", playouts, seed=game_seed(seed, i), weights=weights, threads=threads)
        found[i] = _mean_outcome(position, area.astype(np.float64) - position.komi - position.white_bonus)
        if on_done is not None:
            on_done(i + 1, len(positions))
    return found


def policy_values(
    network: Network,
    positions: Sequence[_core.Position],
    *,
    playouts: int = PLAYOUTS,
    seed: int = 0,
    threads: int = 1,
    finish: Finish = SETTLED,
    on_done: OnDone | None = None,
) -> Floats:
    """Mean outcome of so many games that a policy network plays out against itself, drawing its moves, [n].

    What is drawn depends on the seed and the network's answers alone, not on the number of threads.

    Raises:
        NetworkError: it has no policy, or does not play on this size.
    """
    if "policy" not in network.architecture.heads:
        raise NetworkError(f"the network has no policy; its heads are {', '.join(network.architecture.heads)}")
    size = positions[0].size
    precision = choose(swappable=True)[1]  # not int8: these are the policy's own games
    evaluators: queue.SimpleQueue[Evaluator] = queue.SimpleQueue()
    batch = min(_BATCH, playouts)
    for evaluator in make_evaluators(network, size, batch, precision=precision, workers=threads, threads=threads):
        evaluators.put(evaluator)

    def valued(number: int) -> float:
        evaluator = evaluators.get()
        try:
            return _played_out(positions[number], evaluator, playouts, game_seed(seed, number), finish)
        finally:
            evaluators.put(evaluator)

    found = np.empty(len(positions))
    with ThreadPoolExecutor(threads) as pool:
        try:
            for number, value in enumerate(pool.map(valued, range(len(positions)))):
                found[number] = value
                if on_done is not None:
                    on_done(number + 1, len(positions))
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)  # Ctrl-C waits for the positions under way alone
            raise
    return found


def _played_out(position: _core.Position, evaluator: Evaluator, playouts: int, seed: int, finish: Finish) -> float:
    longest = max(2 * position.size**2, position.move_count + position.size**2)
    games = _core.PolicyGames(position, playouts, longest, settling(finish))
    numbers = np.arange(playouts)
    games.begin(numbers, np.array([game_seed(seed, i) for i in range(playouts)], dtype=np.uint64))
    buffers = evaluator.buffers()
    while len(going := np.sort(np.concatenate([games.waiting(numbers, color) for color in (1, 2)]))):
        for rows, logits in evaluated(games, going, evaluator, buffers):
            games.play(rows, logits, 1.0)
    return _mean_outcome(position, games.scores(numbers).astype(np.float64))


def _mean_outcome(position: _core.Position, lead: Floats) -> float:
    """Of games that black leads by so many points, komi counted, for the side to move."""
    return float(np.sign(lead).mean()) * (1 if position.to_play == BLACK else -1)


# --- errors -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Part:
    """A stage of the game."""

    begin: float
    end: float
    positions: int
    mse: float
    """NaN where there is no position."""
    error: float
    """Half the width of its 95 % interval."""


@dataclass
class Errors:
    """Squared errors of several ways of valuing the same positions.

    Attributes:
        stages: [n]: of the positions.
        squared: by name, [n]; NaN where a position was not valued in this way.
    """

    stages: Floats
    squared: dict[str, Floats] = field(default_factory=dict)

    def add(self, name: str, values: Floats, outcomes: Floats, chosen: NDArray[np.int64] | None = None) -> None:
        """Take in the values of all positions, or of those chosen."""
        found = np.full(len(self.stages), np.nan)
        where = np.arange(len(self.stages)) if chosen is None else chosen
        found[where] = (values - outcomes[where]) ** 2
        self.squared[name] = found

    def of(self, name: str, parts: int) -> list[Part]:
        """Errors by parts of the game of equal length."""
        return [_part(self._inside(self.squared[name], i, parts), i / parts, (i + 1) / parts) for i in range(parts)]

    def whole(self, name: str) -> Part:
        """The error over all positions."""
        return _part(self._inside(self.squared[name], 0, 1), 0.0, 1.0)

    def difference(self, name: str, other: str, parts: int) -> list[Part]:
        """Error of `name` less that of `other` on the positions that both have valued; below 0 where the first is closer."""
        both = self.squared[name] - self.squared[other]
        return [_part(self._inside(both, i, parts), i / parts, (i + 1) / parts) for i in range(parts)]

    def _inside(self, values: Floats, index: int, parts: int) -> Floats:
        here = np.minimum(parts - 1, (self.stages * parts).astype(np.int64)) == index
        found: Floats = values[here & ~np.isnan(values)]
        return found

    def to_dict(self) -> dict[str, Any]:
        """For JSON: by name errors over all positions, by ninths and by thirds; differences from the first name by thirds."""
        names = list(self.squared)
        return {
            "outcomes": OUTCOMES,
            "positions": len(self.stages),
            "errors": {
                name: {
                    **_row(self.whole(name)),
                    "stages": [_row(part) for part in self.of(name, STAGES)],
                    "thirds": [_row(part) for part in self.of(name, THIRDS)],
                }
                for name in names
            },
            "differences": {
                name: [_row(part) for part in self.difference(names[0], name, THIRDS)] for name in names[1:]
            },
        }


def _part(values: Floats, begin: float, end: float) -> Part:
    n = len(values)
    mean = float(values.mean()) if n else float("nan")
    error = float(Z95 * values.std(ddof=1) / np.sqrt(n)) if n > 1 else float("nan")
    return Part(begin, end, n, mean, error)


def _row(part: Part) -> dict[str, float | int | None]:
    return {
        "from": round(part.begin, 4),
        "to": round(part.end, 4),
        "positions": part.positions,
        "mse": _number(part.mse),
        "error": _number(part.error),
    }


def _number(value: float) -> float | None:
    return None if np.isnan(value) else round(value, 5)


def measure_errors(
    examples: Sequence[Example],
    network: Network,
    weights: _core.RolloutWeights,
    policies: dict[str, Network],
    *,
    playouts: int = PLAYOUTS,
    policy_positions: int | None = None,
    seed: int = 0,
    threads: int = 1,
    device: torch.device | None = None,
    on_done: Callable[[str, int, int], None] | None = None,
    known: Mapping[str, Floats] | None = None,
    on_way: Callable[[Errors], None] | None = None,
) -> Errors:
    """Value the same positions in every way; the value network comes first, the rollouts second.

    Args:
        policies: by name; each plays its own playouts. What its outcome head says is compared too, where it has one: what the value
            network has learned besides is the difference.
        policy_positions: so many positions at most for those, evenly spread; they take a network a move.
        on_done: is told what is being done, how many positions are done, and how many there are.
        known: squared errors by name that the same call has found before; they are taken as they are.
        on_way: is given what is known so far, after every way of valuing.
    """
    positions = [example.position for example in examples]
    outcomes = np.array([example.outcome for example in examples])
    errors = Errors(np.array([example.stage for example in examples]))
    chosen = np.arange(len(positions))
    if policy_positions is not None and len(chosen) > policy_positions:
        chosen = np.linspace(0, len(positions) - 1, policy_positions).astype(np.int64)
    few = [positions[i] for i in chosen.tolist()]

    def add(
        name: str, values: Callable[..., Floats], where: NDArray[np.int64] | None = None, *, tells: bool = True
    ) -> None:
        if known is not None and name in known:
            errors.squared[name] = known[name]
            return
        told = {"on_done": partial(on_done, name)} if tells and on_done is not None else {}
        errors.add(name, values(threads=threads, **told), outcomes, where)
        if on_way is not None:
            on_way(errors)

    add("value network", partial(network_values, network, positions, device=device), tells=False)
    add(f"{playouts} rollouts", partial(rollout_values, positions, weights, playouts=playouts, seed=seed))
    for name, policy in policies.items():
        if "outcome" in policy.architecture.heads:
            add(f"outcome head of {name}", partial(network_values, policy, positions), tells=False)
    for name, policy in policies.items():
        add(f"{playouts} playouts of {name}", partial(policy_values, policy, few, playouts=playouts, seed=seed), chosen)
    return errors
