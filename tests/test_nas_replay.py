"""Sequences that are not proposed twice, rewards of one scale, elites that are replayed; and strategies that screen."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import torch

from alphago.controller.nas.controllers import FactorisedController, LstmController, make_controller
from alphago.controller.nas.replay import ATTEMPTS, ReplaySettings, ReplaySource, Spread
from alphago.controller.nas.space import Choice, Group, Space
from alphago.controller.nas.strategies import (
    Learned,
    Learning,
    StrategyError,
    make_strategy,
    published,
    settings_of,
    tuned,
)
from alphago.train.optim import OptimizerSettings, TrainingError
from alphago.train.reinforce import Reinforce
from alphago.train.sources import Reward, SourceError

SPACE = Space(Group(a=Choice(0, 1, 2), b=Choice(0, 1, 2), c=Choice(0, 1)))
ALL = set(itertools.product(range(3), range(3), range(2)))


def source_of(contexts: int = 1, accept: Any = None, **settings: Any) -> ReplaySource:
    return ReplaySource(ReplaySettings(**settings), seed=3, contexts=range(contexts), accept=accept)


def test_nothing_is_proposed_twice_as_long_as_there_is_something_new() -> None:
    controller, source = FactorisedController(SPACE), source_of()
    seen = []
    for batch in range(6):
        asked = source.ask(controller, 3)
        assert [number for number, _, _ in asked] == [3 * batch, 3 * batch + 1, 3 * batch + 2]
        seen += [choices for _, choices, _ in asked]
        for number, choices, _ in asked:
            source.tell(number, Reward(float(sum(choices))))
        source.episodes()
    assert len(seen) == 18 and set(seen) == ALL
    redrawn = source.redrawn
    ((_, choices, _),) = source.ask(controller, 1)  # all are known: the last of many draws is proposed again
    assert choices in ALL and source.redrawn == redrawn + ATTEMPTS - 1


def test_what_is_drawn_again_has_the_probability_of_what_it_became() -> None:
    controller = LstmController(SPACE, seed=1, scale=1.0)
    source = source_of(accept=lambda choices, _context: choices[0] == 2)
    asked = source.ask(controller, 4)
    for number, choices, _ in asked:
        assert choices[0] == 2
        source.tell(number, Reward(1.0))
    found = source.episodes()
    assert found.log_probs is not None
    again = controller.evaluate(found.batch()).log_probs.detach().numpy()
    assert np.abs(again - found.log_probs).max() < 1e-5


def test_replicas_do_not_know_what_others_proposed() -> None:
    controller, source = FactorisedController(SPACE, replicas=2), source_of(contexts=2)
    seen: dict[int, list[tuple[int, ...]]] = {0: [], 1: []}
    for _ in range(18):
        for number, choices, context in source.ask(controller, 2):
            seen[context].append(choices)
            source.tell(number, Reward(0.0))
        source.episodes()
    assert set(seen[0]) == set(seen[1]) == ALL and len(seen[0]) == 18


@pytest.mark.parametrize("scale", [1.0, 1e-6, 1e6])
@pytest.mark.parametrize("offset", [0.0, -5.0, 1e3])
def test_rewards_are_told_in_their_own_units(scale: float, offset: float) -> None:
    """Whatever the scale and the level, they are (R - mean) / deviation with weights 0.9^age, of the rewards before."""
    random = np.random.default_rng(1)
    raw = random.normal(size=30)
    spread = Spread(0.9)
    for n, value in enumerate(raw):
        found = spread.standardised(offset + scale * value)
        if n >= 2:
            weights = 0.9 ** np.arange(n - 1, -1, -1)
            mean = np.average(raw[:n], weights=weights)
            deviation = np.sqrt(np.average((raw[:n] - mean) ** 2, weights=weights))
            assert found == pytest.approx((value - mean) / deviation, rel=1e-4, abs=1e-4)
        spread.take(offset + scale * value)


def test_rewards_that_are_all_the_same_have_a_sign_and_no_size() -> None:
    spread = Spread(0.9)
    assert spread.standardised(70.0) == 0.0
    for _ in range(50):
        spread.take(70.0)
        assert spread.standardised(70.0) == 0.0
    assert (spread.standardised(71.0), spread.standardised(69.0)) == (1.0, -1.0)


def test_elites_are_the_best_so_far_with_one_advantage_together() -> None:
    controller = FactorisedController(SPACE, replicas=2)
    source = source_of(contexts=2, elites=2, weight=1.2, least=-1.5)
    told: dict[int, list[tuple[float, tuple[int, ...]]]] = {0: [], 1: []}
    for step in range(8):
        for number, choices, context in source.ask(controller, 2):
            invalid = step == 3
            reward = 100.0 if invalid else float(choices[0] * 10 + choices[1] * 3 + choices[2] + context)
            if not invalid:
                told[context].append((reward, choices))
            source.tell(number, Reward(reward, invalid=invalid))
        found = source.episodes()
        rows = found.actions.reshape(-1, 3)
        best = {c: [choices for _, choices in sorted(told[c], key=lambda one: -one[0])[:2]] for c in told}
        expected = [(c, *best[c][rank]) for rank in range(len(best[0])) for c in (0, 1)]
        assert [(int(c), *row) for c, row in zip(found.context_of[2:], rows[2:].tolist(), strict=True)] == expected
        returns = found.returns()[found.starts]
        assert returns[2:] == pytest.approx(1.2 / len(best[0])) and (returns[:2] >= -1.5).all()
        assert found.invalid is not None and found.invalid.tolist() == [step == 3] * 2 + [False] * len(expected)
    assert found.info["reward"] > 0


def test_the_gradient_of_a_replay_is_that_of_its_likelihood() -> None:
    """One new sequence (advantage 0, the first) and one elite: the logits climb weight / 2 of the elite's log-likelihood."""
    controller = FactorisedController(SPACE).double()
    learning = Learning(
        settings_of(1.0).model_copy(
            update={"optimizer": OptimizerSettings(kind="sgd", lr=1.0, momentum=0.0, nesterov=False, weight_decay=0.0)}
        )
    )
    source = source_of(elites=1, weight=0.8)
    ((number, choices, _),) = source.ask(controller, 1)
    source.tell(number, Reward(5.0))
    before = controller.logits.detach().clone()[0]
    Reinforce(controller, source, learning.settings).learn(source.episodes())
    moved = (controller.logits.detach()[0] - before).numpy()
    for turn, width in enumerate(SPACE.widths):
        p = np.full(width, 1 / width)
        assert np.abs(moved[turn, :width] - 0.8 / 2 * (np.eye(width)[choices[turn]] - p)).max() < 1e-6


def test_a_source_goes_on_where_it_was() -> None:
    def run(until: int, source: ReplaySource, controller: Any) -> list[Any]:
        log = []
        for _ in range(until):
            for number, choices, _ in source.ask(controller, 2):
                source.tell(number, Reward(float(sum(choices))))
            found = source.episodes()
            log.append((found.actions.tolist(), found.rewards.tolist()))
        return log

    controller = FactorisedController(SPACE)
    whole = run(6, source_of(elites=2), controller)
    first = source_of(elites=2)
    assert run(3, first, controller) == whole[:3]
    values, tensors = first.state()
    second = source_of(elites=2)
    import json

    second.load(json.loads(json.dumps(values)), tensors)
    assert run(3, second, controller) == whole[3:]


def test_what_is_wrong_is_one_line() -> None:
    with pytest.raises(TrainingError, match="replay: elites and weight are at least 0"):
        ReplaySettings(elites=-1)
    source = source_of()
    source.ask(FactorisedController(SPACE), 2)
    with pytest.raises(SourceError, match="no reward was told for sequence 0"):
        source.episodes()
    with pytest.raises(StrategyError, match="only learning with replay draws again"):
        Learned(SPACE, learning=published(), accept=lambda choices: True)
    with pytest.raises(StrategyError, match="unknown controller 'gru'"):
        tuned("gru")


@pytest.mark.parametrize("name", ["reinforce", "evolution", "random", "tpe"])
@pytest.mark.parametrize("batch", [1, 4])
def test_strategies_propose_what_is_accepted(name: str, batch: int) -> None:
    if name == "tpe":
        pytest.importorskip("optuna", reason="optuna is an extra: pip install 'alphago[nas]'")
    strategy = make_strategy(name, SPACE, 1, batch=batch, accept=lambda choices: choices[0] != 1)
    sizes = []
    for _ in range(2):  # 8 of the 12 that are accepted: enough for everybody not to have to repeat itself
        asked = strategy.ask()
        sizes.append(len(asked))
        assert all(choices[0] != 1 for choices in asked)
        strategy.tell([Reward(float(sum(choices))) for choices in asked])
    assert max(sizes) == batch


@pytest.mark.parametrize("controller", ["factorised", "lstm"])
def test_tuned_learning_needs_no_tuning_for_another_scale(controller: str) -> None:
    """The same search of rewards a million times as large asks for the same sequences."""

    def run(scale: float) -> list[Any]:
        strategy = Learned(SPACE, 5, controller=controller)
        log = []
        for _ in range(10):
            asked = strategy.ask()
            log += asked
            strategy.tell([Reward(scale * float(c[0] * 3 + c[1] * 2 + c[2])) for c in asked])
        return log

    assert run(1.0) == run(2.0**20)
    assert type(Learned(SPACE).trainer) is Reinforce


def test_the_lstm_multiplies_replicas_in_turn_as_it_does_any() -> None:
    controller = make_controller("lstm", SPACE, replicas=3, seed=2)
    assert isinstance(controller, LstmController)
    x = torch.randn(6, 4)
    weights = torch.randn(3, 4, 5)
    contexts = torch.tensor([0, 1, 2, 0, 1, 2])
    wanted = torch.stack([row @ weights[c] for row, c in zip(x, contexts.tolist(), strict=True)])
    assert torch.allclose(controller._times(x, weights, contexts), wanted, atol=1e-5)
    order = torch.tensor([3, 0, 5, 1, 4, 2])
    assert torch.allclose(controller._times(x[order], weights, contexts[order]), wanted[order], atol=1e-5)


def test_rewards_that_are_all_one_are_worth_nothing_more() -> None:
    """Up to the rounding of a mean that forgets: a reward is above those before it or it is not."""
    spread = Spread(0.9)
    spread.take(0.3)
    for _ in range(1000):
        spread.take(0.7)
    assert spread.standardised(0.7) == 0.0
    assert spread.standardised(0.8) > 0.5 and spread.standardised(0.6) < -0.5
