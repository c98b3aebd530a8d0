"""A problem as one JSON file, so that measured times are measured once: a search that goes on has the very same problem."""

from __future__ import annotations

import hashlib
import json
import math
from pathlib import Path
from typing import Any, Final

import numpy as np

from alphago.controller.placement.corpus import read_graph, read_json
from alphago.controller.placement.graph import Device, Graph, Link, Machine, PlacementError
from alphago.controller.placement.problem import OBJECTIVES, QUEUES, Problem
from alphago.files import write_atomically

FORMAT: Final = "alphago-placement-problem-1"


def problem_values(problem: Problem) -> dict[str, Any]:
    """All that makes a problem, as JSON holds it."""
    graph, machine = problem.graph, problem.machine

    def numbers(array: Any) -> list[Any] | None:
        return None if array is None else [_finite(value) for value in array.tolist()]

    return {
        "format": FORMAT,
        "objective": problem.objective,
        "queue": problem.queue,
        "groups": problem.group_of.tolist(),
        "graph": {
            "name": graph.name,
            "operations": list(graph.operations),
            "types": list(graph.types),
            "times": {kind: numbers(times) for kind, times in graph.times.items()},
            "edges": graph.edges.tolist(),
            "memory": numbers(graph.memory),
            "activations": numbers(graph.activations),
            "transfer_ms": numbers(graph.transfer_ms),
            "output_bytes": numbers(graph.output_bytes),
            "together": None if graph.together is None else graph.together.tolist(),
            "backward": None if graph.backward is None else graph.backward.tolist(),
            "shapes": [list(shape) for shape in graph.shapes],
        },
        "machine": {
            "name": machine.name,
            "delay_ms": machine.delay_ms,
            "devices": [_device_values(device) for device in machine.devices],
        },
    }


def digest(problem: Problem) -> str:
    """What tells a problem from every other: 16 characters."""
    text = json.dumps(problem_values(problem), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def write_problem(path: Path, problem: Problem) -> None:
    """Raises PlacementError: it cannot be written."""
    write_atomically(path, (json.dumps(problem_values(problem)) + "\n").encode(), PlacementError)


def read_problem(path: Path) -> Problem:
    """The problem that `write_problem` wrote. Raises PlacementError: the file is missing or damaged."""
    values = read_json(path)
    if not is_problem(values):
        raise PlacementError(f"{path}: no placement problem (expected an object of format {FORMAT!r})")
    try:
        g, m = values["graph"], values["machine"]
        graph = Graph(
            str(g["name"]),
            tuple(g["operations"]),
            tuple(g["types"]),
            {kind: _array(times) for kind, times in g["times"].items()},
            np.array(g["edges"], dtype=np.int64).reshape(-1, 2),
            _array(g["memory"]),
            _array(g["activations"]),
            None if g["transfer_ms"] is None else _array(g["transfer_ms"]),
            None if g["output_bytes"] is None else _array(g["output_bytes"]),
            None if g["together"] is None else np.array(g["together"], dtype=np.int64),
            None if g["backward"] is None else np.array(g["backward"], dtype=bool),
            tuple(tuple(shape) for shape in g["shapes"]),
        )
        machine = Machine(tuple(_device(row) for row in m["devices"]), float(m["delay_ms"]), str(m["name"]))
        groups = np.array(values["groups"], dtype=np.int64)
        for name, known in (("objective", OBJECTIVES), ("queue", QUEUES)):
            if values[name] not in known:
                raise PlacementError(f"{path}: {name} {values[name]!r}: {', '.join(known)}")
        return Problem(graph, machine, values["objective"], groups, values["queue"])
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        if isinstance(error, PlacementError):
            raise
        raise PlacementError(f"{path}: damaged: {type(error).__name__}: {error}") from None


def is_problem(values: Any) -> bool:
    """Whether JSON holds a problem of this format."""
    return isinstance(values, dict) and values.get("format") == FORMAT


def read_any(path: Path) -> tuple[Graph, Machine, Problem | None]:
    """A graph and its machine from a file of the corpus, or from one that `write_problem` wrote: then the problem too.

    Raises:
        PlacementError: it is neither.
    """
    if is_problem(read_json(path)):
        problem = read_problem(path)
        return problem.graph, problem.machine, problem
    return (*read_graph(path), None)


def _array(values: list[Any]) -> Any:
    return np.array([math.inf if value is None else value for value in values], dtype=np.float64)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _device_values(device: Device) -> dict[str, Any]:
    link = device.link
    return {
        "name": device.name,
        "kind": device.kind,
        "memory": _finite(device.memory),
        "link": None
        if link is None
        else {
            "bytes_per_ms": _finite(link.bytes_per_ms),
            "latency_ms": link.latency_ms,
            "blocks": link.blocks,
            "reads_in_place": link.reads_in_place,
        },
    }


def _device(values: dict[str, Any]) -> Device:
    link = values["link"]
    memory = math.inf if values["memory"] is None else float(values["memory"])
    if link is None:
        return Device(str(values["name"]), str(values["kind"]), memory)
    speed = math.inf if link["bytes_per_ms"] is None else float(link["bytes_per_ms"])
    made = Link(speed, float(link["latency_ms"]), bool(link["blocks"]), bool(link["reads_in_place"]))
    return Device(str(values["name"]), str(values["kind"]), memory, made)
