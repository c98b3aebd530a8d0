"""What one process of the executor does: its part of the module as a torch.fx graph of its own, and its share of shared memory."""

from __future__ import annotations

import contextlib
import copy
import operator
import os
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from mmap import mmap
from multiprocessing.connection import Connection
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, fx, nn
from torch.utils import _pytree as pytree

from alphago.controller.placement.capture import OPERATIONS, Captured, Timer
from alphago.controller.placement.graph import Floats, Ints, PlacementError

SPINS: Final = 2000
"""Looks at a counter before the processor is offered to others."""
_ALIGNMENT: Final = 64


class Shared:
    """Memory that all processes see: outputs, and counters of how far everyone is.

    Counters: of each output the steps that its writer has written; of each output and device the steps that the device has read; of
    each device the steps that it has begun.
    """

    def __init__(
        self, arena: mmap, counters: mmap, operations: int, devices: int, offsets: Sequence[int], depth: int
    ) -> None:
        self.arena = np.frombuffer(arena, dtype=np.uint8)
        n, d = operations, devices
        flat = np.frombuffer(counters, dtype=np.int64)
        self.written: NDArray[np.int64] = flat[:n]
        self.read: NDArray[np.int64] = flat[n : n + n * d].reshape(n, d)
        self.begun: NDArray[np.int64] = flat[n + n * d : n + n * d + d]
        self.offsets, self.depth = list(offsets), depth
        self._flat = flat
        # acquiring and releasing a lock orders memory on every processor: what was copied is seen before its counter
        self._fence = threading.Lock()

    def reset(self) -> None:
        """All counters to 0; no process may be running."""
        self._flat[:] = 0

    def fence(self) -> None:
        """What was written before is seen by others before what is written after."""
        with self._fence:
            pass


@dataclass(frozen=True)
class Part:
    """What a process is given when it begins."""

    captured: Captured
    number: int
    device: str
    shared: Shared
    patience: float


class Clock:
    """The step that a process is at."""

    def __init__(self, shared: Shared, number: int, patience: float) -> None:
        self.shared, self.number, self.patience = shared, number, patience
        self.step = 0

    def wait(self, counters: NDArray[np.int64], index: int, least: int) -> None:
        """Until a counter is that large. Raises PlacementError: it takes too long."""
        spins, until = 0, 0.0
        while counters[index] < least:
            spins += 1
            if spins < SPINS:
                continue
            os.sched_yield()
            now = time.monotonic()
            until = until or now + self.patience
            if now > until:
                raise PlacementError(f"nothing came for {self.patience:.0f} s in step {self.step}")
        self.shared.fence()


class Send(nn.Module):
    """Puts an output into its place of shared memory and hands it on."""

    def __init__(self, clock: Clock, op: int, readers: Sequence[int], example: Any) -> None:
        super().__init__()
        self._clock, self._op, self._readers = clock, op, tuple(readers)
        self._views = [_views(clock.shared, op, slot, example)[0] for slot in range(clock.shared.depth)]

    def forward(self, value: Any) -> Any:
        clock, shared = self._clock, self._clock.shared
        for reader in self._readers:  # the place is free when all have read what was there `depth` steps ago
            clock.wait(shared.read[self._op], reader, clock.step - shared.depth + 1)
        for view, tensor in zip(self._views[clock.step % shared.depth], pytree.tree_leaves(value), strict=True):
            view.copy_(tensor)
        shared.fence()
        shared.written[self._op] = clock.step + 1
        return value


class Receive(nn.Module):
    """Waits for an output of another device; a processor core reads it where it lies, a GPU copies it."""

    def __init__(self, clock: Clock, op: int, example: Any, device: str) -> None:
        super().__init__()
        self._clock, self._op = clock, op
        self._device = None if device.startswith("core") else device
        self._values = [_views(clock.shared, op, slot, example)[1] for slot in range(clock.shared.depth)]

    def forward(self) -> Any:
        clock = self._clock
        clock.wait(clock.shared.written, self._op, clock.step + 1)
        value = self._values[clock.step % clock.shared.depth]
        if self._device is None:
            return value
        return pytree.tree_map(lambda tensor: tensor.to(self._device), value)


def _views(shared: Shared, op: int, slot: int, example: Any) -> tuple[list[Tensor], Any]:
    """Tensors in shared memory, flat and in the form of the example, whose shapes and dtypes they have."""
    leaves, spec = pytree.tree_flatten(example)
    size = sum(leaf.numel() * leaf.element_size() for leaf in leaves)
    start = shared.offsets[op] + slot * max(1, -(-size // _ALIGNMENT)) * _ALIGNMENT
    views = []
    for leaf in leaves:
        bytes_of = leaf.numel() * leaf.element_size()
        raw = torch.from_numpy(shared.arena[start : start + bytes_of])
        views.append(raw.view(leaf.dtype).view(leaf.shape) if bytes_of else torch.empty_like(leaf))
        start += bytes_of
    return views, pytree.tree_unflatten(views, spec)


class _Program:
    """The part of a module that one device computes, with the weights and inputs of that part and no others."""

    def __init__(
        self, part: Part, clock: Clock, examples: Sequence[Any], module: fx.GraphModule, placement: Ints, order: Ints
    ) -> None:
        self._clock, self._part = clock, part
        captured, mine = part.captured, part.number
        number = {node: index for index, node in enumerate(captured.nodes)}
        here = [int(op) for op in order if placement[op] == mine]
        held = _Holder(module, part.device)
        graph = fx.Graph()
        made: dict[fx.Node, fx.Node] = {}
        placeholders = [node for node in captured.module.graph.nodes if node.op == "placeholder"]
        for node in placeholders:
            made[node] = graph.node_copy(node, made.__getitem__)
        self._received: list[int] = []
        for op in here:
            node = captured.nodes[op]
            for source in node.all_input_nodes:
                if source in made:
                    continue
                if source.op == "get_attr":
                    made[source] = graph.get_attr(held.name_of(str(source.target)))
                else:
                    index = number[source]
                    held.add_module(f"receive_{index}", Receive(clock, index, examples[index], part.device))
                    made[source] = graph.call_module(f"receive_{index}")
                    self._received.append(index)
            made[node] = graph.node_copy(node, made.__getitem__)
            if node.op == "call_module":
                made[node].target = held.name_of(str(node.target))
            readers = sorted({int(placement[number[reader]]) for reader in node.users if reader in number} - {mine})
            if readers:
                if not captured.values[op].is_tensors:
                    raise PlacementError(f"{node.name} hands on what is no tensor: it cannot leave its device")
                held.add_module(f"send_{op}", Send(clock, op, readers, examples[op]))
                made[node] = graph.call_module(f"send_{op}", (made[node],))
        given = next(node for node in captured.module.graph.nodes if node.op == "output").all_input_nodes
        self._given = [number[one] for one in given if one in number and placement[number[one]] == mine]
        graph.output(tuple(made[captured.nodes[op]] for op in self._given))
        self.call = fx.GraphModule(held, graph)
        read = {source for op in here for source in captured.nodes[op].all_input_nodes}
        self._inputs = tuple(
            tensor.to(part.device) if node in read and not part.device.startswith("core") else tensor
            for node, tensor in zip(placeholders, captured.inputs, strict=False)
        )
        self._kept: Any = ()

    def run(self) -> None:
        """One step. A GPU may still be at it: see `settle`."""
        clock, shared = self._clock, self._clock.shared
        self._kept = self.call(*self._inputs)
        for op in self._received:
            shared.read[op, self._part.number] = clock.step + 1

    def settle(self) -> None:
        """Wait until the device has computed what it was given: a GPU is handed its work and goes on by itself."""
        if self._part.device.startswith("cuda"):
            torch.cuda.synchronize(self._part.device)

    def outputs(self) -> dict[int, Any]:
        """The last values of the operations that the module gives out and that are computed here, by operation, as NumPy arrays."""
        return {
            op: pytree.tree_map(
                lambda one: one.detach().cpu().numpy().copy() if isinstance(one, Tensor) else one, value
            )
            for op, value in zip(self._given, self._kept, strict=True)
        }


class _Holder(nn.Module):
    """The modules and weights that one part of a module uses, under names of its own; a GPU gets copies of those and no others."""

    def __init__(self, module: fx.GraphModule, device: str) -> None:
        super().__init__()
        self._module = (module,)  # in a tuple: it is no part of this one
        self._device = None if device.startswith("core") else device
        self._names: dict[str, str] = {}
        self._copied: dict[int, Any] = {}

    def name_of(self, target: str) -> str:
        """What a module or a weight is called here; it is taken in where it is new."""
        if target not in self._names:
            value = operator.attrgetter(target)(self._module[0])
            self._names[target] = f"held_{len(self._names)}"
            setattr(self, self._names[target], self._own(value))
        return self._names[target]

    def _own(self, value: Any) -> Any:
        if self._device is None or not isinstance(value, Tensor | nn.Module):
            return value
        return copy.deepcopy(value, self._copied).to(self._device)  # weights that modules share stay shared


def work(part: Part, pipe: Connection, inherited: Sequence[Connection] = ()) -> None:
    """The life of a process: it answers messages until it is told to stop, or its parent has gone.

    Args:
        inherited: the parent's ends of pipes that came along with the fork. While one is open here, a parent that is killed leaves
            its pipes open, and nobody hears of it.
    """
    import signal

    for other in inherited:
        other.close()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    try:
        torch.set_num_threads(1)
        torch.set_grad_enabled(False)
        module = part.captured.module
        if not part.device.startswith("core"):
            torch.zeros(1, device=part.device)  # one that cannot be opened says so now
        elif hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, {int(part.device[4:])})
        clock = Clock(part.shared, part.number, part.patience)
        examples: list[Any] = []
        program: _Program | None = None
        pipe.send(("ready", None))
        while True:
            kind, *rest = pipe.recv()
            if kind == "stop":
                return
            if kind == "load":
                examples = examples or _examples(part.captured)
                clock.step, program = 0, None  # the weights of the part before go first
                program = _Program(part, clock, examples, module, np.array(rest[0]), np.array(rest[1]))
                pipe.send(("done", None))
            elif kind == "profile":
                pipe.send(("done", _profile(part, int(rest[0])).tolist()))
            elif program is None:
                raise PlacementError("nothing is loaded")
            elif kind == "run":
                pipe.send(("done", _run(program, clock, int(rest[0]), rest[1])))
            else:
                pipe.send(("done", program.outputs()))
    except (EOFError, BrokenPipeError):
        return  # the parent has gone
    except Exception as error:  # noqa: BLE001  # whatever it is, the parent has to hear of it
        text = (str(error).splitlines() or [""])[0]
        with contextlib.suppress(BrokenPipeError):  # the parent has gone, too
            pipe.send(("error", text if isinstance(error, PlacementError) else f"{type(error).__name__}: {text}"))


def _run(program: _Program, clock: Clock, steps: int, fill: int | None) -> list[list[float]]:
    """When each step began and ended.

    Args:
        fill: None: step by step, all devices beginning together. Else the steps are a stream, of which this many fill the devices;
            the ends of the last of those and of the last of all are what is asked for, and a GPU is waited for there alone.
    """
    shared, spans = clock.shared, []
    for step in range(steps):
        if fill is None or step == 0:  # all begin together
            shared.begun[clock.number] = clock.step + 1
            for other in range(len(shared.begun)):
                clock.wait(shared.begun, other, clock.step + 1)
        started = time.perf_counter()
        program.run()
        if fill is None or step in (fill - 1, steps - 1):
            program.settle()
        spans.append([started, time.perf_counter()])
        clock.step += 1
    return spans


class _Keeper(fx.Interpreter):
    """Keeps what every operation hands on."""

    def __init__(self, module: fx.GraphModule) -> None:
        super().__init__(module)
        self.values: list[Any] = []

    def run_node(self, n: fx.Node) -> Any:
        result = super().run_node(n)
        if n.op in OPERATIONS:
            self.values.append(
                pytree.tree_map(
                    lambda one: torch.empty_like(one, device="meta") if isinstance(one, Tensor) else one, result
                )
            )
        return result


def _examples(captured: Captured) -> list[Any]:
    keeper = _Keeper(captured.module)
    keeper.run(*captured.inputs)
    return keeper.values


def _profile(part: Part, repeats: int) -> Floats:
    """Milliseconds of every operation on this device, [N]; a GPU holds the whole module for as long as this takes."""
    captured, device = part.captured, part.device
    if not device.startswith("core"):
        module = copy.deepcopy(captured.module).to(device)
        captured = Captured(
            captured.name,
            module,
            tuple(tensor.to(device) for tensor in captured.inputs),
            tuple(n for n in module.graph.nodes if n.op in OPERATIONS),
            captured.values,
        )
    timer = Timer(captured, "cpu" if device.startswith("core") else device)
    found = np.stack([timer.run(captured.inputs) for _ in range(repeats + 3)])[3:]
    medians: Floats = np.median(found, axis=0)
    return medians
