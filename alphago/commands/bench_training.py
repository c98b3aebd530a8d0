"""What `alphago bench batches` and `alphago bench training` measure."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

ROUNDS: Final = 5
WARM_UP: Final = 5


def batches_row(
    games: str, size: int | None, feature_set: str, seconds: float, threads: int, outputs: str
) -> dict[str, Any]:
    """Examples a second that are replayed and written, without a learner."""
    import numpy as np

    from alphago.data.batches import OUTPUTS, Sampler, make_batch
    from alphago.data.embedded import resolve
    from alphago.data.game_set import load_games

    found = load_games([resolve(games)], sizes=[size] if size else ())
    sampler = Sampler(found.examples(), seed=1)
    wanted = ("planes", "globals", "move", "policy", "outcome", "score") if outputs == "usual" else OUTPUTS
    batch, done, start = 256, 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        make_batch(found, *sampler.draw(done, batch), feature_set, wanted, threads=threads)
        done += batch
    elapsed = time.perf_counter() - start
    return {
        "games": games,
        "size": int(found.width),
        "set": feature_set,
        "positions_per_second": round(done / elapsed, 1),
        "positions_per_second_per_thread": round(done / elapsed / threads, 1),
        "moves_before": round(float(np.mean(found.move_number(sampler.draw(0, 2048)[0]))), 1),
        "threads": threads,
        "seconds": round(elapsed, 2),
    }


def training_row(
    games: str,
    size: int,
    blocks: int,
    channels: int,
    feature_set: str,
    batch: int,
    steps: int,
    device: str,
    compile_: bool,
) -> dict[str, Any]:
    """Steps of the trainer on real batches against a bare PyTorch loop on tensors made before, in turns.

    Both train the same network with the same heads, loss, optimiser and precision; the bare loop has no data, no averages, no
    norm of the gradient and no numbers for people.
    """
    import torch

    from alphago.machine import usable_threads
    from alphago.nets.architecture import Residual
    from alphago.train.distributed import joined
    from alphago.train.loop import TrainingSettings
    from alphago.train.optim import OptimizerSettings, ScheduleSettings
    from alphago.train.supervised import DataSettings, SupervisedSettings, prepare

    torch.set_num_threads(usable_threads())
    settings = SupervisedSettings(
        data=DataSettings(stores=(games,), sizes=(size,)),
        network=Residual(blocks=blocks, channels=channels, feature_set=feature_set),  # type: ignore[arg-type]
        training=TrainingSettings(
            batch=batch,
            steps=1_000_000,
            compile=compile_,
            optimizer=OptimizerSettings(kind="adamw"),
            schedule=ScheduleSettings(kind="constant", warmup=0),
        ),
    )
    ours, bare = [], []
    with tempfile.TemporaryDirectory(prefix="alphago-bench-") as folder, joined(device) as place:
        task = prepare(settings, Path(folder), place)
        trainer = task.trainer
        source = trainer.open_source(0)
        loop = _Bare(settings, next(source), place.device)
        try:
            for count in (WARM_UP, *[steps] * ROUNDS):
                ours.append(_timed(lambda: trainer.take(next(source)), count, place.device))
                bare.append(_timed(loop.step, count, place.device))
        finally:
            source.close()
    mine, theirs = (batch * steps / statistics.median(times[1:]) for times in (ours, bare))
    return {
        "network": f"{blocks}x{channels}",
        "size": size,
        "set": feature_set,
        "batch": batch,
        "device": str(device),
        "compiled": compile_,
        "positions_per_second": round(mine, 1),
        "bare_positions_per_second": round(theirs, 1),
        "share": round(statistics.median(b / a for a, b in zip(ours[1:], bare[1:], strict=True)), 4),
        "rounds": ROUNDS,
        "steps": steps,
    }


class _Bare:
    """The loop that anyone would write: forward, backward, step."""

    def __init__(self, settings: Any, batch: Any, device: Any) -> None:
        import torch

        from alphago.nets.modules import build
        from alphago.nets.runtimes import learns_in_bf16

        self._torch, self._bf16 = torch, learns_in_bf16(settings.training.precision, device)
        self._network = build(settings.network, 1).to(device).train()
        self._network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._model = torch.compile(self._network) if settings.training.compile else self._network
        self._optimizer = torch.optim.AdamW(self._network.parameters(), lr=1e-3, fused=True)
        tensors = {name: torch.from_numpy(array).to(device) for name, array in batch.items()}
        self._planes = (
            tensors["planes"].to(torch.bfloat16 if self._bf16 else torch.float32).to(memory_format=torch.channels_last)
        )
        self._targets, self._weights, self._device = tensors, settings.loss, device

    def step(self) -> None:
        from alphago.train.losses import losses

        self._optimizer.zero_grad(set_to_none=True)
        with self._torch.autocast(self._device.type, self._torch.bfloat16, enabled=self._bf16):
            out = self._model(self._planes, self._targets["globals"])
        losses(out, self._targets, self._weights)["total"].backward()  # type: ignore[no-untyped-call]
        self._optimizer.step()


def _timed(work: Callable[[], None], times: int, device: Any) -> float:
    import torch

    start = time.perf_counter()
    for _ in range(times):
        work()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start
