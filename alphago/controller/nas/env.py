"""Gymnasium environments in which an architecture is decided step by step.

Importing this module registers `alphago/NasBench201-v0`; `gymnasium.make("alphago.controller.nas.env:alphago/NasBench201-v0")`
imports it by itself.

An episode decides one architecture: every step is a decision of the space, the reward comes with the last. The controllers of this
package sample whole sequences many times as fast; the environment is for everybody else's algorithms, and `StepPolicy` lets a
controller act in it, decision by decision.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal

import gymnasium
import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from torch import Tensor, nn

from alphago.controller.nas.controllers import FactorisedController, LstmController
from alphago.controller.nas.nasbench201 import REWARD, load_table, synthetic_table
from alphago.controller.nas.objective import Problem
from alphago.controller.nas.problems import table_problem
from alphago.controller.nas.space import DeadEnd
from alphago.errors import AlphaGoError
from alphago.train.episodes import Batch
from alphago.train.policies import drawn, entropy_of, masked_log_softmax
from alphago.train.reinforce import Evaluation
from alphago.train.sources import OBSERVATION

ENV_ID: Final = "alphago/NasBench201-v0"


class BadEnvironment(AlphaGoError):
    """An environment parameter that cannot be, or a step outside an episode."""


class ArchitectureEnv(gymnasium.Env[NDArray[np.int64], np.int64]):
    """Decide an architecture of any problem.

    Observation: int64 [decisions]: 0 what is not decided yet, else 1 plus the option that was chosen. Action: an option of the next
    decision, 0 to the number of options of the widest one less 1. Reward: 0, and the problem's value with the last decision.

    `info` holds, at every reset and step:
        action_mask: int8 [widest], 1 where the next decision has such an option and the space's constraints allow it.
        decision: name of the next decision; "" when all are made.
    and at the end of an episode
        architecture: what was decided; value, seconds, latency_ms: what was measured;
        illegal: name of the decision whose action was masked, or that the constraints left no action, when that ended it, with
            `illegal_reward`.

    Args:
        problem: measured in this process, with seeds out of the environment's own random numbers.
        illegal_reward: for an action that is masked.
    """

    metadata: dict[str, Any] = {"render_modes": ["ansi", "human"], "render_fps": 4}  # noqa: RUF012  # as the base class

    def __init__(
        self, problem: Problem, *, illegal_reward: float = 0.0, render_mode: Literal["ansi", "human"] | None = None
    ) -> None:
        if render_mode is not None and render_mode not in self.metadata["render_modes"]:
            raise BadEnvironment(f"unknown render_mode {render_mode!r}; known: ansi, human")
        self.problem, self.render_mode = problem, render_mode
        self._illegal_reward = illegal_reward
        self._decisions = problem.space.decisions
        self._widest = max(problem.space.widths)
        self.observation_space = spaces.MultiDiscrete([width + 1 for width in problem.space.widths])
        self.action_space = spaces.Discrete(self._widest)
        self._chosen: list[int] = []
        self._running = False

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.int64], dict[str, Any]]:
        """Begin with nothing decided. No options."""
        super().reset(seed=seed)
        self._chosen, self._running = [], True
        self._show()
        return self._observation(), self._info()

    def step(self, action: np.int64) -> tuple[NDArray[np.int64], float, bool, bool, dict[str, Any]]:
        """Decide one thing. Raises BadEnvironment: no episode is running."""
        if not self._running:
            raise BadEnvironment("no episode is running; call reset() first")
        turn, choice = len(self._chosen), int(action)
        allowed = self.problem.space.allowed(self._chosen)
        if not (0 <= choice < len(allowed) and allowed[choice]):
            self._running = False
            info = self._info() | {"illegal": self._decisions[turn].name}
            return self._observation(), self._illegal_reward, True, False, info
        self._chosen.append(choice)
        self._show()
        if turn + 1 < len(self._decisions):
            info = self._info()
            if not info["action_mask"].any():  # the constraints leave no way to end
                self._running = False
                return self._observation(), self._illegal_reward, True, False, info | {"illegal": info["decision"]}
            return self._observation(), 0.0, False, False, info
        self._running = False
        choices = tuple(self._chosen)
        found = self.problem.measure(choices, int(self.np_random.integers(2**31)))
        info = self._info() | {"architecture": self.problem.space.value(choices), "value": found.value}
        info |= {"seconds": found.seconds, "latency_ms": found.latency_ms, "invalid": not found.valid}
        return self._observation(), float(found.value) if found.valid else self._illegal_reward, True, False, info

    def render(self) -> str | None:
        """What is decided so far: returned under "ansi", printed under "human"."""
        made = zip(self._decisions, self._chosen, strict=False)
        text = (
            ", ".join(f"{decision.name}={decision.options[choice]}" for decision, choice in made) or "nothing decided"
        )
        if self.render_mode == "human":
            print(text)
            return None
        return text if self.render_mode == "ansi" else None

    def _show(self) -> None:
        """Gymnasium's convention: "human" draws by itself at every reset and step."""
        if self.render_mode == "human":
            self.render()

    def _observation(self) -> NDArray[np.int64]:
        seen = np.zeros(len(self._decisions), dtype=np.int64)
        seen[: len(self._chosen)] = np.array(self._chosen, dtype=np.int64) + 1
        return seen

    def _info(self) -> dict[str, Any]:
        turn = len(self._chosen)
        mask = np.zeros(self._widest, dtype=np.int8)
        if turn == len(self._decisions):
            return {"action_mask": mask, "decision": ""}
        with contextlib.suppress(DeadEnd):
            allowed = self.problem.space.allowed(self._chosen)
            mask[: len(allowed)] = allowed
        return {"action_mask": mask, "decision": self._decisions[turn].name}


class NasBench201Env(ArchitectureEnv):
    """`ArchitectureEnv` of NAS-Bench-201: six decisions of five operations; the reward is an accuracy in percent.

    Args:
        table: a file of the table (docs/nas.md); None: the synthetic one that needs no download.
        reward: column of the table.
        latency: column of milliseconds for `info`; None: one that there is.

    Raises:
        TableError: no such file, table or column.
    """

    def __init__(
        self,
        table: str | os.PathLike[str] | None = None,
        reward: str = REWARD,
        latency: str | None = None,
        render_mode: Literal["ansi", "human"] | None = None,
    ) -> None:
        found = synthetic_table() if table is None else load_table(Path(table))
        super().__init__(table_problem(found, reward=reward, latency=latency), render_mode=render_mode)


class StepPolicy(nn.Module):
    """A controller that acts one decision at a time, in an `ArchitectureEnv`: an `Actor` and a `Policy`.

    What it saw before is read from the observation and gone through anew at every step, so that log-probabilities and gradients are
    those of whole sequences.

    Args:
        controller: with one replica.
    """

    def __init__(self, controller: FactorisedController | LstmController) -> None:
        super().__init__()
        if controller.replicas != 1:
            raise BadEnvironment(
                f"a policy of single steps is of one replica, the controller has {controller.replicas}"
            )
        self.controller = controller

    @torch.no_grad()
    def act(
        self, observations: Mapping[str, Tensor], masks: Tensor | None, generator: torch.Generator, greedy: bool = False
    ) -> tuple[Tensor, Tensor]:
        """See `alphago.train.policies.Actor`."""
        log_probs = self._log_probs(observations[OBSERVATION], masks)
        actions = drawn(log_probs, generator, greedy)
        return actions, log_probs.gather(-1, actions[:, None]).squeeze(-1)

    def evaluate(self, batch: Batch) -> Evaluation:
        """See `alphago.train.reinforce.Policy`."""
        log_probs = self._log_probs(batch.observations[OBSERVATION], batch.masks)
        return Evaluation(log_probs.gather(-1, batch.actions[:, None]).squeeze(-1), entropy_of(log_probs))

    def _log_probs(self, seen: Tensor, masks: Tensor | None) -> Tensor:
        """Log-probabilities [N, widest] of the next decision of each observation [N, decisions]."""
        turns = (
            (seen > 0).sum(dim=1).clamp(max=seen.shape[1] - 1)
        )  # an environment that has ended shows all decisions made
        rows, found = [], []
        for turn in sorted(set(turns.tolist())):
            row = torch.nonzero(turns == turn).squeeze(1)
            chosen = seen[row] - 1
            contexts = torch.zeros(len(row), dtype=torch.int64)
            logits, state = self.controller.step(0, self.controller.start(contexts), None, contexts)
            for later in range(1, turn + 1):
                logits, state = self.controller.step(later, state, chosen[:, later - 1], contexts)
            rows.append(row)
            found.append(logits)
        order = torch.cat(rows).argsort()
        return masked_log_softmax(torch.cat(found)[order], self.controller.options[turns] if masks is None else masks)


def register() -> None:
    """Make `gymnasium.make("alphago/NasBench201-v0")` known. Doing it twice does no harm."""
    if ENV_ID not in gymnasium.registry:
        gymnasium.register(ENV_ID, entry_point="alphago.controller.nas.env:NasBench201Env")


register()
