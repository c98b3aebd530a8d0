"""What each part of AlphaGo is worth: the seven engines of the paper's table (Nature 529, Extended Data Table 7).

Policy network, value network and rollouts are switched off one by one and in pairs; every variant has the same time for a move and
meets the same fixed opponents, and one Bradley-Terry fit over all games rates them. What no policy network gives comes from the
tree policy, as in the paper.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from alphago.arena.game import GameRecord
from alphago.arena.journal import MANIFEST, read_journal
from alphago.arena.ladder import read_pairings
from alphago.arena.ratings import Pairing, Rating, Ratings, bradley_terry
from alphago.arena.sides import Side, parse_side
from alphago.errors import AlphaGoError
from alphago.messages import did_you_mean
from alphago.nets.shipped import NONE
from alphago.search.styles import ALPHAGO

ANCHORS: Final = (
    "rollouts-1000=none@max:simulations=1000,weights=handset",
    "network-64=default@max:simulations=64",
)
"""Opponents that stay as they are: rollouts with the frozen hand-set weights, and the network that ships, few simulations each."""


class ComponentsError(AlphaGoError):
    """Parts, variants or opponents that make no table; the message says what would be right."""


@dataclass(frozen=True)
class Variant:
    """One row of the table."""

    name: str
    policy: bool
    value: bool
    rollouts: bool
    paper: str
    """Its name in the paper's table."""
    paper_elo: int
    """There, at 5 seconds a move on 48 processors and 8 GPUs."""

    @property
    def searches(self) -> bool:
        """All but the raw policy do."""
        return self.value or self.rollouts


VARIANTS: Final = (
    Variant("full", True, True, True, "a_rvp", 2890),
    Variant("no-value", True, False, True, "a_rp", 2416),
    Variant("no-rollouts", True, True, False, "a_vp", 2177),
    Variant("no-policy", False, True, True, "a_rv", 2077),
    Variant("value-only", False, True, False, "a_v", 1655),
    Variant("rollouts-only", False, False, True, "a_r", 1457),
    Variant("raw-policy", True, False, False, "a_p", 1517),
)
"""In the order in which they are shown; the raw policy needs no search at all."""
NAMES: Final = tuple(variant.name for variant in VARIANTS)


@dataclass(frozen=True)
class Parts:
    """The files that variants are made of."""

    policy: str
    """Network file of the priors."""
    value: str
    """Network file of the values."""
    weights: str | None = None
    """Rollout weights: a file, or a name of `alphago.nets.shipped`; None: those that ship."""
    precision: str = "auto"
    """Of the networks."""


def variants_named(names: Sequence[str]) -> list[Variant]:
    """Variants by name, in the order of the table; none given: all. Raises ComponentsError."""
    for name in names:
        if name not in NAMES:
            raise ComponentsError(f"unknown variant {name!r}{did_you_mean(name, NAMES)}; known are {', '.join(NAMES)}")
    return [variant for variant in VARIANTS if not names or variant.name in names]


def side_text(variant: Variant, parts: Parts, seconds: float) -> str:
    """A variant as `alphago.arena.sides.parse_side` takes it.

    The raw policy plays its likeliest move: one simulation goes to it, and nothing else is asked.

    Raises:
        ComponentsError: a file's name with a comma in it, which the text of a side cannot hold.
    """
    for file in (parts.policy, parts.value, parts.weights or ""):
        if "," in file:
            raise ComponentsError(f"{file}: the name of a file must not hold a comma here")
    net = parts.policy if variant.policy else NONE
    if variant.searches:
        keys = {"style": ALPHAGO, "value": parts.value if variant.value else NONE, "seconds": f"{seconds:g}"}
        keys |= {} if variant.rollouts else {"rollouts": "off", "rollout_cache": "false"}
        keys |= {} if parts.weights is None else {"weights": parts.weights}
    else:
        keys = {"simulations": "1", "symmetry": "none", "move": "visits", "resign_threshold": "-1"}
    if parts.precision != "auto":
        keys["precision"] = parts.precision
    return f"{variant.name}={net}@max:" + ",".join(f"{key}={value}" for key, value in keys.items())


def pairings(
    parts: Parts, anchors: Sequence[str], seconds: float, names: Sequence[str] = ()
) -> list[tuple[Side, Side]]:
    """Every variant against every anchor, variant after variant.

    Raises:
        ComponentsError: no anchor, or two engines of one name.
        SideError: a side that cannot be.
    """
    opponents = opponents_of(anchors)
    variants = [parse_side(side_text(variant, parts, seconds)) for variant in variants_named(names)]
    return [(variant, opponent) for variant in variants for opponent in opponents]


def opponents_of(anchors: Sequence[str]) -> list[Side]:
    """The fixed opponents.

    Raises:
        ComponentsError: none at all, or two engines of one name; a variant's is taken whether it plays or not.
        SideError: a side that cannot be.
    """
    found = [parse_side(text) for text in anchors]
    if not found:
        raise ComponentsError("the table needs an opponent at least: --against")
    seen = [*NAMES, *(side.name for side in found)]
    for name in seen:
        if seen.count(name) > 1:
            raise ComponentsError(f"two engines are called {name}: name the opponent otherwise, such as other={name}")
    return found


@dataclass(frozen=True)
class Row:
    """One line of the result."""

    rating: Rating
    variant: Variant | None
    """None for an anchor."""
    scores: dict[str, tuple[float, int]]
    """By anchor: points and games."""
    sure: float | None
    """The probability that it is stronger than the next one; None for the last."""


@dataclass(frozen=True)
class Table:
    """The result: best first."""

    rows: list[Row]
    anchors: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "anchors": list(self.anchors),
            "rows": [
                {
                    "name": row.rating.name,
                    "elo": round(row.rating.elo, 1),
                    "error": round(row.rating.error, 1),
                    "games": row.rating.games,
                    "score": round(row.rating.score, 4),
                    "stronger_than_next": None if row.sure is None else round(row.sure, 4),
                    "against": {name: {"points": p, "games": n} for name, (p, n) in row.scores.items()},
                    **_parts_of(row.variant),
                }
                for row in self.rows
            ],
        }


def _parts_of(variant: Variant | None) -> dict[str, Any]:
    if variant is None:
        return {
            "anchor": True,
            "policy": False,
            "value": False,
            "rollouts": False,
            "paper": None,
            "paper_elo": None,
        }
    return {
        "anchor": False,
        "policy": variant.policy,
        "value": variant.value,
        "rollouts": variant.rollouts,
        "paper": variant.paper,
        "paper_elo": variant.paper_elo,
    }


def table_of(out: Path, ratings: dict[str, float] | None = None) -> Table:
    """The table of what lies in a folder; repeated games count once.

    Args:
        ratings: Elo of anchors that are given; without any the mean of all engines is 0.

    Raises:
        LadderError, RatingError: no games, or a rating of an engine that has not played.
    """
    found = read_pairings([out])
    fit: Ratings = bradley_terry(found, ratings)
    by_name = {variant.name: variant for variant in VARIANTS}
    opponents = tuple(dict.fromkeys(name for pairing in found for name in _opponents(pairing, by_name)))
    rows = []
    for i, rating in enumerate(fit.ratings):
        sure = float(fit.superiority[i, i + 1]) if i + 1 < len(fit.ratings) else None
        scores = {name: _score(found, rating.name, name) for name in opponents if name != rating.name}
        rows.append(Row(rating, by_name.get(rating.name), {n: s for n, s in scores.items() if s[1]}, sure))
    return Table(rows, opponents)


def _opponents(pairing: Pairing, variants: dict[str, Variant]) -> list[str]:
    return [name for name in (pairing.a, pairing.b) if name not in variants]


def _score(found: Sequence[Pairing], name: str, other: str) -> tuple[float, int]:
    points, games = 0.0, 0
    for p in found:
        if (p.a, p.b) == (name, other):
            points, games = points + p.points, games + p.games
        elif (p.b, p.a) == (name, other):
            points, games = points + p.games - p.points, games + p.games
    return points, games


def games_of(out: Path) -> dict[tuple[str, str], dict[int, GameRecord]]:
    """Games of every match in a folder by the names of its sides, the match's first side first. Raises JournalError."""
    from alphago.arena.journal import read_json

    found = {}
    for manifest in sorted(out.glob(f"*/{MANIFEST}")):
        first, second = read_json(manifest)["names"]
        found[str(first), str(second)] = read_journal(manifest.parent)
    return found
