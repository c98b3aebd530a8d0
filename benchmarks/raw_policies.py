"""Games of policy networks without search that draw their moves, as REINFORCE plays and measures them.

python benchmarks/raw_policies.py rl small --games 1000
python benchmarks/raw_policies.py runs/rl-9x9/network.safetensors runs/rl-9x9/pool/*.safetensors --games 200
"""

from __future__ import annotations

import argparse

from alphago.arena.stats import wilson
from alphago.errors import AlphaGoError
from alphago.go import Board
from alphago.machine import usable_threads
from alphago.nets.modules import policy_alone
from alphago.nets.runtimes import make_evaluators
from selfplay.networks import named_network
from selfplay.policy_play import Side, play_games

BATCH = 32


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("first", help="a network file, or a name that ships")
    parser.add_argument("others", nargs="+", help="likewise; each plays the first")
    parser.add_argument("--games", type=int, default=400)
    parser.add_argument("--temperature", type=float, default=1.0, help="of both; 0: the likeliest move")
    parser.add_argument("--finish", choices=["settled", "as-it-stands"], default="settled")
    parser.add_argument("--size", type=int, default=9)
    parser.add_argument("--seed", type=int, default=77)
    asked = parser.parse_args()
    if asked.games < 1 or asked.temperature < 0:
        parser.error("--games must be 1 or more, --temperature 0 or more")
    try:
        first = _side(asked.first, asked.size, asked.temperature)
        board, longest = Board(asked.size, "tromp-taylor"), 2 * asked.size**2
        for net in asked.others:
            other = _side(net, asked.size, asked.temperature)
            played = play_games(board, first, other, asked.games, asked.seed, max_moves=longest, finish=asked.finish)
            won, lost = (int((played.results == sign).sum()) for sign in (1, -1))
            low, high = wilson(played.score * asked.games, asked.games)
            print(
                f"{net}: {won} won, {asked.games - won - lost} drawn, {lost} lost: {played.score:.1%} "
                f"({low:.1%} to {high:.1%}), {played.lengths.mean():.1f} moves a game",
                flush=True,
            )
    except (AlphaGoError, ValueError) as error:
        parser.error(str(error))


def _side(net: str, size: int, temperature: float) -> Side:
    threads = usable_threads()
    network = policy_alone(named_network(net, size, "network"))
    return Side(make_evaluators(network, size, BATCH, precision="fp32", workers=threads, threads=threads), temperature)


if __name__ == "__main__":
    main()
