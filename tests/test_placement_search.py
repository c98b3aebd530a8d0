"""Searches: they learn, count what fails, keep to budgets, and go on after a kill as if nothing had been."""

from __future__ import annotations

import itertools
import math
from pathlib import Path
from typing import Any

import numpy as np
import pydantic
import pytest
import torch

from alphago.controller.placement import search as search_module
from alphago.controller.placement.graph import PlacementError
from alphago.controller.placement.problem import Costs, Problem
from alphago.controller.placement.search import Budget, PolicySettings, Search, SearchSettings, Settled, make_policy
from alphago.controller.placement.source import PlacementSource, RewardSettings, coarse
from alphago.controller.placement.stepwise import Stepwise
from alphago.train import folders
from alphago.train.folders import CHECKPOINTS
from alphago.train.optim import TrainingError
from alphago.train.reinforce import Reinforce
from placement_helpers import chain, machine, random_graph


def settings_of(kind: str = "stepwise", **learning: Any) -> SearchSettings:
    policy = PolicySettings(kind=kind, hidden=8, groups=4, joined="half")  # type: ignore[arg-type]
    made = SearchSettings(policy=policy, seed=4)
    values = {"steps": 6, "episodes": 8, "checkpoint_minutes": 1e-9, **learning}
    return made.model_copy(update={"learning": made.learning.model_copy(update=values)})


@pytest.mark.parametrize("kind", ["stepwise", "seq2seq", "hierarchical"])
def test_a_search_killed_at_any_moment_ends_as_if_it_had_not_been(kind: str, tmp_path: Path) -> None:
    problem = Problem(random_graph(1, 10), machine(2, memory=30.0, host=True))
    budget = Budget(rounds=2)
    whole = Search(problem, settings_of(kind), budget)
    assert whole.run()
    folder = tmp_path / "run"
    random = np.random.default_rng(0)
    for kill in range(4):
        until = int(random.integers(1, 5))

        def stop(step: int, total: int, metrics: Any, until: int = until) -> None:
            stop.seen += 1  # type: ignore[attr-defined]
            if stop.seen >= until:  # type: ignore[attr-defined]
                raise KeyboardInterrupt

        stop.seen = 0  # type: ignore[attr-defined]
        search = Search(problem, settings_of(kind), budget, folder=folder, resume=kill > 0, watcher=stop)
        with pytest.raises(KeyboardInterrupt):
            search.run()
    search = Search(problem, settings_of(kind), budget, folder=folder, resume=True)
    assert search.run()
    found, wanted = search.found, whole.found
    assert found.placement is not None and wanted.placement is not None
    assert found.steps == wanted.steps and (found.placement == wanted.placement).all() and found.ms == wanted.ms
    assert (found.placements, found.failed, found.rounds) == (wanted.placements, wanted.failed, 2)


def bomb(call: Any, at: int, after: bool) -> Any:
    """The function, which at its call of this number is killed: before it does anything, or after all."""
    count = [0]

    def called(*args: Any, **more: Any) -> Any:
        count[0] += 1
        if count[0] == at and not after:
            raise KeyboardInterrupt
        found = call(*args, **more)
        if count[0] == at:
            raise KeyboardInterrupt
        return found

    return called


@pytest.mark.parametrize(
    ("where", "what", "at", "after"),
    [
        (PlacementSource, "collect", 1, True),  # of 3 updates in each of 2 rounds
        (PlacementSource, "collect", 5, True),
        (PlacementSource, "consider", 2, True),
        (Reinforce, "step", 2, True),
        (folders, "_sync", 2, False),  # in the middle of a checkpoint
        (folders, "_sync", 9, True),
        (search_module, "write_atomically", 1, False),  # of the rounds that have ended
        (search_module, "write_atomically", 1, True),
    ],
)
def test_a_search_killed_between_any_two_steps_ends_as_if_it_had_not_been(
    where: Any, what: str, at: int, after: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    problem = Problem(random_graph(1, 10), machine(2, memory=30.0, host=True))
    whole = Search(problem, settings_of(steps=3), Budget(rounds=2))
    assert whole.run()
    with monkeypatch.context() as patched:
        patched.setattr(where, what, bomb(getattr(where, what), at, after))
        with pytest.raises(KeyboardInterrupt):
            Search(problem, settings_of(steps=3), Budget(rounds=2), folder=tmp_path / "run").run()
    search = Search(problem, settings_of(steps=3), Budget(rounds=2), folder=tmp_path / "run", resume=True)
    assert search.run()
    found, wanted = search.found, whole.found
    assert found.placement is not None and wanted.placement is not None
    assert (found.ms, found.steps, found.placements) == (wanted.ms, wanted.steps, wanted.placements)
    assert (found.placement == wanted.placement).all() and (found.failed, found.rounds) == (wanted.failed, 2)


def test_another_problem_or_setting_is_refused(tmp_path: Path) -> None:
    problem = Problem(random_graph(1, 8), machine(2))
    folder = tmp_path / "run"
    Search(problem, settings_of(), Budget(rounds=1), folder=folder, manifest={"digest": "a"}).run()
    with pytest.raises(TrainingError, match="holds a run already: add --resume"):
        Search(problem, settings_of(), Budget(rounds=1), folder=folder)
    with pytest.raises(TrainingError, match=r"problem.digest is 'a', not 'b'"):
        Search(problem, settings_of(), Budget(rounds=1), folder=folder, resume=True, manifest={"digest": "b"})
    with pytest.raises(TrainingError, match=r"learning.episodes is 8, not 9"):
        Search(problem, settings_of(episodes=9), Budget(rounds=1), folder=folder, resume=True, manifest={"digest": "a"})
    (folder / "rounds.json").write_text('[{"ms": 1}]')
    with pytest.raises(PlacementError, match=r"rounds.json: damaged"):
        Search(problem, settings_of(), Budget(rounds=1), folder=folder, resume=True, manifest={"digest": "a"})


def test_budgets_are_kept() -> None:
    problem = Problem(random_graph(2, 8), machine(2))
    search = Search(problem, settings_of(steps=1000, checkpoint_minutes=5.0), Budget(placements=50))
    assert search.run() and 50 <= search.found.placements <= 50 + 8 + 1
    timed = Search(problem, settings_of(steps=100_000, checkpoint_minutes=5.0), Budget(seconds=0.5))
    assert timed.run() and timed.found.seconds < 60
    with pytest.raises(PlacementError, match="needs a budget"):
        Budget()


def test_a_policy_that_has_made_up_its_mind_ends_the_round() -> None:
    problem = Problem(chain([1.0] * 3), machine(1))  # one device: nothing to decide, no entropy
    search = Search(problem, settings_of(steps=500, checkpoint_minutes=5.0), Budget(rounds=1))
    assert search.run() and search.found.placements == 20 * 8 + 1


def test_a_policy_that_draws_its_best_again_and_again_ends_the_round() -> None:
    """Twenty updates in a row in which the median is the best; one that is not, and they are counted anew."""

    class Trainer:
        finished = False

    settled = Settled(settings_of(), lambda: False)
    settled.trainer = trainer = Trainer()  # type: ignore[assignment]
    stuck, learning = {"median_ms": 5.0, "best_ms": 5.0}, {"median_ms": 6.0, "best_ms": 5.0}
    for step, metrics in enumerate([*[stuck] * 19, learning, *[stuck] * 19]):
        settled(step, {"entropy": 1.0, **metrics})
        assert not trainer.finished
    settled(40, {"entropy": 1.0, **stuck})
    assert trainer.finished


@pytest.mark.parametrize("objective", ["latency", "throughput"])
def test_it_learns_the_best_of_all_placements(objective: str) -> None:
    """Eight operations on two devices and a host, 6,561 placements: the best of them, drawn in a fraction as many."""
    problem = Problem(random_graph(11, 8), machine(2, memory=16.0, host=True), objective)  # type: ignore[arg-type]
    every = np.array(list(itertools.product(range(3), repeat=8)))
    costs = problem.costs(every)
    settings = settings_of(steps=60, episodes=32, checkpoint_minutes=5.0)
    policy = settings.policy.model_copy(update={"leave": 0.5})  # eight operations leave few chances to part
    search = Search(problem, settings.model_copy(update={"policy": policy}), Budget(rounds=1))
    search.run()
    assert search.found.ms == costs.ms[costs.fits].min()
    assert search.found.placement is not None
    assert problem.costs_of_operations(search.found.placement[None]).ms[0] == search.found.ms


def test_the_steps_tell_when_each_best_came() -> None:
    problem = Problem(random_graph(5, 12), machine(3))
    search = Search(problem, settings_of(steps=5), Budget(rounds=3))
    search.run()
    steps = search.found.steps
    counts, costs = [step.placements for step in steps], [step.ms for step in steps]
    assert counts == sorted(set(counts)) and costs == sorted(set(costs), reverse=True) and costs[-1] == search.found.ms
    assert counts[-1] <= search.found.placements == 3 * (5 * 8 + 1)


# --- what does not fit ------------------------------------------------------------------------------------------------------


class Scripted:
    """A placer that draws what it is told."""

    def __init__(self, rows: list[list[int]]) -> None:
        self.rows = rows

    def sample(self, count: int, generator: Any, contexts: Any = None, greedy: bool = False) -> Any:
        found = torch.tensor((self.rows * count)[:count])
        return found, torch.zeros(found.shape)

    def placements(self, choices: Any) -> Any:
        return choices


def test_what_does_not_fit_is_counted_and_gets_the_failing_time() -> None:
    problem = Problem(chain([1.0, 4.0], memory=2.0, transfer=2.0), machine(2, memory=3.0, host=True))
    placer = Scripted([[0, 0], [0, 1], [2, 2]])
    source = PlacementSource(problem, placer, RewardSettings(failing=3.0, learn_failing=4))
    assert source.failing_ms == 15.0  # three times the host by itself
    episodes = source.collect(placer, 3)
    assert episodes.rewards[episodes.starts + 1].tolist() == [-math.sqrt(15.0), -3.0, -math.sqrt(5.0)]
    assert episodes.invalid is not None and episodes.invalid.tolist() == [True, False, False]
    assert (source.placements, source.failed, source.best_ms) == (3, 1, 5.0)
    later = source.collect(placer, 3)  # after 4 placements those that do not fit are left out
    assert len(later) == 2 and (later.invalid is None or not later.invalid.any()) and source.failed == 2
    for kind, wanted in (("log", -math.log(5.0)), ("linear", -5.0)):
        other = PlacementSource(problem, placer, RewardSettings(kind=kind))  # type: ignore[arg-type]
        assert other.collect(placer, 3).rewards[-1] == wanted


def test_what_does_not_fit_is_never_better_than_what_does() -> None:
    """A host by itself takes 5 ms, so that failing counts 10; a placement that fits and takes 45 is better all the same."""
    problem = Problem(chain([1.0, 4.0], memory=2.0, transfer=20.0), machine(2, memory=3.0, host=True))
    placer = Scripted([[0, 0], [0, 1], [2, 2]])
    for kind, sign in (("sqrt", math.sqrt), ("log", math.log), ("linear", float)):
        source = PlacementSource(problem, placer, RewardSettings(kind=kind))  # type: ignore[arg-type]
        episodes = source.collect(placer, 3)
        assert source.failing_ms == 10.0
        wanted = [-sign(90.0), -sign(45.0), -sign(5.0)]
        assert episodes.rewards[episodes.starts + 1].tolist() == pytest.approx(wanted)
    alone = PlacementSource(problem, Scripted([[0, 0]]), RewardSettings())
    assert alone.collect(alone.placer, 1).rewards[-1] == -math.sqrt(10.0)


def test_measurements_of_equal_placements_are_made_once() -> None:
    problem = Problem(chain([1.0, 2.0, 3.0]), machine(2))
    asked: list[int] = []

    def costs(placements: Any) -> Costs:
        asked.append(len(placements))
        return problem.costs_of_operations(placements)

    policy = Stepwise(problem, 4)
    source = PlacementSource(problem, policy, RewardSettings(), costs=costs, cached=True, seed=1)
    for _ in range(10):
        assert len(source.collect(policy, 16)) == 16
    assert sum(asked) == source.placements <= 4  # the ways to part three in a row between two alike devices
    asked.clear()
    blind = make_policy(
        problem, PolicySettings(kind="seq2seq", hidden=4), 0
    )  # draws what is the same under other names, too
    source = PlacementSource(problem, blind, RewardSettings(), costs=costs, cached=True, seed=1)
    for _ in range(10):
        assert len(source.collect(blind, 16)) == 16
    assert len({tuple(row) for row in blind.sample(200, torch.Generator().manual_seed(0))[0].tolist()}) > 4
    assert sum(asked) == source.placements <= 4


def test_the_trainer_is_the_one_for_everything() -> None:
    """Nobody overrides its step; a search makes its rounds with the very class."""
    assert Reinforce.__subclasses__() == []
    seen = set()
    problem = Problem(random_graph(1, 8), machine(2))
    search = Search(
        problem,
        settings_of(),
        Budget(rounds=1),
        watcher=lambda *_: seen.add((type(search._trainer), "step" in vars(search._trainer))),
    )
    assert search.run() and seen == {(Reinforce, False)}


def test_checkpoints_are_there_while_it_runs(tmp_path: Path) -> None:
    problem = Problem(random_graph(1, 8), machine(2))
    seen = []

    def watch(step: int, total: int, metrics: Any) -> None:
        seen.append(len(list((tmp_path / "run" / "round-000" / CHECKPOINTS).glob("step-*"))))
        assert 0 <= metrics["spent"] <= 1 and metrics["best_ms"] > 0

    Search(problem, settings_of(), Budget(rounds=1), folder=tmp_path / "run", watcher=watch).run()
    assert seen[0] == 0 and max(seen) >= 1


def test_times_that_differ_by_rounding_are_one_time() -> None:
    """The same milliseconds in another order of addition: else ranks tell them apart, and a best is new by its last digit."""
    times = np.array([0.1, 0.2, 0.3])
    one, other = times.sum(), times[::-1].sum() + 1e-16
    near = coarse(np.array([one, other, np.nextafter(one, 1), one * (1 + 1e-9), np.inf]))
    assert near[0] == near[1] == near[2] != near[3] and near[4] == np.inf
    values = np.random.default_rng(0).uniform(1e-6, 1e6, 1000)
    assert np.abs(coarse(values) / values - 1).max() < 1e-12


def test_searches_that_cannot_be_are_named() -> None:
    with pytest.raises(pydantic.ValidationError, match=r"policy\.hidden"):
        SearchSettings.model_validate({"policy": {"kind": "hierarchical", "hidden": 1}})
    with pytest.raises(pydantic.ValidationError, match="placers compute none, got x"):
        SearchSettings.model_validate({"learning": {"penalties": {"x": 1.0}}})
