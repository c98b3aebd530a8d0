"""`alphago play`: a dialogue driven through stdin, without a terminal and on a pseudo-terminal."""

from __future__ import annotations

import io
import os
import pty
import random
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from sgfmill import sgf

from alphago import cli
from alphago.commands.play_game import BadGame, Game, default_rules, new_game, resume_game
from alphago.commands.play_view import plain_board
from alphago.go import BLACK, WHITE, Board
from conftest import ROOT

FAST = ("--level", "beginner", "--seed", "1", "--threads", "1", "--plain")


class Done(NamedTuple):
    code: object
    out: str
    err: str


@pytest.fixture
def talk(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[object]:
    """Runs the command in this process with so many typed lines."""

    def run(*lines: str, args: tuple[str, ...] = ()) -> Done:
        monkeypatch.setattr(sys, "stdin", io.StringIO("".join(line + "\n" for line in lines)))
        with pytest.raises(SystemExit) as exit_:
            cli.main(["play", *FAST, *args])
        done = capsys.readouterr()
        return Done(exit_.value.code, done.out, done.err)

    return run  # type: ignore[return-value]


def diagrams(out: str) -> list[Board]:
    """Every board that was shown."""
    blocks = re.findall(r"(?:^ ?\d+[ (].*\n)+", out, re.MULTILINE)
    return [Board.from_ascii(block) for block in blocks]


# --- a game ---------------------------------------------------------------------------------------------------------------


def test_a_move_is_answered(talk) -> None:  # type: ignore[no-untyped-def]
    done = talk("e5", "quit")
    assert (done.code, done.err) == (0, "")
    empty, mine, answer = diagrams(done.out)
    assert not empty.stones().any()
    assert mine["E5"] == BLACK and "(X)" in done.out
    assert (answer.stones() == WHITE).sum() == 1
    played = re.search(r"the bot plays ([A-J]\d)", done.out)
    assert played and answer[played[1]] == WHITE


def test_the_bot_begins_when_the_human_is_white(talk) -> None:  # type: ignore[no-untyped-def]
    done = talk("quit", args=("--color", "white"))
    assert "You are white." in done.out and "the bot plays" in done.out
    assert (diagrams(done.out)[-1].stones() == BLACK).sum() == 1


def test_handicap(talk) -> None:  # type: ignore[no-untyped-def]
    done = talk("quit", args=("--handicap", "4", "--size", "13"))
    assert (diagrams(done.out)[0].stones() == BLACK).sum() == 4
    assert "komi 0.5 + 4" in done.out and "the bot plays" in done.out  # white, the bot, begins


def test_two_passes_end_and_are_counted(talk, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    """On a board that is all black's, with one white stone that cannot live: it is shown as dead and counted so."""
    record = tmp_path / "end.sgf"
    stones = [(r, c) for r in range(5) for c in range(5) if (r, c) not in {(0, 0), (0, 4), (4, 4), (3, 4)}]
    black = "".join(f"[{chr(97 + c)}{chr(97 + r)}]" for r, c in stones)
    record.write_text(f"(;FF[4]GM[1]SZ[5]KM[0.5]RU[Chinese]AB{black}AW[ee]PL[B])")
    done = talk("pass", "quit", args=("--resume", str(record)))
    assert "dead stones: E1" in done.out
    assert "both have passed: B+24.5 (you win)" in done.out
    assert " o " in done.out  # the dead stone


def test_resignation_and_the_way_back(talk, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    file = tmp_path / "game.sgf"
    done = talk("D4", "resign", "C3", "hint", f"save {file}", "undo", "C3", "quit")
    assert "you resign: W+R (the bot wins)" in done.out
    assert done.out.count("the game is over") == 2  # the move and the hint after it
    game = sgf.Sgf_game.from_bytes(file.read_bytes())
    assert game.get_root().get("RE") == "W+R"
    assert diagrams(done.out)[-1]["C3"] == BLACK  # undone, the game went on


def test_undo_takes_back_both_moves(talk) -> None:  # type: ignore[no-untyped-def]
    done = talk("undo", "D4", "undo", "E5", "quit")
    assert "nothing to take back" in done.out
    boards = diagrams(done.out)
    assert not boards[3].stones().any()
    assert boards[-1]["E5"] == BLACK and boards[-1]["D4"] != BLACK


def test_undo_of_white_keeps_the_bots_first_move(talk) -> None:  # type: ignore[no-untyped-def]
    done = talk("undo", "E5", "undo", "quit", args=("--color", "white"))
    assert "nothing to take back" in done.out
    assert (diagrams(done.out)[-1].stones() > 0).sum() == 1


def test_hint_score_and_level(talk) -> None:  # type: ignore[no-untyped-def]
    done = talk("hint", "score", "level", "level novice", "level clup", "quit", args=("--time", "0.2s"))
    moves = re.findall(r"^([A-J][1-9])\s+(\d+\.\d)%\s+(\d+)", done.out, re.MULTILINE)
    assert 1 <= len(moves) <= 5
    assert [int(visits) for _, _, visits in moves] == sorted((int(v) for _, _, v in moves), reverse=True)
    assert re.search(r"estimate from playouts: (black|white) is ahead by about \d+\.\d points", done.out)
    assert re.search(r"^\*\s+beginner", done.out, re.MULTILINE)
    assert "The bot: level novice" in done.out
    assert "did you mean club" in done.out


# --- files ----------------------------------------------------------------------------------------------------------------


def test_save_and_resume(talk, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    file = tmp_path / "my game.sgf"
    first = talk("D4", f"save {file}", "E5", f"save {file}", "quit", args=("--komi", "5.5"))
    assert first.out.count("saved: ") == 2  # the game's own file may be written again
    game = sgf.Sgf_game.from_bytes(file.read_bytes())
    assert game.get_komi() == 5.5 and game.get_player_name("b") == "you"
    assert len(game.get_main_sequence()) == 5
    second = talk("quit", args=("--resume", str(file)))
    assert diagrams(second.out)[0] == diagrams(first.out)[-1]
    assert "komi 5.5" in second.out


def test_save_leaves_other_files_alone(talk, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    file = tmp_path / "precious.sgf"
    file.write_text("precious")
    done = talk(f"save {file}", "save", "save /nowhere/there/x.sgf", "save ~nobody_here/x.sgf", "quit")
    assert file.read_text() == "precious"
    assert "exists already" in done.out and "save needs a file" in done.out and done.out.count("cannot write") == 2
    talk(f"save! {file}", "quit")
    assert file.read_text().startswith("(;FF[4]")
    assert [path.name for path in tmp_path.iterdir()] == ["precious.sgf"]


def test_keeping_the_game(talk, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    """--save holds the game after every move, also when stdin just ends."""
    file = tmp_path / "kept.sgf"
    done = talk("D4", args=("--save", str(file)))
    assert done.code == 0
    assert len(sgf.Sgf_game.from_bytes(file.read_bytes()).get_main_sequence()) == 3
    again = talk("quit", args=("--save", str(file)))
    assert again.code == 2 and "--resume goes on with it" in again.err


def test_resumed_rules(tmp_path: Path) -> None:
    file = tmp_path / "game.sgf"
    for name, expected in (("Japanese", "japanese"), ("NZ", "new-zealand"), ("who knows", "chinese-ogs")):
        file.write_text(f"(;SZ[9]RU[{name}]KM[3.5];B[ee];W[cc])")
        board = resume_game(file, BLACK, None, None).board
        assert board.rules.name == expected and board.komi == 3.5 and board.move_count == 2


def test_saved_games_come_back(tmp_path: Path) -> None:
    """Any game, with handicap, passes and captures, is the same board after saving and resuming."""
    rng = random.Random(7)
    for number in range(20):
        handicap = rng.choice([0, 0, 2, 5])
        game = new_game(9, default_rules(), None, handicap, BLACK)
        for _ in range(rng.randrange(60)):
            game.board.play(rng.choice(np.flatnonzero(game.board.legal_moves()).tolist()))
        path = tmp_path / f"{number}.sgf"
        game.save(path, "bot")
        again = resume_game(path, BLACK, default_rules(), None)
        assert again.board == game.board


def test_a_file_that_is_no_game(tmp_path: Path) -> None:
    file = tmp_path / "bad.sgf"
    for content in (b"", b"hello", b"\xff\xfe\x00", b"(;SZ[9];B[zz])", b"(;SZ[77])", b"(;SZ[9];B[ee];W[ee])"):
        file.write_bytes(content)
        with pytest.raises(BadGame, match=re.escape(str(file))):
            resume_game(file, BLACK, None, None)


# --- bad input ------------------------------------------------------------------------------------------------------------

REFUSALS = {
    "Z9": "off the 9x9 board",
    "E10": "off the 9x9 board",
    "I5": "skips the column letter I",
    "E5 E6": "bad GTP vertex",
    "42": "bad GTP vertex",
    "hnit": "did you mean hint",
    "gibberish": "unknown command",
    "\x00\x01": "bad GTP vertex",
    "é4": "bad GTP vertex",
    "-": "bad GTP vertex",
}


def test_what_cannot_be_played_is_explained(talk) -> None:  # type: ignore[no-untyped-def]
    done = talk(*REFUSALS, "", "   ", "D4", "D4", "quit")
    assert (done.code, done.err) == (0, "")
    for text in REFUSALS.values():
        assert text in done.out
    assert "illegal move black D4: the point is occupied" in done.out


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("--color", "green"), "--color"),
        (("--size", "1"), "--size"),
        (("--komi", "nan"), "komi"),
        (("--handicap", "3", "--size", "5"), "handicap"),
        (("--level", "clubb"), "did you mean club"),
        (("--net", "missing.safetensors"), "missing.safetensors"),
        (("--time", "soon"), "--time"),
        (("--rules", "mine"), "unknown ruleset"),
        (("--resume", "missing.sgf"), "missing.sgf"),
    ],
)
def test_bad_options_are_one_line(talk, args: tuple[str, ...], said: str) -> None:  # type: ignore[no-untyped-def]
    done = talk("quit", args=args)
    assert done.code == 2
    assert done.err.startswith("alphago: ") and done.err.count("\n") == 1 and said in done.err


def test_no_input_ends_it_with_a_traceback() -> None:
    """3,000 lines of commands, halves of commands and bytes that are no text."""
    rng = random.Random(11)
    words = [b"pass", b"undo", b"D4", b"e5", b"J9", b"score", b"board", b"level beginner", b"level", b"help", b"resign"]
    lines = []
    for _ in range(3000):
        kind = rng.random()
        if kind < 0.6:
            lines.append(rng.choice(words))
        elif kind < 0.8:
            lines.append(b"%c%d" % (rng.choice(b"ABCDEFGHJ"), rng.randrange(12)))
        else:
            lines.append(bytes(rng.choice(range(11, 256)) for _ in range(rng.randrange(80))))
    lines[10:10] = [b"D" * 1_000_000, b"save " + b"x" * 5000, b"save \x00", b"level " + b"y" * 9000]
    done = subprocess.run(
        [sys.executable, "-m", "alphago.cli", "play", *FAST, "--size", "5"],
        input=b"\n".join(lines),
        capture_output=True,
        timeout=280,
        check=False,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        cwd=ROOT,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.count(b"> ") > 2000


# --- at a terminal --------------------------------------------------------------------------------------------------------


@contextmanager
def terminal(*args: str) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "alphago.cli", "play", *FAST[:-1], *args],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        close_fds=True,
        cwd=ROOT,
        env={**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor", "PYTHONIOENCODING": "utf-8"},
        start_new_session=True,
    )
    os.close(slave)
    try:
        yield process, master
    finally:
        process.kill()
        process.wait()
        os.close(master)


def read_until(master: int, text: str, seconds: float = 60) -> str:
    """What the terminal shows up to and with `text`."""
    seen = b""
    end = time.monotonic() + seconds
    while text.encode() not in seen:
        left = end - time.monotonic()
        assert left > 0, f"{text!r} did not come; seen: {seen[-2000:]!r}"
        if select.select([master], [], [], left)[0]:
            try:
                seen += os.read(master, 65536)
            except OSError:  # the other side is closed
                break
    assert text.encode() in seen, seen[-2000:]
    return seen.decode("utf-8", "replace")


def test_colors_on_a_terminal() -> None:
    with terminal() as (process, master):
        read_until(master, "(you)> ")
        os.write(master, b"E5\n")
        shown = read_until(master, "the bot plays")
        assert "\x1b[" in shown and "●" in shown and "◂" in shown
        os.write(master, b"quit\n")
        assert process.wait(20) == 0


def test_ctrl_c_offers_to_save(tmp_path: Path) -> None:
    file = tmp_path / "saved.sgf"
    with terminal() as (process, master):
        read_until(master, "(you)> ")
        os.write(master, b"E5\n")
        if "(you)> " not in read_until(master, "the bot plays").partition("the bot plays")[2]:
            read_until(master, "(you)> ")
        time.sleep(0.5)  # a signal between the prompt and the read would wait for the next key
        os.kill(process.pid, signal.SIGINT)
        read_until(master, "save the game?")
        os.write(master, f"{file}\n".encode())
        read_until(master, "saved")
        assert process.wait(20) == 130
    assert len(sgf.Sgf_game.from_bytes(file.read_bytes()).get_main_sequence()) == 3


def test_ctrl_d_leaves() -> None:
    with terminal() as (process, master):
        read_until(master, "(you)> ")
        os.write(master, b"\x04")
        assert process.wait(20) == 0


def test_ctrl_c_while_the_bot_thinks() -> None:
    with terminal("--level", "max", "--time", "60s", "--color", "white") as (process, master):
        read_until(master, "komi")
        time.sleep(0.5)
        begin = time.monotonic()
        os.kill(process.pid, signal.SIGINT)
        assert process.wait(20) == 130
        assert time.monotonic() - begin < 3


# --- the parts ------------------------------------------------------------------------------------------------------------


def test_plain_board_is_a_diagram() -> None:
    board = Board(9)
    for move in ("A1", "J9", "E5", "pass", "D4"):
        board.play(move)
    again = Board.from_ascii(plain_board(board))
    assert (again.stones() == board.stones()).all()


def test_dead_stones_and_land_are_small_letters() -> None:
    board = Board.from_ascii(
        """
        . . .
        X O .
        . . .
        """
    )
    dead = np.zeros((3, 3), dtype=np.bool_)
    dead[1, 1] = True
    owner = np.full((3, 3), 0.9)
    owner[2, 2] = -0.9
    owner[0, 0] = 0.1
    rows = plain_board(board, dead, owner).splitlines()[1:4]
    assert [row[3:8] for row in rows] == [". x x", "X o x", "x x o"]


def test_take_back_after_the_bots_resignation() -> None:
    board = Board(9)
    for move in ("E5", "D4", "C3"):
        board.play(move)
    game = Game(board, BLACK, resigned=WHITE)
    assert game.take_back() == 1 and not game.is_over
    assert board.move_count == 2 and board.to_play == BLACK
