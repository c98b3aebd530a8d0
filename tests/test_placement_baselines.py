"""Baselines and bounds against brute force."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from alphago.controller.placement import annealing, heuristics, partition
from alphago.controller.placement.bounds import critical_path, even_work, simple_bound, solver_bound
from alphago.controller.placement.compare import arrival, baselines
from alphago.controller.placement.contiguous import best_contiguous
from alphago.controller.placement.corpus import read_graph, read_split
from alphago.controller.placement.graph import Device, Graph, Link, Machine, PlacementError, unique_edges
from alphago.controller.placement.problem import Problem
from alphago.controller.placement.source import Step
from placement_helpers import chain, machine, random_graph

RULES = [
    heuristics.alone,
    heuristics.fill,
    heuristics.fill_evenly,
    heuristics.topological,
    heuristics.heft,
    heuristics.earliest_first,
]


def every(problem: Problem) -> NDArray[np.int64]:
    """All placements of a small problem's groups."""
    return np.array(list(itertools.product(range(problem.devices), repeat=problem.groups)), dtype=np.int64)


def best(problem: Problem) -> float:
    costs = problem.costs(every(problem))
    return float(costs.ms[costs.fits].min())


def contiguous_by_hand(problem: Problem, placement: NDArray[np.int64]) -> bool:
    """Whether the devices have an order in which every forward edge between groups leads to the same one or a later one."""
    for order in itertools.permutations(range(problem.devices)):
        rank = np.argsort(order)
        if all(rank[placement[a]] <= rank[placement[b]] for a, b in problem.forward_edges):
            return True
    return False


# --- the exact contiguous optimum ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(10))
def test_the_contiguous_optimum_is_that_of_all_placements_tried(seed: int) -> None:
    graph = random_graph(seed, 7, kinds=("gpu", "cpu"))
    link = Link()
    devices = [Device(f"g{i}", "gpu", 12.0 if seed % 2 else np.inf, link) for i in range(2)]
    problem = Problem(graph, Machine((*devices, Device("cpu", "cpu"))), "throughput")
    found = best_contiguous(problem)
    wanted = min(
        ms
        for placement, ms, fits in zip(every(problem), *_parts(problem), strict=True)
        if fits and contiguous_by_hand(problem, placement)
    )
    assert found.ms == pytest.approx(wanted, abs=1e-9)
    assert problem.cost(found.placement) == pytest.approx(found.ms, abs=1e-9)
    assert contiguous_by_hand(problem, found.placement)


@pytest.mark.parametrize("seed", range(4))
def test_the_contiguous_optimum_of_links_that_cost_less_one_way(seed: int) -> None:
    """Processor cores: the copy out of one takes time, the way in takes none; the optimum is still that of all placements tried."""
    link = Link(2.0, 0.25, blocks=True, reads_in_place=True)
    graph = random_graph(seed, 7, activations=True)
    graph = Graph(**{**{name: getattr(graph, name) for name in graph.__dataclass_fields__}, "transfer_ms": None})
    problem = Problem(graph, Machine(tuple(Device(f"core{i}", "gpu", link=link) for i in range(3))), "throughput")
    assert problem.tables.out_ms.any() and not problem.tables.in_ms.any()
    found = best_contiguous(problem)
    tried = zip(every(problem), *_parts(problem), strict=True)
    wanted = min(ms for placement, ms, fits in tried if fits and contiguous_by_hand(problem, placement))
    assert found.ms == pytest.approx(wanted, abs=1e-9) == problem.cost(found.placement)


@pytest.mark.parametrize("seed", range(4))
def test_the_contiguous_optimum_holds_what_it_reads(seed: int) -> None:
    """Memory that counts copies of outputs, too: still the best of all contiguous placements that fit, and the solver agrees."""
    graph = random_graph(seed, 6, activations=True)
    room = float(graph.memory.sum() + graph.activations.sum()) * 0.6
    problem = Problem(graph, machine(2, memory=room, host=True), "throughput")
    tried = zip(every(problem), *_parts(problem), strict=True)
    wanted = min(ms for placement, ms, fits in tried if fits and contiguous_by_hand(problem, placement))
    found = best_contiguous(problem)
    assert found.ms == pytest.approx(wanted, abs=1e-9) == problem.cost(found.placement)
    assert solver_bound(problem, 20.0).ms == pytest.approx(best(problem), rel=1e-6)


def _parts(problem: Problem) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    costs = problem.costs(every(problem))
    return costs.ms, costs.fits


def test_backward_operations_follow_their_class() -> None:
    """A training chain: gradients read in the other direction and are bound to their operation; a cut pays both ways."""
    n = 4
    forward = [(i, i + 1) for i in range(n - 1)]
    backward = [(n + i + 1, n + i) for i in range(n - 1)]
    graph = Graph(
        "training",
        tuple(f"op{i}" for i in range(2 * n)),
        ("t",) * (2 * n),
        {"gpu": np.array([1.0, 2.0, 3.0, 4.0, 2.0, 4.0, 6.0, 8.0])},
        unique_edges([*forward, *backward, (n - 1, 2 * n - 1)]),
        np.ones(2 * n),
        np.zeros(2 * n),
        np.full(2 * n, 0.5),
        None,
        np.array([*range(n), *range(n)]),
        np.array([False] * n + [True] * n),
    )
    problem = Problem(graph, machine(2), "throughput")
    # 3 + 6 + 9 | 12: each side pays for one output forward and one back
    assert best_contiguous(problem).ms == 18.0 + 2 * 0.5
    assert problem.order.tolist() == [0, 1, 2, 3]


def test_too_many_ideals_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    from alphago.controller.placement import contiguous

    monkeypatch.setattr(contiguous, "MOST_IDEALS", 10)
    wide = Graph(
        "wide", tuple("abcdef"), ("t",) * 6, {"gpu": np.ones(6)}, np.zeros((0, 2), np.int64), np.ones(6), np.zeros(6)
    )
    with pytest.raises(PlacementError, match="more than 10 ideals"):
        best_contiguous(Problem(wide, machine(2), "throughput"))


def test_the_published_optima_and_experts(shared_data: Path) -> None:
    """Small graphs of the corpus: the optimum is under the expert and over the even share of the work."""
    folder = shared_data / "placement"
    for name in ("bert24_inference", "resnet50_inference"):
        path = folder / "throughput-inputs" / "LayerGraphs" / f"{name}.json"
        graph, where = read_graph(path)
        problem = Problem(graph, where, "throughput")
        found = best_contiguous(problem)
        expert = read_split(folder / "human-experts" / f"{name}_expert.json", path, graph, where)
        assert even_work(problem) <= found.ms <= float(problem.costs_of_operations(expert[None]).ms[0])
        assert problem.cost(found.placement) == pytest.approx(found.ms)


# --- rules ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("seed", range(4))
def test_rules_give_placements_within_memory(rule: object, seed: int) -> None:
    graph = random_graph(seed, 20)
    room = float(graph.memory.sum()) / 2
    problem = Problem(graph, machine(3, memory=room, host=True))
    found = rule(problem)  # type: ignore[operator]
    costs = problem.costs(found[None])
    assert found.shape == (problem.groups,) and costs.fits[0]
    assert costs.ms[0] >= simple_bound(problem) - 1e-9


def test_list_schedulers_share_out_what_is_independent() -> None:
    """Six equal operations without edges on three devices: two each."""
    graph = Graph(
        "free",
        tuple("abcdef"),
        ("t",) * 6,
        {"gpu": np.full(6, 2.0)},
        np.zeros((0, 2), np.int64),
        np.ones(6),
        np.zeros(6),
    )
    problem = Problem(graph, machine(3))
    for rule in (heuristics.heft, heuristics.earliest_first):
        assert problem.cost(rule(problem)) == 4.0


def test_list_schedulers_leave_a_chain_on_one_device() -> None:
    problem = Problem(chain([1.0, 2.0, 1.0, 2.0], transfer=3.0), machine(3))
    for rule in (heuristics.heft, heuristics.earliest_first):
        assert problem.cost(rule(problem)) == 6.0


def test_bound_operations_stay_together() -> None:
    graph = random_graph(5, 16)
    bound = np.full(16, -1)
    bound[[1, 6, 11]] = 0
    graph = Graph(**{**{name: getattr(graph, name) for name in graph.__dataclass_fields__}, "together": bound})
    problem = Problem(graph, machine(3))
    for rule in RULES:
        placement = problem.expanded(rule(problem)[None])[0]
        assert placement[1] == placement[6] == placement[11]


@pytest.mark.parametrize("cut", [partition.metis, partition.scotch])
def test_partitions_balance_work_and_cut_little(cut: object) -> None:
    """Two cliques with one thin edge between them: the cut is there."""
    pairs = [(a, b) for a in range(4) for b in range(a + 1, 4)]
    pairs += [(a + 4, b + 4) for a, b in pairs] + [(3, 4)]
    graph = Graph("cliques", tuple("abcdefgh"), ("t",) * 8, {"gpu": np.ones(8)}, unique_edges(pairs), np.ones(8), np.zeros(8),
                  np.array([9.0, 9, 9, 1, 9, 9, 9, 9]))  # fmt: skip
    problem = Problem(graph, machine(2), "throughput")
    pytest.importorskip("pymetis" if cut is partition.metis else "pyscotch")
    found = cut(problem)  # type: ignore[operator]
    assert sorted(np.bincount(found, minlength=2).tolist()) == [4, 4]
    assert len(set(found[:4].tolist())) == 1
    assert (cut(problem) == found).all()  # type: ignore[operator]


# --- searches and bounds ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("objective", ["latency", "throughput"])
def test_annealing_and_random_search_find_the_best_of_few(objective: str) -> None:
    problem = Problem(random_graph(7, 7), machine(2, memory=14.0, host=True), objective)  # type: ignore[arg-type]
    wanted = best(problem)
    annealed = annealing.anneal(problem, 4000, seed=1)
    assert annealed.ms == wanted and annealed.placement is not None and problem.cost(annealed.placement) == wanted
    assert annealed.placements == 4000
    drawn = annealing.random_search(problem, 6000, seed=1)
    assert drawn.ms == wanted and drawn.placements == 6000
    for tried in (annealed, drawn):
        counts = [step.placements for step in tried.steps]
        costs = [step.ms for step in tried.steps]
        assert counts == sorted(counts) and costs == sorted(costs, reverse=True) and costs[-1] == wanted
    assert annealing.anneal(problem, 500, seed=3).ms == annealing.anneal(problem, 500, seed=3).ms


def test_searches_say_when_nothing_fits() -> None:
    """Three operations of 6 bytes on two devices of 10: no placement fits, whatever is tried."""
    problem = Problem(chain([1.0] * 3, memory=6.0), machine(2, memory=10.0))
    assert annealing.random_search(problem, 300).placement is None
    assert annealing.anneal(problem, 300).placement is None


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("objective", ["latency", "throughput"])
def test_bounds_hold(seed: int, objective: str) -> None:
    """Under the best of all placements; for throughput the solver's, given time, is that best."""
    problem = Problem(random_graph(seed, 6), machine(2, memory=14.0, host=True), objective)  # type: ignore[arg-type]
    wanted = best(problem)
    assert simple_bound(problem) <= wanted + 1e-6
    found = solver_bound(problem, 20.0)
    assert found.ms <= wanted + 1e-6
    if objective == "throughput":
        assert found.is_optimal and found.ms == pytest.approx(wanted, rel=1e-3)
    assert critical_path(problem) <= problem.serial_ms


def test_the_table_has_every_method() -> None:
    problem = Problem(random_graph(3, 12), machine(2, host=True), "throughput")
    expert = np.zeros(12, dtype=np.int64)
    rows = list(baselines(problem, placements=500, seconds=20.0, expert=expert))
    names = [row.method for row in rows]
    assert len(set(names)) == len(names)
    assert {
        "human expert",
        "HEFT",
        "m-ETF",
        "m-TOPO",
        "METIS",
        "Scotch",
        "contiguous optimum",
        "random search",
        "simulated annealing",
    } <= set(names)
    for row in rows:
        if row.placement is not None:
            assert row.ms == problem.costs_of_operations(row.placement[None]).ms[0]
        else:
            assert row.note
        assert bool(row.steps) == (row.method in ("random search", "simulated annealing"))
        assert all(step.ms >= row.ms for step in row.steps) and (not row.steps or row.steps[-1].ms == row.ms)
    hurried = {row.method: row for row in baselines(problem, placements=10**9, seconds=0.0)}
    assert hurried["random search"].placements == 0 and hurried["random search"].note == "ended after 0 s"


def test_arrival_is_the_first_within_five_percent() -> None:
    steps = tuple(Step(count, ms) for count, ms in ((1, 200.0), (10, 105.1), (30, 104.9), (90, 100.0)))
    assert arrival(steps, 100.0) == 30 and arrival(steps[:2], 100.0) is None
