"""Imports collections of SGF into one Parquet file of games, with a report of everything that was left out and why."""

from __future__ import annotations

import csv
import io
import itertools
import os
import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Final

import pyarrow as pa
import pyarrow.parquet as pq
import pydantic

from alphago import configs
from alphago.data.games import ENDINGS, SCHEMA, GameDataError, GameRow, rows_to_table
from alphago.data.identity import game_key
from alphago.data.sgf_read import Rejected, read
from alphago.data.sources import Found, find_games
from alphago.errors import AlphaGoError
from alphago.files import TEMPORARY_SUFFIX, sync_directory, write_atomically
from alphago.go import MAX_SIZE, MIN_SIZE

UNREADABLE: Final = "unreadable"
DUPLICATE: Final = "duplicate"
_ROWS: Final = 2048  # a row group: what is in memory at a time
_DATE: Final = re.compile(r"\d{4}(-\d{2}(-\d{2})?)?")


class ImportingError(AlphaGoError):
    """An import that cannot begin or end; the message says why. Nothing is left behind."""


class Filters(pydantic.BaseModel, extra="forbid", frozen=True):
    """Which games are taken; what is left out takes any."""

    sizes: tuple[Annotated[int, pydantic.Field(ge=MIN_SIZE, le=MAX_SIZE)], ...] = ()
    min_moves: Annotated[int, pydantic.Field(ge=0)] = 0
    max_moves: Annotated[int | None, pydantic.Field(ge=0)] = None
    min_rank: str | None = None
    """Both players' at least: 9d, 1k, 3p. A player without a rank is below every rank."""
    since: str | None = None
    """YYYY, YYYY-MM or YYYY-MM-DD; a game without a date is left out."""
    until: str | None = None
    endings: tuple[str, ...] = ()
    """Of `ENDINGS`."""
    decided: bool = False
    """Whether a game must have a winner."""
    handicap: bool = True
    """Whether games that begin with stones on the board are taken."""

    @pydantic.field_validator("endings")
    @classmethod
    def _known_endings(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for ending in value:
            if ending not in ENDINGS:
                raise ValueError(f"one of {', '.join(ENDINGS)}, got {ending!r}")
        return value

    @pydantic.field_validator("min_rank")
    @classmethod
    def _known_rank(cls, value: str | None) -> str | None:
        if value is not None and rank_number(value) is None:
            raise ValueError(f"a rank such as 5k, 1d or 9p, got {value!r}")
        return value

    @pydantic.field_validator("since", "until")
    @classmethod
    def _is_date(cls, value: str | None) -> str | None:
        if value is not None and not _DATE.fullmatch(value):
            raise ValueError(f"a date such as 2015, 2015-06 or 2015-06-30, got {value!r}")
        return value

    def refusal(self, row: GameRow) -> tuple[str, str] | None:
        """(reason, more) where a game is not taken."""
        n = len(row["moves"])
        if self.sizes and row["size"] not in self.sizes:
            return "filter: size", f"{row['size']}x{row['size']}"
        if n < self.min_moves or (self.max_moves is not None and n > self.max_moves):
            return "filter: length", f"{n} moves"
        if self.min_rank is not None:
            least = rank_number(self.min_rank)
            for color in ("black", "white"):
                rank = rank_number(row[f"{color}_rank"])
                if rank is None or (least is not None and rank < least):
                    return "filter: rank", f"{color} is {row[f'{color}_rank'] or 'without a rank'}"
        if self.since is not None or self.until is not None:
            date = row["date"]
            if date is None:
                return "filter: date", "no date"
            if (self.since is not None and date < self.since) or (
                self.until is not None and date[: len(self.until)] > self.until
            ):
                return "filter: date", date
        if self.endings and row["ended"] not in self.endings:
            return "filter: ending", row["ended"]
        if self.decided and not row["winner"]:
            return "filter: no winner", row["ended"]
        if not self.handicap and (len(row["setup_black"]) or len(row["setup_white"])):
            return "filter: set-up stones", f"{len(row['setup_black'])} black, {len(row['setup_white'])} white"
        return None


def make_filters(**values: Any) -> Filters:
    """Filters from values; None takes the default. Raises ImportingError with one line."""
    try:
        return Filters(**{key: value for key, value in values.items() if value is not None})
    except pydantic.ValidationError as error:
        raise ImportingError(configs.describe(error, Filters)) from None


def rank_number(text: str | None) -> int | None:
    """Ranks in order: 30k is -29, 1k is 0, 1d is 1, 1p is 101; None for no rank."""
    match = re.fullmatch(r"(\d{1,2})([kdp])", text or "")
    if match is None:
        return None
    number = int(match[1])
    return {"k": 1 - number, "d": number, "p": 100 + number}[match[2]]


@dataclass(frozen=True)
class LeftOut:
    """A game that was not taken."""

    file: str
    line: int
    reason: str
    message: str


@dataclass
class Report:
    """What an import did."""

    games: int = 0
    """Taken."""
    moves: int = 0
    seen: int = 0
    """Games and unreadable files found."""
    left_out: list[LeftOut] = field(default_factory=list)

    @property
    def reasons(self) -> dict[str, int]:
        """How many were left out, by reason, most first."""
        return dict(Counter(entry.reason for entry in self.left_out).most_common())

    def csv(self) -> str:
        """A line for each game left out: file, line, reason, message."""
        out = io.StringIO()
        writer = csv.writer(out)
        writer.writerow(("file", "line", "reason", "message"))
        writer.writerows((entry.file, entry.line, entry.reason, entry.message) for entry in self.left_out)
        return out.getvalue()


def report_path(out: Path) -> Path:
    """Where the report of an import into `out` is kept: games.parquet -> games.left-out.csv."""
    return out.with_name(f"{out.stem}.left-out.csv")


def import_games(
    paths: Iterable[str | os.PathLike[str]],
    out: Path,
    filters: Filters | None = None,
    *,
    keep_duplicates: bool = False,
    on_game: Callable[[Report], None] | None = None,
) -> Report:
    """Read every game below the paths into one Parquet file, and list what was left out beside it (`report_path`).

    Games are named by their key (`alphago.data.identity.game_key`), so the same game has the same name in every store; a
    duplicate that is kept has its number behind it.

    Args:
        out: the file of games; one that is there is replaced when all is read.
        keep_duplicates: whether a game that is there already, perhaps turned, is taken again.
        on_game: called now and then with what is known so far.

    Raises:
        SourceError: a path that cannot be read at all.
        ImportingError: no game was taken, or the place cannot be written; nothing is left behind.
    """
    filters = filters or Filters()
    report = Report()
    found_games = find_games(paths)
    first = next(found_games, None)  # a path that is wrong is said before anything is written
    temporary = out.with_name(f".{out.name}.{os.getpid()}{TEMPORARY_SUFFIX}")
    try:
        try:
            with open(temporary, "wb") as raw:
                writer = pq.ParquetWriter(raw, SCHEMA, compression="zstd", write_page_checksum=True)
                with writer:
                    _read_all(first, found_games, filters, keep_duplicates, report, writer, on_game)
                raw.flush()
                os.fsync(raw.fileno())
            if not report.games:
                raise ImportingError(f"no game was taken{_why_none(report)}")
            os.replace(temporary, out)
            sync_directory(out.parent)
        except (OSError, pa.ArrowException) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error).splitlines()[0]
            raise ImportingError(f"{out}: cannot be written: {reason}") from None
        except GameDataError as error:
            raise ImportingError(str(error)) from None
        write_atomically(report_path(out), report.csv().encode(), GameDataError)
    finally:
        temporary.unlink(missing_ok=True)
    return report


def _read_all(
    first: Any,
    rest: Iterable[Any],
    filters: Filters,
    keep_duplicates: bool,
    report: Report,
    writer: Any,
    on_game: Callable[[Report], None] | None,
) -> None:
    seen: dict[bytes, tuple[str, int, int]] = {}
    rows: list[GameRow] = []

    def leave_out(file: str, line: int, reason: str, message: str) -> None:
        report.left_out.append(LeftOut(file, line, reason, message))

    def take(found: Any) -> None:
        report.seen += 1
        if not isinstance(found, Found):
            leave_out(found.file, found.line, UNREADABLE, found.message)
            return
        try:
            row = read(found.text, source=f"{os.path.basename(found.file)}:{found.line}")
        except Rejected as error:
            leave_out(found.file, found.line, error.reason, str(error))
            return
        refusal = filters.refusal(row)
        if refusal is not None:
            leave_out(found.file, found.line, *refusal)
            return
        key = game_key(row)
        file, line, number = seen.get(key, ("", 0, 0))
        if number and not keep_duplicates:
            leave_out(found.file, found.line, DUPLICATE, f"the same as {file}:{line}")
            return
        seen[key] = (file or found.file, line or found.line, number + 1)
        row["game_id"] = key.hex() + (f"-{number + 1}" if number else "")
        row["index"] = report.games
        rows.append(row)
        report.games += 1
        report.moves += len(row["moves"])

    for found in itertools.chain(() if first is None else (first,), rest):
        take(found)
        if len(rows) >= _ROWS:
            writer.write_table(rows_to_table(rows))
            rows.clear()
        if on_game is not None and report.seen % 256 == 0:
            on_game(report)
    if rows:
        writer.write_table(rows_to_table(rows))
    if on_game is not None:
        on_game(report)


def _why_none(report: Report) -> str:
    if not report.left_out:
        return ": no games were found there"
    reasons = ", ".join(f"{count:,} {reason}" for reason, count in report.reasons.items())
    first = report.left_out[0]
    where = f"{first.file}:{first.line}" if first.line else first.file
    return f": {reasons}; the first is {where}: {first.message}"
