"""The networks that every command knows by name: `default`, the best for the board's size, and `none`, no network at all.

Without a network a bot searches with AlphaGo's tree policy for the priors and softmax rollouts for the values.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

NONE: Final = "none"
DEFAULT: Final = "default"
NAMES: Final = (NONE, DEFAULT)
_FOLDER: Final = Path(__file__).parent / "data"
_FILES: Final[dict[str, tuple[tuple[int, str], ...]]] = {DEFAULT: ()}
"""By name: (largest board size, file), smallest first."""


def network_file(net: str | os.PathLike[str], size: int) -> Path | None:
    """The file that a network's name, or its path, stands for on boards of a size; None: no network."""
    if net not in NAMES:
        return Path(net)
    for largest, file in _FILES.get(os.fspath(net), ()):
        if size <= largest:
            return _FOLDER / file
    return None
