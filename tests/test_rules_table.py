"""The table of rulesets: what it says, that documentation says the same, and that rules survive a trip through a dict."""

import dataclasses
import json
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alphago.go import RULESETS, BadBoard, BadRules, Board, Rules, rules_table
from alphago.go.rules import HANDICAP_BONUSES, KO_RULES, SCORINGS

DOCS = Path(__file__).parent.parent / "docs" / "board.md"

any_rules = st.builds(
    Rules,
    ko=st.sampled_from(KO_RULES),
    suicide=st.booleans(),
    scoring=st.sampled_from(SCORINGS),
    pass_stones=st.booleans(),
    handicap_bonus=st.sampled_from(HANDICAP_BONUSES),
    komi=st.none() | st.floats(-1000, 1000),
)


@given(any_rules)
def test_rules_survive_a_dict_and_json(rules: Rules) -> None:
    assert Rules.from_dict(rules.to_dict()) == rules
    assert Rules.from_dict(json.loads(json.dumps(rules.to_dict()))) == rules
    assert hash(Rules.from_dict(rules.to_dict())) == hash(rules)


@pytest.mark.parametrize(
    ("name", "ko", "suicide", "scoring", "pass_stones", "bonus"),
    [
        ("tromp-taylor", "positional", True, "area", False, "none"),
        ("chinese", "simple", False, "area", False, "n"),
        ("chinese-ogs", "positional", False, "area", False, "n"),
        ("chinese-kgs", "positional", False, "area", False, "n"),
        ("japanese", "simple", False, "territory", False, "none"),
        ("korean", "simple", False, "territory", False, "none"),
        ("aga", "situational", False, "area", True, "n-1"),
        ("bga", "situational", False, "area", True, "n-1"),
        ("new-zealand", "situational", True, "area", False, "none"),
        ("stone-scoring", "simple", False, "stones", False, "none"),
    ],
)
def test_table(name: str, ko: str, suicide: bool, scoring: str, pass_stones: bool, bonus: str) -> None:
    rules = Rules.named(name)
    expected = (ko, suicide, scoring, pass_stones, bonus, None)
    assert dataclasses.astuple(rules) == expected
    assert RULESETS[name] is rules


def test_no_ruleset_is_missing_from_the_test_above() -> None:
    assert len(RULESETS) == 10


@pytest.mark.parametrize("name", ["New Zealand", "new_zealand", "NEW-ZEALAND", " newzealand "])
def test_names_are_read_tolerantly(name: str) -> None:
    assert Rules.named(name) is RULESETS["new-zealand"]


def test_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(BadRules, match="unknown ruleset 'ing'; known: tromp-taylor, chinese"):
        Rules.named("ing")


def test_rules_know_their_name() -> None:
    assert Rules().name == "tromp-taylor"
    assert Rules(komi=3.5).name == "tromp-taylor"
    assert RULESETS["korean"].name == "japanese"  # the two are the same rules
    assert Rules(ko="simple", suicide=True).name is None


@pytest.mark.parametrize(
    ("size", "area", "territory"),
    [
        (2, 1, 1),
        (3, 9, 9),
        (4, 2, 2),
        (5, 25, 25),
        (6, 4, 4),
        (7, 9, 8),
        (8, 10, 9),
        (9, 7, 6),
        (13, 7.5, 6.5),
        (19, 7.5, 6.5),
    ],
)
def test_default_komi(size: int, area: float, territory: float) -> None:
    assert Rules.named("tromp-taylor").default_komi(size) == area
    assert Rules.named("stone-scoring").default_komi(size) == area
    assert Rules.named("japanese").default_komi(size) == territory
    assert Rules(komi=0.5).default_komi(size) == 0.5
    assert Board(size, "japanese").komi == territory


def test_default_komi_needs_a_board() -> None:
    with pytest.raises(BadBoard):
        Rules().default_komi(20)


def test_handicap_bonus() -> None:
    bonus = {name: [Rules.named(name).white_bonus(n) for n in (0, 1, 2, 9)] for name in RULESETS}
    assert bonus["chinese"] == [0, 0, 2, 9]
    assert bonus["aga"] == [0, 0, 1, 8]
    assert bonus["japanese"] == bonus["new-zealand"] == bonus["tromp-taylor"] == [0, 0, 0, 0]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"ko": "super"}, "rules: ko must be one of simple, positional, situational, got 'super'"),
        ({"scoring": 1}, "rules: scoring must be one of"),
        ({"suicide": 1}, "rules: suicide must be true or false, got 1"),
        ({"pass_stones": None}, "rules: pass_stones must be"),
        ({"handicap_bonus": "2"}, "rules: handicap_bonus must be one of none, n, n-1"),
        ({"komi": math.nan}, "komi must be a finite number"),
        ({"komi": math.inf}, "komi must be a finite number"),
        ({"komi": 1001}, "komi must be a finite number from -1000 to 1000, got 1001"),
        ({"komi": "six"}, "komi must be a number, got 'six'"),
        ({"komi": "6.5"}, "komi must be a finite number"),
        ({"tax": "none"}, "rules: unknown field 'tax'; known: ko, suicide"),
    ],
)
def test_bad_fields(fields: dict[str, object], message: str) -> None:
    with pytest.raises(BadRules, match=message):
        Rules.from_dict(fields)


def test_rules_are_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Rules().ko = "simple"  # type: ignore[misc]


def test_documentation_shows_this_table() -> None:
    """docs/board.md holds rules_table() word for word; `alphago.go.rules_table()` makes it."""
    assert rules_table() in DOCS.read_text(encoding="utf-8")
