"""Number of legal positions (Tromp and Farneback, "Combinatorics of Go"): every colouring of a small board is set up.

The C++ test of the same name counts 4x4.
"""

import itertools

import numpy as np
import pytest

from alphago import _core
from reference.board import chains


@pytest.mark.parametrize(("size", "legal"), [(2, 57), (3, 12675)])
def test_number_of_legal_positions(size: int, legal: int) -> None:
    """setup() takes exactly the positions in which every chain has a liberty, and says so of the board afterwards."""
    points = range(size * size)
    everything = list(points)
    position = _core.Position(size)
    count = 0
    before = position.stones()
    for colouring in itertools.product((0, 1, 2), repeat=size * size):
        black = [point for point in points if colouring[point] == 1]
        white = [point for point in points if colouring[point] == 2]
        empty = [point for point in everything if colouring[point] == 0]
        code = position.setup(black, white, empty)
        assert code in (0, 2)
        assert (code == 0) == all(liberties for _, _, liberties in chains(size, colouring)), colouring
        if code == 0:
            count += 1
            before = position.stones()
            assert tuple(before.reshape(-1).tolist()) == colouring
        else:
            assert np.array_equal(position.stones(), before), "a refused set-up changes nothing"
    assert count == legal
