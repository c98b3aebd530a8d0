"""The published comparison on NAS-Bench-201: many runs of a strategy under one budget, and the mean of what they found.

A run sees 12-epoch validation accuracies of CIFAR-10 and pays the seconds that training took; when 12,000 are spent, the best it
has seen is judged by its accuracies after 200 epochs on three data sets (Dong and Yang 2020). A cell that is tried again
is paid for again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from alphago.controller.nas.controllers import make_controller
from alphago.controller.nas.nasbench201 import BUDGET_SECONDS, JUDGED, LATENCY, REWARD, SECONDS, Table, index_of, space
from alphago.controller.nas.objective import Limit, Measured
from alphago.controller.nas.replay import ReplaySource
from alphago.controller.nas.space import Choices
from alphago.controller.nas.strategies import Evolution, Learning, RandomSearch, Strategy, StrategyError
from alphago.train.baselines import Baseline, MovingAverage, NoBaseline, PerContext
from alphago.train.reinforce import Reinforce
from alphago.train.sources import Reward, SequenceSource


@dataclass(frozen=True)
class Found:
    """What R runs found."""

    cells: NDArray[np.int64]
    """[R]: row of the answer in the table; -1 where no cell kept the limit."""
    evaluations: NDArray[np.int64]
    """[R]: cells that were paid for."""
    improved: tuple[tuple[tuple[float, int], ...], ...] = ()
    """Of each run, simulated seconds and the cell that was the answer from then on."""

    def answers_at(self, seconds: float) -> NDArray[np.int64]:
        """[R]: row of the answer after so many simulated seconds; -1 where there was none yet."""
        return np.array([max((one for one in run if one[0] <= seconds), default=(0.0, -1))[1] for run in self.improved])

    def judged(self, table: Table, columns: tuple[str, ...] = JUDGED) -> NDArray[np.float64]:
        """[R, columns]: accuracies of the answers, percent; NaN without an answer."""
        values = np.stack([table[column][np.maximum(self.cells, 0)] for column in columns], axis=1)
        return np.where(self.cells[:, None] >= 0, values, np.nan)


class _Runs:
    """Books of R runs: what each has seen and spent."""

    def __init__(self, table: Table, count: int, budget: float, reward: str, limit: Limit | None, latency: str) -> None:
        self._reward, self._seconds = table[reward], table[SECONDS]
        self._latency = table[latency] if limit is not None else None
        self._limit, self._budget = limit, budget
        self.best = np.full(count, -np.inf)
        self.cells = np.full(count, -1, dtype=np.int64)
        self.spent = np.zeros(count)
        self.evaluations = np.zeros(count, dtype=np.int64)
        self._improved: list[list[tuple[float, int]]] = [[] for _ in range(count)]

    def is_over(self, run: int) -> bool:
        return bool(self.spent[run] >= self._budget)

    def pay(self, run: int, cell: int) -> float:
        """Evaluate a cell in a run; what the strategy learns from. A run that has spent all sees nothing more."""
        value = float(self._reward[cell])
        measured = Measured(value, latency_ms=None if self._latency is None else float(self._latency[cell]))
        reward = value if self._limit is None else self._limit.reward(measured)
        if self.is_over(run):
            return reward
        self.spent[run] += self._seconds[cell]
        self.evaluations[run] += 1
        if value > self.best[run] and (self._limit is None or self._limit.keeps(measured)):
            self.best[run], self.cells[run] = value, cell
            self._improved[run].append((float(self.spent[run]), cell))
        return reward

    def keeps(self, choices: Choices, _run: int) -> bool:
        """Whether a cell keeps the limit; the table knows without training."""
        assert self._latency is not None and self._limit is not None
        return bool(self._latency[index_of(np.array([choices]))[0]] <= self._limit.latency_ms)

    def found(self) -> Found:
        return Found(self.cells, self.evaluations, tuple(map(tuple, self._improved)))


def run_strategy(
    table: Table,
    make: Callable[[int], Strategy],
    runs: int,
    *,
    seed: int = 0,
    budget: float = BUDGET_SECONDS,
    reward: str = REWARD,
    limit: Limit | None = None,
    latency: str = LATENCY,
) -> Found:
    """Runs of a strategy that proposes one cell at a time, one after the other; `make` takes a run's seed."""
    books = _Runs(table, runs, budget, reward, limit, latency)
    for run in range(runs):
        strategy = make(seed + run)
        while not books.is_over(run):
            asked = strategy.ask()
            cells = index_of(np.array(asked)).tolist()
            strategy.tell([Reward(books.pay(run, cell)) for cell in cells])
    return books.found()


def run_random(table: Table, runs: int, *, seed: int = 0, **more: object) -> Found:
    """Random search."""
    return run_strategy(table, lambda s: RandomSearch(space(), s), runs, seed=seed, **more)  # type: ignore[arg-type]


def run_evolution(
    table: Table, runs: int, *, seed: int = 0, population: int = 10, sample: int = 3, **more: object
) -> Found:
    """Regularised evolution; the published comparison has a population of 10 and samples of 3."""

    def make(s: int) -> Strategy:
        return Evolution(space(), s, population=population, sample=sample)

    return run_strategy(table, make, runs, seed=seed, **more)  # type: ignore[arg-type]


def run_learned(
    table: Table,
    runs: int,
    learning: Learning,
    *,
    controller: str = "factorised",
    seed: int = 0,
    budget: float = BUDGET_SECONDS,
    reward: str = REWARD,
    limit: Limit | None = None,
    latency: str = LATENCY,
    screen: bool = False,
) -> Found:
    """Runs of the REINFORCE trainer side by side: a replica of the controller for each, one trainer, one sequence a run and update.

    Args:
        screen: cells that break the limit are not trained but drawn again, by what the table says of their latency.

    Raises:
        StrategyError: `screen` without a limit, or without replay in the learning.
    """
    books = _Runs(table, runs, budget, reward, limit, latency)
    cells = space()
    policy = make_controller(
        controller, cells, replicas=runs, seed=seed, hidden=learning.hidden, bias_rate=learning.bias_rate
    )
    source: SequenceSource
    baseline: Baseline
    if screen and (limit is None or learning.replay is None):
        raise StrategyError("a study screens cells by a limit, in learning with replay")
    if learning.replay is None:
        source = SequenceSource(seed=seed, contexts=range(runs), cache=False)
        baseline = PerContext(lambda: MovingAverage(learning.decay))
    else:
        accept = books.keeps if screen else None
        source = ReplaySource(learning.replay, seed=seed, contexts=range(runs), accept=accept)
        baseline = NoBaseline()
    each = learning.settings.episodes
    settings = learning.settings.model_copy(update={"episodes": runs * each, "clip": 0.0, "steps_at_once": 1 << 20})
    trainer = Reinforce(policy, source, settings, baseline=baseline)
    while not all(map(books.is_over, range(runs))):
        asked = source.ask(policy, runs * each)
        found = index_of(np.array([choices for _, choices, _ in asked])).tolist()
        for (number, _, run), cell in zip(asked, found, strict=True):
            source.tell(number, Reward(books.pay(run, cell)))
        trainer.learn(source.episodes())
    return books.found()
