"""What `alphago bench` may be asked: the model of configs/bench.yaml, which also checks the command's options."""

from typing import Annotated, Literal, TypeAlias

import pydantic

from alphago import _core

Size: TypeAlias = Annotated[int, pydantic.Field(ge=_core.MIN_SIZE, le=_core.MAX_SIZE)]
Seconds: TypeAlias = Annotated[float, pydantic.Field(gt=0, le=3600, allow_inf_nan=False)]
Threads: TypeAlias = Annotated[int, pydantic.Field(ge=1, le=1024)]
Seed: TypeAlias = Annotated[int, pydantic.Field(ge=0, lt=2**64)]


def _known_set(name: str) -> str:
    _core.feature_planes(name)  # ValueError names the known sets
    return name


class _Section(pydantic.BaseModel, extra="forbid", frozen=True):
    sizes: Annotated[list[Size], pydantic.Field(min_length=1)]
    seconds: Seconds
    threads: Threads
    seed: Seed


class PlayoutBench(_Section, frozen=True):
    """One row for each size and policy."""

    policies: Annotated[list[Literal["light", "softmax"]], pydantic.Field(min_length=1)]


class FeatureBench(_Section, frozen=True):
    """One row for each size and feature set, all over the same positions of a size."""

    sets: Annotated[list[Annotated[str, pydantic.AfterValidator(_known_set)]], pydantic.Field(min_length=1)]
    dtype: Literal["float32", "uint8"]
    positions: Annotated[int, pydantic.Field(ge=1, le=100_000)]


class SearchBench(_Section, frozen=True):
    """One row for each size and evaluator."""

    evaluators: Annotated[list[Literal["uniform", "rollout"]], pydantic.Field(min_length=1)]


class BenchConfig(pydantic.BaseModel, extra="forbid", frozen=True):
    """configs/bench.yaml."""

    playouts: PlayoutBench
    features: FeatureBench
    search: SearchBench
