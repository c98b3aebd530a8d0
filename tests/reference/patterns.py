"""Pattern keys and the rollout and tree policies of docs/features.md, from their tables."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cache, lru_cache

from .board import EMPTY, Board, Grid, chain_at, is_true_eye, place

# NW, N, NE, W, E, SW, S, SE, then two steps away: NN, WW, EE, SS.
OFFSETS = [(-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0), (1, 1), (-2, 0), (0, -2), (0, 2), (2, 0)]


def _image(offset: tuple[int, int], symmetry: int) -> tuple[int, int]:
    r, c = offset
    if symmetry & 4:
        r, c = c, r
    return (-r if symmetry & 1 else r, -c if symmetry & 2 else c)


# For each symmetry: where each of the 12 places goes.
_PLACES = [[OFFSETS.index(_image(offset, symmetry)) for offset in OFFSETS] for symmetry in range(8)]


def key_image(key: int, cells: int, symmetry: int) -> int:
    """The key (of 8 or 12 cells) after a symmetry; the place of a response key (bits 36 up) moves along."""
    moved = 0
    for place_, to in enumerate(_PLACES[symmetry][:cells]):
        moved |= (key >> 3 * place_ & 7) << 3 * to
    return moved


def response_image(key: int, symmetry: int) -> int:
    """A response key (12 cells, place of the move in bits 36 up) after a symmetry."""
    return key_image(key & (1 << 36) - 1, 12, symmetry) | _PLACES[symmetry][key >> 36] << 36


@cache
def canonical3(key: int) -> int:
    """Smallest of the 8 images of a 3x3 key."""
    return min(key_image(key, 8, symmetry) for symmetry in range(8))


@cache
def canonical12(key: int) -> int:
    """Smallest of the 8 images of a 12-point key."""
    return min(key_image(key, 12, symmetry) for symmetry in range(8))


def canonical_response(key: int) -> int:
    """Smallest of the 8 images of a response key, as a whole."""
    return min(response_image(key, symmetry) for symmetry in range(8))


@lru_cache(maxsize=16)
def codes(size: int, grid: Grid, mover: int) -> tuple[int, ...]:
    """The 3-bit code of every point of the board."""
    found = []
    for point, color in enumerate(grid):
        liberties = min(len(chain_at(size, grid, point)[1]), 3) if color != EMPTY else 0
        found.append(liberties if color in (EMPTY, mover) else 4 + liberties)
    return tuple(found)


def key_at(size: int, grid: Grid, point: int, mover: int, cells: int) -> int:
    """The 3x3 key (8 cells) or the 12-point key of a point; not canonical."""
    on_board = codes(size, grid, mover)
    key = 0
    for i, (dr, dc) in enumerate(OFFSETS[:cells]):
        r, c = point // size + dr, point % size + dc
        key |= (on_board[r * size + c] if 0 <= r < size and 0 <= c < size else 4) << 3 * i
    return key


@dataclass
class Weights:
    """The weights of one policy file, by canonical key."""

    response: float = 0.0
    save_atari: float = 0.0
    neighbour: list[float] = field(default_factory=lambda: [0.0] * 8)
    nakade: list[float] = field(default_factory=lambda: [0.0] * 8192)
    responses: dict[int, float] = field(default_factory=dict)
    patterns3: dict[int, float] = field(default_factory=dict)
    self_atari: float = 0.0
    distance: list[list[float]] = field(default_factory=lambda: [[0.0] * 17, [0.0] * 17])
    patterns12: dict[int, float] = field(default_factory=dict)


def candidates(board: Board) -> list[int]:
    """The moves a policy chooses from: legal under simple ko, no suicide, not the own true eye."""
    chosen = []
    for point in range(board.size * board.size):
        if board.grid[point] != EMPTY or board.ban == (point, board.to_play):
            continue
        if place(board.size, board.grid, point, board.to_play).suicide:
            continue
        if not is_true_eye(board.size, board.grid, point, board.to_play):
            chosen.append(point)
    return chosen


def response_key(board: Board, point: int) -> int | None:
    """Canonical response key of a move, None when the last turn was no play or the move is not among its 12 points."""
    last = last_play(board, 1)
    if last is None:
        return None
    offset = (point // board.size - last // board.size, point % board.size - last % board.size)
    if offset not in OFFSETS:
        return None
    return canonical_response(key_at(board.size, board.grid, last, board.to_play, 12) | OFFSETS.index(offset) << 36)


def last_play(board: Board, ago: int) -> int | None:
    """The point of the last (1) or second last (2) turn; None for a pass or when there is none."""
    if len(board.moves) < ago or board.moves[-ago][1] == board.pass_action:
        return None
    return board.moves[-ago][1]


def _saves(board: Board, point: int) -> bool:
    """Whether a chain of the mover that has 1 liberty has 2 or more after the move."""
    size, mover = board.size, board.to_play
    in_atari = [stone for stone, code in enumerate(codes(size, board.grid, mover)) if code == 1]
    after = place(size, board.grid, point, mover).grid
    return any(len(chain_at(size, after, stone)[1]) >= 2 for stone in in_atari)


def log_weight(board: Board, point: int, weights: Weights, tree: bool, nakade: dict[int, int]) -> float:
    """Sum of the weights that fire for a move; `nakade` gives the nakade index of the points just captured."""
    size, mover = board.size, board.to_play
    total = weights.save_atari if _saves(board, point) else 0.0
    last = last_play(board, 1)
    if last is not None:
        offset = (point // size - last // size, point % size - last % size)
        if offset in OFFSETS[:8]:
            total += weights.neighbour[OFFSETS.index(offset)]
        if point in nakade:
            total += weights.nakade[nakade[point]]
        key = response_key(board, point)
        if key in weights.responses:
            total += weights.response + weights.responses[key]
    total += weights.patterns3.get(canonical3(key_at(size, board.grid, point, mover, 8)), 0.0)
    if tree:
        after = place(size, board.grid, point, mover).grid
        if len(chain_at(size, after, point)[1]) == 1:
            total += weights.self_atari
        for ago in (1, 2):
            before = last_play(board, ago)
            if before is not None:
                far = abs(point // size - before // size) + abs(point % size - before % size)
                total += weights.distance[ago - 1][min(far, 16)]
        total += weights.patterns12.get(canonical12(key_at(size, board.grid, point, mover, 12)), 0.0)
    return total


def probabilities(board: Board, weights: Weights, tree: bool, nakade: dict[int, int]) -> list[float]:
    """Move probabilities, the pass last."""
    chosen = candidates(board)
    odds = [0.0] * (board.pass_action + 1)
    if not chosen:
        odds[-1] = 1.0
        return odds
    for point in chosen:
        odds[point] = math.exp(log_weight(board, point, weights, tree, nakade))
    total = sum(odds)
    return [odd / total for odd in odds]


def enemy_chains_just_captured(board: Board) -> list[list[int]]:
    """The chains of 1 to 7 enemy stones that the last turn captured, as points in ascending order."""
    if not board.moves:
        return []
    return [sorted(stones) for stones in board.captured_chains[-1] if len(stones) <= 7]
