"""What the root of an SGF game says, in all the spellings that servers and people have used."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Final

from alphago.go.coords import BLACK, WHITE
from alphago.go.errors import BadRules
from alphago.go.rules import Rules

_NUMBER: Final = re.compile(r"[-+]?\d+(?:[.,]\d+)?")
_RESULT: Final = re.compile(r"\s*([BW])(?:LACK|HITE)?\s*(?:\+|WINS?\b|$)\s*(.*)", re.IGNORECASE | re.DOTALL)
_POINTS: Final = re.compile(
    r"(\d+(?:[.,]\d+)?)(?:\s*(?:MOKU|POINTS?|PTS?|目|子|집))?\.?\s*(?:\(.*\))?\s*$", re.IGNORECASE
)
_DATE: Final = re.compile(r"(\d{4})(?:[-/.年]\s*(\d{1,2})(?:[-/.月]\s*(\d{1,2}))?)?")
_RANK: Final = re.compile(r"(\d{1,2})\s*(d(?:an)?|k(?:yu)?|p(?:ro)?|段|级|級)?\b", re.IGNORECASE)
_KOMI_LIMIT: Final = 1000.0


@dataclass(frozen=True)
class Result:
    """How a game ended."""

    winner: int
    """1 black, 2 white, 0 nobody."""
    ended: str
    """One of the data schema's `ENDINGS`."""
    score: float | None = None
    """Black's points less white's, where the record gives them."""


UNKNOWN: Final = Result(0, "unknown")


def result(text: str | None) -> Result:
    """RE in any spelling: "B+3.5", "W+R", "W+Resign", "B+Time", "W+F", "0", "Draw", "Void", "?", "Black wins by resignation"."""
    if text is None:
        return UNKNOWN
    found = text.strip().replace("\uff0b", "+")  # the full-width plus sign of Chinese and Japanese programs
    low = found.lower()
    if low in ("0", "draw", "jigo", "tie", "和棋", "持碁"):
        return Result(0, "passes", 0.0)
    asian = re.match(r"(黑|黒|白)(?:方)?(?:\+|胜|勝|中押し?勝?ち?|中盘胜)(.*)", found)
    if asian:
        winner = WHITE if asian[1] == "白" else BLACK
        points = _NUMBER.search(asian[2])
        if points:
            value = _number(points[0])
            return Result(winner, "passes", value if winner == BLACK else -value)
        return Result(winner, "resign" if "中" in found else "unknown")
    match = _RESULT.match(found)
    if match is None:
        return UNKNOWN
    winner = BLACK if match[1].upper() == "B" else WHITE
    rest = match[2].strip()
    word = re.sub(r"^by\s+", "", rest.lower())
    if word[:1] == "r":
        return Result(winner, "resign")
    if word[:1] == "t":
        return Result(winner, "time")
    if word[:1] == "f":
        return Result(winner, "forfeit")
    points = _POINTS.match(re.sub(r"^by\s+", "", rest, flags=re.IGNORECASE))
    if points:
        value = _number(points[1])
        if value == 0:
            return Result(winner, "unknown")
        return Result(winner, "passes", value if winner == BLACK else -value)
    return Result(winner, "unknown")


def komi(text: str | None, *, stones: bool = False) -> float | None:
    """KM in points; None where there is none or it is no number.

    Chinese servers give 375 for three and three quarter stones (7.5 points), others 750, 650 or 550 for hundredths of points.

    Args:
        stones: whether the record counts komi in stones, as Chinese rules do: 3.75 is then 7.5 points.
    """
    if text is None:
        return None
    match = _NUMBER.search(text)
    if match is None:
        return None
    value = _number(match[0])
    if abs(value) in (375.0, 275.0, 325.0):
        return math.copysign(abs(value) / 50, value)
    if 200 <= abs(value) < _KOMI_LIMIT and value % 25 == 0:
        return value / 100
    if stones and value in (3.75, 2.75, 3.25):
        return 2 * value
    return value if abs(value) <= _KOMI_LIMIT else None


def whole(text: str | None) -> int | None:
    """A whole number such as HA's; None where there is none."""
    match = re.match(r"\s*(\d{1,4})\b", text or "")
    return int(match[1]) if match else None


def date(text: str | None) -> str | None:
    """YYYY-MM-DD, YYYY-MM or YYYY of the first day that DT names."""
    match = _DATE.search(text or "")
    if match is None:
        return None
    parts = [match[1]]
    for part, most in ((match[2], 12), (match[3], 31)):
        if part is None or not 1 <= int(part) <= most:
            break
        parts.append(f"{int(part):02d}")
    return "-".join(parts)


def rank(text: str | None) -> str | None:
    """ "9d", "3k", "1p" where the text is such a rank in any spelling, else the text as it is."""
    if text is None or not text.strip():
        return None
    match = _RANK.match(text.strip())
    if match and match[2]:
        kind = {"段": "d", "级": "k", "級": "k"}.get(match[2], match[2][0].lower())
        return f"{int(match[1])}{kind}"
    return text.strip()[:40]


_RULES: Final = {
    "chinese": "chinese",
    "cn": "chinese",
    "japanese": "japanese",
    "jp": "japanese",
    "korean": "korean",
    "aga": "aga",
    "nz": "new-zealand",
    "newzealand": "new-zealand",
    "tromptaylor": "tromp-taylor",
    "goe": "chinese-ogs",
    "ing": "chinese-ogs",
}


def rules(text: str | None, default: Rules) -> Rules:
    """The ruleset that RU names; the default where it names none that is known."""
    if not text:
        return default
    key = re.sub(r"[^a-z]", "", text.lower())
    if key in _RULES:
        return Rules.named(_RULES[key])
    try:
        return Rules.named(text.strip())
    except BadRules:
        return next(
            (Rules.named(name) for word, name in _RULES.items() if len(word) > 2 and key.startswith(word)), default
        )


def _number(text: str) -> float:
    return float(text.replace(",", "."))
