"""The network file: it reads back what was written, bit for bit, and refuses everything else with one clear line."""

from __future__ import annotations

import json
import os
import pickle
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch

from alphago.nets.architecture import NetworkError
from alphago.nets.modules import build
from alphago.nets.rollout import WeightsError, load_rollout_weights
from alphago.nets.store import load_network, network_hash, save_network
from conftest import ROOT
from nets_helpers import SMALL, fresh, inputs

ROLLOUT = ROOT / "alphago" / "nets" / "data" / "rollout-handset.safetensors"


def refused(path: Path, message: str) -> None:
    with pytest.raises(NetworkError, match=message) as error:
        load_network(path)
    text = str(error.value)
    assert text.startswith(str(path)) and "\n" not in text


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / "net.safetensors"
    save_network(path, fresh("pooled"), "a test")
    return path


def rewrite(path: Path, change: Callable[[dict[str, Any], dict[str, torch.Tensor]], None]) -> None:
    """Change a network file's `alphago` header or tensors."""
    with safetensors.safe_open(path, framework="pt") as opened:
        head = json.loads(opened.metadata()["alphago"])
        tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118  # not a mapping
    change(head, tensors)
    path.write_bytes(safetensors.torch.save(tensors, {"alphago": json.dumps(head)}))


# --- there and back ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", sorted(SMALL))
def test_round_trip_is_bit_exact(kind: str, tmp_path: Path) -> None:
    network = fresh(kind)
    path = tmp_path / "net.safetensors"
    save_network(path, network, {"games": 12})
    found, head = load_network(path)
    assert found.architecture == network.architecture and not found.training
    state = network.state_dict()
    assert set(state) == set(found.state_dict())
    for name, tensor in found.state_dict().items():
        assert tensor.dtype == state[name].dtype and torch.equal(tensor, state[name]), name
    planes, globals_ = (torch.from_numpy(x) for x in inputs(network, 9, 2))
    with torch.no_grad():
        a, b = network(planes, globals_), found(planes, globals_)
    assert all(torch.equal(a[name], b[name]) for name in a)
    assert head["provenance"] == {"games": 12} and head["feature_set"] == network.architecture.feature_set
    assert head["heads"] == list(network.architecture.heads) and head["sizes"] == list(network.architecture.sizes)


def test_the_same_network_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        save_network(tmp_path / name, fresh("residual"), "x")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o644
    assert sorted(os.listdir(tmp_path)) == ["a", "b"]


def test_hash_is_of_architecture_and_weights(tmp_path: Path) -> None:
    network = fresh("residual")
    for name, provenance in (("a", "x"), ("b", "y")):
        save_network(tmp_path / name, network, provenance)
    loaded = [load_network(tmp_path / name)[0] for name in ("a", "b")]
    assert network_hash(loaded[0]) == network_hash(loaded[1]) == network_hash(network)
    hashes = {network_hash(fresh(kind)) for kind in SMALL} | {network_hash(fresh("residual", seed=2))}
    assert len(hashes) == len(SMALL) + 1
    with torch.no_grad():
        next(network.parameters()).view(-1)[0] += 1e-3
    assert network_hash(network) != network_hash(loaded[0])


def test_a_network_that_is_not_finite_is_not_written(saved: Path) -> None:
    before = saved.read_bytes()
    network = fresh("pooled")
    with torch.no_grad():
        next(network.parameters()).view(-1)[3] = float("nan")
    with pytest.raises(NetworkError, match="NaN"):
        save_network(saved, network, "x")
    assert saved.read_bytes() == before and os.listdir(saved.parent) == [saved.name]


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(NetworkError, match="cannot be written"):
        save_network(tmp_path / "absent" / "net", build(SMALL["residual"]), "x")


# --- what is no network file ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not a network file.*damaged or truncated"),
        (b"garbage" * 100, "not a network file.*damaged or truncated"),
        (bytes(range(256)) * 8, "not a network file.*damaged or truncated"),
        (b"PAR1....PAR1", "this is Parquet"),
        (pickle.dumps({"weights": [1.0]}), "this is a Python pickle"),
        (b"PK\x03\x04" + b"0" * 64, "PyTorch checkpoint"),
        (b"(;GM[1]SZ[9])", "not a network file"),
    ],
)
def test_other_files(content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "net.safetensors"
    path.write_bytes(content)
    refused(path, message)


def test_a_checkpoint_of_pytorch_is_not_unpickled(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    torch.save({"a": torch.zeros(3)}, path)
    refused(path, "PyTorch checkpoint")


def test_missing_file_and_directory(tmp_path: Path) -> None:
    refused(tmp_path / "absent", "No such file")
    refused(tmp_path, "is a directory, expected a network file")


@pytest.mark.parametrize("kept", [4, 8, 100, 0.3, 0.7, 0.999])
def test_truncated_files(kept: float, saved: Path) -> None:
    data = saved.read_bytes()
    saved.write_bytes(data[: int(kept if kept >= 1 else kept * len(data))])
    refused(saved, "damaged or truncated")


def test_rollout_weights_are_no_network_and_a_network_no_rollout_weights(saved: Path) -> None:
    refused(ROLLOUT, "its kind is 'rollout-weights', expected 'network'")
    with pytest.raises(WeightsError, match="its kind is 'network', expected 'rollout-weights'"):
        load_rollout_weights(saved)


def test_safetensors_of_somebody_else(tmp_path: Path) -> None:
    path = tmp_path / "other.safetensors"
    path.write_bytes(safetensors.torch.save({"a": torch.zeros(3)}, {"format": "pt"}))
    refused(path, "has none")
    path.write_bytes(safetensors.torch.save({"a": torch.zeros(3)}, {"alphago": "{"}))
    refused(path, "not JSON")


# --- network files gone wrong -----------------------------------------------------------------------------------------------------

Change = Callable[[dict[str, Any], dict[str, torch.Tensor]], None]
BIAS = "policy_bias.bias"


def header_with(**values: Any) -> Change:
    return lambda head, _: head.update(values)


def architecture_with(**values: Any) -> Change:
    return lambda head, _: head["architecture"].update(values)


def tensor_with(name: str, make: Callable[[torch.Tensor], torch.Tensor]) -> Change:
    return lambda _, tensors: tensors.update({name: make(tensors[name])})


def not_finite(value: float) -> Change:
    return tensor_with(BIAS, lambda t: torch.full_like(t, value))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (header_with(version=99), "version 99; this program reads version 1"),
        (header_with(kind="picture"), "its kind is 'picture'"),
        (header_with(architecture=None), "architecture"),
        (header_with(architecture={"kind": "transformer"}), "architecture: kind"),
        (header_with(feature_set="alphago48"), "the header names feature set 'alphago48', its architecture 'zero17'"),
        (architecture_with(depth=7), "architecture: .*depth"),
        (architecture_with(feature_set="nonsense"), "architecture: .*feature_set"),
        (architecture_with(channels=0), "architecture: .*channels"),
        (architecture_with(blocks=4), r"tensor 'blocks\.3\..*' is missing"),
        (architecture_with(blocks=2), r"unknown tensor 'blocks\.2\..*'"),
        (architecture_with(channels=24), r"is float32 \[16.*, expected float32 \[24"),
        (lambda _, tensors: tensors.pop(BIAS), f"tensor '{BIAS}' is missing"),
        (lambda _, tensors: tensors.update(extra=torch.zeros(2)), "unknown tensor 'extra'"),
        (tensor_with(BIAS, lambda t: t[:-1].clone()), rf"tensor '{BIAS}' is float32 \[7\], expected float32 \[8\]"),
        (tensor_with(BIAS, torch.Tensor.double), rf"tensor '{BIAS}' is float64 \[8\], expected float32 \[8\]"),
        (not_finite(float("nan")), f"tensor '{BIAS}' holds NaN or infinity"),
        (not_finite(float("inf")), f"tensor '{BIAS}' holds NaN or infinity"),
    ],
)
def test_damaged_networks(change: Change, message: str, saved: Path) -> None:
    rewrite(saved, change)
    refused(saved, message)


def test_a_wrong_feature_set_is_refused_though_header_and_architecture_agree(saved: Path) -> None:
    def change(head: dict[str, Any], _: dict[str, torch.Tensor]) -> None:
        head["feature_set"] = head["architecture"]["feature_set"] = "alphago48"

    rewrite(saved, change)
    refused(saved, r"tensor 'stem\.conv\.weight' is float32 \[16, 17, 3, 3\], expected float32 \[16, 48, 3, 3\]")


def test_every_flipped_header_byte_gives_a_named_error_or_a_network(saved: Path) -> None:
    data = saved.read_bytes()
    for place in range(0, 1200, 7):
        damaged = bytearray(data)
        damaged[place] ^= 0x15
        saved.write_bytes(bytes(damaged))
        try:
            load_network(saved)
        except NetworkError as error:
            assert "\n" not in str(error)
