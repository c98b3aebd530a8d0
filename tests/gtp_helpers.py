"""A client's end of a GTP session: in this process (quick), or with `alphago gtp` in a process of its own."""

from __future__ import annotations

import contextlib
import os
import re
import select
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from alphago.go import Rules
from alphago.gtp.main import run
from alphago.gtp.session import Settings
from alphago.search.bot import Bot
from alphago.search.levels import LEVELS
from conftest import ROOT

FRAME = re.compile(rb"([=?])(\d*)([ \n].*?)?\n\n", re.DOTALL)
"""A whole response: sign, id, and a text without a blank line inside."""


class Silence(AssertionError):
    """No whole response came in time."""


class Client:
    """Writes to one file descriptor and reads from another, as any GTP client does."""

    def __init__(self, write_fd: int, read_fd: int) -> None:
        self._write_fd, self._read_fd = write_fd, read_fd
        self._buffer = b""

    def send(self, text: str | bytes) -> None:
        """As it is; the newline is the caller's."""
        data = memoryview(text.encode() if isinstance(text, str) else text)
        while data:
            data = data[os.write(self._write_fd, data) :]

    def until(self, end: bytes, seconds: float = 20.0) -> str:
        """What comes up to and with `end`."""
        deadline = time.monotonic() + seconds
        while end not in self._buffer:
            self._fill(deadline)
        found, _, self._buffer = self._buffer.partition(end)
        return (found + end).decode()

    def response(self, seconds: float = 20.0) -> str:
        """The next whole response, as it is. AssertionError when it is not well formed."""
        text = self.until(b"\n\n", seconds)
        assert FRAME.fullmatch(text.encode()), f"no response: {text!r}"
        return text

    def line(self, seconds: float = 20.0) -> str:
        """The next line without its newline."""
        return self.until(b"\n", seconds)[:-1]

    def reply(self, command: str, seconds: float = 20.0) -> str:
        """The response to a command, without the blank line and trailing blanks."""
        self.send(command + "\n")
        return self.response(seconds).rstrip()

    def ok(self, command: str, seconds: float = 20.0) -> str:
        """The text of a successful response."""
        found = self.reply(command, seconds)
        assert found.startswith("="), f"{command}: {found}"
        return found[1:].strip()

    def is_quiet(self, seconds: float) -> bool:
        """Whether nothing comes for so long, and nothing has come."""
        if self._buffer:
            return False
        return not select.select([self._read_fd], [], [], seconds)[0]

    def rest(self, seconds: float = 20.0) -> str:
        """Everything until the other side closes."""
        deadline = time.monotonic() + seconds
        found = b""
        try:
            while True:
                self._fill(deadline)
        except EOFError:
            found, self._buffer = self._buffer, b""
        return found.decode()

    def _fill(self, deadline: float) -> None:
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([self._read_fd], [], [], left)[0]:
            raise Silence(f"no whole answer in time; so far: {self._buffer[-500:]!r}")
        data = os.read(self._read_fd, 1 << 16)
        if not data:
            raise EOFError(f"closed; so far: {self._buffer[-500:]!r}")
        self._buffer += data


def small_bot() -> Bot:
    """One thread, never resigns."""
    return Bot("max", threads=1, memory_mib=64, seed=1, resign=False)


def quick(**values: object) -> Settings:
    """Settings of a few simulations a move."""
    return Settings(**{"simulations": 16, "version": "1.2.3"} | values)  # type: ignore[arg-type]


@contextlib.contextmanager
def served(
    settings: Settings | None = None,
    make_bot: Callable[[], Bot] = small_bot,
    *,
    rules: str = "chinese-ogs",
    size: int = 9,
    komi: float | None = None,
) -> Iterator[Client]:
    """A session in this process. What it raised is raised at the end; and it must end when its input does."""
    their_in, our_out = os.pipe()
    our_in, their_out = os.pipe()
    failures: list[BaseException] = []
    source, sink = os.fdopen(their_in, "rb"), os.fdopen(their_out, "wb")

    def work() -> None:
        try:
            run(make_bot, settings or quick(), Rules.named(rules), size, komi, source, sink)
        except BaseException as error:  # noqa: BLE001  # raised again below
            failures.append(error)
        finally:
            _close(sink)

    thread = threading.Thread(target=work, name="served", daemon=True)
    thread.start()
    try:
        yield Client(our_out, our_in)
    except EOFError:
        thread.join(5)
        if failures:  # the reason is worth more than the symptom
            raise failures[0] from None
        raise
    finally:
        os.close(our_out)
        _drain(our_in, thread)
        os.close(our_in)
        for reader in threading.enumerate():
            if reader.name in ("gtp-input", "gtp-loading"):
                reader.join(5)  # the reader could take the first bytes of the next session, whose pipe has its number
        _close(source)
    assert not thread.is_alive(), "the session does not end with its input"
    if failures:
        raise failures[0]


def _drain(fd: int, thread: threading.Thread) -> None:
    """Take what is still written, so that nobody waits for a full pipe."""
    deadline = time.monotonic() + 20
    while thread.is_alive() and time.monotonic() < deadline:
        if select.select([fd], [], [], 0.02)[0] and not os.read(fd, 1 << 16):
            break
    thread.join(max(0.0, deadline - time.monotonic()))


def _close(stream: BinaryIO) -> None:
    with contextlib.suppress(OSError):  # the other end has gone
        stream.close()


COMMAND = (sys.executable, "-m", "alphago.cli", "gtp")


class Process(Client):
    """`alphago gtp` in a process of its own."""

    def __init__(self, *options: str, cwd: Path = ROOT, command: Iterable[str] = COMMAND) -> None:
        self.process = subprocess.Popen(
            [*command, *options], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=cwd
        )
        assert self.process.stdin and self.process.stdout
        super().__init__(self.process.stdin.fileno(), self.process.stdout.fileno())

    def end(self, seconds: float = 10.0) -> tuple[int, str, str]:
        """Wait for its end: exit status, the rest of stdout, stderr."""
        found = self.rest(seconds)
        status = self.process.wait(seconds)
        assert self.process.stderr
        return status, found, self.process.stderr.read().decode()


@contextlib.contextmanager
def process(*options: str, cwd: Path = ROOT, command: Iterable[str] = COMMAND) -> Iterator[Process]:
    """A process that is gone afterwards whatever happens."""
    one = Process(*options, cwd=cwd, command=command)
    try:
        yield one
    finally:
        if one.process.poll() is None:
            one.process.kill()
        one.process.wait(10)
        for stream in (one.process.stdin, one.process.stdout, one.process.stderr):
            assert stream
            _close(stream)  # type: ignore[arg-type]


_REQUEST = "> "
_NUMBER = r"-?\d+(?:\.\d+)?"
_PV = r"pv \1(?: [A-HJ-T]\d+)*"
_SHORT = {
    "<n>": _NUMBER,
    "<lz D4>": rf"info move (D4) visits \d+ winrate \d+ prior \d+ lcb -?\d+ order 0 {_PV}",
    "<kata D4>": rf"info move (D4) visits \d+ edgeVisits \d+ utility {_NUMBER} winrate {_NUMBER} scoreMean {_NUMBER} "
    rf"scoreStdev 0 scoreLead {_NUMBER} scoreSelfplay {_NUMBER} prior {_NUMBER} lcb {_NUMBER} utilityLcb {_NUMBER} "
    rf"weight \d+ order 0 {_PV}",
}


def pattern(text: str) -> re.Pattern[str]:
    """A regular expression in which `<n>` is a number, `<lz D4>` and `<kata D4>` are the blocks of an analysis of D4."""
    for short, long in _SHORT.items():
        text = text.replace(short, long)
    return re.compile(text)


def script(text: str) -> list[tuple[str, list[str]]]:
    """`> request` and the lines of its reply below it; a line that begins with `~ ` is a pattern."""
    found: list[tuple[str, list[str]]] = []
    text = text.replace("<levels>", ", ".join(LEVELS)).replace("<levels/>", "/".join(LEVELS))
    for line in text.strip("\n").split("\n"):
        if line.startswith(_REQUEST):
            found.append((line.removeprefix(_REQUEST), []))
        elif line:
            found[-1][1].append(line)
    return found


def check_script(client: Client, text: str) -> int:
    """Play a transcript: every reply must be the one it says, line by line. Returns the number of requests."""
    requests = script(text)
    for request, wanted in requests:
        got = [line.rstrip() for line in client.reply(request).split("\n")]
        assert len(got) == len(wanted), f"{request}: {got}"
        for line, want in zip(got, wanted, strict=True):
            matches = pattern(want[2:]).fullmatch(line) if want.startswith("~ ") else line == want
            assert matches, f"{request}: {line!r} is not {want!r}"
    return len(requests)
