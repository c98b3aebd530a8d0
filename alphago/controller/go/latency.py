"""Milliseconds of a network as the search will run it, measured beside the hand-made one: a busy machine slows both alike."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
import time
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path
from typing import Any, Final

import numpy as np

from alphago.controller.go.settings import LatencySettings
from alphago.errors import AlphaGoError
from alphago.files import write_atomically
from alphago.nets.architecture import Residual
from alphago.nets.evaluator import Evaluator
from alphago.nets.int8 import CACHE_VARIABLE
from alphago.nets.modules import build
from alphago.nets.runtimes import choose, make_evaluators

LATENCIES: Final = "latencies.jsonl"
_WARM_UP: Final = 3


class LatencyError(AlphaGoError):
    """A file of latencies that cannot be read or written."""


def machine(settings: LatencySettings) -> dict[str, Any]:
    """What a measurement depends on beside the network."""
    runtime, precision = choose(settings.runtime, settings.precision)
    packages = ("torch", "openvino") if runtime == "openvino" else ("torch",)
    return {
        "processor": _processor(),
        "runtime": runtime,
        "precision": precision,
        "batch": settings.batch,
        "threads": settings.threads,
        **{name: metadata.version(name) for name in packages},
    }


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            found = next((line.partition(":")[2].strip() for line in file if line.startswith("model name")), "")
    except OSError:
        found = ""
    return found or platform.processor() or platform.machine()


Timer = Callable[[], float]
"""Evaluates a batch of an untrained network; the seconds that it took."""


@contextlib.contextmanager
def _nothing_kept() -> Iterator[None]:
    """The few int8 networks that are kept on disk are those that somebody plays with: untrained ones would drive them out."""
    before = os.environ.get(CACHE_VARIABLE)
    os.environ[CACHE_VARIABLE] = ""
    try:
        yield
    finally:
        if before is None:
            del os.environ[CACHE_VARIABLE]
        else:
            os.environ[CACHE_VARIABLE] = before


def timer_of(architecture: Residual, size: int, settings: LatencySettings) -> Timer:
    """A network ready to be timed; in int8 that takes seconds. Raises NetworkError."""
    with _nothing_kept():
        (evaluator,) = make_evaluators(
            build(architecture),
            size,
            settings.batch,
            runtime=settings.runtime,
            precision=settings.precision,
            threads=settings.threads,
        )
    found: Evaluator = evaluator
    planes, globals_ = found.buffers()
    random = np.random.default_rng(0)
    planes[:] = random.integers(0, 2, planes.shape)
    globals_[:] = random.normal(size=globals_.shape)

    def run() -> float:
        found.evaluate(planes, globals_)  # what another network has left in the caches is none of its cost
        started = time.perf_counter()
        found.evaluate(planes, globals_)
        return time.perf_counter() - started

    return run


def median_ms(timer: Timer, repeats: int) -> float:
    """Milliseconds of a batch: the median."""
    for _ in range(_WARM_UP):
        timer()
    return 1e3 * float(np.median([timer() for _ in range(repeats)]))


def ratio(ours: Timer, theirs: Timer, repeats: int) -> float:
    """How many times as long one takes as the other: the median of ratios of measurements that follow one another."""
    for _ in range(_WARM_UP):
        ours()
        theirs()
    return float(np.median([ours() / theirs() for _ in range(repeats)]))


class Latencies:
    """Latencies that are measured once and then known; with a file, by every later run in its folder too.

    Args:
        reference: measured in the first place; every other network's is its ratio to this one's, times it.
        folder: of the file; None: nothing is kept.
        reference_ms: of the reference, where it was measured before on this very machine; None: it is measured.

    Raises:
        LatencyError: the file is damaged.
    """

    def __init__(
        self,
        reference: Residual,
        size: int,
        settings: LatencySettings,
        folder: Path | None = None,
        *,
        reference_ms: float | None = None,
    ) -> None:
        self.reference, self.size, self.settings = reference, size, settings
        self._path = None if folder is None else folder / LATENCIES
        self._machine = json.dumps(machine(settings), sort_keys=True)
        self._timer: Timer | None = None
        self._known: dict[str, float] = {} if reference_ms is None else {self._key(reference): reference_ms}
        if self._path is not None and self._path.exists():
            self._read(self._path)

    @property
    def reference_ms(self) -> float:
        """Of the reference."""
        key = self._key(self.reference)
        if key not in self._known:
            self._note(key, median_ms(self._reference_timer(), self.settings.repeats))
        return self._known[key]

    def of(self, architecture: Residual) -> float:
        """Milliseconds of a batch."""
        base, key = self.reference_ms, self._key(architecture)
        if key not in self._known:
            ours = timer_of(architecture, self.size, self.settings)
            self._note(key, base * ratio(ours, self._reference_timer(), self.settings.repeats))
        return self._known[key]

    def __getstate__(self) -> dict[str, Any]:
        """Without the reference's timer, which belongs to its process."""
        return {**self.__dict__, "_timer": None}

    def _reference_timer(self) -> Timer:
        """Made once: in int8 it takes longer than all measurements with it."""
        if self._timer is None:
            self._timer = timer_of(self.reference, self.size, self.settings)
        return self._timer

    def _key(self, architecture: Residual) -> str:
        text = f"{architecture.model_dump_json()} {self.size} {self._machine}"
        return hashlib.sha256(text.encode()).hexdigest()[:24]

    def _note(self, key: str, milliseconds: float) -> None:
        self._known[key] = milliseconds
        if self._path is None:
            return
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps({"key": key, "ms": milliseconds}) + "\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise LatencyError(f"{self._path}: {error.strerror or error}") from None

    def _read(self, path: Path) -> None:
        data = path.read_bytes()
        whole = data[: data.rfind(b"\n") + 1]  # a killed process may have left half a line
        for number, line in enumerate(whole.splitlines(), 1):
            try:
                row = json.loads(line)
                self._known[str(row["key"])] = float(row["ms"])
            except (ValueError, KeyError, TypeError) as error:
                raise LatencyError(f"{path}:{number}: damaged latency: {error}") from None
        if whole != data:
            write_atomically(path, whole, LatencyError)
