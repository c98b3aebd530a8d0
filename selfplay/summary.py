"""What a run has played, in figures: kept up to date game by game, shown as a table at the end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from alphago.go import BLACK, WHITE

if TYPE_CHECKING:
    from rich.table import Table

    from alphago.search import SearchParams

PERCENTILES = (5, 50, 95)


@dataclass
class Summary:
    """Figures of a set of games; equal when the games are the same, in any order.

    Attributes:
        resign_threshold, resign_min_turn: when a side would have resigned, for the games that were played on.
        winners: games by winner: 1 black, 2 white, 0 a draw.
        endings, lengths: games by how they ended, and by moves (passes included).
        played_on: games in which nobody was allowed to resign.
        would_resign: those of them in which a side's search came below the threshold.
        falsely: those of these that this side went on to win.
    """

    resign_threshold: float
    resign_min_turn: int
    games: int = 0
    winners: Counter[int] = field(default_factory=Counter)
    endings: Counter[str] = field(default_factory=Counter)
    lengths: Counter[int] = field(default_factory=Counter)
    played_on: int = 0
    would_resign: int = 0
    falsely: int = 0

    @classmethod
    def of(cls, rows: Iterable[Mapping[str, Any]], params: SearchParams) -> Summary:
        """The summary of rows of the game table, played with `params`."""
        summary = cls(params.resign_threshold, params.resign_min_turn)
        for row in rows:
            summary.add(row)
        return summary

    def add(self, row: Mapping[str, Any]) -> None:
        """Count one row of the game table (`alphago.data.games`)."""
        self.games += 1
        self.winners[row["winner"]] += 1
        self.endings[row["ended"]] += 1
        self.lengths[len(row["moves"])] += 1
        if row["no_resign"]:
            self.played_on += 1
            loser = self._first_to_give_up(row)
            self.would_resign += loser is not None
            self.falsely += loser is not None and loser == row["winner"]

    def _first_to_give_up(self, row: Mapping[str, Any]) -> int | None:
        """The side whose search first valued its own position below the threshold; the best move's value is not recorded."""
        for turn, (color, value) in enumerate(zip(row["colors"], row["root_value"], strict=True)):
            if turn >= self.resign_min_turn and value < self.resign_threshold:
                return int(color)
        return None

    def mean_length(self) -> float:
        """Moves a game, passes included; 0 without games."""
        return sum(n * count for n, count in self.lengths.items()) / max(1, self.games)

    def length_percentiles(self) -> list[int]:
        """Moves of a game at `PERCENTILES`: of the games in order of length, the one at that share of them."""
        if not self.games:
            return [0] * len(PERCENTILES)
        lengths = sorted(self.lengths)
        below = np.cumsum([self.lengths[n] for n in lengths])
        return [lengths[int(np.searchsorted(below, p / 100 * self.games))] for p in PERCENTILES]

    def share(self, count: int) -> str:
        """A count with its share of the games."""
        return f"{count:,} ({100 * count / max(1, self.games):.1f} %)"

    def lines(self) -> list[tuple[str, str]]:
        """What is counted and how often, for people."""
        low, middle, high = self.length_percentiles()
        found = [
            ("games", f"{self.games:,}"),
            ("black wins", self.share(self.winners[BLACK])),
            ("white wins", self.share(self.winners[WHITE])),
            ("draws", self.share(self.winners[0])),
            ("moves a game", f"{self.mean_length():.1f} (5 %: {low}, median {middle}, 95 %: {high})"),
            ("ended by two passes", self.share(self.endings["passes"])),
            ("ended by resignation", self.share(self.endings["resign"])),
            ("ended by length", self.share(self.endings["max_moves"])),
        ]
        if self.resign_threshold > -1:
            of = (
                f"{self.falsely:,} of {self.would_resign:,} that would have ended so, {self.played_on:,} were played on"
            )
            found.append(("false resignations", of))
        return found


def as_table(rows: Iterable[tuple[str, str]], title: str) -> Table:
    """Names and figures as a Rich table without a head."""
    from rich.table import Table

    table = Table(title=title, show_header=False)
    table.add_column(style="bold")
    table.add_column()
    for row in rows:
        table.add_row(*row)
    return table
