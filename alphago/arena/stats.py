"""What a match proves: Elo with an interval, likelihood of superiority, a sequential test. All of it from pairs of games.

The unit is a pair of games from one opening with colours swapped; its result is the first engine's share of it, 0 to 1 (five
values: pentanomial; three without draws). Games of a pair depend on one another, pairs do not, so intervals from games would be
wrong, mostly too wide. Of the results' distribution nothing is assumed but that it lies within 0 and 1: intervals and test are
likelihood ratios over all such distributions (empirical likelihood: A. Owen, Biometrika 75:237, 1988).

For a mean m that is put forward, the log-likelihood ratio of the best distribution to the best one with mean m is

    n KL(m),   KL(m) = max over t of  mean log(1 + t (x - m)),   -1 / (1 - m) <= t <= 1 / m

(J. Honda and A. Takemura, COLT 2010, section 3). Results that have not been seen may still come, so that a match won by
every pair, or drawn by every pair, has an honest interval too. Intervals take Student's quantile in place of the normal one; with
that one, 95 % intervals held the truth 90.7 % of the time at 10 pairs. What remains: where all but some six pairs are split
evenly, they hold it about 91 % of the time (tests/test_arena_stats.py simulates both).
"""

from __future__ import annotations

import functools
import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from alphago.errors import AlphaGoError

Z95: Final = 1.959963984540054
"""Two-sided 95 % point of the normal distribution."""
_ELO: Final = 400 / math.log(10)
_STEPS: Final = 50  # of bisection: the last digit of a double


class StatsError(AlphaGoError):
    """Numbers that no statistic can be made of; the message says which."""


def elo_of(score: float) -> float:
    """Elo difference at which the logistic model expects this share of the points; infinite at 0 and 1."""
    if score <= 0 or score >= 1:
        return math.copysign(math.inf, score - 0.5)
    return _ELO * math.log(score / (1 - score))


def score_of(elo: float) -> float:
    """Share of the points that the logistic model expects at an Elo difference."""
    return (1 + math.tanh(elo / _ELO / 2)) / 2


def normal_cdf(z: float) -> float:
    """Standard normal distribution function."""
    return 0.5 * math.erfc(-z / math.sqrt(2))


def student_cdf(t: float, degrees: int) -> float:
    """Student's distribution function for whole degrees of freedom (M. Abramowitz and I. Stegun, 26.7.3 and 26.7.4)."""
    if math.isinf(t):
        return float(t > 0)
    theta = math.atan(t / math.sqrt(degrees))
    square, odd = math.cos(theta) ** 2, degrees % 2
    term, total = (math.cos(theta), 0.0) if odd else (1.0, 0.0)
    for k in range(odd + 1, degrees, 2):
        total += term
        term *= square * k / (k + 1)
    inside = math.sin(theta) * total
    return (1 + ((theta + inside) * 2 / math.pi if odd else inside)) / 2


@functools.lru_cache(maxsize=4096)
def student95(degrees: int) -> float:
    """Two-sided 95 % point of Student's distribution."""
    low, high = 1.0, 13.0
    for _ in range(_STEPS):
        middle = (low + high) / 2
        if student_cdf(middle, degrees) < 0.975:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def wilson(successes: float, trials: int, z: float = Z95) -> tuple[float, float]:
    """Wilson's score interval of a proportion of independent trials (E. B. Wilson, JASA 22:209, 1927); a draw is half a success.

    Returns:
        (low, high); (0, 1) without trials.
    """
    if trials == 0:
        return 0.0, 1.0
    share, zz = successes / trials, z * z / trials
    middle = (share + zz / 2) / (1 + zz)
    half = z / (1 + zz) * math.sqrt(share * (1 - share) / trials + zz / (4 * trials))
    return max(0.0, middle - half), min(1.0, middle + half)


class PairResults:
    """Results of pairs, each the first engine's share of the points, in 0..1; with the likelihood of every mean.

    Raises:
        StatsError: a result outside 0..1.
    """

    def __init__(self, shares: Iterable[float] = ()) -> None:
        # Seldom more than five different ones.
        self._counts = Counter(map(float, shares))
        for value in self._counts:
            if not 0 <= value <= 1:
                raise StatsError(f"results of pairs must lie within 0 and 1, got {value:g}")
        self.n = self._counts.total()
        self.mean = sum(v * c for v, c in self._counts.items()) / self.n if self.n else 0.5

    def evidence_against(self, mean: float) -> float:
        """n KL(mean): the log-likelihood ratio of the best distribution to the best one with this mean. 0 at the own mean.

        Infinite for the means 0 and 1 where another result has been seen.
        """
        if self.n == 0 or mean == self.mean:
            return 0.0
        if mean <= 0 or mean >= 1:
            return math.inf
        cells = [(value - mean, count) for value, count in self._counts.items()]
        # The derivative in t falls; the maximum is where it is zero, or at the bound when it is zero beyond.
        low, high = (-1 / (1 - mean), 0.0) if self.mean < mean else (0.0, 1 / mean)
        for _ in range(_STEPS):
            t = (low + high) / 2
            if sum(count * x / (1 + t * x) for x, count in cells) > 0:
                low = t
            else:
                high = t
        return max(0.0, sum(count * math.log1p(x * (low + high) / 2) for x, count in cells))

    def interval(self) -> tuple[float, float]:
        """The means that the likelihood ratio does not reject at 95 %; (0, 1) below 2 pairs."""
        if self.n < 2:
            return 0.0, 1.0
        limit = student95(self.n - 1) ** 2 / 2
        ends = []
        for outside in (0.0, 1.0):
            inside = self.mean
            if inside != outside:
                for _ in range(_STEPS):
                    middle = (inside + outside) / 2
                    if self.evidence_against(middle) <= limit:
                        inside = middle
                    else:
                        outside = middle
            ends.append(inside)
        return ends[0], ends[1]

    def elo(self) -> tuple[float, float, float]:
        """(Elo difference, low, high); infinite where the results set no bound."""
        low, high = self.interval()
        return elo_of(self.mean), elo_of(low), elo_of(high)

    def superiority(self) -> float:
        """How surely the first engine is the stronger one (LOS), by the signed root of the likelihood ratio at 1/2.

        0.975 exactly where the interval begins at a score of 1/2; 1/2 below 2 pairs.
        """
        if self.n < 2:
            return 0.5
        root = math.sqrt(2 * self.evidence_against(0.5))
        return student_cdf(math.copysign(root, self.mean - 0.5), self.n - 1)

    def counts(self) -> dict[float, int]:
        """How often each result was seen, ascending."""
        return dict(sorted(self._counts.items()))


@dataclass(frozen=True)
class Sprt:
    """A sequential probability ratio test of H1: elo >= elo1 against H0: elo <= elo0 (A. Wald, Ann. Math. Stat. 16:117, 1945).

    The ratio is the generalised one over all distributions of pair results with either mean, as match runners of chess engines
    use it (M. Van den Bergh, The Generalized Sequential Probability Ratio Test). It may be looked at after every pair.
    """

    elo0: float
    elo1: float
    alpha: float = 0.05
    """Probability of accepting H1 at elo0."""
    beta: float = 0.05
    """Probability of accepting H0 at elo1."""

    def __post_init__(self) -> None:
        if not (math.isfinite(self.elo0) and math.isfinite(self.elo1) and self.elo0 < self.elo1):
            raise StatsError(f"an SPRT needs two numbers, elo0 below elo1, got {self.elo0:g},{self.elo1:g}")
        if not (0 < self.alpha < 0.5 and 0 < self.beta < 0.5):
            raise StatsError(f"error rates of an SPRT lie within 0 and 0.5, got {self.alpha:g} and {self.beta:g}")

    @classmethod
    def parse(cls, text: str) -> Sprt:
        """From `elo0,elo1`. Raises StatsError."""
        try:
            elo0, elo1 = (float(part) for part in text.split(","))
        except ValueError:
            raise StatsError(f"expected two Elo differences such as 0,10, got {text!r}") from None
        return cls(elo0, elo1)

    @property
    def bounds(self) -> tuple[float, float]:
        """Log-likelihood ratios at which H0 and H1 are accepted."""
        return math.log(self.beta / (1 - self.alpha)), math.log((1 - self.beta) / self.alpha)

    def ratio(self, results: PairResults) -> float:
        """Log-likelihood ratio of elo1 to elo0."""
        return results.evidence_against(score_of(self.elo0)) - results.evidence_against(score_of(self.elo1))

    def verdict(self, results: PairResults) -> str | None:
        """ "H0", "H1", or None: go on."""
        ratio, (low, high) = self.ratio(results), self.bounds
        return "H1" if ratio >= high else "H0" if ratio <= low else None
