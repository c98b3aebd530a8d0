"""What the tests of networks share: small networks, positions, and an independent evaluation of a torch module."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from alphago import _core
from alphago.nets.architecture import AlphaGoPolicy, AlphaGoValue, Residual
from alphago.nets.calibration import playout_positions
from alphago.nets.modules import Network, build

Floats = NDArray[np.float32]

torch.set_num_threads(1)  # the tests' networks are small, and pytest-xdist keeps the other processors busy

ALL_HEADS = Residual(
    blocks=3, channels=16, feature_set="zero17", pool_every=2, head_channels=8, value_hidden=16, reply=True
)
SMALL: dict[str, Residual | AlphaGoPolicy | AlphaGoValue] = {
    "residual": Residual(blocks=2, channels=16, feature_set="rich-fast", head_channels=8, value_hidden=16),
    "pooled": ALL_HEADS,
    "policy only": Residual(
        blocks=1, channels=8, feature_set="zero17", head_channels=4, outcome=False, ownership=False, score=False
    ),
    "mish": Residual(blocks=1, channels=8, feature_set="rich-fast", head_channels=4, activation="mish"),
    "alphago policy": AlphaGoPolicy(layers=3, channels=8, size=9),
    "alphago value": AlphaGoValue(layers=3, channels=8, hidden=16, size=9),
}
"""One of each kind that behaves differently."""


def shaken(network: Network, seed: int = 5) -> Network:
    """The network in evaluation mode with every weight and statistic moved, so that no term is a neutral 0 or 1."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, tensor in network.state_dict().items():
            if not tensor.is_floating_point():
                continue
            noise = torch.randn(tensor.shape, generator=generator)
            if name.endswith(("running_var", "norm.weight")):
                tensor.mul_(torch.exp(0.3 * noise))
            else:
                tensor.add_(0.1 * noise)
    return network.eval()


def fresh(kind: str, seed: int = 1) -> Network:
    """A shaken network of `SMALL`."""
    return shaken(build(SMALL[kind], seed), seed)


def inputs(network: Network, size: int, count: int, seed: int = 3) -> tuple[Floats, Floats]:
    """Planes and globals of playout positions."""
    planes, globals_ = playout_positions(network, size, count, seed)
    return planes, globals_


def record_positions(path: Path, games: range) -> list[tuple[list[tuple[_core.Position, int]], float]]:
    """Of each game of an .sgfs.gz file: every position with the move played there, and black's result (+1, 0, -1)."""
    found = []
    with gzip.open(path, "rt") as lines:
        for number, line in enumerate(lines):
            if number >= games.stop:
                break
            if number not in games:
                continue
            komi = float(re.search(r"KM\[([\d.]+)]", line).group(1))  # type: ignore[union-attr]
            result = re.search(r"RE\[([BW0])", line).group(1)  # type: ignore[union-attr]
            position = _core.Position(9, komi=komi)
            pairs = []
            for point in re.findall(r";[BW]\[(\w*)]", line):
                action = 81 if not point else (ord(point[1]) - 97) * 9 + ord(point[0]) - 97
                pairs.append((position.copy(), action))
                if position.try_play(action) < 0:
                    break
            found.append((pairs, {"B": 1.0, "W": -1.0, "0": 0.0}[result]))
    return found


BATCH = 64


def briefly_trained(path: Path, steps: int, games: int) -> Network:
    """A 2x32 network that has learned a little from the first `games` games: logits of a realistic spread."""
    network = build(Residual(blocks=2, channels=32, feature_set="rich-fast", ownership=False, score=False), seed=1)
    pairs = [
        (position, action, result if position.to_play == 1 else -result)
        for game, result in record_positions(path, range(games))
        for position, action in game
    ]
    rng = np.random.default_rng(1)
    planes = np.zeros((BATCH, network.architecture.planes, 9, 9), dtype=np.float32)
    globals_ = np.zeros((BATCH, 7), dtype=np.float32)
    optimiser = torch.optim.SGD(network.parameters(), lr=0.05, momentum=0.9, nesterov=True)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # the same result on every machine, and quick on a busy one
    network.train()
    for step in range(steps):
        for group in optimiser.param_groups:
            group["lr"] = 0.05 * (1 - step / steps)
        chosen = [pairs[i] for i in rng.integers(0, len(pairs), BATCH)]
        _core.write_planes([x[0] for x in chosen], network.architecture.feature_set, planes)
        _core.write_globals([x[0] for x in chosen], globals_)
        out = network(torch.from_numpy(planes), torch.from_numpy(globals_))
        moves = torch.tensor([x[1] for x in chosen])
        outcomes = torch.tensor([{1.0: 0, 0.0: 1, -1.0: 2}[x[2]] for x in chosen])
        loss = functional.cross_entropy(out["policy"], moves) + functional.cross_entropy(out["outcome"], outcomes)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    torch.set_num_threads(threads)
    return network.eval()
