"""The sequence-to-sequence placer of Mirhoseini and others, Device Placement Optimization with Reinforcement Learning (ICML 2017).

An LSTM reads the groups in order; a second one emits a device for each, attends to what the first has read (Bahdanau, Cho and
Bengio 2015), and sees the device that it chose before. Section 3.2 of the paper gives the embedding of a group: types, shapes of
outputs, adjacency.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from alphago.controller.placement.features import group_features
from alphago.controller.placement.graph import Ints
from alphago.controller.placement.problem import Problem
from alphago.train.episodes import Batch
from alphago.train.policies import drawn, entropy_of, masked_log_softmax
from alphago.train.reinforce import Evaluation

State = tuple[Tensor, Tensor]


class Attention(nn.Module):
    """Additive attention: of each query, a mean of the values by how well their keys match."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.query = nn.Linear(width, width, bias=False)
        self.key = nn.Linear(width, width)
        self.score = nn.Linear(width, 1, bias=False)

    def forward(self, queries: Tensor, values: Tensor) -> Tensor:
        """[B, T, H] from queries [B, T, H] and values [B or 1, G, H]."""
        matched = torch.tanh(self.query(queries)[:, :, None] + self.key(values)[:, None])  # [B, T, G, H]
        weights = self.score(matched).squeeze(-1).softmax(-1)
        found: Tensor = weights @ values
        return found


class Decoder(nn.Module):
    """Devices for T groups, one after the other.

    Args:
        tanh_constant: logits lie within this of 0, which keeps the policy from making up its mind at once; 0: anywhere.
    """

    def __init__(self, width: int, devices: int, tanh_constant: float = 5.0) -> None:
        super().__init__()
        self.devices, self.tanh_constant = devices, tanh_constant
        self.before = nn.Embedding(devices + 1, width)  # the last row: nothing was chosen yet
        self.lstm = nn.LSTM(2 * width, width, batch_first=True)
        self.attention = Attention(width)
        self.logits = nn.Linear(2 * width, devices)
        with torch.no_grad():
            self.logits.weight.mul_(0.1)
            self.logits.bias.zero_()

    def log_probs(
        self, read: Tensor, chosen_before: Tensor, state: State, masks: Tensor, first: int = 0
    ) -> tuple[Tensor, State]:
        """Of the decisions `first`, `first` + 1, ...

        Args:
            read: [B, G, H]: what the encoder made of each group.
            chosen_before: int64 [B, T]: the device of the group before each; `devices` before the first.
            masks: bool [B or 1, T, D].

        Returns:
            [B, T, D], and the state for what follows.
        """
        count, steps = chosen_before.shape
        here = read[:, first : first + steps].expand(count, -1, -1)
        out, state = self.lstm(torch.cat([here, self.before(chosen_before)], -1), state)
        logits = self.logits(torch.cat([out, self.attention(out, read)], -1))
        if self.tanh_constant:
            logits = self.tanh_constant * torch.tanh(logits / self.tanh_constant)
        return masked_log_softmax(logits, masks.expand_as(logits)), state

    def draw(
        self, read: Tensor, state: State, masks: Tensor, generator: torch.Generator, greedy: bool
    ) -> tuple[Tensor, Tensor]:
        """Devices int64 [B, T] and their log-probabilities [B, T], for B states [1, B, H]."""
        count, steps = state[0].shape[1], read.shape[1]
        before = torch.full((count, 1), self.devices, dtype=torch.int64)
        chosen, log_probs = [], []
        for turn in range(steps):
            p, state = self.log_probs(read, before, state, masks[:, turn : turn + 1], turn)
            choice = drawn(p[:, 0], generator, greedy)
            chosen.append(choice)
            log_probs.append(p[:, 0].gather(-1, choice[:, None]).squeeze(-1))
            before = choice[:, None]
        return torch.stack(chosen, 1), torch.stack(log_probs, 1)

    def shifted(self, chosen: Tensor) -> Tensor:
        """What was chosen before each decision: int64 [B, T]."""
        start = torch.full_like(chosen[:, :1], self.devices)
        return torch.cat([start, chosen[:, :-1]], 1)


class Seq2Seq(nn.Module):
    """The policy. Devices that cannot compute or hold a group alone are masked; what does not fit together is found out."""

    def __init__(self, problem: Problem, hidden: int = 64, seed: int = 0) -> None:
        super().__init__()
        self._problem = problem
        self.groups, self.devices = problem.groups, problem.devices
        self.order = problem.order
        features = group_features(problem)
        rows = np.concatenate([features.rows(), features.adjacency()[:, _columns(self.order)]], axis=1)[self.order]
        self._rows: Tensor
        self._masks: Tensor
        self.register_buffer("_rows", torch.from_numpy(rows).float()[None], persistent=False)
        self.register_buffer("_masks", torch.from_numpy(problem.allowed[self.order])[None], persistent=False)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.embed = nn.Linear(rows.shape[1], hidden)
            self.encoder = nn.LSTM(hidden, hidden, batch_first=True)
            self.decoder = Decoder(hidden, self.devices)

    def _read(self, count: int) -> tuple[Tensor, State]:
        read, (h, c) = self.encoder(torch.tanh(self.embed(self._rows)))
        return read, (h.expand(-1, count, -1).contiguous(), c.expand(-1, count, -1).contiguous())

    @torch.no_grad()
    def sample(
        self, count: int, generator: torch.Generator, contexts: Tensor | None = None, greedy: bool = False
    ) -> tuple[Tensor, Tensor]:
        """Devices of the groups in order, int64 [count, G], and their log-probabilities [count, G]."""
        read, state = self._read(count)
        return self.decoder.draw(read, state, self._masks, generator, greedy)

    def placements(self, choices: Ints) -> Ints:
        """See `alphago.controller.placement.source.Placer`."""
        groups = np.empty_like(choices)
        groups[:, self.order] = choices
        return self._problem.expanded(groups)

    def evaluate(self, batch: Batch) -> Evaluation:
        """See `alphago.train.reinforce.Policy`. Every episode decides every group."""
        actions = batch.actions.view(batch.episodes, self.groups)
        read, state = self._read(batch.episodes)
        log_probs, _ = self.decoder.log_probs(read, self.decoder.shifted(actions), state, self._masks)
        return Evaluation(
            log_probs.gather(-1, actions[..., None]).squeeze(-1).flatten(), entropy_of(log_probs).flatten()
        )


def _columns(order: Ints) -> Ints:
    """Columns of an adjacency [G, 2 G] with the groups in order, both halves."""
    return np.concatenate([order, len(order) + order])
