"""A threshold of visits that follows the speed of the networks, as AlphaGo's for expansion does (Nature 529, Methods).

There it is adjusted so that positions are added to the policy network's queue as fast as the GPUs take them from it. Here networks
and rollouts share the same processors, so the balance is a share of the time: with a low threshold networks take most of it, with a
high one the rollouts do.
"""

from __future__ import annotations

import threading
from typing import Final

_SPAN: Final = 0.02
"""Seconds of work between two adjustments."""
_FACTOR: Final = 1.25
_TOLERANCE: Final = 0.02
_MOST: Final = 100_000.0


class AdaptiveThreshold:
    """Visits that an edge needs before networks are asked about its position, fitted to a share of the time.

    Thread safety: `note` may be called from any thread.

    Args:
        start: the first threshold.
        share: of the time that the networks are to take, above 0 and below 1.
    """

    def __init__(self, start: int, share: float) -> None:
        if not 0 < share < 1:
            raise ValueError(f"share must be above 0 and below 1, got {share}")
        self._exact = float(max(1, start))
        self._share = share
        self._networks = self._all = 0.0
        self._lock = threading.Lock()

    @property
    def visits(self) -> int:
        """The threshold now, 1 or more."""
        return round(self._exact)

    def note(self, networks: float, all_: float) -> int | None:
        """Count a piece of a thread's work.

        Args:
            networks: seconds of it in networks.
            all_: seconds of it in all.

        Returns:
            The threshold where it has changed, else None.
        """
        with self._lock:
            self._networks += networks
            self._all += all_
            if self._all < _SPAN:
                return None
            share = self._networks / self._all
            self._networks = self._all = 0.0
            before = self.visits
            if share > self._share + _TOLERANCE:
                self._exact = min(_MOST, self._exact * _FACTOR)
            elif share < self._share - _TOLERANCE:
                self._exact = max(1.0, self._exact / _FACTOR)
            return self.visits if self.visits != before else None
