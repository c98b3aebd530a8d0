"""Laws of the tree search: conservation, reuse, symmetry, superko, and a game that brute force solves."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
from scipy import stats

from alphago import _core
from alphago.nets.rollout import load_rollout_weights
from reference import mcts
from search_helpers import (
    DEFAULTS,
    EXACT,
    STATISTICS,
    FakeNet,
    Go,
    Params,
    TicTacToe,
    drive,
    engine,
    permutation,
    pool_for,
    random_moves,
    replay,
    same_tree,
    searched,
    solve,
)

NOISE: Params = {"noise_fraction": 0.25}


def middle(size: int = 5, seed: int = 2, count: int = 12, **rules: Any) -> _core.Position:
    return replay(size, random_moves(size, count, seed, captures=True), **rules)


# --- conservation -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"leaves_in_flight": 8, "virtual_loss": 3},
        {"leaves_in_flight": 16, "virtual_loss": 3, "rounds_in_flight": 4, "puct": "alphago", "c_puct": 5},
        {"leaves_in_flight": 7, "interior": "gumbel", "root": "gumbel"},
    ],
    ids=["single", "in-flight", "rounds", "gumbel"],
)
def test_visits_and_values_conserve(params: Params) -> None:
    """Below every edge: its visits are its position's evaluation plus the visits of that position's edges; the same with values.

    Nothing of a virtual loss is left: sums are those of the evaluations alone.
    """
    net = FakeNet(seed=8)
    pool = searched(middle(), params, 400, net, batch=16, tickets=2)
    root = pool.root(0)
    assert root["simulations"] == root["visits"] == 400
    nodes = check_sums(pool, net, Go(middle()), [], root, 401, float(root["value"]) * 401)
    assert nodes > 150


def check_sums(
    pool: _core.SearchPool, net: FakeNet, game: Go, path: list[int], node: dict[str, Any], visits: int, total: float
) -> int:
    """`visits` and `total` (side to move) are what went through this node; returns how many nodes were looked at."""
    if game.is_over():
        winner = game.outcome()[0] * (1 if game.to_play == 1 else -1)
        assert total == pytest.approx(winner * visits, abs=1e-5)
        return 1
    win, _, loss = mcts.softmax(net(game).value.astype(float))
    assert visits == 1 + int(node["n_v"].sum())  # for the root as well: its own evaluation
    assert total == pytest.approx(win - loss + float(node["w_v"].sum()), abs=1e-4)
    np.testing.assert_array_equal(node["visit_counts"], node["n_v"])
    seen = 1
    for i in np.flatnonzero(node["n_v"]):
        below = [*path, int(node["actions"][i])]
        game_below = game.after(below[-1])
        child = {} if game_below.is_over() else pool.children(0, below)
        assert child is not None
        seen += check_sums(pool, net, game_below, below, child, int(node["n_v"][i]), -float(node["w_v"][i]))
    return seen


@pytest.mark.parametrize("threshold", [0, 3])
@pytest.mark.parametrize("leaves", [1, 8])
def test_rollouts_conserve(threshold: int, leaves: int) -> None:
    """Every simulation backs up one rollout; no edge has fewer than the edges below it."""
    params: Params = {
        "rollouts": "light",
        "leaves_in_flight": leaves,
        "expansion_threshold": threshold,
        "virtual_loss": 3,
    }
    pool = searched(middle(), params, 600)
    root = pool.root(0)
    assert pool.stats()["rollouts"] <= 600
    assert int(root["visits"]) == 600 == int(root["n_r"].sum())
    assert (np.abs(root["w_r"]) <= root["n_r"]).all()
    for action, n, w in zip(root["actions"].tolist(), root["n_r"].tolist(), root["w_r"].tolist(), strict=True):
        below = pool.children(0, [action]) if n else None
        if below is not None:
            own = n - int(below["n_r"].sum())
            assert threshold + 1 <= own <= threshold + leaves
            assert abs(w + below["w_r"].sum()) <= own + 1e-6


@pytest.mark.parametrize("policy", ["light", "softmax"])
def test_rollouts_are_playouts(policy: str) -> None:
    """Results of rollouts below a move are those of the core's playouts from there (two-sample chi-squared)."""
    position = replay(9, random_moves(9, 20, seed=5), komi=-2.5)
    pool = searched(position, {"rollouts": policy, "expansion_threshold": 1_000_000, "c_init": 50}, 20_000, seed=3)
    root, weights = pool.root(0), load_rollout_weights()
    for i in np.argsort(-root["n_r"].astype(int))[:6]:
        below = position.copy()
        assert below.try_play(int(root["actions"][i])) >= 0
        areas = below.playouts(policy, 4000, seed=int(i), weights=weights if policy == "softmax" else None)[0]
        won = int((areas - below.komi > 0).sum()) if position.to_play == 1 else int((areas - below.komi < 0).sum())
        n = int(root["n_r"][i])
        wins = (n + int(root["w_r"][i])) // 2
        assert n > 150
        assert stats.chi2_contingency([[wins, n - wins], [won, 4000 - won]]).pvalue > 1e-4


# --- reuse ------------------------------------------------------------------------------------------------------------


SAME_ROOT = ("visits", "to_play", "move")


@pytest.mark.parametrize("evaluator", ["network", "uniform", "random-symmetry", "light", "softmax"])
@pytest.mark.parametrize("puct", ["zero", "alphazero", "alphago"])
def test_reuse_equals_fresh_search(puct: str, evaluator: str) -> None:
    """Without root-only features and with one leaf in flight, a kept subtree is the tree of a fresh search.

    The one difference left is the rollout that a position is met with below the root; a constant urgency does not see it.
    """
    params: Params = {"puct": puct, "c_puct": 2, "fpu_root_reduction": DEFAULTS["fpu_reduction"]}
    if evaluator in ("light", "softmax"):
        params |= {"rollouts": evaluator, "fpu": "value"}
    if evaluator == "random-symmetry":
        params["symmetry"] = "random"
    net = FakeNet(seed=5) if evaluator in ("network", "random-symmetry") else None
    nets = [net] if net else []
    position, joint = middle(), 0 if net else -1
    pool = pool_for(5, nets)
    pool.start(0, 1, [engine(params, joint, joint)], position)
    for _ in range(3):
        pool.search(0, 150)
        drive(pool, nets)
        root = pool.root(0)
        action = int(root["actions"][np.argmax(root["visit_counts"][:-1])])  # no pass: the game goes on
        kept = int(root["visit_counts"].max(initial=0, where=root["actions"] == action)) - 1
        assert kept > 5
        pool.play(0, action)
        assert position.try_play(action) >= 0
        assert int(pool.root(0)["visits"]) == kept
        same_tree(pool, searched(position, params, kept, net), roots=SAME_ROOT)
    pool.search(0, 100)
    drive(pool, nets)
    same_tree(pool, searched(position, params, kept + 100, net), roots=SAME_ROOT)


def test_each_side_keeps_its_own_tree() -> None:
    """With two engines each searches at its own turns; both trees follow every move."""
    net = FakeNet(seed=5)
    pool, turns, last = pool_for(5, [net]), 0, -1
    pool.start(0, 1, [engine({}, 0, 0), engine({"c_init": 2.0}, 0, 0)], middle())
    hoped: dict[int, dict[int, int]] = {}
    for turn in range(8):
        root = pool.root(0)
        side = int(root["to_play"])
        if side in hoped:
            assert int(root["visits"]) == hoped[side].get(last, 1) - 1
            turns += int(root["visits"]) > 0
        pool.search(0, 120)
        drive(pool, [net])
        root = pool.root(0)
        last = int(root["actions"][np.argmax(root["visit_counts"][:-1])])
        below = pool.children(0, [last])
        assert below is not None
        hoped[side] = dict(zip(below["actions"].tolist(), below["visit_counts"].tolist(), strict=True))
        pool.play(0, last)
        assert turn < 2 or turns > 0
    assert turns >= 3


def test_without_reuse_every_search_is_fresh() -> None:
    params: Params = {"reuse_tree": False}
    position, net = middle(), FakeNet(seed=5)
    pool = searched(position, params, 100, net)
    action = int(pool.root(0)["move"])
    pool.play(0, action)
    assert position.try_play(action) >= 0
    assert int(pool.root(0)["visits"]) == 0
    pool.search(0, 80)
    drive(pool, [net])
    same_tree(pool, searched(position, params, 80, net))


def test_search_in_parts_is_one_search() -> None:
    """Asking twice is asking once, one leaf in flight."""
    position, net = middle(), FakeNet(seed=5)
    pool = searched(position, {}, 70, net)
    pool.search(0, 130)
    drive(pool, [net])
    same_tree(pool, searched(position, {}, 200, net))


# --- symmetries -------------------------------------------------------------------------------------------------------


def same_turned_tree(a: _core.SearchPool, b: _core.SearchPool, perm: list[int], depth: int = 3) -> None:
    """Tree b is tree a with action x moved to perm[x]."""

    def compare(path: list[int], left: dict[str, Any] | None, right: dict[str, Any] | None) -> None:
        assert (left is None) == (right is None)
        if left is None or right is None:
            return
        moved = np.array([perm[x] for x in left["actions"].tolist()])
        order = np.argsort(moved)
        np.testing.assert_array_equal(moved[order], right["actions"])
        for name in STATISTICS[1:]:
            exactly = name in EXACT
            np.testing.assert_allclose(
                left[name][order], right[name], rtol=0 if exactly else 1e-5, atol=0 if exactly else 1e-6
            )
        if len(path) < depth:
            for action in left["actions"][np.argsort(-left["n_v"].astype(int), kind="stable")[:5]].tolist():
                below = [*path, action]
                compare(below, a.children(0, below), b.children(0, [perm[x] for x in below]))

    compare([], a.root(0), b.root(0))


@pytest.mark.parametrize("leaves", [1, 8])
@pytest.mark.parametrize("symmetry", range(1, 8))
def test_turned_boards_have_turned_trees(symmetry: int, leaves: int) -> None:
    """With an evaluator that knows no directions. The position itself is not symmetric: ties could go either way else."""
    moves = random_moves(5, 9, seed=6)
    net, params = FakeNet(seed=6, equivariant=True), {"leaves_in_flight": leaves}
    upright = searched(replay(5, moves), params, 200, net)
    turned = searched(replay(5, moves, symmetry=symmetry), params, 200, net)
    same_turned_tree(upright, turned, permutation(symmetry, 5, 26).tolist())


def test_the_evaluator_has_directions_otherwise() -> None:
    """What the last test is worth: it fails with an evaluator that is not equivariant."""
    moves, net = random_moves(5, 9, seed=6), FakeNet(seed=6)
    trees = [searched(replay(5, moves, symmetry=s), {}, 200, net) for s in (0, 3)]
    with pytest.raises(AssertionError):
        same_turned_tree(trees[0], trees[1], permutation(3, 5, 26).tolist())


@pytest.mark.parametrize("features", ["zero17", "rich", "alphago48"])
@pytest.mark.parametrize("size", [5, 9])
def test_random_symmetry_is_turned_back(size: int, features: str) -> None:
    """An equivariant network gives the same tree whichever symmetry its positions are shown in."""
    position = replay(size, random_moves(size, 11, seed=3))
    net = FakeNet(features, seed=6, equivariant=True)
    plain = searched(position, {}, 120, net)
    for seed in (1, 2):
        same_tree(plain, searched(position, {"symmetry": "random"}, 120, net, seed=seed), exactly=False)


def test_random_symmetry_shows_all_eight() -> None:
    """Drawn from game seed and position: a network that sees directions gives other trees for other seeds, the same for one."""
    position, net = replay(5, random_moves(5, 9, seed=6)), FakeNet(seed=6)
    values = {}
    for seed in range(40):
        pool = searched(position, {"symmetry": "random"}, 0, net, seed=seed)
        values[seed] = float(pool.root(0)["value"])
    assert len(set(values.values())) == 8
    again = searched(position, {"symmetry": "random"}, 0, net, seed=17)
    assert float(again.root(0)["value"]) == values[17]


@pytest.mark.parametrize("leaves", [1, 8])
@pytest.mark.parametrize("komi", [0.5, 7.5, 2.0])
def test_colours_are_alike(komi: float, leaves: int) -> None:
    """Black and white exchanged, komi negated: the same tree, for planes that show the mover and the opponent."""
    moves, net = random_moves(5, 14, seed=9, captures=True), FakeNet("rich", seed=4)
    params: Params = {"leaves_in_flight": leaves, "virtual_loss": 3}
    black = searched(replay(5, moves, komi=komi), params, 300, net)
    white = searched(replay(5, moves, swap_colors=True, komi=komi), params, 300, net)
    assert black.root(0)["to_play"] == 3 - white.root(0)["to_play"]
    same_tree(black, white, roots=("visits", "value", "move", "nodes"))


# --- noise ------------------------------------------------------------------------------------------------------------


def noise_at(pool: _core.SearchPool, fraction: float) -> np.ndarray[Any, np.dtype[np.float64]]:
    """The Dirichlet part of a root's priors, which are equal without it."""
    priors = np.asarray(pool.root(0)["priors"], np.float64)
    return (priors - (1 - fraction) / len(priors)) / fraction


def test_noise_differs_between_roots() -> None:
    """From the game's seed and the turn: another game or turn, other noise; the same game, the same (the LightZero trap)."""
    position = middle()
    params: Params = {"noise_fraction": 0.25}
    etas = [noise_at(searched(position, params, 1, seed=seed), 0.25) for seed in range(30)]
    assert len({eta.tobytes() for eta in etas}) == 30
    np.testing.assert_array_equal(noise_at(searched(position, params, 1, seed=7), 0.25), etas[7])
    pool = searched(position, params, 50, seed=7)
    priors = []
    for _ in range(4):
        pool.play(0, int(pool.root(0)["actions"][0]))
        pool.search(0, 50)
        pool.run()
        root = pool.root(0)
        assert not np.allclose(root["priors"], 1 / len(root["priors"]))
        priors.append(np.sort(root["priors"])[-5:].tobytes())
    assert len(set(priors)) == 4


def test_noise_stays_while_a_search_goes_on() -> None:
    pool = searched(middle(), NOISE, 20)
    before = pool.root(0)["priors"]
    pool.search(0, 50)
    pool.run()
    np.testing.assert_array_equal(pool.root(0)["priors"], before)


@pytest.mark.parametrize("total_alpha", [2.0, 10.83])
def test_noise_is_dirichlet(total_alpha: float) -> None:
    """Mean 1/n, variance (1/n)(1-1/n)/(total alpha + 1), and the shape of its marginal (a beta distribution)."""
    n = 26
    params: Params = {"noise_fraction": 0.5, "noise_total_alpha": total_alpha}
    pool = pool_for(5)
    etas = []
    for seed in range(400):
        pool.start(0, seed, [engine(params)])
        pool.search(0, 1)
        pool.run()
        etas.append(noise_at(pool, 0.5))
    eta = np.array(etas)
    assert eta.shape == (400, n)
    np.testing.assert_allclose(eta.sum(axis=1), 1, atol=1e-5)
    assert eta.min() > -1e-6
    variance = (1 / n) * (1 - 1 / n) / (total_alpha + 1)
    np.testing.assert_allclose(eta.mean(axis=0), 1 / n, atol=5 * (variance / 400) ** 0.5)
    assert eta.var(axis=0).mean() == pytest.approx(variance, rel=0.08)
    marginal = stats.beta(total_alpha / n, total_alpha * (1 - 1 / n))
    # float32 priors cannot tell apart what is below about 1e-7
    assert stats.kstest(eta[:, 3][eta[:, 3] > 1e-4], lambda x: truncated(marginal.cdf, x)).pvalue > 1e-3


def truncated(cdf: Any, x: Any) -> Any:
    return (cdf(x) - cdf(1e-4)) / (1 - cdf(1e-4))


# --- superko ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ko", [0, 1, 2], ids=["simple", "positional", "situational"])
def test_no_illegal_move_is_ever_listed(ko: int) -> None:
    """Every node of the tree lists just the moves that are legal after all that went before, superko bans left out."""
    bans = nodes = 0
    for seed in range(10):
        position = replay(3, random_moves(3, 20, seed=seed, captures=True, ko=ko), ko=ko, komi=0.5)
        pool = searched(position, {"leaves_in_flight": 4}, 1500, seed=seed, max_moves=200)
        stack: list[tuple[list[int], _core.Position]] = [([], position)]
        while stack:
            path, here = stack.pop()
            node = pool.children(0, path) if path else pool.root(0)
            if node is None or Go(here, 200).is_over():
                continue
            assert node["actions"].tolist() == np.flatnonzero(here.legal_mask()).tolist(), path
            bans += sum(here.legality(a) == (4 if ko else 3) for a in range(9))
            nodes += 1
            for i in np.flatnonzero(node["n_v"]):
                below = here.copy()
                assert below.try_play(int(node["actions"][i])) >= 0
                stack.append(([*path, int(node["actions"][i])], below))
    assert nodes > 10_000 and bans > 40


# --- a solved game ----------------------------------------------------------------------------------------------------


def reachable() -> list[tuple[int, ...]]:
    """One line of play to each of the unfinished positions of noughts and crosses."""
    lines: dict[TicTacToe, tuple[int, ...]] = {TicTacToe(): ()}
    queue = [TicTacToe()]
    for game in queue:
        for action in game.legal():
            after = game.after(action)
            if not after.is_over() and after not in lines:
                lines[after] = (*lines[game], action)
                queue.append(after)
    return list(lines.values())


@pytest.mark.parametrize("rollouts", ["off", "light"])
def test_noughts_and_crosses_is_solved(rollouts: str) -> None:
    """From the start and 300 positions drawn from all: the best move within 3,000 simulations."""
    lines = reachable()
    assert len(lines) == 4520
    sample = [(), *random.Random(1).sample(lines, 300)]
    pool = _core.SearchPool(game="tictactoe", slots=len(sample), memory_mib=1024)
    params: Params = {"rollouts": rollouts, "c_init": 1.0}
    for slot, line in enumerate(sample):
        pool.start(slot, slot, [engine(params)])
        for action in line:
            pool.play(slot, action)
        pool.search(slot, 3000)
    pool.run()
    wrong = []
    for slot, line in enumerate(sample):
        game = TicTacToe.from_moves(line)
        move = int(pool.root(slot)["move"])
        if -solve(game.after(move)) != solve(game):
            wrong.append((line, move))
    assert wrong == []


def test_values_converge_to_the_solution() -> None:
    """A long search's value is the game's: won, drawn, lost."""
    lines = [(), (0, 1), (0, 4, 8, 2), (4, 1), (0, 8, 2)]
    pool = _core.SearchPool(game="tictactoe", slots=len(lines))
    for slot, line in enumerate(lines):
        pool.start(slot, 1, [engine({"c_init": 0.6})])
        for action in line:
            pool.play(slot, action)
        pool.search(slot, 60_000)
    pool.run()
    solutions = [solve(TicTacToe.from_moves(line)) for line in lines]
    assert set(solutions) == {-1, 0, 1}
    for slot, solution in enumerate(solutions):
        assert float(pool.root(slot)["value"]) == pytest.approx(solution, abs=0.1), lines[slot]
