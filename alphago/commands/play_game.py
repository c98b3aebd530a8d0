"""A game against the bot as the terminal keeps it: how it begins, is taken back, ends and is saved as SGF."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from alphago.errors import AlphaGoError
from alphago.go import BLACK, RULESETS, WHITE, BadRules, Board, Rules

if TYPE_CHECKING:
    from numpy.typing import NDArray

HANDICAP_KOMI = 0.5
"""Komi of handicap games unless another is asked for."""


class BadGame(AlphaGoError):
    """A game that cannot be begun, read or saved; the message says why."""


@dataclass
class Game:
    """A game of a human against the bot.

    Attributes:
        board: with its moves.
        human: colour of the human, 1 or 2.
        resigned: colour that has resigned, 0 none.
    """

    board: Board
    human: int
    resigned: int = 0
    _own_files: set[Path] = field(default_factory=set)

    @property
    def is_over(self) -> bool:
        """Whether both have passed, or one side has resigned."""
        return bool(self.resigned) or self.board.is_over

    def take_back(self) -> int:
        """Undo the human's last move and everything after it. Returns how many moves that was; 0: the human has not moved."""
        if self.resigned == self.human:
            self.resigned = 0
            return 0 if self.board.to_play != self.human else self._undo_to_human()
        self.resigned = 0
        return self._undo_to_human()

    def _undo_to_human(self) -> int:
        moves = self.board.moves()
        last = next((i for i in range(len(moves) - 1, -1, -1) if moves[i][0] == self.human), None)
        if last is None:
            return 0
        for _ in range(len(moves) - last):
            self.board.undo()
        return len(moves) - last

    def result(self, dead: NDArray[np.bool_] | None = None) -> str:
        """As SGF writes it: "B+3.5", "W+R", "0"; "?" for a game that is not over."""
        if self.resigned:
            return "W+R" if self.resigned == BLACK else "B+R"
        return self.board.result(dead) if self.board.is_over else "?"

    def save(self, path: Path, bot: str, dead: NDArray[np.bool_] | None = None, *, overwrite: bool = False) -> None:
        """Write the game as SGF, whole or not at all.

        Args:
            bot: name of the other player.
            dead: dead stones of a finished game, bool [size, size].
            overwrite: whether a file may be replaced that this game has not written and was not read from.

        Raises:
            BadGame: the file is there already, or cannot be written.
        """
        from alphago.data.sgf import to_sgf

        try:
            if path.exists() and not overwrite and path.resolve() not in self._own_files:
                raise BadGame(f"{path} exists already; `save! {path}` overwrites it")
            temporary = path.with_name(f".{path.name}.{os.getpid()}")
            temporary.write_bytes(to_sgf(self._row(bot, dead)) + b"\n")
            os.replace(temporary, path)
            self._own_files.add(path.resolve())
        except (OSError, ValueError) as error:
            if isinstance(error, AlphaGoError):
                raise
            raise BadGame(f"cannot write {path}: {getattr(error, 'strerror', None) or error}") from None

    def _row(self, bot: str, dead: NDArray[np.bool_] | None) -> dict[str, Any]:
        """The columns of the table of games that SGF needs."""
        board, rules = self.board, self.board.rules.to_dict()
        start = board.copy()
        while start.undo():
            pass
        stones = start.stones().ravel()
        score = None if self.resigned or not board.is_over else board.score(dead)
        winner = 3 - self.resigned if self.resigned else 0 if not score else BLACK if score > 0 else WHITE
        from alphago.go.rules import KO_RULES, SCORINGS

        moves = board.moves()
        return {
            "game_id": "",
            "size": board.size,
            "komi": board.komi,
            "ko": KO_RULES.index(rules["ko"]),
            "suicide": rules["suicide"],
            "scoring": SCORINGS.index(rules["scoring"]),
            "pass_stones": rules["pass_stones"],
            "winner": winner,
            "score": score,
            "ended": "resign" if self.resigned else "passes",
            "black": "you" if self.human == BLACK else bot,
            "white": "you" if self.human == WHITE else bot,
            "black_rank": "",
            "white_rank": "",
            "date": date.today().isoformat(),
            "source": "",
            "setup_black": np.flatnonzero(stones == BLACK),
            "setup_white": np.flatnonzero(stones == WHITE),
            "colors": np.array([color for color, _ in moves], dtype=np.uint8),
            "moves": np.array([action for _, action in moves], dtype=np.uint16),
        }


def new_game(size: int, rules: Rules, komi: float | None, handicap: int, human: int) -> Game:
    """A game from the start.

    Args:
        komi: None: the rules' own; `HANDICAP_KOMI` in handicap games.
        handicap: black's stones, on the usual points; 0 none.

    Raises:
        BadBoard: the size, or no such handicap on it.
        BadRules: the komi.
    """
    board = Board(size, rules, HANDICAP_KOMI if komi is None and handicap else komi)
    if handicap:
        board.place_fixed_handicap(handicap)
    return Game(board, human)


def resume_game(path: Path, human: int, rules: Rules | None, komi: float | None) -> Game:
    """The game in an SGF file, at the end of its main line.

    Args:
        rules: None: the file's, where it names some that are known, else `default_rules`.
        komi: None: the file's, else the rules' own.

    Raises:
        BadGame: the file cannot be read, is no SGF, or its moves are not legal.
    """
    from alphago.gtp import sgf
    from alphago.gtp.protocol import GtpError

    try:
        loaded = sgf.load(str(path), None, rules or _rules_of(path))
    except GtpError as error:
        raise BadGame(f"{path}: {error}") from None
    board = loaded.board
    if komi is not None:
        board.komi = komi
    return Game(board, human, _own_files={path.resolve()})


def default_rules() -> Rules:
    """Area counting, positional superko, no suicide: what `alphago gtp` plays by, too."""
    return RULESETS["chinese-ogs"]


def _rules_of(path: Path) -> Rules:
    """The rules that the file names; errors of the file itself are left to `sgf.load`."""
    from sgfmill import sgf

    try:
        root = sgf.Sgf_game.from_bytes(path.read_bytes()).get_root()
        name = root.get("RU") if root.has_property("RU") else ""
    except (OSError, ValueError):
        return default_rules()
    if name.lower() == "nz":  # SGF's own abbreviation
        name = "new-zealand"
    try:
        return Rules.named(name)
    except BadRules:
        return default_rules()
