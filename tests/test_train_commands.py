"""`alphago train rollout` and `alphago train distill` as a user meets them: options, Ctrl-C, resume, one line for a mistake."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from alphago.nets.architecture import Residual
from alphago.nets.modules import build
from alphago.nets.rollout import read_rollout_arrays
from alphago.nets.store import load_network, save_network

ROLLOUT = """
data: {stores: [default], held_out: 0.3, limit: 60, measured: 500}
patterns: {pattern3: 500, response: 300, pattern12: 300, positions: 2000}
likelihood: {steps: 6, batch: 64}
balance: {steps: 3, batch: 4, playouts: 4, size: 9}
tree: {steps: 4, batch: 64}
"""
DISTILL = """
teacher: none.safetensors
data: {stores: [default], held_out: 0.3, limit: 60, measured: 300}
network: {kind: residual, blocks: 2, channels: 8, head_channels: 4, value_hidden: 8, feature_set: rich-fast}
training: {batch: 16, steps: 6, precision: fp32}
"""


def alphago(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "alphago.cli", *map(str, arguments)]


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(alphago(*arguments), capture_output=True, text=True, timeout=120)


@pytest.fixture
def rollout(tmp_path: Path) -> list[object]:
    (tmp_path / "rollout.yaml").write_text(ROLLOUT)
    return ["train", "rollout", "--config", tmp_path / "rollout.yaml", "--threads", 2]


def test_rollout(rollout: list[object], tmp_path: Path) -> None:
    out = tmp_path / "run"
    done = run(*rollout, "--out", out, "--steps", 4, "--json")
    assert done.returncode == 0, done.stderr
    row = json.loads(done.stdout)
    assert row["weights"] == str(out / "rollout.safetensors") and 0 <= row["tree_9x9_top1"] <= 1
    _, head = read_rollout_arrays(row["weights"])
    assert head["provenance"]["settings"]["likelihood"]["steps"] == 4
    assert list((out / "tensorboard").iterdir())
    assert "likelihood, held-out games: " in done.stderr
    again = run(*rollout, "--out", out, "--steps", 4)
    assert again.returncode == 2 and again.stderr.count("\n") == 1 and "add --resume" in again.stderr
    other = run(*rollout, "--out", out, "--steps", 5, "--resume")
    assert other.returncode == 2 and "likelihood.steps is 4, not 5" in other.stderr


def test_rollout_is_stopped_and_gone_on_with(rollout: list[object], tmp_path: Path) -> None:
    out = tmp_path / "run"
    many = ["--out", out, "--steps", 1200, "--no-tensorboard"]
    process = subprocess.Popen(alphago(*rollout, *many), stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    told = ""
    for line in process.stderr:
        told += line
        if line.startswith("step "):
            break
    process.send_signal(signal.SIGINT)
    told += process.communicate(timeout=60)[1]
    assert process.returncode == 130 and "Traceback" not in told, told
    assert "stopped; go on with the same command and --resume" in told
    assert (out / "state.safetensors").exists()
    done = run(*rollout, *many, "--resume")
    assert done.returncode == 0, done.stderr
    assert (out / "rollout.safetensors").exists()


def test_rollout_from_games_without_searches(rollout: list[object], tmp_path: Path) -> None:
    moves = ["ee", "cc", "gg", "gc", "cg", "dd", "fc", "cf"]
    games = [f"(;SZ[9]KM[7]RE[B+R];B[{moves[i]}];W[{moves[j]}];B[ab])" for i in range(8) for j in range(8) if i != j]
    (tmp_path / "games.sgf").write_text("\n".join(games))
    assert run("import", tmp_path / "games.sgf", "--out", tmp_path / "games.parquet").returncode == 0
    done = run(*rollout, "--games", tmp_path / "games.parquet", "--out", tmp_path / "run")
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert "no position has a search's root value to balance against" in done.stderr
    assert not (tmp_path / "run").exists()
    done = run(*rollout, "--games", tmp_path / "games.parquet", "--out", tmp_path / "run", "--balance-steps", 0)
    assert done.returncode == 0, done.stderr


def test_distill(tmp_path: Path) -> None:
    save_network(tmp_path / "big.safetensors", build(Residual(blocks=2, channels=16, feature_set="rich")), {})
    (tmp_path / "small.yaml").write_text(DISTILL)
    common = ["train", "distill", "--config", tmp_path / "small.yaml", "--out", tmp_path / "run", "--no-tensorboard"]
    done = run(*common, "--teacher", tmp_path / "big.safetensors", "--student", "1x12", "--json")
    assert done.returncode == 0, done.stderr
    network, head = load_network(json.loads(done.stdout)["network"])
    assert isinstance(network.architecture, Residual)
    assert (network.architecture.blocks, network.architecture.channels) == (1, 12)
    assert head["provenance"]["settings"]["teacher"] == str(tmp_path / "big.safetensors")
    for extra, message in (
        (("--teacher", tmp_path / "nowhere.safetensors"), "nowhere.safetensors: "),
        (
            ("--teacher", tmp_path / "big.safetensors", "--student", "tiny"),
            "expected BLOCKSxCHANNELS, e.g. 4x48, got 'tiny'",
        ),
        ((), "--teacher"),
    ):
        bad = run(*common, *extra)
        assert bad.returncode == 2 and message in bad.stderr and "Traceback" not in bad.stderr, bad.stderr
