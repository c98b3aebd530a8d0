"""`alphago nas anchors`, `supernet` and `proxies`: what a search for Go networks stands on. Each goes on where it was stopped."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping
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
    from alphago.controller.go.settings import GoNasSettings

ConfigOption = Annotated[str, typer.Option("--config", help="A name from configs/ or a YAML file.")]
CONFIG: Final = "nas-go-9x9"


def _device(name: str) -> str:
    import torch

    return ("cuda" if torch.cuda.is_available() else "cpu") if name == "auto" else name


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

    from alphago.commands.train_progress import Screen
    from alphago.controller.go.anchors import begin_anchors, finish_anchors, is_trained, play_anchors, train_anchor
    from alphago.machine import usable_threads

    settings = _loaded(config)
    torch.set_num_threads(threads or usable_threads())
    chosen = begin_anchors(out, settings, resume=resume)
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
                done = train_anchor(out, anchor, settings, watcher=screen, device=_device(device), stopping=stop.at)
            if not done:
                _say("stopped; go on with the same command and --resume")
                raise KeyboardInterrupt
    if train_only:
        print(f"{out}: {len(chosen)} networks are trained; go on with --resume and without --train-only")
        return
    try:
        play_anchors(
            out,
            chosen,
            settings,
            parallel=parallel,
            threads=1 if parallel is None else threads,
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
    from alphago.machine import usable_threads

    torch.set_num_threads(threads or usable_threads())
    with Screen(out if tensorboard else None) as screen:
        started = time.monotonic()
        first = 0

        def told(step: int, total: int, values: Mapping[str, float]) -> None:
            if step % 20 == 0 or step == total:
                screen.log(step, {f"train/{name}": value for name, value in values.items()})
                left = (time.monotonic() - started) / max(1, step - first) * (total - step)
                screen.tell(step, total, left, f"loss {values['total']:.3f}")

        run = Supernet(out, _loaded(config), resume=resume, device=_device(device), watcher=told)
        first = run.step
        with stops(run.stop):
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
            "--proxy", help="short, shorter, shared, multiply-adds, parameters [default: all; shared with --supernet]."
        ),
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

    Writes OUT/proxies.json and OUT/proxies.png.
    """
    import torch

    from alphago.commands.nas_plots import plot_proxies
    from alphago.controller.go.proxies import NAMES, ProxyRun
    from alphago.machine import usable_threads

    torch.set_num_threads(threads or usable_threads())
    names = proxy or [name for name in NAMES if name != "shared" or supernet_folder is not None]
    run = ProxyRun(out, anchors_folder, names, supernet=supernet_folder, resume=resume, device=_device(device))

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
    for title in ("proxy", "tau, unseen", "95 %", "tau, seen", "misses by", "s a network", ""):
        table.add_column(title, justify="left" if title in ("proxy", "") else "right")
    for one in result["proxies"]:
        low, high = one["interval"]
        table.add_row(
            one["name"],
            f"{one['tau']:.2f}",
            f"{low:.2f} to {high:.2f}",
            f"{one['tau_seen']:.2f}",
            f"{one['miss']:.0f} Elo",
            f"{one['seconds']:.1f}",
            "may be used" if one["refusal"] is None else "refused",
        )
    Console().print(table)


def go_asked(proxies_folder: Path | None, proxy: str | None, folder: Path, device: str) -> Asked:
    """The problem of `alphago nas search --space go`."""
    from alphago.controller.go.objective import GoProblem
    from alphago.controller.go.proxies import ProxyError, choose_proxy
    from alphago.controller.nas.objective import Limit

    if proxies_folder is None:
        raise ProxyError(
            "the space go needs --proxies FOLDER: first alphago nas anchors, then alphago nas proxies (docs/nas.md)"
        )
    chosen = choose_proxy(proxies_folder, proxy)
    problem = GoProblem(chosen, folder, _device(device))
    about = {
        "space": "go",
        "proxy": chosen.judged.name,
        "proxies": chosen.digest,
        "settings": chosen.anchors.settings.model_dump(mode="json"),
    }
    hand_ms = chosen.anchors.reference_ms_here

    def check(limit_ms: float) -> None:
        problem.check(Limit(limit_ms))

    return Asked(problem, about, "100", "factorised", 2, "Elo at equal time", check, hand_ms)
