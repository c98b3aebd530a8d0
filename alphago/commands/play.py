"""`alphago play`: a game against the bot in the terminal."""

from __future__ import annotations

import random
import sys
from pathlib import Path
from typing import Annotated

import typer

from alphago.console import seconds_option
from alphago.search.levels import LEVELS

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def play(
    level: Annotated[str, typer.Option("--level", help=f"Strength: {', '.join(LEVELS)}.")] = "club",
    net: Annotated[str, typer.Option("--net", help="Network file, default, small, rl, nas or none.")] = "default",
    style: Annotated[
        str, typer.Option("--style", help="zero, or alphago: policy network, value network and rollouts as in 2016.")
    ] = "zero",
    value_net: Annotated[
        str | None, typer.Option("--value-net", help="Style alphago: value network file, default or none.")
    ] = None,
    rollout_weights: Annotated[
        str | None, typer.Option("--rollout-weights", help="Rollout weights file [default: the one that ships].")
    ] = None,
    size: Annotated[int, typer.Option("--size", help="Board size.", min=2, max=19)] = 9,
    komi: Annotated[
        float | None,
        typer.Option("--komi", help="Points for white [default: the rules'; 0.5 with handicap].", min=-1000, max=1000),
    ] = None,
    color: Annotated[str, typer.Option("--color", help="Yours: black, white or random.")] = "black",
    handicap: Annotated[
        int, typer.Option("--handicap", help="Stones that black has from the start; 0 none.", min=0, max=9)
    ] = 0,
    rules: Annotated[
        str | None, typer.Option("--rules", help="Ruleset (docs/board.md) [default: chinese-ogs].")
    ] = None,
    time: Annotated[
        str | None, typer.Option("--time", help="The bot's time for a move, e.g. 2s [default: the level's].")
    ] = None,
    resume: Annotated[str | None, typer.Option("--resume", help="Go on with the game in this SGF file.")] = None,
    save: Annotated[
        str | None, typer.Option("--save", help="Keep the game in this SGF file, after every move.")
    ] = None,
    seed: Annotated[int | None, typer.Option("--seed", help="Seed of everything random [default: any].", min=0)] = None,
    threads: Annotated[
        int | None, typer.Option("--threads", help="Threads [default: every processor].", min=1, max=1024)
    ] = None,
    plain: Annotated[bool, typer.Option("--plain", help="A board of letters, without colours.")] = False,
) -> None:
    """Play against the bot in the terminal; `help` there lists what you can type."""
    from alphago.commands.play_game import default_rules, new_game, resume_game
    from alphago.commands.play_table import Table
    from alphago.commands.play_view import View
    from alphago.go import BLACK, WHITE, BadColor, Rules, parse_color
    from alphago.search.bot import Bot

    if seed is None:
        seed = random.SystemRandom().randrange(1 << 32)
    try:
        human = random.Random(seed).choice((BLACK, WHITE)) if color == "random" else parse_color(color)
    except BadColor:
        raise typer.BadParameter(f"expected black, white or random, got {color[:40]!r}", param_hint="--color") from None
    seconds = seconds_option(time)
    ruleset = None if rules is None else Rules.named(rules)
    if resume is not None:
        if handicap:
            raise typer.BadParameter("a resumed game has the handicap of its file", param_hint="--handicap")
        game = resume_game(Path(resume), human, ruleset, komi)
    else:
        game = new_game(size, ruleset or default_rules(), komi, handicap, human)
    bot = Bot(
        level,
        net,
        threads=threads,
        seed=seed,
        memory_mib=256,
        rollout_weights=rollout_weights,
        style=style,
        value_net=value_net,
    )
    bot.prepare(game.board.size)
    # Whatever is typed or shown, no character may end the game.
    for stream in (sys.stdin, sys.stdout):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    keep = Path(save) if save is not None else None
    if keep is not None and resume is None and keep.exists():
        raise typer.BadParameter(f"{keep} exists already; --resume goes on with it", param_hint="--save")
    table = Table(game, bot, View(plain), seconds=seconds, keep=keep)
    try:
        status = table.run()
    finally:
        table.close()
    if status:
        raise typer.Exit(status)
