"""The loop that every stage trains with: batches in, steps of the optimiser, checkpoints, numbers for people and TensorBoard.

A stage hands over its network, where its batches come from, what its loss is and how it measures itself; the loop does the rest.
"""

from __future__ import annotations

import contextlib
import math
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Protocol

import pydantic
import torch
from torch import Tensor, nn

from alphago.data.batches import Batch
from alphago.nets.modules import Network
from alphago.nets.runtimes import learns_in_bf16
from alphago.train.checkpoint import Progress, load_checkpoint, save_checkpoint
from alphago.train.distributed import Place, any_of, mean_of
from alphago.train.folders import checkpoints
from alphago.train.optim import (
    Average,
    OptimizerSettings,
    ScheduleSettings,
    TrainingError,
    clip_gradients,
    learning_rate,
    make_optimizer,
)

LOG_STEPS: Final = 20
"""Numbers are averaged over so many steps before they are told: reading them off a GPU costs time."""

ASK_STEPS: Final = 8
"""Several processes agree every so many steps whether to stop or to save."""


class TrainingSettings(pydantic.BaseModel, extra="forbid", frozen=True):
    """How a network is trained, whatever it learns."""

    batch: Annotated[int, pydantic.Field(ge=1, le=1 << 20, description="examples a step, over all processes")] = 256
    steps: Annotated[int, pydantic.Field(ge=1, description="of the whole run")] = 1000
    optimizer: OptimizerSettings = OptimizerSettings()
    schedule: ScheduleSettings = ScheduleSettings()
    clip: Annotated[float, pydantic.Field(ge=0, description="largest norm of the gradient; 0: any")] = 5.0
    accumulate: Annotated[int, pydantic.Field(ge=1, le=1024, description="parts that a batch is computed in")] = 1
    precision: Annotated[Literal["auto", "bf16", "fp32"], pydantic.Field(description="auto: what is faster")] = "auto"
    compile: Annotated[bool, pydantic.Field(description="torch.compile")] = False
    average: Annotated[float, pydantic.Field(ge=0, lt=1, description="decay of the averaged weights; 0: none")] = 0.999
    checkpoint_minutes: Annotated[float, pydantic.Field(gt=0)] = 5.0
    evaluate_steps: Annotated[int, pydantic.Field(ge=0, description="steps between measurements; 0: at the end")] = 0
    seed: Annotated[int, pydantic.Field(ge=0, lt=2**63)] = 0


class Source(Protocol):
    """Where batches come from."""

    @property
    def cursor(self) -> int:
        """Number of the batch that comes next."""

    def __next__(self) -> Batch: ...

    def close(self) -> None:
        """End what runs in the background."""


LossOf = Callable[[Mapping[str, Tensor], Mapping[str, Tensor]], dict[str, Tensor]]
"""Outputs and targets to losses, "total" among them."""


@dataclass
class Report:
    """What is told every few steps."""

    step: int
    total: int
    rate: float
    """Learning rate."""
    values: dict[str, float] = field(default_factory=dict)
    """Losses, top1, the norm of the gradient: means since the last report."""
    examples_per_second: float = 0.0
    seconds: float = 0.0
    """Spent training by all calls of this run."""

    @property
    def seconds_left(self) -> float:
        """At the speed of this call."""
        return self.seconds / max(1, self.step) * (self.total - self.step)


class Watcher(Protocol):
    """Is told how a run goes."""

    def report(self, report: Report) -> None:
        """Every few steps."""

    def measured(self, step: int, metrics: Mapping[str, float]) -> None:
        """After every measurement on held-out games."""


class Trainer:
    """One run of training.

    Args:
        run: its folder; checkpoints go below it.
        network: in the weights it starts from; trained in place.
        open_source: makes the source of batches from the number of its first batch.
        loss_of: see `LossOf`.
        evaluate: measures the network that is handed to it (the averaged weights where there are any).
        provenance: kept in every network file.
        heads: that are computed; None: all.
    """

    def __init__(
        self,
        run: Path,
        network: Network,
        settings: TrainingSettings,
        place: Place,
        *,
        open_source: Callable[[int], Source],
        loss_of: LossOf,
        evaluate: Callable[[Network], dict[str, float]] | None = None,
        watcher: Watcher | None = None,
        provenance: Mapping[str, Any] | None = None,
        heads: tuple[str, ...] | None = None,
    ) -> None:
        if settings.batch % (place.world * settings.accumulate):
            raise TrainingError(
                f"batch {settings.batch} cannot be divided among {place.world} processes in {settings.accumulate} parts"
            )
        self.run, self.settings, self.place = run, settings, place
        self._bf16 = learns_in_bf16(settings.precision, place.device)
        network.to(place.device)
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.network: Network = network.train()
        self.optimizer = make_optimizer(self.network, settings.optimizer)
        self.average = Average(self.network, settings.average) if settings.average else None
        self.progress = Progress(total=settings.steps)
        self.open_source, self._loss_of, self._evaluate = open_source, loss_of, evaluate
        self._watcher, self._provenance, self._heads = watcher, dict(provenance or {}), heads
        self._model: nn.Module = self._wrapped()
        self._stop = False
        self._sums: dict[str, Tensor] = {}
        self._summed = 0

    def _wrapped(self) -> nn.Module:
        model: nn.Module = self.network
        if self.place.world > 1:
            ids = [self.place.device] if self.place.device.type == "cuda" else None
            # Running statistics are the same everywhere: the norms are computed over all processes (nets.modules.MaskedNorm).
            with warnings.catch_warnings():  # the name that newer versions of torch want is unknown to older ones
                warnings.simplefilter("ignore", FutureWarning)
                model = nn.parallel.DistributedDataParallel(model, device_ids=ids, broadcast_buffers=False)
        if self.settings.compile:
            model = torch.compile(model)  # type: ignore[assignment]
        return model

    # --- the run --------------------------------------------------------------------------------------------------------

    def resume(self) -> bool:
        """Go on from the last checkpoint of the run. False: there is none. Raises TrainingError."""
        found = checkpoints(self.run)
        if not found:
            return False
        self.progress = load_checkpoint(found[-1], self.network, self.average, self.optimizer)
        if self.progress.total != self.settings.steps:
            raise TrainingError(
                f"{found[-1]}: the run has {self.progress.total} steps, {self.settings.steps} are asked for; "
                "the learning rate depends on it"
            )
        return True

    def stop(self) -> None:
        """End after the step under way, with a checkpoint; from any thread or a signal handler."""
        self._stop = True

    def train(self) -> bool:
        """Train until the last step. False: it was stopped before; a checkpoint is there.

        Raises:
            TrainingError: the loss is not finite (the last good checkpoint stays), or a checkpoint cannot be written.
        """
        settings, progress = self.settings, self.progress
        source = self.open_source(progress.cursor)
        start = reported = saved = time.monotonic()
        before, steps_reported = progress.seconds, progress.step
        try:
            while progress.step < settings.steps:
                self.take(next(source))
                progress.step += 1
                progress.cursor = source.cursor
                now = time.monotonic()
                progress.seconds = before + now - start
                last = progress.step == settings.steps
                if progress.step % LOG_STEPS == 0 or last:
                    self._report((progress.step - steps_reported) / max(1e-9, now - reported))
                    reported, steps_reported = now, progress.step
                is_due = now - saved > 60 * settings.checkpoint_minutes
                if self.place.world > 1:  # all must do the same; asking them at every step would hold up the devices
                    ask = progress.step % ASK_STEPS == 0
                    stop, is_due = (ask and any_of(flag, self.place) for flag in (self._stop, is_due))
                else:
                    stop = self._stop
                if stop:
                    self._save()
                    return last
                if last or (settings.evaluate_steps and progress.step % settings.evaluate_steps == 0):
                    self.measure()
                if last or is_due:
                    self._save()
                    saved = time.monotonic()
        finally:
            source.close()
        return True

    def measure(self) -> dict[str, float]:
        """Measure the averaged weights (or the network) on held-out games, and tell."""
        if self._evaluate is None:
            return {}
        with self.averaged():
            metrics = self._evaluate(self.network)
        self.progress.metrics = metrics
        if self._watcher is not None and self.place.is_first:
            self._watcher.measured(self.progress.step, metrics)
        return metrics

    def averaged(self) -> contextlib.AbstractContextManager[None]:
        """The network with its averaged weights where there are any, as long as this lasts."""
        return contextlib.nullcontext() if self.average is None else self.average.applied(self.network)

    # --- one step -------------------------------------------------------------------------------------------------------

    def take(self, batch: Batch) -> None:
        """One step of the optimiser on a batch."""
        settings, progress = self.settings, self.progress
        rate = learning_rate(settings.schedule, settings.optimizer.lr, progress.step, settings.steps)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        tensors = {name: torch.from_numpy(array) for name, array in batch.items()}
        if self.place.device.type == "cuda":
            tensors = {name: t.pin_memory().to(self.place.device, non_blocking=True) for name, t in tensors.items()}
        self.optimizer.zero_grad(set_to_none=True)
        parts = settings.accumulate
        for part in range(parts):
            piece = {name: t[part * len(t) // parts : (part + 1) * len(t) // parts] for name, t in tensors.items()}
            last = part == parts - 1
            with self._synchronised(last):
                found = self._forward(piece)
                (found["total"] / parts).backward()  # type: ignore[no-untyped-call]
            self._collect(found, 1 / parts)
        norm = clip_gradients(self.network.parameters(), settings.clip)
        self._collect({"gradient": norm}, 1)
        self._summed += 1
        self.optimizer.step()
        if self.average is not None:
            self.average.update(self.network)

    def _synchronised(self, last: bool) -> contextlib.AbstractContextManager[None]:
        """Gradients of the parts of a batch are exchanged once, with the last."""
        model = self._model
        if self.place.world > 1 and not last and isinstance(model, nn.parallel.DistributedDataParallel):
            return model.no_sync()
        return contextlib.nullcontext()

    def _forward(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        planes = tensors["planes"].to(memory_format=torch.channels_last)
        with torch.autocast(self.place.device.type, torch.bfloat16, enabled=self._bf16):
            outputs = self._model(
                planes.to(torch.bfloat16 if self._bf16 else torch.float32),
                tensors["globals"],
                tensors.get("mask"),
                self._heads,
            )
        found = self._loss_of(outputs, tensors)
        if "policy" in outputs and "move" in tensors:
            with torch.no_grad():
                found["top1"] = (outputs["policy"].argmax(dim=1) == tensors["move"]).float().mean()
        return found

    def _collect(self, values: Mapping[str, Tensor], share: float) -> None:
        for name, value in values.items():
            value = value.detach().float() * share
            self._sums[name] = value if name not in self._sums else self._sums[name] + value

    def _report(self, steps_per_second: float) -> None:
        names = sorted(self._sums)
        means = mean_of(torch.stack([self._sums[name].to(self.place.device) for name in names]), self.place)
        values = dict(zip(names, (means / max(1, self._summed)).tolist(), strict=True))
        self._sums, self._summed = {}, 0
        bad = [name for name, value in values.items() if not math.isfinite(value)]
        if bad:
            last = checkpoints(self.run)
            kept = f"the last good checkpoint is {last[-1]}" if last else "there is no checkpoint yet"
            raise TrainingError(f"{bad[0]} is {values[bad[0]]} after step {self.progress.step}; {kept}")
        if self._watcher is not None and self.place.is_first:
            settings = self.settings
            rate = learning_rate(settings.schedule, settings.optimizer.lr, self.progress.step - 1, settings.steps)
            self._watcher.report(
                Report(
                    self.progress.step,
                    settings.steps,
                    rate,
                    values,
                    steps_per_second * settings.batch,
                    self.progress.seconds,
                )
            )

    def _save(self) -> None:
        """Only of what is known to be good: numbers are looked at before."""
        if self._summed:
            self._report(0.0)
        if self.place.is_first:
            save_checkpoint(self.run, self.network, self.average, self.optimizer, self.progress, self._provenance)
