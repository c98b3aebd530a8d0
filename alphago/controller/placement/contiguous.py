"""The exact optimum of throughput among contiguous placements, by dynamic programming over ideals.

A placement is contiguous where every device gets the difference of two ideals of the forward graph (sets that hold all that their
members read), and backward operations go where the forward ones of their co-location class are. This is the optimum of Tarnawski
and others (NeurIPS 2020), section 5.1 and appendix B: groups that depend on each other in a circle are joined, backward operations
without a forward partner get one of no cost with mirrored edges, and forward operations of no cost that hang on one neighbour
join it.

The recursion is theirs; the search is not: with a limit T on the load, the work before the k-th device has to lie in a narrow band,
since neither the devices before nor those after can do more than T each. T grows until a placement is found, and what is found
under the first such T is optimal.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from alphago.controller.placement.compiled import compiled
from alphago.controller.placement.graph import Floats, Ints, PlacementError
from alphago.controller.placement.problem import SLACK, Problem

MOST_IDEALS: Final = 200_000
GROWTH: Final = (1.003, 1.01, 1.02, 1.04, 1.07, 1.12, 1.2, 1.35, 1.6, 2.0, 3.0, 5.0, 10.0, 100.0, 1e4, 1e8)
"""Limits on the load that are tried, in units of the work that the devices have to share."""
_WORD: Final = 64


@dataclass(frozen=True)
class _Quotient:
    """Groups joined until the forward graph has no circles: M nodes."""

    node_of: Ints
    """[G]: the node of each group of the problem."""
    edges: set[tuple[int, int]]
    """Of the forward graph, none from a node to itself."""
    count: int


@dataclass(frozen=True)
class Contiguous:
    """What was found."""

    placement: Ints
    """[G]: a device for every group."""
    ms: float
    """The load of its busiest device: the least of all contiguous placements."""
    ideals: int
    pairs: int
    """Pairs of ideals whose difference was looked at."""


def best_contiguous(problem: Problem) -> Contiguous:
    """The contiguous placement with the least load of the busiest device.

    Raises:
        PlacementError: the graph has too many ideals for this method, or nothing contiguous fits in memory.
    """
    quotient = _quotient(problem)
    masks = _ideals(quotient, problem.graph.name)
    words = _words(masks, quotient.count)
    classes = problem.machine.alike()
    firsts = [same[0] for same in classes]
    times = np.zeros((quotient.count, len(classes)))
    np.add.at(times, quotient.node_of, problem.times[:, firsts])
    memory = np.bincount(quotient.node_of, problem.memory, minlength=quotient.count)
    crossings = _crossings(problem, quotient, firsts)
    able = np.isfinite(times)
    cheapest = np.where(able, times, np.inf).min(axis=1)
    # of a unit of the cheapest work, how much a class can do in a unit of time
    with np.errstate(divide="ignore", invalid="ignore"):
        speeds = np.where(able & (cheapest[:, None] > 0), cheapest[:, None] / times, 0.0).max(axis=0)
    members = _members(masks, quotient.count)
    prefix = members @ np.where(able, times, 0.0)  # [I, C]
    table = _Table(
        words,
        prefix,
        members @ (~able).astype(np.float64),
        members @ memory,
        members @ cheapest,
        np.array([problem.limits[first] for first in firsts]) * (1 + SLACK),
        crossings,
    )
    counts = [len(same) for same in classes]
    least = max(float(cheapest.sum() / max(1e-300, (speeds * counts).sum())), float(cheapest.max()))
    pairs = 0
    for factor in GROWTH:
        found = _search(table, counts, speeds, max(least, 1e-12) * factor)
        pairs += found.pairs
        if found.parts is not None:
            placement = _placement(found.parts, masks, classes, quotient)
            return Contiguous(placement, found.ms, len(masks), pairs)
    raise PlacementError(f"{problem.graph.name}: no contiguous placement fits in memory")


# --- the forward graph -----------------------------------------------------------------------------------------------------


def _quotient(problem: Problem) -> _Quotient:
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    edges = set(problem.forward_edges)
    node_of, count = np.arange(problem.groups), problem.groups
    while True:
        pairs = np.array(sorted(edges), dtype=np.int64).reshape(-1, 2)
        matrix = coo_array((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(count, count))
        joined, label = connected_components(matrix, directed=True, connection="strong")
        node_of = label[node_of].astype(np.int64)
        edges = {(int(label[a]), int(label[b])) for a, b in edges if label[a] != label[b]}
        count = int(joined)
        hanging = _hanging(problem, node_of, edges, count)
        if hanging is None:
            return _Quotient(node_of, edges, count)
        node_of = hanging[node_of]
        edges = {(int(hanging[a]), int(hanging[b])) for a, b in edges if hanging[a] != hanging[b]}
        count = int(hanging.max()) + 1


def _hanging(problem: Problem, node_of: Ints, edges: set[tuple[int, int]], count: int) -> Ints | None:
    """New numbers [M] in which a node of no cost that has one neighbour has joined it; None: there is no such node."""
    times = np.zeros(count)
    np.add.at(times, node_of, np.where(np.isfinite(problem.times), problem.times, np.inf).max(axis=1))
    neighbours: list[set[int]] = [set() for _ in range(count)]
    op_node = node_of[problem.group_of]
    for a, b in problem.graph.edges.tolist():
        x, y = int(op_node[a]), int(op_node[b])
        if x != y:
            neighbours[x].add(y)
            neighbours[y].add(x)
    for a, b in edges:
        neighbours[a].add(b)
        neighbours[b].add(a)
    parent = np.arange(count)
    for node in range(count):
        if times[node] < 1e-6 and len(neighbours[node]) == 1:
            (other,) = neighbours[node]
            if parent[other] == other:
                parent[node] = other
                neighbours[other].discard(node)
    if (parent == np.arange(count)).all():
        return None
    return np.unique(parent, return_inverse=True)[1].astype(np.int64)


def _ideals(quotient: _Quotient, name: str) -> list[int]:
    """All sets of nodes that hold what their members read, as bits, by size."""
    needs = [0] * quotient.count
    readers: list[list[int]] = [[] for _ in range(quotient.count)]
    for a, b in quotient.edges:
        needs[b] |= 1 << a
        readers[a].append(b)
    starts = [node for node in range(quotient.count) if not needs[node]]
    seen, level, found = {0}, [(0, tuple(starts))], [0]
    while level:
        following: list[tuple[int, tuple[int, ...]]] = []
        for ideal, open_nodes in level:
            for node in open_nodes:
                grown = ideal | 1 << node
                if grown in seen:
                    continue
                seen.add(grown)
                more = [reader for reader in readers[node] if needs[reader] & ~grown == 0]
                following.append((grown, (*(other for other in open_nodes if other != node), *more)))
        found += [ideal for ideal, _ in following]
        if len(found) > MOST_IDEALS:
            raise PlacementError(
                f"{name}: more than {MOST_IDEALS:,} ideals: too branchy for the exact contiguous optimum; coarser groups have fewer"
            )
        level = following
    return found


def _words(masks: list[int], count: int) -> NDArray[np.uint64]:
    """[I, W]: bits as words."""
    words = -(-count // _WORD)
    low = (1 << _WORD) - 1
    rows = [[mask >> (_WORD * w) & low for w in range(words)] for mask in masks]
    return np.array(rows, dtype=np.uint64).reshape(len(masks), words)


def _members(masks: list[int], count: int) -> Floats:
    """[I, M]: 1 where a node is in an ideal."""
    size = -(-count // 8)
    data = np.frombuffer(b"".join(mask.to_bytes(size, "little") for mask in masks), dtype=np.uint8)
    return np.unpackbits(data.reshape(len(masks), size), axis=1, bitorder="little")[:, :count].astype(np.float64)


@dataclass(frozen=True)
class _Crossings:
    """Outputs that some other node reads, H of them, and what devices of C classes pay and hold for one they have a part of."""

    nodes: NDArray[np.uint64]
    """[H, W]: who makes it and who reads it, as a set of nodes."""
    maker: NDArray[np.uint64]
    """[H, W]: who makes it; nobody, where both ways cost the same and it does not matter."""
    out_ms: Floats
    """[H, C]: of the device of its maker."""
    in_ms: Floats
    """[H, C]: of every other that reads it."""
    bytes: Floats
    """[H]: that every other needs which reads it."""


def _crossings(problem: Problem, quotient: _Quotient, firsts: list[int]) -> _Crossings:
    """Outputs of the same nodes are one, whose costs are summed."""
    op_node = quotient.node_of[problem.group_of]
    sums: dict[tuple[int, int], Floats] = {}
    sizes: dict[tuple[int, int], float] = {}
    for op, readers in enumerate(problem.graph.readers):
        home = 1 << int(op_node[op])
        nodes = home
        for reader in readers:
            nodes |= 1 << int(op_node[reader])
        cost = np.stack([problem.tables.out_ms[op, firsts], problem.tables.in_ms[op, firsts]])  # [2, C]
        size = float(problem.tables.activations[op])
        if nodes != home and (cost.any() or size):
            key = (nodes, 0 if (cost[0] == cost[1]).all() and not size else home)
            sums[key] = sums.get(key, 0.0) + cost
            sizes[key] = sizes.get(key, 0.0) + size
    both = np.stack(list(sums.values())) if sums else np.zeros((0, 2, len(firsts)))
    nodes_of, makers = [nodes for nodes, _ in sums], [maker for _, maker in sums]
    held = np.array(list(sizes.values()), dtype=np.float64)
    return _Crossings(_words(nodes_of, quotient.count), _words(makers, quotient.count), both[:, 0], both[:, 1], held)


# --- the recursion -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Table:
    words: NDArray[np.uint64]  # [I, W]
    times: Floats  # [I, C]: of all members
    unable: Floats  # [I, C]: members that the class cannot compute
    memory: Floats  # [I]
    work: Floats  # [I]: where every member is on its best class
    limits: Floats  # [C]
    crossings: _Crossings


@dataclass(frozen=True)
class _Found:
    ms: float
    parts: list[tuple[int, int, int]] | None
    """(class, ideal after, ideal before) of every device in use; None: there is nothing within the limit."""
    pairs: int


def _search(table: _Table, counts: list[int], speeds: Floats, limit: float) -> _Found:
    """The best contiguous placement with no load above the limit."""
    ideals, whole = len(table.words), float(table.work[-1])
    states = list(itertools.product(*(range(count + 1) for count in counts)))
    best = {state: np.full(ideals, np.inf) for state in states}
    came: dict[tuple[int, ...], tuple[Ints, Ints]] = {}
    slack = 1e-9 * max(1.0, whole)
    band: dict[tuple[int, ...], Ints] = {}
    pairs = 0
    for state in states:
        done = limit * float((speeds * state).sum())
        left = limit * float((speeds * (np.array(counts) - state)).sum())
        inside = np.flatnonzero((table.work <= done + slack) & (table.work >= whole - left - slack))
        band[state] = inside
        values, source, kind = best[state], np.full(ideals, -1, np.int64), np.full(ideals, -1, np.int64)
        if not any(state):
            values[0] = 0.0
        for c, used in enumerate(state):
            if not used:
                continue
            before = (*state[:c], used - 1, *state[c + 1 :])
            better = best[before] < values
            values[better] = best[before][better]
            source[better], kind[better] = -2 - c, c  # nothing on this device
            known = band[before][np.isfinite(best[before][band[before]])]
            pairs += _extend(
                inside, known, best[before], values, source, kind, c,
                table.words, np.ascontiguousarray(table.times[:, c]), np.ascontiguousarray(table.unable[:, c]),
                table.memory, float(table.limits[c]), table.crossings.nodes, table.crossings.maker,
                np.ascontiguousarray(table.crossings.out_ms[:, c]), np.ascontiguousarray(table.crossings.in_ms[:, c]),
                table.crossings.bytes, limit,
            )  # fmt: skip
        came[state] = (source, kind)
    state, ideal = states[-1], ideals - 1
    ms = float(best[state][ideal])
    if not np.isfinite(ms):
        return _Found(ms, None, pairs)
    parts = []
    while any(state):
        source, kind = came[state]
        c, below = int(kind[ideal]), int(source[ideal])
        if c < 0:  # all that is left of the ideal is nothing: it is the empty one, reached without this device
            break
        if below >= 0:
            parts.append((c, ideal, below))
            ideal = below
        state = (*state[:c], state[c] - 1, *state[c + 1 :])
    return _Found(ms, parts, pairs)


@compiled
def _extend(
    after: Ints, before: Ints, reached: Floats, values: Floats, source: Ints, kind: Ints, c: int,
    words: NDArray[np.uint64], times: Floats, unable: Floats, memory: Floats, room: float,
    crossings: NDArray[np.uint64], makers: NDArray[np.uint64], out_ms: Floats, in_ms: Floats, sizes: Floats, limit: float,
) -> int:  # fmt: skip
    """Give one more device of a class every difference of two ideals within the limit; the pairs that were looked at."""
    pairs = 0
    width = words.shape[1]
    part = np.zeros(width, np.uint64)
    zero = np.uint64(0)
    for ideal in after:
        for below in before:
            time = times[ideal] - times[below]
            if time < 0 or time > limit or unable[ideal] != unable[below] or memory[ideal] - memory[below] > room:
                continue
            least = max(reached[below], time)
            if least >= values[ideal]:
                continue
            inside = True
            for w in range(width):
                if words[below, w] & ~words[ideal, w]:
                    inside = False
                    break
            if not inside:
                continue
            pairs += 1
            most, held = min(limit, values[ideal]), memory[ideal] - memory[below]
            for w in range(width):
                part[w] = words[ideal, w] & ~words[below, w]
            for h in range(len(crossings)):
                has, lacks, made = zero, zero, zero
                for w in range(width):
                    has |= crossings[h, w] & part[w]
                    lacks |= crossings[h, w] & ~part[w]
                    made |= makers[h, w] & part[w]
                if has and lacks:
                    time += out_ms[h] if made else in_ms[h]
                    held += 0.0 if made else sizes[h]
                    if time > most or held > room:
                        break
            cost = max(reached[below], time)
            if time <= limit and held <= room and cost < values[ideal]:
                values[ideal], source[ideal], kind[ideal] = cost, below, c
    return pairs


def _placement(
    parts: list[tuple[int, int, int]], masks: list[int], classes: list[list[int]], quotient: _Quotient
) -> Ints:
    """[G]: the devices of a class in the order in which its parts come."""
    left = [list(same) for same in classes]
    nodes = np.zeros(quotient.count, dtype=np.int64)
    for c, ideal, below in reversed(parts):
        device, inside = left[c].pop(0), masks[ideal] & ~masks[below]
        for node in range(quotient.count):
            if inside >> node & 1:
                nodes[node] = device
    found: Ints = nodes[quotient.node_of]
    return found
