"""A match on disk.

DIRECTORY/match.json      what the match is; a match goes on only as the same
DIRECTORY/lock            held by the one process that plays it
DIRECTORY/games.jsonl     one game a line, written the moment it ends: the truth
DIRECTORY/sgf/000012.sgf  the same game for people and programs
DIRECTORY/games.parquet   the same games in the schema of docs/data.md, written when a session ends
DIRECTORY/summary.json    the result so far, likewise
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from alphago.arena.game import FORFEITS, GameRecord
from alphago.errors import AlphaGoError
from alphago.files import write_atomically
from alphago.go import Board, Rules

MANIFEST: Final = "match.json"
GAMES: Final = "games.jsonl"
PARQUET: Final = "games.parquet"
SUMMARY: Final = "summary.json"
LOCK: Final = "lock"
SGF: Final = "sgf"


class JournalError(AlphaGoError):
    """A match's folder that cannot be used; the message names the file and says what is wrong."""


class Journal:
    """The finished games of one match. Not to be used from several threads at once. A context manager.

    A game that `append` has returned from survives the end of this process. A last line that a killed process left unfinished
    is dropped: that game is played again.

    Args:
        directory: made when absent.

    Raises:
        JournalError: another process plays this match, a line is damaged, or the folder cannot be written.
    """

    def __init__(self, directory: str | os.PathLike[str]) -> None:
        self.directory = Path(directory)
        self._path = self.directory / GAMES
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(self.directory / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise self._failed(error) from None
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._lock)
            raise JournalError(f"{self.directory}: another process is playing this match") from None
        try:
            self.games, length = _read(self._path)
            self._file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
            os.ftruncate(self._file, length)
            os.lseek(self._file, length, os.SEEK_SET)
        except OSError as error:
            os.close(self._lock)
            raise self._failed(error) from None
        except BaseException:
            os.close(self._lock)
            raise

    def append(self, game: GameRecord) -> None:
        """Store a game. Raises JournalError when its index is stored already, or the disk refuses."""
        if game.index in self.games:
            raise JournalError(f"{self._path}: game {game.index} is stored already")
        data = json.dumps(game.to_dict(), separators=(",", ":")).encode() + b"\n"
        end = os.lseek(self._file, 0, os.SEEK_CUR)
        try:
            rest = memoryview(data)
            while rest:
                rest = rest[os.write(self._file, rest) :]
        except OSError as error:
            os.ftruncate(self._file, end)
            os.lseek(self._file, end, os.SEEK_SET)
            raise self._failed(error) from None
        self.games[game.index] = game

    def discard(self) -> None:
        """Take a match away that has no games. Raises JournalError when it has."""
        if self.games:
            raise JournalError(f"{self.directory}: holds {len(self.games)} games")
        for name in (MANIFEST, GAMES, LOCK):
            (self.directory / name).unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # something else is in it
            self.directory.rmdir()

    def close(self) -> None:
        """Bring the games to the disk and let the folder go. Twice is fine."""
        if self._file >= 0:
            os.fsync(self._file)
            os.close(self._file)
            os.close(self._lock)
            self._file = -1

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _failed(self, error: OSError) -> JournalError:
        return JournalError(f"{error.filename or self.directory}: {error.strerror or error}")


def read_journal(directory: str | os.PathLike[str]) -> dict[int, GameRecord]:
    """The games of a match by index, without taking the match. Raises JournalError."""
    try:
        return _read(Path(directory) / GAMES)[0]
    except OSError as error:
        raise JournalError(f"{error.filename}: {error.strerror or error}") from None


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object. Raises JournalError."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise JournalError(f"{path}: {error.strerror or error}") from None
    except ValueError as error:
        raise JournalError(f"{path}: not JSON: {error}") from None
    if not isinstance(found, dict):
        raise JournalError(f"{path}: expected a JSON object")
    return found


def write_json(path: Path, values: Any) -> None:
    """A JSON file that appears whole or not at all. Raises JournalError where it cannot be written."""
    write_atomically(path, (json.dumps(values, indent=1) + "\n").encode(), JournalError)


def to_row(game: GameRecord, names: Sequence[str], size: int, rules: Rules, komi: float, match: str) -> dict[str, Any]:
    """The game as a row of the table of games (docs/data.md): the opening chosen by chance, the rest by a search.

    What an engine did wrong stands in `source`, after the match's name. `ownership` is the final one, dead stones lifted.
    """
    from alphago.data.games import RANDOM, SEARCH, no_search, validate

    empty = Board(size, rules, komi)
    n = len(game.moves)
    row: dict[str, Any] = {
        "game_id": f"{match}-{game.index:06d}",
        "index": game.index,
        "size": size,
        **{name: getattr(empty, name) for name in ("ko", "suicide", "scoring", "pass_stones", "komi", "white_bonus")},
        "setup_black": np.zeros(0, np.uint16),
        "setup_white": np.zeros(0, np.uint16),
        "moves": np.array([action for _, action in game.moves], np.uint16),
        "colors": np.array([color for color, _ in game.moves], np.uint8),
        "chosen_by": np.repeat(np.array([RANDOM, SEARCH], np.uint8), [game.opening, n - game.opening]),
        "winner": game.winner,
        "score": game.score,
        "ended": "forfeit" if game.reason in FORFEITS else game.reason,
        "no_resign": False,
        "black": names[game.black],
        "white": names[1 - game.black],
        "black_rank": None,
        "white_rank": None,
        "date": game.date,
        "source": match if not game.message else f"{match}: {game.reason}: {game.message}",
        "seed": game.seed,
        "networks": [],
        "root_value": np.zeros(0, np.float32),
        **no_search(),
        "simulations": 0,
    }
    end = validate(row)
    if game.score is not None and row["scoring"] == 0:
        end.setup([], [], game.dead)
        row["ownership"] = end.area().ravel()
        validate(row)
    return row


def write_parquet(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """The games as one Parquet file, by index. Raises GameDataError."""
    from alphago.data import write_shard

    write_shard(path, rows)


def write_sgf(directory: Path, row: dict[str, Any]) -> None:
    """One game as DIRECTORY/sgf/INDEX.sgf. Raises JournalError."""
    from alphago.data import to_sgf

    target = directory / SGF / f"{row['index']:06d}.sgf"
    temporary = target.with_name(f".{target.name}.tmp")
    try:
        target.parent.mkdir(exist_ok=True)
        temporary.write_bytes(to_sgf(row))
        os.replace(temporary, target)
    except OSError as error:
        raise JournalError(f"{target}: {error.strerror or error}") from None


def _read(path: Path) -> tuple[dict[int, GameRecord], int]:
    """Games, and the length of the file up to the end of its last whole line."""
    games: dict[int, GameRecord] = {}
    data = path.read_bytes() if path.exists() else b""
    length = data.rfind(b"\n") + 1
    for number, line in enumerate(data[:length].splitlines(), 1):
        try:
            game = GameRecord.from_dict(json.loads(line))
        except (ValueError, KeyError, TypeError) as error:
            raise JournalError(f"{path}:{number}: damaged game: {error}") from None
        if game.index in games:
            raise JournalError(f"{path}:{number}: game {game.index} is there twice")
        games[game.index] = game
    return games, length


def only_begun(directory: Path) -> bool:
    """Whether a folder holds nothing but what a process that was killed before it wrote the manifest leaves."""
    return all(
        path.name == LOCK or path.name.startswith(f".{MANIFEST}") or (path.name == GAMES and not path.stat().st_size)
        for path in directory.iterdir()
    )
