"""The whole pipeline on 5x5: every stage, nothing twice, killed in every stage and gone on with to the same weights, the report."""

from __future__ import annotations

import json
import re
import shutil
import signal
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
import pytest

from alphago.cli import main
from alphago.data.sgf import to_sgf
from alphago.data.store import read_games
from alphago.nets.modules import policy_alone
from alphago.nets.store import load_network, network_hash
from pipeline_helpers import CONFIG, LEARNED, Remembering, digests, in_a_process, records_of, run_small
from selfplay.pipeline.budget import STAGES
from selfplay.pipeline.curves import read_curve
from selfplay.pipeline.records import Record
from selfplay.pipeline.stages import ENGINE
from selfplay.reinforce_go import Measures
from selfplay.report import page


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pipeline that nothing has interrupted."""
    out = tmp_path_factory.mktemp("pipeline") / "whole"
    run_small(out)
    return out


@pytest.fixture
def copy(whole: Path, tmp_path: Path) -> Path:
    """The same, to be changed."""
    out = tmp_path / "copy"
    shutil.copytree(whole, out)
    return out


def test_every_stage_has_made_what_it_promises(whole: Path) -> None:
    records = records_of(whole)
    assert list(records) == list(STAGES)
    assert all(record.state == "done" and record.sessions == 1 for record in records.values())
    games = list(read_games(whole / "games" / "games.parquet"))
    assert [row["index"] for row in games] == list(range(records["games"].facts["games"]))
    positions = list(read_games(whole / "value-data" / "games.parquet"))
    assert [row["index"] for row in positions] == list(range(120))
    for name, need in ENGINE.items():
        stage, _, output = need.partition("/")
        assert records["report"].outputs[name].digest == records[stage].outputs[output].digest
    value, _ = load_network(whole / "value.safetensors")
    assert value.architecture.heads == ("outcome",)
    assert network_hash(value) == records["value"].outputs["network"].digest
    learned = records["supervised"].facts["metrics"]
    assert learned["top1"] > 1.5 / 26  # better than chance, which is as much as a miniature can promise
    curve = read_curve(whole / "stages" / "reinforce.jsonl")
    assert [row["step"] for row in curve] == list(range(1, len(curve) + 1)) and "measured_start" in curve[-1]


def test_nothing_is_done_twice(whole: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in whole.rglob("*") if path.is_file()}
    view = Remembering()
    done = run_small(whole, view)
    assert [one.how for one in done] == ["skipped"] * len(STAGES)
    assert view.events == [(stage, "skip") for stage in STAGES]
    after = {path: path.stat().st_mtime_ns for path in whole.rglob("*") if path.is_file()}
    changed = {path.name for path in before if before[path] != after[path]}
    assert changed <= {"pipeline.json"} and before.keys() == after.keys()


def test_a_change_reaches_what_depends_on_it_alone(copy: Path) -> None:
    view = Remembering()
    done = run_small(copy, view, until="value", changes={"value.epochs": 1.0})
    assert [one.how for one in done] == ["skipped"] * 5 + ["again"]
    assert view.events[5] == ("value", "done again: epochs was 20.0, now 1.0")
    record = records_of(copy)["value"]
    assert record.facts["epochs"] < 1.5


def test_a_damaged_file_is_made_again_and_the_same(whole: Path, copy: Path) -> None:
    """What comes after finds its input unchanged, so the damage costs one stage."""
    with open(copy / "rollout" / "rollout.safetensors", "ab") as file:
        file.write(b"x")
    view = Remembering()
    done = run_small(copy, view, until="supervised")
    assert [one.how for one in done] == ["skipped", "again", "skipped"]
    assert view.events[1] == ("rollout", "done again: rollout/rollout.safetensors has changed")
    assert digests(copy) == digests(whole)


@dataclass
class Killed:
    """A pipeline that died in every stage and was gone on with."""

    out: Path
    hows: list[str]
    """Of the last call, by stage."""
    records: dict[str, Record]
    begun: dict[str, list[float]]
    """Where every session of a stage began."""


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Killed:
    """A process for every stage, which dies in it by SIGKILL; the next goes on."""
    folder = tmp_path_factory.mktemp("killed")
    out, log = folder / "out", folder / "log"
    for stage in STAGES:
        assert in_a_process(out, stage, 0.4, log) == -signal.SIGKILL, stage
    done = run_small(out)
    begun: dict[str, list[float]] = {}
    for line in log.read_text().splitlines():
        stage, at = json.loads(line)
        begun.setdefault(stage, []).append(at)
    return Killed(out, [one.how for one in done], records_of(out), begun)


def test_killed_in_every_stage_it_ends_in_the_same_weights(whole: Path, killed: Killed) -> None:
    """Everything is as without a kill."""
    assert killed.hows == ["skipped"] * (len(STAGES) - 1) + ["resumed"]
    assert all(record.sessions == 2 for record in killed.records.values())
    found = {f"{s}/{name}": o.digest for s in LEARNED for name, o in killed.records[s].outputs.items()}
    assert found == digests(whole)
    for stage in ("evaluate-policy", "evaluate-value"):
        assert killed.records[stage].outputs == records_of(whole)[stage].outputs
    for stage in ("supervised", "reinforce", "value-data", "value"):
        assert killed.begun[stage][1] > killed.begun[stage][0], f"{stage} has begun again in place of going on"


def test_killed_between_the_last_step_and_the_record(whole: Path, killed: Killed) -> None:
    """What a stage has made is complete, but nothing says so yet: it is looked at again and comes out the same. Of the values'
    errors one is missing too: it is found again, the others are not."""
    measured = killed.out / "evaluate-value" / "measured.json"
    values = json.loads(measured.read_text())
    names = list(values["squared"])
    assert names[:2] == ["value network", "16 rollouts"] and len(names) == 5
    del values["squared"][names[-1]]
    measured.write_text(json.dumps(values))
    stages = (*LEARNED, "evaluate-value")
    for stage in stages:
        record = records_of(killed.out)[stage]
        record.state, record.outputs, record.facts = "begun", {}, {}
        record.write(killed.out)
    told: list[str] = []

    class Listening(Remembering):
        def advance(self, stage: str, done: float, total: float, text: str) -> None:
            told.append(text)

    done = run_small(killed.out, Listening(), until="evaluate-value")
    assert {one.stage: one.how for one in done} == {**dict.fromkeys(stages, "resumed"), "evaluate-policy": "skipped"}
    assert digests(killed.out) == digests(whole)
    records = records_of(killed.out)
    assert records["reinforce"].facts["best"] == records_of(whole)["reinforce"].facts["best"]
    assert records["evaluate-value"].outputs == records_of(whole)["evaluate-value"].outputs
    assert any(names[-1] in text for text in told) and not any(names[-2] in text for text in told)


def test_threads_do_not_enter_the_result(whole: Path, tmp_path: Path) -> None:
    run_small(tmp_path / "one", until="value-data", threads=1)
    stages = LEARNED[:-1]
    assert digests(tmp_path / "one", stages) == digests(whole, stages)


NINE: dict[str, Any] = {
    "budget": "1m",
    "checkpoint_minutes": 0.001,
    "games.limit": 300,
    "tiers": [
        {
            "budget": "1m",
            "network": {"kind": "residual", "blocks": 2, "channels": 16, "feature_set": "rich", "pool_every": 2},
            "rates": {
                "rollout": 3000, "balance": 60, "supervised": 1000, "reinforce": 40, "measure": 10, "value_data": 20,
                "value": 300, "evaluate_value": 1, "components": 600,
            },
            "shares": {
                "rollout": 0.1, "supervised": 0.1, "reinforce": 0.1, "value_data": 0.1, "value": 0.1, "evaluate_value": 0.1,
                "components": 0.2,
            },
        }
    ],
    "rollout.run.patterns": {"positions": 3000},
    "rollout.run.likelihood.batch": 256,
    "rollout.run.tree.batch": 256,
    "rollout.run.balance.batch": 16,
    "supervised.run.training.batch": 64,
    "reinforce.run.learning.episodes": 16,
    "reinforce.run.measure": {"games": 4, "pool_games": 4},
    "value.run.training.batch": 16,
}  # fmt: skip


@pytest.mark.slow
def test_on_9x9_in_bf16_on_two_threads_too(tmp_path: Path) -> None:
    """What the configuration for 9x9 learns with - Muon, bf16, two threads, the games that ship - in little: killed in every
    stage that learns, the weights are the same."""
    run_small(tmp_path / "whole", until="value", changes=NINE, config="alphago-9x9")
    for stage in LEARNED:
        code = in_a_process(tmp_path / "killed", stage, 0.4, tmp_path / "log", NINE, "alphago-9x9")
        assert code == -signal.SIGKILL, stage
    done = run_small(tmp_path / "killed", until="value", changes=NINE, config="alphago-9x9")
    assert [one.how for one in done] == ["skipped"] * 5 + ["resumed"]
    assert digests(tmp_path / "killed") == digests(tmp_path / "whole")


# --- the report ---------------------------------------------------------------------------------------------------------


class Page(HTMLParser):
    """What a browser would load, and the tags that there are."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.text: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("src", "href", "data", "srcset", "action")]

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def test_the_report_needs_nothing_else_and_says_what_was_measured(whole: Path) -> None:
    text = (whole / "report.html").read_text(encoding="utf-8")
    page = Page(text)
    assert page.links and all(link.startswith("data:image/svg+xml;base64,") for link in page.links)
    assert not {"script", "link", "iframe", "object", "embed", "form"} & set(page.tags)
    assert not re.search(r"@import|url\(", text)
    assert page.tags.count("img") >= 7
    shown = " ".join(" ".join(page.text).split())
    records = records_of(whole)
    for stage in STAGES[:-1]:
        assert stage in shown and records[stage].key[:12] in shown
        for output in records[stage].outputs.values():
            assert output.digest[:12] in shown
    value = json.loads((whole / "evaluate-value" / "result.json").read_text())
    for row in value["errors"].values():
        assert f"{row['mse']:.3f} ±{row['error']:.3f}" in shown
    assert "against +1 (won), 0 and -1 (lost)" in shown
    components = json.loads((whole / "components" / "result.json").read_text())
    assert len(components["rows"]) == 9
    for row in components["rows"]:
        assert row["name"] in shown and f"{row['elo']:+.0f}" in shown
    policy = json.loads((whole / "evaluate-policy" / "result.json").read_text())
    assert all(f"{row['top1']:.2%}" in shown for row in policy["policies"].values())
    boards = page.tags.count("svg")
    games = [len(game["moves"]) for game in components["samples"]]
    assert len(games) == 2 and boards == sum(-(-n // 40) for n in games) + -(-_value_game(whole) // 40)
    assert "alphago gtp --style alphago --net" in shown and shown.count("--size 5") == 2


def test_a_policy_that_beats_nothing_hands_the_start_on(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And the report says so."""
    lost = {"start": 0.4, "best": 0.4, "pool": 0.4, "pool_worst": 0.4, "kl_start": 0.1}
    monkeypatch.setattr(Measures, "measure", lambda self, policy, step: dict(lost))
    done = run_small(copy, until="reinforce", changes={"reinforce.run.measure.games": 4})
    assert done[-1].stage == "reinforce"
    record = records_of(copy)["reinforce"]
    assert record.facts["best"] is None
    best, _ = load_network(copy / "reinforce" / "best.safetensors")
    start = policy_alone(load_network(next((copy / "supervised").rglob("network.safetensors")))[0])
    assert network_hash(best) == network_hash(start)
    template = (Path(page.__file__).parent / "page.html").read_text(encoding="utf-8")
    part = template[template.index("<h2>Reinforcement") : template.index("<h2>Values")]
    shown = jinja2.Environment(autoescape=True).from_string(part).render(reinforce=record.facts, reinforce_charts=[])
    assert "Nothing beat the start, which goes on." in shown


def _value_game(out: Path) -> int:
    return len(next(read_games(out / "value-data" / "games.parquet"))["moves"])


def test_words_from_outside_are_escaped(whole: Path, tmp_path: Path) -> None:
    from pipeline_helpers import small_plan
    from selfplay.pipeline.records import Record
    from selfplay.pipeline.runner import Context, Machine
    from selfplay.pipeline.stages import stages_of
    from selfplay.report.page import write_page

    plan = small_plan()
    about = {"config": "<script>alert(1)</script>", "budget": "1m", "program": "&"}
    stage = stages_of(plan, about)[-1]
    record = Record("report", {}, "")
    context = Context(whole, stage, record, records_of(whole), Machine(1))
    write_page(tmp_path / "page.html", context, plan, about, "play", "match")
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "script" not in Page(text).tags and "&lt;script&gt;" in text


# --- the command --------------------------------------------------------------------------------------------------------


def command(*arguments: object, capsys: pytest.CaptureFixture[str], status: int = 0) -> tuple[str, str]:
    with pytest.raises(SystemExit) as ended:
        main(["pipeline", "--config", CONFIG, *map(str, arguments)])
    out, err = capsys.readouterr()
    assert (ended.value.code or 0) == status, err
    return out, err


def test_the_command_shows_a_plan_and_what_is_done(whole: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, _ = command("--plan", "--out", whole, capsys=capsys)
    for stage in STAGES:
        assert stage in out
    assert "done" in out and "120 games" in out
    row = json.loads(command("--plan", "--json", capsys=capsys)[0])
    assert row["out"] == "runs/pipeline-alphago-5x5-30s" and row["plan"]["size"] == 5


def test_the_command_runs_and_goes_on(copy: Path, whole: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.rmtree(copy / "rollout")
    out, err = command("--out", copy, "--until", "supervised", "--threads", 1, capsys=capsys)
    assert "done up to supervised" in out
    assert "games: up to date" in err and "rollout (stage 2 of 3): done again" in err and "of all)" not in out
    out, _ = command("--out", copy, "--until", "supervised", "--json", capsys=capsys)
    row = json.loads(out)
    assert {stage: one["how"] for stage, one in row["stages"].items()} == dict.fromkeys(STAGES[:3], "skipped")
    assert row["stages"]["rollout"]["outputs"]["weights"] == digests(whole)["rollout/weights"]


def test_ctrl_c_leaves_a_state_and_says_how_to_go_on(
    copy: Path, whole: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from alphago.commands import pipeline_progress

    class Interrupting(Remembering):
        done = False

        def __enter__(self) -> Interrupting:
            return self

        def __exit__(self, *error: object) -> None:
            pass

        def advance(self, stage: str, done: float, total: float, text: str) -> None:
            super().advance(stage, done, total, text)
            if done >= 0.4 * total and not self.done:
                self.done = True  # a second one would end it at once
                signal.raise_signal(signal.SIGINT)

    shutil.rmtree(copy / "supervised")
    monkeypatch.setattr(pipeline_progress, "view_for", lambda *_: Interrupting())
    _, err = command("--out", copy, "--until", "supervised", capsys=capsys, status=130)
    assert "stopping with a checkpoint" in err
    assert f"stopped; go on with: alphago pipeline --config {CONFIG} --out {copy}" in err
    assert records_of(copy)["supervised"].state == "begun"
    monkeypatch.undo()
    command("--out", copy, "--until", "supervised", capsys=capsys)
    assert records_of(copy)["supervised"].sessions == 2
    assert digests(copy)["supervised/network"] == digests(whole)["supervised/network"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--budget", "soon"], "bad budget 'soon': expected a time such as 10m, 2h or 10h, up to 24h"),
        (["--budget", "1s"], "budget 1s is too short: this configuration begins at 30s"),
        (["--until", "vale"], "--until: no stage 'vale' (did you mean value?); there are games, rollout"),
        (["--games", "nowhere.parquet"], "games.sources: nowhere.parquet: no such file or folder"),
        (["--threads", "0"], "--threads"),
        (["--out", "a,b"], "--out: a,b: its path has a comma, which no side of a match can name"),
        (["--out", "."], "is not empty and holds no pipeline"),
    ],
)
def test_bad_input_is_one_line(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "letter.txt").write_text("dear")
    _, err = command(*arguments, capsys=capsys, status=2)
    assert message in err and err.count("\n") == 1 and err.startswith("alphago: ")


def test_games_of_ones_own(copy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A store, and SGF with a game of another size, one that comes again, and one that is none."""
    rows = list(read_games(copy / "games" / "games.parquet"))[:3]
    (tmp_path / "mine.sgf").write_bytes(to_sgf(rows[0]) + to_sgf(rows[1]) + b"(;SZ[9];B[ee];W[cc])(;SZ[5];B[zz])")
    store = copy / "games" / "games.parquet"
    sources = ["--games", tmp_path / "mine.sgf", "--games", store, "--out", tmp_path / "out"]
    command(*sources, "--until", "games", capsys=capsys)
    facts = records_of(tmp_path / "out")["games"].facts
    games = records_of(copy)["games"].facts["games"]
    assert facts["games"] == games
    left_out = dict(facts["left_out"])
    assert (left_out.pop("another board size"), left_out.pop("duplicate")) == (1, 2)
    assert list(left_out.values()) == [1]  # the move that is on no board
    with open(tmp_path / "mine.sgf", "ab") as file:
        file.write(b"(;SZ[5];B[aa];W[bb];B[cc];W[dd])")
    _, err = command(*sources, "--until", "rollout", capsys=capsys)
    assert "mine.sgf has changed" in err
    assert records_of(tmp_path / "out")["games"].facts["games"] == games + 1
    assert records_of(tmp_path / "out")["rollout"].facts["balanced"]


def test_games_of_people_are_enough(copy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """They hold no values of searches to balance rollouts against: that is said, and the rest is learned."""
    rows = read_games(copy / "games" / "games.parquet")
    (tmp_path / "people.sgf").write_bytes(
        b"".join(to_sgf({**row, "root_value": np.zeros(0, np.float32)}) for row in rows)
    )
    sources = ["--games", tmp_path / "people.sgf", "--out", tmp_path / "out", "--until", "rollout"]
    _, err = command(*sources, capsys=capsys)
    assert "none of these games was searched" in err
    record = records_of(tmp_path / "out")["rollout"]
    assert not record.facts["balanced"] and "balance_5x5" not in " ".join(record.facts["metrics"])
    _, err = command(*sources, capsys=capsys)
    assert records_of(tmp_path / "out")["rollout"].sessions == 1  # nothing is done twice


def test_a_folder_is_of_one_pipeline(copy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What took hours is not deleted for a forgotten --out."""
    command("--out", copy, "--until", "games", capsys=capsys)
    before = digests(copy)
    store = copy / "games" / "games.parquet"
    _, err = command("--out", copy, "--games", store, "--until", "games", capsys=capsys, status=2)
    assert "holds a pipeline with other games" in err and "choose another --out, or say --replace" in err
    assert digests(copy) == before
    own = tmp_path / "own.parquet"
    shutil.copyfile(store, own)
    command("--out", copy, "--games", own, "--until", "games", "--replace", capsys=capsys)
    assert records_of(copy)["games"].sessions == 1


def test_how_often_checkpoints_are_made_changes_nothing(copy: Path) -> None:
    view = Remembering()
    run_small(copy, view, until="value", changes={"checkpoint_minutes": 7.0})
    assert {how for _, how in view.events} == {"skip"}
