"""What the blocks and heads of networks are made of: masked batch normalisation, convolutions that fold, pooling, squeezing."""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import skip_init


def _processes() -> int:
    """How many processes train together."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


class _SumOfAll(torch.autograd.Function):
    """The sum over all processes; its gradient is the sum of theirs."""

    @staticmethod
    def forward(_context: Any, x: Tensor) -> Tensor:
        out = x.clone()
        dist.all_reduce(out)
        return out

    @staticmethod
    def backward(_context: Any, gradient: Tensor) -> Tensor:
        return _SumOfAll.forward(_context, gradient)


def _sum_of_all(x: Tensor) -> Tensor:
    out: Tensor = _SumOfAll.apply(x)  # type: ignore[no-untyped-call]
    return out


class MaskedNorm(nn.BatchNorm2d):
    """Batch normalisation whose statistics are taken over the points on the board alone, and over all processes that train."""

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """x [N, C, S, S]; mask [N, 1, S, S], 1 on the board, None when all of it is."""
        together = self.training and _processes() > 1
        if mask is None and not together:
            return super().forward(x)
        if not self.training and mask is not None:
            return super().forward(x) * mask
        kind, x = x.dtype, x.float()  # under autocast: sums of many bf16 numbers
        if mask is None:
            mask = x.new_ones(1, 1, 1, 1).expand(len(x), 1, *x.shape[2:])
        sums = torch.cat([(x * mask).sum(dim=(0, 2, 3)), mask.sum()[None]])
        sums = _sum_of_all(sums) if together else sums
        count = sums[-1]
        mean = sums[:-1] / count
        centred = (x - mean[None, :, None, None]) * mask
        squares = (centred * centred).sum(dim=(0, 2, 3))
        variance = (_sum_of_all(squares) if together else squares) / count
        if self.running_mean is not None and self.running_var is not None and self.num_batches_tracked is not None:
            with torch.no_grad():
                self.num_batches_tracked += 1
                momentum = self.momentum if self.momentum is not None else 0.1
                self.running_mean.lerp_(mean.detach(), momentum)
                self.running_var.lerp_(variance.detach() * count / (count - 1), momentum)
        scale = self.weight / torch.sqrt(variance + self.eps)
        return (centred * scale[None, :, None, None] + self.bias[None, :, None, None] * mask).to(kind)


class ConvNorm(nn.Module):
    """A convolution without bias and its batch normalisation."""

    def __init__(self, inputs: int, outputs: int, kernel: int, gain: float = 1.0) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=False)
        self.norm = MaskedNorm(outputs, eps=1e-4)
        nn.init.kaiming_normal_(self.conv.weight, nonlinearity="relu")
        nn.init.constant_(self.norm.weight, gain)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        out: Tensor = self.norm(self.conv(x), mask)
        return out

    def folded_weights(self) -> tuple[Tensor, Tensor]:
        """Weight and bias of the one convolution that does what both do in evaluation mode; gradients go through."""
        norm = self.norm
        assert norm.running_mean is not None and norm.running_var is not None
        scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
        return self.conv.weight * scale[:, None, None, None], norm.bias - norm.running_mean * scale

    @torch.no_grad()
    def folded(self) -> nn.Module:
        """That convolution as a module."""
        conv = self.conv
        # skip_init: the usual initialisation would draw from the global random state only to be overwritten.
        out: nn.Conv2d = skip_init(  # type: ignore[no-untyped-call]
            nn.Conv2d, conv.in_channels, conv.out_channels, conv.kernel_size, padding=conv.padding
        )
        weight, bias = self.folded_weights()
        out.weight = nn.Parameter(weight, requires_grad=False)
        out.bias = nn.Parameter(bias, requires_grad=False)
        return _Folded(out)


class _Folded(nn.Module):
    """A folded ConvNorm, called like one."""

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        self.conv = conv

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        out: Tensor = self.conv(x)
        return out if mask is None else out * mask


class GlobalPool(nn.Module):
    """KataGo's pooling over the points of the board: [N, C, S, S] to [N, 3C]: mean, mean scaled by board size, maximum.

    Source: arXiv 1902.10565, section 3.2.
    """

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        if mask is None:
            width = float(x.shape[-1])
            mean = x.mean(dim=(2, 3))
            return torch.cat([mean, mean * ((width - 14.0) / 10.0), x.amax(dim=(2, 3))], dim=1)
        area = mask.sum(dim=(2, 3))
        mean = (x * mask).sum(dim=(2, 3)) / area
        highest = (x * mask - (1 - mask) * 1e9).amax(dim=(2, 3))
        return torch.cat([mean, mean * ((torch.sqrt(area) - 14.0) / 10.0), highest], dim=1)


class Squeeze(nn.Module):
    """Squeeze-and-excitation (Hu, Shen and Sun 2018, arXiv 1709.01507): every channel of x [N, C, S, S] times a factor in 0..1 that
    two small layers make of all channels' means over the board.

    Args:
        reduction: the layer between has C / reduction units, 4 or more.
    """

    def __init__(self, channels: int, reduction: int) -> None:
        super().__init__()
        hidden = max(4, channels // reduction)
        self.down = nn.Linear(channels, hidden)
        self.up = nn.Linear(hidden, channels)
        nn.init.kaiming_normal_(self.down.weight, nonlinearity="relu")
        nn.init.zeros_(self.down.bias)
        nn.init.normal_(self.up.weight, std=0.3 / math.sqrt(hidden))
        nn.init.constant_(self.up.bias, 2.0)  # fresh factors are near 1: the block begins as if there were none

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        mean = x.mean(dim=(2, 3)) if mask is None else (x * mask).sum(dim=(2, 3)) / mask.sum(dim=(2, 3))
        return x * torch.sigmoid(self.up(functional.relu(self.down(mean))))[:, :, None, None]


class _MishOnCpu(torch.autograd.Function):
    """x tanh(softplus(x)) and its gradient in vectorised passes: torch's own, on a CPU, takes three times as long.

    With r = 1 / ((1 + e^x)^2 + 1): tanh(softplus(x)) = 1 - 2r, and the derivative is 1 - 2r + 4 x r (1 - r) sigmoid(x).
    """

    @staticmethod
    def forward(context: Any, x: Tensor) -> Tensor:
        r = x.clamp(max=20.0)  # beyond, r is less than the last bit of 1
        r = r.exp_().add_(1.0).square_().add_(1.0).reciprocal_()
        context.save_for_backward(x, r)
        return torch.addcmul(x, x, r, value=-2.0)

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> Tensor:
        x, r = context.saved_tensors
        slope: Tensor = torch.sigmoid(x).mul_(x).mul_(torch.addcmul(r, r, r, value=-1.0)).mul_(2.0)
        return slope.sub_(r).mul_(2.0).add_(1.0).mul_(gradient)


class Mish(nn.Mish):
    """Mish (Misra, 2019), quick on a CPU; what compiles, traces or exports the network sees torch's own."""

    def forward(self, x: Tensor) -> Tensor:
        is_recorded = torch.compiler.is_compiling() or torch._C._get_tracing_state() is not None
        if is_recorded or x.device.type != "cpu" or x.dtype != torch.float32:
            return super().forward(x)
        out: Tensor = _MishOnCpu.apply(x)  # type: ignore[no-untyped-call]
        return out


def activation_of(name: str) -> nn.Module:
    """The activation of an architecture."""
    return {"relu": nn.ReLU, "silu": nn.SiLU, "mish": Mish}[name]()
