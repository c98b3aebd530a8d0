"""A GTP engine in a process of its own, which may crash, hang, or write whatever it likes.

Whatever it does ends in an answer or in a named error within the time allowed: no write, read or end of the process waits for
longer. Source of the framing: Gunnar Farnebäck, Specification of the Go Text Protocol, version 2, draft 2 (2002).
"""

from __future__ import annotations

import contextlib
import os
import re
import selectors
import shlex
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from typing import IO, ClassVar, Final

from alphago.errors import AlphaGoError

TIMEOUT: Final = 30.0
"""Seconds that a command may take where the caller says nothing."""
STDERR_KEPT: Final = 4096
MAX_RESPONSE: Final = 4 << 20
"""Bytes of one response; an engine that writes more without a blank line is not speaking GTP."""
_QUIT_SECONDS: Final = 1.0
_LOOK_SECONDS: Final = 0.25
_CHUNK: Final = 1 << 16
_END: Final = re.compile(rb"\r?\n[ \t]{0,60}\r?\n")
_LONGEST_END: Final = 64


class EngineError(AlphaGoError):
    """An engine did not do its part; the message begins with its name.

    Attributes:
        reason: one word for tables.
    """

    reason: ClassVar[str] = "error"


class EngineCrashed(EngineError):
    """The process ended, or could not be started."""

    reason = "crash"


class EngineTimedOut(EngineError):
    """No whole response in time."""

    reason = "timeout"


class EngineReplied(EngineError):
    """A failure response: `? text`.

    Attributes:
        text: the text, without the question mark.
    """

    reason = "refused"

    def __init__(self, message: str, text: str) -> None:
        super().__init__(message)
        self.text = text


class EngineGarbled(EngineError):
    """Output that is no GTP response, or one that nobody asked for."""

    reason = "garbled"


class GtpProcess:
    """A running engine. One calling thread; `kill` may be called from any. A context manager: leaving it closes.

    The engine leads a process group of its own: Ctrl-C in the terminal does not reach it, and what it has started ends with it.
    Its stderr is read all the time, so that an engine that writes much there cannot block; the last 4 KiB are kept.

    Args:
        command: program and arguments; a string is split as a shell would, but no shell runs it.
        name: for messages; the program's name when None.
        timeout: seconds that a command may take where `ask` is given none.
        cwd, env: of the process; None: ours.

    Raises:
        EngineCrashed: there is no such program, or it cannot be run.
    """

    def __init__(
        self,
        command: str | Sequence[str],
        *,
        name: str | None = None,
        timeout: float = TIMEOUT,
        cwd: str | os.PathLike[str] | None = None,
        env: Mapping[str, str] | None = None,
    ) -> None:
        self.args = split_command(command)
        self.name = name or os.path.basename(self.args[0])
        self.timeout = timeout
        self._buffer = bytearray()
        self._searched = 0  # no end of a response begins before here
        self._tail = bytearray()
        self._tail_lock = threading.Lock()
        self._closed = self._collected = False
        try:
            self._process = subprocess.Popen(
                self.args,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
                cwd=cwd,
                env=env,
                start_new_session=True,
            )
        except OSError as error:
            raise EngineCrashed(f"{self.name}: cannot be started: {self.args[0]}: {error.strerror or error}") from None
        assert self._process.stdin and self._process.stdout and self._process.stderr  # the type checker: all are pipes
        self._stdin, self._stdout = self._process.stdin, self._process.stdout
        os.set_blocking(self._stdin.fileno(), False)
        os.set_blocking(self._stdout.fileno(), False)
        self._reader = threading.Thread(
            target=self._drain_stderr, args=(self._process.stderr,), name=f"{self.name} stderr", daemon=True
        )
        self._reader.start()

    # --- commands -------------------------------------------------------------------------------------------------------

    def ask(self, command: str, timeout: float | None = None) -> str:
        """Send a command and wait for its response.

        Args:
            command: one line, without an id.
            timeout: seconds, of sending and waiting together; None: the constructor's. After a time-out the engine is of
                no more use, since its late response would be taken for the next one: close it.

        Returns:
            The response's text: without the equals sign, blanks and line ends at either end; "" for an empty one.

        Raises:
            EngineReplied: `? text`.
            EngineTimedOut, EngineCrashed, EngineGarbled: as their names say.
        """
        deadline = time.monotonic() + (self.timeout if timeout is None else timeout)
        self.send(command, timeout)
        return self.receive(command, deadline - time.monotonic())

    def send(self, command: str, timeout: float | None = None) -> None:
        """Send a line alone; `receive` takes the response. For commands that answer in their own time, such as analysis."""
        if "\n" in command or "\r" in command:
            raise ValueError(f"one line at a time, got {command!r}")
        self._check_open(command)
        deadline = time.monotonic() + (self.timeout if timeout is None else timeout)
        if not self._buffer:
            self._read_available()
        stray = bytes(self._buffer).strip()
        if stray:
            raise EngineGarbled(f"{self.name}: wrote {_shown(stray)} before it was asked {command!r}")
        rest = memoryview(command.encode("utf-8", "replace") + b"\n")
        while rest:
            try:
                rest = rest[os.write(self._stdin.fileno(), rest) :]
            except BlockingIOError:
                self._wait(self._stdin, selectors.EVENT_WRITE, deadline, command)
            except OSError:  # the reading end is gone
                raise self._crashed(command) from None

    def receive(self, command: str = "", timeout: float | None = None) -> str:
        """Wait for a response. Arguments, result and errors as `ask`'s; `command` is for the messages alone."""
        deadline = time.monotonic() + (self.timeout if timeout is None else timeout)
        while (response := self._take(command)) is None:
            self._check_open(command)
            self._wait(self._stdout, selectors.EVENT_READ, deadline, command)
            if not self._read_available():
                raise self._crashed(command)
        text = response[1:].decode("utf-8", "replace").strip()
        if response[:1] == b"?":
            raise EngineReplied(f"{self.name}: {command!r} failed: {_shown(response[1:].strip())}", text)
        return text

    # --- the process ----------------------------------------------------------------------------------------------------

    @property
    def alive(self) -> bool:
        """Whether the process is still running."""
        return not self._closed and self._status() is None

    @property
    def pid(self) -> int:
        """Of the process, which is its group's too."""
        return self._process.pid

    def stderr_tail(self) -> str:
        """The last 4 KiB that the engine wrote to stderr."""
        with self._tail_lock:
            return self._tail.decode("utf-8", "replace")

    def kill(self) -> None:
        """End the process and all that it has started, at once. A command under way raises EngineCrashed."""
        if not self._collected:
            with contextlib.suppress(ProcessLookupError, PermissionError):  # it ended by itself
                os.killpg(self._process.pid, signal.SIGKILL)

    def close(self, grace: float = _QUIT_SECONDS) -> None:
        """Send `quit`, wait up to `grace` seconds for the process to end, then kill what is left of its group. Twice is fine."""
        if self._closed:
            return
        self._closed = True
        with contextlib.suppress(OSError):  # gone already, or not reading
            os.write(self._stdin.fileno(), b"quit\n")
        with contextlib.suppress(OSError):
            self._stdin.close()
        self._await_end(time.monotonic() + grace)
        self.kill()
        self._collected = True  # from here on its number may become another's
        self._process.wait()
        # A descendant that has left the group may hold the pipe open; it is not waited for.
        self._reader.join(0.5)
        self._stdout.close()

    def __enter__(self) -> GtpProcess:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- inside ---------------------------------------------------------------------------------------------------------

    def _take(self, command: str) -> bytes | None:
        """The first whole response of the buffer; None when there is none yet."""
        buffer = self._buffer
        del buffer[: len(buffer) - len(buffer.lstrip(b" \t\r\n"))]
        if not buffer:
            return None
        if buffer[0] not in b"=?":
            if b"\n" not in buffer and len(buffer) < STDERR_KEPT:
                return None  # the whole line makes a better message
            line = bytes(buffer).split(b"\n", 1)[0].strip()
            raise EngineGarbled(f"{self.name}: answered {command!r} with {_shown(line)}, which is no GTP response")
        end = _END.search(buffer, self._searched)
        if end is None:
            self._searched = max(0, len(buffer) - _LONGEST_END)
            if len(buffer) > MAX_RESPONSE:
                raise EngineGarbled(f"{self.name}: over {MAX_RESPONSE} bytes in answer to {command!r}, without an end")
            return None
        self._searched = 0
        response = bytes(buffer[: end.start()])
        del buffer[: end.end()]
        return response

    def _read_available(self) -> bool:
        """Take what stdout holds. False at its end."""
        try:
            data = os.read(self._stdout.fileno(), _CHUNK)
        except BlockingIOError:
            return True
        except OSError:
            return False
        self._buffer += data
        return bool(data)

    def _wait(self, stream: IO[bytes], event: int, deadline: float, command: str) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(stream, event)
            while (left := deadline - time.monotonic()) > 0:
                if selector.select(min(left, _LOOK_SECONDS)):
                    return
                if self._status() is not None:  # what it has started may keep the pipe open
                    raise self._crashed(command)
        raise EngineTimedOut(f"{self.name}: no answer to {command!r} in time{self._last_words()}")

    def _check_open(self, command: str) -> None:
        if self._closed:
            raise EngineCrashed(f"{self.name}: closed before {command!r}")

    def _crashed(self, command: str) -> EngineCrashed:
        status = self._await_end(time.monotonic() + 0.5)
        self._reader.join(0.2)  # so that the last words are there
        how = "closed its output"
        if status is not None:
            how = f"was ended by signal {-status}" if status < 0 else f"exited with status {status}"
        return EngineCrashed(f"{self.name}: {how} on {command!r}{self._last_words()}")

    def _last_words(self) -> str:
        lines = self.stderr_tail().strip().splitlines()
        return f" (stderr: {_shown(lines[-1].encode())})" if lines else ""

    def _await_end(self, deadline: float) -> int | None:
        """Wait until the process has ended or time is up. Its status as `_status` gives it."""
        while (status := self._status()) is None and time.monotonic() < deadline:
            time.sleep(0.01)
        return status

    def _status(self) -> int | None:
        """None while the process runs, else its exit status, or minus the signal that ended it. Where the system can, the
        process is not collected: its number stays its own, so that its group can still be killed."""
        if self._process.returncode is not None or not hasattr(os, "waitid"):
            return self._process.poll()
        found = os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        if found is None:
            return None
        return found.si_status if found.si_code == os.CLD_EXITED else -found.si_status

    def _drain_stderr(self, stream: IO[bytes]) -> None:
        with stream:
            while True:
                try:
                    data = os.read(stream.fileno(), _CHUNK)
                except OSError:
                    return
                if not data:
                    return
                with self._tail_lock:
                    self._tail += data
                    del self._tail[:-STDERR_KEPT]


def split_command(command: str | Sequence[str]) -> list[str]:
    """Program and arguments. Raises EngineCrashed when there is no program in it, or a quotation without an end."""
    try:
        args = shlex.split(command) if isinstance(command, str) else [*command]
    except ValueError as error:
        raise EngineCrashed(f"cannot be started: {command!r}: {str(error).lower()}") from None
    if not args or not args[0]:
        raise EngineCrashed("cannot be started: the command is empty")
    return args


def _shown(text: bytes) -> str:
    """The beginning of what an engine wrote, as one short quoted line."""
    return repr(" ".join(text[:200].decode("utf-8", "replace").split())[:120])
