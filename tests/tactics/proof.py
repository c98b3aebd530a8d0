"""Runs the exhaustive solver (`solver.cpp`) on positions: finds the region of a fight, checks that it is sealed, asks.

What is settled is said by `settled`, from Benson's pass-alive chains of the engine's core; the search itself is the solver's.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from alphago import _core
from alphago.go import BLACK, WHITE, action_to_gtp
from tactics.shapes import neighbours

_T = TypeVar("_T", bound=np.generic)

LIMIT: Final = 3_000_000
"""States of one question: seconds, and less than a GiB."""


class Unproved(Exception):
    """The solver has no answer: the position is not sealed, too large, or hangs on a repetition."""


@dataclass(frozen=True)
class Sealed:
    """A position that is settled but for a region.

    Attributes:
        stones: uint8 [size, size].
        region: bool [size, size]; what is not settled.
        black: bool [size, size]; settled for black. What is neither is white's.
    """

    stones: NDArray[np.uint8]
    region: NDArray[np.bool_]
    black: NDArray[np.bool_]

    @property
    def lead_outside(self) -> int:
        """Points of black minus points of white outside the region."""
        size: int = self.stones.shape[0]
        return 2 * int(self.black.sum()) - (size * size - int(self.region.sum()))

    def line(self, to_play: int, wanted: str, limit: int = LIMIT) -> str:
        """The solver's input."""
        size = self.stones.shape[0]
        rows = [
            "".join(
                ".XO"[self.stones[r, c]] if self.region[r, c] else "b" if self.black[r, c] else "w" for c in range(size)
            )
            for r in range(size)
        ]
        return f"{size} {'/'.join(rows)} {to_play} {limit} {wanted}\n"


def settled(position: _core.Position, color: int) -> NDArray[np.bool_]:
    """Points that are of `color` at the end whatever is played: bool [size, size].

    Pass-alive stones, and every area that they enclose where the other side cannot have two eyes (the comment in solver.cpp
    says why that is enough).
    """
    own = position.pass_alive(color) & (position.stones() == color)
    out: NDArray[np.bool_] = own.copy()
    if not own.any():
        return out
    seen = own.copy()
    size = position.size
    for r, c in np.argwhere(~own).tolist():
        if seen[r, c]:
            continue
        seen[r, c] = True
        area, todo = [], [(r, c)]
        while todo:
            point = todo.pop()
            area.append(point)
            for near in neighbours(*point, size):
                if not seen[near]:
                    seen[near] = True
                    todo.append(near)
        eyes = [point for point in area if not any(own[near] for near in neighbours(*point, size))]
        if len(eyes) < 2 or (len(eyes) == 2 and eyes[1] in neighbours(*eyes[0], size)):
            for point in area:
                out[point] = True
    return out


def seal(position: _core.Position) -> Sealed:
    """The region of a position's fight.

    Raises:
        Unproved: the region touches a point outside that is no living stone.
    """
    black, white = settled(position, BLACK), settled(position, WHITE)
    region = ~(black | white)
    stones = position.stones()
    living = (position.pass_alive(BLACK) & (stones == BLACK)) | (position.pass_alive(WHITE) & (stones == WHITE))
    for r, c in np.argwhere(region).tolist():
        for near in neighbours(r, c, position.size):
            if not region[near] and not living[near]:
                name = action_to_gtp(near[0] * position.size + near[1], position.size)
                raise Unproved(f"{name} borders the fight and is no living stone")
    return Sealed(stones, region, black)


def turn(grid: NDArray[_T], symmetry: int) -> NDArray[_T]:
    """A square grid in one of its 8 symmetries; 0 is itself."""
    turned = np.rot90(grid, symmetry % 4)
    return np.ascontiguousarray(np.fliplr(turned) if symmetry >= 4 else turned)


class Solver:
    """The compiled solver, answering one question after the other. A context manager."""

    def __init__(self) -> None:
        compiler = shutil.which("c++") or shutil.which("g++") or shutil.which("clang++")
        if compiler is None:
            raise Unproved("no C++ compiler")
        self._folder = tempfile.TemporaryDirectory()
        program = Path(self._folder.name) / "solver"
        source = Path(__file__).parent / "solver.cpp"
        subprocess.run([compiler, "-O2", "-std=c++20", str(source), "-o", str(program)], check=True, timeout=300)
        self._process = subprocess.Popen([str(program)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __enter__(self) -> Solver:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()
        self._folder.cleanup()

    def values(self, sealed: Sealed, to_play: int) -> dict[int, int]:
        """Area (black - white) that best play leads to after each legal move of the region, and after a pass. Raises Unproved."""
        return self._ask(sealed.line(to_play, "values"))

    def value_of_pass(self, sealed: Sealed, to_play: int) -> int:
        """Area (black - white) that best play leads to after a pass. Raises Unproved."""
        return next(iter(self._ask(sealed.line(to_play, "pass")).values()))

    def winning(self, sealed: Sealed, to_play: int, komi: float) -> tuple[set[int], set[int]]:
        """The moves that win and those that do not, of the region and a pass. Raises Unproved."""
        threshold = int(np.floor(komi))  # black wins with more area than that; a whole komi counts a draw as white's
        answers = self._in_some_symmetry(sealed, to_play, str(threshold))
        wins = {action for action, black_wins in answers.items() if bool(black_wins) == (to_play == BLACK)}
        return wins, set(answers) - wins

    def _in_some_symmetry(self, sealed: Sealed, to_play: int, wanted: str) -> dict[int, int]:
        """The answers in the first symmetry in which they do not take too long: the order of the moves decides that."""
        size = sealed.stones.shape[0]
        places = np.arange(size * size).reshape(size, size)
        for symmetry in range(8):
            place = turn(places, symmetry)
            one = Sealed(turn(sealed.stones, symmetry), turn(sealed.region, symmetry), turn(sealed.black, symmetry))
            try:
                answers = self._ask(one.line(to_play, wanted, LIMIT // 4 if symmetry < 7 else LIMIT))
            except Unproved as error:
                if str(error) != "too-large" or symmetry == 7:
                    raise
                continue
            old = [*place.ravel().tolist(), size * size]
            return {old[action]: answer for action, answer in answers.items()}
        raise AssertionError("the loop returns or raises")

    def _ask(self, line: str) -> dict[int, int]:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(line)
        self._process.stdin.flush()
        words = self._process.stdout.readline().split()
        if not words or words[0] != "states":
            raise Unproved(" ".join(words) or "the solver has ended")
        return {int(action): int(answer) for action, answer in (word.split(":") for word in words[2:])}
