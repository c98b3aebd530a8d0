"""Graphs as JSON: the public corpus of msr-fiddle/dnn-partitioning, and placements.

The corpus (Tarnawski and others, NeurIPS 2020; MIT licence) gives for every operation its milliseconds on a processor core
(`cpuLatency`) and on an accelerator (`fpgaLatency`, whatever the accelerator is), bytes (`size`), a class of operations that share
a device (`colorClass`), and for every edge the milliseconds in which the output passes between an accelerator and the host.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
import pydantic

from alphago.configs import describe
from alphago.controller.placement.graph import (
    MOST_DEVICES,
    Device,
    Graph,
    Ints,
    Link,
    Machine,
    PlacementError,
    unique_edges,
)
from alphago.files import write_atomically

PROCESSOR: Final = "cpu"
ACCELERATOR: Final = "accelerator"
_Amount = Annotated[float, pydantic.Field(ge=0, allow_inf_nan=False)]
_COST_TOLERANCE: Final = 1e-6


class _Node(pydantic.BaseModel):
    id: int
    cpuLatency: _Amount  # noqa: N815  # the corpus' names
    fpgaLatency: _Amount  # noqa: N815
    size: _Amount = 0.0
    colorClass: Annotated[int, pydantic.Field(ge=-(2**62), le=2**62)] | None = None  # noqa: N815
    supportedOnFpga: bool = True  # noqa: N815
    isBackwardNode: bool = False  # noqa: N815
    name: str = ""


class _Edge(pydantic.BaseModel):
    sourceId: int  # noqa: N815
    destId: int  # noqa: N815
    cost: _Amount
    size: _Amount | None = None


class _File(pydantic.BaseModel):
    maxSizePerFPGA: Annotated[float, pydantic.Field(gt=0)]  # noqa: N815
    maxFPGAs: Annotated[int, pydantic.Field(ge=0)]  # noqa: N815
    maxCPUs: Annotated[int, pydantic.Field(ge=0)]  # noqa: N815
    nodes: Annotated[list[_Node], pydantic.Field(min_length=1)]
    edges: list[_Edge]


class _Part(pydantic.BaseModel):
    nodes: list[int]


class _Split(pydantic.BaseModel):
    cpus: list[_Part]
    fpgas: list[_Part]


def read_json(path: Path) -> Any:
    """A JSON file. Raises PlacementError: it cannot be read or is none."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise PlacementError(f"{path}: {error.strerror or error}") from None
    except json.JSONDecodeError as error:
        raise PlacementError(f"{path}:{error.lineno}:{error.colno}: not JSON: {error.msg}") from None
    except (UnicodeDecodeError, RecursionError):
        raise PlacementError(f"{path}: not JSON") from None


def _checked(values: Any, model: type[pydantic.BaseModel], path: Path) -> Any:
    if not isinstance(values, dict):
        raise PlacementError(f"{path}: expected a JSON object, got {type(values).__name__}")
    try:
        return model.model_validate(values)
    except pydantic.ValidationError as error:
        raise PlacementError(f"{path}: {describe(error, model)}") from None


def read_graph(path: Path) -> tuple[Graph, Machine]:
    """A graph of the corpus and the machine that its limits describe.

    Raises:
        PlacementError: the file is missing or malformed; says where.
    """
    found: _File = _checked(read_json(path), _File, path)
    number: dict[int, int] = {}
    for index, node in enumerate(found.nodes):
        if number.setdefault(node.id, index) != index:
            raise PlacementError(f"{path}: nodes.{index}: the id {node.id} is there twice")
    costs: dict[int, float] = {}
    sizes: dict[int, float] = {}
    for index, edge in enumerate(found.edges):
        for end in (edge.sourceId, edge.destId):
            if end not in number:
                raise PlacementError(f"{path}: edges.{index}: no node has the id {end}")
        if edge.sourceId == edge.destId:
            raise PlacementError(f"{path}: edges.{index}: node {edge.sourceId} reads itself")
        if abs(costs.setdefault(edge.sourceId, edge.cost) - edge.cost) > _COST_TOLERANCE:
            raise PlacementError(
                f"{path}: edges.{index}: node {edge.sourceId} has outputs of cost {costs[edge.sourceId]:g} and {edge.cost:g}; "
                "every reader gets the same output, so its cost must be one"
            )
        sizes[edge.sourceId] = edge.size or 0.0
    try:
        graph = _graph(path.stem, found, number, costs, sizes)
    except PlacementError as error:
        raise PlacementError(f"{path}: {str(error).removeprefix(f'{path.stem}: ')}") from None
    return graph, corpus_machine(found.maxFPGAs, found.maxCPUs, found.maxSizePerFPGA)


def _graph(name: str, found: _File, number: dict[int, int], costs: dict[int, float], sizes: dict[int, float]) -> Graph:
    n = len(found.nodes)
    names = [node.name for node in found.nodes]
    unique = len(set(names)) == n and all(names)
    return Graph(
        name,
        tuple(names) if unique else tuple(f"{node.name or 'node'}#{node.id}" for node in found.nodes),
        tuple(_type_of(node.name) for node in found.nodes),
        {
            PROCESSOR: np.array([node.cpuLatency for node in found.nodes]),
            ACCELERATOR: np.array([node.fpgaLatency if node.supportedOnFpga else math.inf for node in found.nodes]),
        },
        unique_edges([(number[edge.sourceId], number[edge.destId]) for edge in found.edges]),
        np.array([node.size for node in found.nodes]),
        np.zeros(n),
        np.array([costs.get(node.id, 0.0) for node in found.nodes]),
        np.array([sizes.get(node.id, 0.0) for node in found.nodes]),
        np.array([-1 if node.colorClass is None else node.colorClass for node in found.nodes], dtype=np.int64),
        np.array([node.isBackwardNode for node in found.nodes]),
    )


def corpus_machine(accelerators: int, processors: int, bytes_each: float) -> Machine:
    """Accelerators with so much memory each and a link to the host, then processor cores, which hold anything."""
    if accelerators + processors < 1:
        raise PlacementError("a machine without devices: at least one accelerator or processor core")
    if accelerators + processors > MOST_DEVICES:
        raise PlacementError(f"a machine of {accelerators + processors} devices: expected 1 to {MOST_DEVICES}")
    return Machine(
        (
            *(Device(f"acc{i}", ACCELERATOR, bytes_each, Link()) for i in range(accelerators)),
            *(Device(f"cpu{i}", PROCESSOR) for i in range(processors)),
        ),
        name=f"{accelerators} accelerators, {processors} processor cores",
    )


def _type_of(name: str) -> str:
    """What an operation of the corpus computes, by its name: "MatMul_12" and "MatMul7" are both a MatMul."""
    return name.split("/")[-1].rstrip("0123456789").rstrip("_") or "layer"


def is_split(values: Any) -> bool:
    """Whether JSON holds a person's split of a graph, which is no graph."""
    return isinstance(values, dict) and {"cpus", "fpgas"} <= values.keys() and "nodes" not in values


def read_split(path: Path, graph_path: Path, graph: Graph, machine: Machine) -> Ints:
    """A human expert's split of the corpus on a graph: int64 [N].

    A split of a forward graph serves its training graph too: what it does not name goes where its co-location class is.

    Raises:
        PlacementError: the file is malformed, names what is not there, has more devices than the machine, or leaves operations out.
    """
    found: _Split = _checked(read_json(path), _Split, path)
    nodes = read_json(graph_path).get("nodes")
    if nodes is None:
        raise PlacementError(
            f"{path}: a split names the nodes of a graph of the corpus, and {graph_path} is a stored problem"
        )
    ids = [int(node["id"]) for node in nodes]
    number = {one: index for index, one in enumerate(ids)}
    placement = np.full(len(graph), -1, dtype=np.int64)
    for kind, parts in ((ACCELERATOR, found.fpgas), (PROCESSOR, found.cpus)):
        devices = [i for i, device in enumerate(machine.devices) if device.kind == kind]
        used = [part for part in parts if part.nodes]
        if len(used) > len(devices):
            raise PlacementError(f"{path}: uses {len(used)} devices of kind {kind}, the machine has {len(devices)}")
        for device, part in zip(devices, used, strict=False):
            for one in part.nodes:
                if one not in number:
                    raise PlacementError(f"{path}: node {one} is not in {graph_path}")
                placement[number[one]] = device
    if graph.together is not None:
        for bound in np.unique(graph.together[graph.together >= 0]).tolist():
            members = graph.together == bound
            known = np.unique(placement[members & (placement >= 0)])
            if len(known) > 1:
                raise PlacementError(f"{path}: separates operations of the co-location class {bound}")
            if len(known) == 1:
                placement[members] = known[0]
    missing = np.flatnonzero(placement < 0)
    if len(missing):
        raise PlacementError(f"{path}: says nothing of {graph.operations[missing[0]]} and {len(missing) - 1} others")
    return placement


# --- placements -----------------------------------------------------------------------------------------------------------


def write_placement(path: Path, graph: Graph, machine: Machine, placement: Ints, more: Mapping[str, Any]) -> None:
    """A placement of operations [N] as JSON: the names of the operations on every device, and what else is given."""
    devices = {
        device.name: [graph.operations[op] for op in np.flatnonzero(placement == number)]
        for number, device in enumerate(machine.devices)
    }
    values = {"format": 1, "graph": graph.name, "machine": machine.name, **more, "devices": devices}
    write_atomically(path, (json.dumps(values, indent=1) + "\n").encode(), PlacementError)


def read_placement(path: Path, graph: Graph, machine: Machine) -> Ints:
    """A placement that `write_placement` wrote: int64 [N].

    Raises:
        PlacementError: it is none, is of another graph, names an unknown device, or leaves operations out.
    """
    values = read_json(path)
    devices = values.get("devices") if isinstance(values, dict) else None
    if not isinstance(devices, dict) or values.get("format") != 1:
        raise PlacementError(f"{path}: no placement of format 1 (expected an object with `devices`)")
    number = {name: index for index, name in enumerate(graph.operations)}
    placement = np.full(len(graph), -1, dtype=np.int64)
    for device, names in devices.items():
        index = machine.index(device)
        if not isinstance(names, list):
            raise PlacementError(f"{path}: {device} holds {str(names)[:40]!r}, expected a list of operations")
        for name in names:
            if not isinstance(name, str) or name not in number:
                raise PlacementError(f"{path}: {graph.name} has no operation {str(name)[:80]!r}")
            placement[number[name]] = index
    missing = np.flatnonzero(placement < 0)
    if len(missing):
        raise PlacementError(f"{path}: says nothing of {graph.operations[missing[0]]} and {len(missing) - 1} others")
    return placement
