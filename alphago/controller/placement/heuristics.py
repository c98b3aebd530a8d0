"""Placements by rule: everything on one device, filling devices in order, and list schedulers.

HEFT: Topcuoglu, Hariri and Wu, IEEE TPDS 2002, with insertion into gaps. m-TOPO and m-ETF (earliest task first within memory): Jeon
and others, Baechi, SoCC 2020. Filling accelerators in topological order up to their memory: Tarnawski and others, NeurIPS 2020,
appendix F. All decide about groups: the first operation of a group that is scheduled binds the others. Transfers take their time
between devices without waiting for a link, as the papers have it; the simulator then says what the placement costs.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from alphago.controller.placement.graph import Floats, Ints
from alphago.controller.placement.problem import SLACK, Problem, ranks


def alone(problem: Problem) -> Ints:
    """Everything on the device that is best by itself: int64 [G]. It may not fit."""
    return np.full(problem.groups, problem.best_alone[0], dtype=np.int64)


def fill(problem: Problem, *, memory_share: float = 1.0, load_ms: float | None = None) -> Ints:
    """Groups in topological order, each device filled before the next, the fastest kind first: int64 [G].

    Args:
        memory_share: of its memory that a device may be filled to.
        load_ms: milliseconds of work after which a device is full, too; None: any.
    """
    speed = np.where(problem.allowed, problem.times, 10 * problem.work.sum()).sum(axis=0)
    devices = [int(device) for device in np.argsort(speed, kind="stable")]
    room = problem.limits * memory_share * (1 + SLACK)
    held, load = np.zeros(problem.devices), np.zeros(problem.devices)
    placement = np.zeros(problem.groups, dtype=np.int64)
    current = 0
    for group in problem.order.tolist():
        device = -1
        for number in range(current, len(devices)):
            candidate = devices[number]
            full = load_ms is not None and load[candidate] + problem.times[group, candidate] / 2 > load_ms
            if (
                problem.allowed[group, candidate]
                and held[candidate] + problem.memory[group] <= room[candidate]
                and not full
            ):
                device, current = candidate, number
                break
        if device < 0:
            device = _roomiest(problem, group, held)
        placement[group] = device
        held[device] += problem.memory[group]
        load[device] += problem.times[group, device]
    return placement


def fill_evenly(problem: Problem) -> Ints:
    """Like `fill`, with as much work on each device as an even share is: int64 [G]."""
    even = problem.scale_ms / (problem.devices if problem.objective == "latency" else 1)
    return fill(problem, load_ms=even)


def topological(problem: Problem) -> Ints:
    """m-TOPO: like `fill`, with as many bytes on each device as an even share is, and the largest group: int64 [G]."""
    finite = problem.limits[np.isfinite(problem.limits)]
    if not len(finite):
        return fill_evenly(problem)
    even = problem.memory.sum() / len(finite) + problem.memory.max()
    return fill(problem, memory_share=min(1.0, float(even / finite.max())))


def heft(problem: Problem) -> Ints:
    """Operations by the longest way to the end, each on the device where it would end first: int64 [G]."""
    scheduler = _Scheduler(problem)
    position = np.empty(len(problem.graph))
    position[problem.graph.order] = np.arange(len(position))
    for op in sorted(range(len(position)), key=lambda one: (-scheduler.rank[one], position[one])):
        ready = scheduler.ready(op)
        starts = np.array([scheduler.gap(device, ready[device], op) for device in range(problem.devices)])
        scheduler.schedule(op, starts, starts + scheduler.times[op])
    return scheduler.placement


def earliest_first(problem: Problem) -> Ints:
    """m-ETF: of all operations that are ready and all devices with room, the pair that can start first: int64 [G]."""
    scheduler = _Scheduler(problem)
    graph = problem.graph
    waiting = [len(sources) for sources in graph.sources]
    ready = {op: scheduler.ready(op) for op in range(len(graph)) if not waiting[op]}
    free = np.zeros(problem.devices)
    while ready:
        chosen, best, starts = -1, (np.inf, np.inf), free
        for op, arrives in ready.items():
            possible = np.where(scheduler.open(op), np.maximum(arrives, free), np.inf)
            key = (float(possible.min()), -float(scheduler.rank[op]))
            if chosen < 0 or key < best:
                chosen, best, starts = op, key, possible
        del ready[chosen]
        device = scheduler.schedule(chosen, starts, starts)
        free[device] = scheduler.ends[chosen]
        for reader in graph.readers[chosen]:
            waiting[reader] -= 1
            if not waiting[reader]:
                ready[reader] = scheduler.ready(reader)
    return scheduler.placement


class _Scheduler:
    """What list schedulers share: who is where, until when, and with how much room."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.times = problem.tables.times
        self.moves_out, self.moves_in = problem.tables.out_ms, problem.tables.in_ms
        self.rank = ranks(problem.graph, self.times, (self.moves_out + self.moves_in) / 2)
        self.placement = np.full(problem.groups, -1, dtype=np.int64)
        self.ends = np.zeros(len(problem.graph))
        self.held = np.zeros(problem.devices)
        self.busy: list[list[tuple[float, float]]] = [[] for _ in range(problem.devices)]

    def open(self, op: int) -> NDArray[np.bool_]:
        """bool [D]: where an operation may go: where its group is, else where there is room; with no room the roomiest device."""
        group = int(self.problem.group_of[op])
        found: NDArray[np.bool_] = np.zeros(self.problem.devices, dtype=bool)
        if self.placement[group] >= 0:
            found[self.placement[group]] = True
            return found
        room = self.held + self.problem.memory[group] <= self.problem.limits * (1 + SLACK)
        found = self.problem.allowed[group] & room
        if not found.any():
            found[_roomiest(self.problem, group, self.held)] = True
        return found

    def ready(self, op: int) -> Floats:
        """[D]: when all that an operation reads would be on each device."""
        found = np.zeros(self.problem.devices)
        for source in self.problem.graph.sources[op]:
            home = int(self.placement[self.problem.group_of[source]])
            arrives = (
                self.ends[source] + self.moves_out[source, home] + self.problem.machine.delay_ms + self.moves_in[source]
            )
            arrives[home] = self.ends[source]
            found = np.maximum(found, arrives)
        return found

    def gap(self, device: int, ready: float, op: int) -> float:
        """When an operation could start on a device, between what is there already or after it."""
        time = self.times[op, device]
        start = ready
        for begin, end in self.busy[device]:
            if start + time <= begin:
                break
            start = max(start, end)
        return float(start)

    def schedule(self, op: int, starts: Floats, keys: Floats) -> int:
        """Put an operation where its key is least among what is open to it; the device."""
        group = int(self.problem.group_of[op])
        device = int(np.where(self.open(op), keys, np.inf).argmin())
        if not self.open(op)[device]:
            device = int(np.flatnonzero(self.open(op))[0])
        if self.placement[group] < 0:
            self.placement[group] = device
            self.held[device] += self.problem.memory[group]
        start = float(starts[device]) if np.isfinite(starts[device]) else float(self.ready(op)[device])
        self.ends[op] = start + self.times[op, device]
        if self.times[op, device] > 0:
            self.busy[device].append((start, float(self.ends[op])))
            self.busy[device].sort()
        return device


def _roomiest(problem: Problem, group: int, held: Floats) -> int:
    """Of the devices that can compute a group, the one with the most memory left."""
    left = np.where(problem.allowed[group], problem.limits - held, -np.inf)
    return int(left.argmax())
