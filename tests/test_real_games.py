"""Every move of real games is legal: AlphaGo's own games, 9-dan games, 9x9 games of a program."""

import pytest

from alphago import _core
from reference import games


def replay(record: games.Record, ko: int, suicide: bool) -> _core.Position:
    """Plays the main line; fails at the first illegal move."""
    position = _core.Position(record.size, ko=ko, suicide=suicide)
    assert position.setup(record.black, record.white, []) == 0, record.name
    for number, (color, action) in enumerate(record.moves, start=1):
        assert position.try_play(action, color) >= 0, f"{record.name}: move {number} {(color, action)}"
    assert position.moves() == record.moves
    return position


def test_alphago_games() -> None:
    """The published games of AlphaGo, Master and AlphaGo Zero, under simple ko as in the Chinese rules they state."""
    records = games.alphago_games()
    assert len(records) > 200
    moves = sum(replay(record, ko=0, suicide=False).move_count for record in records)
    assert moves > 30_000
    assert max(len(record.moves) for record in records) > 250


def test_tygem_games() -> None:
    """9-dan games from every month of the collection, under simple ko."""
    records = games.tygem_games(320)
    assert len(records) == 320
    assert sum(replay(record, ko=0, suicide=False).move_count for record in records) > 40_000


@pytest.mark.parametrize("ko", [0, 1])
def test_expert_9x9_games(ko: int) -> None:
    """Games that were played under positional superko are legal under it, and so under simple ko."""
    records = games.expert_games(400)
    assert len(records) == 400
    assert sum(replay(record, ko=ko, suicide=True).move_count for record in records) > 20_000
