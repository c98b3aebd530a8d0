"""Eight-bit networks for OpenVINO: post-training quantisation by NNCF, done once for each network and kept on disk."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import tempfile
from importlib import metadata
from pathlib import Path
from typing import Any, Final

import numpy as np

from alphago.nets import vendor
from alphago.nets.calibration import Floats, own_positions, playout_positions
from alphago.nets.modules import Network
from alphago.nets.store import network_hash

CALIBRATION_POSITIONS: Final = 512
FLOATING_POINT: Final = (
    "stem",
    "globals",
    "policy",
    "value_",
    "outcome",
    "score",
    "squeeze",
    r"network\.pool",
    r"network\.(last|hidden|out)",
)
"""Parts of the names of the operations that are not quantised."""

CACHE_VARIABLE: Final = "ALPHAGO_CACHE"
"""The folder that quantised networks are kept in; empty: nowhere. Without it `alphago` in the user's cache folder."""
_RECIPE: Final = 2
"""Changes with everything here that changes what comes out."""
_KEPT: Final = 32


def quantized(model: Any, network: Network, size: int, batch: int) -> Any:
    """The int8 version of an openvino.Model made by `openvino_runtime.convert`; the model itself stays as it is.

    Calibrated on positions of the network's own games. The first convolution, which reads planes of very different scales, and
    the heads stay in floating point: 3 % of the speed for a closer policy. No bias correction: NNCF's fast one makes the answers
    many times worse, its slow one changes nothing (docs/networks.md).
    """
    nncf = vendor.nncf()

    planes, globals_ = _inputs(model, network, size, batch)
    batches = [(planes[i : i + batch], globals_[i : i + batch]) for i in range(0, len(planes), batch)]

    def quantize() -> Any:
        with vendor.silence():
            return nncf.quantize(
                model,
                nncf.Dataset(batches),
                subset_size=len(batches),
                preset=nncf.QuantizationPreset.PERFORMANCE,
                ignored_scope=nncf.IgnoredScope(patterns=[f".*{part}.*" for part in FLOATING_POINT], validate=False),
                advanced_parameters=nncf.AdvancedQuantizationParameters(disable_bias_correction=True),
            )

    return vendor.aside(quantize)  # it makes cores of its own


def _inputs(model: Any, network: Network, size: int, batch: int) -> tuple[Floats, Floats]:
    count = max(batch, CALIBRATION_POSITIONS // batch * batch)
    if "policy" not in network.architecture.heads:
        return playout_positions(network, size, count)
    compiled = vendor.core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    request = compiled.create_infer_request()

    def logits(planes: Floats, globals_: Floats) -> Floats:
        request.infer([planes, globals_])
        return np.asarray(request.get_output_tensor(0).data)  # the policy is the first output

    return own_positions(network, size, count, batch, logits)


def kept(model: Any, network: Network, size: int, batch: int) -> Any:
    """`quantized`, from the cache where it is there: it takes seconds, and reading it a fraction of one."""
    folder = cache_folder()
    if folder is None:
        return quantized(model, network, size, batch)
    place = folder / _key(network, size, batch)
    with contextlib.suppress(Exception):  # absent, or not what it should be: made anew
        found = vendor.core().read_model(place / "model.xml")
        os.utime(place)
        return found
    made = quantized(model, network, size, batch)
    with contextlib.suppress(OSError):  # a cache that cannot be written is none
        _store(made, place)
    return made


def cache_folder() -> Path | None:
    """Where quantised networks are kept; None: nowhere."""
    named = os.environ.get(CACHE_VARIABLE)
    if named is not None:
        return Path(named) / "int8" if named else None
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return Path(base) / "alphago" / "int8"


def _key(network: Network, size: int, batch: int) -> str:
    # not the modules' own: importing NNCF takes longer than all the rest
    versions = f"{metadata.version('openvino')} {metadata.version('nncf')} {_RECIPE}"
    return hashlib.sha256(f"{network_hash(network)} {size} {batch} {versions}".encode()).hexdigest()[:32]


def _store(model: Any, place: Path) -> None:
    """Write a model where nobody sees half of it, and drop the oldest of too many."""
    place.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=".", dir=place.parent))
    try:
        vendor.openvino().save_model(model, temporary / "model.xml", compress_to_fp16=False)
        with contextlib.suppress(OSError):  # another process was faster
            temporary.rename(place)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    found = sorted(place.parent.glob("[0-9a-f]*"), key=lambda path: path.stat().st_mtime)
    for old in found[:-_KEPT]:
        shutil.rmtree(old, ignore_errors=True)
