"""The convolutional space held to a test: what REINFORCE finds against what chance finds and what a person would write down.

For every seed, a search of either strategy over the same number of children; the best child by validation accuracy is trained
anew several times, and its mean test error counts. The hand-made network has the parameters of the one that REINFORCE found.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from alphago.controller.nas.convolutional import ConvProblem, child_parameters, errors_of, hand_made
from alphago.controller.nas.journal import SearchError
from alphago.controller.nas.measuring import whole_workers
from alphago.controller.nas.objective import Budget
from alphago.controller.nas.runs import SearchSettings, begin_search, result_of, write_result
from alphago.controller.nas.search import Progress
from alphago.files import make_directory, write_atomically

TESTED: Final = "tested.json"
REINFORCE: Final = "reinforce"
RANDOM: Final = "random"
HAND_MADE: Final = "hand-made"


@dataclass(frozen=True)
class Examined:
    """A network's test error."""

    name: str
    """Strategy that found it, or `HAND_MADE`."""
    seed: int
    """Of the search; of a hand-made network: of the search whose answer it has the size of."""
    parameters: int
    errors: tuple[float, ...]
    """Shares of the test images, one for each training."""
    layers: list[dict[str, Any]]
    validation: float | None = None
    """Accuracy by which the search chose it."""

    @property
    def error(self) -> float:
        """Mean of the trainings."""
        return float(np.mean(self.errors))


@dataclass(frozen=True)
class ConvStudy:
    """How large a study is."""

    seeds: int = 5
    children: int = 200
    trainings: int = 10
    """Of every network that is tested."""
    layers: int = 4
    epochs: int = 12
    batch: int = 2


def run_conv_study(
    folder: Path,
    study: ConvStudy,
    *,
    executor: Executor | None = None,
    on_batch: Callable[[str, int, Progress], None] | None = None,
    on_test: Callable[[Examined], None] | None = None,
    stopping: Callable[[Callable[[], None]], None] | None = None,
) -> list[Examined] | None:
    """Run what is missing in the folder: searches first, seed by seed, then trainings. None: it was stopped.

    Args:
        executor: where children are trained.
        on_batch: told a strategy, its seed and how far its search is.
        on_test: told every network that was tested.
        stopping: is handed what stops the search under way.

    Raises:
        TrainingError: the folder holds searches with other settings. SearchError: damaged files.
    """
    found = []
    for seed in range(study.seeds):
        answers = {}
        for strategy in (REINFORCE, RANDOM):
            answer = _searched(folder, study, strategy, seed, executor, on_batch, stopping)
            if answer is None:
                return None
            answers[strategy] = answer
        size = child_parameters(answers[REINFORCE]["layers"])
        made = {"layers": hand_made(size, study.layers), "validation": None}
        for name, one in {**answers, HAND_MADE: made}.items():
            tested = _tested(folder, study, name, seed, one, executor)
            found.append(tested)
            if on_test is not None:
                on_test(tested)
    return found


def _searched(
    folder: Path,
    study: ConvStudy,
    strategy: str,
    seed: int,
    executor: Executor | None,
    on_batch: Callable[[str, int, Progress], None] | None,
    stopping: Callable[[Callable[[], None]], None] | None,
) -> dict[str, Any] | None:
    problem = ConvProblem(study.layers, epochs=study.epochs)
    about = {"space": "conv", "layers": study.layers, "epochs": study.epochs}
    settings = SearchSettings.model_validate(
        {"strategy": strategy, "controller": "lstm", "batch": study.batch, "seed": seed}
    )
    place = folder / f"{strategy}-{seed}"
    search = begin_search(
        problem,
        settings,
        Budget(evaluations=study.children),
        about=about,
        folder=place,
        resume=place.exists(),
        executor=executor,
    )
    if stopping is not None:
        stopping(search.stop)
    if not search.run(None if on_batch is None else lambda progress: on_batch(strategy, seed, progress)):
        return None
    write_result(place, result_of(search, about, settings))
    best = search.progress.best
    assert best is not None
    return {"layers": problem.space.value(best.choices), "validation": best.measured.more["accuracy"]}


def _tested(
    folder: Path, study: ConvStudy, name: str, seed: int, one: dict[str, Any], executor: Executor | None
) -> Examined:
    """Test a network, or read what is known of it."""
    path = folder / f"{name}-{seed}" / TESTED
    layers = one["layers"]
    if path.exists():
        try:
            row = json.loads(path.read_text(encoding="utf-8"))
            known = Examined(**{**row, "errors": tuple(row["errors"])})
        except (ValueError, TypeError, KeyError) as error:
            raise SearchError(f"{path}: damaged: {error}; delete it") from None
        if known.layers == layers and len(known.errors) == study.trainings:
            return known
    make_directory(path.parent, SearchError)
    with whole_workers():
        errors = errors_of(layers, study.trainings, epochs=study.epochs, executor=executor).tolist()
    tested = Examined(name, seed, child_parameters(layers), tuple(errors), layers, one["validation"])
    write_atomically(path, (json.dumps(asdict(tested)) + "\n").encode(), SearchError)
    return tested


def differences(found: Sequence[Examined], name: str) -> tuple[float, float]:
    """By how much the errors of REINFORCE's networks lie below those of `name`, seed by seed: mean, and its standard error, which
    has one degree of freedom fewer than there are seeds (NaN of one seed)."""

    def of(one: str) -> NDArray[np.float64]:
        return np.array([tested.error for tested in sorted(found, key=lambda t: t.seed) if tested.name == one])

    gains = of(name) - of(REINFORCE)
    return float(gains.mean()), float(gains.std(ddof=1) / math.sqrt(len(gains))) if len(gains) > 1 else math.nan
