"""A player of whole games on any board: a level, perhaps a network, limits of thinking, and one `Player` a board size.

GTP, the arena and the terminal board all play through this class, so that a level means the same everywhere.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from alphago import _core
from alphago.errors import AlphaGoError
from alphago.go import Board
from alphago.machine import usable_threads
from alphago.messages import did_you_mean
from alphago.nets.rollout import load_rollout_weights, read_rollout_arrays
from alphago.nets.shipped import DEFAULT, NONE, network_file, network_files, preferred, rollout_file, value_file
from alphago.search.levels import level_named
from alphago.search.params import SearchParams
from alphago.search.passing import instead_of_passing, wins_by_passing
from alphago.search.player import Player, Report
from alphago.search.styles import ALPHAGO, NETWORK_SHARE, STYLES, ZERO, alphago_search, bot_search, followed
from alphago.search.threshold import AdaptiveThreshold

if TYPE_CHECKING:
    from alphago.nets.evaluator import Evaluator
    from alphago.nets.modules import Network

DEFAULT_SECONDS: Final = 1.0
"""Thinking time of a move where neither the level nor the caller limits it."""
EXTENSION: Final = 0.5
"""Style alphago: the share of a move's time that may be added where a game's clock allows it."""
_SERIOUS: Final = 0.1
"""Style alphago: from this share of the most visited move's visits on another's value counts; a lucky rollout casts no doubt."""
_CHECKS: Final = 10
"""How often during a move it is asked whether more thinking could still change it."""
_SHORTEST_CHECK: Final = 0.02
_WORKERS: Final = 2
"""Threads that evaluate, at most: as many batches are in flight as `rounds_in_flight` says."""


class BotError(AlphaGoError):
    """A bot that cannot be made or cannot play here; the message says what would be right."""


@dataclass(frozen=True)
class Choice:
    """A move that a bot has chosen and not yet played."""

    action: int
    """Row-major from the top left, size * size for a pass, -1 for resignation."""
    report: Report | None
    """What the search knows; None where nothing was searched."""


class Bot:
    """Chooses moves in one game. One calling thread; `stop` may be called from any.

    Args:
        level: one of `alphago.search.levels.LEVELS`.
        net: a network file; "default", the one that ships for the board's size; or "none".
        settings: search parameters in place of the level's.
        threads: of the search and of the network's runtime; None: every processor this process may use.
        memory_mib: limit of the tree.
        seed: of everything random.
        resign: whether hopeless games are given up.
        rollout_weights: a rollout weights file, or the name of weights that ship; None: `default`.
        runtime, precision: of the network, as `alphago.nets.runtimes.make_evaluators` takes them.
        style: one of `alphago.search.styles.STYLES`.
        value_net: style alphago: a value network's file, "default" or "none"; `net` gives the policy alone.

    Raises:
        BadLevel: no such level.
        BadSearchParams: no such parameter, or a value that it cannot have.
        BotError: a number out of bounds, no such style, or a value network beside style zero.
        WeightsError: `rollout_weights` is no such file.
        NetworkError: when the network is needed first (`prepare`): the file is none, or not for this board.
        BotError: likewise: rollout weights beside a network that needs none.
    """

    def __init__(
        self,
        level: str = "max",
        net: str = DEFAULT,
        *,
        settings: Mapping[str, Any] | None = None,
        threads: int | None = None,
        memory_mib: float = 512,
        seed: int = 0,
        resign: bool = True,
        rollout_weights: str | None = None,
        runtime: str = "auto",
        precision: str = "auto",
        style: str = ZERO,
        value_net: str | None = None,
    ) -> None:
        if style not in STYLES:
            raise BotError(f"unknown style {style!r}{did_you_mean(style, STYLES)}: one of {', '.join(STYLES)}")
        if value_net is not None and style != ALPHAGO:
            raise BotError(f"a value network ({value_net}) goes with style {ALPHAGO} alone")
        if threads is not None and not 1 <= threads <= 1024:
            raise BotError(f"threads must be 1 to 1024, got {threads}")
        if not 16 <= memory_mib <= 1 << 20:
            raise BotError(f"memory_mib must be 16 to 1048576, got {memory_mib}")
        self.level = level_named(level)
        self.net = net
        self.style = style
        self.value_net = value_net
        self._preferred_net = net if style == ALPHAGO else preferred(net, self.level.net)
        self.seed = seed
        self.resign = resign
        self.threads = threads or usable_threads()
        self._settings = dict(settings or {})
        self._memory_mib = memory_mib
        self.rollout_weights = rollout_weights
        if rollout_weights is not None:
            read_rollout_arrays(rollout_file(rollout_weights))  # what is wrong with it is said now
        self._runtime, self._precision = runtime, precision
        self._networks: dict[Path, Network] = {}
        self._evaluators: dict[tuple[Path, int], list[Evaluator]] = {}
        self._players: dict[int, Player] = {}
        self._size = 9
        self._begun = False
        self._low_turns = 0
        # What is wrong with the settings is said now; what a network adds to them is known when it is loaded, which takes time.
        has_network = bool(network_files(self._preferred_net))
        params = alphago_search(9) if style == ALPHAGO else bot_search(9, has_network, has_network)
        params.but(**{**self.level.settings, **self._settings})

    # --- the game -------------------------------------------------------------------------------------------------------

    def prepare(self, size: int) -> None:
        """Load and compile what games of this size need, which takes seconds with a network; done on first use otherwise."""
        self._player(size)

    def new_game(self, board: Board | None = None, *, seed: int | None = None) -> None:
        """Start from a position (None: the empty 9x9 board); nothing found before is kept but the network's cached answers.

        Args:
            seed: of this game; None: the bot's own.
        """
        size = 9 if board is None else board.size
        player = self._player(size)
        player.new_game(board, seed=self.seed if seed is None else seed)
        self._size, self._begun, self._low_turns = size, True, 0

    @property
    def position(self) -> _core.Position:
        """A copy of the position."""
        return self._current().position

    @property
    def size(self) -> int:
        """Of the board of the game in progress."""
        return self._size

    def play(self, action: int) -> None:
        """Play a move for the side to move, keeping what was found about the position after it. Raises PlayerError."""
        self._current().play(action)

    def choose(
        self,
        *,
        simulations: int | None = None,
        seconds: float | None = None,
        may_pass: bool = True,
        bans: Sequence[tuple[int, int, int]] = (),
        stop_when: Callable[[], bool] | None = None,
        on_report: Callable[[Report], None] | None = None,
        interval: float = math.inf,
        extension: float = 0.0,
    ) -> Choice:
        """The move for the side to move; it is not played. Where the search would pass it may differ from the report's
        (`alphago.search.passing`).

        Args:
            simulations, seconds: limits of thinking; without either the level's own, or `DEFAULT_SECONDS`. It ends before
                `seconds` when no move can overtake the best one any more.
            may_pass: whether a pass may be chosen while another move is legal.
            bans: moves to leave alone, as `Player.restrict` takes them.
            stop_when: asked every few hundredths of a second; True ends the thinking.
            on_report: called with what is known every `interval` seconds, and with the final report.
            extension: style alphago: seconds that may be added where the most visited move is not the best valued one. Half the
                simulations are, whatever they cost.

        Raises:
            PlayerError: the game is over.
        """
        player = self._current()
        position = player.position
        if not may_pass:
            bans = [*bans, (position.to_play, self._size**2, 1)]
        elif position.consecutive_passes == 1 and not bans and wins_by_passing(position):
            return Choice(self._size**2, None)
        player.restrict(bans)
        report = self._think(player, simulations, seconds, stop_when, on_report, interval, extension)
        action = self._after_resignation(report)
        if action == self._size**2 and not bans:
            action = instead_of_passing(position, report)
        return Choice(action, report)

    def analyze(
        self,
        interval: float,
        on_report: Callable[[Report], None],
        stop_when: Callable[[], bool],
        bans: Sequence[tuple[int, int, int]] = (),
    ) -> None:
        """Think about the position until `stop_when` answers True, reporting every `interval` seconds and at the end.

        Raises:
            PlayerError: the game is over.
        """
        player = self._current()
        player.restrict(bans)
        while True:
            on_report(player.search(seconds=interval, stop_when=stop_when))
            if player.was_stopped:
                return

    def line(self, action: int, limit: int = 20) -> list[int]:
        """The moves expected after `action`, that one first."""
        return self._current().line(action, limit)

    def line_visits(self, actions: Sequence[int]) -> list[int]:
        """Visits of the second, third, ... of these moves, played one after the other from here; 0 beyond the tree."""
        return self._current().line_visits(actions)

    def report(self) -> Report:
        """What is known about the position now."""
        player = self._current()
        player.stop()
        return player.report()

    def ponder(self) -> None:
        """Think on the opponent's time, until the next call of anything."""
        player = self._current()
        player.restrict(())
        player.ponder()

    def stop(self) -> None:
        """End thinking; from any thread."""
        for player in list(self._players.values()):
            player.stop()

    def close(self) -> None:
        """Stop and forget everything."""
        self.stop()
        self._players.clear()
        self._evaluators = {}  # not cleared: a bot of another level may share them
        self._networks = {}
        self._begun = False

    def with_level(self, name: str) -> Bot:
        """A bot of another level that is otherwise like this one and shares its networks; this one must not be used any more.

        Raises:
            BadLevel: no such level.
        """
        other = Bot(
            name,
            self.net,
            settings=self._settings,
            threads=self.threads,
            memory_mib=self._memory_mib,
            seed=self.seed,
            resign=self.resign,
            rollout_weights=self.rollout_weights,
            runtime=self._runtime,
            precision=self._precision,
            style=self.style,
            value_net=self.value_net,
        )
        other._networks, other._evaluators = self._networks, self._evaluators
        return other

    @property
    def network(self) -> Network | None:
        """The network for boards of the size of the game in progress, loaded; None when there is none."""
        return self._network_for(self._size)

    def value_network_file(self, size: int) -> Path | None:
        """Style alphago: the value network's file for a board size; None: none is wanted. Raises BotError: none ships."""
        value = value_file(self.value_net or DEFAULT, size)
        if value is None and self.value_net != NONE:
            raise BotError(
                f"no value network ships for {size}x{size}: name one (`alphago train value` makes it), or `{NONE}` to play without"
            )
        return value

    def evaluators(self, size: int) -> Sequence[Evaluator]:
        """The network's evaluators for this size, none without a network. Not while anything thinks."""
        file = network_file(self._preferred_net, size)
        return [] if file is None else self._load(file, size)

    def describe(self) -> str:
        """One line: level, network, threads."""
        file = network_file(self._preferred_net, self._size)
        with_what = "softmax rollouts" if file is None else f"network {file.stem}"
        if self.style == ALPHAGO:
            value = value_file(self.value_net or DEFAULT, self._size)
            with_what = f"style {ALPHAGO}, {with_what}, {'no value network' if value is None else f'value network {value.stem}'}"
        return f"level {self.level.name} ({self.level.description}), {with_what}, {self.threads} threads"

    # --- inside ---------------------------------------------------------------------------------------------------------

    def params(self, size: int) -> SearchParams:
        """Search parameters on this board size."""
        if self.style == ALPHAGO:
            params = alphago_search(size)
        else:
            network = self._network_for(size)
            heads = () if network is None else network.architecture.heads
            params = bot_search(size, "policy" in heads, "outcome" in heads or "value" in heads)
        return params.but(**{**self.level.settings, **self._settings})

    def _current(self) -> Player:
        if not self._begun:
            self.new_game()
        return self._players[self._size]

    def _player(self, size: int) -> Player:
        if size not in self._players:
            for other in self._players.values():
                other.stop()
            self._players.clear()  # one tree at a time: the memory limit is of the bot, not of each board size
            self._begun = False
            params = self.params(size)
            files, roles = self._files(size)
            evaluators = [self._load(file, size) for file in files]
            weights = None
            if params.rollouts == "softmax" or params.prior != "uniform":
                weights = load_rollout_weights(self.rollout_weights)
            elif self.rollout_weights is not None:
                raise BotError(
                    f"{self.rollout_weights}: rollout weights change nothing beside a network that gives policy and value; "
                    "leave them out, play without it (none), or set rollouts=softmax"
                )
            threshold = None
            fitted, first = followed(params)
            if self.style == ALPHAGO and files and params.rollouts != "off" and fitted not in self._settings:
                threshold = AdaptiveThreshold(first, NETWORK_SHARE)
            workers = list(zip(*evaluators, strict=True))  # for each thread, an evaluator of each network
            self._players[size] = Player(
                params,
                size=size,
                evaluators=workers[0] if workers else (),
                roles=roles,
                more_workers=workers[1:],
                weights=weights,
                threads=self.threads,
                memory_mib=self._memory_mib,
                threshold=threshold,
            )
        return self._players[size]

    def _files(self, size: int) -> tuple[list[Path], tuple[int, int]]:
        """The networks' files on a board size, and which of them gives the policy and which the value (-1: none)."""
        policy = network_file(self._preferred_net, size)
        if self.style != ALPHAGO:
            heads = set() if policy is None else set(self._loaded(policy).architecture.heads)
            roles = 0 if "policy" in heads else -1, 0 if heads & {"outcome", "value"} else -1
            return ([] if policy is None else [policy]), roles
        value = self.value_network_file(size)
        files = [file for file in (policy, value) if file is not None]
        for file, heads in ((policy, {"policy"}), (value, {"outcome", "value"})):
            if file is not None and not heads & set(self._loaded(file).architecture.heads):
                raise BotError(f"{file}: style {ALPHAGO} needs a network with {' or '.join(sorted(heads))} here")
        return files, (-1 if policy is None else 0, -1 if value is None else len(files) - 1)

    def _load(self, file: Path, size: int) -> list[Evaluator]:
        if (file, size) not in self._evaluators:
            from alphago.nets.runtimes import make_evaluators

            self._evaluators[file, size] = make_evaluators(
                self._loaded(file),
                size,
                self.params(size).batch,
                runtime=self._runtime,
                precision=self._precision,
                workers=min(_WORKERS, self.threads),
                threads=self.threads,
            )
        return self._evaluators[file, size]

    def _network_for(self, size: int) -> Network | None:
        file = network_file(self._preferred_net, size)
        return None if file is None else self._loaded(file)

    def _loaded(self, file: Path) -> Network:
        if file not in self._networks:
            from alphago.nets.store import load_network

            self._networks[file] = load_network(file)[0]
        return self._networks[file]

    def _think(
        self,
        player: Player,
        simulations: int | None,
        seconds: float | None,
        stop_when: Callable[[], bool] | None,
        on_report: Callable[[Report], None] | None,
        interval: float,
        extension: float,
    ) -> Report:
        if simulations is None:
            simulations = self.level.simulations(self._network_for(self._size) is not None)
        if simulations is None and seconds is None:
            seconds = DEFAULT_SECONDS
        player.fix_threshold(1 if seconds is None else None)  # no clock: no time for networks to have a share of
        start = time.perf_counter()
        left = simulations
        check = interval if seconds is None else min(interval, max(seconds / _CHECKS, _SHORTEST_CHECK))
        next_report = interval
        extended = False
        before = player.report().simulations
        while True:
            passed = time.perf_counter() - start
            span = check if seconds is None else min(check, max(0.0, seconds - passed))
            report = player.search(left, seconds=None if math.isinf(span) else span, stop_when=stop_when)
            passed = time.perf_counter() - start
            done = report.simulations - before
            if simulations is not None:
                left = simulations - done
            spent = (left is not None and left <= 0) or (seconds is not None and passed >= seconds)
            agreed = self.style != ALPHAGO or _is_agreed(report)
            if spent and not agreed and not extended and not player.was_stopped:
                extended, spent = True, False
                seconds = None if seconds is None else seconds + extension
                if simulations is not None:
                    simulations += simulations // 2
                    left = simulations - done
            settled = agreed and seconds is not None and _is_settled(report, done, passed, seconds, left)
            over = player.was_stopped or spent or settled
            if on_report is not None and (over or passed >= next_report):
                on_report(report)
                next_report += interval
            if over:
                return report

    def _after_resignation(self, report: Report) -> int:
        """The move, or -1 when the player's threshold was passed on this turn and those before it, `resign_turns` in a row."""
        if report.move >= 0:
            self._low_turns = 0
            return report.move
        self._low_turns += 1
        if self.resign and self._low_turns >= self.params(self._size).resign_turns:
            return -1
        return int(report.actions[int(report.visit_counts.argmax())])


def _is_agreed(report: Report) -> bool:
    """Whether the most visited move is the best valued one too."""
    visits = report.visit_counts
    if not visits.any():
        return True
    serious = visits >= max(1.0, _SERIOUS * float(visits.max()))
    best = np.where(serious, report.q, -np.inf)
    return bool(best[int(visits.argmax())] == best.max())


def _is_settled(report: Report, done: int, passed: float, seconds: float, left: int | None) -> bool:
    """Whether the most visited move stays so even if all simulations to come went to the second."""
    visits = report.visit_counts
    if len(visits) < 2:
        return True
    second, first = sorted(visits)[-2:]
    to_come = done / max(passed, 1e-9) * max(0.0, seconds - passed)
    if left is not None:
        to_come = min(to_come, left)
    return float(first) - float(second) > to_come
