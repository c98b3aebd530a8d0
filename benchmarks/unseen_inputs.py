"""What a network makes of rules and passes that its games hardly had (docs/results.md).

    python benchmarks/unseen_inputs.py NETWORK --games STORE --count 150

Positions of the store's games are set up under every ruleset, and again after the side to move has passed.
"""

from __future__ import annotations

import argparse
import itertools
from pathlib import Path

import numpy as np
import torch

from alphago.data.batches import make_batch
from alphago.data.embedded import resolve
from alphago.data.game_set import load_games
from alphago.data.store import read_games
from alphago.go import Board, IllegalMove
from alphago.nets.store import load_network
from alphago.train.supervised import spread

RULES = ("tromp-taylor", "chinese-ogs", "chinese", "japanese", "korean")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("network", type=Path, help="a network file")
    parser.add_argument("--games", default="default", help="a Parquet store of games; default: the 9x9 ones that ship")
    parser.add_argument("--count", type=int, default=150, help="games, the first of the store")
    asked = parser.parse_args()
    network, _ = load_network(asked.network)
    store = resolve(asked.games)

    games = load_games([store])
    seen = spread(games.examples(), 200_000)
    after_pass = make_batch(games, seen, None, "rich", ("globals",))["globals"][:, 1].mean()
    print(f"positions after a pass: one of {1 / max(float(after_pass), 1e-9):,.0f}")

    rows = [row for row in itertools.islice(read_games(store), asked.count) if len(row["moves"]) >= 20]

    def answers(rules: str, share: float, passed: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Values, chances of a pass, whether the move played comes first, and outcomes; all of the side to move."""
        planes, others, moves, outcomes = [], [], [], []
        for row in rows:
            turn = int(len(row["moves"]) * share)
            board = Board(row["size"], rules, row["komi"])
            try:
                for move in row["moves"][:turn]:
                    board.play(int(move))
                if passed:
                    board.pass_()
            except IllegalMove:
                continue
            planes.append(board.planes(network.architecture.feature_set))
            others.append(board.globals())
            moves.append(int(row["moves"][turn]))
            outcomes.append({1: 1, 2: -1}.get(row["winner"] or 0, 0) * (1 if board.to_play == 1 else -1))
        with torch.no_grad():
            out = network(torch.from_numpy(np.array(planes)), torch.from_numpy(np.array(others)))
        chances, policy = out["outcome"].softmax(1).numpy(), out["policy"].softmax(1).numpy()
        return chances[:, 0] - chances[:, 2], policy[:, -1], policy.argmax(1) == np.array(moves), np.array(outcomes)

    for rules in RULES:
        values, _, hits, outcomes = answers(rules, 0.5, passed=False)
        known = outcomes != 0
        p = np.clip((1 + values * outcomes)[known] / 2, 0.02, 1.0)
        print(
            f"{rules:13} {len(values)} positions: value {values.mean():+.3f}, outcome {outcomes.mean():+.3f}, "
            f"log-loss {-np.log(p).mean():.3f}, winners {(values * outcomes > 0)[known].mean():.1%}, top-1 {hits.mean():.1%}"
        )
    for share in (0.3, 0.6, 0.95):
        before, after = (answers("chinese-ogs", share, passed) for passed in (False, True))
        print(
            f"after {share:.0%}: value {before[0].mean():+.3f}, passed {-after[0].mean():+.3f}, "
            f"answered by a pass {after[1].mean():.1%}"
        )


if __name__ == "__main__":
    main()
