"""Games and positions as the same under the eight symmetries of the board: how repetitions are found."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np

from alphago import _core
from alphago.data.identity import symmetries


def canonical_position(position: _core.Position) -> bytes:
    """The same bytes for positions that are images of one another: stones and side to move."""
    stones = position.stones()
    images = (np.rot90(s, k) for s in (stones, stones.T) for k in range(4))
    return bytes([position.to_play]) + min(image.tobytes() for image in images)


def game_key(size: int, moves: Sequence[tuple[int, int]]) -> str:
    """The same 16 hexadecimal digits for games that are images of one another: (color, action) from the empty board."""
    colors = bytes(color for color, _ in moves)
    actions = np.array([action for _, action in moves], dtype=np.int64)
    least = min(image[actions].astype(">u2").tobytes() for image in symmetries(size))
    return hashlib.sha256(bytes([size]) + colors + least).hexdigest()[:16]
