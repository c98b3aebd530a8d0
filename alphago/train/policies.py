"""Ready-made policies for the REINFORCE trainer: one choice from logits, and whole sequences of choices from an LSTM."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import torch
from torch import Tensor, nn

from alphago.train.episodes import Batch
from alphago.train.reinforce import Evaluation


def masked_log_softmax(logits: Tensor, masks: Tensor | None) -> Tensor:
    """Log-probabilities over the actions that the mask allows, minus infinity elsewhere; [N, A], float32 or wider."""
    logits = logits if logits.dtype == torch.float64 else logits.float()
    if masks is not None:
        logits = logits.masked_fill(~masks, -torch.inf)
    return logits.log_softmax(-1)


def entropy_of(log_probs: Tensor) -> Tensor:
    """Exact entropy in nats of each row, [N]; impossible actions count nothing."""
    finite = log_probs.masked_fill(log_probs == -torch.inf, 0.0)
    return -(finite.exp() * finite).masked_fill(log_probs == -torch.inf, 0.0).sum(-1)


def drawn(log_probs: Tensor, generator: torch.Generator, greedy: bool = False) -> Tensor:
    """An action of each row, int64 [N]: by its probability, or the likeliest. Drawn on the generator's device."""
    if greedy:
        return log_probs.argmax(-1)
    return torch.multinomial(log_probs.to(generator.device).exp(), 1, generator=generator).squeeze(-1)


class Actor(Protocol):
    """A policy that can be asked step by step, which environments need."""

    def act(
        self, observations: Mapping[str, Tensor], masks: Tensor | None, generator: torch.Generator, greedy: bool = False
    ) -> tuple[Tensor, Tensor]:
        """Actions int64 [N] and their log-probabilities [N], on the CPU whatever the policy is on; without gradients."""


class Categorical(nn.Module):
    """A choice among actions by the softmax of a network's logits.

    Args:
        network: takes the observation called `key` and returns logits [N, A].
    """

    def __init__(self, network: nn.Module, key: str = "observation") -> None:
        super().__init__()
        self.network = network
        self.key = key

    def _log_probs(self, observations: Mapping[str, Tensor], masks: Tensor | None) -> Tensor:
        return masked_log_softmax(self.network(observations[self.key]), masks)

    @torch.no_grad()
    def act(
        self, observations: Mapping[str, Tensor], masks: Tensor | None, generator: torch.Generator, greedy: bool = False
    ) -> tuple[Tensor, Tensor]:
        """See `Actor`."""
        device = next(self.parameters()).device
        masks = None if masks is None else masks.to(device)
        log_probs = self._log_probs({self.key: observations[self.key].to(device)}, masks).cpu()
        actions = drawn(log_probs, generator, greedy)
        return actions, log_probs.gather(-1, actions[:, None]).squeeze(-1)

    def evaluate(self, batch: Batch) -> Evaluation:
        """See `alphago.train.reinforce.Policy`."""
        log_probs = self._log_probs(batch.observations, batch.masks)
        return Evaluation(log_probs.gather(-1, batch.actions[:, None]).squeeze(-1), entropy_of(log_probs))


class Sequencer(Protocol):
    """A policy that emits whole sequences of decisions."""

    def sample(
        self, count: int, generator: torch.Generator, contexts: Tensor | None = None, greedy: bool = False
    ) -> tuple[Tensor, Tensor]:
        """Choices int64 [count, T] and their log-probabilities [count, T], on the CPU; without gradients."""


class SequencePolicy(nn.Module):
    """An LSTM that makes one decision after the other and sees those before: the controller of Zoph and Le (2016) in small.

    Args:
        choices: how many there are for each decision.
        hidden: units of the LSTM.
        scale: the logits begin within about this of each other; small ones begin with every choice alike.
    """

    def __init__(self, choices: Sequence[int], hidden: int = 32, scale: float = 0.1, seed: int = 0) -> None:
        super().__init__()
        self.choices = tuple(choices)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.embedding = nn.Embedding(1 + sum(self.choices), hidden)
            self.cell = nn.LSTMCell(hidden, hidden)
            self.heads = nn.ModuleList(nn.Linear(hidden, n) for n in self.choices)
        with torch.no_grad():
            for layer in self.heads:
                assert isinstance(layer, nn.Linear)
                layer.weight.mul_(scale)
                layer.bias.zero_()
        # token 0 starts a sequence; then every choice of every decision has one of its own
        starts = torch.tensor([1, *self.choices[:-1]]).cumsum(0)
        self._first_token: Tensor
        self.register_buffer("_first_token", starts, persistent=False)

    def _step(
        self, tokens: Tensor, state: tuple[Tensor, Tensor] | None, turn: int
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        state = self.cell(self.embedding(tokens), state)
        return masked_log_softmax(self.heads[turn](state[0]), None), state

    @torch.no_grad()
    def sample(
        self, count: int, generator: torch.Generator, contexts: Tensor | None = None, greedy: bool = False
    ) -> tuple[Tensor, Tensor]:
        """See `Sequencer`."""
        device = self.embedding.weight.device
        tokens, state = torch.zeros(count, dtype=torch.int64, device=device), None
        chosen, log_probs = [], []
        for turn in range(len(self.choices)):
            p, state = self._step(tokens, state, turn)
            p = p.cpu()
            choice = drawn(p, generator, greedy)
            chosen.append(choice)
            log_probs.append(p.gather(-1, choice[:, None]).squeeze(-1))
            tokens = self._tokens(choice.to(device), turn)
        return torch.stack(chosen, 1), torch.stack(log_probs, 1)

    def evaluate(self, batch: Batch) -> Evaluation:
        """See `alphago.train.reinforce.Policy`. Every episode decides everything."""
        actions = batch.actions.view(batch.episodes, len(self.choices))
        tokens, state = torch.zeros(batch.episodes, dtype=torch.int64, device=actions.device), None
        log_probs, entropy = [], []
        for turn in range(len(self.choices)):
            p, state = self._step(tokens, state, turn)
            log_probs.append(p.gather(-1, actions[:, turn, None]).squeeze(-1))
            entropy.append(entropy_of(p))
            tokens = self._tokens(actions[:, turn], turn)
        return Evaluation(torch.stack(log_probs, 1).flatten(), torch.stack(entropy, 1).flatten())

    def _tokens(self, choice: Tensor, turn: int) -> Tensor:
        return self._first_token[turn] + choice
