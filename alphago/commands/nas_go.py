"""`alphago nas anchors`, `supernet` and `proxies`: what a search for Go networks stands on. Each goes on where it was stopped."""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from alphago.commands.nas_progress import Stop
from alphago.commands.nas_spaces import Asked
from alphago.commands.train_options import (
    DeviceOption,
    JsonOption,
    ResumeOption,
    TensorboardOption,
    ThreadsOption,
    stops,
)

if TYPE_CHECKING:
    from rich.table import Table

    from alphago.arena.summary import Summary
    from alphago.controller.go.anchors import Anchor
    from alphago.controller.go.settings import GoNasSettings

ConfigOption = Annotated[str, typer.Option("--config", help="A name from configs/ or a YAML file.")]
CONFIG: Final = "nas-go-9x9"


def device_named(name: str) -> str:
    """The device of `--device`: what is not there is told before anything begins. Raises BadParameter."""
    import torch

    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if name == "auto":
        return "cuda" if count else "cpu"
    match = re.fullmatch(r"cpu|cuda(?::(\d+))?", name)
    if match is None:
        raise typer.BadParameter(f"auto, cpu, cuda or cuda:N, got {name!r}", param_hint="--device")
    if name != "cpu" and int(match[1] or 0) >= count:
        raise typer.BadParameter(f"there is no {name}: CUDA devices here: {count}", param_hint="--device")
    return name


def _loaded(config: str) -> GoNasSettings:
    from alphago import configs
    from alphago.controller.go.settings import GoNasSettings

    return configs.load(config, GoNasSettings)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def anchors(
    config: ConfigOption = CONFIG,
    out: Annotated[Path, typer.Option("--out", help="The run's folder.")] = Path("runs/nas-anchors"),
    resume: ResumeOption = False,
    train_only: Annotated[bool, typer.Option("--train-only", help="Train the networks; play another time.")] = False,
    parallel: Annotated[
        int | None, typer.Option("--parallel", help="Games at a time [default: processors].", min=1)
    ] = None,
    threads: ThreadsOption = None,
    device: DeviceOption = "auto",
    tensorboard: TensorboardOption = True,
    as_json: JsonOption = False,
) -> None:
    """Train networks out of the space in full and let them play: their ratings are what proxies must foretell.

    Writes OUT/anchors.json: ratings, latencies, Elo for a doubling of visits, and how well held-out losses tell ratings.
    """
    import torch

    from alphago.controller.go.anchors import AnchorError, begin_anchors, finish_anchors, play_anchors
    from alphago.controller.nas.journal import only_one
    from alphago.machine import usable_threads

    if train_only and parallel is not None:
        raise typer.BadParameter("is of the games, which --train-only leaves for another time", param_hint="--parallel")
    where = device_named(device)
    settings = _loaded(config)
    torch.set_num_threads(threads or usable_threads())
    chosen = begin_anchors(out, settings, resume=resume)
    with only_one(out, AnchorError):
        _train(out, chosen, settings, where, tensorboard)
        if train_only:
            print(f"{out}: {len(chosen)} networks are trained; go on with --resume and without --train-only")
            return
        try:
            play_anchors(
                out,
                chosen,
                settings,
                parallel=parallel,
                threads=1 if parallel is None and threads is None else threads,
                on_match=lambda what, number, total: _say(f"match {number} of {total}: {what}"),
                on_game=_GameTold(),
            )
        except KeyboardInterrupt:
            _say("interrupted; go on with the same command and --resume")
            raise
        found = finish_anchors(out, chosen, settings)
    if as_json:
        print(json.dumps({"out": str(out), **found}))
        return
    from rich.console import Console

    Console().print(_anchor_table(found))
    kappa = found["kappa"]
    ends = "" if kappa["low"] is None or kappa["high"] is None else f", {kappa['low']:+.0f} to {kappa['high']:+.0f}"
    print(f"a doubling of visits: {kappa['elo']:+.0f} Elo ({kappa['pairs']} pairs{ends})")
    print(f"held-out losses after full training foretell Elo with tau {found['full']['tau']:.2f}")


def _train(out: Path, chosen: Sequence[Anchor], settings: GoNasSettings, device: str, tensorboard: bool) -> None:
    """Train the anchors that are missing, one after the other. Raises KeyboardInterrupt: Ctrl-C, after a checkpoint."""
    from alphago.commands.train_progress import Screen
    from alphago.controller.go.anchors import is_trained, train_anchor

    stop = Stop()
    with stops(stop):
        for number, anchor in enumerate(chosen, 1):
            if is_trained(out, anchor):
                continue
            a = anchor.architecture
            _say(
                f"network {number} of {len(chosen)}: {anchor.name}, {a.blocks} {a.block} blocks of {a.channels} channels, "
                f"{anchor.mflop:.0f} MFLOP"
            )
            folder = out / "networks" / anchor.name
            with Screen(folder if tensorboard else None) as screen:
                done = train_anchor(out, anchor, settings, watcher=screen, device=device, stopping=stop.at)
            if not done:
                _say("stopped; go on with the same command and --resume")
                raise KeyboardInterrupt


class _GameTold:
    """A line every ten seconds."""

    def __init__(self) -> None:
        self._due = time.monotonic() + 10

    def __call__(self, summary: Summary) -> None:
        if time.monotonic() >= self._due:
            self._due = time.monotonic() + 10
            _say(f"{summary.played:,} games: {summary.line()}")


def _anchor_table(found: Mapping[str, Any]) -> Table:
    from rich.table import Table

    table = Table(title="Anchors, at equal visits", title_justify="left")
    for name in ("network", "blocks", "MFLOP", "ms", "log-loss", "outcome MSE", "Elo", "95 %", "games"):
        table.add_column(name, justify="left" if name in ("network", "blocks") else "right")
    for row in sorted(found["networks"], key=lambda one: -one["elo"]):
        a = row["architecture"]
        table.add_row(
            row["name"],
            f"{a['blocks']} {a['block']} x {a['channels']}",
            f"{row['mflop']:.1f}",
            f"{row['latency_ms']:.3g}",
            f"{row['log_loss']:.3f}",
            f"{row['outcome_mse']:.3f}",
            f"{row['elo']:+.0f}",
            f"+-{row['error']:.0f}",
            str(row["games"]),
        )
    return table


def supernet(
    config: ConfigOption = CONFIG,
    out: Annotated[Path, typer.Option("--out", help="The run's folder.")] = Path("runs/nas-supernet"),
    resume: ResumeOption = False,
    threads: ThreadsOption = None,
    device: DeviceOption = "auto",
    tensorboard: TensorboardOption = True,
    as_json: JsonOption = False,
) -> None:
    """Train one set of weights that all networks of the space share (ENAS), for the proxy "shared"."""
    import torch

    from alphago.commands.train_progress import Screen
    from alphago.controller.go.supernet import Supernet
    from alphago.controller.nas.journal import only_one
    from alphago.machine import usable_threads
    from alphago.train.optim import TrainingError

    where = device_named(device)
    torch.set_num_threads(threads or usable_threads())
    with Screen(out if tensorboard else None) as screen:
        started = time.monotonic()
        first = 0

        def told(step: int, total: int, values: Mapping[str, float]) -> None:
            if step % 20 == 0 or step == total:
                screen.log(step, {f"train/{name}": value for name, value in values.items()})
                left = (time.monotonic() - started) / max(1, step - first) * (total - step)
                screen.tell(step, total, left, f"loss {values['total']:.3f}")

        run = Supernet(out, _loaded(config), resume=resume, device=where, watcher=told)
        first = run.step
        with only_one(out, TrainingError), stops(run.stop):
            done = run.train()
        if not done:
            screen.say(f"stopped at step {run.step:,}; go on with the same command and --resume")
            raise KeyboardInterrupt
    row = {"supernet": str(out), "steps": run.step, "minutes": round(run.seconds / 60, 1)}
    print(json.dumps(row) if as_json else f"{out}: {run.step:,} steps in {row['minutes']} minutes")


def proxies(
    anchors_folder: Annotated[Path, typer.Option("--anchors", help="Folder of `alphago nas anchors`.")] = Path(
        "runs/nas-anchors"
    ),
    out: Annotated[Path, typer.Option("--out", help="The run's folder.")] = Path("runs/nas-proxies"),
    proxy: Annotated[
        list[str] | None,
        typer.Option(
            "--proxy",
            help="short, short-losses, shorter, shared, multiply-adds, parameters [default: all; shared with --supernet].",
        ),
    ] = None,
    short_steps: Annotated[
        int | None,
        typer.Option("--short-steps", help="Of training in short [default: as the anchors' file says].", min=4),
    ] = None,
    supernet_folder: Annotated[
        Path | None, typer.Option("--supernet", help="Folder of `alphago nas supernet`, for the proxy shared.")
    ] = None,
    resume: ResumeOption = False,
    threads: ThreadsOption = None,
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
) -> None:
    """Hold what is cheap to know of a network against the anchors' ratings: fits, Kendall's tau, and which may be searched by.

    "at cost": what is left of tau among networks of the same multiply-adds (Kendall's partial tau); "losses": tau of what the proxy
    foretells of the policy's loss after training in full, which no luck of games is in. Proxies that the folder has from before are
    judged along with those that are asked for. Writes OUT/proxies.json and OUT/proxies.png.
    """
    import torch

    from alphago.commands.nas_plots import plot_proxies
    from alphago.controller.go.proxies import NAMES, ProxyRun
    from alphago.machine import usable_threads

    where = device_named(device)
    torch.set_num_threads(threads or usable_threads())
    names = proxy or [name for name in NAMES if name != "shared" or supernet_folder is not None]
    if supernet_folder is not None and "shared" not in names:
        raise typer.BadParameter("is for --proxy shared, which is not asked for", param_hint="--supernet")
    run = ProxyRun(
        out, anchors_folder, names, supernet=supernet_folder, short_steps=short_steps, resume=resume, device=where
    )

    def told(number: int, total: int, name: str, anchor: str, found: Mapping[str, float]) -> None:
        texts = ", ".join(
            f"{key.replace('_', ' ')} {found[key]:.4g}" for key in ("log_loss", "outcome_mse") if key in found
        )
        _say(f"{number}/{total}: {name}, {anchor}: {texts + ', ' if texts else ''}{found['seconds']:.1f} s")

    with stops(run.stop):
        done = run.run(told)
    if not done:
        _say("stopped; go on with the same command and --resume")
        raise KeyboardInterrupt
    result = run.finish()
    plot_proxies(result, out / "proxies.png")
    if as_json:
        print(json.dumps({"out": str(out), **result}))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(title="Proxies against the anchors' Elo at equal visits", title_justify="left")
    for title in ("proxy", "tau", "95 %", "at cost", "losses", "misses", "s each"):
        table.add_column(title, justify="left" if title == "proxy" else "right")
    for one in result["proxies"]:
        low, high = one["interval"]
        table.add_row(
            one["name"],
            f"{one['tau']:.2f}",
            f"{low:.2f} to {high:.2f}",
            "" if one["tau_given_cost"] is None else f"{one['tau_given_cost']:.2f}",
            f"{result['tau_of_losses'][one['name']]:.2f}",
            f"{one['miss']:.0f} Elo",
            f"{one['seconds']:.1f}",
        )
    Console().print(table)
    for one in result["proxies"]:
        print(f"{one['name']}: {'may be searched by' if one['refusal'] is None else 'refused: ' + one['refusal']}")


def go_asked(proxies_folder: Path | None, proxy: str | None, folder: Path, device: str) -> Asked:
    """The problem of `alphago nas search --space go`. What it stands on is looked at here: nothing is begun where that is wrong."""
    from alphago.controller.go.latency import machine
    from alphago.controller.go.objective import GoProblem
    from alphago.controller.go.proxies import ProxyError, choose_proxy
    from alphago.controller.nas.objective import Limit

    where = device_named(device)
    if proxies_folder is None:
        raise ProxyError(
            "the space go needs --proxies FOLDER: first alphago nas anchors, then alphago nas proxies (docs/nas.md)"
        )
    chosen = choose_proxy(proxies_folder, proxy)
    chosen.check()
    problem = GoProblem(chosen, folder, where)
    anchors = chosen.anchors
    about = {
        "space": "go",
        "proxy": chosen.judged.name,
        "proxies": chosen.digest,
        "games": chosen.games,
        "kappa": anchors.kappa,
        "reference_ms": anchors.reference_ms,
        "machine": machine(anchors.settings.latency),
        "device": where.partition(":")[0],
        "settings": chosen.settings.model_dump(mode="json"),
    }

    def check(limit_ms: float) -> None:
        problem.check(Limit(limit_ms))

    return Asked(problem, about, "100", "factorised", 2, "Elo at equal time", check, anchors.reference_ms_here)
