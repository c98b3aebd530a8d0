"""Zoph and Le's space of layer-by-layer convolutional networks with skip connections, whose children are trained for real.

The images are the 1,797 handwritten digits of 8x8 pixels that scikit-learn ships, so that the paper's algorithm runs end to end on
a CPU: a controller proposes, a child is trained for seconds, and the cube of its validation accuracy is the reward (Zoph and Le
2016, section 4.1).
"""

from __future__ import annotations

import contextlib
import functools
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from alphago.controller.nas.objective import Limit, Measured, ObjectiveError
from alphago.controller.nas.space import Choice, Choices, Group, Links, Repeat, Space
from alphago.errors import AlphaGoError

LAYERS: Final = 4
FILTERS: Final = (4, 8, 12, 16)
KERNELS: Final = (1, 3, 5)
SHARES: Final = (0.5, 0.25)
"""Of the images: to learn from, to validate on; the rest is the test."""
CLASSES: Final = 10
EPOCHS: Final = 12
LAST: Final = 3
"""Epochs at the end whose best validation accuracy counts (paper: 5 of 50)."""


class ImagesError(AlphaGoError):
    """The images are not there."""


def space(layers: int = LAYERS) -> Space:
    """Filters, kernel and links of every layer."""
    return Space(Repeat(Group(filters=Choice(*FILTERS), kernel=Choice(*KERNELS), inputs=Links()), layers))


@functools.cache
def digits(seed: int = 0) -> dict[str, tuple[Tensor, Tensor]]:
    """Images float [n, 1, 8, 8] in -1..1 and classes int64 [n], by part: learn, validate, test; always the same split."""
    try:
        from sklearn.datasets import load_digits
    except ImportError:
        raise ImagesError("the space conv needs scikit-learn: pip install 'alphago[nas]'") from None
    found: Any = load_digits()
    order = np.random.default_rng(seed).permutation(len(found.target))
    images = torch.from_numpy((found.images[order] / 8 - 1).astype(np.float32))[:, None]
    classes = torch.from_numpy(found.target[order].astype(np.int64))
    first, second = int(SHARES[0] * len(order)), int(sum(SHARES) * len(order))
    parts = {"learn": slice(0, first), "validate": slice(first, second), "test": slice(second, None)}
    return {name: (images[part], classes[part]) for name, part in parts.items()}


class Child(nn.Module):
    """The network of an architecture: the value of `space()`.

    A layer reads the outputs of the layers that feed it, side by side, or the image where none does. What feeds nothing goes to
    the classifier, which sees its mean over each quarter of the image. Convolution, batch normalisation, ReLU.
    """

    def __init__(self, layers: list[dict[str, Any]]) -> None:
        super().__init__()
        self.inputs = [layer["inputs"] for layer in layers]
        widths = [layer["filters"] for layer in layers]
        used = {source for inputs in self.inputs for source in inputs}
        self.outputs = [number for number in range(len(layers)) if number not in used]
        self.layers = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(
                    sum(widths[source] for source in layer["inputs"]) or 1,
                    layer["filters"],
                    layer["kernel"],
                    padding=layer["kernel"] // 2,
                    bias=False,
                ),
                nn.BatchNorm2d(layer["filters"]),
                nn.ReLU(),
            )
            for layer in layers
        )
        self.classifier = nn.Linear(4 * sum(widths[number] for number in self.outputs), CLASSES)

    def forward(self, images: Tensor) -> Tensor:
        """Logits [n, 10]."""
        held: list[Tensor] = []
        for inputs, layer in zip(self.inputs, self.layers, strict=True):
            held.append(layer(torch.cat([held[source] for source in inputs], dim=1) if inputs else images))
        last = functional.adaptive_avg_pool2d(torch.cat([held[number] for number in self.outputs], dim=1), 2)
        logits: Tensor = self.classifier(last.flatten(1))
        return logits


def trained_child(
    layers: list[dict[str, Any]],
    seed: int,
    images: Tensor,
    classes: Tensor,
    *,
    epochs: int = EPOCHS,
    after: Callable[[Child], None] | None = None,
) -> Child:
    """A child trained from scratch, in evaluation mode.

    Nesterov momentum 0.9, as in the paper; a rate of 0.05 that falls to 0 by a cosine, batches of 64.

    Args:
        seed: of weights and order.
        images, classes: to learn from.
        after: called after every epoch.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        child = Child(layers)
        optimizer = torch.optim.SGD(child.parameters(), lr=0.05, momentum=0.9, nesterov=True, weight_decay=1e-4)
        steps = epochs * -(-len(images) // 64)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
        for _ in range(epochs):
            child.train()
            for chosen in torch.split(torch.randperm(len(images)), 64):
                loss = functional.cross_entropy(child(images[chosen]), classes[chosen])
                optimizer.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                optimizer.step()
                schedule.step()
            if after is not None:
                after(child.eval())
    return child.eval()


def train_child(layers: list[dict[str, Any]], seed: int, *, epochs: int = EPOCHS) -> NDArray[np.float64]:
    """Validation accuracies after every epoch, [epochs], of a child that learns from the images for learning."""
    parts = digits()
    found: list[float] = []
    trained_child(
        layers,
        seed,
        *parts["learn"],
        epochs=epochs,
        after=lambda child: found.append(accuracy(child, *parts["validate"])),
    )
    return np.array(found)


def errors_of(
    layers: list[dict[str, Any]], count: int, *, epochs: int = EPOCHS, executor: Executor | None = None
) -> NDArray[np.float64]:
    """Shares of the test images that a child gets wrong, [count], after as many trainings (seeds 0, 1, ...) like a search's.

    Args:
        executor: where it is trained; None: here.
    """
    if executor is None:
        return np.array([_error(layers, seed, epochs) for seed in range(count)])
    return np.array(list(executor.map(_error, [layers] * count, range(count), [epochs] * count)))


def _error(layers: list[dict[str, Any]], seed: int, epochs: int) -> float:
    parts = digits()
    return 1 - accuracy(trained_child(layers, seed, *parts["learn"], epochs=epochs), *parts["test"])


@torch.no_grad()
def accuracy(child: nn.Module, images: Tensor, classes: Tensor) -> float:
    """Share of images whose class is foretold."""
    child.eval()
    return float((child(images).argmax(1) == classes).float().mean())


class ConvProblem:
    """The value is the cube of the best validation accuracy of the last epochs; the cost is the time that training took."""

    hinge = 0.5
    """See `alphago.controller.nas.objective.HINGE`: values are 0 to 1 here."""

    def __init__(self, layers: int = LAYERS, *, epochs: int = EPOCHS) -> None:
        self.space = space(layers)
        self._epochs = epochs

    def key(self, choices: Choices) -> str:
        """The network's `short_text`: networks that are alike but for the order of their layers are one."""
        return short_text(self.space.value(choices))

    def check(self, limit: Limit) -> None:
        """Raises ObjectiveError where even the smallest children break the limit: by the fastest of some runs of each."""
        layers = sum(decision.name.endswith(".kernel") for decision in self.space.decisions)
        beside: list[dict[str, Any]] = [{"filters": FILTERS[0], "kernel": KERNELS[0], "inputs": []}] * layers
        chained = [{**layer, "inputs": [number - 1] if number else []} for number, layer in enumerate(beside)]
        with _one_thread():
            fastest = min(float(child_times_ms(one).min()) for one in (beside, chained))
        if fastest > limit.latency_ms:
            raise ObjectiveError(
                f"no child keeps a limit of {limit.latency_ms:g} ms: the smallest of {layers} layers takes {fastest:.3g} ms"
            )

    def measure(self, choices: Choices, seed: int) -> Measured:
        """Train the child, on one thread."""
        started = time.monotonic()
        layers = self.space.value(choices)
        with _one_thread():
            best = float(train_child(layers, seed, epochs=self._epochs)[-LAST:].max())
            latency = child_latency_ms(layers)
        more = {"accuracy": best, "parameters": float(child_parameters(layers))}
        return Measured(best**3, seconds=time.monotonic() - started, latency_ms=latency, more=more)

    def describe(self, choices: Choices) -> dict[str, Any]:
        """Its layers, one by one, and its size."""
        layers = self.space.value(choices)
        texts = {
            f"layer_{number}": f"{layer['kernel']}x{layer['kernel']}, {layer['filters']} filters, reads "
            + (", ".join(f"layer {source}" for source in layer["inputs"]) or "the image")
            for number, layer in enumerate(layers)
        }
        return {**texts, "parameters": child_parameters(layers)}


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def child_parameters(layers: list[dict[str, Any]]) -> int:
    """Parameters of a child."""
    return sum(p.numel() for p in Child(layers).parameters())


def short_text(layers: list[dict[str, Any]]) -> str:
    """A network in short: "4k3 8k1<0" has two layers, whose second reads the first.

    Of all orders in which layers come after those that feed them it is the one that sorts first: layers that are only written
    down in another order have the same text.
    """
    feeds = [
        frozenset(n for n, layer in enumerate(layers) if source in layer["inputs"]) for source in range(len(layers))
    ]
    places: list[dict[int, int]] = [{}]
    """Orders that begin alike so far: layer to place."""
    chosen = []
    for place in range(len(layers)):
        found: dict[tuple[int, int, tuple[int, ...]], list[dict[int, int]]] = {}
        for order in places:
            met = set()
            for number, layer in enumerate(layers):
                if number in order or not all(source in order for source in layer["inputs"]):
                    continue
                one = (layer["filters"], layer["kernel"], tuple(sorted(order[source] for source in layer["inputs"])))
                if (one, feeds[number]) not in met:  # of twins, which feed the same layers too, either will do
                    met.add((one, feeds[number]))
                    found.setdefault(one, []).append({**order, number: place})
        first = min(found)
        places = found[first]
        chosen.append(first)
    return " ".join(
        f"{filters}k{kernel}" + (f"<{'+'.join(map(str, inputs))}" if inputs else "")
        for filters, kernel, inputs in chosen
    )


def child_latency_ms(layers: list[dict[str, Any]]) -> float:
    """The median of `child_times_ms`."""
    return float(np.median(child_times_ms(layers)))


@torch.no_grad()
def child_times_ms(layers: list[dict[str, Any]], *, batch: int = 64, repeats: int = 30) -> NDArray[np.float64]:
    """Milliseconds of an untrained child on a batch of images, [repeats], on one thread as `ConvProblem.measure` sees to."""
    child, images = Child(layers).eval(), torch.zeros(batch, 1, 8, 8)
    times = []
    for _ in range(repeats + 3):
        started = time.perf_counter()
        child(images)
        times.append(time.perf_counter() - started)
    return np.array(times[3:]) * 1e3


def hand_made(parameters: int, layers: int = LAYERS) -> list[dict[str, Any]]:
    """What a person would write down: 3x3 convolutions of one width in a chain, of about so many parameters."""

    def chain(filters: int) -> list[dict[str, Any]]:
        return [{"filters": filters, "kernel": 3, "inputs": [i - 1] if i else []} for i in range(layers)]

    return min((chain(filters) for filters in range(1, 65)), key=lambda one: abs(child_parameters(one) - parameters))
