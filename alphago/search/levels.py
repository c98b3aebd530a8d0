"""Named strengths, weakest first: what `--level` chooses everywhere.

A level is how much a bot searches and how faithfully it plays what it found. Each was measured against its neighbours
(docs/results.md, "Levels").
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from alphago.errors import AlphaGoError
from alphago.messages import did_you_mean


class BadLevel(AlphaGoError):
    """No level has this name; the message lists those that there are."""


@dataclass(frozen=True)
class Level:
    """One strength."""

    name: str
    description: str
    simulations: int | None
    """Simulations a move; None: until the time is up."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Search parameters that differ from those of `bot_search`."""


def _weak(rollouts: str, temperature: float) -> dict[str, Any]:
    values: dict[str, Any] = {"temperature": temperature, "temperature_final": temperature}
    if rollouts == "light":
        values |= {"rollouts": "light", "prior": "uniform", "rollout_cache": False}
    return values


_ALL: Final = (
    Level("beginner", "knows the rules: 30 simulations of random play, chooses loosely", 30, _weak("light", 1.0)),
    Level("novice", "sees captures: 60 simulations of random play, chooses loosely", 60, _weak("light", 0.6)),
    Level("learner", "knows shapes: 25 simulations, chooses a little loosely", 25, _weak("softmax", 0.4)),
    Level("casual", "40 simulations, chooses a little loosely", 40, _weak("softmax", 0.3)),
    Level("amateur", "100 simulations", 100),
    Level("club", "250 simulations", 250),
    Level("strong", "600 simulations", 600),
    Level("expert", "1,500 simulations", 1500),
    Level("master", "4,000 simulations", 4000),
    Level("max", "as much as the time allows", None),
)
LEVELS: Final[dict[str, Level]] = {level.name: level for level in _ALL}
"""By name, weakest first."""


def level_named(name: str) -> Level:
    """The level of that name. Raises BadLevel."""
    if name not in LEVELS:
        raise BadLevel(f"unknown level {name!r}{did_you_mean(name, LEVELS)}: one of {', '.join(LEVELS)}")
    return LEVELS[name]
