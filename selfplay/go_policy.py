"""A Go network as the REINFORCE trainer sees it: a policy that learns, and the values of a baseline.

Batch normalisation keeps its statistics in both: the network that learns must be the one that played, and its batches are of games
that depend on each other.
"""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor, nn

from alphago.nets.architecture import NetworkError
from alphago.nets.modules import FoldedCall, Network
from alphago.train.episodes import Batch
from alphago.train.policies import entropy_of, masked_log_softmax
from alphago.train.reinforce import Evaluation

KL_START: Final = "kl_start"
"""The penalty's name."""
VALUE_HEADS: Final = ("outcome", "value")
"""Of a network that says who wins, the one looked for first."""


class GoPolicy(nn.Module):
    """A policy network.

    Args:
        network: learns in place.
        start: its divergence from this one is a penalty, "kl_start"; None: not computed.
        bf16: autocast.
    """

    def __init__(self, network: Network, *, start: Network | None = None, bf16: bool = True) -> None:
        super().__init__()
        self.network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._start = [] if start is None else [start.eval()]  # in a list: no part of the state
        self._call, self._bf16 = FoldedCall(network), bf16

    def log_probs(self, network: Network, batch: Batch) -> Tensor:
        """Of all moves, [N, S * S + 1]; minus infinity where the mask forbids them."""
        planes = batch.observations["planes"].to(memory_format=torch.channels_last)
        with torch.autocast(planes.device.type, torch.bfloat16, enabled=self._bf16):
            kind = torch.bfloat16 if self._bf16 else torch.float32
            out = self._call(network, planes.to(kind), batch.observations["globals"], ("policy",))
        return masked_log_softmax(out["policy"], batch.masks)

    def evaluate(self, batch: Batch) -> Evaluation:
        """See `alphago.train.reinforce.Policy`."""
        log_probs = self.log_probs(self.network, batch)
        chosen = log_probs.gather(1, batch.actions[:, None]).squeeze(1)
        penalties = {KL_START: self.divergence(log_probs, self._start[0], batch)} if self._start else {}
        return Evaluation(chosen, entropy_of(log_probs), penalties)

    def divergence(self, log_probs: Tensor, start: Network, batch: Batch) -> Tensor:
        """KL(these || start's) of every position, nats, [N]."""
        with torch.no_grad():
            theirs = self.log_probs(start, batch)
        impossible = log_probs == -torch.inf
        difference = (log_probs - theirs).masked_fill(impossible, 0.0)
        found: Tensor = (log_probs.exp() * difference).sum(1)
        return found


class GoValues(nn.Module):
    """The expected outcome that a network's value head gives, -1..1 for the side to move."""

    def __init__(self, network: Network, *, bf16: bool = True) -> None:
        super().__init__()
        self.network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._call, self._bf16 = FoldedCall(network), bf16
        head = next((head for head in VALUE_HEADS if head in network.architecture.heads), None)
        if head is None:
            raise NetworkError("a value baseline needs a network with an outcome or value head")
        self._head: str = head

    def forward(self, batch: Batch) -> Tensor:
        """[N]."""
        planes = batch.observations["planes"].to(memory_format=torch.channels_last)
        with torch.autocast(planes.device.type, torch.bfloat16, enabled=self._bf16):
            kind = torch.bfloat16 if self._bf16 else torch.float32
            out = self._call(self.network, planes.to(kind), batch.observations["globals"], (self._head,))[self._head]
        if self._head == "value":
            value: Tensor = out.float()
            return value
        p: Tensor = out.float().softmax(1)
        return p[:, 0] - p[:, 2]
