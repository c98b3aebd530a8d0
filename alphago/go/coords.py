"""Points and moves in every notation: action numbers, (row, column), GTP vertices, SGF points.

An action is `row * size + column`, row 0 at the top, and `size * size` for a pass. GTP counts rows from the bottom and
skips the letter I ("A1" is the bottom left corner); SGF writes column then row, both as letters from the top left.
"""

import operator
import re
from typing import Final, SupportsIndex, TypeAlias

from alphago.go.errors import BadBoard, BadColor, BadCoordinate, OffBoard

MIN_SIZE: Final = 2
MAX_SIZE: Final = 19
BLACK: Final = 1
WHITE: Final = 2
GTP_COLUMNS: Final = "ABCDEFGHJKLMNOPQRST"
_SGF_LETTERS: Final = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

Move: TypeAlias = SupportsIndex | str | tuple[int, int]
"""An action, a GTP vertex or "pass", or (row, column)."""
Color: TypeAlias = int | str
"""1 or "b" or "black"; 2 or "w" or "white"; letter case does not matter."""

_COLORS: Final = {"b": BLACK, "black": BLACK, "w": WHITE, "white": WHITE}
_VERTEX = re.compile(r"([A-Za-z])([0-9]{1,3})")


def check_size(size: SupportsIndex) -> int:
    """The size as an int. Raises BadBoard unless it is a whole number from 2 to 19."""
    try:
        number = operator.index(size)
    except TypeError:
        raise BadBoard(f"board size must be a whole number from {MIN_SIZE} to {MAX_SIZE}, got {size!r}") from None
    if not MIN_SIZE <= number <= MAX_SIZE:
        raise BadBoard(f"board size must be from {MIN_SIZE} to {MAX_SIZE}, got {number}")
    return number


def parse_color(color: Color) -> int:
    """1 for black, 2 for white. Raises BadColor."""
    found = _COLORS.get(color.strip().lower()) if isinstance(color, str) else color
    if found == BLACK or found == WHITE:
        return int(found)
    raise BadColor(f"unknown colour {color!r}; expected 1, 'b' or 'black', 2, 'w' or 'white'")


def color_name(color: int) -> str:
    """ "black" or "white" for 1 or 2."""
    return "black" if color == BLACK else "white"


def point_to_action(row: int, column: int, size: int) -> int:
    """Action of a point. Raises OffBoard; negative numbers do not count from the end."""
    try:
        r, c = operator.index(row), operator.index(column)
    except TypeError:
        raise BadCoordinate(f"a point is two whole numbers (row, column), got ({row!r}, {column!r})") from None
    if not (0 <= r < size and 0 <= c < size):
        raise OffBoard(f"point ({r}, {c}) is off the {size}x{size} board; rows and columns run from 0 to {size - 1}")
    return r * size + c


def action_to_point(action: int, size: int) -> tuple[int, int] | None:
    """(row, column) of an action, None for a pass. Raises OffBoard on a number outside 0..size*size."""
    if not 0 <= action <= size * size:
        raise OffBoard(f"action {action} is off the {size}x{size} board; expected 0 to {size * size} (pass)")
    return None if action == size * size else divmod(action, size)


def gtp_to_action(vertex: str, size: int) -> int:
    """Action of a GTP vertex such as "D4" or "pass", in either letter case.

    Raises:
        OffBoard: well formed, but not on a board of this size.
        BadCoordinate: anything else, the letter I included.
    """
    text = vertex.strip()
    if text.lower() == "pass":
        return size * size
    match = _VERTEX.fullmatch(text)
    if match is None or not text.isascii():
        raise BadCoordinate(f"bad GTP vertex {vertex!r}; expected a letter and a number such as 'D4', or 'pass'")
    letter = match[1].upper()
    if letter == "I":
        raise BadCoordinate(f"bad GTP vertex {vertex!r}; GTP skips the column letter I (H is followed by J)")
    column, number = GTP_COLUMNS.find(letter), int(match[2])
    if not (0 <= column < size and 1 <= number <= size):
        raise OffBoard(
            f"vertex {text!r} is off the {size}x{size} board; it runs from A1 to {GTP_COLUMNS[size - 1]}{size}"
        )
    return (size - number) * size + column


def action_to_gtp(action: int, size: int) -> str:
    """GTP vertex of an action: "D4", "pass". Raises OffBoard on a number outside 0..size*size."""
    point = action_to_point(action, size)
    return "pass" if point is None else f"{GTP_COLUMNS[point[1]]}{size - point[0]}"


def sgf_to_action(text: str, size: int) -> int:
    """Action of an SGF move value: "dd"; "" and (on boards up to 19x19, that is on all of ours) "tt" are passes.

    Raises:
        OffBoard: two letters, but not on a board of this size.
        BadCoordinate: anything else.
    """
    if text in ("", "tt"):
        return size * size
    if len(text) != 2 or any(letter not in _SGF_LETTERS for letter in text):
        raise BadCoordinate(f"bad SGF point {text!r}; expected two letters such as 'dd', or '' for a pass")
    column, row = (_SGF_LETTERS.index(letter) for letter in text)
    if not (row < size and column < size):
        last = _SGF_LETTERS[size - 1] * 2
        raise OffBoard(f"SGF point {text!r} is off the {size}x{size} board; it runs from 'aa' to {last!r}")
    return row * size + column


def action_to_sgf(action: int, size: int) -> str:
    """SGF move value of an action: "dd", or "" for a pass. Raises OffBoard on a number outside 0..size*size."""
    point = action_to_point(action, size)
    return "" if point is None else _SGF_LETTERS[point[1]] + _SGF_LETTERS[point[0]]


def parse_move(move: Move, size: int) -> int:
    """Action of a move in any notation but SGF (whose letters would be read as nothing else than SGF).

    Args:
        move: an action, a GTP vertex or "pass", or (row, column).

    Raises:
        OffBoard: a point outside the board.
        BadCoordinate: not a move at all.
    """
    if isinstance(move, str):
        return gtp_to_action(move, size)
    if isinstance(move, tuple):
        if len(move) != 2:
            raise BadCoordinate(f"a point is a pair (row, column), got {move!r}")
        return point_to_action(move[0], move[1], size)
    try:
        action = operator.index(move)
    except TypeError:
        raise BadCoordinate(
            f"not a move: {move!r}; expected an action, a GTP vertex such as 'D4' or (row, column)"
        ) from None
    if not 0 <= action <= size * size:
        raise OffBoard(f"action {action} is off the {size}x{size} board; expected 0 to {size * size} (pass)")
    return action
