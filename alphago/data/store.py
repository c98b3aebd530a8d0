"""Parquet files of games: written whole or not at all, read only when they are what they say they are.

A folder of games is any folder with `*.parquet` files in it; a run's folder (docs/data.md) keeps them in `shards/`.
"""

import io
import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final, TypeAlias

import pyarrow as pa
import pyarrow.parquet as pq

from alphago.data.games import KIND, SCHEMA, VERSION, GameDataError, GameRow, rows_to_table, table_to_rows
from alphago.files import write_atomically

PathLike: TypeAlias = str | os.PathLike[str]

SHARDS: Final = "shards"

_BATCH: Final = 256  # games in memory at a time while a shard is read through
_EXPECTED: Final = "not a file of games (expected Parquet with an `alphago` header"
# Arrow's own threads give nothing for files of this size, and can abort the interpreter when it exits right after a read.
_READING: Final[dict[str, Any]] = {"use_threads": False}

_DAMAGE: Final = (OSError, ValueError, pa.ArrowException)  # ValueError: names that are not UTF-8


def write_shard(path: PathLike, rows: Iterable[GameRow]) -> None:
    """Write games to a Parquet file (zstd). The file appears whole or not at all, and has reached the disk on return.

    The same rows give the same bytes.

    Raises:
        GameDataError: a row does not fit the schema, or the place cannot be written; nothing is left behind then.
    """
    table = rows_to_table(rows)
    data = io.BytesIO()
    pq.write_table(table, data, compression="zstd", row_group_size=_BATCH, write_page_checksum=True)
    write_atomically(path, data.getbuffer(), GameDataError)


def read_table(path: PathLike, columns: list[str] | None = None) -> Any:
    """A file of games as a `pyarrow.Table`, or some of its columns.

    Raises:
        GameDataError: missing, not Parquet, damaged, Parquet of something else, or games of another version.
    """
    with _Shard(path) as shard:
        return shard.table(columns)


def read_shard(path: PathLike) -> list[GameRow]:
    """All games of a file. Raises GameDataError as `read_table`."""
    return table_to_rows(read_table(path))


def read_games(path: PathLike) -> Iterator[GameRow]:
    """The games of a file or, in the order of the file names, of a folder; a few hundred are in memory at a time.

    A run's folder gives its shards. Games that are still in its journal are not seen; `alphago`'s self-play moves them into
    shards when it ends.

    Raises:
        GameDataError: as `read_table`, or a folder without any file of games.
    """
    for file in shard_files(path):
        with _Shard(file) as shard:
            yield from shard.rows()


def shard_files(path: PathLike) -> list[Path]:
    """The Parquet files that `read_games` reads, in its order. Raises GameDataError when there are none."""
    place = Path(path)
    if not place.is_dir():
        return [place]
    folder = place / SHARDS if (place / SHARDS).is_dir() else place
    files = sorted(file for file in folder.glob("*.parquet") if not file.name.startswith("."))
    if not files:
        raise GameDataError(f"{folder}: no games here (expected files named *.parquet)")
    return files


class _Shard:
    """A Parquet file of games, open and checked."""

    def __init__(self, path: PathLike) -> None:
        self.where = os.fspath(path)
        try:
            self._raw = open(self.where, "rb")  # noqa: SIM115  # closed by __exit__
        except OSError as error:
            raise GameDataError(f"{self.where}: {error.strerror or error}") from None
        try:
            if self._raw.read(4) != b"PAR1":
                raise GameDataError(f"{self.where}: {_EXPECTED}; this is not Parquet)")
            self._raw.seek(0)
            try:
                self._file = pq.ParquetFile(self._raw, pre_buffer=False, page_checksum_verification=True)
            except _DAMAGE as error:
                raise self._damaged(error) from None
            self._check_schema(self._file.schema_arrow)
        except BaseException:
            self._raw.close()
            raise

    def __enter__(self) -> "_Shard":
        return self

    def __exit__(self, *_: object) -> None:
        self._raw.close()

    def table(self, columns: list[str] | None) -> Any:
        try:
            table = self._file.read(columns, **_READING)
            table.validate(full=True)
        except _DAMAGE as error:
            raise self._damaged(error) from None
        self._check_nulls(table)
        return table

    def rows(self) -> Iterator[GameRow]:
        batches = self._file.iter_batches(_BATCH, **_READING)
        while True:
            try:
                batch = next(batches, None)
                if batch is not None:
                    batch.validate(full=True)
            except _DAMAGE as error:
                raise self._damaged(error) from None
            if batch is None:
                return
            self._check_nulls(batch)
            yield from table_to_rows(batch)

    def _damaged(self, error: Exception) -> GameDataError:
        return GameDataError(f"{self.where}: damaged or truncated Parquet: {str(error).splitlines()[0]}")

    def _check_schema(self, schema: Any) -> None:
        metadata = schema.metadata or {}
        if b"alphago" not in metadata:
            raise GameDataError(f"{self.where}: {_EXPECTED}; this Parquet file has none)")
        try:
            header = json.loads(metadata[b"alphago"])
        except ValueError as error:
            raise GameDataError(f"{self.where}: the `alphago` header is not JSON: {error}") from None
        if not isinstance(header, dict) or header.get("kind") != KIND:
            kind = header.get("kind") if isinstance(header, dict) else header
            raise GameDataError(f"{self.where}: not a file of games (its kind is {kind!r}, expected {KIND!r})")
        if header.get("version") != VERSION:
            raise GameDataError(
                f"{self.where}: games of version {header.get('version')!r}; this program reads version {VERSION}"
            )
        for field in SCHEMA:
            at = schema.get_field_index(field.name)
            if at < 0:
                raise GameDataError(f"{self.where}: column {field.name!r} is missing")
            if schema.field(at).type != field.type:
                raise GameDataError(
                    f"{self.where}: column {field.name!r} is {schema.field(at).type}, expected {field.type}"
                )

    def _check_nulls(self, data: Any) -> None:
        for name in data.schema.names:
            field = SCHEMA.field(name) if name in SCHEMA.names else None
            if field is not None and not field.nullable and data.column(name).null_count:
                raise GameDataError(f"{self.where}: column {name!r} has empty values, and must not")
