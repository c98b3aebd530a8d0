"""Pictures of runs: which curves are read, how long ones are thinned, and what is said where there are none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from alphago.train.curves import plot_curves, read_curves, thinned
from alphago.train.optim import TrainingError


def run(folder: Path, tags: dict[str, list[float]]) -> Path:
    from torch.utils.tensorboard import SummaryWriter

    writer = SummaryWriter(str(folder / "tensorboard"))
    for tag, values in tags.items():
        for step, value in enumerate(values):
            writer.add_scalar(tag, value, step)
    writer.close()
    return folder


def test_curves_are_read_and_drawn(tmp_path: Path) -> None:
    first = run(tmp_path / "a", {"train/top1": [0.1, 0.2], "held_out/top1": [0.15], "train/other": [1.0]})
    second = run(tmp_path / "b", {"train/top1": [0.3, 0.4], "reinforce/score": [0.5] * 1000})
    steps, values = read_curves(first)["train/top1"]
    assert steps.tolist() == [0, 1] and np.allclose(values, [0.1, 0.2])
    shown = plot_curves([first, second], tmp_path / "curves.png")
    assert shown == ["train/top1", "held_out/top1", "reinforce/score"]
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")
    assert plot_curves([first], tmp_path / "one.png", ["train/other"]) == ["train/other"]


def test_long_curves_are_means_of_neighbours() -> None:
    steps, values = thinned(np.arange(1000.0), np.arange(1000.0) % 2, most=100)
    assert len(steps) == 100 and np.allclose(values, 0.5) and np.allclose(np.diff(steps), 10)
    steps, values = thinned(np.arange(7.0), np.arange(7.0), most=3)
    assert steps.tolist() == [0.5, 2.5, 5.0]


def test_runs_without_curves_are_named(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="no curves in it"):
        plot_curves([tmp_path], tmp_path / "x.png")
    first = run(tmp_path / "a", {"train/other": [1.0]})
    with pytest.raises(TrainingError, match="none of the curves asked for; there are: train/other"):
        plot_curves([first], tmp_path / "x.png")
    assert not (tmp_path / "x.png").exists()
