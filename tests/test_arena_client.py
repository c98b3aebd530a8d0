"""A GTP process that may do anything, and what we then say; within the time allowed."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from alphago.arena.client import (
    STDERR_KEPT,
    EngineCrashed,
    EngineError,
    EngineGarbled,
    EngineReplied,
    EngineTimedOut,
    GtpProcess,
)
from arena_helpers import fake_command

needs_proc = pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="there is no /proc to look at processes")


@contextlib.contextmanager
def within(seconds: float) -> Iterator[None]:
    start = time.monotonic()
    yield
    assert time.monotonic() - start < seconds


def gone(pid: int) -> bool:
    """Whether no process has this number, or only one that nobody has collected yet."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0] == "Z"
    except FileNotFoundError:
        return True


def eventually_gone(pid: int) -> bool:
    deadline = time.monotonic() + 5
    while not gone(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    return gone(pid)


def speaking(text: str, times: int = 1) -> list[str]:
    """A program that writes `text` so many times when it gets a line, and then waits."""
    code = (
        f"import sys\nsys.stdin.readline()\nsys.stdout.write({text!r} * {times})\nsys.stdout.flush()\nsys.stdin.read()"
    )
    return [sys.executable, "-S", "-E", "-c", code]


def test_asks_and_is_answered() -> None:
    with GtpProcess(fake_command()) as engine:
        assert engine.ask("name") == "fake"
        assert engine.ask("boardsize 9") == ""
        assert "genmove" in engine.ask("list_commands").splitlines()
        assert engine.alive
    assert not engine.alive


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("= ok\n\n", "ok"),
        ("=ok\n\n", "ok"),
        ("=\n\n", ""),
        ("= ok\r\n\r\n", "ok"),
        ("\n\n= ok\n\n", "ok"),
        ("= a\nb  c\n \n", "a\nb  c"),
        ("= caf\xe9\n\n", "caf\xe9"),
    ],
)
def test_framing(text: str, answer: str) -> None:
    with GtpProcess(speaking(text), timeout=10) as engine:
        assert engine.ask("anything") == answer


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("? not today\n\n", EngineReplied, r"it: 'name' failed: 'not today'"),
        ("?\n\n", EngineReplied, r"it: 'name' failed: ''"),
        ("hello\n", EngineGarbled, r"it: answered 'name' with 'hello', which is no GTP response"),
        ("x" * 5000, EngineGarbled, "which is no GTP response"),
        ("= a line\n", EngineGarbled, "without an end"),
        ("= no end\n", EngineTimedOut, "it: no answer to 'name' in time"),
        ("", EngineTimedOut, "no answer"),
    ],
    ids=["error", "empty error", "words", "long line", "endless", "unfinished", "silence"],
)
def test_answers_that_are_none(text: str, error: type[EngineError], message: str) -> None:
    timeout = 0.5 if error is EngineTimedOut else 20
    times = 600_000 if message == "without an end" else 1
    with within(20), GtpProcess(speaking(text, times), name="it") as engine, pytest.raises(error, match=message):
        engine.ask("name", timeout)


def test_error_text_is_kept() -> None:
    with GtpProcess(fake_command()) as engine:
        with pytest.raises(EngineReplied) as caught:
            engine.ask("lizgoban_stop_startup_log")
        assert caught.value.text == "unknown command"
        assert engine.ask("name") == "fake"  # an error is an answer like others


def test_output_that_nobody_asked_for() -> None:
    with GtpProcess(speaking("= one\n\n= two\n\n"), timeout=10) as engine:
        assert engine.ask("name") == "one"
        with pytest.raises(EngineGarbled, match="wrote '= two' before it was asked 'version'"):
            engine.ask("version")


def test_a_crash_names_the_status_and_the_last_words() -> None:
    with GtpProcess(fake_command("--fault", "crash", "--at", 1)) as engine:
        engine.ask("boardsize 5")
        with pytest.raises(EngineCrashed, match=r"exited with status 3 on 'genmove b' .*about to crash: out of luck"):
            engine.ask("genmove b")
        with pytest.raises(EngineCrashed):
            engine.ask("name")
    with GtpProcess(fake_command("--fault", "signal", "--at", 1)) as engine:
        engine.ask("boardsize 5")
        with pytest.raises(EngineCrashed, match="was ended by signal 9"):
            engine.ask("genmove b")


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("/nowhere/engine --gtp", "engine: cannot be started: /nowhere/engine: No such file"),
        ("", "the command is empty"),
        ("   ", "the command is empty"),
        ("engine 'unfinished", "no closing quotation"),
        (["/"], "cannot be started: /: "),
    ],
)
def test_commands_that_cannot_be_started(command: str | list[str], message: str) -> None:
    with pytest.raises(EngineCrashed, match=message):
        GtpProcess(command)


def test_a_flood_on_stderr_blocks_nobody() -> None:
    with within(30), GtpProcess(fake_command("--fault", "flood-stderr"), timeout=10) as engine:
        for _ in range(20):  # 120,000 bytes each, where a pipe holds 65,536
            assert engine.ask("name") == "fake"
        assert 0 < len(engine.stderr_tail()) <= STDERR_KEPT


@needs_proc
def test_an_engine_that_does_not_read_blocks_nobody() -> None:
    sleeper = [sys.executable, "-S", "-E", "-c", "import time; time.sleep(600)"]
    engine = GtpProcess(sleeper)
    with within(5):
        with pytest.raises(EngineTimedOut):
            engine.ask("x" * 1_000_000, 0.3)
        engine.close(grace=0)
    assert eventually_gone(engine.pid)


@needs_proc
def test_children_end_with_it(tmp_path: Path) -> None:
    """Also when the engine itself is dead already, and its child holds the pipes."""
    note = tmp_path / "pid"
    child = f"sleep 600 & echo $! > {note}"
    for script in (f"{child}; exit 3", f"{child}; sleep 600"):
        with within(10), GtpProcess(["sh", "-c", script]) as engine:
            with pytest.raises((EngineCrashed, EngineTimedOut)):
                engine.ask("name", 1.5)
            pid = int(note.read_text())
            assert not gone(pid)
            engine.close(grace=0.1)
        assert eventually_gone(pid)


@needs_proc
def test_close_asks_first_and_does_not_wait_for_ever(tmp_path: Path) -> None:
    log = tmp_path / "log"
    engine = GtpProcess(fake_command("--log", log))
    engine.ask("name")
    engine.close()
    engine.close()
    assert log.read_text().split()[-1] == "quit"
    stubborn = GtpProcess(fake_command("--fault", "ignore-quit"))
    stubborn.ask("name")
    with within(5):
        stubborn.close(grace=0.2)
    assert eventually_gone(stubborn.pid)


def test_kill_from_another_thread_ends_a_command() -> None:
    import threading

    with within(10), GtpProcess(fake_command("--fault", "hang", "--at", 1)) as engine:
        engine.ask("boardsize 5")
        threading.Timer(0.2, engine.kill).start()
        with pytest.raises(EngineCrashed, match="signal 9"):
            engine.ask("genmove b", 60)


def test_one_line_at_a_time() -> None:
    with GtpProcess(fake_command()) as engine, pytest.raises(ValueError, match="one line"):
        engine.ask("name\nquit")


@needs_proc
def test_no_file_stays_open() -> None:
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        with GtpProcess(fake_command()) as engine:
            engine.ask("name")
    assert len(os.listdir("/proc/self/fd")) == before
