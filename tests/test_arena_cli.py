"""`alphago match` and `alphago arena` as a user meets them: in processes of their own."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from alphago.arena.journal import read_journal
from alphago.arena.ladder import LadderError, folder_of, parse_players, read_pairings, schedule
from alphago.arena.sides import parse_side
from alphago.data import read_shard
from arena_helpers import fake
from conftest import ROOT

SMALL = ["--size", "5", "--komi", "1.5", "--threads", "1"]


def command_line(*args: object) -> list[str]:
    return [sys.executable, "-W", "error", "-m", "alphago.cli", *map(str, args)]


def run(*args: object, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "160"}
    return subprocess.run(
        command_line(*args), capture_output=True, text=True, timeout=240, cwd=cwd, env=environment, check=False
    )


def object_of(*args: object, cwd: Path = ROOT) -> dict[str, Any]:
    done = run(*args, "--json", cwd=cwd)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("\n") == 1
    found: dict[str, Any] = json.loads(done.stdout)
    return found


A, B = fake("--reseed", name="a"), fake("--reseed", "--seed", 3, name="b")


# --- match ------------------------------------------------------------------------------------------------------------


def test_match_prints_a_table_and_keeps_its_games(tmp_path: Path) -> None:
    bad = fake("--reseed", "--fault", "crash", "--at", 2, "--of-games", 2, name="bad")
    done = run("match", A, bad, "--games", 4, "--out", tmp_path / "m", "--parallel", 1, *SMALL)
    assert done.returncode == 0, done.stderr
    for text in ("a - bad", "Elo of a over bad", "lost by bad", "crash 2", "pairs (points of two)"):
        assert text in done.stdout
    assert "game 1: lost by crash: bad: exited with status 3" in done.stderr
    assert "4/4 games" in done.stderr
    assert len(read_shard(tmp_path / "m" / "games.parquet")) == 4


def test_match_of_bots_as_json(tmp_path: Path) -> None:
    found = object_of(
        "match", "novice", "casual:simulations=4", "--sims", 8, "--games", 4, "--no-resign", "--size", 5, cwd=tmp_path
    )
    assert found["out"] == "runs/match-novice-vs-casual_simulations_4"
    assert found["played"] == 4 and found["endings"] == {"passes": 4}
    again = object_of("match", "novice", "casual:simulations=4", "--games", 2, "--size", 5, cwd=tmp_path)
    assert again["out"] == "runs/match-novice-vs-casual_simulations_4-2"


def test_match_goes_on_with_its_own_settings(tmp_path: Path) -> None:
    first = object_of("match", A, B, "--games", 2, "--out", tmp_path / "m", *SMALL)
    assert first["played"] == 2
    assert "add --resume" in run("match", A, B, "--games", 4, "--out", tmp_path / "m", *SMALL).stderr
    second = object_of("match", A, B, "--games", 4, "--out", tmp_path / "m", "--resume")
    assert second["played"] == 4
    other = run("match", A, B, "--games", 4, "--out", tmp_path / "m", "--resume", "--size", 7)
    assert other.returncode == 2
    assert "holds a match with other settings: size is 5, not 7" in other.stderr


def test_match_with_a_sequential_test(tmp_path: Path) -> None:
    weak = fake("--reseed", "--resign-rate", 1, name="weak")
    found = object_of("match", A, weak, "--games", 300, "--sprt", "0,200", "--out", tmp_path / "m", *SMALL[4:])
    assert found["sprt"]["accepted"] == "H1"
    assert found["played"] < 40


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["expart", "club"], "no level 'expart' (did you mean expert?)"),
        (["club", "nowhere.safetensors"], "nowhere.safetensors: no such file"),
        (["club", "club", "--games", "7"], "expected an even number, got 7"),
        (["club", "club", "--time", "1 hour"], "bad time '1 hour': expected such as 1s"),
        (["club", "club", "--grace", "-1"], "grace"),
        (["club", "club", "--sprt", "10,0"], "elo0 below elo1"),
        (["club", "club", "--size", "1"], "size"),
        (["club", "club", "--rules", "chess"], "unknown ruleset 'chess'"),
        (["club", "club", "--scoring", "guess"], "scoring"),
        (["club", "club", "--openings", "nowhere"], "nowhere: no such file"),
        (["club", "gtp:/nowhere/engine"], "cannot be started: /nowhere/engine"),
        (["club"], "Missing argument"),
    ],
)
def test_mistakes_are_one_line(tmp_path: Path, args: list[str], message: str) -> None:
    done = run("match", *args, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    last = done.stderr.splitlines()[-1]
    assert last.startswith("alphago: ") and message in last
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.glob("runs/*"))  # and nothing is left of it


def in_background(log: Path, out: Path) -> subprocess.Popen[str]:
    """A match that takes long, once its engine runs and it has two games."""
    slow = fake("--reseed", "--fault", "slow", "--at", 2, "--seconds", 0.3, "--log", log, name="slow")
    process = subprocess.Popen(
        command_line("match", A, slow, "--games", 500, "--out", out, "--parallel", 1, *SMALL),
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not ((out / "games.jsonl").exists() and len(read_journal(out)) >= 2):
        time.sleep(0.05)
    return process


def engine_ends(log: Path) -> bool:
    """Whether the engines that wrote this log are gone within some seconds."""
    pids = [int(line.split()[1]) for line in log.read_text().splitlines() if line.startswith("pid")]
    assert pids
    deadline = time.monotonic() + 8
    while time.monotonic() < deadline:
        if not any(Path(f"/proc/{pid}").exists() for pid in pids):
            return True
        time.sleep(0.05)
    return False


needs_proc = pytest.mark.skipif(not Path("/proc/self").exists(), reason="there is no /proc to look at processes")


@needs_proc
def test_interrupt_keeps_what_has_ended_and_ends_the_engines(tmp_path: Path) -> None:
    process = in_background(tmp_path / "log", tmp_path / "m")
    start = time.monotonic()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert time.monotonic() - start < 10
    assert (process.returncode, out) == (130, "")
    assert err.splitlines()[-1].startswith("interrupted; go on with the same command, --resume and --out")
    assert engine_ends(tmp_path / "log")
    games = read_journal(tmp_path / "m")
    assert len(games) >= 2 and not any(game.message for game in games.values())
    assert len(read_shard(tmp_path / "m" / "games.parquet")) == len(games)


@needs_proc
def test_a_killed_match_goes_on(tmp_path: Path) -> None:
    process = in_background(tmp_path / "log", tmp_path / "m")
    process.kill()
    process.communicate(timeout=60)
    assert engine_ends(tmp_path / "log")  # they see the end of their input
    before = read_journal(tmp_path / "m")
    slow = fake("--reseed", "--fault", "slow", "--at", 2, "--seconds", 0.3, "--log", tmp_path / "log", name="slow")
    games = len(before) + 2 + len(before) % 2
    found = object_of("match", A, slow, "--games", games, "--out", tmp_path / "m", "--resume")
    assert found["played"] == games
    after = read_journal(tmp_path / "m")
    assert all(after[i] == game for i, game in before.items())


GNUGO = shutil.which("gnugo") or ("/usr/games/gnugo" if Path("/usr/games/gnugo").exists() else None)


@pytest.mark.skipif(GNUGO is None, reason="gnugo is not installed (apt-get install gnugo)")
def test_against_gnu_go(tmp_path: Path) -> None:
    """A real foreign engine, under a clock: no fault, and it beats a bot that hardly looks."""
    gnugo = f"gnugo=gtp:{GNUGO} --mode gtp --level 1 --chinese-rules --positional-superko"
    found = object_of("match", "novice", gnugo, "--games", 4, "--sims", 2, "--time", "10s", "--out", tmp_path / "m")
    assert found["played"] == 4
    assert found["faults"] == {"novice": {}, "gnugo": {}}
    assert found["games"]["losses"] == 4
    assert len(list((tmp_path / "m" / "sgf").iterdir())) == 4


# --- ladder -----------------------------------------------------------------------------------------------------------


def test_ladder_plays_rates_and_goes_on(tmp_path: Path) -> None:
    weak = fake("--reseed", "--resign-rate", 0.7, name="weak")
    out = tmp_path / "ladder"
    args = ["arena", "run", weak, A, B, "--games", 8, "--out", out, "--openings", "generated", *SMALL]
    found = object_of(*args, "--anchor", "a=1000")
    names = [rating["name"] for rating in found["ratings"]]
    assert sorted(names) == ["a", "b", "weak"] and names[-1] == "weak"
    rating = {r["name"]: r for r in found["ratings"]}
    assert (rating["a"]["elo"], rating["a"]["error"]) == (1000, 0)
    assert sorted(path.name for path in out.iterdir()) == ["a-vs-b", "weak-vs-a", "weak-vs-b"]
    again = run(*args, "--anchor", "a=1000")
    assert again.returncode == 0
    assert "pairing 3 of 3" in again.stderr and "/8 games" not in again.stderr  # nothing was left to play
    assert "weak" in again.stdout and "+1000" in again.stdout
    rated = object_of("arena", "ratings", out, "--anchor", "a=1000")
    assert rated == found
    assert sum(p.games for p in read_pairings([out])) == sum(r["games"] for r in found["ratings"]) / 2


def test_who_meets_whom(tmp_path: Path) -> None:
    sides = parse_players(["beginner", "novice", "casual", "club"])
    names = [(a.name, b.name) for a, b in schedule(sides, 1)]
    assert names == [("beginner", "novice"), ("novice", "casual"), ("casual", "club")]
    assert len(schedule(sides)) == 6 and len(schedule(sides, 2)) == 5 and len(schedule(sides, 99)) == 6
    a, b = parse_side("club"), parse_side("max")
    assert folder_of(tmp_path, a, b)[0].name == "club-vs-max"
    (tmp_path / "max-vs-club").mkdir()
    assert folder_of(tmp_path, a, b) == (tmp_path / "max-vs-club", b, a)


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["club"], "two engines or more, got 1"),
        (["club", "max", "club"], "two engines are called club: name one of them, such as other=club"),
    ],
)
def test_players_that_make_no_ladder(texts: list[str], message: str) -> None:
    with pytest.raises(LadderError, match=message):
        parse_players(texts)


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["run", "club", "--out", "x"], "a ladder needs two engines or more"),
        (["run", "club", "max", "--out", "x", "--anchor", "clubb=5"], "the anchor 'clubb' is none of the engines"),
        (["run", "club", "max", "--out", "x", "--anchor", "club"], "expected NAME=ELO"),
        (["run", "club", "max", "--out", "x", "--games", "3"], "expected an even number"),
        (["ratings", "nowhere"], "nowhere: no match here"),
    ],
)
def test_ladder_mistakes_are_one_line(tmp_path: Path, args: list[str], message: str) -> None:
    done = run("arena", *args, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
