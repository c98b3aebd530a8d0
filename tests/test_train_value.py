"""The value network: which positions it learns from, the loss, and a run from games to a file."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from alphago.data.game_set import Games, load_games
from alphago.data.games import GameDataError
from alphago.data.store import read_games, write_shard
from alphago.nets.architecture import AlphaGoPolicy, NetworkError, Residual, architecture_of
from alphago.nets.modules import build
from alphago.nets.store import load_network, network_hash, save_network
from alphago.train.losses import LossWeights, losses
from alphago.train.optim import TrainingError
from alphago.train.value import ValueSettings, choose, value_start
from selfplay.value_data import ValueDataSettings, play_value_games


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("value") / "games"
    network = build(Residual(blocks=1, channels=8), seed=1).eval()
    play_value_games(out, ValueDataSettings(size=5, latest=12), network, network, 120, threads=2, resume=False)
    return out


@pytest.fixture(scope="module")
def games(store: Path) -> Games:
    return load_games([store])


def test_one_position_a_game_is_the_one_after_the_random_move(store: Path, games: Games) -> None:
    rows = list(read_games(store))
    everybody = np.ones(len(rows), dtype=bool)
    found = choose(ValueSettings(), games, everybody, False)
    assert len(found) == len(rows)
    for position, row, first in zip(found, rows, games.first, strict=False):
        (turn,) = np.flatnonzero(row["chosen_by"] == 3)
        assert position == first + turn + 1
    many = choose(ValueSettings(examples="many"), games, everybody, False)
    lengths = np.diff(games.first) - (found - games.first[:-1])
    assert len(many) == lengths.sum() > 5 * len(found) and set(found) <= set(many)
    assert (choose(ValueSettings(examples="many"), games, everybody, True) == found).all()  # held out: always one
    assert len(choose(ValueSettings(positions=7), games, everybody, False)) == 7
    half = np.arange(len(rows)) % 2 == 0
    assert (choose(ValueSettings(), games, half, False) == found[half]).all()


def test_games_without_a_random_move_are_no_examples(store: Path, tmp_path: Path) -> None:
    rows = list(read_games(store))[:3]
    for row in rows:
        row["chosen_by"][:] = 1
    write_shard(tmp_path / "plain.parquet", rows)
    plain = load_games([tmp_path / "plain.parquet"])
    assert (plain.last_chance == -1).all()
    with pytest.raises(GameDataError, match="no position after a random move: see `alphago make-value-data`"):
        choose(ValueSettings(), plain, np.ones(3, dtype=bool), False)


def test_the_squared_error_is_of_winning_less_losing() -> None:
    logits = torch.tensor([[2.0, -1.0, 0.5], [0.0, 0.0, 0.0], [1.0, 0.0, -1.0]])
    targets = {"outcome": torch.tensor([[1.0, 0, 0], [0, 0, 1.0], [0, 0, 0]])}  # won, lost, unknown
    p = torch.softmax(logits, 1)
    expected = p[:, 0] - p[:, 2]
    wanted = ((expected[0] - 1) ** 2 + (expected[1] + 1) ** 2) / 3
    found = losses({"outcome": logits}, targets, LossWeights(outcome=0.5, outcome_as="mse"))
    assert found["outcome"] == pytest.approx(float(wanted)) and found["total"] == pytest.approx(float(wanted) / 2)


def test_a_network_without_a_policy() -> None:
    a = Residual(blocks=1, channels=8, policy=False, ownership=False, score=False)
    network = build(a, seed=1).eval()
    assert a.heads == ("outcome",) and not any("policy" in name for name in network.state_dict())
    out = network(torch.zeros(2, a.planes, 9, 9), torch.zeros(2, 7))
    assert set(out) == {"outcome"}
    for values in ({"policy": False, "outcome": False}, {"policy": False, "reply": True}):
        with pytest.raises(NetworkError, match="without a policy needs the outcome"):
            architecture_of({"kind": "residual", **values})


def test_networks_with_a_policy_keep_their_hash() -> None:
    """Written down when the architecture had no key for it."""
    found = network_hash(build(Residual(blocks=1, channels=4, feature_set="rich-fast"), seed=1))
    assert found == "d397cfed6c8d7ddc84d153afc39f78cc8d26289a8f87059bc2a767c5f11bec28"


def test_a_value_network_is_played_with(tmp_path: Path) -> None:
    """In the runtimes it gives a value and no policy."""
    from alphago.nets.runtimes import make_evaluators

    network = build(Residual(blocks=1, channels=8, policy=False, ownership=False, score=False), seed=1).eval()
    save_network(tmp_path / "value.safetensors", network, "test")
    for runtime in ("torch", "openvino"):
        (evaluator,) = make_evaluators(
            tmp_path / "value.safetensors", 9, 2, runtime=runtime, precision="fp32", threads=1
        )
        out = evaluator.evaluate(*evaluator.buffers())
        assert out.policy is None and out.value is not None and out.value.shape == (2, 3)


def test_a_value_network_begins_with_a_policy_networks_tower() -> None:
    """The tower and the outcome head are the policy network's, number by number; a value network goes on as it is."""
    policy = build(Residual(blocks=1, channels=8), seed=4)
    value = value_start(policy)
    assert value.architecture.heads == ("outcome",)
    theirs = policy.state_dict()
    assert all((tensor == theirs[name]).all() for name, tensor in value.state_dict().items())
    assert value_start(value) is value
    headless = value_start(build(Residual(blocks=1, channels=8, outcome=False), seed=4))
    assert headless.architecture == value.architecture
    with pytest.raises(TrainingError, match="cannot begin with a network of kind alphago-policy"):
        value_start(build(AlphaGoPolicy(layers=3, channels=8, size=5)))


def test_a_configuration_that_names_no_loss_means_squares() -> None:
    assert ValueSettings().loss.outcome_as == "mse"
    found = ValueSettings.model_validate({"loss": {"logits": 0.0}}).loss
    assert (found.outcome, found.outcome_as) == (1.0, "mse")
    assert ValueSettings.model_validate({"loss": {"outcome_as": "cross-entropy"}}).loss.outcome_as == "cross-entropy"


def test_the_command(store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from alphago.cli import main

    config = tmp_path / "tiny.yaml"
    config.write_text(
        "data: {held_out: 0.2}\nnetwork: {kind: residual, blocks: 1, channels: 8, policy: false, ownership: false, score: false}\n"
        "training: {batch: 16, steps: 60, optimizer: {kind: adamw, lr: 0.01}, average: 0.0}\n"
    )
    run = tmp_path / "run"
    arguments = [
        "train",
        "value",
        "--config",
        str(config),
        "--games",
        str(store),
        "--out",
        str(run),
        "--no-tensorboard",
    ]
    with pytest.raises(SystemExit, match=r"^0$"):
        main([*arguments, "--json"])
    row = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert row["learned_outcome_mse"] < 1.0 and row["positions"] < 60  # it has learned by heart, one position a game
    _, header = load_network(run / "network.safetensors")
    assert header["heads"] == ["outcome"] and header["provenance"]["made_by"] == "alphago train value"
    assert header["provenance"]["settings"]["loss"]["outcome_as"] == "mse"
    assert 0 < row["outcome_mse_error"] < 2 and row["outcome_mse_error"] > row["learned_outcome_mse_error"]
    save_network(tmp_path / "policy.safetensors", build(Residual(blocks=1, channels=8), seed=5), "test")
    more = ["--start", str(tmp_path / "policy.safetensors"), "--loss", "cross-entropy", "--steps", "2"]
    with pytest.raises(SystemExit, match=r"^0$"):
        main([*arguments, *more, "--out", str(tmp_path / "more")])
    _, header = load_network(tmp_path / "more" / "network.safetensors")
    assert header["heads"] == ["outcome"]
    assert header["provenance"]["settings"]["loss"]["outcome_as"] == "cross-entropy"
    capsys.readouterr()
    with pytest.raises(SystemExit, match=r"^[1-9]"):
        main([*arguments, "--examples", "some", "--out", str(tmp_path / "other")])
    assert "examples: input should be 'one' or 'many', got 'some'" in capsys.readouterr().err
