"""Go: board, rules, coordinates. Start with `Board`; docs/board.md is the tour.

The Gymnasium environment lives in `alphago.go.env`, which is imported on its own so that this package does not need
gymnasium.
"""

from alphago.go.board import Board
from alphago.go.coords import (
    BLACK,
    MAX_SIZE,
    MIN_SIZE,
    WHITE,
    Color,
    Move,
    action_to_gtp,
    action_to_point,
    action_to_sgf,
    color_name,
    gtp_to_action,
    parse_color,
    parse_move,
    point_to_action,
    sgf_to_action,
)
from alphago.go.errors import (
    ILLEGAL_REASONS,
    AlphaGoError,
    BadBoard,
    BadColor,
    BadCoordinate,
    BadRules,
    IllegalMove,
    OffBoard,
)
from alphago.go.handicap import fixed_handicap_points, max_fixed_handicap, star_points
from alphago.go.rules import RULESETS, Rules, rules_table

__all__ = [
    "BLACK",
    "ILLEGAL_REASONS",
    "MAX_SIZE",
    "MIN_SIZE",
    "RULESETS",
    "WHITE",
    "AlphaGoError",
    "BadBoard",
    "BadColor",
    "BadCoordinate",
    "BadRules",
    "Board",
    "Color",
    "IllegalMove",
    "Move",
    "OffBoard",
    "Rules",
    "action_to_gtp",
    "action_to_point",
    "action_to_sgf",
    "color_name",
    "fixed_handicap_points",
    "gtp_to_action",
    "max_fixed_handicap",
    "parse_color",
    "parse_move",
    "point_to_action",
    "rules_table",
    "sgf_to_action",
    "star_points",
]
