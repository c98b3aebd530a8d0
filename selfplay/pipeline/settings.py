"""What the configuration of a pipeline holds.

Amounts of work are not in it: they follow from the budget by fixed arithmetic (`selfplay.pipeline.budget`), from the shares of its
time and the rates that the configuration states. A clock has no part in them, so that a plan is the same on every machine.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

import pydantic

from alphago.arena.components import ANCHORS, NAMES, ComponentsError, variants_named
from alphago.data.importing import Filters
from alphago.errors import AlphaGoError
from alphago.go import BadRules, Rules
from alphago.machine import seconds_of
from alphago.nets.architecture import Architecture, Residual
from alphago.train.rollout_run import RolloutSettings
from alphago.train.supervised import SupervisedSettings
from alphago.train.value import ValueSettings, value_architecture
from selfplay.reinforce_go import GoReinforceSettings

Share = Annotated[float, pydantic.Field(ge=0, le=1, description="of the budget's time")]
Count = Annotated[int, pydantic.Field(ge=1)]


class PipelineError(AlphaGoError):
    """A configuration, a budget or a folder that no pipeline can be run with; the message says what would be right."""


def _duration(text: str) -> str:
    seconds_of(text)
    return text


Duration = Annotated[str, pydantic.AfterValidator(_duration)]


class SelfPlayGames(pydantic.BaseModel, extra="forbid", frozen=True):
    """Games of search with rollouts against itself, where there are no others."""

    games: Count
    simulations: Count = 32
    search: Annotated[dict[str, Any], pydantic.Field(description="search parameters besides")] = {}


class GamesPart(pydantic.BaseModel, extra="forbid", frozen=True):
    """Where the games come from that policies learn from."""

    sources: Annotated[
        tuple[str, ...],
        pydantic.Field(description='"default": the games that ship; stores of games; SGF files, folders and archives'),
    ] = ()
    selfplay: SelfPlayGames | None = None
    filters: Filters = Filters()
    limit: Annotated[int | None, pydantic.Field(ge=1, description="games, the first ones")] = None

    @pydantic.model_validator(mode="after")
    def _has_games(self) -> GamesPart:
        if not self.sources and self.selfplay is None:
            raise ValueError("name sources of games, or selfplay")
        return self


class Shares(pydantic.BaseModel, extra="forbid", frozen=True):
    """How a budget's time is shared out; what is left is for reading, compiling and measuring."""

    rollout: Share
    supervised: Share
    reinforce: Share
    value_data: Share
    value: Share
    evaluate_value: Share
    components: Share

    @pydantic.model_validator(mode="after")
    def _fits(self) -> Shares:
        total = sum(self.model_dump().values())
        if total > 1 + 1e-9:
            raise ValueError(f"the shares of a budget sum to 1 at most, these to {total:g}")
        return self


class Rates(pydantic.BaseModel, extra="forbid", frozen=True):
    """How much two processors do, as measured; what turns time into amounts of work."""

    rollout: Annotated[float, pydantic.Field(gt=0, description="positions of likelihood a second")] = 100_000
    balance: Annotated[float, pydantic.Field(gt=0, description="positions balanced a second")] = 1_000
    supervised: Annotated[float, pydantic.Field(gt=0, description="positions a second")]
    reinforce: Annotated[float, pydantic.Field(gt=0, description="games a second, learning included")]
    measure: Annotated[float, pydantic.Field(gt=0, description="games of its measurements a second")]
    value_data: Annotated[float, pydantic.Field(gt=0, description="games a second")]
    value: Annotated[float, pydantic.Field(gt=0, description="positions a second")]
    evaluate_value: Annotated[
        float, pydantic.Field(gt=0, description="positions a second that every policy plays out 100 times")
    ]
    components: Annotated[float, pydantic.Field(gt=0, description="games a minute")]


class Tier(pydantic.BaseModel, extra="forbid", frozen=True):
    """What is done with budgets from one size on."""

    budget: Annotated[Duration, pydantic.Field(description="the smallest that it is for")]
    network: Annotated[Architecture, pydantic.Field(description="of the policy; the value network is like it")] = (
        Residual()
    )
    rates: Rates
    shares: Shares
    seconds: Annotated[float, pydantic.Field(ge=0.001, le=600, description="of a component's move")] = 0.1


_RUN: Final = "is the pipeline's to set; leave it out"
_DATA: Final = ("data.stores", "data.sizes", "data.held_out", "data.split_seed")


def _left_to_us(model: pydantic.BaseModel, keys: tuple[str, ...]) -> None:
    """Raises ValueError where a key that the pipeline fills in is set."""
    for key in keys:
        part: Any = model
        *parents, last = key.split(".")
        for parent in parents:
            part = getattr(part, parent) if parent in part.model_fields_set else None
            if part is None:
                break
        if part is not None and last in part.model_fields_set:
            raise ValueError(f"run.{key} {_RUN}")


class RolloutPart(pydantic.BaseModel, extra="forbid", frozen=True):
    """Rollout and tree policy."""

    run: RolloutSettings = RolloutSettings()
    likelihood: Annotated[float, pydantic.Field(ge=0, description="share of the stage's time")] = 0.5
    balance: Annotated[float, pydantic.Field(ge=0, description="likewise; 0: none")] = 0.3
    tree: Annotated[float, pydantic.Field(ge=0, description="likewise")] = 0.2

    @pydantic.model_validator(mode="after")
    def _ours(self) -> RolloutPart:
        _left_to_us(self.run, (*_DATA, "likelihood.steps", "balance.steps", "tree.steps", "seed"))
        if abs(self.likelihood + self.balance + self.tree - 1) > 1e-9:
            raise ValueError("likelihood, balance and tree share the stage's time: they sum to 1")
        return self


_TRAINING: Final = (*_DATA, "network", "start_from", "training.steps", "training.seed")
_CLOCKS: Final = ("training.checkpoint_minutes", "training.evaluate_steps")


class SupervisedPart(pydantic.BaseModel, extra="forbid", frozen=True):
    """The policy network."""

    run: SupervisedSettings = SupervisedSettings()
    epochs: Annotated[
        float, pydantic.Field(gt=0, description="times that the games are gone through, at most, whatever the budget")
    ] = 15
    measurements: Annotated[int, pydantic.Field(ge=1, description="on held-out games, on the way")] = 4

    @pydantic.model_validator(mode="after")
    def _ours(self) -> SupervisedPart:
        _left_to_us(self.run, (*_TRAINING, *_CLOCKS))
        return self


class ReinforcePart(pydantic.BaseModel, extra="forbid", frozen=True):
    """The policy network against its past selves."""

    run: GoReinforceSettings = GoReinforceSettings()
    measurements: Annotated[int, pydantic.Field(ge=1, description="against the start and the pool")] = 4
    additions: Annotated[int, pydantic.Field(ge=1, description="past selves in the pool at the end")] = 8

    @pydantic.model_validator(mode="after")
    def _ours(self) -> ReinforcePart:
        ours = (
            "size",
            "rules",
            "komi",
            "start_from",
            "value_from",
            "seed",
            "learning.steps",
            "learning.checkpoint_minutes",
        )
        _left_to_us(self.run, (*ours, "pool.add_every", "measure.every"))
        return self


class ValueDataPart(pydantic.BaseModel, extra="forbid", frozen=True):
    """Games with one random move each."""

    latest: Annotated[int | None, pydantic.Field(ge=1, description="latest random move; none: the board's points")] = (
        None
    )
    temperature: Annotated[float, pydantic.Field(ge=0)] = 1.0


class ValuePart(pydantic.BaseModel, extra="forbid", frozen=True):
    """The value network."""

    run: ValueSettings = ValueSettings()
    from_policy: Annotated[
        bool,
        pydantic.Field(description="begin with the policy network's tower and outcome head; else with fresh weights"),
    ] = True
    epochs: Annotated[float, pydantic.Field(gt=0, description="times that the positions are gone through, at most")] = 6
    measurements: Annotated[int, pydantic.Field(ge=1)] = 4

    @pydantic.model_validator(mode="after")
    def _ours(self) -> ValuePart:
        _left_to_us(self.run, (*_TRAINING, *_CLOCKS, "examples", "positions"))
        return self


class EvaluationPart(pydantic.BaseModel, extra="forbid", frozen=True):
    """What is measured in the end."""

    positions: Annotated[int, pydantic.Field(ge=1, description="held-out positions of policies, at most")] = 20_000
    value_positions: Annotated[int, pydantic.Field(ge=1, description="held-out positions of values, at most")] = 2000
    playouts: Annotated[int, pydantic.Field(ge=2, description="from each of those")] = 100
    arms: Annotated[
        bool,
        pydantic.Field(
            description="train on many positions a game too, and compare: takes the value network's time again"
        ),
    ] = True
    against: Annotated[tuple[str, ...], pydantic.Field(min_length=1, description="fixed opponents")] = ANCHORS
    variants: Annotated[tuple[str, ...], pydantic.Field(min_length=1)] = NAMES
    rules: Annotated[str, pydantic.Field(description="of those matches")] = "chinese-ogs"
    openings: str = "generated"
    precision: Annotated[
        Literal["auto", "fp32", "bf16", "int8"], pydantic.Field(description="of networks in matches")
    ] = "auto"
    samples: Annotated[int, pydantic.Field(ge=0, description="games shown in the report")] = 3

    @pydantic.field_validator("rules")
    @classmethod
    def _known(cls, value: str) -> str:
        return _known_rules(value)

    @pydantic.field_validator("variants")
    @classmethod
    def _known_variants(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        try:
            return tuple(variant.name for variant in variants_named(value))
        except ComponentsError as error:
            raise ValueError(str(error)) from None


def _known_rules(name: str) -> str:
    try:
        Rules.named(name)
    except BadRules as error:
        raise ValueError(str(error)) from None
    return name


class PipelineSettings(pydantic.BaseModel, extra="forbid", frozen=True):
    """A whole pipeline."""

    size: Annotated[int, pydantic.Field(ge=2, le=19)] = 9
    rules: Annotated[str, pydantic.AfterValidator(_known_rules)] = "tromp-taylor"
    komi: Annotated[float | None, pydantic.Field(description="points for white; none: the rules' own")] = None
    seed: Annotated[int, pydantic.Field(ge=0, lt=2**31)] = 0
    budget: Duration = "10m"
    threads: Annotated[
        int,
        pydantic.Field(
            ge=1,
            le=256,
            description="that networks learn with: part of the result, since sums are rounded in their order",
        ),
    ] = 2
    checkpoint_minutes: Annotated[float, pydantic.Field(gt=0)] = 1.0
    held_out: Annotated[
        float, pydantic.Field(gt=0, lt=1, description="share of the games that nothing learns from, in every stage")
    ] = 0.05
    games: GamesPart = GamesPart(sources=("default",))
    tiers: Annotated[tuple[Tier, ...], pydantic.Field(min_length=1, description="by budget, smallest first")]
    rollout: RolloutPart = RolloutPart()
    supervised: SupervisedPart = SupervisedPart()
    reinforce: ReinforcePart = ReinforcePart()
    value_data: ValueDataPart = ValueDataPart()
    value: ValuePart = ValuePart()
    evaluation: EvaluationPart = EvaluationPart()

    @pydantic.model_validator(mode="after")
    def _in_order(self) -> PipelineSettings:
        begins = [seconds_of(tier.budget) for tier in self.tiers]
        if begins != sorted(set(begins)):
            raise ValueError("tiers stand in the order of their budgets, each once")
        for tier in self.tiers:
            again = tier.shares.value if self.evaluation.arms else 0.0
            total = sum(tier.shares.model_dump().values()) + again
            if total > 1 + 1e-9:
                raise ValueError(
                    f"tier {tier.budget}: the shares, value counted twice for evaluation.arms, sum to 1 at most, these to {total:g}"
                )
            smallest, largest = tier.network.sizes
            if not smallest <= self.size <= largest:
                raise ValueError(f"tier {tier.budget}: its network does not play on {self.size}x{self.size}")
            heads = value_architecture(tier.network).heads
            if "outcome" not in heads and self.value.run.loss.outcome_as != "mse":
                raise ValueError(
                    f"tier {tier.budget}: a value network of this kind gives one value: value.run.loss.outcome_as must be mse"
                )
            if "policy" not in tier.network.heads:
                raise ValueError(f"tier {tier.budget}: its network has no policy")
            if self.value.from_policy and "outcome" not in tier.network.heads:
                raise ValueError(f"tier {tier.budget}: its network has no outcome head: set value.from_policy to false")
            if self.reinforce.run.baseline == "value" and "outcome" not in tier.network.heads:
                raise ValueError(
                    f"tier {tier.budget}: its network has no outcome head, which reinforce.run.baseline value needs"
                )
        return self


def budget_seconds(text: str) -> float:
    """A budget in seconds. Raises PipelineError with what would be right."""
    try:
        return seconds_of(text)
    except ValueError:
        raise PipelineError(f"bad budget {text[:40]!r}: expected a time such as 10m, 2h or 10h, up to 24h") from None
