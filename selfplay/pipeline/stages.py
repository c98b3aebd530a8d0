"""The stages of a plan in their order, each with what it is made of, and the command lines that play with what came out."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from alphago.arena.client import split_command
from alphago.arena.components import opponents_of
from alphago.arena.openings import EMPTY, GENERATED, Openings
from alphago.files import TEMPORARY_SUFFIX
from alphago.go import Rules
from alphago.nets.rollout import weights_hash
from alphago.nets.runtimes import choose
from alphago.nets.shipped import rollout_file
from selfplay.pipeline.budget import STAGES, Plan
from selfplay.pipeline.evaluation import evaluate_policy, evaluate_value, play_parts
from selfplay.pipeline.games import collect_games, selfplay_settings, source_digests
from selfplay.pipeline.learning import learn_reinforce, learn_rollout, learn_supervised, learn_value, make_value_data
from selfplay.pipeline.records import hash_of_json, hash_of_path
from selfplay.pipeline.runner import Context, Made, Stage
from selfplay.pipeline.settings import EvaluationPart, PipelineError

ENGINE: Final = {
    "policy.safetensors": "supervised/network",
    "reinforced.safetensors": "reinforce/network",
    "value.safetensors": "value/network",
    "rollout.safetensors": "rollout/weights",
}
"""Files of the finished engine in the pipeline's folder, and where they come from."""
REPORT: Final = "report.html"


def stages_of(plan: Plan, about: dict[str, Any]) -> list[Stage]:
    """All stages of a plan.

    Args:
        about: what the report says of the run: configuration, budget, program.

    Raises:
        PipelineError: a source of games, a file of openings or an opponent's program that is not there.
        ComponentsError, SideError: opponents that cannot be.
        BadSearchParams: self-play with a search parameter that cannot be.
    """
    evaluation = plan.evaluation.model_dump(mode="json")
    komi = Rules.named(plan.evaluation.rules).default_komi(plan.size) if plan.komi is None else plan.komi
    common = {"size": plan.size, "rules": plan.rules, "komi": plan.komi, "seed": plan.seed}

    def evaluated(*keys: str) -> dict[str, Any]:
        return {key: evaluation[key] for key in keys}

    def bound(run: Callable[[Context, Plan], Made]) -> Callable[[Context], Made]:
        return lambda context: run(context, plan)

    games = {"size": plan.size, **plan.games.model_dump(mode="json")}
    if plan.games.selfplay is not None:
        games["selfplay"]["run"] = selfplay_settings(plan, plan.games.selfplay).run_id
    learning = {"threads": plan.threads}
    # games of policies end by playouts of these (`selfplay.policy_play.settling`)
    settle = {"rollout weights that ship": weights_hash(rollout_file(None))}
    supervised = {**learning, **plan.supervised.model_dump(mode="json")}
    value = {**learning, **plan.value.model_dump(mode="json"), "from_policy": plan.from_policy}
    start = ("supervised/network",) if plan.from_policy else ()
    found = [
        Stage("games", games, bound(collect_games), reads=source_digests(plan.games)),
        Stage("rollout", plan.rollout.model_dump(mode="json"), bound(learn_rollout), ("games/games",)),
        Stage("supervised", supervised, bound(learn_supervised), ("games/games",)),
        Stage(
            "reinforce",
            {**learning, **plan.reinforce.model_dump(mode="json")},
            bound(learn_reinforce),
            ("supervised/network",),
            reads=settle,
        ),
        Stage(
            "value-data",
            {
                **plan.value_data.model_dump(mode="json"),
                "games": plan.value_games,
                "precision": choose(swappable=True)[1],
            },
            bound(make_value_data),
            ("supervised/network", "reinforce/network"),
            reads=settle,
        ),
        Stage("value", value, bound(learn_value), ("value-data/games", *start)),
        Stage(
            "evaluate-policy",
            {**evaluated("positions"), "data": plan.supervised.run.data.model_dump(mode="json")},
            bound(evaluate_policy),
            ("games/games", "supervised/network", "reinforce/network"),
        ),
        Stage(
            "evaluate-value",
            {
                **common,
                **value,
                **evaluated("value_positions", "playouts", "arms"),
                "policy_positions": plan.policy_positions,
            },
            bound(evaluate_value),
            ("value-data/games", "supervised/network", "reinforce/network", "value/network", "rollout/weights"),
            reads=settle,
        ),
        Stage(
            "components",
            {
                **common,
                **evaluated("against", "variants", "rules", "openings", "precision", "samples"),
                "games": plan.component_games,
                "seconds": plan.component_seconds,
            },
            bound(play_parts),
            ("supervised/network", "value/network", "rollout/weights"),
            reads=opponent_digests(plan.evaluation, plan.size, komi),
        ),
        Stage("report", about, lambda context: write_report(context, plan, about), STAGES[:-1]),
    ]
    assert tuple(stage.name for stage in found) == STAGES
    return found


def opponent_digests(part: EvaluationPart, size: int, komi: float) -> dict[str, str]:
    """Content hashes of the fixed opponents and of the openings, by name. What is wrong with them is said before any learning.

    Raises:
        PipelineError: no such program or file.
        OpeningError: a file of openings that cannot be read, or has none for this board.
    """
    found = {}
    for side in opponents_of(part.against):
        if side.command is not None and shutil.which(program := split_command(side.command)[0]) is None:
            raise PipelineError(f"evaluation.against: {side.name}: no program {program!r}")
        found[f"opponent {side.name}"] = hash_of_json(side.identity())
    if part.openings not in (EMPTY, GENERATED):
        found["openings"] = hash_of_path(Path(part.openings))
        Openings(size, Rules.named(part.rules), komi, 0, part.openings)  # what is wrong with it is said now
    return found


def write_report(context: Context, plan: Plan, about: dict[str, Any]) -> Made:
    """The engine's files in the pipeline's folder, and the report beside them."""
    from selfplay.report.page import write_page

    files: dict[str, tuple[Path, str | None]] = {}
    for number, (name, need) in enumerate(ENGINE.items()):
        context.advance(number, len(ENGINE) + 1, name)
        out = context.out / name
        temporary = out.with_name(f".{name}{TEMPORARY_SUFFIX}")
        shutil.copyfile(context.path(need), temporary)
        temporary.replace(out)
        files[name] = (out, context.digest(need))
    context.advance(len(ENGINE), len(ENGINE) + 1, REPORT)
    page = context.out / REPORT
    write_page(page, context, plan, about, play_command(context.out, plan), match_command(context.out, plan))
    return Made({**files, "report": (page, None)}, text=str(page))


def play_command(out: Path, plan: Plan) -> str:
    """The command line of the finished engine over GTP."""
    policy, _, value, weights = (str(out / name) for name in ENGINE)
    words = [
        "alphago",
        "gtp",
        "--style",
        "alphago",
        "--net",
        policy,
        "--value-net",
        value,
        "--rollout-weights",
        weights,
    ]
    return shlex.join([*words, "--size", str(plan.size), *_komi(plan)])


def match_command(out: Path, plan: Plan) -> str:
    """The command line of a match of the finished engine against GNU Go."""
    gnugo = "gtp:gnugo --mode gtp --level 10 --chinese-rules"
    words = ["alphago", "match", match_side(out, 0.25), gnugo, "--games", "100"]
    return shlex.join([*words, "--size", str(plan.size), *_komi(plan), "--rules", plan.evaluation.rules])


def _komi(plan: Plan) -> list[str]:
    return [] if plan.komi is None else ["--komi", f"{plan.komi:g}"]


def match_side(out: Path, seconds: float) -> str:
    """The finished engine as a side of `alphago match`."""
    policy, _, value, weights = (out / name for name in ENGINE)
    return f"pipeline={policy}@max:style=alphago,value={value},weights={weights},seconds={seconds:g}"
