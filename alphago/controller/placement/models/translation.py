"""Translation by encoder, decoder and attention, unrolled (the NMT of the placement papers; Bahdanau and others 2015)."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Attend(nn.Module):
    """A mean of what the encoder said, weighed by how well it fits a state."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.query = nn.Linear(width, width, bias=False)
        self.score = nn.Linear(width, 1, bias=False)

    def forward(self, state: Tensor, keys: Tensor, said: Tensor) -> Tensor:
        """[N, H] from a state [N, H], keys and values [N, S, H]."""
        fit = self.score(torch.tanh(self.query(state).unsqueeze(1) + keys))
        return (torch.softmax(fit, 1) * said).sum(1)


class Translator(nn.Module):
    """Words int64 [N, S] and the translation so far int64 [N, T] to logits of its next words [N, T, vocabulary].

    Args:
        source_steps: S, target_steps: T, fixed: the graph is unrolled over them.
    """

    def __init__(self, vocabulary: int, width: int, layers: int, source_steps: int, target_steps: int) -> None:
        super().__init__()
        self.source_steps, self.target_steps = source_steps, target_steps
        self.source = nn.Embedding(vocabulary, width)
        self.target = nn.Embedding(vocabulary, width)
        self.encoder = nn.ModuleList(nn.LSTMCell(width, width) for _ in range(layers))
        self.keys = nn.Linear(width, width)
        self.attend = Attend(width)
        self.decoder = nn.ModuleList(nn.LSTMCell(2 * width if not n else width, width) for n in range(layers))
        self.logits = nn.Linear(2 * width, vocabulary)

    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        states: list[tuple[Tensor, Tensor] | None] = [None] * len(self.encoder)
        read = []
        for step in range(self.source_steps):
            x = self.source(source[:, step])
            for number, layer in enumerate(self.encoder):
                state = layer(x, states[number])
                states[number] = (state[0], state[1])
                x = state[0]
            read.append(x)
        said = torch.stack(read, 1)
        keys = self.keys(said)
        outputs = []
        top = read[-1]
        for step in range(self.target_steps):
            context = self.attend(top, keys, said)
            x = torch.cat([self.target(target[:, step]), context], 1)
            for number, layer in enumerate(self.decoder):
                state = layer(x, states[number])
                states[number] = (state[0], state[1])
                x = state[0]
            top = x
            outputs.append(self.logits(torch.cat([top, context], 1)))
        return torch.stack(outputs, 1)
