"""Proxies of strength: what is cheap to know of a network, held against the Elo of anchors that were trained in full.

OUT/run.json            settings, anchors
OUT/features.jsonl      what each proxy found of each anchor, a line the moment it is known
OUT/proxies.json        fits, rank correlations, refusals
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from alphago.controller.go.anchors import HAND_MADE, Anchors, read_anchors
from alphago.controller.go.elo import EloError, Judged, judge
from alphago.controller.go.learning import FEATURES, learn_briefly
from alphago.controller.go.networks import multiply_adds_of
from alphago.controller.go.settings import GoNasSettings
from alphago.controller.go.supernet import Supernet
from alphago.errors import AlphaGoError
from alphago.files import write_atomically
from alphago.messages import did_you_mean
from alphago.nets.architecture import Residual
from alphago.nets.modules import build
from alphago.train.folders import begin_folder, checkpoints

STAGE: Final = "nas proxies"
FILE: Final = "proxies.json"
FORMAT: Final = 1
_JOURNAL: Final = "features.jsonl"


class ProxyError(AlphaGoError):
    """A proxy that there is not, or that nothing may be searched by; the message says why."""


@dataclass(frozen=True)
class Proxy:
    """A way to foretell strength.

    Attributes:
        names: of the numbers that it finds, with the sign that each must have in a fit of Elo.
    """

    name: str
    what: str
    names: tuple[tuple[str, int], ...]


_LOSSES: Final = tuple((name, -1) for name in FEATURES)
PROXIES: Final[tuple[Proxy, ...]] = (
    Proxy("short", "held-out losses after short training", _LOSSES),
    Proxy("shorter", "the same after a quarter of it", _LOSSES),
    Proxy("shared", "held-out losses with a supernet's weights", _LOSSES),
    Proxy("multiply-adds", "logarithm of the multiply-adds, no training", (("log2_multiply_adds", 1),)),
    Proxy("parameters", "logarithm of the parameters, no training", (("log2_parameters", 1),)),
)
NAMES: Final = tuple(proxy.name for proxy in PROXIES)


def proxy_named(name: str) -> Proxy:
    """Raises ProxyError."""
    for proxy in PROXIES:
        if proxy.name == name:
            return proxy
    raise ProxyError(f"no proxy {name!r}{did_you_mean(name, NAMES)}; there are {', '.join(NAMES)}")


def features_of(
    name: str, architecture: Residual, settings: GoNasSettings, supernet: Supernet | None = None, device: str = "cpu"
) -> dict[str, float]:
    """What a proxy finds of a network, and more for people. Raises ProxyError: `shared` without a supernet; TrainingError."""
    if name in ("short", "shorter"):
        steps = settings.short_steps if name == "short" else max(1, settings.short_steps // 4)
        return learn_briefly(architecture, settings, steps, device)
    if name == "shared":
        if supernet is None:
            raise ProxyError("the proxy shared needs a supernet: alphago nas supernet makes one")
        return supernet.measure(architecture)
    if name == "multiply-adds":
        return {"log2_multiply_adds": math.log2(multiply_adds_of(architecture, settings.size))}
    if name == "parameters":
        return {"log2_parameters": math.log2(sum(p.numel() for p in build(architecture).parameters()))}
    raise ProxyError(f"no proxy {name!r}; there are {', '.join(NAMES)}")


def open_supernet(folder: Path, settings: GoNasSettings, device: str = "cpu") -> Supernet:
    """A supernet that has been trained. Raises ProxyError, TrainingError: it is not, or with other settings."""
    if not checkpoints(folder):
        raise ProxyError(f"{folder}: no supernet in it: alphago nas supernet makes one")
    found = Supernet(folder, settings, resume=True, device=device)
    if found.step < found.total:
        raise ProxyError(f"{folder}: the supernet is at step {found.step:,} of {found.total:,}: go on with it first")
    return found


class ProxyRun:
    """Measures proxies on the anchors, as far as the folder does not hold that yet.

    Args:
        names: of the proxies; "shared" needs a supernet.
        supernet: folder of a trained one.

    Raises:
        AnchorError, ProxyError, TrainingError: what is needed is not there, or of other settings.
    """

    def __init__(
        self,
        folder: Path,
        anchors: Path,
        names: Sequence[str],
        *,
        supernet: Path | None = None,
        resume: bool = False,
        device: str = "cpu",
    ) -> None:
        self.folder, self.proxies, self._device = folder, [proxy_named(name) for name in names], device
        self.anchors: Anchors = read_anchors(anchors)
        self._supernet = None
        if "shared" in names:
            if supernet is None:
                raise ProxyError("the proxy shared needs --supernet FOLDER: alphago nas supernet makes one")
            self._supernet = open_supernet(supernet, self.anchors.settings, device)
        self._supernet_folder = supernet
        wanted = {"settings": {"anchors": _networks_of(self.anchors)}, "stage": STAGE}
        begin_folder(folder, wanted, resume=resume)
        self._known = _read(folder / _JOURNAL)
        self._stop = False

    def stop(self) -> None:
        """End after the measurement under way."""
        self._stop = True

    def run(self, told: Callable[[int, int, str, str, Mapping[str, float]], None] | None = None) -> bool:
        """Measure what is missing. False: stopped before.

        Args:
            told: number of a measurement from 1, all there are, proxy, anchor, and what was found.
        """
        jobs = [(proxy, row) for proxy in self.proxies for row in self.anchors.networks]
        for number, (proxy, row) in enumerate(jobs, 1):
            key = (proxy.name, str(row["name"]))
            if key in self._known:
                continue
            if self._stop:
                return False
            started = time.monotonic()
            architecture = self.anchors.architecture(row)
            found = features_of(proxy.name, architecture, self.anchors.settings, self._supernet, self._device)
            values = {**found, "seconds": time.monotonic() - started}
            self._known[key] = values
            _append(self.folder / _JOURNAL, {"proxy": key[0], "anchor": key[1], "found": values})
            if told is not None:
                told(number, len(jobs), proxy.name, key[1], values)
        return True

    def finish(self) -> dict[str, Any]:
        """Judge the proxies; write and return what `proxies.json` holds."""
        networks = self.anchors.networks
        elo = np.array([row["elo"] for row in networks])
        judged = []
        for proxy in self.proxies:
            found = [self._known[proxy.name, str(row["name"])] for row in networks]
            features = np.array([[one[name] for name, _ in proxy.names] for one in found])
            names, signs = [name for name, _ in proxy.names], [sign for _, sign in proxy.names]
            seconds = float(np.mean([one["seconds"] for one in found]))
            judged.append(judge(proxy.name, names, signs, features, elo, seconds))
        result = {
            "format": FORMAT,
            "anchors": str(self.anchors.folder.resolve()),
            "supernet": None if self._supernet_folder is None else str(self._supernet_folder.resolve()),
            "proxies": [one.to_dict() for one in judged],
            "foretold": {
                one.name: [
                    {
                        "anchor": row["name"],
                        "elo": row["elo"],
                        "foretold": one.fit.predict(self._known[one.name, row["name"]]),
                    }
                    for row in networks
                ]
                for one in judged
            },
        }
        write_atomically(self.folder / FILE, (json.dumps(result, indent=1) + "\n").encode(), ProxyError)
        return result


@dataclass(frozen=True)
class Chosen:
    """A proxy that may be searched by, and what goes with it."""

    judged: Judged
    anchors: Anchors
    supernet: Path | None
    digest: str
    """Of the judgement."""
    hand: float
    """Elo at equal visits that the proxy foretells of the hand-made network."""


def choose_proxy(folder: Path, name: str | None = None) -> Chosen:
    """The proxy of a name, or the one with the best rank correlation of those that may be used.

    Raises:
        ProxyError: none was judged, there is no such one, or it is refused; says why. The anchors' matches give time no price.
    """
    path = folder / FILE
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(found, dict) or found.get("format") != FORMAT:
            raise ProxyError(f"{path}: no proxies of format {FORMAT}")
        judged = {one.name: one for one in map(Judged.from_dict, found["proxies"])}
        anchors, supernet = Path(found["anchors"]), found["supernet"]
        hand = {
            name: next(float(row["foretold"]) for row in rows if row["anchor"] == HAND_MADE)
            for name, rows in found["foretold"].items()
        }
    except FileNotFoundError:
        raise ProxyError(f"{folder}: no judged proxies in it (expected {FILE}): run alphago nas proxies") from None
    except OSError as error:
        raise ProxyError(f"{path}: {error.strerror or error}") from None
    except (ProxyError, EloError):
        raise
    except (ValueError, KeyError, TypeError, StopIteration) as error:
        raise ProxyError(f"{path}: damaged: {error}") from None
    fit = {one.name: one for one in judged.values() if one.refusal is None}
    rest = "; ".join(f"{one.name} {one.tau:.2f}" for one in judged.values())
    if name is None:
        if not fit:
            first = max(judged.values(), key=lambda one: one.tau)
            raise ProxyError(f"{path}: no proxy may be searched by: {first.name}: {first.refusal} (tau: {rest})")
        chosen = max(fit.values(), key=lambda one: one.tau)
    elif name not in judged:
        raise ProxyError(
            f"{path}: no proxy {name!r}{did_you_mean(name, judged)} was judged; there are {', '.join(judged)}"
        )
    else:
        chosen = judged[name]
        if chosen.refusal is not None:
            raise ProxyError(f"the proxy {name} is refused: {chosen.refusal} (tau: {rest})")
    place, met = None if supernet is None else Path(supernet), read_anchors(anchors)
    if met.kappa <= 0:
        raise ProxyError(
            f"{anchors}: a doubling of visits gained {met.kappa:+.0f} Elo: time has no price by these matches; let more be played "
            f"(anchors.doubling_games, then alphago nas anchors --resume)"
        )
    return Chosen(chosen, met, place, digest(path), hand[chosen.name])


def _networks_of(anchors: Anchors) -> str:
    """16 hexadecimal digits that stand for the anchors' networks and what they learned from, not for their games: there may be
    more of them one day, and what proxies measure stays what it is."""
    networks = [[row["name"], row["hash"]] for row in anchors.networks]
    return hashlib.sha256(json.dumps([anchors.settings.of_networks(), networks]).encode()).hexdigest()[:16]


def digest(path: Path) -> str:
    """16 hexadecimal digits of a file. Raises ProxyError."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    except OSError as error:
        raise ProxyError(f"{path}: {error.strerror or error}") from None


def _read(path: Path) -> dict[tuple[str, str], dict[str, float]]:
    """What a journal holds; a last line that a killed process left unfinished is dropped, from the file too."""
    if not path.exists():
        return {}
    data = path.read_bytes()
    whole = data[: data.rfind(b"\n") + 1]
    if whole != data:
        write_atomically(path, whole, ProxyError)
    known = {}
    for number, line in enumerate(whole.splitlines(), 1):
        try:
            row = json.loads(line)
            known[str(row["proxy"]), str(row["anchor"])] = {name: float(value) for name, value in row["found"].items()}
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ProxyError(f"{path}:{number}: damaged line: {error}") from None
    return known


def _append(path: Path, row: Mapping[str, Any]) -> None:
    try:
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise ProxyError(f"{path}: {error.strerror or error}") from None
