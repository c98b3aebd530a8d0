"""The rows of the comparison on NAS-Bench-201: what is run, what was published, what is to be reached."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from alphago.controller.nas.nasbench201 import BUDGET_SECONDS, JUDGED, LATENCY, Table
from alphago.controller.nas.objective import Limit
from alphago.controller.nas.strategies import Learning, published, tuned
from alphago.controller.nas.study import Found, run_evolution, run_learned, run_random
from alphago.errors import AlphaGoError
from alphago.messages import did_you_mean

TOLERANCE: Final = (0.15, 0.30, 0.30)
"""Points by which a mean may differ from a published one."""
DATA_SETS: Final = ("CIFAR-10", "CIFAR-100", "ImageNet16")
"""Names of `JUDGED`, for people."""


class ComparisonError(AlphaGoError):
    """A row that there is not."""


@dataclass(frozen=True)
class Row:
    """One row."""

    name: str
    what: str
    run: Callable[[Table, int, int, float], Found]
    """(table, runs, seed, budget in seconds)."""
    columns: tuple[str, ...] = JUDGED
    """What it is judged by."""
    published: tuple[float, ...] | None = None
    """Means that it must come to within `TOLERANCE`."""
    must: tuple[float, ...] | None = None
    aim: tuple[float, ...] | None = None
    versus: str | None = None
    """The row that it must not be worse than, by more than the interval of the difference."""
    limit_ms: float | None = None


@dataclass(frozen=True)
class Outcome:
    """What a row came to."""

    row: Row
    runs: int
    means: tuple[float, ...]
    """Percent, in the order of the row's columns."""
    deviations: tuple[float, ...]
    """Of single runs."""
    evaluations: float
    """Cells that a run paid for, on average."""
    violations: int
    """Answers that break the limit, or runs without an answer."""
    seconds: float
    """That it took."""
    unanswered: int = 0
    """Runs without an answer: no part of means and deviations."""

    @property
    def errors(self) -> tuple[float, ...]:
        """Half the widths of the means' 95 % intervals."""
        answered = max(1, self.runs - self.unanswered)
        return tuple(1.96 * deviation / math.sqrt(answered) for deviation in self.deviations)

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        row = self.row
        return {
            "row": row.name,
            "what": row.what,
            "runs": self.runs,
            "columns": list(row.columns),
            "means": [round(value, 4) for value in self.means],
            "deviations": [round(value, 4) for value in self.deviations],
            "evaluations": round(self.evaluations, 2),
            "limit_ms": row.limit_ms,
            "violations": self.violations,
            "published": row.published,
            "must": row.must,
            "aim": row.aim,
            "seconds": round(self.seconds, 1),
        }


def _published(table: Table, runs: int, seed: int, budget: float) -> Found:
    return run_learned(table, runs, published(), seed=seed, budget=budget)


def _tuned(controller: str, change: Callable[[Learning], Learning] = lambda one: one) -> Callable[..., Found]:
    def run(table: Table, runs: int, seed: int, budget: float) -> Found:
        return run_learned(table, runs, change(tuned(controller)), controller=controller, seed=seed, budget=budget)

    return run


def _with_repeats(learning: Learning) -> Learning:
    assert learning.replay is not None
    return replace(learning, replay=replace(learning.replay, fresh=False))


def _limited(limit_ms: float) -> Callable[..., Found]:
    def run(table: Table, runs: int, seed: int, budget: float) -> Found:
        return run_learned(
            table, runs, tuned(), seed=seed, budget=budget, limit=Limit(limit_ms), latency=LATENCY, screen=True
        )

    return run


def _limit_row(limit_ms: float, must: float, aim: float, other: str) -> Row:
    return Row(
        f"limit-{limit_ms:g}",
        f"tuned, at most {limit_ms:g} ms on {LATENCY.removeprefix('latency_ms_')} (MetaD2A+HELP: {other})",
        _limited(limit_ms),
        columns=(JUDGED[1],),
        must=(must,),
        aim=(aim,),
        limit_ms=limit_ms,
    )


ROWS: Final[tuple[Row, ...]] = (
    Row(
        "random",
        "random search",
        lambda table, runs, seed, budget: run_random(table, runs, seed=seed, budget=budget),
        published=(93.70, 71.04, 44.57),
    ),
    Row(
        "evolution",
        "regularised evolution, population 10, sample 3",
        lambda table, runs, seed, budget: run_evolution(table, runs, seed=seed, budget=budget),
        published=(93.92, 71.84, 45.54),
    ),
    Row("reinforce", "REINFORCE as published", _published, published=(93.85, 71.71, 45.24)),
    Row(
        "tuned",
        "REINFORCE, tuned on other data sets' rewards",
        _tuned("factorised"),
        must=(93.92, 71.92, 45.40),
        aim=(94.05, 72.30, 45.70),
    ),
    Row("tuned-repeats", "the same, proposing (and paying for) cells again", _tuned("factorised", _with_repeats)),
    Row("lstm", "tuned, LSTM controller in place of factorised logits", _tuned("lstm"), versus="tuned"),
    _limit_row(8, 67.5, 68.0, "67.3 at 8.0 ms"),
    _limit_row(11, 70.3, 70.8, "70.2 at 10.7 ms"),
    _limit_row(14, 71.4, 72.0, "72.1 at 14.3 ms, over the limit"),
)
"""Published: Dong and Yang 2020 (500 runs); the rows with a limit: Lee and others 2021, whose search measures ten latencies where
ours looks up each that it proposes."""


def rows_named(names: list[str]) -> list[Row]:
    """Rows by name, in the order of `ROWS`; none: all. Raises ComparisonError."""
    known = [row.name for row in ROWS]
    for name in names:
        if name not in known:
            raise ComparisonError(f"no row {name!r}{did_you_mean(name, known)}; there are {', '.join(known)}")
    return [row for row in ROWS if row.name in names or not names]


def outcome_of(row: Row, table: Table, found: Found, seconds: float) -> Outcome:
    """What a row's runs came to."""
    judged = found.judged(table, row.columns)
    answered = found.cells >= 0
    violations = int((~answered).sum())
    if row.limit_ms is not None:
        violations += int((table[LATENCY][found.cells[answered]] > row.limit_ms).sum())
    values: NDArray[np.float64] = judged[answered]
    return Outcome(
        row,
        len(judged),
        tuple(values.mean(axis=0).tolist()) if len(values) else (math.nan,) * len(row.columns),
        tuple(values.std(axis=0, ddof=1).tolist()) if len(values) > 1 else (math.nan,) * len(row.columns),
        float(found.evaluations.mean()),
        violations,
        seconds,
        int((~answered).sum()),
    )


def verdict(outcome: Outcome, others: dict[str, Outcome]) -> str:
    """What the row came to against what it should, in a few words; "" where there is nothing to compare with."""
    row, means = outcome.row, outcome.means
    if outcome.violations:
        return f"{outcome.violations} violations"
    if row.published is not None:
        off = [abs(a - b) for a, b in zip(means, row.published, strict=True)]
        return "as published" if all(o <= most for o, most in zip(off, TOLERANCE, strict=True)) else "not as published"
    if row.versus is not None and row.versus in others:
        other = others[row.versus]
        gains = [a - b for a, b in zip(means, other.means, strict=True)]
        errors = [math.hypot(a, b) for a, b in zip(outcome.errors, other.errors, strict=True)]
        text = ", ".join(f"{gain:+.2f} +-{error:.2f}" for gain, error in zip(gains, errors, strict=True))
        if all(gain > error for gain, error in zip(gains, errors, strict=True)):
            return f"better than {row.versus}: {text}"
        worse = any(gain < -error for gain, error in zip(gains, errors, strict=True))
        return f"{'worse than' if worse else 'not worse than'} {row.versus}: {text}"
    if row.must is None or row.aim is None:
        return ""
    reached = [name for name, goal in (("must", row.must), ("aim", row.aim)) if all(map(float.__ge__, means, goal))]
    return " and ".join(reached) + " reached" if reached else "must missed"


DEFAULT_RUNS: Final = 500
DEFAULT_BUDGET: Final = BUDGET_SECONDS
