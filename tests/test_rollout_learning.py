"""Rollout weights learned from games: the features are the core's own, gradients are right, runs go on where they stopped."""

from __future__ import annotations

import json
from collections import Counter, deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from alphago import _core
from alphago.data import GameDataError, write_shard
from alphago.data.embedded import resolve
from alphago.data.game_set import Games, load_games
from alphago.data.store import read_games
from alphago.go import BLACK
from alphago.nets.rollout import load_rollout_weights, read_rollout_arrays, rollout_weights
from alphago.train.optim import TrainingError
from alphago.train.rollout import (
    BalanceSettings,
    Layout,
    LikelihoodSettings,
    Mixture,
    PatternSettings,
    find_patterns,
    is_pass,
    measure,
    read_ahead,
    root_values,
)
from alphago.train.rollout_run import STAGES, STATE, RolloutRun, RolloutSettings, begin
from alphago.train.softmax import Adagrad, likelihood, probabilities
from alphago.train.supervised import DataSettings
from test_data_games import pool_rows

GAMES = 40


@pytest.fixture(scope="module")
def games() -> Games:
    return load_games([resolve("default")], limit=GAMES, visits=False)


@pytest.fixture(scope="module")
def boards() -> list[_core.Position]:
    """The position before every move of the games."""
    found = []
    for number, row in enumerate(read_games(resolve("default"))):
        if number == GAMES:
            break
        board = _core.Position(row["size"], row["ko"], row["suicide"], row["scoring"], row["komi"])
        for color, move in zip(row["colors"].tolist(), row["moves"].tolist(), strict=True):
            board.to_play = color
            found.append(board.copy())
            assert board.try_play(move, color) >= 0
    return found


@pytest.fixture(scope="module")
def layout(games: Games) -> Layout:
    positions = np.arange(games.core.positions)
    return find_patterns(games, positions, PatternSettings(pattern3=3000, response=2000, pattern12=4000), 2)


def random_weights(layout: Layout, seed: int = 0) -> NDArray[np.float64]:
    """Float32 values, as a file holds them."""
    weights = np.random.default_rng(seed).normal(0, 1, len(layout) + 1).astype(np.float32).astype(np.float64)
    weights[-1] = 0
    return weights


# --- features ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tree", [False, True])
def test_features_are_those_of_the_core(games: Games, boards: list[_core.Position], layout: Layout, tree: bool) -> None:
    """The softmax of the weights summed over the features is what playouts, or the tree policy, do with the same weights."""
    vector = random_weights(layout, 3)
    weights = rollout_weights(layout.arrays(vector))
    chosen = np.random.default_rng(1).choice(len(boards), 300, replace=False)
    batch = layout.features.read(games.core, chosen.astype(np.int64), tree, 2)
    p = probabilities(batch, vector)
    for i, number in enumerate(chosen.tolist()):
        board = boards[number]
        wanted = board.tree_probabilities(weights) if tree else board.rollout_probabilities(weights)
        mine = p[batch["first"][i] : batch["first"][i + 1]]
        assert np.allclose(np.sort(mine), np.sort(wanted[wanted > 0][: len(mine)]), rtol=2e-3, atol=1e-9), number
        move = int(read_move(games, number))
        if move == board.size**2 or wanted[move] == 0:
            assert batch["played"][i] == -1
        else:
            assert p[batch["played"][i]] == pytest.approx(wanted[move], rel=2e-3)


def read_move(games: Games, position: int) -> int:
    out = {"move": np.zeros(1, np.int64)}
    games.core.write(np.array([position]), None, "rich", games.width, out)
    return int(out["move"][0])


def test_every_group_of_features_is_met(games: Games, layout: Layout) -> None:
    batch = layout.features.read(games.core, np.arange(games.core.positions), True, 2)
    seen = set(np.concatenate([batch["pattern3"], batch["extra_feature"], batch["tree"].ravel()]).tolist())
    patterns = 8237
    groups: dict[str, range] = {
        "response": range(1), "save atari": range(1, 2), "neighbour": range(2, 10), "nakade": range(10, 8202),
        "self-atari": range(8202, 8203), "distance": range(8203, 8237), "3x3": range(patterns, patterns + 3000),
        "response pattern": range(patterns + 3000, patterns + 3000 + len(layout.response)),
        "12-point": range(len(layout) - len(layout.pattern12), len(layout)),
    }  # fmt: skip
    for name, group in groups.items():
        assert seen & set(group), name
    assert seen <= {-1, *range(len(layout))}


def test_layout_round_trip(layout: Layout) -> None:
    vector = random_weights(layout, 4)
    assert np.array_equal(layout.vector(layout.arrays(vector)), vector)
    tree = layout.is_tree()
    assert tree.sum() == 1 + 34 + len(layout.pattern12) and not tree[-1]


@pytest.mark.parametrize(("kind", "places"), [("pattern3", 8), ("pattern12", 12)])
def test_pattern_counts_by_hand(games: Games, boards: list[_core.Position], kind: str, places: int) -> None:
    chosen = np.arange(0, len(boards), 37)
    counts, played = Counter[int](), Counter[int]()
    for number in chosen.tolist():
        board = boards[number]
        move = read_move(games, number)
        for action in np.flatnonzero(board.rollout_probabilities(load_rollout_weights())[:-1]).tolist():
            key = by_hand(board, action, places)
            counts[key] += 1
            played[key] += action == move
    keys, seen, chosen_moves = _core.count_patterns(games.core, chosen, kind, 3)
    assert dict(zip(keys.tolist(), seen.tolist(), strict=True)) == counts
    assert {k: n for k, n in zip(keys.tolist(), chosen_moves.tolist(), strict=True) if n} == +played
    assert (np.diff(keys.astype(np.int64)) > 0).all()


def by_hand(board: _core.Position, action: int, places: int) -> int:
    """Canonical key around a point, from the mover's side, by docs/features.md."""
    from alphago.nets.pattern_keys import PLACES

    size, stones = board.size, board.stones()
    key = 0
    for place, (dr, dc) in enumerate(PLACES[:places]):
        row, column = action // size + dr, action % size + dc
        if not (0 <= row < size and 0 <= column < size):
            code = 4
        elif stones[row, column] == 0:
            code = 0
        else:
            code = min(3, board.liberties(row * size + column)) + (0 if stones[row, column] == board.to_play else 4)
        key |= code << (3 * place)
    return _core.canonical3(key) if places == 8 else _core.canonical12(key)


# --- likelihood -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tree", [False, True])
def test_gradient_by_finite_differences(games: Games, layout: Layout, tree: bool) -> None:
    batch = layout.features.read(games.core, np.arange(200, 260), tree)
    weights = random_weights(layout, 5) * 0.3
    found = likelihood(batch, weights)
    used = np.flatnonzero(found.gradient)
    rng = np.random.default_rng(0)
    for feature in [*rng.choice(used, 25, replace=False).tolist(), 0, 1, 5]:
        up, down = weights.copy(), weights.copy()
        up[feature] += 1e-4
        down[feature] -= 1e-4
        slope = (likelihood(batch, down).log_loss - likelihood(batch, up).log_loss) / 2e-4
        assert found.gradient[feature] == pytest.approx(slope, abs=1e-7), feature
    assert found.gradient[-1] == 0


def test_equal_moves_share_a_hit(games: Games, layout: Layout) -> None:
    """With weights of 0 every move is as likely as any other: top-1 is the mean of 1 / moves."""
    batch = layout.features.read(games.core, np.arange(500), False)
    found = likelihood(batch, np.zeros(len(layout) + 1))
    known = batch["played"] >= 0
    moves = np.diff(batch["first"])[known]
    assert found.positions == known.sum() < 500
    assert found.top1 == pytest.approx((1 / moves).mean())
    assert found.log_loss == pytest.approx(np.log(moves).mean())


def test_a_position_without_a_known_move_teaches_nothing(games: Games, layout: Layout) -> None:
    positions = np.arange(games.core.positions)
    passes = positions[is_pass(games, positions)]
    assert len(passes) > 5
    others = np.arange(10, 30)
    mixed = np.sort(np.concatenate([others, passes]))
    weights = random_weights(layout, 6)
    with_passes = likelihood(layout.features.read(games.core, mixed, False), weights)
    without = likelihood(layout.features.read(games.core, others, False), weights)
    assert with_passes.positions == without.positions
    assert np.allclose(with_passes.gradient, without.gradient) and with_passes.top1 == without.top1
    empty = likelihood(layout.features.read(games.core, passes, False), weights)
    assert empty.positions == 0 and not empty.gradient.any()


def test_adagrad_is_torchs() -> None:
    rng = np.random.default_rng(0)
    start = rng.normal(size=6)
    learner = Adagrad(np.append(start, 0.0), 0.1, np.ones(7, np.bool_), average_from=3)
    tensor = torch.nn.Parameter(torch.tensor(start))
    other = torch.optim.Adagrad([tensor], lr=0.1, eps=1e-8)
    tail = []
    for step in range(8):
        gradient = rng.normal(size=6)
        learner.climb(np.append(gradient, 1.0))
        tensor.grad = torch.tensor(-gradient)
        other.step()
        if step >= 3:
            tail.append(tensor.detach().numpy().copy())
    assert np.allclose(learner.weights[:6], tensor.detach().numpy()) and learner.weights[6] == 0
    assert np.allclose(learner.mean[:6], np.mean(tail, axis=0))


def test_learning_foretells_moves_of_other_games(games: Games) -> None:
    positions = np.arange(games.core.positions)
    learned, other = positions[: len(positions) * 3 // 4], positions[len(positions) * 3 // 4 :]
    layout = find_patterns(games, learned, PatternSettings(), 2)
    learner = Adagrad(np.zeros(len(layout) + 1), 0.3, ~layout.is_tree(), average_from=20)
    before = measure(layout, games, other, learner.mean, tree=False, threads=2)
    for number in range(40):
        found = likelihood(
            layout.features.read(games.core, Mixture.of(games, learned, 0).batch(number, 512), False, 2),
            learner.weights,
        )
        learner.climb(found.gradient)
    after = measure(layout, games, other, learner.mean, tree=False, threads=2)
    assert after["log_loss"] < before["log_loss"] - 0.8 and after["top1"] > before["top1"] + 0.1
    assert not learner.weights[layout.is_tree()].any()


# --- balance ----------------------------------------------------------------------------------------------------------


def test_balance_follows_the_slope_of_the_mean_outcome(games: Games, layout: Layout) -> None:
    """(target - value) d value / d weight, with the slope measured by playouts at weights a little apart."""
    vector = random_weights(layout, 7) * 0.2
    position = np.array([60])
    target, step = 1.0, 0.2
    weights = rollout_weights(layout.arrays(vector))
    gradient, values = layout.features.balance(
        games.core, position, np.array([target], np.float32), weights, 20_000, 5, 2
    )
    feature = int(np.abs(gradient).argmax())
    slopes = []
    for sign in (1, -1):
        moved = vector.copy()
        moved[feature] += sign * step
        _, value = layout.features.balance(
            games.core, position, np.zeros(1, np.float32), rollout_weights(layout.arrays(moved)), 20_000, 6, 2
        )
        slopes.append(float(value[0]))
    slope = (slopes[0] - slopes[1]) / (2 * step)
    assert abs(slope) > 0.08  # well above the noise of 20,000 playouts
    assert gradient[feature] == pytest.approx((target - float(values[0])) * slope, abs=0.04)


def test_balance_does_not_depend_on_threads(games: Games, layout: Layout) -> None:
    weights = rollout_weights(layout.arrays(random_weights(layout, 8)))
    positions = np.arange(0, 600, 40)
    targets = np.linspace(-1, 1, len(positions)).astype(np.float32)
    one = layout.features.balance(games.core, positions, targets, weights, 8, 3, 1)
    three = layout.features.balance(games.core, positions, targets, weights, 8, 3, 3)
    assert np.array_equal(one[0], three[0]) and np.array_equal(one[1], three[1])
    assert (np.abs(one[1]) <= 1).all() and one[0].any()


def test_balance_agrees_with_playouts_of_the_board(games: Games, boards: list[_core.Position], layout: Layout) -> None:
    weights = rollout_weights(layout.arrays(random_weights(layout, 9) * 0.3))
    for number in (60, 61):
        board = boards[number]
        _, value = layout.features.balance(games.core, np.array([number]), np.zeros(1, np.float32), weights, 4000, 1, 2)
        scores, _ = board.playouts("softmax", 4000, seed=2, weights=weights)
        lead = (scores - board.komi) * (1 if board.to_play == BLACK else -1)
        assert float(value[0]) == pytest.approx(np.sign(lead).mean(), abs=0.08)


def test_bad_calls(games: Games, layout: Layout) -> None:
    with pytest.raises(ValueError, match="position must be 0"):
        layout.features.read(games.core, np.array([10**9]), False)
    with pytest.raises(ValueError, match="playouts must be 2"):
        layout.features.balance(games.core, np.array([0]), np.zeros(1, np.float32), load_rollout_weights(), 1)
    with pytest.raises(ValueError, match="targets must have one entry"):
        layout.features.balance(games.core, np.array([0]), np.zeros(2, np.float32), load_rollout_weights(), 2)
    with pytest.raises(ValueError, match="unknown kind of pattern 'diamond'"):
        _core.count_patterns(games.core, np.array([0]), "diamond")
    with pytest.raises(ValueError, match=r"pattern3_keys\[1\]"):
        _core.RolloutFeatures(np.array([5, 5], np.uint32), np.zeros(0, np.uint64), np.zeros(0, np.uint64))


# --- runs -------------------------------------------------------------------------------------------------------------


def settings_for(store: str, **changes: Any) -> RolloutSettings:
    return RolloutSettings(
        data=DataSettings(stores=(store,), held_out=0.3, limit=60),
        patterns=PatternSettings(pattern3=500, response=300, pattern12=300, positions=2000),
        likelihood=LikelihoodSettings(steps=6, batch=64),
        balance=BalanceSettings(steps=3, batch=4, playouts=4, size=9),
        tree=LikelihoodSettings(steps=4, batch=64),
        **changes,
    )


class Stopper:
    """Stops its run after so many steps of all stages."""

    def __init__(self, after: int | None = None) -> None:
        self.after, self.run, self.stages = after, list[RolloutRun](), list[str]()

    def step(self, stage: str, step: int, total: int, values: Any) -> None:
        self.stages.append(stage)
        assert 0 < step <= total and all(np.isfinite(v) for v in values.values())
        if self.after is not None and len(self.stages) == self.after:
            self.run[0].stop()

    def measured(self, stage: str, metrics: Any) -> None:
        assert stage in STAGES and metrics


def start(folder: Path, settings: RolloutSettings, after: int | None = None) -> tuple[RolloutRun, Stopper]:
    watcher = Stopper(after)
    run = begin(folder, settings, resume=True, threads=2, watcher=watcher)
    watcher.run.append(run)
    return run, watcher


@pytest.mark.parametrize("stops", [(2, 2), (6, 1, 1), (8, 3)])
def test_a_stopped_run_goes_on_exactly(tmp_path: Path, stops: tuple[int, ...]) -> None:
    settings = settings_for("default")
    whole, watcher = start(tmp_path / "whole", settings)
    assert whole.train() and watcher.stages == ["likelihood"] * 6 + ["balance"] * 3 + ["tree"] * 4
    for after in stops:
        run, _ = start(tmp_path / "parts", settings, after)
        assert not run.train()
    run, _ = start(tmp_path / "parts", settings)
    assert run.train()
    one, _ = read_rollout_arrays(whole.finish())
    other, head = read_rollout_arrays(run.finish())
    for name, array in one.items():
        assert np.array_equal(array, other[name]), name
    assert head["provenance"]["metrics"] == whole.metrics
    load_rollout_weights(tmp_path / "parts" / "rollout.safetensors")
    names = {f"{stage}_9x9_{what}" for stage in STAGES for what in ("positions", "top1", "log_loss")}
    assert set(json.loads((tmp_path / "parts" / "metrics.json").read_text())) >= names


def test_balancing_needs_searches(tmp_path: Path) -> None:
    write_shard(tmp_path / "games.parquet", [{**row, "root_value": np.zeros(0, np.float32)} for row in pool_rows()])
    with pytest.raises(TrainingError, match="no position has a search's root value"):
        start(tmp_path / "run", settings_for(str(tmp_path / "games.parquet")))
    assert not (tmp_path / "run").exists()


def test_a_game_with_an_illegal_move_is_named(tmp_path: Path) -> None:
    rows = [dict(row) for row in pool_rows()]
    rows[3]["moves"] = rows[3]["moves"].copy()
    rows[3]["moves"][:2] = 12
    write_shard(tmp_path / "bad.parquet", rows)
    games = load_games([tmp_path / "bad.parquet"], visits=False)
    with pytest.raises(GameDataError, match=r"bad\.parquet: game 3: move 2 is illegal"):
        find_patterns(games, games.examples(), PatternSettings(), 2)
    layout = Layout(np.zeros(0, np.uint32), np.zeros(0, np.uint64), np.zeros(0, np.uint64))
    batches = read_ahead(layout, games, Mixture.of(games, games.examples(), 0), 64, 0, 20, tree=False, threads=2)
    with pytest.raises(GameDataError, match="game 3"):
        deque(batches, maxlen=0)


def test_root_values_are_the_movers(games: Games) -> None:
    """Late in won games the winner's searches know it."""
    ends = games.first[1:] - 8
    values = root_values(games, ends)
    out = {"outcome": np.zeros((len(ends), 3), np.float32)}
    games.core.write(ends, None, "rich", games.width, out)
    outcome = out["outcome"][:, 0] - out["outcome"][:, 2]
    known = np.isfinite(values) & (np.abs(outcome) > 0)
    assert known.sum() > 20 and (np.sign(values[known]) == outcome[known]).mean() > 0.9


def damage(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


@pytest.mark.parametrize(
    ("spoil", "resume", "message"),
    [
        (lambda folder: None, False, "holds a run already: add --resume"),
        (lambda folder: damage(folder / STATE), True, "state of a rollout run"),
        (lambda folder: (folder / "run.json").write_text("{"), True, "run.json: "),
    ],
)
def test_bad_folders(tmp_path: Path, spoil: Callable[[Path], Any], resume: bool, message: str) -> None:
    settings = settings_for("default")
    run, _ = start(tmp_path / "run", settings, 1)
    assert not run.train()
    spoil(tmp_path / "run")
    with pytest.raises(TrainingError, match=message):
        begin(tmp_path / "run", settings, resume=resume, threads=1)


def test_another_run_is_not_gone_on_with(tmp_path: Path) -> None:
    run, _ = start(tmp_path / "run", settings_for("default"), 1)
    assert not run.train()
    with pytest.raises(TrainingError, match="other settings: seed is 0, not 1"):
        begin(tmp_path / "run", settings_for("default", seed=1), resume=True, threads=1)
