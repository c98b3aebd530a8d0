"""Kinds of blocks and their options: closed forms of their sizes, masks, folding, old files, and every runtime."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional

from alphago.nets.architecture import NetworkError, Residual, architecture_of
from alphago.nets.blocks import Bottleneck, Nested, make_blocks
from alphago.nets.evaluator import PlayModule
from alphago.nets.layers import Squeeze, activation_of
from alphago.nets.modules import build, folded, multiply_adds
from alphago.nets.runtimes import make_evaluators
from alphago.nets.store import load_network, network_hash, save_network
from nets_helpers import inputs, shaken

KINDS = {
    "bottleneck": Residual(
        blocks=2, channels=16, feature_set="zero17", head_channels=8, block="bottleneck", pool_every=2
    ),
    "nested": Residual(
        blocks=2, channels=16, feature_set="zero17", head_channels=8, block="nested", pool_every=1, squeeze=4
    ),
    "wide": Residual(
        blocks=2,
        channels=12,
        feature_set="rich-fast",
        head_channels=8,
        kernel=5,
        stem_kernel=5,
        squeeze=2,
        activation="mish",
    ),
}


def made(kind: str) -> torch.nn.Module:
    return shaken(build(KINDS[kind], 1), 1)


def size_of(a: Residual) -> int:
    return sum(p.numel() for block in make_blocks(a) for p in block.parameters())


def test_blocks_have_their_closed_forms() -> None:
    c, k, m = 32, 3, 16
    norm = 2
    assert size_of(Residual(blocks=3, channels=c)) == 3 * 2 * (k * k * c * c + norm * c)
    assert size_of(Residual(blocks=3, channels=c, kernel=5)) == 3 * 2 * (25 * c * c + norm * c)
    bottleneck = 2 * c * m + k * k * m * m + norm * (m + m + c)
    assert size_of(Residual(blocks=2, channels=c, block="bottleneck")) == 2 * bottleneck
    nested = 2 * c * m + 4 * k * k * m * m + norm * (m + 4 * m + c)
    assert size_of(Residual(blocks=1, channels=c, block="nested")) == nested
    squeeze = c * 8 + 8 + 8 * c + c
    for kind, plain in (("plain", 2 * (9 * c * c + 2 * c)), ("bottleneck", bottleneck), ("nested", nested)):
        a = Residual(blocks=1, channels=c, block=kind, squeeze=4)  # type: ignore[arg-type]
        assert size_of(a) == plain + squeeze
        width = max(4, (c if kind == "plain" else m) // 4)
        inside = c if kind == "plain" else m
        pooling = inside * width * 9 + norm * width + 3 * width * inside
        assert size_of(a.model_copy(update={"pool_every": 1})) == plain + squeeze + pooling
    wide, narrow = (multiply_adds(build(Residual(blocks=1, channels=8, stem_kernel=n)), 9) for n in (5, 3))
    assert wide - narrow == Residual().planes * (25 - 9) * 8 * 81


def test_a_bottleneck_by_hand() -> None:
    torch.manual_seed(1)
    block = Bottleneck(8, "relu", False, 0.5, 3, 0).eval()
    x = torch.randn(2, 8, 5, 5)
    scale = (1 + 1e-4) ** -0.5  # a fresh norm: statistics 0 and 1
    y = functional.relu(functional.conv2d(x, block.down.conv.weight) * scale)
    y = functional.relu(functional.conv2d(y, block.middle.first.conv.weight, padding=1) * scale)
    y = functional.conv2d(y, block.up.conv.weight) * scale * 0.5
    assert torch.allclose(block(x), functional.relu(x + y), atol=1e-5)


def test_a_nested_block_pools_in_its_first_inner_block_alone() -> None:
    block = Nested(16, "relu", True, 1.0, 3, 0)
    assert [inner.to_pool is not None for inner in block.inner] == [True, False]
    assert all(inner.squeeze is None for inner in block.inner)


def test_squeezing_by_hand() -> None:
    torch.manual_seed(2)
    squeeze = Squeeze(8, 2)
    x = torch.randn(3, 8, 5, 5)
    mean = x.mean((2, 3))
    factor = torch.sigmoid(squeeze.up(torch.relu(squeeze.down(mean))))
    assert squeeze.down.out_features == 4
    assert torch.allclose(squeeze(x), x * factor[:, :, None, None])
    assert (torch.sigmoid(squeeze.up(torch.zeros(1, 4))) > 0.85).all()


@pytest.mark.parametrize("kind", sorted(KINDS))
@pytest.mark.parametrize("size", [5, 9, 13])
def test_a_board_in_a_19x19_buffer_gives_what_its_own_graph_gives(kind: str, size: int) -> None:
    network = made(kind)
    planes, globals_ = inputs(network, size, 2)  # type: ignore[arg-type]
    wide = np.zeros((2, planes.shape[1], 19, 19), np.float32)
    wide[:, :, :size, :size] = planes
    mask = torch.zeros(2, 1, 19, 19)
    mask[:, :, :size, :size] = 1
    with torch.no_grad():
        alone = network(torch.from_numpy(planes), torch.from_numpy(globals_))
        masked = network(torch.from_numpy(wide), torch.from_numpy(globals_), mask)
    moves = masked["policy"][:, :-1].reshape(2, 19, 19)[:, :size, :size].reshape(2, -1)
    torch.testing.assert_close(moves, alone["policy"][:, :-1], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(masked["ownership"][:, :size, :size], alone["ownership"], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(masked["outcome"], alone["outcome"], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", sorted(KINDS))
@pytest.mark.parametrize(("runtime", "precision"), [("torch", "fp32"), ("openvino", "fp32"), ("openvino", "bf16")])
def test_every_runtime_answers_as_the_module(kind: str, runtime: str, precision: str) -> None:
    if runtime == "openvino":
        pytest.importorskip("openvino")
    network = made(kind)
    planes, globals_ = inputs(network, 9, 4)  # type: ignore[arg-type]
    (evaluator,) = make_evaluators(network, 9, 4, runtime=runtime, precision=precision, threads=1)  # type: ignore[arg-type]
    buffers = evaluator.buffers()
    buffers[0][:], buffers[1][:] = planes, globals_
    out = evaluator.evaluate(*buffers)
    with torch.no_grad():
        policy, outcome, _ = PlayModule(network)(torch.from_numpy(planes), torch.from_numpy(globals_))  # type: ignore[arg-type]
    assert out.policy is not None and out.value is not None
    tolerance = 1e-4 if precision == "fp32" else 0.05
    for found, wanted in ((out.policy, policy.numpy()), (out.value, outcome.numpy())):
        assert np.abs(found - wanted).max() <= tolerance * max(1.0, np.abs(wanted).max())


def test_int8_knows_the_kinds() -> None:
    pytest.importorskip("openvino")
    pytest.importorskip("nncf")
    network = made("nested")
    planes, globals_ = inputs(network, 5, 8)  # type: ignore[arg-type]
    (evaluator,) = make_evaluators(network, 5, 8, runtime="openvino", precision="int8", threads=1)  # type: ignore[arg-type]
    out = evaluator.evaluate(planes, globals_)
    with torch.no_grad():
        policy, *_ = PlayModule(network)(torch.from_numpy(planes), torch.from_numpy(globals_))  # type: ignore[arg-type]
    assert out.policy is not None
    assert np.corrcoef(out.policy.ravel(), policy.numpy().ravel())[0, 1] > 0.9


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_files_and_folding(kind: str, tmp_path: Path) -> None:
    network = build(KINDS[kind], 3)
    shaken(network, 2)
    path = tmp_path / "net.safetensors"
    save_network(path, network, "a test")
    found, _ = load_network(path)
    assert found.architecture == KINDS[kind] and network_hash(found) == network_hash(network)
    planes, globals_ = (torch.from_numpy(x) for x in inputs(network, 9, 2))
    with torch.no_grad():
        whole, thin = network.eval()(planes, globals_), folded(network)(planes, globals_)
    assert all(torch.allclose(whole[name], thin[name], rtol=1e-3, atol=1e-3) for name in whole)


def test_networks_from_before_the_kinds_stay_what_they_are() -> None:
    """Their headers lack the keys; architecture and hash are those of the plain kind, and each new key changes the hash."""
    values = Residual(blocks=1, channels=8).model_dump()
    old = {key: value for key, value in values.items() if key not in ("block", "kernel", "stem_kernel", "squeeze")}
    assert architecture_of(old) == Residual(blocks=1, channels=8)
    network = build(Residual(blocks=1, channels=8), 1)
    hashes = {network_hash(network)}
    for key, value in {"block": "nested", "kernel": 5, "stem_kernel": 5, "squeeze": 2}.items():
        hashes.add(network_hash(build(Residual(blocks=1, channels=8).model_copy(update={key: value}), 1)))
    assert len(hashes) == 5
    for key, value in (("block", "dense"), ("kernel", 4), ("squeeze", -1)):
        with pytest.raises(NetworkError, match=key):
            architecture_of({**values, key: value})


def test_mish_is_that_of_torch_where_it_is_quick_and_so_is_its_gradient() -> None:
    x = torch.cat([torch.linspace(-30, 30, 4001), torch.tensor([-1e4, -100.0, 25.0, 100.0, 1e4, 0.0])]).requires_grad_()
    exact = x.detach().double().requires_grad_()
    got, right = activation_of("mish")(x), functional.mish(exact)
    torch.testing.assert_close(got.double(), right, rtol=1e-5, atol=5e-6)
    weights = torch.linspace(-1, 2, len(x))
    (slope,) = torch.autograd.grad((got * weights).sum(), x)
    (right_slope,) = torch.autograd.grad((right * weights.double()).sum(), exact)
    torch.testing.assert_close(slope.double(), right_slope, rtol=1e-5, atol=2e-5)
    assert isinstance(got.grad_fn, torch.autograd.function.BackwardCFunction)  # not torch's own
    learned = activation_of("mish")(x.double())  # no other type loses accuracy
    torch.testing.assert_close(learned, right, rtol=0, atol=0)
