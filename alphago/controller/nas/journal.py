"""What a search has measured, a line each, and who may add to it: one process at a time."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any, Final

from alphago.controller.nas.objective import Measured
from alphago.errors import AlphaGoError
from alphago.files import write_atomically
from alphago.train.folders import MANIFEST

JOURNAL: Final = "measured.jsonl"
LOCK: Final = f".{MANIFEST}.lock"
"""Begins like the manifest's temporary files, which do not make a folder somebody else's."""


class SearchError(AlphaGoError):
    """A search that cannot begin or go on; the message says why."""


@contextlib.contextmanager
def only_one(folder: Path, error: type[AlphaGoError]) -> Iterator[None]:
    """Hold a run's folder; a process that ends, however it ends, holds it no more.

    Raises:
        AlphaGoError: of the class `error`: another process holds it, or it cannot be written.
    """
    path = folder / LOCK
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as problem:
        raise error(f"{path}: cannot be written: {problem.strerror or problem}") from None
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise error(
                f"{folder}: another process is at work in it: wait until it has ended, or choose another --out"
            ) from None
        except OSError as problem:
            raise error(f"{path}: cannot be locked: {problem.strerror or problem}") from None
        yield
    finally:
        os.close(descriptor)


class Journal:
    """The measurements of one search.

    A row that `append` has returned from survives the end of this process. A last line that a killed process left unfinished is
    dropped. So are failures after which nothing succeeded: what made them fail may be mended since, and nothing was learned after
    them that would be lost.

    Args:
        folder: None: nothing is kept.

    Raises:
        SearchError: a line is damaged.
    """

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder
        self.rows: list[dict[str, Any]] = []
        """Key, what was measured, and why it failed, in order: what there was before this search began."""
        self._file: IO[str] | None = None
        self._begun = False
        if folder is not None:
            self.rows = _read(folder / JOURNAL)[0]

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """As long as rows may be added. Raises SearchError: as `only_one` and the journal itself."""
        if self.folder is None:
            yield
            return
        path = self.folder / JOURNAL
        with only_one(self.folder, SearchError):
            if not self._begun:  # another process may have added to it before this one held it
                self.rows, whole = _read(path)
                if whole is not None:
                    write_atomically(path, whole, SearchError)
                self._begun = True
            try:
                self._file = path.open("a", encoding="utf-8")
            except OSError as error:
                raise SearchError(f"{path}: {error.strerror or error}") from None
            try:
                yield
            finally:
                self._file.close()
                self._file = None

    def append(self, row: Mapping[str, Any]) -> None:
        """Keep a row. Raises SearchError: the disk refuses."""
        if self._file is None:
            return
        try:
            self._file.write(json.dumps(row) + "\n")
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            raise SearchError(f"{self._file.name}: {error.strerror or error}") from None


def _read(path: Path) -> tuple[list[dict[str, Any]], bytes | None]:
    """The rows that count, and what the file should hold where it holds more."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return [], None
    except OSError as error:
        raise SearchError(f"{path}: {error.strerror or error}") from None
    lines = data[: data.rfind(b"\n") + 1].splitlines(keepends=True)
    rows = []
    for number, line in enumerate(lines, 1):
        try:
            row = json.loads(line)
            Measured(**row["measured"])
            rows.append({"key": str(row["key"]), "measured": row["measured"], "failure": str(row["failure"])})
        except (ValueError, KeyError, TypeError) as error:
            raise SearchError(f"{path}:{number}: damaged measurement: {error}") from None
    while rows and rows[-1]["failure"]:
        del rows[-1]
    whole = b"".join(lines[: len(rows)])
    return rows, whole if whole != data else None
