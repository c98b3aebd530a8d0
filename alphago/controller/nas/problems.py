"""Problems that a table answers."""

from __future__ import annotations

import numpy as np

from alphago.controller.nas import nasbench201
from alphago.controller.nas.nasbench201 import REWARD, SECONDS, Table, cell_of, index_of
from alphago.controller.nas.objective import Measured
from alphago.controller.nas.space import Choices


class TableProblem:
    """Cells of NAS-Bench-201: the value is a column of the table, the cost its seconds of training.

    Args:
        latency: column of milliseconds; None: there is none to limit.
    """

    def __init__(self, table: Table, *, reward: str = REWARD, latency: str | None = None) -> None:
        self.space = nasbench201.space()
        self.table = table
        self._value, self._seconds = table[reward], table[SECONDS]
        self._latency = None if latency is None else table[latency]

    def key(self, choices: Choices) -> str:
        """The cell as the table writes it."""
        return cell_of(choices)

    def measure(self, choices: Choices, seed: int) -> Measured:
        """Look it up."""
        row = int(index_of(np.array([choices]))[0])
        latency = None if self._latency is None else float(self._latency[row])
        return Measured(float(self._value[row]), float(self._seconds[row]), latency)
