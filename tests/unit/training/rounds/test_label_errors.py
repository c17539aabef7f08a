"""Correction of labels on invented reports with planted wrong labels."""

import importlib.util
import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from support import ROOT

from abstractor.base.members import Training
from abstractor.base.script import run_script
from abstractor.data import folds as fold_module
from abstractor.data.cases import codebook
from abstractor.data.cases.codebook import Codebook
from abstractor.data.cases.prepared import NOT_CODED, read_prepared_labels, write_cases, write_labels
from abstractor.scoring.baseline import BaselineParams
from abstractor.training.rounds.label_errors import Correction, CorrectionParams, correct, judge, suspect

STAGE = ROOT / "stages/correct_labels.py"
CODEBOOK = {
    "dataset": "invented",
    "unit": "one case",
    "narratives": {"first": "a report", "second": "another"},
    "variables": [
        {"name": "Note", "kind": "binary", "definition": "A note was left."},
        {"name": "Place", "kind": "categorical", "definition": "Where.", "values": {1: "house", 3: "park", 5: "road"}},
        {"name": "Rare", "kind": "binary", "definition": "Never coded 1."},
    ],
}
BASELINE = BaselineParams(c=10.0, min_df=1, max_features=None)
PARAMS = CorrectionParams(folds=4, least_probability=0.8)


@pytest.fixture
def book(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Codebook:
    monkeypatch.chdir(tmp_path)
    path = Path("data/codebooks/invented.yaml")
    path.parent.mkdir(parents=True)
    path.write_text(yaml.safe_dump(CODEBOOK, sort_keys=False), encoding="utf-8")
    return codebook.load(path)


def invent(cases: int = 160) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Cases whose second report tells Note and Place, with their right labels; some are not coded."""
    rng, uids = np.random.default_rng(1), pd.Index([f"u{number:03d}" for number in range(cases)], name="uid")
    note, place = rng.random(cases) < 0.4, rng.choice([1, 3, 5], cases)
    second = [
        f"{ {1: 'house', 3: 'park', 5: 'road'}[p] }, {'note left' if n else 'nothing written'}"
        for n, p in zip(note, place, strict=True)
    ]
    labels = pd.DataFrame({"Note": note, "Place": place, "Rare": 0}, index=uids).astype(np.int16)
    labels.iloc[:7, 1] = NOT_CODED
    return pd.DataFrame({"first": "history of low mood", "second": second}, index=uids), labels


def plant(labels: pd.DataFrame) -> tuple[pd.DataFrame, set[tuple[str, str]]]:
    """The labels with twelve wrong ones, and where these are."""
    wrong, notes, places = labels.copy(), labels.index[10:16], labels.index[40:46]
    wrong.loc[notes, "Note"] = 1 - labels.loc[notes, "Note"]
    wrong.loc[places, "Place"] = labels.loc[places, "Place"].replace({1: 3, 3: 5, 5: 1})
    return wrong, {*((uid, "Note") for uid in notes), *((uid, "Place") for uid in places)}


def corrected(book: Codebook, labels: pd.DataFrame, params: CorrectionParams = PARAMS) -> Correction:
    return correct(book, params, BASELINE, invent()[0], labels, seed=3)


def test_most_planted_labels_are_found_and_put_right(book: Codebook) -> None:
    right, (wrong, planted) = invent()[1], plant(invent()[1])
    found = corrected(book, wrong)
    suspects = set(zip(found.suspects["uid"], found.suspects["variable"], strict=True))
    assert len(suspects & planted) >= 10 and len(suspects - planted) <= 4
    assert (found.labels != right).to_numpy().sum() <= 2 < (wrong != right).to_numpy().sum()
    assert (found.labels.dtypes == np.int16).all() and found.labels.index.equals(wrong.index)


def test_a_suspect_names_the_given_and_the_likelier_code_the_likeliest_first(book: Codebook) -> None:
    right, (wrong, planted) = invent()[1], plant(invent()[1])
    suspects = corrected(book, wrong).suspects
    assert list(suspects.columns) == ["uid", "variable", "given", "suggested", "probability"]
    assert suspects["probability"].is_monotonic_decreasing and suspects["probability"].between(0.5, 1).all()
    for row in suspects.itertuples():
        assert row.given == wrong.loc[row.uid, row.variable]
        assert row.suggested == right.loc[row.uid, row.variable] or (row.uid, row.variable) not in planted


def test_only_sure_suspects_are_corrected_and_the_counts_say_so(book: Codebook) -> None:
    wrong, _ = plant(invent()[1])
    all_suspects = corrected(book, wrong).suspects
    least = float(all_suspects["probability"].median())
    found = corrected(book, wrong, CorrectionParams(folds=4, least_probability=least))
    pd.testing.assert_frame_equal(found.suspects, all_suspects)
    sure = all_suspects["probability"] >= least
    assert 0 < sure.sum() < len(sure)
    assert (found.labels != wrong).to_numpy().sum() == sure.sum()
    for name, counts in found.counts.items():
        here = all_suspects["variable"] == name
        assert counts == {"suspect": here.sum(), "corrected": (here & sure).sum()}


def test_what_is_not_coded_or_has_one_code_stays(book: Codebook) -> None:
    wrong, _ = plant(invent()[1])
    found = corrected(book, wrong)
    missing = wrong == NOT_CODED
    pd.testing.assert_frame_equal(found.labels == NOT_CODED, missing)
    assert missing.to_numpy().sum() == 7 and found.counts["Rare"] == {"suspect": 0, "corrected": 0}


def test_no_case_is_judged_by_a_model_that_learnt_its_label(book: Codebook) -> None:
    labels = invent(80)[1]
    labels["Note"] = np.random.default_rng(0).permutation([0, 1] * 40).astype(np.int16)
    # Each case has a word of its own: a model that saw the label would know it by that.
    cases = pd.DataFrame({"first": [f"word{uid}" for uid in labels.index], "second": ""}, index=labels.index)
    probabilities = judge(book, BASELINE, cases, labels, 4, seed=3)["Note"]
    right = (probabilities > 0.5) == (labels["Note"] == 1)
    assert right.mean() < 0.8


def test_confident_learning_on_written_out_probabilities(book: Codebook) -> None:
    # Of the cases given 0 the mean probability of 0 is .9075, of those given 1 that of 1 is .906: the last case of each
    # is above the other code's mean, the one before the last is likelier the other code, yet not so sure.
    note = [0.0] * 16 + [0.1] * 2 + [0.7, 0.95] + [1.0] * 16 + [0.9, 0.8] + [0.4, 0.02]
    given = pd.Series([0] * 20 + [1] * 20, index=[f"u{number:02d}" for number in range(40)], dtype=np.int16)
    found = suspect(book.variables[0], pd.DataFrame({"Note": note}, index=given.index), given)
    assert found.drop(columns="probability").to_numpy().tolist() == [["u19", "Note", 0, 1], ["u39", "Note", 1, 0]]
    np.testing.assert_allclose(found["probability"], [0.95, 0.98], atol=1e-6)


def test_a_variable_with_few_coded_cases_stays(book: Codebook) -> None:
    given = pd.Series([0, 1] * 10, index=[f"u{number:02d}" for number in range(20)], dtype=np.int16)
    against = pd.DataFrame({"Note": [0.0, 1.0] * 9 + [1.0, 0.0]}, index=given.index)
    assert suspect(book.variables[0], against, given)["uid"].tolist() == ["u18", "u19"]
    given.iloc[0] = NOT_CODED
    assert suspect(book.variables[0], against, given).empty


def test_order_of_rows_does_not_matter_and_runs_agree(book: Codebook) -> None:
    cases, (wrong, _) = invent()[0], plant(invent()[1])
    first = correct(book, PARAMS, BASELINE, cases, wrong, seed=3)
    for other in (
        correct(book, PARAMS, BASELINE, cases, wrong, seed=3),
        correct(book, PARAMS, BASELINE, cases.iloc[::-1], wrong.iloc[::-1], seed=3),
    ):
        pd.testing.assert_frame_equal(first.labels, other.labels)
        pd.testing.assert_frame_equal(first.suspects, other.suspects)


@pytest.fixture
def project(book: Codebook) -> Codebook:
    """A working directory in which the stage can run."""
    params = {
        "corpus": "invented",
        "seed": 7,
        "smallest_count": 0,
        "baseline": BASELINE.model_dump(),
        "correct_labels": PARAMS.model_dump(),
    }
    Path("params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
    Path("dvc.yaml").write_text(yaml.safe_dump({"stages": {"all": {"params": list(params)}}}), encoding="utf-8")
    cases, (wrong, _) = invent()[0], plant(invent()[1])
    write_cases(Path("data/prepared/cases.parquet"), book, cases)
    write_labels(Path("data/prepared/labels.parquet"), book, wrong)
    fold_module.write(Path("data/prepared/folds.parquet"), fold_module.assign(book, wrong, 2, seed=7))
    return book


def run_stage(fold: Training, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = importlib.util.spec_from_file_location("stage_correct_labels", STAGE)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr("sys.argv", ["correct_labels.py", str(fold)])
    before = os.umask(0o022)
    try:
        run_script(module.main)
    finally:
        os.umask(before)


def outputs(fold: Training) -> list[Path]:
    lessons = Path("data/lessons")
    return [
        lessons / f"labels/corrected/{fold}.parquet",
        lessons / f"suspects/{fold}.parquet",
        Path(f"metrics/corrections/{fold}.json"),
    ]


def test_the_stage_reads_nothing_of_the_fold_s_labels(project: Codebook, monkeypatch: pytest.MonkeyPatch) -> None:
    run_stage(1, monkeypatch)
    before = [path.read_bytes() for path in outputs(1)]
    path = Path("data/prepared/labels.parquet")
    labels, held = read_prepared_labels(path, project), fold_module.read(path.with_name("folds.parquet")) == 1
    labels.loc[held, ["Note", "Rare"]] = 1
    labels.loc[held, "Place"] = 5
    write_labels(path, project, labels)
    run_stage(1, monkeypatch)
    assert before == [path.read_bytes() for path in outputs(1)]
    found = read_prepared_labels(outputs(1)[0], project)
    assert found.index.tolist() == held.index[~held].tolist()


def test_for_a_model_of_all_cases_every_label_is_read(project: Codebook, monkeypatch: pytest.MonkeyPatch) -> None:
    run_stage("all", monkeypatch)
    labels = read_prepared_labels(Path("data/prepared/labels.parquet"), project)
    assert read_prepared_labels(outputs("all")[0], project).index.equals(labels.index)


def test_the_stage_s_files_are_their_owner_s_and_the_metrics_are_counts(
    project: Codebook, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_stage(0, monkeypatch)
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in outputs(0))
    counts = json.loads(outputs(0)[2].read_text(encoding="utf-8"))
    assert counts.pop("suppressed") == {"below": 0, "values": 0}
    assert set(counts) == {"Note", "Place", "Rare", "total"}
    assert counts["total"]["suspect"] == len(pd.read_parquet(outputs(0)[1])) > 0


def test_a_fold_without_cases_is_refused_before_anything_is_written(
    project: Codebook, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        run_stage(2, monkeypatch)
    assert "no case is in fold 2" in capsys.readouterr().err
    assert not Path("data/lessons").exists() and not Path("metrics").exists()
