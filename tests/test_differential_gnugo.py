"""At least 10,000 random moves side by side with GNU Go over GTP.

After moves: `is_legal` of sampled points for both sides, `list_stones` of both, `countlib`, `captures`; after a game
played out to the end, `final_score`. A whole batch of games is written to GNU Go at once, and the answers are
compared with those that the core gave on the way.
"""

import random
import re
import shutil
import subprocess
from dataclasses import dataclass, field

import numpy as np
import pytest

from alphago import _core
from reference.board import place

GNUGO = shutil.which("gnugo") or shutil.which("gnugo", path="/usr/games")
pytestmark = pytest.mark.skipif(GNUGO is None, reason="GNU Go is not installed (apt-get install gnugo)")

COLUMNS = "ABCDEFGHJKLMNOPQRST"
KO_OPTIONS = ("--simple-ko", "--positional-superko", "--situational-superko")
COLORS = ("", "black", "white")


def vertex(size: int, action: int) -> str:
    """GTP name of an action."""
    return "pass" if action == size * size else f"{COLUMNS[action % size]}{size - action // size}"


def actions(size: int, answer: str) -> list[int]:
    """The actions of a list of GTP vertices, ascending."""
    return sorted((size - int(name[1:])) * size + COLUMNS.index(name[0]) for name in answer.split())


@dataclass
class Script:
    """GTP commands, and for each the answer that the core expects (None: none in particular)."""

    commands: list[str] = field(default_factory=list)
    expected: list[object] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)

    def add(self, size: int, command: str, expected: object = None) -> None:
        self.commands.append(command)
        self.expected.append(expected)
        self.sizes.append(size)

    def compare(self, *options: str) -> int:
        """Runs GNU Go over the script. Returns the number of answers compared."""
        assert GNUGO is not None
        done = subprocess.run(
            [GNUGO, "--mode", "gtp", "--quiet", "--seed", "1", *options],
            input="\n".join(self.commands) + "\n",
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        answers = re.split(r"\n\n", done.stdout)[: len(self.commands)]
        assert len(answers) == len(self.commands), done.stderr[-500:]
        compared = 0
        for index, (command, expected, answer) in enumerate(zip(self.commands, self.expected, answers, strict=True)):
            assert answer.startswith("="), (command, answer, self.commands[max(0, index - 40) : index])
            body = answer[1:].strip()
            if expected is None:
                continue
            compared += 1
            got: object = body
            if command.startswith("list_stones"):
                got = actions(self.sizes[index], body)
            elif isinstance(expected, int):
                got = int(body)
            elif isinstance(expected, float):
                got = 0.0 if body == "0" else float(body[2:]) * (1 if body[0] == "B" else -1)
            assert got == expected, (command, body, expected, self.commands[max(0, index - 60) : index])
        return compared


def ask(script: Script, position: _core.Position, rng: random.Random) -> None:
    """Adds questions about a position and the core's answers to them."""
    size = position.size
    stones = position.stones().reshape(-1)
    for color in (1, 2):
        script.add(size, f"list_stones {COLORS[color]}", np.flatnonzero(stones == color).tolist())
        # GTP's `captures` counts the stones that a colour has taken, its own suicides excepted in neither program.
        script.add(size, f"captures {COLORS[color]}", position.captured(3 - color))
    occupied = np.flatnonzero(stones).tolist()
    for point in rng.sample(occupied, min(5, len(occupied))):
        script.add(size, f"countlib {vertex(size, point)}", position.liberties(point))
    asked = rng.sample(range(size * size), min(8, size * size))
    # Where legality is in question: points without an empty neighbour.
    open_points = np.flatnonzero(stones == 0).tolist()
    tight = [point for point in open_points if position.legality(point, 1) or position.legality(point, 2)]
    for point in [*asked, *tight]:
        color = rng.choice((1, 2))
        # GNU Go never looks for repetition after a suicide: it would let one bring the empty board back.
        if position.ko and not stones[point] and place(size, tuple(stones.tolist()), point, color).suicide:
            continue
        script.add(size, f"is_legal {COLORS[color]} {vertex(size, point)}", int(position.legality(point, color) == 0))


def random_game(script: Script, rng: random.Random, size: int, ko: int, suicide: bool, turns: int, every: int) -> int:
    """Adds a random game; returns the number of its turns."""
    position = _core.Position(size, ko=ko, suicide=suicide)
    script.add(size, f"boardsize {size}")
    script.add(size, "clear_board")
    for turn in range(turns):
        legal = [
            point
            for point in np.flatnonzero(position.legal_mask()[:-1]).tolist()
            if rng.random() < 0.1 or not position.is_eye(point, position.to_play)
        ]
        action = rng.choice(legal) if legal and rng.random() < 0.99 else size * size
        script.add(size, f"play {COLORS[position.to_play]} {vertex(size, action)}")
        assert position.try_play(action) >= 0
        if turn % every == 0:
            ask(script, position, rng)
    return position.move_count


@pytest.mark.parametrize("suicide", [False, True], ids=["no-suicide", "suicide"])
@pytest.mark.parametrize("ko", [0, 1, 2], ids=["simple", "positional", "situational"])
def test_random_games_agree_with_gnugo(ko: int, suicide: bool) -> None:
    """Every ko rule, suicide forbidden or (more than one stone) allowed, from 3x3 to 19x19."""
    rng = random.Random(10 * ko + suicide)
    script = Script()
    moves = 0
    for size, turns, games in [
        (3, 40, 6),
        (4, 60, 5),
        (5, 100, 6),
        (7, 150, 3),
        (9, 200, 2),
        (13, 300, 1),
        (19, 400, 1),
    ]:
        for _ in range(games):
            moves += random_game(script, rng, size, ko, suicide, turns, every=1 if size < 10 else 4)
    assert moves > 2500
    compared = script.compare(KO_OPTIONS[ko], "--allow-suicide" if suicide else "--forbid-suicide")
    assert compared > 20_000
    asked = zip(script.commands, script.expected, strict=True)
    answers = [expected for command, expected in asked if command.startswith("is_legal")]
    assert answers.count(0) > 1000


def test_final_score_agrees_with_gnugo() -> None:
    """Area scores of games played out by light playouts, where every chain on the board is pass-alive.

    GNU Go takes off what it holds for dead, so a game whose end leaves that open is no test of counting.
    """
    script = Script()
    scored = tried = 0
    for size in (5, 7, 9):
        for seed in range(150):
            if scored >= {5: 12, 7: 24, 9: 36}[size]:
                break
            tried += 1
            position = _core.Position(size, ko=0, suicide=False, komi=0.5)
            difference, moves = position.playout("light", seed=seed)
            for action in moves:
                assert position.try_play(action) >= 0
            safe = position.pass_alive(1) | position.pass_alive(2)
            if not position.is_over or not safe[position.stones() > 0].all():
                continue
            scored += 1
            for command in (f"boardsize {size}", "clear_board", "komi 0.5"):
                script.add(size, command)
            color = 1
            for action in moves:
                script.add(size, f"play {COLORS[color]} {vertex(size, action)}")
                color = 3 - color
            script.add(size, "final_score", float(difference - 0.5))
    assert scored >= 36, (scored, tried)
    assert script.compare("--chinese-rules", "--level", "1") == scored
