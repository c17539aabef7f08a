"""The pipeline by its real commands, on tiny models and invented cases."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from support import tiny

from abstractor.data.cases import codebook

pytestmark = pytest.mark.stage

SC_STAGES = {f"{stage}@{model}-{fold}" for fold in (0, 1) for stage, model in (
    ("train_sc_1", "sc1_minilm"), ("train_sc_2", "sc2_minilm"),
    ("oof_sc", "sc1_minilm"), ("oof_sc", "sc2_minilm"),
    ("infer_t4_sc", "sc1_minilm"), ("infer_t4_sc", "sc2_minilm"),
)}  # fmt: skip
AR_STAGES = {f"{stage}@ar_smollm2-{fold}" for fold in (0, 1) for stage in ("train_ar", "oof_ar", "infer_t4_ar")}
LAST_STAGES = {"infer_t4", "ensemble", "evaluate"}


def test_nothing_runs_twice(finished: tiny.Project) -> None:
    assert finished.ran("dvc", "repro") == []
    assert "Data and pipelines are up to date" in finished.run("dvc", "status")


def test_what_was_computed_once_comes_from_the_run_cache(copy: Callable[[], tiny.Project]) -> None:
    """Trainings too: back to the parameters of last week is a checkout, also in a clone that pulled the run cache."""
    project = copy()
    before = project.made()
    (project.folder / "dvc.lock").unlink()
    for name in ("models/ar_smollm2/0", "models/sc1_minilm/1", "data/predictions/new"):
        shutil.rmtree(project.folder / name)
    assert project.ran("dvc", "repro") == []
    assert project.made() == before


def test_the_submission_has_the_challenges_format(finished: tiny.Project) -> None:
    book = codebook.load(tiny.ROOT / "data/codebooks/nvdrs_youth.yaml")
    submitted = pd.read_csv(finished.folder / "data/predictions/submission.csv")
    asked = pd.read_csv(finished.folder / "data/raw/marked/submission_format.csv")
    assert list(submitted.columns) == list(asked.columns)
    assert sorted(submitted["uid"]) == sorted(asked["uid"])
    for variable in book.variables:
        assert set(submitted[variable.name]) <= set(variable.codes)


def test_every_model_fold_has_metrics_of_every_variable(finished: tiny.Project) -> None:
    names = {"mean", *codebook.load(tiny.ROOT / "data/codebooks/nvdrs_youth.yaml").names}
    files = ["baseline.json", "ensemble.json", "evaluate.json"]
    written = [json.loads((finished.folder / "metrics" / file).read_text(encoding="utf-8")) for file in files]
    oof = json.loads((finished.folder / "metrics/oof.json").read_text(encoding="utf-8"))
    assert {(name, fold) for name, folds in oof.items() for fold in folds} == {
        (name, fold) for name in ("sc1_minilm", "sc2_minilm", "ar_smollm2") for fold in ("0", "1")
    }
    for content in [*written, *(scores for folds in oof.values() for scores in folds.values())]:
        scores = content["f1"]
        assert set(scores) == names
        told = [score for score in scores.values() if score is not None]
        assert scores["mean"] in told and all(0 <= score <= 1 for score in told)
        assert content["suppressed"] == {"below": 10, "values": len(scores) - len(told)}


def test_the_baseline_s_score_is_there_without_the_ensemble(finished: tiny.Project) -> None:
    scored = json.loads((finished.folder / "metrics/baseline.json").read_text(encoding="utf-8"))
    printed = finished.run("python", "tools/baseline.py")
    assert f"{scored['cases']} cases out-of-fold, mean F1 {scored['f1']['mean']} over 23 variables" in printed


def test_plots_render(finished: tiny.Project, tmp_path: Path) -> None:
    finished.run("dvc", "plots", "show", "-o", str(tmp_path / "plots"))
    page = (tmp_path / "plots/index.html").read_text(encoding="utf-8")
    for content in ("training", "DepressedMood", "reliability"):
        assert content in page


def test_rdrop_reruns_the_classifiers_and_what_follows(copy: Callable[[], tiny.Project]) -> None:
    project = copy()
    ran = project.ran("dvc", "exp", "run", "-S", "rdrop=0.5")
    assert set(ran) == SC_STAGES | LAST_STAGES
    assert len(ran) == len(set(ran))
    changes = project.run("dvc", "metrics", "diff")
    assert re.search(r"metrics/\w+\.json +\S*sc[12]_minilm", changes)
    assert "ar_smollm2" not in changes


def test_an_ar_parameter_reruns_that_model_and_what_follows(copy: Callable[[], tiny.Project]) -> None:
    ran = copy().ran("dvc", "exp", "run", "-S", "models.ar_smollm2.learning_rate=0.5")
    assert set(ran) == AR_STAGES | LAST_STAGES


def test_a_missing_table_is_refused_by_every_gathering_stage(copy: Callable[[], tiny.Project]) -> None:
    project = copy()
    before = project.predictions()
    for stage, lost in (("infer_t4", "new/sc1_minilm/1.parquet"), ("ensemble", "oof/ar_smollm2/0.parquet")):
        (project.folder / "data/predictions" / lost).unlink()
        printed = project.run("python", f"stages/{stage}.py", check=False)
        assert f"data/predictions/{lost} is missing" in printed
        assert "Traceback" not in printed
        del before[lost]
    assert project.predictions() == before


def test_bad_input_leaves_the_prepared_cases_as_they_were(copy: Callable[[], tiny.Project]) -> None:
    project = copy()
    raw, prepared = project.folder / "data/raw/marked/train_labels.csv", project.folder / "data/prepared"
    before = {path.name: path.read_bytes() for path in prepared.iterdir()}
    raw.write_text(raw.read_text(encoding="utf-8").replace(",1,", ",7,", 1), encoding="utf-8")
    printed = project.run("python", "stages/prepare.py", check=False)
    assert "train_labels.csv" in printed
    assert "expected 0, 1 or nothing" in printed
    assert {path.name: path.read_bytes() for path in prepared.iterdir()} == before


def test_two_clones_predict_the_same_bytes(finished: tiny.Project, tmp_path: Path) -> None:
    """Another path, another hash seed, no shared cache; and no warm interpreter, whose hash seed is another."""
    other = tiny.finish(tmp_path / "elsewhere" / "clone", hash_seed="2")
    assert other.network == []
    assert other.predictions() == finished.predictions()
    for name in ("sc1_minilm", "sc2_minilm", "ar_smollm2"):
        for path in (finished.folder / "models" / name / "0").iterdir():
            assert (other.folder / "models" / name / "0" / path.name).read_bytes() == path.read_bytes()
