"""Examples of games: the core's replays against boards played move by move, orders of epochs, splits, batches ahead of time."""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from alphago import _core
from alphago.data import GameDataError, GameRow, read_games, write_shard
from alphago.data.batches import OUTPUTS, Batches, Sampler, make_batch, permuted
from alphago.data.game_set import Games, load_games
from alphago.data.games import RANDOM
from alphago.data.identity import symmetries
from alphago.data.importing import import_games
from test_data_games import play, pool_rows, row_of

SETS = ("alphago48", "alphago49", "zero17", "rich", "rich-fast")
SGF = """(;SZ[9]KM[7]RU[Chinese]RE[B+R];B[ee];W[cc];B[gg];W[gc];B[cg])
(;SZ[13]KM[6.5]RU[Japanese]RE[W+2.5]HA[2]AB[dd][jj];W[jd];B[dj];W[];B[gg])
(;SZ[5]KM[0]RU[AGA]RE[0];B[cc];W[];B[bb])
(;SZ[9]KM[7]RE[?];B[dd];W[ff];B[fd])"""


@pytest.fixture
def mixed(tmp_path: Path) -> Games:
    (tmp_path / "in.sgf").write_text(SGF)
    import_games([tmp_path / "in.sgf"], tmp_path / "mixed.parquet")
    return load_games([tmp_path / "mixed.parquet"])


@pytest.fixture
def searched(tmp_path: Path) -> Games:
    write_shard(tmp_path / "searched.parquet", pool_rows())
    return load_games([tmp_path / "searched.parquet"])


def all_rows(games: Games) -> list[GameRow]:
    return list(read_games(games.where))


def turned(plane: np.ndarray[Any, Any], symmetry: int, size: int) -> np.ndarray[Any, Any]:
    """A plane [size, size] under a symmetry of docs/features.md."""
    out = np.empty_like(plane)
    out.ravel()[symmetries(size)[symmetry][:-1]] = plane.ravel()
    return out


# --- examples ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("features", SETS)
@pytest.mark.parametrize("as_bytes", [True, False])
def test_inputs_are_those_of_the_position(mixed: Games, features: str, as_bytes: bool) -> None:
    """Every position of games of three sizes, in a symmetry of its own, against a board that was played there."""
    positions = mixed.examples()
    codes = (np.arange(len(positions)) % 8).astype(np.uint8)
    batch = make_batch(mixed, positions, codes, features, ("planes", "globals", "legal", "mask"), bytes_planes=as_bytes)
    i, width = 0, mixed.width
    for row in all_rows(mixed):
        board = _core.Position(
            row["size"], **{k: row[k] for k in ("ko", "suicide", "scoring", "pass_stones", "komi", "white_bonus")}
        )
        assert board.setup(row["setup_black"].tolist(), row["setup_white"].tolist(), []) == 0
        for color, action in zip(row["colors"].tolist(), row["moves"].tolist(), strict=True):
            board.to_play = color
            planes = np.zeros((1, _core.feature_planes(features), width, width), np.float32)
            _core.write_planes([board], features, planes, codes[i : i + 1])
            np.testing.assert_array_equal(batch["planes"][i], planes[0])
            wanted = np.zeros((1, 7), np.float32)
            _core.write_globals([board], wanted)
            np.testing.assert_array_equal(batch["globals"][i], wanted[0])
            legal = np.zeros((width, width), np.uint8)
            size = row["size"]
            mask = board.legal_mask()
            legal[:size, :size] = turned(mask[:-1].reshape(size, size).astype(np.uint8), int(codes[i]), size)
            np.testing.assert_array_equal(batch["legal"][i], [*legal.ravel(), 1])
            assert batch["mask"][i].sum() == size * size and batch["mask"][i, 0, :size, :size].all()
            assert board.try_play(action) >= 0
            i += 1
    assert i == len(positions)


def test_targets_by_hand(mixed: Games) -> None:
    batch = make_batch(mixed, mixed.examples(), None, "rich", OUTPUTS, width=19)

    def point(row: int, column: int) -> int:
        return row * 19 + column

    assert batch["move"][:5].tolist() == [point(4, 4), point(2, 2), point(6, 6), point(2, 6), point(6, 2)]
    assert batch["reply"][:5].tolist() == [*batch["move"][1:5].tolist(), -1]
    assert batch["outcome"][:3].tolist() == [[1, 0, 0], [0, 0, 1], [1, 0, 0]]
    assert np.isnan(batch["score"][:5]).all()
    # the two counted games end with two passes each, which their records leave out
    assert batch["move"][[7, 9, 10]].tolist() == [361] * 3 and batch["score"][5:11].tolist() == [2.5, -2.5] * 3
    assert batch["outcome"][11:16].tolist() == [[0, 1, 0]] * 5 and batch["score"][11:16].tolist() == [0.0] * 5
    assert batch["outcome"][16:].tolist() == [[0, 0, 0]] * 3
    assert np.isnan(batch["ownership"]).all() and np.isnan(batch["root_value"]).all()
    np.testing.assert_array_equal(batch["policy"].argmax(axis=1), batch["move"])
    np.testing.assert_array_equal(batch["policy"].sum(axis=1), 1)


def test_what_searches_left_is_turned_with_the_board(searched: Games) -> None:
    rows, positions = all_rows(searched), searched.examples()
    for symmetry in range(8):
        codes = np.full(len(positions), symmetry, np.uint8)
        batch = make_batch(searched, positions, codes, "rich-fast", OUTPUTS)
        place = symmetries(5)[symmetry]
        i = 0
        for row in rows:
            for turn, color in enumerate(row["colors"].tolist()):
                first, last = row["visit_offsets"][turn : turn + 2]
                wanted = np.zeros(26)
                counts = row["visit_counts"][first:last]
                shares = counts / counts.sum() if row["target"] is None else row["target"][first:last]
                wanted[place[row["visit_actions"][first:last]]] = shares
                np.testing.assert_allclose(batch["policy"][i], wanted, atol=1e-6)
                assert batch["root_value"][i] == row["root_value"][turn]
                sign = 1 if color == 1 else -1
                if row["ownership"] is None:
                    assert np.isnan(batch["ownership"][i]).all()
                else:
                    owned = turned(row["ownership"].reshape(5, 5), symmetry, 5) * sign
                    np.testing.assert_array_equal(batch["ownership"][i], owned)
                i += 1
        assert i == len(positions)


def test_threads_change_nothing(searched: Games) -> None:
    positions = np.resize(searched.examples(), 700)
    codes = (np.arange(700) % 8).astype(np.uint8)
    one = make_batch(searched, positions, codes, "rich", OUTPUTS)
    for threads in (2, 7):
        for name, array in make_batch(searched, positions, codes, "rich", OUTPUTS, threads=threads).items():
            np.testing.assert_array_equal(array, one[name], err_msg=name)


def test_a_game_with_an_illegal_move_is_named(tmp_path: Path) -> None:
    rows = [dict(row) for row in pool_rows()]
    rows[3]["moves"] = rows[3]["moves"].copy()
    rows[3]["moves"][:2] = 12
    write_shard(tmp_path / "bad.parquet", rows)
    games = load_games([tmp_path / "bad.parquet"])
    with pytest.raises(GameDataError, match=r"bad\.parquet: game 3: move 2 is illegal"):
        make_batch(games, games.examples(), None, "rich", threads=2)
    with Batches(games, Sampler(games.examples()), 64, "rich") as batches, pytest.raises(GameDataError, match="game 3"):
        deque(batches, maxlen=0)  # endless otherwise


def columns() -> dict[str, np.ndarray[Any, Any]]:
    none16, at = np.zeros(0, np.uint16), np.zeros(2, np.int64)
    return {
        "size": np.array([5], np.uint8),
        **{name: np.zeros(1, np.uint8) for name in ("ko", "suicide", "scoring", "pass_stones")},
        "komi": np.zeros(1, np.float32),
        "white_bonus": np.zeros(1, np.float32),
        "black_at": at,
        "white_at": at,
        "moves_at": np.array([0, 2], np.int64),
        "black": none16,
        "white": none16,
        "moves": np.array([3, 25], np.uint16),
        "colors": np.array([1, 2], np.uint8),
        "winner": np.zeros(1, np.int8),
        "score": np.zeros(1, np.float32),
        "ownership_at": at,
        "ownership": np.zeros(0, np.int8),
        "root_value": np.zeros(0, np.float32),
        "visits_at": np.zeros(0, np.int64),
        "visit_actions": none16,
        "visit_shares": np.zeros(0, np.float32),
    }


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("size", np.array([20], np.uint8), "size of game 0 is 20"),
        ("size", np.array([5], np.int64), "column size has another type"),
        ("ko", np.array([3], np.uint8), "unknown rules"),
        ("komi", np.array([np.nan], np.float32), "komi of game 0"),
        ("moves", np.array([3, 26], np.uint16), "moves of game 0 holds 26, expected 0 to 25"),
        ("colors", np.array([1, 3], np.uint8), "colors of game 0 hold 3"),
        ("moves_at", np.array([0, 3], np.int64), "moves_at must ascend from 0 to 2"),
        ("moves_at", np.array([0], np.int64), "moves_at has 1 entries, expected 2"),
        ("black_at", np.array([1, 0], np.int64), "black_at must ascend"),
        ("ownership_at", np.array([0, 1], np.int64), "ownership_at must ascend"),
        ("root_value", np.zeros(1, np.float32), "root_value has 1 entries, expected 2"),
        ("visits_at", np.zeros(2, np.int64), "visits_at has 2 entries, expected 3"),
    ],
)
def test_columns_that_do_not_fit(name: str, value: np.ndarray[Any, Any], message: str) -> None:
    assert _core.GameSet(columns()).positions == 2
    with pytest.raises(ValueError, match=message):
        _core.GameSet({**columns(), name: value})
    with pytest.raises(ValueError, match=f"column {name} is missing"):
        _core.GameSet({key: array for key, array in columns().items() if key != name})


def test_bad_requests() -> None:
    games = _core.GameSet(columns())
    here, good = np.zeros(1, np.int64), np.zeros(1, np.int64)
    games.write(here, None, "rich", 5, {"move": good})
    assert good[0] == 3
    for kwargs, message in (
        ({"positions": np.array([2], np.int64)}, "position must be 0..1, got 2"),
        ({"symmetries": np.array([8], np.uint8)}, "symmetry must be 0..7, got 8"),
        ({"symmetries": np.array([1, 1], np.uint8)}, "one entry for each position"),
        ({"feature_set": "poor"}, "unknown feature set"),
        ({"width": 4}, "does not fit a batch of width 4"),
        ({"width": 20}, "width must be 2..19"),
        ({"threads": 0}, "threads must be"),
        ({"out": {"moves": good}}, "unknown output 'moves'"),
        ({"out": {"move": np.zeros(2, np.int64)}}, "move: expected a writable contiguous array"),
        ({"out": {"move": np.zeros(1, np.int32)}}, "move: expected"),
        ({"out": {"globals": np.zeros((1, 14), np.float32)[:, ::2]}}, "globals: expected"),
    ):
        values: dict[str, Any] = {"positions": here, "symmetries": None, "feature_set": "rich", "width": 5, "out": {}}
        with pytest.raises(ValueError, match=message):
            games.write(**{**values, **kwargs})


# --- which examples, in which order -----------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 2, 3, 5, 64, 65, 1000, 4097])
def test_an_epoch_has_every_example_once(n: int) -> None:
    orders = [permuted(np.arange(n), n, key) for key in (1, 2)]
    for order in orders:
        assert sorted(order.tolist()) == list(range(n))
    if n > 60:
        assert (orders[0] != orders[1]).mean() > 0.9
        assert (orders[0] != np.arange(n)).mean() > 0.9


def test_places_of_an_order_are_even() -> None:
    """Where the first example of an epoch comes from, over many epochs (chi-squared)."""
    from scipy import stats

    places = [int(permuted(np.array([0]), 10, key)[0]) for key in range(4000)]
    assert stats.chisquare(list(Counter(places).values())).pvalue > 1e-4


def test_a_draw_is_a_part_of_a_longer_one() -> None:
    sampler = Sampler(np.arange(100, 137), seed=4)
    positions, codes = sampler.draw(0, 500)
    for first in (0, 30, 37, 200):
        part, part_codes = sampler.draw(first, 90)
        np.testing.assert_array_equal(part, positions[first : first + 90])
        np.testing.assert_array_equal(part_codes, codes[first : first + 90])
    for epoch in range(500 // 37):
        assert sorted(positions[37 * epoch : 37 * epoch + 37].tolist()) == list(range(100, 137))
    assert set(codes.tolist()) == set(range(8))
    assert not Sampler(np.arange(9), seed=4, symmetries=False).draw(0, 50)[1].any()


def test_moves_by_chance_are_no_examples(tmp_path: Path) -> None:
    start = _core.Position(5)
    for action in (12, 7, 3):
        start.try_play(action)
    rows = [row_of(record, i, start) for i, record in enumerate(play(2, start))]
    assert (rows[0]["chosen_by"] == RANDOM).sum() == 3
    write_shard(tmp_path / "x.parquet", rows)
    games = load_games([tmp_path / "x.parquet"])
    assert games.move_number(games.examples()).min() == 3
    everything = load_games([tmp_path / "x.parquet"], chosen_by=("random", "search"))
    assert len(everything.examples()) == len(games.examples()) + 6


def test_quick_searches_are_no_examples(tmp_path: Path) -> None:
    rows = [dict(row) for row in pool_rows()]
    for row in rows:
        row["full_search"] = np.arange(len(row["moves"])) % 3 == 0
    write_shard(tmp_path / "x.parquet", rows)
    for visits in (True, False):
        games = load_games([tmp_path / "x.parquet"], visits=visits)
        assert (games.move_number(games.examples()) % 3 == 0).all()
        assert len(games.examples()) == sum(-(-n // 3) for n in np.diff(games.first).tolist())


def test_splits_share_nothing_and_forget_nothing(tmp_path: Path) -> None:
    """Turned copies of a game stay on its side."""
    from test_import import ONE, TWO
    from test_import import turned as turned_text

    texts = [game.replace("B[ee]", f"B[{chr(97 + i % 8)}{chr(97 + i // 8)}]") for i in range(30) for game in (ONE, TWO)]
    (tmp_path / "in.sgf").write_text("\n".join(turned_text(text, s) for text in texts for s in (0, 3, 6)))
    import_games([tmp_path / "in.sgf"], tmp_path / "x.parquet", keep_duplicates=True)
    games = load_games([tmp_path / "x.parquet"])
    out, learned = (games.side_of_split(0.3, 1, held_out=side) for side in (True, False))
    assert (out ^ learned).all() and 0 < out.sum() < len(out)
    sides: dict[bytes, set[bool]] = {}
    for key, side in zip(games.keys, out.tolist(), strict=True):
        sides.setdefault(key, set()).add(side)
    assert all(len(found) == 1 for found in sides.values()) and len(sides) < len(games.keys)
    assert len(games.examples(out)) + len(games.examples(learned)) == len(games.examples())


def test_sizes_and_limits(mixed: Games, tmp_path: Path) -> None:
    assert mixed.is_mixed and mixed.width == 13
    nine = load_games([mixed.where], sizes=[9])
    assert nine.sizes.tolist() == [9, 9] and not nine.is_mixed
    assert len(load_games([mixed.where], limit=3).keys) == 3
    assert len(load_games([mixed.where, mixed.where]).keys) == 8
    with pytest.raises(GameDataError, match=r"mixed\.parquet: no games of 19x19 in it"):
        load_games([mixed.where], sizes=[19])
    write_shard(tmp_path / "none.parquet", [])
    with pytest.raises(GameDataError, match="no games in it"):
        load_games([tmp_path / "none.parquet"])
    with pytest.raises(GameDataError, match="no position to learn from"):
        mixed.examples(np.zeros(4, np.bool_))


# --- ahead of time ----------------------------------------------------------------------------------------------------


def test_a_cursor_goes_on_exactly(searched: Games) -> None:
    sampler = Sampler(searched.examples(), seed=9)
    with Batches(searched, sampler, 48, "rich-fast") as batches:
        first = [next(batches) for _ in range(7)]
        assert batches.cursor == 7
    with Batches(searched, sampler, 48, "rich-fast", cursor=4) as batches:
        for wanted in first[4:]:
            for name, array in next(batches).items():
                np.testing.assert_array_equal(array, wanted[name], err_msg=name)


def test_ranks_share_a_batch(searched: Games) -> None:
    sampler = Sampler(searched.examples(), seed=2)
    with Batches(searched, sampler, 12, "rich") as whole:
        wanted = next(whole)
    parts = []
    for rank in range(3):
        with Batches(searched, sampler, 12, "rich", rank=rank, world=3) as batches:
            parts.append(next(batches))
    for name, array in wanted.items():
        np.testing.assert_array_equal(np.concatenate([part[name] for part in parts]), array)
    with pytest.raises(GameDataError, match="cannot be divided"):
        Batches(searched, sampler, 10, "rich", world=3)


def test_closing_ends_the_thread(searched: Games) -> None:
    before = threading.active_count()
    batches = Batches(searched, Sampler(searched.examples()), 64, "rich")
    next(batches)
    start = time.monotonic()
    batches.close()
    assert time.monotonic() - start < 5 and threading.active_count() == before
    with pytest.raises(StopIteration):
        next(batches)
