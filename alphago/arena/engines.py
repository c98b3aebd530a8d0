"""The two kinds of engine that a match knows, behind one interface: our own bots in this process, and any GTP program.

A side of a match is named by one text (`parse_side`); every game at a time has an engine of its own for each side.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol

from alphago.arena.client import (
    EngineCrashed,
    EngineError,
    EngineGarbled,
    EngineReplied,
    GtpProcess,
    split_command,
)
from alphago.arena.limits import Limits, Turn, share_of_game
from alphago.errors import AlphaGoError
from alphago.go import BLACK, BadCoordinate, Board, action_to_gtp, gtp_to_action
from alphago.messages import did_you_mean
from alphago.nets.shipped import DEFAULT, HANDSET, NAMES, network_files, rollout_file
from alphago.search.bot import Bot, bot_search
from alphago.search.levels import LEVELS
from alphago.search.params import parse_settings

RESIGN: Final = -1
START_SECONDS: Final = 120.0
"""Time of an engine for its first answer: it may be loading a network."""
SETUP_SECONDS: Final = 30.0
"""Time of every command that is not a move of its own."""

_ALIAS: Final = re.compile(r"([\w.+-]+)=(.+)", re.DOTALL)
_LEVEL: Final = re.compile(r"(?:(?P<net>.+)@)?(?P<level>[A-Za-z]+)(?::(?P<settings>.*))?")
_GTP: Final = "gtp:"
_PRECISIONS: Final = ("auto", "fp32", "bf16", "int8")


class SideError(AlphaGoError):
    """A text that names no engine; the message says what would be right."""


class EngineUnfit(AlphaGoError):
    """An engine that cannot play such games at all: the board size or the komi."""


@dataclass(frozen=True)
class Side:
    """One side of a match."""

    name: str
    text: str
    """What `parse_side` was given."""
    command: str | None = None
    """Of a GTP program; None for a bot of ours."""
    level: str = "max"
    net: str = DEFAULT
    settings: Mapping[str, Any] = field(default_factory=dict)
    simulations: int | None = None
    """Of a bot, where its text says so."""
    seconds: float | None = None
    """Thinking time of a bot's move, where its text says so: its own plan, with no clock of the referee's."""
    weights: str | None = None
    """File or name of rollout weights, where its text says so."""
    precision: str = "auto"
    """Of the network: one of `alphago.nets.runtimes.PRECISIONS`."""

    def identity(self) -> str:
        """What must stay the same when a match goes on: the text without the name, and what is in a bot's files."""
        text = self.text.removeprefix(f"{self.name}=")
        files = () if self.command is not None else (*network_files(self.net), rollout_file(self.weights))
        return text + "".join(f" sha256:{_digest(file)}" for file in files)


def parse_side(text: str) -> Side:
    """A side from its text.

        gtp:COMMAND                       a program that speaks GTP; the command line is split as a shell would
        LEVEL[:KEY=VALUE,...]             a bot with the default network: beginner to max, with search parameters changed
        none@LEVEL[:KEY=VALUE,...]        a bot without a network
        FILE[@LEVEL[:KEY=VALUE,...]]      a bot with this network; level max when none is given
        NAME=...                          any of these, under a name of your own

    `precision=fp32|bf16|int8` is its network's; `simulations` and `seconds` among the keys limit a move of this side alone;
    `weights=FILE` are its rollout weights (`weights=handset`: those set by rule).

    Raises:
        SideError: none of these, or no such file.
        BadSearchParams, EngineCrashed: a bad key or value; a command line that cannot be split.
    """
    name, rest = "", text.strip()
    if alias := _ALIAS.fullmatch(rest):
        name, rest = alias[1], alias[2]
    if rest.startswith(_GTP):
        command = rest.removeprefix(_GTP).strip()
        return Side(name or os.path.basename(split_command(command)[0]), text, command=command)
    match = _LEVEL.fullmatch(rest)
    if match is None or (match["net"] is None and match["level"] not in LEVELS and _is_file(rest)):
        return Side(name or Path(_existing(rest)).stem, text, net=rest)
    level, net = match["level"], match["net"] or DEFAULT
    if level not in LEVELS:
        raise SideError(
            f"bad side {text!r}: no level {level!r}{did_you_mean(level, LEVELS)} and no such file; "
            f"expected gtp:COMMAND, a network file, or a level: {', '.join(LEVELS)}"
        )
    if net not in NAMES:
        _existing(net)
    texts = match["settings"].split(",") if match["settings"] is not None else []
    own = [part for part in texts if part.strip().startswith("seconds=")]
    files = [part for part in texts if part.strip().startswith("weights=")]
    precisions = [part for part in texts if part.strip().startswith("precision=")]
    settings = parse_settings([part for part in texts if part not in (*own, *files, *precisions)])
    weights = _weights(files)
    if net in NAMES:  # what a file predicts decides which settings go together, and it is not loaded yet
        has_network = bool(network_files(net))
        bot_search(9, has_network, has_network).but(**{**LEVELS[level].settings, **settings})
    simulations = settings.pop("simulations", None)
    if not name:
        name = level if net == DEFAULT else f"{Path(net).stem}@{level}"
        name += f":{match['settings']}" if match["settings"] else ""
    return Side(
        name,
        text,
        level=level,
        net=net,
        settings=settings,
        simulations=simulations,
        seconds=_seconds(own),
        weights=weights,
        precision=_precision(precisions),
    )


def parse_sides(texts: Sequence[str]) -> list[Side]:
    """Sides with names of their own: a name that comes again gets #2, #3. Raises as `parse_side`."""
    sides, seen = [], dict[str, int]()
    for text in texts:
        side = parse_side(text)
        seen[side.name] = count = seen.get(side.name, 0) + 1
        sides.append(Side(**{**vars(side), "name": f"{side.name}#{count}"}) if count > 1 else side)
    return sides


def _weights(texts: Sequence[str]) -> str | None:
    if not texts:
        return None
    if len(texts) > 1:
        raise SideError(f"bad {','.join(texts)!r}: a side has one file of rollout weights")
    path = texts[0].partition("=")[2].strip()
    if path != HANDSET and not os.path.isfile(path):
        raise SideError(f"{path}: no such file, nor {HANDSET}")
    return path


def _precision(texts: Sequence[str]) -> str:
    if not texts:
        return "auto"
    found = texts[0].partition("=")[2].strip()
    if len(texts) > 1 or found not in _PRECISIONS:
        raise SideError(f"bad {','.join(texts)!r}: precision is one of {', '.join(_PRECISIONS)}")
    return found


def _seconds(texts: Sequence[str]) -> float | None:
    if not texts:
        return None
    try:
        seconds = float(texts[0].partition("=")[2])
    except ValueError:
        seconds = 0.0
    if len(texts) > 1 or not 0.001 <= seconds <= 86400:
        raise SideError(f"bad {','.join(texts)!r}: seconds of a move are one number from 0.001 to 86400")
    return seconds


def _is_file(text: str) -> bool:
    return os.path.sep in text or text.endswith(".safetensors") or os.path.exists(text)


def _existing(path: str) -> str:
    if not _is_file(path):
        raise SideError(
            f"bad side {path!r}: expected gtp:COMMAND, a network file, or a level: {', '.join(LEVELS)}; see docs/arena.md"
        )
    if not os.path.isfile(path):
        raise SideError(f"{path}: no such file")
    return path


def _digest(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    except OSError as error:
        raise SideError(f"{path}: {error.strerror or error}") from None


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
        )
        self._killed = False

    def start(self, board: Board, limits: Limits, seed: int) -> None:
        self._bot.prepare(board.size)
        self._bot.new_game(board, seed=seed)

    def genmove(self, turn: Turn) -> int:
        seconds = turn.move
        own = self._side.seconds
        position = self._bot.position
        if turn.left is not None:
            seconds = share_of_game(turn, position.size, int((position.stones() > 0).sum()))
        if own is not None:
            seconds = own if seconds is None else min(own, seconds)
        try:
            choice = self._bot.choose(simulations=self._simulations, seconds=seconds, stop_when=lambda: self._killed)
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
    return side.seconds is not None or not (side.simulations or simulations or LEVELS[side.level].simulations)


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
    "Side",
    "SideError",
    "make_engine",
    "parse_side",
    "parse_sides",
    "thinks_by_time",
]
