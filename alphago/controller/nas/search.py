"""The search: a strategy proposes, a problem measures, nothing is measured twice, and a journal makes every search repeatable.

A search is a function of its settings and of what was measured. The journal holds what was measured, in order, a line the moment
it is known; a search that is killed begins anew, finds its measurements in the journal, and so comes to where it was.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Executor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any, Final

from alphago.controller.nas.objective import Budget, Limit, Measured, Problem, Timed
from alphago.controller.nas.space import Choices
from alphago.controller.nas.strategies import Strategy
from alphago.errors import AlphaGoError
from alphago.files import write_atomically
from alphago.seeds import game_seed
from alphago.train.sources import Reward

JOURNAL: Final = "measured.jsonl"
PATIENCE: Final = 500
"""Batches in a row without anything new, after which a search has converged."""


class SearchError(AlphaGoError):
    """A search that cannot begin or go on; the message says why."""


@dataclass(frozen=True)
class Tried:
    """One measurement."""

    number: int
    choices: Choices
    key: str
    measured: Measured
    failure: str = ""
    """Why there is none."""


@dataclass
class Progress:
    """How far a search is."""

    tried: list[Tried] = field(default_factory=list)
    proposals: int = 0
    repeats: int = 0
    """Proposals that were known already."""
    charged: int = 0
    """Evaluations on the count that the budget keeps: measurements, and repeats where these are charged."""
    seconds: float = 0.0
    """On the clock that the budget counts."""
    best: Tried | None = None
    """The highest value that keeps the limit."""
    numbers: dict[str, float] = field(default_factory=dict)
    """Of the strategy."""
    recorded: int = 0
    """Measurements that the journal held when the search began."""
    converged: bool = False
    """It ended because nothing new was proposed any more."""

    @property
    def failures(self) -> int:
        """Measurements that failed."""
        return sum(bool(one.failure) for one in self.tried)

    def front(self) -> list[Tried]:
        """What nothing else beats in value and latency both, by latency; only measurements that have one."""
        known = [one for one in self.tried if one.measured.valid and one.measured.latency_ms is not None]
        known.sort(key=lambda one: (one.measured.latency_ms or 0.0, -one.measured.value))
        front: list[Tried] = []
        for one in known:
            if not front or one.measured.value > front[-1].measured.value:
                front.append(one)
        return front


class Search:
    """One search.

    Args:
        limit: that answers must keep; None: none.
        seed: measurement n gets a seed made of it and n.
        folder: of the journal; None: nothing is kept, and nothing resumed.
        executor: where measurements run; None: here. What is found does not depend on it.
        charge_repeats: a proposal that is known already costs the budget what it cost before, or counts as an evaluation.
    """

    def __init__(
        self,
        problem: Problem,
        strategy: Strategy,
        budget: Budget,
        *,
        limit: Limit | None = None,
        seed: int = 0,
        folder: Path | None = None,
        executor: Executor | None = None,
        charge_repeats: bool = False,
    ) -> None:
        self.problem, self.strategy, self.budget, self.limit = problem, strategy, budget, limit
        self.progress = Progress()
        self._seed, self._folder, self._executor = seed, folder, executor
        self._charge_repeats = charge_repeats
        self._known: dict[str, Tried] = {}
        self._recorded: list[dict[str, Any]] = _read(folder / JOURNAL) if folder is not None else []
        self.progress.recorded = len(self._recorded)
        self._stop = False

    def stop(self) -> None:
        """End after the batch under way; from any thread or a signal handler."""
        self._stop = True

    def run(self, on_batch: Callable[[Progress], None] | None = None) -> bool:
        """Search until the budget is spent. False: stopped before.

        Raises:
            SearchError: the journal is of another search, nothing but failures, or no answer keeps the limit.
        """
        progress, idle = self.progress, 0
        with _Appending(self._folder) as journal:
            while not self.budget.is_spent(progress.charged, progress.seconds):
                if self._stop:
                    return False
                asked = self.strategy.ask()
                before = progress.charged, progress.seconds
                rewards = [self._reward(one) for one in self._measured(asked, journal)]
                if len(rewards) == len(asked):  # else the budget ended within the batch, and so does the search
                    progress.numbers = self.strategy.tell(rewards)
                idle = 0 if (progress.charged, progress.seconds) != before else idle + 1
                if on_batch is not None:
                    on_batch(progress)
                if idle >= PATIENCE:
                    progress.converged = True
                    break
        if progress.best is None:
            raise SearchError(self._why_nothing())
        return True

    def _measured(self, asked: Sequence[Choices], journal: IO[str] | None) -> Iterator[Tried]:
        """What is known of every proposal, in order; what is not is measured, at the same time where there are workers.

        Proposals that a budget of so many evaluations does not pay for any more are left out.
        """
        keys = [self.problem.key(choices) for choices in asked]
        keys = keys[: self._affordable(keys)]
        asked = asked[: len(keys)]
        fresh: dict[str, Choices] = {}
        for key, choices in zip(keys, asked, strict=True):
            if key not in self._known:
                fresh.setdefault(key, choices)
        self._measure_all(fresh, journal)
        for key in keys:
            self.progress.proposals += 1
            one = self._known[key]
            if key in fresh:
                del fresh[key]  # paid for when it was measured
            else:
                self.progress.repeats += 1
                if self._charge_repeats:
                    self.progress.charged += 1
                    self.progress.seconds += one.measured.seconds
            yield one

    def _affordable(self, keys: Sequence[str]) -> int:
        """How many of these proposals, from the first, the budget's number of evaluations pays for."""
        if self.budget.evaluations is None:
            return len(keys)
        left, new = self.budget.evaluations - self.progress.charged, set[str]()
        for number, key in enumerate(keys):
            costs = self._charge_repeats or not (key in self._known or key in new)
            if costs and left == 0:
                return number
            left -= costs
            new.add(key)
        return len(keys)

    def _measure_all(self, fresh: dict[str, Choices], journal: IO[str] | None) -> None:
        jobs = [
            (choices, game_seed(self._seed, len(self.progress.tried) + i) >> 1)
            for i, choices in enumerate(fresh.values())
        ]
        first = len(self.progress.tried)
        recorded = self._recorded[first : first + len(jobs)]
        left = jobs[len(recorded) :]
        if isinstance(self.problem, Timed):
            for choices, _ in left:  # here and one after the other: what runs beside a measurement of time falsifies it
                self.problem.latency_ms(choices)
        answers = self._answers(left)
        for number, (key, choices) in enumerate(fresh.items()):
            if number < len(recorded):
                row = recorded[number]
                if row["key"] != key:
                    raise SearchError(
                        f"{self._folder}: measurement {first + number} of the journal is of another search: {row['key']}, not {key}"
                    )
                measured, failure = Measured(**row["measured"]), str(row["failure"])
            else:
                measured, failure = next(answers)
            one = Tried(first + number, choices, key, measured, failure)
            if journal is not None and number >= len(recorded):
                row = {"key": key, "choices": choices, "measured": asdict(measured), "failure": failure}
                journal.write(json.dumps(row) + "\n")
                journal.flush()
                os.fsync(journal.fileno())
            self._take(one)

    def _answers(self, jobs: Sequence[tuple[Choices, int]]) -> Iterator[tuple[Measured, str]]:
        """Measurements in the order of the jobs, as they come."""
        if self._executor is None or not jobs:
            yield from (_attempt(self.problem, *job) for job in jobs)
            return
        with whole_workers():
            yield from self._executor.map(_attempt, *zip(*[(self.problem, *job) for job in jobs], strict=True))

    def _take(self, one: Tried) -> None:
        progress = self.progress
        self._known[one.key] = one
        progress.tried.append(one)
        progress.charged += 1
        progress.seconds += one.measured.seconds
        keeps = one.measured.valid and (self.limit is None or self.limit.keeps(one.measured))
        if keeps and (progress.best is None or one.measured.value > progress.best.measured.value):
            progress.best = one

    def _reward(self, one: Tried) -> Reward:
        if not one.measured.valid:  # as bad as the worst that worked
            worked = [self._worth(other.measured) for other in self.progress.tried if other.measured.valid]
            return Reward(min(worked, default=0.0), invalid=True)
        return Reward(self._worth(one.measured))

    def _worth(self, found: Measured) -> float:
        return found.value if self.limit is None else self.limit.reward(found)

    def _why_nothing(self) -> str:
        tried = self.progress.tried
        if not tried:
            return "nothing was measured: the budget is spent before the first measurement"
        if all(one.failure for one in tried):
            return f"all {len(tried)} measurements failed; the last: {tried[-1].failure}"
        fastest = min(one.measured.latency_ms or math.inf for one in tried if one.measured.valid)
        assert self.limit is not None
        return f"none of {len(tried)} answers keeps the limit of {self.limit.latency_ms:g} ms; the fastest takes {fastest:.3g} ms"


@contextlib.contextmanager
def whole_workers() -> Iterator[None]:
    """What is measured inside by worker processes: one that dies is told in one line. Raises SearchError."""
    try:
        yield
    except BrokenExecutor:
        raise SearchError(
            "a worker process died, killed or out of memory; what was measured is kept: go on with --resume"
        ) from None


def _attempt(problem: Problem, choices: Choices, seed: int) -> tuple[Measured, str]:
    """Measure; what goes wrong becomes an invalid measurement that cost its time."""
    started = time.monotonic()
    try:
        found = problem.measure(choices, seed)
        if not math.isfinite(found.value):
            return Measured(0.0, found.seconds, found.latency_ms, valid=False), f"the value is {found.value}"
        return found, "" if found.valid else "it is no answer"
    except Exception as error:  # noqa: BLE001  # one bad answer does not end a search of hours
        text = (str(error).splitlines() or [type(error).__name__])[0]
        return Measured(0.0, time.monotonic() - started, valid=False), f"{type(error).__name__}: {text}"


# --- the folder -----------------------------------------------------------------------------------------------------------


def _read(path: Path) -> list[dict[str, Any]]:
    """Measurements of a journal; a last line that a killed process left unfinished is dropped, from the file too."""
    if not path.exists():
        return []
    data = path.read_bytes()
    whole = data[: data.rfind(b"\n") + 1]
    if whole != data:
        write_atomically(path, whole, SearchError)
    rows = []
    for number, line in enumerate(whole.splitlines(), 1):
        try:
            row = json.loads(line)
            Measured(**row["measured"])
            rows.append({"key": str(row["key"]), "measured": row["measured"], "failure": row["failure"]})
        except (ValueError, KeyError, TypeError) as error:
            raise SearchError(f"{path}:{number}: damaged measurement: {error}") from None
    return rows


class _Appending:
    """The journal, open to be appended to; None without a folder."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._file: IO[str] | None = None

    def __enter__(self) -> IO[str] | None:
        if self._folder is not None:
            try:
                self._file = (self._folder / JOURNAL).open("a", encoding="utf-8")
            except OSError as error:
                raise SearchError(f"{self._folder / JOURNAL}: {error.strerror or error}") from None
        return self._file

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()
