"""The folder of a run: its manifest, which a resumed run must match, and its checkpoints, which appear whole or not at all."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from alphago.files import make_directory, write_atomically
from alphago.train.optim import TrainingError

MANIFEST: Final = "run.json"
FORMAT: Final = 1
CHECKPOINTS: Final = "checkpoints"
_PREFIX: Final = "step-"
CLOCKS: Final = frozenset({"checkpoint_minutes"})
"""Settings that change nothing of what comes out: a run may go on with others."""
_OTHERS: Final = {
    "teacher": "of another teacher: its file has changed since",
    "start": "that began from other weights: their file has changed since",
    "rollout": "whose games other rollout weights settled than those that ship now",
    "value": "whose baseline was another network: its file has changed since",
    "games": "on other games than those of the stores now",
}
"""What a manifest may name beside its settings, and what is said where it differs."""


def begin_folder(run: Path, manifest: Mapping[str, Any], *, resume: bool) -> None:
    """Make a run's folder with its manifest (stage, settings, games), or check that the one that is there is of this very run.

    Raises:
        TrainingError: the folder holds another run, or a run and `resume` is off.
    """
    path = run / MANIFEST
    wanted = {"format": FORMAT, **manifest}
    if path.exists():
        if not resume:
            raise TrainingError(f"{run} holds a run already: add --resume to go on with it, or choose another --out")
        check_same(path, wanted)
    elif run.exists() and any(not entry.name.startswith(f".{MANIFEST}") for entry in run.iterdir()):
        # a file of that name is what a process left that was killed while it wrote the manifest
        raise TrainingError(f"{run} is not empty and holds no run ({MANIFEST}): choose another --out")
    else:
        make_directory(run, TrainingError)
        write_atomically(path, json.dumps(wanted, indent=1).encode(), TrainingError)


def check_same(path: Path, wanted: Mapping[str, Any]) -> None:
    """Raises TrainingError with the first thing in which the run of a manifest differs."""
    try:
        old = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise TrainingError(f"{path}: {error}") from None
    if not isinstance(old, dict) or old.get("format") != FORMAT or old.get("stage") != wanted["stage"]:
        raise TrainingError(f"{path}: no run of stage {wanted['stage']} and format {FORMAT}")
    for name, was, now in _differences(old.get("settings") or {}, json.loads(json.dumps(wanted["settings"]))):
        if name.rpartition(".")[2] in CLOCKS:
            continue
        raise TrainingError(f"{path.parent} holds a run with other settings: {name} is {was!r}, not {now!r}")
    for name, text in _OTHERS.items():
        if old.get(name) != wanted.get(name):
            raise TrainingError(f"{path.parent} holds a run {text}")


def _differences(old: Any, new: Any, name: str = "") -> list[tuple[str, Any, Any]]:
    if isinstance(old, dict) and isinstance(new, dict):
        keys = [*new, *(key for key in old if key not in new)]
        return [
            found
            for key in keys
            for found in _differences(old.get(key), new.get(key), f"{name}.{key}" if name else key)
        ]
    return [] if old == new else [(name, old, new)]


@contextlib.contextmanager
def whole_checkpoint(run: Path, step: int, keep: int = 2) -> Iterator[Path]:
    """A folder to fill, which becomes `checkpoints/step-00001200` when the body ends well; then all but the last `keep` go.

    Everything is on the disk before the folder gets its name.

    Raises:
        TrainingError: it cannot be written; older checkpoints stay.
    """
    folder = run / CHECKPOINTS
    target = folder / f"{_PREFIX}{step:08d}"
    temporary = folder / f".{target.name}.{os.getpid()}.tmp"
    try:
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
        yield temporary
        for file in temporary.iterdir():
            _sync(file)
        _sync(temporary)
        if target.exists():
            shutil.rmtree(target)
        temporary.rename(target)
        _sync(folder)
    except OSError as error:
        raise TrainingError(f"{target}: the checkpoint cannot be written: {error.strerror or error}") from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    for old in checkpoints(run)[: -max(1, keep)]:
        shutil.rmtree(old, ignore_errors=True)


def checkpoints(run: Path) -> list[Path]:
    """The checkpoints of a run, oldest first."""
    return sorted(path for path in (run / CHECKPOINTS).glob(f"{_PREFIX}*") if path.is_dir())


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):  # some file systems do not sync folders
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
