"""Muon against singular value decompositions, a step by hand, and torch's own AdamW."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from alphago.nets.architecture import Residual
from alphago.nets.modules import build
from alphago.train.muon import Muon, is_matrix, orthogonalised
from alphago.train.optim import OptimizerSettings, make_optimizer


@pytest.mark.parametrize("shape", [(16, 16), (20, 180), (130, 24), (64, 576)])
def test_singular_vectors_stay_and_values_become_about_one(shape: tuple[int, int]) -> None:
    generator = torch.Generator().manual_seed(shape[0])
    matrix = torch.randn(shape, generator=generator)
    u, s, vh = torch.linalg.svd(matrix, full_matrices=False)
    matrix = u @ torch.diag(s.max() * torch.linspace(1, 0.1, len(s))) @ vh  # a condition number of 10
    found = orthogonalised(matrix)
    inner = u.mT @ found @ vh.mT
    values = torch.diagonal(inner)
    assert (inner - torch.diag(values)).abs().max() < 1e-3
    assert values.min() > 0.65 and values.max() < 1.25
    assert (found - u @ torch.diag(values) @ vh).abs().max() < 1e-3  # nothing outside of the matrix's own spaces


def test_matrices_of_a_stack_are_independent_and_their_scale_is_nothing() -> None:
    stack = torch.randn(3, 24, 40, generator=torch.Generator().manual_seed(0))
    whole = orthogonalised(stack * torch.tensor([1e-3, 1.0, 1e4])[:, None, None])
    for one, matrix in zip(whole, stack, strict=True):
        assert torch.allclose(one, orthogonalised(matrix), atol=1e-3)
    assert orthogonalised(torch.zeros(4, 16, 16)).abs().max() == 0


def one_step(parameter: Tensor, gradient: Tensor, **group: Any) -> Tensor:
    parameter = nn.Parameter(parameter.clone(memory_format=torch.preserve_format))
    optimizer = Muon([{"params": [parameter], "matrices": True, **group}], lr=0.1)
    parameter.grad = gradient.clone()
    optimizer.step()
    return parameter.detach()


def test_a_step_by_hand() -> None:
    """A first step: Nesterov's momentum of one gradient is a multiple of it, which orthogonalising removes."""
    generator = torch.Generator().manual_seed(1)
    weight = torch.randn(32, 16, 3, 3, generator=generator)
    gradient = torch.randn(32, 16, 3, 3, generator=generator)
    wanted = weight * (1 - 0.1 * 0.5) - 0.1 * 0.2 * 144**0.5 * orthogonalised(gradient.flatten(1)).reshape(weight.shape)
    assert torch.allclose(one_step(weight, gradient, weight_decay=0.5), wanted, atol=1e-5)
    as_it_lies = one_step(weight.to(memory_format=torch.channels_last), gradient, weight_decay=0.5)
    assert torch.allclose(as_it_lies, wanted, atol=1e-5)
    # The step's root mean square is 0.2 of the rate: what AdamW's updates have in practice.
    update = one_step(torch.zeros(32, 16, 3, 3), gradient)
    assert update.square().mean().sqrt().item() == pytest.approx(0.1 * 0.2, rel=0.25)


def test_all_else_is_adamw() -> None:
    generator = torch.Generator().manual_seed(2)
    start = [torch.randn(7, generator=generator), torch.randn(3, 20, generator=generator)]
    ours = [nn.Parameter(p.clone()) for p in start]
    theirs = [nn.Parameter(p.clone()) for p in start]
    groups: list[dict[str, Any]] = [{"params": [ours[0]]}, {"params": [ours[1]], "weight_decay": 0.1}]
    one = Muon(groups, lr=0.2, betas=(0.8, 0.95), share=0.1)
    other = torch.optim.AdamW(
        [{"params": [theirs[0]], "weight_decay": 0.0}, {"params": [theirs[1]], "weight_decay": 0.1}],
        lr=0.02,
        betas=(0.8, 0.95),
    )
    for _ in range(20):
        for p, q in zip(ours, theirs, strict=True):
            p.grad = torch.randn(p.shape, generator=generator)
            q.grad = p.grad.clone()
        one.step()
        other.step()
    for p, q in zip(ours, theirs, strict=True):
        assert torch.allclose(p, q, atol=1e-6)


def test_who_updates_what() -> None:
    network = build(Residual(blocks=2, channels=16, pool_every=2))
    optimizer = make_optimizer(network, OptimizerSettings(kind="muon", weight_decay=0.3))
    names = {id(p): name for name, p in network.named_parameters()}
    seen = [id(p) for group in optimizer.param_groups for p in group["params"]]
    assert len(seen) == len(set(seen)) == len(names)
    for group in optimizer.param_groups:
        for p in group["params"]:
            assert group["matrices"] == is_matrix(p), names[id(p)]
            assert group["weight_decay"] == (0.3 if p.ndim > 1 else 0.0), names[id(p)]
    muons = {names[id(p)] for group in optimizer.param_groups if group["matrices"] for p in group["params"]}
    assert {"stem.conv.weight", "policy_conv.conv.weight"} <= muons
    assert not {"value_hidden.weight", "outcome_out.weight", "policy_out.weight", "stem.norm.weight"} & muons


def test_an_ill_conditioned_quadratic_is_solved_sooner_than_by_adamw() -> None:
    """0.5 |A (W - W*)|^2 with directions of very different steepness, each optimiser at its best rate of a grid."""
    generator = torch.Generator().manual_seed(3)
    basis = torch.linalg.qr(torch.randn(32, 32, generator=generator)).Q
    a = basis @ torch.diag(torch.logspace(0, -2, 32)) @ basis.mT
    target = torch.randn(32, 32, generator=generator)

    def loss_after(kind: str, lr: float) -> float:
        weight = nn.Parameter(torch.zeros(32, 32))
        group = [{"params": [weight], "matrices": kind == "muon"}]
        optimizer = Muon(group, lr=lr)
        for step in range(200):
            optimizer.param_groups[0]["lr"] = lr * (1 - step / 200)
            loss = 0.5 * (a @ (weight - target)).square().sum()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        left: Tensor = 0.5 * (a @ (weight - target)).square().sum()
        return left.item()

    best = {kind: min(loss_after(kind, lr) for lr in (0.01, 0.03, 0.1, 0.3)) for kind in ("muon", "adamw")}
    assert best["muon"] < best["adamw"]
