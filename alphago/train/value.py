"""The value network: regression of the outcome from positions of games (Nature 529, Methods, "Training the value network")."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final, Literal

import numpy as np
import pydantic
from numpy.typing import NDArray

from alphago.data.game_set import Games
from alphago.data.games import GameDataError
from alphago.nets.architecture import Architecture, Residual
from alphago.train.distributed import Place
from alphago.train.loop import Watcher
from alphago.train.losses import LossWeights
from alphago.train.optim import TrainingError
from alphago.train.supervised import DataSettings, SupervisedSettings, Task, prepare

STAGE: Final = "value"


class ValueSettings(SupervisedSettings, extra="forbid", frozen=True):
    """A whole run: what `alphago train supervised` knows, and which positions are learned from."""

    data: DataSettings = DataSettings(stores=("runs/value-data",))
    network: Architecture = Residual(blocks=4, channels=48, policy=False, ownership=False, score=False)
    loss: LossWeights = LossWeights(outcome=1.0, outcome_as="mse")
    examples: Annotated[
        Literal["one", "many"],
        pydantic.Field(
            description="one: the position after a game's random move alone, as AlphaGo; many: that and all that follow"
        ),
    ] = "one"
    positions: Annotated[
        int | None, pydantic.Field(ge=1, description="learn from so many positions at most, of the first games")
    ] = None


def choose(settings: ValueSettings, games: Games, side: NDArray[np.bool_], held_out: bool) -> NDArray[np.int64]:
    """Positions of the games of one side of the split. Those held out are always one a game: measurements compare.

    Raises:
        GameDataError: no game has a position after a random move.
    """
    begin, end = games.last_chance + 1, games.first[1:]
    which = np.flatnonzero(side & (games.last_chance >= 0) & (begin < end))
    if held_out or settings.examples == "one":
        found = begin[which]
    else:
        found = np.concatenate([np.arange(begin[game], end[game]) for game in which] or [np.zeros(0, np.int64)])
    if not held_out and settings.positions is not None:
        found = found[: settings.positions]
    if not len(found):
        raise GameDataError(f"{games.where}: no position after a random move: see `alphago make-value-data`")
    return found


def prepare_value(settings: ValueSettings, run: Path, place: Place, watcher: Watcher | None = None) -> Task:
    """As `alphago.train.supervised.prepare`; the network is measured on what it has learned from too.

    Raises:
        TrainingError: the network predicts no outcome.
        GameDataError, NetworkError, TrainingError: as there.
    """
    task = prepare(
        settings,
        run,
        place,
        watcher,
        examples=lambda games, side, held_out: choose(settings, games, side, held_out),
        measure_learned=True,
        stage=STAGE,
    )
    heads = task.trainer.network.architecture.heads
    if not {"outcome", "value"} & set(heads):
        raise TrainingError(f"the network predicts no outcome; its heads are {', '.join(heads)}")
    return task
