"""How training tells how far it is: a bar on a terminal, lines elsewhere, and TensorBoard in the run's folder."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final

from alphago.train.loop import Report

LINE_SECONDS: Final = 10.0


class Screen:
    """A watcher of `alphago.train.loop`; a context manager.

    Args:
        run: where TensorBoard's files go; None: nowhere.
    """

    def __init__(self, run: Path | None) -> None:
        self._run = run
        self._board: Any = None
        self._bar: Any = None
        self._task: Any = None
        self._next = 0.0

    def __enter__(self) -> Screen:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()
        if self._board is not None:
            self._board.close()

    def report(self, report: Report) -> None:
        """Every few steps."""
        self.log(
            report.step,
            {
                **{f"train/{name}": value for name, value in report.values.items()},
                "train/learning_rate": report.rate,
                "train/positions_per_second": report.examples_per_second,
            },
        )
        self.tell(report.step, report.total, report.seconds_left, _line(report))

    def tell(self, step: int, total: int, seconds_left: float, text: str) -> None:
        """How far it is: the bar, or a line every `LINE_SECONDS`."""
        if sys.stderr.isatty() and "MAKELEVEL" not in os.environ:
            self._show(step, total, _duration(seconds_left), text)
        elif time.monotonic() >= self._next or step >= total:
            self._next = time.monotonic() + LINE_SECONDS
            print(f"step {step:,}/{total:,}, {_duration(seconds_left)} left: {text}", file=sys.stderr, flush=True)

    def measured(self, step: int, metrics: Mapping[str, float]) -> None:
        """After every measurement."""
        self.log(step, {f"held_out/{name}": value for name, value in metrics.items() if name != "positions"})
        parts = ", ".join(f"{name} {_number(name, value)}" for name, value in metrics.items())
        self.say(f"step {step:,}, held-out games: {parts}")

    def say(self, text: str) -> None:
        """A line above the bar."""
        if self._bar is not None:
            self._bar.console.print(text, markup=False, highlight=False)
        else:
            print(text, file=sys.stderr, flush=True)

    def _show(self, step: int, total: int, left: str, text: str) -> None:
        if self._bar is None:
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

            self._bar = Progress(
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.fields[left]} left"),
                TextColumn("{task.fields[text]}"),
                console=Console(file=sys.stderr),
                refresh_per_second=4,
            )
            self._task = self._bar.add_task("steps", total=total, text="", left="?")
            self._bar.start()
        self._bar.update(self._task, completed=step, total=total, text=text, left=left)

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Points of TensorBoard's curves."""
        if self._run is None:
            return
        if self._board is None:
            try:
                from torch.utils.tensorboard import SummaryWriter
            except ImportError:
                self.say("no TensorBoard here (pip install tensorboard): curves are not kept")
                self._run = None
                return
            self._board = SummaryWriter(str(self._run / "tensorboard"), purge_step=step)
        for name, value in values.items():
            self._board.add_scalar(name, value, step)


def _line(report: Report) -> str:
    values = report.values
    parts = [f"loss {values.get('total', float('nan')):.3f}"]
    parts += [f"top1 {100 * values['top1']:.1f} %"] if "top1" in values else []
    parts += [f"{name} {values[name]:.3f}" for name in ("policy", "outcome", "value") if name in values]
    return ", ".join([*parts, f"{report.examples_per_second:,.0f} positions/s", f"lr {report.rate:.1e}"])


def _number(name: str, value: float) -> str:
    if name in ("top1", "top5", "winner", "ownership"):
        return f"{100 * value:.2f} %"
    return f"{value:,.0f}" if name == "positions" else f"{value:.3f}"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}"
