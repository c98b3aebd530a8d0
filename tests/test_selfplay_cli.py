"""The `selfplay` command as a user meets it: in a process of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from alphago.data.games import validate
from alphago.data.store import read_games
from alphago.seeds import game_seed
from conftest import ROOT
from selfplay.cli import find_directory, machine_for
from selfplay.runner import network_id
from selfplay.settings import RunSettings, default_search, read_manifest
from selfplay.summary import Summary

SMALL = ["--size", "5", "--sims", "8"]


def run(*args: object, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "error", "-m", "selfplay.cli", *map(str, args)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "200"}
    return subprocess.run(command, capture_output=True, text=True, timeout=240, cwd=cwd, env=environment, check=False)


def play(out: Path, *args: object) -> subprocess.CompletedProcess[str]:
    done = run(*SMALL, "--out", out, *args)
    assert done.returncode == 0, done.stderr
    return done


def games_of(out: Path) -> dict[int, dict[str, Any]]:
    """Games by index; none may be there twice, and each must be a game from beginning to end."""
    games: dict[int, dict[str, Any]] = {}
    for row in read_games(out):
        assert row["index"] not in games
        validate(row)
        games[row["index"]] = row
    return games


def same(a: dict[str, Any], b: dict[str, Any]) -> bool:
    assert a.keys() == b.keys()
    return all(np.array_equal(a[k], b[k], equal_nan=True) if isinstance(a[k], np.ndarray) else a[k] == b[k] for k in a)


# --- runs -------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of 12 games, played at once."""
    out = tmp_path_factory.mktemp("selfplay") / "whole"
    play(out, "--games", 12, "--seed", 3, "--threads", 2)
    return out


def test_a_run_is_all_its_games(whole: Path) -> None:
    games = games_of(whole)
    assert sorted(games) == list(range(12))
    manifest = read_manifest(whole)
    assert manifest is not None and manifest.games == 12
    for index, row in games.items():
        assert row["seed"] == game_seed(3, index)
        assert row["game_id"] == f"{manifest.settings.run_id}-{index}"
        assert (row["size"], row["komi"], row["source"]) == (5, 7.5, "selfplay")
        assert row["networks"] == [network_id("default", row["size"])]
    assert len({row["moves"].tobytes() for row in games.values()}) == 12


@pytest.mark.parametrize(("threads", "parallel"), [(1, 1), (2, 5)])
def test_a_resumed_run_is_the_same_run(whole: Path, tmp_path: Path, threads: int, parallel: int) -> None:
    """Bit for bit, whatever the number of threads and of games at the same time."""
    out = tmp_path / "run"
    play(out, "--games", 5, "--seed", 3, "--threads", threads, "--parallel", parallel)
    done = run("--resume", "--games", 12, "--out", out)  # the other settings are the run's own
    assert done.returncode == 0, done.stderr
    wanted, games = games_of(whole), games_of(out)
    assert games.keys() == wanted.keys()
    assert all(same(games[index], wanted[index]) for index in wanted)


def test_a_complete_run_has_nothing_left_to_play(whole: Path) -> None:
    before = {p.name: p.read_bytes() for p in (whole / "shards").iterdir()}
    done = run("--resume", "--out", whole)
    assert done.returncode == 0
    assert "speed" not in done.stdout
    assert {p.name: p.read_bytes() for p in (whole / "shards").iterdir()} == before


def test_summary_is_that_of_the_stored_games(whole: Path) -> None:
    """What the command prints, against the Parquet read again and counted in another way."""
    games = list(games_of(whole).values())
    printed = {
        parts[1].strip(): parts[2].strip()
        for line in run("--resume", "--out", whole).stdout.splitlines()
        if len(parts := line.split("│")) == 4
    }
    lengths = sorted(len(game["moves"]) for game in games)
    assert printed["games"] == "12"
    for name, winner in (("black wins", 1), ("white wins", 2), ("draws", 0)):
        count = sum(game["winner"] == winner for game in games)
        assert printed[name] == f"{count} ({100 * count / 12:.1f} %)"
    for name, ended in (("passes", "two passes"), ("resign", "resignation"), ("max_moves", "length")):
        count = sum(game["ended"] == name for game in games)
        assert printed[f"ended by {ended}"] == f"{count} ({100 * count / 12:.1f} %)"
    wanted = f"{np.mean(lengths):.1f} (5 %: {lengths[0]}, median {lengths[5]}, 95 %: {lengths[-1]})"
    assert printed["moves a game"] == wanted
    assert f"{sum(game['no_resign'] for game in games)} were played on" in printed["false resignations"]


def test_false_resignations_are_counted() -> None:
    """A made-up game: white is called lost on move 4 and wins."""
    params = default_search(5, False, False)
    turns = np.arange(20)
    row = {
        "winner": 2,
        "ended": "passes",
        "moves": turns,
        "no_resign": True,
        "colors": 1 + turns % 2,
        "root_value": np.where(turns == 13, -0.95, np.where(turns == 3, -0.99, 0.0)),
    }
    summary = Summary.of([row, row | {"winner": 1}, row | {"no_resign": False}], params)
    assert params.resign_min_turn == 12  # so that move 4 is too early, and move 14 counts
    assert (summary.played_on, summary.would_resign, summary.falsely) == (2, 2, 1)


def test_sgf_and_tensorboard(tmp_path: Path) -> None:
    from sgfmill import sgf
    from tensorboard.backend.event_processing.event_file_loader import RawEventFileLoader
    from tensorboard.compat.proto.event_pb2 import Event

    out = tmp_path / "run"
    play(out, "--games", 2)
    play(out, "--games", 4, "--sgf", "--resume")  # the games that were there get theirs too
    games = games_of(out)
    assert sorted(p.name for p in (out / "sgf").iterdir()) == [f"{i:06d}.sgf" for i in range(4)]
    for index, row in games.items():
        record = sgf.Sgf_game.from_bytes((out / "sgf" / f"{index:06d}.sgf").read_bytes())
        assert len(record.get_main_sequence()) == len(row["moves"]) + 1
        assert record.get_komi() == 7.5
    tags: dict[str, list[int]] = {}
    for file in sorted((out / "tensorboard").iterdir()):
        for data in RawEventFileLoader(str(file)).Load():
            event = Event.FromString(data)
            for value in event.summary.value:
                tags.setdefault(value.tag, []).append(event.step)
    assert tags["games/mean_length"] == [2, 4]
    assert {"games/black_wins", "speed/games_per_second", "speed/rollouts_per_second"} <= tags.keys()


def test_a_network_plays(tmp_path: Path) -> None:
    from alphago.nets.architecture import Residual
    from alphago.nets.modules import build
    from alphago.nets.store import save_network

    net = tmp_path / "tiny.safetensors"
    save_network(net, build(Residual(blocks=1, channels=8, feature_set="rich-fast"), seed=1), "test")
    out = tmp_path / "run"
    done = play(out, "--games", 6, "--net", net, "--runtime", "torch", "--precision", "fp32", "--no-resign")
    assert "evaluations/s" in done.stdout
    games = games_of(out)
    assert sorted(games) == list(range(6))
    assert all(
        row["networks"] == [network_id(str(net), row["size"])] and row["ended"] != "resign" for row in games.values()
    )
    save_network(net, build(Residual(blocks=1, channels=8, feature_set="rich-fast"), seed=2), "another")
    refused = run("--resume", "--games", 7, "--out", out)
    assert refused.returncode == 2
    assert "holds a run with other settings: network " in refused.stderr


def test_interrupt_keeps_what_has_ended(tmp_path: Path) -> None:
    out = tmp_path / "run"
    command = [sys.executable, "-m", "selfplay.cli", *SMALL, "--games", "100000", "--out", str(out)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT)
    deadline = time.monotonic() + 60
    while not ((out / "journal").exists() and (out / "journal").stat().st_size > 5000) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err.splitlines()[-1] == f"interrupted; go on with: selfplay --resume --out {out}"
    assert "Traceback" not in err
    assert 0 < len(games_of(out)) < 100000


# --- settings ---------------------------------------------------------------------------------------------------------


def test_seeds_differ_between_games_and_runs() -> None:
    seeds = {game_seed(run_seed, index) for run_seed in range(20) for index in range(500)}
    assert len(seeds) == 10_000
    assert all(0 <= seed < 2**64 for seed in seeds)
    assert game_seed(0, 0) == 0xE220A8397B1DCDAF  # the first number of SplitMix64 with seed 0, as published


def test_own_parameters_reach_the_manifest(tmp_path: Path) -> None:
    play(
        tmp_path / "run", "--games", 1, "--no-resign", "--set", "c_puct=2.5", "--set", "reuse_tree=false", "--komi", "6"
    )
    manifest = read_manifest(tmp_path / "run")
    assert manifest is not None
    params = manifest.settings.search_params()
    assert (params.simulations, params.c_puct, params.reuse_tree, params.resign_threshold) == (8, 2.5, False, -1.0)
    assert manifest.settings.komi == 6


def test_default_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    first, second = Path("runs/selfplay-9x9-seed1"), Path("runs/selfplay-9x9-seed1-2")
    assert find_directory(None, None, None, False) == find_directory(None, None, None, True) == first
    first.mkdir(parents=True)
    assert find_directory(None, None, None, False) == second
    assert find_directory(None, 9, 1, True) == first
    second.mkdir()
    assert find_directory(None, 9, 1, True) == second
    assert find_directory(None, 13, 1, False) == Path("runs/selfplay-13x13-seed1")


def test_memory_of_a_game_does_not_depend_on_the_others() -> None:
    auto = {"batch": "auto", "runtime": "auto", "precision": "auto"}
    settings = RunSettings(size=19, search=default_search(19, True, True).but(simulations=1600).model_dump(), net="x")
    one = machine_for(settings, 1000, threads="2", parallel="1", **auto)
    many = machine_for(settings, 1000, threads="2", parallel="auto", **auto)
    assert many.memory_mib / many.parallel == pytest.approx(one.memory_mib)
    assert many.memory_mib <= 1024


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--size", "20"], "selfplay: size: input should be less than or equal to 19, got 20"),
        (["--size", "nine"], "'--size'"),
        (["--games", "0"], "'--games'"),
        (["--sims", "0"], "selfplay: search: simulations: input should be greater than or equal to 1, got 0"),
        (["--komi", "nan"], "selfplay: komi: input should be"),
        (["--rules", "klingon"], "unknown ruleset 'klingon'; known: tromp-taylor"),
        (["--seed", "-1"], "selfplay: seed: input should be greater than or equal to 0, got -1"),
        (["--set", "c_int=3"], "selfplay: unknown search parameter 'c_int' (did you mean c_init?)"),
        (["--set", "c_init"], "selfplay: 'c_init' is not key=value"),
        (["--set", "c_init=1000"], "selfplay: search: c_init: input should be less than or equal to 100, got 1000.0"),
        (["--threads", "0"], "--threads: expected auto or a whole number from 1 to 1024, got '0'"),
        (["--parallel", "many"], "--parallel: expected auto or a whole number from 1 to 65536, got 'many'"),
        (["--net", "nowhere.safetensors"], "selfplay: nowhere.safetensors: No such file"),
        (["--nonsense"], "No such option"),
    ],
)
def test_bad_input_is_one_line_and_status_2(args: list[str], message: str, tmp_path: Path) -> None:
    done = run(*args, "--out", "run", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("selfplay: ")
    assert done.stderr.count("\n") == 1
    assert message in done.stderr
    assert list(tmp_path.iterdir()) == []  # nothing is made for a run that cannot be


def test_directories_that_are_refused(whole: Path, tmp_path: Path) -> None:
    def refused(*args: object) -> str:
        done = run(*args)
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
        return done.stderr

    assert "holds a run already: add --resume" in refused("--out", whole)
    message = refused("--out", whole, "--resume", "--komi", 6.5, "--seed", 4)
    assert "holds a run with other settings: komi 7.5, not 6.5; seed 3, not 4" in message
    assert "search.simulations 8, not 9" in refused("--out", whole, "--resume", "--sims", 9)
    (tmp_path / "notes.txt").write_text("mine")
    for resume in ([], ["--resume"]):
        assert "is not empty and holds no run (run.json)" in refused("--out", tmp_path, *resume)
    file = tmp_path / "notes.txt"
    assert "notes.txt" in refused("--out", file)
    broken = tmp_path / "broken"
    broken.mkdir()
    for text, message in (("{", "not JSON"), ('{"format": 9}', "of format 9; this program reads format 1")):
        (broken / "run.json").write_text(text)
        assert message in refused("--out", broken, "--resume")
    (broken / "run.json").write_text(json.dumps({"format": 1}))
    assert "is missing" in refused("--out", broken, "--resume")


def test_help_imports_nothing_heavy() -> None:
    command = [sys.executable, "-X", "importtime", "-m", "selfplay.cli", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=ROOT, check=False)
    imported = {line.rsplit("|", 1)[1].strip() for line in done.stderr.splitlines() if line.startswith("import time:")}
    assert done.returncode == 0 and "typer" in imported
    assert imported & {"numpy", "torch", "pyarrow", "tensorboard", "pydantic", "rich.console", "alphago._core"} == set()


# --- benchmarks -------------------------------------------------------------------------------------------------------


def bench(*args: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "alphago.cli", "bench", *args, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("evaluator", ["uniform", "rollout"])
def test_bench_search(evaluator: str) -> None:
    row = bench("search", "--size", "5", "--evaluator", evaluator, "--seconds", "0.3", "--seed", "4")
    assert (row["size"], row["evaluator"], row["threads"], row["seed"]) == (5, evaluator, 1, 4)
    assert row["simulations_per_second"] == pytest.approx(row["count"] / row["seconds"], rel=0.01)
    assert (row["rollouts_per_second"] > 0) == (evaluator == "rollout")
    assert row["count"] > 100 and row["peak_memory_mib"] > 1


def test_bench_selfplay() -> None:
    row = bench("selfplay", "--games", "3", "--size", "5", "--sims", "4", "--runtime", "torch")
    assert (row["games"], row["size"], row["simulations"], row["net"]) == (3, 5, 4, "fresh 4x48")
    assert 0 < row["moves_per_game"] <= 50
    assert row["games_per_second"] == pytest.approx(3 / row["seconds"], rel=0.1)
    assert row["evaluations_per_second"] > 0
    assert row["params"]["simulations"] == 4
