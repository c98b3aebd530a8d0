"""Graphs out of torch modules, models that need no download, and the executor: a placed module computes the same."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from alphago.controller.go.placed import go_network
from alphago.controller.placement.capture import CORE, Captured, capture, measure_operations
from alphago.controller.placement.estimates import KINDS, estimated_times, k80_machine, with_backward
from alphago.controller.placement.executor import ExecutionError, Executor, Whole, core_names
from alphago.controller.placement.graph import Device, Graph, Link, Machine, PlacementError
from alphago.controller.placement.grouping import grouped
from alphago.controller.placement.measure import (
    agreement,
    fitted_link,
    measured_costs,
    schedule,
    side_by_side,
    summary,
)
from alphago.controller.placement.models import MODELS, build
from alphago.controller.placement.models.inception import InceptionV3
from alphago.controller.placement.models.resnet import resnet50
from alphago.controller.placement.problem import Problem

forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork processes")


class Branches(nn.Module):
    """Two ways that meet, one of them with a tuple and with weights used twice."""

    def __init__(self) -> None:
        super().__init__()
        self.left = nn.Linear(6, 6)
        self.right = nn.Linear(6, 8)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        a = functional.relu(self.left(x))
        first, second = torch.chunk(self.right(x), 2, dim=1)
        b = self.left(a) + 1
        return torch.cat([b, first * second], 1), a.sum()


def captured(tracer: str = "fx") -> Captured:
    torch.manual_seed(0)
    return capture(Branches(), (torch.randn(3, 6),), tracer=tracer)  # type: ignore[arg-type]


def problem_of(found: Captured, devices: int = 2, **more: Any) -> Problem:
    """With times of 1 ms each."""
    graph = found.graph({CORE: np.ones(len(found.nodes))})
    link = Link(1e6, blocks=True, reads_in_place=True)
    names = [f"core{number}" for number in range(devices)]
    return Problem(graph, Machine(tuple(Device(name, CORE, link=link) for name in names), 0.01), **more)


# --- graphs -----------------------------------------------------------------------------------------------------------------


def test_a_traced_module_is_a_graph() -> None:
    found = captured()
    graph = found.graph({CORE: np.ones(len(found.nodes))})
    by_name = {name: number for number, name in enumerate(graph.operations)}
    assert {"Linear", "relu", "chunk", "getitem", "add", "mul", "cat", "sum"} == set(graph.types)
    assert graph.memory.sum() == sum(p.numel() for p in Branches().parameters()) * 4
    left = [
        number
        for number, kind in enumerate(graph.types)
        if kind == "Linear" and graph.memory[number] != (6 * 8 + 8) * 4
    ]
    assert (
        graph.together is not None and len({int(graph.together[number]) for number in left}) == 1
    )  # they share weights
    chunk = by_name["chunk"]
    assert all(graph.together[reader] == graph.together[chunk] for reader in graph.readers[chunk])
    assert graph.shapes[by_name["relu"]] == (3, 6) and graph.carried[by_name["relu"]] == 3 * 6 * 4
    assert graph.activations[chunk] == 0  # views of what it read


def test_torch_export_gives_operators() -> None:
    found = captured("export")
    graph = found.graph({CORE: np.ones(len(found.nodes))})
    assert any(kind.startswith("aten.") for kind in graph.types)
    assert graph.memory.sum() == sum(p.numel() for p in Branches().parameters()) * 4


def test_what_cannot_be_traced_or_placed_is_one_line() -> None:
    class Branching(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x if x.sum() > 0 else -x

    class InPlace(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            y = x * 2
            y.add_(1)
            return y

    class Shapes(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x @ torch.ones(3, 3)

    for module, message in (
        (Branching(), "cannot be traced by torch.fx"),
        (InPlace(), "changes a tensor in place"),
        (Shapes(), "Shapes: fails on its inputs when it is run as traced: RuntimeError: "),
        (nn.Identity(), "Identity"),
    ):
        with pytest.raises(PlacementError, match=message) as caught:
            capture(module, (torch.ones(2),), tracer="fx")
        assert "\n" not in str(caught.value)
    with pytest.raises(PlacementError, match="Linear: input 1 is of type str, expected a tensor"):
        capture(nn.Linear(2, 2), (torch.ones(2), "two"))  # type: ignore[arg-type]
    with pytest.raises(PlacementError, match=r"no model 'inception' \(did you mean inception_v3\?\)"):
        build("inception")


def test_models_have_the_parameters_of_the_papers() -> None:
    """Counts of the common definitions: Inception-v3 without its auxiliary head, ResNet-50."""
    with torch.device("meta"):
        assert sum(p.numel() for p in InceptionV3().parameters()) == 23_834_568
        assert sum(p.numel() for p in resnet50().parameters()) == 25_557_032
    assert {"inception_v3", "resnet50", "lstm_lm", "nmt"} <= set(MODELS)


def test_go_networks_can_be_placed() -> None:
    module, inputs = go_network(9, blocks=2, channels=8, batch=2)
    found = capture(module, inputs, tracer="export", name="go-9x9")
    with torch.no_grad():
        for one, other in zip(module(*inputs), found.module(*inputs), strict=True):
            torch.testing.assert_close(one, other)
    assert len(grouped(problem_of(found).graph, "chains")) == len(found.nodes)


def test_scopes_are_calls_of_modules() -> None:
    module, inputs = build("nmt_tiny", 2)
    found = capture(module, inputs)
    scopes = found.scopes()
    assert len(scopes) == len(found.nodes)
    of_attention = {scope for scope in scopes if scope.startswith("attend")}
    assert len(of_attention) == 4  # one group for each of four words
    alone = [scope for scope in scopes if scope.startswith("#")]
    assert alone and len(set(alone)) == len(alone)  # what no call within the model computes
    graph = found.graph({CORE: np.ones(len(found.nodes))})
    groups = grouped(graph, "paper", scopes=scopes)
    assert len(set(groups.tolist())) < len(found.nodes) / 2


def test_measured_times_are_those_of_operations() -> None:
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.small, self.large = nn.Linear(8, 8), nn.Linear(1500, 1500)

        def forward(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
            return self.small(x), self.large(y)

    found = capture(Two(), (torch.ones(1, 8), torch.ones(200, 1500)))
    times = measure_operations(found, repeats=5, warmup=1)
    assert times.shape == (2,) and 0 < times[0] < times[1]


def test_estimates_follow_arithmetic_and_traffic() -> None:
    class Product(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(4096, 4096, bias=False)

        def forward(self, x: Tensor) -> Tensor:
            found: Tensor = self.layer(x).view(-1)
            return found

    found = capture(Product(), (torch.ones(256, 4096),))
    times = estimated_times(found)
    flops = 2 * 256 * 4096 * 4096
    for kind, processor in KINDS.items():
        assert times[kind][0] == pytest.approx(processor.launch_ms + flops / processor.flops_per_ms)
        assert times[kind][1] == pytest.approx(processor.launch_ms)  # a view moves nothing
    machine = k80_machine(2)
    problem = Problem(found.graph(times), machine)
    assert [device.name for device in machine.devices] == ["gpu0", "gpu1", "cpu"] and problem.best_alone[0] == 0
    with pytest.raises(PlacementError, match="at least one"):
        k80_machine(0)


def test_a_training_step_mirrors_the_graph() -> None:
    graph = problem_of(captured()).graph
    both = with_backward(graph)
    n = len(graph)
    assert len(both) == 2 * n and both.backward is not None and both.backward.sum() == n
    edges = {tuple(pair) for pair in both.edges.tolist()}
    for a, b in graph.edges.tolist():
        assert (a, b) in edges and (b + n, a + n) in edges
    assert both.together is not None and (both.together[:n] == both.together[n:]).all() and (both.together >= 0).all()
    assert both.times[CORE].sum() == 3 * graph.times[CORE].sum()
    with pytest.raises(PlacementError, match="has a backward pass already"):
        with_backward(both)


# --- the executor ---------------------------------------------------------------------------------------------------------


@forks
@pytest.mark.parametrize("tracer", ["fx", "export"])
def test_a_placed_module_computes_what_the_module_computes(tracer: str) -> None:
    """Bit for bit, under placements of every sort, one sample at a time and in a stream."""
    found = captured(tracer)
    problem = problem_of(found)
    with torch.no_grad():
        wanted = found.module(*found.inputs)
    random = np.random.default_rng(0)
    placements = problem.expanded(random.integers(0, 2, (6, problem.groups)))
    cores = core_names(1) * 2  # both on one core: the test needs no second one
    with Executor(found, cores) as executor:
        for placement in placements:
            executor.load(placement, schedule(problem, placement))
            times = executor.latencies(3)
            assert times.shape == (3,) and (times > 0).all()
            for one, other in zip(executor.outputs(), wanted, strict=True):
                assert torch.equal(one.view(other.shape), other)
            assert executor.pace(10) > 0
            for one, other in zip(executor.outputs(), wanted, strict=True):
                assert torch.equal(one.view(other.shape), other)
        profile = executor.profile(0, 2)
        assert profile.shape == (len(found.nodes),) and (profile > 0).all()


@forks
def test_a_recurrent_model_is_placed_step_by_step() -> None:
    module, inputs = build("nmt_tiny", 2)
    found = capture(module, inputs)
    problem = problem_of(found)
    with torch.no_grad():
        wanted = module(*inputs)
    placement = problem.expanded(np.random.default_rng(1).integers(0, 2, (1, problem.groups)))[0]
    with Executor(found, core_names(1) * 2) as executor:
        executor.load(placement, schedule(problem, placement))
        executor.latencies(2)
        (output,) = executor.outputs()
    assert torch.equal(output, wanted)


@forks
def test_the_executor_says_what_is_wrong() -> None:
    found = captured()
    with pytest.raises(ExecutionError, match="unknown device 'tpu0'"):
        Executor(found, ["tpu0"])
    with pytest.raises(ExecutionError, match="no core 9999"):
        Executor(found, ["core9999"])
    with pytest.raises(ExecutionError, match="cores are wanted"):
        core_names(10_000)
    problem = problem_of(found)
    with Executor(found, core_names(1)) as executor:
        with pytest.raises(ExecutionError, match="a placement on device 1, there are 1"):
            executor.load(np.ones(len(found.nodes), dtype=np.int64), problem.graph.order)
        with pytest.raises(ExecutionError, match="a placement of 2 and an order of 2 operations"):
            executor.load(np.zeros(2, dtype=np.int64), np.arange(2))
        with pytest.raises(ExecutionError, match="nothing is loaded"):
            executor.latencies(1)


def runs(process: int) -> bool:
    """Whether a process is there and has not ended."""
    try:
        return Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@forks
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="this system does not tell its processes in /proc")
def test_nothing_is_left_of_an_executor_that_is_killed() -> None:
    """kill -9 of the process that measures: the processes of its devices end by themselves, those of a probe beside them too."""
    code = """if True:
        import time, torch
        from alphago.controller.placement.capture import capture
        from alphago.controller.placement.executor import Executor, core_names
        found = capture(torch.nn.Sequential(torch.nn.ReLU()), (torch.ones(2),))
        both = [Executor(found, core_names(1) * 2) for _ in range(2)]
        print(*(process.pid for one in both for process in one._processes), flush=True)
        time.sleep(300)
    """
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        children = [int(word) for word in parent.stdout.readline().split()]
        assert len(children) == 4 and all(runs(child) for child in children)
        parent.kill()
    until = time.monotonic() + 30
    while any(runs(child) for child in children) and time.monotonic() < until:
        time.sleep(0.05)
    left = [child for child in children if runs(child)]
    for child in left:
        os.kill(child, 9)
    assert left == []


@forks
def test_an_operation_that_fails_ends_with_its_message() -> None:
    class Fails(nn.Module):
        def forward(self, x: Tensor, index: Tensor) -> Tensor:
            return x[index]

    found = capture(Fails(), (torch.ones(4), torch.tensor([1])))
    broken = Captured(found.name, found.module, (torch.ones(4), torch.tensor([9])), found.nodes, found.values)
    with (
        Executor(broken, core_names(1)) as executor,
        pytest.raises(ExecutionError, match=r"core.*index 9 is out of bounds"),
    ):
        executor.load(np.zeros(1, dtype=np.int64), np.arange(1))  # runs it once, to know what is handed on


@forks
def test_measurements_take_turns() -> None:
    found = captured()
    problem = problem_of(found)
    placements = {
        "one": np.zeros(len(found.nodes), dtype=np.int64),
        "two": problem.expanded(np.arange(problem.groups)[None] % 2)[0],
    }
    rounds: list[int] = []
    with Executor(found, core_names(1) * 2) as executor:
        rows = side_by_side(
            executor,
            problem,
            placements,
            whole=(Whole(found, 1),),
            rounds=3,
            warmup=1,
            told=lambda n, total: rounds.append(n),
        )
        costs = measured_costs(executor, problem)(np.stack(list(placements.values())))
    assert [row.name for row in rows] == ["one", "two", "one process, 1 thread"] and rounds == [1, 2, 3]
    assert all(row.low <= row.ms <= row.high and len(row.times) == 3 for row in rows)
    assert (costs.ms > 0).all() and costs.fits.all()


def test_links_are_fitted_to_small_transfers_too() -> None:
    sizes = np.array([2.0**12, 2.0**16, 2.0**20, 2.0**22])
    exact = 0.02 + sizes / 5e6
    assert fitted_link(sizes, exact) == pytest.approx((5e6, 0.02))
    noisy = exact * [1.0, 1.0, 1.0, 1.3]  # the largest leaves the cache; the smallest are foretold all the same
    speed, delay = fitted_link(sizes, noisy)
    assert delay + sizes[:2] / speed == pytest.approx(noisy[:2], rel=0.1)
    for ms in (np.array([0.5, 0.4, 0.3, 0.2]), np.array([-0.1, 0.1, 0.2, 0.9])):
        with pytest.raises(ExecutionError, match="not longer for more bytes; is the machine busy"):
            fitted_link(sizes, ms)


def test_summaries_and_agreement() -> None:
    found = summary("x", np.array([1.0, 2.0, 3.0, 4.0, 100.0]))
    assert found.ms == 3.0 and 1.0 <= found.low <= 3.0 <= found.high <= 100.0
    measured = np.array([1.0, 2.0, 4.0])
    assert agreement(measured, measured) == {"mape": 0.0, "tau": pytest.approx(1.0), "regret": 0.0, "bias": 0.0}
    other = agreement(np.array([2.0, 1.0, 4.0]), measured)
    assert other["mape"] == pytest.approx(50.0) and other["tau"] == pytest.approx(1 / 3) and other["regret"] == 100.0


def test_a_placement_is_scheduled_as_it_is_simulated() -> None:
    problem = problem_of(captured())
    placement = problem.expanded(np.arange(problem.groups)[None] % 2)[0]
    order = schedule(problem, placement)
    position = np.argsort(order)
    assert sorted(order.tolist()) == list(range(len(order)))
    assert all(position[a] < position[b] for a, b in problem.graph.edges.tolist())


def test_memory_of_a_module_limits_its_placements() -> None:
    found = captured()
    graph: Graph = found.graph({CORE: np.ones(len(found.nodes))})
    room = float(graph.memory.sum() + graph.activations.max()) * 0.8
    link = Link(1e6, blocks=True, reads_in_place=True)
    problem = Problem(graph, Machine((Device("core0", CORE, room, link), Device("core1", CORE, room, link))))
    every = np.stack([np.zeros(problem.groups, int), np.arange(problem.groups) % 2])
    assert problem.costs(every).fits.tolist()[0] is False
