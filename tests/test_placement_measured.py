"""Measuring: what runs on devices and what is timed, calibration, and searches and commands that measure."""

from __future__ import annotations

import json
import math
import mmap
import os
import signal
import subprocess
import sys
import threading
import time
from itertools import permutations
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, fx, nn

from alphago.commands import place
from alphago.commands.place_measure import measure, validate, varied
from alphago.controller.placement import execution
from alphago.controller.placement.capture import CORE, Captured, capture
from alphago.controller.placement.execution import Clock, Part, Shared
from alphago.controller.placement.executor import DEPTH, ExecutionError, Executor, core_names
from alphago.controller.placement.graph import Device, Link, Machine, PlacementError
from alphago.controller.placement.measure import SIZES, Profiles, best_again, calibrated_machine, schedule, side_by_side
from alphago.controller.placement.measurements import LEADING, Measurements
from alphago.controller.placement.problem import Costs, Problem
from alphago.controller.placement.search import Budget, PolicySettings, Search, SearchSettings
from placement_helpers import chain, machine, random_graph

forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork processes")


def has_gpu() -> bool:
    """Asked in a process of its own: one that has opened CUDA cannot fork those that use it."""
    if not Path("/dev/nvidiactl").exists():
        return False
    code = "import sys, torch; sys.exit(not torch.cuda.is_available())"
    return subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


gpu = pytest.mark.skipif(not has_gpu(), reason="no GPU here")
STALL: list[Path] = []
"""A file: while it is there `stall` does not return, or raises where the file says so."""


fx.wrap("stall")


def stall(x: Tensor) -> Tensor:
    while STALL and STALL[0].exists():
        if STALL[0].read_text(encoding="utf-8"):
            raise ValueError("broken on purpose")
        time.sleep(0.02)
    return x + 0


class Stalls(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(stall(x))


class Two(nn.Module):
    """Two layers in a row, and what the module was given, out in another order than they are computed in."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(4, 100), nn.Linear(100, 3)

    def forward(self, x: Tensor) -> dict[str, Any]:
        a = self.first(x)
        b = self.second(a)
        return {"late": b, "early": [a, x], "again": b}


def two(tracer: str = "fx") -> Captured:
    torch.manual_seed(0)
    return capture(Two(), (torch.randn(2, 4),), tracer=tracer)  # type: ignore[arg-type]


def problem_of(found: Captured, devices: tuple[str, ...] = ("a", "b"), objective: Any = "latency") -> Problem:
    graph = found.graph({CORE: np.ones(len(found.nodes))})
    link = Link(1e6, blocks=True, reads_in_place=True)
    return Problem(graph, Machine(tuple(Device(name, CORE, link=link) for name in devices), 0.01), objective)


# --- what is timed ----------------------------------------------------------------------------------------------------------


class Handed:
    """A program on a device that is handed its work and goes on by itself."""

    def __init__(self) -> None:
        self.settled: list[int] = []
        self.runs = 0

    def run(self) -> None:
        self.runs += 1

    def settle(self) -> None:
        self.settled.append(self.runs - 1)
        time.sleep(0.01)


def clock() -> Any:
    shared = SimpleNamespace(begun=np.zeros(1, dtype=np.int64))
    return SimpleNamespace(shared=shared, number=0, step=0, wait=lambda *_: None)


def test_a_step_ends_when_the_device_has_computed_it() -> None:
    """A GPU returns at once from what it is told to do: the clock is stopped after it is done."""
    program = Handed()
    spans = execution._run(program, clock(), 3, None)  # type: ignore[arg-type]
    assert program.settled == [0, 1, 2] and all(end - start >= 0.01 for start, end in spans)
    stream = Handed()  # waited for only where an end is looked at
    assert len(execution._run(stream, clock(), 10, 4)) == 10 and stream.settled == [3, 9]  # type: ignore[arg-type]


@pytest.mark.parametrize("devices", [1, 2, 4])
def test_the_pace_is_that_of_the_slowest_and_not_of_filling_the_devices(devices: int) -> None:
    """Stages of 2 ms in a row: a sample every 2 ms, however many of them there are, and however few samples."""
    executor = Executor.__new__(Executor)
    executor.devices = tuple(f"core{number}" for number in range(devices))

    def stream(steps: int, fill: int | None) -> NDArray[np.float64]:
        assert fill == DEPTH
        starts = 0.002 * (np.arange(steps)[None] + np.arange(devices)[:, None])
        return np.stack([starts, starts + 0.002], axis=2)

    executor._run = stream  # type: ignore[method-assign]
    assert executor.pace(8) == pytest.approx(2.0)


# --- parts ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tracer", ["fx", "export"])
def test_a_device_gets_the_weights_of_its_part_alone(tracer: str) -> None:
    """The device `meta` stands for a GPU: what is moved there is what the part computes with."""
    found = two(tracer)
    graph = found.graph({CORE: np.ones(len(found.nodes))})
    n = len(found.nodes)
    arena, counters = mmap.mmap(-1, 1 << 20), mmap.mmap(-1, 8 * (n + 2 * n + 3))
    shared = Shared(arena, counters, n, 2, [4096 * number for number in range(n)], DEPTH)
    last = int(np.flatnonzero(graph.memory)[-1])
    placement = np.array([int(op >= last) for op in range(n)])
    sizes = []
    for number in range(2):
        part = Part(found, number, "meta", shared, 1.0)
        with torch.no_grad():
            program = execution._Program(
                part, Clock(shared, number, 1.0), execution._examples(found), found.module, placement, graph.order
            )
        held = [*program.call.parameters(), *program.call.buffers()]
        assert {one.device.type for one in held} == {"meta"}
        sizes.append(sum(one.numel() for one in held))
    if tracer == "fx":
        assert sizes == [4 * 100 + 100, 100 * 3 + 3]
    assert sum(sizes) == sum(one.numel() for one in Two().parameters()) and min(sizes) > 0
    assert {one.device.type for one in found.module.state_dict().values()} == {"cpu"}


@forks
def test_outputs_come_in_the_order_of_the_module() -> None:
    """Not in the order in which they are computed; one twice, and one that is an input, are there too."""
    found = two()
    problem = problem_of(found)
    with torch.no_grad():
        wanted = found.module(*found.inputs)
    with Executor(found, core_names(1) * 2) as executor:
        for placement in (np.array([0, 1]), np.array([1, 0]), np.array([0, 0])):
            executor.load(placement, schedule(problem, placement))
            executor.latencies(1)
            tensors = executor.outputs()
            assert len(tensors) == 4
            for one, other in zip(tensors, [wanted["late"], *wanted["early"], wanted["again"]], strict=True):
                assert torch.equal(one, other)
    with pytest.raises(ExecutionError, match="the executor is closed"):
        executor.latencies(1)


@forks
@pytest.mark.parametrize("how", ["killed", "raises"])
def test_a_device_that_fails_is_heard_at_once(how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first device waits for the second, which dies in the middle of a step: nobody waits until patience is out."""
    flag = tmp_path / "flag"
    monkeypatch.setattr(sys.modules[__name__], "STALL", [flag])
    found = capture(Stalls(), (torch.ones(3),))
    with Executor(found, core_names(1) * 2) as executor:
        executor.load(np.array([1, 0]), np.array([0, 1]))
        processes = list(executor._processes)
        flag.write_text("" if how == "killed" else "raise", encoding="utf-8")
        if how == "killed":
            threading.Timer(1.0, os.kill, (processes[1].pid, signal.SIGKILL)).start()
        started = time.monotonic()
        message = "has ended: it was killed by signal 9" if how == "killed" else "ValueError: broken on purpose"
        with pytest.raises(ExecutionError, match=message):
            executor.latencies(1)
        assert time.monotonic() - started < 40  # patience is 60 s
    assert not any(process.is_alive() for process in processes)


@gpu
def test_a_gpu_and_a_core_compute_what_the_module_computes() -> None:
    found = two()
    problem = problem_of(found)
    with torch.no_grad():
        wanted = found.module(*found.inputs)
    with Executor(found, [core_names(1)[0], "cuda:0"]) as executor:
        for placement in (np.array([0, 1]), np.array([1, 0]), np.array([1, 1])):
            executor.load(placement, schedule(problem, placement))
            executor.latencies(2)
            for one, other in zip(executor.outputs(), [wanted["late"], *wanted["early"], wanted["again"]], strict=True):
                torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-4)


@gpu
def test_what_a_gpu_computes_is_in_its_time() -> None:
    """Products that keep it busy long after it was told to make them: the latency is that of the operations together."""

    class Products(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            for _ in range(20):
                x = torch.tanh(x @ x)
            return x

    found = capture(Products(), (torch.randn(4096, 4096) / 64,))
    n = len(found.nodes)
    with Executor(found, ["cuda:0"]) as executor:
        together = executor.profile(0).sum()
        executor.load(np.zeros(n, dtype=np.int64), np.arange(n))
        executor.latencies(3)
        assert np.median(executor.latencies(10)) > 0.5 * together


# --- links ------------------------------------------------------------------------------------------------------------------


SPEED, DELAY, GPU_SPEED, GPU_MS = 4e6, 0.02, 2e7, 0.01


class Probe:
    """A chain on two devices, where an operation takes a core 1 ms and a GPU 0.1 ms."""

    def __init__(self, size: int, pair: tuple[str, str]) -> None:
        self.captured = SimpleNamespace(nodes=range(8))
        self.size, self.pair = size, pair

    def __enter__(self) -> Probe:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def load(self, placement: NDArray[np.int64], order: NDArray[np.int64]) -> None:
        self.devices = [self.pair[device] for device in placement]

    def latencies(self, steps: int) -> NDArray[np.float64]:
        total = sum(1.0 if one.startswith("core") else 0.1 for one in self.devices)
        for one, other in zip(self.devices, self.devices[1:], strict=False):
            total += 0.0 if one == other else hop(one, other, self.size)
        return np.full(steps, total)


def hop(one: str, other: str, size: float) -> float:
    """Out of a device, through the host, into another; a core reads where it lies."""
    gpu_ms = GPU_MS + size / GPU_SPEED
    out = size / SPEED if one.startswith("core") else gpu_ms
    return out + DELAY + (0.0 if other.startswith("core") else gpu_ms)


@pytest.mark.parametrize(
    "devices",
    [
        ("core0", "core1"),
        ("core0", "core1", "cuda:0"),
        ("cuda:0", "core0", "core1", "cuda:1"),
        ("core3", "cuda:0"),
        ("cuda:0", "cuda:1"),
    ],
)
def test_links_are_measured_for_each_kind_of_device(devices: tuple[str, ...]) -> None:
    """A GPU's link is its own and carries what the GPU reads; a core's is that between cores."""
    kinds = {device: CORE if device.startswith("core") else "cuda" for device in devices}
    found = calibrated_machine(devices, kinds, 1e9, Probe)  # type: ignore[arg-type]
    assert [(one.name, one.kind, one.memory) for one in found.devices] == [(one, kinds[one], 1e9) for one in devices]
    for one in found.devices:
        assert one.link is not None and one.link.blocks and one.link.reads_in_place == (one.kind == CORE)
    links = {one.kind: one.link for one in found.devices}
    if sum(kind == CORE for kind in kinds.values()) > 1:
        core = links[CORE]
        assert core is not None and (core.bytes_per_ms, found.delay_ms) == pytest.approx((SPEED, DELAY))
        if "cuda" in links:
            of_gpu = links["cuda"]
            assert of_gpu is not None and (of_gpu.bytes_per_ms, of_gpu.latency_ms) == pytest.approx((GPU_SPEED, GPU_MS))
    # both ways of a pair take together what they took
    one, other = found.devices[0], found.devices[-1]
    for size in SIZES:
        moved = np.array([float(size)])
        both = 2 * found.delay_ms
        for device in (one, other):
            assert device.link is not None
            both += float(device.link.milliseconds(moved)[0]) * (1 if device.link.reads_in_place else 2)
        assert both == pytest.approx(hop(one.name, other.name, size) + hop(other.name, one.name, size))


# --- searches that measure --------------------------------------------------------------------------------------------------


def settings() -> SearchSettings:
    made = SearchSettings(policy=PolicySettings(kind="seq2seq", hidden=8), seed=4)
    values = {"steps": 3, "episodes": 8, "checkpoint_minutes": 1e-9}
    return made.model_copy(update={"learning": made.learning.model_copy(update=values)})


class Noisy:
    """The simulator's times, each time with other noise; it counts what it is asked."""

    def __init__(self, problem: Problem) -> None:
        self.problem, self.asked, self.random = problem, 0, np.random.default_rng(0)

    def __call__(self, placements: NDArray[np.int64]) -> Costs:
        self.asked += len(placements)
        found = self.problem.costs_of_operations(placements)
        return Costs(found.ms * self.random.uniform(1.0, 1.5, len(placements)), found.fits, found.held)


def test_a_placement_is_measured_once_in_a_whole_search(tmp_path: Path) -> None:
    """In every round, by the policy's likeliest too, and after an interruption; four ways to part three between two alike."""
    problem = Problem(chain([1.0, 2.0, 3.0]), machine(2))
    costs = Noisy(problem)
    search = Search(problem, settings(), Budget(rounds=3), folder=tmp_path / "run", costs=costs)
    assert search.run() and costs.asked <= 4 and search.measurements is not None
    again = Search(problem, settings(), Budget(rounds=5), folder=tmp_path / "run", costs=costs, resume=True)
    assert again.run() and costs.asked <= 4 and again.measurements is not None
    assert again.found.ms == search.found.ms and again.found.placements > search.found.placements
    assert [row.tolist() for row in again.measurements.leading] == [row.tolist() for row in search.measurements.leading]
    file = tmp_path / "run" / "measured.json"
    for text, message in (
        ("[]", "no measurements"),
        ('{"format": "alphago-placement-measurements-1", "known": 3}', "damaged"),
    ):
        file.write_text(text)
        with pytest.raises(PlacementError, match=message):
            Search(problem, settings(), Budget(rounds=5), folder=tmp_path / "run", costs=costs, resume=True)


def test_measurements_keep_the_best_that_fit() -> None:
    problem = Problem(random_graph(3, 8), machine(2, memory=5.0, host=True))
    measurements = Measurements(problem, problem.costs_of_operations)
    drawn = np.random.default_rng(1).integers(0, 3, (60, 8))
    costs, wanted = measurements(drawn), problem.costs_of_operations(drawn)
    np.testing.assert_array_equal(costs.fits, wanted.fits)
    np.testing.assert_array_equal(costs.ms, wanted.ms)  # alike devices exchanged cost the same
    assert costs.fits.any() and not costs.fits.all()
    leading = np.stack(measurements.leading)
    found = problem.costs_of_operations(leading)
    assert len(leading) == LEADING and found.fits.all() and found.ms.tolist() == sorted(found.ms.tolist())
    assert found.ms[0] == wanted.ms[wanted.fits].min()


def test_the_luckiest_is_measured_again() -> None:
    """Three placements whose single times were all lucky: side by side the second is the best, and its own time is told."""

    class Three:
        def load(self, placement: NDArray[np.int64], order: NDArray[np.int64]) -> None:
            self.ms = {0: 5.0, 1: 4.0, 2: 6.0}[int(placement.sum())]

        def latencies(self, steps: int) -> NDArray[np.float64]:
            return np.full(steps, self.ms)

    problem = Problem(chain([1.0, 2.0, 3.0]), machine(2))
    leading = [np.array([0, 0, 0]), np.array([0, 0, 1]), np.array([0, 1, 1])]
    placement, measured = best_again(Three(), problem, leading, rounds=3)  # type: ignore[arg-type]
    assert placement.tolist() == [0, 0, 1] and measured.ms == measured.low == measured.high == 4.0


# --- commands ---------------------------------------------------------------------------------------------------------------


def usable() -> str:
    """Two cores as --devices has them, or the one that there is."""
    cores = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else range(os.cpu_count() or 1)
    return str(min(2, len(cores)))


@forks
def test_commands_that_measure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Learned from measurements on the cores that there are; measured beside rules; the simulator held against them."""
    common: dict[str, Any] = {"model": "nmt_tiny", "devices": usable(), "calibrate": False, "as_json": True}
    run = tmp_path / "run"
    place.optimise(
        **common, budget="24", episodes=8, reward="measured", measured=True, baselines=False, tensorboard=False, out=run
    )
    values = json.loads(capsys.readouterr().out)
    assert values["reward"] == values["steps_are"] == "measured"
    assert values["measured_low"] <= values["measured_ms"] <= values["measured_high"]
    assert values["ms"] == values["rows"][0]["ms"] > 0.999 * values["bound_ms"]  # simulated, as the bound is
    assert f"{values['measured_ms']:.4g} ms measured" in values["rows"][0]["note"]
    assert {"REINFORCE", "one process, 1 thread"} <= {row["name"] for row in values["measured"]}
    kept = json.loads((run / "placement.json").read_text())
    assert kept["ms"] == values["ms"] and kept["measured_ms"] == values["measured_ms"]

    measure(**common, placement=[run / "placement.json"], rounds=5, steps=1, out=tmp_path / "measured.json")
    rows = json.loads(capsys.readouterr().out)
    names = {row["name"] for row in rows}
    assert {"placement", "HEFT", "one process, 1 thread"} <= names and all(row["low"] <= row["ms"] for row in rows)
    assert json.loads((tmp_path / "measured.json").read_text()) == rows

    if usable() == "1":
        with pytest.raises(PlacementError, match="1 different placements: too few to compare; give more --devices"):
            validate(**common, placements=5, rounds=1)
        return
    validate(**common, placements=5, rounds=1, out=tmp_path / "valid.json")
    facts = json.loads(capsys.readouterr().out)
    assert facts["placements"] == len(facts["simulated"]) == len(facts["measured"]) == 5
    assert facts["mape"] >= 0 and math.isfinite(facts["regret"]) and -1 <= facts["tau"] <= 1


def test_pipelines_are_what_a_pace_is_foretold_of() -> None:
    """One run of the order for each device: under throughput nothing that a device makes comes back to it by way of another."""
    problem = Problem(random_graph(3, 30), machine(3), "throughput")
    drawn = varied(problem, 40, 0)
    assert len({tuple(row) for row in drawn.tolist()}) > 20 and (np.bincount(drawn.ravel(), minlength=3) > 100).all()

    def flows_on(row: NDArray[np.int64]) -> bool:
        reads = row[problem.graph.edges]
        return any(
            (np.array(place)[reads[:, 0]] <= np.array(place)[reads[:, 1]]).all() for place in permutations(range(3))
        )

    assert all(flows_on(row) for row in drawn)
    assert not all(flows_on(row) for row in varied(Problem(problem.graph, problem.machine, "latency"), 40, 0))


def test_operations_are_timed_on_all_devices_in_turns_with_the_placements() -> None:
    """On a machine that is slower each time that it is asked for something."""

    class Slowing:
        def __init__(self) -> None:
            self.asked: list[int] = []

        def profile(self, device: int, repeats: int) -> NDArray[np.float64]:
            self.asked.append(device)
            return np.array([1.0, 2.0]) * len(self.asked)

        def load(self, placement: NDArray[np.int64], order: NDArray[np.int64]) -> None:
            self.asked.append(-1)

        def latencies(self, steps: int) -> NDArray[np.float64]:
            return np.full(steps, 1.0)

    slowing: Any = Slowing()
    profiles = Profiles(slowing, ["core", "core"])
    problem = problem_of(two())
    here = np.zeros(len(problem.graph), dtype=np.int64)
    side_by_side(slowing, problem, {"here": here}, rounds=3, between=profiles.take)
    assert slowing.asked == [0, 1, -1] * 3
    assert {kind: times.tolist() for kind, times in profiles.times().items()} == {"core": [4.5, 9.0]}


@forks
def test_the_probe_hands_on_what_it_is_asked_to() -> None:
    from alphago.commands.place_problem import probe

    (core,) = core_names(1)
    with probe(SIZES[0], (core, core)) as chained:
        assert len(chained.captured.nodes) == 8 and {one.bytes for one in chained.captured.values} == {SIZES[0]}
        chained.load(np.arange(8) % 2, np.arange(8))
        assert (chained.latencies(2) > 0).all()
