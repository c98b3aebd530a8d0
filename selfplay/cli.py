"""The `selfplay` command: plays games of a network, or of search with rollouts, against itself and keeps them.

Heavy modules are imported when the command runs, so that `selfplay --help` is quick.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from alphago import console

if TYPE_CHECKING:
    from selfplay.settings import Machine, Manifest, RunSettings

app = typer.Typer(add_completion=False, rich_markup_mode=None)

# Options left out are None: a resumed run keeps its own settings, and names a difference only where one was asked for.


@app.command()
def selfplay(
    games: Annotated[int | None, typer.Option("--games", help="Games to play in all [default: 1000].", min=1)] = None,
    size: Annotated[int | None, typer.Option("--size", help="Board size, 2 to 19 [default: 9].")] = None,
    net: Annotated[
        str | None,
        typer.Option("--net", help="Network file, default, or none: search with softmax rollouts [default: default]."),
    ] = None,
    sims: Annotated[
        int | None, typer.Option("--sims", help="Simulations a move [default: 32]. Short for --set simulations=N.")
    ] = None,
    seed: Annotated[int | None, typer.Option("--seed", help="Seed of the run [default: 1].")] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Directory of the run [default: a new one such as runs/selfplay-9x9-seed1]."),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the run in --out; options left out stay as they were.")
    ] = False,
    sgf: Annotated[bool, typer.Option("--sgf", help="Write each game as OUT/sgf/INDEX.sgf as well.")] = False,
    rules: Annotated[str | None, typer.Option("--rules", help="Ruleset [default: tromp-taylor].")] = None,
    komi: Annotated[float | None, typer.Option("--komi", help="Points for white [default: 7.5].")] = None,
    resign: Annotated[
        bool | None,
        typer.Option(
            "--resign/--no-resign", help="Whether lost games are resigned [default: --resign].", show_default=False
        ),
    ] = None,
    max_moves: Annotated[
        int | None, typer.Option("--max-moves", help="A game ends after so many moves [default: 2 * size * size].")
    ] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="key=value: any search parameter of docs/search-params.md.")
    ] = None,
    threads: Annotated[str, typer.Option("--threads", help="Threads, or auto: every processor.")] = "auto",
    parallel: Annotated[str, typer.Option("--parallel", help="Games at the same time, or auto.")] = "auto",
    batch: Annotated[str, typer.Option("--batch", help="Positions in a network's batch, or auto.")] = "auto",
    runtime: Annotated[str, typer.Option("--runtime", help="auto, torch or openvino.")] = "auto",
    precision: Annotated[str, typer.Option("--precision", help="auto, fp32, bf16 or int8.")] = "auto",
) -> None:
    """Play games of self-play, and keep them as Parquet with their search targets.

    A run that was interrupted or killed goes on with --resume: the same games in the end as without the interruption.
    """
    from selfplay.settings import Manifest, SelfPlayError, read_manifest

    directory = find_directory(out, size, seed, resume)
    old = read_manifest(directory)
    if old is not None and not resume:
        raise SelfPlayError(f"{directory} holds a run already: add --resume to go on with it, or choose another --out")
    if old is None:
        _check_free(directory)
        if resume:
            print(f"{directory}: no run there yet, so this is a new one", file=sys.stderr)
    asked = {
        "size": size,
        "net": net,
        "simulations": sims,
        "seed": seed,
        "rules": rules,
        "komi": komi,
        "resign": resign,
        "max_moves": max_moves,
    }
    run_settings = settings_for({k: v for k, v in asked.items() if v is not None}, settings or [], old, directory)
    wanted = games or (old.games if old else 1000)
    machine = machine_for(
        run_settings, wanted, threads=threads, parallel=parallel, batch=batch, runtime=runtime, precision=precision
    )
    manifest = Manifest(program=_version(), games=wanted, settings=run_settings, machine=machine)
    _play(manifest, directory, sgf, resumed=old is not None)


def _play(manifest: Manifest, directory: Path, sgf: bool, resumed: bool) -> None:
    from alphago.files import make_directory
    from selfplay.progress import progress_for
    from selfplay.runner import Run
    from selfplay.settings import SelfPlayError
    from selfplay.summary import as_table

    run = Run(
        manifest.settings, manifest.machine
    )  # first: what is wrong with the network is said before anything is written
    make_directory(directory, SelfPlayError)
    if not resumed:
        manifest.write(directory)
    print(f"{manifest.games:,} games of {_description(run)}, to {directory}", file=sys.stderr)
    try:
        # A run that another process is playing keeps its manifest: it is changed once the journal's lock is held.
        locked = (lambda: manifest.write(directory)) if resumed else None
        summary = run.play(manifest.games, directory, progress_for(sys.stderr), sgf, locked)
    except KeyboardInterrupt:
        print(f"interrupted; go on with: selfplay --resume --out {directory}", file=sys.stderr)
        raise
    from rich.console import Console

    Console().print(as_table([*summary.lines(), *run.session_lines()], title=str(directory)))


def _description(run: Any) -> str:
    settings, machine = run.settings, run.machine
    how = run.evaluators[0].describe() if run.evaluators else "softmax rollouts"
    return (
        f"{settings.size}x{settings.size}, {run.params.simulations} simulations a move, net {settings.net} ({how}), "
        f"{machine.parallel} at a time, {machine.threads} threads"
    )


# --- the directory ----------------------------------------------------------------------------------------------------


def find_directory(out: Path | None, size: int | None, seed: int | None, resume: bool) -> Path:
    """--out, or runs/selfplay-<size>x<size>-seed<seed>, then the same with -2, -3, ...: the first that is free, and with
    --resume the last that is there."""
    if out is not None:
        return out
    size, seed = (9 if size is None else size), (1 if seed is None else seed)
    name = f"selfplay-{size}x{size}-seed{seed}"
    path, number = Path("runs") / name, 1
    last = path
    while path.exists():
        last, number = path, number + 1
        path = Path("runs") / f"{name}-{number}"
    return last if resume else path


def _check_free(directory: Path) -> None:
    """A directory without a manifest must have nothing in it but what a run leaves that is killed while it writes its first."""
    from selfplay.settings import MANIFEST, SelfPlayError

    try:
        if directory.exists() and any(not entry.name.startswith(f".{MANIFEST}") for entry in directory.iterdir()):
            raise SelfPlayError(f"{directory} is not empty and holds no run ({MANIFEST}): choose another --out")
    except OSError as error:
        raise SelfPlayError(f"{directory}: {error.strerror or error}") from None


# --- settings ---------------------------------------------------------------------------------------------------------


def settings_for(asked: dict[str, Any], changes: Sequence[str], old: Manifest | None, directory: Path) -> RunSettings:
    """The settings of a run from the options given; what is left out is the old run's or the default.

    Args:
        asked: fields of RunSettings, and `simulations` and `resign`.
        changes: `key=value` texts for the search.

    Raises:
        AlphaGoError: a bad value, or one that differs from the old run's; the message names it.
    """
    from alphago.search import parse_settings, search_params
    from selfplay.runner import network_id, network_outputs
    from selfplay.settings import RunSettings, SelfPlayError, default_search, difference, settings_of

    base = old.settings.model_dump(exclude={"search", "network"}) if old else {}
    given = base | {key: value for key, value in asked.items() if key not in ("simulations", "resign")}
    plain = settings_of(given)
    search = (
        old.settings.search_params() if old else default_search(plain.size, *network_outputs(plain.net, plain.size))
    )
    values: dict[str, Any] = {}
    if "simulations" in asked:
        values["simulations"] = asked["simulations"]
    if "resign" in asked and (not asked["resign"] or search.resign_threshold == -1):
        values["resign_threshold"] = -0.9 if asked["resign"] else -1.0
    values |= parse_settings(changes)
    settings = plain.model_copy(
        update={
            "search": search_params(search.model_dump() | values).model_dump(),
            "network": network_id(plain.net, plain.size),
        }
    )
    if old is not None and (found := difference(old.settings, settings)):
        raise SelfPlayError(
            f"{directory} holds a run with other settings: {found}; leave them out, or choose another --out"
        )
    return RunSettings.model_validate(settings.model_dump())


def machine_for(
    settings: RunSettings, games: int, *, threads: str, parallel: str, batch: str, runtime: str, precision: str
) -> Machine:
    """How to use this machine for the run; `auto` is worked out here (docs/selfplay.md says how)."""
    import pydantic

    from alphago import configs
    from alphago.machine import usable_threads
    from alphago.nets.shipped import network_file
    from selfplay.settings import Machine, SelfPlayError, tree_share_mib

    cores = _number("--threads", threads, usable_threads(), 1024)
    uses_network = network_file(settings.net, settings.size) is not None
    workers = min(2, cores) if uses_network else 1
    share = tree_share_mib(settings.size, settings.search_params().simulations)
    # Two full batches a worker, so that one fills while the other is evaluated; rollouts need no more than a few games a thread.
    usual = 4 * workers * 32 if uses_network else 4 * cores
    fitting = max(1, int(1024 / share))
    # Games take about as long as one another: in waves of equal size the last one fills its batches too.
    waves = math.ceil(games / min(usual, fitting))
    slots = min(_number("--parallel", parallel, math.ceil(games / waves), 65536), games)
    rows = _number("--batch", batch, max(1, min(64, math.ceil(slots / (2 * workers)))), 65536)
    try:
        return Machine(
            threads=cores,
            parallel=slots,
            batch=rows,
            workers=workers,
            memory_mib=share * slots,
            runtime=runtime,
            precision=precision,
        )
    except pydantic.ValidationError as error:
        raise SelfPlayError(configs.describe(error, Machine)) from None


def _number(option: str, text: str, auto: int, largest: int) -> int:
    if text == "auto":
        return auto
    if not text.isdecimal() or not 1 <= int(text) <= largest:
        raise typer.BadParameter(
            f"expected auto or a whole number from 1 to {largest}, got {text!r}", param_hint=option
        )
    return int(text)


def _version() -> str:
    import alphago

    return f"alphago {alphago.__version__}"


def main(args: Sequence[str] | None = None) -> NoReturn:
    """Run the command line (`sys.argv` when `args` is None) and exit with its status."""
    console.run(app, "selfplay", args)


if __name__ == "__main__":
    main()
