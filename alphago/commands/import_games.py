"""`alphago import`: any collection of SGF into one Parquet file of games."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from alphago.data.importing import Report

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command(name="import")
def import_(
    paths: Annotated[
        list[Path], typer.Argument(help="Files (.sgf, .sgfs, .gz), archives (.zip, .tar.gz, ...), folders of them.")
    ],
    out: Annotated[Path, typer.Option("--out", help="The file of games to write, such as games.parquet.")],
    size: Annotated[list[int] | None, typer.Option("--size", help="Board size to take; may be given again.")] = None,
    min_rank: Annotated[str | None, typer.Option("--min-rank", help="Both players' at least: 5k, 1d, 9p.")] = None,
    since: Annotated[str | None, typer.Option("--since", help="First date: YYYY, YYYY-MM or YYYY-MM-DD.")] = None,
    until: Annotated[str | None, typer.Option("--until", help="Last date, likewise.")] = None,
    min_moves: Annotated[int, typer.Option("--min-moves", help="Shorter games are left out.", min=0)] = 1,
    max_moves: Annotated[int | None, typer.Option("--max-moves", help="Longer games are left out.", min=0)] = None,
    ending: Annotated[
        list[str] | None,
        typer.Option(
            "--ending", help="passes, resign, time, forfeit, max_moves or unknown: how it ended; may be given again."
        ),
    ] = None,
    decided: Annotated[bool, typer.Option("--decided", help="Only games with a winner.")] = False,
    handicap: Annotated[
        bool, typer.Option("--handicap/--no-handicap", help="Whether games that begin with stones are taken.")
    ] = True,
    keep_duplicates: Annotated[
        bool, typer.Option("--keep-duplicates", help="Take games that are there already, perhaps turned, again.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Overwrite the file if there is one.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Read SGF in any encoding into one file of games; what is left out is listed with file, line and reason beside it."""
    from alphago.data.importing import import_games, make_filters, report_path

    if out.exists() and not force:
        raise typer.BadParameter(f"{out} exists already; --force overwrites it", param_hint="--out")
    filters = make_filters(
        sizes=tuple(size) if size else None,
        min_moves=min_moves,
        max_moves=max_moves,
        min_rank=min_rank,
        since=since,
        until=until,
        endings=tuple(ending) if ending else None,
        decided=decided,
        handicap=handicap,
    )
    start = time.perf_counter()
    with _Progress() as progress:
        report = import_games(paths, out, filters, keep_duplicates=keep_duplicates, on_game=progress.show)
    seconds = time.perf_counter() - start
    listing = str(report_path(out))
    if as_json:
        row: dict[str, Any] = {
            "out": str(out),
            "games": report.games,
            "moves": report.moves,
            "seen": report.seen,
            "left_out": report.reasons,
            "listing": listing,
            "seconds": round(seconds, 2),
        }
        print(json.dumps(row))
        return
    print(f"{report.games:,} games, {report.moves:,} moves in {out} ({report.seen / seconds:,.0f} games/s)")
    if report.left_out:
        print(f"{len(report.left_out):,} left out, listed in {listing}:")
        for reason, count in report.reasons.items():
            first = next(entry for entry in report.left_out if entry.reason == reason)
            print(f"  {count:>8,}  {reason:<20} such as {first.file}:{first.line}: {first.message}")


class _Progress:
    """A line that is rewritten on a terminal, one every few seconds elsewhere."""

    def __init__(self) -> None:
        self._start = self._last = time.monotonic()
        self._live = sys.stderr.isatty()
        self._shown = False

    def __enter__(self) -> _Progress:
        return self

    def __exit__(self, *error: object) -> None:
        if self._live and self._shown:
            print(file=sys.stderr)

    def show(self, report: Report) -> None:
        """Tell how far it is, when that is due."""
        now = time.monotonic()
        if now - self._last < (0.2 if self._live else 5.0):
            return
        self._last, self._shown = now, True
        speed = report.seen / (now - self._start)
        text = f"{report.seen:,} read, {report.games:,} taken, {len(report.left_out):,} left out, {speed:,.0f} games/s"
        print(f"\r{text}\x1b[K" if self._live else text, end="" if self._live else "\n", file=sys.stderr, flush=True)
