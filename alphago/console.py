"""What the console commands share: how a command line is run, and how its errors are told.

A user's mistake is one line on stderr and exit status 2, a broken installation exit status 1, Ctrl-C 130.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import NoReturn

import typer

from alphago.errors import AlphaGoError
from alphago.machine import seconds_of


def run(app: typer.Typer, name: str, args: Sequence[str] | None = None) -> NoReturn:
    """Run the command line of `app` (`sys.argv` when `args` is None) under the program name `name` and exit with its status."""
    try:
        status = typer.main.get_command(app).main(args=args, prog_name=name, standalone_mode=False)
        sys.stdout.flush()
    except (KeyboardInterrupt, typer.Abort):
        status = 130
    except BrokenPipeError:
        # The reader of our output went away (`| head`). Python flushes stdout again on exit; let that go nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 1
    except Exception as error:  # noqa: BLE001  # _explain raises again what is nobody's mistake but ours
        status, text = _explain(error, name)
        print(text, file=sys.stderr)
    sys.exit(status or 0)


def seconds_option(text: str | None, option: str = "--time") -> float | None:
    """The length of time that an option was given, None where it was not. Raises typer.BadParameter."""
    if text is None:
        return None
    try:
        return seconds_of(text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=option) from None


def _explain(error: Exception, name: str) -> tuple[int, str]:
    """Exit status and text of an error that is the user's or the installation's; any other is raised again as it is."""
    if type(error).__name__ == "NoArgsIsHelpError":  # a group called without a subcommand: the text is its help
        return 2, str(error)
    if hasattr(error, "format_message"):  # Typer's usage errors; their base class has moved between its versions
        return 2, f"{name}: {' '.join(error.format_message().split())}"
    if isinstance(error, AlphaGoError):
        return 2, f"{name}: {error}"
    if isinstance(error, ImportError) and "_core" in str(error):
        return 1, f"{name}: the compiled core cannot be loaded ({error}); `alphago doctor` says more"
    raise error
