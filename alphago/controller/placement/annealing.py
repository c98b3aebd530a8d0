"""Search without learning: uniformly random placements, and simulated annealing; compiled.

Annealing moves one group to another device, or gives two groups each other's; the temperature falls geometrically, in units of the
cost itself. What does not fit counts more the more bytes are too many, so that annealing finds its way back.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import Final

import numpy as np

from alphago.controller.placement.compiled import compiled_anew
from alphago.controller.placement.graph import Floats, Ints, PlacementError
from alphago.controller.placement.problem import SLACK, Problem
from alphago.controller.placement.simulator import Tables, Trace, _Scratch, load, new_scratch, new_trace, simulate
from alphago.controller.placement.source import Step

START: Final = 0.1
END: Final = 1e-4
"""Temperatures: a move that makes a placement worse by this share is taken with probability 1/e."""
BATCH: Final = 256


@dataclass(frozen=True)
class Tried:
    """What a search without learning has found."""

    placement: Ints | None
    """[G]; None: nothing fitted."""
    ms: float
    placements: int
    """Placements whose cost was computed."""
    steps: tuple[Step, ...]
    """How the best came down."""


def random_search(problem: Problem, placements: int, seed: int = 0, seconds: float | None = None) -> Tried:
    """So many placements, every group on a uniformly random device of those that can take it."""
    random = np.random.default_rng(seed)
    options = [np.flatnonzero(row) for row in problem.allowed]
    until = math.inf if seconds is None else time.monotonic() + seconds
    best: Ints | None = None
    ms, done = math.inf, 0
    steps: list[Step] = []
    while done < placements and time.monotonic() < until:
        count = min(BATCH, placements - done)
        drawn = np.stack([row[random.integers(0, len(row), count)] for row in options], axis=1)
        costs = problem.costs(drawn)
        values = np.where(costs.fits, costs.ms, np.inf)
        for row in range(count):
            if values[row] < ms:
                best, ms = drawn[row].copy(), float(values[row])
                steps.append(Step(done + row + 1, ms))
        done += count
    return Tried(best, ms, done, tuple(steps))


def anneal(
    problem: Problem, placements: int, seed: int = 0, start: Ints | None = None, seconds: float | None = None
) -> Tried:
    """Simulated annealing.

    Args:
        placements: how many costs it computes; the temperature reaches its end with the last.
        start: int64 [G]; None: everything on the best single device, or a random placement where that fits nowhere.
        seconds: it ends then too, wherever the temperature is.

    Raises:
        PlacementError: `start` is not a placement of this problem's groups.
    """
    if start is not None and (len(start) != problem.groups or start.min() < 0 or start.max() >= problem.devices):
        raise PlacementError(f"a start of {len(start)} devices for {problem.groups} groups")
    random = np.random.default_rng(seed)
    options = [np.flatnonzero(row) for row in problem.allowed]
    if start is None:
        device, ms = problem.best_alone
        drawn = np.array([row[random.integers(len(row))] for row in options], dtype=np.int64)
        start = np.full(problem.groups, device, dtype=np.int64) if math.isfinite(ms) else drawn
    first = np.cumsum([0, *(len(row) for row in options)], dtype=np.int64)
    n, d = len(problem.graph), problem.devices
    scratch, trace = new_scratch(n, d), new_trace(n, d)
    current, best = start.astype(np.int64).copy(), start.astype(np.int64).copy()
    counts, values = np.zeros(10_000, np.int64), np.zeros(10_000)
    # [cost now, best cost that fits, costs computed, number of steps]
    state = np.array([np.inf, np.inf, 0.0, 0.0])
    until = math.inf if seconds is None else time.monotonic() + seconds
    piece = max(1, placements // 200)
    limits = np.where(np.isfinite(problem.limits), problem.limits * (1 + SLACK), np.inf)
    for part in range(-(-placements // piece)):
        if time.monotonic() >= until:
            break
        _anneal(
            current, best, state, counts, values, min(piece, placements - part * piece), placements,
            int(random.integers(2**31)), np.concatenate(options).astype(np.int64), first, problem.group_of, limits,
            problem.objective == "latency", problem.tables, scratch, trace,
        )  # fmt: skip
    kept = int(state[3])
    steps = tuple(Step(int(count), float(ms)) for count, ms in zip(counts[:kept], values[:kept], strict=True))
    fitted = math.isfinite(state[1])
    return Tried(best if fitted else None, float(state[1]), int(state[2]), steps)


@compiled_anew
def _anneal(
    current: Ints, best: Ints, state: Floats, counts: Ints, values: Floats, moves: int, whole: int, seed: int,
    options: Ints, first: Ints, group_of: Ints, limits: Floats, latency: bool, t: Tables, s: _Scratch, trace: Trace,
) -> None:  # fmt: skip
    np.random.seed(seed)  # noqa: NPY002  # compiled: numba has no other generator
    n, groups = len(group_of), len(current)
    devices = len(limits)
    ops, loads, held = np.zeros(n, np.int64), np.zeros(devices), np.zeros(devices)
    for _ in range(moves):
        group, other = np.random.randint(groups), -1  # noqa: NPY002  # compiled: numba has no other generator
        before, other_before = current[group], np.int64(0)
        if state[2] > 0:  # the start itself comes first
            if np.random.random() < 0.5:  # noqa: NPY002  # compiled: numba has no other generator
                k = np.random.randint(first[group], first[group + 1])  # noqa: NPY002  # compiled: numba has no other generator
                current[group] = options[k]
            else:
                other = np.random.randint(groups)  # noqa: NPY002  # compiled: numba has no other generator
                other_before = current[other]
                current[group], current[other] = other_before, before
        for op in range(n):
            ops[op] = current[group_of[op]]
        if latency:
            cost = simulate(ops, t, s, trace)
            for device in range(devices):
                held[device] = trace.peaks[device]
        else:
            cost = load(ops, t, loads, held)
        over = 0.0
        for device in range(devices):
            if held[device] > limits[device]:
                over += held[device] / limits[device] - 1
        counted = cost * (2 + over) if over > 0 else cost
        state[2] += 1
        if over == 0 and cost < state[1]:
            state[1] = cost
            best[:] = current
            if state[3] < len(counts):
                counts[int(state[3])] = int(state[2])
                values[int(state[3])] = cost
                state[3] += 1
        temperature = START * (END / START) ** (state[2] / whole)
        change = (counted - state[0]) / state[0] if state[0] > 0 and state[0] < np.inf else -1.0
        if counted == np.inf:
            change = np.inf
        if change <= 0 or np.random.random() < np.exp(-change / temperature):  # noqa: NPY002  # compiled: numba has no other generator
            state[0] = counted
        else:
            current[group] = before
            if other >= 0:
                current[other] = other_before
                current[group] = before
