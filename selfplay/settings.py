"""What a run of self-play is: the settings that its games depend on, and the manifest `run.json` that keeps them.

Games depend on `RunSettings` and their index alone; how fast they are played is `Machine`'s part. So a run that was stopped
goes on to the same games, on other hardware too.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final

import pydantic

from alphago import _core, configs
from alphago.errors import AlphaGoError
from alphago.go import BadRules, Rules
from alphago.nets.shipped import DEFAULT
from alphago.search import BadSearchParams, SearchParams, search_params

MANIFEST: Final = "run.json"
FORMAT: Final = 1


class SelfPlayError(AlphaGoError):
    """Settings, a directory or a manifest that a run cannot use; the message names it and says what would be right."""


def default_search(size: int, has_policy: bool, has_value: bool) -> SearchParams:
    """Search parameters of self-play, before any option changes them.

    AlphaGo Zero's noise and temperature (Nature 2017, Methods), its 30 exploring turns of a 19x19 game scaled by the board's
    area; resignation from -0.9 on in the second half of a game of usual length. What no network gives is AlphaGo's: softmax
    rollouts for the value, its tree policy for the priors.
    """
    area = size * size
    values: dict[str, Any] = {
        "noise_fraction": 0.25,
        "temperature": 1.0,
        "temperature_moves": max(4, round(30 * area / 361)),
        "temperature_final": 0.0,
        "resign_threshold": -0.9,
        "resign_min_turn": area // 2,
        "resign_off_fraction": 0.1,
    }
    if has_policy or has_value:
        values |= {"symmetry": "random"}
    if not has_policy:
        values |= {"prior": "tree", "puct": "zero"}
    if not has_value:
        values |= {"rollouts": "softmax", "expansion_threshold": 2}
    return search_params(values)


def tree_share_mib(size: int, simulations: int) -> float:
    """Memory limit of one game's tree, in MiB: enough for twice the simulations of a move, the reused subtree included.

    It depends on the settings alone, never on how many games share the machine, so that neither does a tree that is pruned.
    """
    node = 256 + 16 * (size * size + 1)  # bytes: a node, its priors and edges, with room to spare
    return (2**18 + 4 * simulations * node) / 2**20


def _known_rules(name: str) -> str:
    try:
        found = Rules.named(name).name
    except BadRules as error:
        raise ValueError(str(error)) from None
    return found or name


def _known_search(values: Any) -> dict[str, Any]:
    try:
        found: dict[str, Any] = search_params(values).model_dump()
    except BadSearchParams as error:
        raise ValueError(str(error)) from None
    return found


class RunSettings(pydantic.BaseModel, extra="forbid", frozen=True):
    """Everything that the games of a run depend on."""

    size: Annotated[int, pydantic.Field(ge=_core.MIN_SIZE, le=_core.MAX_SIZE, description="board size")] = 9
    rules: Annotated[str, pydantic.AfterValidator(_known_rules)] = "tromp-taylor"
    komi: Annotated[float, pydantic.Field(ge=-1000, le=1000, allow_inf_nan=False)] = 7.5
    seed: Annotated[int, pydantic.Field(ge=0, lt=2**64)] = 1
    max_moves: Annotated[int, pydantic.Field(ge=0, le=100_000, description="0: 2 * size * size")] = 0
    net: Annotated[str, pydantic.Field(description="default, none, or the network file as it was named")] = DEFAULT
    network: Annotated[str, pydantic.Field(description="hash of the network or of the rollout weights")] = ""
    search: Annotated[dict[str, Any], pydantic.AfterValidator(_known_search)] = pydantic.Field(default_factory=dict)

    @property
    def run_id(self) -> str:
        """Twelve hexadecimal digits that are the same for two runs of the same games, and differ for others."""
        values = self.model_dump(exclude={"net"})
        return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:12]

    def search_params(self) -> SearchParams:
        """The search part, all parameters at once."""
        return search_params(self.search)


class Machine(pydantic.BaseModel, extra="forbid", frozen=True):
    """How a run uses the machine. None of it is part of the games, but that a network's arithmetic differs a little between
    runtimes, precisions and batch sizes."""

    threads: Annotated[int, pydantic.Field(ge=1, le=1024)]
    parallel: Annotated[int, pydantic.Field(ge=1, le=65536, description="games at the same time")]
    batch: Annotated[int, pydantic.Field(ge=1, le=65536, description="positions in a network's batch")]
    workers: Annotated[int, pydantic.Field(ge=1, le=1024, description="threads that evaluate batches")]
    runtime: str = "auto"
    precision: str = "auto"
    memory_mib: Annotated[float, pydantic.Field(gt=0)] = 256.0
    cache_mib: Annotated[float, pydantic.Field(ge=0)] = 64.0


class Manifest(pydantic.BaseModel, extra="forbid", frozen=True):
    """`run.json`: what the run is, and how it was last played."""

    format: int = FORMAT
    program: str
    games: Annotated[int, pydantic.Field(ge=1)]
    settings: RunSettings
    machine: Machine

    def write(self, directory: Path) -> None:
        """Write `run.json`, whole or not at all. Raises SelfPlayError."""
        temporary = directory / f".{MANIFEST}.{os.getpid()}"
        try:
            temporary.write_text(self.model_dump_json(indent=2) + "\n", encoding="utf-8")
            os.replace(temporary, directory / MANIFEST)
        except OSError as error:
            raise SelfPlayError(f"{directory / MANIFEST}: cannot be written: {error.strerror or error}") from None


def read_manifest(directory: Path) -> Manifest | None:
    """The manifest of a run's directory; None when there is none.

    Raises:
        SelfPlayError: it cannot be read, or is of another format.
    """
    path = directory / MANIFEST
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise SelfPlayError(f"{path}: {error.strerror or error}") from None
    except ValueError as error:
        raise SelfPlayError(f"{path}: not JSON: {error}") from None
    if isinstance(values, dict) and values.get("format") != FORMAT:
        raise SelfPlayError(f"{path}: of format {values.get('format')!r}; this program reads format {FORMAT}")
    try:
        return Manifest.model_validate(values)
    except pydantic.ValidationError as error:
        raise SelfPlayError(f"{path}: {configs.describe(error, Manifest)}") from None


def settings_of(values: Mapping[str, Any]) -> RunSettings:
    """`RunSettings` from names and values. Raises SelfPlayError with one line."""
    try:
        return RunSettings.model_validate(dict(values))
    except pydantic.ValidationError as error:
        raise SelfPlayError(configs.describe(error, RunSettings)) from None


def difference(old: RunSettings, new: RunSettings) -> str | None:
    """The settings in which two runs' games differ, as `komi 7.5, not 6.5` (old, not new); None when there is none."""
    flat_old, flat_new = _flat(old), _flat(new)
    found = [
        f"{key} {_shown(flat_old[key])}, not {_shown(flat_new[key])}"
        for key in flat_old
        if flat_old[key] != flat_new[key]
    ]
    return "; ".join(found) or None


def _flat(settings: RunSettings) -> dict[str, Any]:
    values = settings.model_dump(exclude={"net"})  # a file may be named in several ways; its hash counts
    search = values.pop("search")
    return values | {f"search.{key}": value for key, value in search.items()}


def _shown(value: object) -> str:
    text = str(value)
    return text if len(text) < 40 else text[:12] + "..."  # a hash
