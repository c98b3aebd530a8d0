"""A store of games in memory, as the core replays them: which positions are examples, and which side of a split they are on."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from alphago import _core
from alphago.data.games import CHOOSERS, GameDataError
from alphago.data.identity import game_key, split_number
from alphago.data.store import read_table, shard_files

_RULES: Final = ("size", "ko", "suicide", "scoring", "pass_stones", "komi", "white_bonus")
_LISTS: Final = ("setup_black", "setup_white", "moves", "colors", "chosen_by", "ownership", "root_value")
_SEARCHED: Final = ("visit_offsets", "visit_actions", "visit_counts", "target")


@dataclass(frozen=True)
class Games:
    """Games of one or more stores, ready to be replayed.

    Attributes:
        core: the compiled set; its positions are counted through all games.
        sizes: uint8 [games].
        first: int64 [games + 1]: where the positions of each game begin.
        keys: of every game (`alphago.data.identity.game_key`).
        eligible: bool [positions]: positions whose move is an example.
        last_chance: int64 [games]: the last position of each game whose move was made by chance, -1 where there is none.
        where: the files, for messages.
    """

    core: _core.GameSet
    sizes: NDArray[np.uint8]
    first: NDArray[np.int64]
    keys: list[bytes]
    eligible: NDArray[np.bool_]
    last_chance: NDArray[np.int64]
    where: str

    @property
    def width(self) -> int:
        """Edge of the largest board: that of every batch."""
        return self.core.max_size

    @property
    def is_mixed(self) -> bool:
        """Whether boards of several sizes are among them, so that batches need masks."""
        return len(np.unique(self.sizes)) > 1

    @contextlib.contextmanager
    def told(self) -> Iterator[None]:
        """The core's complaint about a game becomes a GameDataError that names the files."""
        try:
            yield
        except ValueError as error:
            raise GameDataError(f"{self.where}: {str(error).splitlines()[0]}") from None

    def side_of_split(self, share: float, seed: int = 0, *, held_out: bool) -> NDArray[np.bool_]:
        """Games on one side of a split: bool [games]; about `share` of the games are held out. Duplicates stay together."""
        numbers = np.array([split_number(key, seed) for key in self.keys])
        below: NDArray[np.bool_] = numbers < share
        return below if held_out else ~below

    def examples(self, games: NDArray[np.bool_] | None = None) -> NDArray[np.int64]:
        """Positions to learn from: int64, ascending. Raises GameDataError where there are none."""
        chosen = self.eligible
        if games is not None:
            chosen = chosen & np.repeat(games, np.diff(self.first))
        found = np.flatnonzero(chosen)
        if not len(found):
            raise GameDataError(f"{self.where}: no position to learn from")
        return found

    def game_of(self, positions: NDArray[np.int64]) -> NDArray[np.int64]:
        """Number of the game that each position belongs to."""
        return np.searchsorted(self.first, positions, side="right") - 1

    def move_number(self, positions: NDArray[np.int64]) -> NDArray[np.int64]:
        """Moves that came before each position in its game."""
        return positions - self.first[self.game_of(positions)]


def load_games(
    stores: Sequence[str | os.PathLike[str]],
    *,
    sizes: Iterable[int] = (),
    chosen_by: Iterable[str] = ("human", "policy", "search"),
    limit: int | None = None,
    visits: bool = True,
    on_file: Callable[[str], None] | None = None,
) -> Games:
    """Read stores of games (files, folders, runs of self-play) into memory.

    Args:
        sizes: board sizes to take; empty: all.
        chosen_by: whose moves are examples, of `CHOOSERS`; a move by chance says nothing of how to play.
        limit: so many games at most, the first ones.
        visits: whether search visits become policy targets; else the move played is.
        on_file: called with the name of every file before it is read.

    Raises:
        GameDataError: a file that cannot be read, no game of these sizes, or a column that contradicts itself.
    """
    wanted = frozenset(sizes)
    codes = [CHOOSERS.index(name) for name in chosen_by]
    columns = ["winner", "ended", "score", "full_search", *_RULES, *_LISTS, *(_SEARCHED if visits else ())]
    parts: list[Any] = []
    left = limit
    files = [file for store in stores for file in shard_files(store)]
    for file in files:
        if on_file is not None:
            on_file(str(file))
        table = read_table(file, columns)
        if wanted:
            table = table.filter(pc.is_in(table["size"], pa.array(sorted(wanted), pa.uint8())))
        if left is not None:
            table = table.slice(0, left)
            left -= table.num_rows
        parts.append(table)
        if left == 0:
            break
    where = ", ".join(os.fspath(store) for store in stores)
    table = pa.concat_tables(parts).combine_chunks() if parts else None
    if table is None or not table.num_rows:
        of_sizes = f" of {', '.join(f'{n}x{n}' for n in sorted(wanted))}" if wanted else ""
        raise GameDataError(f"{where}: no games{of_sizes} in it")
    core_columns, chosen = _columns(table, visits)
    try:
        core = _core.GameSet(core_columns)
    except ValueError as error:
        raise GameDataError(f"{where}: {str(error).splitlines()[0]}") from None
    first = core_columns["moves_at"]
    keys = [
        game_key(
            {
                "size": core_columns["size"][i],
                "moves": core_columns["moves"][first[i] : first[i + 1]],
                "colors": core_columns["colors"][first[i] : first[i + 1]],
                "setup_black": _part(core_columns, "black", i),
                "setup_white": _part(core_columns, "white", i),
            }
        )
        for i in range(len(first) - 1)
    ]
    eligible = np.isin(chosen, codes)
    if table["full_search"].null_count < table.num_rows:
        eligible &= _full(table, first)
    return Games(core, core_columns["size"], first, keys, eligible, _last_chance(chosen, first), where)


def _last_chance(chosen: NDArray[np.uint8], first: NDArray[np.int64]) -> NDArray[np.int64]:
    by_chance = np.flatnonzero(chosen == CHOOSERS.index("random"))
    last = np.full(len(first) - 1, -1, np.int64)
    np.maximum.at(last, np.searchsorted(first, by_chance, side="right") - 1, by_chance)
    return last


def _part(columns: dict[str, NDArray[Any]], name: str, game: int) -> NDArray[Any]:
    at = columns[f"{name}_at"]
    return columns[name][at[game] : at[game + 1]]


def _numpy(column: Any, kind: Any) -> NDArray[Any]:
    return np.ascontiguousarray(column.combine_chunks().to_numpy(zero_copy_only=False), dtype=kind)


def _list(column: Any, kind: Any) -> tuple[NDArray[np.int64], NDArray[Any]]:
    """Offsets [games + 1] and values of a column of lists; a null is an empty list."""
    chunks = [column] if isinstance(column, pa.ListArray) else column.chunks
    none: list[NDArray[Any]] = [np.zeros(0)]
    lengths = np.concatenate(
        [np.asarray(pc.fill_null(pc.list_value_length(chunk), 0)) for chunk in chunks] or none
    ).astype(np.int64)
    values = np.concatenate([np.asarray(chunk.flatten()) for chunk in chunks] or none)
    offsets = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths, out=offsets[1:])
    return offsets, np.ascontiguousarray(values, dtype=kind)


def _columns(table: Any, visits: bool) -> tuple[dict[str, NDArray[Any]], NDArray[np.uint8]]:
    """Columns for the core, and who chose each move."""
    out: dict[str, NDArray[Any]] = {
        name: _numpy(table[name], np.float32 if name in ("komi", "white_bonus") else np.uint8) for name in _RULES
    }
    out["black_at"], out["black"] = _list(table["setup_black"], np.uint16)
    out["white_at"], out["white"] = _list(table["setup_white"], np.uint16)
    out["moves_at"], out["moves"] = _list(table["moves"], np.uint16)
    out["colors"] = _list(table["colors"], np.uint8)[1]
    chosen = _list(table["chosen_by"], np.uint8)[1]
    winner, score = _numpy(table["winner"], np.int8), table["score"]
    # A draw has a score; without one and without a winner nothing is known.
    unknown = (winner == 0) & np.asarray(score.combine_chunks().is_null())
    out["winner"] = np.where(unknown, -1, winner).astype(np.int8)
    out["score"] = _numpy(score, np.float32)
    out["ownership_at"], out["ownership"] = _list(table["ownership"], np.int8)
    out["root_value"] = _root_values(table["root_value"], out["moves_at"])
    out |= _visits(table, out["moves_at"]) if visits else _no_visits()
    return out, chosen


def _root_values(column: Any, moves_at: NDArray[np.int64]) -> NDArray[np.float32]:
    """By move; NaN for games without searches; [] when no game has any."""
    at, values = _list(column, np.float32)
    if not len(values):
        return values
    out = np.full(moves_at[-1], np.nan, np.float32)
    has = np.repeat(np.diff(at) > 0, np.diff(moves_at))
    if int(has.sum()) != len(values):
        raise GameDataError("root_value has another length than moves")
    out[has] = values
    return out


def _no_visits() -> dict[str, NDArray[Any]]:
    return {
        "visits_at": np.zeros(0, np.int64),
        "visit_actions": np.zeros(0, np.uint16),
        "visit_shares": np.zeros(0, np.float32),
    }


def _visits(table: Any, moves_at: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
    """Policy targets of every turn: the `target` where there is one, else the visits over their sum."""
    offsets_at, offsets = _list(table["visit_offsets"], np.int64)
    actions_at, actions = _list(table["visit_actions"], np.uint16)
    if not len(actions):
        return _no_visits()
    counts = _list(table["visit_counts"], np.uint32)[1]
    target_at, target = _list(table["target"], np.float32)
    n_moves, searched = np.diff(moves_at), np.diff(offsets_at) > 0
    lengths = np.zeros(moves_at[-1], np.int64)
    inner = np.diff(offsets)  # across two games it is a jump that is left out next
    last_of_game = offsets_at[1:][searched] - 1
    keep = np.ones(len(inner), np.bool_)
    keep[last_of_game[last_of_game < len(inner)]] = False
    lengths[np.repeat(searched, n_moves)] = inner[keep]
    visits_at = np.zeros(moves_at[-1] + 1, np.int64)
    np.cumsum(lengths, out=visits_at[1:])
    turn = np.repeat(np.arange(len(lengths)), lengths)
    sums = np.bincount(turn, weights=counts, minlength=len(lengths))
    shares = (counts / np.maximum(sums[turn], 1)).astype(np.float32)
    own = np.repeat(np.diff(target_at) > 0, np.diff(actions_at))
    shares[own] = target
    return {"visits_at": visits_at, "visit_actions": actions, "visit_shares": shares}


def _full(table: Any, moves_at: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Turns that were searched in full, or not searched at all."""
    at, full = _list(table["full_search"], np.bool_)
    out = np.ones(moves_at[-1], np.bool_)
    out[np.repeat(np.diff(at) > 0, np.diff(moves_at))] = full
    return out
