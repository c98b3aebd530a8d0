"""Copies, pickles and equality of `Board`."""

import copy
import pickle

import numpy as np
import pytest
from hypothesis import given, settings

from alphago.go import Board
from test_board_face import SIMPLE_KO, boards


@given(boards(sizes=(2, 5, 9)))
@settings(max_examples=80, deadline=None)
def test_copies_and_pickles_are_equal_and_independent(board: Board) -> None:
    board.white_bonus = 2
    for again in (board.copy(), copy.copy(board), copy.deepcopy(board), pickle.loads(pickle.dumps(board))):
        assert type(again) is Board
        assert again == board
        assert again.rules == board.rules
        assert (again.komi, again.white_bonus, again.moves()) == (board.komi, 2, board.moves())
        np.testing.assert_array_equal(again.planes(), board.planes())
        again.pass_()
        assert again != board
        assert again.undo()
        assert again == board
        while again.undo():  # the whole history is there
            pass
        assert again.move_count == 0


def test_subclasses_keep_their_attributes() -> None:
    again = pickle.loads(pickle.dumps(_Named.make()))
    assert type(again) is _Named
    assert again.label == "mine"
    assert type(again.copy()) is _Named
    assert again.copy().label == "mine"


class _Named(Board):
    label = ""

    @classmethod
    def make(cls) -> "_Named":
        board = cls(5)
        board.label = "mine"
        return board


def test_equality_looks_at_all_that_matters() -> None:
    assert Board(9) == Board(9)
    assert Board(9) != "board"
    assert Board(9) != Board(13)
    assert Board(9) != Board(9, "chinese")
    assert Board(9) != Board(9, komi=0)
    assert Board(9, "japanese") == Board(9, "korean")
    one, other = Board(9, "chinese"), Board(9, "chinese")
    for a, b in zip(("A1", "B2", "C3", "D4"), ("C3", "D4", "A1", "B2"), strict=True):
        one.play(a)
        other.play(b)
    assert one == other  # the order of moves is forgotten under simple ko
    under_superko = []
    for moves in (("A1", "B2", "C3", "D4"), ("C3", "D4", "A1", "B2")):
        board = Board(9)
        for move in moves:
            board.play(move)
        under_superko.append(board)
    assert under_superko[0] != under_superko[1]  # but not the positions passed on the way, under superko
    ko = Board.from_ascii(SIMPLE_KO, "chinese", to_play="white")
    ko.play("B3")
    set_up = Board.from_ascii(str(ko), "chinese")
    assert ko != set_up  # the ko ban


def test_boards_have_no_hash_of_their_own() -> None:
    with pytest.raises(TypeError, match="unhashable"):
        hash(Board(9))
    assert Board(9).hash == Board(9, "chinese", 0).hash
