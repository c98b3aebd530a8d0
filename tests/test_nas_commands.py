"""`alphago nas` as a user meets it: searches, their files, kills and resumes, one line for a mistake, studies, exports."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from alphago.cli import main
from alphago.controller.nas.children import ChildError, load_child, save_child
from alphago.controller.nas.comparison import (
    ROWS,
    ComparisonError,
    Outcome,
    outcome_of,
    rows_named,
    verdict,
)
from alphago.controller.nas.conv_study import RANDOM, REINFORCE, Examined, differences
from alphago.controller.nas.convolutional import Child, child_parameters, hand_made
from alphago.controller.nas.nasbench201 import (
    CELLS,
    JUDGED,
    LATENCY,
    Table,
    load_table,
    save_table,
    synthetic_table,
)
from alphago.controller.nas.workers import WorkersError, worker_pool
from alphago.nets.store import load_network
from conftest import ROOT

Told = tuple[int, str, str]


@pytest.fixture
def alphago(capsys: pytest.CaptureFixture[str]) -> Any:
    """Runs a command line in this process: exit status, stdout, stderr."""

    def run(*arguments: object) -> Told:
        threads = torch.get_num_threads()
        try:
            with pytest.raises(SystemExit) as ended:
                main([*map(str, arguments)])
        finally:
            torch.set_num_threads(threads)
        found = capsys.readouterr()
        return int(ended.value.code or 0), found.out, found.err

    return run


# --- searches -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("strategy", ["reinforce", "evolution", "random"])
def test_a_search_without_a_download(alphago: Any, tmp_path: Path, strategy: str) -> None:
    out = tmp_path / "run"
    arguments = ["nas", "search", "--strategy", strategy, "--budget", "2500s", "--latency-limit", "9ms", "--out", out]
    status, printed, told = alphago(*arguments, "--json")
    assert status == 0, told
    result = json.loads(printed)
    table = synthetic_table()
    best = result["best"]
    assert best["latency_ms"] <= 9 and best["described"].keys() == set(JUDGED) and result["seconds"] >= 2500
    assert result["search"]["table"] == table.name and result["search"]["table_hash"] == table.digest
    assert json.loads((out / "result.json").read_text()) == {
        key: value for key, value in result.items() if key != "out"
    }
    assert len((out / "measured.jsonl").read_text().splitlines()) == result["measured"]
    assert (out / "pareto.png").read_bytes().startswith(b"\x89PNG") and list((out / "tensorboard").iterdir())
    front = [(row["latency_ms"], row["value"]) for row in result["front"]]
    assert front == sorted(front) and all(row["latency_ms"] <= 9 for row in result["front"])
    assert "best " in told
    again = alphago(*arguments)
    assert again[0] == 2 and again[2].count("\n") == 1 and "add --resume" in again[2]
    status, printed, told = alphago(*arguments, "--resume", "--json")
    assert status == 0 and json.loads(printed) == result and f"going on after {result['measured']} measure" in told
    journal = (out / "measured.jsonl").read_text()
    more = alphago("nas", "search", "--strategy", strategy, "--budget", "3500s", *arguments[6:], "--resume", "--json")
    grown = json.loads(more[1])
    assert grown["measured"] > result["measured"]  # the same search goes on with what it is given
    assert (out / "measured.jsonl").read_text().startswith(journal)
    other = alphago(*arguments, "--resume", "--seed", "5")
    assert other[0] == 2 and "holds a run with other settings: seed is 0, not 5" in other[2]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--space", "nasbench"], "unknown space 'nasbench' (did you mean nasbench201?)"),
        (["--strategy", "luck"], "--strategy: input should be 'reinforce', 'evolution', 'random' or 'tpe', got 'luck'"),
        (["--controller", "gru"], "--controller: input should be 'factorised' or 'lstm', got 'gru'"),
        (["--budget", "soon"], "a budget is seconds such as 12000s"),
        (["--latency-limit", "8"], "a number with a unit"),
        (["--latency-limit", "hand"], "--latency-limit hand: no hand-made network was measured on this machine"),
        (
            ["--latency-limit", "1ms"],
            "no cell of the synthetic table keeps a limit of 1 ms: by latency_ms the fastest takes",
        ),
        (["--table", "nowhere.csv"], "nowhere.csv: No such file"),
        (["--latency", "latency_ms_phone"], "no column 'latency_ms_phone' of latencies; there are latency_ms"),
        (["--space", "conv", "--table", "x.csv"], "--table: is of the space nasbench201, not of conv"),
        (["--space", "go"], "the space go needs --proxies FOLDER: first alphago nas anchors"),
        (["--space", "go", "--proxies", "nowhere"], "nowhere: no judged proxies in it"),
        (["--workers", "9999"], "worker processes must be 1 to 256, got 9999"),
        (["--workers", "2"], "--workers: a batch of 1 has no work for 2 processes: add --batch 2"),
        (["--layers", "3"], "--layers: is of the space conv, not of nasbench201"),
        (["--space", "go", "--epochs", "3"], "--epochs: is of the space conv, not of go"),
        (["--device", "cpu"], "--device: is of the space go, not of nasbench201"),
        (["--space", "go", "--device", "gpu"], "--device: auto, cpu, cuda or cuda:N, got 'gpu'"),
        (["--space", "go", "--device", "cuda:99"], "--device: there is no cuda:99: CUDA devices here: "),
        (["--strategy", "random", "--controller", "lstm"], "--controller: is of the strategy reinforce, not of random"),
        (["--timeout", "90"], "--timeout: a time with its unit such as 90s, 30m, 2h, got '90'"),
    ],
)
def test_mistakes_are_one_line(alphago: Any, tmp_path: Path, arguments: list[str], message: str) -> None:
    status, printed, told = alphago("nas", "search", "--out", tmp_path / "run", *arguments)
    assert (status, printed) == (2, "") and told.count("\n") == 1, told
    assert told.startswith("alphago: ") and message in told.replace("Invalid value for ", "")
    assert not (tmp_path / "run").exists()


def test_a_table_with_missing_rows(alphago: Any, tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    status, printed, _ = alphago("nas", "table", "--out", path)
    assert status == 0 and "15,625 made-up cells" in printed
    assert load_table(path).columns.keys() == synthetic_table().columns.keys()
    assert load_table(path).is_synthetic
    status, printed, told = alphago("nas", "study", "--table", path, "--row", "random", "--runs", 2)
    assert status == 0 and "as published" not in printed  # no verdict: a file of it says what it is
    assert f"{path.name}: made by rule, nothing is measured" in told
    assert alphago("nas", "table", "--out", path)[0] == 2
    lines = path.read_text().splitlines()
    path.write_text("\n".join(lines[:-3]) + "\n")
    status, _, told = alphago("nas", "search", "--table", path, "--out", tmp_path / "run")
    assert status == 2 and f"{path}: 3 of {CELLS:,} cells are missing, such as |avg_pool_3x3~0|" in told


def test_a_killed_search_comes_to_the_same_end(alphago: Any, tmp_path: Path) -> None:
    """kill -9 in the middle of a search whose children are trained by two processes: they end too, and --resume ends it."""
    pytest.importorskip("sklearn", reason="scikit-learn ships the images")
    small = ["--space", "conv", "--layers", 2, "--epochs", 1, "--budget", 12, "--no-tensorboard"]
    status, printed, told = alphago("nas", "search", *small, "--out", tmp_path / "whole", "--json")
    assert status == 0, told
    whole = json.loads(printed)
    out = tmp_path / "killed"
    command = [
        sys.executable,
        "-m",
        "alphago.cli",
        "nas",
        "search",
        *map(str, small),
        "--out",
        str(out),
        "--workers",
        "2",
    ]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL, start_new_session=True)
    journal = out / "measured.jsonl"
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline and process.poll() is None:
        if journal.exists() and len(journal.read_bytes().splitlines()) >= 3:
            break
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait(30)
    assert process.returncode == -signal.SIGKILL
    deadline = time.monotonic() + 120
    while _group_lives(process.pid) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not _group_lives(process.pid), "workers outlived their parent"
    kept = len(journal.read_bytes().splitlines())
    assert 3 <= kept < 12
    status, printed, told = alphago("nas", "search", *small, "--out", out, "--resume", "--json")
    assert status == 0 and "going on after" in told
    resumed = json.loads(printed)
    for name in ("choices", "key", "value", "number"):
        assert resumed["best"][name] == whole["best"][name]
    lines = [
        [json.loads(line) for line in (folder / "measured.jsonl").read_text().splitlines()]
        for folder in (tmp_path / "whole", out)
    ]
    assert [(row["key"], row["measured"]["value"]) for row in lines[0]] == [
        (row["key"], row["measured"]["value"]) for row in lines[1]
    ]

    status, printed, told = alphago("nas", "export", out, "--epochs", 2, "--json")
    assert status == 0, told
    row = json.loads(printed)
    child, header = load_child(Path(row["network"]))
    assert (
        header["layers"] == resumed["best"]["architecture"] and header["provenance"]["test_error"] == row["test_error"]
    )
    assert child(torch.zeros(3, 1, 8, 8)).shape == (3, 10)


def _group_lives(group: int) -> bool:
    """Whether any process of a group is there and no zombie."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if fields[2] == str(group) and fields[0] != "Z":
                return True
    return False


def test_interrupted_workers_give_up() -> None:
    with pytest.raises(WorkersError, match="got 0"), worker_pool(0):
        pass
    with worker_pool(1) as pool:
        assert pool is None

    def interrupted() -> None:
        with worker_pool(2) as pool:
            assert pool is not None and pool.submit(os.getpid).result() != os.getpid()
            pool.submit(time.sleep, 600)
            raise KeyboardInterrupt

    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert time.monotonic() - started < 300


@pytest.mark.parametrize("command", ["anchors", "supernet", "proxies"])
def test_a_device_that_is_not_there_begins_nothing(alphago: Any, tmp_path: Path, command: str) -> None:
    status, _, told = alphago("nas", command, "--out", tmp_path / "run", "--device", "tpu")
    assert status == 2 and "auto, cpu, cuda or cuda:N, got 'tpu'" in told and told.count("\n") == 1
    assert not (tmp_path / "run").exists()


def test_a_limit_that_no_child_keeps_begins_nothing(alphago: Any, tmp_path: Path) -> None:
    pytest.importorskip("sklearn", reason="scikit-learn ships the images")
    status, _, told = alphago(
        "nas", "search", "--space", "conv", "--latency-limit", "0.01us", "--out", tmp_path / "run"
    )
    assert status == 2 and "no child keeps a limit of 1e-05 ms: the smallest of 4 layers takes" in told
    assert told.count("\n") == 1 and not (tmp_path / "run").exists()


def result_in(folder: Path, space: str, architecture: Any, **more: Any) -> Path:
    """A search's result, as `alphago nas export` reads it."""
    folder.mkdir(parents=True, exist_ok=True)
    best = {"architecture": architecture, "value": 1.0, "key": "k"}
    (folder / "result.json").write_text(json.dumps({"format": 1, "search": {"space": space, **more}, "best": best}))
    return folder


def test_exports_that_cannot_be(alphago: Any, tmp_path: Path) -> None:
    """Told before anything is trained: options of another space, a file that is there, a result that names no network."""
    from alphago.controller.go.settings import GoNasSettings

    layers = [{"filters": 4, "kernel": 3, "inputs": []}]
    child, go = result_in(tmp_path / "child", "conv", layers), result_in(tmp_path / "go", "go", {"blocks": 2})
    (tmp_path / "there").write_text("mine")
    settings = GoNasSettings().model_dump(mode="json")
    for arguments, message in (
        ([child, "--steps", 3], "--steps: is of the space go, not of conv"),
        ([child, "--device", "cpu"], "--device: is of the space go, not of conv"),
        ([child, "--config", "net-9x9"], "--config: is of the space go, not of conv"),
        ([child, "--resume"], "--resume: is of the space go, not of conv"),
        ([go, "--epochs", 3], "--epochs: is of the space conv, not of go"),
        ([go, "--force"], "--force: is of the space conv, not of go"),
        ([go, "--device", "tpu"], "auto, cpu, cuda or cuda:N, got 'tpu'"),
        ([go], "the result names no network of Go"),
        ([child, "--out", tmp_path / "there"], "there exists already; --force overwrites it"),
        ([child, "--out", tmp_path / "go"], "go is a folder, expected a file"),
        ([result_in(tmp_path / "none", "conv", None)], "the result names no child of the space conv"),
        ([result_in(tmp_path / "null", "go", None, settings=settings)], "the result names no network of Go"),
    ):
        status, _, told = alphago("nas", "export", *arguments)
        assert status == 2 and message in told.replace("Invalid value for ", "") and told.count("\n") == 1, told
    assert (tmp_path / "there").read_text() == "mine"


def test_the_network_that_was_found_is_the_one_that_is_trained(
    alphago: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A configuration says how it learns; what the search left as it was does not come from the configuration's network."""
    from alphago.controller.go.settings import GoNasSettings
    from alphago.nets.architecture import Residual

    hand = Residual(blocks=3, channels=16, feature_set="zero17", squeeze=4)
    searched = GoNasSettings.model_validate({"full": {"network": hand.model_dump()}})
    found = result_in(
        tmp_path, "go", {"blocks": 2, "channels": 8, "pool_every": 3}, settings=searched.model_dump(mode="json")
    )
    seen: list[Any] = []

    class Task:
        def __init__(self) -> None:
            self.notes: dict[str, Any] = {}
            self.provenance = {"made_by": "somebody"}

    def prepared(settings: Any, *_: Any, **__: Any) -> Task:
        seen.append(settings)
        return Task()

    monkeypatch.setattr("alphago.train.supervised.prepare", prepared)
    monkeypatch.setattr(
        "alphago.commands.train.train_network", lambda prepare, *_: seen.append(prepare(None, None).provenance)
    )
    status, _, told = alphago("nas", "export", found, "--config", "net-9x9")
    assert status == 0, told
    wanted = hand.model_copy(update={"blocks": 2, "channels": 8, "pool_every": 0})  # two blocks have no third
    assert seen[0].network == wanted and seen[0].training.steps > 3000
    assert seen[1] == {"made_by": "alphago nas export"}


def test_files_that_are_no_children(tmp_path: Path) -> None:
    layers = [{"filters": 4, "kernel": 3, "inputs": []}]
    path = tmp_path / "child.safetensors"
    save_child(path, Child(layers), layers, {})
    load_child(path)
    save_child(path, Child(layers), [{"filters": 8, "kernel": 3, "inputs": []}], {})
    with pytest.raises(ChildError, match="do not fit its layers"):
        load_child(path)
    path.write_bytes(b"nothing")
    with pytest.raises(ChildError, match="no trained child"):
        load_child(path)
    with pytest.raises(ChildError, match="no such file"):
        load_child(tmp_path / "nowhere")


# --- studies --------------------------------------------------------------------------------------------------------------


def test_the_comparison_is_one_command(alphago: Any, tmp_path: Path) -> None:
    out = tmp_path / "rows.json"
    rows = ["--row", "random", "--row", "tuned", "--row", "lstm"]
    arguments = ["nas", "study", *rows, "--runs", 4, "--budget", "1500s", "--out", out]
    arguments += ["--plot", tmp_path / "plots" / "study.png"]
    status, printed, told = alphago(*arguments)
    assert status == 0 and "tuned" in printed and "made by rule, nothing is measured" in told
    found = json.loads(out.read_text())
    assert (tmp_path / "plots" / "study.png").read_bytes().startswith(b"\x89PNG")
    assert [row["row"] for row in found["rows"]] == ["random", "tuned", "lstm"] and found[
        "table"
    ] == "the synthetic table"
    assert all(len(row["means"]) == 3 and row["verdict"] == "" and row["runs"] == 4 for row in found["rows"])
    status, _, told = alphago("nas", "study", "--runs", 2, "--budget", "1s")
    assert status == 0 and "without limit-8, limit-11, limit-14: the synthetic table has no column" in told
    again = json.loads(alphago(*arguments, "--json")[1])
    assert [row["means"] for row in again["rows"]] == [row["means"] for row in found["rows"]]
    for wrong, message in (
        (["--row", "tune"], "no row 'tune' (did you mean tuned?)"),
        (["--row", "limit-8"], "no column latency_ms_gold_6226"),
        (["--budget", "50"], "simulated seconds such as 12000s"),
    ):
        status, _, told = alphago("nas", "study", *wrong)
        assert status == 2 and message in told


def test_every_row_of_the_comparison_runs(alphago: Any, tmp_path: Path) -> None:
    """On a table with the latencies that the rows with a limit need."""
    table = synthetic_table()
    path = tmp_path / "table.csv.gz"
    save_table(path, Table("latencies", {**table.columns, LATENCY: table["latency_ms"]}))
    arguments = ["nas", "study", "--table", path, "--runs", 3, "--budget", "1500s", "--json"]
    status, printed, told = alphago(*arguments)
    assert status == 0, told
    found = {row["row"]: row for row in json.loads(printed)["rows"]}
    assert list(found) == [row.name for row in ROWS]
    assert all(row["violations"] == 0 and row["evaluations"] > 5 for row in found.values())
    for name in ("limit-8", "limit-11", "limit-14"):
        assert len(found[name]["means"]) == 1 and found[name]["limit_ms"] == float(name.partition("-")[2])
    status, _, told = alphago(*arguments, "--row", "limit-8", "--plot", tmp_path / "plot.png")
    assert status == 2 and "rows with a limit have no curve" in told and not (tmp_path / "plot.png").exists()


def outcome(name: str, means: tuple[float, ...], deviation: float = 1.0, violations: int = 0) -> Outcome:
    (row,) = rows_named([name])
    return Outcome(row, 400, means, (deviation,) * len(means), 97.0, violations, 1.0)


def test_verdicts() -> None:
    def said(one: Outcome, *others: Outcome) -> str:
        return verdict(one, {other.row.name: other for other in others})

    assert said(outcome("random", (93.60, 71.30, 44.30))) == "as published"
    assert said(outcome("random", (93.50, 71.04, 44.57))) == "not as published"
    assert said(outcome("tuned", (93.95, 72.0, 45.5))) == "must reached"
    assert said(outcome("tuned", (94.06, 72.3, 45.7))) == "must and aim reached"
    assert said(outcome("tuned", (94.06, 71.8, 45.7))) == "must missed"
    assert said(outcome("limit-8", (68.1,))) == "must and aim reached"
    assert said(outcome("limit-8", (68.1,), violations=1)) == "1 violations"
    tuned = outcome("tuned", (94.0, 72.0, 45.5))
    half = 1.96 * (2 / 400) ** 0.5  # of the difference's interval
    assert said(outcome("lstm", (94.0, 72.0 - half / 2, 45.5)), tuned).startswith("not worse than tuned: +0.00 +-0.14")
    assert said(outcome("lstm", (94.0, 72.0 - 2 * half, 45.5)), tuned).startswith("worse than tuned")
    assert said(outcome("lstm", (94.2, 72.3, 45.7)), tuned).startswith("better than tuned: +0.20")
    assert said(outcome("lstm", (94.2, 72.3, 45.7))) == ""
    with pytest.raises(ComparisonError, match="no row 'x'"):
        rows_named(["x"])
    assert rows_named([]) == list(ROWS)


def test_a_row_without_answers_is_a_violation() -> None:
    import numpy as np

    from alphago.controller.nas.study import Found

    table = synthetic_table()
    (row,) = rows_named(["random"])
    found = Found(np.array([3, -1, 5]), np.array([10, 10, 10]))
    one = outcome_of(row, table, found, 1.0)
    assert one.violations == one.unanswered == 1
    assert one.errors == tuple(1.96 * deviation / 2**0.5 for deviation in one.deviations)  # of the two that answered


def test_the_study_of_children_is_one_command(alphago: Any, tmp_path: Path) -> None:
    pytest.importorskip("sklearn", reason="scikit-learn ships the images")
    out = tmp_path / "study"
    small = ["--layers", 2, "--epochs", 1, "--children", 4, "--trainings", 2, "--seeds", 2, "--out", out]
    status, printed, told = alphago("nas", "study-conv", *small)
    assert status == 0, told
    assert "hand-made" in printed and "below random:" in printed and "Student's 95 % of 2 seeds" in printed
    found = json.loads((out / "tested.json").read_text())
    gain = found["gains"]["random"]
    assert gain["half_95"] == pytest.approx(12.7062 * gain["error"], rel=1e-4)  # one degree of freedom
    assert len(found["rows"]) == 6 and all(len(row["errors"]) == 2 for row in found["rows"])
    (out / "hand-made-1" / "tested.json").unlink()  # what is missing is made anew, by workers as without them
    plot = tmp_path / "plots" / "study.png"
    status, printed, told = alphago("nas", "study-conv", *small, "--json", "--workers", 2, "--plot", plot)
    assert plot.read_bytes().startswith(b"\x89PNG")
    assert status == 0 and json.loads(printed)["rows"] == found["rows"]
    status, _, told = alphago("nas", "study-conv", *small, "--epochs", 2)
    assert status == 2 and "holds a run with other settings: epochs is 1, not 2" in told


def test_what_the_study_compares() -> None:
    layers = hand_made(5000)
    assert abs(child_parameters(layers) - 5000) < 1000 and [layer["inputs"] for layer in layers] == [[], [0], [1], [2]]

    def one(name: str, seed: int, error: float) -> Examined:
        return Examined(name, seed, 1, (error - 0.01, error + 0.01), [])

    found = [one(REINFORCE, 0, 0.02), one(REINFORCE, 1, 0.03), one(RANDOM, 1, 0.05), one(RANDOM, 0, 0.03)]
    mean, error = differences(found, RANDOM)
    assert mean == pytest.approx(0.015) and error == pytest.approx(0.005)


# --- Go -------------------------------------------------------------------------------------------------------------------

GO: dict[str, Any] = {
    "full": {
        "data": {"stores": ["default"], "sizes": [9], "limit": 30, "measured": 100, "held_out": 0.2},
        "network": {"kind": "residual", "blocks": 1, "channels": 8, "feature_set": "zero17", "head_channels": 4},
        "training": {"batch": 8, "steps": 4, "precision": "fp32", "average": 0.0},
    },
    "short_steps": 4,
    "most_mflop": 3,
    "options": {"blocks": [1, 2], "channels": [4, 8], "block": ["plain", "nested"], "head_channels": [4, 8]},
    "latency": {"batch": 1, "repeats": 5, "runtime": "torch", "precision": "fp32"},
    "anchors": {"count": 6, "games": 2, "neighbours": 1, "simulations": 2, "doubling": 6, "doubling_games": 2},
    "supernet": {"steps": 3, "recalibration": 1},
}


@pytest.mark.slow
def test_from_anchors_to_a_network_by_commands(alphago: Any, tmp_path: Path) -> None:
    """anchors, supernet, proxies, search, export: each in miniature; the network that comes out plays."""
    config = tmp_path / "go.yaml"
    config.write_text(yaml.safe_dump(GO))
    anchors, supernet, proxies = tmp_path / "anchors", tmp_path / "supernet", tmp_path / "proxies"
    quiet = ["--threads", 1, "--no-tensorboard"]
    status, printed, told = alphago("nas", "anchors", "--config", config, "--out", anchors, "--train-only", *quiet)
    assert status == 0 and "6 networks are trained" in printed, told
    status, printed, told = alphago(
        "nas", "anchors", "--config", config, "--out", anchors, "--resume", "--parallel", 1, *quiet
    )
    assert status == 0 and "a doubling of visits:" in printed and "hand" in printed, told
    status, _, told = alphago("nas", "anchors", "--config", config, "--out", anchors, *quiet)
    assert status == 2 and "add --resume" in told
    assert alphago("nas", "supernet", "--config", config, "--out", supernet, *quiet)[0] == 0
    arguments = ["nas", "proxies", "--anchors", anchors, "--out", proxies, "--supernet", supernet, "--threads", 1]
    status, printed, told = alphago(*arguments)
    assert status == 0 and "refused" in printed and (proxies / "proxies.png").exists(), told
    again = json.loads(alphago(*arguments, "--resume", "--json")[1])
    assert len(again["proxies"]) == 5 and all("12 are needed" in row["refusal"] for row in again["proxies"])
    search = [
        "nas",
        "search",
        "--space",
        "go",
        "--proxies",
        proxies,
        "--budget",
        3,
        "--out",
        tmp_path / "search",
        "--no-tensorboard",
    ]
    status, _, told = alphago(*search)
    assert status == 2 and "no proxy may be searched by" in told and told.count("\n") == 1
    values = json.loads((proxies / "proxies.json").read_text())
    for row in values["proxies"]:  # as if there had been twelve anchors that are ranked well
        row |= {"networks": 12, "tau": 0.8}
    (proxies / "proxies.json").write_text(json.dumps(values))
    met = json.loads((anchors / "anchors.json").read_text())
    (anchors / "anchors.json").write_text(json.dumps(met | {"kappa": met["kappa"] | {"elo": 80.0, "low": 40.0}}))
    status, printed, told = alphago(*search, "--proxy", "multiply-adds", "--latency-limit", "hand", "--json")
    assert status == 0, told
    result = json.loads(printed)
    hand = json.loads((anchors / "anchors.json").read_text())["reference_ms"]
    assert result["measured"] == 3 and result["search"]["limit_ms"] == hand
    assert result["best"]["described"]["hand_made_latency_ms"] == hand >= result["best"]["latency_ms"]
    status, printed, told = alphago("nas", "export", tmp_path / "search", "--steps", 4, "--json", *quiet)
    assert status == 0, told
    network, header = load_network(json.loads(printed)["network"])
    wanted = result["best"]["architecture"]
    assert {name: getattr(network.architecture, name) for name in wanted} == wanted
    assert header["provenance"]["nas"]["proxy"] == "multiply-adds"
    file = tmp_path / "search" / "network" / "network.safetensors"
    status, printed, told = alphago(
        "match",
        f"a={file}@max:simulations=2",
        f"b={file}@max:simulations=2",
        "--games",
        2,
        "--parallel",
        1,
        "--out",
        tmp_path / "match",
        "--json",
    )
    assert status == 0, told


def test_cells_cannot_be_exported(alphago: Any, tmp_path: Path) -> None:
    out = tmp_path / "run"
    assert alphago("nas", "search", "--budget", 5, "--out", out, "--no-tensorboard")[0] == 0
    status, _, told = alphago("nas", "export", out)
    assert status == 2 and "a cell of NAS-Bench-201 has no network here" in told
    status, _, told = alphago("nas", "export", tmp_path)
    assert status == 2 and "no finished search in it (expected result.json)" in told
    (out / "result.json").write_text("[]")
    status, _, told = alphago("nas", "export", out)
    assert status == 2 and "no result of a search of format 1" in told
