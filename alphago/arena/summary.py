"""The result of a match: what its games, pair by pair, say. Repeated games count once, and are told."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from alphago.arena.game import REASONS, GameRecord
from alphago.arena.stats import PairResults, Sprt, wilson
from alphago.go import BLACK

if TYPE_CHECKING:
    from rich.table import Table


@dataclass
class Tally:
    """Wins, draws and losses of the first side."""

    wins: int = 0
    draws: int = 0
    losses: int = 0

    def add(self, share: float) -> None:
        """Count a game: 1, 1/2 or 0."""
        self.wins += share == 1
        self.draws += share == 0.5
        self.losses += share == 0

    @property
    def games(self) -> int:
        """All of them."""
        return self.wins + self.draws + self.losses

    @property
    def points(self) -> float:
        """Of the first side."""
        return self.wins + self.draws / 2

    def __str__(self) -> str:
        return f"{self.wins}-{self.losses}" + (f"-{self.draws}" if self.draws else "")


@dataclass
class Summary:
    """Figures of a match so far; a function of its games alone, in any order."""

    names: tuple[str, str]
    played: int = 0
    duplicates: int = 0
    """Games that repeat an earlier one, colours and all, or its image under a symmetry. Their pairs do not count."""
    all_games: Tally = field(default_factory=Tally)
    """Every game but the duplicates."""
    as_black: Tally = field(default_factory=Tally)
    as_white: Tally = field(default_factory=Tally)
    black_wins: int = 0
    endings: dict[str, int] = field(default_factory=dict)
    """Games by how they ended."""
    faults: dict[str, dict[str, int]] = field(default_factory=dict)
    """By side: games lost on time, by a crash, an illegal move and the like."""
    pairs: PairResults = field(default_factory=PairResults)
    """Whole pairs without a duplicate."""
    seconds: tuple[float, float] = (0.0, 0.0)
    """Mean thinking time of a move, of either side."""
    slowest: tuple[float, float] = (0.0, 0.0)
    mean_moves: float = 0.0

    @classmethod
    def of(cls, names: Sequence[str], games: Mapping[int, GameRecord]) -> Summary:
        """The summary of games by index."""
        summary = cls((names[0], names[1]), faults={name: {} for name in names})
        repeated = duplicates(games.values())
        shares: dict[int, list[float]] = {}
        endings: Counter[str] = Counter()
        moves = [0, 0]
        seconds, slowest = [0.0, 0.0], [0.0, 0.0]
        length = 0
        for _, game in sorted(games.items()):
            summary.played += 1
            endings[game.reason] += 1
            length += len(game.moves)
            for side in (0, 1):
                colour = 1 if side == game.black else 2
                moves[side] += sum(c == colour for c, _ in game.moves[game.opening :])
                seconds[side] += game.seconds[side]
                slowest[side] = max(slowest[side], game.slowest[side])
            if game.message and game.loser is not None:
                by = summary.faults[names[game.loser]]
                by[game.reason] = by.get(game.reason, 0) + 1
            if game.index in repeated:
                summary.duplicates += 1
                shares.setdefault(game.pair, []).append(math.nan)
                continue
            summary.all_games.add(game.share)
            (summary.as_white if game.black else summary.as_black).add(game.share)
            summary.black_wins += game.winner == BLACK
            shares.setdefault(game.pair, []).append(game.share)
        whole = [sum(two) / 2 for two in shares.values() if len(two) == 2 and not any(map(math.isnan, two))]
        summary.pairs = PairResults(whole)
        summary.endings = {reason: endings[reason] for reason in REASONS if endings[reason]}
        summary.seconds = (seconds[0] / max(1, moves[0]), seconds[1] / max(1, moves[1]))
        summary.slowest = (slowest[0], slowest[1])
        summary.mean_moves = length / max(1, summary.played)
        return summary

    def score(self) -> tuple[float, float, float]:
        """Share of the points of the first side, with the bounds of its 95 % interval, from pairs."""
        return self.pairs.mean, *self.pairs.interval()

    def elo_text(self) -> str:
        """Elo of the first side over the second: `+35 [+12, +60]`."""
        elo, low, high = self.pairs.elo()
        return f"{_signed(elo)} [{_signed(low)}, {_signed(high)}]"

    def to_dict(self, sprt: Sprt | None = None) -> dict[str, Any]:
        """Ready for JSON; Elo differences without a bound are null."""
        mean, low, high = self.score()
        elo = self.pairs.elo()
        games = wilson(self.all_games.points, self.all_games.games)
        found: dict[str, Any] = {
            "a": self.names[0],
            "b": self.names[1],
            "played": self.played,
            "duplicates": self.duplicates,
            "games": _tally(self.all_games),
            "as_black": _tally(self.as_black),
            "as_white": _tally(self.as_white),
            "black_wins": self.black_wins,
            "wilson": [round(games[0], 4), round(games[1], 4)],
            "pairs": self.pairs.n,
            "pair_results": {f"{value * 2:g}": count for value, count in self.pairs.counts().items()},
            "score": round(mean, 4) if self.pairs.n else None,
            "score_interval": [round(low, 4), round(high, 4)],
            "elo": _finite(elo[0]) if self.pairs.n else None,
            "elo_interval": [_finite(elo[1]), _finite(elo[2])],
            "los": round(self.pairs.superiority(), 4),
            "endings": self.endings,
            "faults": self.faults,
            "seconds_per_move": [round(self.seconds[0], 4), round(self.seconds[1], 4)],
            "slowest_move": [round(self.slowest[0], 3), round(self.slowest[1], 3)],
            "moves_per_game": round(self.mean_moves, 1),
        }
        if sprt is not None:
            found["sprt"] = {
                "elo0": sprt.elo0,
                "elo1": sprt.elo1,
                "llr": round(sprt.ratio(self.pairs), 3),
                "bounds": [round(bound, 3) for bound in sprt.bounds],
                "accepted": sprt.verdict(self.pairs),
            }
        return found

    def line(self, sprt: Sprt | None = None) -> str:
        """The state in one line, for progress."""
        text = f"{self.names[0]} {self.all_games} {self.names[1]}"
        if self.pairs.n:
            text += f", Elo {self.elo_text()}"
        if sprt is not None:
            low, high = sprt.bounds
            text += f", LLR {sprt.ratio(self.pairs):.2f} [{low:.2f}, {high:.2f}]"
        return text

    def rows(self, sprt: Sprt | None = None) -> list[tuple[str, str]]:
        """The result as lines of a table: what, and its value."""
        a, b = self.names
        mean, low, high = self.score()
        tally = self.all_games
        rows = [("games", f"{self.played}" + (f", {self.duplicates} of them duplicates" if self.duplicates else ""))]
        rows.append(
            (f"{a} - {b}", f"{tally.wins} - {tally.losses}" + (f", {tally.draws} draws" if tally.draws else ""))
        )
        rows.append((f"{a} as black, as white", f"{_of(self.as_black)}, {_of(self.as_white)}"))
        rows.append(("black wins", f"{self.black_wins} of {tally.games}"))
        if self.pairs.n:
            rows.append((f"score of {a}", f"{mean:.1%} [{low:.1%}, {high:.1%}]"))
            rows.append((f"Elo of {a} over {b}", self.elo_text()))
            rows.append((f"{a} is stronger", f"{self.pairs.superiority():.1%}"))
            cells = ", ".join(f"{count} x {value * 2:g}" for value, count in self.pairs.counts().items())
            rows.append(("pairs (points of two)", f"{self.pairs.n}: {cells}"))
        if sprt is not None:
            bottom, top = sprt.bounds
            verdict = {"H0": f"H0: Elo <= {sprt.elo0:g}", "H1": f"H1: Elo >= {sprt.elo1:g}", None: "undecided"}
            accepted = verdict[sprt.verdict(self.pairs)]
            rows.append(
                (
                    f"SPRT {sprt.elo0:g},{sprt.elo1:g}",
                    f"{accepted} (LLR {sprt.ratio(self.pairs):.2f} of [{bottom:.2f}, {top:.2f}])",
                )
            )
        rows.append(("ended by", ", ".join(f"{reason} {count}" for reason, count in self.endings.items()) or "-"))
        for name, by in self.faults.items():
            if by:
                rows.append((f"lost by {name}", ", ".join(f"{reason} {count}" for reason, count in by.items())))
        rows.append(("seconds a move", f"{self.seconds[0]:.3f}, {self.seconds[1]:.3f}"))
        rows.append(("slowest move", f"{self.slowest[0]:.2f} s, {self.slowest[1]:.2f} s"))
        rows.append(("moves a game", f"{self.mean_moves:.1f}"))
        return rows

    def table(self, title: str, sprt: Sprt | None = None) -> Table:
        """The result for a terminal."""
        from rich.table import Table

        table = Table(title=title, title_justify="left", show_header=False)
        for name, value in self.rows(sprt):
            table.add_row(name, value)
        return table


def duplicates(games: Iterable[GameRecord]) -> set[int]:
    """Indices of games that repeat one with a smaller index."""
    seen: set[str] = set()
    found: set[int] = set()
    for game in sorted(games, key=lambda game: game.index):
        if game.key in seen:
            found.add(game.index)
        seen.add(game.key)
    return found


def _tally(tally: Tally) -> dict[str, int]:
    return {"wins": tally.wins, "draws": tally.draws, "losses": tally.losses}


def _of(tally: Tally) -> str:
    return f"{tally.points:g} of {tally.games}"


def _signed(elo: float) -> str:
    return f"{elo:+.0f}" if math.isfinite(elo) else ("+inf" if elo > 0 else "-inf")


def _finite(elo: float) -> float | None:
    return round(elo, 1) if math.isfinite(elo) else None
