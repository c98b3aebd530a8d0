"""The residual blocks of a tower: plain, bottleneck, and KataGo's nested bottleneck; each may pool globally and squeeze.

All are post-activation: what a block adds is normalised, added to its input, and the sum goes through the activation.
"""

from __future__ import annotations

import math

from torch import Tensor, nn

from alphago.nets.architecture import Residual
from alphago.nets.layers import ConvNorm, GlobalPool, Squeeze, activation_of


class _Pooled(nn.Module):
    """A convolution, and perhaps beside it one whose channels are pooled globally and bias the first's (arXiv 1902.10565, 3.2)."""

    first: ConvNorm
    to_pool: ConvNorm | None

    def _add_pooling(self, inputs: int, outputs: int, kernel: int) -> None:
        width = max(4, outputs // 4)
        self.to_pool = ConvNorm(inputs, width, kernel)
        self.pool = GlobalPool()
        self.from_pool = nn.Linear(3 * width, outputs, bias=False)
        nn.init.normal_(self.from_pool.weight, std=0.5 / math.sqrt(3 * width))

    def _convolved(self, x: Tensor, mask: Tensor | None, act: nn.Module) -> Tensor:
        y: Tensor = self.first(x, mask)
        if self.to_pool is not None:
            pooled = self.pool(act(self.to_pool(x, mask)), mask)
            y = y + self.from_pool(pooled)[:, :, None, None]
            if mask is not None:
                y = y * mask
        return y


class Block(_Pooled):
    """conv-norm-act-conv-norm-add-act. `pooled`: some channels of the first convolution are pooled and bias the others.

    Args:
        gain: of the last norm: what the block adds at first, in units of its input.
        squeeze: see `Residual.squeeze`.
    """

    def __init__(
        self, channels: int, activation: str, pooled: bool, gain: float, kernel: int = 3, squeeze: int = 0
    ) -> None:
        super().__init__()
        self.first = ConvNorm(channels, channels, kernel)
        self.second = ConvNorm(channels, channels, kernel, gain)
        self.act = activation_of(activation)
        self.to_pool = None
        if pooled:
            self._add_pooling(channels, channels, kernel)
        self.squeeze = Squeeze(channels, squeeze) if squeeze else None

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        y = self.second(self.act(self._convolved(x, mask, self.act)), mask)
        if self.squeeze is not None:
            y = self.squeeze(y, mask)
        out: Tensor = self.act(y + x)
        return out


class _Middle(_Pooled):
    """The one spatial convolution in the middle of a bottleneck."""

    def __init__(self, channels: int, kernel: int, pooled: bool) -> None:
        super().__init__()
        self.first = ConvNorm(channels, channels, kernel)
        self.to_pool = None
        if pooled:
            self._add_pooling(channels, channels, kernel)

    def forward(self, x: Tensor, mask: Tensor | None, act: nn.Module) -> Tensor:
        return self._convolved(x, mask, act)


class Bottleneck(nn.Module):
    """1x1 to half the channels, one spatial convolution, 1x1 back, add (He and others 2016, arXiv 1512.03385, figure 5)."""

    def __init__(self, channels: int, activation: str, pooled: bool, gain: float, kernel: int, squeeze: int) -> None:
        super().__init__()
        half = max(4, channels // 2)
        self.down = ConvNorm(channels, half, 1)
        self.middle = _Middle(half, kernel, pooled)
        self.up = ConvNorm(half, channels, 1, gain)
        self.act = activation_of(activation)
        self.squeeze = Squeeze(channels, squeeze) if squeeze else None

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        y = self.up(self.act(self.middle(self.act(self.down(x, mask)), mask, self.act)), mask)
        if self.squeeze is not None:
            y = self.squeeze(y, mask)
        out: Tensor = self.act(y + x)
        return out


class Nested(nn.Module):
    """KataGo's nested bottleneck: 1x1 to half the channels, two plain residual blocks there, 1x1 back, add.

    The first of the inner blocks is the one that pools. Source: "nbt" blocks, KataGo's docs/KataGoMethods.md.
    """

    def __init__(self, channels: int, activation: str, pooled: bool, gain: float, kernel: int, squeeze: int) -> None:
        super().__init__()
        half = max(4, channels // 2)
        self.down = ConvNorm(channels, half, 1)
        inner = 1 / math.sqrt(2)
        self.inner = nn.ModuleList(
            Block(half, activation, pooled and number == 0, inner, kernel) for number in range(2)
        )
        self.up = ConvNorm(half, channels, 1, gain)
        self.act = activation_of(activation)
        self.squeeze = Squeeze(channels, squeeze) if squeeze else None

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        y = self.act(self.down(x, mask))
        for block in self.inner:
            y = block(y, mask)
        y = self.up(y, mask)
        if self.squeeze is not None:
            y = self.squeeze(y, mask)
        out: Tensor = self.act(y + x)
        return out


def make_blocks(a: Residual) -> nn.ModuleList:
    """The blocks of a tower, each of which maps [N, channels, S, S] to the same."""
    # Every block adds a little: the variance of the trunk stays of order one whatever the depth.
    gain = 1 / math.sqrt(a.blocks)
    kind = {"plain": Block, "bottleneck": Bottleneck, "nested": Nested}[a.block]
    return nn.ModuleList(
        kind(a.channels, a.activation, bool(a.pool_every) and (i + 1) % a.pool_every == 0, gain, a.kernel, a.squeeze)
        for i in range(a.blocks)
    )
