"""A graph to place from a torch module: its operations, what they read, the shapes of their outputs, bytes, measured times.

The module is traced by torch.fx, which keeps torch's own modules whole, or by torch.export, which gives the operators below
them. It is taken as it computes: in evaluation mode, for inputs of these shapes. Operations that hand on what is no tensor, parts
of a tuple, and operations that share weights are bound to one device.
"""

from __future__ import annotations

import copy
import functools
import operator
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

import numpy as np
import torch
from torch import Tensor, fx, nn
from torch.utils import _pytree as pytree

from alphago.controller.placement.graph import Floats, Graph, Ints, PlacementError, unique_edges

Tracer: TypeAlias = Literal["fx", "export"]
OPERATIONS: Final = ("call_function", "call_method", "call_module")
CORE: Final = "core"
"""The kind of device that is one processor core."""


@dataclass(frozen=True)
class Value:
    """What an operation hands on."""

    shapes: tuple[tuple[int, ...], ...]
    """Of its tensors."""
    bytes: int
    """Of its tensors."""
    fresh_bytes: int
    """Without those that are views of what it read."""
    is_tensors: bool
    """Tensors and tuples of them, and nothing else: another process can have it."""


@dataclass(frozen=True)
class Captured:
    """A traced module."""

    name: str
    module: fx.GraphModule
    inputs: tuple[Tensor, ...]
    nodes: tuple[fx.Node, ...]
    """The operations, N, in the order in which they were traced."""
    values: tuple[Value, ...]
    """[N]."""

    def graph(self, times: dict[str, Floats]) -> Graph:
        """The graph to place.

        Args:
            times: by kind of device, milliseconds of each operation [N].
        """
        number = {node: index for index, node in enumerate(self.nodes)}
        n = len(self.nodes)
        edges = [(number[source], index) for index, node in enumerate(self.nodes) for source in self.sources(node)]
        return Graph(
            self.name,
            tuple(node.name for node in self.nodes),
            tuple(type_of(node, self.module) for node in self.nodes),
            times,
            unique_edges(edges),
            self._weights(),
            np.array([value.fresh_bytes for value in self.values], dtype=np.float64),
            None,
            np.array([value.bytes for value in self.values], dtype=np.float64),
            self._together(number),
            np.zeros(n, dtype=bool),
            tuple(value.shapes[0] if value.shapes else () for value in self.values),
        )

    @staticmethod
    def sources(node: fx.Node) -> list[fx.Node]:
        """Operations that a node reads."""
        return [source for source in node.all_input_nodes if source.op in OPERATIONS]

    def scopes(self) -> list[str]:
        """Of every operation, the path of the module that called it, and a number for each time in a row that it did.

        What the outermost module computes itself is no part of a call within it: each of its operations has a scope of its own.
        """
        found: list[str] = []
        before, calls = "", 0
        for node in self.nodes:
            stack = node.meta.get("nn_module_stack") or {}
            paths = [str(value[0] if isinstance(value, tuple) else value) for value in stack.values()]
            path = paths[-1] if paths else ""
            if node.op == "call_module":  # the module that holds it
                path = path.rpartition(".")[0] if path == node.target else path
            calls += path != before
            before = path
            found.append(f"{path}#{calls}" if path else f"#{node.name}")
        return found

    def parameters(self, node: fx.Node) -> dict[int, int]:
        """Weights that an operation uses: bytes by identity."""
        tensors: list[Tensor] = []
        if node.op == "call_module":
            held = self.module.get_submodule(str(node.target))
            tensors += [*held.parameters(), *held.buffers()]
        for source in node.all_input_nodes:
            if source.op == "get_attr":
                value = operator.attrgetter(str(source.target))(self.module)
                tensors += [value] if isinstance(value, Tensor) else []
        return {tensor.data_ptr(): tensor.numel() * tensor.element_size() for tensor in tensors if tensor.numel()}

    def _weights(self) -> Floats:
        """[N]: bytes; weights that several operations share count where they are used first."""
        seen: set[int] = set()
        found = np.zeros(len(self.nodes))
        for index, node in enumerate(self.nodes):
            for key, size in self.parameters(node).items():
                if key not in seen:
                    seen.add(key)
                    found[index] += size
        return found

    def _together(self, number: dict[fx.Node, int]) -> Ints:
        parent = list(range(len(self.nodes)))

        def root(one: int) -> int:
            while parent[one] != one:
                parent[one] = parent[parent[one]]
                one = parent[one]
            return one

        users: dict[int, int] = {}
        for index, node in enumerate(self.nodes):
            for key in self.parameters(node):
                parent[root(index)] = root(users.setdefault(key, index))
            if not self.values[index].is_tensors:
                for reader in node.users:
                    if reader in number:
                        parent[root(number[reader])] = root(index)
            if node.op == "call_function" and node.target is operator.getitem:
                for source in self.sources(node):
                    if len(self.values[number[source]].shapes) != 1 or self.values[number[source]].bytes == 0:
                        parent[root(index)] = root(number[source])
        roots = [root(index) for index in range(len(self.nodes))]
        sizes = {one: roots.count(one) for one in set(roots)}
        return np.array([one if sizes[one] > 1 else -1 for one in roots], dtype=np.int64)


def capture(module: nn.Module, inputs: Sequence[Tensor], *, tracer: Tracer = "fx", name: str = "") -> Captured:
    """Trace a module.

    Args:
        inputs: what it is called with.
        name: None given: the name of its class.

    Raises:
        PlacementError: it cannot be traced, fails on these inputs, or changes tensors in place, which other devices would not see.
    """
    name = name or type(module).__name__
    for place, one in enumerate(inputs):
        if not isinstance(one, Tensor):
            raise PlacementError(f"{name}: input {place} is of type {type(one).__name__}, expected a tensor")
    module = copy.deepcopy(module).eval()
    for part in module.modules():
        if getattr(part, "inplace", False) is True:
            part.inplace = False  # type: ignore[assignment]
    try:
        traced = _exported(module, tuple(inputs)) if tracer == "export" else fx.symbolic_trace(module)
    except Exception as error:  # noqa: BLE001  # tracing runs the user's code, which may raise anything
        other = "torch.export (--tracer export)" if tracer == "fx" else "torch.fx (--tracer fx)"
        text = (str(error).splitlines() or [type(error).__name__])[0]
        raise PlacementError(f"{name}: cannot be traced by torch.{tracer}: {text}; {other} may do") from None
    for node in traced.graph.nodes:  # before what nobody reads is dropped: a change in place has no reader
        if node.op in OPERATIONS:
            _check_pure(node, name)
    traced.graph.eliminate_dead_code()
    traced.recompile()
    nodes = tuple(node for node in traced.graph.nodes if node.op in OPERATIONS)
    if not nodes:
        raise PlacementError(f"{name}: there is no operation in it")
    recorder = _Recorder(traced)
    try:
        with torch.no_grad():
            recorder.run(*inputs)
    except Exception as error:  # noqa: BLE001  # the user's code again: other inputs than it takes, for instance
        text = (str(error).splitlines() or [""])[0]
        raise PlacementError(
            f"{name}: fails on its inputs when it is run as traced: {type(error).__name__}: {text}"
        ) from None
    return Captured(name, traced, tuple(inputs), nodes, tuple(recorder.found[node] for node in nodes))


def _exported(module: nn.Module, inputs: tuple[Tensor, ...]) -> fx.GraphModule:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch.export warns of its own parts
        program = torch.export.export(module, inputs, strict=False).run_decompositions({})
        found = program.module(check_guards=False)
    assert isinstance(found, fx.GraphModule)
    return found


def _check_pure(node: fx.Node, name: str) -> None:
    target = str(node.target)
    last = target.rpartition(".")[2] if node.op != "call_function" else getattr(node.target, "__name__", target)
    last = last.removesuffix(".default")
    if (node.op != "call_module" and last.endswith("_") and not last.endswith("__")) or node.kwargs.get(
        "inplace"
    ) is True:
        raise PlacementError(
            f"{name}: {node.name} changes a tensor in place, which other devices would not see; --tracer export makes it pure"
        )


class _Recorder(fx.Interpreter):
    """Runs a module and notes what every operation hands on."""

    def __init__(self, module: fx.GraphModule) -> None:
        super().__init__(module)
        self.found: dict[fx.Node, Value] = {}

    def run_node(self, n: fx.Node) -> Any:
        result = super().run_node(n)
        if n.op in OPERATIONS:
            leaves = pytree.tree_leaves(result)
            tensors = [leaf for leaf in leaves if isinstance(leaf, Tensor)]
            read = pytree.tree_leaves([self.env[source] for source in n.all_input_nodes])
            known = {tensor.untyped_storage().data_ptr() for tensor in read if isinstance(tensor, Tensor)}
            sizes = [tensor.numel() * tensor.element_size() for tensor in tensors]
            fresh = [
                size
                for tensor, size in zip(tensors, sizes, strict=True)
                if tensor.untyped_storage().data_ptr() not in known
            ]
            self.found[n] = Value(
                tuple(tuple(tensor.shape) for tensor in tensors),
                sum(sizes),
                sum(fresh),
                bool(tensors) and len(tensors) == len(leaves) and _is_plain(result),
            )
        return result


def _is_plain(value: Any) -> bool:
    return isinstance(value, Tensor) or (type(value) in (tuple, list) and all(_is_plain(part) for part in value))


def type_of(node: fx.Node, module: fx.GraphModule) -> str:
    """What an operation computes: "Conv2d", "relu", "aten.convolution"."""
    if node.op == "call_module":
        return type(module.get_submodule(str(node.target))).__name__
    if node.op == "call_method":
        return str(node.target)
    if isinstance(node.target, torch._ops.OpOverload):
        return str(node.target).removesuffix(".default")
    return getattr(node.target, "__name__", str(node.target))


def measure_operations(captured: Captured, repeats: int = 15, warmup: int = 3) -> Floats:
    """Milliseconds of every operation on the processor, float64 [N]: medians over runs of the whole module.

    As many threads as torch is set to; the caller pins the process where that matters.
    """
    times = np.zeros((repeats, len(captured.nodes)))
    timer = Timer(captured)
    with torch.no_grad():
        for repeat in range(-warmup, repeats):
            found = timer.run(captured.inputs)
            if repeat >= 0:
                times[repeat] = found
    medians: Floats = np.median(times, axis=0)
    return medians


class Timer:
    """Runs a module operation by operation with a clock; nothing but the operation itself is between two looks at it."""

    def __init__(self, captured: Captured, device: str = "cpu") -> None:
        self._captured, self._device = captured, device
        last: dict[fx.Node, fx.Node] = {}
        for node in captured.module.graph.nodes:
            for source in node.all_input_nodes:
                last[source] = node
        self._frees: dict[fx.Node, list[fx.Node]] = {}
        for source, node in last.items():
            self._frees.setdefault(node, []).append(source)

    def run(self, inputs: Sequence[Tensor]) -> Floats:
        """Milliseconds of every operation, [N], in one run."""
        module, known, place = self._captured.module, dict[fx.Node, Any](), 0
        times = np.zeros(len(self._captured.nodes))
        given = iter(inputs)
        wait = functools.partial(torch.cuda.synchronize, self._device) if self._device != "cpu" else _nothing
        for node in module.graph.nodes:
            if node.op == "placeholder":
                known[node] = next(given)
            elif node.op == "get_attr":
                known[node] = operator.attrgetter(str(node.target))(module)
            elif node.op in OPERATIONS:
                args = fx.map_arg(node.args, known.__getitem__)
                kwargs = fx.map_arg(node.kwargs, known.__getitem__)
                call: Any = node.target
                if node.op == "call_module":
                    call = module.get_submodule(str(node.target))
                elif node.op == "call_method":
                    call, args = getattr(args[0], str(node.target)), args[1:]
                wait()
                started = time.perf_counter()
                result = call(*args, **kwargs)
                wait()
                times[place] = 1000 * (time.perf_counter() - started)
                known[node] = result
                place += 1
            for source in self._frees.get(node, ()):
                known.pop(source, None)
        return times


def _nothing() -> None:
    pass
