"""Where games come from: files, folders and archives of SGF, one game tree after the other, with its file and line.

Archives are read where they are: nothing is unpacked to the disk, so no name inside one can reach outside it.
"""

from __future__ import annotations

import gzip
import lzma
import os
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Final

from alphago.errors import AlphaGoError
from alphago.go.sgf_text import decode, split_games

MAX_FILE_BYTES: Final = 256 << 20
"""A larger SGF file is refused, as is one that an archive says is larger; files with one game a line may have any size."""
MAX_LINE_BYTES: Final = 16 << 20

_SGF: Final = (".sgf", ".mgt", ".sgf.txt")
_LINES: Final = (".sgfs",)
_TAR: Final = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
_ZIP: Final = (".zip",)
_GZIP: Final = ".gz"
SUFFIXES: Final = (*_SGF, *_LINES, *_TAR, *_ZIP, *(suffix + _GZIP for suffix in (*_SGF, *_LINES)))
"""Names that are looked at in folders and archives; others are passed over."""

_DAMAGE: Final = (
    OSError,
    EOFError,
    ValueError,
    NotImplementedError,  # a compression that zipfile does not know
    RuntimeError,  # an encrypted member
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    lzma.LZMAError,
)


class SourceError(AlphaGoError):
    """A path that was named and cannot be read at all; the message says why."""


@dataclass(frozen=True)
class Found:
    """One game tree."""

    file: str
    """Path, and for a member of an archive its name after "!"."""
    line: int
    """On which it begins, from 1."""
    text: str


@dataclass(frozen=True)
class Unreadable:
    """A file, or the rest of it, that gave no game."""

    file: str
    line: int
    """From 1; 0: the file as a whole."""
    message: str


def place(found: Found | Unreadable) -> str:
    """File and line, as people are told."""
    return f"{found.file}:{found.line}" if found.line else found.file


def find_games(paths: Iterable[str | os.PathLike[str]]) -> Iterator[Found | Unreadable]:
    """Every game tree below the paths, files in the order of their names.

    A path is a file of SGF (`.sgf`, several games too), of one game a line (`.sgfs`), either gzipped (`.gz`), an archive (`.zip`,
    `.tar`, `.tar.gz`, ...), or a folder of all these. What cannot be read is told as `Unreadable`, and the next file follows.

    Raises:
        SourceError: a path that does not exist, or names a file of another kind.
    """
    places = [Path(path) for path in paths]
    for place in places:
        if not place.exists():
            raise SourceError(f"{place}: no such file or folder")
        if place.is_file() and not _is_known(place.name):
            raise SourceError(f"{place}: not a kind of file that is known here (expected {', '.join(SUFFIXES)})")
    for place in places:
        if place.is_dir():
            for file in _walk(place):
                yield from _from_file(file)
        else:
            yield from _from_file(place)


def _walk(folder: Path) -> Iterator[Path]:
    for path, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if not name.startswith(".") and _is_known(name):
                yield Path(path) / name


def _is_known(name: str) -> bool:
    return name.lower().endswith(SUFFIXES)


def _from_file(path: Path) -> Iterator[Found | Unreadable]:
    name = path.name.lower()
    where = str(path)
    try:
        if name.endswith(_ZIP):
            yield from _from_zip(path)
        elif name.endswith(_TAR):
            yield from _from_tar(path)
        else:
            with path.open("rb") as raw:
                yield from _from_stream(raw, name, where)
    except _DAMAGE as error:
        yield Unreadable(where, 0, _reason(error))


def _from_zip(path: Path) -> Iterator[Found | Unreadable]:
    with zipfile.ZipFile(path) as archive:
        for member in sorted(archive.infolist(), key=lambda info: info.filename):
            if not member.is_dir() and _is_member(member.filename):
                yield from _from_member(partial(archive.open, member), member.filename, path)


def _from_tar(path: Path) -> Iterator[Found | Unreadable]:
    with tarfile.open(path, "r:*") as archive:
        for member in archive:
            if member.isfile() and _is_member(member.name):
                yield from _from_member(partial(archive.extractfile, member), member.name, path)


def _is_member(name: str) -> bool:
    """Archives within archives are not opened; files that macOS adds are not games."""
    base = name.rsplit("/", 1)[-1].lower()
    return _is_known(base) and not base.startswith(".") and not base.endswith((*_ZIP, *_TAR))


def _from_member(opened: Callable[[], IO[bytes] | None], name: str, path: Path) -> Iterator[Found | Unreadable]:
    where = f"{path}!{name}"
    try:
        raw = opened()
        assert raw is not None  # a file, not a folder
        with raw:
            yield from _from_stream(raw, name.lower(), where)
    except _DAMAGE as error:
        yield Unreadable(where, 0, _reason(error))


def _from_stream(raw: IO[bytes], name: str, where: str) -> Iterator[Found | Unreadable]:
    if name.endswith(_GZIP):
        with gzip.GzipFile(fileobj=raw) as unpacked:
            yield from _from_stream(unpacked, name.removesuffix(_GZIP), where)  # type: ignore[arg-type]
    elif name.endswith(_LINES):
        yield from _from_lines(raw, where)
    else:
        data = raw.read(MAX_FILE_BYTES + 1)
        if len(data) > MAX_FILE_BYTES:
            yield Unreadable(where, 1, f"larger than {MAX_FILE_BYTES >> 20} MiB")
            return
        yield from _from_text(decode(data)[0], where, 1)


def _from_lines(raw: IO[bytes], where: str) -> Iterator[Found | Unreadable]:
    number = 0
    while line := raw.readline(MAX_LINE_BYTES + 1):
        number += 1
        if len(line) > MAX_LINE_BYTES:
            yield Unreadable(where, number, f"a line longer than {MAX_LINE_BYTES >> 20} MiB")
            return
        if line.strip():
            yield from _from_text(decode(line)[0], where, number)


def _from_text(text: str, where: str, first_line: int) -> Iterator[Found | Unreadable]:
    line, counted, empty = first_line, 0, True
    for offset, game in split_games(text):
        line += text.count("\n", counted, offset)
        counted, empty = offset, False
        yield Found(where, line, game)
    if empty:
        yield Unreadable(where, first_line, "no game tree: SGF begins with (;")


def _reason(error: BaseException) -> str:
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return text.splitlines()[0] if text else type(error).__name__
