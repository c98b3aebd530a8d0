"""The analysis commands of Leela Zero (`lz-`) and KataGo (`kata-`): their arguments, and the lines they print.

Sources: leela-zero README, "lz-analyze"; KataGo docs/GTP_Extensions.md. Values are those of the side that is analysed. Every key
has one value and `pv` comes last of a move's block, because that is how clients cut the line up.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from alphago.gtp.protocol import GtpError
from alphago.gtp.session import Session
from alphago.search.bot import Bot
from alphago.search.player import Report
from alphago.search.status import ownership

LZ, KATA = "lz", "kata"
SWITCHES = {LZ: (), KATA: ("ownership", "rootInfo", "pvVisits")}
_PV_LENGTH = 15
_OWNERSHIP_PLAYOUTS = 64
_FOREVER = 3_600_000.0


@dataclass
class Analysis:
    """What an analysis command asks for."""

    color: int
    interval: float = math.inf
    """Seconds between lines."""
    least_moves: int = 0
    most_moves: int = 1 << 20
    bans: list[tuple[int, int, int]] = field(default_factory=list)
    switches: set[str] = field(default_factory=set)


def parse_arguments(session: Session, words: list[str], dialect: str) -> Analysis:
    """Arguments in any order: [color] [interval] and pairs of key and value. Raises GtpError."""
    asked = Analysis(session.board.to_play)
    allowed: dict[int, tuple[set[int], int]] = {}
    avoided = False
    i = 0

    def take(what: str) -> str:
        nonlocal i
        i += 1
        if i > len(words):
            raise GtpError(f"cannot parse: {what} is missing")
        return words[i - 1]

    def whole(what: str, least: int = 0) -> int:
        word = take(what)
        if not (word.isascii() and word.isdecimal() and len(word) < 10) or int(word) < least:
            raise GtpError(f"cannot parse: {what} must be a whole number from {least} on, got {word[:40]}")
        return int(word)

    while i < len(words):
        key = take("a key")
        low = key.lower()
        if low in ("b", "w", "black", "white"):
            asked.color = session.color(low)
        elif (low.isdecimal() and low.isascii()) or low == "interval":
            if low != "interval":
                i -= 1
            asked.interval = min(whole("interval"), _FOREVER) / 100
        elif low == "minmoves":
            asked.least_moves = whole("minmoves")
        elif low == "maxmoves":
            asked.most_moves = whole("maxmoves", 1)
        elif low in ("avoid", "allow"):
            color = session.color(take(f"the color of {low}"))
            points = _points(session, take(f"the moves of {low}"))
            depth = whole(f"the depth of {low}", 1)
            if low == "avoid":
                avoided = True
                asked.bans += [(color, action, depth) for action in points]
            elif color in allowed:
                raise GtpError("cannot parse: allow may be given once a color")
            else:
                allowed[color] = (points, depth)
        elif key in SWITCHES[dialect]:
            word = take(key).lower()
            if word not in ("true", "false"):
                raise GtpError(f"cannot parse: {key} must be true or false, got {word[:40]}")
            if word == "true":
                asked.switches.add(key)
        else:
            raise GtpError(f"cannot parse: unknown key {key[:40]}")
    if allowed and avoided:
        raise GtpError("cannot parse: avoid and allow exclude each other")
    for color, (points, depth) in allowed.items():
        asked.bans += [(color, action, depth) for action in range(session.size**2 + 1) if action not in points]
    if asked.interval <= 0:
        asked.interval = 0.01
    return asked


def _points(session: Session, text: str) -> set[int]:
    """`D4,Q16` or, as Leela Zero has it, a rectangle `D4:F6`."""
    found: set[int] = set()
    for part in text.split(","):
        first, colon, last = part.partition(":")
        action = session.vertex(first)
        if not colon:
            found.add(action)
            continue
        other = session.vertex(last)
        if session.size**2 in (action, other):
            raise GtpError("cannot parse: a rectangle needs two points")
        (r0, c0), (r1, c1) = divmod(action, session.size), divmod(other, session.size)
        found |= {
            r * session.size + c
            for r in range(min(r0, r1), max(r0, r1) + 1)
            for c in range(min(c0, c1), max(c0, c1) + 1)
        }
    return found


def best_first(report: Report, least: int, most: int) -> list[int]:
    """Indices of the moves to show: the searched ones, by visits, and others by prior up to `least`; never none."""
    order = np.lexsort((-report.priors.astype(np.float64), -report.visit_counts.astype(np.int64)))
    shown = int(np.count_nonzero(report.visit_counts))
    return [int(i) for i in order[: max(1, min(most, max(shown, least)))]]


def line(
    session: Session, bot: Bot, report: Report, asked: Analysis, dialect: str, owner: NDArray[np.float64] | None = None
) -> str:
    """One line of analysis. `owner` [S, S], black positive, where ownership is asked for."""
    parts = []
    for order, i in enumerate(best_first(report, asked.least_moves, asked.most_moves)):
        moves = bot.line(int(report.actions[i]), _PV_LENGTH)
        pv = [moves[0]]
        for action in moves[1:]:
            if action == session.size**2 or pv[0] == session.size**2:
                break  # clients draw points alone
            pv.append(action)
        block = (_lz_block if dialect == LZ else _kata_block)(session, report, i, order)
        text = f"{block} pv {' '.join(session.text(a) for a in pv)}"
        if "pvVisits" in asked.switches:
            text += f" pvVisits {' '.join(str(n) for n in _line_visits(report, bot, i, pv))}"
        parts.append(text)
    if "rootInfo" in asked.switches:
        parts.append(_root_info(report))
    if owner is not None:
        sign = 1 if report.to_play == 1 else -1
        parts.append("ownership " + " ".join(f"{sign * x:.4f}" for x in owner.ravel().tolist()))
    return " ".join(parts)


def winning_pass(dialect: str) -> str:
    """The line of a pass that ends a won game: nothing was searched, yet clients wait for a line."""
    if dialect == LZ:
        return "info move pass visits 1 winrate 10000 prior 10000 lcb 10000 order 0 pv pass"
    return (
        "info move pass visits 1 edgeVisits 1 utility 1 winrate 1 scoreMean 0 scoreStdev 0 scoreLead 0 "
        "scoreSelfplay 0 prior 1 lcb 1 utilityLcb 1 weight 1 order 0 pv pass"
    )


def owners(session: Session, asked: Analysis) -> NDArray[np.float64] | None:
    """Ownership where it is asked for."""
    if "ownership" not in asked.switches:
        return None
    return ownership(session.board, _OWNERSHIP_PLAYOUTS, stop_when=session.source.hurry)


def _root_info(report: Report) -> str:
    lead = _points_ahead(report.score)
    return (
        f"rootInfo visits {report.visits} utility {report.value:.6f} winrate {_chance(report.value):.6f} "
        f"scoreLead {lead:.4f} scoreSelfplay {lead:.4f} scoreStdev 0 currPlayer {'B' if report.to_play == 1 else 'W'}"
    )


def _chance(value: float) -> float:
    return min(1.0, max(0.0, (value + 1) / 2))


def _points_ahead(score: float) -> float:
    return 0.0 if math.isnan(score) else score


def value_of(report: Report, i: int) -> float:
    q = float(report.q[i])
    return report.value if math.isnan(q) else q


def _lz_block(session: Session, report: Report, i: int, order: int) -> str:
    lcb = float(report.lcb[i]) if report.visit_counts[i] else -1.0
    return (
        f"info move {session.text(int(report.actions[i]))} visits {int(report.visit_counts[i])} "
        f"winrate {round(10000 * _chance(value_of(report, i)))} prior {round(10000 * float(report.priors[i]))} "
        f"lcb {max(-10000, round(10000 * (lcb + 1) / 2))} order {order}"
    )


def _kata_block(session: Session, report: Report, i: int, order: int) -> str:
    value, visits = value_of(report, i), int(report.visit_counts[i])
    lcb = max(-1.0, (float(report.lcb[i]) + 1) / 2) if visits else -1.0
    lead = float(report.lead[i])
    lead = _points_ahead(report.score if math.isnan(lead) else lead)
    return (
        f"info move {session.text(int(report.actions[i]))} visits {visits} edgeVisits {visits} utility {value:.6f} "
        f"winrate {_chance(value):.6f} scoreMean {lead:.4f} scoreStdev 0 scoreLead {lead:.4f} scoreSelfplay {lead:.4f} "
        f"prior {float(report.priors[i]):.6f} lcb {lcb:.6f} utilityLcb {2 * lcb - 1:.6f} weight {visits} order {order}"
    )


def _line_visits(report: Report, bot: Bot, i: int, pv: list[int]) -> list[int]:
    return [int(report.visit_counts[i]), *bot.line_visits(pv)[: len(pv) - 1]]
