"""The REINFORCE trainer: its gradient against closed forms, finite differences and another library; laws of the estimator;
and runs that are stopped and go on as if nothing had been."""

from __future__ import annotations

import dataclasses
import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pydantic
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from alphago.train import baselines
from alphago.train.baselines import LeaveOneOut, MovingAverage, NoBaseline, PerContext, ValueBaseline, shaped
from alphago.train.episodes import Batch, Episodes, EpisodesError, joined
from alphago.train.optim import OptimizerSettings, ScheduleSettings, TrainingError
from alphago.train.policies import entropy_of, masked_log_softmax
from alphago.train.reinforce import Evaluation, Reinforce, ReinforceSettings

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


def test_traced_advantages_by_hand() -> None:
    """Two episodes of two and three steps; with trace 1 they are the returns less the values, with 0 one step ahead."""
    episodes = Episodes(np.array([0, 0, 1, 1, 1]), np.zeros(5, np.int64), np.array([1.0, 2, 0, 0, -1]))
    values = np.array([0.5, 1.0, 0.25, -0.5, -0.75])
    d = np.array([1 + 0.9 - 0.5, 2 - 1.0, 0.9 * -0.5 - 0.25, 0.9 * -0.75 + 0.5, -1 + 0.75])
    assert np.allclose(episodes.traced(values, 0.9, 0.0), d)
    half = [d[0] + 0.45 * d[1], d[1], d[2] + 0.45 * (d[3] + 0.45 * d[4]), d[3] + 0.45 * d[4], d[4]]
    assert np.allclose(episodes.traced(values, 0.9, 0.5), half)
    assert np.allclose(episodes.traced(values, 0.9, 1.0), episodes.returns(0.9) - values)


def test_a_trace_below_one_reaches_the_gradient() -> None:
    """Without a baseline its advantages are rewards that fade with trace as with gamma."""
    faded, traced = (gradient(Table(LOGITS), toy(), **{name: 0.9}) for name in ("gamma", "trace"))
    assert np.allclose(faded, traced) and not np.allclose(traced, gradient(Table(LOGITS), toy()))


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
    """ReinforceLoss on the same steps, with the returns given as advantages. It draws the actions of the batch anew and learns from
    those (torchrl 0.14), so they are what ours is given, too."""
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
    drawn = dataclasses.replace(episodes, actions=data["action"].numpy())
    ours = gradient(table, drawn, per="step")  # theirs is the mean over steps
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
    Reinforce(Table(LOGITS), Fixed(episodes), ReinforceSettings(penalties={"square": 0.0})).step()  # nobody is asked
    for weight in (-0.1, np.inf):
        with pytest.raises(pydantic.ValidationError, match=r"penalties\.square"):
            ReinforceSettings(penalties={"square": weight})


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


def test_the_rate_follows_its_schedule_and_the_gradient_is_clipped() -> None:
    """Steps of plain descent are the rate times the gradient, or times its direction where that is longer than `clip`."""
    norm = np.linalg.norm(gradient(Table(LOGITS), toy()))
    clipped = gradient(Table(LOGITS), toy(), clip=norm / 4)
    assert np.linalg.norm(clipped) == pytest.approx(norm / 4, rel=1e-5)
    assert np.allclose(clipped * 4, gradient(Table(LOGITS), toy()), rtol=1e-4)
    schedule = ScheduleSettings(kind="cosine", warmup=1)
    table = Table(LOGITS)
    flat = toy(masks=np.tile([True, True], (4, 1)))
    trainer = Reinforce(table, Fixed(flat), ReinforceSettings(steps=4, optimizer=SGD, schedule=schedule, clip=0.1))
    for rate in (0.5, (1 + np.cos(np.pi / 4)) / 2, 0.5, (1 + np.cos(3 * np.pi / 4)) / 2):
        before = table.logits.detach().clone()
        assert trainer.step()["learning_rate"] == pytest.approx(rate)
        assert float((table.logits.detach() - before).norm()) == pytest.approx(0.1 * rate, rel=1e-4)


def test_what_an_update_tells() -> None:
    """Of episodes that return 3 and -1, the second no answer; then of one that returns 5."""
    better = Episodes(np.array([0]), np.array([1]), np.array([5.0]), {"state": np.array([0])})
    average = MovingAverage(0.5)
    source = Fixed(toy(invalid=np.array([False, True])))
    trainer = Reinforce(Table(LOGITS), source, ReinforceSettings(optimizer=SGD), baseline=average)
    first = trainer.step()
    assert (first["return"], first["return_best"], first["invalid_share"], first["steps"]) == (1.0, 3.0, 0.5, 4.0)
    assert first["baseline"] == 0.0 and first["advantage_spread"] == pytest.approx(np.std([3, 2, 2, -1]))
    assert first["gradient"] == pytest.approx(np.linalg.norm(gradient(Table(LOGITS), toy())))
    p = np.exp(LOGITS) / np.exp(LOGITS).sum(1, keepdims=True)
    entropies = -(p * np.log(p)).sum(1)
    assert first["entropy"] == pytest.approx(entropies[[0, 1, 2, 0]].mean())
    source.episodes = better
    second = trainer.step()
    assert (second["return"], second["return_best"], second["baseline"]) == (5.0, 5.0, 1.0)
    assert second["invalid_share"] == 0.0 and second["episodes_per_second"] > 0
    source.episodes = toy()
    assert trainer.step()["return_best"] == 5.0


# --- advantages and baselines -------------------------------------------------------------------------------------------


def test_shapes_of_advantages() -> None:
    values = np.array([3.0, -1.0, 3.0, 10.0])
    assert shaped(values, "raw") is values
    assert np.isclose(shaped(values, "standardised").mean(), 0) and np.isclose(shaped(values, "standardised").std(), 1)
    assert np.allclose(shaped(values, "ranked"), [0, -0.5, 0, 0.5])


@pytest.mark.parametrize("gamma", [1.0, 0.9])
def test_equal_episodes_have_equal_returns_wherever_they_stand(gamma: float) -> None:
    """Bit for bit, with numbers that are not exact: else their ranks, which know no "almost", would be chance."""
    rewards = np.tile([0.1, 0.0, -np.sqrt(17)], 16)
    episodes = Episodes(np.repeat(np.arange(16), 3), np.zeros(48, np.int64), rewards)
    returns = episodes.returns(gamma).reshape(16, 3)
    assert (returns == returns[0]).all()
    assert returns[0] == pytest.approx([0.1 - gamma**2 * np.sqrt(17), -gamma * np.sqrt(17), -np.sqrt(17)])
    ranks = shaped(episodes.returns(gamma), "ranked").reshape(16, 3)
    assert (ranks == ranks[0]).all() and len(set(ranks[0])) == len(set(returns[0]))


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
