"""A run of rollout learning in its folder: stages in order, checkpoints, the weights file at the end."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Final, Protocol

import numpy as np
import pydantic
import safetensors.numpy
from numpy.typing import NDArray

from alphago.data.game_set import Games
from alphago.errors import AlphaGoError
from alphago.files import write_atomically
from alphago.nets import header
from alphago.nets.rollout import save_rollout_weights, weights_hash
from alphago.train.folders import begin_folder
from alphago.train.optim import TrainingError
from alphago.train.rollout import (
    BalanceSettings,
    Layout,
    LikelihoodSettings,
    Mixture,
    PatternSettings,
    climb_balance,
    climb_likelihood,
    find_patterns,
    measure,
    root_values,
)
from alphago.train.softmax import Adagrad
from alphago.train.supervised import DataSettings, games_hash, spread

STATE: Final = "state.safetensors"
WEIGHTS: Final = "rollout.safetensors"
METRICS: Final = "metrics.json"
STAGES: Final = ("likelihood", "balance", "tree")
_SAVE_SECONDS: Final = 60.0


class RolloutSettings(pydantic.BaseModel, extra="forbid", frozen=True):
    """A whole run."""

    data: DataSettings = DataSettings()
    patterns: PatternSettings = PatternSettings()
    likelihood: LikelihoodSettings = LikelihoodSettings()
    tree: LikelihoodSettings = LikelihoodSettings(steps=500)
    balance: BalanceSettings = BalanceSettings()
    seed: Annotated[int, pydantic.Field(ge=0, lt=2**31)] = 0

    def stage_starts(self) -> dict[str, int]:
        """Steps of the run before each stage."""
        steps = (self.likelihood.steps, self.balance.steps, self.tree.steps)
        return {stage: sum(steps[:index]) for index, stage in enumerate(STAGES)}


class Watcher(Protocol):
    """Is told how a run goes."""

    def step(self, stage: str, step: int, total: int, values: Mapping[str, float]) -> None:
        """After every step."""

    def measured(self, stage: str, metrics: Mapping[str, float]) -> None:
        """At the end of a stage of likelihood, on held-out games."""


@dataclass
class RolloutRun:
    """One run; `begin` makes it."""

    folder: Path
    settings: RolloutSettings
    games: Games
    learned: NDArray[np.int64]
    held_out: NDArray[np.int64]
    threads: int
    watcher: Watcher | None
    layout: Layout
    learner: Adagrad
    stage: int = 0
    seconds: float = 0.0
    metrics: dict[str, float] = field(default_factory=dict)
    stopping: bool = False

    def stop(self) -> None:
        """End after the step under way, with a checkpoint; from any thread or a signal handler."""
        self.stopping = True

    def train(self) -> bool:
        """Go through the stages that are left. False: stopped before the end; a checkpoint is there."""
        while self.stage < len(STAGES):
            if not self._stage():
                return False
            self._measure()
            self.stage += 1
            if self.stage < len(STAGES):
                self.learner = self._next_learner(self.learner.mean)
            self._save()
        return True

    def finish(self) -> Path:
        """Write the weights file and the metrics; its path."""
        out = self.folder / WEIGHTS
        made = {
            "made_by": "alphago train rollout",
            "settings": self.settings.model_dump(mode="json"),
            "games": len(self.games.keys),
            "games_hash": games_hash(self.games),
            "minutes": round(self.seconds / 60, 1),
            "metrics": self.metrics,
        }
        save_rollout_weights(out, self.layout.arrays(self.learner.mean), made)
        row = {"seconds": self.seconds, "hash": weights_hash(out), **self.metrics}
        write_atomically(self.folder / METRICS, json.dumps(row, indent=1).encode(), TrainingError)
        return out

    # --- stages ---------------------------------------------------------------------------------------------------------

    def _stage(self) -> bool:
        name = STAGES[self.stage]
        started, before, saved = time.monotonic(), self.seconds, time.monotonic()

        def on_step(values: Callable[[Any], Mapping[str, float]], total: int) -> Callable[[int, Any], bool]:
            def told(step: int, found: Any) -> bool:
                nonlocal saved
                self.seconds = before + time.monotonic() - started
                if self.watcher is not None:
                    self.watcher.step(name, step, total, values(found))
                stop = self.stopping  # read once: a signal may come between
                if stop or time.monotonic() - saved > _SAVE_SECONDS:
                    self._save()
                    saved = time.monotonic()
                return stop

            return told

        settings = self.settings
        if name == "balance":
            if not settings.balance.steps:
                return True
            mixture = Mixture.of(self.games, self._valued(), settings.seed + 1)
            return climb_balance(
                self.layout, self.games, mixture, self.learner, settings.balance, seed=settings.seed, threads=self.threads,
                on_step=on_step(lambda found: {"squared_error": found.squared_error}, settings.balance.steps),
            )  # fmt: skip
        part = settings.tree if name == "tree" else settings.likelihood
        mixture = Mixture.of(self.games, self.learned, settings.seed + self.stage)
        return climb_likelihood(
            self.layout, self.games, mixture, self.learner, part, tree=name == "tree", threads=self.threads,
            on_step=on_step(lambda found: {"log_loss": found.log_loss, "top1": found.top1}, part.steps),
        )  # fmt: skip

    def _valued(self) -> NDArray[np.int64]:
        return valued(self.games, self.learned, self.settings.balance.size, 1_000_000, self.threads)

    def _next_learner(self, weights: NDArray[np.float64]) -> Adagrad:
        return make_learner(self.layout, self.settings, self.stage, weights)

    def _measure(self) -> None:
        name = STAGES[self.stage]
        if name == "balance" and not self.settings.balance.steps:
            return
        sizes = self.games.sizes[self.games.game_of(self.held_out)]
        for size in np.unique(sizes).tolist():
            positions = spread(self.held_out[sizes == size], self.settings.data.measured)
            found = measure(
                self.layout, self.games, positions, self.learner.mean, tree=name == "tree", threads=self.threads
            )
            self.metrics |= {f"{name}_{size}x{size}_{key}": value for key, value in found.items()}
        if self.watcher is not None:
            self.watcher.measured(name, {k: v for k, v in self.metrics.items() if k.startswith(name)})

    # --- the folder -----------------------------------------------------------------------------------------------------

    def _save(self) -> None:
        learner = self.learner
        state = {
            "kind": "rollout-run",
            "version": 1,
            "stage": self.stage,
            "step": learner.step,
            "seconds": self.seconds,
            "metrics": self.metrics,
        }
        tensors: dict[str, NDArray[Any]] = {
            "weights": learner.weights,
            "squares": learner.squares,
            "total": learner.total,
            "pattern3": self.layout.pattern3,
            "response": self.layout.response,
            "pattern12": self.layout.pattern12,
        }
        data = safetensors.numpy.save(tensors, {"alphago": json.dumps(state)})
        write_atomically(self.folder / STATE, data, TrainingError)


class NothingToBalance(TrainingError):
    """No game was searched: balancing needs the search's values."""


def valued(games: Games, positions: NDArray[np.int64], size: int | None, most: int, threads: int) -> NDArray[np.int64]:
    """Positions that have a search's root value, of at most so many that are looked at. Raises NothingToBalance where none has."""
    if size is not None:
        positions = positions[games.sizes[games.game_of(positions)] == size]
    positions = spread(positions, most)
    found = positions[np.isfinite(root_values(games, positions, threads))] if len(positions) else positions
    if not len(found):
        where = f"{games.where}: " + (f"of {size}x{size}, " if size else "")
        raise NothingToBalance(
            f"{where}no position has a search's root value to balance against: use games that were searched, or balance 0 steps"
        )
    return found


def make_learner(layout: Layout, settings: RolloutSettings, stage: int, weights: NDArray[np.float64]) -> Adagrad:
    """The learner of a stage, which begins at these weights and averages the second half of its steps."""
    tree = layout.is_tree()
    part: Any = (settings.likelihood, settings.balance, settings.tree)[stage]
    return Adagrad(weights, part.rate, tree if STAGES[stage] == "tree" else ~tree, average_from=part.steps // 2)


def begin(
    folder: Path,
    settings: RolloutSettings,
    *,
    resume: bool,
    threads: int,
    watcher: Watcher | None = None,
) -> RolloutRun:
    """Load the games, and make the run's folder or go on with the one that is there.

    Raises:
        GameDataError: a store that cannot be read, or holds nothing to learn from.
        TrainingError: the folder holds another run, or a run and `resume` is off.
        NothingToBalance: balancing has steps and no game was searched.
    """
    data = settings.data
    games = data.model_copy(update={"visits": False}).load()  # the moves are learned, searched or not
    learned = games.examples(games.side_of_split(data.held_out, data.split_seed, held_out=False))
    held_out = games.examples(games.side_of_split(data.held_out, data.split_seed, held_out=True))
    manifest = {"stage": "rollout", "settings": settings.model_dump(mode="json"), "games": games_hash(games)}
    if settings.balance.steps:  # found out now, not when the first stage is done
        valued(games, learned, settings.balance.size, 20_000, threads)
    begin_folder(folder, manifest, resume=resume)
    if (folder / STATE).exists():
        layout, learner, state = _load_state(folder / STATE, settings)
        return RolloutRun(
            folder, settings, games, learned, held_out, threads, watcher, layout, learner,
            state["stage"], state["seconds"], state["metrics"],
        )  # fmt: skip
    mixture = Mixture.of(games, learned, settings.seed)
    layout = find_patterns(games, mixture.batch(0, settings.patterns.positions), settings.patterns, threads)
    learner = make_learner(layout, settings, 0, np.zeros(len(layout) + 1))
    return RolloutRun(folder, settings, games, learned, held_out, threads, watcher, layout, learner)


def _load_state(path: Path, settings: RolloutSettings) -> tuple[Layout, Adagrad, dict[str, Any]]:
    tensors, state = header.read(
        path, kind="rollout-run", version=1, what="state of a rollout run", framework="numpy", error=TrainingError
    )
    try:
        layout = Layout(tensors["pattern3"], tensors["response"], tensors["pattern12"])
        stage = int(state["stage"])
        learner = make_learner(layout, settings, min(stage, len(STAGES) - 1), tensors["weights"])
        learner.squares, learner.total, learner.step = tensors["squares"], tensors["total"], int(state["step"])
    except (KeyError, ValueError, TypeError, AlphaGoError) as error:
        raise TrainingError(f"{path}: damaged: {error}") from None
    if not len(learner.weights) == len(learner.squares) == len(learner.total) == len(layout) + 1:
        raise TrainingError(f"{path}: damaged: tensors of different lengths")
    return layout, learner, state
