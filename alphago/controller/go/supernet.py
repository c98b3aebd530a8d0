"""One set of weights for all networks of a space (ENAS: Pham, Guan, Zoph, Le and Dean 2018, arXiv 1802.03268, section 2).

A network's tensors are slices of shared ones: the first so many filters of each convolution, the middle of a 5x5 filter where
it has 3x3, the first so many blocks; each kind of block has shared tensors of its own. A step of training draws an architecture and
moves the slices that it uses. A trained supernet then says of any network how good it is, for the price of a measurement; whether
what it says can be believed is for `alphago.controller.go.proxies` to find out.
"""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn
from torch.func import functional_call

from alphago.controller.go.learning import Positions, measured_losses, open_source, positions_of
from alphago.controller.go.networks import architecture_of
from alphago.controller.go.settings import GoNasSettings
from alphago.controller.nas.space import Space
from alphago.nets.architecture import Residual
from alphago.nets.layers import MaskedNorm
from alphago.nets.modules import build
from alphago.nets.runtimes import learns_in_bf16
from alphago.seeds import game_seed
from alphago.train.folders import begin_folder, checkpoints, whole_checkpoint
from alphago.train.losses import losses
from alphago.train.optim import (
    TrainingError,
    clip_gradients,
    learning_rate,
    load_optimizer_tensors,
    make_optimizer,
    optimizer_tensors,
)

STAGE: Final = "nas supernet"
_TENSORS: Final = "tensors.safetensors"
_STATE: Final = "state.json"
_POOLED: Final = ("from_pool.weight", "policy_bias.weight", "policy_pass.weight", "value_hidden.weight")
"""Layers that read a pooling's three numbers of every channel: [mean of all, scaled mean of all, maximum of all]."""
_SECONDS: Final = 300.0
"""Between checkpoints."""


class SharedWeights(nn.Module):
    """The shared tensors, by the names that the networks' own tensors have; those in blocks under their kind.

    Args:
        space: whose networks share them.
        base: what the space does not decide.
        seed: of the first weights.
    """

    def __init__(self, space: Space, base: Residual, seed: int = 0) -> None:
        super().__init__()
        self.base = base
        options = {decision.name: decision.options for decision in space.decisions}
        widest: dict[str, Any] = {
            name: max(values) for name, values in options.items() if name not in ("block", "activation")
        }
        widest |= {"pool_every": 1 if any(options.get("pool_every", (base.pool_every,))) else 0}
        reductions = [r for r in options.get("squeeze", (base.squeeze,)) if r]
        widest |= {"squeeze": min(reductions, default=0)}
        self.tensors = nn.ParameterDict()
        for kind in options.get("block", (base.block,)):
            largest = build(architecture_of({**widest, "block": kind}, base), seed)
            for name, parameter in largest.named_parameters():
                key = _key(name, kind)
                if key not in self.tensors:
                    tensor = parameter.detach().clone()
                    self.tensors[key] = nn.Parameter(_split(name, tensor) if name.endswith(_POOLED) else tensor)

    def slices(self, network: nn.Module, kind: str) -> dict[str, Tensor]:
        """For every parameter of a network its part of the shared tensors: views, through which gradients flow."""
        found = {}
        for name, parameter in network.named_parameters():
            shared = self.tensors[_key(name, kind)]
            if name.endswith(_POOLED):
                width = parameter.shape[1] // 3
                found[name] = shared[: parameter.shape[0], :, :width].reshape(parameter.shape)
            else:
                found[name] = shared[tuple(map(_part, shared.shape, parameter.shape, range(4)))]
        return found


def digest_of(folder: Path) -> str | None:
    """16 hexadecimal digits that stand for the weights in a supernet's folder; None: there are none. Raises TrainingError."""
    found = checkpoints(folder)
    if not found:
        return None
    path = found[-1] / _TENSORS
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    except OSError as error:
        raise TrainingError(f"{path}: {error.strerror or error}") from None


def _key(name: str, kind: str) -> str:
    """ParameterDict takes no dots."""
    return (f"{kind}/{name}" if name.startswith("blocks.") else name).replace(".", "|")


def _split(name: str, weight: Tensor) -> Tensor:
    """[out, 3 w] to [out, 3, w]: the first so many channels are then a slice."""
    return weight.reshape(weight.shape[0], 3, -1)


def _part(all_: int, wanted: int, axis: int) -> slice:
    """The first so many of a tensor's channels; of a filter (axes 2 and 3) the middle."""
    start = (all_ - wanted) // 2 if axis >= 2 else 0
    return slice(start, start + wanted)


class Supernet:
    """A run that trains shared weights; it can be stopped and gone on with.

    Args:
        folder: of the run.
        watcher: told (step, all steps, numbers).

    Raises:
        TrainingError: the folder holds another run, or one and `resume` is off; a damaged checkpoint.
        GameDataError: as `positions_of`.
    """

    def __init__(
        self,
        folder: Path,
        settings: GoNasSettings,
        *,
        resume: bool = False,
        device: str = "cpu",
        watcher: Callable[[int, int, Mapping[str, float]], None] | None = None,
    ) -> None:
        self.folder, self.settings = folder, settings
        self.space = settings.space()
        self.positions: Positions = positions_of(settings)
        wanted = {"stage": STAGE, "settings": settings.of_networks(), "games": self.positions.digest}
        begin_folder(folder, wanted, resume=resume)
        self.device = torch.device(device)
        self._bf16 = learns_in_bf16(settings.full.training.precision, self.device)
        self.shared = SharedWeights(self.space, settings.reference, settings.full.training.seed).to(self.device)
        self.optimizer = make_optimizer(self.shared, settings.full.training.optimizer)
        self.step, self.cursor, self.seconds = 0, 0, 0.0
        self._watcher, self._stop = watcher, False
        found = checkpoints(folder)
        if found:
            self._load(found[-1])

    @property
    def total(self) -> int:
        """Steps of the whole run."""
        return self.settings.supernet.steps

    def stop(self) -> None:
        """End after the step under way, with a checkpoint."""
        self._stop = True

    def train(self) -> bool:
        """Train until the last step. False: it was stopped before; a checkpoint is there. Raises TrainingError."""
        full, before, started = self.settings.full, self.seconds, time.monotonic()
        saved = started
        source: Any = None
        try:
            while self.step < self.total:
                architecture = self.drawn(self.step)
                if source is None:  # input planes are the same for all
                    source = open_source(self.positions, full, build(architecture), self.cursor)
                values = self._take(next(source), architecture)
                self.step += 1
                self.cursor = source.cursor
                now = time.monotonic()
                self.seconds = before + now - started
                if self._watcher is not None:
                    self._watcher(self.step, self.total, values)
                stop = self._stop
                if stop or self.step == self.total or now - saved > _SECONDS:
                    self.save()
                    saved = now
                if stop:
                    break
        finally:
            if source is not None:
                source.close()
        return self.step >= self.total

    def drawn(self, step: int) -> Residual:
        """The architecture of a step: uniform over the space's decisions, a function of the seed and the step."""
        random = np.random.default_rng(game_seed(self.settings.full.training.seed, step))
        return architecture_of(self.space.value(self.space.draw(random)), self.settings.reference)

    def _take(self, batch: Mapping[str, Any], architecture: Residual) -> dict[str, float]:
        settings, full = self.settings, self.settings.full
        training = full.training
        rate = learning_rate(training.schedule, training.optimizer.lr, self.step, self.total)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        network = build(architecture).to(self.device).train()
        target = {name: torch.from_numpy(array).to(self.device) for name, array in batch.items()}
        self.optimizer.zero_grad(set_to_none=True)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self._bf16):
            planes = target["planes"].to(torch.bfloat16 if self._bf16 else torch.float32)
            slices = self.shared.slices(network, architecture.block)
            outputs = functional_call(network, slices, (planes, target["globals"], target.get("mask")))
        found = losses(outputs, target, full.loss, full.value_target)
        found["total"].backward()  # type: ignore[no-untyped-call]
        norm = clip_gradients(self.shared.parameters(), training.clip)
        values = {name: float(value.detach()) for name, value in found.items()}
        if not all(map(math.isfinite, [float(norm), *values.values()])):
            raise TrainingError(f"a loss is not finite in step {self.step + 1} of {settings.supernet.steps}")
        self.optimizer.step()
        return values | {"gradient": float(norm), "learning_rate": rate}

    def measure(self, architecture: Residual) -> dict[str, float]:
        """Held-out losses of a network with shared weights, its batch statistics taken anew from games that are learned from."""
        network = build(architecture)
        own = network.state_dict()
        with torch.no_grad():
            for name, tensor in self.shared.slices(network, architecture.block).items():
                own[name].copy_(tensor)
        network.to(self.device)
        for module in network.modules():
            if isinstance(module, MaskedNorm):
                module.reset_running_stats()
                module.momentum = None  # the mean of all batches that follow
        source: Any = open_source(self.positions, self.settings.full, network)
        network.train()
        try:
            with torch.no_grad():
                for _ in range(self.settings.supernet.recalibration):
                    batch = next(source)
                    planes, globals_ = (torch.from_numpy(batch[name]).to(self.device) for name in ("planes", "globals"))
                    network(planes.float(), globals_)
        finally:
            source.close()
        return measured_losses(network.eval(), self.positions, self.settings.full, self.device)

    def save(self) -> None:
        """Write a checkpoint. Raises TrainingError."""
        tensors = {
            f"shared.{name}": tensor.detach().cpu().contiguous() for name, tensor in self.shared.state_dict().items()
        }
        tensors |= {f"optimizer.{name}": tensor for name, tensor in optimizer_tensors(self.optimizer).items()}
        state = {"step": self.step, "cursor": self.cursor, "seconds": self.seconds}
        with whole_checkpoint(self.folder, self.step) as folder:
            (folder / _TENSORS).write_bytes(safetensors.torch.save(tensors))
            (folder / _STATE).write_text(json.dumps(state), encoding="utf-8")

    def _load(self, path: Path) -> None:
        try:
            state = json.loads((path / _STATE).read_text(encoding="utf-8"))
            parts: dict[str, dict[str, Tensor]] = {"shared": {}, "optimizer": {}}
            for name, tensor in safetensors.torch.load((path / _TENSORS).read_bytes()).items():
                part, _, key = name.partition(".")
                parts[part][key] = tensor
            self.shared.load_state_dict(parts["shared"])
            load_optimizer_tensors(self.optimizer, parts["optimizer"])
            self.step, self.cursor = int(state["step"]), int(state["cursor"])
            self.seconds = float(state["seconds"])
        except OSError as error:
            raise TrainingError(f"{path}: {error.strerror or error}") from None
        except (ValueError, KeyError, TypeError, RuntimeError, safetensors.SafetensorError) as error:
            raise TrainingError(f"{path}: the checkpoint is damaged: {str(error).splitlines()[0]}") from None
