"""Free polyominoes of up to seven cells, and which cell of a nakade shape is vital."""

from __future__ import annotations

from functools import cache

Cell = tuple[int, int]
Shape = frozenset[Cell]


def image(cell: Cell, symmetry: int) -> Cell:
    """A cell of the plane after one of the 8 symmetries about the origin."""
    r, c = cell
    if symmetry & 4:
        r, c = c, r
    return (-r if symmetry & 1 else r, -c if symmetry & 2 else c)


def anchored(cells: list[Cell]) -> tuple[Cell, ...]:
    """The cells moved so that the smallest row and column are 0, in the given order."""
    top, left = min(r for r, _ in cells), min(c for _, c in cells)
    return tuple((r - top, c - left) for r, c in cells)


def canonical_cell(shape: list[Cell], cell: Cell) -> tuple[tuple[Cell, ...], Cell]:
    """One name for (free shape, cell): equal exactly when a symmetry carries shape and cell onto each other."""
    names = []
    for symmetry in range(8):
        moved = anchored([image(each, symmetry) for each in [*shape, cell]])
        names.append((tuple(sorted(moved[:-1])), moved[-1]))
    return min(names)


@cache
def free_shapes(count: int) -> tuple[tuple[Cell, ...], ...]:
    """One representative of every free polyomino of `count` cells."""
    if count == 1:
        return (((0, 0),),)
    found = set()
    for smaller in free_shapes(count - 1):
        for r, c in smaller:
            for cell in ((r - 1, c), (r + 1, c), (r, c - 1), (r, c + 1)):
                if cell not in smaller:
                    found.add(min(tuple(sorted(anchored([image(x, s) for x in [*smaller, cell]]))) for s in range(8)))
    return tuple(sorted(found))
