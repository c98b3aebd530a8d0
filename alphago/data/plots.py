"""Pictures of a store of games: lengths, results by komi, scores, first moves. Needs matplotlib."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from alphago.data.games import GameDataError
from alphago.data.statistics import Statistics
from alphago.errors import AlphaGoError
from alphago.files import write_atomically
from alphago.go import BLACK, WHITE

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class NoPlots(AlphaGoError):
    """Plots are wanted and matplotlib is not installed."""


def plot_statistics(found: Statistics, path: Path) -> None:
    """One PNG with four panels. Raises NoPlots, and GameDataError where it cannot be written."""
    figure, axes = new_figure(2, 2)
    _lengths(axes[0][0], found)
    _komi(axes[0][1], found)
    _scores(axes[1][0], found)
    _first_moves(axes[1][1], found)
    save_figure(figure, path)


def new_figure(rows: int, columns: int) -> tuple[Any, Any]:
    """A figure and its axes [rows][columns], drawn without a display. Raises NoPlots."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        raise NoPlots("plots need matplotlib: pip install matplotlib") from None
    figure = Figure(figsize=(5.5 * columns, 4 * rows), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots(rows, columns, squeeze=False)


def save_figure(figure: Any, path: Path) -> None:
    """Write a PNG whole or not at all. Raises GameDataError where that fails."""
    data = io.BytesIO()
    figure.savefig(data, format="png", dpi=110)
    write_atomically(path, data.getbuffer(), GameDataError)


def _lengths(axes: Axes, found: Statistics) -> None:
    for size, lengths in sorted(found.lengths.items()):
        width = max(
            1, (max(lengths) - min(lengths)) // 40
        )  # whole moves: bins of other widths hold unequal numbers of lengths
        bins = list(range(min(lengths), max(lengths) + 2 * width, width))
        axes.hist(lengths, bins=bins, histtype="step", density=True, label=f"{size}x{size}")
    axes.set(title="Length of a game", xlabel="moves", ylabel="density")
    axes.legend()


def _komi(axes: Axes, found: Statistics) -> None:
    rows = [(komi, won[BLACK], won[WHITE]) for komi, won in sorted(found.komi.items()) if won[BLACK] + won[WHITE] > 0]
    for x, (_, black, white) in enumerate(rows):
        n, share = black + white, black / (black + white)
        axes.errorbar(x, share, yerr=1.96 * np.sqrt(share * (1 - share) / n), fmt="o", color="C0", capsize=3)
        axes.annotate(f"{n:,}", (x, share), xytext=(6, 4), textcoords="offset points", fontsize=8)
    axes.axhline(0.5, color="grey", linewidth=0.8)
    axes.set_xticks(range(len(rows)), [f"{komi:g}" for komi, _, _ in rows])
    axes.set(title="Black's share of decided games", xlabel="komi", ylabel="share", ylim=(0, 1))


def _scores(axes: Axes, found: Statistics) -> None:
    for size, scores in sorted(found.scores.items()):
        axes.hist(np.clip(scores, -60, 60), bins=60, histtype="step", density=True, label=f"{size}x{size}")
    axes.set(title="Score of counted games", xlabel="black - white, points (beyond 60 at the edge)", ylabel="density")
    if found.scores:
        axes.legend()


def _first_moves(axes: Axes, found: Statistics) -> None:
    axes.set_axis_off()
    if not found.first_moves:
        return
    size = max(found.first_moves, key=lambda n: int(found.first_moves[n].sum()))
    counts = found.first_moves[size][:-1].reshape(size, size)
    axes.imshow(np.log1p(counts), cmap="viridis")
    axes.set_title(f"First moves, {size}x{size} (log scale)")
