"""Games with one random move: who chose what, that a killed run goes on to the same games, and that the games are real ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from alphago.data.games import POLICY, RANDOM, validate
from alphago.data.store import read_games
from alphago.go import Board
from alphago.nets.architecture import Residual
from alphago.nets.modules import Network, build
from alphago.nets.runtimes import choose
from alphago.train.optim import TrainingError
from selfplay.value_data import ValueDataError, ValueDataSettings, play_value_games

SETTINGS = ValueDataSettings(size=5, latest=20)


def network(seed: int) -> Network:
    return build(Residual(blocks=1, channels=8, feature_set="rich-fast"), seed=seed).eval()


def played(out: Path, games: int, *, resume: bool = False, threads: int = 2, **more: Any) -> dict[int, dict[str, Any]]:
    settings = SETTINGS.model_copy(update=more)
    play_value_games(out, settings, network(1), network(2), games, threads=threads, resume=resume)
    return {row["index"]: row for row in read_games(out)}


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> dict[int, dict[str, Any]]:
    return played(tmp_path_factory.mktemp("value") / "run", 150)


def test_one_move_of_a_game_is_random_and_it_is_a_stone(rows: dict[int, dict[str, Any]]) -> None:
    assert sorted(rows) == list(range(150))
    turns = []
    for row in rows.values():
        end = validate(row)  # the owners of the points make the score
        for color, owner in ((1, 1), (2, -1)):
            assert (row["ownership"][np.asarray(end.pass_alive(color)).ravel()] == owner).all()
        (turn,) = np.flatnonzero(row["chosen_by"] == RANDOM)
        assert (np.delete(row["chosen_by"], turn) == POLICY).all()
        assert row["moves"][turn] < 25 and turn < 20
        assert len(row["moves"]) > turn + 1  # somebody has answered
        turns.append(turn)
    assert min(turns) <= 2 and max(turns) >= 16  # U is spread over its range
    assert len({tuple(row["moves"].tolist()) for row in rows.values()}) == 150


def test_the_random_move_is_uniform() -> None:
    """With U = 1 it is the first: every point alike, where the networks, at temperature 0, have one move each."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        found = played(Path(folder) / "run", 800, latest=1, max_moves=4, temperature=0.0)
    counts = np.bincount([row["moves"][0] for row in found.values()], minlength=25)
    assert len(counts) == 25
    assert np.square(counts - 32.0).sum() / 32 < 52.6  # chi-squared of 24 degrees: one sample in 1,500 is beyond
    answers = {(row["moves"][0], row["moves"][1]) for row in found.values()}
    assert len(answers) == 25  # the one answer to each


def test_the_random_turn_is_uniform_with_both_ends() -> None:
    settings = SETTINGS.model_copy(update={"latest": 5})
    counts = np.bincount([settings.turn(index, attempt) for index in range(1000) for attempt in range(2)])
    assert counts[0] == 0 and len(counts) == 6
    assert np.square(counts[1:] - 400.0).sum() / 400 < 20  # 4 degrees: one in 2,000


def test_before_and_after_are_two_networks(rows: dict[int, dict[str, Any]]) -> None:
    """At temperature 0 every move is the likeliest of the network whose turn it is."""
    import tempfile

    import torch

    with tempfile.TemporaryDirectory() as folder:
        found = played(Path(folder) / "run", 6, temperature=0.0)
    nets = {True: network(1), False: network(2)}
    agreed, seen = 0, 0
    for row in found.values():
        board = Board(5, "tromp-taylor")
        (turn,) = np.flatnonzero(row["chosen_by"] == RANDOM)
        for number, action in enumerate(row["moves"].tolist()):
            if number != turn:
                planes = torch.from_numpy(board.planes("rich-fast"))[None]
                globals_ = torch.from_numpy(board.globals())[None]
                with torch.no_grad():
                    logits = nets[bool(number < turn)](planes, globals_, None, ("policy",))["policy"][0].numpy()
                logits[~board.legal_moves()] = -np.inf
                agreed += int(logits[action] >= logits.max() - 0.02)  # the player computes in bf16
                seen += 1
            board.play(action)
    assert seen > 60 and agreed >= 0.97 * seen


def test_a_killed_run_goes_on_to_the_same_games(rows: dict[int, dict[str, Any]], tmp_path: Path) -> None:
    out = tmp_path / "run"
    played(out, 40, threads=1)
    again = played(out, 150, resume=True)
    assert again.keys() == rows.keys()
    for index, row in rows.items():
        assert (row["moves"] == again[index]["moves"]).all() and row["winner"] == again[index]["winner"]
    with pytest.raises(TrainingError, match="holds a run already"):
        played(out, 150)
    with pytest.raises(TrainingError, match="other settings: latest is 20, not 9"):
        played(out, 150, resume=True, latest=9)
    auto = choose()[1]
    other = "bf16" if auto == "fp32" else "fp32"
    with pytest.raises(TrainingError, match=f"other settings: precision is '{auto}', not '{other}'"):
        play_value_games(out, SETTINGS, network(1), network(2), 150, threads=1, resume=True, precision=other)
    assert played(out, 150, resume=True).keys() == rows.keys()  # nothing is missing: nothing is played


def test_games_that_never_last_so_long_are_said_to_be_so(tmp_path: Path) -> None:
    with pytest.raises(ValueDataError, match="no game lasts until its random move: lower --latest, now 1000000"):
        played(tmp_path / "run", 2, latest=1_000_000, threads=1, max_moves=6)


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from alphago.cli import main
    from alphago.nets.store import save_network

    net = tmp_path / "net.safetensors"
    save_network(net, network(1), "test")
    arguments = ["make-value-data", "--before", str(net), "--after", str(net), "--size", "5", "--games", "5"]
    with pytest.raises(SystemExit, match=r"^0$"):
        main([*arguments, "--latest", "9", "--out", str(tmp_path / "run"), "--json"])
    with pytest.raises(SystemExit, match=r"^[1-9]"):
        main([*arguments, "--latest", "50", "--out", str(tmp_path / "late")])
    assert not (tmp_path / "late").exists()
    assert "latest is 50, expected less than the 50 moves after which a game ends" in capsys.readouterr().err
    with pytest.raises(SystemExit, match=r"^0$"):
        main([*arguments, "--latest", "9", "--out", str(tmp_path / "again"), "--json"])
    assert json.loads(capsys.readouterr().out)["games"] == 5
    with pytest.raises(SystemExit, match=r"^[1-9]"):
        main([*arguments, "--after", "none", "--out", str(tmp_path / "other")])
    assert "--after 'none': no network of that name for 5x5" in capsys.readouterr().err
    for bad, message in (
        (["--rules", "chess"], "unknown ruleset 'chess'"),
        (["--precision", "int9"], "precision must be"),
    ):
        with pytest.raises(SystemExit, match=r"^2$"):
            main([*arguments, *bad, "--out", str(tmp_path / "bad")])
        err = capsys.readouterr().err
        assert message in err and err.count("\n") == 1 and not (tmp_path / "bad").exists()
