"""Pass-alive area (Benson 1976), from docs/features.md."""

from .board import EMPTY, Grid, chains, neighbours


def regions_without(size: int, grid: Grid, color: int) -> list[frozenset[int]]:
    """Maximal 4-connected sets of points that hold no stone of `color`."""
    found, seen = [], set[int]()
    for start in range(size * size):
        if start in seen or grid[start] == color:
            continue
        region, todo = {start}, [start]
        while todo:
            for near in neighbours(size, todo.pop()):
                if grid[near] != color and near not in region:
                    region.add(near)
                    todo.append(near)
        seen |= region
        found.append(frozenset(region))
    return found


def borders(size: int, region: frozenset[int], stones: frozenset[int]) -> bool:
    """Whether a region touches a chain."""
    return any(near in stones for point in region for near in neighbours(size, point))


def pass_alive(size: int, grid: Grid, color: int) -> set[int]:
    """Points of the pass-alive area of `color`."""
    alive = [(stones, liberties) for owner, stones, liberties in chains(size, grid) if owner == color]
    regions = regions_without(size, grid, color)

    def vital(region: frozenset[int], liberties: frozenset[int]) -> bool:
        empty = {point for point in region if grid[point] == EMPTY}
        return bool(empty) and empty <= liberties

    while True:
        kept = [chain for chain in alive if sum(vital(region, chain[1]) for region in regions) >= 2]
        dropped = [chain for chain in alive if chain not in kept]
        left = [region for region in regions if not any(borders(size, region, stones) for stones, _ in dropped)]
        if len(kept) == len(alive) and len(left) == len(regions):
            break
        alive, regions = kept, left
    area = set[int]()
    for stones, _ in alive:
        area |= stones
    for region in regions:
        if any(vital(region, liberties) for _, liberties in alive):
            area |= region
    return area
