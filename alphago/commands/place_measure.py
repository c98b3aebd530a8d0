"""`alphago place measure` and `alphago place validate`: placements on real devices, and whether the simulator foretells them."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from alphago.commands.place_problem import (
    Asked,
    BatchOption,
    CalibrateOption,
    DevicesOption,
    GroupsOption,
    MemoryOption,
    ModelOption,
    ObjectiveOption,
    QueueOption,
    Task,
    TracerOption,
    check_measurable,
    make_task,
)
from alphago.commands.train_options import JsonOption

_LEAST = 3
"""Placements of which a rank correlation says anything."""
_TRIES = 200
"""Random placements for each that is wanted, after which no more are looked for."""

if TYPE_CHECKING:
    from numpy.random import Generator as Random

    from alphago.controller.placement.capture import Captured
    from alphago.controller.placement.graph import Ints
    from alphago.controller.placement.problem import Problem

OutFile = Annotated[Path | None, typer.Option("--out", help="Write everything to this JSON file, too.")]


def _runnable(asked: Asked) -> tuple[Task, Captured]:
    """The problem of a model, and the model. Raises PlacementError."""
    check_measurable(asked)
    task = make_task(asked)
    assert task.captured is not None  # a model that is no file
    return task, task.captured


def measure(
    model: ModelOption,
    placement: Annotated[
        list[Path] | None, typer.Option("--placement", help="A placement.json; may be given again.")
    ] = None,
    devices: DevicesOption = None,
    objective: ObjectiveOption = None,
    rounds: Annotated[int, typer.Option("--rounds", help="Times that each takes its turn.", min=5)] = 30,
    steps: Annotated[int, typer.Option("--steps", help="Samples of a turn.", min=1)] = 3,
    batch: BatchOption = 1,
    tracer: TracerOption = None,
    memory: MemoryOption = None,
    groups: GroupsOption = None,
    queue: QueueOption = None,
    calibrate: CalibrateOption = True,
    out: OutFile = None,
    as_json: JsonOption = False,
) -> None:
    """Run placements on this computer in turns: the files given, the rules, one device, one process with all threads."""
    from alphago.commands.place_table import measured_values, measured_verdict, print_table, write_json
    from alphago.controller.placement import heuristics, partition
    from alphago.controller.placement.compare import groups_row, operations_row
    from alphago.controller.placement.corpus import read_placement
    from alphago.controller.placement.executor import Executor, Whole
    from alphago.controller.placement.measure import side_by_side
    from alphago.machine import usable_threads

    asked = Asked(model, devices, objective, None, memory, "cores", batch, tracer, False, groups, queue, calibrate)
    task, captured = _runnable(asked)
    problem = task.problem
    best, _ = problem.best_alone
    single = f"all on {problem.machine.devices[best].name}"
    rows = [groups_row(problem, single, lambda: heuristics.alone(problem))]
    names = names_of(placement or [])
    for name, path in names.items():
        rows.append(operations_row(problem, name, read_placement(path, problem.graph, problem.machine)))
    for name, rule in (("HEFT", heuristics.heft), ("m-ETF", heuristics.earliest_first), ("METIS", partition.metis)):
        rows.append(groups_row(problem, name, lambda rule=rule: rule(problem)))  # type: ignore[misc]
    fitting = {row.method: row.placement for row in rows if row.placement is not None and math.isfinite(row.ms)}
    whole = tuple(Whole(captured, threads) for threads in sorted({1, usable_threads()}))
    with Executor(captured, task.devices) as executor:
        found = side_by_side(
            executor, problem, fitting, whole=whole, rounds=rounds, steps=steps, told=_told
        )  # fmt: skip
    values = measured_values(found)
    if out is not None:
        write_json(out, values)
    if as_json:
        print(json.dumps(values))
        return
    print_table(problem, rows, None, found)
    print(measured_verdict(found, next(iter(names), "HEFT"), single))


def validate(
    model: ModelOption = "inception_v3",
    devices: DevicesOption = None,
    objective: ObjectiveOption = None,
    placements: Annotated[int, typer.Option("--placements", help="That are simulated and measured.", min=_LEAST)] = 100,
    rounds: Annotated[int, typer.Option("--rounds", help="Measurements of each, in turns.", min=1)] = 5,
    seed: Annotated[int, typer.Option("--seed", help="Of the placements.")] = 0,
    batch: BatchOption = 1,
    tracer: TracerOption = None,
    memory: MemoryOption = None,
    groups: GroupsOption = None,
    queue: QueueOption = None,
    calibrate: CalibrateOption = True,
    out: OutFile = None,
    as_json: JsonOption = False,
) -> None:
    """Compare the simulator with measurements: mean error, Kendall's tau, and what trusting it would cost.

    What the operations take by themselves is measured in turns with the placements: a computer that is slower now than a minute ago
    is no mistake of the simulator.
    """
    from alphago.commands.place_table import write_json
    from alphago.controller.placement.executor import Executor
    from alphago.controller.placement.measure import Profiles, agreement, side_by_side
    from alphago.controller.placement.problem import Problem

    asked = Asked(model, devices, objective, None, memory, "cores", batch, tracer, False, groups, queue, calibrate)
    task, captured = _runnable(asked)
    problem = task.problem
    drawn = varied(problem, placements, seed)
    with Executor(captured, task.devices) as executor:
        profiles = Profiles(executor, [device.kind for device in problem.machine.devices])
        found = side_by_side(
            executor,
            problem,
            {str(row): drawn[row] for row in range(len(drawn))},
            rounds=rounds,
            warmup=1,
            between=profiles.take,
            told=_told,
        )
    import numpy as np

    graph = captured.graph(profiles.times())
    now = Problem(graph, problem.machine, problem.objective, problem.group_of, problem.queue)
    simulated = now.costs_of_operations(drawn).ms
    measured = np.array([one.ms for one in found])
    facts: dict[str, Any] = {
        "model": model,
        "placements": len(drawn),
        **{name: round(value, 4) for name, value in agreement(simulated, measured).items()},
    }
    values = {
        **facts,
        "simulated": simulated.tolist(),
        "measured": measured.tolist(),
        "times": [one.times.tolist() for one in found],
    }
    if out is not None:
        write_json(out, values)
    if as_json:
        print(json.dumps(values))
    else:
        print(
            f"{model}: {len(drawn)} placements, error {facts['mape']:.1f} % (bias {facts['bias']:+.1f} %), "
            f"tau {facts['tau']:.3f}, regret {facts['regret']:.1f} %"
        )


def names_of(paths: list[Path]) -> dict[str, Path]:
    """Files by what a table calls them: without the ending, where that tells them apart, else the whole path; each once."""
    stems = [path.stem for path in paths]
    return {path.stem if stems.count(path.stem) == 1 else str(path): path for path in paths}


def varied(problem: Problem, count: int, seed: int) -> Ints:
    """Different placements of operations [count or fewer, N] to hold the simulator against.

    Under latency of every sort, from long runs on one device to every group anywhere, rules among them. Under throughput pipelines:
    each device has one run of the order. Devices take sample after sample, and one that reads what another has made of its own
    outputs waits within the sample; the largest load is the pace of a pipeline alone. Those that exchange devices which are alike
    are the same one: a rank among equals would be noise.

    Raises:
        PlacementError: nothing fits, or next to nothing.
    """
    import numpy as np

    from alphago.controller.placement import heuristics
    from alphago.controller.placement.graph import PlacementError, canonical

    random = np.random.default_rng(seed)
    rules = [heuristics.alone(problem)]
    if problem.objective == "latency":
        rules += [heuristics.heft(problem), heuristics.earliest_first(problem)]
    draw = _wandering if problem.objective == "latency" else _pipeline
    found: dict[bytes, Ints] = {}
    for number in range(len(rules) + _TRIES * count):
        row = rules[number] if number < len(rules) else draw(problem, random)
        if problem.costs(row[None]).fits[0]:
            known = canonical(problem.expanded(row[None]), problem.machine, problem.graph.order)
            found.setdefault(known.tobytes(), row)
        if len(found) == count:
            break
    if found and len(found) < _LEAST:
        raise PlacementError(f"{len(found)} different placements: too few to compare; give more --devices")
    if not found:
        raise PlacementError(
            f"none of {_TRIES * count:,} placements drawn at random fits into memory: give more --memory"
        )
    if len(found) < count:
        print(f"{len(found)} different placements found, not {count}", file=sys.stderr)
    return problem.expanded(np.stack(list(found.values())))


def _wandering(problem: Problem, random: Random) -> Ints:
    """A placement of groups [G]: each goes where the one before it went, with a chance that is drawn for all of them."""
    import numpy as np

    options = [np.flatnonzero(row) for row in problem.allowed]
    stay = 1 - 10 ** random.uniform(-2.5, 0)
    row = np.zeros(problem.groups, dtype=np.int64)
    before = -1
    for group in problem.order.tolist():
        if before not in options[group] or random.random() > stay:
            before = int(options[group][random.integers(len(options[group]))])
        row[group] = before
    return row


def _pipeline(problem: Problem, random: Random) -> Ints:
    """A placement of groups [G]: the order cut into a run for each device; which device comes when is drawn, too."""
    import numpy as np

    cuts = np.sort(random.integers(problem.groups + 1, size=problem.devices - 1))
    row = np.zeros(problem.groups, dtype=np.int64)
    row[problem.order] = random.permutation(problem.devices)[np.searchsorted(cuts, np.arange(problem.groups), "right")]
    return row


def _told(number: int, total: int) -> None:
    print(f"round {number} of {total}", file=sys.stderr, flush=True)
