"""The rollout weights file: it reads back what was written, refuses everything else with one clear line, and the file that
ships is the one that `alphago.nets.handset` makes."""

import json
import pickle
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given, settings
from hypothesis import strategies as st

from alphago import _core
from alphago.go import Board
from alphago.nets import handset
from alphago.nets.pattern_keys import canonical, canonical_response, pack
from alphago.nets.rollout import (
    KIND,
    TENSORS,
    VERSION,
    RolloutArrays,
    WeightsError,
    load_rollout_weights,
    read_rollout_arrays,
    save_rollout_weights,
    weights_hash,
)
from alphago.nets.shipped import HANDSET, rollout_file


def small_arrays() -> RolloutArrays:
    """A valid set of tensors with a few patterns."""
    return {
        "response": np.array(0.5, np.float32),
        "save_atari": np.array(1, np.float32),
        "neighbour": np.arange(8, dtype=np.float32),
        "nakade": np.zeros(8192, np.float32),
        "response_keys": np.array([], np.uint64),
        "response_weights": np.array([], np.float32),
        "pattern3_keys": np.unique([_core.canonical3(k) for k in (0, 1, 5, 8, 40)]).astype(np.uint32),
        "pattern3_weights": np.linspace(-1, 1, len({_core.canonical3(k) for k in (0, 1, 5, 8, 40)}), dtype=np.float32),
        "self_atari": np.array(-1, np.float32),
        "distance": np.zeros((2, 17), np.float32),
        "pattern12_keys": np.array([0], np.uint64),
        "pattern12_weights": np.array([0.25], np.float32),
    }


@pytest.fixture(scope="module")
def shipped() -> Path:
    return rollout_file(HANDSET)


# --- pattern keys agree with the core -----------------------------------------------------------------------------------


@given(st.lists(st.integers(0, 2**36 - 1), min_size=1, max_size=50), st.integers(0, 11))
@settings(max_examples=200)
def test_canonical_keys_agree_with_the_core(keys: list[int], place: int) -> None:
    small = np.array([key % 2**24 for key in keys], dtype=np.uint64)
    assert canonical(small, 8).tolist() == [_core.canonical3(int(key)) for key in small]
    large = np.array(keys, dtype=np.uint64)
    assert canonical(large, 12).tolist() == [_core.canonical12(key) for key in keys]
    with_place = large | np.uint64(place << 36)
    assert canonical_response(with_place).tolist() == [_core.canonical_response(int(key)) for key in with_place]


def test_pack_puts_the_first_place_lowest() -> None:
    codes = np.array([[1, 2, 3, 4, 5, 6, 7, 0]])
    assert pack(codes).tolist() == [0o07654321]


# --- the file that ships ------------------------------------------------------------------------------------------------


def test_the_shipped_file_is_what_the_program_makes(shipped: Path, tmp_path: Path) -> None:
    handset.write_handset(tmp_path / "made.safetensors")
    assert (tmp_path / "made.safetensors").read_bytes() == shipped.read_bytes()
    assert shipped.stat().st_size < 1_000_000


def test_every_group_has_weights(shipped: Path) -> None:
    arrays, header = read_rollout_arrays(shipped)
    for name in TENSORS:
        if not name.endswith("_keys"):
            assert np.any(arrays[name] != 0), name
            assert np.abs(arrays[name]).max() <= 10
    assert header["provenance"] == "hand-set by alphago.nets.handset"
    assert np.all(arrays["neighbour"] != 0)
    assert np.all(arrays["pattern3_weights"] != 0)


def key3(rows: str) -> int:
    """Key of a picture of codes such as "000 0.5 ###" (# is off the board), the move in the middle."""
    digits = rows.replace(" ", "").replace("#", "4")
    codes = [int(digit) for digit in digits[:4] + digits[5:]]
    return _core.canonical3(int(pack(np.array(codes))))


@pytest.mark.parametrize(
    ("rows", "low", "high"),
    [
        ("000 5.0 000", 1.2, 6),  # capture
        ("000 5.1 000", 1.8, 6),  # capture that rescues
        ("000 6.0 000", 0.5, 3),  # atari
        ("070 3.0 000", 0.5, 2),  # hane
        ("070 7.0 070", -4, -1),  # into the tiger's mouth
        ("000 0.0 ###", -4, -1),  # first line of an empty corner of the world
    ],
)
def test_weights_say_what_they_should(shipped: Path, rows: str, low: float, high: float) -> None:
    arrays, _ = read_rollout_arrays(shipped)
    place = np.searchsorted(arrays["pattern3_keys"], key3(rows))
    assert arrays["pattern3_keys"][place] == key3(rows)
    assert low <= arrays["pattern3_weights"][place] <= high


def test_capture_is_the_most_likely_move() -> None:
    board = Board.from_ascii(".......\n..X....\n.XOO...\n..XX...\n.......\n.....O.\n.......")
    probabilities = board.rollout_probabilities(load_rollout_weights())
    assert probabilities.argmax() in (board.size * 1 + 3, board.size * 2 + 4)
    assert probabilities.sum() == pytest.approx(1)
    stones = Board.from_ascii(".......\n..XX...\n.XOO...\n..XX...\n.......\n.....O.\n.......")
    assert stones.rollout_probabilities(load_rollout_weights()).argmax() == 2 * 7 + 4


def test_the_policy_beats_uniform_play() -> None:
    """One game a seed and colour on 9x9: the softmax policy against the light one, move by move. Chance gives 20 of 40;
    33 or more happen by chance once in 40,000."""
    weights = load_rollout_weights()
    rng = np.random.default_rng(7)
    wins = 0
    for game in range(40):
        # simple ko, which is all that playouts know of repetition
        board = Board(9, "chinese", komi=0.5 if game % 2 else -0.5)
        softmax_color = 1 + game % 2
        while not board.is_over and board.move_count < 243:
            if board.to_play == softmax_color:
                action = int(rng.choice(82, p=board.rollout_probabilities(weights)))
            else:
                _, actions = board.playout("light", int(rng.integers(2**62)), max_moves=1)
                action = actions[0]
            board.play(action)
        wins += board.winner() == softmax_color
    assert wins >= 33


# --- writing and reading ------------------------------------------------------------------------------------------------


def test_round_trip(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    provenance = {"made by": "a test", "games": 3}
    save_rollout_weights(path, small_arrays(), provenance)
    arrays, header = read_rollout_arrays(path)
    assert header == {"kind": KIND, "version": VERSION, "provenance": provenance}
    for name, array in small_arrays().items():
        np.testing.assert_array_equal(arrays[name], array)
        assert arrays[name].dtype == array.dtype
    assert list(tmp_path.iterdir()) == [path]  # no temporary file is left
    first = path.read_bytes()
    save_rollout_weights(path, small_arrays(), provenance)
    assert path.read_bytes() == first


def test_hash_is_of_the_contents(tmp_path: Path) -> None:
    one, two, three = (tmp_path / name for name in "123")
    save_rollout_weights(one, small_arrays(), "here")
    save_rollout_weights(two, small_arrays(), "there")
    changed = small_arrays()
    changed["distance"][1, 16] = 0.5
    save_rollout_weights(three, changed, "here")
    assert weights_hash(one) == weights_hash(two) != weights_hash(three)
    assert len(weights_hash(one)) == 64


def test_loading_is_cached_until_the_file_changes(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    save_rollout_weights(path, small_arrays(), "a")
    first = load_rollout_weights(path)
    assert load_rollout_weights(str(path)) is first
    save_rollout_weights(path, small_arrays(), "another provenance")
    assert load_rollout_weights(path) is not first
    assert load_rollout_weights() is load_rollout_weights()


def test_nothing_is_written_when_the_arrays_are_bad(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    save_rollout_weights(path, small_arrays(), "good")
    good = path.read_bytes()
    bad = small_arrays()
    bad["pattern3_keys"] = bad["pattern3_keys"][::-1].copy()
    with pytest.raises(WeightsError, match="pattern3_keys"):
        save_rollout_weights(path, bad, "bad")
    assert path.read_bytes() == good
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(WeightsError, match="cannot be written"):
        save_rollout_weights(tmp_path / "nowhere" / "w.safetensors", small_arrays(), "good")


# --- everything else is refused -----------------------------------------------------------------------------------------


def with_tensor(name: str, value: Any) -> Callable[[], RolloutArrays]:
    def arrays() -> RolloutArrays:
        out = small_arrays()
        if value is None:
            del out[name]
        else:
            out[name] = value
        return out

    return arrays


NAN8 = np.full(8, np.nan, np.float32)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (with_tensor("nakade", None), "tensor 'nakade' is missing"),
        (with_tensor("nakadf", np.zeros(3, np.float32)), "unknown tensor 'nakadf'; expected response, save_atari"),
        (with_tensor("nakade", np.zeros(8191, np.float32)), r"tensor 'nakade' has shape \[8191\], expected \[8192\]"),
        (with_tensor("distance", np.zeros((17, 2), np.float32)), r"'distance' has shape \[17, 2\], expected \[2, 17\]"),
        (with_tensor("response", np.zeros(1, np.float32)), r"'response' has shape \[1\], expected \[\]"),
        (
            with_tensor("pattern12_weights", np.zeros(2, np.float32)),
            r"'pattern12_weights' has shape \[2\], expected \[1\]",
        ),
        (with_tensor("pattern12_keys", np.zeros((1, 1), np.uint64)), "'pattern12_keys' has shape"),
        (with_tensor("neighbour", np.zeros(8, np.float64)), "'neighbour' is float64, expected float32"),
        (with_tensor("pattern12_keys", np.zeros(1, np.int64)), "'pattern12_keys' is int64, expected uint64"),
        (with_tensor("neighbour", NAN8), "'neighbour' holds NaN or infinity"),
        (with_tensor("response", np.array(np.inf, np.float32)), "'response' holds NaN or infinity"),
        (with_tensor("neighbour", np.full(8, 11, np.float32)), "neighbour: every weight must be finite and within"),
        (with_tensor("pattern12_keys", np.array([2**35], np.uint64)), "not a canonical key"),
    ],
)
def test_bad_tensors(make: Callable[[], RolloutArrays], message: str, tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    header = json.dumps({"kind": KIND, "version": VERSION, "provenance": "test"})
    path.write_bytes(safetensors.numpy.save(make(), {"alphago": header}))
    with pytest.raises(WeightsError, match=message) as error:
        load_rollout_weights(path)
    assert str(error.value).startswith(f"{path}: ")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (None, "this safetensors file has none"),
        ("{", "header is not JSON"),
        ("[]", "its kind is \\[\\], expected 'rollout-weights'"),
        (json.dumps({"kind": "policy-network", "version": 1}), "its kind is 'policy-network'"),
        (json.dumps({"kind": KIND, "version": 2}), "of version 2; this program reads version 1"),
        (json.dumps({"kind": KIND}), "of version None"),
    ],
)
def test_bad_headers(header: str | None, message: str, tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    path.write_bytes(safetensors.numpy.save(small_arrays(), None if header is None else {"alphago": header}))
    with pytest.raises(WeightsError, match=message):
        load_rollout_weights(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "damaged or truncated"),
        (b"hello, world, this is no file of weights", "damaged or truncated"),
        (pickle.dumps({"nakade": [0.0]}), "this is a Python pickle"),
        (b"PAR1" + bytes(100), "this is Parquet"),
        (b"PK\x03\x04" + bytes(100), "this is a zip archive"),
        (b"\xff" * 100, "damaged or truncated"),
        (bytes(100), "damaged or truncated"),
    ],
)
def test_other_files(content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "games.parquet"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=message) as error:
        load_rollout_weights(path)
    assert "expected safetensors with an `alphago` header" in str(error.value)
    assert "\n" not in str(error.value)


def test_missing_file_and_directory(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="No such file"):
        load_rollout_weights(tmp_path / "none")
    with pytest.raises(WeightsError, match="directory"):
        load_rollout_weights(tmp_path)


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_a_damaged_file_never_does_worse_than_a_named_error(data: st.DataObject) -> None:
    """Cut anywhere, it is refused; with any byte changed it is refused, or loads as other finite weights."""
    header = json.dumps({"kind": KIND, "version": VERSION, "provenance": "test"})
    whole = safetensors.numpy.save(small_arrays(), {"alphago": header})
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "w.safetensors"
        path.write_bytes(whole[: data.draw(st.integers(0, len(whole) - 1))])
        with pytest.raises(WeightsError):
            load_rollout_weights(path)
        place = data.draw(st.integers(0, 1500))
        changed = bytearray(whole)
        changed[place] ^= data.draw(st.integers(1, 255))
        path.write_bytes(changed)
        try:
            load_rollout_weights(path)
        except WeightsError as error:
            assert "\n" not in str(error)
