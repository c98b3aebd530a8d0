"""What every file of ours in safetensors has in common: a JSON header under the key `alphago`, atomic writing, clear refusals."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any, Final

import safetensors

from alphago.errors import AlphaGoError

# What people hand us by mistake, by its first bytes.
_MAGIC: Final = (
    (b"PAR1", "Parquet"),
    (b"\x80\x02", "a Python pickle"),
    (b"\x80\x03", "a Python pickle"),
    (b"\x80\x04", "a Python pickle"),
    (b"\x80\x05", "a Python pickle"),
    (b"PK\x03\x04", "a zip archive, such as a PyTorch checkpoint or an .npz"),
    (b"\x93NUMPY", "a NumPy .npy array"),
    (b"\x1f\x8b", "a gzip file"),
)


def read(
    path: str | os.PathLike[str], *, kind: str, version: int, what: str, framework: str, error: type[AlphaGoError]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Tensors and `alphago` header of a file.

    Args:
        kind, version: what the header must say.
        what: the file in words ("rollout weights file"), with which messages speak of it.
        framework: "numpy" or "pt", the kind of tensors returned.
        error: the exception that is raised, with a message of one line that begins with the path.
    """
    where = os.fspath(path)
    article = "an" if what[0] in "aeiou" else "a"
    expected = f"not {article} {what} (expected safetensors with an `alphago` header"
    try:
        with open(where, "rb") as file:
            start = file.read(8)
    except OSError as problem:
        raise error(f"{where}: {problem.strerror or problem}") from None
    for magic, found in _MAGIC:
        if start.startswith(magic):
            raise error(f"{where}: {expected}; this is {found})")
    try:
        with safetensors.safe_open(where, framework=framework) as opened:
            metadata = opened.metadata() or {}
            tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118  # not a mapping
    except Exception as problem:  # noqa: BLE001  # the reader has an exception of its own and raises others on unknown dtypes
        raise error(f"{where}: {expected}; damaged or truncated: {problem})") from None
    return tensors, _checked(metadata, where, kind, version, what, expected, error)


def _checked(
    metadata: Mapping[str, str],
    where: str,
    kind: str,
    version: int,
    what: str,
    expected: str,
    error: type[AlphaGoError],
) -> dict[str, Any]:
    if "alphago" not in metadata:
        raise error(f"{where}: {expected}; this safetensors file has none)")
    try:
        header = json.loads(metadata["alphago"])
    except ValueError as problem:
        raise error(f"{where}: the `alphago` header is not JSON: {problem}") from None
    article = "an" if what[0] in "aeiou" else "a"
    if not isinstance(header, dict) or header.get("kind") != kind:
        found = header.get("kind") if isinstance(header, dict) else header
        raise error(f"{where}: not {article} {what} (its kind is {found!r}, expected {kind!r})")
    if header.get("version") != version:
        raise error(f"{where}: a {what} of version {header.get('version')!r}; this program reads version {version}")
    return header
