"""Writes the test positions: `sgf/*.sgf` and one `.tst` file a category, from `diagrams/*.txt`.

    cd tests && python -m tactics.build

Answers of sealed fights are found by the exhaustive solver; a drawing without one is an error. Every position is then turned by
one of the 8 symmetries and may have its colours swapped, as its name decides, so that no corner and no colour is special.
"""

from __future__ import annotations

import dataclasses
import itertools
import sys
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from alphago import _core
from alphago.go import BLACK, WHITE, action_to_gtp, color_name
from tactics.proof import Sealed, Solver, Unproved, seal, turn
from tactics.shapes import BadShape, Shape, embed, fill, lands, read_shapes

HERE: Final = Path(__file__).parent
USUAL_KOMI: Final = 7.0
SIMPLE_KO: Final = 0


@dataclass(frozen=True)
class Problem:
    """One test.

    Attributes:
        stones: uint8 [size, size].
        komi: such that the right moves win and the others lose.
        pattern: what `reg_genmove` (or `final_score`) has to answer.
    """

    name: str
    category: str
    idea: str
    stones: NDArray[np.uint8]
    to_play: int
    komi: float
    pattern: str
    command: str = "reg_genmove"

    @property
    def size(self) -> int:
        """Of the board."""
        return int(self.stones.shape[0])

    def sgf(self) -> str:
        """The position as a game record without moves."""
        size = self.stones.shape[0]

        def points(color: int) -> str:
            return "".join(f"[{chr(97 + c)}{chr(97 + r)}]" for r, c in np.argwhere(self.stones == color).tolist())

        setup = "".join(f"\nA{letter}{points(color)}" for letter, color in (("B", BLACK), ("W", WHITE)))
        turn = "B" if self.to_play == BLACK else "W"
        return f"(;FF[4]GM[1]CA[UTF-8]SZ[{size}]RU[Chinese]KM[{self.komi:g}]GN[{self.name}]{setup}\nPL[{turn}])\n"

    def test(self, number: int) -> str:
        """Its lines in the test file."""
        command = f"reg_genmove {color_name(self.to_play)}" if self.command == "reg_genmove" else self.command
        return f"# {self.idea}\nloadsgf sgf/{self.name}.sgf\n{number} {command}\n#? [{self.pattern}]\n"


def position(stones: NDArray[np.int8] | NDArray[np.uint8], to_play: int = BLACK) -> _core.Position:
    """The position of a whole board: simple ko, no suicide, area scoring. Raises ValueError when a chain has no liberty."""
    board = _core.Position(stones.shape[0], SIMPLE_KO, False, 0, 0.0)
    if board.setup(np.flatnonzero(stones == BLACK).tolist(), np.flatnonzero(stones == WHITE).tolist(), []):
        raise ValueError("a chain without liberty")
    board.to_play = to_play
    return board


def settings(shape: Shape) -> Iterator[tuple[NDArray[np.int8], Sealed]]:
    """Whole boards for a drawing in which nothing but the drawing is unsettled."""
    drawn = embed(shape)
    seen = set()
    phases = list(itertools.product(range(3), range(4)))
    for land in lands(drawn):
        for width, phase in itertools.product((3, 2, 1), phases):
            board = fill(drawn, land, width, phase)
            if board.tobytes() in seen:
                continue
            seen.add(board.tobytes())
            try:
                sealed = seal(position(board))
            except (Unproved, ValueError):
                continue
            if not (sealed.region & (drawn < 0)).any():
                yield board, sealed
                break  # the other fillings of this land differ in nothing that matters


def problems(shape: Shape, solver: Solver) -> Iterator[Problem]:
    """The tests that a sealed fight gives: one for each side that has something to find.

    Raises:
        BadShape: it cannot be sealed, or a side has nothing to find.
        Unproved: the solver has no answer.
    """
    choices = list(settings(shape))
    if not choices:
        raise BadShape(f"{shape.category}/{shape.name}: cannot be sealed")
    board, sealed = choices[0]
    if shape.options.get("command") == "final_score":
        yield finished(shape, *min(choices, key=lambda pair: abs(pair[1].lead_outside - USUAL_KOMI)), solver)
        return
    for letter in shape.play:
        to_play = "XO".index(letter) + 1
        sign = 1 if to_play == BLACK else -1
        try:
            if shape.options.get("against") == "pass":  # where the values of all moves would take too long
                second = solver.value_of_pass(sealed, to_play)
                wins, losses = solver.winning(sealed, to_play, second + sign * 0.5)
            else:
                values = solver.values(sealed, to_play)
                best = sign * max(sign * value for value in values.values())
                wins = {action for action, value in values.items() if value == best}
                losses = set(values) - wins
                second = sign * max((sign * values[action] for action in losses), default=0)
        except Unproved as error:
            raise Unproved(f"{shape.category}/{shape.name}, {letter}: {error}") from None
        if not wins or not losses:
            raise BadShape(f"{shape.category}/{shape.name}: nothing to find for {letter}")
        komi = second + sign * 0.5  # whatever gains more than the second best move wins
        board, other = min(
            choices, key=lambda pair: abs(komi + pair[1].lead_outside - sealed.lead_outside - USUAL_KOMI)
        )
        komi += other.lead_outside - sealed.lead_outside
        yield turned(shape, board, to_play, komi, wins, losses)


def finished(shape: Shape, board: NDArray[np.int8], sealed: Sealed, solver: Solver) -> Problem:
    """A position in which neither side can gain by a move, and its score.

    Raises:
        BadShape: a side can.
    """
    size = shape.size
    scores = set()
    for to_play in (BLACK, WHITE):
        if not sealed.region.any():
            scores.add(sealed.lead_outside)
            continue
        values = solver.values(sealed, to_play)
        scores |= {values[size * size], (max if to_play == BLACK else min)(values.values())}
    if len(scores) != 1:
        raise BadShape(f"{shape.category}/{shape.name}: not finished")
    problem = turned(shape, board, BLACK, 0.0, set(), set())
    # The colours may have been swapped with the side to move.
    komi = USUAL_KOMI + 0.5
    score = scores.pop() * (1 if problem.to_play == BLACK else -1) - komi
    pattern = f"{'B' if score > 0 else 'W'}\\+{abs(score)}"
    name = problem.name.removesuffix("-x")
    return dataclasses.replace(problem, name=name, komi=komi, pattern=pattern, command="final_score")


def turned(
    shape: Shape, board: NDArray[np.int8], to_play: int, komi: float, wins: set[int], losses: set[int]
) -> Problem:
    """The test in the symmetry and the colours that its name decides."""
    size = shape.size
    name = f"{shape.category}-{shape.name}-{'XO'[to_play - 1].lower()}"
    draw = zlib.crc32(name.encode())
    symmetry, swap = draw % 8, draw // 8 % 2

    stones = turn(board.astype(np.int64), symmetry)
    place = turn(np.arange(size * size).reshape(size, size), symmetry)
    new = {int(old): i for i, old in enumerate(place.ravel().tolist())} | {size * size: size * size}
    if swap:
        stones, to_play, komi = np.where(stones > 0, 3 - stones, 0), 3 - to_play, -komi
    passes = size * size in wins
    listed = sorted(new[action] for action in (losses if passes else wins))
    words = [action_to_gtp(action, size) for action in listed]
    return Problem(
        name=name,
        category=shape.category,
        idea=f"{shape.name}: {shape.options.get('idea', '')}".rstrip(": "),
        stones=stones.astype(np.uint8),
        to_play=to_play,
        komi=komi,
        pattern="!" + "|".join([*words, "resign"]) if passes else "|".join(words),
    )


def given(shape: Shape) -> Problem:
    """A test whose answer stands in its header, for others to verify: whole boards that no solver can exhaust, and scores."""
    options = shape.options
    stones = shape.cells.astype(np.uint8)
    if (shape.cells < 0).any() or stones.shape != (shape.size, shape.size):
        raise BadShape(f"{shape.category}/{shape.name}: an open position is drawn as a whole")
    return Problem(
        name=f"{shape.category}-{shape.name}",
        category=shape.category,
        idea=f"{shape.name}: {options.get('idea', '')}".rstrip(": "),
        stones=stones,
        to_play=BLACK if shape.play[:1] == "X" else WHITE,
        komi=float(options.get("komi", "7.5")),
        pattern=options["answer"].replace(" ", "|"),
        command=options.get("command", "reg_genmove"),
    )


def all_problems(solver: Solver) -> list[Problem]:
    """Every test, in the order of the drawings. Raises BadShape with all that is wrong."""
    found: list[Problem] = []
    wrong: list[str] = []
    for path in sorted((HERE / "diagrams").glob("*.txt")):
        for shape in read_shapes(path):
            try:
                found += [given(shape)] if "answer" in shape.options else problems(shape, solver)
            except (BadShape, Unproved) as error:
                wrong.append(str(error))
    if wrong:
        raise BadShape("; ".join(wrong))
    names = [problem.name for problem in found]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise BadShape(f"two drawings of the same name: {', '.join(sorted(twice))}")
    return found


def files(found: list[Problem]) -> dict[str, str]:
    """Every file, by its name below this folder."""
    texts = {f"sgf/{problem.name}.sgf": problem.sgf() for problem in found}
    for category, group in itertools.groupby(found, key=lambda problem: problem.category):
        tests = [problem.test(10 * i) for i, problem in enumerate(group, 1)]
        texts[f"{category}.tst"] = f"# Made by tactics/build.py from diagrams/{category}.txt.\n\n" + "\n".join(tests)
    return texts


def main() -> None:
    """Write the files and remove those that no drawing makes any more."""
    try:
        with Solver() as solver:
            texts = files(all_problems(solver))
    except BadShape as error:
        sys.exit(str(error).replace("; ", "\n"))
    (HERE / "sgf").mkdir(exist_ok=True)
    for old in [*(HERE / "sgf").glob("*.sgf"), *HERE.glob("*.tst")]:
        if str(old.relative_to(HERE)) not in texts:
            old.unlink()
    for name, text in texts.items():
        (HERE / name).write_text(text, encoding="utf-8")
    print(f"{sum(name.endswith('.sgf') for name in texts)} positions", file=sys.stderr)


if __name__ == "__main__":
    main()
