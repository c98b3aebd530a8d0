"""Sources of episodes that know no Go: Gymnasium environments, and sequences of decisions with a reward for the whole.

Every source has random streams of its own, which its state holds, and begins every batch with fresh episodes: a run that is
killed and resumed collects what it would have.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from alphago.errors import AlphaGoError
from alphago.seeds import game_seed
from alphago.train.episodes import Episodes, joined
from alphago.train.optim import TrainingError
from alphago.train.policies import Actor, Sequencer
from alphago.train.random_states import decoded, encoded

OBSERVATION: Final = "observation"
MASK: Final = "action_mask"


class SourceError(AlphaGoError):
    """An environment or an objective that gives no episodes to learn from; the message says why."""


class Streams:
    """Two streams of random numbers: what the policy draws, and the seeds that environments or evaluations get."""

    def __init__(self, seed: int) -> None:
        self.policy = torch.Generator().manual_seed(game_seed(seed, 0) >> 1)
        self.seeds = np.random.default_rng(game_seed(seed, 1))

    def state(self) -> dict[str, Any]:
        """What JSON holds."""
        return {"policy": encoded(self.policy.get_state()), "seeds": self.seeds.bit_generator.state}

    def load(self, values: Mapping[str, Any]) -> None:
        """Be as when `state` was taken."""
        self.policy.set_state(decoded(values["policy"]))
        self.seeds.bit_generator.state = values["seeds"]


class VectorEnvSource:
    """Episodes of any Gymnasium vector environment with discrete actions.

    Every environment plays one whole episode a round, so that short episodes are not favoured. What an
    environment forbids it says under "action_mask": in its observation, where that is a dictionary, or in its info.

    Args:
        envs: a `gymnasium.vector.VectorEnv`.
        most: steps of an episode, after which it is cut; None: the environment's own limit.
    """

    def __init__(self, envs: Any, *, seed: int = 0, most: int | None = None) -> None:
        import gymnasium

        if not isinstance(envs.single_action_space, gymnasium.spaces.Discrete):
            raise SourceError(f"the environment's actions are {envs.single_action_space}, expected Discrete")
        self.envs, self._most = envs, most
        self._first = int(envs.single_action_space.start)
        self._streams = Streams(seed)

    def collect(self, policy: Actor, episodes: int) -> Episodes:
        """See `alphago.train.reinforce.Source`. Raises SourceError: the environments do not divide the episodes."""
        n = self.envs.num_envs
        if episodes % n:
            raise SourceError(f"{episodes} episodes cannot be shared by {n} environments: use a multiple of {n}")
        return joined([self._round(policy) for _ in range(episodes // n)])

    def _round(self, policy: Actor) -> Episodes:
        n = self.envs.num_envs
        # one number: Gymnasium gives environment i the seed after i, and environments that are one array take no list
        seen, info = self.envs.reset(seed=int(self._streams.seeds.integers(0, 2**31 - n)))
        running = np.ones(n, dtype=bool)
        steps: list[dict[str, NDArray[Any]]] = []
        while running.any() and (self._most is None or len(steps) < self._most):
            observations, masks = _split(seen, info)
            if masks is not None:
                masks[~running] = True  # an environment that has ended may allow nothing
            # copies: environments may write the next observation over this one
            observations = {name: np.array(array) for name, array in observations.items()}
            tensors = {name: torch.from_numpy(array) for name, array in observations.items()}
            actions, log_probs = policy.act(
                tensors, None if masks is None else torch.from_numpy(masks), self._streams.policy
            )
            seen, rewards, terminated, truncated, info = self.envs.step(actions.numpy() + self._first)
            row = {f"o.{name}": array for name, array in observations.items()}
            row |= {} if masks is None else {"masks": masks}
            steps.append(
                {
                    **row,
                    "running": running.copy(),
                    "actions": actions.numpy(),
                    "log_probs": log_probs.numpy(),
                    "rewards": np.asarray(rewards, dtype=np.float64),
                }
            )
            running &= ~(np.asarray(terminated) | np.asarray(truncated))
        # [T, n] with the steps of finished episodes left out, episode by episode
        valid = np.stack([step["running"] for step in steps], axis=1)

        def flat(name: str) -> NDArray[Any]:
            column: NDArray[Any] = np.stack([step[name] for step in steps], axis=1)[valid]
            return column

        return Episodes(
            np.repeat(np.arange(n), valid.sum(axis=1)),
            flat("actions"),
            flat("rewards"),
            {name[2:]: flat(name) for name in steps[0] if name.startswith("o.")},
            flat("masks") if "masks" in steps[0] else None,
            flat("log_probs"),
        )

    def state(self) -> tuple[dict[str, Any], dict[str, Tensor]]:
        return self._streams.state(), {}

    def load(self, values: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> None:
        self._streams.load(values)


def _split(seen: Any, info: Mapping[str, Any]) -> tuple[dict[str, NDArray[Any]], NDArray[np.bool_] | None]:
    """Observations by name, floats as float32, and the mask bool [n, A]."""
    parts = dict(seen) if isinstance(seen, Mapping) else {OBSERVATION: seen}
    mask = parts.pop(MASK, info.get(MASK))
    for name, array in parts.items():
        array = np.asarray(array)
        parts[name] = array.astype(np.float32) if array.dtype.kind == "f" else array
    if mask is None:
        return parts, None
    mask = np.stack(list(mask)) if getattr(mask, "dtype", None) == np.dtype(object) else np.asarray(mask)
    return parts, mask.astype(bool)


@dataclass(frozen=True)
class Reward:
    """What a sequence of decisions is worth."""

    value: float
    invalid: bool = False
    """It is no answer at all; `value` is what such answers get."""


Evaluate = Callable[[tuple[int, ...], int, int], Reward]
"""(choices, context, seed) to the reward. In worker processes it must be a function of a module."""


class SequenceSource:
    """Sequences of decisions, each with one reward at its end, which may come later and from elsewhere.

    `ask` draws sequences, `tell` brings the reward of one, in any order; `collect` does both with `evaluate`.

    Args:
        evaluate: the objective; None: the caller tells.
        contexts: problems that sequences are drawn for, in turns; None: one.
        executor: where `evaluate` runs, such as a `ProcessPoolExecutor`; None: here. Rewards do not depend on which.
        cache: sequences met before keep their reward; off where rewards are noisy.
        key: choices and context to what they stand for: sequences with the same key are the same answer; None: themselves.
    """

    def __init__(
        self,
        evaluate: Evaluate | None = None,
        *,
        seed: int = 0,
        contexts: Sequence[int] | None = None,
        executor: Executor | None = None,
        cache: bool = True,
        key: Callable[[tuple[int, ...], int], str] | None = None,
    ) -> None:
        self._evaluate, self._executor = evaluate, executor
        self._contexts = tuple(contexts or (0,))
        self._key = key or (lambda choices, context: f"{context}:{','.join(map(str, choices))}")
        self.cache: dict[str, Reward] | None = {} if cache else None
        self.evaluations, self.hits = 0, 0
        self._streams = Streams(seed)
        self._drawn, self._first = 0, 0
        self._asked: list[tuple[int, ...]] = []
        self._of: list[int] = []
        self._log_probs: NDArray[np.float32] = np.zeros((0, 0), np.float32)
        self._told: dict[int, Reward] = {}

    def ask(self, policy: Sequencer, count: int) -> list[tuple[int, tuple[int, ...], int]]:
        """Draw sequences; (number, choices, context) of those whose reward is to be told. Unfinished batches are dropped.

        Numbers run on from batch to batch, so that a reward that comes too late is not taken for another's.
        """
        contexts = [self._contexts[(self._drawn + i) % len(self._contexts)] for i in range(count)]
        chosen, log_probs = policy.sample(count, self._streams.policy, torch.tensor(contexts))
        self._first, self._drawn = self._drawn, self._drawn + count
        self._asked, self._of, self._told = [tuple(row) for row in chosen.tolist()], contexts, {}
        self._log_probs = log_probs.numpy()
        wanted, met = [], set[str]()
        for number, (choices, context) in enumerate(zip(self._asked, contexts, strict=True), self._first):
            if self.cache is not None:
                key = self._key(choices, context)
                if key in self.cache or key in met:
                    self.hits += 1
                    continue
                met.add(key)
            wanted.append((number, choices, context))
        return wanted

    def tell(self, number: int, reward: Reward) -> None:
        """Bring the reward of a sequence that the last `ask` returned. Raises SourceError: it did not, or it is not finite."""
        place = number - self._first
        if not 0 <= place < len(self._asked):
            raise SourceError(f"a reward for sequence {number}, which is not of the last batch that was asked for")
        if not np.isfinite(reward.value):
            raise SourceError(f"the reward of {self._asked[place]} is {reward.value}, expected a finite number")
        self.evaluations += 1
        self._told[number] = reward
        if self.cache is not None:
            self.cache[self._key(self._asked[place], self._of[place])] = reward

    def episodes(self) -> Episodes:
        """The batch that was asked for. Raises SourceError: a reward is missing."""
        rewards = []
        for number, (choices, context) in enumerate(zip(self._asked, self._of, strict=True), self._first):
            reward = self._told.get(number)
            if reward is None and self.cache is not None:
                reward = self.cache.get(self._key(choices, context))
            if reward is None:
                raise SourceError(f"no reward was told for sequence {number}, {choices}")
            rewards.append(reward)
        count, length = self._log_probs.shape
        steps = np.zeros((count, length))
        steps[:, -1] = [reward.value for reward in rewards]
        return Episodes(
            np.repeat(np.arange(count), length),
            np.array(self._asked, dtype=np.int64).ravel(),
            steps.ravel(),
            log_probs=self._log_probs.ravel(),
            contexts=np.array(self._of, dtype=np.int64),
            invalid=np.array([reward.invalid for reward in rewards]),
            info={"evaluations": float(self.evaluations), "cache_hits": float(self.hits)},
        )

    def collect(self, policy: Sequencer, episodes: int) -> Episodes:
        """See `alphago.train.reinforce.Source`."""
        if self._evaluate is None:
            raise TrainingError("this source is told its rewards: use ask, tell and Reinforce.learn")
        wanted = self.ask(policy, episodes)
        # drawn here, in order: the rewards are the same with or without workers
        seeds = self._streams.seeds.integers(0, 2**31 - 1, len(wanted)).tolist()
        jobs = [(choices, context, seed) for (_, choices, context), seed in zip(wanted, seeds, strict=True)]
        if self._executor is None:
            rewards = [self._evaluate(*job) for job in jobs]
        else:
            rewards = list(self._executor.map(self._evaluate, *zip(*jobs, strict=True))) if jobs else []
        for (number, _, _), reward in zip(wanted, rewards, strict=True):
            self.tell(number, reward)
        return self.episodes()

    def state(self) -> tuple[dict[str, Any], dict[str, Tensor]]:
        cache = None if self.cache is None else {key: [r.value, r.invalid] for key, r in self.cache.items()}
        counts = {"drawn": self._drawn, "evaluations": self.evaluations, "hits": self.hits}
        return {"streams": self._streams.state(), "cache": cache, **counts}, {}

    def load(self, values: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> None:
        self._streams.load(values["streams"])
        if self.cache is not None:
            self.cache = {key: Reward(float(value), bool(invalid)) for key, (value, invalid) in values["cache"].items()}
        self._drawn, self.evaluations, self.hits = (int(values[name]) for name in ("drawn", "evaluations", "hits"))
