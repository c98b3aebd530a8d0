"""How the terminal shows a game: a coloured board where the terminal has colours, else the diagram of letters."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.text import Text

from alphago.go import BLACK, WHITE, Board, color_name, star_points
from alphago.go.coords import GTP_COLUMNS

_WOOD: Final = "on #d9a760"
_STONE: Final = {BLACK: f"bold #000000 {_WOOD}", WHITE: f"bold #ffffff {_WOOD}"}
_LAST: Final = f"bold #d00000 {_WOOD}"
_LINE: Final = f"#6b4a1c {_WOOD}"


class View:
    """Prints the game on stdout.

    Args:
        plain: letters even where colours would do.
    """

    def __init__(self, plain: bool = False) -> None:
        self._console = Console(highlight=False, soft_wrap=True, emoji=False, markup=False)
        encoding = (sys.stdout.encoding or "ascii").lower().replace("-", "")
        self.is_plain = plain or self._console.color_system is None or not encoding.startswith("utf")

    def say(self, text: str) -> None:
        """One or more lines of text."""
        print(text, flush=True)

    def board(
        self,
        board: Board,
        dead: NDArray[np.bool_] | None = None,
        owner: NDArray[np.float64] | None = None,
    ) -> None:
        """The board with its last move, and the prisoners.

        Args:
            dead: stones to show as dead, bool [size, size].
            owner: whose each point will be, [size, size] in -1..1, black positive; shown where it is clear.
        """
        if self.is_plain:
            self.say(plain_board(board, dead, owner))
        else:
            self._console.print(_colored_board(board, dead, owner))
        prisoners = f"prisoners: black has {board.captured(WHITE)}, white has {board.captured(BLACK)}"
        bonus = f" + {board.white_bonus:g}" if board.white_bonus else ""
        self.say(f"{prisoners}; komi {board.komi:g}{bonus}")

    def table(self, rows: Sequence[Sequence[str]]) -> None:
        """Rows of words, the first one the heads, in columns."""
        widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
        self.say("\n".join("  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in rows))


def plain_board(board: Board, dead: NDArray[np.bool_] | None = None, owner: NDArray[np.float64] | None = None) -> str:
    """The board in letters: X black, O white, x and o dead stones and, with `owner`, the points of black and white; the last
    move stands in brackets, star points are +."""
    size, stones, last = board.size, board.stones(), board.last_move
    stars = star_points(size)
    header = "   " + " ".join(GTP_COLUMNS[:size])
    rows = [header]
    for r in range(size):
        cells = ""
        for c in range(size):
            point = r * size + c
            gap = "(" if point == last else ")" if c and point - 1 == last else " "
            cells += gap + _letter(stones, dead, owner, r, c, stars)
        cells += ")" if last == r * size + size - 1 else " "
        rows.append(f"{size - r:2d}{cells}{size - r}")
    rows.append(header)
    return "\n".join(rows)


def _letter(
    stones: NDArray[np.uint8],
    dead: NDArray[np.bool_] | None,
    owner: NDArray[np.float64] | None,
    r: int,
    c: int,
    stars: frozenset[tuple[int, int]],
) -> str:
    stone = int(stones[r, c])
    if stone:
        return ("xo" if dead is not None and dead[r, c] else "XO")[stone - 1]
    if owner is not None and abs(owner[r, c]) > 0.5:
        return "x" if owner[r, c] > 0 else "o"
    return "+" if (r, c) in stars else "."


def _colored_board(board: Board, dead: NDArray[np.bool_] | None, owner: NDArray[np.float64] | None) -> Text:
    size, stones, last = board.size, board.stones(), board.last_move
    stars = star_points(size)
    text = Text()
    header = "    " + " ".join(GTP_COLUMNS[:size]) + "\n"
    text.append(header, "dim")
    for r in range(size):
        text.append(f"{size - r:2d} ", "dim")
        text.append(" ", _LINE)
        for c in range(size):
            stone = int(stones[r, c])
            point = r * size + c
            if stone and dead is not None and dead[r, c]:
                text.append("✕", _STONE[stone])
            elif stone:
                text.append("●", _STONE[stone])
            elif owner is not None and abs(owner[r, c]) > 0.5:
                text.append("▪", _STONE[BLACK if owner[r, c] > 0 else WHITE])
            else:
                text.append("+" if (r, c) in stars else "·", _LINE)
            text.append("◂" if point == last else " ", _LAST)
        text.append(f" {size - r}\n", "dim")
    text.append(header.rstrip("\n"), "dim")
    return text


def side(board: Board) -> str:
    """Whose turn it is, in words."""
    return f"{color_name(board.to_play)} to play"
