"""`alphago nas export`: a network of what a search has found. `alphago nas table`: the synthetic table as a file."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from alphago.commands.train_options import JsonOption

if TYPE_CHECKING:
    from alphago.controller.nas.convolutional import Child


def conv_export(result: dict[str, Any], out: Path, epochs: int, seed: int, force: bool, as_json: bool) -> None:
    """Train the best child on all images but the test's, and write it. Where it cannot be written is told before it is trained.

    Raises:
        BadParameter: the file is there already. SearchError: the result names no child.
    """
    import torch

    from alphago.controller.nas.children import save_child
    from alphago.controller.nas.convolutional import Child, accuracy, digits, trained_child
    from alphago.controller.nas.journal import SearchError
    from alphago.files import make_directory

    if out.is_dir() or (out.exists() and not force):
        text = "is a folder, expected a file" if out.is_dir() else "exists already; --force overwrites it"
        raise typer.BadParameter(f"{out} {text}", param_hint="--out")
    try:
        Child(result["best"]["architecture"])
    except (KeyError, TypeError, ValueError, IndexError, RuntimeError) as wrong:
        raise SearchError(f"the result names no child of the space conv: {type(wrong).__name__}: {wrong}") from None
    make_directory(out.parent, SearchError)
    parts = digits()
    images, classes = (torch.cat([parts["learn"][i], parts["validate"][i]]) for i in range(2))
    layers = result["best"]["architecture"]
    done = 0

    def told(child: Child) -> None:
        nonlocal done
        done += 1
        if done % 10 == 0 or done == epochs:
            error = 100 * (1 - accuracy(child, *parts["test"]))
            print(f"epoch {done}/{epochs}: test error {error:.2f} %", file=sys.stderr, flush=True)

    child = trained_child(layers, seed, images, classes, epochs=epochs, after=told)
    error = 1 - accuracy(child, *parts["test"])
    made = {"search": result["search"], "epochs": epochs, "seed": seed, "test_error": error}
    save_child(out, child, layers, made)
    row = {"network": str(out), "test_error": error, "epochs": epochs, "layers": layers}
    print(json.dumps(row) if as_json else f"{out}: test error {100 * error:.2f} % after {epochs} epochs")


def go_export(
    result: dict[str, Any],
    out: Path,
    config: str | None,
    steps: int | None,
    seed: int | None,
    device: str,
    threads: int | None,
    resume: bool,
    tensorboard: bool,
    as_json: bool,
) -> None:
    """Train the best network by supervised learning, as `alphago train supervised` would: OUT/network.safetensors.

    What the search did not decide is as it was in the search, whatever a configuration says of its own network.
    """
    import pydantic

    from alphago import configs
    from alphago.commands.train import train_network
    from alphago.commands.train_options import changed
    from alphago.controller.go.networks import architecture_of
    from alphago.controller.go.settings import GoNasSettings
    from alphago.controller.nas.journal import SearchError
    from alphago.train.supervised import SupervisedSettings, prepare

    try:
        searched = GoNasSettings.model_validate(result["search"]["settings"])
        full = searched.full if config is None else configs.load(config, SupervisedSettings)
        network = architecture_of(result["best"]["architecture"], searched.reference)
    except (KeyError, TypeError, pydantic.ValidationError) as error:
        raise SearchError(f"the result names no network of Go: {str(error).splitlines()[0]}") from None
    full = full.model_copy(update={"network": network, "start_from": None})
    settings = changed(full, {"training.steps": steps, "training.seed": seed})
    kept = ("proxy", "strategy", "controller", "seed", "limit_ms")
    notes = {"nas": {**{key: result["search"].get(key) for key in kept}, "value": result["best"]["value"]}}

    def prepared(place: Any, screen: Any) -> Any:
        task = prepare(settings, out, place, screen, stage="nas export")
        task.notes.update(notes)
        task.provenance["made_by"] = "alphago nas export"
        return task

    train_network(prepared, out, device, threads, resume, tensorboard, as_json)


def table(
    out: Annotated[Path, typer.Option("--out", help="The file to write: .csv or .csv.gz.")],
    seed: Annotated[int, typer.Option("--seed", help="Of its noise.", min=0)] = 0,
    force: Annotated[bool, typer.Option("--force", help="Overwrite the file if there is one.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Write the synthetic table in the format that --table reads. Nothing in it is measured: its numbers follow a made-up rule."""
    from alphago.controller.nas.nasbench201 import CELLS, save_table, synthetic_table

    if out.exists() and not force:
        raise typer.BadParameter(f"{out} exists already; --force overwrites it", param_hint="--out")
    made = synthetic_table(seed)
    save_table(out, made)
    row = {"table": str(out), "cells": CELLS, "columns": list(made.columns), "synthetic": True}
    print(json.dumps(row) if as_json else f"{out}: {CELLS:,} made-up cells, columns {', '.join(made.columns)}")
