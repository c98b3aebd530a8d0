"""Puts the pieces of a GTP session together."""

from __future__ import annotations

import functools
import os
import signal
import sys
from collections.abc import Callable
from types import FrameType
from typing import BinaryIO

from alphago.go import Rules
from alphago.gtp import analyze_commands, core, server_commands
from alphago.gtp.protocol import Input, Output, claim_stdout, serve
from alphago.gtp.registry import COMMANDS, handle
from alphago.gtp.session import Session, Settings
from alphago.search.bot import Bot

# Their import fills the table of commands.
MODULES = (core, analyze_commands, server_commands)


def run(
    make_bot: Callable[[], Bot],
    settings: Settings,
    rules: Rules,
    size: int,
    komi: float | None,
    source: BinaryIO | None = None,
    sink: BinaryIO | None = None,
) -> None:
    """Serve GTP until `quit` or the end of the input.

    Args:
        source, sink: None: the process's stdin and stdout, which from then on belongs to the protocol.
    """
    assert COMMANDS
    owns_process = sink is None
    if sink is None:
        sink = claim_stdout()
        for name in ("SIGTERM", "SIGHUP"):
            if hasattr(signal, name):
                signal.signal(getattr(signal, name), _end)
    lines = Input(source or sys.stdin.buffer)
    session = Session(make_bot, lines, settings, rules, size, komi)
    try:
        serve(functools.partial(handle, session), lines, Output(sink))
    except (BrokenPipeError, SystemExit):
        pass  # the client went away, or a signal came
    finally:
        session.stop()
    if owns_process and session.is_loading:
        # A thread that is loading cannot be interrupted, and an interpreter that takes its threads down in C++ aborts.
        sys.stderr.flush()
        os._exit(0)


def _end(number: int, frame: FrameType | None) -> None:
    raise SystemExit(0)
