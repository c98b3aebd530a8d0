"""Style alphago: which networks it asks for what, the threshold that follows their speed, the search that goes on in doubt."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from alphago.arena.sides import SideError, parse_side, with_style
from alphago.errors import AlphaGoError
from alphago.go import Board
from alphago.gtp.clock import Clock, TimeSystem
from alphago.nets.architecture import Residual
from alphago.nets.modules import build
from alphago.nets.store import save_network
from alphago.search import bot as bots
from alphago.search.bot import Bot, BotError
from alphago.search.params import search_params
from alphago.search.player import Player, Report
from alphago.search.threshold import AdaptiveThreshold

POLICY = Residual(
    blocks=1, channels=8, feature_set="rich-fast", outcome=False, ownership=False, score=False, reply=False
)
VALUE = Residual(blocks=1, channels=8, feature_set="rich-fast", policy=False, ownership=False, score=False, reply=False)


@pytest.fixture(scope="module")
def nets(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    folder = tmp_path_factory.mktemp("nets")
    for name, architecture, seed in (("policy", POLICY, 1), ("value", VALUE, 2)):
        save_network(folder / f"{name}.safetensors", build(architecture, seed), "test")
    return str(folder / "policy.safetensors"), str(folder / "value.safetensors")


def alphago(net: str, value_net: str | None, **options: object) -> Bot:
    options = {"threads": 1, "memory_mib": 64, "runtime": "torch", "precision": "fp32", **options}
    bot = Bot("max", net, style="alphago", value_net=value_net, **options)  # type: ignore[arg-type]
    bot.new_game(Board(5, komi=0.5))
    return bot


def root(bot: Bot) -> dict[str, np.ndarray]:
    found: dict[str, np.ndarray] = bot._current()._pool.root(0)
    return found


def test_both_networks_and_rollouts_are_asked(nets: tuple[str, str]) -> None:
    policy, value = nets
    whole, plain = alphago(policy, value), alphago(policy, "none")
    for bot in (whole, plain):
        bot.choose(simulations=200)
    rollouts = root(whole)
    assert rollouts["n_r"].sum() >= 200 and 0 < rollouts["n_v"].sum() < rollouts["n_r"].sum()
    assert root(plain)["n_v"].sum() == 0
    # the policy network's priors, whatever gives the values; not the tree policy's
    assert np.allclose(rollouts["priors"], root(plain)["priors"], atol=1e-6)
    without = alphago("none", value)
    without.choose(simulations=200)
    assert root(without)["n_v"].sum() > 0 and not np.allclose(root(without)["priors"], rollouts["priors"], atol=1e-3)
    neither = alphago("none", "none")
    neither.choose(simulations=200)
    assert root(neither)["n_v"].sum() == 0 and np.allclose(root(neither)["priors"], root(without)["priors"])


def test_no_rollouts(nets: tuple[str, str]) -> None:
    bot = alphago(*nets, settings={"rollouts": "off", "rollout_cache": False})
    bot.choose(simulations=50)
    assert root(bot)["n_r"].sum() == 0 and root(bot)["n_v"].sum() > 0


def test_priors_are_raised_to_the_power_beta(nets: tuple[str, str]) -> None:
    policy, value = nets
    flat = alphago(policy, value, settings={"symmetry": "none"})
    plain = alphago(policy, value, settings={"symmetry": "none", "policy_exponent": 1.0})
    for bot in (flat, plain):
        bot.choose(simulations=1)
    wanted = root(plain)["priors"].astype(np.float64) ** 0.67
    assert np.allclose(root(flat)["priors"], wanted / wanted.sum(), atol=1e-5)


def test_the_threshold_follows_the_share_of_the_time() -> None:
    threshold = AdaptiveThreshold(40, share=0.5)
    for _ in range(30):
        threshold.note(0.9 * 0.02, 0.02)  # the networks take too much: expand later
    high = threshold.visits
    for _ in range(60):
        threshold.note(0.1 * 0.02, 0.02)
    assert high > 1000 and threshold.visits == 1
    # a load that answers: the networks' share falls as 20 / threshold
    for _ in range(100):
        threshold.note(min(1.0, 20 / threshold.visits) * 0.02, 0.02)
    assert 30 <= threshold.visits <= 55
    steady = AdaptiveThreshold(40, share=0.5)
    assert [steady.note(0.01, 0.02) for _ in range(10)] == [None] * 10 and steady.visits == 40
    assert steady.note(0.001, 0.002) is None  # too short a time to tell
    with pytest.raises(ValueError, match="share must be above 0 and below 1"):
        AdaptiveThreshold(40, share=1.0)


def test_the_search_uses_the_threshold_that_it_is_told() -> None:
    """How deep the tree grows in equal numbers of rollouts; a change counts while the game goes on."""

    def nodes(visits: int) -> int:
        params = search_params({"rollouts": "light", "expansion_threshold": 2})
        player = Player(params, size=5, threshold=AdaptiveThreshold(visits, share=0.5))
        player.search(400)
        return int(player._pool.root(0)["nodes"])

    few, some, many = nodes(200), nodes(20), nodes(2)
    assert few < some < many
    player = Player(search_params({"rollouts": "light", "expansion_threshold": 1000}), size=5)
    player.search(400)
    flat = player._pool.root(0)["nodes"]
    player._pool.set_threshold(0, 2)
    player.search(400)
    assert player._pool.root(0)["nodes"] > 4 * flat
    with pytest.raises(ValueError, match=r"visits must be 1\.\.1000000"):
        player._pool.set_threshold(0, 0)


def test_a_threshold_of_ones_own_stays(nets: tuple[str, str]) -> None:
    """It is the one that follows the networks: their own, or without one, as in the paper, that of expansion."""

    def followed(**settings: int) -> int | None:
        threshold = alphago(*nets, settings=settings)._current()._threshold
        return None if threshold is None else threshold.visits

    assert followed() == followed(expansion_threshold=15) == 10
    assert followed(network_threshold=15) is None
    assert followed(network_threshold=0) == followed(late_evaluations=0) == 40
    assert followed(network_threshold=0, expansion_threshold=15) is None


def test_what_the_networks_take_is_noted_and_obeyed(nets: tuple[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Both workers tell the time of networks and of everything, and as much is asked as the answer allows."""
    told: list[tuple[float, float]] = []

    def asked(visits: int) -> int:
        def note(self: AdaptiveThreshold, networks: float, all_: float) -> int:
            told.append((networks, all_))
            return visits

        monkeypatch.setattr(AdaptiveThreshold, "note", note)
        bot = alphago(*nets, threads=2)
        bot.choose(simulations=600, seconds=60)
        return bot._current().stats()["evaluations"]

    assert asked(500) < asked(1) / 2
    assert all(0 <= networks <= all_ for networks, all_ in told) and sum(networks for networks, _ in told) > 0


def test_without_a_clock_networks_are_asked_at_once(nets: tuple[str, str]) -> None:
    """Few simulations are no reason not to ask: there is no time that they would cost."""
    bot = alphago(*nets)
    bot.choose(simulations=64)
    player = bot._current()
    assert player.stats()["evaluations"] > 24
    assert player._threshold is not None and player._threshold.visits == 10  # has learned nothing from it
    timed = alphago(*nets)
    timed.choose(simulations=64, seconds=60)
    assert timed._current().stats()["evaluations"] < 12


@pytest.mark.parametrize("agreed", [True, False])
def test_in_doubt_the_search_goes_on_once(nets: tuple[str, str], monkeypatch: pytest.MonkeyPatch, agreed: bool) -> None:
    monkeypatch.setattr(bots, "_is_agreed", lambda report: agreed)
    report = alphago(*nets).choose(simulations=100).report
    assert report is not None and report.simulations == (100 if agreed else 150)
    zero = Bot("max", "none", threads=1, memory_mib=64)
    zero.new_game(Board(5, komi=0.5))
    report = zero.choose(simulations=100).report
    assert report is not None and report.simulations == 100


def test_doubt_is_another_best_valued_move() -> None:
    def report(visits: list[int], q: list[float]) -> Report:
        empty = np.zeros(len(visits))
        empty, actions = np.zeros(len(visits)), np.arange(len(visits), dtype=np.uint16)
        counts, priors = np.array(visits, dtype=np.uint32), np.zeros(len(visits), dtype=np.float32)
        return Report(1, 0, 10, 10, 0.0, 0.0, 0.0, actions, counts, priors, np.array(q), empty, empty, empty)

    nan = float("nan")
    assert bots._is_agreed(report([5, 3, 0], [0.2, 0.1, nan]))
    assert not bots._is_agreed(report([5, 3, 0], [0.1, 0.2, nan]))
    assert not bots._is_agreed(report([100, 10], [0.1, 0.2]))
    assert bots._is_agreed(report([100, 9, 1], [0.1, 0.2, 1.0]))  # a few rollouts that happened to be won
    assert bots._is_agreed(report([0, 0], [nan, nan]))


def test_time_is_added_on_a_main_time_alone() -> None:
    clock = Clock()
    assert clock.extension(1, 2.0, 0.5) == 0
    clock.set(TimeSystem("absolute", main=60))
    assert clock.extension(1, 2.0, 0.5) == 1.0
    clock.time_left(1, 10.0, 0)
    assert clock.extension(1, 2.0, 0.5) == 0.5  # never over a quarter of what is left
    clock.set(TimeSystem("byoyomi", main=0, period=10, count=3))
    assert clock.extension(1, 9.0, 0.5) == 0
    clock.set(TimeSystem("fischer-capped", main=60, period=5, move_cap=6))
    assert clock.extension(1, 5.5, 0.5) == 0.5


def test_sides_of_matches(nets: tuple[str, str]) -> None:
    policy, value = nets
    side = parse_side(f"{policy}@max:style=alphago,value={value},rollout_weight=0.3")
    assert (side.style, side.value_net, side.settings) == ("alphago", value, {"rollout_weight": 0.3})
    other = parse_side(f"{policy}@max:style=alphago,value=none,rollout_weight=0.3")
    assert side.identity().count("sha256") == other.identity().count("sha256") + 1
    for text, message in (
        ("max:style=alfago", "style is one of zero, alphago"),
        ("max:value=none", "one value network, and with style=alphago alone"),
        ("max:style=alphago,value=nowhere", "nowhere: no such file, nor default or none"),
        ("max:style=alphago,style=zero", "style is one of zero, alphago"),
    ):
        with pytest.raises(SideError, match=message):
            parse_side(text)


def test_a_style_for_both_sides(nets: tuple[str, str]) -> None:
    """What `alphago match --style` makes of a text plays in that style and is the same otherwise."""
    policy, _ = nets
    for text in ("max", "none@club", "a=strong:seconds=0.1", policy, f"b={policy}", f"c={policy}@max:c_puct=3"):
        plain, styled = parse_side(text), parse_side(with_style(text, "alphago"))
        assert styled.style == "alphago" and plain.style == "zero"
        for name in ("net", "level", "settings", "seconds"):
            assert getattr(plain, name) == getattr(styled, name), (text, name)
        assert with_style(with_style(text, "alphago"), "zero") == with_style(text, "alphago")
    for text in ("gtp:gnugo --mode gtp", "x=gtp:gnugo", "max:style=zero"):
        assert with_style(text, "alphago") == text
    with pytest.raises(SideError, match="style is one of zero, alphago"):
        with_style("max", "alfago")


def test_mistakes_are_named(nets: tuple[str, str], tmp_path: Path) -> None:
    policy, value = nets
    with pytest.raises(BotError, match=r"unknown style 'alphgo' \(did you mean alphago\?\): one of zero, alphago"):
        Bot(style="alphgo")
    with pytest.raises(BotError, match="goes with style alphago alone"):
        Bot(value_net=value)
    with pytest.raises(BotError, match="style alphago needs a network with policy here"):
        alphago(value, value)
    with pytest.raises(BotError, match="style alphago needs a network with outcome or value here"):
        alphago(policy, policy)
    with pytest.raises(AlphaGoError, match="nowhere"):
        alphago(policy, str(tmp_path / "nowhere"))
