"""`alphago match`: two engines against each other, and what it proves."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Final

import typer

app = typer.Typer(add_completion=False, rich_markup_mode=None)

SIDE_HELP: Final = "gtp:COMMAND, a level (beginner to max), or a network FILE[@LEVEL]; NAME=... names it."

# Options that the ladder takes too. Left out they are None: a match that goes on keeps its own.
Size = Annotated[int | None, typer.Option("--size", help="Board size, 2 to 19 [default: 9].")]
RulesName = Annotated[str | None, typer.Option("--rules", help="Ruleset [default: chinese-ogs].")]
Komi = Annotated[float | None, typer.Option("--komi", help="Points for white [default: the rules'; 7 on 9x9].")]
Time = Annotated[
    str | None,
    typer.Option("--time", help="Clock of either side: 1s or 500ms a move, 5m/game, 60s+1s/game [default: none]."),
]
Grace = Annotated[
    float | None, typer.Option("--grace", help="Seconds over its time that a side may take [default: 0.5].")
]
Sims = Annotated[
    int | None, typer.Option("--sims", help="Simulations a move of our own bots [default: their level's].")
]
Seed = Annotated[int | None, typer.Option("--seed", help="Of openings and bots [default: 1].")]
OpeningsFrom = Annotated[
    str | None,
    typer.Option("--openings", help="generated, empty, or a file of games: .sgf, .sgfs, Parquet [default: generated]."),
]
OpeningMoves = Annotated[
    int | None, typer.Option("--opening-moves", help="Moves taken from a file's games [default: 6].")
]
Scoring = Annotated[
    str | None,
    typer.Option("--scoring", help="playout: dead stones are lifted by playouts; tromp-taylor [default: playout]."),
]
MaxMoves = Annotated[
    int | None, typer.Option("--max-moves", help="A game is scored after so many [default: 2 * size * size].")
]
Resign = Annotated[
    bool | None,
    typer.Option(
        "--resign/--no-resign", help="Whether our own bots may resign [default: --resign].", show_default=False
    ),
]
Parallel = Annotated[
    int | None,
    typer.Option("--parallel", help="Games at a time [default: 1 where time counts, else one a processor].", min=1),
]
Threads = Annotated[
    int | None,
    typer.Option("--threads", help="Of each bot of ours [default: processors / games at a time].", min=1),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


@app.command()
def match(
    a: Annotated[str, typer.Argument(help=f"First side: {SIDE_HELP}")],
    b: Annotated[str, typer.Argument(help="Second side, likewise.")],
    games: Annotated[int, typer.Option("--games", help="Games in all, even; the most there are with --sprt.")] = 200,
    size: Size = None,
    rules: RulesName = None,
    komi: Komi = None,
    time: Time = None,
    grace: Grace = None,
    sims: Sims = None,
    sprt: Annotated[
        str | None, typer.Option("--sprt", help="elo0,elo1: end as soon as A is known to be so much stronger, or not.")
    ] = None,
    seed: Seed = None,
    openings: OpeningsFrom = None,
    opening_moves: OpeningMoves = None,
    scoring: Scoring = None,
    max_moves: MaxMoves = None,
    resign: Resign = None,
    style: Annotated[
        str | None,
        typer.Option(
            "--style", help="Of bots whose text names none: zero or alphago; style=alphago in a text is one side's."
        ),
    ] = None,
    parallel: Parallel = None,
    threads: Threads = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder of the match [default: a new one such as runs/match-A-vs-B].")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the match in --out; options left out stay as they were.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Play A against B in pairs of games with colours swapped, under a referee of our own.

    An engine that crashes, hangs or plays an illegal move loses that game. Every game is kept: SGF, Parquet, JSON lines.
    """
    from alphago.arena.match import Match, match_settings, old_settings, play_stored
    from alphago.arena.sides import parse_sides, with_style
    from alphago.arena.stats import Sprt

    if style is not None:
        a, b = with_style(a, style), with_style(b, style)
    test = Sprt.parse(sprt) if sprt is not None else None
    asked = {
        "a": a,
        "b": b,
        "size": size,
        "rules": rules,
        "komi": komi,
        "time": time,
        "grace": grace,
        "simulations": sims,
        "seed": seed,
        "openings": openings,
        "opening_moves": opening_moves,
        "scoring": scoring,
        "max_moves": max_moves,
        "resign": resign,
    }
    given = {key: value for key, value in asked.items() if value is not None}
    sides = parse_sides([a, b])
    directory = out or _free_folder(sides[0].name, sides[1].name, resume)
    base = old_settings(directory) if resume else None
    found = Match(match_settings(**{**(base or {}), **given}), parallel=parallel, threads=threads)
    say(f"{games:,} games: {describe(found)}, to {directory}")
    from alphago.commands.match_progress import progress_for

    try:
        with progress_for(sys.stderr, games, test) as progress:
            summary = play_stored(found, directory, games, resume=resume, sprt=test, on_game=progress.show)
    except KeyboardInterrupt:
        say(f"interrupted; go on with the same command, --resume and --out {directory}")
        raise
    if as_json:
        print(json.dumps({"out": str(directory), **summary.to_dict(test)}))
        return
    from rich.console import Console

    Console().print(summary.table(str(directory), test))


def describe(found: Any) -> str:
    """A match in one line."""
    settings = found.settings
    simulations = f", {settings.simulations} simulations a move" if settings.simulations else ""
    return (
        f"{found.names[0]} against {found.names[1]}, {settings.size}x{settings.size}, {settings.rules}, komi {found.komi:g}, "
        f"{found.limits}{simulations}, {found.parallel} at a time, {found.threads} threads each"
    )


def tell_match(found: Any, number: int, total: int) -> None:
    """Which of several matches comes now."""
    say(f"pairing {number} of {total}: {describe(found)}")


def game_teller(games: int) -> Callable[[Any, Any, Any], None]:
    """Says what went wrong in a game of several matches, and now and then how its match of so many games stands."""

    def tell(_found: Any, game: Any, summary: Any) -> None:
        if game.message:
            say(f"game {game.index}: lost by {game.reason}: {game.message}")
        if summary.played % 10 == 0 or summary.played == games:
            say(f"{summary.played:,}/{games:,} games: {summary.line()}")

    return tell


def say(text: str) -> None:
    """A line for people, on stderr."""
    print(text, file=sys.stderr, flush=True)


def _free_folder(a: str, b: str, resume: bool) -> Path:
    """runs/match-A-vs-B, or with -2, -3 behind it: the first that is free, and with --resume the last that is there."""
    name = re.sub(r"[^\w.+@-]+", "_", f"match-{a}-vs-{b}")
    path, number = Path("runs") / name, 1
    last = path
    while path.exists():
        last, number = path, number + 1
        path = Path("runs") / f"{name}-{number}"
    return last if resume else path
