"""`SearchParams`: every knob of the search, checked. The one definition is cpp_ext/include/ag/search_params.hpp.

The model is made from the list that the compiled core exports, so Python, YAML and the command line know exactly the core's
parameters, defaults, bounds and descriptions. docs/search-params.md shows them as `table()` prints them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Final, Literal

import pydantic

from alphago import _core, configs
from alphago.errors import AlphaGoError
from alphago.messages import did_you_mean


class BadSearchParams(AlphaGoError):
    """An unknown search parameter, or a value that it cannot have; the message names both and what would be right."""


_KINDS: Final[dict[str, str]] = {name: kind for name, kind, *_ in _core.SEARCH_PARAMS}


def _field(kind: str, default: float | int | bool | str, bounds: tuple[Any, ...], doc: str) -> tuple[Any, Any]:
    """Type and default of one parameter for `pydantic.create_model`. Strict: neither "3" nor true is a number."""
    if kind == "choice":
        return Literal[bounds], pydantic.Field(default, description=doc)
    if kind == "bool":
        return Annotated[bool, pydantic.Field(strict=True)], pydantic.Field(default, description=doc)
    low, high = bounds
    if kind == "int":
        return Annotated[int, pydantic.Field(strict=True, ge=low, le=high)], pydantic.Field(default, description=doc)
    number = Annotated[float, pydantic.Field(strict=True, ge=low, le=high, allow_inf_nan=False)]
    return number, pydantic.Field(float(default), description=doc)


_FIELDS: Final[dict[str, Any]] = {
    name: _field(kind, default, bounds, doc) for name, kind, default, bounds, doc in _core.SEARCH_PARAMS
}
_Fields: Any = pydantic.create_model(
    "_Fields", __config__=pydantic.ConfigDict(extra="forbid", frozen=True), __base__=None, **_FIELDS
)


class SearchParams(_Fields):  # type: ignore[misc]  # the fields are the core's, known when the program runs
    """Parameters of a search: immutable, equal when all values are, one attribute for each row of `table()`.

    The constructor takes values by name and raises pydantic.ValidationError; `search_params` says the same in one line.
    """

    @pydantic.model_validator(mode="after")
    def _fits_together(self) -> SearchParams:
        self.core()  # ValueError where the core knows that two values exclude each other
        return self

    def core(self) -> _core.SearchParams:
        """The same parameters for `_core.Engine`."""
        return _core.SearchParams(self.model_dump())

    def but(self, **values: Any) -> SearchParams:
        """A copy with some values changed.

        Raises:
            BadSearchParams: an unknown name or a value out of bounds.
        """
        return search_params(self.model_dump() | values)

    @property
    def batch(self) -> int:
        """Positions that a network gets at a time, at most."""
        late: int = 0 if self.rollouts == "off" else self.late_evaluations
        return max(int(self.leaves_in_flight), late)

    def changed(self) -> dict[str, Any]:
        """The values that are not the defaults."""
        values: dict[str, Any] = self.model_dump(exclude_defaults=True)
        return values


def search_params(values: Mapping[str, Any], where: str = "search") -> SearchParams:
    """Parameters from names and values, the others at their defaults.

    Args:
        where: what the values are part of, for the message.

    Raises:
        BadSearchParams: an unknown name or a value out of bounds.
    """
    try:
        return SearchParams(**values)
    except pydantic.ValidationError as error:
        raise BadSearchParams(f"{where}: {configs.describe(error, SearchParams)}") from None


def parse_settings(texts: Iterable[str]) -> dict[str, Any]:
    """Values from `key=value` texts as a command line gives them; bounds are `search_params`' to check.

    Raises:
        BadSearchParams: a text without `=`, an unknown key, a key given twice, or a value of the wrong kind.
    """
    values: dict[str, Any] = {}
    for text in texts:
        key, equals, value = (part.strip() for part in text.partition("="))
        if not equals:
            raise BadSearchParams(f"{text!r} is not key=value, such as c_init=1.25")
        if key not in _KINDS:
            raise BadSearchParams(f"unknown search parameter {key!r}{did_you_mean(key, _KINDS)}")
        if key in values:
            raise BadSearchParams(f"search parameter {key} is given twice")
        values[key] = _parsed(key, value)
    return values


def _parsed(key: str, text: str) -> float | int | bool | str:
    kind = _KINDS[key]
    try:
        if kind == "int":
            return int(text)
        if kind == "float":
            return float(text)
    except ValueError:
        what = {"int": "a whole number", "float": "a number"}[kind]
        raise BadSearchParams(f"search parameter {key} is {what}, got {text!r}") from None
    if kind == "bool":
        if text not in ("true", "false"):
            raise BadSearchParams(f"search parameter {key} is true or false, got {text!r}")
        return text == "true"
    return text


def table() -> str:
    """All parameters as a Markdown table, as docs/search-params.md shows it."""
    rows = [["parameter", "values", "default", "what it does, and what the papers use"], ["---"] * 4]
    for name, kind, default, bounds, doc in _core.SEARCH_PARAMS:
        if kind == "choice":
            values = ", ".join(bounds)
        elif kind == "bool":
            values = "true, false"
        else:
            values = f"{_shown(bounds[0])} to {_shown(bounds[1])}{', whole' if kind == 'int' else ''}"
        rows.append([f"`{name}`", values, _shown(default), doc])
    return "\n".join("| " + " | ".join(row) + " |" for row in rows) + "\n"


def _shown(value: float | int | bool | str) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:.10g}" if isinstance(value, int | float) else value
