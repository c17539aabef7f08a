"""docs/start/faults.md against the tests that it names."""

import ast
import re
from pathlib import Path

import pytest
from support import ROOT
from support.faults import cells, check

ROWS = cells()
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


def test_every_test_of_the_table_asks_for_its_words() -> None:
    """Else a message could change and the table stay."""
    texts = [path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py")]
    nodes = [node for text in texts for node in ast.parse(text).body if isinstance(node, ast.FunctionDef)]
    deaf = {node.name for node in nodes if node.name in NAMED and "heard" not in ast.unparse(node)}
    assert deaf == set()


def test_words_that_were_not_printed_are_missed() -> None:
    check("test_a_full_cache", "ERROR: No space left on device", "")
    with pytest.raises(AssertionError):
        check("test_a_full_cache", "ERROR: no room", "")
    check("test_a_push_goes_on_where_the_server_died", "Connect call failed", "")
    with pytest.raises(AssertionError, match="0 rows"):
        check("test_of_nothing", "", "")
