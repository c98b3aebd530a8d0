"""The wire: lines in, framed responses out, on a stdout that nothing else can write to.

Source: Gunnar Farnebäck, Specification of the Go Text Protocol, version 2, draft 2 (2002). A thread reads, so that a search
learns at once that a client has sent something; commands are carried out strictly in order.
"""

from __future__ import annotations

import math
import os
import queue
import re
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO, Final

MAX_LINE: Final = 1 << 17
"""Bytes of a line that are looked at; the rest of a longer one is thrown away."""
MAX_WAITING: Final = 1 << 24
"""Bytes read ahead of the command being carried out, about; then reading waits."""

_CHUNK: Final = 1 << 16
_LINE_COST: Final = 128
"""Bytes that a line takes in the queue besides its text."""

_TOGETHER: Final = 0.05
"""Seconds within which lines count as sent at once."""

_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_ID: Final = re.compile(r"([0-9]{1,32})(?:\s+|$)")


class GtpError(Exception):
    """A command fails: the text after `? `."""


@dataclass(frozen=True)
class Request:
    """One command line."""

    id: str
    """Digits, or nothing."""
    command: str
    args: list[str]
    rest: str
    """Everything after the command, as it was."""


def parse(line: str) -> Request | None:
    """A line without its newline; None for an empty one, a comment, or an id alone.

    Control characters go (a carriage return too), tabs become blanks, a comment starts at `#`.
    """
    text = _CONTROL.sub("", line).replace("\t", " ").split("#", 1)[0].strip()
    match = _ID.match(text)
    number = ""
    if match:
        number, text = match.group(1), text[match.end() :].strip()
    if not text:
        return None
    command, _, rest = text.partition(" ")
    rest = rest.strip()
    return Request(number, command, rest.split(), rest)


class Output:
    """Framed responses on a stream of bytes. One writer at a time."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def respond(self, number: str, text: str, *, success: bool = True) -> None:
        """A whole response. Blank lines inside are closed up, since a blank line ends it.

        A text that begins with a newline, as diagrams do, begins below the `=`.
        """
        lines = [line.rstrip() for line in text.replace("\r", "").split("\n")]
        body = "\n" * text.startswith("\n") + "\n".join(line for line in lines if line)
        self.write(f"{'=' if success else '?'}{number} {body}\n\n")

    def begin(self, number: str) -> None:
        """The first line of a response that goes on for a while; `end` closes it."""
        self.write(f"={number}\n")

    def line(self, text: str) -> None:
        """One line of such a response."""
        self.write(text + "\n")

    def end(self) -> None:
        """The blank line."""
        self.write("\n")

    def write(self, text: str) -> None:
        self._stream.write(text.encode("utf-8", "replace"))
        self._stream.flush()


class Input:
    """Lines from a stream, read by a thread.

    `waiting()` tells a search that a line has come; `hurry()` that the client has sent `quit` or has gone while it was thinking.
    A `quit` that was sent along with the commands before it, as scripts do, waits for them. `interrupted()` tells that the
    client wants the answer now (GoGui: a comment `# interrupt`).
    """

    def __init__(self, stream: BinaryIO) -> None:
        # Not the buffered stream: one that a thread waits in cannot be closed when the process ends, and aborts it.
        self._stream = getattr(stream, "raw", stream)
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._came = self._taken = 0  # bytes; each written by one thread alone
        self._quit_at = self._interrupted_at = -math.inf
        self._started_at = math.inf
        self._in_hurry = False
        self._thread = threading.Thread(target=self._read, name="gtp-input", daemon=True)
        self._thread.start()

    def next(self) -> str | None:
        """The next line without its newline; None at the end of the input."""
        line = self._lines.get()
        self._started_at = time.monotonic()
        if line is not None:
            self._taken += len(line) + _LINE_COST
        return line

    def waiting(self) -> bool:
        """Whether a line, or the end of the input, is there to be taken."""
        return not self._lines.empty()

    def hurry(self) -> bool:
        """Whether `quit` or the end of the input has come while a command was carried out; it stays so."""
        if self._quit_at > self._started_at + _TOGETHER:
            self._in_hurry = True
        return self._in_hurry

    def interrupted(self) -> bool:
        """Whether `# interrupt` has come while the present command is carried out."""
        return self._interrupted_at > self._started_at

    def _read(self) -> None:
        held = b""
        while True:
            try:
                chunk = self._stream.read(_CHUNK)
            except (OSError, ValueError):
                chunk = b""
            if not chunk:
                if held:
                    self._put(held)
                self._quit_at = time.monotonic()
                self._lines.put(None)
                return
            *lines, held = (held + chunk).split(b"\n")
            held = held[:MAX_LINE]
            for line in lines:
                self._put(line[:MAX_LINE])
            while self._came - self._taken > MAX_WAITING:
                time.sleep(0.01)

    def _put(self, raw: bytes) -> None:
        line = raw.decode("utf-8", "replace")
        request = parse(line)
        if request is not None and request.command == "quit":
            self._quit_at = time.monotonic()
        elif line.split() == ["#", "interrupt"]:
            self._interrupted_at = time.monotonic()
        self._came += len(line) + _LINE_COST
        self._lines.put(line)


def claim_stdout() -> BinaryIO:
    """The process's stdout for the protocol alone: what libraries print there from now on goes to stderr."""
    sys.stdout.flush()
    mine = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    return _Whole(mine)  # type: ignore[return-value]


class _Whole:
    """An unbuffered stream whose write() writes everything."""

    def __init__(self, raw: BinaryIO) -> None:
        self._raw = raw

    def write(self, data: bytes) -> int:
        view = memoryview(data)
        while view:
            view = view[self._raw.write(view) :]
        return len(data)

    def flush(self) -> None:
        pass


def serve(
    handle: Callable[[Request, Output], bool],
    source: Input,
    output: Output,
) -> None:
    """Carry out commands until `handle` answers False or the input ends.

    Args:
        handle: writes exactly one response for its request.
    """
    while (line := source.next()) is not None:
        request = parse(line)
        if request is not None and not handle(request, output):
            return
