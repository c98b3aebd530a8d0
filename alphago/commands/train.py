"""`alphago train`: networks that learn, stage by stage."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from alphago.commands.train_curves import curves
from alphago.commands.train_distill import distill
from alphago.commands.train_options import (
    BatchOption,
    ConfigOption,
    DeviceOption,
    GamesOption,
    JsonOption,
    OptimizerOption,
    OutOption,
    PrecisionOption,
    RateOption,
    ResumeOption,
    SeedOption,
    SizeOption,
    StepsOption,
    TensorboardOption,
    ThreadsOption,
    changed,
    stops,
)
from alphago.commands.train_reinforce import reinforce
from alphago.commands.train_reinforce_go import reinforce_go
from alphago.commands.train_rollout import rollout
from alphago.commands.train_value import value

if TYPE_CHECKING:
    from alphago.commands.train_progress import Screen
    from alphago.train.distributed import Place
    from alphago.train.supervised import Task

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Train networks.",
)


@app.callback()
def _train() -> None:
    """Train networks, stage by stage; every run can be stopped with Ctrl-C and gone on with."""


@app.command()
def supervised(
    config: ConfigOption = "sl-9x9",
    out: OutOption = None,
    games: GamesOption = None,
    size: SizeOption = None,
    steps: StepsOption = None,
    batch: BatchOption = None,
    optimizer: OptimizerOption = None,
    lr: RateOption = None,
    start_from: Annotated[
        Path | None, typer.Option("--start-from", help="Go on training this network file in place of a fresh one.")
    ] = None,
    precision: PrecisionOption = None,
    compile_: Annotated[bool | None, typer.Option("--compile/--no-compile", help="torch.compile.")] = None,
    seed: SeedOption = None,
    device: DeviceOption = "auto",
    threads: ThreadsOption = None,
    resume: ResumeOption = False,
    tensorboard: TensorboardOption = True,
    as_json: JsonOption = False,
) -> None:
    """Learn policy, value, ownership and score from games. The network is written to OUT/network.safetensors.

    More processes: torchrun --nproc-per-node N -m alphago.cli train supervised ...
    """
    from alphago import configs
    from alphago.train.supervised import SupervisedSettings, prepare

    settings = configs.load(config, SupervisedSettings)
    given: dict[str, Any] = {
        "data.stores": games,
        "data.sizes": size,
        "training.steps": steps,
        "training.batch": batch,
        "training.optimizer.kind": optimizer,
        "training.optimizer.lr": lr,
        "start_from": str(start_from) if start_from else None,
        "training.precision": precision,
        "training.compile": compile_,
        "training.seed": seed,
    }
    settings = changed(settings, given)
    run = out or Path("runs") / Path(config).stem
    train_network(
        lambda place, screen: prepare(settings, run, place, screen),
        run, device, threads, resume, tensorboard, as_json,
    )  # fmt: skip


def train_network(
    prepared: Callable[[Place, Screen], Task],
    run: Path,
    device: str,
    threads: int | None,
    resume: bool,
    tensorboard: bool,
    as_json: bool,
) -> None:
    """What every command that trains a network does once its task can be prepared: train, tell, stop, write."""
    import torch

    from alphago.commands.train_progress import Screen
    from alphago.machine import usable_threads
    from alphago.train.distributed import joined
    from alphago.train.supervised import begin, finish

    torch.set_num_threads(threads or usable_threads())
    with joined(device) as place, Screen(run if tensorboard and place.is_first else None) as screen:
        task = prepared(place, screen)
        trainer = task.trainer
        went_on = begin(run, task, resume=resume)
        if place.is_first:
            architecture = trainer.network.architecture
            parameters = sum(p.numel() for p in trainer.network.parameters())
            screen.say(
                f"{len(task.games.keys):,} games, {len(task.learned):,} positions to learn from, "
                f"{len(task.held_out):,} held out; {architecture.kind} network of {parameters:,} parameters, "
                f"{architecture.feature_set} planes, on {place.device}"
                + (f", {place.world} processes" if place.world > 1 else "")
            )
            if went_on:
                screen.say(f"going on from step {trainer.progress.step:,}")
        with stops(trainer.stop):
            done = trainer.train()
        if not done:
            if place.is_first:
                screen.say(f"stopped at step {trainer.progress.step:,}; go on with the same command and --resume")
            raise KeyboardInterrupt
        if place.is_first:
            network = finish(run, task)
            row = {
                "network": str(network),
                "steps": trainer.progress.step,
                "minutes": round(trainer.progress.seconds / 60, 1),
                **trainer.progress.metrics,
            }
            if as_json:
                print(json.dumps(row))
            else:
                print(f"{network}: {row['minutes']} minutes; describe it with alphago nets info")


app.command()(distill)
app.command()(rollout)
app.command()(reinforce)
app.command("reinforce-go")(reinforce_go)
app.command()(value)
app.command()(curves)
