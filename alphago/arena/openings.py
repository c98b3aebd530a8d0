"""Where games begin: positions that neither side has chosen, fair enough that the better side wins.

Both games of a pair start from the same one. Generated openings are a few plies of the softmax rollout policy (neutral: it is
neither side's), thrown away when they are another's image under a symmetry, or when a short search of rollouts gives one colour
more than 65 %. They are a function of size, rules, komi, seed and number alone.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from alphago.arena.symmetry import canonical_position
from alphago.data import GameDataError, read_games, sgf_read
from alphago.data.games import GameRow
from alphago.data.sources import SUFFIXES, Unreadable, find_games, place
from alphago.errors import AlphaGoError
from alphago.go import Board, Rules
from alphago.nets.rollout import load_rollout_weights
from alphago.nets.shipped import HANDSET, NONE
from alphago.search.bot import Bot

GENERATED: Final = "generated"
EMPTY: Final = "empty"
BALANCE: Final = (0.35, 0.65)
"""Bounds of the side to move's winning chances in a generated opening."""
SHORTEST: Final = 2
LONGEST: Final = 6
_SIMULATIONS: Final = 1000
_ATTEMPTS: Final = 200
"""In a row without a new opening, after which there are taken to be no more."""


class OpeningError(AlphaGoError):
    """No openings, or a file that holds none; the message says what would be right."""


@dataclass(frozen=True)
class Opening:
    """Moves from the empty board: (color, action)."""

    moves: tuple[tuple[int, int], ...]

    def board(self, size: int, rules: Rules, komi: float) -> Board:
        """The position after them. Raises IllegalMove."""
        board = Board(size, rules, komi)
        for color, action in self.moves:
            board.play(action, color)
        return board


class Openings:
    """The openings of a match, by number. `get` may be called from any thread.

    Args:
        source: "generated"; "empty", the empty board every time; or a file: SGF in any of the forms that `alphago import`
            reads, or games of this project (Parquet file or folder).
        plies: moves of a file's games that are played; a game with fewer is left out.

    Raises:
        OpeningError: a file that cannot be read, or has no opening in it.
    """

    def __init__(
        self, size: int, rules: Rules, komi: float, seed: int, source: str = GENERATED, plies: int = LONGEST
    ) -> None:
        self._size, self._rules, self._komi, self._seed = size, rules, komi, seed
        self._lock = threading.Lock()
        self._found: list[Opening] = []
        self._seen: set[bytes] = set()
        self._attempt = 0
        self._bot: Bot | None = None
        self._more = source == GENERATED
        if source == EMPTY:
            self._found = [Opening(())]
        elif source != GENERATED:
            self._read(source, plies)

    def get(self, number: int) -> Opening:
        """Opening `number`; when there are fewer, they come again in turn. Raises OpeningError when there is none."""
        with self._lock:
            while self._more and len(self._found) <= number:
                self._generate()
            return self._found[number % len(self._found)]

    def distinct(self, count: int) -> int:
        """How many different ones the first `count` are, of those made so far."""
        return min(count, len(self._found))

    # --- generated ------------------------------------------------------------------------------------------------------

    def _generate(self) -> None:
        """Find one more, or find that there are no more."""
        for _ in range(_ATTEMPTS):
            opening = self._sample(self._attempt)
            self._attempt += 1
            if opening is None:
                continue
            board = opening.board(self._size, self._rules, self._komi)
            key = canonical_position(board)
            if key in self._seen:
                continue
            self._seen.add(key)
            if self._is_balanced(board):
                self._found.append(opening)
                return
        if not self._found:
            raise OpeningError(
                f"no balanced opening on {self._size}x{self._size} with komi {self._komi:g} in {_ATTEMPTS} attempts: "
                "choose another komi, a file of openings, or `empty`"
            )
        self._more = False

    def _sample(self, attempt: int) -> Opening | None:
        weights = load_rollout_weights(HANDSET)  # the same openings of a seed, whatever ships later
        random = np.random.default_rng([self._seed, attempt])
        board = Board(self._size, self._rules, self._komi)
        for _ in range(int(random.integers(SHORTEST, LONGEST + 1))):
            probabilities = board.rollout_probabilities(weights)
            # The rollout policy knows the simple ko alone.
            probabilities = np.where(board.legal_moves(), probabilities, 0.0)[:-1]
            if probabilities.sum() <= 0:
                return None
            board.play(int(random.choice(len(probabilities), p=probabilities / probabilities.sum())))
        return Opening(tuple(board.moves()))

    def _is_balanced(self, board: Board) -> bool:
        if self._bot is None:
            self._bot = Bot("max", NONE, threads=1, memory_mib=64, resign=False, rollout_weights=HANDSET)
        self._bot.new_game(board, seed=self._seed)
        report = self._bot.choose(simulations=_SIMULATIONS).report
        if report is None:
            return False
        low, high = BALANCE
        return low <= (1 + report.value) / 2 <= high

    # --- from a file ----------------------------------------------------------------------------------------------------

    def _read(self, source: str, plies: int) -> None:
        if plies < 1:
            raise OpeningError(f"openings from a file have 1 move or more, got {plies}")
        path = Path(source)
        if not path.exists():
            raise OpeningError(f"{source}: no such file; openings are `{GENERATED}`, `{EMPTY}` or a file of games")
        for row in self._rows(path):
            is_fit = row["size"] == self._size and not len(row["setup_black"]) and not len(row["setup_white"])
            if not is_fit or len(row["moves"]) < plies:
                continue
            opening = Opening(
                tuple((int(c), int(m)) for c, m in zip(row["colors"][:plies], row["moves"][:plies], strict=True))
            )
            try:
                board = opening.board(self._size, self._rules, self._komi)
            except AlphaGoError as error:
                raise OpeningError(f"{source}: {error}") from None
            key = canonical_position(board)
            if key not in self._seen and not board.is_over:
                self._seen.add(key)
                self._found.append(opening)
        if not self._found:
            raise OpeningError(
                f"{source}: no {self._size}x{self._size} game from the empty board with {plies} moves in it"
            )

    def _rows(self, path: Path) -> Iterator[GameRow]:
        if not (path.is_file() and path.name.endswith(SUFFIXES)):
            try:
                yield from read_games(path)
            except GameDataError as error:
                raise OpeningError(str(error)) from None
            return
        for found in find_games([path]):
            if isinstance(found, Unreadable):
                raise OpeningError(f"{place(found)}: {found.message}")
            try:
                yield sgf_read.read(found.text)
            except sgf_read.Rejected as error:
                raise OpeningError(f"{place(found)}: {error}") from None
