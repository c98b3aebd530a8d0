"""How a pipeline tells how far it is: a row for every stage on a terminal, lines elsewhere."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import IO, Any, Final, Protocol

LINE_SECONDS: Final = 10.0
_ENOUGH: Final = 0.02
"""Share of all work after which the time left is told."""


class PipelineView(Protocol):
    """A `selfplay.pipeline.runner.View` that is a context manager."""

    def __enter__(self) -> PipelineView: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def begin(self, stage: str, how: str) -> None: ...

    def advance(self, stage: str, done: float, total: float, text: str) -> None: ...

    def end(self, stage: str, seconds: float, text: str) -> None: ...

    def skip(self, stage: str, seconds: float) -> None: ...

    def say(self, text: str) -> None: ...


class Lines:
    """A line when a stage begins and ends, and every few seconds in between.

    Args:
        expected: seconds that each stage has of the budget; stages without any count as a second.
    """

    def __init__(self, stages: Sequence[str], expected: Mapping[str, float], stream: IO[str]) -> None:
        self._stages, self._stream = list(stages), stream
        self._whole = Whole(stages, expected)
        self._next = 0.0

    def __enter__(self) -> Lines:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def begin(self, stage: str, how: str) -> None:
        self._next = time.monotonic() + LINE_SECONDS
        number = f"stage {self._stages.index(stage) + 1} of {len(self._stages)}"
        self.say(f"{stage} ({number})" + (f": {how}" if how else ""))

    def advance(self, stage: str, done: float, total: float, text: str) -> None:
        self._whole.advance(stage, done, total)
        now = time.monotonic()
        if now >= self._next:
            self._next = now + LINE_SECONDS
            count = f"{done:,.0f}/{total:,.0f}, " if total else ""
            self.say(f"{stage}: {count}{text} ({self._whole.text()})")

    def end(self, stage: str, seconds: float, text: str) -> None:
        self._whole.end(stage)
        self.say(f"{stage}: done in {clock(seconds)}" + (f", {text}" if text else ""))

    def skip(self, stage: str, seconds: float) -> None:
        self._whole.end(stage)
        self.say(f"{stage}: up to date ({clock(seconds)})")

    def say(self, text: str) -> None:
        print(text, file=self._stream, flush=True)


class Bars:
    """Rich: a row a stage, and one for all of them."""

    def __init__(self, stages: Sequence[str], expected: Mapping[str, float], stream: IO[str]) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn

        self._whole = Whole(stages, expected)
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[count]}", justify="right"),
            TextColumn("{task.fields[clock]}", justify="right"),
            TextColumn("{task.fields[text]}"),
            console=Console(file=stream),
            refresh_per_second=4,
        )
        fields: dict[str, Any] = {"count": "", "clock": "", "text": ""}
        self._tasks = {stage: self._bar.add_task(stage, total=1, start=False, **fields) for stage in stages}
        self._all = self._bar.add_task("all", total=1, **fields)
        self._began: dict[str, float] = {}
        self._start = time.monotonic()

    def __enter__(self) -> Bars:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def begin(self, stage: str, how: str) -> None:
        self._began[stage] = time.monotonic()
        self._bar.start_task(self._tasks[stage])
        self._bar.update(self._tasks[stage], text=how)
        if how and how != "going on":
            self.say(f"{stage}: {how}")

    def advance(self, stage: str, done: float, total: float, text: str) -> None:
        self._whole.advance(stage, done, total)
        spent = clock(time.monotonic() - self._began[stage])
        count = f"{done:,.0f}/{total:,.0f}" if total else ""
        task = self._tasks[stage]
        if total:
            self._bar.update(task, completed=done, total=total)
        self._bar.update(task, count=count, clock=spent, text=text)
        self._show_all()

    def end(self, stage: str, seconds: float, text: str) -> None:
        self._finish(stage, seconds, text)

    def skip(self, stage: str, seconds: float) -> None:
        self._finish(stage, seconds, "up to date")

    def say(self, text: str) -> None:
        self._bar.console.print(text, markup=False, highlight=False)

    def _finish(self, stage: str, seconds: float, text: str) -> None:
        self._whole.end(stage)
        task = self._tasks[stage]
        self._bar.start_task(task)
        self._bar.update(task, completed=1, total=1, count="done", clock=clock(seconds), text=text)
        self._show_all()

    def _show_all(self) -> None:
        spent = clock(time.monotonic() - self._start)
        share, left = self._whole.share, self._whole.left()
        text = "" if left is None else f"about {clock(left)} left"
        self._bar.update(self._all, completed=share, total=1, count=f"{share:.0%}", clock=spent, text=text)


class Whole:
    """How much of a pipeline is done, stages weighed by the time that they are expected to take."""

    def __init__(self, stages: Sequence[str], expected: Mapping[str, float]) -> None:
        self._weights = {stage: max(1.0, expected.get(stage, 0.0)) for stage in stages}
        self._done = dict.fromkeys(stages, 0.0)
        self._began: tuple[float, float] | None = None  # time and share of the first work of this session

    def advance(self, stage: str, done: float, total: float) -> None:
        """A stage is so far; the parts of one that counts several things only grow."""
        if total:
            if self._began is None:
                self._began = (time.monotonic(), self.share)
            self._done[stage] = max(self._done[stage], min(1.0, done / total))

    def end(self, stage: str) -> None:
        """It is done."""
        self._done[stage] = 1.0

    @property
    def share(self) -> float:
        """0 to 1."""
        total = sum(self._weights.values())
        return sum(self._weights[stage] * done for stage, done in self._done.items()) / total

    def left(self) -> float | None:
        """Seconds that are left at the speed of this session; None while too little is known, and in the end."""
        if self._began is None:
            return None
        started, before = self._began
        gained = self.share - before
        if gained < _ENOUGH or self.share >= 1:
            return None
        return (time.monotonic() - started) / gained * (1 - self.share)

    def text(self) -> str:
        """In a few words."""
        left = self.left()
        return f"{self.share:.0%} of all" + ("" if left is None else f", about {clock(left)} left")


def view_for(stages: Sequence[str], expected: Mapping[str, float], stream: IO[str]) -> PipelineView:
    """Bars where `stream` is a terminal, else lines; lines under `make` too, whose own lines bars would overwrite."""
    if stream.isatty() and "MAKELEVEL" not in os.environ:
        return Bars(stages, expected, stream)
    return Lines(stages, expected, stream)


def clock(seconds: float) -> str:
    """Minutes and seconds, hours where there are any."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
