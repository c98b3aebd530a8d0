"""Children of the convolutional space: what feeds what, that they learn, and that a search over them repeats itself."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch

from alphago.controller.nas.convolutional import Child, ConvProblem, digits, short_text, space, train_child
from alphago.controller.nas.objective import Budget, Limit, ObjectiveError
from alphago.controller.nas.search import Search
from alphago.controller.nas.strategies import make_strategy

pytest.importorskip("sklearn", reason="scikit-learn ships the images")


def test_what_feeds_what() -> None:
    """Layer 1 reads layer 0, layer 2 the image, layer 3 both 0 and 1; 2 and 3 feed nothing and go to the classifier."""
    layers = [
        {"filters": 4, "kernel": 3, "inputs": []},
        {"filters": 8, "kernel": 1, "inputs": [0]},
        {"filters": 12, "kernel": 5, "inputs": []},
        {"filters": 16, "kernel": 3, "inputs": [0, 1]},
    ]
    child = Child(layers)
    assert child.outputs == [2, 3] and child.classifier.in_features == 4 * 28
    assert [layer[0].in_channels for layer in child.layers] == [1, 4, 1, 12]  # type: ignore[index]
    assert child(torch.zeros(5, 1, 8, 8)).shape == (5, 10)
    convolutions = 4 * 9 + 8 * 4 + 12 * 25 + 16 * 12 * 9
    norms, classifier = 2 * (4 + 8 + 12 + 16), 4 * 28 * 10 + 10
    assert sum(p.numel() for p in child.parameters()) == convolutions + norms + classifier


def test_every_architecture_is_a_network() -> None:
    import numpy as np

    random = np.random.default_rng(1)
    found = space()
    for _ in range(50):
        assert Child(found.value(found.draw(random)))(torch.zeros(2, 1, 8, 8)).shape == (2, 10)


def test_the_images_are_split_once_and_for_all() -> None:
    parts = digits()
    assert [len(parts[name][1]) for name in ("learn", "validate", "test")] == [898, 449, 450]
    assert all(images.min() >= -1 and images.max() <= 1 for images, _ in parts.values())


def test_children_learn_and_repeat_themselves() -> None:
    layers = [{"filters": 16, "kernel": 3, "inputs": []}, {"filters": 16, "kernel": 3, "inputs": [0]}]
    first = train_child(layers, seed=3, epochs=6)
    assert first[-1] > 0.8 > 0.5 > 0.1
    assert (train_child(layers, seed=3, epochs=6) == first).all()
    assert (train_child(layers, seed=4, epochs=6) != first).any()


def test_the_order_of_layers_makes_no_other_network() -> None:
    """Layers of one network written down in another order have one key; what reads otherwise, or another number, has another."""
    layers = [
        {"filters": 8, "kernel": 3, "inputs": []},
        {"filters": 4, "kernel": 1, "inputs": []},
        {"filters": 8, "kernel": 3, "inputs": [0]},
        {"filters": 8, "kernel": 3, "inputs": [0, 1]},
    ]

    def ordered(order: tuple[int, ...], other: list[dict[str, Any]] = layers) -> list[dict[str, Any]]:
        places = {layer: place for place, layer in enumerate(order)}
        return [{**other[n], "inputs": sorted(places[source] for source in other[n]["inputs"])} for n in order]

    assert short_text(layers) == "4k1 8k3 8k3<0+1 8k3<1"
    orders = [order for order in itertools.permutations(range(4)) if order.index(2) > order.index(0) < order.index(3)]
    orders = [order for order in orders if order.index(3) > order.index(1)]
    assert len(orders) == 5 and {short_text(ordered(order)) for order in orders} == {short_text(layers)}
    other = [*layers[:3], {**layers[3], "inputs": [1]}]
    assert short_text(other) != short_text(layers)
    # two pairs of twins: who reads whom counts, not how many read
    pairs = [{"filters": 4, "kernel": 3, "inputs": inputs} for inputs in ([], [], [0], [0], [1], [1])]
    lopsided = [{"filters": 4, "kernel": 3, "inputs": inputs} for inputs in ([], [], [0], [0], [0], [1])]
    assert short_text(pairs) != short_text(lopsided)
    assert short_text(ordered((1, 4, 0, 5, 3, 2), pairs)) == short_text(pairs)
    problem = ConvProblem(2)
    turns = [decision.name for decision in problem.space.decisions]
    first, second = ([1, 0, 0, 1, 0], [0, 1, 1, 0, 0])
    assert turns == ["0.filters", "0.kernel", "1.filters", "1.kernel", "1.inputs.0"]
    assert problem.key(tuple(first)) == problem.key(tuple(second)) == "4k3 8k1"


def test_a_limit_that_no_child_keeps_is_told_before_any_is_trained() -> None:
    ConvProblem(3).check(Limit(60_000.0))
    with pytest.raises(ObjectiveError, match=r"no child keeps a limit of 1e-06 ms: the smallest of 3 layers takes"):
        ConvProblem(3).check(Limit(1e-6))


def test_a_search_over_children() -> None:
    problem = ConvProblem(2, epochs=2)

    def run() -> list[float]:
        strategy = make_strategy("reinforce", problem.space, seed=1, controller="lstm")
        search = Search(problem, strategy, Budget(evaluations=4), seed=5)
        assert search.run()
        assert search.progress.best is not None and (search.progress.best.measured.latency_ms or 0) > 0
        return [one.measured.value for one in search.progress.tried]

    values = run()
    assert values == run() and len(set(values)) > 1
