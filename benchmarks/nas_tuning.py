"""How `alphago.controller.nas.strategies.tuned` was chosen: on rewards that the reported comparison never looks at.

    python benchmarks/nas_tuning.py TABLE --controller factorised --draws 80 --out runs/nas-tuning.jsonl
    python benchmarks/nas_tuning.py TABLE --controller lstm --settings '{"rate": 0.004, "bias_rate": 34, "hidden": 16}'

NAS-Bench-201's table has 12-epoch validation accuracies of three data sets. The comparison is a search by those of CIFAR-10;
here the searches are by those of CIFAR-100 and of ImageNet16, under the same 12,000 simulated seconds, and what counts is the
reward that they find: the mean over runs and both data sets of the logarithm of its rank among all 15,625 cells. No accuracy
after 200 epochs is read, nor any of CIFAR-10. Settings are drawn at random; the best of the first round go into a second one
with fresh seeds and more runs, and the winner is taken from that.

With --settings these are measured in place of drawn ones; what they leave out is as in `DEFAULT`.

Every result is a line of --out; the same command goes on where it was stopped.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from alphago.controller.nas.nasbench201 import Table, load_table
from alphago.controller.nas.replay import ReplaySettings
from alphago.controller.nas.strategies import Learning, settings_of
from alphago.controller.nas.study import run_learned
from alphago.errors import AlphaGoError

REWARDS = ("cifar100_val_12ep", "imagenet16_val_12ep")
DEFAULT = {
    "rate": 0.135,
    "entropy": 0.37,
    "beta1": 0.0,
    "beta2": 0.99,
    "elites": 2,
    "weight": 0.5,
    "decay": 0.8,
    "least": -4.0,
    "hidden": 32,
    "bias_rate": 1.0,
}
RATES = {"factorised": (0.05, 0.35), "lstm": (0.003, 0.05)}


def drawn(controller: str, seed: int, draws: int) -> Iterator[dict[str, Any]]:
    """Settings, at random; the same seed draws the same."""
    random = np.random.default_rng(seed)

    def between(low: float, high: float) -> float:
        return float(np.round(np.exp(random.uniform(math.log(low), math.log(high))), 4))

    for _ in range(draws):
        yield {
            "rate": between(*RATES[controller]),
            "entropy": between(0.02, 0.8),
            "beta1": float(random.choice([0.0, 0.3, 0.5, 0.7, 0.9])),
            "beta2": float(random.choice([0.9, 0.99, 0.999])),
            "elites": int(random.choice([0, 1, 2, 3, 4, 5, 8])),
            "weight": float(random.choice([0.5, 1.0, 1.5, 2.0, 3.0])),
            "decay": float(random.choice([0.8, 0.9, 0.95])),
            "least": float(random.choice([-1.0, -2.0, -4.0, -8.0])),
            "hidden": int(random.choice([16, 32])) if controller == "lstm" else 32,
            "bias_rate": float(random.choice([1, 3, 6, 10, 20])) if controller == "lstm" else 1.0,
        }


def learning_of(values: dict[str, Any]) -> Learning:
    """What drawn settings stand for."""
    replay = ReplaySettings(values["elites"], values["weight"], values["decay"], True, values["least"])
    settings = settings_of(values["rate"], entropy=values["entropy"], beta1=values["beta1"], beta2=values["beta2"])
    return Learning(settings, replay, hidden=values["hidden"], bias_rate=values["bias_rate"])


def log_rank(table: Table, values: dict[str, Any], controller: str, runs: int, seed: int) -> dict[str, float]:
    """Mean of the logarithm of the rank of what runs find, by reward; 0 is the best cell of all."""
    found = {}
    for reward in REWARDS:
        cells = run_learned(table, runs, learning_of(values), controller=controller, seed=seed, reward=reward).cells
        better = np.searchsorted(np.sort(-table[reward]), -table[reward][cells], side="left")
        found[reward] = float(np.log1p(better).mean())
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", type=Path)
    parser.add_argument("--controller", choices=sorted(RATES), default="factorised")
    parser.add_argument("--draws", type=int, default=80)
    parser.add_argument("--settings", action="append", default=[], help="JSON, in place of draws; may be given again")
    parser.add_argument("--runs", type=int, default=200, help="of each setting in the first round")
    parser.add_argument("--finalists", type=int, default=8, help="settings of the second round")
    parser.add_argument("--final-runs", type=int, default=1000, help="of each in the second round")
    parser.add_argument("--seed", type=int, default=20_000, help="of draws and runs; the comparison's own is 0")
    parser.add_argument("--out", type=Path, default=Path("runs/nas-tuning.jsonl"))
    args = parser.parse_args()
    torch.set_num_threads(1)
    table = load_table(args.table)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    lines = args.out.read_text(encoding="utf-8").splitlines() if args.out.exists() else []
    known: dict[str, dict[str, Any]] = {line["key"]: line for line in map(json.loads, lines)}

    def measured(values: dict[str, Any], round_: int, runs: int) -> dict[str, Any]:
        key = json.dumps([args.controller, round_, runs, args.seed, values])
        if key not in known:
            ranks = log_rank(table, values, args.controller, runs, args.seed + 1_000_000 * round_)
            known[key] = {"key": key, "values": values, "mean": sum(ranks.values()) / len(ranks), **ranks}
            with args.out.open("a", encoding="utf-8") as file:
                file.write(json.dumps(known[key]) + "\n")
            print(f"round {round_}: {known[key]['mean']:.3f} {values}", flush=True)
        return known[key]

    asked = [{**DEFAULT, **json.loads(text)} for text in args.settings]
    asked = asked or list(drawn(args.controller, args.seed, args.draws))
    first = [measured(values, 1, args.runs) for values in asked]
    best = sorted(first, key=lambda row: float(row["mean"]))[: args.finalists]
    last = [measured(row["values"], 2, args.final_runs) for row in best]
    winner = min(last, key=lambda row: float(row["mean"]))
    print(f"chosen: {winner['mean']:.3f} {json.dumps(winner['values'])}")


if __name__ == "__main__":
    try:
        main()
    except AlphaGoError as error:
        sys.exit(f"nas_tuning: {error}")
