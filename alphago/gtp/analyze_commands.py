"""Commands that think aloud: Leela Zero's, KataGo's and CGOS's."""

from __future__ import annotations

import json
import math
import time

from alphago.errors import AlphaGoError
from alphago.gtp import analysis
from alphago.gtp.analysis import KATA, LZ
from alphago.gtp.protocol import GtpError, Output, Request
from alphago.gtp.registry import Handler, arguments, command
from alphago.gtp.session import Session
from alphago.search.bot import Choice
from alphago.search.player import Report


def _analyze(dialect: str) -> Handler:
    def run(session: Session, request: Request, output: Output) -> None:
        asked = analysis.parse_arguments(session, request.args, dialect)
        bot = session.sync(asked.color)
        output.begin(request.id)

        def show(report: Report) -> None:
            if len(report.actions):  # nothing is known when the next command came at once
                output.line(analysis.line(session, bot, report, asked, dialect, analysis.owners(session, asked)))

        try:
            bot.analyze(_first_soon(asked.interval), show, session.source.waiting, asked.bans)
        except AlphaGoError as error:  # the response has begun: it can only be closed
            session.forget()
            output.line(f"info string {' '.join(str(error).split())}")
        if asked.bans:
            session.forget()
        output.end()

    return run


def _first_soon(interval: float) -> float:
    return min(interval, 3600.0)


def _search(dialect: str, *, plays: bool, shows: bool, cancellable: bool) -> Handler:
    """genmove_analyze, search and search_analyze of a dialect."""

    def run(session: Session, request: Request, output: Output) -> str | None:
        asked = analysis.parse_arguments(session, request.args, dialect)
        cancelled = False

        def stop() -> bool:
            nonlocal cancelled
            cancelled = cancelled or session.source.waiting()
            return cancelled

        bot = session.sync(asked.color)  # what fails here is still an error of the whole command
        if shows:
            output.begin(request.id)

        def show(report: Report) -> None:
            if len(report.actions):
                output.line(analysis.line(session, bot, report, asked, dialect, analysis.owners(session, asked)))

        start = time.perf_counter()
        try:
            choice = session.think(
                asked.color,
                bans=asked.bans,
                stop_when=stop if cancellable else None,
                on_report=show if shows else None,
                interval=asked.interval,
            )
        except GtpError:
            if not shows:
                raise
            output.end()
            return None
        if asked.bans:
            session.forget()
        text = "cancelled" if cancelled else session.text(choice.action)
        if plays:
            _play(session, asked.color, choice)
            session.clock.spent(asked.color, time.perf_counter() - start)
        if not shows:
            return text
        if choice.report is None:  # a pass that wins, chosen without a search
            output.line(analysis.winning_pass(dialect))
        output.line(f"play {text}")
        output.end()
        if plays:
            session.ponder()
        return None

    return run


def _play(session: Session, color: int, choice: Choice) -> None:
    if choice.action >= 0 and session.board.try_play(choice.action, color) < 0:
        session.board.pass_(color)
        session.forget()


for _dialect in (LZ, KATA):
    command(f"{_dialect}-analyze")(_analyze(_dialect))
    command(f"{_dialect}-genmove_analyze")(_search(_dialect, plays=True, shows=True, cancellable=False))
command("kata-search")(_search(KATA, plays=False, shows=False, cancellable=False))
command("kata-search_cancellable")(_search(KATA, plays=False, shows=False, cancellable=True))
command("kata-search_analyze")(_search(KATA, plays=False, shows=True, cancellable=False))
command("kata-search_analyze_cancellable")(_search(KATA, plays=False, shows=True, cancellable=True))


@command("stop")
def _stop(session: Session, request: Request, output: Output) -> str:
    return ""  # the line itself has ended whatever was going on


# --- CGOS -------------------------------------------------------------------------------------------------------------


@command("cgos-genmove_analyze")
def _cgos_genmove_analyze(session: Session, request: Request, output: Output) -> None:
    words = arguments(request, 1, 3, "a color")
    color = session.color(words[0])
    asked = analysis.parse_arguments(session, words[1:], KATA)
    start = time.perf_counter()
    bot = session.sync(color)
    choice = session.think(color)
    text = session.text(choice.action)
    what: dict[str, object] = {}
    if choice.report is not None:
        report = choice.report
        what = {"winrate": round((report.value + 1) / 2, 4), "visits": report.visits}
        if not math.isnan(report.score):
            what["score"] = round(report.score, 2)
        what["moves"] = [
            {
                "move": session.text(int(report.actions[i])),
                "winrate": round((analysis.value_of(report, i) + 1) / 2, 4),
                "visits": int(report.visit_counts[i]),
                "prior": round(float(report.priors[i]), 4),
                "pv": " ".join(session.text(a) for a in bot.line(int(report.actions[i]))),
            }
            for i in analysis.best_first(report, 0, 10)
        ]
    owner = analysis.owners(session, asked)
    if owner is not None:
        what["ownership"] = [round((1 if color == 1 else -1) * x, 3) for x in owner.ravel().tolist()]
    output.begin(request.id)
    output.line(json.dumps(what))
    _play(session, color, choice)
    session.clock.spent(color, time.perf_counter() - start)
    output.line(f"play {text}")
    output.end()
    session.ponder()


# --- what a network says without search -------------------------------------------------------------------------------


@command("kata-raw-nn")
def _kata_raw_nn(session: Session, request: Request, output: Output) -> str:
    words = request.args
    color = session.board.to_play
    if words and words[0].lower() in ("b", "w", "black", "white"):
        color, words = session.color(words[0]), words[1:]
    which = words[0].lower() if words else "0"
    if len(words) > 1 or which not in ("all", *map(str, range(8))):
        raise GtpError("syntax error: kata-raw-nn takes perhaps a color, and a symmetry 0 to 7 or all")
    network = session.sync(color).network
    if network is None:
        raise GtpError("no network is loaded")
    from alphago.gtp.raw import raw

    board = session.board.copy()
    board.to_play = color
    return "\n".join(raw(network, board, symmetry) for symmetry in (range(8) if which == "all" else (int(which),)))


@command("heatmap")
def _heatmap(session: Session, request: Request, output: Output) -> str:
    """Leela Zero's: the priors of the side to move, in thousandths."""
    bot = session.sync(session.board.to_play)
    report = bot.choose(simulations=1).report
    if report is None:
        raise GtpError("the game is over")
    prior = dict(zip(report.actions.tolist(), report.priors.tolist(), strict=True))
    size = session.size
    rows = [" ".join(f"{round(1000 * prior.get(r * size + c, 0.0)):4d}" for c in range(size)) for r in range(size)]
    return (
        "\n"
        + "\n".join(rows)
        + f"\npass: {round(1000 * prior.get(size * size, 0.0))}\nwinrate: {(report.value + 1) / 2:.4f}"
    )
