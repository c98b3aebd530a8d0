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
    """The function as machine code, compiled when it is first called and kept on disk for the next process.

    For functions that call compiled ones of their own file at most: what is on disk is thrown away when that file changes, and
    would go on with the old code of others.
    """
    return cast(F, numba.njit(cache=True, nogil=True)(function))


def compiled_anew(function: F) -> F:
    """Likewise, compiled by every process: for functions that call compiled ones of other files."""
    return cast(F, numba.njit(nogil=True)(function))
