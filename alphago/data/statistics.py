"""What a store of games holds, counted: sizes, lengths, results, komi, ranks, dates, who chose the moves."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from alphago.data.games import CHOOSERS, GameDataError, GameRow
from alphago.data.identity import game_key
from alphago.data.store import read_games
from alphago.go import BLACK, WHITE

QUANTILES: Final = (0, 5, 25, 50, 75, 95, 100)


@dataclass
class Statistics:
    """Counts over the games of a store."""

    games: int = 0
    positions: int = 0
    """Positions that a move was chosen in."""
    sizes: Counter[int] = field(default_factory=Counter)
    endings: Counter[str] = field(default_factory=Counter)
    winners: Counter[int] = field(default_factory=Counter)
    komi: dict[float, Counter[int]] = field(default_factory=dict)
    """Winners by komi."""
    choosers: Counter[str] = field(default_factory=Counter)
    """Moves by who chose them."""
    ranks: Counter[str] = field(default_factory=Counter)
    years: Counter[str] = field(default_factory=Counter)
    handicap: int = 0
    """Games that begin with stones on the board."""
    duplicates: int = 0
    """Games that are the same as an earlier one, perhaps turned."""
    with_values: int = 0
    """Positions with a search's value."""
    with_visits: int = 0
    with_ownership: int = 0
    """Games with the final ownership."""
    lengths: dict[int, list[int]] = field(default_factory=dict)
    """Moves of every game, by board size."""
    scores: dict[int, list[float]] = field(default_factory=dict)
    """Black's points less white's of games that were counted, by board size."""
    first_moves: dict[int, NDArray[np.int64]] = field(default_factory=dict)
    """How often each action was the first move, by board size: int64 [size * size + 1]."""

    def add(self, row: GameRow) -> None:
        """Count a game."""
        size, n = row["size"], len(row["moves"])
        self.games += 1
        self.positions += n
        self.sizes[size] += 1
        self.endings[row["ended"]] += 1
        self.winners[row["winner"]] += 1
        self.komi.setdefault(round(float(row["komi"]), 2), Counter())[row["winner"]] += 1
        for code, count in enumerate(np.bincount(row["chosen_by"], minlength=len(CHOOSERS)).tolist()):
            if count:
                self.choosers[CHOOSERS[code]] += count
        for name in ("black_rank", "white_rank"):
            if row[name]:
                self.ranks[row[name]] += 1
        if row["date"]:
            self.years[row["date"][:4]] += 1
        self.handicap += bool(len(row["setup_black"]) or len(row["setup_white"]))
        self.with_values += int((~np.isnan(row["root_value"])).sum())
        if len(row["visit_offsets"]):
            self.with_visits += int((np.diff(row["visit_offsets"]) > 0).sum())
        self.with_ownership += row["ownership"] is not None
        self.lengths.setdefault(size, []).append(n)
        if row["score"] is not None:
            self.scores.setdefault(size, []).append(float(row["score"]))
        if n:
            self.first_moves.setdefault(size, np.zeros(size * size + 1, np.int64))[row["moves"][0]] += 1

    def to_dict(self) -> dict[str, Any]:
        """For JSON: counts, and quantiles of lengths and scores."""
        decided = self.winners[BLACK] + self.winners[WHITE]
        return {
            "games": self.games,
            "positions": self.positions,
            "sizes": {str(size): count for size, count in sorted(self.sizes.items())},
            "endings": dict(self.endings.most_common()),
            "black_wins": self.winners[BLACK],
            "white_wins": self.winners[WHITE],
            "no_winner": self.winners[0],
            "black_share": round(self.winners[BLACK] / decided, 4) if decided else None,
            "komi": {
                f"{komi:g}": {"black": won[BLACK], "white": won[WHITE], "neither": won[0]}
                for komi, won in sorted(self.komi.items())
            },
            "chosen_by": dict(self.choosers.most_common()),
            "ranks": dict(self.ranks.most_common()),
            "years": dict(sorted(self.years.items())),
            "with_setup_stones": self.handicap,
            "duplicates": self.duplicates,
            "positions_with_value": self.with_values,
            "positions_with_visits": self.with_visits,
            "games_with_ownership": self.with_ownership,
            "moves_a_game": {str(size): _quantiles(self.lengths[size]) for size in sorted(self.lengths)},
            "score": {str(size): _quantiles(self.scores[size]) for size in sorted(self.scores)},
        }


def collect(path: str | os.PathLike[str], *, find_duplicates: bool = True) -> Statistics:
    """Statistics of a file or folder of games.

    Raises:
        GameDataError: it cannot be read, or holds no game.
    """
    found = Statistics()
    seen: set[bytes] = set()
    for row in read_games(path):
        found.add(row)
        if find_duplicates:
            key = game_key(row)
            found.duplicates += key in seen
            seen.add(key)
    if not found.games:
        raise GameDataError(f"{os.fspath(path)}: the store is empty")
    return found


def _quantiles(values: list[Any]) -> dict[str, float]:
    array = np.asarray(values, dtype=np.float64)
    found = {f"p{q}": round(float(np.percentile(array, q)), 2) for q in QUANTILES}
    return {"mean": round(float(array.mean()), 2), **found}
