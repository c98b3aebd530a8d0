"""The two kinds of engine that a match knows, behind one interface: our own bots in this process, and any GTP program.

Every game at a time has an engine of its own for each side (`alphago.arena.sides`).
"""

from __future__ import annotations

from typing import Final, Protocol

from alphago.arena.client import (
    EngineCrashed,
    EngineError,
    EngineGarbled,
    EngineReplied,
    GtpProcess,
)
from alphago.arena.limits import Limits, Turn, share_of_game
from alphago.arena.sides import Side
from alphago.errors import AlphaGoError
from alphago.go import BLACK, BadCoordinate, Board, action_to_gtp, gtp_to_action
from alphago.search.bot import EXTENSION, Bot
from alphago.search.levels import LEVELS

RESIGN: Final = -1
START_SECONDS: Final = 120.0
"""Time of an engine for its first answer: it may be loading a network."""
SETUP_SECONDS: Final = 30.0
"""Time of every command that is not a move of its own."""


class EngineUnfit(AlphaGoError):
    """An engine that cannot play such games at all: the board size or the komi."""


class Engine(Protocol):
    """Plays one game at a time. Its errors are EngineErrors, after which `start` begins afresh. `kill` may come from any thread."""

    name: str

    def start(self, board: Board, limits: Limits, seed: int) -> None:
        """Begin a game from this position, whose moves since the empty board are the opening.

        Raises:
            EngineError: it does not come up.
            EngineUnfit: it does not play such games.
        """

    def genmove(self, turn: Turn) -> int:
        """Choose the move of the side to move, and play it: an action, or RESIGN."""

    def play(self, action: int) -> None:
        """Take note of the opponent's move."""

    def drop(self) -> None:
        """Give up what is running after an error; the next `start` begins afresh."""

    def close(self) -> None:
        """End for good."""

    def kill(self) -> None:
        """End thinking, or the process, at once."""


class BotEngine:
    """A `Bot` of this process.

    Args:
        simulations: a move's limit in place of the level's, where the side has none of its own.
        threads, memory_mib: of the bot.
        resign: whether it gives up.
    """

    def __init__(
        self,
        side: Side,
        *,
        simulations: int | None = None,
        threads: int | None = None,
        memory_mib: float = 256,
        resign: bool = True,
    ) -> None:
        self.name = side.name
        self._side = side
        self._simulations = side.simulations or simulations
        self._bot = Bot(
            side.level,
            side.net,
            settings=side.settings,
            threads=threads,
            memory_mib=memory_mib,
            resign=resign,
            rollout_weights=side.weights,
            precision=side.precision,
            style=side.style,
            value_net=side.value_net,
        )
        self._killed = False

    def start(self, board: Board, limits: Limits, seed: int) -> None:
        self._bot.prepare(board.size)
        self._bot.new_game(board, seed=seed)

    def genmove(self, turn: Turn) -> int:
        seconds = turn.move
        extension = 0.0
        own = self._side.seconds
        position = self._bot.position
        if turn.left is not None:
            seconds = share_of_game(turn, position.size, int((position.stones() > 0).sum()))
            extension = EXTENSION * min(
                seconds, turn.left / 2
            )  # a game's clock may be overdrawn on one move, a move's not
        if own is not None:
            seconds = own if seconds is None else min(own, seconds)
            extension = max(0.0, min(extension, own - seconds))
        try:
            choice = self._bot.choose(
                simulations=self._simulations, seconds=seconds, stop_when=lambda: self._killed, extension=extension
            )
            if choice.action != RESIGN:
                self._bot.play(choice.action)
        except AlphaGoError as error:
            raise EngineCrashed(f"{self.name}: {error}") from None
        return choice.action

    def play(self, action: int) -> None:
        try:
            self._bot.play(action)
        except AlphaGoError as error:
            raise EngineCrashed(f"{self.name}: {error}") from None

    def drop(self) -> None:
        pass  # `start` begins afresh as it is

    def close(self) -> None:
        self._bot.close()

    def kill(self) -> None:
        self._killed = True
        self._bot.stop()


class GtpEngine:
    """A GTP program. It is told the board size, the komi, the time, and where it has a command for them the rules and a seed."""

    def __init__(self, side: Side) -> None:
        assert side.command is not None
        self.name = side.name
        self._command = side.command
        self._process: GtpProcess | None = None
        self._commands: frozenset[str] = frozenset()
        self._size, self._color = 9, BLACK
        self._fractions = True
        self._killed = False

    def start(self, board: Board, limits: Limits, seed: int) -> None:
        self._size, self._color = board.size, board.to_play
        if self._process is None or not self._process.alive:
            self.drop()
            self._process = GtpProcess(self._command, name=self.name, timeout=SETUP_SECONDS)
            if self._killed:
                self._process.kill()
            self._commands = frozenset(self._process.ask("list_commands", START_SECONDS).split())
        self._must(f"boardsize {board.size}", f"does not play {board.size}x{board.size}")
        self._must("clear_board", "does not clear its board")
        self._must(f"komi {board.komi:g}", f"does not play with komi {board.komi:g}")
        if "kata-set-rules" in self._commands and board.rules.name is not None:
            self._try(f"kata-set-rules {board.rules.name}")
        if "set_random_seed" in self._commands:
            self._try(f"set_random_seed {seed % (1 << 31)}")
        self._set_clock(limits)
        for color, action in board.moves():
            vertex = action_to_gtp(action, board.size)
            self._must(f"play {_letter(color)} {vertex}", f"refuses the opening move {vertex}")

    def genmove(self, turn: Turn) -> int:
        color = _letter(self._color)
        if turn.left is not None:
            self._time_left(f"time_left {color} {{}} 0", turn.left)
        elif turn.move is not None:
            self._time_left(f"time_left {color} {{}} 1", turn.move)
        answer = self._ask(f"genmove {color}", turn.timeout)
        words = answer.lower().split()
        if words == ["resign"]:
            return RESIGN
        try:
            action = gtp_to_action(words[0] if len(words) == 1 else answer, self._size)
        except BadCoordinate:
            shown = answer[:40].replace("\n", " ")
            raise EngineGarbled(f"{self.name}: answered 'genmove {color}' with {shown!r}, which is no move") from None
        self._color = 3 - self._color
        return action

    def play(self, action: int) -> None:
        self._ask(f"play {_letter(self._color)} {action_to_gtp(action, self._size)}", SETUP_SECONDS)
        self._color = 3 - self._color

    def drop(self) -> None:
        if self._process is not None:
            self._process.close(grace=0.1)
            self._process = None

    def close(self) -> None:
        if self._process is not None:
            self._process.close()
            self._process = None

    def kill(self) -> None:
        self._killed = True
        if (process := self._process) is not None:
            process.kill()

    # --- inside ---------------------------------------------------------------------------------------------------------

    def _ask(self, command: str, timeout: float) -> str:
        if self._process is None:
            raise EngineCrashed(f"{self.name}: is not running")
        return self._process.ask(command, timeout)

    def _must(self, command: str, otherwise: str) -> None:
        try:
            self._ask(command, SETUP_SECONDS)
        except EngineReplied as error:
            raise EngineUnfit(f"{self.name} {otherwise}: it answered {error.text[:80]!r}") from None

    def _try(self, command: str) -> bool:
        """Whether the engine takes a command that it need not take."""
        try:
            self._ask(command, SETUP_SECONDS)
        except EngineReplied:
            return False
        return True

    def _set_clock(self, limits: Limits) -> None:
        """Whole numbers are all that the specification has. Fractions are sent as such; an engine that refuses them gets what
        is below, or where that would be nothing, is left to its command line."""
        if limits.kind == "none" or "time_settings" not in self._commands:
            return
        if limits.increment and "kata-time_settings" in self._commands:
            self._try(f"kata-time_settings fischer {limits.seconds:g} {limits.increment:g}")
            return
        form = "time_settings 0 {} 1" if limits.kind == "move" else "time_settings {} 0 0"
        self._fractions = True
        if not self._try(form.format(f"{limits.seconds:g}")):
            self._fractions = False
            if limits.seconds >= 1:
                self._try(form.format(int(limits.seconds)))

    def _time_left(self, form: str, seconds: float) -> None:
        if "time_left" not in self._commands:
            return
        if self._fractions and seconds != int(seconds):
            if self._try(form.format(f"{seconds:.2f}")):
                return
            self._fractions = False
        if seconds >= 1:
            self._try(form.format(int(seconds)))


def thinks_by_time(side: Side, simulations: int | None) -> bool:
    """Whether how well a bot of ours plays depends on how fast this machine is just now."""
    if side.command is not None:
        return False
    return side.seconds is not None or not (side.simulations or simulations or LEVELS[side.level].rollout_simulations)


def make_engine(side: Side, *, simulations: int | None, threads: int | None, memory_mib: float, resign: bool) -> Engine:
    """The engine of a side; a GTP program starts with its first game. Raises as `Bot`."""
    if side.command is not None:
        return GtpEngine(side)
    return BotEngine(side, simulations=simulations, threads=threads, memory_mib=memory_mib, resign=resign)


def _letter(color: int) -> str:
    return "b" if color == BLACK else "w"


__all__ = [
    "RESIGN",
    "BotEngine",
    "Engine",
    "EngineError",
    "EngineUnfit",
    "GtpEngine",
    "make_engine",
    "thinks_by_time",
]
