"""A search as a run: its settings, its folder, and what it found, written down."""

from __future__ import annotations

import json
from collections.abc import Mapping
from concurrent.futures import Executor
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import pydantic

from alphago.controller.nas.journal import SearchError
from alphago.controller.nas.objective import HINGE, Budget, Limit, Problem, Timed
from alphago.controller.nas.search import Search, Tried
from alphago.controller.nas.space import Choices
from alphago.controller.nas.strategies import Accept, make_strategy
from alphago.errors import AlphaGoError
from alphago.files import write_atomically
from alphago.train.folders import begin_folder

RESULT: Final = "result.json"
FORMAT: Final = 1
STAGE: Final = "nas search"


class SearchSettings(pydantic.BaseModel, extra="forbid", frozen=True):
    """What the proposals of a search depend on, beside its space and what is measured. The budget is none of it: a search that is
    given more goes on."""

    strategy: Literal["reinforce", "evolution", "random", "tpe"] = "reinforce"
    controller: Annotated[
        Literal["factorised", "lstm"], pydantic.Field(description="reinforce: independent logits, or an LSTM")
    ] = "factorised"
    batch: Annotated[int, pydantic.Field(ge=1, le=1024, description="proposals at a time")] = 1
    limit_ms: Annotated[float | None, pydantic.Field(gt=0, description="latency that answers may not exceed")] = None
    charge_repeats: Annotated[bool, pydantic.Field(description="what is known already costs the budget again")] = False
    seed: Annotated[int, pydantic.Field(ge=0, lt=2**31)] = 0


def begin_search(
    problem: Problem,
    settings: SearchSettings,
    budget: Budget,
    *,
    about: Mapping[str, Any],
    folder: Path | None = None,
    resume: bool = False,
    executor: Executor | None = None,
    timeout: float | None = None,
) -> Search:
    """A search that is ready to run, from its beginning or from where its journal ends.

    Under a limit, of a problem that knows latencies without training, only what keeps it is proposed.

    Args:
        about: what else the search depends on: the space, the table's contents; a search that goes on must have the same.
        folder: None: nothing is kept.
        timeout: as of `Search`.

    Raises:
        TrainingError: the folder holds another search, or a search and `resume` is off.
        StrategyError: the strategy needs what is not installed.
        SearchError: the journal is damaged.
    """
    strategy = make_strategy(
        settings.strategy,
        problem.space,
        settings.seed,
        controller=settings.controller,
        batch=settings.batch,
        accept=_screen(problem, settings),
    )
    if folder is not None:
        begin_folder(folder, {"stage": STAGE, "settings": {**about, **settings.model_dump()}}, resume=resume)
    return Search(
        problem,
        strategy,
        budget,
        limit=_limit(problem, settings),
        seed=settings.seed,
        folder=folder,
        executor=executor,
        charge_repeats=settings.charge_repeats,
        timeout=timeout,
    )


def _limit(problem: Problem, settings: SearchSettings) -> Limit | None:
    return None if settings.limit_ms is None else Limit(settings.limit_ms, getattr(problem, "hinge", HINGE))


def _screen(problem: Problem, settings: SearchSettings) -> Accept | None:
    if settings.limit_ms is None or not isinstance(problem, Timed):
        return None
    timed, most = problem, settings.limit_ms

    def keeps(choices: Choices) -> bool:
        try:
            return timed.latency_ms(choices) <= most
        except AlphaGoError:
            raise
        except Exception:  # noqa: BLE001  # what cannot be timed is proposed: its measurement fails, and says why
            return True

    return keeps


def result_of(
    search: Search, about: Mapping[str, Any], settings: SearchSettings, *, finished: bool = True
) -> dict[str, Any]:
    """What a search has found, ready for JSON; `finished` off: so far. Raises SearchError: nothing."""
    progress = search.progress
    if progress.best is None:
        raise SearchError("the search has found nothing yet")
    return {
        "format": FORMAT,
        "finished": finished,
        "search": {**about, **settings.model_dump()},
        "best": {**_row(progress.best), **_described(search, progress.best)},
        "front": [_row(one) for one in progress.front()],
        "measured": len(progress.tried),
        "proposals": progress.proposals,
        "repeats": progress.repeats,
        "failures": progress.failures,
        "converged": progress.converged,
        "seconds": round(progress.seconds, 3),
    }


def _row(one: Tried) -> dict[str, Any]:
    found = one.measured
    row: dict[str, Any] = {"number": one.number, "choices": list(one.choices), "key": one.key, "value": found.value}
    row |= {
        "seconds": found.seconds,
        "latency_ms": found.latency_ms,
        **({"more": dict(found.more)} if found.more else {}),
    }
    return row


def _described(search: Search, one: Tried) -> dict[str, Any]:
    described = search.problem.describe(one.choices)
    return {"architecture": search.problem.space.value(one.choices), "described": described}


def write_result(folder: Path, result: Mapping[str, Any]) -> Path:
    """The result as a file in the run's folder; its path. Raises SearchError."""
    path = folder / RESULT
    write_atomically(path, (json.dumps(result, indent=1) + "\n").encode(), SearchError)
    return path


def read_result(path: Path) -> dict[str, Any]:
    """The result of a search, from its file or its folder.

    Raises:
        SearchError: there is none, or it is no result.
    """
    file = path / RESULT if path.is_dir() else path
    if path.is_dir() and not file.exists():
        raise SearchError(f"{path}: no finished search in it (expected {RESULT}); go on with it by --resume")
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise SearchError(f"{file}: {error.strerror or error}") from None
    except ValueError as error:
        raise SearchError(f"{file}: not JSON: {error}") from None
    if not isinstance(found, dict) or found.get("format") != FORMAT or not {"search", "best"} <= found.keys():
        raise SearchError(f"{file}: no result of a search of format {FORMAT}")
    return found
