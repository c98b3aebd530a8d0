"""Game records into rows of the schema: sgfmill parses, and a faster reader takes plain games with the same outcome.

A row begins at the last position that was set up: a record that puts stones on the board in mid-game becomes the game from
there on. Variations are left out; the main line is the first child of every node.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from alphago import _core
from alphago.data.games import HUMAN, SEARCH, GameRow, no_search
from alphago.data.sgf_private import PROPERTY, restored
from alphago.data.sgf_search import root_values
from alphago.go import BLACK, ILLEGAL_REASONS, MAX_SIZE, MIN_SIZE, WHITE, Rules, action_to_gtp, color_name, sgf_values
from alphago.go.rules import KO_RULES, SCORINGS

DEFAULT_RULES: Final = Rules.named("japanese")
"""Of a record that names none: servers and publishers that leave RU out are Japanese style as a rule."""


class Rejected(Exception):
    """A game is not taken: `reason` is one of a few words that a report counts, the message says more."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass
class Record:
    """What a record says, before anything is checked: property values of the root, then what happens node by node."""

    root: dict[str, list[str]]
    nodes: list[dict[str, list[str]]] = field(default_factory=list)
    """The main line after the root, as property values."""


def parse(text: str) -> Record:
    """One game tree, by sgfmill's grammar. Raises Rejected."""
    from sgfmill import sgf_grammar

    try:
        tree = sgf_grammar.parse_sgf_game(text.encode("utf-8"))
    except ValueError as error:
        raise Rejected("broken", f"no SGF: {error}") from None
    nodes = [
        {name: [_text(raw) for raw in values] for name, values in node.items()}
        for node in sgf_grammar.main_sequence_iter(tree)
    ]
    return Record(nodes[0], nodes[1:])


def _text(raw: bytes) -> str:
    from sgfmill import sgf_grammar

    return bytes(sgf_grammar.text_value(raw)).decode("utf-8", "replace")


_ROOT: Final = r"(?:[A-Z]{1,2}\[[^\]\\\[]*\])+"
_PLAIN: Final = re.compile(rf"\s*\(;({_ROOT})((?:;[BW]\[[a-t]{{0,2}}\](?:C\[[^\]\\]*\])?)*)\)\s*")
_PROPERTY: Final = re.compile(r"([A-Z]{1,2})\[([^\]]*)\]")
_MOVE: Final = re.compile(r";([BW])\[([a-t]{0,2})\](?:C\[([^\]\\]*)\])?")
_SETUP: Final = frozenset(("AB", "AW", "AE", "PL", "B", "W"))
_LETTERS: Final = "abcdefghijklmnopqrs"


def parse_plain(text: str) -> tuple[dict[str, str], list[tuple[str, str, str]]] | None:
    """Root properties and (color, point, comment) of a game without set-up, variations or escapes; None for any other."""
    match = _PLAIN.fullmatch(text)
    if match is None:
        return None
    pairs = _PROPERTY.findall(match[1])
    root = dict(pairs)
    if len(root) != len(pairs) or not _SETUP.isdisjoint(root):
        return None
    return root, _MOVE.findall(match[2])


def read(text: str, *, source: str | None = None, plain: bool = True) -> GameRow:
    """The row of one game tree; `game_id` and `index` are the caller's to set.

    Args:
        plain: whether the fast reader may be used; the outcome is the same.

    Raises:
        Rejected: broken, illegal, or nothing that a row can hold.
    """
    found = parse_plain(text) if plain else None
    if found is not None:
        root, moves = found
        _check_is_go(root)
        size = _size(root.get("SZ"))
        table = _points(size)
        try:
            actions = [table[point] for _, point, _ in moves]
        except KeyError as error:
            raise Rejected("illegal", f"the point {error.args[0]!r} is off the {size}x{size} board") from None
        colors = [BLACK if color == "B" else WHITE for color, _, _ in moves]
        comments = [comment or None for _, _, comment in moves]
        return _row(root, size, [], [], None, colors, actions, comments, source)
    return _read_record(parse(text), source)


def _read_record(record: Record, source: str | None) -> GameRow:
    root = {name: values[0] for name, values in record.root.items() if values}
    _check_is_go(root)
    size = _size(root.get("SZ"))
    table = _points(size)
    board = _core.Position(size, 0, True, 0, 0.0)
    black: list[int] = []
    white: list[int] = []
    to_play: int | None = None
    colors: list[int] = []
    actions: list[int] = []
    comments: list[str | None] = []
    for number, node in enumerate([record.root, *record.nodes]):
        setup = {name: _list(node.get(name, ()), table, size) for name in ("AB", "AW", "AE")}
        if any(setup.values()):
            for color, action in zip(colors, actions, strict=True):
                if board.try_play(action, color) < 0:
                    raise Rejected("illegal", f"a move before the set-up of node {number} is illegal")
            code = board.setup(setup["AB"], setup["AW"], setup["AE"])
            if code:
                raise Rejected("illegal", f"the stones set up in node {number} cannot stand")
            stones = board.stones().ravel()
            black, white = np.flatnonzero(stones == BLACK).tolist(), np.flatnonzero(stones == WHITE).tolist()
            colors, actions, comments, to_play = [], [], [], None
        if node.get("PL"):
            to_play = {"b": BLACK, "w": WHITE, "1": BLACK, "2": WHITE}.get(node["PL"][0].strip().lower()[:1], to_play)
        for name, color in (("B", BLACK), ("W", WHITE)):
            for value in node.get(name, ()):
                point = value.strip()
                if point not in table:
                    raise Rejected(
                        "illegal", f"move {len(actions) + 1}: {point[:20]!r} is no point of the {size}x{size} board"
                    )
                actions.append(table[point])
                colors.append(color)
                comments.append(node["C"][0] if node.get("C") else None)
    row = _row(root, size, black, white, to_play, colors, actions, comments, source)
    if PROPERTY not in root:
        return row
    try:
        return restored(row, root[PROPERTY])
    except ValueError as error:
        raise Rejected("broken", str(error)) from None


def _check_is_go(root: dict[str, str]) -> None:
    if root.get("GM", "1").strip() not in ("1", ""):
        raise Rejected("not Go", f"GM is {root['GM'][:20]!r}")


def _row(
    root: dict[str, str],
    size: int,
    black: list[int],
    white: list[int],
    to_play: int | None,
    colors: list[int],
    actions: list[int],
    comments: list[str | None],
    source: str | None,
) -> GameRow:
    rules = sgf_values.rules(root.get("RU"), DEFAULT_RULES)
    komi = sgf_values.komi(root.get("KM"), stones="chinese" in root.get("RU", "").lower())
    handicap = sgf_values.whole(root.get("HA")) or 0
    stones = handicap if handicap >= 2 else len(black) if len(black) > 1 and not white else 0
    bonus = rules.white_bonus(stones)
    if komi is None:
        komi = 0.5 if stones else rules.default_komi(size)
    ended = sgf_values.result(root.get("RE"))
    ko, suicide = KO_RULES.index(rules.ko), rules.suicide
    start = (SCORINGS.index(rules.scoring), komi, rules.pass_stones, bonus)
    # Real games are played under the rules of their server, which RU often names wrongly: only what every ruleset forbids is held
    # against them. Where the rules named forbid a move, the row's rules become the most lenient ones.
    board, wrong = _played(_core.Position(size, ko, suicide, *start), black, white, colors, actions)
    if wrong is not None:
        ko, suicide = 0, True
        board, wrong = _played(_core.Position(size, ko, suicide, *start), black, white, colors, actions)
    if wrong is not None:
        raise Rejected("illegal", wrong)
    if to_play is not None and colors and colors[0] != to_play:
        to_play = colors[0]
    n = len(actions)
    values, simulations = root_values(comments, colors)
    chosen_by = np.full(n, HUMAN, np.uint8)
    if len(values):
        chosen_by[~np.isnan(values)] = SEARCH
    if ended.ended == "unknown" and board.is_over and ended.winner:
        ended = sgf_values.Result(ended.winner, "passes")
    elif ended.ended == "passes" and not board.is_over and not (n and chosen_by[-1] == HUMAN):
        ended = sgf_values.Result(ended.winner, "unknown", ended.score)  # only people leave their last passes out
    elif ended.ended == "passes" and not board.is_over and PROPERTY not in root:
        # A counted game has ended by passes, which servers do not write down. They are moves like any other to learn from.
        missing = 2 - board.consecutive_passes
        to_move = board.to_play
        actions = [*actions, *[size * size] * missing]
        colors = [*colors, *[to_move, 3 - to_move][:missing]]
        chosen_by = np.append(chosen_by, np.full(missing, HUMAN, np.uint8))
        values = np.append(values, np.full(missing, np.nan, np.float32)).astype(np.float32) if len(values) else values
    return {
        "game_id": "",
        "index": 0,
        "size": size,
        "ko": ko,
        "suicide": suicide,
        "scoring": SCORINGS.index(rules.scoring),
        "pass_stones": rules.pass_stones,
        "komi": komi,
        "white_bonus": bonus,
        "setup_black": np.array(black, np.uint16),
        "setup_white": np.array(white, np.uint16),
        "moves": np.array(actions, np.uint16),
        "colors": np.array(colors, np.uint8),
        "chosen_by": chosen_by,
        "winner": ended.winner,
        "score": ended.score,
        "ended": ended.ended,
        "no_resign": False,
        "black": _name(root.get("PB")),
        "white": _name(root.get("PW")),
        "black_rank": sgf_values.rank(root.get("BR")),
        "white_rank": sgf_values.rank(root.get("WR")),
        "date": sgf_values.date(root.get("DT")),
        "source": _name(root.get("SO")) or source,
        "seed": 0,
        "networks": [],
        "root_value": values,
        **no_search(),
        "simulations": simulations,
    }


def _played(
    board: _core.Position, black: list[int], white: list[int], colors: list[int], actions: list[int]
) -> tuple[_core.Position, str | None]:
    """The position after all moves, or where it stopped and which move was illegal."""
    if black or white:
        board.setup(black, white, [])
    for i, (color, action) in enumerate(zip(colors, actions, strict=True)):
        played = board.try_play(action, color)
        if played < 0:
            vertex = action_to_gtp(action, board.size)
            return board, f"move {i + 1} ({color_name(color)} {vertex}) is illegal: {ILLEGAL_REASONS[-played - 1]}"
    return board, None


def _name(text: str | None) -> str | None:
    return " ".join(text.split())[:200] or None if text else None


def _size(text: str | None) -> int:
    if text is None or not text.strip():
        return 19
    parts = [part.strip() for part in text.split(":")]
    if not all(part.isascii() and part.isdecimal() for part in parts) or len(set(parts)) != 1:
        raise Rejected("size", f"SZ is {text[:20]!r}")
    size = int(parts[0])
    if not MIN_SIZE <= size <= MAX_SIZE:
        raise Rejected("size", f"SZ is {size}, expected {MIN_SIZE} to {MAX_SIZE}")
    return size


_TABLES: dict[int, dict[str, int]] = {}


def _points(size: int) -> dict[str, int]:
    """SGF point -> action; the two spellings of a pass among them."""
    if size not in _TABLES:
        table = {_LETTERS[c] + _LETTERS[r]: r * size + c for r in range(size) for c in range(size)}
        table[""] = table["tt"] = size * size
        _TABLES[size] = table
    return _TABLES[size]


def _list(values: Iterable[str], table: dict[str, int], size: int) -> list[int]:
    """Points of a set-up property, rectangles written out."""
    out: list[int] = []
    for value in values:
        first, colon, last = (part.strip() for part in value.partition(":"))
        if (
            first not in table
            or table[first] == size * size
            or (colon and (last not in table or table[last] == size * size))
        ):
            raise Rejected(
                "illegal", f"a stone is set up on {value[:20]!r}, which is no point of the {size}x{size} board"
            )
        if not colon:
            out.append(table[first])
            continue
        (r0, c0), (r1, c1) = divmod(table[first], size), divmod(table[last], size)
        out += [r * size + c for r in range(min(r0, r1), max(r0, r1) + 1) for c in range(min(c0, c1), max(c0, c1) + 1)]
    return out
