"""How a search tells how far it is: a bar with the best found on a terminal, lines elsewhere, curves for TensorBoard."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from alphago.commands.train_progress import LINE_SECONDS, Screen

if TYPE_CHECKING:
    from alphago.controller.nas.objective import Budget
    from alphago.controller.nas.search import Progress, Tried

_STRATEGY: Final = ("entropy", "return", "reward", "population", "gradient", "redrawn")
"""Numbers of strategies that have a curve."""


class SearchScreen(Screen):
    """Shows a search; a context manager.

    Args:
        run: where TensorBoard's files go; None: nowhere.
        name: of an answer, for people.
    """

    def __init__(self, run: Path | None, budget: Budget, name: Callable[[Tried], str] = lambda one: one.key) -> None:
        super().__init__(run)
        self._budget, self._name = budget, name
        self._logged = 0
        self._due = 0.0
        self._began: tuple[float, float] | None = None

    def __enter__(self) -> SearchScreen:
        return self

    def batch(self, progress: Progress) -> None:
        """After every batch of a search."""
        done = len(progress.tried)
        if done > self._logged:
            self._log(progress)
            self._logged = done
        spent, total = float(progress.charged), float(self._budget.evaluations or 0)
        if self._budget.seconds is not None:
            spent, total = progress.seconds, self._budget.seconds
        now = time.monotonic()
        over = self._budget.is_spent(progress.charged, progress.seconds)
        if done <= progress.recorded and not over:
            self._began = (now, spent)  # so far it only repeats its journal
            return
        began, before = self._began or (now, 0.0)
        left = (now - began) / max(1e-9, spent - before) * max(0.0, total - spent) if spent > before else 0.0
        self._began = (began, before)
        text = self._text(progress)
        if sys.stderr.isatty() and "MAKELEVEL" not in os.environ:
            self.tell(int(min(spent, total)), int(total), left, text)
        elif now >= self._due or over:
            self._due = now + LINE_SECONDS
            unit = "" if self._budget.seconds is None else " s"
            self.say(f"{spent:,.0f}/{total:,.0f}{unit}: {text}")

    def _text(self, progress: Progress) -> str:
        parts = [f"{len(progress.tried):,} measured"]
        parts += [f"{progress.repeats:,} repeats"] if progress.repeats else []
        parts += [f"{progress.failures:,} failed"] if progress.failures else []
        best = progress.best
        if best is None:
            return ", ".join([*parts, "nothing keeps the limit yet"])
        latency = "" if best.measured.latency_ms is None else f" in {best.measured.latency_ms:.3g} ms"
        return ", ".join([*parts, f"best {best.measured.value:.5g}{latency} {self._name(best)}"])

    def _log(self, progress: Progress) -> None:
        for one in progress.tried[self._logged :]:
            if one.measured.valid:
                more = {"search/latency_ms": one.measured.latency_ms} if one.measured.latency_ms is not None else {}
                more |= {f"search/{name}": value for name, value in one.measured.more.items()}
                self.log(one.number + 1, {"search/value": one.measured.value, **more})
        values = {
            "search/seconds": progress.seconds,
            "search/repeats": float(progress.repeats),
            "search/failures": float(progress.failures),
        }
        if progress.best is not None:
            values["search/best"] = progress.best.measured.value
        values |= {f"strategy/{name}": progress.numbers[name] for name in _STRATEGY if name in progress.numbers}
        self.log(len(progress.tried), values)


class Stop:
    """Hands Ctrl-C to whatever is under way, and to what begins after it."""

    def __init__(self) -> None:
        self._stop: Callable[[], None] = lambda: None
        self.asked = False

    def at(self, stop: Callable[[], None]) -> None:
        """From now on this is what is stopped."""
        self._stop = stop
        if self.asked:
            stop()

    def __call__(self) -> None:
        self.asked = True
        self._stop()
