"""dvc.yaml against the scripts that it runs: what a stage says it reads is what it reads."""

import math
import re
from pathlib import Path
from typing import Annotated, Any

import deps
import pytest
from push import TrustedRemote
from pydantic import TypeAdapter, ValidationError
from support import ROOT

from abstractor.base.members import Training, trainings
from abstractor.base.members import read as read_members
from abstractor.base.params import Params, Strict
from abstractor.base.yaml_file import read_yaml
from abstractor.data.demo.settings import DemoCorpusParams
from abstractor.machine.compute import Inference, Learning
from abstractor.models.fetch import Backbone
from abstractor.scoring.baseline import BaselineParams
from abstractor.scoring.ensemble.blend import EnsembleParams
from abstractor.scoring.scores.small_counts import SmallestCount
from abstractor.training.ar.settings import ArModel
from abstractor.training.rounds.label_errors import CorrectionParams
from abstractor.training.sc.settings import ScModel
from abstractor.writing.engine.settings import MakeCases, Rewrite, Writer

SRC = Path("src")
STAGES: dict[str, Any] = {
    name: stage.get("do", stage) for name, stage in read_yaml(ROOT / "dvc.yaml")["stages"].items()
}


@pytest.fixture(autouse=True)
def _in_the_project(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


def test_code_dependencies_are_the_modules_that_the_script_imports_less_plumbing() -> None:
    listed = deps.stages()
    assert listed.keys() == STAGES.keys()
    for name, stage in listed.items():
        assert stage.listed == deps.needed(stage), f"{name}: run `make deps`"


def test_packages_hold_no_code_that_a_stage_would_import_unseen() -> None:
    for path in Path("src/abstractor").glob("*/**/__init__.py"):  # that of all has the version and refuses a Python
        assert re.fullmatch(r'""".*"""\s*', path.read_text(encoding="utf-8"), re.DOTALL), path


def test_every_stage_says_what_it_does() -> None:
    assert all(stage["desc"].endswith(".") for stage in STAGES.values())
    assert [stage["desc"] for stage in STAGES.values() if len(stage["desc"]) >= 80] == [], "a terminal's line"


def test_messages_send_the_user_to_stages_since_dvc_repro_takes_no_files() -> None:
    for path in [*SRC.rglob("*.py"), *Path("stages").glob("*.py")]:
        for target in re.findall(r"`dvc repro ([^`]+)`", path.read_text(encoding="utf-8")):
            name = target.split("@")[0].split()[-1]
            assert name in STAGES or (path.name, name) == ("predictions.py", "{target}"), f"{path}: {target}"


@pytest.mark.parametrize("kind", ["sc", "ar"])
def test_made_cases_are_labelled_by_the_members_that_held_the_students_fold_out(kind: str) -> None:
    stage = STAGES[f"label_made_{kind}"]
    assert stage["cmd"].split()[2:] == ["${kind}", "${item.teacher.model}", "${item.teacher.round}", "${item.fold}"]
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
    sections = {"train": Learning, "infer": Inference, "baseline": BaselineParams, "ensemble": EnsembleParams}
    sections |= {"make_cases": MakeCases, "rewrite": Rewrite, "making": list[str], "rewriting": list[str]}
    for section, kind in {**sections, "demo_corpus": DemoCorpusParams}.items():
        params.get(section, kind)
    params.get("correct_labels", CorrectionParams)
    params.get("smallest_count", SmallestCount)
    params.get("trusted_remote", TrustedRemote)
    assert {*params.get("correcting", list[Training])} <= {*trainings(params).trained}


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


def test_no_output_keeps_a_stage_out_of_the_run_cache() -> None:
    """DVC keeps no run with an output that is neither cached nor a metric or a plot (Stage.run)."""
    for name, stage in STAGES.items():
        for entry in stage.get("do", stage).get("outs", []):
            options = next(iter(entry.values())) if isinstance(entry, dict) else {}
            assert not {"cache", "persist"} & options.keys(), name
