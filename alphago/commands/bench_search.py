"""What `alphago bench search` measures: simulations a second of the pool, without any network."""

from __future__ import annotations

import time
from typing import Any, Final

from alphago import _core
from alphago.go import Board
from alphago.machine import peak_memory_mib
from alphago.nets.rollout import load_rollout_weights
from alphago.search import SearchParams

SLOTS: Final = {"uniform": 256, "rollout": 1}
"""Games at once: many short searches, or one long one."""
WARM_UP_SECONDS: Final = 0.5
_SLICE_SECONDS: Final = 0.25
_ENDLESS: Final = 100_000_000


def bench_params(evaluator: str, threads: int) -> SearchParams:
    """Search parameters of a measurement.

    uniform: self-play at 100 simulations a move, moves drawn at temperature 1, equal priors and value 0: trees alone.
    rollout: one search of the empty board with one softmax playout a simulation, priors of the rollout policy.
    """
    if evaluator == "uniform":
        return SearchParams(simulations=100, temperature=1.0, temperature_moves=100_000)
    # One leaf a thread in flight: with one leaf only one thread would have work.
    return SearchParams(rollouts="softmax", prior="rollout", expansion_threshold=2, leaves_in_flight=threads)


def search_row(size: int, evaluator: str, seconds: float, threads: int, seed: int) -> dict[str, Any]:
    """One measurement: simulations a second of all threads together."""
    params, slots = bench_params(evaluator, threads), SLOTS[evaluator]
    pool = _core.SearchPool(size=size, slots=slots, threads=threads, cache_mib=0, weights=load_rollout_weights())
    engine, board = _core.Engine(params.core()), Board(size, komi=7.5)
    autoplay = evaluator == "uniform"
    for slot in range(slots):
        pool.start(slot, seed + slot, [engine], board, autoplay=autoplay)
    if not autoplay:
        pool.search(0, _ENDLESS)
    next_seed = seed + slots

    def work(until: float) -> None:
        nonlocal next_seed
        while (left := until - time.perf_counter()) > 0:
            pool.run(seconds=min(left, _SLICE_SECONDS), games=slots // 4 if autoplay else 0)
            for record in pool.finished():
                pool.start(record["slot"], next_seed, [engine], board, autoplay=True)
                next_seed += 1

    work(time.perf_counter() + WARM_UP_SECONDS)
    before, start = pool.stats(), time.perf_counter()
    work(start + seconds)
    after, elapsed = pool.stats(), time.perf_counter() - start
    simulations, rollouts = (after[key] - before[key] for key in ("simulations", "rollouts"))
    return {
        "size": size,
        "evaluator": evaluator,
        "simulations_per_second": round(simulations / elapsed, 1),
        "rollouts_per_second": round(rollouts / elapsed, 1),
        "moves": after["moves"] - before["moves"],
        "count": simulations,
        "seconds": round(elapsed, 4),
        "threads": threads,
        "seed": seed,
        "games_at_once": slots,
        "tree_mib": round(after["tree_bytes"] / 2**20, 2),
        "prunings": after["prunings"],
        "peak_memory_mib": round(peak_memory_mib(), 1),
        "params": params.changed(),
    }
