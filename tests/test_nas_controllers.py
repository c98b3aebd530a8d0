"""Controllers over a space: their gradient, their replicas, and the published comparison on NAS-Bench-201."""

from __future__ import annotations

import ast
import gzip
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from alphago.controller.nas import nasbench201, study
from alphago.controller.nas.controllers import (
    FactorisedController,
    LstmController,
    greedy_choices,
    make_controller,
)
from alphago.controller.nas.nasbench201 import CELLS, TableError, cell_of, index_of, load_table, synthetic_table
from alphago.controller.nas.objective import (
    Budget,
    Limit,
    Measured,
    ObjectiveError,
    parse_budget,
    parse_latency,
)
from alphago.controller.nas.space import (
    Choice,
    Constraint,
    DeadEnd,
    Group,
    Links,
    Maybe,
    Repeat,
    Space,
    SpaceError,
)
from alphago.controller.nas.strategies import (
    STRATEGIES,
    Evolution,
    Learned,
    StrategyError,
    make_strategy,
    published,
    settings_of,
    tuned,
)
from alphago.controller.nas.study import run_evolution, run_learned, run_random
from alphago.train.episodes import Episodes
from alphago.train.optim import OptimizerSettings, ScheduleSettings
from alphago.train.reinforce import Reinforce, ReinforceSettings
from alphago.train.sources import Reward, SequenceSource
from conftest import ROOT

TINY = Space(Group(a=Choice(1, 2), b=Choice(1, 2, 3)))
DEEP = Space(
    Group(width=Choice(8, 16), layers=Repeat(Group(kernel=Choice(1, 3, 5), pool=Maybe(Choice("a", "b"))), 1, 3))
)
LINKED = Space(Repeat(Group(kernel=Choice(1, 3, 5), inputs=Links()), 3, 4))


def batch_of(sequences: Any, contexts: Any = None) -> Episodes:
    sequences = np.asarray(sequences)
    n, turns = sequences.shape
    return Episodes(np.repeat(np.arange(n), turns), sequences.ravel(), np.zeros(n * turns), contexts=contexts)


ONE_STEP = ReinforceSettings(
    episodes=1,
    clip=0.0,
    optimizer=OptimizerSettings(kind="sgd", lr=1.0, momentum=0.0, nesterov=False, weight_decay=0.0),
    schedule=ScheduleSettings(kind="constant", warmup=0),
)
"""A step of plain gradient ascent at rate 1: parameters move by the gradient."""


def test_the_gradient_is_the_closed_form() -> None:
    """Factorised logits, one sequence with reward 2: each decision's logits move by 2 (one-hot - softmax), to 1e-6."""
    controller = FactorisedController(TINY).double()
    with torch.no_grad():
        controller.logits.copy_(torch.tensor([[[0.3, -0.1, 9.0], [0.2, 0.0, -0.4]]]))  # 9 belongs to no option
    source = SequenceSource(lambda choices, context, seed: Reward(2.0), seed=1, cache=False)
    before = controller.logits.detach().clone()[0]
    Reinforce(controller, source, ONE_STEP).step()
    moved = (controller.logits.detach()[0] - before).numpy()
    chosen = source._asked[0]
    for turn, width in enumerate(TINY.widths):
        logits = before[turn, :width].numpy()
        p = np.exp(logits) / np.exp(logits).sum()
        assert np.abs(moved[turn, :width] - 2 * (np.eye(width)[chosen[turn]] - p)).max() < 1e-6
    assert moved[0, 2] == 0


def test_the_gradient_of_an_lstm_is_the_closed_form() -> None:
    """One sequence with reward 2: every weight moves by 2 d log p; log p is written down in numpy, its slopes are differences."""
    controller = LstmController(TINY, hidden=3, scale=1.0, bias_rate=3.0, seed=2).double()
    source = SequenceSource(lambda choices, context, seed: Reward(2.0), seed=1, cache=False)
    before = {name: p.detach().numpy()[0].copy() for name, p in controller.named_parameters()}
    Reinforce(controller, source, ONE_STEP).step()
    chosen = source._asked[0]

    def log_p(w: dict[str, Any]) -> float:
        h, c, token, total = np.zeros(3), np.zeros(3), 0, 0.0
        for turn, width in enumerate(TINY.widths):
            i, f, g, o = np.split(w["embedding"][token] @ w["inputs"] + h @ w["recurrent"] + w["bias"], 4)
            c = c / (1 + np.exp(-f)) + np.tanh(g) / (1 + np.exp(-i))
            h = np.tanh(c) / (1 + np.exp(-o))
            logits = (h @ w["heads"][turn] + 3.0 * w["head_bias"][turn])[:width]
            total += logits[chosen[turn]] - np.log(np.exp(logits).sum())
            token = 1 + sum(TINY.widths[:turn]) + chosen[turn]
        return float(total)

    for name, parameter in controller.named_parameters():
        moved, slopes = parameter.detach().numpy()[0] - before[name], np.zeros_like(before[name])
        for place in np.ndindex(slopes.shape):
            ends = []
            for step in (1e-5, -1e-5):
                changed = {**before, name: before[name].copy()}
                changed[name][place] += step
                ends.append(log_p(changed))
            slopes[place] = (ends[0] - ends[1]) / 2e-5
        assert np.abs(moved - 2 * slopes).max() < 1e-6, name
        assert name != "recurrent" or np.abs(moved).max() > 1e-3


@pytest.mark.parametrize("name", ["factorised", "lstm"])
@pytest.mark.parametrize("space", [TINY, DEEP, LINKED], ids=["tiny", "deep", "linked"])
def test_sampling_and_evaluating_agree(name: str, space: Space) -> None:
    controller = make_controller(name, space, seed=3)
    with torch.no_grad():
        for parameter in controller.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1)) * 0.3)
    chosen, log_probs = controller.sample(64, torch.Generator().manual_seed(2))
    for sequence in chosen.tolist():
        space.check(sequence)
    found = controller.evaluate(batch_of(chosen.numpy()).batch())
    assert (found.log_probs.detach().view(chosen.shape) - log_probs).abs().max() < 1e-5
    # what does not matter has neither probability nor entropy
    for row, sequence in enumerate(chosen.tolist()):
        for turn in range(len(sequence)):
            if not space.matters(turn, sequence[:turn]):
                assert found.log_probs.view(chosen.shape)[row, turn] == 0
                assert found.entropy.view(chosen.shape)[row, turn] == 0


@pytest.mark.parametrize("name", ["factorised", "lstm"])
def test_replicas_are_runs_of_their_own(name: str) -> None:
    """Three replicas in one trainer learn what three controllers learn apart, when they draw the same sequences."""
    rewards = {(a, b): float(3 * a + b) for a in range(2) for b in range(3)}

    def settings(episodes: int) -> ReinforceSettings:
        # plain gradient steps, whose size is divided by the sequences of an update; Adam's epsilon would make a difference
        sgd = OptimizerSettings(kind="sgd", lr=0.1 * episodes, momentum=0.0, nesterov=False, weight_decay=0.0)
        return published(name, episodes).settings.model_copy(update={"optimizer": sgd})

    together = make_controller(name, TINY, replicas=3, seed=5)
    alone = [make_controller(name, TINY, seed=0) for _ in range(3)]
    with torch.no_grad():
        for number, one in enumerate(alone):
            for mine, theirs in zip(one.parameters(), together.parameters(), strict=True):
                mine.copy_(theirs[number : number + 1])
    random = np.random.default_rng(1)
    trainers = [Reinforce(one, SequenceSource(cache=False), settings(1)) for one in alone]
    joint = Reinforce(together, SequenceSource(cache=False), settings(3))
    for _ in range(5):
        drawn = [TINY.draw(random) for _ in range(3)]
        steps = np.zeros((3, 2))
        steps[:, -1] = [rewards[choices] for choices in drawn]  # type: ignore[index]
        whole = Episodes(np.repeat(np.arange(3), 2), np.ravel(drawn), steps.ravel(), contexts=np.arange(3))
        joint.learn(whole)
        for number, trainer in enumerate(trainers):
            trainer.learn(Episodes(np.zeros(2, np.int64), np.array(drawn[number]), steps[number]))
    for number, one in enumerate(alone):
        for mine, theirs in zip(one.parameters(), together.parameters(), strict=True):
            assert (mine - theirs[number : number + 1]).abs().max() < 1e-5


def test_an_lstm_learns_what_depends_on_what() -> None:
    """The reward is for two choices that agree: independent logits settle on one, an LSTM answers either."""
    space = Space(Group(a=Choice(0, 1), b=Choice(0, 1)))
    controller = LstmController(space, seed=1)
    source = SequenceSource(lambda choices, _c, _s: Reward(float(choices[0] == choices[1])), seed=1)
    settings = published("lstm", 16).settings.model_copy(update={"entropy": 0.5})
    trainer = Reinforce(controller, source, settings)
    for _ in range(150):
        trainer.step()
    chosen, _ = controller.sample(400, torch.Generator().manual_seed(0))
    agree = chosen[:, 0] == chosen[:, 1]
    assert agree.float().mean() > 0.9 and 0.2 < chosen[:, 0].float().mean() < 0.8
    assert greedy_choices(controller)[0] == greedy_choices(controller)[1]
    with pytest.raises(SpaceError, match="unknown controller 'gru': one of factorised, lstm"):
        make_controller("gru", space)


def test_an_lstms_biases_are_a_factorised_controller() -> None:
    """Without output weights they are all its logits, and `bias_rate` times the rate moves them as it moves a factorised one's."""
    lstm = LstmController(TINY, scale=0.0, bias_rate=7.0, seed=1)
    factorised = FactorisedController(TINY)
    episodes = batch_of([[1, 2], [0, 2], [1, 0]])
    episodes.rewards[1::2] = [1.0, -0.5, 2.0]
    for controller, rate in ((lstm, 0.01), (factorised, 0.07)):
        Reinforce(controller, SequenceSource(cache=False), settings_of(rate, 3, entropy=0.2)).learn(episodes)
    moved = 7.0 * lstm.head_bias.detach()[0]
    assert (moved - factorised.logits.detach()[0]).abs().max() < 1e-5 and moved.abs().max() > 0.05


def test_links_are_decided_by_what_was_held_of_both_ends() -> None:
    """The reward is for feeding a layer from those with its own kernel: attention learns to compare two ends.

    The entropy bonus keeps the kernels at chance: nothing but looking at both ends gets more than half of the reward.
    """
    space = Space(Repeat(Group(kernel=Choice(1, 3), inputs=Links()), 3))

    def evaluate(choices: tuple[int, ...], _context: int, _seed: int) -> Reward:
        layers = space.value(choices)
        right = [
            (source in layer["inputs"]) == (layers[source]["kernel"] == layer["kernel"])
            for number, layer in enumerate(layers)
            for source in range(number)
        ]
        return Reward(float(np.mean(right)))

    controller = LstmController(space, seed=2)
    source = SequenceSource(evaluate, seed=2)
    trainer = Reinforce(controller, source, published("lstm", 32).settings.model_copy(update={"entropy": 0.6}))
    first = np.mean([trainer.step()["return"] for _ in range(5)])
    for _ in range(350):
        trainer.step()
    last = np.mean([trainer.step()["return"] for _ in range(5)])
    chosen, _ = controller.sample(500, torch.Generator().manual_seed(1))
    linked: dict[bool, list[bool]] = {False: [], True: []}
    for row in chosen.tolist():
        layers = space.value(row)
        for number, layer in enumerate(layers):
            for one in range(number):
                linked[layers[one]["kernel"] == layer["kernel"]].append(one in layer["inputs"])
    assert min(map(len, linked.values())) > 300  # the kernels vary
    assert np.mean(linked[True]) - np.mean(linked[False]) > 0.6
    assert first < 0.65 and last > 0.8


def test_a_link_depends_on_all_that_was_decided_before_it() -> None:
    """On what its own layer has, what the other end has, and the links beside it; not on a choice of its layer that comes later."""
    space = Space(Repeat(Group(kernel=Choice(1, 3), inputs=Links(), units=Choice(8, 16)), 3))
    controller = LstmController(space, scale=1.0, seed=4)
    names = [decision.name for decision in space.decisions]
    turn = names.index("2.inputs.1")

    def likelihood(**change: int) -> float:
        choices = [0] * len(names)
        for name, value in change.items():
            choices[names.index(name.replace("__", "."))] = value
        return float(controller.evaluate(batch_of([choices]).batch()).log_probs.detach()[turn])

    plain = likelihood()
    for name in ("2__kernel", "1__kernel", "1__units", "0__kernel", "2__inputs__0", "1__inputs__0"):
        assert abs(likelihood(**{f"{name}": 1}) - plain) > 1e-4, name
    assert likelihood(**{"2__units": 1}) == plain


# --- strategies ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", STRATEGIES)
@pytest.mark.parametrize("space", [TINY, DEEP], ids=["tiny", "deep"])
def test_strategies_repeat_themselves(name: str, space: Space) -> None:
    if name == "tpe":
        pytest.importorskip("optuna", reason="optuna is an extra: pip install 'alphago[nas]'")

    def run() -> list[tuple[int, ...]]:
        strategy = make_strategy(name, space, seed=4)
        seen = []
        for _ in range(25):
            asked = strategy.ask()
            seen += [space.check(choices) for choices in asked]
            strategy.tell([Reward(float(sum(choices))) for choices in asked])
        return seen

    assert run() == run()


@pytest.mark.parametrize("name", [*STRATEGIES, "lstm"])
def test_dead_ends_are_drawn_again(name: str) -> None:
    """Every second sequence leads to a decision that the constraints leave no option."""
    if name == "tpe":
        pytest.importorskip("optuna", reason="optuna is an extra: pip install 'alphago[nas]'")
    nowhere = Constraint("a = 1 leads nowhere", lambda found: not (found.get("a") == 1 and "b" in found))
    space = Space(Group(a=Choice(0, 1), b=Choice(0, 1, 2), c=Choice(0, 1)), (nowhere,))
    kind, controller = ("reinforce", "lstm") if name == "lstm" else (name, "factorised")
    strategy = make_strategy(kind, space, seed=2, controller=controller, batch=3)
    for _ in range(5):
        asked = strategy.ask()
        assert asked and all(space.check(choices)[0] == 0 for choices in asked)
        strategy.tell([Reward(float(sum(choices))) for choices in asked])


def test_a_space_of_dead_ends_is_told() -> None:
    never = Constraint("nothing is good enough", lambda found: "b" not in found)
    space = Space(Group(a=Choice(0, 1), b=Choice(0, 1)), (never,))
    for strategy in ("random", "reinforce"):
        with pytest.raises(DeadEnd, match="no option is left for b under the constraints: nothing is good enough"):
            make_strategy(strategy, space).ask()
    with pytest.raises(DeadEnd, match="no option is left for b"):
        greedy_choices(FactorisedController(space))


def test_evolution_by_hand() -> None:
    """The best of the sample has the child; the oldest dies, however good it is."""
    evolution = Evolution(TINY, seed=1, population=3, sample=3)
    first = []
    for reward in (5.0, 1.0, 2.0):
        first += evolution.ask()
        evolution.tell([Reward(reward)])
    (child,) = evolution.ask()
    assert sum(a != b for a, b in zip(child, first[0], strict=True)) == 1
    evolution.tell([Reward(0.0)])  # the best, which was the oldest, is gone
    (child,) = evolution.ask()
    assert sum(a != b for a, b in zip(child, first[2], strict=True)) == 1
    with pytest.raises(StrategyError, match="sample must be 1 to the population of 3, got 4"):
        Evolution(TINY, population=3, sample=4)
    with pytest.raises(StrategyError, match="unknown strategy 'luck'"):
        make_strategy("luck", TINY)


def test_the_trainer_is_used_as_it_is() -> None:
    """No class of the whole project derives from it, and nobody puts another step in its place."""
    strategy = Learned(TINY)
    assert type(strategy.trainer) is Reinforce
    own = {name for name, value in vars(Reinforce).items() if callable(value)}
    assert {"step", "learn"} <= own
    for path in sorted([*(ROOT / "alphago").rglob("*.py"), *(ROOT / "selfplay").rglob("*.py")]):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                assert not any("Reinforce" in re.split(r"\W", ast.unparse(base)) for base in node.bases), (
                    path,
                    node.name,
                )
            if isinstance(node, ast.Assign | ast.AnnAssign):
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                for target in targets:
                    replaced = isinstance(target, ast.Attribute) and target.attr in own - {"__init__"}
                    assert not (replaced and re.search("einforce|trainer", ast.unparse(target))), (
                        path,
                        ast.unparse(node),
                    )


# --- objectives ---------------------------------------------------------------------------------------------------------


def test_limits_and_budgets() -> None:
    assert [parse_latency(text) for text in ("8ms", "500 us", "0.1s")] == [8.0, 0.5, 100.0]
    for text in ("8", "ms", "-1ms", "8min", "0ms"):
        with pytest.raises(ObjectiveError, match="a number with a unit"):
            parse_latency(text)
    assert parse_budget("12000s") == Budget(seconds=12000.0) and parse_budget("2h") == Budget(seconds=7200.0)
    assert parse_budget("200") == Budget(evaluations=200)
    for text in ("0", "1.5", "-3s", "soon"):
        with pytest.raises(ObjectiveError, match="a budget is"):
            parse_budget(text)
    assert not Budget(evaluations=5).is_spent(4, 1e9) and Budget(seconds=10).is_spent(0, 10)
    limit = Limit(8.0, slope=20.0)
    assert limit.reward(Measured(70.0, latency_ms=7.0)) == 70 and limit.reward(Measured(70.0, latency_ms=12.0)) == 60
    assert limit.keeps(Measured(1.0, latency_ms=8.0)) and not limit.keeps(Measured(1.0, latency_ms=8.01))
    assert not limit.keeps(Measured(1.0))


# --- NAS-Bench-201 ------------------------------------------------------------------------------------------------------


def test_cells_and_their_rows() -> None:
    assert nasbench201.space().widths == (5,) * 6
    assert cell_of((3, 0, 1, 4, 2, 1)) == (
        "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|avg_pool_3x3~0|nor_conv_1x1~1|skip_connect~2|"
    )
    rows = np.array(list(nasbench201.all_choices()))
    assert len(rows) == CELLS and (index_of(rows) == np.arange(CELLS)).all()


def written(path: Path, table: nasbench201.Table, lines: slice | list[int] = slice(None)) -> Path:
    names = list(table.columns)
    rows = np.stack([table[name] for name in names], axis=1)
    numbers = np.arange(CELLS)[lines]
    cells = [cell_of(choices) for choices in nasbench201.all_choices()]
    text = "\n".join(
        ["cell," + ",".join(names), *(f"{cells[i]}," + ",".join(map(repr, rows[i].tolist())) for i in numbers)]
    )
    path.write_text(text + "\n")
    return path


def test_tables_are_read_and_incomplete_ones_named(tmp_path: Path) -> None:
    table = synthetic_table()
    path = written(tmp_path / "table.csv", table, slice(None, None, -1))
    found = load_table(path)
    assert all((found[name] == table[name]).all() for name in table.columns)
    (tmp_path / "table.csv.gz").write_bytes(gzip.compress(path.read_bytes()))
    assert (load_table(tmp_path / "table.csv.gz")[nasbench201.REWARD] == table[nasbench201.REWARD]).all()
    with pytest.raises(TableError, match="no column 'speed'; there are"):
        table["speed"]
    with pytest.raises(TableError, match=r"1 of 15,625 cells are missing, such as \|none~0\|\+"):
        load_table(written(tmp_path / "missing.csv", table, slice(1, None)))
    text = path.read_text().splitlines()
    for number, line, message in (
        (5, text[6], r"bad\.csv:7: the cell .* is there twice"),
        (5, "|what~0|,1,1,1,1,1,1", r"bad\.csv:6: no cell of NAS-Bench-201: '\|what~0\|'"),
        (5, text[5].rsplit(",", 1)[0] + ",many", r"bad\.csv:6: latency_ms is 'many', expected a number"),
        (0, "name,accuracy", "no table of cells"),
    ):
        (tmp_path / "bad.csv").write_text("\n".join([*text[:number], line, *text[number + 1 :]]))
        with pytest.raises(TableError, match=message):
            load_table(tmp_path / "bad.csv")
    free = nasbench201.Table("free", {**table.columns, nasbench201.SECONDS: np.arange(CELLS, dtype=float)})
    with pytest.raises(TableError, match=r"train_seconds_12ep of \|none~0\|.* is 0, expected more than 0"):
        load_table(written(tmp_path / "free.csv", free))
    with pytest.raises(TableError, match="No such file"):
        load_table(tmp_path / "nowhere.csv")
    (tmp_path / "cut.csv.gz").write_bytes(gzip.compress(path.read_bytes())[:2000])
    with pytest.raises(TableError, match="cannot be read"):
        load_table(tmp_path / "cut.csv.gz")
    damaged = bytearray(gzip.compress(path.read_bytes()))
    damaged[1000:1010] = bytes(10)
    (tmp_path / "damaged.csv.gz").write_bytes(damaged)
    with pytest.raises(TableError, match=r"damaged\.csv\.gz"):
        load_table(tmp_path / "damaged.csv.gz")


def test_runs_pay_for_what_they_see_and_nothing_more() -> None:
    table = synthetic_table()
    found = run_random(table, 20, seed=3, budget=2000.0)
    seconds = table[nasbench201.SECONDS]
    assert (found.evaluations >= 2000 // seconds.max()).all() and (found.evaluations <= 2000 / seconds.min() + 1).all()
    again = run_random(table, 20, seed=3, budget=2000.0)
    assert (found.cells == again.cells).all()
    assert (found.answers_at(found.improved[0][0][0] - 1e-6)[0], found.answers_at(1e9)[0]) == (-1, found.cells[0])
    more = run_random(table, 20, seed=3, budget=8000.0)
    for moment in (300.0, 1000.0, 2000.0):  # what is answered at a moment does not depend on what comes after it
        assert (found.answers_at(moment) == more.answers_at(moment)).all()
    assert (more.answers_at(8000.0) != more.answers_at(300.0)).any()
    values = table[nasbench201.REWARD]
    assert all(np.diff([values[cell] for _, cell in run]).min(initial=1.0) > 0 for run in more.improved)
    assert (table[nasbench201.REWARD][more.cells] >= table[nasbench201.REWARD][found.cells]).all()


def test_limits_are_never_broken() -> None:
    table = synthetic_table()
    limit = Limit(9.0)
    for found in (
        run_random(table, 10, limit=limit, latency="latency_ms", budget=3000.0),
        run_learned(table, 10, published(), limit=limit, latency="latency_ms", budget=3000.0),
        run_learned(table, 10, tuned(), limit=limit, latency="latency_ms", budget=3000.0, screen=True),
    ):
        assert (found.cells >= 0).all() and (table["latency_ms"][found.cells] <= 9.0).all()
    none = run_random(table, 3, limit=Limit(0.5), latency="latency_ms", budget=2000.0)
    assert (none.cells == -1).all() and np.isnan(none.judged(table)).all()


def test_cells_that_break_a_limit_are_not_trained(monkeypatch: pytest.MonkeyPatch) -> None:
    """Screened runs pay for nothing over the limit; and there is none to screen by without one."""
    table, limit = synthetic_table(), Limit(9.0)
    paid: list[int] = []
    pay = study._Runs.pay

    def noted(runs: study._Runs, run: int, cell: int) -> float:
        if not runs.is_over(run):
            paid.append(cell)
        return pay(runs, run, cell)

    monkeypatch.setattr(study._Runs, "pay", noted)
    for screen in (True, False):
        paid.clear()
        found = run_learned(table, 5, tuned(), limit=limit, latency="latency_ms", budget=2000.0, screen=screen, seed=3)
        assert len(paid) == found.evaluations.sum() > 0
        assert bool((table["latency_ms"][paid] <= 9.0).all()) == screen
    for learning, kept in ((tuned(), None), (published(), limit)):
        with pytest.raises(StrategyError, match="screens cells by a limit, in learning with replay"):
            run_learned(table, 2, learning, limit=kept, latency="latency_ms", screen=True)


def test_the_published_comparison(shared_data: Path) -> None:
    """500 runs each: random search, evolution and REINFORCE within 0.15, 0.30, 0.30 points of the published means."""
    table = load_table(shared_data / "nas" / "nasbench201.csv.gz")
    means_of = {
        "random": (93.70, 71.04, 44.57),
        "evolution": (93.92, 71.84, 45.54),
        "reinforce": (93.85, 71.71, 45.24),
    }
    found = {
        "random": run_random(table, 500),
        "evolution": run_evolution(table, 500),
        "reinforce": run_learned(table, 500, published()),
    }
    for name, runs in found.items():
        means = runs.judged(table).mean(0)
        assert (np.abs(means - means_of[name]) <= (0.15, 0.30, 0.30)).all(), (name, means)
