"""A session of thousands of commands from a client that means no good: valid, invalid, huge, binary, interrupted."""

from __future__ import annotations

import os
import random
import re
import time
from pathlib import Path

import pytest

from alphago.gtp import main
from alphago.gtp.registry import COMMANDS
from gtp_helpers import COMMAND, Client, Process, process, quick, served

SLOWEST = 1.0 + 4.0 * (
    os.getloadavg()[0] / (os.cpu_count() or 1) > 0.9
)  # other work on the machine is not our slowness
"""Seconds that any command may take."""
COUNTS = (3_000, pytest.param(10_000, marks=pytest.mark.slow))
GROWTH_MIB = 100
"""What the session may leave behind."""
MOST_MIB = 2048
"""And at any time, with boards of every size in use."""
ANALYSES = ("lz-analyze", "kata-analyze")
NO_COMMAND = ("quit", *ANALYSES)  # sent apart, below
WORDS = (
    "b", "w", "B", "White", "green", "D4", "d4", "pass", "resign", "A1", "T19", "Z99", "I5", "0", "1", "2", "5", "9", "13",
    "19", "-1", "99999999999999999999", "1e9", "1e400", "nan", "inf", "-0", "7,5", "0x10", "1_000", "\u0663", "true", "false",
    "interval", "minmoves", "maxmoves", "avoid", "allow", "ownership", "rootInfo", "pvVisits", "A1:C3", "A1,B2", "pass:A1",
    "none", "absolute", "byoyomi", "canadian", "fischer", "fischer-capped", "dead", "alive", "seki", "chinese", "japanese",
    "tromp-taylor", "aga", "stone-scoring", "maxVisits", "level", "club", "beginner", "lagBuffer", "allowResignation", "{}",
    "[]", '{"ko":"SIMPLE"}', '{"a":' * 50, "[" * 3000, "9" * 5000, "\u00e9\u4e2d", "%s%n", "../..", "/dev/null", "/", ".", "~",
    "game.sgf", "bad.sgf", "'", '"', '"game.sgf"', "-", "=", "?", ";", "\\", "$(reboot)", "all", "ko", "a" * 500,
)  # fmt: skip
SHAPES: dict[str, str] = {
    "play": "cv", "genmove": "c", "reg_genmove": "c", "boardsize": "s", "komi": "n", "undo": "", "fixed_handicap": "s",
    "place_free_handicap": "s", "set_free_handicap": "vvv", "time_left": "cnn", "time_settings": "nnn", "is_legal": "cv",
    "loadsgf": "fn", "set_position": "cvcvcv", "gogui-setup": "cvcv", "gogui-play_sequence": "cvcvcv",
    "lz-genmove_analyze": "cn", "kata-genmove_analyze": "cn", "kata-search_analyze": "c", "final_status_list": "d",
    "kata-set-rules": "r", "kgs-genmove_cleanup": "c", "clear_board": "", "showboard": "", "final_score": "",
    "cgos-genmove_analyze": "c", "kata-search_cancellable": "c", "list_stones": "c", "captures": "c", "all_legal": "c",
    "gogui-setup_player": "c", "rectangular_boardsize": "s", "kgs-rules": "r", "kata-set-rule": "k", "kata-set-param": "p",
    "kata-get-param": "q", "level": "l", "kgs-time_settings": "t", "kata-time_settings": "t",
}  # fmt: skip
"""Commands and the kinds of their arguments (`argument`)."""


def argument(rng: random.Random, kind: str) -> str:
    """One that makes sense, mostly."""
    if kind == "v":
        size = rng.choice((5, 9, 9, 9, 13))
        return f"{rng.choice('ABCDEFGHJKLMN'[:size])}{rng.randint(1, size)}" if rng.random() < 0.95 else "pass"
    choices = {
        "c": "b w B W",
        "s": "2 3 4 5 7 9 9 9 9 13 21",
        "n": "0 1 2 5 10 0.5 100",
        "f": "game.sgf bad.sgf none.sgf",
        "d": "dead alive seki",
        "r": "chinese chinese-ogs tromp-taylor japanese aga stone-scoring",
        "k": "ko=SIMPLE ko=POSITIONAL suicide=true suicide=false whiteHandicapBonus=N scoring=TERRITORY",
        "p": "maxVisits=4 maxTime=0.02 lagBuffer=0.1 allowResignation=true ponderingEnabled=true ponderingEnabled=false",
        "q": "maxVisits maxTime level",
        "l": "beginner novice casual club strong expert max 1 2 10",
        "t": "none absolute=60 byoyomi=60=5=3 canadian=60=30=10 fischer=60=1 fischer-capped=60=1=90=-1",
    }
    return rng.choice(choices[kind].split()).replace("=", " ")


def command(rng: random.Random, names: list[str]) -> str:
    """One line without its newline; it is a command, and gets exactly one response."""
    draw = rng.random()
    if draw < 0.55:
        name = rng.choice(list(SHAPES))
        return " ".join([name, *(argument(rng, kind) for kind in SHAPES[name])])
    if draw < 0.95:
        return " ".join([rng.choice(names), *(rng.choice(WORDS) for _ in range(rng.randint(0, 4)))])
    return rng.choice(("nonsense", "", "play", "PLAY b D4", "\u202e\u0000", "?", "=", "quit2")) or "name"


def tame(line: str) -> str:
    """Without what would let a search take its time by right, or write where it should not."""
    name = line.split()[0] if line.split() else ""
    long = ("kata-set-param", "kata-set-params", "gogui-param", "level", "clear_cache", "time_settings", "time_left")
    if name in long or name.endswith("-time_settings"):
        return line + "\nkata-set-params " + '{"maxVisits": 8, "maxTime": 0.05, "lagBuffer": 0}'
    return re.sub(r"^printsgf .*", "printsgf out.sgf", line)


class Checker:
    """Sends commands with rising numbers, and insists on their responses."""

    def __init__(self, client: Client) -> None:
        self.client, self.number, self.slowest, self.slowest_line = client, 0, 0.0, ""

    def send(self, line: str) -> None:
        self.number += 1
        self.client.send(f"{self.number} {line}\n")

    def expect(self, number: int) -> str:
        response = self.client.response(30)
        assert re.match(rf"[=?]{number}[ \n]", response), f"{number}: {response[:200]!r}"
        assert "Traceback" not in response
        return response

    def one(self, line: str) -> None:
        for part in tame(line).split("\n"):
            start = time.perf_counter()
            self.send(part)
            self.expect(self.number)
            seconds = time.perf_counter() - start
            if seconds > self.slowest:
                self.slowest, self.slowest_line = seconds, part

    def burst(self, lines: list[str]) -> None:
        """All at once."""
        first = self.number + 1
        parts = [part for line in lines for part in tame(line).split("\n")]
        for part in parts:
            self.send(part)
        for number in range(first, first + len(parts)):
            self.expect(number)

    def interrupted(self, rng: random.Random) -> None:
        """An analysis, cut off after a while or at once, by any line."""
        more = rng.choice(
            ("", " 1", " b 2", " w interval 1 ownership true", " maxmoves 2 avoid b A1 3", " rootInfo true")
        )
        self.send(rng.choice(ANALYSES) + more)
        first = self.client.line(5)
        if first.startswith("?"):
            assert self.client.line() == ""
            return
        assert first == f"={self.number}"
        time.sleep(rng.choice((0, 0, 0.005, 0.03)))
        start = time.perf_counter()
        self.client.send(rng.choice(("\n", "\r\n", "# x\n", "\x00\n", "   \n")))
        while line := self.client.line(5):
            assert line.startswith("info "), line
        assert time.perf_counter() - start < SLOWEST


def resident_mib(pid: int) -> float:
    match = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(encoding="ascii"))
    assert match
    return int(match[1]) / 1024


def settled_mib(engine: Process) -> float:
    """Memory with nothing but a small board in use."""
    for line in ("kata-set-rules chinese", "boardsize 9", "level max", "clear_cache", "clear_cache", "genmove b"):
        engine.ok(line)
    return resident_mib(engine.process.pid)


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "game.sgf").write_text("(;SZ[9]KM[7]AB[cc];W[ee];B[gg];W[];AE[cc];B[aa])", encoding="ascii")
    (tmp_path / "bad.sgf").write_bytes(b"(;SZ[9];B[zz];\xff\xfe")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def hostile(client: Client, seed: int, count: int) -> Checker:
    """The session. Answers are checked as they come."""
    assert main.MODULES
    rng = random.Random(seed)
    names = sorted(set(COMMANDS) - set(NO_COMMAND))
    checker = Checker(client)
    checker.one("name")
    checker.one("boardsize 9")
    while checker.number < count:
        draw = rng.random()
        if draw < 0.02:
            checker.interrupted(rng)
        elif draw < 0.05:
            checker.burst([command(rng, names) for _ in range(rng.randint(2, 60))])
        elif draw < 0.055:
            # binary: however many lines it is, it is over when the fence is
            client.send(b"garbage " + rng.randbytes(2000).replace(b"\n", b"") + b"\n")
            client.response(5)
        elif draw < 0.06:
            client.send(b"play b " + bytes([rng.choice(b"Da9 [{#\xff")]) * rng.choice((10_000, 300_000)) + b"\n")
            client.response(5)
        else:
            checker.one(command(rng, names))
    checker.one("name")
    assert client.is_quiet(0.05)
    return checker


@pytest.mark.parametrize("count", COUNTS)
def test_thousands_of_commands(files: Path, count: int) -> None:
    options = ("--size", "9", "--sims", "8", "--time", "0.05s", "--threads", "1", "--memory", "16", "--lag", "0")
    # One heap for all threads: what several keep for later use hides whether anything is lost.
    with process(*options, cwd=files, command=("env", "MALLOC_ARENA_MAX=1", *COMMAND)) as engine:
        before = settled_mib(engine)
        checker = hostile(engine, 2, count)
        assert resident_mib(engine.process.pid) < MOST_MIB
        after = settled_mib(engine)
        engine.send("quit\n")
        assert engine.end() == (0, "= \n\n", "")
    assert checker.slowest < SLOWEST, checker.slowest_line[:200]
    assert after - before < GROWTH_MIB
    assert sorted(path.name for path in files.iterdir()) in (
        ["bad.sgf", "game.sgf"],
        ["bad.sgf", "game.sgf", "out.sgf"],
    )


def test_memory_is_bounded_when_a_client_sends_faster_than_it_is_answered(files: Path) -> None:
    """64 MiB of commands during one search: the reader waits, and takes them all in the end."""
    with process("--size", "9", "--time", "2s", "--threads", "1", "--memory", "16", cwd=files) as engine:
        engine.ok("heatmap")
        before = resident_mib(engine.process.pid)
        engine.send("1 genmove b\n")
        line = b"# " + b"x" * 65_000 + b"\n"
        for _ in range(1000):
            engine.send(line)
        engine.send("2 name\n")
        assert engine.response().startswith("=1 ")
        assert engine.response() == "=2 AlphaGo engine\n\n"
        assert resident_mib(engine.process.pid) - before < GROWTH_MIB


def test_a_client_that_does_not_read_stops_nothing_but_itself() -> None:
    with served(quick()) as client:
        for _ in range(3000):
            client.send("list_commands\n")
        for _ in range(3000):
            assert client.response().startswith("= ")
        client.ok("name")
