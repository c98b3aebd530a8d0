"""Eight-bit networks for OpenVINO: post-training quantisation by NNCF, calibrated on positions of playouts."""

from __future__ import annotations

from typing import Any

import numpy as np

from alphago import _core
from alphago.nets import vendor
from alphago.nets.architecture import GLOBALS
from alphago.nets.modules import Network

CALIBRATION_POSITIONS = 512
FLOATING_POINT = (
    "stem",
    "globals",
    "policy",
    "value_",
    "outcome",
    "score",
    r"network\.pool",
    r"network\.(last|hidden|out)",
)
"""Parts of the names of the operations that are not quantised."""


def calibration_inputs(network: Network, size: int, count: int, seed: int = 1) -> tuple[Any, Any]:
    """Planes [count, planes, size, size] and globals [count, 7] of positions along light playouts, all stages of the game alike.

    The draw depends on `seed` alone: two quantisations of the same network are the same.
    """
    rng = np.random.default_rng(seed)
    positions: list[_core.Position] = []
    game = 0
    while len(positions) < count:
        start = _core.Position(size, komi=float(rng.integers(11, 18)) / 2)
        _, actions = start.playout("light", seed=seed * 1_000_003 + game)
        game += 1
        position = start
        for turn in range(int(rng.integers(0, max(1, len(actions))))):
            if position.is_over or position.try_play(actions[turn]) < 0:
                break
        if not position.is_over:
            positions.append(position)
    planes = np.zeros((count, network.architecture.planes, size, size), dtype=np.float32)
    globals_ = np.zeros((count, GLOBALS), dtype=np.float32)
    _core.write_planes(positions, network.architecture.feature_set, planes)
    _core.write_globals(positions, globals_)
    return planes, globals_


def quantized(model: Any, network: Network, size: int, batch: int) -> Any:
    """The int8 version of an openvino.Model made by `openvino_runtime.convert`; the model itself stays as it is.

    The first convolution, which reads planes of very different scales, and the heads stay in floating point: 3 % of the speed for
    a closer policy. No bias correction: NNCF's fast one makes the answers many times worse, its slow one changes nothing
    (docs/networks.md).
    """
    nncf = vendor.nncf()

    planes, globals_ = calibration_inputs(network, size, max(batch, CALIBRATION_POSITIONS // batch * batch))
    batches = [(planes[i : i + batch], globals_[i : i + batch]) for i in range(0, len(planes), batch)]
    with vendor.silence():
        return nncf.quantize(
            model,
            nncf.Dataset(batches),
            subset_size=len(batches),
            preset=nncf.QuantizationPreset.PERFORMANCE,
            ignored_scope=nncf.IgnoredScope(patterns=[f".*{part}.*" for part in FLOATING_POINT], validate=False),
            advanced_parameters=nncf.AdvancedQuantizationParameters(disable_bias_correction=True),
        )
