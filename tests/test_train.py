"""The trainer: losses and rates by hand, and a run that goes on after Ctrl-C, a kill or in two processes as if nothing had been."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from alphago.configs import names
from alphago.data import GameDataError, write_shard
from alphago.data.batches import make_batch
from alphago.data.game_set import load_games
from alphago.nets.architecture import AlphaGoPolicy, AlphaGoValue, Residual
from alphago.nets.modules import MaskedNorm, build
from alphago.nets.store import load_network
from alphago.train.distributed import Place
from alphago.train.folders import checkpoints
from alphago.train.loop import Report, TrainingSettings
from alphago.train.losses import LossWeights, losses
from alphago.train.metrics import measure
from alphago.train.optim import (
    Average,
    OptimizerSettings,
    ScheduleSettings,
    TrainingError,
    learning_rate,
    make_optimizer,
)
from alphago.train.supervised import DataSettings, SupervisedSettings, begin, finish, prepare
from test_data_games import pool_rows

HERE = Place(0, 1, torch.device("cpu"))
SMALL = Residual(blocks=1, channels=8, head_channels=4, value_hidden=8, feature_set="rich-fast", reply=True)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    write_shard(tmp_path / "games.parquet", pool_rows())
    return tmp_path / "games.parquet"


def settings_for(store: Path, steps: int = 24, **training: Any) -> SupervisedSettings:
    return SupervisedSettings(
        data=DataSettings(stores=(str(store),), held_out=0.35),
        network=SMALL,
        training=TrainingSettings(
            **{
                "batch": 16,
                "steps": steps,
                "precision": "fp32",
                "average": 0.9,
                "schedule": ScheduleSettings(warmup=3),
                **training,
            }
        ),
    )


def weights(run: Path) -> dict[str, torch.Tensor]:
    return dict(load_network(run)[0].state_dict())


def assert_same_weights(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> None:
    for name, tensor in one.items():
        assert torch.equal(tensor, other[name]), name


# --- parts ------------------------------------------------------------------------------------------------------------


def test_learning_rates() -> None:
    cosine = ScheduleSettings(kind="cosine", warmup=0, final=0.1)
    assert learning_rate(cosine, 2.0, 0, 100) == 2.0
    assert learning_rate(cosine, 2.0, 50, 100) == pytest.approx(2 * 0.55)
    assert learning_rate(cosine, 2.0, 100, 100) == pytest.approx(0.2)
    warm = ScheduleSettings(kind="constant", warmup=9)
    assert [learning_rate(warm, 1.0, i, 100) for i in (0, 4, 9, 50)] == [0.1, 0.5, 1.0, 1.0]
    stepped = ScheduleSettings(kind="steps", warmup=0, milestones=(0.5, 0.8), gamma=0.1)
    assert [learning_rate(stepped, 1.0, i, 10) for i in (0, 4, 5, 8)] == pytest.approx([1, 1, 0.1, 0.01])


def test_equal_answers_are_no_hits(store: Path) -> None:
    """A network that knows nothing, and bf16, give many moves one value: argmax takes the first of them, and so does top-1."""
    games = load_games([str(store)])
    network = build(SMALL)
    for parameter in network.parameters():
        torch.nn.init.zeros_(parameter)
    positions = games.examples()
    found = measure(network, games, positions).summary()
    moves = make_batch(games, positions, None, "rich-fast", ("move",))["move"]
    assert found["top1"] == pytest.approx((moves == 0).mean())
    assert found["top5"] == pytest.approx((moves < 5).mean())
    assert found["log_loss"] == pytest.approx(math.log(games.width**2 + 1), abs=1e-4)


def test_norms_and_biases_are_not_decayed() -> None:
    network = build(SMALL)
    optimizer = make_optimizer(network, OptimizerSettings(weight_decay=0.3))
    for group in optimizer.param_groups:
        assert {p.ndim > 1 for p in group["params"]} == {group["weight_decay"] == 0.3}
    assert sum(len(group["params"]) for group in optimizer.param_groups) == len(list(network.parameters()))


def test_an_average_is_the_mean_at_first_and_keeps_running_statistics() -> None:
    network = build(SMALL)
    average = Average(network, 0.999)
    name = "policy_out.weight"
    first = network.state_dict()[name].clone()
    with torch.no_grad():
        parts = network.state_dict()
        parts[name].add_(1)
        parts["stem.norm.running_mean"].add_(5)
    average.update(network)
    decay = 2 / 11
    torch.testing.assert_close(average.tensors[name], decay * first + (1 - decay) * (first + 1))
    assert torch.equal(average.tensors["stem.norm.running_mean"], parts["stem.norm.running_mean"])


def test_losses_by_hand() -> None:
    logits = torch.tensor([[0.0, math.log(3.0)], [0.0, 0.0]])
    out = {
        "policy": logits,
        "outcome": torch.zeros(2, 3),
        "score": torch.tensor([5.0, 40.0]),
        "ownership": torch.tensor([[[0.0]], [[0.5]]]),
        "reply": logits,
    }
    target = {
        "policy": torch.tensor([[0.0, 1.0], [0.5, 0.5]]),
        "outcome": torch.tensor([[1.0, 0, 0], [0, 0, 0]]),
        "score": torch.tensor([math.nan, 20.0]),
        "ownership": torch.tensor([[[math.nan]], [[1.0]]]),
        "reply": torch.tensor([-1, 0]),
    }
    weights = {"policy": 1, "outcome": 2, "ownership": 3, "score": 4, "reply": 5, "logits": 6}
    found = losses(out, target, LossWeights(**weights))  # type: ignore[arg-type]
    wanted = {
        "policy": (math.log(4 / 3) + math.log(2)) / 2,
        "logits": (math.log(4) ** 2 + math.log(2) ** 2) / 2,
        "outcome": math.log(3) / 2,
        "score": (2 - 0.5) / 2,  # Huber: 20 points are 2 units, beyond 1 linear
        "ownership": -math.log(0.75) / 2,
        "reply": math.log(2) / 2,
    }
    for name, value in wanted.items():
        assert float(found[name]) == pytest.approx(value, rel=1e-5), name
    total = sum(weight * wanted[name] for name, weight in weights.items())
    assert float(found["total"]) == pytest.approx(total, rel=1e-5)


def test_values_of_searches_in_the_outcome_target() -> None:
    out = {"outcome": torch.log(torch.tensor([[0.5, 0.25, 0.25], [0.5, 0.25, 0.25], [0.5, 0.25, 0.25]]))}
    target = {
        "outcome": torch.tensor([[1.0, 0, 0], [1.0, 0, 0], [0, 0, 0]]),
        "root_value": torch.tensor([0.0, math.nan, 1.0]),
    }
    mixed = 0.75 * math.log(2) + 0.25 * math.log(4)
    wanted = (mixed + math.log(2) + math.log(2)) / 3
    assert float(losses(out, target, LossWeights(), 0.5)["outcome"]) == pytest.approx(wanted, rel=1e-5)


def test_the_value_network_learns_squares() -> None:
    out = {"value": torch.tensor([0.5, 0.0, 0.9])}
    target = {"outcome": torch.tensor([[1.0, 0, 0], [0, 0, 1.0], [0, 0, 0]])}
    assert float(losses(out, target, LossWeights())["value"]) == pytest.approx((0.25 + 1) / 3)


def test_masked_norm_with_a_full_mask_is_batch_norm() -> None:
    torch.manual_seed(0)
    x = torch.randn(4, 3, 5, 5, requires_grad=True)
    plain, masked = MaskedNorm(3), MaskedNorm(3)
    one, other = plain(x), masked(x, torch.ones(4, 1, 5, 5))
    torch.testing.assert_close(one, other)
    torch.testing.assert_close(plain.running_var, masked.running_var)
    gradient = torch.randn_like(one)
    torch.testing.assert_close(
        torch.autograd.grad(one, x, gradient)[0], torch.autograd.grad(other, x, gradient)[0], rtol=1e-4, atol=1e-5
    )


# --- whole runs -------------------------------------------------------------------------------------------------------


class Told:
    """Remembers what it is told; may stop the run."""

    def __init__(self) -> None:
        self.reports: list[Report] = []
        self.metrics: list[dict[str, float]] = []

    def report(self, report: Report) -> None:
        self.reports.append(report)

    def measured(self, step: int, metrics: Any) -> None:
        self.metrics.append(dict(metrics))


def test_a_run_learns(store: Path, tmp_path: Path) -> None:
    told = Told()
    settings = settings_for(store, steps=120, optimizer=OptimizerSettings(lr=0.01), batch=32)
    task = prepare(settings, tmp_path / "run", HERE, told)
    assert not begin(tmp_path / "run", task, resume=False)
    assert task.trainer.train()
    out = finish(tmp_path / "run", task)
    assert told.reports[-1].step == 120 and told.reports[-1].values["policy"] < told.reports[0].values["policy"] - 0.2
    assert set(told.metrics[-1]) >= {"top1", "top5", "log_loss", "outcome_mse", "score_error", "ownership"}
    network, head = load_network(out)
    assert head["provenance"]["steps"] == 120 and network.architecture == SMALL
    assert json.loads((tmp_path / "run" / "metrics.json").read_text())["steps"] == 120


@pytest.mark.parametrize("has_bf16", [False, True])
def test_automatic_precision_is_what_the_processor_has(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_bf16: bool
) -> None:
    monkeypatch.setattr("alphago.nets.runtimes.cpu_has_bf16", lambda: has_bf16)
    for precision in ("auto", "bf16", "fp32"):
        task = prepare(settings_for(store, steps=2, precision=precision), tmp_path / precision, HERE)
        begin(tmp_path / precision, task, resume=False)
        assert task.trainer.train()
        finish(tmp_path / precision, task)
    found, same, other = (
        weights(tmp_path / p / "network.safetensors") for p in ("auto", *("fp32", "bf16")[:: -1 if has_bf16 else 1])
    )
    assert_same_weights(found, same)
    assert any(not torch.equal(tensor, other[name]) for name, tensor in found.items())


@pytest.mark.parametrize("kind", ["adamw", "sgd", "muon"])
def test_a_stopped_run_goes_on_exactly(store: Path, tmp_path: Path, kind: Any) -> None:
    """Weights, averages and optimiser after a stop in the middle are bit for bit those of a run that was never stopped."""
    settings = settings_for(store, optimizer=OptimizerSettings(kind=kind, lr=0.01), precision="bf16", accumulate=2)
    whole = prepare(settings, tmp_path / "whole", HERE)
    begin(tmp_path / "whole", whole, resume=False)
    assert whole.trainer.train()
    finish(tmp_path / "whole", whole)

    run = tmp_path / "parts"
    for wanted in (False, False, True):
        task = prepare(settings, run, HERE)
        begin(run, task, resume=True)
        if not wanted:
            stop_after(task.trainer, 9)
        assert task.trainer.train() is wanted
    finish(run, task)
    for name in ("network.safetensors",):
        assert_same_weights(weights(run / name), weights(tmp_path / "whole" / name))
    last, other = checkpoints(run)[-1], checkpoints(tmp_path / "whole")[-1]
    assert (last / "optimizer.safetensors").read_bytes() == (other / "optimizer.safetensors").read_bytes()


def stop_after(trainer: Any, steps: int) -> None:
    """Let the trainer stop after so many steps more."""
    step, left = trainer.take, [steps]

    def counted(batch: Any) -> None:
        step(batch)
        left[0] -= 1
        if left[0] == 0:
            trainer.stop()

    trainer.take = counted


def test_parts_of_a_batch_are_the_batch(store: Path, tmp_path: Path) -> None:
    """Gradient accumulation: equal up to rounding and the norms' statistics, which the AlphaGo network does without."""
    found = []
    for accumulate in (1, 4):
        settings = settings_for(store, steps=6, accumulate=accumulate, optimizer=OptimizerSettings(kind="sgd", lr=0.1))
        network = AlphaGoPolicy(layers=3, channels=8, size=5)
        task = prepare(settings.model_copy(update={"network": network}), tmp_path / str(accumulate), HERE)
        begin(tmp_path / str(accumulate), task, resume=False)
        task.trainer.train()
        found.append({name: t.clone() for name, t in task.trainer.network.state_dict().items()})
    for name, tensor in found[0].items():
        torch.testing.assert_close(tensor, found[1][name], rtol=1e-4, atol=1e-5)


def test_alphago_networks_train(store: Path, tmp_path: Path) -> None:
    for i, network in enumerate(
        (AlphaGoPolicy(layers=3, channels=8, size=5), AlphaGoValue(layers=3, channels=8, size=5))
    ):
        run = tmp_path / str(i)
        task = prepare(settings_for(store, steps=3).model_copy(update={"network": network}), run, HERE)
        begin(run, task, resume=False)
        assert task.trainer.train()
        assert ("top1" in task.trainer.progress.metrics) == (i == 0)


def test_nan_ends_the_run_and_keeps_the_last_good_checkpoint(store: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    settings = settings_for(store, steps=200, checkpoint_minutes=1e-6)
    task = prepare(settings, run, HERE)
    begin(run, task, resume=False)
    step, count = task.trainer.take, [0]

    def poisoned(batch: Any) -> None:
        count[0] += 1
        if count[0] == 30:
            with torch.no_grad():
                task.trainer.network.state_dict()["stem.conv.weight"].fill_(math.nan)
        step(batch)

    task.trainer.take = poisoned  # type: ignore[method-assign]
    with pytest.raises(TrainingError, match=r"is nan after step 30; the last good checkpoint is .*step-00000029"):
        task.trainer.train()
    assert all(
        t.isfinite().all()
        for t in weights(checkpoints(run)[-1] / "network.safetensors").values()
        if t.is_floating_point()
    )


def test_what_refuses_to_begin(store: Path, tmp_path: Path) -> None:
    settings = settings_for(store, steps=2)
    run = tmp_path / "run"
    task = prepare(settings, run, HERE)
    begin(run, task, resume=False)
    task.trainer.train()
    with pytest.raises(TrainingError, match="holds a run already: add --resume"):
        begin(run, task, resume=False)
    other = prepare(settings_for(store, steps=2, batch=32), run, HERE)
    with pytest.raises(TrainingError, match=r"other settings: training\.batch is 16, not 32"):
        begin(run, other, resume=True)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("")
    with pytest.raises(TrainingError, match="is not empty and holds no run"):
        begin(tmp_path / "full", task, resume=False)
    (tmp_path / "killed").mkdir()
    (tmp_path / "killed" / ".run.json.123.tmp").write_text("{")  # by a process that was killed as it began
    begin(tmp_path / "killed", task, resume=False)
    more = settings.model_copy(update={"training": settings.training.model_copy(update={"checkpoint_minutes": 9.0})})
    begin(run, prepare(more, run, HERE), resume=True)  # how often a run is saved changes nothing
    with pytest.raises(TrainingError, match="holds 5x5 games; the network plays 9 to 9"):
        prepare(settings.model_copy(update={"network": AlphaGoPolicy(size=9, layers=2, channels=4)}), run, HERE)
    with pytest.raises(TrainingError, match="cannot be divided among 3 processes"):
        prepare(settings, run, Place(0, 3, torch.device("cpu")))
    write_shard(tmp_path / "none.parquet", [])
    with pytest.raises(GameDataError, match="no games in it"):
        prepare(settings_for(tmp_path / "none.parquet"), run, HERE)


@pytest.mark.parametrize("file", ["network.safetensors", "average.safetensors", "optimizer.safetensors", "state.json"])
@pytest.mark.parametrize("damage", ["cut", "gone", "other"])
def test_damaged_checkpoints_are_told(store: Path, tmp_path: Path, file: str, damage: str) -> None:
    from alphago.errors import AlphaGoError

    run = tmp_path / "run"
    task = prepare(settings_for(store, steps=2), run, HERE)
    begin(run, task, resume=False)
    task.trainer.train()
    path = checkpoints(run)[-1] / file
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:20] if damage == "cut" else b"{}")
    with pytest.raises(AlphaGoError) as caught:
        prepare(settings_for(store, steps=2), run, HERE).trainer.resume()
    assert str(path.parent) in str(caught.value) and "\n" not in str(caught.value)


# --- commands ---------------------------------------------------------------------------------------------------------


def command(store: Path, run: Path, *more: str, steps: int = 60) -> list[str]:
    config = run.parent / "small.yaml"
    config.write_text(
        "network: {kind: residual, blocks: 1, channels: 8, head_channels: 4, value_hidden: 8, feature_set: rich-fast}\n"
        "data: {held_out: 0.35}\n"
        "training: {batch: 16, precision: fp32, average: 0.9}\n"
    )
    return [
        *("train", "supervised", "--config", str(config), "--games", str(store), "--out", str(run)),
        *("--steps", str(steps), "--no-tensorboard", "--device", "cpu", "--threads", "1", "--json", *more),
    ]


def run_command(arguments: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "alphago.cli", *arguments], capture_output=True, text=True, timeout=180, **options
    )


def test_the_command_and_evaluate(store: Path, tmp_path: Path) -> None:
    done = run_command(command(store, tmp_path / "run"))
    assert done.returncode == 0, done.stderr
    row = json.loads(done.stdout)
    assert row["steps"] == 60 and 0 <= row["top1"] <= row["top5"] <= 1
    found = run_command(["evaluate", row["network"], "--games", str(store), "--ensemble", "8", "--json"])
    assert found.returncode == 0, found.stderr
    metrics = json.loads(found.stdout)
    assert len(metrics["phases"]) == 6 and Path(metrics["plot"]).read_bytes()[:4] == b"\x89PNG"
    bad = run_command(command(store, tmp_path / "run"))
    assert bad.returncode == 2 and "holds a run already" in bad.stderr and "Traceback" not in bad.stderr


def test_two_processes_are_one(store: Path, tmp_path: Path) -> None:
    """torchrun with gloo: the weights of 12 steps equal those of one process on the same batches, norms included."""
    one = run_command(command(store, tmp_path / "one", steps=12))
    assert one.returncode == 0, one.stderr
    launch = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-port", "29517"]
    two = subprocess.run(
        [*launch, "-m", "alphago.cli", *command(store, tmp_path / "two", steps=12)],
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert two.returncode == 0, two.stderr
    first, second = (weights(tmp_path / name / "network.safetensors") for name in ("one", "two"))
    for name, tensor in first.items():
        torch.testing.assert_close(tensor, second[name], rtol=2e-3, atol=2e-4, msg=name)


def test_a_run_that_was_killed_goes_on_exactly(store: Path, tmp_path: Path) -> None:
    """By Ctrl-C and by SIGKILL, against one run that was left alone."""
    whole = run_command(command(store, tmp_path / "whole", steps=200))
    assert whole.returncode == 0, whole.stderr
    expected = weights(tmp_path / "whole" / "network.safetensors")
    config = tmp_path / "small.yaml"
    (tmp_path / "often.yaml").write_text(
        config.read_text().replace("batch: 16", "batch: 16, checkpoint_minutes: 0.0005")
    )
    for number in (signal.SIGINT, signal.SIGKILL):
        run = tmp_path / number.name
        arguments = command(store, run, "--resume", steps=200)
        if number == signal.SIGKILL:
            arguments[arguments.index(str(config))] = str(tmp_path / "often.yaml")
        process = subprocess.Popen([sys.executable, "-m", "alphago.cli", *arguments], stderr=subprocess.PIPE, text=True)
        until = time.monotonic() + 120
        while time.monotonic() < until and process.poll() is None:
            if number == signal.SIGINT and (run / "run.json").exists():
                time.sleep(0.2)
                break
            if number == signal.SIGKILL and (run / "checkpoints").exists() and checkpoints(run):
                break
            time.sleep(0.02)
        process.send_signal(number)
        process.communicate(timeout=60)
        assert process.returncode in (130, -number), "the run was over before it could be killed"
        done = run_command(arguments)
        assert done.returncode == 0, done.stderr
        assert_same_weights(weights(run / "network.safetensors"), expected)


def test_the_shipped_configurations_are_runs() -> None:
    from alphago import configs

    runs = [name for name in names() if name.startswith("sl-")]
    assert "sl-9x9" in runs
    for name in runs:
        assert configs.load(name, SupervisedSettings).training.steps > 100


def test_a_full_disk_is_one_line(store: Path, tmp_path: Path) -> None:
    if not os.path.exists("/dev/full"):
        pytest.skip("no /dev/full here")
    run = tmp_path / "run"
    task = prepare(settings_for(store, steps=2), run, HERE)
    begin(run, task, resume=False)
    (run / "checkpoints").symlink_to("/dev/full")
    with pytest.raises(TrainingError, match="the checkpoint cannot be written"):
        task.trainer.train()
    assert np.isfinite(task.trainer.progress.seconds)
