"""How openvino and nncf are imported and run: without their telemetry, banners and warnings, and away from signal stacks.

Both report their use to an analytics service unless the package `openvino_telemetry` cannot be imported; then they go without.
A program that imports them before us has made its own choice, which stays.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import io
import logging
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

_TELEMETRY = "openvino_telemetry"
_lock = threading.RLock()
T = TypeVar("T")


@contextlib.contextmanager
def silence() -> Iterator[None]:
    """Let nothing that runs inside print or warn: stdout may belong to a protocol. One thread at a time.

    What is redirected is the whole process's, and tracing a module, which is what goes on inside, is not for two threads either.
    """
    with (
        _lock,
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")
        yield


def openvino() -> Any:
    """The package `openvino`, converter included."""
    return _imported("openvino", "openvino.tools.ovc")


def core() -> Any:
    """The one `openvino.Core` of this process."""
    with _lock:
        return _core()


@functools.cache
def _core() -> Any:
    made = openvino().Core()
    aside(lambda: made.get_property("CPU", "OPTIMIZATION_CAPABILITIES"))  # loads the plugin
    return made


def openvino_has_bf16() -> bool:
    """The processor multiplies bfloat16 numbers itself, by OpenVINO's account."""
    return "BF16" in core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def aside(work: Callable[[], T]) -> T:
    """What `work` returns, run in a thread of its own.

    OpenVINO's CPU plugin gives the thread that loads it another stack for signals, and takes it away when its core goes. With
    several cores the last to go may leave a stack that is gone, and Python handles signals on it: Ctrl-C then ends the process
    with a segmentation fault. A thread that ends takes its stack along.
    """
    with ThreadPoolExecutor(1, thread_name_prefix="aside") as pool:
        return pool.submit(work).result()


def nncf() -> Any:
    """The package `nncf`; its log says errors only."""
    openvino()
    module = _imported("nncf")
    logging.getLogger("nncf").setLevel(logging.ERROR)
    return module


def _imported(name: str, *parts: str) -> Any:
    with _lock:
        if name not in sys.modules or any(part not in sys.modules for part in parts):
            before = sys.modules.get(_TELEMETRY)
            sys.modules[_TELEMETRY] = None  # type: ignore[assignment]  # Python's way to make an import fail
            try:
                with silence():
                    for module in (name, *parts):
                        importlib.import_module(module)
            finally:
                if before is None:
                    del sys.modules[_TELEMETRY]
                else:
                    sys.modules[_TELEMETRY] = before
        return sys.modules[name]
