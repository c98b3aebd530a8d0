"""The seven engines of the paper's table: what each is made of, that the parts are really off, one fit over all games."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from alphago.arena.components import (
    NAMES,
    VARIANTS,
    ComponentsError,
    Parts,
    games_of,
    opponents_of,
    pairings,
    side_text,
    table_of,
    variants_named,
)
from alphago.arena.engines import BotEngine
from alphago.arena.ladder import play_pairings
from alphago.arena.match import MatchError
from alphago.arena.ratings import Pairing, bradley_terry
from alphago.arena.sides import SideError, parse_side
from alphago.go import Board
from alphago.nets.architecture import Residual
from alphago.nets.modules import build
from alphago.nets.rollout import load_rollout_weights
from alphago.nets.store import save_network

ANCHORS = ("few=none@max:simulations=4,weights=handset", "more=none@max:simulations=12,weights=handset")
SMALL: dict[str, Any] = {"size": 5, "komi": 3.5, "openings": "empty", "rules": "tromp-taylor"}


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Parts:
    folder = tmp_path_factory.mktemp("parts")
    policy = build(Residual(blocks=1, channels=8, feature_set="rich-fast"), seed=1)
    value = build(
        Residual(blocks=1, channels=8, feature_set="rich-fast", policy=False, ownership=False, score=False), 2
    )
    save_network(folder / "policy.safetensors", policy, "test")
    save_network(folder / "value.safetensors", value, "test")
    return Parts(str(folder / "policy.safetensors"), str(folder / "value.safetensors"), "handset", "fp32")


def test_the_table_is_the_papers() -> None:
    """Nature 529, Extended Data Table 7: which parts, and Elo."""
    assert {v.paper: (v.policy, v.value, v.rollouts, v.paper_elo) for v in VARIANTS} == {
        "a_rvp": (True, True, True, 2890),
        "a_vp": (True, True, False, 2177),
        "a_rp": (True, False, True, 2416),
        "a_rv": (False, True, True, 2077),
        "a_v": (False, True, False, 1655),
        "a_r": (False, False, True, 1457),
        "a_p": (True, False, False, 1517),
    }


@pytest.mark.parametrize("variant", VARIANTS, ids=NAMES)
def test_a_part_that_is_off_is_off(variant: object, parts: Parts) -> None:
    """At the root of a search: network values, rollouts, and whose priors."""
    chosen = next(v for v in VARIANTS if v is variant)
    side = parse_side(side_text(chosen, parts, 0.05))
    assert side.name == chosen.name and side.seconds == (0.05 if chosen.searches else None)
    engine = BotEngine(side, threads=1, memory_mib=64)
    bot = engine._bot
    bot.new_game(Board(5, "tromp-taylor", 3.5), seed=1)
    if not chosen.searches:
        report = bot.choose(simulations=side.simulations).report
        assert report is not None and int(report.visit_counts.sum()) == 1
        assert report.actions[report.visit_counts.argmax()] == report.actions[report.priors.argmax()]
        assert report.move == report.actions[report.priors.argmax()]
        engine.close()
        return
    bot.choose(simulations=150)
    has_network = chosen.policy or chosen.value
    assert (bot._current()._threshold is not None) == (chosen.rollouts and has_network)
    root = bot._current()._pool.root(0)
    tree = Board(5, "tromp-taylor", 3.5).tree_probabilities(load_rollout_weights("handset"))[root["actions"]]
    assert (root["n_r"].sum() > 0) == chosen.rollouts
    assert (root["n_v"].sum() > 0) == chosen.value
    assert np.allclose(root["priors"], tree / tree.sum(), atol=1e-3) == (not chosen.policy)
    engine.close()


def test_sides_and_pairings(parts: Parts) -> None:
    pairs = pairings(parts, ANCHORS, 0.1)
    assert [(a.name, b.name) for a, b in pairs] == [(v, o) for v in NAMES for o in ("few", "more")]
    assert {a.seconds for a, _ in pairs if a.name != "raw-policy"} == {0.1}
    assert len(pairings(parts, ANCHORS, 0.1, ["value-only", "full"])) == 4
    assert [v.name for v in variants_named(["raw-policy", "full"])] == ["full", "raw-policy"]
    for bad, message in (
        (lambda: variants_named(["ful"]), r"unknown variant 'ful' \(did you mean full\?\)"),
        (lambda: pairings(parts, (), 0.1), "needs an opponent"),
        (lambda: pairings(parts, ["full=none@club"], 0.1), "two engines are called full"),
        (lambda: opponents_of(["full=none@club"]), "two engines are called full"),
        (lambda: opponents_of(["a=none@club", "a=none@expert"]), "two engines are called a"),
        (lambda: side_text(VARIANTS[0], Parts("a,b", "c"), 0.1), "a,b: the name of a file must not hold a comma"),
    ):
        with pytest.raises(ComponentsError, match=message):
            bad()
    with pytest.raises(SideError, match=r"nowhere\.safetensors: no such file"):
        pairings(Parts("nowhere.safetensors", parts.value), ANCHORS, 0.1)


def test_matches_are_played_gone_on_with_and_rated_in_one_fit(parts: Parts, tmp_path: Path) -> None:
    pairs = pairings(parts, ANCHORS, 0.002, ["rollouts-only", "raw-policy"])
    out = tmp_path / "out"
    told: list[tuple[int, int]] = []
    half = out / "rollouts-only-vs-more"
    half.mkdir(parents=True)
    (half / "lock").touch()  # a process died before it wrote the match's manifest
    play_pairings(pairs, out, 2, parallel=1, threads=1, on_match=lambda _, n, of: told.append((n, of)), **SMALL)
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]
    play_pairings(pairs, out, 4, parallel=1, threads=1, **SMALL)
    games = games_of(out)
    assert set(games) == {(a.name, b.name) for a, b in pairs} and all(sorted(g) == [0, 1, 2, 3] for g in games.values())
    table = table_of(out)
    assert table.anchors == ("few", "more") and {row.rating.name for row in table.rows} == {
        "few", "more", "rollouts-only", "raw-policy",
    }  # fmt: skip
    # the same fit from points that are added up here
    pairings_ = []
    for (a, b), found in games.items():
        seen: dict[str, float] = {}
        for _, game in sorted(found.items()):
            seen.setdefault(game.key, game.share)  # a repeated game counts once
        pairings_.append(Pairing(a, b, sum(seen.values()), len(seen)))
    fit = bradley_terry(pairings_)
    assert [(r.rating.name, round(r.rating.elo, 6)) for r in table.rows] == [
        (r.name, round(r.elo, 6)) for r in fit.ratings
    ]
    row = next(row for row in table.rows if row.rating.name == "raw-policy")
    wanted = next(p for p in pairings_ if (p.a, p.b) == ("raw-policy", "few"))
    assert row.scores["few"] == (wanted.points, wanted.games)
    assert table.rows[-1].sure is None and all(row.sure is not None for row in table.rows[:-1])
    values = json.loads(json.dumps(table.to_dict()))
    assert [one["anchor"] for one in values["rows"]] == [r.variant is None for r in table.rows]
    with pytest.raises(MatchError, match="an even number"):
        play_pairings(pairs, out, 3, **SMALL)
    anchored = table_of(out, {"few": 100.0})
    assert next(row for row in anchored.rows if row.rating.name == "few").rating.elo == 100.0


def test_the_command(parts: Parts, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from alphago.cli import main

    arguments = [
        "arena", "components", "--policy", parts.policy, "--value", parts.value, "--out", str(tmp_path / "out"),
        "--precision", "fp32", "--against", ANCHORS[0], "--games", "2", "--time", "2ms", "--size", "5", "--komi", "3.5",
        "--openings", "empty", "--variant", "full", "--variant", "rollouts-only",
    ]  # fmt: skip
    with pytest.raises(SystemExit, match=r"^0$"):
        main([*arguments, "--json"])
    row = json.loads(capsys.readouterr().out)
    assert {one["name"] for one in row["rows"]} == {"full", "rollouts-only", "few"}
    with pytest.raises(SystemExit, match=r"^0$"):
        main(arguments)
    shown = capsys.readouterr().out
    assert "Components (Bradley-Terry)" in shown and "rollouts-only" in shown
    for bad, message in (
        (["--variant", "ful"], "unknown variant 'ful'"),
        (["--time", "soon"], "expected a time such as 2s"),
        (["--against", "chess"], "bad side 'chess'"),
    ):
        with pytest.raises(SystemExit, match=r"^2$"):
            main([*arguments, *bad])
        err = capsys.readouterr().err
        assert message in err and err.count("\n") == 1
