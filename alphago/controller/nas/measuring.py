"""Measurements of a batch, here or by worker processes: what goes wrong with one of them is told, and ends no search."""

from __future__ import annotations

import concurrent.futures
import contextlib
import math
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import BrokenExecutor, Executor, Future
from typing import TypeAlias

from alphago.controller.nas.journal import SearchError
from alphago.controller.nas.objective import Measured, Problem, Timed
from alphago.controller.nas.space import Choices
from alphago.controller.nas.workers import Workers
from alphago.errors import AlphaGoError

Job: TypeAlias = tuple[Choices, int]
"""Choices, and the seed of their measurement."""
Answer: TypeAlias = tuple[Measured, str]
"""What was measured, and why there is no value ("" where there is one)."""


def answers(
    problem: Problem, jobs: Sequence[Job], executor: Executor | None = None, timeout: float | None = None
) -> Iterator[Answer]:
    """Measurements in the order of the jobs, as they come.

    A latency that the problem knows without training is asked for here, one after the other, before anything is measured: what
    runs beside a measurement of time falsifies it. When a worker process dies, or none has ended a measurement for `timeout`
    seconds, others take its place, and what was under way is measured anew, each alone: what fails then has failed.

    Args:
        executor: where to measure; None: here.
        timeout: seconds that a measurement may take; only `Workers` can be held to it.

    Raises:
        AlphaGoError: what all measurements stand on is wrong. SearchError: a process of an executor that is no `Workers` died.
    """
    failed: dict[int, Answer] = {}
    if isinstance(problem, Timed):
        for place, (choices, _) in enumerate(jobs):
            started = time.monotonic()
            try:
                problem.latency_ms(choices)
            except AlphaGoError:
                raise
            except Exception as error:  # noqa: BLE001  # as of a measurement
                failed[place] = _failed(error, started)
    left = [job for place, job in enumerate(jobs) if place not in failed]
    found = _here(problem, left) if executor is None else _by_workers(problem, left, executor, timeout)
    for place in range(len(jobs)):
        yield failed[place] if place in failed else next(found)


def _here(problem: Problem, jobs: Sequence[Job]) -> Iterator[Answer]:
    yield from (attempt(problem, *job) for job in jobs)


def attempt(problem: Problem, choices: Choices, seed: int) -> Answer:
    """Measure; what goes wrong with this answer becomes an invalid measurement that cost its time.

    Raises:
        AlphaGoError: the problem says that what all measurements stand on is wrong: the next would end alike.
    """
    started = time.monotonic()
    try:
        found = problem.measure(choices, seed)
        if not math.isfinite(found.value):
            return Measured(0.0, found.seconds, found.latency_ms, valid=False), f"the value is {found.value}"
        return found, "" if found.valid else "it is no answer"
    except AlphaGoError:
        raise
    except Exception as error:  # noqa: BLE001  # one bad answer does not end a search of hours
        return _failed(error, started)


def _failed(error: Exception, started: float) -> Answer:
    text = (str(error).splitlines() or [type(error).__name__])[0]
    return Measured(0.0, time.monotonic() - started, valid=False), f"{type(error).__name__}: {text}"


def _in_worker(problem: Problem, choices: Choices, seed: int) -> Answer:
    try:
        return attempt(problem, choices, seed)
    except AlphaGoError as error:
        raise SearchError(str(error)) from None  # whatever else it holds may not travel between processes


# --- by workers -------------------------------------------------------------------------------------------------------------


class _Hangs(Exception):
    """Nothing has ended for too long."""


def _by_workers(problem: Problem, jobs: Sequence[Job], executor: Executor, timeout: float | None) -> Iterator[Answer]:
    futures: list[Future[Answer]] = []
    place = 0
    try:
        futures += [executor.submit(_in_worker, problem, *job) for job in jobs]
        while place < len(jobs):
            found = _ended(futures[place], futures, timeout)
            place += 1
            yield found
        return
    except (BrokenExecutor, _Hangs):
        _renew(executor)
    for number in range(place, len(jobs)):
        kept = _kept(futures[number]) if number < len(futures) else None
        yield _alone(problem, jobs[number], executor, timeout) if kept is None else kept


def _ended(future: Future[Answer], all_: Sequence[Future[Answer]], timeout: float | None) -> Answer:
    """Its result, once there is one. Raises _Hangs: for so many seconds none of all has ended."""
    while not future.done():
        waiting = [one for one in all_ if not one.done()]
        ended, _ = concurrent.futures.wait(waiting, timeout, concurrent.futures.FIRST_COMPLETED)
        if waiting and not ended:
            raise _Hangs
    return future.result()


def _kept(future: Future[Answer]) -> Answer | None:
    """The result of one that had ended before the others were lost."""
    if not future.done() or future.cancelled():
        return None
    try:
        return future.result()
    except BrokenExecutor:
        return None


def _alone(problem: Problem, job: Job, executor: Executor, timeout: float | None) -> Answer:
    started = time.monotonic()
    try:
        executor.submit(_nothing).result()  # beginning a process is no part of the time that it may take
        return executor.submit(_in_worker, problem, *job).result(timeout)
    except BrokenExecutor:
        text = "its process died, killed or out of memory"
    except concurrent.futures.TimeoutError:
        text = f"it took longer than {timeout:g} s"
    _renew(executor)
    return Measured(0.0, time.monotonic() - started, valid=False), text


def _nothing() -> None:
    pass


def _renew(executor: Executor) -> None:
    if not isinstance(executor, Workers):
        raise _died()
    executor.renew()


@contextlib.contextmanager
def whole_workers() -> Iterator[None]:
    """What is measured inside by worker processes: one that dies is told in one line. Raises SearchError."""
    try:
        yield
    except BrokenExecutor:
        raise _died() from None


def _died() -> SearchError:
    return SearchError("a worker process died, killed or out of memory; what was measured is kept: go on with --resume")
