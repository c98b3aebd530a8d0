"""Searches: what is paid for, failures, limits; and that one killed at any moment goes on to the identical end."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from alphago.controller.nas.journal import JOURNAL, SearchError
from alphago.controller.nas.nasbench201 import REWARD, synthetic_table
from alphago.controller.nas.objective import Budget, Limit, Measured
from alphago.controller.nas.problems import TableProblem
from alphago.controller.nas.search import Progress, Search
from alphago.controller.nas.space import Choice, Choices, Group, Space
from alphago.controller.nas.strategies import Evolution, make_strategy
from alphago.train.sources import Reward

TABLE = synthetic_table()


class Sums:
    """A small problem whose measurements depend on their seed; 3 always fails."""

    space = Space(Group(a=Choice(0, 1, 2, 3), b=Choice(0, 1, 2, 3)))

    def key(self, choices: Choices) -> str:
        return str(sorted(choices))

    def measure(self, choices: Choices, seed: int) -> Measured:
        if 3 in choices:
            raise RuntimeError("three is too much\nof a good thing")
        return Measured(sum(choices) + seed % 100 / 1000, seconds=1.0, latency_ms=1.0 + choices[0])

    def describe(self, choices: Choices) -> dict[str, Any]:
        return {}


def summary(search: Search) -> dict[str, Any]:
    progress = search.progress
    return {
        "tried": [(one.number, one.choices, one.measured.value, one.failure) for one in progress.tried],
        "counts": (progress.proposals, progress.repeats, progress.failures, round(progress.seconds, 1)),
        "best": None if progress.best is None else progress.best.choices,
    }


@pytest.mark.parametrize("name", ["reinforce", "lstm", "evolution", "random", "tpe"])
def test_a_search_killed_at_any_moment_ends_as_if_it_had_not_been(name: str, tmp_path: Path) -> None:
    if name == "tpe":
        pytest.importorskip("optuna", reason="optuna is an extra: pip install 'alphago[nas]'")
    problem = TableProblem(TABLE, latency="latency_ms")

    def made(folder: Path | None) -> Search:
        kind, controller = ("reinforce", "lstm") if name == "lstm" else (name, "factorised")
        strategy = make_strategy(kind, problem.space, seed=3, controller=controller)
        return Search(problem, strategy, Budget(evaluations=60), limit=Limit(9.0), seed=1, folder=folder)

    whole = made(None)
    assert whole.run()
    wanted = summary(whole)
    random = np.random.default_rng(5)
    folder = tmp_path / "killed"
    folder.mkdir()
    for _ in range(10):
        until = int(random.integers(1, 60))

        def kill(progress: Progress, until: int = until) -> None:
            if len(progress.tried) >= until:
                raise KeyboardInterrupt

        search = made(folder)
        with pytest.raises(KeyboardInterrupt):
            search.run(kill)
        journal = folder / JOURNAL
        data = journal.read_bytes()
        journal.write_bytes(data[: len(data) - int(random.integers(0, 40))])  # it died while it wrote
    search = made(folder)
    assert search.run() and summary(search) == wanted
    again = made(folder)
    assert again.run() and summary(again) == wanted  # nothing is measured any more
    assert len((folder / JOURNAL).read_text().splitlines()) == 60


def test_workers_change_nothing() -> None:
    problem = Sums()

    def run(executor: Any) -> dict[str, Any]:
        strategy = make_strategy("random", problem.space, seed=2)
        strategy._batch = 4  # type: ignore[attr-defined]
        search = Search(problem, strategy, Budget(evaluations=9), seed=7, executor=executor)
        search.run()
        return summary(search)

    with ProcessPoolExecutor(2, mp_context=get_context("forkserver")) as workers:
        assert run(workers) == run(None)


def test_equal_answers_are_measured_once_and_failures_end_nothing() -> None:
    problem = Sums()
    search = Search(problem, make_strategy("random", problem.space, seed=1), Budget(evaluations=10), seed=1)
    assert search.run()
    progress = search.progress
    keys = [one.key for one in progress.tried]
    assert len(keys) == len(set(keys)) == 10 and progress.repeats > 0
    assert progress.proposals == 10 + progress.repeats
    failed = [one for one in progress.tried if one.failure]
    assert failed and all(3 in one.choices and one.failure == "RuntimeError: three is too much" for one in failed)
    assert progress.seconds == pytest.approx(10 - len(failed), abs=0.1)
    assert progress.best is not None and progress.best.choices == (2, 2)
    values = [one.measured.value for one in progress.front()]
    latencies = [one.measured.latency_ms for one in progress.front()]
    assert values == sorted(values) and latencies == sorted(set(latencies))  # type: ignore[type-var]


def test_repeats_are_charged_where_they_should_be() -> None:
    problem = TableProblem(TABLE)
    for charged in (False, True):
        strategy = make_strategy("evolution", problem.space, seed=4)
        search = Search(problem, strategy, Budget(seconds=8000.0), charge_repeats=charged)
        assert search.run()
        known = {one.key: one.measured.seconds for one in search.progress.tried}
        assert (search.progress.seconds > sum(known.values()) + 1) == (charged and search.progress.repeats > 0)


def test_a_number_of_evaluations_is_never_exceeded(tmp_path: Path) -> None:
    """Batches that do not divide the budget: the last is cut short, and given more the search goes on as if it had not been."""
    problem = Sums()

    def run(evaluations: int, folder: Path | None = None, charged: bool = False) -> Search:
        strategy = make_strategy("random", problem.space, seed=3, batch=4)
        budget = Budget(evaluations=evaluations)
        search = Search(problem, strategy, budget, seed=2, folder=folder, charge_repeats=charged)
        assert search.run()
        return search

    for evaluations in range(5, 10):
        assert len(run(evaluations).progress.tried) == evaluations
    assert len(run(5, tmp_path).progress.tried) == 5
    grown, whole = run(9, tmp_path), run(9)
    assert [one.measured.value for one in grown.progress.tried] == [one.measured.value for one in whole.progress.tried]
    charged = run(30, charged=True).progress  # 10 different answers: a repeat counts, or it would never end
    assert charged.charged == charged.proposals == len(charged.tried) + charged.repeats == 30


def test_a_search_that_has_seen_everything_ends() -> None:
    problem = Sums()
    search = Search(problem, make_strategy("random", problem.space, seed=1), Budget(evaluations=1000))
    assert search.run() and len(search.progress.tried) == 10  # unordered pairs of four


def test_what_is_wrong_is_one_line(tmp_path: Path) -> None:
    problem = TableProblem(TABLE, latency="latency_ms")

    def made(limit: float, folder: Path | None = None, seed: int = 1) -> Search:
        strategy = make_strategy("random", problem.space, seed=seed)
        return Search(problem, strategy, Budget(evaluations=20), limit=Limit(limit), folder=folder)

    with pytest.raises(SearchError, match=r"none of 20 answers keeps the limit of 0\.5 ms; the fastest takes \d"):
        made(0.5).run()

    class Broken(Sums):
        def measure(self, choices: Choices, seed: int) -> Measured:
            return Measured(float("nan"))

    broken = Broken()
    with pytest.raises(SearchError, match="all 5 measurements failed; the last: the value is nan"):
        Search(broken, make_strategy("random", broken.space), Budget(evaluations=5)).run()
    made(99.0, tmp_path).run()
    with pytest.raises(SearchError, match="measurement 0 of the journal is of another search"):
        made(99.0, tmp_path, seed=2).run()
    lines = (tmp_path / JOURNAL).read_text().splitlines()
    (tmp_path / JOURNAL).write_text("\n".join([lines[0], "{}", *lines[1:]]) + "\n")
    with pytest.raises(SearchError, match=r"measured\.jsonl:2: damaged measurement"):
        made(99.0, tmp_path)


def test_a_learner_finds_more_than_chance() -> None:
    """On the synthetic table, the same budget: over 10 seeds REINFORCE ends higher than random search."""
    problem = TableProblem(TABLE)
    found: dict[str, list[float]] = {}
    for name in ("reinforce", "random"):
        for seed in range(10):
            search = Search(problem, make_strategy(name, problem.space, seed=seed), Budget(evaluations=150))
            search.run()
            assert search.progress.best is not None
            found.setdefault(name, []).append(search.progress.best.measured.value)
    assert np.mean(found["reinforce"]) > np.mean(found["random"])
    assert max(found["reinforce"]) <= TABLE[REWARD].max()


def test_what_fails_is_worth_what_the_worst_is_worth() -> None:
    """Under a limit, too, where what breaks it is worth less than its value; and it has no children."""

    class Some:
        space = Space(Group(a=Choice(*range(10))))
        hinge = 1.0

        def key(self, choices: Choices) -> str:
            return str(choices)

        def measure(self, choices: Choices, seed: int) -> Measured:
            return Measured(0.5, latency_ms=4.0, valid=choices[0] % 2 == 0)

        def describe(self, choices: Choices) -> dict[str, Any]:
            return {}

    told: list[float] = []

    class Watched(Evolution):
        def tell(self, rewards: Any) -> dict[str, float]:
            told.extend(reward.value for reward in rewards)
            assert all(
                reward.invalid == (choices[0] % 2 == 1) for choices, reward in zip(self._asked, rewards, strict=True)
            )
            return super().tell(rewards)

    evolution = Watched(Some.space, seed=1, population=4, sample=4)
    search = Search(Some(), evolution, Budget(evaluations=9), limit=Limit(2.0, 1.0))
    with pytest.raises(SearchError, match="none of 9 answers keeps the limit of 2 ms; the fastest takes 4 ms"):
        search.run()
    first_valid = next(i for i, value in enumerate(told) if value == -0.5)
    assert set(told[first_valid:]) == {-0.5} and set(told[:first_valid]) <= {0.0}
    assert search.progress.failures == sum(one.choices[0] % 2 for one in search.progress.tried) > 0
    dead = Watched(Some.space, seed=1, population=2, sample=2)
    dead._asked = [(3,), (4,)]
    Evolution.tell(dead, [Reward(9.0, invalid=True), Reward(-1.0)])
    parents = {dead._child() for _ in range(30)}
    assert all(child != (4,) for child in parents)  # children differ from their parent, the valid one
    assert (3,) in parents
