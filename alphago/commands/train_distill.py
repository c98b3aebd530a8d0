"""`alphago train distill`: a small network learns from a large one."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any

import typer

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
)

_SIZE = re.compile(r"(\d+)x(\d+)")


def distill(
    teacher: Annotated[Path, typer.Option("--teacher", help="The large network's file.")],
    student: Annotated[
        str | None,
        typer.Option("--student", help="The small network, BLOCKSxCHANNELS, e.g. 4x48 [default: the configuration's]."),
    ] = None,
    config: ConfigOption = "distill-9x9",
    out: OutOption = None,
    games: GamesOption = None,
    size: SizeOption = None,
    share: Annotated[
        float | None,
        typer.Option("--share", help="Of the teacher in the targets; the rest is the games'.", min=0, max=1),
    ] = None,
    steps: StepsOption = None,
    batch: BatchOption = None,
    optimizer: OptimizerOption = None,
    lr: RateOption = None,
    precision: PrecisionOption = None,
    seed: SeedOption = None,
    device: DeviceOption = "auto",
    threads: ThreadsOption = None,
    resume: ResumeOption = False,
    tensorboard: TensorboardOption = True,
    as_json: JsonOption = False,
) -> None:
    """Learn what another network says of the positions of games. The network is written to OUT/network.safetensors."""
    from alphago import configs
    from alphago.commands.train import train_network
    from alphago.train.distill import DistillSettings, prepare_distillation

    given: dict[str, Any] = {
        "teacher": str(teacher),
        "share": share,
        "data.stores": games,
        "data.sizes": size,
        "training.steps": steps,
        "training.batch": batch,
        "training.optimizer.kind": optimizer,
        "training.optimizer.lr": lr,
        "training.precision": precision,
        "training.seed": seed,
    }
    if student is not None:
        match = _SIZE.fullmatch(student)
        if match is None:
            raise typer.BadParameter(f"expected BLOCKSxCHANNELS, e.g. 4x48, got {student!r}", param_hint="--student")
        given |= {"network.blocks": int(match[1]), "network.channels": int(match[2])}
    settings = changed(configs.load(config, DistillSettings), given)
    run = out or Path("runs") / Path(config).stem
    train_network(
        lambda place, screen: prepare_distillation(settings, run, place, screen),
        run, device, threads, resume, tensorboard, as_json,
    )  # fmt: skip
