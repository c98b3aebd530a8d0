"""Commands of servers and of graphical programs: KGS, KataGo's rules and parameters, CGOS, GoGui, Gomill."""

from __future__ import annotations

import json
import time

from alphago.errors import AlphaGoError
from alphago.go import RULESETS, BadRules, Rules, action_to_gtp
from alphago.gtp.clock import SYSTEMS, from_words, number
from alphago.gtp.protocol import GtpError, Output, Request
from alphago.gtp.registry import arguments, command, whole
from alphago.gtp.session import Session
from alphago.search.levels import LEVELS
from alphago.search.status import ownership

# --- time systems -----------------------------------------------------------------------------------------------------


@command("kgs-time_settings", "kata-time_settings")
def _kgs_time_settings(session: Session, request: Request, output: Output) -> str:
    session.clock.set(from_words(request.args))
    return ""


@command("kata-list_time_settings")
def _kata_list_time_settings(session: Session, request: Request, output: Output) -> str:
    return " ".join(SYSTEMS)


# --- KGS --------------------------------------------------------------------------------------------------------------


@command("kgs-genmove_cleanup")
def _kgs_genmove_cleanup(session: Session, request: Request, output: Output) -> str:
    """As genmove, but no pass while a dead enemy stone is on the board."""
    color = session.color(arguments(request, 1, what="a color")[0])
    stones = session.board.stones().ravel()
    dead = any(stones[chain[0]] == 3 - color for chain in session.status().dead)
    return session.text(session.genmove(color, may_pass=not dead))


@command("kgs-game_over")
def _kgs_game_over(session: Session, request: Request, output: Output) -> str:
    return ""  # nothing is pondered before the next genmove


_KGS_RULES = {"chinese": "chinese-kgs", "aga": "aga", "japanese": "japanese", "new_zealand": "new-zealand"}


@command("kgs-rules")
def _kgs_rules(session: Session, request: Request, output: Output) -> str:
    name = arguments(request, 1, what="one name")[0].lower()
    if name not in _KGS_RULES:
        raise GtpError(f"unknown rules: expected one of {', '.join(_KGS_RULES)}")
    session.set_rules(RULESETS[_KGS_RULES[name]])
    return ""


@command("kgs-chat")
def _kgs_chat(session: Session, request: Request, output: Output) -> str:
    return session.explanation or "I have not played yet."


# --- rules as KataGo says them ----------------------------------------------------------------------------------------

_KO = {"SIMPLE": "simple", "POSITIONAL": "positional", "SITUATIONAL": "situational"}
_SCORING = {"AREA": "area", "TERRITORY": "territory"}
_BONUS = {"0": "none", "N": "n", "N-1": "n-1"}


def rules_to_json(rules: Rules) -> str:
    """KataGo's form. Stone scoring is an area count in which each living group pays two points."""
    stones = rules.scoring == "stones"
    return json.dumps(
        {
            "ko": rules.ko.upper(),
            "scoring": "AREA" if stones else rules.scoring.upper(),
            "suicide": rules.suicide,
            "tax": "ALL" if stones else "SEKI" if rules.scoring == "territory" else "NONE",
            "whiteHandicapBonus": {"none": "0", "n": "N", "n-1": "N-1"}[rules.handicap_bonus],
            "hasButton": False,
            "friendlyPassOk": rules.name != "tromp-taylor",
        },
        separators=(",", ":"),
    )


def rules_from_text(text: str) -> Rules:
    """A named ruleset, or KataGo's JSON. Raises GtpError on what this engine has not, rather than play something else."""
    if not text.startswith("{"):
        try:
            return Rules.named(text[:40])
        except BadRules as error:
            raise GtpError(str(error)) from None
    try:
        fields = json.loads(text)
    except (ValueError, RecursionError):
        raise GtpError("rules: not JSON") from None
    rules = Rules()
    for key, value in fields.items():
        rules = _with(rules, key, value)
    tax = str(fields.get("tax", "NONE")).upper()
    if tax == "ALL" and rules.scoring == "area":
        return _but(rules, scoring="stones")
    if tax != ("SEKI" if rules.scoring == "territory" else "NONE"):
        raise GtpError(f"rules: tax {tax} does not go with scoring {rules.scoring} here")
    return rules


def _with(rules: Rules, key: str, value: object) -> Rules:
    text = str(value).upper()
    if key == "ko" and text in _KO:
        return _but(rules, ko=_KO[text])
    if key in ("scoring", "scoringRule") and text in _SCORING:
        return _but(rules, scoring=_SCORING[text])
    if key in ("suicide", "multiStoneSuicideLegal") and isinstance(value, bool):
        return _but(rules, suicide=value)
    if key == "whiteHandicapBonus" and text in _BONUS:
        return _but(rules, handicap_bonus=_BONUS[text])
    if key == "tax" and text in ("NONE", "SEKI", "ALL"):
        return rules
    if key == "hasButton" and value is False:
        return rules
    if key == "friendlyPassOk" and isinstance(value, bool):
        return rules
    if key == "komi" and isinstance(value, (int, float)) and not isinstance(value, bool):
        return rules
    raise GtpError(f"rules: {key[:40]} cannot be {str(value)[:40]} here")


def _but(rules: Rules, **values: object) -> Rules:
    return Rules.from_dict(rules.to_dict() | values)


@command("kata-get-rules")
def _kata_get_rules(session: Session, request: Request, output: Output) -> str:
    return rules_to_json(session.rules)


@command("kata-set-rules")
def _kata_set_rules(session: Session, request: Request, output: Output) -> str:
    if not request.rest:
        raise GtpError("syntax error: kata-set-rules takes a name or JSON")
    session.set_rules(rules_from_text(request.rest))
    return ""


@command("kata-set-rule")
def _kata_set_rule(session: Session, request: Request, output: Output) -> str:
    key, value = arguments(request, 2, what="a key and a value")
    known = json.loads(rules_to_json(session.rules))
    if key not in known:
        raise GtpError(f"rules: unknown key {key[:40]}; known are {', '.join(known)}")
    try:
        parsed = json.loads(value.lower())
    except (ValueError, RecursionError):
        parsed = value
    known[key] = parsed if isinstance(parsed, bool) else value
    session.set_rules(rules_from_text(json.dumps(known)))
    return ""


# --- parameters -------------------------------------------------------------------------------------------------------


def _parameters(session: Session) -> dict[str, str]:
    s = session.settings
    return {
        "maxVisits": str(s.simulations or 0),
        "maxTime": f"{s.seconds or 0:g}",
        "lagBuffer": f"{s.lag:g}",
        "ponderingEnabled": str(s.ponder).lower(),
        "allowResignation": str(session.bot().resign).lower(),
        "level": session.bot().level.name,
    }


@command("kata-list-params")
def _kata_list_params(session: Session, request: Request, output: Output) -> str:
    return " ".join(_parameters(session))


@command("kata-get-params")
def _kata_get_params(session: Session, request: Request, output: Output) -> str:
    return json.dumps(_parameters(session))


@command("kata-get-param")
def _kata_get_param(session: Session, request: Request, output: Output) -> str:
    key = arguments(request, 1, what="a parameter")[0]
    known = _parameters(session)
    if key not in known:
        raise GtpError(f"unknown parameter {key[:40]}; known are {', '.join(known)}")
    return known[key]


@command("kata-set-param")
def _kata_set_param(session: Session, request: Request, output: Output) -> str:
    key, value = arguments(request, 2, what="a parameter and a value")
    set_parameter(session, key, value)
    return ""


@command("kata-set-params")
def _kata_set_params(session: Session, request: Request, output: Output) -> str:
    try:
        values = json.loads(request.rest)
    except (ValueError, RecursionError):
        raise GtpError("kata-set-params takes a JSON object") from None
    if not isinstance(values, dict):
        raise GtpError("kata-set-params takes a JSON object")
    for key, value in values.items():
        set_parameter(session, key, str(value).lower() if isinstance(value, bool) else str(value))
    return ""


def set_parameter(session: Session, key: str, value: str) -> None:
    """Raises GtpError."""
    s = session.settings
    if key == "maxVisits":
        n = whole(value, "a number of simulations")
        if not 0 <= n <= 100_000_000:
            raise GtpError("maxVisits must be 0 (the level's) to 100000000")
        s.simulations = n or None
    elif key == "maxTime":
        seconds = number(value)
        if not 0 <= seconds <= 86400:
            raise GtpError("maxTime must be 0 (the level's) to 86400 seconds")
        s.seconds = seconds or None
    elif key == "lagBuffer":
        lag = number(value)
        if not 0 <= lag <= 60:
            raise GtpError("lagBuffer must be 0 to 60 seconds")
        s.lag = lag
    elif key == "ponderingEnabled":
        s.ponder = _switch(key, value)
    elif key == "allowResignation":
        session.bot().resign = _switch(key, value)
    elif key == "level":
        try:
            session.set_level(value)
        except AlphaGoError as error:
            raise GtpError(str(error)) from None
    else:
        raise GtpError(f"unknown parameter {key[:40]}; known are {', '.join(_parameters(session))}")


def _switch(key: str, value: str) -> bool:
    if value.lower() not in ("true", "false", "1", "0"):
        raise GtpError(f"{key} must be true or false, got {value[:40]}")
    return value.lower() in ("true", "1")


@command("level")
def _level(session: Session, request: Request, output: Output) -> str:
    """GNU Go's command name; a name of ours, or 1 to the number of levels."""
    name = arguments(request, 1, what="a level")[0]
    numbers = {str(i + 1): level for i, level in enumerate(LEVELS)}
    name = numbers.get(name, name)
    set_parameter(session, "level", name)
    return ""


@command("clear_cache")
def _clear_cache(session: Session, request: Request, output: Output) -> str:
    session.set_level(session.bot().level.name)  # and so with the settings of now
    return ""


# --- CGOS and Gomill --------------------------------------------------------------------------------------------------


@command("cgos-gameover", "cgos-opponent_name", "cgos-opponent_rating")
def _cgos_notice(session: Session, request: Request, output: Output) -> str:
    return ""


@command("gomill-explain_last_move")
def _explain_last_move(session: Session, request: Request, output: Output) -> str:
    return session.explanation or "no move has been made"


@command("gomill-describe_engine")
def _describe_engine(session: Session, request: Request, output: Output) -> str:
    return f"{session.settings.name} {session.settings.version}\n{session.bot().describe()}"


@command("gomill-cpu_time", "cputime")
def _cpu_time(session: Session, request: Request, output: Output) -> str:
    return f"{time.process_time() - session.cpu_start:.3f}"


# --- GoGui ------------------------------------------------------------------------------------------------------------


@command("gogui-analyze_commands")
def _analyze_commands(session: Session, request: Request, output: Output) -> str:
    return "\n".join(
        (
            "dboard/Ownership/kata-ownership",
            "gfx/Best Moves/alphago-best_moves_gfx",
            "plist/Dead Stones/final_status_list dead",
            "plist/Stones in Seki/final_status_list seki",
            "string/Final Score/final_score",
            "string/Explain Last Move/gomill-explain_last_move",
            "string/Describe Engine/gomill-describe_engine",
            "string/Rules/kata-get-rules",
            "param/Settings/gogui-param",
            "none/Clear Cache/clear_cache",
        )
    )


@command("gogui-param")
def _gogui_param(session: Session, request: Request, output: Output) -> str:
    if request.args:
        key, value = arguments(request, 2, what="nothing, or a key and a value")
        set_parameter(session, key, value)
        return ""
    kinds = {"ponderingEnabled": "[bool]", "allowResignation": "[bool]", "level": f"[list/{'/'.join(LEVELS)}]"}
    lines = []
    for key, value in _parameters(session).items():
        shown = {"true": "1", "false": "0"}.get(value, value) if key != "level" else value
        lines.append(f"{kinds.get(key, '[string]')} {key} {shown}")
    return "\n".join(lines)


@command("kata-ownership")
def _ownership(session: Session, request: Request, output: Output) -> str:
    """Rows of numbers from the top, 1 black to -1 white."""
    owner = ownership(session.board, stop_when=session.source.hurry)
    return "\n" + "\n".join(" ".join(f"{x:.2f}" for x in row) for row in owner.tolist())


@command("alphago-best_moves_gfx")
def _best_moves_gfx(session: Session, request: Request, output: Output) -> str:
    report = session.think(session.board.to_play).report
    session.forget()
    if report is None:
        return "TEXT the game is won by passing"
    total = max(1, int(report.visit_counts.sum()))
    influence, labels = [], []
    for i in (-report.visit_counts.astype(int)).argsort()[:10].tolist():
        action = int(report.actions[i])
        if action == session.size**2 or not report.visit_counts[i]:
            continue
        vertex = action_to_gtp(action, session.size)
        influence.append(f"{vertex} {report.visit_counts[i] / total:.3f}")
        labels.append(f"{vertex} {round(50 * (float(report.q[i]) + 1))}")
    return (
        f"INFLUENCE {' '.join(influence)}\nLABEL {' '.join(labels)}\nTEXT winning chance {(report.value + 1) / 2:.1%}"
    )


@command("gogui-play_sequence")
def _play_sequence(session: Session, request: Request, output: Output) -> str:
    words = request.args
    if len(words) % 2:
        raise GtpError("syntax error: gogui-play_sequence takes pairs of color and vertex")
    moves = [(session.color(words[i]), session.vertex(words[i + 1])) for i in range(0, len(words), 2)]
    board = session.board.copy()
    for color, action in moves:
        if board.try_play(action, color) < 0:
            raise GtpError("illegal move")
    session.board = board
    return ""


@command("gogui-setup", "set_position")
def _setup(session: Session, request: Request, output: Output) -> str:
    """Pairs of color and vertex; `set_position` empties the board first. KataGo's set_position is the same."""
    words = request.args
    if len(words) % 2:
        raise GtpError(f"syntax error: {request.command} takes pairs of color and vertex")
    stones: dict[int, list[int]] = {1: [], 2: []}
    for i in range(0, len(words), 2):
        stones[session.color(words[i])].append(session.vertex(words[i + 1]))
    if any(action == session.size**2 for points in stones.values() for action in points):
        raise GtpError("syntax error: a pass is no stone")
    board = session.empty_board() if request.command == "set_position" else session.board.copy()
    board.setup(stones[1], stones[2])
    session.new_board(board)
    return ""


@command("gogui-setup_player")
def _setup_player(session: Session, request: Request, output: Output) -> str:
    session.board.to_play = session.color(arguments(request, 1, what="a color")[0])
    session.forget()
    return ""


@command("gogui-interrupt")
def _interrupt(session: Session, request: Request, output: Output) -> str:
    return ""


@command("gogui-title")
def _title(session: Session, request: Request, output: Output) -> str:
    return f"{session.settings.name} {session.settings.version}"
