"""Goes through the stages of a pipeline: passes over those that are up to date, goes on with one that was cut short, does again
what is made of something else now.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol

from alphago.files import TEMPORARY_SUFFIX
from alphago.train.folders import CLOCKS
from selfplay.pipeline.curves import Curve
from selfplay.pipeline.records import (
    BEGUN,
    DONE,
    FOLDER,
    Output,
    Record,
    damage,
    difference,
    hash_of_file,
    path_of,
    read_record,
)
from selfplay.pipeline.settings import PipelineError

_WRITE_SECONDS: Final = 15.0
Stops = Callable[[Callable[[], None]], AbstractContextManager[Any]]
"""Makes a context in which Ctrl-C calls what it is given."""


class View(Protocol):
    """Is told how a pipeline goes. Called from the thread that runs it."""

    def begin(self, stage: str, how: str) -> None:
        """A stage begins: "" for the first time, else why it goes on or is done again."""

    def advance(self, stage: str, done: float, total: float, text: str) -> None:
        """How far it is, and what to show beside that."""

    def end(self, stage: str, seconds: float, text: str) -> None:
        """It is done, by all sessions in so many seconds."""

    def skip(self, stage: str, seconds: float) -> None:
        """It is up to date; it took so many seconds when it was done."""

    def say(self, text: str) -> None:
        """A line for people."""


@dataclass(frozen=True)
class Machine:
    """How this machine is used. Nothing that a stage makes depends on it, but for the arithmetic of another kind of processor."""

    threads: int
    """That play games and make batches."""
    device: str = "auto"
    """That networks learn on, as `alphago.train.distributed.joined` takes it."""
    stops: Stops = lambda stop: nullcontext()
    """A context in which Ctrl-C ends a training run with a checkpoint; otherwise it raises KeyboardInterrupt."""


@dataclass(frozen=True)
class Made:
    """What a stage has made: by name a file, and the digest of what later stages depend on (None: the file's bytes)."""

    files: Mapping[str, tuple[Path, str | None]] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)
    """For the report; ready for JSON."""
    text: str = ""
    """The result in a few words."""


@dataclass(frozen=True)
class Stage:
    """One stage."""

    name: str
    settings: Mapping[str, Any]
    """All that its result depends on besides its inputs; ready for JSON."""
    run: Callable[[Context], Made]
    """Does it, or goes on with it. Raises KeyboardInterrupt when it is stopped, with a state to go on from."""
    needs: tuple[str, ...] = ()
    """Outputs of earlier stages, as "supervised/network"; "supervised" alone is all that its record says."""
    reads: Mapping[str, str] = field(default_factory=dict)
    """Digests of what comes from outside, by name."""
    version: int = 1
    """Of its code: a change makes what was done before out of date."""


class Context:
    """What a stage is given."""

    def __init__(
        self, out: Path, stage: Stage, record: Record, records: Mapping[str, Record], machine: Machine
    ) -> None:
        self.out, self.stage, self.machine = out, stage, machine
        self.folder = out / stage.name
        """Its own; made by the stage."""
        self._record, self._records = record, records
        self._view: View | None = None
        self._began = self._written = time.monotonic()
        self._before = record.seconds
        self.curve = Curve(curve_path(out, stage.name))

    @property
    def seconds(self) -> float:
        """Spent by all sessions of this stage."""
        return self._before + time.monotonic() - self._began

    def path(self, need: str) -> Path:
        """The file of an input, "supervised/network", absolute."""
        stage, _, name = need.partition("/")
        return (self.out / self._records[stage].outputs[name].file).resolve()

    def digest(self, need: str) -> str:
        """Of an input: of what depends on it."""
        stage, _, name = need.partition("/")
        return self._records[stage].outputs[name].digest

    def records(self) -> Mapping[str, Record]:
        """Of all earlier stages."""
        return self._records

    def facts(self, stage: str) -> Mapping[str, Any]:
        """What an earlier stage has told."""
        return self._records[stage].facts

    def advance(self, done: float, total: float, text: str = "") -> None:
        """Tell how far it is. Now and then the time spent is written down too, for a process that is killed."""
        now = time.monotonic()
        if now - self._written > _WRITE_SECONDS:
            self._written = now
            self.keep()
        if self._view is not None:
            self._view.advance(self.stage.name, done, total, text)

    def say(self, text: str) -> None:
        """A line for people."""
        if self._view is not None:
            self._view.say(f"{self.stage.name}: {text}")

    def keep(self) -> None:
        """Write down how long it has taken so far."""
        self._record.seconds = self.seconds
        self._record.write(self.out)

    def clear_without(self, folder: Path, manifest: str) -> None:
        """Take away what a process has left that was killed before it wrote a run's manifest."""
        if folder.exists() and not (folder / manifest).exists():
            shutil.rmtree(folder)


@dataclass(frozen=True)
class Done:
    """How a stage went in this call."""

    stage: str
    how: str
    """"skipped", "new", "resumed" or "again"."""
    record: Record


def curve_path(out: Path, stage: str) -> Path:
    """Where the curve of a stage is kept."""
    return out / FOLDER / f"{stage}.jsonl"


def run_stages(
    stages: Sequence[Stage], out: Path, machine: Machine, view: View, until: str | None = None
) -> list[Done]:
    """Do what is not up to date, in order.

    Args:
        out: held by a `selfplay.pipeline.records.Place`.
        until: the last stage that is wanted; None: all.

    Raises:
        PipelineError: no such stage; or what a stage raises.
        KeyboardInterrupt: the same call goes on.
    """
    names = [stage.name for stage in stages]
    if until is not None and until not in names:
        raise PipelineError(f"no stage {until!r}; there are {', '.join(names)}")
    records: dict[str, Record] = {}
    found = []
    for stage in stages:
        made_of = made_of_stage(stage, records)
        how, why, record = _state(out, stage, made_of)
        if how == "skipped":
            view.skip(stage.name, record.seconds)
        else:
            _do(stage, out, record, records, machine, view, why)
        records[stage.name] = record
        found.append(Done(stage.name, how, record))
        if stage.name == until:
            break
    return found


def made_of_stage(stage: Stage, records: Mapping[str, Record]) -> dict[str, Any]:
    """What a stage is made of, given the records of those before it."""
    inputs = dict(stage.reads)
    for need in stage.needs:
        name, _, output = need.partition("/")
        inputs[need] = records[name].outputs[output].digest if output else records[name].digest
    found = {"version": stage.version, "settings": _without_clocks(stage.settings), "inputs": inputs}
    normal: dict[str, Any] = json.loads(json.dumps(found))  # as it will be read back
    return normal


def _without_clocks(settings: Any) -> Any:
    """Settings but for those that change nothing of the result."""
    if isinstance(settings, Mapping):
        return {name: _without_clocks(value) for name, value in settings.items() if name not in CLOCKS}
    return settings


def _state(out: Path, stage: Stage, made_of: dict[str, Any]) -> tuple[str, str, Record]:
    """(skipped, new, resumed or again; why; the record to go on with)."""
    old = read_record(out, stage.name)
    place = str((out / stage.name).resolve())
    new = Record(stage.name, made_of, place)
    if old is None:
        if path_of(out, stage.name).exists():
            return "again", "done again: its record cannot be read", new
        return "new", "", new
    if old.made_of != made_of:
        return "again", f"done again: {difference(old.made_of, made_of)}", new
    if old.state == DONE:
        problem = damage(out, old)
        return ("skipped", "", old) if problem is None else ("again", f"done again: {problem}", new)
    if old.place != place:
        return "again", "begun again: its folder was moved while it was under way", new
    return "resumed", "going on", old


def _do(
    stage: Stage, out: Path, record: Record, records: Mapping[str, Record], machine: Machine, view: View, why: str
) -> None:
    if record.state != BEGUN or not record.sessions:
        _clear(out, stage.name)
    else:
        _sweep(out / stage.name)
    record.sessions += 1
    record.write(out)
    context = Context(out, stage, record, records, machine)
    context._view = view
    view.begin(stage.name, why)
    try:
        made = stage.run(context)
    except BaseException:
        context.keep()
        raise
    record.outputs = {name: _output(out, path, digest) for name, (path, digest) in made.files.items()}
    record.facts = dict(made.facts)
    record.state = DONE
    context.keep()
    view.end(stage.name, record.seconds, made.text)


def _clear(out: Path, stage: str) -> None:
    """Take away what an earlier run of a stage has left, its record first: half a folder must not look whole."""
    try:
        path_of(out, stage).unlink(missing_ok=True)
        curve_path(out, stage).unlink(missing_ok=True)
        if (out / stage).exists():
            shutil.rmtree(out / stage)
    except OSError as error:
        raise PipelineError(f"{error.filename}: cannot be taken away: {error.strerror or error}") from None


def _sweep(folder: Path) -> None:
    """Take away files and folders that a killed process was writing."""
    for left in sorted(folder.rglob(f".*{TEMPORARY_SUFFIX}")):
        if left.is_dir():
            shutil.rmtree(left, ignore_errors=True)
        else:
            left.unlink(missing_ok=True)


def _output(out: Path, path: Path, digest: str | None) -> Output:
    sha256 = hash_of_file(path)
    return Output(path.relative_to(out).as_posix(), sha256, digest or sha256)
