"""`alphago place` as a user meets it: in a process of its own."""

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

from alphago.commands.place_measure import names_of
from alphago.commands.place_table import measured_verdict
from alphago.controller.placement.corpus import read_graph
from alphago.controller.placement.grouping import grouped
from alphago.controller.placement.measure import Measured
from alphago.controller.placement.problem import Problem
from alphago.controller.placement.stored import write_problem
from conftest import ROOT


def run(*args: str, python: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *python, "-m", "alphago.cli", "place", *args]
    return subprocess.run(command, capture_output=True, text=True, timeout=600, cwd=ROOT, check=False)


def test_help_imports_nothing_heavy() -> None:
    done = run("optimise", "--help", python=("-X", "importtime"))
    assert done.returncode == 0 and "--budget" in done.stdout
    imported = {line.rsplit("|", 1)[1].strip() for line in done.stderr.splitlines() if line.startswith("import time:")}
    assert "typer" in imported
    assert imported & {"numpy", "torch", "numba", "matplotlib", "rich.table", "alphago.controller.placement"} == set()


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["optimise", "--model", "nowhere.json"], "nowhere.json: No such file"),
        (["optimise", "--model", "resnet"], "no model 'resnet' (did you mean resnet50?)"),
        (["optimise", "--objective", "speed"], "--objective 'speed': latency, throughput"),
        (["optimise", "--budget", "soon"], "--budget: expected a time"),
        (
            ["optimise", "--budget", "0"],
            "--budget 0: expected a time such as 10m, or a number of placements of 1 or more",
        ),
        (["optimise", "--memory", "much"], "expected an amount of memory such as 600MiB or 2GiB, got 'much'"),
        (["optimise", "--memory", "1MB", "--processors", "0"], "no device can hold and compute"),
        (["optimise", "--devices", "1", "--processors", "0"], "all devices together have 4e+08"),
        (["optimise", "--devices", "two"], "of a graph file a number of accelerators"),
        (["optimise", "--measure"], "measuring needs a model on this computer"),
        (["measure", "--model", "example"], "measuring needs a model on this computer"),
        (["validate", "--model", "example"], "measuring needs a model on this computer"),
        (
            ["optimise", "--policy", "transformer"],
            "policy.kind: input should be 'stepwise', 'seq2seq' or 'hierarchical'",
        ),
        (["show", "--model", "nmt_tiny", "--devices", "9999"], "--devices 9999: at most 62"),
        (["show", "--devices", "1000000000"], "--devices 1000000000: at most 62"),
        (["show", "--machine", "k80"], "--machine, --batch and --tracer are for models"),
        (["show", "--batch", "8"], "--machine, --batch and --tracer are for models"),
        (["show", "--model", ":f"], "--model :f: expected PACKAGE.MODULE:FUNCTION"),
        (["show", "--model", "json:loads"], "--model json:loads: TypeError"),
        (["show", "--model", "json:loads", "--batch", "2"], "--batch is for the models that are built in"),
        (["show", "--model", "go-9x8"], "a board of 2x2 to 19x19"),
        (
            ["show", "--model", "json:nothing"],
            "--model json:nothing: AttributeError: module 'json' has no attribute 'nothing'",
        ),
        (["study", "nowhere"], "nowhere: no graph files"),
    ],
)
def test_bad_input_is_one_line_and_status_2(args: list[str], message: str, tmp_path: Path) -> None:
    more = ["--out", str(tmp_path / "run")] if args[0] == "optimise" else []
    done = run(*args, *more)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("alphago: ") and done.stderr.count("\n") == 1
    assert message in done.stderr


def test_a_newcomer_s_run_writes_what_it_promises(tmp_path: Path) -> None:
    """The example that ships: placement, picture and table; then the same folder is refused, and --resume is done at once."""
    folder = tmp_path / "run"
    args = ["optimise", "--budget", "1500", "--episodes", "64", "--out", str(folder), "--no-tensorboard"]
    done = run(*args)
    assert done.returncode == 0, done.stderr
    assert "REINFORCE" in done.stdout and "HEFT" in done.stdout and "bound" in done.stdout
    placement = json.loads((folder / "placement.json").read_text())
    assert sum(len(names) for names in placement["devices"].values()) == 63
    values = json.loads((folder / "comparison.json").read_text())
    assert values["placements"] >= 1500 and values["bound_ms"] <= values["ms"]
    assert (folder / "timeline.png").read_bytes().startswith(b"\x89PNG")
    again = run(*args)
    assert again.returncode == 2 and "holds a run already" in again.stderr
    resumed = run(*args, "--resume", "--json", "--no-baselines")
    assert resumed.returncode == 0
    found: dict[str, Any] = json.loads(resumed.stdout)
    assert found["ms"] == values["ms"] and found["placements"] == values["placements"]
    assert ("times as fast" in found["verdict"]) or ("one device" in found["verdict"])


@pytest.mark.slow
def test_a_run_killed_goes_on_to_the_identical_end(tmp_path: Path) -> None:
    """kill -9 in the middle; the same command with --resume ends where an undisturbed run ends."""
    common = ["--budget", "3000", "--episodes", "32", "--no-tensorboard", "--no-baselines", "--json"]
    config = tmp_path / "often.yaml"
    text = (ROOT / "configs" / "place.yaml").read_text(encoding="utf-8")
    config.write_text(text.replace("checkpoint_minutes: 0.5", "checkpoint_minutes: 0.001"), encoding="utf-8")
    common += ["--config", str(config)]
    whole = json.loads(run("optimise", *common, "--out", str(tmp_path / "whole")).stdout)
    folder = tmp_path / "killed"
    command = [sys.executable, "-m", "alphago.cli", "place", "optimise", *common, "--out", str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=ROOT)
    until = time.monotonic() + 300
    while not list(folder.glob("round-*/checkpoints/step-*")) and time.monotonic() < until and process.poll() is None:
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    resumed = json.loads(run("optimise", *common, "--out", str(folder), "--resume").stdout)
    assert (resumed["ms"], resumed["steps"], resumed["placements"]) == (
        whole["ms"],
        whole["steps"],
        whole["placements"],
    )


def test_show_and_compare(tmp_path: Path) -> None:
    out = tmp_path / "problem.json"
    shown = run("show", "--objective", "throughput", "--out", str(out))
    assert shown.returncode == 0 and "63 operations" in shown.stdout and "critical path" in shown.stdout
    compared = run("compare", "--model", str(out), "--placements", "300", "--json")
    assert compared.returncode == 0, compared.stderr
    rows = {row["method"]: row for row in json.loads(compared.stdout)["rows"]}
    assert rows["contiguous optimum"]["ms"] <= min(rows[name]["ms"] for name in ("fill in order", "random search"))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork processes")
def test_a_model_is_measured_and_placed(tmp_path: Path) -> None:
    """Traced, measured on two devices of this computer, placed, run; on one core where there is no second one."""
    core = f"core{min(os.sched_getaffinity(0))}" if hasattr(os, "sched_getaffinity") else "core0"
    devices = f"{core},{core}"
    done = run("show", "--model", "nmt_tiny", "--devices", devices, "--no-calibrate")
    assert done.returncode == 2 and "two devices are called" in done.stderr
    done = run("optimise", "--model", "nmt_tiny", "--devices", core, "--budget", "200", "--episodes", "16", "--no-calibrate",
               "--no-tensorboard", "--no-baselines", "--measure", "--json", "--out", str(tmp_path / "run"))  # fmt: skip
    assert done.returncode == 0, done.stderr
    values = json.loads(done.stdout)
    names = [row["name"] for row in values["measured"]]
    assert "REINFORCE" in names and any(name.startswith("one process") for name in names)
    assert "leave it on one device" in values["verdict"]


def test_a_study_goes_on_where_it_was(tmp_path: Path) -> None:
    graphs = tmp_path / "graphs"
    graphs.mkdir()
    source = ROOT / "alphago" / "controller" / "placement" / "data" / "example.json"
    (graphs / "example.json").write_text(source.read_text(encoding="utf-8"), encoding="utf-8")
    args = [
        "study",
        str(graphs),
        "--budget",
        "600",
        "--placements",
        "500",
        "--bound",
        "0",
        "--out",
        str(tmp_path / "out"),
    ]
    graph, machine = read_graph(source)
    write_problem(graphs / "kept.json", Problem(graph, machine, "throughput", grouped(graph, "chains")))
    done = run(*args, "--json")
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)["graphs"]
    assert [row["graph"] for row in rows] == ["graphs/example", "graphs/kept"] and rows[0]["groups"] > rows[1]["groups"]
    for row in rows:
        assert row["bound_ms"] <= row["ms"] and row["placements"] >= 600
        assert set(row["placements_to_within_5_percent"]) == {"REINFORCE", "simulated annealing", "random search"}
    again = run(*args)
    assert again.returncode == 0 and "graphs/example" in again.stdout.replace("\n", "")
    other = run(*args, "--budget", "700")
    assert other.returncode == 2 and "a result of other options (budget was '600', not '700')" in other.stderr
    other = run(*args, "--bound", "1")
    assert other.returncode == 2 and "(bound was 0.0, not 1.0)" in other.stderr


# --- what is said of measurements -------------------------------------------------------------------------------------------


def test_files_of_one_name_are_told_apart() -> None:
    """Every run writes a placement.json: two of them are two rows."""
    one, other = Path("runs/a/placement.json"), Path("runs/b/placement.json")
    assert names_of([one]) == {"placement": one} and names_of([]) == {}
    assert names_of([one, other]) == {"runs/a/placement.json": one, "runs/b/placement.json": other}
    assert names_of([one, Path("best.json")]) == {"placement": one, "best": Path("best.json")}


def test_the_verdict_keeps_to_the_intervals() -> None:
    def row(name: str, ms: float, half: float) -> Measured:
        return Measured(name, ms, ms - half, ms + half, np.array([ms]))

    threads = row("one process, 2 threads", 7.0, 0.1)
    for ours, alone, wanted in (
        (row("RL", 5.0, 1.0), row("core0", 10.0, 1.0), "2.00 times as fast"),
        (row("RL", 9.0, 1.0), row("core0", 10.0, 1.0), "no difference is shown"),
        (row("RL", 11.0, 0.1), row("core0", 10.0, 0.1), "leave it on one device"),
    ):
        text = measured_verdict([ours, alone, threads], "RL", "core0")
        assert wanted in text and ("which is faster than the placement" in text) == (ours.ms > 7)
    fast = row("RL", 5.0, 1.0)
    assert "core0 does not fit in memory" in measured_verdict([fast, threads], "RL", "core0")
    assert measured_verdict([threads], "RL", "core0") == "measured: RL does not fit in memory"
