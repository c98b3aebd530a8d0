"""From a budget to a plan: how many steps and games every stage does. Fixed arithmetic on what the configuration states.

A stage has its share of the budget's seconds; a share times a rate is an amount of work. The same configuration and budget are the
same plan everywhere and always; on a machine of another speed it takes another time.
"""

from __future__ import annotations

import math
from typing import Any, Final, TypeVar

import pydantic

from alphago.machine import seconds_of
from alphago.nets.architecture import Architecture, Residual
from alphago.train.rollout_run import RolloutSettings
from alphago.train.supervised import SupervisedSettings
from alphago.train.value import ValueSettings, value_architecture
from selfplay.pipeline.settings import EvaluationPart, GamesPart, PipelineError, PipelineSettings, Tier, budget_seconds
from selfplay.reinforce_go import GoReinforceSettings
from selfplay.value_data import ValueDataSettings

STAGES: Final = (
    "games",
    "rollout",
    "supervised",
    "reinforce",
    "value-data",
    "value",
    "evaluate-policy",
    "evaluate-value",
    "components",
    "report",
)
"""In their order; each depends on earlier ones alone."""
ModelT = TypeVar("ModelT", bound=pydantic.BaseModel)


class Learning(pydantic.BaseModel, extra="forbid", frozen=True):
    """A stage of training: its settings with the steps that the budget pays for, and how often it may see its examples."""

    run: SupervisedSettings | ValueSettings
    epochs: float

    def steps(self, examples: int) -> int:
        """Of the run, where there are so many examples."""
        return max(1, min(self.run.training.steps, math.ceil(self.epochs * examples / self.run.training.batch)))


class Plan(pydantic.BaseModel, extra="forbid", frozen=True):
    """What every stage does. Files of earlier stages are named by their stage; the runner puts paths in their place."""

    seconds: float
    """Of the budget."""
    size: int
    rules: str
    komi: float | None
    seed: int
    threads: int
    network: Architecture
    value_network: Architecture
    from_policy: bool
    games: GamesPart
    rollout: RolloutSettings
    supervised: Learning
    reinforce: GoReinforceSettings
    value_data: ValueDataSettings
    value_games: int
    value: Learning
    evaluation: EvaluationPart
    policy_positions: int
    """Held-out positions that policies play out."""
    component_games: int
    component_seconds: float
    """Of a move."""
    expected: dict[str, float]
    """Seconds that each stage has of the budget."""


def plan_of(settings: PipelineSettings, budget: str | None = None) -> Plan:
    """The plan of a configuration.

    Args:
        budget: such as 10m or 2h; None: the configuration's.

    Raises:
        PipelineError: a budget that is no time, or too short for a stage to do anything; says how long is enough.
    """
    text = budget or settings.budget
    seconds = budget_seconds(text)
    tier = _tier(settings, seconds, text)
    shares, rates = tier.shares, tier.rates
    work = _Work(seconds, text)
    rollout, supervised, reinforce, value = settings.rollout, settings.supervised, settings.reinforce, settings.value
    data = {"data.sizes": (settings.size,), "data.held_out": settings.held_out}
    common = data | {"training.checkpoint_minutes": settings.checkpoint_minutes}

    def steps(stage: str, share: float, rate: float, batch: int) -> int:
        return work.amount(stage, share, rate / batch, f"a step of {batch} positions")

    likelihood, balance = rollout.run.likelihood, rollout.run.balance
    rollout_run = with_values(
        rollout.run,
        data
        | {
            "data.stores": ("games",),
            "likelihood.steps": steps("rollout", shares.rollout * rollout.likelihood, rates.rollout, likelihood.batch),
            "balance.steps": steps("rollout", shares.rollout * rollout.balance, rates.balance, balance.batch)
            if rollout.balance
            else 0,
            "tree.steps": steps("rollout", shares.rollout * rollout.tree, rates.rollout, rollout.run.tree.batch)
            if rollout.tree
            else 0,
            "seed": settings.seed,
        },
    )
    supervised_steps = steps("supervised", shares.supervised, rates.supervised, supervised.run.training.batch)
    supervised_run = with_values(
        supervised.run,
        common
        | {
            "data.stores": ("games",),
            "network": tier.network.model_dump(),
            "training.steps": supervised_steps,
            "training.evaluate_steps": math.ceil(supervised_steps / supervised.measurements),
            "training.seed": settings.seed,
        },
    )
    value_network = value_architecture(tier.network)
    value_steps = steps("value", shares.value, rates.value, value.run.training.batch)
    value_run = with_values(
        value.run,
        common
        | {
            "data.stores": ("value-data",),
            "network": value_network.model_dump(),
            "start_from": "supervised" if value.from_policy else None,
            "training.steps": value_steps,
            "training.evaluate_steps": math.ceil(value_steps / value.measurements),
            "training.seed": settings.seed,
        },
    )
    return Plan(
        seconds=seconds,
        size=settings.size,
        rules=settings.rules,
        komi=settings.komi,
        seed=settings.seed,
        threads=settings.threads,
        network=tier.network,
        value_network=value_network,
        from_policy=value.from_policy,
        games=settings.games,
        rollout=rollout_run,
        supervised=Learning(run=supervised_run, epochs=supervised.epochs),
        reinforce=_reinforce(settings, tier, work),
        value_data=ValueDataSettings(
            size=settings.size,
            rules=settings.rules,
            komi=settings.komi,
            before="supervised",
            after="reinforce",
            latest=settings.value_data.latest,
            temperature=settings.value_data.temperature,
            max_moves=reinforce.run.max_moves,
            seed=settings.seed,
        ),
        value_games=work.amount("value-data", shares.value_data, rates.value_data, "a game"),
        value=Learning(run=value_run, epochs=value.epochs),
        evaluation=settings.evaluation,
        policy_positions=work.amount(
            "evaluate-value",
            shares.evaluate_value,
            rates.evaluate_value * 100 / settings.evaluation.playouts,
            "a position",
        ),
        component_games=_component_games(settings, tier, work),
        component_seconds=tier.seconds,
        expected=_expected(seconds, tier, settings.evaluation.arms),
    )


class _Work:
    """Amounts out of shares and rates."""

    def __init__(self, seconds: float, text: str) -> None:
        self.seconds, self.text = seconds, text

    def amount(self, stage: str, share: float, per_second: float, what: str, least: int = 1) -> int:
        """How much a share of the budget pays for. Raises PipelineError where that is nothing."""
        found = math.floor(self.seconds * share * per_second + 1e-9)
        if found >= least:
            return found
        if share == 0:
            raise PipelineError(f"{stage} has no share of the budget: it needs one")
        enough = math.ceil(least / (share * per_second))
        raise PipelineError(f"budget {self.text} is too short: {stage} needs {enough} s to do {what}")


def _tier(settings: PipelineSettings, seconds: float, text: str) -> Tier:
    fitting = [tier for tier in settings.tiers if seconds_of(tier.budget) <= seconds]
    if not fitting:
        raise PipelineError(f"budget {text} is too short: this configuration begins at {settings.tiers[0].budget}")
    return fitting[-1]


def _reinforce(settings: PipelineSettings, tier: Tier, work: _Work) -> GoReinforceSettings:
    """Games of measurements are paid for first; at least one update is left."""
    part = settings.reinforce
    run, share = part.run, tier.shares.reinforce
    measured = part.measurements * (run.measure.games + run.measure.pool_games) / tier.rates.measure
    batch = run.learning.episodes
    left = work.seconds * share - measured
    updates = math.floor(left * tier.rates.reinforce / batch + 1e-9)
    if updates < 1:
        enough = math.ceil((measured + batch / tier.rates.reinforce) / share) if share else 0
        how = f"needs {enough} s for its measurements and an update of {batch} games" if share else "has no share of it"
        raise PipelineError(f"budget {work.text} is too short: reinforce {how}")
    return with_values(
        run,
        {
            "size": settings.size,
            "rules": settings.rules,
            "komi": settings.komi,
            "start_from": "supervised",
            "seed": settings.seed,
            "learning.steps": updates,
            "learning.checkpoint_minutes": settings.checkpoint_minutes,
            "pool.add_every": math.ceil(updates / part.additions),
            "measure.every": math.ceil(updates / part.measurements),
        },
    )


def _component_games(settings: PipelineSettings, tier: Tier, work: _Work) -> int:
    """Of each pairing: an even number, two at least."""
    matches = len(settings.evaluation.variants) * len(settings.evaluation.against)
    games = work.amount("components", tier.shares.components, tier.rates.components / 60, "its matches", 2 * matches)
    return 2 * (games // (2 * matches))


def _expected(seconds: float, tier: Tier, arms: bool) -> dict[str, float]:
    """By stage; a second value network is trained for the comparison of one and many positions a game."""
    shares = {name.replace("_", "-"): share for name, share in tier.shares.model_dump().items()}
    shares["evaluate-value"] += shares["value"] if arms else 0.0
    return {stage: round(seconds * shares.get(stage, 0.0), 3) for stage in STAGES}


def with_values(model: ModelT, values: dict[str, Any]) -> ModelT:
    """A copy with values of dotted keys changed, checked again."""
    found = model.model_dump()
    for key, value in values.items():
        *parents, last = key.split(".")
        place = found
        for parent in parents:
            place = place[parent]
        place[last] = value
    return type(model).model_validate(found)


def amounts_of(plan: Plan) -> dict[str, str]:
    """What every stage does, in a few words."""
    network: Any = plan.network
    size = f"{network.blocks}x{network.channels}" if isinstance(network, Residual) else network.kind
    rollout, reinforce, evaluation = plan.rollout, plan.reinforce, plan.evaluation
    sources = [*plan.games.sources]
    if plan.games.selfplay is not None:
        sources.append(f"{plan.games.selfplay.games:,} games of self-play")

    def learning(part: Learning) -> str:
        training = part.run.training
        return f"{training.steps:,} steps of {training.batch} positions, {part.epochs:g} times over them at most"

    return {
        "games": ", ".join(sources),
        "rollout": f"{rollout.likelihood.steps:,} + {rollout.tree.steps:,} steps of {rollout.likelihood.batch}, "
        f"{rollout.balance.steps:,} of balancing",
        "supervised": f"{size}, {learning(plan.supervised)}",
        "reinforce": f"{reinforce.learning.steps:,} updates of {reinforce.learning.episodes} games",
        "value-data": f"{plan.value_games:,} games",
        "value": f"{size}, {learning(plan.value)}",
        "evaluate-policy": f"{evaluation.positions:,} held-out positions",
        "evaluate-value": f"{evaluation.value_positions:,} held-out positions, {plan.policy_positions:,} of them played out",
        "components": f"{len(evaluation.variants)} variants, {len(evaluation.against)} opponents, "
        f"{plan.component_games} games each at {plan.component_seconds:g} s a move",
        "report": "",
    }
