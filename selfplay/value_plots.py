"""The two figures of the paper for the value network, drawn on the axes that they are given."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from alphago.data.plots import new_figure, save_figure
from selfplay.value_errors import STAGES, Errors
from selfplay.value_examples import Arm

_MARKERS = "os^vD*P"


def draw_errors(axes: Any, errors: Errors, title: str = "Error by stage of the game") -> None:
    """Mean squared errors of every way of valuing, by ninths of the game, with 95 % intervals."""
    for i, name in enumerate(errors.squared):
        parts = [part for part in errors.of(name, STAGES) if part.positions]
        middle = [50 * (part.begin + part.end) for part in parts]
        spread = np.nan_to_num([part.error for part in parts])
        marker = _MARKERS[i % len(_MARKERS)]
        axes.errorbar(
            np.array(middle) + 0.5 * i, [part.mse for part in parts], yerr=spread, fmt=f"{marker}-", capsize=2,
            markersize=4, linewidth=1, label=name,
        )  # fmt: skip
    axes.set(title=title, xlabel="% of the game", ylabel="MSE against +1, 0, -1", ylim=(0, None), xlim=(0, 100))
    axes.legend(fontsize=8)


def draw_arms(axes: Any, arms: Sequence[Arm], title: str = "As many positions, one or many a game") -> None:
    """Errors on learned and on held-out positions, side by side."""
    at = np.arange(len(arms))
    learned = axes.bar(
        at - 0.2,
        [arm.learned for arm in arms],
        0.38,
        yerr=[arm.learned_error for arm in arms],
        capsize=3,
        label="learned",
    )
    held_out = axes.bar(
        at + 0.2,
        [arm.held_out for arm in arms],
        0.38,
        yerr=[arm.held_out_error for arm in arms],
        capsize=3,
        label="held out",
    )
    for bars in (learned, held_out):
        axes.bar_label(bars, fmt="%.3f", fontsize=8)
    axes.set_xticks(at, [f"{arm.examples} a game\n{arm.positions:,} positions" for arm in arms])
    axes.set(title=title, ylabel="MSE against +1, 0, -1")
    axes.margins(y=0.15)
    axes.legend(fontsize=8)


def plot_value(errors: Errors | None, arms: Sequence[Arm], path: Path) -> None:
    """One PNG with the figures there are. Raises NoPlots without matplotlib, GameDataError where it cannot be written."""
    drawn = [bool(arms), errors is not None]
    figure, axes = new_figure(1, sum(drawn))
    column = 0
    if arms:
        draw_arms(axes[0][column], arms)
        column += 1
    if errors is not None:
        draw_errors(axes[0][column], errors)
    save_figure(figure, path)
