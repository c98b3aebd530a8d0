"""What the tests of pipelines share: the small pipeline on 5x5, a view that remembers, and processes that kill themselves."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from alphago import configs
from selfplay.pipeline.budget import Plan, plan_of
from selfplay.pipeline.records import Place, Record, read_record
from selfplay.pipeline.runner import Done, Machine, run_stages
from selfplay.pipeline.settings import PipelineSettings
from selfplay.pipeline.stages import stages_of

CONFIG: Final = "alphago-5x5"
ABOUT: Final = {"config": CONFIG, "budget": "30s", "program": "test"}
TRAINED: Final = ("supervised", "reinforce", "value")
Changes = Mapping[str, Any]
LEARNED: Final = ("games", "rollout", "supervised", "reinforce", "value-data", "value")


class Remembering:
    """A view that keeps what it was told."""

    def __init__(self) -> None:
        self.events: list[tuple[str, str]] = []
        self.first: dict[str, float] = {}
        self.said: list[str] = []

    def begin(self, stage: str, how: str) -> None:
        self.events.append((stage, how or "new"))

    def advance(self, stage: str, done: float, total: float, text: str) -> None:
        self.first.setdefault(stage, done)

    def end(self, stage: str, seconds: float, text: str) -> None:
        self.events.append((stage, "end"))

    def skip(self, stage: str, seconds: float) -> None:
        self.events.append((stage, "skip"))

    def say(self, text: str) -> None:
        self.said.append(text)


class Killing(Remembering):
    """Kills the process without a word once a stage is so far, training not before its first checkpoint; writes down where
    every stage began."""

    def __init__(self, out: Path, stage: str, share: float, log: Path) -> None:
        super().__init__()
        self._out, self._stage, self._share, self._log = out, stage, share, log

    def advance(self, stage: str, done: float, total: float, text: str) -> None:
        if stage not in self.first:
            with open(self._log, "a") as file:
                file.write(json.dumps([stage, done]) + "\n")
        super().advance(stage, done, total, text)
        has_state = stage not in TRAINED or any((self._out / stage).rglob("step-*"))
        if stage == self._stage and (not total or done >= self._share * total) and has_state:
            os.kill(os.getpid(), signal.SIGKILL)


def small_plan(changes: Changes | None = None, config: str = CONFIG) -> Plan:
    """The plan of the configuration for 5x5, with other values in it by dotted key."""
    values = yaml.safe_load((configs.directory() / f"{config}.yaml").read_text(encoding="utf-8"))
    for key, value in (changes or {}).items():
        *parents, last = key.split(".")
        place = values
        for parent in parents:
            place = place[parent]
        place[last] = value
    return plan_of(PipelineSettings.model_validate(values))


def run_small(
    out: Path,
    view: Any = None,
    until: str | None = None,
    threads: int = 2,
    changes: Changes | None = None,
    config: str = CONFIG,
) -> list[Done]:
    """Run the small pipeline in this process."""
    stages = stages_of(small_plan(changes, config), ABOUT)
    with Place(out, ABOUT):
        return run_stages(stages, out, Machine(threads), view or Remembering(), until)


def killed_run(out: Path, stage: str, share: float, log: Path, changes: Changes | None, config: str) -> None:
    """What a process does that dies in a stage."""
    import torch

    os.environ["ALPHAGO_NET"] = "none"
    torch.set_num_threads(1)
    run_small(out, Killing(out, stage, share, log), stage, changes=changes, config=config)


def in_a_process(
    out: Path, stage: str, share: float, log: Path, changes: Changes | None = None, config: str = CONFIG
) -> int | None:
    """Run it elsewhere; the exit code, minus the signal that ended it. Forked from a server that has the imports done."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["pipeline_helpers", "selfplay.report.page", "openvino", "tensorboard"])
    process = context.Process(target=killed_run, args=(out, stage, share, log, changes, config))
    process.start()
    process.join()
    code = process.exitcode
    process.close()
    return code


def records_of(out: Path) -> dict[str, Record]:
    """Records of all stages that there are."""
    from selfplay.pipeline.budget import STAGES

    return {stage: record for stage in STAGES if (record := read_record(out, stage)) is not None}


def digests(out: Path, stages: tuple[str, ...] = LEARNED) -> dict[str, str]:
    """What the stages have made, weights without their provenance."""
    records = records_of(out)
    return {f"{s}/{name}": o.digest for s in stages for name, o in records[s].outputs.items()}
