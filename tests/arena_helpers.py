"""What the tests of the arena share: command lines of the fake engine, and small matches."""

from __future__ import annotations

import sys
from typing import Any

from alphago.arena.game import GameRecord
from alphago.arena.match import Match, match_settings
from alphago.arena.symmetry import game_key
from conftest import ROOT

FAKE = ROOT / "tests" / "fake_engine.py"


def fake_command(*options: object) -> list[str]:
    """The fake engine with these options; -S -E: it starts faster without site-packages."""
    return [sys.executable, "-S", "-E", str(FAKE), *map(str, options)]


def fake(*options: object, name: str = "fake") -> str:
    """The same as a side of a match."""
    return f"{name}=gtp:" + " ".join(fake_command(*options))


def small_match(a: str, b: str, *, parallel: int = 2, **settings: Any) -> Match:
    """A match on 5x5 unless the settings say otherwise."""
    values: dict[str, Any] = {"size": 5, "komi": 1.5, "openings": "empty", **settings}
    return Match(match_settings(a=a, b=b, **values), parallel=parallel, threads=1)


def record(index: int, share: float, reason: str = "passes", moves: list[tuple[int, int]] | None = None) -> GameRecord:
    """A game that never was: the first side's share of it, its number, and moves that no other game has."""
    black = index % 2
    moves = [(1, index % 25), (2, (index // 25) % 25 + 25)] if moves is None else moves
    winner = 0 if share == 0.5 else (1 if (share == 1) == (black == 0) else 2)
    score = {0: 0.0, 1: 1.5, 2: -1.5}[winner] if reason in ("passes", "max_moves") else None
    return GameRecord(
        index=index,
        black=black,
        opening=0,
        moves=moves,
        winner=winner,
        score=score,
        reason=reason,
        message="did it" if reason not in ("passes", "max_moves", "resign") else "",
        dead=[],
        seconds=(0.1, 0.2),
        slowest=(0.1, 0.2),
        key=f"{black}:{game_key(9, moves)}",
        seed=index,
        date="2026-01-01",
    )
