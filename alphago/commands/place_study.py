"""`alphago place study`: every graph of a folder, learned and compared: the tables of docs/results.md, one command each."""

from __future__ import annotations

import hashlib
import json
import math
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from alphago.commands.place_problem import ConfigOption
from alphago.commands.train_options import JsonOption, stops

if TYPE_CHECKING:
    from alphago.controller.placement.search import SearchSettings

RULES = ("fill in order", "fill evenly", "m-TOPO", "HEFT", "m-ETF", "human expert", "METIS", "Scotch")
"""Methods that decide by rule: the best of them, or of one device alone, is what latency is held against."""
SEARCHES = ("random search", "simulated annealing")
SEARCH_SECONDS = 600.0
"""Of each of these at most: they are to end with their placements, so that the table does not depend on the computer's speed."""


def study(
    folder: Annotated[
        Path, typer.Argument(help="Graph files of the corpus, or problems from `show --out`, at any depth.")
    ],
    objective: Annotated[str, typer.Option("--objective", help="latency or throughput.")] = "throughput",
    budget: Annotated[str, typer.Option("--budget", help="Of each graph: a time or a number of placements.")] = "10m",
    out: Annotated[Path, typer.Option("--out", help="Folder of the results; what is there is gone on with.")] = Path(
        "runs/place-study"
    ),
    experts: Annotated[
        Path | None, typer.Option("--experts", help="Folder of human experts' splits, NAME_expert.json.")
    ] = None,
    config: ConfigOption = None,
    policy: Annotated[str | None, typer.Option("--policy", help="stepwise, seq2seq or hierarchical.")] = None,
    seed: Annotated[int | None, typer.Option("--seed", help="Of everything random.")] = None,
    only: Annotated[
        list[str] | None, typer.Option("--only", help="Graphs whose path contains this; may be given again.")
    ] = None,
    placements: Annotated[
        int, typer.Option("--placements", help="That random search and annealing may try.", min=1)
    ] = 50_000,
    bound: Annotated[
        float, typer.Option("--bound", help="Seconds of the solver for a bound; 0: the simple bound.", min=0)
    ] = 60.0,
    as_json: JsonOption = False,
) -> None:
    """Learn a placement of every graph, compare it, and print the table. The same command goes on after an interruption."""
    import torch

    from alphago.commands.place_run import budget_of, settings_of
    from alphago.controller.placement.graph import PlacementError
    from alphago.controller.placement.problem import OBJECTIVES

    if objective not in OBJECTIVES:
        raise PlacementError(f"--objective {objective!r}: {', '.join(OBJECTIVES)}")
    files = graph_files(folder, only or [], out)
    if not files:
        raise PlacementError(f"{folder}: no graph files" + (f" with {' or '.join(only)} in their path" if only else ""))
    settings = settings_of(config, objective, {"policy.kind": policy, "seed": seed})
    spend = budget_of(budget)
    asked: dict[str, Any] = {
        "objective": objective,
        "budget": budget,
        "placements": placements,
        "bound": bound,
        "settings": settings.model_dump(mode="json"),
    }
    results = []
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        names = names_of(sorted(folder.rglob("*.json")))  # of all, so that --only calls none by another name
        for number, path in enumerate(files, 1):
            name = names[path].replace("/", "-")
            print(f"graph {number} of {len(files)}: {name}", file=sys.stderr, flush=True)
            done = out / name / "result.json"
            expert = _expert_of(path, experts)
            asked["file"] = _digest(path)
            asked["expert"] = None if expert is None else _digest(expert)
            if not done.exists():
                _one(path, objective, settings, spend, asked, out / name, names[path], expert, placements, bound)
            results.append(_result(done, asked))
    finally:
        torch.set_num_threads(threads)
    if as_json:
        print(json.dumps({"objective": objective, "graphs": results}))
    else:
        _print(objective, results)


def graph_files(folder: Path, only: list[str], out: Path) -> list[Path]:
    """The files of a folder that are to be placed, sorted: what `only` names, and neither a person's split nor a result of a study.

    Raises:
        PlacementError: one of them is no JSON, or the results are to lie among them.
    """
    from alphago.controller.placement.corpus import is_split, read_json
    from alphago.controller.placement.graph import PlacementError

    base, results = folder.resolve(), out.resolve()
    if base == results:
        raise PlacementError(f"--out {out}: the folder of the graphs themselves; results need one of their own")
    found = sorted(path for path in folder.rglob("*.json") if not only or any(part in str(path) for part in only))
    if results.is_relative_to(base):
        found = [path for path in found if not path.resolve().is_relative_to(results)]
    return [path for path in found if not is_split(read_json(path))]


def names_of(files: list[Path]) -> dict[Path, str]:
    """What each graph is called, FOLDER/NAME, with as many folders above as tell it from the others."""
    found: dict[Path, str] = {}
    for path in files:
        depth = 2
        while depth < len(path.parts) and any(
            other != path and _tail(other, depth) == _tail(path, depth) for other in files
        ):
            depth += 1
        found[path] = _tail(path, depth)
    return found


def _tail(path: Path, depth: int) -> str:
    return "/".join([*path.parts[-depth:-1], path.stem])


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]


def _one(
    path: Path,
    objective: Any,
    settings: SearchSettings,
    spend: Any,
    asked: dict[str, Any],
    folder: Path,
    title: str,
    expert: Path | None,
    placements: int,
    bound: float,
) -> None:
    from alphago.commands.place_table import row_values, write_json
    from alphago.controller.placement.bounds import simple_bound, solver_bound
    from alphago.controller.placement.compare import arrival, baselines, searches
    from alphago.controller.placement.corpus import read_split, write_placement
    from alphago.controller.placement.gantt import plot_timeline
    from alphago.controller.placement.graph import PlacementError
    from alphago.controller.placement.problem import Problem
    from alphago.controller.placement.search import Search, with_chains_joined
    from alphago.controller.placement.stored import digest, read_any

    graph, machine, known = read_any(path)
    problem = known or Problem(graph, machine, objective)
    if problem.objective != objective:
        raise PlacementError(f"{path}: a problem of {problem.objective}: --objective {problem.objective}")
    person, misfit = None, None
    if expert is not None:
        try:
            person = read_split(expert, path, graph, machine)
        except PlacementError as error:  # a split for a machine of more devices: the others are compared all the same
            misfit = str(error)
            print(f"  left out: {misfit}", file=sys.stderr, flush=True)
    search = Search(
        problem,
        settings,
        spend,
        folder=folder,
        resume=folder.exists(),
        manifest={"digest": digest(problem)},
        watcher=_watcher(),
    )
    with stops(search.stop):
        if not search.run():
            print("stopped; the same command goes on", file=sys.stderr)
            raise KeyboardInterrupt
    found = search.found
    rows = list(baselines(problem, placements=placements, seconds=SEARCH_SECONDS, seed=settings.seed, expert=person))
    if settings.policy.joined != "never":  # what learning has in some rounds, the other searches get too
        fewer = with_chains_joined(problem)
        more = searches(fewer, placements=placements, seconds=SEARCH_SECONDS, seed=settings.seed)
        rows += [replace(row, method=f"{row.method}, joined") for row in more]
    best = min([found.ms, *(row.ms for row in rows)])
    arrivals: dict[str, int | None] = {"REINFORCE": arrival(found.steps, best)}
    for name in SEARCHES:  # with the groups that serve it better
        counts = [arrival(row.steps, best) for row in rows if row.method.startswith(name)]
        arrivals[name] = min((count for count in counts if count is not None), default=None)
    values = {
        "graph": title,
        "asked": asked,
        "operations": len(graph),
        "groups": problem.groups,
        "devices": len(machine),
        "ms": found.ms if math.isfinite(found.ms) else None,
        "placements": found.placements,
        "failed": found.failed,
        "rounds": found.rounds,
        "seconds": round(found.seconds, 1),
        "bound_ms": solver_bound(problem, bound).ms if bound > 0 else simple_bound(problem),
        "placements_to_within_5_percent": arrivals,
        "expert_left_out": misfit,
        "rows": [row_values(row) for row in rows],
    }
    if found.placement is not None:
        write_placement(
            folder / "placement.json", graph, machine, found.placement, {"ms": found.ms, "objective": objective}
        )
        plot_timeline(problem, found.placement, folder / "timeline.png")
    write_json(folder / "result.json", values)


def _result(path: Path, asked: dict[str, Any]) -> dict[str, Any]:
    """What is known of a graph. Raises PlacementError: it was found with other options, so that it belongs to another table."""
    from alphago.controller.placement.corpus import read_json
    from alphago.controller.placement.graph import PlacementError

    values = read_json(path)
    was = values.get("asked", {}) if isinstance(values, dict) else {}
    for name, value in asked.items():
        if was.get(name) != value:
            text = "settings differ" if name == "settings" else f"{name} was {was.get(name)!r}, not {value!r}"
            raise PlacementError(f"{path}: a result of other options ({text}): choose another --out, or delete it")
    return dict(values)


def _watcher() -> Any:
    """A line every ten seconds."""
    import time

    state = {"next": 0.0}

    def told(step: int, total: int, metrics: Any) -> None:
        if time.monotonic() >= state["next"]:
            state["next"] = time.monotonic() + 10
            print(
                f"  {100 * metrics['spent']:.0f} %, round {int(metrics['round']) + 1}, update {step} of {total}, "
                f"best {metrics['best_ms']:.5g} ms, {int(metrics['placements']):,} placements",
                file=sys.stderr,
                flush=True,
            )

    return told


def _expert_of(path: Path, experts: Path | None) -> Path | None:
    """The expert's split: of the graph's own name, or of the forward graph for a training graph. Layer graphs alone have some."""
    if experts is None or path.parent.name != "LayerGraphs":
        return None
    for name in (path.stem, path.stem.replace("_training", "_inference")):
        found = experts / f"{name}_expert.json"
        if found.exists():
            return found
    return None


def _print(objective: str, results: list[dict[str, Any]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"{objective}, ms", title_justify="left")
    reference = "contiguous optimum" if objective == "throughput" else "best rule"
    others = ("human expert", "METIS", "Scotch", "HEFT", "m-ETF", "simulated annealing", "random search")
    learned_first = ("REINFORCE", *reversed(SEARCHES))
    last = ("bound", "within 5 %: RL / annealing / random", "minutes")
    for title in ("graph", "groups", "REINFORCE", reference, "ratio", "one device", *others, *last):
        table.add_column(title, justify="left" if title == "graph" else "right")
    for one in results:
        by = {row["method"]: row["ms"] for row in one["rows"]}
        for name in SEARCHES:
            known = [by[title] for title in by if title.startswith(name) and by[title] is not None]
            by[name] = min(known, default=None)
        alone = next((row["ms"] for row in one["rows"] if row["method"].startswith("all on ")), None)
        rules = [ms for ms in (alone, *(by.get(name) for name in RULES)) if ms is not None]
        against = by.get("contiguous optimum") if objective == "throughput" else min(rules, default=None)
        ms = one["ms"]
        ratio = f"{ms / against:.3f}" if ms is not None and against else "-"
        arrived = one["placements_to_within_5_percent"]
        table.add_row(
            one["graph"],
            str(one["groups"]),
            _number(ms),
            _number(against),
            ratio,
            _number(alone),
            *(_number(by.get(name)) for name in others),
            _number(one["bound_ms"]),
            " / ".join("-" if arrived[name] is None else f"{arrived[name]:,}" for name in learned_first),
            f"{one['seconds'] / 60:.1f}",
        )
    Console(width=None if Console().is_terminal else 240).print(table)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.5g}"
