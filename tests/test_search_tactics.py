"""Small fights that the search reads out with softmax rollouts, within the simulations stated here.

Each board is sealed: what is not part of the fight is alive with eyes, and the komi makes the fight decide the game.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from alphago import _core
from search_helpers import Params, searched

SEARCH: Params = {"rollouts": "softmax", "prior": "tree"}
SEEDS = (1, 2, 3)


def board(text: str, to_play: int, komi: float) -> _core.Position:
    """A square diagram of `X`, `O` and `.`."""
    rows = [row.split() for row in text.strip().splitlines()]
    size = len(rows)
    position = _core.Position(size, komi=komi)
    stones = {color: [r * size + c for r in range(size) for c in range(size) if rows[r][c] == color] for color in "XO"}
    assert position.setup(stones["X"], stones["O"], []) == 0
    position.to_play = to_play
    return position


@dataclass(frozen=True)
class Fight:
    text: str
    komi: float
    solutions: frozenset[tuple[int, int]]  # (row, column): the only moves that win
    simulations: int


def vital(text: str, row: int, column: int, komi: float) -> Fight:
    """An eye shape that lives or dies by its vital point, whoever takes it."""
    return Fight(text, komi, frozenset({(row, column)}), 1000)


LIFE_AND_DEATH = {
    "straight-three": vital(
        """
        . . . O X . .
        O O O O X . X
        X X X X X X .
        . X . X . X .
        X . X . X . X
        . X . X . X .
        X . X . X . X
        """,
        0,
        1,
        40,
    ),
    "bent-three": vital(
        """
        . . O X . X .
        . O O X X . X
        O O X X . X .
        X X X . X . X
        . X . X . X .
        X . X . X . X
        . X . X . X .
        """,
        0,
        0,
        40,
    ),
    "pyramid-four": vital(
        """
        . . . O X . .
        O . O O X . X
        O O O X X X .
        X X X X . X .
        X . X . X . X
        . X . X . X .
        X . X . X . X
        """,
        0,
        1,
        36,
    ),
    "bulky-five": vital(
        """
        . . . O X . .
        . . O O X . X
        O O O X X X .
        X X X X . X .
        X . X . X . X
        . X . X . X .
        X . X . X . X
        """,
        0,
        1,
        36,
    ),
}

# Fourth column against fifth, three liberties each: who fills one first takes the other.
CAPTURE_RACE = Fight(
    """
    . X . O X . O . O
    X X X O X O O O O
    . X . O X . O . O
    X X X O X O O O O
    . X . O X . O . O
    X X X X O O O O O
    X X X X O O O O O
    . X . X O . O . O
    X X X X O O O O O
    """,
    0.5,
    frozenset({(0, 2), (2, 2), (4, 2)}),
    1000,
)


def moves_found(fight: Fight, to_play: int) -> list[tuple[int, int]]:
    """The move played with each seed; every search says that it wins."""
    found = []
    for seed in SEEDS:
        position = board(fight.text, to_play, fight.komi)
        root = searched(position, SEARCH, fight.simulations, seed=seed).root(0)
        assert root["value"] > 0
        found.append(divmod(int(root["move"]), position.size))
    return found


@pytest.mark.parametrize("shape", LIFE_AND_DEATH)
def test_kills(shape: str) -> None:
    """Black takes the vital point within 1,000 simulations."""
    assert set(moves_found(LIFE_AND_DEATH[shape], 1)) == LIFE_AND_DEATH[shape].solutions


@pytest.mark.parametrize("shape", LIFE_AND_DEATH)
def test_lives(shape: str) -> None:
    """White takes it, and lives."""
    assert set(moves_found(LIFE_AND_DEATH[shape], 2)) == LIFE_AND_DEATH[shape].solutions


def test_capture_race() -> None:
    """Black fills one of the three outer liberties within 1,000 simulations: everything else loses the race."""
    assert set(moves_found(CAPTURE_RACE, 1)) <= CAPTURE_RACE.solutions


def test_a_capture_race_lost() -> None:
    """One liberty less, and the first move does not help: white is seen to win, whoever is to move."""
    for seed in SEEDS:
        position = board(CAPTURE_RACE.text, 1, CAPTURE_RACE.komi)
        assert position.setup([], [5], []) == 0
        position.to_play = 1
        assert searched(position, SEARCH, 3000, seed=seed).root(0)["value"] < 0


# White has run for two moves already; each atari must come from the right side. The core's ladder reader says which.
LADDER = """
    . . . . . . .
    . . O . . . .
    . O . X . . .
    . . X O . . .
    . O X . . . .
    . . . . . . .
    . . . . . . .
"""
SO_FAR = [(3, 4), (4, 3), (5, 3), (4, 4)]
RUNNER = 24


@pytest.mark.parametrize("komi", [-4.5, 4.5])
def test_ladder(komi: float) -> None:
    """Atari after atari, each found within 5,000 simulations while white runs, until the chain is off the board."""
    for seed in SEEDS:
        position, ataris = board(LADDER, 1, komi), 0
        for row, column in SO_FAR:
            assert position.try_play(row * 7 + column) == 0
        while position.liberties(RUNNER) == 2:
            ladder = np.flatnonzero(position.ladder_moves()[0]).tolist()
            move = int(searched(position, SEARCH, 5000, seed=seed).root(0)["move"])
            assert ladder and move in ladder
            assert position.try_play(move) == 0
            (escape,) = position.liberty_points(RUNNER)
            assert position.try_play(escape) == 0
            ataris += 1
        assert ataris >= 2 and position.liberties(RUNNER) == 1
        move = int(searched(position, SEARCH, 5000, seed=seed).root(0)["move"])
        assert position.try_play(move) >= 6
