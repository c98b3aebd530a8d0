"""What AlphaGo's search gets done in equal time: networks that simulations wait for or not, asked as in the paper or by visits.

python benchmarks/late_evaluations.py
python benchmarks/late_evaluations.py --policy POLICY.safetensors --value VALUE.safetensors --seconds 5
"""

from __future__ import annotations

import argparse
import statistics

from alphago.errors import AlphaGoError
from alphago.go import Board
from alphago.nets.modules import Network
from alphago.nets.rollout import load_rollout_weights
from alphago.nets.runtimes import make_evaluators
from alphago.search.player import Player
from alphago.search.styles import NETWORK_SHARE, alphago_search, followed
from alphago.search.threshold import AdaptiveThreshold
from selfplay.go_policy import VALUE_HEADS
from selfplay.networks import named_network

SIZE = 9
OPENING = ("E5", "C3", "G7", "C7", "G3")
PAPER = {"network_threshold": 0}
SETTINGS = {
    "simulations wait": PAPER | {"late_evaluations": 0},
    "groups of 8, one": PAPER | {"late_groups": 1},
    "groups of 8, two": PAPER,
    "groups of 16, two": PAPER | {"late_evaluations": 16},
    "by visits": {},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--policy", default="small", help="a network file, or a name that ships")
    parser.add_argument("--value", default="small", help="likewise, with an outcome head")
    parser.add_argument("--seconds", type=float, default=2.0, help="of each search")
    parser.add_argument("--rounds", type=int, default=3, help="in turns, after one that warms up; medians are printed")
    asked = parser.parse_args()
    if asked.rounds < 1 or asked.seconds <= 0:
        parser.error("--rounds must be 1 or more, --seconds above 0")
    try:
        networks = [
            named_network(asked.policy, SIZE, "--policy", heads=("policy",)),
            named_network(asked.value, SIZE, "--value", heads=VALUE_HEADS),
        ]
        found: dict[str, list[tuple[float, ...]]] = {name: [] for name in SETTINGS}
        for number in range(asked.rounds + 1):
            for name, settings in SETTINGS.items():
                figures = _searched(networks, settings, asked.seconds)
                if number:
                    found[name].append(figures)
    except AlphaGoError as error:
        raise SystemExit(f"late_evaluations: {error}") from None
    print(f"{'':20}{'rollouts/s':>14}{'evaluations/s':>16}{'a batch':>10}{'threshold':>12}")
    for name, rows in found.items():
        rollouts, evaluations, rows_a_batch, threshold = map(statistics.median, zip(*rows, strict=True))
        print(f"{name:20}{rollouts:14,.0f}{evaluations:16,.0f}{rows_a_batch:10.1f}{threshold:12,.0f}")


def _searched(networks: list[Network], settings: dict[str, int], seconds: float) -> tuple[float, ...]:
    """Rollouts and evaluations a second, positions a batch, and the threshold at the end, on one thread."""
    params = alphago_search(SIZE).but(**settings)
    threshold = AdaptiveThreshold(followed(params)[1], NETWORK_SHARE)
    evaluators = [make_evaluators(network, SIZE, params.batch, threads=1)[0] for network in networks]
    weights = load_rollout_weights()
    player = Player(params, size=SIZE, evaluators=evaluators, weights=weights, threshold=threshold)
    board = Board(SIZE, "tromp-taylor", 7)
    for vertex in OPENING:
        board.play(vertex)
    player.new_game(board, seed=1)
    player.search(seconds=seconds / 4)  # the threshold finds its place
    before = player.stats()
    report = player.search(seconds=seconds)
    done = {name: count - before[name] for name, count in player.stats().items()}
    return (
        done["rollouts"] / report.seconds,
        done["evaluations"] / report.seconds,
        done["evaluations"] / max(1, done["tickets"]),
        threshold.visits,
    )


if __name__ == "__main__":
    main()
