"""What ships with the package and every command knows by name: networks, and the weights of rollouts.

Networks: `default`, the best for the board's size; `small`, a fast one for self-play and the weak levels (`default` where no
smaller one is for the board); `rl`, the small one improved by REINFORCE, a policy alone (up to 9x9); `nas`, what an architecture
search found (up to 9x9); and `none`, no network at all: a bot then searches with AlphaGo's tree policy for the priors and softmax
rollouts for the values. Value networks of style alphago: `default` (up to 9x9), and `none`. Rollout weights: `default`, and
`handset`, the frozen yardstick that `alphago.nets.handset` makes by rule.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from alphago.errors import AlphaGoError

NONE: Final = "none"
DEFAULT: Final = "default"
SMALL: Final = "small"
RL: Final = "rl"
NAS: Final = "nas"
NAMES: Final = (NONE, DEFAULT, SMALL, RL, NAS)
HANDSET: Final = "handset"
VARIABLE: Final = "ALPHAGO_NET"
"""The environment variable that names another default: a file, or `none`; for programs whose command line one cannot change."""
_FOLDER: Final = Path(__file__).parent / "data"
_NETWORKS: Final[dict[str, tuple[tuple[int, str], ...]]] = {
    NONE: (),
    DEFAULT: ((9, "net-9x9.safetensors"), (19, "net-19x19.safetensors")),
    SMALL: ((9, "net-9x9-small.safetensors"), (19, "net-19x19.safetensors")),
    RL: ((9, "net-9x9-rl.safetensors"),),
    NAS: ((9, "net-9x9-nas.safetensors"),),
}
"""By name: (largest board size, file), smallest first."""
_VALUES: Final[dict[str, tuple[tuple[int, str], ...]]] = {NONE: (), DEFAULT: ((9, "value-9x9.safetensors"),)}
"""Value networks of style alphago, likewise; none ships for larger boards."""
_ROLLOUTS: Final = {DEFAULT: "rollout.safetensors", HANDSET: "rollout-handset.safetensors"}


class ShippedError(AlphaGoError):
    """Nothing that ships under this name is for such a board."""


def network_file(net: str | os.PathLike[str], size: int) -> Path | None:
    """The file that a network's name, or its path, stands for on boards of a size; None: no network.

    Raises:
        ShippedError: the name is one of networks for smaller boards.
    """
    name = _chosen(net)
    if name not in NAMES:
        return Path(name)
    for largest, file in _NETWORKS[name]:
        if size <= largest:
            return _FOLDER / file
    if not _NETWORKS[name]:
        return None
    largest = _NETWORKS[name][-1][0]
    raise ShippedError(f"network {name!r} is for boards up to {largest}x{largest}, not {size}x{size}")


def value_file(net: str | os.PathLike[str], size: int) -> Path | None:
    """The file of a value network that a name, or a path, stands for on boards of a size; None: none ships, or none is wanted."""
    name = os.fspath(net)
    if name not in _VALUES:
        return Path(name)
    return next((_FOLDER / file for largest, file in _VALUES[name] if size <= largest), None)


def value_files(net: str | os.PathLike[str]) -> list[Path]:
    """All files that a value network's name, or a path, stands for."""
    name = os.fspath(net)
    return [_FOLDER / file for _, file in _VALUES[name]] if name in _VALUES else [Path(name)]


def network_files(net: str | os.PathLike[str]) -> tuple[Path, ...]:
    """All files that a name, or a path, stands for, of every board size."""
    name = _chosen(net)
    if name not in NAMES:
        return (Path(name),)
    return tuple(_FOLDER / file for _, file in _NETWORKS[name])


def preferred(net: str, preference: str) -> str:
    """`preference` where `net` leaves the choice open: `default`, and no other default in the environment."""
    return preference if net == DEFAULT and _chosen(net) == DEFAULT else net


def _chosen(net: str | os.PathLike[str]) -> str:
    name = os.fspath(net)
    return os.environ.get(VARIABLE, "") or DEFAULT if name == DEFAULT else name


def rollout_file(weights: str | os.PathLike[str] | None) -> Path:
    """The file that a name, or a path, of rollout weights stands for; None: `default`."""
    name = DEFAULT if weights is None else os.fspath(weights)
    return _FOLDER / _ROLLOUTS[name] if name in _ROLLOUTS else Path(name)
