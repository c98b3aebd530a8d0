"""Who owns what at the end of a game: ownership by playouts, and which chains are dead, alive or in seki.

Rules count stones as they stand or as both players agree; an agreement is made from what softmax playouts from the position end
in. Half of them start with each colour, so that whose turn it is does not matter.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from alphago import _core
from alphago.nets.rollout import load_rollout_weights

PLAYOUTS: Final = 96
DEAD: Final = 0.5
"""A chain whose points go to the other colour by more than this, three playouts in four, is dead; by less, unless it is in seki."""

SEKI_REGION: Final = 4
"""Neutral points side by side: more than this between doubtful chains are a fight that nobody has ended, not a seki."""


def ownership(
    position: _core.Position,
    playouts: int = PLAYOUTS,
    seed: int = 0,
    weights: _core.RolloutWeights | None = None,
    stop_when: Callable[[], bool] | None = None,
) -> NDArray[np.float64]:
    """Mean owner of each point after softmax playouts, [S, S] in -1..1, black positive. Past passes do not count.

    Args:
        stop_when: asked before every playout; True ends with those that there are.
    """
    weights = weights or load_rollout_weights()
    size, stones = position.size, position.stones()
    start = _core.Position(size, 0, position.suicide, 0, 0.0)
    start.setup(np.flatnonzero(stones == 1).tolist(), np.flatnonzero(stones == 2).tolist(), [])
    total = np.zeros((size, size))
    done = 0
    for i in range(playouts):
        if stop_when is not None and stop_when():
            break
        board = start.copy()
        board.to_play = 1 + i % 2
        _, actions = board.playout("softmax", seed + i, weights)
        for action in actions:
            if board.try_play(action) < 0:  # a playout knows the simple ko alone, like this board: not expected
                break
        else:
            total += board.area()
            done += 1
    return total / max(done, 1)


@dataclass(frozen=True)
class Status:
    """Chains of a position by status, as lists of ascending actions."""

    alive: list[list[int]]
    dead: list[list[int]]
    seki: list[list[int]]

    def dead_mask(self, size: int) -> NDArray[np.bool_]:
        """bool [size, size]."""
        mask = np.zeros(size * size, dtype=np.bool_)
        for chain in self.dead:
            mask[chain] = True
        return mask.reshape(size, size)


def status(position: _core.Position, playouts: int = PLAYOUTS, seed: int = 0) -> Status:
    """Every chain's status. Pass-alive chains (Benson) are alive whatever the playouts say.

    A living chain is in seki when, the dead lifted, it borders one point of its own at most and shares a neutral liberty with a
    living chain of the other colour of which the same is true. Playouts do not always keep a seki, so a chain that most of them
    lose, but not three in four, is put back with those of its colour that share its surroundings: they live when all of
    them are in seki then, with two liberties at least and in neutral regions of `SEKI_REGION` points at most. Left on the board as
    they are, they would make the whole region about them neutral.
    """
    owner = ownership(position, playouts, seed).ravel()
    stones = position.stones().ravel()
    safe = {color: position.pass_alive(color).ravel() for color in (1, 2)}
    chains: list[tuple[int, list[int]]] = []
    seen: set[int] = set()
    for action in np.flatnonzero(stones).tolist():
        if action not in seen:
            chain = position.chain(action)
            seen.update(chain)
            chains.append((int(stones[action]), chain))
    alive: list[tuple[int, list[int]]] = []
    dead: list[list[int]] = []
    doubtful: list[tuple[int, list[int]]] = []
    for color, chain in chains:
        mine = owner[chain].mean() * (1 if color == 1 else -1)
        if mine >= 0 or safe[color][chain[0]]:
            alive.append((color, chain))
        elif mine < -DEAD:
            dead.append(chain)
        else:
            doubtful.append((color, chain))
    for group in _neighbourhoods(position, dead, doubtful):
        others = [chain for _, chain in doubtful if all(chain is not c for _, c in group)]
        if {chain[0] for _, chain in group} <= _in_seki(position, alive + group, dead + others, SEKI_REGION):
            alive += group
        else:
            dead += [chain for _, chain in group]
    dead.sort()
    in_seki = _in_seki(position, alive, dead)
    return Status(
        alive=[chain for _, chain in alive if chain[0] not in in_seki],
        dead=dead,
        seki=[chain for _, chain in alive if chain[0] in in_seki],
    )


def _neighbourhoods(
    position: _core.Position, dead: list[list[int]], doubtful: list[tuple[int, list[int]]]
) -> list[list[tuple[int, list[int]]]]:
    """The doubtful chains in groups of one colour and one region: what is joined once the dead and the doubtful are lifted."""
    stones = position.stones().ravel().copy()
    for chain in [*dead, *(chain for _, chain in doubtful)]:
        stones[chain] = 0
    region = _regions(stones == 0, position.size)
    groups: dict[tuple[int, int], list[tuple[int, list[int]]]] = {}
    for color, chain in doubtful:
        groups.setdefault((color, int(region[chain[0]])), []).append((color, chain))
    return list(groups.values())


def _in_seki(
    position: _core.Position, alive: list[tuple[int, list[int]]], dead: list[list[int]], largest: int | None = None
) -> set[int]:
    """First actions of the living chains in seki; with `largest`, in neutral regions of at most so many points."""
    size = position.size
    mask = np.zeros((size, size), dtype=np.bool_)
    for chain in dead:
        mask.flat[chain] = True
    land = position.territory(mask).ravel()
    stones = np.where(mask, 0, position.stones()).ravel()
    neutral = (stones == 0) & (land == 0)
    if largest is not None:
        region = _regions(neutral, size)
        neutral &= np.bincount(region)[region] <= largest
    landless: dict[int, set[int]] = {}  # first action -> neutral points that the chain touches
    color_of: dict[int, int] = {}
    for color, chain in alive:
        around = {n for a in chain for n in _neighbours(a, size) if stones[n] == 0}
        own = 1 if color == 1 else -1
        if len(around) > 1 and sum(land[n] == own for n in around) <= 1:
            landless[chain[0]] = {n for n in around if neutral[n]}
            color_of[chain[0]] = color
    return {
        a
        for a, around in landless.items()
        if any(color_of[b] != color_of[a] and len(around & other) > 0 for b, other in landless.items())
    }


def _regions(points: NDArray[np.bool_], size: int) -> NDArray[np.int64]:
    """For each of these points the smallest action of those that it is joined to; for any other size * size."""
    region = np.full(size * size, size * size, dtype=np.int64)
    for first in np.flatnonzero(points).tolist():
        stack = [first]
        while stack:
            a = stack.pop()
            if region[a] == size * size:
                region[a] = first
                stack += [n for n in _neighbours(a, size) if points[n]]
    return region


def _neighbours(action: int, size: int) -> list[int]:
    row, column = divmod(action, size)
    found = []
    if row:
        found.append(action - size)
    if row < size - 1:
        found.append(action + size)
    if column:
        found.append(action - 1)
    if column < size - 1:
        found.append(action + 1)
    return found
