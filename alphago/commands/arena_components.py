"""`alphago arena components`: what policy network, value network and rollouts are each worth, in one table."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from alphago.commands.match import (
    AsJson,
    Komi,
    OpeningMoves,
    OpeningsFrom,
    Parallel,
    Resign,
    RulesName,
    Scoring,
    Seed,
    Size,
    Threads,
    game_teller,
    say,
    tell_match,
)
from alphago.console import seconds_option

if TYPE_CHECKING:
    from alphago.arena.components import Table


_LEGEND: Final = "P policy network, V value network, R rollouts"


def components(
    policy: Annotated[Path, typer.Option("--policy", help="Network file of the priors.")],
    value: Annotated[Path, typer.Option("--value", help="Network file of the values.")],
    out: Annotated[Path, typer.Option("--out", help="Folder of the matches; what is there is gone on with.")],
    weights: Annotated[
        Path | None, typer.Option("--rollout-weights", help="Rollout weights [default: those that ship].")
    ] = None,
    against: Annotated[
        list[str] | None,
        typer.Option(
            "--against", help="A fixed opponent, named as for `alphago match`; given twice or more [default: rollouts]."
        ),
    ] = None,
    games: Annotated[int, typer.Option("--games", help="Games of each variant against each opponent, even.")] = 100,
    time: Annotated[str, typer.Option("--time", help="Thinking time of a variant's move.")] = "250ms",
    variant: Annotated[
        list[str] | None, typer.Option("--variant", help="This one alone; may be given again [default: all seven].")
    ] = None,
    anchor: Annotated[
        list[str] | None, typer.Option("--anchor", help="NAME=ELO: an opponent's rating [default: the mean is 0].")
    ] = None,
    precision: Annotated[str, typer.Option("--precision", help="Of the networks: auto, fp32, bf16 or int8.")] = "auto",
    size: Size = None,
    rules: RulesName = None,
    komi: Komi = None,
    seed: Seed = None,
    openings: OpeningsFrom = None,
    opening_moves: OpeningMoves = None,
    scoring: Scoring = None,
    resign: Resign = None,
    parallel: Parallel = None,
    threads: Threads = None,
    as_json: AsJson = False,
) -> None:
    """AlphaGo's table of components: full, no value, no rollouts, no policy, value only, rollouts only, raw policy.

    Each has the same time for a move and meets the same opponents; one Bradley-Terry fit rates all. The same command goes on after
    an interruption.
    """
    from alphago.arena.components import ANCHORS, Parts, pairings, table_of
    from alphago.arena.ladder import parse_anchors, play_pairings

    seconds = seconds_option(time, "--time")
    assert seconds is not None  # it has a default
    parts = Parts(str(policy), str(value), None if weights is None else str(weights), precision)
    ratings = parse_anchors(anchor or [])
    pairs = pairings(parts, against or ANCHORS, seconds, variant or ())

    try:
        play_pairings(
            pairs,
            out,
            games,
            parallel=parallel,
            threads=threads,
            on_match=tell_match,
            on_game=game_teller(games),
            size=size,
            rules=rules,
            komi=komi,
            seed=seed,
            openings=openings,
            opening_moves=opening_moves,
            scoring=scoring,
            resign=resign,
        )
    except KeyboardInterrupt:
        say("interrupted; the same command goes on")
        raise
    found = table_of(out, ratings)
    if as_json:
        print(json.dumps(found.to_dict()))
    else:
        _show(found)


def _show(found: Table) -> None:
    from rich.console import Console
    from rich.table import Table as RichTable

    table = RichTable(title="Components (Bradley-Terry)", title_justify="left", caption=_LEGEND, caption_justify="left")
    for name in ("engine", "P V R", "Elo", "95 %", "beats next"):
        table.add_column(name, justify="left" if name == "engine" else "right", no_wrap=True)
    for name in found.anchors:
        table.add_column(f"against {name}", justify="right")
    for row in found.rows:
        used = () if row.variant is None else (row.variant.policy, row.variant.value, row.variant.rollouts)
        table.add_row(
            row.rating.name,
            " ".join("x" if one else "." for one in used),
            f"{row.rating.elo:+.0f}",
            f"+-{row.rating.error:.0f}" if row.rating.error else "given",
            "" if row.sure is None else f"{row.sure:.1%}",
            *(_points(row.scores.get(name)) for name in found.anchors),
        )
    Console(file=sys.stdout).print(table)


def _points(score: tuple[float, int] | None) -> str:
    return "" if score is None else f"{score[0]:g} of {score[1]}"
