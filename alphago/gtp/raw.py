"""What a network says about a position without any search, in the form of KataGo's `kata-raw-nn`."""

from __future__ import annotations

import numpy as np

from alphago.go import WHITE, Board
from alphago.gtp.protocol import GtpError
from alphago.nets.modules import Network


def raw(network: Network, board: Board, symmetry: int) -> str:
    """The heads' answers as text. White's point of view, as KataGo has it; what the network does not predict is 0.

    Args:
        symmetry: 0 to 7: the position is turned before the network sees it, and the answer back.

    Raises:
        GtpError: the network has no policy, or is not for this board size.
    """
    import torch

    architecture = network.architecture
    size = board.size
    if "policy" not in architecture.heads:
        raise GtpError("the network has no policy")
    smallest, largest = architecture.sizes
    if not smallest <= size <= largest:
        raise GtpError(f"the network plays on {smallest}x{smallest} to {largest}x{largest}")
    planes = torch.from_numpy(board.planes(architecture.feature_set, symmetry))[None]
    globals_ = torch.from_numpy(board.globals())[None]
    was_training = network.training
    network.eval()
    with torch.no_grad():
        out = {name: value[0].float().numpy() for name, value in network(planes, globals_).items()}
    network.train(was_training)

    places = _places(size, symmetry)
    legal = board.legal_mask()
    logits = np.append(out["policy"][:-1][places], out["policy"][-1])
    logits = np.where(legal, logits, -np.inf)
    policy = np.exp(logits - logits.max())
    policy /= policy.sum()
    white = 1 if board.to_play == WHITE else -1
    win, draw, loss = _outcome(out)
    if white < 0:
        win, loss = loss, win
    lead = white * float(out["score"]) if "score" in out else 0.0
    owner = white * out["ownership"].ravel()[places] if "ownership" in out else np.zeros(size * size)
    lines = [
        f"symmetry {symmetry}",
        f"whiteWin {win:.6f}",
        f"whiteLoss {loss:.6f}",
        f"noResult {draw:.6f}",
        f"whiteLead {lead:.3f}",
        f"whiteScoreSelfplay {lead:.3f}",
        f"whiteScoreSelfplaySq {lead * lead:.3f}",
        "varTimeLeft -1",
        "shorttermWinlossError -1",
        "shorttermScoreError -1",
        "policy",
        *_rows(policy[:-1], size, legal[:-1]),
        f"policyPass {policy[-1]:.6f}",
        "whiteOwnership",
        *_rows(owner, size, np.ones(size * size, dtype=np.bool_)),
    ]
    return "\n".join(lines)


def _outcome(out: dict[str, np.ndarray]) -> tuple[float, float, float]:
    """Chances of win, draw and loss for the side to move."""
    if "outcome" in out:
        chances = np.exp(out["outcome"] - out["outcome"].max())
        win, draw, loss = (chances / chances.sum()).tolist()
        return win, draw, loss
    value = float(out["value"]) if "value" in out else 0.0
    return (1 + value) / 2, 0.0, (1 - value) / 2


def _places(size: int, symmetry: int) -> np.ndarray:
    """Where the network sees each point: a stone is put on the board, and found again in the turned planes."""
    places = np.empty(size * size, dtype=np.int64)
    for action in range(size * size):
        board = Board(size)
        board.setup(black=[action])
        places[action] = int(board.planes("rich-fast", symmetry)[1].argmax())
    return places


def _rows(values: np.ndarray, size: int, shown: np.ndarray) -> list[str]:
    texts = [f"{x:.6f}" if ok else "NAN" for x, ok in zip(values.tolist(), shown.tolist(), strict=True)]
    return [" ".join(texts[r * size : (r + 1) * size]) for r in range(size)]
