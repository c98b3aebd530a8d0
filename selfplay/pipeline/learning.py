"""The stages that learn: rollout policy, policy network, REINFORCE, value data and value network.

Each hands the work to the module that `alphago train ...` uses, with paths of earlier stages in its settings, and can be stopped
and gone on with as that can.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import torch

from alphago.nets.rollout import weights_hash
from alphago.nets.runtimes import choose
from alphago.nets.store import load_network, network_hash
from alphago.train import supervised
from alphago.train.distributed import joined
from alphago.train.folders import MANIFEST
from alphago.train.loop import Report
from alphago.train.rollout_run import NothingToBalance
from alphago.train.rollout_run import begin as begin_rollout
from alphago.train.supervised import Task
from alphago.train.value import ValueSettings, prepare_value
from selfplay.networks import named_network
from selfplay.pipeline.budget import Learning, Plan, with_values
from selfplay.pipeline.games import write_in_order
from selfplay.pipeline.runner import Context, Made
from selfplay.reinforce_go import NETWORK as LAST
from selfplay.reinforce_go import begin as begin_reinforce
from selfplay.value_data import Counts, play_value_games

RUN: Final = "run"
_REINFORCE_CURVES: Final = (
    "score", "return", "entropy", "moves", "kl_behaviour", "measured_start", "measured_pool", "measured_pool_worst",
    "measured_kl_start",
)  # fmt: skip
_CURVE_STEPS: Final = 10
"""Steps of a rollout policy whose numbers are one point of its curve."""


def learn_rollout(context: Context, plan: Plan) -> Made:
    """Weights of the rollout and tree policies."""
    settings = with_values(plan.rollout, {"data.stores": (str(context.path("games/games")),)})
    told = _RolloutTold(context)
    context.clear_without(context.folder, MANIFEST)
    threads = context.machine.threads
    try:
        run = begin_rollout(context.folder, settings, resume=True, threads=threads, watcher=told)
    except NothingToBalance:
        context.say("none of these games was searched: rollouts learn to foretell moves, and are not balanced")
        settings = with_values(settings, {"balance.steps": 0})
        run = begin_rollout(context.folder, settings, resume=True, threads=threads, watcher=told)
    told.starts = settings.stage_starts()
    told.total = sum((settings.likelihood.steps, settings.balance.steps, settings.tree.steps))
    with context.machine.stops(run.stop):
        done = run.train()
    if not done:
        raise KeyboardInterrupt
    path = run.finish()
    top1 = run.metrics[f"likelihood_{plan.size}x{plan.size}_top1"]
    facts = {"metrics": run.metrics, "balanced": settings.balance.steps > 0 or not plan.rollout.balance.steps}
    return Made({"weights": (path, weights_hash(path))}, facts, f"top-1 {top1:.1%}")


class _RolloutTold:
    """Watches a run of rollout learning."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self.starts: Mapping[str, int] = {}
        self.total = 0

    def step(self, stage: str, step: int, total: int, values: Mapping[str, float]) -> None:
        """See `alphago.train.rollout_run.Watcher`."""
        done = self.starts[stage] + step
        if step % _CURVE_STEPS == 0 or step == total:
            self._context.curve.add(done, {f"{stage}/{name}": value for name, value in values.items()})
        shown = ", ".join(f"{name.replace('_', ' ')} {value:.3f}" for name, value in values.items())
        self._context.advance(done, self.total, f"{stage}: {shown}")

    def measured(self, stage: str, metrics: Mapping[str, float]) -> None:
        """On held-out games, at the end of a part."""


class TrainingTold:
    """Watches the loop that networks are trained with.

    Args:
        advance: told how far it is, in place of the stage as a whole.
    """

    def __init__(self, context: Context, advance: Callable[[float, float, str], None] | None = None) -> None:
        self._context = context
        self._advance = advance or context.advance

    def report(self, report: Report) -> None:
        """Every few steps."""
        self._context.curve.add(report.step, {f"train/{name}": value for name, value in report.values.items()})
        names = ("top1", "policy", "outcome", "value")
        shown = [f"{name} {report.values[name]:.3f}" for name in names if name in report.values]
        shown.append(f"{report.examples_per_second:,.0f} positions/s")
        self._advance(report.step, report.total, ", ".join(shown))

    def measured(self, step: int, metrics: Mapping[str, float]) -> None:
        """On held-out games."""
        self._context.curve.add(step, {f"held_out/{name}": value for name, value in metrics.items()})


def learn_supervised(context: Context, plan: Plan) -> Made:
    """The policy network: what the games' moves are."""
    learning = plan.supervised
    examples = round(context.facts("games")["moves"] * (1 - learning.run.data.held_out))
    values = {"data.stores": (str(context.path("games/games")),), "training.steps": learning.steps(examples)}
    settings = with_values(learning.run, values)
    torch.set_num_threads(plan.threads)
    context.clear_without(context.folder, MANIFEST)
    with joined(context.machine.device) as place:
        task = supervised.prepare(settings, context.folder, place, TrainingTold(context))
        file, facts = _trained(context, context.folder, task)
    return Made({"network": file}, facts, f"top-1 {facts['metrics']['top1']:.1%} of held-out moves")


def _trained(context: Context, run: Path, task: Task) -> tuple[tuple[Path, str], dict[str, Any]]:
    """Train to the end: the file with its digest, and facts. Raises KeyboardInterrupt where it was stopped."""
    supervised.begin(run, task, resume=True)
    with context.machine.stops(task.trainer.stop):
        done = task.trainer.train()
    if not done:
        raise KeyboardInterrupt
    file = supervised.finish(run, task)
    progress, settings = task.trainer.progress, task.settings
    facts = {
        "steps": progress.step,
        "batch": settings.training.batch,
        "positions": len(task.learned),
        "epochs": round(progress.step * settings.training.batch / len(task.learned), 2),
        "parameters": sum(p.numel() for p in task.trainer.network.parameters()),
        "metrics": progress.metrics,
    }
    return (file, network_hash(load_network(file)[0])), facts


def learn_reinforce(context: Context, plan: Plan) -> Made:
    """The policy network that has learned from games against its past selves; the best that was measured."""
    settings = with_values(plan.reinforce, {"start_from": str(context.path("supervised/network"))})
    torch.set_num_threads(plan.threads)
    context.clear_without(context.folder, MANIFEST)

    def told(step: int, total: int, metrics: Mapping[str, float]) -> None:
        context.curve.add(step, {name: metrics[name] for name in _REINFORCE_CURVES if name in metrics})
        text = f"score {metrics['score']:.1%}, entropy {metrics['entropy']:.2f}"
        context.advance(step, total, f"{text}, {metrics['episodes_per_second']:,.0f} games/s")

    with joined(context.machine.device) as place:
        threads = context.machine.threads
        task = begin_reinforce(
            context.folder, settings, resume=True, threads=threads, device=str(place.device), watcher=told
        )
        with context.machine.stops(task.trainer.stop):
            done = task.trainer.train()
        if not done:
            raise KeyboardInterrupt
        best = task.finish()
    files = {
        name: (file, network_hash(load_network(file)[0])) for name, file in _networks(context.folder, best).items()
    }
    measured = task.measures.best
    facts = {"updates": task.trainer.steps, "games": task.trainer.steps * settings.learning.episodes, "best": measured}
    if measured is None:
        return Made(files, facts, "nothing beat the start, which goes on")
    return Made(files, facts, f"{measured['start']:.1%} against the start, at update {measured['step']:,.0f}")


def _networks(folder: Path, best: Path) -> dict[str, Path]:
    return {"network": best, "last": folder / LAST}


def make_value_data(context: Context, plan: Plan) -> Made:
    """Games whose moves before a random one are the policy network's, and after it the reinforced one's."""
    before, after = (
        named_network(str(context.path(need)), plan.size, need) for need in ("supervised/network", "reinforce/network")
    )
    run = context.folder / RUN
    context.clear_without(run, MANIFEST)

    def told(counts: Counts) -> None:
        context.advance(counts.games, plan.value_games, f"{counts.dropped:,} ended before their random move")

    counts = play_value_games(
        run, plan.value_data, before, after, plan.value_games,
        threads=context.machine.threads, resume=True, on_game=told, precision=choose(swappable=True)[1],
    )  # fmt: skip
    out = context.folder / "games.parquet"
    write_in_order(run, out, plan.value_games)
    return Made({"games": (out, None)}, {"games": counts.games}, f"{counts.games:,} games")


def learn_value(context: Context, plan: Plan) -> Made:
    """The value network: who wins, from one position of every game."""
    settings = value_settings(context, plan, plan.value, context.path("value-data/games"))
    torch.set_num_threads(plan.threads)
    run = context.folder / RUN
    context.clear_without(run, MANIFEST)
    with joined(context.machine.device) as place:
        task = prepare_value(settings, run, place, TrainingTold(context))
        file, facts = _trained(context, run, task)
    metrics = facts["metrics"]
    text = (
        f"MSE {metrics['outcome_mse']:.3f} held out, {metrics['learned_outcome_mse']:.3f} learned (against +1, 0, -1)"
    )
    return Made({"network": file}, facts, text)


def value_settings(context: Context, plan: Plan, learning: Learning, games: Path) -> ValueSettings:
    """The run's settings with paths."""
    values: dict[str, Any] = {"data.stores": (str(games),)}
    examples = round(plan.value_games * (1 - learning.run.data.held_out))
    values["training.steps"] = learning.steps(examples)
    if plan.from_policy:
        values["start_from"] = str(context.path("supervised/network"))
    found = with_values(learning.run, values)
    assert isinstance(found, ValueSettings)
    return found
