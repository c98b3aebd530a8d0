"""What the sequence policies read of a group: types of its operations, shapes of its outputs, its neighbours, its costs.

Each kind of feature has columns of its own, side by side, and all are scaled to about 1. The first public implementation of a
hierarchical placer (TensorFlow's Grappler) adds the shapes on top of the type counts and keeps one incoming edge of each operation;
the tests hold this one to neither.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from alphago.controller.placement.graph import Floats
from alphago.controller.placement.problem import Problem

SHAPES: Final = 4
"""Outputs of a group whose shapes are told, the largest first; a shape is its four last dimensions."""
DIMENSIONS: Final = 4


@dataclass(frozen=True)
class Features:
    """Of G groups, by kind."""

    types: Floats
    """[G, K]: shares of the types among a group's operations; rows sum to 1."""
    shapes: Floats
    """[G, SHAPES * DIMENSIONS]: logarithms of dimensions, 0 where there is none; of a graph without shapes, of its bytes."""
    costs: Floats
    """[G, 2 + D]: transfer and memory, then the time on each device, against the problem's scale (0 where it cannot)."""
    reads: Floats
    """[G, G]: row g, column h: edges from operations of h to operations of g, logarithm of 1 and their number."""

    @property
    def width(self) -> int:
        """Columns of `rows`."""
        return int(self.types.shape[1] + self.shapes.shape[1] + self.costs.shape[1])

    def rows(self) -> Floats:
        """[G, width]: all but the neighbours, side by side."""
        return np.concatenate([self.types, self.shapes, self.costs], axis=1)

    def adjacency(self) -> Floats:
        """[G, 2 G]: whom a group reads, and who reads it."""
        return np.concatenate([self.reads, self.reads.T], axis=1)


def group_features(problem: Problem) -> Features:
    """Features of a problem's groups."""
    graph, group_of, groups = problem.graph, problem.group_of, problem.groups
    known = sorted(set(graph.types))
    column = {name: number for number, name in enumerate(known)}
    types = np.zeros((groups, len(known)))
    np.add.at(types, (group_of, np.array([column[name] for name in graph.types])), 1.0)
    reads = np.zeros((groups, groups))
    ends = group_of[graph.edges]
    np.add.at(reads, (ends[:, 1], ends[:, 0]), 1.0)
    np.fill_diagonal(reads, 0.0)
    scale = problem.scale_ms
    transfer = np.bincount(group_of, problem.tables.out_ms.max(axis=1), minlength=groups)
    times = np.where(np.isfinite(problem.times), problem.times, 0.0)
    share = problem.memory / max(1.0, float(problem.memory.sum()))
    costs = np.concatenate([transfer[:, None] / scale, groups * share[:, None], groups * times / scale], axis=1)
    return Features(
        types / types.sum(axis=1, keepdims=True), _shapes(problem), np.log1p(np.maximum(costs, 0.0)), np.log1p(reads)
    )


def _shapes(problem: Problem) -> Floats:
    graph = problem.graph
    found = np.zeros((problem.groups, SHAPES, DIMENSIONS))
    members: list[list[int]] = [[] for _ in range(problem.groups)]
    for op, group in enumerate(problem.group_of.tolist()):
        members[group].append(op)
    for group, ops in enumerate(members):
        largest = sorted(ops, key=lambda op: -float(graph.carried[op]))[:SHAPES]
        for place, op in enumerate(largest):
            shape = graph.shapes[op] if graph.shapes else (float(graph.carried[op]) / 1024,)
            row = [np.log1p(max(0.0, float(size))) / 8 for size in shape[-DIMENSIONS:]]
            found[group, place, DIMENSIONS - len(row) :] = row
    return found.reshape(problem.groups, SHAPES * DIMENSIONS)
