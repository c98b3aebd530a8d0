"""How a side of a match is named: one text that says which engine plays, and how."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from alphago.arena.client import split_command
from alphago.errors import AlphaGoError
from alphago.messages import did_you_mean
from alphago.nets.shipped import (
    DEFAULT,
    HANDSET,
    NAMES,
    NONE,
    RL,
    network_files,
    preferred,
    rollout_file,
    value_files,
)
from alphago.search.levels import LEVELS
from alphago.search.params import parse_settings
from alphago.search.styles import ALPHAGO, STYLES, ZERO, alphago_search, bot_search

_ALIAS: Final = re.compile(r"([\w.+-]+)=(.+)", re.DOTALL)
_LEVEL: Final = re.compile(r"(?:(?P<net>.+)@)?(?P<level>[A-Za-z]+)(?::(?P<settings>.*))?")
_GTP: Final = "gtp:"
_PRECISIONS: Final = ("auto", "fp32", "bf16", "int8")
_OWN_KEYS: Final = ("seconds", "weights", "precision", "style", "value")
"""Keys of a bot that are no search parameters."""


class SideError(AlphaGoError):
    """A text that names no engine; the message says what would be right."""


@dataclass(frozen=True)
class Side:
    """One side of a match."""

    name: str
    text: str
    """What `parse_side` was given."""
    command: str | None = None
    """Of a GTP program; None for a bot of ours."""
    level: str = "max"
    net: str = DEFAULT
    settings: Mapping[str, Any] = field(default_factory=dict)
    simulations: int | None = None
    """Of a bot, where its text says so."""
    seconds: float | None = None
    """Thinking time of a bot's move, where its text says so: its own plan, with no clock of the referee's."""
    weights: str | None = None
    """File or name of rollout weights, where its text says so."""
    precision: str = "auto"
    """Of the network: one of `alphago.nets.runtimes.PRECISIONS`."""
    style: str = ZERO
    """One of `alphago.search.styles.STYLES`."""
    value_net: str | None = None
    """Style alphago: file or name of the value network, where its text says so."""

    def identity(self) -> str:
        """What must stay the same when a match goes on: the text without the name, and what is in a bot's files."""
        text = self.text.removeprefix(f"{self.name}=")
        files: list[Path] = []
        if self.command is None:
            files = [*network_files(self.net), rollout_file(self.weights)]
        if self.style == ALPHAGO:
            files += value_files(self.value_net or DEFAULT)
        return text + "".join(f" sha256:{_digest(file)}" for file in files)


def parse_side(text: str) -> Side:
    """A side from its text.

        gtp:COMMAND                       a program that speaks GTP; the command line is split as a shell would
        LEVEL[:KEY=VALUE,...]             a bot with the default network: beginner to max, with search parameters changed
        none@LEVEL[:KEY=VALUE,...]        a bot without a network
        FILE[@LEVEL[:KEY=VALUE,...]]      a bot with this network; level max when none is given
        NAME=...                          any of these, under a name of your own

    `precision=fp32|bf16|int8` is its network's; `simulations` and `seconds` among the keys limit a move of this side alone;
    `weights=FILE` are its rollout weights (`weights=handset`: those set by rule); `style=alphago` plays as the paper's engine, with
    the value network `value=FILE|default|none`.

    Raises:
        SideError: none of these, or no such file.
        BadSearchParams, EngineCrashed: a bad key or value; a command line that cannot be split.
    """
    name, rest = "", text.strip()
    if alias := _ALIAS.fullmatch(rest):
        name, rest = alias[1], alias[2]
    if rest.startswith(_GTP):
        command = rest.removeprefix(_GTP).strip()
        return Side(name or os.path.basename(split_command(command)[0]), text, command=command)
    match = _LEVEL.fullmatch(rest)
    if match is None or (match["net"] is None and match["level"] not in LEVELS and _is_file(rest)):
        return Side(name or Path(_existing(rest)).stem, text, net=rest)
    level, net = match["level"], match["net"] or DEFAULT
    if level not in LEVELS:
        raise SideError(
            f"bad side {text!r}: no level {level!r}{did_you_mean(level, LEVELS)} and no such file; "
            f"expected gtp:COMMAND, a network file, or a level: {', '.join(LEVELS)}"
        )
    if net not in NAMES:
        _existing(net)
    texts = match["settings"].split(",") if match["settings"] is not None else []
    own = {key: [t.partition("=")[2].strip() for t in texts if t.strip().startswith(f"{key}=")] for key in _OWN_KEYS}
    settings = parse_settings([t for t in texts if t.strip().partition("=")[0] not in _OWN_KEYS])
    style = _one_of(own["style"], "style", STYLES, ZERO)
    value_net = _value_net(own["value"], style)
    if style == ALPHAGO:
        alphago_search(9).but(**{**LEVELS[level].settings, **settings})
    elif net in NAMES:  # what a file predicts decides which settings go together, and it is not loaded yet
        has_network = bool(network_files(preferred(net, LEVELS[level].net)))
        bot_search(9, has_network, has_network and net != RL).but(**{**LEVELS[level].settings, **settings})
    simulations = settings.pop("simulations", None)
    if not name:
        name = level if net == DEFAULT else f"{Path(net).stem}@{level}"
        name += f":{match['settings']}" if match["settings"] else ""
    return Side(
        name,
        text,
        level=level,
        net=net,
        settings=settings,
        simulations=simulations,
        seconds=_seconds(own["seconds"]),
        weights=_weights(own["weights"]),
        precision=_one_of(own["precision"], "precision", _PRECISIONS, "auto"),
        style=style,
        value_net=value_net,
    )


def with_style(text: str, style: str) -> str:
    """The text of a bot that plays in a style, where it says nothing of one; other programs stay as they are.

    Raises:
        SideError: no such style.
    """
    _one_of([style], "style", STYLES, ZERO)
    alias = _ALIAS.fullmatch(text.strip())
    rest = alias[2] if alias else text.strip()
    if rest.startswith(_GTP):
        return text
    match = _LEVEL.fullmatch(rest)
    if match is None or match["level"] not in LEVELS:
        return f"{text.strip()}@max:style={style}"  # a file's name
    keys = [] if match["settings"] is None else match["settings"].split(",")
    if any(key.strip().startswith("style=") for key in keys):
        return text
    return f"{text.strip()}{':' if match['settings'] is None else ',' if keys != [''] else ''}style={style}"


def parse_sides(texts: Sequence[str]) -> list[Side]:
    """Sides with names of their own: a name that comes again gets #2, #3. Raises as `parse_side`."""
    sides, seen = [], dict[str, int]()
    for text in texts:
        side = parse_side(text)
        seen[side.name] = count = seen.get(side.name, 0) + 1
        sides.append(Side(**{**vars(side), "name": f"{side.name}#{count}"}) if count > 1 else side)
    return sides


def _weights(found: Sequence[str]) -> str | None:
    if not found:
        return None
    if len(found) > 1:
        raise SideError(f"bad weights={',weights='.join(found)}: a side has one file of rollout weights")
    if found[0] != HANDSET and not os.path.isfile(found[0]):
        raise SideError(f"{found[0]}: no such file, nor {HANDSET}")
    return found[0]


def _value_net(found: Sequence[str], style: str) -> str | None:
    if not found:
        return None
    if style != ALPHAGO or len(found) > 1:
        raise SideError(
            f"bad value={',value='.join(found)}: a side has one value network, and with style={ALPHAGO} alone"
        )
    if found[0] not in (DEFAULT, NONE) and not os.path.isfile(found[0]):
        raise SideError(f"{found[0]}: no such file, nor {DEFAULT} or {NONE}")
    return found[0]


def _one_of(found: Sequence[str], key: str, choices: Iterable[str], default: str) -> str:
    if not found:
        return default
    if len(found) > 1 or found[0] not in choices:
        raise SideError(f"bad {key}={f',{key}='.join(found)}: {key} is one of {', '.join(choices)}")
    return found[0]


def _seconds(found: Sequence[str]) -> float | None:
    if not found:
        return None
    try:
        seconds = float(found[0])
    except ValueError:
        seconds = 0.0
    if len(found) > 1 or not 0.001 <= seconds <= 86400:
        raise SideError(f"bad seconds={',seconds='.join(found)}: seconds of a move are one number from 0.001 to 86400")
    return seconds


def _is_file(text: str) -> bool:
    return os.path.sep in text or text.endswith(".safetensors") or os.path.exists(text)


def _existing(path: str) -> str:
    if not _is_file(path):
        raise SideError(
            f"bad side {path!r}: expected gtp:COMMAND, a network file, or a level: {', '.join(LEVELS)}; see docs/arena.md"
        )
    if not os.path.isfile(path):
        raise SideError(f"{path}: no such file")
    return path


def _digest(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    except OSError as error:
        raise SideError(f"{path}: {error.strerror or error}") from None
