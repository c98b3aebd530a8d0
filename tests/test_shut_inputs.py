"""What games do not teach of rules and passes, networks do not see."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from alphago.data import write_shard
from alphago.data.batches import make_batch
from alphago.data.game_set import load_games
from alphago.go import Board
from alphago.nets.architecture import AlphaGoPolicy, Residual
from alphago.nets.modules import Network, build
from alphago.nets.shipped import network_file
from alphago.nets.shut_inputs import RULE_INPUTS, YES_OR_NO, shut_inputs
from alphago.nets.store import load_network, save_network
from alphago.train.distributed import Place
from alphago.train.loop import TrainingSettings
from alphago.train.optim import OptimizerSettings
from alphago.train.supervised import DataSettings, SupervisedSettings, begin, finish, prepare, settled_globals
from nets_helpers import fresh
from selfplay.reinforce_go import GoReinforceSettings
from selfplay.reinforce_go import begin as begin_reinforce
from test_data_games import pool_rows

RULES = ("tromp-taylor", "chinese", "chinese-ogs", "japanese", "aga", "new-zealand")
SMALL = Residual(blocks=1, channels=8, head_channels=4, value_hidden=8, feature_set="rich-fast")


def answers(network: Network, globals_: torch.Tensor) -> dict[str, torch.Tensor]:
    planes = torch.rand(len(globals_), network.architecture.planes, 9, 9, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        return dict(network.eval()(planes, globals_))


def differences(network: Network, globals_: torch.Tensor, others: torch.Tensor) -> float:
    one, other = answers(network, globals_), answers(network, others)
    assert one
    return max(float((one[name] - other[name]).abs().max()) for name in one)


def test_shut_inputs_change_nothing_where_they_were_learned_and_are_not_seen_elsewhere() -> None:
    globals_ = torch.randn(6, 7, generator=torch.Generator().manual_seed(2))
    globals_[:, 3], globals_[:, 6] = 1.0, 0.0
    network = fresh("pooled")
    before = answers(network, globals_)
    shut_inputs(network, {3: 1.0, 6: 0.0})
    for name, answer in answers(network, globals_).items():
        torch.testing.assert_close(answer, before[name], rtol=1e-4, atol=1e-4)
    others = globals_.clone()
    others[:, 3], others[:, 6] = 0.0, 1.0
    assert differences(network, globals_, others) == 0
    others[:, 5] += 1.0
    assert differences(network, globals_, others) > 1e-3  # that one is open


def test_networks_without_such_inputs_stay_as_they_are() -> None:
    network = build(AlphaGoPolicy(layers=2, channels=4), 1)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    shut_inputs(network, {3: 1.0})
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())


@pytest.mark.parametrize("kind", ["adamw", "muon"])
def test_training_leaves_alone_what_the_games_cannot_teach(kind: Any, tmp_path: Path) -> None:
    """All of one superko, with suicide, and half of them scored as territory: that alone may be learned."""
    rows: list[Any] = [row | {"scoring": n % 2} for n, row in enumerate(pool_rows())]
    write_shard(tmp_path / "games.parquet", rows)
    settings = SupervisedSettings(
        data=DataSettings(stores=(str(tmp_path / "games.parquet"),), held_out=0.35),
        network=SMALL,
        training=TrainingSettings(
            batch=16, steps=12, precision="fp32", optimizer=OptimizerSettings(kind=kind, lr=0.02, weight_decay=0.1)
        ),
    )
    task = prepare(settings, tmp_path / "run", Place(0, 1, torch.device("cpu")))
    begin(tmp_path / "run", task, resume=False)
    assert task.trainer.train()
    network, head = load_network(finish(tmp_path / "run", task))
    assert head["provenance"]["shut_inputs"] == {
        "the last two moves were passes": 0.0, "positional superko": 1.0, "situational superko": 0.0, "suicide": 1.0,
    }  # fmt: skip
    shut = network.globals.weight.abs().amax(0) == 0  # type: ignore[union-attr, operator]
    assert shut.tolist() == [False, False, True, True, True, True, False]


def test_the_reinforce_stage_leaves_its_rules_alone(tmp_path: Path) -> None:
    save_network(tmp_path / "start.safetensors", build(SMALL, 1).eval(), "test")
    settings = GoReinforceSettings.model_validate(
        {
            "size": 5, "start_from": str(tmp_path / "start.safetensors"), "precision": "fp32", "batch": 8,
            "learning": {"steps": 2, "episodes": 8, "optimizer": {"kind": "adamw", "lr": 0.01}},
            "measure": {"every": 2, "games": 2, "pool_games": 2},
        }
    )  # fmt: skip
    task = begin_reinforce(tmp_path / "run", settings, resume=False, threads=1)
    assert task.trainer.train()
    learned: Any = task.trainer.policy.network
    assert not learned.globals.weight[:, list(RULE_INPUTS)].any() and learned.globals.weight[:, 0].any()
    start: Any = load_network(tmp_path / "start.safetensors")[0]
    assert not torch.equal(learned.policy_out.weight, start.policy_out.weight)


@pytest.mark.parametrize(("name", "size"), [("default", 9), ("default", 19), ("small", 9)])
def test_shipped_networks_think_the_same_of_a_position_under_all_rules(
    name: str, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ALPHAGO_NET")
    file = network_file(name, size)
    assert file is not None
    network, _ = load_network(file)
    values = []
    for rules in RULES:
        board, rng = Board(size, rules, 7), np.random.default_rng(3)
        for _ in range(20):
            board.play(int(rng.choice(np.flatnonzero(board.legal_moves()[:-1]))))
        planes = torch.from_numpy(board.planes(network.architecture.feature_set))[None]
        out = network(planes, torch.from_numpy(board.globals())[None])
        values.append((out["policy"].softmax(1), out["outcome"].softmax(1)))
    for policy, outcome in values[1:]:
        torch.testing.assert_close(policy, values[0][0])
        torch.testing.assert_close(outcome, values[0][1])


def test_what_few_positions_have_is_not_learned(tmp_path: Path) -> None:
    """One game in which a pass is answered, among positions enough to be learned from, and among too few."""
    write_shard(tmp_path / "games.parquet", pool_rows())
    games = load_games([tmp_path / "games.parquet"])
    learned = games.examples()
    passes = make_batch(games, learned, None, "rich", ("globals",))["globals"][:, 1] > 0
    assert 0.005 < passes.mean() < 0.2
    assert 1 not in settled_globals(games, learned, YES_OR_NO)
    assert settled_globals(games, learned, YES_OR_NO, share=float(passes.mean()) + 1e-6)[1] == 0.0
    assert settled_globals(games, learned[~passes], (1,)) == {1: 0.0}
    assert settled_globals(games, learned[passes], (1,)) == {1: 1.0}


def test_the_19x19_network_that_ships_does_not_pass_because_of_a_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the middle of a game a pass costs its player something, and is not answered by another."""
    monkeypatch.delenv("ALPHAGO_NET")
    file = network_file("default", 19)
    assert file is not None
    network, _ = load_network(file)
    board = Board(19, "chinese", 7.5)
    for move in ["Q16", "D4", "Q3", "D17", "C15", "C6", "R6", "F17", "O17", "K3"]:
        board.play(move)

    def seen() -> tuple[float, float]:
        planes = torch.from_numpy(board.planes(network.architecture.feature_set))[None]
        with torch.no_grad():
            out = network(planes, torch.from_numpy(board.globals())[None])
        outcome = out["outcome"].softmax(1)[0]
        return float(outcome[0] - outcome[2]), float(out["policy"].softmax(1)[0, -1])

    before, _ = seen()
    board.pass_()
    after, pass_again = seen()
    assert -after < before - 0.02
    assert pass_again < 0.01
