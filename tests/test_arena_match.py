"""Matches: pairs, faults that lose a game and no more, repeated games, resumption; and results that arithmetic knows."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import Any

import pytest

from alphago.arena.game import GameRecord, dead_stones, play_game
from alphago.arena.journal import Journal, JournalError, read_journal
from alphago.arena.limits import Limits, Turn
from alphago.arena.match import Match, MatchError, game_seed, match_settings, play_stored
from alphago.arena.sides import parse_side
from alphago.arena.stats import Sprt, elo_of
from alphago.arena.summary import Summary, duplicates
from alphago.data import read_shard, validate
from alphago.go import Board
from arena_helpers import fake, record, small_match


def played(match: Match, games: int) -> tuple[Summary, list[GameRecord]]:
    found: list[GameRecord] = []
    summary = match.play(games, on_game=lambda game, _: found.append(game))
    return summary, sorted(found, key=lambda game: game.index)


# --- pairs ------------------------------------------------------------------------------------------------------------


def test_pairs_share_their_opening_with_colours_swapped() -> None:
    match = small_match(fake("--reseed", name="a"), fake("--reseed", name="b"), openings="generated", size=7, komi=9)
    _, games = played(match, 12)
    assert [game.index for game in games] == list(range(12))
    openings = []
    for one, other in zip(games[::2], games[1::2], strict=True):
        assert (one.black, other.black) == (0, 1)
        assert one.opening == other.opening >= 2
        assert one.moves[: one.opening] == other.moves[: other.opening]
        openings.append(tuple(one.moves[: one.opening]))
    assert len(set(openings)) == 6


def test_seeds_differ_between_games_and_sides() -> None:
    seeds = {game_seed(seed, index, side) for seed in range(5) for index in range(200) for side in (0, 1)}
    assert len(seeds) == 5 * 200 * 2
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_an_odd_number_of_games_is_refused() -> None:
    with pytest.raises(MatchError, match="expected an even number, got 7"):
        small_match(fake(), fake()).play(7)


# --- results that arithmetic knows ------------------------------------------------------------------------------------


def test_a_level_against_itself_is_even() -> None:
    summary, _ = played(small_match("novice", "novice", openings="generated", size=7, komi=9, simulations=20), 40)
    low, high = summary.pairs.interval()
    assert low <= 0.5 <= high
    assert high - low < 0.4
    assert summary.names == ("novice", "novice#2")
    assert summary.all_games.games == 40 - summary.duplicates


@pytest.mark.parametrize("rate", [0.5, 0.8])
def test_an_engine_of_known_strength_has_the_elo_of_arithmetic(rate: float) -> None:
    """It gives up at once with this probability, and is else the equal of its opponent: its score is (1 - rate) / 2."""
    options = ("--reseed", "--length", 2)
    weak = fake(*options, "--resign-rate", rate, name="weak")
    match = small_match(fake(*options, name="even"), weak, openings="generated", size=7, komi=9, scoring="tromp-taylor")
    summary, games = played(match, 100)
    truth = 1 - (1 - rate) / 2
    elo, low, high = summary.pairs.elo()
    assert low <= elo_of(truth) <= high
    assert abs(elo - elo_of(truth)) < 130
    assert high - low < 340
    resigned = sum(game.reason == "resign" for game in games)
    assert all(game.loser == 1 for game in games if game.reason == "resign")
    assert abs(resigned / 100 - rate) < 0.15


def test_sprt_ends_a_match_early() -> None:
    weak = fake("--reseed", "--resign-rate", 1, name="weak")
    match = small_match(fake("--reseed", name="strong"), weak, openings="generated", size=9, komi=7)
    test = Sprt(0, 200)
    summary = match.play(400, sprt=test)
    assert test.verdict(summary.pairs) == "H1"
    assert summary.played < 40
    summary = small_match(weak, fake("--reseed", name="strong"), openings="generated", size=9, komi=7).play(
        400, sprt=test
    )
    assert test.verdict(summary.pairs) == "H0"


# --- faults -----------------------------------------------------------------------------------------------------------

FAULTS = {
    "crash": ("crash", "bad: exited with status 3 on 'genmove [bw]' .*out of luck"),
    "signal": ("crash", "bad: was ended by signal 9"),
    "illegal": (
        "illegal",
        "bad: illegal move (black|white) [A-E][1-5]: the point is occupied|bad: illegal move .*: occupied",
    ),
    "off-board": ("garbled", "bad: answered 'genmove [bw]' with 'Z99', which is no move"),
    "garbage": ("garbled", "bad: answered 'genmove [bw]' with 'hello world', which is no move"),
    "error": ("refused", "bad: 'genmove [bw]' failed: 'I would rather not'"),
    "refuse-play": ("refused", "bad: 'play [bw] [A-E][1-5]' failed: 'illegal move'"),
    "crash-on-play": ("crash", "bad: exited with status 4 on 'play"),
    "unasked": ("garbled", "something nobody asked for"),
    "flood-stdout": ("garbled", "no end of nonsense"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_loses_its_game_and_the_match_goes_on(fault: str) -> None:
    """The third game of each process goes wrong; all games are played, and no other is touched."""
    bad = fake("--reseed", "--fault", fault, "--at", 2, "--of-games", 3, name="bad")
    summary, games = played(small_match(fake("--reseed", name="good"), bad, parallel=1, openings="generated"), 8)
    reason, message = FAULTS[fault]
    assert [game.index for game in games if game.message] == [2, 5]
    for game in games:
        if game.message:
            assert (game.reason, game.loser, game.score) == (reason, 1, None)
            assert re.search(message, game.message)
        else:
            assert game.reason == "passes"
    assert summary.faults == {"good": {}, "bad": {reason: 2}}
    assert summary.endings == {"passes": 6, reason: 2}


@pytest.mark.parametrize("fault", ["hang", "slow", "hang-on-play"])
def test_time_outs(fault: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("alphago.arena.engines.SETUP_SECONDS", 1.0)
    bad = fake(
        "--fault", fault, "--at", 2, "--of-games", 2, "--seconds", 3, "--reseed", "--log", tmp_path / "log", name="bad"
    )
    match = small_match(fake("--reseed", name="good"), bad, parallel=1, openings="generated", time="500ms", grace=0.5)
    start = time.monotonic()
    summary, games = played(match, 4)
    assert time.monotonic() - start < 20
    assert [(game.reason, game.loser) for game in games if game.message] == [("time", 1)] * 2
    assert summary.faults["bad"] == {"time": 2}
    assert all("bad: no answer to" in game.message for game in games if game.message)
    # A new process after each: the late answer of the old one would be taken for another.
    assert (tmp_path / "log").read_text().count("pid") == summary.played // 2 + (games[-1].message == "")


class Sleeper:
    """An engine of this process, which nobody can end: passes after so long."""

    name = "sleeper"

    def __init__(self, seconds: float, answer: int = 25) -> None:
        self.seconds, self.answer, self.dropped = seconds, answer, 0

    def start(self, board: Board, limits: Limits, seed: int) -> None:
        pass

    def genmove(self, turn: Turn) -> int:
        time.sleep(self.seconds)
        return self.answer

    def play(self, action: int) -> None:
        pass

    def drop(self) -> None:
        self.dropped += 1

    def close(self) -> None:
        pass

    def kill(self) -> None:
        pass


def test_the_referees_clock_decides_whatever_the_engine_says() -> None:
    for seconds, reason in ((0.0, "passes"), (0.3, "time")):
        engines = [Sleeper(0.0), Sleeper(seconds)]
        game = play_game(engines, Board(5), index=1, limits=Limits.parse("100ms", 0.1), max_moves=10)
        assert (game.black, game.reason) == (1, reason)
        assert engines[1].dropped == (reason == "time")
        if reason == "time":
            assert game.winner == 2 and game.loser == 1 and game.moves == []
            assert re.fullmatch(
                r"sleeper: took 0\.\d\d s for a move, with 0\.1 s a move and 0\.1 s grace", game.message
            )


def test_the_grace_is_kept() -> None:
    slow = fake("--reseed", "--fault", "slow", "--at", 2, "--seconds", 0.4, name="slow")
    generous = small_match(slow, fake("--reseed"), openings="generated", time="200ms", grace=1.0)
    summary, _ = played(generous, 2)
    assert summary.endings == {"passes": 2}
    assert summary.slowest[0] >= 0.4


def test_a_whole_games_clock_runs_out() -> None:
    slow = fake("--reseed", "--fault", "slow", "--at", 2, "--seconds", 1.5, name="slow")
    summary, games = played(small_match(slow, fake("--reseed"), openings="generated", time="600ms/game", grace=0.4), 2)
    assert summary.endings == {"time": 2}
    assert all(game.loser == 0 for game in games)


def test_a_flood_on_stderr_harms_nobody() -> None:
    summary, _ = played(
        small_match(fake("--reseed"), fake("--reseed", "--fault", "flood-stderr"), openings="generated"), 4
    )
    assert summary.endings == {"passes": 4}


@pytest.mark.parametrize(
    ("side", "message"),
    [
        (
            fake("--fault", "no-start", name="bad"),
            r"the match ends, an engine does not come up: bad: .*no weights found",
        ),
        (fake("--fault", "banner", name="bad"), r"does not come up: bad: .*Welcome to fake engine"),
        ("bad=gtp:/nowhere/engine", r"does not come up: bad: cannot be started: /nowhere/engine: No such file"),
        (fake("--only-size", 19, name="bad"), r"bad does not play 5x5: it answered 'unacceptable size'"),
    ],
    ids=["no start", "banner", "no program", "size"],
)
def test_an_engine_that_never_comes_up_ends_the_match(side: str, message: str) -> None:
    start = time.monotonic()
    with pytest.raises(MatchError, match=message):
        small_match(fake(), side).play(20)
    assert time.monotonic() - start < 15


def test_a_long_game_is_scored_as_it_stands() -> None:
    summary, games = played(small_match(fake("--reseed"), fake("--reseed"), openings="generated", max_moves=9), 4)
    assert summary.endings == {"max_moves": 4}
    assert all(len(game.moves) == 9 and game.score is not None for game in games)


# --- scoring ----------------------------------------------------------------------------------------------------------


def test_dead_stones_are_lifted_or_not_as_asked() -> None:
    board = Board.from_ascii(
        """
        . X . X O .
        X X X X O O
        . O . X O .
        X X X X O O
        . X O O O .
        X X O . O O
        """,
        "chinese-ogs",
        komi=0,
    )
    dead = dead_stones(board, "playout")
    assert board["B4"] == 2 and dead[2, 1]
    assert dead.sum() == 1
    assert not dead_stones(board, "tromp-taylor").any()
    assert board.score(dead) > board.score()
    for scoring, lifted in (("playout", dead), ("tromp-taylor", None)):
        passers = [Sleeper(0.0, 36), Sleeper(0.0, 36)]
        game = play_game(passers, board.copy(), index=0, limits=Limits(), max_moves=10, scoring=scoring)
        assert game.reason == "passes" and game.score == board.score(lifted)
        assert game.dead == ([] if lifted is None else [13])


# --- games that repeat one another ------------------------------------------------------------------------------------


def test_repeated_games_are_told_and_not_counted() -> None:
    """Two deterministic engines on the empty board play one pair for ever."""
    summary, games = played(small_match(fake("--seed", 1, name="a"), fake("--seed", 2, name="b")), 10)
    assert len({game.key for game in games}) == 2
    assert (summary.played, summary.duplicates, summary.pairs.n) == (10, 8, 1)
    assert summary.all_games.games == 2
    assert "8 of them duplicates" in dict(summary.rows())["games"]


def test_images_under_a_symmetry_are_repetitions() -> None:
    moves = [(1, 0), (2, 10), (1, 81)]
    turned = [(1, 8), (2, 16), (1, 81)]  # left and right swapped
    other_colours = [(2, 0), (1, 10), (2, 81)]
    games = [
        record(0, 1, moves=moves),
        record(2, 1, moves=turned),
        record(4, 1, moves=other_colours),
        record(1, 0, moves=moves),
    ]
    assert duplicates(games) == {2}  # not game 1: the same moves with the sides swapped are the other half of a pair


def test_summary_counts() -> None:
    shares = [1, 1, 1, 0, 0.5, 0, 1]  # the last game has no partner
    games = {i: record(i, share, "resign" if share == 1 else "passes") for i, share in enumerate(shares)}
    games[3] = record(3, 0, "illegal")
    summary = Summary.of(["a", "b"], games)
    assert (summary.played, summary.duplicates, summary.pairs.n) == (7, 0, 3)
    assert summary.pairs.counts() == {0.25: 1, 0.5: 1, 1.0: 1}
    assert (summary.all_games.wins, summary.all_games.draws, summary.all_games.losses) == (4, 1, 2)
    assert (summary.as_black.games, summary.as_white.games) == (4, 3)
    assert summary.faults == {"a": {"illegal": 1}, "b": {}}
    found = summary.to_dict(Sprt(0, 10))
    assert found["pair_results"] == {"0.5": 1, "1": 1, "2": 1}
    assert found["sprt"]["accepted"] is None
    json.dumps(found, allow_nan=False)
    json.dumps(Summary.of(["a", "b"], {}).to_dict(), allow_nan=False)


def test_the_order_of_games_does_not_matter() -> None:
    games = [record(i, i % 3 / 2) for i in range(12)]
    one = Summary.of(["a", "b"], {game.index: game for game in games})
    other = Summary.of(["a", "b"], {game.index: game for game in games[::-1]})
    assert one.to_dict() == other.to_dict()


# --- on disk ----------------------------------------------------------------------------------------------------------


def deterministic(**settings: Any) -> Match:
    return small_match(
        fake("--reseed", name="a"), fake("--reseed", "--seed", 7, name="b"), openings="generated", **settings
    )


def test_a_match_that_was_stopped_goes_on_to_the_same_games(tmp_path: Path) -> None:
    whole = play_stored(deterministic(), tmp_path / "whole", 12, resume=False)

    def stop(game: GameRecord, summary: Summary) -> None:
        if summary.played == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        play_stored(deterministic(), tmp_path / "parts", 12, resume=False, on_game=stop)
    assert len(read_journal(tmp_path / "parts")) == 5
    assert len(read_shard(tmp_path / "parts" / "games.parquet")) == 5
    new: list[int] = []
    resumed = play_stored(
        deterministic(), tmp_path / "parts", 12, resume=True, on_game=lambda game, _: new.append(game.index)
    )
    assert len(new) == len(set(new)) == 7
    one, other = read_journal(tmp_path / "whole"), read_journal(tmp_path / "parts")
    assert sorted(one) == sorted(other) == list(range(12))
    assert all(one[i].moves == other[i].moves and one[i].winner == other[i].winner for i in one)
    assert resumed.all_games == whole.all_games
    # Longer: only the new games are played.
    longer = play_stored(deterministic(), tmp_path / "parts", 14, resume=True)
    assert longer.played == 14


def test_what_a_match_leaves(tmp_path: Path) -> None:
    bad = fake("--reseed", "--fault", "illegal", "--at", 2, "--of-games", 2, name="bad")
    match = small_match(fake("--reseed", name="good"), bad, parallel=1, openings="generated")
    summary = play_stored(match, tmp_path, 4, resume=False)
    rows = read_shard(tmp_path / "games.parquet")
    assert [row["index"] for row in rows] == [0, 1, 2, 3]
    for row in rows:
        validate(row)
        assert (row["black"], row["white"]) == (("good", "bad") if row["index"] % 2 == 0 else ("bad", "good"))
    assert [row["ended"] for row in rows] == ["passes", "forfeit", "passes", "forfeit"]
    assert "illegal: bad: illegal move" in rows[1]["source"]
    assert rows[0]["ownership"] is not None and rows[1]["ownership"] is None
    sgfs = sorted((tmp_path / "sgf").iterdir())
    assert [path.name for path in sgfs] == [f"{i:06d}.sgf" for i in range(4)]
    assert b"RE[W+F]" in sgfs[1].read_bytes() or b"RE[B+F]" in sgfs[1].read_bytes()
    assert json.loads((tmp_path / "summary.json").read_text()) == summary.to_dict()
    assert not list(tmp_path.rglob("*.tmp"))


def test_an_unfinished_line_is_played_again(tmp_path: Path) -> None:
    play_stored(deterministic(), tmp_path, 4, resume=False)
    path = tmp_path / "games.jsonl"
    before = read_journal(tmp_path)
    path.write_bytes(path.read_bytes()[:-20])
    lost = set(before) - set(read_journal(tmp_path))
    assert len(lost) == 1
    new: list[int] = []
    play_stored(deterministic(), tmp_path, 4, resume=True, on_game=lambda game, _: new.append(game.index))
    assert set(new) == lost
    assert {i: g.moves for i, g in read_journal(tmp_path).items()} == {i: g.moves for i, g in before.items()}


def test_a_folder_that_is_another_match_is_refused(tmp_path: Path) -> None:
    play_stored(deterministic(), tmp_path / "m", 2, resume=False)
    with pytest.raises(MatchError, match=r"holds a match already: add --resume"):
        play_stored(deterministic(), tmp_path / "m", 2, resume=False)
    with pytest.raises(MatchError, match=r"holds a match with other settings: komi is 1\.5, not 2\.5"):
        play_stored(deterministic(komi=2.5), tmp_path / "m", 2, resume=True)
    with pytest.raises(MatchError, match="other settings: a is"):
        play_stored(small_match("novice", "novice", openings="generated"), tmp_path / "m", 2, resume=True)
    (tmp_path / "begun").mkdir()
    for left in (
        "lock",
        "games.jsonl",
        ".match.json.7.tmp",
    ):  # by a process that was killed before it wrote the manifest
        (tmp_path / "begun" / left).touch()
    assert play_stored(deterministic(), tmp_path / "begun", 2, resume=False).played == 2
    (tmp_path / "n").mkdir()
    (tmp_path / "n" / "thesis.tex").touch()
    with pytest.raises(MatchError, match="is not empty and holds no match"):
        play_stored(deterministic(), tmp_path / "n", 2, resume=True)


def test_a_network_that_has_changed_is_another_match(tmp_path: Path) -> None:
    net = tmp_path / "net.safetensors"
    net.write_bytes(b"one")
    first = parse_side(str(net)).identity()
    assert parse_side(f"other={net}").identity() == first
    net.write_bytes(b"two")
    assert parse_side(str(net)).identity() != first


def test_journals_refuse_what_is_damaged_or_taken(tmp_path: Path) -> None:
    with Journal(tmp_path) as journal:
        journal.append(record(0, 1))
        with pytest.raises(JournalError, match="game 0 is stored already"):
            journal.append(record(0, 1))
        with pytest.raises(JournalError, match="another process is playing this match"):
            Journal(tmp_path)
    with Journal(tmp_path) as journal:
        assert journal.games == {0: record(0, 1)}
    path = tmp_path / "games.jsonl"
    good = path.read_bytes()
    for line, message in ((b"{}\n", "damaged game"), (b"nonsense\n", "damaged game"), (good, "game 0 is there twice")):
        path.write_bytes(good + line)
        with pytest.raises(JournalError, match=rf"games.jsonl:2: {message}"):
            Journal(tmp_path)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"size": 1}, "size: "),
        ({"scoring": "japanese"}, "scoring: "),
        ({"simulations": 0}, "simulations: "),
        ({"gemas": 3}, "unknown key gemas"),
    ],
)
def test_bad_settings(values: dict[str, object], message: str) -> None:
    with pytest.raises(MatchError, match=message):
        match_settings(a="club", b="club", **values)
