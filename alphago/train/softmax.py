"""The linear softmax policy: likelihood of the moves played, its gradient, and sparse learning. NumPy only.

A move's logit is the sum of the weights of its features, a position's policy the softmax over its moves. So the gradient of the
log-likelihood is, for every feature, how often it was in the move played less how often the policy expected it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

FeatureArrays = dict[str, NDArray[Any]]
"""What `_core.RolloutFeatures.read` gives."""

_EPSILON: Final = 1e-8


@dataclass
class Likelihood:
    """Of a batch of positions, over those whose move played is one the policy knows."""

    positions: int
    log_loss: float
    """Nats, a mean over the positions."""
    gradient: NDArray[np.float64]
    """[features]: of the mean log-likelihood, to climb."""
    top1: float
    """Share of the positions whose most likely move was played; k equal ones count 1/k."""


def probabilities(batch: FeatureArrays, weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of every move, [moves]; they sum to 1 over each position that has a move.

    Args:
        weights: [features + 1]; the last is 0, which the feature -1 (none) finds.
    """
    logits = _logits(batch, weights)
    first = batch["first"]
    if not len(logits):
        return logits
    filled = np.flatnonzero(np.diff(first))
    starts = first[filled]
    lengths = np.diff(first)[filled]
    logits -= np.repeat(np.maximum.reduceat(logits, starts), lengths)
    np.exp(logits, out=logits)
    logits /= np.repeat(np.add.reduceat(logits, starts), lengths)
    return logits


def _logits(batch: FeatureArrays, weights: NDArray[np.float64]) -> NDArray[np.float64]:
    logits = weights[batch["pattern3"]]
    logits += np.bincount(batch["extra_move"], weights=weights[batch["extra_feature"]], minlength=len(logits))
    if len(batch["tree"]) and batch["tree"].size:
        for column in batch["tree"].T:
            logits += weights[column]
    return logits


def likelihood(batch: FeatureArrays, weights: NDArray[np.float64]) -> Likelihood:
    """Log-loss, gradient and accuracy; `weights` as in `probabilities`."""
    p = probabilities(batch, weights)
    first, played = batch["first"], batch["played"]
    known = played >= 0
    n = max(1, int(known.sum()))
    chosen = played[known]
    error = -p * np.repeat(known, np.diff(first))  # of positions whose move is unknown nothing is learned
    error[chosen] += 1.0
    size = len(weights)
    gradient = _sums(batch["pattern3"], error, size)
    gradient += _sums(batch["extra_feature"], error[batch["extra_move"]], size)
    if batch["tree"].size:
        for column in batch["tree"].T:
            gradient += _sums(column, error, size)
    gradient[-1] = 0.0
    return Likelihood(
        positions=int(known.sum()),
        log_loss=float(-np.log(np.maximum(p[chosen], 1e-300)).sum() / n),
        gradient=gradient / n,
        top1=float(_top1(p, first, played, known).sum() / n),
    )


def _sums(features: NDArray[np.int32], amounts: NDArray[np.float64], size: int) -> NDArray[np.float64]:
    """Amounts by feature; those of feature -1 come last."""
    places = np.where(features < 0, size - 1, features)
    return np.bincount(places, weights=amounts, minlength=size).astype(np.float64, copy=False)


def _top1(
    p: NDArray[np.float64], first: NDArray[np.int64], played: NDArray[np.int64], known: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """[known positions]: 1/k where the move played is among the k most likely, else 0."""
    filled = np.flatnonzero(np.diff(first))
    if not len(filled):
        return np.zeros(0)
    starts, lengths = first[filled], np.diff(first)[filled]
    is_best = p >= np.repeat(np.maximum.reduceat(p, starts) * (1 - 1e-9), lengths)
    ties = np.ones(len(known))
    ties[filled] = np.add.reduceat(is_best, starts, dtype=np.float64)
    found: NDArray[np.float64] = is_best[played[known]] / ties[known]
    return found


@dataclass
class Adagrad:
    """AdaGrad (Duchi, Hazan and Singer, JMLR 2011) for sparse features, and the mean of its iterates from `average_from` on.

    Rare features keep large steps, which one rate for all would have to trade against the frequent ones.
    """

    weights: NDArray[np.float64]
    """[features + 1]; the last stays 0."""
    rate: float
    trained: NDArray[np.bool_]
    """[features + 1]: the others stay as they are."""
    average_from: int = 0
    limit: float = 10.0
    """Of a weight's size: what the core takes."""
    step: int = 0
    squares: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    total: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    """Sum of the weights after each step from `average_from` on."""

    def __post_init__(self) -> None:
        if not len(self.squares):
            self.squares, self.total = np.zeros_like(self.weights), np.zeros_like(self.weights)
        self.trained[-1] = False

    def climb(self, gradient: NDArray[np.float64]) -> None:
        """A step uphill."""
        self.squares += gradient * gradient
        moved = self.weights + self.rate * gradient / (np.sqrt(self.squares) + _EPSILON)
        self.weights = np.where(self.trained, np.clip(moved, -self.limit, self.limit), self.weights)
        self.step += 1
        if self.step > self.average_from:
            self.total += self.weights

    @property
    def mean(self) -> NDArray[np.float64]:
        """Of the iterates so far; the last one as long as there are none."""
        n = self.step - self.average_from
        return self.total / n if n > 0 else self.weights.copy()
