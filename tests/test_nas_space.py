"""The language of search spaces: what its decisions are, which options are open, and that every sequence is an architecture."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alphago.controller.nas.space import Choice, Constraint, Group, Links, Maybe, Repeat, Space, SpaceError

NETWORK = Space(
    Group(
        width=Choice(8, 16, 32),
        layers=Repeat(Group(kernel=Choice(1, 3), pool=Maybe(Choice("mean", "max"))), 1, 3),
    )
)


def everything(space: Space) -> list[tuple[int, ...]]:
    """All sequences that a space allows, by trying each."""
    found = []
    for sequence in itertools.product(*(range(width) for width in space.widths)):
        try:
            found.append(space.check(sequence))
        except SpaceError:
            continue
    return found


def test_decisions_in_order() -> None:
    assert [decision.name for decision in NETWORK.decisions] == [
        "width", "layers.count",
        "layers.0.kernel", "layers.0.pool.is_there", "layers.0.pool",
        "layers.1.kernel", "layers.1.pool.is_there", "layers.1.pool",
        "layers.2.kernel", "layers.2.pool.is_there", "layers.2.pool",
    ]  # fmt: skip
    assert NETWORK.widths == (3, 3, 2, 2, 2, 2, 2, 2, 2, 2, 2)


def test_the_number_of_architectures_by_hand() -> None:
    """A layer is one of 2 kernels times (no pool, mean, max); 6 + 36 + 216 lists of them, times 3 widths."""
    sequences = everything(NETWORK)
    assert len(sequences) == 3 * (6 + 36 + 216)
    values = [repr(NETWORK.value(sequence)) for sequence in sequences]
    assert len(set(values)) == len(values)  # no architecture has two sequences


def test_values_by_hand() -> None:
    value = NETWORK.value((2, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0))
    assert value == {"width": 32, "layers": [{"kernel": 3, "pool": "max"}, {"kernel": 1, "pool": None}]}
    with pytest.raises(SpaceError, match=r"choice 1 of layers\.2\.kernel is none of what is allowed there"):
        NETWORK.value((2, 1, 1, 1, 1, 0, 0, 0, 1, 0, 0))
    with pytest.raises(SpaceError, match="3 choices, expected 11"):
        NETWORK.check((0, 0, 0))


@given(st.integers(0, 10_000))
@settings(max_examples=60)
def test_draws_and_changes_are_of_the_space(seed: int) -> None:
    random = np.random.default_rng(seed)
    drawn = NETWORK.draw(random)
    assert NETWORK.check(drawn) == drawn
    changed = NETWORK.changed(drawn, random)
    assert NETWORK.check(changed) == changed and changed != drawn
    masks = NETWORK.masks(np.array([drawn, changed]))
    assert masks is not None
    for row, sequence in enumerate((drawn, changed)):
        for turn, choice in enumerate(sequence):
            assert masks[row, turn, choice]
            assert masks[row, turn].sum() == NETWORK.allowed(sequence[:turn]).sum()


def test_draws_are_uniform_where_nothing_depends() -> None:
    space = Space(Group(a=Choice(1, 2), b=Choice(1, 2, 3)))
    random = np.random.default_rng(1)
    counts: dict[Any, int] = {}
    for _ in range(6000):
        drawn = space.draw(random)
        counts[drawn] = counts.get(drawn, 0) + 1
    assert len(counts) == 6 and all(abs(count - 1000) < 150 for count in counts.values())
    assert space.is_static and not NETWORK.is_static
    assert Space(Group(a=Choice(1, 2), b=Choice(3, 4))).masks(np.zeros((2, 2), np.int64)) is None


def total(found: Any) -> bool:
    """Width times the layers decided so far."""
    return bool(found.get("width", 0) * found.get("layers.count", 1) <= 32)


def test_constraints_mask_what_breaks_them() -> None:
    space = Space(NETWORK.root, (Constraint("width times layers at most 32", total),))
    wanted = [s for s in everything(NETWORK) if [8, 16, 32][s[0]] * (s[1] + 1) <= 32]
    assert everything(space) == wanted
    assert space.allowed((2,)).tolist() == [True, False, False]
    random = np.random.default_rng(1)
    for _ in range(200):
        assert space.changed(space.draw(random), random) in wanted


def test_links_between_repetitions() -> None:
    space = Space(Repeat(Group(kernel=Choice(1, 3), inputs=Links()), 2, 3))
    assert [(d.name, d.link) for d in space.decisions] == [
        ("count", None), ("0.kernel", None), ("1.kernel", None), ("1.inputs.0", (3, 2)),
        ("2.kernel", None), ("2.inputs.0", (5, 2)), ("2.inputs.1", (6, 4)),
    ]  # fmt: skip
    assert space.value((1, 0, 1, 1, 0, 0, 1)) == [
        {"kernel": 1, "inputs": []},
        {"kernel": 3, "inputs": [0]},
        {"kernel": 1, "inputs": [1]},
    ]
    assert len(everything(space)) == 4 * 2 + 8 * 8
    for root in (Links(), Repeat(Links(), 2)):
        with pytest.raises(SpaceError, match="links belong into a repeated part, after a decision of it"):
            Space(root)


def test_spaces_with_nothing_in_them() -> None:
    with pytest.raises(SpaceError, match="the space is empty"):
        Space(Group())
    with pytest.raises(SpaceError, match=r"part\.kernel: a choice without options"):
        Space(Group(part=Group(kernel=Choice())))
    with pytest.raises(SpaceError, match=r"two decisions are called a\.is_there"):
        Space(Group(a=Maybe(Maybe(Choice(1, 2)))))
    with pytest.raises(SpaceError, match="part: cannot repeat 3 to 2 times"):
        Space(Group(part=Repeat(Choice(1), 3, 2)))
    impossible = Space(Choice(1, 2), (Constraint("be odd and even", lambda found: False),))
    with pytest.raises(SpaceError, match="no option is left for choice under the constraints: be odd and even"):
        impossible.draw(np.random.default_rng(0))
    single = Space(Choice(1))
    with pytest.raises(SpaceError, match="nothing can be changed"):
        single.changed((0,), np.random.default_rng(0))
