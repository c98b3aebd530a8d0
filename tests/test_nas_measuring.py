"""Measurements that go wrong: what fails is told, what kills or holds up a worker ends no search, and a folder has one search."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from alphago.controller.nas.journal import JOURNAL, LOCK, SearchError
from alphago.controller.nas.measuring import answers
from alphago.controller.nas.objective import Budget, Measured
from alphago.controller.nas.runs import SearchSettings, begin_search
from alphago.controller.nas.search import Progress, Search
from alphago.controller.nas.space import Choice, Choices, Group, Space
from alphago.controller.nas.strategies import make_strategy
from alphago.controller.nas.workers import worker_pool
from alphago.errors import AlphaGoError


class Groundless(AlphaGoError):
    """What every measurement stands on is gone."""

    def __init__(self, where: str, what: str) -> None:
        super().__init__(f"{where}: {what}")


class Options:
    """Ten answers, each worth its number."""

    space = Space(Group(a=Choice(*range(10))))

    def __init__(self) -> None:
        self.measured: list[int] = []
        self.failing: set[int] = set()
        """Measurements, counted from 0, that fail."""
        self.error: Exception = RuntimeError("no kernel image")

    def key(self, choices: Choices) -> str:
        return str(choices[0])

    def measure(self, choices: Choices, seed: int) -> Measured:
        self.measured.append(choices[0])
        if len(self.measured) - 1 in self.failing:
            raise self.error
        return Measured(float(choices[0]), seconds=1.0)

    def describe(self, choices: Choices) -> dict[str, Any]:
        return {}


def searched(problem: Options, folder: Path | None, evaluations: int = 6) -> Search:
    return Search(
        problem, make_strategy("random", problem.space, seed=1), Budget(evaluations=evaluations), seed=2, folder=folder
    )


def rows(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / JOURNAL).read_text().splitlines()]


# --- what fails, and what is tried again --------------------------------------------------------------------------------------


def test_failures_with_nothing_after_them_are_tried_again(tmp_path: Path) -> None:
    problem = Options()
    problem.failing = set(range(100))
    with pytest.raises(SearchError, match="all 6 measurements failed; the last: RuntimeError: no kernel image"):
        searched(problem, tmp_path).run()
    assert len(rows(tmp_path)) == 6 and all(row["failure"] for row in rows(tmp_path))
    problem.failing = set()
    search = searched(problem, tmp_path)
    assert search.progress.recorded == 0 and search.run() and search.progress.failures == 0
    assert [row["failure"] for row in rows(tmp_path)] == [""] * 6


def test_failures_that_a_search_has_learned_after_stay(tmp_path: Path) -> None:
    problem = Options()
    problem.failing = {1, 4, 5}
    assert searched(problem, tmp_path).run()
    assert [bool(row["failure"]) for row in rows(tmp_path)] == [False, True, False, False, True, True]
    problem.failing, problem.measured = set(), []
    again = searched(problem, tmp_path)
    assert again.progress.recorded == 4 and again.run()
    assert len(problem.measured) == 2 and again.progress.failures == 1
    assert [bool(row["failure"]) for row in rows(tmp_path)] == [False, True, False, False, False, False]


def test_what_all_measurements_stand_on_ends_a_search_and_is_not_noted(tmp_path: Path) -> None:
    whole = searched(Options(), None)
    assert whole.run()
    problem = Options()
    problem.failing, problem.error = {3}, Groundless("games.parquet", "no such file")
    search = searched(problem, tmp_path)
    with pytest.raises(Groundless, match=r"games\.parquet: no such file"):
        search.run()
    assert len(rows(tmp_path)) == 3
    mended = searched(Options(), tmp_path)
    assert mended.run()
    assert [one.choices for one in mended.progress.tried] == [one.choices for one in whole.progress.tried]


class Timed(Options):
    """Those from 5 on cannot be timed."""

    error_of_timing: Exception = RuntimeError("the runtime knows no such layer")

    def latency_ms(self, choices: Choices) -> float:
        if choices[0] >= 5:
            raise self.error_of_timing
        return 1.0 + choices[0]

    def measure(self, choices: Choices, seed: int) -> Measured:
        return Measured(float(choices[0]), latency_ms=self.latency_ms(choices))


def test_a_latency_that_cannot_be_measured_is_a_failure() -> None:
    problem = Timed()
    settings = SearchSettings(strategy="random", limit_ms=3.0, seed=1, batch=2)
    search = begin_search(problem, settings, Budget(evaluations=8), about={})
    assert search.run()
    tried = {one.choices[0]: one for one in search.progress.tried}
    assert set(tried) == {0, 1, 2, 5, 6, 7, 8, 9}  # 3 and 4 break the limit
    for number, one in tried.items():
        assert one.failure == ("RuntimeError: the runtime knows no such layer" if number >= 5 else "")
    assert search.progress.best is tried[2]
    problem.error_of_timing = Groundless("latencies.jsonl", "disk full")
    with pytest.raises(Groundless, match="disk full"):
        begin_search(problem, settings, Budget(evaluations=8), about={}).run()


# --- workers ------------------------------------------------------------------------------------------------------------------


class Deadly(Options):
    """2 never ends, 3 kills its process, 4 stands on nothing."""

    def measure(self, choices: Choices, seed: int) -> Measured:
        if choices[0] == 2:
            time.sleep(600)
        if choices[0] == 3:
            os.kill(os.getpid(), signal.SIGKILL)
        if choices[0] == 4:
            raise Groundless("games.parquet", "no such file")
        return Measured(float(choices[0]))


def test_workers_that_die_or_hang_are_one_failure_each() -> None:
    started = time.monotonic()
    with worker_pool(2) as pool:
        found = list(answers(Deadly(), [((number,), 0) for number in (0, 2, 3, 1)], pool, timeout=5.0))
        with pytest.raises(SearchError, match=r"^games\.parquet: no such file$"):
            list(answers(Deadly(), [((4,), 0)], pool))
    assert [failure for _, failure in found] == [
        "",
        "it took longer than 5 s",
        "its process died, killed or out of memory",
        "",
    ]
    assert [measured.valid for measured, _ in found] == [True, False, False, True]
    assert found[1][0].seconds >= 5 and time.monotonic() - started < 600


# --- one search in a folder -----------------------------------------------------------------------------------------------------


def test_a_folder_has_one_search_at_a_time(tmp_path: Path) -> None:
    about = {"problem": "options"}
    settings = SearchSettings(strategy="random", seed=1)

    def made(resume: bool) -> Search:
        return begin_search(
            Options(), settings, Budget(evaluations=4), about=about, folder=tmp_path / "run", resume=resume
        )

    refused = []

    def begin_another(progress: Progress) -> None:
        journal = tmp_path / "run" / JOURNAL
        before = journal.read_bytes()
        journal.write_bytes(before + b'{"key": "1')  # half a line, as another process may see it
        with pytest.raises(SearchError, match="run: another process is at work in it: wait until it has ended"):
            made(resume=True).run()
        assert journal.read_bytes() == before + b'{"key": "1'
        journal.write_bytes(before)
        refused.append(len(progress.tried))

    assert made(resume=False).run(begin_another) and set(refused) == {1, 2, 3, 4}
    assert made(resume=True).run() and len(rows(tmp_path / "run")) == 4  # whoever ends lets go
    (tmp_path / "alone").mkdir()
    (tmp_path / "alone" / LOCK).touch()  # killed before there was a manifest: the folder is nobody's
    assert begin_search(Options(), settings, Budget(evaluations=2), about=about, folder=tmp_path / "alone").run()
