"""Models to place that need no download: plain torch definitions with random weights, and inputs for them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import torch
from torch import Tensor, nn

from alphago.controller.placement.graph import PlacementError
from alphago.controller.placement.models.inception import InceptionV3
from alphago.controller.placement.models.language import LanguageModel
from alphago.controller.placement.models.resnet import resnet50
from alphago.controller.placement.models.translation import Translator
from alphago.messages import did_you_mean

Built = tuple[nn.Module, tuple[Tensor, ...]]


def _image(module: nn.Module, batch: int, size: int) -> Built:
    return module, (torch.randn(batch, 3, size, size),)


def _words(batch: int, steps: int, vocabulary: int) -> Tensor:
    return torch.randint(0, vocabulary, (batch, steps))


def _inception(batch: int) -> Built:
    return _image(InceptionV3(), batch, 299)


def _resnet(batch: int) -> Built:
    return _image(resnet50(), batch, 224)


def _language(batch: int) -> Built:
    return LanguageModel(vocabulary=10_000, width=512, layers=2, steps=20), (_words(batch, 20, 10_000),)


def _translation(batch: int) -> Built:
    model = Translator(vocabulary=10_000, width=512, layers=2, source_steps=16, target_steps=16)
    return model, (_words(batch, 16, 10_000), _words(batch, 16, 10_000))


def _tiny(batch: int) -> Built:
    model = Translator(vocabulary=50, width=16, layers=1, source_steps=4, target_steps=4)
    return model, (_words(batch, 4, 50), _words(batch, 4, 50))


MODELS: Final[dict[str, tuple[Callable[[int], Built], str]]] = {
    "inception_v3": (_inception, "Inception-v3, images of 299 x 299"),
    "resnet50": (_resnet, "ResNet-50, images of 224 x 224"),
    "lstm_lm": (_language, "language model: 2 LSTM layers of 512, unrolled over 20 words, vocabulary of 10,000"),
    "nmt": (_translation, "translation: 2 LSTM layers of 512 each side, attention, 16 words, vocabulary of 10,000"),
    "nmt_tiny": (_tiny, "the same in miniature, for tests: 1 layer of 16, 4 words"),
}
"""By name: what makes it, given the batch, and a line about it."""


def build(name: str, batch: int = 1, seed: int = 0) -> Built:
    """A model in evaluation mode with random weights, and random inputs of so many samples.

    Raises:
        PlacementError: no such model.
    """
    if name not in MODELS:
        raise PlacementError(f"no model {name!r}{did_you_mean(name, MODELS)}; known are {', '.join(MODELS)}")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        module, inputs = MODELS[name][0](batch)
    return module.eval(), inputs
