"""What stands between the search and a network: batches of planes in, logits and values out."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from alphago.nets.architecture import GLOBALS, NetworkError
from alphago.nets.modules import Network

Floats = NDArray[np.float32]


class Outputs(NamedTuple):
    """A batch's outputs, padding rows included; views that hold until the evaluator's next call."""

    policy: Floats | None
    """[batch, size*size + 1] logits, pass last; None from a pure value network."""
    value: Floats | None
    """[batch, 3] logits of win, draw, loss for the side to move, or [batch] in -1..1; None from a pure policy network."""
    score: Floats | None
    """[batch] points, side to move; None where the network predicts none."""


class Evaluator(Protocol):
    """A network ready to run on batches of one size.

    The whole padded batch is always run, so what a row gives depends on neither the number of rows nor the other rows' content.
    Thread safety: one thread at a time; `clone()` gives another one for another thread.
    """

    @property
    def feature_set(self) -> str:
        """The planes it takes."""

    @property
    def size(self) -> int:
        """Board size."""

    @property
    def batch(self) -> int:
        """Rows of a batch."""

    def describe(self) -> str:
        """Runtime, precision, batch and threads, for people."""

    def buffers(self) -> tuple[Floats, Floats]:
        """New input arrays: planes [batch, planes, size, size] and globals [batch, 7], zeros."""

    def evaluate(self, planes: Floats, globals_: Floats) -> Outputs:
        """Run a batch of `buffers()` arrays."""

    def clone(self) -> Evaluator:
        """Another one with the same weights."""

    def swap_weights(self, network: Network) -> None:
        """Take the weights of a network of the same architecture, in all clones. No evaluation may be running."""


def check_fit(network: Network, size: int, batch: int) -> None:
    """Raise NetworkError unless the network can play on `size` and the batch is sensible."""
    smallest, largest = network.architecture.sizes
    if not smallest <= size <= largest:
        right = f"{smallest}x{smallest}" + ("" if smallest == largest else f" to {largest}x{largest}")
        raise NetworkError(f"this network plays on {right}, not on {size}x{size}")
    if not 1 <= batch <= 65536:
        raise NetworkError(f"batch must be 1 to 65536, got {batch}")


def new_buffers(network: Network, size: int, batch: int) -> tuple[Floats, Floats]:
    """Zeroed input arrays, the planes on a 64-byte boundary as vector code likes them."""
    planes = network.architecture.planes
    raw = np.zeros(batch * planes * size * size * 4 + 64, dtype=np.uint8)
    start = -raw.ctypes.data % 64
    flat = raw[start : start + batch * planes * size * size * 4].view(np.float32)
    return flat.reshape(batch, planes, size, size), np.zeros((batch, GLOBALS), dtype=np.float32)


class PlayModule(torch.nn.Module):
    """The heads that a search asks for, as a tuple (policy, value, score) without the missing ones."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network
        heads = network.architecture.heads
        self.heads = tuple(h for h in ("policy", "outcome", "value", "score") if h in heads)

    def forward(self, planes: torch.Tensor, globals_: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """One tensor for each of `heads`."""
        out = self.network(planes, globals_, None, self.heads)
        return tuple(out[h] for h in self.heads)

    def outputs(self, arrays: list[Floats]) -> Outputs:
        """Name the arrays that forward() gave."""
        by_head = dict(zip(self.heads, arrays, strict=True))
        return Outputs(by_head.get("policy"), by_head.get("outcome", by_head.get("value")), by_head.get("score"))
