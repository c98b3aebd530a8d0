"""Runs of the REINFORCE trainer on problems that are no Go: any Gymnasium environment, and two miniatures."""

from __future__ import annotations

import itertools
import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import pydantic
import torch
from torch import Tensor, nn

from alphago.train.baselines import Baseline, ValueBaseline, named
from alphago.train.episodes import Batch
from alphago.train.folders import begin_folder
from alphago.train.miniatures import BanditTree, TinyPlacement
from alphago.train.optim import TrainingError
from alphago.train.policies import Categorical, SequencePolicy
from alphago.train.reinforce import Reinforce, ReinforceSettings, Source, Watcher
from alphago.train.sources import OBSERVATION, SequenceSource, SourceError, VectorEnvSource


class ProblemSettings(pydantic.BaseModel, extra="forbid", frozen=True):
    """What is to be learned."""

    kind: Literal["gymnasium", "tree", "placement"] = "gymnasium"
    env: Annotated[str, pydantic.Field(description="gymnasium: the environment's name")] = "CartPole-v1"
    environments: Annotated[int, pydantic.Field(ge=1, le=4096, description="gymnasium: at a time")] = 16
    hidden: Annotated[
        tuple[Annotated[int, pydantic.Field(ge=1)], ...], pydantic.Field(description="units of the layers")
    ] = (64,)
    seed: Annotated[int, pydantic.Field(ge=0, lt=2**31, description="of a miniature: which of them")] = 0


class BaselineSettings(pydantic.BaseModel, extra="forbid", frozen=True):
    """What is subtracted from returns."""

    kind: Literal["none", "moving-average", "leave-one-out", "per-context", "value"] = "moving-average"
    decay: Annotated[float, pydantic.Field(ge=0, lt=1)] = 0.95
    lr: Annotated[float, pydantic.Field(gt=0, description="value: of Adam")] = 1e-2
    passes: Annotated[int, pydantic.Field(ge=1, description="value: over every batch")] = 5


class ReinforceRunSettings(pydantic.BaseModel, extra="forbid", frozen=True):
    """A whole run."""

    problem: ProblemSettings = ProblemSettings()
    baseline: BaselineSettings = BaselineSettings()
    learning: ReinforceSettings = ReinforceSettings()
    goal: Annotated[
        float | None, pydantic.Field(description="the run ends when the mean return of goal_episodes reaches it")
    ] = None
    goal_episodes: Annotated[int, pydantic.Field(ge=1)] = 100
    seed: Annotated[int, pydantic.Field(ge=0, lt=2**31)] = 0


@dataclass
class Task:
    """A run that is ready."""

    trainer: Reinforce
    returns: _Returns
    problem: BanditTree | TinyPlacement | None

    def answer(self) -> dict[str, Any]:
        """What was found: the mean return of the last episodes, and whether it is the goal; of a miniature the likeliest sequence
        of the policy and the best there is, by trying all."""
        trainer, problem = self.trainer, self.problem
        found: dict[str, Any] = {"updates": trainer.steps, "minutes": round(trainer.seconds / 60, 2)}
        found["mean_return"] = round(self.returns.mean, 4)
        if self.returns.goal is not None:
            found |= {"goal": self.returns.goal, "reached": trainer.finished}
        if problem is None:
            return found
        policy: Any = trainer.policy
        choices = tuple(policy.sample(1, torch.Generator(), greedy=True)[0][0].tolist())
        if isinstance(problem, BanditTree):
            return found | {
                "found": choices,
                "reward": problem.rewards[choices],
                "best": 1.0,
                "optimal": choices == problem.optimum,
            }
        time, best = problem.step_time(choices), problem.best()
        return found | {"found": choices, "step_time": time, "best": best, "optimal": time == best}


class _Returns:
    """The mean return of the last episodes, which ends a run that has a goal."""

    def __init__(self, goal: float | None, updates: int) -> None:
        self.goal, self.last = goal, deque[float](maxlen=updates)
        self.trainer: Reinforce | None = None

    @property
    def mean(self) -> float:
        """Of the last updates."""
        return float(np.mean(self.last)) if self.last else math.nan

    def __call__(self, step: int, metrics: dict[str, float]) -> None:
        self.last.append(metrics["return"])
        metrics["return_recent"] = self.mean
        is_full = len(self.last) == self.last.maxlen
        if self.goal is not None and is_full and self.mean >= self.goal and self.trainer is not None:
            self.trainer.finished = True

    def state(self) -> tuple[dict[str, Any], dict[str, Tensor]]:
        return {"last": list(self.last)}, {}

    def load(self, values: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> None:
        self.last.clear()
        self.last.extend(values["last"])


class _Values(nn.Module):
    """A value network on the observation."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, batch: Batch) -> Tensor:
        values: Tensor = self.network(batch.observations[OBSERVATION]).squeeze(-1)
        return values


def begin(
    run: Path | None, settings: ReinforceRunSettings, *, resume: bool = False, watcher: Watcher | None = None
) -> Task:
    """Make a run, or go on with the one in its folder.

    Args:
        run: the folder; None: nothing is kept.

    Raises:
        TrainingError: the folder holds another run, or a run and `resume` is off.
        SourceError: no such environment, or none with discrete actions and an array for an observation.
    """
    problem: BanditTree | TinyPlacement | None = None
    p = settings.problem
    policy: nn.Module
    source: Source
    values: nn.Module | None = None
    if p.kind == "gymnasium":
        policy, values, source = _environment(settings)
    else:
        problem = (BanditTree if p.kind == "tree" else TinyPlacement)(p.seed)
        policy = SequencePolicy(problem.choices, p.hidden[0] if p.hidden else 32, seed=settings.seed)
        source = SequenceSource(problem.evaluate, seed=settings.seed)
    baseline = _baseline(settings.baseline, values)
    if run is not None:  # when all that was given is known to be right
        begin_folder(run, {"stage": "reinforce", "settings": settings.model_dump(mode="json")}, resume=resume)
    returns = _Returns(settings.goal, math.ceil(settings.goal_episodes / settings.learning.episodes))
    trainer = Reinforce(
        policy,
        source,
        settings.learning,
        baseline=baseline,
        run=run,
        watcher=watcher,
        after=returns,
        extras={"returns": returns},
    )
    returns.trainer = trainer
    if run is not None and resume:
        trainer.resume(run)
    return Task(trainer, returns, problem)


def _baseline(settings: BaselineSettings, values: nn.Module | None) -> Baseline:
    if settings.kind == "value" and values is None:
        raise TrainingError("baseline.kind value: this problem has no observations to value; choose moving-average")

    def made() -> Baseline:
        assert values is not None
        return ValueBaseline(values, rate=settings.lr, passes=settings.passes)

    return named(settings.kind, decay=settings.decay, values=made)


def _environment(settings: ReinforceRunSettings) -> tuple[nn.Module, nn.Module, Source]:
    import gymnasium

    p = settings.problem
    try:
        # an environment that comes as one array of all is many times as fast
        spec = gymnasium.spec(p.env)
        mode = "sync" if spec.vector_entry_point is None else "vector_entry_point"
        envs = gymnasium.make_vec(p.env, num_envs=p.environments, vectorization_mode=mode)
    except gymnasium.error.Error as error:
        raise SourceError(f"problem.env {p.env!r}: {str(error).splitlines()[0]}") from None
    source = VectorEnvSource(envs, seed=settings.seed)
    if settings.learning.episodes % p.environments:
        raise SourceError(
            f"learning.episodes is {settings.learning.episodes}, expected a multiple of the {p.environments} environments"
        )
    space = envs.single_observation_space
    if not isinstance(space, gymnasium.spaces.Box):
        raise SourceError(f"problem.env {p.env!r}: its observations are {space}, expected an array")
    choices: Any = envs.single_action_space  # Discrete, as the source has found
    inputs, actions = math.prod(space.shape), int(choices.n)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        return Categorical(_layers(inputs, p.hidden, actions)), _Values(_layers(inputs, p.hidden, 1)), source


class _Flat(nn.Module):
    """Numbers of any kind and shape as float32 [N, inputs]."""

    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(1).float()


def _layers(inputs: int, hidden: tuple[int, ...], outputs: int) -> nn.Sequential:
    sizes = [inputs, *hidden]
    layers: list[nn.Module] = [_Flat()]
    for a, b in itertools.pairwise(sizes):
        layers += [nn.Linear(a, b), nn.Tanh()]
    return nn.Sequential(*layers, nn.Linear(sizes[-1], outputs))
