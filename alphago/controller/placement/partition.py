"""Graph partitions as placements: METIS and Scotch cut the groups into parts of equal work with little to transfer between them.

They know nothing of the direction of edges or of devices that differ: they share the groups out among the devices of the fastest
kind. This is how the placement papers use them as baselines.
"""

from __future__ import annotations

import contextlib
import io
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from alphago.controller.placement.graph import Ints, PlacementError
from alphago.controller.placement.problem import Problem

SEED: Final = 0
_UNITS: Final = 100_000
"""Weights are whole numbers: shares of all work, and of the most expensive transfer, in these units."""


@dataclass(frozen=True)
class _Weighted:
    """Groups as an undirected graph in compressed rows."""

    starts: Ints  # [G + 1]
    neighbours: Ints  # [2 E]
    edge_weights: Ints  # [2 E]
    weights: Ints  # [G]


def metis(problem: Problem) -> Ints:
    """The multilevel k-way partition of METIS (Karypis and Kumar 1998): int64 [G]. Raises PlacementError: pymetis is absent."""
    try:
        import pymetis
    except ImportError:
        raise PlacementError("the METIS baseline needs pymetis: pip install 'alphago[placement]'") from None
    devices, graph = _fastest(problem), _weighted(problem)
    if len(devices) == 1 or problem.groups <= len(devices):
        return _numbered(devices, np.arange(problem.groups) % len(devices))
    _, parts = pymetis.part_graph(
        len(devices),
        pymetis.CSRAdjacency(graph.starts.tolist(), graph.neighbours.tolist()),
        vweights=graph.weights.tolist(),
        eweights=graph.edge_weights.tolist(),
        options=pymetis.Options(seed=SEED),
    )
    return _numbered(devices, np.array(parts))


def scotch(problem: Problem) -> Ints:
    """The partition of Scotch (Pellegrini and Roman 1996) on a complete graph of devices: int64 [G].

    Raises:
        PlacementError: pyscotch is absent, or cannot load its library.
    """
    try:
        with contextlib.redirect_stderr(io.StringIO()):  # it greets
            import pyscotch
            from pyscotch import libscotch
    except ImportError:
        raise PlacementError("the Scotch baseline needs pyscotch: pip install 'alphago[placement]'") from None
    except OSError as error:
        raise PlacementError(f"Scotch: {(str(error).splitlines() or ['its library cannot be loaded'])[0]}") from None
    devices, graph = _fastest(problem), _weighted(problem)
    if len(devices) == 1 or problem.groups <= len(devices):
        return _numbered(devices, np.arange(problem.groups) % len(devices))
    try:
        libscotch.SCOTCH_randomSeed(SEED)
        libscotch.SCOTCH_randomReset()
        with pyscotch.Graph() as found:
            found.build(graph.starts, graph.neighbours, graph.weights, graph.edge_weights)
            parts = np.asarray(found.partition(len(devices)))
    except (OSError, RuntimeError, ValueError, AttributeError) as error:
        raise PlacementError(f"Scotch: {(str(error).splitlines() or [type(error).__name__])[0]}") from None
    return _numbered(devices, parts)


def _numbered(devices: list[int], parts: NDArray[Any]) -> Ints:
    """Devices of the groups, by the number of the part of each."""
    found: Ints = np.array(devices, dtype=np.int64)[parts]
    return found


def _fastest(problem: Problem) -> list[int]:
    found: list[int] = np.flatnonzero(problem.fastest).tolist()
    return found


def _weighted(problem: Problem) -> _Weighted:
    moves = problem.tables.out_ms.max(axis=1)
    between: dict[tuple[int, int], float] = {}
    for op, readers in enumerate(problem.graph.readers):
        home = int(problem.group_of[op])
        for other in {int(problem.group_of[reader]) for reader in readers} - {home}:
            for pair in ((home, other), (other, home)):
                between[pair] = between.get(pair, 0.0) + float(moves[op])
    pairs = sorted(between)
    most = max(between.values(), default=0.0)
    starts = np.searchsorted(np.array([a for a, _ in pairs], dtype=np.int64), np.arange(problem.groups + 1))
    weight = [1 + round(_UNITS * between[pair] / most) if most > 0 else 1 for pair in pairs]
    return _Weighted(
        starts.astype(np.int64),
        np.array([b for _, b in pairs], dtype=np.int64),
        np.array(weight, dtype=np.int64),
        np.maximum(1, np.round(_UNITS * problem.work / max(problem.work.sum(), 1e-300))).astype(np.int64),
    )
