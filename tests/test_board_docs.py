"""Every line of code in docs/board.md runs, and what its comments promise is what comes out."""

import ast
import contextlib
import io
import re
from pathlib import Path
from typing import Any

PAGE = (Path(__file__).parent.parent / "docs" / "board.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", PAGE, flags=re.DOTALL | re.MULTILINE)


def promised(line: str) -> str | None:
    """The value that a line's comment states: a literal, perhaps followed by a colon or semicolon and words."""
    comment = line.split("#", 1)[1].strip() if "#" in line else ""
    for end in (len(comment), *(match.start() for match in re.finditer("[:;]", comment))):
        with contextlib.suppress(ValueError, SyntaxError):
            return repr(ast.literal_eval(comment[:end]))
    return None


def test_code_runs_and_comments_are_true() -> None:
    """Blocks run in order in one namespace; a line that is an expression with a literal in its comment must have that value."""
    names: dict[str, Any] = {}
    checked = 0
    printed = io.StringIO()
    for language, code in BLOCKS:
        if language != "python":
            continue
        lines = code.splitlines()
        for statement in ast.parse(code).body:
            unit = ast.Module([statement], type_ignores=[])
            if not isinstance(statement, ast.Expr):
                with contextlib.redirect_stdout(printed):
                    exec(compile(unit, "docs/board.md", "exec"), names)  # noqa: S102  # the page is our own
                continue
            with contextlib.redirect_stdout(printed):
                value = eval(compile(ast.Expression(statement.value), "docs/board.md", "eval"), names)
            wanted = promised(lines[(statement.end_lineno or 1) - 1])
            if wanted is not None:
                assert repr(value) == wanted, ast.unparse(statement)
                checked += 1
    assert checked >= 15
    shown = next(code for language, code in BLOCKS if not language)
    assert printed.getvalue().startswith(shown)
    assert "illegal move black D4: the point is occupied\noccupied\n" in printed.getvalue()
