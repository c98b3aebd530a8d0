"""Files that appear whole or not at all."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Final

from alphago.errors import AlphaGoError

TEMPORARY_SUFFIX: Final = ".tmp"
"""How the name of a file ends that is being written; one that a killed program left behind may be deleted."""


def write_atomically(
    path: str | os.PathLike[str], data: bytes | memoryview, error: type[AlphaGoError] = AlphaGoError
) -> None:
    """Write a file beside its place, bring it to the disk, then rename it. Raises `error` where that fails."""
    target = Path(path)
    temporary = target.with_name(f".{target.name}.{os.getpid()}{TEMPORARY_SUFFIX}")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
        try:
            write_all(descriptor, data)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.replace(temporary, target)
        sync_directory(target.parent)
    except OSError as problem:
        with contextlib.suppress(OSError):  # there may be nothing to take away
            temporary.unlink()
        raise error(f"{target}: cannot be written: {problem.strerror or problem}") from None


def make_directory(path: str | os.PathLike[str], error: type[AlphaGoError] = AlphaGoError) -> None:
    """Make a folder and those that it lies in, where they are missing. Raises `error` where that fails."""
    try:
        Path(path).mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise error(f"{os.fspath(path)}: cannot be made: {problem.strerror or problem}") from None


def write_all(descriptor: int, data: bytes | memoryview) -> None:
    """`os.write` until everything is written. Raises OSError."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def sync_directory(directory: Path) -> None:
    """Bring new and changed names in a folder to the disk. Raises OSError."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
