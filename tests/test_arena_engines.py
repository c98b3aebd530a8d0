"""Sides from texts, what a GTP engine is told, time limits, openings."""

from __future__ import annotations

import gzip
import time
from pathlib import Path

import numpy as np
import pytest

from alphago import _core
from alphago.arena.client import EngineCrashed
from alphago.arena.engines import RESIGN, BotEngine, GtpEngine
from alphago.arena.limits import BadLimits, Limits, SideClock, Turn, share_of_game
from alphago.arena.match import Match, match_settings
from alphago.arena.openings import BALANCE, LONGEST, SHORTEST, OpeningError, Openings
from alphago.arena.sides import SideError, parse_side, parse_sides
from alphago.arena.symmetry import canonical_position, game_key
from alphago.data.identity import symmetries
from alphago.errors import AlphaGoError
from alphago.go import Board, Rules
from alphago.nets import shipped
from alphago.search.bot import Bot, Choice
from arena_helpers import fake

RULES = Rules.named("chinese-ogs")


# --- sides ------------------------------------------------------------------------------------------------------------


def test_sides_from_texts(tmp_path: Path) -> None:
    net = tmp_path / "best.safetensors"
    net.touch()
    side = parse_side("gtp:/usr/games/gnugo --mode gtp --level 10")
    assert (side.name, side.command) == ("gnugo", "/usr/games/gnugo --mode gtp --level 10")
    side = parse_side("gnugo-l1=gtp:gnugo --level=1")
    assert (side.name, side.command) == ("gnugo-l1", "gnugo --level=1")
    side = parse_side("club")
    assert (side.name, side.level, side.net, side.command) == ("club", "club", "default", None)
    side = parse_side("max:simulations=300,c_puct=0.8")
    assert (side.name, side.level) == ("max:simulations=300,c_puct=0.8", "max")
    assert (side.simulations, dict(side.settings)) == (300, {"c_puct": 0.8})
    side = parse_side(str(net))
    assert (side.name, side.level, side.net) == ("best", "max", str(net))
    side = parse_side(f"{net}@casual:c_puct=2")
    assert (side.name, side.level, side.net) == ("best@casual:c_puct=2", "casual", str(net))
    side = parse_side(f"new={net}")
    assert (side.name, side.net) == ("new", str(net))
    side = parse_side("none@club:c_puct=2")
    assert (side.name, side.level, side.net) == ("none@club:c_puct=2", "club", "none")
    side = parse_side(f"trained=max:simulations=300,weights={net}")
    assert (side.name, side.weights, side.simulations, side.settings) == ("trained", str(net), 300, {})
    side = parse_side(f"{net}@max:precision=int8,simulations=9")
    assert (side.precision, side.simulations, side.settings) == ("int8", 9, {})
    side = parse_side(f"trained=max:simulations=300,weights={net}")
    before = side.identity()
    net.write_bytes(b"other")
    assert before != side.identity()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("expart", r"no level 'expart' \(did you mean expert\?\) and no such file; expected gtp:COMMAND"),
        ("nowhere/best.safetensors", "nowhere/best.safetensors: no such file"),
        ("best.safetensors@club", "best.safetensors: no such file"),
        ("gtp:", "the command is empty"),
        ("gtp:'open", "no closing quotation"),
        ("", "expected gtp:COMMAND"),
        ("club:c_pukt=1", "unknown search parameter 'c_pukt'"),
        ("club:c_puct=-5", "c_puct"),
        ("club:", "is not key=value"),
        ("max:seconds=0", "seconds of a move are one number"),
        ("max:seconds=nan", "seconds of a move are one number"),
        ("max:seconds=1,seconds=2", "seconds of a move are one number"),
        ("max:weights=nowhere.safetensors", "nowhere.safetensors: no such file"),
        ("max:weights=a,weights=b", "a side has one file of rollout weights"),
        ("max:precision=fp8", "precision is one of auto, fp32, bf16, int8"),
        ("two words", "expected gtp:COMMAND"),
    ],
)
def test_bad_sides(text: str, message: str) -> None:
    with pytest.raises(AlphaGoError, match=message):
        parse_side(text)


def test_a_folder_is_no_network(tmp_path: Path) -> None:
    with pytest.raises(SideError, match="no such file"):
        parse_side(str(tmp_path))


def test_names_are_made_different() -> None:
    assert [side.name for side in parse_sides(["club", "club", "x=club", "club"])] == ["club", "club#2", "x", "club#3"]


# --- engines ----------------------------------------------------------------------------------------------------------


def started(tmp_path: Path, limits: Limits, board: Board, *options: object) -> tuple[GtpEngine, Path]:
    log = tmp_path / "log"
    engine = GtpEngine(parse_side(fake("--log", log, *options)))
    engine.start(board, limits, seed=2**40 + 77)
    return engine, log


def told(log: Path) -> list[str]:
    """Commands after the handshake."""
    return [line for line in log.read_text().splitlines() if not line.startswith(("pid", "list_commands"))]


def test_a_gtp_engine_is_told_what_it_needs(tmp_path: Path) -> None:
    board = Board(9, RULES, 6.5)
    for move in ("D5", "F5", "pass"):
        board.play(move)
    engine, log = started(tmp_path, Limits.parse("1.5s"), board)
    engine.play(0)
    action = engine.genmove(Turn(1.5, None, 0.0, 10.0))
    assert 0 <= action <= 81
    engine.close()
    assert told(log) == [
        "boardsize 9",
        "clear_board",
        "komi 6.5",
        f"set_random_seed {(2**40 + 77) % 2**31}",
        "time_settings 0 1.5 1",
        "play b D5",
        "play w F5",
        "play b pass",
        "play w A9",
        "time_left b 1.50 1",
        "genmove b",
        "quit",
    ]


def test_a_whole_games_clock_is_told(tmp_path: Path) -> None:
    engine, log = started(tmp_path, Limits.parse("2m/game"), Board(9, RULES))
    engine.genmove(Turn(None, 120.0, 0.0, 130.0))
    engine.play(0)
    engine.genmove(Turn(None, 99.258, 0.0, 110.0))
    engine.close()
    times = [line for line in told(log) if line.startswith("time")]
    assert times == ["time_settings 120 0 0", "time_left b 120 0", "time_left b 99.26 0"]


def test_an_engine_starts_again_after_a_crash(tmp_path: Path) -> None:
    engine, log = started(tmp_path, Limits(), Board(5, RULES), "--fault", "crash", "--at", 1, "--of-games", 2)
    assert engine.genmove(Turn(None, None, 0.0, 10.0)) >= 0
    engine.start(Board(5, RULES), Limits(), 1)
    with pytest.raises(EngineCrashed):
        engine.genmove(Turn(None, None, 0.0, 10.0))
    engine.drop()
    engine.start(Board(5, RULES), Limits(), 1)
    assert engine.genmove(Turn(None, None, 0.0, 10.0)) >= 0
    engine.close()
    assert log.read_text().count("pid") == 2


def test_resignation_from_gtp(tmp_path: Path) -> None:
    engine, _ = started(tmp_path, Limits(), Board(5, RULES), "--resign-rate", 1)
    assert engine.genmove(Turn(None, None, 0.0, 10.0)) == RESIGN
    engine.close()


def test_a_bot_plays_the_position_it_is_given() -> None:
    board = Board(5, RULES, 3.5)
    board.play("C3")
    engine = BotEngine(parse_side("novice"), simulations=10, threads=1)
    engine.start(board, Limits(), 5)
    first = engine.genmove(Turn(None, None, 0.0, 10.0))
    assert board.is_legal(first)
    engine.start(board, Limits(), 5)
    assert engine.genmove(Turn(None, None, 0.0, 10.0)) == first  # a function of position and seed
    with pytest.raises(EngineCrashed, match="novice: "):
        engine.play(first if first != 25 else 12)  # no longer legal
    engine.close()


def test_simulations_of_the_side_come_before_the_matchs() -> None:
    for text, given, expected in (("max", 50, 50), ("max:simulations=20", 50, 20), ("amateur", None, 100)):
        engine = BotEngine(parse_side(text), simulations=given, threads=1)
        engine.start(Board(7, RULES), Limits(), 1)
        seen: list[int] = []
        choose = engine._bot.choose

        def watched(choose=choose, seen=seen, **limits):  # type: ignore[no-untyped-def]
            choice = choose(**limits)
            seen.append(choice.report.simulations)
            return choice

        engine._bot.choose = watched  # type: ignore[method-assign]
        engine.genmove(Turn(None, None, 0.0, 10.0))
        assert expected <= seen[0] <= expected + 16  # leaves in flight
        engine.close()


def test_a_side_may_have_a_time_of_its_own() -> None:
    """Without a clock of the referee's; under one it takes the shorter time."""
    side = parse_side("max:seconds=0.2,c_puct=2")
    assert (side.seconds, dict(side.settings), side.name) == (0.2, {"c_puct": 2}, "max:seconds=0.2,c_puct=2")
    for text, move, low, high in (("max:seconds=0.2", None, 0.1, 0.6), ("max:seconds=60", 0.2, 0.1, 0.6)):
        engine = BotEngine(parse_side(text), threads=1)
        engine.start(Board(9, RULES), Limits(), 1)
        start = time.perf_counter()
        engine.genmove(Turn(move, None, 0.0, 10.0))
        assert low < time.perf_counter() - start < high
        engine.close()


def test_an_extension_stays_within_a_sides_own_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Style alphago thinks on in doubt, on the game's clock, not over a limit of one move."""
    told: list[tuple[float, float]] = []

    def choose(self: Bot, *, seconds: float, extension: float, **more: object) -> Choice:
        told.append((seconds, extension))
        return Choice(0, None)

    monkeypatch.setattr(Bot, "choose", choose)
    for text in ("max:seconds=0.2", "max:seconds=5", "max"):
        engine = BotEngine(parse_side(f"none@{text}"), threads=1)
        engine.start(Board(9, RULES), Limits(), 1)
        engine.genmove(Turn(None, 60.0, 0.0, 10.0))
        engine.close()
    (short, none), (share, some), (same, free) = told
    assert (short, none) == (0.2, 0.0) and share == same < 5
    assert free > 0 and some == min(free, 5 - share)


def test_one_game_at_a_time_where_time_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("alphago.arena.match.usable_threads", lambda: 4)
    for a, settings, expected in (
        ("club", {}, 4),
        ("max", {}, 1),
        ("club:seconds=0.1", {}, 1),
        ("max", {"simulations": 100}, 4),
        ("max:simulations=9", {}, 4),
        ("club", {"time": "1s"}, 1),
        (fake(), {}, 4),
    ):
        assert Match(match_settings(a=a, b="club", **settings)).parallel == expected


# --- time -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "kind", "seconds", "increment"),
    [
        ("1s", "move", 1, 0),
        ("0.25", "move", 0.25, 0),
        (".5s", "move", 0.5, 0),
        ("500ms", "move", 0.5, 0),
        ("2m", "move", 120, 0),
        ("5m/game", "game", 300, 0),
        ("60s+1s/game", "game", 60, 1),
        (" 10S/GAME ", "game", 10, 0),
    ],
)
def test_times(text: str, kind: str, seconds: float, increment: float) -> None:
    limits = Limits.parse(text)
    assert (limits.kind, limits.seconds, limits.increment) == (kind, seconds, increment)


@pytest.mark.parametrize(
    "text", ["", "s", "1x", "-1s", "0s", "1s/move", "60s+1s", "nan", "inf", "1e3s", "99999h", "1,5s"]
)
def test_bad_times(text: str) -> None:
    with pytest.raises(BadLimits, match=r"bad time "):
        Limits.parse(text)


def test_bad_grace() -> None:
    for grace in (-1.0, float("nan"), 1000.0):
        with pytest.raises(BadLimits, match="grace"):
            Limits.parse("1s", grace)


def test_the_referees_clock() -> None:
    clock = SideClock(Limits.parse("1s", 0.5))
    assert clock.turn().move == 1 and clock.turn().timeout == 1.5
    assert clock.spend(1.4) and clock.spend(1.4) and not clock.spend(1.6)
    clock = SideClock(Limits.parse("2s/game", 0.5))
    assert clock.spend(1.5) and clock.turn().left == pytest.approx(0.5)
    assert clock.spend(0.9) and clock.turn().left == 0  # within the grace, and nothing is left
    assert not clock.spend(0.6)
    clock = SideClock(Limits.parse("2s+1s/game", 0.0))
    assert all(clock.spend(1.0) for _ in range(50)) and clock.turn().left == pytest.approx(2)
    assert clock.used == pytest.approx(50)
    assert SideClock(Limits()).turn().move is None


def test_a_game_is_planned_within_its_time() -> None:
    """Whoever thinks as long as planned never runs out, however long the game becomes."""
    for text in ("10s/game", "1s+1s/game", "300s/game"):
        clock = SideClock(Limits.parse(text, 0.0))
        for move in range(200):
            share = share_of_game(clock.turn(), 9, min(70, 2 * move))
            assert share <= max(0.01, clock.left * 0.25)
            assert clock.spend(min(share, clock.left))


# --- openings ---------------------------------------------------------------------------------------------------------


def test_generated_openings_are_distinct_short_fair_and_repeatable() -> None:
    openings = Openings(9, RULES, 7, seed=3)
    found = [openings.get(k) for k in range(15)]
    assert len({canonical_position(opening.board(9, RULES, 7)) for opening in found}) == 15
    assert all(SHORTEST <= len(opening.moves) <= LONGEST for opening in found)
    again = Openings(9, RULES, 7, seed=3)
    assert [again.get(k) for k in reversed(range(15))] == found[::-1]
    assert Openings(9, RULES, 7, seed=4).get(0) != found[0]
    judge = Bot("max", threads=1, memory_mib=64, seed=99)
    for opening in found[:5]:
        judge.new_game(opening.board(9, RULES, 7))
        report = judge.choose(simulations=2000).report
        assert report is not None
        assert BALANCE[0] - 0.06 <= (1 + report.value) / 2 <= BALANCE[1] + 0.06


def test_openings_do_not_depend_on_what_ships(monkeypatch: pytest.MonkeyPatch) -> None:
    """A seed names the same openings tomorrow: networks and learned rollout weights have no say in them."""
    wanted = [Openings(9, RULES, 7, seed=3).get(k) for k in range(3)]
    monkeypatch.delenv("ALPHAGO_NET")
    monkeypatch.setitem(shipped._ROLLOUTS, "default", "no such file")
    assert [Openings(9, RULES, 7, seed=3).get(k) for k in range(3)] == wanted


def test_openings_that_run_out_come_again() -> None:
    openings = Openings(2, RULES, 0, seed=1)
    openings.get(10_000)
    count = openings.distinct(10_000)
    assert count < 100
    assert openings.get(count) == openings.get(0)


def test_no_fair_opening_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("alphago.arena.openings._ATTEMPTS", 30)
    with pytest.raises(
        OpeningError, match="no balanced opening on 5x5 with komi -200 in 30 attempts: choose another komi"
    ):
        Openings(5, RULES, -200, seed=1).get(0)


def test_the_empty_board_as_opening() -> None:
    openings = Openings(9, RULES, 7, 1, "empty")
    assert openings.get(0).moves == openings.get(5).moves == ()


GAMES = [
    b"(;SZ[9];B[ee];W[gc];B[cc];W[gg])",
    b"(;SZ[9];B[ee];W[cc];B[gc];W[cg])",  # an image of the first one
    b"(;SZ[9];B[dd];W[ff];B[];W[fd])",
    b"(;SZ[13];B[dd];W[jj];B[dj];W[jd])",
    b"(;SZ[9]AB[dd];W[ff];B[fd];W[df])",
    b"(;SZ[9];B[dd])",
]


def test_openings_from_files(tmp_path: Path) -> None:
    lines = tmp_path / "games.sgfs"
    lines.write_bytes(b"\n".join(GAMES))
    packed = tmp_path / "games.sgfs.gz"
    packed.write_bytes(gzip.compress(lines.read_bytes()))
    single = tmp_path / "game.sgf"
    single.write_bytes(GAMES[2])
    for path, count in ((lines, 2), (packed, 2), (single, 1)):
        openings = Openings(9, RULES, 7, 1, str(path), plies=4)
        assert openings.distinct(100) == count
    assert openings.get(0).moves == ((1, 30), (2, 50), (1, 81), (2, 32))
    assert openings.get(7) == openings.get(0)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.sgfs", b"\n(;SZ[9];B[zz])\n", "a.sgfs:2: "),
        ("a.sgf", b"nonsense", "a.sgf:1: no game tree"),
        ("a.sgf", b"(;SZ[9];B[ee])", "no 9x9 game from the empty board with 4 moves"),
        ("a.sgf", b"(;SZ[9];B[ee];W[ee];B[dd];W[cc])", "a.sgf:1: move 2 .white E5. is illegal: occupied"),
        ("a.sgfs.gz", b"not packed", "a.sgfs.gz:"),
        ("a.parquet", b"PAR0", "not a file of games"),
    ],
)
def test_bad_files_of_openings(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(OpeningError, match=message):
        Openings(9, RULES, 7, 1, str(tmp_path / name), plies=4)


def test_missing_file_of_openings() -> None:
    with pytest.raises(OpeningError, match="nowhere: no such file; openings are `generated`, `empty` or a file"):
        Openings(9, RULES, 7, 1, "nowhere")


# --- symmetry ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [2, 5, 9])
def test_the_eight_symmetries(size: int) -> None:
    maps = symmetries(size).astype(np.int64)
    assert maps.shape == (8, size * size + 1)
    assert len({tuple(m) for m in maps.tolist()}) == 8
    for image in maps:
        assert sorted(image.tolist()) == list(range(size * size + 1))
        assert image[-1] == size * size
    rows, columns = np.divmod(np.arange(size * size), size)
    for image in maps:  # neighbours stay neighbours
        r, c = np.divmod(image[:-1], size)
        near = np.abs(rows[:, None] - rows) + np.abs(columns[:, None] - columns)
        assert (near == np.abs(r[:, None] - r) + np.abs(c[:, None] - c)).all()


def test_images_have_one_key() -> None:
    board = _core.Position(9, 1, False)
    while board.move_count < 40:
        legal = np.flatnonzero(board.legal_mask())
        board.try_play(int(legal[(board.move_count * 7919) % len(legal)]))
    moves = board.moves()
    keys, positions = set(), set()
    for image in symmetries(9):
        turned = _core.Position(9, 1, False)
        for color, action in moves:
            assert turned.try_play(int(image[action]), color) >= 0
        keys.add(game_key(9, turned.moves()))
        positions.add(canonical_position(turned))
    assert len(keys) == len(positions) == 1
    assert game_key(9, moves[:-1]) not in keys
    assert game_key(13, moves) not in keys
