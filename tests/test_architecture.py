"""The shape of the code: imports run downwards only, Python stays out of the C++ core, the core's stub tells the truth."""

import ast
import importlib.util
import inspect
import re
from pathlib import Path

import pytest

from alphago import _core
from conftest import ROOT

# Lowest first. A layer may import those below it and itself; packages that share a layer do not know each other.
LAYERS: list[set[str]] = [
    {
        "alphago",
        "alphago._core",
        "alphago.configs",
        "alphago.console",
        "alphago.errors",
        "alphago.files",
        "alphago.machine",
        "alphago.messages",
        "alphago.seeds",
    },
    {"alphago.go"},
    {"alphago.nets"},
    {"alphago.search", "alphago.data"},
    {"alphago.train"},
    {"alphago.arena"},
    {"selfplay", "alphago.gtp"},
    {"alphago.controller.go"},
    {"alphago.cli", "alphago.commands"},
]
RANK = {package: rank for rank, layer in enumerate(LAYERS) for package in layer}

# The controllers that know no Go: architecture search and device placement.
GO_FREE = {"alphago.controller.nas", "alphago.controller.placement"}
TRAINER = {
    f"alphago.train.{name}"
    for name in ("reinforce", "episodes", "baselines", "folders", "optim", "policies", "sources")
}
GENERAL = {f"alphago.{name}" for name in ("configs", "errors", "files", "messages", "seeds")}
GO_FREE_MAY_IMPORT = {"alphago", *GENERAL, *TRAINER}

# The command line is one layer: the roof and its rooms.
SAME = {"alphago.commands": "alphago.cli"}

MODULES = sorted(p for package in ("alphago", "selfplay") for p in (ROOT / package).rglob("*.py"))


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def package_of(module: str) -> str | None:
    """The entry of the layer table that a module belongs to: the longest one that its name begins with."""
    known = [p for p in RANK.keys() | GO_FREE if module == p or (module.startswith(p + ".") and p != "alphago")]
    return max(known, key=len, default=None)


def is_module(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:
        return False


def imported_modules(source: str, module: str, is_package: bool) -> set[str]:
    """Modules of this project that a module imports anywhere in it, inside functions and `if TYPE_CHECKING` too."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                up = module.split(".") if is_package else module.split(".")[:-1]
                base = ".".join([*up[: len(up) - node.level + 1], *([base] if base else [])])
            # `from alphago import configs` imports alphago.configs, `from alphago.go import Board` alphago.go alone
            found |= {f"{base}.{a.name}" if is_module(f"{base}.{a.name}") else base for a in node.names}
        elif (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and re.fullmatch(r"alphago(\.\w+)+", node.value)
        ):
            # a module named in a string is there to be imported by it: import_module, the command table
            found |= {node.value} if is_module(node.value) else set()
    return {name for name in found if name.split(".")[0] in ("alphago", "selfplay")}


def why_forbidden(module: str, imported: str) -> str | None:
    """What is wrong with `module` importing `imported`; None when nothing is."""
    here, there = package_of(module), package_of(imported)
    if here is None or there is None:
        return f"{module if here is None else imported} is in no layer; add its package to LAYERS"
    if here in GO_FREE:
        if there == here or imported in GO_FREE_MAY_IMPORT:
            return None
        return f"{module} imports {imported}: {here} may import {', '.join(sorted(GO_FREE_MAY_IMPORT))} alone"
    if there in GO_FREE:
        return (
            None
            if here in LAYERS[-1] or here == "alphago.controller.go"
            else f"{module} imports {imported}: only the command line and controller.go may"
        )
    if SAME.get(here, here) == SAME.get(there, there) or RANK[there] < RANK[here] or RANK[here] == RANK[there] == 0:
        return None
    return f"{module} imports {imported}: imports run downwards only ({here} is below or beside {there})"


@pytest.mark.parametrize("path", MODULES, ids=module_name)
def test_imports_run_downwards(path: Path) -> None:
    module = module_name(path)
    imported = imported_modules(path.read_text(encoding="utf-8"), module, path.name == "__init__.py")
    assert [why for name in sorted(imported) if (why := why_forbidden(module, name))] == []


def test_the_reinforce_trainer_knows_no_go() -> None:
    """Nothing that it imports, nor what that imports, is about Go, networks of Go, games or search."""
    sources = {module_name(path): path for path in MODULES}
    seen: set[str] = set()
    waiting = [*TRAINER, "alphago.train.reinforce_run"]
    while waiting:
        module = waiting.pop()
        if module not in seen and module in sources:
            seen.add(module)
            path = sources[module]
            waiting += imported_modules(path.read_text("utf-8"), module, path.name == "__init__.py")
    assert seen >= TRAINER
    about_go = ("alphago.go", "alphago.nets", "alphago.data", "alphago.search", "alphago._core", "selfplay")
    assert [name for name in sorted(seen) if name.startswith(about_go)] == []
    assert len(sources["alphago.train.reinforce"].read_text("utf-8").splitlines()) <= 350


@pytest.mark.parametrize(
    ("module", "imported", "allowed"),
    [
        ("alphago.nets.rollout", "alphago.go.errors", True),
        ("alphago.go.board", "alphago.nets.rollout", False),
        ("alphago.go.board", "alphago.commands.bench", False),
        ("alphago.search.player", "alphago.data.store", False),
        ("alphago.gtp.engine", "selfplay.worker", False),
        ("alphago.commands.bench", "alphago.cli", True),
        ("alphago.configs", "alphago.go.errors", False),
        ("alphago.controller.nas.env", "alphago.train.reinforce", True),
        ("alphago.controller.nas.env", "alphago.train.supervised", False),
        ("alphago.controller.placement.env", "alphago.go", False),
        ("alphago.controller.go.env", "selfplay.pool", True),
        ("alphago.train.loop", "alphago.controller.nas", False),
        ("alphago.newcomer", "alphago.go", False),
    ],
)
def test_the_rule_itself(module: str, imported: str, allowed: bool) -> None:
    assert (why_forbidden(module, imported) is None) == allowed


def test_lazy_and_relative_imports_are_seen() -> None:
    source = (
        "def f():\n    from ..go import board\n    import selfplay\nMODULE = 'alphago.nets.rollout'\nimport numpy\n"
    )
    assert imported_modules(source, "alphago.nets.x", False) == {"alphago.go.board", "selfplay", "alphago.nets.rollout"}


def test_only_the_bindings_know_python() -> None:
    core = [p for p in (ROOT / "cpp_ext").rglob("*.[ch]pp") if not p.name.startswith("bindings")]
    assert core
    assert [p.name for p in core if re.search(r"#include\s*[<\"](Python\.h|nanobind|pybind)", p.read_text())] == []


def test_files_stay_within_one_idea() -> None:
    """No module is longer than 500 lines."""
    files = [*MODULES, *(ROOT / "cpp_ext").rglob("*.[ch]pp"), *(ROOT / "benchmarks").glob("*.py")]
    assert {str(p.relative_to(ROOT)): n for p in files if (n := len(p.read_text("utf-8").splitlines())) > 500} == {}


# --- the stub of the compiled core ------------------------------------------------------------------------------------


def stub_names(body: list[ast.stmt]) -> set[str]:
    names: set[str] = set()
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            names.add(node.target.id)
    return {name for name in names if not name.startswith("__")}


def public(names: list[str]) -> set[str]:
    return {name for name in names if not name.startswith("_")}


STUB = ast.parse((ROOT / "alphago" / "_core.pyi").read_text(encoding="utf-8"))


def test_stub_lists_the_compiled_names() -> None:
    assert stub_names(STUB.body) == public(dir(_core))


def test_stub_lists_the_members_of_compiled_classes() -> None:
    classes = [node for node in STUB.body if isinstance(node, ast.ClassDef)]
    assert classes
    for node in classes:
        assert stub_names(node.body) == public(dir(getattr(_core, node.name))), node.name


def test_stub_takes_the_compiled_arguments() -> None:
    """Names of the arguments of every function and method, as the compiled docstrings give them."""
    functions = [(_core, node) for node in STUB.body if isinstance(node, ast.FunctionDef)]
    for owner in STUB.body:
        if isinstance(owner, ast.ClassDef):
            functions += [
                (getattr(_core, owner.name), node)
                for node in owner.body
                if isinstance(node, ast.FunctionDef) and not node.name.startswith("__") and not node.decorator_list
            ]
    assert len(functions) > 30
    for where, function in functions:
        signature = (inspect.getdoc(getattr(where, function.name)) or "").splitlines()[0]
        arguments = [a.arg for a in function.args.args if a.arg != "self"]
        assert arguments == re.findall(r"(?:\(|, )(\w+):", signature.split(" -> ")[0]), signature
