"""What a search is for: a value to be high, what it costs to find out, and limits that the answer must keep."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, runtime_checkable

from alphago.controller.nas.space import Choices, Space
from alphago.errors import AlphaGoError

_UNITS: Final = {"us": 1e-3, "ms": 1.0, "s": 1e3}


class ObjectiveError(AlphaGoError):
    """A limit or budget that cannot be; the message says what would be right."""


@dataclass(frozen=True)
class Measured:
    """What an evaluation found."""

    value: float
    """To be high."""
    seconds: float = 0.0
    """It cost, on the clock that the budget counts."""
    latency_ms: float | None = None
    valid: bool = True
    """Off: no answer at all (training failed); `value` means nothing then."""
    more: Mapping[str, float] = field(default_factory=dict)
    """Further numbers, for people."""


class Problem(Protocol):
    """What is searched. `measure` may run in another process: it must be a function of its arguments."""

    @property
    def space(self) -> Space: ...

    def key(self, choices: Choices) -> str:
        """The canonical form: choices with equal keys are the same answer."""

    def measure(self, choices: Choices, seed: int) -> Measured:
        """Find out what an answer is worth. An exception makes it invalid, and is told.

        Raises:
            AlphaGoError: what all measurements stand on is wrong (games, a device): that ends the search, and nothing is noted.
        """

    def describe(self, choices: Choices) -> dict[str, Any]:
        """What is said of the answer in the end, such as accuracies that no search may see; anything that JSON holds."""


@runtime_checkable
class Timed(Protocol):
    """A problem that knows how long an answer takes without training it: a limit can be kept before anything is measured.

    Exceptions count as those of `Problem.measure`.
    """

    def latency_ms(self, choices: Choices) -> float:
        """Milliseconds; the same for the same choices, whenever it is asked."""


HINGE: Final = 30.0
"""What an answer loses that takes twice the limit, in percent of accuracy; a problem with other values has a `hinge` of its own."""


@dataclass(frozen=True)
class Limit:
    """A latency that answers may not exceed, and what a search learns of those that do.

    The reward is the value less `slope` times the relative excess: a hinge, where MnasNet (Tan and others 2019) has a product.
    """

    latency_ms: float
    slope: float = HINGE

    def keeps(self, found: Measured) -> bool:
        """Whether an answer is one."""
        return found.latency_ms is not None and found.latency_ms <= self.latency_ms

    def reward(self, found: Measured) -> float:
        """What the search learns from."""
        if found.latency_ms is None:
            return found.value
        return found.value - self.slope * max(0.0, found.latency_ms / self.latency_ms - 1)


def parse_latency(text: str) -> float:
    """Milliseconds from 8ms, 500us or 0.1s. A unit is needed: limits were often mistaken by a thousand. Raises ObjectiveError."""
    match = re.fullmatch(r"\s*([0-9.]+)\s*(us|ms|s)\s*", text)
    try:
        value = float(match[1]) * _UNITS[match[2]] if match else 0.0
    except ValueError:
        value = 0.0
    if not 0 < value < 1e9:
        raise ObjectiveError(f"a latency limit is a number with a unit, such as 8ms, 500us or 0.1s; got {text!r}")
    return value


@dataclass(frozen=True)
class Budget:
    """When a search ends: after so many evaluations, or so many seconds of what they cost."""

    evaluations: int | None = None
    seconds: float | None = None

    def is_spent(self, evaluations: int, seconds: float) -> bool:
        """Whether nothing more may be evaluated."""
        if self.evaluations is not None and evaluations >= self.evaluations:
            return True
        return self.seconds is not None and seconds >= self.seconds


def parse_budget(text: str) -> Budget:
    """12000s, 90m, 2h, or a number of evaluations. Raises ObjectiveError."""
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([smh]?)\s*", text)
    value = float(match[1]) if match else 0.0
    if match is None or value <= 0 or (not match[2] and value != int(value)):
        raise ObjectiveError(f"a budget is seconds such as 12000s, 90m, 2h, or a number of evaluations; got {text!r}")
    if not match[2]:
        return Budget(evaluations=int(value))
    return Budget(seconds=value * {"s": 1, "m": 60, "h": 3600}[match[2]])
