"""Networks on the CPU through OpenVINO: fp32, bf16, and int8 after calibration.

Evaluators that share a compiled model each have an inference request of their own; the model has one stream, with its share of
the threads, for each of them, so that worker threads run batches side by side without waiting for one another.
"""

from __future__ import annotations

import functools
import json
from typing import Any, Final

import numpy as np
import torch

from alphago.nets import vendor
from alphago.nets.architecture import GLOBALS, NetworkError, architecture_of
from alphago.nets.evaluator import Floats, Outputs, PlayModule, check_fit, new_buffers
from alphago.nets.modules import Network, build, folded, folded_state

PRECISIONS = ("fp32", "bf16", "int8")
_KEPT: Final = 16
"""Architectures whose conversion is kept."""


def convert(module: PlayModule, size: int, batch: int) -> Any:
    """An openvino.Model of fixed shape that does what `module` does."""
    planes = module.network.architecture.planes
    example = (torch.zeros(batch, planes, size, size), torch.zeros(batch, GLOBALS))
    with vendor.silence():  # the tracer warns that the board size becomes a constant: it is meant to
        model = vendor.openvino().convert_model(module.eval(), example_input=example)
    model.reshape({0: list(example[0].shape), 1: list(example[1].shape)})
    return model


@functools.lru_cache(maxsize=_KEPT)
def _converted(architecture: str, size: int, batch: int) -> tuple[Any, dict[bytes, str]]:
    """The openvino.Model of an architecture (in JSON) with random numbers for weights, and the tensor that each of these is.

    Kept, since a conversion takes a second and leaves megabytes behind for good.
    """
    probe = folded(build(architecture_of(json.loads(architecture))))
    random = np.random.default_rng(0)
    for tensor in probe.state_dict().values():
        tensor.copy_(torch.from_numpy(random.normal(0, 0.1, tuple(tensor.shape)).astype(np.float32)))
    model = convert(PlayModule(probe), size, batch)
    return model, {t.numpy().tobytes(): name for name, t in probe.state_dict().items()}


class Graph:
    """A network's openvino.Model whose weights can be replaced without another conversion, which takes a second or more.

    What is converted is the architecture with random numbers for weights. They tell which constant of the model is which tensor
    (two biases of zeros could not be told apart), and then the weights are written in their places.

    Args:
        as_inputs: the weights are inputs of the model, after planes and globals, and `arrays` holds them: new ones need no
            compilation either. OpenVINO then packs them at every call, which costs a little.
    """

    def __init__(self, network: Network, size: int, batch: int, *, as_inputs: bool = False) -> None:
        pristine, by_content = _converted(network.architecture.model_dump_json(), size, batch)
        self.model = pristine.clone()
        self._places: dict[str, Any] = {}
        for op in self.model.get_ops():
            if op.get_type_name() == "Constant" and op.get_element_type().is_real():
                name = by_content.get(np.ascontiguousarray(op.data).tobytes())
                if name is not None:
                    self._places[name] = op
                elif op.data.size > 1:
                    raise NetworkError(f"openvino: cannot tell which weights constant {op.get_friendly_name()!r} holds")
        self.arrays: list[Floats] = []
        self._as_inputs = as_inputs
        if as_inputs:
            for op in self._places.values():
                parameter = vendor.openvino().opset13.parameter(list(op.shape), np.float32)
                op.output(0).replace(parameter.output(0))
                self.model.add_parameters([parameter])
                self.arrays.append(np.zeros(tuple(op.shape), dtype=np.float32))
            self.model.validate_nodes_and_infer_types()
        self.write(network)

    def write(self, network: Network) -> None:
        """Put the weights of a network of the same architecture into the model."""
        make = vendor.openvino().opset13.constant
        state = folded_state(network)
        if self._as_inputs:
            for array, name in zip(self.arrays, self._places, strict=True):
                array[...] = state[name].detach().cpu().numpy().reshape(array.shape)
            return
        for name, old in self._places.items():
            fresh = make(state[name].detach().cpu().numpy().reshape(tuple(old.shape)))
            fresh.set_friendly_name(old.get_friendly_name())
            old.output(0).replace(fresh.output(0))
            self._places[name] = fresh


class _Shared:
    """What clones share: the compiled model, replaced by swap_weights."""

    def __init__(
        self, network: Network, size: int, batch: int, precision: str, workers: int, threads: int, swappable: bool
    ) -> None:
        self.size, self.batch, self.precision = size, batch, precision
        self.workers, self.threads, self.swappable = workers, threads, swappable
        self.network = network
        self.module = PlayModule(network)
        self.graph = Graph(network, size, batch, as_inputs=swappable)
        self.generation = 0
        self._compile()

    def swap(self, network: Network) -> None:
        self.graph.write(network)
        self.network = network
        if not self.swappable:
            self._compile()

    def _compile(self) -> None:
        model = self.graph.model
        if self.precision == "int8":
            from alphago.nets.int8 import kept, quantized

            # weights that are swapped in are a learner's: they never come again
            make = quantized if self.generation else kept
            model = make(model, self.network, self.size, self.batch)
        config: dict[str, Any] = {
            "NUM_STREAMS": self.workers,
            "INFERENCE_NUM_THREADS": self.threads,
            "INFERENCE_PRECISION_HINT": "bf16" if self._takes_bf16() else "f32",
            "ENABLE_CPU_PINNING": False,
        }
        self.compiled = vendor.core().compile_model(model, "CPU", config)
        self.generation += 1

    def _takes_bf16(self) -> bool:
        """Whether operations that are not int8 run in bfloat16: under int8 where the processor has instructions for it. Elsewhere
        OpenVINO emulates them, and the stem and the heads alone cost a third of an int8 network's speed."""
        return self.precision == "bf16" or (self.precision == "int8" and vendor.openvino_has_bf16())


class OpenVinoEvaluator:
    """An `Evaluator` on OpenVINO.

    Args:
        network: from `build` or `load_network`.
        size, batch: of the one graph that is compiled.
        precision: one of `PRECISIONS`. bf16 is slow where the processor has no such instructions.
        workers: evaluators (this one and its clones) that will run at the same time.
        threads: of all of them together.
        swappable: `swap_weights` takes a millisecond instead of a compilation, and every evaluation a little longer. Not int8.

    Raises:
        NetworkError: the network does not fit the size.
    """

    def __init__(
        self,
        network: Network,
        size: int,
        batch: int,
        *,
        precision: str = "bf16",
        workers: int = 1,
        threads: int = 1,
        swappable: bool = False,
        _shared: _Shared | None = None,
    ) -> None:
        check_fit(network, size, batch)
        if precision not in PRECISIONS:
            raise NetworkError(f"openvino: precision must be one of {', '.join(PRECISIONS)}, got {precision!r}")
        if swappable and precision == "int8":
            raise NetworkError("openvino: int8 weights cannot be swapped: they are calibrated")
        self._shared = _shared or _Shared(network, size, batch, precision, workers, threads, swappable)
        self._generation = 0
        self._bound: tuple[int, int] | None = None
        self._renew()

    def _renew(self) -> None:
        self._request = self._shared.compiled.create_infer_request()
        for i, array in enumerate(self._shared.graph.arrays):
            self._request.set_input_tensor(2 + i, vendor.openvino().Tensor(array, shared_memory=True))
        self._generation = self._shared.generation
        self._bound = None

    @property
    def feature_set(self) -> str:
        return self._shared.network.architecture.feature_set

    @property
    def size(self) -> int:
        return self._shared.size

    @property
    def batch(self) -> int:
        return self._shared.batch

    def describe(self) -> str:
        s = self._shared
        return f"openvino {s.precision}, batch {s.batch}, {s.workers} x {max(1, s.threads // s.workers)} threads"

    def buffers(self) -> tuple[Floats, Floats]:
        return new_buffers(self._shared.network, self.size, self.batch)

    def evaluate(self, planes: Floats, globals_: Floats) -> Outputs:
        if self._generation != self._shared.generation:
            self._renew()
        key = (planes.ctypes.data, globals_.ctypes.data)
        if self._bound != key:
            tensor_of = vendor.openvino().Tensor
            self._inputs = [tensor_of(array, shared_memory=True) for array in (planes, globals_)]
            for i, tensor in enumerate(self._inputs):
                self._request.set_input_tensor(i, tensor)
            self._bound = key
        self._request.infer()
        arrays = [self._request.get_output_tensor(i).data for i in range(len(self._shared.module.heads))]
        return self._shared.module.outputs([np.asarray(a) for a in arrays])

    def clone(self) -> OpenVinoEvaluator:
        s = self._shared
        return OpenVinoEvaluator(s.network, s.size, s.batch, precision=s.precision, _shared=s)

    def swap_weights(self, network: Network) -> None:
        """OpenVINO packs weights when it compiles, so this compiles anew, about 0.1 s, unless the evaluator is `swappable`; int8 is
        calibrated anew: seconds."""
        if network.architecture != self._shared.network.architecture:
            raise NetworkError("swap_weights: the networks have different architectures")
        self._shared.swap(network)
