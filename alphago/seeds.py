"""Seeds out of seeds: SplitMix64 (Steele, Lea and Flood, OOPSLA 2014), whose finaliser is a bijection of 64 bits."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

GOLDEN: Final = 0x9E3779B97F4A7C15
_MASK: Final = (1 << 64) - 1


def mix64(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The finaliser, element by element."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    out: NDArray[np.uint64] = x ^ (x >> np.uint64(31))
    return out


def mix(x: int) -> int:
    """The finaliser of one number, modulo 2^64."""
    return int(mix64(np.array([x & _MASK], dtype=np.uint64))[0])


def game_seed(seed: int, index: int) -> int:
    """Seed of game 0, 1, ... of a run: `mix(mix(seed) + (index + 1) * GOLDEN)` modulo 2^64.

    No two games of a run share a seed, and runs with neighbouring seeds share none but by accident.
    """
    return mix(mix(seed) + (index + 1) * GOLDEN)
