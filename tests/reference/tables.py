"""Random weight tables that bite: the keys are those that occur at the given positions."""

from __future__ import annotations

import random
from collections.abc import Iterable

import numpy as np

from alphago import _core

from . import patterns
from .board import Board


def random_weights(
    rng: random.Random, boards: Iterable[Board], share: float = 0.7, scale: float = 1.5
) -> patterns.Weights:
    """Weights for most of the patterns around the candidate moves of the boards, and for every other feature."""

    def weight() -> float:
        return float(np.float32(rng.uniform(-scale, scale)))

    found: tuple[set[int], set[int], set[int]] = (set(), set(), set())
    for board in boards:
        for point in patterns.candidates(board):
            found[0].add(patterns.canonical3(patterns.key_at(board.size, board.grid, point, board.to_play, 8)))
            found[1].add(patterns.canonical12(patterns.key_at(board.size, board.grid, point, board.to_play, 12)))
            response = patterns.response_key(board, point)
            if response is not None:
                found[2].add(response)
    tables = [{key: weight() for key in sorted(keys) if rng.random() < share} for keys in found]
    return patterns.Weights(
        response=weight(),
        save_atari=weight(),
        neighbour=[weight() for _ in range(8)],
        nakade=[weight() for _ in range(8192)],
        responses=tables[2],
        patterns3=tables[0],
        self_atari=weight(),
        distance=[[weight() for _ in range(17)] for _ in range(2)],
        patterns12=tables[1],
    )


def compiled(weights: patterns.Weights) -> _core.RolloutWeights:
    """The same weights for the core."""

    def keys(table: dict[int, float], dtype: type) -> np.ndarray:
        return np.array(sorted(table), dtype=dtype)

    def values(table: dict[int, float]) -> np.ndarray:
        return np.array([table[key] for key in sorted(table)], dtype=np.float32)

    return _core.RolloutWeights(
        weights.response,
        weights.save_atari,
        np.array(weights.neighbour, dtype=np.float32),
        np.array(weights.nakade, dtype=np.float32),
        keys(weights.responses, np.uint64),
        values(weights.responses),
        keys(weights.patterns3, np.uint32),
        values(weights.patterns3),
        weights.self_atari,
        np.array(weights.distance, dtype=np.float32),
        keys(weights.patterns12, np.uint64),
        values(weights.patterns12),
    )


def nakade_of(board: Board) -> dict[int, int]:
    """Nakade index of every point that the last turn captured in a chain of 1 to 7 stones."""
    found: dict[int, int] = {}
    for stones in patterns.enemy_chains_just_captured(board):
        cells = [divmod(stone, board.size) for stone in stones]
        found.update(zip(stones, _core.nakade_indices(cells), strict=True))
    return found
