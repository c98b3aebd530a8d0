"""A run of `alphago place` without its process: its folder, what it may go on with, and the files of a study."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from alphago.commands.place_problem import Asked, built
from alphago.commands.place_run import PROBLEM, budget_of, default_folder, manifest_of, settings_of, task_of
from alphago.commands.place_study import graph_files, names_of
from alphago.controller.placement.example import example_path
from alphago.controller.placement.executor import core_names
from alphago.controller.placement.gantt import plot_timeline
from alphago.controller.placement.graph import PlacementError
from alphago.controller.placement.problem import Problem
from alphago.controller.placement.search import Budget, Search, SearchSettings
from alphago.controller.placement.stored import write_problem
from alphago.train.optim import TrainingError
from placement_helpers import chain, machine

MODEL = """
import torch
def make():
    return torch.nn.Sequential({layers}), (torch.ones(1, 3),)
"""


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Asked:
    """A model of the user's own, on one core, without the links."""
    monkeypatch.syspath_prepend(str(tmp_path))
    written(tmp_path, "torch.nn.Linear(3, 3), torch.nn.ReLU()")
    return Asked("model_of_the_user:make", devices=core_names(1)[0], calibrate=False)


def written(folder: Path, layers: str) -> None:
    sys.modules.pop("model_of_the_user", None)
    (folder / "model_of_the_user.py").write_text(MODEL.format(layers=layers), encoding="utf-8")


def begun(asked: Asked, folder: Path, resume: bool) -> Search:
    """As `optimise` begins."""
    task = task_of(asked, folder, resume)
    manifest = manifest_of(asked, task.problem, "simulated")
    found = Search(task.problem, SearchSettings(), Budget(rounds=1), folder=folder, resume=resume, manifest=manifest)
    if not (folder / PROBLEM).exists():
        write_problem(folder / PROBLEM, task.problem)
    return found


def changed(path: Path, **values: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def test_a_model_goes_on_with_the_times_that_it_had(asked: Asked, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    first = begun(asked, folder, False)
    again = begun(asked, folder, True)
    assert again.problem.graph.times["core"].tolist() == first.problem.graph.times["core"].tolist()
    # the file of the times is another one: a search on it would mix two problems
    kept = (folder / PROBLEM).read_text()
    changed(folder / PROBLEM, queue="fifo")
    with pytest.raises(TrainingError, match=r"problem.digest is '[0-9a-f]+', not"):
        begun(asked, folder, True)
    (folder / PROBLEM).write_text(kept)
    # the model's code is another one
    for layers in ("torch.nn.Linear(3, 3), torch.nn.Sigmoid()", "torch.nn.ReLU()"):
        written(tmp_path, layers)
        with pytest.raises(PlacementError, match="make is another model than the run began with: choose another --out"):
            begun(asked, folder, True)


def test_a_run_killed_before_it_had_its_times_begins(asked: Asked, tmp_path: Path) -> None:
    """Between the manifest and the problem; where something was learned already, the run cannot do without."""
    folder = tmp_path / "run"
    begun(asked, folder, False)
    (folder / PROBLEM).unlink()
    begun(asked, folder, True)
    assert (folder / PROBLEM).exists()
    (folder / PROBLEM).unlink()
    (folder / "round-000").mkdir()
    with pytest.raises(PlacementError, match=r"problem.json is missing, without which the run cannot go on"):
        begun(asked, folder, True)


def test_the_folder_says_what_is_optimised(tmp_path: Path) -> None:
    path = tmp_path / "kept.json"
    write_problem(path, Problem(chain([1.0, 2.0]), machine(2), "throughput"))
    assert default_folder(Asked(str(path))) == Path("runs/place-kept-throughput")
    assert default_folder(Asked(str(path), objective="latency")) == Path("runs/place-kept-latency")
    assert default_folder(Asked("example")) == Path("runs/place-example-latency")
    assert default_folder(Asked("some.models:small", objective="throughput")) == Path(
        "runs/place-some.models-small-throughput"
    )


@pytest.mark.parametrize("text", ["0", "0,0", "9" * 40, "²", "", "0s", "-5"])
def test_budgets_that_are_none_are_named(text: str) -> None:
    with pytest.raises(PlacementError, match=r"--budget.*expected a time such as"):
        budget_of(text)


def test_a_module_of_the_working_folder_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As `python -m` finds it: a console script does not have the folder on its path."""
    (tmp_path / "model_of_the_folder.py").write_text(MODEL.format(layers="torch.nn.ReLU()"), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path not in ("", str(tmp_path))])
    module, inputs = built("model_of_the_folder:make", 1)
    assert len(list(module.children())) == 1 and len(inputs) == 1 and "" not in sys.path


def test_budgets() -> None:
    assert budget_of("20,000") == Budget(placements=20_000) and budget_of("1.5m") == Budget(seconds=90.0)


def test_a_picture_appears_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from matplotlib.figure import Figure

    problem, path = Problem(chain([1.0, 2.0]), machine(2)), tmp_path / "timeline.png"
    plot_timeline(problem, np.array([0, 1]), path)
    whole = path.read_bytes()
    assert whole.startswith(b"\x89PNG")

    def half(figure: Any, file: Any, **more: Any) -> None:
        if hasattr(file, "write"):
            file.write(whole[:100])
        else:
            Path(file).write_bytes(whole[:100])
        raise KeyboardInterrupt

    monkeypatch.setattr(Figure, "savefig", half)
    with pytest.raises(KeyboardInterrupt):
        plot_timeline(problem, np.array([1, 1]), path)
    assert path.read_bytes() == whole and list(tmp_path.iterdir()) == [path]


# --- studies ----------------------------------------------------------------------------------------------------------------


def test_graphs_of_one_name_have_results_of_their_own() -> None:
    """The corpus has the same names under latency-inputs and throughput-inputs."""
    one, other = Path("c/latency/Layers/bert.json"), Path("c/throughput/Layers/bert.json")
    third = Path("c/throughput/Layers/resnet.json")
    assert names_of([one, other, third]) == {
        one: "latency/Layers/bert",
        other: "throughput/Layers/bert",
        third: "Layers/resnet",
    }
    assert names_of([one, third]) == {one: "Layers/bert", third: "Layers/resnet"}


def test_a_study_takes_graphs_alone(tmp_path: Path) -> None:
    """Neither experts' splits beside them, nor what a study has written there."""
    out = tmp_path / "results"
    for folder in ("graphs", "human-experts", "results/graphs-example"):
        (tmp_path / folder).mkdir(parents=True)
    graph = tmp_path / "graphs" / "example.json"
    graph.write_text(example_path().read_text(encoding="utf-8"), encoding="utf-8")
    (tmp_path / "human-experts" / "example_expert.json").write_text('{"cpus": [], "fpgas": [{"nodes": [1]}]}')
    (out / "graphs-example" / "result.json").write_text("{}")
    assert graph_files(tmp_path, [], out) == [graph]
    assert graph_files(tmp_path, ["human"], out) == []
    assert graph_files(tmp_path / "graphs", [], tmp_path) == [graph]
    with pytest.raises(PlacementError, match=r"--out .*: the folder of the graphs themselves"):
        graph_files(tmp_path, [], tmp_path)


def test_latency_has_settings_of_its_own() -> None:
    throughput, latency = settings_of(None, "throughput", {}), settings_of(None, "latency", {"seed": 3})
    assert settings_of(None, None, {"seed": 3}) == latency != throughput
    assert latency.seed == 3 and latency.policy.table > throughput.policy.table
    assert settings_of("place", "latency", {}) == throughput
