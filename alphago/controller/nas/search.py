"""The search: a strategy proposes, a problem measures, nothing is measured twice, and a journal makes every search repeatable.

A search is a function of its settings and of what was measured. The journal holds what was measured, in order, a line the moment
it is known; a search that is killed begins anew, finds its measurements in the journal, and so comes to where it was.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

from alphago.controller.nas.journal import Journal, SearchError
from alphago.controller.nas.measuring import answers
from alphago.controller.nas.objective import Budget, Limit, Measured, Problem
from alphago.controller.nas.space import Choices
from alphago.controller.nas.strategies import Strategy
from alphago.seeds import game_seed
from alphago.train.sources import Reward

PATIENCE: Final = 500
"""Batches in a row without anything new, after which a search has converged."""


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
        timeout: seconds after which a measurement by workers has failed; None: never.

    Raises:
        SearchError: the journal is damaged.
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
        timeout: float | None = None,
    ) -> None:
        self.problem, self.strategy, self.budget, self.limit = problem, strategy, budget, limit
        self.progress = Progress()
        self._seed, self._executor, self._timeout = seed, executor, timeout
        self._charge_repeats = charge_repeats
        self._known: dict[str, Tried] = {}
        self._journal = Journal(folder)
        self.progress.recorded = len(self._journal.rows)
        self._stop = False

    def stop(self) -> None:
        """End after the batch under way; from any thread or a signal handler."""
        self._stop = True

    def run(self, on_batch: Callable[[Progress], None] | None = None) -> bool:
        """Search until the budget is spent. False: stopped before.

        Raises:
            SearchError: the journal is of another search, or another process adds to it; nothing but failures, or no answer keeps
                the limit.
            AlphaGoError: what all measurements stand on is wrong, says the problem. What was measured is kept.
        """
        progress, idle = self.progress, 0
        with self._journal.held():
            while not self.budget.is_spent(progress.charged, progress.seconds):
                if self._stop:
                    return False
                asked = self.strategy.ask()
                before = progress.charged, progress.seconds
                rewards = [self._reward(one) for one in self._measured(asked)]
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

    def _measured(self, asked: Sequence[Choices]) -> Iterator[Tried]:
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
        self._measure_all(fresh)
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

    def _measure_all(self, fresh: dict[str, Choices]) -> None:
        jobs = [
            (choices, game_seed(self._seed, len(self.progress.tried) + i) >> 1)
            for i, choices in enumerate(fresh.values())
        ]
        first = len(self.progress.tried)
        recorded = self._journal.rows[first : first + len(jobs)]
        left = jobs[len(recorded) :]
        found = answers(self.problem, left, self._executor, self._timeout)
        for number, (key, choices) in enumerate(fresh.items()):
            if number < len(recorded):
                row = recorded[number]
                if row["key"] != key:
                    where = f"{self._journal.folder}: measurement {first + number} of the journal"
                    raise SearchError(f"{where} is of another search: {row['key']}, not {key}")
                measured, failure = Measured(**row["measured"]), str(row["failure"])
            else:
                measured, failure = next(found)
            one = Tried(first + number, choices, key, measured, failure)
            if number >= len(recorded):
                self._journal.append({"key": key, "choices": choices, "measured": asdict(measured), "failure": failure})
            self._take(one)

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
