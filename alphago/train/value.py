"""The value network: regression of the outcome from positions of games (Nature 529, Methods, "Training the value network")."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Final, Literal

import numpy as np
import pydantic
from numpy.typing import NDArray

from alphago.data.game_set import Games
from alphago.data.games import GameDataError
from alphago.nets.architecture import AlphaGoPolicy, AlphaGoValue, Architecture, Residual
from alphago.nets.modules import Network, build
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

    @pydantic.model_validator(mode="before")
    @classmethod
    def _regression(cls, values: Any) -> Any:
        """A configuration that says something of the loss, but not which, means AlphaGo's."""
        if isinstance(values, dict) and isinstance(values.get("loss"), dict):
            return {**values, "loss": {"outcome": 1.0, "outcome_as": "mse", **values["loss"]}}
        return values


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


def value_architecture(policy: Residual | AlphaGoPolicy | AlphaGoValue) -> Residual | AlphaGoValue:
    """The value network that goes with a policy network: the same tower, and the outcome alone."""
    if isinstance(policy, Residual):
        return policy.model_copy(
            update={"policy": False, "outcome": True, "ownership": False, "score": False, "reply": False}
        )
    if isinstance(policy, AlphaGoPolicy):  # the paper's: as many convolutions, then 256 units (Nature 529, Methods)
        return AlphaGoValue(layers=max(3, policy.layers), channels=policy.channels, size=policy.size)
    raise TrainingError("a value network is no policy network")


def value_start(network: Network) -> Network:
    """The value network that begins with a policy network's tower, and with its outcome head where it has one.

    A network without a policy is gone on with as it is.

    Raises:
        TrainingError: a policy network of a kind whose tower is not the value network's.
    """
    architecture = network.architecture
    if "policy" not in architecture.heads:
        return network
    if not isinstance(architecture, Residual):
        raise TrainingError(f"a value network cannot begin with a network of kind {architecture.kind}: start afresh")
    found = build(value_architecture(architecture))
    wanted, known = found.state_dict(), network.state_dict()
    found.load_state_dict({name: known.get(name, tensor) for name, tensor in wanted.items()})
    return found.eval()


def prepare_value(settings: ValueSettings, run: Path, place: Place, watcher: Watcher | None = None) -> Task:
    """As `alphago.train.supervised.prepare`; the network is measured on what it has learned from too.

    A policy network in `start_from` gives its tower and outcome head.

    Raises:
        TrainingError: the network predicts no outcome, or none that the loss is of; `start_from` is of no fitting kind.
        GameDataError, NetworkError, TrainingError: as there.
    """
    task = prepare(
        settings,
        run,
        place,
        watcher,
        examples=lambda games, side, held_out: choose(settings, games, side, held_out),
        begin_with=value_start,
        measure_learned=True,
        stage=STAGE,
    )
    heads = task.trainer.network.architecture.heads
    if not {"outcome", "value"} & set(heads):
        raise TrainingError(f"the network predicts no outcome; its heads are {', '.join(heads)}")
    if "outcome" not in heads and settings.loss.outcome_as != "mse":
        raise TrainingError("the network gives one value, not win, draw and loss: loss.outcome_as must be mse")
    return task
