"""`alphago import` and `alphago games` as a user meets them: output, files, one clear line for every mistake."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from alphago.data import write_shard
from test_data_games import pool_rows
from test_import import ONE, TWO


def run(*arguments: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "alphago.cli", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    write_shard(tmp_path / "games.parquet", pool_rows())
    return tmp_path / "games.parquet"


def test_import_tells_what_it_did(tmp_path: Path) -> None:
    (tmp_path / "in.sgf").write_text(f"{ONE}\n{TWO}\n{ONE}\n(;SZ[9];B[aa];W[aa])")
    done = run("import", tmp_path, "--out", tmp_path / "out.parquet")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith(f"2 games, 8 moves in {tmp_path}/out.parquet (")
    assert lines[1] == f"2 left out, listed in {tmp_path}/out.left-out.csv:"
    assert {line.split()[1] for line in lines[2:]} == {"duplicate", "illegal"}
    again = run("import", tmp_path / "in.sgf", "--out", tmp_path / "out.parquet")
    assert again.returncode == 2 and again.stderr.count("\n") == 1 and "--force overwrites it" in again.stderr
    row = json.loads(run("import", tmp_path / "in.sgf", "--out", tmp_path / "out.parquet", "--force", "--json").stdout)
    assert (row["games"], row["moves"], row["seen"], row["left_out"]) == (2, 8, 4, {"duplicate": 1, "illegal": 1})


def test_info(store: Path) -> None:
    row = json.loads(run("games", "info", store, "--json", "--game", "1").stdout)
    assert row["games"] == len(pool_rows()) and row["files"] == 1 and row["visits"] == row["positions"] > 0
    assert row["game"]["id"] == "run-1" and len(row["game"]["moves"].split()) == len(pool_rows()[1]["moves"])
    text = run("games", "info", store)
    assert text.returncode == 0 and f"games:        {len(pool_rows())}" in text.stdout.splitlines()


def test_stats_and_their_picture(store: Path) -> None:
    done = run("games", "stats", store)
    assert done.returncode == 0, done.stderr
    assert store.with_suffix(".png").read_bytes()[:4] == b"\x89PNG"
    row = json.loads(run("games", "stats", store, "--no-plot", "--json").stdout)
    assert row["games"] == len(pool_rows()) and "plot" not in row


def test_export_and_import_again(store: Path, tmp_path: Path) -> None:
    out = tmp_path / "sgf"
    done = run("games", "export", store, "--out", out)
    assert done.returncode == 0 and len(list(out.glob("*.sgf"))) == len(pool_rows())
    again = run("games", "export", store, "--out", out)
    assert again.returncode == 2 and "exists already" in again.stderr
    back = json.loads(run("import", out, "--out", tmp_path / "back.parquet", "--keep-duplicates", "--json").stdout)
    assert back["games"] == len(pool_rows()) and not back["left_out"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["games", "info", "none.parquet"], "none.parquet: No such file or directory"),
        (["games", "stats", "{tmp}/text.parquet"], "this is not Parquet"),
        (["games", "info", "{store}", "--game", "99"], "there are games 0 to 5, got 99"),
        (
            ["games", "stats", "{store}", "--plot", "{tmp}/no/x.png"],
            "{tmp}/no/x.png: cannot be written: No such file or directory",
        ),
        (["games", "export", "{store}", "--out", "{tmp}/no/x.sgfs"], "cannot be written"),
        (["import", "{tmp}/none.sgf", "--out", "{tmp}/x.parquet"], "none.sgf: no such file or folder"),
        (["import", "{tmp}/text.parquet", "--out", "{tmp}/x.parquet"], "not a kind of file that is known here"),
        (["import", "{tmp}/in.sgf", "--out", "{tmp}/x.parquet", "--min-rank", "strong"], "min_rank: a rank such as"),
        (["import", "{tmp}/in.sgf", "--out", "{tmp}/x.parquet", "--size", "13"], "no game was taken: 1 filter: size"),
    ],
)
def test_mistakes_are_one_line(store: Path, tmp_path: Path, arguments: list[str], message: str) -> None:
    (tmp_path / "text.parquet").write_text("hello")
    (tmp_path / "in.sgf").write_text(ONE)
    done = run(*(argument.format(tmp=tmp_path, store=store) for argument in arguments))
    assert done.returncode == 2
    assert message.format(tmp=tmp_path) in done.stderr and done.stderr.count("\n") == 1 and not done.stdout
    assert not (tmp_path / "x.parquet").exists()
