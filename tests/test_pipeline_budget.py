"""Plans: fixed arithmetic from configuration and budget, never the clock or the machine; and what a configuration may not say."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from alphago import configs
from alphago.arena.components import ComponentsError
from alphago.arena.openings import OpeningError
from alphago.arena.sides import SideError
from alphago.nets.architecture import AlphaGoPolicy, AlphaGoValue, Residual
from alphago.nets.modules import build
from alphago.nets.store import save_network
from alphago.train.value import value_architecture, value_start
from selfplay.pipeline.budget import STAGES, Plan, amounts_of, plan_of
from selfplay.pipeline.settings import PipelineError, PipelineSettings
from selfplay.pipeline.stages import opponent_digests

NINE = configs.load("alphago-9x9", PipelineSettings)
SHIPPED = [name for name in configs.names() if name in ("alphago-9x9", "alphago-5x5")]


def seconds_used(plan: Plan) -> dict[str, float]:
    """How long the amounts of a plan take at the stated rates, worked out backwards."""
    tier = [tier for tier in NINE.tiers if seconds(tier.budget) <= plan.seconds][-1]
    rates, reinforce = tier.rates, plan.reinforce
    measured = NINE.reinforce.measurements * (reinforce.measure.games + reinforce.measure.pool_games)
    matches = len(plan.evaluation.variants) * len(plan.evaluation.against)
    rollout = plan.rollout
    return {
        "rollout": rollout.likelihood.steps * rollout.likelihood.batch / rates.rollout
        + rollout.tree.steps * rollout.tree.batch / rates.rollout
        + rollout.balance.steps * rollout.balance.batch / rates.balance,
        "supervised": plan.supervised.run.training.steps * plan.supervised.run.training.batch / rates.supervised,
        "reinforce": reinforce.learning.steps * reinforce.learning.episodes / rates.reinforce
        + measured / rates.measure,
        "value-data": plan.value_games / rates.value_data,
        "value": plan.value.run.training.steps * plan.value.run.training.batch / rates.value,
        "evaluate-value": plan.policy_positions / rates.evaluate_value
        + plan.value.run.training.steps * plan.value.run.training.batch / rates.value,  # the arm with many a game
        "components": plan.component_games * matches / (rates.components / 60),
    }


def seconds(text: str) -> float:
    return float(text[:-1]) * {"s": 1, "m": 60, "h": 3600}[text[-1]]


@settings(max_examples=60, deadline=None)
@given(minutes=st.integers(10, 24 * 60))
def test_a_plan_takes_its_budget_and_not_more(minutes: int) -> None:
    """At the stated rates no stage takes longer than its share, nor less by more than one unit of its work."""
    plan = plan_of(NINE, f"{minutes}m")
    used = seconds_used(plan)
    assert sum(used.values()) <= 60 * minutes
    tier = [tier for tier in NINE.tiers if seconds(tier.budget) <= 60 * minutes][-1]
    unit = {
        "rollout": 2 * 4096 / tier.rates.rollout + 256 / tier.rates.balance,
        "supervised": 256 / tier.rates.supervised,
        "reinforce": 128 / tier.rates.reinforce,
        "value-data": 1 / tier.rates.value_data,
        "value": 256 / tier.rates.value,
        "evaluate-value": 1 / tier.rates.evaluate_value + 256 / tier.rates.value,
        "components": 2 * 14 / (tier.rates.components / 60),
    }
    for stage, spent in used.items():
        expected = plan.expected[stage]
        assert spent <= expected + 1e-6, stage
        assert spent > expected - unit[stage] - 1e-6, stage


def test_the_plan_is_the_same_at_any_time_on_any_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = plan_of(NINE, "2h")
    monkeypatch.setattr(time, "monotonic", lambda: 1e9)
    monkeypatch.setattr(time, "time", lambda: 0.0)
    monkeypatch.setattr("alphago.machine.usable_threads", lambda: 64)
    monkeypatch.setattr("os.cpu_count", lambda: 64)
    assert plan_of(NINE, "2h") == plan == plan_of(NINE, "120m") == plan_of(NINE, "7200s")


@pytest.mark.parametrize("name", SHIPPED)
def test_the_shipped_configurations_make_plans(name: str) -> None:
    found = configs.load(name, PipelineSettings)
    plan = plan_of(found)
    assert set(amounts_of(plan)) == set(STAGES) == set(plan.expected)
    assert Plan.model_validate_json(plan.model_dump_json()) == plan


def test_budgets_choose_the_network() -> None:
    sizes = {}
    for budget in ("10m", "59m", "1h", "2h", "10h"):
        network = plan_of(NINE, budget).network
        assert isinstance(network, Residual)
        sizes[budget] = (network.blocks, network.channels)
    assert sizes["10m"] == sizes["59m"] == (4, 48) and sizes["1h"] == sizes["2h"] == sizes["10h"] == (6, 64)


def test_the_value_network_is_like_the_policy_network() -> None:
    plan = plan_of(NINE, "10m")
    assert plan.value_network.heads == ("outcome",)
    network = build(plan.network, seed=3)
    start = value_start(network)
    assert start.architecture == plan.value_network
    theirs = network.state_dict()
    for name, tensor in start.state_dict().items():
        assert (tensor == theirs[name]).all(), name
    paper = value_architecture(AlphaGoPolicy(layers=13, channels=192, size=19))
    assert isinstance(paper, AlphaGoValue) and paper == AlphaGoValue(size=19)  # its own defaults are the paper's


def test_examples_are_not_gone_through_too_often() -> None:
    learning = plan_of(NINE, "10h").value
    batch = learning.run.training.batch
    assert learning.steps(10 * batch) == math.ceil(learning.epochs * 10)
    assert learning.steps(10**9) == learning.run.training.steps
    assert learning.steps(0) == 1


@pytest.mark.parametrize(
    ("budget", "message"),
    [
        ("soon", "bad budget 'soon': expected a time such as 10m, 2h or 10h"),
        ("25h", "bad budget '25h'"),
        ("1m", "budget 1m is too short: this configuration begins at 10m"),
    ],
)
def test_bad_budgets_say_what_would_be_right(budget: str, message: str) -> None:
    with pytest.raises(PipelineError, match=message):
        plan_of(NINE, budget)


def changed(**values: Any) -> dict[str, Any]:
    raw: dict[str, Any] = yaml.safe_load((configs.directory() / "alphago-9x9.yaml").read_text(encoding="utf-8"))
    for key, value in values.items():
        *parents, last = key.split("__")
        place = raw
        for parent in parents:
            place = place[int(parent)] if isinstance(place, list) else place.setdefault(parent, {})
        place[last] = value
    return raw


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            {"supervised__run__training__steps": 7},
            "supervised: run.training.steps is the pipeline's to set; leave it out",
        ),
        ({"value__run__start_from": "x"}, "value: run.start_from is the pipeline's to set"),
        ({"rollout__run__data__stores": ["x"]}, "rollout: run.data.stores is the pipeline's to set"),
        ({"reinforce__run__learning__steps": 3}, "reinforce: run.learning.steps is the pipeline's to set"),
        ({"rollout__tree": 0.9}, "rollout: likelihood, balance and tree share the stage's time: they sum to 1"),
        ({"games": {}}, "games: name sources of games, or selfplay"),
        ({"tiers__0__shares__value": 0.9}, "tiers.0.shares: the shares of a budget sum to 1 at most, these to"),
        (
            {"tiers__0__shares__components": 0.24},
            "tier 10m: the shares, value counted twice for evaluation.arms, sum to 1 at most, these to 1.02",
        ),
        ({"evaluation__precision": "int88"}, "evaluation.precision: input should be 'auto', 'fp32', 'bf16' or 'int8'"),
        ({"tiers__0__budget": "2h"}, "tiers stand in the order of their budgets, each once"),
        ({"tiers__0__budget": "x"}, "tiers.0.budget: expected a time such as 2s, 250ms, 1.5m or 1h"),
        (
            {"tiers__0__network": {"kind": "alphago-policy", "size": 19}},
            "tier 10m: its network does not play on 9x9",
        ),
        (
            {"tiers__0__network": {"kind": "alphago-policy", "size": 9}},
            "tier 10m: its network has no outcome head: set value.from_policy to false",
        ),
        ({"evaluation__variants": ["fulll"]}, "evaluation.variants: unknown variant 'fulll' (did you mean full?)"),
        ({"rules": "chess"}, "rules: unknown ruleset 'chess'"),
        ({"evaluation__rules": "chess"}, "evaluation.rules: unknown ruleset 'chess'"),
        ({"supervised__epocs": 1}, "unknown key supervised.epocs (did you mean supervised.epochs?)"),
    ],
)
def test_what_a_configuration_may_not_say(values: dict[str, Any], message: str, tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(yaml.safe_dump(changed(**values)))
    with pytest.raises(configs.ConfigError) as caught:
        configs.load(path, PipelineSettings)
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_a_stage_without_a_share_is_named() -> None:
    raw = changed(tiers__0__shares__reinforce=0.0)
    with pytest.raises(PipelineError, match="reinforce has no share of it"):
        plan_of(PipelineSettings.model_validate(raw), "10m")
    raw = changed(tiers__0__shares__components=0.1)
    with pytest.raises(PipelineError, match="budget 10m is too short: components needs 840 s to do its matches"):
        plan_of(PipelineSettings.model_validate(raw), "10m")
    raw = changed(tiers__0__shares__value_data=0.0)
    with pytest.raises(PipelineError, match="value-data has no share of the budget"):
        plan_of(PipelineSettings.model_validate(raw), "10m")


def test_opponents_are_looked_at_before_anything_is_learned(tmp_path: Path) -> None:
    """What they are is an input of their stage: another file is another table."""

    def found(*against: str, openings: str = "empty") -> dict[str, str]:
        part = NINE.evaluation.model_copy(update={"against": against, "openings": openings})
        return opponent_digests(part, 9, 7.0)

    one = found("a=none@max:simulations=9")
    assert list(one) == ["opponent a"] and one != found("a=none@max:simulations=10")
    network = tmp_path / "n.safetensors"
    sums = []
    for seed in (1, 2):
        save_network(network, build(Residual(blocks=1, channels=8), seed=seed), "test")
        sums.append(found(f"a={network}@max:simulations=9"))
    assert sums[0] != sums[1]
    (tmp_path / "openings.sgf").write_text("(;SZ[9];B[ee];W[cc];B[gg];W[cg];B[gc];W[ce])")
    assert "openings" in found("a=none@club", openings=str(tmp_path / "openings.sgf"))
    for bad, kind, message in (
        (("chess",), SideError, "bad side 'chess'"),
        (("full=none@club",), ComponentsError, "two engines are called full"),
        (("go=gtp:no-such-program --mode gtp",), PipelineError, "evaluation.against: go: no program 'no-such-program'"),
    ):
        with pytest.raises(kind, match=message):
            found(*bad)
    with pytest.raises(PipelineError, match="nowhere"):
        found("a=none@club", openings=str(tmp_path / "nowhere.sgf"))
    for content in ("dear", "(;SZ[13];B[ee])"):
        (tmp_path / "bad.sgf").write_text(content)
        with pytest.raises(OpeningError, match=r"bad\.sgf"):
            found("a=none@club", openings=str(tmp_path / "bad.sgf"))
