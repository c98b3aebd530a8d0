"""A checkpoint: everything that a run needs to go on as if it had never stopped. Nothing in it is pickled.

    checkpoints/step-00001200/
        network.safetensors     the weights, as a network file
        average.safetensors     the averaged weights, as a network file
        optimizer.safetensors   the optimiser's state and the averages' buffers
        state.json              step, cursor, random states, what was measured

A checkpoint is written into a temporary folder that is renamed when it is whole and on the disk; older ones go after that.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import safetensors
import safetensors.torch
import torch

from alphago.nets.modules import Network
from alphago.nets.store import load_network, save_network
from alphago.train.folders import whole_checkpoint
from alphago.train.optim import Average, TrainingError, load_optimizer_tensors, optimizer_tensors
from alphago.train.random_states import random_states, set_random_states

FORMAT: Final = 1
NETWORK: Final = "network.safetensors"
AVERAGE: Final = "average.safetensors"
OPTIMIZER: Final = "optimizer.safetensors"
STATE: Final = "state.json"


@dataclass
class Progress:
    """How far a run is: what `state.json` holds."""

    step: int = 0
    """Optimiser steps done."""
    cursor: int = 0
    """Batches taken."""
    seconds: float = 0.0
    """Spent training."""
    total: int = 0
    """Steps of the whole run."""
    metrics: dict[str, float] = field(default_factory=dict)
    """The last measured on held-out games."""


def save_checkpoint(
    run: Path,
    network: Network,
    average: Average | None,
    optimizer: torch.optim.Optimizer,
    progress: Progress,
    provenance: Mapping[str, Any],
    *,
    keep: int = 2,
) -> None:
    """Write a checkpoint and drop all but the last `keep`.

    Raises:
        TrainingError: it cannot be written; older checkpoints stay.
        NetworkError: a weight is not finite.
    """
    with whole_checkpoint(run, progress.step, keep) as folder:
        save_network(folder / NETWORK, network, provenance)
        tensors = optimizer_tensors(optimizer)
        if average is not None:
            with average.applied(network):
                save_network(folder / AVERAGE, network, provenance)
        (folder / OPTIMIZER).write_bytes(safetensors.torch.save(tensors))
        state = {
            "format": FORMAT,
            **vars(progress),
            "averaged": None if average is None else average.updates,
            "random": random_states(),
        }
        (folder / STATE).write_text(json.dumps(state), encoding="utf-8")


def load_checkpoint(
    path: Path, network: Network, average: Average | None, optimizer: torch.optim.Optimizer
) -> Progress:
    """Put everything back as it was: weights, averages, optimiser, the global random states of torch.

    Raises:
        TrainingError: the checkpoint is damaged, of another format, or of another network.
    """
    try:
        state = json.loads((path / STATE).read_text(encoding="utf-8"))
        if not isinstance(state, dict) or state.get("format") != FORMAT:
            raise TrainingError(f"{path / STATE}: no checkpoint of format {FORMAT}")
        loaded, _ = load_network(path / NETWORK)
        if loaded.architecture != network.architecture:
            raise TrainingError(f"{path}: a checkpoint of another architecture: {loaded.architecture!r}")
        network.load_state_dict(loaded.state_dict())
        if average is not None:
            if state["averaged"] is None:
                raise TrainingError(f"{path}: holds no averaged weights; this run wants them")
            averaged, _ = load_network(path / AVERAGE)
            average.tensors = {name: t.to(average.tensors[name].device) for name, t in averaged.state_dict().items()}
            average.updates = int(state["averaged"])
        load_optimizer_tensors(optimizer, safetensors.torch.load((path / OPTIMIZER).read_bytes()))
        set_random_states(state["random"])
        names = Progress.__dataclass_fields__
        return Progress(**{name: state[name] for name in names})
    except OSError as error:
        raise TrainingError(f"{path}: {error.strerror or error}") from None
    except (ValueError, KeyError, TypeError, RuntimeError, safetensors.SafetensorError) as error:
        text = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise TrainingError(f"{path}: the checkpoint is damaged: {text}") from None
