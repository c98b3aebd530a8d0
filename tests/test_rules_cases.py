"""Rules, case by case: captures, ko in all its forms, superko, suicide, undo. Diagrams: X black, O white."""

import random

import numpy as np
import pytest

from alphago import _core
from reference.board import BLACK, KO, LEGAL, OCCUPIED, OFF_BOARD, SUICIDE, SUPERKO, WHITE, opponent
from reference.compare import Pair, from_rows, random_pair

SIMPLE, POSITIONAL, SITUATIONAL = range(3)


def rows_of(pair: Pair) -> list[str]:
    """The board as a diagram."""
    return ["".join(".XO"[color] for color in row) for row in pair.core.stones().tolist()]


# --- captures and life ----------------------------------------------------------------------------------------------------


def test_snapback() -> None:
    """White throws a stone in; taking it leaves black with one liberty, and white takes five stones back."""
    pair = from_rows("X..O. XXXO. OOO.. ..... .....", WHITE)
    assert pair.play(1) == 0
    assert pair.play(2) == 1
    assert pair.core.ko_point == -1
    assert pair.play(1) == 5
    assert rows_of(pair)[:3] == [".O.O.", "...O.", "OOO.."]


def test_bent_four_in_the_corner_is_a_ko() -> None:
    """White starts: four stones die, and the throw-in leads to a ko that white takes first."""
    pair = from_rows("OO..XO OXXXXO XXOOOO OOO... ...... ......", WHITE)
    assert pair.play(2) == 0
    assert pair.play(3) == 4
    assert pair.play(1) == 0
    assert pair.play(0) == 0
    assert pair.play(6) == 1
    assert pair.core.ko_point == 0
    assert pair.core.legality(0) == KO
    # Without a threat black is lost: white connects and then takes everything.
    pair.play(36)
    assert pair.play(0) == 0
    pair.play(36)
    assert pair.play(2) == 8
    assert rows_of(pair)[:3] == ["OOO..O", "O....O", "..OOOO"]


def test_bent_four_counts_as_the_players_say() -> None:
    """On the board the surrounded black chain stands; territory counts what is named as dead."""
    pair = from_rows("OO..XO OXXXXO XXOOOO OOO... ...... ......")
    dead = np.zeros((6, 6), dtype=bool)
    assert pair.core.territory(dead).sum() == -15
    dead[pair.core.stones() == BLACK] = True
    assert pair.core.territory(dead).sum() == -15 - 2 - 7
    assert not pair.core.pass_alive(BLACK).any()


def test_seki() -> None:
    """Two chains share their two liberties: whoever fills one is taken, and neither is pass-alive."""
    for first, taken in ((BLACK, 5), (WHITE, 4)):
        pair = from_rows("X.OX. X.OX. XXOX. OOXX. .....", first)
        for color in (BLACK, WHITE):
            assert not pair.core.pass_alive(color)[0].any()
        assert pair.play(1) == 0
        assert pair.play(6) == taken


# --- ko -------------------------------------------------------------------------------------------------------------------

ONE_KO = ".XO.. XO.O. .XO.. ..... ....."


@pytest.mark.parametrize("ko", [SIMPLE, POSITIONAL, SITUATIONAL])
def test_ko_may_not_be_retaken_at_once(ko: int) -> None:
    """Under every rule with the reason "ko"; after an exchange elsewhere it may."""
    pair = from_rows(ONE_KO, BLACK, ko)
    assert pair.play(7) == 1
    assert pair.core.ko_point == 6
    assert pair.core.legality(6) == KO
    assert pair.play(6) == -KO
    pair.play(24)
    assert pair.core.ko_point == -1
    pair.play(20)
    assert pair.play(6) == 1
    assert pair.core.ko_point == 7
    pair.check(deep=True)


def test_ko_ban_binds_only_the_side_that_would_retake() -> None:
    """The side that took may fill at once; the ban goes with any turn, a pass too, and follows its colour, not the turn."""
    pair = from_rows(ONE_KO, BLACK)
    pair.play(7)
    assert pair.core.legality(6, BLACK) == LEGAL
    assert pair.core.legality(6, WHITE) == KO
    pair.turn(BLACK)
    assert pair.core.ko_point == -1
    assert pair.core.legality(6, WHITE) == KO
    pair.turn(WHITE)
    assert pair.core.ko_point == 6
    assert pair.play(25) == 0
    assert pair.core.legality(6, WHITE) == LEGAL
    assert pair.core.undo()
    assert pair.slow.undo()
    assert pair.core.ko_point == 6
    assert pair.play(6, BLACK) == 0
    pair.check(deep=True)


def test_no_ko_after_two_stones_or_with_a_larger_chain() -> None:
    """Taking two stones, or one stone by a chain of two, or with a stone that has two liberties, bans nothing."""
    two = from_rows(".XXO. XOO.O .XXO. ..... .....", BLACK)
    assert two.play(8) == 2
    assert two.core.ko_point == -1
    larger = from_rows(".XO.. XO.XO .XOO. ..O.. .....", BLACK)
    assert larger.play(7) == 1
    assert larger.core.ko_point == -1
    free = from_rows(".XO.. XO... .XO.. ..... .....", BLACK)
    assert free.play(7) == 1
    assert free.core.ko_point == -1


# The upper ko can be taken by black, the lower one by white.
DOUBLE_KO = ".XO... XO.O.. .XO... .XO... X.XO.. .XO..."


@pytest.mark.parametrize(("ko", "last"), [(SIMPLE, 1), (POSITIONAL, -SUPERKO), (SITUATIONAL, 1)])
def test_double_ko(ko: int, last: int) -> None:
    """Round a double ko with one pass on the way: the stones return with the other side to move."""
    upper_white, upper_black, lower_white, lower_black = 7, 8, 25, 26
    pair = from_rows(DOUBLE_KO, BLACK, ko)
    assert pair.play(upper_black) == 1
    assert pair.play(lower_white) == 1
    assert pair.play(36) == 0
    assert pair.play(upper_white) == 1
    assert pair.play(lower_black) == last
    pair.check(deep=True)


TRIPLE_KO = ".XO...... XO.O..... .XO...... .XO...... X.XO..... .XO...... .XO...... XO.O..... .XO......"


@pytest.mark.parametrize("ko", [SIMPLE, POSITIONAL, SITUATIONAL])
def test_triple_ko(ko: int) -> None:
    """Three kos go round for ever under simple ko; under either superko the sixth capture, which closes the circle, is illegal."""
    pair = from_rows(TRIPLE_KO, BLACK, ko)
    circle = [11, 37, 65, 10, 38, 64]
    for action in circle[:5]:
        assert pair.play(action) == 1
    if ko == SIMPLE:
        for action in circle[5:] + circle * 3:
            assert pair.play(action) == 1
    else:
        assert pair.play(circle[5]) == -SUPERKO
        assert pair.core.ko_point == 37, "the ban of simple ko is another one"
    pair.check(deep=True)


SENDING_TWO = ".O.O. XXOO. .XO.. ..... ....."


def test_sending_two_returning_one() -> None:
    """White sends two stones and takes one back: the stones are as before, with black to move."""
    results = {}
    for ko in (SIMPLE, POSITIONAL, SITUATIONAL):
        pair = from_rows(SENDING_TWO, WHITE, ko)
        assert pair.play(0) == 0
        assert pair.play(2) == 2
        results[ko] = pair.play(1)
        pair.check(deep=True)
    assert results == {SIMPLE: 1, POSITIONAL: -SUPERKO, SITUATIONAL: 1}


def test_situational_superko_counts_passes() -> None:
    """Once black passes after sending-two-returning-one, white to move has seen it all: he may not send again."""
    pair = from_rows(SENDING_TWO, WHITE, SITUATIONAL)
    for action in (0, 2, 1, 25):
        assert pair.play(action) >= 0
    assert pair.play(0) == -SUPERKO
    simple = from_rows(SENDING_TWO, WHITE, SIMPLE)
    for action in (0, 2, 1, 25) * 5:
        assert simple.play(action) >= 0


def test_a_pass_puts_a_situation_on_record() -> None:
    """(stones, black to move) is on record because of white's pass alone, and white may not bring it back."""
    passed = from_rows(ONE_KO, WHITE, SITUATIONAL)
    for action in (25, 7, 25, 25):
        assert passed.play(action) >= 0
    assert passed.play(6) == -SUPERKO
    out_of_turn = from_rows(ONE_KO, WHITE, SITUATIONAL)
    assert out_of_turn.play(7, BLACK) == 1
    for action in (25, 25):
        assert out_of_turn.play(action) == 0
    assert out_of_turn.play(6) == 1


def test_start_is_recorded_with_the_side_that_moves_first() -> None:
    """The turn set by hand after a set-up belongs to the start: black to move there never was."""
    for first, code in ((BLACK, SUPERKO), (WHITE, LEGAL)):
        pair = from_rows(ONE_KO, first, SITUATIONAL)
        assert pair.play(7, BLACK) == 1
        for action in (25, 25):
            assert pair.play(action) == 0
        assert pair.core.legality(6) == code
        pair.check(deep=True)


def test_superko_reaches_back_to_the_last_set_up_only() -> None:
    """A set-up starts the record afresh, with itself as the first position."""
    pair = from_rows(ONE_KO, BLACK, POSITIONAL)
    assert pair.play(7) == 1
    pair.play(25)
    pair.play(25)
    assert pair.play(6) == -SUPERKO
    assert pair.setup([], [], [24]) == 0
    assert pair.core.moves() == []
    assert pair.play(6, WHITE) == 1
    pair.play(25)
    pair.play(25)
    assert pair.play(7, BLACK) == -SUPERKO


def test_long_superko_history() -> None:
    """Hundreds of turns later an old position is still known."""
    pair = from_rows(ONE_KO, BLACK, POSITIONAL)
    assert pair.play(7) == 1
    for _ in range(300):
        assert pair.core.try_play(25) == 0
    assert pair.core.legality(6) == SUPERKO
    for _ in range(300):
        assert pair.core.undo()
    assert pair.core.legality(6) == KO


# --- suicide --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ko", [SIMPLE, POSITIONAL, SITUATIONAL])
def test_suicide_of_several_stones(ko: int) -> None:
    """Forbidden or allowed by the rules; allowed, the own stones go and count as captured."""
    rows = "O.X.. OXX.. X.... ..... ....."
    forbidden = from_rows(rows, WHITE, ko, suicide=False)
    assert forbidden.play(1) == -SUICIDE
    allowed = from_rows(rows, WHITE, ko, suicide=True)
    assert allowed.play(1) == 0
    assert allowed.core.captured(WHITE) == 3
    assert allowed.core.captured(BLACK) == 0
    assert rows_of(allowed)[0] == "..X.."
    assert allowed.core.to_play == BLACK
    allowed.check(deep=True)


@pytest.mark.parametrize("suicide", [False, True])
@pytest.mark.parametrize("ko", [SIMPLE, POSITIONAL, SITUATIONAL])
def test_suicide_of_a_single_stone_is_never_legal(ko: int, suicide: bool) -> None:
    """It would be a pass in disguise."""
    pair = from_rows(".X... X.... ..... ..... .....", WHITE, ko, suicide)
    assert pair.play(0) == -SUICIDE


def test_suicide_that_captures_is_no_suicide() -> None:
    """Enemy stones come off first."""
    pair = from_rows(".XO.. XXO.. OO... ..... .....", WHITE)
    assert pair.play(0) == 3
    assert rows_of(pair)[0] == "O.O.."


def test_suicide_may_not_repeat_a_position() -> None:
    """Two stones played and lost by suicide bring the position back: positional superko forbids it."""
    rows = "..X.. XX... ..... ..... ....."
    results = []
    for ko in (SIMPLE, POSITIONAL, SITUATIONAL):
        pair = from_rows(rows, WHITE, ko, suicide=True)
        assert pair.play(0) == 0
        pair.play(25)
        results.append(pair.play(1))
        pair.check(deep=True)
    assert results == [0, -SUPERKO, 0]


def test_whole_board_suicide() -> None:
    """A chain that fills the board and dies leaves it empty; superko knows that the game began so."""
    for ko, code in ((SIMPLE, LEGAL), (POSITIONAL, SUPERKO)):
        pair = Pair(2, ko, True)
        for action in (0, 4, 1, 4, 2, 4):
            pair.play(action)
        assert pair.core.legality(3) == code
        if code == LEGAL:
            pair.play(3)
            assert not pair.core.stones().any()
            assert pair.core.captured(BLACK) == 4
        pair.check(deep=True)


# --- codes, turns, undo, set-up -------------------------------------------------------------------------------------------


def test_legality_codes() -> None:
    """Each code once; a pass is always legal."""
    position = from_rows(".XO.. XO.O. .XO.X ...X. .....", BLACK).core
    codes = [position.legality(action) for action in (-1, 26, 10**9, 1, 7, 25)]
    assert codes == [OFF_BOARD, OFF_BOARD, OFF_BOARD, OCCUPIED, LEGAL, LEGAL]
    assert position.try_play(1) == -OCCUPIED
    assert position.try_play(-7) == -OFF_BOARD
    assert position.moves() == []
    assert from_rows(".XX.. XX... ..... ..... .....", WHITE).core.legality(0) == SUICIDE


def test_ko_is_named_before_suicide() -> None:
    """The banned point after a ko capture may be surrounded: the reason given is ko."""
    pair = from_rows(ONE_KO, BLACK, SIMPLE)
    pair.play(7)
    assert pair.core.legality(6, WHITE) == KO


def test_game_is_over_after_two_passes_and_may_go_on() -> None:
    """Passes of either side in a row count; any play ends the row."""
    pair = Pair(9)
    pair.play(81)
    assert (pair.core.consecutive_passes, pair.core.is_over) == (1, False)
    pair.play(81)
    assert (pair.core.consecutive_passes, pair.core.is_over) == (2, True)
    pair.play(40)
    assert (pair.core.consecutive_passes, pair.core.is_over) == (0, False)
    pair.play(81, BLACK)
    pair.play(81, BLACK)
    assert pair.core.is_over
    assert (pair.core.passes_by(BLACK), pair.core.passes_by(WHITE)) == (3, 1)
    pair.check(deep=True)


def test_out_of_turn() -> None:
    """Either side may play at any time; then it is the other one's turn."""
    pair = Pair(9)
    for action, color in ((0, WHITE), (1, WHITE), (2, BLACK), (81, BLACK), (3, BLACK)):
        assert pair.play(action, color) == 0
        assert pair.core.to_play == opponent(color)
    assert pair.core.moves() == [(WHITE, 0), (WHITE, 1), (BLACK, 2), (BLACK, 81), (BLACK, 3)]


@pytest.mark.parametrize("size", [2, 3, 4, 5, 7, 9, 13, 19])
def test_undo_restores_everything(size: int) -> None:
    """Step by step back to the start, comparing all that can be seen; then forward again along another line."""
    rng = random.Random(size)
    for _ in range(3):
        pair = random_pair(rng, size, min(3 * size * size, 120))
        while pair.slow.moves:
            before = pair.core.hash
            assert pair.core.undo() and pair.slow.undo()
            assert pair.core.hash != before or pair.slow.positions[-1][0] == pair.slow.grid
            pair.check(deep=len(pair.slow.moves) % 7 == 0)
        assert not pair.core.undo()
        assert not pair.core.stones().any()
        pair.random_play(rng, 20)
        pair.check(deep=True)


def test_undo_after_turns_set_by_hand() -> None:
    """undo gives the turn back to whoever had it before the play, even if that was not the mover."""
    pair = Pair(5)
    pair.play(12, WHITE)
    assert pair.core.undo() and pair.slow.undo()
    assert pair.core.to_play == BLACK
    pair.play(12)
    pair.turn(BLACK)
    pair.play(13)
    assert pair.core.undo() and pair.slow.undo()
    assert pair.core.to_play == BLACK
    assert pair.core.undo() and pair.slow.undo()
    assert pair.core.to_play == BLACK
    pair.check(deep=True)


def test_set_up() -> None:
    """Stones come and go; moves, passes and bans are forgotten, prisoners and the turn stay; a bad set-up changes nothing."""
    pair = from_rows(ONE_KO, BLACK)
    pair.play(7)
    pair.play(25)
    assert pair.setup([24], [20], [7]) == 0
    assert (pair.core.move_count, pair.core.consecutive_passes, pair.core.ko_point) == (0, 0, -1)
    assert (pair.core.captured(WHITE), pair.core.passes_by(WHITE), pair.core.to_play) == (1, 0, BLACK)
    assert not pair.core.undo()
    pair.check(deep=True)
    assert pair.play(14) == 0
    before = pair.core.stones()
    for black, white, empty, code in (
        ([25], [], [], OFF_BOARD),
        ([], [-1], [], OFF_BOARD),
        ([], [], [100], OFF_BOARD),
        ([], [0], [], SUICIDE),
    ):
        assert pair.setup(black, white, empty) == code
        assert np.array_equal(pair.core.stones(), before)
        assert pair.core.move_count == 1
    pair.check(deep=True)


def test_set_up_that_only_removes() -> None:
    """Taking a stone off gives its neighbours their liberty."""
    pair = from_rows("XO... ..... ..... ..... .....", BLACK)
    assert pair.core.liberties(0) == 1
    assert pair.setup([], [], [1]) == 0
    assert pair.core.liberties(0) == 2
    pair.check(deep=True)


def test_copies_are_independent() -> None:
    """A copy keeps history and undo; what happens to one does not show in the other."""
    pair = from_rows(ONE_KO, BLACK, POSITIONAL)
    pair.play(7)
    copy = pair.core.copy()
    assert copy.legality(6) == KO
    assert copy.undo()
    assert copy.try_play(24) == 0
    pair.check(deep=True)
    assert pair.core.stones()[4, 4] == 0


def test_hash_is_a_function_of_the_stones() -> None:
    """Equal stones, equal hash, by whatever way, on whatever rules; a thousand different positions differ."""
    one, two = _core.Position(9), _core.Position(9, ko=0, suicide=False)
    for action in (0, 1, 2, 3):
        one.try_play(action)
    for action in (2, 3, 0, 1):
        two.try_play(action)
    assert one.hash == two.hash
    three = _core.Position(9)
    assert three.setup([0, 2], [1, 3], []) == 0
    assert three.hash == one.hash
    rng = random.Random(1)
    hashes: dict[tuple[int, ...], int] = {}
    for _ in range(30):
        pair = Pair(5, SIMPLE, True)
        for _ in range(60):
            pair.random_play(rng, 1)
            assert hashes.setdefault(pair.slow.grid, pair.core.hash) == pair.core.hash
    assert len(hashes) > 1000
    assert len(set(hashes.values())) == len(hashes)
