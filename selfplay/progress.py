"""How a run tells how far it is: a bar on a terminal, lines elsewhere, and scalars for TensorBoard."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, Final, Protocol

LINE_SECONDS: Final = 5.0
RATE_SECONDS: Final = 20.0
"""Rates are means over about this time, so that they follow a change without jumping at every game."""


class Rates:
    """How much of each counter there is a second, lately and from the start."""

    def __init__(self) -> None:
        self._marks: list[tuple[float, dict[str, float]]] = []

    def update(self, counters: Mapping[str, float]) -> None:
        """Take the counters' present values; they only grow."""
        now = time.monotonic()
        if len(self._marks) > 2 and self._marks[-1][0] - self._marks[-2][0] < 0.2:
            self._marks.pop()  # marks lie 0.2 s apart, but for the last, which is the present
        self._marks.append((now, dict(counters)))
        # the first mark stays for overall()
        while len(self._marks) > 3 and now - self._marks[2][0] > RATE_SECONDS:
            del self._marks[1]

    def lately(self, name: str) -> float:
        """Per second, over the last `RATE_SECONDS`."""
        return self._rate(name, self._marks[min(1, len(self._marks) - 1)] if len(self._marks) > 2 else self._marks[0])

    def overall(self, name: str) -> float:
        """Per second, over the whole time."""
        return self._rate(name, self._marks[0])

    @property
    def seconds(self) -> float:
        """Time between the first and the last update."""
        return self._marks[-1][0] - self._marks[0][0]

    def _rate(self, name: str, since: tuple[float, dict[str, float]]) -> float:
        now, counters = self._marks[-1]
        return (counters[name] - since[1][name]) / max(1e-9, now - since[0])


class Progress(Protocol):
    """Shows the state of a run; a context manager."""

    def __enter__(self) -> Progress: ...

    def __exit__(self, *error: object) -> None: ...

    def show(self, done: int, total: int, rates: Rates, unit: str) -> None:
        """`unit`: the counter that is shown beside the games, `evaluations` or `rollouts`."""


class Silent:
    """Shows nothing: for tests and benchmarks."""

    def __enter__(self) -> Silent:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def show(self, done: int, total: int, rates: Rates, unit: str) -> None:
        """Nothing."""


class Lines:
    """A line every few seconds, and one at the end."""

    def __init__(self, stream: IO[str], every: float = LINE_SECONDS) -> None:
        self._stream, self._every = stream, every
        self._next = time.monotonic() + every
        self._shown = -1

    def __enter__(self) -> Lines:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def show(self, done: int, total: int, rates: Rates, unit: str) -> None:
        """Print a line when it is time, or when all games are played."""
        now = time.monotonic()
        if (now < self._next and done < total) or (done == total and done == self._shown):
            return
        self._next, self._shown = now + self._every, done
        per_second = f"{rates.lately('games'):.2f} games/s, {rates.lately(unit):,.0f} {unit}/s"
        print(f"{done:,}/{total:,} games, {per_second}, {_left(done, total, rates)}", file=self._stream, flush=True)


class Bar:
    """A Rich progress bar."""

    def __init__(self, stream: IO[str]) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
        from rich.progress import Progress as RichProgress

        columns = [TextColumn("self-play"), BarColumn(), MofNCompleteColumn(), TextColumn("games  {task.fields[text]}")]
        self._bar = RichProgress(*columns, console=Console(file=stream), refresh_per_second=4)
        self._task = self._bar.add_task("games", total=None, text="")

    def __enter__(self) -> Bar:
        self._bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._bar.stop()

    def show(self, done: int, total: int, rates: Rates, unit: str) -> None:
        """Move the bar."""
        text = f"{rates.lately('games'):.2f} games/s  {rates.lately(unit):,.0f} {unit}/s  {_left(done, total, rates)}"
        self._bar.update(self._task, completed=done, total=total, text=text)


def _left(done: int, total: int, rates: Rates) -> str:
    speed = rates.lately("games")
    if done >= total:
        return f"took {_clock(rates.seconds)}"
    return f"{_clock((total - done) / speed)} left" if speed > 0 else "-:-- left"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def progress_for(stream: IO[str] = sys.stderr) -> Progress:
    """A bar where `stream` is a terminal, else lines; lines under `make` too, whose own lines a bar would overwrite."""
    return Bar(stream) if stream.isatty() and "MAKELEVEL" not in os.environ else Lines(stream)


class Scalars:
    """TensorBoard scalars of a run, written to OUT/tensorboard every few seconds; a context manager."""

    def __init__(self, directory: Path, every: float = LINE_SECONDS) -> None:
        self._directory, self._every = directory, every
        self._next = time.monotonic() + every
        self._writer: Any = None

    def __enter__(self) -> Scalars:
        return self

    def __exit__(self, *error: object) -> None:
        if self._writer is not None:
            self._writer.close()

    def due(self) -> bool:
        """Whether the next values are wanted."""
        return time.monotonic() >= self._next

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Values by tag; `step` is the number of games played so far."""
        # protobuf and all that come with TensorBoard take a while to import: not before there is something to write
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary
        from tensorboard.summary.writer.event_file_writer import EventFileWriter

        if self._writer is None:
            self._writer = EventFileWriter(str(self._directory), flush_secs=5)
        found = [Summary.Value(tag=tag, simple_value=value) for tag, value in values.items()]
        self._writer.add_event(Event(step=step, wall_time=time.time(), summary=Summary(value=found)))
        self._next = time.monotonic() + self._every
