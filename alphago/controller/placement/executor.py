"""Placements for real: one process for each device, each with its part of the traced module, tensors through shared memory.

The processes live as long as the executor; those of processor cores are pinned and compute with one thread. An output that another
device reads is copied once into a place of shared memory that was set aside for it, and read there: nothing is pickled while the
module runs. A place holds several steps, so that samples can follow each other through the devices (throughput); a counter of each
says how far its writer and its readers are.
"""

from __future__ import annotations

import math
import mmap
import multiprocessing
import operator
import os
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from types import TracebackType
from typing import Any, Final, NoReturn

import numpy as np
import torch
from torch import Tensor, fx
from torch.utils import _pytree as pytree

from alphago.controller.placement.capture import Captured
from alphago.controller.placement.execution import Part, Shared, work
from alphago.controller.placement.graph import Floats, Ints, PlacementError

DEPTH: Final = 4
"""Steps that a place of shared memory holds."""
ALIGNMENT: Final = 64
PATIENCE: Final = 60.0
"""Seconds that one step may take before it counts as stuck."""


class ExecutionError(PlacementError):
    """A placement that could not be run, or a device that is not there; the message says which."""


@dataclass(frozen=True)
class _Place:
    """Where an output lies in shared memory."""

    offset: int
    size: int


def core_names(count: int) -> list[str]:
    """The first processor cores that this process may use, as devices: "core0", ... Raises ExecutionError: there are fewer."""
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else list(range(os.cpu_count() or 1))
    if count > len(cores):
        raise ExecutionError(f"{count} cores are wanted, this process may use {len(cores)}: choose fewer devices")
    return [f"core{core}" for core in cores[:count]]


class Executor:
    """Runs placements of a traced module. A context manager.

    Args:
        devices: "core3" is a processor core, "cuda:0" a GPU; a placement names them by their place here.

    Raises:
        ExecutionError: no such device, processes cannot be forked here, or an operation hands on what no other process can have.
    """

    def __init__(self, captured: Captured, devices: Sequence[str]) -> None:
        if "fork" not in multiprocessing.get_all_start_methods():
            raise ExecutionError("measuring needs a system that can fork processes (Linux, macOS)")
        self.captured, self.devices = captured, tuple(devices)
        for device in self.devices:
            _check_device(device)
        size, places = 0, []
        for value in captured.values:
            places.append(_Place(size, value.bytes))
            if value.is_tensors:
                size += DEPTH * _aligned(value.bytes)
        n, d = len(captured.nodes), len(self.devices)
        self._arena = mmap.mmap(-1, max(size, ALIGNMENT))
        self._counters = mmap.mmap(-1, 8 * (n + n * d + d + 1))
        self._shared = Shared(self._arena, self._counters, n, d, [place.offset for place in places], DEPTH)
        context = multiprocessing.get_context("fork")
        self._pipes: list[Connection] = []
        self._processes = []
        for number, device in enumerate(self.devices):
            ours, theirs = context.Pipe()
            self._pipes.append(ours)
            part = Part(captured, number, device, self._shared, PATIENCE)
            process = context.Process(target=work, args=(part, theirs, tuple(self._pipes)), daemon=True)
            process.start()
            theirs.close()
            self._processes.append(process)
        self._answers(range(d))  # a device that cannot be opened says so

    def __enter__(self) -> Executor:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self, *, at_once: bool = False) -> None:
        """End the processes; at once where one of them has failed, since the others may be waiting for it."""
        for pipe, process in zip(self._pipes, self._processes, strict=True):
            if at_once:
                process.kill()
            try:
                pipe.send(("stop",))
                pipe.close()
            except (BrokenPipeError, OSError):
                pass  # it has ended already
        for process in self._processes:
            process.join(timeout=5)
            if process.is_alive():
                process.kill()
                process.join()
        self._pipes, self._processes = [], []

    # --- running ----------------------------------------------------------------------------------------------------------

    def load(self, placement: Ints, order: Ints) -> None:
        """Give every device its part.

        Args:
            placement: int64 [N]: numbers of the devices.
            order: int64 [N]: operations in an order in which each comes after what it reads; a device keeps to it.
        """
        placement, order = np.asarray(placement, dtype=np.int64), np.asarray(order, dtype=np.int64)
        n = len(self.captured.nodes)
        if sorted(order.tolist()) != list(range(n)) or len(placement) != n:
            raise ExecutionError(
                f"a placement of {len(placement)} and an order of {len(order)} operations, expected {n}"
            )
        if placement.min() < 0 or placement.max() >= len(self.devices):
            raise ExecutionError(f"a placement on device {placement.max()}, there are {len(self.devices)}")
        self._shared.reset()
        self._all(("load", placement.tolist(), order.tolist()))

    def latencies(self, steps: int) -> Floats:
        """Milliseconds of so many single samples, one after the other, float64 [steps]."""
        spans = self._run(steps, None)
        return np.array(1000 * (spans[:, :, 1].max(axis=0) - spans[:, :, 0].min(axis=0)), dtype=np.float64)

    def pace(self, steps: int) -> float:
        """Milliseconds a sample where so many follow each other through the devices as closely as they can.

        The samples that come before them fill the devices and are not counted: the clock runs from one sample done to another
        done, so that neither filling nor emptying the devices is in it.
        """
        spans = self._run(DEPTH + steps, DEPTH)
        done = spans[:, :, 1].max(axis=0)
        return float(1000 * (done[-1] - done[DEPTH - 1]) / steps)

    def outputs(self) -> list[Tensor]:
        """What the last sample came to: the tensors of the module's output in its order, flat."""
        number = {node: index for index, node in enumerate(self.captured.nodes)}
        known: dict[int, Any] = {}
        for answer in self._all(("outputs",)):
            known |= answer
        given = iter(self.captured.inputs)
        leaves: list[Any] = []
        values: dict[fx.Node, Any] = {}
        for node in self.captured.module.graph.nodes:
            if node.op == "placeholder":
                values[node] = next(given, None)
            elif node.op == "get_attr":
                values[node] = operator.attrgetter(str(node.target))(self.captured.module)
            elif node.op == "output":
                for one in node.all_input_nodes:
                    if one in number:
                        values[one] = known[number[one]]
                leaves = pytree.tree_leaves(fx.map_arg(node.args, values.__getitem__))
        return [torch.as_tensor(leaf) for leaf in leaves if isinstance(leaf, Tensor | np.ndarray)]

    def profile(self, device: int, repeats: int = 15) -> Floats:
        """Milliseconds of every operation on a device that runs all of them by itself, [N]: medians."""
        self._send(device, ("profile", repeats))
        return np.array(self._answers([device])[0], dtype=np.float64)

    def _run(self, steps: int, fill: int | None) -> Floats:
        """[D, steps, 2]: when each device began and ended each step, seconds on one clock; see `execution`."""
        answers = self._all(("run", steps, fill))
        return np.array(answers, dtype=np.float64).reshape(len(self.devices), steps, 2)

    def _all(self, message: tuple[Any, ...]) -> list[Any]:
        """Ask all devices; their answers, by number."""
        for number in range(len(self.devices)):
            self._send(number, message)
        return self._answers(range(len(self.devices)))

    def _send(self, number: int, message: tuple[Any, ...]) -> None:
        if not self._pipes:
            raise ExecutionError("the executor is closed")
        try:
            self._pipes[number].send(message)
        except OSError:
            self._ended(number)

    def _answers(self, numbers: Iterable[int]) -> list[Any]:
        """What devices answer, taken as they come: when one fails, those that wait for it are not waited for."""
        wanted = list(numbers)
        found: dict[int, Any] = {}
        while len(found) < len(wanted):
            left = [number for number in wanted if number not in found]
            ready = wait([*(self._pipes[one] for one in left), *(self._processes[one].sentinel for one in left)])
            for number in left:
                if self._pipes[number] in ready or self._processes[number].sentinel in ready:
                    found[number] = self._answer(number)
        return [found[number] for number in wanted]

    def _answer(self, number: int) -> Any:
        try:
            kind, value = self._pipes[number].recv()
        except (EOFError, OSError):
            self._ended(number)
        if kind == "error":
            self.close(at_once=True)
            raise ExecutionError(f"{self.devices[number]}: {value}")
        return value

    def _ended(self, number: int) -> NoReturn:
        process = self._processes[number]
        process.join(timeout=5)
        code = process.exitcode
        self.close(at_once=True)
        raise ExecutionError(
            f"the process of {self.devices[number]} has ended"
            + (f": it was killed by signal {-code}" if code is not None and code < 0 else "")
        ) from None


def _check_device(device: str) -> None:
    if device.startswith("core") and device[4:].isdigit():
        if hasattr(os, "sched_getaffinity") and int(device[4:]) not in os.sched_getaffinity(0):
            raise ExecutionError(f"no core {device[4:]} that this process may use")
        return
    if device.startswith("cuda"):
        if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
            raise ExecutionError(
                "CUDA is in use by this process already: a GPU can only be opened by the process of its device"
            )
        return
    raise ExecutionError(f"unknown device {device!r}: core0, core1, ... or cuda:0, cuda:1, ...")


def _aligned(size: int) -> int:
    return max(1, math.ceil(size / ALIGNMENT)) * ALIGNMENT


class Whole:
    """The module in one process with so many threads: what every placement on processor cores competes with."""

    def __init__(self, captured: Captured, threads: int) -> None:
        self.captured, self.threads = captured, threads

    def latencies(self, steps: int) -> Floats:
        """Milliseconds of so many single samples, [steps]."""
        before = torch.get_num_threads()
        torch.set_num_threads(self.threads)
        found = np.zeros(steps)
        try:
            with torch.no_grad():
                for step in range(steps):
                    started = time.perf_counter()
                    self.captured.module(*self.captured.inputs)
                    found[step] = 1000 * (time.perf_counter() - started)
        finally:
            torch.set_num_threads(before)
        return found
