"""The table of commands: name, function, and how a session carries one out."""

from __future__ import annotations

from collections.abc import Callable

from alphago.errors import AlphaGoError
from alphago.gtp.protocol import GtpError, Output, Request
from alphago.gtp.session import Session

Handler = Callable[[Session, Request, Output], "str | None"]
"""Returns the text of the response, or None when it has written it itself. Raises GtpError."""

COMMANDS: dict[str, Handler] = {}


def command(*names: str) -> Callable[[Handler], Handler]:
    """Enter a function in the table under these names."""

    def enter(function: Handler) -> Handler:
        for name in names:
            assert name not in COMMANDS, name
            COMMANDS[name] = function
        return function

    return enter


def handle(session: Session, request: Request, output: Output) -> bool:
    """Carry out one command, with exactly one response. False: the session ends."""
    function = COMMANDS.get(request.command)
    if function is None:
        output.respond(request.id, "unknown command", success=False)
        return True
    try:
        session.stop()
        text = function(session, request, output)
    except GtpError as error:
        output.respond(request.id, _one_line(str(error)), success=False)
    except AlphaGoError as error:
        output.respond(request.id, _one_line(str(error)), success=False)
    else:
        if text is not None:
            output.respond(request.id, text)
    return request.command != "quit"


def arguments(request: Request, least: int, most: int | None = None, what: str = "") -> list[str]:
    """The words after the command. Raises GtpError unless there are so many."""
    n, most = len(request.args), least if most is None else most
    if not least <= n <= most:
        wanted = what or (f"{least}" if least == most else f"{least} to {most}") + " arguments"
        raise GtpError(f"syntax error: {request.command} takes {wanted}, got {n}")
    return request.args


def whole(word: str, what: str) -> int:
    """A whole number of at most nine digits. Raises GtpError."""
    digits = word.removeprefix("-")
    if not (digits.isascii() and digits.isdecimal() and len(digits) < 10):
        raise GtpError(f"syntax error: expected {what}, a whole number, got {word[:40]}")
    return int(word)


def _one_line(text: str) -> str:
    return " ".join(text.split()) or "failed"
