"""`alphago place study`: every graph of a folder, learned and compared: the tables of docs/results.md, one command each."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from alphago.commands.train_options import JsonOption, stops

if TYPE_CHECKING:
    from alphago.controller.placement.search import SearchSettings

RULES = ("fill in order", "fill evenly", "m-TOPO", "HEFT", "m-ETF", "human expert", "METIS", "Scotch")
"""Methods that decide by rule, the best of which a learned placement is held against under latency."""


def study(
    folder: Annotated[Path, typer.Argument(help="Graph files of the corpus, at any depth.")],
    objective: Annotated[str, typer.Option("--objective", help="latency or throughput.")] = "throughput",
    budget: Annotated[str, typer.Option("--budget", help="Of each graph: a time or a number of placements.")] = "10m",
    out: Annotated[Path, typer.Option("--out", help="Folder of the results; what is there is gone on with.")] = Path(
        "runs/place-study"
    ),
    experts: Annotated[
        Path | None, typer.Option("--experts", help="Folder of human experts' splits, NAME_expert.json.")
    ] = None,
    config: Annotated[str, typer.Option("--config", help="A name from configs/ or a YAML file.")] = "place",
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

    from alphago import configs
    from alphago.commands.place import budget_of
    from alphago.commands.train_options import changed
    from alphago.controller.placement.graph import PlacementError
    from alphago.controller.placement.search import SearchSettings

    files = sorted(path for path in folder.rglob("*.json") if not only or any(part in str(path) for part in only))
    if not files:
        raise PlacementError(f"{folder}: no graph files" + (f" with {' or '.join(only)} in their path" if only else ""))
    settings = changed(configs.load(config, SearchSettings), {"policy.kind": policy, "seed": seed})
    spend = budget_of(budget)
    results = []
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        for number, path in enumerate(files, 1):
            name = f"{path.parent.name}-{path.stem}"
            print(f"graph {number} of {len(files)}: {name}", file=sys.stderr, flush=True)
            done = out / name / "result.json"
            if not done.exists():
                _one(path, objective, settings, spend, out / name, _expert_of(path, experts), placements, bound)
            results.append(json.loads(done.read_text(encoding="utf-8")))
    finally:
        torch.set_num_threads(threads)
    if as_json:
        print(json.dumps({"objective": objective, "graphs": results}))
    else:
        _print(objective, results)


def _one(
    path: Path,
    objective: Any,
    settings: SearchSettings,
    spend: Any,
    folder: Path,
    expert: Path | None,
    placements: int,
    bound: float,
) -> None:
    from alphago.commands.place_table import row_values, write_json
    from alphago.controller.placement.bounds import simple_bound, solver_bound
    from alphago.controller.placement.compare import arrival, baselines
    from alphago.controller.placement.corpus import read_graph, read_split, write_placement
    from alphago.controller.placement.gantt import plot_timeline
    from alphago.controller.placement.problem import Problem
    from alphago.controller.placement.search import Search
    from alphago.controller.placement.stored import digest

    graph, machine = read_graph(path)
    problem = Problem(graph, machine, objective)
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
    person = None if expert is None else read_split(expert, path, graph, machine)
    rows = list(baselines(problem, placements=placements, expert=person))
    from alphago.controller.placement.annealing import anneal, random_search

    best = min([found.ms, *(row.ms for row in rows)])
    # how many placements each way of searching needs, with the same number to spend
    tried = {
        "random search": random_search(problem, placements, seed=1).steps,
        "simulated annealing": anneal(problem, placements, seed=1).steps,
    }
    arrivals: dict[str, int | None] = {
        name: arrival(tuple((step.placements, step.ms) for step in steps), best) for name, steps in tried.items()
    }
    arrivals["REINFORCE"] = arrival(tuple((step.placements, step.ms) for step in found.steps), best)
    values = {
        "graph": f"{path.parent.name}/{path.stem}",
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
        "rows": [row_values(row) for row in rows],
    }
    if found.placement is not None:
        write_placement(
            folder / "placement.json", graph, machine, found.placement, {"ms": found.ms, "objective": objective}
        )
        plot_timeline(problem, found.placement, folder / "timeline.png")
    write_json(folder / "result.json", values)


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
    others = ("human expert", "METIS", "Scotch", "HEFT", "m-ETF", "simulated annealing")
    searches = ("REINFORCE", "simulated annealing", "random search")
    last = ("bound", "within 5 %: RL / annealing / random", "minutes")
    for title in ("graph", "groups", "REINFORCE", reference, "ratio", *others, *last):
        table.add_column(title, justify="left" if title == "graph" else "right")
    for one in results:
        by = {row["method"]: row["ms"] for row in one["rows"]}
        rules = [by[name] for name in RULES if by.get(name) is not None]
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
            *(_number(by.get(name)) for name in others),
            _number(one["bound_ms"]),
            " / ".join("-" if arrived[name] is None else f"{arrived[name]:,}" for name in searches),
            f"{one['seconds'] / 60:.1f}",
        )
    Console(width=200).print(table)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.5g}"
