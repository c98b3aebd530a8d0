"""Networks as torch modules: shapes, masks, batch normalisation, folding, counts, seeds."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import nn

from alphago.nets.architecture import AlphaGoPolicy, AlphaGoValue, NetworkError, Residual, architecture_of
from alphago.nets.modules import (
    SCORE_UNIT,
    ConvNorm,
    FoldedCall,
    MaskedNorm,
    Network,
    build,
    folded,
    folded_state,
    multiply_adds,
    policy_alone,
)
from nets_helpers import ALL_HEADS, SMALL, fresh, inputs, shaken

SIZES = [5, 7, 9, 13, 19]


def parameters(network: Network) -> int:
    return sum(p.numel() for p in network.parameters())


# --- shapes and heads ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", SIZES)
def test_every_head_has_its_shape(size: int) -> None:
    network = fresh("pooled")
    planes, globals_ = inputs(network, size, 3)
    with torch.no_grad():
        out = network(torch.from_numpy(planes), torch.from_numpy(globals_))
    area = size * size
    assert {name: tuple(t.shape) for name, t in out.items()} == {
        "policy": (3, area + 1),
        "outcome": (3, 3),
        "ownership": (3, size, size),
        "score": (3,),
        "reply": (3, area + 1),
    }
    assert all(torch.isfinite(t).all() for t in out.values())
    assert out["ownership"].abs().max() <= 1


@pytest.mark.parametrize("head", ["outcome", "ownership", "score", "reply"])
def test_a_head_switched_off_is_gone(head: str) -> None:
    architecture = ALL_HEADS.model_copy(update={head: False})
    network = build(architecture)
    out = network(torch.zeros(2, architecture.planes, 7, 7), torch.zeros(2, 7))
    assert set(out) == set(architecture.heads) == {"policy", "outcome", "ownership", "score", "reply"} - {head}
    assert parameters(network) < parameters(build(ALL_HEADS))


def test_only_the_heads_asked_for_are_computed() -> None:
    network = fresh("pooled")
    planes, globals_ = (torch.from_numpy(x) for x in inputs(network, 7, 2))
    with torch.no_grad():
        everything = network(planes, globals_)
        for head in network.architecture.heads:
            one = network(planes, globals_, None, (head,))
            assert list(one) == [head]
            assert torch.equal(one[head], everything[head])


def test_the_policy_alone_is_the_same_policy() -> None:
    network = shaken(fresh("pooled")).eval()
    assert "reply" in network.architecture.heads
    alone = policy_alone(network)
    assert alone.architecture.heads == ("policy",) and parameters(alone) < parameters(network)
    planes, globals_ = (torch.from_numpy(x) for x in inputs(network, 7, 2))
    with torch.no_grad():
        torch.testing.assert_close(alone(planes, globals_)["policy"], network(planes, globals_)["policy"])
    assert policy_alone(alone) is alone


@pytest.mark.parametrize("kind", sorted(SMALL))
def test_alphago_heads(kind: str) -> None:
    network = fresh(kind)
    planes, globals_ = inputs(network, 9, 2)
    with torch.no_grad():
        out = network(torch.from_numpy(planes), torch.from_numpy(globals_))
    assert set(out) == set(network.architecture.heads)
    if kind == "alphago value":
        assert out["value"].shape == (2,) and out["value"].abs().max() <= 1


def test_globals_count_in_the_residual_tower() -> None:
    network = fresh("residual")
    planes, globals_ = (torch.from_numpy(x) for x in inputs(network, 9, 2))
    with torch.no_grad():
        a, b = network(planes, globals_), network(planes, globals_ + 1)
    assert not torch.allclose(a["policy"], b["policy"]) and not torch.allclose(a["score"], b["score"])


def test_fresh_networks_are_undecided() -> None:
    network = build(Residual(blocks=6, channels=32, feature_set="rich-fast", head_channels=16), seed=3)
    network(*(torch.from_numpy(x) for x in inputs(network, 9, 64)))  # statistics of real inputs
    with torch.no_grad():
        out = network.eval()(*(torch.from_numpy(x) for x in inputs(network, 9, 32, seed=4)))
    assert torch.softmax(out["policy"], 1).max() < 0.3
    assert torch.softmax(out["outcome"], 1).max() < 0.8
    assert out["score"].abs().max() < 3 * SCORE_UNIT


# --- masks: one set of weights for every size, and batches that mix them --------------------------------------------------


@pytest.mark.parametrize("kind", ["residual", "pooled", "policy only"])
@pytest.mark.parametrize("size", SIZES)
def test_a_board_in_a_19x19_buffer_gives_what_its_own_graph_gives(kind: str, size: int) -> None:
    network = fresh(kind)
    planes, globals_ = inputs(network, size, 3)
    wide = np.zeros((3, planes.shape[1], 19, 19), np.float32)
    wide[:, :, :size, :size] = planes
    mask = torch.zeros(3, 1, 19, 19)
    mask[:, :, :size, :size] = 1
    with torch.no_grad():
        alone = network(torch.from_numpy(planes), torch.from_numpy(globals_))
        masked = network(torch.from_numpy(wide), torch.from_numpy(globals_), mask)
    for name, expected in alone.items():
        found = masked[name]
        if name in ("policy", "reply"):
            on_board = found[:, :-1].reshape(3, 19, 19)[:, :size, :size].reshape(3, -1)
            found = torch.cat([on_board, found[:, -1:]], dim=1)
        elif name == "ownership":
            found = found[:, :size, :size]
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


def test_masked_statistics_are_those_of_the_points_on_the_board() -> None:
    rng = np.random.default_rng(0)
    norm = MaskedNorm(4, eps=1e-4).train()
    norm.running_mean = torch.tensor([1.0, -1.0, 0.5, 0.0])
    norm.running_var = torch.tensor([2.0, 0.5, 1.0, 3.0])
    with torch.no_grad():
        norm.weight.copy_(torch.tensor([1.0, 2.0, -1.0, 0.5]))
        norm.bias.copy_(torch.tensor([0.0, 1.0, 2.0, 3.0]))
    x = rng.normal(2, 3, (3, 4, 9, 9)).astype(np.float32)
    mask = np.zeros((3, 1, 9, 9), np.float32)
    for row, size in enumerate((5, 7, 9)):
        mask[row, :, :size, :size] = 1
    found = norm(torch.from_numpy(x), torch.from_numpy(mask)).detach().numpy()

    for channel in range(4):
        points = np.concatenate([x[row, channel, :size, :size].ravel() for row, size in enumerate((5, 7, 9))]).astype(
            float
        )
        assert len(points) == 25 + 49 + 81
        old_mean, old_variance = [1.0, -1.0, 0.5, 0.0][channel], [2.0, 0.5, 1.0, 3.0][channel]
        assert norm.running_mean[channel].item() == pytest.approx(0.9 * old_mean + 0.1 * points.mean(), rel=1e-5)
        assert norm.running_var[channel].item() == pytest.approx(
            0.9 * old_variance + 0.1 * points.var(ddof=1), rel=1e-5
        )
        scale = [1.0, 2.0, -1.0, 0.5][channel] / np.sqrt(points.var() + 1e-4)
        expected = ((x[:, channel] - points.mean()) * scale + channel) * mask[:, 0]
        np.testing.assert_allclose(found[:, channel], expected, rtol=1e-4, atol=1e-4)
    assert norm.num_batches_tracked == 1


def test_a_full_mask_trains_as_no_mask() -> None:
    a = build(ALL_HEADS, 1).train()
    b = copy.deepcopy(a)
    planes, globals_ = (torch.from_numpy(x) for x in inputs(a, 7, 4))
    plain = a(planes, globals_)
    masked = b(planes, globals_, torch.ones(4, 1, 7, 7))
    for name in plain:
        torch.testing.assert_close(masked[name], plain[name], rtol=1e-4, atol=1e-4)
    for (name, x), y in zip(a.state_dict().items(), b.state_dict().values(), strict=True):
        assert torch.allclose(y, x, rtol=1e-4, atol=1e-5), name


def test_masked_training_gives_finite_gradients_everywhere() -> None:
    network = build(ALL_HEADS, 1).train()
    planes = torch.randn(4, network.architecture.planes, 9, 9)
    mask = torch.zeros(4, 1, 9, 9)
    mask[:2, :, :5, :5] = 1
    mask[2:] = 1
    out = network(planes * mask, torch.randn(4, 7), mask)
    torch.stack([t.square().mean() for t in out.values()]).sum().backward()  # type: ignore[no-untyped-call]
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None and torch.isfinite(parameter.grad).all(), name


# --- folding --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", sorted(SMALL))
def test_folding_changes_nothing(kind: str) -> None:
    network = fresh(kind)
    before = {name: t.clone() for name, t in network.state_dict().items()}
    inference = folded(network)
    assert not any(isinstance(m, ConvNorm | nn.BatchNorm2d) for m in inference.modules())
    assert not any(p.requires_grad for p in inference.parameters())
    planes, globals_ = (torch.from_numpy(x) for x in inputs(network, 9, 4))
    with torch.no_grad():
        expected, found = network(planes, globals_), inference(planes, globals_)
    for name in expected:
        scale = max(1.0, float(expected[name].abs().max()))
        assert float((found[name] - expected[name]).abs().max()) < 1e-5 * scale
    assert all(torch.equal(t, before[name]) for name, t in network.state_dict().items())


@pytest.mark.parametrize("kind", sorted(SMALL))
def test_folded_state_is_that_of_the_folded_network(kind: str) -> None:
    network = fresh(kind)
    expected, found = folded(network).state_dict(), folded_state(network)
    assert set(found) == set(expected)
    assert all(torch.equal(found[name], expected[name]) for name in expected)


@pytest.mark.parametrize("kind", sorted(SMALL))
def test_a_folded_call_has_the_networks_answers_and_gradients(kind: str) -> None:
    """Of a network and of another one of its architecture, in evaluation mode."""
    network = fresh(kind).double()
    call = FoldedCall(network)
    other = shaken(copy.deepcopy(network))
    for one in (network, other):
        planes, globals_ = (torch.from_numpy(x).double() for x in inputs(one, 9, 4))
        heads = one.architecture.heads
        found = []
        for out in (one.eval()(planes, globals_, None, heads), call(one, planes, globals_, heads)):
            one.zero_grad()
            sum(value.sin().sum() for value in out.values()).backward()  # type: ignore[union-attr]
            gradients = {name: p.grad.clone() for name, p in one.named_parameters() if p.grad is not None}
            found.append(({name: value.detach() for name, value in out.items()}, gradients))
        assert found[0][1].keys() == found[1][1].keys() and found[0][1]
        for plain, folded_ in zip(found[0], found[1], strict=True):
            for name, value in plain.items():
                torch.testing.assert_close(folded_[name], value, rtol=1e-9, atol=1e-9)


# --- counts and seeds -------------------------------------------------------------------------------------------------------


def test_alphago_policy_has_the_papers_parameters() -> None:
    """Nature 529: 48 planes, a 5x5 convolution, eleven 3x3 ones of k = 192 filters, a 1x1 filter with a bias a point."""
    k, points = 192, 361
    expected = (48 * 25 + 1) * k + 11 * (9 * k + 1) * k + k + points + 1  # the last is our pass
    network = build(AlphaGoPolicy())
    assert parameters(network) == expected == 3_882_794
    convolutions = 48 * 25 * k + 11 * 9 * k * k + k
    assert multiply_adds(network, 19) == convolutions * points


def test_alphago_value_has_its_closed_form() -> None:
    a = AlphaGoValue(layers=5, channels=8, hidden=16, size=9)
    trunk = (a.planes * 25 + 1) * 8 + 3 * (9 * 8 + 1) * 8
    assert parameters(build(a)) == trunk + (8 + 1) + (81 + 1) * 16 + 16 + 1


def test_residual_tower_has_its_closed_form() -> None:
    c, h, v = 96, 32, 64
    a = Residual(blocks=6, channels=c, feature_set="rich-fast")
    stem = a.planes * 9 * c + 2 * c + 8 * c
    blocks = 6 * 2 * (9 * c * c + 2 * c)
    policy = c * h + 2 * h + (3 * h + 1) * h + h + 3 * h + 1
    value = c * h + 2 * h + (3 * h + 1) * v + (v + 1) * 3 + (v + 1) + h
    network = build(a)
    assert parameters(network) == stem + blocks + policy + value
    at9, at19 = multiply_adds(network, 9), multiply_adds(network, 19)
    per_point = a.planes * 9 * c + 6 * 2 * 9 * c * c + c * h + h + c * h + h
    assert at19 - at9 == per_point * (361 - 81)


def test_seeds_decide_the_weights_and_the_global_state_is_left_alone() -> None:
    torch.manual_seed(11)
    state = torch.random.get_rng_state()
    one, again, other = build(ALL_HEADS, 5), build(ALL_HEADS, 5), build(ALL_HEADS, 6)
    folded(one)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), again.parameters(), strict=True))
    assert any(not torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))
    assert one.training


def test_shaking_moves_every_weight() -> None:
    """The other tests lean on it: an untouched neutral weight would hide a forgotten term."""
    plain, moved = build(ALL_HEADS, 1), shaken(build(ALL_HEADS, 1))
    for (name, a), b in zip(plain.state_dict().items(), moved.state_dict().values(), strict=True):
        assert name.endswith("num_batches_tracked") or not torch.equal(a, b), name


# --- architectures ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"kind": "transformer"}, "kind"),
        ({}, "kind"),
        (None, "kind"),
        ({"kind": "residual", "depth": 3}, "depth"),
        ({"kind": "residual", "blocks": 0}, "blocks"),
        ({"kind": "residual", "channels": "many"}, "channels"),
        ({"kind": "residual", "feature_set": "rich-slow"}, "feature_set"),
        ({"kind": "alphago-policy", "size": 20}, "size"),
    ],
)
def test_bad_architectures(values: object, message: str) -> None:
    with pytest.raises(NetworkError, match=message) as error:
        architecture_of(values)
    assert "\n" not in str(error.value)


def test_files_from_before_the_value_heads_activation() -> None:
    """They were trained with the tower's own, and keep it."""
    assert architecture_of({"kind": "residual", "activation": "mish"}) == Residual(
        activation="mish", value_activation="mish"
    )
    assert architecture_of({"kind": "residual"}) != Residual()
    assert architecture_of(Residual().model_dump()) == Residual()
    planes, globals_ = torch.rand(3, 17, 9, 9), torch.rand(3, 7)
    answers = []
    for activation in ("relu", "silu"):
        network = build(Residual(blocks=1, channels=8, feature_set="rich", value_activation=activation), seed=1).eval()
        with torch.no_grad():
            answers.append(network(planes, globals_)["outcome"])
    assert not torch.allclose(*answers)
