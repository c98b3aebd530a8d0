"""`alphago arena`: a ladder of many engines, and their ratings."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from alphago.commands.arena_components import components
from alphago.commands.match import (
    SIDE_HELP,
    AsJson,
    Grace,
    Komi,
    MaxMoves,
    OpeningMoves,
    OpeningsFrom,
    Parallel,
    Resign,
    RulesName,
    Scoring,
    Seed,
    Sims,
    Size,
    Threads,
    Time,
    game_teller,
    say,
    tell_match,
)

if TYPE_CHECKING:
    from alphago.arena.ratings import Ratings

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Play many engines against one another, and rate them.",
)

Anchors = Annotated[
    list[str] | None, typer.Option("--anchor", help="NAME=ELO: a rating that is given [default: the mean is 0].")
]


@app.command()
def run(
    players: Annotated[list[str], typer.Argument(help=f"Each: {SIDE_HELP}")],
    out: Annotated[Path, typer.Option("--out", help="Folder of the ladder; what is there is gone on with.")],
    games: Annotated[int, typer.Option("--games", help="Games of each pairing, even.")] = 100,
    neighbours: Annotated[
        int | None,
        typer.Option("--neighbours", help="Play the K next in the order given alone [default: everybody].", min=1),
    ] = None,
    anchor: Anchors = None,
    size: Size = None,
    rules: RulesName = None,
    komi: Komi = None,
    time: Time = None,
    grace: Grace = None,
    sims: Sims = None,
    seed: Seed = None,
    openings: OpeningsFrom = None,
    opening_moves: OpeningMoves = None,
    scoring: Scoring = None,
    max_moves: MaxMoves = None,
    resign: Resign = None,
    parallel: Parallel = None,
    threads: Threads = None,
    as_json: AsJson = False,
) -> None:
    """Play every pairing that is missing in the folder, then print the ratings. The same command goes on after an interruption."""
    from alphago.arena.ladder import parse_anchors, parse_players, play_pairings, read_pairings, schedule
    from alphago.arena.ratings import RatingError, bradley_terry
    from alphago.messages import did_you_mean

    sides = parse_players(players)
    pairs = schedule(sides, neighbours)
    anchors = parse_anchors(anchor or [])
    names = [side.name for side in sides]
    for name in anchors:
        if name not in names:
            raise RatingError(f"the anchor {name!r} is none of the engines{did_you_mean(name, names)}")

    try:
        play_pairings(
            pairs,
            out,
            games,
            parallel=parallel,
            threads=threads,
            on_match=tell_match,
            on_game=game_teller(games),
            size=size,
            rules=rules,
            komi=komi,
            time=time,
            grace=grace,
            simulations=sims,
            seed=seed,
            openings=openings,
            opening_moves=opening_moves,
            scoring=scoring,
            max_moves=max_moves,
            resign=resign,
        )
    except KeyboardInterrupt:
        say("interrupted; the same command goes on")
        raise
    _show(bradley_terry(read_pairings([out]), anchors), as_json)


@app.command()
def ratings(
    folders: Annotated[list[Path], typer.Argument(help="Folders of matches or ladders.")],
    anchor: Anchors = None,
    as_json: AsJson = False,
) -> None:
    """Rate the engines of all matches in these folders."""
    from alphago.arena.ladder import parse_anchors, read_pairings
    from alphago.arena.ratings import bradley_terry

    _show(bradley_terry(read_pairings(folders), parse_anchors(anchor or [])), as_json)


@app.command()
def tune(
    base: Annotated[str, typer.Argument(help="The bot whose search parameters are varied, e.g. max:seconds=0.25.")],
    vary: Annotated[
        list[str],
        typer.Option("--vary", help="KEY=VALUE,VALUE,...: values to try, the present one first. May be given again."),
    ],
    out: Annotated[Path, typer.Option("--out", help="Folder of the results; what is there is gone on with.")],
    matches: Annotated[int, typer.Option("--matches", help="Short matches between two random choices.", min=1)] = 100,
    games: Annotated[int, typer.Option("--games", help="Of each match, even.")] = 4,
    size: Size = None,
    rules: RulesName = None,
    komi: Komi = None,
    time: Time = None,
    sims: Sims = None,
    seed: Annotated[int, typer.Option("--seed", help="Of choices, openings and bots.")] = 1,
    resign: Resign = None,
    parallel: Parallel = None,
    threads: Threads = None,
    as_json: AsJson = False,
) -> None:
    """Try many values of many search parameters at once: every match differs in all of them, one fit tells what each gains.

    The same command goes on after an interruption. Confirm the choice with `alphago match`.
    """
    from dataclasses import asdict

    from alphago.arena.tune import Effect, effects, parse_factor, play_tuning

    factors = [parse_factor(text) for text in vary]

    def line(effect: Effect) -> str:
        gain = f"{effect.elo:+.0f} Elo, +-{effect.error:.0f}" if effect.error else "(compared with)"
        return f"{effect.key}={effect.value}: {gain}"

    def tell(done: int, results: list[Any]) -> None:
        if done % 10 == 0 or done == matches:
            say(f"{done:,}/{matches:,} matches: " + "; ".join(line(e) for e in effects(factors, results) if e.error))

    try:
        results = play_tuning(
            base, factors, matches, out,
            games=games, seed=seed, parallel=parallel, threads=threads, on_match=tell,
            size=size, rules=rules, komi=komi, time=time, simulations=sims, resign=resign,
        )  # fmt: skip
    except KeyboardInterrupt:
        say("interrupted; the same command goes on")
        raise
    found = effects(factors, results)
    if as_json:
        print(json.dumps({"games": len(results) * games, "effects": [asdict(effect) for effect in found]}))
        return
    print(f"{len(results) * games:,} games; Elo with 95 % intervals:")
    for effect in found:
        print(line(effect))


app.command()(components)


def _show(found: Ratings, as_json: bool) -> None:
    from alphago.arena.ladder import ratings_dict, ratings_table

    if as_json:
        print(json.dumps(ratings_dict(found)))
        return
    from rich.console import Console

    Console(file=sys.stdout).print(ratings_table(found))
