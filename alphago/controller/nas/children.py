"""Files of trained children of the convolutional space: safetensors whose header says the layers. Nothing is unpickled."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import safetensors
import safetensors.torch

from alphago.controller.nas.convolutional import CLASSES, Child
from alphago.errors import AlphaGoError
from alphago.files import write_atomically

KIND: Final = "nas-child"
VERSION: Final = 1


class ChildError(AlphaGoError):
    """A file that holds no child; the message says why."""


def save_child(path: Path, child: Child, layers: list[dict[str, Any]], provenance: Mapping[str, Any]) -> None:
    """Write a child's file, whole or not at all. Raises ChildError."""
    header = {"kind": KIND, "version": VERSION, "layers": layers, "provenance": dict(provenance)}
    tensors = {name: tensor.detach().contiguous() for name, tensor in child.state_dict().items()}
    write_atomically(path, safetensors.torch.save(tensors, {"alphago": json.dumps(header, sort_keys=True)}), ChildError)


def load_child(path: Path) -> tuple[Child, dict[str, Any]]:
    """The child of a file, in evaluation mode, and its header. It takes images float [n, 1, 8, 8] in -1..1 to logits [n, 10].

    Raises:
        ChildError: missing, damaged, of another kind or version, or tensors that do not fit its layers.
    """
    try:
        with safetensors.safe_open(path, framework="pt") as opened:
            header = json.loads((opened.metadata() or {}).get("alphago", "null"))
            tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118  # not a mapping
    except FileNotFoundError:
        raise ChildError(f"{path}: no such file") from None
    except Exception as error:  # noqa: BLE001  # the reader has an exception of its own and raises others too
        raise ChildError(f"{path}: no trained child: {error}") from None
    if not isinstance(header, dict) or header.get("kind") != KIND or header.get("version") != VERSION:
        raise ChildError(f"{path}: no trained child of the conv space (expected kind {KIND}, version {VERSION})")
    try:
        child = Child(header["layers"])
        child.load_state_dict(tensors)
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise ChildError(f"{path}: its tensors do not fit its layers: {str(error).splitlines()[0]}") from None
    assert child.classifier.out_features == CLASSES
    return child.eval(), header
