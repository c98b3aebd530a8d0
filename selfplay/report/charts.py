"""Figures of a report as SVG in data URIs, drawn by matplotlib."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np

from alphago.data.plots import new_figure
from selfplay.value_errors import Errors
from selfplay.value_examples import Arm
from selfplay.value_plots import draw_arms, draw_errors

Rows = Sequence[dict[str, Any]]
_SALT: Final = "alphago"
"""Of the names inside an SVG: the same figure is the same text every time."""


def as_uri(figure: Any) -> str:
    """A matplotlib figure as `data:image/svg+xml;base64,...`."""
    import matplotlib as mpl

    data = io.BytesIO()
    with mpl.rc_context({"svg.hashsalt": _SALT}):
        figure.savefig(data, format="svg", metadata={"Date": None})
    return "data:image/svg+xml;base64," + base64.b64encode(data.getvalue()).decode()


def _drawn(draw: Callable[[Any], None], width: float = 1.2) -> str:
    figure, axes = new_figure(1, 1)
    figure.set_size_inches(5.5 * width, 4)
    draw(axes[0][0])
    return as_uri(figure)


def accuracy_chart(policies: dict[str, dict[str, Any]]) -> str:
    """Top-1 of every policy by phase of the game."""

    def draw(axes: Any) -> None:
        for marker, (name, row) in zip("os^vD", policies.items(), strict=False):
            phases = row["phases"]
            middle = [50 * (phase["from"] + phase["to"]) for phase in phases]
            axes.plot(middle, [100 * phase["top1"] for phase in phases], f"{marker}-", label=name)
        axes.set(
            title="Held-out moves foretold", xlabel="% of the game", ylabel="top-1, %", xlim=(0, 100), ylim=(0, 100)
        )
        axes.legend(fontsize=8)

    return _drawn(draw)


def learning_chart(rows: Rows, series: dict[str, str], title: str, label: str, scale: float = 1.0) -> str | None:
    """Curves of a stage by step; None where none of them has a point.

    Args:
        series: name in the rows -> name in the legend.
        scale: that values are multiplied with.
    """
    known = {key: name for key, name in series.items() if any(key in row for row in rows)}
    if not known:
        return None

    def draw(axes: Any) -> None:
        for key, name in known.items():
            points = [(row["step"], scale * row[key]) for row in rows if key in row]
            steps, values = np.array(points, dtype=np.float64).T
            axes.plot(steps, values, "o-" if len(steps) < 40 else "-", markersize=4, linewidth=1, label=name)
        axes.set(title=title, xlabel="steps", ylabel=label)
        axes.legend(fontsize=8)

    return _drawn(draw)


def wins_chart(rows: Rows) -> str | None:
    """Scores of the reinforced policy over the updates, in per cent."""
    series = {
        "score": "in training, against the pool",
        "measured_start": "measured, against the start",
        "measured_pool": "measured, against the pool",
    }
    return learning_chart(rows, series, "Reinforcement learning: score", "%", 100)


def errors_chart(errors: Errors) -> str:
    """Errors of values by stage of the game."""
    return _drawn(lambda axes: draw_errors(axes, errors))


def arms_chart(arms: Sequence[Arm]) -> str | None:
    """Errors of positions drawn one and many a game; None without any."""
    return _drawn(lambda axes: draw_arms(axes, arms), 1.0) if arms else None


def elo_chart(rows: Rows) -> str:
    """Ratings with their 95 % intervals, best on top."""

    def draw(axes: Any) -> None:
        names = [row["name"] for row in rows]
        at = np.arange(len(rows))[::-1]
        colors = ["C7" if row["anchor"] else "C0" for row in rows]
        for y, row, color in zip(at, rows, colors, strict=True):
            axes.errorbar(row["elo"], y, xerr=row["error"], fmt="o", color=color, capsize=3)
            axes.annotate(f"{row['elo']:+.0f}", (row["elo"], y), xytext=(0, 7), textcoords="offset points", fontsize=8)
        axes.set_yticks(at, names)
        axes.set(title="Components: Elo with 95 % intervals", xlabel="Elo", ylim=(-0.6, len(rows) - 0.2))
        axes.grid(axis="x", linewidth=0.4)

    return _drawn(draw)
