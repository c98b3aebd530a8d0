"""How good a network is on games that it has not seen: accuracy by phase of the game, log-loss, outcome error, calibration."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from alphago.data.batches import make_batch
from alphago.data.game_set import Games
from alphago.data.identity import symmetries as point_symmetries
from alphago.nets.modules import Network

PHASES: Final = 6
"""Accuracy is shown by sixths of the length of a game."""
BINS: Final = 20
"""Of the reliability curve of the outcome."""
_Z95: Final = statistics.NormalDist().inv_cdf(0.975)
_OUTPUTS: Final = ("planes", "globals", "move", "legal", "outcome", "score", "ownership")


@dataclass
class Metrics:
    """Sums over positions, by phase: float64 [PHASES]; the reliability curve by bin: [BINS]."""

    has_policy: bool = False
    positions: NDArray[np.float64] = field(default_factory=lambda: np.zeros(PHASES))
    top1: NDArray[np.float64] = field(default_factory=lambda: np.zeros(PHASES))
    top5: NDArray[np.float64] = field(default_factory=lambda: np.zeros(PHASES))
    log_loss: NDArray[np.float64] = field(default_factory=lambda: np.zeros(PHASES))
    known: NDArray[np.float64] = field(default_factory=lambda: np.zeros(PHASES))
    """Positions whose game has an outcome."""
    squared: NDArray[np.float64] = field(default_factory=lambda: np.zeros(PHASES))
    """Squared errors of the expected outcome against +1, 0, -1."""
    fourth: float = 0.0
    """Sum of the squares of these."""
    right: NDArray[np.float64] = field(default_factory=lambda: np.zeros(PHASES))
    """Winners foretold, of decided games."""
    decided: NDArray[np.float64] = field(default_factory=lambda: np.zeros(PHASES))
    predicted: NDArray[np.float64] = field(default_factory=lambda: np.zeros(BINS))
    """Sum of expected outcomes by bin of -1..1."""
    observed: NDArray[np.float64] = field(default_factory=lambda: np.zeros(BINS))
    in_bin: NDArray[np.float64] = field(default_factory=lambda: np.zeros(BINS))
    score_error: float = 0.0
    """Sum of absolute errors in points."""
    scored: float = 0.0
    owned_right: float = 0.0
    """Points of the board whose owner was foretold."""
    owned: float = 0.0

    def summary(self) -> dict[str, float]:
        """Means over all positions; only what the network predicts and the games know."""
        n, known = self.positions.sum(), self.known.sum()
        out = {"positions": float(n)}
        if self.has_policy:
            out |= {
                "top1": float(self.top1.sum() / n),
                "top5": float(self.top5.sum() / n),
                "log_loss": float(self.log_loss.sum() / n),
            }
        if known:
            out["outcome_mse"] = float(self.squared.sum() / known)
            out["winner"] = float(self.right.sum() / max(1.0, self.decided.sum()))
            out["calibration_error"] = self.calibration_error
        if self.scored:
            out["score_error"] = self.score_error / self.scored
        if self.owned:
            out["ownership"] = self.owned_right / self.owned
        return out

    @property
    def outcome_mse_error(self) -> float:
        """Half the width of the 95 % interval of the outcome's mean squared error, positions being independent."""
        n = self.known.sum()
        if n < 2:
            return 2.0  # squared errors are 0 to 4, and one alone tells nothing
        variance = (self.fourth - self.squared.sum() ** 2 / n) / (n - 1)
        return float(_Z95 * np.sqrt(max(0.0, variance) / n))

    @property
    def calibration_error(self) -> float:
        """Mean distance between expected and mean observed outcome over the bins, weighted by their positions."""
        used = self.in_bin > 0
        gaps = np.abs(self.predicted[used] - self.observed[used])
        return float(gaps.sum() / max(1.0, self.in_bin.sum()))

    def by_phase(self) -> list[dict[str, float]]:
        """One row a phase: share of the game, positions, top1, top5, log_loss, outcome_mse."""
        rows = []
        for i in range(PHASES):
            n, known = max(1.0, self.positions[i]), max(1.0, self.known[i])
            rows.append(
                {
                    "from": i / PHASES,
                    "to": (i + 1) / PHASES,
                    "positions": float(self.positions[i]),
                    "top1": float(self.top1[i] / n),
                    "top5": float(self.top5[i] / n),
                    "log_loss": float(self.log_loss[i] / n),
                    "outcome_mse": float(self.squared[i] / known),
                    "winner": float(self.right[i] / max(1.0, self.decided[i])),
                }
            )
        return rows


@torch.no_grad()
def measure(
    network: Network,
    games: Games,
    positions: NDArray[np.int64],
    *,
    batch: int = 256,
    ensemble: bool = False,
    device: torch.device | None = None,
    bf16: bool = False,
    threads: int = 1,
    on_batch: Callable[[int], None] | None = None,
) -> Metrics:
    """Measure a network on positions of games; it is left in the mode it was in.

    The policy is judged over all moves, legal or not, as it was trained. AlphaGo's "57.0 %" is top-1 with `ensemble`.

    Args:
        ensemble: whether answers are averaged over the 8 symmetries (probabilities of moves and outcomes, not logits).
        on_batch: called with the number of positions done.
    """
    found = Metrics()
    was_training = network.training
    device = device or next(network.parameters()).device
    network.eval()
    lengths = np.diff(games.first)
    mixed = games.is_mixed
    try:
        for start in range(0, len(positions), batch):
            part = positions[start : start + batch]
            game = games.game_of(part)
            phase = np.minimum(PHASES - 1, PHASES * (part - games.first[game]) // np.maximum(1, lengths[game]))
            rows = make_batch(games, part, None, network.architecture.feature_set, _outputs(mixed), threads=threads)
            answers = _answers(network, games, part, rows, mixed, device, bf16, threads, 8 if ensemble else 1)
            _add(found, answers, rows, phase)
            if on_batch is not None:
                on_batch(min(len(positions), start + batch))
    finally:
        network.train(was_training)
    return found


def _outputs(mixed: bool) -> tuple[str, ...]:
    return (*_OUTPUTS, "mask") if mixed else _OUTPUTS


def _answers(
    network: Network,
    games: Games,
    part: NDArray[np.int64],
    rows: Mapping[str, NDArray[Any]],
    mixed: bool,
    device: torch.device,
    bf16: bool,
    threads: int,
    symmetries: int,
) -> dict[str, NDArray[np.float64]]:
    """Probabilities of moves [N, actions], expected outcome [N], score [N], ownership [N, S, S], means over the symmetries."""
    sums: dict[str, NDArray[np.float64]] = {}
    for symmetry in range(symmetries):
        turned = rows
        if symmetry:
            codes = np.full(len(part), symmetry, np.uint8)
            turned = make_batch(
                games, part, codes, network.architecture.feature_set,
                ("planes", "globals", "mask") if mixed else ("planes", "globals"), threads=threads,
            )  # fmt: skip
        planes = torch.from_numpy(turned["planes"]).to(device).float()
        mask = torch.from_numpy(turned["mask"]).to(device) if mixed else None
        with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
            out = network(planes, torch.from_numpy(turned["globals"]).to(device), mask)
        for name, value in _numbers(out).items():
            back = _turned_back(name, value, games, part, symmetry)
            sums[name] = back if name not in sums else sums[name] + back
    return {name: value / symmetries for name, value in sums.items()}


def _numbers(out: Mapping[str, Tensor]) -> dict[str, NDArray[np.float64]]:
    found: dict[str, Tensor] = {}
    if "policy" in out:
        found["policy"] = torch.softmax(out["policy"].float(), dim=1)
    if "outcome" in out:
        p = torch.softmax(out["outcome"].float(), dim=1)
        found["value"] = p[:, 0] - p[:, 2]
    if "value" in out:
        found["value"] = out["value"].float()
    for name in ("score", "ownership"):
        if name in out:
            found[name] = out[name].float()
    return {name: value.cpu().numpy().astype(np.float64) for name, value in found.items()}


def _turned_back(
    name: str, value: NDArray[np.float64], games: Games, part: NDArray[np.int64], symmetry: int
) -> NDArray[np.float64]:
    if symmetry == 0 or value.ndim == 1:
        return value
    width = games.width
    flat = value.reshape(len(value), -1)
    out = np.zeros_like(flat)
    sizes = games.sizes[games.game_of(part)]
    for size in np.unique(sizes).tolist():
        here = sizes == size
        place = point_symmetries(size)[symmetry].astype(np.int64)
        wide = np.append(np.add.outer(np.arange(size) * width, np.arange(size)).ravel(), width * width)
        points = slice(None, -1 if name == "ownership" else None)  # ownership has no entry for the pass
        out[np.ix_(here, wide[points])] = flat[np.ix_(here, wide[place][points])]
    return out.reshape(value.shape)


def _add(
    found: Metrics,
    answers: Mapping[str, NDArray[np.float64]],
    rows: Mapping[str, NDArray[Any]],
    phase: NDArray[np.int64],
) -> None:
    def by_phase(values: NDArray[Any]) -> NDArray[np.float64]:
        return np.bincount(phase, weights=values.astype(np.float64), minlength=PHASES).astype(np.float64)

    found.positions += np.bincount(phase, minlength=PHASES)
    move, index = rows["move"], np.arange(len(phase))
    if "policy" in answers:
        found.has_policy = True
        p = answers["policy"]
        played = p[index, move][:, None]
        # Equal answers stand in the order of the actions, as argmax takes them: bf16 has few different ones.
        is_earlier = np.arange(p.shape[1]) < move[:, None]
        better = ((p > played) | ((p == played) & is_earlier)).sum(axis=1)
        found.top1 += by_phase(better == 0)
        found.top5 += by_phase(better < 5)
        found.log_loss += by_phase(-np.log(np.maximum(p[index, move], 1e-30)))
    outcome = rows["outcome"]
    known = outcome.sum(axis=1) > 0
    if "value" in answers and known.any():
        value, wanted = answers["value"], (outcome[:, 0] - outcome[:, 2]).astype(np.float64)
        found.known += by_phase(known)
        squared = known * (value - wanted) ** 2
        found.squared += by_phase(squared)
        found.fourth += float((squared**2).sum())
        decided = known & (wanted != 0)
        found.decided += by_phase(decided)
        found.right += by_phase(decided & (np.sign(value) == wanted))
        bins = np.clip(((value + 1) / 2 * BINS).astype(np.int64), 0, BINS - 1)[known]
        found.predicted += np.bincount(bins, weights=value[known], minlength=BINS)
        found.observed += np.bincount(bins, weights=wanted[known], minlength=BINS)
        found.in_bin += np.bincount(bins, minlength=BINS)
    if "score" in answers:
        scored = ~np.isnan(rows["score"])
        found.score_error += float(np.abs(answers["score"] - rows["score"])[scored].sum())
        found.scored += float(scored.sum())
    if "ownership" in answers:
        owned = ~np.isnan(rows["ownership"]) & (rows["ownership"] != 0)
        found.owned_right += float((np.sign(answers["ownership"]) == rows["ownership"])[owned].sum())
        found.owned += float(owned.sum())
