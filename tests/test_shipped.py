"""What ships with the package: every name leads to files that are there, fit their boards, and say where they come from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from alphago.go import Board
from alphago.nets import shipped
from alphago.nets.rollout import load_rollout_weights, read_rollout_arrays
from alphago.nets.shipped import network_file, network_files, rollout_file, value_file, value_files
from alphago.nets.store import load_network
from alphago.search.bot import Bot

NETWORKS = sorted(name for name, files in shipped._NETWORKS.items() if files)
MIB = 2**20


@pytest.fixture(autouse=True)
def _as_a_user_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ALPHAGO_NET")


@pytest.mark.parametrize("name", NETWORKS)
def test_there_is_a_network_for_every_board(name: str) -> None:
    sizes = [largest for largest, _ in shipped._NETWORKS[name]]
    assert sizes == sorted(set(sizes)) and (name in ("rl", "nas") or sizes[-1] == 19)
    for size in range(2, sizes[-1] + 1):
        file = network_file(name, size)
        assert file is not None and file.is_file() and file in network_files(name)
    for size in range(sizes[-1] + 1, 20):
        with pytest.raises(shipped.ShippedError, match=f"up to {sizes[-1]}x{sizes[-1]}, not {size}x{size}"):
            network_file(name, size)


def test_value_networks_by_name() -> None:
    """None where none ships, for the caller to say so."""
    assert value_file("none", 9) is None and value_file("my.safetensors", 9) == Path("my.safetensors")
    for size in range(2, 20):
        file = value_file("default", size)
        assert (file is None) == (size > 9) and (file is None or (file.is_file() and file in value_files("default")))


def test_the_value_network_says_where_it_comes_from() -> None:
    file = value_file("default", 9)
    assert file is not None and file.stat().st_size < 8 * MIB
    network, header = load_network(file)
    made_by = header["provenance"]
    assert {"commands", "data", "machine", "minutes", "metrics", "made_by"} <= set(made_by)
    assert network.architecture.heads == ("outcome",) and made_by["metrics"]["outcome_mse"] < 0.6
    assert all(torch.isfinite(tensor).all() for tensor in network.state_dict().values())


def test_the_default_depends_on_the_board() -> None:
    assert network_file("default", 9) != network_file("default", 19) == network_file("default", 13)


@pytest.mark.parametrize(
    "file", sorted({file for name in NETWORKS for file in network_files(name)}), ids=lambda f: f.stem
)
def test_a_network_says_where_it_comes_from(file: object) -> None:
    network, header = load_network(file)  # type: ignore[arg-type]
    made_by = header["provenance"]
    assert {"commands", "data", "machine", "minutes", "metrics", "made_by"} <= set(made_by)
    metrics = made_by["metrics"]
    assert metrics["score_against_start"] > 0.7 if file.stem == "net-9x9-rl" else metrics["top1"] > 0.4  # type: ignore[attr-defined]
    assert all(torch.isfinite(tensor).all() for tensor in network.state_dict().values())
    assert file.stat().st_size < 8 * MIB  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", sorted(shipped._ROLLOUTS))
def test_rollout_weights(name: str) -> None:
    arrays, header = read_rollout_arrays(rollout_file(name))
    assert header["provenance"] and all(np.isfinite(array).all() for array in arrays.values())
    assert rollout_file(name).stat().st_size < 8 * MIB
    load_rollout_weights(name)


@pytest.mark.parametrize("size", [5, 9, 13, 19])
def test_the_default_bot_opens_in_the_middle_or_the_corners(size: int) -> None:
    """Not on the first line, not at random: policy and value work on every size."""
    bot = Bot(threads=1, memory_mib=64, precision="fp32")
    bot.new_game(Board(size))
    report = bot.choose(simulations=30).report
    assert report is not None
    row, column = divmod(report.move, size)
    edge = min(row, column, size - 1 - row, size - 1 - column)
    assert report.move < size * size and edge >= (1 if size == 5 else 2)
    assert abs(report.value) < 0.9


def test_a_policy_alone_plays_with_rollouts_for_values() -> None:
    bot = Bot(net="rl", threads=1, memory_mib=64, precision="fp32")
    bot.new_game(Board(9))
    report = bot.choose(simulations=40).report
    assert report is not None and 2 <= report.move // 9 <= 6 and abs(report.value) < 0.9
    with pytest.raises(shipped.ShippedError, match="up to 9x9"):
        bot.new_game(Board(13))
