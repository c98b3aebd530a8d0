"""`alphago train reinforce`: the REINFORCE trainer on any Gymnasium environment, and on two problems checked by hand."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from alphago.commands.train_options import (
    ConfigOption,
    JsonOption,
    OutOption,
    ResumeOption,
    TensorboardOption,
    changed,
    stops,
)


def reinforce(
    config: ConfigOption = "reinforce-cartpole",
    out: OutOption = None,
    env: Annotated[str | None, typer.Option("--env", help="A Gymnasium environment with discrete actions.")] = None,
    steps: Annotated[int | None, typer.Option("--steps", help="Updates of the whole run.", min=1)] = None,
    episodes: Annotated[int | None, typer.Option("--episodes", help="Of every update.", min=1)] = None,
    lr: Annotated[float | None, typer.Option("--lr", help="Highest learning rate.")] = None,
    seed: Annotated[
        int | None,
        typer.Option("--seed", help="Of the policy and its draws; which miniature it is, problem.seed says."),
    ] = None,
    resume: ResumeOption = False,
    tensorboard: TensorboardOption = True,
    as_json: JsonOption = False,
) -> None:
    """Learn by REINFORCE: a Gymnasium environment, or (--config reinforce-tree, reinforce-placement) a miniature of architecture
    search or device placement.
    """
    import torch

    from alphago import configs
    from alphago.commands.train_progress import Screen
    from alphago.train.optim import TrainingError
    from alphago.train.reinforce_run import ReinforceRunSettings, begin

    given: dict[str, Any] = {
        "problem.env": env,
        "learning.steps": steps,
        "learning.episodes": episodes,
        "learning.optimizer.lr": lr,
        "seed": seed,
    }
    settings = changed(configs.load(config, ReinforceRunSettings), given)
    if env is not None and settings.problem.kind != "gymnasium":
        raise TrainingError(f"--env {env}: the problem of {config} is a {settings.problem.kind}, no environment")
    folder = out or Path("runs") / Path(config).stem
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # such small networks only wait for a second one
    try:
        with Screen(folder if tensorboard else None) as screen:
            task = begin(folder, settings, resume=resume, watcher=Told(screen).updated)
            with stops(task.trainer.stop):
                done = task.trainer.train()
            if not done:
                screen.say("stopped; go on with the same command and --resume")
                raise KeyboardInterrupt
    finally:
        torch.set_num_threads(threads)
    answer = task.answer()
    if as_json:
        print(json.dumps(answer))
    else:
        print(f"{folder}: " + ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in answer.items()))


class Told:
    """Hands what a REINFORCE run tells to the screen."""

    _SHOWN = ("return", "return_recent", "entropy", "kl_behaviour", "episodes_per_second")

    def __init__(self, screen: Any, shown: tuple[str, ...] = _SHOWN) -> None:
        self._screen, self._shown = screen, shown
        self._started, self._first = time.monotonic(), -1

    def updated(self, step: int, total: int, metrics: Mapping[str, float]) -> None:
        """See `alphago.train.reinforce.Watcher`."""
        if self._first < 0:
            self._first = step - 1
        self._screen.log(step, {f"reinforce/{name}": value for name, value in metrics.items()})
        left = (time.monotonic() - self._started) / (step - self._first) * (total - step)
        text = ", ".join(f"{name.replace('_', ' ')} {metrics[name]:.4g}" for name in self._shown if name in metrics)
        self._screen.tell(step, total, left, text)
