"""Gymnasium environment `alphago/Placement-v0`. Importing this module registers it; `gymnasium.make(
"alphago.controller.placement.env:alphago/Placement-v0")` imports it by itself.

An episode places one graph, group by group; the reward comes with the last group. The policies of this package draw whole
placements many times as fast; the environment is for everybody else's algorithms. `Stepwise` can act in it, and says of its steps
what it says of its own.
"""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any, Final, Literal

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from alphago.controller.placement.example import example_path
from alphago.controller.placement.graph import PlacementError
from alphago.controller.placement.grouping import Rule, grouped
from alphago.controller.placement.problem import Objective, Problem
from alphago.controller.placement.steps import CLIP, FEATURES, make_plan, new_state, place, see
from alphago.controller.placement.stored import read_any
from alphago.train.sources import MASK, OBSERVATION

ENV_ID: Final = "alphago/Placement-v0"
TURN: Final = "turn"


class PlacementEnv(gymnasium.Env[dict[str, Any], np.int64]):
    """Place a graph on a machine.

    Observation: a dictionary.
        observation: float32 [D, F] in [-0.1, 4]: of every device what placing the next group there would mean, the features of
            `alphago.controller.placement.steps.FEATURES`.
        turn: how many groups are placed, 0 to G - 1 (G - 1 at the end too).
        action_mask: int8 [D], 1 where the next group may go: where a device can compute it, has room for it, and is not the second
            of several that are alike and empty.
    Action: a device, 0 to D - 1. Reward: 0, and -sqrt(milliseconds) with the last group.

    `info` holds, at every reset and step, `group`: the names of the next group's operations; and at the end of an episode
        ms: what the placement costs; fits: whether it fits in memory; placement: int64 [N], the device of every operation;
        illegal: the device that was masked, when that ended it, with the reward of what does not fit.

    Args:
        problem: what is placed; None: `graph`.
        graph: a graph file; None: the example that ships with the package.
        failing: what does not fit counts this many times the time of the best single device.
    """

    metadata: dict[str, Any] = {"render_modes": ["ansi", "human"], "render_fps": 4}  # noqa: RUF012  # as the base class

    def __init__(
        self,
        problem: Problem | None = None,
        *,
        graph: str | os.PathLike[str] | None = None,
        objective: Objective | None = None,
        groups: Rule | None = None,
        failing: float = 2.0,
        render_mode: Literal["ansi", "human"] | None = None,
    ) -> None:
        if render_mode is not None and render_mode not in self.metadata["render_modes"]:
            raise PlacementError(f"unknown render_mode {render_mode!r}; known: ansi, human")
        if not failing > 1:
            raise PlacementError(f"failing {failing:g}: expected more than 1")
        if problem is None:
            found, machine, known = read_any(example_path() if graph is None else Path(graph))
            kept = known.group_of if known is not None and groups is None else grouped(found, groups or "bound")
            problem = Problem(
                found,
                machine,
                objective or (known.objective if known is not None else "latency"),
                kept,
                known.queue if known is not None else "longest",
            )
        elif graph is not None or objective is not None or groups is not None:
            raise PlacementError("a problem has its graph, objective and groups already: give it alone, or those alone")
        self.problem, self.render_mode = problem, render_mode
        alone = problem.best_alone[1]
        self.failing_ms = failing * (alone if math.isfinite(alone) else problem.serial_ms)
        """What an episode counts that ends in nothing that fits."""
        self._plan = make_plan(problem)
        self._state = new_state(self._plan, 1)
        self._turn, self._running = 0, False
        d = problem.devices
        self._seen = np.zeros((1, d, len(FEATURES)), dtype=np.float32)
        self._mask = np.zeros((1, d), dtype=bool)
        self.observation_space = spaces.Dict(
            {
                OBSERVATION: spaces.Box(-0.1, CLIP, (d, len(FEATURES)), np.float32),
                TURN: spaces.Discrete(problem.groups),
                MASK: spaces.Box(0, 1, (d,), np.int8),
            }
        )
        self.action_space = spaces.Discrete(d)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Begin with nothing placed. No options."""
        super().reset(seed=seed)
        self._state = new_state(self._plan, 1)
        self._turn, self._running = 0, True
        self._look()
        self._show()
        return self._observation(), self._info()

    def step(self, action: np.int64) -> tuple[dict[str, Any], float, bool, bool, dict[str, Any]]:
        """Place one group. Raises PlacementError: no episode is running, or there is no such device."""
        if not self._running:
            raise PlacementError("no episode is running; call reset() first")
        device = int(action)
        if not 0 <= device < self.problem.devices:
            raise PlacementError(f"no device {device}: 0 to {self.problem.devices - 1}")
        if not self._mask[0, device]:
            self._running = False
            reward = -math.sqrt(self.failing_ms)
            return self._observation(), reward, True, False, {**self._info(), "illegal": device, "fits": False}
        place(self._turn, np.array([device]), self._plan, self._state)
        self._turn += 1
        if self._turn < self.problem.groups:
            self._look()
            self._show()
            return self._observation(), 0.0, False, False, self._info()
        self._running = False
        self._show()
        placement = self.problem.expanded(self._state.placed)[0]
        costs = self.problem.costs_of_operations(placement[None])
        ms, fits = float(costs.ms[0]), bool(costs.fits[0])
        info = {**self._info(), "ms": ms, "fits": fits, "placement": placement}
        return self._observation(), -math.sqrt(ms if fits else self.failing_ms), True, False, info

    def render(self) -> str | None:
        """What every device has so far; "human" prints it."""
        lines = [f"{self._turn} of {self.problem.groups} groups placed"]
        for number, device in enumerate(self.problem.machine.devices):
            groups = int(self._state.groups_on[0, number])
            limit = f" of {device.memory:.3g}" if math.isfinite(device.memory) else ""
            lines.append(
                f"{device.name:>8}: {groups:4d} groups, {self._state.loads[0, number]:.4g} ms, "
                f"{self._state.held[0, number]:.3g}{limit} bytes"
            )
        text = "\n".join(lines)
        if self.render_mode == "human":
            print(text)
            return None
        return text

    def _look(self) -> None:
        see(self._turn, self._plan, self._state, self._seen, self._mask)

    def _observation(self) -> dict[str, Any]:
        turn = min(self._turn, self.problem.groups - 1)
        mask: NDArray[np.int8] = self._mask[0].astype(np.int8)
        return {OBSERVATION: self._seen[0].copy(), TURN: np.int64(turn), MASK: mask}

    def _info(self) -> dict[str, Any]:
        if self._turn >= self.problem.groups:
            return {"group": ()}
        group = int(self._plan.order[self._turn])
        members = np.flatnonzero(self.problem.group_of == group)
        return {"group": tuple(self.problem.graph.operations[op] for op in members)}

    def _show(self) -> None:
        if self.render_mode == "human":
            self.render()


def register() -> None:
    """Make `gymnasium.make("alphago/Placement-v0")` known. Doing it twice does no harm."""
    if ENV_ID not in gymnasium.registry:
        gymnasium.register(ENV_ID, entry_point="alphago.controller.placement.env:PlacementEnv")


register()
