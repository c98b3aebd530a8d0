"""Optimisers, learning-rate schedules and averaged weights: functions of the step, so that a resumed run repeats itself."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any, Literal

import pydantic
import torch
from torch import Tensor, nn

from alphago.errors import AlphaGoError
from alphago.train.muon import Muon, is_matrix


class TrainingError(AlphaGoError):
    """A training run that cannot begin or go on; the message says why."""


class OptimizerSettings(pydantic.BaseModel, extra="forbid", frozen=True):
    """Which optimiser, and how fast."""

    kind: Literal["sgd", "adamw", "muon"] = "adamw"
    lr: Annotated[float, pydantic.Field(gt=0, le=100, description="highest learning rate")] = 2e-3
    momentum: Annotated[
        float, pydantic.Field(ge=0, lt=1, description="sgd and muon: Nesterov's (AlphaGo Zero: 0.9)")
    ] = 0.9
    nesterov: bool = True
    beta1: Annotated[float, pydantic.Field(ge=0, lt=1, description="adamw, muon")] = 0.9
    beta2: Annotated[float, pydantic.Field(ge=0, lt=1, description="adamw, muon")] = 0.99
    share: Annotated[
        float, pydantic.Field(gt=0, le=1, description="muon: of lr, for what is no matrix and so AdamW's")
    ] = 0.2
    weight_decay: Annotated[
        float,
        pydantic.Field(
            ge=0, le=10, description="of matrices and filters; AlphaGo Zero's 1e-4 * ||theta||^2 is sgd's 2e-4"
        ),
    ] = 1e-2


class ScheduleSettings(pydantic.BaseModel, extra="forbid", frozen=True):
    """The learning rate over a run, as a share of the highest."""

    kind: Literal["cosine", "steps", "constant"] = "cosine"
    warmup: Annotated[int, pydantic.Field(ge=0, description="steps of linear growth at the start")] = 100
    final: Annotated[float, pydantic.Field(ge=0, le=1, description="cosine: share at the end")] = 0.0
    milestones: Annotated[
        tuple[float, ...], pydantic.Field(description="steps: shares of the run at which the rate is multiplied")
    ] = (0.5, 0.75, 0.9)
    gamma: Annotated[float, pydantic.Field(gt=0, le=1, description="steps: by this factor")] = 0.1


def learning_rate(settings: ScheduleSettings, highest: float, step: int, total: int) -> float:
    """The rate of step 0, 1, ..., total - 1."""
    rate = highest * min(1.0, (step + 1) / (settings.warmup + 1))
    progress = min(1.0, step / max(1, total))
    if settings.kind == "cosine":
        return rate * (settings.final + (1 - settings.final) * 0.5 * (1 + math.cos(math.pi * progress)))
    if settings.kind == "steps":
        return rate * settings.gamma ** sum(progress >= at for at in settings.milestones)
    return rate


def make_optimizer(network: nn.Module, settings: OptimizerSettings) -> torch.optim.Optimizer:
    """The optimiser of a network's parameters: those of one dimension (norms, biases) are not decayed."""
    decayed = [p for p in network.parameters() if p.requires_grad and p.ndim > 1]
    others = [p for p in network.parameters() if p.requires_grad and p.ndim <= 1]
    groups = [{"params": decayed, "weight_decay": settings.weight_decay}, {"params": others, "weight_decay": 0.0}]
    if settings.kind == "sgd":
        return torch.optim.SGD(
            groups, lr=settings.lr, momentum=settings.momentum, nesterov=settings.nesterov and settings.momentum > 0
        )
    betas = (settings.beta1, settings.beta2)
    if settings.kind == "muon":
        matrices = [p for p in decayed if is_matrix(p)]
        groups[0]["params"] = [p for p in decayed if not is_matrix(p)]
        groups = [{"params": matrices, "weight_decay": settings.weight_decay, "matrices": True}, *groups]
        return Muon(
            [group for group in groups if group["params"]], settings.lr, settings.momentum, betas, settings.share
        )
    return torch.optim.AdamW(groups, lr=settings.lr, betas=betas, fused=True)


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The optimiser's state as tensors by name, for safetensors: "3.exp_avg" is that of the fourth parameter."""
    out: dict[str, Tensor] = {}
    for index, values in optimizer.state_dict()["state"].items():
        for name, value in values.items():
            if isinstance(value, Tensor):
                out[f"{index}.{name}"] = value.detach().cpu().contiguous()
    return out


def load_optimizer_tensors(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Give the optimiser the state that `optimizer_tensors` took from another of the same parameters."""
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    state: dict[int, dict[str, Any]] = {}
    for key, value in tensors.items():
        index, _, name = key.partition(".")
        parameter = parameters[int(index)]
        if (
            value.shape == parameter.shape
        ):  # in the parameter's own memory format: fused optimisers go through both as they lie
            value = torch.empty_like(parameter, dtype=value.dtype).copy_(value)
        state.setdefault(int(index), {})[name] = value.clone()
    whole = optimizer.state_dict()
    whole["state"] = state
    optimizer.load_state_dict(whole)


def clip_gradients(parameters: Iterable[nn.Parameter], most: float) -> Tensor:
    """Scale gradients so that their norm is at most `most` (0: leave them); the norm before that."""
    limit = most if most > 0 else math.inf
    return nn.utils.clip_grad_norm_(parameters, limit)


class Average:
    """An exponential moving average of a network's weights (EMA; a decay near 1 over the last steps is like SWA).

    The average of the first steps is their mean: the decay grows as (1 + n) / (10 + n) until it reaches its value.
    Buffers (running statistics) are taken as they are.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.decay = decay
        self.updates = 0
        self.tensors = {name: t.detach().clone() for name, t in network.state_dict().items()}
        self._parameters = {name for name, _ in network.named_parameters()}

    @torch.no_grad()
    def update(self, network: nn.Module) -> None:
        """Take the network's weights in."""
        self.updates += 1
        weight = 1 - min(self.decay, (1 + self.updates) / (10 + self.updates))
        averaged, current = [], []
        for name, tensor in network.state_dict().items():
            if name in self._parameters:
                averaged.append(self.tensors[name])
                current.append(tensor)
            else:
                self.tensors[name].copy_(tensor)
        torch._foreach_lerp_(averaged, current, weight)

    @contextlib.contextmanager
    def applied(self, network: nn.Module) -> Iterator[None]:
        """The network with its averaged weights, as long as this lasts."""
        kept = {name: t.clone() for name, t in network.state_dict().items()}
        network.load_state_dict(self.tensors)
        try:
            yield
        finally:
            network.load_state_dict(kept)
