"""Settings of the search for Go networks: boards and games, what training in short and in full is, how anchors are matched."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

import pydantic

from alphago.controller.go.networks import OPTIONS, go_space
from alphago.controller.nas.space import Space
from alphago.nets.architecture import Residual
from alphago.train.supervised import SupervisedSettings

FEWEST_ANCHORS: Final = 6
"""From whose matches strength is fitted (three numbers from fewer would say nothing)."""


class LatencySettings(pydantic.BaseModel, extra="forbid", frozen=True):
    """How milliseconds are measured: as a search would use the network."""

    batch: Annotated[int, pydantic.Field(ge=1, le=4096, description="positions that the search evaluates together")] = 8
    threads: Annotated[int, pydantic.Field(ge=1, le=1024, description="of an evaluation")] = 1
    repeats: Annotated[int, pydantic.Field(ge=5, le=10_000, description="of which the median counts")] = 41
    runtime: Literal["auto", "torch", "openvino"] = "auto"
    precision: Literal["auto", "fp32", "bf16", "int8"] = "auto"


class AnchorSettings(pydantic.BaseModel, extra="forbid", frozen=True):
    """The networks that strength is fitted to, and their matches."""

    count: Annotated[
        int,
        pydantic.Field(ge=FEWEST_ANCHORS, le=64, description="networks trained in full, the hand-made one among them"),
    ] = 12
    games: Annotated[int, pydantic.Field(ge=2, multiple_of=2, description="of each pairing")] = 60
    neighbours: Annotated[
        int | None, pydantic.Field(ge=1, description="each meets so many next to it in cost; none: everybody")
    ] = 4
    simulations: Annotated[int, pydantic.Field(ge=1, description="a move, for either side")] = 100
    doubling: Annotated[
        int, pydantic.Field(ge=FEWEST_ANCHORS, description="anchors that play against twice their visits")
    ] = 6
    doubling_games: Annotated[int, pydantic.Field(ge=2, multiple_of=2, description="of each of these")] = 60
    komi: float | None = None
    seed: Annotated[int, pydantic.Field(ge=0, lt=2**31)] = 1


class SupernetSettings(pydantic.BaseModel, extra="forbid", frozen=True):
    """One set of weights that all networks of the space share (ENAS)."""

    steps: Annotated[int, pydantic.Field(ge=1)] = 6000
    recalibration: Annotated[
        int, pydantic.Field(ge=1, description="batches that give a network its own batch statistics")
    ] = 16


class GoNasSettings(pydantic.BaseModel, extra="forbid", frozen=True):
    """The whole of it."""

    size: Annotated[int, pydantic.Field(ge=2, le=19)] = 9
    full: Annotated[
        SupervisedSettings,
        pydantic.Field(description="training in full; its network is the hand-made one to be beaten"),
    ] = SupervisedSettings()
    short_steps: Annotated[int, pydantic.Field(ge=4, description="of training in short; else as in full")] = 600
    most_mflop: Annotated[float, pydantic.Field(gt=0, description="that an evaluation may take")] = 150.0
    options: Annotated[
        dict[str, tuple[Any, ...]], pydantic.Field(description="of the space's decisions; empty: the usual ones")
    ] = {}
    latency: LatencySettings = LatencySettings()
    anchors: AnchorSettings = AnchorSettings()
    supernet: SupernetSettings = SupernetSettings()

    @pydantic.model_validator(mode="after")
    def _fits(self) -> GoNasSettings:
        if not isinstance(self.full.network, Residual):
            raise ValueError("full.network must be residual: the space is of such towers")
        if not self.full.network.policy or not self.full.network.outcome:
            raise ValueError("full.network needs a policy and an outcome")
        if self.full.start_from is not None:
            raise ValueError("full.start_from: every network begins with fresh weights")
        if self.anchors.doubling > self.anchors.count:
            raise ValueError(f"anchors.doubling is at most the count of {self.anchors.count}")
        for name in self.options:
            if name not in OPTIONS:
                raise ValueError(f"options.{name} is no decision of the space; there are {', '.join(OPTIONS)}")
        for name, values in self.options.items():
            if not values or len(set(values)) < len(values):
                raise ValueError(f"options.{name} needs values, each once, got {list(values)}")
            for value in values:
                try:
                    Residual.model_validate({**self.reference.model_dump(), name: value})
                except pydantic.ValidationError as error:
                    raise ValueError(f"options.{name}: {value!r}: {error.errors()[0]['msg'].lower()}") from None
        return self

    def of_networks(self) -> dict[str, Any]:
        """What networks that are trained depend on: all but how many games are played."""
        return self.model_dump(mode="json", exclude={"anchors": {"games", "neighbours", "doubling_games"}})

    @property
    def reference(self) -> Residual:
        """The hand-made network."""
        assert isinstance(self.full.network, Residual)
        return self.full.network

    def space(self) -> Space:
        """What is searched. Raises SpaceError."""
        return go_space(self.reference, self.size, self.most_mflop, self.options or None)
