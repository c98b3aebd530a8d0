"""Time systems of GTP and its extensions, and how long to think.

A side's clock runs by what the client says (`time_left`), and by our own measurement where it says nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Final

from alphago.gtp.protocol import GtpError

LAG: Final = 0.15
"""Seconds of every move that are kept for the way to the client and back."""
_RESERVE: Final = 0.05
"""Share of the main time that is never planned with."""
_SETTLED: Final = 1.7
"""A move ends as soon as more thinking could not change it, on average after little more than half of its share: so much more
of a main time is planned than an even share."""
_FEWEST: Final = 18.0
"""The main time is never shared among fewer moves: games go on longer than expected."""
_LEAST: Final = 0.01
_OVERTIME_SHARE: Final = 0.9
SYSTEMS: Final = ("none", "absolute", "byoyomi", "canadian", "fischer", "fischer-capped")


@dataclass
class TimeSystem:
    """One of `SYSTEMS`, in seconds."""

    kind: str = "none"
    main: float = 0.0
    period: float = 0.0
    """byoyomi: of each period; canadian: of each block of stones; fischer: the increment."""
    count: int = 0
    """byoyomi: periods; canadian: stones of a block."""
    cap: float = math.inf
    """fischer-capped: the most that may be on the clock."""
    move_cap: float = math.inf
    """fischer-capped: the most that one move may take."""


@dataclass
class _Side:
    left: float = 0.0
    stones: int = 0
    """Stones (canadian) or periods (byoyomi) left; 0 while the main time runs."""


@dataclass
class Clock:
    """Both sides' time."""

    system: TimeSystem = field(default_factory=TimeSystem)
    sides: dict[int, _Side] = field(default_factory=dict)

    def set(self, system: TimeSystem) -> None:
        """A new time system, both clocks full."""
        self.system = system
        self.restart()

    def restart(self) -> None:
        """Both clocks full: a new game."""
        self.sides = {}
        for color in (1, 2):
            side = _Side(self.system.main)
            if self.system.main <= 0 and self.system.kind in ("byoyomi", "canadian"):
                side = _Side(self.system.period, self.system.count)
            if self.system.kind.startswith("fischer"):
                side.left = min(self.system.main, self.system.cap)
            self.sides[color] = side

    def time_left(self, color: int, seconds: float, stones: int) -> None:
        """What the client says: `stones` of canadian or periods of byoyomi overtime, 0 while the main time runs."""
        if self.system.kind == "none":
            # The client has a clock and never said which: a main time, or overtime of so many stones.
            self.system = TimeSystem("canadian" if stones else "absolute", seconds, seconds, stones)
            self.restart()
        elif stones and self.system.kind == "absolute":
            self.system = TimeSystem("canadian", self.system.main, seconds, stones)
        self.sides[color] = _Side(max(0.0, seconds), max(0, stones))

    def spent(self, color: int, seconds: float) -> None:
        """Our own measurement of a move."""
        system, side = self.system, self.sides.get(color)
        if system.kind == "none" or side is None:
            return
        side.left -= seconds
        if system.kind.startswith("fischer"):
            side.left = min(max(side.left, 0.0) + system.period, system.cap)
        elif system.kind == "canadian" and side.stones:
            side.stones -= 1
            if side.stones == 0:
                side.left, side.stones = system.period, system.count
        elif system.kind == "byoyomi" and side.stones:
            while side.left <= 0 and side.stones > 1:
                side.left, side.stones = side.left + system.period, side.stones - 1
            side.left = system.period
        elif side.left <= 0 and system.kind in ("byoyomi", "canadian") and system.count:
            over = -side.left
            side.left, side.stones = system.period, system.count
            if system.kind == "byoyomi" and over > system.period:
                side.stones = max(1, system.count - int(over / system.period))
            elif system.kind == "canadian":
                side.left = max(0.0, system.period - over)

    def budget(self, color: int, moves_left: float, lag: float = LAG) -> float | None:
        """Seconds for the next move; None: nothing limits it.

        Args:
            moves_left: own moves that the game may still last.
        """
        system, side = self.system, self.sides.get(color)
        if system.kind == "none" or side is None:
            return None
        left = side.left - lag
        if system.kind == "byoyomi" and side.stones:
            return max(_LEAST, min(left, system.period - lag) * _OVERTIME_SHARE)
        if system.kind == "canadian" and side.stones:
            return max(_LEAST, (side.left * _OVERTIME_SHARE) / side.stones - lag)
        share = left * (1 - _RESERVE) / max(moves_left / _SETTLED, _FEWEST)
        if system.kind == "byoyomi" and system.count:
            # Overtime is as good as an increment: the main time may be spent, at no less than a period a move.
            share = max(share, (system.period - lag) * _OVERTIME_SHARE)
        elif system.kind == "canadian" and system.count:
            share = max(share, system.period / system.count * _OVERTIME_SHARE - lag)
        elif system.kind.startswith("fischer"):
            share = min(share + system.period * _OVERTIME_SHARE, left * 0.5, system.move_cap - lag)
        # Whatever the plan, never a large part of what is left.
        if system.kind in ("absolute",):
            share = min(share, left * 0.25)
        return max(_LEAST, share)

    def extension(self, color: int, budget: float, share: float) -> float:
        """Seconds that a move may take beyond its `budget` once: a share of it, out of main time that there is enough of."""
        side = self.sides.get(color)
        if self.system.kind == "none" or side is None or side.stones:
            return 0.0
        return max(0.0, min(share * budget, side.left / 4 - budget, self.system.move_cap - budget))


def moves_to_come(size: int, stones: int) -> float:
    """Own moves that a game may still last, from the stones on the board: a game fills about four fifths of it, and then
    there are captures, passes and dame."""
    return max(12.0, (size * size * 0.9 - stones) / 2 + 4)


def from_time_settings(main: float, period: float, stones: int) -> TimeSystem:
    """GTP's `time_settings M B S`: B = 0 is absolute time, B > 0 with S = 0 no limit at all."""
    if period > 0 and stones == 0:
        return TimeSystem()
    if period <= 0:
        return TimeSystem("absolute", main) if main > 0 else TimeSystem()
    return TimeSystem("canadian", main, period, stones)


def from_words(words: list[str]) -> TimeSystem:
    """`kgs-time_settings` and `kata-time_settings`: none | absolute M | byoyomi M T N | canadian M T N | fischer M I |
    fischer-capped M I LIMIT MOVE_LIMIT (-1: no limit).

    Raises:
        GtpError: none of these.
    """
    if not words:
        raise GtpError(f"syntax error: expected a time system, one of {', '.join(SYSTEMS)}")
    kind, numbers = words[0].lower(), [number(word) for word in words[1:]]
    lengths = {"none": 0, "absolute": 1, "byoyomi": 3, "canadian": 3, "fischer": 2, "fischer-capped": 4}
    if kind not in lengths:
        raise GtpError(f"syntax error: unknown time system {words[0]}; known are {', '.join(SYSTEMS)}")
    if len(numbers) != lengths[kind]:
        raise GtpError(f"syntax error: {kind} takes {lengths[kind]} numbers, got {len(numbers)}")
    if kind == "none":
        return TimeSystem()
    if any(n < 0 for n in numbers[:2]):
        raise GtpError("syntax error: times must not be negative")
    if kind == "absolute":
        return TimeSystem("absolute", numbers[0])
    if kind in ("byoyomi", "canadian"):
        if numbers[2] < 0 or numbers[2] != int(numbers[2]):
            raise GtpError(
                f"syntax error: {kind} needs a whole number of {'periods' if kind == 'byoyomi' else 'stones'}"
            )
        if numbers[1] == 0 or numbers[2] == 0:
            return TimeSystem("absolute", numbers[0])
        return TimeSystem(kind, numbers[0], numbers[1], int(numbers[2]))
    system = TimeSystem(kind, numbers[0], numbers[1])
    if kind == "fischer-capped":
        system.cap = numbers[2] if numbers[2] >= 0 else math.inf
        system.move_cap = numbers[3] if numbers[3] >= 0 else math.inf
    return system


def number(word: str) -> float:
    """A finite number; a comma may stand for the point. Raises GtpError."""
    try:
        value = float(word.replace(",", "."))
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or not word.isascii() or "_" in word:
        raise GtpError(f"syntax error: expected a number, got {word[:40]}")
    return value
