"""Games that policies play without search: the core's draws, and whole games of networks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from alphago import _core
from alphago.go import BLACK, WHITE, Board, Rules
from alphago.nets.architecture import Residual
from alphago.nets.evaluator import Evaluator
from alphago.nets.modules import Network, build
from alphago.nets.openvino_runtime import OpenVinoEvaluator
from alphago.nets.rollout import load_rollout_weights
from alphago.nets.runtimes import make_evaluators
from alphago.search.status import status
from selfplay.policy_play import Side, Views, play_games, symmetry_of

A = 26


def numbers(*games: int) -> NDArray[np.int64]:
    return np.array(games, dtype=np.int64)


def started(count: int = 4, seed: int = 1, max_moves: int = 50) -> _core.PolicyGames:
    games = _core.PolicyGames(Board(5), count, max_moves)
    games.begin(np.arange(count), np.arange(count, dtype=np.uint64) + np.uint64(seed))
    return games


def logits_of(rows: int, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).normal(0, 2, (rows, A)).astype(np.float32)


def test_moves_are_drawn_by_their_probability() -> None:
    """20,000 games of one move each: every action's share is within 5 standard errors, and its log-probability is exact."""
    count = 20_000
    games = started(count)
    logits = np.repeat(logits_of(1), count, axis=0)
    actions, log_probs = games.play(np.arange(count), logits, 0.7)
    wanted = np.exp(logits[0].astype(np.float64) / 0.7)
    wanted /= wanted.sum()
    assert np.abs(log_probs - np.log(wanted[actions])).max() < 1e-5
    share = np.bincount(actions, minlength=A) / count
    assert (np.abs(share - wanted) < 5 * np.sqrt(wanted * (1 - wanted) / count) + 1e-9).all()


def test_only_legal_moves_are_drawn_and_the_mask_says_which() -> None:
    games = started(2, max_moves=200)
    boards = [Board(5), Board(5)]
    logits = logits_of(2, 3)
    logits[:, -1] = -4  # a pass now and then
    for _ in range(120):
        going = np.array(
            [g for g in range(2) if games.waiting(numbers(g), BLACK).size or games.waiting(numbers(g), WHITE).size]
        )
        if not going.size:
            break
        masks = games.masks(going)
        for row, g in enumerate(going.tolist()):
            assert (masks[row].astype(bool) == boards[g].legal_moves()).all()
        actions, log_probs = games.play(going, logits[going])
        for row, g in enumerate(going.tolist()):
            p = np.where(masks[row], np.exp(logits[g].astype(np.float64)), 0)
            assert log_probs[row] == pytest.approx(np.log(p[actions[row]] / p.sum()), abs=1e-5)
            boards[g].play(int(actions[row]))
    assert games.lengths(numbers(0, 1)).tolist() == [board.move_count for board in boards]
    assert games.scores(numbers(0, 1)).tolist() == [board.score() for board in boards]
    for g in range(2):
        assert games.position(g).moves() == boards[g].moves()


def test_no_temperature_is_the_largest_legal_logit() -> None:
    games = started(1)
    logits = np.zeros((1, A), np.float32)
    logits[0, [7, 9]] = 1.0
    for wanted in (7, 9, 0):  # the first of equals; then what is left
        actions, log_probs = games.play(numbers(0), logits, 0.0)
        assert actions.tolist() == [wanted] and log_probs.tolist() == [0.0]


def test_draws_depend_on_the_game_alone() -> None:
    together, alone = started(4), started(4)
    logits = logits_of(4)
    for _ in range(6):
        actions, _ = together.play(np.arange(4), logits)
        for g in (2, 0, 3, 1):
            assert alone.play(numbers(g), logits[g : g + 1])[0][0] == actions[g]
    other = started(4, seed=100)
    assert (other.play(np.arange(4), logits)[0] != started(4).play(np.arange(4), logits)[0]).any()
    together.begin(numbers(1), np.array([2], dtype=np.uint64))  # anew, with the seed it had: game 1 got 1 + 1
    again = started(4)
    assert together.play(numbers(1), logits[1:2])[0] == again.play(np.arange(4), logits)[0][1]


def test_inputs_are_those_of_the_board() -> None:
    games = started(2)
    games.play(np.arange(2), logits_of(2))
    planes = np.full((3, _core.feature_planes("rich"), 5, 5), 7, np.float32)
    globals_ = np.zeros((3, 7), np.float32)
    games.write(numbers(1, 0), "rich", planes, globals_)
    for row, g in ((0, 1), (1, 0)):
        board = Board(5)
        for color, action in games.position(g).moves():
            board.play(action, color)
        assert (planes[row] == board.planes("rich")).all() and (globals_[row] == board.globals()).all()
    assert (planes[2] == 7).all()


def test_a_game_ends_after_two_passes_or_at_its_length() -> None:
    passing = np.full((1, A), -50, np.float32)
    passing[0, -1] = 50
    games = started(1)
    assert games.waiting(numbers(0), BLACK).tolist() == [0] and not games.waiting(numbers(0), WHITE).size
    games.play(numbers(0), passing)
    assert games.waiting(numbers(0), WHITE).tolist() == [0]
    games.play(numbers(0), passing)
    assert not games.waiting(numbers(0), BLACK).size
    assert games.scores(numbers(0)).tolist() == [-Board(5).komi]
    with pytest.raises(ValueError, match="game 0 is over"):
        games.play(numbers(0), passing)
    short = started(1, max_moves=3)
    for _ in range(3):
        short.play(numbers(0), logits_of(1))
    assert not short.waiting(numbers(0), WHITE).size and short.lengths(numbers(0)).tolist() == [3]


def test_bad_arguments_are_named() -> None:
    games = started(2)
    bad = logits_of(2)
    bad[1, 5] = np.nan
    over = Board(5)
    over.pass_()
    over.pass_()
    for call, message in (
        (lambda: games.play(numbers(0, 2), logits_of(2)), r"games must be 0\.\.1, got 2"),
        (lambda: games.play(numbers(0), logits_of(1)[:, :9].copy()), r"logits must have shape \[1 or more, 26\]"),
        (lambda: games.play(numbers(0), logits_of(1), -1.0), "temperature must be 0 to 1000000"),
        (lambda: games.play(numbers(1), bad[1:]), "the logit of action 5 is not finite"),
        (lambda: games.waiting(numbers(0), 3), "color must be 1 or 2"),
        (
            lambda: games.begin(numbers(0, 1), np.zeros(1, np.uint64)),
            "seeds must have one entry for each of the 2 games",
        ),
        (lambda: games.position(-1), r"games must be 0\.\.1, got -1"),
        (
            lambda: games.write(numbers(0), "rich", np.zeros((1, 3, 5, 5), np.float32), np.zeros((1, 7), np.float32)),
            r"planes must have shape \[1 or more, \d+, 5, 5\]",
        ),
        (lambda: _core.PolicyGames(Board(5), 0, 9), r"count must be 1\.\.1048576, got 0"),
        (lambda: _core.PolicyGames(Board(5), 1, 0), "max_moves must be at least 1"),
        (lambda: _core.PolicyGames(over, 1, 9), "the game is over"),
    ):
        with pytest.raises(ValueError, match=message):
            call()


# --- whole games --------------------------------------------------------------------------------------------------------


def network(seed: int = 1) -> Network:
    return build(Residual(blocks=1, channels=8, feature_set="rich-fast"), seed=seed).eval()


@pytest.fixture(scope="module")
def evaluators() -> Sequence[Evaluator]:
    return make_evaluators(network(), 5, 4, precision="fp32", workers=2, threads=2, swappable=True)


@pytest.fixture(scope="module")
def others() -> Sequence[Evaluator]:
    return make_evaluators(network(2), 5, 4, precision="fp32", workers=2, threads=2)


def test_games_do_not_depend_on_the_workers(evaluators: Sequence[Evaluator], others: Sequence[Evaluator]) -> None:
    two = play_games(Board(5), Side(evaluators), Side(others), 12, 3, max_moves=40, record=True)
    one = play_games(Board(5), Side(evaluators[:1]), Side(others[:1]), 12, 3, max_moves=40, record=True)
    assert (two.results == one.results).all() and (two.lengths == one.lengths).all()
    assert one.steps is not None and two.steps is not None
    for name in vars(one.steps):
        assert (getattr(one.steps, name) == getattr(two.steps, name)).all(), name
    assert two.is_black.tolist() == [True, False] * 6


def test_what_is_recorded_is_what_the_first_side_saw_and_did(
    evaluators: Sequence[Evaluator], others: Sequence[Evaluator]
) -> None:
    """Recorded planes through the network again give the recorded log-probabilities, and the sides take turns."""
    import torch

    played = play_games(Board(5), Side(evaluators), Side(others), 6, 9, max_moves=40, record=True)
    steps = played.steps
    assert steps is not None
    out = network()(torch.from_numpy(steps.planes).float(), torch.from_numpy(steps.globals), None, ("policy",))[
        "policy"
    ]
    log_probs = out.detach().masked_fill(~torch.from_numpy(steps.masks), -torch.inf).log_softmax(1).numpy()
    assert np.abs(log_probs[np.arange(len(steps.actions)), steps.actions] - steps.log_probs).max() < 1e-3
    own = np.bincount(steps.game, minlength=6)
    first = np.where(played.is_black, (played.lengths + 1) // 2, played.lengths // 2)
    assert (own == first).all()
    # the empty board is what black sees first, and white sees one stone
    starts = np.searchsorted(steps.game, np.arange(6))
    empty = Board(5).planes("rich-fast").astype(np.uint8)
    assert [(steps.planes[k] == empty).all() for k in starts] == played.is_black.tolist()


def test_the_results_are_those_of_the_boards(evaluators: Sequence[Evaluator]) -> None:
    """A side that passes at once loses to komi as black, and as white wins by it where the other side only passes too."""

    class Passing:
        batch, feature_set = 4, "rich-fast"

        def buffers(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
            return evaluators[0].buffers()

        def evaluate(self, planes: NDArray[np.float32], globals_: NDArray[np.float32]) -> object:
            policy = np.full((4, A), -60, np.float32)
            policy[:, -1] = 60
            return type("Out", (), {"policy": policy})

    side = Side([Passing()])  # type: ignore[list-item]
    played = play_games(Board(5), side, side, 4, 1, max_moves=9, finish="as-it-stands")
    assert played.results.tolist() == [-1, 1, -1, 1] and played.lengths.tolist() == [2] * 4 and played.score == 0.5
    assert played.steps is None


def drawn(board: str, to_play: int, liked: str, settle: bool = True) -> tuple[_core.PolicyGames, int]:
    """One game of five lines from a diagram of X and O, in which a pass was drawn though `liked` came next; the action."""
    start = position(board, to_play)
    games = _core.PolicyGames(start, 1, 60, load_rollout_weights() if settle else None)
    games.begin(np.zeros(1, np.int64), np.array([3], np.uint64))
    logits = np.zeros((1, A), np.float32)
    logits[0, -1], logits[0, action_of(liked)] = 90, 5
    actions, _ = games.play(np.zeros(1, np.int64), logits, 1.0)
    return games, int(actions[0])


def position(board: str, to_play: int) -> _core.Position:
    rows = "".join(board.split())
    found = Board(5, komi=0.5)
    found.setup([i for i, p in enumerate(rows) if p == "X"], [i for i, p in enumerate(rows) if p == "O"], [])
    found.to_play = to_play
    return found


def action_of(point: str) -> int:
    return (5 - int(point[1])) * 5 + "ABCDE".index(point[0])


DAME = """. X . O .
          X X . O O
          . X . O .
          X X . O O
          . X . O ."""
"""Both sides live; the middle column is open."""


@pytest.mark.parametrize("to_play", [1, 2])
def test_an_open_point_is_played_instead_of_a_pass(to_play: int) -> None:
    """The likeliest of them; what is drawn, and learned from, is the pass."""
    for liked in ("C2", "C4"):
        games, action = drawn(DAME, to_play, liked)
        assert action == 25
        stones = games.position(0).stones()
        assert stones.flat[action_of(liked)] == to_play and (stones != 0).sum() == 15


@pytest.mark.parametrize("to_play", [1, 2])
def test_a_pass_stays_one_where_nothing_is_open_or_nobody_asked(to_play: int) -> None:
    full = DAME.replace("X . O", "X X O").replace("X X . O", "X X X O")
    games, _ = drawn(full, to_play, "A5")
    assert games.position(0).consecutive_passes == 1
    games, _ = drawn(DAME, to_play, "C2", settle=False)
    assert games.position(0).consecutive_passes == 1


def test_under_territory_scoring_a_pass_stays_one() -> None:
    start = Board(5, Rules.named("japanese"))
    games = _core.PolicyGames(start, 1, 60, load_rollout_weights())
    games.begin(np.zeros(1, np.int64), np.array([3], np.uint64))
    logits = np.zeros((1, A), np.float32)
    logits[0, -1] = 90
    games.play(np.zeros(1, np.int64), logits, 1.0)
    assert games.position(0).consecutive_passes == 1


def test_dead_stones_are_lifted_before_the_count() -> None:
    """One white stone in black's land is dead: with komi 0.5 black has all 25 points; as the board stands 1 to 24 are nobody's."""
    board = """. X . X .
               X X X X X
               . X . . .
               X X . O .
               . X . . ."""
    numbers = np.zeros(1, np.int64)
    settled = _core.PolicyGames(position(board, 1), 1, 60, load_rollout_weights())
    settled.begin(numbers, np.array([3], np.uint64))
    assert settled.scores(numbers).tolist() == [24.5] and (settled.owners(numbers) == 1).all()
    stands = _core.PolicyGames(position(board, 1), 1, 60)
    stands.begin(numbers, np.array([3], np.uint64))
    assert stands.scores(numbers)[0] == position(board, 1).area().sum() - 0.5 < 24.5
    assert (stands.owners(numbers)[0] == position(board, 1).area().ravel()).all()


def test_a_count_does_not_depend_on_the_counts_before_it() -> None:
    """What is kept of a position is never another position's, nor another seed's: asked after every move and asked once."""
    count = 12
    all_games = np.arange(count)
    seeds = np.arange(count, dtype=np.uint64) + np.uint64(5)
    often = _core.PolicyGames(Board(5), count, 60, load_rollout_weights())
    often.begin(all_games, seeds + np.uint64(100))
    often.owners(all_games)  # of the same stones under other seeds
    often.begin(all_games, seeds)
    draw = np.random.default_rng(2)
    asked = passes = 0
    for _ in range(40):
        going = np.concatenate([often.waiting(all_games, BLACK), often.waiting(all_games, WHITE)])
        if not going.size:
            break
        logits = draw.normal(0, 2, (going.size, A)).astype(np.float32)
        passes += int((often.play(going, logits, 1.0)[0] == A - 1).sum())
        for game in going.tolist():
            position = often.position(game)
            if position.consecutive_passes == 2:
                continue
            once = _core.PolicyGames(position, 1, 60, load_rollout_weights())
            once.begin(numbers(0), seeds[game : game + 1])
            assert (once.owners(numbers(0)) == often.owners(numbers(game))).all()
            asked += 1
    assert asked > 100 and passes > 5


def test_settled_counts_are_those_of_the_status() -> None:
    """Against the slower count of the bots, in games that random networks play to their end: the same winner in nine of ten."""
    start = Board(7)
    games = _core.PolicyGames(start, 60, 98, load_rollout_weights())
    numbers = np.arange(60)
    games.begin(numbers, numbers.astype(np.uint64))
    uniform = np.zeros((60, 50), np.float32)
    while len(going := np.sort(np.concatenate([games.waiting(numbers, color) for color in (1, 2)]))):
        games.play(going, uniform[: len(going)], 1.0)
    assert (games.owners(numbers).sum(axis=1) - start.komi == games.scores(numbers)).all()
    same = 0
    for number, score in enumerate(games.scores(numbers).tolist()):
        board = games.position(number)
        stones = np.where(status(board).dead_mask(7), 0, board.stones())
        lifted = Board(7)
        lifted.setup(np.flatnonzero(stones == 1).tolist(), np.flatnonzero(stones == 2).tolist(), [])
        same += np.sign(lifted.area().sum() - start.komi) == np.sign(score)
    assert same >= 54


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_weights_are_swapped_without_a_compilation(precision: str) -> None:
    """As inputs of the graph: the answers are those of an evaluator compiled for those weights, in clones too."""
    one, clone = make_evaluators(network(1), 5, 4, precision=precision, workers=2, threads=2, swappable=True)
    assert isinstance(one, OpenVinoEvaluator) and isinstance(clone, OpenVinoEvaluator)
    model = one._shared.compiled
    for seed in (2, 1, 3):
        one.swap_weights(network(seed))
        assert one._shared.compiled is clone._shared.compiled is model
        (wanted,) = make_evaluators(network(seed), 5, 4, precision=precision, threads=1)
        planes, globals_ = one.buffers()
        planes[...] = np.random.default_rng(seed).integers(0, 2, planes.shape)
        theirs = wanted.evaluate(planes, globals_)
        for mine in (one, clone):
            out = mine.evaluate(planes, globals_)
            for a, b in zip(out, theirs, strict=True):
                assert a is not None and b is not None
                assert np.abs(a - b).max() < (1e-5 if precision == "fp32" else 0.05)


# --- symmetries ---------------------------------------------------------------------------------------------------------


def test_views_are_those_of_the_features() -> None:
    """What is seen of a board is what its planes are under that symmetry, and actions go where their stones are seen."""
    board = Board(5, "tromp-taylor")
    for action in (1, 7, 23, 11):
        board.play(action)
    rows = np.arange(8)
    views = Views(5, rows)
    games = _core.PolicyGames(board, 8, 20)
    planes, globals_ = (
        np.zeros((8, _core.feature_planes("rich-fast"), 5, 5), np.float32),
        np.zeros((8, 7), dtype=np.float32),
    )
    games.write(rows, "rich-fast", planes, globals_, views.chosen)
    for symmetry in range(8):
        assert (planes[symmetry] == board.planes("rich-fast", symmetry)).all()
    games.write(rows, "rich-fast", planes, globals_)
    assert (planes == board.planes("rich-fast")).all()
    with pytest.raises(ValueError, match=r"symmetries must be 0\.\.7, got 8"):
        games.write(rows, "rich-fast", planes, globals_, np.full(8, 8, dtype=np.uint8))
    with pytest.raises(ValueError, match="symmetries must have one entry for each of the 8 games"):
        games.write(rows, "rich-fast", planes, globals_, np.zeros(7, dtype=np.uint8))
    masks = np.stack([board.legal_moves()] * 8)
    seen = views.seen(masks, rows)
    assert (views.of_board(seen, rows) == masks).all()
    for action in range(26):
        places = views.actions(np.full(8, action), rows)
        assert (seen[rows, places] == masks[:, action]).all()


def test_games_under_symmetries_are_games() -> None:
    """What is kept of a game is what was seen: the network says the same of it, and the moves are legal there."""
    net = network(1)
    one, other = (Side(make_evaluators(net, 5, 4, precision="fp32", workers=2, threads=2), 1.0) for _ in range(2))
    board = Board(5, "tromp-taylor")
    played = play_games(board, one, other, 24, 7, max_moves=20, finish="as-it-stands", record=True, symmetries=True)
    steps = played.steps
    assert steps is not None
    assert steps.masks[np.arange(len(steps.actions)), steps.actions].all()
    import torch

    with torch.no_grad():
        out = net(torch.from_numpy(steps.planes).float(), torch.from_numpy(steps.globals), None, ("policy",))["policy"]
    logits = out.masked_fill(~torch.from_numpy(steps.masks), -torch.inf).log_softmax(1).numpy()
    assert np.abs(logits[np.arange(len(steps.actions)), steps.actions] - steps.log_probs).max() < 1e-4
    assert len({symmetry_of(7, game) for game in range(24)}) >= 5
    plain = play_games(board, one, other, 24, 7, max_moves=20, finish="as-it-stands", record=True)
    assert plain.steps is not None and not np.array_equal(plain.steps.actions[:50], steps.actions[:50])
