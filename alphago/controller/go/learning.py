"""Short training on a fixed set of positions: every network sees the same examples in one order, and is measured on the same."""

from __future__ import annotations

import functools
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from alphago.controller.go.settings import GoNasSettings
from alphago.data.batches import Batches, Sampler
from alphago.data.game_set import Games
from alphago.nets.architecture import Residual
from alphago.nets.modules import Network, build
from alphago.nets.runtimes import learns_in_bf16
from alphago.nets.shut_inputs import YES_OR_NO, shut_inputs
from alphago.train.distributed import Place
from alphago.train.loop import Source, Trainer, TrainingSettings
from alphago.train.losses import OUTPUTS_OF, losses
from alphago.train.metrics import measure
from alphago.train.optim import TrainingError
from alphago.train.supervised import DataSettings, SupervisedSettings, games_hash, settled_globals, spread

LOG_LOSS = "log_loss"
OUTCOME_MSE = "outcome_mse"
FEATURES = (LOG_LOSS, OUTCOME_MSE)
"""What strength is foretold by: nats of the moves played, squared error of the outcome, on held-out games."""


class Diverged(TrainingError):
    """A network that did not survive its training: a matter of its own, where other errors of training would meet any network."""


@dataclass(frozen=True)
class Positions:
    """Games, and which of their positions are learned from and measured on."""

    games: Games
    learned: NDArray[np.int64]
    measured: NDArray[np.int64]

    @property
    def digest(self) -> str:
        """16 hexadecimal digits that stand for the games."""
        return games_hash(self.games)

    @functools.cached_property
    def settled(self) -> dict[int, float]:
        """Global inputs that hardly ever differ, and their values: training in full shuts them, and so does training in short."""
        return settled_globals(self.games, self.learned, YES_OR_NO)


@functools.lru_cache(maxsize=2)
def _loaded(data: DataSettings) -> Positions:
    games = data.load()
    learned, held_out = (
        games.examples(games.side_of_split(data.held_out, data.split_seed, held_out=held)) for held in (False, True)
    )
    return Positions(games, learned, spread(held_out, data.measured))


def positions_of(settings: GoNasSettings) -> Positions:
    """The positions of a search, read once in a process.

    Raises:
        GameDataError: a store that cannot be read, or holds nothing to learn from.
        TrainingError: games of other board sizes among them.
    """
    found = _loaded(settings.full.data)
    sizes = np.unique(found.games.sizes).tolist()
    if sizes != [settings.size]:
        raise TrainingError(
            f"{found.games.where}: holds games on {', '.join(f'{n}x{n}' for n in sizes)}, expected {settings.size}x{settings.size} "
            f"alone (full.data.sizes: [{settings.size}])"
        )
    return found


def open_source(positions: Positions, full: SupervisedSettings, network: Network, cursor: int = 0) -> Source:
    """Batches for a network, from a cursor on."""
    heads = network.architecture.heads
    outputs = ("planes", "globals", *dict.fromkeys(name for head in heads for name in OUTPUTS_OF[head]))
    outputs += ("root_value",) if full.value_target else ()
    sampler = Sampler(positions.learned, full.training.seed, full.data.symmetries)
    return Batches(
        positions.games,
        sampler,
        full.training.batch,
        network.architecture.feature_set,
        outputs,
        cursor=cursor,
        threads=full.threads,
    )


def measured_losses(
    network: Network, positions: Positions, full: SupervisedSettings, device: torch.device | None = None
) -> dict[str, float]:
    """`FEATURES` of a network, and what else was measured."""
    bf16 = learns_in_bf16(full.training.precision, device or torch.device("cpu"))
    found = measure(network, positions.games, positions.measured, device=device, bf16=bf16, threads=full.threads)
    return found.summary()


def short_training(training: TrainingSettings, steps: int) -> TrainingSettings:
    """Training in full, cut down to so many steps: its rate falls to 0 within them."""
    schedule = training.schedule
    warmup = min(schedule.warmup, steps // 10)
    return training.model_copy(
        update={
            "steps": steps,
            "schedule": schedule.model_copy(update={"warmup": warmup}),
            "evaluate_steps": 0,
            "checkpoint_minutes": 1e6,
        }
    )


def learn_briefly(architecture: Residual, settings: GoNasSettings, steps: int, device: str = "cpu") -> dict[str, float]:
    """`FEATURES` of a network after so many steps.

    The same architecture gives the same numbers: weights, examples and their order are the settings', not a search's.

    Raises:
        Diverged: the network's weights are no numbers any more. TrainingError: the disk, and the like.
        GameDataError: as `positions_of`.
    """
    full, positions = settings.full, positions_of(settings)
    network: Any = build(architecture, full.training.seed)
    shut_inputs(network, positions.settled)
    found: dict[str, float] = {}

    def evaluate(one: Network) -> dict[str, float]:
        found.update(measured_losses(one, positions, full, torch.device(device)))
        return found

    with tempfile.TemporaryDirectory(prefix="alphago-nas-") as folder:
        trainer = Trainer(
            Path(folder),
            network,
            short_training(full.training, steps),
            Place(0, 1, torch.device(device)),
            open_source=lambda cursor: open_source(positions, full, network, cursor),
            loss_of=lambda out, target: losses(out, target, full.loss, full.value_target),
            evaluate=evaluate,
        )
        try:
            trainer.train()
        except TrainingError as error:
            if all(bool(parameter.isfinite().all()) for parameter in network.parameters()):
                raise
            raise Diverged(str(error)) from None
    return found
