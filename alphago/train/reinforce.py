"""REINFORCE: one trainer for every policy of this project - Go, architecture search, device placement - that knows none of them.

A source collects whole episodes with the policy; the trainer asks the policy for the log-probabilities of what was done, and climbs

    (1/E) sum_i sum_t (G_it - b_it) log pi(a_it | s_it)  +  entropy bonus                    (Williams 1992; Nature 529, Methods)

with E episodes, G the returns and b a baseline that was predicted before the batch was taken in. One batch, one step: the data are
the policy's own.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Protocol

import numpy as np
import pydantic
import safetensors
import safetensors.torch
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from alphago.train.baselines import Baseline, Keeper, NoBaseline, Saved, shaped
from alphago.train.episodes import Batch, Episodes
from alphago.train.folders import checkpoints, whole_checkpoint
from alphago.train.optim import (
    OptimizerSettings,
    ScheduleSettings,
    TrainingError,
    clip_gradients,
    learning_rate,
    load_optimizer_tensors,
    make_optimizer,
    optimizer_tensors,
)
from alphago.train.random_states import random_states, set_random_states

FORMAT: Final = 1
_TENSORS: Final = "tensors.safetensors"
_STATE: Final = "state.json"


class ReinforceSettings(pydantic.BaseModel, extra="forbid", frozen=True):
    """How a policy learns, whatever it decides."""

    steps: Annotated[int, pydantic.Field(ge=1, description="updates of the whole run")] = 1000
    episodes: Annotated[int, pydantic.Field(ge=1, le=1 << 20, description="of every update (AlphaGo: 128)")] = 128
    gamma: Annotated[float, pydantic.Field(ge=0, le=1, description="discount of later rewards (AlphaGo: 1)")] = 1.0
    trace: Annotated[
        float,
        pydantic.Field(
            ge=0,
            le=1,
            description="lambda of generalised advantage estimation; 1: whole returns, as Williams and AlphaGo",
        ),
    ] = 1.0
    advantage: Annotated[
        Literal["raw", "standardised", "ranked"],
        pydantic.Field(
            description="return minus baseline as it is, scaled to mean 0 and deviation 1, or its rank in -1/2..1/2"
        ),
    ] = "raw"
    per: Annotated[
        Literal["episode", "step"],
        pydantic.Field(description="the sum over steps is divided by episodes (AlphaGo) or steps"),
    ] = "episode"
    entropy: Annotated[float, pydantic.Field(ge=0, description="weight of the mean entropy of a decision, nats")] = 0.0
    entropy_final: Annotated[
        float | None,
        pydantic.Field(ge=0, description="its weight at the end of the run, linear between; none: the same"),
    ] = None
    entropy_floor: Annotated[
        float, pydantic.Field(ge=0, description="nats: below it `entropy_rescue` is added to the weight")
    ] = 0.0
    entropy_rescue: Annotated[float, pydantic.Field(ge=0)] = 0.01
    penalties: Annotated[
        dict[str, Annotated[float, pydantic.Field(ge=0, allow_inf_nan=False)]],
        pydantic.Field(description="weights of the penalties that the policy computes, by name; 0: left out"),
    ] = {}
    optimizer: OptimizerSettings = OptimizerSettings(lr=1e-3, weight_decay=0.0)
    schedule: ScheduleSettings = ScheduleSettings(kind="constant", warmup=0)
    clip: Annotated[float, pydantic.Field(ge=0, description="largest norm of the gradient; 0: any")] = 1.0
    steps_at_once: Annotated[
        int, pydantic.Field(ge=1, description="decisions evaluated together; gradients are summed")
    ] = 8192
    checkpoint_minutes: Annotated[float, pydantic.Field(gt=0)] = 5.0


@dataclass
class Evaluation:
    """What a policy says of the steps of a batch. All [N], differentiable."""

    log_probs: Tensor
    """Of the actions that were chosen, nats."""
    entropy: Tensor
    """Exact, of every decision, nats."""
    penalties: Mapping[str, Tensor] = field(default_factory=dict)
    """By name, what is to be small, such as the divergence from another policy. `ReinforceSettings.penalties` weighs them."""


class Policy(Protocol):
    """A torch module that decides."""

    def evaluate(self, batch: Batch) -> Evaluation:
        """Log-probabilities and entropies of decisions that were made. Any module that computes them is a policy."""


class Source(Saved, Protocol):
    """Where episodes come from. Its random streams are its own, and part of its state."""

    def collect(self, policy: Any, episodes: int) -> Episodes:
        """So many episodes, played by the policy as it is now."""


Watcher = Callable[[int, int, Mapping[str, float]], None]
"""Is told the number of an update, of all of the run, and what was measured."""


class Reinforce:
    """One run.

    Args:
        policy: a torch module; trained in place.
        source: of episodes.
        baseline: None: none.
        run: folder of the checkpoints; None: nothing is kept.
        after: called after every update with its number and its numbers, to which it may add: measures, matches, saves.
        extras: further parts of the run's state, by name.
        device: that the policy is on.
    """

    def __init__(
        self,
        policy: nn.Module,
        source: Source,
        settings: ReinforceSettings,
        *,
        baseline: Baseline | None = None,
        run: Path | None = None,
        watcher: Watcher | None = None,
        after: Callable[[int, dict[str, float]], None] | None = None,
        extras: Mapping[str, Saved] | None = None,
        device: str = "cpu",
    ) -> None:
        self.policy, self.source, self.settings = policy, source, settings
        self.baseline: Baseline = baseline or NoBaseline()
        self.run = run
        self.optimizer = make_optimizer(policy, settings.optimizer)
        self.steps = 0
        """Updates done."""
        self.best = -math.inf
        """The highest return of an episode so far."""
        self.seconds = 0.0
        """Spent by all calls of this run."""
        self._entropy = math.inf  # of the last batch
        self._watcher, self._after, self._device = watcher, after, device
        self._saved: dict[str, Saved] = {"source": source, "baseline": self.baseline, **(extras or {})}
        self._stop = False
        self.finished = False
        """Set by whoever knows that the goal is reached: the run ends as with its last step."""

    # --- the run --------------------------------------------------------------------------------------------------------

    def stop(self) -> None:
        """End after the update under way, with a checkpoint; from any thread or a signal handler."""
        self._stop = True

    def train(self) -> bool:
        """Update until the last step. False: it was stopped before; a checkpoint is there.

        Raises:
            TrainingError: a number is not finite (the last checkpoint stays), or a checkpoint cannot be written.
        """
        saved = time.monotonic()
        while not self.is_over:
            started = time.monotonic()
            metrics = self.step()
            if self._after is not None:
                self._after(self.steps, metrics)
            now = time.monotonic()
            self.seconds += now - started
            if self._watcher is not None:
                self._watcher(self.steps, self.settings.steps, metrics)
            stop = self._stop  # read once: a signal may come between
            is_due = stop or self.is_over or now - saved > 60 * self.settings.checkpoint_minutes
            if self.run is not None and is_due:
                self.save(self.run)
                saved = now
            if stop:
                break
        return self.is_over

    @property
    def is_over(self) -> bool:
        """The last step is done."""
        return self.finished or self.steps >= self.settings.steps

    def step(self) -> dict[str, float]:
        """Collect a batch and learn from it; its numbers."""
        started = time.monotonic()
        episodes = self.source.collect(self.policy, self.settings.episodes)
        collected = time.monotonic()
        metrics = self.learn(episodes)
        ended = time.monotonic()
        return metrics | {
            "episodes_per_second": len(episodes) / max(1e-9, ended - started),
            "collecting_share": (collected - started) / max(1e-9, ended - started),
        }

    def learn(self, episodes: Episodes) -> dict[str, float]:
        """One update of the policy and then of the baseline."""
        settings = self.settings
        returns = episodes.returns(settings.gamma)
        predicted = self.baseline.predict(episodes, returns)
        raw = returns - predicted if settings.trace == 1 else episodes.traced(predicted, settings.gamma, settings.trace)
        advantages = shaped(raw, settings.advantage)
        rate = learning_rate(settings.schedule, settings.optimizer.lr, self.steps, settings.steps)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        sums = self._backward(episodes, advantages, self.entropy_weight)
        norm = float(clip_gradients(self.policy.parameters(), settings.clip))
        if not (math.isfinite(norm) and all(map(math.isfinite, sums.values()))):
            bad = next((name for name, value in sums.items() if not math.isfinite(value)), "gradient")
            raise TrainingError(f"{bad} is not finite in update {self.steps + 1}; {self._kept()}")
        self.optimizer.step()
        self.baseline.update(episodes, returns)
        self.steps += 1
        self._entropy = sums["entropy"]
        whole = episodes.returns()[episodes.starts]
        self.best = max(self.best, float(whole.max()))
        return {
            **episodes.info,
            **sums,
            "return": float(whole.mean()),
            "return_best": self.best,
            "baseline": float(predicted.mean()),
            "advantage_spread": float(raw.std()),
            "gradient": norm,
            "invalid_share": 0.0 if episodes.invalid is None else float(episodes.invalid.mean()),
            "learning_rate": rate,
            "steps": float(episodes.steps),
        }

    @property
    def entropy_weight(self) -> float:
        """Of the entropy bonus in the next update."""
        s = self.settings
        final = s.entropy if s.entropy_final is None else s.entropy_final
        weight = s.entropy + (final - s.entropy) * min(1.0, self.steps / max(1, s.steps - 1))
        return weight + (s.entropy_rescue if self._entropy < s.entropy_floor else 0.0)

    def _backward(self, episodes: Episodes, advantages: NDArray[np.float64], bonus: float) -> dict[str, float]:
        """Gradients of a batch, part by part, and the means of what the policy said of it."""
        settings = self.settings
        divisor = len(episodes) if settings.per == "episode" else episodes.steps
        sums: dict[str, Tensor] = {}
        self.optimizer.zero_grad(set_to_none=True)
        self.policy.train()
        for part, steps in episodes.parts(settings.steps_at_once):
            found: Evaluation = self.policy.evaluate(episodes.batch(self._device, part))  # type: ignore[operator]
            weights = torch.from_numpy(advantages[steps]).to(found.log_probs)
            loss = -(weights * found.log_probs).sum() / divisor - bonus * found.entropy.sum() / episodes.steps
            for name, value in settings.penalties.items():
                if not value:
                    continue
                if name not in found.penalties:
                    raise TrainingError(
                        f"the policy knows no penalty {name!r}; it has: {', '.join(found.penalties) or 'none'}"
                    )
                loss = loss + value * found.penalties[name].sum() / episodes.steps
            loss.backward()  # type: ignore[no-untyped-call]
            parts = {"entropy": found.entropy, **found.penalties}
            if episodes.log_probs is not None:
                # E[r - 1 - log r] with r = learner / behaviour: KL(behaviour || learner), never negative, of little variance
                ratio = found.log_probs.double() - torch.from_numpy(episodes.log_probs[steps]).to(self._device).double()
                parts["kl_behaviour"] = torch.expm1(ratio) - ratio
            sums["loss"] = sums.get("loss", torch.zeros((), dtype=torch.float64)) + loss.detach().double().cpu()
            for name, tensor in parts.items():
                total = tensor.detach().double().sum().cpu() / episodes.steps
                sums[name] = sums[name] + total if name in sums else total
        return {name: float(total) for name, total in sums.items()}

    # --- checkpoints ----------------------------------------------------------------------------------------------------

    def save(self, run: Path) -> None:
        """Write a checkpoint into the run's folder. Raises TrainingError."""
        tensors = {f"policy.{name}": tensor for name, tensor in self.policy.state_dict().items()}
        tensors |= {f"optimizer.{name}": tensor for name, tensor in optimizer_tensors(self.optimizer).items()}
        values: dict[str, Any] = {}
        for name, part in self._saved.items():
            values[name], more = part.state()
            tensors |= {f"{name}.{key}": tensor for key, tensor in more.items()}
        state = {
            "format": FORMAT,
            "steps": self.steps,
            "finished": self.finished,
            "best": self.best if math.isfinite(self.best) else None,
            "entropy": self._entropy if math.isfinite(self._entropy) else None,
            "seconds": self.seconds,
            "random": random_states(),
            "parts": values,
        }
        kept = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
        with whole_checkpoint(run, self.steps) as folder:
            (folder / _TENSORS).write_bytes(safetensors.torch.save(kept))
            (folder / _STATE).write_text(json.dumps(state), encoding="utf-8")
        for part in self._saved.values():
            if isinstance(part, Keeper):
                part.saved()

    def resume(self, run: Path) -> bool:
        """Go on from the last checkpoint of a folder, bit for bit. False: there is none. Raises TrainingError."""
        found = checkpoints(run)
        if not found:
            return False
        path = found[-1]
        try:
            state = json.loads((path / _STATE).read_text(encoding="utf-8"))
            if not isinstance(state, dict) or state.get("format") != FORMAT:
                raise TrainingError(f"{path / _STATE}: no checkpoint of format {FORMAT}")
            parts: dict[str, dict[str, Tensor]] = {name: {} for name in ("policy", "optimizer", *self._saved)}
            for name, tensor in safetensors.torch.load((path / _TENSORS).read_bytes()).items():
                part, _, key = name.partition(".")
                parts[part][key] = tensor
            self.policy.load_state_dict(parts["policy"])
            load_optimizer_tensors(self.optimizer, parts["optimizer"])
            for name, saved in self._saved.items():
                saved.load(state["parts"][name], parts[name])
            set_random_states(state["random"])
            self.steps, self.seconds = int(state["steps"]), float(state["seconds"])
            self.finished = bool(state["finished"])
            self.best = -math.inf if state["best"] is None else float(state["best"])
            self._entropy = math.inf if state["entropy"] is None else float(state["entropy"])
        except OSError as error:
            raise TrainingError(f"{path}: {error.strerror or error}") from None
        except (ValueError, KeyError, TypeError, RuntimeError, safetensors.SafetensorError) as error:
            text = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise TrainingError(f"{path}: the checkpoint is damaged, or of another run: {text}") from None
        return True

    def _kept(self) -> str:
        found = checkpoints(self.run) if self.run is not None else []
        return f"the last checkpoint is {found[-1]}" if found else "there is no checkpoint yet"
