"""`alphago place`: device placement learned by REINFORCE, against rules and searches, simulated and measured."""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from alphago.commands.place_measure import measure, validate
from alphago.commands.place_problem import (
    Asked,
    BatchOption,
    CalibrateOption,
    DevicesOption,
    ExpertOption,
    GroupsOption,
    MachineOption,
    MemoryOption,
    ModelOption,
    ObjectiveOption,
    ProcessorsOption,
    QueueOption,
    Task,
    TracerOption,
    TrainingOption,
    check_measurable,
    make_task,
)
from alphago.commands.place_study import study
from alphago.commands.train_options import JsonOption, TensorboardOption, changed, stops

if TYPE_CHECKING:
    from alphago.controller.placement.compare import Row
    from alphago.controller.placement.problem import Problem
    from alphago.controller.placement.search import Search

PROBLEM: Final = "problem.json"

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Place the operations of a network on devices.",
)


@app.callback()
def _place() -> None:
    """Place the operations of a network on devices: by a policy that learns, by rules, simulated and measured."""


@app.command()
def optimise(
    model: ModelOption = "example",
    devices: DevicesOption = None,
    objective: ObjectiveOption = None,
    budget: Annotated[
        str, typer.Option("--budget", help="A time (10m, 90s) or a number of placements (20000).")
    ] = "2m",
    out: Annotated[
        Path | None, typer.Option("--out", help="The run's folder [default: runs/place-MODEL-OBJECTIVE].")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in --out.")] = False,
    config: Annotated[
        str, typer.Option("--config", help="A name from configs/ or a YAML file; options change what it says.")
    ] = "place",
    policy: Annotated[str | None, typer.Option("--policy", help="stepwise, seq2seq or hierarchical.")] = None,
    episodes: Annotated[int | None, typer.Option("--episodes", help="Placements of every update.", min=1)] = None,
    steps: Annotated[int | None, typer.Option("--steps", help="Updates of a round at most.", min=1)] = None,
    seed: Annotated[int | None, typer.Option("--seed", help="Of everything random.")] = None,
    reward: Annotated[
        str, typer.Option("--reward", help="simulated, or measured: every placement is run on the devices.")
    ] = "simulated",
    measured: Annotated[
        bool,
        typer.Option(
            "--measure", help="Run the placement found, the baselines and the whole model on the devices at the end."
        ),
    ] = False,
    baselines: Annotated[
        bool, typer.Option("--baselines/--no-baselines", help="Compare with rules and searches.")
    ] = True,
    bound: Annotated[
        str | None, typer.Option("--bound", help="Let a solver look for a bound for so long, such as 60s.")
    ] = None,
    processors: ProcessorsOption = None,
    memory: MemoryOption = None,
    machine: MachineOption = "cores",
    batch: BatchOption = 1,
    tracer: TracerOption = None,
    training: TrainingOption = False,
    groups: GroupsOption = None,
    queue: QueueOption = None,
    calibrate: CalibrateOption = True,
    expert: ExpertOption = None,
    tensorboard: TensorboardOption = True,
    as_json: JsonOption = False,
) -> None:
    """Learn a placement from nothing, and compare it with what else there is.

    Writes placement.json, timeline.png and comparison.json into the run's folder. Ctrl-C leaves a checkpoint; the same command with
    --resume goes on, after a kill too.
    """
    import torch

    from alphago import configs
    from alphago.commands.train_progress import Screen
    from alphago.controller.placement.graph import PlacementError
    from alphago.controller.placement.search import Search, SearchSettings
    from alphago.controller.placement.stored import write_problem

    asked = Asked(
        model, devices, objective, processors, memory, machine, batch, tracer, training, groups, queue, calibrate, expert
    )  # fmt: skip
    if reward not in ("simulated", "measured"):
        raise PlacementError(f"--reward {reward!r}: simulated or measured")
    if measured or reward == "measured":
        check_measurable(asked)
    given: dict[str, Any] = {
        "policy.kind": policy,
        "learning.episodes": episodes,
        "learning.steps": steps,
        "seed": seed,
    }
    settings = changed(configs.load(config, SearchSettings), given)
    spend = budget_of(budget)
    solver_seconds = _seconds(bound)
    folder = out or Path("runs") / f"place-{Path(model).stem.replace(':', '-')}-{objective or 'latency'}"
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # such small networks only wait for a second one
    try:
        task = _task(asked, folder, resume)
        problem = task.problem
        say(_described(problem))
        with Screen(folder if tensorboard else None) as screen, _costs(task, reward) as costs:
            search = Search(
                problem,
                settings,
                spend,
                folder=folder,
                resume=resume,
                costs=costs,
                manifest=_manifest(asked, problem, reward),
                watcher=Told(screen).updated,
            )
            if not (folder / PROBLEM).exists():
                write_problem(folder / PROBLEM, problem)
            with stops(search.stop):
                done = search.run()
            if not done:
                screen.say("stopped; go on with the same command and --resume")
                raise KeyboardInterrupt
        _keep(search, task, folder)  # what follows may fail, or be stopped
        rows = _rows(search, task, baselines)
        bound_ms = _bound(problem, solver_seconds)
        timed = _timed(task, rows) if measured else []
    finally:
        torch.set_num_threads(threads)
    _finish(search, task, folder, rows, bound_ms, timed, as_json)


@app.command()
def compare(
    model: ModelOption = "example",
    devices: DevicesOption = None,
    objective: ObjectiveOption = None,
    placements: Annotated[
        int, typer.Option("--placements", help="That random search and annealing may try.", min=1)
    ] = 20_000,
    bound: Annotated[
        str | None, typer.Option("--bound", help="Let a solver look for a bound for so long, such as 60s.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="Of random search and annealing.")] = 0,
    processors: ProcessorsOption = None,
    memory: MemoryOption = None,
    machine: MachineOption = "cores",
    batch: BatchOption = 1,
    tracer: TracerOption = None,
    training: TrainingOption = False,
    groups: GroupsOption = None,
    queue: QueueOption = None,
    calibrate: CalibrateOption = True,
    expert: ExpertOption = None,
    as_json: JsonOption = False,
) -> None:
    """Place by rules and by searches that do not learn, and print the table."""
    from alphago.commands.place_table import print_table, row_values
    from alphago.controller.placement.compare import baselines

    asked = Asked(
        model, devices, objective, processors, memory, machine, batch, tracer, training, groups, queue, calibrate, expert
    )  # fmt: skip
    task = make_task(asked)
    rows = list(baselines(task.problem, placements=placements, seed=seed, expert=task.expert))
    bound_ms = _bound(task.problem, _seconds(bound))
    if as_json:
        print(json.dumps({"bound_ms": bound_ms, "rows": [row_values(row) for row in rows]}))
    else:
        print_table(task.problem, rows, bound_ms)


@app.command()
def show(
    model: ModelOption = "example",
    devices: DevicesOption = None,
    objective: ObjectiveOption = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Write the whole problem to a file that --model takes.")
    ] = None,
    processors: ProcessorsOption = None,
    memory: MemoryOption = None,
    machine: MachineOption = "cores",
    batch: BatchOption = 1,
    tracer: TracerOption = None,
    training: TrainingOption = False,
    groups: GroupsOption = None,
    queue: QueueOption = None,
    calibrate: CalibrateOption = True,
) -> None:
    """Describe a graph and its machine: operations, work, memory, what cannot be beaten."""
    import numpy as np

    from alphago.controller.placement.bounds import critical_path, simple_bound
    from alphago.controller.placement.stored import write_problem

    problem = make_task(
        Asked(model, devices, objective, processors, memory, machine, batch, tracer, training, groups, queue, calibrate)
    ).problem
    print(_described(problem))
    graph = problem.graph
    for kind, times in graph.times.items():
        print(
            f"work on {kind}: {times[times < math.inf].sum():.4g} ms"
            + (", not all of it possible" if math.isinf(times.max()) else "")
        )
    print(
        f"critical path: {critical_path(problem):.4g} ms; no {problem.objective} below {simple_bound(problem):.4g} ms"
    )
    device, alone = problem.best_alone
    text = f"{alone:.4g} ms" if math.isfinite(alone) else "does not fit"
    most = problem.costs(np.full((1, problem.groups), device)).held[0, device]
    print(
        f"all on {problem.machine.devices[device].name}: {text}; memory {most / 2**20:,.0f} MiB at the most, "
        f"{graph.memory.sum() / 2**20:,.0f} MiB of it all the time"
    )
    if out is not None:
        write_problem(out, problem)
        print(f"{out}: written")


@app.command()
def models() -> None:
    """List the models that need no download."""
    from alphago.controller.placement.models import MODELS

    print("example          a small graph that ships with the package")
    for name, (_, text) in MODELS.items():
        print(f"{name:<16} {text}")
    print("go-9x9, go-19x19 this project's network, 6 blocks of 96 channels")


app.command()(measure)
app.command()(validate)
app.command()(study)


# --- the parts of a run -----------------------------------------------------------------------------------------------------


def say(text: str) -> None:
    """A line for people."""
    print(text, file=sys.stderr, flush=True)


def budget_of(text: str) -> Any:
    """A time or a number of placements. Raises PlacementError."""
    from alphago.controller.placement.graph import PlacementError
    from alphago.controller.placement.search import Budget
    from alphago.machine import seconds_of

    if text.replace(",", "").isdigit():
        return Budget(placements=max(1, int(text.replace(",", ""))))
    try:
        return Budget(seconds=seconds_of(text))
    except ValueError as error:
        raise PlacementError(f"--budget: {error}, or a number of placements") from None


def _seconds(text: str | None) -> float | None:
    from alphago.controller.placement.graph import PlacementError
    from alphago.machine import seconds_of

    try:
        return None if text is None else seconds_of(text)
    except ValueError as error:
        raise PlacementError(f"--bound: {error}") from None


def _task(asked: Asked, folder: Path, resume: bool) -> Task:
    """The task; of a run that goes on with the times that it measured when it began."""
    from alphago.controller.placement.stored import read_problem

    kept = folder / PROBLEM
    if resume and not asked.is_file and kept.exists():
        return make_task(asked, read_problem(kept))
    return make_task(asked)


def _manifest(asked: Asked, problem: Problem, reward: str) -> dict[str, Any]:
    """What tells a run from another: of a file its content, of a model the options, since its times are measured anew each time."""
    from dataclasses import asdict

    from alphago.controller.placement.stored import digest

    if asked.is_file:
        return {"digest": digest(problem), "reward": reward}
    return {**asdict(asked), "expert": None, "reward": reward}


def _described(problem: Problem) -> str:
    graph = problem.graph
    return (
        f"{graph.name}: {len(graph):,} operations, {len(graph.edges):,} edges, {problem.groups:,} groups; "
        f"{problem.machine.name}; {problem.objective}"
    )


def _costs(task: Task, reward: str) -> Any:
    import contextlib

    if reward == "simulated":
        return contextlib.nullcontext()

    @contextlib.contextmanager
    def measuring() -> Any:
        from alphago.controller.placement.executor import Executor
        from alphago.controller.placement.measure import measured_costs

        assert task.captured is not None
        with Executor(task.captured, task.devices) as executor:
            yield measured_costs(executor, task.problem)

    return measuring()


def _rows(search: Search, task: Task, with_baselines: bool) -> list[Row]:
    from alphago.controller.placement.compare import Row, baselines, groups_row, operations_row
    from alphago.controller.placement.heuristics import alone

    found, problem = search.found, task.problem
    text = f"{found.rounds} rounds, {found.failed:,} did not fit"
    if found.placement is None:
        rows = [Row("REINFORCE", math.inf, None, found.placements, found.seconds, f"nothing that fits; {text}")]
    else:
        rows = [
            operations_row(
                problem, "REINFORCE", found.placement, placements=found.placements, seconds=found.seconds, note=text
            )
        ]
    if with_baselines:
        for row in baselines(problem, placements=min(found.placements, 200_000), expert=task.expert):
            say(f"{row.method}: " + (f"{row.ms:.4g} ms" if math.isfinite(row.ms) else row.note))
            rows.append(row)
    else:
        device, _ = problem.best_alone
        rows.append(groups_row(problem, f"all on {problem.machine.devices[device].name}", lambda: alone(problem)))
    return rows


def _bound(problem: Problem, seconds: float | None) -> float | None:
    from alphago.controller.placement.bounds import simple_bound, solver_bound

    return simple_bound(problem) if seconds is None else solver_bound(problem, seconds).ms


def _timed(task: Task, rows: list[Row]) -> Any:
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


def _facts(search: Search, problem: Problem) -> dict[str, Any]:
    found = search.found
    return {
        "objective": problem.objective,
        "ms": found.ms if math.isfinite(found.ms) else None,
        "placements": found.placements,
        "failed": found.failed,
        "rounds": found.rounds,
        "seconds": round(found.seconds, 1),
    }


def _keep(search: Search, task: Task, folder: Path) -> None:
    """Write the placement and its picture. Raises PlacementError: nothing fits; how much was tried is written down."""
    from alphago.commands.place_table import write_json
    from alphago.controller.placement.corpus import write_placement
    from alphago.controller.placement.gantt import plot_timeline
    from alphago.controller.placement.graph import PlacementError

    found, problem = search.found, task.problem
    facts = _facts(search, problem)
    if found.placement is None:
        write_json(folder / "comparison.json", {**facts, "rows": []})
        raise PlacementError(
            f"none of {found.placements:,} placements fits in memory: a larger --budget, more --devices or more --memory"
        )
    write_placement(folder / "placement.json", problem.graph, problem.machine, found.placement, facts)
    plot_timeline(problem, found.placement, folder / "timeline.png")


def _finish(
    search: Search, task: Task, folder: Path, rows: list[Row], bound_ms: float | None, timed: Any, as_json: bool
) -> None:
    from alphago.commands.place_table import (
        measured_values,
        measured_verdict,
        print_table,
        row_values,
        verdict,
        write_json,
    )

    found, problem = search.found, task.problem
    ours = rows[0]
    best = min(row.ms for row in rows)
    values = {
        **_facts(search, problem),
        "bound_ms": bound_ms,
        "rows": [row_values(row) for row in rows],
        "steps": [[step.placements, step.ms] for step in found.steps],
        "against_best": ours.ms / best if best > 0 else 1.0,
        "measured": measured_values(timed),
    }
    write_json(folder / "comparison.json", values)
    sentence = verdict(problem, ours.ms)
    if timed:
        sentence += "; " + measured_verdict(timed, "REINFORCE", rows[1].method)
    if as_json:
        print(json.dumps({**values, "verdict": sentence, "folder": str(folder)}))
        return
    print_table(problem, rows, bound_ms, timed)
    print(f"{folder}: placement.json, timeline.png, comparison.json\n{sentence}")


class Told:
    """Hands what a search tells to the screen: a bar over the whole budget."""

    def __init__(self, screen: Any) -> None:
        self._screen = screen
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
            f"round {int(metrics['round']) + 1}, update {step} of {total}, best {metrics['best_ms']:.4g} ms, "
            f"median {metrics.get('median_ms', math.nan):.4g}, {int(metrics['placements']):,} placements, "
            f"entropy {metrics['entropy']:.3f}, {100 * metrics['invalid_share']:.0f} % do not fit"
        )
        self._screen.tell(int(1000 * spent), 1000, left, text)
