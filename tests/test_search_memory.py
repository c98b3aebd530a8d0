"""The memory limit of the trees, and the evaluation cache."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Callable

import numpy as np
import pytest

from alphago import _core
from search_helpers import FakeNet, Params, drive, engine, pool_for, random_moves, replay, same_tree, searched

MIB = 1 << 20

# Black takes twelve stones at the fifth point of the third row, or they connect to the outside and black has nothing.
BIG_CAPTURE = """
    . . . . . . O . .
    X X X X . . O . .
    O O O O . . O . .
    O O O O X . O . .
    O O O O X . O . .
    X X X X X . O . .
    O O O O O O O . .
    . . . . . . . . .
    . . . . . . . . .
"""


def run_within(pool: _core.SearchPool, slot: int, simulations: int, limit: float, step: int) -> int:
    """Searches in steps and looks at the memory after each; the highest seen."""
    highest = 0
    for _ in range(simulations // step):
        pool.search(slot, step)
        pool.run()
        assert pool.is_idle(slot)
        stats = pool.stats()
        highest = max(highest, stats["tree_bytes"])
        assert stats["tree_bytes"] <= limit
        assert pool.root(slot)["memory_bytes"] <= limit
    return highest


@pytest.mark.parametrize("mib", [2, 4])
def test_limit_is_kept(mib: int) -> None:
    """40,000 simulations on 19x19 go on within a few MiB: leaves are pruned, nothing else happens."""
    pool = pool_for(19, memory_mib=mib)
    pool.start(0, 1, [engine({"leaves_in_flight": 8})], _core.Position(19))
    highest = run_within(pool, 0, 40_000, mib * MIB, 4_000)
    stats, root = pool.stats(), pool.root(0)
    assert stats["prunings"] > 0 and stats["simulations"] == 40_000
    assert highest > 0.25 * mib * MIB
    assert int(root["visits"]) == 40_000 == int(root["visit_counts"].sum())


def test_64_mib_for_300_000_simulations() -> None:
    pool = pool_for(19, memory_mib=64)
    pool.start(0, 1, [engine({"leaves_in_flight": 8})], _core.Position(19))
    run_within(pool, 0, 300_000, 64 * MIB, 20_000)
    assert pool.stats()["prunings"] > 0
    assert int(pool.root(0)["visits"]) == 300_000


def test_the_process_keeps_the_limit_too() -> None:
    """What the operating system counts, not the pool: the peak grows by no more than the limit and a little besides."""
    resource = pytest.importorskip("resource")
    script = """
import resource
from alphago import _core
def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
pool = _core.SearchPool(size=19, memory_mib=24, cache_mib=0)
pool.start(0, 1, [_core.Engine(_core.SearchParams({}))])
before = peak()
pool.search(0, 120_000)
pool.run()
assert pool.stats()["prunings"] > 0
print(peak() - before)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    unit = 1 if sys.platform == "darwin" else 1024
    assert resource and int(done.stdout) * unit <= (24 + 4) * MIB


def test_pruned_search_still_finds_the_move() -> None:
    """A tree that was pruned many times takes twelve stones in atari, as one with room does."""
    position = _core.Position(9, komi=-20.0)
    rows = [row.split() for row in BIG_CAPTURE.strip().splitlines()]
    stones = {color: [r * 9 + c for r in range(9) for c in range(9) if rows[r][c] == color] for color in "XO"}
    assert position.setup(stones["X"], stones["O"], []) == 0
    moves = {}
    for mib in (0.5, 256):
        pool = pool_for(9, memory_mib=mib)
        pool.start(0, 3, [engine({"rollouts": "light", "leaves_in_flight": 4})], position)
        run_within(pool, 0, 20_000, mib * MIB, 2_000)
        moves[mib] = int(pool.root(0)["move"])
        assert (pool.stats()["prunings"] > 0) == (mib < 1)
    assert moves == {0.5: 22, 256: 22}


def test_pruning_with_evaluations_under_way() -> None:
    """Rounds in flight while the tree is pruned again and again: every visit is accounted for, whatever the tickets."""
    net = FakeNet(seed=2)
    params: Params = {"leaves_in_flight": 4, "rounds_in_flight": 2, "virtual_loss": 3}
    pools = []
    for batch, tickets in ((64, 1), (3, 5)):
        pool = pool_for(7, [net], memory_mib=0.5)
        pool.start(0, 1, [engine(params, 0, 0)], replay(7, random_moves(7, 6, seed=1)))
        pool.search(0, 2500)
        drive(pool, [net], batch=batch, tickets=tickets, rng=random.Random(batch))
        assert pool.stats()["prunings"] > 2
        assert pool.stats()["tree_bytes"] <= MIB // 2
        root = pool.root(0)
        assert int(root["visits"]) == int(root["visit_counts"].sum()) == 2500
        assert (np.abs(root["w_v"]) <= root["n_v"]).all()
        pools.append(pool)
    same_tree(pools[0], pools[1])


def test_slots_share_the_limit() -> None:
    pool = pool_for(9, slots=8, memory_mib=4)
    for slot in range(8):
        pool.start(slot, slot, [engine({})], _core.Position(9))
    for _ in range(5):
        for slot in range(8):
            pool.search(slot, 4_000)
        pool.run()
        assert pool.stats()["tree_bytes"] <= 4 * MIB
    roots = [pool.root(slot) for slot in range(8)]
    assert all(int(root["visits"]) == 20_000 for root in roots)
    assert sum(root["memory_bytes"] for root in roots) <= 4 * MIB


def test_pruning_depends_on_the_game_alone() -> None:
    """The same tree alone and beside others, where the share is the same."""
    params: Params = {"leaves_in_flight": 4}
    alone, crowd = pool_for(9, memory_mib=1), pool_for(9, slots=4, memory_mib=4, threads=2)
    alone.start(0, 5, [engine(params)])
    for slot in range(4):
        crowd.start(slot, 5 if slot == 2 else slot + 10, [engine(params)])
    for pool, slots in ((alone, 1), (crowd, 4)):
        for slot in range(slots):
            pool.search(slot, 15_000)
        pool.run()
    assert alone.stats()["prunings"] > 0
    same_tree(alone, crowd, slots=(0, 2), depth=2, exactly=True)


@pytest.mark.parametrize("mib", [0.001, 0.02])
def test_a_limit_too_small_is_refused(mib: float) -> None:
    """A tree needs room for its root and a few simulations."""
    with pytest.raises(ValueError, match=r"(?i)mib|memory"):
        pool_for(19, memory_mib=mib)


# --- the evaluation cache ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("symmetry", ["none", "random"])
@pytest.mark.parametrize("leaves", [1, 8])
def test_same_tree_with_and_without_cache(leaves: int, symmetry: str) -> None:
    """Also for a game searched a second time, when every answer comes from the cache."""
    params: Params = {"leaves_in_flight": leaves, "symmetry": symmetry}
    position, net = replay(5, random_moves(5, 10, seed=1)), FakeNet(seed=2)
    pools = {mib: pool_for(5, [net], slots=2, cache_mib=mib) for mib in (0, 16)}
    for pool in pools.values():
        for slot in range(2):
            pool.start(slot, 4, [engine(params, 0, 0)], position)
            pool.search(slot, 300)
            drive(pool, [net])
        same_tree(pool, pool, slots=(0, 1))
    same_tree(pools[0], pools[16])
    with_cache, without = pools[16].stats(), pools[0].stats()
    assert without["cache_hits"] == 0 and without["cache_bytes"] == 0
    assert with_cache["cache_hits"] >= with_cache["evaluations"] > 0
    assert with_cache["cache_hits"] + with_cache["evaluations"] == without["evaluations"]
    assert 0 < with_cache["cache_bytes"] <= 16 * MIB


def test_cache_limit() -> None:
    net = FakeNet(seed=2)
    pool = pool_for(9, [net], cache_mib=0.25)
    for seed in range(3):
        pool.start(0, seed, [engine({"leaves_in_flight": 8}, 0, 0)], replay(9, random_moves(9, 4, seed=seed)))
        pool.search(0, 500)
        drive(pool, [net], batch=8)
        assert pool.stats()["cache_bytes"] <= MIB // 4


def test_wide_rounds_share_positions_in_flight() -> None:
    """Many games of one opening: an answer under way, or already there, is right for all of them."""
    net = FakeNet(seed=2)
    pool = pool_for(5, [net], slots=12, cache_mib=16)
    for slot in range(12):
        pool.start(slot, slot, [engine({}, 0, 0)])
        pool.search(slot, 60)
    drive(pool, [net], batch=16, tickets=2)
    alone = searched(_core.Position(5), {}, 60, net)
    for slot in range(12):
        same_tree(alone, pool, slots=(0, slot), exactly=True)


# What a network may see and the stones do not show: pairs of positions whose planes or globals differ.
TWINS: dict[str, tuple[Callable[[], _core.Position], Callable[[], _core.Position]]] = {
    "komi": (lambda: replay(5, [12, 6, 8], komi=7.5), lambda: replay(5, [12, 6, 8], komi=6.5)),
    "history": (lambda: replay(5, [12, 6, 8, 16]), lambda: replay(5, [8, 6, 12, 16])),
    "last moves": (lambda: replay(5, [12, 6, 8, 16]), lambda: replay(5, [12, 16, 8, 6])),
    "passes": (lambda: replay(5, [12, 6, 8, 16]), lambda: replay(5, [12, 25, 8, 6, 25, 16])),
    "ko rule": (lambda: replay(5, [12, 6, 8]), lambda: replay(5, [12, 6, 8], ko=0)),
    "situational": (lambda: replay(5, [12, 6, 8]), lambda: replay(5, [12, 6, 8], ko=2)),
    "suicide": (lambda: replay(5, [12, 6, 8]), lambda: replay(5, [12, 6, 8], suicide=False)),
    "scoring": (lambda: replay(5, [12, 6, 8]), lambda: replay(5, [12, 6, 8], scoring=1)),
    "white bonus": (lambda: replay(5, [12, 6, 8]), lambda: replay(5, [12, 6, 8], white_bonus=3.0)),
    "to play": (lambda: set_up(1), lambda: set_up(2)),
}


def set_up(to_play: int, *moves: int) -> _core.Position:
    position = _core.Position(5)
    assert position.setup([12, 8], [6], []) == 0
    position.to_play = to_play
    for move in moves:
        assert position.try_play(move) >= 0
    return position


@pytest.mark.parametrize("features", ["zero17", "rich", "alphago48", "alphago49"])
@pytest.mark.parametrize("twins", TWINS)
def test_cache_tells_apart_what_planes_tell_apart(twins: str, features: str) -> None:
    """Searching one twin, then the other, in one pool gives each the tree of a pool of its own."""
    net = FakeNet(features, seed=3)
    pool = pool_for(5, [net], cache_mib=16)
    for make in TWINS[twins]:
        pool.start(0, 1, [engine({}, 0, 0)], make())
        pool.search(0, 40)
        drive(pool, [net])
        same_tree(pool, searched(make(), {}, 40, net))


@pytest.mark.parametrize("name", ["superko ban", "passes"])
def test_cache_tells_bans_apart(name: str) -> None:
    """The same stones, the same last turns, but other moves forbidden; and games with one pass more."""
    net = FakeNet("rich", seed=3)
    if name == "passes":
        first, second = replay(5, [12, 6, 8, 16]), replay(5, [12, 6, 8, 16, 25])
    else:
        first = replay(4, random_moves(4, 28, seed=11, captures=True))
        second = _core.Position(4)
        stones = first.stones().reshape(-1)
        black, white = (np.flatnonzero(stones == c).tolist() for c in (1, 2))
        assert second.setup(black, white, []) == 0
        second.to_play = first.to_play
    pool = pool_for(first.size, [net], cache_mib=16)
    for position in (first, second, first):
        pool.start(0, 1, [engine({}, 0, 0)], position)
        pool.search(0, 60)
        drive(pool, [net])
        same_tree(pool, searched(position, {}, 60, net))


def test_networks_do_not_share_answers() -> None:
    """Two networks of one feature set: each colour hears its own."""
    nets = [FakeNet(seed=1), FakeNet(seed=2)]
    pool = pool_for(5, nets, slots=2, cache_mib=16)
    for slot in range(2):
        pool.start(slot, 1, [engine({}, slot, slot)])
        pool.search(slot, 50)
        drive(pool, nets)
        same_tree(pool, searched(_core.Position(5), {}, 50, nets[slot]), slots=(slot, 0))
