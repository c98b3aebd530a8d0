"""Problems that a table answers."""

from __future__ import annotations

from typing import Any

import numpy as np

from alphago.controller.nas import nasbench201
from alphago.controller.nas.nasbench201 import JUDGED, LATENCY, REWARD, SECONDS, Table, TableError, cell_of, index_of
from alphago.controller.nas.objective import Limit, Measured, ObjectiveError
from alphago.controller.nas.space import Choices


class TableProblem:
    """Cells of NAS-Bench-201: the value is a column of the table, the cost its seconds of training.

    Args:
        latency: column of milliseconds; None: there is none to limit.
    """

    def __init__(self, table: Table, *, reward: str = REWARD, latency: str | None = None) -> None:
        self.space = nasbench201.space()
        self.table, self.reward, self.latency = table, reward, latency
        self._value, self._seconds = table[reward], table[SECONDS]

    def key(self, choices: Choices) -> str:
        """The cell as the table writes it."""
        return cell_of(choices)

    def measure(self, choices: Choices, seed: int) -> Measured:
        """Look it up."""
        row = _row(choices)
        latency = None if self.latency is None else float(self.table[self.latency][row])
        return Measured(float(self._value[row]), float(self._seconds[row]), latency)

    def describe(self, choices: Choices) -> dict[str, Any]:
        """Its accuracies after 200 epochs, percent, as far as the table has them."""
        row = _row(choices)
        return {name: float(self.table[name][row]) for name in JUDGED if name in self.table.columns}


class TimedTableProblem(TableProblem):
    """The same where the table has latencies: they are known before a cell is trained."""

    def __init__(self, table: Table, *, reward: str = REWARD, latency: str) -> None:
        super().__init__(table, reward=reward, latency=latency)
        self._latency = table[latency]

    def latency_ms(self, choices: Choices) -> float:
        """See `alphago.controller.nas.objective.Timed`."""
        return float(self._latency[_row(choices)])

    def check(self, limit: Limit) -> None:
        """Raises ObjectiveError where no cell keeps the limit."""
        fastest = float(self._latency.min())
        if fastest > limit.latency_ms:
            raise ObjectiveError(
                f"no cell of {self.table.name} keeps a limit of {limit.latency_ms:g} ms: by {self.latency} the fastest "
                f"takes {fastest:.4g} ms"
            )


def table_problem(table: Table, *, reward: str = REWARD, latency: str | None = None) -> TableProblem:
    """The problem of a table, with latencies where it has them.

    Args:
        latency: their column; None: `LATENCY`, or else the first whose name begins with latency_ms.

    Raises:
        TableError: no such column.
    """
    found = [name for name in table.columns if name.startswith("latency_ms")]
    if latency is not None and latency not in found:
        raise TableError(f"{table.name}: no column {latency!r} of latencies; there are {', '.join(found) or 'none'}")
    chosen = latency or (LATENCY if LATENCY in found else next(iter(found), None))
    if chosen is None:
        return TableProblem(table, reward=reward)
    return TimedTableProblem(table, reward=reward, latency=chosen)


def _row(choices: Choices) -> int:
    return int(index_of(np.array([choices]))[0])
