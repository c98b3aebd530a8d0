"""Clients as the bot meets them: each is a small copy of how one reads and writes, and plays a part of a game.

gtp2ogs (the bridge to OGS), Lizzie, lizgoban, Sabaki's analysis, the CGOS client, kgsGtp and GoGui.
"""

from __future__ import annotations

import json
import random
import re
import threading
import time

import numpy as np
import pytest

from alphago.go import BLACK, Board
from gtp_helpers import Client, quick, served


def opponent(board: Board, rng: random.Random) -> str:
    """Some legal move that fills no eye of its own, or a pass."""
    moves = [int(a) for a in np.flatnonzero(board.legal_moves()[:-1]) if not board.is_eye(int(a), board.to_play)]
    return board_vertex(board, rng.choice(moves)) if moves else "pass"


def board_vertex(board: Board, action: int) -> str:
    """GTP name of an action."""
    row, column = divmod(action, board.size)
    return f"{'ABCDEFGHJKLMNOPQRST'[column]}{board.size - row}"


# --- gtp2ogs ------------------------------------------------------------------------------------------------------------


class Gtp2Ogs:
    """Sends CRLF, looks at its buffer only when that ends with two newlines, and sends no command that is not listed."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._known = set(self.command("list_commands", always=True).split("\n"))

    def command(self, text: str, *, always: bool = False) -> str:
        """The text of the answer. AssertionError on an error or on anything unexpected; "" for a command not listed."""
        if not always and text.split()[0] not in self._known:
            return ""
        self._client.send(text + "\r\n")
        buffer = self._client.until(b"\n\n")
        assert re.search(r"(\r?\n){2}$", buffer)
        assert self._client.is_quiet(0.01)  # what comes behind the blank line stalls it
        assert buffer[0] == "=", f"{text}: {buffer}"
        return buffer[1:].strip()

    def genmove(self, color: str) -> str:
        return self.command(f"genmove {color}").lower().split(" ")[0]


@pytest.mark.parametrize("handicap", [0, 3, 4])
def test_gtp2ogs(handicap: int) -> None:
    rng = random.Random(handicap)
    with served(quick(simulations=8), size=19) as client:
        ogs = Gtp2Ogs(client)
        assert "fischer-capped" in ogs.command("kata-list_time_settings").split()
        ogs.command("boardsize 9 9")
        ogs.command("clear_board")
        ogs.command("komi 5.5")
        ogs.command("kata-set-rules chinese")
        ogs.command("kata-time_settings fischer-capped 300 10 600 -1")
        board = Board(9, "chinese", 5.5)
        if handicap:
            stones = ogs.command(f"place_free_handicap {handicap}").lower().split(" ")
            assert len(stones) == handicap  # else it gives the game up
            board.place_free_handicap(stones)
        for turn in range(16):
            color = "black" if board.to_play == BLACK else "white"
            ogs.command("time_left black 290 0")
            ogs.command("time_left white 280 0")
            if turn % 2:
                move = ogs.genmove(color)
                assert re.fullmatch(r"[a-hj][1-9]|pass|resign", move)
            else:
                move = opponent(board, rng).lower()
                ogs.command(f"play {color} {move}")
            board.play(move)
        assert ogs.command("showboard")
        ogs.command("kgs-time_settings byoyomi 600 30 5")
        ogs.command("kgs-time_settings canadian 600 300 25")
        ogs.command("final_score")
        client.send("quit\r\n")
        assert client.rest() == "= \n\n"


# --- Lizzie and lizgoban ------------------------------------------------------------------------------------------------


class Lizzie:
    """Numbers its commands, sends them without waiting, and parses every line that comes as Java's parseInt would."""

    def __init__(self, client: Client) -> None:
        self._client, self._number, self.answered = client, 0, 0
        self.moves: list[dict[str, str]] = []

    def send(self, command: str) -> None:
        self._number += 1
        self._client.send(f"{self._number} {command}\n")

    def read(self) -> str:
        """One line, taken in."""
        line = self._client.line()
        if line.startswith(("=", "?")):
            number = line.split(" ")[0][1:]
            assert re.fullmatch(r"\d+", number), line
            assert int(number) == self.answered + 1, "out of order"
            self.answered = int(number)
            assert line[0] == "=", line
        elif line.startswith("info"):
            self.moves = [self._pairs(part.strip()) for part in line[5:].split("info")]
        return line

    def until_answered(self) -> None:
        while self.answered < self._number:
            self.read()

    @staticmethod
    def _pairs(text: str) -> dict[str, str]:
        words = text.split(" ")
        found = {}
        for i in range(0, len(words), 2):
            if words[i] == "pv":
                found["pv"] = " ".join(words[i + 1 :])
                break
            found[words[i]] = words[i + 1]
        for key in ("visits", "winrate", "prior", "lcb"):
            assert re.fullmatch(r"-?\d+", found[key]), text  # Integer.parseInt
        assert found["pv"]
        return found


def test_lizzie() -> None:
    with served(quick(version="0.17.0")) as client:
        lizzie = Lizzie(client)
        for command in ("name", "version", "boardsize 9 9", "komi 7.5", "lz-analyze 5"):
            lizzie.send(command)
        board = Board(9)
        for move in ("E5", "C3", "G7"):
            lizzie.moves = []
            while not lizzie.moves:
                lizzie.read()
            assert 0 <= int(lizzie.moves[0]["winrate"]) <= 10000
            assert sum(int(m["prior"]) for m in lizzie.moves) <= 10100
            lizzie.send(f"play {'B' if board.to_play == BLACK else 'W'} {move}")
            board.play(move)
            lizzie.send("lz-analyze 5")
        # back to the start and forth again, without waiting
        for _ in range(3):
            lizzie.send("undo")
        for move in (
            "play B E5",
            "play W C3",
            "lz-analyze 5",
            "name",
            "lz-genmove_analyze B 5",
            "lz-analyze B 5",
            "stop",
        ):
            lizzie.send(move)
        lizzie.until_answered()
        lizzie.send("quit")
        lizzie.until_answered()


def test_lizgoban() -> None:
    """Probes for what there is by an error or none, and uses made-up commands as fences."""
    with served() as client:
        for probe, known in (
            ("kata-analyze 1 pvVisits true", True),
            ("kata-analyze 1 pvEdgeVisits true", False),
            ("kata-analyze 1 movesOwnership true", False),
            ("kata-analyze 1 allow B D4 1", True),
            ("kata-search_analyze_cancellable B", True),
            ("lz-analyze interval 1", True),
            ("kata-set-rules chinese", True),
        ):
            client.send(f"{probe}\nlizgoban_stop_startup_log\n")
            first = client.until(b"\n\n")
            assert first.startswith("=" if known else "?"), probe
            assert client.response() == "? unknown command\n\n"
        client.ok("set_free_handicap A1")
        client.ok("clear_board")
        client.ok("time_settings 0 1 1")


def test_q5go() -> None:
    """Ends an analysis with `known_command known_command`, and sends a komi with a comma."""
    with served() as client:
        assert client.ok("protocol_version") == "2"
        client.ok("rectangular_boardsize 9 9")
        client.ok("komi 7,5")
        client.ok("time_settings 1 1 0")
        client.send("lz-analyze 5\n")
        assert client.line() == "="
        assert client.line().startswith("info ")
        client.send("known_command known_command\n")
        client.until(b"\n\n")
        assert client.response() == "= true\n\n"


# --- Sabaki -------------------------------------------------------------------------------------------------------------


def sabaki_analysis(line: str, integers: bool) -> list[dict[str, object]]:
    """Variations of a line, as Sabaki cuts it up: the number format goes by the command's name."""
    text, _, ownership = line.partition(" ownership ")
    found: list[dict[str, object]] = []
    for part in re.split(r"\s*info\s+", text)[1:]:
        part = part.strip()
        match = re.search(r"(pass|[A-Za-z]\d+)(\s+(pass|[A-Za-z]\d+))*\s*$", part)
        assert match, part
        moves = match[0].split("pass")[0].split()
        words = part[: match.start()].split()[:-1]  # `pv` goes
        values = dict(zip(words[::2], words[1::2], strict=True))
        if values["move"] == "pass":
            continue
        winrate = float(values["winrate"]) / (100 if integers else 0.01)
        assert 0 <= winrate <= 100
        assert moves[0] == values["move"]
        found.append({"moves": moves, "visits": int(values["visits"]), "winrate": winrate})
    if ownership:
        found.append({"ownership": [float(x) for x in ownership.split()]})
    return found


@pytest.mark.parametrize("command", ["lz-analyze", "kata-analyze"])
def test_sabaki(command: str) -> None:
    with served(quick(), size=9, komi=6.5) as client:
        client.send("1 list_commands\n2 boardsize 9\n3 komi 6.5\n4 clear_board\n")
        listed = client.response().split("\n")
        assert "analyze" not in listed and command in listed  # it would take `analyze` first, with numbers of its own
        for _ in range(3):
            client.response()
        more = " ownership true" if command == "kata-analyze" else ""
        client.send(f"5 {command} B 5{more}\n")
        assert client.line() == "=5"
        for _ in range(3):
            found = sabaki_analysis(client.line(), integers=command == "lz-analyze")
            if more:
                assert len(found.pop()["ownership"]) == 81  # type: ignore[arg-type]
            assert found
            assert found[0]["visits"] == max(v["visits"] for v in found)  # type: ignore[type-var]
        client.send("6 protocol_version\n")
        client.until(b"\n\n")
        assert client.response() == "=6 2\n\n"
        # sync: as many undos and moves as it takes, all at once
        client.send(
            "".join(f"{i} {c}\n" for i, c in enumerate(["play B D4", "play W E5", *["undo"] * 2, "play B pass"]))
        )
        for i in range(5):
            assert client.response().rstrip() == f"={i}"


# --- CGOS ---------------------------------------------------------------------------------------------------------------


def cgos_lines(client: Client, command: str) -> tuple[list[str], str]:
    """Lines of an analysis up to the blank one, and the move of the last."""
    client.send(command + "\n")
    first = client.line()
    assert first.startswith("=")
    lines = []
    while line := client.line():
        lines.append(line)
    assert lines[-1].startswith("play ")
    return lines[:-1], lines[-1].removeprefix("play ")


@pytest.mark.parametrize(
    "genmove",
    ["genmove {}", "lz-genmove_analyze {} 100000", "kata-genmove_analyze {} ownership true", "cgos-genmove_analyze {}"],
)
def test_cgos(genmove: str) -> None:
    """White is the bot. Positional superko, no suicide; the clock is absolute."""
    rng = random.Random(7)
    board = Board(9, "chinese-ogs", 7.0)
    with served(quick(simulations=12), size=19) as client:
        known = client.ok("list_commands").split("\n")
        assert genmove.split(" ")[0] in known
        commands = [
            "boardsize 9",
            "clear_board",
            "komi 7.0",
            "time_settings 300 0 0",
            "cgos-opponent_name x",
            "cgos-opponent_rating 9",
        ]
        for command in commands:
            client.ok(command)
        for _ in range(8):
            move = opponent(board, rng)
            client.ok(f"play b {move}")
            board.play(move)
            client.ok("time_left w 299 0")
            if genmove == "genmove {}":
                answer = client.ok("genmove w")
            else:
                lines, answer = cgos_lines(client, genmove.format("w"))
                if genmove.startswith("cgos"):
                    said = json.loads(lines[-1])
                    assert 0 <= said["winrate"] <= 1 and said["visits"] > 0
                    assert said["moves"][0]["pv"].split()[0] == said["moves"][0]["move"]
                else:
                    assert lines[-1].startswith("info move ")
                    assert ("ownership" in lines[-1]) == ("ownership" in genmove)
            board.play(answer)
        client.ok("cgos-gameover 2026-01-01 B+3.5")


# --- kgsGtp -------------------------------------------------------------------------------------------------------------


WALL = " ".join(f"b {column}4 w {column}5" for column in "ABCDEFG")


@pytest.mark.parametrize(
    ("setup", "dead"), [(f"{WALL} w C2 b A2 b B2", "C2"), (f"{WALL} w B2 w F2 b D2 b D1", "B2 F2")]
)
def test_kgsgtp_clean_up(setup: str, dead: str) -> None:
    """Both passed, the sides disagree about the dead: the bot must take them, and then may pass."""
    with served(quick(simulations=150), size=7, komi=0.5) as client:
        known = client.ok("list_commands").split("\n")
        for command in ("kgs-genmove_cleanup", "final_status_list", "kgs-game_over", "kgs-time_settings", "kgs-rules"):
            assert command in known
        client.ok("kgs-rules chinese")
        client.ok("kgs-time_settings byoyomi 60 10 5")
        client.ok(f"set_position {setup}")
        client.ok("play b pass")
        client.ok("play w pass")
        assert set(client.ok("final_status_list dead").split()) == set(dead.split())
        for _ in range(60):
            answer = client.ok("kgs-genmove_cleanup b")
            client.ok("play w pass")
            if answer == "pass":
                break
        assert answer == "pass"
        assert not set(client.ok("list_stones w").split()) & set(dead.split())
        assert client.ok("final_status_list dead") == ""
        assert {"A4", "G4"} <= set(client.ok("list_stones b").split())
        client.ok("kgs-game_over")


# --- GoGui --------------------------------------------------------------------------------------------------------------


class GoGui:
    """Numbers its commands and takes nothing but a well-formed response with the same number."""

    def __init__(self, client: Client) -> None:
        self._client, self._number = client, 0

    def command(self, text: str) -> str:
        self._number += 1
        self._client.send(f"{self._number} {text}\n")
        first = self._client.line()
        match = re.fullmatch(r"([=?])(\d+) ?(.*)", first)
        assert match and int(match[2]) == self._number, first
        lines = [match[3]]
        while line := self._client.line():
            lines.append(line)
        assert match[1] == "=", f"{text}: {lines}"
        return "\n".join(lines)


def test_gogui() -> None:
    with served(quick()) as client:
        gui = GoGui(client)
        for command in ("name", "protocol_version", "version", "list_commands", "boardsize 9", "clear_board", "komi 7"):
            gui.command(command)
        for command in ("gogui-setup b C3 w G7", "gogui-setup_player w", "gogui-play_sequence w E5 b E6"):
            gui.command(command)
        kinds = set()
        for line in gui.command("gogui-analyze_commands").split("\n"):
            kind, label, command = line.split("/", 2)
            kinds.add(kind)
            assert label
            answer = gui.command(command)
            if kind == "dboard":
                assert len([float(x) for x in answer.split()]) == 81
            elif kind == "plist":
                assert all(re.fullmatch(r"[A-HJ][1-9]", v) for v in answer.split())
            elif kind == "gfx":
                assert {x.split()[0] for x in answer.split("\n")} <= {"INFLUENCE", "LABEL", "TEXT"}
            elif kind == "param":
                for parameter in answer.split("\n"):
                    shape = re.fullmatch(r"\[(?:bool|string|list/[^\]]+)\] (\w+) (\S+)", parameter)
                    assert shape, parameter
                    gui.command(f"{command} {shape[1]} {shape[2]}")  # what it shows it takes
            elif kind == "string":
                assert answer
        assert kinds == {"dboard", "plist", "gfx", "param", "string", "none"}
        gui.command("gogui-interrupt")
        gui.command("kata-set-params " + json.dumps({"maxVisits": 0, "maxTime": 30}))
        interrupt = threading.Timer(0.3, client.send, ["# interrupt\n"])
        interrupt.start()
        start = time.monotonic()
        assert re.fullmatch(r"[A-HJ][1-9]", gui.command("reg_genmove w"))
        assert 0.2 < time.monotonic() - start < 2
        interrupt.join()
        gui.command("kata-set-params " + json.dumps({"maxVisits": 16}))
        client.send("# interrupt\n")  # of nothing
        assert re.fullmatch(r"[A-HJ][1-9]", gui.command("genmove w"))
        gui.command("quit")
