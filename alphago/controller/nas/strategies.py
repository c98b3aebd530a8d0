"""Who proposes what to try next: random search, regularised evolution, TPE, and controllers that learn by REINFORCE.

All ask and tell in batches: the next batch is a function of the seed and of what was told. So a search that is killed repeats
itself from its journal.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np

from alphago.controller.nas.controllers import CONTROLLERS, make_controller
from alphago.controller.nas.replay import ATTEMPTS, ReplaySettings, ReplaySource
from alphago.controller.nas.space import DRAWS, Choices, DeadEnd, Space
from alphago.errors import AlphaGoError
from alphago.train.baselines import Baseline, MovingAverage, NoBaseline
from alphago.train.optim import OptimizerSettings, ScheduleSettings
from alphago.train.reinforce import Reinforce, ReinforceSettings
from alphago.train.sources import Reward, SequenceSource


class StrategyError(AlphaGoError):
    """A strategy that cannot be used; the message says why."""


class Strategy(Protocol):
    """Proposes and learns."""

    def ask(self) -> list[Choices]:
        """The next batch; it is to be told before another is asked for."""

    def tell(self, rewards: Sequence[Reward]) -> dict[str, float]:
        """The rewards of the batch, in its order; numbers for people."""


Accept = Callable[[Choices], bool]
"""Whether choices are worth a measurement, by what is known without one (a latency, say)."""


def _accepted(draw: Callable[[], Choices], accept: Accept | None) -> Choices:
    """Draw until something is accepted, `ATTEMPTS` times at most; then the last."""
    choices = draw()
    for _ in range(ATTEMPTS - 1):
        if accept is None or accept(choices):
            break
        choices = draw()
    return choices


class RandomSearch:
    """Uniform choices. What every other strategy must beat."""

    def __init__(self, space: Space, seed: int = 0, batch: int = 1, accept: Accept | None = None) -> None:
        self._space, self._batch, self._accept = space, batch, accept
        self._random = np.random.default_rng(seed)

    def ask(self) -> list[Choices]:
        return [_accepted(lambda: self._space.draw(self._random), self._accept) for _ in range(self._batch)]

    def tell(self, rewards: Sequence[Reward]) -> dict[str, float]:
        return {}


class Evolution:
    """Regularised evolution (Real and others, AAAI 2019): the best of a random sample has a child that differs in one decision, and
    the oldest dies.

    Args:
        population: that lives.
        sample: of which the best becomes the parent.
        batch: children at a time, all of the same population.
        accept: what may be born.
    """

    def __init__(
        self,
        space: Space,
        seed: int = 0,
        *,
        population: int = 10,
        sample: int = 3,
        batch: int = 1,
        accept: Accept | None = None,
    ) -> None:
        if not 1 <= sample <= population:
            raise StrategyError(f"evolution: sample must be 1 to the population of {population}, got {sample}")
        self._space, self._population, self._sample = space, population, sample
        self._batch, self._accept = batch, accept
        self._random = np.random.default_rng(seed)
        self._alive: deque[tuple[float, Choices]] = deque()
        self._asked: list[Choices] = []

    def ask(self) -> list[Choices]:
        missing = self._population - len(self._alive)
        draw = self._child if missing <= 0 else lambda: self._space.draw(self._random)
        count = self._batch if missing <= 0 else min(self._batch, missing)
        self._asked = [_accepted(draw, self._accept) for _ in range(count)]
        return self._asked

    def _child(self) -> Choices:
        chosen = self._random.choice(len(self._alive), self._sample, replace=False)
        parent = max((self._alive[int(i)] for i in chosen), key=lambda one: one[0])[1]
        return self._space.changed(parent, self._random)

    def tell(self, rewards: Sequence[Reward]) -> dict[str, float]:
        for choices, reward in zip(self._asked, rewards, strict=True):
            self._alive.append(
                (-np.inf if reward.invalid else reward.value, choices)
            )  # it dies of age, but has no children
            if len(self._alive) > self._population:
                self._alive.popleft()
        values = [value for value, _ in self._alive if np.isfinite(value)]
        return {"population": float(np.mean(values))} if values else {}


class Tpe:
    """Optuna's tree-structured Parzen estimator (Bergstra and others, NeurIPS 2011), with its own defaults."""

    def __init__(self, space: Space, seed: int = 0, batch: int = 1, accept: Accept | None = None) -> None:
        try:
            import optuna
        except ImportError:
            raise StrategyError("the strategy tpe needs optuna: pip install 'alphago[nas]'") from None
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self._space, self._batch, self._accept = space, batch, accept
        self._failed = optuna.trial.TrialState.FAIL
        self._study: Any = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=seed))
        self._trials: list[Any] = []

    def ask(self) -> list[Choices]:
        self._trials = []
        return [_accepted(self._draw(), self._accept) for _ in range(self._batch)]

    def _draw(self) -> Callable[[], Choices]:
        """Draws for one place of the batch; a draw that another follows is told as failed. Dead ends are drawn again."""
        self._trials.append(None)

        def draw() -> Choices:
            for attempt in range(DRAWS):
                if self._trials[-1] is not None:
                    self._study.tell(self._trials[-1], state=self._failed)
                self._trials[-1] = self._study.ask()
                try:
                    return self._suggested(self._trials[-1])
                except DeadEnd:
                    if attempt == DRAWS - 1:
                        raise
            raise AssertionError

        return draw

    def _suggested(self, trial: Any) -> Choices:
        chosen: list[int] = []
        for decision in self._space.decisions:
            options = np.flatnonzero(self._space.allowed(chosen)).tolist()
            if len(options) == 1:
                chosen.append(options[0])
            elif len(options) == len(decision.options):
                chosen.append(trial.suggest_categorical(decision.name, options))
            else:  # Optuna's categories may not change from trial to trial: a masked option stands for the next open one
                wanted = trial.suggest_categorical(decision.name, list(range(len(decision.options))))
                chosen.append(min(options, key=lambda option: (option - wanted) % len(decision.options)))
        return tuple(chosen)

    def tell(self, rewards: Sequence[Reward]) -> dict[str, float]:
        for trial, reward in zip(self._trials, rewards, strict=True):
            self._study.tell(trial, reward.value)
        return {}


@dataclass(frozen=True)
class Learning:
    """How a controller learns."""

    settings: ReinforceSettings
    """Of the trainer; its episodes are those of an update."""
    replay: ReplaySettings | None = None
    """None: sequences as they are drawn, raw rewards, and a moving-average baseline."""
    decay: float = 0.9
    """Of that baseline."""
    hidden: int = 32
    """Units of an LSTM."""
    bias_rate: float = 1.0
    """Of an LSTM: see `LstmController`."""


class Learned:
    """A controller that the REINFORCE trainer improves after every batch.

    Args:
        controller: "factorised" or "lstm".
        learning: None: `tuned(controller, batch)`.
        accept: what may be proposed; needs `Learning.replay`.
    """

    def __init__(
        self,
        space: Space,
        seed: int = 0,
        *,
        controller: str = "factorised",
        learning: Learning | None = None,
        batch: int = 1,
        accept: Accept | None = None,
    ) -> None:
        learning = learning or tuned(controller, batch)
        self.policy = make_controller(
            controller, space, seed=seed, hidden=learning.hidden, bias_rate=learning.bias_rate
        )
        self.source: SequenceSource
        baseline: Baseline
        if learning.replay is None:
            if accept is not None:
                raise StrategyError("only learning with replay draws again what is not accepted")
            self.source, baseline = SequenceSource(seed=seed, cache=False), MovingAverage(learning.decay)
        else:
            worth = None if accept is None else lambda choices, _context: accept(choices)
            self.source, baseline = ReplaySource(learning.replay, seed=seed, accept=worth), NoBaseline()
        self.trainer = Reinforce(self.policy, self.source, learning.settings, baseline=baseline)
        self._numbers: list[int] = []

    def ask(self) -> list[Choices]:
        asked = self.source.ask(self.policy, self.trainer.settings.episodes)
        self._numbers = [number for number, _, _ in asked]
        return [choices for _, choices, _ in asked]

    def tell(self, rewards: Sequence[Reward]) -> dict[str, float]:
        for number, reward in zip(self._numbers, rewards, strict=True):
            self.source.tell(number, reward)
        return self.trainer.learn(self.source.episodes())


def settings_of(
    rate: float, episodes: int = 1, *, entropy: float = 0.0, beta1: float = 0.0, beta2: float = 0.999
) -> ReinforceSettings:
    """Settings of the trainer for a search: Adam, a constant rate, no end."""
    optimizer = OptimizerSettings(kind="adamw", lr=rate, beta1=beta1, beta2=beta2, weight_decay=0.0)
    return ReinforceSettings(
        steps=1_000_000,
        episodes=episodes,
        clip=0.0,
        entropy=entropy,
        optimizer=optimizer,
        schedule=ScheduleSettings(kind="constant", warmup=0),
    )


def published(controller: str = "factorised", episodes: int = 1) -> Learning:
    """REINFORCE as in the published comparison of NAS-Bench-201 (Dong and Yang 2020), whose means these rates reproduce.

    One sequence an update, rewards in percent less their moving average, Adam.
    """
    rate = {"factorised": 0.05, "lstm": 0.01}[_known(controller)]
    return Learning(settings_of(rate, episodes, beta1=0.9))


def tuned(controller: str = "factorised", episodes: int = 1) -> Learning:
    """REINFORCE for budgets of a hundred evaluations: no repeats, standardised rewards, an entropy bonus, the best replayed.

    Chosen on NAS-Bench-201 by `benchmarks/nas_tuning.py`, with the 12-epoch accuracies of CIFAR-100 and ImageNet16 for rewards;
    neither CIFAR-10 nor an accuracy after 200 epochs was looked at (docs/nas.md).
    """
    if _known(controller) == "lstm":
        settings = settings_of(0.004, episodes, entropy=0.37, beta2=0.99)
        return Learning(settings, ReplaySettings(2, 0.5, 0.8), hidden=16, bias_rate=34.0)
    return Learning(settings_of(0.135, episodes, entropy=0.37, beta2=0.99), ReplaySettings(2, 0.5, 0.8))


def _known(controller: str) -> str:
    if controller not in CONTROLLERS:
        raise StrategyError(f"unknown controller {controller!r}: one of {', '.join(CONTROLLERS)}")
    return controller


STRATEGIES: Final = ("reinforce", "evolution", "random", "tpe")


def make_strategy(
    name: str,
    space: Space,
    seed: int = 0,
    *,
    controller: str = "factorised",
    batch: int = 1,
    accept: Accept | None = None,
) -> Strategy:
    """A strategy by its name; `accept` says what is worth a measurement. Raises StrategyError."""
    made: dict[str, Callable[[], Strategy]] = {
        "random": lambda: RandomSearch(space, seed, batch, accept),
        "evolution": lambda: Evolution(space, seed, batch=batch, accept=accept),
        "tpe": lambda: Tpe(space, seed, batch, accept),
        "reinforce": lambda: Learned(space, seed, controller=controller, batch=batch, accept=accept),
    }
    if name not in made:
        raise StrategyError(f"unknown strategy {name!r}: one of {', '.join(STRATEGIES)}")
    return made[name]()
