"""Which stages of a pipeline are done, and with what: one record a stage, and content hashes of everything that it was made of.

    OUT/pipeline.json          which pipeline this is
    OUT/stages/NAME.json       the record of a stage: what it is made of, what it made, how long it took
    OUT/NAME/...               its files
    OUT/lock                   held by the one process that works here

A stage is made of its settings, the version of its code, and its inputs, each by a hash of the content: files from outside, and
what earlier stages made. It is up to date when it was finished with the same, and what it made is still there, byte for byte.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from alphago.files import make_directory, write_atomically
from selfplay.pipeline.settings import PipelineError

FORMAT: Final = 1
MANIFEST: Final = "pipeline.json"
FOLDER: Final = "stages"
LOCK: Final = "lock"
BEGUN: Final = "begun"
DONE: Final = "done"
_BLOCK: Final = 1 << 20


@dataclass(frozen=True)
class Output:
    """A file that a stage has made."""

    file: str
    """Below OUT."""
    sha256: str
    """Of its bytes."""
    digest: str
    """Of what later stages depend on: weights without their provenance, games; the bytes where there is nothing else."""


@dataclass
class Record:
    """What is known of a stage."""

    stage: str
    made_of: dict[str, Any]
    """"version", "settings", "inputs": {name: digest}."""
    place: str
    """The stage's folder as it was: training runs know their inputs by path."""
    state: str = BEGUN
    seconds: float = 0.0
    """Spent by all sessions."""
    sessions: int = 0
    outputs: dict[str, Output] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    """What the report tells."""

    def write(self, out: Path) -> None:
        """Keep it. Raises PipelineError where it cannot be written."""
        folder = out / FOLDER
        make_directory(folder, PipelineError)
        text = json.dumps({"format": FORMAT, **asdict(self)}, indent=1)
        write_atomically(path_of(out, self.stage), text.encode() + b"\n", PipelineError)

    @property
    def key(self) -> str:
        """16 hexadecimal digits that stand for what it is made of."""
        return hash_of_json(self.made_of)[:16]

    @property
    def digest(self) -> str:
        """Stands for everything the record says but its sessions."""
        values = asdict(self)
        del values["sessions"]
        return hash_of_json(values)


def path_of(out: Path, stage: str) -> Path:
    """The file of a stage's record."""
    return out / FOLDER / f"{stage}.json"


def read_record(out: Path, stage: str) -> Record | None:
    """The record of a stage; None where there is none, or none that can be read: the stage is then done again."""
    try:
        values = json.loads(path_of(out, stage).read_text(encoding="utf-8"))
        if values.pop("format") != FORMAT or values["stage"] != stage:
            return None
        values["outputs"] = {name: Output(**one) for name, one in values["outputs"].items()}
        return Record(**values)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def damage(out: Path, record: Record) -> str | None:
    """What is wrong with what a finished stage has made; None: nothing."""
    for output in record.outputs.values():
        path = out / output.file
        if not path.is_file():
            return f"{output.file} is missing"
        if hash_of_file(path) != output.sha256:
            return f"{output.file} has changed"
    return None


def difference(old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    """The first thing in which two stages are made of something else, for people."""
    inputs = (old.get("inputs") or {}, new["inputs"])
    for name in dict.fromkeys([*inputs[1], *inputs[0]]):
        if inputs[0].get(name) != inputs[1].get(name):
            return f"{name} has changed"
    if old.get("version") != new["version"]:
        return "the program does it differently now"
    for key, was, now in _differences(old.get("settings"), new["settings"]):
        return f"{key} was {_shown(was)}, now {_shown(now)}"
    return "its record is of another kind"


def _differences(old: Any, new: Any, key: str = "") -> Iterator[tuple[str, Any, Any]]:
    if isinstance(old, dict) and isinstance(new, dict):
        for name in dict.fromkeys([*new, *old]):
            yield from _differences(old.get(name), new.get(name), f"{key}.{name}" if key else str(name))
    elif old != new:
        yield key or "settings", old, new


def _shown(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 40 else text[:37] + "..."


# --- hashes -------------------------------------------------------------------------------------------------------------


def hash_of_file(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal. Raises PipelineError where it cannot be read."""
    digest = hashlib.sha256()
    try:
        with open(path, "rb") as file:
            while block := file.read(_BLOCK):
                digest.update(block)
    except OSError as error:
        raise PipelineError(f"{path}: {error.strerror or error}") from None
    return digest.hexdigest()


def hash_of_path(path: Path) -> str:
    """SHA-256 of a file, or of names and contents of all files below a folder. Raises PipelineError where there is none."""
    if not path.is_dir():
        return hash_of_file(path)
    digest = hashlib.sha256()
    for file in sorted(file for file in path.rglob("*") if file.is_file()):
        digest.update(f"{file.relative_to(path).as_posix()}\0{hash_of_file(file)}\n".encode())
    return digest.hexdigest()


def hash_of_json(values: Any) -> str:
    """SHA-256 of JSON with its keys in order."""
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


# --- the folder ---------------------------------------------------------------------------------------------------------


class Place:
    """The folder of a pipeline, held by this process; a context manager.

    Args:
        manifest: what the pipeline is, for `pipeline.json`; under "of" what must be the same in all that is done in one folder.
        replace: another pipeline's stages may be done again, which deletes what they have made.

    Raises:
        PipelineError: it holds something else, another process works there, or it cannot be made.
    """

    def __init__(self, out: Path, manifest: Mapping[str, Any], *, replace: bool = False) -> None:
        self.out = out
        path = out / MANIFEST
        try:
            if path.exists():
                _check_manifest(path, {} if replace else manifest.get("of", {}))
            elif out.exists() and any(not _is_ours(entry.name) for entry in out.iterdir()):
                raise PipelineError(f"{out} is not empty and holds no pipeline ({MANIFEST}): choose another --out")
            out.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(out / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise PipelineError(f"{error.filename or out}: {error.strerror or error}") from None
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._lock)
            raise PipelineError(f"{out}: another process works on this pipeline") from None
        try:
            text = json.dumps({"format": FORMAT, **manifest}, indent=1)
            write_atomically(path, text.encode() + b"\n", PipelineError)
        except BaseException:
            os.close(self._lock)
            raise

    def __enter__(self) -> Place:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._lock)


def _is_ours(name: str) -> bool:
    """What a process leaves that is killed while it makes the folder."""
    return name == LOCK or name.startswith(f".{MANIFEST}")


def _check_manifest(path: Path, wanted: Mapping[str, Any]) -> None:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise PipelineError(f"{path}: not JSON: {error}") from None
    if not isinstance(values, dict) or values.get("format") != FORMAT:
        raise PipelineError(f"{path}: no pipeline of format {FORMAT}")
    old = values.get("of") or {}
    for name, value in json.loads(json.dumps(wanted)).items():
        if old.get(name, value) != value:
            raise PipelineError(
                f"{path.parent} holds a pipeline with other {name} ({_shown(old[name])}, now {_shown(value)}), whose work would be "
                "deleted: choose another --out, or say --replace"
            )
