"""What a search for Go networks stands on, when it has changed since: ratings, games, a supernet, networks that diverge."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from alphago.cli import main
from alphago.controller.go import learning, proxies
from alphago.controller.go.anchors import choose_anchors
from alphago.controller.go.elo import judge
from alphago.controller.go.latency import machine
from alphago.controller.go.learning import Diverged, learn_briefly, positions_of
from alphago.controller.go.networks import architecture_of, canonical, go_space
from alphago.controller.go.objective import GoProblem
from alphago.controller.go.proxies import Chosen, ProxyError, ProxyRun, choose_proxy
from alphago.controller.go.settings import AnchorSettings, GoNasSettings, LatencySettings
from alphago.controller.nas.journal import JOURNAL, only_one
from alphago.controller.nas.objective import Budget
from alphago.controller.nas.runs import SearchSettings, begin_search
from alphago.controller.nas.search import Progress, Search
from alphago.nets.architecture import Residual
from alphago.nets.modules import build
from alphago.nets.shut_inputs import YES_OR_NO
from alphago.train.optim import TrainingError
from alphago.train.supervised import SupervisedSettings, settled_globals

OPTIONS: dict[str, tuple[Any, ...]] = {"blocks": (1, 2, 3), "channels": (4, 8, 12), "pool_every": (0, 2)}


def settings_of() -> GoNasSettings:
    base = Residual(blocks=2, channels=8, feature_set="zero17", head_channels=4, value_hidden=8, pool_every=0)
    full = SupervisedSettings.model_validate(
        {
            "data": {"stores": ["default"], "sizes": [9], "limit": 30, "measured": 100, "held_out": 0.2},
            "network": base.model_dump(),
            "training": {"batch": 8, "steps": 4, "precision": "fp32", "average": 0.0},
        }
    )
    return GoNasSettings(
        full=full,
        short_steps=4,
        most_mflop=3.0,
        options=OPTIONS,
        latency=LatencySettings(batch=1, repeats=5, runtime="torch", precision="fp32"),
        anchors=AnchorSettings(count=12, doubling=6),
    )


@pytest.fixture
def anchors(tmp_path: Path) -> Path:
    """A folder as `alphago nas anchors` leaves it, with ratings that grow with the cost; nothing is trained."""
    torch.set_num_threads(1)
    settings = settings_of()
    rows = [
        {
            "name": anchor.name,
            "architecture": anchor.architecture.model_dump(),
            "hash": f"{number:016x}",
            "mflop": anchor.mflop,
            "elo": 10.0 * number,
            "log_loss": 2.0 - 0.01 * number,
        }
        for number, anchor in enumerate(choose_anchors(settings))
    ]
    elo = np.array([row["elo"] for row in rows])
    folder = tmp_path / "anchors"
    folder.mkdir()
    changed(
        folder,
        format=1,
        settings=settings.model_dump(mode="json"),
        machine=machine(settings.latency),
        reference_ms=1.0,
        kappa={"elo": 80.0, "low": 50.0, "high": 110.0, "pairs": 60},
        full=judge("full", ("x",), (1,), elo[:, None], elo).to_dict(),
        networks=rows,
    )
    return folder


@pytest.fixture
def alphago(capsys: pytest.CaptureFixture[str]) -> Any:
    """Runs a command line in this process: exit status, stdout, stderr."""

    def run(*arguments: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main([*map(str, arguments)])
        found = capsys.readouterr()
        return int(ended.value.code or 0), found.out, found.err

    return run


def changed(folder: Path, **values: Any) -> None:
    file = folder / "anchors.json"
    before = json.loads(file.read_text()) if file.exists() else {}
    file.write_text(json.dumps(before | values))


def judged(folder: Path, anchors: Path, *names: str, **more: Any) -> list[str]:
    run = ProxyRun(folder, anchors, names, resume=folder.exists(), **more)
    assert run.run()
    return [row["name"] for row in run.finish()["proxies"]]


def test_proxies_that_were_judged_before_stay(anchors: Path, tmp_path: Path) -> None:
    folder = tmp_path / "proxies"
    assert judged(folder, anchors, "multiply-adds") == ["multiply-adds"]
    first = choose_proxy(folder, "multiply-adds")
    assert judged(folder, anchors, "parameters") == ["multiply-adds", "parameters"]
    assert choose_proxy(folder, "multiply-adds").digest == first.digest  # a search by it goes on
    with pytest.raises(
        ProxyError, match="the proxy short was not judged; --proxy names another: multiply-adds, parameters"
    ):
        choose_proxy(folder)
    with pytest.raises(ProxyError, match="a supernet is for the proxy shared"):
        ProxyRun(folder, anchors, ["parameters"], supernet=tmp_path, resume=True)
    run = ProxyRun(folder, anchors, ["parameters"], resume=True)
    with only_one(folder, ProxyError), pytest.raises(ProxyError, match="another process is at work in it"):
        run.run()


def test_training_in_short_may_be_of_other_lengths(anchors: Path, tmp_path: Path) -> None:
    """Anchors take an hour, and a proxy that is refused may need more steps: another folder has them."""
    judged(tmp_path / "proxies", anchors, "multiply-adds")
    judged(tmp_path / "longer", anchors, "multiply-adds", short_steps=7)
    usual, longer = (choose_proxy(tmp_path / name, "multiply-adds") for name in ("proxies", "longer"))
    assert usual.settings == usual.anchors.settings and longer.settings.short_steps == 7
    assert GoProblem(longer).settings == longer.settings and longer.digest != usual.digest
    with pytest.raises(TrainingError, match="short_steps is 7"):
        ProxyRun(tmp_path / "longer", anchors, ["multiply-adds"], resume=True)


def test_ratings_that_have_changed_since(anchors: Path, tmp_path: Path) -> None:
    folder = tmp_path / "proxies"
    judged(folder, anchors, "multiply-adds")
    choose_proxy(folder, "multiply-adds")
    rows = json.loads((anchors / "anchors.json").read_text())["networks"]
    changed(anchors, networks=[{**rows[0], "elo": -50.0}, *rows[1:]])
    with pytest.raises(
        ProxyError, match=r"other ratings than those .* was fitted to: run alphago nas proxies --resume"
    ):
        choose_proxy(folder, "multiply-adds")
    judged(folder, anchors, "multiply-adds")
    choose_proxy(folder, "multiply-adds")


def test_games_that_have_changed_since(anchors: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "proxies"
    judged(folder, anchors, "multiply-adds")
    chosen = choose_proxy(folder, "multiply-adds")
    assert chosen.games == positions_of(settings_of()).digest
    learns = dataclasses.replace(chosen, judged=dataclasses.replace(chosen.judged, name="short"))
    learns.check()

    class Others:
        digest = "0" * 16

    monkeypatch.setattr(proxies, "positions_of", lambda settings: Others)
    chosen.check()  # it learns nothing
    with pytest.raises(ProxyError, match="the games of default are others than those that the proxy short was judged"):
        learns.check()
    with pytest.raises(TrainingError, match="holds a run on other games"):
        ProxyRun(folder, anchors, ["multiply-adds"], resume=True)


def test_what_another_supernet_found_is_not_taken_for_this_ones(
    anchors: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, asked = tmp_path / "proxies", []

    def found(name: str, architecture: Residual, *_: Any) -> dict[str, float]:
        asked.append(name)
        return {"log_loss": 1 / architecture.channels, "outcome_mse": 0.5, "log2_depth": 1.0, "log2_parameters": 1.0}

    weights = {"digest": "first"}
    monkeypatch.setattr(proxies, "features_of", found)
    monkeypatch.setattr(proxies, "open_supernet", lambda *_: object())
    monkeypatch.setattr(proxies, "digest_of", lambda folder: weights["digest"])
    assert judged(folder, anchors, "shared", supernet=tmp_path / "net") == ["shared"] and len(asked) == 12
    assert judged(folder, anchors, "shared", supernet=tmp_path / "net") == ["shared"] and len(asked) == 12
    weights["digest"] = "second"
    assert judged(folder, anchors, "shared", supernet=tmp_path / "net") == ["shared"] and len(asked) == 24
    assert judged(folder, anchors, "parameters") == ["shared", "parameters"]
    result = json.loads((folder / "proxies.json").read_text())
    assert result["supernet"] == {"folder": str((tmp_path / "net").resolve()), "digest": "second"}
    for row in result["proxies"]:
        row |= {"tau": 0.8}
    (folder / "proxies.json").write_text(json.dumps(result))
    chosen: Chosen = choose_proxy(folder, "shared")
    chosen.check()
    weights["digest"] = "third"
    with pytest.raises(ProxyError, match="holds another supernet than the one that was judged"):
        chosen.check()


def test_a_search_goes_on_with_the_prices_and_games_that_it_began_with(
    anchors: Path, tmp_path: Path, alphago: Any
) -> None:
    judged(tmp_path / "proxies", anchors, "multiply-adds")
    search = ["nas", "search", "--space", "go", "--proxies", tmp_path / "proxies", "--proxy", "multiply-adds"]
    search += ["--budget", 2, "--out", tmp_path / "search", "--no-tensorboard", "--json"]
    status, printed, told = alphago(*search, "--device", "cpu")
    assert status == 0, told
    about = json.loads(printed)["search"]
    assert about["games"] == positions_of(settings_of()).digest and about["device"] == "cpu"
    assert about["machine"] == machine(settings_of().latency)
    for change, message in (
        ({"kappa": {"elo": 90.0, "low": 50.0}}, "kappa is 80.0, not 90.0"),
        ({"kappa": {"elo": 80.0, "low": 50.0}, "reference_ms": 2.0}, "reference_ms is 1.0, not 2.0"),
    ):
        changed(anchors, **change)
        status, _, told = alphago(*search, "--resume")
        assert status == 2 and message in told and told.count("\n") == 1, told
    (anchors / "anchors.json").unlink()
    status, _, told = alphago(*search, "--resume")
    assert status == 2 and "no finished anchors in it" in told


def test_a_killed_search_for_networks_comes_to_the_same_end(anchors: Path, tmp_path: Path) -> None:
    """By latencies that are measured once: a search is a function of those too."""
    judged(tmp_path / "proxies", anchors, "multiply-adds")

    def made(where: Path) -> Search:
        problem = GoProblem(choose_proxy(tmp_path / "proxies", "multiply-adds"), tmp_path / "whole")
        settings = SearchSettings(batch=2, seed=3)
        return begin_search(
            problem, settings, Budget(evaluations=6), about={"space": "go"}, folder=where, resume=where.exists()
        )

    def found(search: Search) -> list[tuple[str, float]]:
        return [(one.key, one.measured.value) for one in search.progress.tried]

    def kill(progress: Progress) -> None:
        if len(progress.tried) >= 3:
            raise KeyboardInterrupt

    whole = made(tmp_path / "whole")
    assert whole.run() and len(whole.progress.tried) == 6
    with pytest.raises(KeyboardInterrupt):
        made(tmp_path / "killed").run(kill)
    journal = tmp_path / "killed" / JOURNAL
    journal.write_bytes(journal.read_bytes()[:-20])
    again = made(tmp_path / "killed")
    assert 2 <= again.progress.recorded <= 3 and again.run() and found(again) == found(whole)


# --- networks -------------------------------------------------------------------------------------------------------------------


def test_a_network_that_diverges_is_a_failure_of_its_own(
    anchors: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_of()
    wild = settings.full.training.model_copy(
        update={"optimizer": settings.full.training.optimizer.model_copy(update={"lr": 1e30}), "clip": 0.0}
    )
    full = settings.full.model_copy(update={"training": wild})
    with pytest.raises(Diverged, match="after step"):
        learn_briefly(settings.reference, settings.model_copy(update={"full": full}), 4)
    judged(tmp_path / "proxies", anchors, "multiply-adds")
    problem = GoProblem(choose_proxy(tmp_path / "proxies", "multiply-adds"))

    def diverges(*_: Any) -> dict[str, float]:
        raise Diverged("total is nan after step 4")

    monkeypatch.setattr("alphago.controller.go.objective.features_of", diverges)
    with pytest.raises(FloatingPointError, match="total is nan after step 4"):
        problem.measure(problem.space.draw(np.random.default_rng(1)), 0)


def test_short_training_shuts_the_inputs_that_training_in_full_shuts(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = settings_of()
    positions = positions_of(settings)
    assert positions.settled == settled_globals(positions.games, positions.learned, YES_OR_NO) != {}
    shut: list[Any] = []
    monkeypatch.setattr(learning, "shut_inputs", lambda network, constants: shut.append(constants))
    learn_briefly(settings.reference, settings, 4)
    assert shut == [positions.settled]


def test_one_network_is_written_in_one_way() -> None:
    """Pooling every second of one block is none: no two anchors are the same network, nor is any the hand-made one."""
    settings = settings_of()
    one = settings.reference.model_copy(update={"blocks": 1, "pool_every": 2})
    assert canonical(one).pool_every == 0 and canonical(canonical(one)) == canonical(one)
    assert sum(p.numel() for p in build(one).parameters()) == sum(p.numel() for p in build(canonical(one)).parameters())
    assert architecture_of({"blocks": 1, "pool_every": 2}, settings.reference) == canonical(one)
    space = go_space(settings.reference, 9, 3.0, OPTIONS)
    value = {"blocks": 1, "channels": 8, "pool_every": 2}
    choices = [options.index(value[name]) for name, options in OPTIONS.items()]
    assert architecture_of(space.value(choices), settings.reference).pool_every == 0
    names = [canonical(anchor.architecture).model_dump_json() for anchor in choose_anchors(settings)]
    assert len(set(names)) == 12
    odd = settings.full.model_copy(update={"network": settings.reference.model_copy(update={"pool_every": 3})})
    again = [canonical(a.architecture) for a in choose_anchors(settings.model_copy(update={"full": odd}))]
    assert len(set(again)) == 12  # the hand-made one is written in the other way
