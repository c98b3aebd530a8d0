"""Positions that an eight-bit network is calibrated on: of games that the network plays against itself.

A network's activations are as large as they get on positions that it is used on; its own games, with drawn moves, have these on
every board size, opening, middle game and end alike.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from alphago import _core
from alphago.nets.architecture import GLOBALS
from alphago.nets.modules import Network

Floats = NDArray[np.float32]

GAMES: Final = 32
_KOMIS: Final = (5.5, 6.5, 7.0, 7.5)


def own_positions(
    network: Network, size: int, count: int, batch: int, logits: Callable[[Floats, Floats], Floats], seed: int = 1
) -> tuple[Floats, Floats]:
    """Planes [count, planes, size, size] and globals [count, 7] of positions drawn from `GAMES` games.

    Args:
        batch: rows that `logits` takes.
        logits: planes and globals of a batch to logits [batch, size * size + 1].
        seed: the same seed and answers give the same positions.
    """
    planes_of, globals_of = [], []
    buffer = np.zeros((batch, network.architecture.planes, size, size), dtype=np.float32)
    globals_ = np.zeros((batch, GLOBALS), dtype=np.float32)
    share = GAMES // len(_KOMIS)
    for group, komi in enumerate(_KOMIS):
        games = _core.PolicyGames(_core.Position(size, komi=komi), share, size * size + size)
        numbers = np.arange(share)
        games.begin(numbers, np.arange(share, dtype=np.uint64) + np.uint64(1000 * seed + 100 * group))
        color = 1
        while len(waiting := games.waiting(numbers, color)):
            for first in range(0, len(waiting), batch):
                rows = np.ascontiguousarray(waiting[first : first + batch])
                games.write(rows, network.architecture.feature_set, buffer, globals_)
                planes_of.append(buffer[: len(rows)].astype(np.uint8))
                globals_of.append(globals_[: len(rows)].copy())
                games.play(rows, np.ascontiguousarray(logits(buffer, globals_), dtype=np.float32))
            color = 3 - color
    planes, others = np.concatenate(planes_of), np.concatenate(globals_of)
    chosen = np.random.default_rng(seed).choice(len(planes), count, replace=len(planes) < count)
    return planes[chosen].astype(np.float32), others[chosen]


def playout_positions(network: Network, size: int, count: int, seed: int = 1) -> tuple[Floats, Floats]:
    """The same of positions along uniformly random playouts, for a network that has no policy to play with."""
    rng = np.random.default_rng(seed)
    positions: list[_core.Position] = []
    game = 0
    while len(positions) < count:
        position = _core.Position(size, komi=float(rng.integers(11, 18)) / 2)
        _, actions = position.playout("light", seed=seed * 1_000_003 + game)
        game += 1
        for turn in range(int(rng.integers(0, max(1, len(actions))))):
            if position.is_over or position.try_play(actions[turn]) < 0:
                break
        if not position.is_over:
            positions.append(position)
    planes: Any = np.zeros((count, network.architecture.planes, size, size), dtype=np.float32)
    globals_: Any = np.zeros((count, GLOBALS), dtype=np.float32)
    _core.write_planes(positions, network.architecture.feature_set, planes)
    _core.write_globals(positions, globals_)
    return planes, globals_
