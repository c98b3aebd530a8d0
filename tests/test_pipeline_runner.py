"""Which stages run: with stages of a line each, against a reference that knows what every stage must hold."""

from __future__ import annotations

import contextlib
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline_helpers import Remembering
from selfplay.pipeline.curves import Curve, read_curve
from selfplay.pipeline.records import Place, Record, difference, hash_of_path, read_record
from selfplay.pipeline.runner import Context, Done, Machine, Made, Stage, run_stages
from selfplay.pipeline.settings import PipelineError

NEEDS: dict[str, tuple[str, ...]] = {"a": (), "b": ("a/x",), "c": ("a/x",), "d": ("b/x", "c/x"), "e": ("d/x",)}
PARTS = 3


class Killed(BaseException):
    """Stands for the end of a process: nothing catches it."""


class World:
    """Five stages that write a hash of what they are made of, in parts, and may be killed before any part."""

    def __init__(self, out: Path) -> None:
        self.out = out
        self.values = dict.fromkeys(NEEDS, 0)
        self.ran: list[str] = []
        self.parts: list[tuple[str, int]] = []
        self.kill: tuple[str, int] | None = None

    def stage(self, name: str) -> Stage:
        def run(context: Context) -> Made:
            self.ran.append(name)
            context.folder.mkdir(parents=True, exist_ok=True)
            text = self.text(name, [context.path(need).read_text() for need in NEEDS[name]])
            for part in range(PARTS):
                file = context.folder / f"part-{part}"
                if file.exists():
                    continue  # goes on
                if self.kill == (name, part):
                    raise Killed
                self.parts.append((name, part))
                file.write_text(f"{part} of {text}")
                context.advance(part + 1, PARTS, text)
            whole = "".join((context.folder / f"part-{part}").read_text() for part in range(PARTS))
            (context.folder / "whole").write_text(hashlib.sha256(whole.encode()).hexdigest())
            if self.kill == (name, PARTS):
                raise Killed
            return Made({"x": (context.folder / "whole", None)}, {"text": text})

        return Stage(name, {"value": self.values[name]}, run, NEEDS[name])

    def text(self, name: str, inputs: list[str]) -> str:
        return f"{name} {self.values[name]} {inputs}"

    def expected(self) -> dict[str, str]:
        """What every stage must hold, worked out without the runner."""
        found: dict[str, str] = {}
        for name, needs in NEEDS.items():
            text = self.text(name, [found[need[0]] for need in needs])
            whole = "".join(f"{part} of {text}" for part in range(PARTS))
            found[name] = hashlib.sha256(whole.encode()).hexdigest()
        return found

    def run(self, until: str | None = None) -> list[Done]:
        self.ran, self.parts = [], []
        stages = [self.stage(name) for name in NEEDS]
        return run_stages(stages, self.out, Machine(1), Remembering(), until)

    def found(self) -> dict[str, str]:
        return {name: (self.out / name / "whole").read_text() for name in NEEDS}


CHANGES = st.one_of(
    st.tuples(st.just("setting"), st.sampled_from(sorted(NEEDS)), st.integers(0, 2)),
    st.tuples(st.just("kill"), st.sampled_from(sorted(NEEDS)), st.integers(0, PARTS)),
    st.tuples(st.just("damage"), st.sampled_from(sorted(NEEDS)), st.integers(0, 3)),
)


@settings(max_examples=60, deadline=None)
@given(changes=st.lists(CHANGES, max_size=6))
def test_whatever_happens_the_end_is_the_same(
    tmp_path_factory: pytest.TempPathFactory, changes: list[tuple[str, str, int]]
) -> None:
    """Settings change, processes are killed, files vanish or change: after one whole run everything is as it must be,
    and what was up to date has not been done again."""
    world = World(tmp_path_factory.mktemp("world"))
    world.run()
    for kind, name, number in changes:
        if kind == "setting":
            world.values[name] = number
        elif kind == "damage":
            file = world.out / name / "whole"
            if file.exists():
                (file.unlink, lambda f=file: f.write_text("other"), lambda: None, lambda: None)[number]()
            if number == 2:
                (world.out / "stages" / f"{name}.json").unlink(missing_ok=True)
            if number == 3:
                (world.out / "stages" / f"{name}.json").write_text("{")
        else:
            world.kill = (name, number)
            with contextlib.suppress(Killed):
                world.run()
            world.kill = None
    world.run()
    assert world.found() == world.expected()
    assert [done.how for done in world.run()] == ["skipped"] * 5
    assert world.ran == []


def test_only_what_depends_on_a_change_is_done_again(tmp_path: Path) -> None:
    world = World(tmp_path)
    assert [done.how for done in world.run()] == ["new"] * 5
    world.values["c"] = 1
    assert {done.stage: done.how for done in world.run()} == {
        "a": "skipped", "b": "skipped", "c": "again", "d": "again", "e": "again",
    }  # fmt: skip
    record = read_record(tmp_path, "c")
    assert record is not None and record.sessions == 1


def test_an_equal_result_stops_the_change(tmp_path: Path) -> None:
    """A stage that comes out the same, although it was done again, leaves those behind it up to date."""
    world = World(tmp_path)
    world.run()
    (tmp_path / "a" / "whole").write_text("damaged")
    assert [done.how for done in world.run()] == ["again", "skipped", "skipped", "skipped", "skipped"]


def test_a_killed_stage_goes_on_where_it_was(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.kill = ("d", 2)
    with pytest.raises(Killed):
        world.run()
    world.kill = None
    done = world.run()
    assert [one.how for one in done] == ["skipped"] * 3 + ["resumed", "new"]
    assert world.parts[0] == ("d", 2)
    assert done[3].record.sessions == 2


def test_a_change_while_a_stage_was_under_way_begins_it_again(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.kill = ("b", 1)
    with pytest.raises(Killed):
        world.run()
    world.kill, world.values["b"] = None, 7
    view = Remembering()
    run_stages([world.stage(name) for name in NEEDS], tmp_path, Machine(1), view)
    assert ("b", "done again: value was 0, now 7") in view.events
    assert world.found() == world.expected()


def test_a_moved_folder_is_up_to_date_but_a_stage_under_way_begins_again(tmp_path: Path) -> None:
    world = World(tmp_path / "here")
    world.kill = ("c", 1)
    with pytest.raises(Killed):
        world.run()
    (tmp_path / "here").rename(tmp_path / "there")
    world.out, world.kill = tmp_path / "there", None
    assert [one.how for one in world.run()] == ["skipped", "skipped", "again", "new", "new"]
    assert world.found() == world.expected()


def test_until(tmp_path: Path) -> None:
    world = World(tmp_path)
    assert [done.stage for done in world.run("b")] == ["a", "b"]
    with pytest.raises(PipelineError, match="no stage 'z'; there are a, b, c, d, e"):
        world.run("z")


def test_time_is_added_up_over_sessions(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.kill = ("a", 1)
    with pytest.raises(Killed):
        world.run()
    first = read_record(tmp_path, "a")
    assert first is not None and first.seconds > 0
    record = Record(**{**vars(first), "seconds": 1000.0})
    record.write(tmp_path)
    world.kill = None
    (done, *_) = world.run()
    assert done.record.seconds > 1000


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        ({"inputs": {"games": "1"}}, {"inputs": {"games": "2"}}, "games has changed"),
        ({"inputs": {"games": "1", "x": "1"}}, {"inputs": {"games": "1"}}, "x has changed"),
        ({"settings": {"a": {"b": 1}}}, {"settings": {"a": {"b": 2}}}, "a.b was 1, now 2"),
        ({"settings": {"a": 1}}, {"settings": {"a": 1, "c": [1, 2]}}, "c was null, now [1, 2]"),
        ({"version": 0}, {}, "the program does it differently now"),
    ],
)
def test_a_reason_names_what_has_changed(old: dict[str, Any], new: dict[str, Any], text: str) -> None:
    base: dict[str, Any] = {"version": 1, "settings": {}, "inputs": {}}
    assert difference(base | old, base | new) == text


def test_a_folder_is_held_by_one_process_and_is_a_pipelines(tmp_path: Path) -> None:
    with (
        Place(tmp_path / "out", {}),
        pytest.raises(PipelineError, match="another process works on this pipeline"),
    ):
        Place(tmp_path / "out", {})
    with Place(tmp_path / "out", {"budget": "2h"}):
        assert json.loads((tmp_path / "out" / "pipeline.json").read_text())["budget"] == "2h"
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear")
    with pytest.raises(PipelineError, match=r"mine is not empty and holds no pipeline \(pipeline\.json\)"):
        Place(tmp_path / "mine", {})
    (tmp_path / "letter.txt").write_text("x")
    with pytest.raises(PipelineError, match=r"letter\.txt"):
        Place(tmp_path / "letter.txt", {})
    (tmp_path / "out" / "pipeline.json").write_text('{"format": 99}')
    with pytest.raises(PipelineError, match="no pipeline of format 1"):
        Place(tmp_path / "out", {})


def test_the_hash_of_a_folder_is_of_names_and_contents(tmp_path: Path) -> None:
    def made(name: str, files: dict[str, str]) -> str:
        folder = tmp_path / name
        for file, text in files.items():
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            (folder / file).write_text(text)
        return hash_of_path(folder)

    one = made("1", {"a": "x", "b/c": "y"})
    assert one == made("2", {"b/c": "y", "a": "x"})
    assert len({one, made("3", {"a": "y", "b/c": "x"}), made("4", {"a": "xb", "c": "y"}), made("5", {"a": "x"})}) == 4
    with pytest.raises(PipelineError, match="nowhere"):
        hash_of_path(tmp_path / "nowhere")


# --- curves -------------------------------------------------------------------------------------------------------------


def test_a_curve_goes_on_without_a_seam(tmp_path: Path) -> None:
    """Steps that a resumed run repeats replace what was there; half a line is dropped."""
    path = tmp_path / "curve.jsonl"
    curve = Curve(path)
    for step in range(5):
        curve.add(step, {"loss": 1.0 / (step + 1)})
    with open(path, "a") as file:
        file.write('{"step": 5, "lo')
    again = Curve(path)
    again.add(3, {"loss": 7.0})
    again.add(4, {"loss": 8.0})
    assert [row["step"] for row in read_curve(path)] == [0, 1, 2, 3, 4]
    assert [row["loss"] for row in read_curve(path)][2:] == [pytest.approx(1 / 3), 7.0, 8.0]
    again.add(6, {"other": 1.0})
    assert read_curve(path)[-1] == {"step": 6, "other": 1.0}
    assert read_curve(tmp_path / "none") == []
