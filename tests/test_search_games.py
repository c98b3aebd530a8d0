"""Games that the pool plays by itself: what they depend on, what is recorded, temperature and resignation."""

from __future__ import annotations

import math
import threading
import time
from typing import Any

import numpy as np
import pytest
from scipy import stats

from alphago import _core
from search_helpers import FakeNet, FunctionNet, Net, Params, drive, engine, pool_for, random_moves, replay, searched

GAME_FIELDS = (
    "moves",
    "colors",
    "root_value",
    "visit_offsets",
    "visit_actions",
    "visit_counts",
    "target",
    "winner",
    "score",
    "ended",
    "no_resign",
    "simulations",
)


def middle() -> _core.Position:
    return replay(5, random_moves(5, 10, seed=4))


def play_all(
    params: list[Params], seeds: list[int], nets: list[Net], slots: int, threads: int = 1, **driving: Any
) -> dict[int, Any]:
    """Autoplay games of `seeds` on `slots` slots, each slot refilled when its game ends."""
    pool, queue, games = pool_for(5, nets, slots=slots, threads=threads), list(seeds), dict[int, Any]()
    joint = 0 if nets else -1
    for slot in range(min(slots, len(queue))):
        pool.start(slot, queue.pop(0), [engine(p, joint, joint) for p in params], autoplay=True)
    while True:
        drive(pool, nets, **driving)
        new = pool.finished()
        if not new:
            return games
        for game in new:
            games[game["seed"]] = game
            if queue:
                pool.start(game["slot"], queue.pop(0), [engine(p, joint, joint) for p in params], autoplay=True)


SELF_PLAY: Params = {"simulations": 12, "noise_fraction": 0.25, "temperature": 1.0, "temperature_moves": 8}


@pytest.mark.parametrize("evaluator", ["uniform", "rollouts", "network"])
def test_games_depend_on_their_seed_alone(evaluator: str) -> None:
    params: Params = SELF_PLAY | ({"rollouts": "light"} if evaluator == "rollouts" else {})
    nets: list[Net] = [FakeNet(seed=1)] if evaluator == "network" else []
    seeds = list(range(100, 109))
    first = play_all([params], seeds, nets, slots=1)
    second = play_all([params], seeds[::-1], nets, slots=4, threads=3, batch=3, tickets=2)
    assert sorted(first) == sorted(second) == seeds
    for seed in seeds:
        for name in GAME_FIELDS:
            np.testing.assert_array_equal(first[seed][name], second[seed][name], err_msg=name)
    assert len({game["moves"].tobytes() for game in first.values()}) == len(seeds)


# --- games that play themselves ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("both", [False, True])
def test_finished_games_are_games(both: bool) -> None:
    """Moves are legal, colours alternate, the score is that of the board, and the statistics belong to the moves."""
    params = [SELF_PLAY, SELF_PLAY | {"simulations": 5}] if both else [SELF_PLAY]
    games = play_all(params, list(range(12)), [FakeNet(seed=1)], slots=5)
    assert len(games) == 12
    for seed, game in games.items():
        moves, n = game["moves"], len(game["moves"])
        assert (game["seed"], game["size"]) == (seed, 5)
        assert game["ended"] in ("passes", "max_moves")
        assert game["colors"].tolist() == [1 + i % 2 for i in range(n)]
        position = _core.Position(5)
        offsets = game["visit_offsets"]
        assert len(offsets) == n + 1 and offsets[0] == 0 and offsets[-1] == len(game["visit_actions"])
        assert len(game["root_value"]) == n and (np.abs(game["root_value"]) <= 1).all()
        for i, move in enumerate(moves.tolist()):
            actions = game["visit_actions"][offsets[i] : offsets[i + 1]]
            counts = game["visit_counts"][offsets[i] : offsets[i + 1]]
            target = game["target"][offsets[i] : offsets[i + 1]]
            assert position.legal_mask()[actions].all() and (np.diff(actions.astype(int)) > 0).all()
            assert move in actions.tolist()
            assert counts.min() > 0 and counts.sum() >= params[i % len(params)]["simulations"]
            np.testing.assert_allclose(target, counts / counts.sum(), atol=1e-6)
            assert position.try_play(move) >= 0
        assert position.is_over == (game["ended"] == "passes") or n == 50
        assert game["score"] == float(position.area().sum()) - 7.5
        assert game["winner"] == (1 if game["score"] > 0 else 2)
        assert game["simulations"] == sum(params[i % len(params)]["simulations"] for i in range(n))


@pytest.mark.parametrize("engines", [1, 2])
@pytest.mark.parametrize("extra", [{}, {"reuse_tree": False}, {"root": "gumbel"}, {"rollouts": "light"}])
def test_self_play_is_search_and_play(extra: Params, engines: int) -> None:
    """A game by hand, `simulations` more at every turn, is the game that the pool plays by itself."""
    net = FakeNet(seed=1)
    params: list[Params] = [
        {"simulations": n, "noise_fraction": 0.0 if "root" in extra else 0.25, **extra} for n in (20, 9)[:engines]
    ]
    (game,) = play_all(params, [77], [net], slots=1).values()
    pool = pool_for(5, [net])
    pool.start(0, 77, [engine(p, 0, 0) for p in params])
    for i, move in enumerate(game["moves"].tolist()):
        pool.search(0, int(params[i % engines]["simulations"]))
        drive(pool, [net])
        root = pool.root(0)
        assert root["move"] == move
        assert float(game["root_value"][i]) == pytest.approx(root["value"], abs=1e-6)
        entries = slice(game["visit_offsets"][i], game["visit_offsets"][i + 1])
        counts = dict(zip(root["actions"].tolist(), root["visit_counts"].tolist(), strict=True))
        assert [counts[a] for a in game["visit_actions"][entries].tolist()] == game["visit_counts"][entries].tolist()
        pool.play(0, move)
    assert pool.is_idle(0) and len(game["moves"]) > 5


def test_a_finished_game_leaves_its_slot_free() -> None:
    """Whoever is told of a game's end can start the next one there, while other threads work on."""
    pool = pool_for(3, slots=4, threads=3)
    games = 0

    def begin(slot: int) -> None:
        pool.start(slot, games, [engine({"simulations": 1})], autoplay=True, max_moves=2)

    for slot in range(4):
        begin(slot)
    until = time.monotonic() + 1.0
    worker = threading.Thread(target=keep_running, args=(pool, until))
    worker.start()
    while time.monotonic() < until:
        for game in pool.finished():
            games += 1
            begin(int(game["slot"]))
    worker.join(30)
    assert not worker.is_alive() and games > 100


def keep_running(pool: _core.SearchPool, until: float) -> None:
    while time.monotonic() < until:
        pool.run(seconds=0.05)


def test_max_moves() -> None:
    pool = pool_for(5)
    pool.start(0, 1, [engine({"simulations": 3})], autoplay=True, max_moves=7)
    pool.run()
    (game,) = pool.finished()
    assert len(game["moves"]) == 7 and game["ended"] == "max_moves"
    assert pool.finished() == []


def autoplay_first_moves(params: Params, count: int, net: Net, position: _core.Position) -> list[int]:
    """The first move of each of `count` games with other seeds."""
    pool, moves = pool_for(position.size, [net], slots=50), []
    for batch in range(0, count, 50):
        for slot in range(50):
            pool.start(
                slot,
                1000 + batch + slot,
                [engine(params, 0, 0)],
                position,
                autoplay=True,
                max_moves=position.move_count + 1,
            )
        drive(pool, [net], batch=64)
        moves += [int(game["moves"][-1]) for game in pool.finished()]
    return moves


def last_turn(position: _core.Position, params: Params, simulations: int, net: Net) -> dict[str, Any]:
    """The root that `autoplay_first_moves` searched, where the game ends after one turn more."""
    pool = pool_for(position.size, [net])
    pool.start(0, 1, [engine(params, 0, 0)], position, max_moves=position.move_count + 1)
    pool.search(0, simulations)
    drive(pool, [net])
    return pool.root(0)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_temperature(temperature: float) -> None:
    """Moves are drawn as visits^(1/T): chi-squared over 600 games with one tree and other seeds."""
    net, position = FakeNet(seed=6, sharpness=0.7), middle()
    params: Params = {"simulations": 60, "temperature": temperature, "temperature_moves": 1000}
    root = last_turn(position, params, 60, net)
    expected = root["visit_counts"].astype(float) ** (1 / temperature)
    expected *= 600 / expected.sum()
    moves = autoplay_first_moves(params, 600, net, position)
    assert len(moves) == 600
    observed = np.array([moves.count(a) for a in root["actions"].tolist()], float)
    assert observed.sum() == 600 and not observed[expected == 0].any()
    rare = expected < 5
    observed = np.append(observed[~rare], observed[rare].sum())
    expected = np.append(expected[~rare], expected[rare].sum())
    keep = expected > 0
    assert stats.chisquare(observed[keep], expected[keep]).pvalue > 1e-3


@pytest.mark.parametrize(("moves", "final", "distinct"), [(10, 0.0, False), (11, 0.0, True), (10, 1.0, True)])
def test_temperature_ends(moves: int, final: float, distinct: bool) -> None:
    """`temperature` for the first `temperature_moves` turns of the game (the position has 10 behind it), then the other."""
    net, position = FakeNet(seed=6, sharpness=0.7), middle()
    params: Params = {"simulations": 40, "temperature": 1.0, "temperature_moves": moves, "temperature_final": final}
    drawn = set(autoplay_first_moves(params, 50, net, position))
    assert (len(drawn) > 1) == distinct
    if not distinct:
        assert drawn == {int(last_turn(position, params, 40, net)["move"])}


# --- resignation ------------------------------------------------------------------------------------------------------


def losing_for(color: int) -> FunctionNet:
    """A network that knows who loses: plane 16 of zero17 says whether black is to move."""
    return FunctionNet(lambda planes, n: (np.zeros(n), -0.95 if bool(planes[16].any()) == (color == 1) else 0.95))


@pytest.mark.parametrize("color", [1, 2])
@pytest.mark.parametrize(("turns", "first"), [(1, 0), (3, 0), (1, 9), (2, 9)])
def test_resignation(color: int, turns: int, first: int) -> None:
    """After `resign_turns` of this side's turns in a row, not before turn `resign_min_turn`."""
    params: Params = {
        "simulations": 8,
        "resign_threshold": -0.9,
        "resign_turns": turns,
        "resign_min_turn": first,
        "resign_off_fraction": 0,
    }
    net = losing_for(color)
    pool = pool_for(9, [net])
    pool.start(0, 1, [engine(params, 0, 0)], autoplay=True)
    drive(pool, [net])
    (game,) = pool.finished()
    assert game["ended"] == "resign" and game["winner"] == 3 - color and not game["no_resign"]
    assert math.isnan(game["score"])
    own = [turn for turn in range(100) if turn % 2 == color - 1]
    candidates = [turn for i, turn in enumerate(own) if i + 1 >= turns and turn >= first]
    assert len(game["moves"]) == candidates[0]


def test_some_games_never_resign() -> None:
    params: Params = {"simulations": 2, "resign_threshold": -0.5, "resign_off_fraction": 0.3}
    net = losing_for(1)
    pool, games = pool_for(3, [net], slots=50), []
    for batch in range(8):
        for slot in range(50):
            pool.start(slot, batch * 50 + slot, [engine(params, 0, 0)], autoplay=True)
        drive(pool, [net], batch=50)
        games += pool.finished()
    assert len(games) == 400
    kept = [game for game in games if game["no_resign"]]
    assert {game["ended"] for game in games if not game["no_resign"]} == {"resign"}
    assert "resign" not in {game["ended"] for game in kept}
    assert stats.binomtest(len(kept), 400, 0.3).pvalue > 1e-3


def test_root_says_resign() -> None:
    net = losing_for(1)
    for threshold, resigns in ((-0.9, True), (-0.99, False), (-1, False)):
        root = searched(_core.Position(5), {"resign_threshold": threshold}, 20, net).root(0)
        assert (root["move"] == -1) == resigns, threshold
