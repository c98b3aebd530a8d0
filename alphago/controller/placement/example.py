"""The graph that ships with the package, made by rule: a small vision-and-language network on three accelerators.

Two towers, one of convolutions with branches, one of attention layers, meet in a head. The times are those of no machine: they
follow the rule in `example`, so that the file can be made again and compared.
"""

from __future__ import annotations

import importlib.resources
from pathlib import Path
from typing import Any, Final

NAME: Final = "example"
_ACCELERATED: Final = 12.0
"""How many times faster the accelerator is."""


def example_path() -> Path:
    """Where the file is."""
    with importlib.resources.as_file(
        importlib.resources.files("alphago.controller.placement") / "data" / "example.json"
    ) as path:
        return Path(path)


def example() -> dict[str, Any]:
    """The content of the file, in the format of the corpus: 63 operations, 3 accelerators of 400 MB, one processor core."""
    nodes: list[dict[str, Any]] = []
    edges: list[dict[str, Any]] = []
    costs: dict[int, float] = {}

    def add(name: str, work: float, megabytes: float, transfer: float, *sources: int, color: int | None = None) -> int:
        number = len(nodes)
        node: dict[str, Any] = {
            "id": number,
            "name": name,
            "supportedOnFpga": True,
            "cpuLatency": round(work * _ACCELERATED, 4),
            "fpgaLatency": round(work, 4),
            "isBackwardNode": False,
            "size": megabytes * 1e6,
        }
        nodes.append(node | ({} if color is None else {"colorClass": color}))
        costs[number] = transfer
        edges.extend({"sourceId": source, "destId": number, "cost": costs[source]} for source in sources)
        return number

    image = add("image", 0.0, 1, 0.6)
    x = add("stem", 3.0, 8, 0.8, image)
    for block in range(5):
        scale = 1 + 0.2 * block
        one = add(f"image{block}/one", 0.8 * scale, 6, 0.2, x)
        three = add(f"image{block}/reduce3", 0.6 * scale, 5, 0.15, x)
        three = add(f"image{block}/three", 1.7 * scale, 12, 0.2, three)
        five = add(f"image{block}/reduce5", 0.5 * scale, 4, 0.1, x)
        five = add(f"image{block}/five", 2.1 * scale, 16, 0.2, five)
        pool = add(f"image{block}/pool", 0.7 * scale, 3, 0.2, x)
        x = add(f"image{block}/join", 0.2, 2, 0.5 - 0.06 * block, one, three, five, pool)
    words = add("words", 0.0, 1, 0.05)
    y = add("embedding", 0.4, 90, 0.3, words)
    for layer in range(3):
        parts = [add(f"words{layer}/{part}", 0.9, 18, 0.25, y) for part in ("query", "key", "value")]
        mixed = add(f"words{layer}/attend", 1.2, 14, 0.3, *parts)
        mixed = add(f"words{layer}/project", 0.8, 18, 0.25, mixed)
        wide = add(f"words{layer}/wide", 2.2, 40, 0.9, mixed, y, color=layer)
        y = add(f"words{layer}/narrow", 2.2, 40, 0.3, wide, color=layer)  # the two share a buffer
    head = add("meet", 1.0, 20, 0.2, x, y)
    logits = add("logits", 1.5, 10, 0.1, head)
    add("softmax", 0.2, 1, 0.05, logits)
    return {"maxSizePerFPGA": 4e8, "maxFPGAs": 3, "maxCPUs": 1, "nodes": nodes, "edges": edges}
