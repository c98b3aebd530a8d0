"""Distillation (Hinton, Vinyals and Dean, arXiv 1503.02531): a small network learns what a large one says of positions of games.

The large network's policy, outcome, score and ownership take the place of the games' in the targets of `alphago.train.losses`: a
whole distribution tells more of a position than the one move that was played in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
import pydantic
import torch
from numpy.typing import NDArray

from alphago.data.batches import Batch, Batches
from alphago.nets.modules import Network
from alphago.nets.runtimes import learns_in_bf16
from alphago.nets.store import load_network, network_hash
from alphago.train.distributed import Place
from alphago.train.loop import Source, Watcher
from alphago.train.optim import TrainingError
from alphago.train.supervised import SupervisedSettings, Task, prepare

STAGE: Final = "distill"


class DistillSettings(SupervisedSettings, extra="forbid", frozen=True):
    """A whole run: what `alphago train supervised` knows, and the teacher."""

    teacher: str
    """Its network file."""
    share: Annotated[
        float, pydantic.Field(ge=0, le=1, description="of the teacher in the targets; the rest is the games'")
    ] = 1.0


class Teacher:
    """Says what it thinks of batches of positions."""

    def __init__(self, network: Network, device: torch.device, *, bf16: bool) -> None:
        self.network = network.to(device).eval()
        self._device, self._bf16 = device, bf16

    @torch.no_grad()
    def answers(self, batch: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[np.float32]]:
        """Targets from planes, globals and mask: policy [N, actions] and outcome [N, 3] as probabilities, score [N] in points,
        ownership [N, S, S] in -1..1."""
        planes = torch.from_numpy(batch["planes"]).to(self._device).to(memory_format=torch.channels_last).float()
        mask = torch.from_numpy(batch["mask"]).to(self._device) if "mask" in batch else None
        with torch.autocast(self._device.type, torch.bfloat16, enabled=self._bf16):
            out = self.network(planes, torch.from_numpy(batch["globals"]).to(self._device), mask)
        if mask is not None:  # a network has never been told what its logits off the board should be
            on_board = torch.cat([mask.flatten(1), mask.new_ones(len(mask), 1)], dim=1)
            out["policy"] = torch.where(on_board > 0, out["policy"].float(), -torch.inf)
        found = {name: torch.softmax(out[name].float(), dim=1) for name in ("policy", "outcome") if name in out}
        found |= {name: out[name].float() for name in ("score", "ownership") if name in out}
        return {name: value.cpu().numpy() for name, value in found.items()}


class Taught:
    """Batches whose targets are the teacher's. A `Source`.

    Args:
        batches: what the student sees.
        teacher: whose answers take the place of the games'.
        share: of the teacher in policy and outcome; score and ownership are its own wherever it has any share.
    """

    def __init__(self, batches: Batches, teacher: Teacher, share: float) -> None:
        self._batches, self._teacher, self._share = batches, teacher, share
        feature_set = teacher.network.architecture.feature_set
        # The same positions under the same symmetries, in the teacher's planes.
        outputs = ("planes", "globals", "mask") if batches.games.is_mixed else ("planes", "globals")
        self._seen = None if feature_set == batches.feature_set else batches.twin(feature_set, outputs)

    @property
    def cursor(self) -> int:
        """Number of the next batch."""
        return self._batches.cursor

    def __next__(self) -> Batch:
        batch = next(self._batches)
        answers = self._teacher.answers(batch if self._seen is None else next(self._seen))
        if "mask" in batch and "ownership" in answers:
            answers["ownership"] = np.where(batch["mask"][:, 0] > 0, answers["ownership"], np.float32(np.nan))
        for name, answer in answers.items():
            if name in batch and self._share:
                batch[name] = self._mixed(name, answer, batch[name])
        return batch

    def close(self) -> None:
        """End the threads."""
        self._batches.close()
        if self._seen is not None:
            self._seen.close()

    def _mixed(self, name: str, answer: NDArray[np.float32], played: NDArray[np.float32]) -> NDArray[np.float32]:
        if name in ("score", "ownership"):
            return answer
        known = played.sum(axis=1, keepdims=True) > 0
        return np.where(known, self._share * answer + (1 - self._share) * played, answer).astype(np.float32)


def prepare_distillation(settings: DistillSettings, run: Path, place: Place, watcher: Watcher | None = None) -> Task:
    """As `alphago.train.supervised.prepare`, with a teacher.

    Raises:
        NetworkError: the teacher is no network file.
        TrainingError: the teacher does not fit the boards, or has no policy.
        GameDataError, TrainingError: as there.
    """
    network = load_network(settings.teacher)[0]
    heads = network.architecture.heads
    if "policy" not in heads:
        raise TrainingError(f"{settings.teacher}: the teacher has no policy to learn; its heads are {', '.join(heads)}")
    teacher = Teacher(network, place.device, bf16=learns_in_bf16(settings.training.precision, place.device))
    smallest, largest = network.architecture.sizes

    def teach(batches: Batches) -> Source:
        return Taught(batches, teacher, settings.share)

    task = prepare(settings, run, place, watcher, teach=teach, stage=STAGE)
    for size in np.unique(task.games.sizes).tolist():
        if not smallest <= size <= largest:
            raise TrainingError(
                f"{task.games.where}: holds {size}x{size} games; the teacher plays {smallest} to {largest}"
            )
    task.notes["teacher"] = network_hash(network)
    return task
