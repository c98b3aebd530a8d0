"""The network file: safetensors whose header says `{"alphago": {"kind": "network", "version": 1, "architecture": {...}, ...}}`.

The header alone tells how to build the module; the tensors are its `state_dict`. Nothing is unpickled.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from typing import Any, Final

import safetensors.torch
import torch

from alphago.files import write_atomically
from alphago.nets import header
from alphago.nets.architecture import NetworkError, architecture_of
from alphago.nets.modules import Network, build

KIND: Final = "network"
VERSION: Final = 1
_SINCE: Final = {"policy": True, "block": "plain", "kernel": 3, "stem_kernel": 3, "squeeze": 0}
"""Keys of an architecture that came later, and what networks from before them have: they keep their hash."""


def save_network(path: str | os.PathLike[str], network: Network, provenance: str | Mapping[str, Any]) -> None:
    """Write a network file. The same weights and provenance give the same bytes; the file appears whole or not at all.

    Args:
        network: from `build`, not folded.
        provenance: where the weights come from, for people; anything JSON can hold.

    Raises:
        NetworkError: a weight is not finite, or the place cannot be written.
    """
    tensors = {name: t.detach().cpu().contiguous() for name, t in network.state_dict().items()}
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            raise NetworkError(f"{os.fspath(path)}: tensor {name!r} holds NaN or infinity")
    a = network.architecture
    text = json.dumps(
        {
            "kind": KIND,
            "version": VERSION,
            "architecture": a.model_dump(),
            "feature_set": a.feature_set,
            "sizes": list(a.sizes),
            "heads": list(a.heads),
            "provenance": provenance,
        },
        sort_keys=True,
    )
    write_atomically(path, safetensors.torch.save(tensors, {"alphago": text}), NetworkError)


def load_network(path: str | os.PathLike[str]) -> tuple[Network, dict[str, Any]]:
    """The network of a file, in evaluation mode, and its header.

    Raises:
        NetworkError: missing, not safetensors, truncated, of another kind or version, or tensors that do not fit its architecture.
    """
    where = os.fspath(path)
    if os.path.isdir(where):
        raise NetworkError(f"{where}: is a directory, expected a network file")
    tensors, head = header.read(
        where, kind=KIND, version=VERSION, what="network file", framework="pt", error=NetworkError
    )
    try:
        architecture = architecture_of(head.get("architecture"))
    except NetworkError as error:
        raise NetworkError(f"{where}: {error}") from None
    if head.get("feature_set", architecture.feature_set) != architecture.feature_set:
        raise NetworkError(
            f"{where}: the header names feature set {head['feature_set']!r}, its architecture {architecture.feature_set!r}"
        )
    network = build(architecture)
    wanted = network.state_dict()
    for name, tensor in wanted.items():
        if name not in tensors:
            raise NetworkError(f"{where}: tensor {name!r} is missing")
        if tensors[name].shape != tensor.shape or tensors[name].dtype != tensor.dtype:
            got, right = (f"{t.dtype} {list(t.shape)}".replace("torch.", "") for t in (tensors[name], tensor))
            raise NetworkError(f"{where}: tensor {name!r} is {got}, expected {right}")
        if tensor.is_floating_point() and not torch.isfinite(tensors[name]).all():
            raise NetworkError(f"{where}: tensor {name!r} holds NaN or infinity")
    for name in tensors:
        if name not in wanted:
            raise NetworkError(f"{where}: unknown tensor {name!r}")
    network.load_state_dict(tensors)
    return network.eval(), head


def network_hash(network: Network) -> str:
    """SHA-256, in hexadecimal, of architecture and weights; provenance does not count."""
    values = network.architecture.model_dump()
    values = {key: value for key, value in values.items() if key not in _SINCE or value != _SINCE[key]}
    digest = hashlib.sha256(json.dumps(values, sort_keys=True).encode())
    for name, tensor in sorted(network.state_dict().items()):
        digest.update(f"\n{name} {tensor.dtype} {list(tensor.shape)}\n".encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
