"""`alphago train value`: a value network from games with one random move."""

from __future__ import annotations

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


def value(
    config: ConfigOption = "value-9x9",
    out: OutOption = None,
    games: GamesOption = None,
    size: SizeOption = None,
    examples: Annotated[
        str | None, typer.Option("--examples", help="one position a game, or many: all after its random move.")
    ] = None,
    positions: Annotated[
        int | None, typer.Option("--positions", help="Learn from so many at most, of the first games.", min=1)
    ] = None,
    start: Annotated[
        str | None,
        typer.Option(
            "--start",
            help="A policy network's file, to begin with its tower and outcome head; or a value network's, to go on.",
        ),
    ] = None,
    loss: Annotated[
        str | None, typer.Option("--loss", help="mse, or cross-entropy of win, draw and loss [default: the config's].")
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
    """Learn who wins, from games of `alphago make-value-data`. The network is written to OUT/network.safetensors.

    Errors are mean squares against +1, 0 and -1; papers that count outcomes as 1 and 0 print a quarter of them.
    """
    from alphago import configs
    from alphago.commands.train import train_network
    from alphago.train.value import ValueSettings, prepare_value

    given: dict[str, Any] = {
        "data.stores": games,
        "data.sizes": size,
        "examples": examples,
        "positions": positions,
        "start_from": start,
        "loss.outcome_as": loss,
        "training.steps": steps,
        "training.batch": batch,
        "training.optimizer.kind": optimizer,
        "training.optimizer.lr": lr,
        "training.precision": precision,
        "training.seed": seed,
    }
    settings = changed(configs.load(config, ValueSettings), given)
    run = out or Path("runs") / Path(config).stem
    train_network(
        lambda place, screen: prepare_value(settings, run, place, screen),
        run, device, threads, resume, tensorboard, as_json,
    )  # fmt: skip
