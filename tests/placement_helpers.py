"""What the tests of placement share: random graphs, and a second simulator that is slow, plain and independent."""

from __future__ import annotations

import heapq
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alphago.controller.placement.graph import Device, Graph, Link, Machine, unique_edges
from alphago.controller.placement.problem import Problem


def chain(times: list[float], *, memory: float = 1.0, transfer: float = 1.0, kind: str = "gpu", **more: Any) -> Graph:
    """Operations that read each other in a row."""
    n = len(times)
    return Graph(
        "chain",
        tuple(f"op{i}" for i in range(n)),
        ("work",) * n,
        {kind: np.array(times, dtype=np.float64)},
        unique_edges([(i, i + 1) for i in range(n - 1)]),
        np.full(n, memory),
        np.zeros(n),
        np.full(n, transfer),
        **more,
    )


def random_graph(seed: int, n: int = 12, *, kinds: tuple[str, ...] = ("gpu",), activations: bool = False) -> Graph:
    """Any graph without circles; times and transfers are multiples of 1/4, so that sums of them are exact."""
    random = np.random.default_rng(seed)
    order = random.permutation(n)
    pairs = [
        (int(order[a]), int(order[b])) for a in range(n) for b in range(a + 1, n) if random.random() < 2.0 / n + 0.1
    ]

    def quarters(low: int, high: int) -> NDArray[np.float64]:
        return random.integers(low, high, n) / 4

    return Graph(
        f"random{seed}",
        tuple(f"op{i}" for i in range(n)),
        tuple(f"t{i}" for i in random.integers(0, 3, n)),
        {kind: quarters(0, 20) for kind in kinds},
        unique_edges(pairs),
        quarters(1, 9),
        quarters(0, 9) if activations else np.zeros(n),
        quarters(0, 9),
    )


def machine(
    count: int, *, memory: float = np.inf, delay: float = 0.0, blocks: bool = False, host: bool = False
) -> Machine:
    """So many devices that are alike, and one more that computes in the host's memory."""
    made = [Device(f"gpu{i}", "gpu", memory, Link(blocks=blocks)) for i in range(count)]
    return Machine((*made, Device("host", "gpu")) if host else tuple(made), delay)


def reference_latency(problem: Problem, placement: NDArray[np.int64]) -> tuple[float, NDArray[np.float64]]:
    """Milliseconds and the most bytes of each device, by a loop over moments: at each, everything that can end ends, and everything
    that can start starts. Written from the description of the model alone."""
    t, graph = problem.tables, problem.graph
    n, d = t.times.shape
    waits = {op: len(graph.sources[op]) for op in range(n)}
    queues: dict[Any, list[tuple[float, int, Any]]] = {}
    running: dict[Any, tuple[float, Any]] = {}
    delays: list[tuple[float, int]] = []
    held = np.array(
        [sum(t.memory[op] for op in range(n) if placement[op] == device) for device in range(d)], dtype=float
    )
    peaks = held.copy()
    users: dict[tuple[int, int], int] = {}
    now = 0.0

    def key(op: int) -> float:
        return now if t.fifo else float(t.keys[op])

    def put(resource: Any, priority: float, number: int, what: Any) -> None:
        heapq.heappush(queues.setdefault(resource, []), (priority, number, what))

    def take(device: int, op: int) -> None:
        held[device] += t.activations[op]
        peaks[device] = max(peaks[device], held[device])

    def drop(device: int, op: int) -> None:
        users[op, device] -= 1
        if users[op, device] == 0:
            held[device] -= t.activations[op]

    def come(op: int, device: int) -> None:
        for reader in graph.readers[op]:
            if placement[reader] == device:
                waits[reader] -= 1
                if waits[reader] == 0:
                    put(("compute", device), key(reader), reader, ("op", reader))

    def spread(op: int) -> None:
        for device in sorted({int(placement[r]) for r in graph.readers[op]} - {int(placement[op])}):
            users[op, device] = sum(placement[r] == device for r in graph.readers[op])
            if t.in_ms[op, device] == 0:
                take(device, op)
                come(op, device)
            elif t.blocks[device]:
                put(("compute", device), -np.inf, 2 * n + op * d + device, ("in", op, device))
            else:
                put(("in", device), now, 2 * n + op * d + device, ("in", op, device))

    def gone(op: int) -> None:
        drop(int(placement[op]), op)
        if t.delay_ms > 0:
            delays.append((now + t.delay_ms, op))
        else:
            spread(op)

    for op in range(n):
        if waits[op] == 0:
            put(("compute", int(placement[op])), key(op), op, ("op", op))
    end = 0.0
    while any(queues.values()) or running or delays:
        for resource, queue in queues.items():
            if queue and resource not in running:
                _, _, what = heapq.heappop(queue)
                if what[0] == "op":
                    take(int(placement[what[1]]), what[1])
                    length = t.times[what[1], placement[what[1]]]
                elif what[0] == "out":
                    length = t.out_ms[what[1], placement[what[1]]]
                else:
                    take(what[2], what[1])
                    length = t.in_ms[what[1], what[2]]
                running[resource] = (now + length, what)
        now = min([*(moment for moment, _ in running.values()), *(moment for moment, _ in delays)])
        # what takes no time ends at the moment it starts, before anything else does
        for resource in [r for r, (moment, _) in running.items() if moment == now]:
            _, what = running.pop(resource)
            if what[0] == "op":
                op, device = what[1], int(placement[what[1]])
                end = now
                readers = graph.readers[op]
                away = any(placement[r] != device for r in readers)
                users[op, device] = sum(placement[r] == device for r in readers) + away
                for source in graph.sources[op]:
                    drop(device, source)
                come(op, device)
                if away and t.out_ms[op, device] == 0:
                    gone(op)
                elif away:
                    put(
                        ("compute" if t.blocks[device] else "out", device),
                        -np.inf if t.blocks[device] else now,
                        n + op,
                        ("out", op),
                    )
            elif what[0] == "out":
                gone(what[1])
            else:
                come(what[1], what[2])
        for moment, op in [one for one in delays if one[0] == now]:
            delays.remove((moment, op))
            spread(op)
    return end, peaks


def reference_load(problem: Problem, placement: NDArray[np.int64]) -> float:
    """The load of the busiest device, by sets."""
    t, graph = problem.tables, problem.graph
    loads = []
    for device in range(problem.devices):
        load = sum(t.times[op, device] for op in range(len(graph)) if placement[op] == device)
        for op, readers in enumerate(graph.readers):
            homes = {int(placement[reader]) for reader in readers}
            if placement[op] == device and homes - {device}:
                load += t.out_ms[op, device]
            if placement[op] != device and device in homes:
                load += t.in_ms[op, device]
        loads.append(load)
    return float(max(loads))
