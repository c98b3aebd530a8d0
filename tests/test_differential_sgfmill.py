"""At least 100,000 random moves side by side with sgfmill's board: stones, captures, the simple-ko point, area."""

import random

import numpy as np
import pytest
from sgfmill.boards import Board

from alphago import _core

NAMES = {None: 0, "b": 1, "w": 2}


def sgfmill_stones(board: Board) -> list[int]:
    """Colours row by row, in sgfmill's own row order; which end is up makes no difference to the rules."""
    return [NAMES[color] for row in board.board for color in row]


def play_game(rng: random.Random, size: int, turns: int, suicide: bool) -> tuple[int, int, int]:
    """One random game without superko. Returns (moves played, stones captured, ko points met)."""
    core = _core.Position(size, ko=0, suicide=suicide)
    slow = Board(size)
    moves = captured = kos = 0
    for turn in range(turns):
        color = core.to_play if rng.random() < 0.97 else rng.choice((1, 2))
        legal = np.flatnonzero(core.legal_mask(color)[:-1])
        sensible = [point for point in legal.tolist() if rng.random() < 0.05 or not core.is_eye(point, color)]
        if not sensible:
            core.try_play(size * size, color)
            if core.is_over:
                break
            continue
        action = rng.choice(sensible)
        before = sgfmill_stones(slow)
        ko = slow.play(action // size, action % size, "bw"[color - 1])
        after = sgfmill_stones(slow)
        own_before = core.captured(color)
        taken = core.try_play(action, color)
        moves += 1
        assert core.stones().reshape(-1).tolist() == after, (size, turn, action, color)
        assert taken == before.count(3 - color) - after.count(3 - color)
        assert core.captured(color) - own_before == before.count(color) + 1 - after.count(color)
        assert core.ko_point == (-1 if ko is None else ko[0] * size + ko[1]), (size, turn, action, color)
        captured += taken
        kos += ko is not None
    assert int(core.area().sum()) == slow.area_score()
    return moves, captured, kos


@pytest.mark.parametrize(("size", "moves"), [(5, 25_000), (9, 35_000), (13, 22_000), (19, 20_000)])
def test_random_games_agree_with_sgfmill(size: int, moves: int) -> None:
    """Random games, with eyes filled now and then and sides playing out of turn, until enough moves were compared."""
    rng = random.Random(size)
    done = captured = kos = games = 0
    while done < moves:
        counts = play_game(rng, size, 4 * size * size, suicide=games % 2 == 0)
        done, captured, kos, games = done + counts[0], captured + counts[1], kos + counts[2], games + 1
    assert captured > moves // 20, "these games must contain captures"
    assert kos > moves // 2000, "these games must contain ko"


@pytest.mark.parametrize("size", [2, 3, 5, 9])
def test_illegal_moves_are_those_sgfmill_would_mishandle(size: int) -> None:
    """Without suicide, exactly the plays that leave sgfmill's board without the new stone are illegal, ko aside."""
    rng = random.Random(100 + size)
    checked = 0
    for _ in range(40):
        core, slow = _core.Position(size, ko=0, suicide=False), Board(size)
        for _ in range(2 * size * size):
            for action in range(size * size):
                if core.stones().reshape(-1)[action] or action == core.ko_point:
                    continue
                trial = slow.copy()
                trial.play(action // size, action % size, "bw"[core.to_play - 1])
                stays = trial.get(action // size, action % size) is not None
                assert (core.legality(action) == 0) == stays
                assert core.legality(action) in (0, 2)
                checked += not stays
            legal = np.flatnonzero(core.legal_mask()[:-1])
            if not len(legal):
                break
            action = int(rng.choice(legal.tolist()))
            slow.play(action // size, action % size, "bw"[core.to_play - 1])
            core.try_play(action)
    assert checked > 20
