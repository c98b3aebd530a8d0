"""A recurrent language model, unrolled: every step of every layer is an operation (the RNNLM of the placement papers)."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class LanguageModel(nn.Module):
    """Words int64 [N, T] to logits of the next word [N, T, vocabulary].

    Args:
        steps: T, fixed: the graph is unrolled over it.
    """

    def __init__(self, vocabulary: int, width: int, layers: int, steps: int) -> None:
        super().__init__()
        self.steps = steps
        self.embedding = nn.Embedding(vocabulary, width)
        self.layers = nn.ModuleList(nn.LSTMCell(width, width) for _ in range(layers))
        self.logits = nn.Linear(width, vocabulary)

    def forward(self, words: Tensor) -> Tensor:
        states: list[tuple[Tensor, Tensor] | None] = [None] * len(self.layers)
        outputs = []
        for step in range(self.steps):
            x = self.embedding(words[:, step])
            for number, layer in enumerate(self.layers):
                state = layer(x, states[number])
                states[number] = (state[0], state[1])
                x = state[0]
            outputs.append(self.logits(x))
        return torch.stack(outputs, 1)
