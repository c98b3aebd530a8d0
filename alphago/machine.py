"""What this process may use of the machine, and what it has used."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path


def usable_threads() -> int:
    """Processors that this process may run on."""
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def cpuinfo(*keys: str) -> str | None:
    """The first value of one of these keys in /proc/cpuinfo; None elsewhere than on Linux."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    pairs = (line.split(":", 1) for line in lines if ":" in line)
    return next((value.strip() for key, value in pairs if key.strip() in keys), None)


def seconds_of(text: str) -> float:
    """A length of time: "2", "2s", "250ms", "1.5m", "1h". Raises ValueError, which says what would be right."""
    match = re.fullmatch(r"(\d+(?:[.,]\d+)?)\s*(ms|s|m|h)?", text.strip())
    seconds = float(match[1].replace(",", ".")) * {"ms": 0.001, "m": 60, "h": 3600}.get(match[2], 1) if match else 0.0
    if not 0 < seconds <= 86400:
        raise ValueError(f"expected a time such as 2s, 250ms, 1.5m or 1h, up to 24h, got {text[:40]!r}")
    return seconds


def peak_memory_mib() -> float:
    """The most memory that this process has held so far, in MiB (its resident set)."""
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10  # macOS counts bytes, Linux KiB
