"""`alphago nas study` and `study-conv`: the comparison on NAS-Bench-201, and that on the conv space, in one command each."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from alphago.commands.nas_progress import Stop
from alphago.commands.nas_spaces import open_table
from alphago.commands.train_options import JsonOption, stops

if TYPE_CHECKING:
    from rich.table import Table as RichTable

    from alphago.controller.nas.comparison import Outcome
    from alphago.controller.nas.conv_study import Examined
    from alphago.controller.nas.search import Progress
    from alphago.controller.nas.study import Found


def study(
    table: Annotated[
        Path | None, typer.Option("--table", help="A file of NAS-Bench-201 [default: a synthetic table, made by rule].")
    ] = None,
    row: Annotated[list[str] | None, typer.Option("--row", help="Only this row; may be given again.")] = None,
    runs: Annotated[int, typer.Option("--runs", help="Of every row.", min=2, max=100_000)] = 500,
    budget: Annotated[str, typer.Option("--budget", help="Simulated seconds of a run.")] = "12000s",
    seed: Annotated[int, typer.Option("--seed", help="Of the first run.", min=0)] = 0,
    out: Annotated[Path | None, typer.Option("--out", help="A file for the rows as JSON.")] = None,
    plot: Annotated[
        Path | None, typer.Option("--plot", help="A PNG: the rows without a limit, over simulated seconds.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Repeat the published comparison on NAS-Bench-201: searches see 12-epoch accuracies of CIFAR-10, pay the seconds of training,
    and are judged after 200 epochs on three data sets.

    Rows: random, evolution, reinforce (as published), tuned, tuned-repeats, lstm, limit-8, limit-11, limit-14.
    """
    import torch

    from alphago.commands.nas_plots import plot_study
    from alphago.controller.nas.comparison import DATA_SETS, ComparisonError, outcome_of, rows_named, verdict
    from alphago.controller.nas.nasbench201 import BUDGET_SECONDS, JUDGED, LATENCY
    from alphago.controller.nas.objective import parse_budget
    from alphago.files import make_directory, write_atomically

    wanted = rows_named(row or [])
    spend = parse_budget(budget)
    if spend.seconds is None:
        raise typer.BadParameter(f"simulated seconds such as 12000s, got {budget!r}", param_hint="--budget")
    found = open_table(table)
    if LATENCY not in found.columns:
        if row and any(one.limit_ms is not None for one in wanted):
            raise ComparisonError(f"{found.name}: no column {LATENCY}, which the rows with a limit need")
        left_out = [one.name for one in wanted if one.limit_ms is not None]
        wanted = [one for one in wanted if one.limit_ms is None]
        if left_out:
            print(f"without {', '.join(left_out)}: {found.name} has no column {LATENCY}", file=sys.stderr)
    if plot is not None and all(one.limit_ms is not None for one in wanted):
        raise typer.BadParameter("rows with a limit have no curve, and no other row is asked for", param_hint="--plot")
    torch.set_num_threads(1)
    is_real = not found.is_synthetic and spend.seconds == BUDGET_SECONDS
    outcomes: dict[str, Outcome] = {}
    unlimited: dict[str, Found] = {}
    for number, one in enumerate(wanted, 1):
        print(f"row {number} of {len(wanted)}: {one.what}, {runs:,} runs", file=sys.stderr, flush=True)
        started = time.monotonic()
        answers = one.run(found, runs, seed, spend.seconds)
        outcomes[one.name] = outcome_of(one, found, answers, time.monotonic() - started)
        if one.limit_ms is None:
            unlimited[one.name] = answers
    verdicts = {name: verdict(outcome, outcomes) if is_real else "" for name, outcome in outcomes.items()}
    rows = [{**outcome.to_dict(), "verdict": verdicts[name]} for name, outcome in outcomes.items()]
    result = {"table": found.name, "table_hash": found.digest, "synthetic": found.is_synthetic}
    result |= {"seed": seed, "budget": spend.seconds, "rows": rows}
    if out is not None:
        make_directory(out.parent, ComparisonError)
        write_atomically(out, (json.dumps(result, indent=1) + "\n").encode(), ComparisonError)
    if plot is not None:
        make_directory(plot.parent, ComparisonError)
        columns = dict(zip(JUDGED, DATA_SETS, strict=True))
        plot_study(found, unlimited, spend.seconds, plot, columns=columns)
    if as_json:
        print(json.dumps(result))
        return
    from rich.console import Console

    if found.is_synthetic:
        print(
            f"{found.name}: made by rule, nothing is measured; --table names the real one (docs/nas.md)",
            file=sys.stderr,
        )
    Console().print(_table(list(outcomes.values())))
    for name, text in verdicts.items():
        if text:
            print(f"{name}: {text}")


def _table(outcomes: list[Outcome]) -> RichTable:
    from rich.table import Table as RichTable

    from alphago.controller.nas.comparison import DATA_SETS
    from alphago.controller.nas.nasbench201 import JUDGED

    table = RichTable(title="Test accuracy of the answers, %: mean +- deviation of single runs", title_justify="left")
    for name in ("row", *DATA_SETS, "cells", "s"):
        table.add_column(name, justify="left" if name == "row" else "right")
    for one in outcomes:
        shown = dict(zip(one.row.columns, zip(one.means, one.deviations, strict=True), strict=True))
        cells = [f"{shown[c][0]:.2f} +-{shown[c][1]:.2f}" if c in shown else "" for c in JUDGED]
        table.add_row(one.row.name, *cells, f"{one.evaluations:.0f}", f"{one.seconds:.0f}")
    return table


def study_conv(
    out: Annotated[Path, typer.Option("--out", help="Folder of the searches; what is there is gone on with.")] = Path(
        "runs/nas-conv-study"
    ),
    seeds: Annotated[int, typer.Option("--seeds", help="Searches of either strategy.", min=1)] = 5,
    children: Annotated[int, typer.Option("--children", help="Of every search.", min=1)] = 200,
    trainings: Annotated[int, typer.Option("--trainings", help="Of every network that is tested.", min=1)] = 10,
    layers: Annotated[int, typer.Option("--layers", help="Of a network.", min=1, max=12)] = 4,
    epochs: Annotated[int, typer.Option("--epochs", help="That a network learns for.", min=1)] = 12,
    batch: Annotated[int, typer.Option("--batch", help="Children of an update.", min=1)] = 2,
    workers: Annotated[int, typer.Option("--workers", help="Processes that train children.", min=1)] = 1,
    plot: Annotated[
        Path | None, typer.Option("--plot", help="A PNG: children on the way, and the errors of the answers.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Zoph and Le's experiment in small: REINFORCE's LSTM against random search and a hand-made network, on handwritten digits.

    The same command goes on after an interruption.
    """
    import torch

    from alphago.commands.nas_plots import plot_children
    from alphago.controller.nas.conv_study import ConvStudy, run_conv_study
    from alphago.controller.nas.convolutional import digits
    from alphago.controller.nas.journal import SearchError
    from alphago.controller.nas.workers import worker_pool
    from alphago.files import make_directory

    digits()  # what is missing is said before anything begins
    torch.set_num_threads(1)
    asked = ConvStudy(seeds, children, trainings, layers, epochs, batch)
    next_line = time.monotonic()
    accuracies: dict[tuple[str, int], list[float]] = {}

    def batch_told(strategy: str, seed: int, progress: Progress) -> None:
        nonlocal next_line
        accuracies[strategy, seed] = [one.measured.more["accuracy"] for one in progress.tried if not one.failure]
        done = len(progress.tried)
        if done > progress.recorded and (time.monotonic() >= next_line or done >= children) and progress.best:
            next_line = time.monotonic() + 10
            best = progress.best.measured.more["accuracy"]
            print(f"{strategy}, seed {seed}: {done}/{children}, best {100 * best:.2f} %", file=sys.stderr, flush=True)

    def test_told(one: Examined) -> None:
        print(f"{one.name}, seed {one.seed}: test error {100 * one.error:.2f} %", file=sys.stderr, flush=True)

    stop = Stop()
    with worker_pool(workers) as pool, stops(stop):
        found = run_conv_study(out, asked, executor=pool, on_batch=batch_told, on_test=test_told, stopping=stop.at)
    if found is None:
        print("stopped; the same command goes on", file=sys.stderr)
        raise KeyboardInterrupt
    if plot is not None:
        make_directory(plot.parent, SearchError)
        plot_children(accuracies, found, plot)
    _show_conv(out, found, as_json)


def _show_conv(out: Path, found: list[Examined], as_json: bool) -> None:
    from dataclasses import asdict

    from alphago.arena.stats import student95
    from alphago.controller.nas.conv_study import HAND_MADE, RANDOM, REINFORCE, TESTED, differences
    from alphago.controller.nas.journal import SearchError
    from alphago.files import write_atomically

    rows = [{**asdict(one), "error": one.error} for one in found]
    seeds = len({one.seed for one in found})
    gains: dict[str, dict[str, float | None]] = {}
    for name in (RANDOM, HAND_MADE):
        mean, error = differences(found, name)
        known = seeds > 1
        half = student95(seeds - 1) * error if known else None
        gains[name] = {"mean": mean, "error": error if known else None, "half_95": half}
    result = {"rows": rows, "gains": gains}
    write_atomically(out / TESTED, (json.dumps(result, indent=1) + "\n").encode(), SearchError)
    if as_json:
        print(json.dumps({"out": str(out), **result}))
        return
    from rich.console import Console
    from rich.table import Table as RichTable

    names = (REINFORCE, RANDOM, HAND_MADE)
    table = RichTable(title="Test error, %, and parameters", title_justify="left")
    for title in ("seed", *names):
        table.add_column(title, justify="right")
    for seed in sorted({one.seed for one in found}):
        cells = [one for name in names for one in found if one.seed == seed and one.name == name]
        table.add_row(str(seed), *(f"{100 * one.error:.2f}  ({one.parameters:,})" for one in cells))
    means = [sum(one.error for one in found if one.name == name) / len({one.seed for one in found}) for name in names]
    table.add_row("mean", *(f"{100 * mean:.2f}" for mean in means))
    Console().print(table)
    for name, gain in gains.items():
        half = gain["half_95"]
        ends = "one seed has no interval" if half is None else f"+-{100 * half:.2f}, Student's 95 % of {seeds} seeds"
        print(f"below {name}: {100 * (gain['mean'] or 0.0):+.2f} points ({ends})")
