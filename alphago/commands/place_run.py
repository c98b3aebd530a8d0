"""The parts of a run of `alphago place optimise`: its folder, what tells it from another, what it writes and says at the end."""

from __future__ import annotations

import contextlib
import json
import math
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from alphago.commands.place_problem import Asked, Task, make_task

if TYPE_CHECKING:
    from alphago.controller.placement.compare import Row
    from alphago.controller.placement.executor import Executor
    from alphago.controller.placement.graph import Ints
    from alphago.controller.placement.measure import Measured
    from alphago.controller.placement.problem import Problem
    from alphago.controller.placement.search import Found, Search, SearchSettings

PROBLEM: Final = "problem.json"
MOST_TRIED: Final = 200_000
"""Placements of random search and of annealing at most, each in a minute at most."""


@dataclass(frozen=True)
class Result:
    """What a search came to."""

    found: Found
    placement: Ints | None
    """[N]: of operations; None: nothing has fitted."""
    ms: float
    """Simulated, whatever the search learned from; infinite where nothing has fitted."""
    again: Measured | None = None
    """Of a search that measures: the placement measured once more."""


def say(text: str) -> None:
    """A line for people."""
    print(text, file=sys.stderr, flush=True)


def budget_of(text: str) -> Any:
    """A time or a number of placements. Raises PlacementError."""
    from alphago.controller.placement.graph import PlacementError
    from alphago.controller.placement.search import Budget
    from alphago.machine import seconds_of

    count = text.replace(",", "")
    if count.isdecimal():
        if len(count) > 15 or int(count) < 1:
            raise PlacementError(
                f"--budget {text[:40]}: expected a time such as 10m, or a number of placements of 1 or more"
            )
        return Budget(placements=int(count))
    try:
        return Budget(seconds=seconds_of(text))
    except ValueError as error:
        raise PlacementError(f"--budget: {error}, or a number of placements") from None


def settings_of(config: str | None, objective: str | None, given: Mapping[str, Any]) -> SearchSettings:
    """What --config says, or what goes by default with an objective (None: latency), and what options change of it."""
    from alphago import configs
    from alphago.commands.train_options import changed
    from alphago.controller.placement.search import SearchSettings

    name = config or ("place" if objective == "throughput" else "place-latency")
    return changed(configs.load(name, SearchSettings), dict(given))


def seconds_or_none(text: str | None) -> float | None:
    """What --bound says. Raises PlacementError."""
    from alphago.controller.placement.graph import PlacementError
    from alphago.machine import seconds_of

    try:
        return None if text is None else seconds_of(text)
    except ValueError as error:
        raise PlacementError(f"--bound: {error}") from None


def default_folder(asked: Asked) -> Path:
    """The folder of a run without --out: runs/place-MODEL-OBJECTIVE. Raises PlacementError: the graph file cannot be read."""
    from alphago.controller.placement.stored import read_any

    name, objective = asked.model.replace(":", "-"), asked.objective
    if asked.model.endswith(".json"):
        known = read_any(Path(asked.model))[2]
        name, objective = Path(asked.model).stem, objective or (None if known is None else known.objective)
    return Path("runs") / f"place-{name}-{objective or 'latency'}"


def task_of(asked: Asked, folder: Path, resume: bool) -> Task:
    """The task; of a run that goes on with the times that it measured when it began.

    Raises:
        PlacementError: what is asked for cannot be, the times of the run are gone, or the model is another one than it was.
    """
    from alphago.controller.placement.graph import PlacementError
    from alphago.controller.placement.search import ROUNDS
    from alphago.controller.placement.stored import read_problem
    from alphago.train.folders import MANIFEST

    kept = folder / PROBLEM
    if not resume or asked.is_file or not (folder / MANIFEST).exists():
        return make_task(asked)
    if kept.exists():
        return make_task(asked, read_problem(kept))
    if (folder / ROUNDS).exists() or any(folder.glob("round-*")):
        raise PlacementError(f"{kept} is missing, without which the run cannot go on: choose another --out")
    (folder / MANIFEST).unlink()  # killed before it had its times: it begins
    return make_task(asked)


def manifest_of(asked: Asked, problem: Problem, reward: str) -> dict[str, Any]:
    """What tells a run from another: the problem, to the last digit of its times, and of a model the options that made it."""
    from alphago.controller.placement.stored import digest

    options = {} if asked.is_file else {**asdict(asked), "expert": None}
    return {**options, "digest": digest(problem), "reward": reward}


def described(problem: Problem) -> str:
    """A line about a problem."""
    graph = problem.graph
    return (
        f"{graph.name}: {len(graph):,} operations, {len(graph.edges):,} edges, {problem.groups:,} groups; "
        f"{problem.machine.name}; {problem.objective}"
    )


@contextlib.contextmanager
def executor_of(task: Task, reward: str) -> Iterator[Executor | None]:
    """What a search measures with; None: it simulates."""
    from alphago.controller.placement.executor import Executor

    if reward == "simulated":
        yield None
        return
    assert task.captured is not None
    with Executor(task.captured, task.devices) as executor:
        yield executor


def result_of(search: Search, executor: Executor | None) -> Result:
    """What a search came to. The best that were measured are measured once more: the least of many noisy times is luck, too."""
    from alphago.controller.placement.measure import best_again

    found, problem = search.found, search.problem
    placement, again = found.placement, None
    if executor is not None and search.measurements is not None and search.measurements.leading:
        placement, again = best_again(executor, problem, search.measurements.leading)
    ms = math.inf if placement is None else float(problem.costs_of_operations(placement[None]).ms[0])
    return Result(found, placement, ms, again)


def rows_of(result: Result, task: Task, with_baselines: bool) -> list[Row]:
    """The rows of the table, what was learned first."""
    from alphago.controller.placement.compare import Row, baselines, groups_row, operations_row
    from alphago.controller.placement.heuristics import alone

    found, problem = result.found, task.problem
    text = f"{found.rounds} rounds, {found.failed:,} did not fit"
    if result.again is not None:
        text += f"; {result.again.ms:.4g} ms measured"
    if result.placement is None:
        rows = [Row("REINFORCE", math.inf, None, found.placements, found.seconds, f"nothing that fits; {text}")]
    else:
        rows = [
            operations_row(
                problem, "REINFORCE", result.placement, placements=found.placements, seconds=found.seconds, note=text
            )
        ]
    if with_baselines:
        for row in baselines(problem, placements=min(found.placements, MOST_TRIED), expert=task.expert):
            say(f"{row.method}: " + (f"{row.ms:.4g} ms" if math.isfinite(row.ms) else row.note))
            rows.append(row)
    else:
        device, _ = problem.best_alone
        rows.append(groups_row(problem, f"all on {problem.machine.devices[device].name}", lambda: alone(problem)))
    return rows


def bound_of(problem: Problem, seconds: float | None) -> float:
    """What no placement can be better than; a solver works on it for so many seconds, None: the simple one."""
    from alphago.controller.placement.bounds import simple_bound, solver_bound

    return simple_bound(problem) if seconds is None else solver_bound(problem, seconds).ms


def timed(task: Task, rows: Sequence[Row]) -> list[Measured]:
    """The rows that fit, and one process with one thread and with all, measured side by side."""
    from alphago.controller.placement.executor import Executor, Whole
    from alphago.controller.placement.measure import side_by_side
    from alphago.machine import usable_threads

    assert task.captured is not None
    fitting = {row.method: row.placement for row in rows if row.placement is not None and math.isfinite(row.ms)}
    whole = tuple(Whole(task.captured, threads) for threads in sorted({1, usable_threads()}))
    with Executor(task.captured, task.devices) as executor:
        return side_by_side(
            executor,
            task.problem,
            fitting,
            whole=whole,
            told=lambda number, total: say(f"measured round {number} of {total}") if number % 10 == 0 else None,
        )


def facts_of(result: Result, problem: Problem, reward: str) -> dict[str, Any]:
    """What every file of the run says. `ms` is simulated; a search that measures has `measured_ms` with its interval, too."""
    found, again = result.found, result.again
    more = {} if again is None else {"measured_ms": again.ms, "measured_low": again.low, "measured_high": again.high}
    return {
        "objective": problem.objective,
        "reward": reward,
        "ms": result.ms if math.isfinite(result.ms) else None,
        **more,
        "placements": found.placements,
        "failed": found.failed,
        "rounds": found.rounds,
        "seconds": round(found.seconds, 1),
    }


def keep(result: Result, task: Task, folder: Path, reward: str) -> None:
    """Write the placement and its picture. Raises PlacementError: nothing fits; how much was tried is written down."""
    from alphago.commands.place_table import write_json
    from alphago.controller.placement.corpus import write_placement
    from alphago.controller.placement.gantt import plot_timeline
    from alphago.controller.placement.graph import PlacementError

    problem = task.problem
    facts = facts_of(result, problem, reward)
    if result.placement is None:
        write_json(folder / "comparison.json", {**facts, "rows": []})
        raise PlacementError(
            f"none of {result.found.placements:,} placements fits in memory: a larger --budget, more --devices or more --memory"
        )
    write_placement(folder / "placement.json", problem.graph, problem.machine, result.placement, facts)
    plot_timeline(problem, result.placement, folder / "timeline.png")


def finish(
    result: Result,
    task: Task,
    folder: Path,
    rows: list[Row],
    bound_ms: float,
    times: list[Measured],
    *,
    reward: str,
    as_json: bool,
) -> None:
    """Write comparison.json, and print the table and the verdict."""
    from alphago.commands.place_table import (
        measured_values,
        measured_verdict,
        print_table,
        row_values,
        verdict,
        write_json,
    )

    found, problem = result.found, task.problem
    ours = rows[0]
    best = min(row.ms for row in rows)
    values = {
        **facts_of(result, problem, reward),
        "bound_ms": bound_ms,
        "rows": [row_values(row) for row in rows],
        "steps": [[step.placements, step.ms] for step in found.steps],
        "steps_are": reward,
        "against_best": ours.ms / best if best > 0 else 1.0,
        "measured": measured_values(times),
    }
    write_json(folder / "comparison.json", values)
    sentence = verdict(problem, ours.ms)
    if times:
        sentence += "; " + measured_verdict(times, "REINFORCE", rows[1].method)
    if as_json:
        print(json.dumps({**values, "verdict": sentence, "folder": str(folder)}))
        return
    print_table(problem, rows, bound_ms, times)
    print(f"{folder}: placement.json, timeline.png, comparison.json\n{sentence}")


class Told:
    """Hands what a search tells to the screen: a bar over the whole budget."""

    def __init__(self, screen: Any, reward: str) -> None:
        self._screen = screen
        self._measured = " measured" if reward == "measured" else ""
        self._started, self._first, self._count = time.monotonic(), -1.0, 0

    def updated(self, step: int, total: int, metrics: Mapping[str, float]) -> None:
        """See `alphago.controller.placement.search.Told`."""
        spent = metrics["spent"]
        if self._first < 0:
            self._first = spent
        self._count += 1
        gone = time.monotonic() - self._started
        left = gone / max(1e-9, spent - self._first) * (1 - spent) if spent > self._first else 0.0
        self._screen.log(int(metrics["placements"]), {f"place/{name}": value for name, value in metrics.items()})
        text = (
            f"round {int(metrics['round']) + 1}, update {step} of {total}, best {metrics['best_ms']:.4g} ms{self._measured}, "
            f"median {metrics.get('median_ms', math.nan):.4g}, {int(metrics['placements']):,} placements, "
            f"entropy {metrics['entropy']:.3f}, {100 * metrics['invalid_share']:.0f} % do not fit"
        )
        self._screen.tell(int(1000 * spent), 1000, left, text)
