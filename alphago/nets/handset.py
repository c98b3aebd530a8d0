"""Hand-set rollout weights: what ships until weights are trained. `python -m alphago.nets.handset` writes the file.

The numbers are common sense, tried out a little: capture, get out of atari, answer near the last move, cut and hane as in
MoGo (Gelly, Wang, Munos, Teytaud 2006, section 3.2), keep off the empty first line, do not put yourself into atari. Capture
and escape weigh about the same, for playouts in which one of the two is rare judge positions wrongly. Every group of features
has weights other than zero. All of it is integer arithmetic on hundredths, so every machine makes the same file.

Pattern groups are in this order below: 3x3 patterns, then response patterns and 12-point patterns, then the rest.
"""

import itertools
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from alphago import _core
from alphago.nets.pattern_keys import EMPTY, OFF, PLACE_SHIFT, PLACES, canonical, canonical_response, pack
from alphago.nets.rollout import RolloutArrays, save_rollout_weights
from alphago.nets.shipped import HANDSET, rollout_file

# --- 3x3 patterns -------------------------------------------------------------------------------------------------------

MAX_PATTERNS3: Final = 69_338
"""As many as AlphaGo had (Nature 529, Extended Data Table 4)."""

_CODES: Final = (0, 1, 2, 3, 5, 6, 7)  # what a point on the board may show
_SIDES: Final = (1, 3, 4, 6)
_CORNERS: Final = (0, 2, 5, 7)
_RARITY: Final = np.array([90, 330, 270, 160, 0, 330, 270, 160])
"""Hundredths of -log of how often a point shows each code in mid-game; decides which patterns are worth a place in the file."""

# Log weights in hundredths.
_CAPTURE = 150  # a neighbour in atari is taken
_RESCUE_BY_CAPTURE = 60  # and an own neighbour was in atari
_ATARI = 70  # a neighbour with two liberties is put into atari
_SELF_ATARI = -200  # no more than one liberty afterwards
_FALSE_EYE = -100  # own stones or the edge on all four sides
_EMPTY_EDGE = -200  # first line with nothing around
_MOGO = 100  # one of the patterns below
_WEAK_CUT = 40  # more when an orthogonal enemy has few liberties

# MoGo's patterns around the move in the middle. X and O are the two sides, either way round; x: not X; o: not O;
# . empty; ? anything on the board; - off the board.
_MOGO_PATTERNS: Final = (
    "XOX ... ???",  # hane, enclosing
    "XO. ... ?.?",  # hane, not cutting
    "XO? X.. x.?",  # hane, bent
    ".O. X.. ...",  # diagonal attachment
    "XO? O.o ?o?",  # cut, unprotected
    "XO? O.X ???",  # cut, peeped
    "?X? O.O ooo",  # cut between
    "OX? o.O ???",  # cut at the knight's move
    "X.? O.? ---",  # edge: chase
    "OX? X.O ---",  # edge: block the cut
    "?X? x.O ---",  # edge: block the connection
    "?OX X.O ---",  # edge: cut
)


def _grids() -> Iterator[NDArray[np.uint8]]:
    """uint8 [n, 8] codes of every pattern: interior, one edge (south), one corner (south-west)."""
    for off in ((), (5, 6, 7), (0, 3, 5, 6, 7)):
        free = [place for place in range(8) if place not in off]
        columns = np.meshgrid(*[np.array(_CODES, dtype=np.uint8)] * len(free), indexing="ij", copy=False)
        codes = np.full((columns[0].size, 8), OFF, dtype=np.uint8)
        for place, column in zip(free, columns, strict=True):
            codes[:, place] = column.ravel()
        yield codes


def _matches_mogo(codes: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """bool [n]: whether each pattern matches one of MoGo's, in any orientation and with either side as X."""
    mine = (codes >= 1) & (codes <= 3)
    theirs = codes > OFF
    empty, off = codes == EMPTY, codes == OFF
    found = np.zeros(len(codes), dtype=np.bool_)
    for x, o in ((mine, theirs), (theirs, mine)):
        kinds = {"X": x, "O": o, ".": empty, "-": off, "x": ~x & ~off, "o": ~o & ~off}
        for text in _MOGO_PATTERNS:
            rows = text.split()
            images = set()
            for flip in (rows, [row[::-1] for row in rows]):
                for _ in range(4):
                    flip = ["".join(column) for column in zip(*flip[::-1], strict=True)]
                    images.add("".join(flip))
            for image in sorted(images):
                hit = np.ones(len(codes), dtype=np.bool_)
                for place, letter in enumerate(image[:4] + image[5:]):
                    if letter == "?":
                        hit &= ~off[:, place]
                    else:
                        hit &= kinds[letter][:, place]
                found |= hit
    return found


def _weights3(codes: NDArray[np.uint8]) -> NDArray[np.int32]:
    """Log weights in hundredths, int32 [n], of 3x3 patterns uint8 [n, 8]."""
    sides = codes[:, _SIDES]
    n_empty = (sides == EMPTY).sum(1)
    capture = (sides == 5).any(1)
    atari = (sides == 6).any(1)
    in_atari = (sides == 1).any(1)
    own = ((sides >= 1) & (sides <= 3)).sum(1)
    # Liberties afterwards, counted low for weak neighbours: one of the two or three-or-more that a chain had is filled.
    liberties = n_empty + (sides == 2).sum(1) + 2 * (sides == 3).sum(1)
    off = (codes == OFF).sum(1)
    stones = ((codes != EMPTY) & (codes != OFF)).sum(1)

    weight = np.zeros(len(codes), dtype=np.int32)
    weight[capture] += _CAPTURE
    weight[capture & in_atari] += _RESCUE_BY_CAPTURE
    weight[atari & ~capture] += _ATARI
    weight[~capture & (liberties <= 1)] += _SELF_ATARI
    walled = own + (sides == OFF).sum(1) == 4
    weight[walled] += _FALSE_EYE
    weight[(off > 0) & (stones == 0)] += _EMPTY_EDGE
    mogo = _matches_mogo(codes) & (liberties >= 2)
    weight[mogo] += _MOGO
    weight[mogo & atari] += _WEAK_CUT
    # Suicide and true eyes are never played, whatever their weight.
    enemies_at_corners = (codes[:, _CORNERS] > OFF).sum(1) + (codes[:, _CORNERS] == OFF).any(1)
    weight[(~capture & (liberties == 0)) | (walled & (enemies_at_corners < 2))] = 0
    return weight


def pattern3_weights() -> tuple[NDArray[np.uint32], NDArray[np.float32]]:
    """Canonical 3x3 keys, ascending, and their weights: the most frequent ones whose weight is not zero."""
    keys, weights, rarities = [], [], []
    for codes in _grids():
        key, first = np.unique(canonical(pack(codes), 8), return_index=True)
        weight = _weights3(codes[first])
        keep = weight != 0
        keys.append(key[keep])
        weights.append(weight[keep])
        rarities.append(_RARITY[codes[first][keep]].sum(1))
    key, weight, rarity = (np.concatenate(parts) for parts in (keys, weights, rarities))
    order = np.lexsort((key, rarity))[:MAX_PATTERNS3]
    order = order[np.argsort(key[order])]
    return key[order].astype(np.uint32), _hundredths(weight[order])


# --- response patterns and 12-point patterns ----------------------------------------------------------------------------

_BORDERS: Final = ((), (8,), (0, 1, 2, 8))  # nothing off the board; second line; first line (north)


def _distance(a: int | None, b: int | None) -> int:
    """Manhattan distance between two places; None is the middle."""
    (ar, ac), (br, bc) = ((0, 0) if place is None else PLACES[place] for place in (a, b))
    return abs(ar - br) + abs(ac - bc)


def _touch(a: int | None, b: int | None) -> bool:
    return _distance(a, b) == 1


def _diagonal(a: int | None, b: int | None) -> bool:
    (ar, ac), (br, bc) = ((0, 0) if place is None else PLACES[place] for place in (a, b))
    return abs(ar - br) == 1 and abs(ac - bc) == 1


def _scenes() -> Iterator[tuple[list[int], int | None, int | None, int]]:
    """12 codes with at most one stone of the mover's and one of the opponent's: (codes, own, enemy, liberties of own)."""
    for border in _BORDERS:
        free = [place for place in range(12) if place not in border]
        bare = [OFF if place in border else EMPTY for place in range(12)]
        for own, enemy in itertools.product([None, *free], repeat=2):
            if own == enemy and own is not None:
                continue
            for own_code, enemy_code in itertools.product((1, 2, 3) if own is not None else (0,), (6, 7)):
                codes = list(bare)
                if own is not None:
                    codes[own] = own_code
                if enemy is not None:
                    codes[enemy] = enemy_code
                elif enemy_code == 7:
                    continue
                yield codes, own, enemy, own_code


def _response_weight(own: int | None, enemy: int | None, own_liberties: int, move: int) -> int:
    """Log weight in hundredths of answering the opponent's stone in the middle at `move`."""
    if own is None:
        return 0
    weight = 0
    if own_liberties == 1 and _touch(own, move):
        weight += 100  # run out of atari
    if _touch(own, None):
        if _touch(move, None) and _diagonal(move, own):
            weight += 80  # hane against a stone in contact
        elif _touch(move, own) and not _touch(move, None):
            weight += 50  # stretch away from it
    elif _diagonal(own, None) and _touch(move, own) and _touch(move, None):
        weight += 60  # keep a diagonal stone connected, stop the push
    elif _distance(own, None) == 2 and _touch(move, None) and _touch(move, own):
        weight += 30  # hold the gap of a one-point jump
    if enemy is not None and _touch(move, None) and _touch(move, enemy):
        weight += 70 if _touch(own, None) or _touch(own, enemy) else 25  # cut the stone off from its friend
    return weight


def response_weights() -> tuple[NDArray[np.uint64], NDArray[np.float32]]:
    """Canonical response keys, ascending, and their weights."""
    scenes, weights = [], []
    for codes, own, enemy, liberties in _scenes():
        for move in range(12):
            weight = _response_weight(own, enemy, liberties, move) if codes[move] == EMPTY else 0
            if weight:
                scenes.append([*codes, move])
                weights.append(weight)
    table = np.array(scenes, dtype=np.uint64)
    keys = canonical_response(pack(table[:, :12]) | table[:, 12] << np.uint64(PLACE_SHIFT))
    return _unique(keys, weights)


def _pattern12_weight(codes: list[int], own: int | None, enemy: int | None, own_liberties: int) -> int:
    """Log weight in hundredths of a move in the middle of such a scene, for the tree policy."""
    if own is None and enemy is None:
        return {0: 20, 1: -50, 4: -150}[codes.count(OFF)]  # empty: third line and up, second line, first line
    weight = 0
    if own is not None:
        weight += {1: -40, 2: 15 if own < 8 else 45}[_distance(own, None)]  # solid; diagonal; one-point jump
        weight += 60 if own_liberties == 1 and _touch(own, None) else 0
    if enemy is not None:
        weight += {1: -10, 2: 15 if enemy < 8 else 25}[_distance(enemy, None)]  # attach; shoulder; distance
    if own is not None and enemy is not None:
        if _touch(own, enemy):
            weight += 90 if _touch(enemy, None) else 70 if _touch(own, None) else 0  # hane; extend from contact
        elif _touch(own, None) and _touch(enemy, None):
            weight += 50  # push or block
    return weight


def pattern12_weights() -> tuple[NDArray[np.uint64], NDArray[np.float32]]:
    """Canonical 12-point keys, ascending, and their weights."""
    found = [(codes, _pattern12_weight(codes, own, enemy, liberties)) for codes, own, enemy, liberties in _scenes()]
    found = [(codes, weight) for codes, weight in found if weight]
    keys = canonical(pack(np.array([codes for codes, _ in found], dtype=np.uint64)), 12)
    return _unique(keys, [weight for _, weight in found])


# --- the rest, and the file ---------------------------------------------------------------------------------------------


def _nakade_weights() -> NDArray[np.float32]:
    """float32 [8192]: the vital point of a shape that was just captured is worth playing at once."""
    weights = np.zeros(8192, dtype=np.int32)
    shapes = {frozenset({(0, 0)})}
    for _ in range(6):
        shapes = {
            _normal(shape | {(r + dr, c + dc)})
            for shape in shapes
            for r, c in shape
            for dr, dc in ((-1, 0), (1, 0), (0, -1), (0, 1))
            if (r + dr, c + dc) not in shape
        }
        for shape in shapes:
            cells = sorted(shape)
            for index, vital in zip(_core.nakade_indices(cells), _core.nakade_vital(cells), strict=True):
                if vital:
                    weights[index] = 400
    return _hundredths(weights)


def _normal(cells: frozenset[tuple[int, int]]) -> frozenset[tuple[int, int]]:
    row, column = min(r for r, _ in cells), min(c for _, c in cells)
    return frozenset((r - row, c - column) for r, c in cells)


def _hundredths(values: Any) -> NDArray[np.float32]:
    """float32 of values given in hundredths: one correctly rounded division, the same everywhere."""
    return (np.asarray(values, dtype=np.float64) / 100).astype(np.float32)


def _unique(keys: NDArray[np.uint64], hundredths: list[int]) -> tuple[NDArray[np.uint64], NDArray[np.float32]]:
    """Ascending keys, each with the weight of its first appearance."""
    unique, first = np.unique(keys, return_index=True)
    return unique, _hundredths(np.array(hundredths)[first])


def handset_arrays() -> RolloutArrays:
    """Every tensor of the file (`alphago.nets.rollout.TENSORS`). Takes some seconds."""
    response_keys, response = response_weights()
    pattern3_keys, pattern3 = pattern3_weights()
    pattern12_keys, pattern12 = pattern12_weights()
    far = [130, 130, 110, 60, 40, 25, 10, 0, -10, -20, -30, -40, -50, -60, -70, -80, -90]
    return {
        "response": _hundredths(30),
        "save_atari": _hundredths(150),
        "neighbour": _hundredths([45, 60, 45, 60, 60, 45, 60, 45]),
        "nakade": _nakade_weights(),
        "response_keys": response_keys,
        "response_weights": response,
        "pattern3_keys": pattern3_keys,
        "pattern3_weights": pattern3,
        "self_atari": _hundredths(-200),
        "distance": _hundredths([far, [value // 2 for value in far]]),
        "pattern12_keys": pattern12_keys,
        "pattern12_weights": pattern12,
    }


def write_handset(path: Path) -> None:
    """Write the file to `path`. Raises WeightsError when that cannot be done."""
    save_rollout_weights(path, handset_arrays(), "hand-set by alphago.nets.handset")


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else rollout_file(HANDSET)
    write_handset(target)
    print(f"{target}: {target.stat().st_size:,} bytes")
