"""The report's page: what the records and results of a pipeline say, put into the template `page.html`."""

from __future__ import annotations

import importlib.resources
import json
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import yaml

from alphago.data.games import RANDOM, GameRow, replay
from alphago.data.plots import new_figure
from alphago.data.store import read_games
from alphago.files import write_atomically
from alphago.go import BLACK, Board, Rules
from alphago.go.svg import game_figures
from selfplay.pipeline.budget import STAGES, Plan
from selfplay.pipeline.curves import read_curve
from selfplay.pipeline.evaluation import arms_of, errors_of
from selfplay.pipeline.records import Record
from selfplay.pipeline.runner import Context, curve_path
from selfplay.pipeline.settings import PipelineError
from selfplay.report import charts

_MOVES_A_FIGURE: Final = 40
_HASH: Final = 12
"""Digits of a hash that are shown."""


def check_tools() -> None:
    """Find out now, not hours later, whether a report can be drawn. Raises PipelineError, and NoPlots without matplotlib."""
    new_figure(1, 1)
    _jinja2()


def _jinja2() -> Any:
    try:
        import jinja2
    except ImportError:
        raise PipelineError("the report needs jinja2: pip install 'alphago[train]'") from None
    return jinja2


def write_page(path: Path, context: Context, plan: Plan, about: Mapping[str, Any], play: str, match: str) -> None:
    """Write the report, whole or not at all. Raises PipelineError where it cannot be written."""
    jinja2 = _jinja2()
    template = (importlib.resources.files("selfplay.report") / "page.html").read_text(encoding="utf-8")
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    text = environment.from_string(template).render({**_values(context, plan, about), "play": play, "match": match})
    write_atomically(path, text.encode(), PipelineError)


def _values(context: Context, plan: Plan, about: Mapping[str, Any]) -> dict[str, Any]:
    records = context.records()
    policy, value, components = (
        _read(context.path(f"{stage}/result")) for stage in ("evaluate-policy", "evaluate-value", "components")
    )
    reinforce_curve = read_curve(curve_path(context.out, "reinforce"))
    errors, arms = errors_of(value), arms_of(value)
    done = [records[name] for name in STAGES if name in records]
    return {
        "title": f"AlphaGo's pipeline on {plan.size}x{plan.size}",
        "about": about,
        "minutes": sum(record.seconds for record in done) / 60,
        "stages": [_stage(record, plan) for record in done],
        "games": records["games"].facts,
        "rollout": records["rollout"].facts,
        "policies": _policies(policy["policies"], records["rollout"].facts["metrics"], plan.size),
        "policy_charts": _there(
            charts.accuracy_chart(policy["policies"]),
            charts.learning_chart(
                read_curve(curve_path(context.out, "supervised")),
                {"train/top1": "training", "held_out/top1": "held out"},
                "Policy network: moves foretold", "top-1, %", 100,
            ),
        ),
        "reinforce": records["reinforce"].facts,
        "reinforce_charts": _there(
            charts.wins_chart(reinforce_curve),
            charts.learning_chart(reinforce_curve, {"entropy": "entropy"}, "Entropy of a move", "nats"),
        ),
        "values": [_error_row(name, row) for name, row in value["errors"].items()],
        "differences": [
            {"name": name, "cells": [_cell(part, signed=True) for part in parts]}
            for name, parts in value["differences"].items()
        ],
        "arms": value["arms"],
        "value_charts": _there(
            charts.errors_chart(errors),
            charts.arms_chart(arms),
            charts.learning_chart(
                read_curve(curve_path(context.out, "value")),
                {"held_out/learned_outcome_mse": "learned", "held_out/outcome_mse": "held out"},
                "Value network: MSE against +1, 0, -1", "MSE",
            ),
        ),
        "components": components,
        "elo_chart": charts.elo_chart(components["rows"]),
        "samples": [*_samples(components["samples"], plan), *_value_samples(context)],
        "settings": yaml.safe_dump(plan.model_dump(mode="json"), sort_keys=False, width=120),
        "machine": _machine(),
    }  # fmt: skip


def _there(*found: str | None) -> list[str]:
    return [one for one in found if one is not None]


def _read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def _stage(record: Record, plan: Plan) -> dict[str, Any]:
    return {
        "name": record.stage,
        "minutes": record.seconds / 60,
        "expected": plan.expected.get(record.stage, 0.0) / 60,
        "sessions": record.sessions,
        "key": record.key[:_HASH],
        "outputs": [(name, output.digest[:_HASH]) for name, output in record.outputs.items()],
    }


def _policies(
    networks: Mapping[str, Mapping[str, Any]], rollout: Mapping[str, float], size: int
) -> list[dict[str, Any]]:
    rows = [
        {
            "name": name,
            "positions": row["positions"],
            "top1": f"{row['top1']:.2%}",
            "top5": f"{row['top5']:.2%}",
            "log_loss": f"{row['log_loss']:.3f}",
            "mse": f"{row['outcome_mse']:.3f}" if "outcome_mse" in row else "",
        }
        for name, row in networks.items()
    ]
    for stage, name in (("tree", "tree policy"), ("likelihood", "rollout policy")):
        key = f"{stage}_{size}x{size}"
        if f"{key}_top1" in rollout:
            rows.append(
                {
                    "name": name,
                    "positions": rollout[f"{key}_positions"],
                    "top1": f"{rollout[f'{key}_top1']:.2%}",
                    "top5": "",
                    "log_loss": f"{rollout[f'{key}_log_loss']:.3f}",
                    "mse": "",
                }
            )
    return rows


def _error_row(name: str, row: Mapping[str, Any]) -> dict[str, Any]:
    return {"name": name, "positions": row["positions"], "cells": [_cell(part) for part in (row, *row["thirds"])]}


def _cell(part: Mapping[str, Any], *, signed: bool = False) -> str:
    if part["mse"] is None:
        return "no position"
    shown = f"{part['mse']:+.3f}" if signed else f"{part['mse']:.3f}"
    return shown if part["error"] is None else f"{shown} ±{part['error']:.3f}"


# --- games --------------------------------------------------------------------------------------------------------------


def _samples(games: Sequence[Mapping[str, Any]], plan: Plan) -> list[dict[str, Any]]:
    """Games of the components' matches as figures."""
    found = []
    board = Board(plan.size, Rules.named(plan.evaluation.rules), plan.komi)
    for game in games:
        moves = [(int(color), int(action)) for color, action in game["moves"]]
        title = f"{game['black']} (black) against {game['white']}"
        won = {0: "A draw", 1: f"{game['black']} won", 2: f"{game['white']} won"}[game["winner"]]
        by = "" if not game["score"] else f" by {abs(game['score']):g} points"
        text = f"{won}{by} ({game['reason']}); the first {game['opening']} moves are the opening's."
        found.append({"title": title, "text": text, "figures": _figures(board, moves, title)})
    return found


def _value_samples(context: Context) -> list[dict[str, Any]]:
    """One game of the value network's data."""
    row: GameRow = next(read_games(context.path("value-data/games")))
    start = replay({**row, "moves": row["moves"][:0], "colors": row["colors"][:0]})
    moves = list(zip(row["colors"].tolist(), row["moves"].tolist(), strict=True))
    turn = int((row["chosen_by"] == RANDOM).argmax()) + 1
    winner = "draw" if not row["winner"] else "black won" if row["winner"] == BLACK else "white won"
    text = (
        f"Moves before move {turn} are the supervised policy's, move {turn} is random, those after it the reinforced policy's: "
        f"{winner}. The position after move {turn} and this outcome are one example."
    )
    title = "A game that the value network learns from"
    return [{"title": title, "text": text, "figures": _figures(start, moves, title)}]


def _figures(start: Any, moves: list[tuple[int, int]], title: str) -> list[dict[str, Any]]:
    return [
        {"svg": figure.svg, "first": figure.first, "last": figure.last, "beneath": figure.beneath}
        for figure in game_figures(start, moves, moves_a_figure=_MOVES_A_FIGURE, title=title)
    ]


def _machine() -> list[tuple[str, str]]:
    import torch

    from alphago.machine import cpuinfo, usable_threads

    found = [
        ("processor", cpuinfo("model name") or platform.processor() or platform.machine()),
        ("processors", str(usable_threads())),
        ("system", f"{platform.system()} {platform.machine()}"),
        ("Python, torch", f"{platform.python_version()}, {torch.__version__}"),
    ]
    if torch.cuda.is_available():
        found.append(("GPU", torch.cuda.get_device_name()))
    return found
