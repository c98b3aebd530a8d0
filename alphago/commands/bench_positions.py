"""Mid-game positions to measure input planes on: from game records, or made here when there are none."""

import gzip
import os
import random
import zlib
from collections.abc import Iterator
from pathlib import Path

from sgfmill import sgf

from alphago import _core
from alphago.errors import AlphaGoError

MID_GAME = (0.3, 0.7)
"""Which part of a recorded game counts as its middle."""

MID_BOARD = (0.2, 0.5)
"""The same in moves per point of the board, for playouts, which go on for long after a game would have ended."""


class BadGames(AlphaGoError):
    """Game records that are missing, unreadable, or hold no game of the wanted size."""


def made_positions(size: int, count: int, seed: int, weights: _core.RolloutWeights) -> list[_core.Position]:
    """`count` positions out of softmax playouts from the empty board, each from another playout. Same seed, same positions."""
    rng = random.Random(seed)
    area = size * size
    positions = []
    for _ in range(count):
        position = _core.Position(size)
        _, actions = position.playout("softmax", rng.getrandbits(64), weights)
        for action in actions[: rng.randint(int(MID_BOARD[0] * area), int(MID_BOARD[1] * area))]:
            if position.try_play(action) < 0:  # playouts know simple ko alone, the position superko too
                break
        positions.append(position)
    return positions


def recorded_positions(path: str | os.PathLike[str], size: int, count: int, seed: int) -> list[_core.Position]:
    """At most `count` positions, one from the middle of each game of this size, in the order of the records.

    Args:
        path: an .sgf file, an .sgfs or .sgfs.gz file with one SGF game a line, or a folder of such files.

    Raises:
        BadGames: names the file and line that cannot be read; or there is no game of this size.
    """
    rng = random.Random(seed)
    positions: list[_core.Position] = []
    for where, record in _records(Path(path)):
        position = _mid_game(where, record, size, rng)
        if position is not None:
            positions.append(position)
            if len(positions) == count:
                break
    if not positions:
        raise BadGames(
            f"{path}: no {size}x{size} game in it (expected .sgf files, or .sgfs.gz with one SGF game a line)"
        )
    return positions


def _records(path: Path) -> Iterator[tuple[str, bytes]]:
    """Each game's SGF and where it stands."""
    try:
        if path.is_dir():
            for file in sorted(path.rglob("*")):
                if file.name.endswith((".sgf", ".sgfs", ".sgfs.gz")):
                    yield from _records(file)
        elif path.name.endswith((".sgfs", ".sgfs.gz")):
            with gzip.open(path) if path.name.endswith(".gz") else path.open("rb") as lines:
                for number, line in enumerate(lines, start=1):
                    if line.strip():
                        yield f"{path}:{number}", line
        else:
            yield str(path), path.read_bytes()
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise BadGames(f"{path}: damaged or truncated gzip file: {error}") from None
    except OSError as error:
        raise BadGames(f"{path}: {error.strerror or error}") from None


def _mid_game(where: str, record: bytes, size: int, rng: random.Random) -> _core.Position | None:
    """A position from the middle; None for a game of another size, without moves, or with an illegal move before it."""
    try:
        game = sgf.Sgf_game.from_bytes(record)
        moves = [move for move in (node.get_move() for node in game.get_main_sequence()) if move[0] is not None]
        black, white, empty = game.get_root().get_setup_stones()
    except ValueError as error:
        raise BadGames(f"{where}: not an SGF game: {error}") from None
    if game.get_size() != size or not moves:
        return None

    def action(point: tuple[int, int] | None) -> int:
        return (
            size * size if point is None else (size - 1 - point[0]) * size + point[1]
        )  # SGF reader: row 0 at the bottom

    position = _core.Position(size)
    if position.setup([*map(action, black)], [*map(action, white)], [*map(action, empty)]) != 0:
        return None
    for colour, point in moves[: rng.randint(int(MID_GAME[0] * len(moves)), int(MID_GAME[1] * len(moves)))]:
        if position.try_play(action(point), 1 if colour == "b" else 2) < 0:
            return None
    return position
