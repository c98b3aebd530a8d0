"""The loop that joins a pool of searches with the networks: collect, evaluate, apply, in worker threads.

A pool without networks works by itself, in C++ threads; it is run in short slices, so that the caller keeps control.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from alphago import _core
    from alphago.nets.evaluator import Evaluator

SLICE_SECONDS: Final = 0.2
"""Longest time without a call of `on_progress` while a pool without networks runs; also the delay of Ctrl-C."""
POLL_SECONDS: Final = 0.02
"""Time between calls of `on_progress` while networks work: short against the time in which a slot's game ends."""


def drive(
    pool: _core.SearchPool,
    workers: Sequence[Sequence[Evaluator]],
    on_progress: Callable[[], None],
    until: Callable[[], bool],
) -> None:
    """Work on the pool's searches until `until()` holds.

    Both callables run in the calling thread alone, first before any work: `on_progress` takes finished games and starts new
    ones, `until` says when it is enough. What is in flight then is applied, so that every started search may go on later.

    Args:
        pool: its searches; more may be started at any time, from `on_progress` too.
        workers: for each worker thread one evaluator a network of the pool, in the pool's order; no evaluator is used by two
            threads. Empty for a pool without networks.
        on_progress: called every few hundredths of a second.

    Raises:
        Exception: what a worker or a callable raised, after all workers have ended.
        KeyboardInterrupt: Ctrl-C, likewise; `pool.stop()` was called, games played by the pool itself are given up.
    """
    if workers:
        _Workers(pool, workers).run(on_progress, until)
        return
    # A slot whose game ended is idle until the caller starts the next: come back when a quarter of them may be.
    games = max(1, pool.n_slots // 4)
    try:
        while True:
            on_progress()
            if until():
                return
            pool.run(seconds=SLICE_SECONDS, games=games)
    except KeyboardInterrupt:
        pool.stop()
        raise


class _Workers:
    """The threads of one `drive`, and the first thing that went wrong in one of them."""

    def __init__(self, pool: _core.SearchPool, workers: Sequence[Sequence[Evaluator]]):
        self._pool = pool
        self._failures: list[BaseException] = []
        self._ended = threading.Event()
        self._threads = [
            threading.Thread(target=self._work, args=(evaluators,), name=f"evaluator-{i}", daemon=True)
            for i, evaluators in enumerate(workers)
        ]

    def run(self, on_progress: Callable[[], None], until: Callable[[], bool]) -> None:
        started: list[threading.Thread] = []
        try:
            while True:
                on_progress()
                if until() or self._failures:
                    break
                if not started:  # after the first on_progress, which fills the slots: the first batches are full ones
                    for thread in self._threads:
                        thread.start()
                        started.append(thread)
                self._ended.wait(POLL_SECONDS)
        except KeyboardInterrupt:
            self._pool.stop()
            raise
        finally:
            self._ended.set()
            for thread in started:
                thread.join()
        if self._failures:
            raise self._failures[0]

    def _work(self, evaluators: Sequence[Evaluator]) -> None:
        try:
            buffers = [evaluator.buffers() for evaluator in evaluators]
            # A batch costs the same full or not: partial ones are taken only when nothing else is out to be applied.
            min_rows = min(evaluator.batch for evaluator in evaluators)
            while not self._ended.is_set():
                ticket = self._pool.collect(buffers, min_rows)
                if ticket.rows == 0:
                    continue  # collect has waited for 2 ms
                planes, globals_ = buffers[ticket.network]
                outputs = evaluators[ticket.network].evaluate(planes, globals_)
                self._pool.apply(ticket, outputs.policy, outputs.value, outputs.score)
        except BaseException as error:  # noqa: BLE001  # handed to the caller of drive()
            self._failures.append(error)
            self._ended.set()
