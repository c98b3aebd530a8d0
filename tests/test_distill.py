"""Distillation: the targets are the teacher's answers, the student comes to agree with it, runs go on exactly."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from alphago.data.batches import Batches, Sampler, make_batch
from alphago.data.embedded import resolve
from alphago.data.game_set import Games, load_games
from alphago.nets.architecture import AlphaGoPolicy, AlphaGoValue, NetworkError, Residual
from alphago.nets.modules import Network, build
from alphago.nets.store import load_network, network_hash, save_network
from alphago.train.distill import DistillSettings, Taught, Teacher, prepare_distillation
from alphago.train.distributed import Place
from alphago.train.loop import TrainingSettings
from alphago.train.losses import LossWeights
from alphago.train.optim import OptimizerSettings, TrainingError
from alphago.train.supervised import DataSettings, begin, finish

HERE = Place(0, 1, torch.device("cpu"))
SMALL = Residual(blocks=1, channels=8, head_channels=4, value_hidden=8, feature_set="rich-fast")
OUTPUTS = ("planes", "globals", "move", "policy", "outcome", "score", "ownership")


@pytest.fixture(scope="module")
def games() -> Games:
    return load_games([resolve("default")], limit=30)


@pytest.fixture(scope="module")
def teacher() -> Network:
    """With opinions: fresh output layers are near zero."""
    network = build(Residual(blocks=1, channels=12, head_channels=6, value_hidden=8, feature_set="rich"), 3)
    generator = torch.Generator().manual_seed(4)
    for parameter in network.parameters():
        if parameter.ndim > 1:
            parameter.data = torch.randn(parameter.shape, generator=generator) * 0.4
    return network.eval()


def taught(games: Games, teacher: Network, share: float, feature_set: str = "rich-fast", cursor: int = 0) -> Taught:
    batches = Batches(games, Sampler(games.examples(), 5), 16, feature_set, OUTPUTS, cursor=cursor)
    return Taught(batches, Teacher(teacher, HERE.device, bf16=False), share)


@pytest.mark.parametrize("share", [1.0, 0.25, 0.0])
@pytest.mark.parametrize("feature_set", ["rich", "rich-fast"])
def test_targets_are_the_teachers(games: Games, teacher: Network, share: float, feature_set: str) -> None:
    """On the very positions that the student sees, in the teacher's own planes, turned alike."""
    source = taught(games, teacher, share, feature_set, cursor=2)
    got = next(source)
    assert source.cursor == 3
    source.close()
    positions, symmetries = Sampler(games.examples(), 5).draw(32, 16)
    plain = make_batch(games, positions, symmetries, "rich", OUTPUTS)
    with torch.no_grad():
        said = teacher(torch.from_numpy(plain["planes"]).float(), torch.from_numpy(plain["globals"]))
    for name in ("policy", "outcome"):
        wanted = share * torch.softmax(said[name], dim=1).numpy() + (1 - share) * plain[name]
        assert np.allclose(got[name], wanted, atol=1e-5), name
        assert np.allclose(got[name].sum(axis=1), 1, atol=1e-5)
    for name in ("score", "ownership"):
        wanted = said[name].numpy() if share else plain[name]
        assert np.allclose(got[name], wanted, atol=1e-4, equal_nan=True), name
    assert np.array_equal(got["move"], plain["move"])
    assert np.array_equal(got["planes"], make_batch(games, positions, symmetries, feature_set, ("planes",))["planes"])


def settings_for(teacher: Path, steps: int, **changes: Any) -> DistillSettings:
    return DistillSettings(
        teacher=str(teacher),
        data=DataSettings(limit=60, measured=500, held_out=0.3),
        network=SMALL,
        training=TrainingSettings(
            batch=32, steps=steps, precision="fp32", optimizer=OptimizerSettings(lr=0.01), average=0.9
        ),
        loss=LossWeights(outcome=1.0),
        **changes,
    )


def divergence(student: Network, teacher: Network, games: Games) -> float:
    """Mean of KL(teacher || student) over moves."""
    said = []
    for network in (teacher, student):
        batch = make_batch(games, games.examples()[:400], None, network.architecture.feature_set, ("planes", "globals"))
        with torch.no_grad():
            out = network.eval()(torch.from_numpy(batch["planes"]).float(), torch.from_numpy(batch["globals"]))
        said.append(torch.log_softmax(out["policy"], dim=1))
    return (said[0].exp() * (said[0] - said[1])).sum(dim=1).mean().item()


def test_the_student_comes_to_agree(games: Games, teacher: Network, tmp_path: Path) -> None:
    save_network(tmp_path / "teacher.safetensors", teacher, {})
    task = prepare_distillation(settings_for(tmp_path / "teacher.safetensors", 150), tmp_path / "run", HERE)
    before = divergence(build(SMALL, 0), teacher, games)
    begin(tmp_path / "run", task, resume=False)
    assert task.trainer.train()
    network, head = load_network(finish(tmp_path / "run", task))
    assert divergence(network, teacher, games) < before * 0.8
    assert head["provenance"]["made_by"] == "alphago train distill"
    assert head["provenance"]["teacher"] == network_hash(teacher)


def test_a_stopped_run_goes_on_exactly(teacher: Network, tmp_path: Path) -> None:
    save_network(tmp_path / "teacher.safetensors", teacher, {})
    settings = settings_for(tmp_path / "teacher.safetensors", 12, share=0.7)
    whole = prepare_distillation(settings, tmp_path / "whole", HERE)
    begin(tmp_path / "whole", whole, resume=False)
    assert whole.trainer.train()
    for last in (False, True):
        task = prepare_distillation(settings, tmp_path / "parts", HERE)
        begin(tmp_path / "parts", task, resume=True)
        if not last:
            take = task.trainer.take

            def taking(batch: Any, take: Any = take, trainer: Any = task.trainer) -> None:
                take(batch)
                if trainer.progress.step == 6:
                    trainer.stop()

            task.trainer.take = taking  # type: ignore[method-assign]
        assert task.trainer.train() is last
    for name, tensor in whole.trainer.network.state_dict().items():
        assert torch.equal(tensor, task.trainer.network.state_dict()[name]), name


def test_teachers_that_cannot_teach(tmp_path: Path) -> None:
    value = tmp_path / "value.safetensors"
    save_network(value, build(AlphaGoValue(layers=3, channels=4, hidden=4, size=9)), {})
    with pytest.raises(TrainingError, match="the teacher has no policy to learn; its heads are value"):
        prepare_distillation(settings_for(value, 2), tmp_path / "run", HERE)
    large = tmp_path / "large.safetensors"
    save_network(large, build(AlphaGoPolicy(layers=2, channels=4, size=19)), {})
    with pytest.raises(TrainingError, match="holds 9x9 games; the teacher plays 19 to 19"):
        prepare_distillation(settings_for(large, 2), tmp_path / "run", HERE)
    with pytest.raises(NetworkError, match="nowhere"):
        prepare_distillation(settings_for(tmp_path / "nowhere.safetensors", 2), tmp_path / "run", HERE)
