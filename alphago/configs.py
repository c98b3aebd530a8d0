"""Configurations: YAML files found by name or path, checked against a pydantic model.

The files of `configs/` ship inside the package. Every problem is a `ConfigError` of one line: the file, the key or the place,
what is wrong, what would be right.
"""

from __future__ import annotations

import importlib.resources
import os
from collections.abc import Hashable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import pydantic
import yaml

from alphago.errors import AlphaGoError
from alphago.messages import did_you_mean

if TYPE_CHECKING:
    from importlib.abc import Traversable

    from pydantic_core import ErrorDetails

ModelT = TypeVar("ModelT", bound=pydantic.BaseModel)

_SUFFIXES = (".yaml", ".yml")


class ConfigError(AlphaGoError):
    """A configuration that is missing, is not YAML, or does not fit its model."""


def directory() -> Traversable:
    """Where the named configurations are: `configs/` of the checkout, or the package's own copy once installed."""
    root = Path(__file__).parent.parent
    if (root / "pyproject.toml").is_file() and (root / "configs").is_dir():
        return root / "configs"  # an editable install: edits count at once
    return importlib.resources.files("alphago") / "_configs"


def names() -> list[str]:
    """Names of the shipped configurations, sorted."""
    return sorted(entry.name[: -len(".yaml")] for entry in directory().iterdir() if entry.name.endswith(".yaml"))


def find(name_or_path: str | os.PathLike[str]) -> tuple[str, Traversable]:
    """The file that a name or path stands for.

    Args:
        name_or_path: a name from `names()`, or the path of a YAML file (anything with a directory or a .yaml/.yml suffix).

    Returns:
        How messages call the file (`configs/bench.yaml`, or the path as given), and the file.

    Raises:
        ConfigError: there is none; says which names there are.
    """
    text = os.fspath(name_or_path)
    if text.endswith(_SUFFIXES) or os.path.basename(text) != text:
        if not os.path.isfile(text):
            raise ConfigError(f"{text}: no such file")
        return text, Path(text)
    known = names()
    if text not in known:
        raise ConfigError(f"no configuration {text!r}{did_you_mean(text, known)}; known are {', '.join(known)}")
    return f"configs/{text}.yaml", directory() / f"{text}.yaml"


def load(name_or_path: str | os.PathLike[str], model: type[ModelT]) -> ModelT:
    """Read a configuration and check it against `model`, which should forbid extra keys.

    Raises:
        ConfigError: the file is missing, is not YAML, or has an unknown key or a value that the model refuses.
    """
    shown, file = find(name_or_path)
    try:
        text = file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{shown}: not a text file in UTF-8 (byte {error.start})") from None
    except OSError as error:
        raise ConfigError(f"{shown}: {error.strerror or error}") from None
    values = _parse(text, shown)
    try:
        return model.model_validate(values)
    except pydantic.ValidationError as error:
        raise ConfigError(f"{shown}: {describe(error, model)}") from None


def describe(error: pydantic.ValidationError, model: type[pydantic.BaseModel]) -> str:
    """The first problem of a validation in one line, an unknown key before all others, and how many more there are."""
    problems = sorted(error.errors(include_url=False), key=lambda problem: problem["type"] != "extra_forbidden")
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    return _describe(problems[0], model) + more


def _describe(problem: ErrorDetails, model: type[pydantic.BaseModel]) -> str:
    key = _dotted(problem["loc"])
    if problem["type"] == "extra_forbidden":
        *parents, _ = problem["loc"]
        prefix = _dotted(parents) + "." if parents else ""
        return f"unknown key {key}{did_you_mean(key, (prefix + name for name in _fields(model, parents)))}"
    if problem["type"] == "missing":
        return f"{key} is missing"
    message = problem["msg"].removeprefix("Value error, ")
    if problem["type"] != "value_error":  # pydantic's own sentences do not repeat the value
        message = f"{message[:1].lower()}{message[1:]}, got {_shown(problem['input'])}"
    return f"{key}: {message}" if key else message


def _dotted(location: Iterable[int | str]) -> str:
    return ".".join(str(part) for part in location)


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _fields(model: type[pydantic.BaseModel], location: Iterable[int | str]) -> list[str]:
    """Keys that the model at `location` knows; none where something else than nested models leads there."""
    for part in location:
        field = model.model_fields.get(str(part))
        if field is None or not (
            isinstance(field.annotation, type) and issubclass(field.annotation, pydantic.BaseModel)
        ):
            return []
        model = field.annotation
    return list(model.model_fields)


class _Loader(yaml.SafeLoader):
    """Safe YAML in which a key may stand once: plain YAML would silently keep the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value != "<<":
                if key.value in seen:
                    raise yaml.constructor.ConstructorError(None, None, f"key {key.value} stands twice", key.start_mark)
                seen.add(key.value)
        mapping: dict[Hashable, Any] = super().construct_mapping(node, deep=deep)
        return mapping


def _parse(text: str, shown: str) -> dict[str, Any]:
    try:
        values = yaml.load(text, Loader=_Loader)  # a SafeLoader: makes plain values only
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f":{mark.line + 1}:{mark.column + 1}" if mark else ""
        raise ConfigError(f"{shown}{place}: {error.problem or error.context}") from None
    except (yaml.YAMLError, ValueError) as error:
        raise ConfigError(f"{shown}: {' '.join(str(error).split())}") from None
    except RecursionError:
        raise ConfigError(f"{shown}: nested too deeply") from None
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise ConfigError(f"{shown}: expected keys and values at the top, got {_shown(values)}")
    return values
