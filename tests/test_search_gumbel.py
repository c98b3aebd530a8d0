"""Gumbel root: sequential halving, the improved policy, and bandits whose values are known (Danihelka et al., ICLR 2022)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from alphago import _core
from reference import mcts
from search_helpers import (
    DEFAULTS,
    FakeNet,
    FunctionNet,
    Go,
    Params,
    drive,
    engine,
    pool_for,
    random_moves,
    replay,
    same_node,
    searched,
)

Floats = NDArray[np.float64]
SIZE = 4
ACTIONS = SIZE * SIZE + 1

# --- sequential halving -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("considered", [1, 2, 3, 4, 5, 7, 8, 16, 17, 82, 362])
@pytest.mark.parametrize("simulations", [1, 2, 3, 8, 15, 16, 17, 31, 32, 50, 100, 200, 800])
def test_sequence_equals_reference(considered: int, simulations: int) -> None:
    assert _core.gumbel_sequence(considered, simulations) == mcts.halving(considered, simulations)


@pytest.mark.parametrize(
    ("considered", "simulations", "expected"),
    [
        (1, 4, [0, 1, 2, 3]),
        (2, 5, [0, 0, 1, 1, 2]),
        (4, 8, [0, 0, 0, 0, 1, 1, 2, 2]),
        (4, 3, [0, 0, 0]),
        (4, 16, [0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5]),
        (16, 32, [0] * 16 + [1] * 8 + [2] * 4 + [3] * 4),
    ],
)
def test_sequence_by_hand(considered: int, simulations: int, expected: list[int]) -> None:
    assert _core.gumbel_sequence(considered, simulations) == expected


def test_sequence_halves() -> None:
    """Exactly as many entries as simulations; a move is asked for at count n only after it was at n - 1; no more than
    `considered` moves; with 16 moves and 64 simulations each phase spends a quarter."""
    for considered in range(1, 40):
        for simulations in range(1, 130, 7):
            sequence = _core.gumbel_sequence(considered, simulations)
            assert len(sequence) == simulations
            at = {0: considered}
            for n in sequence:
                assert at.get(n, 0) > 0, (considered, simulations)
                at[n] -= 1
                at[n + 1] = at.get(n + 1, 0) + 1
    sequence = _core.gumbel_sequence(16, 64)
    assert sequence == [0] * 16 + [1] * 8 + [2] * 8 + [3] * 4 + [4] * 4 + [5] * 4 + [6] * 4 + [
        n // 2 for n in range(14, 30)
    ]


@pytest.mark.parametrize(("considered", "simulations"), [(0, 4), (-1, 4), (4, -1)])
def test_sequence_refuses(considered: int, simulations: int) -> None:
    with pytest.raises(ValueError, match=r"\d"):
        _core.gumbel_sequence(considered, simulations)


# --- the root ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("considered", [2, 4, 8, 16])
@pytest.mark.parametrize("simulations", [4, 16, 32, 64])
def test_root_visits_are_those_of_the_sequence(considered: int, simulations: int) -> None:
    """Without noise the considered moves are those with the highest priors."""
    position = replay(5, random_moves(5, 6, seed=5))
    params: Params = {"root": "gumbel", "gumbel_scale": 0, "gumbel_considered": considered}
    root = searched(position, params, simulations, FakeNet(seed=7)).root(0)
    counts: list[int] = [0] * considered
    for n in mcts.halving(considered, simulations):
        counts[counts.index(n)] += 1
    visits = root["visit_counts"]
    assert sorted(visits[visits > 0].tolist()) == sorted(n for n in counts if n)
    if simulations >= considered:
        best = np.argsort(-root["priors"], kind="stable")[:considered]
        assert sorted(np.flatnonzero(visits).tolist()) == sorted(best.tolist())


@pytest.mark.parametrize("interior", ["puct", "gumbel"])
def test_target_and_move_equal_reference(interior: str) -> None:
    for seed in range(5):
        position = replay(5, random_moves(5, 6 + seed, seed=seed))
        params: Params = {"root": "gumbel", "interior": interior, "gumbel_scale": 0, "gumbel_c_visit": 10}
        net = FakeNet(seed=seed)
        root = searched(position, params, 40, net).root(0)
        search = mcts.Search(Go(position), {**DEFAULTS, **params}, net, net)
        search.run(40)
        improved = search.improved_policy(search.root)
        np.testing.assert_allclose(root["target"], [improved[a] for a in sorted(improved)], rtol=1e-4, atol=1e-9)
        assert root["move"] == search.most_visited()


def test_noise_samples_without_replacement() -> None:
    """Gumbel top-k: the first move taken is a sample of the prior, two are never the same; another seed, other moves."""
    position = _core.Position(SIZE)
    logits = np.linspace(0, 2, ACTIONS)
    prior = mcts.softmax(logits)
    net = FunctionNet(lambda planes, n: (logits, 0.0))
    params: Params = {"root": "gumbel", "gumbel_considered": 4}
    pool, trials = pool_for(SIZE, [net], cache_mib=1), 1500
    first: Floats = np.zeros(ACTIONS)
    for seed in range(trials):
        pool.start(0, seed, [engine(params, 0, 0)], position)
        pool.search(0, 1)
        drive(pool, [net])
        first += pool.root(0)["visit_counts"]
    assert first.sum() == trials
    expected = prior * trials
    chi2 = float(((first - expected) ** 2 / expected).sum())
    assert stats.chi2(ACTIONS - 1).sf(chi2) > 1e-3
    # the same seed, the same moves; four simulations visit four moves once
    roots = [searched(position, params, 4, net, seed=3).root(0)["visit_counts"] for _ in range(2)]
    np.testing.assert_array_equal(roots[0], roots[1])
    assert sorted(roots[0][roots[0] > 0].tolist()) == [1, 1, 1, 1]


# --- bandits ----------------------------------------------------------------------------------------------------------


class Bandit:
    """A first move on an empty 4x4 board decides the value; whatever follows changes nothing.

    The planes of zero17 show which move it was: the only stone, or none after a pass.
    """

    def __init__(self, seed: int, temperature: float = 1.0):
        rng = np.random.default_rng(seed)
        self.logits = temperature * rng.standard_normal(ACTIONS)
        self.values = np.clip(rng.normal(0, 0.5, ACTIONS), -1, 1).astype(np.float32).astype(np.float64)
        self.prior = mcts.softmax(self.logits)

    def __call__(self, planes: NDArray[Any], n: int) -> tuple[Floats, float]:
        """The side to move after the first move, white, sees minus its value. At the root: the prior's own value."""
        history = planes[:16].reshape(8, 2, SIZE * SIZE)
        if planes[16].any() and not history.any():
            return self.logits, float(self.prior @ self.values)
        stones = np.flatnonzero(history.any(axis=(0, 1)))
        action = int(stones[0]) if len(stones) else ACTIONS - 1
        assert len(stones) <= 1
        return np.zeros(ACTIONS), -float(self.values[action])


class OneStep:
    """Bandit with many arms pulled at once: as many slots as bandits, `considered` arms, each pulled at most twice."""

    def __init__(self, count: int, simulations: int, params: Params):
        self.bandits = [Bandit(seed) for seed in range(count)]
        self.roots: list[dict[str, Any]] = []
        for seed, bandit in enumerate(self.bandits):
            net = FunctionNet(bandit)
            pool = pool_for(SIZE, [net], cache_mib=0)
            pool.start(0, seed, [engine(params, 0, 0)], _core.Position(SIZE))
            pool.search(0, simulations)
            drive(pool, [net], batch=1)
            self.roots.append(pool.root(0))


# `considered` equal to the simulations: each arm is pulled once, and its value is known exactly.
@pytest.mark.parametrize("simulations", [4, 8, 16])
def test_bandit_improves(simulations: int) -> None:
    """The improved policy is worth more than the prior, on average and nearly always; the move played is worth more still.

    (A few bandits lose: moves without a visit are completed with the mixed value, which is not their own.)
    """
    params: Params = {"root": "gumbel", "gumbel_considered": simulations}
    play = OneStep(60, simulations, params)
    gains, moves = [], []
    for bandit, root in zip(play.bandits, play.roots, strict=True):
        assert root["actions"].tolist() == list(range(ACTIONS))
        prior = float(bandit.prior @ bandit.values)
        gains.append(float(root["target"] @ bandit.values) - prior)
        moves.append(float(bandit.values[root["move"]]) - prior)
    assert np.mean(gains) > 0.1
    assert np.mean(np.array(gains) >= 0) > 0.9
    assert np.mean(moves) > 0.25
    assert np.mean(moves) / (np.std(moves) / math.sqrt(len(moves))) > 5


def test_known_values_always_improve() -> None:
    """With every move's value known the improved policy is worth at least the prior on every bandit (the paper, section 4)."""
    play = OneStep(40, ACTIONS, {"root": "gumbel", "gumbel_considered": ACTIONS, "gumbel_c_visit": 5})
    for bandit, root in zip(play.bandits, play.roots, strict=True):
        assert (root["visit_counts"] == 1).all()
        np.testing.assert_allclose(root["q"], bandit.values, atol=1e-6)
        assert float(root["target"] @ bandit.values) >= float(bandit.prior @ bandit.values)


def test_more_simulations_help() -> None:
    worth = []
    for simulations in (2, 6, 16):
        play = OneStep(60, simulations, {"root": "gumbel", "gumbel_considered": simulations})
        worth.append(np.mean([b.values[r["move"]] for b, r in zip(play.bandits, play.roots, strict=True)]))
    assert worth[0] < worth[1] < worth[2]


def test_one_simulation_of_puct_does_not_improve() -> None:
    """What the Gumbel root is for: with one simulation PUCT plays the move with the highest prior whatever it is worth."""
    play = OneStep(20, 1, {})
    assert [r["move"] for r in play.roots] == [int(np.argmax(b.prior)) for b in play.bandits]


def test_new_search_starts_afresh() -> None:
    """A second search from the same root counts its own visits alone; the cache keeps what the networks said."""
    net = FakeNet(seed=7)
    params: Params = {"root": "gumbel", "gumbel_considered": 4}
    pool = searched(replay(5, random_moves(5, 6, seed=5)), params, 33, net)
    evaluations, first = pool.stats()["evaluations"], pool.root(0)
    for simulations in (33, 20):
        pool.search(0, simulations)
        drive(pool, [net])
        root = pool.root(0)
        assert int(root["visit_counts"].sum()) == simulations
        if simulations == 33:
            same_node(first, root)
            assert pool.stats()["evaluations"] == evaluations


def test_self_play_records_the_improved_policy() -> None:
    """Targets of a Gumbel root are over all legal moves, visited or not, and the moves are the search's."""
    net = FakeNet(seed=7)
    pool = pool_for(SIZE, [net], slots=4)
    for slot in range(4):
        pool.start(
            slot, slot, [engine({"root": "gumbel", "simulations": 8, "gumbel_considered": 4}, 0, 0)], autoplay=True
        )
    drive(pool, [net])
    games = pool.finished()
    assert len(games) == 4 and len({game["moves"].tobytes() for game in games}) == 4
    for game in games:
        position, offsets = _core.Position(SIZE), game["visit_offsets"]
        for i, move in enumerate(game["moves"].tolist()):
            entries = slice(offsets[i], offsets[i + 1])
            actions = game["visit_actions"][entries]
            assert actions.tolist() == np.flatnonzero(position.legal_mask()).tolist()
            assert game["visit_counts"][entries].sum() == 8
            assert game["target"][entries].sum() == pytest.approx(1, abs=1e-5)
            assert game["visit_counts"][entries].max() == game["visit_counts"][entries][actions.tolist().index(move)]
            assert position.try_play(move) >= 0
