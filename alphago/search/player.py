"""One game that is searched move by move, its tree kept between moves: what a bot, an analysis or a notebook talks to."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from alphago import _core
from alphago.errors import AlphaGoError
from alphago.search.params import SearchParams

if TYPE_CHECKING:
    from alphago.nets.evaluator import Evaluator
    from alphago.search.threshold import AdaptiveThreshold

UNLIMITED: Final = 100_000_000
_SLICE_SECONDS: Final = 0.02
"""How long the core works before time is looked at: well under the 50 ms within which a search stops."""


class PlayerError(AlphaGoError):
    """A search that cannot be started or a move that cannot be played; the message says why."""


@dataclass(frozen=True)
class Report:
    """What a search knows at the root. Values are from the side to move, in -1..1; arrays are over the legal moves, ascending."""

    to_play: int
    """1 black, 2 white."""
    move: int
    """The action that the parameters choose (pass = size * size); -1 resigns."""
    simulations: int
    """Done since this position was reached; `visits` holds those inherited from the last search too."""
    visits: int
    value: float
    score: float
    """Points by which the side to move is ahead; NaN when nothing predicts it."""
    seconds: float
    actions: NDArray[np.uint16]
    visit_counts: NDArray[np.uint32]
    priors: NDArray[np.float32]
    q: NDArray[np.float64]
    """Mean value of each move; NaN where it was not tried."""
    lcb: NDArray[np.float64]
    """Lower confidence bound of each value; -1e9 where it was not tried."""
    lead: NDArray[np.float64]
    target: NDArray[np.float64]
    """The improved policy; sums to 1."""


class Player:
    """Searches one game. `search` thinks and returns; `ponder` thinks in the background until the next call.

    Args:
        params: how to search.
        size: board size.
        evaluators: the networks, at most two. None: no network.
        roles: which of them gives the policy, and which the value; -1: none. Left out, one network gives both, of two the first
            gives the policy and the second the value.
        more_workers: for every further thread that evaluates, evaluators of the same networks: two batches side by side on a thread
            each take less time than one after the other on two. The tree does not depend on how many there are.
        weights: of the rollout policy, where `params` use it.
        threads: of rollouts (and of the search, without networks).
        memory_mib: limit of the tree, kept by pruning.
        threshold: fits `network_threshold`, or where networks are not asked by it `expansion_threshold`, to the networks' speed, in
            place of the constant in `params`.

    Thread safety: one calling thread; `stop` may be called from any.
    """

    def __init__(
        self,
        params: SearchParams,
        *,
        size: int = 9,
        evaluators: Sequence[Evaluator] = (),
        roles: tuple[int, int] | None = None,
        more_workers: Sequence[Sequence[Evaluator]] = (),
        weights: _core.RolloutWeights | None = None,
        threads: int = 1,
        memory_mib: float = 512,
        cache_mib: float = 64,
        threshold: AdaptiveThreshold | None = None,
    ) -> None:
        if len(evaluators) > 2:
            raise PlayerError(f"a player has at most a policy and a value network, got {len(evaluators)} networks")
        for evaluator in [*evaluators, *(e for worker in more_workers for e in worker)]:
            if evaluator.size != size:
                raise PlayerError(
                    f"the network was prepared for {evaluator.size}x{evaluator.size}, the game is {size}x{size}"
                )
        self.params = params
        self._threshold = threshold
        self._fixed: int | None = None
        self._workers = [(list(found), [e.buffers() for e in found]) for found in (evaluators, *more_workers)]
        """Evaluators and buffers of each thread, the calling one's first."""
        self._networks = len(evaluators)
        self._roles = ((-1, -1), (0, 0), (0, 1))[self._networks] if roles is None else roles
        self._pool = _core.SearchPool(
            size=size,
            networks=[e.feature_set for e in evaluators],
            threads=threads,
            memory_mib=memory_mib,
            cache_mib=cache_mib,
            weights=weights,
        )
        self._thread: threading.Thread | None = None
        self._failure: Exception | None = None
        self._stopping = threading.Event()
        self.new_game()

    def new_game(self, position: _core.Position | None = None, *, seed: int = 0) -> None:
        """Start from `position` (None: the empty board, komi 7.5), forgetting the tree."""
        self.stop()
        try:
            engine = _core.Engine(self.params.core(), *self._roles)
            self._pool.start(0, seed, [engine], position)
            self._set_threshold()
        except ValueError as error:
            raise PlayerError(str(error)) from None

    @property
    def position(self) -> _core.Position:
        """A copy of the position that is searched."""
        return self._pool.position(0)

    def play(self, action: int) -> None:
        """Play a move for the side to move; the part of the tree below it is kept.

        Raises:
            PlayerError: the move is not legal, or the game is over.
        """
        self.stop()
        try:
            self._pool.play(0, action)
        except ValueError as error:
            raise PlayerError(str(error)) from None

    def restrict(self, bans: Sequence[tuple[int, int, int]]) -> None:
        """Leave moves alone until the next play() or restrict(); the tree is forgotten unless there were none and are none.

        Args:
            bans: (color, action, plies): this color does not play this action at less than so many plies from here; 1 is the
                move to choose now. Where every move is banned, none is.

        Raises:
            PlayerError: a color, action or number that cannot be.
        """
        self.stop()
        try:
            self._pool.restrict(0, [(color - 1, action, plies) for color, action, plies in bans])
        except (ValueError, TypeError) as error:
            raise PlayerError(str(error)) from None

    def line(self, action: int, limit: int = 20) -> list[int]:
        """The moves expected after `action`, that one first: the most visited, at most `limit`. Not while pondering."""
        path = [action]
        while len(path) < limit:
            node = self._pool.children(0, path)
            if node is None or not node["visit_counts"].any():
                break
            path.append(int(node["actions"][int(node["visit_counts"].argmax())]))
        return path

    def line_visits(self, actions: Sequence[int]) -> list[int]:
        """Visits of the second, third, ... of these moves, played one after the other; 0 beyond the tree. Not while pondering."""
        visits = []
        for n in range(1, len(actions)):
            node = self._pool.children(0, list(actions[:n]))
            found = [] if node is None else node["visit_counts"][node["actions"] == actions[n]].tolist()
            visits.append(int(found[0]) if found else 0)
        return visits

    def search(
        self,
        simulations: int | None = None,
        *,
        seconds: float | None = None,
        stop_when: Callable[[], bool] | None = None,
    ) -> Report:
        """Think for so many simulations, so long, or until either is spent; `params.simulations` when neither is given.

        Args:
            stop_when: asked every few hundredths of a second; True ends the search.

        Raises:
            PlayerError: the game is over.
            KeyboardInterrupt: Ctrl-C; the tree stays usable.
        """
        self.stop()
        self._stopping.clear()
        if simulations is None and seconds is None:
            simulations = self.params.simulations
        start = time.perf_counter()
        deadline = None if seconds is None else start + seconds
        self._ask(UNLIMITED if simulations is None else simulations)
        try:
            self._work(deadline, stop_when)
        except KeyboardInterrupt:
            self._drain()
            raise
        return self.report(time.perf_counter() - start)

    def fix_threshold(self, visits: int | None) -> None:
        """From now on this many visits in place of what `threshold` says, which then learns nothing; None: `threshold` again.

        Without a `threshold` nothing changes.
        """
        self.stop()
        self._fixed = visits
        self._set_threshold()

    def _set_threshold(self) -> None:
        if self._threshold is not None:
            self._pool.set_threshold(0, self._threshold.visits if self._fixed is None else self._fixed)

    def ponder(self) -> None:
        """Think in the background, on the opponent's time, until stop(), play(), search() or new_game()."""
        self.stop()
        if self.position.is_over:
            return
        self._stopping.clear()
        self._ask(UNLIMITED)

        def think() -> None:
            try:
                self._work(None, None)
            except Exception as error:  # noqa: BLE001  # raised again by stop(), in the thread that called ponder()
                self._failure = error

        self._thread = threading.Thread(target=think, name="pondering", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End a search in progress, in a few milliseconds beyond the evaluation under way. What was found stays in the tree."""
        self._stopping.set()
        self._pool.stop()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()
            self._thread = None
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise failure

    @property
    def was_stopped(self) -> bool:
        """Whether the last search was ended by stop() or `stop_when`."""
        return self._stopping.is_set()

    def report(self, seconds: float = 0.0) -> Report:
        """What is known now. Not while pondering: stop() first."""
        root: dict[str, Any] = self._pool.root(0)
        return Report(
            **{name: root[name] for name in ("to_play", "move", "simulations", "visits", "value", "score")},
            **{name: root[name] for name in ("actions", "visit_counts", "priors", "q", "lcb", "lead")},
            target=root.get("target", np.zeros(0)),  # nothing is known about a position that no search has reached
            seconds=seconds,
        )

    def stats(self) -> dict[str, int]:
        """What was counted since this player was made: `simulations`, `rollouts`, `evaluations`, `tickets` (batches), and more."""
        return self._pool.stats()

    def _ask(self, simulations: int) -> None:
        try:
            self._pool.search(0, simulations)
        except ValueError as error:
            raise PlayerError(str(error)) from None

    def _work(self, deadline: float | None, stop_when: Callable[[], bool] | None) -> None:
        failures: list[Exception] = []
        ended = threading.Event()
        helpers = [
            threading.Thread(target=self._help, args=(worker, ended, failures), name="evaluator", daemon=True)
            for worker in range(1, len(self._workers))
        ]
        for helper in helpers:
            helper.start()
        try:
            while not self._pool.is_idle(0) and not ended.is_set():
                self._step()  # before anything is asked: however short the time, something is known about the moves then
                if stop_when is not None and stop_when():
                    self._stopping.set()
                if self._stopping.is_set() or (deadline is not None and time.perf_counter() >= deadline):
                    self._pool.stop()
        finally:
            ended.set()
            for helper in helpers:
                helper.join()
        if failures:
            raise failures[0]

    def _help(self, worker: int, ended: threading.Event, failures: list[Exception]) -> None:
        try:
            while not self._pool.is_idle(0) and not ended.is_set():
                self._step(worker)
        except Exception as error:  # noqa: BLE001  # raised again by the calling thread
            failures.append(error)
            self._pool.stop()
            ended.set()

    def _step(self, worker: int = 0) -> None:
        if not self._networks:
            self._pool.run(seconds=_SLICE_SECONDS)
            return
        evaluators, buffers = self._workers[worker]
        start = time.perf_counter()
        ticket = self._pool.collect(buffers)
        asked = answered = time.perf_counter()
        if ticket.rows:
            out = evaluators[ticket.network].evaluate(*buffers[ticket.network])
            answered = time.perf_counter()
            self._pool.apply(ticket, out.policy, out.value, out.score)
        if self._threshold is not None and self._fixed is None:
            visits = self._threshold.note(answered - asked, time.perf_counter() - start)
            if visits is not None:
                self._pool.set_threshold(0, visits)

    def _drain(self) -> None:
        """Bring back what is in flight, so that the tree can be used again."""
        self._pool.stop()
        while not self._pool.is_idle(0):
            self._step()
