"""What the group-by-group policy sees and may choose, against plain loops over its definition."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from alphago.controller.placement import search
from alphago.controller.placement.graph import Device, Graph, Link, Machine
from alphago.controller.placement.problem import Problem
from alphago.controller.placement.search import (
    Budget,
    PolicySettings,
    Search,
    SearchSettings,
    make_policy,
    with_chains_joined,
)
from alphago.controller.placement.steps import FEATURES, Plan, make_plan, new_state, place, see
from alphago.controller.placement.stepwise import IS_LAST, Stepwise
from placement_helpers import chain, machine, random_graph


def look(turn: int, plan: Plan, state: Any) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Features [B, D, F] and masks [B, D] of a turn."""
    count, devices = state.loads.shape
    seen, masks = np.zeros((count, devices, len(FEATURES)), np.float32), np.zeros((count, devices), bool)
    see(turn, plan, state, seen, masks)
    return seen, masks


def cut(problem: Problem, turn: int) -> float:
    """Milliseconds of transfers, were all before a turn on the first device and all after it on the second: what the loads of that
    placement have beyond its work."""
    placement = np.zeros(problem.groups, dtype=np.int64)
    placement[problem.order[turn:]] = 1
    loads = problem.loads(problem.expanded(placement[None])[0])
    return float(loads.sum() - problem.times[np.arange(problem.groups), placement].sum())


def slow_host(memory: float, fast: int = 2) -> Machine:
    """Devices of one kind with memory, and a roomy one of another kind."""
    return Machine((*(Device(f"gpu{i}", "gpu", memory, Link()) for i in range(fast)), Device("host", "cpu")))


def with_slow_times(graph: Graph) -> Graph:
    """The graph with times of a kind "cpu", ten times those of "gpu"; the third operation only a "cpu" can compute."""
    gpu = graph.times["gpu"].copy()
    gpu[2] = np.inf
    fields = {name: getattr(graph, name) for name in graph.__dataclass_fields__}
    return Graph(**{**fields, "times": {"gpu": gpu, "cpu": 10 * graph.times["gpu"] + 0.25}})


# --- features -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("objective", ["latency", "throughput"])
@pytest.mark.parametrize("seed", range(4))
def test_cuts_ahead_are_those_of_all_ways_to_go_on(seed: int, objective: str) -> None:
    """What is cut now, what the cheapest cut within reach would save, and how far a device can go on: each by trying."""
    graph = random_graph(seed, 14)
    room = float(graph.memory.sum()) * 0.4
    problem = Problem(graph, machine(2, memory=room, host=True), objective)  # type: ignore[arg-type]
    plan, count = make_plan(problem), 5
    cuts = [cut(problem, turn) for turn in range(problem.groups + 1)]
    assert cuts[0] == cuts[-1] == 0.0 and max(cuts) > 0
    np.testing.assert_allclose(plan.cuts[0], cuts, atol=1e-9)
    state, random = new_state(plan, count), np.random.default_rng(seed)
    reached = set()
    for turn in range(problem.groups):
        seen, masks = look(turn, plan, state)
        for row in range(count):
            for device in range(problem.devices):
                last, held, load = turn - 1, state.held[row, device], state.loads[row, device]
                for group in problem.order[turn:].tolist():
                    held, load = held + problem.memory[group], load + problem.work[group]
                    if held > problem.limits[device] or (objective == "throughput" and load > problem.scale_ms):
                        break
                    last += 1
                saved = max([0.0, *(cuts[turn] - later for later in cuts[turn + 1 : last + 2])])
                wanted = {
                    "cut_now": np.log1p(100 * cuts[turn] / problem.scale_ms) / 4,
                    "cut_saved_later": np.log1p(100 * saved / problem.scale_ms) / 4,
                    "groups_ahead": (last + 1 - turn) / problem.groups,
                    "work_left": problem.work[problem.order[turn:]].sum() / problem.work.sum(),
                    "memory_left": problem.memory[problem.order[turn:]].sum() / problem.memory.sum(),
                    "group_memory": min(4.0, 10 * problem.memory[problem.order[turn]] / problem.limits[device]),
                }
                found = {name: float(seen[row, device, FEATURES.index(name)]) for name in wanted}
                assert found == pytest.approx(wanted, abs=1e-5)
                reached.add(last - turn)
        place(turn, np.array([random.choice(np.flatnonzero(row)) for row in masks]), plan, state)
    assert -1 in reached and max(reached) >= 4  # full devices, and rows of cuts of several lengths


@pytest.mark.parametrize("leave", [0.5, 0.15])
def test_staying_is_one_choice_and_going_another(leave: float) -> None:
    """Before anything is learned, a device is left with the chance that is asked for, however many others there are to go to."""
    for devices in (2, 3, 6):
        policy = Stepwise(Problem(chain([1.0] * 4), machine(devices)), 4, leave=leave)
        with torch.no_grad():
            for parameter in policy.parameters():
                parameter.zero_()
        seen = torch.zeros(1, devices, len(FEATURES))
        seen[0, 1, IS_LAST] = 1.0
        masks = torch.ones(1, devices, dtype=torch.bool)
        p = policy._log_probs(seen, masks, 0).exp()[0]
        assert p.tolist() == pytest.approx([1 - leave if d == 1 else leave / (devices - 1) for d in range(devices)])
        torch.testing.assert_close(policy._log_probs(seen, None, 0).exp()[0], p)
        masks[0, 1] = False  # the last one is full: all others are alike
        p = policy._log_probs(seen, masks, 0).exp()[0]
        assert p.tolist() == pytest.approx([0.0 if d == 1 else 1 / (devices - 1) for d in range(devices)])


# --- the fastest first ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
def test_slower_devices_wait_while_a_fast_one_has_room(seed: int) -> None:
    """Along random placements: the masks are without slower devices where a fast one is left, else the usual ones."""
    graph = with_slow_times(random_graph(seed, 12))
    problem = Problem(graph, slow_host(float(graph.memory.sum()) * 0.3))
    assert problem.fastest.tolist() == [True, True, False]
    usual, plan, count = make_plan(problem), make_plan(problem, fastest_first=True), 6
    state, random = new_state(plan, count), np.random.default_rng(seed)
    kinds = set()
    for turn in range(problem.groups):
        wanted, masks = look(turn, usual, state)[1], look(turn, plan, state)[1]
        for before, after in zip(wanted, masks, strict=True):
            has_fast = bool((before & problem.fastest).any())
            assert after.tolist() == (before & problem.fastest if has_fast else before).tolist()
            kinds.add(has_fast)
        place(turn, np.array([random.choice(np.flatnonzero(row)) for row in masks]), plan, state)
    assert kinds == {True, False}  # both were met: the third operation, or no room


def test_with_room_for_all_nothing_is_slow_that_need_not_be() -> None:
    problem = Problem(with_slow_times(random_graph(1, 12)), slow_host(1e9))
    policy = Stepwise(problem, 4, fastest_first=True)
    drawn = policy.placements(policy.sample(50, torch.Generator().manual_seed(0))[0].numpy())
    assert (drawn[:, 2] == 2).all() and (np.delete(drawn, 2, axis=1) < 2).all()
    free = Stepwise(problem, 4)
    drawn = free.placements(free.sample(50, torch.Generator().manual_seed(0))[0].numpy())
    assert (np.delete(drawn, 2, axis=1) == 2).any()


def test_the_kind_decides_and_not_the_memory() -> None:
    """A small device of the fast kind is a fast device, though it cannot hold every group."""
    graph = with_slow_times(random_graph(1, 12))
    small = float(graph.memory.max()) - 0.25
    devices = (Device("gpu0", "gpu", 1e9, Link()), Device("gpu1", "gpu", small, Link()), Device("host", "cpu"))
    problem = Problem(graph, Machine(devices))
    assert not problem.allowed[:, 1].all() and problem.fastest.tolist() == [True, True, False]


def test_the_setting_says_in_which_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = Problem(with_slow_times(random_graph(1, 8)), slow_host(1e9))
    for setting, wanted in (
        ("never", [False] * 4),
        ("always", [True] * 4),
        ("odd-rounds", [False, True, False, True]),
        ("even-rounds", [True, False, True, False]),
    ):
        settings = PolicySettings(hidden=4, fastest_first=setting)  # type: ignore[arg-type]
        plans = [make_policy(problem, settings, 0, number).plan for number in range(4)]
        assert [bool((plan.preferred != plan.allowed).any()) for plan in plans] == wanted
    asked: list[int] = []

    def made(one: Problem, settings: PolicySettings, seed: int, number: int) -> Any:
        asked.append(number)
        return make_policy(one, settings, seed, number)

    monkeypatch.setattr(search, "make_policy", made)
    Search(problem, short(), Budget(rounds=3)).run()
    assert asked == [0, 1, 2]


def short(**policy: Any) -> SearchSettings:
    """Rounds of two updates of four placements."""
    settings = SearchSettings(policy=PolicySettings(hidden=4, **policy))
    return settings.model_copy(update={"learning": settings.learning.model_copy(update={"steps": 2, "episodes": 4})})


# --- fewer groups -----------------------------------------------------------------------------------------------------------


def test_rounds_with_fewer_groups_place_the_same_operations(monkeypatch: pytest.MonkeyPatch) -> None:
    """A chain of 400 that comes in pairs, joined in two of every four rounds: pairs stay together, costs are the problem's."""
    problem = Problem(chain([1.0] * 400), machine(2, memory=240.0), "throughput", np.arange(400) // 2)
    asked: list[Problem] = []

    def made(one: Problem, settings: PolicySettings, seed: int, number: int) -> Any:
        asked.append(one)
        return make_policy(one, settings, seed, number)

    monkeypatch.setattr(search, "make_policy", made)
    done = Search(problem, short(joined="half"), Budget(rounds=5))
    done.run()
    fewer = asked[0].groups
    assert [one.groups for one in asked] == [fewer, fewer, 200, 200, fewer]
    assert fewer == 100 and (asked[0].work <= 400 / 96).all()
    found = done.found
    assert found.placement is not None and (found.placement[::2] == found.placement[1::2]).all()
    costs = problem.costs_of_operations(found.placement[None])
    assert costs.fits[0] and costs.ms[0] == found.ms
    for setting, wanted in (("never", 200), ("always", fewer)):
        one = Search(problem, short(joined=setting), Budget(rounds=1))
        assert one._problem_of(0).groups == one._problem_of(3).groups == wanted


def test_joined_groups_leave_memory_to_share_out() -> None:
    """Little work and many bytes: no joined group holds more than an eighth of a device."""
    graph = chain([1.0] * 30 + [0.0] * 30, memory=2.0)
    problem = Problem(graph, machine(3, memory=48.0))
    joined = with_chains_joined(problem)
    assert joined.groups < problem.groups and 2.0 < joined.memory.max() <= 6.0 and joined.objective == problem.objective
