"""Muon: momentum whose update of every filter bank is made orthogonal, and AdamW for all else.

A filter bank [out, in, k, k] is the matrix [out, in k k]. Its momentum is replaced by the nearest matrix with equal singular
values, so that directions in which gradients are small are learned as fast as the others. Fully connected layers are left to
AdamW: those of a value head see little but noise at first, which an orthogonal update would make as large as a signal. On
networks of this project's sizes a step costs little more than AdamW's, and the same examples teach more (docs/results.md).

Sources: K. Jordan and others, "Muon: an optimizer for hidden layers in neural networks" (2024), for the iteration and its
coefficients; J. Liu and others, "Muon is scalable for LLM training" (arXiv 2502.16982), for the scale 0.2 sqrt(max(rows, columns)),
with which learning rates and weight decay mean what they mean in AdamW.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, Final

import torch
from torch import Tensor, nn

ITERATIONS: Final = 5
_COEFFICIENTS: Final = (3.4445, -4.7750, 2.0315)
SMALLEST: Final = 16
"""A bank with fewer rows or columns (the last layer of a head, say) is AdamW's: there is little to make orthogonal."""


def is_matrix(parameter: Tensor) -> bool:
    """Whether Muon itself, rather than AdamW, updates a parameter."""
    return parameter.ndim == 4 and min(parameter.shape[0], parameter[0].numel()) >= SMALLEST


def orthogonalised(matrices: Tensor) -> Tensor:
    """Matrices [..., rows, columns] with the singular vectors of those given, and singular values near 1 (0.7 to 1.2).

    A quintic Newton-Schulz iteration; in float32, as sums of bf16 depend on the device.
    """
    wide = matrices.shape[-2] <= matrices.shape[-1]
    x: Tensor = matrices if wide else matrices.mT
    x = x / (torch.linalg.matrix_norm(x, keepdim=True) + 1e-7)
    a, b, c = _COEFFICIENTS
    for _ in range(ITERATIONS):
        gram = x @ x.mT
        x = a * x + (b * gram + c * (gram @ gram)) @ x
    return x if wide else x.mT


class Muon(torch.optim.Optimizer):
    """The optimiser; a group with "matrices" set is updated by Muon, another by AdamW.

    Args:
        groups: parameters with their weight decay (decoupled, as in AdamW).
        lr: of the matrices; the root mean square of a step is about 0.2 `lr`.
        share: of `lr`, for AdamW: rates that suit matrices are too high for it.
        momentum: of the matrices (Nesterov's).
        betas: of AdamW.
    """

    def __init__(
        self,
        groups: Iterable[dict[str, Any]],
        lr: float,
        momentum: float = 0.95,
        betas: tuple[float, float] = (0.9, 0.99),
        share: float = 1.0,
        eps: float = 1e-8,
    ) -> None:
        defaults = {"lr": lr, "momentum": momentum, "betas": betas, "share": share, "eps": eps}
        defaults |= {"weight_decay": 0.0, "matrices": False}
        super().__init__(groups, defaults)

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """Update every parameter that has a gradient."""
        assert closure is None
        for group in self.param_groups:
            parameters = [p for p in group["params"] if p.grad is not None]
            rate = group["lr"] if group["matrices"] else group["lr"] * group["share"]
            for parameter in parameters:
                parameter.mul_(1 - rate * group["weight_decay"])
            (self._muon if group["matrices"] else self._adamw)(group, parameters, rate)

    def _muon(self, group: dict[str, Any], parameters: list[nn.Parameter], rate: float) -> None:
        alike: dict[torch.Size, list[tuple[nn.Parameter, Tensor]]] = {}
        for parameter in parameters:
            gradient = parameter.grad
            assert gradient is not None
            state = self.state[parameter]
            if not state:
                state["momentum"] = torch.zeros_like(parameter)
            momentum = state["momentum"].lerp_(gradient, 1 - group["momentum"])
            update = gradient.lerp(momentum, group["momentum"]).float().flatten(1)
            alike.setdefault(update.shape, []).append((parameter, update))
        for shape, pairs in alike.items():  # matrices of one shape together: a GPU is not kept busy by one
            updates = orthogonalised(torch.stack([update for _, update in pairs]))
            scale = 0.2 * math.sqrt(max(shape))
            for (parameter, _), update in zip(pairs, updates, strict=True):
                parameter.add_(update.reshape(parameter.shape), alpha=-rate * scale)

    def _adamw(self, group: dict[str, Any], parameters: list[nn.Parameter], rate: float) -> None:
        (beta1, beta2), eps = group["betas"], group["eps"]
        for parameter in parameters:
            gradient = parameter.grad
            assert gradient is not None
            state = self.state[parameter]
            if not state:
                state["step"] = torch.zeros(())
                state["exp_avg"] = torch.zeros_like(parameter)
                state["exp_avg_sq"] = torch.zeros_like(parameter)
            state["step"] += 1
            steps = state["step"].item()  # kept on the processor: no GPU is waited for
            mean = state["exp_avg"].lerp_(gradient, 1 - beta1)
            square = state["exp_avg_sq"].mul_(beta2).addcmul_(gradient, gradient, value=1 - beta2)
            denominator = (square / (1 - beta2**steps)).sqrt_().add_(eps)
            parameter.addcdiv_(mean, denominator, value=-rate / (1 - beta1**steps))
