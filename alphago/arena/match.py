"""A match: pairs of games from shared openings with colours swapped, several at a time, kept on disk, stopped and gone on with.

Each worker thread has an engine of its own for either side and plays one game after the other; the calling thread keeps the
journal, looks at the test, and tells the progress. A game depends on the match's settings and its index; under a clock also on
how busy the machine is.
"""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Final

import pydantic

from alphago import _core, configs
from alphago.arena.client import EngineError
from alphago.arena.engines import Engine, EngineUnfit, make_engine, thinks_by_time
from alphago.arena.game import SCORINGS, GameRecord, play_game
from alphago.arena.journal import (
    GAMES,
    MANIFEST,
    PARQUET,
    SUMMARY,
    Journal,
    JournalError,
    only_begun,
    read_json,
    to_row,
    write_json,
    write_parquet,
    write_sgf,
)
from alphago.arena.limits import GRACE, Limits
from alphago.arena.openings import GENERATED, LONGEST, Openings
from alphago.arena.sides import Side, parse_sides
from alphago.arena.stats import Sprt
from alphago.arena.summary import Summary
from alphago.errors import AlphaGoError
from alphago.go import Rules
from alphago.machine import usable_threads
from alphago.seeds import GOLDEN, mix

FORMAT: Final = 1
RULES: Final = "chinese-ogs"
"""Area scoring, positional superko, no suicide: what most programs play by, and servers of computer Go."""
START_ATTEMPTS: Final = 3
"""An engine that fails so often in a row before its first move ends the match."""
_PAUSE_SECONDS: Final = 0.5
_TREES_MIB: Final = 2048.0


class MatchError(AlphaGoError):
    """A match that cannot be played or gone on with; the message says why."""


class MatchSettings(pydantic.BaseModel, extra="forbid", frozen=True):
    """What the games of a match depend on."""

    a: Annotated[str, pydantic.Field(description="the first side, as `parse_side` takes it")]
    b: str
    size: Annotated[int, pydantic.Field(ge=_core.MIN_SIZE, le=_core.MAX_SIZE)] = 9
    rules: str = RULES
    komi: Annotated[float | None, pydantic.Field(ge=-1000, le=1000, allow_inf_nan=False)] = None
    time: str | None = None
    grace: Annotated[float, pydantic.Field(ge=0, le=60)] = GRACE
    simulations: Annotated[int | None, pydantic.Field(ge=1, le=100_000_000)] = None
    seed: Annotated[int, pydantic.Field(ge=0, lt=2**63)] = 1
    openings: str = GENERATED
    opening_moves: Annotated[int, pydantic.Field(ge=1, le=200)] = LONGEST
    scoring: Annotated[str, pydantic.Field(pattern="|".join(SCORINGS))] = SCORINGS[0]
    max_moves: Annotated[int, pydantic.Field(ge=0, le=100_000, description="0: 2 * size * size")] = 0
    resign: Annotated[bool, pydantic.Field(description="whether our own bots may resign")] = True


def check_even(games: int) -> None:
    """Raises MatchError unless so many games make whole pairs."""
    if games < 2 or games % 2:
        raise MatchError(f"games come in pairs with colours swapped: expected an even number, got {games}")


def match_settings(**values: Any) -> MatchSettings:
    """Settings from values; None takes the default. Raises MatchError with one line."""
    try:
        return MatchSettings(**{key: value for key, value in values.items() if value is not None})
    except pydantic.ValidationError as error:
        raise MatchError(configs.describe(error, MatchSettings)) from None


def game_seed(seed: int, index: int, side: int) -> int:
    """Seed of a side's engine in a game: different for all three, 0 <= seed < 2^63."""
    return mix(seed * GOLDEN + (2 * index + side + 1) * 0xD1B54A32D192ED03) >> 1


class Match:
    """A match of two sides.

    Args:
        settings: of its games.
        parallel: games at a time; None: one under a clock, or where a bot thinks by time; else as many as there are processors.
        threads: of each bot of ours; None: the processors shared out among the games at a time.

    Raises:
        AlphaGoError: a side, ruleset, time or file of openings that cannot be; one line.
    """

    def __init__(self, settings: MatchSettings, *, parallel: int | None = None, threads: int | None = None) -> None:
        self.settings = settings
        self.sides: list[Side] = parse_sides([settings.a, settings.b])
        self.names = (self.sides[0].name, self.sides[1].name)
        self.rules = Rules.named(settings.rules)
        self.komi = self.rules.default_komi(settings.size) if settings.komi is None else settings.komi
        self.limits = Limits.parse(settings.time, settings.grace)
        cores = usable_threads()
        by_time = any(thinks_by_time(side, settings.simulations) for side in self.sides)
        self.parallel = parallel or (1 if self.limits.kind != "none" or by_time else cores)
        if not 1 <= self.parallel <= 1024:
            raise MatchError(f"games at a time must be 1 to 1024, got {self.parallel}")
        self.threads = threads or max(1, cores // self.parallel)
        self.openings = Openings(
            settings.size, self.rules, self.komi, settings.seed, settings.openings, settings.opening_moves
        )
        self._engines: list[Engine] = []
        self._failed_starts = [0, 0]
        self._lock = threading.Lock()
        self._stopping = threading.Event()

    # --- playing --------------------------------------------------------------------------------------------------------

    def play(
        self,
        games: int,
        journal: Journal | None = None,
        sprt: Sprt | None = None,
        on_game: Callable[[GameRecord, Summary], None] | None = None,
    ) -> Summary:
        """Play until `games` games are there, or the test has decided.

        Args:
            games: of the whole match, even; those of the journal included.
            journal: games played before, and where new ones go.
            on_game: called in this thread after every game.

        Returns:
            The summary of all games.

        Raises:
            MatchError: an odd number of games, or an engine that does not come up.
            KeyboardInterrupt: Ctrl-C; what has ended is stored.
        """
        check_even(games)
        done: dict[int, GameRecord] = dict(journal.games) if journal else {}
        summary = Summary.of(self.names, done)
        missing = [index for index in range(games) if index not in done]
        if not missing or (sprt is not None and sprt.verdict(summary.pairs)):
            return summary
        self.openings.get(missing[0] // 2)  # what is wrong with the openings is said before any engine starts
        jobs: queue.SimpleQueue[int] = queue.SimpleQueue()
        for index in missing:
            jobs.put(index)
        results: queue.SimpleQueue[GameRecord | BaseException] = queue.SimpleQueue()
        self._stopping.clear()
        workers = [
            threading.Thread(target=self._work, args=(jobs, results), name=f"match {i}", daemon=True)
            for i in range(min(self.parallel, len(missing)))
        ]
        for worker in workers:
            worker.start()
        try:
            for _ in missing:
                game = _next(results, workers)
                done[game.index] = game
                if journal is not None:
                    journal.append(game)
                    write_sgf(journal.directory, self.row(game))
                summary = Summary.of(self.names, done)
                if on_game is not None:
                    on_game(game, summary)
                if sprt is not None and sprt.verdict(summary.pairs):
                    break
        finally:
            self._end(workers)
        return summary

    def row(self, game: GameRecord) -> dict[str, Any]:
        """The game as a row of the table of games."""
        match = f"match {self.names[0]} vs {self.names[1]} seed {self.settings.seed}"
        return to_row(game, self.names, self.settings.size, self.rules, self.komi, match)

    def _work(self, jobs: queue.SimpleQueue[int], results: queue.SimpleQueue[GameRecord | BaseException]) -> None:
        engines: list[Engine] = []
        try:
            for side in self.sides:
                engine = make_engine(
                    side,
                    simulations=self.settings.simulations,
                    threads=self.threads,
                    memory_mib=max(32.0, min(512.0, _TREES_MIB / 2 / self.parallel)),
                    resign=self.settings.resign,
                )
                engines.append(engine)
                with self._lock:
                    self._engines.append(engine)
            while not self._stopping.is_set():
                try:
                    index = jobs.get_nowait()
                except queue.Empty:
                    return
                game = self._game(index, engines)
                if not self._stopping.is_set():
                    results.put(game)
        except BaseException as error:  # noqa: BLE001  # raised again in the thread that called play()
            if not self._stopping.is_set():
                results.put(error)
        finally:
            for engine in engines:
                with contextlib.suppress(EngineError):
                    engine.close()

    def _game(self, index: int, engines: list[Engine]) -> GameRecord:
        settings = self.settings
        opening = self.openings.get(index // 2)
        for number, engine in enumerate(engines):
            board = opening.board(settings.size, self.rules, self.komi)
            while True:
                try:
                    engine.start(board, self.limits, game_seed(settings.seed, index, number))
                    self._failed_starts[number] = 0
                    break
                except EngineUnfit as error:
                    raise MatchError(str(error)) from None
                except EngineError as error:
                    engine.drop()
                    self._failed_starts[number] += 1
                    if self._failed_starts[number] >= START_ATTEMPTS:
                        raise MatchError(f"the match ends, an engine does not come up: {error}") from None
                    if self._stopping.wait(_PAUSE_SECONDS):
                        raise
        return play_game(
            engines,
            opening.board(settings.size, self.rules, self.komi),
            index=index,
            limits=self.limits,
            max_moves=settings.max_moves or 2 * settings.size**2,
            scoring=settings.scoring,
            seed=game_seed(settings.seed, index, 0),
        )

    def _end(self, workers: list[threading.Thread]) -> None:
        """End the workers and their engines, in a second or two."""
        self._stopping.set()
        with self._lock:
            engines = list(self._engines)
            self._engines.clear()
        if any(worker.is_alive() for worker in workers):
            for engine in engines:
                engine.kill()
        for worker in workers:
            worker.join(10)


def _next(results: queue.SimpleQueue[GameRecord | BaseException], workers: list[threading.Thread]) -> GameRecord:
    """The next game; a worker's error is raised here. In short waits, so that Ctrl-C is heard."""
    while True:
        try:
            found = results.get(timeout=0.2)
        except queue.Empty:
            if not any(worker.is_alive() for worker in workers) and results.empty():
                raise MatchError("the match ends: its workers have") from None
            continue
        if isinstance(found, BaseException):
            raise found
        return found


# --- on disk --------------------------------------------------------------------------------------------------------------


def manifest_of(match: Match) -> dict[str, Any]:
    """What a match must still be to go on."""
    values = match.settings.model_dump()
    values["komi"] = match.komi
    return {
        "format": FORMAT,
        "names": list(match.names),
        "sides": [side.identity() for side in match.sides],
        "settings": values,
    }


def check_same(old: Mapping[str, Any], new: Mapping[str, Any], directory: Path) -> None:
    """Raises MatchError with the first thing in which a folder's match differs from the one that is asked for."""
    if old.get("format") != FORMAT or not isinstance(old.get("settings"), dict):
        raise MatchError(f"{directory / MANIFEST}: no match of format {FORMAT}")
    for key, value in new["settings"].items():
        if old["settings"].get(key) != value:
            raise MatchError(
                f"{directory} holds a match with other settings: {key} is {old['settings'].get(key)!r}, not {value!r}"
            )
    for was, side in zip(old.get("sides", ()), new["sides"], strict=False):
        if was != side:
            raise MatchError(f"{directory} holds a match of another engine: {was}, not {side}")


def old_settings(directory: Path) -> dict[str, Any] | None:
    """Settings of the match in a folder; None when there is none. Raises JournalError."""
    if not (directory / MANIFEST).exists():
        return None
    settings = read_json(directory / MANIFEST).get("settings")
    if not isinstance(settings, dict):
        raise JournalError(f"{directory / MANIFEST}: no settings in it")
    return settings


def play_stored(
    match: Match,
    directory: Path,
    games: int,
    *,
    resume: bool,
    sprt: Sprt | None = None,
    on_game: Callable[[GameRecord, Summary], None] | None = None,
) -> Summary:
    """Play a match that is kept in a folder (`alphago.arena.journal` says how).

    Args:
        resume: whether a match that is there may be gone on with.

    Raises:
        MatchError: the folder holds a match and `resume` is off, or another match, or something else.
        JournalError, GameDataError: it cannot be written.
        KeyboardInterrupt: Ctrl-C; what has ended is stored, Parquet and summary included.
    """
    check_even(games)
    path = directory / MANIFEST
    wanted = manifest_of(match)
    is_new = not path.exists()
    if not is_new:
        if not resume:
            raise MatchError(
                f"{directory} holds a match already: add --resume to go on with it, or choose another --out"
            )
        check_same(read_json(path), wanted, directory)
    elif directory.exists() and not only_begun(directory):
        raise MatchError(f"{directory} is not empty and holds no match ({MANIFEST}): choose another --out")
    with Journal(directory) as journal:
        if is_new:
            write_json(path, wanted)
        try:
            summary = match.play(games, journal, sprt, on_game)
        except AlphaGoError:
            if is_new and not journal.games:  # it could not be played at all
                journal.discard()
            else:
                _store(match, journal, sprt)
            raise
        except KeyboardInterrupt:
            _store(match, journal, sprt)
            raise
        _store(match, journal, sprt)
        return summary


def _store(match: Match, journal: Journal, sprt: Sprt | None) -> None:
    """Parquet and summary of what is there."""
    if journal.games:
        write_parquet(journal.directory / PARQUET, [match.row(game) for _, game in sorted(journal.games.items())])
    write_json(journal.directory / SUMMARY, Summary.of(match.names, journal.games).to_dict(sprt))


__all__ = [
    "GAMES",
    "RULES",
    "Match",
    "MatchError",
    "MatchSettings",
    "check_same",
    "game_seed",
    "manifest_of",
    "match_settings",
    "old_settings",
    "play_stored",
]
