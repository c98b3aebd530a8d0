"""A game as SGF, for people and other programs. What only this project knows (visits, targets, ownership) stays out."""

from collections.abc import Mapping
from typing import Any

import alphago
from alphago.data.games import GameDataError
from alphago.go import BLACK, RULESETS, WHITE, action_to_point
from alphago.go.rules import KO_RULES, SCORINGS

# Names that SGF (FF[4], property RU) lists, or that other programs know; the others go by their own name.
_RULE_NAMES = {
    "chinese": "Chinese",
    "japanese": "Japanese",
    "aga": "AGA",
    "new-zealand": "NZ",
    "tromp-taylor": "Tromp-Taylor",
}
_REASONS = {"resign": "R", "time": "T", "forfeit": "F"}


def to_sgf(row: Mapping[str, Any]) -> bytes:
    """The game as one FF[4] game tree in UTF-8: set-up, moves, passes, komi, rules, players, result, source.

    KM is the komi alone; points for handicap stones follow from the rules, as SGF has it.

    Raises:
        GameDataError: a set-up stone or a move is off the board.
    """
    from sgfmill import sgf

    size = int(row["size"])
    game = sgf.Sgf_game(size, encoding="UTF-8")
    root = game.get_root()
    root.set("AP", ("alphago", alphago.__version__))
    root.set("KM", float(row["komi"]))
    root.set("RU", _rules_name(row))
    root.set("RE", result(row))
    for name, column in {
        "GN": "game_id",
        "PB": "black",
        "PW": "white",
        "BR": "black_rank",
        "WR": "white_rank",
        "DT": "date",
        "SO": "source",
    }.items():
        if row[column]:
            root.set(name, row[column])
    black = [_point(row, action) for action in row["setup_black"].tolist()]
    white = [_point(row, action) for action in row["setup_white"].tolist()]
    if black or white:
        root.set_setup_stones(black, white)
    if len(black) > 1 and not white:
        root.set("HA", len(black))
    colors = row["colors"].tolist()
    if colors and (black or white or colors[0] == WHITE):
        root.set("PL", _letter(colors[0]))
    for color, action in zip(colors, row["moves"].tolist(), strict=True):
        node = game.extend_main_sequence()
        node.set_move(_letter(color), None if action == size * size else _point(row, action))
    data: bytes = game.serialise()
    return data


def result(row: Mapping[str, Any]) -> str:
    """The result as SGF writes it: "B+3.5", "W+R", "B+T", "0" for a draw, "B+" without a known score, "?" when unknown."""
    if not row["winner"]:
        return "?" if row["score"] is None else "0"
    winner = "B" if row["winner"] == BLACK else "W"
    if row["score"] is None:
        return f"{winner}+{_REASONS.get(row['ended'], '')}"
    return f"{winner}+{abs(row['score']):g}"


def _rules_name(row: Mapping[str, Any]) -> str:
    """The first ruleset of the table that plays by the row's rules, else the rules in words."""
    wanted = (KO_RULES[row["ko"]], row["suicide"], SCORINGS[row["scoring"]], row["pass_stones"])
    for name, rules in RULESETS.items():
        if (rules.ko, rules.suicide, rules.scoring, rules.pass_stones) == wanted:
            return _RULE_NAMES.get(name, name)
    ko, suicide, scoring, pass_stones = wanted
    words = [f"{ko} ko", f"suicide {'allowed' if suicide else 'forbidden'}", f"{scoring} scoring"]
    return ", ".join([*words, *(["pass stones"] if pass_stones else [])])


def _letter(color: int) -> str:
    return "b" if color == BLACK else "w"


def _point(row: Mapping[str, Any], action: int) -> tuple[int, int]:
    """sgfmill's (row, column), which counts rows from the bottom."""
    size = int(row["size"])
    point = action_to_point(action, size) if action <= size * size else None
    if point is None:
        raise GameDataError(f"game {row['game_id']!r}: action {action} is not a point of the {size}x{size} board")
    return size - 1 - point[0], point[1]
