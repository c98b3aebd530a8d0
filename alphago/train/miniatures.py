"""Two problems small enough to be solved by hand, which the REINFORCE trainer learns as it learns the real ones.

`BanditTree` is architecture search in small: some decisions, each seeing those before, and a reward at the leaf. `TinyPlacement`
is device placement in small: operations with times and edges, two devices, and the step time as what is to be short.
"""

from __future__ import annotations

import itertools
import math

import numpy as np

from alphago.train.sources import Reward


class BanditTree:
    """A tree of `depth` decisions with `width` choices each; every leaf has a reward of its own, 0 to 1.

    One leaf is worth 1. The rest are worth at most 0.9, and more where they share the first choices of the best leaf's opposite,
    so that a controller that follows the averages of single choices goes astray.
    """

    def __init__(self, seed: int, depth: int = 4, width: int = 3) -> None:
        random = np.random.default_rng(seed)
        self.choices = (width,) * depth
        leaves = list(itertools.product(range(width), repeat=depth))
        values = random.uniform(0.0, 0.7, len(leaves))
        self.optimum: tuple[int, ...] = leaves[int(random.integers(len(leaves)))]
        decoy = (self.optimum[0] + 1) % width
        self.rewards = {
            leaf: float(value + 0.2 * (leaf[0] == decoy)) for leaf, value in zip(leaves, values, strict=True)
        }
        self.rewards[self.optimum] = 1.0

    def evaluate(self, choices: tuple[int, ...], context: int, seed: int) -> Reward:
        """The reward of a leaf."""
        return Reward(self.rewards[choices])


class TinyPlacement:
    """Operations of a random graph on two devices.

    An operation starts when its device is free and its inputs have come; an edge between devices takes its transfer time. The
    reward is -sqrt(step time), as in Mirhoseini and others (2017); where a device holds more than its memory, -sqrt(twice the
    time of one device), and the answer is invalid.
    """

    def __init__(self, seed: int, operations: int = 8, devices: int = 2) -> None:
        random = np.random.default_rng(seed)
        self.choices = (devices,) * operations
        self.times = random.integers(1, 10, operations).tolist()
        self.memory = random.integers(1, 5, operations).tolist()
        self.limit = math.ceil(0.75 * sum(self.memory))
        self.edges = [
            (a, b, int(random.integers(1, 6)))
            for a in range(operations)
            for b in range(a + 1, operations)
            if random.random() < 0.3
        ]

    def step_time(self, placement: tuple[int, ...]) -> float | None:
        """When the last operation ends; None: it does not fit in memory. Operations are numbered as they depend on each other."""
        for device in set(placement):
            if sum(m for m, d in zip(self.memory, placement, strict=True) if d == device) > self.limit:
                return None
        free = [0.0] * self.choices[0]
        ends: list[float] = []
        for operation, device in enumerate(placement):
            ready = [
                ends[a] + (transfer if placement[a] != device else 0) for a, b, transfer in self.edges if b == operation
            ]
            ends.append(max([free[device], *ready]) + self.times[operation])
            free[device] = ends[-1]
        return max(ends)

    def evaluate(self, choices: tuple[int, ...], context: int, seed: int) -> Reward:
        """The reward of a placement."""
        time = self.step_time(choices)
        return Reward(-math.sqrt(2 * sum(self.times)), invalid=True) if time is None else Reward(-math.sqrt(time))

    def best(self) -> float:
        """The shortest step time of all placements, by trying each."""
        times = [self.step_time(placement) for placement in itertools.product(*map(range, self.choices))]
        return min(time for time in times if time is not None)
