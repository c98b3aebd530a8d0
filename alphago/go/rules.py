"""Rules of a game, and the named rulesets as one table.

`RULESETS` below is the only place where a ruleset is defined; docs/board.md prints it through `rules_table()`.
"""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any, Final

from alphago.go.coords import check_size
from alphago.go.errors import BadRules

KO_RULES: Final = ("simple", "positional", "situational")
"""Names of the ko rules, in the order of the core's codes 0, 1, 2. The last two are superko rules."""
SCORINGS: Final = ("area", "territory", "stones")
"""Names of the scoring methods, in the order of the core's codes 0, 1, 2."""
HANDICAP_BONUSES: Final = ("none", "n", "n-1")
"""Points that white receives in a game with n handicap stones, n >= 2."""
MAX_KOMI: Final = 1000.0

# The value of perfect play where it is known, so that neither side is given the game.
# 2 to 5: T. Drange et al., Mini-Go (1998), area counting; 5 also solved by E. van der Werf (MIGOS, 2002). 6: Sensei's Library.
# 7 (area 9, territory 8), 8 (10, 9) and 9 (7, 6): the komi of KataGo's opening books for these sizes (2021-2023), not proved.
_KOMI_AREA: Final = {2: 1.0, 3: 9.0, 4: 2.0, 5: 25.0, 6: 4.0, 7: 9.0, 8: 10.0, 9: 7.0}
_KOMI_TERRITORY: Final = {**_KOMI_AREA, 7: 8.0, 8: 9.0, 9: 6.0}
_KOMI_LARGE: Final = {"area": 7.5, "territory": 6.5, "stones": 7.5}


@dataclasses.dataclass(frozen=True, slots=True)
class Rules:
    """The rules that a game is played by.

    Attributes:
        ko: "simple" (the ko may not be retaken at once), "positional" superko (a play may not recreate any earlier
            position of the whole board) or "situational" superko (any earlier position with the same side to move).
        suicide: whether a play may take its own chain of two or more stones off the board. A single stone never may.
        scoring: "area" (stones and surrounded points), "territory" (surrounded points and prisoners) or "stones".
        pass_stones: a pass hands the opponent a prisoner. It matters to territory counts alone.
        handicap_bonus: "none", "n" or "n-1" points for white in a game with n handicap stones.
        komi: points for white; None takes `default_komi` for the board's size.

    Raises:
        BadRules: a field holds none of these.
    """

    ko: str = "positional"
    suicide: bool = True
    scoring: str = "area"
    pass_stones: bool = False
    handicap_bonus: str = "none"
    komi: float | None = None

    def __post_init__(self) -> None:
        _check_choice("ko", self.ko, KO_RULES)
        _check_choice("scoring", self.scoring, SCORINGS)
        _check_choice("handicap_bonus", self.handicap_bonus, HANDICAP_BONUSES)
        for name in ("suicide", "pass_stones"):
            if not isinstance(getattr(self, name), bool):
                raise BadRules(f"rules: {name} must be true or false, got {getattr(self, name)!r}")
        if self.komi is not None:
            object.__setattr__(self, "komi", check_komi(self.komi))

    @classmethod
    def named(cls, name: str) -> "Rules":
        """The named ruleset. Letter case, blanks, hyphens and underscores do not matter: "New Zealand" is "new-zealand".

        Raises:
            BadRules: an unknown name; the message lists the known ones.
        """
        key = "".join(letter for letter in name.lower() if letter not in " -_\t")
        try:
            return _BY_KEY[key]
        except KeyError:
            raise BadRules(f"unknown ruleset {name!r}; known: {', '.join(RULESETS)}") from None

    @property
    def name(self) -> str | None:
        """Name of the first ruleset in the table that equals these rules, komi aside; None when there is none."""
        bare = dataclasses.replace(self, komi=None)
        return next((name for name, rules in RULESETS.items() if rules == bare), None)

    def default_komi(self, size: int) -> float:
        """Komi of these rules on a board of this size: `komi` where it is set, else the customary value or, on boards of
        2x2 to 9x9, the (known or believed) value of perfect play."""
        check_size(size)
        if self.komi is not None:
            return self.komi
        small = _KOMI_TERRITORY if self.scoring == "territory" else _KOMI_AREA
        return small.get(size, _KOMI_LARGE[self.scoring])

    def white_bonus(self, handicap_stones: int) -> float:
        """Points that white receives for black's handicap stones. Fewer than two stones are no handicap."""
        if handicap_stones < 2 or self.handicap_bonus == "none":
            return 0.0
        return float(handicap_stones if self.handicap_bonus == "n" else handicap_stones - 1)

    def to_dict(self) -> dict[str, Any]:
        """The fields, ready for JSON or YAML; `from_dict` takes them back."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> "Rules":
        """Rules from `to_dict`'s fields; absent ones keep their defaults (tromp-taylor).

        Raises:
            BadRules: an unknown field or a bad value.
        """
        known = [field.name for field in dataclasses.fields(cls)]
        for field in fields:
            if field not in known:
                raise BadRules(f"rules: unknown field {field!r}; known: {', '.join(known)}")
        return cls(**fields)


def check_komi(komi: float, what: str = "komi") -> float:
    """The komi as a float. Raises BadRules unless it is a finite number from -1000 to 1000."""
    try:
        value = float(komi)
    except (TypeError, ValueError, OverflowError):
        raise BadRules(f"{what} must be a number, got {komi!r}") from None
    if isinstance(komi, (str, bytes)) or not math.isfinite(value) or abs(value) > MAX_KOMI:
        raise BadRules(f"{what} must be a finite number from -1000 to 1000, got {komi!r}")
    return value


def _check_choice(field: str, value: object, known: tuple[str, ...]) -> None:
    if value not in known:
        raise BadRules(f"rules: {field} must be one of {', '.join(known)}, got {value!r}")


RULESETS: Final[dict[str, Rules]] = {
    "tromp-taylor": Rules(ko="positional", suicide=True, scoring="area"),
    # The printed Chinese rules forbid repetition, referees apply simple ko; KataGo's "chinese" is simple ko too.
    "chinese": Rules(ko="simple", suicide=False, scoring="area", handicap_bonus="n"),
    "chinese-ogs": Rules(ko="positional", suicide=False, scoring="area", handicap_bonus="n"),
    "chinese-kgs": Rules(ko="positional", suicide=False, scoring="area", handicap_bonus="n"),
    "japanese": Rules(ko="simple", suicide=False, scoring="territory"),
    "korean": Rules(ko="simple", suicide=False, scoring="territory"),
    # Pass stones make AGA's territory count equal its area count when white passes last; we count the area.
    "aga": Rules(ko="situational", suicide=False, scoring="area", pass_stones=True, handicap_bonus="n-1"),
    "bga": Rules(ko="situational", suicide=False, scoring="area", pass_stones=True, handicap_bonus="n-1"),
    "new-zealand": Rules(ko="situational", suicide=True, scoring="area"),
    "stone-scoring": Rules(ko="simple", suicide=False, scoring="stones"),
}
"""The named rulesets. Their komi is None: `Rules.default_komi` gives it by board size."""

_BY_KEY: Final = {name.replace("-", ""): rules for name, rules in RULESETS.items()}


def rules_table() -> str:
    """The table of rulesets as Markdown, as docs/board.md shows it."""
    yes_no = {True: "yes", False: "no"}
    sizes = (*range(2, 10), 13, 19)
    rows = [
        ["ruleset", "ko", "suicide", "scoring", "pass stones", "handicap bonus", *(f"{size}x{size}" for size in sizes)],
        ["---"] * (6 + len(sizes)),
    ]
    for name, rules in RULESETS.items():
        komi = [f"{rules.default_komi(size):g}" for size in sizes]
        fields = [rules.ko, yes_no[rules.suicide], rules.scoring, yes_no[rules.pass_stones], rules.handicap_bonus]
        rows.append([name, *fields, *komi])
    return "\n".join("| " + " | ".join(row) + " |" for row in rows) + "\n"
