"""`alphago regress`: test positions for any GTP engine."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from alphago.console import seconds_option

if TYPE_CHECKING:
    from alphago.gtp.regress import FileResults, Result

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def regress(
    files: Annotated[list[str], typer.Argument(help="Test files (.tst), as gogui-regress reads them.")],
    engine: Annotated[
        str | None, typer.Option("--engine", help="Command line of a GTP engine [default: our own bot].")
    ] = None,
    time: Annotated[
        str | None, typer.Option("--time", help="Time of a move, e.g. 1s [default: 1s for our bot, else the engine's].")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", help="Print passed tests too.")] = False,
) -> None:
    """Run test positions. Exit status 1 when a test fails that is not marked as known to fail."""
    from alphago.gtp.regress import FAIL, PASS, FileResults, read_tests, run_file

    seconds = seconds_option(time)
    command, pace = engine, seconds
    if command is None:
        # Our own bot takes fractions of seconds on its command line; time_settings takes whole ones.
        command, pace = shlex.join([sys.executable, "-m", "alphago.cli", "gtp", "--time", f"{seconds or 1.0:g}s"]), None
    paths = [Path(file) for file in files]
    for path in paths:
        read_tests(path)  # a mistake in the last file is told before the first one runs
    done = []
    for path in paths:
        found = FileResults(path)
        done.append(found)
        for result in run_file(path, command, pace):
            found.results.append(result)
            if not as_json and (verbose or result.outcome != PASS):
                print(_line(path, result), flush=True)
    if as_json:
        print(json.dumps({"engine": command, "seconds": seconds, **_summary(done)}))
    else:
        _print_table(done)
    if any(found.count(FAIL) for found in done):
        raise typer.Exit(1)


def _line(path: Path, result: Result) -> str:
    line = result.line
    name = f"{line.id} {line.command}" if line.id is not None else line.command
    return f"{path}:{line.number}: {result.outcome.upper()}: {name}: wanted {line.expectation}, got {result.answer}"


def _summary(done: list[FileResults]) -> dict[str, Any]:
    return {"totals": _counts(done), "files": [_file(found) for found in done]}


def _counts(done: list[FileResults]) -> dict[str, int]:
    from alphago.gtp.regress import OUTCOMES

    counts = {outcome.replace(" ", "_"): sum(found.count(outcome) for found in done) for outcome in OUTCOMES}
    return {"tests": sum(len(found.results) for found in done), **counts}


def _file(found: FileResults) -> dict[str, Any]:
    tests = [
        {
            "line": result.line.number,
            "id": result.line.id,
            "command": result.line.command,
            "expected": str(result.line.expectation),
            "answer": result.answer,
            "outcome": result.outcome,
            "seconds": round(result.seconds, 3),
        }
        for result in found.results
    ]
    return {"file": str(found.path), "category": found.path.stem, **_counts([found]), "tests": tests}


def _print_table(done: list[FileResults]) -> None:
    heads = ["file", "tests", "passed", "failed", "known to fail", "unexpected passes"]
    rows = [[str(found.path), *map(str, _row([found]))] for found in done]
    if len(done) > 1:
        rows.append(["all", *map(str, _row(done))])
    widths = [max(len(row[i]) for row in [heads, *rows]) for i in range(len(heads))]
    for row in [heads, *rows]:
        cells = [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        print("  ".join(cells))


def _row(done: list[FileResults]) -> list[int]:
    from alphago.gtp.regress import FAIL, KNOWN_FAIL, UNEXPECTED_PASS

    return [
        sum(len(found.results) for found in done),
        sum(found.passed for found in done),
        *(sum(found.count(outcome) for found in done) for outcome in (FAIL, KNOWN_FAIL, UNEXPECTED_PASS)),
    ]
