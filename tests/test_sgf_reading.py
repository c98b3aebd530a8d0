"""SGF as it is found: encodings, broken brackets, every spelling of komi, results, dates, ranks; and what becomes of it."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
from sgfmill import sgf

from alphago.data import replay, validate
from alphago.data.games import HUMAN, SEARCH
from alphago.data.sgf_read import Rejected, read
from alphago.go import BLACK, WHITE, Rules, sgf_values
from alphago.go.sgf_text import decode, split_games

JAPANESE = Rules.named("japanese")

# --- bytes ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("(;PB[Lee Sedol])", "ascii"),
        ("(;PB[이세돌])", "utf-8"),
        ("(;PB[柯洁]PW[阿尔法围棋]GN[中国乌镇围棋峰会])", "gb18030"),
        ("(;CA[Shift_JIS]PB[井山裕太]PW[張栩])", "shift_jis"),
        ("(;CA[EUC-KR]PB[이세돌])", "euc_kr"),
        ("(;PB[Müller]PW[Grün])", "latin-1"),
        ("\ufeff(;PB[柯洁])", "utf-8"),
        ("\ufeff(;PB[Ke Jie])", "utf-16-le"),
    ],
)
def test_encodings(text: str, encoding: str) -> None:
    assert decode(text.encode(encoding))[0] == text.lstrip("\ufeff")


def test_the_ca_property_is_believed_only_where_the_bytes_agree() -> None:
    assert decode("(;CA[Shift_JIS]PB[柯洁])".encode())[0] == "(;CA[Shift_JIS]PB[柯洁])"
    assert decode("(;CA[no-such-thing]PB[柯洁])".encode())[0] == "(;CA[no-such-thing]PB[柯洁])"
    assert decode(b"(;PB[\xff\xfe\xfa])")[1] == "latin-1"


@pytest.mark.parametrize(
    ("text", "games"),
    [
        ("", []),
        ("no game here ( at all )", []),
        ("(;SZ[9];B[aa])", ["(;SZ[9];B[aa])"]),
        ("junk (;A[1]) between (;A[2](;B[aa])(;B[bb])) after", ["(;A[1])", "(;A[2](;B[aa])(;B[bb]))"]),
        (r"(;C[a \] b ( c];B[aa])", [r"(;C[a \] b ( c];B[aa])"]),
        ("(;SZ[9];B[aa];W[bb]", ["(;SZ[9];B[aa];W[bb])"]),
        ("(;SZ[9](;B[aa]", ["(;SZ[9](;B[aa]))"]),
        ("(;C[never closed", ["(;C[never closed])"]),
        ("(;C[odd\\", ["(;C[odd])"]),
        ("(\n ; SZ[9])", ["(\n ; SZ[9])"]),
    ],
)
def test_game_trees_are_cut_out_and_closed(text: str, games: list[str]) -> None:
    assert [game for _, game in split_games(text)] == games
    for offset, game in split_games(text):
        assert text[offset : offset + 2] == game[:2]


def test_deep_nesting_needs_no_recursion() -> None:
    text = "(;A[1]" * 50_000 + ")" * 50_000
    assert [game for _, game in split_games(text)] == [text]


# --- values -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "winner", "ended", "score"),
    [
        ("B+3.5", BLACK, "passes", 3.5),
        ("W+0.5", WHITE, "passes", -0.5),
        ("w+12", WHITE, "passes", -12.0),
        ("B+3,5", BLACK, "passes", 3.5),
        ("B+ 3.5 points", BLACK, "passes", 3.5),
        ("B+R", BLACK, "resign", None),
        ("W+Resign", WHITE, "resign", None),
        ("Black wins by resignation", BLACK, "resign", None),
        ("B+T", BLACK, "time", None),
        ("W+Time", WHITE, "time", None),
        ("W+F", WHITE, "forfeit", None),
        ("B+", BLACK, "unknown", None),
        ("0", 0, "passes", 0.0),
        ("Draw", 0, "passes", 0.0),
        ("Jigo", 0, "passes", 0.0),
        ("Void", 0, "unknown", None),
        ("?", 0, "unknown", None),
        ("", 0, "unknown", None),
        (None, 0, "unknown", None),
        ("黑中盘胜", BLACK, "resign", None),
        ("白中押し勝ち", WHITE, "resign", None),
        ("白胜0.5目", WHITE, "passes", -0.5),
        ("B\uff0b3.5", BLACK, "passes", 3.5),
        ("W+0", WHITE, "unknown", None),
    ],
)
def test_results(text: str | None, winner: int, ended: str, score: float | None) -> None:
    assert sgf_values.result(text) == sgf_values.Result(winner, ended, score)


@pytest.mark.parametrize(
    ("text", "points"),
    [
        ("6.5", 6.5),
        ("6,5", 6.5),
        (" 7.5 points", 7.5),
        ("0", 0.0),
        ("-3.5", -3.5),
        ("375", 7.5),
        ("650", 6.5),
        ("750", 7.5),
        ("1e9", 1.0),
        ("5000", None),
        ("none", None),
        ("", None),
        (None, None),
    ],
)
def test_komi(text: str | None, points: float | None) -> None:
    assert sgf_values.komi(text) == points


def test_komi_in_stones_is_doubled_under_chinese_rules_alone() -> None:
    assert sgf_values.komi("3.75", stones=True) == 7.5
    assert sgf_values.komi("3.75") == 3.75
    assert sgf_values.komi("7.5", stones=True) == 7.5


@pytest.mark.parametrize(
    ("text", "date"),
    [
        ("2016-03-09", "2016-03-09"),
        ("2016-03-09,10", "2016-03-09"),
        ("2016-03", "2016-03"),
        ("2016", "2016"),
        ("2016/3/9", "2016-03-09"),
        ("2016年3月9日", "2016-03-09"),
        ("2016-13-01", "2016"),
        ("yesterday", None),
        (None, None),
    ],
)
def test_dates(text: str | None, date: str | None) -> None:
    assert sgf_values.date(text) == date


@pytest.mark.parametrize(
    ("text", "rank"),
    [
        ("9d", "9d"),
        ("9 dan", "9d"),
        ("9D", "9d"),
        ("3kyu", "3k"),
        ("1p", "1p"),
        ("九段", "九段"),
        ("9段", "9d"),
        ("", None),
        (None, None),
        ("professional", "professional"),
    ],
)
def test_ranks(text: str | None, rank: str | None) -> None:
    assert sgf_values.rank(text) == rank


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Chinese", "chinese"),
        ("chinese rules", "chinese"),
        ("Japanese", "japanese"),
        ("AGA", "aga"),
        ("NZ", "new-zealand"),
        ("Tromp-Taylor", "tromp-taylor"),
        ("somebody's own", "japanese"),
        (None, "japanese"),
    ],
)
def test_rules(text: str | None, name: str) -> None:
    assert sgf_values.rules(text, JAPANESE) == Rules.named(name)


# --- records ----------------------------------------------------------------------------------------------------------


def moves_of(text: str) -> list[tuple[int, int]]:
    row = read(text)
    return list(zip(row["colors"].tolist(), row["moves"].tolist(), strict=True))


def test_a_plain_game() -> None:
    row = read("(;FF[4]SZ[9]KM[7]RU[Chinese]PB[A  b]PW[C]BR[9d]DT[2016-01-27]RE[B+3];B[ee];W[];B[tt])", source="here:1")
    assert (row["size"], row["komi"], row["winner"], row["score"], row["ended"]) == (9, 7.0, BLACK, 3.0, "passes")
    assert (row["black"], row["white"], row["black_rank"], row["date"], row["source"]) == (
        "A b",
        "C",
        "9d",
        "2016-01-27",
        "here:1",
    )
    assert row["moves"].tolist() == [40, 81, 81] and row["colors"].tolist() == [1, 2, 1]
    assert row["chosen_by"].tolist() == [HUMAN] * 3
    validate({**row, "game_id": "x"})


def test_tt_is_a_point_of_no_board_and_a_pass_up_to_19() -> None:
    assert moves_of("(;SZ[19];B[tt])") == [(BLACK, 361)]


def test_the_main_line_is_the_first_child_everywhere() -> None:
    assert moves_of("(;SZ[9](;B[aa](;W[bb])(;W[cc]))(;B[dd]))") == [(BLACK, 0), (WHITE, 10)]


def test_handicap_and_set_up_stones() -> None:
    row = read("(;SZ[9]HA[2]KM[0.5]AB[gc][cg];W[ee])")
    assert row["setup_black"].tolist() == [24, 56] and row["colors"].tolist() == [WHITE]
    assert row["komi"] == 0.5


def test_rectangles_of_stones() -> None:
    assert read("(;SZ[9]AB[aa:bb]AW[dd];B[ee])")["setup_black"].tolist() == [0, 1, 9, 10]


def test_stones_set_up_in_mid_game_begin_the_game_anew() -> None:
    row = read("(;SZ[9];B[aa];W[bb];AE[aa]AB[cc];W[dd])")
    assert row["setup_black"].tolist() == [20] and row["setup_white"].tolist() == [10]
    assert row["moves"].tolist() == [30]


def test_old_spellings_and_spaces() -> None:
    """FF[3] knew long names: lower-case letters do not count."""
    row = read(
        "( ;GaMe[1] SiZe[9]\n KoMi[5.5] ; Black[ee]\n; White[ dd ] )".replace("Black", "B").replace("White", "W")
    )
    assert row["size"] == 9 and row["moves"].tolist() == [40, 30]


def test_suicide_and_repetition_are_taken_as_the_record_has_them() -> None:
    """Servers play by rules that RU does not name; what no ruleset allows is refused all the same."""
    suicide = "(;SZ[3]RU[Japanese];B[ba];W[];B[ab];W[];B[cb];W[aa])"
    with pytest.raises(Rejected) as caught:
        read(suicide)
    assert caught.value.reason == "illegal"


@pytest.mark.parametrize(
    ("text", "reason", "message"),
    [
        ("(;GM[2];B[aa])", "not Go", "GM is '2'"),
        ("(;SZ[20])", "size", "SZ is 20, expected 2 to 19"),
        ("(;SZ[9:7])", "size", "SZ is '9:7'"),
        ("(;SZ[nine])", "size", "SZ is 'nine'"),
        ("(;SZ[9];B[aa];W[aa])", "illegal", "move 2 (white A9) is illegal: occupied"),
        ("(;SZ[9];B[jj])", "illegal", "the point 'jj' is off the 9x9 board"),
        ("(;SZ[9]AB[zz];B[aa])", "illegal", "a stone is set up on 'zz', which is no point of the 9x9 board"),
        ("(;SZ[9]AW[aa]AB[ba][ab])", "illegal", "the stones set up in node 0 cannot stand"),
        ("(;B[aa];W[bb", "broken", "no SGF"),
        ("(;SZ)", "broken", "no SGF"),
    ],
)
def test_what_is_refused_and_why(text: str, reason: str, message: str) -> None:
    with pytest.raises(Rejected) as caught:
        read(text)
    assert caught.value.reason == reason
    assert str(caught.value).startswith(message)


def test_passes_that_a_counted_game_lacks_are_written_down() -> None:
    """Servers leave out the passes that ended it; whoever is to move passes first."""
    assert moves_of("(;SZ[9]RE[B+3.5];B[ee];W[cc])") == [(1, 40), (2, 20), (1, 81), (2, 81)]
    assert moves_of("(;SZ[9]RE[B+3.5];B[ee];W[])") == [(1, 40), (2, 81), (1, 81)]
    assert moves_of("(;SZ[9]RE[B+3.5];B[ee];W[];B[])") == [(1, 40), (2, 81), (1, 81)]
    for result in ("B+R", "B+T", "?", "B+F"):
        assert moves_of(f"(;SZ[9]RE[{result}];B[ee];W[cc])") == [(1, 40), (2, 20)]
    row = read("(;SZ[9]RE[B+3.5];B[ee]C[0.55 0.45 0.00 1.0 v=32];W[cc])")
    assert row["chosen_by"].tolist() == [SEARCH, HUMAN, HUMAN, HUMAN]
    assert np.isnan(row["root_value"][1:]).all() and len(row["root_value"]) == 4
    program = read("(;SZ[9]RE[B+3.5];B[ee]C[0.55 0.45 0.00 1.0 v=32])")
    assert program["ended"] == "unknown" and len(program["moves"]) == 1


def test_values_of_searches_in_comments() -> None:
    row = read("(;SZ[9]RE[W+R];B[ee]C[0.55 0.45 0.00 1.0 v=32];W[cc]C[0.60 0.40 0.00 1.2 v=48];B[dd])")
    np.testing.assert_allclose(row["root_value"], [-0.1, 0.2, np.nan], atol=1e-6)
    assert row["chosen_by"].tolist() == [SEARCH, SEARCH, HUMAN]
    assert row["simulations"] == 80
    assert len(read("(;SZ[9];B[ee]C[what a move])")["root_value"]) == 0


def random_record(rng: random.Random) -> str:
    """A plain one-line record of random legal moves, by sgfmill."""
    size = rng.choice((5, 9, 13, 19))
    game = sgf.Sgf_game(size)
    root = game.get_root()
    root.set("KM", rng.choice((0, 5.5, 6.5, 7)))
    root.set("RE", rng.choice(("B+R", "W+0.5", "0", "B+T", "?")))
    taken = set[tuple[int, int]]()
    for i in range(rng.randrange(30)):
        point = (rng.randrange(size), rng.randrange(size))
        if point in taken:
            continue
        taken.add(point)
        game.extend_main_sequence().set_move("bw"[i % 2], None if rng.random() < 0.05 else point)
    return bytes(game.serialise()).decode().replace("\n", "")


def assert_rows_equal(one: dict[str, Any], other: dict[str, Any]) -> None:
    for name, value in one.items():
        if isinstance(value, np.ndarray):
            np.testing.assert_array_equal(value, other[name], err_msg=name)
        else:
            assert value == other[name], name


def test_the_fast_reader_equals_sgfmill() -> None:
    rng, fast = random.Random(3), 0
    for _ in range(400):
        text = random_record(rng)
        try:
            slow = read(text, plain=False)
        except Rejected as error:
            with pytest.raises(Rejected) as caught:
                read(text)
            assert (caught.value.reason, str(caught.value)) == (error.reason, str(error))
            continue
        assert_rows_equal(read(text), slow)
        fast += 1
        replay(slow)
    assert fast > 300
