"""`alphago doctor`: processor, memory, the compiled core, optional packages and programs, and how to get what is missing."""

from __future__ import annotations

import importlib
import importlib.metadata
import json
import os
import platform
import shutil
import subprocess
import sys
from typing import Annotated, Any, Final

import typer

from alphago.machine import cpuinfo

app = typer.Typer(add_completion=False, rich_markup_mode=None)

Report = dict[str, Any]

CPU_FEATURES: Final = (
    *(
        "sse4_2",
        "avx2",
        "bmi2",
        "fma",
        "avx512f",
        "avx512bw",
        "avx512_bf16",
        "avx512_vnni",
        "avx_vnni",
        "amx_bf16",
        "amx_int8",
    ),
    *("asimd", "asimddp", "sve", "bf16", "i8mm"),  # 64-bit ARM
)
"""Instruction sets that speed depends on, as Linux names them."""

# Runs in a process of its own: a core built for another processor ends it by SIGILL instead of an exception.
_TRY_CORE: Final = """
import json
from alphago import _core
_core.Position(9).playouts("light", 10)
print(json.dumps(_core.BUILD_INFO))
"""


@app.command()
def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of a table.")] = False,
) -> None:
    """Show what this machine and installation offer, and what is missing. Exit status 1 when the core cannot be used."""
    report = examine()
    if as_json:
        print(json.dumps(report))
    else:
        _show(report)
    if not report["usable"]:
        print(f"alphago: {report['core']['problem']}", file=sys.stderr)
        raise typer.Exit(1)


def examine() -> Report:
    """Everything the command shows, as JSON-ready values. Memory in GiB; None or "problem" where something is not there."""
    import alphago

    core = _core_build()
    packages = {"torch": _torch(), "openvino": _openvino(), "open-spiel": _version("open-spiel")}
    programs = {"gnugo": _program("gnugo")}
    return {
        "usable": "problem" not in core,
        "alphago": alphago.__version__,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "cpu": {
            "model": _cpu_model(),
            "features": _cpu_features(),
            "cores": os.cpu_count(),
            "usable_cores": _usable_cores(),
        },
        "memory_gib": _memory_gib(),
        "core": core,
        "packages": packages,
        "programs": programs,
        "missing": _missing(core, packages, programs),
    }


# --- the machine ----------------------------------------------------------------------------------------------------


def _cpu_model() -> str:
    return cpuinfo("model name") or platform.processor() or platform.machine()


def _cpu_features() -> list[str] | None:
    flags = cpuinfo("flags", "Features")
    return None if flags is None else [name for name in CPU_FEATURES if name in flags.split()]


def _usable_cores() -> int | None:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def _memory_gib() -> float | None:
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)
    except (ValueError, OSError, AttributeError):
        return None


# --- the installation -----------------------------------------------------------------------------------------------


def _core_build() -> dict[str, str]:
    """What the core was built with, or one "problem"."""
    try:
        tried = subprocess.run(
            [sys.executable, "-c", _TRY_CORE], capture_output=True, text=True, timeout=60, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return {"problem": f"the compiled core could not be tried: {error}"}
    rebuild = "build it again with `pip install .` in the project's folder"
    if tried.returncode < 0:
        return {
            "problem": f"the compiled core crashes (signal {-tried.returncode}), as when built for another processor; {rebuild}"
        }
    if tried.returncode > 0:
        reason = (tried.stderr.strip().splitlines() or ["no message"])[-1]
        return {"problem": f"the compiled core cannot be loaded: {reason}; {rebuild}"}
    build: dict[str, str] = json.loads(tried.stdout)
    return build


def _version(package: str) -> dict[str, Any] | None:
    try:
        return {"version": importlib.metadata.version(package)}
    except importlib.metadata.PackageNotFoundError:
        return None


def _torch() -> dict[str, Any] | None:
    found = _version("torch")
    if found is None:
        return None
    try:
        torch = importlib.import_module("torch")
        cuda = torch.cuda.is_available()
        return found | {
            "cuda": torch.version.cuda if cuda else None,
            "devices": [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())] if cuda else [],
        }
    except Exception as error:  # noqa: BLE001  # a broken installation may raise anything, and is what a doctor reports
        return found | {"problem": f"installed, but importing it fails: {error}"}


def _openvino() -> dict[str, Any] | None:
    found = _version("openvino")
    if found is None:
        return None
    try:
        return found | {"devices": list(importlib.import_module("openvino").Core().available_devices)}
    except Exception as error:  # noqa: BLE001  # as above
        return found | {"problem": f"installed, but importing it fails: {error}"}


def _program(name: str) -> str | None:
    """Path of a program; Debian keeps games where a root shell does not look."""
    return shutil.which(name) or shutil.which(name, path="/usr/games:/usr/local/games")


def _missing(core: dict[str, str], packages: dict[str, Any], programs: dict[str, Any]) -> list[dict[str, str]]:
    """What is not there, what it would give, and the command that brings it."""
    wanted = [
        (packages["torch"], "torch", "training networks and running them", "pip install torch"),
        (packages["openvino"], "openvino", "the fastest networks on x86 processors", "pip install openvino nncf"),
        (packages["open-spiel"], "open-spiel", "benchmarks against a peer", "pip install open-spiel"),
        (programs["gnugo"], "gnugo", "an opponent, and tests against its rules", "apt-get install gnugo"),
        (
            core.get("native") != "no",
            "native core",
            "this processor's own instructions",
            "pip install . (AG_NATIVE is ON)",
        ),
    ]
    return [{"name": name, "for": use, "install": how} for there, name, use, how in wanted if not there]


# --- what is shown --------------------------------------------------------------------------------------------------


def _show(report: Report) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    cpu, core, torch, openvino = (
        report["cpu"],
        report["core"],
        report["packages"]["torch"],
        report["packages"]["openvino"],
    )
    cuda = torch and torch.get("cuda")
    rows = {
        "alphago": report["alphago"],
        "core": core.get("problem") or f"{core['compiler']}, {core['flags']}",
        "core: SIMD, native": "-" if "problem" in core else f"{core['simd']}, {core['native']}",
        "python": f"{report['python']}, {report['system']}",
        "processor": cpu["model"],
        "processor features": "unknown" if cpu["features"] is None else " ".join(cpu["features"]) or "none that matter",
        "cores": f"{cpu['usable_cores']} of {cpu['cores']} usable",
        "memory": "unknown" if report["memory_gib"] is None else f"{report['memory_gib']} GiB",
        "torch": _package(torch),
        "CUDA": f"{cuda}: {', '.join(torch['devices'])}" if cuda else "not available",
        "OpenVINO": _package(openvino)
        + (f", {' '.join(openvino['devices'])}" if openvino and "devices" in openvino else ""),
        "gnugo": report["programs"]["gnugo"] or "missing",
    }
    table = Table(show_header=False)
    for name, value in rows.items():
        table.add_row(name, escape(value))
    console = Console()
    console.print(table)
    for item in report["missing"]:
        console.print(escape(f"missing: {item['name']} ({item['for']}): {item['install']}"), soft_wrap=True)


def _package(found: dict[str, Any] | None) -> str:
    return (
        "missing" if found is None else f"{found['version']}" + (f" ({found['problem']})" if "problem" in found else "")
    )
