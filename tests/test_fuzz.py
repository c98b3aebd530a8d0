"""Fuzzing: sequences of everything a position can do against the slow board, and rubbish for everything that parses."""

import pickle
import random
import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from numpy.typing import NDArray

from alphago import _core
from reference import benson, features, score
from reference.board import BLACK, WHITE
from reference.compare import Pair, core_planes, random_pair

colors = st.sampled_from([0, BLACK, WHITE])


class GameMachine(RuleBasedStateMachine):
    """Plays, passes, undoes, sets up, copies, pickles and scores; both boards must agree all the time."""

    def __init__(self) -> None:
        super().__init__()
        self.pair = Pair(2)

    @initialize(size=st.sampled_from([2, 3, 4, 5, 6, 7, 10, 14, 19]), ko=st.integers(0, 2), suicide=st.booleans())
    def start(self, size: int, ko: int, suicide: bool) -> None:
        self.pair = Pair(size, ko, suicide)

    @rule(seed=st.integers(0, 2**32), moves=st.integers(1, 40), fill_eyes=st.sampled_from([0.0, 0.3, 1.0]))
    def play_on(self, seed: int, moves: int, fill_eyes: float) -> None:
        """A run of random moves: single ones would rarely reach a capture."""
        self.pair.random_play(random.Random(seed), moves, passes=0.05, fill_eyes=fill_eyes)

    @rule(action=st.integers(-3, 19 * 19 + 3), color=colors)
    def play_anything(self, action: int, color: int) -> None:
        self.pair.play(action, color)

    @rule(color=colors)
    def play_pass(self, color: int) -> None:
        assert self.pair.play(self.pair.slow.pass_action, color) == 0

    @rule()
    def retake_ko(self) -> None:
        if self.pair.core.ko_point >= 0:
            assert self.pair.play(self.pair.core.ko_point) == -3

    @rule(color=st.sampled_from([BLACK, WHITE]))
    def set_turn(self, color: int) -> None:
        self.pair.turn(color)

    @rule(turns=st.integers(1, 60))
    def undo(self, turns: int) -> None:
        for _ in range(turns):
            assert self.pair.core.undo() == self.pair.slow.undo()

    @rule(data=st.data())
    def set_up(self, data: st.DataObject) -> None:
        area = self.pair.size**2
        marks = data.draw(st.dictionaries(st.integers(0, area - 1), st.integers(0, 2), max_size=8))
        black, white, empty = ([point for point, mark in marks.items() if mark == color] for color in (1, 2, 0))
        self.pair.setup(black, white, empty)

    @rule(action=st.sampled_from([-1, 361, 10**6]), which=st.integers(0, 2))
    def set_up_off_the_board(self, action: int, which: int) -> None:
        lists: list[list[int]] = [[], [], []]
        lists[which] = [action]
        assert self.pair.setup(*lists) == 5

    @rule()
    def go_on_with_a_copy(self) -> None:
        original = self.pair.core
        self.pair.core = original.copy()
        original.try_play(0)
        original.undo()
        original.setup([], [], list(range(self.pair.size**2)))

    @rule(protocol=st.integers(2, pickle.HIGHEST_PROTOCOL))
    def go_on_with_a_pickle(self, protocol: int) -> None:
        before = self.pair.core.__getstate__()
        self.pair.core = pickle.loads(pickle.dumps(self.pair.core, protocol))
        assert self.pair.core.__getstate__() == before

    @rule()
    def count(self) -> None:
        size, grid = self.pair.size, self.pair.slow.grid
        assert self.pair.core.area().reshape(-1).tolist() == score.area(size, grid)
        for color in (BLACK, WHITE):
            assert np.flatnonzero(self.pair.core.pass_alive(color)).tolist() == sorted(
                benson.pass_alive(size, grid, color)
            )

    @rule(feature_set=st.sampled_from(list(features.PLANES)), symmetry=st.integers(0, 7))
    def look(self, feature_set: str, symmetry: int) -> None:
        try:
            wanted = features.planes(self.pair.slow, feature_set, symmetry=symmetry)
        except features.Unsure:
            return
        np.testing.assert_array_equal(core_planes(self.pair.core, feature_set, symmetry=symmetry), wanted)

    @rule(seed=st.integers(0, 2**64 - 1))
    def play_out(self, seed: int) -> None:
        self.pair.core.playout("light", seed)

    @invariant()
    def agree(self) -> None:
        self.pair.check(deep=self.pair.size <= 7)


GameMachine.TestCase.settings = settings(
    max_examples=120, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)
TestGame = GameMachine.TestCase


# --- stored positions ---------------------------------------------------------------------------------------------------


def states() -> list[bytes]:
    """Stored positions of several sizes and rules."""
    rng = random.Random(31)
    return [
        random_pair(rng, size, rng.randrange(60)).core.__getstate__() for size in (2, 5, 9, 13, 19) for _ in range(3)
    ]


def load(state: bytes) -> _core.Position | None:
    """The position, or None when it is refused: by a ValueError that says something, and by nothing else."""
    position = _core.Position.__new__(_core.Position)
    try:
        position.__setstate__(state)
    except ValueError as error:
        assert str(error)
        return None
    return position


def use(position: _core.Position) -> None:
    """Does everything once; a position that was let in must hold up."""
    size = position.size
    assert 2 <= size <= 19
    assert position.to_play in (BLACK, WHITE)
    assert np.isfinite([position.komi, position.white_bonus]).all()
    assert position.stones().max(initial=0) <= 2
    for feature_set in features.PLANES:
        core_planes(position, feature_set)
    position.legal_mask()
    position.area()
    position.pass_alive(BLACK)
    position.playout("light", 1, max_moves=50)
    for point in range(size * size):
        position.chain(point)
        position.liberty_points(point)
    again = load(position.__getstate__())
    assert again is not None
    assert again.moves() == position.moves()
    while position.undo():
        pass
    for action in range(0, size * size, 3):
        position.try_play(action)


def test_truncated_states_are_refused() -> None:
    """Every proper beginning of a stored position, and one with a byte too many."""
    for state in states():
        for length in range(len(state)):
            assert load(state[:length]) is None, (length, len(state))
        assert load(state + b"\0") is None
        whole = load(state)
        assert whole is not None
        use(whole)


def test_damaged_states_are_refused_or_sound() -> None:
    """One byte changed: either a ValueError or a position that works."""
    rng = random.Random(32)
    refused = 0
    for state in states():
        for _ in range(150):
            damaged = bytearray(state)
            damaged[rng.randrange(len(damaged))] ^= 1 << rng.randrange(8)
            position = load(bytes(damaged))
            refused += position is None
            if position is not None:
                use(position)
    assert refused > 100


@settings(max_examples=300, deadline=None)
@given(rubbish=st.binary(max_size=400), keep=st.integers(0, 40), which=st.integers(0, 14))
def test_random_bytes_as_states(rubbish: bytes, keep: int, which: int) -> None:
    """Rubbish, alone and behind a true beginning."""
    for state in (rubbish, _STATES[which][:keep] + rubbish):
        position = load(state)
        if position is not None:
            use(position)


_STATES = states()


@pytest.mark.parametrize("rubbish", [None, 5, "text", b"", [1, 2], struct.pack("<d", float("nan"))])
def test_states_of_the_wrong_type(rubbish: object) -> None:
    """Neither numbers nor text nor nothing."""
    with pytest.raises((TypeError, ValueError)):
        _core.Position.__new__(_core.Position).__setstate__(rubbish)  # type: ignore[arg-type]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # nanobind's word on the second call
def test_a_refused_state_leaves_no_trap() -> None:
    """__setstate__ on a position that lives is refused and leaves it be; one that never came to be raises when used."""
    position = _core.Position(9)
    position.try_play(40)
    for state in (b"rubbish", _core.Position(5).__getstate__()):
        with pytest.raises((TypeError, ValueError)):
            position.__setstate__(state)
    assert position.moves() == [(BLACK, 40)]
    use(position)
    blank = _core.Position.__new__(_core.Position)
    with pytest.raises((RuntimeError, TypeError, ValueError)):
        blank.__setstate__(b"rubbish")
    with pytest.raises((RuntimeError, TypeError, ValueError)):
        print(blank.size)


# --- keys, weights, shapes ----------------------------------------------------------------------------------------------


@settings(max_examples=300, deadline=None)
@given(key=st.integers(-(2**70), 2**70))
def test_any_number_as_a_key(key: int) -> None:
    """A canonical key no larger than the key, or a named refusal."""
    for function in (_core.canonical3, _core.canonical12, _core.canonical_response):
        try:
            assert 0 <= function(key) <= key
        except (TypeError, ValueError, OverflowError) as error:
            assert str(error)


@settings(max_examples=300, deadline=None)
@given(cells=st.lists(st.tuples(st.integers(-(2**31), 2**31 - 1) | st.integers(0, 3), st.integers(0, 3)), max_size=9))
def test_any_cells_as_a_nakade_shape(cells: list[tuple[int, int]]) -> None:
    """One index and one answer a cell, or a named refusal."""
    try:
        assert all(0 <= index < 8192 for index in _core.nakade_indices(cells))
        assert len(_core.nakade_vital(cells)) == len(cells)
    except ValueError as error:
        assert str(error)


numbers = st.floats(width=32) | st.sampled_from([0.0, 1.0])
key_lists = st.lists(st.integers(0, 2**64 - 1) | st.integers(0, 600), max_size=4)


@settings(max_examples=200, deadline=None)
@given(
    scalars=st.tuples(numbers, numbers, numbers),
    keys=st.tuples(key_lists, key_lists, key_lists),
    lengths=st.tuples(
        st.integers(0, 9), st.sampled_from([0, 8191, 8192]), st.integers(0, 4), st.integers(0, 4), st.integers(0, 4)
    ),
    fill=numbers,
)
def test_any_arrays_as_weights(
    scalars: tuple[float, float, float],
    keys: tuple[list[int], list[int], list[int]],
    lengths: tuple[int, int, int, int, int],
    fill: float,
) -> None:
    """Weights that work, or a ValueError that names an array."""

    def values(count: int) -> NDArray[np.float32]:
        return np.full(count, fill, np.float32)

    arguments: list[Any] = [
        *scalars[:2], values(lengths[0]), values(lengths[1]),
        np.array(keys[0], np.uint64), values(lengths[2]),
        np.array([key % 2**32 for key in keys[1]], np.uint32), values(lengths[3]),
        scalars[2], np.full((2, 17), fill, np.float32),
        np.array(keys[2], np.uint64), values(lengths[4]),
    ]  # fmt: skip
    try:
        weights = _core.RolloutWeights(*arguments)
    except ValueError as error:
        assert any(
            name in str(error)
            for name in ("response", "save_atari", "neighbour", "nakade", "pattern", "self_atari", "distance")
        )
        return
    position = _core.Position(5)
    position.try_play(12)
    assert abs(position.rollout_probabilities(weights).sum() - 1) < 1e-6
    position.playout("softmax", 1, weights)
