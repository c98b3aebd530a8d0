"""`alphago train distill`: a small network learns from a large one."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any

import typer

from alphago.commands.train_options import changed

_SIZE = re.compile(r"(\d+)x(\d+)")


def distill(
    teacher: Annotated[Path, typer.Option("--teacher", help="The large network's file.")],
    student: Annotated[
        str | None,
        typer.Option("--student", help="The small network, BLOCKSxCHANNELS, e.g. 4x48 [default: the configuration's]."),
    ] = None,
    config: Annotated[
        str, typer.Option("--config", help="A name from configs/ or a YAML file; options change what it says.")
    ] = "distill-9x9",
    out: Annotated[
        Path | None, typer.Option("--out", help="The run's folder [default: runs/ and the configuration's name].")
    ] = None,
    games: Annotated[
        list[str] | None,
        typer.Option("--games", help='A store of games, may be given again; "default": the one that ships.'),
    ] = None,
    size: Annotated[list[int] | None, typer.Option("--size", help="Board size to take; may be given again.")] = None,
    share: Annotated[
        float | None,
        typer.Option("--share", help="Of the teacher in the targets; the rest is the games'.", min=0, max=1),
    ] = None,
    steps: Annotated[int | None, typer.Option("--steps", help="Steps of the whole run.", min=1)] = None,
    batch: Annotated[int | None, typer.Option("--batch", help="Examples a step.", min=1)] = None,
    lr: Annotated[float | None, typer.Option("--lr", help="Highest learning rate.")] = None,
    precision: Annotated[str | None, typer.Option("--precision", help="bf16 or fp32.")] = None,
    seed: Annotated[int | None, typer.Option("--seed", help="Of weights, order and symmetries.")] = None,
    device: Annotated[str, typer.Option("--device", help="auto, cpu, cuda or cuda:N.")] = "auto",
    threads: Annotated[int | None, typer.Option("--threads", help="Of torch [default: all processors].", min=1)] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the run in --out from its last checkpoint.")
    ] = False,
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard/--no-tensorboard", help="Keep curves in the run's folder.")
    ] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object at the end.")] = False,
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
