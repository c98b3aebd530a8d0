"""What a search that measures has measured: every placement once, whatever round it is drawn in, after an interruption too."""

from __future__ import annotations

import hashlib
import json
import math
from pathlib import Path
from typing import Any, Final

import numpy as np

from alphago.controller.placement.corpus import read_json
from alphago.controller.placement.graph import Floats, Ints, PlacementError, canonical
from alphago.controller.placement.problem import Costs, Problem
from alphago.controller.placement.source import Coster
from alphago.files import write_atomically

FORMAT: Final = "alphago-placement-measurements-1"
LEADING: Final = 5
"""Placements that are kept to be measured again at the end."""


class Measurements:
    """A coster that asks another one, which measures, for what it does not know yet.

    Placements that exchange devices which are alike are the same one.

    Args:
        path: where everything is kept; None: nowhere.

    Raises:
        PlacementError: the file is damaged.
    """

    def __init__(self, problem: Problem, costs: Coster, path: Path | None = None) -> None:
        self._problem, self._costs, self._path = problem, costs, path
        self._known: dict[str, float] = {}
        self._leading: list[tuple[float, list[int]]] = []
        if path is not None and path.exists():
            self._read(path)

    def __call__(self, placements: Ints) -> Costs:
        """Placements of operations, int64 [B, N], to their costs. What fits, and what is held, is what the simulator says."""
        simulated = self._problem.costs_of_operations(placements)
        keys = self._keys(placements)
        new = {key: row for row, key in enumerate(keys) if key not in self._known}
        if new:
            rows = list(new.values())
            self._take(list(new), placements[rows], self._costs(placements[rows]))
            if self._path is not None:
                self._write(self._path)
        ms: Floats = np.array([self._known[key] for key in keys], dtype=np.float64)
        return Costs(ms, simulated.fits, simulated.held)

    @property
    def leading(self) -> list[Ints]:
        """The best that fit, at most `LEADING`, the best first: int64 [N] each."""
        return [np.array(placement, dtype=np.int64) for _, placement in self._leading]

    def _keys(self, placements: Ints) -> list[str]:
        found = canonical(placements, self._problem.machine, self._problem.graph.order)
        return [hashlib.sha256(row.astype(np.uint8).tobytes()).hexdigest()[:24] for row in found]

    def _take(self, keys: list[str], placements: Ints, costs: Costs) -> None:
        for key, placement, ms, fits in zip(keys, placements, costs.ms.tolist(), costs.fits.tolist(), strict=True):
            self._known[key] = ms
            if fits:
                self._leading.append((ms, placement.tolist()))
        self._leading = sorted(self._leading)[:LEADING]

    def _write(self, path: Path) -> None:
        known = {key: ms if math.isfinite(ms) else None for key, ms in self._known.items()}
        values = {"format": FORMAT, "known": known, "leading": self._leading}
        write_atomically(path, json.dumps(values).encode(), PlacementError)

    def _read(self, path: Path) -> None:
        values: Any = read_json(path)
        if not isinstance(values, dict) or values.get("format") != FORMAT:
            raise PlacementError(f"{path}: no measurements (expected an object of format {FORMAT!r})")
        try:
            self._known = {key: math.inf if ms is None else float(ms) for key, ms in values["known"].items()}
            self._leading = [(float(ms), [int(device) for device in row]) for ms, row in values["leading"]]
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise PlacementError(f"{path}: damaged: {type(error).__name__}: {error}") from None
        n = len(self._problem.graph)
        if any(len(row) != n or not 0 <= min(row) <= max(row) < self._problem.devices for _, row in self._leading):
            raise PlacementError(f"{path}: damaged: placements of another problem")
