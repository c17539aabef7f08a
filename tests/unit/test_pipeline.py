"""dvc.yaml against the scripts that it runs: what a stage says it reads is what it reads."""

import ast
import math
import re
from pathlib import Path
from typing import Annotated, Any

import pytest
from push import TrustedRemote
from pydantic import TypeAdapter, ValidationError

from abstractor.ar.params import ArModel
from abstractor.backbones import Backbone
from abstractor.baseline import BaselineParams
from abstractor.correction import CorrectionParams
from abstractor.demo.params import DemoCorpusParams
from abstractor.disclosure import SmallestCount
from abstractor.ensemble.blend import EnsembleParams
from abstractor.files import read_yaml
from abstractor.members import read as read_members
from abstractor.params import Params, Strict
from abstractor.runs import Inference, Machine
from abstractor.sc.params import ScModel
from abstractor.writing.params import MakeCases, Rewrite, Writer

ROOT, SRC = Path(__file__).parents[2], Path("src")
STAGES: dict[str, Any] = {
    name: stage.get("do", stage) for name, stage in read_yaml(ROOT / "dvc.yaml")["stages"].items()
}


@pytest.fixture(autouse=True)
def _in_the_project(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


def script_of(stage: dict[str, Any]) -> Path:
    return Path(stage["cmd"].split()[1])


@pytest.mark.parametrize("name", STAGES)
def test_code_dependencies_are_the_modules_that_the_script_imports(name: str) -> None:
    stage = STAGES[name]
    script = script_of(stage)
    listed = {Path(path) for path in stage["deps"] if path.startswith(("src/", "stages/"))}
    data = {path for path in listed if path.is_dir()}
    assert listed - data == modules_used(script) | {script}
    assert data <= {Path("src/abstractor/demo/tables")}


def test_packages_hold_no_code_that_a_stage_would_import_unseen() -> None:
    for path in Path("src").rglob("__init__.py"):
        assert re.fullmatch(r'""".*"""\s*', path.read_text(encoding="utf-8"), re.DOTALL), path


@pytest.mark.parametrize("name", STAGES)
def test_parameters_are_those_that_the_script_reads(name: str) -> None:
    stage = STAGES[name]
    text = script_of(stage).read_text(encoding="utf-8")
    read = {
        re.sub(r"\{.*?\}", "*", key) for key in re.findall(r"(?:params|Params\(\))\.get\(\s*f?[\"'](.*?)[\"'],", text)
    }
    if "read_members(params)" in text or "members.read(params)" in text:
        read |= {"sc_1", "sc_2", "sc_3", "sc", "ar", "folds"}
    if "made.teachers(params" in text:
        read |= {"sc", "ar", "teachers_sc", "teachers_ar"}
    listed = {re.sub(r"\$\{.*?\}", "*", entry) for entry in stage.get("params", [])}
    assert read == listed


def test_every_stage_says_what_it_does() -> None:
    assert all(stage["desc"].endswith(".") for stage in STAGES.values())


def test_messages_send_the_user_to_stages_since_dvc_repro_takes_no_files() -> None:
    for path in [*SRC.rglob("*.py"), *Path("stages").glob("*.py")]:
        for target in re.findall(r"`dvc repro ([^`]+)`", path.read_text(encoding="utf-8")):
            name = target.split("@")[0].split()[-1]
            assert name in STAGES or (path.name, name) == ("gather.py", "{target}"), f"{path}: {target}"


@pytest.mark.parametrize("kind", ["sc", "ar"])
def test_made_cases_are_labelled_by_the_members_that_held_the_students_fold_out(kind: str) -> None:
    stage = STAGES[f"label_made_{kind}"]
    assert stage["cmd"].split()[2:] == ["${item.teacher.model}", "${item.teacher.round}", "${item.fold}"]
    assert "models/${item.teacher.model}/${item.fold}" in stage["deps"]
    made = "data/predictions/made/${item.teacher.round}/${item.fold}/${item.teacher.model}.parquet"
    assert [*map(list, stage["outs"])] == [[made]]
    gathered = STAGES["label_cases"]
    assert "data/predictions/made/${item.round}/${item.fold}" in gathered["deps"]
    assert next(iter(gathered["outs"][0])) == "data/lessons/made/${item.round}/${item.fold}.parquet"


def test_rdrop_reaches_classifiers_only() -> None:
    assert {name for name, stage in STAGES.items() if "rdrop" in stage.get("params", [])} == {
        "train_sc_1",
        "train_sc_2",
        "train_sc_3",
    }


def test_every_parameter_binds_to_its_type() -> None:
    params = Params()
    members = read_members(params)
    for name in members.sc:
        params.get(f"models.{name}", ScModel)
    for name in members.ar:
        params.get(f"models.{name}", ArModel)
    for name in params.get("backbones", dict[str, Any]):
        params.get(f"backbones.{name}", Backbone)
    for name in params.get("writers", dict[str, Any]):
        params.get(f"writers.{name}", Writer)
    sections = {"train": Machine, "infer": Inference, "baseline": BaselineParams, "ensemble": EnsembleParams}
    sections |= {"make_cases": MakeCases, "rewrite": Rewrite, "making": list[str], "rewriting": list[str]}
    for section, kind in {**sections, "demo_corpus": DemoCorpusParams}.items():
        params.get(section, kind)
    params.get("correct_labels", CorrectionParams)
    params.get("smallest_count", SmallestCount)
    params.get("trusted_remote", TrustedRemote)
    assert set(params.get("correcting", list[int])) <= {*members.folds}


def test_no_number_may_be_infinite_or_not_a_number() -> None:
    kinds, checked, open_to = [Strict], set(), set()
    while kinds:
        kind = kinds.pop()
        kinds += kind.__subclasses__()
        for name, field in kind.model_fields.items():
            if "float" in str(field.annotation):
                checked.add(f"{kind.__name__}.{name}")
                adapter = TypeAdapter(Annotated[field.annotation, field])
                open_to |= {
                    (f"{kind.__name__}.{name}", value) for value in (math.nan, math.inf) if fits(adapter, value)
                }
    assert not open_to
    assert {"ArModel.clip", "ScModel.clip", "Inference.memory_gb", "Writer.top_p"} <= checked


def fits(adapter: TypeAdapter[Any], value: float) -> bool:
    try:
        adapter.validate_python(value, strict=True)
    except ValidationError:
        return False
    return True


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


def test_no_output_keeps_a_stage_out_of_the_run_cache() -> None:
    """DVC keeps no run with an output that is neither cached nor a metric or a plot (Stage.run)."""
    for name, stage in STAGES.items():
        for entry in stage.get("do", stage).get("outs", []):
            options = next(iter(entry.values())) if isinstance(entry, dict) else {}
            assert not {"cache", "persist"} & options.keys(), name
