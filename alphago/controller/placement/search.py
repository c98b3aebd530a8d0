"""A search for a placement: rounds of REINFORCE, each from random weights of its own, until the budget is spent.

A round ends with its last update, or when its policy has made up its mind. The folder holds what rounds that ended have found, and
the checkpoints of the one under way: a search that is killed goes on with the same command, and makes the same updates as if it had
not been.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import numpy as np
import pydantic
import torch
from torch import Tensor, nn

from alphago.controller.placement.corpus import read_json
from alphago.controller.placement.graph import Ints, PlacementError
from alphago.controller.placement.grouping import grouped
from alphago.controller.placement.hierarchical import Hierarchical
from alphago.controller.placement.measurements import Measurements
from alphago.controller.placement.problem import Problem
from alphago.controller.placement.seq2seq import Seq2Seq
from alphago.controller.placement.source import Coster, PlacementSource, RewardSettings, Step, coarse
from alphago.controller.placement.stepwise import Stepwise
from alphago.files import write_atomically
from alphago.seeds import game_seed
from alphago.train.baselines import named
from alphago.train.folders import begin_folder
from alphago.train.optim import OptimizerSettings, ScheduleSettings
from alphago.train.reinforce import Reinforce, ReinforceSettings

ROUNDS: Final = "rounds.json"
MEASURED: Final = "measured.json"
DECIDED: Final = 20
"""Updates in a row after which a round ends whose policy has made up its mind."""
JOINED_SHARE: Final = 1 / 8
"""Of the smallest device's memory, that groups may hold which are joined."""


class PolicySettings(pydantic.BaseModel, extra="forbid", frozen=True):
    """Who places."""

    kind: Annotated[
        Literal["stepwise", "seq2seq", "hierarchical"],
        pydantic.Field(description="group by group with running loads; the LSTM of 2017; grouper and placer of 2018"),
    ] = "stepwise"
    hidden: Annotated[int, pydantic.Field(ge=2, le=4096, description="units of its layers")] = 32
    groups: Annotated[int, pydantic.Field(ge=1, le=4096, description="hierarchical: that the grouper may make")] = 32
    table: Annotated[float, pydantic.Field(ge=0, description="stepwise: weight of the table of logits; 0: none")] = 1.0
    joined: Annotated[
        Literal["never", "half", "always"],
        pydantic.Field(
            description="rounds in which chains of groups are placed as one: none; the first two of every four; all"
        ),
    ] = "never"
    fastest_first: Annotated[
        Literal["never", "odd-rounds", "even-rounds", "always"],
        pydantic.Field(
            description="stepwise: rounds in which slower devices get nothing while one of the fastest has room"
        ),
    ] = "odd-rounds"
    leave: Annotated[
        float,
        pydantic.Field(gt=0, lt=1, description="stepwise: chance to leave a device, before anything is learned"),
    ] = 0.15


class SearchSettings(pydantic.BaseModel, extra="forbid", frozen=True):
    """A whole search."""

    policy: PolicySettings = PolicySettings()
    reward: RewardSettings = RewardSettings()
    baseline: Literal["none", "moving-average", "leave-one-out"] = "none"
    learning: ReinforceSettings = ReinforceSettings(
        steps=300,
        episodes=128,
        advantage="ranked",
        entropy=0.05,
        entropy_final=0.0,
        optimizer=OptimizerSettings(kind="adamw", lr=0.01, weight_decay=0.0),
        schedule=ScheduleSettings(kind="constant", warmup=0),
        checkpoint_minutes=0.5,
    )
    settled: Annotated[
        float, pydantic.Field(ge=0, description="nats of a decision below which a round has made up its mind")
    ] = 0.003
    seed: Annotated[int, pydantic.Field(ge=0, lt=2**31)] = 0

    @pydantic.model_validator(mode="after")
    def _no_penalties(self) -> SearchSettings:
        if self.learning.penalties:
            raise ValueError(f"learning.penalties: placers compute none, got {', '.join(self.learning.penalties)}")
        return self


@dataclass(frozen=True)
class Budget:
    """What a search may spend; None: any amount."""

    seconds: float | None = None
    placements: int | None = None
    rounds: int | None = None

    def __post_init__(self) -> None:
        if self.seconds is None and self.placements is None and self.rounds is None:
            raise PlacementError("a search needs a budget: a time, a number of placements or of rounds")


@dataclass
class Round:
    """What a round has found."""

    ms: float
    """Infinite where nothing fitted."""
    placement: list[int]
    """Of operations; empty where nothing fitted."""
    placements: int
    failed: int
    updates: int
    seconds: float
    steps: list[list[float]] = field(default_factory=list)
    """[placements of this round, milliseconds] of every new best."""


@dataclass(frozen=True)
class Found:
    """What a search has found so far."""

    ms: float
    placement: Ints | None
    """[N]: of operations."""
    placements: int
    failed: int
    rounds: int
    seconds: float
    steps: tuple[Step, ...]
    """How the best came down, over all rounds."""


class Settled:
    """Ends a round whose policy has made up its mind, or when the budget is spent.

    Its mind is made up where decisions have less than `settled` nats, or half of what it draws costs as much as its best: there is
    hardly anything left to learn from, and a new round begins elsewhere.
    """

    def __init__(self, settings: SearchSettings, is_spent: Callable[[], bool]) -> None:
        self._least, self._is_spent = settings.settled, is_spent
        self.low = 0
        self.trainer: Reinforce | None = None

    def __call__(self, step: int, metrics: dict[str, float]) -> None:
        median = metrics.get("median_ms")
        settled = metrics["entropy"] < self._least or (
            median is not None and bool(coarse(median) == coarse(metrics["best_ms"]))
        )
        self.low = self.low + 1 if settled else 0
        assert self.trainer is not None
        if self.low >= DECIDED or self._is_spent():
            self.trainer.finished = True

    def state(self) -> tuple[dict[str, Any], dict[str, Tensor]]:
        return {"low": self.low}, {}

    def load(self, values: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> None:
        self.low = int(values["low"])


Told = Callable[[int, int, Mapping[str, float]], None]
"""Update of the round, all of them, numbers; `round`, `best_ms` and `spent` (share of the budget) among them."""


class Search:
    """One search.

    Args:
        folder: of its rounds and checkpoints; None: nothing is kept.
        resume: go on with the search in the folder.
        costs: None: the simulator; or a measurement, which is asked once for equal placements.
        manifest: what else tells this search from another, such as the graph's digest.
        watcher: is told after every update.

    Raises:
        PlacementError: what the folder holds is damaged.
        TrainingError: the folder holds another search, or one and `resume` is off.
    """

    def __init__(
        self,
        problem: Problem,
        settings: SearchSettings,
        budget: Budget,
        *,
        folder: Path | None = None,
        resume: bool = False,
        costs: Coster | None = None,
        manifest: Mapping[str, Any] | None = None,
        watcher: Told | None = None,
    ) -> None:
        self.problem, self.settings, self.budget = problem, settings, budget
        self._folder, self._watcher = folder, watcher
        self._rounds: list[Round] = []
        self._trainer: Reinforce | None = None
        self._source: PlacementSource | None = None
        self._fewer: Problem | None = None
        self._stop = False
        self._updating = 0.0
        if folder is not None:
            values = {**settings.model_dump(mode="json"), "problem": dict(manifest or {})}
            begin_folder(folder, {"stage": "placement", "settings": values}, resume=resume)
            self._rounds = _read_rounds(folder / ROUNDS)
        self.measurements: Measurements | None = None
        """What was measured; None: the costs are the simulator's."""
        if costs is not None:
            self.measurements = Measurements(problem, costs, None if folder is None else folder / MEASURED)

    def stop(self) -> None:
        """End after the update under way, with a checkpoint; from any thread or a signal handler."""
        self._stop = True
        if self._trainer is not None:
            self._trainer.stop()

    def run(self) -> bool:
        """Search until the budget is spent. False: stopped before; a checkpoint is there."""
        while not self._is_spent():
            if self._stop:
                return False
            number = len(self._rounds)
            if not self._run_round(number):
                return False
        return True

    @property
    def found(self) -> Found:
        """What is known now."""
        rounds = [*self._rounds, *([self._as_round()] if self._source is not None else [])]
        best = min(rounds, key=lambda one: one.ms, default=None)
        steps: list[Step] = []
        before, least = 0, math.inf
        for one in rounds:
            for count, ms in one.steps:
                if ms < least:
                    least = ms
                    steps.append(Step(before + int(count), ms))
            before += one.placements
        return Found(
            math.inf if best is None else best.ms,
            None if best is None or not best.placement else np.array(best.placement, dtype=np.int64),
            sum(one.placements for one in rounds),
            sum(one.failed for one in rounds),
            len(rounds),
            sum(one.seconds for one in rounds),
            tuple(steps),
        )

    # --- a round ----------------------------------------------------------------------------------------------------------

    def _run_round(self, number: int) -> bool:
        settings = self.settings
        seed = game_seed(settings.seed, number) >> 33
        policy = make_policy(self._problem_of(number), settings.policy, seed, number)
        source = PlacementSource(
            self.problem,
            policy,
            settings.reward,
            costs=self.measurements,
            cached=self.measurements is not None,
            seed=seed,
        )
        settled = Settled(settings, self._is_spent)
        run = None if self._folder is None else self._folder / f"round-{number:03d}"
        trainer = Reinforce(
            policy,
            source,
            settings.learning,
            baseline=named(settings.baseline),
            run=run,
            after=settled,
            watcher=lambda step, total, metrics: self._tell(number, step, total, metrics),
            extras={"settled": settled},
        )
        settled.trainer = self._trainer = trainer
        self._source = source
        if run is not None:
            trainer.resume(run)
        self._updating = time.monotonic()
        if self._stop or not trainer.train():
            return False
        choices, _ = policy.sample(1, torch.Generator().manual_seed(seed), greedy=True)
        source.consider(choices.numpy())
        self._rounds.append(self._as_round())
        self._trainer = self._source = None
        if self._folder is not None:
            rows = [{**asdict(one), "ms": one.ms if math.isfinite(one.ms) else None} for one in self._rounds]
            data = json.dumps(rows).encode()
            write_atomically(self._folder / ROUNDS, data, PlacementError)
        return True

    def _problem_of(self, number: int) -> Problem:
        """What the policy of a round places: the problem, or the same operations in fewer groups."""
        joined = {"never": False, "half": number % 4 < 2, "always": True}[self.settings.policy.joined]
        if not joined:
            return self.problem
        if self._fewer is None:
            self._fewer = with_chains_joined(self.problem)
        return self._fewer

    def _as_round(self) -> Round:
        source, trainer = self._source, self._trainer
        assert source is not None and trainer is not None
        return Round(
            source.best_ms,
            [] if source.best is None else source.best.tolist(),
            source.placements,
            source.failed,
            trainer.steps,
            trainer.seconds,
            [[step.placements, step.ms] for step in source.steps],
        )

    def _spent(self) -> tuple[float, int]:
        """Seconds and placements; the update under way counts, so that the last one ends near the limit."""
        seconds = sum(one.seconds for one in self._rounds)
        placements = sum(one.placements for one in self._rounds)
        if self._trainer is not None and self._source is not None:
            seconds += self._trainer.seconds + (time.monotonic() - self._updating)
            placements += self._source.placements
        return seconds, placements

    def _is_spent(self) -> bool:
        seconds, placements = self._spent()
        budget = self.budget
        return (
            (budget.seconds is not None and seconds >= budget.seconds)
            or (budget.placements is not None and placements >= budget.placements)
            or (budget.rounds is not None and len(self._rounds) >= budget.rounds)
        )

    def _tell(self, number: int, step: int, total: int, metrics: Mapping[str, float]) -> None:
        self._updating = time.monotonic()
        if self._watcher is None:
            return
        seconds, placements = self._spent()
        shares = [0.0]
        if self.budget.seconds is not None:
            shares.append(seconds / self.budget.seconds)
        if self.budget.placements is not None:
            shares.append(placements / self.budget.placements)
        if self.budget.rounds is not None:
            shares.append((number + step / total) / self.budget.rounds)
        best = min([one.ms for one in self._rounds], default=math.inf)
        now = self._source.best_ms if self._source is not None else math.inf
        more = {"round": float(number), "best_ms": min(best, now), "spent": min(1.0, max(shares))}
        self._watcher(step, total, {**metrics, **more, "placements": float(placements), "seconds": seconds})


def with_chains_joined(problem: Problem) -> Problem:
    """The same problem in fewer groups, by the rule "chains": shorter sequences, which are learned in fewer and quicker updates."""
    finite = problem.limits[np.isfinite(problem.limits)]
    most = JOINED_SHARE * float(finite.min()) if len(finite) else math.inf
    graph = replace(problem.graph, together=problem.group_of)  # its groups stay whole
    groups = grouped(graph, "chains", most_bytes=most)
    return Problem(problem.graph, problem.machine, problem.objective, groups, problem.queue)


def make_policy(problem: Problem, settings: PolicySettings, seed: int, number: int = 0) -> Any:
    """The policy of a round with random weights: a torch module that is a `Placer`."""
    made: nn.Module
    if settings.kind == "stepwise":
        fastest = {"never": False, "always": True, "odd-rounds": number % 2 == 1, "even-rounds": number % 2 == 0}
        made = Stepwise(problem, settings.hidden, settings.table, seed, fastest[settings.fastest_first], settings.leave)
    elif settings.kind == "seq2seq":
        made = Seq2Seq(problem, settings.hidden, seed)
    else:
        made = Hierarchical(problem, settings.groups, settings.hidden, seed)
    return made


def _read_rounds(path: Path) -> list[Round]:
    if not path.exists():
        return []
    try:
        return [Round(**{**row, "ms": math.inf if row["ms"] is None else row["ms"]}) for row in read_json(path)]
    except (TypeError, KeyError) as error:
        raise PlacementError(f"{path}: damaged: {error}") from None
