"""Pictures of searches: what was found over time, and value against latency with what nothing else beats."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from alphago.data.plots import new_figure, save_figure

if TYPE_CHECKING:
    from alphago.controller.nas.conv_study import Examined
    from alphago.controller.nas.nasbench201 import Table
    from alphago.controller.nas.search import Progress
    from alphago.controller.nas.study import Found


def plot_search(progress: Progress, path: Path, *, value: str, title: str, limit_ms: float | None = None) -> None:
    """One PNG: every measurement and the best so far, and (where latencies are known) value against latency.

    Raises:
        NoPlots: without matplotlib. GameDataError: it cannot be written.
    """
    valid = [one for one in progress.tried if one.measured.valid]
    timed = [one for one in valid if one.measured.latency_ms is not None]
    figure, axes = new_figure(1, 2 if timed else 1)
    figure.suptitle(title)
    over = axes[0][0]
    numbers = [one.number + 1 for one in valid]
    values = np.array([one.measured.value for one in valid])
    keeps = np.array([limit_ms is None or (one.measured.latency_ms or 0.0) <= limit_ms for one in valid], dtype=bool)
    over.plot(numbers, values, ".", markersize=3, color="C0", label="measured")
    over.plot(numbers, np.maximum.accumulate(np.where(keeps, values, -np.inf)), color="C1", label="best so far")
    over.set(title="Search", xlabel="measurements", ylabel=value)
    over.legend(fontsize=8)
    if timed:
        axis = axes[0][1]
        latencies = [one.measured.latency_ms for one in timed]
        axis.plot(latencies, [one.measured.value for one in timed], ".", markersize=3, color="C0", label="measured")
        front = progress.front()
        axis.step(
            [one.measured.latency_ms for one in front],
            [one.measured.value for one in front],
            "o-",
            where="post",
            markersize=3,
            linewidth=1,
            color="C1",
            label="nothing is better and faster",
        )
        if limit_ms is not None:
            axis.axvline(limit_ms, color="grey", linewidth=0.8, linestyle="--", label=f"limit, {limit_ms:g} ms")
        if progress.best is not None:
            axis.plot(
                [progress.best.measured.latency_ms], [progress.best.measured.value], "*", markersize=12, color="C3"
            )
        axis.set(title="Value against latency", xlabel="latency, ms", ylabel=value)
        axis.legend(fontsize=8)
    for axis in axes[0]:  # what failed to learn would squeeze all the rest into a line
        low, high = np.quantile(values, 0.05), values.max()
        axis.set_ylim(low - 0.3 * (high - low + 1e-9), high + 0.1 * (high - low + 1e-9))
    save_figure(figure, path)


def plot_study(
    table: Table, found: Mapping[str, Found], budget: float, path: Path, *, columns: Mapping[str, str]
) -> None:
    """One PNG: the mean accuracy of the answers that rows' runs would give at every moment, a part for each column.

    Args:
        found: what the runs of each row found, by its name.
        columns: of the table, with what they are called.

    Raises:
        NoPlots: without matplotlib. GameDataError: it cannot be written.
    """
    figure, axes = new_figure(1, len(columns))
    seconds = np.linspace(0, budget, 60)[1:]
    for axis, (column, title) in zip(axes[0], columns.items(), strict=True):
        values = table[column]
        lowest = []
        for name, one in found.items():
            answers = np.stack([one.answers_at(moment) for moment in seconds])
            known = (answers >= 0).all(axis=1)  # a mean is of all runs or none
            means = np.where(known, values[np.maximum(answers, 0)].mean(axis=1), np.nan)
            axis.plot(seconds, means, linewidth=1, label=name)
            lowest += [means[moment] for moment in np.flatnonzero(known & (seconds >= budget / 8))[:1]]
        axis.axhline(values.max(), color="grey", linewidth=0.8, linestyle="--", label="best cell")
        axis.set_ylim(min(lowest, default=values.min()) - 0.1, None)
        axis.set(title=title, xlabel="simulated seconds", ylabel="test accuracy of the answer, %")
    axes[0][0].legend(fontsize=8)
    save_figure(figure, path)


def plot_children(
    accuracies: Mapping[tuple[str, int], Sequence[float]], found: Sequence[Examined], path: Path, *, window: int = 20
) -> None:
    """One PNG: how good the children of searches are on the way, and the test errors of the networks that were chosen.

    Args:
        accuracies: shares of the validation images, of every child of a search in order, by strategy and seed.
        found: the networks that were tested.
        window: children whose accuracies are averaged; then over the seeds.

    Raises:
        NoPlots: without matplotlib. GameDataError: it cannot be written.
    """
    figure, axes = new_figure(1, 2)
    way, answers = axes[0]
    for name in dict.fromkeys(name for name, _ in accuracies):
        runs = [np.asarray(one) for (whose, _), one in accuracies.items() if whose == name]
        length = min(map(len, runs))
        width = min(window, length)
        if width:
            means = [np.convolve(run[:length], np.full(width, 1 / width), "valid") for run in runs]
            way.plot(np.arange(width, length + 1), 100 * np.mean(means, axis=0), linewidth=1, label=name)
    way.set(title="Children tried", xlabel="children", ylabel=f"validation accuracy, mean of {window}, %")
    way.legend(fontsize=8)
    names = list(dict.fromkeys(one.name for one in found))
    for place, name in enumerate(names):
        errors = [100 * one.error for one in found if one.name == name]
        answers.plot([place] * len(errors), errors, "o", markersize=4, color=f"C{place}")
        answers.plot([place - 0.2, place + 0.2], [np.mean(errors)] * 2, color=f"C{place}")
    answers.set_xticks(range(len(names)), names)
    answers.set(title="The best of each search, trained anew", ylabel="test error, %", ylim=(0, None))
    save_figure(figure, path)


def plot_proxies(result: Mapping[str, Any], path: Path) -> None:
    """One PNG: what each proxy foretells of the anchors against their Elo."""
    judged = {one["name"]: one for one in result["proxies"]}
    columns = min(3, len(judged))
    figure, axes = new_figure(-(-len(judged) // columns), columns)
    for number, (name, one) in enumerate(judged.items()):
        axis = axes[number // columns][number % columns]
        rows = result["foretold"][name]
        elo, foretold = [row["elo"] for row in rows], [row["foretold"] for row in rows]
        axis.plot(foretold, elo, "o", markersize=4)
        for row in rows:
            axis.annotate(
                row["anchor"], (row["foretold"], row["elo"]), xytext=(3, 3), textcoords="offset points", fontsize=7
            )
        ends = [min(*elo, *foretold), max(*elo, *foretold)]
        axis.plot(ends, ends, color="grey", linewidth=0.8)
        axis.set(title=f"{name}: tau {one['tau']:.2f}", xlabel="foretold Elo (fit to all)", ylabel="Elo of the matches")
    for number in range(len(judged), len(axes) * columns):
        axes[number // columns][number % columns].set_visible(False)
    save_figure(figure, path)
