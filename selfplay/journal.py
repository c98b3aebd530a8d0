"""A run's games on disk: a journal that takes each game the moment it ends, and shards that the journal is compacted into.

    DIRECTORY/lock                          held by the one process that has the run
    DIRECTORY/journal                       games since the last shard
    DIRECTORY/shards/games-FIRST-N.parquet  N games, FIRST games having come before them

The journal begins with `MAGIC`; each record is length and CRC-32 of the payload and the CRC-32 of those two (three uint32, little
endian), then the payload, one Arrow record batch of `alphago.data.SCHEMA` in IPC format. A shard appears by a rename, and only
then is the journal emptied; a game is known by its index, so whatever dies between the two steps, the games are there once.
"""

import fcntl
import os
import re
import struct
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final

import pyarrow as pa

from alphago.data.games import SCHEMA, GameDataError, GameRow, rows_to_batch, table_to_rows, validate
from alphago.data.store import (
    SHARDS,
    PathLike,
    read_games,
    read_table,
    write_shard,
)
from alphago.files import TEMPORARY_SUFFIX, write_all, write_atomically

JOURNAL: Final = "journal"
LOCK: Final = "lock"
MAGIC: Final = b"alphago journal 1\n"

_HEADER: Final = struct.Struct("<III")
_SHARD_NAME: Final = re.compile(r"games-(\d+)-(\d+)\.parquet")
_SYNC_SECONDS: Final = 1.0
_JOURNAL_BYTES: Final = 256 << 20  # a journal this long is compacted early: compaction holds it in memory


class Journal:
    """The games of a run, on disk. Open, `append`, `close`; or as a context manager.

    A game that `append` has returned from survives the end of the process by any signal. After a power loss or a crash of the
    operating system, games of about the last second may be gone: the journal is brought to the disk (fsync) by the first
    append a second or more after the last time, before each compaction, and by `close`. Shards are on the disk before
    the journal forgets their games.

    Not to be used from several threads at once.
    """

    def __init__(self, directory: PathLike, *, shard_games: int = 1000) -> None:
        """Take the directory (made when absent), and repair what a killed process left: an unfinished last record is dropped,
        as are unfinished files and journal records that a shard already holds.

        Args:
            shard_games: games in the journal that make it a shard.

        Raises:
            GameDataError: another process has the directory, a file in it is damaged or foreign, or it cannot be written.
        """
        if shard_games < 1:
            raise GameDataError(f"shard_games must be 1 or more, got {shard_games}")
        self.directory = Path(directory)
        self.done: set[int] = set()
        """Indices of the games that are stored, in shards and journal."""
        self._path = self.directory / JOURNAL
        self._shards = self.directory / SHARDS
        self._shard_games = shard_games
        self._sharded: set[int] = set()
        self._first = 0  # games in shards: the running number of the next shard's first
        self._held = 0  # games in the journal
        self._compacting = False  # set beyond `_compact` only where that was interrupted
        self._synced = time.monotonic()
        self._journal = -1
        try:
            self._shards.mkdir(parents=True, exist_ok=True)
            self._lock = _locked(self.directory)
        except OSError as error:
            raise self._failed(error) from None
        try:
            self._repair()
        except OSError as error:
            self._release()
            raise self._failed(error) from None
        except BaseException:
            self._release()
            raise

    def append(self, row: GameRow) -> None:
        """Store a game. It has been handed to the operating system on return (see the class for what that survives).

        Raises:
            GameDataError: the row is not a game (`alphago.data.validate`), its index is stored already, or the disk refuses; the
                journal is as before then, unless the message speaks of a shard: then the game is stored, in the journal.
        """
        if self._journal < 0:
            raise GameDataError(f"{self.directory}: the journal is closed")
        if row.get("index") in self.done:
            raise GameDataError(f"{self.directory}: the game with index {row['index']} is stored already")
        validate(row)
        self._write(_encode(row))
        self._held += 1
        self.done.add(row["index"])
        if time.monotonic() - self._synced >= _SYNC_SECONDS:
            self._sync()
        if self._held >= self._shard_games or os.fstat(self._journal).st_size >= _JOURNAL_BYTES:
            self._compact()

    def rows(self) -> Iterator[GameRow]:
        """All stored games: shards in the order they were written, then the journal."""
        if self._first:
            yield from read_games(self._shards)
        for row, _ in _records(self._path):
            if row["index"] not in self._sharded:
                yield row

    def close(self) -> None:
        """Compact what the journal holds and let the directory go. Closing twice is fine."""
        if self._journal < 0:
            return
        try:
            if os.fstat(self._journal).st_size > len(MAGIC):
                self._compact()
        finally:
            self._release()

    def __enter__(self) -> "Journal":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- opening ----------------------------------------------------------------------------------------------------

    def _repair(self) -> None:
        for folder in (self.directory, self._shards):
            for left in folder.glob(f".*{TEMPORARY_SUFFIX}"):
                left.unlink()
        self._read_shards()
        self.done = set(self._sharded)
        if not self._path.exists() or not _begins_with_magic(self._path):
            write_atomically(self._path, MAGIC, GameDataError)
        length, dropped = len(MAGIC), 0
        for row, end in _records(self._path):
            dropped += row["index"] in self.done
            self.done.add(row["index"])
            length = end
        if dropped:  # the process died between a shard's rename and the emptying of the journal
            kept = {row["index"]: row for row, _ in _records(self._path) if row["index"] not in self._sharded}
            data = b"".join([MAGIC, *map(_encode, kept.values())])
            write_atomically(self._path, data, GameDataError)
            length = len(data)
        self._held = len(self.done) - len(self._sharded)
        self._journal = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
        if os.fstat(self._journal).st_size > length:
            os.ftruncate(self._journal, length)
            os.fsync(self._journal)

    def _read_shards(self) -> None:
        """Indices of the games in shards, and the running number that the next shard begins with."""
        numbers = [0]
        owner: dict[int, str] = {}
        for path in sorted(self._shards.glob("*.parquet")):
            for index in read_table(path, ["index"]).column("index").to_pylist():
                if index in owner:
                    both = f"both {owner[index]} and {path.name}" if owner[index] != path.name else f"{path.name} twice"
                    raise GameDataError(f"{self._shards}: the game with index {index} is in {both}")
                owner[index] = path.name
            name = _SHARD_NAME.fullmatch(path.name)
            numbers.append(int(name[1]) + int(name[2]) if name else 0)
        self._sharded = set(owner)
        self._first = max(*numbers, len(owner))

    # --- writing ----------------------------------------------------------------------------------------------------

    def _write(self, record: bytes) -> None:
        """Add a record to the journal, wholly or not at all."""
        before = os.fstat(self._journal).st_size
        try:
            write_all(self._journal, record)
        except BaseException as error:
            try:
                os.ftruncate(self._journal, before)
            except OSError:
                self._release()  # nothing may follow a torn record; opening the directory again drops it
            if isinstance(error, OSError):
                raise self._failed(error) from None
            raise

    def _compact(self) -> None:
        """Turn the journal into a shard. Each step leaves every game stored; the shard's rename is what moves them."""
        self._sync()
        if self._compacting:  # an earlier try was cut short (Ctrl-C, a full disk), perhaps after the rename
            self._read_shards()
        self._compacting = True
        rows = {row["index"]: row for row, _ in _records(self._path) if row["index"] not in self._sharded}
        if rows:
            write_shard(self._shards / f"games-{self._first:08d}-{len(rows)}.parquet", rows.values())
            self._sharded.update(rows)
            self._first += len(rows)
        try:
            os.ftruncate(self._journal, len(MAGIC))
            os.fsync(self._journal)
        except OSError as error:
            raise self._failed(error) from None
        self._held = 0
        self._compacting = False

    def _sync(self) -> None:
        try:
            os.fsync(self._journal)
        except OSError as error:
            raise self._failed(error) from None
        self._synced = time.monotonic()

    def _failed(self, error: OSError) -> GameDataError:
        return GameDataError(f"{error.filename or self._path}: cannot be written: {error.strerror or error}")

    def _release(self) -> None:
        for descriptor in (self._journal, self._lock):
            if descriptor >= 0:
                os.close(descriptor)
        self._journal = self._lock = -1


def _locked(directory: Path) -> int:
    """Descriptor of the directory's lock file, locked until it is closed, however the process ends.

    Raises:
        GameDataError: another process holds it.
        OSError: the file cannot be made.
    """
    path = directory / LOCK
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, b"%d\n" % os.getpid(), 0)
    except BlockingIOError:
        holder = os.read(descriptor, 32).decode("ascii", "replace").strip()
        os.close(descriptor)
        who = f"process {holder}" if holder else "another process"
        raise GameDataError(f"{directory}: in use by {who} (lock file {path})") from None
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _begins_with_magic(path: Path) -> bool:
    """False for a journal that died while it was made (empty). Raises GameDataError when the file is something else."""
    with open(path, "rb") as file:
        start = file.read(len(MAGIC))
    if start and start != MAGIC:
        raise GameDataError(f"{path}: not a journal of games of this version (expected it to begin with {MAGIC!r})")
    return bool(start)


def _encode(row: GameRow) -> bytes:
    payload: bytes = rows_to_batch([row]).serialize().to_pybytes()
    head = struct.pack("<II", len(payload), zlib.crc32(payload))
    return head + struct.pack("<I", zlib.crc32(head)) + payload


def _records(path: Path) -> Iterator[tuple[GameRow, int]]:
    """Each whole record's row, and the byte where the record ends. An unfinished last record is passed over.

    The head has a checksum of its own, so that a damaged length is not taken for an unfinished record.

    Raises:
        GameDataError: a record before the last is damaged.
    """
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        at = len(MAGIC)
        file.seek(at)
        while at < size:
            head = file.read(_HEADER.size)
            if len(head) < _HEADER.size:
                return
            length, checksum, head_checksum = _HEADER.unpack(head)
            if zlib.crc32(head[:8]) != head_checksum:
                # A power loss can leave a file that is as long as it should be, with zeros where nothing arrived.
                if not head.strip(b"\0") and _only_zeros(file):
                    return
                raise _damaged(path, at, size)
            end = at + _HEADER.size + length
            payload = file.read(length)
            if len(payload) < length:
                return
            if zlib.crc32(payload) != checksum:
                if end == size or _only_zeros(file):  # the last one: it did not arrive whole
                    return
                raise _damaged(path, at, size)
            try:
                batch = pa.ipc.read_record_batch(pa.py_buffer(payload), SCHEMA)
            except (OSError, pa.ArrowException):
                raise _damaged(path, at, size) from None
            yield table_to_rows(batch)[0], end
            at = end


def _only_zeros(file: BinaryIO) -> bool:
    """Whether nothing but zeros is left to read."""
    while block := file.read(1 << 20):
        if block.strip(b"\0"):
            return False
    return True


def _damaged(path: Path, at: int, size: int) -> GameDataError:
    return GameDataError(
        f"{path}: the record at byte {at} of {size} is damaged; the games before it are whole: "
        f"cut the file to {at} bytes to keep them and play the others again"
    )
