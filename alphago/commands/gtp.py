"""`alphago gtp`: the bot, for every program that speaks the Go Text Protocol."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from alphago.console import seconds_option
from alphago.search.levels import LEVELS

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def gtp(
    level: Annotated[str, typer.Option("--level", help=f"Strength: {', '.join(LEVELS)}.")] = "max",
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
    time: Annotated[
        str | None,
        typer.Option("--time", help="Most time of a move, e.g. 2s, also under a clock [default: 1s without one]."),
    ] = None,
    sims: Annotated[
        int | None,
        typer.Option("--sims", help="Most simulations of a move [default: the level's].", min=1, max=100_000_000),
    ] = None,
    size: Annotated[int, typer.Option("--size", help="Board size until the client says another.", min=2, max=19)] = 19,
    komi: Annotated[
        float | None,
        typer.Option("--komi", help="Komi until the client says another [default: the rules'].", min=-1000, max=1000),
    ] = None,
    rules: Annotated[str, typer.Option("--rules", help="Ruleset until the client says another.")] = "chinese-ogs",
    ponder: Annotated[bool, typer.Option("--ponder/--no-ponder", help="Think on the opponent's time.")] = False,
    resign: Annotated[bool, typer.Option("--resign/--no-resign", help="Give hopeless games up.")] = True,
    lag: Annotated[
        float, typer.Option("--lag", help="Seconds of a move kept for the way to the client.", min=0, max=60)
    ] = 0.15,
    threads: Annotated[
        int | None, typer.Option("--threads", help="Threads [default: every processor].", min=1, max=1024)
    ] = None,
    memory: Annotated[
        int, typer.Option("--memory", help="Limit of the search tree, in MiB.", min=16, max=1 << 20)
    ] = 512,
    runtime: Annotated[str, typer.Option("--runtime", help="Of a network: auto, torch or openvino.")] = "auto",
    precision: Annotated[str, typer.Option("--precision", help="Of a network: auto, fp32, bf16 or int8.")] = "auto",
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="key=value: any search parameter (docs/search-params.md).")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="Seed of everything random.", min=0)] = 0,
    override_name: Annotated[str | None, typer.Option("--override-name", help="Answer of the command name.")] = None,
    override_version: Annotated[
        str | None, typer.Option("--override-version", help="Answer of the command version.")
    ] = None,
) -> None:
    """Play over the Go Text Protocol on stdin and stdout. docs/play.md says how clients use it."""
    import alphago
    from alphago.go import Rules
    from alphago.gtp.main import run
    from alphago.gtp.session import Settings
    from alphago.nets.shipped import DEFAULT, NAMES, NONE, value_files
    from alphago.search.bot import Bot
    from alphago.search.params import parse_settings
    from alphago.search.styles import ALPHAGO

    values = parse_settings(settings or [])

    def make_bot() -> Bot:
        return Bot(
            level,
            net,
            settings=values,
            threads=threads,
            memory_mib=memory,
            seed=seed,
            resign=resign,
            rollout_weights=rollout_weights,
            runtime=runtime,
            precision=precision,
            style=style,
            value_net=value_net,
        )

    bot = make_bot()  # what is wrong with the options is said now, not in the first game
    files = [] if net in NAMES else [Path(net)]
    if style == ALPHAGO and value_net not in (None, DEFAULT, NONE):
        files.append(Path(value_net))
    elif style == ALPHAGO and value_net != NONE and not value_files(DEFAULT):
        # says that none ships; where one does, boards that it is not for are a matter of the game
        bot.value_network_file(size)
    for file in files:
        from alphago.nets import header
        from alphago.nets.architecture import NetworkError

        header.read(file, kind="network", version=1, what="network file", framework="numpy", error=NetworkError)
    session = Settings(
        simulations=sims,
        seconds=seconds_option(time),
        lag=lag,
        ponder=ponder,
        name=_line(override_name, "--override-name") or "AlphaGo engine",
        version=_line(override_version, "--override-version") or alphago.__version__,
    )
    run(make_bot, session, Rules.named(rules), size, komi)


def _line(text: str | None, option: str) -> str | None:
    if text is not None and (not text.strip() or not text.isprintable()):
        raise typer.BadParameter("expected one line of text", param_hint=option)
    return text
