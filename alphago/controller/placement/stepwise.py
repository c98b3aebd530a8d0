"""A placer that decides group by group and sees, of every device, what placing the group there would mean.

One small network scores every device from its features (`alphago.controller.placement.steps`), the same for all devices and groups,
so that it learns from every decision; a table of logits, one for each group and device, learns what is special about each. The
choice is a softmax over the devices that the memory and the symmetry of alike devices leave.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

import numpy as np
import torch
from torch import Tensor, nn

from alphago.controller.placement.graph import Ints
from alphago.controller.placement.problem import Problem
from alphago.controller.placement.steps import FEATURES, make_plan, new_state, place, replay, see
from alphago.train.episodes import Batch
from alphago.train.policies import drawn, entropy_of, masked_log_softmax
from alphago.train.reinforce import Evaluation

OBSERVATION: Final = "observation"
IS_LAST: Final = FEATURES.index("is_last")


class Stepwise(nn.Module):
    """The policy.

    Args:
        hidden: units of the scoring network's two layers.
        table_scale: how fast the table learns, against the network: its logits are its parameters times this.
        fastest_first: slower devices get nothing while one of the fastest kind (`Problem.fastest`) has room.
        leave: chance that the device of the group before is left, before anything is learned.
    """

    def __init__(
        self,
        problem: Problem,
        hidden: int = 32,
        table_scale: float = 1.0,
        seed: int = 0,
        fastest_first: bool = False,
        leave: float = 0.15,
    ) -> None:
        super().__init__()
        self.plan = make_plan(problem, fastest_first)
        self._problem = problem
        self.groups, self.devices = problem.groups, problem.devices
        self.table_scale = table_scale
        self._stay = math.log((1 - leave) / leave)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.scores = nn.Sequential(
                nn.Linear(len(FEATURES), hidden),
                nn.Tanh(),
                nn.Linear(hidden, hidden),
                nn.Tanh(),
                nn.Linear(hidden, 1),
            )
        self.table = nn.Parameter(torch.zeros(self.groups, self.devices))

    def _log_probs(self, seen: Tensor, masks: Tensor | None, turns: Tensor | int | slice) -> Tensor:
        """[..., D] from features [..., D, F], masks [..., D] and the number of the turn."""
        seen = seen.to(self.table.dtype)
        allowed = torch.ones(seen.shape[:-1], dtype=torch.bool, device=seen.device) if masks is None else masks
        places = allowed.flatten().nonzero().squeeze(-1)  # many devices may be full, or alike
        scores = self.scores(seen.flatten(0, -2)[places]).squeeze(-1)
        logits = self.table.new_zeros(allowed.numel()).index_put((places,), scores).view(allowed.shape)
        logits = logits + self.table_scale * self.table[turns]
        # to stay is one choice and to go another, however many devices there are to go to
        others = (allowed.sum(-1, keepdim=True) - 1).clamp(min=1)
        return masked_log_softmax(logits + seen[..., IS_LAST] * (others.to(logits).log() + self._stay), allowed)

    @torch.no_grad()
    def sample(
        self, count: int, generator: torch.Generator, contexts: Tensor | None = None, greedy: bool = False
    ) -> tuple[Tensor, Tensor]:
        """Devices of the groups in the order of the turns, int64 [count, G], and their log-probabilities [count, G]."""
        state = new_state(self.plan, count)
        seen = torch.zeros(count, self.devices, len(FEATURES))
        masks = torch.zeros(count, self.devices, dtype=torch.bool)
        chosen, log_probs = [], []
        for turn in range(self.groups):
            see(turn, self.plan, state, seen.numpy(), masks.numpy())
            p = self._log_probs(seen, masks, turn)
            choice = drawn(p, generator, greedy)
            place(turn, choice.numpy(), self.plan, state)
            chosen.append(choice)
            log_probs.append(p.gather(-1, choice[:, None]).squeeze(-1))
        return torch.stack(chosen, 1), torch.stack(log_probs, 1)

    def placements(self, choices: Ints) -> Ints:
        """See `alphago.controller.placement.source.Placer`."""
        groups = np.empty_like(choices)
        groups[:, self.plan.order] = choices
        return self._problem.expanded(groups)

    def evaluate(self, batch: Batch) -> Evaluation:
        """See `alphago.train.reinforce.Policy`. Every episode decides every group."""
        actions = batch.actions.view(batch.episodes, self.groups)
        seen = np.empty((batch.episodes, self.groups, self.devices, len(FEATURES)), dtype=np.float32)
        masks = np.empty((batch.episodes, self.groups, self.devices), dtype=bool)
        replay(actions.cpu().numpy(), self.plan, new_state(self.plan, batch.episodes), seen, masks)
        log_probs = self._log_probs(
            torch.from_numpy(seen).to(actions.device), torch.from_numpy(masks).to(actions.device), slice(None)
        )
        return Evaluation(
            log_probs.gather(-1, actions[..., None]).squeeze(-1).flatten(), entropy_of(log_probs).flatten()
        )

    @torch.no_grad()
    def act(
        self, observations: Mapping[str, Tensor], masks: Tensor | None, generator: torch.Generator, greedy: bool = False
    ) -> tuple[Tensor, Tensor]:
        """See `alphago.train.policies.Actor`: one decision of the Gymnasium environment."""
        log_probs = self._log_probs(observations[OBSERVATION], masks, observations["turn"].flatten())
        actions = drawn(log_probs, generator, greedy)
        return actions, log_probs.gather(-1, actions[:, None]).squeeze(-1)
