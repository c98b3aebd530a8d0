"""Milliseconds of a network as the search will run it, measured beside the hand-made one: a busy machine slows both alike."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any, Final

import numpy as np

from alphago.controller.go.settings import LatencySettings
from alphago.errors import AlphaGoError
from alphago.nets.architecture import Residual
from alphago.nets.evaluator import Evaluator
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


def _evaluator(architecture: Residual, size: int, settings: LatencySettings) -> Callable[[], float]:
    """What evaluates a batch of an untrained network and returns the seconds."""
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


def measure_ms(architecture: Residual, size: int, settings: LatencySettings) -> float:
    """Milliseconds of a batch: the median of `settings.repeats`. Raises NetworkError."""
    run = _evaluator(architecture, size, settings)
    for _ in range(_WARM_UP):
        run()
    return 1e3 * float(np.median([run() for _ in range(settings.repeats)]))


def measure_ratio(architecture: Residual, reference: Residual, size: int, settings: LatencySettings) -> float:
    """How many times as long as the reference a network takes: the median of ratios of measurements that follow one another."""
    ours, theirs = _evaluator(architecture, size, settings), _evaluator(reference, size, settings)
    for _ in range(_WARM_UP):
        ours()
        theirs()
    return float(np.median([ours() / theirs() for _ in range(settings.repeats)]))


class Latencies:
    """Latencies that are measured once and then known; with a file, by every later run in its folder too.

    Args:
        reference: measured in the first place; every other network's is its ratio to this one's, times it.
        folder: of the file; None: nothing is kept.

    Raises:
        LatencyError: the file is damaged.
    """

    def __init__(self, reference: Residual, size: int, settings: LatencySettings, folder: Path | None = None) -> None:
        self.reference, self.size, self.settings = reference, size, settings
        self._path = None if folder is None else folder / LATENCIES
        self._machine = json.dumps(machine(settings), sort_keys=True)
        self._known: dict[str, float] = {}
        if self._path is not None and self._path.exists():
            self._read(self._path)

    @property
    def reference_ms(self) -> float:
        """Of the reference."""
        key = self._key(self.reference)
        if key not in self._known:
            self._note(key, measure_ms(self.reference, self.size, self.settings))
        return self._known[key]

    def of(self, architecture: Residual) -> float:
        """Milliseconds of a batch."""
        base, key = self.reference_ms, self._key(architecture)
        if key not in self._known:
            self._note(key, base * measure_ratio(architecture, self.reference, self.size, self.settings))
        return self._known[key]

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
            path.write_bytes(whole)
