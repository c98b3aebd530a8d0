"""Games of raw networks that sample their moves, many at a time: the data of REINFORCE, and its quick matches.

Every worker thread plays its share of the games to their end, all of them a move at a time, in batches that its evaluators run.
Who moves first alternates from game to game.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

import numpy as np
import pydantic
from numpy.typing import NDArray

from alphago import _core
from alphago.data.identity import symmetries as symmetries_of_actions
from alphago.go import BLACK, WHITE, Board
from alphago.nets.evaluator import Evaluator, Floats
from alphago.nets.rollout import load_rollout_weights, weights_hash
from alphago.nets.shipped import rollout_file
from alphago.seeds import game_seed

SETTLED: Final = "settled"
Finish = Annotated[
    Literal["settled", "as-it-stands"],
    pydantic.Field(description="open points are played before a pass and dead stones lifted, as bots do, or neither"),
]
"""How a game of raw networks ends."""


def settled_by(finish: Finish) -> str | None:
    """What tells these weights from others; None: none are used."""
    return weights_hash(rollout_file(None)) if finish == SETTLED else None


def settling(finish: Finish) -> _core.RolloutWeights | None:
    """What `_core.PolicyGames` takes for it: the weights that ship, which tell what is open and what is dead."""
    return load_rollout_weights() if finish == SETTLED else None


@dataclass(frozen=True)
class Side:
    """A network at play."""

    evaluators: Sequence[Evaluator]
    """One for each worker, of the same batch."""
    temperature: float = 1.0
    """Of the softmax that moves are drawn from; 0: the likeliest move."""


@dataclass(frozen=True)
class Steps:
    """What the first side saw and did, N moves in the order of games and of moves; under the game's symmetry, where it has one."""

    game: NDArray[np.int64]
    """[N]: number of the game."""
    planes: NDArray[np.uint8]
    """[N, planes, S, S]."""
    globals: NDArray[np.float32]
    """[N, 7]."""
    masks: NDArray[np.bool_]
    """[N, S * S + 1]: legal moves."""
    actions: NDArray[np.int64]
    """[N]."""
    log_probs: NDArray[np.float32]
    """[N], nats."""


@dataclass(frozen=True)
class Played:
    """G finished games."""

    results: NDArray[np.int8]
    """[G]: +1 won, 0 drawn, -1 lost, for the first side."""
    is_black: NDArray[np.bool_]
    """[G]: the first side was black."""
    lengths: NDArray[np.int32]
    """[G]: moves, passes included."""
    steps: Steps | None

    @property
    def score(self) -> float:
        """Of the first side, draws counting half."""
        return float((self.results + 1).mean() / 2)


def play_games(
    start: Board,
    first: Side,
    second: Side,
    count: int,
    seed: int,
    *,
    max_moves: int,
    finish: Finish = SETTLED,
    record: bool = False,
    symmetries: bool = False,
) -> Played:
    """Play `count` games from a position; the first side is black in those of even number.

    Args:
        start: black to move.
        seed: the games are a function of it and of the networks' answers, not of the number of workers.
        max_moves: a game that is not over by then is scored.
        finish: "as-it-stands" counts the area with dead stones alive, and whoever passes too early pays for it.
        record: keep what the first side saw.
        symmetries: both sides see a game under a symmetry of its own, one of the eight (`symmetry_of`), so that what is learned of
            it holds for the board turned and mirrored.
    """
    games = _core.PolicyGames(start, count, max_moves, settling(finish))
    numbers = np.arange(count)
    games.begin(numbers, np.array([game_seed(seed, number) for number in range(count)], dtype=np.uint64))
    workers = len(first.evaluators)
    views = Views(start.size, np.array([symmetry_of(seed, number) for number in range(count)])) if symmetries else None
    shares = [_Worker(games, numbers[w::workers], first, second, w, record, views) for w in range(workers)]
    if workers == 1:
        shares[0].run()
    else:
        with ThreadPoolExecutor(workers) as pool:
            for done in [pool.submit(share.run) for share in shares]:
                done.result()
    is_black = numbers % 2 == 0
    black = np.empty(count, dtype=np.int8)
    for w, share in enumerate(shares):
        black[w::workers] = np.sign(share.scores)
    steps = _sorted([share.rows for share in shares]) if record else None
    return Played(np.where(is_black, black, -black), is_black, games.lengths(numbers), steps)


def symmetry_of(seed: int, game: int) -> int:
    """0 to 7: under which a game is seen, where games have symmetries."""
    return (game_seed(seed, game) >> 40) % 8


class Views:
    """Games as they are seen under a symmetry each.

    Args:
        chosen: [games]: the symmetry of each, 0 to 7.
    """

    def __init__(self, size: int, chosen: NDArray[np.int64]) -> None:
        to = symmetries_of_actions(size).astype(np.int64)
        self.chosen: Final = chosen.astype(np.uint8)
        self._seen = to[chosen]
        """[games, actions]: where an action of the board is seen."""
        self._board = np.argsort(to, axis=1)[chosen]
        """[games, actions]: which action of the board is seen there."""

    def of_board(self, values: NDArray[Any], games: NDArray[np.int64]) -> NDArray[Any]:
        """Values of what is seen, [n, actions], as values of the board's actions."""
        return np.take_along_axis(values, self._seen[games], axis=1)

    def seen(self, values: NDArray[Any], games: NDArray[np.int64]) -> NDArray[Any]:
        """Values of the board's actions, [n, actions], as values of what is seen."""
        return np.take_along_axis(values, self._board[games], axis=1)

    def actions(self, actions: NDArray[np.int64], games: NDArray[np.int64]) -> NDArray[np.int64]:
        """Where actions of the board, [n], are seen."""
        found: NDArray[np.int64] = self._seen[games, actions]
        return found


def evaluated(
    games: _core.PolicyGames,
    numbers: NDArray[np.int64],
    evaluator: Evaluator,
    buffers: tuple[Floats, Floats],
    views: Views | None = None,
) -> Iterator[tuple[NDArray[np.int64], Floats]]:
    """Batches of these games, and the logits of each for the board's actions: [batch, S * S + 1], without `views` padding rows
    included. The inputs, as they are seen, stay in `buffers`."""
    planes, globals_ = buffers
    for first in range(0, len(numbers), evaluator.batch):
        rows = np.ascontiguousarray(numbers[first : first + evaluator.batch])
        symmetries = None if views is None else views.chosen[rows]
        games.write(rows, evaluator.feature_set, planes, globals_, symmetries)
        logits = evaluator.evaluate(planes, globals_).policy
        assert logits is not None
        if views is not None:
            logits = views.of_board(logits[: len(rows)], rows)
        yield rows, np.ascontiguousarray(logits, dtype=np.float32)


_Row = tuple[
    NDArray[np.int64], NDArray[np.uint8], NDArray[np.float32], NDArray[np.uint8], NDArray[np.int64], NDArray[np.float32]
]


class _Worker:
    """Plays its games to the end on one thread."""

    def __init__(
        self,
        games: _core.PolicyGames,
        numbers: NDArray[np.int64],
        first: Side,
        second: Side,
        worker: int,
        record: bool,
        views: Views | None,
    ) -> None:
        self._games, self._numbers, self._views = games, numbers, views
        self._as_black = np.ascontiguousarray(numbers[numbers % 2 == 0])
        self._as_white = np.ascontiguousarray(numbers[numbers % 2 == 1])
        self._sides = [(side.evaluators[worker], side.temperature) for side in (first, second)]
        self._buffers = [evaluator.buffers() for evaluator, _ in self._sides]
        self._record = record
        self.rows: list[_Row] = []
        self.scores: NDArray[np.float32]
        """Points of black less those of white, game by game, when all are over."""

    def run(self) -> None:
        color = BLACK
        while True:
            mine, theirs = (self._as_black, self._as_white) if color == BLACK else (self._as_white, self._as_black)
            moved = self._move(0, self._games.waiting(mine, color)) + self._move(1, self._games.waiting(theirs, color))
            if not moved:
                self.scores = self._games.scores(self._numbers)
                return
            color = WHITE if color == BLACK else BLACK

    def _move(self, side: int, numbers: NDArray[np.int64]) -> int:
        evaluator, temperature = self._sides[side]
        planes, globals_ = self._buffers[side]
        for rows, logits in evaluated(self._games, numbers, evaluator, self._buffers[side], self._views):
            n = len(rows)
            keep = self._record and side == 0
            masks = self._games.masks(rows) if keep else None
            actions, log_probs = self._games.play(rows, logits, temperature)
            if masks is not None:
                seen = (planes[:n].astype(np.uint8), globals_[:n].copy())
                moves = actions.astype(np.int64)
                if self._views is not None:
                    masks, moves = self._views.seen(masks, rows), self._views.actions(moves, rows)
                self.rows.append((rows, *seen, masks, moves, log_probs))
        return len(numbers)


def _sorted(parts: list[list[_Row]]) -> Steps:
    rows = [row for part in parts for row in part]
    columns = [np.concatenate([row[i] for row in rows]) for i in range(6)]
    order = np.argsort(columns[0], kind="stable")  # the moves of a game are in order already
    game, planes, globals_, masks, actions, log_probs = (column[order] for column in columns)
    return Steps(game, planes, globals_, masks.astype(bool), actions, log_probs)
