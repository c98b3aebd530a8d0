"""Games with programs that others wrote: GNU Go, Sabaki's client library, and the match runner of Leela Zero."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from alphago.go import BLACK, WHITE, Board, action_to_gtp
from conftest import ROOT
from gtp_helpers import Process, process

GNUGO = shutil.which("gnugo") or shutil.which("gnugo", path="/usr/games")
VALIDATION = shutil.which("validation") or shutil.which("validation", path="/usr/lib/leelaz/bin")
needs_gnugo = pytest.mark.skipif(GNUGO is None, reason="GNU Go is not installed (apt-get install gnugo)")
GNUGO_OPTIONS = (
    "--mode",
    "gtp",
    "--quiet",
    "--seed",
    "1",
    "--chinese-rules",
    "--positional-superko",
    "--forbid-suicide",
)
OURS = ("--threads", "1", "--memory", "64", "--size", "9")
MOST_MOVES = 300


# --- GNU Go, with a referee between ---------------------------------------------------------------------------------------


def stones(engine: Process, color: str) -> list[str]:
    return sorted(engine.ok(f"list_stones {color}").upper().split())


def referee(engines: dict[int, Process], board: Board) -> str:
    """Play to the end by our rules. Returns how it ended; both boards must be the referee's all along."""
    while not board.is_over and board.move_count < MOST_MOVES:
        color = board.to_play
        name = "b" if color == BLACK else "w"
        move = engines[color].ok(f"genmove {name}", 60).lower()
        if move == "resign":
            return f"{name} resigns"
        board.play(move)  # raises where it is illegal
        engines[3 - color].ok(f"play {name} {move}")
        if board.move_count % 10 == 0:
            for engine in engines.values():
                for value, word in ((BLACK, "black"), (WHITE, "white")):
                    mine = np.flatnonzero(board.stones() == value).tolist()
                    assert stones(engine, word) == sorted(action_to_gtp(a, board.size) for a in mine)
    assert board.is_over, f"no end after {MOST_MOVES} moves"
    return "two passes"


@needs_gnugo
@pytest.mark.parametrize(("ours", "handicap"), [(BLACK, 0), (WHITE, 0), (WHITE, 3), (BLACK, 2)])
def test_gnugo(ours: int, handicap: int) -> None:
    assert GNUGO
    board = Board(9, "chinese-ogs", 6.5)
    with (
        process(*OURS, "--sims", "150", "--no-resign" if ours == BLACK else "--resign") as us,
        process("--level", "1", command=(GNUGO, *GNUGO_OPTIONS)) as gnugo,
    ):
        engines = {ours: us, 3 - ours: gnugo}
        for engine in engines.values():
            for command in ("boardsize 9", "clear_board", "komi 6.5", "time_settings 0 1 0"):
                engine.ok(command)
        if handicap:
            points = engines[WHITE].ok(f"fixed_handicap {handicap}").split()
            engines[BLACK].ok("set_free_handicap " + " ".join(points))
            board.place_free_handicap(points)
        end = referee(engines, board)
        assert end in ("two passes", f"{'b' if ours == BLACK else 'w'} resigns")
        for engine in engines.values():
            assert re.fullmatch(r"[BW]\+\d+(\.\d+)?|0", engine.ok("final_score", 60))
            engine.send("quit\n")
        assert us.end()[::2] == (0, "")


# --- @sabaki/gtp ----------------------------------------------------------------------------------------------------------

SABAKI = """
const {Controller, ControllerStateTracker} = require('@sabaki/gtp')
const [command, ...args] = JSON.parse(process.argv[2])
const controller = new Controller(command, args)
const tracker = new ControllerStateTracker(controller)
const seen = {stderr: [], lines: 0, failed: [], checks: []}
controller.on('stderr', ({content}) => seen.stderr.push(content))
const send = async (name, ...args) => {
  const response = await tracker.queueCommand({name, args})
  if (response.error) seen.failed.push([name, args, response.content])
  return response.content
}
const check = async () => seen.checks.push({
  history: JSON.parse(JSON.stringify(tracker.state.history)),
  black: await send('list_stones', 'b'),
  white: await send('list_stones', 'w'),
})
const color = n => 'WB'[n % 2]
;(async () => {
  controller.start()
  await send('name')
  await send('version')
  seen.undo = await tracker.knowsCommand('undo')
  seen.analyze = await tracker.knowsCommand('analyze')
  await tracker.sync({
    komi: 6.3, boardsize: [9, 9], history: [],
    timeSettings: {mainTime: 0, byoyomiTime: 1, byoyomiStones: 0},
  })
  seen.handicap = await send('place_free_handicap', '3')
  await check()
  for (let n = 0; n < 12; n++) await send('genmove', color(n))
  await check()

  // four moves back, and another continuation
  const history = [...tracker.state.history]
  await tracker.sync({history: history.slice(0, -4)})
  await check()
  await tracker.sync({history: [...history.slice(0, -4), {name: 'play', args: ['W', 'pass']}]})
  await check()
  // past the handicap: everything is played again
  await tracker.sync({history: history.slice(0, 2)})
  await check()
  await tracker.sync({history})
  await check()

  // an analysis that ends with the next command
  let name
  const analysis = controller.sendCommand({name: 'lz-analyze', args: ['W', '2']}, ({line}) => {
    if (line.startsWith('info ') && ++seen.lines === 3) name = controller.sendCommand({name: 'protocol_version'})
  })
  await analysis
  seen.protocol = (await name).content

  // to the end, thinking aloud now and then
  let passes = 0
  for (let n = 0; n < 300 && passes < 2; n++) {
    let move
    if (n % 5 === 0) {
      const {content} = await controller.sendCommand({name: 'kata-genmove_analyze', args: [color(n), '50']})
      move = content.split('play ').pop()
    } else {
      move = await send('genmove', color(n))
    }
    passes = move.trim() === 'pass' ? passes + 1 : 0
  }
  seen.passes = passes
  await check()
  seen.score = await send('final_score')
  const start = Date.now()
  controller.on('stopped', ({signal}) => { seen.signal = signal })
  await controller.stop()
  seen.stopped = Date.now() - start
  console.log(JSON.stringify(seen))
})().catch(error => { console.error(error); process.exit(1) })
"""


@pytest.fixture(scope="module")
def node_modules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with @sabaki/gtp in its node_modules."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        pytest.skip("node and npm are not installed")
    folder = tmp_path_factory.mktemp("npm")
    command = [
        npm,
        "install",
        "--prefix",
        str(folder),
        "--no-audit",
        "--no-fund",
        "--fetch-retries=0",
        "--fetch-timeout=20000",
    ]
    done = subprocess.run([*command, "@sabaki/gtp@3.0.0"], capture_output=True, text=True, timeout=90, check=False)
    if done.returncode:
        pytest.skip(f"npm cannot install @sabaki/gtp: {done.stderr.strip().splitlines()[:1]}")
    return folder


def test_sabaki_plays_a_whole_game(node_modules: Path) -> None:
    script = node_modules / "game.js"
    script.write_text(SABAKI, encoding="ascii")
    engine = [
        sys.executable,
        "-m",
        "alphago.cli",
        "gtp",
        "--threads",
        "1",
        "--memory",
        "64",
        "--sims",
        "60",
        "--no-resign",
    ]
    done = subprocess.run(
        ["node", str(script), json.dumps(engine)], capture_output=True, text=True, timeout=120, check=False, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    assert (seen["stderr"], seen["failed"]) == ([], [])
    assert seen["undo"] and not seen["analyze"]
    assert len(seen["handicap"].split()) == 3
    assert seen["lines"] >= 3 and seen["protocol"] == "2"
    assert seen["passes"] == 2
    assert re.fullmatch(r"[BW]\+\d+\.\d", seen["score"])
    assert seen["signal"] == 0 and seen["stopped"] < 3000
    lengths = []
    for check in seen["checks"]:
        lengths.append(len(check["history"]))
        board = Board(9, "chinese-ogs", 6.3)
        for step in check["history"]:
            if step["name"] == "set_free_handicap":
                board.place_free_handicap(step["args"])
            else:
                board.play(step["args"][1], step["args"][0])
        for value, name in ((BLACK, "black"), (WHITE, "white")):
            mine = np.flatnonzero(board.stones() == value).tolist()
            assert sorted(check[name].split()) == sorted(action_to_gtp(a, 9) for a in mine)
    assert lengths[:6] == [1, 13, 9, 10, 2, 13]
    assert lengths[6] > 30


# --- leela-zero's validation ----------------------------------------------------------------------------------------------


@pytest.mark.slow
@needs_gnugo
@pytest.mark.skipif(VALIDATION is None, reason="validation is not installed (apt-get install leela-zero)")
def test_leela_zero_validation(tmp_path: Path) -> None:
    """Games against GNU Go, each to its end. Resignation is off: it would be handed on to GNU Go."""
    assert VALIDATION and GNUGO
    ours = (
        sys.executable,
        "-m",
        "alphago.cli",
        "gtp",
        *OURS,
        "--sims",
        "100",
        "--no-resign",
        "--override-version",
        "0.17.0",
    )
    players = {"ours": (str(ROOT), ours), "gnugo": (str(tmp_path), (GNUGO, *GNUGO_OPTIONS, "--level", "1"))}
    for name, (where, words) in players.items():
        path = tmp_path / name
        path.write_text(f"#!/bin/sh\ncd {shlex.quote(where)} && exec {shlex.join(words)}\n", encoding="utf-8")
        path.chmod(0o755)
    command = [VALIDATION, "-n", "ours", "-n", "gnugo", "-o", "", "-c", "boardsize 9", "--", "./ours", "--", "./gnugo"]
    with (tmp_path / "log").open("wb") as log:
        match = subprocess.Popen(
            command, stdout=log, stderr=log, cwd=tmp_path, env=os.environ | {"QT_QPA_PLATFORM": "offscreen"}
        )
    try:
        deadline = time.monotonic() + 120
        while "4 games played" not in _log(tmp_path) and match.poll() is None and time.monotonic() < deadline:
            time.sleep(0.2)
        assert match.poll() is None, _log(tmp_path)[-1000:]
        match.send_signal(signal.SIGINT)  # its own test of strength takes far more games to end
        match.wait(60)
    finally:
        match.kill()
        match.wait(10)
    said = _log(tmp_path)
    games = [int(n) for n in re.findall(r"(\d+) games? played", said)]
    assert games and games[-1] >= 4, said[-1000:]
    assert len(re.findall(r"Score: (?:[BW]\+\d+\.\d|0)", said)) == said.count("Game has ended.")
    assert said.count("vs\n./ours") >= 1 and said.count("vs\n./gnugo") >= 1  # with either colour


def _log(folder: Path) -> str:
    return (folder / "log").read_text(encoding="utf-8", errors="replace")
