"""Coordinates: every notation names the same points, and nonsense gets a named exception."""

import numpy as np
import pytest
import sgfmill.common
from hypothesis import given
from hypothesis import strategies as st

from alphago.go import (
    BadBoard,
    BadColor,
    BadCoordinate,
    OffBoard,
    action_to_gtp,
    action_to_point,
    action_to_sgf,
    gtp_to_action,
    parse_color,
    parse_move,
    point_to_action,
    sgf_to_action,
)
from alphago.go.coords import check_size

SIZES = range(2, 20)


@pytest.mark.parametrize("size", SIZES)
def test_every_notation_round_trips(size: int) -> None:
    """action -> notation -> action is the identity for every action, the pass included, and no two share a name."""
    actions = range(size * size + 1)
    for text, back in ((action_to_gtp, gtp_to_action), (action_to_sgf, sgf_to_action)):
        names = [text(action, size) for action in actions]
        assert [back(name, size) for name in names] == list(actions)
        assert len(set(names)) == len(names)
    for action in range(size * size):
        point = action_to_point(action, size)
        assert point is not None
        assert point_to_action(*point, size) == action
    assert action_to_point(size * size, size) is None


@given(st.integers(2, 19).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n * n - 1))))
def test_gtp_agrees_with_sgfmill(drawn: tuple[int, int]) -> None:
    """sgfmill counts rows from the bottom, we from the top; the vertex is the same."""
    size, action = drawn
    point = action_to_point(action, size)
    assert point is not None
    assert action_to_gtp(action, size) == sgfmill.common.format_vertex((size - 1 - point[0], point[1]))


def test_known_points() -> None:
    assert gtp_to_action("A1", 19) == 18 * 19
    assert gtp_to_action("J9", 9) == 8
    assert gtp_to_action("t19", 19) == 18
    assert gtp_to_action(" d4 ", 19) == gtp_to_action("D4", 19) == 15 * 19 + 3
    assert gtp_to_action("PASS", 9) == gtp_to_action("pass", 9) == 81
    assert sgf_to_action("dp", 19) == gtp_to_action("D4", 19)
    assert sgf_to_action("", 9) == sgf_to_action("tt", 9) == 81
    assert sgf_to_action("", 19) == sgf_to_action("tt", 19) == 361
    assert action_to_sgf(361, 19) == ""


def test_moves_in_every_form() -> None:
    assert parse_move("E5", 9) == parse_move((4, 4), 9) == parse_move(40, 9) == parse_move(np.int64(40), 9) == 40
    assert parse_move(np.uint16(81), 9) == parse_move("pass", 9) == 81


@pytest.mark.parametrize("text", ["I5", "i5", "", "D", "5", "5D", "D-4", "D 4", "DD4", "É4", "D٤", "resign", "D4444"])
def test_bad_gtp(text: str) -> None:
    with pytest.raises(BadCoordinate, match="bad GTP vertex") as error:
        gtp_to_action(text, 9)
    assert not isinstance(error.value, OffBoard)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("text", ["A0", "A10", "K1", "T19", "Z1", "D100"])
def test_gtp_off_board(text: str) -> None:
    with pytest.raises(OffBoard, match="off the 9x9 board; it runs from A1 to J9"):
        gtp_to_action(text, 9)


@pytest.mark.parametrize("text", ["a", "aaa", "a1", "  ", "é1"])
def test_bad_sgf(text: str) -> None:
    with pytest.raises(BadCoordinate, match="bad SGF point"):
        sgf_to_action(text, 9)


@pytest.mark.parametrize("text", ["ja", "aj", "zz", "AA"])
def test_sgf_off_board(text: str) -> None:
    with pytest.raises(OffBoard, match="from 'aa' to 'ii'"):
        sgf_to_action(text, 9)


@pytest.mark.parametrize("move", [-1, 82, 10**30, (-1, 0), (0, 9), (9, 0), np.int64(-5)])
def test_numbers_off_board(move: object) -> None:
    with pytest.raises(OffBoard):
        parse_move(move, 9)  # type: ignore[arg-type]


@pytest.mark.parametrize("move", [None, 1.0, (1,), (1, 2, 3), (1.5, 2), [1, 2], b"D4", object()])
def test_not_a_move(move: object) -> None:
    with pytest.raises(BadCoordinate):
        parse_move(move, 9)  # type: ignore[arg-type]


@given(st.text(max_size=6), st.integers(2, 19))
def test_any_text_is_a_move_or_a_named_error(text: str, size: int) -> None:
    for read in (gtp_to_action, sgf_to_action):
        try:
            assert 0 <= read(text, size) <= size * size
        except BadCoordinate as error:
            assert "\n" not in str(error)


def test_actions_out_of_range_have_no_name() -> None:
    for name in (action_to_gtp, action_to_sgf, action_to_point):
        for action in (-1, 82):
            with pytest.raises(OffBoard):
                name(action, 9)


def test_colors() -> None:
    assert [parse_color(c) for c in (1, "b", "B", "black", "Black")] == [1] * 5
    assert [parse_color(c) for c in (2, "w", "W", "white", "WHITE ")] == [2] * 5
    for bad in (0, 3, "", "x", "blackk", None):
        with pytest.raises(BadColor):
            parse_color(bad)  # type: ignore[arg-type]


@pytest.mark.parametrize("size", [1, 0, -9, 20, 10**20, "9", 9.0, None])
def test_bad_size(size: object) -> None:
    with pytest.raises(BadBoard, match="board size must be"):
        check_size(size)  # type: ignore[arg-type]
