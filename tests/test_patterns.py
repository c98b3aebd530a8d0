"""Pattern keys and nakade shapes: laws, and the slow reference of tests/reference."""

import random

import numpy as np
import pytest

from alphago import _core
from reference import nakade, patterns

BITS3, BITS12 = 24, 36


def random_key(rng: random.Random, bits: int) -> int:
    """Any code in every cell."""
    return rng.randrange(1 << bits)


def test_canonical_keys_equal_reference() -> None:
    """On random keys, on sparse ones and on the extremes."""
    rng = random.Random(1)
    for _ in range(5000):
        three, twelve = random_key(rng, BITS3), random_key(rng, BITS12)
        if rng.random() < 0.3:
            three &= random_key(rng, BITS3) & random_key(rng, BITS3)
            twelve &= random_key(rng, BITS12) & random_key(rng, BITS12)
        response = twelve | rng.randrange(12) << BITS12
        assert _core.canonical3(three) == patterns.canonical3(three)
        assert _core.canonical12(twelve) == patterns.canonical12(twelve)
        assert _core.canonical_response(response) == patterns.canonical_response(response)
    for key in (0, (1 << BITS12) - 1):
        assert _core.canonical12(key) == key
    assert _core.canonical3((1 << BITS3) - 1) == (1 << BITS3) - 1


def test_canonical_key_is_a_name_of_the_orbit() -> None:
    """The 8 images share it, it is one of them, the smallest, and its own name."""
    rng = random.Random(2)
    for _ in range(500):
        key = random_key(rng, BITS3)
        images = [patterns.key_image(key, 8, symmetry) for symmetry in range(8)]
        assert {_core.canonical3(image) for image in images} == {min(images)}
        key = random_key(rng, BITS12)
        images = [patterns.key_image(key, 12, symmetry) for symmetry in range(8)]
        assert {_core.canonical12(image) for image in images} == {min(images)}
        key |= rng.randrange(12) << BITS12
        images = [patterns.response_image(key, symmetry) for symmetry in range(8)]
        assert {_core.canonical_response(image) for image in images} == {min(images)}
        assert _core.canonical_response(min(images)) == min(images)


def test_places_keep_their_distance() -> None:
    """A symmetry moves a response among the four points beside, the four at a diagonal or the four two steps away."""
    for place in range(12):
        canonical = _core.canonical_response(place << BITS12)
        group = next(group for group in ({1, 3, 4, 6}, {0, 2, 5, 7}, {8, 9, 10, 11}) if place in group)
        assert canonical == min(group) << BITS12


def test_numbers_of_three_by_three_orbits() -> None:
    """Burnside: (4^8 + ... ) / 8 orbits of 3x3 keys over four codes, as the reference's symmetries count them too."""
    codes = (0, 1, 5, 7)
    keys = [sum(codes[number >> 2 * cell & 3] << 3 * cell for cell in range(8)) for number in range(4**8)]
    # Fixed keys: identity 4^8; quarter turns 4^2 each; half turn 4^4; four mirrors 4^5 each (two or three cells fixed).
    orbits = (4**8 + 2 * 4**2 + 4**4 + 4 * 4**5) // 8
    assert len({_core.canonical3(key) for key in keys}) == orbits


@pytest.mark.parametrize("count", range(1, 8))
def test_nakade_indices_name_shape_and_cell(count: int) -> None:
    """Every free shape of 1 to 7 cells: equal under symmetry, in any order and place; distinct otherwise; below 8192."""
    rng = random.Random(count)
    names: dict[int, object] = {}
    for shape in nakade.free_shapes(count):
        indices = dict(zip(shape, _core.nakade_indices(list(shape)), strict=True))
        for cell, index in indices.items():
            assert 0 <= index < 8192
            name = nakade.canonical_cell(list(shape), cell)
            assert names.setdefault(index, name) == name, "two cells share an index"
        assert len({nakade.canonical_cell(list(shape), cell) for cell in shape}) == len(set(indices.values()))
        symmetry, down, right = rng.randrange(8), rng.randrange(-3, 12), rng.randrange(-3, 12)
        order = rng.sample(shape, len(shape))
        moved = [nakade.image(cell, symmetry) for cell in order]
        top, left = min(r for r, _ in moved), min(c for _, c in moved)
        moved = [(r - top + abs(down), c - left + abs(right)) for r, c in moved]
        assert _core.nakade_indices(moved) == [indices[cell] for cell in order]
    assert len(nakade.free_shapes(count)) == (1, 1, 2, 5, 12, 35, 108)[count - 1]


def test_nakade_indices_of_different_sizes_differ() -> None:
    """An index tells the size of the shape as well."""
    seen: dict[int, int] = {}
    for count in range(1, 8):
        for shape in nakade.free_shapes(count):
            for index in _core.nakade_indices(list(shape)):
                assert seen.setdefault(index, count) == count
    assert len(seen) > 600


SHAPES = {
    "straight three": ("###", "010"),
    "bent three": ("## #.", "10 0."),
    "straight four": ("####", "0000"),
    "bent four": ("### #..", "000 0.."),
    "zigzag four": ("##. .##", "00. .00"),
    "square four": ("## ##", "00 00"),
    "pyramid four": ("### .#.", "010 .0."),
    "bulky five": ("### ##.", "010 00."),
    "crossed five": (".#. ### .#.", ".0. 010 .0."),
    "rabbity six": ("##. ### .#.", "00. 010 .0."),
}


@pytest.mark.parametrize("name", SHAPES)
def test_vital_points(name: str) -> None:
    """The shapes every player knows, in all 8 orientations."""
    drawn, vital = (rows.split() for rows in SHAPES[name])
    cells = [(r, c) for r, row in enumerate(drawn) for c, mark in enumerate(row) if mark == "#"]
    wanted = [vital[r][c] == "1" for r, c in cells]
    for symmetry in range(8):
        moved = [nakade.image(cell, symmetry) for cell in cells]
        top, left = min(r for r, _ in moved), min(c for _, c in moved)
        assert _core.nakade_vital([(r - top, c - left) for r, c in moved]) == wanted, (name, symmetry)


@pytest.mark.parametrize("cells", [[], [(0, 0), (0, 2)], [(0, 0), (1, 1)], [(0, c) for c in range(8)], [(10**9, 0)]])
def test_shapes_that_are_none(cells: list[tuple[int, int]]) -> None:
    """No cell, cells apart, eight cells, a cell beyond any board: refused."""
    for function in (_core.nakade_indices, _core.nakade_vital):
        with pytest.raises(ValueError, match="cell"):
            function(cells)


def test_keys_out_of_range() -> None:
    """A place beyond the twelve and a negative key are refused."""
    with pytest.raises(ValueError, match=r"0\.\.11"):
        _core.canonical_response(12 << BITS12)
    for function in (_core.canonical3, _core.canonical12, _core.canonical_response):
        with pytest.raises(TypeError):
            function(-1)


def test_weights_need_canonical_ascending_keys() -> None:
    """RolloutWeights names the array that is wrong."""

    def build(**changes: object) -> _core.RolloutWeights:
        arguments: dict[str, object] = {
            "response": 0.0,
            "save_atari": 0.0,
            "neighbour": np.zeros(8, np.float32),
            "nakade": np.zeros(8192, np.float32),
            "response_keys": np.zeros(0, np.uint64),
            "response_weights": np.zeros(0, np.float32),
            "pattern3_keys": np.zeros(0, np.uint32),
            "pattern3_weights": np.zeros(0, np.float32),
            "self_atari": 0.0,
            "distance": np.zeros((2, 17), np.float32),
            "pattern12_keys": np.zeros(0, np.uint64),
            "pattern12_weights": np.zeros(0, np.float32),
            **changes,
        }
        return _core.RolloutWeights(**arguments)  # type: ignore[arg-type]

    build()
    rng = random.Random(3)
    canonical = sorted({patterns.canonical3(random_key(rng, BITS3)) for _ in range(20)})
    raw = next(key for key in iter(lambda: random_key(rng, BITS3), None) if patterns.canonical3(key) != key)
    two = np.zeros(2, np.float32)
    build(pattern3_keys=np.array(canonical, np.uint32), pattern3_weights=np.zeros(len(canonical), np.float32))
    bad: list[tuple[str, dict[str, object]]] = [
        ("neighbour", {"neighbour": np.zeros(7, np.float32)}),
        ("nakade", {"nakade": np.zeros(8191, np.float32)}),
        ("distance", {"distance": np.zeros((2, 16), np.float32)}),
        ("distance", {"distance": np.full((2, 17), np.inf, np.float32)}),
        ("response", {"response": float("nan")}),
        ("save_atari", {"save_atari": 11.0}),
        ("self_atari", {"self_atari": float("-inf")}),
        ("nakade", {"nakade": np.full(8192, np.nan, np.float32)}),
        ("pattern3", {"pattern3_keys": np.array([raw], np.uint32), "pattern3_weights": two[:1]}),
        ("pattern3", {"pattern3_keys": np.array(canonical[1::-1], np.uint32), "pattern3_weights": two}),
        ("pattern3", {"pattern3_keys": np.array([canonical[0]] * 2, np.uint32), "pattern3_weights": two}),
        ("pattern3", {"pattern3_keys": np.array(canonical[:3], np.uint32), "pattern3_weights": two}),
        ("pattern12", {"pattern12_keys": np.array([1 << BITS12], np.uint64), "pattern12_weights": two[:1]}),
        ("pattern12", {"pattern12_keys": np.array([0], np.uint64), "pattern12_weights": np.full(1, 10.5, np.float32)}),
        ("response", {"response_keys": np.array([2 << BITS12], np.uint64), "response_weights": two[:1]}),
        ("response", {"response_keys": np.array([12 << BITS12], np.uint64), "response_weights": two[:1]}),
    ]
    for name, changes in bad:
        with pytest.raises(ValueError, match=name):
            build(**changes)


def test_what_is_no_pattern() -> None:
    """Keys with bits beyond their points and shapes that repeat a cell are refused."""
    for call in (
        lambda: _core.canonical3(1 << 24),
        lambda: _core.canonical12(1 << 36),
        lambda: _core.canonical_response(12 << 36),
        lambda: _core.nakade_indices([(0, 0), (0, 0)]),
        lambda: _core.nakade_vital([(0, 0), (0, 1), (0, 1)]),
    ):
        with pytest.raises(ValueError, match=r"bits|place|cells"):
            call()
