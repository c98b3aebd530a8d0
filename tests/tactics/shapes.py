"""Diagrams of fights: how they are read, moved to a bigger board, and what fills the rest of it.

A fight is drawn with its walls. Everything around it becomes settled: each outside point goes to the side whose wall is
nearest, a far part of the board to the side that has less, and both build walls with many small eyes. Whether it is
settled indeed is for `tactics.solver` to say, which takes nothing on trust.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

BLACK: Final = 1
WHITE: Final = 2
_STONES: Final = {".": 0, "X": BLACK, "O": WHITE, "?": -1}


class BadShape(ValueError):
    """A shape file that cannot be read; the message names file and line."""


@dataclass(frozen=True)
class Shape:
    """One drawn fight.

    Attributes:
        name: of the idea; unique.
        category: the file's name.
        cells: int8 [rows, columns]; 0 empty, 1 X, 2 O, -1 not part of the drawing.
        size: of the board that it is set on.
        place: where the drawing goes before symmetries: "corner" (top left), "top" (middle of the top edge), "center".
        play: which sides have a problem to solve, of "X" and "O".
        options: the other keys of the header.
    """

    name: str
    category: str
    cells: NDArray[np.int8]
    size: int
    place: str
    play: str
    options: dict[str, str] = field(default_factory=dict)


def read_shapes(path: Path) -> list[Shape]:
    """The shapes of a file: blocks of `key: value` lines and rows of `.`, `X`, `O`, `?`, parted by blank lines. # comments."""
    shapes = []
    block: list[tuple[int, str]] = []
    for number, line in enumerate([*path.read_text(encoding="utf-8").splitlines(), ""], 1):
        text = line.split("#")[0].strip()
        if text:
            block.append((number, text))
        elif block and not line.strip():
            shapes.append(_shape(path, block))
            block = []
    return shapes


def _shape(path: Path, block: list[tuple[int, str]]) -> Shape:
    keys: dict[str, str] = {}
    rows: list[list[int]] = []
    for number, text in block:
        if ":" in text:
            key, _, value = text.partition(":")
            keys[key.strip()] = value.strip()
            continue
        row = [_STONES.get(c, 99) for c in text.replace(" ", "")]
        if 99 in row or (rows and len(row) != len(rows[0])):
            raise BadShape(f"{path.name}:{number}: a row is made of . X O ? and as long as the first one, got {text!r}")
        rows.append(row)
    if "name" not in keys or not rows:
        raise BadShape(f"{path.name}:{block[0][0]}: a shape has a name and rows")
    return Shape(
        name=keys.pop("name"),
        category=path.stem,
        cells=np.array(rows, dtype=np.int8),
        size=int(keys.pop("size", "9")),
        place=keys.pop("place", "corner"),
        play=keys.pop("play", "X O").replace(" ", ""),
        options=keys,
    )


def embed(shape: Shape) -> NDArray[np.int8]:
    """The drawing on its board: int8 [size, size], -1 where nothing is drawn."""
    rows, columns = shape.cells.shape
    size = shape.size
    if rows > size or columns > size:
        raise BadShape(f"{shape.name}: {rows}x{columns} points do not fit {size}x{size}")
    top = (size - rows) // 2 if shape.place == "center" else 0
    left = 0 if shape.place == "corner" else (size - columns) // 2
    board = np.full((size, size), -1, dtype=np.int8)
    board[top : top + rows, left : left + columns] = shape.cells
    return board


def owners(drawn: NDArray[np.int8]) -> NDArray[np.int8]:
    """Whose wall is nearest to each point outside the drawing: int8 [size, size], 1 or 2, 0 inside the drawing."""
    size = drawn.shape[0]
    owner = np.where(drawn < 0, -1, 0).astype(np.int8)
    queue: deque[tuple[int, int]] = deque()
    for r, c in np.argwhere(drawn > 0).tolist():
        if any(drawn[p] < 0 for p in neighbours(r, c, size)):
            queue.append((r, c))
    sources = {point: int(drawn[point]) for point in queue}
    while queue:
        point = queue.popleft()
        for near in neighbours(*point, size):
            if owner[near] < 0:
                owner[near] = sources.get(point, owner[point])
                queue.append(near)
    return owner


def neighbours(r: int, c: int, size: int) -> list[tuple[int, int]]:
    """The points next to a point."""
    return [(y, x) for y, x in ((r - 1, c), (r + 1, c), (r, c - 1), (r, c + 1)) if 0 <= y < size and 0 <= x < size]


def fill(drawn: NDArray[np.int8], owner: NDArray[np.int8], width: int, phase: tuple[int, int]) -> NDArray[np.int8]:
    """The whole board: walls along every border of two lands or a land and the drawing, rooms of 2 x `width` points inside.

    Args:
        phase: where the rows and columns of walls begin.

    Returns:
        int8 [size, size]; 0 empty, 1 black, 2 white.
    """
    size = drawn.shape[0]
    board = np.where(drawn < 0, 0, drawn).astype(np.int8)
    for r, c in np.argwhere(drawn < 0).tolist():
        own = int(owner[r, c])
        border = any(drawn[p] != own if drawn[p] >= 0 else owner[p] != own for p in neighbours(r, c, size))
        if border or r % 3 == phase[0] or c % (width + 1) == phase[1] % (width + 1):
            board[r, c] = own
    for r, c in np.argwhere((drawn < 0) & (board == 0)).tolist():
        if all(board[p] != owner[r, c] for p in neighbours(r, c, size)):
            board[r, c] = owner[r, c]
    return board


def lands(drawn: NDArray[np.int8]) -> list[NDArray[np.int8]]:
    """Ways to share out the rest of the board: by the nearest wall, then with ever more far rows given to the other side."""
    base = owners(drawn)
    size = drawn.shape[0]
    ways = [base]
    outside = base > 0
    if not outside.any():
        return ways
    counts = [int((base == color).sum()) for color in (BLACK, WHITE)]
    rich, poor = (BLACK, WHITE) if counts[0] >= counts[1] else (WHITE, BLACK)
    drawn_rows = np.flatnonzero((drawn >= 0).any(axis=1))
    for first in range(int(drawn_rows.max()) + 3, size - 1):
        way = base.copy()
        way[first:][(base[first:] == rich)] = poor
        ways.append(way)
    return ways
