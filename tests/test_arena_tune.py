"""Tuning by factorial matches: the design, the fit on results of known gains, and folders that go on."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from alphago.arena.match import MatchError
from alphago.arena.sides import parse_side
from alphago.arena.tune import (
    Factor,
    Result,
    TuneError,
    choices,
    effects,
    parse_factor,
    play_tuning,
    side_text,
)

FACTORS = [Factor("c_puct", ("1", "0.5", "2")), Factor("rave", ("300", "0"))]


def test_factors_from_texts() -> None:
    assert parse_factor("c_puct=0.8, 1.2,1.6") == Factor("c_puct", ("0.8", "1.2", "1.6"))
    for text in ("c_puct", "c_puct=1", "c_puct=1,1", "c_puct=1,,2", ""):
        with pytest.raises(TuneError, match="expected KEY=VALUE,VALUE"):
            parse_factor(text)


def test_choices_differ_everywhere_and_are_spread() -> None:
    drawn = [choices(FACTORS, 3, number) for number in range(3000)]
    assert drawn == [choices(FACTORS, 3, number) for number in range(3000)]
    for first, second in drawn:
        assert all(a != b for a, b in zip(first, second, strict=True))
    for side in (0, 1):
        for f, factor in enumerate(FACTORS):
            counts = np.bincount([pair[side][f] for pair in drawn])
            assert len(counts) == len(factor.values) and counts.min() > 0.9 * 3000 / len(factor.values)


def test_known_gains_are_found_within_their_intervals() -> None:
    """Games of bots whose Elo is the sum of known gains: over 40 tunings the intervals hold the truth 95 % of the time."""
    truth = {("c_puct", "0.5"): -60.0, ("c_puct", "2"): 40.0, ("rave", "0"): -120.0}
    random = np.random.default_rng(1)
    inside, errors = [], []
    for seed in range(40):
        results = []
        for number in range(150):
            first, second = choices(FACTORS, seed, number)
            elo = [
                sum(truth.get((f.key, f.values[v]), 0.0) for f, v in zip(FACTORS, choice, strict=True))
                for choice in (first, second)
            ]
            p = 1 / (1 + 10 ** ((elo[1] - elo[0]) / 400))
            results.append(Result(first, second, float(random.binomial(4, p)), 4))
        for effect in effects(FACTORS, results):
            wanted = truth.get((effect.key, effect.value))
            if wanted is None:
                assert effect.elo == effect.error == 0
            else:
                inside.append(abs(effect.elo - wanted) <= effect.error)
                errors.append(effect.error)
    assert 0.88 <= np.mean(inside) <= 1.0
    assert 20 < np.mean(errors) < 60


def test_without_games_nothing_is_claimed() -> None:
    for effect in effects(FACTORS, []):
        assert effect.elo == 0 and (effect.error > 300) == (
            effect.value != FACTORS[0].values[0] and effect.value != "300"
        )


def test_a_choice_changes_the_side_and_keeps_the_rest() -> None:
    base = parse_side("none@club:seconds=0.5,simulations=40,leaves_in_flight=3")
    side = parse_side(side_text(base, FACTORS, (2, 1)))
    assert (side.net, side.level, side.seconds, side.simulations) == ("none", "club", 0.5, 40)
    assert side.settings == {"leaves_in_flight": 3, "c_puct": 2.0, "rave": 0.0}


def test_a_tuning_goes_on_as_if_it_had_never_stopped(tmp_path: Path) -> None:
    def played(out: Path, matches: int) -> list[Result]:
        return play_tuning("none@max:simulations=4", FACTORS, matches, out, games=2, size=5, seed=2, resign=False)

    whole = played(tmp_path / "whole", 3)
    assert len(whole) == 3 and all(0 <= result.points <= 2 for result in whole)
    played(tmp_path / "parts", 1)
    with (tmp_path / "parts" / "results.jsonl").open("a") as file:
        file.write('{"first": [0, 1], "sec')  # killed while it wrote
    assert played(tmp_path / "parts", 3) == whole
    assert played(tmp_path / "parts", 2) == whole  # what is there stays
    with pytest.raises(TuneError, match="holds another tuning"):
        play_tuning("none@max:simulations=5", FACTORS, 3, tmp_path / "parts", games=2, size=5, seed=2, resign=False)


def test_what_is_wrong_is_said_before_any_game(tmp_path: Path) -> None:
    from alphago.search.params import BadSearchParams

    with pytest.raises(TuneError, match="only bots of this program"):
        play_tuning("gtp:true", FACTORS, 1, tmp_path / "a")
    with pytest.raises(BadSearchParams, match="unknown search parameter 'speed'"):
        play_tuning("max", [Factor("speed", ("1", "2"))], 1, tmp_path / "b")
    with pytest.raises(BadSearchParams, match="c_puct"):
        play_tuning("max", [Factor("c_puct", ("1", "-2"))], 1, tmp_path / "c")
    with pytest.raises(MatchError, match="an even number, got 3"):
        play_tuning("max", FACTORS, 1, tmp_path / "d", games=3)
    assert not any(tmp_path.iterdir())


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from alphago.cli import main

    arguments = [
        "arena",
        "tune",
        "none@max:simulations=3",
        "--vary",
        "c_puct=1,2",
        "--out",
        str(tmp_path),
        "--size",
        "5",
    ]
    with pytest.raises(SystemExit, match=r"^0$"):
        main([*arguments, "--matches", "2", "--games", "2", "--json"])
    found = json.loads(capsys.readouterr().out)
    assert found["games"] == 4 and [effect["value"] for effect in found["effects"]] == ["1", "2"]
