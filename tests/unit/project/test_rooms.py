"""The rooms of src/abstractor: which may import which, and where the words of an error stand."""

import ast
from collections.abc import Iterator

import pytest
from support import ROOT

from abstractor.runs.resume import PLUMBING

SRC = ROOT / "src"
MODULES = {
    ".".join(path.relative_to(SRC).with_suffix("").parts).removesuffix(".__init__"): ast.parse(
        path.read_text(encoding="utf-8")
    )
    for path in sorted((SRC / "abstractor").rglob("*.py"))
}
COMPUTING = [name for name in MODULES if name != "abstractor" and not name.startswith(PLUMBING)]

FLOORS = (
    {"base"},
    {"runs"},
    {"machine", "data"},
    {"models", "scoring"},
    {"training"},
    {"predicting", "writing"},
    {"handoff"},
)
"""From the ground up: a room imports rooms of lower floors, none of its own."""
HEAVY = {"torch", "transformers", "sklearn", "peft", "datasets"}


def imports(tree: ast.AST) -> Iterator[str]:
    """Every imported name with its module, wherever the statement stands."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.module and not node.level, "a relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def imported_modules(tree: ast.AST) -> set[str]:
    """The modules of abstractor that a module imports, or names from."""
    names = {name for name in imports(tree) if name.startswith("abstractor.")}
    return {name if name in MODULES else name.rpartition(".")[0] for name in names}


def room(module: str) -> str:
    return module.split(".")[1]


def floor(module: str) -> int:
    return next(number for number, rooms in enumerate(FLOORS) if room(module) in rooms)


def own_words(tree: ast.AST) -> Iterator[str]:
    """Errors that a module defines, or makes with a text of its own; what is made by a function elsewhere is not."""
    raised = {node.exc for node in ast.walk(tree) if isinstance(node, ast.Raise)}
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) and any(ast.unparse(base).endswith("UserError") for base in node.bases):
            yield f"class {node.name}"
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func).rpartition(".")[2]
            is_error = name[:1].isupper() and (node in raised or name.endswith("Error"))
            if is_error and any(isinstance(part, ast.Constant) and isinstance(part.value, str) for part in parts(node)):
                yield ast.unparse(node)


def parts(call: ast.Call) -> Iterator[ast.AST]:
    for argument in [*call.args, *call.keywords]:
        yield from ast.walk(argument)


@pytest.mark.parametrize("module", [name for name in MODULES if name.startswith(PLUMBING)])
def test_plumbing_imports_nothing_that_computes(module: str) -> None:
    names = set(imports(MODULES[module]))
    assert not {name for name in names if name.split(".")[0] in HEAVY}
    assert not {name for name in names if name.startswith("abstractor.") and not name.startswith(PLUMBING)}


def test_every_room_has_a_floor() -> None:
    rooms = [name for rooms in FLOORS for name in rooms]
    assert sorted(rooms) == sorted({room(name) for name in MODULES if name != "abstractor"})


@pytest.mark.parametrize("module", [name for name in MODULES if name != "abstractor"])
def test_no_arrow_goes_up(module: str) -> None:
    up = {
        other
        for other in imported_modules(MODULES[module])
        if room(other) != room(module) and floor(other) >= floor(module)
    }
    assert not up


@pytest.mark.parametrize(("one", "other"), [("models.sc", "models.ar"), ("training.sc", "training.ar")])
def test_classifiers_and_language_models_know_nothing_of_each_other(one: str, other: str) -> None:
    for mine, theirs in ((one, other), (other, one)):
        modules = [name for name in MODULES if name.startswith(f"abstractor.{mine}.")]
        assert modules
        for name in modules:
            assert not {found for found in imports(MODULES[name]) if found.startswith(f"abstractor.{theirs}.")}, name


@pytest.mark.parametrize("module", COMPUTING)
def test_the_words_of_an_error_stand_in_plumbing(module: str) -> None:
    """Else every stage that depends on the module would run again after a better wording."""
    assert not list(own_words(MODULES[module]))


@pytest.mark.parametrize(
    "text",
    [
        "raise ValueError(f'{path} is wrong')",
        "raise messages.OtherError('wrong')",
        "raise Broken('wrong ' + why)",
        "error = OtherError(path, text='wrong')",
        "class BrokenError(UserError): ...",
    ],
)
def test_words_are_found(text: str) -> None:
    assert list(own_words(ast.parse(text)))
    assert not list(own_words(ast.parse("raise messages.missing(path, 3) from error")))
