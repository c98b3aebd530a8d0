"""Pattern keys of docs/features.md in NumPy: codes, packing, and the canonical image among the 8 symmetries.

Places are numbered as in the keys: NW, N, NE, W, E, SW, S, SE, then NN, WW, EE, SS for 12-point keys.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

PLACES: Final = ((-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0), (1, 1), (-2, 0), (0, -2), (0, 2), (2, 0))
"""(row, column) of each place, seen from the point in the middle."""
EMPTY: Final = 0
OFF: Final = 4
PLACE_SHIFT: Final = 36
"""A response key is a 12-point key with the place of the move above this bit."""


def _image(symmetry: int, row: int, column: int) -> tuple[int, int]:
    if symmetry & 4:
        row, column = column, row
    return (-row if symmetry & 1 else row), (-column if symmetry & 2 else column)


PLACE_IMAGES: Final = tuple(tuple(PLACES.index(_image(s, r, c)) for r, c in PLACES) for s in range(8))
"""PLACE_IMAGES[s][i] is where symmetry s moves place i."""


def pack(codes: NDArray[np.integer]) -> NDArray[np.uint64]:
    """Keys of code arrays: integer [..., 8] or [..., 12], codes 0..7, to uint64 [...]."""
    keys = np.zeros(codes.shape[:-1], dtype=np.uint64)
    for place in range(codes.shape[-1]):
        keys |= codes[..., place].astype(np.uint64) << np.uint64(3 * place)
    return keys


def transform(keys: NDArray[np.uint64], places: int, symmetry: int) -> NDArray[np.uint64]:
    """Keys of 8 or 12 places under a symmetry 0..7."""
    out = np.zeros_like(keys)
    for place in range(places):
        code = (keys >> np.uint64(3 * place)) & np.uint64(7)
        out |= code << np.uint64(3 * PLACE_IMAGES[symmetry][place])
    return out


def canonical(keys: NDArray[np.uint64], places: int) -> NDArray[np.uint64]:
    """The smallest image of each key; `places` is 8 (3x3 keys) or 12."""
    best: NDArray[np.uint64] = keys.copy()
    for symmetry in range(1, 8):
        np.minimum(best, transform(keys, places, symmetry), out=best)
    return best


def canonical_response(keys: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The smallest image of each response key (12-point key, place of the move above it)."""
    pattern = keys & np.uint64((1 << PLACE_SHIFT) - 1)
    place = (keys >> np.uint64(PLACE_SHIFT)).astype(np.intp)
    best: NDArray[np.uint64] = keys.copy()
    for symmetry in range(1, 8):
        moved = np.array(PLACE_IMAGES[symmetry], dtype=np.uint64)[place]
        np.minimum(best, transform(pattern, 12, symmetry) | moved << np.uint64(PLACE_SHIFT), out=best)
    return best
