"""Go for the REINFORCE trainer: the RL stage of AlphaGo (Nature 529, Methods, "Reinforcement learning of policy networks").

The policy network plays games against past selves without any search, both drawing their moves; it learns from who won. Of a start
with other heads the policy alone is taken: the rest would no longer be right.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import numpy as np
import pydantic
import torch
from torch import Tensor

from alphago.files import write_atomically
from alphago.go import Board, Rules
from alphago.nets.architecture import NetworkError
from alphago.nets.evaluator import Evaluator
from alphago.nets.modules import Network, policy_alone
from alphago.nets.runtimes import learns_in_bf16, make_evaluators
from alphago.nets.shipped import DEFAULT
from alphago.nets.shut_inputs import RULE_INPUTS, shut_inputs
from alphago.nets.store import network_hash, save_network
from alphago.seeds import game_seed
from alphago.train.baselines import Baseline, ValueBaseline, named
from alphago.train.episodes import Episodes
from alphago.train.folders import begin_folder
from alphago.train.optim import OptimizerSettings, ScheduleSettings, TrainingError
from alphago.train.reinforce import Reinforce, ReinforceSettings, Watcher
from selfplay.go_policy import KL_START, VALUE_HEADS, GoPolicy, GoValues
from selfplay.networks import named_network
from selfplay.opponents import OpponentPool
from selfplay.policy_play import SETTLED, Finish, Played, Side, play_games, settled_by

NETWORK: Final = "network.safetensors"
BEST: Final = "best.safetensors"
METRICS: Final = "metrics.json"
POOL: Final = "pool"
LARGEST_KL: Final = 1e-3
"""Nats between the policy that played and the one that learns, above which somebody is told."""
_COMPARED: Final = 1024
"""Positions on which the divergence from the start is measured."""


class PoolSettings(pydantic.BaseModel, extra="forbid", frozen=True):
    """The pool of opponents."""

    add_every: Annotated[int, pydantic.Field(ge=1, description="updates between two additions (AlphaGo: 500)")] = 500
    most: Annotated[int, pydantic.Field(ge=2, le=1000, description="members; AlphaGo's was not bounded")] = 32


class MeasureSettings(pydantic.BaseModel, extra="forbid", frozen=True):
    """Matches of the learner on the way, raw and with drawn moves as in training."""

    every: Annotated[int, pydantic.Field(ge=1, description="updates")] = 100
    games: Annotated[
        int, pydantic.Field(ge=2, multiple_of=2, description="against the start, and against the best so far")
    ] = 400
    pool_games: Annotated[int, pydantic.Field(ge=2, description="against the whole pool, shared by its members")] = 400


class GoReinforceSettings(pydantic.BaseModel, extra="forbid", frozen=True):
    """A whole run."""

    size: Annotated[int, pydantic.Field(ge=2, le=19)] = 9
    rules: str = "tromp-taylor"
    komi: Annotated[float | None, pydantic.Field(description="points for white; none: the rules' own")] = None
    max_moves: Annotated[int | None, pydantic.Field(ge=2, description="none: twice the board's points")] = None
    finish: Finish = SETTLED
    start_from: Annotated[str, pydantic.Field(description="a network file, or the name of one that ships")] = DEFAULT
    baseline: Annotated[
        Literal["none", "moving-average", "leave-one-out", "per-context", "value"],
        pydantic.Field(description="value: what the network of value_from expects (AlphaGo's second pass)"),
    ] = "none"
    value_from: Annotated[str | None, pydantic.Field(description="a network file; none: start_from")] = None
    precision: Annotated[
        Literal["auto", "bf16", "fp32"], pydantic.Field(description="of learning; auto: what is faster")
    ] = "auto"
    batch: Annotated[int, pydantic.Field(ge=1, le=4096, description="positions that are evaluated at once in play")] = (
        16
    )
    symmetries: Annotated[
        bool,
        pydantic.Field(description="each game is seen, and learned from, under one of the board's eight symmetries"),
    ] = True
    learning: ReinforceSettings = ReinforceSettings(
        optimizer=OptimizerSettings(lr=1e-4, weight_decay=0.0), schedule=ScheduleSettings(kind="constant", warmup=10)
    )
    pool: PoolSettings = PoolSettings()
    measure: MeasureSettings = MeasureSettings()
    seed: Annotated[int, pydantic.Field(ge=0, lt=2**31)] = 0

    @pydantic.model_validator(mode="after")
    def _fits(self) -> GoReinforceSettings:
        if self.learning.episodes % 2:
            raise ValueError(
                f"learning.episodes must be even, half of the games with each colour, not {self.learning.episodes}"
            )
        unknown = sorted(set(self.learning.penalties) - {KL_START})
        if unknown:
            raise ValueError(f"learning.penalties: {unknown[0]!r} is not known here, only {KL_START!r} is")
        return self

    def start_board(self) -> Board:
        """The empty board."""
        return Board(self.size, Rules.named(self.rules), self.komi)

    @property
    def longest(self) -> int:
        """Moves after which a game is scored, over or not."""
        return self.max_moves or 2 * self.size * self.size


class GoSource:
    """Games of the learner against opponents drawn from the pool, one opponent a batch.

    Args:
        threads: workers, with an evaluator each.
    """

    def __init__(self, settings: GoReinforceSettings, network: Network, pool: OpponentPool, threads: int) -> None:
        self.settings, self.pool = settings, pool
        self.board = settings.start_board()
        self.batches = 0
        self.last: Episodes | None = None

        def evaluators() -> list[Evaluator]:
            return make_evaluators(
                network, settings.size, settings.batch, workers=threads, threads=threads, swappable=True
            )

        self._mine, self._theirs = evaluators(), evaluators()

    def collect(self, policy: GoPolicy, episodes: int) -> Episodes:
        """See `alphago.train.reinforce.Source`."""
        if self.batches % self.settings.pool.add_every == 0:
            self.pool.add(policy.network, self.batches)
        opponent = self.pool.draw()
        seed = game_seed(self.settings.seed, self.batches)
        played = self.match(policy.network, self.pool.network(opponent), episodes, seed, record=True)
        self.batches += 1
        steps = played.steps
        assert steps is not None
        rewards = np.zeros(len(steps.game))
        last = np.append(steps.game[1:] != steps.game[:-1], True)
        rewards[last] = played.results
        self.last = Episodes(
            steps.game,
            steps.actions,
            rewards,
            {"planes": steps.planes, "globals": steps.globals},
            steps.masks,
            steps.log_probs,
            np.full(episodes, opponent.step),
            info={
                "score": played.score,
                "score_as_black": _score_of(played, True),
                "score_as_white": _score_of(played, False),
                "moves": float(played.lengths.mean()),
                "opponent": float(opponent.step),
                "pool": float(len(self.pool.members)),
            },
        )
        return self.last

    def match(self, network: Network, other: Network, games: int, seed: int, *, record: bool = False) -> Played:
        """Games between two networks, colours in turns. Needs no compilation."""
        self._mine[0].swap_weights(network)
        self._theirs[0].swap_weights(other)
        sides = Side(self._mine), Side(self._theirs)
        longest, finish = self.settings.longest, self.settings.finish
        return play_games(
            self.board, *sides, games, seed,
            max_moves=longest, finish=finish, record=record, symmetries=self.settings.symmetries,
        )  # fmt: skip

    def state(self) -> tuple[dict[str, Any], dict[str, Tensor]]:
        return {"batches": self.batches, "pool": self.pool.state()[0]}, {}

    def saved(self) -> None:
        """See `alphago.train.baselines.Keeper`."""
        self.pool.saved()

    def load(self, values: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> None:
        self.batches = int(values["batches"])
        self.pool.load(values["pool"], {})


class Measures:
    """Measures the learner every few updates, and keeps the best so far in `best.safetensors`.

    A learner is the best so far that wins more than half of its games against the best before it, and against the start. Scores
    against the pool tell of cycles; they do not compare runs or moments, for the pool grows with the learner.
    """

    def __init__(self, run: Path, source: GoSource, start: Network, notes: Mapping[str, Any]) -> None:
        self.run, self.source, self.start, self.notes = run, source, start, notes
        self.best: dict[str, float] | None = None
        self._best = copy.deepcopy(start)
        """Its network; the start until there is one."""
        self.tell: Callable[[str], None] = lambda text: None
        self.trainer: Reinforce | None = None
        self._told = False

    def __call__(self, step: int, metrics: dict[str, float]) -> None:
        """After every update: see `alphago.train.reinforce.Reinforce`."""
        trainer, settings = self.trainer, self.source.settings
        apart = metrics.get("kl_behaviour", 0.0)
        if apart > LARGEST_KL and not self._told:
            self._told = True
            self.tell(
                f"update {step:,}: the player's policy is {apart:.2g} nats from the learner's: try precision fp32"
            )
        if trainer is None or (step % settings.measure.every and not trainer.is_over):
            return
        network = trainer.policy.network
        found = self.measure(trainer.policy, step)  # type: ignore[arg-type]
        metrics |= {f"measured_{name}": value for name, value in found.items()}
        is_best = min(found["start"], found["best"]) > 0.5
        if is_best:
            self.best = {"step": float(step), **found}
            self._best.load_state_dict(network.state_dict())  # type: ignore[union-attr]
            notes = {**self.notes, "updates": step, "measured": found, "minutes": round(trainer.seconds / 60, 1)}
            save_network(self.run / BEST, self._best, notes)
        self.tell(
            f"update {step:,}: {found['start']:.1%} against the start, {found['pool']:.1%} against the pool, "
            f"divergence from the start {found[KL_START]:.3f} nats" + (", the best so far" if is_best else "")
        )

    def measure(self, policy: GoPolicy, step: int) -> dict[str, float]:
        """Scores of a network against the start, the best so far and the pool, and its divergence from the start on positions it
        was in."""
        settings, pool = self.source.settings, self.source.pool
        seed, games = game_seed(settings.seed + 2**31, step), settings.measure.games
        against_start = self.source.match(policy.network, self.start, games, seed).score
        against_best = against_start
        if self.best is not None:
            against_best = self.source.match(policy.network, self._best, games, game_seed(seed, 2**20)).score
        share = max(2, settings.measure.pool_games // len(pool.members) // 2 * 2)
        scores = [
            self.source.match(policy.network, pool.network(member), share, game_seed(seed, number)).score
            for number, member in enumerate(pool.members)
        ]
        divergence = 0.0
        if self.source.last is not None:
            last = self.source.last
            part, _ = next(last.parts(_COMPARED))
            batch = last.batch(next(policy.parameters()).device, part)
            with torch.no_grad():
                policy.eval()
                divergence = float(policy.divergence(policy.log_probs(policy.network, batch), self.start, batch).mean())
        return {
            "start": against_start,
            "best": against_best,
            "pool": float(np.mean(scores)),
            "pool_worst": float(np.min(scores)),
            KL_START: divergence,
        }

    def state(self) -> tuple[dict[str, Any], dict[str, Tensor]]:
        return {"best": self.best}, self._best.state_dict()

    def load(self, values: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> None:
        self.best = values["best"]
        self._best.load_state_dict(tensors)


@dataclass
class Task:
    """A run that is ready."""

    run: Path
    trainer: Reinforce
    measures: Measures

    def finish(self) -> Path:
        """Write the last network and what is known of the best; the best one's file, which is the start where nothing beat it."""
        trainer, measures = self.trainer, self.measures
        notes = {**measures.notes, "updates": trainer.steps, "minutes": round(trainer.seconds / 60, 1)}
        save_network(self.run / NETWORK, trainer.policy.network, notes)  # type: ignore[arg-type]
        text = json.dumps({"updates": trainer.steps, "seconds": trainer.seconds, "best": measures.best}, indent=1)
        write_atomically(self.run / METRICS, text.encode(), TrainingError)
        if measures.best is None:
            save_network(self.run / BEST, measures.start, {**notes, "updates": 0, "why": "nothing beat the start"})
        return self.run / BEST


def begin(
    run: Path,
    settings: GoReinforceSettings,
    *,
    resume: bool,
    threads: int,
    device: str = "cpu",
    watcher: Watcher | None = None,
) -> Task:
    """Make a run, or go on with the one in its folder.

    Args:
        threads: that play.
        device: that the policy learns on.

    Raises:
        TrainingError: the folder holds another run, or a run and `resume` is off.
        NetworkError: the start is no network, has no policy, or is not for this board; or the value network is none, or sees
            other planes.
        PoolError: an opponent's file is missing or changed.
    """
    rules = settings.start_board().globals()
    bf16 = learns_in_bf16(settings.precision, torch.device(device))
    whole = named_network(settings.start_from, settings.size, "start_from")
    digest, start, learner = network_hash(whole), policy_alone(whole), policy_alone(copy.deepcopy(whole))
    manifest: dict[str, Any] = {"stage": "reinforce-go", "settings": settings.model_dump(mode="json"), "start": digest}
    manifest["rollout"] = settled_by(settings.finish)
    shut_inputs(learner, {place: float(rules[place]) for place in RULE_INPUTS})
    start.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    penalised = settings.learning.penalties.get(KL_START, 0) > 0
    policy = GoPolicy(learner, start=start if penalised else None, bf16=bf16).to(device)

    def values() -> Baseline:
        given = settings.value_from
        network = named_network(given or settings.start_from, settings.size, "value_from", heads=VALUE_HEADS)
        theirs, ours = network.architecture.feature_set, whole.architecture.feature_set
        if theirs != ours:
            raise NetworkError(f"value_from {given}: a network of {theirs} planes; those of start_from are {ours}")
        if given is not None:
            manifest["value"] = network_hash(network)
        return ValueBaseline(GoValues(network, bf16=bf16), device=device, steps_at_once=settings.learning.steps_at_once)

    baseline = named(settings.baseline, values=values)
    begin_folder(run, manifest, resume=resume)  # when all that was given is known to be right
    pool = OpponentPool(run / POOL, most=settings.pool.most, seed=settings.seed)
    source = GoSource(settings, learner, pool, threads)
    notes = {
        "made_by": "alphago train reinforce-go",
        "settings": settings.model_dump(mode="json"),
        "start": digest,
        "torch": torch.__version__,
    }
    measures = Measures(run, source, start, notes)
    trainer = Reinforce(
        policy,
        source,
        settings.learning,
        baseline=baseline,
        run=run,
        watcher=watcher,
        after=measures,
        extras={"measures": measures},
        device=device,
    )
    measures.trainer = trainer
    if resume:
        trainer.resume(run)
    return Task(run, trainer, measures)


def _score_of(played: Played, black: bool) -> float:
    results = played.results[played.is_black == black]
    return float((results + 1).mean() / 2)
