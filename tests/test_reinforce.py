"""The REINFORCE trainer: its gradient against closed forms, finite differences and another library; laws of the estimator;
and runs that are stopped and go on as if nothing had been."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from alphago.train import baselines
from alphago.train.baselines import LeaveOneOut, MovingAverage, NoBaseline, PerContext, ValueBaseline
from alphago.train.episodes import Batch, Episodes, EpisodesError, joined
from alphago.train.miniatures import BanditTree, TinyPlacement
from alphago.train.optim import OptimizerSettings, ScheduleSettings, TrainingError
from alphago.train.policies import Categorical, SequencePolicy, entropy_of, masked_log_softmax
from alphago.train.reinforce import Evaluation, Reinforce, ReinforceSettings, shaped
from alphago.train.sources import Reward, SequenceSource, SourceError, VectorEnvSource
from conftest import ROOT

SGD = OptimizerSettings(kind="sgd", lr=1.0, momentum=0.0, nesterov=False, weight_decay=0.0)
"""One step of this moves the parameters by minus the gradient."""


class Table(nn.Module):
    """A policy of three states with two actions each: its logits are its parameters. float64."""

    def __init__(self, logits: list[list[float]]) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.tensor(logits, dtype=torch.float64))

    def evaluate(self, batch: Batch) -> Evaluation:
        log_probs = masked_log_softmax(self.logits[batch.observations["state"]], batch.masks)
        return Evaluation(log_probs.gather(1, batch.actions[:, None]).squeeze(1), entropy_of(log_probs))


class Fixed:
    """A source that always gives the same episodes."""

    def __init__(self, episodes: Episodes) -> None:
        self.episodes = episodes

    def collect(self, policy: Any, episodes: int) -> Episodes:
        return self.episodes

    def state(self) -> tuple[dict[str, Any], dict[str, Tensor]]:
        return {}, {}

    def load(self, values: Any, tensors: Any) -> None:
        pass


LOGITS = [[0.3, -0.2], [0.0, 0.5], [-1.0, 0.4]]


def toy(**more: Any) -> Episodes:
    """Two episodes: three steps through states 0, 1, 2, and one step in state 0."""
    return Episodes(
        np.array([0, 0, 0, 1]),
        np.array([1, 0, 1, 0]),
        np.array([1.0, 0.0, 2.0, -1.0]),
        {"state": np.array([0, 1, 2, 0])},
        **more,
    )


def gradient(policy: nn.Module, episodes: Episodes, baseline: Any = None, **settings: Any) -> NDArray[np.float64]:
    """What one update takes from the parameters: the gradient of the loss, of one parameter tensor."""
    (parameter,) = policy.parameters()
    before = parameter.detach().clone()
    plain: dict[str, Any] = {"optimizer": SGD, "schedule": ScheduleSettings(kind="constant", warmup=0), "clip": 0.0}
    made = ReinforceSettings(**plain | settings)
    Reinforce(policy, Fixed(episodes), made, baseline=baseline).step()
    found: NDArray[np.float64] = (before - parameter.detach()).numpy()
    with torch.no_grad():
        parameter.copy_(before)
    return found


def closed_form(episodes: Episodes, weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """-(1/E) sum of weight times (one-hot - softmax), by hand."""
    logits = np.array(LOGITS)
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    out = np.zeros_like(logits)
    for state, action, weight in zip(episodes.observations["state"], episodes.actions, weights, strict=True):
        out[state] -= weight * (np.eye(2)[action] - p[state]) / len(episodes)
    return out


# --- the gradient -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("gamma", [1.0, 0.9])
def test_the_gradient_is_the_closed_form(gamma: float) -> None:
    returns = [1 + gamma**2 * 2, gamma * 2, 2.0, -1.0]
    wanted = closed_form(toy(), np.array(returns))
    assert np.abs(gradient(Table(LOGITS), toy(), gamma=gamma) - wanted).max() < 1e-12


def test_the_gradient_is_that_of_finite_differences() -> None:
    """Of the expected return over all episodes of two steps, by enumeration: the estimator's mean is its exact gradient."""
    reward = {(0, 0): 1.0, (0, 1): -0.5, (1, 0): 0.25, (1, 1): 2.0}

    def expected(logits: NDArray[np.float64]) -> float:
        p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
        return float(sum(p[0, a] * p[1, b] * value for (a, b), value in reward.items()))

    start = np.array(LOGITS)
    p = np.exp(start) / np.exp(start).sum(1, keepdims=True)
    mean = np.zeros_like(start)
    for (a, b), value in reward.items():
        episode = Episodes(np.array([0, 0]), np.array([a, b]), np.array([0.0, value]), {"state": np.array([0, 1])})
        mean -= p[0, a] * p[1, b] * gradient(Table(LOGITS), episode)
    for state, action in itertools.product(range(2), range(2)):
        step = np.zeros_like(start)
        step[state, action] = 1e-5
        slope = (expected(start + step) - expected(start - step)) / 2e-5
        assert abs(slope - mean[state, action]) < 1e-9


def test_the_gradient_is_that_of_torchrl() -> None:
    """ReinforceLoss on the same steps, with the returns given as advantages."""
    tensordict = pytest.importorskip("tensordict", reason="torchrl is a test extra: pip install 'alphago[cross-check]'")
    objectives = pytest.importorskip("torchrl.objectives")
    modules = pytest.importorskip("torchrl.modules")
    table = Table(LOGITS)

    class Logits(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.logits = nn.Parameter(table.logits.detach().clone())

        def forward(self, state: Tensor) -> Tensor:
            return self.logits[state]

    net = Logits()
    actor = modules.ProbabilisticActor(
        tensordict.nn.TensorDictModule(net, in_keys=["state"], out_keys=["logits"]),
        in_keys=["logits"],
        out_keys=["action"],
        distribution_class=torch.distributions.Categorical,
        return_log_prob=True,
    )
    critic = modules.ValueOperator(
        nn.Linear(1, 1).double(), in_keys=["observation"]
    )  # it wants one; its loss is left alone
    loss = objectives.ReinforceLoss(actor, critic, functional=False)
    episodes = toy()
    returns = episodes.returns()
    data = tensordict.TensorDict(
        {
            "state": torch.from_numpy(episodes.observations["state"]),
            "action": torch.from_numpy(episodes.actions),
            "advantage": torch.from_numpy(returns)[:, None],
            "value_target": torch.zeros(4, 1, dtype=torch.float64),
            "observation": torch.zeros(4, 1, dtype=torch.float64),
        },
        batch_size=[4],
    )
    loss(data)["loss_actor"].backward()
    theirs = net.logits.grad
    assert theirs is not None
    # theirs is the mean over steps, ours is asked for the same
    ours = gradient(table, episodes, per="step")
    assert np.abs(ours - theirs.numpy()).max() < 1e-5


def test_parts_add_up_to_the_whole() -> None:
    settings = {"entropy": 0.3}
    whole = gradient(Table(LOGITS), toy(), **settings)
    parts = gradient(Table(LOGITS), toy(), steps_at_once=1, **settings)
    assert np.abs(whole - parts).max() < 1e-12


def test_the_order_of_the_episodes_does_not_matter() -> None:
    episodes = joined([toy(contexts=np.array([0, 1])), toy(contexts=np.array([1, 1])), toy(contexts=np.array([0, 0]))])
    for baseline in (NoBaseline, MovingAverage, LeaveOneOut, PerContext):
        for advantage in ("raw", "standardised", "ranked"):
            one = gradient(Table(LOGITS), episodes, baseline(), advantage=advantage)
            other = gradient(Table(LOGITS), episodes.taken([4, 1, 5, 0, 3, 2]), baseline(), advantage=advantage)
            assert np.abs(one - other).max() < 1e-12


def test_a_better_action_becomes_likelier_and_a_worse_one_rarer() -> None:
    for reward, sign in ((1.0, 1), (-1.0, -1)):
        episode = Episodes(np.array([0]), np.array([1]), np.array([reward]), {"state": np.array([0])})
        found = gradient(Table(LOGITS), episode)
        assert np.sign(-found[0, 1]) == sign and np.sign(-found[0, 0]) == -sign


def test_where_every_action_wins_nothing_is_learned() -> None:
    """Every episode returns 1: with a baseline that knows it the gradient is zero, whatever was played; without, not."""
    episodes = Episodes(np.arange(4), np.array([0, 1, 1, 1]), np.ones(4), {"state": np.zeros(4, np.int64)})
    known = MovingAverage(0.5)
    known.take(np.ones(4))
    for baseline in (known, LeaveOneOut()):
        assert np.abs(gradient(Table(LOGITS), episodes, baseline)).max() < 1e-12
    assert np.abs(gradient(Table(LOGITS), episodes)).max() > 0.1
    for advantage in ("standardised", "ranked"):
        assert np.abs(gradient(Table(LOGITS), episodes, advantage=advantage)).max() < 1e-7


def test_the_entropy_bonus_is_exact_and_on_schedule() -> None:
    """The gradient of p log p of a softmax by hand: dH/dz_i = -p_i (log p_i + H)."""
    episodes = Episodes(np.array([0]), np.array([1]), np.array([0.0]), {"state": np.array([0])})
    p = np.exp(LOGITS[0]) / np.exp(LOGITS[0]).sum()
    entropy = -(p * np.log(p)).sum()
    found = gradient(Table(LOGITS), episodes, entropy=0.5)
    assert np.abs(found[0] - 0.5 * p * (np.log(p) + entropy)).max() < 1e-12
    trainer = Reinforce(Table(LOGITS), Fixed(toy()), ReinforceSettings(steps=5, entropy=1.0, entropy_final=0.2))
    weights = []
    for _ in range(5):
        weights.append(trainer.entropy_weight)
        trainer.step()
    assert np.allclose(weights, [1.0, 0.8, 0.6, 0.4, 0.2])
    trainer = Reinforce(Table(LOGITS), Fixed(toy()), ReinforceSettings(entropy_floor=9.0, entropy_rescue=0.25))
    assert trainer.entropy_weight == 0.0  # nothing is known yet
    trainer.step()
    assert trainer.entropy_weight == 0.25


def test_penalties_are_told_and_weighed() -> None:
    class WithPenalty(Table):
        def evaluate(self, batch: Batch) -> Evaluation:
            found = super().evaluate(batch)
            return Evaluation(
                found.log_probs, found.entropy, {"square": self.logits.square().sum(1)[batch.observations["state"]]}
            )

    episodes = Episodes(np.array([0]), np.array([1]), np.array([0.0]), {"state": np.array([0])})
    found = gradient(WithPenalty(LOGITS), episodes, penalties={"square": 0.5})
    assert np.abs(found[0] - np.array(LOGITS[0])).max() < 1e-12
    metrics = Reinforce(WithPenalty(LOGITS), Fixed(episodes), ReinforceSettings()).step()
    assert metrics["square"] == pytest.approx(np.square(LOGITS[0]).sum())
    with pytest.raises(TrainingError, match="knows no penalty 'round'; it has: square"):
        Reinforce(WithPenalty(LOGITS), Fixed(episodes), ReinforceSettings(penalties={"round": 1.0})).step()


def test_what_the_mask_forbids_has_no_part() -> None:
    """With one action left its probability is 1 and nothing can be learned; the entropy is 0."""
    masks = np.array([[False, True], [True, True], [True, True], [True, True]])
    episodes = toy(masks=masks)
    found = Table(LOGITS).evaluate(episodes.batch())
    assert found.log_probs[0] == 0 and found.entropy[0] == 0
    first = Episodes(np.array([0]), np.array([1]), np.array([3.0]), {"state": np.array([0])}, masks[:1])
    assert not gradient(Table(LOGITS), first, entropy=1.0).any()


def test_the_divergence_from_the_policy_that_played() -> None:
    table = Table(LOGITS)
    with torch.no_grad():
        own = table.evaluate(toy().batch()).log_probs.numpy()
    settings = ReinforceSettings(optimizer=SGD)
    assert Reinforce(table, Fixed(toy(log_probs=own)), settings).step()["kl_behaviour"] == pytest.approx(0, abs=1e-12)
    # over all actions in their proportions the estimate is the divergence itself
    q = np.array([0.9, 0.1])
    p = np.exp(LOGITS[0]) / np.exp(LOGITS[0]).sum()
    counts = [9, 1]
    actions = np.repeat([0, 1], counts)
    episodes = Episodes(
        np.arange(10), actions, np.zeros(10), {"state": np.zeros(10, np.int64)}, log_probs=np.log(q)[actions]
    )
    found = Reinforce(Table(LOGITS), Fixed(episodes), settings).step()["kl_behaviour"]
    assert found == pytest.approx((q * np.log(q / p)).sum())


def test_a_number_that_is_not_finite_ends_the_run(tmp_path: Path) -> None:
    masks = np.array([[True, False], [True, True], [True, True], [True, True]])  # the first action played was forbidden
    trainer = Reinforce(Table(LOGITS), Fixed(toy(masks=masks)), ReinforceSettings(), run=tmp_path)
    with pytest.raises(TrainingError, match="not finite in update 1; there is no checkpoint yet"):
        trainer.train()


# --- advantages and baselines -------------------------------------------------------------------------------------------


def test_shapes_of_advantages() -> None:
    values = np.array([3.0, -1.0, 3.0, 10.0])
    assert shaped(values, "raw") is values
    assert np.isclose(shaped(values, "standardised").mean(), 0) and np.isclose(shaped(values, "standardised").std(), 1)
    assert np.allclose(shaped(values, "ranked"), [0, -0.5, 0, 0.5])


def test_a_moving_average_is_used_before_it_is_updated() -> None:
    average = MovingAverage(0.9)
    episodes = toy()
    returns = episodes.returns()
    assert not average.predict(episodes, returns).any()
    average.update(episodes, returns)
    assert average.value == pytest.approx(1.0)  # the mean of 3 and -1, in full at once
    average.take(np.array([5.0]))
    assert average.value == pytest.approx((0.9 * 1 + 5) / 1.9)
    plain = MovingAverage(0.9, corrected=False, start=2.0)
    plain.take(np.array([5.0]))
    assert plain.value == pytest.approx(0.9 * 2 + 0.1 * 5)
    skipping = MovingAverage(0.5, skip_invalid=True)
    skipping.update(toy(invalid=np.array([False, True])), returns)
    assert skipping.value == 3.0
    with pytest.raises(TrainingError, match="at least 0 and below 1, got 1"):
        MovingAverage(1.0)


def test_leave_one_out_is_the_mean_of_the_others_of_the_same_context() -> None:
    returns = np.array([1.0, 2.0, 6.0, 10.0])
    episodes = Episodes(np.arange(4), np.zeros(4, np.int64), returns, contexts=np.array([7, 7, 7, 9]))
    assert np.allclose(LeaveOneOut().predict(episodes, returns), [4.0, 3.5, 1.5, 0.0])


def test_every_context_has_a_level_of_its_own() -> None:
    returns = np.array([1.0, 3.0, 10.0])
    episodes = Episodes(np.arange(3), np.zeros(3, np.int64), returns, contexts=np.array([4, 4, 5]))
    baseline = PerContext(lambda: MovingAverage(0.9))
    baseline.update(episodes, returns)
    other = PerContext(lambda: MovingAverage(0.9))
    other.load(*baseline.state())
    for found in (baseline, other):
        assert np.allclose(found.predict(episodes, returns), [2.0, 2.0, 10.0])


def test_a_value_network_learns_the_returns() -> None:
    class Values(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table = nn.Embedding(3, 1)

        def forward(self, batch: Batch) -> Tensor:
            found: Tensor = self.table(batch.observations["state"]).squeeze(-1)
            return found

    episodes = toy()
    returns = episodes.returns()
    baseline = ValueBaseline(Values(), rate=0.1, passes=200, steps_at_once=2)
    baseline.update(episodes, returns)
    assert np.allclose(baseline.predict(episodes, returns), [1.0, 2.0, 2.0, 1.0], atol=0.02)
    fixed = ValueBaseline(Values())
    before = fixed.predict(episodes, returns)
    fixed.update(episodes, returns)
    assert (fixed.predict(episodes, returns) == before).all() and fixed.state() == ({}, {})


def test_baselines_by_name() -> None:
    for name in baselines.NAMES:
        baselines.named(name, values=NoBaseline)
    with pytest.raises(TrainingError, match="unknown baseline 'mean': one of none, moving-average"):
        baselines.named("mean")


# --- episodes -----------------------------------------------------------------------------------------------------------


def test_episodes_that_are_none() -> None:
    zeros, one = np.zeros(2, np.int64), np.ones(2)
    for index in ([1, 2], [0, 2], [1, 0], []):
        with pytest.raises(EpisodesError, match="index must count"):
            Episodes(np.array(index, dtype=np.int64), zeros, one)
    with pytest.raises(EpisodesError, match="actions has 2 rows, expected 3"):
        Episodes(np.array([0, 0, 1]), zeros, np.ones(3))
    with pytest.raises(EpisodesError, match="contexts has 1 rows, expected 2"):
        Episodes(np.array([0, 1]), zeros, one, contexts=np.array([1]))
    with pytest.raises(EpisodesError, match="a reward is not finite"):
        Episodes(np.array([0, 1]), zeros, np.array([0, np.nan]))


@pytest.mark.parametrize("most", range(1, 7))
def test_parts_are_whole_episodes_in_order(most: int) -> None:
    lengths = [2, 1, 4, 1, 1]
    episodes = Episodes(np.repeat(np.arange(5), lengths), np.zeros(9, np.int64), np.ones(9))
    parts = list(episodes.parts(most))
    assert [e for part, _ in parts for e in range(part.start, part.stop)] == list(range(5))
    assert [s for _, steps in parts for s in range(steps.start, steps.stop)] == list(range(9))
    for part, steps in parts:
        assert steps.stop - steps.start <= most or part.stop - part.start == 1
        batch = episodes.batch(episodes=part)
        assert batch.episodes == part.stop - part.start and len(batch.index) == steps.stop - steps.start
        assert batch.turns.tolist() == [t for n in lengths[part] for t in range(n)]


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
    with pytest.raises(SourceError, match="no reward was told for sequence 0"):
        source.episodes()
    with pytest.raises(SourceError, match="expected a finite number"):
        source.tell(0, Reward(float("inf")))
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


@pytest.mark.parametrize("env", ["CartPole-v1"])
def test_cartpole_is_learned(env: str, tmp_path: Path, one_thread: None) -> None:
    from alphago import configs
    from alphago.train.reinforce_run import ReinforceRunSettings, begin

    task = begin(None, configs.load("reinforce-cartpole", ReinforceRunSettings))
    assert task.trainer.train() and task.trainer.finished  # 475 in 100 episodes


@pytest.mark.parametrize("env", ["NoSuchEnvironment-v0", "Pendulum-v1", "FrozenLake-v1"])
def test_an_environment_that_does_not_fit_is_refused(env: str) -> None:
    from alphago.train.reinforce_run import ReinforceRunSettings, begin

    settings = ReinforceRunSettings.model_validate({"problem": {"env": env}})
    with pytest.raises(SourceError, match=r"NoSuchEnvironment|expected Discrete|expected an array"):
        begin(None, settings)


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
    for name in ReinforceSettings.model_fields:
        assert f"`{name}`" in page or name == "checkpoint_minutes", name
    for name in baselines.NAMES:
        assert f"| `{name}` |" in page


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from alphago.cli import main

    run = tmp_path / "run"
    arguments = ["train", "reinforce", "--config", "reinforce-tree", "--out", str(run), "--episodes", "4"]
    with pytest.raises(SystemExit, match=r"^0$"):
        main([*arguments, "--steps", "3", "--json"])
    answer = json.loads(capsys.readouterr().out)
    assert answer["updates"] == 3 and set(answer) >= {"found", "reward", "best", "optimal"}
    assert list((run / "tensorboard").glob("events*")) and (run / "run.json").exists()
    with pytest.raises(SystemExit, match=r"^[1-9]"):
        main([*arguments, "--steps", "4", "--resume"])
    assert "learning.steps is 3, not 4" in capsys.readouterr().err
