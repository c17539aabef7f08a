"""Write into dvc.yaml which code each stage depends on: python tools/deps.py, or `make deps`.

A stage depends on its script and on what the script imports from src/, directly or through other modules, less
plumbing: the rooms that no number depends on. A folder stands for its modules where all of them are imported.
"""

import argparse
import ast
import re
from collections.abc import Iterator
from pathlib import Path
from string import Template
from typing import Any, NamedTuple

from abstractor.base.errors import UserError
from abstractor.base.files import replaced
from abstractor.base.script import run_script
from abstractor.base.yaml_file import read_yaml
from abstractor.runs.resume import PLUMBING

PIPELINE, SRC, STAGES = Path("dvc.yaml"), Path("src"), Path("stages")
_CODE = re.compile(r" +- (stages|src)/.*\n")
_ONE_LINE = re.compile(r"( +deps: \[)(.*)(\]\n)")


class DepsError(UserError):
    """dvc.yaml and what the scripts import cannot be brought together."""


class Stage(NamedTuple):
    """What of a stage in dvc.yaml says which code it runs."""

    script: str
    """Its path, with variables of the stage."""
    variables: dict[str, str]
    """The stage's own `vars`, which paths of dependencies may name."""
    listed: list[str]
    """Its dependencies on code."""


def stages(pipeline: Path = PIPELINE) -> dict[str, Stage]:
    """The stages of a pipeline file, by name."""
    content: dict[str, dict[str, Any]] = read_yaml(pipeline)["stages"]
    found = {}
    for name, entry in content.items():
        body = entry.get("do", entry)
        variables = {key: str(value) for group in entry.get("vars", []) for key, value in group.items()}
        listed = [path for path in body["deps"] if path.startswith((f"{SRC}/", f"{STAGES}/"))]
        found[name] = Stage(body["cmd"].split()[1], variables, listed)
    return found


def needed(stage: Stage) -> list[str]:
    """The dependencies on code that a stage should have: its script, then folders and modules, sorted."""
    return [stage.script, *sorted(_templated(path, stage) for path in covered(imported(stage)))]


def imported(stage: Stage) -> set[Path]:
    """The modules below src/ that a stage's script imports, directly or through others, less plumbing.

    Imports for type checkers only do not count: they never run. A module's name may hold a variable of the stage:
    `import_module(f"abstractor.predicting.{kind}")`.
    """
    used: set[Path] = set()
    waiting = [Path(Template(stage.script).substitute(stage.variables))]
    while waiting:
        tree = ast.parse(waiting.pop().read_text(encoding="utf-8"))
        for path in _paths(_names(tree, stage.variables)):
            if path not in used:
                used.add(path)
                waiting.append(path)
    return {path for path in used if path.name != "__init__.py" and not is_plumbing(path)}


def is_plumbing(path: Path) -> bool:
    """Whether a module lies in a room that no number depends on."""
    return ".".join(path.relative_to(SRC).parts).startswith(PLUMBING)


def covered(modules: set[Path]) -> list[Path]:
    """The widest folders that hold some of `modules` and no other module, and the modules in none of them; sorted."""
    found = set()
    for module in modules:
        widest = module
        for folder in [*module.parents][: -len((SRC / "abstractor").parts) - 1]:
            if not modules_below(folder) <= modules:
                break
            widest = folder
        found.add(widest)
    return sorted(found)


def modules_below(folder: Path) -> set[Path]:
    """The modules in a folder and the folders below it."""
    return {path for path in folder.rglob("*.py") if path.name != "__init__.py"}


def write(pipeline: Path = PIPELINE) -> int:
    """Rewrite the lists of a pipeline file.

    Returns:
        Stages whose list changed.

    Raises:
        DepsError: stages that share a list need different ones.
    """
    text, changed = pipeline.read_text(encoding="utf-8"), 0
    for name, stage in stages(pipeline).items():
        if stage.listed != (lines := needed(stage)):
            start, end = _block(text, name)
            text = text[:start] + _relisted(text[start:end], lines) + text[end:]
            changed += 1
    with replaced(pipeline) as partial:
        partial.write_text(text, encoding="utf-8")
        wrong = ", ".join(name for name, stage in stages(partial).items() if stage.listed != needed(stage))
        if wrong:
            raise DepsError(f"{pipeline}: {wrong}: expected lists of their own, found shared ones; part them")
    return changed


def _names(tree: ast.AST, variables: dict[str, str]) -> set[str]:
    names: set[str] = set()
    for node in _running(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.JoinedStr):
            names.add("".join(_part(value, variables) for value in node.values))
    return names


def _part(value: ast.expr, variables: dict[str, str]) -> str:
    """Of an f-string, a piece of text or the value of a stage's variable; nothing for what is known at run time."""
    if isinstance(value, ast.Constant):
        return str(value.value)
    inner = value.value if isinstance(value, ast.FormattedValue) else value
    return variables.get(inner.id, "?") if isinstance(inner, ast.Name) else "?"


def _paths(names: set[str]) -> Iterator[Path]:
    for name in names:
        path = SRC.joinpath(*name.split(".")).with_suffix(".py")
        if name.startswith("abstractor.") and path.is_file():
            yield path


def _running(tree: ast.AST) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(tree):
        if isinstance(child, ast.If) and isinstance(child.test, ast.Name) and child.test.id == "TYPE_CHECKING":
            continue
        yield child
        yield from _running(child)


def _templated(path: Path, stage: Stage) -> str:
    """A path as dvc.yaml writes it: a part that is the value of one of the stage's variables by the variable."""
    named = {value: f"${{{name}}}" for name, value in stage.variables.items()}
    parts = [named.get(part.removesuffix(".py"), part.removesuffix(".py")) for part in path.parts]
    return "/".join(parts) + path.suffix


def _block(text: str, name: str) -> tuple[int, int]:
    """Where a stage stands in the text of the pipeline file."""
    start = re.search(rf"^  {name}:\n", text, re.MULTILINE)
    assert start is not None
    end = re.compile(r"^  \S", re.MULTILINE).search(text, start.end())
    return start.start(), end.start() if end else len(text)


def _relisted(block: str, lines: list[str]) -> str:
    """A stage's text with other dependencies on code, in the place of the first one there."""
    if short := _ONE_LINE.search(block):
        data = [path for path in short[2].split(", ") if not path.startswith((f"{SRC}/", f"{STAGES}/"))]
        return block.replace(short[0], f"{short[1]}{', '.join([*data, *lines])}{short[3]}")
    first = _CODE.search(block)
    if first is None:
        return block  # it shares another stage's list
    indent = first.group()[: first.group().index("-")]
    code = "".join(f"{indent}- {line}\n" for line in lines)
    return block[: first.start()] + code + _CODE.sub("", block[first.start() :])


def main() -> None:
    """Write the lists of dvc.yaml."""
    argparse.ArgumentParser(description="Write into dvc.yaml which code each stage depends on.").parse_args()
    print(f"{PIPELINE}: {write()} lists changed")


if __name__ == "__main__":
    run_script(main)
