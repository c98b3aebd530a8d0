"""The compiled core (cpp_ext/bindings.cpp). Use `alphago.go` unless you need the raw interface.

Colours: 0 empty, 1 black, 2 white. Actions: 0..size*size-1 row-major from the top left, pass = size*size.
Planes, ladders, pass-alive area and pattern features are defined in docs/features.md.
"""

from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

MIN_SIZE: int
MAX_SIZE: int
BUILD_INFO: dict[str, str]  # compiler, flags, native, simd

# ko: 0 simple, 1 positional superko, 2 situational superko.  scoring: 0 area, 1 territory, 2 stones.
# legality codes: 0 legal, 1 occupied, 2 suicide, 3 ko, 4 superko, 5 off board.

class Position:
    """A game in progress: board, move and superko history, rules. Deep-copied by copy() and pickle."""

    @overload
    def __init__(self, position: Position) -> None:
        """A copy."""

    @overload
    def __init__(
        self,
        size: int,
        ko: int = 1,
        suicide: bool = True,
        scoring: int = 0,
        komi: float = 7.5,
        pass_stones: bool = False,
        white_bonus: float = 0.0,
    ) -> None:
        """ValueError on a size outside 2..19, unknown codes, or a komi/bonus that is not finite or beyond +-1000."""

    @property
    def size(self) -> int: ...
    @property
    def ko(self) -> int: ...
    @property
    def suicide(self) -> bool: ...
    @property
    def scoring(self) -> int: ...
    @property
    def pass_stones(self) -> bool: ...
    komi: float  # assignable; checked as in the constructor
    white_bonus: float  # points that white receives for handicap stones; assignable
    to_play: int  # 1 or 2; assignable
    @property
    def move_count(self) -> int: ...  # plays and passes since the last set-up
    @property
    def consecutive_passes(self) -> int: ...
    @property
    def is_over(self) -> bool: ...  # two consecutive passes
    @property
    def ko_point(self) -> int: ...  # action banned by simple ko for to_play, -1 if none
    @property
    def hash(self) -> int: ...  # 64-bit Zobrist hash of the stones alone; the same on every machine
    def captured(self, color: int) -> int: ...  # stones of `color` taken off the board so far
    def passes_by(self, color: int) -> int: ...  # passes made by `color` since the last set-up
    def copy(self) -> Position: ...
    def legality(self, action: int, color: int = 0) -> int: ...  # color 0: to_play
    def try_play(self, action: int, color: int = 0) -> int:
        """Plays when legal and returns the number of opponent stones captured (>= 0; stones lost by suicide do not count),
        else minus the legality code. Sets to_play to the opponent of `color`."""

    def undo(self) -> bool: ...  # takes the last play or pass since the last set-up back; False when there is none
    def setup(self, black: list[int], white: list[int], empty: list[int]) -> int:
        """Puts and removes stones, clears move and superko history. Returns 0, or the legality code of the problem
        (2: a chain would have no liberty; 5: off board) and then changes nothing."""

    def moves(self) -> list[tuple[int, int]]: ...  # (color, action) since the last set-up
    def stones(self) -> NDArray[np.uint8]: ...  # [size, size], 0/1/2
    def legal_mask(self, color: int = 0) -> NDArray[np.bool_]: ...  # [size*size+1]; pass is always legal
    def liberties(self, action: int) -> int: ...  # 0 on an empty point
    def liberty_points(self, action: int) -> list[int]: ...
    def chain(self, action: int) -> list[int]: ...  # ascending; empty list on an empty point
    def is_eye(self, action: int, color: int) -> bool: ...
    def ladder_captured(self, action: int) -> bool: ...  # plane 13 of `rich` at this point
    # Planes 44 and 45 of alphago48, [size, size] each.
    def ladder_moves(self) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]: ...
    def pass_alive(self, color: int) -> NDArray[np.bool_]: ...  # [size, size]
    def area(self) -> NDArray[np.int8]: ...  # Tromp-Taylor: [size, size], +1 black, -1 white, 0 neither
    def territory(self, dead: NDArray[np.bool_], strict_seki: bool = False) -> NDArray[np.int8]:
        """Empty points (after the dead stones [size, size] are lifted) that belong to black (+1) or white (-1).
        `strict_seki`: what borders a chain next to a neutral point is nobody's (article 8 of the Japanese rules)."""

    def playout(
        self,
        policy: str = "light",
        seed: int = 0,
        weights: RolloutWeights | None = None,
        max_moves: int = 0,
        mercy: int = 0,
    ) -> tuple[int, list[int]]:
        """One playout from here: (black area minus white area without komi, actions played, passes included).
        A game that is over has none."""

    def playouts(
        self,
        policy: str,
        count: int,
        seed: int = 0,
        weights: RolloutWeights | None = None,
        max_moves: int = 0,
        mercy: int = 0,
        threads: int = 1,
    ) -> tuple[NDArray[np.int16], NDArray[np.int32]]:
        """`count` playouts: area differences (black - white, no komi) and lengths. Playout i depends on (seed, i) alone."""

    def rollout_probabilities(self, weights: RolloutWeights) -> NDArray[np.float64]: ...  # [size*size+1]; pass last
    def tree_probabilities(self, weights: RolloutWeights) -> NDArray[np.float64]: ...  # [size*size+1]
    def __getstate__(self) -> bytes: ...
    def __setstate__(self, state: bytes) -> None: ...

class RolloutWeights:
    """Weights of the rollout and tree policies, ready for use. Natural logs; 0 = neutral. Shared between threads."""

    def __init__(
        self,
        response: float,
        save_atari: float,
        neighbour: NDArray[np.float32],  # [8]
        nakade: NDArray[np.float32],  # [8192]
        response_keys: NDArray[np.uint64],  # [n], canonical key | place << 36, strictly ascending
        response_weights: NDArray[np.float32],  # [n]
        pattern3_keys: NDArray[np.uint32],  # [m], canonical, strictly ascending
        pattern3_weights: NDArray[np.float32],  # [m]
        self_atari: float,
        distance: NDArray[np.float32],  # [2, 17]
        pattern12_keys: NDArray[np.uint64],  # [k], canonical, strictly ascending
        pattern12_weights: NDArray[np.float32],  # [k]
    ) -> None:
        """ValueError names the array and what is wrong with it (shape, order, not canonical, not finite, beyond +-10)."""

def canonical3(key: int) -> int: ...
def canonical12(key: int) -> int: ...
def canonical_response(key: int) -> int: ...
def nakade_indices(cells: list[tuple[int, int]]) -> list[int]:
    """Nakade indices of each (row, column) cell of a connected shape of 1 to 7 cells, in the order given."""

def nakade_vital(cells: list[tuple[int, int]]) -> list[bool]: ...  # whether each cell is the shape's vital point
def feature_planes(feature_set: str) -> int: ...  # ValueError names the known sets
def write_planes(
    positions: list[Position],
    feature_set: str,
    out: NDArray[Any],  # float32 or uint8, C-contiguous, [len(positions), planes, S, S]
    symmetries: NDArray[np.uint8] | None = None,  # [len(positions)], 0..7
    threads: int = 1,
) -> None: ...
def write_globals(positions: list[Position], out: NDArray[np.float32]) -> None: ...  # [len(positions), 7]
def bench_playouts(
    size: int, policy: str, seconds: float, threads: int = 1, seed: int = 0, weights: RolloutWeights | None = None
) -> dict[str, float]: ...  # playouts, moves, seconds (of the slowest thread)
def bench_features(
    positions: list[Position], feature_set: str, dtype: str, seconds: float, threads: int = 1
) -> dict[str, float]: ...  # positions, seconds
