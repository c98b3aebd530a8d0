"""Networks of Go as a search space: which towers there are, and what one costs before it is built."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any, Final

from alphago.controller.nas.space import Choice, Constraint, Group, Space
from alphago.nets.architecture import GLOBALS, Residual

OPTIONS: Final[dict[str, tuple[Any, ...]]] = {
    "blocks": (2, 3, 4, 5, 6, 8, 10, 12),
    "channels": (32, 48, 64, 80, 96, 128),
    "block": ("plain", "bottleneck", "nested"),
    "kernel": (3, 5),
    "stem_kernel": (3, 5),
    "pool_every": (0, 2, 3),
    "squeeze": (0, 4, 8),
    "activation": ("relu", "silu", "mish"),
    "head_channels": (16, 32),
    "value_hidden": (32, 64, 96),
}
"""Fields of `Residual`, and what each may be. Values are KataGo's and their neighbours, in the sizes that a CPU plays with."""


def go_space(
    base: Residual, size: int, most_mflop: float, options: Mapping[str, tuple[Any, ...]] | None = None
) -> Space:
    """Towers of at most so many million operations on a board of `size`: a decision for every field.

    Args:
        base: what is not decided: input planes and heads.
        options: in place of `OPTIONS`; fields that are left out stay as in `base`.

    Raises:
        SpaceError: nothing is as cheap as that.
    """
    chosen = dict(OPTIONS if options is None else options)
    cheapest = {name: min(values, key=functools.partial(_rank, name)) for name, values in chosen.items()}
    kinds = chosen.get("block", (base.block,))

    def fits(found: Mapping[str, Any]) -> bool:
        # what is not decided yet is taken at its cheapest: whatever fits so far can be completed
        asked = (found["block"],) if "block" in found else kinds
        values = [{**cheapest, **found, "block": kind} for kind in asked]
        return min(2e-6 * multiply_adds_of(architecture_of(value, base), size) for value in values) <= most_mflop

    parts = {name: Choice(*values) for name, values in chosen.items()}
    space = Space(Group(**parts), (Constraint(f"at most {most_mflop:g} MFLOP on {size}x{size}", fits),))
    space.allowed(())  # an empty space is told at once
    return space


def smallest(base: Residual, size: int, options: Mapping[str, tuple[Any, ...]] | None = None) -> Residual:
    """The cheapest network of a `go_space`."""
    chosen = dict(OPTIONS if options is None else options)
    value = {name: min(values, key=functools.partial(_rank, name)) for name, values in chosen.items()}
    kinds = chosen.get("block", (base.block,))
    found = [architecture_of({**value, "block": kind}, base) for kind in kinds]
    return min(found, key=lambda a: multiply_adds_of(a, size))


def _rank(name: str, value: Any) -> float:
    """Order of a decision's options by what they cost."""
    if name in ("pool_every", "squeeze"):
        return 1 / value if value else 0.0
    return float(value) if isinstance(value, int | float) else 0.0


def architecture_of(value: Mapping[str, Any], base: Residual) -> Residual:
    """The network that a value of the space stands for, in its canonical form; the rest is as in `base`."""
    return canonical(Residual.model_validate({**base.model_dump(), **value}))


def canonical(architecture: Residual) -> Residual:
    """The same network as all that are written differently: pooling every k-th of fewer than k blocks is none."""
    if architecture.pool_every > architecture.blocks:
        return architecture.model_copy(update={"pool_every": 0})
    return architecture


def depth_of(a: Residual) -> int:
    """Convolutions of the tower one after another, the first one with them."""
    return 1 + a.blocks * {"plain": 2, "bottleneck": 3, "nested": 6}[a.block]


def multiply_adds_of(a: Residual, size: int) -> int:
    """Multiply-adds of one evaluation: what `alphago.nets.modules.multiply_adds` counts in a network that is built."""
    area, c, h, v = size * size, a.channels, a.head_channels, a.value_hidden
    kk = a.kernel * a.kernel
    inside = c if a.block == "plain" else max(4, c // 2)
    block = {
        "plain": 2 * kk * c * c,
        "bottleneck": 2 * c * inside + kk * inside * inside,
        "nested": 2 * c * inside + 4 * kk * inside * inside,
    }[a.block] * area
    if a.squeeze:
        block += 2 * c * max(4, c // a.squeeze)
    width = max(4, inside // 4)
    pooled = (a.blocks // a.pool_every if a.pool_every else 0) * (kk * inside * width * area + 3 * width * inside)
    total = a.planes * a.stem_kernel**2 * c * area + GLOBALS * c + a.blocks * block + pooled
    outputs = 1 + a.reply
    if a.policy:
        total += c * h * area + 3 * h * h + outputs * (h * area + 3 * h)
    total += c * h * area
    if a.outcome or a.score:
        total += 3 * h * v + 3 * v * a.outcome + v * a.score
    return total + h * area * a.ownership
