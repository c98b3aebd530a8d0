"""The torch modules of every architecture. `build` makes one; `folded` turns it into what the runtimes run.

Inputs of every network: planes float [N, planes, S, S] and globals float [N, 7] (docs/features.md). Outputs, by head:

- `policy` [N, S*S + 1]: logits of the moves, row-major, pass last;
- `outcome` [N, 3]: logits of win, draw, loss for the side to move; or `value` [N] in -1..1 (AlphaGo's value network);
- `ownership` [N, S, S] in -1..1: who owns each point in the end, +1 the side to move;
- `score` [N]: points by which the side to move wins;
- `reply` [N, S*S + 1]: logits of the opponent's answer.
"""

from __future__ import annotations

import copy
import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional

from alphago.nets.architecture import GLOBALS, AlphaGoPolicy, AlphaGoValue, Residual
from alphago.nets.blocks import make_blocks
from alphago.nets.layers import ConvNorm as ConvNorm
from alphago.nets.layers import GlobalPool, activation_of
from alphago.nets.layers import MaskedNorm as MaskedNorm

Outputs = dict[str, Tensor]
DRAW_LOGIT = -4.0
"""Of a draw in a fresh network."""
SCORE_UNIT = 20.0
"""Points that an output of 1 of the score head's last layer stands for: keeps that layer's weights of the size of all others."""


class ResidualTower(nn.Module):
    """See `architecture.Residual`."""

    def __init__(self, a: Residual) -> None:
        super().__init__()
        self.architecture = a
        c, h = a.channels, a.head_channels
        self.act = activation_of(a.activation)
        self.stem = ConvNorm(a.planes, c, a.stem_kernel)
        self.globals = nn.Linear(GLOBALS, c)
        nn.init.normal_(self.globals.weight, std=0.3 / math.sqrt(GLOBALS))
        nn.init.zeros_(self.globals.bias)
        self.blocks = make_blocks(a)
        self.pool = GlobalPool()
        outputs = 1 + a.reply
        if a.policy:
            self.policy_conv = ConvNorm(c, h, 1)
            self.policy_bias = nn.Linear(3 * h, h)
            self.policy_out = nn.Conv2d(h, outputs, 1, bias=False)
            self.policy_pass = nn.Linear(3 * h, outputs)
        self.value_conv = ConvNorm(c, h, 1)
        if a.outcome or a.score:
            self.value_hidden = nn.Linear(3 * h, a.value_hidden)
            self.value_act = activation_of(a.value_activation)
        if a.outcome:
            self.outcome_out = nn.Linear(a.value_hidden, 3)
            # Draws are rare; that is not to be learned first, by all of the head.
            nn.init.constant_(self.outcome_out.bias[1:2], DRAW_LOGIT)
        if a.score:
            self.score_out = nn.Linear(a.value_hidden, 1)
        if a.ownership:
            self.ownership_out = nn.Conv2d(h, 1, 1, bias=False)
        for name in ("policy_out", "policy_pass", "outcome_out", "score_out", "ownership_out"):
            if hasattr(self, name):  # fresh outputs are small: near-uniform policy, even outcome
                nn.init.normal_(getattr(self, name).weight, std=0.3 / math.sqrt(getattr(self, name).weight[0].numel()))

    def forward(
        self, planes: Tensor, globals_: Tensor, mask: Tensor | None = None, heads: tuple[str, ...] | None = None
    ) -> Outputs:
        """`mask` [N, 1, S, S] only where a batch mixes board sizes; `heads` None for all that the network has."""
        heads = self.architecture.heads if heads is None else heads
        x = self.stem(planes, mask) + self.globals(globals_)[:, :, None, None]
        x = self.act(x)
        if mask is not None:
            x = x * mask
        for block in self.blocks:
            x = block(x, mask)
        out: Outputs = {}
        if {"policy", "reply"} & set(heads):
            p = self.act(self.policy_conv(x, mask))
            pooled = self.pool(p, mask)
            moves = self.policy_out(self.act(p + self.policy_bias(pooled)[:, :, None, None])).flatten(2)
            logits = torch.cat([moves, self.policy_pass(pooled)[:, :, None]], dim=2)
            if "policy" in heads:
                out["policy"] = logits[:, 0]
            if "reply" in heads:
                out["reply"] = logits[:, 1]
        if {"outcome", "score", "ownership"} & set(heads):
            v = self.act(self.value_conv(x, mask))
            if "ownership" in heads:
                out["ownership"] = torch.tanh(self.ownership_out(v))[:, 0]
            if {"outcome", "score"} & set(heads):
                hidden = self.value_act(self.value_hidden(self.pool(v, mask)))
                if "outcome" in heads:
                    out["outcome"] = self.outcome_out(hidden)
                if "score" in heads:
                    out["score"] = self.score_out(hidden)[:, 0] * SCORE_UNIT
        return out


class _AlphaGoTrunk(nn.Module):
    """5x5 convolution, then 3x3 ones, ReLU after each; zero padding keeps the size."""

    def __init__(self, planes: int, channels: int, layers: int) -> None:
        super().__init__()
        widths = [planes] + [channels] * layers
        self.convs = nn.ModuleList(
            nn.Conv2d(widths[i], channels, 5 if i == 0 else 3, padding=2 if i == 0 else 1) for i in range(layers)
        )
        for conv in self.convs:
            assert isinstance(conv, nn.Conv2d) and conv.bias is not None
            nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")
            nn.init.zeros_(conv.bias)

    def forward(self, x: Tensor) -> Tensor:
        for conv in self.convs:
            x = functional.relu(conv(x))
        return x


class AlphaGoPolicyNet(nn.Module):
    """See `architecture.AlphaGoPolicy`."""

    def __init__(self, a: AlphaGoPolicy) -> None:
        super().__init__()
        self.architecture = a
        self.trunk = _AlphaGoTrunk(a.planes, a.channels, a.layers - 1)
        self.last = nn.Conv2d(a.channels, 1, 1, bias=False)
        nn.init.normal_(self.last.weight, std=1 / math.sqrt(a.channels))
        self.point_bias = nn.Parameter(torch.zeros(a.size * a.size))
        self.pass_logit = nn.Parameter(torch.tensor([-8.0]))

    def forward(
        self, planes: Tensor, globals_: Tensor, mask: Tensor | None = None, heads: tuple[str, ...] | None = None
    ) -> Outputs:
        """The globals are not looked at: the paper's planes say it all."""
        x = self.last(self.trunk(planes)).flatten(1) + self.point_bias
        return {"policy": torch.cat([x, self.pass_logit.expand(x.shape[0], 1)], dim=1)}


class AlphaGoValueNet(nn.Module):
    """See `architecture.AlphaGoValue`."""

    def __init__(self, a: AlphaGoValue) -> None:
        super().__init__()
        self.architecture = a
        self.trunk = _AlphaGoTrunk(a.planes, a.channels, a.layers - 1)
        self.last = nn.Conv2d(a.channels, 1, 1)
        self.hidden = nn.Linear(a.size * a.size, a.hidden)
        self.out = nn.Linear(a.hidden, 1)

    def forward(
        self, planes: Tensor, globals_: Tensor, mask: Tensor | None = None, heads: tuple[str, ...] | None = None
    ) -> Outputs:
        """The globals are not looked at: the paper's planes say it all."""
        x = functional.relu(self.last(self.trunk(planes))).flatten(1)
        return {"value": torch.tanh(self.out(functional.relu(self.hidden(x))))[:, 0]}


Network = ResidualTower | AlphaGoPolicyNet | AlphaGoValueNet


def build(architecture: Residual | AlphaGoPolicy | AlphaGoValue, seed: int = 0) -> Network:
    """A fresh network in training mode; the same seed gives the same weights. The global random state is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if isinstance(architecture, Residual):
            return ResidualTower(architecture)
        if isinstance(architecture, AlphaGoPolicy):
            return AlphaGoPolicyNet(architecture)
        return AlphaGoValueNet(architecture)


def policy_alone(network: Network) -> Network:
    """A network that computes the same policy and nothing else, in evaluation mode.

    Training that moves the trunk and trains the policy alone makes the other heads wrong.
    """
    a = network.architecture
    if a.heads == ("policy",):
        return network.eval()
    assert isinstance(a, Residual) and a.policy
    kept = build(a.model_copy(update={"outcome": False, "ownership": False, "score": False, "reply": False}))
    state = network.state_dict()
    if a.reply:  # the second of two outputs
        for name in ("policy_out.weight", "policy_pass.weight", "policy_pass.bias"):
            state[name] = state[name][:1]
    kept.load_state_dict({name: state[name] for name in kept.state_dict()})
    return kept.eval()


def folded(network: Network) -> Network:
    """A copy for inference: evaluation mode, no gradients, every batch normalisation folded into its convolution."""
    out = copy.deepcopy(network).eval().requires_grad_(False)

    def fold(module: nn.Module) -> None:
        for name, child in module.named_children():
            if isinstance(child, ConvNorm):
                setattr(module, name, child.folded())
            else:
                fold(child)

    fold(out)
    return out.requires_grad_(False)


def folded_state(network: Network, *, keep_vars: bool = False) -> dict[str, Tensor]:
    """`folded(network).state_dict()` without making the modules; what needs no folding is not copied.

    Args:
        keep_vars: gradients go through to the network's parameters.
    """
    out: dict[str, Tensor] = {}
    inside: list[str] = []
    for name, module in network.named_modules():
        if isinstance(module, ConvNorm):
            out[f"{name}.conv.weight"], out[f"{name}.conv.bias"] = module.folded_weights()
            inside.append(f"{name}.")
    prefixes = tuple(inside)
    rest = network.state_dict(keep_vars=keep_vars).items()
    return {name: t if keep_vars else t.detach() for name, t in out.items()} | {
        name: t for name, t in rest if not name.startswith(prefixes)
    }


class FoldedCall:
    """Calls networks of one architecture as `folded` would make them, so as in evaluation mode; gradients reach their parameters.

    A batch normalisation that keeps its statistics is then a product of weights and not a pass over every activation.
    """

    def __init__(self, network: Network) -> None:
        self._network = folded(network)

    def __call__(self, network: Network, planes: Tensor, globals_: Tensor, heads: tuple[str, ...]) -> Outputs:
        state = folded_state(network, keep_vars=True)
        found: Outputs = functional_call(self._network, state, (planes, globals_, None, heads))
        return found


def multiply_adds(network: Network, size: int) -> int:
    """Multiply-adds of one evaluation on a board of `size`: convolutions and linear layers."""
    total = 0

    def count(module: nn.Module, _inputs: Any, output: Any) -> None:
        nonlocal total
        if isinstance(module, nn.Conv2d):
            total += output.shape[-1] * output.shape[-2] * module.weight.numel()
        elif isinstance(module, nn.Linear):
            total += module.weight.numel()

    probe = folded(network)
    hooks = [m.register_forward_hook(count) for m in probe.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    with torch.no_grad():
        probe(torch.zeros(1, network.architecture.planes, size, size), torch.zeros(1, GLOBALS))
    for hook in hooks:
        hook.remove()
    return total
