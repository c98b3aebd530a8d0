"""Groups by rule: which operations are placed as one, beyond those that are bound together.

The rule of Mirhoseini and others (2017), section 3.3: an operation whose output only one other reads joins it, again and again;
and what one call of a module computes is one group (a step of an LSTM, a convolution with its normalisation). Of a training step
next to nothing has one reader, since its own gradient reads it too; a gradient is where its operation is, whoever reads it. The
other rule joins only as long as a group stays small, so that a chain can still be cut.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from alphago.controller.placement.graph import Graph, Ints, PlacementError

Rule: TypeAlias = Literal["bound", "chains", "paper"]
RULES: Final = ("bound", "chains", "paper")
LARGEST: Final = 1 / 96
"""Of all work, that a group of "chains" may be."""


def grouped(
    graph: Graph,
    rule: Rule = "bound",
    *,
    largest: float = LARGEST,
    most_bytes: float = math.inf,
    scopes: Sequence[str] | None = None,
) -> Ints:
    """A group for every operation, int64 [N].

    Args:
        rule: "bound": co-locations alone; "chains": what only one reads, or reads only one, joins it while a group has no more than
            `largest` of all work and `most_bytes`, and the same kinds of devices can compute both; "paper": the rule of 2017, and
            `scopes` as one group each.
        scopes: [N]: operations with the same name are of one call of a module.

    Raises:
        PlacementError: unknown rule, or a limit that is no share.
    """
    if rule not in RULES:
        raise PlacementError(f"unknown rule of grouping {rule!r}: {', '.join(RULES)}")
    if not 0 < largest <= 1:
        raise PlacementError(f"a group of at most {largest:g} of all work: expected more than 0 and at most 1")
    joined = _Joined(graph)
    if graph.together is not None:
        first: dict[int, int] = {}
        for op, bound in enumerate(graph.together.tolist()):
            if bound >= 0:
                joined.join(op, first.setdefault(bound, op))
    if rule == "paper":
        by_scope: dict[str, int] = {}
        for op, scope in enumerate(scopes or ()):
            joined.join(op, by_scope.setdefault(scope, op))
        for op in graph.order[::-1].tolist():
            if len(graph.readers[op]) == 1 and not (graph.backward is not None and graph.backward[op]):
                joined.join(op, graph.readers[op][0])
    elif rule == "chains":
        _join_chains(graph, joined, largest, most_bytes)
    return np.array([joined.root(op) for op in range(len(graph))], dtype=np.int64)


def _join_chains(graph: Graph, joined: _Joined, largest: float, most_bytes: float) -> None:
    """Join along edges, the smallest groups first, where that can make no circle among groups that had none."""
    times = np.stack(list(graph.times.values()))
    work, unable = times.min(axis=0), np.isinf(times)
    limit, held = largest * work.sum(), graph.memory + graph.activations
    weight: dict[int, float] = {}
    size: dict[int, float] = {}
    impossible: dict[int, NDArray[np.bool_]] = {}  # kinds of devices
    for op in range(len(graph)):
        root = joined.root(op)
        weight[root] = weight.get(root, 0.0) + float(work[op])
        size[root] = size.get(root, 0.0) + float(held[op])
        impossible[root] = impossible.get(root, False) | unable[:, op]
    while True:
        readers: dict[int, set[int]] = {root: set() for root in weight}
        sources: dict[int, set[int]] = {root: set() for root in weight}
        for a, b in graph.edges.tolist():
            x, y = joined.root(a), joined.root(b)
            if x != y:
                readers[x].add(y)
                sources[y].add(x)
        pairs = [
            (weight[x] + weight[y], x, y)
            for x, found in readers.items()
            for y in found
            if len(found) == 1 or len(sources[y]) == 1
        ]
        touched: set[int] = set()
        for total, x, y in sorted(pairs):
            # groups that bound operations have made may be in circles already; those are left as they are
            if total > limit or x in touched or y in touched or x in readers[y]:
                continue
            if size[x] + size[y] > most_bytes or (impossible[x] != impossible[y]).any():
                continue
            touched |= {x, y}
            joined.join(y, x)
            weight[x], size[x] = total, size[x] + size[y]
            del weight[y]
        if not touched:
            return


class _Joined:
    """Disjoint sets of operations."""

    def __init__(self, graph: Graph) -> None:
        self._parent = list(range(len(graph)))

    def root(self, op: int) -> int:
        while self._parent[op] != op:
            self._parent[op] = self._parent[self._parent[op]]
            op = self._parent[op]
        return op

    def join(self, op: int, other: int) -> None:
        """The set of `op` becomes part of that of `other`."""
        self._parent[self.root(op)] = self.root(other)
