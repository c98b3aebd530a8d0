"""The simulator: cases solved by hand, a second simulator, bounds that no schedule passes, and the same cost whatever the path."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from numpy.typing import NDArray

from alphago.controller.placement.bounds import critical_path
from alphago.controller.placement.graph import Device, Graph, Link, Machine, unique_edges
from alphago.controller.placement.problem import Problem
from placement_helpers import chain, machine, random_graph, reference_latency, reference_load


def with_activations(graph: Graph, activations: NDArray[np.float64]) -> Graph:
    return Graph(**{**{name: getattr(graph, name) for name in graph.__dataclass_fields__}, "activations": activations})


def ms_of(problem: Problem, placement: list[int]) -> float:
    return float(problem.costs_of_operations(np.array([placement])).ms[0])


# --- by hand ------------------------------------------------------------------------------------------------------------


def test_a_chain_pays_for_every_cut() -> None:
    problem = Problem(chain([2.0, 3.0, 4.0], transfer=1.5), machine(2))
    assert ms_of(problem, [0, 0, 0]) == 9.0
    assert ms_of(problem, [0, 0, 1]) == 9.0 + 2 * 1.5  # out of one device, into the other
    assert ms_of(problem, [0, 1, 0]) == 9.0 + 4 * 1.5
    delayed = Problem(chain([2.0, 3.0, 4.0], transfer=1.5), machine(2, delay=0.25))
    assert ms_of(delayed, [0, 1, 0]) == 9.0 + 4 * 1.5 + 2 * 0.25


def test_the_host_pays_nothing_of_its_own() -> None:
    problem = Problem(chain([2.0, 3.0], transfer=1.5), machine(1, host=True))
    assert ms_of(problem, [0, 1]) == 5.0 + 1.5 and ms_of(problem, [1, 0]) == 5.0 + 1.5
    both = Machine((Device("a", "gpu"), Device("b", "gpu")))
    assert ms_of(Problem(chain([2.0, 3.0], transfer=1.5), both), [0, 1]) == 5.0


def diamond(transfer: float = 1.0) -> Graph:
    """a feeds b and c, which feed d: 1, 4, 5 and 2 ms."""
    edges = unique_edges([(0, 1), (0, 2), (1, 3), (2, 3)])
    return Graph(
        "diamond", ("a", "b", "c", "d"), ("t",) * 4, {"gpu": np.array([1.0, 4.0, 5.0, 2.0])}, edges,
        np.ones(4), np.zeros(4), np.full(4, transfer),
    )  # fmt: skip


def test_branches_run_side_by_side() -> None:
    problem = Problem(diamond(), machine(2))
    assert ms_of(problem, [0, 0, 0, 0]) == 12.0
    # a to 1; out 1-2, in 2-3; b on the other device 3-7; out 7-8, in 8-9; c here 1-6; d 9-11
    assert ms_of(problem, [0, 1, 0, 0]) == 11.0
    # the copy goes out once, though two devices read it; each takes it in by itself
    assert ms_of(Problem(diamond(), machine(3)), [0, 1, 2, 0]) == 1 + 2 + 5 + 2 + 2


def test_everything_may_happen_at_one_moment() -> None:
    """As many sources as devices, all ending at once, each read everywhere: every device is told of all outputs together."""
    d = 20
    edges = unique_edges([(a, d + b) for a in range(d) for b in range(d)])
    ones = np.ones(2 * d)
    names = tuple(f"o{i}" for i in range(2 * d))
    graph = Graph("mesh", names, ("t",) * (2 * d), {"gpu": ones}, edges, ones, np.zeros(2 * d), ones)
    problem = Problem(graph, machine(d))
    placement = [*range(d), *range(d)]
    # compute to 1, out to 2, 19 copies in one after the other, compute
    assert ms_of(problem, placement) == reference_latency(problem, np.array(placement))[0] == 1 + 1 + (d - 1) + 1


def test_a_link_carries_one_output_at_a_time() -> None:
    """Two sources end at 1 on one device; their outputs leave it one after the other."""
    edges = unique_edges([(0, 2), (1, 3)])
    times = np.array([1.0, 0.0, 1.0, 1.0])
    graph = Graph("two", tuple("abcd"), ("t",) * 4, {"gpu": times}, edges, np.ones(4), np.zeros(4), np.full(4, 2.0))
    problem = Problem(graph, machine(2))
    # a 0-1 and b (of no time) at once; whichever is first out 1-3 or 0-2, the second behind it; in on the other side; compute 1
    assert ms_of(problem, [0, 0, 1, 1]) in (1 + 2 + 2 + 2 + 1, 0 + 2 + 2 + 2 + 1)
    trace = problem.trace(np.array([0, 0, 1, 1]))
    first, second = sorted([(trace.out_starts[op], trace.out_ends[op]) for op in (0, 1)])
    assert second[0] >= first[1]


def test_a_device_that_copies_computes_nothing_meanwhile() -> None:
    """b needs a's output elsewhere; c follows a on the first device, after the copy where the device makes it itself."""
    edges = unique_edges([(0, 1), (0, 2)])
    graph = Graph(
        "copy",
        tuple("abc"),
        ("t",) * 3,
        {"gpu": np.array([1.0, 1.0, 10.0])},
        edges,
        np.ones(3),
        np.zeros(3),
        np.full(3, 2.0),
    )
    assert ms_of(Problem(graph, machine(2)), [0, 1, 0]) == 11.0
    assert ms_of(Problem(graph, machine(2, blocks=True)), [0, 1, 0]) == 13.0


def test_the_longest_way_goes_first() -> None:
    """Of two operations that are ready, the one with the long tail; first come, first served takes the other."""
    edges = unique_edges([(1, 2)])
    graph = Graph(
        "queue",
        tuple("abc"),
        ("t",) * 3,
        {"gpu": np.array([3.0, 1.0, 9.0])},
        edges,
        np.ones(3),
        np.zeros(3),
        np.zeros(3),
    )
    assert ms_of(Problem(graph, machine(2)), [0, 0, 1]) == 10.0
    assert ms_of(Problem(graph, machine(2), queue="fifo"), [0, 0, 1]) == 13.0


def test_memory_is_held_until_the_last_reader() -> None:
    """Outputs of 4 bytes on top of weights of 1: two at a time in a chain; three where a reader comes late."""
    line = chain([1.0, 1.0, 1.0])
    line = Graph(
        **{**{name: getattr(line, name) for name in line.__dataclass_fields__}, "activations": np.full(3, 4.0)}
    )
    assert Problem(line, machine(1)).costs_of_operations(np.zeros((1, 3), int)).held[0, 0] == 3 + 8
    late = Graph(
        **{
            **{name: getattr(line, name) for name in line.__dataclass_fields__},
            "edges": unique_edges([(0, 1), (1, 2), (0, 2)]),
        }
    )
    assert Problem(late, machine(1)).costs_of_operations(np.zeros((1, 3), int)).held[0, 0] == 3 + 12
    # on the other device: what it takes in, and what it makes
    held = Problem(line, machine(2)).costs_of_operations(np.array([[0, 0, 1]])).held[0]
    assert held.tolist() == [2 + 8, 1 + 8]


def test_what_does_not_fit_is_said() -> None:
    """A regression test: the first public hierarchical placer never looked at memory."""
    problem = Problem(chain([1.0] * 4, memory=1.0), machine(2, memory=2.0))
    costs = problem.costs_of_operations(np.array([[0, 0, 0, 1], [0, 0, 1, 1]]))
    assert costs.fits.tolist() == [False, True] and np.isfinite(costs.ms).all()
    slow = chain([1.0, 2.0])
    slow = Graph(
        **{
            **{name: getattr(slow, name) for name in slow.__dataclass_fields__},
            "times": {"gpu": np.array([1.0, np.inf]), "cpu": np.ones(2)},
        }
    )
    mixed = Problem(slow, Machine((Device("a", "gpu", link=Link()), Device("b", "cpu"))))
    found = mixed.costs_of_operations(np.array([[0, 0], [0, 1]]))
    assert found.fits.tolist() == [False, True] and np.isinf(found.ms[0])


def test_throughput_counts_work_and_what_crosses_once_each() -> None:
    problem = Problem(diamond(), machine(3), "throughput")
    assert ms_of(problem, [0, 0, 0, 0]) == 12.0
    assert problem.loads(np.array([0, 1, 2, 0])).tolist() == [1 + 2 + 1 + 2, 4 + 1 + 1, 5 + 1 + 1]
    assert problem.loads(np.array([0, 1, 1, 0])).tolist() == [1 + 2 + 1 + 2, 4 + 5 + 1 + 2, 0]


def test_under_throughput_who_reads_an_output_holds_it_too() -> None:
    """Weights of 1 byte, outputs of 4: a device holds what it makes and, once each, what it reads from elsewhere."""
    graph = with_activations(diamond(), np.full(4, 4.0))
    held = Problem(graph, machine(3), "throughput").costs_of_operations(np.array([[0, 1, 2, 0], [0, 1, 1, 0]])).held
    assert held[0].tolist() == [
        2 * 5 + 2 * 4,
        5 + 4,
        5 + 4,
    ]  # a and d, and what b and c hand on; b and a copy; c and a copy
    assert held[1].tolist() == [2 * 5 + 2 * 4, 2 * 5 + 4, 0]  # b and c read one copy
    tight = Problem(graph, machine(3, memory=17.0), "throughput")
    assert not tight.costs_of_operations(np.array([[0, 1, 2, 0]])).fits[0]


# --- against the second simulator -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("fifo", [False, True])
def test_latency_is_that_of_the_plain_simulator(seed: int, fifo: bool) -> None:
    random = np.random.default_rng(seed)
    graph = random_graph(seed, 14, activations=True)
    where = machine(int(random.integers(1, 5)), delay=[0.0, 0.5][seed % 2], blocks=seed % 3 == 0)
    problem = Problem(graph, where, queue="fifo" if fifo else "longest")
    placements = random.integers(0, len(where), (8, len(graph)))
    costs = problem.costs_of_operations(placements)
    for row, placement in enumerate(placements):
        ms, peaks = reference_latency(problem, placement)
        assert costs.ms[row] == ms
        np.testing.assert_array_equal(costs.held[row], peaks)


@pytest.mark.parametrize("seed", range(6))
def test_latency_with_a_host_is_that_of_the_plain_simulator(seed: int) -> None:
    random = np.random.default_rng(seed)
    problem = Problem(random_graph(seed, 14), machine(2, host=True))
    for placement in random.integers(0, 3, (10, 14)):
        assert problem.costs_of_operations(placement[None]).ms[0] == reference_latency(problem, placement)[0]


def mixed(seed: int, host: bool) -> tuple[Graph, Machine]:
    """Kinds that differ, one of which cannot do everything, links of other speeds and sorts; sums of times are exact."""
    random = np.random.default_rng(seed)
    graph = random_graph(seed, 14, kinds=("gpu", "npu"), activations=True)
    cannot = graph.times["npu"].copy()
    cannot[random.integers(0, 14)] = np.inf
    fields = {name: getattr(graph, name) for name in graph.__dataclass_fields__}
    fields |= {
        "times": {**graph.times, "npu": cannot},
        "transfer_ms": None,
        "output_bytes": random.integers(0, 9, 14) * 4.0,
    }
    made = [
        Device("fast", "gpu", 50.0, Link(16.0, 0.25)),
        Device("slow", "npu", 40.0, Link(4.0, 0.0, blocks=True)),
        Device("core", "gpu", 60.0, Link(8.0, 0.5, blocks=True, reads_in_place=True)),
        Device("other", "npu", 30.0, Link(2.0, reads_in_place=True)),
    ]
    return Graph(**fields), Machine((*made, Device("host", "gpu")) if host else tuple(made), [0.0, 0.25][seed % 2])


@pytest.mark.parametrize("seed", range(8))
def test_devices_and_links_that_differ_are_those_of_the_plain_simulator(seed: int) -> None:
    graph, where = mixed(seed, seed % 3 == 0)
    both = [
        Problem(graph, where, "latency", None, "fifo" if seed % 4 == 1 else "longest"),
        Problem(graph, where, "throughput"),
    ]
    for placement in np.random.default_rng(seed).integers(0, len(where), (12, 14)):
        unable = any(np.isinf(both[0].tables.times[op, device]) for op, device in enumerate(placement))
        found = [problem.costs_of_operations(placement[None]) for problem in both]
        if unable:
            assert not found[0].fits[0] and np.isinf(found[0].ms[0])
            continue
        ms, peaks = reference_latency(both[0], placement)
        assert found[0].ms[0] == ms and found[0].fits[0] == (peaks <= both[0].limits).all()
        np.testing.assert_array_equal(found[0].held[0], peaks)
        assert found[1].ms[0] == reference_load(both[1], placement)


@pytest.mark.parametrize("seed", range(6))
def test_throughput_is_that_of_sets(seed: int) -> None:
    problem = Problem(random_graph(seed, 14), machine(3, host=True), "throughput")
    for placement in np.random.default_rng(seed).integers(0, 4, (20, 14)):
        assert problem.costs_of_operations(placement[None]).ms[0] == reference_load(problem, placement)


# --- laws -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(8))
def test_no_schedule_passes_its_bounds(seed: int) -> None:
    """Never under the critical path or the work of a device, never over all work and all transfers one after the other."""
    random = np.random.default_rng(100 + seed)
    graph = random_graph(seed, 30)
    problem = Problem(graph, machine(3, delay=0.25, blocks=bool(seed % 2)), queue="fifo" if seed % 3 else "longest")
    placements = random.integers(0, 3, (200, 30))
    found = problem.costs_of_operations(placements).ms
    t, path = problem.tables, critical_path(problem)
    for placement, ms in zip(placements, found, strict=True):
        work = np.bincount(placement, t.times[np.arange(30), placement], minlength=3)
        assert ms >= max(path, work.max()) - 1e-9
        moves = 0.0
        for op, readers in enumerate(graph.readers):
            others = {int(placement[reader]) for reader in readers} - {int(placement[op])}
            if others:
                moves += t.out_ms[op, placement[op]] + t.delay_ms + sum(t.in_ms[op, other] for other in others)
        assert ms <= work.sum() + moves + 1e-9 <= problem.serial_ms + 1e-6


@pytest.mark.parametrize("objective", ["latency", "throughput"])
def test_costs_do_not_depend_on_what_was_costed_before(objective: str) -> None:
    """One at a time, many at a time, in another order: the same."""
    problem = Problem(random_graph(4, 25, activations=True), machine(3, memory=60.0), objective)  # type: ignore[arg-type]
    placements = np.random.default_rng(1).integers(0, 3, (40, 25))
    whole = problem.costs_of_operations(placements)
    for row in np.random.default_rng(2).permutation(40):
        one = problem.costs_of_operations(placements[row : row + 1])
        assert one.ms[0] == whole.ms[row] and one.fits[0] == whole.fits[row]


def test_one_device_takes_the_sum_of_its_work() -> None:
    for seed, queue in itertools.product(range(4), ("longest", "fifo")):
        graph = random_graph(seed)
        problem = Problem(graph, machine(1), queue=queue)  # type: ignore[arg-type]
        assert problem.best_alone == (0, float(graph.times["gpu"].sum()))


def test_the_trace_tells_what_happened() -> None:
    """Starts come after what is read has come, nothing overlaps on a device, and the last end is the latency."""
    graph = random_graph(9, 25)
    problem = Problem(graph, machine(3))
    placement = np.random.default_rng(0).integers(0, 3, 25)
    trace = problem.trace(placement)
    assert trace.ends.max() == problem.costs_of_operations(placement[None]).ms[0]
    for a, b in graph.edges.tolist():
        came = trace.ends[a] if placement[a] == placement[b] else trace.in_ends[a, placement[b]]
        if placement[a] != placement[b] and problem.tables.in_ms[a, placement[b]] == 0:
            continue
        assert trace.starts[b] >= came
    for device in range(3):
        spans = sorted((trace.starts[op], trace.ends[op]) for op in np.flatnonzero(placement == device))
        assert all(later[0] >= earlier[1] for earlier, later in itertools.pairwise(spans))


def test_nothing_old_is_kept_on_disk() -> None:
    """Compiled functions that are kept call none of another file, whose changes the cache would not see."""
    import importlib
    import pkgutil

    from numba.core.dispatcher import Dispatcher

    import alphago.controller.placement as package

    kept = 0
    for info in pkgutil.iter_modules(package.__path__):
        module = importlib.import_module(f"{package.__name__}.{info.name}")
        for function in vars(module).values():
            if not isinstance(function, Dispatcher) or function.py_func.__module__ != module.__name__:
                continue
            called = [vars(module).get(name) for name in function.py_func.__code__.co_names]
            foreign = {f.py_func.__module__ for f in called if isinstance(f, Dispatcher)} - {module.__name__}
            is_kept = type(vars(function)["_cache"]).__name__ == "FunctionCache"
            assert not (is_kept and foreign), (module.__name__, function.py_func.__name__, foreign)
            kept += is_kept
    assert kept >= 10
