"""`selfplay` killed with SIGKILL at random moments and resumed ends with exactly the asked games, each whole, none twice."""

from __future__ import annotations

import contextlib
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from alphago.data.games import validate
from alphago.data.store import read_games
from alphago.seeds import game_seed
from conftest import ROOT

COMMAND = [sys.executable, "-m", "selfplay.cli", "--resume", "--size", "5", "--sims", "8", "--seed", "5", "--sgf"]


def start(out: Path, games: int) -> subprocess.Popen[str]:
    command = [*COMMAND, "--games", str(games), "--out", str(out)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT)


def kill_and_resume(out: Path, kills: int, games_a_kill: int, seed: int) -> None:
    """Kills `kills` runs in a row, each somewhere between its start and its end, then lets one finish."""
    rng = random.Random(seed)
    killed = games = 0
    while killed < kills:
        if killed % 4 == 0:  # so that there is always something left to play
            games += 4 * games_a_kill
        process = start(out, games)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=rng.uniform(0.2, 2.5))
        process.kill()
        _, err = process.communicate(timeout=60)
        if process.returncode == -signal.SIGKILL:
            killed += 1
        else:
            assert process.returncode == 0, err
            games += games_a_kill  # it ended before it was killed: ask for more
    process = start(out, games)
    _, err = process.communicate(timeout=500)
    assert process.returncode == 0, err

    indices = []
    for row in read_games(out):
        indices.append(row["index"])
        validate(row)  # legal from the first move to the result
        assert row["seed"] == game_seed(5, row["index"])
    assert sorted(indices) == list(range(games))
    assert len(list((out / "sgf").glob("*.sgf"))) == games


def test_three_kills(tmp_path: Path) -> None:
    kill_and_resume(tmp_path / "run", kills=3, games_a_kill=150, seed=1)


@pytest.mark.slow
def test_twenty_kills(tmp_path: Path) -> None:
    kill_and_resume(tmp_path / "run", kills=20, games_a_kill=150, seed=2)
