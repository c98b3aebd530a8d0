"""Tuning by matches: many search parameters at a time, by a factorial design.

Every short match is between two random choices that differ in every parameter, and one fit over all games tells what each value
gains over the parameter's first (Box, Hunter and Hunter, "Statistics for experimenters", on factorial designs: all games speak
about all parameters). The model adds the gains up: that is an approximation, and the choice it suggests is to be confirmed by a
match of its own.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from alphago.arena.match import Match, check_even, match_settings
from alphago.arena.sides import Side, parse_side
from alphago.arena.stats import Z95
from alphago.errors import AlphaGoError
from alphago.files import make_directory, write_atomically
from alphago.seeds import game_seed

MANIFEST: Final = "tune.json"
RESULTS: Final = "results.jsonl"
PRIOR_ELO: Final = 200.0
"""Standard deviation of a gain before any game: keeps gains finite."""
_ELO: Final = 400 / math.log(10)
_STEPS: Final = 100

Choice = tuple[int, ...]
"""Which value of each factor."""


class TuneError(AlphaGoError):
    """Factors that nothing can be tuned with, or a folder of another tuning; the message says why."""


@dataclass(frozen=True)
class Factor:
    """A search parameter and the values that are tried; the first is the one that others are compared with."""

    key: str
    values: tuple[str, ...]


@dataclass(frozen=True)
class Result:
    """A short match between two choices."""

    first: Choice
    second: Choice
    points: float
    """Of the first: wins and half the draws."""
    games: int


@dataclass(frozen=True)
class Effect:
    """What a value gains over the first of its factor."""

    key: str
    value: str
    elo: float
    error: float
    """Half the width of the 95 % interval; 0 for the first value."""


def parse_factor(text: str) -> Factor:
    """A factor from `key=value,value,...`. Raises TuneError."""
    key, equals, rest = text.partition("=")
    values = tuple(value.strip() for value in rest.split(","))
    if not equals or len(values) < 2 or not all(values) or len(set(values)) < len(values):
        raise TuneError(f"bad {text!r}: expected KEY=VALUE,VALUE,... with two different values at least")
    return Factor(key.strip(), values)


def choices(factors: Sequence[Factor], seed: int, number: int) -> tuple[Choice, Choice]:
    """The two choices of match `number`: uniformly random, and different in every factor."""
    random = np.random.default_rng([seed, number])
    first = [int(random.integers(len(factor.values))) for factor in factors]
    second = [
        int(value + 1 + random.integers(len(factor.values) - 1)) % len(factor.values)
        for value, factor in zip(first, factors, strict=True)
    ]
    return tuple(first), tuple(second)


def effects(factors: Sequence[Factor], results: Sequence[Result]) -> list[Effect]:
    """Gains of all values, by maximum a posteriori of the additive Bradley-Terry model; a draw is half a win.

    Intervals come from the curvature and take games for independent.
    """
    places = [(f, v) for f, factor in enumerate(factors) for v in range(1, len(factor.values))]
    columns = {place: column for column, place in enumerate(places)}
    design = np.zeros((len(results), len(columns)))
    for row, result in enumerate(results):
        for choice, sign in ((result.first, 1.0), (result.second, -1.0)):
            for f, v in enumerate(choice):
                if v:
                    design[row, columns[f, v]] += sign
    points = np.array([result.points for result in results], dtype=np.float64)
    games = np.array([result.games for result in results], dtype=np.float64)
    gains, covariance = _fit(design, points, games)
    out = []
    for f, factor in enumerate(factors):
        for v, value in enumerate(factor.values):
            column = columns.get((f, v))
            elo = 0.0 if column is None else gains[column] * _ELO
            error = 0.0 if column is None else Z95 * _ELO * math.sqrt(covariance[column, column])
            out.append(Effect(factor.key, value, elo, error))
    return out


def _fit(
    design: NDArray[np.float64], points: NDArray[np.float64], games: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Logistic regression with a normal prior, by Newton's method: coefficients, and their covariance."""
    prior = np.eye(design.shape[1]) * (_ELO / PRIOR_ELO) ** 2
    gains = np.zeros(design.shape[1])
    for _ in range(_STEPS):
        p = 1 / (1 + np.exp(-design @ gains))
        gradient = design.T @ (points - games * p) - prior @ gains
        curvature = design.T @ (design * (games * p * (1 - p))[:, None]) + prior
        step = np.linalg.solve(curvature, gradient)
        gains += step
        if np.abs(step).max(initial=0.0) < 1e-10:
            break
    return gains, np.linalg.inv(curvature)


def side_text(base: Side, factors: Sequence[Factor], choice: Choice) -> str:
    """The side that plays with a choice, as `parse_side` takes it."""
    settings: dict[str, Any] = dict(base.settings)
    for key in ("simulations", "seconds", "weights", "precision"):
        if getattr(base, key) not in (None, "auto"):
            settings[key] = getattr(base, key)
    settings |= {factor.key: factor.values[value] for factor, value in zip(factors, choice, strict=True)}
    shown = ",".join(f"{key}={_shown(value)}" for key, value in settings.items())
    return f"{base.net}@{base.level}:{shown}"


def _shown(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def play_tuning(
    base: str,
    factors: Sequence[Factor],
    matches: int,
    out: Path,
    *,
    games: int = 4,
    seed: int = 1,
    parallel: int | None = None,
    threads: int | None = None,
    on_match: Callable[[int, list[Result]], None] | None = None,
    **settings: Any,
) -> list[Result]:
    """Play the matches that are missing in a folder, and return all results.

    Args:
        base: the side whose parameters are varied.
        games: of each match, even.
        parallel, threads: games at a time, and threads of each bot, as `Match` takes them.
        on_match: called after every match with how many are done and all results.
        settings: of the games, as `match_settings` takes them.

    Raises:
        TuneError: the folder holds another tuning, or the base is no bot of ours.
        AlphaGoError: a side or setting that cannot be.
    """
    check_even(games)
    side = parse_side(base)
    if side.command is not None:
        raise TuneError(f"{base}: only bots of this program have search parameters")
    for factor in factors:
        for value in range(len(factor.values)):  # what is wrong with a value is said before any game
            parse_side(side_text(side, [factor], (value,)))
    manifest = {
        "base": side.identity(),
        "factors": [[factor.key, list(factor.values)] for factor in factors],
        "games": games,
        "seed": seed,
        "settings": {key: value for key, value in settings.items() if value is not None},
    }
    results = _begin(out, manifest, factors, games)
    with (out / RESULTS).open("a", encoding="utf-8") as journal:
        for number in range(len(results), matches):
            first, second = choices(factors, seed, number)
            a, b = (side_text(side, factors, choice) for choice in (first, second))
            made = match_settings(a=f"a={a}", b=f"b={b}", seed=game_seed(seed, number) >> 1, **settings)
            summary = Match(made, parallel=parallel, threads=threads).play(games)
            results.append(Result(first, second, summary.all_games.points, games))
            journal.write(json.dumps({"first": first, "second": second, "points": summary.all_games.points}) + "\n")
            journal.flush()
            os.fsync(journal.fileno())
            if on_match is not None:
                on_match(len(results), results)
    return results


def _begin(out: Path, manifest: Mapping[str, Any], factors: Sequence[Factor], games: int) -> list[Result]:
    """Results of the folder, which is made where there is none."""
    path = out / MANIFEST
    text = json.dumps(manifest, indent=1) + "\n"
    if path.exists():
        if json.loads(path.read_text(encoding="utf-8")) != json.loads(text):
            raise TuneError(f"{out} holds another tuning (see {path.name}): choose another --out")
    else:
        make_directory(out, TuneError)
        write_atomically(path, text.encode(), TuneError)
    journal = out / RESULTS
    data = journal.read_bytes() if journal.exists() else b""
    whole = data[: data.rfind(b"\n") + 1]
    if whole != data:  # a killed process left half a line
        write_atomically(journal, whole, TuneError)
    results = []
    for number, line in enumerate(whole.splitlines()):
        try:
            row = json.loads(line)
            result = Result(tuple(row["first"]), tuple(row["second"]), float(row["points"]), games)
            if not len(result.first) == len(result.second) == len(factors):
                raise ValueError("choices of another length")
        except (ValueError, KeyError, TypeError) as error:
            raise TuneError(f"{journal}: line {number + 1}: {error}") from None
        results.append(result)
    return results
