"""`alphago bench`: playouts, input planes, simulations, network evaluations and games of self-play per second.

The clock of playouts and planes runs in the core, around nothing but the work.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

if TYPE_CHECKING:
    from alphago import _core
    from alphago.commands.bench_config import BenchConfig, _Section

T = TypeVar("T")
SectionT = TypeVar("SectionT", bound="_Section")
Row = dict[str, Any]

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Measure the parts of the engine. Options left out take their values from the configuration.",
)

SizeOption = Annotated[int | None, typer.Option("--size", help="Board size, 2 to 19.", show_default=False)]
SecondsOption = Annotated[float | None, typer.Option("--seconds", help="Length of each measurement.")]
ThreadsOption = Annotated[int | None, typer.Option("--threads", help="Threads that work at the same time.")]
SeedOption = Annotated[int | None, typer.Option("--seed", help="Seed of all random choices.")]
WeightsOption = Annotated[
    str | None,
    typer.Option("--weights", help="Rollout weights file of the softmax policy [default: the shipped one]."),
]
ConfigOption = Annotated[str, typer.Option("--config", help="Name or path of a configuration.")]
JsonOption = Annotated[
    bool, typer.Option("--json", help='Print one JSON object: the row, or {"results": [rows]} when there are several.')
]


@app.command()
def playouts(
    size: SizeOption = None,
    policy: Annotated[str | None, typer.Option("--policy", help="light or softmax.")] = None,
    seconds: SecondsOption = None,
    threads: ThreadsOption = None,
    seed: SeedOption = None,
    weights: WeightsOption = None,
    config: ConfigOption = "bench",
    as_json: JsonOption = False,
) -> None:
    """Whole games from the empty board, per second: no tree, no mercy rule, simple ko."""
    options = {"sizes": size, "policies": policy, "seconds": seconds, "threads": threads, "seed": seed}
    section = _with_options(_config(config).playouts, options)
    if weights is not None and "softmax" not in section.policies:
        raise typer.BadParameter("only the softmax policy has weights; add --policy softmax", param_hint="--weights")
    loaded = _weights(weights) if "softmax" in section.policies else None
    cases = [(n, p) for n in section.sizes for p in section.policies]
    rows = [playout_row(n, p, section.seconds, section.threads, section.seed, loaded) for n, p in cases]
    _show(rows, as_json, _PLAYOUT_COLUMNS)


@app.command()
def features(
    size: SizeOption = None,
    feature_set: Annotated[
        str | None, typer.Option("--set", help="alphago48, alphago49, zero17, rich or rich-fast.")
    ] = None,
    seconds: SecondsOption = None,
    dtype: Annotated[str | None, typer.Option("--dtype", help="float32 or uint8.")] = None,
    threads: ThreadsOption = None,
    seed: SeedOption = None,
    games: Annotated[
        str | None,
        typer.Option(
            "--games",
            help="Take the positions from real games: an .sgf file, .sgfs.gz with one game a line, or a folder of them "
            "[default: positions from softmax playouts].",
        ),
    ] = None,
    positions: Annotated[int | None, typer.Option("--positions", help="How many different positions.")] = None,
    config: ConfigOption = "bench",
    as_json: JsonOption = False,
) -> None:
    """Mid-game positions turned into input planes, per second."""
    options = {"sizes": size, "sets": feature_set, "seconds": seconds, "threads": threads, "seed": seed}
    section = _with_options(_config(config).features, options | {"dtype": dtype, "positions": positions})
    rows = []
    for n in section.sizes:
        sample = mid_game_positions(n, section.positions, section.seed, games)
        for name in section.sets:
            row = feature_row(sample, name, section.dtype, section.seconds, section.threads)
            rows.append(row | {"seed": section.seed, "games": games})
    _show(rows, as_json, _FEATURE_COLUMNS)


@app.command()
def search(
    size: SizeOption = None,
    evaluator: Annotated[
        str | None,
        typer.Option(
            "--evaluator", help="uniform: 256 games, trees alone; rollout: one tree, a softmax playout a simulation."
        ),
    ] = None,
    seconds: SecondsOption = None,
    threads: ThreadsOption = None,
    seed: SeedOption = None,
    config: ConfigOption = "bench",
    as_json: JsonOption = False,
) -> None:
    """Simulations of the search without networks, per second."""
    from alphago.commands.bench_search import search_row

    options = {"sizes": size, "evaluators": evaluator, "seconds": seconds, "threads": threads, "seed": seed}
    section = _with_options(_config(config).search, options)
    cases = [(n, name) for n in section.sizes for name in section.evaluators]
    rows = [search_row(n, name, section.seconds, section.threads, section.seed) for n, name in cases]
    _show(rows, as_json, _SEARCH_COLUMNS)


@app.command()
def selfplay(
    games: Annotated[int, typer.Option("--games", help="Games to play.", min=1)] = 200,
    size: Annotated[int, typer.Option("--size", help="Board size, 2 to 19.")] = 9,
    sims: Annotated[int, typer.Option("--sims", help="Simulations a move.")] = 32,
    net: Annotated[
        str | None,
        typer.Option("--net", help="Network file, or default: softmax rollouts [default: a fresh 4x48 network]."),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="Seed of the run.")] = 1,
    resign: Annotated[bool, typer.Option("--resign/--no-resign", help="Whether lost games are resigned.")] = False,
    settings: Annotated[list[str] | None, typer.Option("--set", help="key=value: any search parameter.")] = None,
    threads: Annotated[str, typer.Option("--threads", help="Threads, or auto.")] = "auto",
    parallel: Annotated[str, typer.Option("--parallel", help="Games at the same time, or auto.")] = "auto",
    batch: Annotated[str, typer.Option("--batch", help="Positions in a network's batch, or auto.")] = "auto",
    runtime: Annotated[str, typer.Option("--runtime", help="auto, torch or openvino.")] = "auto",
    precision: Annotated[str, typer.Option("--precision", help="auto, fp32, bf16 or int8.")] = "auto",
    as_json: JsonOption = False,
) -> None:
    """A run of the `selfplay` command in a temporary directory: games, simulations and evaluations per second."""
    from alphago.commands.bench_selfplay import selfplay_row

    machine = {"threads": threads, "parallel": parallel, "batch": batch, "runtime": runtime, "precision": precision}
    row = selfplay_row(games, size, sims, net, seed, resign, settings or [], machine)
    _show([row], as_json, _SELFPLAY_COLUMNS)


@app.command()
def inference(
    net: Annotated[str, typer.Option("--net", help="Network file.")],
    runtime: Annotated[str, typer.Option("--runtime", help="auto, torch or openvino.")] = "auto",
    precision: Annotated[str, typer.Option("--precision", help="auto, fp32, bf16 or int8.")] = "auto",
    batch: Annotated[str, typer.Option("--batch", help="Positions in a batch, or best: try 8 to 256.")] = "best",
    size: Annotated[int, typer.Option("--size", help="Board size, 2 to 19.")] = 9,
    workers: Annotated[
        str, typer.Option("--workers", help="Threads that each run batches, or auto: one a thread of the CPU.")
    ] = "auto",
    threads: Annotated[
        int | None, typer.Option("--threads", help="Threads of the runtime, all workers together.", min=1, max=1024)
    ] = None,
    seconds: Annotated[float, typer.Option("--seconds", help="Length of the measurement.", min=0.01, max=3600)] = 5,
    compare: Annotated[
        bool, typer.Option("--compare", help="Also measure PyTorch fp32 at batch 8, in turns, and give the ratio.")
    ] = False,
    pool: Annotated[
        bool,
        typer.Option(
            "--pool", help="Also let the same evaluators work for a pool of searches, in turns: the share that is kept."
        ),
    ] = False,
    seed: Annotated[int, typer.Option("--seed", help="Seed of the positions.", min=0)] = 1,
    as_json: JsonOption = False,
) -> None:
    """Evaluations of a network alone, per second."""
    from alphago.commands.bench_inference import inference_row

    rows, callers = _count(batch, "best", "--batch", 65536), _count(workers, "auto", "--workers", 1024)
    row = inference_row(net, size, runtime, precision, rows, callers, threads, seconds, compare, pool, seed)
    _show_lines(row, as_json, _INFERENCE_LINES)


@app.command()
def batches(
    games: Annotated[str, typer.Option("--games", help='A store of games, or "default".')] = "default",
    size: Annotated[int | None, typer.Option("--size", help="Only games of this size.")] = None,
    feature_set: Annotated[str, typer.Option("--set", help="Input planes.")] = "rich",
    seconds: Annotated[float, typer.Option("--seconds", help="Length of the measurement.", min=0.01, max=3600)] = 5,
    threads: Annotated[int, typer.Option("--threads", help="Threads that replay and write.", min=1, max=1024)] = 1,
    outputs: Annotated[
        str, typer.Option("--outputs", help="usual: planes, policy, outcome and score; all: everything there is.")
    ] = "usual",
    as_json: JsonOption = False,
) -> None:
    """Training examples per second: games replayed to a random position, planes and targets written."""
    from alphago.commands.bench_training import batches_row

    if outputs not in ("usual", "all"):
        raise typer.BadParameter(f"usual or all, got {outputs!r}", param_hint="--outputs")
    _show_lines(batches_row(games, size, feature_set, seconds, threads, outputs), as_json, _BATCHES_LINES)


@app.command()
def training(
    games: Annotated[str, typer.Option("--games", help='A store of games, or "default".')] = "default",
    size: Annotated[int, typer.Option("--size", help="Board size.")] = 9,
    blocks: Annotated[int, typer.Option("--blocks", help="Of a residual network.", min=1)] = 6,
    channels: Annotated[int, typer.Option("--channels", help="Of its convolutions.", min=4)] = 96,
    feature_set: Annotated[str, typer.Option("--set", help="Input planes.")] = "rich",
    batch: Annotated[int, typer.Option("--batch", help="Examples a step.", min=1)] = 256,
    steps: Annotated[int, typer.Option("--steps", help="Of each of 5 rounds.", min=1)] = 10,
    device: Annotated[str, typer.Option("--device", help="auto, cpu, cuda or cuda:N.")] = "auto",
    compile_: Annotated[bool, typer.Option("--compile", help="torch.compile, for both.")] = False,
    as_json: JsonOption = False,
) -> None:
    """The trainer on real batches against a bare PyTorch loop on tensors made before, in turns."""
    from alphago.commands.bench_training import training_row

    row = training_row(games, size, blocks, channels, feature_set, batch, steps, device, compile_)
    _show_lines(row, as_json, _TRAINING_LINES)


@app.command("reinforce-go")
def reinforce_go(
    net: Annotated[str, typer.Option("--net", help="Network file, or default.")] = "default",
    size: Annotated[int, typer.Option("--size", help="Board size.")] = 9,
    games: Annotated[int, typer.Option("--games", help="Of every update.", min=2)] = 128,
    updates: Annotated[int, typer.Option("--updates", help="That are measured.", min=1)] = 20,
    threads: Annotated[int | None, typer.Option("--threads", help="[default: all processors]", min=1)] = None,
    baseline: Annotated[str, typer.Option("--baseline", help="As in `alphago train reinforce-go`.")] = "none",
    batch: Annotated[int, typer.Option("--batch", help="Positions that are evaluated at once in play.", min=1)] = 16,
    finish: Annotated[str, typer.Option("--finish", help="How games end: settled or as-it-stands.")] = "settled",
    as_json: JsonOption = False,
) -> None:
    """Complete games of raw networks per second, with the REINFORCE learner idle and with it working."""
    from alphago.commands.bench_reinforce import reinforce_row
    from alphago.machine import usable_threads

    row = reinforce_row(net, size, games, updates, threads or usable_threads(), baseline, batch, finish)
    _show_lines(row, as_json, _REINFORCE_LINES)


# --- measuring ------------------------------------------------------------------------------------------------------


def playout_row(
    size: int, policy: str, seconds: float, threads: int, seed: int, weights: _core.RolloutWeights | None
) -> Row:
    """One measurement: playouts a second of all threads together; microseconds a move of one thread."""
    from alphago import _core

    result = _interruptible(lambda: _core.bench_playouts(size, policy, seconds, threads, seed, weights))
    return {
        "size": size,
        "policy": policy,
        "playouts_per_second": round(result["playouts"] / result["seconds"], 1),
        "moves_per_playout": round(result["moves"] / result["playouts"], 2),
        "microseconds_per_move": round(1e6 * threads * result["seconds"] / result["moves"], 4),
        "count": int(result["playouts"]),
        "seconds": round(result["seconds"], 4),
        "threads": threads,
        "seed": seed,
    }


def feature_row(positions: list[_core.Position], feature_set: str, dtype: str, seconds: float, threads: int) -> Row:
    """One measurement over `positions`, which all have the same size, gone through again and again."""
    from alphago import _core

    result = _interruptible(lambda: _core.bench_features(positions, feature_set, dtype, seconds, threads))
    return {
        "size": positions[0].size,
        "set": feature_set,
        "dtype": dtype,
        "positions_per_second": round(result["positions"] / result["seconds"], 1),
        "microseconds_per_position": round(1e6 * threads * result["seconds"] / result["positions"], 4),
        "count": int(result["positions"]),
        "positions": len(positions),
        "seconds": round(result["seconds"], 4),
        "threads": threads,
    }


def mid_game_positions(size: int, count: int, seed: int, games: str | None) -> list[_core.Position]:
    """Positions of real games when there are any to read, else of playouts."""
    from alphago.commands import bench_positions

    if games is not None:
        return bench_positions.recorded_positions(games, size, count, seed)
    return bench_positions.made_positions(size, count, seed, _weights(None))


def _weights(path: str | None) -> _core.RolloutWeights:
    from alphago.nets.rollout import load_rollout_weights

    return load_rollout_weights(path)


def _interruptible(work: Callable[[], T]) -> T:
    """Run `work`, one long call into the core, so that Ctrl-C ends the program at once instead of after the call."""
    outcome: list[T] = []
    failure: list[BaseException] = []

    def run() -> None:
        try:
            outcome.append(work())
        except BaseException as error:  # noqa: BLE001  # handed to the caller below
            failure.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        while thread.is_alive():
            thread.join(0.1)
    except KeyboardInterrupt:
        # The core cannot be stopped half-way; tidying up under its feet could crash, so nothing is tidied up.
        sys.stdout.flush()
        os._exit(130)
    if failure:
        raise failure[0]
    return outcome[0]


# --- what is asked --------------------------------------------------------------------------------------------------

_OPTION_NAMES = {"sizes": "--size", "policies": "--policy", "sets": "--set", "evaluators": "--evaluator"}


def _config(name: str) -> BenchConfig:
    from alphago import configs
    from alphago.commands.bench_config import BenchConfig

    return configs.load(name, BenchConfig)


def _with_options(section: SectionT, options: dict[str, Any]) -> SectionT:
    """The section with the given options in place of its values, checked by the same model."""
    import pydantic

    from alphago import configs

    given = {key: value for key, value in options.items() if value is not None}
    for key, value in given.items():
        changed = section.model_dump() | {key: [value] if key in _OPTION_NAMES else value}
        try:
            section = type(section).model_validate(changed)
        except pydantic.ValidationError as error:
            message = configs.describe(error, type(section)).split(": ", 1)[-1]
            raise typer.BadParameter(message, param_hint=_OPTION_NAMES.get(key, f"--{key}")) from None
    return section


def _count(text: str, word: str, option: str, most: int) -> int | None:
    """A whole number from 1 to `most`, or None for `word`."""
    if text == word:
        return None
    if text.isascii() and text.isdigit() and 1 <= int(text) <= most:
        return int(text)
    raise typer.BadParameter(f"expected {word} or a whole number from 1 to {most}, got {text!r}", param_hint=option)


# --- what is shown --------------------------------------------------------------------------------------------------

_PLAYOUT_COLUMNS = {
    "size": "size",
    "policy": "policy",
    "playouts_per_second": "playouts/s",
    "moves_per_playout": "moves/playout",
    "microseconds_per_move": "us/move",
    "threads": "threads",
}
_FEATURE_COLUMNS = {
    "size": "size",
    "set": "set",
    "dtype": "dtype",
    "positions_per_second": "positions/s",
    "microseconds_per_position": "us/position",
    "threads": "threads",
}
_SEARCH_COLUMNS = {
    "size": "size",
    "evaluator": "evaluator",
    "simulations_per_second": "simulations/s",
    "games_at_once": "games at once",
    "threads": "threads",
    "peak_memory_mib": "peak MiB",
}
_SELFPLAY_COLUMNS = {
    "size": "size",
    "net": "net",
    "games_per_second": "games/s",
    "simulations_per_second": "simulations/s",
    "evaluations_per_second": "evaluations/s",
    "peak_memory_mib": "peak MiB",
}
_INFERENCE_LINES = {
    "net": "network",
    "size": "size",
    "evaluator": "evaluator",
    "evaluations_per_second": "evaluations/s",
    "peer": "compared with",
    "peer_evaluations_per_second": "its evaluations/s",
    "ratio": "ratio",
    "pool": "at work for",
    "pool_evaluations_per_second": "evaluations/s there",
    "share": "share",
}


_BATCHES_LINES = {
    "games": "games",
    "size": "size",
    "set": "set",
    "threads": "threads",
    "positions_per_second": "positions/s",
    "positions_per_second_per_thread": "a thread",
    "moves_before": "moves replayed",
}
_TRAINING_LINES = {
    "network": "network",
    "size": "size",
    "set": "set",
    "batch": "batch",
    "device": "device",
    "positions_per_second": "positions/s",
    "bare_positions_per_second": "the bare loop's",
    "share": "share",
}
_REINFORCE_LINES = {
    "net": "network",
    "size": "size",
    "games_per_second_idle": "games/s, learner idle",
    "games_per_second_working": "games/s, learner working",
    "collecting_share": "share of the time at play",
    "moves": "moves a game",
    "kl_behaviour": "largest divergence of learner and player, nats",
}


def _show_lines(row: Row, as_json: bool, lines: dict[str, str]) -> None:
    """One row, from top to bottom; keys that it lacks are left out."""
    if as_json:
        print(json.dumps(row))
        return
    from rich.console import Console
    from rich.table import Table

    grid = Table.grid(padding=(0, 2))
    for key, title in lines.items():
        if key in row:
            grid.add_row(title, *_cells([row[key]]))
    Console().print(grid)


def _show(rows: list[Row], as_json: bool, columns: dict[str, str]) -> None:
    if as_json:
        print(json.dumps(rows[0] if len(rows) == 1 else {"results": rows}))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(*(_column(title) for title in columns.values()))
    for row in rows:
        table.add_row(*_cells(row[key] for key in columns))
    Console().print(table)


def _column(title: str) -> Any:
    from rich.table import Column

    return Column(title, justify="left" if title in ("policy", "set", "dtype", "evaluator", "net") else "right")


def _cells(values: Iterable[object]) -> list[str]:
    """Large numbers without decimals, small ones with three significant digits."""
    return [
        (f"{value:,.0f}" if value >= 100 else f"{value:.3g}") if isinstance(value, float) else str(value)
        for value in values
    ]
