"""Gymnasium environment `alphago/Go-v0`. Importing this module registers it; `gymnasium.make("alphago.go.env:alphago/Go-v0")`
imports it by itself.

The learner plays one colour, an opponent the other; with `opponent=None` the learner plays both. Observations are the input
planes of docs/features.md from the side to move. The episode ends after two passes in a row (reward +1, -1 or 0 for the
learner by the rules' score), by an illegal action (reward -1), or at the move limit (truncated, reward 0).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Literal

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from alphago.errors import AlphaGoError
from alphago.go.board import Board
from alphago.go.coords import BLACK, WHITE, Move, parse_color
from alphago.go.rules import Rules

ENV_ID: Final = "alphago/Go-v0"

OpponentFn = Callable[[Board, np.random.Generator], "Move | None"]
"""Chooses a move on a copy of the board; None passes. All its randomness should come from the generator."""


class BadEnvironment(AlphaGoError):
    """An environment parameter that cannot be, or a step outside an episode."""


def random_opponent(board: Board, rng: np.random.Generator) -> int:
    """Uniformly random over all legal actions, the pass and own eyes included."""
    legal = np.flatnonzero(board.legal_moves())
    return int(legal[rng.integers(len(legal))])


def light_opponent(board: Board, rng: np.random.Generator) -> int:
    """The light playout policy: uniformly random over legal moves that do not fill an own true eye; else a pass."""
    _, actions = board.playout("light", seed=int(rng.integers(2**63)), max_moves=1)
    return actions[0] if actions else board.size * board.size


_OPPONENTS: Final[dict[str, OpponentFn]] = {"random": random_opponent, "light": light_opponent}


class GoEnv(gymnasium.Env[NDArray[np.float32], np.int64]):
    """Go as a reinforcement-learning environment.

    Observation: float32 [planes, size, size] in [0, 1], the side to move's view. Action: 0..size*size, the last is the pass.

    `info` holds, at every reset and step:
        action_mask: int8 [size*size+1], 1 where the side to move may play.
        globals: float32 [7], the vector of globals of docs/features.md (komi, passes, ko rule...).
        to_play: 1 black, 2 white.
        learner: colour of the learner; with `opponent=None` the colour that rewards are for.
    and at the end of an episode
        score: black minus white, komi included, when two passes ended it;
        illegal: why the action was illegal ("occupied", "suicide", "ko", "superko", "off board"), when that ended it.
    """

    metadata: dict[str, Any] = {"render_modes": ["ansi", "human"], "render_fps": 4}  # noqa: RUF012  # as the base class

    def __init__(
        self,
        size: int = 9,
        rules: str | Rules = "tromp-taylor",
        komi: float | None = None,
        opponent: str | OpponentFn | None = "random",
        learner: int | str = "black",
        feature_set: str = "rich",
        max_moves: int | None = None,
        render_mode: Literal["ansi", "human"] | None = None,
    ) -> None:
        """Make an environment.

        Args:
            size: 2 to 19.
            rules: a named ruleset or `Rules`.
            komi: points for white; None takes the rules' own for this size.
            opponent: "random", "light", a callable (board, rng) -> move or None (a pass), or None: the learner plays both sides.
            learner: "black", "white", or "random" for a draw at each reset.
            feature_set: input planes of the observation.
            max_moves: the episode is truncated after this many moves of both sides; None is 4 * size * size.
            render_mode: "ansi" returns the diagram, "human" prints it.

        Raises:
            AlphaGoError: a parameter is none of these.
        """
        self._start = Board(size, rules, komi)
        self._feature_set = feature_set
        planes = self._start.planes(feature_set)
        if isinstance(opponent, str):
            if opponent not in _OPPONENTS:
                known = ", ".join(_OPPONENTS)
                raise BadEnvironment(
                    f"unknown opponent {opponent!r}; known: {known}, a callable (board, rng) -> move, or None"
                )
            opponent = _OPPONENTS[opponent]
        elif opponent is not None and not callable(opponent):
            raise BadEnvironment(f"opponent must be a name, a callable (board, rng) -> move, or None, got {opponent!r}")
        self._opponent: OpponentFn | None = opponent
        self._learner_choice = None if learner == "random" else parse_color(learner)
        if max_moves is not None and max_moves < 1:
            raise BadEnvironment(f"max_moves must be at least 1, got {max_moves}")
        self._max_moves = 4 * self._start.size**2 if max_moves is None else max_moves
        if render_mode is not None and render_mode not in self.metadata["render_modes"]:
            raise BadEnvironment(f"unknown render_mode {render_mode!r}; known: ansi, human")
        self.render_mode = render_mode
        self.observation_space = spaces.Box(0.0, 1.0, planes.shape, np.float32)
        self.action_space = spaces.Discrete(self._start.size**2 + 1)
        self._learner = self._learner_choice or BLACK
        self._board = self._start.copy()
        self._running = False

    @property
    def board(self) -> Board:
        """A copy of the current board."""
        return self._board.copy()

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Start an episode on an empty board; a learner with white sees the opponent's first move played. No options."""
        super().reset(seed=seed)
        self._board = self._start.copy()
        if self._learner_choice is None:
            self._learner = int(self.np_random.integers(BLACK, WHITE + 1))
        self._running = True
        if self._learner == WHITE:
            self._answer()
        self._show()
        return self._observation(), self._info()

    def step(self, action: np.int64) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        """Play the learner's action, then the opponent's answer.

        Raises:
            BadEnvironment: no episode is running.
            IllegalMove: a callable opponent chose an illegal move.
        """
        if not self._running:
            raise BadEnvironment("no episode is running; call reset() first")
        reason = self._board.why_illegal(action)
        if reason is not None:
            self._running = False
            return self._observation(), -1.0, True, False, {**self._info(), "illegal": reason}
        self._board.play(action)
        if not self._ended():
            self._answer()
        self._show()
        info = self._info()
        reward = 0.0
        if self._board.is_over:
            score = self._board.score()
            info["score"] = score
            reward = float(np.sign(score)) * (1.0 if self._learner == BLACK else -1.0)
        truncated = not self._board.is_over and self._ended()
        self._running = not self._ended()
        return self._observation(), reward, self._board.is_over, truncated, info

    def render(self) -> str | None:
        """The diagram: returned under "ansi", printed under "human"."""
        if self.render_mode == "ansi":
            return str(self._board)
        if self.render_mode == "human":
            print(self._board)
        return None

    def _show(self) -> None:
        """Gymnasium's convention: "human" draws by itself at every reset and step."""
        if self.render_mode == "human":
            self.render()

    def _ended(self) -> bool:
        return self._board.is_over or self._board.move_count >= self._max_moves

    def _answer(self) -> None:
        """The opponent's move, if there is an opponent and the game goes on."""
        if self._opponent is None or self._ended():
            return
        move = self._opponent(self._board.copy(), self.np_random)
        self._board.play("pass" if move is None else move)

    def _observation(self) -> NDArray[np.float32]:
        return self._board.planes(self._feature_set)

    def _info(self) -> dict[str, Any]:
        return {
            "action_mask": self._board.legal_moves().astype(np.int8),
            "globals": self._board.globals(),
            "to_play": self._board.to_play,
            "learner": self._learner,
        }


def register() -> None:
    """Make `gymnasium.make("alphago/Go-v0")` known. Doing it twice does no harm."""
    if ENV_ID not in gymnasium.registry:
        gymnasium.register(ENV_ID, entry_point="alphago.go.env:GoEnv")


register()
