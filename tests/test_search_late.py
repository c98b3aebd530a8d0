"""Networks that no simulation waits for: groups, what is backed up when they answer, and that nothing else changes the tree.

Against the slow search they are compared in test_search_reference.py (cases late, late-2, and those drawn at random).
"""

from __future__ import annotations

import random
import threading
import time
from typing import Any

import numpy as np
import pytest

from alphago import _core
from alphago.search.params import search_params
from reference import mcts
from search_helpers import (
    FakeNet,
    Go,
    Params,
    answer,
    drive,
    engine,
    make_buffers,
    pool_for,
    random_moves,
    replay,
    same_tree,
)

LATE: Params = {
    "rollouts": "light",
    "puct": "alphago",
    "c_puct": 3,
    "virtual_loss": 3,
    "leaves_in_flight": 4,
    "expansion_threshold": 2,
    "late_evaluations": 8,
}
TWO: Params = {**LATE, "late_groups": 2}
VISITS: Params = {**TWO, "network_threshold": 3}


def middle() -> _core.Position:
    return replay(5, random_moves(5, 12, 2, captures=True))


def networks() -> list[FakeNet]:
    return [FakeNet(seed=1), FakeNet("rich", seed=2, wdl=False)]


def started(params: Params, nets: list[FakeNet], simulations: int = 400, **options: Any) -> _core.SearchPool:
    pool = pool_for(5, nets, **options)
    pool.start(0, 3, [engine(params, 0, 1)], middle())
    pool.search(0, simulations)
    return pool


def check_values(pool: _core.SearchPool, value: FakeNet, game: Go, path: list[int], node: dict[str, Any]) -> int:
    """Below every edge: evaluations and their sum are those of its position and of that position's edges."""
    checked = 0
    for action, n_v, w_v in zip(node["actions"].tolist(), node["n_v"].tolist(), node["w_v"].tolist(), strict=True):
        if n_v == 0:
            continue
        below = game.after(action)
        if below.is_over():
            continue
        child = pool.children(0, [*path, action])
        own = float(value(below).value[0])
        assert n_v == 1 + (0 if child is None else int(child["n_v"].sum()))
        assert -w_v == pytest.approx(own + (0 if child is None else float(child["w_v"].sum())), abs=1e-4)
        checked += 1
        if child is not None:
            checked += check_values(pool, value, below, [*path, action], child)
    return checked


@pytest.mark.parametrize("params", [LATE, TWO, {**LATE, "late_evaluations": 1}, {**LATE, "late_evaluations": 256}])
def test_every_position_is_valued_once_and_nothing_is_lost(params: Params) -> None:
    nets = networks()
    pool = started(params, nets)
    drive(pool, nets)
    root = pool.root(0)
    assert int(root["n_r"].sum()) == root["simulations"] == 400
    assert check_values(pool, nets[1], Go(middle()), [], root) > 60


def test_priors_are_the_policy_networks_in_the_end() -> None:
    nets = networks()
    pool = started(TWO, nets)
    drive(pool, nets)
    root, checked = pool.root(0), 0
    for action in root["actions"][root["n_r"] > 8].tolist():
        child = pool.children(0, [action])
        game = Go(middle()).after(action)
        if child is None or game.is_over():
            continue
        wanted = mcts.softmax(nets[0](game).logits[child["actions"]].astype(np.float64))
        np.testing.assert_allclose(child["priors"], wanted, atol=1e-6)
        assert np.ptp(wanted) > 1e-3  # placeholders are all alike here
        checked += 1
    assert checked >= 3


@pytest.mark.parametrize("params", [LATE, TWO, VISITS])
def test_tickets_threads_and_the_cache_change_nothing(params: Params) -> None:
    nets = networks()
    expected = started(params, nets, cache_mib=0)
    drive(expected, nets, batch=8)
    for batch, tickets, options in (
        (1, 1, {"cache_mib": 0}),
        (3, 5, {"cache_mib": 0, "threads": 2}),
        (64, 2, {"threads": 3}),
        (5, 4, {"cache_mib": 8}),
    ):
        pool = started(params, nets, **options)
        drive(pool, nets, batch=batch, tickets=tickets, rng=random.Random(batch))
        same_tree(expected, pool)
    again = pool_for(5, nets, cache_mib=8)
    for _ in range(2):  # the second time the cache knows every answer
        again.start(0, 3, [engine(params, 0, 1)], middle())
        again.search(0, 400)
        drive(again, nets)
    assert again.stats()["cache_hits"] > 100
    same_tree(expected, again)


def test_it_matters_how_many_and_is_off_by_default() -> None:
    trees = []
    for params in ({}, {"late_evaluations": 8}, {"late_evaluations": 8, "late_groups": 2}, {"late_evaluations": 16}):
        pool = started({**LATE, "late_evaluations": 0, **params}, nets := networks())
        drive(pool, nets)
        trees.append(pool.root(0)["w_v"].tobytes())
    assert len(set(trees)) == 4
    assert search_params({}).late_evaluations == 0


def test_networks_are_asked_in_whole_groups() -> None:
    """All tickets are full but the root's two and the last two; without it most hold a position or two."""

    def rows(params: Params) -> list[int]:
        nets = networks()
        pool = started(params, nets, cache_mib=0)
        found = []
        while not pool.is_idle(0):
            buffers = make_buffers(pool, nets, 8)
            ticket = pool.collect(buffers)
            if ticket.rows:
                found.append(ticket.rows)
                pool.apply(ticket, **answer(pool, nets, ticket, buffers))
        return found

    late, waited = rows(LATE), rows({**LATE, "late_evaluations": 0})
    assert late[:2] == [1, 1] and set(late[2:-2]) == {8} and len(late) > 10
    assert np.mean(waited) < 4


def test_one_network_for_both_waits_as_ever() -> None:
    net = FakeNet(seed=1)
    trees = []
    for params in (LATE, {**LATE, "late_evaluations": 0}):
        pool = pool_for(5, [net])
        pool.start(0, 3, [engine(params, 0, 0)], middle())
        pool.search(0, 200)
        drive(pool, [net])
        trees.append(pool)
    same_tree(trees[0], trees[1])


@pytest.mark.parametrize("roles", [(0, -1), (-1, 1)])
def test_with_one_network_of_the_two(roles: tuple[int, int]) -> None:
    nets = networks()
    pool = pool_for(5, nets)
    pool.start(0, 3, [engine(LATE, *roles)], middle())
    pool.search(0, 300)
    drive(pool, nets)
    root = pool.root(0)
    assert int(root["n_r"].sum()) == 300
    assert (int(root["n_v"].sum()) > 0) == (roles[1] == 1)


def asked_below(
    pool: _core.SearchPool, policy: FakeNet, game: Go, path: list[int], found: list[tuple[int, bool, bool]]
) -> None:
    """Of every position in the tree: visits of its edge, whether it has a value, whether it has the network's priors."""
    node = pool.children(0, path)
    if node is None:
        return
    for action, n_r, n_v in zip(node["actions"].tolist(), node["n_r"].tolist(), node["n_v"].tolist(), strict=True):
        below, child = game.after(action), pool.children(0, [*path, action])
        if n_r == 0 or below.is_over():
            continue
        under = 0 if child is None else int(child["n_v"].sum())
        wanted = None if child is None else mcts.softmax(policy(below).logits[child["actions"]].astype(np.float64))
        has_priors = wanted is not None and child is not None and bool(np.abs(child["priors"] - wanted).max() < 1e-6)
        found.append((n_r, n_v > under, has_priors))
        asked_below(pool, policy, below, [*path, action], found)


@pytest.mark.parametrize("threshold", [5, 12, 60])
def test_networks_are_asked_by_visits(threshold: int) -> None:
    """Whoever has fewer visits is not asked about; who has many more is, by both; children come at their own threshold."""
    nets = networks()
    pool = started({**VISITS, "network_threshold": threshold}, nets, 1500)
    drive(pool, nets)
    found: list[tuple[int, bool, bool]] = []
    asked_below(pool, nets[0], Go(middle()), [], found)
    assert all(n_r > threshold for n_r, valued, has_priors in found if valued or has_priors)
    # a simulation asks about one position on its way, and a group waits for others: a few visits late
    late = [(valued, has_priors) for n_r, valued, has_priors in found if n_r > 2 * threshold + 20]
    assert len(late) >= 3 and all(valued and has_priors for valued, has_priors in late)
    early = sum(not valued and not has_priors for n_r, valued, has_priors in found if 2 < n_r <= threshold)
    assert early > 20


@pytest.mark.parametrize("noise", [0.0, 0.25])
def test_a_root_that_was_kept_waits_for_its_answers(noise: float) -> None:
    """Before any simulation, once, whatever its visits were; and what belongs to a root's priors comes after them."""
    nets, pools = networks(), []
    for first in (False, True):
        pool = started({**VISITS, "network_threshold": 1000, "noise_fraction": noise}, nets)
        drive(pool, nets)
        root = pool.root(0)
        move = int(root["actions"][root["n_r"].argmax()])
        assert int(root["n_v"].sum()) == 0
        pool.play(0, move)
        before = pool.stats()["evaluations"]
        placeholder = pool.root(0)["priors"]
        wanted = mcts.softmax(nets[0](Go(middle()).after(move)).logits[pool.root(0)["actions"]].astype(np.float64))
        assert np.abs(placeholder - wanted).max() > 1e-3
        if first:
            pool.search(0, 0)
            drive(pool, nets)
            assert pool.root(0)["simulations"] == 0
            np.testing.assert_allclose(pool.root(0)["priors"], wanted, atol=1e-6)
        pool.search(0, 200)
        drive(pool, nets)
        root = pool.root(0)
        added = root["priors"] - (1 - noise) * wanted
        assert (added > -1e-6).all() and added.sum() == pytest.approx(noise, abs=1e-4)
        assert pool.stats()["evaluations"] == before + 2
        pools.append(pool)
    same_tree(pools[0], pools[1])


@pytest.mark.parametrize("params", [TWO, VISITS])
def test_pruning_waits_for_answers(params: Params) -> None:
    """A tree that is pruned again and again: every visit is accounted for, whatever the tickets."""
    nets, pools = networks(), []
    for batch, tickets in ((64, 1), (3, 5)):
        pool = pool_for(7, nets, memory_mib=0.5)
        pool.start(0, 1, [engine({**params, "expansion_threshold": 0}, 0, 1)], replay(7, random_moves(7, 6, seed=1)))
        pool.search(0, 3000)
        drive(pool, nets, batch=batch, tickets=tickets, rng=random.Random(batch))
        assert pool.stats()["prunings"] > 2
        root = pool.root(0)
        assert int(root["visits"]) == int(root["n_r"].sum()) == 3000
        assert (np.abs(root["w_v"]) <= root["n_v"] + 1e-6).all()
        pools.append(pool)
    same_tree(pools[0], pools[1])


def test_a_stop_brings_everything_back() -> None:
    """What was asked is answered, the sums are right, and the game goes on."""
    nets = networks()
    pool = started(TWO, nets, 100_000_000)
    stopper = threading.Timer(0.3, pool.stop)
    stopper.start()
    begin = time.monotonic()
    drive(pool, nets)
    assert time.monotonic() - begin < 30
    root = pool.root(0)
    assert 0 < int(root["n_r"].sum()) == root["simulations"] < 100_000_000
    assert check_values(pool, nets[1], Go(middle()), [], root) > 20
    move = int(root["actions"][root["n_r"].argmax()])
    kept = int(root["n_r"].max())
    pool.play(0, move)
    pool.search(0, 50)
    drive(pool, nets)
    assert kept // 2 < int(pool.root(0)["visits"]) <= kept + 50
