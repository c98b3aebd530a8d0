"""`alphago evaluate`: how well a network predicts games that it has not learned from."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def evaluate(
    net: Annotated[Path, typer.Argument(help="A network file.")],
    games: Annotated[list[str], typer.Option("--games", help='Stores of games; "default": the one that ships.')],
    split: Annotated[
        float | None,
        typer.Option("--held-out", help="Only the share of the games that a training run with this split held out."),
    ] = None,
    split_seed: Annotated[int, typer.Option("--split-seed", help="Of that split.")] = 0,
    positions: Annotated[
        int, typer.Option("--positions", help="Look at so many at most, evenly spread.", min=1)
    ] = 100_000,
    ensemble: Annotated[
        int, typer.Option("--ensemble", help="8: answers are means over the 8 symmetries; 1: as they are.")
    ] = 1,
    batch: Annotated[int, typer.Option("--batch", help="Positions at a time.", min=1)] = 256,
    precision: Annotated[str, typer.Option("--precision", help="fp32 or bf16.")] = "fp32",
    device: Annotated[str, typer.Option("--device", help="auto, cpu, cuda or cuda:N.")] = "auto",
    plot: Annotated[
        Path | None, typer.Option("--plot", help="Write the plots to this PNG [default: beside the network file].")
    ] = None,
    no_plot: Annotated[bool, typer.Option("--no-plot", help="Numbers alone.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Top-1, top-5 and log-loss by phase of the game; error and calibration of the outcome; score and ownership.

    The outcome's error is the mean square against +1, 0 and -1; papers that count outcomes as 1 and 0 print a quarter of it.
    """
    if ensemble not in (1, 8):
        raise typer.BadParameter(f"1 or 8, got {ensemble}", param_hint="--ensemble")
    if precision not in ("fp32", "bf16"):
        raise typer.BadParameter(f"fp32 or bf16, got {precision!r}", param_hint="--precision")
    import torch

    from alphago.data.embedded import resolve
    from alphago.data.game_set import load_games
    from alphago.machine import usable_threads
    from alphago.nets.store import load_network
    from alphago.train.distributed import joined
    from alphago.train.metrics import measure
    from alphago.train.supervised import spread

    torch.set_num_threads(usable_threads())
    network, _ = load_network(net)
    smallest, largest = network.architecture.sizes
    found = load_games([resolve(store) for store in games], sizes=range(smallest, largest + 1))
    side = None if split is None else found.side_of_split(split, split_seed, held_out=True)
    chosen = spread(found.examples(side), positions)
    with joined(device) as place:
        network = network.to(place.device)
        metrics = measure(
            network,
            found,
            chosen,
            batch=batch,
            ensemble=ensemble == 8,
            device=place.device,
            bf16=precision == "bf16",
            threads=usable_threads(),
            on_batch=_progress(len(chosen)),
        )
    row: dict[str, Any] = {
        "network": str(net),
        "games": len(found.keys) if side is None else int(side.sum()),
        "ensemble": ensemble,
        **metrics.summary(),
        "phases": metrics.by_phase(),
    }
    if not no_plot:
        from alphago.train.plots import plot_metrics

        out = plot or net.with_suffix(".png")
        plot_metrics(metrics, out, str(net.name))
        row["plot"] = str(out)
    if as_json:
        print(json.dumps(row))
    else:
        _show(row)


def _progress(total: int) -> Any:
    live = sys.stderr.isatty()

    def show(done: int) -> None:
        if live:
            print(f"\r{done:,} of {total:,} positions", end="\n" if done >= total else "", file=sys.stderr, flush=True)

    return show


def _show(row: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("moves of the game", "positions", "top-1", "top-5", "log-loss", "outcome MSE", "winner")
    whole, has_outcome = {"from": 0.0, "to": 1.0, **row}, "outcome_mse" in row
    for phase in [*row["phases"], whole]:
        table.add_row(
            f"{100 * phase['from']:.0f} to {100 * phase['to']:.0f} %",
            f"{phase['positions']:,.0f}",
            f"{100 * phase['top1']:.2f} %" if "top1" in row else "",
            f"{100 * phase['top5']:.2f} %" if "top1" in row else "",
            f"{phase['log_loss']:.3f}" if "top1" in row else "",
            f"{phase['outcome_mse']:.3f}" if has_outcome else "",
            f"{100 * phase['winner']:.1f} %" if has_outcome else "",
        )
    console = Console()
    console.print(table)
    if has_outcome:
        console.print(
            "The outcome's MSE is against +1, 0, -1 from the side to move (outcomes 1 and 0 give a quarter of it)."
        )
        console.print(
            f"calibration error {row['calibration_error']:.3f} (mean distance of expected from observed outcome)"
        )
    if "score_error" in row:
        console.print(f"score: off by {row['score_error']:.1f} points on average")
    if "ownership" in row:
        console.print(f"ownership: {100 * row['ownership']:.1f} % of the owned points are right")
    if "plot" in row:
        console.print(f"plots: {row['plot']}")
