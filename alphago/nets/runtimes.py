"""Which runtime runs a network on this machine."""

from __future__ import annotations

import importlib.util
import os
from typing import TYPE_CHECKING, Final, Literal

from alphago.machine import cpuinfo, usable_threads
from alphago.nets import vendor
from alphago.nets.architecture import NetworkError
from alphago.nets.evaluator import Evaluator
from alphago.nets.modules import Network
from alphago.nets.store import load_network

if TYPE_CHECKING:
    import torch

Runtime = Literal["auto", "torch", "openvino"]
Precision = Literal["auto", "fp32", "bf16", "int8"]
RUNTIMES: Final = ("auto", "torch", "openvino")
PRECISIONS: Final = ("auto", "fp32", "bf16", "int8")
_INT8_FLAGS: Final = {"avx512_vnni", "avx_vnni", "amx_int8", "i8mm"}


def cpu_has_bf16() -> bool:
    """The processor multiplies bfloat16 numbers itself, so that bf16 is faster than fp32."""
    if importlib.util.find_spec("openvino") is None:
        import torch

        return bool(getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)())
    return vendor.openvino_has_bf16()


def learns_in_bf16(precision: str, device: torch.device) -> bool:
    """Whether PyTorch computes in bfloat16 while a network learns: where asked to, or under `auto` where the device multiplies such
    numbers itself. Processors that do not take longer for them than for fp32 (docs/training.md)."""
    import torch

    if precision != "auto":
        return precision == "bf16"
    return torch.cuda.is_bf16_supported() if device.type == "cuda" else cpu_has_bf16()


def cpu_has_int8() -> bool:
    """The processor multiplies and adds int8 numbers in one instruction, so that int8 is faster than everything else."""
    flags = (cpuinfo("flags", "Features") or "").split()
    return not _INT8_FLAGS.isdisjoint(flags)


def choose(runtime: str = "auto", precision: str = "auto", *, swappable: bool = False) -> tuple[str, str]:
    """The runtime and precision that `auto` stands for on this machine.

    A CUDA device takes torch in bf16; a CPU takes OpenVINO where it is installed (3 to 6 times as fast as PyTorch there,
    docs/networks.md). There int8 comes first where the processor has instructions for it, although it changes the network's
    answers a little: at equal time it wins (docs/results.md). Then bf16, likewise, then fp32.

    Args:
        swappable: the weights are to be replaced often, which int8 is too slow for.

    Raises:
        NetworkError: an unknown name, or a runtime that is not installed.
    """
    import torch

    if runtime not in RUNTIMES:
        raise NetworkError(f"runtime must be one of {', '.join(RUNTIMES)}, got {runtime!r}")
    if precision not in PRECISIONS:
        raise NetworkError(f"precision must be one of {', '.join(PRECISIONS)}, got {precision!r}")
    has_openvino = importlib.util.find_spec("openvino") is not None
    cuda = torch.cuda.is_available()
    if runtime == "auto":
        runtime = "openvino" if has_openvino and (not cuda or precision == "int8") else "torch"
    if runtime == "openvino" and not has_openvino:
        raise NetworkError("the openvino runtime is not installed: pip install 'alphago[openvino]'")
    if precision == "int8":
        if runtime != "openvino":
            raise NetworkError("int8 needs the openvino runtime")
        if importlib.util.find_spec("nncf") is None:
            raise NetworkError("int8 needs nncf: pip install 'alphago[openvino]'")
    if precision == "auto" and runtime == "openvino" and not swappable and importlib.util.find_spec("nncf") is not None:
        precision = "int8" if cpu_has_int8() else "auto"
    if precision == "auto":
        precision = "bf16" if (runtime == "torch" and cuda) or cpu_has_bf16() else "fp32"
    return runtime, precision


def make_evaluators(
    network: Network | str | os.PathLike[str],
    size: int,
    batch: int,
    *,
    runtime: str = "auto",
    precision: str = "auto",
    workers: int = 1,
    threads: int | None = None,
    swappable: bool = False,
) -> list[Evaluator]:
    """`workers` evaluators of one network, to be run by as many threads at once.

    Args:
        network: from `build` or `load_network`, or the path of a network file.
        size: board size.
        batch: rows of each evaluator's batch.
        threads: of all together; None takes every processor.
        swappable: `swap_weights` is to be quick; not in int8.

    Raises:
        NetworkError: the file, the size or the runtime is not as it must be.
    """
    import torch

    runtime, precision = choose(runtime, precision, swappable=swappable)
    module = load_network(network)[0] if isinstance(network, str | os.PathLike) else network
    threads = threads or usable_threads()
    first: Evaluator
    if runtime == "openvino":
        from alphago.nets.openvino_runtime import OpenVinoEvaluator

        first = OpenVinoEvaluator(
            module, size, batch, precision=precision, workers=workers, threads=threads, swappable=swappable
        )
    else:
        from alphago.nets.torch_runtime import TorchEvaluator

        cuda = torch.cuda.is_available()
        # PyTorch's threads are per calling thread: each worker gets its share.
        share = max(1, threads // workers)
        first = TorchEvaluator(
            module, size, batch, precision=precision, device="cuda" if cuda else "cpu", threads=None if cuda else share
        )
    return [first, *(first.clone() for _ in range(workers - 1))]
