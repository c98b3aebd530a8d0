"""Where handicap stones go (GTP version 2, section 4.1.1), and where a diagram shows star points."""

from alphago.go.coords import check_size
from alphago.go.errors import BadBoard


def _edge_line(size: int) -> int:
    """Distance from the edge of the corner handicap points, 0 being the first line: third line below 13x13, else fourth."""
    return 2 if size < 13 else 3


def max_fixed_handicap(size: int) -> int:
    """Most stones that a fixed handicap may have: 0 below 7x7, 4 on 7x7 and on even boards, else 9."""
    check_size(size)
    if size < 7:
        return 0
    return 4 if size == 7 or size % 2 == 0 else 9


def fixed_handicap_points(size: int, stones: int) -> list[tuple[int, int]]:
    """(row, column) of each stone of a fixed handicap, in the order of the GTP specification.

    Args:
        size: 7 to 19; smaller boards have no fixed handicap.
        stones: 2 to 9 on odd boards from 9x9 on, 2 to 4 on 7x7 and on even boards.

    Raises:
        BadBoard: the board has no such handicap.
    """
    most = max_fixed_handicap(size)
    if not 2 <= stones <= most:
        allowed = f"2 to {most} stones" if most else "none (7x7 is the smallest that has)"
        raise BadBoard(f"no fixed handicap of {stones} stones on {size}x{size}; it has {allowed}")
    low = _edge_line(size)
    high, middle = size - 1 - low, size // 2
    corners = [(high, low), (low, high), (low, low), (high, high)]
    sides = [(middle, low), (middle, high), (high, middle), (low, middle)]
    if stones <= 4:
        return corners[:stones]
    centre = [(middle, middle)] if stones % 2 else []
    return corners + sides[: (stones - 4) // 2 * 2] + centre


def star_points(size: int) -> frozenset[tuple[int, int]]:
    """(row, column) of the points that a diagram marks with +."""
    check_size(size)
    low, middle = _edge_line(size), size // 2
    lines = (low, size - 1 - low)
    points = {(r, c) for r in lines for c in lines} if size >= 7 else set()
    if size % 2 and size >= 5:
        points.add((middle, middle))
        if size >= 15:
            points.update((r, middle) for r in lines)
            points.update((middle, c) for c in lines)
    return frozenset(points)
