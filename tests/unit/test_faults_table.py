"""docs/faults.md against the tests that it names."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
TABLE = (ROOT / "docs/faults.md").read_text(encoding="utf-8")
ROWS = [line.split(" | ") for line in TABLE.splitlines() if line.startswith("| ")][1:]
NAMED = {name for row in ROWS for name in re.findall(r"`(?:[\w/]+\.py::)?(test_\w+)`", row[-1])}


def functions_in(folder: Path) -> set[str]:
    return {
        node.name
        for path in folder.rglob("test_*.py")
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }


def test_every_row_names_a_fault_a_message_a_remedy_and_a_test_that_exists() -> None:
    assert len(ROWS) >= 10
    for row in ROWS:
        assert len(row) == 4 and all(cell.strip(" |") for cell in row), row
        assert "`" in row[1], row
        assert re.findall(r"`(?:[\w/]+\.py::)?(test_\w+)`", row[3]), row
    assert functions_in(ROOT / "tests") >= NAMED


def test_every_test_of_a_fault_has_a_row() -> None:
    tree = ast.parse((ROOT / "tests/stages/test_faults.py").read_text(encoding="utf-8"))
    tests = {node.name for node in tree.body if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")}
    assert tests and tests <= NAMED
