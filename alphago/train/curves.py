"""Curves of runs as a picture: what TensorBoard would show, for a page or a report."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from alphago.data.plots import new_figure, save_figure
from alphago.train.optim import TrainingError

PANELS: Final[tuple[tuple[str, tuple[str, ...]], ...]] = (
    ("Moves foretold", ("train/top1", "held_out/top1")),
    ("Policy loss, nats", ("train/policy", "held_out/log_loss")),
    ("Outcome loss", ("train/outcome", "train/value")),
    ("Outcome, MSE against +1, 0, -1", ("held_out/learned_outcome_mse", "held_out/outcome_mse")),
    ("Score in training games", ("reinforce/score",)),
    ("Score against the start and the pool", ("reinforce/measured_start", "reinforce/measured_pool")),
    ("Return", ("reinforce/return",)),
    ("Entropy of a decision, nats", ("reinforce/entropy",)),
    ("Divergence from the start, nats", ("reinforce/measured_kl_start",)),
    ("Moves a game", ("reinforce/moves",)),
    ("Squared error of balancing", ("balance/squared_error",)),
    ("Likelihood of playouts: log-loss", ("likelihood/log_loss", "tree/log_loss")),
)
"""Titles, and the curves that belong together; panels without any are left out."""
_MOST: Final = 400
"""Points of a curve; of longer ones, means of neighbours are shown."""


def read_curves(run: Path) -> dict[str, tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Steps and values of every curve in a run's folder. Raises TrainingError where there are none."""
    try:
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    except ImportError:
        raise TrainingError("curves need tensorboard: pip install tensorboard") from None
    folder = run / "tensorboard"
    if not folder.is_dir():
        raise TrainingError(f"{run}: no curves in it (expected a folder tensorboard/)")
    events: Any = EventAccumulator(str(folder), size_guidance={"scalars": 0})
    events.Reload()
    found = {}
    for tag in events.Tags()["scalars"]:
        points = events.Scalars(tag)
        found[tag] = np.array([p.step for p in points], dtype=float), np.array([p.value for p in points], dtype=float)
    if not found:
        raise TrainingError(f"{run}: no curves in it")
    return found


def thinned(
    steps: NDArray[np.float64], values: NDArray[np.float64], most: int = _MOST
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """At most so many points: means of neighbours."""
    if len(steps) <= most:
        return steps, values
    edges = np.linspace(0, len(steps), most + 1).astype(int)[:-1]
    counts = np.diff(np.append(edges, len(steps)))
    return np.add.reduceat(steps, edges) / counts, np.add.reduceat(values, edges) / counts


def plot_curves(runs: Sequence[Path], path: Path, tags: Sequence[str] = ()) -> list[str]:
    """One PNG with a panel for each group of curves, all runs in each; the names of the curves shown.

    Args:
        tags: only these curves, a panel each; empty: the panels of `PANELS` that the runs have.

    Raises:
        TrainingError: a run without curves, or none of those asked for.
        NoPlots, GameDataError: without matplotlib; where the picture cannot be written.
    """
    found = {run: read_curves(run) for run in runs}
    known = {tag for curves in found.values() for tag in curves}
    panels: list[tuple[str, tuple[str, ...]]] = [(tag, (tag,)) for tag in tags]
    panels = panels or list(PANELS)
    panels = [(title, tuple(tag for tag in group if tag in known)) for title, group in panels]
    panels = [(title, group) for title, group in panels if group]
    if not panels:
        raise TrainingError(f"none of the curves asked for; there are: {', '.join(sorted(known))}")
    columns = 2 if len(panels) in (2, 4) else min(3, len(panels))
    figure, axes = new_figure(-(-len(panels) // columns), columns)
    for number, (title, group) in enumerate(panels):
        axis = axes[number // columns][number % columns]
        for run, curves in found.items():
            for tag in group:
                if tag in curves:
                    label = tag.replace("held_out/", "held-out games: ").replace("train/", "training: ")
                    label = label if len(found) == 1 else f"{run.name}: {label}"
                    style = "o-" if len(curves[tag][0]) <= 60 else "-"
                    axis.plot(*thinned(*curves[tag]), style, markersize=3, linewidth=1, label=label)
        axis.set(title=title, xlabel="steps")
        axis.legend(fontsize=7)
    for number in range(len(panels), len(axes) * columns):
        axes[number // columns][number % columns].set_visible(False)
    save_figure(figure, path)
    return [tag for _, group in panels for tag in group]
