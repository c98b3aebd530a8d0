"""Bad input to the compiled core: a named exception with a clear message, and nothing crashes the interpreter."""

import math
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from alphago import _core

SETS = ["alphago48", "alphago49", "zero17", "rich", "rich-fast"]


@pytest.mark.parametrize("size", [-1, 0, 1, 20, 100, 2**31 - 1])
def test_sizes_out_of_range(size: int) -> None:
    """The message says what would be right."""
    with pytest.raises(ValueError, match=r"2.*19"):
        _core.Position(size)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1001.0, -1e9])
def test_komi_and_bonus_must_be_finite_and_sane(value: float) -> None:
    """In the constructor and afterwards; a refused value changes nothing."""
    with pytest.raises(ValueError, match="komi"):
        _core.Position(9, komi=value)
    with pytest.raises(ValueError, match="bonus"):
        _core.Position(9, white_bonus=value)
    position = _core.Position(9, komi=6.5, white_bonus=2.0)
    with pytest.raises(ValueError, match="komi"):
        position.komi = value
    with pytest.raises(ValueError, match="bonus"):
        position.white_bonus = value
    assert (position.komi, position.white_bonus) == (6.5, 2.0)


@pytest.mark.parametrize("code", [-1, 3, 255, 256])
def test_unknown_codes(code: int) -> None:
    """Ko rule and scoring."""
    with pytest.raises(ValueError, match="ko"):
        _core.Position(9, ko=code)
    with pytest.raises(ValueError, match="scoring"):
        _core.Position(9, scoring=code)


@pytest.mark.parametrize("color", [-1, 3, 200])
def test_colours_that_are_none(color: int) -> None:
    """Wherever a colour is asked for."""
    position = _core.Position(9)
    calls: list[Any] = [
        lambda: setattr(position, "to_play", color),
        lambda: position.captured(color),
        lambda: position.passes_by(color),
        lambda: position.legality(0, color),
        lambda: position.try_play(0, color),
        lambda: position.legal_mask(color),
        lambda: position.is_eye(0, color),
        lambda: position.pass_alive(color),
    ]
    for call in calls:
        with pytest.raises((ValueError, TypeError)):
            call()
    with pytest.raises(ValueError, match=r"\w"):
        position.to_play = 0
    assert position.to_play == 1
    assert position.move_count == 0


@pytest.mark.parametrize("action", [-(2**31), -1, 81, 82, 100_000, 2**31 - 1])
def test_points_off_the_board(action: int) -> None:
    """Legality has a code for them; everything that reads a point refuses, or has nothing to say about the pass."""
    position = _core.Position(9)
    if action != 81:
        assert position.legality(action) == 5
        assert position.try_play(action) == -5
    assert position.setup([action], [], []) == 5
    for call in (position.liberties, position.liberty_points, position.chain, position.ladder_captured):
        try:
            assert not call(action)
        except (ValueError, IndexError) as error:
            assert str(error)
    try:
        assert not position.is_eye(action, 1)
    except (ValueError, IndexError) as error:
        assert str(error)


def test_numbers_beyond_the_machines() -> None:
    """Python's integers have no limit."""
    position = _core.Position(9)
    for call in (position.legality, position.try_play, position.chain, _core.Position):
        with pytest.raises((TypeError, OverflowError, ValueError)):
            call(2**80)
    for seed in (-1, 2**64):
        with pytest.raises((TypeError, OverflowError, ValueError)):
            position.playout("light", seed)


# --- batches ------------------------------------------------------------------------------------------------------------


def good(feature_set: str = "rich", count: int = 2, side: int = 9, dtype: type = np.float32) -> np.ndarray[Any, Any]:
    """A buffer that fits."""
    return np.zeros((count, _core.feature_planes(feature_set), side, side), dtype=dtype)


def test_unknown_feature_sets() -> None:
    """The message names the known ones."""
    for name in ("", "RICH", "alphago50", "rich "):
        with pytest.raises(ValueError, match="zero17"):
            _core.feature_planes(name)
        with pytest.raises(ValueError, match="zero17"):
            _core.write_planes([_core.Position(9)], name, good(count=1))


@pytest.mark.parametrize("feature_set", SETS)
def test_buffers_that_do_not_fit(feature_set: str) -> None:
    """Wrong dtype, shape, order or a board that is too large: refused, and not a byte written."""
    positions = [_core.Position(9), _core.Position(9)]
    planes = _core.feature_planes(feature_set)
    bad = [
        good(feature_set, dtype=np.float64),
        good(feature_set, dtype=np.int8),
        good(feature_set, dtype=np.float16),
        good(feature_set, dtype=bool),
        good(feature_set, count=1),
        good(feature_set, count=3),
        good(feature_set, side=8),
        np.zeros((2, planes, 9, 10), np.float32),
        np.zeros((2, planes + 1, 9, 9), np.float32),
        np.zeros((2, planes - 1, 9, 9), np.float32),
        np.zeros((2, planes, 81), np.float32),
        np.zeros(2 * planes * 81, np.float32),
        np.zeros((2, planes, 9, 9, 1), np.float32),
        np.zeros((), np.float32),
        np.asfortranarray(good(feature_set)),
        good(feature_set, count=4)[::2],
        good(feature_set).transpose(0, 1, 3, 2),
        np.zeros((2, planes, 9, 18), np.float32)[..., ::2],
    ]
    for buffer in bad:
        before = buffer.copy()
        with pytest.raises((ValueError, TypeError)):
            _core.write_planes(positions, feature_set, buffer)
        assert np.array_equal(buffer, before)
    frozen = good(feature_set)
    frozen.flags.writeable = False
    with pytest.raises((ValueError, TypeError)):
        _core.write_planes(positions, feature_set, frozen)
    for rubbish in (None, [[1.0]], "buffer", b"\0" * 100):
        with pytest.raises((ValueError, TypeError)):
            _core.write_planes(positions, feature_set, rubbish)  # type: ignore[arg-type]
    _core.write_planes(positions, feature_set, good(feature_set))


def test_symmetries_threads_and_positions_that_do_not_fit() -> None:
    """Each with a message; None among the positions too."""
    positions = [_core.Position(9), _core.Position(9)]
    for symmetries in (
        np.array([0, 8], np.uint8),
        np.array([0], np.uint8),
        np.zeros((2, 1), np.uint8),
        np.array([255, 0], np.uint8),
    ):
        with pytest.raises((ValueError, TypeError)):
            _core.write_planes(positions, "rich", good(), symmetries)
    for threads in (0, -1, -(2**31)):
        with pytest.raises(ValueError, match="thread"):
            _core.write_planes(positions, "rich", good(), None, threads)
    for rubbish in ([1, 2], None, positions[0]):
        with pytest.raises(TypeError):
            _core.write_planes(rubbish, "rich", good())  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "call",
    [
        "_core.write_planes([None], 'rich', np.zeros((1, 17, 9, 9), np.float32))",
        "_core.write_planes([_core.Position(9), None], 'rich', np.zeros((2, 17, 9, 9), np.uint8), None, 2)",
        "_core.write_planes([_core.Position.__new__(_core.Position)], 'rich', np.zeros((1, 17, 9, 9), np.float32))",
        "_core.write_globals([None], np.zeros((1, 7), np.float32))",
        "_core.bench_features([None], 'rich', 'float32', 0.01)",
        "_core.Position(9).rollout_probabilities(None)",
        "_core.Position(9).rollout_probabilities(_core.RolloutWeights.__new__(_core.RolloutWeights))",
        "_core.Position(9).setup([None], [], [])",
        "_core.Position.__new__(_core.Position).size",
    ],
)
def test_nothing_where_a_position_belongs(call: str) -> None:
    """None, or an object whose constructor never ran, is refused; in a process of its own, for it could take this one down."""
    code = f"import numpy as np\nfrom alphago import _core\n{call}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1, (done.returncode, done.stderr[-300:])
    assert "TypeError" in done.stderr or "ValueError" in done.stderr


def test_globals_that_do_not_fit() -> None:
    """float32 [n, 7], contiguous."""
    positions = [_core.Position(9)] * 2
    bad = [
        np.zeros((2, 6), np.float32),
        np.zeros((1, 7), np.float32),
        np.zeros(14, np.float32),
        np.zeros((7, 2), np.float32).T,
        np.zeros((2, 7), np.float64),
    ]
    for buffer in bad:
        before = buffer.copy()
        with pytest.raises((ValueError, TypeError)):
            _core.write_globals(positions, buffer)
        assert np.array_equal(buffer, before)


def test_dead_stones_that_do_not_fit() -> None:
    """territory() takes bool [size, size]; stones called dead where there are none change nothing."""
    position = _core.Position(9)
    for dead in (np.zeros((8, 9), bool), np.zeros((19, 19), bool), np.zeros(81, bool)):
        with pytest.raises((ValueError, TypeError)):
            position.territory(dead)
    assert not position.territory(np.ones((9, 9), bool)).any()


def test_benchmarks_that_cannot_run() -> None:
    """Sizes, policies, times and threads."""
    for arguments in (
        (1, "light", 0.01),
        (20, "light", 0.01),
        (9, "heavy", 0.01),
        (9, "softmax", 0.01),
        (9, "light", math.nan),
    ):
        with pytest.raises(ValueError, match=r"\w"):
            _core.bench_playouts(*arguments)
    with pytest.raises(ValueError, match=r"\w"):
        _core.bench_playouts(9, "light", 0.01, threads=0)
    position = _core.Position(9)
    for positions, name, dtype in (
        ([], "rich", "float32"),
        ([position], "poor", "float32"),
        ([position], "rich", "int7"),
    ):
        with pytest.raises(ValueError, match=r"\w"):
            _core.bench_features(positions, name, dtype, 0.01)
