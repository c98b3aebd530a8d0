"""Boards as text: the diagram that `str(board)` prints, and the reader of such diagrams and of bare ones."""

import dataclasses
import re
from typing import Final

import numpy as np
from numpy.typing import NDArray

from alphago.go.coords import BLACK, GTP_COLUMNS, WHITE, action_to_gtp, check_size
from alphago.go.errors import BadBoard
from alphago.go.handicap import star_points

_STONE: Final = {**dict.fromkeys(".+,", 0), **dict.fromkeys("Xx#Bb", BLACK), **dict.fromkeys("Oo@Ww", WHITE)}
_TO_PLAY = re.compile(r"(?:[XO] \()?(black|white)\)? to play\b.*", re.IGNORECASE)
_ROW = re.compile(r"(\d{1,2}(?=\D|$))?\s*(.*?)\s*(\d{1,2})?")


def render(stones: NDArray[np.uint8], last_move: int | None = None) -> str:
    """The diagram alone, without a line end after its last row.

    Args:
        stones: uint8 [size, size]; 0 empty, 1 black (X), 2 white (O).
        last_move: action whose point is put in brackets; None or a pass marks nothing.
    """
    size = stones.shape[0]
    stars = star_points(size)
    header = "   " + " ".join(GTP_COLUMNS[:size])
    rows = [header]
    for r in range(size):
        cells = ""
        for c in range(size):
            point = r * size + c
            gap = "(" if point == last_move else ")" if c and point - 1 == last_move else " "
            stone = int(stones[r, c])
            cells += gap + ("XO"[stone - 1] if stone else "+" if (r, c) in stars else ".")
        cells += ")" if r * size + size - 1 == last_move else " "
        rows.append(f"{size - r:2d}{cells}{size - r}")
    rows.append(header)
    return "\n".join(rows)


@dataclasses.dataclass(frozen=True, slots=True)
class Diagram:
    """What a diagram says.

    Attributes:
        stones: uint8 [size, size]; 0 empty, 1 black, 2 white.
        to_play: 1 or 2 when a line "... to play" says so, else None.
    """

    stones: NDArray[np.uint8]
    to_play: int | None


def parse(text: str) -> Diagram:
    """Read a diagram: one line a row, top row first.

    `.`, `+` and `,` are empty points, `X`, `x`, `#`, `B`, `b` black stones, `O`, `o`, `@`, `W`, `w` white ones. Blanks, brackets,
    row numbers, lines of column letters and the lines that `str(board)` adds below are understood.

    Raises:
        BadBoard: an unknown character, ragged rows, a board that is not square or not of size 2 to 19, a wrong row
            number, or nothing at all; rows and columns in the message count from 1 at the top left of the diagram.
    """
    rows: list[list[int]] = []
    labels: list[int | None] = []
    to_play: int | None = None
    for line in text.splitlines():
        line = line.strip()
        compact = "".join(line.split())
        is_header = len(compact) > 1 and compact == GTP_COLUMNS[: len(compact)]
        if not line or is_header or line.lower().startswith("captured"):
            continue
        said = _TO_PLAY.fullmatch(line)
        if said:
            to_play = BLACK if said[1].lower() == "black" else WHITE
            continue
        label, points = _parse_row(line, len(rows) + 1)
        rows.append(points)
        labels.append(label)
    if not rows:
        raise BadBoard("diagram: no rows; expected one line a row, made of . X and O")
    for number, points in enumerate(rows, 1):
        if len(points) != len(rows[0]):
            raise BadBoard(f"diagram row {number} has {len(points)} points where row 1 has {len(rows[0])}")
    if len(rows) != len(rows[0]):
        raise BadBoard(f"diagram has {len(rows)} rows of {len(rows[0])} points; a board is square")
    size = check_size(len(rows))
    for number, label in enumerate(labels, 1):
        if label is not None and label != size + 1 - number:
            raise BadBoard(f"diagram row {number} is labelled {label}; it should be {size + 1 - number}")
    return Diagram(np.array(rows, dtype=np.uint8), to_play)


def _parse_row(line: str, row: int) -> tuple[int | None, list[int]]:
    match = _ROW.fullmatch(line)
    assert match is not None  # the pattern's middle takes anything
    points: list[int] = []
    for character in match[2]:
        if character.isspace() or character in "()":
            continue
        stone = _STONE.get(character)
        if stone is None:
            raise BadBoard(
                f"diagram row {row}, column {len(points) + 1}: unknown character {character!r}; "
                "expected . or + for empty, X for black, O for white"
            )
        points.append(stone)
    return (int(match[1]) if match[1] else None), points


def chain_without_liberty(stones: NDArray[np.uint8]) -> str | None:
    """Names a chain that has no liberty, such as "the white chain at B2"; None when every chain has one.

    Args:
        stones: uint8 [size, size]; 0 empty, 1 black, 2 white.
    """
    size = stones.shape[0]
    seen = np.zeros_like(stones, dtype=bool)
    for start in range(size * size):
        r, c = divmod(start, size)
        if not stones[r, c] or seen[r, c]:
            continue
        todo, breathes = [(r, c)], False
        seen[r, c] = True
        while todo:
            y, x = todo.pop()
            for ny, nx in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)):
                if not (0 <= ny < size and 0 <= nx < size):
                    continue
                if not stones[ny, nx]:
                    breathes = True
                elif stones[ny, nx] == stones[r, c] and not seen[ny, nx]:
                    seen[ny, nx] = True
                    todo.append((ny, nx))
        if not breathes:
            return f"the {'black' if stones[r, c] == BLACK else 'white'} chain at {action_to_gtp(start, size)}"
    return None
