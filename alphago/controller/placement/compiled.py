"""Loops that numba compiles, and one clear line where it is absent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

from alphago.controller.placement.graph import PlacementError

try:
    import numba
except ImportError:
    raise PlacementError("placement needs numba: pip install 'alphago[placement]'") from None

F = TypeVar("F", bound=Callable[..., Any])


def compiled(function: F) -> F:
    """The function as machine code, compiled when it is first called and kept on disk for the next process."""
    return cast(F, numba.njit(cache=True, nogil=True)(function))
