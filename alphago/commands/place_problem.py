"""What `alphago place` places: a model or a graph file on a machine, as its options say."""

from __future__ import annotations

import importlib
import importlib.util
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

if TYPE_CHECKING:
    from torch import Tensor, nn

    from alphago.controller.placement.capture import Captured
    from alphago.controller.placement.executor import Executor
    from alphago.controller.placement.graph import Graph, Ints, Machine
    from alphago.controller.placement.problem import Problem

PROFILES: Final = 5
"""Times that each device is asked how long the operations take."""
GO_MODEL: Final = re.compile(r"go-(\d+)x(\d+)")

ModelOption = Annotated[
    str,
    typer.Option(
        "--model",
        help="What to place: example, a name from `alphago place models`, a graph FILE.json, or PACKAGE.MODULE:FUNCTION that "
        "returns (module, inputs).",
    ),
]
DevicesOption = Annotated[
    str | None,
    typer.Option(
        "--devices",
        help="How many: of a graph file its accelerators [default: as the file says], of a model processor cores [default: 2], or "
        "their names, such as core0,core1,cuda:0.",
    ),
]
ObjectiveOption = Annotated[
    str | None,
    typer.Option("--objective", help="latency (one sample) or throughput (samples in a stream) [default: latency]."),
]
ProcessorsOption = Annotated[
    int | None, typer.Option("--processors", help="Of a graph file: processor cores [default: as it says].", min=0)
]
MemoryOption = Annotated[
    str | None, typer.Option("--memory", help="Of every device that has a limit, or is to have one: 600MiB, 2GiB.")
]
MachineOption = Annotated[
    str,
    typer.Option(
        "--machine", help="Of a model: cores (this computer, times measured), or k80 (simulated GPUs, times estimated)."
    ),
]
BatchOption = Annotated[int, typer.Option("--batch", help="Of a model: samples at a time.", min=1)]
TracerOption = Annotated[
    str | None,
    typer.Option("--tracer", help="Of a model: fx or export [default: fx; of this project's networks export]."),
]
TrainingOption = Annotated[
    bool, typer.Option("--training", help="Of a model on a simulated machine: a training step, with its backward pass.")
]
GroupsOption = Annotated[
    str | None,
    typer.Option(
        "--groups",
        help="What is placed as one: bound (co-locations alone), chains, or paper (2017) [default: a file bound, a model chains].",
    ),
]
QueueOption = Annotated[
    str | None,
    typer.Option(
        "--queue",
        help="Which operation a device takes next: longest (way to the end) or fifo [default: longest; a stored problem's own].",
    ),
]
CalibrateOption = Annotated[
    bool, typer.Option("--calibrate/--no-calibrate", help="Measure how fast tensors pass between cores, too.")
]
ConfigOption = Annotated[
    str | None,
    typer.Option(
        "--config",
        help="A name from configs/ or a YAML file; options change what it says [default: place, under latency place-latency].",
    ),
]
ExpertOption = Annotated[
    Path | None,
    typer.Option("--expert", help="A person's split of the graph, as the corpus has them, to compare with."),
]


@dataclass
class Task:
    """A problem, and the module behind it where there is one."""

    problem: Problem
    captured: Captured | None = None
    devices: tuple[str, ...] = ()
    """Of the executor; none where the machine is not this computer."""
    expert: Ints | None = None


@dataclass(frozen=True)
class Asked:
    """What the options say."""

    model: str
    devices: str | None = None
    objective: str | None = None
    processors: int | None = None
    memory: str | None = None
    machine: str = "cores"
    batch: int = 1
    tracer: str | None = None
    training: bool = False
    groups: str | None = None
    queue: str | None = None
    calibrate: bool = True
    expert: Path | None = None

    @property
    def is_file(self) -> bool:
        """Whether the model is a graph on disk."""
        return self.model == "example" or self.model.endswith(".json")


def check_measurable(asked: Asked) -> None:
    """Raises PlacementError where nothing of what is asked for can run on this computer."""
    from alphago.controller.placement.graph import PlacementError

    if asked.is_file or asked.machine != "cores":
        raise PlacementError("measuring needs a model on this computer: a graph file has no code, and k80 is simulated")


def make_task(asked: Asked, kept: Problem | None = None) -> Task:
    """The problem that the options ask for.

    Args:
        kept: the problem of a run that goes on: nothing is measured again.

    Raises:
        PlacementError: an option is wrong, the model cannot be traced, or it is not that of the run.
    """
    from alphago.controller.placement.graph import PlacementError
    from alphago.controller.placement.grouping import RULES
    from alphago.controller.placement.problem import OBJECTIVES

    for name, value, known in (
        ("--objective", asked.objective, OBJECTIVES),
        ("--queue", asked.queue, ("longest", "fifo")),
        ("--groups", asked.groups, RULES),
        ("--machine", asked.machine, ("cores", "k80")),
        ("--tracer", asked.tracer, ("fx", "export")),
    ):
        if value is not None and value not in known:
            raise PlacementError(f"{name} {value!r}: {', '.join(known)}")
    if asked.is_file:
        return _file_task(asked)
    if asked.expert is not None or asked.processors is not None:
        raise PlacementError("--expert and --processors are for graph files")
    return _model_task(asked, kept)


def _file_task(asked: Asked) -> Task:
    from alphago.controller.placement.corpus import read_split
    from alphago.controller.placement.example import example_path
    from alphago.controller.placement.graph import PlacementError
    from alphago.controller.placement.grouping import grouped
    from alphago.controller.placement.problem import Problem
    from alphago.controller.placement.stored import read_any

    if asked.training:
        raise PlacementError("--training is for models: a graph file has its backward pass in it")
    if asked.machine != "cores" or asked.batch != 1 or asked.tracer is not None:
        raise PlacementError(
            "--machine, --batch and --tracer are for models: a graph file says its machine and its times"
        )
    path = example_path() if asked.model == "example" else Path(asked.model)
    graph, machine, known = read_any(path)
    if known is None:
        machine = _corpus_machine(asked, machine)
    elif asked.devices is not None or asked.processors is not None or asked.memory is not None:
        raise PlacementError(
            f"{path}: holds a whole problem with its machine: --devices, --processors and --memory do not fit it"
        )
    objective: Any = asked.objective or ("latency" if known is None else known.objective)
    queue: Any = asked.queue or ("longest" if known is None else known.queue)
    rule: Any = asked.groups or "bound"
    groups = known.group_of if known is not None and asked.groups is None else grouped(graph, rule)
    problem = Problem(graph, machine, objective, groups, queue)
    expert = None if asked.expert is None else read_split(asked.expert, path, graph, machine)
    return Task(problem, expert=expert)


def _corpus_machine(asked: Asked, machine: Machine) -> Machine:
    from alphago.controller.placement.corpus import ACCELERATOR, corpus_machine
    from alphago.controller.placement.graph import PlacementError

    accelerators = sum(device.kind == ACCELERATOR for device in machine.devices)
    processors = len(machine) - accelerators
    each = next((device.memory for device in machine.devices if device.kind == ACCELERATOR), float("inf"))
    if asked.devices is not None:
        if not asked.devices.isdecimal():
            raise PlacementError(f"--devices {asked.devices!r}: of a graph file a number of accelerators")
        accelerators = count_of(asked.devices)
    return corpus_machine(
        accelerators,
        processors if asked.processors is None else asked.processors,
        each if asked.memory is None else bytes_of(asked.memory),
    )


def _model_task(asked: Asked, kept: Problem | None) -> Task:
    from alphago.controller.placement.capture import capture
    from alphago.controller.placement.graph import PlacementError
    from alphago.controller.placement.grouping import grouped
    from alphago.controller.placement.problem import Problem

    tracer: Any = asked.tracer or ("export" if GO_MODEL.fullmatch(asked.model) else "fx")
    module, inputs = built(asked.model, asked.batch)
    name = asked.model if asked.batch == 1 else f"{asked.model} batch {asked.batch}"
    captured = capture(module, inputs, tracer=tracer, name=name)
    devices: tuple[str, ...] = ()
    if asked.machine == "cores":
        if asked.training:
            raise PlacementError("--training needs a simulated machine: --machine k80")
        devices = device_names(asked.devices)
    if kept is not None and devices:
        _check_same(kept, captured)
        return Task(kept, captured, devices)
    objective: Any = asked.objective or "latency"
    queue: Any = asked.queue or "longest"
    rule: Any = asked.groups or "chains"
    graph, machine = _cores(asked, captured, devices) if devices else _simulated(asked, captured)
    scopes = captured.scopes()
    if asked.training:
        scopes = [*scopes, *(f"{scope}/grad" for scope in scopes)]
    return Task(Problem(graph, machine, objective, grouped(graph, rule, scopes=scopes), queue), captured, devices)


def _check_same(kept: Problem, captured: Captured) -> None:
    """Raises PlacementError: the problem that a run keeps is not that of the model as it is now, whatever its times."""
    from alphago.controller.placement.graph import PlacementError
    from alphago.controller.placement.problem import Problem
    from alphago.controller.placement.stored import digest

    try:
        graph = captured.graph(dict(kept.graph.times))
        now = digest(Problem(graph, kept.machine, kept.objective, kept.group_of, kept.queue))
    except PlacementError:  # not even as many operations
        now = ""
    if now != digest(kept):
        raise PlacementError(f"{captured.name} is another model than the run began with: choose another --out")


def _simulated(asked: Asked, captured: Captured) -> tuple[Graph, Machine]:
    from alphago.controller.placement.estimates import estimated_times, k80_machine, with_backward
    from alphago.controller.placement.graph import PlacementError

    count = asked.devices or "2"
    if not count.isdecimal():
        raise PlacementError(f"--devices {count!r}: of a simulated machine a number of GPUs")
    number = count_of(count)
    machine = k80_machine(number) if asked.memory is None else k80_machine(number, bytes_of(asked.memory))
    graph = captured.graph(estimated_times(captured))
    return (with_backward(graph) if asked.training else graph), machine


def _cores(asked: Asked, captured: Captured, devices: tuple[str, ...]) -> tuple[Graph, Machine]:
    """Times of every kind of device, measured on all of each in turns, and the links between them."""
    from alphago.controller.placement.capture import CORE
    from alphago.controller.placement.executor import Executor
    from alphago.controller.placement.graph import Device, Link, Machine
    from alphago.controller.placement.measure import Profiles, calibrated_machine

    kinds = {device: CORE if device.startswith("core") else "cuda" for device in devices}
    memory = float("inf") if asked.memory is None else bytes_of(asked.memory)
    with Executor(captured, devices) as executor:
        profiles = Profiles(executor, [kinds[device] for device in devices])
        for _ in range(PROFILES):
            profiles.take()
        if asked.calibrate and len(devices) > 1:
            machine = calibrated_machine(devices, kinds, memory, probe)
        else:
            # what a copy between two caches, and one between a GPU and ordinary memory, do on an ordinary computer
            links = {
                CORE: Link(bytes_per_ms=5e6, blocks=True, reads_in_place=True),
                "cuda": Link(bytes_per_ms=6e6, latency_ms=0.02, blocks=True),
            }
            machine = Machine(
                tuple(Device(name, kinds[name], memory, links[kinds[name]]) for name in devices),
                0.02,
                f"{len(devices)} devices, not calibrated",
            )
    return captured.graph(profiles.times()), machine


def probe(size: int, pair: tuple[str, str]) -> Executor:
    """An executor on two devices of a chain of operations that hands so many bytes on from each to the next."""
    import torch

    from alphago.controller.placement.capture import capture
    from alphago.controller.placement.executor import Executor

    class Chain(torch.nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            for _ in range(8):
                x = torch.neg(x)
            return x

    return Executor(capture(Chain(), (torch.zeros(size // 4),), name="probe"), pair)


def built(model: str, batch: int) -> tuple[nn.Module, tuple[Tensor, ...]]:
    """A module and its inputs by what --model says. Raises PlacementError: there is no such model."""
    import torch

    from alphago.controller.placement.graph import PlacementError
    from alphago.controller.placement.models import build

    found = GO_MODEL.fullmatch(model)
    if found:
        from alphago.controller.go.placed import go_network

        size = int(found[1])
        if found[1] != found[2] or not 2 <= size <= 19:
            raise PlacementError(f"--model {model}: a board of 2x2 to 19x19")
        return go_network(size, batch=batch)
    if ":" not in model:
        return build(model, batch)
    place, _, function = model.partition(":")
    if not place or not function:
        raise PlacementError(f"--model {model}: expected PACKAGE.MODULE:FUNCTION")
    if batch != 1:
        raise PlacementError(f"--batch is for the models that are built in: {function}() makes its own inputs")
    sys.path.insert(0, "")  # a module of the working folder, as `python -m` finds it
    try:
        made: Any = getattr(importlib.import_module(place), function)()
    except Exception as error:  # noqa: BLE001  # whatever a user's code raises
        raise PlacementError(f"--model {model}: {type(error).__name__}: {error}") from None
    finally:
        sys.path.remove("")
    if not (isinstance(made, tuple) and len(made) == 2):
        raise PlacementError(f"--model {model}: {function}() must return (module, inputs), got {type(made).__name__}")
    module, inputs = made
    if not isinstance(module, torch.nn.Module):
        raise PlacementError(
            f"--model {model}: {function}() must return a torch module first, got {type(module).__name__}"
        )
    return module, tuple(inputs) if isinstance(inputs, tuple | list) else (inputs,)


def count_of(text: str) -> int:
    """A number of devices. Raises PlacementError: more than a machine can have, which is said before they are made."""
    from alphago.controller.placement.graph import MOST_DEVICES, PlacementError

    if len(text) > 9 or int(text) > MOST_DEVICES:
        raise PlacementError(f"--devices {text[:20]}: at most {MOST_DEVICES}")
    return int(text)


def device_names(text: str | None) -> tuple[str, ...]:
    """Devices of this computer: a number of cores, or names. Raises PlacementError."""
    from alphago.controller.placement.executor import core_names
    from alphago.controller.placement.graph import PlacementError

    if text is None or text.isdecimal():
        count = count_of(text or "2")
        if count < 1:
            raise PlacementError("--devices 0: at least one")
        return tuple(core_names(count))
    return tuple(part.strip() for part in text.split(","))


def bytes_of(text: str) -> float:
    """An amount of memory: "600MiB", "2GiB", "1e9". Raises PlacementError."""
    from alphago.controller.placement.graph import PlacementError

    units = {"": 1, "k": 1e3, "m": 1e6, "g": 1e9, "ki": 2**10, "mi": 2**20, "gi": 2**30}
    match = re.fullmatch(r"(\d+(?:\.\d+)?(?:e\d+)?)\s*(k|m|g|ki|mi|gi)?b?", text.strip().lower())
    if not match or float(match[1]) <= 0:
        raise PlacementError(f"expected an amount of memory such as 600MiB or 2GiB, got {text[:40]!r}")
    return float(match[1]) * units[match[2] or ""]
