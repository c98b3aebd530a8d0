"""`alphago train rollout`: weights of the rollout and tree policies."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from alphago.commands.train_options import (
    ConfigOption,
    GamesOption,
    JsonOption,
    OutOption,
    ResumeOption,
    SizeOption,
    TensorboardOption,
    changed,
    stops,
)

_SHOWN = 10
"""Steps whose numbers are told as one."""


def rollout(
    config: ConfigOption = "rollout-9x9",
    out: OutOption = None,
    games: GamesOption = None,
    size: SizeOption = None,
    steps: Annotated[
        int | None, typer.Option("--steps", help="Steps of learning from the moves played.", min=0)
    ] = None,
    balance_steps: Annotated[
        int | None, typer.Option("--balance-steps", help="Steps of simulation balancing; 0: none.", min=0)
    ] = None,
    seed: Annotated[int | None, typer.Option("--seed", help="Of the order of positions and of playouts.")] = None,
    threads: Annotated[int | None, typer.Option("--threads", help="[default: all processors]", min=1)] = None,
    resume: ResumeOption = False,
    tensorboard: TensorboardOption = True,
    as_json: JsonOption = False,
) -> None:
    """Learn the weights of playouts and of the tree policy from games. They are written to OUT/rollout.safetensors.

    First what makes the moves played likely; then, with --balance-steps, what makes the outcome of playouts agree with the searches
    that the games hold; then what the tree policy adds.
    """
    from alphago import configs
    from alphago.commands.train_progress import Screen
    from alphago.machine import usable_threads
    from alphago.train.rollout_run import RolloutSettings, begin

    given: dict[str, Any] = {
        "data.stores": games,
        "data.sizes": size,
        "likelihood.steps": steps,
        "balance.steps": balance_steps,
        "seed": seed,
    }
    settings = changed(configs.load(config, RolloutSettings), given)
    folder = out or Path("runs") / Path(config).stem
    with Screen(folder if tensorboard else None) as screen:
        run = begin(
            folder,
            settings,
            resume=resume,
            threads=threads or usable_threads(),
            watcher=_Told(screen, settings.stage_starts()),
        )
        layout = run.layout
        screen.say(
            f"{len(run.games.keys):,} games, {len(run.learned):,} positions to learn from, {len(run.held_out):,} held out; "
            f"{len(layout.pattern3):,} 3x3, {len(layout.response):,} response, {len(layout.pattern12):,} 12-point patterns"
        )
        with stops(run.stop):
            done = run.train()
        if not done:
            screen.say("stopped; go on with the same command and --resume")
            raise KeyboardInterrupt
    path = run.finish()
    minutes = round(run.seconds / 60, 1)
    if as_json:
        print(json.dumps({"weights": str(path), "minutes": minutes, **run.metrics}))
    else:
        print(f"{path}: {minutes} minutes; play with it: --rollout-weights {path}")


class _Told:
    """Hands what a run tells to the screen.

    Args:
        starts: steps before each stage: TensorBoard's curves are of one run, so that a resumed one cuts off only what comes again.
    """

    def __init__(self, screen: Any, starts: Mapping[str, int]) -> None:
        self._screen = screen
        self._starts = starts
        self._last = 0
        self._sums: dict[str, float] = {}
        self._count, self._first, self._stage = 0, 0.0, ""
        self._steps = 0

    def step(self, stage: str, step: int, total: int, values: Mapping[str, float]) -> None:
        if stage != self._stage:
            self._stage, self._first, self._steps = stage, time.monotonic(), step
            self._sums, self._count = {}, 0
        for name, value in values.items():
            self._sums[name] = self._sums.get(name, 0.0) + value
        self._count += 1
        if self._count < _SHOWN and step < total:
            return
        means = {name: value / self._count for name, value in self._sums.items()}
        self._sums, self._count = {}, 0
        self._last = self._starts[stage] + step
        self._screen.log(self._last, {f"{stage}/{name}": value for name, value in means.items()})
        spent = time.monotonic() - self._first
        left = spent / max(1, step - self._steps) * (total - step)
        text = ", ".join(_number(name, value) for name, value in means.items())
        self._screen.tell(step, total, left, f"{stage}: {text}")

    def measured(self, stage: str, metrics: Mapping[str, float]) -> None:
        held_out = {f"held_out/{name}": value for name, value in metrics.items() if not name.endswith("positions")}
        self._screen.log(self._last, held_out)
        text = ", ".join(_number(name[len(stage) + 1 :], value) for name, value in metrics.items())
        self._screen.say(f"{stage}, held-out games: {text}")


def _number(name: str, value: float) -> str:
    if name.endswith("top1"):
        return f"{name} {100 * value:.2f} %"
    return f"{name} {value:,.0f}" if name.endswith("positions") else f"{name} {value:.4f}"
