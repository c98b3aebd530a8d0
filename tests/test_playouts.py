"""Playouts: legality, lengths, determinism, and move frequencies against probabilities computed in another way."""

import random
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from alphago import _core
from reference import patterns, score
from reference.board import Board, is_true_eye, place
from reference.compare import Pair, game_pairs, random_pair
from reference.tables import compiled, nakade_of, random_weights

POLICIES = ("light", "softmax")
# Sums of results and of lengths of 50 playouts with seed 7 on the empty 19x19 board.
LIGHT_SUMS = (692, 22827)
SOFTMAX_SUMS = (640, 23716)


@cache
def positions() -> tuple[Pair, ...]:
    """Positions of real 9x9 and 19x19 games and of random games on every size; passes, captures and bans among them."""
    rng = random.Random(21)
    pairs = [random_pair(rng, size, rng.randrange(2 * size * size)) for size in range(2, 14) for _ in range(12)]
    pairs += game_pairs(rng, nine=150, nineteen=25)
    for pair in pairs[::8]:
        pair.play(pair.slow.pass_action)
    return tuple(pairs) + tuple(after_captures(rng, 40))


def after_captures(rng: random.Random, count: int) -> list[Pair]:
    """Positions right after a capture of several stones, where nakade features fire."""
    found: list[Pair] = []
    while len(found) < count:
        pair = Pair(rng.choice((5, 6, 7, 9)), rng.randrange(3), rng.random() < 0.5)
        for _ in range(3 * pair.size**2):
            pair.random_play(rng, 1, fill_eyes=0.3)
            captured = pair.slow.captured_chains[-1] if pair.slow.moves else ()
            if any(len(stones) >= rng.randrange(2, 6) for stones in captured):
                found.append(pair)
                break
    return found


@cache
def weights() -> tuple[patterns.Weights, _core.RolloutWeights]:
    """Random weights for most of the patterns that occur there and in playouts, in both forms."""
    boards = [pair.slow for pair in positions()]
    for seed in range(25):
        board = Board(9, ko=0)
        for number, action in enumerate(_core.Position(9).playout("light", seed)[1]):
            board.try_play(action)
            if number % 6 == 5:
                boards.append(board.copy())
    slow = random_weights(random.Random(22), boards)
    assert min(len(slow.patterns3), len(slow.patterns12), len(slow.responses)) > 1000
    return slow, compiled(slow)


# --- probabilities ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tree", [False, True], ids=["rollout", "tree"])
@pytest.mark.parametrize(("with_3x3", "precision"), [(False, 2e-6), (True, 5e-4)], ids=["without-3x3", "all"])
def test_probabilities_equal_reference(with_3x3: bool, precision: float, tree: bool) -> None:
    """Every move at hundreds of positions; every feature group fires somewhere.

    The core keeps the factor of a 3x3 pattern with 12 significant bits, everything else with 24 or more.
    """
    slow, fast = weights()
    if not with_3x3:
        slow = replace(slow, patterns3={})
        fast = compiled(slow)
    nakade = passes = 0
    for pair in positions():
        captured = nakade_of(pair.slow)
        wanted = np.array(patterns.probabilities(pair.slow, slow, tree, captured))
        got = pair.core.tree_probabilities(fast) if tree else pair.core.rollout_probabilities(fast)
        assert got.shape == wanted.shape
        np.testing.assert_allclose(got, wanted, rtol=precision, atol=0, err_msg=pair.describe(-1, 0, 0))
        assert np.array_equal(got == 0, wanted == 0)
        assert abs(got.sum() - 1) < 1e-6
        nakade += any(wanted[point] for point in captured)
        passes += wanted[-1] == 1
    assert nakade >= 20
    assert passes >= 3
    for feature in ("save_atari", "response", "self_atari"):
        assert matters(feature, tree) == (tree or feature != "self_atari"), feature


def matters(feature: str, tree: bool) -> bool:
    """Whether a change of one weight changes some probability, in the core."""
    slow, fast = weights()
    other = compiled(replace(slow, **{feature: getattr(slow, feature) + 1.0}))
    for pair in positions():
        before, after = (
            pair.core.tree_probabilities(each) if tree else pair.core.rollout_probabilities(each)
            for each in (fast, other)
        )
        if not np.allclose(before, after):
            return True
    return False


def test_neutral_weights_are_uniform() -> None:
    """With all weights zero either policy is uniform over the moves that fill no own eye."""
    neutral = compiled(patterns.Weights())
    for pair in positions()[::3]:
        chosen = patterns.candidates(pair.slow)
        wanted = np.zeros(pair.slow.pass_action + 1)
        wanted[chosen or [-1]] = 1 / max(len(chosen), 1)
        np.testing.assert_allclose(pair.core.rollout_probabilities(neutral), wanted, rtol=1e-6)
        np.testing.assert_allclose(pair.core.tree_probabilities(neutral), wanted, rtol=1e-6)


# --- frequencies ------------------------------------------------------------------------------------------------------


def chi_squared(counts: NDArray[np.int64], odds: NDArray[np.float64], least: float = 5.0) -> tuple[float, int]:
    """Pearson's statistic and its degrees of freedom; rare moves are put together until each cell expects `least`."""
    total = int(counts.sum())
    order = np.argsort(odds)
    observed: list[float] = [0.0]
    expected: list[float] = [0.0]
    for move in order[odds[order] > 0]:
        if expected[-1] >= least:
            observed.append(0.0)
            expected.append(0.0)
        observed[-1] += counts[move]
        expected[-1] += odds[move] * total
    if len(expected) > 1 and expected[-1] < least:
        observed[-2] += observed.pop()
        expected[-2] += expected.pop()
    statistic = float(sum((o - e) ** 2 / e for o, e in zip(observed, expected, strict=True)))
    return statistic, len(observed) - 1


def frequencies(
    core: _core.Position, policy: str, seeds: range, fast: _core.RolloutWeights | None = None
) -> NDArray[np.int64]:
    """How often each action is the first of a playout. No two positions may share seeds: they would draw alike."""
    counts = np.zeros(core.size**2 + 1, dtype=np.int64)
    for seed in seeds:
        counts[core.playout(policy, seed, fast, max_moves=1)[1][0]] += 1
    return counts


def assert_fits(statistics: list[tuple[float, int]]) -> None:
    """The pooled statistic is chi-squared, and the p-values of the positions are spread as chance spreads them."""
    total, freedom = sum(value for value, _ in statistics), sum(df for _, df in statistics)
    assert freedom > len(statistics)
    assert 1e-5 < stats.chi2.sf(total, freedom) < 1 - 1e-5, (total, freedom)
    tails = [stats.chi2.sf(value, df) for value, df in statistics if df >= 5]
    assert len(tails) > len(statistics) // 3
    assert stats.kstest(tails, "uniform").pvalue > 1e-5


def test_light_playouts_choose_uniformly() -> None:
    """First moves over the legal moves that fill no own true eye, at hundreds of positions."""
    statistics = []
    for number, pair in enumerate(pair for pair in positions() if pair.size <= 9 and not pair.core.is_over):
        chosen = patterns.candidates(pair.slow)
        odds = np.zeros(pair.slow.pass_action + 1)
        odds[chosen or [-1]] = 1 / max(len(chosen), 1)
        counts = frequencies(pair.core, "light", range(600 * number, 600 * number + 600))
        assert not counts[odds == 0].any(), pair.describe(-1, 0, 0)
        if len(chosen) > 1:
            statistics.append(chi_squared(counts, odds))
    assert len(statistics) > 200
    assert_fits(statistics)


def test_softmax_playouts_choose_by_their_probabilities() -> None:
    """First moves against rollout_probabilities at thousands of positions: those of the games above and what follows them."""
    _, fast = weights()
    rng = random.Random(23)
    seed = 0
    statistics = []
    for pair in positions():
        core = pair.core.copy()
        for _ in range(10 if pair.size <= 9 else 4):
            if core.is_over:
                break
            odds = core.rollout_probabilities(fast)
            counts = frequencies(core, "softmax", range(seed, seed + 120), fast)
            seed += 120
            assert not counts[odds == 0].any()
            if (odds > 0).sum() > 1:
                statistics.append(chi_squared(counts, odds))
            moves = core.playout("softmax", rng.randrange(2**32), fast, max_moves=rng.randrange(1, 12))[1]
            for action in moves:
                if core.try_play(action) < 0:  # superko, which playouts leave aside
                    break
    assert len(statistics) > 2000
    assert_fits(statistics)


@cache
def directions() -> dict[str, _core.RolloutWeights]:
    """The random weights once more for each group of features, with that group changed."""
    slow, _ = weights()

    def some(table: dict[int, float], part: int) -> dict[int, float]:
        return {key: weight + (number % 3 == part) for number, (key, weight) in enumerate(table.items())}

    changed = {
        "response": replace(slow, response=slow.response + 1),
        "save atari": replace(slow, save_atari=slow.save_atari + 1),
        "nakade": replace(slow, nakade=[weight + index % 2 for index, weight in enumerate(slow.nakade)]),
        "any nakade": replace(slow, nakade=[weight + 1 for weight in slow.nakade]),
    }
    for index in range(8):
        bumped = [weight + (place == index) for place, weight in enumerate(slow.neighbour)]
        changed[f"neighbour {index}"] = replace(slow, neighbour=bumped)
    for part in range(3):
        changed[f"3x3 {part}"] = replace(slow, patterns3=some(slow.patterns3, part))
        changed[f"responses {part}"] = replace(slow, responses=some(slow.responses, part))
    return {name: compiled(each) for name, each in changed.items()}


@pytest.mark.parametrize(("size", "games"), [(5, 250), (9, 150), (13, 30), (19, 20)])
def test_softmax_playouts_follow_their_probabilities_to_the_end(size: int, games: int) -> None:
    """The state that a playout maintains move by move gives the probabilities of a fresh look at every position.

    Two tests over every move of the games: the probability of all moves before the one played, plus a uniform share of
    its own, is uniform; and for each group of features the score (derivative of the log-likelihood along that
    group's weights, here a difference) has mean zero and the variance that the probabilities say.
    """
    _, fast = weights()
    rng = np.random.default_rng(size)
    shares: list[float] = []
    surplus, spread = dict.fromkeys(directions(), 0.0), dict.fromkeys(directions(), 0.0)
    for seed in range(games):
        core = _core.Position(size, ko=0, suicide=False)
        _, actions = core.playout("softmax", seed, fast)
        for action in actions:
            odds = core.rollout_probabilities(fast)
            assert odds[action] > 0
            shares.append(float(odds[:action].sum() + rng.random() * odds[action]))
            moves = np.flatnonzero(odds)
            for name, other in directions().items():
                slope = np.log(core.rollout_probabilities(other)[moves] / odds[moves])
                mean = float(odds[moves] @ slope)
                surplus[name] += float(slope[moves == action][0]) - mean
                spread[name] += float(odds[moves] @ (slope - mean) ** 2)
            core.try_play(action)
    assert len(shares) > 5000
    assert stats.kstest(shares, "uniform").pvalue > 1e-5
    for name in surplus:
        assert spread[name] > 10 or "nakade" in name, f"{name} hardly ever fires"
        assert abs(surplus[name]) < 5 * np.sqrt(spread[name]) + 1e-6, (name, surplus[name] / np.sqrt(spread[name]))


# --- whole playouts ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("size", "length", "tolerance", "count"), [(9, 111, 2, 20_000), (19, 455, 5, 2_000)])
def test_mean_length_of_light_playouts(size: int, length: float, tolerance: float, count: int) -> None:
    """libEGO's figures, from the empty board."""
    _, lengths = _core.Position(size).playouts("light", count, seed=1)
    error = lengths.std() / np.sqrt(count)
    assert error < tolerance / 5
    assert abs(lengths.mean() - length) < tolerance


def replay(pair: Pair, policy: str, seed: int, fast: _core.RolloutWeights | None, **limits: int) -> None:
    """Plays a playout's actions on the slow board: legal but for superko, no eye filled; and its end is scored right."""
    board = pair.slow.copy()
    board.ko = 0
    difference, actions = pair.core.playout(policy, seed, fast, **limits)
    for action in actions:
        if action == board.pass_action:
            assert not patterns.candidates(board), "a pass while there are moves"
        else:
            assert board.grid[action] == 0 and board.ban != (action, board.to_play), (action, pair.describe(-1, 0, 0))
            assert not place(board.size, board.grid, action, board.to_play).suicide
            assert not is_true_eye(board.size, board.grid, action, board.to_play)
        board.try_play(action)
    assert difference == sum(score.area(board.size, board.grid))


@pytest.mark.parametrize("policy", POLICIES)
def test_playouts_are_legal_and_scored_right(policy: str) -> None:
    """Whole playouts from positions of every kind, on the slow board."""
    fast = weights()[1] if policy == "softmax" else None
    before = [pair.core.moves() for pair in positions()]
    for seed, pair in enumerate(positions()[::3]):
        if pair.size <= 9 or seed % 10 == 0:
            replay(pair, policy, seed, fast)
    assert [pair.core.moves() for pair in positions()] == before, "a playout leaves its position alone"


@pytest.mark.parametrize("policy", POLICIES)
def test_playouts_end_with_two_passes(policy: str) -> None:
    """Unless the limit comes first."""
    fast = weights()[1] if policy == "softmax" else None
    for seed in range(50):
        _, actions = _core.Position(9).playout(policy, seed, fast)
        assert actions[-2:] == [81, 81] or len(actions) > 2 * 81


@pytest.mark.parametrize("policy", POLICIES)
def test_length_limit(policy: str) -> None:
    """A limited playout is the beginning of a longer one, scored where it stops."""
    fast = weights()[1] if policy == "softmax" else None
    for pair in positions()[::25]:
        _, whole = pair.core.playout(policy, 5, fast, max_moves=2000)
        for limit in (1, 2, 7, 40):
            _, actions = pair.core.playout(policy, 5, fast, max_moves=limit)
            assert actions == whole[:limit]
        _, usual = pair.core.playout(policy, 5, fast)
        assert usual == whole[: len(usual)]
        replay(pair, policy, 5, fast, max_moves=9)


@pytest.mark.parametrize("policy", POLICIES)
def test_mercy_rule(policy: str) -> None:
    """Off by default; with it playouts only get shorter, and stop with a difference beyond it or not at all."""
    fast = weights()[1] if policy == "softmax" else None
    stopped = 0
    for seed in range(200):
        _, whole = _core.Position(9).playout(policy, seed, fast)
        _, short = _core.Position(9).playout(policy, seed, fast, mercy=20)
        assert short == whole[: len(short)]
        if len(short) < len(whole):
            stopped += 1
            core = _core.Position(9, ko=0)
            for action in short:
                core.try_play(action)
            stones = core.stones()
            assert abs(int((stones == 1).sum()) - int((stones == 2).sum())) >= 20
    assert stopped > 10


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("size", [5, 9, 13, 19])
def test_seeds(policy: str, size: int) -> None:
    """Playout i depends on (seed, i): not on how many there are, on threads, or on what ran before."""
    fast = weights()[1] if policy == "softmax" else None
    core = _core.Position(size)
    core.try_play(size + 1)
    results, lengths = core.playouts(policy, 64, seed=9, weights=fast)
    assert results.dtype == np.int16 and lengths.dtype == np.int32
    assert results.shape == lengths.shape == (64,)
    for count, threads in ((64, 2), (17, 1), (64, 5), (1, 3)):
        again, again_lengths = core.playouts(policy, count, seed=9, weights=fast, threads=threads)
        np.testing.assert_array_equal(again, results[:count])
        np.testing.assert_array_equal(again_lengths, lengths[:count])
    other, _ = core.playouts(policy, 64, seed=10, weights=fast)
    assert (other != results).sum() > 32 or size < 9
    assert len(np.unique(lengths)) > 5
    difference, actions = core.playout(policy, 9, fast)
    assert (difference, len(actions)) == (results[0], lengths[0]), "one playout is the first of many"
    assert core.playouts(policy, 0, seed=9, weights=fast)[0].shape == (0,)


def test_playouts_do_not_repeat_each_other() -> None:
    """Neighbouring seeds and neighbouring numbers give different games."""
    core = _core.Position(9)
    games = {tuple(core.playout("light", seed)[1]) for seed in range(500)}
    assert len(games) == 500
    first = core.playouts("light", 300, seed=0)
    second = core.playouts("light", 300, seed=1)
    same: Any = (first[0][1:] == second[0][:-1]) & (first[1][1:] == second[1][:-1])
    assert same.mean() < 0.1, "seed s, number i+1 is not seed s+1, number i"


def test_same_playouts_on_every_machine() -> None:
    """Fixed seeds give these games with any compiler and on any processor; a change here changes what a seed means."""
    fast = compiled(
        patterns.Weights(
            response=0.5,
            save_atari=2.0,
            neighbour=[0.3, 0.8, 0.3, 0.8, 0.8, 0.3, 0.8, 0.3],
            nakade=[1.0] * 8192,
            patterns3={0: -1.0},
        )
    )
    light, softmax = _core.Position(19).playouts("light", 50, 7), _core.Position(19).playouts("softmax", 50, 7, fast)
    assert (int(light[0].sum()), int(light[1].sum())) == LIGHT_SUMS
    assert (int(softmax[0].sum()), int(softmax[1].sum())) == SOFTMAX_SUMS
    again = _core.Position(19, ko=0, suicide=False, komi=0.0).playouts("light", 50, seed=7)
    np.testing.assert_array_equal(light[0], again[0], "superko, suicide and komi are nothing to playouts")


@pytest.mark.parametrize("policy", POLICIES)
def test_results_are_those_of_a_fair_game(policy: str) -> None:
    """From the empty board black wins a little more than half; area differences have both signs and the right parity."""
    fast = compiled(patterns.Weights()) if policy == "softmax" else None
    results, _ = _core.Position(9).playouts(policy, 4000, seed=3, weights=fast)
    assert 0.0 < results.mean() < 6.0
    assert (results < 0).mean() > 0.3
    assert np.abs(results).max() <= 81


def test_softmax_with_neutral_weights_plays_like_light() -> None:
    """The two code paths have the same distribution of lengths and results when no weight counts."""
    neutral = compiled(patterns.Weights())
    light = _core.Position(9).playouts("light", 4000, seed=1)
    softmax = _core.Position(9).playouts("softmax", 4000, seed=2, weights=neutral)
    for one, other in zip(light, softmax, strict=True):
        assert stats.ks_2samp(one, other).pvalue > 1e-4


def test_playouts_that_cannot_be() -> None:
    """Unknown policy, softmax without weights, negative counts and limits: refused by name."""
    core = _core.Position(9)
    with pytest.raises(ValueError, match="light"):
        core.playout("heavy")
    with pytest.raises(ValueError, match="weights"):
        core.playout("softmax")
    for count, max_moves, mercy, threads in ((-1, 0, 0, 1), (1, 0, 0, 0), (1, -1, 0, 1), (1, 0, -1, 1)):
        with pytest.raises((ValueError, TypeError)):
            core.playouts("light", count, max_moves=max_moves, mercy=mercy, threads=threads)
