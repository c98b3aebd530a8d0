"""Processes that measure side by side. They leave Ctrl-C to the process that began them, and end with it, however it ends."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from multiprocessing.connection import wait

import torch

from alphago.errors import AlphaGoError


class WorkersError(AlphaGoError):
    """A number of processes that cannot be."""


@contextlib.contextmanager
def worker_pool(count: int) -> Iterator[Executor | None]:
    """So many processes, with one thread of torch each; None where one is enough and measurements run here.

    When the body ends by an exception, measurements under way are given up.

    Raises:
        WorkersError: `count` is not 1 to 256.
    """
    if not 1 <= count <= 256:
        raise WorkersError(f"worker processes must be 1 to 256, got {count}")
    if count == 1:
        yield None
        return
    before = set(multiprocessing.active_children())
    method = "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"
    pool = ProcessPoolExecutor(count, mp_context=multiprocessing.get_context(method), initializer=_begin)
    try:
        yield pool
    except BaseException:
        for process in set(multiprocessing.active_children()) - before:
            process.terminate()
        pool.shutdown(wait=True, cancel_futures=True)
        raise
    pool.shutdown(wait=True)


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
