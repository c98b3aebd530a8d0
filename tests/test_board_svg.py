"""Boards as SVG: every move of a game stands once, drawn where it was played or listed beneath."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alphago.go import Board
from alphago.go.svg import Figure, board_svg, game_figures

NAMESPACE = "{http://www.w3.org/2000/svg}"


def texts(svg: str) -> list[tuple[float, float, str]]:
    root = ElementTree.fromstring(svg)
    return [(float(t.get("x", "")), float(t.get("y", "")), t.text or "") for t in root.iter(f"{NAMESPACE}text")]


def stones(svg: str) -> dict[tuple[float, float], str]:
    root = ElementTree.fromstring(svg)
    circles = [c for c in root.iter(f"{NAMESPACE}circle") if float(c.get("r", "0")) > 5]
    return {(float(c.get("cx", "")), float(c.get("cy", ""))): c.get("fill", "") for c in circles}


def at(action: int, size: int) -> tuple[float, float]:
    row, column = divmod(action, size)
    return 30.0 + 24 * column, 30.0 + 24 * row


def played(size: int, seed: int, count: int) -> Board:
    random = np.random.default_rng(seed)
    board = Board(size, "tromp-taylor")
    while board.move_count < count and not board.is_over:
        legal = np.flatnonzero(board.legal_moves())
        board.play(int(random.choice(legal)))
    return board


@settings(max_examples=25, deadline=None)
@given(size=st.integers(2, 7), seed=st.integers(0, 1000), count=st.integers(0, 60), a_figure=st.integers(1, 30))
def test_every_move_stands_once(size: int, seed: int, count: int, a_figure: int) -> None:
    end = played(size, seed, count)
    moves = end.moves()
    figures = game_figures(Board(size, "tromp-taylor"), moves, moves_a_figure=a_figure)
    assert [(f.first, f.last) for f in figures] == [
        (first + 1, min(first + a_figure, len(moves))) for first in range(0, len(moves), a_figure)
    ]
    seen: list[int] = []
    before = Board(size, "tromp-taylor")
    for figure in figures:
        drawn = {int(t): (x, y) for x, y, t in texts(figure.svg)[2 * size :]}
        for number, place in drawn.items():
            color, action = moves[number - 1]
            assert place == at(action, size)
            assert stones(figure.svg)[place] == ("#111" if color == 1 else "#fdfdfd")
        beneath = [int(text.split()[0]) for text in figure.beneath]
        assert sorted([*drawn, *beneath]) == list(range(figure.first, figure.last + 1))
        seen += [*drawn, *beneath]
        # what is not numbered is the position before the figure
        plain = {place: fill for place, fill in stones(figure.svg).items() if place not in drawn.values()}
        flat = before.stones().ravel()
        assert plain == {
            at(action, size): "#111" if flat[action] == 1 else "#fdfdfd" for action in np.flatnonzero(flat).tolist()
        }
        for color, action in moves[figure.first - 1 : figure.last]:
            before.play(action, color)
    assert sorted(seen) == list(range(1, len(moves) + 1))


def test_a_retaken_ko_and_passes_are_listed() -> None:
    """A ko in a corner of 4x4: the recapture is on a point that has a stone in the figure."""
    board = Board(4, "tromp-taylor")
    for vertex in ("B4", "C4", "A3", "D3", "B2", "C2", "C3", "B3", "pass", "pass"):
        board.play(vertex)
    moves = board.moves()
    (figure,) = game_figures(Board(4, "tromp-taylor"), moves)
    assert isinstance(figure, Figure)
    assert "9 pass" in figure.beneath and "10 pass" in figure.beneath
    # white 8 takes the stone on C3; black taking back stands on the same point as 7
    again = Board(4, "tromp-taylor")
    for color, action in moves[:8]:
        again.play(action, color)
    assert again["C3"] == 0
    more = [*moves[:8], (1, 15), (2, 12), (1, moves[6][1])]
    (figure,) = game_figures(Board(4, "tromp-taylor"), more)
    assert "11 at 7" in figure.beneath
    (later,) = game_figures(again, more[8:])
    assert later.beneath == ()  # C3 is empty where the second figure begins


def test_a_position_with_a_mark() -> None:
    board = Board.from_ascii("X.O\n...\n..X")
    svg = board_svg(board.stones(), {4: (2, 120)}, marked=0, title="<1> & 2")
    assert "&lt;1&gt; &amp; 2" in svg and "<script" not in svg
    assert stones(svg) == {at(0, 3): "#111", at(2, 3): "#fdfdfd", at(8, 3): "#111", at(4, 3): "#fdfdfd"}
    assert (*at(4, 3), "120") in texts(svg)
    columns, rows = [t for _, _, t in texts(svg)[0:6:2]], [t for _, _, t in texts(svg)[1:6:2]]
    assert columns == ["A", "B", "C"] and rows == ["3", "2", "1"]
    assert len(re.findall("<rect", svg)) == 2


def test_illegal_moves_are_refused() -> None:
    with pytest.raises(ValueError, match=r"move 2 \(C3\) is not legal"):
        game_figures(Board(5, "tromp-taylor"), [(1, 12), (2, 12)])
