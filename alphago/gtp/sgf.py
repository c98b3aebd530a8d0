"""SGF for `loadsgf` and `printsgf`: made fit for a strict parser as imports are, then read by sgfmill."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alphago.errors import AlphaGoError
from alphago.go import BLACK, WHITE, Board, Rules, action_to_sgf, sgf_values
from alphago.go.sgf_text import decode, split_games
from alphago.gtp.protocol import GtpError

if TYPE_CHECKING:
    from alphago.gtp.session import Session

MAX_BYTES = 16 << 20


@dataclass(frozen=True)
class Loaded:
    """A position of a game record."""

    board: Board
    komi: float | None
    """None where the file says nothing."""


def is_file(name: str) -> bool:
    """Whether there is such a file; a name that none can have (too long) is none."""
    try:
        return Path(name).is_file()
    except (OSError, ValueError):
        return False


def load(name: str, before: int | None, rules: Rules) -> Loaded:
    """The position before move `before` of the main line (None: at its end), under the given rules.

    Raises:
        GtpError: the file cannot be read, is no SGF, or its moves are not legal.
    """
    from sgfmill import sgf

    path = Path(name)
    try:
        if path.stat().st_size > MAX_BYTES:
            raise GtpError(f"cannot load file: {name} is larger than {MAX_BYTES >> 20} MiB")
        data = path.read_bytes()
    except (OSError, ValueError) as error:
        raise GtpError(f"cannot load file: {getattr(error, 'strerror', None) or error}") from None
    try:
        tree = next(split_games(decode(data)[0]), None)
        if tree is None:
            raise GtpError(f"cannot load file: {name} holds no game tree: SGF begins with (;")
        game = sgf.Sgf_game.from_bytes(tree[1].encode("utf-8", "replace"), override_encoding="utf-8")
        return _position(game, before, rules)
    except GtpError:
        raise
    except (ValueError, KeyError, AlphaGoError) as error:
        raise GtpError(f"cannot load file: {' '.join(str(error).split())}") from None


def _position(game: Any, before: int | None, rules: Rules) -> Loaded:
    size, root = game.get_size(), game.get_root()
    komi = sgf_values.komi(_raw(root, "KM"), stones="chinese" in (_raw(root, "RU") or "").lower())
    board = Board(size, rules, komi)
    handicap = sgf_values.whole(_raw(root, "HA")) or 0
    number = 0
    for node in game.get_main_sequence():
        color, point = node.get_move()
        if color is not None:
            number += 1
            if before is not None and number >= max(before, 1):
                if board.move_count == 0 and not any(node.has_property(p) for p in ("AB", "AW", "AE")):
                    board.to_play = BLACK if color == "b" else WHITE
                break
        if node.has_setup_stones():
            black, white, empty = ([_action(p, size) for p in points] for points in node.get_setup_stones())
            board.setup(black, white, empty)
            if node is root:
                board.to_play = WHITE if black and not white else BLACK
        if node.has_property("PL"):
            board.to_play = BLACK if node.get("PL") == "b" else WHITE
        if color is not None:
            board.play(size * size if point is None else _action(point, size), BLACK if color == "b" else WHITE)
    stones = handicap if handicap >= 2 else _handicap_stones(root)
    board.white_bonus = rules.white_bonus(stones)
    return Loaded(board, komi)


def _raw(root: Any, name: str) -> str | None:
    return root.get_raw(name).decode("utf-8", "replace") if root.has_property(name) else None


def _handicap_stones(root: Any) -> int:
    if not root.has_setup_stones():
        return 0
    black, white, _ = root.get_setup_stones()
    return len(black) if not white else 0


def _action(point: tuple[int, int], size: int) -> int:
    """sgfmill's (row from the bottom, column)."""
    return (size - 1 - point[0]) * size + point[1]


def dump(session: Session) -> str:
    """The game in progress as one line of SGF."""
    import alphago

    board = session.board
    black, white = session.setup_stones()
    rules = session.rules.name or "own"
    out = [f"(;FF[4]GM[1]CA[UTF-8]AP[alphago:{alphago.__version__}]SZ[{board.size}]KM[{board.komi:g}]RU[{rules}]"]
    if black and not white and len(black) > 1:
        out.append(f"HA[{len(black)}]")
    for name, points in (("AB", black), ("AW", white)):
        if points:
            out.append(name + "".join(f"[{action_to_sgf(a, board.size)}]" for a in points))
    moves = board.moves()
    first = moves[0][0] if moves else board.to_play
    if (black or white) and first != BLACK:
        out.append("PL[W]")
    for color, action in moves:
        out.append(f";{'B' if color == BLACK else 'W'}[{action_to_sgf(action, board.size)}]")
    return "".join(out) + ")"


def write(name: str, text: str) -> None:
    """A file, whole or not at all. Raises GtpError."""
    path = Path(name)
    try:
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        temporary.write_text(text + "\n", encoding="utf-8")
        os.replace(temporary, path)
    except (OSError, ValueError) as error:
        raise GtpError(f"cannot write file: {getattr(error, 'strerror', None) or error}") from None
