"""Verifies the committed positions and answers, from the `.tst` and `.sgf` files alone.

    cd tests && python -m tactics.verify              # the solver; seconds
    cd tests && python -m tactics.verify --gnugo      # and what GNU Go 3.8 answers at level 10; a minute

- Sealed fights: `solver.cpp` tries every line. The answers have to be exactly the moves that win with the file's komi (or, where
  passing wins too, the moves that are ruled out exactly those that lose).
- Finished positions: the same solver finds that neither side can gain, and what the score is.
- Full boards with two eyes a group: whatever is not a pass is answered by the capture of the whole group.
- Ladders on open boards, too large for any solver: the exact ladder reader of `tests/reference` finds the move, and GNU Go
  chooses it.
"""

from __future__ import annotations

import shutil
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from alphago import _core
from alphago.go import BLACK, WHITE, action_to_gtp, gtp_to_action
from alphago.gtp.regress import Expectation, read_tests, run_file
from tactics.proof import Solver, Unproved, seal

HERE: Final = Path(__file__).parent
GNUGO: Final = "--mode gtp --quiet --level 10 --chinese-rules --seed 1"
OPEN: Final = "open-ladder"
"""The category that GNU Go has to verify."""


@dataclass(frozen=True)
class Entry:
    """One test as the files have it."""

    category: str
    name: str
    position: _core.Position
    komi: float
    command: str
    expectation: Expectation

    @property
    def points(self) -> set[int]:
        """Actions that the pattern names."""
        words = [word for word in self.expectation.pattern.split("|") if word != "resign"]
        return {gtp_to_action(word, self.position.size) for word in words}


def gnugo_command() -> str | None:
    """Command line of GNU Go as it verifies; None where it is not installed."""
    program = shutil.which("gnugo") or shutil.which("gnugo", path="/usr/games")
    return program and f"{program} {GNUGO}"


def test_files() -> list[Path]:
    """The `.tst` files, by name."""
    return sorted(HERE.glob("*.tst"))


def entries() -> Iterator[Entry]:
    """Every test of the set. Raises ValueError where a file is not what `tactics.build` writes."""
    for path in test_files():
        record = ""
        for line in read_tests(path):
            words = line.command.split()
            if words[0] == "loadsgf":
                record = words[1]
            elif line.expectation is not None:
                position, komi = load(path.parent / record)
                if words[0] == "reg_genmove" and words[1] != ("black" if position.to_play == BLACK else "white"):
                    raise ValueError(f"{path}:{line.number}: not the side to move of {record}")
                yield Entry(path.stem, Path(record).stem, position, komi, words[0], line.expectation)


def load(path: Path) -> tuple[_core.Position, float]:
    """The position of a record without moves (simple ko, no suicide, area scoring), and its komi."""
    from sgfmill import sgf

    game = sgf.Sgf_game.from_bytes(path.read_bytes())
    root, size = game.get_root(), game.get_size()
    if len(game.get_main_sequence()) != 1 or root.get("RU") != "Chinese":
        raise ValueError(f"{path}: expected a position under Chinese rules and no moves")
    black, white, empty = root.get_setup_stones()
    actions = [[(size - 1 - r) * size + c for r, c in sorted(points)] for points in (black, white)]
    position = _core.Position(size, 0, False, 0, game.get_komi())
    if empty or position.setup(actions[0], actions[1], []):
        raise ValueError(f"{path}: a chain without liberty")
    position.to_play = BLACK if root.get("PL") == "b" else WHITE
    return position, game.get_komi()


def problem_with(entry: Entry, solver: Solver) -> str | None:
    """What is wrong with a test; None when its answer is proved (or, on an open board, read)."""
    try:
        if entry.command == "final_score":
            return _wrong_score(entry, solver)
        if entry.category == OPEN:
            return _wrong_ladder(entry)
        if entry.expectation.pattern == "pass":
            return _wrong_pass(entry.position)
        return _wrong_move(entry, solver)
    except Unproved as error:
        return f"not proved: {error}"


def _wrong_move(entry: Entry, solver: Solver) -> str | None:
    size = entry.position.size
    wins, losses = solver.winning(seal(entry.position), entry.position.to_play, entry.komi)
    right = losses if entry.expectation.negated else wins
    if (size * size in wins) != entry.expectation.negated:
        return "a pass wins just as well" if size * size in wins else "a pass loses"
    if not right or right != entry.points:
        names = " ".join(sorted(action_to_gtp(a, size) for a in right))
        return f"{'losing' if entry.expectation.negated else 'winning'} are {names or 'none'}"
    return None


def _wrong_score(entry: Entry, solver: Solver) -> str | None:
    sealed = seal(entry.position)
    scores = {sealed.lead_outside}
    if sealed.region.any():
        scores = set()
        for to_play, best in ((BLACK, max), (WHITE, min)):
            values = solver.values(sealed, to_play)
            scores |= {best(values.values()), values[entry.position.size**2]}
    if len(scores) != 1:
        return "not finished: somebody can gain by a move"
    score = scores.pop() - entry.komi
    text = f"{'B' if score > 0 else 'W'}+{abs(score)}"
    return None if entry.expectation.holds(text) else f"the score is {text}"


def _wrong_pass(position: _core.Position) -> str | None:
    size = position.size
    moves = np.flatnonzero(position.legal_mask())[:-1].tolist()
    for move in moves:
        after = position.copy()
        after.try_play(move)
        group = after.chain(move)
        answers = np.flatnonzero(after.legal_mask())[:-1].tolist()
        if max((after.copy().try_play(answer) for answer in answers), default=0) < len(group):
            return f"{action_to_gtp(move, size)} is not answered by the capture of its group"
    return None if moves else "no move but a pass is legal"


def _wrong_ladder(entry: Entry) -> str | None:
    position = entry.position
    found = np.flatnonzero(position.ladder_moves()[0] | position.ladder_moves()[1])
    missed = entry.points - set(found.tolist())
    return (
        f"{', '.join(action_to_gtp(a, position.size) for a in missed)}: no ladder is won or escaped so"
        if missed
        else None
    )


def gnugo_failures(paths: list[Path]) -> dict[Path, list[str]]:
    """Tests that GNU Go answers otherwise. Of each file: the lines that say so."""
    command = gnugo_command()
    if command is None:
        raise FileNotFoundError("GNU Go is not installed")
    failures: dict[Path, list[str]] = {}
    for path in paths:
        failures[path] = []
        for result in run_file(path, command):
            if result.outcome != "pass":
                line = f"{result.line.id} {result.line.command}: {result.line.expectation}, GNU Go: {result.answer}"
                failures[path].append(line)
    return failures


def main() -> None:
    """Print what is wrong, and a table."""
    total: Counter[str] = Counter()
    wrong: Counter[str] = Counter()
    with Solver() as solver:
        for entry in entries():
            total[entry.category] += 1
            problem = problem_with(entry, solver)
            if problem:
                wrong[entry.category] += 1
                print(f"{entry.name} {entry.expectation}: {problem}")
    failures = gnugo_failures(test_files()) if "--gnugo" in sys.argv else {}
    for path, lines in failures.items():
        for line in lines:
            print(f"{path.name}: {line}")
    gnugo = {path.stem: len(lines) for path, lines in failures.items()}
    print(f"{'category':<14}{'tests':>7}{'proved or read':>16}" + f"{'GNU Go agrees':>15}" * bool(gnugo))
    for category in [*total, "all"]:
        count = total[category] if category in total else total.total()
        bad = wrong[category] if category in total else wrong.total()
        row = f"{category:<14}{count:>7}{count - bad:>16}"
        if gnugo:
            row += f"{count - (gnugo[category] if category in gnugo else sum(gnugo.values())):>15}"
        print(row)
    undecided = sum(len(lines) for path, lines in failures.items() if path.stem == OPEN)
    sys.exit(1 if wrong or undecided else 0)


if __name__ == "__main__":
    main()
