"""Tromp-Taylor area and territory."""

from collections.abc import Iterable

from .board import BLACK, EMPTY, WHITE, Grid, chains, neighbours

_SIGN = {EMPTY: 0, BLACK: 1, WHITE: -1}


def empty_regions(size: int, grid: Grid) -> list[tuple[frozenset[int], frozenset[int]]]:
    """Every maximal empty region with the colours that it touches."""
    found, seen = [], set[int]()
    for start in range(size * size):
        if start in seen or grid[start] != EMPTY:
            continue
        region, touched, todo = {start}, set[int](), [start]
        while todo:
            for near in neighbours(size, todo.pop()):
                if grid[near] != EMPTY:
                    touched.add(grid[near])
                elif near not in region:
                    region.add(near)
                    todo.append(near)
        seen |= region
        found.append((frozenset(region), frozenset(touched)))
    return found


def area(size: int, grid: Grid) -> list[int]:
    """+1 black, -1 white, 0 neither, for every point: stones, and empty points that reach one colour alone."""
    owner = [_SIGN[color] for color in grid]
    for region, touched in empty_regions(size, grid):
        if len(touched) == 1:
            for point in region:
                owner[point] = _SIGN[next(iter(touched))]
    return owner


def territory(size: int, grid: Grid, dead: Iterable[int], strict_seki: bool = False) -> list[int]:
    """Empty points, once the dead stones are lifted, that reach one colour alone.

    Strictly: a chain next to a point that reaches both colours is in seki, and a region that touches such a chain is
    nobody's.
    """
    lifted = set(dead)
    rest = tuple(EMPTY if point in lifted else color for point, color in enumerate(grid))
    regions = empty_regions(size, rest)
    dame = {point for region, touched in regions if len(touched) == 2 for point in region}
    seki = {stone for _, stones, liberties in chains(size, rest) if liberties & dame for stone in stones}
    owner = [0] * (size * size)
    for region, touched in regions:
        at_seki = any(near in seki for point in region for near in neighbours(size, point))
        if len(touched) == 1 and not (strict_seki and at_seki):
            for point in region:
                owner[point] = _SIGN[next(iter(touched))]
    return owner
