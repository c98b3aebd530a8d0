"""Input planes and globals of docs/features.md, one point at a time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .benson import pass_alive
from .board import (
    BLACK,
    EMPTY,
    KO,
    LEGAL,
    POSITIONAL,
    SITUATIONAL,
    SUPERKO,
    WHITE,
    Board,
    chain_at,
    is_true_eye,
    opponent,
    place,
)
from .ladder import caught, ladder_planes

PLANES = {"alphago48": 48, "alphago49": 49, "zero17": 17, "rich": 17, "rich-fast": 13}
# Reads longer than this may end differently in another order of moves, because of the limit of 2,000 nodes.
SURE_NODES = 400


class Unsure(Exception):
    """A ladder read came near its node limit: the definition does not fix the answer."""


def transform_point(size: int, point: int, symmetry: int) -> int:
    """Where a symmetry moves a point; the pass stays the pass."""
    if point == size * size:
        return point
    r, c = divmod(point, size)
    if symmetry & 4:
        r, c = c, r
    if symmetry & 1:
        r = size - 1 - r
    if symmetry & 2:
        c = size - 1 - c
    return r * size + c


def transform_planes(planes: NDArray[np.float32], symmetry: int) -> NDArray[np.float32]:
    """Moves every point of [planes, size, size]."""
    size = planes.shape[-1]
    moved = np.zeros_like(planes)
    for point in range(size * size):
        to = transform_point(size, point, symmetry)
        moved[:, to // size, to % size] = planes[:, point // size, point % size]
    return moved


def planes(board: Board, feature_set: str, side: int | None = None, symmetry: int = 0) -> NDArray[np.float32]:
    """float32 [planes, side, side].

    Raises:
        Unsure: see there.
    """
    size = board.size
    flat = np.zeros((PLANES[feature_set], size * size), dtype=np.float32)
    if feature_set in ("alphago48", "alphago49"):
        _alphago(board, flat)
    elif feature_set == "zero17":
        _zero(board, flat)
    else:
        _rich(board, flat)
    side = side or size
    out = np.zeros((PLANES[feature_set], side, side), dtype=np.float32)
    out[:, :size, :size] = transform_planes(flat.reshape(-1, size, size), symmetry)
    return out


def _count(flat: NDArray[np.float32], first: int, point: int, number: int) -> None:
    """One-hot over eight planes: 1, 2, ..., 8 or more; nothing for 0."""
    if number >= 1:
        flat[first + min(number, 8) - 1, point] = 1


def _alphago(board: Board, flat: NDArray[np.float32]) -> None:
    size, grid, mover = board.size, board.grid, board.to_play
    for point, color in enumerate(grid):
        flat[0, point] = color == mover
        flat[1, point] = color == opponent(mover)
        flat[2, point] = color == EMPTY
        flat[3, point] = 1
        if color != EMPTY:
            turns = 8
            for ago, (_, action) in enumerate(reversed(board.moves), start=1):
                if action == point:
                    turns = ago
                    break
            _count(flat, 4, point, turns)
            _count(flat, 12, point, len(chain_at(size, grid, point)[1]))
        if board.legality(point) != LEGAL:
            continue
        outcome = place(size, grid, point, mover)
        _count(flat, 20, point, sum(len(stones) for stones in outcome.captured))
        if not outcome.suicide:
            stones, liberties = chain_at(size, outcome.grid, point)
            if len(liberties) == 1:
                _count(flat, 28, point, len(stones))
            _count(flat, 36, point, len(liberties))
        flat[46, point] = not is_true_eye(size, grid, point, mover)
    captures, escapes, nodes = ladder_planes(board)
    if nodes > SURE_NODES:
        raise Unsure
    flat[44, list(captures)] = 1
    flat[45, list(escapes)] = 1
    if len(flat) == 49:
        flat[48, :] = mover == BLACK


def _zero(board: Board, flat: NDArray[np.float32]) -> None:
    mover = board.to_play
    for k, (grid, _) in enumerate(reversed(board.positions[-8:])):
        for point, color in enumerate(grid):
            flat[2 * k, point] = color == mover
            flat[2 * k + 1, point] = color == opponent(mover)
    flat[16, :] = mover == BLACK


def _rich(board: Board, flat: NDArray[np.float32]) -> None:
    size, grid, mover = board.size, board.grid, board.to_play
    flat[0, :] = 1
    nodes = 0
    for point, color in enumerate(grid):
        flat[1, point] = color == mover
        flat[2, point] = color == opponent(mover)
        if color != EMPTY:
            flat[2 + min(len(chain_at(size, grid, point)[1]), 3), point] = 1
        else:
            flat[6, point] = board.legality(point) == KO
            flat[7, point] = board.legality(point) == SUPERKO
        if color != EMPTY and len(flat) == 17:
            reading = caught(board, point)
            nodes = max(nodes, reading.nodes)
            flat[13, point] = reading.captured
    for ago, (_, action) in enumerate(reversed(board.moves[-5:])):
        if action != board.pass_action:
            flat[8 + ago, action] = 1
    if len(flat) == 17:
        captures, _, most = ladder_planes(board)
        if max(nodes, most) > SURE_NODES:
            raise Unsure
        flat[14, list(captures)] = 1
        flat[15, list(pass_alive(size, grid, mover))] = 1
        flat[16, list(pass_alive(size, grid, opponent(mover)))] = 1


def global_vector(board: Board) -> NDArray[np.float32]:
    """float32 [7]: the globals that go with `rich` and `rich-fast`."""
    whites = board.komi + board.white_bonus
    passes = board.consecutive_passes
    return np.array(
        [
            (whites if board.to_play == WHITE else -whites) / 20,
            passes >= 1,
            passes >= 2,
            board.ko == POSITIONAL,
            board.ko == SITUATIONAL,
            board.suicide,
            board.scoring == 1,
        ],
        dtype=np.float32,
    )
