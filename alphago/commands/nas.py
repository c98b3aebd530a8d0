"""`alphago nas`: search for architectures, and make networks of what was found."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from alphago.commands.nas_export import conv_export, go_export, table
from alphago.commands.nas_go import anchors, device_named, go_asked, proxies, supernet
from alphago.commands.nas_spaces import SPACES, Asked, conv, nasbench201, refuse_others
from alphago.commands.nas_study import study, study_conv
from alphago.commands.train_options import (
    JsonOption,
    ResumeOption,
    SeedOption,
    StepsOption,
    TensorboardOption,
    ThreadsOption,
    stops,
)

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Search for network architectures, and make networks of what was found.",
)

PICTURE: Final = "pareto.png"

DeviceOption = Annotated[str | None, typer.Option("--device", help="go: auto, cpu, cuda or cuda:N [default: auto].")]
TableOption = Annotated[
    Path | None,
    typer.Option("--table", help="nasbench201: a file of the table [default: a synthetic one, made by rule]."),
]


@app.callback()
def _nas() -> None:
    """Search for network architectures, and make networks of what was found."""


@app.command()
def search(
    space: Annotated[str, typer.Option("--space", help="nasbench201, conv or go.")] = "nasbench201",
    strategy: Annotated[
        str, typer.Option("--strategy", help="reinforce, evolution, random, or tpe (needs optuna).")
    ] = "reinforce",
    controller: Annotated[
        str | None,
        typer.Option("--controller", help="reinforce: factorised or lstm [default: factorised; conv: lstm]."),
    ] = None,
    budget: Annotated[
        str | None,
        typer.Option(
            "--budget",
            help="Of what measurements cost, 12000s, 90m, 2h, or their number [default: 12000s; conv: 200; go: 100].",
        ),
    ] = None,
    latency_limit: Annotated[
        str | None,
        typer.Option(
            "--latency-limit",
            help="Answers that take longer are none: 8ms, 500us; of the space go also hand, what the hand-made network takes.",
        ),
    ] = None,
    table: TableOption = None,
    latency: Annotated[
        str | None, typer.Option("--latency", help="nasbench201: column of milliseconds [default: one that is there].")
    ] = None,
    layers: Annotated[
        int | None, typer.Option("--layers", help="conv: of a network [default: 4].", min=1, max=12)
    ] = None,
    epochs: Annotated[
        int | None, typer.Option("--epochs", help="conv: that a network learns for [default: 12].", min=1)
    ] = None,
    proxies_folder: Annotated[
        Path | None, typer.Option("--proxies", help="go: folder of `alphago nas proxies`, which judged the proxy.")
    ] = None,
    proxy: Annotated[str | None, typer.Option("--proxy", help="go: what foretells strength [default: short].")] = None,
    batch: Annotated[
        int | None, typer.Option("--batch", help="Proposals at a time [default: 1; conv, go: 2].", min=1)
    ] = None,
    workers: Annotated[
        int, typer.Option("--workers", help="Processes that measure, of a core each; no more than the batch.", min=1)
    ] = 1,
    timeout: Annotated[
        str | None,
        typer.Option("--timeout", help="A measurement that takes longer has failed: 90s, 30m [default: none]."),
    ] = None,
    charge_repeats: Annotated[
        bool, typer.Option("--charge-repeats", help="What is proposed again costs the budget again.")
    ] = False,
    seed: Annotated[int, typer.Option("--seed", help="Of everything random.", min=0)] = 0,
    device: DeviceOption = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="The run's folder [default: runs/nas-SPACE-STRATEGY].")
    ] = None,
    resume: ResumeOption = False,
    tensorboard: TensorboardOption = True,
    as_json: JsonOption = False,
) -> None:
    """Search for the best architecture of a space within a budget.

    Every measurement is kept the moment it is known: after Ctrl-C, or a kill at any moment, --resume comes to the same answer. The
    folder gets result.json, pareto.png and TensorBoard's curves.
    """
    import torch

    from alphago.commands.nas_plots import plot_search
    from alphago.commands.nas_progress import SearchScreen
    from alphago.controller.nas.objective import parse_budget
    from alphago.controller.nas.runs import SearchSettings, begin_search, result_of, write_result
    from alphago.controller.nas.workers import check_workers, worker_pool

    folder = out or Path("runs") / f"nas-{space}-{strategy}"
    check_workers(workers)
    seconds = _timeout(timeout)
    if controller is not None and strategy != "reinforce":
        raise typer.BadParameter(f"is of the strategy reinforce, not of {strategy}", param_hint="--controller")
    asked = _asked(space, table, latency, layers, epochs, proxies_folder, proxy, folder, device)
    if workers > (batch or asked.batch):
        raise typer.BadParameter(
            f"a batch of {batch or asked.batch} has no work for {workers} processes: add --batch {workers}",
            param_hint="--workers",
        )
    limit_ms = _limit_ms(latency_limit, asked)
    settings = _settings(
        SearchSettings,
        strategy=strategy,
        controller=controller or asked.controller,
        batch=batch or asked.batch,
        limit_ms=limit_ms,
        charge_repeats=charge_repeats,
        seed=seed,
    )
    spend = parse_budget(budget or asked.budget)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # controllers are small
    try:
        with (
            worker_pool(workers, always=seconds is not None) as pool,
            SearchScreen(folder if tensorboard else None, spend) as screen,
        ):
            found = begin_search(
                asked.problem,
                settings,
                spend,
                about=asked.about,
                folder=folder,
                resume=resume,
                executor=pool,
                timeout=seconds,
            )
            if found.progress.recorded:
                screen.say(f"going on after {found.progress.recorded:,} measurements")
            with stops(found.stop):
                done = found.run(screen.batch)
    finally:
        torch.set_num_threads(threads)
    if not done and found.progress.best is None:
        raise KeyboardInterrupt
    result = result_of(found, asked.about, settings, finished=done)
    write_result(folder, result)
    title = f"{space}, {strategy}, {len(found.progress.tried):,} measurements"
    plot_search(found.progress, folder / PICTURE, value=asked.value, title=title, limit_ms=limit_ms)
    if not done:
        print("stopped; go on with the same command and --resume", file=sys.stderr)
        raise KeyboardInterrupt
    if as_json:
        print(json.dumps({"out": str(folder), **result}))
    else:
        _tell(folder, result, asked)


@app.command()
def export(
    run: Annotated[Path, typer.Argument(help="Folder of a search, or its result.json.")],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", help="conv: the file to write; go: the folder of the training [default: in the search's]."
        ),
    ] = None,
    epochs: Annotated[
        int | None, typer.Option("--epochs", help="conv: that the network learns for [default: 60].", min=1)
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="conv: overwrite the file if there is one.")] = False,
    config: Annotated[
        str | None,
        typer.Option("--config", help="go: how it learns, as of train supervised [default: as the anchors did]."),
    ] = None,
    steps: StepsOption = None,
    seed: SeedOption = None,
    device: DeviceOption = None,
    threads: ThreadsOption = None,
    resume: ResumeOption = False,
    tensorboard: TensorboardOption = True,
    as_json: JsonOption = False,
) -> None:
    """Train the best architecture of a search in full, and write its network: of the space go one that --net loads."""
    from alphago.controller.nas.journal import SearchError
    from alphago.controller.nas.runs import read_result

    result = read_result(run)
    folder = run if run.is_dir() else run.parent
    space = result["search"].get("space")
    if not result.get("finished", True):
        print(f"{run}: the search has not ended; this is the best so far", file=sys.stderr)
    if space in ("conv", "go"):
        refuse_others(
            space,
            {
                "--epochs": (epochs, "conv"),
                "--force": (force, "conv"),
                "--config": (config, "go"),
                "--steps": (steps, "go"),
                "--device": (device, "go"),
                "--threads": (threads, "go"),
                "--resume": (resume, "go"),
                "--no-tensorboard": (not tensorboard, "go"),
            },
        )
    if space == "conv":
        conv_export(result, out or folder / "network.safetensors", epochs or 60, seed or 0, force, as_json)
        return
    if space == "go":
        place, where = out or folder / "network", device_named(device or "auto")
        go_export(result, place, config, steps, seed, where, threads, resume, tensorboard, as_json)
        return
    raise SearchError(
        f"{run}: a cell of NAS-Bench-201 has no network here: the table holds what its training came to, "
        f"{result['best']['key']}; searches of the spaces conv and go can be exported"
    )


app.command()(study)
app.command("study-conv")(study_conv)
app.command()(table)
app.command()(anchors)
app.command()(supernet)
app.command()(proxies)


def _asked(
    space: str,
    table: Path | None,
    latency: str | None,
    layers: int | None,
    epochs: int | None,
    proxies: Path | None,
    proxy: str | None,
    folder: Path,
    device: str | None,
) -> Asked:
    from alphago.messages import did_you_mean

    if space not in SPACES:
        raise typer.BadParameter(
            f"unknown space {space!r}{did_you_mean(space, SPACES)}; there are {', '.join(SPACES)}", param_hint="--space"
        )
    refuse_others(
        space,
        {
            "--table": (table, "nasbench201"),
            "--latency": (latency, "nasbench201"),
            "--layers": (layers, "conv"),
            "--epochs": (epochs, "conv"),
            "--proxies": (proxies, "go"),
            "--proxy": (proxy, "go"),
            "--device": (device, "go"),
        },
    )
    if space == "nasbench201":
        return nasbench201(table, latency)
    return conv(layers or 4, epochs or 12) if space == "conv" else go_asked(proxies, proxy, folder, device or "auto")


def _timeout(text: str | None) -> float | None:
    """Seconds. Raises BadParameter."""
    from alphago.controller.nas.objective import ObjectiveError, parse_budget

    if text is None:
        return None
    try:
        seconds = parse_budget(text).seconds
    except ObjectiveError:
        seconds = None
    if seconds is None:
        raise typer.BadParameter(f"a time with its unit such as 90s, 30m, 2h, got {text!r}", param_hint="--timeout")
    return seconds


def _limit_ms(text: str | None, asked: Asked) -> float | None:
    """The limit in milliseconds. Raises ObjectiveError."""
    from alphago.controller.nas.objective import ObjectiveError, parse_latency

    if text is None:
        return None
    if text == "hand":
        if asked.hand_ms is None:
            raise ObjectiveError(
                "--latency-limit hand: no hand-made network was measured on this machine (the space go has one, measured "
                "by alphago nas anchors); give a number with a unit, such as 8ms"
            )
        return asked.hand_ms
    limit_ms = parse_latency(text)
    asked.check(limit_ms)
    return limit_ms


def _settings(model: Any, **values: Any) -> Any:
    """Settings of options. Raises ConfigError, which names the option."""
    import pydantic

    from alphago import configs

    try:
        return model(**values)
    except pydantic.ValidationError as error:
        raise configs.ConfigError(f"--{configs.describe(error, model).replace('_', '-')}") from None


def _tell(folder: Path, result: dict[str, Any], asked: Asked) -> None:
    best = result["best"]
    again = f", {result['repeats']:,} proposals known already" if result["repeats"] else ""
    failed = f", {result['failures']:,} failed" if result["failures"] else ""
    ended = "; nothing new was proposed any more" if result["converged"] else ""
    print(f"{folder}: {result['measured']:,} measured in {result['seconds']:,.0f} s{again}{failed}{ended}")
    latency = "" if best["latency_ms"] is None else f", {best['latency_ms']:.4g} ms"
    print(f"best {best['value']:.5g} ({asked.value}){latency}: {best['key']}")
    for name, value in best["described"].items():
        print(f"  {name.replace('_', ' ')}: {value:.4g}" if isinstance(value, float) else f"  {name}: {value}")
