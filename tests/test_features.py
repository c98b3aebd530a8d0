"""Input planes and globals against the slow reference of docs/features.md, and the laws that they obey."""

import random
from functools import cache
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from alphago import _core
from reference import features as slow
from reference.board import BLACK, WHITE, Board, opponent
from reference.compare import Pair, core_planes, from_rows, game_pairs, random_pair

SETS = list(slow.PLANES)


@cache
def real_positions() -> list[Pair]:
    """Middle-game positions of real 9x9 and 19x19 games."""
    return game_pairs(random.Random(1), nine=220, nineteen=50)


@cache
def random_positions() -> list[Pair]:
    """Random positions of every size, with every rule; some set up by hand, some with the turn set, some with ko bans."""
    rng = random.Random(2)
    pairs = [random_pair(rng, size, rng.randrange(size * size * 2)) for size in range(2, 14) for _ in range(10)]
    pairs += [random_pair(rng, size, rng.randrange(size * size)) for size in range(14, 20) for _ in range(2)]
    for pair in pairs[::3]:
        pair.turn(opponent(pair.slow.to_play))
    for pair in pairs[::7]:
        taken = [point for point, color in enumerate(pair.slow.grid) if color][:1]
        assert pair.setup([], [], taken) == 0
        pair.random_play(rng, rng.randrange(10))
    return pairs + banned_positions(rng, 4, 30) + banned_positions(rng, 3, 30)


def banned_positions(rng: random.Random, code: int, count: int) -> list[Pair]:
    """Random positions on small boards where some play is banned by simple ko (code 3) or by superko (4)."""
    found: list[Pair] = []
    while len(found) < count:
        pair = Pair(rng.randrange(2, 8), rng.randrange(1, 3), rng.random() < 0.5)
        for _ in range(4 * pair.size**2):
            pair.random_play(rng, 1)
            if any(pair.slow.legality(point) == code for point in range(pair.size**2)):
                found.append(pair)
                break
    return found


@cache
def reference(board: Board, feature_set: str) -> NDArray[Any] | None:
    """Reference planes, computed once a board; None where a ladder read is too long for the definition to fix its answer."""
    try:
        return slow.planes(board, feature_set)
    except slow.Unsure:
        return None


def compare(pairs: list[Pair], feature_set: str) -> NDArray[Any]:
    """Asserts equality on every position. Returns how often each plane was not all zeros."""
    seen = np.zeros(slow.PLANES[feature_set], dtype=int)
    unsure = 0
    for pair in pairs:
        wanted = reference(pair.slow, feature_set)
        if wanted is None:
            unsure += 1
            continue
        got = core_planes(pair.core, feature_set)
        wrong = sorted(set(np.argwhere(got != wanted)[:, 0].tolist()))
        assert not wrong, f"planes {wrong} of {feature_set}: {pair.describe(-1, 0, 0)}"
        seen += wanted.any(axis=(1, 2))
    assert unsure <= len(pairs) // 50
    return seen


@pytest.mark.parametrize("feature_set", SETS)
def test_planes_of_real_games(feature_set: str) -> None:
    """Every plane of hundreds of positions; every plane but the zeros is set in several of them."""
    assert _core.feature_planes(feature_set) == slow.PLANES[feature_set]
    seen = compare(real_positions(), feature_set)
    # Bans and large captures are rare in good play; the random positions have them.
    rare = {6, 7, 15, 16} if feature_set.startswith("rich") else set()
    rare = {*range(22, 36), 47} if feature_set.startswith("alphago") else rare
    assert all(seen[plane] >= 3 for plane in range(len(seen)) if plane not in rare), seen


@pytest.mark.parametrize("feature_set", SETS)
def test_planes_of_random_positions(feature_set: str) -> None:
    """Sizes 2 to 19, all rules, out-of-turn movers, set-up stones; captures, bans and pass-alive areas all occur."""
    seen = compare(random_positions(), feature_set)
    rare = {47} if feature_set.startswith("alphago") else set()
    assert all(seen[plane] >= 1 for plane in range(len(seen)) if plane not in rare), seen


def test_globals() -> None:
    """Komi from the mover's side with white's bonus, passes, rules: every index takes both of its values."""
    pairs = real_positions() + random_positions()
    rng = random.Random(3)
    for pair in pairs[::2]:
        pair = pairs[rng.randrange(len(pairs))]
        pair.play(pair.slow.pass_action)
        if rng.random() < 0.5:
            pair.play(pair.slow.pass_action)
    wanted = np.stack([slow.global_vector(pair.slow) for pair in pairs])
    got = np.full((len(pairs), 7), 9, dtype=np.float32)
    _core.write_globals([pair.core for pair in pairs], got)
    np.testing.assert_array_equal(got, wanted)
    assert (np.ptp(got, axis=0) > 0).all()
    for pair in pairs:
        while pair.slow.consecutive_passes:
            assert pair.core.undo()
            assert pair.slow.undo()
    real_positions.cache_clear()
    random_positions.cache_clear()


@pytest.mark.parametrize("dtype", [np.float32, np.uint8])
@pytest.mark.parametrize("feature_set", SETS)
def test_symmetries_and_padding(feature_set: str, dtype: type) -> None:
    """Each of the 8 symmetries, on a canvas as large as the board and on larger ones, in both dtypes."""
    rng = random.Random(4)
    for size in (2, 3, 5, 9, 10, 13, 14):
        pair = random_pair(rng, size, size * size // 2)
        wanted = reference(pair.slow, feature_set)
        assert wanted is not None
        for symmetry in range(8):
            moved = slow.transform_planes(wanted, symmetry)
            for side in {size, size + 1, 19}:
                got = core_planes(pair.core, feature_set, side, symmetry, dtype)
                assert got.dtype == dtype
                assert np.array_equal(got[:, :size, :size], moved), (size, symmetry, side)
                assert not got[:, size:].any() and not got[:, :, size:].any()


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("dtype", [np.float32, np.uint8])
@pytest.mark.parametrize("feature_set", SETS)
def test_batches(feature_set: str, dtype: type, threads: int) -> None:
    """A batch that mixes sizes and symmetries equals its positions written one by one, for any number of threads."""
    pairs = random_positions()[::5]
    cores = [pair.core for pair in pairs]
    symmetries = np.arange(len(cores), dtype=np.uint8) % 8
    batch: NDArray[Any] = np.full((len(cores), slow.PLANES[feature_set], 19, 19), 7, dtype=dtype)
    _core.write_planes(cores, feature_set, batch, symmetries, threads)
    for row, core in enumerate(cores):
        np.testing.assert_array_equal(batch[row], core_planes(core, feature_set, 19, int(symmetries[row]), dtype))
    plain = np.full_like(batch, 7)
    _core.write_planes(cores, feature_set, plain, None, threads)
    for row, core in enumerate(cores):
        np.testing.assert_array_equal(plain[row], core_planes(core, feature_set, 19, 0, dtype))
    empty: NDArray[Any] = np.zeros((0, slow.PLANES[feature_set], 9, 9), dtype=dtype)
    _core.write_planes([], feature_set, empty, None, threads)


def replayed(board: Board, symmetry: int, swap: bool) -> _core.Position:
    """The same game, moved by a symmetry, or with the colours exchanged."""

    def stone(color: int) -> int:
        return opponent(color) if swap else color

    def move(point: int) -> int:
        return slow.transform_point(board.size, point, symmetry)

    komi = -board.komi - board.white_bonus if swap else board.komi
    other = _core.Position(
        board.size, board.ko, board.suicide, board.scoring, komi, False, 0.0 if swap else board.white_bonus
    )
    start, first = board.positions[0]
    other.to_play = stone(first)
    sides = {color: [move(point) for point, each in enumerate(start) if each == color] for color in (BLACK, WHITE)}
    assert other.setup(sides[stone(BLACK)], sides[stone(WHITE)], []) == 0
    for color, action in board.moves:
        assert other.try_play(move(action), stone(color)) >= 0
    other.to_play = stone(board.to_play)
    return other


def laws_positions() -> list[Pair]:
    """Some of each kind."""
    return real_positions()[::9] + random_positions()[::5]


def carry(values: NDArray[Any], size: int, symmetry: int) -> NDArray[Any]:
    """Moves [size, size] or [size*size+1] values by a symmetry."""
    flat = values.reshape(-1)
    moved: NDArray[Any] = flat.copy()
    for point in range(size * size):
        moved[slow.transform_point(size, point, symmetry)] = flat[point]
    shaped: NDArray[Any] = moved.reshape(values.shape)
    return shaped


def test_everything_commutes_with_symmetry() -> None:
    """Planes, legality, area, pass-alive area and ladders of the moved game are those of the game, moved."""
    for number, pair in enumerate(laws_positions()):
        symmetry = number % 7 + 1
        core, size = pair.core, pair.size
        other = replayed(pair.slow, symmetry, swap=False)
        for feature_set in SETS:
            if reference(pair.slow, feature_set) is not None:
                moved = core_planes(other, feature_set)
                np.testing.assert_array_equal(moved, core_planes(core, feature_set, symmetry=symmetry), feature_set)
        for color in (BLACK, WHITE):
            np.testing.assert_array_equal(other.legal_mask(color), carry(core.legal_mask(color), size, symmetry))
            np.testing.assert_array_equal(other.pass_alive(color), carry(core.pass_alive(color), size, symmetry))
        np.testing.assert_array_equal(other.area(), carry(core.area(), size, symmetry))
        codes = np.array([core.legality(action) for action in range(size * size + 1)])
        moved_codes = np.array([other.legality(action) for action in range(size * size + 1)])
        np.testing.assert_array_equal(moved_codes, carry(codes, size, symmetry))
        if reference(pair.slow, "alphago48") is not None:
            for got, wanted in zip(other.ladder_moves(), core.ladder_moves(), strict=True):
                np.testing.assert_array_equal(got, carry(wanted, size, symmetry))


def test_everything_commutes_with_swapping_colours() -> None:
    """Only the planes that name the colour change; areas change sign."""
    for pair in laws_positions():
        core = pair.core
        other = replayed(pair.slow, 0, swap=True)
        for feature_set in SETS:
            wanted = core_planes(core, feature_set)
            if feature_set == "zero17":
                wanted[16] = 1 - wanted[16]
            if feature_set == "alphago49":
                wanted[48] = 1 - wanted[48]
            np.testing.assert_array_equal(core_planes(other, feature_set), wanted, feature_set)
        both = np.zeros((2, 7), dtype=np.float32)
        _core.write_globals([core, other], both)
        np.testing.assert_array_equal(both[0], both[1])
        for color in (BLACK, WHITE):
            np.testing.assert_array_equal(other.legal_mask(opponent(color)), core.legal_mask(color))
            np.testing.assert_array_equal(other.pass_alive(opponent(color)), core.pass_alive(color))
            assert other.captured(opponent(color)) == sum(color == c for c in captured_colors(pair.slow))
        np.testing.assert_array_equal(other.area(), -core.area())
        for got, wanted in zip(other.ladder_moves(), core.ladder_moves(), strict=True):
            np.testing.assert_array_equal(got, wanted)
        for point, stone in enumerate(pair.slow.grid):
            assert not stone or other.ladder_captured(point) == core.ladder_captured(point)


def captured_colors(board: Board) -> list[int]:
    """The colour of every stone taken since the last set-up, found by counting stones played against stones left."""
    taken = []
    start, _ = board.positions[0]
    for color in (BLACK, WHITE):
        played = sum(mover == color and action != board.pass_action for mover, action in board.moves)
        taken += [color] * (start.count(color) + played - board.grid.count(color))
    return taken


def test_shared_planes_agree() -> None:
    """`alphago49` begins with `alphago48`, `rich` with `rich-fast`; rich plane 14 is alphago48's 44; wrappers agree."""
    for pair in real_positions()[::5] + random_positions()[::5]:
        alphago, rich = core_planes(pair.core, "alphago48"), core_planes(pair.core, "rich")
        np.testing.assert_array_equal(core_planes(pair.core, "alphago49")[:48], alphago)
        np.testing.assert_array_equal(core_planes(pair.core, "rich-fast"), rich[:13])
        np.testing.assert_array_equal(rich[14], alphago[44])
        captures, escapes = pair.core.ladder_moves()
        np.testing.assert_array_equal(captures, alphago[44] == 1)
        np.testing.assert_array_equal(escapes, alphago[45] == 1)
        caught = [bool(stone) and pair.core.ladder_captured(point) for point, stone in enumerate(pair.slow.grid)]
        np.testing.assert_array_equal(caught, rich[13].reshape(-1) == 1)


def test_history_planes_after_set_up() -> None:
    """Set-up stones are old; turns and earlier positions before the set-up are forgotten."""
    pair = Pair(5)
    pair.play(12)
    assert pair.setup([0], [24], []) == 0
    pair.play(6)
    planes = core_planes(pair.core, "alphago48").reshape(48, -1)
    assert planes[11, [0, 12, 24]].all() and planes[4, 6] == 1 and planes[4:12].sum() == 4
    zero = core_planes(pair.core, "zero17").reshape(17, -1)
    stones = [np.flatnonzero(plane).tolist() for plane in zero[:16]]
    assert stones == [[0, 12], [6, 24], [0, 12], [24], *[[]] * 12]
    assert zero[16].all()


def test_superko_plane_marks_superko_alone() -> None:
    """After a ko capture the banned point is on plane 6, even where superko would ban it too."""
    for ko in (0, 1, 2):
        pair = from_rows(".XO.. XO.O. .XO.. ..... .....", BLACK, ko)
        assert pair.play(7) == 1
        rich = core_planes(pair.core, "rich").reshape(17, -1)
        assert np.flatnonzero(rich[6]).tolist() == [6]
        assert not rich[7].any()
