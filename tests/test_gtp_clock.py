"""Clocks: laws of `alphago.gtp.clock` under every time system, and (slow) whole games on a clock on a busy machine."""

from __future__ import annotations

import math
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from alphago.go import BLACK, WHITE, Board
from alphago.gtp.clock import LAG, Clock, TimeSystem, from_time_settings, from_words, moves_to_come
from alphago.gtp.protocol import GtpError
from gtp_helpers import process

LEAST = 0.01
"""Seconds that a move takes even when there is no time."""
SYSTEMS = {
    "absolute 10": "absolute 10",
    "absolute 600": "absolute 600",
    "byoyomi, no main": "byoyomi 0 1 5",
    "byoyomi": "byoyomi 20 5 3",
    "byoyomi, one period": "byoyomi 20 5 1",
    "canadian, no main": "canadian 0 30 10",
    "canadian": "canadian 10 30 10",
    "canadian, one stone": "canadian 10 2 1",
    "fischer": "fischer 1 1",
    "fischer, long": "fischer 60 5",
    "fischer, no main": "fischer 1 0.5",
    "fischer-capped": "fischer-capped 30 5 40 -1",
    "fischer-capped, move": "fischer-capped 30 5 40 3",
}


def clock_of(words: str) -> Clock:
    clock = Clock()
    clock.set(from_words(words.split()))
    return clock


class Server:
    """Keeps the time that the rules of the system give, to the point; `LAG` goes by between it and the engine."""

    def __init__(self, system: TimeSystem) -> None:
        self.system, self.main, self.overtime = system, system.main, False
        self.periods, self.left, self.stones = system.count, system.period, system.count

    def spend(self, seconds: float) -> bool:
        """Whether the move was made in time."""
        kind = self.system.kind
        if not self.overtime:
            self.main -= seconds
            if kind.startswith("fischer"):
                in_time = self.main >= 0
                self.main = min(self.main + self.system.period, self.system.cap)
                return in_time
            if self.main >= 0 or kind == "absolute":
                return self.main >= 0
            self.overtime, seconds = True, -self.main
        if kind == "byoyomi":
            while seconds > self.system.period:
                seconds -= self.system.period
                self.periods -= 1
            return self.periods > 0
        self.left -= seconds
        self.stones -= 1
        in_time = self.left >= 0
        if self.stones == 0:
            self.left, self.stones = self.system.period, self.system.count
        return in_time

    def says(self) -> tuple[float, int]:
        """Arguments of `time_left`."""
        if not self.overtime and not (self.main <= 0 and self.system.count):
            return self.main, 0
        if self.system.kind == "byoyomi":
            return self.system.period, self.periods
        return self.left, self.stones

    def reach(self) -> float:
        """The longest that the next move may take without loss."""
        if self.system.kind == "byoyomi":
            return (0 if self.overtime else max(self.main, 0)) + self.periods * self.system.period
        if self.system.kind == "canadian":
            return (0 if self.overtime else max(self.main, 0)) + self.left
        return self.main


@pytest.mark.parametrize("told", [True, False], ids=["time_left", "own measurement"])
@pytest.mark.parametrize("words", SYSTEMS.values(), ids=list(SYSTEMS))
def test_a_whole_game_in_time(words: str, told: bool) -> None:
    """250 moves of 19x19, or 60 of 9x9, with half a lag to spare on average: no loss, and the time is used."""
    for size, moves, seed in ((9, 45, 1), (19, 150, 2), (9, 81, 3)):
        rng = random.Random(seed)
        clock = clock_of(words)
        server = Server(clock.system)
        total = 0.0
        for n in range(moves):
            if told:
                clock.time_left(BLACK, *server.says())
            seconds = clock.budget(BLACK, moves_to_come(size, 2 * n))
            assert seconds is not None and seconds >= LEAST
            assert seconds <= max(LEAST, server.reach()), f"move {n}"
            taken = seconds + rng.uniform(0, LAG if told else 0.0)
            clock.spent(BLACK, seconds)
            total += taken
            if clock.system.kind == "absolute" and server.main < 1:
                break  # sudden death that is as good as over: moves at the least
            assert server.spend(taken), f"move {n}"
        if clock.system.main >= 10:
            assert total > 0.5 * clock.system.main


@pytest.mark.parametrize("words", SYSTEMS.values(), ids=list(SYSTEMS))
def test_never_more_than_is_left(words: str) -> None:
    rng = random.Random(5)
    for _ in range(500):
        clock = clock_of(words)
        seconds = rng.choice((0.0, rng.uniform(0, 1), rng.uniform(0, 100)))
        system = clock.system
        stones = rng.randint(0, system.count) if system.kind in ("byoyomi", "canadian") else 0
        if stones:
            seconds = min(seconds, system.period)
        clock.time_left(WHITE, seconds, stones)
        budget = clock.budget(WHITE, rng.uniform(1, 170), lag := rng.uniform(0, 1))
        assert budget is not None
        limit = seconds - lag
        if system.kind in ("byoyomi", "canadian") and not stones:
            limit = max(limit, seconds + system.period - lag)  # overtime is still to come
        assert budget <= max(LEAST, limit) + 1e-9


@pytest.mark.parametrize("words", SYSTEMS.values(), ids=list(SYSTEMS))
def test_monotone(words: str) -> None:
    """More time on the clock is never less for the move; a longer game never more; more lag never more."""
    clock = clock_of(words)
    has_overtime = clock.system.kind in ("byoyomi", "canadian")
    for stones in (0, 1) if has_overtime else (0,):
        last = 0.0
        for tenth in range(600):
            seconds = tenth / 10
            if stones and seconds > clock.system.period:
                break
            clock.time_left(BLACK, seconds, stones)
            budgets = [clock.budget(BLACK, moves, lag) for moves, lag in ((40, LAG), (80, LAG), (40, 1.0))]
            assert None not in budgets
            assert budgets[0] >= last - 1e-9, seconds  # type: ignore[operator]
            assert budgets[0] >= max(budgets[1:]) - 1e-9  # type: ignore[operator,type-var]
            last = budgets[0]  # type: ignore[assignment]


def test_no_clock_no_limit() -> None:
    assert Clock().budget(BLACK, 40) is None
    for system in (from_time_settings(0, 1, 0), from_time_settings(1, 1, 0), from_time_settings(0, 0, 0), TimeSystem()):
        clock = Clock()
        clock.set(system)
        assert clock.budget(WHITE, 40) is None


def test_time_left_without_a_time_system() -> None:
    clock = Clock()
    clock.time_left(BLACK, 10, 0)
    first = clock.budget(BLACK, 40)
    assert first is not None and first <= 10 / 20
    clock.time_left(WHITE, 10, 5)  # so there is overtime
    assert clock.budget(WHITE, 40) == pytest.approx(0.9 * 10 / 5 - LAG)
    assert clock.sides[BLACK].left == 10


def test_gtp_time_settings() -> None:
    assert from_time_settings(300, 0, 0) == TimeSystem("absolute", 300)
    assert from_time_settings(300, 0, 5) == TimeSystem("absolute", 300)
    assert from_time_settings(300, 30, 10) == TimeSystem("canadian", 300, 30, 10)
    assert from_time_settings(0, 30, 10) == TimeSystem("canadian", 0, 30, 10)
    assert from_time_settings(300, 30, 0) == TimeSystem()


def test_words() -> None:
    assert from_words(["none"]) == TimeSystem()
    assert from_words(["BYOYOMI", "10", "5", "3"]) == TimeSystem("byoyomi", 10, 5, 3)
    assert from_words(["byoyomi", "10", "5", "0"]) == TimeSystem("absolute", 10)
    assert from_words(["fischer-capped", "10", "5", "-1", "-1"]) == TimeSystem("fischer-capped", 10, 5)
    assert from_words(["fischer-capped", "10", "5", "20", "3"]) == TimeSystem("fischer-capped", 10, 5, 0, 20, 3)
    for bad in ([], ["x"], ["absolute"], ["absolute", "-1"], ["absolute", "nan"], ["byoyomi", "1", "1", "1.5"]):
        with pytest.raises(GtpError, match="syntax error"):
            from_words(bad)


def test_overtime_begins_when_the_main_time_is_spent() -> None:
    clock = clock_of("byoyomi 10 5 3")
    clock.spent(BLACK, 11)
    assert clock.budget(BLACK, 40) == pytest.approx(0.9 * (5 - LAG))
    clock.spent(BLACK, 4)
    assert clock.sides[BLACK].stones == 3  # within the period
    clock.spent(BLACK, 6)
    assert clock.sides[BLACK].stones == 2
    clock = clock_of("canadian 10 30 10")
    clock.spent(BLACK, 13)
    assert (clock.sides[BLACK].left, clock.sides[BLACK].stones) == (27, 10)
    for _ in range(10):
        clock.spent(BLACK, 2)
    assert (clock.sides[BLACK].left, clock.sides[BLACK].stones) == (30, 10)
    clock = clock_of("fischer-capped 10 5 12 -1")
    clock.spent(BLACK, 1)
    assert clock.sides[BLACK].left == 12
    assert clock.budget(WHITE, 40) is not None


def test_moves_to_come() -> None:
    for size in range(2, 20):
        counts = [moves_to_come(size, stones) for stones in range(size * size)]
        assert counts == sorted(counts, reverse=True)
        assert min(counts) >= 10 and not math.isinf(counts[0])
    assert 30 < moves_to_come(9, 0) < 60
    assert 100 < moves_to_come(19, 0) < 200


# --- whole games ----------------------------------------------------------------------------------------------------------

GNUGO = shutil.which("gnugo") or shutil.which("gnugo", path="/usr/games")


@pytest.fixture
def busy_processor() -> Iterator[None]:
    """Another process keeps a processor busy."""
    busy = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        yield
        assert busy.poll() is None
    finally:
        busy.kill()
        busy.wait(10)


@pytest.mark.slow
@pytest.mark.skipif(GNUGO is None, reason="GNU Go is not installed (apt-get install gnugo)")
@pytest.mark.parametrize("told", [True, False], ids=["time_left", "no time_left"])
@pytest.mark.parametrize("words", ["absolute 10", "byoyomi 0 1 5", "fischer 1 1"])
@pytest.mark.usefixtures("busy_processor")
def test_game_on_a_clock(words: str, told: bool) -> None:
    """Against GNU Go, the referee's clock running from the command to its answer."""
    assert GNUGO
    options = (
        "--mode",
        "gtp",
        "--quiet",
        "--level",
        "1",
        "--chinese-rules",
        "--positional-superko",
        "--forbid-suicide",
    )
    board = Board(9, "chinese-ogs", 6.5)
    server = Server(from_words(words.split()))
    with (
        process("--size", "9", "--memory", "128", "--no-resign") as us,
        process(*options, command=(GNUGO,)) as gnugo,
    ):
        for engine in (us, gnugo):
            for command in ("boardsize 9", "clear_board", "komi 6.5"):
                engine.ok(command)
        us.ok(f"kata-time_settings {words}")
        us.ok("heatmap")  # servers do not start the clock before the engine is there
        ours, taken = 0, 0.0
        while not board.is_over and board.move_count < 250:
            if board.to_play == BLACK:
                if told:
                    seconds, stones = server.says()
                    us.ok(f"time_left b {seconds:.3f} {stones}")
                start = time.monotonic()
                move = us.ok("genmove b", 60)
                seconds = time.monotonic() - start
                assert server.spend(seconds), f"lost on time at move {board.move_count}: {seconds:.2f} s"
                ours, taken = ours + 1, taken + seconds
                board.play(move)
                gnugo.ok(f"play b {move}")
            else:
                move = gnugo.ok("genmove w", 60)
                if move.lower() == "resign":
                    break
                board.play(move)
                us.ok(f"play w {move}")
        assert ours > 10
        if words == "absolute 10":
            # The time is there to be used: half of it in a game of the usual length, which fills the board.
            assert taken > 5 * min(1.0, ours / 40)
