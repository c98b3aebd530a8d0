"""What is placed: a graph of operations; and where: a machine of devices. Times are milliseconds, memory is bytes.

A transfer is staged through the memory of the host: the output of an operation leaves its device once, whatever the number of its
readers, and enters each other device that reads it once. Devices that compute in the host's memory pay nothing for either. This is
the model of Tarnawski and others, Efficient Algorithms for Device Placement of DNN Graph Operators (NeurIPS 2020), section 3.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from alphago.errors import AlphaGoError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
MOST_DEVICES: Final = 62
"""Sets of devices are the bits of a word."""


class PlacementError(AlphaGoError):
    """Something wrong with a graph, a machine or a placement; the message names the operation, the device or the file."""


@dataclass(frozen=True)
class Graph:
    """Operations and what they need of each other.

    Raises PlacementError: arrays do not fit together, a number is not finite or negative, an edge leads nowhere, there is a cycle.
    """

    name: str
    operations: tuple[str, ...]
    """Names, N of them, each once."""
    types: tuple[str, ...]
    """What they compute, such as "conv2d"."""
    times: Mapping[str, Floats]
    """By kind of device, milliseconds, [N]; infinite where such a device cannot."""
    edges: Ints
    """[E, 2]: the first is read by the second; each pair once."""
    memory: Floats
    """[N]: bytes that an operation holds on its device all the time, such as weights."""
    activations: Floats
    """[N]: bytes of an output, from the operation's start to the end of its last reader, on every device that reads it. In a stream
    of samples there is always one under way, so that throughput counts them all the time."""
    transfer_ms: Floats | None = None
    """[N]: milliseconds in which an output passes between a device and the host; None: the machine's links say so."""
    output_bytes: Floats | None = None
    """[N]: what a transfer carries; None: `activations`."""
    together: Ints | None = None
    """[N]: operations with the same number of 0 or more are bound to one device; -1: bound to none. None: all free."""
    backward: NDArray[np.bool_] | None = None
    """[N]: operations of the backward pass; None: none are."""
    shapes: tuple[tuple[int, ...], ...] = ()
    """Of the outputs, where they are known."""

    def __post_init__(self) -> None:
        n = len(self.operations)
        if n == 0:
            raise PlacementError(f"{self.name}: a graph without operations")
        if len(set(self.operations)) < n:
            seen: set[str] = set()
            twice = next(name for name in self.operations if name in seen or seen.add(name))  # type: ignore[func-returns-value]
            raise PlacementError(f"{self.name}: two operations are called {twice!r}")
        if not self.times:
            raise PlacementError(f"{self.name}: no kind of device has times")
        arrays: dict[str, NDArray[np.generic] | tuple[object, ...] | None] = {
            "types": self.types,
            "memory": self.memory,
            "activations": self.activations,
            "transfer_ms": self.transfer_ms,
            "output_bytes": self.output_bytes,
            "together": self.together,
            "backward": self.backward,
            "shapes": self.shapes or None,
            **{f"times[{kind}]": times for kind, times in self.times.items()},
        }
        for name, array in arrays.items():
            if array is not None and len(array) != n:
                raise PlacementError(f"{self.name}: {name} has {len(array)} rows for {n} operations")
        for name in ("memory", "activations", "transfer_ms", "output_bytes"):
            self._check_amounts(name, arrays[name])
        for kind, times in self.times.items():
            if np.isnan(times).any() or (times < 0).any():
                bad = int(np.flatnonzero(~(times >= 0))[0])
                raise PlacementError(
                    f"{self.name}: {self.operations[bad]} takes {times[bad]} ms on {kind}, expected 0 or more"
                )
        if self.edges.ndim != 2 or self.edges.shape[1] != 2:
            raise PlacementError(f"{self.name}: edges have the shape {self.edges.shape}, expected (E, 2)")
        if len(self.edges) and (self.edges.min() < 0 or self.edges.max() >= n):
            raise PlacementError(f"{self.name}: an edge leads to an operation that is not there")
        if len(np.unique(self.edges, axis=0)) < len(self.edges):
            raise PlacementError(f"{self.name}: an edge is there twice")
        self.order  # noqa: B018  # a cycle is found here

    def _check_amounts(self, name: str, array: object) -> None:
        if not isinstance(array, np.ndarray):
            return
        bad = np.flatnonzero(~(np.isfinite(array) & (array >= 0)))
        if len(bad):
            raise PlacementError(
                f"{self.name}: {name} of {self.operations[bad[0]]} is {array[bad[0]]}, expected a finite number of 0 or more"
            )

    def __len__(self) -> int:
        return len(self.operations)

    @cached_property
    def order(self) -> Ints:
        """[N]: the operations so that every one comes after what it reads; depth first, so that a branch stays in one piece."""
        following, waiting = self.readers, np.bincount(self.edges[:, 1], minlength=len(self))
        stack = [int(op) for op in np.flatnonzero(waiting == 0)[::-1]]
        found: list[int] = []
        while stack:
            op = stack.pop()
            found.append(op)
            for reader in reversed(following[op]):
                waiting[reader] -= 1
                if waiting[reader] == 0:
                    stack.append(reader)
        if len(found) < len(self):
            names = " -> ".join(self.operations[op] for op in self._cycle(waiting > 0))
            raise PlacementError(f"{self.name}: operations wait for each other: {names}")
        return np.array(found, dtype=np.int64)

    def _cycle(self, left: NDArray[np.bool_]) -> list[int]:
        """Operations of one cycle, the first again at the end, out of those that no order can hold."""
        sources: dict[int, int] = {}
        for a, b in self.edges.tolist():
            if left[a] and left[b]:
                sources.setdefault(b, a)
        path: list[int] = [next(iter(sources))]
        while path[-1] not in path[:-1]:
            path.append(sources[path[-1]])
        members = path[path.index(path[-1]) + 1 :][::-1]
        first = members.index(min(members))
        cycle = [*members[first:], *members[: first + 1]]
        return cycle if len(cycle) <= 9 else [*cycle[:4], *cycle[-4:]]

    @cached_property
    def readers(self) -> list[list[int]]:
        """Of every operation: who reads its output, ascending."""
        found: list[list[int]] = [[] for _ in range(len(self))]
        for a, b in self.edges.tolist():
            found[a].append(b)
        return [sorted(readers) for readers in found]

    @cached_property
    def sources(self) -> list[list[int]]:
        """Of every operation: whose outputs it reads, ascending."""
        found: list[list[int]] = [[] for _ in range(len(self))]
        for a, b in self.edges.tolist():
            found[b].append(a)
        return [sorted(sources) for sources in found]

    @property
    def carried(self) -> Floats:
        """[N]: bytes that a transfer of an output carries."""
        return self.activations if self.output_bytes is None else self.output_bytes


@dataclass(frozen=True)
class Link:
    """How data pass between a device and the host."""

    bytes_per_ms: float = math.inf
    latency_ms: float = 0.0
    """Of every transfer, out or in; it occupies the link."""
    blocks: bool = False
    """The device itself copies, and computes nothing meanwhile."""
    reads_in_place: bool = False
    """The way in costs nothing: the device reads the memory of the host. The way out is a copy."""

    def __post_init__(self) -> None:
        if not self.bytes_per_ms > 0 or not 0 <= self.latency_ms < math.inf:
            raise PlacementError(
                f"a link of {self.bytes_per_ms} bytes/ms and {self.latency_ms} ms: expected more than 0, and 0 or more"
            )

    def milliseconds(self, size: Floats) -> Floats:
        """Of transfers of so many bytes."""
        return self.latency_ms + size / self.bytes_per_ms


@dataclass(frozen=True)
class Device:
    """One place to compute.

    Attributes:
        kind: which of the graph's times hold.
        memory: bytes.
        link: to the host; None: it computes in the host's memory, and transfers cost it nothing.
    """

    name: str
    kind: str
    memory: float = math.inf
    link: Link | None = None

    def __post_init__(self) -> None:
        if not self.memory > 0:
            raise PlacementError(f"device {self.name} has {self.memory:g} bytes of memory, expected more than 0")


@dataclass(frozen=True)
class Machine:
    """Devices, and what passing the host costs beyond their links."""

    devices: tuple[Device, ...]
    delay_ms: float = 0.0
    """From the end of a transfer's way out to the start of its way in; it occupies nothing."""
    name: str = "machine"

    def __post_init__(self) -> None:
        if not 1 <= len(self.devices) <= MOST_DEVICES:
            raise PlacementError(f"a machine of {len(self.devices)} devices: expected 1 to {MOST_DEVICES}")
        names = [device.name for device in self.devices]
        if len(set(names)) < len(names):
            raise PlacementError(f"two devices are called {max(names, key=names.count)!r}")
        if not 0 <= self.delay_ms < math.inf:
            raise PlacementError(f"a delay of {self.delay_ms} ms: expected 0 or more")

    def __len__(self) -> int:
        return len(self.devices)

    def index(self, name: str) -> int:
        """The number of a device. Raises PlacementError: there is none of this name."""
        names = [device.name for device in self.devices]
        if name not in names:
            raise PlacementError(f"no device {name!r}: the machine has {', '.join(names)}")
        return names.index(name)

    def alike(self) -> list[list[int]]:
        """Devices that differ by name alone, together."""
        groups: dict[tuple[object, ...], list[int]] = {}
        for number, device in enumerate(self.devices):
            groups.setdefault((device.kind, device.memory, device.link), []).append(number)
        return list(groups.values())


@dataclass(frozen=True)
class Placement:
    """A device for every operation of a graph."""

    devices: Ints
    """[N]: numbers of the machine's devices."""
    how: str = ""
    """What found it."""
    notes: Mapping[str, float] = field(default_factory=dict)
    """Numbers of the method's own, such as seconds or placements tried."""


def canonical(placements: Ints, machine: Machine, order: Ints) -> Ints:
    """The same placements with devices that are alike numbered by first use, in this order: equal answers become equal rows.

    Args:
        placements: int64 [B, N].
        order: int64 [N]: in which operations (or groups) are looked at.

    Returns:
        int64 [B, N].
    """
    out = np.array(placements)
    for same in machine.alike():
        if len(same) == 1:
            continue
        first = np.full((len(out), len(same)), out.shape[1])
        for column, device in enumerate(same):
            used = placements[:, order] == device
            first[:, column] = np.where(used.any(axis=1), used.argmax(axis=1), out.shape[1] + column)
        ranked = np.argsort(np.argsort(first, axis=1), axis=1)
        for column, device in enumerate(same):
            wanted = np.asarray(same)[ranked[:, column]]
            out = np.where(placements == device, wanted[:, None], out)
    return out


def with_devices(machine: Machine, devices: Iterable[Device]) -> Machine:
    """The machine with other devices."""
    return Machine(tuple(devices), machine.delay_ms, machine.name)


def unique_edges(pairs: Sequence[tuple[int, int]]) -> Ints:
    """Edges [E, 2], each once, without those from an operation to itself."""
    kept = sorted({(a, b) for a, b in pairs if a != b})
    return np.array(kept, dtype=np.int64).reshape(-1, 2)
