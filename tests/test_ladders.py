"""Ladders: diagrams that a player can check, and the slow reader of tests/reference at random positions."""

import random

import numpy as np
import pytest

from alphago import _core
from reference import ladder as slow
from reference.board import BLACK, WHITE, opponent
from reference.compare import Pair, from_rows, game_pairs, random_pair

PLAIN = """
.........
.........
..XX.....
.XOO.....
.XX......
.........
.........
.........
.........
"""
BREAKER = """
.........
.........
..XX.....
.XOO.....
.XX......
.........
......O..
.........
.........
"""


def chain_in(pair: Pair, row: int, col: int) -> int:
    """The action of a point that must hold a stone."""
    action = row * pair.size + col
    assert pair.slow.grid[action]
    return action


def captures_and_escapes(pair: Pair) -> tuple[list[int], list[int]]:
    """Actions on planes 44 and 45."""
    captures, escapes = pair.core.ladder_moves()
    return np.flatnonzero(captures).tolist(), np.flatnonzero(escapes).tolist()


@pytest.mark.parametrize("to_play", [BLACK, WHITE])
def test_a_working_ladder(to_play: int) -> None:
    """With nothing in the way the chain is caught; for black, one of the two liberties starts the ladder."""
    pair = from_rows(PLAIN, to_play)
    assert pair.core.ladder_captured(chain_in(pair, 3, 2))
    captures, escapes = captures_and_escapes(pair)
    assert captures == ([3 * 9 + 4] if to_play == BLACK else []), (
        "the outer liberty: white then runs towards the centre"
    )
    assert not escapes


def test_a_ladder_breaker() -> None:
    """A white stone on the ladder's way saves the chain, and no black move catches it."""
    pair = from_rows(BREAKER, BLACK)
    assert not pair.core.ladder_captured(chain_in(pair, 3, 2))
    assert captures_and_escapes(pair) == ([], [])


def test_extension_out_of_a_ladder_that_works_is_no_escape() -> None:
    """One liberty, to move, no breaker: extending does not help; with the breaker it does."""
    rows = PLAIN.replace(".XOO.....", ".XOOX....")
    pair = from_rows(rows, WHITE)
    assert pair.core.ladder_captured(chain_in(pair, 3, 3))
    assert captures_and_escapes(pair) == ([], [])
    pair = from_rows(BREAKER.replace(".XOO.....", ".XOOX...."), WHITE)
    assert not pair.core.ladder_captured(chain_in(pair, 3, 3))
    assert captures_and_escapes(pair) == ([], [4 * 9 + 3])


def test_escape_by_capture() -> None:
    """The chain in atari cannot extend, but takes a neighbour off; when that neighbour has a second liberty it is lost."""
    rows = """
    .........
    .........
    .........
    ..XXO....
    .X.OX....
    ..XXO....
    .........
    .........
    .........
    """
    pair = from_rows(rows, WHITE)
    assert not pair.core.ladder_captured(chain_in(pair, 4, 3))
    assert captures_and_escapes(pair) == ([], [4 * 9 + 5])
    lost = from_rows(rows.replace("..XXO....", "..XX.....", 1), WHITE)
    assert lost.core.ladder_captured(chain_in(lost, 4, 3))
    assert captures_and_escapes(lost)[1] == []


def test_capture_on_the_first_line() -> None:
    """Driven along the edge a stone has no third liberty."""
    rows = """
    .........
    .........
    .........
    .........
    .........
    .........
    .........
    .XXX.....
    .XO......
    """
    pair = from_rows(rows, BLACK)
    assert pair.core.ladder_captured(chain_in(pair, 8, 2)), "after the extension to D1 only E1 is left"
    saved = from_rows(rows.replace(".XXX.....", ".XXXO....").replace(".XO......", ".XO.O...."), WHITE)
    assert not saved.core.ladder_captured(chain_in(saved, 8, 2)), "D1 connects to the stones on E1 and E2"
    assert captures_and_escapes(saved)[1] == [8 * 9 + 3]


def test_three_liberties_are_no_ladder() -> None:
    """A chain with three liberties is not read at all."""
    pair = from_rows(PLAIN.replace(".XX......", ".X......."), BLACK)
    assert pair.core.liberties(chain_in(pair, 3, 2)) == 3
    assert not pair.core.ladder_captured(chain_in(pair, 3, 2))
    assert captures_and_escapes(pair) == ([], [])


KO_LADDER = """
XX..
.XO.
XO..
.XO.
"""


def test_ko_ban_holds_inside_the_reading() -> None:
    """White catches the stone on A2 by taking the ko at A1; right after black's own ko capture there he may not."""
    stone = 2 * 4
    free = from_rows(KO_LADDER, WHITE)
    assert free.core.ladder_captured(stone)
    assert 3 * 4 in captures_and_escapes(free)[0]
    banned = from_rows("XX.. .XO. XO.. O.O.", BLACK)
    assert banned.play(3 * 4 + 1) == 1
    assert banned.slow.grid == free.slow.grid
    assert banned.core.ko_point == 3 * 4
    assert not banned.core.ladder_captured(stone)
    assert 3 * 4 not in captures_and_escapes(banned)[0]


@pytest.mark.parametrize("size", [4, 5, 6])
def test_reading_from_positions_with_a_ko_ban(size: int) -> None:
    """Ban or no ban, the same stones are read as the reference reads them; in some of the positions the ban decides."""
    rng = random.Random(size)
    positions = decided = 0
    while positions < 60:
        pair = Pair(size, 0, False)
        for _ in range(2 * size * size):
            pair.random_play(rng, 1)
            if pair.slow.ban is None:
                continue
            positions += 1
            banned = [pair.core.ladder_captured(point) for point in range(size * size)]
            check_against_reference(pair)
            free = Pair(size, 0, False)
            sides = [[point for point, color in enumerate(pair.slow.grid) if color == side] for side in (BLACK, WHITE)]
            assert free.setup(sides[0], sides[1], []) == 0
            check_against_reference(free)
            decided += banned != [free.core.ladder_captured(point) for point in range(size * size)]
    assert decided >= 3


@pytest.mark.parametrize("size", [3, 4, 5, 6, 7, 9, 11, 13])
def test_random_positions(size: int) -> None:
    """Every chain of either colour, and the ladder moves of both sides, equal the reference."""
    rng = random.Random(size)
    chains = caught = moves = 0
    for _ in range(40):
        pair = random_pair(rng, size, rng.randrange(size, size * size * 3 // 2))
        for color in (pair.slow.to_play, opponent(pair.slow.to_play)):
            pair.turn(color)
            checked, found, winning = check_against_reference(pair)
            chains, caught, moves = chains + checked, caught + found, moves + winning
    assert chains > 100
    assert caught > 10
    assert moves > 5


def check_against_reference(pair: Pair) -> tuple[int, int, int]:
    """Asserts equality. Returns the numbers of chains compared, of caught ones, and of ladder moves of either kind."""
    checked = found = 0
    for point, color in enumerate(pair.slow.grid):
        if not color or min(pair.core.chain(point)) != point:
            continue
        reading = slow.caught(pair.slow, point)
        if reading.nodes > 400:
            continue  # near the limit of nodes the order of moves decides
        assert pair.core.ladder_captured(point) == reading.captured, (point, pair.describe(-1, 0, 0))
        assert all(pair.core.ladder_captured(stone) == reading.captured for stone in pair.core.chain(point))
        checked += 1
        found += reading.captured
    captures, escapes, nodes = slow.ladder_planes(pair.slow)
    if nodes <= 400:
        assert captures_and_escapes(pair) == (sorted(captures), sorted(escapes)), pair.describe(-1, 0, 0)
    return checked, found, len(captures) + len(escapes)


def test_real_positions() -> None:
    """The same at positions of real games, the side to move and its opponent."""
    totals = np.zeros(3, dtype=int)
    for pair in game_pairs(random.Random(5), nine=120, nineteen=12):
        totals += check_against_reference(pair)
        pair.turn(opponent(pair.slow.to_play))
        totals += check_against_reference(pair)
    assert totals[1] > 50
    assert totals[2] > 50


def test_long_ladders_across_the_large_board() -> None:
    """A lone stone with two liberties is driven to the far corner, wherever it starts; a stone on the way saves it."""
    for start in range(3, 7):
        pair = Pair(19, 0, False)
        stone = start * 19 + start
        assert pair.setup([stone - 19, stone - 1, stone + 18, stone - 18], [stone], []) == 0
        assert pair.core.liberties(stone) == 2
        assert pair.core.ladder_captured(stone)
        assert slow.caught(pair.slow, stone).captured
        assert pair.setup([], [15 * 19 + 15], []) == 0
        assert not pair.core.ladder_captured(stone)
        assert not slow.caught(pair.slow, stone).captured


def test_empty_points_are_no_chains() -> None:
    """An empty point is in no ladder."""
    position = _core.Position(9)
    assert not position.ladder_captured(40)
    assert not position.ladder_moves()[0].any()
