"""Go rules on plain tuples: no incremental state, no hashes, superko by comparing whole positions."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

EMPTY, BLACK, WHITE = 0, 1, 2
LEGAL, OCCUPIED, SUICIDE, KO, SUPERKO, OFF_BOARD = range(6)
SIMPLE_KO, POSITIONAL, SITUATIONAL = range(3)

Grid = tuple[int, ...]
Ban = tuple[int, int]  # (point, colour that may not play there on the very next turn)


def opponent(color: int) -> int:
    """The other colour."""
    return 3 - color


def _on_board(size: int, cells: Iterable[tuple[int, int]]) -> tuple[int, ...]:
    return tuple(r * size + c for r, c in cells if 0 <= r < size and 0 <= c < size)


@cache
def neighbours(size: int, point: int) -> tuple[int, ...]:
    """The two to four points next to a point."""
    r, c = divmod(point, size)
    return _on_board(size, [(r - 1, c), (r + 1, c), (r, c - 1), (r, c + 1)])


@cache
def diagonals(size: int, point: int) -> tuple[int, ...]:
    """The one to four points diagonally next to a point."""
    r, c = divmod(point, size)
    return _on_board(size, [(r - 1, c - 1), (r - 1, c + 1), (r + 1, c - 1), (r + 1, c + 1)])


def chain_at(size: int, grid: Grid, point: int) -> tuple[frozenset[int], frozenset[int]]:
    """(stones, liberties) of the chain on a point that holds a stone."""
    color = grid[point]
    stones, liberties, todo = {point}, set(), [point]
    while todo:
        for near in neighbours(size, todo.pop()):
            if grid[near] == EMPTY:
                liberties.add(near)
            elif grid[near] == color and near not in stones:
                stones.add(near)
                todo.append(near)
    return frozenset(stones), frozenset(liberties)


def chains(size: int, grid: Grid) -> list[tuple[int, frozenset[int], frozenset[int]]]:
    """Every chain of the board as (colour, stones, liberties)."""
    found, seen = [], set[int]()
    for point, color in enumerate(grid):
        if color != EMPTY and point not in seen:
            stones, liberties = chain_at(size, grid, point)
            seen |= stones
            found.append((color, stones, liberties))
    return found


def is_true_eye(size: int, grid: Grid, point: int, color: int) -> bool:
    """Own true eye of docs/features.md."""
    if grid[point] != EMPTY or any(grid[near] != color for near in neighbours(size, point)):
        return False
    corners = diagonals(size, point)
    enemies = sum(grid[corner] == opponent(color) for corner in corners)
    return enemies <= (1 if len(corners) == 4 else 0)


@dataclass(frozen=True)
class Outcome:
    """What a stone on an empty point does to the board, legal or not."""

    grid: Grid
    captured: tuple[frozenset[int], ...]  # the enemy chains that lost their last liberty
    suicide: frozenset[int]  # the own chain when it is left without a liberty; taken off in `grid`
    ban: Ban | None  # simple ko


def place(size: int, grid: Grid, point: int, color: int) -> Outcome:
    """Puts a stone, takes enemy chains without liberties off, then the own chain if it has none."""
    board = list(grid)
    board[point] = color
    captured = []
    for near in neighbours(size, point):
        if board[near] == opponent(color):
            stones, liberties = chain_at(size, tuple(board), near)
            if not liberties:
                captured.append(stones)
                for stone in stones:
                    board[stone] = EMPTY
    stones, liberties = chain_at(size, tuple(board), point)
    if not liberties:
        for stone in stones:
            board[stone] = EMPTY
        return Outcome(tuple(board), tuple(captured), stones, None)
    ban = None
    if len(captured) == 1 and len(captured[0]) == 1 and len(stones) == 1 and liberties == captured[0]:
        ban = (next(iter(liberties)), opponent(color))
    return Outcome(tuple(board), tuple(captured), frozenset(), ban)


@dataclass(frozen=True)
class Position:
    """A position as ladder reading needs it: stones, simple-ko ban and the suicide rule."""

    size: int
    grid: Grid
    ban: Ban | None
    suicide: bool

    def play(self, point: int, color: int) -> Position | None:
        """The position after a move; None when simple ko or suicide forbids it."""
        if self.grid[point] != EMPTY or self.ban == (point, color):
            return None
        outcome = place(self.size, self.grid, point, color)
        if outcome.suicide and (not self.suicide or len(outcome.suicide) == 1):
            return None
        return Position(self.size, outcome.grid, outcome.ban, self.suicide)


class Board:
    """A game in progress with the interface of `alphago._core.Position`, as far as the tests need it."""

    def __init__(
        self,
        size: int,
        ko: int = 1,
        suicide: bool = True,
        komi: float = 7.5,
        white_bonus: float = 0.0,
        scoring: int = 0,
    ) -> None:
        self.size, self.ko, self.suicide = size, ko, suicide
        self.komi, self.white_bonus, self.scoring = komi, white_bonus, scoring
        self.grid: Grid = (EMPTY,) * (size * size)
        self._to_play = BLACK
        self.captured = {BLACK: 0, WHITE: 0}
        self._forget()

    def _forget(self) -> None:
        self.ban: Ban | None = None
        self.moves: list[tuple[int, int]] = []
        self.passes = {BLACK: 0, WHITE: 0}
        self.captured_chains: list[tuple[frozenset[int], ...]] = []  # by each move; enemy chains only
        # After each turn, with the side to move; first the start.
        self.positions: list[tuple[Grid, int]] = [(self.grid, self.to_play)]
        self._before: list[dict[str, object]] = []

    @property
    def pass_action(self) -> int:
        return self.size * self.size

    @property
    def to_play(self) -> int:
        """Side to move. Setting it before the first turn is part of the start, which superko remembers."""
        return self._to_play

    @to_play.setter
    def to_play(self, color: int) -> None:
        self._to_play = color
        if not self.moves:
            self.positions = [(self.grid, color)]

    @property
    def consecutive_passes(self) -> int:
        count = 0
        for _, action in reversed(self.moves):
            if action != self.pass_action:
                break
            count += 1
        return count

    @property
    def ko_point(self) -> int:
        """The point that simple ko bans for the side to move, or -1."""
        return self.ban[0] if self.ban and self.ban[1] == self.to_play else -1

    def copy(self) -> Board:
        """An independent copy, history and undo stack included."""
        other = copy.copy(self)
        vars(other).update({name: copy.copy(value) for name, value in vars(self).items()})
        return other

    def position(self) -> Position:
        """What ladder reading starts from."""
        return Position(self.size, self.grid, self.ban, self.suicide)

    def legality(self, action: int, color: int = 0) -> int:
        """Legality code of a play or pass."""
        color = color or self.to_play
        if action == self.pass_action:
            return LEGAL
        if not 0 <= action < self.size * self.size:
            return OFF_BOARD
        if self.grid[action] != EMPTY:
            return OCCUPIED
        if self.ban == (action, color):
            return KO
        outcome = place(self.size, self.grid, action, color)
        if outcome.suicide and (not self.suicide or len(outcome.suicide) == 1):
            return SUICIDE
        if self.ko == POSITIONAL and any(grid == outcome.grid for grid, _ in self.positions):
            return SUPERKO
        if self.ko == SITUATIONAL and (outcome.grid, opponent(color)) in self.positions:
            return SUPERKO
        return LEGAL

    def legal_mask(self, color: int = 0) -> list[bool]:
        """Legality of every action, the pass last."""
        return [self.legality(action, color) == LEGAL for action in range(self.pass_action + 1)]

    def try_play(self, action: int, color: int = 0) -> int:
        """Enemy stones captured (a suicide takes none), or minus the legality code."""
        color = color or self.to_play
        code = self.legality(action, color)
        if code != LEGAL:
            return -code
        before = {
            key: copy.copy(value) for key, value in vars(self).items() if key not in ("_before", "komi", "white_bonus")
        }
        self._before.append(before)
        taken = 0
        self.ban = None
        self.captured_chains.append(())
        if action == self.pass_action:
            self.passes[color] += 1
        else:
            outcome = place(self.size, self.grid, action, color)
            self.grid, self.ban = outcome.grid, outcome.ban
            self.captured_chains[-1] = outcome.captured
            by_capture = sum(len(stones) for stones in outcome.captured)
            self.captured[opponent(color)] += by_capture
            self.captured[color] += len(outcome.suicide)
            taken = by_capture
        self._to_play = opponent(color)
        self.moves.append((color, action))
        self.positions.append((self.grid, self.to_play))
        return taken

    def undo(self) -> bool:
        """Back to before the last turn; False when there is none."""
        if not self._before:
            return False
        # A copy of this board may hold the same snapshot.
        vars(self).update({name: copy.copy(value) for name, value in self._before.pop().items()})
        return True

    def setup(self, black: Iterable[int], white: Iterable[int], empty: Iterable[int]) -> int:
        """Puts and takes stones; 0, or the code of what is wrong and nothing changes."""
        board = list(self.grid)
        for points, color in ((black, BLACK), (white, WHITE), (empty, EMPTY)):
            for point in points:
                if not 0 <= point < self.size * self.size:
                    return OFF_BOARD
                board[point] = color
        if any(not liberties for _, _, liberties in chains(self.size, tuple(board))):
            return SUICIDE
        self.grid = tuple(board)
        self._forget()
        return LEGAL
