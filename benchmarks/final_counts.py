"""How often our count of a finished game is GNU Go's (docs/results.md).

    python benchmarks/final_counts.py MATCH... [--games 60]

MATCH is the folder of a match (`alphago match --out`). Its games that ended by passes are counted again, and by GNU Go's
`final_score`; a game on which they differ is told.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from alphago.arena.client import GtpProcess
from alphago.arena.game import dead_stones
from alphago.arena.journal import read_journal, read_json
from alphago.errors import AlphaGoError
from alphago.go import Board, action_to_gtp


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("matches", nargs="+", type=Path, metavar="MATCH", help="folders of matches")
    parser.add_argument("--games", type=int, default=1_000_000, help="at most so many of each")
    parser.add_argument(
        "--engine", default="gnugo --mode gtp --level 8 --chinese-rules", help="whose count it is compared with"
    )
    asked = parser.parse_args()
    try:
        _compare(asked.matches, asked.games, asked.engine)
    except (AlphaGoError, OSError) as error:
        parser.error(str(error))


def _compare(matches: list[Path], most: int, command: str) -> None:
    with GtpProcess(command) as engine:
        for folder in matches:
            settings = read_json(folder / "match.json")["settings"]
            size, komi = settings["size"], settings["komi"]
            games = [g for _, g in sorted(read_journal(folder).items()) if g.reason == "passes"][:most]
            recorded = agreed = 0
            for game in games:
                board = Board(size, settings["rules"], komi)
                engine.ask(f"boardsize {size}")
                engine.ask("clear_board")
                engine.ask(f"komi {komi:g}")
                for color, action in game.moves:
                    board.play(action)
                    engine.ask(f"play {'bw'[color - 1]} {action_to_gtp(action, size)}")
                ours = board.score(dead_stones(board, settings["scoring"]))
                theirs = _points(engine.ask("final_score", timeout=300))
                recorded += game.score == theirs
                agreed += ours == theirs
                if not game.score == ours == theirs:
                    print(
                        f"{folder}, game {game.index}: recorded {game.score:+g}, counted {ours:+g}, {engine.name} {theirs:+g}"
                    )
            print(f"{folder}: {len(games)} games; as recorded {recorded} agree, counted now {agreed}", flush=True)


def _points(answer: str) -> float:
    """Black's lead, of `B+3.5`, `W+0.5` or `0`."""
    winner, _, points = answer.strip().partition("+")
    return 0.0 if not points else float(points) * (1 if winner.upper() == "B" else -1)


if __name__ == "__main__":
    main()
