"""More than one process: `torchrun` starts them, this module finds its place among them. Alone, everything here does nothing."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.distributed as dist


@dataclass(frozen=True)
class Place:
    """This process among all."""

    rank: int
    world: int
    device: torch.device

    @property
    def is_first(self) -> bool:
        """Whether this process writes files and speaks to people."""
        return self.rank == 0


@contextlib.contextmanager
def joined(device: str = "auto") -> Iterator[Place]:
    """Join the group that torchrun has described in the environment; with NCCL on CUDA devices, gloo on CPUs.

    Args:
        device: auto (a CUDA device where there is one), cpu, cuda, or cuda:N.
    """
    world = int(os.environ.get("WORLD_SIZE", "1"))
    rank, local = int(os.environ.get("RANK", "0")), int(os.environ.get("LOCAL_RANK", "0"))
    found = _device(device, local)
    if world == 1:
        yield Place(0, 1, found)
        return
    dist.init_process_group("nccl" if found.type == "cuda" else "gloo", rank=rank, world_size=world)
    try:
        yield Place(rank, world, found)
    finally:
        dist.destroy_process_group()


def _device(name: str, local: int) -> torch.device:
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda":
        name = f"cuda:{local}"
    device = torch.device(name)
    if device.type == "cuda":
        torch.cuda.set_device(device)
    return device


def any_of(flag: bool, place: Place) -> bool:
    """Whether the flag is set in any process; all must ask."""
    if place.world == 1:
        return flag
    tensor = torch.tensor([int(flag)], device=place.device)
    dist.all_reduce(tensor, op=dist.ReduceOp.MAX)
    return bool(tensor.item())


def mean_of(values: torch.Tensor, place: Place) -> torch.Tensor:
    """The mean over all processes; all must ask."""
    if place.world > 1:
        dist.all_reduce(values)
        values = values / place.world
    return values
