"""Graphs, machines and their files: what is malformed is one clear line, what is written is read again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import networkx
import numpy as np
import pytest

from alphago.controller.placement import example
from alphago.controller.placement.corpus import (
    read_graph,
    read_placement,
    read_split,
    write_placement,
)
from alphago.controller.placement.estimates import with_backward
from alphago.controller.placement.graph import Device, Graph, Link, Machine, PlacementError, canonical, unique_edges
from alphago.controller.placement.grouping import grouped
from alphago.controller.placement.problem import Problem, numbered
from alphago.controller.placement.stored import digest, read_any, read_problem, write_problem
from placement_helpers import chain, machine, random_graph


def small(**more: Any) -> dict[str, Any]:
    """A graph of the corpus' format."""
    node: dict[str, Any] = {
        "supportedOnFpga": True,
        "cpuLatency": 4.0,
        "fpgaLatency": 2.0,
        "isBackwardNode": False,
        "size": 10.0,
    }
    values = {
        "maxSizePerFPGA": 20.0,
        "maxFPGAs": 2,
        "maxCPUs": 1,
        "nodes": [{**node, "id": 7}, {**node, "id": 3}, {**node, "id": 5, "supportedOnFpga": False}],
        "edges": [{"sourceId": 7, "destId": 3, "cost": 1.0}, {"sourceId": 3, "destId": 5, "cost": 0.5}],
    }
    return values | more


def written(path: Path, values: Any) -> Path:
    path.write_text(values if isinstance(values, str) else json.dumps(values), encoding="utf-8")
    return path


def test_a_file_of_the_corpus_is_read_as_it_says(tmp_path: Path) -> None:
    graph, found = read_graph(written(tmp_path / "a.json", small()))
    assert graph.operations == ("node#7", "node#3", "node#5")
    assert graph.edges.tolist() == [[0, 1], [1, 2]]
    assert graph.times["accelerator"].tolist() == [2.0, 2.0, np.inf]
    assert graph.transfer_ms is not None and graph.transfer_ms.tolist() == [1.0, 0.5, 0.0]
    assert [(device.kind, device.memory) for device in found.devices] == [
        ("accelerator", 20.0),
        ("accelerator", 20.0),
        ("cpu", np.inf),
    ]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ("{", "not JSON"),
        ("[]", "expected a JSON object, got list"),
        ({"nodes": []}, "maxSizePerFPGA is missing"),
        (small(nodes=[]), "nodes: list should have at least 1 item"),
        (small(maxFPGAs="many"), "maxFPGAs: input should be a valid integer"),
        (small(maxFPGAs=0, maxCPUs=0), "a machine without devices"),
        (small(maxFPGAs=10**9), "devices: expected 1 to 62"),
        (small(nodes=[{**small()["nodes"][0], "colorClass": 2**70}]), "colorClass: input should be less than"),
        (small(nodes=[*small()["nodes"], small()["nodes"][0]]), "nodes.3: the id 7 is there twice"),
        (small(edges=[{"sourceId": 7, "destId": 9, "cost": 1}]), "edges.0: no node has the id 9"),
        (small(edges=[{"sourceId": 7, "destId": 7, "cost": 1}]), "edges.0: node 7 reads itself"),
        (
            small(edges=[{"sourceId": 7, "destId": 3, "cost": 1}, {"sourceId": 7, "destId": 5, "cost": 2}]),
            "edges.1: node 7 has outputs of cost 1 and 2",
        ),
        (
            small(edges=[{"sourceId": a, "destId": b, "cost": 1} for a, b in ((7, 3), (3, 5), (5, 7))]),
            "bad.json: operations wait for each other: node#7 -> node#3 -> node#5 -> node#7",
        ),
        (
            small(edges=[{"sourceId": 7, "destId": 3, "cost": -1}]),
            "edges.0.cost: input should be greater than or equal to 0",
        ),
    ],
)
def test_a_malformed_graph_is_one_clear_line(tmp_path: Path, values: Any, message: str) -> None:
    with pytest.raises(PlacementError) as caught:
        read_graph(written(tmp_path / "bad.json", values))
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_limits_that_nothing_can_keep_are_named(tmp_path: Path) -> None:
    graph, _ = read_graph(written(tmp_path / "a.json", small()))
    link = Link()
    one = Machine((Device("acc", "accelerator", 100.0, link),))
    with pytest.raises(PlacementError, match="no device can hold and compute node#5"):
        Problem(graph, one)
    tight = Machine((Device("acc", "accelerator", 5.0, link), Device("cpu", "cpu", 12.0)))
    with pytest.raises(PlacementError, match="needs 30 bytes, all devices together have 17"):
        Problem(graph, tight)
    with pytest.raises(PlacementError, match=r"device gpu is a 'gpu': .* has times for cpu, accelerator"):
        Problem(graph, Machine((Device("gpu", "gpu"),)))
    with pytest.raises(PlacementError, match="unknown objective"):
        Problem(graph, tight, "speed")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"operations": ("a", "a", "b")}, "two operations are called 'a'"),
        ({"memory": np.array([1.0, np.nan, 1.0])}, "memory of op1 is nan"),
        ({"times": {"gpu": np.array([1.0, -1.0, 1.0])}}, "op1 takes -1.0 ms on gpu"),
        ({"times": {"gpu": np.ones(2)}}, r"times\[gpu\] has 2 rows for 3 operations"),
        ({"edges": np.array([[0, 3]])}, "an edge leads to an operation that is not there"),
        ({"edges": np.array([[0, 1], [0, 1]])}, "an edge is there twice"),
        ({"times": {}}, "no kind of device has times"),
    ],
)
def test_a_graph_that_does_not_fit_together_is_refused(change: dict[str, Any], message: str) -> None:
    good = chain([1.0, 2.0, 3.0])
    with pytest.raises(PlacementError, match=message):
        Graph(**{**{name: getattr(good, name) for name in good.__dataclass_fields__}, **change})


def test_machines_are_checked() -> None:
    with pytest.raises(PlacementError, match="two devices are called 'a'"):
        Machine((Device("a", "gpu"), Device("a", "gpu")))
    with pytest.raises(PlacementError, match="0 bytes of memory"):
        Device("a", "gpu", 0.0)
    with pytest.raises(PlacementError, match="expected more than 0"):
        Link(bytes_per_ms=0.0)
    with pytest.raises(PlacementError, match="no device 'c': the machine has a, b"):
        Machine((Device("a", "gpu"), Device("b", "gpu"))).index("c")


@pytest.mark.parametrize("seed", range(10))
def test_the_order_is_one(seed: int) -> None:
    """Topological, by the word of networkx; and a graph with a cycle names one that is there."""
    graph = random_graph(seed, 20)
    found = networkx.DiGraph(graph.edges.tolist())
    found.add_nodes_from(range(20))
    position = {op: place for place, op in enumerate(graph.order.tolist())}
    assert sorted(position) == list(range(20)) and networkx.is_directed_acyclic_graph(found)
    assert all(position[a] < position[b] for a, b in graph.edges.tolist())
    a, b = graph.edges[0].tolist()
    with pytest.raises(PlacementError, match=rf"operations wait for each other: .*op{a} -> op{b}|op{b} -> op{a}"):
        Graph(
            graph.name, graph.operations, graph.types, graph.times, unique_edges([*map(tuple, graph.edges.tolist()), (b, a)]),
            graph.memory, graph.activations, graph.transfer_ms,
        )  # fmt: skip


def test_the_example_is_what_its_rule_makes() -> None:
    assert json.loads(example.example_path().read_text()) == example.example()
    graph, found = read_graph(example.example_path())
    assert len(graph) == 63 and len(found) == 4
    problem = Problem(graph, found, "latency")
    assert problem.groups == 60  # two operations of each of three layers are bound together
    assert not np.isfinite(problem.cost(np.zeros(problem.groups, dtype=np.int64)))  # one accelerator does not hold it


def test_problems_are_read_as_they_were_written(tmp_path: Path) -> None:
    graph = random_graph(3, 15, kinds=("gpu", "cpu"), activations=True)
    bound = np.full(15, -1)
    bound[[2, 5]] = 4
    graph = Graph(**{**{name: getattr(graph, name) for name in graph.__dataclass_fields__}, "together": bound})
    link = Link(2.0, 0.25, blocks=True, reads_in_place=True)
    where = Machine((Device("a", "gpu", 40.0, link), Device("b", "cpu")), 0.5, "two")
    problem = Problem(graph, where, "throughput", queue="fifo")
    path = tmp_path / "p.json"
    write_problem(path, problem)
    again = read_problem(path)
    assert digest(again) == digest(problem)
    placements = np.random.default_rng(0).integers(0, 2, (20, problem.groups))
    assert (again.costs(placements).ms == problem.costs(placements).ms).all()
    assert again.queue == "fifo" and again.machine == where
    assert read_any(path)[2] is not None and read_any(example.example_path())[2] is None
    values = json.loads(path.read_text())
    del values["graph"]["edges"]
    with pytest.raises(PlacementError, match="damaged: KeyError"):
        read_problem(written(path, values))


def test_damaged_problems_are_named(tmp_path: Path) -> None:
    path = tmp_path / "problem.json"
    write_problem(path, Problem(random_graph(1), machine(3), "latency", None, "fifo"))
    values = json.loads(path.read_text())
    graph = values["graph"]
    for change, message in (
        ({"queue": "lifo"}, "queue 'lifo': longest, fifo"),
        ({"objective": "speed"}, "objective 'speed': latency, throughput"),
        ({"graph": {**graph, "times": [1, 2]}}, "damaged: AttributeError"),
        ({"graph": {**graph, "edges": [[0, 2**70]]}}, "damaged: OverflowError"),
    ):
        with pytest.raises(PlacementError, match=message):
            read_problem(written(path, {**values, **change}))


def test_placements_are_read_as_they_were_written(tmp_path: Path) -> None:
    graph, where = random_graph(1), machine(3)
    placement = np.random.default_rng(0).integers(0, 3, len(graph))
    path = tmp_path / "placement.json"
    write_placement(path, graph, where, placement, {"ms": 1.5})
    assert (read_placement(path, graph, where) == placement).all()
    values = json.loads(path.read_text())
    assert values["ms"] == 1.5 and values["devices"]["gpu1"] == [f"op{op}" for op in np.flatnonzero(placement == 1)]
    for change, message in (
        ({"devices": {"tpu": ["op0"]}}, "no device 'tpu': the machine has gpu0, gpu1, gpu2"),
        ({"devices": {"gpu0": ["op99"]}}, "has no operation 'op99'"),
        ({"devices": {"gpu0": 5}}, "gpu0 holds '5', expected a list of operations"),
        ({"devices": {"gpu0": [["op0"]]}}, "has no operation"),
        ({"devices": {"gpu0": ["op0"]}}, "says nothing of op1 and 10 others"),
        ({"format": 9}, "no placement of format 1"),
    ):
        with pytest.raises(PlacementError, match=message):
            read_placement(written(path, {**values, **change}), graph, where)


def test_equal_placements_have_one_canonical_form() -> None:
    """Exchanging devices that are alike changes nothing; exchanging others does."""
    where = Machine((*machine(3).devices, Device("other", "gpu")))
    random = np.random.default_rng(0)
    order = random.permutation(8)
    placements = random.integers(0, 4, (50, 8))
    exchanged = np.array([2, 0, 1, 3])[placements]
    assert (canonical(placements, where, order) == canonical(exchanged, where, order)).all()
    assert (canonical(canonical(placements, where, order), where, order) == canonical(placements, where, order)).all()
    problem = Problem(random_graph(5, 8), where)
    assert (problem.costs(placements).ms == problem.costs(canonical(placements, where, order)).ms).all()


def test_groups_keep_what_is_bound_together() -> None:
    graph = random_graph(2, 30)
    bound = np.full(30, -1)
    bound[[0, 7, 9]], bound[[3, 4]] = 1, 2
    graph = Graph(**{**{name: getattr(graph, name) for name in graph.__dataclass_fields__}, "together": bound})
    for rule in ("bound", "chains", "paper"):
        groups = numbered(grouped(graph, rule, largest=0.2), graph)
        assert groups[0] == groups[7] == groups[9] and groups[3] == groups[4]
        assert sorted(set(groups.tolist())) == list(range(groups.max() + 1))
    loose = np.arange(30)
    with pytest.raises(PlacementError, match="is bound to operations of another group"):
        Problem(graph, machine(2), groups=loose)
    with pytest.raises(PlacementError, match="unknown rule of grouping"):
        grouped(graph, "metis")  # type: ignore[arg-type]


@pytest.mark.parametrize("seed", range(5))
def test_chains_make_no_circles_and_stay_small(seed: int) -> None:
    graph = random_graph(seed, 40)
    groups = numbered(grouped(graph, "chains", largest=0.15), graph)
    found = networkx.DiGraph([(a, b) for a, b in groups[graph.edges].tolist() if a != b])
    assert networkx.is_directed_acyclic_graph(found)
    work = np.bincount(groups, graph.times["gpu"])
    alone = np.bincount(groups) == 1
    assert (work[~alone] <= 0.15 * work.sum() + 1e-9).all()
    assert groups.max() + 1 < 40


def test_chains_keep_to_bytes_and_to_what_devices_can() -> None:
    """Sixty operations in a row, the last twenty of which only a processor can compute, of 1 byte each and outputs of 1 byte."""
    graph = chain([1.0] * 60)
    gpu = np.where(np.arange(60) < 40, 1.0, np.inf)
    fields = {name: getattr(graph, name) for name in graph.__dataclass_fields__}
    graph = Graph(**{**fields, "times": {"gpu": gpu, "cpu": np.full(60, 4.0)}, "activations": np.ones(60)})
    groups = numbered(grouped(graph, "chains", largest=1.0, most_bytes=10.0), graph)
    assert 2 <= np.bincount(groups).max() <= 5  # of two bytes each
    assert all(len(set(np.isinf(gpu[groups == group]).tolist())) == 1 for group in range(groups.max() + 1))
    assert len(set(grouped(graph, "chains", largest=1.0).tolist())) == 2  # those of either kind


def test_the_rule_of_2017_joins_what_only_one_reads() -> None:
    """A chain of five is one group; a fork stays apart."""
    assert len(set(grouped(chain([1.0] * 5), "paper").tolist())) == 1
    fork = Graph(
        "fork", ("a", "b", "c", "d"), ("t",) * 4, {"gpu": np.ones(4)}, np.array([[0, 1], [0, 2], [1, 3], [2, 3]]),
        np.ones(4), np.zeros(4),
    )  # fmt: skip
    groups = grouped(fork, "paper")
    assert len(set(groups.tolist())) == 2 and groups[1] == groups[2] == groups[3] != groups[0]
    by_scope = grouped(fork, "paper", scopes=["s", "s", "t", "t"])
    assert len(set(by_scope.tolist())) == 1


def test_the_rule_of_2017_leaves_a_training_step_in_pieces() -> None:
    """The gradient of an operation reads its output too, and goes where the operation is: nothing is read by one alone."""
    step = with_backward(chain([1.0] * 5))
    groups = grouped(step, "paper")
    assert len(set(groups.tolist())) == 5
    assert (groups[:5] == groups[5:]).all()
    joined = grouped(step, "paper", scopes=["s", "s", "t", "u", "v"] * 2)
    assert len(set(joined.tolist())) == 4


def test_an_expert_is_read_and_serves_the_training_graph(tmp_path: Path) -> None:
    values = small()
    for node in values["nodes"]:
        node["supportedOnFpga"] = True
        node["colorClass"] = node["id"]
    mirror = {**values["nodes"][0], "id": 70, "isBackwardNode": True, "colorClass": 7}
    path = written(tmp_path / "g.json", {**values, "nodes": [*values["nodes"], mirror]})
    graph, where = read_graph(path)
    split = {"cpus": [{"nodes": []}], "fpgas": [{"nodes": [7]}, {"nodes": [3, 5]}]}
    assert read_split(written(tmp_path / "s.json", split), path, graph, where).tolist() == [0, 1, 1, 0]
    for change, message in (
        ({"fpgas": [{"nodes": [7]}]}, "says nothing of node#3 and 1 others"),
        ({"fpgas": [{"nodes": [1]}]}, "node 1 is not in"),
        (
            {"fpgas": [{"nodes": [7]}, {"nodes": [3]}, {"nodes": [5]}]},
            "uses 3 devices of kind accelerator, the machine has 2",
        ),
        ({"fpgas": [{"nodes": [7, 3, 5]}, {"nodes": [70]}]}, "separates operations of the co-location class 7"),
    ):
        with pytest.raises(PlacementError, match=message):
            read_split(written(tmp_path / "s.json", {**split, **change}), path, graph, where)


def test_the_corpus_is_read(shared_data: Path) -> None:
    """All 18 graphs, and the four human splits on the graphs that they are for."""
    folder = shared_data / "placement"
    files = sorted(folder.glob("*-inputs/*/*.json"))
    assert len(files) == 18
    for path in files:
        graph, where = read_graph(path)
        assert len(graph) >= 32 and len(where) >= 4
    layers = folder / "throughput-inputs" / "LayerGraphs"
    for path in sorted((folder / "human-experts").glob("*.json")):
        graph_path = layers / f"{path.stem.removesuffix('_expert')}.json"
        graph, where = read_graph(graph_path)
        placement = read_split(path, graph_path, graph, where)
        assert Problem(graph, where, "throughput").costs_of_operations(placement[None]).fits[0]
