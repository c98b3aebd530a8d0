"""The three policies: what they sample is what they evaluate, their gradient is the closed form, their features lack nothing."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from alphago.controller.placement.features import group_features
from alphago.controller.placement.graph import Graph, unique_edges
from alphago.controller.placement.problem import Problem
from alphago.controller.placement.search import PolicySettings, make_policy
from alphago.controller.placement.steps import FEATURES, make_plan, new_state, place, replay, see
from alphago.controller.placement.stepwise import Stepwise
from alphago.train.episodes import Episodes
from alphago.train.optim import OptimizerSettings, ScheduleSettings
from alphago.train.reinforce import Reinforce, ReinforceSettings
from placement_helpers import chain, machine, random_graph

KINDS = ["stepwise", "seq2seq", "hierarchical"]


def policy_of(kind: str, problem: Problem, seed: int = 3) -> Any:
    made = make_policy(problem, PolicySettings(kind=kind, hidden=8, groups=4), seed)  # type: ignore[arg-type]
    with torch.no_grad():  # away from where all choices are alike
        for parameter in made.parameters():
            parameter.add_(0.3 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1)))
    return made


def episodes_of(choices: Tensor, log_probs: Tensor) -> Episodes:
    count, length = choices.shape
    rewards = np.zeros((count, length))
    rewards[:, -1] = np.arange(count)
    return Episodes(
        np.repeat(np.arange(count), length),
        choices.numpy().ravel(),
        rewards.ravel(),
        log_probs=log_probs.numpy().ravel(),
    )


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_evaluated_is_what_was_sampled(kind: str) -> None:
    """The same log-probabilities, whole or in parts; entropies are those of enumeration where there is one choice."""
    problem = Problem(random_graph(2, 10), machine(2, memory=22.0, host=True))
    policy = policy_of(kind, problem)
    choices, log_probs = policy.sample(9, torch.Generator().manual_seed(5))
    episodes = episodes_of(choices, log_probs)
    with torch.no_grad():
        found = policy.evaluate(episodes.batch())
        parts = [policy.evaluate(episodes.batch(episodes=part)).log_probs for part, _ in episodes.parts(25)]
    torch.testing.assert_close(found.log_probs, log_probs.flatten(), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(torch.cat(parts), found.log_probs, atol=1e-5, rtol=1e-5)
    assert (found.entropy >= 0).all() and torch.isfinite(found.entropy).all()
    placements = policy.placements(choices.numpy())
    assert placements.shape == (9, 10) and placements.min() >= 0 and placements.max() < problem.devices


@pytest.mark.parametrize("kind", KINDS)
def test_bound_operations_get_one_device(kind: str) -> None:
    graph = random_graph(4, 12)
    bound = np.full(12, -1)
    bound[[0, 5, 8]] = 1
    graph = Graph(**{**{name: getattr(graph, name) for name in graph.__dataclass_fields__}, "together": bound})
    problem = Problem(graph, machine(3))
    policy = policy_of(kind, problem)
    placements = policy.placements(policy.sample(20, torch.Generator().manual_seed(0))[0].numpy())
    assert (placements[:, 0] == placements[:, 5]).all() and (placements[:, 0] == placements[:, 8]).all()


@pytest.mark.parametrize("kind", KINDS)
def test_probabilities_of_all_placements_sum_to_one(kind: str) -> None:
    """A chain of three on two devices, every sequence of decisions enumerated."""
    problem = Problem(chain([1.0, 2.0, 3.0]), machine(1, host=True))
    policy = make_policy(problem, PolicySettings(kind=kind, hidden=4, groups=2), 0)  # type: ignore[arg-type]
    length = 5 if kind == "hierarchical" else 3
    choices = torch.tensor(list(itertools.product(range(2), repeat=length)))
    with torch.no_grad():
        found = policy.evaluate(episodes_of(choices, torch.zeros(choices.shape)).batch())
    total = found.log_probs.view(len(choices), length).double().sum(1).exp().sum()
    assert total.item() == pytest.approx(1.0, abs=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_the_gradient_is_the_closed_form(kind: str) -> None:
    """Of the expected reward over all placements of a tiny graph: sum of p R, differentiated by autograd; the trainer's, of all
    sequences weighed by their probability, is the same."""
    problem = Problem(chain([1.0, 2.0, 3.0]), machine(1, host=True))
    policy = make_policy(problem, PolicySettings(kind=kind, hidden=4, groups=2), 0).double()  # type: ignore[arg-type]
    length = 5 if kind == "hierarchical" else 3
    choices = torch.tensor(list(itertools.product(range(2), repeat=length)))
    count = len(choices)
    rewards = -np.sqrt(problem.costs_of_operations(policy.placements(choices.numpy())).ms)
    batch = episodes_of(choices, torch.zeros(choices.shape)).batch()
    p = policy.evaluate(batch).log_probs.view(count, length).sum(1).exp()
    expected = (p * torch.from_numpy(rewards)).sum()
    policy.zero_grad()
    (-expected).backward()
    wanted = [parameter.grad.clone() for parameter in policy.parameters() if parameter.grad is not None]

    weighed = np.zeros((count, length))
    weighed[:, -1] = rewards * p.detach().numpy() * count
    episodes = Episodes(np.repeat(np.arange(count), length), choices.numpy().ravel(), weighed.ravel())

    class Fixed:
        def collect(self, policy: Any, episodes_wanted: int) -> Episodes:
            return episodes

        def state(self) -> tuple[dict[str, Any], dict[str, Tensor]]:
            return {}, {}

        def load(self, values: Any, tensors: Any) -> None:
            pass

    before = [parameter.detach().clone() for parameter in policy.parameters()]
    settings = ReinforceSettings(
        optimizer=OptimizerSettings(kind="sgd", lr=1.0, momentum=0.0, nesterov=False, weight_decay=0.0),
        schedule=ScheduleSettings(kind="constant", warmup=0),
        clip=0.0,
    )
    Reinforce(policy, Fixed(), settings).step()
    moved = [old - new.detach() for old, new in zip(before, policy.parameters(), strict=True)]
    assert max(one.abs().max().item() for one in wanted) > 1e-4
    for found, closed in zip(moved, wanted, strict=True):
        torch.testing.assert_close(found, closed, atol=1e-10, rtol=1e-7)


# --- steps ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(6))
def test_the_last_step_knows_the_loads(seed: int) -> None:
    """Loads with transfers, kept step by step, are those of the whole placement; so is the memory."""
    graph = random_graph(seed, 15, activations=seed % 2 == 1)
    problem = Problem(graph, machine(3, memory=90.0, host=True), "throughput")
    plan = make_plan(problem)
    placements = np.random.default_rng(seed).integers(0, 4, (10, problem.groups))
    state = new_state(plan, 10)
    for turn, group in enumerate(plan.order.tolist()):
        place(turn, placements[:, group].copy(), plan, state)
    for row, placement in enumerate(placements):
        np.testing.assert_allclose(state.loads[row], problem.loads(problem.expanded(placement[None])[0]))
    np.testing.assert_allclose(state.held, problem.costs(placements).held)
    np.testing.assert_allclose(state.left, 0.0, atol=1e-9)


def test_steps_and_replay_see_the_same() -> None:
    problem = Problem(random_graph(3, 12), machine(2, memory=30.0, host=True))
    plan = make_plan(problem)
    random = np.random.default_rng(0)
    state = new_state(plan, 4)
    rows, masks, chosen = [], [], []
    for turn in range(problem.groups):
        seen = np.zeros((4, 3, len(FEATURES)), np.float32)
        mask = np.zeros((4, 3), bool)
        see(turn, plan, state, seen, mask)
        choice = np.array([random.choice(np.flatnonzero(row)) for row in mask])
        place(turn, choice, plan, state)
        rows.append(seen)
        masks.append(mask)
        chosen.append(choice)
    again = np.zeros((4, problem.groups, 3, len(FEATURES)), np.float32)
    again_masks = np.zeros((4, problem.groups, 3), bool)
    replay(np.stack(chosen, 1), plan, new_state(plan, 4), again, again_masks)
    np.testing.assert_array_equal(again, np.stack(rows, 1))
    np.testing.assert_array_equal(again_masks, np.stack(masks, 1))
    assert np.isfinite(again).all() and again.min() >= -0.1 and again.max() <= 4.0


def test_masks_leave_every_answer_once_and_keep_to_memory() -> None:
    """Among alike devices only the first empty one may be chosen: what is left are the ways to part a set, no more and no less."""
    problem = Problem(chain([1.0] * 4), machine(3))
    policy = Stepwise(problem, 4)
    seen = {tuple(row) for row in policy.sample(4000, torch.Generator().manual_seed(0))[0].tolist()}
    ways = {
        p for p in itertools.product(range(3), repeat=4) if all(d <= max((-1, *p[:i])) + 1 for i, d in enumerate(p))
    }
    assert seen == ways and len(ways) == 14
    tight = Problem(chain([1.0] * 4, memory=1.0), machine(2, memory=2.0))
    rows = Stepwise(tight, 4).sample(200, torch.Generator().manual_seed(0))[0].numpy()
    assert tight.costs_of_operations(Stepwise(tight, 4).placements(rows)).fits.all()


def test_masks_count_copies_of_what_is_read() -> None:
    """Under throughput a device holds the output that it reads from another: 1 + 4 + 4 bytes do not fit into 8."""
    line = chain([1.0, 1.0])
    line = Graph(
        **{**{name: getattr(line, name) for name in line.__dataclass_fields__}, "activations": np.full(2, 4.0)}
    )
    for memory, wanted in ((8.0, [False, False, True]), (9.0, [False, True, True])):
        plan = make_plan(Problem(line, machine(2, memory=memory, host=True), "throughput"))
        state, mask = new_state(plan, 1), np.zeros((1, 3), bool)
        place(0, np.array([0]), plan, state)
        see(1, plan, state, np.zeros((1, 3, len(FEATURES)), np.float32), mask)
        assert mask[0].tolist() == wanted


# --- regression tests: faults of the first public hierarchical placer -------------------------------------------------------


def fan() -> Graph:
    """Three operations that a fourth reads."""
    return Graph(
        "fan", ("a", "b", "c", "d"), ("conv", "conv", "pool", "add"), {"gpu": np.ones(4)}, unique_edges([(0, 3), (1, 3), (2, 3)]),
        np.ones(4), np.zeros(4), np.ones(4), np.full(4, 4096.0), None, None, ((8, 16), (8, 16), (4, 4), (8, 16)),
    )  # fmt: skip


def test_no_incoming_edge_is_lost() -> None:
    """Grappler kept the last of the edges into an operation; here all three sources are among the neighbours."""
    problem = Problem(fan(), machine(2))
    features = group_features(problem)
    target, sources = int(problem.group_of[3]), problem.group_of[:3]
    assert (features.reads[target, sources] > 0).all() and (features.reads > 0).sum() == 3
    both = features.adjacency()
    assert both.shape == (4, 8) and (both[target, :4] > 0).sum() == 3 and (both[sources, 4 + target] > 0).all()


def test_shapes_are_beside_types_and_not_on_top_of_them() -> None:
    """Grappler added shapes to the counts of types; here changing shapes changes no column of the types, nor types the shapes."""
    graph = fan()
    plain = group_features(Problem(graph, machine(2)))
    fields = {name: getattr(graph, name) for name in graph.__dataclass_fields__}
    larger = group_features(Problem(Graph(**{**fields, "shapes": ((80, 160),) * 4}), machine(2)))
    renamed = group_features(Problem(Graph(**{**fields, "types": ("conv", "pool", "pool", "add")}), machine(2)))
    np.testing.assert_array_equal(plain.types, larger.types)
    assert (plain.shapes != larger.shapes).any() and (plain.types != renamed.types).any()
    np.testing.assert_array_equal(plain.shapes, renamed.shapes)
    np.testing.assert_allclose(plain.types.sum(1), 1.0)
    assert plain.rows().shape == (4, plain.width) and np.abs(plain.rows()).max() < 10


def test_the_grouper_is_no_linear_map_and_its_draws_differ() -> None:
    """Grappler's grouper had no non-linearity, and drew the same groups again and again from one seed."""
    problem = Problem(random_graph(1, 12), machine(2))
    policy = policy_of("hierarchical", problem)
    assert any(isinstance(layer, torch.nn.ReLU) for layer in policy.grouper)
    generator = torch.Generator().manual_seed(0)
    first, second = policy.sample(1, generator)[0], policy.sample(1, generator)[0]
    assert (first != second).any()
