"""What a placement costs, computed event by event (latency) or summed (throughput); compiled.

Latency: every device computes one operation at a time, out of the queue of those whose inputs are there; every link carries one
output at a time each way, first come, first served. The queue of a device is in the order in which operations became ready
("fifo", as TensorFlow's runtime), or by the longest way from an operation to the end ("longest", a list schedule). No device is
idle while its queue holds something, so that no schedule is longer than all work and all transfers one after the other.

Throughput: samples stream through the devices, and the busiest device sets the pace: its operations, plus every output that leaves
it or enters it, once each (max-load; Tarnawski and others 2020, section 3).
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from alphago.controller.placement.compiled import compiled
from alphago.controller.placement.graph import Floats, Ints

FIRST: Final = -np.inf
"""The key of a copy that a device does itself: before every operation."""


class Tables(NamedTuple):
    """A graph on a machine as flat arrays: N operations, D devices, E edges."""

    times: Floats
    """[N, D]; infinite where a device cannot."""
    out_ms: Floats
    """[N, D]: an output on its way out of device d."""
    in_ms: Floats
    """[N, D]: an output on its way into device d."""
    first_reader: Ints
    """[N + 1]: the readers of operation n are `readers[first_reader[n]:first_reader[n + 1]]`."""
    readers: Ints
    """[E]."""
    first_source: Ints
    """[N + 1]."""
    sources: Ints
    """[E]."""
    keys: Floats
    """[N]: of the queues, the smallest first; unused with `fifo`."""
    memory: Floats
    """[N]: bytes held all the time."""
    activations: Floats
    """[N]: bytes of an output."""
    blocks: NDArray[np.bool_]
    """[D]: the device copies by itself."""
    delay_ms: float
    fifo: bool


class Trace(NamedTuple):
    """When everything happened, milliseconds; what did not is NaN."""

    starts: Floats
    """[N]."""
    ends: Floats
    """[N]."""
    out_starts: Floats
    """[N]."""
    out_ends: Floats
    """[N]."""
    in_starts: Floats
    """[N, D]."""
    in_ends: Floats
    """[N, D]."""
    peaks: Floats
    """[D]: the most bytes that each device held."""


class _Scratch(NamedTuple):
    """What a simulation writes on; made once for many. Queues: D of operations, D of ways out, D of ways in."""

    pending: Ints  # [N]: inputs that an operation waits for
    copies: Ints  # [N * D]: who still needs the copy of an output on a device
    busy: NDArray[np.bool_]  # [3 D]
    queue_keys: Floats  # [3 D * most]: of each queue its heap
    queue_tasks: Ints
    sizes: Ints  # [3 D]
    event_times: Floats  # a heap
    event_tasks: Ints
    held: Floats  # [D]
    counts: Ints  # [D]: readers of one output, on each device
    touched: Ints  # [3 D]: queues that may start something, each once
    marked: NDArray[np.bool_]  # [3 D]: which are there


def new_trace(operations: int, devices: int) -> Trace:
    """A trace in which nothing has happened."""

    def rows() -> Floats:
        return np.full(operations, np.nan)

    def table() -> Floats:
        return np.full((operations, devices), np.nan)

    return Trace(rows(), rows(), rows(), rows(), table(), table(), np.zeros(devices))


def new_scratch(operations: int, devices: int) -> _Scratch:
    """Room for simulations of so many operations and devices."""
    queues = 3 * devices
    return _Scratch(
        np.zeros(operations, np.int64),
        np.zeros(operations * devices, np.int64),
        np.zeros(queues, np.bool_),
        np.zeros(queues * _most(operations)),
        np.zeros(queues * _most(operations), np.int64),
        np.zeros(queues, np.int64),
        np.zeros(queues + operations),
        np.zeros(queues + operations, np.int64),
        np.zeros(devices),
        np.zeros(devices, np.int64),
        np.zeros(queues, np.int64),
        np.zeros(queues, np.bool_),
    )


@compiled
def _most(operations: int) -> int:
    """Tasks of one queue: a device that copies by itself queues operations, ways out and ways in."""
    return 3 * operations


# --- heaps of (key, task), the smallest first -------------------------------------------------------------------------------


@compiled
def _push(keys: Floats, tasks: Ints, base: int, size: int, key: float, task: int) -> None:
    """Into the heap that begins at `base` and holds `size`; the caller counts."""
    place = size
    while place > 0:
        parent = (place - 1) >> 1
        other = keys[base + parent]
        if other < key or (other == key and tasks[base + parent] < task):
            break
        keys[base + place], tasks[base + place] = other, tasks[base + parent]
        place = parent
    keys[base + place], tasks[base + place] = key, task


@compiled
def _pop(keys: Floats, tasks: Ints, base: int, size: int) -> int:
    """Out of the heap that begins at `base` and holds `size`; the caller counts."""
    first = tasks[base]
    size -= 1
    key, task = keys[base + size], tasks[base + size]
    place = 0
    while True:
        child = 2 * place + 1
        if child >= size:
            break
        at = base + child
        if child + 1 < size and (keys[at + 1] < keys[at] or (keys[at + 1] == keys[at] and tasks[at + 1] < tasks[at])):
            child, at = child + 1, at + 1
        if key < keys[at] or (key == keys[at] and task < tasks[at]):
            break
        keys[base + place], tasks[base + place] = keys[at], tasks[at]
        place = child
    keys[base + place], tasks[base + place] = key, task
    return int(first)


# --- latency ----------------------------------------------------------------------------------------------------------------


@compiled
def simulate(placement: Ints, t: Tables, s: _Scratch, trace: Trace) -> float:
    """Run one placement.

    Tasks: n computes operation n; N + n takes its output out; 2 N + n D + d takes it into device d; 2 N + N D + n is its way
    between. The parts of the loop are functions within it: the compiler makes one loop of them, with all arrays at hand.

    Args:
        placement: int64 [N].
        s: from `new_scratch`.
        trace: from `new_trace`; rows of what happens are written over.

    Returns:
        Milliseconds to the end of the last operation; infinite where a device cannot compute what is placed on it.
    """
    n, devices = t.times.shape
    times, out_ms, in_ms, keys, activations, blocks = t.times, t.out_ms, t.in_ms, t.keys, t.activations, t.blocks
    first_reader, readers, first_source, sources = t.first_reader, t.readers, t.first_source, t.sources
    delay_ms, fifo = t.delay_ms, t.fifo
    pending, copies, busy, sizes, held, counts, touched, marked = (
        s.pending, s.copies, s.busy, s.sizes, s.held, s.counts, s.touched, s.marked,
    )  # fmt: skip
    queue_keys, queue_tasks, event_times, event_tasks = s.queue_keys, s.queue_tasks, s.event_times, s.event_tasks
    starts, ends, out_starts, out_ends = trace.starts, trace.ends, trace.out_starts, trace.out_ends
    in_starts, in_ends, peaks = trace.in_starts, trace.in_ends, trace.peaks
    most = _most(n)
    count = np.zeros(2, np.int64)  # events; queues touched

    def touch(queue: int) -> None:
        if not marked[queue]:
            marked[queue] = True
            touched[count[1]] = queue
            count[1] += 1

    def enqueue(queue: int, key: float, task: int) -> None:
        _push(queue_keys, queue_tasks, queue * most, sizes[queue], key, task)
        sizes[queue] += 1
        if not busy[queue]:
            touch(queue)

    def hold(op: int, device: int) -> None:
        held[device] += activations[op]
        peaks[device] = max(peaks[device], held[device])

    def release(op: int, device: int) -> None:
        copies[op * devices + device] -= 1
        if copies[op * devices + device] == 0:
            held[device] -= activations[op]

    def arrive(op: int, device: int, now: float) -> None:
        """The output of an operation is on a device: its readers there may be ready."""
        for k in range(first_reader[op], first_reader[op + 1]):
            reader = readers[k]
            if placement[reader] == device:
                pending[reader] -= 1
                if pending[reader] == 0:
                    enqueue(device, now if fifo else keys[reader], reader)

    def distribute(op: int, now: float) -> None:
        """The output of an operation is in the host's memory: on to every other device that reads it."""
        for k in range(first_reader[op], first_reader[op + 1]):
            counts[placement[readers[k]]] += 1
        counts[placement[op]] = 0
        for k in range(first_reader[op], first_reader[op + 1]):
            device = placement[readers[k]]
            if counts[device] == 0:
                continue
            copies[op * devices + device] = counts[device]
            counts[device] = 0
            if in_ms[op, device] == 0.0:
                hold(op, device)
                arrive(op, device, now)
            elif blocks[device]:
                enqueue(device, FIRST, 2 * n + op * devices + device)
            else:
                enqueue(2 * devices + device, now, 2 * n + op * devices + device)

    def leave(op: int, now: float) -> None:
        """The output of an operation is out of its device."""
        release(op, placement[op])
        if delay_ms > 0:
            _push(event_times, event_tasks, 0, count[0], now + delay_ms, 2 * n + n * devices + op)
            count[0] += 1
        else:
            distribute(op, now)

    busy[:] = False
    marked[:] = False
    sizes[:] = 0
    held[:] = 0.0
    for op in range(n):
        if times[op, placement[op]] == np.inf:
            peaks[:] = 0.0
            return np.inf
        held[placement[op]] += t.memory[op]
    peaks[:] = held
    for op in range(n):
        pending[op] = first_source[op + 1] - first_source[op]
        if pending[op] == 0:
            enqueue(placement[op], 0.0 if fifo else keys[op], op)
    now = 0.0
    while True:
        for k in range(count[1]):
            queue = touched[k]
            marked[queue] = False
            if sizes[queue] == 0 or busy[queue]:
                continue
            task = _pop(queue_keys, queue_tasks, queue * most, sizes[queue])
            sizes[queue] -= 1
            busy[queue] = True
            device = queue % devices
            if task < n:
                starts[task] = now
                hold(task, device)
                end = now + times[task, device]
            elif task < 2 * n:
                out_starts[task - n] = now
                end = now + out_ms[task - n, device]
            else:
                op = (task - 2 * n) // devices
                in_starts[op, device] = now
                hold(op, device)
                end = now + in_ms[op, device]
            _push(event_times, event_tasks, 0, count[0], end, task)
            count[0] += 1
        count[1] = 0
        if count[0] == 0:
            break
        now = event_times[0]
        # all that ends at one moment comes before anything starts at it
        while count[0] > 0 and event_times[0] == now:
            task = _pop(event_times, event_tasks, 0, count[0])
            count[0] -= 1
            queue = -1
            if task < n:
                op, device = task, placement[task]
                queue = device
                ends[op] = now
                here, away = 0, False
                for k in range(first_reader[op], first_reader[op + 1]):
                    if placement[readers[k]] == device:
                        here += 1
                    else:
                        away = True
                copies[op * devices + device] = here + away
                for k in range(first_source[op], first_source[op + 1]):
                    release(sources[k], device)
                if here:
                    arrive(op, device, now)
                if away and out_ms[op, device] == 0.0:
                    leave(op, now)
                elif away and blocks[device]:
                    enqueue(device, FIRST, n + op)
                elif away:
                    enqueue(devices + device, now, n + op)
            elif task < 2 * n:
                op, device = task - n, placement[task - n]
                queue = device if blocks[device] else devices + device
                out_ends[op] = now
                leave(op, now)
            elif task < 2 * n + n * devices:
                op, device = (task - 2 * n) // devices, (task - 2 * n) % devices
                queue = device if blocks[device] else 2 * devices + device
                in_ends[op, device] = now
                arrive(op, device, now)
            else:
                distribute(task - 2 * n - n * devices, now)
            if queue >= 0:
                busy[queue] = False
                touch(queue)
    return now


@compiled
def latencies(placements: Ints, t: Tables, s: _Scratch, trace: Trace, ms: Floats, peaks: Floats) -> None:
    """Run many placements.

    Args:
        placements: int64 [B, N].
        ms: float64 [B]: gets the milliseconds of each.
        peaks: float64 [B, D]: gets the most bytes that each device held.
    """
    for row in range(len(placements)):
        ms[row] = simulate(placements[row], t, s, trace)
        peaks[row] = trace.peaks


# --- throughput -------------------------------------------------------------------------------------------------------------


@compiled
def load(placement: Ints, t: Tables, loads: Floats, held: Floats) -> float:
    """The load of the busiest device.

    Args:
        placement: int64 [N].
        loads: float64 [D]: gets the milliseconds that each device is busy for one sample.
        held: float64 [D]: gets the bytes that each holds: what stays, every output that it makes, and every one that it reads.
    """
    n = len(placement)
    loads[:] = 0.0
    held[:] = 0.0
    for op in range(n):
        device = placement[op]
        loads[device] += t.times[op, device]
        held[device] += t.memory[op] + t.activations[op]
        seen = np.int64(0)
        for k in range(t.first_reader[op], t.first_reader[op + 1]):
            other = placement[t.readers[k]]
            bit = np.int64(1) << other
            if other != device and not seen & bit:
                seen |= bit
                loads[other] += t.in_ms[op, other]
                held[other] += t.activations[op]
        if seen:
            loads[device] += t.out_ms[op, device]
    return float(loads.max())


@compiled
def max_loads(placements: Ints, t: Tables, ms: Floats, loads: Floats, held: Floats) -> None:
    """The loads of many placements.

    Args:
        placements: int64 [B, N].
        ms: float64 [B]: gets the load of the busiest device.
        loads: float64 [B, D].
        held: float64 [B, D]: bytes.
    """
    for row in range(len(placements)):
        ms[row] = load(placements[row], t, loads[row], held[row])
