"""How many placements a second the compiled simulator costs on one core, against a plain one in Python, in the same run.

    python benchmarks/placement.py --operations 100 --devices 4 --rounds 7

The graph is random, of so many operations that are placed each alone and read one to three of the eight before them; placements are
uniformly random, so that most outputs cross. The plain simulator is the second one of the tests (tests/placement_helpers.py), whose
answers the compiled one has to give, too. Time is that of the processor; each round takes both, straight after one another.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from alphago.controller.placement.graph import Device, Graph, Link, Machine, unique_edges
from alphago.controller.placement.problem import Objective, Problem

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))
from placement_helpers import reference_latency, reference_load

WIDTH = 8
"""Operations back that one may read."""
PLAIN = 20
"""Placements of a round that the plain simulator gets."""


def graph_of(operations: int, seed: int) -> Graph:
    """Operations of 0 to 5 ms with outputs of 0 to 2 ms, in multiples of 1/4 ms, so that sums are exact."""
    random = np.random.default_rng(seed)
    edges = [
        (int(source), op)
        for op in range(1, operations)
        for source in random.integers(max(0, op - WIDTH), op, random.integers(1, 4))
    ]
    return Graph(
        f"random of {operations}",
        tuple(f"op{op}" for op in range(operations)),
        ("work",) * operations,
        {"device": random.integers(0, 20, operations) / 4},
        unique_edges(edges),
        np.ones(operations),
        random.integers(0, 9, operations) / 4,
        random.integers(0, 9, operations) / 4,
    )


def row_of(graph: Graph, devices: int, objective: Objective, placements: int, rounds: int) -> dict[str, Any]:
    """Medians of both, placements a second, and of the rounds' ratios. Raises SystemExit: they disagree."""
    machine = Machine(tuple(Device(f"device{number}", "device", link=Link()) for number in range(devices)))
    problem, random = Problem(graph, machine, objective), np.random.default_rng(1)
    problem.costs_of_operations(np.zeros((1, len(graph)), dtype=np.int64))  # compiled now
    fast, slow = [], []
    for _ in range(rounds):
        drawn = random.integers(0, devices, (placements, len(graph)))
        started = time.process_time()
        found = problem.costs_of_operations(drawn)
        fast.append(placements / (time.process_time() - started))
        started = time.process_time()
        plain = [
            reference_latency(problem, row)[0] if objective == "latency" else reference_load(problem, row)
            for row in drawn[:PLAIN]
        ]
        slow.append(len(plain) / (time.process_time() - started))
        if plain != found.ms[:PLAIN].tolist():
            sys.exit(f"{objective}: the two simulators disagree")
    ratios = [one / other for one, other in zip(fast, slow, strict=True)]
    return {
        "objective": objective,
        "operations": len(graph),
        "edges": len(graph.edges),
        "devices": devices,
        "placements_per_second": round(statistics.median(fast)),
        "plain_per_second": round(statistics.median(slow)),
        "ratio": round(statistics.median(ratios), 1),
    }


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--operations", type=int, default=100)
    parser.add_argument("--devices", type=int, default=4)
    parser.add_argument("--placements", type=int, default=5000, help="of a round [5000]")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", type=Path, help="write the rows to this file, too")
    given = parser.parse_args()
    graph = graph_of(given.operations, 0)
    objectives: tuple[Objective, ...] = ("latency", "throughput")
    rows = [row_of(graph, given.devices, objective, given.placements, given.rounds) for objective in objectives]
    for row in rows:
        print(
            f"{row['objective']:<10} {row['operations']} operations, {row['edges']} edges, {row['devices']} devices: "
            f"{row['placements_per_second']:,} placements/s, plain {row['plain_per_second']:,}/s, ratio {row['ratio']}"
        )
    if given.json is not None:
        given.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
