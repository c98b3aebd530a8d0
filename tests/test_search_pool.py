"""The pool: tickets, determinism, games that play themselves, stopping, and what it refuses."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from alphago import _core
from search_helpers import (
    Buffers,
    FakeNet,
    Net,
    Params,
    answer,
    drive,
    engine,
    make_buffers,
    pool_for,
    random_moves,
    replay,
    same_tree,
    searched,
)


def middle(size: int = 5) -> _core.Position:
    return replay(size, random_moves(size, 10, seed=4))


# --- determinism ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"rollouts": "light"},
        {"rollouts": "softmax", "prior": "tree", "leaves_in_flight": 4},
        {"rollouts": "softmax", "rollout_cache": True},
        {"rollouts": "light", "rave": 300, "expansion_threshold": 2, "puct": "zero", "c_puct": 0.8},
    ],
)
@pytest.mark.parametrize("threads", [2, 4])
def test_threads_and_neighbours_change_nothing(threads: int, params: Params) -> None:
    """The same seed gives the same tree alone on one thread and beside six other games on several."""
    alone = searched(middle(), params, 400, seed=5)
    crowd = pool_for(5, slots=7, threads=threads)
    for slot in range(7):
        crowd.start(slot, 5 if slot == 3 else 50 + slot, [engine(params)], middle())
        crowd.search(slot, 400 if slot == 3 else 100 * slot + 50)
    crowd.run()
    assert all(crowd.is_idle(slot) for slot in range(7))
    same_tree(alone, crowd, slots=(0, 3))


def test_another_seed_is_another_search() -> None:
    trees = [searched(middle(), {"rollouts": "light"}, 300, seed=seed).root(0)["w_r"].tobytes() for seed in range(8)]
    assert len(set(trees)) == 8


@pytest.mark.parametrize(
    "params", [{}, {"leaves_in_flight": 8, "virtual_loss": 3}, {"rollouts": "light", "leaves_in_flight": 4}]
)
def test_tickets_change_nothing(params: Params) -> None:
    """Whatever the size of the batches, the number of tickets out at once, the order they are applied in, and threads."""
    net = FakeNet(seed=1)
    expected = searched(middle(), params, 150, net, seed=3)
    for batch, tickets, threads in [(1, 1, 1), (3, 4, 1), (32, 2, 2), (5, 9, 4)]:
        pool = pool_for(5, [net], slots=7, threads=threads, cache_mib=0)
        for slot in range(7):
            pool.start(slot, 3 if slot == 4 else 30 + slot, [engine(params, 0, 0)], middle())
            pool.search(slot, 150)
        drive(pool, [net], batch=batch, tickets=tickets, rng=random.Random(batch))
        same_tree(expected, pool, slots=(0, 4))


def test_rollout_cache() -> None:
    """Off it has no say; with it rollouts are others, and a game of its own forgets the one before."""
    plain: Params = {"rollouts": "softmax"}
    cached: Params = {**plain, "rollout_cache": True}
    off, on = searched(middle(), plain, 300, seed=5), searched(middle(), cached, 300, seed=5)
    same_tree(off, searched(middle(), {**plain, "rollout_cache_probability": 0.2}, 300, seed=5))
    assert (off.root(0)["w_r"] != on.root(0)["w_r"]).any()
    pool = pool_for(5)
    for seed in (9, 5):
        pool.start(0, seed, [engine(cached)], middle())
        pool.search(0, 300)
        pool.run()
    same_tree(on, pool)


@pytest.mark.parametrize("dtype", [np.float32, np.uint8])
def test_bytes_or_floats(dtype: type) -> None:
    net = FakeNet("rich", seed=1)
    same_tree(searched(middle(), {}, 60, net), searched(middle(), {}, 60, net, dtype=dtype))


def test_python_threads_share_a_pool() -> None:
    """Three threads collect and apply at once; every game comes out as it does alone."""
    net = FakeNet(seed=1)
    pool, params = pool_for(5, [net], slots=12, threads=2), {"leaves_in_flight": 2}
    for slot in range(12):
        pool.start(slot, slot, [engine(params, 0, 0)], middle())
        pool.search(slot, 80)
    failures: list[Exception] = []

    def work() -> None:
        try:
            drive(pool, [net], batch=4, tickets=2)
        except Exception as error:  # noqa: BLE001  # told to the test below
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failures == [] and not any(thread.is_alive() for thread in threads)
    for slot in range(12):
        same_tree(searched(middle(), params, 80, net, seed=slot), pool, slots=(0, slot))


def test_engines_without_networks_in_a_pool_that_has_some() -> None:
    net = FakeNet(seed=1)
    pool = pool_for(5, [net], slots=2)
    pool.start(0, 1, [engine({})])
    pool.start(1, 1, [engine({}, 0, 0)])
    for slot in range(2):
        pool.search(slot, 60)
    drive(pool, [net])
    same_tree(searched(_core.Position(5), {}, 60), pool, slots=(0, 0))
    same_tree(searched(_core.Position(5), {}, 60, net), pool, slots=(0, 1))


# --- two engines ------------------------------------------------------------------------------------------------------


def test_each_colour_asks_its_own_network() -> None:
    nets: list[Net] = [FakeNet(seed=1), FakeNet("rich", seed=2)]
    pool = pool_for(5, nets)
    pool.start(0, 1, [engine({}, 0, 0), engine({}, 1, 1)], _core.Position(5))
    position = _core.Position(5)
    for turn in range(6):
        pool.search(0, 40)
        before = [net.rows for net in nets]
        drive(pool, nets)
        rows = [net.rows - b for net, b in zip(nets, before, strict=True)]
        assert rows[turn % 2] > 0 and rows[1 - turn % 2] == 0
        move = int(pool.root(0)["move"])
        pool.play(0, move)
        assert position.try_play(move) >= 0
        np.testing.assert_array_equal(pool.position(0).stones(), position.stones())


def test_tickets_name_their_network() -> None:
    """Policy and value networks apart: a ticket holds positions for one of them."""
    nets: list[Net] = [FakeNet("alphago48", seed=1), FakeNet("alphago49", seed=2, wdl=False)]
    pool = pool_for(5, nets, slots=6)
    for slot in range(6):
        pool.start(slot, slot, [engine({}, 0, 1)])
        pool.search(slot, 30)
    seen = set()
    while not all(pool.is_idle(slot) for slot in range(6)):
        buffers = make_buffers(pool, nets, 4)
        ticket = pool.collect(buffers)
        if ticket.rows == 0:
            continue
        seen.add(ticket.network)
        outputs = answer(pool, nets, ticket, buffers)
        pool.apply(ticket, **{name: outputs[name] for name in (("policy",), ("value",))[ticket.network]})
    assert seen == {0, 1}


def test_rows_beyond_the_ticket_are_left_alone() -> None:
    net = FakeNet(seed=1)
    pool = pool_for(5, [net])
    pool.start(0, 1, [engine({}, 0, 0)])
    pool.search(0, 5)
    buffers = make_buffers(pool, [net], 4)
    buffers[0][0][:] = 7
    buffers[0][1][:] = 7
    ticket = pool.collect(buffers)
    assert (ticket.rows, ticket.network) == (1, 0)
    assert (buffers[0][0][1:] == 7).all() and (buffers[0][1][1:] == 7).all()
    assert not (buffers[0][0][0] == 7).any() and not (buffers[0][1][0] == 7).any()


def test_empty_tickets() -> None:
    net = FakeNet(seed=1)
    pool = pool_for(5, [net])
    buffers = make_buffers(pool, [net], 4)
    idle = pool.collect(buffers)
    assert (idle.rows, idle.network) == (0, -1)
    pool.apply(idle)
    pool.start(0, 1, [engine({}, 0, 0)])
    pool.search(0, 5)
    ticket = pool.collect(buffers)
    other = make_buffers(pool, [net], 4)
    waiting = pool.collect(other)
    assert ticket.rows == 1 and waiting.rows == 0
    pool.apply(waiting)
    assert not pool.is_idle(0)
    pool.apply(ticket, **answer(pool, [net], ticket, buffers))
    assert pool.collect(other).rows == 1


# --- stopping ---------------------------------------------------------------------------------------------------------


def stopped_after(pool: _core.SearchPool, work: Callable[[], None]) -> float:
    """Seconds from stop() until `work`, running in another thread, came back."""
    thread = threading.Thread(target=work)
    thread.start()
    time.sleep(0.2)
    assert thread.is_alive()
    before = time.perf_counter()
    pool.stop()
    thread.join(30)
    assert not thread.is_alive()
    return time.perf_counter() - before


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("rollouts", ["off", "softmax"])
def test_stop(rollouts: str, threads: int) -> None:
    """A search that would take hours ends, holds nothing in flight, and can go on (the bound of 50 ms is the benchmark's)."""
    pool = pool_for(19, slots=2, threads=threads, memory_mib=64)
    for slot in range(2):
        pool.start(slot, 1, [engine({"rollouts": rollouts, "leaves_in_flight": 8})])
        pool.search(slot, 100_000_000)
    assert stopped_after(pool, pool.run) < 1
    assert pool.is_idle(0) and pool.is_idle(1)
    root = pool.root(0)
    done = int(root["visits"])
    assert 0 < done < 100_000_000 and done == int(root["visit_counts"].sum())
    pool.search(0, 50)
    pool.run()
    assert int(pool.root(0)["visits"]) == done + 50


def test_stop_with_a_network() -> None:
    net = FakeNet(seed=1)
    pool = pool_for(9, [net])
    pool.start(0, 1, [engine({"leaves_in_flight": 4}, 0, 0)])
    pool.search(0, 100_000_000)
    assert stopped_after(pool, lambda: drive(pool, [net])) < 1
    assert pool.is_idle(0)


def test_run_for_a_time() -> None:
    pool = pool_for(9)
    pool.start(0, 1, [engine({})])
    pool.search(0, 100_000_000)
    before = time.perf_counter()
    pool.run(seconds=0.1)
    assert 0.05 < time.perf_counter() - before < 2
    assert not pool.is_idle(0)


def test_search_of_nothing_expands_the_root() -> None:
    net = FakeNet(seed=1)
    pool = searched(middle(), {}, 0, net)
    root = pool.root(0)
    assert net.rows == 1 and int(root["visits"]) == 0
    win, _, loss = (
        np.exp(net.answer(*_inputs(middle()), 26).value.astype(float))
        / np.exp(net.answer(*_inputs(middle()), 26).value.astype(float)).sum()
    )
    assert root["value"] == pytest.approx(win - loss, abs=1e-6)
    assert len(set(root["priors"].tolist())) > 5


def _inputs(position: _core.Position) -> tuple[Any, Any]:
    planes, globals_ = np.zeros((1, 17, position.size, position.size), np.float32), np.zeros((1, 7), np.float32)
    _core.write_planes([position], "zero17", planes)
    _core.write_globals([position], globals_)
    return planes[0], globals_[0]


# --- what it refuses --------------------------------------------------------------------------------------------------


def refused(call: Callable[[], Any], *words: str) -> None:
    """ValueError of one line that says these words."""
    with pytest.raises(ValueError, match=r".") as caught:
        call()
    message = str(caught.value)
    assert "\n" not in message and len(message) < 300
    for word in words:
        assert word.lower() in message.lower(), message


def test_bad_parameters() -> None:
    for name, kind, default, bounds, doc in _core.SEARCH_PARAMS:
        assert doc.endswith(".") and name.isidentifier()
        good: Any
        if kind == "choice":
            bads, good = list[Any](["nonsense"]), bounds[-1]
            assert default in bounds
        elif kind == "bool":
            bads, good = ["perhaps"], not default
        else:
            low, high = bounds
            assert low <= default <= high
            bads, good = [low - 1, high * 2 + 1, float("nan")], high
        for bad in bads:
            refused(lambda name=name, bad=bad: _core.SearchParams({name: bad}), name)  # type: ignore[misc]
        values: Params = {name: good, **({"rollouts": "softmax"} if name == "rollout_cache" else {})}
        assert _core.SearchParams(values).to_dict() == {**_core.SearchParams().to_dict(), **values}
    refused(lambda: _core.SearchParams({"rollout_cache": True, "rollouts": "light"}), "rollout_cache", "softmax")
    refused(lambda: _core.SearchParams({"c_pukt": 1}), "c_pukt")
    assert _core.SearchParams().to_dict() == {name: default for name, _, default, _, _ in _core.SEARCH_PARAMS}


def test_bad_pools() -> None:
    pool = _core.SearchPool
    refused(lambda: pool(size=1), "size")
    refused(lambda: pool(size=20), "size")
    refused(lambda: pool(slots=0), "slots")
    refused(lambda: pool(threads=0), "threads")
    refused(lambda: pool(networks=["zero18"]), "zero18")
    refused(lambda: pool(game="chess"), "chess", "tictactoe")
    refused(lambda: pool(memory_mib=-1), "memory")
    refused(lambda: pool(memory_mib=float("nan")), "memory")
    refused(lambda: pool(cache_mib=-1), "cache")


def test_bad_games() -> None:
    net = FakeNet(seed=1)
    pool = pool_for(5, [net], slots=2)
    good = engine({}, 0, 0)
    for slot in (-1, 2):
        refused(lambda slot=slot: pool.start(slot, 1, [good]), "slot")  # type: ignore[misc]
        refused(lambda slot=slot: pool.search(slot, 1), "slot")  # type: ignore[misc]
        refused(lambda slot=slot: pool.root(slot), "slot")  # type: ignore[misc]
        refused(lambda slot=slot: pool.is_idle(slot), "slot")  # type: ignore[misc]
    refused(lambda: pool.start(0, 1, []), "engine")
    refused(lambda: pool.start(0, 1, [good] * 3), "engine")
    refused(lambda: pool.start(0, 1, [engine({}, 1, 0)]), "network")
    refused(lambda: pool.start(0, 1, [engine({}, 0, 5)]), "network")
    refused(lambda: pool.start(0, 1, [good], _core.Position(9)), "size")
    refused(lambda: pool.start(0, 1, [good], max_moves=-1), "max_moves")
    plain = _core.SearchPool(size=5)
    refused(lambda: plain.start(0, 1, [engine({"rollouts": "softmax"})]), "weights")
    refused(lambda: plain.start(0, 1, [engine({"prior": "tree"})]), "weights")
    plain.start(0, 1, [engine({"rollouts": "light"})])
    other = _core.SearchPool(game="tictactoe")
    refused(lambda: other.start(0, 1, [engine({})], _core.Position(3)), "position")
    refused(lambda: other.position(0))


def test_bad_plays() -> None:
    net = FakeNet(seed=1)
    pool = pool_for(5, [net], slots=2)
    refused(lambda: pool.play(1, 0), "slot 1")
    pool.start(0, 1, [engine({}, 0, 0)], replay(5, [12]))
    for action in (12, -1, 26, 1000):
        refused(lambda action=action: pool.play(0, action), str(action))  # type: ignore[misc]
    pool.search(0, 10)
    refused(lambda: pool.play(0, 0))
    buffers = make_buffers(pool, [net], 4)
    ticket = pool.collect(buffers)
    refused(lambda: pool.play(0, 0))
    pool.apply(ticket, **answer(pool, [net], ticket, buffers))
    drive(pool, [net])
    pool.play(0, 25)
    pool.play(0, 25)
    assert pool.position(0).is_over and pool.is_idle(0)
    refused(lambda: pool.play(0, 3))
    refused(lambda: pool.search(0, -1), "simulations")
    refused(lambda: pool.root(1), "slot 1")


def test_superko_plays_are_refused() -> None:
    position = replay(4, random_moves(4, 14, seed=55, spare_eyes=True))
    banned = [
        (a, b)
        for a in np.flatnonzero(position.legal_mask()).tolist()
        for b in range(16)
        if (below := position.copy()).try_play(a) >= 0 and below.legality(b) == 4
    ]
    assert banned
    pool = pool_for(4)
    pool.start(0, 1, [engine({})], position)
    pool.play(0, banned[0][0])
    refused(lambda: pool.play(0, banned[0][1]), "legal", str(banned[0][1]))


def waiting_pool(net: Net) -> tuple[_core.SearchPool, _core.Ticket, Buffers]:
    pool = pool_for(5, [net], slots=3)
    for slot in range(3):
        pool.start(slot, slot, [engine({}, 0, 0)], replay(5, random_moves(5, 4 + slot, seed=slot)))
        pool.search(slot, 10)
    buffers = make_buffers(pool, [net], 4)
    ticket = pool.collect(buffers)
    assert ticket.rows == 3
    return pool, ticket, buffers


def test_bad_outputs_leave_the_ticket_good() -> None:
    """Each mistake is named, and the right answer is taken afterwards."""
    net = FakeNet(seed=1)
    pool, ticket, buffers = waiting_pool(net)
    good = answer(pool, [net], ticket, buffers)
    for name, bad, words in [
        ("policy", None, ["policy"]),
        ("value", None, ["value"]),
        ("policy", good["policy"][:2], ["policy"]),
        ("policy", good["policy"][:, :25].copy(), ["policy", "26"]),
        ("value", good["value"][:2].copy(), ["value"]),
        ("value", good["value"][:, :2].copy(), ["value"]),
        ("value", np.full(3, 1.5, np.float32), ["value"]),
        ("policy", np.where(np.arange(26) == 3, np.nan, good["policy"]).astype(np.float32), ["policy"]),
        ("policy", np.where(np.arange(26) == 3, np.inf, good["policy"]).astype(np.float32), ["policy"]),
        ("value", np.full((3, 3), np.nan, np.float32), ["value"]),
        ("score", np.array([0, np.nan, 0], np.float32), ["score"]),
        ("score", np.zeros(2, np.float32), ["score"]),
    ]:
        refused(lambda name=name, bad=bad: pool.apply(ticket, **{**good, name: bad}), *words)  # type: ignore[misc]
    pool.apply(ticket, **good)
    drive(pool, [net])
    for slot in range(3):
        expected = searched(replay(5, random_moves(5, 4 + slot, seed=slot)), {}, 10, net, seed=slot)
        same_tree(pool, expected, slots=(slot, 0))


def test_ticket_is_applied_once() -> None:
    net = FakeNet(seed=1)
    pool, ticket, buffers = waiting_pool(net)
    outputs = answer(pool, [net], ticket, buffers)
    other, *_ = waiting_pool(net)
    refused(lambda: other.apply(ticket, **outputs), "pool")
    pool.apply(ticket, **outputs)
    refused(lambda: pool.apply(ticket, **outputs), "applied")


def test_bad_buffers() -> None:
    net = FakeNet(seed=1)
    pool = pool_for(5, [net])
    pool.start(0, 1, [engine({}, 0, 0)])
    pool.search(0, 5)
    (planes, globals_) = make_buffers(pool, [net], 4)[0]
    refused(lambda: pool.collect([]), "buffers")
    refused(lambda: pool.collect([(planes, globals_)] * 2), "buffers")
    refused(lambda: pool.collect([(planes[:, :16].copy(), globals_)]), "17")
    refused(lambda: pool.collect([(planes[:, :, :4].copy(), globals_)]), "5")
    refused(lambda: pool.collect([(planes, globals_[:3])]), "globals")
    refused(lambda: pool.collect([(planes, globals_[:, :6].copy())]), "globals")
    refused(lambda: pool.collect([(planes.astype(np.float64), globals_)]), "float32")
    refused(lambda: pool.collect([(planes[:0], globals_[:0])]), "batch")
    assert pool.collect([(planes, globals_)]).rows == 1


def test_starting_over_while_a_ticket_is_out() -> None:
    """A new game in a slot whose evaluation is under way either waits for it or forgets it; it never mixes the two."""
    net = FakeNet(seed=1)
    pool, ticket, buffers = waiting_pool(net)
    try:
        pool.start(1, 9, [engine({}, 0, 0)], middle())
    except ValueError as error:
        assert "\n" not in str(error)
        pool.apply(ticket, **answer(pool, [net], ticket, buffers))
        drive(pool, [net])
        pool.start(1, 9, [engine({}, 0, 0)], middle())
        pool.search(1, 50)
    else:
        pool.search(1, 50)
        pool.apply(ticket, **answer(pool, [net], ticket, buffers))
    drive(pool, [net])
    same_tree(pool, searched(middle(), {}, 50, net, seed=9), slots=(1, 0))
