"""Why a value network learns from one position a game: many positions a game are learned by heart (Nature 529, Methods).

The paper trained on all positions of games between people and found an error of 0.19 on those, 0.37 on others; on one position of
each of 30 million games of self-play 0.226 and 0.234. Here two networks are trained alike on equally many positions of the same
games, one a game and all after the random move of fewer games, and both are measured on one position of each game held out.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Literal

from alphago.data.embedded import resolve
from alphago.data.game_set import load_games
from alphago.nets.store import load_network
from alphago.train.distributed import Place
from alphago.train.loop import Watcher
from alphago.train.optim import TrainingError
from alphago.train.supervised import begin, finish, games_hash
from alphago.train.value import ValueSettings, prepare_value

ARMS: Final[tuple[Literal["one", "many"], ...]] = ("one", "many")
Stops = Callable[[Callable[[], None]], AbstractContextManager[Any]]
"""Makes a context in which Ctrl-C calls what it is given."""


@dataclass(frozen=True)
class Arm:
    """What came of one way of drawing positions. Errors are mean squares against +1, 0, -1."""

    examples: str
    positions: int
    """Learned from."""
    steps: int
    learned: float
    """Error on positions that were learned from."""
    held_out: float
    """Error on one position of each game held out."""
    learned_error: float
    """Half the width of its 95 % interval, as if positions did not depend on each other."""
    held_out_error: float
    """Likewise."""

    @property
    def gap(self) -> float:
        """Held-out less learned."""
        return self.held_out - self.learned

    @property
    def gap_error(self) -> float:
        """Half the width of the gap's 95 % interval."""
        return math.hypot(self.learned_error, self.held_out_error)


def read_arm(file: Path, examples: str) -> Arm:
    """What a network of `alphago train value` says of its training. Raises TrainingError, and NetworkError where it is none."""
    _, header = load_network(file)
    try:
        made = header["provenance"]
        metrics = made["metrics"]
        return _arm(examples, int(made["positions"]), int(made["steps"]), metrics)
    except (KeyError, TypeError, ValueError):
        raise TrainingError(
            f"{file}: does not hold the measurements that `alphago train value` leaves in a file"
        ) from None


def settings_of_network(file: Path) -> ValueSettings:
    """How a value network says it was trained. Raises TrainingError where it does not, NetworkError where it is none."""
    _, header = load_network(file)
    provenance = header.get("provenance")
    settings = provenance.get("settings") if isinstance(provenance, dict) else None
    try:
        return ValueSettings.model_validate(settings)
    except ValueError:
        raise TrainingError(
            f"{file}: does not say how it was trained, as files of `alphago train value` do; name a configuration: --config"
        ) from None


def own_arm(file: Path, games: str) -> Arm | None:
    """The arm that a value network is itself: it has learned from one position of each of these very games. None: it has not.

    Raises:
        TrainingError: it does not say how it was trained. NetworkError, GameDataError: no network, or no games.
    """
    settings = settings_of_network(file)
    if settings.examples != "one":
        return None
    data = settings.data
    there = load_games(
        [resolve(games)], sizes=data.sizes, chosen_by=data.chosen_by, limit=data.limit, visits=data.visits
    )
    if load_network(file)[1]["provenance"].get("games_hash") != games_hash(there):
        return None
    return read_arm(file, "one")


def train_arm(
    run: Path,
    settings: ValueSettings,
    examples: Literal["one", "many"],
    positions: int | None,
    place: Place,
    watcher: Watcher | None = None,
    stops: Stops = lambda stop: nullcontext(),
) -> Arm | None:
    """Train a network on positions drawn in one way, or go on with the run in its folder.

    Args:
        positions: learned from, at most; None: as the settings say.
        stops: a context in which Ctrl-C ends the run with a checkpoint.

    Returns:
        None: it was stopped.

    Raises:
        TrainingError: the folder holds another run, or there are fewer positions than asked for.
    """
    values: dict[str, Any] = {"examples": examples}
    if positions is not None:
        values["positions"] = positions
    task = prepare_value(settings.model_copy(update=values), run, place, watcher)
    if positions is not None and len(task.learned) < positions:
        raise TrainingError(
            f"{task.games.where}: {len(task.learned):,} positions drawn {examples} a game to learn from, fewer than {positions:,}"
        )
    begin(run, task, resume=True)
    with stops(task.trainer.stop):
        done = task.trainer.train()
    if not done:
        return None
    finish(run, task)
    progress = task.trainer.progress
    return _arm(examples, len(task.learned), progress.step, progress.metrics)


def _arm(examples: str, positions: int, steps: int, metrics: Mapping[str, float]) -> Arm:
    """Raises KeyError where something was not measured."""
    found = [
        float(metrics[name])
        for name in ("learned_outcome_mse", "outcome_mse", "learned_outcome_mse_error", "outcome_mse_error")
    ]
    return Arm(examples, positions, steps, *found)


def to_dict(arms: list[Arm]) -> list[dict[str, Any]]:
    """For JSON."""
    return [{**asdict(arm), "gap": round(arm.gap, 5), "gap_error": round(arm.gap_error, 5)} for arm in arms]
