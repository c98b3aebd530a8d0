"""Dead stones, seki and ownership at the end of a game, by playouts."""

from __future__ import annotations

import numpy as np
import pytest

from alphago.go import Board, action_to_gtp
from alphago.search.status import ownership, status

# Black's land has two eyes above and one below, white's the same; A5 and F3 stand in the other's land.
FINISHED = """
. X . X O . O
X X X X O O O
O . X X O . O
X X X X O O O
X . X O O X .
X X X O O O O
. X O O . O .
"""


def vertices(chains: list[list[int]], size: int = 7) -> set[str]:
    return {action_to_gtp(a, size) for chain in chains for a in chain}


@pytest.mark.parametrize("to_play", ["black", "white"])
def test_prisoners_inside_the_land_are_dead(to_play: str) -> None:
    board = Board.from_ascii(FINISHED, komi=7, to_play=to_play)
    found = status(board)
    assert vertices(found.dead) == {"A5", "F3"}
    assert not found.seki
    assert len(vertices(found.alive)) == int((board.stones() > 0).sum()) - 2
    assert board.score(found.dead_mask(7)) == board.score(["A5", "F3"])


def test_passes_do_not_change_a_status() -> None:
    board = Board.from_ascii(FINISHED, komi=7)
    before = status(board)
    board.pass_()
    board.pass_()
    assert status(board) == before


def test_pass_alive_chains_are_alive_whatever_playouts_say() -> None:
    board = Board.from_ascii(". X . X .\nX X X X X\nO O O O O\n. . . . .\n. . . . .", komi=0)
    found = status(board, playouts=4)
    assert vertices([c for c in found.alive if 1 in c], 5) >= {"B5", "D5"}
    assert all(board.stones().ravel()[c[0]] != 1 for c in found.dead)


def test_a_seki_is_neither_dead_nor_alive_alone() -> None:
    """An eye each and two liberties between them: who fills one is captured."""
    board = Board.from_ascii(". X . O .\nX X . O O\nX X O O O\nX X O O O\nX X O O O", komi=0)
    found = status(board)
    assert not found.dead and not found.alive
    assert len(found.seki) == 2


def test_ownership_is_blacks_point_of_view_and_the_same_for_the_same_seed() -> None:
    board = Board.from_ascii(FINISHED, komi=7)
    owner = ownership(board, 32, seed=5)
    assert np.array_equal(owner, ownership(board, 32, seed=5))
    assert owner[0, 0] > 0.8 and owner[0, 6] < -0.8
    swapped = Board.from_ascii(FINISHED.translate(str.maketrans("XO", "OX")), komi=7)
    assert ownership(swapped, 32, seed=5)[0, 0] < -0.8


def test_a_stopped_estimate_is_of_what_there_is() -> None:
    board = Board(9)
    assert np.array_equal(ownership(board, 50, stop_when=lambda: True), np.zeros((9, 9)))
