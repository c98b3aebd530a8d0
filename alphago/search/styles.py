"""Search parameters of play: `zero`, this engine's own search, and `alphago`, the search of the 2016 paper.

They are what a bot plays with before a level or the user changes them; the networks at hand decide what they leave to rollouts.
"""

from __future__ import annotations

from typing import Any, Final

from alphago.search.params import SearchParams, search_params

ZERO: Final = "zero"
ALPHAGO: Final = "alphago"
STYLES: Final = {
    ZERO: "the engine's own search: one network for policy and value, or softmax rollouts",
    ALPHAGO: "AlphaGo 2016: policy network, value network and rollouts together",
}
NETWORK_SHARE: Final = 0.5
"""Style alphago: the share of the time that networks take; the threshold of visits from which they are asked follows."""


PAPER_THRESHOLD: Final = 40
"""AlphaGo's first threshold: visits at which a position gets children and the policy network is asked (Extended Data Table 5)."""


def bot_search(size: int, has_policy: bool, has_value: bool) -> SearchParams:
    """Search parameters of style `zero` on a board size.

    What no network gives comes from AlphaGo's tree policy (priors) and softmax rollouts (values). Resignation as AlphaGo's
    match version (-0.8), twice in a row and not in the opening.

    What else was tried with networks, on 9x9 at 0.25 s a move; Elo against the value that is used, 95 % intervals of +-45 to 70
    (docs/results.md, "Search with networks, tuned"): c_init 0.8: -34, 1.8: -22; fpu_reduction 0: -33, 0.4: -29; policy_exponent
    0.8: -22; leaves_in_flight 4: -7, 16: -41; rounds_in_flight 1: -24; virtual_loss 3: -20; move visits: -32; score_static
    0.1: +8; rollouts with lambda 0.3: +28, in a match of its own +10: a search without the last two is simpler. At 1 s a move
    none of these was told apart from nothing.
    """
    values = _resignation(size, 2)
    if has_policy:
        values |= {"leaves_in_flight": 8, "rounds_in_flight": 2, "symmetry": "random", "move": "lcb"}
    else:
        values |= {"prior": "tree", "puct": "zero", "c_puct": 0.8, "rave": 300.0}
    if not has_value:
        values |= {"rollouts": "softmax", "expansion_threshold": 2, "leaves_in_flight": 8, "rollout_cache": True}
        values |= {"rounds_in_flight": 1}  # the cache needs it
    return search_params(values)


def alphago_search(size: int) -> SearchParams:
    """Search parameters of style `alphago` on a board size: Extended Data Table 5 of the paper, and what its Methods say.

    Not the paper's: a threshold of its own for networks. There one, 40 visits, delays both the children of a position and its
    priors, and values are asked wherever the tree ends; here positions get children at their second visit, with the tree policy's
    priors, and the networks are asked about those with most visits, as many as half of the time is enough for. 150 Elo stronger
    (docs/results.md, "A threshold of their own for networks"); `network_threshold=0` is the paper's way, and then a bot fits the
    expansion threshold, beginning with the paper's.

    Left to us: `policy_exponent` is beta = 0.67 read as an exponent, which flattens; unvisited moves have the value 0, as a Q of
    no visits reads in the paper; the cache's probability is the default.
    """
    return search_params(
        _resignation(size, 1)
        | {
            "puct": "alphago",
            "c_puct": 5.0,
            "fpu": "value",
            "fpu_value": 0.0,
            "virtual_loss": 3.0,
            "policy_exponent": 0.67,
            "prior": "tree",
            "rollouts": "softmax",
            "rollout_weight": 0.5,
            "rollout_cache": True,
            "expansion_threshold": 2,
            "network_threshold": 10,
            "leaves_in_flight": 8,
            "late_evaluations": 8,
            "late_groups": 2,
            "symmetry": "random",
            "move": "visits",
        }
    )


def followed(params: SearchParams) -> tuple[str, int]:
    """The threshold that style alphago fits to the networks' speed, since it says how often they are asked, and its first value."""
    if params.late_evaluations and params.network_threshold:
        return "network_threshold", params.network_threshold
    return "expansion_threshold", PAPER_THRESHOLD


def _resignation(size: int, turns: int) -> dict[str, Any]:
    return {
        "resign_threshold": -0.8,
        "resign_turns": turns,
        "resign_min_turn": size * size // 5,
        "resign_off_fraction": 0.0,
    }
