"""Where test positions come from: real games in the development data beside the checkout, and random ones without it."""

from __future__ import annotations

import gzip
import itertools
import os
import random
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from sgfmill import sgf

from .board import BLACK, WHITE

SHARED = Path(os.environ.get("ALPHAGO_SHARED") or Path(__file__).resolve().parents[2].parent / "shared") / "data"
_COLORS = {"b": BLACK, "w": WHITE}


@dataclass
class Record:
    """The main line of a game; set-up stones come before the moves."""

    name: str
    size: int
    rules: str = ""
    komi: float = 7.5
    black: list[int] = field(default_factory=list)
    white: list[int] = field(default_factory=list)
    moves: list[tuple[int, int]] = field(default_factory=list)  # (colour, action)


def read_sgf(name: str, content: bytes) -> Record:
    """Reads one SGF game of any encoding through sgfmill, which counts rows from the bottom."""
    declared = re.search(rb"CA\[\s*([\w.:-]+)\s*\]", content[:2000])
    text = None
    for encoding in [declared[1].decode() if declared else "utf-8", "utf-8", "gb18030", "latin-1"]:
        try:
            text = content.decode(encoding)
            break
        except (UnicodeDecodeError, LookupError):
            continue
    assert text is not None
    game = sgf.Sgf_game.from_string(text.lstrip("\ufeff"))
    size = int(game.get_size())

    def action(point: tuple[int, int] | None) -> int:
        return size * size if point is None else (size - 1 - point[0]) * size + point[1]

    root = game.get_root()
    record = Record(name, size, rules=root.get("RU") if root.has_property("RU") else "")
    for node in game.get_main_sequence():
        black, white, empty = node.get_setup_stones()
        if black or white or empty:
            assert not record.moves and not empty, f"{name}: set-up after the first move"
            record.black += [action(point) for point in black]
            record.white += [action(point) for point in white]
        color, point = node.get_move()
        if color is not None:
            record.moves.append((_COLORS[color], action(point)))
    return record


def need(path: Path) -> Path:
    """The path, or the test is skipped."""
    if not path.exists():
        pytest.skip(f"development data not found: {path.name} (set ALPHAGO_SHARED to the folder that holds data/)")
    return path


def _lines(path: Path, count: int) -> Iterator[Record]:
    with gzip.open(need(path)) as stream:
        for number, line in enumerate(itertools.islice(stream, count), start=1):
            yield read_sgf(f"{path.name}:{number}", line)


def expert_games(count: int) -> list[Record]:
    """9x9 games of a strong program."""
    return list(_lines(SHARED / "expert-9x9.sgfs.gz", count))


def tygem_games(count: int) -> list[Record]:
    """19x19 games of 9-dan players, the same number from each month."""
    months = sorted(need(SHARED / "tygem-9d").glob("*.sgfs.gz"))
    assert months
    return [record for path in months for record in _lines(path, -(-count // len(months)))][:count]


def alphago_games() -> list[Record]:
    """Every published game of AlphaGo."""
    with zipfile.ZipFile(need(SHARED / "alphago-games.zip")) as archive:
        return [read_sgf(name, archive.read(name)) for name in archive.namelist() if name.lower().endswith(".sgf")]


def have_data() -> bool:
    """Whether the development data is there."""
    return (SHARED / "expert-9x9.sgfs.gz").exists() and (SHARED / "tygem-9d").is_dir()


def random_actions(rng: random.Random, size: int, passes: float = 0.01) -> int:
    """One uniformly random action; a pass with the given probability."""
    return size * size if rng.random() < passes else rng.randrange(size * size)
