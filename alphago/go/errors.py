"""Named exceptions of the library. Every one is a ValueError whose text is one clear line: what, where, what would be right."""

from typing import Final

from alphago.errors import AlphaGoError as AlphaGoError

ILLEGAL_REASONS: Final = ("occupied", "suicide", "ko", "superko", "off board")
"""Reasons of `IllegalMove`, in the order of the core's legality codes 1 to 5."""

_COLOR_NAMES: Final = {1: "black", 2: "white"}


class BadCoordinate(AlphaGoError):
    """Text or numbers that do not name a point of the board or a pass."""


class OffBoard(BadCoordinate):
    """A well-formed coordinate that lies outside the board."""


class BadColor(AlphaGoError):
    """Something else than 1, 2, "b", "w", "black" or "white"."""


class BadBoard(AlphaGoError):
    """A board size, diagram, set-up or handicap that cannot be."""


class BadRules(AlphaGoError):
    """An unknown ruleset, a field with an impossible value, or a komi that is not a finite number in -1000..1000."""


class IllegalMove(AlphaGoError):
    """A move that the rules forbid.

    Attributes:
        move: the move as text: a GTP vertex where there is one ("D4"), else what the caller gave.
        color: 1 black, 2 white.
        reason: "occupied", "suicide", "ko", "superko" or "off board".
    """

    def __init__(self, move: str, color: int, reason: str) -> None:
        super().__init__(move, color, reason)  # the three arguments, so that the exception survives pickling
        self.move = move
        self.color = color
        self.reason = reason

    def __str__(self) -> str:
        return f"illegal move {_COLOR_NAMES.get(self.color, '?')} {self.move}: {_EXPLANATIONS[self.reason]}"


_EXPLANATIONS: Final = {
    "occupied": "the point is occupied",
    "suicide": "suicide (the chain would have no liberty)",
    "ko": "ko (it would retake the ko at once)",
    "superko": "superko (it would repeat an earlier position)",
    "off board": "off board",
}
