"""Every method on one problem, as the rows of a table."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from alphago.controller.placement import annealing, heuristics, partition
from alphago.controller.placement.contiguous import best_contiguous
from alphago.controller.placement.graph import Ints, PlacementError
from alphago.controller.placement.problem import Problem
from alphago.controller.placement.source import Step

WITHIN: Final = 1.05
"""A method has arrived when its cost is this many times the best known, or less."""


@dataclass(frozen=True)
class Row:
    """What one method found."""

    method: str
    ms: float
    """Infinite where there is nothing that fits."""
    placement: Ints | None
    """[N]: of operations."""
    placements: int = 1
    """Costs that it computed."""
    seconds: float = 0.0
    note: str = ""
    """Why there is nothing, or what else is to be known."""
    held: float = 0.0
    """The fullest device: bytes against its limit."""
    steps: tuple[Step, ...] = ()
    """Of a search: how the best came down."""


def groups_row(problem: Problem, method: str, find: Callable[[], Ints]) -> Row:
    """A row of a method that gives devices of groups [G]; what goes wrong is its note."""
    started = time.monotonic()
    try:
        found = find()
    except PlacementError as error:
        return Row(method, math.inf, None, 0, time.monotonic() - started, str(error))
    return operations_row(problem, method, problem.expanded(found[None])[0], seconds=time.monotonic() - started)


def operations_row(
    problem: Problem,
    method: str,
    placement: Ints,
    *,
    placements: int = 1,
    seconds: float = 0.0,
    note: str = "",
    steps: tuple[Step, ...] = (),
) -> Row:
    """A row of a placement of operations [N]."""
    costs = problem.costs_of_operations(placement[None])
    fits = bool(costs.fits[0])
    with np.errstate(invalid="ignore"):
        fullest = float(np.nanmax(np.where(np.isfinite(problem.limits), costs.held[0] / problem.limits, 0.0)))
    if not fits:
        note = note or ("a device cannot compute it" if math.isinf(costs.ms[0]) else "does not fit in memory")
    return Row(method, float(costs.ms[0]) if fits else math.inf, placement, placements, seconds, note, fullest, steps)


def baselines(
    problem: Problem, *, placements: int = 20_000, seconds: float = 60.0, seed: int = 0, expert: Ints | None = None
) -> Iterator[Row]:
    """The rows of all baselines, one after the other.

    Args:
        placements: that random search and annealing may try.
        seconds: of each of those two at most; a row that ended so has a note, since its search was cut short.
        expert: a person's placement of the operations, [N].
    """
    device, _ = problem.best_alone
    yield groups_row(problem, f"all on {problem.machine.devices[device].name}", lambda: heuristics.alone(problem))
    if expert is not None:
        yield operations_row(problem, "human expert", expert)
    rules: list[tuple[str, Callable[[Problem], Ints]]] = [
        ("fill in order", heuristics.fill),
        ("fill evenly", heuristics.fill_evenly),
        ("m-TOPO", heuristics.topological),
        ("HEFT", heuristics.heft),
        ("m-ETF", heuristics.earliest_first),
        ("METIS", partition.metis),
        ("Scotch", partition.scotch),
    ]
    for name, rule in rules:
        yield groups_row(problem, name, lambda rule=rule: rule(problem))  # type: ignore[misc]
    if problem.objective == "throughput":
        yield groups_row(problem, "contiguous optimum", lambda: best_contiguous(problem).placement)
    yield from searches(problem, placements=placements, seconds=seconds, seed=seed)


def searches(problem: Problem, *, placements: int, seconds: float, seed: int) -> Iterator[Row]:
    """The rows of the two that search without learning; see `baselines`."""
    methods: list[tuple[str, Callable[[], annealing.Tried]]] = [
        ("random search", lambda: annealing.random_search(problem, placements, seed, seconds)),
        ("simulated annealing", lambda: annealing.anneal(problem, placements, seed, seconds=seconds)),
    ]
    for name, tried in methods:
        started = time.monotonic()
        found = tried()
        spent = time.monotonic() - started
        note = f"ended after {seconds:g} s" if found.placements < placements else ""
        if found.placement is None:
            yield Row(name, math.inf, None, found.placements, spent, note or "nothing that fits")
        else:
            placement = problem.expanded(found.placement[None])[0]
            yield operations_row(
                problem, name, placement, placements=found.placements, seconds=spent, note=note, steps=found.steps
            )


def arrival(steps: tuple[Step, ...], best_ms: float) -> int | None:
    """Placements until the cost was within `WITHIN` of the best known; None: it never was."""
    return next((step.placements for step in steps if step.ms <= best_ms * WITHIN), None)
