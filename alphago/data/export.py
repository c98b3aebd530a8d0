"""Stores of games back into SGF: one file a game, or all in one."""

from __future__ import annotations

import gzip
import io
import itertools
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

from alphago.data.games import GameDataError
from alphago.data.sgf import to_sgf
from alphago.data.sgf_private import PROPERTY, missing_from
from alphago.data.sgf_read import Rejected, read
from alphago.data.store import read_games
from alphago.files import TEMPORARY_SUFFIX, write_atomically


def export_games(store: str | os.PathLike[str], out: Path, *, plain: bool = False, limit: int | None = None) -> int:
    """Write the games of a store as SGF.

    Args:
        out: a file `.sgfs` or `.sgfs.gz` gets one game a line, `.sgf` or `.sgf.gz` one game after the other; any other name is a
            folder with one file a game.
        plain: without the private property that holds what SGF has no words for.

    Returns:
        How many games were written.

    Raises:
        GameDataError: the store cannot be read, or the place not be written.
    """
    games = itertools.islice(read_games(store), limit)
    name = out.name.lower()
    try:
        if name.endswith((".sgf", ".sgfs", ".sgf.gz", ".sgfs.gz")):
            return _into_file(games, out, plain, one_a_line=".sgfs" in name, packed=name.endswith(".gz"))
        out.mkdir(parents=True, exist_ok=True)
        count = 0
        for row in games:
            write_atomically(out / f"{_file_name(row)}.sgf", _text(row, plain), GameDataError)
            count += 1
        return count
    except OSError as error:
        raise GameDataError(f"{out}: cannot be written: {error.strerror or error}") from None


def _into_file(games: Any, out: Path, plain: bool, *, one_a_line: bool, packed: bool) -> int:
    temporary = out.with_name(f".{out.name}.{os.getpid()}{TEMPORARY_SUFFIX}")
    count = 0
    try:
        with open(temporary, "wb") as raw:
            # no name and no time in the header: the same games give the same bytes
            stream: IO[bytes] = gzip.GzipFile("", "wb", 6, raw, mtime=0) if packed else raw  # type: ignore[assignment]
            with stream if packed else io.BytesIO():
                for row in games:
                    text = _text(row, plain)
                    stream.write(_on_one_line(text) + b"\n" if one_a_line else text.rstrip() + b"\n\n")
                    count += 1
            raw.flush()
            os.fsync(raw.fileno())
        os.replace(temporary, out)
    finally:
        temporary.unlink(missing_ok=True)
    return count


def to_full_sgf(row: Mapping[str, Any]) -> bytes:
    """The game as SGF of which `alphago.data.sgf_read.read` makes the same row again, `game_id` and `index` aside.

    Raises:
        GameDataError: as `to_sgf`.
    """
    text = to_sgf(row)
    try:
        plain = read(text.decode())
    except Rejected as error:
        raise GameDataError(f"game {row['game_id']!r}: {error}") from None
    extra = missing_from(plain, row)
    if extra is None:
        return text
    head, semicolon, rest = text.partition(b";")
    return head + semicolon + f"{PROPERTY}[{extra}]".encode() + rest


def _text(row: Mapping[str, Any], plain: bool) -> bytes:
    return to_sgf(row) if plain else to_full_sgf(row)


def _on_one_line(text: bytes) -> bytes:
    """Line breaks of SGF stand between properties; those within a value count as a space (names, sources: SimpleText)."""
    return re.sub(rb"\s*\n\s*", b"", text.strip())


def _file_name(row: Mapping[str, Any]) -> str:
    """Safe on every file system, whatever a store names its games."""
    safe = re.sub(r"[^A-Za-z0-9._-]+", "_", row["game_id"])[:80].strip("._") or "game"
    return f"{row['index']:06d}-{safe}"
