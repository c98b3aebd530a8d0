"""Times that are computed, not measured: for machines that are not here, and for training steps.

An operation takes the longer of its arithmetic and its traffic, at a share of what the processor can do at best, plus a launch. A
simulated machine of the papers' time is made of such processors; its numbers are those of the parts' data sheets and of the
simulator of Placeto (Addanki and others, 2019: 5.7 us between operations, 25 us and 7,600 bytes/us for a transfer).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor, fx
from torch.utils import _pytree as pytree

from alphago.controller.placement.capture import OPERATIONS, Captured
from alphago.controller.placement.graph import Device, Floats, Graph, Link, Machine, PlacementError, unique_edges

GIB: Final = 2.0**30


@dataclass(frozen=True)
class Processor:
    """What a kind of device does in a millisecond, at the shares of its peaks that layers of networks reach."""

    flops_per_ms: float
    bytes_per_ms: float
    launch_ms: float


K80: Final = Processor(2.0e9, 1.7e8, 0.0057)
"""One of the two chips of a Tesla K80: 4.4 TFLOP/s and 240 GB/s at most."""
HASWELL: Final = Processor(2.5e8, 4.0e7, 0.002)
"""A Xeon of the Haswell generation, all cores: 0.5 TFLOP/s and 60 GB/s at most."""
KINDS: Final[Mapping[str, Processor]] = {"gpu": K80, "cpu": HASWELL}
BACKWARD: Final = 2.0
"""Times that the gradient of an operation takes, against itself: one product for the inputs and one for the weights."""


def k80_machine(gpus: int, memory: float = 12 * GIB) -> Machine:
    """The machine of the two placement papers: chips of Tesla K80 cards, and the processor they hang on."""
    if gpus < 1:
        raise PlacementError(f"{gpus} GPUs: at least one")
    link = Link(bytes_per_ms=7.6e6, latency_ms=0.025)
    devices = [Device(f"gpu{number}", "gpu", memory, link) for number in range(gpus)]
    return Machine((*devices, Device("cpu", "cpu")), name=f"{gpus} K80 chips and a processor (simulated)")


def estimated_times(captured: Captured) -> dict[str, Floats]:
    """Milliseconds of every operation [N], by kind of `KINDS`."""
    counter = _Counter(captured)
    with torch.no_grad():
        counter.run(*captured.inputs)
    flops, traffic = np.array(counter.flops), np.array(counter.bytes)
    return {
        kind: processor.launch_ms + np.maximum(flops / processor.flops_per_ms, traffic / processor.bytes_per_ms)
        for kind, processor in KINDS.items()
    }


class _Counter(fx.Interpreter):
    """Runs a module on tensors without data and counts what every operation computes and moves."""

    def __init__(self, captured: Captured) -> None:
        super().__init__(captured.module)
        self._captured = captured
        self.flops: list[float] = []
        self.bytes: list[float] = []

    def run(self, *args: Any, **_: Any) -> Any:
        from torch._subclasses.fake_tensor import FakeTensorMode

        with FakeTensorMode(allow_non_fake_inputs=True) as mode:
            return super().run(*(mode.from_tensor(arg) for arg in args))

    def run_node(self, n: fx.Node) -> Any:
        from torch.utils.flop_counter import FlopCounterMode

        if n.op not in OPERATIONS:
            return super().run_node(n)
        with FlopCounterMode(display=False) as counter:
            result = super().run_node(n)
        read = pytree.tree_leaves([self.env[source] for source in n.all_input_nodes])
        moved = [one for one in [*read, *pytree.tree_leaves(result)] if isinstance(one, Tensor)]
        place = len(self.flops)
        weights = sum(self._captured.parameters(self._captured.nodes[place]).values())
        is_view = self._captured.values[place].fresh_bytes == 0
        self.flops.append(float(counter.get_total_flops()))
        self.bytes.append(0.0 if is_view else float(weights + sum(one.numel() * one.element_size() for one in moved)))
        return result


def with_backward(graph: Graph, factor: float = BACKWARD) -> Graph:
    """The graph of a training step: every operation has a gradient, bound to its device, that reads in the other direction.

    A gradient reads the operation's output, which is kept until then, and holds as many bytes as the weights have.
    """
    if graph.backward is not None and graph.backward.any():
        raise PlacementError(f"{graph.name}: has a backward pass already")
    n = len(graph)
    edges = [tuple(pair) for pair in graph.edges.tolist()]
    pairs = [*edges, *((b + n, a + n) for a, b in edges), *((op, op + n) for op in range(n))]
    together = np.full(n, -1, dtype=np.int64) if graph.together is None else graph.together.copy()
    alone = together < 0
    together[alone] = together.max(initial=-1) + 1 + np.arange(int(alone.sum()))

    def twice(array: Floats) -> Floats:
        return np.concatenate([array, array])

    return Graph(
        f"{graph.name} training",
        (*graph.operations, *(f"{name}/grad" for name in graph.operations)),
        (*graph.types, *(f"{name}/grad" for name in graph.types)),
        {kind: np.concatenate([times, factor * times]) for kind, times in graph.times.items()},
        unique_edges([(int(a), int(b)) for a, b in pairs]),
        twice(graph.memory),
        twice(graph.activations),
        None if graph.transfer_ms is None else twice(graph.transfer_ms),
        twice(graph.carried),
        np.concatenate([together, together]),
        np.concatenate([np.zeros(n, dtype=bool), np.ones(n, dtype=bool)]),
        (*graph.shapes, *graph.shapes),
    )
