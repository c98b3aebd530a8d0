"""Weights of the rollout and tree policies, learned from games and then balanced against positions whose value is known.

Three stages, each of which can be stopped and gone on with:

1. `likelihood`: the weights of the rollout policy's features under which the moves played are most likely;
2. `balance`: simulation balancing (Silver and Tesauro, ICML 2009). A policy that foretells more moves does not search better for
   it: here the weights move so that the mean outcome of playouts comes close to what a strong search thinks of the position;
3. `tree`: likelihood again, for the features that the tree policy adds; the others stay as they are.

Which patterns have a weight is settled first: those met most often in the games.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Annotated, Any, Final

import numpy as np
import pydantic
from numpy.typing import NDArray

from alphago import _core
from alphago.data.batches import Sampler, make_batch
from alphago.data.game_set import Games
from alphago.nets.rollout import TENSORS, RolloutArrays, rollout_weights
from alphago.train.softmax import Adagrad, FeatureArrays, Likelihood, likelihood

Positive = Annotated[int, pydantic.Field(ge=1)]
Rate = Annotated[float, pydantic.Field(gt=0, le=10)]


class PatternSettings(pydantic.BaseModel, extra="forbid", frozen=True):
    """How many patterns get a weight; by default as many as AlphaGo had (Nature 529, Extended Data Table 4)."""

    pattern3: Annotated[int, pydantic.Field(ge=0, le=1 << 20)] = 69_338
    response: Annotated[int, pydantic.Field(ge=0, le=1 << 20)] = 32_207
    pattern12: Annotated[int, pydantic.Field(ge=0, le=1 << 20)] = 32_207
    positions: Annotated[int, pydantic.Field(ge=1, description="that are looked at to count them")] = 200_000


class LikelihoodSettings(pydantic.BaseModel, extra="forbid", frozen=True):
    """Learning from the moves played."""

    steps: Annotated[int, pydantic.Field(ge=0)] = 1500
    batch: Positive = 4096
    rate: Rate = 0.3


class BalanceSettings(pydantic.BaseModel, extra="forbid", frozen=True):
    """Simulation balancing."""

    steps: Annotated[int, pydantic.Field(ge=0, description="0: none")] = 0
    batch: Annotated[int, pydantic.Field(ge=1, description="positions a step")] = 256
    playouts: Annotated[int, pydantic.Field(ge=2, description="from each position")] = 32
    rate: Rate = 0.02
    size: Annotated[int | None, pydantic.Field(ge=2, le=19, description="board size it is done on; null: all")] = None


@dataclass
class Layout:
    """The arrays of a weights file as one vector, in the order of `_core.RolloutFeatures`."""

    pattern3: NDArray[np.uint32]
    response: NDArray[np.uint64]
    pattern12: NDArray[np.uint64]

    def __post_init__(self) -> None:
        self.features = _core.RolloutFeatures(self.pattern3, self.response, self.pattern12)

    def __len__(self) -> int:
        return len(self.features)

    def vector(self, arrays: Mapping[str, NDArray[Any]]) -> NDArray[np.float64]:
        """[features + 1]; the last is 0."""
        parts = [np.ravel(arrays[name]) for name in _ORDER]
        return np.concatenate([*parts, np.zeros(1)]).astype(np.float64)

    def arrays(self, vector: NDArray[np.float64]) -> RolloutArrays:
        """What a weights file holds."""
        keys: RolloutArrays = {
            "response_keys": self.response,
            "pattern3_keys": self.pattern3,
            "pattern12_keys": self.pattern12,
        }
        lengths = {"n": len(self.response), "m": len(self.pattern3), "k": len(self.pattern12)}
        out: RolloutArrays = dict(keys)
        at = 0
        for name in _ORDER:
            shape = tuple(lengths[n] if isinstance(n, str) else n for n in TENSORS[name][1])
            size = int(np.prod(shape, dtype=np.int64))
            out[name] = vector[at : at + size].reshape(shape).astype(np.float32)
            at += size
        return out

    def is_tree(self) -> NDArray[np.bool_]:
        """[features + 1]: whether the tree policy alone has the feature."""
        arrays = {name: np.zeros(array.shape) for name, array in self.arrays(np.zeros(len(self) + 1)).items()}
        for name in ("self_atari", "distance", "pattern12_weights"):
            arrays[name] = np.ones(arrays[name].shape)
        return self.vector(arrays) > 0


_ORDER: Final = (
    "response", "save_atari", "neighbour", "nakade", "self_atari", "distance", "pattern3_weights", "response_weights",
    "pattern12_weights",
)  # fmt: skip


def find_patterns(games: Games, positions: NDArray[np.int64], settings: PatternSettings, threads: int) -> Layout:
    """The patterns that were met most often; of equals those with the smaller keys."""
    keys = {}
    for kind, most in (
        ("pattern3", settings.pattern3),
        ("response", settings.response),
        ("pattern12", settings.pattern12),
    ):
        with games.told():
            found, seen, _ = _core.count_patterns(games.core, positions, kind, threads)
        best = np.argsort(-seen, kind="stable")[:most]
        keys[kind] = np.sort(found[best])
    return Layout(keys["pattern3"].astype(np.uint32), keys["response"], keys["pattern12"])


@dataclass
class Mixture:
    """Positions of several board sizes, each size with its own share of every batch, in an order that its number settles."""

    samplers: list[Sampler]

    @staticmethod
    def of(games: Games, positions: NDArray[np.int64], seed: int) -> Mixture:
        """As many positions of each size, however many games of it there are."""
        sizes = games.sizes[games.game_of(positions)]
        return Mixture([Sampler(positions[sizes == n], seed, symmetries=False) for n in np.unique(sizes).tolist()])

    def batch(self, number: int, count: int) -> NDArray[np.int64]:
        """Positions of batch 0, 1, ..."""
        parts = []
        for i, sampler in enumerate(self.samplers):
            share = count * (i + 1) // len(self.samplers) - count * i // len(self.samplers)
            if share:
                parts.append(sampler.draw(number * share, share)[0])
        return np.concatenate(parts)


def read_ahead(
    layout: Layout, games: Games, mixture: Mixture, count: int, first: int, last: int, *, tree: bool, threads: int
) -> Iterator[FeatureArrays]:
    """Batches number `first` to `last` - 1, made ahead of time by a thread of its own."""
    with ThreadPoolExecutor(1) as pool:

        def ask(number: int) -> Future[FeatureArrays]:
            return pool.submit(layout.features.read, games.core, mixture.batch(number, count), tree, threads)

        waiting = [ask(number) for number in range(first, min(first + 3, last))]
        for number in range(first, last):
            if number + 3 < last:
                waiting.append(ask(number + 3))
            with games.told():
                batch = waiting.pop(0).result()
            yield batch


def measure(
    layout: Layout,
    games: Games,
    positions: NDArray[np.int64],
    weights: NDArray[np.float64],
    *,
    tree: bool,
    threads: int,
) -> dict[str, float]:
    """Top-1 over all positions but passes (a move that the policy never plays is a miss); log-loss where it may play the move."""
    positions = positions[~is_pass(games, positions, threads)]
    positions_seen, known, top1, loss = 0, 0, 0.0, 0.0
    for start in range(0, len(positions), 8192):
        part = positions[start : start + 8192]
        with games.told():
            batch = layout.features.read(games.core, part, tree, threads)
        found = likelihood(batch, weights)
        positions_seen += len(part)
        known += found.positions
        top1 += found.top1 * found.positions
        loss += found.log_loss * found.positions
    return {"positions": positions_seen, "top1": top1 / max(1, positions_seen), "log_loss": loss / max(1, known)}


def root_values(games: Games, positions: NDArray[np.int64], threads: int = 1) -> NDArray[np.float32]:
    """What the searches thought, -1..1 for the side to move; NaN where there was none."""
    found: NDArray[np.float32] = make_batch(games, positions, None, "rich-fast", ("root_value",), threads=threads)[
        "root_value"
    ]
    return found


def is_pass(games: Games, positions: NDArray[np.int64], threads: int = 1) -> NDArray[np.bool_]:
    """Whether the move played there is a pass."""
    moves = make_batch(games, positions, None, "rich-fast", ("move",), threads=threads)["move"]
    found: NDArray[np.bool_] = moves == games.width**2
    return found


OnStep = Callable[[int, Likelihood], bool]
"""Is told the step and what was found; True: stop here."""


def climb_likelihood(
    layout: Layout,
    games: Games,
    mixture: Mixture,
    learner: Adagrad,
    settings: LikelihoodSettings,
    *,
    tree: bool,
    threads: int,
    on_step: OnStep,
) -> bool:
    """Learn from the moves played, from the learner's step on. False: stopped before the end."""
    batches = read_ahead(
        layout, games, mixture, settings.batch, learner.step, settings.steps, tree=tree, threads=threads
    )
    for batch in batches:
        found = likelihood(batch, learner.weights)
        learner.climb(found.gradient)
        if on_step(learner.step, found) and learner.step < settings.steps:
            return False
    return True


@dataclass
class Balanced:
    """A step of balancing."""

    squared_error: float
    """Mean of (target - mean outcome of the playouts)^2, outcomes -1..1, less the playouts' own variance."""


def climb_balance(
    layout: Layout,
    games: Games,
    mixture: Mixture,
    learner: Adagrad,
    settings: BalanceSettings,
    *,
    seed: int,
    threads: int,
    on_step: Callable[[int, Balanced], bool],
) -> bool:
    """Balance playouts against the root values of the games' searches, from the learner's step on. False: stopped early."""
    n = settings.playouts
    while learner.step < settings.steps:
        positions = mixture.batch(learner.step, settings.batch)
        wanted = root_values(games, positions, threads)
        weights = rollout_weights(layout.arrays(learner.weights))
        with games.told():
            gradient, values = layout.features.balance(
                games.core, positions, wanted, weights, n, seed + (learner.step << 32), threads
            )
        learner.climb(np.append(gradient / len(positions), 0.0))
        noise = (1 - values.astype(np.float64) ** 2) / max(1, n - 1)
        error = float(((wanted - values).astype(np.float64) ** 2 - noise).mean())
        if on_step(learner.step, Balanced(error)) and learner.step < settings.steps:
            return False
    return True
