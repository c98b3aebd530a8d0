"""The Gymnasium environment: what Gymnasium asks of it, and that its steps are those of the sequence path."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.utils.env_checker import check_env

from alphago.controller.placement.env import ENV_ID, PlacementEnv
from alphago.controller.placement.graph import PlacementError
from alphago.controller.placement.problem import Problem
from alphago.controller.placement.stepwise import Stepwise
from alphago.controller.placement.stored import digest, write_problem
from alphago.train.sources import MASK, VectorEnvSource
from placement_helpers import chain, machine, random_graph


def made(**parameters: Any) -> PlacementEnv:
    env = gymnasium.make(ENV_ID, **parameters).unwrapped
    assert isinstance(env, PlacementEnv)
    return env


@pytest.mark.parametrize("objective", ["latency", "throughput"])
def test_gymnasium_approves(objective: str) -> None:
    check_env(made(objective=objective), skip_render_check=False)


def test_the_reward_is_that_of_the_placement() -> None:
    problem = Problem(random_graph(3, 9), machine(2, memory=40.0, host=True))
    env = made(problem=problem)
    random = np.random.default_rng(0)
    for _ in range(5):
        seen, _ = env.reset()
        rewards, over = [], False
        while not over:
            action = random.choice(np.flatnonzero(seen[MASK]))
            seen, reward, over, _, info = env.step(action)
            assert env.observation_space.contains(seen)
            rewards.append(reward)
        assert rewards[:-1] == [0.0] * (problem.groups - 1)
        assert rewards[-1] == -math.sqrt(problem.costs_of_operations(info["placement"][None]).ms[0])


def test_a_stored_problem_is_placed_as_it_was_stored(tmp_path: Path) -> None:
    """With its groups, its objective and its queue; what is given besides changes them."""
    groups = np.array([0, 0, 1, 2])
    problem = Problem(chain([1.0] * 4), machine(2), "throughput", groups, "fifo")
    write_problem(tmp_path / "kept.json", problem)
    found = made(graph=tmp_path / "kept.json").problem
    assert digest(found) == digest(problem) and found.groups == 3
    other = made(graph=tmp_path / "kept.json", objective="latency", groups="bound").problem
    assert (other.objective, other.groups, other.queue) == ("latency", 4, "fifo")
    with pytest.raises(PlacementError, match="a problem has its graph, objective and groups already"):
        made(problem=problem, objective="latency")


def test_masked_devices_end_the_episode() -> None:
    env = made(problem=Problem(chain([1.0, 2.0], memory=2.0), machine(2, memory=3.0, host=True)), failing=3.0)
    seen, _ = env.reset()
    assert seen[MASK].tolist() == [1, 0, 1]  # the second of two alike and empty devices
    seen, _, over, _, _ = env.step(np.int64(0))
    assert not over and seen[MASK].tolist() == [0, 1, 1]  # no room for both
    _, reward, over, _, info = env.step(np.int64(0))
    assert over and info["illegal"] == 0 and reward == -math.sqrt(9.0)
    with pytest.raises(PlacementError, match="no episode is running"):
        env.step(np.int64(0))
    env.reset()
    with pytest.raises(PlacementError, match="no device 3: 0 to 2"):
        env.step(np.int64(3))


def test_the_sequence_path_and_the_environment_agree() -> None:
    """A policy acting step by step in the environment: the log-probabilities, entropies and gradients of its whole sequences."""
    problem = Problem(random_graph(6, 8), machine(2, memory=30.0, host=True))
    policy = Stepwise(problem, 8, seed=2)
    with torch.no_grad():
        policy.table.add_(torch.randn(policy.table.shape, generator=torch.Generator().manual_seed(0)))
    envs = gymnasium.make_vec(ENV_ID, num_envs=3, vectorization_mode="sync", problem=problem)
    episodes = VectorEnvSource(envs, seed=1).collect(policy, 6)
    assert len(episodes) == 6 and episodes.steps == 6 * problem.groups
    assert episodes.log_probs is not None and episodes.masks is not None
    found = policy.evaluate(episodes.batch())
    torch.testing.assert_close(found.log_probs.detach(), torch.from_numpy(episodes.log_probs), atol=1e-5, rtol=1e-5)
    weights = torch.linspace(-1, 1, episodes.steps)
    (weights * found.log_probs).sum().backward()  # type: ignore[no-untyped-call]
    by_sequence = [parameter.grad.clone() for parameter in policy.parameters() if parameter.grad is not None]
    # the same from the observations that the environment gave
    policy.zero_grad()
    batch = episodes.batch()
    seen, turns = batch.observations["observation"], batch.observations["turn"]
    log_probs = policy._log_probs(seen, batch.masks, turns).gather(-1, batch.actions[:, None]).squeeze(-1)
    (weights * log_probs).sum().backward()  # type: ignore[no-untyped-call]
    for one, parameter in zip(by_sequence, policy.parameters(), strict=True):
        torch.testing.assert_close(parameter.grad, one, atol=1e-5, rtol=1e-4)
    # and the rewards are those of the simulator
    ms = problem.costs_of_operations(policy.placements(episodes.actions.reshape(6, -1))).ms
    np.testing.assert_allclose(episodes.returns()[episodes.starts], -np.sqrt(ms))


def test_bad_parameters_are_refused() -> None:
    with pytest.raises(PlacementError, match="unknown render_mode"):
        PlacementEnv(render_mode="rgb")  # type: ignore[arg-type]
    with pytest.raises(PlacementError, match="failing 1: expected more than 1"):
        PlacementEnv(failing=1.0)
    with pytest.raises(PlacementError, match=r"nowhere.json: No such file"):
        PlacementEnv(graph="nowhere.json")


def test_rendering_tells_the_devices() -> None:
    env = made(render_mode="ansi")
    env.reset()
    env.step(np.int64(0))
    text = env.render()
    assert text is not None and text.splitlines()[0] == "1 of 60 groups placed" and "acc0" in text


def test_it_registers_itself() -> None:
    code = (
        "import gymnasium; e = gymnasium.make('alphago.controller.placement.env:alphago/Placement-v0'); "
        "e.reset(); print(e.action_space.n)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300, check=True)
    assert done.stdout.strip() == "4"
