"""One GTP session: the game as the client has set it up, the bot that plays it, clocks, settings.

The board here is the truth; the bot's own position is brought up to it before every search, move by move where that keeps its tree.
"""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from alphago.errors import AlphaGoError
from alphago.go import BLACK, WHITE, Board, Rules, action_to_gtp, gtp_to_action, parse_color
from alphago.go.rules import MAX_KOMI
from alphago.gtp.clock import LAG, Clock, moves_to_come
from alphago.gtp.protocol import GtpError, Input
from alphago.search.bot import EXTENSION, Bot, Choice
from alphago.search.levels import level_named
from alphago.search.player import Report
from alphago.search.status import Status, status

SIZES = (2, 19)
LONGEST = 60.0
"""Seconds of a move however much time is on the clock, unless the settings say more: nobody waits for hours."""


@dataclass
class Settings:
    """What the command line says, and `kata-set-param` changes."""

    simulations: int | None = None
    """Limit of every move; None: the level's."""
    seconds: float | None = None
    """Limit of every move where no clock runs; None: the level's, or a second."""
    lag: float = LAG
    ponder: bool = False
    name: str = "AlphaGo engine"
    version: str = "0.0.0"
    threads: int | None = None


@dataclass
class Session:
    """Args:
    make_bot: called in a thread of its own, for networks take seconds to load.
    """

    make_bot: Callable[[], Bot]
    source: Input
    settings: Settings = field(default_factory=Settings)
    rules: Rules = field(default_factory=lambda: Rules.named("chinese"))
    size: int = 19
    komi: float | None = None

    def __post_init__(self) -> None:
        self.clock = Clock()
        self.board = self.empty_board()
        self.cpu_start = time.process_time()
        self.explanation = ""
        self._bot: Bot | None = None
        self._loading: threading.Thread | None = None
        self._failure: Exception | None = None
        self._synced: tuple[Board, list[tuple[int, int]]] | None = None  # the bot's start, and the moves since
        self.load()

    # --- the game -------------------------------------------------------------------------------------------------------

    def empty_board(self) -> Board:
        """A new board of the session's size, rules and komi."""
        return Board(self.size, self.rules, self.komi)

    def new_board(self, board: Board | None = None) -> None:
        """A new game, from the empty board or another position."""
        self.board = self.empty_board() if board is None else board
        self.forget()

    def set_size(self, size: int) -> None:
        """boardsize: a new board; a komi that the client gave stays. Raises GtpError."""
        if not SIZES[0] <= size <= SIZES[1]:
            raise GtpError("unacceptable size")
        self.size = size
        self.new_board()
        self.load()

    def set_komi(self, komi: float) -> None:
        """Any komi, however ridiculous."""
        self.board.komi = max(-MAX_KOMI, min(MAX_KOMI, komi))  # beyond that nothing is different but the score
        self.komi = self.board.komi
        self.forget()

    def set_rules(self, rules: Rules) -> None:
        """New rules for this game and those to come: the moves so far are played again under them. Raises GtpError."""
        old = self.board
        fresh = Board(self.size, rules, old.komi)
        start = self.setup_stones()
        fresh.setup(start[0], start[1], to_play=old.to_play)
        for color, action in old.moves():
            if fresh.try_play(action, color) < 0:
                raise GtpError("the moves played so far are not legal under these rules")
        fresh.to_play = old.to_play
        if fresh.white_bonus == 0:
            fresh.white_bonus = rules.white_bonus(len(start[0]) if not start[1] else 0)
        self.rules = rules
        if self.komi is None:
            self.komi = old.komi
        self.new_board(fresh)

    def setup_stones(self) -> tuple[list[int], list[int]]:
        """Black's and white's stones before the first move, handicap included."""
        board = self.board.copy()
        while board.undo():
            pass
        stones = board.stones().ravel()
        return np.flatnonzero(stones == BLACK).tolist(), np.flatnonzero(stones == WHITE).tolist()

    def color(self, word: str) -> int:
        """b, w, black, white in any case. Raises GtpError."""
        try:
            return parse_color(word.lower())
        except AlphaGoError:
            raise GtpError("syntax error: expected a color, b or w, got " + word[:40]) from None

    def vertex(self, word: str) -> int:
        """An action. Raises GtpError."""
        try:
            return gtp_to_action(word, self.size)
        except AlphaGoError:
            raise GtpError("syntax error: expected a vertex of the board or pass, got " + word[:40]) from None

    def text(self, action: int) -> str:
        """A vertex, `pass` or `resign`."""
        return (
            "resign" if action < 0 else "pass" if action == self.size**2 else action_to_gtp(action, self.size).upper()
        )

    def white_bonus(self) -> None:
        """Black's first moves in a row without an answer are a handicap: give white what the rules give for it."""
        moves = self.board.moves()
        count = 0
        for color, action in moves:
            if color != BLACK or action == self.size**2:
                break
            count += 1
        if count == len(moves) or moves[count][0] != WHITE or any(self.setup_stones()):
            return
        bonus = self.rules.white_bonus(count)
        if bonus != self.board.white_bonus:
            self.board.white_bonus = bonus
            self.forget()

    # --- the bot --------------------------------------------------------------------------------------------------------

    def load(self) -> None:
        """Begin to load what this board size needs, in the background."""
        size, before = self.size, self._loading

        def work() -> None:
            if before is not None:
                before.join()
            try:
                if self._bot is None:
                    self._bot = self.make_bot()
                self._bot.prepare(size)
                self._failure = None
            except Exception as error:  # noqa: BLE001  # told by the first command that needs the bot
                self._failure = error

        self._loading = threading.Thread(target=work, name="gtp-loading", daemon=True)
        self._loading.start()

    @property
    def is_loading(self) -> bool:
        """Whether the bot is being loaded in the background."""
        return self._loading is not None and self._loading.is_alive()

    def bot(self) -> Bot:
        """The bot, loaded. Raises GtpError."""
        if self._loading is not None:
            while self._loading.is_alive() and not self.source.hurry():
                self._loading.join(0.05)
            if self._loading.is_alive():
                raise GtpError("quitting")
        if self._failure is not None:
            if isinstance(self._failure, AlphaGoError):
                raise GtpError(str(self._failure))
            raise self._failure
        assert self._bot is not None
        return self._bot

    def replace_bot(self, make_bot: Callable[[], Bot]) -> None:
        """Another level or other settings from now on."""
        self.stop()
        if self._loading is not None:
            self._loading.join()
        self.make_bot, self._bot, self._failure = make_bot, None, None
        self.forget()
        self.load()

    def set_level(self, name: str) -> None:
        """Play at another level from now on. Raises BadLevel."""
        level_named(name)
        unused = self.bot().with_level(
            name
        )  # not the bot itself, which would keep its trees for as long as this is kept
        self.replace_bot(functools.partial(unused.with_level, name))

    def forget(self) -> None:
        """The bot's position is no longer this game's."""
        self._synced = None

    def stop(self) -> None:
        """End pondering."""
        if self._bot is not None and not self.is_loading:
            self._bot.stop()

    def sync(self, color: int) -> Bot:
        """The bot, at the game's position with `color` to move."""
        self.white_bonus()
        bot = self.bot()
        target = self.board
        moves = target.moves()
        if self._synced is not None and target.to_play == color and not target.is_over:
            start, known = self._synced
            new = moves[len(known) :]
            if moves[: len(known)] == known and _same_setting(start, target) and self._follow(bot, new):
                self._synced = (target.copy(), moves)
                return bot
        position = _playable(target, color)
        bot.new_game(position)
        self._synced = (target.copy(), moves) if position.to_play == target.to_play and not target.is_over else None
        return bot

    def _follow(self, bot: Bot, moves: list[tuple[int, int]]) -> bool:
        position = bot.position
        to_play = position.to_play
        if any(color != 1 + (to_play - 1 + i) % 2 for i, (color, _) in enumerate(moves)) or bot.size != self.size:
            return False
        try:
            for _, action in moves:
                bot.play(action)
        except AlphaGoError:
            return False
        return True

    def think(
        self,
        color: int,
        *,
        may_pass: bool = True,
        bans: list[tuple[int, int, int]] | None = None,
        stop_when: Callable[[], bool] | None = None,
        on_report: Callable[[Report], None] | None = None,
        interval: float = float("inf"),
    ) -> Choice:
        """The bot's move for `color` within the clock and the settings; it is not played. Raises GtpError."""
        start = time.perf_counter()
        bot = self.sync(color)
        begun = False

        def stop() -> bool:
            nonlocal begun
            if not begun:  # a choice needs one look at least
                begun = True
                return False
            return self.source.hurry() or self.source.interrupted() or (stop_when is not None and stop_when())

        try:
            seconds = self.seconds(color)
            choice = bot.choose(
                simulations=self.settings.simulations,
                seconds=seconds,
                extension=self._extension(color, seconds),
                may_pass=may_pass,
                bans=bans or (),
                stop_when=stop,
                on_report=on_report,
                interval=interval,
            )
        except AlphaGoError as error:
            self.forget()
            raise GtpError(str(error)) from None
        self.explain(choice, time.perf_counter() - start)
        return choice

    def seconds(self, color: int) -> float | None:
        """How long a move of this color may take; None: the level says."""
        stones = int(np.count_nonzero(self.board.stones()))
        budget = self.clock.budget(color, moves_to_come(self.size, stones), self.settings.lag)
        if budget is None:
            return self.settings.seconds
        return min(budget, LONGEST if self.settings.seconds is None else self.settings.seconds)

    def _extension(self, color: int, seconds: float | None) -> float:
        """Seconds that the bot may add to them on the clock's main time, and within the settings."""
        if seconds is None:
            return 0.0
        most = LONGEST if self.settings.seconds is None else self.settings.seconds
        return max(0.0, min(self.clock.extension(color, seconds, EXTENSION), most - seconds))

    def genmove(self, color: int, *, may_pass: bool = True, **options: object) -> int:
        """Think and play: an action, -1 for resignation."""
        start = time.perf_counter()
        choice = self.think(color, may_pass=may_pass, **options)  # type: ignore[arg-type]
        if choice.action >= 0:
            action = choice.action
            if self.board.try_play(action, color) < 0:
                # The bot may have searched a copy without the history that forbids this.
                action = self._another(color, choice)
                self.board.play(action, color)
                self.forget()
        else:
            action = -1
        self.clock.spent(color, time.perf_counter() - start)
        return action

    def ponder(self) -> None:
        """After our own move: think on the opponent's time, where that is asked for."""
        if not self.settings.ponder or self.board.is_over or self._synced is None:
            return
        self.sync(self.board.to_play).ponder()

    def explain(self, choice: Choice, seconds: float) -> None:
        """Remember why, for `gomill-explain_last_move`."""
        report = choice.report
        move = self.text(choice.action)
        if report is None:
            self.explanation = f"{move}: the opponent has passed, and so the game is won"
        else:
            chance = f"winning chance {(report.value + 1) / 2:.1%}"
            self.explanation = (
                f"{move}: {report.visits} visits, {chance}, {report.simulations} simulations in {seconds:.2f} s"
            )

    def status(self) -> Status:
        """Who is alive and dead, by playouts."""
        self.stop()
        return status(self.board)

    def _another(self, color: int, choice: Choice) -> int:
        report = choice.report
        if report is not None:
            for i in np.argsort(-report.visit_counts.astype(np.int64), kind="stable").tolist():
                if self.board.legality(int(report.actions[i]), color) == 0:
                    return int(report.actions[i])
        return self.size**2


def _same_setting(a: Board, b: Board) -> bool:
    return a.size == b.size and a.komi == b.komi and a.white_bonus == b.white_bonus and a.rules == b.rules


def _playable(board: Board, color: int) -> Board:
    """A copy with `color` to move in which the game is not over."""
    if board.is_over:
        stones = board.stones().ravel()
        copy = Board(board.size, board.rules, board.komi)
        copy.setup(np.flatnonzero(stones == BLACK).tolist(), np.flatnonzero(stones == WHITE).tolist())
        copy.white_bonus = board.white_bonus
    else:
        copy = board.copy()
    copy.to_play = color
    return copy
