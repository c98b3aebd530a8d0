"""How a match tells how far it is: a bar on a terminal, lines elsewhere. Games lost by a fault are always told."""

from __future__ import annotations

import os
import time
from typing import IO, Any, Final, Protocol

from alphago.arena.game import GameRecord
from alphago.arena.stats import Sprt
from alphago.arena.summary import Summary

LINE_SECONDS: Final = 5.0


class Progress(Protocol):
    """Shows the state of a match; a context manager."""

    def __enter__(self) -> Progress: ...

    def __exit__(self, *error: object) -> None: ...

    def show(self, game: GameRecord, summary: Summary) -> None:
        """After a game."""


class Lines:
    """A line every few seconds, and one for each fault."""

    def __init__(self, stream: IO[str], total: int, sprt: Sprt | None = None, every: float = LINE_SECONDS) -> None:
        self._stream, self._total, self._sprt, self._every = stream, total, sprt, every
        self._next = time.monotonic() + every

    def __enter__(self) -> Lines:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def show(self, game: GameRecord, summary: Summary) -> None:
        """Print what is due."""
        if game.message:
            print(f"game {game.index}: lost by {game.reason}: {game.message}", file=self._stream, flush=True)
        if time.monotonic() >= self._next or summary.played >= self._total:
            self._next = time.monotonic() + self._every
            print(
                f"{summary.played:,}/{self._total:,} games: {summary.line(self._sprt)}", file=self._stream, flush=True
            )


class Bar:
    """A Rich progress bar; faults are printed above it."""

    def __init__(self, stream: IO[str], total: int, sprt: Sprt | None = None) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as RichProgress

        columns: list[Any] = [
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[text]}"),
        ]
        self._bar = RichProgress(*columns, console=Console(file=stream), refresh_per_second=4)
        self._task = self._bar.add_task("games", total=total, text="")
        self._sprt = sprt

    def __enter__(self) -> Bar:
        self._bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._bar.stop()

    def show(self, game: GameRecord, summary: Summary) -> None:
        """Move the bar."""
        if game.message:
            self._bar.console.print(f"game {game.index}: lost by {game.reason}: {game.message}", markup=False)
        # Names are the user's: no markup of Rich's in them.
        self._bar.update(self._task, completed=summary.played, text=summary.line(self._sprt).replace("[", "\\["))


def progress_for(stream: IO[str], total: int, sprt: Sprt | None = None) -> Progress:
    """A bar where `stream` is a terminal, else lines; lines under `make` too, whose own lines a bar would overwrite."""
    if stream.isatty() and "MAKELEVEL" not in os.environ:
        return Bar(stream, total, sprt)
    return Lines(stream, total, sprt)
