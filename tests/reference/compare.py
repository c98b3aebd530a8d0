"""Holds a compiled position against its slow twin."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alphago import _core

from . import games
from .board import BLACK, WHITE, Board, chain_at


class Pair:
    """The same game in both implementations; every step asserts that they agree on the outcome."""

    def __init__(
        self,
        size: int,
        ko: int = 1,
        suicide: bool = True,
        komi: float = 7.5,
        white_bonus: float = 0.0,
        scoring: int = 0,
    ):
        self.core = _core.Position(size, ko, suicide, scoring, komi, False, white_bonus)
        self.slow = Board(size, ko, suicide, komi, white_bonus, scoring)

    @property
    def size(self) -> int:
        return self.slow.size

    def play(self, action: int, color: int = 0) -> int:
        """Plays on both; the stones taken or minus the legality code."""
        taken = self.core.try_play(action, color)
        assert taken == self.slow.try_play(action, color), self.describe(action, color, taken)
        return taken

    def setup(self, black: list[int], white: list[int], empty: list[int]) -> int:
        code = self.core.setup(black, white, empty)
        assert code == self.slow.setup(black, white, empty), (black, white, empty, code)
        return code

    def turn(self, color: int) -> None:
        """Sets the side to move by hand."""
        self.core.to_play = color
        self.slow.to_play = color

    def describe(self, action: int, color: int, got: int) -> str:
        """Enough to replay a disagreement."""
        board = self.slow
        return (
            f"size {board.size} ko {board.ko} suicide {board.suicide} start {board.positions[0]} moves {board.moves}"
            f" then ({color}, {action}): core {got}"
        )

    def check(self, deep: bool = False) -> None:
        """Compares what can be observed; `deep` adds the legality of every action and the chain on every point."""
        core, board = self.core, self.slow
        context = self.describe(-1, 0, 0)
        assert tuple(core.stones().reshape(-1).tolist()) == board.grid, context
        assert core.to_play == board.to_play, context
        assert core.ko_point == board.ko_point, context
        assert core.moves() == board.moves, context
        assert core.move_count == len(board.moves), context
        # The core needs to know no more than two.
        assert core.consecutive_passes == board.consecutive_passes, context
        assert core.is_over == (board.consecutive_passes >= 2), context
        for color in (BLACK, WHITE):
            assert core.captured(color) == board.captured[color], context
            assert core.passes_by(color) == board.passes[color], context
        if not deep:
            return
        for color in (BLACK, WHITE):
            codes = [board.legality(action, color) for action in range(board.pass_action + 1)]
            assert [core.legality(action, color) for action in range(board.pass_action + 1)] == codes, (color, context)
            assert core.legal_mask(color).tolist() == [code == 0 for code in codes], (color, context)
        for point, owner in enumerate(board.grid):
            stones, liberties = chain_at(board.size, board.grid, point) if owner else (frozenset(), frozenset())
            assert core.chain(point) == sorted(stones), (point, context)
            assert core.liberties(point) == len(liberties), (point, context)
            assert sorted(core.liberty_points(point)) == sorted(liberties), (point, context)

    def random_play(self, rng: random.Random, moves: int, passes: float = 0.01, fill_eyes: float = 0.1) -> None:
        """Adds random legal moves, mostly none that fill the own eye."""
        for _ in range(moves):
            for _ in range(50):
                action = games.random_actions(rng, self.size, passes)
                if (
                    action < self.slow.pass_action
                    and rng.random() > fill_eyes
                    and self.core.is_eye(action, self.slow.to_play)
                ):
                    continue
                if self.play(action) >= 0:
                    break


def random_pair(rng: random.Random, size: int, moves: int) -> Pair:
    """A random game under random rules."""
    komi = rng.choice([0.0, 5.5, 7.5, -3.0])
    pair = Pair(size, rng.randrange(3), rng.random() < 0.5, komi, rng.choice([0.0, 2.0]), rng.randrange(2))
    pair.random_play(rng, moves)
    return pair


def pair_from(record: games.Record, moves: int, ko: int = 0, suicide: bool = False) -> Pair:
    """The first moves of a recorded game."""
    pair = Pair(record.size, ko, suicide, record.komi)
    if record.black or record.white:
        assert pair.setup(record.black, record.white, []) == 0
    for color, action in record.moves[:moves]:
        assert pair.play(action, color) >= 0, record.name
    return pair


def game_pairs(rng: random.Random, nine: int, nineteen: int) -> list[Pair]:
    """Positions of real games, at random moves; of random games when the development data is absent."""
    if not games.have_data():
        counts = [(9, nine, 80), (19, nineteen, 260)]
        return [random_pair(rng, size, rng.randrange(longest)) for size, count, longest in counts for _ in range(count)]
    records = games.expert_games(nine) + games.tygem_games(nineteen)
    return [
        pair_from(record, rng.randrange(len(record.moves) + 1), rng.randrange(3), rng.random() < 0.5)
        for record in records
    ]


def from_rows(rows: str, to_play: int = BLACK, ko: int = 0, suicide: bool = False) -> Pair:
    """A position from a diagram: X black, O white, anything else empty."""
    lines = rows.split()
    size = len(lines)
    assert all(len(line) == size for line in lines), lines
    text = "".join(lines)
    pair = Pair(size, ko, suicide)
    black = [point for point, mark in enumerate(text) if mark == "X"]
    white = [point for point, mark in enumerate(text) if mark == "O"]
    assert pair.setup(black, white, []) == 0
    pair.turn(to_play)
    return pair


def core_planes(
    position: _core.Position, feature_set: str, side: int = 0, symmetry: int = 0, dtype: type = np.float32
) -> NDArray[Any]:
    """[planes, side, side] of one position, written over rubbish so that a cell left alone shows."""
    side = side or position.size
    out: NDArray[Any] = np.full((1, _core.feature_planes(feature_set), side, side), 7, dtype=dtype)
    _core.write_planes([position], feature_set, out, np.array([symmetry], dtype=np.uint8))
    planes: NDArray[Any] = out[0]
    return planes
