"""`Board` as a user meets it: moves in every notation, errors, diagrams, handicap, scoring."""

import math
import pickle
import random
import shutil
import subprocess

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alphago.go import (
    BLACK,
    ILLEGAL_REASONS,
    RULESETS,
    WHITE,
    AlphaGoError,
    BadBoard,
    BadColor,
    BadCoordinate,
    BadRules,
    Board,
    IllegalMove,
    OffBoard,
    Rules,
    action_to_gtp,
    fixed_handicap_points,
    max_fixed_handicap,
    star_points,
)

SIMPLE_KO = """
. X O .
X . X O
. X O .
. . . .
"""


@st.composite
def boards(draw: st.DrawFn, sizes: tuple[int, ...] = (2, 3, 5, 9, 13, 19)) -> Board:
    """Boards after random legal moves under random rules."""
    size = draw(st.sampled_from(sizes))
    board = Board(size, draw(st.sampled_from(sorted(RULESETS))), draw(st.none() | st.integers(-50, 50)))
    rng = random.Random(draw(st.integers(0, 2**32)))
    for _ in range(draw(st.integers(0, 2 * size * size))):
        board.play(rng.choice(np.flatnonzero(board.legal_moves()).tolist()))
    return board


# --- playing ------------------------------------------------------------------------------------------------------------


def test_moves_in_every_notation_and_colour() -> None:
    board = Board(9)
    assert (board.size, board.to_play, board.move_count, board.last_move) == (9, BLACK, 0, None)
    assert board.play("E5") == board.play((3, 4)) == board.play(5) == board.play(np.int64(6)) == 0
    assert [board[point] for point in ("E5", (3, 4), 5, 6, "A1")] == [1, 2, 1, 2, 0]
    board.play("A1", "black")
    board.play("B1", "b")
    assert (board["A1"], board["B1"], board.to_play, board.last_move) == (BLACK, BLACK, WHITE, 73)
    board.to_play = "black"  # type: ignore[assignment]  # checked, and read as a colour
    assert board.to_play == BLACK
    board.pass_()
    board.pass_(WHITE)
    assert board.is_over
    assert board.passes_by("white") == 1
    assert board.undo()
    assert not board.is_over


def test_capture_is_counted() -> None:
    board = Board.from_ascii(". O X\n. . .\n. . .")
    assert board.play("B2") == 0
    assert board.play("C1", WHITE) == 0
    assert board.play("A3", BLACK) == 1
    assert board.captured("white") == 1
    assert board.captured(BLACK) == 0
    assert board["B3"] == 0


@pytest.mark.parametrize(
    ("diagram", "rules", "setup", "move", "reason"),
    [
        ("X.\n..", "tromp-taylor", [], "A2", "occupied"),
        ("X.\n..", "tromp-taylor", [], "C3", "off board"),
        ("X.\n..", "tromp-taylor", [], (5, 0), "off board"),
        (".O.\nO..\n...", "tromp-taylor", [], "A3", "suicide"),
        (".XO\nXO.\nO..", "chinese", [], "A3", "suicide"),
        (SIMPLE_KO, "chinese", ["pass", "B3"], "C3", "ko"),
    ],
)
def test_illegal_moves_say_why(diagram: str, rules: str, setup: list[str], move: object, reason: str) -> None:
    board = Board.from_ascii(diagram, rules)
    for earlier in setup:
        board.play(earlier)
    before = board.copy()
    with pytest.raises(IllegalMove) as error:
        board.play(move)  # type: ignore[arg-type]
    assert error.value.reason == reason
    assert reason in str(error.value)
    assert "\n" not in str(error.value)
    assert error.value.color == board.to_play
    assert board == before
    assert not board.is_legal(move)  # type: ignore[arg-type]
    assert board.why_illegal(move) == reason  # type: ignore[arg-type]
    again = pickle.loads(pickle.dumps(error.value))
    assert (str(again), again.reason, again.move, again.color) == (
        str(error.value),
        reason,
        error.value.move,
        error.value.color,
    )


@pytest.mark.parametrize(
    ("rules", "reason"), [("chinese", None), ("chinese-kgs", "superko"), ("aga", "superko"), ("japanese", None)]
)
def test_superko_says_superko(rules: str, reason: str | None) -> None:
    """Two passes lift the simple ko, but retaking it repeats the position that stood before white took it."""
    board = Board.from_ascii(SIMPLE_KO, rules, to_play="white")
    assert board.play("B3") == 1
    assert board.why_illegal("C3") == "ko"
    board.pass_()
    board.pass_()
    assert board.why_illegal("C3") == reason
    if reason:
        with pytest.raises(IllegalMove, match="illegal move black C3: superko"):
            board.play("C3")
    else:
        assert board.play("C3") == 1


def test_nonsense_is_not_an_illegal_move() -> None:
    board = Board(9)
    for move in ("I5", "", "foo", None, 1.5, (1, 2, 3)):
        with pytest.raises(BadCoordinate):
            board.play(move)  # type: ignore[arg-type]
        with pytest.raises(BadCoordinate):
            board.is_legal(move)  # type: ignore[arg-type]
    with pytest.raises(BadColor):
        board.play("E5", "green")
    assert board == Board(9)


@given(boards())
@settings(max_examples=50, deadline=None)
def test_legal_moves_are_the_moves_that_play_accepts(board: Board) -> None:
    for color in (BLACK, WHITE):
        mask = board.legal_moves(color)
        assert mask.shape == (board.size**2 + 1,)
        assert mask.dtype == np.bool_
        assert mask[-1]
        for action, legal in enumerate(mask):
            trial = board.copy()
            if legal:
                trial.play(action, color)
                assert trial.last_move == action
            else:
                with pytest.raises(IllegalMove) as error:
                    trial.play(action, color)
                assert error.value.reason in ILLEGAL_REASONS[:4]
                assert error.value.move == action_to_gtp(action, board.size)


# --- construction and bad input -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 20, 0, -3, 9.5, "9"])
def test_bad_size(size: object) -> None:
    with pytest.raises(BadBoard, match="board size"):
        Board(size)  # type: ignore[arg-type]


@pytest.mark.parametrize("komi", [math.nan, math.inf, -math.inf, 1e6, "7.5"])
def test_bad_komi(komi: object) -> None:
    with pytest.raises(BadRules, match="komi must be"):
        Board(9, komi=komi)  # type: ignore[arg-type]
    board = Board(9)
    for name in ("komi", "white_bonus"):
        with pytest.raises(BadRules, match=f"{name} must be"):
            setattr(board, name, komi)
    assert board == Board(9)


def test_bad_assignments_and_arguments() -> None:
    board = Board(9)
    with pytest.raises(BadColor):
        board.to_play = 3
    with pytest.raises(BadColor):
        board.captured(0)
    with pytest.raises(BadCoordinate):
        board["pass"]
    with pytest.raises(OffBoard):
        board[9, 0]
    with pytest.raises(OffBoard):
        board[-1, 0]
    with pytest.raises(BadRules):
        Board(9, "martian")
    for arguments in ({"feature_set": "poor"}, {"symmetry": 8}, {"symmetry": -1}, {"dtype": np.float64}):
        with pytest.raises(AlphaGoError):
            board.planes(**arguments)


# --- diagrams -----------------------------------------------------------------------------------------------------------


@given(boards())
@settings(max_examples=150, deadline=None)
def test_diagram_round_trip(board: Board) -> None:
    """from_ascii(str(b)) has the same stones and side to move; so has the diagram without its surroundings."""
    again = Board.from_ascii(str(board))
    np.testing.assert_array_equal(again.stones(), board.stones())
    assert again.to_play == board.to_play
    bare = "\n".join("".join(".XO"[stone] for stone in row) for row in board.stones())
    np.testing.assert_array_equal(Board.from_ascii(bare).stones(), board.stones())


def test_diagram_is_what_the_documentation_shows() -> None:
    board = Board(9, "chinese", komi=6.5)
    for move in ("D4", "E5", "D5"):
        board.play(move)
    assert str(board).splitlines() == [
        "   A B C D E F G H J",
        " 9 . . . . . . . . . 9",
        " 8 . . . . . . . . . 8",
        " 7 . . + . . . + . . 7",
        " 6 . . . . . . . . . 6",
        " 5 . . .(X)O . . . . 5",
        " 4 . . . X . . . . . 4",
        " 3 . . + . . . + . . 3",
        " 2 . . . . . . . . . 2",
        " 1 . . . . . . . . . 1",
        "   A B C D E F G H J",
        "O (white) to play, move 4",
        "captured: 0 black, 0 white; komi 6.5; rules chinese",
    ]
    assert repr(board) == "<Board 9x9, chinese rules, 3 moves, white to play>"
    board.pass_()
    board.pass_()
    assert "game over, last move a pass" in str(board)
    assert "(" not in str(board).split("to play")[0].replace("(white)", "").replace("(black)", "")


@pytest.mark.parametrize("column", range(9))
def test_last_move_is_marked_in_every_column(column: int) -> None:
    board = Board(9)
    board.play((0, column))
    row = str(board).splitlines()[1]
    assert row.count("(X)") == 1
    assert row.index("X") == 3 + 2 * column
    assert len(row.rstrip("9")) == len(" 8 . . . . . . . . . 8") - 1


def test_diagrams_in_other_hands() -> None:
    wanted = np.array([[1, 2, 0], [0, 0, 0], [0, 0, 2]])
    for text in (
        "XO.\n...\n..O",
        "x o .\n. , .\n. . o",
        "# O .\n. + .\n. . O",
        "b w .\n. . .\n. . w",
        "BW.\n...\n..W",
        "\n   A B C\n 3 X O . 3\n 2 . + . 2\n 1 . .(O)1\n   A B C\nblack to play\n",
        "3 XO. 3\r\n2 ... 2\r\n1 ..O 1\r\n",
    ):
        np.testing.assert_array_equal(Board.from_ascii(text).stones(), wanted)
    assert Board.from_ascii("..\n..\nwhite to play").to_play == WHITE
    assert Board.from_ascii("..\n..\nwhite to play", to_play="b").to_play == BLACK
    assert Board.from_ascii("..\n..", "japanese", 0.5).komi == 0.5


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no rows"),
        ("A B\nA B", "no rows"),
        ("X.O\n..\n...", "diagram row 2 has 2 points where row 1 has 3"),
        ("X.O\n...", "diagram has 2 rows of 3 points; a board is square"),
        ("X.O\n.?.\n...", "diagram row 2, column 2: unknown character '\\?'"),
        ("X.O\n.X\0\n...", "diagram row 2, column 3: unknown character"),
        (".", "board size must be from 2 to 19, got 1"),
        ("\n".join(["." * 20] * 20), "board size must be from 2 to 19, got 20"),
        ("3 ...\n1 ...\n2 ...", "diagram row 2 is labelled 1; it should be 2"),
        ("OX.\nX..\n...", "the white chain at A3 without a liberty"),
        ("X X\nX X", "the black chain at A2 without a liberty"),
    ],
)
def test_bad_diagrams(text: str, message: str) -> None:
    with pytest.raises(BadBoard, match=message) as error:
        Board.from_ascii(text)
    assert "\n" not in str(error.value)


@given(st.text(alphabet=".XO+,#xobw AB123()\n?", max_size=60) | st.text(max_size=40))
@settings(max_examples=300)
def test_any_text_is_a_board_or_a_named_error(text: str) -> None:
    try:
        board = Board.from_ascii(text)
    except BadBoard as error:
        assert "\n" not in str(error)
    else:
        assert 2 <= board.size <= 19


# --- set-up and handicap ------------------------------------------------------------------------------------------------


def test_setup() -> None:
    board = Board(5)
    board.play("C3")
    board.setup(black=["A1", (0, 0)], white=[24], empty=["C3"], to_play="white")
    assert [board[p] for p in ("A1", "A5", "E1", "C3")] == [1, 1, 2, 0]
    assert (board.to_play, board.move_count, board.last_move) == (WHITE, 0, None)
    assert not board.undo()
    before = board.copy()
    for arguments, message in (
        ({"black": ["B2", "B2"]}, "names the point B2 twice"),
        ({"black": ["B2"], "white": ["B2"]}, "names the point B2 twice"),
        ({"white": ["A2", "B1"]}, "the black chain at A1 without a liberty"),
        ({"black": ["pass"]}, "a pass is not a point"),
        ({"black": ["K10"]}, "off the 5x5 board"),
    ):
        with pytest.raises((BadBoard, BadCoordinate), match=message):
            board.setup(**arguments)  # type: ignore[arg-type]
        assert board == before


@pytest.mark.parametrize("size", range(2, 20))
def test_fixed_handicap_is_symmetric(size: int) -> None:
    """Even numbers of stones look the same after half a turn of the board; points are different and on the board."""
    for stones in range(2, max_fixed_handicap(size) + 1):
        points = fixed_handicap_points(size, stones)
        assert len(set(points)) == stones
        turned = {(size - 1 - r, size - 1 - c) for r, c in points}
        assert (turned == set(points)) == (stones != 3)
        assert set(points) <= star_points(size) | {(size // 2, c) for c in range(size)} | {
            (r, size // 2) for r in range(size)
        }
    for stones in (-1, 0, 1, max_fixed_handicap(size) + 1, 10):
        with pytest.raises(BadBoard, match="no fixed handicap"):
            fixed_handicap_points(size, stones)


def test_max_fixed_handicap() -> None:
    assert [max_fixed_handicap(n) for n in (2, 5, 6, 7, 8, 9, 10, 11, 13, 18, 19)] == [0, 0, 0, 4, 4, 9, 4, 9, 9, 4, 9]


def test_handicap_game() -> None:
    board = Board(19, "chinese")
    actions = board.place_fixed_handicap(9)
    assert {action_to_gtp(a, 19) for a in actions} == {"D4", "Q16", "D16", "Q4", "D10", "Q10", "K4", "K16", "K10"}
    assert (board.to_play, board.white_bonus, board.stones().sum()) == (WHITE, 9, 9)
    assert "komi 7.5 + 9" in str(board)
    free = Board(9, "aga")
    assert free.place_free_handicap(["C3", (2, 6)]) == [56, 24]
    assert (free.white_bonus, free.to_play) == (1, WHITE)
    assert Board(9, "japanese").place_fixed_handicap(2)
    with pytest.raises(BadBoard, match="empty board"):
        free.place_fixed_handicap(2)
    played = Board(9)
    played.pass_()
    with pytest.raises(BadBoard, match="no moves yet"):
        played.place_free_handicap(["C3"])
    with pytest.raises(BadBoard, match="twice"):
        Board(9).place_free_handicap(["C3", "C3"])
    with pytest.raises(BadBoard, match="no handicap stones"):
        Board(9).place_free_handicap([])


def test_fixed_handicap_agrees_with_gnugo() -> None:
    """On every kind of board but 12x12, where GNU Go alone uses the fourth line."""
    gnugo = shutil.which("gnugo") or shutil.which("gnugo", path="/usr/games")
    if gnugo is None:
        pytest.skip("gnugo is not installed")
    cases = [(size, stones) for size in (7, 9, 10, 11, 13, 14, 19) for stones in range(2, max_fixed_handicap(size) + 1)]
    commands = "".join(f"boardsize {size}\nclear_board\nfixed_handicap {stones}\n" for size, stones in cases) + "quit\n"
    answer = subprocess.run([gnugo, "--mode", "gtp"], input=commands, capture_output=True, text=True, check=True).stdout
    placed = [line[2:].split() for line in answer.splitlines() if line.startswith("= ") and len(line) > 3]
    assert len(placed) == len(cases)
    for (size, stones), vertices in zip(cases, placed, strict=True):
        ours = {action_to_gtp(r * size + c, size) for r, c in fixed_handicap_points(size, stones)}
        assert ours == set(vertices), (size, stones)


# --- scoring ------------------------------------------------------------------------------------------------------------

FINISHED = """
. X O . .
X X O O .
. X X O O
X X O . O
. X O O .
"""


@pytest.mark.parametrize(
    ("rules", "score", "result"),
    [
        ("tromp-taylor", 8 + 3 - (9 + 5) - 0.5, "W+3.5"),
        ("japanese", 3 - 5 - 0.5, "W+2.5"),
        ("stone-scoring", 8 - 9 - 0.5, "W+1.5"),
    ],
)
def test_area_territory_and_stones(rules: str, score: float, result: str) -> None:
    """Counted by hand: black has 8 stones and 3 points, white 9 stones and 5 points, and nothing is neutral."""
    board = Board.from_ascii(FINISHED, rules, 0.5)
    assert (board.score(), board.result(), board.winner()) == (score, result, WHITE)


def test_prisoners_dead_stones_and_pass_stones_under_territory() -> None:
    rules = Rules(ko="simple", suicide=False, scoring="territory", pass_stones=True, komi=0.0)
    diagram = "..X..\n..X..\nO.X..\n..X..\n..X.."
    board = Board.from_ascii(diagram, rules)
    assert board.score() == 10  # black's right side alone: white's stone makes the left side nobody's
    assert board.score(dead=["A3"]) == 20 + 1
    mask = np.zeros((5, 5), dtype=bool)
    mask[2, 0] = True
    assert board.score(mask) == 21
    board.pass_(BLACK)
    assert board.score(["A3"]) == 20
    board.pass_(WHITE)
    assert board.score(["A3"]) == 21
    assert board.result(["A3"]) == "B+21"
    area = Board.from_ascii(diagram, "aga", 0.0)
    area.pass_(BLACK)
    assert area.score(["A3"]) == 25
    assert area["A3"] == WHITE  # lifted for the count alone
    by_stones = Board.from_ascii(diagram, "stone-scoring", 1)
    assert (by_stones.score(), by_stones.score(["A3"])) == (3, 4)
    for dead, message in (
        (["A1"], "dead names the empty point A1"),
        (np.zeros((4, 4), bool), "must be a bool mask 5x5"),
        (np.zeros((5, 5)), "must be a bool mask 5x5"),
        (["pass"], "a pass is not a point"),
    ):
        with pytest.raises((BadBoard, BadCoordinate), match=message):
            board.score(dead)


def test_one_point_names_a_whole_dead_chain() -> None:
    board = Board.from_ascii(".X.OO\n.X...\n.X...\n.X...\n.X...", "japanese", 0)
    assert board.score(["E5"]) == board.score(["D5", "E5"]) == 20 + 2
    mask = np.zeros((5, 5), dtype=bool)
    mask[0, 3] = True
    assert board.score(mask) == 22
    assert mask.sum() == 1  # the caller's mask is left alone


def test_captures_count_under_territory() -> None:
    board = Board.from_ascii("OX.\n...\n...", "japanese", 0)
    assert board.play("A2") == 1
    assert board.score() == 7 + 1
    assert board.result() == "B+8"


def test_result_strings() -> None:
    empty = Board(5, komi=3.5)
    assert empty.result() == "W+3.5"
    empty.komi = -2
    assert (empty.result(), empty.winner()) == ("B+2", BLACK)
    empty.komi = 0
    assert (empty.result(), empty.winner(), empty.score()) == ("0", 0, 0)
    empty.white_bonus = 3
    assert empty.result() == "W+3"


@given(boards())
@settings(max_examples=60, deadline=None)
def test_colour_swap_negates_the_score(board: Board) -> None:
    """With colours exchanged and komi negated every method of counting gives the opposite score."""
    swapped = Board(board.size, board.rules, -board.komi)
    stones = board.stones().ravel()
    swapped.setup(np.flatnonzero(stones == 2).tolist(), np.flatnonzero(stones == 1).tolist())
    plain = Board(board.size, board.rules, board.komi)
    plain.setup(np.flatnonzero(stones == 1).tolist(), np.flatnonzero(stones == 2).tolist())
    assert swapped.score() == -plain.score()


# --- reading and inputs -------------------------------------------------------------------------------------------------


def test_chains_and_liberties() -> None:
    board = Board.from_ascii("XX.\n.O.\n...")
    assert board.chain("A3") == board.chain((0, 1)) == [0, 1]
    assert board.liberties("B3") == 2
    assert sorted(board.liberty_points("B3")) == [2, 3]
    assert (board.liberties("C1"), board.chain("C1"), board.liberty_points("C1")) == (0, [], [])
    assert not board.is_eye("A2", "b")


def test_pass_alive_and_ladders() -> None:
    board = Board.from_ascii(".X.X.\nXXXXX\n.....\n.....\n..O..")
    assert board.pass_alive("black")[:2].all()
    assert not board.pass_alive("white").any()
    caught = Board.from_ascii("OX...\n.....\n.....\n.....\n.....")
    assert caught.ladder_captured("A5")
    assert not caught.ladder_captured("B5")


def test_planes_and_globals() -> None:
    board = Board(9, komi=7.5)
    board.play("E5")
    for feature_set, planes in (("rich", 17), ("rich-fast", 13), ("zero17", 17), ("alphago48", 48), ("alphago49", 49)):
        for dtype in (np.float32, np.uint8):
            out = board.planes(feature_set, dtype=dtype)
            assert out.shape == (planes, 9, 9)
            assert out.dtype == dtype
    assert board.planes()[2, 4, 4] == 1  # the opponent's stone, white being to move
    corner = Board(9)
    corner.play((0, 1))
    assert corner.planes(symmetry=1)[2, 8, 1] == corner.planes(symmetry=2)[2, 0, 7] == 1
    assert corner.planes(symmetry=4)[2, 1, 0] == 1
    vector = board.globals()
    assert vector.shape == (7,)
    assert vector.dtype == np.float32
    assert vector[0] == np.float32(7.5 / 20)


def test_playouts_are_repeatable() -> None:
    board = Board(9)
    assert board.playout(seed=5) == board.playout("light", 5)
    score, actions = board.playout(seed=5)
    for action in actions:
        board.play(action)
    assert board.is_over
    assert board.area().sum() == score
    with pytest.raises(ValueError, match="softmax"):
        Board(9).playout("softmax")
