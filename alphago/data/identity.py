"""Which games are the same: a key that does not change when the board is turned or mirrored, and splits made from it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

KEY_BYTES: Final = 16


@cache
def symmetries(size: int) -> NDArray[np.uint16]:
    """Where each symmetry of docs/features.md moves an action: uint16 [8, size * size + 1]; the pass stays. 0 changes nothing."""
    row, column = np.divmod(np.arange(size * size, dtype=np.int64), size)
    rows = []
    for symmetry in range(8):
        r, c = (column, row) if symmetry & 4 else (row, column)
        r = size - 1 - r if symmetry & 1 else r
        c = size - 1 - c if symmetry & 2 else c
        rows.append(np.append(r * size + c, size * size))
    return np.array(rows, dtype=np.uint16)


def game_key(row: Mapping[str, Any]) -> bytes:
    """16 bytes that games share which have the same size, set-up stones and moves, on a turned or mirrored board too.

    Passes at the end do not count, nor do komi, result and names: the same game is often recorded twice with other words.
    """
    size, moves, colors = int(row["size"]), row["moves"], row["colors"]
    played = np.flatnonzero(moves != size * size)
    n = int(played[-1]) + 1 if len(played) else 0
    turned = symmetries(size)
    texts = turned[:, moves[:n]]
    if len(row["setup_black"]) or len(row["setup_white"]):
        black, white = (np.sort(turned[:, row[name]], axis=1) for name in ("setup_black", "setup_white"))
        texts = np.concatenate([black, white, texts], axis=1)
    head = f"{size} {len(row['setup_black'])} {len(row['setup_white'])} ".encode()
    best = min(text.astype(">u2").tobytes() for text in texts)
    return hashlib.blake2b(head + colors[:n].tobytes() + best, digest_size=KEY_BYTES).digest()


def split_number(key: bytes, seed: int = 0) -> float:
    """A number in [0, 1) that depends on the game alone: games below a share go to one side of a split, the others to the other.

    Duplicates have the same key, so they never stand on both sides, and a game keeps its side when others come or go.
    """
    digest = hashlib.blake2b(key, digest_size=8, salt=seed.to_bytes(16, "little", signed=True)).digest()
    return (int.from_bytes(digest, "little") >> 11) * 2.0**-53
