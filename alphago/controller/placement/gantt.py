"""The timeline of a placement as a picture: what every device computes, what its link carries, and when."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any, Final

import numpy as np

from alphago.controller.placement.graph import Ints, PlacementError
from alphago.controller.placement.problem import Problem
from alphago.files import write_atomically

MOST_BARS: Final = 20_000


def plot_timeline(problem: Problem, placement: Ints, path: Path, title: str = "") -> None:
    """One PNG: a row for every device, under it thin rows for the ways out and in of its link.

    Under throughput a second picture beside it shows how long each device is busy for one sample.

    Args:
        placement: int64 [N]: of operations.

    Raises:
        PlacementError: the file cannot be written, or the placement cannot be computed.
    """
    from matplotlib.figure import Figure

    trace, machine = problem.trace(placement), problem.machine
    if not np.isfinite(trace.ends).all():
        raise PlacementError(
            f"{problem.graph.name}: a device cannot compute what is placed on it: there is no timeline"
        )
    loads = problem.objective == "throughput"
    figure = Figure(figsize=(14 if loads else 11, 1.2 + 0.6 * len(machine)), dpi=110, layout="constrained")
    axes: Any = figure.subplots(1, 2 if loads else 1, squeeze=False, width_ratios=[3, 1] if loads else [1])
    first = axes[0][0]
    types = sorted(set(problem.graph.types))
    colour = {name: f"C{number % 10}" for number, name in enumerate(types)}
    for number in range(len(machine)):
        mine = np.flatnonzero(placement == number)
        wide = [(float(trace.starts[op]), float(trace.ends[op] - trace.starts[op])) for op in mine[:MOST_BARS]]
        first.broken_barh(
            wide, (number - 0.2, 0.5), facecolors=[colour[problem.graph.types[op]] for op in mine[:MOST_BARS]]
        )
        gone = [op for op in mine if np.isfinite(trace.out_ends[op])]
        out = [(float(trace.out_starts[op]), float(trace.out_ends[op] - trace.out_starts[op])) for op in gone]
        came = np.flatnonzero(np.isfinite(trace.in_ends[:, number]))
        into = [
            (float(trace.in_starts[op, number]), float(trace.in_ends[op, number] - trace.in_starts[op, number]))
            for op in came
        ]
        first.broken_barh(out, (number - 0.32, 0.1), facecolors="0.25")
        first.broken_barh(into, (number - 0.44, 0.1), facecolors="0.6")
    first.set_yticks(range(len(machine)), [device.name for device in machine.devices])
    first.invert_yaxis()
    first.set(xlabel="ms (dark: the way out of a device, light: the way in)", xlim=(0, None))
    first.set_title(title or f"{problem.graph.name}: one sample, {float(trace.ends.max()):.4g} ms")
    if loads:
        busy = problem.loads(placement)
        second = axes[0][1]
        second.barh(range(len(machine)), busy)
        second.set_yticks(range(len(machine)), [])
        second.invert_yaxis()
        second.set(title=f"busy for one sample: at most {busy.max():.4g} ms", xlabel="ms")
    picture = io.BytesIO()
    figure.savefig(picture, format="png")
    write_atomically(path, picture.getvalue(), PlacementError)
