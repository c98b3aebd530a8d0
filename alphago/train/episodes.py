"""Whole episodes, ragged: what every source hands to the REINFORCE trainer, whatever the problem is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from alphago.errors import AlphaGoError


class EpisodesError(AlphaGoError):
    """Arrays that are no episodes; the message names the one that does not fit."""


@dataclass(frozen=True)
class Batch:
    """The steps of whole episodes as tensors: what a policy evaluates.

    N steps of E episodes; step k belongs to episode `index[k]`, and the steps of an episode follow one another.
    """

    index: Tensor
    """int64 [N], 0 to E - 1, ascending."""
    actions: Tensor
    """int64 [N]."""
    observations: Mapping[str, Tensor]
    """What was seen before each action, each [N, ...], as the policy and the source agree."""
    masks: Tensor | None
    """bool [N, A]: actions that could be chosen; None: all."""
    contexts: Tensor
    """int64 [E]: which problem, opponent or graph an episode is about."""

    @property
    def episodes(self) -> int:
        """E."""
        return len(self.contexts)

    @property
    def turns(self) -> Tensor:
        """int64 [N]: 0 for the first step of an episode, 1 for the second, ..."""
        counts = torch.bincount(self.index, minlength=self.episodes)
        starts = counts.cumsum(0) - counts
        return torch.arange(len(self.index), device=self.index.device) - starts[self.index]


@dataclass(frozen=True)
class Episodes:
    """Whole episodes with their rewards, flat as in `Batch`. Raises EpisodesError where arrays do not fit together."""

    index: NDArray[np.int64]
    """[N]: episode of each step, 0 to E - 1, ascending; every episode has a step."""
    actions: NDArray[np.int64]
    """[N]."""
    rewards: NDArray[np.float64]
    """[N]: what followed each action."""
    observations: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    masks: NDArray[np.bool_] | None = None
    log_probs: NDArray[np.floating[Any]] | None = None
    """[N], nats, of the policy that chose the actions; None: it is not known."""
    contexts: NDArray[np.int64] | None = None
    """[E]; None: all zero."""
    invalid: NDArray[np.bool_] | None = None
    """[E]: episodes that ended in something that is no answer (a placement that does not fit); None: none."""
    info: Mapping[str, float] = field(default_factory=dict)
    """Numbers of the source's own, for people."""

    def __post_init__(self) -> None:
        n = len(self.index)
        if n == 0 or self.index[0] != 0 or not np.isin(np.diff(self.index), (0, 1)).all():
            raise EpisodesError("index must count the episodes 0, 1, ... in order, with a step for each")
        of_steps: dict[str, NDArray[Any]] = {"actions": self.actions, "rewards": self.rewards, **self.observations}
        of_steps |= {} if self.masks is None else {"masks": self.masks}
        of_steps |= {} if self.log_probs is None else {"log_probs": self.log_probs}
        of_episodes: dict[str, NDArray[Any]] = {} if self.contexts is None else {"contexts": self.contexts}
        of_episodes |= {} if self.invalid is None else {"invalid": self.invalid}
        for wanted, arrays in ((n, of_steps), (len(self), of_episodes)):
            for name, array in arrays.items():
                if len(array) != wanted:
                    raise EpisodesError(f"{name} has {len(array)} rows, expected {wanted}")
        if not np.isfinite(self.rewards).all():
            raise EpisodesError("a reward is not finite")

    def __len__(self) -> int:
        """Episodes, E."""
        return int(self.index[-1]) + 1

    @property
    def steps(self) -> int:
        """N."""
        return len(self.index)

    @property
    def starts(self) -> NDArray[np.int64]:
        """[E]: the first step of each episode."""
        return np.searchsorted(self.index, np.arange(len(self)))

    @property
    def context_of(self) -> NDArray[np.int64]:
        """[E]: the contexts, zeros where there are none."""
        return np.zeros(len(self), dtype=np.int64) if self.contexts is None else self.contexts

    def returns(self, gamma: float = 1.0) -> NDArray[np.float64]:
        """[N]: G_t = r_t + gamma r_(t+1) + gamma^2 r_(t+2) + ... to the end of the episode."""
        return self._discounted(self.rewards, gamma)

    def traced(self, values: NDArray[np.float64], gamma: float, trace: float) -> NDArray[np.float64]:
        """[N]: generalised advantage estimates (Schulman and others 2016, arXiv 1506.02438, equation 16),

            A_t = d_t + gamma trace A_(t+1)    with    d_t = r_t + gamma V_(t+1) - V_t

        to the end of the episode, where V is 0. With trace 1 this is the return minus the value; less of it takes away what
        chance did after the next decisions, and believes the values so much more.

        Args:
            values: [N], V, of the state before each action.
        """
        goes_on = np.append(self.index[1:] == self.index[:-1], False)
        following = np.where(goes_on, np.append(values[1:], 0.0), 0.0)
        return self._discounted(self.rewards + gamma * following - values, gamma * trace)

    def _discounted(self, terms: NDArray[np.float64], factor: float) -> NDArray[np.float64]:
        """[N]: x_t + factor x_(t+1) + factor^2 x_(t+2) + ... to the end of the episode.

        Every episode is summed by itself, so that equal episodes have equal sums, bit for bit: ranks depend on it.
        """
        turns = np.arange(self.steps) - self.starts[self.index]
        sums = np.zeros((len(self), int(turns.max()) + 1))
        sums[self.index, turns] = terms
        for t in range(sums.shape[1] - 2, -1, -1):
            sums[:, t] += factor * sums[:, t + 1]
        found: NDArray[np.float64] = sums[self.index, turns]
        return found

    def batch(self, device: torch.device | str = "cpu", episodes: slice | None = None) -> Batch:
        """The tensors of some of the episodes, which follow one another; None: of all."""
        first, last = (0, len(self)) if episodes is None else (episodes.start, episodes.stop)
        a, b = np.searchsorted(self.index, [first, last])

        def tensor(array: NDArray[Any]) -> Tensor:
            return torch.from_numpy(np.ascontiguousarray(array)).to(device)

        return Batch(
            tensor(self.index[a:b] - first),
            tensor(self.actions[a:b]),
            {name: tensor(array[a:b]) for name, array in self.observations.items()},
            None if self.masks is None else tensor(self.masks[a:b]),
            tensor(self.context_of[first:last]),
        )

    def parts(self, most: int) -> Iterator[tuple[slice, slice]]:
        """(episodes, steps) of successive parts of at most `most` steps each, or one longer episode."""
        starts = [*self.starts.tolist(), self.steps]
        first = 0
        for episode in range(1, len(starts)):
            if episode == len(self) or starts[episode + 1] - starts[first] > most:
                yield slice(first, episode), slice(starts[first], starts[episode])
                first = episode

    def taken(self, order: Sequence[int] | NDArray[np.int64]) -> Episodes:
        """These episodes, in this order."""
        starts = [*self.starts.tolist(), self.steps]
        rows = np.concatenate([np.arange(starts[e], starts[e + 1]) for e in order])
        lengths = [starts[e + 1] - starts[e] for e in order]
        order = np.asarray(order)
        return Episodes(
            np.repeat(np.arange(len(order)), lengths),
            self.actions[rows],
            self.rewards[rows],
            {name: array[rows] for name, array in self.observations.items()},
            None if self.masks is None else self.masks[rows],
            None if self.log_probs is None else self.log_probs[rows],
            None if self.contexts is None else self.contexts[order],
            None if self.invalid is None else self.invalid[order],
            self.info,
        )


def joined(parts: Sequence[Episodes]) -> Episodes:
    """The episodes of all parts, one after the other, as one. `info` is that of the last."""
    offsets = np.cumsum([0, *(len(part) for part in parts)])

    def of(name: str) -> Any:
        arrays = [getattr(part, name) for part in parts]
        return None if any(array is None for array in arrays) else np.concatenate(arrays)

    return Episodes(
        np.concatenate([part.index + offset for part, offset in zip(parts, offsets[:-1], strict=True)]),
        of("actions"),
        of("rewards"),
        {name: np.concatenate([part.observations[name] for part in parts]) for name in parts[0].observations},
        of("masks"),
        of("log_probs"),
        of("contexts"),
        of("invalid"),
        parts[-1].info,
    )
