"""When a pass wins, and what is played in its place."""

from __future__ import annotations

import numpy as np
import pytest

from alphago.go import Board, action_to_gtp, gtp_to_action
from alphago.search.bot import Bot
from alphago.search.passing import instead_of_passing, wins_by_passing
from alphago.search.player import Report

# D1 is still open, between black's 21 points and white's 27.
ONE_OPEN = """
. X X O O . .
X . X O . O .
. X X O O . O
X X X O O O .
. X X O O . O
X . X O . O .
. X X . O O .
"""
SETTLED = ONE_OPEN.replace(". X X . O O .", ". X X X O O .")
# Who fills C4 is captured.
SEKI = ". X X O .\nX X . O O\nX X O O O\nX X O O O\nX X O O O"


def passing_report(board: Board, **q: float) -> Report:
    """Of a search that would pass; the moves named were tried as often as the pass and found to be worth that."""
    actions = np.flatnonzero(board.legal_mask())
    visits, values = np.zeros(len(actions), dtype=np.uint32), np.full(len(actions), np.nan)
    for name, value in {"pass": 0.5, **q}.items():
        i = actions.tolist().index(board.size**2 if name == "pass" else gtp_to_action(name, board.size))
        visits[i], values[i] = 10 + (name == "pass"), value
    flat = np.full(len(actions), 1 / len(actions))
    zeros = np.zeros(len(actions))
    return Report(
        board.to_play,
        board.size**2,
        int(visits.sum()),
        int(visits.sum()),
        0.5,
        float("nan"),
        0.1,
        actions.astype(np.uint16),
        visits,
        flat.astype(np.float32),
        values,
        values,
        zeros,
        flat,
    )


@pytest.mark.parametrize("to_play", ["black", "white"])
def test_an_open_point_is_played_before_passing(to_play: str) -> None:
    board = Board.from_ascii(ONE_OPEN, komi=0, to_play=to_play)
    assert action_to_gtp(instead_of_passing(board, passing_report(board)), 7) == "D1"


@pytest.mark.parametrize("diagram", [SETTLED, SEKI], ids=["settled", "seki"])
def test_where_nothing_is_open_a_pass_stays_one(diagram: str) -> None:
    board = Board.from_ascii(diagram, komi=0)
    assert instead_of_passing(board, passing_report(board)) == board.size**2


def test_a_move_that_the_search_found_worse_is_not_played() -> None:
    board = Board.from_ascii(ONE_OPEN, komi=0)
    assert instead_of_passing(board, passing_report(board, D1=0.45)) == gtp_to_action("D1", 7)
    assert instead_of_passing(board, passing_report(board, D1=0.2)) == 49


def test_territory_scoring_leaves_passes_alone() -> None:
    board = Board.from_ascii(ONE_OPEN, komi=0, rules="japanese")
    assert instead_of_passing(board, passing_report(board)) == 49


def test_of_several_open_points_the_most_visited_is_played() -> None:
    board = Board.from_ascii(ONE_OPEN.replace("X X X O O O .", "X X X . O O ."), komi=0)
    assert action_to_gtp(instead_of_passing(board, passing_report(board, D4=0.5)), 7) == "D4"
    assert action_to_gtp(instead_of_passing(board, passing_report(board, D1=0.5)), 7) == "D1"


def test_a_bot_whose_search_would_pass_plays_the_open_point(monkeypatch: pytest.MonkeyPatch) -> None:
    board = Board.from_ascii(ONE_OPEN, komi=0)
    bot = Bot("max", "none", threads=1)
    bot.new_game(board)
    monkeypatch.setattr(bot, "_think", lambda *_: passing_report(board))
    assert action_to_gtp(bot.choose().action, 7) == "D1"
    assert bot.choose(bans=[(1, 0, 5)]).action == 49  # who asks for certain moves alone gets them


@pytest.mark.parametrize(
    ("komi", "to_play", "wins"), [(-6.5, "black", True), (-5.5, "black", False), (-5.5, "white", True)]
)
def test_a_pass_wins_by_the_count(komi: float, to_play: str, wins: bool) -> None:
    board = Board.from_ascii(ONE_OPEN, komi=komi, to_play=to_play)
    assert board.score() == -6 - komi
    assert wins_by_passing(board) is wins
