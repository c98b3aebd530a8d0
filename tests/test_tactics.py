"""The test positions of tests/tactics: made from their drawings, legal, proved, and what engines say to them."""

from __future__ import annotations

import itertools
import random
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from alphago import _core
from alphago.go import BLACK, WHITE
from alphago.gtp.regress import Expectation, run_file
from conftest import ROOT
from tactics import build, verify
from tactics.proof import Sealed, Solver, Unproved, settled, turn
from tactics.shapes import BadShape, neighbours, read_shapes

HAS_COMPILER = any(shutil.which(name) for name in ("c++", "g++", "clang++"))
needs_compiler = pytest.mark.skipif(not HAS_COMPILER, reason="no C++ compiler for the solver")
needs_gnugo = pytest.mark.skipif(
    verify.gnugo_command() is None, reason="GNU Go is not installed (apt-get install gnugo)"
)


@pytest.fixture(scope="module")
def solver() -> Iterator[Solver]:
    with Solver() as found:
        yield found


# --- the set --------------------------------------------------------------------------------------------------------------


def test_size_of_the_set() -> None:
    """At least 100 positions, on three board sizes, in each of the categories, of both colours."""
    entries = list(verify.entries())
    assert len(entries) >= 150
    assert len({entry.name for entry in entries}) == len(entries)
    sizes = Counter(entry.position.size for entry in entries)
    assert set(sizes) == {9, 13, 19} and min(sizes.values()) >= 30
    sides = Counter(entry.position.to_play for entry in entries)
    assert min(sides[BLACK], sides[WHITE]) >= len(entries) // 3
    drawings = [shape for path in (verify.HERE / "diagrams").glob("*.txt") for shape in read_shapes(path)]
    assert len({shape.cells.tobytes() + bytes(shape.cells.shape) for shape in drawings}) >= 100
    readme = (verify.HERE / "README.md").read_text()
    for category in {entry.category for entry in entries}:
        assert f"{category} |" in readme or f"{category}, " in readme or f", {category}" in readme, category


def test_no_position_is_another_one_turned() -> None:
    """Nor with colours swapped."""
    seen: dict[tuple[bytes, int], str] = {}
    for entry in verify.entries():
        if entry.command == "final_score":
            continue  # some are finished fights of other categories, where the question is another
        stones, to_play = entry.position.stones(), entry.position.to_play
        swapped = np.where(stones > 0, 3 - stones, 0).astype(np.uint8)
        forms = [
            (turn(grid, k).tobytes(), who)
            for grid, who in ((stones, to_play), (swapped, 3 - to_play))
            for k in range(8)
        ]
        assert min(forms) not in seen, f"{entry.name} is {seen[min(forms)]}"
        seen[min(forms)] = entry.name


@needs_compiler
def test_files_are_what_the_drawings_make(solver: Solver) -> None:
    texts = build.files(build.all_problems(solver))
    present = {
        str(path.relative_to(verify.HERE)): path.read_text(encoding="utf-8")
        for path in [*verify.HERE.glob("*.tst"), *verify.HERE.glob("sgf/*.sgf")]
    }
    assert present == texts


@needs_compiler
def test_every_answer_is_proved(solver: Solver) -> None:
    problems = {entry.name: problem for entry in verify.entries() if (problem := verify.problem_with(entry, solver))}
    assert problems == {}


@needs_compiler
def test_a_wrong_answer_is_noticed(solver: Solver) -> None:
    """Each answer moved to another point of the board, and each score changed."""
    rng = random.Random(3)
    checked = 0
    for entry in verify.entries():
        if rng.random() > 0.25 or entry.expectation.pattern == "pass":
            continue
        pattern = entry.expectation.pattern
        wrong = pattern.replace(".5", "") if entry.command == "final_score" else "A1|B1" if pattern != "A1|B1" else "C1"
        expectation = Expectation(wrong, entry.expectation.negated, False)
        fake = verify.Entry(entry.category, entry.name, entry.position, entry.komi, entry.command, expectation)
        assert verify.problem_with(fake, solver) is not None, entry.name
        checked += 1
    assert checked >= 25


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name: a\n. . X\n. Z .\n", ":3: "),
        ("name: a\n. . X\n. .\n", ":3: "),
        (". . X\n", ":1: "),
        ("name: a\n", ":1: "),
    ],
)
def test_bad_drawings(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "shapes.txt"
    path.write_text(text)
    with pytest.raises(BadShape, match=said):
        read_shapes(path)


# --- the solver -----------------------------------------------------------------------------------------------------------


class Game:
    """All of 3x3 by the definition alone: no bounds, no order, no search, and the engine's own board.

    A state is stones, side to move, ko ban and passes. Black forces more than t points where he wins in the least fixed point of
    "some move of mine, every move of yours" (a repetition is no gain), in the greatest one when a repetition is his.
    """

    SIZE = 3

    def __init__(self) -> None:
        self.next: dict[tuple[bytes, int, int, int], list[tuple[bytes, int, int, int]]] = {}
        self.area: dict[bytes, int] = {}
        todo = [self.state(self.board(stones, color), 0) for stones in self.all_stones() for color in (BLACK, WHITE)]
        while todo:
            state = todo.pop()
            if state in self.next:
                continue
            self.next[state] = [] if state[3] == 2 else [after for _, after in self.moves(state)]
            todo += self.next[state]

    def all_stones(self) -> Iterator[bytes]:
        for stones in itertools.product(range(3), repeat=self.SIZE**2):
            position = _core.Position(self.SIZE, 0, False, 0, 0.0)
            black, white = ([i for i, s in enumerate(stones) if s == color] for color in (BLACK, WHITE))
            if position.setup(black, white, []) == 0:
                self.area[bytes(stones)] = int(position.area().sum(dtype=int))
                yield bytes(stones)

    def board(self, stones: bytes, to_play: int) -> _core.Position:
        position = _core.Position(self.SIZE, 0, False, 0, 0.0)
        black, white = ([i for i, s in enumerate(stones) if s == color] for color in (BLACK, WHITE))
        assert position.setup(black, white, []) == 0
        position.to_play = to_play
        return position

    @staticmethod
    def state(position: _core.Position, passes: int) -> tuple[bytes, int, int, int]:
        return position.stones().tobytes(), position.to_play, position.ko_point, passes

    def moves(self, state: tuple[bytes, int, int, int]) -> Iterator[tuple[int, tuple[bytes, int, int, int]]]:
        stones, turn_, ko, passes = state
        for move in range(self.SIZE**2):
            position = self.board(stones, turn_)
            if move != ko and position.try_play(move) >= 0:
                yield move, self.state(position, 0)
        yield self.SIZE**2, (stones, 3 - turn_, -1, 0 if ko >= 0 else passes + 1)

    def starts(self, stones: bytes, to_play: int) -> Iterator[tuple[int, tuple[bytes, int, int, int]]]:
        """Each move with the state that it leads to; a first pass does not count as one."""
        for move, after in self.moves((stones, to_play, -1, 0)):
            yield move, (*after[:3], 0)

    def wins(self, threshold: int, repeat_wins: bool) -> dict[tuple[bytes, int, int, int], bool]:
        value = {
            state: self.area[state[0]] > threshold if not after else repeat_wins for state, after in self.next.items()
        }
        changed = True
        while changed:
            changed = False
            for state, after in self.next.items():
                if after and value[state] == repeat_wins:
                    best = (any if state[1] == BLACK else all)(value[one] for one in after)
                    if best != value[state]:
                        value[state] = best
                        changed = True
        return value


@needs_compiler
def test_the_solver_agrees_with_the_whole_game(solver: Solver) -> None:
    """Positions of 3x3 with up to 3 free points: every move, at two thresholds."""
    game = Game()
    nothing = np.zeros((3, 3), dtype=np.bool_)
    starts = [stones for stones in game.area if stones.count(0) <= 3]
    rng = random.Random(5)
    compared = 0
    refused: Counter[str] = Counter()
    for threshold in (-3, 2):
        lost, won = game.wins(threshold, False), game.wins(threshold, True)
        asked = [
            (stones, to_play, {move: {lost[start], won[start]} for move, start in game.starts(stones, to_play)})
            for stones, to_play in zip(rng.sample(starts, 2_000), rng.choices((BLACK, WHITE), k=2_000), strict=True)
        ]
        turning = [one for one in asked if any(len(found) == 2 for found in one[2].values())]
        for stones, to_play, expected in asked[:100] + turning[:20]:
            sealed = Sealed(game.board(stones, to_play).stones(), ~nothing, nothing)
            try:
                answers = solver._ask(sealed.line(to_play, str(threshold), 6_000))
            except Unproved as error:
                refused[str(error)] += 1
                assert str(error) == "too-large" or any(len(found) == 2 for found in expected.values())
                continue
            assert {move: {bool(answer)} for move, answer in answers.items()} == expected
            compared += 1
    assert compared > 50 and refused["repetition"] > 0


@needs_compiler
def test_bad_input_of_the_solver(solver: Solver) -> None:
    for line in ("", "x", "2 ..", "2 ../.. 1", "2 ../... 1 10 values", "2 ../.. 1 10 what"):
        with pytest.raises(Unproved, match="bad-input"):
            solver._ask(line + "\n")


def test_settled_points_stay() -> None:
    """Nothing that a hundred random games from the positions do takes a settled point away."""
    rng = np.random.default_rng(9)
    for entry in random.Random(4).sample(list(verify.entries()), 12):
        position = entry.position
        for color in (BLACK, WHITE):
            sure = settled(position, color)
            board = position.copy()
            stones = board.stones() == color
            for _ in range(200):
                # `color` passes for ever; the other side plays where it likes
                board.to_play = 3 - color
                moves = np.flatnonzero(board.legal_mask())[:-1]
                if not len(moves):
                    break
                board.try_play(int(rng.choice(moves)))
            living = position.pass_alive(color) & stones
            assert (board.stones()[living] == color).all(), entry.name
            assert not (sure & settled(position, 3 - color)).any()


def test_neighbours() -> None:
    assert neighbours(0, 0, 9) == [(1, 0), (0, 1)]
    assert len(neighbours(4, 4, 9)) == 4


# --- what engines say -----------------------------------------------------------------------------------------------------


@needs_gnugo
def test_gnugo_on_scores_and_full_boards() -> None:
    """GNU Go agrees with every score, every pass, every neutral point, and leaves every seki alone."""
    paths = [verify.HERE / f"{name}.tst" for name in ("scoring", "pass", "dame", "seki")]
    assert [lines for lines in verify.gnugo_failures(paths).values() if lines] == []


@needs_gnugo
@pytest.mark.slow
def test_gnugo_on_all() -> None:
    """A second opinion: at least nine in ten."""
    failures = verify.gnugo_failures(verify.test_files())
    total = sum(1 for _ in verify.entries())
    assert sum(len(lines) for lines in failures.values()) <= total // 10


@pytest.mark.slow
def test_our_bot_at_a_second_a_move() -> None:
    command = [sys.executable, "-m", "alphago.cli", "gtp", "--time", "1s"]
    results = [result for path in verify.test_files() for result in run_file(path, command)]
    wrong = [
        f"{result.line.command} {result.line.expectation}: {result.answer}"
        for result in results
        if result.outcome == "fail"
    ]
    assert len(wrong) <= len(results) // 10, wrong


@pytest.mark.slow
@needs_compiler
def test_verify_as_a_program() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tactics.verify"],
        cwd=ROOT / "tests",
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0 and done.stderr == ""
    assert done.stdout.splitlines()[-1].startswith("all ")
