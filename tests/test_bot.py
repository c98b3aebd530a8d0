"""`Bot`: levels, limits of thinking, moves left alone, resignation."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

from alphago.go import Board
from alphago.nets.rollout import WeightsError, read_rollout_arrays, save_rollout_weights
from alphago.nets.shipped import network_file, network_files, rollout_file
from alphago.search.bot import Bot, BotError
from alphago.search.levels import LEVELS, BadLevel, level_named
from alphago.search.params import BadSearchParams
from alphago.search.player import PlayerError, Report

PASS = 25


def small(level: str = "club", **options: object) -> Bot:
    bot = Bot(level, threads=1, memory_mib=64, **options)  # type: ignore[arg-type]
    bot.new_game(Board(5, komi=0.5))
    return bot


def test_every_level_chooses_a_legal_move() -> None:
    for name in LEVELS:
        bot = small(name)
        choice = bot.choose(seconds=0.05)
        assert Board(5, komi=0.5).is_legal(choice.action), name
        assert choice.report is not None and choice.report.simulations > 0
        limit = LEVELS[name].rollout_simulations
        if limit is not None:
            assert choice.report.simulations <= limit


def test_without_a_network() -> None:
    bot = small(net="none")
    assert bot.network is None and not bot.evaluators(5)
    assert bot.params(5).prior == "tree" and bot.params(5).rollouts == "softmax"
    assert network_file("none", 19) is None
    assert network_file("my/own.safetensors", 9) == Path("my/own.safetensors")


def test_the_default_network_can_be_named_by_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALPHAGO_NET", "none")
    assert network_file("default", 9) is None and network_file("my.safetensors", 9) == Path("my.safetensors")
    monkeypatch.setenv("ALPHAGO_NET", "/my/best.safetensors")
    assert network_file("default", 9) == Path("/my/best.safetensors") and network_file("none", 9) is None
    assert network_files("default") == (Path("/my/best.safetensors"),)
    monkeypatch.setenv("ALPHAGO_NET", "")
    empty = network_file("default", 9)
    monkeypatch.delenv("ALPHAGO_NET")
    assert network_file("default", 9) == empty


def test_a_level_plays_with_the_network_it_was_measured_with(monkeypatch: pytest.MonkeyPatch) -> None:
    """Unless the caller, or the environment, names another one."""
    monkeypatch.delenv("ALPHAGO_NET")
    assert Bot("club").network is None and Bot("club", net="small").network is not None
    few, many = (choose_at(Bot("expert", net=net, threads=1, memory_mib=64)) for net in ("default", "none"))
    assert few.simulations == LEVELS["expert"].network_simulations
    assert many.simulations == LEVELS["expert"].rollout_simulations
    monkeypatch.setenv("ALPHAGO_NET", "none")
    assert Bot("expert").network is None and Bot("master").network is None


def choose_at(bot: Bot) -> Report:
    bot.new_game(Board(5, komi=0.5))
    report = bot.choose().report
    assert report is not None
    return report


def test_levels_share_networks_and_not_each_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ALPHAGO_NET")
    best = Bot("max", threads=1, memory_mib=64)
    network, evaluators = best.network, best.evaluators(9)
    master, expert = best.with_level("master"), best.with_level("expert")
    assert master.network is network and master.evaluators(9) is evaluators
    assert expert.network is not network and expert.evaluators(9) is not evaluators


def test_rollout_weights_of_ones_own(tmp_path: Path) -> None:
    """Other weights are other priors: here the ones that ship with their signs turned round."""
    arrays, _ = read_rollout_arrays(rollout_file(None))
    for name, array in arrays.items():
        if array.dtype == np.float32:
            arrays[name] = -array
    save_rollout_weights(tmp_path / "turned.safetensors", arrays, "test")
    priors = []
    for weights in (None, str(tmp_path / "turned.safetensors")):
        bot = small("max", rollout_weights=weights)
        bot.play(12)
        report = bot.choose(simulations=60).report
        assert report is not None
        priors.append(report.priors)
    assert np.abs(priors[0] - priors[1]).max() > 0.02
    with pytest.raises(WeightsError, match=r"nowhere\.safetensors"):
        small(rollout_weights="nowhere.safetensors")


def test_a_level_spends_what_it_says_and_no_more() -> None:
    report = small("casual").choose().report
    assert report is not None and report.simulations == 40


def test_the_same_seed_plays_the_same_game() -> None:
    def game(seed: int) -> list[int]:
        bot = small("novice", seed=seed)
        moves = []
        for _ in range(12):
            if bot.position.is_over:
                break
            moves.append(bot.choose().action)
            bot.play(moves[-1])
        return moves

    assert game(1) == game(1)
    assert game(1) != game(2)


def test_time_is_kept_and_not_wasted_on_a_settled_move() -> None:
    bot = small("max")
    start = time.perf_counter()
    bot.choose(seconds=0.3)
    assert time.perf_counter() - start < 0.6
    # One sensible move: all of black's others lose the chain in atari and the game.
    over = Board.from_ascii("XX.\nXXX\n.XX", komi=0.5, to_play="white")
    bot.new_game(over)  # white has no legal move but a pass
    start = time.perf_counter()
    assert bot.choose(seconds=20).action == 9
    assert time.perf_counter() - start < 5


@pytest.mark.parametrize("plies", [1, 2])
def test_moves_left_alone_are_not_searched(plies: int) -> None:
    bot = small()
    bans = [(1, action, plies) for action in range(26) if action not in (0, 12)] + [(2, 7, 2)]
    choice = bot.choose(simulations=100, bans=bans)
    report = choice.report
    assert report is not None and report.actions.tolist() == [0, 12]
    assert choice.action in (0, 12)
    assert 7 not in bot.line(0)[1:2] and 7 not in bot.line(12)[1:2]
    free = bot.choose(simulations=100).report
    assert free is not None and len(free.actions) == 26


def test_bans_end_with_the_move() -> None:
    bot = small()
    bot.choose(simulations=50, bans=[(2, 6, 5)])
    bot.play(12)
    report = bot.choose(simulations=50).report
    assert report is not None and 6 in report.actions.tolist()


def test_all_moves_banned_bans_none() -> None:
    report = small().choose(simulations=20, bans=[(1, action, 1) for action in range(26)]).report
    assert report is not None and len(report.actions) == 26


def test_passing_can_be_forbidden() -> None:
    bot = small("strong")
    bot.play(12)
    bot.play(PASS)  # white passes: black, ahead, would pass and win
    assert bot.choose().action == PASS
    assert bot.choose(may_pass=False).action != PASS


def test_a_hopeless_game_is_resigned_only_when_allowed() -> None:
    def lost(resign: bool) -> list[int]:
        bot = small("club", resign=resign)
        bot.new_game(Board(5, komi=60))
        actions = []
        for _ in range(8):
            actions.append(bot.choose().action)
            if actions[-1] < 0:
                break
            bot.play(actions[-1])
            bot.play(PASS)
        return actions

    assert lost(True)[-1] == -1 and lost(True)[0] >= 0
    assert -1 not in lost(False)


def test_styles_differ_in_how_often_a_game_must_look_lost() -> None:
    """AlphaGo's resigns at the first turn under its threshold, ours at the second, another setting at that one."""

    def turns(**options: object) -> int:
        bot = small("club", net="none", **options)
        bot.new_game(Board(5, komi=60))
        for turn in range(1, 12):
            if bot.choose(simulations=40).action < 0:
                return turn
            bot.play(2 * turn - 2)
            bot.play(PASS)
        return 0

    first = turns(settings={"resign_min_turn": 0, "resign_turns": 1})
    assert first == turns(style="alphago", value_net="none", settings={"resign_min_turn": 0}) == 1
    assert turns(settings={"resign_min_turn": 0}) == 2
    assert turns(settings={"resign_min_turn": 0, "resign_turns": 4}) == 4


def test_stop_when_ends_a_search_at_once() -> None:
    bot = small("max")
    start = time.perf_counter()
    bot.choose(seconds=60, stop_when=lambda: time.perf_counter() - start > 0.1)
    assert time.perf_counter() - start < 0.6


def test_reports_come_while_it_thinks() -> None:
    bot = small("max")
    seen: list[int] = []
    start = time.perf_counter()
    bot.analyze(0.05, lambda report: seen.append(report.visits), lambda: time.perf_counter() - start > 0.5)
    assert 3 <= len(seen) <= 12
    assert seen == sorted(seen) and seen[0] > 0


def test_pondering_deepens_the_tree() -> None:
    bot = small("max")
    bot.ponder()
    time.sleep(0.2)
    assert bot.report().visits > 100
    bot.ponder()
    bot.play(12)
    assert bot.choose(simulations=10).action >= 0


def test_mistakes_are_named() -> None:
    with pytest.raises(BadLevel, match=r"unknown level 'expart' \(did you mean expert\?\): one of beginner, "):
        level_named("expart")
    with pytest.raises(BadLevel, match="grandmaster"):
        Bot("grandmaster")
    with pytest.raises(BadSearchParams, match="c_pukt"):
        Bot(settings={"c_pukt": 1})
    with pytest.raises(BotError, match="threads must be 1 to 1024, got 0"):
        Bot(threads=0)
    with pytest.raises(BotError, match="memory_mib"):
        Bot(memory_mib=1)
    bot = small()
    bot.play(PASS)
    bot.play(PASS)
    with pytest.raises(PlayerError, match="over"):
        bot.choose()
    with pytest.raises(PlayerError, match="a ban needs"):
        small().choose(bans=[(3, 0, 1)])
