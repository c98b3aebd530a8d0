"""Networks through PyTorch: the CPU in fp32 or bf16, and CUDA in bf16 or fp32 with CUDA graphs."""

from __future__ import annotations

import numpy as np
import torch

from alphago.nets.architecture import GLOBALS, NetworkError
from alphago.nets.evaluator import Floats, Outputs, PlayModule, check_fit, new_buffers
from alphago.nets.modules import Network, folded, folded_state

PRECISIONS = ("fp32", "bf16")
_DTYPE = {"fp32": torch.float32, "bf16": torch.bfloat16}


class _Weights:
    """The module that clones share; swap_weights writes into its tensors."""

    def __init__(self, network: Network, device: torch.device, precision: str) -> None:
        self.network = network
        self.device, self.precision = device, precision
        # Folded in fp32, then rounded once.
        self.module = PlayModule(folded(network)).to(device=device, dtype=_DTYPE[precision]).eval()
        self.module = self.module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    @torch.no_grad()
    def swap(self, network: Network) -> None:
        if network.architecture != self.network.architecture:
            raise NetworkError("swap_weights: the networks have different architectures")
        threads = torch.get_num_threads()
        torch.set_num_threads(1)  # a few MiB: calling other threads takes longer, above all on a busy machine
        try:
            fresh = folded_state(network)
            for name, tensor in self.module.network.state_dict().items():
                tensor.copy_(fresh[name])  # in place: captured CUDA graphs see it too
        finally:
            torch.set_num_threads(threads)
        self.network = network


class TorchEvaluator:
    """An `Evaluator` on PyTorch. On CUDA the batch's kernels are captured once in a CUDA graph and replayed.

    Args:
        network: from `build` or `load_network`.
        size, batch: of the one shape that is run.
        precision: one of `PRECISIONS`.
        device: "cpu" or "cuda[:n]".
        threads: of PyTorch's CPU kernels, for the whole process; None leaves them.

    Raises:
        NetworkError: the network does not fit the size, or the device is not there.
    """

    def __init__(
        self,
        network: Network,
        size: int,
        batch: int,
        *,
        precision: str = "fp32",
        device: str = "cpu",
        threads: int | None = None,
        _weights: _Weights | None = None,
    ) -> None:
        check_fit(network, size, batch)
        if precision not in PRECISIONS:
            raise NetworkError(f"torch: precision must be one of {', '.join(PRECISIONS)}, got {precision!r}")
        if device.startswith("cuda") and not torch.cuda.is_available():
            raise NetworkError("torch: no CUDA device here")
        if threads is not None:
            torch.set_num_threads(threads)
        self._weights = _weights or _Weights(network, torch.device(device), precision)
        self._size, self._batch = size, batch
        self._graph: torch.cuda.CUDAGraph | None = None
        if self._weights.device.type == "cuda":
            self._capture()

    def _capture(self) -> None:
        """Static inputs and outputs on the device, pinned ones on the host, and the graph between them."""
        w = self._weights
        planes = self._weights.network.architecture.planes
        dtype = _DTYPE[w.precision]
        shape = (self._batch, planes, self._size, self._size)
        self._device_in = (
            torch.zeros(shape, device=w.device, dtype=dtype).to(memory_format=torch.channels_last),
            torch.zeros(self._batch, GLOBALS, device=w.device, dtype=dtype),
        )
        self._stream = torch.cuda.Stream(device=w.device)  # type: ignore[no-untyped-call]
        with torch.no_grad(), torch.cuda.stream(self._stream):
            for _ in range(3):  # lazily made workspaces must exist before the capture
                w.module(*self._device_in)
            self._stream.synchronize()
            self._graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(self._graph, stream=self._stream):
                self._device_out = [t.float() for t in w.module(*self._device_in)]
        self._host_out = [torch.empty(t.shape, pin_memory=True) for t in self._device_out]

    @property
    def feature_set(self) -> str:
        return self._weights.network.architecture.feature_set

    @property
    def size(self) -> int:
        return self._size

    @property
    def batch(self) -> int:
        return self._batch

    def describe(self) -> str:
        w = self._weights
        where = f"{torch.get_num_threads()} threads" if w.device.type == "cpu" else torch.cuda.get_device_name(w.device)
        return f"torch {w.precision}, batch {self._batch}, {where}"

    def buffers(self) -> tuple[Floats, Floats]:
        if self._weights.device.type == "cpu":
            return new_buffers(self._weights.network, self._size, self._batch)
        planes = self._weights.network.architecture.planes
        shapes = ((self._batch, planes, self._size, self._size), (self._batch, GLOBALS))
        pinned = [torch.zeros(shape, pin_memory=True).numpy() for shape in shapes]
        return pinned[0], pinned[1]

    @torch.no_grad()
    def evaluate(self, planes: Floats, globals_: Floats) -> Outputs:
        w = self._weights
        inputs = (torch.from_numpy(planes), torch.from_numpy(globals_))
        if self._graph is None:
            x = inputs[0].to(dtype=_DTYPE[w.precision], memory_format=torch.channels_last)
            out = w.module(x, inputs[1].to(_DTYPE[w.precision]))
            return w.module.outputs([np.ascontiguousarray(t.float().numpy()) for t in out])
        with torch.cuda.stream(self._stream):
            for device, host in zip(self._device_in, inputs, strict=True):
                device.copy_(host, non_blocking=True)
            self._graph.replay()
            for pinned, t in zip(self._host_out, self._device_out, strict=True):
                pinned.copy_(t, non_blocking=True)
        self._stream.synchronize()
        return w.module.outputs([t.numpy() for t in self._host_out])

    def clone(self) -> TorchEvaluator:
        w = self._weights
        return TorchEvaluator(
            w.network, self._size, self._batch, precision=w.precision, device=str(w.device), _weights=w
        )

    def swap_weights(self, network: Network) -> None:
        self._weights.swap(network)
