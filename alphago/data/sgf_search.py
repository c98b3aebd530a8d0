"""What a search wrote into the comments of a record: winning chances and visits, as KataGo's matches and self-play leave them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from alphago.go import BLACK

_NUMBER: Final = r"[-+]?\d+(?:\.\d+)?"
_KATAGO: Final = re.compile(rf"\s*({_NUMBER}) ({_NUMBER}) ({_NUMBER}) ({_NUMBER}) v=(\d+)\b")
"""White's winning chance, Black's, that of no result or a draw, White's lead in points, visits."""


def root_values(comments: Sequence[str | None], colors: Sequence[int]) -> tuple[NDArray[np.float32], int]:
    """Values that searches found before each move, and their visits together.

    Args:
        comments: of every move, None where there is none.
        colors: who made it.

    Returns:
        float32 [n], side to move, -1 to 1, NaN where no search was written down; [0] when there was none at all.
    """
    values = np.full(len(comments), np.nan, np.float32)
    visits = 0
    for i, comment in enumerate(comments):
        match = _KATAGO.match(comment) if comment else None
        if match is None:
            continue
        lead = float(match[2]) - float(match[1])  # Black's chances less White's
        values[i] = min(1.0, max(-1.0, lead if colors[i] == BLACK else -lead))
        visits += int(match[5])
    return (values, visits) if visits else (np.zeros(0, np.float32), 0)
