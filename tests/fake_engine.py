"""A small GTP engine for tests of the arena: plays anywhere legal, and misbehaves when it is told to.

    python tests/fake_engine.py [--seed N] [--fault KIND] [--at N] [--of-games N] [--resign-rate P] ...

Its games are meaningless; with --resign-rate its results are not: at its first move it resigns with that probability, and against
itself without that option its score follows by arithmetic. Plain Python and no import of ours, so that it starts quickly.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import time

LETTERS = "ABCDEFGHJKLMNOPQRST"
FAULTS = (
    "none",
    "crash",
    "signal",
    "hang",
    "slow",
    "illegal",
    "off-board",
    "occupied",
    "garbage",
    "silence",
    "error",
    "flood-stderr",
    "flood-stdout",
    "unasked",
    "refuse-play",
    "crash-on-play",
    "hang-on-play",
    "child",
    "banner",
    "no-start",
    "ignore-quit",
)


class Engine:
    """One running engine."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.random = random.Random(options.seed)
        self.size = 9
        self.games = 0
        self.moves = 0
        self.stones: dict[tuple[int, int], str] = {}

    def fault(self) -> str:
        """What is to go wrong now, at the move that is asked for."""
        options = self.options
        due = self.moves == options.at and (options.of_games == 0 or self.games % options.of_games == 0)
        return str(options.fault) if due else "none"

    def vertex(self, x: int, y: int) -> str:
        return f"{LETTERS[x]}{y + 1}"

    def legal(self, color: str) -> list[str]:
        """Empty points that are no suicide and no eye of the own colour; where a ko may be, the referee says so."""
        found = []
        for x in range(self.size):
            for y in range(self.size):
                if (x, y) not in self.stones and any(n not in self.stones for n in self.around(x, y)):
                    found.append(self.vertex(x, y))
        return found

    def around(self, x: int, y: int) -> list[tuple[int, int]]:
        near = [(x - 1, y), (x + 1, y), (x, y - 1), (x, y + 1)]
        return [(a, b) for a, b in near if 0 <= a < self.size and 0 <= b < self.size]

    def put(self, color: str, vertex: str) -> None:
        """Play, with captures."""
        if vertex.lower() == "pass":
            return
        x, y = LETTERS.index(vertex[0].upper()), int(vertex[1:]) - 1
        self.stones[x, y] = color
        for point in self.around(x, y):
            if self.stones.get(point, color) != color:
                self.capture(point)

    def capture(self, start: tuple[int, int]) -> None:
        chain, todo = {start}, [start]
        while todo:
            for point in self.around(*todo.pop()):
                if point not in self.stones:
                    return
                if self.stones[point] == self.stones[start] and point not in chain:
                    chain.add(point)
                    todo.append(point)
        for point in chain:
            del self.stones[point]

    def genmove(self, color: str) -> str:
        self.moves += 1
        kind = self.fault()
        if kind in ("crash", "signal", "hang", "slow", "silence", "flood-stdout"):
            self.misbehave(kind)
        answers = {"off-board": "Z99", "garbage": "hello world"}
        if kind in answers:
            return answers[kind]
        if kind in ("illegal", "occupied"):
            x, y = next(iter(self.stones))
            return self.vertex(x, y)
        if self.moves == 1 and self.random.random() < self.options.resign_rate:
            return "resign"
        legal = self.legal(color)
        if not legal or self.moves > self.options.length:
            return "pass"
        move = self.random.choice(legal)
        self.put(color, move)
        return move

    def misbehave(self, kind: str) -> None:
        if kind == "crash":
            print("about to crash: out of luck", file=sys.stderr, flush=True)
            os._exit(3)
        if kind == "signal":
            os.kill(os.getpid(), signal.SIGKILL)
        if kind in ("hang", "silence"):
            time.sleep(3600)
        if kind == "slow":
            time.sleep(self.options.seconds)
        while kind == "flood-stdout":
            print("no end of nonsense", flush=True)

    def answer(self, command: str, args: list[str]) -> str:
        """The response's text; an error is raised as ValueError."""
        if command == "boardsize":
            self.size = int(args[0])
            if self.options.only_size and self.size != self.options.only_size:
                raise ValueError("unacceptable size")
            self.stones.clear()
        elif command == "clear_board":
            self.stones.clear()
            self.games += 1
            self.random.seed(self.options.seed)  # every game the same, unless --reseed
            self.moves = 0
        elif command == "set_random_seed":
            if self.options.reseed:
                self.random.seed(int(args[0]))
        elif command == "play":
            kind = self.fault() if self.moves else "none"
            if kind == "crash-on-play":
                os._exit(4)
            if kind == "hang-on-play":
                time.sleep(3600)
            if kind == "refuse-play":
                raise ValueError("illegal move")
            self.put(args[0].lower()[0], args[1])
        elif command == "genmove":
            if self.fault_after("error"):
                raise ValueError("I would rather not")
            return self.genmove(args[0].lower()[0])
        elif command == "name":
            return "fake"
        elif command == "list_commands":
            return "\n".join(KNOWN)
        elif command not in KNOWN:
            raise ValueError("unknown command")
        return ""

    def fault_after(self, kind: str) -> bool:
        """Whether this fault comes at the move that is asked for now."""
        self.moves += 1
        due = self.fault() == kind
        self.moves -= 0 if due else 1
        return due


KNOWN = (
    "protocol_version",
    "name",
    "version",
    "known_command",
    "list_commands",
    "quit",
    "boardsize",
    "clear_board",
    "komi",
    "play",
    "genmove",
    "time_settings",
    "time_left",
    "set_random_seed",
)


def main() -> None:
    """Serve GTP on stdin and stdout."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--reseed", action="store_true", help="obey set_random_seed")
    parser.add_argument("--fault", choices=FAULTS, default="none")
    parser.add_argument("--at", type=int, default=3, help="own move at which it goes wrong")
    parser.add_argument("--of-games", type=int, default=0, help="every so many games only; 0: every one")
    parser.add_argument("--resign-rate", type=float, default=0.0)
    parser.add_argument("--length", type=int, default=10, help="own moves before it passes")
    parser.add_argument("--seconds", type=float, default=1.0, help="of a slow move")
    parser.add_argument("--only-size", type=int, default=0)
    parser.add_argument("--log", help="file that takes the commands")
    options = parser.parse_args()
    if options.fault == "no-start":
        print("no weights found", file=sys.stderr, flush=True)
        sys.exit(1)
    if options.fault == "banner":
        print("Welcome to fake engine", flush=True)
    if options.fault == "child":
        subprocess.Popen(["sleep", "600"])
    engine = Engine(options)
    log = open(options.log, "a", encoding="utf-8") if options.log else None  # noqa: SIM115  # open as long as the process
    if log:
        print("pid", os.getpid(), file=log, flush=True)
    for line in sys.stdin:
        words = line.split()
        if not words:
            continue
        if log:
            print(" ".join(words), file=log, flush=True)
        if options.fault == "flood-stderr":
            sys.stderr.write("noise " * 20000)
            sys.stderr.flush()
        try:
            text = f"= {engine.answer(words[0], words[1:])}"
        except ValueError as error:
            text = f"? {error}"
        sys.stdout.write(text + "\n\n")
        if words[0] == "genmove" and engine.fault() == "unasked":
            sys.stdout.write("info: something nobody asked for\n\n")
        sys.stdout.flush()
        if words[0] == "quit" and options.fault != "ignore-quit":
            return
    if options.fault == "ignore-quit":
        time.sleep(3600)


if __name__ == "__main__":
    main()
