"""What `alphago bench reinforce-go` measures."""

from __future__ import annotations

import statistics
import tempfile
from pathlib import Path
from typing import Any


def reinforce_row(
    net: str, size: int, games: int, updates: int, threads: int, baseline: str, batch: int, finish: str
) -> dict[str, Any]:
    """Complete games a second of a network against its past selves, with the learner idle and with it working.

    Every figure is the median over the updates; the first two, in which memory is laid out, do not count.
    """
    import torch

    from alphago.commands.train_options import changed
    from selfplay.reinforce_go import GoReinforceSettings, begin

    torch.set_num_threads(threads)
    given = {
        "size": size,
        "start_from": net,
        "baseline": baseline,
        "batch": batch,
        "finish": finish,
        "learning.episodes": games,
        "learning.steps_at_once": 512,
        "learning.optimizer.lr": 1e-5,
    }
    settings = changed(GoReinforceSettings(), given)
    with tempfile.TemporaryDirectory(prefix="alphago-bench-") as folder:
        task = begin(Path(folder) / "run", settings, resume=False, threads=threads)
        told = [task.trainer.step() for _ in range(updates + 2)][2:]

    def median(name: str) -> float:
        return statistics.median(row[name] for row in told)

    working = median("episodes_per_second")
    return {
        "net": net,
        "size": size,
        "games_per_second_idle": round(
            statistics.median(row["episodes_per_second"] / row["collecting_share"] for row in told), 1
        ),
        "games_per_second_working": round(working, 1),
        "collecting_share": round(median("collecting_share"), 3),
        "moves": round(median("moves"), 1),
        "kl_behaviour": max(row["kl_behaviour"] for row in told),
        "games": games,
        "batch": batch,
        "finish": finish,
        "threads": threads,
        "updates": updates,
    }
