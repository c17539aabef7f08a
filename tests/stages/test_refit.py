"""New cases read by one model a member, trained on all coded cases; the folds' models predict out of fold."""

import tarfile
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from support import inputs, tiny

pytestmark = pytest.mark.stage

MEMBERS = {"sc1_minilm": "train_sc_1", "sc2_minilm": "train_sc_2", "ar_smollm2": "train_ar"}


def test_one_model_of_all_cases_reads_the_new_ones(copy: Callable[[], tiny.Project], tmp_path: Path) -> None:
    project = copy()
    params, predicted = project.params(), project.folder / "data/predictions"
    before = project.predictions()
    project.write_params(params | {"readers": ["all"]})
    refused = project.run("dvc", "repro", check=False)
    assert "trainings: expected [0, 1, 'all'], as folds and readers need, found [0, 1]" in refused
    project.write_params(params | {"trainings": [0, 1, "all"], "readers": ["all"]})
    ran = project.ran("dvc", "repro")
    reading = {f"infer_t4_{'ar' if name in params['ar'] else 'sc'}@{name}-all" for name in MEMBERS}
    assert {f"{stage}@{name}-all" for name, stage in MEMBERS.items()} | reading <= set(ran)
    gathered = {"infer_t4", "ensemble", "evaluate"} | {f"training_set@{name}" for name in MEMBERS}
    assert gathered == {stage for stage in ran if not stage.endswith("-all")}, "no fold is trained or predicted again"
    assert project.ran("dvc", "repro") == []

    now = project.predictions()
    assert {name for name in before if now[name] != before[name]} == {
        "infer_t4.parquet", "decisions.parquet", "submission.csv"
    }  # fmt: skip
    table = pd.read_parquet(predicted / "infer_t4.parquet")
    for name, rows in table.groupby("model"):
        told = pd.read_parquet(predicted / f"new/{name}/all.parquet")
        pd.testing.assert_frame_equal(rows.drop(columns="model").reset_index(drop=True), told)
    for stage in ("training_set@sc1_minilm", "train_sc_1@sc1_minilm-all", "infer_t4"):
        assert inputs.asked(project, stage).all == inputs.listed(project, stage), stage

    project.run("python", "tools/t4_bundle.py", "--out", str(tmp_path / "bundle.tar"))
    with tarfile.open(tmp_path / "bundle.tar") as archive:
        held = {tuple(Path(name).parts[1:3]) for name in archive.getnames() if name.endswith("seal.json")}
    assert held == {(name, "all") for name in MEMBERS}
