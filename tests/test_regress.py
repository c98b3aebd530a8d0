"""`alphago regress`: the syntax of test files, outcomes, engines that misbehave."""

from __future__ import annotations

import contextlib
import io
import json
import shlex
import sys
import textwrap
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from alphago import cli
from alphago.gtp.regress import BadTest, Expectation, Line, read_tests

# Answers each command by its first word; `loadsgf` answers with its arguments, so that a test sees what was sent.
ENGINE = """
import sys, time
for line in sys.stdin:
    words = line.split()
    answer = {
        "protocol_version": "2", "known_command": "true", "reg_genmove": "D4", "genmove": "pass", "two": "A1 B2",
    }.get(words[0])
    if words[0] == "crash":
        print("out of luck", file=sys.stderr, flush=True)
        sys.exit(3)
    if words[0] == "babble":
        print("hello there\\n", flush=True)
    elif words[0] == "quit":
        print("=\\n", flush=True)
        break
    elif words[0] in ("loadsgf", "time_settings"):
        if words[1].endswith("missing.sgf"):
            print("? cannot load file\\n", flush=True)
        else:
            log.write(line)
            log.flush()
            print("= black\\n", flush=True)
    elif answer is None:
        print("? unknown command\\n", flush=True)
    else:
        print("= " + answer + "\\n", flush=True)
"""


class Done(NamedTuple):
    code: object
    out: str
    err: str


def run(*args: str | Path) -> Done:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), pytest.raises(SystemExit) as exit_:
        cli.main(["regress", *map(str, args)])
    return Done(exit_.value.code, out.getvalue(), err.getvalue())


@pytest.fixture
def engine(tmp_path: Path) -> str:
    """Command line of the engine above; it logs what it loads in `log` beside the script."""
    script = tmp_path / "engine.py"
    script.write_text(f"log = open({str(tmp_path / 'log')!r}, 'a')\n{ENGINE}")
    return shlex.join([sys.executable, str(script)])


def tst(tmp_path: Path, text: str, name: str = "some.tst") -> Path:
    path = tmp_path / name
    path.write_text(textwrap.dedent(text))
    return path


def object_of(*args: str | Path) -> dict[str, Any]:
    done = run(*args, "--json")
    assert done.err == "" and done.out.count("\n") == 1
    found: dict[str, Any] = json.loads(done.out)
    return found


def outcomes(*args: str | Path) -> list[str]:
    return [test["outcome"] for test in object_of(*args)["files"][0]["tests"]]


# --- the syntax -----------------------------------------------------------------------------------------------------------


def test_syntax(tmp_path: Path) -> None:
    path = tst(
        tmp_path,
        """\
        # a comment

        loadsgf games/a.sgf 12   # the position before move 12
        10 reg_genmove black
        #? [D4|E5]
        20 reg_genmove white  # too hard
          #? [!A1]*  # as yet
        owl_attack B2
        #?[1 (PASS|[A-T][0-9]*)]
        """,
    )
    assert read_tests(path) == [
        Line(3, None, "loadsgf games/a.sgf 12", None),
        Line(4, 10, "reg_genmove black", Expectation("D4|E5", False, False)),
        Line(6, 20, "reg_genmove white", Expectation("A1", True, True)),
        Line(8, None, "owl_attack B2", Expectation("1 (PASS|[A-T][0-9]*)", False, False)),
    ]


@pytest.mark.parametrize(
    ("pattern", "negated", "answer", "holds"),
    [
        ("D4|E5", False, "d4", True),
        ("D4|E5", False, "D44", False),
        ("D4|E5", False, "AD4", False),
        ("PASS", False, "pass", True),
        ("D4|E5", True, "D4", False),
        ("D4|E5", True, "D14", True),
        ("B\\+.*", False, "B+3.5", True),
        ("0", False, "0 ", True),
        ("", False, "", True),
    ],
)
def test_patterns_match_the_whole_answer(pattern: str, negated: bool, answer: str, holds: bool) -> None:
    assert Expectation(pattern, negated, False).holds(answer) is holds


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("#? [D4]\n", ":1: '? [D4]' belongs to no command"),
        ("name\n#? [a]\n#? [b]\n", ":3: "),
        ("name\n#? D4\n", ":2: expected #? [PATTERN]"),
        ("name\n#? [D4(]\n", ":2: bad regular expression [D4(]"),
        ("name\n", ": no test in it"),
        ("", ": no test in it"),
    ],
)
def test_bad_files(tmp_path: Path, text: str, said: str) -> None:
    path = tst(tmp_path, text)
    with pytest.raises(BadTest) as error:
        read_tests(path)
    assert str(error.value).startswith(str(path)) and said in str(error.value)
    done = run(path)
    assert (done.code, done.out) == (2, "") and done.err == f"alphago: {error.value}\n"


def test_unreadable_files(tmp_path: Path) -> None:
    (tmp_path / "binary.tst").write_bytes(b"\xff\xfe\x00")
    for path in (tmp_path / "missing.tst", tmp_path, tmp_path / "binary.tst"):
        done = run(path)
        assert done.code == 2 and done.out == ""
        assert done.err.startswith(f"alphago: {path}: ") and done.err.count("\n") == 1


# --- outcomes -------------------------------------------------------------------------------------------------------------


def test_outcomes_and_exit_status(tmp_path: Path, engine: str) -> None:
    path = tst(
        tmp_path,
        """
        10 reg_genmove black
        #? [D4]
        20 reg_genmove black
        #? [E5]
        30 reg_genmove black
        #? [E5]*
        40 reg_genmove black
        #? [D4]*
        50 two
        #? [A1 B2]
        """,
    )
    found = object_of(path, "--engine", engine)
    assert found["totals"] == {"tests": 5, "pass": 2, "fail": 1, "known_fail": 1, "unexpected_pass": 1}
    assert [test["outcome"] for test in found["files"][0]["tests"]] == [
        "pass",
        "fail",
        "known fail",
        "unexpected pass",
        "pass",
    ]
    done = run(path, "--engine", engine)
    assert done.code == 1 and done.err == ""
    lines = done.out.splitlines()
    assert lines[0] == f"{path}:4: FAIL: 20 reg_genmove black: wanted [E5], got D4"
    assert [word.isdigit() and int(word) for word in lines[-1].split()[-5:]] == [5, 3, 1, 1, 1]


def test_known_failures_and_unexpected_passes_are_no_failure(tmp_path: Path, engine: str) -> None:
    path = tst(tmp_path, "name\n#? [x]*\nreg_genmove black\n#? [D4]*\n")
    assert run(path, "--engine", engine).code == 0


def test_several_files(tmp_path: Path, engine: str) -> None:
    good = tst(tmp_path, "reg_genmove black\n#? [D4]\n", "good.tst")
    bad = tst(tmp_path, "reg_genmove black\n#? [E5]\n", "bad.tst")
    found = object_of(good, bad, "--engine", engine)
    assert [(file["category"], file["pass"], file["fail"]) for file in found["files"]] == [
        ("good", 1, 0),
        ("bad", 0, 1),
    ]
    assert run(good, bad, "--engine", engine).out.splitlines()[-1].split() == ["all", "2", "1", "1", "0", "0"]


# --- what is sent ---------------------------------------------------------------------------------------------------------


def test_files_lie_beside_the_test_file(tmp_path: Path, engine: str) -> None:
    folder = tmp_path / "suite"
    (folder / "sgf").mkdir(parents=True)
    (folder / "sgf" / "a.sgf").write_text("(;)")
    path = tst(folder, "loadsgf sgf/a.sgf 7\nloadsgf elsewhere.sgf\nreg_genmove black\n#? [D4]\n")
    assert outcomes(path, "--engine", engine) == ["pass"]
    sent = (tmp_path / "log").read_text().splitlines()
    assert sent == [f"loadsgf {folder.resolve()}/sgf/a.sgf 7", "loadsgf elsewhere.sgf"]


def test_time_of_a_foreign_engine(tmp_path: Path, engine: str) -> None:
    path = tst(tmp_path, "reg_genmove black\n#? [D4]\n")
    assert run(path, "--engine", engine, "--time", "2s").code == 0
    assert (tmp_path / "log").read_text() == "time_settings 0 2 1\n"


# --- engines that misbehave -----------------------------------------------------------------------------------------------


def test_a_position_that_cannot_be_loaded_fails_its_tests(tmp_path: Path, engine: str) -> None:
    path = tst(
        tmp_path,
        """
        loadsgf missing.sgf
        reg_genmove black
        #? [D4]
        reg_genmove white
        #? [D4]*
        loadsgf there.sgf
        reg_genmove black
        #? [D4]
        """,
    )
    found = object_of(path, "--engine", engine)["files"][0]["tests"]
    assert [test["outcome"] for test in found] == ["fail", "known fail", "pass"]
    assert found[0]["answer"] == "loadsgf missing.sgf: ? cannot load file"


def test_a_refusal_is_an_answer_that_fails(tmp_path: Path, engine: str) -> None:
    """Also where the pattern would match the refusal, or is negated."""
    path = tst(tmp_path, "bogus\n#? [.*]\nbogus\n#? [!D4]\nreg_genmove black\n#? [D4]\n")
    assert outcomes(path, "--engine", engine) == ["fail", "fail", "pass"]


@pytest.mark.parametrize("how", ["crash", "babble"])
def test_a_crash_costs_the_tests_up_to_the_next_position(tmp_path: Path, engine: str, how: str) -> None:
    path = tst(
        tmp_path,
        f"""
        loadsgf a.sgf
        reg_genmove black
        #? [D4]
        {how}
        #? [D4]
        reg_genmove black
        #? [D4]
        loadsgf b.sgf
        reg_genmove black
        #? [D4]
        """,
    )
    found = object_of(path, "--engine", engine)["files"][0]["tests"]
    assert [test["outcome"] for test in found] == ["pass", "fail", "fail", "pass"]
    assert ("exited with status 3" if how == "crash" else "no GTP response") in found[1]["answer"]


@pytest.mark.parametrize("command", ["no-such-program-anywhere", "", "'unfinished", f"{sys.executable} -c 0"])
def test_an_engine_that_cannot_be_started(tmp_path: Path, command: str) -> None:
    path = tst(tmp_path, "name\n#? [x]\n")
    done = run(path, "--engine", command)
    assert done.code == 2 and done.err.startswith("alphago: ") and done.err.count("\n") == 1


# --- our own bot ----------------------------------------------------------------------------------------------------------


def test_our_own_bot_by_default(tmp_path: Path) -> None:
    text = "boardsize 5\n10 reg_genmove black\n#? [[A-E][1-5]]\n20 known_command reg_genmove\n#? [true]\n"
    path = tst(tmp_path, text)
    done = run(path, "--time", "100ms", "--verbose")
    assert (done.code, done.err) == (0, "")
    assert done.out.count("PASS: ") == 2


def test_bad_time() -> None:
    done = run("x.tst", "--time", "soon")
    assert done.code == 2 and "--time" in done.err
