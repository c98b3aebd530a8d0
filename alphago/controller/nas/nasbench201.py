"""NAS-Bench-201 (Dong and Yang, ICLR 2020): all 15,625 cells of a space, trained and measured once and for all.

A cell has three nodes beside its input; each of the six edges between them carries one of five operations. The table says how
accurate every cell is after 12 epochs and how many seconds that takes, which a search may see, and how accurate it is after 200,
which is what a search is judged by.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import itertools
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

import numpy as np
from numpy.typing import NDArray

from alphago.controller.nas.space import Choice, Choices, Group, Space
from alphago.errors import AlphaGoError
from alphago.files import write_atomically

OPERATIONS: Final = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
EDGES: Final = ((1, 0), (2, 0), (2, 1), (3, 0), (3, 1), (3, 2))
"""(to, from)."""
CELLS: Final = len(OPERATIONS) ** len(EDGES)
BUDGET_SECONDS: Final = 12_000.0
"""Simulated seconds of a search in the published comparison."""
REWARD: Final = "cifar10_val_12ep"
SECONDS: Final = "train_seconds_12ep"
LATENCY: Final = "latency_ms_gold_6226"
"""Milliseconds of an inference on a server's processor (Intel Xeon Gold 6226)."""
SYNTHETIC: Final = "the synthetic table"
MADE_UP: Final = "synthetic"
"""A column of a table that is made by rule: so a file of it says what it is."""
JUDGED: Final = ("cifar10_test_200ep", "cifar100_test_200ep", "imagenet16_test_200ep")
"""Percent; never seen by a search."""


class TableError(AlphaGoError):
    """A file that is no complete table of cells; the message names the file and what is missing."""


def space() -> Space:
    """Six decisions of five operations."""
    return Space(Group(**{f"edge{to}{source}": Choice(*OPERATIONS) for to, source in EDGES}))


def cell_of(choices: Choices) -> str:
    """The cell as the table writes it: |op~0|+|op~0|op~1|+|op~0|op~1|op~2|."""
    named = dict(zip(EDGES, choices, strict=True))
    nodes = ["|".join(f"{OPERATIONS[named[to, source]]}~{source}" for source in range(to)) for to in (1, 2, 3)]
    return "+".join(f"|{node}|" for node in nodes)


def index_of(choices: NDArray[np.int64]) -> NDArray[np.int64]:
    """Row of each cell in a `Table`: choices [n, 6] read as digits, the first the highest."""
    powers = len(OPERATIONS) ** np.arange(len(EDGES) - 1, -1, -1)
    found: NDArray[np.int64] = choices @ powers
    return found


@dataclass(frozen=True)
class Table:
    """Columns of numbers by name, float64 [15625], in the order of `index_of`."""

    name: str
    columns: dict[str, NDArray[np.float64]]

    def __getitem__(self, column: str) -> NDArray[np.float64]:
        if column not in self.columns:
            raise TableError(f"{self.name}: no column {column!r}; there are {', '.join(self.columns)}")
        return self.columns[column]

    @property
    def is_synthetic(self) -> bool:
        """Whether it is made by rule: nothing in it was measured."""
        return MADE_UP in self.columns

    @property
    def digest(self) -> str:
        """16 hexadecimal digits that stand for the contents."""
        found = hashlib.sha256()
        for name, values in sorted(self.columns.items()):
            found.update(f"{name}\n".encode() + np.ascontiguousarray(values).tobytes())
        return found.hexdigest()[:16]


def load_table(path: Path) -> Table:
    """Read a table: CSV, perhaps gzipped, with a header; the column `cell` and columns of numbers.

    Raises:
        TableError: it cannot be read, a cell is missing, unknown or twice, or a number is none.
    """
    where = {cell_of(choices): row for row, choices in enumerate(all_choices())}
    try:
        with _opened(path) as file:
            reader = csv.DictReader(file)
            names = [name for name in reader.fieldnames or () if name != "cell"]
            if reader.fieldnames is None or "cell" not in reader.fieldnames or not names:
                raise TableError(f"{path}: no table of cells: its header must have `cell` and columns of numbers")
            data = np.full((len(names), CELLS), np.nan)
            seen = np.zeros(CELLS, dtype=bool)
            for line, row in enumerate(reader, 2):
                place = where.get(row["cell"])
                if place is None:
                    raise TableError(f"{path}:{line}: no cell of NAS-Bench-201: {row['cell']!r}")
                if seen[place]:
                    raise TableError(f"{path}:{line}: the cell {row['cell']} is there twice")
                seen[place] = True
                for column, name in enumerate(names):
                    data[column, place] = _number(row[name], path, line, name)
    except OSError as error:
        raise TableError(f"{path}: {error.strerror or error}") from None
    except (UnicodeDecodeError, EOFError, csv.Error, zlib.error) as error:
        raise TableError(f"{path}: cannot be read: {error}") from None
    if not seen.all():
        first = cell_of(list(all_choices())[int(np.argmin(seen))])
        raise TableError(f"{path}: {CELLS - int(seen.sum()):,} of {CELLS:,} cells are missing, such as {first}")
    table = Table(path.name, dict(zip(names, data, strict=True)))
    if SECONDS in names and table[SECONDS].min() <= 0:  # a budget of seconds would never be spent
        first = cell_of(list(all_choices())[int(table[SECONDS].argmin())])
        raise TableError(f"{path}: {SECONDS} of {first} is {table[SECONDS].min():g}, expected more than 0")
    return table


def save_table(path: Path, table: Table) -> None:
    """Write a table as `load_table` reads it, gzipped where the name ends in .gz. Raises TableError."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["cell", *table.columns])
    for row, choices in enumerate(all_choices()):
        writer.writerow([cell_of(choices), *(f"{values[row]:.4f}" for values in table.columns.values())])
    data = text.getvalue().encode()
    write_atomically(path, gzip.compress(data, mtime=0) if path.suffix == ".gz" else data, TableError)


def _opened(path: Path) -> IO[str]:
    return gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8")


def _number(text: str | None, path: Path, line: int, name: str) -> float:
    try:
        value = float(text or "")
    except ValueError:
        value = np.nan
    if not np.isfinite(value):
        raise TableError(f"{path}:{line}: {name} is {text!r}, expected a number")
    return value


def all_choices() -> itertools.product[tuple[int, ...]]:
    """Every cell, in the order of `index_of`."""
    return itertools.product(range(len(OPERATIONS)), repeat=len(EDGES))


def synthetic_table(seed: int = 0) -> Table:
    """A made-up table for trying the commands: convolutions help, cells that pass nothing on are worthless; nothing is measured.

    It is the shape of the real one (the same columns, the same noise between 12 and 200 epochs), not its contents.
    """
    random = np.random.default_rng(seed)
    choices = np.array(list(all_choices()))
    gains = np.array([0.0, 1.5, 3.0, 4.5, 0.5])[choices] * np.array([1.0, 0.8, 0.8, 1.2, 0.7, 0.9])
    convolutions = (choices >= 2) & (choices <= 3)
    connected = _reaches_the_end(choices)
    quality = np.where(connected, gains.sum(1) + 2.0 * (choices == 1).any(1) - 0.12 * convolutions.sum(1) ** 2, -40.0)
    true = 93.0 + 1.4 * np.tanh((quality - np.quantile(quality, 0.9)) / 6) + np.minimum(0, quality / 8)
    seconds = 40 + 12 * (choices == 2).sum(1) + 26 * (choices == 3).sum(1) + 6 * (choices == 4).sum(1)

    def measured(scale: float, offset: float, noise: float) -> NDArray[np.float64]:
        found: NDArray[np.float64] = np.clip(offset + scale * (true - 93) + random.normal(0, noise, CELLS), 1.0, 99.9)
        return found

    columns = {
        MADE_UP: np.ones(CELLS),
        REWARD: measured(1.6, 82.0, 0.8),
        SECONDS: seconds.astype(np.float64),
        JUDGED[0]: measured(1.0, 93.0, 0.15),
        JUDGED[1]: measured(2.5, 70.0, 0.4),
        JUDGED[2]: measured(2.6, 44.0, 0.6),
        "latency_ms": 2.0 + seconds / 11 + random.normal(0, 0.15, CELLS),
    }
    return Table(SYNTHETIC, columns)


def _reaches_the_end(choices: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether anything of the input arrives at the last node."""
    used = choices > 0
    alive = {0: np.ones(len(choices), dtype=bool)}
    for to in (1, 2, 3):
        alive[to] = np.zeros(len(choices), dtype=bool)
        for number, (end, source) in enumerate(EDGES):
            if end == to:
                alive[to] |= used[:, number] & alive[source]
    return alive[3]
