"""Inception-v3 (Szegedy and others, CVPR 2016), the variant with batch normalisation everywhere; without the auxiliary head."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class Conv(nn.Module):
    """Convolution, batch normalisation, ReLU."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int | tuple[int, int],
        stride: int = 1,
        padding: int | tuple[int, int] = 0,
    ) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(inputs, outputs, kernel, stride, padding, bias=False)
        self.norm = nn.BatchNorm2d(outputs, eps=1e-3)

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(self.norm(self.convolution(x)))


class _Pooled(nn.Module):
    """Mean over 3 x 3, then a convolution of 1 x 1."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.project = Conv(inputs, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.project(functional.avg_pool2d(x, 3, 1, 1))
        return found


class BlockA(nn.Module):
    """35 x 35: figure 5 of the paper."""

    def __init__(self, inputs: int, pooled: int) -> None:
        super().__init__()
        self.one = Conv(inputs, 64, 1)
        self.five = nn.Sequential(Conv(inputs, 48, 1), Conv(48, 64, 5, padding=2))
        self.three = nn.Sequential(Conv(inputs, 64, 1), Conv(64, 96, 3, padding=1), Conv(96, 96, 3, padding=1))
        self.pool = _Pooled(inputs, pooled)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.one(x), self.five(x), self.three(x), self.pool(x)], 1)


class ReductionA(nn.Module):
    """35 x 35 to 17 x 17."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.three = Conv(inputs, 384, 3, stride=2)
        self.deep = nn.Sequential(Conv(inputs, 64, 1), Conv(64, 96, 3, padding=1), Conv(96, 96, 3, stride=2))

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.three(x), self.deep(x), functional.max_pool2d(x, 3, 2)], 1)


class BlockB(nn.Module):
    """17 x 17: figure 6, with n = 7."""

    def __init__(self, inputs: int, middle: int) -> None:
        super().__init__()
        row, column = (1, 7), (7, 1)
        self.one = Conv(inputs, 192, 1)
        self.seven = nn.Sequential(
            Conv(inputs, middle, 1),
            Conv(middle, middle, row, padding=(0, 3)),
            Conv(middle, 192, column, padding=(3, 0)),
        )
        self.deep = nn.Sequential(
            Conv(inputs, middle, 1),
            Conv(middle, middle, column, padding=(3, 0)),
            Conv(middle, middle, row, padding=(0, 3)),
            Conv(middle, middle, column, padding=(3, 0)),
            Conv(middle, 192, row, padding=(0, 3)),
        )
        self.pool = _Pooled(inputs, 192)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.one(x), self.seven(x), self.deep(x), self.pool(x)], 1)


class ReductionB(nn.Module):
    """17 x 17 to 8 x 8."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.three = nn.Sequential(Conv(inputs, 192, 1), Conv(192, 320, 3, stride=2))
        self.seven = nn.Sequential(
            Conv(inputs, 192, 1),
            Conv(192, 192, (1, 7), padding=(0, 3)),
            Conv(192, 192, (7, 1), padding=(3, 0)),
            Conv(192, 192, 3, stride=2),
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.three(x), self.seven(x), functional.max_pool2d(x, 3, 2)], 1)


class _Split(nn.Module):
    """A 1 x 3 and a 3 x 1 convolution of the same input, side by side."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.row = Conv(inputs, 384, (1, 3), padding=(0, 1))
        self.column = Conv(inputs, 384, (3, 1), padding=(1, 0))

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.row(x), self.column(x)], 1)


class BlockC(nn.Module):
    """8 x 8: figure 7."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.one = Conv(inputs, 320, 1)
        self.three = nn.Sequential(Conv(inputs, 384, 1), _Split(384))
        self.deep = nn.Sequential(Conv(inputs, 448, 1), Conv(448, 384, 3, padding=1), _Split(384))
        self.pool = _Pooled(inputs, 192)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.one(x), self.three(x), self.deep(x), self.pool(x)], 1)


class InceptionV3(nn.Module):
    """Images float [N, 3, 299, 299] to logits [N, classes]; 23.8 million parameters with 1,000 classes."""

    def __init__(self, classes: int = 1000) -> None:
        super().__init__()
        self.stem = nn.Sequential(Conv(3, 32, 3, stride=2), Conv(32, 32, 3), Conv(32, 64, 3, padding=1))
        self.middle = nn.Sequential(Conv(64, 80, 1), Conv(80, 192, 3))
        self.blocks = nn.Sequential(
            BlockA(192, 32),
            BlockA(256, 64),
            BlockA(288, 64),
            ReductionA(288),
            BlockB(768, 128),
            BlockB(768, 160),
            BlockB(768, 160),
            BlockB(768, 192),
            ReductionB(768),
            BlockC(1280),
            BlockC(2048),
        )
        self.classify = nn.Linear(2048, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.max_pool2d(self.stem(x), 3, 2)
        x = functional.max_pool2d(self.middle(x), 3, 2)
        x = functional.adaptive_avg_pool2d(self.blocks(x), 1)
        found: Tensor = self.classify(torch.flatten(x, 1))
        return found
