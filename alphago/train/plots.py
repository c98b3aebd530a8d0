"""Pictures of what was measured: accuracy by phase of the game, error of the outcome, its reliability curve."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from alphago.data.plots import new_figure, save_figure
from alphago.train.metrics import PHASES, Metrics


def plot_metrics(metrics: Metrics, path: Path, title: str) -> None:
    """One PNG. Raises NoPlots without matplotlib, GameDataError where it cannot be written."""
    has_outcome = bool(metrics.known.sum())
    figure, axes = new_figure(1, 3 if has_outcome else 1)
    figure.suptitle(title)
    middle = (np.arange(PHASES) + 0.5) / PHASES * 100
    rows = metrics.by_phase()
    first = axes[0][0]
    first.plot(middle, [100 * row["top1"] for row in rows], "o-", label="top-1")
    first.plot(middle, [100 * row["top5"] for row in rows], "s-", label="top-5")
    first.set(title="Moves foretold", xlabel="% of the game", ylabel="%", ylim=(0, 100))
    first.legend()
    if has_outcome:
        error = axes[0][1]
        error.plot(middle, [row["outcome_mse"] for row in rows], "o-")
        error.set(title="Outcome: MSE against +1, 0, -1", xlabel="% of the game", ylim=(0, None))
        curve = axes[0][2]
        used = metrics.in_bin > 0
        expected, observed = (
            metrics.predicted[used] / metrics.in_bin[used],
            metrics.observed[used] / metrics.in_bin[used],
        )
        spread = 1.96 * np.sqrt(np.maximum(1e-9, 1 - observed**2) / metrics.in_bin[used])
        curve.errorbar(expected, observed, yerr=spread, fmt="o", capsize=2)
        curve.plot([-1, 1], [-1, 1], color="grey", linewidth=0.8)
        curve.set(title="Reliability", xlabel="expected outcome", ylabel="observed mean", xlim=(-1, 1), ylim=(-1, 1))
    save_figure(figure, path)
