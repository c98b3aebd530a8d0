"""A placement problem: a graph on a machine, operations in groups, and what is to be small. It says what placements cost."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from alphago.controller.placement import simulator
from alphago.controller.placement.graph import Floats, Graph, Ints, Machine, PlacementError, unique_edges
from alphago.controller.placement.simulator import Tables, Trace, new_scratch, new_trace

Objective: TypeAlias = Literal["latency", "throughput"]
Queue: TypeAlias = Literal["longest", "fifo"]
OBJECTIVES: Final = ("latency", "throughput")
QUEUES: Final = ("longest", "fifo")
SLACK: Final = 1e-9
"""Of memory limits, relative: sums of bytes are floating-point numbers."""


@dataclass(frozen=True)
class Costs:
    """What placements cost."""

    ms: Floats
    """[B]: latency of one sample, or load of the busiest device, whether or not it fits; infinite where a device cannot."""
    fits: NDArray[np.bool_]
    """[B]: every device can compute what it is given, and holds it."""
    held: Floats
    """[B, D]: bytes, the most at any time."""


class Problem:
    """A graph on a machine.

    Args:
        groups: int64 [N], 0 to G - 1: operations that are placed as one; None: by the graph's `together`, each of the others alone.
        queue: of latency: which operation a device takes next.

    Raises:
        PlacementError: the machine has a kind of device that the graph has no times for, the groups break a co-location, or no
            placement can fit: an operation that no device can compute or hold, or more bytes than all devices have.
    """

    def __init__(
        self,
        graph: Graph,
        machine: Machine,
        objective: Objective = "latency",
        groups: Ints | None = None,
        queue: Queue = "longest",
    ) -> None:
        if objective not in OBJECTIVES:
            raise PlacementError(f"unknown objective {objective!r}: latency or throughput")
        for device in machine.devices:
            if device.kind not in graph.times:
                known = ", ".join(graph.times)
                raise PlacementError(f"device {device.name} is a {device.kind!r}: {graph.name} has times for {known}")
        self.graph, self.machine, self.objective, self.queue = graph, machine, objective, queue
        self.group_of = numbered(_bound(graph) if groups is None else groups, graph)
        self.groups = int(self.group_of.max()) + 1
        self._check_groups()
        self.tables = _tables(graph, machine, queue)
        n, d = len(graph), len(machine)
        self._scratch, self._trace = new_scratch(n, d), new_trace(n, d)
        self._check_limits()

    @property
    def devices(self) -> int:
        """D."""
        return len(self.machine)

    # --- costs ----------------------------------------------------------------------------------------------------------

    def expanded(self, placements: Ints) -> Ints:
        """Devices of groups [B, G] as devices of operations [B, N]."""
        found: Ints = np.ascontiguousarray(placements[:, self.group_of], dtype=np.int64)
        return found

    def costs(self, placements: Ints) -> Costs:
        """Of placements of groups, int64 [B, G]."""
        return self.costs_of_operations(self.expanded(placements))

    def costs_of_operations(self, placements: Ints) -> Costs:
        """Of placements of operations, int64 [B, N]; operations that are bound together need not be."""
        placements = np.ascontiguousarray(placements, dtype=np.int64)
        count, d = len(placements), self.devices
        ms, held = np.zeros(count), np.zeros((count, d))
        if self.objective == "latency":
            simulator.latencies(placements, self.tables, self._scratch, self._trace, ms, held)
        else:
            simulator.max_loads(placements, self.tables, ms, np.zeros((count, d)), held)
        fits = np.isfinite(ms) & (held <= self.limits * (1 + SLACK)).all(axis=1)
        return Costs(ms, fits, held)

    def cost(self, placement: Ints) -> float:
        """Milliseconds of one placement of groups [G]; infinite where it does not fit."""
        costs = self.costs(placement[None])
        return float(costs.ms[0]) if costs.fits[0] else float("inf")

    def trace(self, placement: Ints) -> Trace:
        """When everything happens under a placement of operations [N] (latency, whatever the objective)."""
        trace = new_trace(len(self.graph), self.devices)
        simulator.simulate(np.ascontiguousarray(placement, dtype=np.int64), self.tables, self._scratch, trace)
        return trace

    def loads(self, placement: Ints) -> Floats:
        """[D]: milliseconds that each device is busy for one sample under a placement of operations [N]."""
        loads = np.zeros(self.devices)
        simulator.load(np.ascontiguousarray(placement, dtype=np.int64), self.tables, loads, np.zeros(self.devices))
        return loads

    # --- what groups are like -------------------------------------------------------------------------------------------

    @cached_property
    def limits(self) -> Floats:
        """[D]: bytes."""
        return np.array([device.memory for device in self.machine.devices])

    @cached_property
    def times(self) -> Floats:
        """[G, D]: milliseconds of a group's work on each device; infinite where it cannot."""
        found = np.zeros((self.groups, self.devices))
        np.add.at(found, self.group_of, self.tables.times)
        return found

    @cached_property
    def memory(self) -> Floats:
        """[G]: bytes that a group surely needs: what stays, and under throughput its own outputs."""
        held = self.graph.memory + (self.graph.activations if self.objective == "throughput" else 0.0)
        found: Floats = np.bincount(self.group_of, held, minlength=self.groups).astype(np.float64)
        return found

    @cached_property
    def allowed(self) -> NDArray[np.bool_]:
        """[G, D]: devices that can compute a group, and hold it where they hold nothing else."""
        return np.isfinite(self.times) & (self.memory[:, None] <= self.limits * (1 + SLACK))

    @cached_property
    def work(self) -> Floats:
        """[G]: milliseconds of a group on the device that is best for it."""
        found: Floats = np.where(self.allowed, self.times, np.inf).min(axis=1)
        return found

    @cached_property
    def fastest(self) -> NDArray[np.bool_]:
        """[D]: devices of the kind that would end first with all work, where others do for it what it cannot compute."""
        able = np.isfinite(self.times)
        each, kinds = (
            np.where(able, self.times, self.work[:, None]).sum(axis=0),
            [one.kind for one in self.machine.devices],
        )
        first = min(range(self.devices), key=lambda device: (float(each[device]), -int(able[:, device].sum())))
        return np.array([kind == kinds[first] for kind in kinds])

    @property
    def scale_ms(self) -> float:
        """Milliseconds that costs are compared with: of throughput, all work shared out evenly; of latency, all work."""
        total = float(self.work.sum())
        if self.objective == "throughput":
            with np.errstate(divide="ignore", invalid="ignore"):
                shares = np.where(self.allowed & (self.work[:, None] > 0), self.work[:, None] / self.times, 0.0)
            total /= max(1.0, float(shares.max(axis=0).sum()))
        return total if total > 0 else 1.0

    @cached_property
    def edges(self) -> Ints:
        """[E', 2]: groups that read other groups."""
        return unique_edges([tuple(pair) for pair in self.group_of[self.graph.edges].tolist()])

    @cached_property
    def forward_edges(self) -> list[tuple[int, int]]:
        """Groups that read other groups in the forward pass, sorted.

        A group of backward operations alone is taken for its mirror image: it reads those that read it.
        """
        graph, group_of = self.graph, self.group_of
        backward = np.zeros(len(graph), dtype=bool) if graph.backward is None else graph.backward
        has_forward = np.zeros(self.groups, dtype=bool)
        np.logical_or.at(has_forward, group_of, ~backward)
        found: set[tuple[int, int]] = set()
        for a, b in graph.edges.tolist():
            x, y = int(group_of[a]), int(group_of[b])
            if x != y and not backward[a] and not backward[b]:
                found.add((x, y))
            elif x != y and backward[a] and backward[b] and not (has_forward[x] and has_forward[y]):
                found.add((y, x))
        return sorted(found)

    @cached_property
    def order(self) -> Ints:
        """[G]: groups so that each comes after those that it reads in the forward pass, depth first.

        Where groups read each other in a circle, the one that comes first in the graph's order does so here.
        """
        position = np.empty(len(self.graph), dtype=np.int64)
        position[self.graph.order] = np.arange(len(self.graph))
        first = np.full(self.groups, len(self.graph), dtype=np.int64)
        np.minimum.at(first, self.group_of, position)
        readers: list[list[int]] = [[] for _ in range(self.groups)]
        waiting = [0] * self.groups
        for a, b in self.forward_edges:
            readers[a].append(b)
            waiting[b] += 1
        by_first = np.argsort(first, kind="stable").tolist()
        stack = [group for group in reversed(by_first) if not waiting[group]]
        found: dict[int, None] = {}
        while len(found) < self.groups:
            group = stack.pop() if stack else next(group for group in by_first if group not in found)
            if group in found:
                continue
            found[group] = None
            for reader in sorted(readers[group], key=lambda one: -int(first[one])):
                waiting[reader] -= 1
                if waiting[reader] == 0:
                    stack.append(reader)
        return np.array(list(found), dtype=np.int64)

    @property
    def best_alone(self) -> tuple[int, float]:
        """The device that is best where it gets everything, and its milliseconds; infinite where everything fits nowhere."""
        costs = self.costs(np.repeat(np.arange(self.devices)[:, None], self.groups, axis=1))
        ms = np.where(costs.fits, costs.ms, np.inf)
        return int(ms.argmin()), float(ms.min())

    @property
    def serial_ms(self) -> float:
        """Everything on the slowest device that can, one after the other, with every transfer: no schedule is longer."""
        t = self.tables
        work = np.where(np.isfinite(t.times), t.times, 0.0).max(axis=1).sum()
        return float(work + t.out_ms.max(axis=1).sum() + t.in_ms.sum() + t.delay_ms * len(self.graph))

    # --- checks ---------------------------------------------------------------------------------------------------------

    def _check_groups(self) -> None:
        together = self.graph.together
        if together is None:
            return
        found: dict[int, int] = {}
        for op, (bound, group) in enumerate(zip(together.tolist(), self.group_of.tolist(), strict=True)):
            if bound >= 0 and found.setdefault(bound, group) != group:
                raise PlacementError(
                    f"{self.graph.name}: {self.graph.operations[op]} is bound to operations of another group (class {bound})"
                )

    def _check_limits(self) -> None:
        name = self.graph.name
        nowhere = np.flatnonzero(~self.allowed.any(axis=1))
        if len(nowhere):
            group = int(nowhere[0])
            first = self.graph.operations[int(np.flatnonzero(self.group_of == group)[0])]
            others = int((self.group_of == group).sum()) - 1
            whole = f"{first} and {others} bound to it" if others else first
            raise PlacementError(
                f"{name}: no device can hold and compute {whole} ({self.memory[group]:.4g} bytes; "
                f"the largest device has {self.limits.max():.4g})"
            )
        if self.memory.sum() > self.limits.sum() * (1 + SLACK):
            raise PlacementError(
                f"{name}: needs {self.memory.sum():.4g} bytes, all devices together have {self.limits.sum():.4g}: "
                "more memory or more devices"
            )


def numbered(groups: Ints, graph: Graph) -> Ints:
    """Any numbers of groups as 0 to G - 1, by the first operation in the graph's order. Raises PlacementError: wrong length."""
    if len(groups) != len(graph):
        raise PlacementError(f"{graph.name}: {len(groups)} groups for {len(graph)} operations")
    new: dict[int, int] = {}
    for op in graph.order.tolist():
        new.setdefault(int(groups[op]), len(new))
    return np.array([new[int(group)] for group in groups], dtype=np.int64)


def _bound(graph: Graph) -> Ints:
    """Groups that only co-locations make."""
    alone = np.arange(len(graph), dtype=np.int64)
    if graph.together is None:
        return alone
    return np.where(graph.together >= 0, graph.together, alone + graph.together.max() + 1)


def _tables(graph: Graph, machine: Machine, queue: Queue) -> Tables:
    n, d = len(graph), len(machine)
    times = np.stack([graph.times[device.kind] for device in machine.devices], axis=1).astype(np.float64)
    out_ms, in_ms = np.zeros((n, d)), np.zeros((n, d))
    for number, device in enumerate(machine.devices):
        link = device.link
        if link is not None:
            out_ms[:, number] = link.milliseconds(graph.carried) if graph.transfer_ms is None else graph.transfer_ms
            in_ms[:, number] = 0.0 if link.reads_in_place else out_ms[:, number]
    readers, sources = graph.readers, graph.sources
    return Tables(
        times,
        out_ms,
        in_ms,
        _firsts(readers),
        _flat(readers),
        _firsts(sources),
        _flat(sources),
        -ranks(graph, times, (out_ms + in_ms) / 2),
        graph.memory.astype(np.float64),
        graph.activations.astype(np.float64),
        np.array([device.link is not None and device.link.blocks for device in machine.devices]),
        float(machine.delay_ms),
        queue == "fifo",
    )


def ranks(graph: Graph, times: Floats, moves: Floats) -> Floats:
    """[N]: the longest way from the start of an operation to the end, with mean times of devices and of transfers between two.

    Args:
        times: [N, D].
        moves: [N, D]: milliseconds of one way of an output, the mean of out and in.

    Source: the upward rank of HEFT (Topcuoglu, Hariri and Wu 2002), section 4.1.
    """
    d = times.shape[1]
    finite = np.isfinite(times)
    work = np.where(finite, times, 0.0).sum(axis=1) / np.maximum(1, finite.sum(axis=1))
    transfer = 2 * moves.mean(axis=1) * (d - 1) / d  # the chance that a uniform reader is elsewhere
    found = np.zeros(len(graph))
    for op in graph.order[::-1].tolist():
        found[op] = work[op] + max((transfer[op] + found[reader] for reader in graph.readers[op]), default=0.0)
    return found


def _firsts(lists: list[list[int]]) -> Ints:
    return np.cumsum([0, *(len(part) for part in lists)], dtype=np.int64)


def _flat(lists: list[list[int]]) -> Ints:
    return np.array([x for part in lists for x in part], dtype=np.int64)
