"""Batches of examples at random positions, made by background threads while the learner works.

Batch i is a function of the seed and of i alone: every position of an epoch comes once, in an order that is computed and not
stored, so a cursor of one number resumes it exactly.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from alphago import _core
from alphago.data.game_set import Games
from alphago.data.games import GameDataError
from alphago.seeds import GOLDEN, mix64

Batch = dict[str, NDArray[Any]]
OUTPUTS: Final = (
    "planes",
    "globals",
    "move",
    "reply",
    "policy",
    "legal",
    "outcome",
    "score",
    "ownership",
    "root_value",
)
_ROUNDS: Final = 4


def permuted(index: NDArray[np.int64], n: int, key: int) -> NDArray[np.int64]:
    """Where a pseudo-random permutation of 0..n-1 takes each index.

    A Feistel network over the next power of four, walked until it ends inside (Black and Rogaway, CT-RSA 2002).
    """
    half = max(1, ((n - 1).bit_length() + 1) // 2)
    low = np.uint64((1 << half) - 1)
    keys = mix64(np.arange(1, _ROUNDS + 1, dtype=np.uint64) * np.uint64(GOLDEN) + np.uint64(key & (2**64 - 1)))
    out = index.astype(np.uint64)
    todo = np.arange(len(out))
    while len(todo):
        left, right = out[todo] >> np.uint64(half), out[todo] & low
        for round_key in keys:
            left, right = right, left ^ (mix64(right + round_key) & low)
        out[todo] = (left << np.uint64(half)) | right
        todo = todo[out[todo] >= np.uint64(n)]
    return out.astype(np.int64)


@dataclass(frozen=True)
class Sampler:
    """Which example stands where in the endless row of epochs.

    Attributes:
        examples: int64 [n] positions of a set of games.
        seed: of the orders and symmetries.
        symmetries: whether examples are turned and mirrored at random.
    """

    examples: NDArray[np.int64]
    seed: int = 0
    symmetries: bool = True

    def draw(self, first: int, count: int) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
        """Positions and symmetries of the examples numbered first, ..., first + count - 1."""
        n = len(self.examples)
        number = np.arange(first, first + count, dtype=np.int64)
        epochs, index = np.divmod(number, n)
        found = np.empty(count, np.int64)
        for epoch in np.unique(epochs).tolist():
            here = epochs == epoch
            found[here] = permuted(index[here], n, (self.seed * 0x2545F4914F6CDD1D + epoch * 2 + 1) & (2**64 - 1))
        turned = np.zeros(count, np.uint8)
        if self.symmetries:
            salted = number.astype(np.uint64) + np.uint64(
                (self.seed * 0xD1342543DE82EF95 + 0x5851F42D4C957F2D) & (2**64 - 1)
            )
            turned = (mix64(salted * np.uint64(GOLDEN)) >> np.uint64(61)).astype(np.uint8)
        return self.examples[found], turned


def make_batch(
    games: Games,
    positions: NDArray[np.int64],
    symmetries: NDArray[np.uint8] | None,
    feature_set: str,
    outputs: Iterable[str] = OUTPUTS,
    *,
    width: int | None = None,
    threads: int = 1,
    bytes_planes: bool = True,
) -> Batch:
    """Write examples into new arrays; `_core.GameSet.write` says what each one holds.

    Args:
        outputs: of `OUTPUTS`; "mask" besides them is float32 [n, 1, S, S], 1 on the board.
        width: S, the edge of the arrays; None: that of the largest board of the set.
        bytes_planes: planes as uint8, a quarter of the memory; every plane is 0 or 1.

    Raises:
        GameDataError: a game that cannot be replayed.
    """
    n, s = len(positions), games.width if width is None else width
    shapes: dict[str, tuple[tuple[int, ...], Any]] = {
        "planes": ((n, _core.feature_planes(feature_set), s, s), np.uint8 if bytes_planes else np.float32),
        "globals": ((n, 7), np.float32),
        "move": ((n,), np.int64),
        "reply": ((n,), np.int64),
        "policy": ((n, s * s + 1), np.float32),
        "legal": ((n, s * s + 1), np.uint8),
        "outcome": ((n, 3), np.float32),
        "score": ((n,), np.float32),
        "ownership": ((n, s, s), np.float32),
        "root_value": ((n,), np.float32),
    }
    wanted = list(outputs)
    out = {name: np.empty(shapes[name][0], shapes[name][1]) for name in wanted if name != "mask"}
    with games.told():
        games.core.write(positions, symmetries, feature_set, s, out, threads)
    if "mask" in wanted:
        sizes = games.sizes[games.game_of(positions)].astype(np.int64)
        inside = np.arange(s) < sizes[:, None]
        out["mask"] = (inside[:, None, :, None] & inside[:, None, None, :]).astype(np.float32)
    return out


class Batches:
    """An endless iterator of batches, made ahead of time by a thread of its own. A context manager.

    Args:
        size: examples a batch, over all ranks together.
        rank, world: this process takes rows rank * size / world on, so that more processes see the same batches in parts.
        cursor: number of the first batch.
        threads: that replay and write one batch.
        ahead: batches kept ready.

    Attributes:
        cursor: number of the batch that `next` gives next; save it, and start from it to go on.
    """

    def __init__(
        self,
        games: Games,
        sampler: Sampler,
        size: int,
        feature_set: str,
        outputs: Iterable[str] = OUTPUTS,
        *,
        rank: int = 0,
        world: int = 1,
        cursor: int = 0,
        threads: int = 1,
        ahead: int = 3,
    ) -> None:
        if size < 1 or size % world:
            raise GameDataError(f"a batch of {size} examples cannot be divided among {world} processes")
        self.games, self.sampler, self.size, self.feature_set = games, sampler, size, feature_set
        self._outputs, self._threads = tuple(outputs), threads
        self._rank, self._world = rank, world
        self.cursor = cursor
        self._ready: queue.Queue[Batch | BaseException] = queue.Queue(maxsize=ahead)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._work, args=(cursor,), name="batches", daemon=True)
        self._thread.start()

    def twin(self, feature_set: str, outputs: Iterable[str]) -> Batches:
        """The same positions under the same symmetries from the next batch on, in other planes."""
        return Batches(
            self.games, self.sampler, self.size, feature_set, outputs,
            rank=self._rank, world=self._world, cursor=self.cursor, threads=self._threads,
        )  # fmt: skip

    def __enter__(self) -> Batches:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __iter__(self) -> Iterator[Batch]:
        return self

    def __next__(self) -> Batch:
        """The next batch. Raises GameDataError where a game cannot be replayed."""
        if self._stopping.is_set():
            raise StopIteration
        found = self._ready.get()
        if isinstance(found, BaseException):
            self._stopping.set()
            raise found
        self.cursor += 1
        return found

    def close(self) -> None:
        """End the thread; batches made ahead are dropped."""
        self._stopping.set()
        while self._thread.is_alive():
            try:
                self._ready.get(timeout=0.05)
            except queue.Empty:
                continue
        self._thread.join()

    @property
    def epoch(self) -> float:
        """How often every example has been seen."""
        return self.cursor * self.size / len(self.sampler.examples)

    def _work(self, number: int) -> None:
        share = self.size // self._world
        try:
            while not self._stopping.is_set():
                first = number * self.size + self._rank * share
                batch = make_batch(
                    self.games,
                    *self.sampler.draw(first, share),
                    self.feature_set,
                    self._outputs,
                    threads=self._threads,
                )
                self._put(batch)
                number += 1
        except BaseException as error:  # noqa: BLE001  # raised again by __next__
            self._put(error)

    def _put(self, item: Batch | BaseException) -> None:
        while not self._stopping.is_set():
            try:
                self._ready.put(item, timeout=0.2)
                return
            except queue.Full:
                continue
