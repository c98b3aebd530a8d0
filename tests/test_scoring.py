"""Tromp-Taylor area, territory and Benson's pass-alive area: known diagrams, and the slow reference at random."""

import random
from functools import cache

import numpy as np
import pytest

from reference import benson, score
from reference.board import BLACK, WHITE, chains
from reference.compare import Pair, from_rows, game_pairs, random_pair


@cache
def positions() -> list[Pair]:
    """Random positions of every size and positions of real games, late ones among them."""
    rng = random.Random(11)
    pairs = [random_pair(rng, size, rng.randrange(3 * size * size)) for size in range(2, 14) for _ in range(25)]
    pairs += [random_pair(rng, 19, rng.randrange(700)) for _ in range(6)]
    return pairs + game_pairs(rng, nine=120, nineteen=20)


def expected(owner: list[int], size: int) -> list[list[int]]:
    """Rows of a flat list."""
    return [owner[row * size : (row + 1) * size] for row in range(size)]


def test_area_equals_reference() -> None:
    """Every point of every position; empty boards, neutral regions and whole-board regions included."""
    neutral = 0
    for pair in positions():
        wanted = score.area(pair.size, pair.slow.grid)
        assert pair.core.area().tolist() == expected(wanted, pair.size), pair.describe(-1, 0, 0)
        neutral += 0 in wanted
    assert neutral > 50
    assert not Pair(9).core.area().any()
    pair = Pair(9)
    pair.play(0)
    assert (pair.core.area() == 1).all()


@pytest.mark.parametrize("strict_seki", [False, True])
def test_territory_equals_reference(strict_seki: bool) -> None:
    """With random chains called dead, some boards none, some all."""
    rng = random.Random(12)
    differs = 0
    for pair in positions():
        for share in (0.0, 0.2, 1.0):
            size, grid = pair.size, pair.slow.grid
            dead = {stone for _, stones, _ in chains(size, grid) if rng.random() < share for stone in stones}
            mask = np.zeros((size, size), dtype=bool)
            mask.reshape(-1)[list(dead)] = True
            wanted = score.territory(size, grid, dead, strict_seki)
            got = pair.core.territory(mask, strict_seki)
            assert got.tolist() == expected(wanted, size), (sorted(dead), pair.describe(-1, 0, 0))
            differs += wanted != score.territory(size, grid, dead, not strict_seki)
    assert differs > 50


def test_pass_alive_equals_reference() -> None:
    """Both colours at every position; many have pass-alive chains, many chains that only look alive."""
    alive = 0
    for pair in positions():
        for color in (BLACK, WHITE):
            wanted = benson.pass_alive(pair.size, pair.slow.grid, color)
            got = np.flatnonzero(pair.core.pass_alive(color)).tolist()
            assert got == sorted(wanted), (color, pair.describe(-1, 0, 0))
            alive += bool(wanted)
    assert alive > 100


def test_pass_alive_equals_reference_late_in_games() -> None:
    """Played-out positions, with many small eyes."""
    rng = random.Random(13)
    for number in range(150):
        start = random_pair(rng, rng.choice((5, 7, 9, 11)), 10)
        _, actions = start.core.playout("light", seed=number)
        for action in actions[: rng.randrange(len(actions) + 1)]:
            if start.play(action) < 0:
                break
        for color in (BLACK, WHITE):
            wanted = benson.pass_alive(start.size, start.slow.grid, color)
            assert np.flatnonzero(start.core.pass_alive(color)).tolist() == sorted(wanted), start.describe(-1, 0, 0)


def test_two_eyes_are_pass_alive() -> None:
    """Black's chain has the two corners' eyes; all of white's empty points are one region, one eye at most."""
    core = from_rows(".XO.. XXO.. .XO.. XXO.. OOO..").core
    assert np.flatnonzero(core.pass_alive(BLACK)).tolist() == [0, 1, 5, 6, 10, 11, 15, 16]
    assert not core.pass_alive(WHITE).any()


def test_one_large_eye_is_not_pass_alive() -> None:
    """Neighbouring empty points are one region, however many; a stone between them makes two."""
    assert not from_rows("...XO XXXXO OOOOO ..... .....").core.pass_alive(BLACK).any()
    alive = from_rows(".X.XO XXXXO OOOOO ..... .....").core.pass_alive(BLACK)
    assert np.flatnonzero(alive).tolist() == [0, 1, 2, 3, 5, 6, 7, 8]


def test_two_chains_that_share_two_eyes_are_pass_alive() -> None:
    """Each eye alone is false, its diagonal is white's; but both chains border both, and so neither can be captured."""
    ring = ".XXXX XOOOX XO.OX XOOOX XXXX."
    core = from_rows(ring).core
    alive = np.flatnonzero(core.pass_alive(BLACK)).tolist()
    assert alive == [0, 1, 2, 3, 4, 5, 9, 10, 14, 15, 19, 20, 21, 22, 23, 24]
    assert not core.pass_alive(WHITE).any()
    assert not from_rows(ring[:-1] + "X").core.pass_alive(BLACK).any(), "one chain, one eye"


def test_enemy_stones_inside_a_vital_region() -> None:
    """A region with an enemy stone in it is vital when its empty points all are liberties; the stone is in the area."""
    core = from_rows(".X.O. XXXXX .X... XX... .....").core
    alive = core.pass_alive(BLACK)
    assert alive[0].all(), "the lone white stone stands in a black eye"
    assert alive[2, 0] and not alive[4].any()


def test_territory_of_a_counted_game() -> None:
    """A wall down the middle: five columns, one neutral; a dead stone turns into its captor's territory."""
    pair = from_rows(".X.O. .X.O. .X.O. .X.O. .XOO.")
    none = np.zeros((5, 5), dtype=bool)
    owner = pair.core.territory(none)
    assert owner[:, 0].tolist() == [1] * 5
    assert owner[:, 4].tolist() == [-1] * 5
    assert not owner[:, 1:4].any(), "stones and the neutral column are nobody's territory"
    assert not pair.core.territory(none, True).any(), "to the letter, chains beside unfilled neutral points are in seki"
    pair = from_rows("..X.. .OX.. ..X.. ..X.. ..X..", WHITE)
    dead = none.copy()
    dead[1, 1] = True
    assert pair.core.territory(none)[:, 3:].sum() == 10
    assert pair.core.territory(none)[:, :2].sum() == 0
    assert pair.core.territory(dead).sum() == 20


def test_seki_has_no_territory_under_strict_counting() -> None:
    """Two chains with an eye each share two liberties: neither is pass-alive; strictly, their eyes do not count."""
    pair = from_rows(".X.O. XX.OO XXOOO XXOOO XXOOO")
    assert not pair.core.pass_alive(BLACK).any()
    assert not pair.core.pass_alive(WHITE).any()
    none = np.zeros((5, 5), dtype=bool)
    plain = pair.core.territory(none)
    assert (plain[0, 0], plain[0, 4], np.abs(plain).sum()) == (1, -1, 2)
    assert not pair.core.territory(none, True).any()
    filled = from_rows(".XXO. XXXOO XXOOO XXOOO XXOOO")
    assert filled.core.territory(none, True).tolist() == plain.tolist(), "no neutral points, no seki"
