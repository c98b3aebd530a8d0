"""The RL stage: Go as a source of episodes, the pool of past selves, and runs that are killed and go on bit for bit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pydantic
import pytest
import torch

from alphago import configs
from alphago.nets.architecture import NetworkError, Residual
from alphago.nets.modules import Network, build, policy_alone
from alphago.nets.store import load_network, network_hash, save_network
from alphago.train.baselines import ValueBaseline
from alphago.train.optim import TrainingError
from selfplay.go_policy import KL_START, GoPolicy, GoValues
from selfplay.opponents import OpponentPool, PoolError
from selfplay.reinforce_go import GoReinforceSettings, Task, begin


def network(seed: int = 1) -> Network:
    return build(Residual(blocks=1, channels=8, feature_set="rich-fast"), seed=seed).eval()


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("start") / "start.safetensors"
    save_network(path, network(), "test")
    return path


def settings(start: Path, **more: Any) -> GoReinforceSettings:
    values: dict[str, Any] = {
        "size": 5,
        "start_from": str(start),
        "precision": "fp32",
        "batch": 8,
        "learning": {"steps": 6, "episodes": 16, "optimizer": {"kind": "adamw", "lr": 0.003, "weight_decay": 0.0}},
        "pool": {"add_every": 2, "most": 3},
        "measure": {"every": 3, "games": 8, "pool_games": 6},
    }
    for key, value in more.items():
        values[key] = values[key] | value if isinstance(value, dict) else value
    return GoReinforceSettings.model_validate(values)


def made(run: Path, start: Path, resume: bool = False, **more: Any) -> Task:
    return begin(run, settings(start, **more), resume=resume, threads=2)


TIMED = ("episodes_per_second", "collecting_share")


@pytest.mark.parametrize("baseline", ["none", "value", "per-context"])
def test_a_killed_run_goes_on_bit_for_bit(baseline: str, start: Path, tmp_path: Path) -> None:
    """Weights, pool and statistics."""

    def kept(metrics: dict[str, float]) -> dict[str, float]:
        return {name: value for name, value in metrics.items() if name not in TIMED}

    whole = made(tmp_path / "whole", start, baseline=baseline, learning={"penalties": {KL_START: 0.01}})
    told: list[dict[str, float]] = []
    whole.trainer._watcher = lambda step, total, metrics: told.append(kept(dict(metrics)))
    assert whole.trainer.train()

    first = made(tmp_path / "killed", start, baseline=baseline, learning={"penalties": {KL_START: 0.01}})
    for _ in range(3):
        metrics = first.trainer.step()
        first.measures(first.trainer.steps, metrics)
    first.trainer.save(first.run)
    first.trainer.step()  # lost; it left an opponent's file behind
    second = made(tmp_path / "killed", start, True, baseline=baseline, learning={"penalties": {KL_START: 0.01}})
    assert second.trainer.steps == 3
    again: list[dict[str, float]] = []
    second.trainer._watcher = lambda step, total, metrics: again.append(kept(dict(metrics)))
    assert second.trainer.train()
    assert again == told[3:]
    for name, tensor in whole.trainer.policy.state_dict().items():
        assert torch.equal(tensor, second.trainer.policy.state_dict()[name]), name
    assert whole.trainer.source.state() == second.trainer.source.state()
    assert whole.measures.best == second.measures.best
    files = [sorted(f.name for f in (task.run / "pool").glob("*")) for task in (whole, second)]
    assert files[0] == files[1]
    assert whole.finish().read_bytes()[:64] and second.finish()
    best = [load_network(task.run / "best.safetensors")[0] for task in (whole, second)]
    assert network_hash(best[0]) == network_hash(best[1])


def test_what_a_run_tells_and_writes(start: Path, tmp_path: Path) -> None:
    task = made(tmp_path / "run", start)
    told: list[dict[str, float]] = []
    said: list[str] = []
    task.trainer._watcher = lambda step, total, metrics: told.append(dict(metrics))
    task.measures.tell = said.append
    assert task.trainer.train()
    best = task.finish()
    assert len(told) == 6 and len(said) == 2 and "against the start" in said[0]
    for metrics in told:
        assert metrics["kl_behaviour"] < 1e-3  # the learner's own policy played
        assert metrics["return"] == pytest.approx(2 * metrics["score"] - 1)
        assert metrics["score"] == pytest.approx((metrics["score_as_black"] + metrics["score_as_white"]) / 2)
        assert 0 < metrics["entropy"] < np.log(26)
    assert told[-1]["pool"] == 3
    best_so_far = json.loads((task.run / "metrics.json").read_text())["best"]
    assert best_so_far == task.measures.best
    if best_so_far is not None:
        assert best_so_far["start"] == told[int(best_so_far["step"]) - 1]["measured_start"] > 0.5
    learned, header = load_network(best)
    assert learned.architecture.heads == ("policy",)  # the start's other heads would be wrong by now
    made_by = header["provenance"]
    assert made_by["made_by"] == "alphago train reinforce-go" and made_by["start"] == network_hash(network())
    if task.measures.best is not None:
        assert made_by["measured"]["start"] == task.measures.best["start"]
    else:
        assert made_by["updates"] == 0
    with pytest.raises(TrainingError, match="holds a run already"):
        made(tmp_path / "run", start)


def test_the_learner_is_the_network_that_played(start: Path, tmp_path: Path) -> None:
    """Batch normalisation keeps its statistics, and gradients reach all that the policy needs."""
    task = made(tmp_path, start)
    norms = {n: t.clone() for n, t in task.trainer.policy.state_dict().items() if "running" in n or "tracked" in n}
    before = {name: tensor.clone() for name, tensor in task.trainer.policy.state_dict().items()}
    task.trainer.step()
    after = task.trainer.policy.state_dict()
    assert norms and all(torch.equal(tensor, after[name]) for name, tensor in norms.items())
    moved = {name for name in after if not torch.equal(before[name], after[name])}
    assert any("policy" in name for name in moved) and any("blocks" in name for name in moved)


def test_a_network_learns_to_beat_its_random_self(start: Path, tmp_path: Path) -> None:
    """End to end: from equal to winning most games in 40 updates against the start alone."""
    task = made(
        tmp_path,
        start,
        komi=8.5,  # black wins about half of the games of random networks
        learning={"steps": 40, "episodes": 64, "optimizer": {"kind": "adamw", "lr": 0.003, "weight_decay": 0.0}},
        pool={"add_every": 1000},
        measure={"every": 1000, "games": 2, "pool_games": 2},
    )
    scores = [task.trainer.step()["score"] for _ in range(40)]
    assert np.mean(scores[:3]) < 0.6 and np.mean(scores[-10:]) > 0.65


def test_the_best_is_who_beats_the_best_before_it_and_the_start(
    start: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = made(tmp_path, start)
    policy = task.trainer.policy
    assert isinstance(policy, GoPolicy)
    measures, network_now = task.measures, policy.network
    found = {"start": 0.5, "best": 0.5, "pool": 0.9, "pool_worst": 0.9, KL_START: 0.1}
    monkeypatch.setattr(measures, "measure", lambda policy, step: dict(found))
    every = measures.source.settings.measure.every
    kept = []
    scores = [(0.5, 0.5), (0.6, 0.6), (0.9, 0.5), (0.5, 0.9), (0.55, 0.51)]
    for number, (found["start"], found["best"]) in enumerate(scores):
        with torch.no_grad():
            next(network_now.parameters()).add_(1.0)
        measures((number + 1) * every, {})
        kept.append(measures.best and measures.best["step"] / every)
    assert kept == [None, 2, 2, 2, 5]
    assert network_hash(load_network(task.run / "best.safetensors")[0]) == network_hash(network_now)


def test_the_start_is_the_best_where_nothing_beat_it(start: Path, tmp_path: Path) -> None:
    task = made(tmp_path, start)
    best, header = load_network(task.finish())
    assert network_hash(best) == network_hash(policy_alone(network())) and header["provenance"]["updates"] == 0


# --- parts --------------------------------------------------------------------------------------------------------------


def test_the_divergence_from_the_start(start: Path, tmp_path: Path) -> None:
    task = made(tmp_path, start)
    episodes = task.measures.source.collect(GoPolicy(policy_alone(network()), bf16=False), 4)
    batch = episodes.batch()
    policy = GoPolicy(network(), start=network(2), bf16=False)
    found = policy.evaluate(batch).penalties[KL_START].detach().numpy()
    p = policy.log_probs(network(), batch).detach().double().exp().numpy()
    q = policy.log_probs(network(2), batch).detach().double().exp().numpy()
    with np.errstate(divide="ignore", invalid="ignore"):
        wanted = np.nansum(np.where(p > 0, p * np.log(p / q), 0.0), axis=1)
    assert np.abs(found - wanted).max() < 1e-4 and found.mean() > 0.001
    same = GoPolicy(network(), start=network(), bf16=False).evaluate(batch).penalties[KL_START]
    assert same.abs().max() < 1e-6


def test_values_are_winning_less_losing(start: Path, tmp_path: Path) -> None:
    task = made(tmp_path, start)
    batch = task.measures.source.collect(GoPolicy(policy_alone(network()), bf16=False), 4).batch()
    values = GoValues(network(), bf16=False)(batch).detach()
    out = network()(batch.observations["planes"].float(), batch.observations["globals"], None, ("outcome",))["outcome"]
    p = out.softmax(1)
    assert (values - (p[:, 0] - p[:, 2])).abs().max() < 1e-6
    policy_only = build(Residual(blocks=1, channels=8, outcome=False, score=False, ownership=False), seed=1)
    with pytest.raises(NetworkError, match="needs a network with an outcome or value head"):
        GoValues(policy_only)


def test_the_baseline_may_be_a_value_network(start: Path, tmp_path: Path) -> None:
    """AlphaGo's second pass: of another network, with its value head alone."""
    values = tmp_path / "values.safetensors"

    def value_network(seed: int, feature_set: Any = "rich-fast") -> Network:
        heads: dict[str, Any] = {"policy": False, "score": False, "ownership": False}
        return build(Residual(blocks=1, channels=4, feature_set=feature_set, **heads), seed=seed).eval()

    save_network(values, value_network(5), "test")
    more: dict[str, Any] = {"baseline": "value", "value_from": str(values)}
    task = made(tmp_path / "run", start, **more)
    task.trainer.step()
    baseline = task.trainer.baseline
    assert isinstance(baseline, ValueBaseline)
    episodes = task.measures.source.last
    assert episodes is not None
    predicted = baseline.predict(episodes, episodes.returns())
    assert np.allclose(predicted, GoValues(value_network(5), bf16=False)(episodes.batch()).detach().numpy(), atol=1e-6)
    task.trainer.save(task.run)
    save_network(values, value_network(6), "test")
    with pytest.raises(TrainingError, match="whose baseline was another network: its file has changed since"):
        made(tmp_path / "run", start, resume=True, **more)
    save_network(values, value_network(5, "rich"), "test")
    with pytest.raises(NetworkError, match="a network of rich planes; those of start_from are rich-fast"):
        made(tmp_path / "other", start, **more)
    policy = tmp_path / "policy.safetensors"
    save_network(policy, policy_alone(network()), "test")
    with pytest.raises(NetworkError, match="a network that has no outcome or value head"):
        made(tmp_path / "other", policy, baseline="value")
    assert not (tmp_path / "other").exists()


def test_settings_that_do_not_fit_are_named(start: Path, tmp_path: Path) -> None:
    for more, message in (
        ({"learning": {"episodes": 15}}, "learning.episodes must be even"),
        ({"learning": {"penalties": {"kl": 0.1}}}, "'kl' is not known here, only 'kl_start' is"),
        ({"measure": {"games": 9}}, "multiple of 2"),
    ):
        with pytest.raises(pydantic.ValidationError, match=message):
            settings(start, **more)
    with pytest.raises(ValueError, match="mars"):
        made(tmp_path / "run", start, rules="mars")
    assert not (tmp_path / "run").exists()
    made(tmp_path / "run", start, learning={"penalties": {KL_START: 0.0}}).trainer.step()


def test_a_player_far_from_the_learner_is_told_of_once(start: Path, tmp_path: Path) -> None:
    task = made(tmp_path, start)
    said: list[str] = []
    task.measures.tell = said.append
    for step, apart in ((1, 9e-4), (2, 2e-3), (4, 5e-3)):
        task.measures(step, {"kl_behaviour": apart})
    assert len(said) == 1 and "update 2: the player's policy is 0.002 nats from the learner's" in said[0]


def test_a_pool_is_bounded_and_spread(tmp_path: Path) -> None:
    pool = OpponentPool(tmp_path / "pool", most=4, seed=1)
    net = network()
    for step in range(0, 900, 100):
        pool.add(net, step)
        pool.saved()
    steps = [member.step for member in pool.members]
    assert len(steps) == 4 and steps[0] == 0 and steps[-1] == 800
    assert len(list((tmp_path / "pool").glob("*"))) <= 6  # those of the last two checkpoints
    draws = [pool.draw().step for _ in range(4000)]
    assert set(draws) == set(steps)
    assert all(abs(draws.count(step) - 1000) < 150 for step in steps)
    before = sorted((tmp_path / "pool").glob("*"))
    for _ in range(3):  # checkpoints that could not be written delete nothing
        pool.add(net, steps[-1] + 100)
        pool.state()
    assert set(before) <= set((tmp_path / "pool").glob("*"))


def test_a_pool_remembers_and_checks_its_members(tmp_path: Path) -> None:
    pool = OpponentPool(tmp_path, seed=3)
    for step in range(3):
        pool.add(network(step + 1), step)
    values, _ = json.loads(json.dumps(pool.state()))
    draws = [pool.draw().step for _ in range(20)]
    other = OpponentPool(tmp_path, seed=9)
    other.load(values, {})
    assert [other.draw().step for _ in range(20)] == draws
    assert network_hash(other.network(other.members[1])) == network_hash(network(2))
    save_network(tmp_path / "00000001.safetensors", network(7), "another")
    with pytest.raises(PoolError, match=r"00000001\.safetensors: not the opponent that the run saved"):
        OpponentPool(tmp_path).load(values, {})
    (tmp_path / "00000001.safetensors").unlink()
    with pytest.raises(PoolError, match="the opponent is missing"):
        OpponentPool(tmp_path).load(values, {})
    values["members"][0]["file"] = "../elsewhere.safetensors"
    with pytest.raises(PoolError, match="the opponent is missing"):
        OpponentPool(tmp_path).load(values, {})


def test_starts_that_do_not_fit_are_named(start: Path, tmp_path: Path) -> None:
    from alphago.nets.architecture import AlphaGoPolicy

    with pytest.raises(NetworkError, match=r"nowhere\.safetensors"):
        begin(tmp_path / "a", settings(tmp_path / "nowhere.safetensors"), resume=False, threads=1)
    with pytest.raises(NetworkError, match="no network of that name for 5x5"):
        begin(tmp_path / "b", settings(start, start_from="none"), resume=False, threads=1)
    fixed = tmp_path / "nine.safetensors"
    save_network(fixed, build(AlphaGoPolicy(size=9, layers=2, channels=4), seed=1), "test")
    with pytest.raises(NetworkError, match="this network plays on 9x9 to 9x9, not on 5x5"):
        begin(tmp_path / "c", settings(fixed), resume=False, threads=1)
    assert not any((tmp_path / name).exists() for name in "abc")


def test_a_run_from_other_weights_is_not_resumed(start: Path, tmp_path: Path) -> None:
    copy = tmp_path / "start.safetensors"
    save_network(copy, network(1), "test")
    made(tmp_path / "run", copy).trainer.save(tmp_path / "run")
    save_network(copy, network(2), "test")
    with pytest.raises(TrainingError, match="that began from other weights"):
        made(tmp_path / "run", copy, resume=True)


@pytest.mark.parametrize("name", ["rl-9x9", "rl-13x13", "rl-19x19"])
def test_what_a_configuration_starts_from_ships(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A network of that name plays on the configuration's board and has the values that its baseline asks for."""
    from selfplay.networks import named_network

    monkeypatch.delenv("ALPHAGO_NET", raising=False)
    config = configs.load(name, GoReinforceSettings)
    heads = named_network(config.start_from, config.size, "start_from").architecture.heads
    assert config.baseline != "value" or set(heads) & {"outcome", "value"}


@pytest.mark.parametrize("name", ["rl-9x9", "rl-13x13", "rl-19x19"])
def test_every_size_starts(name: str, tmp_path: Path) -> None:
    """The configurations that ship, with a small network and few games: one update."""
    save_network(tmp_path / "small.safetensors", network(), "test")
    values = configs.load(name, GoReinforceSettings).model_dump()
    values |= {"start_from": str(tmp_path / "small.safetensors"), "max_moves": 12}
    values["learning"] |= {"episodes": 4, "steps": 1}
    values["measure"] |= {"games": 2, "pool_games": 2}
    task = begin(tmp_path / "run", GoReinforceSettings.model_validate(values), resume=False, threads=2)
    assert task.trainer.train() and task.finish().exists()


def test_the_command(start: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from alphago.cli import main

    config = tmp_path / "tiny.yaml"
    config.write_text(
        "size: 5\nbatch: 4\nlearning: {steps: 2, episodes: 4}\nmeasure: {every: 2, games: 2, pool_games: 2}\n"
    )
    run = tmp_path / "run"
    arguments = ["train", "reinforce-go", "--config", str(config), "--start", str(start), "--out", str(run)]
    with pytest.raises(SystemExit, match=r"^0$"):
        main([*arguments, "--no-tensorboard", "--penalty", "0.1", "--json"])
    out = json.loads(capsys.readouterr().out)
    assert Path(out["network"]).is_file() and out["best"] == json.loads((run / "metrics.json").read_text())["best"]
    assert out["best"] is None or set(out["best"]) >= {"start", "pool", KL_START}
    with pytest.raises(SystemExit, match=r"^[1-9]"):
        main([*arguments, "--no-tensorboard"])
    assert "holds a run already" in capsys.readouterr().err


def test_the_bench_says_what_it_measured(start: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from alphago.cli import main

    arguments = [
        "bench",
        "reinforce-go",
        "--net",
        str(start),
        "--size",
        "5",
        "--games",
        "4",
        "--updates",
        "1",
        "--threads",
        "1",
    ]
    with pytest.raises(SystemExit, match=r"^0$"):
        main([*arguments, "--batch", "2", "--finish", "as-it-stands", "--json"])
    row = json.loads(capsys.readouterr().out)
    assert (row["games"], row["batch"], row["finish"], row["size"]) == (4, 2, "as-it-stands", 5)
    assert row["games_per_second_idle"] > row["games_per_second_working"] > 0 and 0 < row["kl_behaviour"] < 1e-3
    with pytest.raises(SystemExit, match=r"^[1-9]"):
        main([*arguments, "--finish", "never"])
    assert "finish" in capsys.readouterr().err
