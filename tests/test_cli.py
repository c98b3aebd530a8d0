"""The `alphago` command as a user meets it: in a process of its own."""

import gzip
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import alphago
from alphago import _core
from conftest import ROOT

SGF = b"(;GM[1]FF[4]SZ[9]KM[7];B[ee];W[ce];B[gc];W[cc];B[eg];W[gg];B[];W[ec];B[dd];W[dc])"
QUICK = ["--seconds", "0.05", "--json"]


def run(*args: str, python: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *python, "-m", "alphago.cli", *args]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=ROOT, check=False)


def object_of(*args: str) -> dict[str, Any]:
    """The one JSON object that a command prints on stdout, and nothing else on either stream."""
    done = run(*args)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("\n") == 1
    found: dict[str, Any] = json.loads(done.stdout)
    return found


# --- the roof ---------------------------------------------------------------------------------------------------------


def test_help_names_the_commands() -> None:
    done = run("--help")
    assert done.returncode == 0
    for name in ("bench", "doctor"):
        assert name in done.stdout


@pytest.mark.parametrize(
    "args", [["--help"], ["--version"], ["bench", "--help"], ["bench", "playouts", "--help"], ["doctor", "--help"]]
)
def test_help_imports_nothing_heavy(args: list[str]) -> None:
    done = run(*args, python=("-X", "importtime"))
    assert done.returncode == 0
    imported = {line.rsplit("|", 1)[1].strip() for line in done.stderr.splitlines() if line.startswith("import time:")}
    assert "typer" in imported  # so the list was read rightly
    heavy = {
        "numpy",
        "torch",
        "yaml",
        "gymnasium",
        "sgfmill",
        "safetensors",
        "openvino",
        "rich.console",
        "rich.table",
    }
    ours = {"alphago._core", "alphago.go", "alphago.nets", "alphago.configs"}
    assert imported & (heavy | ours) == set()


def test_version() -> None:
    assert run("--version").stdout == f"alphago {alphago.__version__}\n"


def test_no_arguments_show_the_help() -> None:
    done = run()
    assert done.returncode == 2
    assert done.stderr.startswith("Usage: alphago")


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["bnech"], "unknown command 'bnech' (did you mean bench?); known are"),
        (["--nonsense"], "No such option"),
        (["bench", "playouts", "--size", "1"], "--size: input should be greater than or equal to 2, got 1"),
        (["bench", "playouts", "--size", "20"], "--size: input should be less than or equal to 19, got 20"),
        (["bench", "playouts", "--size", "nine"], "'--size'"),
        (["bench", "playouts", "--policy", "heavy"], "--policy: input should be 'light' or 'softmax', got 'heavy'"),
        (["bench", "playouts", "--seconds", "nan"], "--seconds: input should be a finite number, got nan"),
        (["bench", "playouts", "--seconds", "-1"], "--seconds: input should be greater than 0, got -1.0"),
        (["bench", "playouts", "--threads", "0"], "--threads: input should be greater than or equal to 1, got 0"),
        (["bench", "playouts", "--seed", "-1"], "--seed: input should be greater than or equal to 0, got -1"),
        (["bench", "playouts", "--config", "bnech"], "no configuration 'bnech' (did you mean bench?)"),
        (
            ["bench", "playouts", "--policy", "softmax", "--weights", "nowhere.safetensors"],
            "nowhere.safetensors: No such file",
        ),
        (["bench", "playouts", "--policy", "light", "--weights", "x"], "only the softmax policy has weights"),
        (["bench", "features", "--set", "poor"], "--set: unknown feature set 'poor': known are alphago48"),
        (["bench", "features", "--dtype", "int8"], "--dtype: input should be 'float32' or 'uint8', got 'int8'"),
        (["bench", "features", "--games", "nowhere.sgf"], "nowhere.sgf: No such file"),
    ],
)
def test_bad_input_is_one_line_and_status_2(args: list[str], message: str) -> None:
    done = run(*args)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("alphago: ")
    assert done.stderr.count("\n") == 1
    assert message in done.stderr


# --- bench ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("policy", ["light", "softmax"])
def test_bench_playouts(policy: str) -> None:
    row = object_of("bench", "playouts", "--size", "7", "--policy", policy, "--threads", "2", "--seed", "3", *QUICK)
    assert (row["size"], row["policy"], row["threads"], row["seed"]) == (7, policy, 2, 3)
    assert row["count"] > 0
    assert row["seconds"] >= 0.05
    assert row["playouts_per_second"] == pytest.approx(row["count"] / row["seconds"], rel=0.01)
    assert 49 * 0.5 < row["moves_per_playout"] < 49 * 3
    per_thread = row["playouts_per_second"] * row["moves_per_playout"] / 2
    assert row["microseconds_per_move"] == pytest.approx(1e6 / per_thread, rel=0.01)


@pytest.mark.parametrize("feature_set", ["alphago48", "alphago49", "zero17", "rich", "rich-fast"])
def test_bench_features(feature_set: str) -> None:
    arguments = ["--set", feature_set, "--size", "5", "--positions", "7", "--dtype", "uint8"]
    row = object_of("bench", "features", *arguments, *QUICK)
    assert (row["size"], row["set"], row["dtype"], row["threads"], row["seed"]) == (5, feature_set, "uint8", 1, 0)
    assert row["positions"] == 7
    assert row["positions_per_second"] == pytest.approx(row["count"] / row["seconds"], rel=0.01)


def test_several_rows_are_one_object() -> None:
    found = object_of("bench", "playouts", "--size", "5", *QUICK)
    assert [row["policy"] for row in found["results"]] == ["light", "softmax"]


def test_table() -> None:
    done = run("bench", "playouts", "--size", "5", "--seconds", "0.05")
    assert done.returncode == 0
    for word in ("playouts/s", "light", "softmax"):
        assert word in done.stdout


def test_own_configuration(tmp_path: Path) -> None:
    text = (ROOT / "configs" / "bench.yaml").read_text(encoding="utf-8")
    path = tmp_path / "small.yaml"
    path.write_text(
        text.replace("sizes: [9, 19]", "sizes: [3]").replace("seconds: 3", "seconds: 0.01"), encoding="utf-8"
    )
    found = object_of("bench", "playouts", "--config", str(path), "--json")
    assert [row["size"] for row in found["results"]] == [3, 3]
    path.write_text(text.replace("policies", "polices"), encoding="utf-8")
    done = run("bench", "playouts", "--config", str(path))
    assert done.returncode == 2
    assert f"{path}: unknown key playouts.polices (did you mean playouts.policies?)" in done.stderr


@pytest.mark.parametrize("name", ["game.sgf", "games.sgfs", "games.sgfs.gz"])
def test_bench_features_reads_games(tmp_path: Path, name: str) -> None:
    other_size = b"(;SZ[13];B[aa];W[bb])"
    lines = SGF if name == "game.sgf" else b"\n".join([SGF, b"", other_size, SGF])
    (tmp_path / name).write_bytes(gzip.compress(lines) if name.endswith(".gz") else lines)
    for where in (tmp_path / name, tmp_path):
        arguments = ["--size", "9", "--set", "zero17", "--games", str(where)]
        row = object_of("bench", "features", *arguments, *QUICK)
        assert row["positions"] == (1 if name == "game.sgf" else 2)
        assert row["games"] == str(where)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.sgfs", SGF + b"\nnonsense\n", "a.sgfs:2: not an SGF game"),
        ("a.sgf", b"(;SZ[13];B[aa])", "no 9x9 game in it"),
        ("a.sgfs.gz", gzip.compress(SGF * 100, mtime=0)[:40], "a.sgfs.gz: damaged or truncated gzip file"),
        ("a.sgfs.gz", b"not gzip", "a.sgfs.gz: damaged or truncated gzip file"),
    ],
    ids=["nonsense", "other size", "truncated", "not gzip"],
)
def test_bad_games(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    done = run("bench", "features", "--size", "9", "--games", str(tmp_path / name))
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


def test_positions_are_mid_game_and_repeatable(tmp_path: Path) -> None:
    from alphago.commands.bench_positions import made_positions, recorded_positions
    from alphago.nets.rollout import load_rollout_weights

    weights = load_rollout_weights()
    made = made_positions(9, 20, 5, weights)
    assert [p.moves() for p in made] == [p.moves() for p in made_positions(9, 20, 5, weights)]
    assert [p.moves() for p in made] != [p.moves() for p in made_positions(9, 20, 6, weights)]
    assert all(1 <= p.move_count <= 40 for p in made)

    path = tmp_path / "g.sgf"
    path.write_bytes(SGF)
    (position,) = recorded_positions(path, 9, 512, 0)
    assert 3 <= position.move_count <= 7
    assert position.moves()[:3] == [(1, 40), (2, 38), (1, 24)]  # ee, ce, gc


def test_interrupt_ends_a_long_benchmark_at_once() -> None:
    command = [
        sys.executable,
        "-m",
        "alphago.cli",
        "bench",
        "playouts",
        "--size",
        "9",
        "--policy",
        "light",
        "--seconds",
        "60",
    ]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT)
    time.sleep(2.0)  # long enough to be inside the core on a busy machine; earlier is answered alike
    start = time.monotonic()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert time.monotonic() - start < 20
    assert (process.returncode, out, err) == (130, "", "")


def test_reader_that_goes_away() -> None:
    """`alphago bench ... | head -0` ends without a traceback."""
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "alphago.cli", "bench", "playouts", "--size", "5", "--seconds", "0.01"]
    with os.fdopen(write, "w") as stdout:
        done = subprocess.run(
            command, stdout=stdout, stderr=subprocess.PIPE, text=True, timeout=60, cwd=ROOT, check=False
        )
    assert (done.returncode, done.stderr) == (1, "")


# --- doctor -----------------------------------------------------------------------------------------------------------


def test_doctor() -> None:
    report = object_of("doctor", "--json")
    assert report["usable"] is True
    assert report["core"] == _core.BUILD_INFO
    assert report["cpu"]["cores"] == os.cpu_count()
    assert report["memory_gib"] > 0.1
    assert all(item["install"] for item in report["missing"])
    absent = {item["name"] for item in report["missing"]}
    for name, found in {**report["packages"], **report["programs"]}.items():
        assert (found is None) == (name in absent)


def test_doctor_table() -> None:
    done = run("doctor")
    assert (done.returncode, done.stderr) == (0, "")
    for word in ("processor", "memory", "torch", "CUDA", "OpenVINO", "gnugo", _core.BUILD_INFO["compiler"].split()[0]):
        assert word in done.stdout


def core_replaced(tmp_path: Path, source: str) -> dict[str, str]:
    """Environment in which every Python process finds `source` in place of the compiled core."""
    (tmp_path / "broken_core.py").write_text(source, encoding="utf-8")
    (tmp_path / "sitecustomize.py").write_text(
        "import importlib.abc, importlib.util, sys\n"
        "class Finder(importlib.abc.MetaPathFinder):\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'alphago._core':\n"
        f"            return importlib.util.spec_from_file_location(name, {str(tmp_path / 'broken_core.py')!r})\n"
        "sys.meta_path.insert(0, Finder())\n",
        encoding="utf-8",
    )
    return {**os.environ, "PYTHONPATH": str(tmp_path)}


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("raise ImportError('alphago._core: undefined symbol')", "the compiled core cannot be loaded: ImportError"),
        ("import os, signal\nos.kill(os.getpid(), signal.SIGILL)", "the compiled core crashes (signal 4)"),
    ],
)
def test_doctor_says_when_the_core_is_broken(tmp_path: Path, source: str, message: str) -> None:
    command = [sys.executable, "-m", "alphago.cli", "doctor", "--json"]
    environment = core_replaced(tmp_path, source)
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=ROOT, env=environment, check=False)
    assert done.returncode == 1
    assert json.loads(done.stdout)["usable"] is False
    assert done.stderr.startswith(f"alphago: {message}")
    assert done.stderr.count("\n") == 1


def test_commands_say_when_the_core_is_broken(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "alphago.cli", "bench", "playouts"]
    environment = core_replaced(tmp_path, "raise ImportError('alphago._core: undefined symbol')")
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=ROOT, env=environment, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert "`alphago doctor` says more" in done.stderr
    assert done.stderr.count("\n") == 1
