"""`alphago make-value-data`: independent positions with outcomes for a value network."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Annotated, Any

import typer

app = typer.Typer(add_completion=False, rich_markup_mode=None)

_LINE_SECONDS = 5.0


@app.command(name="make-value-data")
def make_value_data(
    games: Annotated[int, typer.Option("--games", help="Games, and so positions, of the whole run.", min=1)] = 10_000,
    out: Annotated[Path, typer.Option("--out", help="Folder of the games.")] = Path("runs/value-data"),
    before: Annotated[
        str, typer.Option("--before", help="Network of the moves before the random one: a file or a name.")
    ] = "default",
    after: Annotated[
        str, typer.Option("--after", help="Network of the moves after it, which decides the outcome.")
    ] = "default",
    size: Annotated[int, typer.Option("--size", help="Board size.", min=2, max=19)] = 9,
    rules: Annotated[str, typer.Option("--rules", help="Ruleset.")] = "tromp-taylor",
    komi: Annotated[float | None, typer.Option("--komi", help="Points for white [default: the rules'].")] = None,
    latest: Annotated[
        int | None, typer.Option("--latest", help="Latest random move [default: the board's points].", min=1)
    ] = None,
    temperature: Annotated[float, typer.Option("--temperature", help="Of both networks' moves.", min=0)] = 1.0,
    seed: Annotated[int, typer.Option("--seed", help="Of everything random.", min=0, max=2**31 - 1)] = 0,
    precision: Annotated[str, typer.Option("--precision", help="Of the networks: auto, fp32, bf16 or int8.")] = "auto",
    threads: Annotated[int | None, typer.Option("--threads", help="[default: all processors]", min=1)] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the games in --out.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object at the end.")] = False,
) -> None:
    """Play games of raw networks with one uniformly random move each; the position after it is an example for a value network."""
    from alphago.commands.train_options import changed
    from alphago.machine import usable_threads
    from selfplay.networks import named_network
    from selfplay.value_data import Counts, ValueDataSettings, play_value_games

    given = {
        "size": size, "rules": rules, "komi": komi, "before": before, "after": after, "latest": latest,
        "temperature": temperature, "seed": seed,
    }  # fmt: skip
    settings = changed(ValueDataSettings(), given)
    nets = [named_network(name, size, where) for name, where in ((before, "--before"), (after, "--after"))]
    started, told = time.monotonic(), 0.0
    first: list[int] = []

    def tell(counts: Counts) -> None:
        nonlocal told
        if not first:
            first.append(counts.games - 1)
        now = time.monotonic()
        if now - told < _LINE_SECONDS and counts.games < games:
            return
        told = now
        rate = (counts.games - first[0]) / max(1e-9, now - started)
        left = (games - counts.games) / max(1e-9, rate)
        print(f"{counts.games:,}/{games:,} games, {rate:,.0f} games/s, {left:,.0f} s left", file=sys.stderr, flush=True)

    try:
        counts = play_value_games(
            out, settings, nets[0], nets[1], games,
            threads=threads or usable_threads(), resume=resume, on_game=tell, precision=precision,
        )  # fmt: skip
    except KeyboardInterrupt:
        print("interrupted; go on with the same command and --resume", file=sys.stderr)
        raise
    row: dict[str, Any] = {
        "games": counts.games,
        "dropped": counts.dropped,
        "seconds": round(time.monotonic() - started, 1),
        "out": str(out),
    }
    if as_json:
        print(json.dumps(row))
    else:
        print(f"{out}: {counts.games:,} games; {counts.dropped:,} more ended before their random move")
