"""What reads cases runs under the handler that withholds them, from its first line to its last."""

import ast
from pathlib import Path

import pytest
from support import ROOT

SCRIPTS = [*sorted((ROOT / "stages").glob("*.py"))]
SCRIPTS += [ROOT / name for name in ("benchmarks/ablate.py", "benchmarks/memorisation.py", "tools/plan.py")]
"""Those that read cases or models; the other benchmarks read invented and public cases alone."""
QUIET = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef, ast.Assign, ast.AnnAssign)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_a_script_does_nothing_before_the_handler_is_in_place(script: Path) -> None:
    *body, last = ast.parse(script.read_text(encoding="utf-8")).body
    for statement in body:
        is_docstring = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
        assert is_docstring or isinstance(statement, QUIET), ast.unparse(statement)
    assert ast.unparse(last).replace('"', "'") == "if __name__ == '__main__':\n    run_script(main)"
