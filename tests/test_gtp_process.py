"""`alphago gtp` as a process: whose stdout it is, how it ends, what it says when it cannot begin."""

from __future__ import annotations

import os
import re
import signal
import sys
import time

import pytest

from gtp_helpers import process

OPTIONS = ("--size", "9", "--threads", "1", "--memory", "64")
ENDED = 0.5 * (os.getloadavg()[0] / (os.cpu_count() or 1) > 1.2) + 0.5
"""Seconds after `quit` within which CGOS wants the process gone; twice as many where other work keeps the processors busy."""

NOISY = """
import os, sys
from alphago.search import bot
quiet = bot.Bot.choose
def choose(self, **how):
    print("a library prints", flush=True)
    os.write(1, b"a C library prints\\n")
    return quiet(self, **how)
bot.Bot.choose = choose
sys.argv[0] = "alphago"
from alphago.cli import main
main()
"""


def test_stdout_belongs_to_the_protocol() -> None:
    with process("gtp", *OPTIONS, "--sims", "8", command=(sys.executable, "-c", NOISY)) as engine:
        for _ in range(3):
            assert re.fullmatch(r"= [A-J]\d", engine.reply("genmove b"))
        engine.send("quit\n")
        status, rest, errors = engine.end()
    assert (status, rest) == (0, "= \n\n")
    assert errors == "a library prints\na C library prints\n" * 3


@pytest.mark.parametrize(
    ("busy", "option"),
    [
        ("genmove b", "--time=60s"),
        ("lz-genmove_analyze b 10", "--time=60s"),
        ("lz-analyze b 10", "--time=1s"),
        ("reg_genmove b", "--time=60s"),
        ("cgos-genmove_analyze b", "--time=60s"),
        ("kata-search_cancellable b", "--time=60s"),
    ],
)
def test_quit_while_searching(busy: str, option: str) -> None:
    with process(*OPTIONS, option) as engine:
        engine.ok("heatmap")  # the bot is loaded
        engine.send(busy + "\n")
        time.sleep(0.4)
        start = time.monotonic()
        engine.send("quit\n")
        status, rest, errors = engine.end()
        seconds = time.monotonic() - start
    assert (status, errors) == (0, "")
    assert rest.endswith("\n\n= \n\n")
    assert seconds < ENDED


@pytest.mark.parametrize("busy", ["genmove b", "lz-analyze b 10", "kata-genmove_analyze b 10"])
def test_a_client_that_is_gone_is_searched_for_no_longer(busy: str) -> None:
    with process(*OPTIONS, "--time=60s") as engine:
        engine.ok("heatmap")
        engine.send(busy + "\n")
        time.sleep(0.4)
        start = time.monotonic()
        assert engine.process.stdin
        engine.process.stdin.close()
        status, rest, errors = engine.end()
        assert (status, errors) == (0, "")
        assert rest.endswith("\n\n")
        assert time.monotonic() - start < ENDED


def test_quit_while_pondering() -> None:
    with process(*OPTIONS, "--sims", "8", "--ponder") as engine:
        engine.ok("genmove b")
        time.sleep(0.3)
        start = time.monotonic()
        engine.send("quit\n")
        assert engine.end() == (0, "= \n\n", "")
        assert time.monotonic() - start < ENDED


def test_pondering_is_off_unless_asked_for_and_ends_with_the_game() -> None:
    for option, least, most in (("--ponder", 0.08, 9.0), ("--no-ponder", 0.0, 0.15)):
        with process(*OPTIONS, "--sims", "8", option) as engine:
            engine.ok("genmove b")
            before = float(engine.ok("cputime"))
            engine.ok("genmove w")
            time.sleep(1.0)
            assert least <= float(engine.ok("cputime")) - before <= most
            before = float(engine.ok("cputime"))
            engine.ok("kgs-game_over")
            time.sleep(0.3)
            assert float(engine.ok("cputime")) - before < 0.15


@pytest.mark.parametrize("delay", [0.0, 0.02, 0.05, 0.1])
def test_quit_at_once(delay: float) -> None:
    """Also while what the bot needs is being loaded."""
    with process(*OPTIONS) as engine:
        engine.ok("name")
        time.sleep(delay)
        engine.send("quit\n")
        assert engine.end() == (0, "= \n\n", "")


@pytest.mark.parametrize("busy", ["", "genmove b\n", "lz-analyze 10\n"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_it_silently(busy: str, number: signal.Signals) -> None:
    with process(*OPTIONS, "--time=60s") as engine:
        engine.ok("heatmap")
        engine.send(busy)
        time.sleep(0.2)
        start = time.monotonic()
        engine.process.send_signal(number)
        status, _, errors = engine.end()
        assert (status, errors) == (0, "")
        assert time.monotonic() - start < ENDED


def test_a_client_that_goes_away_ends_it_silently() -> None:
    """It reads no more: the next response has nowhere to go."""
    with process(*OPTIONS) as engine:
        engine.ok("heatmap")
        assert engine.process.stdout
        engine.process.stdout.close()
        engine.send("lz-analyze b 5\n")
        assert engine.process.wait(5) == 0
        assert engine.process.stderr
        assert engine.process.stderr.read() == b""


def test_the_end_of_the_input_is_the_end() -> None:
    with process(*OPTIONS, "--sims", "8") as engine:
        engine.send("1 genmove b\n2 lz-analyze 10\n")
        assert engine.process.stdin
        engine.process.stdin.close()
        status, rest, errors = engine.end()
    assert (status, errors) == (0, "")
    assert re.fullmatch(r"=1 [A-J]\d\n\n=2\n(info [^\n]*\n)*\n", rest)


def test_options_reach_the_engine() -> None:
    options = ("--override-name", "Leela Zero", "--override-version", "0.17.0", "--komi", "5.5", "--rules", "japanese")
    more = ("--level", "beginner", "--sims", "3", "--time", "0.2s", "--lag", "1", "--no-resign", "--set", "c_puct=2")
    with process(*OPTIONS, *options, *more) as engine:
        assert engine.ok("name") == "Leela Zero"
        assert engine.ok("version") == "0.17.0"
        assert engine.ok("get_komi") == "5.5"
        assert '"scoring":"TERRITORY"' in engine.ok("kata-get-rules")
        assert engine.ok("kata-get-params") == (
            '{"maxVisits": "3", "maxTime": "0.2", "lagBuffer": "1", "ponderingEnabled": "false", '
            '"allowResignation": "false", "level": "beginner"}'
        )
        assert engine.ok("showboard").split("\n")[0].split() == list("ABCDEFGHJ")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--level", "clbu"], "unknown level 'clbu' (did you mean club?)"),
        (["--net", "nowhere.net"], "nowhere.net: No such file"),
        (["--rules", "marsian"], "unknown ruleset 'marsian'"),
        (["--size", "20"], "--size"),
        (["--time", "soon"], "--time"),
        (["--set", "c_pcut=2"], "did you mean c_puct"),
        (["--set", "c_puct"], "c_puct"),
        (["--override-name", " "], "--override-name"),
        (["--override-version", "1\n2"], "--override-version"),
        (["--threads", "0"], "--threads"),
    ],
)
def test_bad_options_are_one_line_and_no_word_on_stdout(options: list[str], message: str) -> None:
    with process(*options) as engine:
        status, out, errors = engine.end()
    assert (status, out) == (2, "")
    assert errors.startswith("alphago: ") and errors.count("\n") == 1
    assert message in errors
