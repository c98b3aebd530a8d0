"""The stages that measure: policies on held-out games, the value network's two figures, the components against fixed opponents."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from alphago.arena.components import Parts, Table, games_of, pairings, table_of
from alphago.arena.game import GameRecord
from alphago.arena.ladder import play_pairings
from alphago.arena.match import Match
from alphago.arena.summary import Summary
from alphago.data.game_set import load_games
from alphago.files import make_directory, write_atomically
from alphago.nets.rollout import load_rollout_weights
from alphago.nets.store import load_network
from alphago.train.distributed import joined
from alphago.train.folders import MANIFEST
from alphago.train.metrics import measure
from alphago.train.supervised import spread
from selfplay import value_examples
from selfplay.networks import named_network
from selfplay.pipeline.budget import Plan
from selfplay.pipeline.learning import TrainingTold, value_settings
from selfplay.pipeline.runner import Context, Made
from selfplay.pipeline.settings import PipelineError
from selfplay.value_errors import Errors, draw_examples, measure_errors

RESULT: Final = "result.json"
MEASURED: Final = "measured.json"
"""Errors of values that were found before the stage was cut short."""
_PERCENT: Final = 100.0
POLICIES: Final = {"SL policy": "supervised/network", "RL policy": "reinforce/network"}
"""As reports call them, and where they come from."""


def evaluate_policy(context: Context, plan: Plan) -> Made:
    """Top-1, top-5, log-loss and outcome error of both policy networks by phase of the game, on games held out."""
    data = plan.supervised.run.data
    games = load_games([context.path("games/games")], sizes=(plan.size,), chosen_by=data.chosen_by, visits=False)
    side = games.side_of_split(data.held_out, data.split_seed, held_out=True)
    positions = spread(games.examples(side), plan.evaluation.positions)
    torch.set_num_threads(context.machine.threads)
    rows: dict[str, Any] = {}
    total = len(POLICIES) * len(positions)
    with joined(context.machine.device) as place:
        for number, (name, need) in enumerate(POLICIES.items()):
            network = load_network(context.path(need))[0].to(place.device)

            def told(done: int, name: str = name, number: int = number) -> None:
                context.advance(number * len(positions) + done, total, name)

            found = measure(
                network, games, positions, device=place.device, threads=context.machine.threads, on_batch=told
            )
            rows[name] = {**found.summary(), "phases": found.by_phase()}
    text = ", ".join(f"{name} top-1 {row['top1']:.1%}" for name, row in rows.items())
    return _result(context, {"positions": len(positions), "policies": rows}, text)


def evaluate_value(context: Context, plan: Plan) -> Made:
    """Errors of values by stage of the game, and what positions drawn many a game would have done."""
    part, data = plan.evaluation, plan.value.run.data
    arms = _arms(context, plan) if part.arms else []
    examples = draw_examples(
        context.path("value-data/games"),
        size=plan.size, share=data.held_out, split_seed=data.split_seed, most=part.value_positions, seed=plan.seed,
    )  # fmt: skip
    policies = {name: named_network(str(context.path(need)), plan.size, need) for name, need in POLICIES.items()}
    torch.set_num_threads(context.machine.threads)
    trained = _PERCENT * plan.expected["value"] / plan.expected["evaluate-value"] if part.arms else 0.0
    parts: dict[str, Callable[[float, float, str], None]] = {}

    def told(name: str, done: int, total: int) -> None:
        if name not in parts:
            step = (_PERCENT - trained) / (1 + len(policies))
            parts[name] = _within(context, trained + len(parts) * step, trained + (len(parts) + 1) * step)
        parts[name](done, total, f"{name}, {done:,}/{total:,} positions")

    before = context.folder / MEASURED
    make_directory(context.folder, PipelineError)
    with joined(context.machine.device) as place:
        errors = measure_errors(
            examples,
            load_network(context.path("value/network"))[0].to(place.device),
            load_rollout_weights(context.path("rollout/weights")),
            policies,
            playouts=part.playouts,
            policy_positions=plan.policy_positions,
            seed=plan.seed,
            threads=context.machine.threads,
            device=place.device,
            on_done=told,
            known=errors_of(json.loads(before.read_text(encoding="utf-8"))).squared if before.exists() else None,
            on_way=lambda found: write_atomically(before, json.dumps(_raw(found)).encode(), PipelineError),
        )
    facts = {"playouts": part.playouts, **errors.to_dict(), "arms": value_examples.to_dict(arms), **_raw(errors, 4)}
    value, rollouts = (errors.whole(name).mse for name in list(errors.squared)[:2])
    return _result(context, facts, f"MSE {value:.3f}, of {part.playouts} rollouts {rollouts:.3f}")


def _within(context: Context, begin: float, end: float) -> Callable[[float, float, str], None]:
    """What tells of a part of a stage that takes from `begin` to `end` per cent of it."""

    def advance(done: float, total: float, text: str) -> None:
        context.advance(begin + (end - begin) * done / max(1.0, total), _PERCENT, text)

    return advance


def _arms(context: Context, plan: Plan) -> list[value_examples.Arm]:
    """The value network's own run, and one like it on as many positions of fewer games."""
    one = value_examples.read_arm(context.path("value/network"), "one")
    settings = value_settings(context, plan, plan.value, context.path("value-data/games"))
    run = context.folder / "many"
    context.clear_without(run, MANIFEST)
    torch.set_num_threads(plan.threads)
    with joined(context.machine.device) as place:
        part = _PERCENT * plan.expected["value"] / plan.expected["evaluate-value"]
        told, stops = TrainingTold(context, _within(context, 0.0, part)), context.machine.stops
        many = value_examples.train_arm(run, settings, "many", one.positions, place, told, stops)
    if many is None:
        raise KeyboardInterrupt
    return [one, many]


def _raw(errors: Errors, digits: int | None = None) -> dict[str, Any]:
    """Squared errors of every position, so that the figure can be drawn again; to the last bit, or rounded."""

    def shown(value: float) -> float:
        return value if digits is None else round(value, digits)

    return {
        "stages": [shown(stage) for stage in errors.stages.tolist()],
        "squared": {
            name: [None if np.isnan(value) else shown(value) for value in values.tolist()]
            for name, values in errors.squared.items()
        },
    }


def errors_of(result: Mapping[str, Any]) -> Errors:
    """What `evaluate_value` has kept, to be drawn."""
    errors = Errors(np.array(result["stages"], dtype=np.float64))
    for name, values in result["squared"].items():
        errors.squared[name] = np.array([np.nan if value is None else value for value in values], dtype=np.float64)
    return errors


def arms_of(result: Mapping[str, Any]) -> list[value_examples.Arm]:
    """Likewise."""
    names = value_examples.Arm.__dataclass_fields__
    return [value_examples.Arm(**{name: arm[name] for name in names}) for arm in result["arms"]]


def play_parts(context: Context, plan: Plan) -> Made:
    """The seven variants against the fixed opponents."""
    part = plan.evaluation
    parts = parts_of(context, part.precision)
    pairs = pairings(parts, part.against, plan.component_seconds, part.variants)
    total = len(pairs) * plan.component_games
    before = 0

    def announce(found: Match, number: int, count: int) -> None:
        nonlocal before
        before = (number - 1) * plan.component_games
        context.advance(before, total, f"{found.names[0]} against {found.names[1]}")

    def tell(found: Match, game: GameRecord, summary: Summary) -> None:
        if game.message:
            context.say(
                f"{found.names[0]} against {found.names[1]}, game {game.index}: lost by {game.reason}: {game.message}"
            )
        context.advance(before + summary.played, total, summary.line())

    matches = context.folder / "matches"
    play_pairings(
        pairs, matches, plan.component_games, threads=context.machine.threads, parallel=1, on_match=announce, on_game=tell,
        size=plan.size, rules=part.rules, komi=plan.komi, seed=plan.seed + 1, openings=part.openings,
    )  # fmt: skip
    table: Table = table_of(matches)
    facts = {
        **table.to_dict(),
        "seconds": plan.component_seconds,
        "games_a_pairing": plan.component_games,
        "samples": _samples(matches, pairs[0][0].name, part.samples),
    }
    best = next(row for row in table.rows if row.variant is not None)
    text = f"{best.rating.name} first, {best.rating.elo:+.0f} +-{best.rating.error:.0f}"
    return _result(context, facts, text)


def parts_of(context: Context, precision: str = "auto") -> Parts:
    """The files of the engine that a pipeline has made: the supervised network's priors, as in the paper."""
    return Parts(
        str(context.path("supervised/network")),
        str(context.path("value/network")),
        str(context.path("rollout/weights")),
        precision,
    )


def _samples(matches: Path, name: str, count: int) -> list[dict[str, Any]]:
    """The first games of a variant, its opponents in turn."""
    found: list[dict[str, Any]] = [
        {
            "black": names[game.black],
            "white": names[1 - game.black],
            "moves": game.moves,
            "winner": game.winner,
            "score": game.score,
            "reason": game.reason,
            "opening": game.opening,
        }
        for names, games in games_of(matches).items()
        if name in names
        for _, game in sorted(games.items())[:count]
    ]
    opponents: dict[str, list[dict[str, Any]]] = {}
    for game in found:
        opponents.setdefault(game["white"] if game["black"] == name else game["black"], []).append(game)
    ordered = [games[i] for i in range(count) for games in opponents.values() if i < len(games)]
    return ordered[:count]


def _result(context: Context, result: dict[str, Any], text: str) -> Made:
    """What was measured, as a file."""
    out = context.folder / RESULT
    make_directory(context.folder, PipelineError)
    write_atomically(out, (json.dumps(result, indent=1) + "\n").encode(), PipelineError)
    return Made({"result": (out, None)}, text=text)
