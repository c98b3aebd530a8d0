"""`alphago import`, `alphago games`: every kind of place that games come from, what is left out and why, the way back to SGF."""

from __future__ import annotations

import gzip
import io
import itertools
import json
import random
import tarfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from alphago.data import GameDataError, read_games, validate, write_shard
from alphago.data.export import export_games
from alphago.data.games import SCHEMA
from alphago.data.identity import game_key, split_number, symmetries
from alphago.data.importing import Filters, ImportingError, Report, import_games, make_filters, rank_number, report_path
from alphago.data.sgf_read import read
from alphago.data.sources import Found, SourceError, Unreadable, find_games
from test_data_games import assert_same_row, pool_rows
from test_sgf_reading import random_record

ONE = "(;SZ[9]KM[7]RE[B+R];B[ee];W[cc];B[gg])"
TWO = "(;SZ[9]KM[7]RE[W+2.5];B[dd];W[ee];B[ff];W[])"


def names(found: Sequence[object]) -> list[str]:
    return [f"{f.file.rsplit('/', 1)[-1]}:{f.line}" for f in found if isinstance(f, Found | Unreadable)]


# --- places -----------------------------------------------------------------------------------------------------------


def test_every_kind_of_place(tmp_path: Path) -> None:
    (tmp_path / "a.sgf").write_text(ONE)
    (tmp_path / "b.SGF").write_text(f"{ONE}\n\n{TWO}\n")
    (tmp_path / "c.sgfs").write_text(f"{ONE}\n\n{TWO}\n")
    (tmp_path / "d.sgfs.gz").write_bytes(gzip.compress(f"{TWO}\n".encode()))
    (tmp_path / "e.sgf.gz").write_bytes(gzip.compress(ONE.encode()))
    with zipfile.ZipFile(tmp_path / "f.zip", "w") as archive:
        archive.writestr("in/z.sgf", TWO)
        archive.writestr("in/a.sgfs", f"{ONE}\n{TWO}\n")
        archive.writestr("readme.txt", "no game")
    with tarfile.open(tmp_path / "g.tar.gz", "w:gz") as archive:
        info = tarfile.TarInfo("../../outside.sgf")
        info.size = len(ONE)
        archive.addfile(info, io.BytesIO(ONE.encode()))
    (tmp_path / "deeper").mkdir()
    (tmp_path / "deeper" / "h.sgf").write_text(TWO)
    (tmp_path / ".hidden.sgf").write_text(ONE)
    (tmp_path / "notes.txt").write_text("no game")
    found = list(find_games([tmp_path]))
    assert all(isinstance(one, Found) for one in found)
    assert names(found) == [
        "a.sgf:1",
        "b.SGF:1",
        "b.SGF:3",
        "c.sgfs:1",
        "c.sgfs:3",
        "d.sgfs.gz:1",
        "e.sgf.gz:1",
        "a.sgfs:1",
        "a.sgfs:2",
        "z.sgf:1",
        "outside.sgf:1",
        "h.sgf:1",
    ]
    assert not (tmp_path.parent.parent / "outside.sgf").exists()
    assert found[7].file == f"{tmp_path / 'f.zip'}!in/a.sgfs"


@pytest.mark.parametrize("name", ["x.sgf.gz", "x.sgfs.gz", "x.zip", "x.tar.gz", "x.tar"])
def test_damaged_places_are_told_and_passed_over(tmp_path: Path, name: str) -> None:
    whole = gzip.compress(b"(;SZ[9];B[aa])" * 2000) if name.endswith(".gz") else b"PK\x03\x04 broken"
    (tmp_path / name).write_bytes(whole[: len(whole) // 2])
    (tmp_path / "y.sgf").write_text(ONE)
    found = list(find_games([tmp_path]))
    assert isinstance(found[-1], Found) and found[-1].file.endswith("y.sgf")
    assert any(isinstance(one, Unreadable) and one.message for one in found)


def test_paths_that_are_wrong(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no such file or folder"):
        list(find_games([tmp_path / "none.sgf"]))
    (tmp_path / "x.doc").write_text("")
    with pytest.raises(SourceError, match="not a kind of file that is known here"):
        list(find_games([tmp_path / "x.doc"]))
    (tmp_path / "empty").mkdir()
    with pytest.raises(ImportingError, match="no games were found there"):
        import_games([tmp_path / "empty"], tmp_path / "out.parquet")
    assert not (tmp_path / "out.parquet").exists() and not list(tmp_path.glob(".*"))


# --- what is taken ----------------------------------------------------------------------------------------------------


def imported(tmp_path: Path, text: str, **filters: object) -> Report:
    (tmp_path / "in.sgf").write_text(text)
    return import_games([tmp_path / "in.sgf"], tmp_path / "out.parquet", make_filters(**filters))


def turned(text: str, symmetry: int, size: int = 9) -> str:
    """The record with its points turned."""
    table = symmetries(size)[symmetry]

    def point(letters: str) -> str:
        if not letters:
            return ""
        column, row = (ord(letter) - 97 for letter in letters)
        action = int(table[row * size + column])
        return chr(97 + action % size) + chr(97 + action // size)

    import re

    return re.sub(r";([BW])\[(\w*)\]", lambda m: f";{m[1]}[{point(m[2])}]", text)


@pytest.mark.parametrize("symmetry", range(8))
def test_duplicates_in_every_symmetry(tmp_path: Path, symmetry: int) -> None:
    other = turned(TWO, symmetry).replace("KM[7]", "KM[6.5]PB[Somebody]").replace(";W[])", ")")
    report = imported(tmp_path, f"{ONE}\n{TWO}\n{other}")
    assert report.games == 2 and report.reasons == {"duplicate": 1}
    assert report.left_out[0].line == 3 and report.left_out[0].message.endswith("in.sgf:2")


def test_colours_swapped_is_another_game() -> None:
    assert game_key(read(ONE)) != game_key(read(ONE.replace(";B", ";x").replace(";W", ";B").replace(";x", ";W")))


def test_splits_are_even_and_keep_their_games() -> None:
    keys = [bytes([i % 256, i // 256]) for i in range(4000)]
    numbers = [split_number(key) for key in keys]
    assert all(0 <= number < 1 for number in numbers)
    assert abs(sum(number < 0.25 for number in numbers) - 1000) < 4 * (4000 * 0.25 * 0.75) ** 0.5
    assert numbers == [split_number(key) for key in keys] != [split_number(key, 1) for key in keys]


def test_symmetries_are_those_of_the_planes() -> None:
    table = symmetries(5)
    assert table.shape == (8, 26)
    assert [int(row[1]) for row in table] == [1, 21, 3, 23, 5, 15, 9, 19]  # docs/features.md by hand for (0, 1)
    assert sorted({row.tobytes() for row in table}) == sorted(row.tobytes() for row in table)


@pytest.mark.parametrize(
    ("filters", "reason"),
    [
        ({"sizes": (19,)}, "filter: size"),
        ({"min_moves": 4}, "filter: length"),
        ({"max_moves": 2}, "filter: length"),
        ({"min_rank": "1d"}, "filter: rank"),
        ({"since": "2017"}, "filter: date"),
        ({"until": "2015-12-31"}, "filter: date"),
        ({"endings": ("passes",)}, "filter: ending"),
        ({"handicap": False}, "filter: set-up stones"),
    ],
)
def test_filters(tmp_path: Path, filters: dict[str, object], reason: str) -> None:
    low = "(;SZ[9]BR[1k]WR[2d]DT[2016-03-09]RE[B+R]AB[aa];W[ee];B[cc];W[gg])"
    with pytest.raises(ImportingError, match=f"no game was taken: 1 {reason}"):
        imported(tmp_path, low, **filters)


def test_filters_let_games_through(tmp_path: Path) -> None:
    game = "(;SZ[9]BR[9d]WR[3p]DT[2016-03-09]RE[B+R];B[ee];W[cc];B[gg])"
    wanted = {
        "sizes": (9, 19),
        "min_moves": 3,
        "max_moves": 3,
        "min_rank": "9d",
        "since": "2016-03",
        "until": "2016",
        "endings": ("resign",),
        "decided": True,
    }
    assert imported(tmp_path, game, **wanted).games == 1


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"min_rank": "strong"}, "min_rank: a rank such as 5k, 1d or 9p, got 'strong'"),
        ({"since": "March"}, "since: a date such as 2015, 2015-06 or 2015-06-30, got 'March'"),
        ({"endings": ("won",)}, "endings: one of passes, resign,"),
        ({"sizes": (25,)}, "sizes.0: input should be less than or equal to 19, got 25"),
    ],
)
def test_bad_filters(values: dict[str, object], message: str) -> None:
    with pytest.raises(ImportingError) as caught:
        make_filters(**values)
    assert str(caught.value).startswith(message)


def test_ranks_in_order() -> None:
    ranks = ["30k", "5k", "1k", "1d", "9d", "1p", "9p"]
    numbers = [rank_number(rank) for rank in ranks]
    assert numbers == sorted(numbers, key=lambda n: n or 0) and rank_number("pro") is None


def test_broken_games_are_counted_listed_and_stop_nothing(tmp_path: Path) -> None:
    text = f"{ONE}\n(;SZ[9];B[aa];W[aa])\n(;SZ[40])\n(;GM[11])\n{TWO}\n(;XX"
    report = imported(tmp_path, text)
    assert report.games == 2 and report.seen == 6
    assert report.reasons == {"illegal": 1, "size": 1, "not Go": 1, "broken": 1}
    listing = report_path(tmp_path / "out.parquet").read_text().splitlines()
    assert listing[0] == "file,line,reason,message"
    assert f"{tmp_path}/in.sgf,2,illegal" in listing[1]
    for row in read_games(tmp_path / "out.parquet"):
        validate(row)


def test_the_same_place_gives_the_same_bytes(tmp_path: Path) -> None:
    imported(tmp_path, f"{ONE}\n{TWO}")
    first = (tmp_path / "out.parquet").read_bytes()
    imported(tmp_path, f"{ONE}\n{TWO}")
    assert (tmp_path / "out.parquet").read_bytes() == first


def test_nothing_is_left_behind_when_the_disk_refuses(tmp_path: Path) -> None:
    (tmp_path / "in.sgf").write_text(ONE)
    with pytest.raises(ImportingError, match="cannot be written"):
        import_games([tmp_path / "in.sgf"], tmp_path / "no" / "out.parquet")


def test_the_published_games_of_alphago(shared_data: Path, tmp_path: Path) -> None:
    report = import_games([shared_data / "alphago-games.zip"], tmp_path / "out.parquet", keep_duplicates=True)
    assert report.games + len(report.left_out) == report.seen == 216
    assert all(entry.reason and entry.message for entry in report.left_out)
    assert report.games > 200
    for row in itertools.islice(read_games(tmp_path / "out.parquet"), 30):
        validate(row)


def test_the_fast_reader_on_real_games(shared_data: Path) -> None:
    file = min((shared_data / "tygem-9d").glob("*.sgfs.gz"))
    with gzip.open(file, "rt") as lines:
        for line in itertools.islice(lines, 60):
            one, other = read(line), read(line, plain=False)
            assert_same_row({**one, "game_id": "x"}, {**other, "game_id": "x"})


# --- mutations --------------------------------------------------------------------------------------------------------


def mutated(data: bytes, rng: random.Random) -> bytes:
    out = bytearray(data)
    for _ in range(rng.randrange(1, 8)):
        at = rng.randrange(len(out) + 1)
        kind = rng.randrange(6)
        if kind == 0:
            out[at:at] = bytes(rng.randrange(256) for _ in range(rng.randrange(1, 6)))
        elif kind == 1:
            del out[at : at + rng.randrange(1, 20)]
        elif kind == 2 and at < len(out):
            out[at] = rng.randrange(256)
        elif kind == 3:
            out[at:at] = rng.choice(
                (b"(", b")", b";", b"[", b"]", b"\\", b":", b"AB[aa:ss]", b"AE[cc]", b"SZ[1]", b"KM[nan]")
            )
        elif kind == 4:
            first = rng.randrange(len(out) + 1)
            out[at:at] = out[first : first + 40]
        else:
            del out[at:]
        if not out:
            out = bytearray(b"(")
    return bytes(out)


def test_mutated_files_never_crash(tmp_path: Path) -> None:
    """10,000 of them, in files of 50: each is read, or left out with a reason."""
    rng = random.Random(11)
    bases = [random_record(rng).encode() for _ in range(20)]
    bases += [
        "(;CA[GBK]PB[柯洁]SZ[19]HA[2]AB[dd][pp](;W[qd]C[好棋];B[dc])(;W[cc]))".encode("gb18030"),
        b"(;FF[3]GM[1]SZ[9]KM[5,5]RE[Black wins by 3.5];B[aa];AW[bb]AE[aa]PL[B];B[cc])",
    ]
    for number in range(200):
        folder = tmp_path / str(number % 4)
        folder.mkdir(exist_ok=True)
        for i in range(50):
            (folder / f"{number}-{i}.sgf").write_bytes(mutated(rng.choice(bases), rng))
    report = import_games([tmp_path], tmp_path / "out.parquet", keep_duplicates=True)
    assert report.seen >= 9_000 and report.games > 500 and len(report.left_out) > 500
    assert all(entry.reason and entry.message and "\n" not in entry.message for entry in report.left_out)
    for row in read_games(tmp_path / "out.parquet"):
        validate(row)


# --- and back ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["out", "out.sgf", "out.sgfs", "out.sgfs.gz", "out.sgf.gz"])
def test_the_way_back_loses_nothing(tmp_path: Path, name: str) -> None:
    rows = pool_rows()
    write_shard(tmp_path / "games.parquet", rows)
    assert export_games(tmp_path / "games.parquet", tmp_path / name) == len(rows)
    import_games([tmp_path / name], tmp_path / "again.parquet", keep_duplicates=True)
    again = {row["seed"]: row for row in read_games(tmp_path / "again.parquet")}
    assert len(again) == len(rows)
    for row in rows:
        found = again[row["seed"]]
        assert_same_row({**row, "game_id": "", "index": 0}, {**found, "game_id": "", "index": 0})


def test_imported_games_come_back_too(tmp_path: Path) -> None:
    text = "(;SZ[9]KM[6.5]RU[AGA]PB[柯洁 x]RE[W+T]SO[here ] (1)]HA[2]AB[aa][bb]DT[2016];W[ee]C[0.55 0.45 0.00 1.0 v=32];B[];W[dd])"
    text = text.replace("here ]", r"here \]")
    imported(tmp_path, text)
    first = list(read_games(tmp_path / "out.parquet"))
    export_games(tmp_path / "out.parquet", tmp_path / "back.sgfs")
    import_games([tmp_path / "back.sgfs"], tmp_path / "again.parquet")
    for one, other in zip(first, read_games(tmp_path / "again.parquet"), strict=True):
        assert_same_row(one, other)


def test_plain_sgf_has_standard_properties_alone(tmp_path: Path) -> None:
    write_shard(tmp_path / "games.parquet", pool_rows())
    export_games(tmp_path / "games.parquet", tmp_path / "plain.sgf", plain=True, limit=2)
    text = (tmp_path / "plain.sgf").read_text()
    assert "AGROW" not in text and text.count("(;") == 2


@pytest.mark.parametrize("value", ["", "!!!", "AAAA", "eJyrVkrKLFKyMjSo5QIAFmgDMA=="])
def test_a_damaged_private_property_is_refused(tmp_path: Path, value: str) -> None:
    (tmp_path / "in.sgf").write_text(f"(;AGROW[{value}]SZ[9];B[aa])")
    with pytest.raises(ImportingError, match="the property AGROW is damaged"):
        import_games([tmp_path / "in.sgf"], tmp_path / "out.parquet")


def test_statistics(tmp_path: Path) -> None:
    from alphago.data.statistics import collect

    imported(tmp_path, f"{ONE}\n{TWO}\n(;SZ[13]KM[6.5]RE[0]DT[2016-01-01]BR[3d];B[dd];W[dj])")
    found = collect(tmp_path / "out.parquet")
    row = found.to_dict()
    assert (row["games"], row["positions"]) == (3, 12)  # three passes that were left out
    assert row["sizes"] == {"9": 2, "13": 1} and row["endings"] == {"passes": 2, "resign": 1}
    assert (row["black_wins"], row["white_wins"], row["no_winner"], row["black_share"]) == (1, 1, 1, 0.5)
    assert row["moves_a_game"]["9"]["mean"] == 4.0 and row["ranks"] == {"3d": 1} and row["years"] == {"2016": 1}
    assert int(np.asarray(found.first_moves[9]).sum()) == 2
    json.dumps(row)


def test_an_empty_store(tmp_path: Path) -> None:
    from alphago.data.statistics import collect

    write_shard(tmp_path / "none.parquet", [])
    with pytest.raises(GameDataError, match="the store is empty"):
        collect(tmp_path / "none.parquet")
    assert SCHEMA.names and Filters().refusal(read(ONE)) is None
