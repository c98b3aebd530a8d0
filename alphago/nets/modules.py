"""The torch modules of every architecture. `build` makes one; `folded` turns it into what the runtimes run.

Inputs of every network: planes float [N, planes, S, S] and globals float [N, 7] (docs/features.md). Outputs, by head:

- `policy` [N, S*S + 1]: logits of the moves, row-major, pass last;
- `outcome` [N, 3]: logits of win, draw, loss for the side to move; or `value` [N] in -1..1 (AlphaGo's value network);
- `ownership` [N, S, S] in -1..1: who owns each point in the end, +1 the side to move;
- `score` [N]: points by which the side to move wins;
- `reply` [N, S*S + 1]: logits of the opponent's answer.
"""

from __future__ import annotations

import copy
import math
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import skip_init

from alphago.nets.architecture import GLOBALS, AlphaGoPolicy, AlphaGoValue, Residual

Outputs = dict[str, Tensor]
DRAW_LOGIT = -4.0
"""Of a draw in a fresh network."""
SCORE_UNIT = 20.0
"""Points that an output of 1 of the score head's last layer stands for: keeps that layer's weights of the size of all others."""


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

    @torch.no_grad()
    def folded_weights(self) -> tuple[Tensor, Tensor]:
        """Weight and bias of the one convolution that does what both do in evaluation mode."""
        norm = self.norm
        assert norm.running_mean is not None and norm.running_var is not None
        scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
        return self.conv.weight * scale[:, None, None, None], norm.bias - norm.running_mean * scale

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


def _activation(name: str) -> nn.Module:
    return {"relu": nn.ReLU, "silu": nn.SiLU, "mish": nn.Mish}[name]()


class Block(nn.Module):
    """conv-norm-relu-conv-norm-add-relu. `pooled`: some channels of the first convolution are pooled and bias the others."""

    def __init__(self, channels: int, activation: str, pooled: bool, gain: float) -> None:
        super().__init__()
        self.first = ConvNorm(channels, channels, 3)
        self.second = ConvNorm(channels, channels, 3, gain)
        self.act = _activation(activation)
        self.to_pool: ConvNorm | None = None
        if pooled:
            width = max(4, channels // 4)
            self.to_pool = ConvNorm(channels, width, 3)
            self.pool = GlobalPool()
            self.from_pool = nn.Linear(3 * width, channels, bias=False)
            nn.init.normal_(self.from_pool.weight, std=0.5 / math.sqrt(3 * width))

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        y = self.first(x, mask)
        if self.to_pool is not None:
            pooled = self.pool(self.act(self.to_pool(x, mask)), mask)
            y = y + self.from_pool(pooled)[:, :, None, None]
            if mask is not None:
                y = y * mask
        out: Tensor = self.act(self.second(self.act(y), mask) + x)
        return out


class ResidualTower(nn.Module):
    """See `architecture.Residual`."""

    def __init__(self, a: Residual) -> None:
        super().__init__()
        self.architecture = a
        c, h = a.channels, a.head_channels
        self.act = _activation(a.activation)
        self.stem = ConvNorm(a.planes, c, 3)
        self.globals = nn.Linear(GLOBALS, c)
        nn.init.normal_(self.globals.weight, std=0.3 / math.sqrt(GLOBALS))
        nn.init.zeros_(self.globals.bias)
        # Every block adds a little: the variance of the trunk stays of order one whatever the depth.
        gain = 1 / math.sqrt(a.blocks)
        self.blocks = nn.ModuleList(
            Block(c, a.activation, bool(a.pool_every) and (i + 1) % a.pool_every == 0, gain) for i in range(a.blocks)
        )
        self.pool = GlobalPool()
        outputs = 1 + a.reply
        if a.policy:
            self.policy_conv = ConvNorm(c, h, 1)
            self.policy_bias = nn.Linear(3 * h, h)
            self.policy_out = nn.Conv2d(h, outputs, 1, bias=False)
            self.policy_pass = nn.Linear(3 * h, outputs)
        self.value_conv = ConvNorm(c, h, 1)
        if a.outcome or a.score:
            self.value_hidden = nn.Linear(3 * h, a.value_hidden)
            self.value_act = _activation(a.value_activation)
        if a.outcome:
            self.outcome_out = nn.Linear(a.value_hidden, 3)
            # Draws are rare; that is not to be learned first, by all of the head.
            nn.init.constant_(self.outcome_out.bias[1:2], DRAW_LOGIT)
        if a.score:
            self.score_out = nn.Linear(a.value_hidden, 1)
        if a.ownership:
            self.ownership_out = nn.Conv2d(h, 1, 1, bias=False)
        for name in ("policy_out", "policy_pass", "outcome_out", "score_out", "ownership_out"):
            if hasattr(self, name):  # fresh outputs are small: near-uniform policy, even outcome
                nn.init.normal_(getattr(self, name).weight, std=0.3 / math.sqrt(getattr(self, name).weight[0].numel()))

    def forward(
        self, planes: Tensor, globals_: Tensor, mask: Tensor | None = None, heads: tuple[str, ...] | None = None
    ) -> Outputs:
        """`mask` [N, 1, S, S] only where a batch mixes board sizes; `heads` None for all that the network has."""
        heads = self.architecture.heads if heads is None else heads
        x = self.stem(planes, mask) + self.globals(globals_)[:, :, None, None]
        x = self.act(x)
        if mask is not None:
            x = x * mask
        for block in self.blocks:
            x = block(x, mask)
        out: Outputs = {}
        if {"policy", "reply"} & set(heads):
            p = self.act(self.policy_conv(x, mask))
            pooled = self.pool(p, mask)
            moves = self.policy_out(self.act(p + self.policy_bias(pooled)[:, :, None, None])).flatten(2)
            logits = torch.cat([moves, self.policy_pass(pooled)[:, :, None]], dim=2)
            if "policy" in heads:
                out["policy"] = logits[:, 0]
            if "reply" in heads:
                out["reply"] = logits[:, 1]
        if {"outcome", "score", "ownership"} & set(heads):
            v = self.act(self.value_conv(x, mask))
            if "ownership" in heads:
                out["ownership"] = torch.tanh(self.ownership_out(v))[:, 0]
            if {"outcome", "score"} & set(heads):
                hidden = self.value_act(self.value_hidden(self.pool(v, mask)))
                if "outcome" in heads:
                    out["outcome"] = self.outcome_out(hidden)
                if "score" in heads:
                    out["score"] = self.score_out(hidden)[:, 0] * SCORE_UNIT
        return out


class _AlphaGoTrunk(nn.Module):
    """5x5 convolution, then 3x3 ones, ReLU after each; zero padding keeps the size."""

    def __init__(self, planes: int, channels: int, layers: int) -> None:
        super().__init__()
        widths = [planes] + [channels] * layers
        self.convs = nn.ModuleList(
            nn.Conv2d(widths[i], channels, 5 if i == 0 else 3, padding=2 if i == 0 else 1) for i in range(layers)
        )
        for conv in self.convs:
            assert isinstance(conv, nn.Conv2d) and conv.bias is not None
            nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")
            nn.init.zeros_(conv.bias)

    def forward(self, x: Tensor) -> Tensor:
        for conv in self.convs:
            x = functional.relu(conv(x))
        return x


class AlphaGoPolicyNet(nn.Module):
    """See `architecture.AlphaGoPolicy`."""

    def __init__(self, a: AlphaGoPolicy) -> None:
        super().__init__()
        self.architecture = a
        self.trunk = _AlphaGoTrunk(a.planes, a.channels, a.layers - 1)
        self.last = nn.Conv2d(a.channels, 1, 1, bias=False)
        nn.init.normal_(self.last.weight, std=1 / math.sqrt(a.channels))
        self.point_bias = nn.Parameter(torch.zeros(a.size * a.size))
        self.pass_logit = nn.Parameter(torch.tensor([-8.0]))

    def forward(
        self, planes: Tensor, globals_: Tensor, mask: Tensor | None = None, heads: tuple[str, ...] | None = None
    ) -> Outputs:
        """The globals are not looked at: the paper's planes say it all."""
        x = self.last(self.trunk(planes)).flatten(1) + self.point_bias
        return {"policy": torch.cat([x, self.pass_logit.expand(x.shape[0], 1)], dim=1)}


class AlphaGoValueNet(nn.Module):
    """See `architecture.AlphaGoValue`."""

    def __init__(self, a: AlphaGoValue) -> None:
        super().__init__()
        self.architecture = a
        self.trunk = _AlphaGoTrunk(a.planes, a.channels, a.layers - 1)
        self.last = nn.Conv2d(a.channels, 1, 1)
        self.hidden = nn.Linear(a.size * a.size, a.hidden)
        self.out = nn.Linear(a.hidden, 1)

    def forward(
        self, planes: Tensor, globals_: Tensor, mask: Tensor | None = None, heads: tuple[str, ...] | None = None
    ) -> Outputs:
        """The globals are not looked at: the paper's planes say it all."""
        x = functional.relu(self.last(self.trunk(planes))).flatten(1)
        return {"value": torch.tanh(self.out(functional.relu(self.hidden(x))))[:, 0]}


Network = ResidualTower | AlphaGoPolicyNet | AlphaGoValueNet


def build(architecture: Residual | AlphaGoPolicy | AlphaGoValue, seed: int = 0) -> Network:
    """A fresh network in training mode; the same seed gives the same weights. The global random state is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if isinstance(architecture, Residual):
            return ResidualTower(architecture)
        if isinstance(architecture, AlphaGoPolicy):
            return AlphaGoPolicyNet(architecture)
        return AlphaGoValueNet(architecture)


def folded(network: Network) -> Network:
    """A copy for inference: evaluation mode, no gradients, every batch normalisation folded into its convolution."""
    out = copy.deepcopy(network).eval().requires_grad_(False)

    def fold(module: nn.Module) -> None:
        for name, child in module.named_children():
            if isinstance(child, ConvNorm):
                setattr(module, name, child.folded())
            else:
                fold(child)

    fold(out)
    return out.requires_grad_(False)


def folded_state(network: Network) -> dict[str, Tensor]:
    """`folded(network).state_dict()` without making the modules; what needs no folding is not copied."""
    out: dict[str, Tensor] = {}
    inside: list[str] = []
    for name, module in network.named_modules():
        if isinstance(module, ConvNorm):
            out[f"{name}.conv.weight"], out[f"{name}.conv.bias"] = module.folded_weights()
            inside.append(f"{name}.")
    prefixes = tuple(inside)
    return out | {name: t for name, t in network.state_dict().items() if not name.startswith(prefixes)}


def multiply_adds(network: Network, size: int) -> int:
    """Multiply-adds of one evaluation on a board of `size`: convolutions and linear layers."""
    total = 0

    def count(module: nn.Module, _inputs: Any, output: Any) -> None:
        nonlocal total
        if isinstance(module, nn.Conv2d):
            total += output.shape[-1] * output.shape[-2] * module.weight.numel()
        elif isinstance(module, nn.Linear):
            total += module.weight.numel()

    probe = folded(network)
    hooks = [m.register_forward_hook(count) for m in probe.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    with torch.no_grad():
        probe(torch.zeros(1, network.architecture.planes, size, size), torch.zeros(1, GLOBALS))
    for hook in hooks:
        hook.remove()
    return total
