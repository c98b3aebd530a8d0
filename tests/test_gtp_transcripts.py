"""Every command of `alphago gtp`: what is sent, and exactly what comes back.

The transcripts are the files of tests/gtp_transcripts: `> ` is a request, the lines below it its reply; `~ ` begins a pattern,
where times or statistics are in the reply. Where a search is asked for, the position or `allow` leaves it one move, so that
the transcripts outlast any change to the search.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from alphago.gtp import main
from alphago.gtp.registry import COMMANDS
from alphago.nets.store import save_network
from alphago.search.bot import Bot
from conftest import ROOT
from gtp_helpers import check_script, pattern, script, served, small_bot
from nets_helpers import fresh

TRANSCRIPTS = {
    path.stem: path.read_text(encoding="ascii") for path in sorted((ROOT / "tests/gtp_transcripts").glob("*.txt"))
}
FILES = {
    "game.sgf": "(;GM[1]FF[4]SZ[9]KM[6.5];B[ee];W[gg])",
    "text.sgf": "no game",
    "illegal.sgf": "(;GM[1]FF[4]SZ[9];B[ee];W[ee])",
}
ELSEWHERE = {"list_commands", "help", "lz-analyze", "kata-analyze"}
"""Commands whose transcripts are tests of their own, below."""


@pytest.fixture
def in_folder(tmp_path: Path) -> Iterator[Path]:
    """A working directory with `FILES` in it."""
    for name, text in FILES.items():
        (tmp_path / name).write_text(text, encoding="ascii")
    before = Path.cwd()
    os.chdir(tmp_path)
    yield tmp_path
    os.chdir(before)


@pytest.mark.parametrize("name", TRANSCRIPTS)
def test_transcript(name: str, in_folder: Path) -> None:
    with served() as client:
        assert check_script(client, TRANSCRIPTS[name]) > 5


def test_every_command_has_a_transcript() -> None:
    assert len(main.MODULES) == 3  # whose import fills the table
    shown = set(ELSEWHERE)
    for text in TRANSCRIPTS.values():
        for request, reply in script(text):
            words = request.split()
            name = words[1] if words[0].isdecimal() else words[0]
            if not reply[0].lstrip("~ \\").startswith("?"):  # an error alone shows nothing
                shown.add(name)
    assert set(COMMANDS) - shown == {"kata-raw-nn"}  # below, with a network
    assert shown - set(COMMANDS) == set()


def test_list_commands() -> None:
    with served() as client:
        for name in ("list_commands", "help"):
            assert client.reply(name) == "= " + "\n".join(sorted(COMMANDS))


@pytest.mark.parametrize("dialect", ["lz", "kata"])
def test_analyze(dialect: str) -> None:
    block = pattern(f"<{dialect} D4>")
    with served() as client:
        client.send(f"12 {dialect}-analyze b interval 5 maxmoves 1 minmoves 1 allow b D4 1\n")
        assert client.line() == "=12"
        for _ in range(3):
            line = client.line()
            assert block.fullmatch(line), line
        client.send("13 name\n")
        assert client.until(b"\n\n").rsplit("info", 1)[-1].count("\n") == 2
        assert client.response() == "=13 AlphaGo engine\n\n"


def test_kata_raw_nn(tmp_path: Path) -> None:
    path = tmp_path / "small.net"
    save_network(path, fresh("residual"), "a test")
    make = functools.partial(Bot, "max", str(path), threads=1, memory_mib=64, runtime="torch", precision="fp32")
    with served(make_bot=make, size=5) as client:
        client.ok("play b C3")
        lines = client.ok("kata-raw-nn w 0", 60).split("\n")
        assert lines[0] == "symmetry 0"
        keys = [line.split()[0] for line in lines]
        assert keys[1:11] == [
            "whiteWin", "whiteLoss", "noResult", "whiteLead", "whiteScoreSelfplay", "whiteScoreSelfplaySq",
            "varTimeLeft", "shorttermWinlossError", "shorttermScoreError", "policy",
        ]  # fmt: skip
        rows = [line.split() for line in lines[11:16]]
        assert all(len(row) == 5 for row in rows)
        assert [(r, c) for r in range(5) for c in range(5) if rows[r][c] == "NAN"] == [(2, 2)]
        assert keys[16:18] == ["policyPass", "whiteOwnership"]
        total = sum(float(x) for row in rows for x in row if x != "NAN") + float(lines[16].split()[1])
        assert total == pytest.approx(1, abs=1e-4)
        assert all(len(line.split()) == 5 for line in lines[18:])
        assert len(lines) == 23
        chances = [float(line.split()[1]) for line in lines[1:4]]
        assert sum(chances) == pytest.approx(1, abs=1e-5)
        for symmetry in range(8):  # turned and turned back: another answer of the same shape
            assert client.ok(f"kata-raw-nn w {symmetry}").split("\n")[0] == f"symmetry {symmetry}"
        assert client.ok("kata-raw-nn all").count("symmetry ") == 8
        assert small_bot().network is None
