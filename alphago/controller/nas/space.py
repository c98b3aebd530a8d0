"""A small language for search spaces, and the sequence of decisions that a space turns into.

    space = Space(
        Group(
            blocks=Choice(2, 4, 6),
            layers=Repeat(Group(kernel=Choice(1, 3), pool=Maybe(Choice("mean", "max"))), 1, 3),
        ),
        constraints=(Constraint("at most 4 blocks", lambda found: found.get("blocks", 0) <= 4),),
    )

Every space is a fixed list of decisions. One that an earlier choice has made pointless (the layers beyond the number chosen, the
inside of an optional part that is absent) has a single option left, 0, and so neither probability nor entropy. Options that a
constraint forbids are masked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from alphago.errors import AlphaGoError

Choices: TypeAlias = tuple[int, ...]
DRAWS: Final = 1000
"""Of a sequence of decisions, after which constraints that leave none have a space called empty."""


class SpaceError(AlphaGoError):
    """A space with nothing in it, or choices that are none of it; the message says what."""


class DeadEnd(SpaceError):
    """Choices after which the constraints leave the next decision no option: others lead further, perhaps."""


@dataclass(frozen=True)
class Choice:
    """One of several values."""

    options: tuple[Any, ...]

    def __init__(self, *options: Any) -> None:
        object.__setattr__(self, "options", options)


@dataclass(frozen=True)
class Group:
    """Named parts: a dictionary of their values."""

    parts: Mapping[str, Node]

    def __init__(self, **parts: Node) -> None:
        object.__setattr__(self, "parts", parts)


@dataclass(frozen=True)
class Repeat:
    """The same part several times: a list. With `most` the number is a decision of its own."""

    part: Node
    least: int
    most: int | None = None


@dataclass(frozen=True)
class Maybe:
    """A part that may be absent: its value, or None."""

    part: Node


@dataclass(frozen=True)
class Links:
    """In a repeated part: which of the earlier repetitions feed this one, each by a yes or no of its own: a list of their numbers.

    Controllers may decide them by what they remember of both ends (Zoph and Le's anchor points).
    """


Node: TypeAlias = Choice | Group | Repeat | Maybe | Links


@dataclass(frozen=True)
class Constraint:
    """What an architecture must fulfil.

    Attributes:
        text: for messages.
        check: takes what has been decided so far, by name of the decision, and says False where that can lead to nothing good.
    """

    text: str
    check: Callable[[Mapping[str, Any]], bool]


@dataclass(frozen=True)
class Decision:
    """One step of the sequence."""

    name: str
    """Where it stands: "layers.1.kernel"."""
    options: tuple[Any, ...]
    needs: tuple[tuple[int, int], ...] = ()
    """(decision, least option): it matters only where these earlier decisions chose at least so."""
    link: tuple[int, int] | None = None
    """Of a link: two decisions before which all is decided of its ends - itself, with what its repetition has so far, and the first
    one after the repetition that it comes from."""


@dataclass(frozen=True)
class Space:
    """Everything that a search may choose. Raises SpaceError where a choice has no option."""

    root: Node
    constraints: tuple[Constraint, ...] = ()
    decisions: tuple[Decision, ...] = field(init=False)

    def __post_init__(self) -> None:
        found: list[Decision] = []
        _compile(self.root, "", (), found)
        if not found:
            raise SpaceError("the space is empty: there is nothing to decide")
        names = [decision.name for decision in found]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise SpaceError(
                f"two decisions are called {twice}: an optional part within an optional part needs a name, in a group"
            )
        object.__setattr__(self, "decisions", tuple(found))

    @property
    def widths(self) -> tuple[int, ...]:
        """Options of each decision."""
        return tuple(len(decision.options) for decision in self.decisions)

    @property
    def is_static(self) -> bool:
        """Whether all options are open whatever was chosen before."""
        return not self.constraints and not any(decision.needs for decision in self.decisions)

    def matters(self, turn: int, before: Sequence[int]) -> bool:
        """Whether a decision is one, after these choices."""
        return all(before[decision] >= least for decision, least in self.decisions[turn].needs)

    def allowed(self, before: Sequence[int]) -> NDArray[np.bool_]:
        """Options of the next decision after these choices: bool [options].

        Raises:
            DeadEnd: the constraints leave none.
        """
        turn = len(before)
        decision = self.decisions[turn]
        mask = np.zeros(len(decision.options), dtype=bool)
        if not self.matters(turn, before):
            mask[0] = True
            return mask
        if not self.constraints:
            return ~mask
        decided = self._decided(before)
        for option, value in enumerate(decision.options):
            found = {**decided, decision.name: value}
            mask[option] = all(constraint.check(found) for constraint in self.constraints)
        if not mask.any():
            texts = "; ".join(constraint.text for constraint in self.constraints)
            raise DeadEnd(f"no option is left for {decision.name} under the constraints: {texts}")
        return mask

    def masks(self, choices: NDArray[np.int64]) -> NDArray[np.bool_] | None:
        """What was allowed at every decision of whole sequences [n, T]: bool [n, T, widest]; None where everything always is.

        Beyond a decision's own options nothing is.
        """
        widths = self.widths
        if self.is_static and len(set(widths)) == 1:
            return None
        found = np.zeros((len(choices), len(widths), max(widths)), dtype=bool)
        for turn, width in enumerate(widths):
            found[:, turn, :width] = True
        if not self.is_static:
            for row, sequence in enumerate(choices.tolist()):
                for turn, width in enumerate(widths):
                    found[row, turn, :width] = self.allowed(sequence[:turn])
        return found

    def draw(self, random: np.random.Generator) -> Choices:
        """Choices that are uniform at every decision among what is allowed.

        Raises:
            DeadEnd: the constraints lead into one again and again.
        """
        for attempt in range(DRAWS):
            chosen: list[int] = []
            try:
                for _ in self.decisions:
                    options = np.flatnonzero(self.allowed(chosen))
                    chosen.append(int(options[random.integers(len(options))]))
            except DeadEnd:
                if attempt == DRAWS - 1:
                    raise
                continue
            return tuple(chosen)
        raise AssertionError

    def changed(self, choices: Choices, random: np.random.Generator) -> Choices:
        """Other choices that differ in one decision that matters; what follows from it is mended at random (a mutation)."""
        for _ in range(DRAWS):
            turns = [t for t in range(len(choices)) if self.allowed(choices[:t]).sum() > 1]
            if not turns:
                raise SpaceError("nothing can be changed: every decision has one option")
            turn = turns[int(random.integers(len(turns)))]
            options = np.flatnonzero(self.allowed(choices[:turn]))
            options = options[options != choices[turn]]
            found = [*choices[:turn], int(options[random.integers(len(options))])]
            try:
                for later in range(turn + 1, len(choices)):
                    mask = self.allowed(found)
                    old = choices[later]
                    left = np.flatnonzero(mask)
                    found.append(old if mask[old] else int(left[random.integers(len(left))]))
            except DeadEnd:
                continue
            return tuple(found)
        raise SpaceError("no change of one decision fulfils the constraints")

    def check(self, choices: Sequence[int]) -> Choices:
        """The choices, if they are of this space. Raises SpaceError."""
        if len(choices) != len(self.decisions):
            raise SpaceError(f"{len(choices)} choices, expected {len(self.decisions)}")
        for turn, choice in enumerate(choices):
            decision = self.decisions[turn]
            if not 0 <= choice < len(decision.options) or not self.allowed(choices[:turn])[choice]:
                raise SpaceError(f"choice {choice} of {decision.name} is none of what is allowed there")
        return tuple(int(choice) for choice in choices)

    def value(self, choices: Sequence[int]) -> Any:
        """What the choices stand for: the nested value of the space's root."""
        return _value(self.root, iter(self.check(choices)))

    def _decided(self, before: Sequence[int]) -> dict[str, Any]:
        return {
            decision.name: decision.options[choice]
            for turn, (decision, choice) in enumerate(zip(self.decisions, before, strict=False))
            if self.matters(turn, before)
        }


def _compile(
    node: Node,
    name: str,
    needs: tuple[tuple[int, int], ...],
    out: list[Decision],
    anchors: Sequence[int] | None = None,
) -> None:
    """Append the decisions of a part; `anchors` are the first decisions of the repetitions so far, this one's last."""

    def inside(part: str) -> str:
        return f"{name}.{part}" if name else part

    if isinstance(node, Choice):
        if not node.options:
            raise SpaceError(f"{name or 'the space'}: a choice without options")
        out.append(Decision(name or "choice", node.options, needs))
    elif isinstance(node, Group):
        for key, part in node.parts.items():
            _compile(part, inside(key), needs, out, anchors)
    elif isinstance(node, Maybe):
        out.append(Decision(inside("is_there"), (False, True), needs))
        _compile(node.part, name, (*needs, (len(out) - 1, 1)), out, anchors)
    elif isinstance(node, Links):
        if anchors is None or anchors[-1] == len(out):
            raise SpaceError(f"{name or 'the space'}: links belong into a repeated part, after a decision of it")
        for source, after in enumerate(anchors[1:]):
            out.append(Decision(inside(str(source)), (False, True), needs, (len(out), after)))
    else:
        least, most = node.least, node.least if node.most is None else node.most
        if not 0 <= least <= most or most < 1:
            raise SpaceError(f"{name or 'the space'}: cannot repeat {least} to {most} times")
        count = None
        if most > least:
            out.append(Decision(inside("count"), tuple(range(least, most + 1)), needs))
            count = len(out) - 1
        starts: list[int] = []
        for index in range(most):
            more = () if count is None or index < least else ((count, index - least + 1),)
            starts.append(len(out))
            _compile(node.part, inside(str(index)), (*needs, *more), out, starts)


def _value(node: Node, choices: Any, index: int = 0) -> Any:
    """The value of a part, of repetition `index`; its choices are taken from the iterator whether or not it is there."""
    if isinstance(node, Choice):
        return node.options[next(choices)]
    if isinstance(node, Group):
        return {key: _value(part, choices, index) for key, part in node.parts.items()}
    if isinstance(node, Maybe):
        chosen = bool(next(choices))
        value = _value(node.part, choices, index)
        return value if chosen else None
    if isinstance(node, Links):
        return [source for source in range(index) if next(choices)]
    most = node.least if node.most is None else node.most
    count = node.least + next(choices) if most > node.least else most
    values = [_value(node.part, choices, repetition) for repetition in range(most)]
    return values[:count]
