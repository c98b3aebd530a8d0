"""Who proposes what to try next: random search, regularised evolution, TPE, and controllers that learn by REINFORCE.

All ask and tell in batches: the next batch is a function of the seed and of what was told. So a search that is killed repeats
itself from its journal.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol

import numpy as np

from alphago.controller.nas.controllers import make_controller
from alphago.controller.nas.space import Choices, Space
from alphago.errors import AlphaGoError
from alphago.train.baselines import MovingAverage
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


class RandomSearch:
    """Uniform choices. What every other strategy must beat."""

    def __init__(self, space: Space, seed: int = 0, batch: int = 1) -> None:
        self._space, self._batch = space, batch
        self._random = np.random.default_rng(seed)

    def ask(self) -> list[Choices]:
        return [self._space.draw(self._random) for _ in range(self._batch)]

    def tell(self, rewards: Sequence[Reward]) -> dict[str, float]:
        return {}


class Evolution:
    """Regularised evolution (Real and others, AAAI 2019): the best of a random sample has a child that differs in one decision, and
    the oldest dies.

    Args:
        population: that lives.
        sample: of which the best becomes the parent.
    """

    def __init__(self, space: Space, seed: int = 0, *, population: int = 10, sample: int = 3) -> None:
        if not 1 <= sample <= population:
            raise StrategyError(f"evolution: sample must be 1 to the population of {population}, got {sample}")
        self._space, self._population, self._sample = space, population, sample
        self._random = np.random.default_rng(seed)
        self._alive: deque[tuple[float, Choices]] = deque()
        self._asked: list[Choices] = []

    def ask(self) -> list[Choices]:
        if len(self._alive) < self._population:
            self._asked = [self._space.draw(self._random)]
        else:
            chosen = self._random.choice(len(self._alive), self._sample, replace=False)
            parent = max((self._alive[int(i)] for i in chosen), key=lambda one: one[0])[1]
            self._asked = [self._space.changed(parent, self._random)]
        return self._asked

    def tell(self, rewards: Sequence[Reward]) -> dict[str, float]:
        for choices, reward in zip(self._asked, rewards, strict=True):
            self._alive.append((reward.value, choices))
            if len(self._alive) > self._population:
                self._alive.popleft()
        return {"population": float(np.mean([value for value, _ in self._alive]))}


class Tpe:
    """Optuna's tree-structured Parzen estimator (Bergstra and others, NeurIPS 2011), with its own defaults."""

    def __init__(self, space: Space, seed: int = 0) -> None:
        try:
            import optuna
        except ImportError:
            raise StrategyError("the strategy tpe needs optuna: pip install 'alphago[nas]'") from None
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self._space = space
        self._study: Any = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=seed))
        self._trial: Any = None

    def ask(self) -> list[Choices]:
        self._trial = self._study.ask()
        chosen: list[int] = []
        for decision in self._space.decisions:
            options = np.flatnonzero(self._space.allowed(chosen)).tolist()
            if len(options) == 1:
                chosen.append(options[0])
            elif len(options) == len(decision.options):
                chosen.append(self._trial.suggest_categorical(decision.name, options))
            else:  # Optuna's categories may not change from trial to trial: a masked option stands for the next open one
                wanted = self._trial.suggest_categorical(decision.name, list(range(len(decision.options))))
                chosen.append(min(options, key=lambda option: (option - wanted) % len(decision.options)))
        return [tuple(chosen)]

    def tell(self, rewards: Sequence[Reward]) -> dict[str, float]:
        self._study.tell(self._trial, rewards[0].value)
        return {}


class Learned:
    """A controller that the REINFORCE trainer improves after every batch.

    Args:
        controller: "factorised" or "lstm".
        settings: of the trainer; None: `default_settings`.
        decay: of the moving-average baseline.
    """

    def __init__(
        self,
        space: Space,
        seed: int = 0,
        *,
        controller: str = "factorised",
        settings: ReinforceSettings | None = None,
        decay: float = 0.9,
    ) -> None:
        self.policy = make_controller(controller, space, seed=seed)
        settings = settings or default_settings(controller)
        self.source = SequenceSource(seed=seed, cache=False)
        self.trainer = Reinforce(self.policy, self.source, settings, baseline=MovingAverage(decay))

    def ask(self) -> list[Choices]:
        return [choices for _, choices, _ in self.source.ask(self.policy, self.trainer.settings.episodes)]

    def tell(self, rewards: Sequence[Reward]) -> dict[str, float]:
        for number, reward in enumerate(rewards):
            self.source.tell(number, reward)
        return self.trainer.learn(self.source.episodes())


def default_settings(controller: str = "factorised", episodes: int = 1) -> ReinforceSettings:
    """Settings for rewards in percent, as accuracies are.

    One sequence an update, as in the published comparison of NAS-Bench-201; the rate was chosen there on other data sets' rewards.
    """
    rate = {"factorised": 0.05, "lstm": 0.01}[controller]
    return ReinforceSettings(
        steps=1_000_000,
        episodes=episodes,
        clip=0.0,
        optimizer=OptimizerSettings(kind="adamw", lr=rate, beta2=0.999, weight_decay=0.0),
        schedule=ScheduleSettings(kind="constant", warmup=0),
    )


STRATEGIES: Final = ("reinforce", "evolution", "random", "tpe")


def make_strategy(name: str, space: Space, seed: int = 0, *, controller: str = "factorised") -> Strategy:
    """A strategy by its name. Raises StrategyError."""
    made: dict[str, Callable[[], Strategy]] = {
        "random": lambda: RandomSearch(space, seed),
        "evolution": lambda: Evolution(space, seed),
        "tpe": lambda: Tpe(space, seed),
        "reinforce": lambda: Learned(space, seed, controller=controller),
    }
    if name not in made:
        raise StrategyError(f"unknown strategy {name!r}: one of {', '.join(STRATEGIES)}")
    return made[name]()
