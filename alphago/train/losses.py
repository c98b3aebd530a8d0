"""Losses of the heads of a network against examples of games.

Every loss is a sum over the batch divided by its size: an example that lacks a target adds nothing, and the sum of parts of a
batch on several machines is the loss of the whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

import pydantic
import torch
from torch import Tensor
from torch.nn import functional

Targets = Mapping[str, Tensor]
Weight = Annotated[float, pydantic.Field(ge=0, le=1000)]
SCORE_SCALE = 10.0
"""Points at which the score's loss turns from square to linear, and its unit."""


class LossWeights(pydantic.BaseModel, extra="forbid", frozen=True):
    """What each head's loss counts for; heads that a network lacks are passed over."""

    policy: Weight = 1.0
    outcome: Weight = 0.01
    """AlphaGo Zero's weight for positions of the same games (Nature 550, Methods): larger ones learn the games by heart."""
    outcome_as: Annotated[
        Literal["cross-entropy", "mse"],
        pydantic.Field(description="of win, draw, loss; or the squared error of winning less losing against +1, 0, -1"),
    ] = "cross-entropy"
    ownership: Weight = 0.15
    score: Weight = 0.02
    logits: Weight = 1e-4
    """Of the squared log-sum-exp of the policy's logits. Their common offset means nothing, so nothing else keeps it from growing
    until bf16 cannot tell moves apart: it came to 400 in 29,000 steps without this (z-loss; Chowdhery and others, arXiv 2204.02311,
    section 5)."""
    reply: Weight = 0.15
    """Of the opponent's answer (KataGo, arXiv 1902.10565, section 3.4)."""


OUTPUTS_OF: dict[str, tuple[str, ...]] = {
    "policy": ("policy", "move"),
    "reply": ("reply",),
    "outcome": ("outcome",),
    "value": ("outcome",),
    "score": ("score",),
    "ownership": ("ownership",),
}
"""Columns of a batch that each head is compared with."""


def losses(
    outputs: Mapping[str, Tensor], targets: Targets, weights: LossWeights, value_target: float = 0.0
) -> dict[str, Tensor]:
    """The loss of every head that there is, unweighted, and their weighted sum as "total"; nats, or squares.

    Args:
        outputs: of `alphago.nets.modules`, [N, ...].
        targets: of `alphago.data.batches`, as tensors.
        value_target: share of the search's root value in the outcome target; the rest is the game's outcome.
    """
    found: dict[str, Tensor] = {}
    if "policy" in outputs:
        found["policy"] = _cross_entropy(outputs["policy"], targets["policy"])
        if weights.logits:
            found["logits"] = outputs["policy"].float().logsumexp(dim=1).square().mean()
    if "reply" in outputs:
        found["reply"] = _reply(outputs["reply"], targets["reply"])
    if "outcome" in outputs:
        target = _outcome_target(targets, value_target)
        if weights.outcome_as == "mse":
            p = torch.softmax(outputs["outcome"].float(), dim=1)
            found["outcome"] = _value(p[:, 0] - p[:, 2], target)
        else:
            found["outcome"] = _cross_entropy(outputs["outcome"], target)
    if "value" in outputs:
        found["value"] = _value(outputs["value"], targets["outcome"])
    if "score" in outputs:
        found["score"] = _score(outputs["score"], targets["score"])
    if "ownership" in outputs:
        found["ownership"] = _ownership(outputs["ownership"], targets["ownership"])
    total = torch.zeros((), device=next(iter(outputs.values())).device)
    for name, loss in found.items():
        weight = getattr(weights, "outcome" if name == "value" else name)
        total = total + weight * loss
    return {**found, "total": total}


def _cross_entropy(logits: Tensor, target: Tensor) -> Tensor:
    """Mean over the batch of -sum target log p; a target of zeros adds nothing."""
    return -(target * functional.log_softmax(logits.float(), dim=1)).sum() / len(logits)


def _reply(logits: Tensor, reply: Tensor) -> Tensor:
    return functional.cross_entropy(logits.float(), reply, ignore_index=-1, reduction="sum") / len(logits)


def _outcome_target(targets: Targets, share: float) -> Tensor:
    outcome = targets["outcome"]
    if share == 0 or "root_value" not in targets:
        return outcome
    value = targets["root_value"][:, None]
    searched = torch.cat([(1 + value) / 2, torch.zeros_like(value), (1 - value) / 2], dim=1)
    known = outcome.sum(dim=1, keepdim=True) > 0
    mixed = torch.where(known, (1 - share) * outcome + share * searched, searched)
    return torch.where(torch.isnan(value), outcome, mixed)


def _value(value: Tensor, outcome: Tensor) -> Tensor:
    """Squared error against +1, 0, -1 (AlphaGo's value network)."""
    wanted = outcome[:, 0] - outcome[:, 2]
    known = outcome.sum(dim=1)
    return (known * (value.float() - wanted) ** 2).sum() / len(value)


def _score(score: Tensor, target: Tensor) -> Tensor:
    """Huber's loss in units of `SCORE_SCALE` points."""
    known = ~torch.isnan(target)
    error = functional.huber_loss(
        score.float() / SCORE_SCALE, torch.where(known, target, 0.0) / SCORE_SCALE, reduction="none"
    )
    return (error * known).sum() / len(score)


def _ownership(ownership: Tensor, target: Tensor) -> Tensor:
    """Binary cross-entropy of "is the mover's", a mean over the points of each board."""
    known = ~torch.isnan(target)
    mine = (torch.where(known, target, 0.0) + 1) / 2
    p = (ownership.float() + 1) / 2
    p = p.clamp(1e-4, 1 - 1e-4)  # the head ends in tanh: its logarithm is taken here
    loss = -(mine * torch.log(p) + (1 - mine) * torch.log1p(-p)) * known
    points = known.flatten(1).sum(dim=1).clamp(min=1)
    return (loss.flatten(1).sum(dim=1) / points).sum() / len(ownership)
