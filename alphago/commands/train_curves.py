"""`alphago train curves`: the curves of runs as a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def curves(
    runs: Annotated[list[Path], typer.Argument(help="Folders of runs.")],
    out: Annotated[Path | None, typer.Option("--out", help="[default: curves.png in the first run's folder]")] = None,
    tag: Annotated[
        list[str] | None, typer.Option("--tag", help="Only this curve, such as train/policy; may be given again.")
    ] = None,
) -> None:
    """Draw what runs have kept for TensorBoard into one PNG, run over run."""
    from alphago.train.curves import plot_curves

    path = out or runs[0] / "curves.png"
    shown = plot_curves(runs, path, tag or ())
    print(f"{path}: {', '.join(shown)}")
