"""What `alphago bench selfplay` measures: whole games of self-play, from the first to the last, journal and all."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any, Final

from alphago.machine import peak_memory_mib

BLOCKS: Final = 4
CHANNELS: Final = 48


def fresh_network(path: Path, seed: int) -> None:
    """Write an untrained network of 4 blocks x 48 channels."""
    from alphago.nets.architecture import Residual
    from alphago.nets.modules import build
    from alphago.nets.store import save_network

    save_network(path, build(Residual(blocks=BLOCKS, channels=CHANNELS), seed=seed), "fresh, for a benchmark")


def selfplay_row(
    games: int,
    size: int,
    sims: int,
    net: str | None,
    seed: int,
    resign: bool,
    changes: list[str],
    machine: dict[str, str],
) -> dict[str, Any]:
    """One measurement: a run of `games` games in a temporary directory.

    Args:
        net: what `selfplay --net` takes; None makes a fresh network.
        changes: search parameters as key=value.
        machine: threads, parallel, batch, runtime and precision, as texts.
    """
    from selfplay.cli import machine_for, settings_for
    from selfplay.progress import Silent
    from selfplay.runner import Run

    with tempfile.TemporaryDirectory(prefix="alphago-bench-") as folder:
        directory = Path(folder) / "run"
        directory.mkdir()
        if net is None:
            fresh_network(Path(folder) / "fresh.safetensors", seed)
        asked = {
            "size": size,
            "simulations": sims,
            "seed": seed,
            "resign": resign,
            "net": net or str(Path(folder) / "fresh.safetensors"),
        }
        settings = settings_for(asked, changes, None, directory)
        run = Run(settings, machine_for(settings, games, **machine))
        summary = run.play(games, directory, Silent())
    stats, rates = run.stats, run.rates
    return {
        "games": summary.games,
        "size": size,
        "simulations": sims,
        "net": net or f"fresh {BLOCKS}x{CHANNELS}",
        "games_per_second": round(rates.overall("games"), 3),
        "simulations_per_second": round(rates.overall("simulations"), 1),
        "evaluations_per_second": round(rates.overall("evaluations"), 1),
        "rollouts_per_second": round(rates.overall("rollouts"), 1),
        "seconds": round(rates.seconds, 2),
        "moves_per_game": round(summary.mean_length(), 2),
        "evaluations_per_ticket": round(stats["evaluations"] / max(1, stats["tickets"]), 2),
        "cache_hit_share": round(stats["cache_hits"] / max(1, stats["cache_lookups"]), 4),
        "prunings": stats["prunings"],
        "peak_memory_mib": round(peak_memory_mib(), 1),
        "seed": seed,
        "resign": resign,
        "evaluator": run.evaluators[0].describe() if run.evaluators else "softmax rollouts",
        "machine": run.machine.model_dump(),
        "params": run.params.changed(),
    }
