"""`alphago place`: device placement learned by REINFORCE, against rules and searches, simulated and measured."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Annotated, Any

import typer

from alphago.commands.place_measure import measure, validate
from alphago.commands.place_problem import (
    Asked,
    BatchOption,
    CalibrateOption,
    ConfigOption,
    DevicesOption,
    ExpertOption,
    GroupsOption,
    MachineOption,
    MemoryOption,
    ModelOption,
    ObjectiveOption,
    ProcessorsOption,
    QueueOption,
    TracerOption,
    TrainingOption,
    check_measurable,
    make_task,
)
from alphago.commands.place_study import study
from alphago.commands.train_options import JsonOption, TensorboardOption, stops

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
    config: ConfigOption = None,
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

    from alphago.commands.place_run import (
        PROBLEM,
        Told,
        bound_of,
        budget_of,
        default_folder,
        described,
        executor_of,
        finish,
        keep,
        manifest_of,
        result_of,
        rows_of,
        say,
        seconds_or_none,
        settings_of,
        task_of,
        timed,
    )
    from alphago.commands.train_progress import Screen
    from alphago.controller.placement.graph import PlacementError
    from alphago.controller.placement.measure import measured_costs
    from alphago.controller.placement.search import Search
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
    settings_of(config, asked.objective, given)  # what is wrong with it is said before anything is measured
    spend = budget_of(budget)
    solver_seconds = seconds_or_none(bound)
    folder = out or default_folder(asked)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # such small networks only wait for a second one
    try:
        task = task_of(asked, folder, resume)
        problem = task.problem
        settings = settings_of(config, problem.objective, given)
        say(described(problem))
        with Screen(folder if tensorboard else None) as screen, executor_of(task, reward) as executor:
            search = Search(
                problem,
                settings,
                spend,
                folder=folder,
                resume=resume,
                costs=None if executor is None else measured_costs(executor, problem),
                manifest=manifest_of(asked, problem, reward),
                watcher=Told(screen, reward).updated,
            )
            if not (folder / PROBLEM).exists():
                write_problem(folder / PROBLEM, problem)
            with stops(search.stop):
                done = search.run()
            if not done:
                screen.say("stopped; go on with the same command and --resume")
                raise KeyboardInterrupt
            result = result_of(search, executor)
        keep(result, task, folder, reward)  # what follows may fail, or be stopped
        rows = rows_of(result, task, baselines)
        bound_ms = bound_of(problem, solver_seconds)
        times = timed(task, rows) if measured else []
    finally:
        torch.set_num_threads(threads)
    finish(result, task, folder, rows, bound_ms, times, reward=reward, as_json=as_json)


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
    from alphago.commands.place_run import bound_of, seconds_or_none
    from alphago.commands.place_table import print_table, row_values
    from alphago.controller.placement.compare import baselines

    asked = Asked(
        model, devices, objective, processors, memory, machine, batch, tracer, training, groups, queue, calibrate, expert
    )  # fmt: skip
    task = make_task(asked)
    rows = list(baselines(task.problem, placements=placements, seed=seed, expert=task.expert))
    bound_ms = bound_of(task.problem, seconds_or_none(bound))
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

    from alphago.commands.place_run import described
    from alphago.controller.placement.bounds import critical_path, simple_bound
    from alphago.controller.placement.stored import write_problem

    problem = make_task(
        Asked(model, devices, objective, processors, memory, machine, batch, tracer, training, groups, queue, calibrate)
    ).problem
    print(described(problem))
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
