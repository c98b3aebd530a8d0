"""How strength is foretold: a fit of Elo to what is cheap to measure, and how well it ranks networks that it has not seen."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from alphago.errors import AlphaGoError

LEAST_TAU: Final = 0.6
"""A proxy that ranks worse is refused."""
FEWEST: Final = 12
"""Networks that a rank correlation is of, at least."""
_RESAMPLES: Final = 2000

Floats = NDArray[np.float64]


class EloError(AlphaGoError):
    """Numbers that no fit can be made of; the message says why."""


def kendall_tau(a: Floats, b: Floats) -> float:
    """Kendall's rank correlation, tau-b: ties count for neither side (M. G. Kendall, Biometrika 33:239, 1945). A constant: NaN."""
    first, second = (np.sign(x[:, None] - x[None, :]) for x in (np.asarray(a, float), np.asarray(b, float)))
    pairs = np.triu(np.ones(first.shape, dtype=bool), 1)
    product = float((first * second)[pairs].sum())
    untied = math.sqrt(float(np.abs(first[pairs]).sum()) * float(np.abs(second[pairs]).sum()))
    return product / untied if untied else math.nan


def partial_tau(a: Floats, b: Floats, given: Floats) -> float | None:
    """Kendall's partial rank correlation of two while a third is held (M. G. Kendall, Biometrika 32:277, 1942). None: undefined.

    What is left of a proxy's tau when the cost of networks is given: 0 where it only tells large from small.
    """
    ab, ag, bg = kendall_tau(a, b), kendall_tau(a, given), kendall_tau(b, given)
    left = (1 - ag * ag) * (1 - bg * bg)
    return (ab - ag * bg) / math.sqrt(left) if left > 1e-9 else None  # of a NaN neither


def tau_interval(a: Floats, b: Floats, seed: int = 0) -> tuple[float, float]:
    """95 % of the rank correlations of as many pairs drawn with replacement (percentile bootstrap)."""
    random = np.random.default_rng(seed)
    n = len(a)
    found = [kendall_tau(a[rows], b[rows]) for rows in random.integers(n, size=(_RESAMPLES, n))]
    kept = [tau for tau in found if not math.isnan(tau)]
    if not kept:
        return -1.0, 1.0
    low, high = np.quantile(kept, [0.025, 0.975])
    return float(low), float(high)


@dataclass(frozen=True)
class EloFit:
    """Elo = intercept + sum of slope * feature."""

    names: tuple[str, ...]
    slopes: tuple[float, ...]
    intercept: float

    def predict(self, features: Mapping[str, float]) -> float:
        """Of one network."""
        return self.intercept + sum(slope * features[name] for name, slope in zip(self.names, self.slopes, strict=True))

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {"names": list(self.names), "slopes": list(self.slopes), "intercept": self.intercept}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> EloFit:
        """What `to_dict` gave. Raises EloError."""
        try:
            return cls(tuple(values["names"]), tuple(map(float, values["slopes"])), float(values["intercept"]))
        except (KeyError, TypeError, ValueError) as error:
            raise EloError(f"no fit of Elo: {error}") from None


def fit_elo(names: Sequence[str], signs: Sequence[int], features: Floats, elo: Floats) -> EloFit:
    """Least squares in which every slope has its sign or is 0: a loss can only cost Elo.

    Args:
        features: [n, k].
        signs: +1 or -1 of each feature.
        elo: [n].

    Raises:
        EloError: fewer than 3 networks, or numbers that are not finite.
    """
    features, elo = np.asarray(features, dtype=float), np.asarray(elo, dtype=float)
    n, k = features.shape
    if n < 3 or len(elo) != n or len(names) != k or len(signs) != k:
        raise EloError(f"a fit of Elo to {k} numbers needs 3 networks or more, got {n}")
    if not (np.isfinite(features).all() and np.isfinite(elo).all()):
        raise EloError("a fit of Elo needs finite numbers")
    best: tuple[float, Floats, float] | None = None
    # every subset of the features: with a few of them the best that has the right signs is the constrained optimum
    for chosen in itertools.chain.from_iterable(itertools.combinations(range(k), size) for size in range(k + 1)):
        columns = np.column_stack([features[:, list(chosen)], np.ones(n)])
        solution = np.linalg.lstsq(columns, elo, rcond=None)[0]
        slopes = np.zeros(k)
        slopes[list(chosen)] = solution[:-1]
        if any(slopes[i] * signs[i] < 0 for i in chosen):
            continue
        missed = float(((elo - features @ slopes - solution[-1]) ** 2).sum())
        if best is None or missed < best[0] - 1e-12 * (1 + best[0]):
            best = missed, slopes, float(solution[-1])
    assert best is not None  # the empty subset has no wrong sign
    return EloFit(tuple(names), tuple(best[1].tolist()), best[2])


@dataclass(frozen=True)
class Judged:
    """A proxy against the strength of networks that were trained in full and have played."""

    name: str
    fit: EloFit
    tau: float
    """Rank correlation of strength and what the fit says of each network when it is fitted to all others."""
    interval: tuple[float, float]
    """95 % of `tau`, by bootstrap."""
    tau_seen: float
    """The same of the fit to all: flattering."""
    networks: int
    miss: float
    """Root mean square of what the prediction of the unseen misses by, Elo."""
    seconds: float
    """That the proxy takes for a network, on average."""
    tau_given_cost: float | None = None
    """`partial_tau` given the networks' multiply-adds; None: unknown, or of a proxy that orders them as these do."""

    @property
    def refusal(self) -> str | None:
        """Why nothing may be searched by it; None: it may."""
        if self.networks < FEWEST:
            return f"it was held against {self.networks} networks, {FEWEST} are needed"
        if not self.tau >= LEAST_TAU:
            return f"it ranks {self.networks} trained networks with tau {self.tau:.2f}, below {LEAST_TAU:g}"
        return None

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {
            "name": self.name,
            "fit": self.fit.to_dict(),
            "tau": round(self.tau, 4),
            "interval": [round(x, 4) for x in self.interval],
            "tau_given_cost": None if self.tau_given_cost is None else round(self.tau_given_cost, 4),
            "tau_seen": round(self.tau_seen, 4),
            "networks": self.networks,
            "miss": round(self.miss, 2),
            "seconds": round(self.seconds, 3),
            "refusal": self.refusal,
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Judged:
        """What `to_dict` gave. Raises EloError."""
        try:
            low, high = values["interval"]
            return cls(
                str(values["name"]),
                EloFit.from_dict(values["fit"]),
                float(values["tau"]),
                (float(low), float(high)),
                float(values["tau_seen"]),
                int(values["networks"]),
                float(values["miss"]),
                float(values["seconds"]),
                None if values["tau_given_cost"] is None else float(values["tau_given_cost"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise EloError(f"no judgement of a proxy: {error}") from None


def judge(
    name: str,
    names: Sequence[str],
    signs: Sequence[int],
    features: Floats,
    elo: Floats,
    seconds: float = 0.0,
    cost: Floats | None = None,
) -> Judged:
    """Fit a proxy's features to Elo, and hold the fit to every network that it was not fitted to. As `fit_elo`.

    Args:
        cost: [n], multiply-adds of the networks or what sorts as they do.
    """
    fit = fit_elo(names, signs, features, elo)
    n = len(elo)
    foretold = np.zeros(n)
    for left_out in range(n):
        rest = np.arange(n) != left_out
        one = fit_elo(names, signs, features[rest], elo[rest])
        foretold[left_out] = one.predict(dict(zip(names, features[left_out].tolist(), strict=True)))
    seen = np.array([fit.predict(dict(zip(names, row.tolist(), strict=True))) for row in features])
    tau = kendall_tau(foretold, elo)
    return Judged(
        name,
        fit,
        -1.0 if math.isnan(tau) else tau,
        tau_interval(foretold, elo),
        -1.0 if math.isnan(found := kendall_tau(seen, elo)) else found,
        n,
        float(np.sqrt(np.mean((foretold - elo) ** 2))),
        seconds,
        None if cost is None else partial_tau(foretold, elo, cost),
    )
