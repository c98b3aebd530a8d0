"""The compiled search grows the same trees as the slow one of tests/reference/mcts.py, on the same evaluator.

Visit counts are compared one for one, sums and priors up to rounding, at the root and at every node one and two moves below.
"""

from __future__ import annotations

import math
import random
from typing import Any

import numpy as np
import pytest

from alphago import _core
from alphago.nets.rollout import load_rollout_weights
from reference import mcts
from search_helpers import (
    DEFAULTS,
    FakeNet,
    Go,
    Params,
    TicTacToe,
    drive,
    engine,
    like_reference_tree,
    pool_for,
    random_moves,
    replay,
    searched,
)

# AlphaGo's count rollouts, but with every playout's winner known beforehand they need no random numbers.
HOPELESS_KOMI = 900.0


def handicap() -> _core.Position:
    position = _core.Position(9, komi=0.5, white_bonus=2.0)
    assert position.setup([20, 24, 56, 60], [], []) == 0
    position.to_play = 2
    return position


def after_pass() -> _core.Position:
    position = replay(5, random_moves(5, 22, seed=4), komi=2.5)
    assert position.try_play(25) == 0 and not position.is_over
    return position


POSITIONS = {
    "empty-5x5": lambda: _core.Position(5),
    "middle-5x5": lambda: replay(5, random_moves(5, 12, seed=2), komi=-1.5),
    "superko-4x4": lambda: replay(4, random_moves(4, 20, seed=48, spare_eyes=True), komi=0.5),
    "situational-3x3": lambda: replay(3, random_moves(3, 36, seed=186, captures=True, ko=2), komi=1.0, ko=2),
    "simple-ko-5x5": lambda: replay(
        5, random_moves(5, 40, seed=17, captures=True, ko=0, suicide=False), ko=0, suicide=False
    ),
    "kos-9x9": lambda: replay(9, random_moves(9, 60, seed=7, captures=True)),
    "handicap-9x9": handicap,
    "after-pass-5x5": after_pass,
}

CASES: dict[str, Params] = {
    "alphazero": {},
    "alphazero-base": {"c_base": 10, "c_init": 0.7},
    "zero": {"puct": "zero", "c_puct": 0.8},
    "alphago": {"puct": "alphago", "c_puct": 5},
    "fpu-root": {"fpu_root_reduction": 0.4, "fpu_reduction": 0.05},
    "fpu-zero": {"puct": "zero", "fpu": "value"},
    "fpu-loss": {"puct": "alphago", "fpu": "value", "fpu_value": -1},
    "leaves-4": {"leaves_in_flight": 4},
    "leaves-8-alphago": {"leaves_in_flight": 8, "virtual_loss": 3, "puct": "alphago", "c_puct": 5},
    "leaves-8-no-virtual-loss": {"leaves_in_flight": 8, "virtual_loss": 0},
    "leaves-8-half": {"leaves_in_flight": 8, "virtual_loss": 0.5, "fpu": "value", "fpu_value": -0.2},
    "rounds-2": {"leaves_in_flight": 4, "rounds_in_flight": 2},
    "rounds-3-of-1": {"rounds_in_flight": 3, "virtual_loss": 3},
    "exponent": {"policy_exponent": 0.67, "root_policy_temperature": 1.25},
    "forced": {"forced_playouts": 2, "puct": "zero"},
    "gumbel-root": {"root": "gumbel", "gumbel_scale": 0},
    "gumbel-interior": {"interior": "gumbel"},
    "gumbel": {"root": "gumbel", "interior": "gumbel", "gumbel_scale": 0, "gumbel_considered": 4, "gumbel_c_visit": 10},
    "gumbel-no-virtual-loss": {"root": "gumbel", "gumbel_scale": 0, "leaves_in_flight": 5, "virtual_loss": 0},
    "gumbel-leaves-4": {"root": "gumbel", "interior": "gumbel", "gumbel_scale": 0, "leaves_in_flight": 4},
}


NETWORKS = {"none": (-1, -1), "policy": (0, -1), "value": (-1, 1), "joint": (0, 0), "separate": (0, 1)}

# What test_parameters_drawn_at_random draws from; the doubled ones are drawn more often.
DRAWN: dict[str, tuple[Any, ...]] = {
    "puct": ("alphago", "zero", "alphazero"),
    "c_puct": (0.5, 1.5, 5.0),
    "fpu": ("parent", "value"),
    "fpu_value": (-1.0, 0.0, 0.3),
    "fpu_reduction": (0.0, 0.2, 0.5),
    "fpu_root_reduction": (0.0, 0.3),
    "virtual_loss": (0.0, 0.5, 1.0, 3.0),
    "leaves_in_flight": (1, 1, 2, 5, 16),
    "rounds_in_flight": (1, 1, 2, 4),
    "policy_exponent": (1.0, 0.67),
    "root_policy_temperature": (1.0, 1.3),
    "root": ("puct", "puct", "gumbel"),
    "interior": ("puct", "puct", "gumbel"),
    "gumbel_scale": (0,),
    "gumbel_considered": (1, 2, 5, 16),
    "gumbel_c_visit": (5.0, 50.0),
    "forced_playouts": (0.0, 0.0, 2.0),
    "draw_value": (0.0, -0.4),
    "rollout_weight": (0.0, 0.2, 0.5, 1.0),
    "expansion_threshold": (0, 1, 5),
    "late_evaluations": (0, 1, 3, 8),
    "late_groups": (1, 2, 3),
    "network_threshold": (0, 1, 4),
    "score_static": (0.0, 0.2),
    "score_dynamic": (0.0, 0.4),
}


def both(
    position: _core.Position, params: Params, simulations: int, net: FakeNet, max_moves: int = 0
) -> tuple[_core.SearchPool, mcts.Search]:
    pool = searched(position, params, simulations, net, max_moves=max_moves)
    search = mcts.Search(Go(position, max_moves), {**DEFAULTS, **params}, net, net)
    search.run(simulations)
    return pool, search


@pytest.mark.parametrize("case", CASES)
def test_parameters(case: str) -> None:
    """Every formula, in the middle of a small game whose end the search sees."""
    pool, search = both(POSITIONS["middle-5x5"](), CASES[case], 300, FakeNet(seed=3))
    like_reference_tree(pool, search)
    assert pool.root(0)["visits"] == 300


@pytest.mark.parametrize("case", ["alphazero", "leaves-8-alphago", "gumbel"])
@pytest.mark.parametrize("position", POSITIONS)
def test_positions(position: str, case: str) -> None:
    """Superko, komi, handicap, passes."""
    like_reference_tree(*both(POSITIONS[position](), CASES[case], 130, FakeNet("rich", seed=5), max_moves=200))


@pytest.mark.parametrize("name", ["superko-4x4", "situational-3x3"])
def test_positions_have_superko_bans(name: str) -> None:
    """What test_positions is worth: moves that superko alone forbids, at the root or a few moves below it."""
    position = POSITIONS[name]()
    found = 0
    for first in [None, *np.flatnonzero(position.legal_mask()).tolist()]:
        below = position.copy()
        if first is not None:
            below.try_play(first)
        found += sum(below.legality(a) == 4 for a in range(position.size**2))
    assert found > 0


@pytest.mark.parametrize("wdl", [True, False])
@pytest.mark.parametrize("draw_value", [0.0, -0.7])
def test_draws(wdl: bool, draw_value: float) -> None:
    """Win/draw/loss outputs and plain values; finished games drawn at a whole komi."""
    position = replay(5, [*random_moves(5, 21, seed=23), 25], komi=3.0)
    like_reference_tree(*both(position, {"draw_value": draw_value}, 300, FakeNet(seed=1, wdl=wdl)))


@pytest.mark.parametrize("puct", ["alphazero", "alphago"])
def test_score_utility(puct: str) -> None:
    params = {"puct": puct, "score_static": 0.1, "score_dynamic": 0.4, "score_zero_weight": 0.2, "score_scale": 0.75}
    position = replay(5, [*random_moves(5, 21, seed=29), 25], komi=2.5)
    pool, search = both(position, params, 300, FakeNet(seed=9, score=True))
    like_reference_tree(pool, search)
    assert any(e.child is not None and e.child.over for e in search.root.edges.values())


def test_length_limit() -> None:
    """A game that reaches its last turn is scored as it stands."""
    position = POSITIONS["middle-5x5"]()
    pool, search = both(position, {}, 400, FakeNet(seed=3), max_moves=position.move_count + 2)
    like_reference_tree(pool, search)
    below = [e.child for edge in search.root.edges.values() if edge.child for e in edge.child.edges.values()]
    assert below and all(child is not None and child.over for child in below)


@pytest.mark.parametrize(
    "params", [{}, {"leaves_in_flight": 5}, {"puct": "alphago", "c_puct": 0.7, "leaves_in_flight": 3}]
)
def test_separate_networks(params: Params) -> None:
    """A policy network and a value network, each asked for itself."""
    policy, value = FakeNet("alphago48", seed=1), FakeNet("alphago49", seed=2, wdl=False)
    position = POSITIONS["middle-5x5"]()
    pool = pool_for(5, [policy, value])
    pool.start(0, 1, [engine(params, 0, 1)], position)
    pool.search(0, 200)
    drive(pool, [policy, value], batch=4, tickets=3)
    search = mcts.Search(Go(position), {**DEFAULTS, **params}, policy, value)
    search.run(200)
    like_reference_tree(pool, search)


@pytest.mark.parametrize("side", [1, -1])
@pytest.mark.parametrize("networks", ["none", "policy", "value", "joint", "separate"])
@pytest.mark.parametrize(
    "params",
    [
        {"puct": "alphago", "c_puct": 5, "virtual_loss": 3, "expansion_threshold": 0},
        {"puct": "alphago", "c_puct": 2, "virtual_loss": 3, "expansion_threshold": 4, "leaves_in_flight": 6},
        {
            "puct": "zero",
            "expansion_threshold": 2,
            "leaves_in_flight": 3,
            "rounds_in_flight": 2,
            "root_policy_temperature": 1.3,
        },
        {"puct": "alphago", "c_puct": 2, "expansion_threshold": 1, "leaves_in_flight": 4, "late_evaluations": 3},
        {
            "puct": "zero",
            "expansion_threshold": 3,
            "leaves_in_flight": 2,
            "late_evaluations": 8,
            "late_groups": 2,
            "policy_exponent": 0.67,
        },
        {"puct": "alphago", "c_puct": 2, "expansion_threshold": 1, "late_evaluations": 3, "network_threshold": 4},
        {
            "puct": "alphago",
            "expansion_threshold": 4,
            "leaves_in_flight": 4,
            "late_evaluations": 2,
            "network_threshold": 2,
        },
    ],
    ids=["each", "alphago", "rounds", "late", "late-2", "by-visits", "by-visits-first"],
)
def test_rollouts_mixed_with_networks(params: Params, networks: str, side: int) -> None:
    """AlphaGo's search: N_r and N_v side by side, expansion after a threshold, virtual loss on the rollouts' side.

    With a komi of hundreds of points every playout has the same winner, so that the reference knows it.
    """
    params = {"rollouts": "light", **params}
    position = POSITIONS["middle-5x5"]()
    position.komi = -side * HOPELESS_KOMI
    nets = [] if networks == "none" else [FakeNet(seed=1), FakeNet("rich", seed=2)]
    policy, value = NETWORKS[networks]
    pool = pool_for(5, nets)
    pool.start(0, 1, [engine(params, policy, value)], position)
    pool.search(0, 250)
    drive(pool, nets)
    search = mcts.Search(
        Go(position),
        {**DEFAULTS, **params},
        None if policy < 0 else nets[policy],
        None if value < 0 else nets[value],
        rollout=lambda *_: (side, []),
    )
    search.run(250)
    like_reference_tree(pool, search)


@pytest.mark.parametrize(
    "case", ["alphazero", "zero", "alphago", "fpu-zero", "leaves-8-alphago", "leaves-8-half", "forced"]
)
@pytest.mark.parametrize("moves", [[], [4, 0], [4, 1, 0, 8, 6]])
def test_tic_tac_toe(moves: list[int], case: str) -> None:
    """A second game, with the uniform evaluator: exact results and draws alone give the values."""
    params = {**CASES[case], "draw_value": 0.25}
    pool = _core.SearchPool(game="tictactoe")
    pool.start(0, 1, [engine(params)])
    for move in moves:
        pool.play(0, move)
    pool.search(0, 500)
    pool.run()
    search = mcts.Search(TicTacToe.from_moves(moves), {**DEFAULTS, **params})
    search.run(500)
    like_reference_tree(pool, search)


MASK = 2**64 - 1
GOLDEN = 0x9E3779B97F4A7C15


def mix64(x: int) -> int:
    """SplitMix64's finaliser."""
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & MASK
    return x ^ (x >> 31)


def tic_tac_toe_rollout(game: TicTacToe, visit: int, game_seed: int) -> tuple[int, list[int]]:
    """The core's own: uniformly random moves from a stream of the position and of the visits to it."""
    black, white = (sum(1 << a for a, mark in enumerate(game.marks) if mark == side) for side in (1, 2))
    key = mix64(((black << 16 | white) + GOLDEN) & MASK)
    state = mix64((mix64((mix64(game_seed ^ key) + GOLDEN) & MASK) + visit * GOLDEN) & MASK)
    actions = list[int]()
    while not game.is_over():
        state = (state + GOLDEN) & MASK
        legal = game.legal()
        actions.append(legal[(mix64(state) * len(legal)) >> 64])
        game = game.after(actions[-1])
    return game.outcome()[0], actions


@pytest.mark.parametrize("rave", [0, 20, 300])
@pytest.mark.parametrize("case", ["zero", "alphago", "leaves-8-alphago", "leaves-4", "fpu-zero"])
@pytest.mark.parametrize(("moves", "threshold"), [([], 0), ([4], 2), ([0, 4, 8], 5)])
def test_tic_tac_toe_with_rollouts(moves: list[int], threshold: int, case: str, rave: float) -> None:
    """Real rollouts, their results and their moves: what RAVE learns from them steers the tree."""
    params = {**CASES[case], "rollouts": "light", "expansion_threshold": threshold, "rave": rave, "draw_value": 0.25}
    seed = 77
    pool = _core.SearchPool(game="tictactoe")
    pool.start(0, seed, [engine(params)])
    for move in moves:
        pool.play(0, move)
    pool.search(0, 400)
    pool.run()
    search = mcts.Search(
        TicTacToe.from_moves(moves),
        {**DEFAULTS, **params},
        rollout=lambda game, visit: tic_tac_toe_rollout(game, visit, seed),
    )
    search.run(400)
    like_reference_tree(pool, search)


@pytest.mark.parametrize("case", ["alphazero", "leaves-8-alphago", "rounds-2", "gumbel"])
def test_tic_tac_toe_with_a_network(case: str) -> None:
    net, params = FakeNet(seed=11), {**CASES[case], "draw_value": -0.5}
    pool = _core.SearchPool(game="tictactoe", networks=["zero17"])
    pool.start(0, 1, [engine(params, 0, 0)])
    pool.play(0, 4)
    pool.search(0, 300)
    drive(pool, [net])
    search = mcts.Search(TicTacToe.from_moves([4]), {**DEFAULTS, **params}, net, net)
    search.run(300)
    like_reference_tree(pool, search)


@pytest.mark.parametrize("kind", ["rollout", "tree"])
def test_priors_without_a_policy_network(kind: str) -> None:
    """The rollout or tree policy over the legal moves, at the root and below."""
    position, weights = POSITIONS["kos-9x9"](), load_rollout_weights()
    pool = searched(position, {"prior": kind}, 30)
    for path in ([], [int(pool.root(0)["move"])]):
        node, here = pool.children(0, path) if path else pool.root(0), position.copy()
        assert node is not None
        for action in path:
            here.try_play(action)
        p = here.tree_probabilities(weights) if kind == "tree" else here.rollout_probabilities(weights)
        np.testing.assert_allclose(node["priors"], p[node["actions"]], rtol=1e-5, atol=1e-9)


@pytest.mark.parametrize("fraction", [0.25, 0.9])
def test_noise_and_root_temperature(fraction: float) -> None:
    """First the temperature, then the noise; at the root alone. Its eta is read off a search whose priors are equal."""
    position, seed = POSITIONS["middle-5x5"](), 12
    noise: Params = {"noise_fraction": fraction}
    plain = searched(position, noise, 1, seed=seed).root(0)["priors"].astype(np.float64)
    eta = (plain - (1 - fraction) / len(plain)) / fraction
    net, params = FakeNet(seed=3), {**noise, "root_policy_temperature": 1.5, "policy_exponent": 0.8}
    pool = searched(position, params, 200, net, seed=seed)
    search = mcts.Search(Go(position), {**DEFAULTS, **params}, net, net, noise=lambda n: eta)
    search.run(200)
    like_reference_tree(pool, search)


@pytest.mark.parametrize("case", ["alphazero", "fpu-zero", "leaves-8-alphago", "leaves-8-no-virtual-loss"])
def test_uniform_evaluator_on_go(case: str) -> None:
    position = POSITIONS["after-pass-5x5"]()
    pool = searched(position, CASES[case], 300)
    search = mcts.Search(Go(position), {**DEFAULTS, **CASES[case]})
    search.run(300)
    like_reference_tree(pool, search)


@pytest.mark.parametrize("batch", range(4))
def test_parameters_drawn_at_random(batch: int) -> None:
    """Parameters, networks, rules, positions, budgets and tickets in combinations that nobody would think of."""
    for seed in range(40 * batch, 40 * batch + 40):
        try:
            compare_at_random(random.Random(seed), seed)
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {error}") from error


def compare_at_random(rng: random.Random, seed: int) -> None:
    params = {name: rng.choice(values) for name, values in DRAWN.items()}
    side = rng.choice((1, -1, 0))
    if side:
        params["rollouts"] = rng.choice(("light", "softmax"))
    networks = rng.choice(tuple(NETWORKS))
    if networks in ("none", "policy") and "gumbel" in (params["root"], params["interior"]):
        return  # all values alike: the two softmaxes may round a tie either way
    size, ko = rng.choice((2, 3, 4, 5, 7)), rng.choice((0, 1, 2))
    moves = random_moves(size, rng.randrange(3 * size * size), seed, captures=rng.random() < 0.5, ko=ko)
    komi, scoring = -side * HOPELESS_KOMI if side else rng.choice((0.5, 0.0, 3.0)), rng.choice((0, 0, 1, 2))
    position = replay(size, moves, ko=ko, komi=komi, scoring=scoring)
    limit = position.move_count + rng.choice((1, 3, 200))
    score, sharpness = rng.random() < 0.4, rng.choice((0.5, 1.0, 2.0))
    nets = [FakeNet(f, seed=seed, score=score, sharpness=sharpness) for f in ("zero17", "rich") if networks != "none"]
    policy, value = NETWORKS[networks]
    pool = pool_for(size, nets, cache_mib=rng.choice((0, 8)), threads=rng.choice((1, 2)))
    pool.start(0, 1, [engine(params, policy, value)], position, max_moves=limit)
    search = mcts.Search(
        Go(position, limit),
        {**DEFAULTS, **params},
        None if policy < 0 else nets[policy],
        None if value < 0 else nets[value],
        rollout=(lambda *_: (side, [])) if side else None,
    )
    for _ in range(0 if position.is_over else rng.choice((1, 1, 2))):
        simulations = rng.randrange(1, 120)
        pool.search(0, simulations)
        drive(pool, nets, batch=rng.choice((1, 3, 16)), tickets=rng.choice((1, 3)), rng=rng)
        search.run(simulations)
        like_reference_tree(pool, search)


# --- what the root makes of its statistics ----------------------------------------------------------------------------


def lower_bound(search: mcts.Search, edge: mcts.Edge) -> float:
    """LCB of a root move: the mean less some standard errors."""
    n, q = search.visits(edge), search.q(edge) or 0.0
    return float(q - search.p.lcb_stdevs * math.sqrt(max(0.0, edge.w2 / n - q * q + 1 / n)) / math.sqrt(n))


def pruned_visits(search: mcts.Search) -> dict[int, int]:
    """Root visits without the forced ones that nothing else asked for."""
    root = search.root
    counts = {a: search.visits(e) for a, e in sorted(root.edges.items())}
    total, favourite = sum(counts.values()), max(counts, key=lambda a: (counts[a], -a))

    def score(action: int, n: int) -> float:
        return search.puct(search.q(root.edges[action]) or 0.0, root.priors[action], n, total)

    target = score(favourite, counts[favourite])
    for action in set(counts) - {favourite}:
        forced = math.ceil(math.sqrt(search.p.forced_playouts * root.priors[action] * total))
        while forced > 0 and counts[action] > 0 and score(action, counts[action] - 1) < target:
            counts[action] -= 1
            forced -= 1
        if counts[action] <= 1:
            counts[action] = 0
    return counts


@pytest.mark.parametrize("position", ["middle-5x5", "after-pass-5x5", "superko-4x4"])
@pytest.mark.parametrize("puct", ["zero", "alphazero"])
@pytest.mark.parametrize("k", [0.0, 2.0, 8.0])
def test_policy_target(position: str, puct: str, k: float) -> None:
    """Visits, less the forced playouts that PUCT alone would not have made."""
    params: Params = {"puct": puct, "forced_playouts": k}
    pool, search = both(POSITIONS[position](), params, 250, FakeNet(seed=2, sharpness=2))
    counts = pruned_visits(search) if k else {a: e.n_v for a, e in search.root.edges.items()}
    root = pool.root(0)
    expected = np.array([counts.get(a, 0) for a in root["actions"].tolist()], float)
    np.testing.assert_allclose(root["target"], expected / expected.sum(), atol=1e-12)
    assert root["move"] == search.most_visited()
    if k == 8:
        assert (expected < root["visit_counts"]).any()


@pytest.mark.parametrize("position", ["middle-5x5", "kos-9x9", "empty-5x5"])
def test_lower_confidence_bound(position: str) -> None:
    params: Params = {"move": "lcb", "lcb_stdevs": 1.0, "lcb_min_visit_fraction": 0.05}
    different = 0
    for seed in range(6):
        pool, search = both(POSITIONS[position](), params, 120, FakeNet(seed=seed, sharpness=1.5))
        root, edges = pool.root(0), search.root.edges
        bounds = {a: lower_bound(search, e) for a, e in edges.items()}
        found = dict(zip(root["actions"].tolist(), root["lcb"].tolist(), strict=True))
        for action, bound in bounds.items():
            assert found[action] == pytest.approx(bound, abs=1e-6)
        least = 0.05 * max(e.n_v for e in edges.values())
        expected = mcts.best({a: b for a, b in bounds.items() if edges[a].n_v >= least}, search.root.priors)
        assert root["move"] == expected
        different += expected != search.most_visited()
    assert different > 0  # from the most visited move, on some of them


def test_rollouts_alone_bound() -> None:
    """With rollouts the bound is that of the rollouts' results: every one of them is +-1."""
    pool = searched(replay(5, random_moves(5, 8, seed=3), komi=0.5), {"rollouts": "light", "move": "lcb"}, 400)
    root = pool.root(0)
    n, q = root["n_r"].astype(float), root["q"]
    seen = n > 0
    n, q = n[seen], q[seen]
    expected = q - 5 * np.sqrt(np.maximum(0, 1 - q * q + 1 / n)) / np.sqrt(n)
    np.testing.assert_allclose(root["lcb"][seen], expected, atol=1e-9)


def test_root_value_and_score() -> None:
    net = FakeNet(seed=4, score=True)
    pool, search = both(POSITIONS["kos-9x9"](), {}, 60, net)
    root = pool.root(0)
    assert root["value"] == pytest.approx(search.mean(search.root), abs=1e-6)
    assert math.isfinite(root["score"])
    assert root["to_play"] == search.root.game.to_play
    fresh = searched(POSITIONS["kos-9x9"](), {}, 0, net).root(0)
    assert fresh["score"] == net(search.root.game).score


@pytest.mark.parametrize("position", ["kos-9x9", "after-pass-5x5"])
def test_no_score_without_a_prediction(position: str) -> None:
    """Finished games alone are no prediction."""
    assert math.isnan(searched(POSITIONS[position](), {}, 200, FakeNet(seed=4)).root(0)["score"])
