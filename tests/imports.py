"""Reads which modules of the library a script imports, transitively and lazily, from its source text."""

import ast
from pathlib import Path

SRC = Path("src")


def modules_used(script: Path) -> set[Path]:
    """Files under src/ that `script` imports, directly or through others; package docstrings aside.

    Imports for type checkers only do not count: they never run.
    """
    used: set[Path] = set()
    waiting = [script]
    while waiting:
        for path in _imports(ast.parse(waiting.pop().read_text(encoding="utf-8"))):
            if path not in used:
                used.add(path)
                waiting.append(path)
    return {path for path in used if path.name != "__init__.py"}


def _imports(tree: ast.AST) -> set[Path]:
    names: set[str] = set()
    for node in _running_nodes(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    paths = {SRC.joinpath(*name.split(".")).with_suffix(".py") for name in names if name.startswith("abstractor")}
    return {path for path in paths if path.is_file()}


def _running_nodes(tree: ast.AST) -> list[ast.AST]:
    nodes: list[ast.AST] = []
    for child in ast.iter_child_nodes(tree):
        if isinstance(child, ast.If) and isinstance(child.test, ast.Name) and child.test.id == "TYPE_CHECKING":
            continue
        nodes += [child, *_running_nodes(child)]
    return nodes
