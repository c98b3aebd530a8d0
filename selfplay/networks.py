"""Networks that a stage is given by file or by the name of one that ships."""

from __future__ import annotations

from alphago.nets.architecture import NetworkError
from alphago.nets.modules import Network
from alphago.nets.shipped import network_file
from alphago.nets.store import load_network


def named_network(name: str, size: int, where: str, *, heads: tuple[str, ...] = ("policy",)) -> Network:
    """The network that a file or a name stands for on a board size, in evaluation mode.

    Args:
        where: what named it, for the message.
        heads: one of which it must have.

    Raises:
        NetworkError: no such network, none with such a head, or one that does not play on this size.
    """
    file = network_file(name, size)
    if file is None:
        raise NetworkError(f"{where} {name!r}: no network of that name for {size}x{size}; give a network file")
    network, _ = load_network(file)
    smallest, largest = network.architecture.sizes
    if not smallest <= size <= largest:
        raise NetworkError(
            f"{where} {file}: this network plays on {smallest}x{smallest} to {largest}x{largest}, not on {size}x{size}"
        )
    if not set(heads) & set(network.architecture.heads):
        raise NetworkError(f"{where} {file}: a network that has no {' or '.join(heads)} head")
    return network.eval()
