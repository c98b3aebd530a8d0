"""This project's networks as models to place: a traced module needs plain inputs and outputs."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from alphago.nets.architecture import GLOBALS, Residual
from alphago.nets.modules import build, folded


class _Plain(nn.Module):
    """A network whose outputs are a tuple, in the order of its heads."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, planes: Tensor, values: Tensor) -> tuple[Tensor, ...]:
        return tuple(self.network(planes, values).values())


def go_network(
    size: int, *, blocks: int = 6, channels: int = 96, batch: int = 8, seed: int = 0
) -> tuple[nn.Module, tuple[Tensor, ...]]:
    """A residual tower with random weights as search evaluates it, and positions: planes [N, P, S, S], values [N, 7].

    torch.export traces it; torch.fx cannot, since its pooling asks for the size of the board.
    """
    architecture = Residual(blocks=blocks, channels=channels)
    network = folded(build(architecture, seed))
    generator = torch.Generator().manual_seed(seed)
    planes = torch.rand(batch, architecture.planes, size, size, generator=generator)
    return _Plain(network).eval(), (planes, torch.rand(batch, GLOBALS, generator=generator))
