"""What `alphago nets agreement` measures."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from typing import Any, Final

RUNS: Final = (("openvino", "fp32"), ("torch", "bf16"), ("openvino", "bf16"), ("openvino", "int8"))
"""Runtimes and precisions that are compared with PyTorch in fp32."""


def agreement_rows(
    net: str, stores: Sequence[str], size: int, split: float | None, positions: int
) -> list[dict[str, Any]]:
    """One row for each runtime and precision that is installed.

    Raises:
        NetworkError: no such network, or one that does not play on this size.
        GameDataError: a store that cannot be read, or holds no position of this size.
    """
    from alphago.data.batches import make_batch
    from alphago.data.embedded import resolve
    from alphago.data.game_set import load_games
    from alphago.nets.agreement import agreement
    from alphago.nets.architecture import NetworkError
    from alphago.nets.evaluator import check_fit
    from alphago.nets.shipped import network_file
    from alphago.nets.store import load_network
    from alphago.train.supervised import spread

    file = network_file(net, size)
    if file is None:
        raise NetworkError(f"{net!r} is no network; give a network file, default, small or rl")
    network = load_network(file)[0].eval()
    check_fit(network, size, 1)
    games = load_games([resolve(store) for store in stores], sizes=(size,))
    side = None if split is None else games.side_of_split(split, 0, held_out=True)
    chosen = spread(games.examples(side), positions)
    batch = make_batch(games, chosen, None, network.architecture.feature_set, ("planes", "globals"))
    installed = importlib.util.find_spec("openvino") is not None
    rows = []
    for runtime, precision in RUNS:
        if runtime == "openvino" and not installed:
            continue
        found = agreement(network, batch["planes"], batch["globals"], size, runtime, precision)
        rows.append({"runtime": runtime, "precision": precision, **found._asdict()})
    return rows


def show_agreement(rows: Sequence[dict[str, Any]]) -> None:
    """As a table."""
    from rich.console import Console
    from rich.table import Table

    table = Table(
        "runtime", "same first choice", "policy divergence, nats", "value error, mean", "value error, largest"
    )
    for row in rows:
        table.add_row(
            f"{row['runtime']} {row['precision']}", f"{row['policy_top1']:.1%}", f"{max(0.0, row['policy_divergence']):.4f}",
            f"{row['value_mean_error']:.4f}", f"{row['value_max_error']:.3f}",
        )  # fmt: skip
    console = Console()
    console.print(f"{rows[0]['positions']:,} positions, against PyTorch fp32")
    console.print(table)
