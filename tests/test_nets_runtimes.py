"""Runtimes: they answer as the module does, whatever the padding, the thread and the clone; weights can be swapped."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from alphago import _core
from alphago.cli import main
from alphago.nets import runtimes
from alphago.nets.agreement import agreement
from alphago.nets.architecture import NetworkError, Residual
from alphago.nets.evaluator import Evaluator, Outputs, PlayModule
from alphago.nets.modules import Network, build
from alphago.nets.runtimes import choose, make_evaluators
from alphago.nets.store import save_network
from alphago.nets.torch_runtime import TorchEvaluator
from alphago.nets.vendor import openvino_has_bf16
from conftest import ROOT
from nets_helpers import SMALL, Floats, briefly_trained, fresh, inputs, record_positions, shaken

RUNS = [("torch", "fp32"), ("torch", "bf16"), ("openvino", "fp32"), ("openvino", "bf16"), ("openvino", "int8")]
FP32 = [run for run in RUNS if run[1] == "fp32"]
QUICK = [run for run in RUNS if run[1] != "int8"]
GAMES = "expert-9x9.sgfs.gz"


def need(runtime: str) -> None:
    if runtime == "openvino":
        pytest.importorskip("openvino")
        pytest.importorskip("nncf")


def expected(network: Network, planes: Floats, globals_: Floats) -> list[Floats]:
    module = PlayModule(network)
    with torch.no_grad():
        return [t.numpy() for t in module(torch.from_numpy(planes), torch.from_numpy(globals_))]


def arrays(out: Outputs) -> list[Floats]:
    """Copies of the outputs that there are."""
    return [x.copy() for x in out if x is not None]


def same(a: list[Floats], b: list[Floats]) -> bool:
    return len(a) == len(b) and all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


def close(a: list[Floats], b: list[Floats], tolerance: float) -> None:
    assert len(a) == len(b)
    for x, y in zip(a, b, strict=True):
        assert x.shape == y.shape and x.dtype == y.dtype == np.float32
        assert np.abs(x - y).max() <= tolerance * max(1.0, np.abs(y).max())


# --- the same answers -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", sorted(SMALL))
def test_fp32_answers_as_the_module(kind: str) -> None:
    """OpenVINO's answers of every kind: `test_openvino_finds_every_weight_of_every_kind`."""
    runtime, precision = "torch", "fp32"
    network = fresh(kind)
    evaluator = make_evaluators(network, 9, 4, runtime=runtime, precision=precision)[0]
    planes, globals_ = inputs(network, 9, 4)
    out = evaluator.evaluate(planes, globals_)
    heads = network.architecture.heads
    assert (out.policy is not None, out.value is not None, out.score is not None) == (
        "policy" in heads,
        "outcome" in heads or "value" in heads,
        "score" in heads,
    )
    close(arrays(out), expected(network, planes, globals_), 1e-3 if torch.cuda.is_available() else 1e-5)
    assert (evaluator.size, evaluator.batch, evaluator.feature_set) == (9, 4, network.architecture.feature_set)
    assert runtime in evaluator.describe() and precision in evaluator.describe()


@pytest.mark.parametrize("size", [5, 13])
@pytest.mark.parametrize(("runtime", "precision"), FP32)
def test_every_size(runtime: str, precision: str, size: int) -> None:
    need(runtime)
    network = fresh("pooled")
    planes, globals_ = inputs(network, size, 2)
    evaluator = make_evaluators(network, size, 2, runtime=runtime, precision=precision)[0]
    found = arrays(evaluator.evaluate(planes, globals_))
    close(found, expected(network, planes, globals_), 1e-3 if torch.cuda.is_available() else 1e-5)


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_many_threads_make_evaluators_at_once(precision: str) -> None:
    """As the engines of a match do; and what they print afterwards is printed."""
    need("openvino")
    networks = [fresh("residual"), fresh("pooled")] * 2
    made: dict[int, Evaluator] = {}

    def make(number: int) -> None:
        made[number] = make_evaluators(networks[number], 5, 2, runtime="openvino", precision=precision, threads=1)[0]

    streams = sys.stdout, sys.stderr
    threads = [threading.Thread(target=make, args=(number,)) for number in range(len(networks))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (sys.stdout, sys.stderr) == streams
    planes, globals_ = inputs(networks[0], 5, 2)
    assert same(arrays(made[0].evaluate(planes, globals_)), arrays(made[2].evaluate(planes, globals_)))


@pytest.mark.parametrize(("runtime", "precision"), RUNS)
def test_padding_determinism_and_clones(runtime: str, precision: str) -> None:
    """A row's answer depends on neither the other rows, nor the call, nor the clone, nor what runs at the same time."""
    need(runtime)
    network = fresh("residual")
    first, second = make_evaluators(network, 9, 8, runtime=runtime, precision=precision, workers=2, threads=2)
    planes, globals_ = inputs(network, 9, 8)
    whole = arrays(first.evaluate(planes, globals_))
    for _ in range(3):
        assert same(arrays(first.evaluate(planes, globals_)), whole)
    assert same(arrays(second.evaluate(planes, globals_)), whole)

    padded, padded_globals = first.buffers()
    assert padded.shape == planes.shape and not padded.any() and padded_globals.shape == (8, 7)
    padded[:3], padded_globals[:3] = planes[:3], globals_[:3]
    zeros = [x[:3] for x in arrays(first.evaluate(padded, padded_globals))]
    padded[3:] = 7.0
    assert same([x[:3] for x in arrays(first.evaluate(padded, padded_globals))], zeros)
    assert same(zeros, [x[:3] for x in whole])

    other, other_globals = inputs(network, 9, 8, seed=9)
    expect = (whole, arrays(second.evaluate(other, other_globals)))
    wrong: list[int] = []

    def work(evaluator: Evaluator, x: Floats, y: Floats, right: list[Floats]) -> None:
        for _ in range(20):
            if not same(arrays(evaluator.evaluate(x, y)), right):
                wrong.append(1)

    threads = [
        threading.Thread(target=work, args=(first, planes, globals_, expect[0])),
        threading.Thread(target=work, args=(second, other, other_globals, expect[1])),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


# --- swapping weights -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("runtime", "precision"), RUNS)
def test_swapped_weights_are_those_of_a_fresh_evaluator(runtime: str, precision: str) -> None:
    need(runtime)
    old, new = fresh("residual", 1), fresh("residual", 2)
    evaluators = make_evaluators(old, 9, 4, runtime=runtime, precision=precision, workers=2)
    planes, globals_ = inputs(old, 9, 4)
    before = arrays(evaluators[1].evaluate(planes, globals_))
    evaluators[0].swap_weights(new)
    made = make_evaluators(new, 9, 4, runtime=runtime, precision=precision, workers=2)[0]
    right = arrays(made.evaluate(planes, globals_))
    for evaluator in (*evaluators, evaluators[0].clone()):
        assert same(arrays(evaluator.evaluate(planes, globals_)), right)
    assert not same(before, right)
    evaluators[1].swap_weights(old)
    assert same(arrays(evaluators[0].evaluate(planes, globals_)), before)


@pytest.mark.parametrize("kind", sorted(SMALL))
def test_openvino_finds_every_weight_of_every_kind(kind: str) -> None:
    """Fresh networks have equal biases and statistics: the hardest to tell apart."""
    need("openvino")
    plain, moved = build(SMALL[kind], 1).eval(), fresh(kind)
    evaluator = make_evaluators(plain, 9, 2, runtime="openvino", precision="fp32")[0]
    planes, globals_ = inputs(plain, 9, 2)
    close(arrays(evaluator.evaluate(planes, globals_)), expected(plain, planes, globals_), 1e-5)
    evaluator.swap_weights(moved)
    close(arrays(evaluator.evaluate(planes, globals_)), expected(moved, planes, globals_), 1e-5)


@pytest.mark.parametrize(("runtime", "precision"), QUICK)
def test_swapping_takes_the_same_architecture(runtime: str, precision: str) -> None:
    need(runtime)
    evaluator = make_evaluators(fresh("residual"), 9, 2, runtime=runtime, precision=precision)[0]
    with pytest.raises(NetworkError, match="different architectures"):
        evaluator.swap_weights(fresh("mish"))


def test_torch_swaps_6x96_quickly() -> None:
    """20 ms is the aim on a quiet machine; the best of many tries says what the work takes on a busy one."""
    networks = [build(Residual(feature_set="rich-fast"), seed) for seed in (1, 2)]
    evaluator = make_evaluators(networks[0], 9, 2, runtime="torch", precision="fp32")[0]
    times = []
    for turn in range(15):
        start = time.perf_counter()
        evaluator.swap_weights(networks[turn % 2])
        times.append(time.perf_counter() - start)
    assert min(times) < 0.020


def test_a_network_in_training_is_not_touched() -> None:
    network = build(SMALL["residual"], 1).train()
    state = {name: t.clone() for name, t in network.state_dict().items()}
    evaluator = make_evaluators(network, 9, 2, runtime="torch", precision="fp32")[0]
    evaluator.evaluate(*evaluator.buffers())
    assert network.training and all(torch.equal(t, state[name]) for name, t in network.state_dict().items())
    before = arrays(evaluator.evaluate(*inputs(network, 9, 2)))
    shaken(network)
    assert same(arrays(evaluator.evaluate(*inputs(network, 9, 2))), before)


# --- choosing ---------------------------------------------------------------------------------------------------------------


def test_auto_says_what_it_stands_for(monkeypatch: pytest.MonkeyPatch) -> None:
    installed = {"openvino", "nncf"}
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name if name in installed else None)
    monkeypatch.setattr(runtimes, "cpu_has_bf16", lambda: True)
    monkeypatch.setattr(runtimes, "cpu_has_int8", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert choose() == ("openvino", "int8")
    assert choose(swappable=True) == ("openvino", "bf16")
    installed.remove("nncf")
    assert choose() == ("openvino", "bf16")
    installed.add("nncf")
    monkeypatch.setattr(runtimes, "cpu_has_int8", lambda: False)
    assert choose() == ("openvino", "bf16")
    assert choose("torch") == ("torch", "bf16")
    assert choose("auto", "int8") == ("openvino", "int8")
    monkeypatch.setattr(runtimes, "cpu_has_bf16", lambda: False)
    assert choose() == ("openvino", "fp32")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert choose() == ("torch", "bf16")
    installed.clear()
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert choose() == ("torch", "fp32")
    for asked in (("openvino", "auto"), ("auto", "int8"), ("torch", "int8")):
        with pytest.raises(NetworkError, match="openvino"):
            choose(*asked)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"runtime": "tensorflow"}, "runtime must be one of auto, torch, openvino, got 'tensorflow'"),
        ({"precision": "fp16"}, "precision must be one of auto, fp32, bf16, int8, got 'fp16'"),
        ({"runtime": "torch", "precision": "int8"}, "int8 needs the openvino runtime"),
        ({"size": 20}, "plays on 2x2 to 19x19, not on 20x20"),
        ({"batch": 0}, "batch must be 1 to 65536, got 0"),
    ],
)
def test_bad_choices(options: dict[str, Any], message: str) -> None:
    asked: dict[str, Any] = {"size": 9, "batch": 2, "runtime": "torch"} | options
    with pytest.raises(NetworkError, match=message):
        make_evaluators(fresh("residual"), **asked)


def test_a_network_of_one_size_plays_on_no_other() -> None:
    with pytest.raises(NetworkError, match="this network plays on 9x9, not on 13x13"):
        make_evaluators(fresh("alphago policy"), 13, 2, runtime="torch")


def test_a_path_is_loaded(tmp_path: Path) -> None:
    path = tmp_path / "net.safetensors"
    network = fresh("mish")
    save_network(path, network, "x")
    planes, globals_ = inputs(network, 9, 2)
    found, right = (
        arrays(make_evaluators(source, 9, 2, runtime="torch", precision="fp32")[0].evaluate(planes, globals_))
        for source in (path, network)
    )
    assert same(found, right)


def test_cuda_is_asked_for_in_vain() -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a CUDA device")
    with pytest.raises(NetworkError, match="no CUDA device"):
        TorchEvaluator(fresh("mish"), 9, 2, device="cuda")


def test_openvino_and_nncf_stay_silent_and_send_nothing() -> None:
    """A process of its own: importing them under pytest would switch nncf's telemetry off anyway."""
    need("openvino")
    program = """
import sys, socket
def refuse(*args, **kwargs): raise SystemExit("a connection was opened")
socket.socket.connect = socket.create_connection = refuse
from alphago.nets.architecture import Residual
from alphago.nets.modules import build
from alphago.nets.runtimes import make_evaluators
network = build(Residual(blocks=1, channels=8, feature_set="rich-fast", head_channels=4), 1)
make_evaluators(network, 5, 2, runtime="openvino", precision="int8")
assert "nncf" in sys.modules and "openvino" in sys.modules
assert not any(name.startswith("openvino_telemetry") for name in sys.modules)
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=ROOT,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_an_int8_network_is_kept_and_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    need("openvino")
    from alphago.nets import int8

    network = fresh("mish")
    planes, globals_ = inputs(network, 5, 2)

    def answer() -> list[Any]:
        (evaluator,) = make_evaluators(network, 5, 2, runtime="openvino", precision="int8", threads=1)
        return [array.copy() for array in arrays(evaluator.evaluate(planes, globals_))]

    made: list[int] = []
    quantized = int8.quantized

    def counted(*args: Any) -> Any:
        made.append(1)
        return quantized(*args)

    monkeypatch.setattr(int8, "quantized", counted)
    monkeypatch.setenv(int8.CACHE_VARIABLE, str(tmp_path))
    first = answer()
    (place,) = (tmp_path / "int8").iterdir()
    assert same(first, answer()) and len(made) == 1
    for damage in (b"", b"<net", b"\x00" * 1000):
        (place / "model.xml").write_bytes(damage)
        assert same(first, answer())
    assert len(made) == 4
    monkeypatch.setenv(int8.CACHE_VARIABLE, str(place / "model.xml" / "nowhere"))  # cannot be made
    assert same(first, answer()) and len(made) == 5
    monkeypatch.setenv(int8.CACHE_VARIABLE, "")
    assert same(first, answer()) and len(made) == 6
    monkeypatch.setenv(int8.CACHE_VARIABLE, str(tmp_path))
    monkeypatch.setattr(int8, "_KEPT", 2)
    for seed in (5, 6, 7):
        make_evaluators(build(network.architecture, seed), 5, 2, runtime="openvino", precision="int8", threads=1)
    assert len(list((tmp_path / "int8").iterdir())) == 2


def test_calibration_is_on_the_network_s_own_games() -> None:
    """Positions of all stages, drawn by the seed alone; the first of a game is the empty board."""
    from alphago.nets.calibration import own_positions

    network = fresh("mish").eval()

    def logits(planes: Any, globals_: Any) -> Any:
        with torch.no_grad():
            return network(torch.from_numpy(planes), torch.from_numpy(globals_), None, ("policy",))["policy"].numpy()

    planes, globals_ = own_positions(network, 5, 200, 8, logits)
    assert planes.shape == (200, network.architecture.planes, 5, 5) and globals_.shape == (200, 7)
    assert set(np.unique(planes)) <= {0.0, 1.0}
    stones = planes[:, 1:3].sum((1, 2, 3))  # own and theirs; plane 0 is the board
    assert stones.min() <= 2 and stones.max() > 12 and len(np.unique(stones)) > 10
    again, _ = own_positions(network, 5, 200, 8, logits)
    assert (planes == again).all()
    assert (own_positions(network, 5, 200, 8, logits, seed=2)[0] != planes).any()


# --- lower precision, on real games -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def trained(shared_data: Path) -> Network:
    return briefly_trained(shared_data / GAMES, steps=250, games=40)


def real_inputs(network: Network, shared_data: Path) -> tuple[Any, Floats]:
    """Planes and globals of positions of real games."""
    positions = [p for game, _ in record_positions(shared_data / GAMES, range(1000, 1008)) for p, _ in game]
    planes = np.zeros((len(positions), network.architecture.planes, 9, 9), np.float32)
    globals_ = np.zeros((len(positions), 7), np.float32)
    _core.write_planes(positions, network.architecture.feature_set, planes)
    _core.write_globals(positions, globals_)
    return planes, globals_


@pytest.mark.parametrize(
    ("runtime", "precision", "top1", "mean_error"),
    [
        ("openvino", "fp32", 1.0, 1e-5),
        ("torch", "bf16", 0.96, 0.02),
        ("openvino", "bf16", 0.96, 0.02),
        ("openvino", "int8", 0.90, 0.06),
    ],
)
def test_agreement_on_real_games(
    trained: Network, shared_data: Path, runtime: str, precision: str, top1: float, mean_error: float
) -> None:
    need(runtime)
    planes, globals_ = real_inputs(trained, shared_data)
    found = agreement(trained, planes, globals_, 9, runtime, precision)
    print(runtime, precision, found)  # shown by `pytest -rP`
    assert found.positions == len(planes) > 300
    assert found.policy_top1 >= top1
    assert found.value_mean_error <= mean_error
    assert found.policy_divergence < 0.02


def test_the_trained_network_is_worth_comparing(trained: Network, shared_data: Path) -> None:
    """Bounds on agreement mean little for a network that says the same of every position."""
    planes, globals_ = real_inputs(trained, shared_data)
    policy, outcome = expected(trained, planes, globals_)
    assert len(np.unique(policy.argmax(1))) > 20
    assert policy.std(axis=1).mean() > 1
    assert outcome.argmax(1).std() > 0.3


def test_agreement_needs_positions() -> None:
    with pytest.raises(NetworkError, match="no positions"):
        agreement(fresh("residual"), np.zeros((0, 1)), np.zeros((0, 7), np.float32), 9, "torch", "fp32")


def test_the_command_compares_every_precision(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    need("openvino")
    monkeypatch.setenv("ALPHAGO_CACHE", "")
    save_network(tmp_path / "net.safetensors", fresh("residual"), {})
    given = ["nets", "agreement", str(tmp_path / "net.safetensors"), "--games", "default", "--positions", "100"]
    with pytest.raises(SystemExit) as ended:
        main([*given, "--json"])
    assert not ended.value.code
    rows = json.loads(capsys.readouterr().out)["results"]
    assert {(row["runtime"], row["precision"]) for row in rows} == set(RUNS[2:]) | {
        ("openvino", "fp32"),
        ("torch", "bf16"),
    }
    by_precision = {row["precision"]: row["policy_divergence"] for row in rows if row["runtime"] == "openvino"}
    assert by_precision["fp32"] <= by_precision["bf16"] < by_precision["int8"]
    if openvino_has_bf16():
        assert by_precision["fp32"] < by_precision["bf16"]  # without it, bf16 is computed as fp32
    with pytest.raises(SystemExit) as ended:
        main([*given, "--size", "13"])
    assert ended.value.code == 2
    assert "13" in capsys.readouterr().err


def test_an_architecture_is_converted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Networks of one architecture share the conversion and nothing else."""
    need("openvino")
    from alphago.nets import openvino_runtime

    openvino_runtime._converted.cache_clear()
    convert, calls = openvino_runtime.convert, []

    def counted(module: PlayModule, size: int, batch: int) -> Any:
        calls.append(size)
        return convert(module, size, batch)

    monkeypatch.setattr(openvino_runtime, "convert", counted)
    networks = [shaken(fresh("residual"), seed) for seed in (1, 2)]
    evaluators = [make_evaluators(one, 9, 4, runtime="openvino", precision="fp32")[0] for one in networks]
    evaluators[0].swap_weights(networks[1])
    evaluators[0].swap_weights(networks[0])
    assert len(calls) == 1
    planes, globals_ = inputs(networks[0], 9, 4)
    for network, evaluator in zip(networks, evaluators, strict=True):
        close(arrays(evaluator.evaluate(planes, globals_)), expected(network, planes, globals_), 1e-4)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="signal stacks are read as Linux has them")
def test_openvino_leaves_the_signal_stack_of_this_thread_alone() -> None:
    """Evaluators come and go, int8 ones too, and Ctrl-C still finds a stack to be handled on."""
    need("openvino")
    code = """
import ctypes
from alphago.nets.modules import build
from alphago.nets.runtimes import make_evaluators
from nets_helpers import SMALL

class Stack(ctypes.Structure):
    _fields_ = [("sp", ctypes.c_void_p), ("flags", ctypes.c_int), ("size", ctypes.c_size_t)]

def stack():
    now = Stack()
    assert ctypes.CDLL(None).sigaltstack(None, ctypes.byref(now)) == 0
    return now.sp, now.flags, now.size

before = stack()
kept = []
for precision in ("fp32", "int8", "fp32", "int8"):
    kept = [*kept[-1:], make_evaluators(build(SMALL["residual"]), 9, 8, runtime="openvino", precision=precision)]
    assert stack() == before, (precision, before, stack())
"""
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT / "tests", env=os.environ | {"ALPHAGO_CACHE": ""})
