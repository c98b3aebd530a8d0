"""What SGF has no words for travels in one private property, so that a game exported and imported again is the same row.

The property's value is base64 of zlib of JSON: column names and their values, arrays as base64 of little-endian numbers. Other
programs pass it over.
"""

from __future__ import annotations

import base64
import binascii
import json
import zlib
from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from alphago.data.games import ARRAYS, SCHEMA, GameDataError, GameRow, validate

PROPERTY: Final = "AGROW"
_MOST_BYTES: Final = 64 << 20
_OWN: Final = ("game_id", "index")  # a reader gives names and numbers of its own


def missing_from(plain: Mapping[str, Any], row: Mapping[str, Any]) -> str | None:
    """The property's value: the columns of `row` that differ in `plain`, what its plain SGF was read as. None: none does."""
    extra = {name: row[name] for name in SCHEMA.names if name not in _OWN and not _equal(row[name], plain[name])}
    if not extra:
        return None
    text = json.dumps({name: _to_json(value) for name, value in extra.items()})
    return base64.b64encode(zlib.compress(text.encode(), 9)).decode()


def restored(row: GameRow, value: str) -> GameRow:
    """The row with the columns that the property holds.

    Raises:
        ValueError: the property is damaged, or does not fit the game.
    """
    try:
        unpacker = zlib.decompressobj()
        data = unpacker.decompress(base64.b64decode(value, validate=True), _MOST_BYTES)
        if unpacker.unconsumed_tail or not unpacker.eof:
            raise ValueError("too long, or cut short")
        extra = json.loads(data)
        if not isinstance(extra, dict):
            raise ValueError("no columns in it")
        found = {**row, **{name: _from_json(name, item) for name, item in extra.items() if name not in _OWN}}
        validate(found)
    except (ValueError, TypeError, zlib.error, binascii.Error, RecursionError, OverflowError, GameDataError) as error:
        raise ValueError(f"the property {PROPERTY} is damaged: {' '.join(str(error).split())}") from None
    return found


def _equal(a: Any, b: Any) -> bool:
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        return a.dtype == b.dtype and np.array_equal(a, b, equal_nan=a.dtype.kind == "f")
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray) or a is None or b is None:
        return a is b
    return bool(a == b)


def _to_json(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return base64.b64encode(value.astype(value.dtype.newbyteorder("<")).tobytes()).decode()
    return value


def _from_json(name: str, value: Any) -> Any:
    if name in ARRAYS and value is not None:
        kind = ARRAYS[name]
        return np.frombuffer(base64.b64decode(value, validate=True), kind.newbyteorder("<")).astype(kind)
    return value
