"""Global inputs that games do not teach: the rules, and that the last move was a pass.

Where an input was the same in all games, nothing was learned of it: whatever weights it began with are still there. Where it was
nearly always the same, what was learned is what its few cases have in common: Tygem's players pass when a game is over, so any pass
was answered by a pass and cost nothing. Elsewhere such an input adds a vector that means nothing to every position. Other rules
took up to 0.7 from the expected outcome of whoever was to move, which a search sees with the other sign at every other depth.

So these inputs are shut: what they added in the games goes into the bias, which changes nothing there, and their weights are 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import torch

from alphago.nets.modules import Network, ResidualTower

RULE_INPUTS: Final = {3: "positional superko", 4: "situational superko", 5: "suicide", 6: "territory scoring"}
"""Their places among the globals (docs/features.md)."""
YES_OR_NO: Final = {1: "the last move was a pass", 2: "the last two moves were passes"} | RULE_INPUTS
"""All but the komi."""


def shut_inputs(network: Network, constants: Mapping[int, float]) -> None:
    """Make a network blind to global inputs, in place, and keep it so while it is trained.

    Where they have the values of `constants` it answers as before, up to rounding. Networks of AlphaGo's kinds have no such
    inputs, and stay as they are.

    Args:
        constants: place of an input among the globals (0 to 6) -> its value in the games that are learned from.
    """
    if not isinstance(network, ResidualTower) or not constants:
        return
    layer = network.globals
    open_ = torch.ones(layer.in_features)
    with torch.no_grad():
        for place, value in constants.items():
            layer.bias.add_(layer.weight[:, place] * value)
            layer.weight[:, place] = 0.0
            open_[place] = 0.0
    # A parameter's hooks outlive a move to another device, so the mask follows the gradient.
    layer.weight.register_hook(lambda gradient: gradient * open_.to(gradient))  # type: ignore[no-untyped-call]
