"""What a search for Go networks is for: strength at equal time.

    value = Elo that the proxy foretells at equal visits + kappa * log2(T0 / latency)

with kappa the Elo of a doubling of visits and T0 the latency of the hand-made network: one that takes half the time searches twice
as much. Both terms come from real matches of the anchors (alphago.controller.go.anchors).
"""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Any

from alphago.controller.go.latency import Latencies
from alphago.controller.go.learning import Diverged
from alphago.controller.go.networks import architecture_of, multiply_adds_of, smallest
from alphago.controller.go.proxies import Chosen, features_of, open_supernet
from alphago.controller.go.supernet import Supernet
from alphago.controller.nas.objective import Limit, Measured, ObjectiveError
from alphago.controller.nas.space import Choices
from alphago.nets.architecture import Residual
from alphago.nets.modules import build

_supernets: dict[Path, Supernet] = {}
"""One in each process: a worker reads it once."""


class GoProblem:
    """Networks of Go, valued in Elo at equal time against the hand-made one.

    Args:
        chosen: a proxy that is not refused.
        folder: where latencies are kept; None: nowhere.
        device: of short training.
    """

    hinge = 400.0
    """See `alphago.controller.nas.objective.HINGE`: values are Elo."""

    def __init__(self, chosen: Chosen, folder: Path | None = None, device: str = "cpu") -> None:
        self.chosen, self._device = chosen, device
        self.settings = chosen.settings
        self.space = self.settings.space()
        known = chosen.anchors.reference_ms_here
        self.latencies = Latencies(
            self.settings.reference, self.settings.size, self.settings.latency, folder, reference_ms=known
        )

    def __getstate__(self) -> dict[str, Any]:
        """Without the space, whose constraint is a function of its own: the worker process makes it anew."""
        return {name: value for name, value in self.__dict__.items() if name != "space"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, space=state["settings"].space())

    def architecture(self, choices: Choices) -> Residual:
        """The network, in its canonical form."""
        return architecture_of(self.space.value(choices), self.settings.reference)

    def key(self, choices: Choices) -> str:
        """The network in short: b6c64 nested k3 stem5 pool3 se4 silu h32 v64."""
        a = self.architecture(choices)
        return (
            f"b{a.blocks}c{a.channels} {a.block} k{a.kernel} stem{a.stem_kernel} pool{a.pool_every} se{a.squeeze} "
            f"{a.activation} h{a.head_channels} v{a.value_hidden}"
        )

    def latency_ms(self, choices: Choices) -> float:
        """See `alphago.controller.nas.objective.Timed`."""
        return self.latencies.of(self.architecture(choices))

    def check(self, limit: Limit) -> None:
        """Raises ObjectiveError where even the smallest network breaks the limit. Takes some seconds, keeps nothing."""
        settings = self.settings
        known = Latencies(
            settings.reference, settings.size, settings.latency, reference_ms=self.chosen.anchors.reference_ms_here
        )
        fastest = known.of(smallest(settings.reference, settings.size, settings.options or None))
        if fastest > limit.latency_ms:
            raise ObjectiveError(
                f"no network keeps a limit of {limit.latency_ms:g} ms: the smallest of the space takes {fastest:.3g} ms"
            )

    def measure(self, choices: Choices, seed: int) -> Measured:
        """Ask the proxy. The same network always gets the same weights and examples: the seed changes nothing.

        Raises:
            FloatingPointError: its training diverged: this network has failed. AlphaGoError: others would fail too.
        """
        started = time.monotonic()
        architecture = self.architecture(choices)
        latency = self.latencies.of(architecture)
        judged = self.chosen.judged
        try:
            found = features_of(judged.name, architecture, self.settings, self._supernet(), self._device)
        except Diverged as error:
            raise FloatingPointError(str(error)) from None
        elo = judged.fit.predict(found)
        gain = self.chosen.anchors.kappa * math.log2(self.latencies.reference_ms / latency)
        more = {"elo_at_equal_visits": elo, "elo_of_speed": gain, "mflop": self._mflop(architecture), **found}
        return Measured(elo + gain, time.monotonic() - started, latency, more=more)

    def describe(self, choices: Choices) -> dict[str, Any]:
        """Size and cost; value and latency of the hand-made network beside them (its gain of speed is 0)."""
        architecture = self.architecture(choices)
        return {
            "parameters": sum(p.numel() for p in build(architecture).parameters()),
            "mflop": self._mflop(architecture),
            "hand_made_value": self.chosen.hand,
            "hand_made_latency_ms": self.latencies.reference_ms,
        }

    def _mflop(self, architecture: Residual) -> float:
        return 2e-6 * multiply_adds_of(architecture, self.settings.size)

    def _supernet(self) -> Supernet | None:
        if self.chosen.judged.name != "shared" or self.chosen.supernet is None:
            return None
        folder = self.chosen.supernet
        if folder not in _supernets:
            _supernets[folder] = open_supernet(folder, self.settings, self._device)
        return _supernets[folder]
