"""The Gymnasium environment: the checker's approval, masks, and that deciding step by step is deciding whole sequences."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.utils.env_checker import check_env

from alphago.controller.nas.controllers import make_controller
from alphago.controller.nas.env import ENV_ID, ArchitectureEnv, BadEnvironment, NasBench201Env, StepPolicy, register
from alphago.controller.nas.nasbench201 import REWARD, TableError, cell_of, index_of, save_table, synthetic_table
from alphago.controller.nas.objective import Measured
from alphago.controller.nas.space import Choice, Choices, Constraint, Group, Links, Maybe, Repeat, Space
from alphago.controller.nas.strategies import published
from alphago.train.baselines import MovingAverage
from alphago.train.episodes import Episodes
from alphago.train.reinforce import Reinforce
from alphago.train.sources import Reward, SequenceSource, VectorEnvSource

TABLE = synthetic_table()


class Toy:
    """A problem whose value is a weighted sum of the choices."""

    def __init__(self, space: Space) -> None:
        self.space = space

    def key(self, choices: Choices) -> str:
        return str(choices)

    def measure(self, choices: Choices, seed: int) -> Measured:
        return Measured(float(sum((turn + 1) * choice for turn, choice in enumerate(choices))), seconds=1.0)

    def describe(self, choices: Choices) -> dict[str, Any]:
        return {}


UNEVEN = Space(
    Group(
        a=Choice(0, 1),
        layers=Repeat(Group(kernel=Choice(1, 3, 5), inputs=Links(), pool=Maybe(Choice("x", "y"))), 1, 3),
    ),
    constraints=(Constraint("not both 1 and 5", lambda f: not (f.get("a") == 1 and f.get("layers.0.kernel") == 5)),),
)


def test_gymnasium_approves() -> None:
    env = gymnasium.make(ENV_ID).unwrapped
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(env)
        check_env(ArchitectureEnv(Toy(UNEVEN)), skip_render_check=True)
    register()  # twice does no harm
    assert gymnasium.spec(ENV_ID).id == ENV_ID


def test_an_episode_is_a_cell_and_its_reward_the_tables(tmp_path: Path) -> None:
    env = NasBench201Env(render_mode="ansi")
    random = np.random.default_rng(1)
    for _ in range(5):
        seen, info = env.reset(seed=3)
        assert (seen == 0).all() and info["action_mask"].tolist() == [1] * 5
        chosen: list[int] = []
        for turn in range(6):
            assert info["decision"] == env.problem.space.decisions[turn].name
            action = int(random.integers(5))
            chosen.append(action)
            seen, reward, ended, cut, info = env.step(np.int64(action))
            assert seen.tolist() == [choice + 1 for choice in chosen] + [0] * (5 - turn)
            assert ended == (turn == 5) and not cut and (ended or reward == 0)
        row = int(index_of(np.array([chosen]))[0])
        assert reward == TABLE[REWARD][row] and info["latency_ms"] == TABLE["latency_ms"][row]
        assert env.problem.key(tuple(chosen)) == cell_of(tuple(chosen)) and info["decision"] == ""
        assert (env.render() or "").count("=") == 6
        with pytest.raises(BadEnvironment, match="no episode is running"):
            env.step(np.int64(0))
    path = tmp_path / "table.csv.gz"
    save_table(path, TABLE)
    from_file = gymnasium.make(ENV_ID, table=path, latency="latency_ms").unwrapped
    assert isinstance(from_file, NasBench201Env) and from_file.problem.space.widths == (5,) * 6
    for wrong, message in (
        ({"reward": "x"}, "no column 'x'"),
        ({"latency": "speed"}, "no column 'speed' of latencies"),
    ):
        with pytest.raises(TableError, match=message):
            NasBench201Env(**wrong)  # type: ignore[arg-type]
    with pytest.raises(BadEnvironment, match="unknown render_mode 'gif'"):
        NasBench201Env(render_mode="gif")  # type: ignore[arg-type]


def test_masked_actions_end_an_episode() -> None:
    env = ArchitectureEnv(Toy(UNEVEN), illegal_reward=-9.0)
    env.reset()
    _, _, ended, _, info = env.step(np.int64(1))
    assert not ended
    while info["decision"] != "layers.0.kernel":
        _, _, ended, _, info = env.step(np.int64(0))
    assert info["action_mask"].tolist() == [1, 1, 0]
    _, reward, ended, _, info = env.step(np.int64(2))
    assert (reward, ended, info["illegal"]) == (-9.0, True, "layers.0.kernel")


def test_a_dead_end_ends_an_episode() -> None:
    nowhere = Constraint("a = 1 leads nowhere", lambda found: not (found.get("a") == 1 and "b" in found))
    env = ArchitectureEnv(Toy(Space(Group(a=Choice(0, 1), b=Choice(0, 1)), (nowhere,))), illegal_reward=-9.0)
    env.reset()
    _, reward, ended, _, info = env.step(np.int64(1))
    assert (reward, ended, info["illegal"]) == (-9.0, True, "b")
    with pytest.raises(BadEnvironment, match="no episode is running"):
        env.step(np.int64(0))


def shaken(name: str, space: Space) -> Any:
    controller = make_controller(name, space, seed=3)
    with torch.no_grad():
        for parameter in controller.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1)) * 0.3)
    return controller.double()


@pytest.mark.parametrize("name", ["factorised", "lstm"])
@pytest.mark.parametrize("kind", ["cells", "uneven"])
def test_steps_and_sequences_have_the_same_probabilities_and_gradients(name: str, kind: str) -> None:
    """Episodes played step by step in the environment, and the same as whole sequences: log-probabilities, entropies, gradients."""
    env: ArchitectureEnv = NasBench201Env() if kind == "cells" else ArchitectureEnv(Toy(UNEVEN))
    envs = gymnasium.vector.SyncVectorEnv([lambda: env.__class__(**_arguments(env)) for _ in range(4)])
    controller = shaken(name, env.problem.space)
    policy = StepPolicy(controller)
    played = VectorEnvSource(envs, seed=5).collect(policy, 16)
    turns = len(env.problem.space.decisions)
    assert played.steps == 16 * turns and played.log_probs is not None
    sequences = played.actions.reshape(16, turns)
    for sequence in sequences.tolist():
        env.problem.space.check(sequence)
    whole = Episodes(played.index, played.actions, played.rewards)
    found = []
    for one, episodes in ((policy, played), (controller, whole)):
        controller.zero_grad()
        evaluation = one.evaluate(episodes.batch())
        weights = torch.from_numpy(np.random.default_rng(0).normal(size=episodes.steps))
        (weights * evaluation.log_probs + 0.3 * evaluation.entropy).sum().backward()  # type: ignore[no-untyped-call]
        gradients = [parameter.grad.clone() for parameter in controller.parameters() if parameter.grad is not None]
        found.append((evaluation.log_probs.detach(), evaluation.entropy.detach(), gradients))
    assert np.abs(found[0][0].numpy() - played.log_probs).max() < 1e-6
    for step, whole_ones in zip(found[0][:2], found[1][:2], strict=True):
        assert (step - whole_ones).abs().max() < 1e-9
    assert len(found[0][2]) == len(found[1][2]) > 0
    for step, whole_ones in zip(found[0][2], found[1][2], strict=True):
        assert (step - whole_ones).abs().max() < 1e-9


def _arguments(env: ArchitectureEnv) -> dict[str, Any]:
    return {} if isinstance(env, NasBench201Env) else {"problem": env.problem}


def test_one_update_is_the_same_on_either_path() -> None:
    """The trainer, given the same cells by the environment and by the sequence path, moves the controller alike."""
    env = NasBench201Env()
    envs = gymnasium.vector.SyncVectorEnv([NasBench201Env for _ in range(4)])
    moved = []
    for path in ("steps", "sequences"):
        controller = shaken("lstm", env.problem.space)
        policy: Any = StepPolicy(controller) if path == "steps" else controller
        played = VectorEnvSource(envs, seed=8).collect(StepPolicy(controller), 8)
        source = SequenceSource(lambda choices, _c, _s: Reward(env.problem.measure(choices, 0).value), cache=False)
        trainer = Reinforce(policy, source, published("lstm", 8).settings, baseline=MovingAverage(0.9))
        numbers = trainer.learn(played if path == "steps" else Episodes(played.index, played.actions, played.rewards))
        moved.append((numbers["return"], numbers["entropy"], [p.detach().clone() for p in controller.parameters()]))
    assert moved[0][:2] == pytest.approx(moved[1][:2], abs=1e-9)
    for step, sequence in zip(moved[0][2], moved[1][2], strict=True):
        assert (step - sequence).abs().max() < 1e-6


def test_a_policy_of_steps_has_one_replica_and_knows_its_options() -> None:
    with pytest.raises(BadEnvironment, match="is of one replica, the controller has 2"):
        StepPolicy(make_controller("lstm", UNEVEN, replicas=2))
    policy = StepPolicy(make_controller("factorised", UNEVEN))
    seen = torch.zeros(200, len(UNEVEN.decisions), dtype=torch.int64)
    actions, _ = policy.act({"observation": seen}, None, torch.Generator().manual_seed(1))
    assert set(actions.tolist()) == {0, 1}  # the first decision has two options, the widest three
