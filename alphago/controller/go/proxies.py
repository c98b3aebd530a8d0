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
from alphago.controller.go.learning import FEATURES, learn_briefly, positions_of
from alphago.controller.go.networks import depth_of, multiply_adds_of
from alphago.controller.go.settings import GoNasSettings
from alphago.controller.go.supernet import Supernet, digest_of
from alphago.controller.nas.journal import only_one
from alphago.errors import AlphaGoError
from alphago.files import write_atomically
from alphago.messages import did_you_mean
from alphago.nets.architecture import Residual
from alphago.nets.modules import build
from alphago.train.folders import begin_folder, checkpoints

STAGE: Final = "nas proxies"
FILE: Final = "proxies.json"
FORMAT: Final = 3
DEFAULT: Final = "short"
"""What a search uses unless it is told otherwise: what training says, whatever the rank of what needs none."""
_LEARNING: Final = ("short", "short-losses", "shorter", "shared")
"""Proxies that depend on the games."""
_JOURNAL: Final = "features.jsonl"


class ProxyError(AlphaGoError):
    """A proxy that there is not, or that nothing may be searched by; the message says why."""


@dataclass(frozen=True)
class Proxy:
    """A way to foretell strength.

    Attributes:
        names: of the numbers that it finds, with the sign that each must have in a fit of Elo.
        measured: the proxy whose measurements it reads, where they are another's; "": its own.
    """

    name: str
    what: str
    names: tuple[tuple[str, int], ...]
    measured: str = ""

    @property
    def source(self) -> str:
        """The proxy by whose name its measurements are kept."""
        return self.measured or self.name


_LOSSES: Final = tuple((name, -1) for name in FEATURES)
_LEARNED: Final = (*_LOSSES, ("log2_depth", 1))
"""Shallow towers learn at once most of what they ever will, deep ones late: of two with equal losses the deeper has more in it."""
PROXIES: Final[tuple[Proxy, ...]] = (
    Proxy("short", "held-out losses after short training, and the tower's depth", _LEARNED),
    Proxy("short-losses", "the same losses alone", _LOSSES, "short"),
    Proxy("shorter", "as short, after a quarter of its training", _LEARNED),
    Proxy("shared", "held-out losses with a supernet's weights, and the tower's depth", _LEARNED),
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
    depth = {"log2_depth": math.log2(depth_of(architecture))}
    if name in ("short", "short-losses", "shorter"):
        steps = max(1, settings.short_steps // 4) if name == "shorter" else settings.short_steps
        return learn_briefly(architecture, settings, steps, device) | depth
    if name == "shared":
        if supernet is None:
            raise ProxyError("the proxy shared needs a supernet: alphago nas supernet makes one")
        return supernet.measure(architecture) | depth
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
        short_steps: of training in short; None: as the anchors' settings say. A folder has one number of them.

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
        short_steps: int | None = None,
        resume: bool = False,
        device: str = "cpu",
    ) -> None:
        self.folder, self.proxies, self._device = folder, [proxy_named(name) for name in names], device
        self.anchors: Anchors = read_anchors(anchors)
        self.settings = _with_steps(self.anchors.settings, short_steps)
        self._supernet = None
        self._shared: tuple[str, str] | None = None
        """Folder and digest of the supernet."""
        if "shared" in names:
            if supernet is None:
                raise ProxyError("the proxy shared needs --supernet FOLDER: alphago nas supernet makes one")
            self._supernet = open_supernet(supernet, self.anchors.settings, device)
            self._shared = str(supernet.resolve()), digest_of(supernet) or ""
        elif supernet is not None:
            raise ProxyError("a supernet is for the proxy shared, which is not among those to be measured")
        self._games = positions_of(self.settings).digest
        about = {"anchors": _networks_of(self.anchors), "short_steps": self.settings.short_steps}
        wanted = {"settings": about, "games": self._games, "stage": STAGE}
        begin_folder(folder, wanted, resume=resume)
        self._known: dict[tuple[str, str, str], dict[str, float]] = {}
        self._stop = False

    def stop(self) -> None:
        """End after the measurement under way."""
        self._stop = True

    def run(self, told: Callable[[int, int, str, str, Mapping[str, float]], None] | None = None) -> bool:
        """Measure what is missing. False: stopped before.

        Args:
            told: number of a measurement from 1, all there are, proxy, anchor, and what was found.

        Raises:
            ProxyError: another process measures in the folder; a damaged file.
        """
        with only_one(self.folder, ProxyError):
            self._known = _read(self.folder / _JOURNAL)
            return self._measure(told)

    def _measure(self, told: Callable[[int, int, str, str, Mapping[str, float]], None] | None) -> bool:
        names = dict.fromkeys(proxy.source for proxy in self.proxies)
        jobs = [(name, row) for name in names for row in self.anchors.networks]
        for number, (name, row) in enumerate(jobs, 1):
            supernet = self._shared[1] if name == "shared" and self._shared is not None else ""
            key = (name, str(row["name"]), supernet)
            if key in self._known:
                continue
            if self._stop:
                return False
            started = time.monotonic()
            architecture = self.anchors.architecture(row)
            found = features_of(name, architecture, self.settings, self._supernet, self._device)
            values = {**found, "seconds": time.monotonic() - started}
            self._known[key] = values
            _append(self.folder / _JOURNAL, {"proxy": key[0], "anchor": key[1], "supernet": key[2], "found": values})
            if told is not None:
                told(number, len(jobs), name, key[1], values)
        return True

    def finish(self) -> dict[str, Any]:
        """Judge all proxies that are measured, in earlier runs too; write and return what `proxies.json` holds.

        `tau_of_losses`: the same rank correlation, with the policy's loss after training in full in the place of Elo: no games are
        in it, and so none of their luck.
        """
        networks = self.anchors.networks
        elo, cost = (np.array([row[name] for row in networks]) for name in ("elo", "mflop"))
        shared = self._shared or _supernet_before(self.folder / FILE)
        losses = -1000 * np.array([row["log_loss"] for row in networks])
        judged: list[Judged] = []
        of_losses: dict[str, float] = {}
        measured: dict[str, list[dict[str, float]]] = {}
        for proxy in PROXIES:
            supernet = shared[1] if proxy.name == "shared" and shared is not None else ""
            keys = [(proxy.source, str(row["name"]), supernet) for row in networks]
            if not all(key in self._known for key in keys):
                continue
            found = measured[proxy.name] = [self._known[key] for key in keys]
            features = np.array([[one[name] for name, _ in proxy.names] for one in found])
            names, signs = [name for name, _ in proxy.names], [sign for _, sign in proxy.names]
            seconds = float(np.mean([one["seconds"] for one in found]))
            judged.append(judge(proxy.name, names, signs, features, elo, seconds, cost))
            of_losses[proxy.name] = round(judge(proxy.name, names, signs, features, losses).tau, 4)
        result = {
            "format": FORMAT,
            "anchors": str(self.anchors.folder.resolve()),
            "strength": _strength_of(self.anchors),
            "games": self._games,
            "short_steps": self.settings.short_steps,
            "supernet": None if shared is None else {"folder": shared[0], "digest": shared[1]},
            "proxies": [one.to_dict() for one in judged],
            "tau_of_losses": of_losses,
            "foretold": {
                one.name: [
                    {"anchor": row["name"], "elo": row["elo"], "foretold": one.fit.predict(values)}
                    for row, values in zip(networks, measured[one.name], strict=True)
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
    """Of the judgement, and of what it was made with."""
    hand: float
    """Elo at equal visits that the proxy foretells of the hand-made network."""
    games: str
    """Digest of the games that it was judged with."""
    supernet_digest: str | None
    short_steps: int
    """That the proxy was judged with."""

    @property
    def settings(self) -> GoNasSettings:
        """The anchors', with training in short as the proxy was judged."""
        return _with_steps(self.anchors.settings, self.short_steps)

    def check(self) -> None:
        """Whether networks would be measured as those were that the proxy was judged by; reads the games where they matter.

        Raises:
            ProxyError: the games or the supernet have changed since. GameDataError, TrainingError: there are no such games.
        """
        if self.judged.name in _LEARNING and positions_of(self.anchors.settings).digest != self.games:
            raise ProxyError(
                f"the games of {', '.join(self.anchors.settings.full.data.stores)} are others than those that the proxy "
                f"{self.judged.name} was judged with: run alphago nas proxies anew, with another --out"
            )
        if self.judged.name == "shared" and self.supernet is not None:
            open_supernet(self.supernet, self.anchors.settings)
            if digest_of(self.supernet) != self.supernet_digest:
                raise ProxyError(
                    f"{self.supernet}: holds another supernet than the one that was judged: alphago nas proxies --resume judges it"
                )


def choose_proxy(folder: Path, name: str | None = None) -> Chosen:
    """The proxy of a name, or `DEFAULT`.

    Raises:
        ProxyError: none was judged, there is no such one, or it is refused; says why. The anchors have played since, or their
            matches give time no price.
    """
    path = folder / FILE
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(found, dict) or found.get("format") != FORMAT:
            raise ProxyError(f"{path}: no proxies of format {FORMAT}")
        judged = {one.name: one for one in map(Judged.from_dict, found["proxies"])}
        anchors, strength, games = Path(found["anchors"]), str(found["strength"]), str(found["games"])
        short_steps = int(found["short_steps"])
        shared = (
            None if found["supernet"] is None else (Path(found["supernet"]["folder"]), str(found["supernet"]["digest"]))
        )
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
    fit = [one.name for one in judged.values() if one.refusal is None]
    rest = "; ".join(f"{one.name} {one.tau:.2f}" for one in judged.values())
    if not judged:
        raise ProxyError(f"{path}: no proxy is measured to its end: go on with alphago nas proxies --resume")
    if name is None:
        first = judged.get(DEFAULT) or max(judged.values(), key=lambda one: one.tau)
        if not fit:
            raise ProxyError(f"{path}: no proxy may be searched by: {first.name}: {first.refusal} (tau: {rest})")
        if DEFAULT not in fit:
            why = f"is refused: {judged[DEFAULT].refusal}" if DEFAULT in judged else "was not judged"
            raise ProxyError(
                f"{path}: the proxy {DEFAULT} {why}; --proxy names another: {', '.join(fit)} (tau: {rest})"
            )
        chosen = judged[DEFAULT]
    elif name not in judged:
        raise ProxyError(
            f"{path}: no proxy {name!r}{did_you_mean(name, judged)} was judged; there are {', '.join(judged)}"
        )
    else:
        chosen = judged[name]
        if chosen.refusal is not None:
            raise ProxyError(f"the proxy {name} is refused: {chosen.refusal} (tau: {rest})")
    met = read_anchors(anchors)
    if _strength_of(met) != strength:
        raise ProxyError(
            f"{anchors}: the anchors have other ratings than those that {path} was fitted to: run alphago nas proxies --resume"
        )
    if met.kappa <= 0 or (met.kappa_low is not None and met.kappa_low <= 0):
        low = "" if met.kappa_low is None else f", at least {met.kappa_low:+.0f} with 95 %"
        raise ProxyError(
            f"{anchors}: a doubling of visits gained {met.kappa:+.0f} Elo{low}: time has no price by these matches; let more be "
            f"played (anchors.doubling_games, then alphago nas anchors --resume)"
        )
    place, held = shared or (None, None)
    made = _digest([chosen.to_dict(), strength, games, held if chosen.name == "shared" else None, short_steps])
    return Chosen(chosen, met, place, made, hand[chosen.name], games, held, short_steps)


def _with_steps(settings: GoNasSettings, short_steps: int | None) -> GoNasSettings:
    return settings if short_steps is None else settings.model_copy(update={"short_steps": short_steps})


def _strength_of(anchors: Anchors) -> str:
    """16 hexadecimal digits that stand for what proxies are fitted to: the anchors' networks and ratings."""
    return _digest([[row["name"], row["hash"], row["elo"]] for row in anchors.networks])


def _networks_of(anchors: Anchors) -> str:
    """16 hexadecimal digits that stand for the anchors' networks and what they learned from, not for their games: there may be
    more of them one day, and what proxies measure stays what it is."""
    networks = [[row["name"], row["hash"]] for row in anchors.networks]
    return _digest([anchors.settings.of_networks(), networks])


def _digest(values: Any) -> str:
    return hashlib.sha256(json.dumps(values).encode()).hexdigest()[:16]


def _supernet_before(path: Path) -> tuple[str, str] | None:
    """Folder and digest of the supernet of an earlier judgement, whose measurements stay what they are."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))["supernet"]
        return None if found is None else (str(found["folder"]), str(found["digest"]))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ProxyError(f"{path}: {error.strerror or error}") from None
    except (ValueError, KeyError, TypeError):
        raise ProxyError(f"{path}: damaged: delete it, and it is made anew") from None


def _read(path: Path) -> dict[tuple[str, str, str], dict[str, float]]:
    """What a journal holds, by proxy, anchor and supernet.

    A last line that a killed process left unfinished is dropped, from the file too.
    """
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
            key = str(row["proxy"]), str(row["anchor"]), str(row["supernet"])
            known[key] = {name: float(value) for name, value in row["found"].items()}
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
