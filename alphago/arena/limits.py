"""How long engines may think, and the referee's clock, which alone decides who lost on time."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Final

from alphago.errors import AlphaGoError

GRACE: Final = 0.5
"""Seconds beyond its time after which a side has lost: what pipes, a busy machine and an engine's last step may cost."""
REPLY_SECONDS: Final = 120.0
"""Time of a move that no clock limits; an engine that takes longer hangs."""

_UNITS: Final = {"ms": 0.001, "s": 1.0, "": 1.0, "m": 60.0, "h": 3600.0}
_DURATION: Final = r"(\d+(?:\.\d*)?|\.\d+)(ms|s|m|h|)"
_TIME: Final = re.compile(rf"{_DURATION}(?:\+{_DURATION})?(/game)?")
_LONGEST: Final = 7 * 86400.0


class BadLimits(AlphaGoError):
    """A time that cannot be; the message says what would be right."""


@dataclass(frozen=True)
class Limits:
    """Thinking time of both sides."""

    kind: str = "none"
    """ "none", "move" (so long for every move) or "game" (for all moves together, with `increment` after each)."""
    seconds: float = 0.0
    increment: float = 0.0
    grace: float = GRACE

    @classmethod
    def parse(cls, text: str | None, grace: float = GRACE) -> Limits:
        """`1s`, `500ms`, `2m` (each move), `5m/game`, `60s+1s/game` (whole game, and after each move); None: no clock.

        Raises:
            BadLimits: none of these, or no time at all.
        """
        if not (math.isfinite(grace) and 0 <= grace <= 60):
            raise BadLimits(f"the grace is 0 to 60 seconds, got {grace:g}")
        if text is None:
            return cls(grace=grace)
        match = _TIME.fullmatch(text.strip().lower())
        if match is None:
            raise BadLimits(
                f"bad time {text!r}: expected such as 1s or 500ms (a move), 5m/game or 60s+1s/game (whole game)"
            )
        seconds = float(match[1]) * _UNITS[match[2]]
        increment = float(match[3]) * _UNITS[match[4]] if match[3] else 0.0
        if match[3] and not match[5]:
            raise BadLimits(f"bad time {text!r}: an increment belongs to a whole game's time, such as {text}/game")
        if not 0.001 <= seconds <= _LONGEST or increment > _LONGEST:
            raise BadLimits(f"bad time {text!r}: expected a millisecond to seven days")
        return cls("game" if match[5] else "move", seconds, increment, grace)

    def __str__(self) -> str:
        if self.kind == "none":
            return "no clock"
        if self.kind == "move":
            return f"{self.seconds:g} s a move"
        return f"{self.seconds:g} s a game" + (f" + {self.increment:g} s a move" if self.increment else "")


@dataclass(frozen=True)
class Turn:
    """What the side to move may use now, in seconds."""

    move: float | None
    """For this move, under a clock a move."""
    left: float | None
    """Of the whole game, under a game's clock."""
    increment: float
    timeout: float
    """After which the side has lost."""


class SideClock:
    """One side's clock in one game, run by the referee's own measurements."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.left = limits.seconds
        self.used = 0.0
        """Seconds of all moves together."""

    def turn(self) -> Turn:
        """What the next move may use."""
        limits = self.limits
        if limits.kind == "none":
            return Turn(None, None, 0.0, REPLY_SECONDS)
        if limits.kind == "move":
            return Turn(limits.seconds, None, 0.0, limits.seconds + limits.grace)
        return Turn(None, self.left, limits.increment, self.left + limits.grace)

    def spend(self, seconds: float) -> bool:
        """Count a move's time. False: it has lost on time."""
        self.used += seconds
        limits = self.limits
        if limits.kind == "none":
            return seconds <= REPLY_SECONDS
        if limits.kind == "move":
            return seconds <= limits.seconds + limits.grace
        in_time = seconds <= self.left + limits.grace
        self.left = max(0.0, self.left - seconds) + limits.increment
        return in_time


def share_of_game(turn: Turn, size: int, stones: int) -> float:
    """Seconds that one of our bots plans for a move under a game's clock: an even share of what is left, never over a quarter.

    Args:
        stones: on the board; a game fills about nine tenths of it.
    """
    assert turn.left is not None
    moves_left = max(12.0, (size * size * 0.9 - stones) / 2 + 4)
    return max(0.01, min(turn.left * 0.95 / moves_left + 0.9 * turn.increment, turn.left * 0.25))
