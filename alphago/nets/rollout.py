"""The rollout weights file: safetensors whose header says `{"alphago": {"kind": "rollout-weights", "version": 1, ...}}`.

One tensor for each argument of `_core.RolloutWeights`, under the argument's name; `TENSORS` is the schema. The features that
the weights belong to are defined in docs/features.md. Nothing is unpickled.
"""

import functools
import hashlib
import json
import os
from collections.abc import Mapping
from typing import Any, Final, TypeAlias

import numpy as np
import safetensors.numpy
from numpy.typing import NDArray

from alphago import _core
from alphago.errors import AlphaGoError
from alphago.files import write_atomically
from alphago.nets import header
from alphago.nets.shipped import rollout_file

KIND: Final = "rollout-weights"
VERSION: Final = 1

RolloutArrays: TypeAlias = dict[str, NDArray[Any]]

TENSORS: Final[dict[str, tuple[str, tuple[int | str, ...]]]] = {
    "response": ("float32", ()),
    "save_atari": ("float32", ()),
    "neighbour": ("float32", (8,)),
    "nakade": ("float32", (8192,)),
    "response_keys": ("uint64", ("n",)),
    "response_weights": ("float32", ("n",)),
    "pattern3_keys": ("uint32", ("m",)),
    "pattern3_weights": ("float32", ("m",)),
    "self_atari": ("float32", ()),
    "distance": ("float32", (2, 17)),
    "pattern12_keys": ("uint64", ("k",)),
    "pattern12_weights": ("float32", ("k",)),
}
"""dtype and shape of every tensor; a letter stands for any length, the same wherever it appears."""


class WeightsError(AlphaGoError):
    """A weights file that cannot be used; the message names the file, the tensor and what is wrong."""


def load_rollout_weights(path: str | os.PathLike[str] | None = None) -> _core.RolloutWeights:
    """Weights ready for `Board.playout("softmax", weights=...)`.

    Args:
        path: a rollout weights file, or the name of weights that ship (`alphago.nets.shipped`); None: `default`.

    Returns:
        The core's object, shared: loading the same unchanged file again gives the same one.

    Raises:
        WeightsError: the file is missing or is not a rollout weights file of this version.
    """
    file = rollout_file(path)
    try:
        stat = os.stat(file)
    except OSError as error:
        raise WeightsError(f"{file}: {error.strerror or error}") from None
    return _load(os.path.abspath(file), stat.st_mtime_ns, stat.st_size)


@functools.lru_cache(maxsize=8)
def _load(path: str, mtime_ns: int, size: int) -> _core.RolloutWeights:
    """`mtime_ns` and `size` are there for the cache alone: a changed file is another key."""
    arrays, _ = read_rollout_arrays(path)
    return rollout_weights(arrays, path)


def rollout_weights(arrays: Mapping[str, NDArray[Any]], where: str = "rollout weights") -> _core.RolloutWeights:
    """The core's weights from the arrays of `TENSORS`.

    Raises:
        WeightsError: a tensor is missing, has the wrong shape or dtype, or holds values the core refuses (not finite, beyond
            +-10, keys that do not ascend or are not canonical). The message begins with `where`.
    """
    check_rollout_arrays(arrays, where)
    scalars = {name: float(arrays[name]) for name, (_, shape) in TENSORS.items() if not shape}
    others = {name: np.ascontiguousarray(arrays[name]) for name, (_, shape) in TENSORS.items() if shape}
    try:
        return _core.RolloutWeights(**scalars, **others)  # type: ignore[arg-type]  # the schema pairs names with types
    except (TypeError, ValueError) as error:
        raise WeightsError(f"{where}: {error}") from None


def read_rollout_arrays(path: str | os.PathLike[str]) -> tuple[RolloutArrays, dict[str, Any]]:
    """Tensors and header of a rollout weights file, checked against `TENSORS`.

    Returns:
        The arrays, and the decoded `alphago` header: `kind`, `version`, `provenance`.

    Raises:
        WeightsError: missing, not safetensors, truncated, of another kind or version, or not what `TENSORS` says.
    """
    arrays, head = header.read(
        path, kind=KIND, version=VERSION, what="rollout weights file", framework="numpy", error=WeightsError
    )
    check_rollout_arrays(arrays, os.fspath(path))
    return arrays, head


def check_rollout_arrays(arrays: Mapping[str, NDArray[Any]], where: str = "rollout weights") -> None:
    """Check names, dtypes, shapes and finite values against `TENSORS`. Raises WeightsError, whose message begins with `where`."""
    for name in arrays:
        if name not in TENSORS:
            raise WeightsError(f"{where}: unknown tensor {name!r}; expected {', '.join(TENSORS)}")
    lengths: dict[str, int] = {}
    for name, (dtype, shape) in TENSORS.items():
        if name not in arrays:
            raise WeightsError(f"{where}: tensor {name!r} is missing")
        array = arrays[name]
        if array.dtype != np.dtype(dtype):
            raise WeightsError(f"{where}: tensor {name!r} is {array.dtype}, expected {dtype}")
        # A letter is bound to the first length it meets, and must be the same in the weights that go with the keys.
        wanted = tuple(
            lengths.setdefault(axis, array.shape[i] if i < array.ndim else 0) if isinstance(axis, str) else axis
            for i, axis in enumerate(shape)
        )
        if array.shape != wanted:
            raise WeightsError(f"{where}: tensor {name!r} has shape {list(array.shape)}, expected {list(wanted)}")
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise WeightsError(f"{where}: tensor {name!r} holds NaN or infinity")


def save_rollout_weights(
    path: str | os.PathLike[str], arrays: Mapping[str, NDArray[Any]], provenance: str | Mapping[str, Any]
) -> None:
    """Write a rollout weights file. The same arrays and provenance give the same bytes.

    The file appears whole or not at all: it is written beside its place and then renamed.

    Args:
        arrays: what `TENSORS` lists.
        provenance: where the weights come from, for people; anything JSON can hold.

    Raises:
        WeightsError: the arrays do not fit the schema, the core refuses them, or the place cannot be written.
    """
    rollout_weights(arrays, os.fspath(path))
    text = json.dumps({"kind": KIND, "version": VERSION, "provenance": provenance}, sort_keys=True)
    tensors = {name: np.ascontiguousarray(arrays[name]).reshape(np.shape(arrays[name])) for name in TENSORS}
    write_atomically(path, safetensors.numpy.save(tensors, {"alphago": text}), WeightsError)


def weights_hash(path: str | os.PathLike[str]) -> str:
    """SHA-256, in hexadecimal, of kind, version and tensors in the order of `TENSORS`; provenance does not count.

    Raises:
        WeightsError: as `read_rollout_arrays`.
    """
    arrays, head = read_rollout_arrays(path)
    digest = hashlib.sha256(f"{head['kind']} {head['version']}\n".encode())
    for name, (dtype, _) in TENSORS.items():
        array = arrays[name]
        digest.update(f"{name} {dtype} {list(array.shape)}\n".encode())
        digest.update(array.astype(np.dtype(dtype).newbyteorder("<")).tobytes())
    return digest.hexdigest()
