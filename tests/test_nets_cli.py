"""`alphago nets` and `alphago bench inference`."""

from __future__ import annotations

import contextlib
import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from alphago import cli
from alphago.nets.store import load_network, network_hash
from conftest import ROOT

SMALL = ["--blocks", "1", "--channels", "8", "--features", "rich-fast", "--head-channels", "4"]


class Done(NamedTuple):
    returncode: object
    stdout: str
    stderr: str


def run(*args: str | Path) -> Done:
    """The command in this process: importing torch takes longer than all else that these tests do."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), pytest.raises(SystemExit) as exit_:
        cli.main([str(x) for x in args])
    return Done(exit_.value.code, out.getvalue(), err.getvalue())


def object_of(*args: str | Path) -> dict[str, Any]:
    """The one JSON object that a command prints on stdout, and nothing else on either stream."""
    done = run(*args)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("\n") == 1
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def refusal(*args: str | Path) -> str:
    """The one line with which a command refuses."""
    done = run(*args)
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.startswith("alphago: ") and done.stderr.count("\n") == 1
    return done.stderr


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("nets") / "small.safetensors"
    assert run("nets", "new", *SMALL, "--seed", "3", "--out", path).returncode == 0
    return path


# --- nets -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("args", [["nets", "--help"], ["nets", "new", "--help"], ["bench", "inference", "--help"]])
def test_help_imports_nothing_heavy(args: list[str]) -> None:
    command = [sys.executable, "-X", "importtime", "-m", "alphago.cli", *args]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=ROOT, check=False)
    assert done.returncode == 0
    imported = {line.rsplit("|", 1)[1].strip() for line in done.stderr.splitlines() if line.startswith("import time:")}
    assert "typer" in imported  # so the list was read rightly
    assert imported & {"torch", "numpy", "openvino", "nncf", "safetensors", "alphago._core", "alphago.nets"} == set()


def test_new_writes_what_info_describes(net: Path) -> None:
    network, head = load_network(net)
    row = object_of("nets", "info", net, "--json")
    assert row["architecture"] == network.architecture.model_dump()
    assert (row["architecture"]["blocks"], row["architecture"]["channels"]) == (1, 8)
    assert row["parameters"] == sum(p.numel() for p in network.parameters())
    assert row["hash"] == network_hash(network)
    assert row["provenance"] == head["provenance"] == {"made_by": "alphago nets new", "seed": 3, "trained": False}
    assert row["heads"] == ["policy", "outcome", "ownership", "score"]
    assert set(row["mflop_per_evaluation"]) == {"9", "13", "19"}
    # Nearly all of the work is done at every point alike.
    ratio = row["mflop_per_evaluation"]["19"] / row["mflop_per_evaluation"]["9"]
    assert 0.97 * 361 / 81 < ratio <= 361 / 81 * 1.001
    text = run("nets", "info", net).stdout
    for part in (f"{row['parameters']:,}", row["hash"], "2x2 to 19x19", "rich-fast (13 planes)", "blocks 1"):
        assert part in text


def test_every_option_reaches_the_architecture(tmp_path: Path) -> None:
    options = [
        "--pool-every",
        "1",
        "--block",
        "nested",
        "--kernel",
        "5",
        "--stem-kernel",
        "5",
        "--squeeze",
        "4",
        "--value-hidden",
        "12",
        "--activation",
        "silu",
        "--value-activation",
        "mish",
        "--no-score",
        "--no-ownership",
        "--reply",
    ]
    row = object_of("nets", "new", *SMALL, *options, "--out", tmp_path / "n", "--json")
    assert row["architecture"] == {
        "kind": "residual",
        "blocks": 1,
        "channels": 8,
        "feature_set": "rich-fast",
        "pool_every": 1,
        "block": "nested",
        "kernel": 5,
        "stem_kernel": 5,
        "squeeze": 4,
        "head_channels": 4,
        "value_hidden": 12,
        "activation": "silu",
        "value_activation": "mish",
        "policy": True,
        "outcome": True,
        "ownership": False,
        "score": False,
        "reply": True,
    }
    assert row["heads"] == ["policy", "outcome", "reply"]


@pytest.mark.parametrize(("kind", "extra"), [("alphago-policy", []), ("alphago-value", ["--hidden", "16"])])
def test_alphago_kinds(kind: str, extra: list[str], tmp_path: Path) -> None:
    args = ["--kind", kind, "--layers", "3", "--channels", "8", "--size", "7", *extra]
    row = object_of("nets", "new", *args, "--out", tmp_path / "n", "--json")
    assert row["architecture"]["kind"] == kind and row["sizes"] == [7, 7]
    assert list(row["mflop_per_evaluation"]) == ["7"]


def test_seeds(net: Path, tmp_path: Path) -> None:
    hashes = [
        object_of("nets", "new", *SMALL, "--seed", s, "--out", tmp_path / s, "--json")["hash"] for s in ("3", "4")
    ]
    assert hashes[0] == object_of("nets", "info", net, "--json")["hash"] != hashes[1]


def test_a_file_is_overwritten_on_request_alone(tmp_path: Path) -> None:
    path = tmp_path / "n"
    path.write_text("precious")
    assert "--force" in refusal("nets", "new", *SMALL, "--out", path)
    assert path.read_text() == "precious"
    assert run("nets", "new", *SMALL, "--out", path, "--force").returncode == 0
    load_network(path)


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--kind", "residul"], "did you mean residual?"),
        (["--blocks", "0"], "--blocks: Input should be greater than or equal to 1, got 0"),
        (["--features", "rich-slow"], "--features: Input should be"),
        (["--size", "9"], "--size: a network of kind residual has no such part"),
        (["--kind", "alphago-value", "--blocks", "3"], "--blocks: a network of kind alphago-value has no such part"),
    ],
)
def test_bad_architectures(args: list[str], message: str, tmp_path: Path) -> None:
    assert message in refusal("nets", "new", "--out", tmp_path / "n", *args)
    assert not (tmp_path / "n").exists()


def test_bad_files(tmp_path: Path) -> None:
    (tmp_path / "n").write_bytes(b"nothing")
    assert "not a network file" in refusal("nets", "info", tmp_path / "n")
    assert "is a directory" in refusal("nets", "info", tmp_path)
    assert "No such file" in refusal("bench", "inference", "--net", tmp_path / "absent")


# --- bench inference ------------------------------------------------------------------------------------------------------


def test_bench_inference(net: Path) -> None:
    args = [
        "--runtime",
        "torch",
        "--precision",
        "fp32",
        "--batch",
        "4",
        "--size",
        "5",
        "--workers",
        "2",
        "--threads",
        "2",
    ]
    row = object_of("bench", "inference", "--net", net, *args, "--seconds", "0.2", "--compare", "--pool", "--json")
    assert row["evaluations_per_second"] > 0 and row["peer_evaluations_per_second"] > 0
    assert row["pool_evaluations_per_second"] > 0
    assert row["share"] == pytest.approx(row["pool_evaluations_per_second"] / row["evaluations_per_second"], rel=0.01)
    assert row["ratio"] == pytest.approx(row["evaluations_per_second"] / row["peer_evaluations_per_second"], rel=0.01)
    settings = {
        key: row[key] for key in ("net", "runtime", "precision", "batch", "size", "workers", "threads", "seconds")
    }
    assert settings == {
        "net": str(net),
        "runtime": "torch",
        "precision": "fp32",
        "batch": 4,
        "size": 5,
        "workers": 2,
        "threads": 2,
        "seconds": 0.2,
    }


def test_the_best_batch_is_the_fastest_of_the_sweep(net: Path) -> None:
    args = ["--runtime", "torch", "--precision", "fp32", "--size", "3", "--seconds", "0.1"]
    row = object_of("bench", "inference", "--net", net, *args, "--json")
    assert set(row["sweep"]) == {"8", "16", "32", "64", "128", "256"}
    assert row["sweep"][str(row["batch"])] == max(row["sweep"].values())
    table = run("bench", "inference", "--net", net, *args, "--batch", "8").stdout
    assert "evaluations/s" in table and "torch" in table


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--batch", "many"], "--batch: expected best or a whole number from 1 to 65536, got 'many'"),
        (["--workers", "0"], "--workers: expected auto or a whole number from 1 to 1024, got '0'"),
        (["--runtime", "jax"], "runtime must be one of auto, torch, openvino, got 'jax'"),
        (["--precision", "fp8"], "precision must be one of auto, fp32, bf16, int8, got 'fp8'"),
        (["--size", "25", "--batch", "8"], "this network plays on 2x2 to 19x19, not on 25x25"),
    ],
)
def test_bench_inference_refuses(args: list[str], message: str, net: Path) -> None:
    assert message in refusal("bench", "inference", "--net", net, *args)
