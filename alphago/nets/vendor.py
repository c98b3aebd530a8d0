"""How openvino and nncf are imported: without their telemetry, banners and warnings.

Both report their use to an analytics service unless the package `openvino_telemetry` cannot be imported; then they go without.
A program that imports them before us has made its own choice, which stays.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import logging
import sys
import threading
import warnings
from collections.abc import Iterator
from typing import Any

_TELEMETRY = "openvino_telemetry"
_lock = threading.RLock()


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
