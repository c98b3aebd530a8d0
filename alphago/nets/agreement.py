"""How far a runtime and precision answer as PyTorch does in fp32."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from alphago.nets.architecture import NetworkError
from alphago.nets.evaluator import Evaluator, Floats
from alphago.nets.modules import Network
from alphago.nets.runtimes import make_evaluators
from alphago.nets.torch_runtime import TorchEvaluator

BATCH = 64


class Agreement(NamedTuple):
    """Over the positions that were compared; NaN where the network has no such head."""

    positions: int
    policy_top1: float
    """Share of positions where both prefer the same move, the pass included, legal or not."""
    policy_divergence: float
    """Mean Kullback-Leibler divergence of the policy from fp32's, in nats."""
    value_mean_error: float
    """Mean |difference| of the expected outcome, which lies in -1..1."""
    value_max_error: float
    """Largest |difference| of the expected outcome."""


def agreement(
    network: Network, planes: NDArray[Any], globals_: Floats, size: int, runtime: str, precision: str
) -> Agreement:
    """Compare a runtime and precision with PyTorch in fp32.

    Args:
        network: from `build` or `load_network`.
        planes: [n, planes, size, size] of its feature set, n at least 1.
        globals_: [n, 7].
        runtime, precision: as for `make_evaluators`.

    Raises:
        NetworkError: no positions, or what `make_evaluators` refuses.
    """
    if not len(planes):
        raise NetworkError("agreement: no positions to compare on")
    reference = _answers(TorchEvaluator(network, size, BATCH, precision="fp32", device="cpu"), planes, globals_)
    other = _answers(make_evaluators(network, size, BATCH, runtime=runtime, precision=precision)[0], planes, globals_)
    top1 = divergence = mean = largest = float("nan")
    if reference[0] is not None and other[0] is not None:
        top1 = float((reference[0].argmax(1) == other[0].argmax(1)).mean())
        p, q = _log_softmax(reference[0]), _log_softmax(other[0])
        divergence = float((np.exp(p) * (p - q)).sum(1).mean())
    if reference[1] is not None and other[1] is not None:
        error = np.abs(reference[1] - other[1])
        mean, largest = float(error.mean()), float(error.max())
    return Agreement(len(planes), top1, divergence, mean, largest)


def _answers(evaluator: Evaluator, planes: NDArray[Any], globals_: Floats) -> tuple[Floats | None, Floats | None]:
    """Policy logits [n, size*size + 1] and expected outcomes [n] of n positions."""
    inputs, others = evaluator.buffers()
    policies: list[Floats] = []
    values: list[Floats] = []
    for start in range(0, len(planes), evaluator.batch):
        count = min(evaluator.batch, len(planes) - start)
        inputs[:count], others[:count] = planes[start : start + count], globals_[start : start + count]
        out = evaluator.evaluate(inputs, others)
        if out.policy is not None:
            policies.append(out.policy[:count].copy())
        if out.value is not None:
            values.append(_expected(out.value[:count]))
    return (np.concatenate(policies) if policies else None), (np.concatenate(values) if values else None)


def _expected(value: Floats) -> Floats:
    """The expected outcome of `Outputs.value`: itself, or the chance of a win less that of a loss."""
    if value.ndim == 1:
        return np.array(value)
    chances = np.exp(_log_softmax(value))
    return np.asarray(chances[:, 0] - chances[:, 2], dtype=np.float32)


def _log_softmax(logits: Floats) -> Floats:
    shifted = logits - logits.max(axis=1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True)), dtype=np.float32)
