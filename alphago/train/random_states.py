"""Random states as text, so that a checkpoint's JSON holds them."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor


def random_states() -> dict[str, Any]:
    """The global states of torch."""
    states: dict[str, Any] = {"cpu": encoded(torch.get_rng_state())}
    if torch.cuda.is_available():
        states["cuda"] = encoded(torch.cuda.get_rng_state())
    return states


def set_random_states(states: Mapping[str, str]) -> None:
    """Put back what `random_states` took."""
    torch.set_rng_state(decoded(states["cpu"]))
    if "cuda" in states and torch.cuda.is_available():
        torch.cuda.set_rng_state(decoded(states["cuda"]))


def encoded(state: Tensor) -> str:
    """Bytes of a state, uint8 [n], as text."""
    return base64.b64encode(state.numpy().tobytes()).decode()


def decoded(text: str) -> Tensor:
    """The state, uint8 [n], that `encoded` wrote. Raises ValueError."""
    return torch.frombuffer(bytearray(base64.b64decode(text, validate=True)), dtype=torch.uint8)
