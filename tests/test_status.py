"""Dead stones, seki and ownership at the end of a game, by playouts."""

from __future__ import annotations

import numpy as np
import pytest

from alphago.go import Board, action_to_gtp, gtp_to_action
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
    """An eye each and two liberties between them: who fills both is captured."""
    board = Board.from_ascii(". X . O .\nX X . O O\nX X O O O\nX X O O O\nX X O O O", komi=0)
    found = status(board)
    assert not found.dead and not found.alive
    assert len(found.seki) == 2


def owners(board: Board, **means: float) -> np.ndarray:
    """What playouts would find: every stone its own, the chains through these points as given, black positive."""
    owner = np.array([0.0, 1.0, -1.0])[board.stones()]
    for vertex, mean in means.items():
        owner.flat[board.chain(gtp_to_action(vertex, board.size))] = mean
    return owner


def test_a_chain_that_most_playouts_lose_is_dead_in_the_others_land(monkeypatch: pytest.MonkeyPatch) -> None:
    """Left on the board it would make all of that land neutral."""
    board = Board.from_ascii(FINISHED, komi=7)
    monkeypatch.setattr("alphago.search.status.ownership", lambda *_: owners(board, A5=0.3, F3=-0.3))
    assert vertices(status(board).dead) == {"A5", "F3"}
    monkeypatch.setattr("alphago.search.status.ownership", lambda *_: owners(board, A5=-0.1, F3=-0.3))
    assert vertices(status(board).dead) == {"F3"}


def test_a_seki_that_playouts_do_not_keep_is_one_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    board = Board.from_ascii(". X . O .\nX X . O O\nX X O O O\nX X O O O\nX X O O O", komi=0)
    for lost in ({"A4": -0.4}, {"E4": 0.4}):
        monkeypatch.setattr("alphago.search.status.ownership", lambda *_, lost=lost: owners(board, **lost))
        assert len(status(board).seki) == 2


def test_a_chain_in_atari_is_in_no_seki(monkeypatch: pytest.MonkeyPatch) -> None:
    """White's four stones and black's have one liberty between them, which white fills to capture; black has no other."""
    board = Board.from_ascii("X X O O .\nO X X O O\nO O X O .\n. O X . O\nO . O O O", komi=0)
    monkeypatch.setattr("alphago.search.status.ownership", lambda *_: owners(board, A5=-0.4))
    assert vertices(status(board).dead, 5) == {"A5", "B5", "B4", "C4", "C3", "C2"}


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
