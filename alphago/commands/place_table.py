"""How `alphago place` tells what it found: a table of methods, a JSON file, a line that says whether placing is worth it."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from alphago.controller.placement.compare import Row
    from alphago.controller.placement.measure import Measured
    from alphago.controller.placement.problem import Problem

WORTH = 0.02
"""A gain below this share is called none: the simulator is not better than that."""


def row_values(row: Row) -> dict[str, Any]:
    """A row as JSON holds it."""
    return {
        "method": row.method,
        "ms": row.ms if math.isfinite(row.ms) else None,
        "placements": row.placements,
        "seconds": round(row.seconds, 3),
        "note": row.note,
        "memory_share": round(row.held, 4),
    }


def print_table(
    problem: Problem, rows: Sequence[Row], bound_ms: float | None = None, measured: Sequence[Measured] = ()
) -> None:
    """The rows, the best first, each against the best."""
    from rich.console import Console
    from rich.table import Table

    known = [row.ms for row in rows if math.isfinite(row.ms)]
    best = min(known, default=math.inf)
    real = {one.name: one for one in measured}
    table = Table(
        title=f"{problem.graph.name} on {problem.machine.name}: {problem.objective}, ms", title_justify="left"
    )
    for title, justify in (("method", "left"), ("ms", "right"), ("against best", "right"), ("memory", "right")):
        table.add_column(title, justify=justify)  # type: ignore[arg-type]
    if measured:
        table.add_column("measured ms (95 %)", justify="right")
    for title, justify in (("placements", "right"), ("seconds", "right"), ("", "left")):
        table.add_column(title, justify=justify)  # type: ignore[arg-type]
    for row in sorted(rows, key=lambda one: one.ms):
        fits = math.isfinite(row.ms)
        cells = [
            row.method,
            f"{row.ms:.4g}" if fits else "-",
            f"{row.ms / best:.3f}x" if fits and best > 0 else "-",
            f"{100 * row.held:.0f} %" if row.held else "",
        ]
        if measured:
            one = real.pop(row.method, None)
            cells.append("" if one is None else f"{one.ms:.4g} ({one.low:.4g}-{one.high:.4g})")
        table.add_row(*cells, f"{row.placements:,}", f"{row.seconds:.1f}", row.note)
    for one in real.values():
        table.add_row(one.name, "", "", "", f"{one.ms:.4g} ({one.low:.4g}-{one.high:.4g})", "", "", "no placement")
    if bound_ms is not None:
        table.add_row(
            "bound",
            f"{bound_ms:.4g}",
            f"{bound_ms / best:.3f}x" if math.isfinite(best) and best > 0 else "",
            *([""] * (len(table.columns) - 3)),
        )
    console = Console(width=None if Console().is_terminal else 140)
    console.print(table)


def verdict(problem: Problem, found_ms: float) -> str:
    """One sentence: whether more than one device is worth it."""
    device, alone = problem.best_alone
    name = problem.machine.devices[device].name
    if not math.isfinite(alone):
        return f"it fits on no single device; placed, it takes {found_ms:.4g} ms"
    if found_ms >= alone * (1 - WORTH):
        return f"leave it on one device: {name} alone takes {alone:.4g} ms, the best placement {found_ms:.4g} ms"
    return f"{alone / found_ms:.2f} times as fast as {name} alone ({found_ms:.4g} ms against {alone:.4g} ms)"


def measured_verdict(measured: Sequence[Measured], placed: str, single: str) -> str:
    """The same of measured times, with the intervals in mind, and against one process with all threads.

    What does not fit in memory was not measured, and the sentence says so.
    """
    by_name = {one.name: one for one in measured}
    ours, alone = by_name.get(placed), by_name.get(single)
    if ours is None:
        return f"measured: {placed} does not fit in memory"
    parts = [f"measured: {placed} {ours.ms:.4g} ms"]
    if alone is None:
        parts.append(f"{single} does not fit in memory")
    else:
        parts[0] += f", {single} {alone.ms:.4g} ms"
        if ours.ms >= alone.ms:
            parts.append("leave it on one device")
        elif ours.high < alone.low:
            parts.append(f"{alone.ms / ours.ms:.2f} times as fast")
        else:
            parts.append("the intervals overlap: no difference is shown")
    for one in measured:
        if one.name.startswith("one process") and not one.name.endswith("1 thread"):
            parts.append(
                f"{one.name}: {one.ms:.4g} ms" + (", which is faster than the placement" if one.ms < ours.ms else "")
            )
    return "; ".join(parts)


def measured_values(measured: Sequence[Measured]) -> list[dict[str, Any]]:
    """As JSON holds them."""
    return [
        {
            "name": one.name,
            "ms": one.ms,
            "low": one.low,
            "high": one.high,
            "times": [round(float(t), 4) for t in one.times],
        }
        for one in measured
    ]


def write_json(path: Path, values: Any) -> None:
    """Raises PlacementError: it cannot be written."""
    from alphago.controller.placement.graph import PlacementError
    from alphago.files import write_atomically

    write_atomically(path, (json.dumps(values, indent=1) + "\n").encode(), PlacementError)
