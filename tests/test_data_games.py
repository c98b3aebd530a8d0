"""Rows of the table of games: what a search pool's records become, what `validate` refuses, and SGF."""

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest
from sgfmill import sgf

from alphago import _core
from alphago.data import GameDataError, GameRow, replay, row_from_pool, to_sgf, validate
from alphago.data.games import HUMAN, RANDOM, SCHEMA, SEARCH, rows_to_table, table_to_rows
from alphago.go import Board

SELF_PLAY: dict[str, Any] = {
    "simulations": 8,
    "rollouts": "light",
    "noise_fraction": 0.25,
    "temperature": 1.0,
    "temperature_moves": 10,
}


def play(count: int, start: _core.Position | None = None, **params: Any) -> list[dict[str, Any]]:
    """Records of autoplay games with light rollouts, in the order of their seeds."""
    pool = _core.SearchPool(size=start.size if start else 5, slots=count, cache_mib=0)
    engine = _core.Engine(_core.SearchParams(SELF_PLAY | params))
    for seed in range(count):
        pool.start(seed, 100 + seed, [engine], start, autoplay=True)
    pool.run()
    return sorted(pool.finished(), key=lambda record: int(record["seed"]))


def row_of(record: dict[str, Any], index: int, rules: Any) -> GameRow:
    return row_from_pool(
        record,
        game_id=f"run-{index}",
        index=index,
        rules=rules,
        source="selfplay",
        networks=["rollout-1"],
        black="anna",
    )


@cache
def pool_rows() -> list[GameRow]:
    return [row_of(record, i, {"komi": 7.5}) for i, record in enumerate(play(6))]


def copied(row: GameRow) -> GameRow:
    return {name: value.copy() if isinstance(value, np.ndarray | list) else value for name, value in row.items()}


def assert_same_row(one: GameRow, other: GameRow) -> None:
    assert list(one) == list(other) == SCHEMA.names
    for name, value in one.items():
        if isinstance(value, np.ndarray):
            assert value.dtype == other[name].dtype, name
            np.testing.assert_array_equal(value, other[name], err_msg=name)
        else:
            assert value == other[name] and type(value) is type(other[name]), name


def test_rows_hold_what_the_pool_recorded() -> None:
    records = play(6)
    for record, row in zip(records, pool_rows(), strict=True):
        for name in ("moves", "colors", "root_value", "visit_offsets", "visit_actions", "visit_counts"):
            np.testing.assert_array_equal(row[name], record[name], err_msg=name)
        for name in ("winner", "score", "ended", "seed", "size", "no_resign", "simulations"):
            assert row[name] == record[name], name
        assert row["target"] is None  # PUCT without forced playouts: the visits' share
        assert row["chosen_by"].tolist() == [SEARCH] * len(row["moves"])
        end = replay(row)
        np.testing.assert_array_equal(row["ownership"].reshape(5, 5), end.area())
        assert row["ownership"].sum(dtype=int) - 7.5 == row["score"]
        assert end.stones().tolist() == validate(row).stones().tolist()


def test_rows_survive_arrow() -> None:
    rows = pool_rows()
    for before, after in zip(rows, table_to_rows(rows_to_table(rows)), strict=True):
        assert_same_row(before, after)
        validate(after)


def test_targets_that_are_not_the_visits_are_kept() -> None:
    (record,) = play(1, root="gumbel", rollouts="light")
    row = row_of(record, 0, {})
    np.testing.assert_array_equal(row["target"], record["target"])
    assert (row["visit_counts"] == 0).any()  # completed Q gives moves without a visit their share
    assert_same_row(row, table_to_rows(rows_to_table([row]))[0])


def test_targets_are_probabilities() -> None:
    row = row_of(play(1, root="gumbel")[0], 0, {})
    row["target"] = row["target"] * 2
    with pytest.raises(GameDataError, match="move 1: the target must be probabilities that sum to 1"):
        validate(row)


def test_resigned_games_have_no_score_and_no_ownership() -> None:
    records = play(8, resign_threshold=-0.3, resign_off_fraction=0.0, simulations=16)
    rows = [row_of(record, i, {}) for i, record in enumerate(records) if record["ended"] == "resign"]
    assert rows
    for row in rows:
        assert row["score"] is None and row["ownership"] is None and row["winner"] in (1, 2)
        assert_same_row(row, table_to_rows(rows_to_table([row]))[0])


def test_a_game_from_a_position_keeps_its_stones_and_its_opening() -> None:
    start = Board(5, rules="chinese", komi=3)
    start.setup(black=["B2", "D4"], white=["C3"], to_play="w")
    start.white_bonus = 2.0
    start.play("B4")
    start.play("pass")
    (record,) = play(1, start)
    row = row_of(record, 0, start)
    opening = [a for _, a in start.moves()]
    assert row["moves"].tolist() == opening + record["moves"].tolist()
    assert row["colors"][:2].tolist() == [2, 1] and row["chosen_by"][:3].tolist() == [RANDOM, RANDOM, SEARCH]
    assert sorted(row["setup_black"].tolist()) == [8, 16] and row["setup_white"].tolist() == [12]
    assert (row["ko"], row["suicide"], row["komi"], row["white_bonus"]) == (0, False, 3.0, 2.0)
    assert np.isnan(row["root_value"][:2]).all() and row["visit_offsets"][:3].tolist() == [0, 0, 0]
    assert len(row["visit_offsets"]) == len(row["moves"]) + 1
    assert row["score"] == row["ownership"].sum(dtype=int) - 5.0
    validate(row)


def test_other_rules_than_the_game_was_played_by_are_noticed() -> None:
    record = play(1)[0]
    with pytest.raises(GameDataError, match=r"game 'run-0' \(index 0\): .*contradicts|counts"):
        row_of(record, 0, {"komi": -7.5})
    with pytest.raises(GameDataError, match=r"unknown rule 'koo'; known: ko, suicide"):
        row_of(record, 0, {"koo": 1})
    with pytest.raises(GameDataError, match="komi"):
        row_of(record, 0, {"komi": float("nan")})


def change(name: str, edit: Callable[[Any], Any]) -> Callable[[GameRow], None]:
    def apply(row: GameRow) -> None:
        row[name] = edit(row[name])

    return apply


def put(name: str, at: int, value: float) -> Callable[[GameRow], None]:
    def apply(row: GameRow) -> None:
        row[name][at] = value

    return apply


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (lambda row: row.pop("komi"), "column 'komi' is missing"),
        (change("komi", lambda _: None), "komi is empty"),
        (lambda row: row.update(planes=1), "unknown column 'planes'"),
        (change("moves", list), r"moves must be a uint16 array \[n\], got list"),
        (change("moves", lambda v: v.astype(np.int64)), "moves must be a uint16 array"),
        (change("index", lambda _: 1.5), "index must be int64, got 1.5"),
        (change("index", lambda _: True), "index must be int64, got True"),
        (change("networks", lambda _: [1]), "networks must be a list of strings"),
        (change("size", lambda _: 30), "size is 30, expected 2 to 19"),
        (change("colors", lambda v: v[:-1]), "colors has length"),
        (change("ownership", lambda v: v[:-1]), "ownership has length 24, expected 25"),
        (change("full_search", lambda _: np.ones(1, bool)), "full_search has length 1"),
        (put("colors", 0, 3), "colors holds 3, expected 1 to 2"),
        (put("moves", 0, 26), "moves holds 26, expected 0 to 25"),
        (put("chosen_by", 0, 4), "chosen_by holds 4"),
        (put("root_value", 0, 1.5), "root_value must lie within"),
        (change("visit_counts", np.zeros_like), "move 1: visit_counts are all 0, and there is no target"),
        (change("target", lambda _: np.full(99, 0.5, np.float32)), "target has length 99"),
        (put("visit_offsets", 1, 10**6), "visit_offsets must ascend"),
        (put("visit_offsets", 0, 1), "visit_offsets must ascend"),
        (put("visit_actions", 1, 0), "visit_actions do not ascend"),
        (change("ended", lambda _: "boredom"), "ended must be one of passes, resign"),
        (change("winner", lambda _: 3), "winner must be one of 0, 1, 2"),
        (change("winner", lambda v: 3 - v), "contradicts score"),
        (change("winner", lambda _: 0), "contradicts score"),
        (change("score", lambda _: float("nan")), "score is nan"),
        (change("score", lambda v: v * 2), "the ownership counts"),
        (change("ended", lambda _: "resign"), "ended by resign has a winner and no score"),
        (change("setup_black", lambda _: np.arange(25, dtype=np.uint16)), "set-up stones cannot stand: suicide"),
    ],
)
def test_validate_refuses(harm: Callable[[GameRow], object], message: str) -> None:
    row = copied(pool_rows()[0])
    validate(row)
    harm(row)
    with pytest.raises(GameDataError, match=message) as caught:
        validate(row)
    assert "\n" not in str(caught.value)


def test_validate_replays_the_game() -> None:
    row = copied(pool_rows()[0])
    stone = next(i for i, move in enumerate(row["moves"]) if move < 25)
    row["moves"][stone + 1] = row["moves"][stone]
    row["visit_offsets"] = row["visit_offsets"][:0]
    for name in ("visit_actions", "visit_counts"):
        row[name] = row[name][:0]
    with pytest.raises(GameDataError, match=rf"move {stone + 2} \((black|white) [A-E][1-5]\) is illegal: occupied"):
        validate(row)


def test_validate_looks_at_visits_of_illegal_moves() -> None:
    row = copied(pool_rows()[0])
    first = int(row["moves"][0])
    lo, hi = row["visit_offsets"][1:3]
    others = [int(action) for action in row["visit_actions"][lo + 1 : hi]]
    row["visit_actions"][lo:hi] = sorted([first, *others])
    with pytest.raises(GameDataError, match=r"move 2: visits of .*, which is illegal there"):
        validate(row)


def test_a_game_by_passes_ends_with_passes() -> None:
    row = next(copied(row) for row in pool_rows() if row["ended"] == "passes")
    row["moves"], row["colors"], row["chosen_by"] = row["moves"][:-1], row["colors"][:-1], row["chosen_by"][:-1]
    row["root_value"], row["visit_offsets"] = row["root_value"][:-1], row["visit_offsets"][:0]
    row["visit_actions"], row["visit_counts"] = row["visit_actions"][:0], row["visit_counts"][:0]
    with pytest.raises(GameDataError, match="its last two moves are not passes"):
        validate(row)
    row["chosen_by"] = np.full_like(row["chosen_by"], HUMAN)
    validate(row)  # people's records often leave them out


# --- SGF --------------------------------------------------------------------------------------------------------------


def sgf_moves(game: Any) -> list[tuple[int, int]]:
    size, found = game.get_size(), []
    for node in game.get_main_sequence()[1:]:
        color, point = node.get_move()
        action = size * size if point is None else (size - 1 - point[0]) * size + point[1]
        found.append((1 if color == "b" else 2, action))
    return found


def test_sgf_holds_the_same_game() -> None:
    for row in pool_rows():
        game = sgf.Sgf_game.from_bytes(to_sgf(row))
        assert sgf_moves(game) == list(zip(row["colors"].tolist(), row["moves"].tolist(), strict=True))
        root = game.get_root()
        assert (game.get_size(), game.get_komi(), game.get_winner()) == (5, 7.5, "b" if row["winner"] == 1 else "w")
        assert root.get("RE") == f"{'B' if row['winner'] == 1 else 'W'}+{abs(row['score']):g}"
        assert root.get("RU") == "Tromp-Taylor" and game.get_player_name("b") == "anna"
        assert root.get("GN") == row["game_id"] and not root.has_setup_stones()


def test_sgf_of_a_handicap_game() -> None:
    board = Board(9, rules="aga", komi=0.5)
    board.place_fixed_handicap(2)
    (record,) = play(1, board, simulations=2)
    row = row_of(record, 3, board) | {"black": "白]\\", "white_rank": "3d", "date": "2026-01-31"}
    game = sgf.Sgf_game.from_bytes(to_sgf(row))
    root = game.get_root()
    black, white, empty = root.get_setup_stones()
    assert {(8 - r) * 9 + c for r, c in black} == set(row["setup_black"].tolist()) and not white and not empty
    assert (game.get_handicap(), root.get("PL"), root.get("RU"), root.get("KM")) == (2, "w", "AGA", 0.5)
    assert (game.get_player_name("b"), root.get("WR"), root.get("DT")) == ("白]\\", "3d", "2026-01-31")
    assert sgf_moves(game) == list(zip(row["colors"].tolist(), row["moves"].tolist(), strict=True))


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"winner": 2, "score": None, "ended": "resign"}, "W+R"),
        ({"winner": 1, "score": None, "ended": "time"}, "B+T"),
        ({"winner": 1, "score": None, "ended": "forfeit"}, "B+F"),
        ({"winner": 1, "score": None, "ended": "passes"}, "B+"),
        ({"winner": 0, "score": 0.0}, "0"),
        ({"winner": 0, "score": None, "ended": "unknown"}, "?"),
    ],
)
def test_sgf_results(changes: GameRow, expected: str) -> None:
    assert sgf.Sgf_game.from_bytes(to_sgf(pool_rows()[0] | changes)).get_root().get("RE") == expected


def test_sgf_of_unnamed_rules_and_of_a_point_off_the_board() -> None:
    row = copied(pool_rows()[0]) | {"ko": 0, "scoring": 1, "suicide": True}
    assert sgf.Sgf_game.from_bytes(to_sgf(row)).get_root().get("RU") == "simple ko, suicide allowed, territory scoring"
    row["moves"][0] = 99
    with pytest.raises(GameDataError, match="action 99 is not a point of the 5x5 board"):
        to_sgf(row)
