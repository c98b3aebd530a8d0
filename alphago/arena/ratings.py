"""Ratings of many engines from all their games at once: the Bradley-Terry model (Biometrika 39:324, 1952) by maximum likelihood.

Engine i scores 1 / (1 + 10^((R_j - R_i) / 400)) of its games against j on average; a draw is half a win. A weak prior keeps ratings
finite where one side won everything: one drawn game that was never played for each pairing that met. Intervals come from the
curvature of the likelihood; they take games for independent and draws for coin tosses, so they are a little wide for colour-swapped
pairs.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from alphago.arena.stats import Z95, normal_cdf
from alphago.errors import AlphaGoError
from alphago.messages import did_you_mean

PRIOR_GAMES: Final = 1.0
_ELO: Final = 400 / math.log(10)
_STEPS: Final = 200


class RatingError(AlphaGoError):
    """Results that no ratings can be made of; the message says why."""


@dataclass(frozen=True)
class Pairing:
    """What two engines have played against each other."""

    a: str
    b: str
    points: float
    """Of `a`: wins and half the draws."""
    games: int


@dataclass(frozen=True)
class Rating:
    """One engine's."""

    name: str
    elo: float
    error: float
    """Half the width of the 95 % interval: against the anchors, or without any against the mean of all. 0 for an anchor."""
    games: int
    score: float
    """Share of the points."""


@dataclass(frozen=True)
class Ratings:
    """Ratings, best first, and how sure their order is."""

    ratings: list[Rating]
    superiority: NDArray[np.float64]
    """[n, n], in the same order: the probability that the row's engine is the stronger one; 1/2 on the diagonal."""


def bradley_terry(
    pairings: Sequence[Pairing], anchors: Mapping[str, float] | None = None, prior_games: float = PRIOR_GAMES
) -> Ratings:
    """Maximum likelihood ratings.

    Args:
        pairings: the same two may come several times, in either order; those without games are left out.
        anchors: engines whose rating is given. Without any the mean of all is 0.
        prior_games: virtual draws of each pairing that met.

    Raises:
        RatingError: no games, an anchor that did not play, or engines that no chain of games connects.
    """
    anchors = dict(anchors or {})
    played = [p for p in pairings if p.games]
    names = list(dict.fromkeys(name for p in played for name in (p.a, p.b)))
    if not played:
        raise RatingError("no games, so no ratings")
    for name in anchors:
        if name not in names:
            raise RatingError(f"the anchor {name!r} has no games{did_you_mean(name, names)}")
    index = {name: i for i, name in enumerate(names)}
    n = len(names)
    points, games = np.zeros((n, n)), np.zeros((n, n))  # [i, j]: of i against j
    for p in played:
        if p.a == p.b:
            raise RatingError(f"{p.a!r} cannot be rated against itself")
        a, b = index[p.a], index[p.b]
        points[a, b] += p.points
        points[b, a] += p.games - p.points
        games[a, b] += p.games
        games[b, a] += p.games
    _check_connected(names, games > 0)
    met = games > 0
    weights = games + prior_games * met
    targets = points + prior_games / 2 * met
    fixed = np.array([name in anchors for name in names])
    if not anchors:
        fixed[0] = True  # any one will do: the likelihood knows differences alone
    free = np.flatnonzero(~fixed)
    rating = np.array([anchors.get(name, 0.0) for name in names]) / _ELO
    if anchors:
        rating[free] = rating[fixed].mean()
    information = _fit(rating, targets, weights, free)
    covariance: NDArray[np.float64] = np.zeros((n, n))
    if anchors:
        covariance[np.ix_(free, free)] = np.linalg.inv(information[np.ix_(free, free)])
    else:
        rating -= rating.mean()
        covariance[:] = np.linalg.pinv(information, hermitian=True)
    error = Z95 * np.sqrt(np.maximum(np.diag(covariance), 0.0)) * _ELO
    order = np.argsort(-rating, kind="stable")
    found = [
        Rating(
            names[i],
            float(anchors.get(names[i], rating[i] * _ELO)),
            float(error[i]),
            int(games[i].sum()),
            float(points[i].sum() / games[i].sum()),
        )
        for i in order
    ]
    return Ratings(found, _superiority(rating[order], covariance[np.ix_(order, order)]))


def _fit(
    rating: NDArray[np.float64], targets: NDArray[np.float64], weights: NDArray[np.float64], free: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Newton's method on the free ratings, in place; the likelihood is concave. Returns minus its second derivatives, [n, n]."""
    for _ in range(_STEPS):
        expected, information = _derivatives(rating, weights)
        if not len(free):
            return information
        gradient = (targets - expected).sum(axis=1)[free]
        step = np.linalg.solve(information[np.ix_(free, free)], gradient)
        rating[free] += np.clip(step, -1.0, 1.0)  # far from the maximum a whole step may go too far
        if np.abs(step).max() < 1e-12:
            break
    return _derivatives(rating, weights)[1]


def _derivatives(
    rating: NDArray[np.float64], weights: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Points that each is expected to make against each other, and minus the second derivatives of the log-likelihood."""
    share = (1 + np.tanh((rating[:, None] - rating[None, :]) / 2)) / 2
    curvature = weights * share * (1 - share)
    return weights * share, np.diag(curvature.sum(axis=1)) - curvature


def _check_connected(names: Sequence[str], met: NDArray[np.bool_]) -> None:
    reached, todo = {0}, [0]
    while todo:
        for other in np.flatnonzero(met[todo.pop()]).tolist():
            if other not in reached:
                reached.add(other)
                todo.append(other)
    if len(reached) < len(names):
        inside = ", ".join(names[i] for i in sorted(reached))
        outside = ", ".join(name for i, name in enumerate(names) if i not in reached)
        raise RatingError(f"no games connect {inside} with {outside}: their ratings cannot be compared")


def _superiority(rating: NDArray[np.float64], covariance: NDArray[np.float64]) -> NDArray[np.float64]:
    n = len(rating)
    table = np.full((n, n), 0.5)
    for i in range(n):
        for j in range(n):
            variance = covariance[i, i] + covariance[j, j] - 2 * covariance[i, j]
            if i != j:
                difference = float(rating[i] - rating[j])
                table[i, j] = normal_cdf(difference / math.sqrt(max(variance, 1e-300)))
    return table
