"""Placements measured side by side: turns in rounds, medians with intervals, and what one process without any placement does."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from alphago.controller.placement.executor import ExecutionError, Executor, Whole
from alphago.controller.placement.graph import Device, Floats, Ints, Link, Machine
from alphago.controller.placement.problem import Costs, Problem

SIZES: Final = (1 << 12, 1 << 16, 1 << 20, 1 << 22)
"""Bytes of the transfers that calibrate a link."""
TURNS: Final = 10
"""Measurements of each of them."""
RESAMPLES: Final = 2000


@dataclass(frozen=True)
class Measured:
    """Times of one way to compute a sample."""

    name: str
    ms: float
    """The median."""
    low: float
    high: float
    """95 % interval of the median, by bootstrap."""
    times: Floats
    """Every one, milliseconds."""


def summary(name: str, times: Floats, seed: int = 0) -> Measured:
    """The median of times [n] and its 95 % interval (percentiles of medians of resampled times)."""
    random = np.random.default_rng(seed)
    medians = np.median(times[random.integers(0, len(times), (RESAMPLES, len(times)))], axis=1)
    low, high = np.quantile(medians, [0.025, 0.975])
    return Measured(name, float(np.median(times)), float(low), float(high), times)


def schedule(problem: Problem, placement: Ints) -> Ints:
    """The order in which the simulator starts the operations under a placement [N]: int64 [N]. The executor keeps to it."""
    starts = problem.trace(placement).starts
    position = np.empty(len(starts))
    position[problem.graph.order] = np.arange(len(starts))
    return np.lexsort((position, starts)).astype(np.int64)


def side_by_side(
    executor: Executor,
    problem: Problem,
    placements: Mapping[str, Ints],
    *,
    whole: tuple[Whole, ...] = (),
    rounds: int = 30,
    warmup: int = 3,
    steps: int = 1,
    between: Callable[[], None] | None = None,
    told: Callable[[int, int], None] | None = None,
) -> list[Measured]:
    """Latency, or under throughput the pace, of each placement, in turns: A B C A B C, so that what disturbs one disturbs all.

    Args:
        placements: by name, of operations [N].
        whole: the module in one process, with so many threads each.
        rounds: times of each.
        steps: samples of a turn; under throughput it is at least 8.
        between: called before each round, to measure something else in turns with the placements.
        told: is told the round and all of them.
    """
    throughput = problem.objective == "throughput"
    steps = max(8, steps) if throughput else steps
    orders = {name: schedule(problem, placement) for name, placement in placements.items()}
    times: dict[str, list[float]] = {name: [] for name in placements}
    times |= {name_of(one): [] for one in whole}
    for number in range(rounds):
        if between is not None:
            between()
        for name, placement in placements.items():
            executor.load(placement, orders[name])
            executor.latencies(warmup)
            found = [executor.pace(steps)] if throughput else executor.latencies(steps).tolist()
            times[name].append(float(np.median(found)))
        for one in whole:
            one.latencies(warmup)
            times[name_of(one)].append(float(np.median(one.latencies(steps))))
        if told is not None:
            told(number + 1, rounds)
    return [summary(name, np.array(found)) for name, found in times.items()]


class Profiles:
    """Times of all operations on every kind of device, measured on all devices of the kind in turns.

    One device after the other would give each the speed that the machine had at its moment.

    Args:
        kinds: the graph's name for the kind of each of the executor's devices.
    """

    def __init__(self, executor: Executor, kinds: Sequence[str]) -> None:
        self._executor, self._kinds = executor, tuple(kinds)
        self._found: dict[str, list[Floats]] = {kind: [] for kind in kinds}

    def take(self, repeats: int = 3) -> None:
        """Measure once more on every device: medians of so many samples."""
        for number, kind in enumerate(self._kinds):
            self._found[kind].append(self._executor.profile(number, repeats))

    def times(self) -> dict[str, Floats]:
        """Kind to milliseconds of each operation, [N]: medians of what was taken."""
        return {kind: np.median(np.stack(rows), axis=0) for kind, rows in self._found.items()}


def name_of(whole: Whole) -> str:
    """How a table calls it."""
    return f"one process, {whole.threads} threads" if whole.threads > 1 else "one process, 1 thread"


def measured_costs(executor: Executor, problem: Problem, *, warmup: int = 2, steps: int = 5) -> Callable[[Ints], Costs]:
    """A coster that measures: placements of operations [B, N] to medians. What does not fit, by the simulator, is not run."""

    def costs(placements: Ints) -> Costs:
        found = problem.costs_of_operations(placements)
        ms = found.ms.copy()
        for row in np.flatnonzero(found.fits):
            executor.load(placements[row], schedule(problem, placements[row]))
            executor.latencies(warmup)
            if problem.objective == "throughput":
                ms[row] = executor.pace(max(8, steps))
            else:
                ms[row] = float(np.median(executor.latencies(steps)))
        return Costs(ms, found.fits, found.held)

    return costs


def calibrated_machine(
    devices: Sequence[str], kinds: Mapping[str, str], memory: float, probe: Callable[[int, tuple[str, str]], Executor]
) -> Machine:
    """Devices of this computer as a machine: links as fast as copies between them are found to be.

    Two cores say what a way out of a core and the delay are; a core and a GPU, or two GPUs, what a GPU's way out or in is. Where
    there is but one core, what it does for a copy counts as the GPU's.

    Args:
        devices: as an executor names them, two or more.
        kinds: device to the graph's name for its kind.
        memory: bytes of each.
        probe: makes an executor on two devices of a module that hands so many bytes from one operation to the next.

    Raises:
        ExecutionError: the probe cannot be run, or its times make no sense.
    """
    sizes = np.array(SIZES, dtype=np.float64)
    cores = [device for device in devices if device.startswith("core")]
    gpus = [device for device in devices if not device.startswith("core")]
    speed, delay = math.inf, 0.0
    if len(cores) > 1:
        speed, delay = fitted_link(sizes, _hops((cores[0], cores[1]), probe))
    of_core = of_gpu = Link(speed, 0.0, blocks=True, reads_in_place=True)
    if gpus and cores:  # half of the hops leave the core, half the GPU; all pass the GPU's link once
        hops = _hops((cores[0], gpus[0]), probe)
        of_gpu = Link(*fitted_link(sizes, hops - delay - sizes / speed / 2), blocks=True)
    elif gpus:  # out of one, into the other
        of_gpu = Link(*fitted_link(sizes, _hops((gpus[0], gpus[1]), probe) / 2), blocks=True)
    links = {device: of_core if device in cores else of_gpu for device in devices}
    made = tuple(Device(name, kinds[name], memory, links[name]) for name in devices)
    return Machine(made, delay, f"{len(made)} devices of this computer")


def best_again(
    executor: Executor, problem: Problem, leading: Sequence[Ints], *, rounds: int = 15, steps: int = 3
) -> tuple[Ints, Measured]:
    """Of placements [N] that were the quickest when each was measured once, the one that is when they take turns, and its times.

    The least of many noisy times is partly luck; these times are those of the placements alone.
    """
    rows = side_by_side(
        executor, problem, {str(number): one for number, one in enumerate(leading)}, rounds=rounds, steps=steps
    )
    found = min(range(len(rows)), key=lambda number: rows[number].ms)
    return leading[found], rows[found]


def _hops(pair: tuple[str, str], probe: Callable[[int, tuple[str, str]], Executor]) -> Floats:
    """[S]: milliseconds that it takes an output of each of `SIZES` to pass between two devices, the mean of both ways.

    Four chains, each on one device or alternating, take turns, and the quickest turn of each counts: other work only ever adds.
    """
    found = []
    for size in SIZES:
        with probe(size, pair) as chain:
            count = len(chain.captured.nodes)
            order = np.arange(count, dtype=np.int64)
            values = np.full(4, np.inf)
            for _ in range(TURNS):
                for row, placement in enumerate((order * 0, order * 0 + 1, order % 2, 1 - order % 2)):
                    chain.load(placement, order)
                    chain.latencies(5)
                    values[row] = min(values[row], float(np.median(chain.latencies(20))))
            found.append((values[2] + values[3] - values[0] - values[1]) / (2 * (count - 1)))
    return np.array(found)


def fitted_link(sizes: Floats, ms: Floats) -> tuple[float, float]:
    """Bytes a millisecond, and milliseconds before the first, of transfers of so many bytes [n] that took so long [n].

    The line with the least squares of relative errors: networks hand on small outputs more often than large ones, and the line of
    absolute errors would be that of the largest alone.

    Raises:
        ExecutionError: more bytes do not take longer, or some took no time.
    """
    if (ms > 0).all():
        slope, delay = np.polyfit(sizes, ms, 1, w=1 / ms)
        if np.isfinite(slope) and slope > 0:
            return float(1 / slope), float(max(0.0, delay))
    took = ", ".join(f"{one:.4g}" for one in ms)
    raise ExecutionError(
        f"transfers of {sizes[0]:.0f} to {sizes[-1]:.0f} bytes took {took} ms: not longer for more bytes; is the machine busy?"
    )


def agreement(simulated: Floats, measured: Floats) -> dict[str, float]:
    """How well simulated times [n] foretell measured ones [n]: mean error, rank correlation, what trusting them would cost.

    Returns:
        `mape` in percent; `tau` (Kendall's tau-b); `regret` in percent: the measured time of the placement that the simulator holds
        for the best, against the best measured; `bias` in percent: the median of simulated against measured.
    """
    from scipy.stats import kendalltau

    error = np.abs(simulated - measured) / measured
    chosen = float(measured[int(simulated.argmin())])
    return {
        "mape": 100 * float(error.mean()),
        "tau": float(kendalltau(simulated, measured).statistic),
        "regret": 100 * (chosen / float(measured.min()) - 1),
        "bias": 100 * (float(np.median(simulated / measured)) - 1),
    }
