"""One game is one row: the schema that every stage reads and writes, and the rows that a search pool's records become.

docs/data.md describes every column. A row in memory is a dictionary by column name; columns of numbers are NumPy arrays of the
column's type, absent values None. Features are never stored: whoever wants planes replays the game.
"""

import json
import math
from collections.abc import Iterable, Mapping
from typing import Any, Final, TypeAlias

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from alphago import _core
from alphago.errors import AlphaGoError
from alphago.go import BLACK, ILLEGAL_REASONS, MAX_SIZE, MIN_SIZE, WHITE, action_to_gtp, color_name

KIND: Final = "games"
VERSION: Final = 1

HUMAN: Final = 0
POLICY: Final = 1
SEARCH: Final = 2
RANDOM: Final = 3
CHOOSERS: Final = ("human", "policy", "search", "random")
"""Names of the values of `chosen_by`: a person, a policy's sample, a search, chance."""

ENDINGS: Final = ("passes", "resign", "max_moves", "time", "forfeit", "unknown")

GameRow: TypeAlias = dict[str, Any]


def _list(item: Any) -> Any:
    return pa.list_(pa.field("element", item, nullable=False))


def _field(name: str, kind: Any, nullable: bool = False) -> Any:
    return pa.field(name, kind, nullable=nullable)


SCHEMA: Final = pa.schema(
    [
        _field("game_id", pa.string()),
        _field("index", pa.int64()),
        _field("size", pa.uint8()),
        _field("ko", pa.uint8()),
        _field("suicide", pa.bool_()),
        _field("scoring", pa.uint8()),
        _field("pass_stones", pa.bool_()),
        _field("komi", pa.float32()),
        _field("white_bonus", pa.float32()),
        _field("setup_black", _list(pa.uint16())),
        _field("setup_white", _list(pa.uint16())),
        _field("moves", _list(pa.uint16())),
        _field("colors", _list(pa.uint8())),
        _field("chosen_by", _list(pa.uint8())),
        _field("winner", pa.int8()),
        _field("score", pa.float32(), nullable=True),
        _field("ended", pa.string()),
        _field("no_resign", pa.bool_()),
        _field("black", pa.string(), nullable=True),
        _field("white", pa.string(), nullable=True),
        _field("black_rank", pa.string(), nullable=True),
        _field("white_rank", pa.string(), nullable=True),
        _field("date", pa.string(), nullable=True),
        _field("source", pa.string(), nullable=True),
        _field("seed", pa.uint64()),
        _field("networks", _list(pa.string())),
        _field("root_value", _list(pa.float32())),
        _field("visit_offsets", _list(pa.int64())),
        _field("visit_actions", _list(pa.uint16())),
        _field("visit_counts", _list(pa.uint32())),
        _field("target", _list(pa.float32()), nullable=True),
        _field("full_search", _list(pa.bool_()), nullable=True),
        _field("ownership", _list(pa.int8()), nullable=True),
        _field("simulations", pa.int64()),
    ],
    metadata={"alphago": json.dumps({"kind": KIND, "version": VERSION})},
)

ARRAYS: Final[dict[str, np.dtype[Any]]] = {
    field.name: np.dtype(field.type.value_type.to_pandas_dtype())
    for field in SCHEMA
    if pa.types.is_list(field.type) and not pa.types.is_string(field.type.value_type)
}
"""dtype of each column that holds an array a game."""

_RULES: Final = ("ko", "suicide", "scoring", "pass_stones", "komi", "white_bonus")
_TARGET_TOLERANCE: Final = 1e-6  # float32 rounding of counts / sum, with room to spare
_SCORE_TOLERANCE: Final = 1e-3  # komi and score are float32


def no_search() -> GameRow:
    """The columns of a game without searches that say so; `root_value` and `simulations` are the caller's to set."""
    return {
        "visit_offsets": np.zeros(0, np.int64),
        "visit_actions": np.zeros(0, np.uint16),
        "visit_counts": np.zeros(0, np.uint32),
        "target": None,
        "full_search": None,
        "ownership": None,
    }


class GameDataError(AlphaGoError):
    """A game, or a file of games, that cannot be used; the message names the file or the game and what is wrong."""


def row_from_pool(
    record: Mapping[str, Any],
    *,
    game_id: str,
    index: int,
    rules: _core.Position | Mapping[str, Any],
    source: str | None,
    networks: Iterable[str],
    black: str | None = None,
    white: str | None = None,
    date: str | None = None,
) -> GameRow:
    """The row of a game that `SearchPool.finished()` handed out.

    Args:
        record: one of its dictionaries.
        game_id: a name that no other game has.
        index: number of the game in its run, from 0.
        rules: the position that the game started from; or, for a game from the empty board, a mapping with any of `ko`,
            `suicide`, `scoring` (the core's codes), `pass_stones`, `komi`, `white_bonus`, the core's defaults for the others.
            Moves that lead to the position become the row's first moves, chosen by chance and without a search.
        networks: ids of the networks that played: one for both colours, or black's and white's; none for none.
        black, white: names of the players.
        date: the day, as YYYY-MM-DD.

    Returns:
        The row, checked by `validate`. `target` is None where it is the visits' share to float32 precision; `ownership` comes
        from replaying the game, and is None where it was resigned.

    Raises:
        GameDataError: the game cannot be replayed under these rules, or the record contradicts itself.
    """
    size, n = int(record["size"]), len(record["moves"])
    start = rules if isinstance(rules, _core.Position) else _empty_board(size, rules)
    before = start.moves()
    first = start.copy()
    while first.undo():
        pass
    stones = first.stones().ravel()
    counts = np.asarray(record["visit_counts"], dtype=np.uint32)
    offsets = np.asarray(record["visit_offsets"], dtype=np.int64)
    target: NDArray[np.float32] | None = np.asarray(record["target"], dtype=np.float32)
    if _is_share_of_visits(target, counts, offsets):
        target = None
    resigned = record["ended"] == "resign"
    row: GameRow = {
        "game_id": game_id,
        "index": index,
        "size": size,
        **{name: getattr(start, name) for name in _RULES},
        "setup_black": np.flatnonzero(stones == BLACK).astype(np.uint16),
        "setup_white": np.flatnonzero(stones == WHITE).astype(np.uint16),
        "moves": np.concatenate([np.array([a for _, a in before], np.uint16), record["moves"]]),
        "colors": np.concatenate([np.array([c for c, _ in before], np.uint8), record["colors"]]),
        "chosen_by": np.repeat(np.array([RANDOM, SEARCH], np.uint8), [len(before), n]),
        "winner": int(record["winner"]),
        "score": None if resigned else float(record["score"]),
        "ended": record["ended"],
        "no_resign": bool(record["no_resign"]),
        "black": black,
        "white": white,
        "black_rank": None,
        "white_rank": None,
        "date": date,
        "source": source,
        "seed": int(record["seed"]),
        "networks": list(networks),
        "root_value": np.concatenate([np.full(len(before), np.nan, np.float32), record["root_value"]]),
        "visit_offsets": np.concatenate([np.zeros(len(before), np.int64), offsets]),
        "visit_actions": np.asarray(record["visit_actions"], dtype=np.uint16),
        "visit_counts": counts,
        "target": target,
        "full_search": None,
        "ownership": None,
        "simulations": int(record["simulations"]),
    }
    end = validate(row)
    if not resigned:
        row["ownership"] = end.area().ravel()
        _check_ownership(row, _name(row))
    return row


def replay(row: Mapping[str, Any]) -> _core.Position:
    """The position after the row's last move, with its history.

    Raises:
        GameDataError: a set-up or a move that the rules forbid.
    """
    return _replay(row, None)


def validate(row: Mapping[str, Any]) -> _core.Position:
    """Check that a row is a game: types, lengths, legal moves, visits and targets on legal moves, a result that agrees with itself.

    Returns:
        The position after the last move, as `replay`.

    Raises:
        GameDataError: names the game, the column, and what is wrong.
    """
    where = _name(row)
    _check_columns(row, where)
    if not MIN_SIZE <= row["size"] <= MAX_SIZE:
        raise GameDataError(f"{where}: size is {row['size']}, expected {MIN_SIZE} to {MAX_SIZE}")
    n, area = len(row["moves"]), row["size"] ** 2
    searched = len(row["visit_offsets"]) > 0
    for name, lengths in {
        "colors": (n,),
        "chosen_by": (n,),
        "root_value": (0, n),
        "visit_offsets": (0, n + 1),
        "visit_counts": (len(row["visit_actions"]),),
        "target": (len(row["visit_actions"]),),
        "full_search": (n,),
        "ownership": (area,),
    }.items():
        if row[name] is not None and len(row[name]) not in lengths:
            expected = " or ".join(str(length) for length in dict.fromkeys(lengths))
            raise GameDataError(f"{where}: {name} has length {len(row[name])}, expected {expected}")
    _check_values(row, where)
    offsets = row["visit_offsets"]
    if searched:
        if offsets[0] != 0 or (np.diff(offsets) < 0).any() or offsets[-1] != len(row["visit_actions"]):
            raise GameDataError(f"{where}: visit_offsets must ascend from 0 to {len(row['visit_actions'])}")
    elif len(row["visit_actions"]):
        raise GameDataError(f"{where}: visit_actions without visit_offsets")
    if searched:
        _check_turns(row, offsets, where)
    end = _replay(row, offsets if searched else None)
    _check_result(row, end, where)
    _check_ownership(row, where)
    return end


def rows_to_batch(rows: Iterable[GameRow]) -> Any:
    """A `pyarrow.RecordBatch` of `SCHEMA`. Raises GameDataError where a value does not fit its column."""
    rows = list(rows)
    for row in rows:
        _check_columns(row, _name(row))
    try:
        columns = [pa.array([row[field.name] for row in rows], type=field.type) for field in SCHEMA]
    except (pa.ArrowException, TypeError, OverflowError) as error:
        raise GameDataError(f"a game does not fit the schema of games: {error}") from None
    return pa.RecordBatch.from_arrays(columns, schema=SCHEMA)


def rows_to_table(rows: Iterable[GameRow]) -> Any:
    """A `pyarrow.Table` of `SCHEMA`. Raises GameDataError where a value does not fit its column."""
    return pa.Table.from_batches([rows_to_batch(rows)], schema=SCHEMA)


def table_to_rows(table: Any) -> list[GameRow]:
    """Rows of a `pyarrow.Table` or record batch of `SCHEMA`."""
    columns: dict[str, list[Any]] = {}
    for name in SCHEMA.names:
        column = table.column(name)
        if name in ARRAYS:
            # Copies, so that a row kept does not keep its whole shard, and so that rows may be written to.
            columns[name] = [
                np.array(value.values.to_numpy(zero_copy_only=False), dtype=ARRAYS[name]) if value.is_valid else None
                for value in column
            ]
        else:
            columns[name] = column.to_pylist()
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


# --- parts ------------------------------------------------------------------------------------------------------------


def _name(row: Mapping[str, Any]) -> str:
    return f"game {row.get('game_id')!r} (index {row.get('index')})"


def _empty_board(size: int, rules: Mapping[str, Any]) -> _core.Position:
    unknown = [name for name in rules if name not in _RULES]
    if unknown:
        raise GameDataError(f"unknown rule {unknown[0]!r}; known: {', '.join(_RULES)}")
    try:
        return _core.Position(size, **rules)
    except (TypeError, ValueError) as error:
        raise GameDataError(f"rules of a game: {str(error).splitlines()[0]}") from None


def _is_share_of_visits(target: NDArray[Any] | None, counts: NDArray[Any], offsets: NDArray[Any]) -> bool:
    """Whether the target of every turn is its visit counts over their sum."""
    if target is None or not len(counts):
        return True
    lengths = np.diff(offsets)
    used = lengths > 0
    sums = np.maximum(np.add.reduceat(counts.astype(np.float64), offsets[:-1][used]), 1)
    return bool(np.allclose(target, counts / np.repeat(sums, lengths[used]), rtol=0, atol=_TARGET_TOLERANCE))


def _check_columns(row: Mapping[str, Any], where: str) -> None:
    """Every column is there, of a type that Arrow takes without a loss."""
    for name in row:
        if name not in _COLUMNS:
            raise GameDataError(f"{where}: unknown column {name!r}")
    for name, (nullable, dtype, kinds, kind) in _COLUMNS.items():
        if name not in row:
            raise GameDataError(f"{where}: column {name!r} is missing")
        value = row[name]
        if value is None:
            if not nullable:
                raise GameDataError(f"{where}: {name} is empty, and must not be")
        elif dtype is not None:
            if not isinstance(value, np.ndarray) or value.dtype != dtype or value.ndim != 1:
                got = f"{value.dtype} {list(value.shape)}" if isinstance(value, np.ndarray) else type(value).__name__
                raise GameDataError(f"{where}: {name} must be a {dtype} array [n], got {got}")
        elif kinds == (list,):
            if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
                raise GameDataError(f"{where}: {name} must be a list of strings, got {value!r}")
        elif not isinstance(value, kinds) or (isinstance(value, bool) and kinds != (bool,)):
            raise GameDataError(f"{where}: {name} must be {kind}, got {value!r}")


def _kinds(kind: Any) -> tuple[type, ...]:
    """What a value of an Arrow type that is no array may be in Python."""
    if pa.types.is_list(kind):
        return (list,)
    if pa.types.is_string(kind):
        return (str,)
    if pa.types.is_boolean(kind):
        return (bool,)
    return (int, float) if pa.types.is_floating(kind) else (int,)


# Looked up once: asking Arrow for every column of every game took a third of the time that a game takes to be stored.
_COLUMNS: Final = {
    field.name: (field.nullable, ARRAYS.get(field.name), _kinds(field.type), str(field.type)) for field in SCHEMA
}


def _check_values(row: Mapping[str, Any], where: str) -> None:
    """Codes and numbers within their ranges."""
    area = row["size"] ** 2
    for name, known in {"ended": ENDINGS, "winner": (0, BLACK, WHITE)}.items():
        if row[name] not in known:
            raise GameDataError(f"{where}: {name} must be one of {', '.join(map(str, known))}, got {row[name]!r}")
    for name, low, high in (
        ("colors", BLACK, WHITE),
        ("chosen_by", 0, len(CHOOSERS) - 1),
        ("moves", 0, area),
        ("visit_actions", 0, area),
        ("ownership", -1, 1),
        ("setup_black", 0, area - 1),
        ("setup_white", 0, area - 1),
    ):
        values = row[name]
        if values is not None and len(values) and not (low <= values.min() and values.max() <= high):
            bad = next(v for v in values.tolist() if not low <= v <= high)
            raise GameDataError(f"{where}: {name} holds {bad}, expected {low} to {high}")
    if (np.abs(row["root_value"]) > 1).any():  # NaN, a move without a search, compares false
        raise GameDataError(f"{where}: root_value must lie within -1 and 1")
    if row["score"] is not None and not math.isfinite(row["score"]):
        raise GameDataError(f"{where}: score is {row['score']}; a game without a score has none (null)")


def _replay(row: Mapping[str, Any], offsets: NDArray[np.int64] | None) -> _core.Position:
    """Play the game; with `offsets`, check on the way that what each turn visited is legal."""
    where = _name(row)
    try:
        position = _core.Position(row["size"], **{name: row[name] for name in _RULES})
        problem = position.setup(row["setup_black"].tolist(), row["setup_white"].tolist(), [])
    except (TypeError, ValueError) as error:
        raise GameDataError(f"{where}: {str(error).splitlines()[0]}") from None
    if problem:
        raise GameDataError(f"{where}: the set-up stones cannot stand: {ILLEGAL_REASONS[problem - 1]}")
    bounds = None if offsets is None else offsets.tolist()
    for i, (color, action) in enumerate(zip(row["colors"].tolist(), row["moves"].tolist(), strict=True)):
        if bounds is not None and bounds[i] < bounds[i + 1]:
            visited = row["visit_actions"][bounds[i] : bounds[i + 1]]
            legal = position.legal_mask(color)[visited]
            if not legal.all():
                vertex = action_to_gtp(int(visited[~legal][0]), row["size"])
                raise GameDataError(f"{where}: move {i + 1}: visits of {vertex}, which is illegal there")
        played = position.try_play(action, color)
        if played < 0:
            vertex = action_to_gtp(action, row["size"]) if action <= row["size"] ** 2 else str(action)
            reason = ILLEGAL_REASONS[-played - 1]
            raise GameDataError(f"{where}: move {i + 1} ({color_name(color)} {vertex}) is illegal: {reason}")
    return position


def _check_turns(row: Mapping[str, Any], offsets: NDArray[np.int64], where: str) -> None:
    """What can be said of all turns' visits and targets at once, without the board."""
    counts, target = row["visit_counts"], row["target"]
    turns = np.flatnonzero(np.diff(offsets))  # those with a search
    if not len(turns):
        return
    firsts = offsets[turns]
    ascends = np.diff(row["visit_actions"].astype(np.int64), prepend=-1) > 0
    ascends[firsts] = True
    checks = [("visit_actions do not ascend", np.logical_and.reduceat(ascends, firsts))]
    if target is None:
        checks.append(("visit_counts are all 0, and there is no target", np.maximum.reduceat(counts, firsts) > 0))
    else:
        sums, least = np.add.reduceat(target.astype(np.float64), firsts), np.minimum.reduceat(target, firsts)
        checks.append(("the target must be probabilities that sum to 1", (least >= 0) & (np.abs(sums - 1) < 1e-3)))
    for problem, fine in checks:
        if not fine.all():
            raise GameDataError(f"{where}: move {turns[~fine][0] + 1}: {problem}")


def _check_result(row: Mapping[str, Any], end: _core.Position, where: str) -> None:
    score, winner, ended = row["score"], row["winner"], row["ended"]
    if ended in ("resign", "time", "forfeit") and (score is not None or not winner):
        raise GameDataError(f"{where}: a game that ended by {ended} has a winner and no score")
    if score is not None and winner != (BLACK if score > 0 else WHITE if score < 0 else 0):
        raise GameDataError(f"{where}: winner {winner} contradicts score {score:g} (black - white)")
    # Records of people's games often leave the last passes out.
    if ended == "passes" and not end.is_over and not (len(row["moves"]) and row["chosen_by"][-1] == HUMAN):
        raise GameDataError(f"{where}: ended by passes, but its last two moves are not passes")


def _check_ownership(row: Mapping[str, Any], where: str) -> None:
    if row["ownership"] is None:
        return
    if row["ended"] == "resign":
        raise GameDataError(f"{where}: a resigned game has no final ownership")
    if row["scoring"] == 0 and row["score"] is not None:
        area = float(row["ownership"].sum(dtype=int)) - row["komi"] - row["white_bonus"]
        if abs(area - row["score"]) > _SCORE_TOLERANCE:
            raise GameDataError(f"{where}: the ownership counts {area:g} points, the score is {row['score']:g}")
