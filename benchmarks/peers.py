"""The speed table of docs/benchmarks.md: ours and a peer's, measured in turns in one run, one thread each.

The peer is OpenSpiel's C++ MCTS (`pip install open-spiel`) with one random rollout a simulation; its unit is a simulation,
which holds one descent of its tree and one rollout. Machines are noisy and differ: the ratio is what counts.

    make bench                               every row
    make bench-playouts, make bench-features, make bench-search    some rows
    make bench BENCH_ARGS="--rounds 9 --json runs/bench.json"

Each round measures every row, ours and the peer straight after one another; the table shows medians over the rounds, and the
median of the rounds' ratios.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyspiel

from alphago import _core
from alphago.commands import bench
from alphago.commands.bench_search import SLOTS, search_row
from alphago.errors import AlphaGoError
from alphago.nets.rollout import load_rollout_weights

SIMULATIONS = {9: 4000, 19: 500}
"""Simulations of one search of the peer: a good half second each."""

ROOT = Path(__file__).resolve().parent.parent
GAMES = {9: "data/expert-9x9.sgfs.gz", 19: "data/tygem-9d/2016-07.sgfs.gz"}
"""Real games by board size, in the development data beside the checkout (see benchmarks/README.md)."""


@dataclass(frozen=True)
class Row:
    """One line of the table: what is measured, and the ratios to the peer that it is held to."""

    kind: str  # "playouts", "features" or "search"
    what: str  # policy, feature set or evaluator
    size: int
    must: float
    aim: float

    @property
    def title(self) -> str:
        if self.kind == "playouts":
            return f"{self.what} playouts {self.size}x{self.size}"
        if self.kind == "search":
            games = f"{SLOTS[self.what]} games at once" if SLOTS[self.what] > 1 else "one game"
            return f"search, {self.what} evaluator, {self.size}x{self.size}, {games}"
        return f"{self.what} planes, {self.size}x{self.size} mid-game positions"


ROWS = (
    Row("playouts", "light", 9, 11, 14),
    Row("playouts", "light", 19, 36, 48),
    Row("playouts", "softmax", 9, 4, 6.5),
    Row("playouts", "softmax", 19, 13, 18),
    Row("features", "alphago48", 19, 27, 70),
    Row("features", "rich", 9, 9, 18),
    Row("features", "rich-fast", 9, 35, 70),
    Row("search", "uniform", 9, 35, 60),
    Row("search", "rollout", 9, 2.8, 4.5),
)


def peer_simulations_per_second(size: int, seed: int) -> float:
    """One search by a fresh OpenSpiel bot from the empty board."""
    game = pyspiel.load_game("go", {"board_size": size, "komi": 7.5})
    evaluator = pyspiel.RandomRolloutEvaluator(n_rollouts=1, seed=seed)
    bot = pyspiel.MCTSBot(
        game,
        evaluator,
        uct_c=2.0,
        max_simulations=SIMULATIONS[size],
        max_memory_mb=1000,
        solve=False,
        seed=seed,
        verbose=False,
    )
    state = game.new_initial_state()
    start = time.perf_counter()
    root = bot.mcts_search(state)
    seconds = time.perf_counter() - start
    if root.explore_count != SIMULATIONS[size]:
        raise RuntimeError(f"the peer made {root.explore_count} simulations of {SIMULATIONS[size]}")
    return SIMULATIONS[size] / seconds


def games_of(size: int, given: str | None) -> str | None:
    """The game records to take positions from: the ones given, the development data, or none."""
    if given is not None:
        return given
    shared = Path(os.environ.get("ALPHAGO_SHARED", ROOT.parent / "shared"))
    return str(shared / GAMES[size]) if (shared / GAMES[size]).is_file() else None


def our_measurements(rows: list[Row], options: argparse.Namespace) -> list[Callable[[], float]]:
    """For each row, a function that takes one measurement of ours."""
    weights = load_rollout_weights()
    samples: dict[int, list[_core.Position]] = {}
    for size in sorted({row.size for row in rows if row.kind == "features"}):
        games = games_of(size, options.games_9 if size == 9 else options.games_19)
        samples[size] = bench.mid_game_positions(size, options.positions, options.seed, games)
        source = f"real games ({Path(games).name})" if games else "softmax playouts (no real games at hand)"
        print(f"{size}x{size} positions: {len(samples[size])} from {source}", file=sys.stderr)

    def measurement(row: Row) -> Callable[[], float]:
        if row.kind == "playouts":
            policy_weights = weights if row.what == "softmax" else None
            return lambda: float(
                bench.playout_row(row.size, row.what, options.seconds, 1, options.seed, policy_weights)[
                    "playouts_per_second"
                ]
            )
        if row.kind == "search":
            return lambda: float(
                search_row(row.size, row.what, options.seconds, 1, options.seed)["simulations_per_second"]
            )
        return lambda: float(
            bench.feature_row(samples[row.size], row.what, options.dtype, options.seconds, 1)["positions_per_second"]
        )

    return [measurement(row) for row in rows]


def run(rows: list[Row], options: argparse.Namespace) -> list[dict[str, Any]]:
    """All rounds; one result a row: medians, and every single measurement in the order taken."""
    ours = our_measurements(rows, options)
    own: list[list[float]] = [[] for _ in rows]
    peer: list[list[float]] = [[] for _ in rows]
    for number in range(options.rounds):
        print(f"round {number + 1} of {options.rounds}", file=sys.stderr)
        for i, row in enumerate(rows):
            own[i].append(ours[i]())
            peer[i].append(peer_simulations_per_second(row.size, options.seed + number))
    return [
        {
            "what": row.title,
            "kind": row.kind,
            "name": row.what,
            "size": row.size,
            "ours_per_second": statistics.median(own[i]),
            "peer_per_second": statistics.median(peer[i]),
            "ratio": statistics.median(a / b for a, b in zip(own[i], peer[i], strict=True)),
            "must": row.must,
            "aim": row.aim,
            "ours_rounds": own[i],
            "peer_rounds": peer[i],
        }
        for i, row in enumerate(rows)
    ]


def markdown(results: list[dict[str, Any]]) -> str:
    lines = [
        "| what | ours | open_spiel MCTS, same run | ratio | must | aim |",
        "|---|---|---|---|---|---|",
    ]
    for r in results:
        cells = [r["what"], f"{r['ours_per_second']:,.0f}/s", f"{r['peer_per_second']:,.0f}/s", f"{r['ratio']:.1f}x"]
        lines.append(f"| {' | '.join(cells)} | {r['must']:g}x | {r['aim']:g}x |")
    return "\n".join(lines)


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Ours against OpenSpiel's C++ MCTS, in turns, in one run.")
    parser.add_argument("--only", choices=["playouts", "features", "search"], help="some rows alone")
    parser.add_argument("--rounds", type=int, default=5, help="how often everything is measured (default 5)")
    parser.add_argument("--seconds", type=float, default=1.0, help="length of each of our measurements (default 1)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--dtype", choices=["float32", "uint8"], default="float32", help="element type of the planes")
    parser.add_argument("--positions", type=int, default=512, help="different positions for the planes (default 512)")
    parser.add_argument("--games-9", metavar="PATH", help="9x9 game records; default: the development data, if there")
    parser.add_argument("--games-19", metavar="PATH", help="19x19 game records; likewise")
    parser.add_argument("--json", metavar="FILE", type=Path, help="also write everything measured to this file")
    options = parser.parse_args()
    if options.rounds < 1 or options.positions < 1 or not 0 < options.seconds <= 3600:
        parser.error("--rounds and --positions must be at least 1, --seconds between 0 and 3600")
    return options


def main() -> int:
    options = parse_options()
    rows = [row for row in ROWS if options.only in (None, row.kind)]
    try:
        results = run(rows, options)
    except AlphaGoError as error:
        print(f"peers.py: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    print(markdown(results))
    if options.json:
        setting = {"rounds": options.rounds, "seconds": options.seconds, "seed": options.seed, "dtype": options.dtype}
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(
            json.dumps({"setting": setting, "build": _core.BUILD_INFO, "results": results}, indent=2) + "\n"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
