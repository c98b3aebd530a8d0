"""`alphago evaluate-value`: the two figures of the paper for a value network."""

from __future__ import annotations

import json
import sys
import time
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from alphago.commands.train_options import DeviceOption, JsonOption, TensorboardOption, ThreadsOption, stops

if TYPE_CHECKING:
    from collections.abc import Callable

    from alphago.train.distributed import Place
    from selfplay.value_errors import Errors
    from selfplay.value_examples import Arm

app = typer.Typer(add_completion=False, rich_markup_mode=None)

_LINE_SECONDS = 5.0


@app.command(name="evaluate-value")
def evaluate_value(
    net: Annotated[Path, typer.Argument(help="A value network, or any network with an outcome head.")],
    games: Annotated[Path, typer.Option("--games", help="Games: a folder of `make-value-data`, or any store.")],
    out: Annotated[Path, typer.Option("--out", help="Folder of value.json, value.png and the runs of --arms.")],
    policy: Annotated[
        list[str] | None,
        typer.Option(
            "--policy",
            help="NAME=FILE: a policy network to compare: its playouts, its outcome head; may be given again.",
        ),
    ] = None,
    weights: Annotated[
        str | None, typer.Option("--rollout-weights", help="Of the rollouts: a file or a name [default: default].")
    ] = None,
    size: Annotated[int, typer.Option("--size", help="Board size.", min=2, max=19)] = 9,
    share: Annotated[
        float | None,
        typer.Option(
            "--held-out",
            help="The share of the games that training held out; 1: all games [default: as NET says, else 0.05].",
            min=0,
            max=1,
        ),
    ] = None,
    split_seed: Annotated[
        int | None, typer.Option("--split-seed", help="Of that split [default: likewise, else 0].")
    ] = None,
    positions: Annotated[int, typer.Option("--positions", help="One a game, at most.", min=1)] = 2000,
    policy_positions: Annotated[
        int, typer.Option("--policy-positions", help="Of these for playouts of policies, at most.", min=1)
    ] = 500,
    playouts: Annotated[int, typer.Option("--playouts", help="From each position.", min=1, max=100_000)] = 100,
    arms: Annotated[
        bool,
        typer.Option(
            "--arms/--no-arms",
            help="Compare learning from one and from many positions a game, equally many: trains the networks that are missing.",
        ),
    ] = False,
    config: Annotated[
        str | None,
        typer.Option("--config", help="How they are trained, as for `train value` [default: as the network says]."),
    ] = None,
    arm_positions: Annotated[
        int | None, typer.Option("--arm-positions", help="They learn from [default: one of every game].", min=1)
    ] = None,
    steps: Annotated[int | None, typer.Option("--steps", help="They take.", min=1)] = None,
    seed: Annotated[int, typer.Option("--seed", help="Of positions and playouts.", min=0)] = 0,
    device: DeviceOption = "auto",
    threads: ThreadsOption = None,
    tensorboard: TensorboardOption = True,
    as_json: JsonOption = False,
) -> None:
    """Compare a value network with rollouts and with playouts of policies, by stage of the game, and show why it learns from one
    position a game. Writes OUT/value.json and OUT/value.png.

    Errors are mean squares against +1, 0 and -1; papers that count outcomes as 1 and 0 print a quarter of them.
    """
    import torch

    from alphago.files import make_directory, write_atomically
    from alphago.machine import usable_threads
    from alphago.nets.rollout import load_rollout_weights
    from alphago.train.distributed import joined
    from alphago.train.optim import TrainingError
    from selfplay import value_examples, value_plots
    from selfplay.go_policy import VALUE_HEADS
    from selfplay.networks import named_network
    from selfplay.value_errors import draw_examples, measure_errors

    policies = {name: named_network(file, size, "--policy") for name, file in map(_named, policy or [])}
    network = named_network(str(net), size, "NET", heads=VALUE_HEADS)
    rollout_weights = load_rollout_weights(weights)
    workers = threads or usable_threads()
    torch.set_num_threads(workers)
    share, split_seed = _split(net, share, split_seed)
    held = None if share == 1 else share
    examples = draw_examples(games, size=size, share=held, split_seed=split_seed, most=positions, seed=seed)
    make_directory(out, TrainingError)
    with joined(device) as place:
        found: list[Arm] = []
        if arms:
            found = _arms(net, games, out, config, arm_positions, steps, place, tensorboard, stops)
        errors = measure_errors(
            examples, network.to(place.device), rollout_weights, policies,
            playouts=playouts, policy_positions=policy_positions, seed=seed, threads=workers, device=place.device,
            on_done=_Told(),
        )  # fmt: skip
    row: dict[str, Any] = {
        "network": str(net),
        "games": str(games),
        "held_out": share,
        "split_seed": split_seed,
        "playouts": playouts,
        **errors.to_dict(),
        "arms": value_examples.to_dict(found),
    }
    write_atomically(out / "value.json", (json.dumps(row, indent=1) + "\n").encode(), TrainingError)
    value_plots.plot_value(errors, found, out / "value.png")
    if as_json:
        print(json.dumps(row))
    else:
        _show(errors, found, out)


def _named(text: str) -> tuple[str, str]:
    name, equals, file = text.partition("=")
    if not equals or not name or not file:
        raise typer.BadParameter(
            f"expected NAME=FILE such as sl=network.safetensors, got {text!r}", param_hint="--policy"
        )
    return name, file


def _split(net: Path, share: float | None, seed: int | None) -> tuple[float, int]:
    """Which games were held out: what is asked for, else what the network says of its training, else what training does."""
    from alphago.train.optim import TrainingError
    from alphago.train.supervised import DataSettings
    from selfplay.value_examples import settings_of_network

    try:
        data = settings_of_network(net).data
    except TrainingError:
        data = DataSettings()
    return data.held_out if share is None else share, data.split_seed if seed is None else seed


def _arms(
    net: Path,
    games: Path,
    out: Path,
    config: str | None,
    positions: int | None,
    steps: int | None,
    place: Place,
    tensorboard: bool,
    stopping: Callable[[Callable[[], None]], AbstractContextManager[None]],
) -> list[Arm]:
    from alphago import configs
    from alphago.commands.train_options import changed
    from alphago.commands.train_progress import Screen
    from alphago.train.value import ValueSettings
    from selfplay.value_examples import ARMS, own_arm, settings_of_network, train_arm

    settings = settings_of_network(net) if config is None else configs.load(config, ValueSettings)
    settings = changed(settings, {"data.stores": (str(games),), "training.steps": steps})
    own = own_arm(net, str(games)) if config is None and steps is None and positions is None else None
    found: list[Arm] = []
    if own is not None:
        print(f"{net} has learned from one position of each of these games: nothing to train again", file=sys.stderr)
        found.append(own)
    for examples in ARMS[len(found) :]:
        run = out / examples
        with Screen(run if tensorboard else None) as screen:
            screen.say(f"learning from positions drawn {examples} a game, in {run}")
            wanted = found[0].positions if found else positions
            arm = train_arm(run, settings, examples, wanted, place, screen, stopping)
            if arm is None:
                screen.say("stopped; go on with the same command")
                raise KeyboardInterrupt
        found.append(arm)
    return found


class _Told:
    """A line every few seconds."""

    def __init__(self) -> None:
        self._next = time.monotonic() + _LINE_SECONDS

    def __call__(self, name: str, done: int, total: int) -> None:
        now = time.monotonic()
        if now >= self._next or done == total:
            self._next = now + _LINE_SECONDS
            print(f"{name}: {done:,}/{total:,} positions", file=sys.stderr, flush=True)


def _show(errors: Errors, arms: list[Arm], out: Path) -> None:
    from rich.console import Console
    from rich.table import Table

    from selfplay.value_errors import OUTCOMES, THIRDS

    console = Console()
    table = Table("MSE", "positions", "whole game", "first third", "second", "last", title="Error of values")
    for name in errors.squared:
        parts = [errors.whole(name), *errors.of(name, THIRDS)]
        table.add_row(name, f"{parts[0].positions:,}", *(f"{part.mse:.3f} +-{part.error:.3f}" for part in parts))
    console.print(table)
    first, *others = errors.squared
    for name in others:
        parts = errors.difference(first, name, THIRDS)
        text = ", ".join(f"{part.mse:+.3f} +-{part.error:.3f}" for part in parts)
        console.print(f"{first} less {name}, by thirds: {text}", highlight=False)
    for arm in arms:
        console.print(
            f"{arm.positions:,} positions, {arm.examples} a game: {arm.learned:.3f} learned, {arm.held_out:.3f} held out, "
            f"a gap of {arm.gap:.3f} +-{arm.gap_error:.3f}",
            highlight=False,
        )
    console.print(f"Outcomes: {OUTCOMES}. 95 % intervals.", highlight=False)
    console.print(f"{out / 'value.json'}, {out / 'value.png'}", highlight=False)
