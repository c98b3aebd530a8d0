"""Elo, intervals and the sequential test hold what they promise, in simulation and where the answer is known."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from alphago.arena.stats import (
    PairResults,
    Sprt,
    StatsError,
    elo_of,
    normal_cdf,
    score_of,
    student95,
    student_cdf,
    wilson,
)

FIVE = np.arange(5) / 4


def pair_probabilities(elo: float, draws: float, luck: float = 0.0) -> NDArray[np.float64]:
    """Of the five results of a pair between engines `elo` apart: games with this share of draws, and `luck` the share of pairs that
    the opening decides, one game each way, whoever plays."""
    mean = score_of(elo)
    game = np.array([1 - mean - draws / 2, draws, mean - draws / 2])
    assert (game >= 0).all()
    pair = np.convolve(game, game) * (1 - luck)
    pair[2] += luck
    return pair


# --- known answers ----------------------------------------------------------------------------------------------------


def test_elo_and_score_are_inverse() -> None:
    assert elo_of(0.5) == 0
    assert elo_of(10 / 11) == pytest.approx(400)
    assert elo_of(0) == -math.inf and elo_of(1) == math.inf
    for elo in (-1200.0, -35.0, 0.0, 10.0, 2000.0):
        assert elo_of(score_of(elo)) == pytest.approx(elo)
    assert score_of(1e6) == 1 and score_of(-1e6) == 0


def test_wilson_against_published_values() -> None:
    """R. G. Newcombe, Statistics in Medicine 17:857 (1998), table I, method 3."""
    for wins, games, low, high in (
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ):
        assert list(wilson(wins, games)) == pytest.approx([low, high], abs=5e-5)
    assert wilson(0, 0) == (0, 1)


@pytest.mark.parametrize("mean", [0.1, 0.3, 0.69, 0.9])
def test_evidence_of_two_results_is_the_binomial_one(mean: float) -> None:
    """With results 0 and 1 alone the best distribution of a given mean is known: a coin."""
    results = PairResults([1] * 7 + [0] * 3)
    expected = 7 * math.log(0.7 / mean) + 3 * math.log(0.3 / (1 - mean))
    assert results.evidence_against(mean) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("mean", [0.35, 0.5, 0.61, 0.8])
def test_evidence_of_five_results_by_brute_force(mean: float) -> None:
    """Search over the distributions on the five results that have this mean: none is more likely than the dual says."""
    seen = [0.0, 0.25, 0.25, 0.5, 0.5, 0.5, 0.75, 1.0, 1.0, 1.0, 1.0]
    results = PairResults(seen)
    counts = np.array([seen.count(v) for v in FIVE])
    best = -math.inf
    grid = np.linspace(0, 1, 41)
    for p1 in grid:
        for p2 in grid[grid <= 1 - p1]:
            for p3 in grid[grid <= 1 - p1 - p2 + 1e-12]:
                p4 = mean - 0.25 * p1 - 0.5 * p2 - 0.75 * p3
                p0 = 1 - p1 - p2 - p3 - p4
                p = np.array([p0, p1, p2, p3, p4])
                if (p > 0).all():
                    best = max(best, float((counts * np.log(p)).sum()))
    own = float((counts * np.log(counts / counts.sum())).sum())
    evidence = results.evidence_against(mean)
    assert evidence <= own - best + 1e-9
    assert evidence == pytest.approx(own - best, abs=0.05)  # the grid is coarse


def test_intervals_of_one_sided_matches_are_honest() -> None:
    low, high = PairResults([1.0] * 100).interval()
    limit = student95(99) ** 2 / 2
    assert low == pytest.approx(math.exp(-limit / 100))  # 100 successes and no failure, by likelihood
    assert high == 1
    assert PairResults([1.0] * 100).elo()[2] == math.inf
    low, high = PairResults([0.5] * 100).interval()  # every pair balanced: not certain either
    assert 0.48 < low < 0.5 < high < 0.52
    assert PairResults().interval() == PairResults([1.0]).interval() == (0, 1)
    assert PairResults().elo() == (0, -math.inf, math.inf)


def test_superiority() -> None:
    assert PairResults([0.5] * 10).superiority() == 0.5
    up, down = PairResults([1, 1, 0.5, 1, 0]), PairResults([0, 0, 0.5, 0, 1])
    assert up.superiority() == pytest.approx(1 - down.superiority())
    assert 0.8 < up.superiority() < 0.99
    assert normal_cdf(1.959964) == pytest.approx(0.975)


def test_a_mirrored_match_has_the_mirrored_interval() -> None:
    shares = [0, 0.25, 0.5, 0.5, 0.75, 1, 1]
    low, high = PairResults(shares).interval()
    assert list(PairResults([1 - s for s in shares]).interval()) == pytest.approx([1 - high, 1 - low])


def test_pairs_that_balance_narrow_the_interval() -> None:
    """Openings that decide games widen an interval from games, and not one from pairs."""
    balanced = PairResults([0.5] * 80 + [0.75] * 12 + [0.25] * 8)
    low, high = balanced.interval()
    from_games = wilson(balanced.mean * 200, 200)
    assert high - low < (from_games[1] - from_games[0]) / 3


@pytest.mark.parametrize("shares", [[1.2], [-0.1], [float("nan")]])
def test_bad_results(shares: list[float]) -> None:
    with pytest.raises(StatsError, match="within 0 and 1"):
        PairResults(shares)


# --- simulation -------------------------------------------------------------------------------------------------------


def coverage(elo: float, draws: float, luck: float, pairs: int, tries: int = 2000) -> float:
    """Share of simulated matches whose interval holds the truth."""
    probabilities = pair_probabilities(elo, draws, luck)
    truth, limit = float(FIVE @ probabilities), student95(pairs - 1) ** 2 / 2
    known: dict[tuple[int, ...], bool] = {}
    held = 0
    for counts in np.random.default_rng([8, pairs]).multinomial(pairs, probabilities, size=tries).tolist():
        key = tuple(counts)
        if key not in known:
            # The truth lies inside exactly when the evidence against it is below the limit; quicker than the interval's ends.
            known[key] = PairResults(np.repeat(FIVE, counts).tolist()).evidence_against(truth) <= limit
        held += known[key]
    return held / tries


@pytest.mark.parametrize(
    ("elo", "draws", "luck", "pairs"),
    [
        (0, 0.0, 0.0, 10),
        (0, 0.0, 0.0, 20),
        (0, 0.0, 0.0, 50),
        (0, 0.2, 0.6, 20),
        (0, 0.2, 0.6, 100),
        (100, 0.0, 0.3, 100),
        (-35, 0.1, 0.0, 200),
        (300, 0.0, 0.0, 100),
        (200, 0.0, 0.0, 20),
    ],
)
def test_coverage_of_the_interval(elo: float, draws: float, luck: float, pairs: int) -> None:
    # 95 % less three standard errors of 2,000 tries; above, short matches may be a little surer than they say.
    assert 0.935 <= coverage(elo, draws, luck, pairs) <= 0.98


def test_coverage_where_nearly_all_pairs_are_split() -> None:
    """The known weakness: six pairs of sixty decide everything, and 95 % is about 91 %."""
    assert 0.89 <= coverage(0, 0.0, 0.9, 60) <= 0.94


@pytest.mark.parametrize("degrees", [1, 2, 3, 4, 5, 6, 9, 19, 49, 1000])
def test_students_distribution(degrees: int) -> None:
    scipy_stats = pytest.importorskip("scipy.stats")
    assert student95(degrees) == pytest.approx(float(scipy_stats.t.ppf(0.975, degrees)), rel=1e-9)
    for t in (-30.0, -2.0, 0.0, 0.3, 1.0, 5.0):
        assert student_cdf(t, degrees) == pytest.approx(float(scipy_stats.t.cdf(t, degrees)), abs=1e-12)


@pytest.mark.parametrize("pairs", [10, 20, 40])
def test_interval_and_superiority_agree(pairs: int) -> None:
    """An interval excludes equality exactly where the superiority is above 97.5 % or below 2.5 %."""
    rng, outside = np.random.default_rng(pairs), 0
    for _ in range(100):
        results = PairResults(rng.choice(FIVE, size=pairs, p=pair_probabilities(150, 0.1)).tolist())
        low, high = results.interval()
        assert (low > 0.5 or high < 0.5) == (abs(results.superiority() - 0.5) > 0.475)
        outside += low > 0.5
    assert outside > 0


def test_the_interval_ends_where_the_evidence_does() -> None:
    results = PairResults([1, 0.5, 0.5, 0.75, 0, 1, 1])
    for end in results.interval():
        assert results.evidence_against(end) == pytest.approx(student95(6) ** 2 / 2, abs=1e-4)


def run_test(
    test: Sprt, probabilities: Sequence[float] | NDArray[np.float64], rng: np.random.Generator
) -> tuple[str, int]:
    """Play pairs until the test decides; looked at often enough that nothing is missed by much."""
    shares = rng.choice(FIVE, size=20_000, p=probabilities).tolist()
    n = 0
    while n < len(shares):
        n += max(1, n // 20)
        if verdict := test.verdict(PairResults(shares[:n])):
            return verdict, n
    return "none", n


@pytest.mark.parametrize(("elo0", "elo1", "luck"), [(0, 50, 0.0), (-60, 60, 0.5), (0, 200, 0.0)])
def test_error_rates_of_the_sequential_test(elo0: float, elo1: float, luck: float) -> None:
    test, tries, rng = Sprt(elo0, elo1), 120, np.random.default_rng(3)
    # Luck pulls the mean of a pair to a half, so the truth is put where the mean is elo0's and elo1's.
    for elo, wrong in ((elo0, "H1"), (elo1, "H0")):
        mean = 0.5 + (score_of(elo) - 0.5) / (1 - luck)
        found = [run_test(test, pair_probabilities(elo_of(mean), 0.0, luck), rng)[0] for _ in range(tries)]
        assert found.count("none") == 0
        assert found.count(wrong) / tries <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / tries)
        assert found.count(wrong) > 0  # the test can be wrong: nothing is cut off


def test_the_sequential_test_is_quick_when_the_truth_is_clear() -> None:
    rng, test = np.random.default_rng(5), Sprt(0, 50)
    lengths = [run_test(test, pair_probabilities(200, 0.0), rng) for _ in range(50)]
    assert all(verdict == "H1" for verdict, _ in lengths)
    assert sum(n for _, n in lengths) / 50 < 100


def test_sprt_ratio_is_zero_at_first_and_signed() -> None:
    test = Sprt(0, 20)
    assert test.ratio(PairResults()) == 0
    assert test.ratio(PairResults([1, 1, 0.5])) > 0 > test.ratio(PairResults([0, 0, 0.5]))
    assert list(test.bounds) == pytest.approx([-2.944439, 2.944439])
    assert test.verdict(PairResults([1, 0, 0.5])) is None


def test_sprt_from_text() -> None:
    assert Sprt.parse("0,10") == Sprt(0, 10)
    assert Sprt.parse("-5, 12.5") == Sprt(-5, 12.5)
    for text in ("", "5", "0,10,20", "a,b"):
        with pytest.raises(StatsError, match="expected two Elo differences"):
            Sprt.parse(text)
    for text in ("10,0", "0,0", "0,inf", "nan,1"):
        with pytest.raises(StatsError, match="elo0 below elo1"):
            Sprt.parse(text)
    with pytest.raises(StatsError, match="error rates"):
        Sprt(0, 1, alpha=0.7)
