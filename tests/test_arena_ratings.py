"""Bradley-Terry ratings: closed form for two, brute force for three, intervals that hold the truth, and the laws of any rating."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from alphago.arena.ladder import parse_anchors
from alphago.arena.ratings import Pairing, RatingError, Ratings, bradley_terry
from alphago.arena.stats import elo_of, score_of


def elos(found: Ratings) -> dict[str, float]:
    return {rating.name: rating.elo for rating in found.ratings}


def test_two_players_in_closed_form() -> None:
    """With one virtual draw: share (70 + 1/2) / (100 + 1); information of a coin of that share."""
    found = bradley_terry([Pairing("a", "b", 70, 100)], {"b": 1000})
    share = 70.5 / 101
    assert elos(found)["a"] == pytest.approx(1000 + elo_of(share), abs=1e-6)
    deviation = 400 / math.log(10) / math.sqrt(101 * share * (1 - share))
    a = next(r for r in found.ratings if r.name == "a")
    assert a.error == pytest.approx(1.959964 * deviation, rel=1e-5)
    assert (a.games, a.score) == (100, 0.7)
    assert next(r for r in found.ratings if r.name == "b").error == 0


def test_three_players_by_brute_force() -> None:
    pairings = [Pairing("a", "b", 12, 20), Pairing("b", "c", 15.5, 20), Pairing("c", "a", 3, 20)]
    found = elos(bradley_terry(pairings))
    assert sum(found.values()) == pytest.approx(0, abs=1e-6)

    def likelihood(a: float, b: float, c: float) -> float:
        rating, total = {"a": a, "b": b, "c": c}, 0.0
        for p in pairings:
            share = score_of(rating[p.a] - rating[p.b])
            total += (p.points + 0.5) * math.log(share) + (p.games - p.points + 0.5) * math.log(1 - share)
        return total

    # A grid that closes in on its best point.
    centre, width = (0.0, 0.0), 400.0
    while width > 0.005:
        points = itertools.product(np.linspace(-width, width, 9), repeat=2)
        centre = max(
            ((centre[0] + da, centre[1] + db) for da, db in points),
            key=lambda ab: likelihood(ab[0], ab[1], -ab[0] - ab[1]),
        )
        width /= 3
    assert found["a"] == pytest.approx(centre[0], abs=0.05)
    assert found["b"] == pytest.approx(centre[1], abs=0.05)


def test_a_clean_sweep_has_a_finite_rating() -> None:
    found = bradley_terry([Pairing("a", "b", 20, 20)])
    assert elos(found)["a"] - elos(found)["b"] == pytest.approx(elo_of(20.5 / 21))
    assert found.superiority[0, 1] > 0.95


def test_only_differences_matter() -> None:
    pairings = [Pairing("a", "b", 30, 50), Pairing("b", "c", 30, 50), Pairing("a", "c", 40, 50)]
    free, low, high = (elos(bradley_terry(pairings, anchors)) for anchors in (None, {"a": 0}, {"a": 1800}))
    for one, other in itertools.pairwise("abc"):
        assert free[one] - free[other] == pytest.approx(low[one] - low[other], abs=1e-6)
        assert free[one] - free[other] == pytest.approx(high[one] - high[other], abs=1e-6)
    assert high["a"] == 1800


def test_order_and_orientation_of_pairings_do_not_matter() -> None:
    one = bradley_terry([Pairing("a", "b", 30, 50), Pairing("b", "c", 20, 50)])
    other = bradley_terry([Pairing("c", "b", 30, 50), Pairing("b", "a", 15, 30), Pairing("a", "b", 15, 20)])
    assert elos(one) == pytest.approx(elos(other))


def test_several_anchors_stay_where_they_are() -> None:
    pairings = [Pairing("a", "b", 30, 50), Pairing("b", "c", 20, 50)]
    found = elos(bradley_terry(pairings, {"a": 100, "c": 0}))
    assert (found["a"], found["c"]) == (100, 0)
    assert -50 < found["b"] < 100
    assert elos(bradley_terry(pairings, {"a": 1, "b": 2, "c": 3})) == {"a": 1, "b": 2, "c": 3}


def test_intervals_and_order_in_simulation() -> None:
    """Four engines, a chain of neighbours and no more: ratings against the anchor lie in their intervals 95 % of the time."""
    truth, rng, tries = np.array([0.0, 120.0, 250.0, 330.0]), np.random.default_rng(2), 250
    inside, surer = np.zeros(4), 0
    for _ in range(tries):
        pairings = []
        for i, j in ((0, 1), (1, 2), (2, 3)):
            points = float(rng.binomial(100, score_of(truth[i] - truth[j])))
            pairings.append(Pairing(str(i), str(j), points, 100))
        found = bradley_terry(pairings, {"0": 0.0})
        for rating in found.ratings:
            inside[int(rating.name)] += abs(rating.elo - truth[int(rating.name)]) <= rating.error + 1e-9
        errors = {r.name: r.error for r in found.ratings}
        surer += errors["1"] < errors["2"] < errors["3"]
    assert (inside[1:] / tries > 0.91).all()
    assert surer == tries  # farther from the anchor, less sure


def test_superiority_is_the_order_of_the_table() -> None:
    found = bradley_terry([Pairing("a", "b", 60, 100), Pairing("b", "c", 60, 100)])
    assert [r.name for r in found.ratings] == ["a", "b", "c"]
    assert np.diag(found.superiority) == pytest.approx(0.5)
    assert found.superiority + found.superiority.T == pytest.approx(1)
    assert found.superiority[0, 2] > found.superiority[0, 1] > 0.5


def test_what_cannot_be_rated() -> None:
    with pytest.raises(RatingError, match="no games"):
        bradley_terry([Pairing("a", "b", 0, 0)])
    with pytest.raises(RatingError, match=r"no games connect a, b with c, d"):
        bradley_terry([Pairing("a", "b", 1, 2), Pairing("c", "d", 1, 2)])
    with pytest.raises(RatingError, match=r"the anchor 'gnogo' has no games \(did you mean gnugo\?\)"):
        bradley_terry([Pairing("gnugo", "b", 1, 2)], {"gnogo": 1800})
    with pytest.raises(RatingError, match="against itself"):
        bradley_terry([Pairing("a", "a", 1, 2)])


def test_anchors_from_texts() -> None:
    assert parse_anchors(["gnugo=1800", "a=b=-3.5"]) == {"gnugo": 1800, "a=b": -3.5}
    for text in ("gnugo", "=5", "gnugo=", "gnugo=strong", "gnugo=nan", "gnugo=inf"):
        with pytest.raises(RatingError, match="expected NAME=ELO"):
            parse_anchors([text])
