"""One game under a referee who trusts nobody: our own board says what is legal and who has won, our own clock who was in time.

Whatever an engine does wrong loses it that game and is named: an illegal move, a crash, a time-out, an answer that is no move, a
refusal of the opponent's legal move.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from alphago import _core
from alphago.arena.client import EngineError, EngineTimedOut
from alphago.arena.engines import RESIGN, Engine
from alphago.arena.limits import Limits, SideClock
from alphago.arena.symmetry import game_key
from alphago.go import BLACK, WHITE, Board, action_to_gtp, color_name
from alphago.search.status import status

SCORINGS: Final = ("playout", "tromp-taylor")
FORFEITS: Final = ("crash", "garbled", "illegal", "refused")
"""Reasons that are an engine's fault; "time" is another."""
_PLAYOUTS: Final = 256
REASONS: Final = ("passes", "resign", "max_moves", "time", *FORFEITS)


@dataclass(frozen=True)
class GameRecord:
    """A finished game of a match."""

    index: int
    """Games 2k and 2k + 1 are pair k: one opening, colours swapped."""
    black: int
    """Side that has black: 0 the match's first, 1 its second."""
    opening: int
    """Moves at the beginning that no engine has chosen."""
    moves: list[tuple[int, int]]
    """(color, action)."""
    winner: int
    """1 black, 2 white, 0 a draw."""
    score: float | None
    """Black's points minus white's, komi counted; None unless the game was played to its end."""
    reason: str
    """How it ended: one of `REASONS`."""
    message: str
    """What an engine did wrong, or nothing."""
    dead: list[int]
    """Stones that were lifted before counting."""
    seconds: tuple[float, float]
    """Thinking time of the match's first and second side."""
    slowest: tuple[float, float]
    """The longest move of either."""
    key: str
    """The same for games that repeat one another: same colours, and moves that are images under a symmetry."""
    seed: int
    date: str

    @property
    def share(self) -> float:
        """The first side's points: 1, 1/2 or 0."""
        if self.winner == 0:
            return 0.5
        return float((self.winner == BLACK) == (self.black == 0))

    @property
    def pair(self) -> int:
        """Number of its pair."""
        return self.index // 2

    @property
    def loser(self) -> int | None:
        """The side that lost: 0 or 1; None for a draw."""
        return None if self.winner == 0 else int(self.share == 1)

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON; `from_dict` takes it back."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> GameRecord:
        """Raises KeyError, TypeError or ValueError where values are missing or wrong."""
        known = {field.name: values[field.name] for field in fields(cls)}
        known["moves"] = [(int(color), int(action)) for color, action in values["moves"]]
        for name in ("seconds", "slowest"):
            first, second = values[name]
            known[name] = (float(first), float(second))
        if (
            values["reason"] not in REASONS
            or values["black"] not in (0, 1)
            or values["winner"] not in (0, BLACK, WHITE)
        ):
            raise ValueError("reason, black or winner is none of the known")
        return cls(**known)


def play_game(
    engines: Sequence[Engine],
    board: Board,
    *,
    index: int,
    limits: Limits,
    max_moves: int,
    scoring: str = "playout",
    seed: int = 0,
) -> GameRecord:
    """Play one game to its end.

    Args:
        engines: the match's first and second side; started already, at this position.
        board: the position after the opening; changed.
        index: of the game; the first side has black in even ones.
        max_moves: after so many, the opening's included, the position counts as it stands.
        scoring: "playout" lifts dead stones by our own playouts before counting, "tromp-taylor" counts what is there.
        seed: for the record.

    Returns:
        The record. Engines that failed have been dropped.
    """
    opening = board.moves()
    black = index % 2
    clocks = (SideClock(limits), SideClock(limits))
    slowest = [0.0, 0.0]
    winner, score, reason, message = 0, None, "", ""
    dead: list[int] = []
    while not reason:
        if board.is_over or board.move_count >= max_moves:
            reason = "passes" if board.is_over else "max_moves"
            mask = dead_stones(board, scoring)
            dead = np.flatnonzero(mask).tolist()
            score = float(board.score(mask))
            winner = BLACK if score > 0 else WHITE if score < 0 else 0
            break
        side = black if board.to_play == BLACK else 1 - black
        engine, other = engines[side], engines[1 - side]
        color, mover = board.to_play, engine
        start = time.perf_counter()
        try:
            action = engine.genmove(clocks[side].turn())
            passed = time.perf_counter() - start
            slowest[side] = max(slowest[side], passed)
            in_time = clocks[side].spend(passed)
            if not in_time:
                reason, message = (
                    "time",
                    f"{engine.name}: took {passed:.2f} s for a move, with {limits} and {limits.grace:g} s grace",
                )
            elif action == RESIGN:
                reason = "resign"
            elif (why := board.why_illegal(action)) is not None:
                vertex = action_to_gtp(action, board.size)
                reason, message = "illegal", f"{engine.name}: illegal move {color_name(color)} {vertex}: {why}"
            else:
                board.play(action)
                mover = other
                if not board.is_over:
                    other.play(action)
        except EngineError as error:
            reason = "time" if isinstance(error, EngineTimedOut) else error.reason
            message = str(error)
            if mover is engine:  # its clock ran until then
                passed = time.perf_counter() - start
                slowest[side] = max(slowest[side], passed)
                clocks[side].spend(passed)
        if reason:
            loser = color if mover is engine else 3 - color
            winner = 3 - loser
            if reason != "resign":
                mover.drop()
    return GameRecord(
        index=index,
        black=black,
        opening=len(opening),
        moves=board.moves(),
        winner=winner,
        score=score,
        reason=reason,
        message=message,
        dead=dead,
        seconds=(round(clocks[0].used, 3), round(clocks[1].used, 3)),
        slowest=(round(slowest[0], 3), round(slowest[1], 3)),
        key=f"{black}:{game_key(board.size, board.moves())}",
        seed=seed,
        date=time.strftime("%Y-%m-%d"),
    )


def dead_stones(board: _core.Position, scoring: str) -> NDArray[np.bool_]:
    """Stones to lift before counting, bool [size, size]: none under "tromp-taylor", else what `alphago.search.status` finds."""
    if scoring == "tromp-taylor" or not board.stones().any():
        return np.zeros((board.size, board.size), dtype=np.bool_)
    return status(board, _PLAYOUTS).dead_mask(board.size)
