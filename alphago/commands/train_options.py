"""What the training commands share: options that change a configuration, and Ctrl-C that leaves a checkpoint."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    import pydantic

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
