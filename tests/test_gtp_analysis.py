"""What analysis commands print, as the programs that read it cut it up; and how an analysis ends."""

from __future__ import annotations

import re
import time

import numpy as np
import pytest

from gtp_helpers import quick, served


@pytest.mark.parametrize("command", ["lz-analyze b 5", "kata-analyze b 5", "lz-analyze interval 5", "kata-analyze 5"])
@pytest.mark.parametrize("ender", ["\n", "\r\n", "7 name\n", "# comment\n", "stop\n", "play b D4\n", "nonsense\n"])
def test_any_line_ends_an_analysis(command: str, ender: str) -> None:
    with served() as client:
        client.send(f"6 {command}\n")
        assert client.line() == "=6"
        assert client.line().startswith("info move ")
        client.send(ender)
        for line in client.until(b"\n\n", 2).strip("\n").split("\n"):
            assert line.startswith("info move ") or not line
        if ender.strip() and not ender.startswith("#"):
            assert client.response(2)
        assert client.is_quiet(0.12)
        assert client.ok("version") == "1.2.3"


@pytest.mark.parametrize(
    "command", ["lz-analyze b 5", "kata-analyze b ownership true", "kata-search_analyze_cancellable b"]
)
def test_an_analysis_that_is_ended_at_once_is_well_formed(command: str) -> None:
    with served(quick(simulations=None, seconds=20.0)) as client:
        for _ in range(20):
            client.send(f"1 {command}\n\n2 {command}\n3 name\n")
            for number in (1, 2):
                assert re.fullmatch(rf"={number}\n(info move [^\n]+\n)*(play cancelled\n)?\n", client.response(2))
            assert client.response(2) == "=3 AlphaGo engine\n\n"


def test_the_end_of_the_input_ends_an_analysis() -> None:
    with served() as client:
        client.send("lz-analyze b 5\n")
        assert client.line() == "="
        assert client.line().startswith("info ")
    # leaving the block closes the input, and fails unless the session ends


@pytest.mark.parametrize("dialect", ["lz", "kata"])
def test_a_finished_game_can_be_analysed(dialect: str) -> None:
    with served(size=2, komi=0) as client:
        client.ok("set_position b A2 b B1")
        for before in ("play b pass", "play w pass", "play b pass"):
            client.ok(before)
            client.send(f"{dialect}-analyze w 5\n")
            assert client.line() == "="
            assert re.fullmatch(r"info move pass visits \d+ .*pv pass", client.line(2))
            client.send("\n")
            client.until(b"\n\n", 2)


@pytest.mark.parametrize("dialect", ["lz", "kata"])
def test_genmove_analyze_is_not_cut_short_and_always_has_a_line(dialect: str) -> None:
    with served(quick(simulations=None, seconds=0.4)) as client:
        start = time.monotonic()
        client.send(f"{dialect}-genmove_analyze b 100000\nname\n")
        reply = client.response().strip().split("\n")
        assert time.monotonic() - start > 0.3
        assert reply[0] == "=" and reply[-2].startswith("info move ") and re.fullmatch(r"play [A-J]\d", reply[-1])
        assert client.response() == "= AlphaGo engine\n\n"


@pytest.mark.parametrize("dialect", ["lz", "kata"])
def test_a_pass_that_wins_at_once_has_a_line_too(dialect: str) -> None:
    with served(size=5, komi=0.5) as client:
        client.ok("set_position b A3 b B3 b C3 b D3 b E3 b B1 b D1")
        client.ok("play w pass")
        reply = client.ok(f"{dialect}-genmove_analyze b").split("\n")
        assert reply[-1] == "play pass"
        assert re.fullmatch(r"info move pass visits \d+ .* order 0 pv pass", reply[-2])


def test_blocks_are_pairs_that_end_with_a_line_of_points() -> None:
    """Lizzie reads pairs of words and whole numbers; Sabaki wants `pv` last, and points alone in it."""
    with served(quick(simulations=300), size=3, komi=9) as client:
        for move in ("B2", "pass", "A3"):
            client.ok(f"play b {move}")
            lines = client.ok("lz-genmove_analyze w 1").split("\n")[:-1]
            client.ok("undo")
            assert lines
            for line in lines:
                assert "  " not in line and line == line.strip()
                for block in line.removeprefix("info ").split(" info "):
                    words, _, line_of_play = block.partition(" pv ")
                    pairs = words.split(" ")
                    assert pairs[::2] == ["move", "visits", "winrate", "prior", "lcb", "order"]
                    assert all(re.fullmatch(r"-?\d+", value) for value in pairs[3::2])
                    assert re.fullmatch(r"pass|[ABC][123]( [ABC][123])*", line_of_play)
                    assert line_of_play.split()[0] == pairs[1]


def test_moves_can_be_avoided_and_allowed() -> None:
    def moves(client_line: str) -> set[str]:
        return set(re.findall(r"info move (\S+)", client_line))

    with served(quick(simulations=200), size=5) as client:
        assert moves(client.ok("kata-search_analyze b allow b C3,B2 1")) <= {"C3", "B2"}
        assert moves(client.ok("kata-search_analyze b avoid b A1:E4 1 avoid b pass 1")) <= {f"{c}5" for c in "ABCDE"}
        # the side that is not to move, first thing in a game
        client.ok("clear_board")
        assert moves(client.ok("kata-search_analyze w allow w D4 1")) == {"D4"}
        assert moves(client.ok("kata-search_analyze w avoid w D4 1 avoid b C3 1")) & {"D4"} == set()
        assert len(moves(client.ok("kata-search_analyze b maxmoves 3"))) == 3
        assert len(moves(client.ok("kata-search_analyze b minmoves 26"))) == 26


def test_values_are_those_of_the_side_that_is_asked_for() -> None:
    """Black owns everything: near 1 for black, near 0 for white, and ownership turns its sign with it."""
    with served(quick(simulations=200), size=5, komi=0.5) as client:
        client.ok("set_position b A3 b B3 b C3 b D3 b E3 b B1 b D1")
        for side, sign in (("b", 1), ("w", -1)):
            answer = client.ok(f"kata-search_analyze {side} ownership true rootInfo true maxmoves 1")
            root = re.search(r"rootInfo .* winrate (\S+) scoreLead (\S+)", answer)
            owner = re.search(r"ownership ([^\n]*)", answer)
            assert root and owner
            assert (float(root[1]) - 0.5) * sign > 0.4
            assert float(root[2]) * sign > 10
            values = np.array([float(x) for x in owner[1].split()])
            assert len(values) == 25
            assert (values * sign).mean() > 0.8
            lz = re.search(r"winrate (\d+)", client.ok(f"lz-genmove_analyze {side}"))
            assert lz and (int(lz[1]) - 5000) * sign > 4000
            client.ok("undo")


def test_ownership_begins_at_the_top_left() -> None:
    with served(size=5, komi=0.5) as client:
        client.ok("set_position b A4 b B4 b C4 b D4 b E4 w A3 w B3 w C3 w D3 w E3")
        answer = client.ok("kata-search_analyze b ownership true")
        values = [float(x) for x in answer.split("ownership ")[1].split("\n")[0].split()]
        assert min(values[:10]) > 0.5 and max(values[10:]) < -0.5
