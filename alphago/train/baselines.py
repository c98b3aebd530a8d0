"""What is subtracted from a return before it weighs a decision: baselines of the REINFORCE estimator.

A baseline that does not look at the action leaves the expected gradient as it is and takes variance away (Williams 1992;
Greensmith, Bartlett and Baxter 2004). Every prediction is made before the batch is taken in, or, for leave-one-out, from the
other episodes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from alphago.train.episodes import Batch, Episodes
from alphago.train.optim import TrainingError, load_optimizer_tensors, optimizer_tensors

Floats = NDArray[np.float64]


class Saved(Protocol):
    """A part of a run that a checkpoint holds."""

    def state(self) -> tuple[dict[str, Any], dict[str, Tensor]]:
        """What JSON holds, and tensors."""

    def load(self, values: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> None:
        """Be as when `state` was taken."""


@runtime_checkable
class Keeper(Protocol):
    """A part with files of its own beside the checkpoints."""

    def saved(self) -> None:
        """The checkpoint with the last `state` is on the disk: what only older ones needed may go."""


class Baseline(Saved, Protocol):
    """Predicts returns."""

    def predict(self, episodes: Episodes, returns: Floats) -> Floats:
        """[N]: what is expected from each step on; `returns` [N] are those that came."""

    def update(self, episodes: Episodes, returns: Floats) -> None:
        """Learn from a batch, after `predict` and the policy's update."""


class _Stateless:
    """Learns nothing and remembers nothing."""

    def update(self, episodes: Episodes, returns: Floats) -> None:
        pass

    def state(self) -> tuple[dict[str, Any], dict[str, Tensor]]:
        return {}, {}

    def load(self, values: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> None:
        pass


class NoBaseline(_Stateless):
    """Zero: AlphaGo's first pass (Nature 529, Methods)."""

    def predict(self, episodes: Episodes, returns: Floats) -> Floats:
        return np.zeros(episodes.steps)


class MovingAverage:
    """An exponential moving average of the returns of whole episodes, as NAS controllers use (Zoph and Le 2016).

    Args:
        decay: of the average, once for each batch.
        corrected: divide by 1 - decay^n, so that the first batches count in full.
        start: the prediction for the first batch.
        skip_invalid: episodes that are no answer do not count.
    """

    def __init__(
        self, decay: float = 0.95, *, corrected: bool = True, start: float = 0.0, skip_invalid: bool = False
    ) -> None:
        if not 0 <= decay < 1:
            raise TrainingError(f"the decay of a moving average must be at least 0 and below 1, got {decay:g}")
        self.decay, self.corrected, self.start, self.skip_invalid = decay, corrected, start, skip_invalid
        self._sum, self._updates = (0.0 if corrected else start), 0

    @property
    def value(self) -> float:
        """The prediction."""
        if not self._updates:
            return self.start
        return self._sum / (1 - self.decay**self._updates) if self.corrected else self._sum

    def predict(self, episodes: Episodes, returns: Floats) -> Floats:
        return np.full(episodes.steps, self.value)

    def update(self, episodes: Episodes, returns: Floats) -> None:
        self.take(_whole(episodes, returns, self.skip_invalid))

    def take(self, values: Floats) -> None:
        """Take in the returns of the episodes of a batch."""
        if len(values):
            self._sum = self.decay * self._sum + (1 - self.decay) * float(values.mean())
            self._updates += 1

    def state(self) -> tuple[dict[str, Any], dict[str, Tensor]]:
        return {"sum": self._sum, "updates": self._updates}, {}

    def load(self, values: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> None:
        self._sum, self._updates = float(values["sum"]), int(values["updates"])


class LeaveOneOut(_Stateless):
    """The mean return of the other episodes of the batch, of the same context (RLOO; Kool and others 2019). Alone: 0."""

    def predict(self, episodes: Episodes, returns: Floats) -> Floats:
        whole = returns[episodes.starts]
        _, context = np.unique(episodes.context_of, return_inverse=True)
        totals, counts = np.bincount(context, whole), np.bincount(context)
        others = (totals[context] - whole) / np.maximum(counts[context] - 1, 1)
        found: Floats = np.where(counts[context] > 1, others, 0.0)[episodes.index]
        return found


class PerContext:
    """A moving average for every context: each graph, opponent or task has a level of its own.

    Args:
        make: the average of a context that is met for the first time.
    """

    def __init__(self, make: Callable[[], MovingAverage] = MovingAverage) -> None:
        self._make = make
        self._averages: dict[int, MovingAverage] = {}

    def predict(self, episodes: Episodes, returns: Floats) -> Floats:
        values = np.array([self._of(context).value for context in episodes.context_of.tolist()])
        found: Floats = values[episodes.index]
        return found

    def update(self, episodes: Episodes, returns: Floats) -> None:
        whole, contexts = returns[episodes.starts], episodes.context_of
        for context in np.unique(contexts).tolist():
            average = self._of(context)
            chosen = contexts == context
            if average.skip_invalid and episodes.invalid is not None:
                chosen &= ~episodes.invalid
            average.take(whole[chosen])

    def _of(self, context: int) -> MovingAverage:
        if context not in self._averages:
            self._averages[context] = self._make()
        return self._averages[context]

    def state(self) -> tuple[dict[str, Any], dict[str, Tensor]]:
        return {str(context): average.state()[0] for context, average in self._averages.items()}, {}

    def load(self, values: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> None:
        self._averages = {}
        for context, state in values.items():
            self._of(int(context)).load(state, {})


class ValueBaseline:
    """A value network.

    Args:
        values: the network: its call takes a `Batch` and returns the expected return of each step, [N].
        rate: of Adam on the squared error; 0: the network stays as it is, and is not saved (AlphaGo's second pass).
        passes: over the batch, at every update.
        steps_at_once: that are computed together.
    """

    def __init__(
        self, values: nn.Module, *, rate: float = 0.0, passes: int = 1, steps_at_once: int = 8192, device: str = "cpu"
    ) -> None:
        self.values, self.passes = values.to(device), passes
        self._device, self._most = device, steps_at_once
        self._optimizer = torch.optim.Adam(values.parameters(), lr=rate) if rate else None

    def predict(self, episodes: Episodes, returns: Floats) -> Floats:
        self.values.eval()
        with torch.no_grad():
            parts = [self._values_of(episodes, part).double().cpu().numpy() for part, _ in episodes.parts(self._most)]
        return np.concatenate(parts)

    def update(self, episodes: Episodes, returns: Floats) -> None:
        if self._optimizer is None:
            return
        self.values.train()
        for _ in range(self.passes):
            self._optimizer.zero_grad()
            for part, steps in episodes.parts(self._most):
                values = self._values_of(episodes, part)
                wanted = torch.from_numpy(returns[steps]).to(values)
                ((values - wanted).square().sum() / episodes.steps).backward()  # type: ignore[no-untyped-call]
            self._optimizer.step()

    def _values_of(self, episodes: Episodes, part: slice) -> Tensor:
        batch: Batch = episodes.batch(self._device, part)
        values: Tensor = self.values(batch)
        return values

    def state(self) -> tuple[dict[str, Any], dict[str, Tensor]]:
        if self._optimizer is None:
            return {}, {}
        tensors = {f"network.{name}": tensor for name, tensor in self.values.state_dict().items()}
        tensors |= {f"optimizer.{name}": tensor for name, tensor in optimizer_tensors(self._optimizer).items()}
        return {}, tensors

    def load(self, values: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> None:
        if self._optimizer is None:
            return
        parts: dict[str, dict[str, Tensor]] = {"network": {}, "optimizer": {}}
        for name, tensor in tensors.items():
            part, _, rest = name.partition(".")
            parts[part][rest] = tensor
        self.values.load_state_dict(parts["network"])
        load_optimizer_tensors(self._optimizer, parts["optimizer"])


def _whole(episodes: Episodes, returns: Floats, skip_invalid: bool) -> Floats:
    whole: Floats = returns[episodes.starts]
    return whole if episodes.invalid is None or not skip_invalid else whole[~episodes.invalid]


NAMES: Final = ("none", "moving-average", "leave-one-out", "per-context", "value")
"""What configurations call them; a value network is the caller's to make."""


def named(name: str, *, decay: float = 0.95, values: Callable[[], Baseline] | None = None) -> Baseline:
    """A baseline by its name; `values` makes the one called `value`. Raises TrainingError."""
    made: dict[str, Callable[[], Baseline]] = {
        "none": NoBaseline,
        "moving-average": lambda: MovingAverage(decay),
        "leave-one-out": LeaveOneOut,
        "per-context": lambda: PerContext(lambda: MovingAverage(decay)),
    }
    if values is not None:
        made["value"] = values
    if name not in made:
        raise TrainingError(f"unknown baseline {name!r}: one of {', '.join(made)}")
    return made[name]()


def shaped(advantages: NDArray[np.float64], kind: str) -> NDArray[np.float64]:
    """Advantages [N] as they are, standardised, or as ranks from -1/2 to 1/2 where equal ones share theirs."""
    found = advantages
    if kind == "standardised":
        found = (advantages - advantages.mean()) / (advantages.std() + 1e-8)
    if kind == "ranked":
        _, group, counts = np.unique(advantages, return_inverse=True, return_counts=True)
        ranks = np.cumsum(counts) - (counts + 1) / 2  # the mean rank of each value, from 0
        found = (ranks / max(1, len(advantages) - 1) - 0.5)[group]
    return found
