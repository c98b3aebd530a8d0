"""A Player: limits in simulations and in time, pondering, stopping, the tree kept between moves, errors."""

import threading
import time

import numpy as np
import pytest

from alphago import _core
from alphago.nets.evaluator import Outputs
from alphago.nets.rollout import load_rollout_weights
from alphago.search import search_params
from alphago.search.player import Player, PlayerError

ROLLOUTS = search_params({"rollouts": "softmax", "prior": "rollout", "expansion_threshold": 2})


class Even:
    """An evaluator with equal logits and even values, that takes `delay` seconds a batch."""

    feature_set, size, batch = "zero17", 5, 8

    def __init__(self, delay: float = 0.0) -> None:
        self.delay = delay

    def describe(self) -> str:
        return "even"

    def buffers(self):  # type: ignore[no-untyped-def]
        return np.zeros((8, 17, 5, 5), np.float32), np.zeros((8, 7), np.float32)

    def evaluate(self, planes, globals_):  # type: ignore[no-untyped-def]
        time.sleep(self.delay)
        return Outputs(np.zeros((8, 26), np.float32), np.zeros((8, 3), np.float32), None)

    def clone(self):  # type: ignore[no-untyped-def]
        return self

    def swap_weights(self, network) -> None:  # type: ignore[no-untyped-def]
        raise AssertionError


def rollout_player(**more: object) -> Player:
    return Player(ROLLOUTS, size=5, weights=load_rollout_weights(), **more)  # type: ignore[arg-type]


def test_simulations_are_counted_and_the_tree_is_kept() -> None:
    player = rollout_player()
    report = player.search(500)
    assert report.visits == 500 and report.visit_counts.sum() == 500
    kept = int(report.visit_counts[report.actions == report.move][0])
    player.play(report.move)
    assert 0 < player.report().visits < kept
    assert player.search(100).visits > 100


@pytest.mark.parametrize("player", [rollout_player(), Player(search_params({}), size=5, evaluators=[Even(0.002)])])
def test_time_is_kept(player: Player) -> None:
    report = player.search(seconds=0.3)
    assert 0.3 <= report.seconds < 1.0
    assert report.visits > 10


@pytest.mark.parametrize("network", [False, True])
def test_pondering_ends_with_the_next_move(network: bool) -> None:
    player = Player(search_params({}), size=5, evaluators=[Even()]) if network else rollout_player(threads=2)
    player.search(50)
    player.ponder()
    time.sleep(2.0)  # long enough on a machine that has other work
    move = 12
    player.play(move)
    assert player.report().visits > 50  # the answers to the move were searched meanwhile
    assert player.position.moves()[-1] == (1, move)


def test_stop_from_another_thread() -> None:
    player = rollout_player()
    timer = threading.Timer(0.2, player.stop)
    timer.start()
    assert player.search(10**8).seconds < 2.0
    timer.join()


def test_a_position_is_searched_under_its_own_rules() -> None:
    player = rollout_player()
    position = _core.Position(5, komi=-30.0)
    player.new_game(position)
    assert player.search(200).value > 0.9  # black gets 30 points
    player.new_game(_core.Position(5, komi=30.0))
    assert player.search(200).value < -0.9


def test_mistakes_are_named() -> None:
    player = rollout_player()
    player.play(12)
    with pytest.raises(PlayerError, match="legal"):
        player.play(12)
    player.play(25)
    player.play(25)
    with pytest.raises(PlayerError, match="over"):
        player.search(10)
    with pytest.raises(PlayerError, match="weights"):
        Player(ROLLOUTS, size=5)
    with pytest.raises(PlayerError, match="prepared for 5x5"):
        Player(search_params({}), size=9, evaluators=[Even()])


@pytest.mark.parametrize("rollouts", ["off", "softmax"])
def test_more_workers_grow_the_same_tree(rollouts: str) -> None:
    """Two batches side by side, or one after the other: rounds are backed up in the order in which they were selected."""

    class RowByRow(Even):
        """Answers that depend on a row's own planes alone, to the last bit."""

        mixing = np.random.default_rng(1).normal(0, 0.3, (17 * 25, 29))

        def evaluate(self, planes, globals_):  # type: ignore[no-untyped-def]
            out = np.stack([row.ravel().astype(np.float64) @ self.mixing for row in planes]).astype(np.float32)
            return Outputs(np.ascontiguousarray(out[:, :26]), np.ascontiguousarray(out[:, 26:]), None)

    params = search_params(
        {"leaves_in_flight": 8, "rounds_in_flight": 2, "symmetry": "random", "rollouts": rollouts, "move": "lcb"}
    )
    reports = []
    for workers in (1, 2, 3):
        player = Player(
            params,
            size=5,
            evaluators=[RowByRow()],
            more_workers=[[RowByRow()] for _ in range(workers - 1)],
            weights=load_rollout_weights(),
            threads=2,
        )
        player.new_game(seed=7)
        player.search(150)
        player.play(12)
        reports.append(player.search(151))
    for report in reports[1:]:
        assert report.visit_counts.tolist() == reports[0].visit_counts.tolist() and report.value == reports[0].value


def test_a_worker_s_failure_is_raised_by_the_search() -> None:
    class Broken(Even):
        def evaluate(self, planes, globals_):  # type: ignore[no-untyped-def]
            raise RuntimeError("the device is gone")

    params = search_params({"leaves_in_flight": 2, "rounds_in_flight": 2})
    player = Player(params, size=5, evaluators=[Even(0.001)], more_workers=[[Broken()]])
    with pytest.raises(RuntimeError, match="the device is gone"):
        player.search(100_000)
