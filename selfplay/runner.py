"""Plays a run: a pool of games, refilled as they end, each journalled before it is counted."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from alphago import _core
from alphago.data.games import row_from_pool
from alphago.data.sgf import to_sgf
from alphago.go import BLACK, Board
from alphago.machine import peak_memory_mib
from alphago.nets.rollout import load_rollout_weights, weights_hash
from alphago.nets.shipped import DEFAULT, network_file, rollout_file
from alphago.search import drive
from alphago.seeds import game_seed
from selfplay.journal import Journal
from selfplay.progress import Progress, Rates, Scalars
from selfplay.settings import Machine, RunSettings, SelfPlayError
from selfplay.summary import Summary

if TYPE_CHECKING:
    from alphago.nets.evaluator import Evaluator

SHARD_GAMES: Final = 1000
SGF: Final = "sgf"
TENSORBOARD: Final = "tensorboard"


class Run:
    """Self-play of one run in one process.

    A run's games are indexed from 0; game i is a function of the settings and i alone. `play` plays those that the directory
    does not hold yet.
    """

    def __init__(self, settings: RunSettings, machine: Machine, evaluators: list[Evaluator] | None = None) -> None:
        """Args:
        evaluators: of the network file `settings.net`, one a worker thread; made here when None.
        """
        self.settings = settings
        self.machine = machine
        self.uses_network = network_file(settings.net, settings.size) is not None
        self.evaluators = (evaluators or make_evaluators(settings, machine)) if self.uses_network else []
        self.params = settings.search_params()
        self.unit = "evaluations" if self.uses_network else "rollouts"
        self.rates = Rates()
        self._pool = _core.SearchPool(
            size=settings.size,
            slots=machine.parallel,
            networks=[self.evaluators[0].feature_set] if self.evaluators else [],
            threads=machine.threads,
            memory_mib=machine.memory_mib,
            cache_mib=machine.cache_mib if self.uses_network else 0,
            weights=load_rollout_weights(),
        )
        has_policy, has_value = network_outputs(settings.net, settings.size)
        self._engine = _core.Engine(self.params.core(), 0 if has_policy else -1, 0 if has_value else -1)
        self._start_position = Board(settings.size, settings.rules, settings.komi)
        self._index_in: dict[int, int] = {}  # slot -> game that it plays

    @property
    def stats(self) -> dict[str, int]:
        """The pool's counters, since this process began."""
        return self._pool.stats()

    def play(
        self,
        games: int,
        directory: Path,
        progress: Progress,
        sgf: bool = False,
        on_locked: Callable[[], None] | None = None,
    ) -> Summary:
        """Play the games of 0..games-1 that the directory's journal has not, and sum up all that it has then.

        Args:
            on_locked: called once the journal is open, so that no other process plays this run.

        Raises:
            KeyboardInterrupt: after what has ended is journalled; games in flight are given up.
        """
        summary = Summary(self.params.resign_threshold, self.params.resign_min_turn)
        with (
            contextlib.closing(Journal(directory, shard_games=SHARD_GAMES)) as journal,
            Scalars(directory / TENSORBOARD) as scalars,
        ):
            if on_locked is not None:
                on_locked()
            for row in journal.rows():
                summary.add(row)
                if sgf:
                    write_sgf(directory, row)
            missing = (index for index in range(games) if index not in journal.done)
            if sum(index < games for index in journal.done) == games:
                return summary

            def take_finished() -> None:
                for record in self._pool.finished():
                    row = self._row(record, self._index_in.pop(record["slot"]))
                    journal.append(row)  # first on disk, then counted
                    summary.add(row)
                    if sgf:
                        write_sgf(directory, row)

            def on_progress() -> None:
                take_finished()
                self._fill(missing)
                self.rates.update(self.stats)
                progress.show(summary.games, games, self.rates, self.unit)
                if scalars.due() or not self._index_in:
                    scalars.write(summary.games, self._scalars(summary))

            with progress:
                try:
                    drive(self._pool, [[e] for e in self.evaluators], on_progress, lambda: not self._index_in)
                finally:
                    take_finished()  # what ended between the last look and Ctrl-C or an error
        return summary

    def session_lines(self) -> list[tuple[str, str]]:
        """What this process has done, for people."""
        stats = self.stats
        if not stats["games"]:
            return []
        names = dict.fromkeys(("games", "simulations", self.unit))
        speed = ", ".join(f"{self.rates.overall(name):,.{2 if name == 'games' else 0}f} {name}/s" for name in names)
        found = [("speed", f"{speed}, {self.rates.seconds:.1f} s")]
        if stats["cache_lookups"]:
            share = 100 * stats["cache_hits"] / stats["cache_lookups"]
            found.append(("cache hits", f"{stats['cache_hits']:,} of {stats['cache_lookups']:,} ({share:.1f} %)"))
        return [*found, ("peak memory", f"{peak_memory_mib():,.0f} MiB")]

    def _fill(self, missing: Iterator[int]) -> None:
        for slot in range(self.machine.parallel):
            if slot in self._index_in:
                continue
            index = next(missing, None)
            if index is None:
                return
            seed = game_seed(self.settings.seed, index)
            self._pool.start(
                slot, seed, [self._engine], self._start_position, autoplay=True, max_moves=self.settings.max_moves
            )
            self._index_in[slot] = index

    def _row(self, record: Mapping[str, Any], index: int) -> Any:
        return row_from_pool(
            record,
            game_id=f"{self.settings.run_id}-{index}",
            index=index,
            rules=self._start_position,
            source="selfplay",
            networks=[self.settings.network],
        )

    def _scalars(self, summary: Summary) -> dict[str, float]:
        stats, rates, games = self.stats, self.rates, max(1, summary.games)
        values = {
            "games/black_wins": summary.winners[BLACK] / games,
            "games/draws": summary.winners[0] / games,
            "games/mean_length": summary.mean_length(),
            "games/resigned": summary.endings["resign"] / games,
            "speed/games_per_second": rates.lately("games"),
            "speed/simulations_per_second": rates.lately("simulations"),
            f"speed/{self.unit}_per_second": rates.lately(self.unit),
            "memory/trees_mib": stats["tree_bytes"] / 2**20,
        }
        if stats["cache_lookups"]:
            values["speed/cache_hit_share"] = stats["cache_hits"] / stats["cache_lookups"]
        return values


def network_outputs(net: str, size: int) -> tuple[bool, bool]:
    """Whether a network gives a policy, and a value."""
    file = network_file(net, size)
    if file is None:
        return False, False
    from alphago.nets.store import load_network

    heads = load_network(file)[0].architecture.heads
    return "policy" in heads, "outcome" in heads or "value" in heads


def network_id(net: str, size: int) -> str:
    """Hash of the network, or of the rollout weights where there is none. Raises AlphaGoError."""
    file = network_file(net, size)
    if file is None:
        return f"rollout-{shipped_weights_hash()}"
    from alphago.nets.store import load_network, network_hash

    return network_hash(load_network(file)[0])


def shipped_weights_hash() -> str:
    """Hash of the rollout weights that ship with the package."""
    return weights_hash(rollout_file(DEFAULT))


def make_evaluators(settings: RunSettings, machine: Machine) -> list[Evaluator]:
    """One evaluator of the run's network a worker."""
    from alphago.nets.runtimes import make_evaluators as make

    file = network_file(settings.net, settings.size)
    assert file is not None
    return make(
        file,
        settings.size,
        machine.batch,
        runtime=machine.runtime,
        precision=machine.precision,
        workers=machine.workers,
        threads=machine.threads,
    )


def write_sgf(directory: Path, row: Mapping[str, Any]) -> None:
    """Write OUT/sgf/<index>.sgf unless it is there. Raises SelfPlayError."""
    path = directory / SGF / f"{row['index']:06d}.sgf"
    if path.exists():
        return
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(exist_ok=True)
        temporary.write_bytes(to_sgf(row))
        os.replace(temporary, path)
    except OSError as error:
        raise SelfPlayError(f"{path}: cannot be written: {error.strerror or error}") from None
