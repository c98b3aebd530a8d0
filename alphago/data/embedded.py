"""The games that ship inside the package, so that training works without a download."""

from __future__ import annotations

import importlib.resources
import os
from pathlib import Path
from typing import Final

from alphago.data.games import GameDataError

DEFAULT: Final = "default"
_FILE: Final = "expert-9x9.parquet"


def default_games() -> Path:
    """9,391 9x9 games of KataGo's network g170-b6c96 against itself, with the values of its searches.

    Raises:
        GameDataError: the installation lacks the file.
    """
    path = Path(str(importlib.resources.files("alphago.data") / "embedded_games" / _FILE))
    if not path.is_file():
        raise GameDataError(f"{path}: the games that ship with the package are missing; install it again")
    return path


def resolve(store: str | os.PathLike[str]) -> Path:
    """The path of a store: "default" is the one that ships."""
    return default_games() if os.fspath(store) == DEFAULT else Path(store)
