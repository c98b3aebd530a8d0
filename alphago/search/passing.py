"""Passing as the count wants it: when a pass wins at once, and what is still to be played where a search would pass.

A network learns to pass from games that ended by passes, and games between people end with points of no one still open: territory
scoring gives nothing for them, area scoring one point each. Nor does a policy by itself see that the last move was a threat.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from alphago import _core
from alphago.search.player import Report
from alphago.search.status import ownership, status

OPEN: Final = 0.5
"""A point that goes to one colour by less than this, three playouts in four, is still open."""
_AREA: Final = 0
"""The core's code of area scoring."""
_TRIED: Final = 0.1
"""From this share of the pass's visits on a move's value is believed."""
_WORSE: Final = 0.1
"""A move of a value so far under the pass's is not played in its place."""


def wins_by_passing(position: _core.Position) -> bool:
    """Whether the side to move wins when it ends the game now, with the stones as they stand and with the dead ones lifted."""
    side = 1 if position.to_play == 1 else -1
    bonus = position.komi + position.white_bonus
    if side * (float(position.area().sum()) - bonus) <= 0:
        return False
    return side * (_area_without(position, status(position).dead_mask(position.size)) - bonus) > 0


def instead_of_passing(position: _core.Position, report: Report) -> int:
    """The move to play where the search would pass: the most visited, then the likeliest, of those on points that are still open.
    The pass itself where none is. A move that leaves its own chain in atari, as in a seki, is none.

    A pass hands the opponent a move for nothing, so under area scoring it gains nothing while a point is open. Under the others,
    where a move at home costs a point, a pass is left as it is.
    """
    passing = position.size**2
    if position.scoring != _AREA:
        return passing
    points = np.flatnonzero((np.abs(ownership(position)) < OPEN).ravel() & (position.stones().ravel() == 0))
    index = {int(a): i for i, a in enumerate(report.actions)}
    its_visits, its_q = int(report.visit_counts[index[passing]]), float(report.q[index[passing]])
    found = []
    for a in points.tolist():
        if (i := index.get(a)) is None or _is_self_atari(position, a):
            continue
        tried = report.visit_counts[i] > _TRIED * its_visits
        if not (tried and report.q[i] < its_q - _WORSE):
            found.append((int(report.visit_counts[i]), float(report.priors[i]), a))
    return max(found)[2] if found else passing


def _is_self_atari(position: _core.Position, action: int) -> bool:
    after = position.copy()
    return after.try_play(action) < 0 or after.liberties(action) < 2


def _area_without(position: _core.Position, dead: NDArray[np.bool_]) -> float:
    """Black's area minus white's once the dead stones are lifted, without komi."""
    if not dead.any():
        return float(position.area().sum())
    stones = np.where(dead, 0, position.stones())
    lifted = _core.Position(position.size, 0, True, 0, 0.0)
    lifted.setup(np.flatnonzero(stones == 1).tolist(), np.flatnonzero(stones == 2).tolist(), [])
    return float(lifted.area().sum())
