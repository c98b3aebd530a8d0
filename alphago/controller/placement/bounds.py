"""What no placement can be better than: simple bounds, and those of a mixed-integer program that HiGHS works on for a while.

The program for throughput is that of Tarnawski and others (NeurIPS 2020), section 5.2, without contiguity. That for latency leaves
out who waits for whom on a device and on a link, and keeps every path with its transfers, the work on every device and the traffic
of every link: a relaxation, so that its bound holds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from alphago.controller.placement.graph import Floats, Ints, PlacementError
from alphago.controller.placement.problem import Problem


@dataclass(frozen=True)
class Bound:
    """Of the cost of every placement that fits."""

    ms: float
    placement: Ints | None
    """[G]: what the solver found on the way; None: nothing, or nothing was looked for."""
    is_optimal: bool
    """The solver proved that its program has no lower value."""


def critical_path(problem: Problem) -> float:
    """The longest path with every operation on its best device and no transfers, milliseconds: a bound of latency."""
    best = problem.tables.times.min(axis=1)
    ends = np.zeros(len(problem.graph))
    for op in problem.graph.order.tolist():
        ends[op] = best[op] + max((ends[source] for source in problem.graph.sources[op]), default=0.0)
    return float(ends.max())


def even_work(problem: Problem) -> float:
    """All work shared out among the devices in the best way, operations in pieces, within memory: a bound of both objectives."""
    from scipy.optimize import linprog

    groups, devices = problem.groups, problem.devices
    columns = groups * devices + 1
    pairs = np.arange(groups * devices).reshape(groups, devices)
    times = np.where(problem.allowed, problem.times, 0.0)
    rows, limits = [], []
    for device in range(devices):
        row = np.zeros(columns)
        row[pairs[:, device]], row[-1] = times[:, device], -1.0
        rows.append(row)
        limits.append(0.0)
        if np.isfinite(problem.limits[device]):
            row = np.zeros(columns)
            row[pairs[:, device]] = problem.memory / problem.limits[device]
            rows.append(row)
            limits.append(1.0 + 1e-6)
    equal = np.zeros((groups, columns))
    for group in range(groups):
        equal[group, pairs[group]] = 1.0
    cost = np.zeros(columns)
    cost[-1] = 1.0
    most = [(0.0, 1.0 if can else 0.0) for can in problem.allowed.ravel()]
    found = linprog(cost, np.array(rows), limits, equal, np.ones(groups), [*most, (0.0, None)], method="highs")
    if found.status != 0:
        raise PlacementError(f"{problem.graph.name}: no placement fits in memory, not even with operations in pieces")
    return float(found.fun)


def simple_bound(problem: Problem) -> float:
    """The larger of the two."""
    shared = even_work(problem)
    return max(shared, critical_path(problem)) if problem.objective == "latency" else shared


def solver_bound(problem: Problem, seconds: float = 60.0) -> Bound:
    """The bound that HiGHS reaches in so many seconds, and the best placement that it found.

    Raises:
        PlacementError: nothing fits in memory.
    """
    from scipy.optimize import Bounds, LinearConstraint, milp

    program = _Program(problem)
    matrix, low, high = program.rows()
    found: Any = milp(
        program.cost(),
        constraints=LinearConstraint(matrix, low, high),
        integrality=program.whole(),
        bounds=Bounds(np.zeros(program.columns), program.most()),
        options={"time_limit": seconds},
    )
    if found.status == 2:
        raise PlacementError(f"{problem.graph.name}: no placement fits in memory")
    least = simple_bound(problem)
    reached = found.mip_dual_bound
    placement = None
    if found.x is not None:
        shares = found.x[: problem.groups * problem.devices].reshape(problem.groups, problem.devices)
        placement = shares.argmax(axis=1).astype(np.int64)
    ms = least if reached is None or not np.isfinite(reached) else max(least, float(reached))
    return Bound(ms, placement, found.status == 0)


class _Program:
    """Columns: who is where [G, D]; what leaves and enters each device [U, D] each, of the U outputs that groups share; then for
    latency the end of every operation [N], and what enters and leaves each device for each reader [P, D, 2]; last the cost."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        group_of = problem.group_of
        self.shared = [
            (op, sorted({int(group_of[reader]) for reader in readers} - {int(group_of[op])}))
            for op, readers in enumerate(problem.graph.readers)
        ]
        self.is_latency = problem.objective == "latency"
        tables = problem.tables
        matters = tables.out_ms.any(axis=1) | ((tables.activations > 0) & (not self.is_latency))
        self.shared = [(op, groups) for op, groups in self.shared if groups and matters[op]]
        g, d, u = problem.groups, problem.devices, len(self.shared)
        self.first_out, self.first_in, self.first_end = g * d, g * d + u * d, g * d + 2 * u * d
        self.pairs = [(op, reader) for op, readers in self.shared for reader in readers] if self.is_latency else []
        self.first_crossing = self.first_end + (len(problem.graph) if self.is_latency else 0)
        self.columns = self.first_crossing + 2 * len(self.pairs) * d + 1
        self._entries: list[tuple[int, int, float]] = []
        self._low: list[float] = []
        self._high: list[float] = []

    def cost(self) -> Floats:
        found = np.zeros(self.columns)
        found[-1] = 1.0
        return found

    def whole(self) -> Ints:
        found = np.zeros(self.columns, dtype=np.int64)
        found[: self.first_out] = 1
        return found

    def most(self) -> Floats:
        found = np.ones(self.columns)
        found[: self.first_out] = self.problem.allowed.ravel()
        found[self.first_end : self.first_crossing] = np.inf
        found[-1] = np.inf
        return found

    def _row(self, entries: list[tuple[int, float]], low: float, high: float) -> None:
        number = len(self._low)
        self._entries += [(number, column, value) for column, value in entries]
        self._low.append(low)
        self._high.append(high)

    def rows(self) -> tuple[Any, Floats, Floats]:
        """The constraints as a sparse matrix, lower and upper limits."""
        from scipy.sparse import csr_array

        p = self.problem
        d = p.devices
        times, tables = np.where(p.allowed, p.times, 0.0), p.tables
        for group in range(p.groups):
            self._row([(group * d + device, 1.0) for device in range(d)], 1.0, 1.0)
        for number, (op, readers) in enumerate(self.shared):
            home = int(p.group_of[op])
            for device in range(d):
                for reader in readers:
                    here, there = (home * d + device, -1.0), (reader * d + device, 1.0)
                    self._row(
                        [(self.first_in + number * d + device, 1.0), (here[0], 1.0), (there[0], -1.0)], 0.0, np.inf
                    )
                    self._row([(self.first_out + number * d + device, 1.0), here, there], 0.0, np.inf)
        for device in range(d):
            work = [(group * d + device, float(times[group, device])) for group in range(p.groups)]
            leaving = [
                (self.first_out + n * d + device, float(tables.out_ms[op, device]))
                for n, (op, _) in enumerate(self.shared)
            ]
            entering = [
                (self.first_in + n * d + device, float(tables.in_ms[op, device]))
                for n, (op, _) in enumerate(self.shared)
            ]
            together = not self.is_latency or bool(tables.blocks[device])
            for part in [[*work, *leaving, *entering]] if together else [work, leaving, entering]:
                self._row(
                    [*((column, -value) for column, value in part if value), (self.columns - 1, 1.0)], 0.0, np.inf
                )
            if np.isfinite(p.limits[device]):
                held = [(group * d + device, float(p.memory[group] / p.limits[device])) for group in range(p.groups)]
                held += [
                    (self.first_in + n * d + device, float(tables.activations[op] / p.limits[device]))
                    for n, (op, _) in enumerate(self.shared)
                    if not self.is_latency and tables.activations[op]
                ]
                self._row(held, 0.0, 1.0 + 1e-9)
        if self.is_latency:
            self._paths(times)
        entries = np.array(self._entries)
        matrix = csr_array(
            (entries[:, 2], (entries[:, 0].astype(np.int64), entries[:, 1].astype(np.int64))),
            shape=(len(self._low), self.columns),
        )
        return matrix, np.array(self._low), np.array(self._high)

    def _paths(self, times: Floats) -> None:
        """An operation ends after what it reads has ended and come, and after its own time."""
        p, d, tables = self.problem, self.problem.devices, self.problem.tables
        op_times = np.where(np.isfinite(tables.times), tables.times, 0.0)
        place = {pair: number for number, pair in enumerate(self.pairs)}
        for (op, reader), number in place.items():
            home = int(p.group_of[op])
            for device in range(d):
                here, there = home * d + device, reader * d + device
                enters, leaves = self._crossing(number, device)
                self._row([(enters, 1.0), (here, 1.0), (there, -1.0)], 0.0, np.inf)
                self._row([(leaves, 1.0), (here, -1.0), (there, 1.0)], 0.0, np.inf)
        for op in range(len(p.graph)):
            group = int(p.group_of[op])
            own = [(group * d + device, -float(op_times[op, device])) for device in range(d)]
            end = self.first_end + op
            self._row([(self.columns - 1, 1.0), (end, -1.0)], 0.0, np.inf)
            self._row([(end, 1.0), *own], 0.0, np.inf)
            for source in p.graph.sources[op]:
                moved: list[tuple[int, float]] = []
                if (source, group) in place:
                    for device in range(d):
                        enters, leaves = self._crossing(place[source, group], device)
                        moved += [
                            (enters, -float(tables.in_ms[source, device])),
                            (leaves, -float(tables.out_ms[source, device])),
                        ]
                self._row([(end, 1.0), (self.first_end + source, -1.0), *own, *moved], 0.0, np.inf)

    def _crossing(self, pair: int, device: int) -> tuple[int, int]:
        """Columns: the output of a pair enters the device with the reader; it leaves the device, where the reader is not."""
        column = self.first_crossing + 2 * (pair * self.problem.devices + device)
        return column, column + 1
