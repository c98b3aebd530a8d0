"""Regression tests of GTP engines: `.tst` files as GNU Go and gogui-regress write them.

    loadsgf sgf/ladder.sgf 12
    10 reg_genmove black
    #? [D4|E5]            the answer matches this regular expression as a whole, in either letter case
    20 reg_genmove white
    #? [!A1]*             it does not match it; and the test is known to fail

Lines are sent in order. What stands after # is a comment; `#?` belongs to the command before it. A file named by `loadsgf` is
looked for beside the `.tst` file.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from alphago.arena.client import EngineError, EngineReplied, GtpProcess
from alphago.errors import AlphaGoError

PASS: Final = "pass"
FAIL: Final = "fail"
KNOWN_FAIL: Final = "known fail"
UNEXPECTED_PASS: Final = "unexpected pass"
OUTCOMES: Final = (PASS, FAIL, KNOWN_FAIL, UNEXPECTED_PASS)

_EXPECTED = re.compile(r"#\?\s*\[(!?)(.*)\]\s*(\*?)\s*(?:#.*)?")
_COMMAND = re.compile(r"(?:(\d+)\s+)?(\S.*)")
_SETS_UP: Final = ("loadsgf", "clear_board", "boardsize")
_MAX_BYTES: Final = 16 << 20
_SLACK_SECONDS: Final = 60.0


class BadTest(AlphaGoError):
    """A `.tst` file that cannot be read; the message names file and line."""


@dataclass(frozen=True)
class Expectation:
    """What the answer to a command has to be."""

    pattern: str
    negated: bool
    known_to_fail: bool

    def holds(self, answer: str) -> bool:
        """Whether an answer (without its `=`) is what was expected."""
        return (re.fullmatch(self.pattern, answer.strip(), re.IGNORECASE) is not None) != self.negated

    def __str__(self) -> str:
        return f"[{'!' * self.negated}{self.pattern}]"


@dataclass(frozen=True)
class Line:
    """One command of a test file."""

    number: int
    id: int | None
    command: str
    expectation: Expectation | None
    """None: it only sets things up."""


@dataclass(frozen=True)
class Result:
    """How one test went."""

    line: Line
    outcome: str
    """One of `OUTCOMES`."""
    answer: str
    """Of the engine, or its error."""
    seconds: float


@dataclass
class FileResults:
    """How the tests of one file went."""

    path: Path
    results: list[Result] = field(default_factory=list)

    def count(self, outcome: str) -> int:
        """How many tests ended so."""
        return sum(result.outcome == outcome for result in self.results)

    @property
    def passed(self) -> int:
        """Tests whose answer was right, expected or not."""
        return self.count(PASS) + self.count(UNEXPECTED_PASS)


def read_tests(path: Path) -> list[Line]:
    """The commands of a `.tst` file.

    Raises:
        BadTest: it cannot be read, an expectation follows no command or is no regular expression, or there is no test in it.
    """
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise BadTest(f"{path}: larger than {_MAX_BYTES >> 20} MiB; that is no test file")
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise BadTest(f"{path}: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise BadTest(f"{path}: not a text file in UTF-8") from None
    lines: list[Line] = []
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.strip()
        if line.startswith("#?"):
            if not lines or lines[-1].expectation is not None:
                raise BadTest(f"{path}:{number}: {line.split('#')[1][:40]!r} belongs to no command")
            last = lines[-1]
            lines[-1] = Line(last.number, last.id, last.command, _expectation(path, number, line))
            continue
        command = line.split("#")[0].strip()
        match = _COMMAND.fullmatch(command)
        if match:
            lines.append(Line(number, int(match[1]) if match[1] else None, match[2], None))
    if not any(line.expectation for line in lines):
        raise BadTest(f"{path}: no test in it; a test is a command and below it a line such as #? [D4|E5]")
    return lines


def _expectation(path: Path, number: int, line: str) -> Expectation:
    match = _EXPECTED.fullmatch(line)
    if match is None:
        raise BadTest(f"{path}:{number}: expected #? [PATTERN], #? [!PATTERN] or either with a * behind it")
    try:
        re.compile(match[2])
    except re.error as error:
        raise BadTest(f"{path}:{number}: bad regular expression [{match[2]}]: {error}") from None
    return Expectation(match[2], bool(match[1]), bool(match[3]))


def run_file(path: Path, command: str | Sequence[str], seconds: float | None = None) -> Iterator[Result]:
    """Run the tests of a file with a fresh engine, yielding each result as it comes.

    An engine that crashes or hangs fails that test and those up to the next command that sets a position up, for which it is
    started again. A command without expectation that is refused fails the tests that build on it.

    Args:
        command: that starts the engine, as `GtpProcess` takes it.
        seconds: for a move: sent as `time_settings 0 SECONDS 1` where the engine knows that. Answers must come within this and a
            minute.

    Raises:
        BadTest: the file cannot be read.
        EngineError: the engine cannot be started, or does not answer its first command.
    """
    lines = read_tests(path)
    timeout = (seconds or 0.0) + _SLACK_SECONDS
    runner = _Runner(path, lambda: _start(command, seconds, timeout))
    try:
        yield from (result for line in lines if (result := runner.run(line)) is not None)
    finally:
        runner.close()


def _start(command: str | Sequence[str], seconds: float | None, timeout: float) -> GtpProcess:
    engine = GtpProcess(command, timeout=timeout)
    try:
        engine.ask("protocol_version")
        if seconds is not None and engine.ask("known_command time_settings").lower() == "true":
            engine.ask(f"time_settings 0 {max(1, round(seconds))} 1")
    except EngineReplied:
        pass  # it plays at its own pace
    except BaseException:
        engine.close()
        raise
    return engine


class _Runner:
    """An engine that is started again when it dies, and what stands in the way of the next test."""

    def __init__(self, path: Path, start: Callable[[], GtpProcess]) -> None:
        self._path, self._start = path, start
        self._engine: GtpProcess | None = start()
        self._problem = ""

    def run(self, line: Line) -> Result | None:
        """The result of a test; None for a command that only sets up."""
        begin = time.perf_counter()
        if line.command.split()[0] in _SETS_UP:
            self._problem = ""
        answer, failed = self._problem, True
        if not self._problem:
            try:
                if self._engine is None:
                    self._engine = self._start()
                answer, failed = self._engine.ask(self._located(line.command)), False
            except EngineReplied as error:
                answer = f"? {error.text}"
            except EngineError as error:
                answer = str(error)
                self._problem = f"no position: {error}"
                self.close()
        if line.expectation is None:
            if failed and not self._problem:
                self._problem = f"{line.command}: {answer}"
            return None
        right = not failed and line.expectation.holds(answer)
        known = line.expectation.known_to_fail
        outcome = (UNEXPECTED_PASS if known else PASS) if right else (KNOWN_FAIL if known else FAIL)
        return Result(line, outcome, answer, time.perf_counter() - begin)

    def close(self) -> None:
        if self._engine is not None:
            self._engine.close()
            self._engine = None

    def _located(self, command: str) -> str:
        """`loadsgf` with the whole path of a file that lies beside the test file."""
        words = command.split()
        if words[0] != "loadsgf" or len(words) < 2 or Path(words[1]).is_absolute():
            return command
        beside = (self._path.parent / words[1]).resolve()
        return " ".join(["loadsgf", str(beside), *words[2:]]) if beside.exists() else command
