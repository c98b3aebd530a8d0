"""Named strengths, weakest first: what `--level` chooses everywhere.

A level is how much a bot searches, with which of the networks that ship, and how faithfully it plays what it found. Each was
measured against its neighbours (docs/results.md, "Levels").
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from alphago.errors import AlphaGoError
from alphago.messages import did_you_mean
from alphago.nets.shipped import DEFAULT, NONE, SMALL


class BadLevel(AlphaGoError):
    """No level has this name; the message lists those that there are."""


@dataclass(frozen=True)
class Level:
    """One strength."""

    name: str
    description: str
    rollout_simulations: int | None
    """Simulations a move without a network; None: until the time is up."""
    network_simulations: int | None
    """Likewise with one."""
    net: str = DEFAULT
    """The network that it plays with where the caller leaves the choice to `default`."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Search parameters that differ from those of `bot_search`."""

    def simulations(self, has_network: bool) -> int | None:
        """A move; None: until the time is up."""
        return self.network_simulations if has_network else self.rollout_simulations


def _weak(rollouts: str, temperature: float) -> dict[str, Any]:
    values: dict[str, Any] = {"temperature": temperature, "temperature_final": temperature}
    if rollouts == "light":
        values |= {"rollouts": "light", "prior": "uniform", "rollout_cache": False}
    return values


def _plain(name: str, description: str, simulations: int, settings: Mapping[str, Any] | None = None) -> Level:
    """A level that plays without a network unless one is asked for."""
    return Level(name, description, simulations, simulations, NONE, settings or {})


_ALL: Final = (
    _plain("beginner", "knows the rules: 40 simulations of random play, chooses loosely", 40, _weak("light", 0.35)),
    _plain("novice", "sees captures: 90 simulations of random play, chooses loosely", 90, _weak("light", 0.4)),
    _plain("learner", "knows shapes: 13 simulations, chooses loosely", 13, _weak("softmax", 0.65)),
    _plain("casual", "40 simulations, chooses a little loosely", 40, _weak("softmax", 0.35)),
    _plain("amateur", "100 simulations", 100),
    _plain("club", "250 simulations", 250),
    _plain("strong", "600 simulations", 600),
    Level("expert", "the small network and 64 simulations, or 1,500 of rollouts", 1500, 64, SMALL),
    Level("master", "the best network and 100 simulations, or 4,000 of rollouts", 4000, 100),
    Level("max", "as much as the time allows", None, None),
)
LEVELS: Final[dict[str, Level]] = {level.name: level for level in _ALL}
"""By name, weakest first."""


def level_named(name: str) -> Level:
    """The level of that name. Raises BadLevel."""
    if name not in LEVELS:
        raise BadLevel(f"unknown level {name!r}{did_you_mean(name, LEVELS)}: one of {', '.join(LEVELS)}")
    return LEVELS[name]
