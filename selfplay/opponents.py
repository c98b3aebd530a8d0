"""The pool of past selves that a policy plays against: saved, hashed, bounded."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from alphago.errors import AlphaGoError
from alphago.files import make_directory
from alphago.nets.modules import Network
from alphago.nets.store import load_network, network_hash, save_network


class PoolError(AlphaGoError):
    """A pool's folder that does not hold what its state says; the message names the file."""


@dataclass(frozen=True)
class Opponent:
    """A past self."""

    step: int
    """Updates that it had learned from; 0: the start."""
    file: Path
    digest: str
    """`alphago.nets.store.network_hash`."""


class OpponentPool:
    """Past selves, oldest first, the start always among them.

    Args:
        folder: where their files are.
        most: members; when there would be more, the one goes whose neighbours are closest to each other in steps, so that
            those that stay are spread over the whole run. Neither the first nor the last goes.
        seed: of the draws.
    """

    def __init__(self, folder: Path, *, most: int = 32, seed: int = 0) -> None:
        if most < 2:
            raise PoolError(f"a pool must have room for 2 opponents at least, got {most}")
        self.folder, self.most = folder, most
        self.members: list[Opponent] = []
        self._random = np.random.default_rng(seed)
        self._networks: dict[str, Network] = {}
        self._last_saved: frozenset[str] = frozenset()

    def add(self, network: Network, step: int) -> Opponent:
        """Take a copy of a network in."""
        file = self.folder / f"{step:08d}.safetensors"
        make_directory(self.folder, PoolError)
        save_network(file, network, {"made_by": "alphago train reinforce-go", "updates": step})
        kept, _ = load_network(file)
        member = Opponent(step, file, network_hash(kept))
        self._networks[member.digest] = kept
        self.members.append(member)
        if len(self.members) > self.most:
            steps = [member.step for member in self.members]
            gaps = [after - before for before, after in zip(steps[:-2], steps[2:], strict=True)]
            gone = self.members.pop(1 + int(np.argmin(gaps)))
            if all(other.digest != gone.digest for other in self.members):
                self._networks.pop(gone.digest, None)
            # its file stays until `saved`: a killed run goes back to the checkpoint before
        return member

    def draw(self) -> Opponent:
        """Any of them, all alike likely (Nature 529, Methods)."""
        return self.members[int(self._random.integers(len(self.members)))]

    def network(self, member: Opponent) -> Network:
        """The network of a member. Raises PoolError."""
        if member.digest not in self._networks:
            network, _ = load_network(member.file)
            if network_hash(network) != member.digest:
                raise PoolError(f"{member.file}: not the opponent that the run saved: its weights have changed")
            self._networks[member.digest] = network
        return self._networks[member.digest]

    def state(self) -> tuple[dict[str, Any], dict[str, Tensor]]:
        """See `alphago.train.baselines.Saved`."""
        members = [{"step": m.step, "file": m.file.name, "digest": m.digest} for m in self.members]
        return {"members": members, "random": self._random.bit_generator.state}, {}

    def saved(self) -> None:
        """A checkpoint with these members is on the disk: delete the files of those that neither it nor the one before has."""
        current = frozenset(member.file.name for member in self.members)
        for file in self.folder.glob("*.safetensors"):
            if file.name not in current | self._last_saved:
                with contextlib.suppress(OSError):  # a file too many does no harm
                    file.unlink()
        self._last_saved = current

    def load(self, values: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> None:
        """Raises PoolError: a file is missing or is not what it was."""
        members = []
        for m in values["members"]:
            member = Opponent(int(m["step"]), self.folder / str(m["file"]), str(m["digest"]))
            if member.file.parent != self.folder or not member.file.is_file():
                raise PoolError(f"{member.file}: the opponent is missing")
            self.network(member)
            members.append(member)
        self.members = members
        self._last_saved = frozenset(member.file.name for member in members)
        self._random.bit_generator.state = values["random"]
