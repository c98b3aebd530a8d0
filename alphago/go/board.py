"""`Board`: a game of Go in progress, as Python sees it. Every method is a thin layer over the compiled core.

Colours are 1 (black) and 2 (white); wherever a colour is an argument, "b", "w", "black" and "white" do as well. A move is
an action number (row-major from the top left, size * size for a pass), a GTP vertex ("D4", "pass") or (row, column).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import DTypeLike, NDArray

from alphago import _core
from alphago.go import diagram
from alphago.go.coords import BLACK, WHITE, Color, Move, action_to_gtp, check_size, parse_color, parse_move
from alphago.go.errors import ILLEGAL_REASONS, AlphaGoError, BadBoard, BadCoordinate, IllegalMove, OffBoard
from alphago.go.handicap import fixed_handicap_points
from alphago.go.rules import KO_RULES, SCORINGS, Rules, check_komi

if TYPE_CHECKING:
    from typing_extensions import Self  # in typing from Python 3.11 on

_GLOBALS = 7
_OFF_BOARD = 5


def _checked(name: str, check: Callable[[Any], Any]) -> Any:
    """The core's property `name` with its fast getter, and a setter that checks what it is given first."""
    core: Any = _core.Position.__dict__[name]
    return property(core.fget, lambda self, value: core.fset(self, check(value)), doc=core.__doc__)


class Board(_core.Position):
    """A game in progress: stones, whose turn it is, moves and superko history, rules and komi.

    Two boards are equal when nothing in the rest of the game can tell them apart: same size, rules, komi and white's bonus,
    stones, side to move, passes at the end, prisoners and banned repetitions (the ko point, or under superko the set of earlier
    positions). The order of the moves does not count. A board changes in place, so it has no hash; for a dictionary use
    `board.hash` (the stones alone) or a key of your own.
    """

    komi: float = _checked("komi", check_komi)
    white_bonus: float = _checked("white_bonus", lambda value: check_komi(value, "white_bonus"))
    to_play: int = _checked("to_play", parse_color)
    __hash__: ClassVar[None]  # type: ignore[assignment]

    def __init__(self, size: int = 9, rules: str | Rules = "tromp-taylor", komi: float | None = None) -> None:
        """An empty board.

        Args:
            size: 2 to 19.
            rules: a named ruleset (`alphago.go.RULESETS`) or `Rules`.
            komi: points for white, integer or not; None takes the rules' own for this size.

        Raises:
            BadBoard: the size.
            BadRules: an unknown ruleset, or a komi that is not a finite number in -1000..1000.
        """
        side = check_size(size)
        self._rules = rules if isinstance(rules, Rules) else Rules.named(rules)
        super().__init__(
            side,
            KO_RULES.index(self._rules.ko),
            self._rules.suicide,
            SCORINGS.index(self._rules.scoring),
            self._rules.default_komi(side) if komi is None else check_komi(komi),
            self._rules.pass_stones,
            0.0,
        )

    @classmethod
    def from_ascii(
        cls,
        text: str,
        rules: str | Rules = "tromp-taylor",
        komi: float | None = None,
        to_play: Color | None = None,
    ) -> Self:
        """Read a diagram: what `str(board)` prints, or bare rows of `.`, `X` and `O` (see `alphago.go.diagram.parse`).

        Stones and side to move are restored; prisoners, ko and earlier moves are not, since no diagram holds them.

        Args:
            to_play: overrules the diagram's "... to play" line; black when neither says.

        Raises:
            BadBoard: the diagram cannot be read, or a chain in it has no liberty; the message says where.
        """
        drawn = diagram.parse(text)
        board = cls(drawn.stones.shape[0], rules, komi)
        flat = drawn.stones.ravel()
        turn = to_play if to_play is not None else drawn.to_play or BLACK
        board.setup(np.flatnonzero(flat == BLACK).tolist(), np.flatnonzero(flat == WHITE).tolist(), to_play=turn)
        return board

    # --- rules and state --------------------------------------------------------------------------------------------

    @property
    def rules(self) -> Rules:
        """The rules as given to the constructor. The komi in force is `board.komi`."""
        return self._rules

    def __getitem__(self, point: Move) -> int:
        """Stone on a point: 0 empty, 1 black, 2 white. `board[row, column]`, `board["D4"]`, `board[action]`."""
        action = self._point(point)
        return int(self.stones().flat[action])

    @property
    def last_move(self) -> int | None:
        """Action of the last play or pass since the last set-up; None before the first."""
        moves = self.moves()
        return moves[-1][1] if moves else None

    def captured(self, color: Color) -> int:
        """Stones of `color` taken off the board so far."""
        return super().captured(parse_color(color))

    def passes_by(self, color: Color) -> int:
        """Passes that `color` has made since the last set-up."""
        return super().passes_by(parse_color(color))

    # --- playing ----------------------------------------------------------------------------------------------------

    def play(self, move: Move, color: Color | None = None) -> int:
        """Play a move and hand the turn to the other side.

        Args:
            move: action, GTP vertex or (row, column); a pass is always legal.
            color: who plays; None is the side to move. Either side may play at any time, as in GTP.

        Returns:
            Number of opponent stones captured.

        Raises:
            IllegalMove: and the board is unchanged; `.reason` is "occupied", "suicide", "ko", "superko" or "off board".
            BadCoordinate: `move` is not a move in any notation.
        """
        side = 0 if color is None else parse_color(color)
        try:
            captured = self.try_play(parse_move(move, self.size), side)
        except OffBoard:
            captured = -_OFF_BOARD
        if captured < 0:
            raise IllegalMove(self._text(move), side or self.to_play, ILLEGAL_REASONS[-captured - 1])
        return captured

    def pass_(self, color: Color | None = None) -> None:
        """Pass. Two passes in a row end the game (`is_over`), though play may go on."""
        self.try_play(self.size * self.size, 0 if color is None else parse_color(color))

    def is_legal(self, move: Move, color: Color | None = None) -> bool:
        """Whether the rules allow the move; a pass always is. Raises BadCoordinate when it is no move at all."""
        return self.why_illegal(move, color) is None

    def why_illegal(self, move: Move, color: Color | None = None) -> str | None:
        """None for a legal move, else one of `alphago.go.ILLEGAL_REASONS`. Raises BadCoordinate when it is no move at all."""
        side = 0 if color is None else parse_color(color)
        try:
            code = self.legality(parse_move(move, self.size), side)
        except OffBoard:
            code = _OFF_BOARD
        return ILLEGAL_REASONS[code - 1] if code else None

    def legal_moves(self, color: Color | None = None) -> NDArray[np.bool_]:
        """Mask of the legal actions of `color` (None: the side to move): bool [size*size+1], pass last and always True."""
        return self.legal_mask(0 if color is None else parse_color(color))

    def setup(  # type: ignore[override]  # the core's own returns a code; here problems are exceptions
        self,
        black: Iterable[Move] = (),
        white: Iterable[Move] = (),
        empty: Iterable[Move] = (),
        to_play: Color | None = None,
    ) -> None:
        """Put and remove stones. Move and superko history start afresh; prisoners stay.

        Args:
            to_play: side to move afterwards; None leaves it.

        Raises:
            BadBoard: a point is named twice, or a chain would have no liberty; nothing is changed then.
            BadCoordinate: a point is none, or is off the board (OffBoard).
        """
        actions = [[self._point(point) for point in points] for points in (black, white, empty)]
        turn = self.to_play if to_play is None else parse_color(to_play)
        named = [action for group in actions for action in group]
        if len(set(named)) != len(named):
            twice = next(action for i, action in enumerate(named) if action in named[:i])
            raise BadBoard(f"set-up names the point {action_to_gtp(twice, self.size)} twice")
        if super().setup(*actions):
            stones = self.stones().copy()
            for value, group in zip((BLACK, WHITE, 0), actions, strict=True):
                stones.flat[group] = value
            raise BadBoard(f"set-up would leave {diagram.chain_without_liberty(stones)} without a liberty")
        self.to_play = turn

    def place_fixed_handicap(self, stones: int) -> list[int]:
        """Put the fixed handicap of the GTP specification on an empty board; white moves next.

        `white_bonus` becomes what the rules give white for it.

        Returns:
            Actions of the stones.

        Raises:
            BadBoard: the board is not empty, or has no such handicap (`fixed_handicap_points`).
        """
        return self.place_free_handicap(fixed_handicap_points(self.size, stones))

    def place_free_handicap(self, points: Iterable[Move]) -> list[int]:
        """Put black stones of the caller's choice on an empty board; otherwise as `place_fixed_handicap`."""
        actions = [self._point(point) for point in points]
        if self.move_count or self.stones().any():
            raise BadBoard("handicap stones need an empty board and no moves yet")
        if not actions:
            raise BadBoard("no handicap stones given")
        self.setup(black=actions, to_play=WHITE)
        self.white_bonus = self._rules.white_bonus(len(actions))
        return actions

    # --- reading ----------------------------------------------------------------------------------------------------

    def liberties(self, point: Move) -> int:
        """Liberties of the chain on a point; 0 when the point is empty."""
        return super().liberties(self._point(point))

    def liberty_points(self, point: Move) -> list[int]:
        """Actions of the chain's liberties."""
        return super().liberty_points(self._point(point))

    def chain(self, point: Move) -> list[int]:
        """Actions of the stones of the chain on a point, ascending; empty when the point is empty."""
        return super().chain(self._point(point))

    def is_eye(self, point: Move, color: Color) -> bool:
        """Whether an empty point is a true eye of `color` (docs/features.md: own true eye)."""
        return super().is_eye(self._point(point), parse_color(color))

    def ladder_captured(self, point: Move) -> bool:
        """Whether the chain on a point is caught in a ladder, whoever is to move (docs/features.md: rich plane 13)."""
        return super().ladder_captured(self._point(point))

    def pass_alive(self, color: Color) -> NDArray[np.bool_]:
        """Benson's unconditionally alive area of `color`: bool [size, size]."""
        return super().pass_alive(parse_color(color))

    # --- scoring ----------------------------------------------------------------------------------------------------

    def score(self, dead: NDArray[np.bool_] | Iterable[Move] | None = None, strict_seki: bool = False) -> float:
        """Points of black minus points of white, komi and white's handicap bonus included.

        Area counts stones and the empty points that reach one colour alone (Tromp-Taylor); stones counts stones. Territory
        counts such empty points and prisoners, the dead included, and under `pass_stones` one prisoner a pass (area
        counts are the same with and without pass stones).

        Args:
            dead: what to lift before counting: bool [size, size], or points; every chain with a stone among them goes
                as a whole. None lifts nothing.
            strict_seki: territory only: chains in seki have no territory (see `territory`).

        Raises:
            BadBoard: `dead` has the wrong shape or names an empty point.
        """
        stones = self.stones()
        lifted = self._dead_mask(dead, stones)
        # Plain numbers: 1 for black, -1 for white, so that sums are black minus white.
        sign = np.where(stones == BLACK, 1, 0) - np.where(stones == WHITE, 1, 0)
        if self._rules.scoring == "territory":
            points = int(self.territory(lifted, strict_seki).sum(dtype=int))
            points += self.captured(WHITE) - self.captured(BLACK) - int(sign[lifted].sum())
            if self._rules.pass_stones:
                points += self.passes_by(WHITE) - self.passes_by(BLACK)
        elif self._rules.scoring == "stones":
            points = int(sign[~lifted].sum())
        else:
            board: _core.Position = self
            if lifted.any():
                board = self.copy()
                _core.Position.setup(board, [], [], np.flatnonzero(lifted).tolist())
            points = int(board.area().sum(dtype=int))
        return points - self.komi - self.white_bonus

    def winner(self, dead: NDArray[np.bool_] | Iterable[Move] | None = None) -> int:
        """Side with the higher score: 1 black, 2 white, 0 neither."""
        score = self.score(dead)
        return BLACK if score > 0 else WHITE if score < 0 else 0

    def result(self, dead: NDArray[np.bool_] | Iterable[Move] | None = None) -> str:
        """The score as SGF writes it: "B+3.5", "W+0.5", "0" for a draw."""
        score = self.score(dead)
        return f"{'B' if score > 0 else 'W'}+{abs(score):g}" if score else "0"

    # --- network inputs ---------------------------------------------------------------------------------------------

    def planes(self, feature_set: str = "rich", symmetry: int = 0, dtype: DTypeLike = np.float32) -> NDArray[Any]:
        """Input planes of docs/features.md, from the side to move.

        For batches and for speed write into a buffer of your own with `alphago._core.write_planes`.

        Args:
            feature_set: "alphago48", "alphago49", "zero17", "rich" or "rich-fast".
            symmetry: 0 (none) to 7.
            dtype: float32 or uint8.

        Returns:
            [planes, size, size] of that dtype.

        Raises:
            AlphaGoError: an unknown set, symmetry or dtype.
        """
        if np.dtype(dtype) not in (np.dtype(np.float32), np.dtype(np.uint8)):
            raise AlphaGoError(f"planes come as float32 or uint8, not {np.dtype(dtype)}")
        if symmetry not in range(8):
            raise AlphaGoError(f"symmetry must be from 0 to 7, got {symmetry!r}")
        try:
            count = _core.feature_planes(feature_set)
        except ValueError as error:
            raise AlphaGoError(str(error)) from None
        out = np.empty((1, count, self.size, self.size), dtype=dtype)
        _core.write_planes([self], feature_set, out, np.array([symmetry], dtype=np.uint8))
        planes: NDArray[Any] = out[0]
        return planes

    def globals(self) -> NDArray[np.float32]:
        """The vector of globals that goes with the rich sets, from the side to move: float32 [7]."""
        out = np.empty((1, _GLOBALS), dtype=np.float32)
        _core.write_globals([self], out)
        vector: NDArray[np.float32] = out[0]
        return vector

    # --- copies and comparison --------------------------------------------------------------------------------------

    def copy(self) -> Self:
        """An independent board with the same history."""
        new = type(self).__new__(type(self))
        _core.Position.__init__(new, self)
        new.__dict__.update(self.__dict__)
        return new

    def __copy__(self) -> Self:
        return self.copy()

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self.copy()

    def __getstate__(self) -> Any:
        return super().__getstate__(), self.__dict__.copy()

    def __setstate__(self, state: Any) -> None:
        core, attributes = state
        super().__setstate__(core)
        self.__dict__.update(attributes)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Board):
            return NotImplemented
        return self._summary() == other._summary() and (
            self._rules.ko == "simple" or self._positions() == other._positions()
        )

    def _summary(self) -> tuple[Any, ...]:
        """What decides the rest of the game, superko history aside."""
        return (
            self.size,
            self.hash,
            self.stones().tobytes(),
            self.to_play,
            self._rules,
            self.komi,
            self.white_bonus,
            self.ko_point,
            self.consecutive_passes,
            self.captured(BLACK),
            self.captured(WHITE),
            *((self.passes_by(BLACK), self.passes_by(WHITE)) if self._rules.pass_stones else ()),
        )

    def _positions(self) -> set[tuple[bytes, int]]:
        """Every position since the last set-up; with the side to move where the superko rule looks at it."""
        past = self.copy()
        situational = self._rules.ko == "situational"
        seen = {(past.stones().tobytes(), past.to_play * situational)}
        while past.undo():
            seen.add((past.stones().tobytes(), past.to_play * situational))
        return seen

    # --- text -------------------------------------------------------------------------------------------------------

    def __str__(self) -> str:
        """An ASCII diagram: X black, O white, + star points, the last move in brackets; then turn, prisoners, komi, rules."""
        side = "X (black)" if self.to_play == BLACK else "O (white)"
        turn = f"{side} to play, move {self.move_count + 1}" + (", game over" if self.is_over else "")
        if self.last_move == self.size * self.size:
            turn += ", last move a pass"
        counts = f"captured: {self.captured(BLACK)} black, {self.captured(WHITE)} white"
        bonus = f" + {self.white_bonus:g}" if self.white_bonus else ""
        names = f"komi {self.komi:g}{bonus}; rules {self._rules.name or 'custom'}"
        return "\n".join((diagram.render(self.stones(), self.last_move), turn, f"{counts}; {names}"))

    def __repr__(self) -> str:
        side = "black" if self.to_play == BLACK else "white"
        return f"<Board {self.size}x{self.size}, {self._rules.name or 'custom'} rules, {self.move_count} moves, {side} to play>"

    # --- arguments --------------------------------------------------------------------------------------------------

    def _point(self, point: Move) -> int:
        """Action of a point. Raises BadCoordinate for a pass or anything else that is not on the board."""
        action = parse_move(point, self.size)
        if action == self.size * self.size:
            raise BadCoordinate("a pass is not a point of the board")
        return action

    def _text(self, move: Move) -> str:
        """A move as an error message names it: a GTP vertex where it is on the board."""
        try:
            return action_to_gtp(parse_move(move, self.size), self.size)
        except BadCoordinate:
            return move.strip() if isinstance(move, str) else str(move)

    def _dead_mask(
        self, dead: NDArray[np.bool_] | Iterable[Move] | None, stones: NDArray[np.uint8]
    ) -> NDArray[np.bool_]:
        """`dead` as bool [size, size]."""
        if isinstance(dead, np.ndarray) and dead.ndim != 1:
            if dead.shape != stones.shape or dead.dtype != np.bool_:
                shape = "x".join(map(str, dead.shape))
                raise BadBoard(
                    f"dead must be a bool mask {self.size}x{self.size} or a list of points, got {shape} {dead.dtype}"
                )
            mask = np.ascontiguousarray(dead)
        else:
            mask = np.zeros(stones.shape, dtype=np.bool_)
            for point in () if dead is None else dead:
                mask.flat[self._point(point)] = True
        empty = np.flatnonzero(mask & (stones == 0))
        if empty.size:
            raise BadBoard(f"dead names the empty point {action_to_gtp(int(empty[0]), self.size)}")
        if mask.any():
            mask = mask.copy()
            for action in np.flatnonzero(mask).tolist():
                mask.flat[super().chain(action)] = True
        return mask
