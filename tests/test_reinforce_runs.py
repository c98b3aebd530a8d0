"""Sources of the REINFORCE trainer, problems with known answers, and runs that are stopped and go on as if nothing had been."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from alphago.train import baselines
from alphago.train.baselines import MovingAverage, PerContext, ValueBaseline
from alphago.train.episodes import Batch, Episodes
from alphago.train.folders import checkpoints
from alphago.train.miniatures import BanditTree, TinyPlacement
from alphago.train.optim import OptimizerSettings, TrainingError
from alphago.train.policies import Categorical, SequencePolicy
from alphago.train.reinforce import Reinforce, ReinforceSettings
from alphago.train.sources import Reward, SequenceSource, SourceError, VectorEnvSource
from conftest import ROOT

# --- sources ------------------------------------------------------------------------------------------------------------


class Memory:
    """A vector of small environments written by hand: environment i ends after i + 1 steps; the reward is the step's number.
    Action 1 of 3 is forbidden at odd steps."""

    num_envs = 3

    def __init__(self, mask_in: str) -> None:
        import gymnasium

        self.single_action_space = gymnasium.spaces.Discrete(3)
        self.mask_in = mask_in

    def _answer(self) -> tuple[Any, dict[str, Any]]:
        mask = np.ones((3, 3), dtype=np.int8)
        mask[:, 1] = self.turn % 2 == 0
        mask[self.turn > np.arange(3)] = 0  # those that have ended
        seen = {"observation": np.full((3, 2), self.turn, dtype=np.float64)}
        if self.mask_in == "observation":
            return seen | {"action_mask": mask}, {}
        return seen["observation"], {"action_mask": mask}

    def reset(self, seed: int) -> Any:
        self.turn = 0
        return self._answer()

    def step(self, actions: NDArray[np.int64]) -> Any:
        self.turn += 1
        ended = self.turn > np.arange(3)
        seen, info = self._answer()
        return seen, np.full(3, float(self.turn)), ended, np.zeros(3, dtype=bool), info


@pytest.mark.parametrize("mask_in", ["observation", "info"])
def test_episodes_of_a_vector_environment(mask_in: str) -> None:
    torch.manual_seed(0)
    policy = Categorical(nn.Linear(2, 3))
    source = VectorEnvSource(Memory(mask_in), seed=1)
    episodes = source.collect(policy, 6)
    assert episodes.index.tolist() == [0, 1, 1, 2, 2, 2, 3, 4, 4, 5, 5, 5]
    assert episodes.rewards.tolist() == [1, 1, 2, 1, 2, 3] * 2
    assert episodes.observations["observation"][:, 0].tolist() == [0, 0, 1, 0, 1, 2] * 2
    assert episodes.masks is not None and episodes.masks[:, 1].tolist() == [True, True, False, True, False, True] * 2
    assert episodes.masks[np.arange(12), episodes.actions].all()
    with torch.no_grad():
        again = policy.evaluate(episodes.batch()).log_probs.numpy()
    assert episodes.log_probs is not None and np.abs(again - episodes.log_probs).max() < 1e-6
    with pytest.raises(SourceError, match="4 episodes cannot be shared by 3 environments"):
        source.collect(policy, 4)


def test_an_environment_without_discrete_actions_is_refused() -> None:
    import gymnasium

    envs = Memory("info")
    envs.single_action_space = gymnasium.spaces.Box(0, 1, (2,))  # type: ignore[assignment]
    with pytest.raises(SourceError, match="expected Discrete"):
        VectorEnvSource(envs)


def reward_of(choices: tuple[int, ...], context: int, seed: int) -> Reward:
    return Reward(float(sum(choices)) + seed % 7, invalid=choices[0] == 0)


def test_asking_and_telling_in_any_order_is_collecting() -> None:
    policy = SequencePolicy((2, 3), seed=3)
    tree = BanditTree(0, depth=2)
    collected = SequenceSource(tree.evaluate, seed=5).collect(SequencePolicy(tree.choices, seed=3), 8)
    source = SequenceSource(seed=5)
    asked = source.ask(SequencePolicy(tree.choices, seed=3), 8)
    for number, choices, context in reversed(asked):
        source.tell(number, tree.evaluate(choices, context, 0))
    told = source.episodes()
    assert (told.rewards == collected.rewards).all() and (told.actions == collected.actions).all()
    assert (
        source.evaluations == len({choices for _, choices, _ in asked}) == len(asked)
    )  # the same answer is asked once
    source.ask(policy, 4)
    with pytest.raises(SourceError, match="no reward was told for sequence 8"):
        source.episodes()
    with pytest.raises(SourceError, match="expected a finite number"):
        source.tell(8, Reward(float("inf")))
    for late in (asked[0][0], 12, -1):  # of the batch before, or of none
        with pytest.raises(SourceError, match=f"a reward for sequence {late}, which is not of the last batch"):
            source.tell(late, Reward(1.0))
    with pytest.raises(TrainingError, match="is told its rewards"):
        source.collect(policy, 4)


def test_worker_processes_change_nothing() -> None:
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    policy = SequencePolicy((3, 3), seed=3)
    here = SequenceSource(reward_of, seed=5, cache=False).collect(policy, 16)
    with ProcessPoolExecutor(2, mp_context=get_context("forkserver")) as workers:
        there = SequenceSource(reward_of, seed=5, cache=False, executor=workers).collect(policy, 16)
    assert (here.rewards == there.rewards).all() and (here.actions == there.actions).all()
    assert here.invalid is not None and (here.invalid == (here.actions.reshape(16, 2)[:, 0] == 0)).all()


def test_equal_answers_share_a_reward_under_a_key_of_ones_own() -> None:
    """Devices that are alike: a placement and its mirror image are one answer."""
    calls: list[tuple[int, ...]] = []

    def evaluate(choices: tuple[int, ...], context: int, seed: int) -> Reward:
        calls.append(choices)
        return Reward(float(choices[0] == choices[1]))

    source = SequenceSource(evaluate, key=lambda choices, _: str([c ^ choices[0] for c in choices]))
    episodes = source.collect(SequencePolicy((2, 2)), 32)
    assert len(calls) == 2 and episodes.info["cache_hits"] == 30
    pairs = episodes.actions.reshape(32, 2)
    assert (episodes.returns()[episodes.starts] == (pairs[:, 0] == pairs[:, 1])).all()


def test_contexts_take_turns() -> None:
    source = SequenceSource(reward_of, contexts=(4, 9))
    episodes = source.collect(SequencePolicy((2, 2)), 3)
    assert episodes.context_of.tolist() == [4, 9, 4]
    assert source.collect(SequencePolicy((2, 2)), 2).context_of.tolist() == [9, 4]


def test_a_sequence_policy_is_the_same_seen_whole_and_step_by_step() -> None:
    policy = SequencePolicy((2, 4, 3), scale=1.0, seed=1)
    generator = torch.Generator().manual_seed(0)
    chosen, log_probs = policy.sample(50, generator)
    assert all(chosen[:, t].max() < n for t, n in enumerate(policy.choices))
    batch = Episodes(np.repeat(np.arange(50), 3), chosen.flatten().numpy(), np.zeros(150)).batch()
    found = policy.evaluate(batch)
    assert (found.log_probs.detach().view(50, 3) - log_probs).abs().max() < 1e-6
    # what it decides depends on what it decided before
    assert found.entropy.detach().view(50, 3)[:, 2].std() > 1e-4


# --- problems with known answers ----------------------------------------------------------------------------------------


def learned(problem: BanditTree | TinyPlacement, seed: int) -> tuple[int, ...]:
    """The likeliest sequence of a controller that learned as configs/reinforce-*.yaml say."""
    from alphago import configs
    from alphago.train.reinforce_run import ReinforceRunSettings

    name = "reinforce-tree" if isinstance(problem, BanditTree) else "reinforce-placement"
    settings = configs.load(name, ReinforceRunSettings)
    policy = SequencePolicy(problem.choices, seed=seed)
    source = SequenceSource(problem.evaluate, seed=seed)
    Reinforce(policy, source, settings.learning, baseline=MovingAverage(settings.baseline.decay)).train()
    return tuple(policy.sample(1, torch.Generator(), greedy=True)[0][0].tolist())


@pytest.fixture
def one_thread() -> Any:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def test_the_tree_leads_a_greedy_controller_astray() -> None:
    """Why the miniature is one: the best first choice on average is not that of the best leaf."""
    for seed in range(20):
        tree = BanditTree(seed)
        assert max(tree.rewards.values()) == tree.rewards[tree.optimum] == 1.0
        means = [np.mean([r for leaf, r in tree.rewards.items() if leaf[0] == first]) for first in range(3)]
        assert int(np.argmax(means)) != tree.optimum[0]


@pytest.mark.parametrize("seed", range(20))
def test_the_miniature_controller_finds_the_best_leaf(seed: int, one_thread: None) -> None:
    tree = BanditTree(seed)
    assert learned(tree, seed) == tree.optimum


@pytest.mark.parametrize("seed", range(20))
def test_the_miniature_placer_finds_the_shortest_step(seed: int, one_thread: None) -> None:
    placement = TinyPlacement(seed)
    assert placement.step_time(learned(placement, seed)) == placement.best()


def test_step_times_by_hand() -> None:
    placement = TinyPlacement(0, operations=3)
    placement.times, placement.memory, placement.limit = [3, 4, 5], [1, 1, 1], 2
    placement.edges = [(0, 2, 6)]
    assert placement.step_time((0, 1, 0)) == 8  # 0 ends at 3, then 2 on the same device; 1 beside them
    assert placement.step_time((0, 0, 1)) == 14  # 2 waits for the transfer until 9
    assert placement.step_time((0, 0, 0)) is None  # three do not fit
    assert placement.evaluate((0, 0, 0), 0, 0) == Reward(-np.sqrt(24), invalid=True)
    assert placement.best() == 8


# --- stopped and resumed ------------------------------------------------------------------------------------------------


def gym_run(run: Path | None, steps: int) -> Reinforce:
    import gymnasium

    torch.manual_seed(1)
    policy = Categorical(nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 2)))

    class Values(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(4, 1)

        def forward(self, batch: Batch) -> Tensor:
            found: Tensor = self.layer(batch.observations["observation"]).squeeze(-1)
            return found

    envs = gymnasium.make_vec("CartPole-v1", num_envs=4, vectorization_mode="sync")
    settings = ReinforceSettings(steps=steps, episodes=4, gamma=0.99, optimizer=OptimizerSettings(lr=0.02))
    return Reinforce(
        policy, VectorEnvSource(envs, seed=3), settings, baseline=ValueBaseline(Values(), rate=0.01), run=run
    )


def sequence_run(run: Path | None, steps: int) -> Reinforce:
    placement = TinyPlacement(1)
    settings = ReinforceSettings(steps=steps, episodes=8, entropy=0.5, entropy_final=0.1, entropy_floor=0.6)
    source = SequenceSource(placement.evaluate, seed=2)
    return Reinforce(SequencePolicy(placement.choices), source, settings, baseline=PerContext(), run=run)


@pytest.mark.parametrize("make", [gym_run, sequence_run])
def test_a_run_that_is_killed_goes_on_bit_for_bit(
    make: Callable[[Path | None, int], Reinforce], tmp_path: Path
) -> None:
    whole = make(None, 6)
    told: list[dict[str, float]] = []
    for _ in range(6):
        told.append(whole.step())
    first = make(tmp_path, 6)
    for _ in range(3):
        first.step()
    first.save(tmp_path)
    first.step()  # lost with the process
    second = make(tmp_path, 6)
    assert second.resume(tmp_path) and second.steps == 3
    for number in range(3, 6):
        metrics = second.step()
        timed = ("episodes_per_second", "collecting_share")
        assert {k: v for k, v in metrics.items() if k not in timed} == {
            k: v for k, v in told[number].items() if k not in timed
        }
    for name, tensor in whole.policy.state_dict().items():
        assert torch.equal(tensor, second.policy.state_dict()[name]), name
    for part in ("source", "baseline"):
        (values, tensors), (others, other_tensors) = getattr(whole, part).state(), getattr(second, part).state()
        assert values == others and tensors.keys() == other_tensors.keys()
        assert all(torch.equal(tensor, other_tensors[name]) for name, tensor in tensors.items())


def test_a_run_ends_at_its_goal_and_stays_ended(tmp_path: Path) -> None:
    from alphago.train.reinforce_run import ReinforceRunSettings, begin

    settings = ReinforceRunSettings.model_validate(
        {"problem": {"kind": "tree"}, "learning": {"steps": 50, "episodes": 4}, "goal": 0.1, "goal_episodes": 8}
    )
    task = begin(tmp_path, settings)
    assert task.trainer.train() and task.trainer.finished and task.trainer.steps < 50
    again = begin(tmp_path, settings, resume=True)
    assert again.trainer.is_over and again.trainer.steps == task.trainer.steps
    with pytest.raises(TrainingError, match="holds a run already"):
        begin(tmp_path, settings)
    values = settings.model_dump()
    values["learning"]["episodes"] = 8
    changed = ReinforceRunSettings.model_validate(values)
    with pytest.raises(TrainingError, match=r"learning\.episodes is 4, not 8"):
        begin(tmp_path, changed, resume=True)


def test_a_damaged_checkpoint_is_named(tmp_path: Path) -> None:
    run = sequence_run(tmp_path, 2)
    run.train()
    (file,) = tmp_path.glob("checkpoints/*/tensors.safetensors")
    data = file.read_bytes()
    for damage in (data[:100], b"", data[:-4]):
        file.write_bytes(damage)
        with pytest.raises(TrainingError, match="the checkpoint is damaged, or of another run"):
            sequence_run(tmp_path, 2).resume(tmp_path)
    assert not sequence_run(tmp_path, 2).resume(tmp_path / "nowhere")


def test_stopping_leaves_a_checkpoint(tmp_path: Path) -> None:
    run = sequence_run(tmp_path, 5)
    run._after = lambda step, metrics: run.stop() if step == 2 else None
    assert not run.train()
    again = sequence_run(tmp_path, 5)
    assert again.resume(tmp_path) and again.steps == 2
    assert again.train() and again.steps == 5


def test_cartpole_is_learned(one_thread: None) -> None:
    from alphago import configs
    from alphago.train.reinforce_run import ReinforceRunSettings, begin

    task = begin(None, configs.load("reinforce-cartpole", ReinforceRunSettings))
    assert task.trainer.train() and task.trainer.finished  # 475 in 100 episodes
    answer = task.answer()
    assert answer["reached"] and answer["goal"] == 475 <= answer["mean_return"] <= 500


@pytest.mark.parametrize("env", ["NoSuchEnvironment-v0", "Pendulum-v1", "FrozenLake-v1"])
def test_an_environment_that_does_not_fit_is_refused(env: str) -> None:
    from alphago.train.reinforce_run import ReinforceRunSettings, begin

    settings = ReinforceRunSettings.model_validate({"problem": {"env": env}})
    with pytest.raises(SourceError, match=r"NoSuchEnvironment|expected Discrete|expected an array"):
        begin(None, settings)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["--env", "NoSuchEnvironment-v0"], "NoSuchEnvironment"),
        (["--env", "Pendulum-v1"], "expected Discrete"),
        (["--episodes", "10"], "learning.episodes is 10, expected a multiple of the 16 environments"),
        (
            ["--config", "reinforce-tree", "--env", "Acrobot-v1"],
            "the problem of reinforce-tree is a tree, no environment",
        ),
    ],
)
def test_what_is_wrong_leaves_no_folder(
    given: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from alphago.cli import main

    with pytest.raises(SystemExit, match=r"^[1-9]"):
        main(["train", "reinforce", "--out", str(tmp_path / "run"), *given])
    told = capsys.readouterr().err
    assert message in told.replace("\n", " ") and "Traceback" not in told
    assert not (tmp_path / "run").exists()


def test_observations_may_be_whole_numbers() -> None:
    import gymnasium

    from alphago.train.reinforce_run import ReinforceRunSettings, begin

    class Bytes(gymnasium.Env[Any, Any]):
        observation_space = gymnasium.spaces.Box(0, 255, (2, 3), np.uint8)
        action_space = gymnasium.spaces.Discrete(2)

        def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
            return np.full((2, 3), 7, np.uint8), {}

        def step(self, action: Any) -> Any:
            return np.full((2, 3), 9, np.uint8), 1.0, True, False, {}

    gymnasium.register("alphago/Bytes-v0", lambda **_: Bytes())
    try:
        values = {"problem": {"env": "alphago/Bytes-v0", "environments": 2}, "learning": {"steps": 2, "episodes": 4}}
        task = begin(None, ReinforceRunSettings.model_validate(values))
        assert task.trainer.train() and task.answer()["mean_return"] == 1.0
    finally:
        del gymnasium.registry["alphago/Bytes-v0"]


# --- the page and the command -------------------------------------------------------------------------------------------


def test_the_examples_of_the_page_run() -> None:
    page = (ROOT / "docs" / "reinforce.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```$", page, flags=re.DOTALL | re.MULTILINE)
    assert len(blocks) == 2
    for block in blocks:
        names: dict[str, Any] = {}
        exec(compile(block, "docs/reinforce.md", "exec"), names)  # noqa: S102  # the page is our own
        assert names["trainer"].steps >= 5
    assert names["metrics"]["return"] <= 1


def test_the_page_names_every_setting() -> None:
    page = (ROOT / "docs" / "reinforce.md").read_text(encoding="utf-8")
    from alphago.train.reinforce_run import BaselineSettings, ProblemSettings, ReinforceRunSettings
    from selfplay.reinforce_go import GoReinforceSettings, MeasureSettings, PoolSettings

    run = (ReinforceSettings, ReinforceRunSettings, ProblemSettings, BaselineSettings)
    for model in (*run, GoReinforceSettings, PoolSettings, MeasureSettings):
        for name in model.model_fields:
            assert re.search(rf"`([a-z_]+\.)?{name}[`.]", page), (model.__name__, name)
    for name in baselines.NAMES:
        assert f"| `{name}` |" in page


def curves_of(run: Path) -> set[str]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    read = EventAccumulator(str(run / "tensorboard"))
    read.Reload()
    return set(read.Tags()["scalars"])


def test_a_killed_command_goes_on_bit_for_bit(tmp_path: Path) -> None:
    """SIGKILL at whatever moment; the run that goes on ends in the weights of one that was left alone."""
    config = tmp_path / "tree.yaml"
    config.write_text(
        "problem: {kind: tree}\nlearning: {steps: 200, episodes: 8, checkpoint_minutes: 0.0002}\n", encoding="utf-8"
    )
    command = [sys.executable, "-m", "alphago.cli", "train", "reinforce", "--config", str(config), "--no-tensorboard"]
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    subprocess.run([*command, "--out", str(whole)], check=True, capture_output=True)
    process = subprocess.Popen([*command, "--out", str(killed)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not checkpoints(killed) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    process.kill()
    process.wait()
    assert checkpoints(killed)[-1].name < "step-00000200"
    subprocess.run([*command, "--out", str(killed), "--resume"], check=True, capture_output=True)
    ends = [checkpoints(run)[-1] / "tensors.safetensors" for run in (whole, killed)]
    assert ends[0].parent.name == "step-00000200" and ends[0].read_bytes() == ends[1].read_bytes()


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from alphago.cli import main

    run = tmp_path / "run"
    arguments = ["train", "reinforce", "--config", "reinforce-tree", "--out", str(run), "--episodes", "4"]
    with pytest.raises(SystemExit, match=r"^0$"):
        main([*arguments, "--steps", "3", "--json"])
    answer = json.loads(capsys.readouterr().out)
    assert answer["updates"] == 3 and set(answer) >= {"found", "reward", "best", "optimal"}
    assert (run / "run.json").exists() and curves_of(run) >= {
        f"reinforce/{name}"
        for name in (
            "return", "return_best", "baseline", "advantage_spread", "entropy", "gradient", "kl_behaviour", "invalid_share",
            "episodes_per_second",
        )
    }  # fmt: skip
    with pytest.raises(SystemExit, match=r"^[1-9]"):
        main([*arguments, "--steps", "4", "--resume"])
    assert "learning.steps is 3, not 4" in capsys.readouterr().err
