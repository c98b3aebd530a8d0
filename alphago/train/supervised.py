"""Supervised learning from games: a policy (and value, ownership, score) network that predicts what was played."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
import pydantic
import torch
from numpy.typing import NDArray

from alphago.data.batches import Batches, Sampler, make_batch
from alphago.data.embedded import resolve
from alphago.data.game_set import Games, load_games
from alphago.files import write_atomically
from alphago.nets.architecture import Architecture, Residual
from alphago.nets.modules import Network, build
from alphago.nets.runtimes import learns_in_bf16
from alphago.nets.shut_inputs import YES_OR_NO, shut_inputs
from alphago.nets.store import load_network, network_hash, save_network
from alphago.train.distributed import Place, any_of
from alphago.train.folders import begin_folder
from alphago.train.loop import Source, Trainer, TrainingSettings, Watcher
from alphago.train.losses import OUTPUTS_OF, LossWeights, losses
from alphago.train.metrics import measure
from alphago.train.optim import TrainingError

NETWORK: Final = "network.safetensors"
METRICS: Final = "metrics.json"


class DataSettings(pydantic.BaseModel, extra="forbid", frozen=True):
    """Which games are learned from."""

    stores: Annotated[tuple[str, ...], pydantic.Field(min_length=1)] = ("default",)
    """Files and folders of games; "default" is the one that ships."""
    sizes: tuple[int, ...] = ()
    """Board sizes to take; empty: all."""
    limit: Annotated[int | None, pydantic.Field(ge=1)] = None
    held_out: Annotated[float, pydantic.Field(gt=0, lt=1)] = 0.05
    """Share of the games that is never learned from."""
    split_seed: int = 0
    measured: Annotated[int, pydantic.Field(ge=1)] = 20_000
    """Held-out positions that a measurement looks at, at most, evenly spread."""
    chosen_by: Annotated[tuple[str, ...], pydantic.Field(min_length=1)] = ("human", "policy", "search")
    visits: bool = True
    """Whether a search's visits are the policy's target where there are any; else the move played."""
    symmetries: bool = True

    def load(self) -> Games:
        """The games. Raises GameDataError."""
        return load_games(
            [resolve(store) for store in self.stores],
            sizes=self.sizes,
            chosen_by=self.chosen_by,
            limit=self.limit,
            visits=self.visits,
        )


class SupervisedSettings(pydantic.BaseModel, extra="forbid", frozen=True):
    """A whole run."""

    data: DataSettings = DataSettings()
    network: Architecture = Residual(blocks=4, channels=64)
    start_from: str | None = None
    """A network file to go on training, in place of a fresh `network`."""
    training: TrainingSettings = TrainingSettings()
    loss: LossWeights = LossWeights()
    value_target: Annotated[float, pydantic.Field(ge=0, le=1)] = 0.0
    """Share of searches' root values in the target of the outcome."""
    threads: Annotated[int, pydantic.Field(ge=1, le=256, description="that make batches")] = 1


@dataclass
class Task:
    """A run that is ready: its data, its network, its trainer."""

    settings: SupervisedSettings
    games: Games
    learned: NDArray[np.int64]
    held_out: NDArray[np.int64]
    trainer: Trainer
    provenance: dict[str, Any]
    """What its network files say of where the weights come from."""
    stage: str = "supervised"
    notes: dict[str, Any] = field(default_factory=dict)
    """More for the network's provenance."""


def prepare(
    settings: SupervisedSettings,
    run: Path,
    place: Place,
    watcher: Watcher | None = None,
    *,
    teach: Callable[[Batches], Source] | None = None,
    examples: Callable[[Games, NDArray[np.bool_], bool], NDArray[np.int64]] | None = None,
    begin_with: Callable[[Network], Network] | None = None,
    measure_learned: bool = False,
    stage: str = "supervised",
) -> Task:
    """Load the games, split them, build the network and its trainer.

    Args:
        teach: puts other targets in the place of the games'.
        examples: positions of the games of one side of the split (and whether it is the held-out side); None: all there are.
        begin_with: the network that is trained, made of the one in `start_from`; None: that one.
        measure_learned: measure on positions that were learned from too: "learned_..." among the metrics; and with either outcome
            error half the width of its 95 % interval: "outcome_mse_error".
        stage: name of the stage in the run's manifest.

    Raises:
        GameDataError: a store that cannot be read, or holds nothing to learn from.
        NetworkError: `start_from` is no network.
        TrainingError: network and boards do not fit.
    """
    data = settings.data
    games = data.load()
    learned, held_out = (
        games.examples(side) if examples is None else examples(games, side, is_held_out)
        for is_held_out in (False, True)
        for side in (games.side_of_split(data.held_out, data.split_seed, held_out=is_held_out),)
    )
    network = _network(settings, begin_with)
    smallest, largest = network.architecture.sizes
    for size in np.unique(games.sizes).tolist():
        if not smallest <= size <= largest:
            raise TrainingError(f"{games.where}: holds {size}x{size} games; the network plays {smallest} to {largest}")
    if games.is_mixed and not isinstance(network.architecture, Residual):
        raise TrainingError(f"{games.where}: holds boards of several sizes, which this kind of network cannot mix")
    settled = settled_globals(games, learned, YES_OR_NO)
    shut_inputs(network, settled)
    made = provenance(settings, games, len(learned), settled, stage)
    heads = network.architecture.heads
    outputs = ("planes", "globals", *dict.fromkeys(name for head in heads for name in OUTPUTS_OF[head]))
    outputs += ("root_value",) if settings.value_target else ()
    outputs += ("mask",) if games.is_mixed else ()
    sampler = Sampler(learned, settings.training.seed, data.symmetries)
    measured = spread(held_out, data.measured)

    def open_source(cursor: int) -> Source:
        batches = Batches(
            games, sampler, settings.training.batch, network.architecture.feature_set, outputs,
            rank=place.rank, world=place.world, cursor=cursor, threads=settings.threads,
        )  # fmt: skip
        return batches if teach is None else teach(batches)

    def measure_on(one: Network, positions: NDArray[np.int64]) -> dict[str, float]:
        bf16 = learns_in_bf16(settings.training.precision, place.device)
        found = measure(one, games, positions, device=place.device, bf16=bf16, threads=settings.threads)
        return found.summary() | ({"outcome_mse_error": found.outcome_mse_error} if measure_learned else {})

    def evaluate(one: Network) -> dict[str, float]:
        found = measure_on(one, measured)
        if measure_learned:
            more = measure_on(one, spread(learned, data.measured))
            found |= {f"learned_{name}": value for name, value in more.items()}
        return found

    trainer = Trainer(
        run,
        network,
        settings.training,
        place,
        open_source=open_source,
        loss_of=lambda out, target: losses(out, target, settings.loss, settings.value_target),
        evaluate=evaluate,
        watcher=watcher,
        provenance=made,
    )
    return Task(settings, games, learned, held_out, trainer, made, stage)


def spread(positions: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    """At most so many of the positions, evenly spread and always the same."""
    if len(positions) <= most:
        return positions
    return positions[np.linspace(0, len(positions) - 1, most).astype(np.int64)]


def settled_globals(
    games: Games, positions: NDArray[np.int64], places: Iterable[int], *, most: int = 20_000, share: float = 0.005
) -> dict[int, float]:
    """Which of the globals at `places` hardly ever differ, and the value that they have.

    Args:
        positions: to learn from; at most so many of them, evenly spread, are looked at.
        share: of the positions; where fewer have another value than most, too few do to learn from.

    Raises:
        GameDataError: a game that cannot be replayed.
    """
    seen = spread(positions, most)
    found = make_batch(games, seen, None, "rich", ("globals",))["globals"]
    settled: dict[int, float] = {}
    for place in places:
        values, counts = np.unique(found[:, place], return_counts=True)
        if len(seen) - counts.max() < share * len(seen):
            settled[place] = float(values[counts.argmax()])
    return settled


def provenance(
    settings: SupervisedSettings, games: Games, positions: int, settled: dict[int, float], stage: str
) -> dict[str, Any]:
    """What a network file says of where its weights come from; `settled`: the globals that were shut, and their values."""
    return {
        "made_by": f"alphago train {stage}",
        "settings": settings.model_dump(mode="json"),
        "games": len(games.keys),
        "positions": positions,
        "games_hash": games_hash(games),
        "shut_inputs": {YES_OR_NO[place]: value for place, value in settled.items()},
    }


def games_hash(games: Games) -> str:
    """16 hexadecimal digits that stand for which games there are, in which order."""
    return hashlib.sha256(b"".join(games.keys)).hexdigest()[:16]


def _network(settings: SupervisedSettings, begin_with: Callable[[Network], Network] | None) -> Network:
    if settings.start_from is not None:
        start = load_network(settings.start_from)[0]
        return start if begin_with is None else begin_with(start)
    return build(settings.network, settings.training.seed)


# --- a run's folder ---------------------------------------------------------------------------------------------------------


def begin(run: Path, task: Task, *, resume: bool) -> bool:
    """Make the run's folder, or find that the one that is there is of this very run; True when it goes on from a checkpoint.

    Raises:
        TrainingError: the folder holds another run, or a run and `resume` is off.
    """
    wanted = {
        "stage": task.stage,
        "settings": task.settings.model_dump(mode="json"),
        "games": games_hash(task.games),
        **task.notes,
    }
    place = task.trainer.place
    problem: TrainingError | None = None
    if place.is_first:
        try:
            begin_folder(run, wanted, resume=resume)
        except TrainingError as error:
            problem = error
    if any_of(problem is not None, place):  # the folder is settled before any process looks for a checkpoint in it
        raise problem or TrainingError(f"{run}: the first process cannot begin the run")
    return task.trainer.resume()


def finish(run: Path, task: Task) -> Path:
    """Write the trained network (averaged weights where there are any) and its metrics; its file."""
    trainer, out = task.trainer, run / NETWORK
    progress = trainer.progress
    with trainer.averaged():
        made = {
            **task.provenance,
            **task.notes,
            "steps": progress.step,
            "minutes": round(progress.seconds / 60, 1),
            "metrics": progress.metrics,
            "torch": torch.__version__,
        }
        save_network(out, trainer.network, made)
        digest = network_hash(trainer.network)
    text = json.dumps(
        {"steps": progress.step, "seconds": progress.seconds, "hash": digest, **progress.metrics}, indent=1
    )
    write_atomically(run / METRICS, text.encode(), TrainingError)
    return out
