"""The hierarchical placer of Mirhoseini and others, A Hierarchical Model for Device Placement (ICLR 2018).

A feed-forward grouper puts every operation into one of K groups; a sequence-to-sequence placer gives each group a device. Both are
trained together: an episode is the group of every operation, then the device of every group. What is co-located goes into one
group: the grouper decides about the problem's groups, which hold operations that are bound together.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from alphago.controller.placement.features import group_features
from alphago.controller.placement.graph import Ints
from alphago.controller.placement.problem import Problem
from alphago.controller.placement.seq2seq import Decoder, State
from alphago.train.episodes import Batch
from alphago.train.policies import drawn, entropy_of, masked_log_softmax
from alphago.train.reinforce import Evaluation

GROUPER_HIDDEN = 64
"""Units of the grouper (section 3 of the paper)."""


class Hierarchical(nn.Module):
    """The policy: A decisions of the grouper (A operations, or what is bound together), then K of the placer.

    Args:
        groups: K, that the grouper may make.
        hidden: units of the placer's LSTMs.
    """

    def __init__(self, problem: Problem, groups: int = 32, hidden: int = 64, seed: int = 0) -> None:
        super().__init__()
        self._problem = problem
        self.atoms, self.groups, self.devices = problem.groups, groups, problem.devices
        features = group_features(problem)
        rows = features.rows()
        self._rows: Tensor
        self._reads: Tensor
        self._allowed: Tensor
        self._inputs: Tensor
        self._position: Tensor
        self.register_buffer("_rows", torch.from_numpy(rows).float(), persistent=False)
        self.register_buffer("_reads", torch.from_numpy(np.expm1(features.reads)).float(), persistent=False)
        self.register_buffer("_allowed", torch.from_numpy(problem.allowed), persistent=False)
        # the grouper cannot see the graph: where an operation stands, and its neighbours, summed by kind, tell it
        place = np.empty(self.atoms)
        place[problem.order] = np.linspace(-1, 1, self.atoms)
        waves = np.stack([np.sin(np.pi * place * k) for k in (1, 2, 4, 8, 16)], axis=1)
        seen = np.concatenate([rows, features.reads @ rows, features.reads.T @ rows, place[:, None], waves], axis=1)
        self.register_buffer("_inputs", torch.from_numpy(seen).float(), persistent=False)
        self.register_buffer("_position", torch.from_numpy(place).float(), persistent=False)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.grouper = nn.Sequential(
                nn.Linear(seen.shape[1], GROUPER_HIDDEN), nn.ReLU(), nn.Linear(GROUPER_HIDDEN, groups)
            )
            self.embed = nn.Linear(rows.shape[1] + 1 + 2 * groups, hidden)
            self.encoder = nn.LSTM(hidden, hidden // 2, batch_first=True, bidirectional=True)
            self.join = nn.Linear(2 * (hidden // 2), hidden)
            self.decoder = Decoder(hidden, self.devices)

    def _grouping(self) -> Tensor:
        """Log-probabilities [A, K]."""
        return masked_log_softmax(self.grouper(self._inputs), None)

    def _read(self, grouping: Tensor) -> tuple[Tensor, State, Tensor]:
        """What the encoder makes of each group [B, K, H], the decoder's first state, and its masks bool [B, K, D]."""
        members = nn.functional.one_hot(grouping, self.groups).to(self._rows.dtype)  # [B, A, K]
        sizes = members.sum(1)[..., None]
        means = members.transpose(1, 2) @ torch.cat([self._rows, self._position[:, None]], -1) / sizes.clamp(min=1)
        reads = torch.log1p(members.transpose(1, 2) @ (self._reads @ members))
        rows = torch.cat([means, reads, reads.transpose(1, 2)], -1)
        out, (h, c) = self.encoder(torch.tanh(self.embed(rows)))
        read = self.join(out)
        state = tuple(self.join(part.transpose(0, 1).flatten(1))[None].contiguous() for part in (h, c))
        forbidden = members.transpose(1, 2) @ (~self._allowed).to(members)
        masks = forbidden == 0
        masks = masks | ~masks.any(
            -1, keepdim=True
        )  # a group that no device takes whole: whatever is chosen does not fit
        return read, (state[0], state[1]), masks

    @torch.no_grad()
    def sample(
        self, count: int, generator: torch.Generator, contexts: Tensor | None = None, greedy: bool = False
    ) -> tuple[Tensor, Tensor]:
        """Groups of the operations, then devices of the groups: int64 [count, A + K], and their log-probabilities."""
        p = self._grouping()
        rows = p.repeat(count, 1)
        grouping = drawn(rows, generator, greedy).view(count, self.atoms)
        read, state, masks = self._read(grouping)
        devices, more = self.decoder.draw(read, state, masks, generator, greedy)
        first = p.expand(count, -1, -1).gather(-1, grouping[..., None]).squeeze(-1)
        return torch.cat([grouping, devices], 1), torch.cat([first, more], 1)

    def placements(self, choices: Ints) -> Ints:
        """See `alphago.controller.placement.source.Placer`."""
        grouping, devices = choices[:, : self.atoms], choices[:, self.atoms :]
        return self._problem.expanded(np.take_along_axis(devices, grouping, axis=1))

    def evaluate(self, batch: Batch) -> Evaluation:
        """See `alphago.train.reinforce.Policy`."""
        actions = batch.actions.view(batch.episodes, self.atoms + self.groups)
        grouping, devices = actions[:, : self.atoms], actions[:, self.atoms :]
        p = self._grouping().expand(batch.episodes, -1, -1)
        read, state, masks = self._read(grouping)
        q, _ = self.decoder.log_probs(read, self.decoder.shifted(devices), state, masks)
        log_probs = [p.gather(-1, grouping[..., None]).squeeze(-1), q.gather(-1, devices[..., None]).squeeze(-1)]
        return Evaluation(torch.cat(log_probs, 1).flatten(), torch.cat([entropy_of(p), entropy_of(q)], 1).flatten())
