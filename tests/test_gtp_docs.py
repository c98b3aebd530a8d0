"""docs/gtp.md lists what there is: every command, time system, parameter and option, and nothing else."""

from __future__ import annotations

import re

import pytest
import typer.main

from alphago.commands.gtp import app
from alphago.gtp.clock import LAG, SYSTEMS
from alphago.gtp.protocol import MAX_LINE, MAX_WAITING
from alphago.gtp.registry import COMMANDS
from conftest import ROOT
from gtp_helpers import script, served

PAGE = (ROOT / "docs" / "gtp.md").read_text(encoding="utf-8")


def table(heading: str) -> list[list[str]]:
    """Cells of the rows of the first table below a heading."""
    section = PAGE.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    rows = [line.strip("|").split("|") for line in section.split("\n") if line.startswith("|")]
    return [[cell.strip() for cell in row] for row in rows[2:]]


def names(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def test_commands() -> None:
    rows = [names(row[0]) for row in table("Commands")]
    listed = [name for row in rows for name in row]
    assert len(listed) == len(set(listed))
    assert set(listed) == set(COMMANDS)
    for row in rows:  # aliases stand together
        for name in row:
            aliases = {other for other, function in COMMANDS.items() if function is COMMANDS[name]}
            assert aliases <= set(row), name


def test_commands_without_arguments_in_the_table_take_none() -> None:
    """An empty cell means that the bare command is no syntax error."""
    rows = table("Commands")
    bare = [name for row in rows for name in names(row[0]) if not row[1]]
    assert len(bare) > 30
    with served(size=3) as client:
        for name in bare:
            if name != "quit":
                client.ok("play b pass")
                client.ok(name)


def test_time_systems() -> None:
    rows = table("Time systems")
    assert [names(row[0])[0] for row in rows] == list(SYSTEMS)
    with served() as client:
        for row in rows:
            numbers = re.sub(r"`[^`]+`", "", row[0]).split()
            client.ok(f"kata-time_settings {names(row[0])[0]} {' '.join('5' for _ in numbers)}")
    assert f"`--lag` seconds ({LAG:g})" in PAGE


def test_parameters() -> None:
    with served() as client:
        assert [names(row[0])[0] for row in table("Parameters")] == client.ok("kata-list-params").split()


def test_options() -> None:
    listed = {name.replace("--no-", "--") for row in table("Options") for name in names(row[0])}
    known = {p.opts[0]: p for p in typer.main.get_command(app).params}
    assert listed == set(known) - {"--help"}
    assert f"| `--lag` | {known['--lag'].default} |" in PAGE
    assert f"| `--threads`, `--memory` | all, {known['--memory'].default} |" in PAGE


def test_bounds() -> None:
    assert f"{MAX_LINE >> 10} KiB" in PAGE and f"{MAX_WAITING >> 20} MiB" in PAGE


@pytest.mark.parametrize(
    "path", sorted((ROOT / "tests/gtp_transcripts").glob("*.txt")), ids=lambda path: str(path.stem)
)
def test_errors_begin_with_known_words(path: object) -> None:
    """What the page says errors begin with is how those of the specification's own commands do."""
    known = [w.rstrip(".: ") for w in names(re.sub(r"\s+", " ", PAGE.split("Errors begin")[1].split("\n- ")[0]))]
    assert len(known) == 10
    own = {"play", "genmove", "boardsize", "komi", "undo", "fixed_handicap", "place_free_handicap", "set_free_handicap",
           "time_settings", "time_left", "final_status_list", "loadsgf", "lz-analyze", "kata-analyze", "reg_genmove"}  # fmt: skip
    for request, reply in script(path.read_text(encoding="ascii")):  # type: ignore[attr-defined]
        first = reply[0].removeprefix("~ ").lstrip("\\")
        if first.startswith("?") and request.split()[0] in own:
            assert first[2:].startswith(tuple(known)), request
