"""The compiled core (cpp_ext/bindings.cpp). Use `alphago.go` unless you need the raw interface.

Colours: 0 empty, 1 black, 2 white. Actions: 0..size*size-1 row-major from the top left, pass = size*size.
Planes, ladders, pass-alive area and pattern features are defined in docs/features.md.
"""

from collections.abc import Sequence
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

# --- search: docs/search.md defines it --------------------------------------------------------------------------------

# One row a search parameter, from cpp_ext/include/ag/search_params.hpp: (name, kind, default, bounds, doc).
# kind: "float", "int", "bool" or "choice". bounds: (minimum, maximum) of numbers, () of bools, the names of choices.
SEARCH_PARAMS: list[tuple[str, str, float | int | bool | str, tuple[Any, ...], str]]

class SearchParams:
    def __init__(
        self, values: dict[str, Any] = ...
    ) -> None: ...  # ValueError names an unknown key or a value out of bounds
    def to_dict(self) -> dict[str, Any]: ...

class Engine:
    """How one side searches, and which networks of the pool it asks (-1: none; the same index twice: one network gives
    both outputs). No network and rollouts off: the uniform evaluator (equal priors, value 0)."""

    def __init__(self, params: SearchParams, policy: int = -1, value: int = -1) -> None: ...

class Ticket:
    """Positions handed out for evaluation: the first `rows` rows of its network's buffers. The others are left as they were."""

    @property
    def network(self) -> int: ...  # -1 when empty
    @property
    def rows(self) -> int: ...  # 0: nothing to evaluate now; apply() of it does nothing

class SearchPool:
    """Many games searched at once. Every method may be called from any thread; the long ones release the GIL.

    A slot holds one game; its tree (two when each colour has its own engine) survives moves. What a game does depends on its
    seed, position and engines alone: never on threads, slots, or what else the pool plays.
    """

    def __init__(
        self,
        size: int = 9,  # board size of every game of Go
        slots: int = 1,
        networks: list[str] = ...,  # the feature set of each
        threads: int = 1,  # of run(), and for rollouts while networks are evaluated
        memory_mib: float = 1024,  # limit of all trees together; each has an equal share, kept by pruning
        cache_mib: float = 64,  # evaluations, shared by the slots; 0 switches it off
        weights: RolloutWeights | None = None,  # needed by softmax rollouts and rollout priors
        game: str = "go",  # or "tictactoe"
    ) -> None: ...
    @property
    def size(self) -> int: ...
    @property
    def n_slots(self) -> int: ...
    @property
    def n_actions(self) -> int: ...  # size * size + 1, pass last; 9 in tictactoe
    def start(
        self,
        slot: int,
        seed: int,
        engines: list[Engine],  # one for both colours, or [black's, white's]
        position: Position | None = None,  # copied; None: empty board, komi 7.5, positional superko, area scoring
        autoplay: bool = False,  # plays to the end by itself; finished() hands the game out
        max_moves: int = 0,  # 0: 2 * size * size
    ) -> None: ...
    def search(self, slot: int, simulations: int) -> None: ...  # asks for more; 0: evaluates the root alone
    def is_idle(self, slot: int) -> bool: ...  # nothing is in flight or left to do
    def play(self, slot: int, action: int) -> None: ...  # legal, and only when idle; keeps the subtree
    def restrict(self, slot: int, bans: Sequence[tuple[int, int, int]]) -> None: ...
    # Until the next play() or restrict(): (side 0 or 1, action, plies below which it is left alone); forgets the tree.
    def set_threshold(self, slot: int, visits: int) -> None: ...
    # network_threshold where networks are asked by it, else expansion_threshold; until the next start(), while it thinks, too.
    def position(self, slot: int) -> Position: ...  # a copy
    def root(self, slot: int, target: bool = True) -> dict[str, Any]:
        """What the search of the side to move knows, when idle: to_play (1 black, 2 white), visits, value (-1..1, side to move),
        score (points, side to move; nan if unknown), simulations (since the last move), nodes, memory_bytes, move (what the
        parameters choose; -1: resign), and arrays over the legal moves in ascending order: actions uint16, priors float32
        (noise included once a simulation began), visit_counts, n_v, n_r uint32, w_v, w_r, q (nan unvisited), lcb, lead, target
        (sums to 1) float64."""

    def children(
        self, slot: int, path: list[int]
    ) -> dict[str, Any] | None: ...  # the same arrays below the root, if expanded
    def stop(
        self,
    ) -> (
        None
    ): ...  # searches end with what is in flight; autoplay games are given up. The next start() or search() ends it
    def finished(self) -> list[dict[str, Any]]:
        """Autoplay games that ended since the last call: slot, seed, size, moves uint16[n] (pass = size * size), colors uint8[n],
        root_value float32[n] (side to move), visit_offsets int64[n + 1] into visit_actions uint16, visit_counts uint32 and target
        float32; winner (1, 2, 0 a draw), score (black - white, komi included; nan if resigned), ended ("passes", "resign",
        "max_moves"), no_resign (resignation was off for this game), simulations."""

    def stats(self) -> dict[str, int]:
        """Since the pool was made: simulations, rollouts, evaluations (rows), cache_hits, cache_lookups, tickets, moves, games,
        prunings; and now: tree_bytes, cache_bytes."""

    def collect(self, buffers: list[tuple[NDArray[Any], NDArray[np.float32]]], min_rows: int = 1) -> Ticket:
        """Advances searches until a batch is full or nothing can move, and writes the leaves' inputs.

        buffers[i]: planes (float32 or uint8 [batch, planes, size, size]) and globals (float32 [batch, 7]) of network i. Fewer
        than `min_rows` rows are handed out only when no other ticket is out. Waits 2 ms at most, then gives an empty ticket."""

    def apply(
        self,
        ticket: Ticket,
        policy: NDArray[np.float32] | None = None,  # [>= rows, n_actions] logits
        value: NDArray[np.float32]
        | None = None,  # [>= rows, 3] logits of win, draw, loss (side to move), or [>= rows] -1..1
        score: NDArray[np.float32] | None = None,  # [>= rows] points, side to move
    ) -> None: ...  # ValueError when applied twice, on NaN, on wrong shapes; nothing is changed then
    def run(self, seconds: float = 0.0, games: int = 0) -> None:
        """Without networks: works until every slot is idle, `seconds` have passed or `games` autoplay games ended (0: no limit)."""

def gumbel_sequence(considered: int, simulations: int) -> list[int]:
    """Visits that the root move chosen by each simulation must have (sequential halving as in mctx)."""

# --- recorded games ---------------------------------------------------------------------------------------------------

class GameSet:
    """Games in memory, and batches of training examples from them. `alphago.data.game_set` makes one of a store."""

    def __init__(self, columns: dict[str, NDArray[Any]]) -> None:
        """Columns of docs/data.md, games one after the other. int64 [games + 1] `black_at`, `white_at`, `moves_at` and
        `ownership_at` say where each one's begin, `visits_at` (int64 [moves + 1] or []) where each turn's do.

        ValueError names a column that does not fit."""

    @property
    def games(self) -> int: ...
    @property
    def positions(self) -> int: ...  # moves of all games: the position before each is an example
    @property
    def max_size(self) -> int: ...
    @property
    def nbytes(self) -> int: ...
    def write(
        self,
        positions: NDArray[np.int64],  # [n], counted through all games
        symmetries: NDArray[np.uint8] | None,  # [n], 0..7
        feature_set: str,
        width: int,  # S; smaller boards sit in the top left corner
        out: dict[str, NDArray[Any]],
        threads: int = 1,
    ) -> None:
        """Fills what `out` holds of these, all from the side to move and turned by the symmetry:

        planes float32 or uint8 [n, planes, S, S], globals float32 [n, 7]; move, reply int64 [n] (row * S + column, the
        pass S * S, no reply -1); policy float32 [n, S * S + 1]; legal uint8 [n, S * S + 1]; outcome float32 [n, 3] win,
        draw, loss (all 0 where unknown); score, root_value float32 [n] (NaN where unknown); ownership float32 [n, S, S]
        (NaN where unknown and off the board). ValueError names a game that cannot be replayed."""

class PolicyGames:
    """Games that policies play without search, many at a time. Arrays of games hold numbers 0 to len - 1; different games may
    be used by different threads at a time."""

    def __init__(self, start: Position, count: int, max_moves: int, settle: RolloutWeights | None = None) -> None:
        """All at `start`. ValueError: nothing can be played there.

        With `settle`, games end as bots end theirs: where a pass is drawn while points are open, the likeliest of these is played
        in its place, and dead stones are lifted before the count; both by 32 softmax playouts of these weights. Only under
        area scoring.
        """

    def __len__(self) -> int: ...
    def begin(self, games: NDArray[np.int64], seeds: NDArray[np.uint64]) -> None:
        """Begin games anew; what is drawn in one is a function of its seed, the number of the move and the logits alone."""

    def waiting(self, games: NDArray[np.int64], color: int) -> NDArray[np.int64]:
        """Those of the games that go on with this colour to move."""

    def write(
        self,
        games: NDArray[np.int64],
        feature_set: str,
        planes: NDArray[np.float32],  # [n or more, planes, S, S], written
        globals: NDArray[np.float32],  # [n or more, 7], written
        symmetries: NDArray[np.uint8] | None = None,  # [n], 0..7: the board as it is seen; None: as it is
    ) -> None: ...
    def masks(self, games: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Legal moves of the side to move, 1 or 0, [n, S * S + 1], the pass last."""

    def play(
        self,
        games: NDArray[np.int64],
        logits: NDArray[np.float32],  # [n or more, S * S + 1]
        temperature: float = 1.0,
    ) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Draw a move in each game from the softmax of logits / temperature over the legal moves, and play it; temperature 0
        takes the largest logit. Actions [n] as drawn, and the logarithms of their probabilities [n], nats. ValueError: a game is
        over, a legal move's logit is not finite; the games before it have moved then."""

    def scores(self, games: NDArray[np.int64]) -> NDArray[np.float32]:
        """Black's area less white's, komi and bonus: of the boards as they stand, or without their dead stones."""

    def owners(self, games: NDArray[np.int64]) -> NDArray[np.int8]:
        """Whose each point is in that count, [n, S * S]: 1 black, -1 white, 0 nobody's."""

    def lengths(self, games: NDArray[np.int64]) -> NDArray[np.int32]:
        """Moves played."""

    def position(self, game: int) -> Position: ...

class RolloutFeatures:
    """Numbers of the features of the rollout and tree policies: response 0, save atari 1, neighbour 2, nakade 10,
    self-atari 8202, distance 8203, then the 3x3, response and 12-point patterns of the keys given."""

    def __init__(
        self,
        pattern3_keys: NDArray[np.uint32],
        response_keys: NDArray[np.uint64],
        pattern12_keys: NDArray[np.uint64],
    ) -> None:
        """Keys as in RolloutWeights. ValueError when they do not ascend or are not canonical."""

    def __len__(self) -> int: ...
    def read(
        self, games: GameSet, positions: NDArray[np.int64], tree: bool, threads: int = 1
    ) -> dict[str, NDArray[Any]]:
        """What the rollout policy may play at each position, and which features fire. Position i has moves first[i] to
        first[i + 1]: first int64 [n + 1]; played int64 [n] index among all moves of the batch, -1 when it is none of them (a
        pass, an own eye); pattern3 int32 [moves]; tree int32 [moves, 4] self-atari, two distances, 12-point pattern ([0, 4]
        without `tree`); extra_move, extra_feature int32 [extras], of position i extra_first[i] to extra_first[i + 1]. A
        feature of -1 is none."""

    def balance(
        self,
        games: GameSet,
        positions: NDArray[np.int64],
        targets: NDArray[np.float32],  # [n] expected outcomes for the side to move, -1..1
        weights: RolloutWeights,
        playouts: int,
        seed: int = 0,
        threads: int = 1,
    ) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
        """Simulation balancing: the gradient [len(self)] of -1/2 sum (target - mean outcome)^2, and the mean outcomes [n]."""

def count_patterns(
    games: GameSet, positions: NDArray[np.int64], kind: str, threads: int = 1
) -> tuple[NDArray[np.uint64], NDArray[np.int64], NDArray[np.int64]]:
    """Canonical keys, ascending, of pattern3, response or pattern12; how often each could be played, and was."""
