"""What a network is made of: the part of a network file's header that `modules.build` turns into a torch module."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pydantic

from alphago import _core
from alphago.errors import AlphaGoError

FeatureSet = Literal["alphago48", "alphago49", "zero17", "rich", "rich-fast"]
HEADS = ("policy", "outcome", "ownership", "score", "reply")

GLOBALS = 7
"""Global inputs of a position beside its planes (docs/features.md)."""


class NetworkError(AlphaGoError):
    """A network, or a network file, that cannot be used; the message says which and why."""


class _Architecture(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)

    @property
    def planes(self) -> int:
        """Number of input planes."""
        return _core.feature_planes(self.feature_set)  # type: ignore[attr-defined]


class Residual(_Architecture):
    """Residual tower in the manner of AlphaGo Zero (Nature 550), with KataGo's global pooling; any board size, one set of weights.

    Post-activation blocks, plain ones conv-norm-relu-conv-norm-add-relu. The global inputs enter after the first convolution.
    """

    kind: Literal["residual"] = "residual"
    blocks: Annotated[int, pydantic.Field(ge=1, le=80)] = 6
    channels: Annotated[int, pydantic.Field(ge=4, le=1024)] = 96
    feature_set: FeatureSet = "rich-fast"
    pool_every: Annotated[int, pydantic.Field(ge=0, le=80, description="every k-th block pools globally; 0: none")] = 0
    block: Annotated[
        Literal["plain", "bottleneck", "nested"],
        pydantic.Field(
            description="two convolutions; one between 1x1 convolutions to half the channels and back; or two plain blocks there"
        ),
    ] = "plain"
    kernel: Annotated[Literal[3, 5], pydantic.Field(description="side of the blocks' spatial convolutions")] = 3
    stem_kernel: Annotated[Literal[3, 5], pydantic.Field(description="side of the first convolution")] = 3
    squeeze: Annotated[
        int,
        pydantic.Field(
            ge=0, le=64, description="squeeze-and-excitation in every block, to 1/r of the channels; 0: none"
        ),
    ] = 0
    head_channels: Annotated[int, pydantic.Field(ge=4, le=512)] = 32
    value_hidden: Annotated[int, pydantic.Field(ge=4, le=1024)] = 64
    activation: Literal["relu", "silu", "mish"] = "relu"
    value_activation: Annotated[
        Literal["relu", "silu", "mish"],
        pydantic.Field(
            description="of the value head's hidden layer, whose rectified units tend to switch off for good"
        ),
    ] = "silu"
    policy: Annotated[bool, pydantic.Field(description="off for a value network of its own")] = True
    outcome: bool = True
    ownership: bool = True
    score: bool = True
    reply: bool = False

    @property
    def sizes(self) -> tuple[int, int]:
        """Smallest and largest board."""
        return _core.MIN_SIZE, _core.MAX_SIZE

    @property
    def heads(self) -> tuple[str, ...]:
        """Names of the heads, in the order of `HEADS`."""
        return tuple(head for head in HEADS if getattr(self, head))

    @pydantic.model_validator(mode="after")
    def _has_a_head(self) -> Residual:
        if not self.policy and (self.reply or not self.outcome):
            raise ValueError("a network without a policy needs the outcome, and has no reply")
        return self


class AlphaGoPolicy(_Architecture):
    """AlphaGo's policy network (Nature 529, Methods): 5x5 convolution, 3x3 convolutions, a 1x1 filter with a bias per point.

    The paper's network never passes; here the pass has one learned logit of its own, which starts far below all others.
    """

    kind: Literal["alphago-policy"] = "alphago-policy"
    layers: Annotated[int, pydantic.Field(ge=2, le=40, description="convolutions, the first and the last included")] = (
        13
    )
    channels: Annotated[int, pydantic.Field(ge=4, le=1024)] = 192
    feature_set: FeatureSet = "alphago48"
    size: Annotated[int, pydantic.Field(ge=_core.MIN_SIZE, le=_core.MAX_SIZE)] = 19

    @property
    def sizes(self) -> tuple[int, int]:
        """Smallest and largest board: the per-point bias fixes it."""
        return self.size, self.size

    @property
    def heads(self) -> tuple[str, ...]:
        """The policy alone."""
        return ("policy",)


class AlphaGoValue(_Architecture):
    """AlphaGo's value network (Nature 529, Methods): the policy network's trunk, one more convolution, 1x1, 256 units, tanh."""

    kind: Literal["alphago-value"] = "alphago-value"
    layers: Annotated[int, pydantic.Field(ge=3, le=40, description="convolutions, the first and the 1x1 included")] = 13
    channels: Annotated[int, pydantic.Field(ge=4, le=1024)] = 192
    hidden: Annotated[int, pydantic.Field(ge=4, le=4096)] = 256
    feature_set: FeatureSet = "alphago49"
    size: Annotated[int, pydantic.Field(ge=_core.MIN_SIZE, le=_core.MAX_SIZE)] = 19

    @property
    def sizes(self) -> tuple[int, int]:
        """Smallest and largest board: the fully connected layer fixes it."""
        return self.size, self.size

    @property
    def heads(self) -> tuple[str, ...]:
        """The expected outcome alone."""
        return ("value",)


Architecture = Annotated[Residual | AlphaGoPolicy | AlphaGoValue, pydantic.Field(discriminator="kind")]
_ADAPTER: pydantic.TypeAdapter[Residual | AlphaGoPolicy | AlphaGoValue] = pydantic.TypeAdapter(Architecture)


def architecture_of(values: Any) -> Residual | AlphaGoPolicy | AlphaGoValue:
    """The architecture that a header's dictionary describes.

    Raises:
        NetworkError: an unknown kind or key, or a value out of bounds; names the first.
    """
    if isinstance(values, dict) and values.get("kind") == "residual" and "value_activation" not in values:
        values = {**values, "value_activation": values.get("activation", "relu")}  # files from before there was the key
    try:
        return _ADAPTER.validate_python(values)
    except pydantic.ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(x) for x in first["loc"]) or "kind"
        raise NetworkError(f"architecture: {where}: {first['msg']}") from None
