"""The `alphago` command: a roof over the modules of `alphago.commands`, which are imported when they are called.

`alphago.console` says how it ends: a user's mistake is one line on stderr and exit status 2.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Annotated, Any, Final, NoReturn

import typer
import typer.core

from alphago import console
from alphago.messages import did_you_mean

COMMANDS: Final[dict[str, tuple[str, str]]] = {
    "arena": ("alphago.commands.arena", "Play many engines against one another, and rate them."),
    "bench": ("alphago.commands.bench", "Measure playouts, input planes, search and self-play per second."),
    "doctor": ("alphago.commands.doctor", "Show what this machine and installation offer, and what is missing."),
    "evaluate": ("alphago.commands.evaluate", "Measure how well a network predicts games."),
    "evaluate-value": ("alphago.commands.evaluate_value", "Compare a value network with rollouts and playouts."),
    "games": ("alphago.commands.games", "Describe, summarise and export stores of games."),
    "gtp": ("alphago.commands.gtp", "Play over the Go Text Protocol."),
    "import": ("alphago.commands.import_games", "Import SGF files, folders and archives into a file of games."),
    "make-value-data": ("alphago.commands.value_data", "Play games that give a value network independent positions."),
    "match": ("alphago.commands.match", "Play two engines against each other: Elo, SPRT, every game kept."),
    "nas": ("alphago.commands.nas", "Search for network architectures, and make networks of what was found."),
    "nets": ("alphago.commands.nets", "Make and describe network files."),
    "place": ("alphago.commands.place", "Place the operations of a network on devices, by a policy that learns."),
    "pipeline": ("alphago.commands.pipeline", "AlphaGo's pipeline of 2016 as one command, with a report."),
    "play": ("alphago.commands.play", "Play against the bot in the terminal."),
    "regress": ("alphago.commands.regress", "Run test positions with any GTP engine."),
    "train": ("alphago.commands.train", "Train networks."),
}
"""Subcommand: its module, and its line in the help (here, so that help imports no module)."""


class _LazyGroup(typer.core.TyperGroup):
    """Knows its subcommands by name and imports the one that is called."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in COMMANDS:
            return None
        return typer.main.get_command(importlib.import_module(COMMANDS[cmd_name][0]).app)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args[0] not in COMMANDS and not args[0].startswith("-"):
            ctx.fail(f"unknown command {args[0]!r}{did_you_mean(args[0], COMMANDS)}; known are {', '.join(COMMANDS)}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


# Plain help: Rich would take longer to import than everything else takes to run.
app = typer.Typer(cls=_LazyGroup, add_completion=False, no_args_is_help=True, rich_markup_mode=None)


def _show_version(asked: bool) -> None:
    if asked:
        import alphago

        typer.echo(f"alphago {alphago.__version__}")
        raise typer.Exit


@app.callback()
def _alphago(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """A Go engine after AlphaGo, AlphaGo Zero and AlphaZero."""


def main(args: Sequence[str] | None = None) -> NoReturn:
    """Run the command line (`sys.argv` when `args` is None) and exit with its status."""
    console.run(app, "alphago", args)


if __name__ == "__main__":
    main()
