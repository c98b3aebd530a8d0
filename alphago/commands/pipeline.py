"""`alphago pipeline`: AlphaGo's pipeline of 2016 from games to a measured engine, as one command."""

from __future__ import annotations

import contextlib
import json
import shlex
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from alphago.commands.train_options import DeviceOption, JsonOption, stops

if TYPE_CHECKING:
    from selfplay.pipeline.budget import Plan
    from selfplay.pipeline.runner import Done

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def pipeline(
    config: Annotated[str, typer.Option("--config", help="A name from configs/ or a YAML file.")] = "alphago-9x9",
    budget: Annotated[
        str | None,
        typer.Option(
            "--budget", help="10m, 2h, 10h, ...: scales every stage by fixed rules [default: the configuration's]."
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            help="Folder of all stages [default: runs/pipeline-CONFIG-BUDGET, and a mark of --games]; what is there goes on.",
        ),
    ] = None,
    games: Annotated[
        list[str] | None,
        typer.Option(
            "--games", help="Games to learn from in place of the configuration's: stores, SGF; may be given again."
        ),
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Do again what --out holds of another configuration or other games.")
    ] = False,
    until: Annotated[str | None, typer.Option("--until", help="Stop after this stage.")] = None,
    show_plan: Annotated[bool, typer.Option("--plan", help="Show what would be done, and do nothing.")] = False,
    device: DeviceOption = "auto",
    threads: Annotated[
        int | None, typer.Option("--threads", help="That play games [default: all processors].", min=1, max=1024)
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Games, rollout policy, policy network, REINFORCE, value network, evaluation, and a report: OUT/report.html.

    Stages that are up to date are passed over, one that was interrupted goes on, one that is made of something else now is done
    again. The same command goes on after Ctrl-C, a crash or a power cut, and ends in the same weights.
    """
    import alphago
    from alphago import configs
    from alphago.commands.pipeline_progress import view_for
    from alphago.machine import usable_threads
    from selfplay.pipeline.budget import STAGES, plan_of
    from selfplay.pipeline.records import Place, hash_of_json
    from selfplay.pipeline.runner import Machine, run_stages
    from selfplay.pipeline.settings import PipelineError, PipelineSettings
    from selfplay.pipeline.stages import stages_of
    from selfplay.report.page import check_tools

    settings = configs.load(config, PipelineSettings)
    if games:
        own = settings.games.model_copy(update={"sources": tuple(games), "selfplay": None})
        settings = settings.model_copy(update={"games": own})
    plan = plan_of(settings, budget)
    text = budget or settings.budget
    name = Path(config).stem
    mark = f"-{hash_of_json(games)[:8]}" if games else ""
    folder = out or Path("runs") / f"pipeline-{name}-{text.replace(' ', '')}{mark}"
    about = {"config": name, "budget": text, "program": f"alphago {alphago.__version__}"}
    if "," in str(folder.resolve()):
        raise PipelineError(f"--out: {folder}: its path has a comma, which no side of a match can name: choose another")
    stages = stages_of(plan, about)
    if until is not None and until not in STAGES:
        from alphago.messages import did_you_mean

        raise PipelineError(f"--until: no stage {until!r}{did_you_mean(until, STAGES)}; there are {', '.join(STAGES)}")
    if show_plan:
        _show_plan(plan, folder, as_json)
        return
    if until in (None, "report"):
        check_tools()
    machine = Machine(threads or usable_threads(), device, stops)
    of = {"configuration": name, "size": plan.size, "games": settings.games.model_dump(mode="json")}
    manifest = {**about, "of": of, "plan": plan.model_dump(mode="json")}
    wanted = STAGES if until is None else STAGES[: STAGES.index(until) + 1]
    view = view_for(wanted, plan.expected, sys.stderr)
    try:
        with Place(folder, manifest, replace=replace), _terminable(), view:
            view.say(f"{name}, budget {text}, in {folder}")
            done = run_stages(stages, folder, machine, view, until)
    except KeyboardInterrupt:
        again = [
            "alphago",
            "pipeline",
            "--config",
            config,
            *(("--budget", budget) if budget else ()),
            "--out",
            str(folder),
        ]
        again += [word for source in games or () for word in ("--games", source)]
        again += ["--until", until] if until else []
        again += ["--device", device] if device != "auto" else []
        again += ["--threads", str(threads)] if threads else []
        print(f"stopped; go on with: {shlex.join(again)}", file=sys.stderr)
        raise
    _tell(done, folder, plan, as_json)


@contextlib.contextmanager
def _terminable() -> Iterator[None]:
    """SIGTERM is as Ctrl-C."""

    def handler(_number: int, _frame: Any) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _show_plan(plan: Plan, folder: Path, as_json: bool) -> None:
    from selfplay.pipeline.budget import STAGES, amounts_of
    from selfplay.pipeline.records import DONE, read_record

    amounts = amounts_of(plan)
    if as_json:
        print(json.dumps({"out": str(folder), "amounts": amounts, "plan": plan.model_dump(mode="json")}))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("stage", "minutes", "what", "in the folder", title=f"{plan.seconds / 60:g} minutes, in {folder}")
    for stage in STAGES:
        record = read_record(folder, stage)
        state = "" if record is None else "done" if record.state == DONE else "begun"
        minutes = plan.expected[stage] / 60
        table.add_row(stage, f"{minutes:.1f}" if minutes else "", amounts[stage], state)
    Console().print(table)


def _tell(done: list[Done], folder: Path, plan: Plan, as_json: bool) -> None:
    from selfplay.pipeline.stages import REPORT, play_command

    report = folder / REPORT
    is_whole = done[-1].stage == "report"
    if as_json:
        stages = {
            one.stage: {
                "how": one.how,
                "minutes": round(one.record.seconds / 60, 2),
                "outputs": {name: output.digest for name, output in one.record.outputs.items()},
            }
            for one in done
        }
        print(json.dumps({"out": str(folder), "report": str(report) if is_whole else None, "stages": stages}))
        return
    minutes = sum(one.record.seconds for one in done) / 60
    if not is_whole:
        print(f"{folder}: done up to {done[-1].stage}, {minutes:.1f} minutes in all")
        return
    print(f"{report}: {minutes:.1f} minutes in all; play it with:")
    print(play_command(folder, plan))
