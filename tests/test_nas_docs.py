"""The example of docs/nas.md runs as it stands there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from conftest import ROOT


def test_the_example_of_a_problem_of_ones_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "nas.md").read_text(encoding="utf-8"), re.DOTALL)
    monkeypatch.chdir(tmp_path)

    def train(architecture: dict[str, Any], seed: int) -> float:
        return float(architecture["width"] * len(architecture["layers"]))

    names: dict[str, Any] = {"train": train}
    exec(compile(example, "docs/nas.md", "exec"), names)  # noqa: S102  # the project's own document
    best = names["search"].progress.best
    assert best.measured.value == 32 * 4 and "Tried(" in capsys.readouterr().out
    assert len((tmp_path / "runs" / "mine" / "measured.jsonl").read_text().splitlines()) == 100
