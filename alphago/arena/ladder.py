"""Many engines, each against others, and one rating for each.

A ladder is a folder of matches, one for each pairing, named after its two engines. So it is resumed, extended by more games and
more engines, and rated, by what lies in the folder.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alphago.arena.game import GameRecord
from alphago.arena.journal import MANIFEST, read_journal, read_json
from alphago.arena.match import Match, check_even, match_settings, play_stored
from alphago.arena.ratings import Pairing, RatingError, Ratings
from alphago.arena.sides import Side, parse_side
from alphago.arena.summary import Summary
from alphago.errors import AlphaGoError

if TYPE_CHECKING:
    from rich.table import Table


class LadderError(AlphaGoError):
    """Engines or a folder that make no ladder; the message says what would be right."""


def parse_players(texts: Sequence[str]) -> list[Side]:
    """Two or more sides with different names. Raises LadderError, and as `parse_side`."""
    sides = [parse_side(text) for text in texts]
    if len(sides) < 2:
        raise LadderError(f"a ladder needs two engines or more, got {len(sides)}")
    for i, side in enumerate(sides):
        if any(_slug(side.name) == _slug(earlier.name) for earlier in sides[:i]):
            raise LadderError(f"two engines are called {side.name}: name one of them, such as other={side.text}")
    return sides


def schedule(sides: Sequence[Side], neighbours: int | None = None) -> list[tuple[Side, Side]]:
    """Who meets whom: everybody everybody, or the `neighbours` next in the order given (weakest first is usual).

    Raises:
        LadderError: `neighbours` is less than 1.
    """
    if neighbours is not None and neighbours < 1:
        raise LadderError(f"neighbours must be 1 or more, got {neighbours}")
    numbered = itertools.combinations(enumerate(sides), 2)
    return [(a, b) for (i, a), (j, b) in numbered if neighbours is None or j - i <= neighbours]


def folder_of(directory: Path, a: Side, b: Side) -> tuple[Path, Side, Side]:
    """Where the match of two engines lies, and the two in the order in which they first met."""
    path, other = (directory / f"{_slug(x.name)}-vs-{_slug(y.name)}" for x, y in ((a, b), (b, a)))
    return (other, b, a) if other.exists() and not path.exists() else (path, a, b)


def play_pairings(
    pairs: Sequence[tuple[Side, Side]],
    directory: Path,
    games: int,
    *,
    parallel: int | None = None,
    threads: int | None = None,
    on_match: Callable[[Match, int, int], None] | None = None,
    on_game: Callable[[Match, GameRecord, Summary], None] | None = None,
    **settings: Any,
) -> None:
    """Play what is missing in a folder of matches.

    Args:
        pairs: of `schedule`, or any others.
        games: of each pairing, even.
        on_match: called with each match before it, its number from 1, and how many there are.
        on_game: called after each game.
        settings: of `MatchSettings`, the sides excepted.

    Raises:
        MatchError, JournalError: as `play_stored`.
        KeyboardInterrupt: Ctrl-C; what has ended is stored.
    """
    check_even(games)
    for number, pairing in enumerate(pairs, 1):
        folder, a, b = folder_of(directory, *pairing)
        match = Match(match_settings(a=a.text, b=b.text, **settings), parallel=parallel, threads=threads)
        if on_match is not None:
            on_match(match, number, len(pairs))

        def heard(game: GameRecord, summary: Summary, match: Match = match) -> None:
            if on_game is not None:
                on_game(match, game, summary)

        play_stored(match, folder, games, resume=True, on_game=heard)


def read_pairings(directories: Sequence[Path]) -> list[Pairing]:
    """What the matches in these folders, and in the folders right below them, have come to; repeated games count once.

    Raises:
        LadderError: a folder without any match. JournalError: a damaged one.
    """
    found = []
    for directory in directories:
        folders = [p.parent for p in (directory / MANIFEST, *sorted(directory.glob(f"*/{MANIFEST}"))) if p.exists()]
        if not folders:
            raise LadderError(f"{directory}: no match here (expected {MANIFEST}, or folders that hold one)")
        for folder in folders:
            names = read_json(folder / MANIFEST).get("names")
            if not isinstance(names, list) or len(names) != 2:
                raise LadderError(f"{folder / MANIFEST}: the names of two sides are missing")
            tally = Summary.of(names, read_journal(folder)).all_games
            found.append(Pairing(str(names[0]), str(names[1]), tally.points, tally.games))
    return found


def parse_anchors(texts: Sequence[str]) -> dict[str, float]:
    """Ratings that are given, from `NAME=ELO` texts. Raises RatingError."""
    anchors = {}
    for text in texts:
        name, equals, value = text.rpartition("=")
        try:
            elo = float(value)
        except ValueError:
            elo = float("nan")
        if not equals or not name or not abs(elo) < 1e5:
            raise RatingError(f"bad anchor {text!r}: expected NAME=ELO such as gnugo=1800")
        anchors[name] = elo
    return anchors


def ratings_table(ratings: Ratings) -> Table:
    """Ratings for a terminal."""
    from rich.table import Table

    table = Table(title="Ratings (Bradley-Terry)", title_justify="left")
    for name in ("", "engine", "Elo", "95 %", "games", "score", "beats the next"):
        table.add_column(name, justify="left" if name == "engine" else "right")
    for i, rating in enumerate(ratings.ratings):
        error = f"+-{rating.error:.0f}" if rating.error else "given"
        sure = f"{ratings.superiority[i, i + 1]:.1%}" if i + 1 < len(ratings.ratings) else ""
        table.add_row(
            str(i + 1), rating.name, f"{rating.elo:+.0f}", error, str(rating.games), f"{rating.score:.1%}", sure
        )
    return table


def ratings_dict(ratings: Ratings) -> dict[str, Any]:
    """Ratings ready for JSON, best first, with the table of superiority."""
    return {
        "ratings": [
            {
                "name": r.name,
                "elo": round(r.elo, 1),
                "error": round(r.error, 1),
                "games": r.games,
                "score": round(r.score, 4),
            }
            for r in ratings.ratings
        ],
        "superiority": [[round(float(x), 4) for x in row] for row in ratings.superiority],
    }


def _slug(name: str) -> str:
    return re.sub(r"[^\w.+@-]+", "_", name)
