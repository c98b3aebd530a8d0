"""Curves of a stage: numbers by step, a line of JSON each, that a killed and resumed run continues without a seam.

TensorBoard would do for people; the report needs them from a file that says what it says after a kill too.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from alphago.files import write_atomically
from selfplay.pipeline.settings import PipelineError


class Curve:
    """Appends to a file; steps only grow, and what comes again replaces what came before."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._last = -1
        rows = read_curve(path)
        if rows:
            self._last = int(rows[-1]["step"])
        if path.exists():  # a killed process may have left half a line
            self._write(rows)

    def add(self, step: int, values: Mapping[str, float]) -> None:
        """A point. Not brought to the disk at once: a curve that lost its end is not worth waiting for."""
        if step <= self._last:
            self._write([row for row in read_curve(self._path) if row["step"] < step])
        self._last = step
        try:
            with open(self._path, "a", encoding="utf-8") as file:
                file.write(json.dumps({"step": step, **values}) + "\n")
        except OSError as error:
            raise PipelineError(f"{self._path}: cannot be written: {error.strerror or error}") from None

    def _write(self, rows: list[dict[str, Any]]) -> None:
        text = "".join(json.dumps(row) + "\n" for row in rows)
        write_atomically(self._path, text.encode(), PipelineError)


def read_curve(path: Path) -> list[dict[str, Any]]:
    """Points in the order of their steps; none where there is no file. A last line that is cut short is left out."""
    try:
        text = path.read_bytes().decode("utf-8", "replace")
    except OSError:
        return []
    rows = []
    for line in text[: text.rfind("\n") + 1].splitlines():
        try:
            row = json.loads(line)
        except ValueError:
            continue
        if isinstance(row, dict) and isinstance(row.get("step"), int):
            rows.append(row)
    return sorted(rows, key=lambda row: int(row["step"]))
