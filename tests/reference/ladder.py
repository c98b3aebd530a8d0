"""Ladder status by pure reading, word for word from docs/features.md."""

from __future__ import annotations

from dataclasses import dataclass

from .board import Board, Position, chain_at, opponent

NODE_LIMIT = 2000


class _OutOfNodes(Exception):
    pass


@dataclass(frozen=True)
class Reading:
    """The answer of one read, and how many nodes it took: near the limit the order of moves may decide."""

    captured: bool
    nodes: int


class _Reader:
    def __init__(self, size: int) -> None:
        self.nodes = 0
        self.max_depth = 2 * size * size

    def _enter(self) -> None:
        self.nodes += 1
        if self.nodes > NODE_LIMIT:
            raise _OutOfNodes

    def attack(self, position: Position, stone: int, depth: int = 0) -> bool:
        """Whether the chain on `stone` is captured when its attacker moves."""
        self._enter()
        if depth > self.max_depth:
            return False
        attacker = opponent(position.grid[stone])
        _, liberties = chain_at(position.size, position.grid, stone)
        if len(liberties) == 1:
            return position.play(next(iter(liberties)), attacker) is not None
        if len(liberties) >= 3:
            return False
        for liberty in sorted(liberties):
            after = position.play(liberty, attacker)
            if after is not None and not self.defend(after, stone, depth + 1):
                return True
        return False

    def defend(self, position: Position, stone: int, depth: int = 0) -> bool:
        """Whether the chain on `stone` is safe when its owner moves."""
        self._enter()
        if depth > self.max_depth:
            return True
        defender = position.grid[stone]
        if len(chain_at(position.size, position.grid, stone)[1]) >= 2:
            return True
        for point in rescue_moves(position, stone):
            after = position.play(point, defender)
            if after is not None and self._holds(after, stone, defender, depth + 1):
                return True
        return False

    def _holds(self, after: Position, stone: int, defender: int, depth: int) -> bool:
        """Whether the chain is safe once its owner has moved."""
        if after.grid[stone] != defender:
            return False  # the extension was suicide
        return len(chain_at(after.size, after.grid, stone)[1]) >= 3 or not self.attack(after, stone, depth)


def rescue_moves(position: Position, stone: int) -> list[int]:
    """For a chain with one liberty: that liberty, and the liberties of adjacent enemy chains that have one."""
    size, grid = position.size, position.grid
    stones, liberties = chain_at(size, grid, stone)
    moves = set(liberties)
    for own in stones:
        r, c = divmod(own, size)
        for near in (
            [own - size] * (r > 0) + [own + size] * (r < size - 1) + [own - 1] * (c > 0) + [own + 1] * (c < size - 1)
        ):
            if grid[near] == opponent(grid[stone]):
                their_liberties = chain_at(size, grid, near)[1]
                if len(their_liberties) == 1:
                    moves |= their_liberties
    return sorted(moves)


def attack(position: Position, stone: int) -> Reading:
    """Attacker to move: is the chain captured? Out of nodes: no."""
    reader = _Reader(position.size)
    try:
        return Reading(reader.attack(position, stone), reader.nodes)
    except _OutOfNodes:
        return Reading(False, reader.nodes)


def defend(position: Position, stone: int) -> Reading:
    """Defender to move: is the chain captured all the same? Out of nodes: no."""
    reader = _Reader(position.size)
    try:
        return Reading(not reader.defend(position, stone), reader.nodes)
    except _OutOfNodes:
        return Reading(False, reader.nodes)


def caught(board: Board, stone: int) -> Reading:
    """Plane 13 of `rich` for the chain on a point."""
    liberties = len(chain_at(board.size, board.grid, stone)[1])
    if liberties == 1:
        return defend(board.position(), stone)
    if liberties == 2:
        return attack(board.position(), stone)
    return Reading(False, 0)


def ladder_planes(board: Board) -> tuple[set[int], set[int], int]:
    """Planes 44 and 45 of `alphago48` as sets of points, and the largest number of nodes any read took."""
    size, grid, mover = board.size, board.grid, board.to_play
    position = board.position()
    captures, escapes, most = set[int](), set[int](), 0
    for point in range(size * size):
        if board.legality(point) != 0:
            continue
        after = position.play(point, mover)
        assert after is not None
        for stone in range(size * size):
            if grid[stone] == 0:
                continue
            liberties = chain_at(size, grid, stone)[1]
            if grid[stone] != mover and point in liberties and len(liberties) == 2 and point not in captures:
                reading = defend(after, stone)
                most = max(most, reading.nodes)
                if reading.captured:
                    captures.add(point)
            if (
                grid[stone] == mover
                and len(liberties) == 1
                and point in rescue_moves(position, stone)
                and point not in escapes
            ):
                if after.grid[stone] != mover:
                    continue
                now = len(chain_at(size, after.grid, stone)[1])
                reading = attack(after, stone) if now == 2 else Reading(now < 2, 0)
                most = max(most, reading.nodes)
                if not reading.captured:
                    escapes.add(point)
    return captures, escapes, most
