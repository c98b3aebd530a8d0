"""Where the trainer's episodes come from: placements that a policy draws, with the cost of each as the reward of the whole.

The reward is -sqrt(milliseconds), as in Mirhoseini and others (2017), section 3. A placement that does not fit gets the reward of a
constant failing time, or of one above the slowest of its update that fits; after a while (the paper: 5,000 updates; here a number
of placements) those that do not fit are left out of what is learned from, as long as two are left that do.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Protocol, TypeAlias

import numpy as np
import pydantic
import torch
from torch import Tensor

from alphago.controller.placement.graph import Floats, Ints, PlacementError, canonical
from alphago.controller.placement.problem import Costs, Problem
from alphago.train.episodes import Episodes
from alphago.train.policies import Sequencer
from alphago.train.sources import Reward, SequenceSource

Coster: TypeAlias = Callable[[Ints], Costs]
"""Placements of operations, int64 [B, N], to what they cost."""


class RewardSettings(pydantic.BaseModel, extra="forbid", frozen=True):
    """What a placement is worth."""

    kind: Annotated[
        Literal["sqrt", "log", "linear"], pydantic.Field(description="of the milliseconds, with a minus (paper: sqrt)")
    ] = "sqrt"
    failing: Annotated[
        float,
        pydantic.Field(
            gt=1,
            description="what does not fit counts this many times the time of the best single device, and more than what fits",
        ),
    ] = 2.0
    learn_failing: Annotated[
        int,
        pydantic.Field(
            ge=0, description="placements after which those that do not fit are left out (paper: 5,000 updates)"
        ),
    ] = 5000


class Placer(Sequencer, Protocol):
    """A policy that draws placements as sequences of decisions."""

    def placements(self, choices: Ints) -> Ints:
        """Sequences int64 [B, T] as placements of operations, int64 [B, N]."""


def coarse(ms: Any) -> Floats:
    """Times to 12 digits: the same ones, added up in another order, differ in the last of their 16, and ranks would tell them
    apart."""
    mantissa, exponent = np.frexp(np.asarray(ms, dtype=np.float64))
    found: Floats = np.ldexp(np.round(mantissa * 2.0**40) * 2.0**-40, exponent)
    return found


@dataclass(frozen=True)
class Step:
    """A placement that was better than all before it."""

    placements: int
    """Placements until then, itself counted."""
    ms: float


class PlacementSource:
    """Placements and their costs, and the best of them.

    Args:
        costs: None: the problem's simulator; or a measurement.
        cached: equal placements, and those that exchange devices which are alike, are not costed again: for measurements.
    """

    def __init__(
        self,
        problem: Problem,
        placer: Placer,
        settings: RewardSettings,
        *,
        costs: Coster | None = None,
        cached: bool = False,
        seed: int = 0,
    ) -> None:
        self.problem, self.placer, self.settings = problem, placer, settings
        self._costs = costs or problem.costs_of_operations
        key = (lambda choices, _: self._key(choices)) if cached else None
        self._sequences = SequenceSource(seed=seed, cache=cached, key=key)
        self.placements, self.failed = 0, 0
        """Drawn so far, and those of them that do not fit."""
        self.best: Ints | None = None
        """The best placement of operations so far, [N]; None: none has fitted."""
        self.best_ms = math.inf
        self.steps: list[Step] = []
        """How the best came down."""
        alone = problem.best_alone[1]
        self.failing_ms = settings.failing * (alone if math.isfinite(alone) else problem.serial_ms)
        """What a placement counts that does not fit, as long as all that fit in the same update are quicker."""

    def collect(self, policy: Any, episodes: int) -> Episodes:
        """See `alphago.train.reinforce.Source`."""
        wanted = self._sequences.ask(policy, episodes)
        chosen = np.array([choices for _, choices, _ in wanted], dtype=np.int64)
        ms = np.zeros(0)
        if len(chosen):
            ms, fits = self._taken(self.placer.placements(chosen))
            for (number, _, _), value, fit in zip(wanted, self._rewards(ms, fits).tolist(), fits.tolist(), strict=True):
                self._sequences.tell(number, Reward(value, invalid=not fit))
        found = self._sequences.episodes()
        info = {"best_ms": self.best_ms if math.isfinite(self.best_ms) else -1.0, "placements": float(self.placements)}
        if len(ms):
            info["median_ms"] = float(np.median(ms))
        if found.invalid is not None and self.placements > self.settings.learn_failing:
            kept = np.flatnonzero(~found.invalid)
            if len(kept) > 1:
                found = found.taken(kept)
        return Episodes(
            found.index, found.actions, found.rewards, log_probs=found.log_probs, contexts=found.contexts,
            invalid=found.invalid, info={**found.info, **info, "failed": float(self.failed)},
        )  # fmt: skip

    def consider(self, choices: Ints) -> None:
        """Take in placements that were drawn by the caller, as sequences [B, T], such as the policy's likeliest."""
        self._taken(self.placer.placements(choices))

    def _taken(self, placements: Ints) -> tuple[Floats, Any]:
        costs = self._costs(placements)
        ms = np.where(costs.fits, costs.ms, np.inf)
        near = coarse(np.concatenate([[self.best_ms], ms]))  # a new best is not one that was added up in another order
        for row in np.flatnonzero(near[1:] < np.minimum.accumulate(near[:-1])).tolist():
            self.best, self.best_ms = placements[row].copy(), float(ms[row])
            self.steps.append(Step(self.placements + row + 1, self.best_ms))
        self.placements += len(placements)
        self.failed += int((~costs.fits).sum())
        return costs.ms, costs.fits

    def _rewards(self, ms: Floats, fits: Any) -> Floats:
        failing, worst = self.failing_ms, float(ms[fits].max(initial=0.0))
        if worst >= failing:  # what does not fit is never better than what does
            failing = self.settings.failing * worst
        counted = coarse(np.where(fits, ms, failing))
        if self.settings.kind == "sqrt":
            return -np.sqrt(counted)
        return -np.log(np.maximum(counted, 1e-9)) if self.settings.kind == "log" else -counted

    def _key(self, choices: tuple[int, ...]) -> str:
        """Equal for placements that exchange devices which are alike: they are measured once."""
        placements = self.placer.placements(np.array([choices], dtype=np.int64))
        found = canonical(placements, self.problem.machine, self.problem.graph.order)
        return str(found[0].astype(np.uint8).tobytes().hex())

    def state(self) -> tuple[dict[str, Any], dict[str, Tensor]]:
        values, tensors = self._sequences.state()
        if self.best is not None:
            tensors = {**tensors, "best": torch.from_numpy(self.best)}
        mine = {
            "placements": self.placements,
            "failed": self.failed,
            "steps": [[step.placements, step.ms] for step in self.steps],
        }
        return {"sequences": values, **mine}, tensors

    def load(self, values: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> None:
        self._sequences.load(values["sequences"], {})
        self.placements, self.failed = int(values["placements"]), int(values["failed"])
        self.steps = [Step(int(count), float(ms)) for count, ms in values["steps"]]
        self.best, self.best_ms = None, math.inf
        if self.steps:
            if "best" not in tensors:
                raise PlacementError("a checkpoint without its best placement")
            self.best, self.best_ms = tensors["best"].numpy().copy(), self.steps[-1].ms
