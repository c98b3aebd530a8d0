"""The stage `games`: whatever is learned from, in one file; and games in the order of their numbers, whoever finished first."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from alphago.data.embedded import resolve
from alphago.data.games import SCHEMA, GameDataError, GameRow, rows_to_table
from alphago.data.identity import game_key
from alphago.data.importing import DUPLICATE, Report, import_games
from alphago.data.sources import SUFFIXES
from alphago.data.store import read_games, read_table, shard_files
from alphago.files import TEMPORARY_SUFFIX, make_directory, sync_directory
from alphago.go import Rules
from selfplay.pipeline.budget import Plan
from selfplay.pipeline.records import hash_of_path
from selfplay.pipeline.runner import Context, Made
from selfplay.pipeline.settings import GamesPart, PipelineError, SelfPlayGames
from selfplay.progress import Rates
from selfplay.runner import Run, shipped_weights_hash
from selfplay.settings import Machine, RunSettings, default_search, settings_of, tree_share_mib

FILE: Final = "games.parquet"
_ROWS: Final = 2048
_BATCH_GAMES: Final = 8
"""Of self-play with rollouts at a time, a thread."""


def source_digests(part: GamesPart) -> dict[str, str]:
    """Content hashes of everything that games come from, by name. Raises PipelineError where a source is not there."""
    found = {}
    for source in part.sources:
        path = resolve(source)
        if not path.exists():
            raise PipelineError(f"games.sources: {source}: no such file or folder")
        found[f"source {source}"] = hash_of_path(path)
    if part.selfplay is not None:
        found["rollout weights that ship"] = shipped_weights_hash()
    return found


def collect_games(context: Context, plan: Plan) -> Made:
    """Read every source, leave out what the filters refuse and what comes again, and write one file."""
    part, folder = plan.games, context.folder
    make_directory(folder, PipelineError)
    stores: list[Path] = []
    left_out: Counter[str] = Counter()
    for number, source in enumerate(part.sources):
        path = resolve(source)
        if not _is_store(path):
            path = _imported(context, path, folder / f"import-{number}.parquet", part, left_out)
        stores.append(path)
    if part.selfplay is not None:
        stores.append(_played(context, plan, part.selfplay))
    out = folder / FILE
    report = _write(stores, out, part, plan.size, context, left_out)
    taken = f"{report['games']:,} games, {report['moves']:,} moves"
    left = sum(report["left_out"].values())
    return Made({"games": (out, None)}, report, taken + (f"; {left:,} left out" if left else ""))


def _is_store(path: Path) -> bool:
    """Games of this project, as against SGF."""
    if path.is_dir():
        return bool(list(path.glob("*.parquet")) or list(path.glob("shards/*.parquet")))
    return not path.name.endswith(SUFFIXES)


def _imported(context: Context, source: Path, out: Path, part: GamesPart, left_out: Counter[str]) -> Path:
    """A file of the games of SGF; reasons why others are left out are counted, the listing is beside it."""

    def tell(report: Report) -> None:
        context.advance(0, 0, f"{report.seen:,} read of {source.name}, {report.games:,} taken")

    left_out.update(import_games([source], out, part.filters, on_game=tell).reasons)
    return out


def _write(
    stores: Iterable[Path], out: Path, part: GamesPart, size: int, context: Context, left_out: Counter[str]
) -> dict[str, Any]:
    """One file of the games that are taken, each with its number; a report."""
    games = moves = 0
    seen: set[bytes] = set()

    def taken() -> Iterator[GameRow]:
        nonlocal games, moves
        for store in stores:
            context.advance(games, 0, f"reading {store.name}")
            for row in read_games(store):
                if part.limit is not None and games >= part.limit:
                    return
                reason = _refusal(row, part, size, seen)
                if reason is not None:
                    left_out[reason] += 1
                    continue
                yield {**row, "index": games}
                games += 1
                moves += len(row["moves"])
                if games % 512 == 0:
                    context.advance(games, 0, f"{games:,} games")

    write_rows(out, taken())
    if not games:
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in left_out.most_common())
        out.unlink()
        raise PipelineError(f"games: no {size}x{size} game was taken" + (f": {reasons}" if reasons else ""))
    return {"games": games, "moves": moves, "left_out": dict(left_out)}


def _refusal(row: GameRow, part: GamesPart, size: int, seen: set[bytes]) -> str | None:
    if row["size"] != size:
        return "another board size"
    refusal = part.filters.refusal(row)
    if refusal is not None:
        return refusal[0]
    key = game_key(row)
    if key in seen:
        return DUPLICATE
    seen.add(key)
    return None


def write_rows(out: Path, rows: Iterable[GameRow]) -> None:
    """Write rows to a file, a few thousand in memory at a time; the same rows give the same bytes. It appears whole or not at all.

    Raises:
        GameDataError: a row does not fit the schema, or the place cannot be written.
    """
    _stream(out, _tables(rows))


def _tables(rows: Iterable[GameRow]) -> Iterator[Any]:
    waiting: list[GameRow] = []
    for row in rows:
        waiting.append(row)
        if len(waiting) >= _ROWS:
            yield rows_to_table(waiting)
            waiting.clear()
    if waiting:
        yield rows_to_table(waiting)


def write_in_order(store: Path, out: Path, games: int) -> None:
    """Copy the games 0, 1, ..., games - 1 of a run into one file, in this order: shards hold them as they ended.

    Raises:
        GameDataError: one is missing, or the place cannot be written.
    """
    table = pa.concat_tables([read_table(file) for file in shard_files(store)])
    index = table.column("index").to_numpy()
    order = index.argsort(kind="stable")[:games]
    if len(order) < games or (index[order] != np.arange(games)).any():
        raise GameDataError(f"{store}: does not hold the games 0 to {games - 1}")
    _stream(out, (table.take(pa.array(order[first : first + _ROWS])) for first in range(0, games, _ROWS)))


def _stream(out: Path, tables: Iterable[Any]) -> None:
    temporary = out.with_name(f".{out.name}.{os.getpid()}{TEMPORARY_SUFFIX}")
    try:
        with open(temporary, "wb") as raw:
            with pq.ParquetWriter(raw, SCHEMA, compression="zstd", write_page_checksum=True) as writer:
                for table in tables:
                    writer.write_table(table.cast(SCHEMA))
            raw.flush()
            os.fsync(raw.fileno())
        os.replace(temporary, out)
        sync_directory(out.parent)
    except (OSError, pa.ArrowException) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error).splitlines()[0]
        raise GameDataError(f"{out}: cannot be written: {reason}") from None
    finally:
        temporary.unlink(missing_ok=True)


# --- games of our own ---------------------------------------------------------------------------------------------------


def _played(context: Context, plan: Plan, part: SelfPlayGames) -> Path:
    """Games of search with softmax rollouts against itself; a killed run plays the missing ones."""
    settings = selfplay_settings(plan, part)
    threads = context.machine.threads
    slots = min(part.games, _BATCH_GAMES * threads)
    share = tree_share_mib(plan.size, part.simulations)
    machine = Machine(threads=threads, parallel=slots, batch=1, workers=1, memory_mib=share * slots)
    store = context.folder / "selfplay"
    Run(settings, machine).play(part.games, store, _Shown(context))
    ordered = context.folder / "selfplay.parquet"
    write_in_order(store, ordered, part.games)
    return ordered


def selfplay_settings(plan: Plan, part: SelfPlayGames) -> RunSettings:
    """Settings of a run without a network. Raises BadSearchParams where a search parameter cannot be."""
    search = default_search(plan.size, False, False).but(simulations=part.simulations, **part.search)
    komi = Rules.named(plan.rules).default_komi(plan.size) if plan.komi is None else plan.komi
    return settings_of(
        {
            "size": plan.size,
            "rules": plan.rules,
            "komi": komi,
            "seed": plan.seed,
            "net": "none",
            "network": f"rollout-{shipped_weights_hash()}",
            "search": search.model_dump(),
        }
    )


class _Shown:
    """Shows self-play as part of a stage."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def __enter__(self) -> _Shown:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def show(self, done: int, total: int, rates: Rates, unit: str) -> None:
        """See `selfplay.progress.Progress`."""
        self._context.advance(done, total, f"{rates.lately('games'):.1f} games/s of self-play")
