"""Sequences for a learner that can afford few of them: none is proposed twice, rewards have one scale, the best are replayed.

Three things that the plain `SequenceSource` lacks, each of which may be off:

- what was proposed before, or breaks a limit that can be seen without training, is drawn again;
- rewards are told in units of their own spread, (R - m) / s with the moving mean and deviation of the rewards before, so that one
  learning rate and one entropy bonus fit every problem;
- among the episodes of every update are the best sequences so far, with a constant advantage: priority-queue training (Abolafia,
  Norouzi, Shen, Zhao and Le 2018, arXiv 1801.03526, section 3.3).

What is drawn again makes the gradient that of the policy without its condition on what is new: a small bias, and no repeats.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

from alphago.train.episodes import Episodes, joined
from alphago.train.optim import TrainingError
from alphago.train.policies import Sequencer
from alphago.train.sources import SequenceSource

ATTEMPTS: Final = 100
"""Draws of one sequence, after which the last is proposed as it is."""

Accept = Callable[[tuple[int, ...], int], bool]
"""(choices, context): whether a sequence is worth an evaluation; asked before it is proposed."""
Choices = tuple[int, ...]


@dataclass(frozen=True)
class ReplaySettings:
    """How a source makes the most of few evaluations."""

    elites: int = 0
    """Best sequences of each context that every update replays; 0: none."""
    weight: float = 1.0
    """Advantage of all of them together, in deviations of the reward."""
    decay: float = 0.9
    """Of the moving mean and deviation of rewards, once for each sequence."""
    fresh: bool = True
    """Whether what was proposed before is drawn again."""
    least: float = -4.0
    """Rewards are cut off so many deviations below the mean: one that is worthless teaches no more than a bad one."""

    def __post_init__(self) -> None:
        if self.elites < 0 or self.weight < 0 or not 0 <= self.decay < 1 or self.least > 0:
            raise TrainingError(
                f"replay: elites and weight are at least 0, decay is in 0..1, least at most 0, got {self.elites}, "
                f"{self.weight:g}, {self.decay:g}, {self.least:g}"
            )


class Spread:
    """Moving mean and deviation of rewards; the first ones count in full."""

    def __init__(self, decay: float) -> None:
        self._decay = decay
        self._weight, self._sum, self._squares = 0.0, 0.0, 0.0
        self._origin = 0.0  # the first reward: squares of large numbers that differ a little would lose their digits

    def standardised(self, reward: float) -> float:
        """The reward in deviations from the mean of those taken in: 0 before the first, -1, 0 or 1 while all are the same."""
        if self._weight == 0:
            return 0.0
        mean = self._sum / self._weight
        off = reward - self._origin - mean
        deviation = math.sqrt(max(0.0, self._squares / self._weight - mean * mean))
        noise = 1e-12 * max(1.0, abs(self._origin))
        if deviation <= noise:
            return 0.0 if abs(off) <= noise else float(np.sign(off))
        return off / deviation

    def take(self, reward: float) -> None:
        """Take a reward in."""
        if self._weight == 0:
            self._origin = reward
        off = reward - self._origin
        self._weight = self._decay * self._weight + 1 - self._decay
        self._sum = self._decay * self._sum + (1 - self._decay) * off
        self._squares = self._decay * self._squares + (1 - self._decay) * off * off

    def state(self) -> list[float]:
        """What JSON holds."""
        return [self._weight, self._sum, self._squares, self._origin]

    def load(self, values: Sequence[float]) -> None:
        """Be as when `state` was taken."""
        self._weight, self._sum, self._squares, self._origin = map(float, values)


class ReplaySource(SequenceSource):
    """A `SequenceSource` that is told its rewards, with the three additions above.

    Its rewards are advantages already: the trainer beside it needs no baseline. An invalid sequence is no elite.

    Args:
        contexts: problems, or replicas of a controller, that sequences are drawn for, in turns; None: one.
        accept: what is worth an evaluation; what is not is drawn again, `ATTEMPTS` times at most.
    """

    def __init__(
        self,
        settings: ReplaySettings,
        *,
        seed: int = 0,
        contexts: Sequence[int] | None = None,
        accept: Accept | None = None,
    ) -> None:
        super().__init__(seed=seed, contexts=contexts, cache=False)
        self.settings, self._accept = settings, accept
        self._seen: dict[int, set[Choices]] = {context: set() for context in self._contexts}
        self._best: dict[int, list[tuple[float, Choices]]] = {context: [] for context in self._contexts}
        self._spread = {context: Spread(settings.decay) for context in self._contexts}
        self.redrawn = 0
        """Sequences that were drawn and not proposed."""

    def ask(self, policy: Sequencer, count: int) -> list[tuple[int, Choices, int]]:
        """As `SequenceSource.ask`; all of what it returns is new and accepted, as far as `ATTEMPTS` draws find such."""
        proposed = super().ask(policy, count)
        log_probs = self._log_probs.copy()
        unwanted = self._unwanted(range(count))
        for _ in range(ATTEMPTS - 1):
            if not unwanted:
                break
            self.redrawn += len(unwanted)
            contexts = torch.tensor([self._of[place] for place in unwanted])
            chosen, found = policy.sample(len(unwanted), self._streams.policy, contexts)
            for place, row, one in zip(unwanted, chosen.tolist(), found.numpy(), strict=True):
                self._asked[place] = tuple(row)
                log_probs[place] = one
            unwanted = self._unwanted(unwanted)
        self._log_probs = log_probs
        return [(number, choices, context) for (number, _, context), choices in zip(proposed, self._asked, strict=True)]

    def _unwanted(self, places: Sequence[int]) -> list[int]:
        """Which of these sequences of the batch are to be drawn again; the others are noted as proposed."""
        unwanted = []
        for place in places:
            choices, context = self._asked[place], self._of[place]
            seen = self._seen[context]
            if (self.settings.fresh and choices in seen) or not (
                self._accept is None or self._accept(choices, context)
            ):
                unwanted.append(place)
            else:
                seen.add(choices)
        return unwanted

    def episodes(self) -> Episodes:
        """The batch that was asked for, its rewards standardised, and then the elites. Raises SourceError: a reward is missing."""
        told = super().episodes()
        values, invalid = told.returns()[told.starts].tolist(), told.invalid
        assert invalid is not None and told.log_probs is not None
        standardised = [
            max(self.settings.least, self._spread[context].standardised(value))
            for value, context in zip(values, self._of, strict=True)
        ]
        for value, bad, choices, context in zip(values, invalid, self._asked, self._of, strict=True):
            self._spread[context].take(value)
            if not bad:
                self._remember(value, choices, context)
        info = {**told.info, "reward": float(np.mean(values)), "redrawn": float(self.redrawn)}
        batch = self._sequences(self._asked, self._of, standardised, told.log_probs, invalid, info)
        ranked = [
            (choices, context, self.settings.weight / len(self._best[context]))
            for rank in range(self.settings.elites)
            for context in dict.fromkeys(self._of)
            for _, choices in self._best[context][rank : rank + 1]
        ]
        if not ranked:
            return batch
        chosen, contexts, weights = (list(column) for column in zip(*ranked, strict=True))
        return joined(
            [batch, self._sequences(chosen, contexts, weights, None, np.zeros(len(chosen), dtype=bool), info)]
        )

    def _sequences(
        self, chosen: list[Choices], contexts: list[int], rewards: list[float], log_probs: Any, invalid: Any, info: Any
    ) -> Episodes:
        length = self._log_probs.shape[1]
        steps = np.zeros((len(chosen), length))
        steps[:, -1] = rewards
        return Episodes(
            np.repeat(np.arange(len(chosen)), length),
            np.array(chosen, dtype=np.int64).ravel(),
            steps.ravel(),
            log_probs=None if self.settings.elites else log_probs,  # of the elites none are known
            contexts=np.array(contexts, dtype=np.int64),
            invalid=invalid,
            info=info,
        )

    def _remember(self, reward: float, choices: Choices, context: int) -> None:
        best = self._best[context]
        if self.settings.elites and all(choices != other for _, other in best):
            best.append((reward, choices))
            best.sort(key=lambda one: -one[0])  # stable: of equals the first stays
            del best[self.settings.elites :]

    def state(self) -> tuple[dict[str, Any], dict[str, Tensor]]:
        values, tensors = super().state()
        values |= {
            "redrawn": self.redrawn,
            "seen": {str(context): sorted(seen) for context, seen in self._seen.items()},
            "best": {str(context): best for context, best in self._best.items()},
            "spread": {str(context): spread.state() for context, spread in self._spread.items()},
        }
        return values, tensors

    def load(self, values: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> None:
        super().load(values, tensors)
        self.redrawn = int(values["redrawn"])
        for context in self._contexts:
            key = str(context)
            self._seen[context] = {tuple(choices) for choices in values["seen"][key]}
            self._best[context] = [(float(reward), tuple(choices)) for reward, choices in values["best"][key]]
            self._spread[context].load(values["spread"][key])
