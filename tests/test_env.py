"""The Gymnasium environment: the checker's approval, determinism, masks, rewards, and how episodes end."""

import pickle
import subprocess
import sys
import warnings
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from alphago.go import AlphaGoError, Board, IllegalMove
from alphago.go.env import ENV_ID, BadEnvironment, GoEnv, light_opponent, random_opponent, register


def make(**parameters: Any) -> GoEnv:
    env = gymnasium.make(ENV_ID, **parameters).unwrapped
    assert isinstance(env, GoEnv)
    return env


@pytest.mark.parametrize("opponent", ["random", "light", None])
@pytest.mark.parametrize("size", [5, 9, 19])
def test_gymnasium_approves(size: int, opponent: str | None) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(make(size=size, opponent=opponent))


@pytest.mark.parametrize("learner", ["white", "random"])
def test_gymnasium_approves_either_colour(learner: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(make(size=7, learner=learner, rules="japanese", feature_set="zero17"))


def episode(env: GoEnv, seed: int) -> list[Any]:
    """Everything that happens when a seeded learner plays legal moves at random."""
    rng = np.random.default_rng(seed)
    observation, info = env.reset(seed=seed)
    log: list[Any] = [observation, info]
    while True:
        action = rng.choice(np.flatnonzero(info["action_mask"]))
        observation, reward, terminated, truncated, info = env.step(action)
        log += [action, observation, reward, terminated, truncated, info]
        if terminated or truncated:
            return log


@pytest.mark.parametrize("opponent", ["random", "light", None])
def test_the_same_seed_gives_the_same_episode(opponent: str | None) -> None:
    parameters: dict[str, Any] = {"size": 5, "opponent": opponent, "learner": "random"}
    first, again, other = (pickle.dumps(episode(make(**parameters), seed)) for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_masked_play_is_never_illegal_and_rewards_match_the_score() -> None:
    rewards = set()
    for seed in range(40):
        env = make(size=3, opponent="random", learner="random", komi=2)
        log = episode(env, seed)
        reward, terminated, truncated, info = log[-4:]
        assert terminated != truncated
        assert "illegal" not in info
        if terminated:
            assert env.board.is_over
            assert info["score"] == env.board.score()
            assert reward == np.sign(info["score"]) * (1 if info["learner"] == 1 else -1)
            rewards.add(reward)
        else:
            assert reward == 0
        assert log[4] == 0 or len(log) == 8  # nothing before the end
    assert rewards >= {1.0, -1.0}


def test_info_is_the_side_to_moves() -> None:
    env = make(size=5, opponent=None)
    observation, info = env.reset(seed=0)
    for action in (12, 7, 11):
        assert info["to_play"] == env.board.to_play
        np.testing.assert_array_equal(info["action_mask"], env.board.legal_moves())
        np.testing.assert_array_equal(info["globals"], env.board.globals())
        np.testing.assert_array_equal(observation, env.board.planes())
        assert (info["action_mask"].dtype, info["action_mask"].shape) == (np.int8, (26,))
        observation, *_, info = env.step(np.int64(action))
    assert [color for color, _ in env.board.moves()] == [1, 2, 1]


@pytest.mark.parametrize(("action", "reason"), [(12, "occupied"), (26, "off board"), (-1, "off board")])
def test_an_illegal_action_ends_the_episode(action: int, reason: str) -> None:
    env = make(size=5, opponent=None)
    env.reset(seed=0)
    env.step(np.int64(12))
    before = env.board
    _, reward, terminated, truncated, info = env.step(np.int64(action))
    assert (reward, terminated, truncated, info["illegal"]) == (-1.0, True, False, reason)
    assert env.board == before
    with pytest.raises(BadEnvironment, match="call reset"):
        env.step(np.int64(0))


def test_ko_and_suicide_are_named_too() -> None:
    env = make(size=4, opponent=None, rules="chinese")
    env.reset()
    for vertex in ("B4", "C4", "A3", "D3", "B2", "C2", "C3", "B3"):
        env.step(np.int64(Board(4).size * (4 - int(vertex[1])) + "ABCD".index(vertex[0])))
    assert env.step(np.int64(6))[4]["illegal"] == "ko"
    env.reset()
    for action in (5, 1, 15, 4):
        env.step(np.int64(action))
    assert env.step(np.int64(0))[4]["illegal"] == "suicide"


def test_the_opponent_is_asked_at_the_right_time() -> None:
    seen: list[tuple[int, int]] = []

    def opponent(board: Board, rng: np.random.Generator) -> None:
        seen.append((board.to_play, board.move_count))
        board.play(int(rng.integers(4)))  # a copy: of no consequence

    for learner, asked in (("black", [(2, 1)]), ("white", [(1, 0), (1, 2)])):
        seen.clear()
        env = make(size=5, opponent=opponent, learner=learner)
        env.reset(seed=3)
        env.step(np.int64(12))
        assert seen == asked


def test_two_passes_end_the_episode() -> None:
    env = make(size=5, opponent=lambda board, rng: None, komi=0.5)
    env.reset()
    _, reward, terminated, _, info = env.step(np.int64(25))
    assert (reward, terminated, info["score"]) == (-1.0, True, -0.5)
    draw = make(size=5, opponent=lambda board, rng: "pass", komi=0, learner="white")
    draw.reset()
    assert draw.step(np.int64(25))[1:3] == (0.0, True)


def test_an_opponents_illegal_move_is_the_opponents_fault() -> None:
    env = make(size=5, opponent=lambda board, rng: "C3")
    env.reset()
    with pytest.raises(IllegalMove, match="illegal move white C3: the point is occupied"):
        env.step(np.int64(12))


def test_move_limit_truncates() -> None:
    env = make(size=5, opponent=None, max_moves=3)
    env.reset()
    ends = [env.step(np.int64(action))[2:4] for action in (0, 1, 2)]
    assert ends == [(False, False), (False, False), (False, True)]
    with pytest.raises(BadEnvironment):
        env.step(np.int64(3))


def test_opponents_play_by_their_policies() -> None:
    """The random one may do anything legal, its own eyes included; the light one fills no true eye and passes at last."""
    board = Board.from_ascii(".X.\nXXX\n.X.")
    rng = np.random.default_rng(0)
    assert {light_opponent(board, rng) for _ in range(50)} == {9}
    assert {random_opponent(board, rng) for _ in range(200)} == {0, 2, 6, 8, 9}


def test_rendering(capsys: pytest.CaptureFixture[str]) -> None:
    env = make(size=5, render_mode="ansi")
    env.reset()
    assert env.render() == str(env.board)
    human = make(size=5, render_mode="human", opponent=None)
    human.reset()
    assert capsys.readouterr().out == str(Board(5)) + "\n"
    human.step(np.int64(12))
    assert "(X)" in capsys.readouterr().out
    assert human.render() is None


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"size": 1}, "board size"),
        ({"size": 20}, "board size"),
        ({"opponent": "strong"}, "unknown opponent 'strong'; known: random, light"),
        ({"opponent": 3}, "opponent must be"),
        ({"learner": "red"}, "unknown colour 'red'"),
        ({"feature_set": "poor"}, "poor"),
        ({"rules": "poor"}, "unknown ruleset"),
        ({"komi": float("nan")}, "komi"),
        ({"max_moves": 0}, "max_moves must be at least 1"),
        ({"render_mode": "rgb_array"}, "unknown render_mode"),
    ],
)
def test_bad_parameters(parameters: dict[str, Any], message: str) -> None:
    with pytest.raises(AlphaGoError, match=message):
        GoEnv(**parameters)


def test_registering_twice_does_no_harm() -> None:
    spec = gymnasium.spec(ENV_ID)
    register()
    assert gymnasium.spec(ENV_ID) is spec


def test_importing_the_package_does_not_import_gymnasium() -> None:
    code = (
        "import sys; sys.modules['gymnasium'] = None; import alphago.go;"
        "assert 'alphago.go.env' not in sys.modules; alphago.go.Board(9).play('D4')"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_id_with_its_module_needs_no_import() -> None:
    code = (
        "import gymnasium; env = gymnasium.make('alphago.go.env:alphago/Go-v0', size=5);"
        "env.reset(seed=0); env.step(0); env.close()"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)
