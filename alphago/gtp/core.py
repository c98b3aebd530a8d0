"""The commands of the GTP specification."""

from __future__ import annotations

import numpy as np

from alphago.go import BLACK, BadBoard, Board, action_to_gtp, fixed_handicap_points, max_fixed_handicap
from alphago.gtp import sgf
from alphago.gtp.clock import from_time_settings, number
from alphago.gtp.protocol import GtpError, Output, Request
from alphago.gtp.registry import COMMANDS, arguments, command, whole
from alphago.gtp.session import Session


@command("protocol_version")
def _protocol_version(session: Session, request: Request, output: Output) -> str:
    return "2"


@command("name")
def _name(session: Session, request: Request, output: Output) -> str:
    return session.settings.name


@command("version")
def _version(session: Session, request: Request, output: Output) -> str:
    return session.settings.version


@command("known_command")
def _known_command(session: Session, request: Request, output: Output) -> str:
    return "true" if request.rest in COMMANDS else "false"


@command("list_commands", "help")
def _list_commands(session: Session, request: Request, output: Output) -> str:
    return "\n".join(sorted(COMMANDS))


@command("quit")
def _quit(session: Session, request: Request, output: Output) -> str:
    return ""


@command("boardsize", "rectangular_boardsize")
def _boardsize(session: Session, request: Request, output: Output) -> str:
    sizes = arguments(request, 1, 2, "a size")
    if len(set(sizes)) != 1:
        raise GtpError("unacceptable size")
    session.set_size(whole(sizes[0], "a size"))
    return ""


@command("clear_board")
def _clear_board(session: Session, request: Request, output: Output) -> str:
    session.new_board()
    session.clock.restart()
    session.explanation = ""
    return ""


@command("komi")
def _komi(session: Session, request: Request, output: Output) -> str:
    session.set_komi(number(arguments(request, 1, what="a number")[0]))
    return ""


@command("get_komi")
def _get_komi(session: Session, request: Request, output: Output) -> str:
    return f"{session.board.komi:g}"


@command("play")
def _play(session: Session, request: Request, output: Output) -> str:
    color, vertex = arguments(request, 2, what="a color and a vertex")
    side = session.color(color)
    if vertex.lower() == "resign":
        return ""  # match runners hand a resignation on; it changes no board
    if session.board.try_play(session.vertex(vertex), side) < 0:
        raise GtpError("illegal move")
    return ""


@command("genmove")
def _genmove(session: Session, request: Request, output: Output) -> None:
    color = session.color(arguments(request, 1, what="a color")[0])
    output.respond(request.id, session.text(session.genmove(color)))
    session.ponder()


@command("reg_genmove")
def _reg_genmove(session: Session, request: Request, output: Output) -> str:
    color = session.color(arguments(request, 1, what="a color")[0])
    session.forget()  # a regression test must not depend on what was searched before
    action = session.think(color).action
    session.forget()
    return session.text(action)


@command("undo")
def _undo(session: Session, request: Request, output: Output) -> str:
    if not session.board.undo():
        raise GtpError("cannot undo")
    session.forget()
    return ""


# --- handicap ---------------------------------------------------------------------------------------------------------


def _handicap(session: Session, points: list[int]) -> str:
    try:
        session.board.place_free_handicap(points)
    except BadBoard as error:
        raise GtpError(str(error)) from None
    session.forget()
    return " ".join(action_to_gtp(a, session.size) for a in points)


def _check_empty(session: Session) -> None:
    if session.board.move_count or session.board.stones().any():
        raise GtpError("board not empty")


@command("fixed_handicap")
def _fixed_handicap(session: Session, request: Request, output: Output) -> str:
    stones = whole(arguments(request, 1, what="a number of stones")[0], "a number of stones")
    _check_empty(session)
    if not 2 <= stones <= max_fixed_handicap(session.size):
        raise GtpError("invalid number of stones")
    return _handicap(session, [r * session.size + c for r, c in fixed_handicap_points(session.size, stones)])


@command("place_free_handicap")
def _place_free_handicap(session: Session, request: Request, output: Output) -> str:
    stones = whole(arguments(request, 1, what="a number of stones")[0], "a number of stones")
    _check_empty(session)
    if stones < 2 or stones >= session.size**2:
        raise GtpError("invalid number of stones")
    return _handicap(session, free_handicap(session.size, stones))


def free_handicap(size: int, stones: int) -> list[int]:
    """Actions of so many handicap stones: the fixed ones, then the emptiest points of the third line and above.

    As many as asked for, where the board holds them: a server gives the game up when there are fewer.
    """
    fixed = min(stones, max_fixed_handicap(size))
    points = [r * size + c for r, c in fixed_handicap_points(size, fixed)] if fixed >= 2 else []
    rows, columns = np.divmod(np.arange(size * size), size)
    line = np.minimum.reduce([rows, columns, size - 1 - rows, size - 1 - columns])
    while len(points) < stones:
        distance = np.full(size * size, 2.0 * size)
        for point in points:
            distance = np.minimum(distance, np.hypot(rows - point // size, columns - point % size))
        distance[points] = -1e9
        value = np.minimum(distance, size / 2) + 0.5 * np.minimum(line, 3) - 4.0 * (line < min(2, (size - 1) // 2))
        value[points] = -1e9
        points.append(int(value.argmax()))
    board = Board(size)
    board.setup(black=points)  # raises where a chain would have no liberty
    return points


@command("set_free_handicap")
def _set_free_handicap(session: Session, request: Request, output: Output) -> str:
    if not request.args:
        raise GtpError("syntax error: set_free_handicap takes vertices")
    points = [session.vertex(word) for word in request.args]
    _check_empty(session)
    if session.size**2 in points:
        raise GtpError("bad vertex list: a pass is no handicap stone")
    if len(set(points)) != len(points):
        raise GtpError("bad vertex list: repeated vertex")
    _handicap(session, points)
    return ""


# --- time -------------------------------------------------------------------------------------------------------------


@command("time_settings")
def _time_settings(session: Session, request: Request, output: Output) -> str:
    main, period, stones = (number(word) for word in arguments(request, 3, what="main time, overtime and stones"))
    if main < 0 or period < 0 or stones < 0 or stones != int(stones):
        raise GtpError("syntax error: times and stones must not be negative")
    session.clock.set(from_time_settings(main, period, int(stones)))
    return ""


@command("time_left")
def _time_left(session: Session, request: Request, output: Output) -> str:
    color, seconds, stones = arguments(request, 3, what="a color, seconds and stones")
    left = number(stones)
    if left != int(left):
        raise GtpError(f"syntax error: expected stones, a whole number, got {stones[:40]}")
    session.clock.time_left(session.color(color), number(seconds), int(left))
    return ""


# --- scoring ----------------------------------------------------------------------------------------------------------


@command("final_score")
def _final_score(session: Session, request: Request, output: Output) -> str:
    session.white_bonus()
    as_it_stands = session.rules.name == "tromp-taylor"
    score = session.board.score(None if as_it_stands else session.status().dead_mask(session.size))
    return f"{'B' if score > 0 else 'W'}+{abs(score):.1f}" if score else "0"


@command("final_status_list")
def _final_status_list(session: Session, request: Request, output: Output) -> str:
    kind = arguments(request, 1, what="alive, dead or seki")[0].lower()
    if kind not in ("alive", "dead", "seki"):
        raise GtpError("syntax error: expected alive, dead or seki, got " + kind[:40])
    if session.rules.name == "tromp-taylor":
        stones = session.board.stones().ravel()
        seen: set[int] = set()
        chains: list[list[int]] = []
        for action in np.flatnonzero(stones).tolist():
            if action not in seen:
                chains.append(session.board.chain(action))
                seen.update(chains[-1])
        found = {"alive": chains, "dead": [], "seki": []}[kind]
    else:
        status = session.status()
        found = {"alive": status.alive, "dead": status.dead, "seki": status.seki}[kind]
    return "\n".join(" ".join(action_to_gtp(a, session.size) for a in chain) for chain in found)


# --- files and diagrams -----------------------------------------------------------------------------------------------


@command("loadsgf")
def _loadsgf(session: Session, request: Request, output: Output) -> str:
    name, number_ = _file_and_number(request)
    loaded = sgf.load(name, number_, session.rules)
    session.size, session.komi = loaded.board.size, loaded.komi
    session.new_board(loaded.board)
    session.load()
    return "black" if loaded.board.to_play == BLACK else "white"


def _file_and_number(request: Request) -> tuple[str, int | None]:
    text = request.rest
    if not text:
        raise GtpError("syntax error: loadsgf takes a file and perhaps a move number")
    if text[0] in "\"'" and text.count(text[0]) >= 2:
        name, _, rest = text[1:].partition(text[0])
        words = rest.split()
    else:
        words = request.args[1:]
        name = request.args[0]
        if words and not sgf.is_file(name):  # a name with blanks
            last = words[-1] if words[-1].isdecimal() and not sgf.is_file(text) else None
            name = text if last is None else text[: text.rindex(last)].strip()
            words = [] if last is None else [last]
    if len(words) > 1:
        raise GtpError("syntax error: loadsgf takes a file and perhaps a move number")
    move = whole(words[0], "a move number") if words else None
    if move is not None and move < 0:
        raise GtpError("syntax error: the move number must not be negative")
    return name, move


@command("printsgf")
def _printsgf(session: Session, request: Request, output: Output) -> str:
    session.white_bonus()
    text = sgf.dump(session)
    if request.rest in ("", "-"):
        return text
    sgf.write(request.rest, text)
    return ""


@command("showboard")
def _showboard(session: Session, request: Request, output: Output) -> str:
    return f"\n{session.board}"


@command("list_stones")
def _list_stones(session: Session, request: Request, output: Output) -> str:
    color = session.color(arguments(request, 1, what="a color")[0])
    return " ".join(action_to_gtp(a, session.size) for a in np.flatnonzero(session.board.stones() == color).tolist())


@command("is_legal")
def _is_legal(session: Session, request: Request, output: Output) -> str:
    color, vertex = arguments(request, 2, what="a color and a vertex")
    return "1" if session.board.legality(session.vertex(vertex), session.color(color)) == 0 else "0"


@command("all_legal")
def _all_legal(session: Session, request: Request, output: Output) -> str:
    color = session.color(arguments(request, 1, what="a color")[0])
    legal = np.flatnonzero(session.board.legal_mask(color)[:-1])
    return " ".join(action_to_gtp(a, session.size) for a in legal.tolist())


@command("captures")
def _captures(session: Session, request: Request, output: Output) -> str:
    color = session.color(arguments(request, 1, what="a color")[0])
    return str(session.board.captured(3 - color))


@command("last_move")
def _last_move(session: Session, request: Request, output: Output) -> str:
    moves = session.board.moves()
    if not moves:
        raise GtpError("no previous move known")
    color, action = moves[-1]
    return f"{'black' if color == BLACK else 'white'} {session.text(action)}"


@command("move_history")
def _move_history(session: Session, request: Request, output: Output) -> str:
    moves = reversed(session.board.moves())
    return "\n".join(f"{'black' if color == BLACK else 'white'} {session.text(action)}" for color, action in moves)
