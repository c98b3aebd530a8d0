"""What real clients do that trips engines up: the wire, the ends of games, handicap by other means, clocks, game files."""

from __future__ import annotations

import io
import random
import re
import threading
import time
from pathlib import Path

import pytest

from alphago.errors import AlphaGoError
from alphago.go import Rules
from alphago.gtp.main import run
from alphago.search.bot import Bot
from gtp_helpers import quick, served, small_bot

# --- the wire -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sent", "received"),
    [
        ("play b D4\n", "= \n\n"),
        ("12 play b D4\n", "=12 \n\n"),
        ("name\n", "= AlphaGo engine\n\n"),
        ("12 name\n", "=12 AlphaGo engine\n\n"),
        ("007 name\n", "=007 AlphaGo engine\n\n"),
        ("12 \t name\n", "=12 AlphaGo engine\n\n"),
        ("name\r\n", "= AlphaGo engine\n\n"),
        ("3 name\r\n", "=3 AlphaGo engine\n\n"),
        ("\t2\tprotocol_version # x\n", "=2 2\n\n"),
        ("name#what\n", "= AlphaGo engine\n\n"),
        ("  name  \n", "= AlphaGo engine\n\n"),
        ("na\x00m\x07e\x7f\n", "= AlphaGo engine\n\n"),
        ("play\tB\td4\n", "= \n\n"),
        ("play   White   PASS\n", "= \n\n"),
        ("\n\r\n \n\t\n# comment\n5 # comment\nname\n", "= AlphaGo engine\n\n"),
        ("nmae\n", "? unknown command\n\n"),
        ("12 nmae\n", "?12 unknown command\n\n"),
        ("Name\n", "? unknown command\n\n"),
        ("lizgoban_stop_startup_log\n", "? unknown command\n\n"),
        ("-1 name\n", "? unknown command\n\n"),
        ("12name\n", "? unknown command\n\n"),
        ("5 play b Z9\n", "?5 syntax error: expected a vertex of the board or pass, got Z9\n\n"),
        ("\u0663 name\n", "? unknown command\n\n"),
        ("name \u2028\n", "= AlphaGo engine\n\n"),
        ("name", "= AlphaGo engine\n\n"),
    ],
)
def test_bytes_of_a_response(sent: str, received: str) -> None:
    with served() as client:
        client.send(sent if sent.endswith("\n") else sent + "\n")
        assert client.until(b"\n\n") == received
        client.send("1 quit\n")
        assert client.rest() == "=1 \n\n"


def test_invalid_utf8_is_no_crash() -> None:
    with served() as client:
        client.send(b"\xff\xfe\nplay b \xc3\xa9\x80\nname\n")
        assert client.response() == "? unknown command\n\n"
        assert client.response().startswith("? syntax error")
        assert client.response() == "= AlphaGo engine\n\n"


def test_last_line_without_a_newline_and_the_end_of_the_input() -> None:
    """The end of the input is `quit`, after what was sent before it."""
    sink = io.BytesIO()
    run(small_bot, quick(), Rules.named("chinese"), 9, None, io.BytesIO(b"1 name\n2 genmove b\n3 version"), sink)
    assert re.fullmatch(rb"=1 AlphaGo engine\n\n=2 [A-J]\d\n\n=3 1\.2\.3\n\n", sink.getvalue())


def test_hundreds_of_commands_at_once_are_answered_in_order() -> None:
    rng = random.Random(4)
    moves = [f"play {'bw'[i % 2]} {vertex}" for i, vertex in enumerate(rng.sample(_vertices(19), 150))]
    commands = ["boardsize 19", *moves, *["undo"] * 150, *moves, "genmove b", "undo", "showboard", "name"]
    with served(quick(simulations=2)) as client:
        client.send("".join(f"{i} {command}\n" for i, command in enumerate(commands)))
        for i in range(len(commands)):
            response = client.response()
            assert re.match(rf"[=?]{i}\s", response), response
        assert client.is_quiet(0.05)


def test_scripts_that_end_with_quit_are_carried_out_to_the_end() -> None:
    with served(quick(simulations=None, seconds=0.3)) as client:
        client.send("1 play b D4\n2 genmove w\n3 quit\n")
        assert re.fullmatch(r"=1 \n\n=2 [A-J]\d\n\n=3 \n\n", client.rest())


def test_overlong_lines_are_one_command_each() -> None:
    with served() as client:
        client.send(b"play b " + b"D" * 5_000_000 + b"\n2 name\n3 kata-set-rules " + b"[" * 3_000_000 + b"\n4 name\n")
        assert client.response().startswith("? syntax error")
        assert client.response() == "=2 AlphaGo engine\n\n"
        third = client.response()
        assert third.startswith("?3 ")
        assert len(third) < 1000
        assert client.response() == "=4 AlphaGo engine\n\n"


# --- loading ------------------------------------------------------------------------------------------------------------


def test_commands_are_answered_while_the_network_loads() -> None:
    gate = threading.Event()

    def slow() -> Bot:
        gate.wait(20)
        return small_bot()

    with served(make_bot=slow) as client:
        client.ok("name", 2)
        client.ok("list_commands", 2)
        client.ok("boardsize 9", 2)
        client.ok("play b D4", 2)
        client.send("genmove w\n")
        assert client.is_quiet(0.2)
        gate.set()
        assert re.fullmatch(r"= [A-J]\d\n\n", client.response())


def test_quit_while_the_network_loads() -> None:
    gate = threading.Event()

    def slow() -> Bot:
        gate.wait(20)
        return small_bot()

    with served(make_bot=slow) as client:
        client.send("1 genmove b\n")
        assert client.is_quiet(0.2)
        client.send("2 quit\n")
        assert client.response(0.5) == "?1 quitting\n\n"
        assert client.response(0.5) == "=2 \n\n"
        gate.set()


def test_a_bot_that_cannot_be_made_fails_the_commands_that_need_it() -> None:
    def none() -> Bot:
        raise AlphaGoError("no such network: x.net")

    needing = [
        "genmove b", "reg_genmove b", "lz-analyze b 10", "kata-analyze b 10", "lz-genmove_analyze b", "kata-search b",
        "kata-genmove_analyze b", "kata-search_analyze_cancellable b", "cgos-genmove_analyze b", "heatmap", "kata-raw-nn",
        "gomill-describe_engine", "kgs-genmove_cleanup b", "kata-get-params",
    ]  # fmt: skip
    with served(make_bot=none) as client:
        for command in needing:
            assert client.reply(command, 5) == "? no such network: x.net", command
        for command in ("name", "play b D4", "showboard", "undo", "final_score"):
            client.ok(command)


# --- the end of a game, and after it ------------------------------------------------------------------------------------


def test_play_goes_on_after_two_passes() -> None:
    with served() as client:
        client.ok("play b pass")
        client.ok("play w pass")
        assert re.fullmatch("[A-J][1-9]", client.ok("genmove b"))
        client.ok("play w pass")
        client.ok("play b pass")
        assert re.fullmatch("[A-J][1-9]", client.ok("genmove b"))
        assert client.ok("lz-genmove_analyze w").split("\n")[-1].startswith("play ")
        assert client.ok("final_score")


def test_play_goes_on_after_a_resignation() -> None:
    """White has no stone and no room: it resigns when asked again, and the game is as it was."""

    def resigning() -> Bot:
        settings = {"resign_min_turn": 0}
        return Bot("max", threads=1, memory_mib=64, seed=1, resign=True, settings=settings)

    with served(quick(simulations=400), resigning, size=5, komi=0.5) as client:
        client.ok("set_position b A3 b B3 b C3 b D3 b E3 b B1 b D1")
        for _ in range(4):
            if (answer := client.ok("genmove w")) == "resign":
                break
            client.ok("play b pass")
        assert answer == "resign"
        before = client.ok("showboard")
        client.ok("play w resign")
        client.ok("play W RESIGN")
        assert client.ok("showboard") == before
        client.ok("play b pass")
        assert client.ok("genmove w")
        assert client.ok("genmove b")


def test_the_same_side_may_be_asked_again_and_again() -> None:
    with served() as client:
        for _ in range(3):
            assert re.fullmatch("[A-J][1-9]", client.ok("genmove w"))
        assert len(client.ok("list_stones w").split()) == 3
        assert client.ok("list_stones b") == ""


@pytest.mark.parametrize(
    ("rules", "legal"), [("chinese", "1"), ("chinese-ogs", "0"), ("tromp-taylor", "0"), ("aga", "0"), ("japanese", "1")]
)
def test_superko_follows_the_rules_in_force(rules: str, legal: str) -> None:
    """After two passes a ko may be retaken under simple ko alone."""
    with served(size=5) as client:
        client.ok(f"kata-set-rules {rules}")
        client.ok("set_position b B3 b C4 b C2 w C3 w D4 w D2 w E3")
        client.ok("play b D3")
        assert client.reply("play w C3") == "? illegal move"
        client.ok("gogui-play_sequence w pass b pass")
        assert client.ok("is_legal w C3") == legal
        assert client.reply("play w C3") == ("=" if legal == "1" else "? illegal move")


def test_dead_stones_are_the_same_after_two_passes() -> None:
    with served(size=5, komi=0.5) as client:
        client.ok("set_position b B1 b B2 b B3 b B4 b B5 b D2 w C1 w C2 w C3 w C4 w C5 w D4 w A3")
        expected = client.ok("final_status_list dead"), client.ok("final_score")
        assert set(expected[0].replace("\n", " ").split()) == {"A3", "D2"}
        assert expected[1] == "W+5.5"
        client.ok("play b pass")
        client.ok("play w pass")
        assert (client.ok("final_status_list dead"), client.ok("final_score")) == expected


# --- handicap -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [2, 3, 4, 5, 6, 7, 8, 9, 13, 19])
def test_place_free_handicap_places_exactly_so_many(size: int) -> None:
    with served(size=size) as client:
        for stones in range(2, min(size * size, 40)):
            points = client.ok(f"place_free_handicap {stones}").split()
            assert len(points) == len(set(points)) == stones
            assert sorted(points) == sorted(client.ok("list_stones b").split())
            assert "pass" not in [p.lower() for p in points]
            client.ok("clear_board")


def test_black_moves_in_a_row_are_a_handicap() -> None:
    """Chinese rules give white a point for every handicap stone, however it was set up."""
    stones = ["C3", "G7", "C7"]
    scores = []
    for how in ("set_free_handicap " + " ".join(stones), *["gogui-play_sequence b " + " b ".join(stones)]):
        with served(rules="chinese", komi=0.5) as client:
            client.ok(how)
            client.ok("play w E5")
            client.ok("kata-set-rules chinese")
            scores.append(client.ok("final_score"))
            assert client.ok("get_komi") == "0.5"
            assert "komi 0.5 + 3;" in client.ok("showboard")
    assert scores[0] == scores[1]


def test_alternating_moves_are_no_handicap() -> None:
    with served(rules="chinese", komi=0.5) as client:
        client.ok("gogui-play_sequence b C3 w C7 b G3 b G7")
        client.ok("final_score")
        assert "komi 0.5;" in client.ok("showboard")


# --- clocks -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("settings", ["time_settings 0 1 0", "time_settings 1 1 0", "kgs-time_settings none", None])
def test_without_a_clock_a_move_has_a_default_limit(settings: str | None) -> None:
    with served(quick(simulations=None)) as client:
        if settings:
            client.ok(settings)
        client.send("genmove b\n")
        start = time.monotonic()
        client.response(10)
        assert time.monotonic() - start < 3


@pytest.mark.parametrize(
    ("commands", "most"),
    [
        (["time_left b 1 0"], 0.6),
        (["time_left b 0 0"], 0.5),
        (["time_left b -3 0"], 0.5),
        (["time_left b 2 5"], 0.7),
        (["time_settings 0 2 5"], 0.7),
        (["time_settings 2 0 0"], 0.7),
        (["kgs-time_settings byoyomi 0 0.5 3", "time_left b 0.5 2"], 0.6),
        (["kata-time_settings fischer-capped 300 5 300 0.5"], 0.6),
        (["time_settings 900 0 0", "time_left b 1 0"], 0.6),
    ],
)
def test_a_clock_is_kept_from_the_first_move(commands: list[str], most: float) -> None:
    """`time_left` counts without `time_settings`, for either side, and at zero."""
    with served(quick(simulations=None)) as client:
        client.ok("genmove w")  # the bot is loaded
        for command in commands:
            client.ok(command)
            client.ok(command.replace(" b ", " w "))
        start = time.monotonic()
        client.ok("genmove b")
        assert time.monotonic() - start < most


# --- regression tests ---------------------------------------------------------------------------------------------------


def test_reg_genmove_has_no_side_effect_and_is_deterministic() -> None:
    with served(quick(simulations=60)) as client:
        client.ok("gogui-play_sequence b D4 w F6 b C6")
        before = client.ok("showboard")
        first = client.ok("reg_genmove w")
        client.ok("genmove b")
        client.ok("undo")
        assert client.ok("reg_genmove w") == first
        assert client.ok("showboard") == before


# --- game files ---------------------------------------------------------------------------------------------------------

SETUP = "(;GM[1]FF[4]SZ[5]KM[7,5]HA[2]AB[bb][dd];W[cc];B[aa];W[];AE[aa]AW[ae:be]PL[W];W[ee];B[ab](;W[ac])(;W[bc]))"


@pytest.mark.parametrize(
    ("number", "black", "white", "turn"),
    [
        ("1", "B4 D2", "", "white"),
        ("2", "B4 D2", "C3", "black"),
        ("3", "A5 B4 D2", "C3", "white"),
        ("4", "B4 D2", "C3 A1 B1", "white"),
        ("5", "B4 D2", "C3 A1 B1 E1", "black"),
        ("6", "A4 B4 D2", "C3 A1 B1 E1", "white"),
        ("7", "A4 B4 D2", "A3 C3 A1 B1 E1", "black"),
        ("1000000", "A4 B4 D2", "A3 C3 A1 B1 E1", "black"),
        ("", "A4 B4 D2", "A3 C3 A1 B1 E1", "black"),
        ("0", "B4 D2", "", "white"),
    ],
)
def test_loadsgf_stops_before_the_move(tmp_path: Path, number: str, black: str, white: str, turn: str) -> None:
    path = tmp_path / "Game.SGF"
    path.write_text(SETUP, encoding="ascii")
    with served() as client:
        assert client.ok(f"loadsgf {path} {number}") == turn
        assert sorted(client.ok("list_stones b").split()) == sorted(black.split())
        assert sorted(client.ok("list_stones w").split()) == sorted(white.split())
        assert client.ok("get_komi") == "7.5"
        assert client.ok("genmove w")


@pytest.mark.parametrize(
    ("name", "argument"),
    [
        ("two words.sgf", "two words.sgf"),
        ("two words.sgf", "two words.sgf 2"),
        ("two words.sgf", '"two words.sgf" 2'),
        ("two words.sgf", "'two words.sgf'"),
        ("Upper.SGF", "Upper.SGF 2"),
        ("game 2", "game 2"),
        ("game 2", "game 2 2"),
        ("caf\u00e9.sgf", "caf\u00e9.sgf 2"),
        ("a\u3000b.sgf", "a\u3000b.sgf 2"),
    ],
)
def test_loadsgf_takes_any_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, argument: str) -> None:
    monkeypatch.chdir(tmp_path)
    Path(name).write_text("(;SZ[9];B[ee];W[gg])", encoding="ascii")
    with served() as client:
        assert client.ok(f"loadsgf {argument}") in ("white", "black")
        assert client.ok("last_move") == (
            "black E5" if argument.endswith(" 2") and argument != "game 2" else "white G3"
        )


@pytest.mark.parametrize(
    "argument", ["x" * 5000 + " 3", "x" * 5000, "\u00e9" * 300 + ".sgf 1", '"', "'a", '"" 3', "/dev/null/x 3"]
)
def test_names_that_no_file_can_have(argument: str) -> None:
    with served() as client:
        assert client.reply(f"loadsgf {argument}").startswith("? cannot load file")
        client.ok("name")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "(",
        "()",
        "(;SZ[99])",
        "(;SZ[9:13];B[aa])",
        "(;SZ[9];B[zz])",
        "(;SZ[5]AB[aa][ba]AW[ab][bb][ca])",
        "(;SZ[9];B[a])",
    ],
)
def test_bad_game_files_are_errors_and_change_nothing(tmp_path: Path, text: str) -> None:
    path = tmp_path / "bad.sgf"
    path.write_text(text, encoding="ascii")
    with served() as client:
        client.ok("play b D4")
        assert client.reply(f"loadsgf {path}").startswith("? cannot load file")
        assert client.ok("list_stones b") == "D4"
        assert client.ok("genmove w")


def _vertices(size: int) -> list[str]:
    return [f"{column}{row}" for row in range(1, size + 1) for column in "ABCDEFGHJKLMNOPQRST"[:size]]
