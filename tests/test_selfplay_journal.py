"""The journal of a run: whatever dies, and whenever, every game that was appended is there once."""

import contextlib
import fcntl
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from alphago.data import GameDataError, GameRow, read_games, read_shard, validate, write_shard
from selfplay import journal as journal_module
from selfplay.journal import MAGIC, Journal
from test_data_games import assert_same_row, copied, pool_rows


def game(index: int) -> GameRow:
    rows = pool_rows()
    return copied(rows[index % len(rows)]) | {"index": index, "game_id": f"run-{index}"}


def stored(directory: Path) -> list[int]:
    """Indices of the games in the shards of a closed run; each is whole."""
    indices = []
    for row in read_games(directory):
        validate(row)
        assert_same_row(row, game(row["index"]))
        indices.append(row["index"])
    return indices


def shard_names(directory: Path) -> list[str]:
    return sorted(path.name for path in (directory / "shards").iterdir())


def test_games_go_to_the_journal_and_then_to_shards(tmp_path: Path) -> None:
    with Journal(tmp_path / "new" / "run", shard_games=3) as journal:
        directory = journal.directory
        for index in range(8):
            assert index not in journal.done
            journal.append(game(index))
            assert journal.done == set(range(index + 1))
            assert [row["index"] for row in journal.rows()] == list(range(index + 1))
        assert shard_names(directory) == ["games-00000000-3.parquet", "games-00000003-3.parquet"]
    assert shard_names(directory) == [
        "games-00000000-3.parquet",
        "games-00000003-3.parquet",
        "games-00000006-2.parquet",
    ]
    assert stored(directory) == list(range(8))
    assert (directory / "journal").read_bytes() == MAGIC
    with Journal(directory) as journal:
        assert journal.done == set(range(8))
        journal.append(game(11))
        journal.append(game(9))
        assert [row["index"] for row in journal.rows()] == [*range(8), 11, 9]
    assert shard_names(directory)[-1] == "games-00000008-2.parquet"
    assert stored(directory) == [*range(8), 11, 9]


def test_an_empty_run_leaves_no_shard(tmp_path: Path) -> None:
    for _ in range(2):
        with Journal(tmp_path) as journal:
            assert list(journal.rows()) == [] and journal.done == set()
    assert shard_names(tmp_path) == []


def test_closing_twice_and_appending_to_a_closed_journal(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.append(game(0))
    journal.close()
    journal.close()
    with pytest.raises(GameDataError, match="the journal is closed"):
        journal.append(game(1))
    assert stored(tmp_path) == [0]


def test_bad_arguments_and_bad_games(tmp_path: Path) -> None:
    with pytest.raises(GameDataError, match="shard_games must be 1 or more"):
        Journal(tmp_path, shard_games=0)
    (tmp_path / "file").touch()
    with pytest.raises(GameDataError, match=r"file.*cannot be written"):
        Journal(tmp_path / "file")
    with Journal(tmp_path) as journal:
        journal.append(game(4))
        with pytest.raises(GameDataError, match="the game with index 4 is stored already"):
            journal.append(game(4))
        with pytest.raises(GameDataError, match="winner 0 contradicts score"):
            journal.append(game(5) | {"winner": 0})
        assert journal.done == {4}
    assert stored(tmp_path) == [4]


def test_a_long_journal_is_compacted_early(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_module, "_JOURNAL_BYTES", 1)
    with Journal(tmp_path) as journal:
        for index in range(2):
            journal.append(game(index))
    assert shard_names(tmp_path) == ["games-00000000-1.parquet", "games-00000001-1.parquet"]


# --- one process at a time --------------------------------------------------------------------------------------------


def test_one_process_holds_a_run(tmp_path: Path) -> None:
    with Journal(tmp_path) as journal:
        journal.append(game(0))
        with pytest.raises(GameDataError, match=f"in use by process {os.getpid()} .*lock"):
            Journal(tmp_path)
        journal.append(game(1))
    with Journal(tmp_path) as journal:
        assert journal.done == {0, 1}


def test_the_lock_is_let_go_when_opening_fails(tmp_path: Path) -> None:
    (tmp_path / "journal").write_bytes(b"something else")
    for _ in range(2):
        with pytest.raises(GameDataError, match=r"journal: not a journal of games of this version"):
            Journal(tmp_path)
    with open(tmp_path / "lock") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


# --- damaged files ----------------------------------------------------------------------------------------------------


def short_game(index: int) -> GameRow:
    """Two moves and no search."""
    row = game(index) | {"winner": 0, "score": None, "ended": "unknown", "ownership": None}
    for name in ("moves", "colors", "chosen_by", "root_value"):
        row[name] = row[name][:2]
    for name in ("visit_offsets", "visit_actions", "visit_counts"):
        row[name] = row[name][:0]
    return row


def journal_of(directory: Path, games: int, make: Callable[[int], GameRow] = game) -> tuple[bytes, list[int]]:
    """The bytes of a journal that nobody closed, and where each record ends."""
    journal = Journal(directory)
    ends = []
    for index in range(games):
        journal.append(make(index))
        ends.append((directory / "journal").stat().st_size)
    data = (directory / "journal").read_bytes()
    journal.close()
    return data, ends


def run_with_journal(directory: Path, data: bytes) -> Path:
    (directory / "shards").mkdir(parents=True, exist_ok=True)
    (directory / "journal").write_bytes(data)
    return directory


def test_a_record_torn_at_any_byte(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was whole is kept, the torn record is cut off, and the journal takes games again."""
    monkeypatch.setattr(os, "fsync", lambda _: None)  # thousands of openings: only what is written matters here
    data, ends = journal_of(tmp_path / "a", 2, short_game)
    run = run_with_journal(tmp_path / "b", data)
    for length in sorted({*range(ends[0], len(data) + 1, 3), *ends, *(end - 1 for end in ends[1:])}):
        (run / "journal").write_bytes(data[:length])
        journal = Journal(run)
        whole = sum(end <= length for end in ends)
        assert journal.done == set(range(whole))
        assert (run / "journal").stat().st_size == ends[whole - 1]
        os.close(journal._journal)
        os.close(journal._lock)
    data, _ = journal_of(tmp_path / "c", 2)
    with Journal(run_with_journal(tmp_path / "d", data[:-1])) as journal:
        journal.append(game(1))
        journal.append(game(2))
    assert stored(tmp_path / "d") == [0, 1, 2]


def test_a_journal_without_a_record(tmp_path: Path) -> None:
    for data in (b"", MAGIC):
        with Journal(run_with_journal(tmp_path, data)) as journal:
            assert journal.done == set()


@pytest.mark.parametrize("tail", [b"\0" * 5, b"\0" * 12, b"\0" * 10_000])
def test_zeros_after_a_power_loss(tmp_path: Path, tail: bytes) -> None:
    data, _ = journal_of(tmp_path / "a", 2)
    with Journal(run_with_journal(tmp_path / "b", data + tail)) as journal:
        journal.append(game(2))
    assert stored(tmp_path / "b") == [0, 1, 2]


def test_a_last_record_that_did_not_arrive_whole(tmp_path: Path) -> None:
    data, ends = journal_of(tmp_path / "a", 2)
    for broken in (data[:-400] + b"\0" * 400, data[: ends[0] + 50] + b"\0" * 9000):
        with Journal(run_with_journal(tmp_path / "b", broken)) as journal:
            assert journal.done == {0}
        for path in (tmp_path / "b" / "shards").iterdir():
            path.unlink()


def test_damage_in_the_middle_is_an_error(tmp_path: Path) -> None:
    """Any changed byte of a record that others follow: nothing is dropped, nothing is written."""
    data, ends = journal_of(tmp_path / "a", 3)
    run = run_with_journal(tmp_path / "b", data)
    for at in [*range(ends[0], ends[0] + 12), *range(ends[0] + 12, ends[1], 101)]:
        broken = data[:at] + bytes([data[at] ^ 0x41]) + data[at + 1 :]
        (run / "journal").write_bytes(broken)
        with pytest.raises(GameDataError, match=f"journal: the record at byte {ends[0]} of {len(data)} is damaged"):
            Journal(run)
        assert (run / "journal").read_bytes() == broken
    os.truncate(run / "journal", ends[0])  # what the message proposes
    with Journal(run) as journal:
        assert journal.done == {0}


def test_damaged_and_doubled_shards(tmp_path: Path) -> None:
    with Journal(tmp_path) as journal:
        for index in range(3):
            journal.append(game(index))
    shard = tmp_path / "shards" / "games-00000000-3.parquet"
    write_shard(tmp_path / "shards" / "more.parquet", [game(7), game(2)])
    with pytest.raises(GameDataError, match=r"index 2 is in both games-00000000-3\.parquet and more\.parquet"):
        Journal(tmp_path)
    write_shard(tmp_path / "shards" / "more.parquet", [game(7)])
    with Journal(tmp_path) as journal:
        assert journal.done == {0, 1, 2, 7}
        journal.append(game(8))
    assert shard_names(tmp_path)[1] == "games-00000004-1.parquet"
    shard.write_bytes(shard.read_bytes()[:-50])
    with pytest.raises(GameDataError, match=r"games-00000000-3\.parquet: damaged or truncated"):
        Journal(tmp_path)


def test_leftovers_of_a_killed_process_are_removed(tmp_path: Path) -> None:
    run = run_with_journal(tmp_path, MAGIC)
    left = [run / ".journal.12.tmp", run / "shards" / ".games-00000000-3.parquet.12.tmp"]
    for path in left:
        path.write_bytes(b"half")
    Journal(run).close()
    assert not any(path.exists() for path in left)


# --- deaths -----------------------------------------------------------------------------------------------------------


class Killed(BaseException):
    """Stands for SIGKILL: from here on the process changes nothing."""


class Mortal:
    """Counts the calls that change the disk, and dies before, in the middle of, or after the one with a given number.

    `once`: what is raised is an interruption (Ctrl-C), and the process lives on.
    """

    STEPS = ("write", "fsync", "replace", "ftruncate", "unlink")

    def __init__(self, patch: pytest.MonkeyPatch, dies_at: int, how: str, once: bool = False) -> None:
        self.calls, self.dies_at, self.how, self.once = 0, dies_at, how, once
        self.dead = False
        for name in self.STEPS:
            patch.setattr(os, name, self._wrapped(name, getattr(os, name)))

    def _wrapped(self, name: str, real: Any) -> Any:
        def step(*args: Any, **kwargs: Any) -> Any:
            if self.dead:
                raise Killed
            if self.calls == self.dies_at:
                self.dead, self.dies_at = not self.once, -1
                if self.how == "after":
                    real(*args, **kwargs)
                elif self.how == "during" and name == "write":
                    real(args[0], bytes(args[1])[: len(args[1]) // 2])
                raise Killed
            self.calls += 1
            return real(*args, **kwargs)

        return step


def live(directory: Path, games: int, mortal: Mortal) -> tuple[set[int], bool]:
    """A process that resumes a run: the games whose append has returned, and whether it lived to the end."""
    journal, appended = None, set()
    try:
        journal = Journal(directory, shard_games=3)
        for index in range(games):
            if index not in journal.done:
                journal.append(game(index))
                appended.add(index)
        journal.close()
    except Killed:
        # The dead process's descriptors go with it, and its lock with them.
        if journal is not None and journal._lock >= 0:
            os.close(journal._journal)
            os.close(journal._lock)
        return appended, False
    assert not mortal.dead
    return appended, True


@pytest.mark.parametrize("how", ["before", "during", "after"])
def test_death_at_every_step(tmp_path: Path, how: str) -> None:
    games, step, died_in = 7, 0, 0
    while True:
        directory = tmp_path / str(step)
        with pytest.MonkeyPatch.context() as patch:
            appended, lived = live(directory, games, Mortal(patch, step, how))
        if lived:
            break
        died_in += 1
        with Journal(directory, shard_games=3) as journal:
            assert journal.done >= appended
            assert sorted(row["index"] for row in journal.rows()) == sorted(journal.done)
            for index in set(range(games)) - journal.done:
                journal.append(game(index))
        assert sorted(stored(directory)) == list(range(games)), step
        assert not list(directory.rglob("*.tmp"))
        step += 1
    assert died_in > 25


def test_death_again_and_again(tmp_path: Path) -> None:
    """Each process dies some steps after it has begun, while repairing too; the games pile up all the same."""
    rng, games, lives = random.Random(1), 30, 0
    known: set[int] = set()
    while True:
        lives += 1
        with pytest.MonkeyPatch.context() as patch:
            how = rng.choice(["before", "during", "after"])
            appended, lived = live(tmp_path, games, Mortal(patch, rng.randrange(20), how))
        assert not known & appended
        known |= appended
        if lived:
            break
    assert lives > 5
    assert sorted(stored(tmp_path)) == list(range(games))


@pytest.mark.parametrize("how", ["before", "during", "after"])
def test_ctrl_c_at_every_step(tmp_path: Path, how: str) -> None:
    """An exception at a step, after which the same process goes on and closes: no loss, no doubles."""
    step, lived = 0, False
    while not lived:
        directory = tmp_path / str(step)
        journal = Journal(directory, shard_games=3)
        with pytest.MonkeyPatch.context() as patch:
            mortal = Mortal(patch, step, how, once=True)
            for index in range(7):
                with contextlib.suppress(Killed):
                    journal.append(game(index))
                if index not in journal.done:
                    journal.append(game(index))
            with contextlib.suppress(Killed):
                journal.close()
            lived = mortal.dies_at >= 0
        Journal(directory).close()
        assert sorted(stored(directory)) == list(range(7)), step
        step += 1
    assert step > 20


@pytest.mark.parametrize("broken", ["write", "fsync", "replace", "ftruncate"])
def test_a_disk_that_refuses(tmp_path: Path, broken: str) -> None:
    """Every refusal is one clear error; the games stored before are there when the disk works again."""

    def refuse(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    journal = Journal(tmp_path, shard_games=3)
    journal.append(game(0))
    journal.append(game(1))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, broken, refuse)
        with pytest.raises(GameDataError, match="cannot be written: No space left on device"):
            journal.append(game(2))
    stored_third = 2 in journal.done
    assert stored_third == (broken != "write")
    journal.append(game(3))
    journal.close()
    assert sorted(stored(tmp_path)) == ([0, 1, 2, 3] if stored_third else [0, 1, 3])


def test_half_a_write_is_taken_back(tmp_path: Path) -> None:
    real, calls = os.write, []

    def half(descriptor: int, data: Any) -> int:
        calls.append(1)
        if len(calls) > 1:
            raise OSError(28, "No space left on device")
        return real(descriptor, bytes(data)[: len(data) // 2])

    with Journal(tmp_path) as journal:
        journal.append(game(0))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(os, "write", half)
            with pytest.raises(GameDataError, match="No space left on device"):
                journal.append(game(1))
        journal.append(game(2))
    assert stored(tmp_path) == [0, 2]


SCRIPT = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from test_selfplay_journal import game
from selfplay.journal import Journal
with Journal(Path(sys.argv[1]), shard_games=3) as journal:
    print("open", flush=True)
    for index in range(10**6):
        if index not in journal.done:
            journal.append(game(index))
            print(index, flush=True)
"""


def test_sigkill(tmp_path: Path) -> None:
    """A real process, really killed; what it said it had stored is stored."""
    rng, said = random.Random(3), set[int]()
    for _ in range(4):
        command = [sys.executable, "-c", SCRIPT, str(tmp_path), str(Path(__file__).parent)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "open\n"
            time.sleep(rng.uniform(0.02, 0.3))
            process.send_signal(signal.SIGKILL)
            # A number cut off by the kill is not a statement.
            lines = process.stdout.read().splitlines(keepends=True)
        new = {int(line) for line in lines if line.endswith("\n")}
        assert not said & new
        said |= new
    with Journal(tmp_path) as journal:
        assert journal.done >= said and len(journal.done) <= len(said) + 4
        done = set(journal.done)
    assert said and sorted(stored(tmp_path)) == sorted(done)
    assert sum(len(read_shard(path)) for path in (tmp_path / "shards").iterdir()) == len(done)
