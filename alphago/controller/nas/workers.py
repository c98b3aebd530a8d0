"""Processes that measure side by side. They leave Ctrl-C to the process that began them, and end with it, however it ends."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from multiprocessing.connection import wait
from typing import Any, Final

import torch

from alphago.errors import AlphaGoError

MOST: Final = 256


class WorkersError(AlphaGoError):
    """A number of processes that cannot be."""


class Workers(Executor):
    """So many processes, with one thread of torch each. Raises WorkersError: `count` is not 1 to `MOST`."""

    def __init__(self, count: int) -> None:
        check_workers(count)
        self.count = count
        self._others = set(multiprocessing.active_children())
        self._pool = self._made()

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """As of any executor."""
        return self._pool.submit(fn, *args, **kwargs)

    def renew(self) -> None:
        """Put other processes in the place of these, whatever these do; what they have not ended is lost."""
        self.kill()
        self._pool = self._made()

    def kill(self) -> None:
        """End the processes now."""
        for process in set(multiprocessing.active_children()) - self._others:
            process.kill()  # one that hangs may not listen to anything milder
        self._pool.shutdown(wait=True, cancel_futures=True)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """As of any executor."""
        self._pool.shutdown(wait=wait, cancel_futures=cancel_futures)

    def _made(self) -> ProcessPoolExecutor:
        method = "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"
        return ProcessPoolExecutor(self.count, mp_context=multiprocessing.get_context(method), initializer=_begin)


def check_workers(count: int) -> None:
    """Raises WorkersError: so many there cannot be."""
    if not 1 <= count <= MOST:
        raise WorkersError(f"worker processes must be 1 to {MOST}, got {count}")


@contextlib.contextmanager
def worker_pool(count: int, *, always: bool = False) -> Iterator[Workers | None]:
    """So many processes; None where one is enough and measurements run here.

    When the body ends by an exception, measurements under way are given up.

    Args:
        always: one process is one beside this, so that what hangs in it can be ended.

    Raises:
        WorkersError: `count` is not 1 to `MOST`.
    """
    check_workers(count)
    if count == 1 and not always:
        yield None
        return
    pool = Workers(count)
    try:
        yield pool
    except BaseException:
        pool.kill()
        raise
    pool.shutdown()


def _begin() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(1)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()


def _end_with(sentinel: int) -> None:
    """A parent that was killed closes no pipe that its workers wait on: without this they would wait for ever."""
    wait([sentinel])
    os._exit(1)
