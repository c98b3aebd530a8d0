"""Positions for a value network, one a game: AlphaGo's way of making them independent (Nature 529, Methods).

A game's moves before U are drawn from one policy network, move U is uniformly random among the legal ones, and the moves after it
are another network's to the end; U is uniform over the usual length of a game. The one position that counts is the one after
move U, with the outcome of the rest as its target. They are stored as ordinary games, whose rows say who chose each move.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
import pydantic
from numpy.typing import NDArray

from alphago import _core
from alphago.data.games import POLICY, RANDOM, GameRow, no_search
from alphago.errors import AlphaGoError
from alphago.go import Board, Rules
from alphago.nets.evaluator import Evaluator
from alphago.nets.modules import Network
from alphago.nets.runtimes import choose, make_evaluators
from alphago.nets.store import network_hash
from alphago.seeds import game_seed, mix
from alphago.train.folders import begin_folder
from selfplay.journal import Journal
from selfplay.policy_play import SETTLED, Finish, evaluated, settled_by, settling

BATCH: Final = 16
SLOTS: Final = 256
"""Games that a worker plays at a time, at most: the more, the fewer rows of its batches are empty."""
_NEVER: Final = -1e30
_RETRIES: Final = 1000


class ValueDataError(AlphaGoError):
    """Settings under which no game gets as far as its random move; the message says what would help."""


class ValueDataSettings(pydantic.BaseModel, extra="forbid", frozen=True):
    """What the games depend on."""

    size: Annotated[int, pydantic.Field(ge=2, le=19)] = 9
    rules: str = "tromp-taylor"
    komi: Annotated[float | None, pydantic.Field(description="points for white; none: the rules' own")] = None
    before: Annotated[str, pydantic.Field(description="the network of the moves before U: a file or a name")] = (
        "default"
    )
    after: Annotated[str, pydantic.Field(description="the network of the moves after U: a file or a name")] = "default"
    latest: Annotated[
        int | None,
        pydantic.Field(
            ge=1, description="U is uniform from 1 to this; none: the board's points (the paper: 450 of 361)"
        ),
    ] = None
    max_moves: Annotated[int | None, pydantic.Field(ge=2, description="none: twice the board's points")] = None
    finish: Finish = SETTLED
    temperature: Annotated[float, pydantic.Field(ge=0, description="of both networks")] = 1.0
    seed: Annotated[int, pydantic.Field(ge=0, lt=2**31)] = 0

    def start_board(self) -> Board:
        """The empty board."""
        return Board(self.size, Rules.named(self.rules), self.komi)

    @pydantic.model_validator(mode="after")
    def _fits(self) -> ValueDataSettings:
        if self.last_u >= self.longest:
            raise ValueError(
                f"latest is {self.last_u}, expected less than the {self.longest} moves after which a game ends"
            )
        return self

    @property
    def last_u(self) -> int:
        """The largest U: by default about as long as a game lasts.

        On 9x9 policy networks play 72 moves on average: with 101, as the paper has 450 of 361, a third of the games end before U.
        """
        return self.latest or self.size * self.size

    @property
    def longest(self) -> int:
        """Moves after which a game is scored, over or not."""
        return self.max_moves or 2 * self.size * self.size

    def turn(self, index: int, attempt: int) -> int:
        """U of a game, from 1."""
        random = np.random.default_rng([self.seed, index, attempt])
        return 1 + int(random.integers(self.last_u))


@dataclass
class Counts:
    """How far a run is."""

    games: int = 0
    """Stored, by all calls."""
    dropped: int = 0
    """Games of this call that ended before their random move; others took their place."""


def play_value_games(
    out: Path,
    settings: ValueDataSettings,
    before: Network,
    after: Network,
    games: int,
    *,
    threads: int,
    resume: bool,
    on_game: Callable[[Counts], None] | None = None,
    precision: str = "auto",
) -> Counts:
    """Play the games that are missing in a folder. A game is a function of the settings, the networks' answers and its index.

    Args:
        precision: of the networks, as `alphago.nets.runtimes.make_evaluators` takes it.

    Raises:
        TrainingError: the folder holds other games, or games and `resume` is off.
        BadRules, NetworkError: no such ruleset or precision.
        GameDataError: it cannot be written.
        KeyboardInterrupt: what has ended is stored.
    """
    digests = [network_hash(before), network_hash(after)]
    settings.start_board()  # a ruleset that there is not is said before anything is written
    precision = choose(precision=precision)[1]
    described = {**settings.model_dump(mode="json"), "precision": precision}
    manifest = {"stage": "value-data", "settings": described, "start": digests, "rollout": settled_by(settings.finish)}
    begin_folder(out, manifest, resume=resume)
    counts = Counts()
    with Journal(out) as journal:
        counts.games = sum(index < games for index in journal.done)
        if counts.games == games:
            return counts
        missing = (index for index in range(games) if index not in journal.done)
        sides = [
            make_evaluators(net, settings.size, BATCH, precision=precision, workers=threads, threads=threads)
            for net in (before, after)
        ]
        shared = _Shared(settings, missing, digests)
        slots = min(SLOTS, -(-(games - counts.games) // threads))  # so that the first worker does not take all of a few
        workers = [_Worker(shared, (sides[0][w], sides[1][w]), slots) for w in range(threads)]
        running = [threading.Thread(target=worker.run, daemon=True) for worker in workers]
        for thread in running:
            thread.start()
        try:
            left = len(running)
            while left:
                try:
                    found = shared.results.get(timeout=0.2)
                except queue.Empty:
                    continue
                if found is None:
                    left -= 1
                elif isinstance(found, BaseException):
                    raise found
                else:
                    journal.append(found)
                    counts.games += 1
                    counts.dropped = shared.dropped
                    if on_game is not None:
                        on_game(counts)
        finally:
            shared.stopping = True
            for thread in running:
                thread.join(10)
    return counts


class _Shared:
    """What the workers share."""

    def __init__(self, settings: ValueDataSettings, missing: Iterator[int], digests: Sequence[str]) -> None:
        self.settings = settings
        self.board = settings.start_board()
        self.digests = list(digests)
        self.results: queue.SimpleQueue[GameRow | BaseException | None] = queue.SimpleQueue()
        self.stopping = False
        self.dropped = 0
        self._missing = missing
        self._lock = threading.Lock()

    def next_index(self) -> int | None:
        with self._lock:
            return next(self._missing, None)

    def drop(self) -> None:
        with self._lock:
            self.dropped += 1


class _Worker:
    """Plays games on one thread, a move in each at a time; a slot whose game has ended takes the next."""

    def __init__(self, shared: _Shared, evaluators: tuple[Evaluator, Evaluator], slots: int) -> None:
        settings = shared.settings
        self._shared, self._evaluators = shared, evaluators
        self._buffers = [evaluator.buffers() for evaluator in evaluators]
        self._games = _core.PolicyGames(shared.board, slots, settings.longest, settling(settings.finish))
        self._index = np.full(slots, -1, dtype=np.int64)
        self._attempt = np.zeros(slots, dtype=np.int64)
        self._turn = np.zeros(slots, dtype=np.int64)
        self._uniform = np.zeros((slots, settings.size**2 + 1), dtype=np.float32)
        self._uniform[:, -1] = _NEVER  # the random move is a stone

    def run(self) -> None:
        try:
            for slot in range(len(self._index)):
                self._fill(slot)
            while not self._shared.stopping and (self._index >= 0).any():
                self._step(np.flatnonzero(self._index >= 0))
            self._shared.results.put(None)
        except BaseException as error:  # noqa: BLE001  # raised again in the thread that waits
            self._shared.results.put(error)

    def _fill(self, slot: int) -> None:
        index = self._shared.next_index()
        self._index[slot] = -1 if index is None else index
        self._attempt[slot] = 0
        if index is not None:
            self._begin(slot)

    def _begin(self, slot: int) -> None:
        settings = self._shared.settings
        index, attempt = int(self._index[slot]), int(self._attempt[slot])
        self._turn[slot] = settings.turn(index, attempt)
        seed = mix(game_seed(settings.seed, index) + attempt)
        self._games.begin(np.array([slot]), np.array([seed], dtype=np.uint64))

    def _step(self, slots: NDArray[np.int64]) -> None:
        moves = self._games.lengths(slots)
        turn = self._turn[slots]
        self._ask(0, slots[moves < turn - 1])
        random = np.ascontiguousarray(slots[moves == turn - 1])
        if len(random):
            self._games.play(random, self._uniform, 1.0)
        self._ask(1, slots[moves > turn - 1])
        going = np.concatenate([self._games.waiting(slots, 1), self._games.waiting(slots, 2)])
        for slot in np.setdiff1d(slots, going).tolist():
            self._ended(slot)

    def _ask(self, side: int, slots: NDArray[np.int64]) -> None:
        for rows, logits in evaluated(self._games, slots, self._evaluators[side], self._buffers[side]):
            self._games.play(rows, logits, self._shared.settings.temperature)

    def _ended(self, slot: int) -> None:
        # the random move must have been played, and an answer to it: a position where nobody is to move is no example
        if self._games.lengths(np.array([slot]))[0] > self._turn[slot]:
            self._shared.results.put(self._row(slot))
            self._fill(slot)
            return
        self._shared.drop()
        self._attempt[slot] += 1
        if self._attempt[slot] > _RETRIES:
            settings = self._shared.settings
            raise ValueDataError(f"no game lasts until its random move: lower --latest, now {settings.last_u}")
        self._begin(slot)

    def _row(self, slot: int) -> dict[str, Any]:
        shared = self._shared
        index, turn = int(self._index[slot]), int(self._turn[slot])
        position = self._games.position(slot)
        played = position.moves()
        score, owners = self._count(slot)
        chosen_by = np.full(len(played), POLICY, dtype=np.uint8)
        chosen_by[turn - 1] = RANDOM
        return {
            "game_id": f"value-{shared.settings.seed}-{index}",
            "index": index,
            "size": shared.board.size,
            **{
                name: getattr(shared.board, name)
                for name in ("ko", "suicide", "scoring", "pass_stones", "komi", "white_bonus")
            },
            "setup_black": np.zeros(0, np.uint16),
            "setup_white": np.zeros(0, np.uint16),
            "moves": np.array([action for _, action in played], np.uint16),
            "colors": np.array([color for color, _ in played], np.uint8),
            "chosen_by": chosen_by,
            "winner": 1 if score > 0 else 2 if score < 0 else 0,
            "score": score,
            "ended": "passes" if position.consecutive_passes >= 2 else "max_moves",
            "no_resign": True,
            "black": None,
            "white": None,
            "black_rank": None,
            "white_rank": None,
            "date": None,
            "source": "value-data",
            "seed": mix(game_seed(shared.settings.seed, index) + int(self._attempt[slot])),
            "networks": shared.digests,
            "root_value": np.zeros(0, np.float32),
            **no_search(),
            "ownership": owners,
            "simulations": 0,
        }

    def _count(self, slot: int) -> tuple[float, NDArray[np.int8] | None]:
        """Points of black less those of white, and where area counts, whose each point is."""
        board, slots = self._shared.board, np.array([slot])
        if board.rules.scoring != "area":
            return float(self._games.scores(slots)[0]), None
        owners = self._games.owners(slots)[0]
        return float(np.float32(owners.sum(dtype=int) - board.komi - board.white_bonus)), owners
