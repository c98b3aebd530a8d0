"""What `alphago bench inference` measures: evaluations a second of a network alone, without any search.

Every worker thread has an evaluator of its own and runs batch after batch of playout positions. What is compared is measured in
turns: a share of the time for one, then for the other, several rounds, and the medians count.
"""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from alphago.machine import peak_memory_mib

if TYPE_CHECKING:
    from alphago.nets.evaluator import Evaluator
    from alphago.nets.modules import Network

SWEEP: Final = (8, 16, 32, 64, 128, 256)
"""Batches that `best` tries."""
ROUNDS: Final = 5
PEER_BATCH: Final = 8
PEER_THREADS: Final = 2
_WARM_UP_BATCHES: Final = 2
_GAMES_PER_WORKER: Final = 128
_SIMULATIONS: Final = 32


def inference_row(
    net: str,
    size: int,
    runtime: str,
    precision: str,
    batch: int | None,
    workers: int | None,
    threads: int | None,
    seconds: float,
    compare: bool,
    pool: bool,
    seed: int,
) -> dict[str, Any]:
    """One measurement of a network file.

    Args:
        batch: rows of each worker's batch; None tries `SWEEP` and takes the fastest.
        workers: threads that call at the same time, each with an evaluator; None takes one for each thread of a CPU, two on CUDA.
        threads: of the runtime, all workers together; None takes every processor.
        seconds: of the measurement, and about as much again for a sweep and for the peer.
        compare: also measure PyTorch in fp32 at batch 8 with two threads, in turns.
        pool: also measure the same evaluators at work for a pool of searches, in turns.

    Raises:
        NetworkError: the file, the size or the runtime is not as it must be.
    """
    import torch

    from alphago.machine import usable_threads
    from alphago.nets.runtimes import choose, make_evaluators
    from alphago.nets.store import load_network, network_hash

    network, _ = load_network(net)
    runtime, precision = choose(runtime, precision)
    threads = threads or usable_threads()
    on_cuda = runtime == "torch" and torch.cuda.is_available()
    workers = workers or (2 if on_cuda else threads)

    def contender(rows: int) -> _Contender:
        evaluators = make_evaluators(
            network, size, rows, runtime=runtime, precision=precision, workers=workers, threads=threads
        )
        return _Contender(network, evaluators, max(1, threads // workers), seed)

    sweep: dict[int, float] = {}
    if batch is None:
        contenders = {rows: contender(rows) for rows in SWEEP}
        share = seconds / (len(SWEEP) * ROUNDS)
        sweep = dict(zip(contenders, _in_turns(list(contenders.values()), share), strict=True))
        batch = max(sweep, key=lambda rows: sweep[rows])
        measured = contenders[batch]
    else:
        measured = contender(batch)
    turns: list[_Contender | _Searches] = [measured]
    if compare:
        turns.append(_Contender(network, [_peer(network, size)], PEER_THREADS, seed))
    if pool:
        turns.append(_Searches(measured.evaluators, seed))
    rates = _in_turns(turns, seconds / ROUNDS)
    row = {
        "net": net,
        "architecture": network.architecture.model_dump(),
        "hash": network_hash(network),
        "size": size,
        "runtime": runtime,
        "precision": precision,
        "batch": batch,
        "workers": workers,
        "threads": threads,
        "evaluations_per_second": round(rates[0], 1),
        "evaluator": measured.evaluators[0].describe(),
        "seconds": seconds,
        "rounds": ROUNDS,
        "seed": seed,
        "peak_memory_mib": round(peak_memory_mib(), 1),
    }
    if sweep:
        row["sweep"] = {str(rows): round(rate, 1) for rows, rate in sweep.items()}
    if compare:
        row["peer"] = f"torch fp32, batch {PEER_BATCH}, {PEER_THREADS} threads"
        row["peer_evaluations_per_second"] = round(rates[1], 1)
        row["ratio"] = round(rates[0] / rates[1], 3)
    if pool:
        row["pool"] = f"{_GAMES_PER_WORKER * workers} games of self-play, {_SIMULATIONS} simulations a move"
        row["pool_evaluations_per_second"] = round(rates[-1], 1)
        row["share"] = round(rates[-1] / rates[0], 3)
    return row


def _peer(network: Network, size: int) -> Evaluator:
    from alphago.nets.torch_runtime import TorchEvaluator

    return TorchEvaluator(network, size, PEER_BATCH, precision="fp32", device="cpu")


def _in_turns(contenders: Sequence[_Contender | _Searches], seconds: float) -> list[float]:
    """The median rate of each, over `ROUNDS` rounds in which each runs for `seconds`."""
    rounds = [[contender.rate(seconds) for contender in contenders] for _ in range(ROUNDS)]
    return [statistics.median(rates) for rates in zip(*rounds, strict=True)]


class _Contender:
    """Evaluators of one network, one for each worker thread, and inputs for them."""

    def __init__(self, network: Network, evaluators: Sequence[Evaluator], torch_threads: int, seed: int) -> None:
        from alphago.nets.calibration import playout_positions

        self.evaluators, self.torch_threads = evaluators, torch_threads
        first = evaluators[0]
        planes, globals_ = playout_positions(network, first.size, first.batch, seed)
        self.buffers = [evaluator.buffers() for evaluator in evaluators]
        for buffer in self.buffers:
            buffer[0][:], buffer[1][:] = planes, globals_

    def rate(self, seconds: float) -> float:
        """Evaluations a second of all workers together, over `seconds` and at least one batch of each."""
        import torch

        torch.set_num_threads(self.torch_threads)  # of threads started from here on, as the workers are
        start = threading.Barrier(len(self.evaluators) + 1)
        done = [0] * len(self.evaluators)
        errors: list[BaseException] = []
        stop = threading.Event()

        def work(worker: int) -> None:
            evaluator, buffer = self.evaluators[worker], self.buffers[worker]
            try:
                for _ in range(_WARM_UP_BATCHES):
                    evaluator.evaluate(*buffer)
                start.wait()
                until = time.perf_counter() + seconds
                while not stop.is_set():
                    evaluator.evaluate(*buffer)
                    done[worker] += evaluator.batch
                    if time.perf_counter() >= until:
                        break
            except BaseException as error:  # noqa: BLE001  # raised again below, in the caller's thread
                errors.append(error)
                start.abort()

        workers = [threading.Thread(target=work, args=(i,), daemon=True) for i in range(len(self.evaluators))]
        for worker in workers:
            worker.start()
        try:
            start.wait()
            began = time.perf_counter()
            for worker in workers:
                worker.join()
        except threading.BrokenBarrierError:
            raise errors[0] from None
        finally:
            stop.set()
        if errors:
            raise errors[0]
        return sum(done) / (time.perf_counter() - began)


class _Searches:
    """The same evaluators at work for a pool of self-play games, which go on from one measurement to the next."""

    def __init__(self, evaluators: Sequence[Evaluator], seed: int) -> None:
        from alphago import _core
        from alphago.search import SearchParams

        self.evaluators, self._seed = evaluators, seed
        first = evaluators[0]
        self._pool = _core.SearchPool(
            size=first.size, slots=_GAMES_PER_WORKER * len(evaluators), networks=[first.feature_set]
        )
        params = SearchParams(simulations=_SIMULATIONS, noise_fraction=0.25, temperature=1.0, temperature_moves=7)
        self._engine = _core.Engine(params.core(), 0, 0)
        for slot in range(self._pool.n_slots):
            self._start(slot)

    def _start(self, slot: int) -> None:
        self._pool.start(slot, self._seed, [self._engine], autoplay=True)
        self._seed += 1

    def _restart_finished(self) -> None:
        for record in self._pool.finished():
            self._start(record["slot"])

    def rate(self, seconds: float) -> float:
        """Evaluations a second of all workers together, over `seconds`."""
        from alphago.search import drive

        before, began = self._pool.stats()["evaluations"], time.perf_counter()
        drive(
            self._pool,
            [[evaluator] for evaluator in self.evaluators],
            self._restart_finished,
            lambda: time.perf_counter() - began >= seconds,
        )
        return (self._pool.stats()["evaluations"] - before) / (time.perf_counter() - began)
