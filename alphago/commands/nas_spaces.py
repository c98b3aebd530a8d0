"""What `alphago nas` can search: how a space's problem is made from options, and how its answers are told."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import typer

if TYPE_CHECKING:
    from alphago.controller.nas.nasbench201 import Table
    from alphago.controller.nas.objective import Problem

SPACES: Final = ("nasbench201", "conv", "go")


@dataclass(frozen=True)
class Asked:
    """A problem that can be searched."""

    problem: Problem
    about: dict[str, Any]
    """What a search of it depends on; a search that goes on must have the same."""
    budget: str
    """Where none is given."""
    controller: str
    batch: int
    value: str
    """What the value is, for people."""
    check: Callable[[float], None] = field(default=lambda limit_ms: None)
    """Raises where no answer can keep a latency limit, as far as that is known."""
    hand_ms: float | None = None
    """Milliseconds of the network that a person made, where there is one and it was measured on this machine."""


def nasbench201(table: Path | None, latency: str | None) -> Asked:
    """The cells of a table; None: the synthetic one."""
    from alphago.controller.nas.nasbench201 import BUDGET_SECONDS
    from alphago.controller.nas.objective import Limit
    from alphago.controller.nas.problems import TimedTableProblem, table_problem

    found = open_table(table)
    problem = table_problem(found, latency=latency)

    def check(limit_ms: float) -> None:
        if not isinstance(problem, TimedTableProblem):
            raise typer.BadParameter(f"{found.name} has no latencies", param_hint="--latency-limit")
        problem.check(Limit(limit_ms))

    return Asked(
        problem,
        {"space": "nasbench201", "table": found.name, "table_hash": found.digest, "latency": problem.latency},
        f"{BUDGET_SECONDS:g}s",
        "factorised",
        1,
        "accuracy after 12 epochs, %",
        check,
    )


def open_table(table: Path | None) -> Table:
    """The table of a file; None: the synthetic one."""
    from alphago.controller.nas.nasbench201 import load_table, synthetic_table

    return synthetic_table() if table is None else load_table(table)


def conv(layers: int, epochs: int) -> Asked:
    """Layer-by-layer networks on digits."""
    from alphago.controller.nas.convolutional import ConvProblem, digits
    from alphago.controller.nas.objective import Limit

    digits()  # what is missing is said before anything begins
    problem = ConvProblem(layers, epochs=epochs)

    def check(limit_ms: float) -> None:
        problem.check(Limit(limit_ms))

    return Asked(
        problem,
        {"space": "conv", "layers": layers, "epochs": epochs},
        "200",
        "lstm",
        2,
        "validation accuracy, cubed",
        check,
    )


def refuse_others(space: str, given: Mapping[str, tuple[Any, str]]) -> None:
    """Options that another space has are no options of this one. Raises BadParameter.

    Args:
        given: by option, its value (None, False: it was not given) and its space.
    """
    for option, (value, of) in given.items():
        if value is not None and value is not False and of != space:
            raise typer.BadParameter(f"is of the space {of}, not of {space}", param_hint=option)
