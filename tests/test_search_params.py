"""`SearchParams`: the same parameters as the core's, checked; and the loop that drives a pool."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pydantic
import pytest

from alphago import _core
from alphago.search import BadSearchParams, SearchParams, drive, parse_settings, search_params, table
from conftest import ROOT

DOCS = ROOT / "docs" / "search-params.md"
NUMBERS = [(name, kind, bounds) for name, kind, _, bounds, _ in _core.SEARCH_PARAMS if kind in ("int", "float")]


def other_value(kind: str, default: Any, bounds: tuple[Any, ...]) -> Any:
    """A value that is allowed and is not the default."""
    if kind == "bool":
        return not default
    if kind == "choice":
        return next(name for name in bounds if name != default)
    return bounds[0] if bounds[0] != default else bounds[1]


def test_defaults_are_the_cores() -> None:
    assert SearchParams().model_dump() == {name: default for name, _, default, _, _ in _core.SEARCH_PARAMS}
    assert SearchParams().core().to_dict() == _core.SearchParams().to_dict()
    assert SearchParams().changed() == {}


def test_round_trip_of_every_parameter() -> None:
    """Python to the core, to JSON and to command-line texts, and back."""
    values = {name: other_value(kind, default, bounds) for name, kind, default, bounds, _ in _core.SEARCH_PARAMS}
    del values["rounds_in_flight"]  # the rollout cache excludes more than one
    values["rollouts"] = "softmax"  # ... and needs these
    params = search_params(values)
    assert params.changed() == values
    assert search_params({"rounds_in_flight": 2}).core().to_dict()["rounds_in_flight"] == 2
    assert params.core().to_dict() == pytest.approx(values | {"rounds_in_flight": 1})
    assert search_params(json.loads(params.model_dump_json())) == params
    texts = [f"{name}={json.dumps(value) if isinstance(value, bool) else value}" for name, value in values.items()]
    assert search_params(parse_settings(texts)) == params
    assert params.but(simulations=7).changed() == values | {"simulations": 7}


@pytest.mark.parametrize(("name", "kind", "bounds"), NUMBERS, ids=[name for name, *_ in NUMBERS])
def test_bounds(name: str, kind: str, bounds: tuple[Any, ...]) -> None:
    """Both bounds are allowed, by the core as well; what lies beyond is refused with the name of the parameter."""
    low, high = (int(b) if kind == "int" else float(b) for b in bounds)
    for value in (low, high):
        assert getattr(search_params({name: value}), name) == value
        assert search_params({name: value}).core().to_dict()[name] == pytest.approx(value)
    beyond = (low - 1, high + 1) if kind == "int" else (np.nextafter(low, -np.inf), np.nextafter(high, np.inf))
    for value in beyond:
        with pytest.raises(BadSearchParams, match=f"^search: {name}: input should be"):
            search_params({name: type(low)(value)})


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"c_int": 1.0}, "search: unknown key c_int (did you mean c_init?)"),
        ({"simulations": True}, "search: simulations: input should be a valid integer, got True"),
        ({"simulations": 1.5}, "search: simulations: input should be a valid integer"),
        ({"c_init": "2"}, "search: c_init: input should be a valid number, got '2'"),
        ({"c_init": float("nan")}, "search: c_init: input should be a finite number, got nan"),
        ({"reuse_tree": 1}, "search: reuse_tree: input should be a valid boolean, got 1"),
        ({"rollout_cache": True, "rounds_in_flight": 2}, "search: rollout_cache needs rounds_in_flight = 1"),
        ({"puct": "katago"}, "search: puct: input should be 'alphago', 'zero' or 'alphazero', got 'katago'"),
    ],
)
def test_bad_values(values: dict[str, Any], message: str) -> None:
    with pytest.raises(BadSearchParams) as caught:
        search_params(values)
    assert str(caught.value).startswith(message)
    with pytest.raises(pydantic.ValidationError):
        SearchParams(**values)


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["c_init"], "'c_init' is not key=value"),
        (["c_int=1"], "unknown search parameter 'c_int' (did you mean c_init?)"),
        (["c_init=1", "c_init=2"], "search parameter c_init is given twice"),
        (["c_init=one"], "search parameter c_init is a number, got 'one'"),
        (["simulations=1.5"], "search parameter simulations is a whole number, got '1.5'"),
        (["reuse_tree=yes"], "search parameter reuse_tree is true or false, got 'yes'"),
    ],
)
def test_bad_texts(texts: list[str], message: str) -> None:
    with pytest.raises(BadSearchParams) as caught:
        parse_settings(texts)
    assert str(caught.value).startswith(message)


def test_parameters_do_not_change() -> None:
    with pytest.raises(pydantic.ValidationError, match="frozen"):
        SearchParams().simulations = 5


def test_documentation_is_up_to_date() -> None:
    """docs/search-params.md holds table() word for word, with one row a parameter; `alphago.search.table()` makes it."""
    assert table() in DOCS.read_text(encoding="utf-8")
    assert table().count("\n") == len(_core.SEARCH_PARAMS) + 2


# --- drive ------------------------------------------------------------------------------------------------------------

PLANES, GLOBALS = _core.feature_planes("rich-fast"), 7


class EqualNet:
    """Equal priors and value 0, as an evaluator; may fail at its n-th batch."""

    feature_set = "rich-fast"
    size = 5
    batch = 4

    def __init__(self, fail_at: int = -1) -> None:
        self.calls, self.fail_at = 0, fail_at

    def describe(self) -> str:
        return "equal"

    def buffers(self) -> tuple[Any, Any]:
        return np.zeros((4, PLANES, 5, 5), np.float32), np.zeros((4, GLOBALS), np.float32)

    def evaluate(self, planes: Any, globals_: Any) -> Any:
        from alphago.nets.evaluator import Outputs

        self.calls += 1
        if self.calls == self.fail_at:
            raise RuntimeError("the network broke")
        return Outputs(np.zeros((4, 26), np.float32), np.zeros(4, np.float32), None)

    def clone(self) -> EqualNet:
        return EqualNet(self.fail_at)

    def swap_weights(self, network: Any) -> None:
        raise NotImplementedError


def five_games(networks: list[str]) -> _core.SearchPool:
    pool = _core.SearchPool(size=5, slots=5, networks=networks, memory_mib=64, cache_mib=0)
    joint = 0 if networks else -1
    engine = _core.Engine(SearchParams(simulations=8, temperature=1.0).core(), joint, joint)
    for slot in range(5):
        pool.start(slot, slot, [engine], autoplay=True)
    return pool


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_drive_plays_to_the_end(workers: int) -> None:
    """Any number of workers plays the games that the pool's own uniform evaluator plays, and none is handed out twice."""
    pool = five_games(["rich-fast"] if workers else [])
    nets = [EqualNet() for _ in range(workers)]
    games: list[dict[str, Any]] = []
    drive(pool, [[net] for net in nets], lambda: games.extend(pool.finished()), lambda: len(games) == 5)
    assert sorted(game["slot"] for game in games) == [0, 1, 2, 3, 4]
    reference = five_games([])
    reference.run()
    wanted = {game["slot"]: game["moves"].tolist() for game in reference.finished()}
    assert {game["slot"]: game["moves"].tolist() for game in games} == wanted


def test_what_a_worker_raises_reaches_the_caller() -> None:
    pool = five_games(["rich-fast"])
    with pytest.raises(RuntimeError, match="the network broke"):
        drive(pool, [[EqualNet(fail_at=3)], [EqualNet(fail_at=3)]], lambda: None, lambda: False)


@pytest.mark.parametrize("workers", [0, 2])
def test_what_a_callable_raises_reaches_the_caller(workers: int) -> None:
    pool = five_games(["rich-fast"] if workers else [])
    calls = 0

    def interrupt() -> None:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        drive(pool, [[EqualNet()] for _ in range(workers)], interrupt, lambda: False)


def test_enough_at_once_does_no_work() -> None:
    pool = five_games(["rich-fast"])
    net = EqualNet()
    drive(pool, [[net]], lambda: None, lambda: True)
    assert net.calls == 0
