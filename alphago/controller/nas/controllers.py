"""Policies over the decisions of a space: independent logits, and the autoregressive LSTM of Zoph and Le (2016).

Both can be many at once: with R replicas every sequence belongs to the replica that its context names, no parameter is shared, and
one update of the trainer is R updates side by side. That is how hundreds of runs of a search cost little more than one.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from alphago.controller.nas.space import DRAWS, DeadEnd, Space, SpaceError
from alphago.train.episodes import Batch
from alphago.train.policies import drawn, entropy_of, masked_log_softmax
from alphago.train.reinforce import Evaluation


class _Controller(nn.Module, ABC):
    """What both have in common: sampling decision by decision, and evaluating whole sequences."""

    def __init__(self, space: Space, replicas: int) -> None:
        super().__init__()
        self.space, self.replicas = space, replicas
        self.widest = max(space.widths)
        open_ = torch.zeros(len(space.widths), self.widest, dtype=torch.bool)
        for turn, width in enumerate(space.widths):
            open_[turn, :width] = True
        self.options: Tensor
        """bool [decisions, widest]: what each decision has."""
        self.register_buffer("options", open_, persistent=False)

    @abstractmethod
    def start(self, contexts: Tensor) -> Any:
        """State before the first decision, of sequences of these replicas, int64 [n]."""

    @abstractmethod
    def step(self, turn: int, state: Any, before: Tensor | None, contexts: Tensor) -> tuple[Tensor, Any]:
        """Logits [n, widest] of a decision, and the state after it; `before` are the last choices, int64 [n]."""

    @torch.no_grad()
    def sample(
        self, count: int, generator: torch.Generator, contexts: Tensor | None = None, greedy: bool = False
    ) -> tuple[Tensor, Tensor]:
        """See `alphago.train.policies.Sequencer`. Sequences that the constraints leave no way to end are drawn again.

        Raises:
            DeadEnd: 1,000 draws have none that ends; or the one that is `greedy`.
        """
        contexts = self._contexts(count, contexts)
        chosen, log_probs, dead = self._drawn(generator, contexts, greedy)
        for _ in range(0 if greedy else DRAWS - 1):
            if not dead:
                break
            rows = sorted(dead)
            chosen[rows], log_probs[rows], again = self._drawn(generator, contexts[rows], greedy)
            dead = {rows[row]: text for row, text in again.items()}
        for text in dead.values():
            raise DeadEnd(text)
        return chosen, log_probs

    def _drawn(
        self, generator: torch.Generator, contexts: Tensor, greedy: bool
    ) -> tuple[Tensor, Tensor, dict[int, str]]:
        """Choices and log-probabilities, [n, decisions]; of the rows that came into a dead end, which it was."""
        count, dead = len(contexts), dict[int, str]()
        state, before = self.start(contexts), None
        chosen: list[Tensor] = []
        log_probs = []
        for turn in range(len(self.space.widths)):
            logits, state = self.step(turn, state, before, contexts)
            so_far = torch.stack(chosen, 1) if chosen else torch.zeros(count, 0, dtype=torch.int64)
            p = masked_log_softmax(logits, self._masks(turn, so_far, dead))
            before = drawn(p, generator, greedy)
            chosen.append(before)
            log_probs.append(p.gather(-1, before[:, None]).squeeze(-1))
        return torch.stack(chosen, 1), torch.stack(log_probs, 1), dead

    def evaluate(self, batch: Batch) -> Evaluation:
        """See `alphago.train.reinforce.Policy`."""
        turns = len(self.space.widths)
        actions = batch.actions.view(batch.episodes, turns)
        contexts = self._contexts(batch.episodes, batch.contexts)
        found = self.space.masks(actions.numpy())
        masks = self.options.expand(len(actions), -1, -1) if found is None else torch.from_numpy(found)
        state, before = self.start(contexts), None
        log_probs, entropy = [], []
        for turn in range(turns):
            logits, state = self.step(turn, state, before, contexts)
            p = masked_log_softmax(logits, masks[:, turn])
            before = actions[:, turn]
            log_probs.append(p.gather(-1, before[:, None]).squeeze(-1))
            entropy.append(entropy_of(p))
        return Evaluation(torch.stack(log_probs, 1).flatten(), torch.stack(entropy, 1).flatten())

    def _contexts(self, count: int, contexts: Tensor | None) -> Tensor:
        if contexts is None or self.replicas == 1:
            return torch.zeros(count, dtype=torch.int64)
        return contexts

    def _masks(self, turn: int, before: Tensor, dead: dict[int, str]) -> Tensor:
        """What each row may choose; rows that are at a dead end join the dead, whose first option is open to go on with."""
        if self.space.is_static:
            return self.options[turn].expand(len(before), -1)
        masks = np.zeros((len(before), self.widest), dtype=bool)
        for row, sequence in enumerate(before.tolist()):
            if row not in dead:
                try:
                    mask = self.space.allowed(sequence)
                    masks[row, : len(mask)] = mask
                except DeadEnd as error:
                    dead[row] = str(error)
            if row in dead:
                masks[row, 0] = True
        return torch.from_numpy(masks)


class FactorisedController(_Controller):
    """Logits of its own for every decision, whatever was decided before."""

    def __init__(self, space: Space, *, replicas: int = 1) -> None:
        super().__init__(space, replicas)
        self.logits = nn.Parameter(torch.zeros(replicas, len(space.widths), self.widest))

    def start(self, contexts: Tensor) -> Any:
        return None

    def step(self, turn: int, state: Any, before: Tensor | None, contexts: Tensor) -> tuple[Tensor, Any]:
        return self.logits[contexts, turn], None


class LstmController(_Controller):
    """An LSTM whose input is the embedding of the last choice: each decision sees all those before it.

    A link between two repetitions of a part is decided by attention between what the LSTM holds now, with all that is decided of
    the one that it feeds, and what it held when all was decided of the one that it comes from:
    P(yes) = sigmoid(v tanh(W h_source + W' h_target) + bias) (Zoph and Le 2016, section 3.3; the bias is ours).

    Args:
        hidden: units.
        scale: standard deviation of the first output weights; small ones begin with every option alike.
        bias_rate: how many times as far the biases of the outputs move in an update. They are the logits of a factorised
            controller; the rest of the LSTM adds what depends on what.
        replicas: controllers side by side.
        seed: of the first weights.
    """

    def __init__(
        self,
        space: Space,
        *,
        hidden: int = 32,
        scale: float = 0.1,
        bias_rate: float = 1.0,
        replicas: int = 1,
        seed: int = 0,
    ) -> None:
        super().__init__(space, replicas)
        self._bias_rate = bias_rate
        r, turns = replicas, len(space.widths)
        tokens = 1 + sum(space.widths)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            bound = hidden**-0.5
            self.embedding = nn.Parameter(torch.randn(r, tokens, hidden))
            self.inputs = nn.Parameter(torch.empty(r, hidden, 4 * hidden).uniform_(-bound, bound))
            self.recurrent = nn.Parameter(torch.empty(r, hidden, 4 * hidden).uniform_(-bound, bound))
            self.bias = nn.Parameter(torch.zeros(r, 4 * hidden))
            self.heads = nn.Parameter(torch.randn(r, turns, hidden, self.widest) * scale * bound)
            self.head_bias = nn.Parameter(torch.zeros(r, turns, self.widest))
            self.links = {turn: d.link for turn, d in enumerate(space.decisions) if d.link is not None}
            if self.links:
                self.link_source = nn.Parameter(torch.empty(r, hidden, hidden).uniform_(-bound, bound))
                self.link_target = nn.Parameter(torch.empty(r, hidden, hidden).uniform_(-bound, bound))
                self.link_out = nn.Parameter(torch.randn(r, hidden, 1) * scale)
        self.hidden = hidden
        # token 0 starts a sequence; then every option of every decision has one of its own
        first = np.cumsum([1, *space.widths[:-1]])
        self._first: Tensor
        self.register_buffer("_first", torch.from_numpy(first), persistent=False)

    def start(self, contexts: Tensor) -> Any:
        zero = torch.zeros(len(contexts), self.hidden, dtype=self.embedding.dtype)
        return zero, zero, {}

    def step(self, turn: int, state: Any, before: Tensor | None, contexts: Tensor) -> tuple[Tensor, Any]:
        h, c, held = state
        token = torch.zeros_like(contexts) if before is None else self._first[turn - 1] + before
        x = self.embedding[contexts, token]
        gates = self._times(x, self.inputs, contexts) + self._times(h, self.recurrent, contexts) + self.bias[contexts]
        i, f, g, o = gates.chunk(4, dim=1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        h = torch.sigmoid(o) * torch.tanh(c)
        held = {**held, turn: h} if self.links else held
        logits = self._times(h, self.heads[:, turn], contexts) + self._bias_rate * self.head_bias[contexts, turn]
        if turn in self.links:
            target, source = self.links[turn]
            both = self._times(held[source], self.link_source, contexts) + self._times(
                held[target], self.link_target, contexts
            )
            yes = self._times(torch.tanh(both), self.link_out, contexts)
            own = torch.cat([torch.zeros_like(yes), yes], dim=1) + self._bias_rate * self.head_bias[contexts, turn, :2]
            logits = torch.cat([own, logits[:, 2:]], dim=1)
        return logits, (h, c, held)

    def _times(self, x: Tensor, weights: Tensor, contexts: Tensor) -> Tensor:
        """x [n, a] times each one's replica of weights [R, a, b]."""
        r = self.replicas
        if r == 1:
            return x @ weights[0]
        if len(x) % r == 0 and bool((contexts.view(-1, r) == torch.arange(r)).all()):  # all replicas in turn: no copies
            return torch.bmm(x.view(-1, r, x.shape[1]).transpose(0, 1), weights).transpose(0, 1).reshape(len(x), -1)
        return torch.bmm(x[:, None], weights[contexts]).squeeze(1)


CONTROLLERS: Final = ("factorised", "lstm")


def make_controller(
    name: str, space: Space, *, replicas: int = 1, seed: int = 0, hidden: int = 32, bias_rate: float = 1.0
) -> FactorisedController | LstmController:
    """A controller by its name; the last two are an LSTM's. Raises SpaceError."""
    if name == "factorised":
        return FactorisedController(space, replicas=replicas)
    if name == "lstm":
        return LstmController(space, hidden=hidden, bias_rate=bias_rate, replicas=replicas, seed=seed)
    raise SpaceError(f"unknown controller {name!r}: one of {', '.join(CONTROLLERS)}")


def greedy_choices(controller: _Controller, context: int = 0) -> tuple[int, ...]:
    """The likeliest choice at every decision, one after the other. Raises DeadEnd: that leads to nothing."""
    contexts = torch.tensor([context])
    chosen, _ = controller.sample(1, torch.Generator(), contexts, greedy=True)
    found: NDArray[np.int64] = chosen[0].numpy()
    return tuple(int(choice) for choice in found)
