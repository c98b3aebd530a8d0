"""Anchors: networks of the space that are trained in full and play one another, so that there is a strength to foretell.

OUT/run.json              the settings
OUT/networks/NAME/        training in full: a run of supervised learning, its network
OUT/latencies.jsonl       milliseconds, measured once
OUT/matches/              pairings at equal visits: their ratings are the anchors' Elo
OUT/doubling/NAME/        an anchor against itself with twice the visits: kappa, Elo for a doubling
OUT/anchors.json          what it all came to
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from alphago.arena.game import GameRecord
from alphago.arena.journal import read_journal
from alphago.arena.ladder import play_pairings, read_pairings, schedule
from alphago.arena.match import Match, match_settings, play_stored
from alphago.arena.ratings import bradley_terry
from alphago.arena.sides import Side, parse_side
from alphago.arena.stats import PairResults, elo_of
from alphago.arena.summary import Summary
from alphago.controller.go.elo import Judged, judge
from alphago.controller.go.latency import Latencies, machine
from alphago.controller.go.learning import FEATURES, positions_of
from alphago.controller.go.networks import architecture_of, canonical, multiply_adds_of
from alphago.controller.go.settings import GoNasSettings
from alphago.controller.nas.space import SpaceError
from alphago.errors import AlphaGoError
from alphago.files import write_atomically
from alphago.nets.architecture import Residual
from alphago.nets.modules import build
from alphago.nets.store import load_network, network_hash
from alphago.train.distributed import Place
from alphago.train.folders import begin_folder
from alphago.train.loop import Watcher
from alphago.train.supervised import METRICS, NETWORK, begin, finish, prepare

STAGE: Final = "nas anchors"
FILE: Final = "anchors.json"
FORMAT: Final = 1
HAND_MADE: Final = "hand"
_POOL: Final = 64
"""Drawn architectures for each anchor that is chosen."""


class AnchorError(AlphaGoError):
    """Anchors that are not there, not finished, or of other settings; the message says which."""


@dataclass(frozen=True)
class Anchor:
    """A network that is to be trained and to play."""

    name: str
    architecture: Residual
    mflop: float


def choose_anchors(settings: GoNasSettings) -> list[Anchor]:
    """The hand-made network and others out of the space, evenly spread over their cost, cheapest first.

    The same settings choose the same. Raises SpaceError: the space holds too few.
    """
    space, count = settings.space(), settings.anchors.count - 1
    random = np.random.default_rng(settings.anchors.seed)
    found: dict[str, Residual] = {}
    for _ in range(_POOL * count):
        architecture = architecture_of(space.value(space.draw(random)), settings.reference)
        found.setdefault(architecture.model_dump_json(), architecture)
    found.pop(canonical(settings.reference).model_dump_json(), None)
    if len(found) < count:
        raise SpaceError(f"the space holds {len(found) + 1} networks or few more, {count + 1} anchors are asked for")
    ordered = sorted(found.values(), key=lambda a: (multiply_adds_of(a, settings.size), a.model_dump_json()))
    chosen = [ordered[int(i)] for i in np.linspace(0, len(ordered) - 1, count)]
    anchors = [Anchor(f"n{i + 1:02d}", a, _mflop(a, settings.size)) for i, a in enumerate(chosen)]
    anchors.append(Anchor(HAND_MADE, settings.reference, _mflop(settings.reference, settings.size)))
    return sorted(anchors, key=lambda anchor: anchor.mflop)


def _mflop(architecture: Residual, size: int) -> float:
    return 2e-6 * multiply_adds_of(architecture, size)


def begin_anchors(folder: Path, settings: GoNasSettings, *, resume: bool) -> list[Anchor]:
    """Make the folder, or find that the one that is there is of these settings, but for how many games are played: more may be
    asked for later. Raises TrainingError, SpaceError, GameDataError."""
    anchors = choose_anchors(settings)
    games = positions_of(settings).digest  # what is wrong with the games is said before there is a folder
    begin_folder(folder, {"stage": STAGE, "settings": settings.of_networks(), "games": games}, resume=resume)
    return anchors


# --- training ---------------------------------------------------------------------------------------------------------------


def network_of(folder: Path, name: str) -> Path:
    """The file of an anchor's network."""
    return folder / "networks" / name / NETWORK


def is_trained(folder: Path, anchor: Anchor) -> bool:
    """Whether an anchor's network is there."""
    run = network_of(folder, anchor.name).parent
    return (run / NETWORK).exists() and (run / METRICS).exists()


def train_anchor(
    folder: Path,
    anchor: Anchor,
    settings: GoNasSettings,
    *,
    watcher: Watcher | None = None,
    device: str = "cpu",
    stopping: Callable[[Callable[[], None]], None] | None = None,
) -> bool:
    """Train an anchor in full, from its last checkpoint where there is one. False: it was stopped.

    Args:
        stopping: is handed what stops the training.

    Raises:
        TrainingError, GameDataError: as of supervised learning.
    """
    if is_trained(folder, anchor):
        return True
    run = network_of(folder, anchor.name).parent
    full = settings.full.model_copy(update={"network": anchor.architecture})
    task = prepare(full, run, Place(0, 1, torch.device(device)), watcher)
    begin(run, task, resume=run.exists())
    if stopping is not None:
        stopping(task.trainer.stop)
    if not task.trainer.train():
        return False
    finish(run, task)
    return True


# --- matches ----------------------------------------------------------------------------------------------------------------


def sides_of(folder: Path, anchors: Sequence[Anchor], settings: GoNasSettings) -> list[Side]:
    """The anchors as sides of matches, in the precision in which latencies are measured."""
    options = _options(settings)
    text = "@max" if not options else f"@max:{options}"
    return [parse_side(f"{anchor.name}={network_of(folder, anchor.name)}{text}") for anchor in anchors]


def _options(settings: GoNasSettings) -> str:
    precision = settings.latency.precision
    return "" if precision == "auto" else f"precision={precision}"


def play_anchors(
    folder: Path,
    anchors: Sequence[Anchor],
    settings: GoNasSettings,
    *,
    parallel: int | None = None,
    threads: int | None = None,
    on_match: Callable[[str, int, int], None] | None = None,
    on_game: Callable[[Summary], None] | None = None,
) -> None:
    """Play what is missing: the pairings at equal visits, then anchors against themselves at twice the visits.

    Args:
        on_match: told what a match is, its number from 1, and how many there are.
        on_game: told what a match has come to, after every game.

    Raises:
        MatchError, JournalError: as of the arena. KeyboardInterrupt: Ctrl-C; what has ended is stored.
    """
    a = settings.anchors

    def met(match: Match, number: int, total: int) -> None:
        if on_match is not None:
            on_match(f"{match.names[0]} against {match.names[1]}", number, total)

    def played(_match: Any, _game: GameRecord, summary: Summary) -> None:
        if on_game is not None:
            on_game(summary)

    play_pairings(
        schedule(sides_of(folder, anchors, settings), a.neighbours),
        folder / "matches",
        a.games,
        parallel=parallel,
        threads=threads,
        on_match=met,
        on_game=played,
        size=settings.size,
        komi=a.komi,
        simulations=a.simulations,
        seed=a.seed,
        resign=False,
    )
    chosen = doubled(anchors, settings)
    for number, anchor in enumerate(chosen, 1):
        file, more = network_of(folder, anchor.name), f",{_options(settings)}".rstrip(",")
        match = Match(
            match_settings(
                a=f"{anchor.name}-twice={file}@max:simulations={2 * a.simulations}{more}",
                b=f"{anchor.name}={file}@max:simulations={a.simulations}{more}",
                size=settings.size,
                komi=a.komi,
                seed=a.seed,
                resign=False,
            ),
            parallel=parallel,
            threads=threads,
        )
        if on_match is not None:
            on_match(f"{anchor.name} against itself with twice the visits", number, len(chosen))
        play_stored(
            match,
            folder / "doubling" / anchor.name,
            a.doubling_games,
            resume=True,
            on_game=lambda game, summary: played(None, game, summary),
        )


def doubled(anchors: Sequence[Anchor], settings: GoNasSettings) -> list[Anchor]:
    """The anchors whose doublings are played: evenly spread over their cost."""
    places = np.linspace(0, len(anchors) - 1, settings.anchors.doubling).round().astype(int)
    return [anchors[int(i)] for i in places]


# --- what it came to ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Kappa:
    """Elo for a doubling of visits."""

    elo: float
    low: float
    high: float
    """The 95 % interval's ends."""
    pairs: int


def kappa_of(pairs: Sequence[PairResults]) -> Kappa:
    """From matches of engines against themselves with twice the visits.

    One drawn pair that was never played is added, so that a clean sweep has a number. Raises AnchorError: no pairs.
    """
    shares = [share for found in pairs for share, count in found.counts().items() for _ in range(count)]
    if not shares:
        raise AnchorError("no pair of games of an anchor against itself has ended")
    pooled = PairResults(shares)
    _, low, high = pooled.elo()
    return Kappa(elo_of((sum(shares) + 0.5) / (len(shares) + 1)), low, high, len(shares))


def finish_anchors(folder: Path, anchors: Sequence[Anchor], settings: GoNasSettings) -> dict[str, Any]:
    """Rate, measure and fit; write and return what `anchors.json` holds.

    Raises:
        AnchorError: a network is missing. RatingError: too few games.
    """
    latencies = Latencies(settings.reference, settings.size, settings.latency, folder)
    ratings = {one.name: one for one in bradley_terry(read_pairings([folder / "matches"])).ratings}
    kappa = kappa_of([_doubling(folder, anchor, settings) for anchor in doubled(anchors, settings)])
    rows = []
    for anchor in anchors:
        rating = ratings.get(anchor.name)
        if rating is None:
            raise AnchorError(f"{folder}: {anchor.name} has played no games")
        file = network_of(folder, anchor.name)
        network, _ = load_network(file)
        if network.architecture != anchor.architecture:
            raise AnchorError(f"{file}: is of another architecture than {anchor.name}")
        metrics = json.loads((file.parent / METRICS).read_text(encoding="utf-8"))
        rows.append(
            {
                "name": anchor.name,
                "architecture": anchor.architecture.model_dump(),
                "file": str(file.relative_to(folder)),
                "hash": network_hash(network),
                "mflop": round(anchor.mflop, 3),
                "parameters": sum(p.numel() for p in build(anchor.architecture).parameters()),
                "latency_ms": latencies.of(anchor.architecture),
                "elo": rating.elo,
                "error": rating.error,
                "games": rating.games,
                "minutes": round(float(metrics["seconds"]) / 60, 2),
                **{name: float(metrics[name]) for name in FEATURES},
            }
        )
    elo, cost = (np.array([row[name] for row in rows]) for name in ("elo", "mflop"))
    judged = judge("full", FEATURES, (-1, -1), _matrix(rows), elo, cost=cost)
    found = {
        "format": FORMAT,
        "settings": settings.model_dump(mode="json"),
        "machine": machine(settings.latency),
        "reference_ms": latencies.reference_ms,
        "kappa": {"elo": kappa.elo, "low": _finite(kappa.low), "high": _finite(kappa.high), "pairs": kappa.pairs},
        "full": judged.to_dict(),
        "networks": rows,
    }
    write_atomically(folder / FILE, (json.dumps(found, indent=1) + "\n").encode(), AnchorError)
    return found


def _matrix(rows: Sequence[Mapping[str, Any]]) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.array([[row[name] for name in FEATURES] for row in rows], dtype=np.float64)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _doubling(folder: Path, anchor: Anchor, settings: GoNasSettings) -> PairResults:
    place = folder / "doubling" / anchor.name
    return Summary.of((f"{anchor.name}-twice", anchor.name), read_journal(place)).pairs


@dataclass(frozen=True)
class Anchors:
    """Finished anchors, read back."""

    folder: Path
    settings: GoNasSettings
    machine: dict[str, Any]
    """That latencies were measured on."""
    reference_ms: float
    """Of the hand-made network there."""
    kappa: float
    kappa_low: float | None
    """The lower end of its 95 % interval."""
    full: Judged
    networks: list[dict[str, Any]]

    @property
    def reference_ms_here(self) -> float | None:
        """The hand-made network's milliseconds, if they were measured on this very machine."""
        return self.reference_ms if self.machine == machine(self.settings.latency) else None

    def architecture(self, row: Mapping[str, Any]) -> Residual:
        """Of one of `networks`."""
        return Residual.model_validate(row["architecture"])


def read_anchors(folder: Path) -> Anchors:
    """The anchors of a folder. Raises AnchorError."""
    path = folder / FILE
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(found, dict) or found.get("format") != FORMAT:
            raise AnchorError(f"{path}: no anchors of format {FORMAT}")
        return Anchors(
            folder,
            GoNasSettings.model_validate(found["settings"]),
            dict(found["machine"]),
            float(found["reference_ms"]),
            float(found["kappa"]["elo"]),
            None if found["kappa"]["low"] is None else float(found["kappa"]["low"]),
            Judged.from_dict(found["full"]),
            list(found["networks"]),
        )
    except FileNotFoundError:
        raise AnchorError(f"{folder}: no finished anchors in it (expected {FILE}): run alphago nas anchors") from None
    except OSError as error:
        raise AnchorError(f"{path}: {error.strerror or error}") from None
    except AnchorError:
        raise
    except (ValueError, KeyError, TypeError) as error:
        raise AnchorError(f"{path}: damaged: {str(error).splitlines()[0]}") from None
