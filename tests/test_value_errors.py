"""Errors of values: which positions, three ways of valuing them, squares against +1, 0, -1; the command that draws both figures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from alphago import _core
from alphago.data.game_set import load_games
from alphago.data.games import RANDOM, GameDataError
from alphago.data.store import read_games, write_shard
from alphago.go import BLACK, Board
from alphago.nets.architecture import NetworkError, Residual
from alphago.nets.modules import Network, build
from alphago.nets.rollout import load_rollout_weights
from alphago.nets.store import load_network, save_network
from alphago.train.optim import TrainingError
from alphago.train.value import ValueSettings, choose
from selfplay.value_data import ValueDataSettings, play_value_games
from selfplay.value_errors import (
    Errors,
    draw_examples,
    measure_errors,
    network_values,
    policy_values,
    rollout_values,
)
from selfplay.value_examples import own_arm, read_arm, settings_of_network, train_arm
from selfplay.value_plots import plot_value

GAMES = 60


def network(seed: int = 1) -> Network:
    return build(Residual(blocks=1, channels=8, feature_set="rich-fast"), seed=seed).eval()


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("value") / "games"
    settings = ValueDataSettings(size=5, komi=3.5, latest=20)
    play_value_games(out, settings, network(), network(), GAMES, threads=2, resume=False, precision="fp32")
    return out


def test_the_positions_are_those_that_a_value_network_is_measured_on(store: Path) -> None:
    """The same games and the same turns as `alphago.train.value` holds out, found there from other columns."""
    examples = draw_examples(store, size=5, share=0.3)
    games = load_games([store])
    side = games.side_of_split(0.3, 0, held_out=True)
    held = choose(ValueSettings(), games, side, True)
    assert len(examples) == len(held) > 5
    moves = games.move_number(held)
    lengths = np.diff(games.first)[games.game_of(held)]
    assert np.allclose([example.stage for example in examples], moves / lengths)
    rows = list(read_games(store))
    for example, position in zip(examples, held.tolist(), strict=True):
        row = rows[int(games.game_of(np.array([position]))[0])]
        assert (
            example.position.moves()
            == list(zip(row["colors"], row["moves"], strict=True))[: example.position.move_count]
        )
        winner = {0: 0, 1: 1, 2: -1}[row["winner"]]
        assert example.outcome == (winner if example.position.to_play == BLACK else -winner)


def test_of_ordinary_games_any_position_may_come(store: Path, tmp_path: Path) -> None:
    rows = list(read_games(store))
    for row in rows:
        row["chosen_by"][row["chosen_by"] == RANDOM] = 1
    rows[0] |= {"winner": 0, "score": None, "ended": "unknown"}
    write_shard(tmp_path / "plain.parquet", rows)
    examples = draw_examples(tmp_path / "plain.parquet", size=5)
    assert len(examples) == GAMES - 1  # one has no result
    stages = [example.stage for example in examples]
    assert 0 <= min(stages) < 0.2 and 0.8 < max(stages) < 1
    again = draw_examples(tmp_path / "plain.parquet", size=5)
    assert stages == [example.stage for example in again]
    other = draw_examples(tmp_path / "plain.parquet", size=5, seed=1)
    assert stages != [example.stage for example in other]
    few = draw_examples(tmp_path / "plain.parquet", size=5, most=7)
    assert [example.stage for example in few] == [stages[i] for i in np.linspace(0, GAMES - 2, 7).astype(int)]
    with pytest.raises(GameDataError, match="no position of a 9x9 game with a result"):
        draw_examples(store, size=9)
    with pytest.raises(GameDataError, match="with a result among the 0% that are held out"):
        draw_examples(store, size=5, share=0.0001)


def test_a_networks_value_is_winning_less_losing() -> None:
    positions = [Board(5, "tromp-taylor"), Board(5, "tromp-taylor")]
    positions[1].play("C3")
    net = network()
    with torch.no_grad():
        planes = torch.from_numpy(np.stack([p.planes("rich-fast") for p in positions]))
        globals_ = torch.from_numpy(np.stack([p.globals() for p in positions]))
        p = net(planes, globals_)["outcome"].softmax(1).numpy()
    assert np.allclose(network_values(net, positions), p[:, 0] - p[:, 2], atol=1e-6)
    silent = build(Residual(blocks=1, channels=8, outcome=False, ownership=False, score=False), seed=1)
    with pytest.raises(NetworkError, match="values nothing; its heads are policy"):
        network_values(silent, positions)


def test_rollouts_are_counted_for_the_side_to_move() -> None:
    """Against playouts taken one by one; and a board that one side owns."""
    weights = load_rollout_weights("handset")
    board = Board(5, "tromp-taylor", 3.5)
    board.play("C3")
    found = rollout_values([board], weights, playouts=50, seed=4)[0]
    area, _ = board.playouts("softmax", 50, seed=_seed(4, 0), weights=weights)
    white_wins = float((area - 3.5 < 0).mean())
    assert found == pytest.approx(2 * white_wins - 1)
    won = Board.from_ascii("XXXXX\nX.X.X\nXXXXX\nX.X.X\nXXXXX", komi=3.5, to_play="white")
    assert rollout_values([won], weights, playouts=10)[0] == -1
    won.to_play = BLACK
    assert rollout_values([won], weights, playouts=10)[0] == 1


def _seed(seed: int, index: int) -> int:
    from alphago.seeds import game_seed

    return game_seed(seed, index)


def test_a_policys_playouts_do_not_depend_on_threads() -> None:
    board, late = Board(5, "tromp-taylor", 3.5), Board(5, "tromp-taylor", 3.5)
    for vertex in ("C3", "B2", "D4", "D2"):
        late.play(vertex)
    done: list[int] = []
    one = policy_values(network(), [board, late], playouts=30, seed=3, threads=1)
    two = policy_values(
        network(), [board, late], playouts=30, seed=3, threads=2, on_done=lambda at, total: done.append(at)
    )
    assert (one == two).all() and (np.abs(one) <= 1).all() and done == [1, 2]
    assert (policy_values(network(), [board, late], playouts=30, seed=4) != one).any()
    value_only = build(Residual(blocks=1, channels=8, policy=False, ownership=False, score=False), seed=1)
    with pytest.raises(NetworkError, match="has no policy"):
        policy_values(value_only, [board])


def test_a_policy_that_plays_uniformly_agrees_with_random_playouts() -> None:
    """Equal logits: games of uniformly random legal moves, played here by hand."""
    net = network()
    with torch.no_grad():
        for name, tensor in net.state_dict().items():
            if name.startswith("policy"):
                tensor.zero_()
    assert any(name.startswith("policy") for name in net.state_dict())
    board = Board(3, "tromp-taylor", 2.5)
    found = policy_values(net, [board], playouts=3000, seed=1, finish="as-it-stands")[0]
    random = np.random.default_rng(5)
    results = []
    for _ in range(1500):
        game = Board(3, "tromp-taylor", 2.5)
        while not game.is_over and game.move_count < 18:
            game.play(int(random.choice(np.flatnonzero(game.legal_moves()))))
        results.append(np.sign(float(game.area().sum()) - 2.5))
    error = 4 * np.sqrt(1 / 3000 + 1 / 1500)
    assert abs(found - np.mean(results)) < error


# --- errors -------------------------------------------------------------------------------------------------------------


def test_errors_by_parts_of_the_game() -> None:
    stages = np.array([0.0, 0.1, 0.34, 0.5, 0.7, 0.99])
    outcomes = np.array([1.0, -1, 1, 0, -1, 1])
    errors = Errors(stages)
    errors.add("a", np.array([1.0, 1, 0, 0.5, -1, -1]), outcomes)
    errors.add("b", np.array([0.0, 0.0]), outcomes, np.array([1, 4]))
    assert errors.squared["a"].tolist() == [0, 4, 1, 0.25, 0, 4]
    assert [part.mse for part in errors.of("a", 3)] == [2, 0.625, 2]
    assert [part.positions for part in errors.of("b", 3)] == [1, 0, 1]
    whole = errors.whole("a")
    assert whole.mse == pytest.approx(9.25 / 6)
    assert whole.error == pytest.approx(1.959964 * np.std([0, 4, 1, 0.25, 0, 4], ddof=1) / np.sqrt(6))
    assert [part.mse for part in errors.difference("a", "b", 1)] == [(4 - 1 + 0 - 1) / 2]  # where both are known
    row = json.loads(json.dumps(errors.to_dict()))
    assert row["errors"]["b"]["thirds"][1] == {
        "from": 0.3333, "to": 0.6667, "positions": 0, "mse": None, "error": None,
    }  # fmt: skip
    assert "quarter" in row["outcomes"] and list(row["differences"]) == ["b"]


def test_an_interval_holds_the_truth() -> None:
    """Values that are known to be off by noise of variance 1/4."""
    random = np.random.default_rng(1)
    held = 0
    for _ in range(300):
        errors = Errors(np.zeros(200))
        errors.add("a", random.normal(0, 0.5, 200), np.zeros(200))
        part = errors.whole("a")
        held += abs(part.mse - 0.25) <= part.error
    assert 0.90 * 300 <= held <= 0.985 * 300


def test_all_ways_are_measured_on_the_same_positions(store: Path, tmp_path: Path) -> None:
    examples = draw_examples(store, size=5, most=12)
    weights = load_rollout_weights("handset")
    told: list[tuple[str, int, int]] = []
    errors = measure_errors(
        examples, network(), weights, {"mine": network(2)}, playouts=8, policy_positions=5, threads=2,
        on_done=lambda *what: told.append(what),
    )  # fmt: skip
    assert list(errors.squared) == ["value network", "8 rollouts", "outcome head of mine", "8 playouts of mine"]
    assert [int((~np.isnan(one)).sum()) for one in errors.squared.values()] == [12, 12, 12, 5]
    own = network_values(network(2), [e.position for e in examples])
    assert np.allclose(errors.squared["outcome head of mine"], (own - [e.outcome for e in examples]) ** 2)
    assert told[-1] == ("8 playouts of mine", 5, 5)
    values = rollout_values([e.position for e in examples], weights, playouts=8)
    assert np.allclose(errors.squared["8 rollouts"], (values - [e.outcome for e in examples]) ** 2)
    plot_value(errors, [], tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")


# --- one or many a game -------------------------------------------------------------------------------------------------

TINY: dict[str, Any] = {
    "network": {"kind": "residual", "blocks": 1, "channels": 8, "policy": False, "ownership": False, "score": False},
    "training": {
        "batch": 16,
        "steps": 40,
        "optimizer": {"kind": "adamw", "lr": 0.01},
        "average": 0.0,
        "precision": "fp32",
    },
    "loss": {"outcome": 1.0, "outcome_as": "mse"},
}


def settings(store: Path) -> ValueSettings:
    return ValueSettings.model_validate({**TINY, "data": {"stores": [str(store)], "held_out": 0.3}})


def test_as_many_positions_one_and_many_a_game(store: Path, tmp_path: Path) -> None:
    from alphago.train.distributed import joined

    with joined("cpu") as place:
        one = train_arm(tmp_path / "one", settings(store), "one", None, place)
        assert one is not None
        many = train_arm(tmp_path / "many", settings(store), "many", one.positions, place)
        assert many is not None
        assert (one.positions, one.steps) == (many.positions, many.steps) and one.positions > 30
        assert one.gap == one.held_out - one.learned
        with pytest.raises(TrainingError, match="positions drawn one a game to learn from, fewer than 1,000"):
            train_arm(tmp_path / "more", settings(store), "one", 1000, place)
    for arm in (one, many):
        assert read_arm(tmp_path / arm.examples / "network.safetensors", arm.examples) == arm
    file = tmp_path / "one" / "network.safetensors"
    assert own_arm(file, str(store)) == one and own_arm(tmp_path / "many" / "network.safetensors", str(store)) is None
    write_shard(tmp_path / "fewer.parquet", list(read_games(store))[1:])
    assert own_arm(file, str(tmp_path / "fewer.parquet")) is None
    found = settings_of_network(tmp_path / "many" / "network.safetensors")
    assert found.examples == "many" and found.positions == one.positions
    save_network(tmp_path / "plain.safetensors", network(), "by hand")
    for read in (settings_of_network, lambda file: read_arm(file, "one")):
        with pytest.raises(TrainingError, match=r"plain\.safetensors"):
            read(tmp_path / "plain.safetensors")
    plot_value(None, [one, many], tmp_path / "b.png")
    assert (tmp_path / "b.png").is_file()


# --- the command --------------------------------------------------------------------------------------------------------


def test_the_command(store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from alphago.cli import main
    from alphago.train.distributed import joined

    with joined("cpu") as place:
        train_arm(tmp_path / "net", settings(store), "one", None, place)
    save_network(tmp_path / "policy.safetensors", network(2), "test")
    net, out = tmp_path / "net" / "network.safetensors", tmp_path / "out"
    arguments = [
        "evaluate-value",
        str(net),
        "--games",
        str(store),
        "--size",
        "5",
        "--out",
        str(out),
        "--no-tensorboard",
    ]
    few = [
        "--held-out",
        "0.3",
        "--playouts",
        "6",
        "--policy-positions",
        "4",
        "--policy",
        f"sl={tmp_path / 'policy.safetensors'}",
    ]
    with pytest.raises(SystemExit, match=r"^0$"):
        main([*arguments, *few, "--arms", "--steps", "10", "--json"])
    row = json.loads(capsys.readouterr().out)
    assert row == json.loads((out / "value.json").read_text())
    assert list(row["errors"]) == ["value network", "6 rollouts", "outcome head of sl", "6 playouts of sl"]
    assert [arm["examples"] for arm in row["arms"]] == ["one", "many"]
    assert row["arms"][0]["positions"] == row["arms"][1]["positions"]
    assert (out / "value.png").read_bytes().startswith(b"\x89PNG")
    assert load_network(out / "many" / "network.safetensors")[1]["provenance"]["settings"]["training"]["steps"] == 10
    with pytest.raises(SystemExit, match=r"^0$"):
        main([*arguments, "--playouts", "4", "--arms", "--out", str(tmp_path / "own"), "--json"])
    found = json.loads(capsys.readouterr().out)
    assert (found["held_out"], found["positions"]) == (0.3, row["positions"])  # as the network says of its training
    own = found["arms"]
    assert own[0]["steps"] == TINY["training"]["steps"] == own[1]["steps"]
    assert not (tmp_path / "own" / "one").exists() and (tmp_path / "own" / "many").is_dir()
    with pytest.raises(SystemExit, match=r"^0$"):
        main([*arguments, *few[:4]])
    shown = capsys.readouterr().out
    assert "value network less 6 rollouts, by thirds" in shown and "give a quarter of these errors" in shown
    for bad, message in (
        (["--policy", "sl"], "expected NAME=FILE such as sl=network.safetensors, got 'sl'"),
        (["--policy", "sl=nowhere.safetensors"], "nowhere.safetensors"),
        (["--rollout-weights", "nowhere.safetensors"], "nowhere.safetensors"),
        (["--held-out", "0.000001"], "no position of a 5x5 game"),
    ):
        with pytest.raises(SystemExit, match=r"^2$"):
            main([*arguments, *bad])
        err = capsys.readouterr().err
        assert message in err and err.count("\n") == 1


def test_positions_are_copies() -> None:
    """Valuing does not change what it values."""
    board = Board(5, "tromp-taylor", 3.5)
    key = board.hash
    rollout_values([board], load_rollout_weights("handset"), playouts=3)
    policy_values(network(), [board], playouts=3)
    assert board.hash == key and board.move_count == 0 and isinstance(board, _core.Position)
