"""How a pipeline is told: lines, bars, and the share of all that is done."""

from __future__ import annotations

import io

import pytest

from alphago.commands import pipeline_progress
from alphago.commands.pipeline_progress import Bars, Lines, PipelineView, Whole, clock, view_for

STAGES = ("games", "value", "report")
EXPECTED = {"value": 98.0}


def told(view: PipelineView) -> None:
    """A pipeline of three stages, the second of which goes on."""
    with view:
        view.skip("games", 3.0)
        view.begin("value", "going on")
        view.advance("value", 0, 100, "loss 0.6")
        view.advance("value", 50, 100, "loss 0.5")
        view.say("a remark")
        view.end("value", 61.0, "MSE 0.4")
        view.begin("report", "")
        view.end("report", 1.0, "")


def test_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter(range(1000, 2000, 10))
    monkeypatch.setattr(pipeline_progress, "LINE_SECONDS", 0.0)
    monkeypatch.setattr("alphago.commands.pipeline_progress.time.monotonic", lambda: float(next(now)))
    stream = io.StringIO()
    told(view_for(STAGES, EXPECTED, stream))
    assert stream.getvalue().splitlines() == [
        "games: up to date (0:03)",
        "value (stage 2 of 3): going on",
        "value: 0/100, loss 0.6 (1% of all)",
        "value: 50/100, loss 0.5 (50% of all, about 0:31 left)",
        "a remark",
        "value: done in 1:01, MSE 0.4",
        "report (stage 3 of 3)",
        "report: done in 0:01",
    ]


def test_lines_are_few(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("alphago.commands.pipeline_progress.time.monotonic", lambda: now[0])
    stream = io.StringIO()
    view = Lines(STAGES, EXPECTED, stream)
    view.begin("value", "")
    for second in range(60):
        now[0] = float(second)
        view.advance("value", second, 60, "")
    assert stream.getvalue().count("\n") == 1 + 5


def test_bars_show_every_stage_and_all_of_them() -> None:
    stream = io.StringIO()
    view = Bars(STAGES, EXPECTED, stream)
    told(view)
    shown = stream.getvalue()
    for text in (*STAGES, "all", "100%", "up to date", "1:01", "MSE 0.4", "a remark"):
        assert text in shown


def test_a_terminal_has_bars(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.delenv("MAKELEVEL", raising=False)
    assert isinstance(view_for(STAGES, EXPECTED, Terminal()), Bars)
    monkeypatch.setenv("MAKELEVEL", "1")
    assert isinstance(view_for(STAGES, EXPECTED, Terminal()), Lines)


def test_the_share_of_all_only_grows_and_ends_at_one() -> None:
    """A stage that counts several things, each from 0, does not take anything back."""
    whole = Whole(STAGES, EXPECTED)
    seen = [whole.share]
    for stage in STAGES:
        for _ in range(2):
            for done in range(11):
                whole.advance(stage, done, 10)
                seen.append(whole.share)
        whole.advance(stage, 0, 0)
        whole.end(stage)
        seen.append(whole.share)
    assert whole.left() is None
    assert seen == sorted(seen) and seen[0] == 0 and seen[-1] == 1
    assert [clock(s) for s in (0, 59.6, 3600, 3661)] == ["0:00", "1:00", "1:00:00", "1:01:01"]
