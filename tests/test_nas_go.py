"""The search for Go networks in miniature: space, costs, fits, ranks, latencies, shared weights, anchors, proxies, a search."""

from __future__ import annotations

import itertools
import json
import os
import pickle
import re
from pathlib import Path
from typing import Any

import numpy as np
import pydantic
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from alphago.controller.go.anchors import (
    AnchorError,
    begin_anchors,
    choose_anchors,
    doubled,
    finish_anchors,
    kappa_of,
    play_anchors,
    read_anchors,
    train_anchor,
)
from alphago.controller.go.elo import EloError, EloFit, Judged, fit_elo, judge, kendall_tau, partial_tau, tau_interval
from alphago.controller.go.latency import Latencies, LatencyError, median_ms, ratio, timer_of
from alphago.controller.go.learning import FEATURES, learn_briefly, positions_of, short_training
from alphago.controller.go.networks import OPTIONS, architecture_of, depth_of, go_space, multiply_adds_of, smallest
from alphago.controller.go.objective import GoProblem
from alphago.controller.go.proxies import ProxyError, ProxyRun, choose_proxy
from alphago.controller.go.settings import AnchorSettings, GoNasSettings, LatencySettings, SupernetSettings
from alphago.controller.go.supernet import SharedWeights, Supernet
from alphago.controller.nas.objective import Budget, Limit, ObjectiveError
from alphago.controller.nas.runs import SearchSettings, begin_search
from alphago.controller.nas.space import SpaceError
from alphago.data.games import GameDataError
from alphago.nets.architecture import Residual
from alphago.nets.modules import build, multiply_adds
from alphago.train.optim import TrainingError
from alphago.train.supervised import DataSettings, SupervisedSettings

BASE = Residual(blocks=2, channels=8, feature_set="zero17", head_channels=8, value_hidden=16, pool_every=2)
TINY: dict[str, tuple[Any, ...]] = {
    "blocks": (1, 2),
    "channels": (4, 8),
    "block": ("plain", "bottleneck", "nested"),
    "kernel": (3, 5),
    "pool_every": (0, 2),
    "squeeze": (0, 2),
    "head_channels": (4, 8),
}


def tiny(**more: Any) -> GoNasSettings:
    """Networks of a few channels, thirty games, steps of a blink, two games a pairing."""
    full = SupervisedSettings.model_validate(
        {
            "data": {"stores": ["default"], "sizes": [9], "limit": 30, "measured": 150, "held_out": 0.2},
            "network": BASE.model_dump(),
            "training": {"batch": 16, "steps": 8, "precision": "fp32", "average": 0.0, "schedule": {"warmup": 1}},
        }
    )
    values: dict[str, Any] = {
        "full": full,
        "short_steps": 4,
        "most_mflop": 3.0,
        "options": TINY,
        "latency": LatencySettings(batch=2, repeats=5, runtime="torch", precision="fp32"),
        "anchors": AnchorSettings(count=6, games=2, neighbours=1, simulations=2, doubling=6, doubling_games=2),
        "supernet": SupernetSettings(steps=6, recalibration=2),
    }
    return GoNasSettings(**{**values, **more})


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


# --- the space ----------------------------------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**31), st.sampled_from([5, 9]))
def test_costs_are_known_before_a_network_is_built(seed: int, size: int) -> None:
    space = go_space(BASE, size, 20.0)
    architecture = architecture_of(space.value(space.draw(np.random.default_rng(seed))), BASE)
    counted = multiply_adds_of(architecture, size)
    assert counted == multiply_adds(build(architecture), size)
    assert 2e-6 * counted <= 20.0


@pytest.mark.parametrize("kind", ["plain", "bottleneck", "nested"])
def test_depth_counts_the_convolutions_of_a_tower(kind: str) -> None:
    one = BASE.model_copy(update={"block": kind, "blocks": 3, "pool_every": 0, "squeeze": 0})
    network = build(one)
    filters = [name for name, layer in network.named_modules() if isinstance(layer, torch.nn.Conv2d)]
    assert depth_of(one) == sum(name.startswith(("stem", "blocks")) for name in filters)


def test_the_limit_takes_out_what_is_too_dear_and_nothing_else() -> None:
    """Every network of the small space is reached exactly if it is cheap enough."""
    space = go_space(BASE, 9, 0.8, TINY)
    reached, wanted = set(), set()

    def walk(before: tuple[int, ...]) -> None:
        if len(before) == len(space.decisions):
            reached.add(before)
            return
        for option in np.flatnonzero(space.allowed(before)).tolist():
            walk((*before, option))

    walk(())
    for choices in itertools.product(*(range(len(options)) for options in TINY.values())):
        value = {name: TINY[name][choice] for name, choice in zip(TINY, choices, strict=True)}
        if 2e-6 * multiply_adds_of(architecture_of(value, BASE), 9) <= 0.8:
            wanted.add(choices)
    assert reached == wanted and 0 < len(wanted) < 192
    costs = [multiply_adds_of(architecture_of(space.value(choices), BASE), 9) for choices in wanted]
    assert multiply_adds_of(smallest(BASE, 9, TINY), 9) == min(costs)
    with pytest.raises(SpaceError, match=r"no option is left for blocks .* at most 0.001 MFLOP on 9x9"):
        go_space(BASE, 9, 0.001)
    assert set(OPTIONS) <= set(Residual.model_fields)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"options": {"depth": (1,)}}, "options.depth is no decision"),
        ({"anchors": AnchorSettings(count=6, doubling=7)}, "anchors.doubling is at most the count of 6"),
        ({"full": SupervisedSettings(network=BASE, start_from="x")}, "full.start_from"),
        (
            {"full": SupervisedSettings(network=BASE.model_copy(update={"outcome": False}))},
            "needs a policy and an outcome",
        ),
    ],
)
def test_settings_that_cannot_be(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        tiny(**change)


# --- Elo, fits, ranks -----------------------------------------------------------------------------------------------------


def test_tau_is_scipys() -> None:
    scipy_stats = pytest.importorskip("scipy.stats")
    random = np.random.default_rng(1)
    for _ in range(30):
        a, b = random.integers(0, 6, 12).astype(float), random.normal(size=12).round(1)
        assert kendall_tau(a, b) == pytest.approx(scipy_stats.kendalltau(a, b).statistic)
    rising = np.arange(12.0)
    assert kendall_tau(rising, rising**3) == 1 and kendall_tau(rising, -rising) == -1
    assert np.isnan(kendall_tau(rising, np.zeros(12)))
    assert tau_interval(rising, rising) == (1.0, 1.0)
    low, high = tau_interval(rising, random.normal(size=12))
    assert -1 <= low < 0 < high <= 1


def test_what_is_left_of_tau_when_the_cost_is_given() -> None:
    """Kendall's own definition: the phi coefficient of agreement with the third, over all pairs."""
    random = np.random.default_rng(4)
    a, b, cost = random.normal(size=(3, 9))
    agree = [[np.sign(x[i] - x[j]) == np.sign(cost[i] - cost[j]) for i in range(9) for j in range(i)] for x in (a, b)]
    assert partial_tau(a, b, cost) == pytest.approx(np.corrcoef(np.array(agree, dtype=float))[0, 1])
    assert partial_tau(cost, b, cost) is None and partial_tau(a, b, np.zeros(9)) is None
    elo = np.arange(14.0)
    judged = judge("cost", ("x",), (1,), elo[:, None], elo, cost=elo)
    assert judged.tau == 1 and judged.tau_given_cost is None


def test_the_fit_is_the_constrained_optimum() -> None:
    """Against scipy's bounded least squares; slopes that would have the wrong sign are 0."""
    optimize = pytest.importorskip("scipy.optimize")
    random = np.random.default_rng(2)
    zeros = 0
    for _ in range(20):
        features, elo = random.normal(size=(9, 2)), random.normal(size=9) * 100
        fit = fit_elo(("a", "b"), (-1, 1), features, elo)
        columns = np.column_stack([features, np.ones(9)])
        bounds = ([-np.inf, 0, -np.inf], [0, np.inf, np.inf])
        wanted = optimize.lsq_linear(columns, elo, bounds=bounds, tol=1e-12).x
        assert [*fit.slopes, fit.intercept] == pytest.approx(wanted.tolist(), abs=1e-3)
        zeros += sum(slope == 0 for slope in fit.slopes)
    assert zeros
    assert EloFit.from_dict(json.loads(json.dumps(fit.to_dict()))) == fit
    for features, elo, message in (
        (np.zeros((2, 1)), np.zeros(2), "needs 3 networks"),
        (np.full((4, 1), np.nan), np.zeros(4), "finite"),
    ):
        with pytest.raises(EloError, match=message):
            fit_elo(("a",), (1,), features, elo)


def test_good_proxies_pass_and_bad_ones_are_refused() -> None:
    random = np.random.default_rng(3)
    elo = np.linspace(-300, 300, 14)
    loss = 2 - elo / 600 + random.normal(0, 0.05, 14)
    good = judge("good", ("loss",), (-1,), loss[:, None], elo, 12.0)
    assert good.refusal is None and good.tau > 0.8 and good.miss < 100
    assert Judged.from_dict(json.loads(json.dumps(good.to_dict()))).tau == pytest.approx(good.tau, abs=1e-4)
    noise = judge("noise", ("loss",), (-1,), random.normal(size=(14, 1)), elo)
    assert "below 0.6" in (noise.refusal or "") and noise.tau < 0.6
    wrong = judge("wrong", ("loss",), (-1,), -loss[:, None], elo)  # the sign is fixed: it foretells the mean alone
    assert wrong.fit.slopes == (0.0,) and wrong.refusal is not None
    few = judge("few", ("loss",), (-1,), loss[:11, None], elo[:11])
    assert few.refusal == "it was held against 11 networks, 12 are needed"


def test_kappa_is_the_elo_of_all_pairs_together() -> None:
    from alphago.arena.stats import PairResults, elo_of

    found = kappa_of([PairResults([1.0, 0.5, 0.75]), PairResults([1.0, 1.0])])
    assert found.pairs == 5 and found.elo == pytest.approx(elo_of((4.25 + 0.5) / 6))
    assert kappa_of([PairResults([1.0] * 4)]).elo < 1000
    with pytest.raises(AnchorError, match="no pair of games"):
        kappa_of([PairResults([])])


# --- latencies ------------------------------------------------------------------------------------------------------------


def test_latencies_are_measured_once_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    quick = LatencySettings(batch=2, repeats=5, runtime="torch", precision="fp32")
    other = BASE.model_copy(update={"blocks": 24})
    made: list[Residual] = []

    def noted(architecture: Residual, *more: Any) -> Any:
        assert os.environ.get("ALPHAGO_CACHE") == "/somewhere"
        made.append(architecture)
        return timer_of(architecture, *more)

    monkeypatch.setenv("ALPHAGO_CACHE", "/somewhere")
    monkeypatch.setattr("alphago.controller.go.latency.timer_of", noted)
    first = Latencies(BASE, 9, quick, tmp_path)
    values = [first.of(BASE), first.of(other), first.reference_ms]
    assert values[0] == values[2] < values[1]
    assert made == [BASE, other]  # the reference is made ready once, whatever is measured beside it
    first.of(other.model_copy(update={"blocks": 3}))
    assert len(made) == 3
    pickle.dumps(first)  # for a worker, which measures nothing

    def never(*_: Any) -> float:
        raise AssertionError("measured again")

    monkeypatch.setattr("alphago.controller.go.latency.timer_of", never)
    file = tmp_path / "latencies.jsonl"
    file.write_bytes(file.read_bytes() + b'{"key": "ab')  # it was killed while it wrote
    again = Latencies(BASE, 9, quick, tmp_path)
    assert [again.of(BASE), again.of(other), again.reference_ms] == values
    with pytest.raises(AssertionError, match="measured again"):
        Latencies(BASE, 9, quick.model_copy(update={"batch": 3}), tmp_path).of(other)
    file.write_text("{}\n")
    with pytest.raises(LatencyError, match=r"latencies.jsonl:1: damaged latency"):
        Latencies(BASE, 9, quick, tmp_path)


def test_ratios_do_not_mind_a_machine_that_slows_down() -> None:
    """A clock by hand: everything takes twice as long from the tenth measurement on; the median is of the undisturbed."""
    count = 0

    def timer(seconds: float) -> Any:
        def run() -> float:
            nonlocal count
            count += 1
            return seconds * (2 if count > 10 else 1)

        return run

    assert ratio(timer(0.3), timer(0.2), 9) == pytest.approx(1.5)
    count = 0
    assert median_ms(timer(0.25), 5) == pytest.approx(250)


def test_timing_leaves_the_cache_of_int8_networks_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str | None] = []

    class Idle:
        def buffers(self) -> Any:
            return np.zeros((2, 1, 5, 5), np.float32), np.zeros((2, 7), np.float32)

        def evaluate(self, *_: Any) -> None:
            pass

    def made(*_: Any, **__: Any) -> Any:
        asked.append(os.environ.get("ALPHAGO_CACHE"))
        return [Idle()]

    monkeypatch.setattr("alphago.controller.go.latency.make_evaluators", made)
    for before in ("/somewhere", None):
        monkeypatch.delenv("ALPHAGO_CACHE", raising=False)
        if before is not None:
            monkeypatch.setenv("ALPHAGO_CACHE", before)
        timer_of(BASE, 5, LatencySettings(batch=2))
        assert os.environ.get("ALPHAGO_CACHE") == before
    assert asked == ["", ""]  # which means: nowhere


# --- short training and shared weights --------------------------------------------------------------------------------------


def test_short_training_repeats_itself_and_its_rate_ends_at_nothing() -> None:
    one = tiny()
    found = learn_briefly(BASE, one, 4)
    assert set(FEATURES) <= set(found) and found == learn_briefly(BASE, one, 4)
    assert found["log_loss"] > learn_briefly(BASE, one, 40)["log_loss"]
    cut = short_training(one.full.training.model_copy(update={"steps": 1000}), 50)
    assert (cut.steps, cut.schedule.warmup) == (50, 1)
    mixed = one.full.model_copy(update={"data": DataSettings(sizes=(9,), limit=40, held_out=0.2)})
    with pytest.raises(TrainingError, match=r"holds games on 9x9, expected 7x7 alone"):
        positions_of(one.model_copy(update={"full": mixed, "size": 7}))


def test_networks_are_slices_of_shared_weights() -> None:
    """The middle of filters, the first channels, a pooling's numbers channel by channel; gradients reach what is used alone."""
    space = tiny().space()
    shared = SharedWeights(space, BASE, 3)
    random = np.random.default_rng(0)
    for _ in range(20):
        architecture = architecture_of(space.value(space.draw(random)), BASE)
        network = build(architecture)
        slices = shared.slices(network, architecture.block)
        assert {name: p.shape for name, p in network.named_parameters()} == {n: t.shape for n, t in slices.items()}
    small = BASE.model_copy(update={"channels": 4, "kernel": 3, "blocks": 1, "pool_every": 0, "head_channels": 4})
    slices = shared.slices(build(small), "plain")
    first = shared.tensors["plain/blocks|0|first|conv|weight"]
    assert first.shape == (8, 8, 5, 5)
    assert torch.equal(slices["blocks.0.first.conv.weight"], first[:4, :4, 1:4, 1:4])
    bias = shared.tensors["policy_bias|weight"]
    assert bias.shape == (8, 3, 8)
    wanted = torch.cat([bias[:4, 0, :4], bias[:4, 1, :4], bias[:4, 2, :4]], dim=1)
    assert torch.equal(slices["policy_bias.weight"], wanted)
    sum(t.square().sum() for t in slices.values()).backward()  # type: ignore[union-attr]
    assert first.grad is not None
    used = torch.zeros_like(first, dtype=torch.bool)
    used[:4, :4, 1:4, 1:4] = True
    assert (first.grad[~used] == 0).all() and (first.grad[used] != 0).any()
    assert shared.tensors["nested/blocks|0|down|conv|weight"].grad is None


def test_a_supernet_goes_on_as_if_it_had_not_stopped(tmp_path: Path) -> None:
    one = tiny()
    whole = Supernet(tmp_path / "whole", one)
    assert whole.train() and whole.step == 6
    part = Supernet(tmp_path / "part", one, watcher=lambda step, _total, _values: part.stop() if step == 3 else None)
    assert not part.train() and part.step == 3
    with pytest.raises(TrainingError, match="add --resume"):
        Supernet(tmp_path / "part", one)
    again = Supernet(tmp_path / "part", one, resume=True)
    assert again.step == 3 and again.train()
    for name, tensor in whole.shared.state_dict().items():
        assert torch.equal(tensor, again.shared.state_dict()[name]), name
    found = whole.measure(BASE)
    assert set(FEATURES) <= set(found) and found == again.measure(BASE)
    assert whole.drawn(0) == again.drawn(0) and len({whole.drawn(step) for step in range(6)}) > 1


# --- from anchors to a network ------------------------------------------------------------------------------------------------


def test_anchors_are_spread_over_their_cost() -> None:
    one = tiny()
    anchors = choose_anchors(one)
    assert anchors == choose_anchors(one) and len(anchors) == 6 and sum(a.name == "hand" for a in anchors) == 1
    costs = [anchor.mflop for anchor in anchors]
    assert costs == sorted(costs) and costs[-1] > 2 * costs[0] and len({a.architecture for a in anchors}) == 6
    assert doubled(anchors, one) == anchors
    narrow = {name: (getattr(BASE, name),) for name in TINY}
    with pytest.raises(SpaceError, match="6 anchors are asked for"):
        choose_anchors(tiny(options=narrow))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kernel": (3, 7)}, "options.kernel: 7"),
        ({"blocks": (2, 100_000)}, "options.blocks: 100000"),
        ({"channels": ("a",)}, "options.channels: 'a'"),
        ({"blocks": ()}, "options.blocks needs values"),
        ({"blocks": (2, 2)}, "options.blocks needs values, each once"),
    ],
)
def test_options_that_no_network_has_are_named(options: dict[str, Any], message: str) -> None:
    values = {**tiny().model_dump(), "options": options}
    with pytest.raises(pydantic.ValidationError, match=re.escape(message)):
        GoNasSettings.model_validate(values)


def test_anchors_without_games_leave_no_folder(tmp_path: Path) -> None:
    one = tiny()
    data = one.full.data.model_copy(update={"stores": (str(tmp_path / "nowhere.parquet"),)})
    lost = one.model_copy(update={"full": one.full.model_copy(update={"data": data})})
    with pytest.raises(GameDataError, match="nowhere"):
        begin_anchors(tmp_path / "run", lost, resume=False)
    assert not (tmp_path / "run").exists()


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Anchors in miniature, trained and played, stopped once in between."""
    torch.set_num_threads(1)
    folder, one = tmp_path_factory.mktemp("anchors") / "run", tiny()
    anchors = begin_anchors(folder, one, resume=False)
    with pytest.raises(AnchorError, match="no finished anchors"):
        read_anchors(folder)
    assert not train_anchor(folder, anchors[0], one, stopping=lambda stop: stop())
    assert all(train_anchor(folder, anchor, one) for anchor in anchors)
    again = begin_anchors(folder, one, resume=True)
    assert again == anchors
    more = one.model_copy(update={"anchors": one.anchors.model_copy(update={"games": 4, "doubling_games": 4})})
    assert begin_anchors(folder, more, resume=True) == anchors  # more games may be asked for, other networks may not
    other = one.model_copy(update={"anchors": one.anchors.model_copy(update={"seed": 2})})
    with pytest.raises(TrainingError, match=r"anchors\.seed is 1, not 2"):
        begin_anchors(folder, other, resume=True)
    games: list[int] = []

    def interrupted(_summary: Any) -> None:
        games.append(1)
        if len(games) == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        play_anchors(folder, anchors, one, parallel=1, threads=1, on_game=interrupted)
    play_anchors(folder, anchors, one, parallel=1, threads=1)
    finish_anchors(folder, anchors, one)
    return folder


def test_anchors_come_to_ratings_latencies_and_a_fit(finished: Path) -> None:
    found = read_anchors(finished)
    assert len(found.networks) == 6 and found.settings == tiny()
    assert sum(row["elo"] for row in found.networks) == pytest.approx(0, abs=1e-6)
    assert all(row["games"] == (2 if i in (0, 5) else 4) for i, row in enumerate(found.networks))
    hand = next(row for row in found.networks if row["name"] == "hand")
    assert hand["latency_ms"] == found.reference_ms > 0 and found.architecture(hand) == BASE
    assert found.full.networks == 6 and "12 are needed" in (found.full.refusal or "")
    (finished.parent / "damaged").mkdir()
    (finished.parent / "damaged" / "anchors.json").write_text('{"format": 1}')
    with pytest.raises(AnchorError, match="damaged"):
        read_anchors(finished.parent / "damaged")


def test_proxies_are_judged_and_a_search_uses_one(finished: Path, tmp_path: Path) -> None:
    one = tiny()
    supernet = Supernet(tmp_path / "supernet", one)
    assert supernet.train()
    folder = tmp_path / "proxies"
    names = ["short", "shorter", "shared", "multiply-adds", "parameters"]
    run = ProxyRun(folder, finished, names, supernet=tmp_path / "supernet")
    done: list[int] = []

    def told(number: int, *_: Any) -> None:
        done.append(number)
        if len(done) == 8:
            run.stop()

    assert not run.run(told)
    again = ProxyRun(folder, finished, names, supernet=tmp_path / "supernet", resume=True)
    assert again.run(lambda number, total, *_: done.append(number)) and done == list(range(1, 31))
    met = json.loads((finished / "anchors.json").read_text())
    (finished / "anchors.json").write_text(json.dumps(met | {"kappa": met["kappa"] | {"pairs": 99}}))
    ProxyRun(folder, finished, ["short"], resume=True)  # more games change nothing of what was measured
    first, *rest = met["networks"]
    (finished / "anchors.json").write_text(json.dumps(met | {"networks": [first | {"hash": "0"}, *rest]}))
    with pytest.raises(TrainingError, match="holds a run with other settings: anchors is"):
        ProxyRun(folder, finished, ["short"], resume=True)
    (finished / "anchors.json").write_text(json.dumps(met))
    result = again.finish()
    assert [row["name"] for row in result["proxies"]] == ["short", "short-losses", *names[1:]]
    assert all(len(rows) == 6 for rows in result["foretold"].values())
    assert list(result["tau_of_losses"]) == [row["name"] for row in result["proxies"]]
    assert all(-1 <= tau <= 1 for tau in result["tau_of_losses"].values())
    with pytest.raises(ProxyError, match=r"no proxy may be searched by: .*6 networks, 12 are needed"):
        choose_proxy(folder)
    with pytest.raises(ProxyError, match="the proxy shared is refused"):
        choose_proxy(folder, "shared")
    with pytest.raises(ProxyError, match=r"no proxy 'sharde' \(did you mean shared\?\) was judged"):
        choose_proxy(folder, "sharde")

    # as if there had been more anchors, and a good rank
    path = folder / "proxies.json"
    values = json.loads(path.read_text())
    for row in values["proxies"]:
        row |= {"networks": 12, "tau": 0.9 if row["name"] == "shared" else 0.7}
        row["fit"] = {**row["fit"], "slopes": [-100.0] * len(row["fit"]["slopes"])}
    path.write_text(json.dumps(values))
    for kappa, low, message in (
        (-3.0, -40.0, "gained -3 Elo, at least -40 with 95 %: time has no price"),
        (80.0, -2.0, "gained [+]80 Elo, at least -2 with 95 %: time has no price"),
        (80.0, 40.0, None),
    ):
        priced = met["kappa"] | {"elo": kappa, "low": low}
        (finished / "anchors.json").write_text(json.dumps(met | {"kappa": priced}))
        if message is not None:
            with pytest.raises(ProxyError, match=message):
                choose_proxy(folder)
    assert choose_proxy(folder, "shared").judged.name == "shared"
    choose_proxy(folder, "shared").check()
    chosen = choose_proxy(folder)
    assert chosen.judged.name == "short"  # whatever another's rank
    chosen.check()
    problem = GoProblem(chosen, tmp_path)
    choices = problem.space.draw(np.random.default_rng(1))
    measured = problem.measure(choices, 1)
    latency = problem.latency_ms(choices)
    elo = chosen.judged.fit.predict(dict(measured.more))
    gain = chosen.anchors.kappa * np.log2(problem.latencies.reference_ms / latency)
    assert measured.value == pytest.approx(elo + gain) and measured.latency_ms == latency
    assert problem.measure(choices, 2).value == measured.value

    assert smallest(BASE, 9, TINY).channels == 4 and chosen.anchors.reference_ms_here == problem.latencies.reference_ms
    problem.check(Limit(1e6))
    with pytest.raises(ObjectiveError, match=r"no network keeps a limit of 1e-06 ms: the smallest of the space takes"):
        problem.check(Limit(1e-6))

    def searched(where: Path) -> Any:
        search = begin_search(
            GoProblem(choose_proxy(folder, "shared"), where),
            SearchSettings(batch=2, seed=3),
            Budget(evaluations=4),
            about={"space": "go"},
            folder=where,
            resume=where.exists(),
        )
        assert search.run()
        return [(row.key, row.measured.value) for row in search.progress.tried]

    assert searched(tmp_path / "search") == searched(tmp_path / "search")
    copied = pickle.loads(pickle.dumps(problem))  # as a worker process gets it
    assert copied.measure(choices, 3).value == measured.value and copied.key(choices) == problem.key(choices)
    shallow = dict(zip(TINY, [0] * len(TINY), strict=True)) | {"pool_every": 1}
    plain = dict(zip(TINY, [0] * len(TINY), strict=True))
    assert problem.key(tuple(shallow.values())) == problem.key(
        tuple(plain.values())
    )  # one block cannot be every second
