"""`alphago train reinforce-go`: a policy network that learns from games against its past selves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from alphago.commands.train_options import (
    ConfigOption,
    DeviceOption,
    JsonOption,
    OutOption,
    ResumeOption,
    TensorboardOption,
    changed,
    stops,
)


def reinforce_go(
    config: ConfigOption = "rl-9x9",
    out: OutOption = None,
    start: Annotated[str | None, typer.Option("--start", help="The network to begin from: a file, or default.")] = None,
    steps: Annotated[int | None, typer.Option("--steps", help="Updates of the whole run.", min=1)] = None,
    games: Annotated[int | None, typer.Option("--games", help="Of every update (AlphaGo: 128).", min=2)] = None,
    lr: Annotated[float | None, typer.Option("--lr", help="Highest learning rate.")] = None,
    baseline: Annotated[
        str | None, typer.Option("--baseline", help="none, moving-average, leave-one-out, per-context or value.")
    ] = None,
    value_from: Annotated[
        str | None,
        typer.Option("--value-net", help="The network of --baseline value: a file, or default. [default: --start]"),
    ] = None,
    penalty: Annotated[
        float | None, typer.Option("--penalty", help="Weight of the divergence from the start, per nat.", min=0)
    ] = None,
    seed: Annotated[int | None, typer.Option("--seed", help="Of games and opponents.")] = None,
    device: DeviceOption = "auto",
    threads: Annotated[int | None, typer.Option("--threads", help="[default: all processors]", min=1)] = None,
    resume: ResumeOption = False,
    tensorboard: TensorboardOption = True,
    as_json: JsonOption = False,
) -> None:
    """Improve a policy network by REINFORCE: AlphaGo's second stage. The best network so far is OUT/best.safetensors."""
    import torch

    from alphago import configs
    from alphago.commands.train_progress import Screen
    from alphago.commands.train_reinforce import Told
    from alphago.machine import usable_threads
    from alphago.train.distributed import joined
    from alphago.train.optim import TrainingError
    from selfplay.go_policy import KL_START
    from selfplay.reinforce_go import GoReinforceSettings, begin

    given: dict[str, Any] = {
        "start_from": start,
        "learning.steps": steps,
        "learning.episodes": games,
        "learning.optimizer.lr": lr,
        "baseline": baseline,
        "value_from": value_from,
        "seed": seed,
    }
    if penalty is not None:
        given[f"learning.penalties.{KL_START}"] = penalty
    settings = changed(configs.load(config, GoReinforceSettings), given)
    run = out or Path("runs") / Path(config).stem
    workers = threads or usable_threads()
    torch.set_num_threads(workers)
    shown = ("score", "entropy", "kl_behaviour", "moves", "episodes_per_second")
    with Screen(run if tensorboard else None) as screen, joined(device) as place:
        if place.world > 1:
            raise TrainingError("reinforce-go runs in one process: start it without torchrun")
        told = Told(screen, shown).updated
        task = begin(run, settings, resume=resume, threads=workers, device=str(place.device), watcher=told)
        task.measures.tell = screen.say
        with stops(task.trainer.stop):
            done = task.trainer.train()
        if not done:
            screen.say("stopped; go on with the same command and --resume")
            raise KeyboardInterrupt
    best = task.finish()
    minutes = round(task.trainer.seconds / 60, 1)
    if as_json:
        print(json.dumps({"network": str(best), "minutes": minutes, "best": task.measures.best}))
    else:
        what = "" if task.measures.best else "the start's policy, which nothing beat; "
        print(f"{best}: {what}{minutes} minutes; play it with --net {best}")
