"""Files of games: what is written is read, and what is not a file of games is refused in one clear line."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from alphago.data import GameDataError, read_games, read_shard, read_table, store, validate, write_shard
from alphago.data.games import SCHEMA, rows_to_table
from test_data_games import assert_same_row, copied, play, pool_rows, row_of


def test_a_shard_gives_back_what_went_in(tmp_path: Path) -> None:
    resigned = play(8, resign_threshold=-0.3, resign_off_fraction=0.0, simulations=16)
    rows = pool_rows() + [row_of(record, 10 + i, {}) for i, record in enumerate(resigned)]
    assert {row["score"] is None for row in rows} == {True, False}
    write_shard(tmp_path / "games.parquet", rows)
    back = read_shard(tmp_path / "games.parquet")
    assert len(back) == len(rows)
    for before, after in zip(rows, back, strict=True):
        assert_same_row(before, after)
        validate(after)
    assert os.listdir(tmp_path) == ["games.parquet"]


def test_the_same_games_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_shard(tmp_path / name, pool_rows())
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_columns_can_be_read_alone(tmp_path: Path) -> None:
    write_shard(tmp_path / "g.parquet", pool_rows())
    assert read_table(tmp_path / "g.parquet", ["index", "winner"]).to_pydict() == {
        "index": [row["index"] for row in pool_rows()],
        "winner": [row["winner"] for row in pool_rows()],
    }
    assert read_table(tmp_path / "g.parquet").schema.equals(SCHEMA)


def test_an_empty_shard_is_a_shard(tmp_path: Path) -> None:
    write_shard(tmp_path / "g.parquet", [])
    assert read_shard(tmp_path / "g.parquet") == [] == list(read_games(tmp_path))


def test_folders_are_read_in_the_order_of_their_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "_BATCH", 2)  # several batches a file
    rows = pool_rows()
    (tmp_path / "run" / "shards").mkdir(parents=True)
    write_shard(tmp_path / "run" / "shards" / "games-1.parquet", rows[3:])
    write_shard(tmp_path / "run" / "shards" / "games-0.parquet", rows[:3])
    (tmp_path / "run" / "shards" / ".games-2.parquet.77.tmp").write_bytes(b"half")
    for place in (tmp_path / "run", tmp_path / "run" / "shards"):
        for before, after in zip(rows, read_games(place), strict=True):
            assert_same_row(before, after)


def test_rows_that_do_not_fit_are_not_written(tmp_path: Path) -> None:
    row = copied(pool_rows()[0])
    row["winner"] = 1000
    with pytest.raises(GameDataError, match="does not fit the schema"):
        write_shard(tmp_path / "g.parquet", [row])
    row["winner"] = None
    with pytest.raises(GameDataError, match=r"game 'run-0' \(index 0\): winner is empty"):
        write_shard(tmp_path / "g.parquet", [row])
    assert os.listdir(tmp_path) == []


def test_places_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    for target in (tmp_path / "absent" / "g.parquet", tmp_path / "file" / "g.parquet"):
        with pytest.raises(GameDataError, match=r"g\.parquet: cannot be written: N"):
            write_shard(target, pool_rows())


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "g.parquet"
    write_shard(target, pool_rows()[:2])
    before = target.read_bytes()

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    for step in ("write", "fsync", "replace"):
        with monkeypatch.context() as patch:
            patch.setattr(os, step, full)
            with pytest.raises(GameDataError, match=r"g\.parquet: cannot be written: No space left on device"):
                write_shard(target, pool_rows())
        assert target.read_bytes() == before and os.listdir(tmp_path) == ["g.parquet"], step


def with_metadata(header: Any) -> Any:
    text = header if isinstance(header, str) else json.dumps(header)
    return rows_to_table(pool_rows()).replace_schema_metadata({"alphago": text})


def test_foreign_files(tmp_path: Path) -> None:
    path = tmp_path / "g.parquet"
    with pytest.raises(GameDataError, match=r"g\.parquet: No such file or directory"):
        read_shard(path)
    with pytest.raises(GameDataError, match=r"no games here \(expected files named \*\.parquet\)"):
        list(read_games(tmp_path))
    with pytest.raises(GameDataError, match="Is a directory"):
        read_shard(tmp_path)
    for text in (b"", b"(;FF[4]GM[1])", b"\x80\x04pickle"):
        path.write_bytes(text)
        with pytest.raises(GameDataError, match="this is not Parquet"):
            read_shard(path)
    tables = {
        "this Parquet file has none": pa.table({"a": [1]}),
        "header is not JSON": with_metadata("{"),
        "its kind is 'weights', expected 'games'": with_metadata({"kind": "weights", "version": 1}),
        r"its kind is \[1\]": with_metadata([1]),
        "games of version 2; this program reads version 1": with_metadata({"kind": "games", "version": 2}),
        "column 'komi' is missing": rows_to_table(pool_rows()).drop_columns(["komi"]),
        "column 'index' is string, expected int64": rows_to_table(pool_rows()).set_column(
            1, "index", pa.array(["x"] * len(pool_rows()))
        ),
        "column 'index' has empty values": rows_to_table(pool_rows()).set_column(
            1, "index", pa.array([None] * len(pool_rows()), pa.int64())
        ),
    }
    for message, table in tables.items():
        pq.write_table(table, path)
        with pytest.raises(GameDataError, match=message) as caught:
            read_shard(path)
        assert str(path) in str(caught.value) and "\n" not in str(caught.value)
        with pytest.raises(GameDataError, match=message):
            list(read_games(path))


def test_truncated_files(tmp_path: Path) -> None:
    path = tmp_path / "g.parquet"
    write_shard(path, pool_rows())
    whole = path.read_bytes()
    for length in [*range(8), *range(8, len(whole), 997), len(whole) - 1]:
        path.write_bytes(whole[:length])
        with pytest.raises(GameDataError, match=r"g\.parquet: (damaged or truncated Parquet|not a file of games)"):
            read_shard(path)


def test_changed_bytes_are_noticed(tmp_path: Path) -> None:
    """One changed byte is refused by one clear error, unless it is where it changes no game: pages have checksums."""
    path = tmp_path / "g.parquet"
    rows = pool_rows()[:2]
    write_shard(path, rows)
    whole = path.read_bytes()
    refused = 0
    places = range(0, len(whole), 61)
    for at in places:
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :])
        try:
            back = list(read_games(path))
        except GameDataError as error:
            refused += 1
            assert "\n" not in str(error)
        else:
            for before, after in zip(rows, back, strict=True):
                assert_same_row(before, after)
    assert refused > len(places) / 4


def test_a_program_that_has_read_games_ends_cleanly(tmp_path: Path) -> None:
    """Arrow's threads, used at the end of a program, abort the interpreter now and then."""
    write_shard(tmp_path / "g.parquet", pool_rows())
    script = "import sys; from alphago.data import read_shard; assert len(read_shard(sys.argv[1])) == 6"
    for _ in range(3):
        subprocess.run([sys.executable, "-c", script, str(tmp_path / "g.parquet")], check=True, timeout=60)
