"""Boards as SVG: stretches of a game with numbered moves, as books print them. Text alone, no library.

A figure shows the position before its first move, and every move of its own as a numbered stone where the point was free. What
cannot be drawn - a pass, a move on a point that has a stone in the figure already - stands in a list beneath, as "52 at 31".
"""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from alphago import _core
from alphago.go.coords import BLACK, GTP_COLUMNS, action_to_gtp
from alphago.go.handicap import star_points

_CELL: Final = 24
_MARGIN: Final = 30
_RADIUS: Final = 11.2
_WOOD: Final = "#eccf94"
_INK: Final = "#30240f"


@dataclass(frozen=True)
class Figure:
    """One stretch of a game."""

    svg: str
    """An `<svg>` element of its own size."""
    first: int
    """Number of its first move, from 1."""
    last: int
    beneath: tuple[str, ...]
    """Moves that are not drawn: "31 pass", "52 at 31", "60 at D5"."""


def board_svg(
    stones: NDArray[np.uint8],
    numbers: Mapping[int, tuple[int, int]] | None = None,
    *,
    marked: int | None = None,
    title: str = "",
) -> str:
    """A board as an `<svg>` element.

    Args:
        stones: uint8 [size, size]; 0 empty, 1 black, 2 white.
        numbers: action -> (color, number) of numbered stones, which stand on points that are empty in `stones`.
        marked: a point that gets a square around it.
        title: for readers that do not see the picture.
    """
    size = stones.shape[0]
    extent = 2 * _MARGIN + (size - 1) * _CELL
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{extent}" height="{extent}" viewBox="0 0 {extent} {extent}" role="img">',
        f"<title>{html.escape(title)}</title>" if title else "",
        f'<rect width="{extent}" height="{extent}" rx="4" fill="{_WOOD}"/>',
    ]
    low, high = _MARGIN, extent - _MARGIN
    lines = "".join(f"M{low} {_at(i)}H{high}M{_at(i)} {low}V{high}" for i in range(size))
    parts.append(f'<path d="{lines}" stroke="{_INK}" stroke-width="0.8" fill="none"/>')
    parts += [f'<circle cx="{_at(c)}" cy="{_at(r)}" r="2.4" fill="{_INK}"/>' for r, c in sorted(star_points(size))]
    for i in range(size):
        parts.append(_text(_at(i), _MARGIN - 15, GTP_COLUMNS[i], 10, _INK))
        parts.append(_text(_MARGIN - 17, _at(i), str(size - i), 10, _INK))
    for action in np.flatnonzero(stones.ravel()).tolist():
        parts.append(_stone(action, size, int(stones.flat[action])))
    for action, (color, number) in (numbers or {}).items():
        row, column = divmod(action, size)
        ink = "#fff" if color == BLACK else "#000"
        parts.append(_stone(action, size, color))
        parts.append(_text(_at(column), _at(row), str(number), 12 if number < 100 else 9.5, ink))
    if marked is not None and marked < size * size:
        row, column = divmod(marked, size)
        x, y, edge = _at(column) - 12, _at(row) - 12, 24
        parts.append(
            f'<rect x="{x}" y="{y}" width="{edge}" height="{edge}" fill="none" stroke="#c0392b" stroke-width="2"/>'
        )
    return "".join([*parts, "</svg>"])


def game_figures(
    start: _core.Position, moves: Sequence[tuple[int, int]], *, moves_a_figure: int = 50, title: str = ""
) -> list[Figure]:
    """The figures of a whole game.

    Args:
        start: the position before its first move; not changed.
        moves: (color, action), legal one after the other.
        moves_a_figure: at most.

    Raises:
        ValueError: a move is not legal.
    """
    position = start.copy()
    figures = []
    for first in range(0, len(moves), moves_a_figure):
        part = moves[first : first + moves_a_figure]
        figures.append(_figure(position, part, first + 1, title))
    return figures


def _figure(position: _core.Position, moves: Sequence[tuple[int, int]], first: int, title: str) -> Figure:
    """One figure; `position` is played on to its end."""
    size = position.size
    stones = position.stones()
    numbers: dict[int, tuple[int, int]] = {}
    beneath = []
    for number, (color, action) in enumerate(moves, first):
        if action == size * size:
            beneath.append(f"{number} pass")
        elif action in numbers:
            beneath.append(f"{number} at {numbers[action][1]}")
        elif stones.flat[action]:
            beneath.append(f"{number} at {action_to_gtp(action, size)}")
        else:
            numbers[action] = (color, number)
        if position.try_play(action, color) < 0:
            raise ValueError(f"move {number} ({action_to_gtp(action, size)}) is not legal")
    last = first + len(moves) - 1
    name = f"{title}, moves {first} to {last}" if title else f"moves {first} to {last}"
    return Figure(board_svg(stones, numbers, title=name), first, last, tuple(beneath))


def _at(index: int) -> int:
    return _MARGIN + index * _CELL


def _stone(action: int, size: int, color: int) -> str:
    row, column = divmod(action, size)
    fill = "#111" if color == BLACK else "#fdfdfd"
    return f'<circle cx="{_at(column)}" cy="{_at(row)}" r="{_RADIUS}" fill="{fill}" stroke="#222" stroke-width="0.8"/>'


def _text(x: float, y: float, text: str, height: float, ink: str) -> str:
    return (
        f'<text x="{x}" y="{y}" font-family="sans-serif" font-size="{height:g}" text-anchor="middle" '
        f'dominant-baseline="central" fill="{ink}">{html.escape(text)}</text>'
    )
