"""What the training commands share: options that change a configuration, and Ctrl-C that leaves a checkpoint."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

if TYPE_CHECKING:
    import pydantic

ConfigOption = Annotated[
    str, typer.Option("--config", help="A name from configs/ or a YAML file; options change what it says.")
]
OutOption = Annotated[
    Path | None, typer.Option("--out", help="The run's folder [default: runs/ and the configuration's name].")
]
GamesOption = Annotated[
    list[str] | None,
    typer.Option("--games", help='A store of games, may be given again; "default": the one that ships.'),
]
SizeOption = Annotated[list[int] | None, typer.Option("--size", help="Board size to take; may be given again.")]
StepsOption = Annotated[int | None, typer.Option("--steps", help="Steps of the whole run.", min=1)]
BatchOption = Annotated[int | None, typer.Option("--batch", help="Examples a step.", min=1)]
OptimizerOption = Annotated[str | None, typer.Option("--optimizer", help="sgd, adamw or muon.")]
RateOption = Annotated[float | None, typer.Option("--lr", help="Highest learning rate.")]
PrecisionOption = Annotated[str | None, typer.Option("--precision", help="auto, bf16 or fp32.")]
SeedOption = Annotated[int | None, typer.Option("--seed", help="Of weights, order and symmetries.")]
DeviceOption = Annotated[str, typer.Option("--device", help="auto, cpu, cuda or cuda:N.")]
ThreadsOption = Annotated[int | None, typer.Option("--threads", help="Of torch [default: all processors].", min=1)]
ResumeOption = Annotated[bool, typer.Option("--resume", help="Go on with the run in --out from its last checkpoint.")]
TensorboardOption = Annotated[
    bool, typer.Option("--tensorboard/--no-tensorboard", help="Keep curves in the run's folder.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object at the end.")]

SettingsT = TypeVar("SettingsT", bound="pydantic.BaseModel")


@contextmanager
def stops(stop: Callable[[], None]) -> Iterator[None]:
    """Ctrl-C and SIGTERM call `stop`, which ends a run with a checkpoint after the step under way; a second one ends it now."""

    def handler(_number: int, _frame: Any) -> None:
        for one, before in previous.items():
            signal.signal(one, before)
        print("\nstopping with a checkpoint; once more to stop at once", file=sys.stderr, flush=True)
        stop()

    previous = {one: signal.signal(one, handler) for one in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for one, before in previous.items():
            signal.signal(one, before)


def changed(settings: SettingsT, given: Mapping[str, Any]) -> SettingsT:
    """The settings with the options that were given (dotted keys; None: not given). Raises ConfigError."""
    import pydantic

    from alphago import configs

    values = settings.model_dump()
    for key, value in given.items():
        if value is None:
            continue
        *parents, last = key.split(".")
        place = values
        for parent in parents:
            place = place[parent]
        place[last] = value
    try:
        return type(settings).model_validate(values)
    except pydantic.ValidationError as error:
        raise configs.ConfigError(configs.describe(error, type(settings))) from None
