"""`alphago games`: describe a store of games, summarise it with plots, convert it back to SGF."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated, Any

import typer

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Describe, summarise and export stores of games.",
)

Store = Annotated[Path, typer.Argument(help="A file of games, a folder of them, or a run of self-play.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


@app.command()
def info(
    store: Store,
    game: Annotated[int | None, typer.Option("--game", help="Show this game too, counted from 0.", min=0)] = None,
    as_json: AsJson = False,
) -> None:
    """What a store is: files, games, positions, sizes, who played; or one game of it."""
    from alphago.data.store import read_games, shard_files

    files, counts = shard_files(store), _counts(store)
    row: dict[str, Any] = {
        "store": str(store),
        "files": len(files),
        "bytes": sum(os.path.getsize(file) for file in files),
        **counts,
    }
    if game is not None:
        found = next((one for i, one in enumerate(read_games(store)) if i == game), None)
        if found is None:
            raise typer.BadParameter(f"there are games 0 to {row['games'] - 1}, got {game}", param_hint="--game")
        row["game"] = _game(found)
    if as_json:
        print(json.dumps(row))
        return
    for name, value in row.items():
        if name == "game":
            print()
            for key, item in value.items():
                print(f"{key + ':':<14}{item}")
        else:
            print(f"{name + ':':<14}{value if isinstance(value, str) else _text(value)}")


@app.command()
def stats(
    store: Store,
    plot: Annotated[
        Path | None, typer.Option("--plot", help="Write the plots to this PNG [default: STORE.png beside the store].")
    ] = None,
    no_plot: Annotated[bool, typer.Option("--no-plot", help="Numbers alone.")] = False,
    as_json: AsJson = False,
) -> None:
    """Summarise a store: lengths, results, komi, ranks, dates, duplicates, what searches left; with plots."""
    from alphago.data.statistics import collect

    found = collect(store)
    row = found.to_dict()
    if not no_plot:
        from alphago.data.plots import plot_statistics

        place = plot or store.with_name(f"{store.stem or 'games'}.png")
        plot_statistics(found, place)
        row["plot"] = str(place)
    if as_json:
        print(json.dumps(row))
        return
    for name, value in row.items():
        if isinstance(value, dict):
            print(f"{name}:")
            for key, item in list(value.items())[:20]:
                text = ", ".join(f"{k} {_text(v)}" for k, v in item.items()) if isinstance(item, dict) else _text(item)
                print(f"  {key:<14}{text}")
            if len(value) > 20:
                print(f"  ... and {len(value) - 20} more (--json shows all)")
        else:
            print(f"{name + ':':<26}{_text(value)}")


@app.command()
def export(
    store: Store,
    out: Annotated[
        Path,
        typer.Option(
            "--out", help="A folder for one file a game, or a file for all: .sgfs (one a line), .sgfs.gz, .sgf."
        ),
    ],
    plain: Annotated[
        bool, typer.Option("--plain", help="Standard properties alone; searches and exact rules are lost.")
    ] = False,
    limit: Annotated[int | None, typer.Option("--limit", help="Export so many games at most.", min=1)] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite what is there.")] = False,
) -> None:
    """Convert a store to SGF; `alphago import` makes the same games of it again."""
    from alphago.data.export import export_games

    if out.exists() and not force and not (out.is_dir() and not any(out.iterdir())):
        raise typer.BadParameter(f"{out} exists already; --force overwrites it", param_hint="--out")
    count = export_games(store, out, plain=plain, limit=limit)
    print(f"{count:,} games in {out}")


def _counts(store: Path) -> dict[str, Any]:
    from alphago.data.statistics import collect

    found = collect(store, find_duplicates=False)
    return {
        "games": found.games,
        "positions": found.positions,
        "sizes": ", ".join(f"{size}x{size}: {count:,}" for size, count in sorted(found.sizes.items())),
        "chosen by": ", ".join(f"{name}: {count:,}" for name, count in found.choosers.most_common()),
        "values": found.with_values,
        "visits": found.with_visits,
        "ownership": found.with_ownership,
    }


def _game(row: dict[str, Any]) -> dict[str, Any]:
    from alphago.data.sgf import result
    from alphago.go import action_to_gtp

    moves = [action_to_gtp(int(action), row["size"]) for action in row["moves"]]
    return {
        "id": row["game_id"],
        "black": " ".join(filter(None, (row["black"], row["black_rank"]))) or "?",
        "white": " ".join(filter(None, (row["white"], row["white_rank"]))) or "?",
        "board": f"{row['size']}x{row['size']}, komi {row['komi']:g}",
        "result": f"{result(row)} ({row['ended']})",
        "date": row["date"] or "?",
        "source": row["source"] or "?",
        "stones": f"{len(row['setup_black'])} black, {len(row['setup_white'])} white at the start",
        "moves": " ".join(moves),
    }


def _text(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return str(value)
    return f"{value:,}" if isinstance(value, (int, float)) else str(value)
