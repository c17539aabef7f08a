"""Nothing that params call for is left out in silence."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from abstractor.base.members import Members
from abstractor.base.messages.predictions import PredictionsError
from abstractor.data import predictions
from abstractor.data.cases.codebook import Codebook, Variable
from abstractor.predicting import gathering

CODEBOOK = Codebook(
    "invented",
    "one case",
    {"report": "a report"},
    (
        Variable("Note", "binary", "d", "q", {0: "no", 1: "yes"}, None),
        Variable("Place", "categorical", "d", "q", {1: "a", 2: "b"}, None),
    ),
)
MEMBERS = Members(sc=("one",), ar=("two",), folds=(0, 1), readers=(0, 1))
FOLDS = pd.Series([0, 1, 0, 1, 0], index=pd.Index(list("abcde"), name="uid"), name="fold")


def lay(folder: Path, uids: dict[int, str]) -> None:
    """A table of every model and fold; fold k of model m says (k + 1) / 10 + m / 2."""
    for number, name in enumerate(MEMBERS.names):
        for fold in MEMBERS.folds:
            share = (fold + 1) / 10 + number / 2
            values = np.tile([share, share, 1 - share], (len(uids[fold]), 1))
            table = predictions.table(CODEBOOK, list(uids[fold]), values)
            predictions.write(folder / name / f"{fold}.parquet", CODEBOOK, table)


def test_new_cases_get_the_mean_over_the_folds_and_survive_the_file(tmp_path: Path) -> None:
    lay(tmp_path, {0: "xyz", 1: "zyx"})
    path = tmp_path / "infer_t4.parquet"
    assert gathering.new_cases(path, tmp_path, MEMBERS, CODEBOOK) == 3
    written = pd.read_parquet(path)
    assert list(written.columns) == ["model", "uid", *CODEBOOK.columns]
    assert written[["model", "uid"]].to_numpy().tolist() == [[m, u] for m in ("one", "two") for u in "xyz"]
    tables = gathering.read(path, MEMBERS, CODEBOOK)
    assert {name: table["Note"].unique().tolist() for name, table in tables.items()} == {
        "one": [pytest.approx(0.15)],
        "two": [pytest.approx(0.65)],
    }


def test_new_cases_get_the_predictions_of_the_one_model_that_reads_them(tmp_path: Path) -> None:
    lay(tmp_path, {0: "xyz", 1: "zyx"})
    told = {name: predictions.read(tmp_path / name / "1.parquet", CODEBOOK) for name in MEMBERS.names}
    for name in MEMBERS.names:
        (tmp_path / name / "1.parquet").rename(tmp_path / name / "all.parquet")
    path, members = tmp_path / "infer_t4.parquet", replace(MEMBERS, readers=("all",))
    gathering.new_cases(path, tmp_path, members, CODEBOOK)
    for name, table in gathering.read(path, members, CODEBOOK).items():
        pd.testing.assert_frame_equal(table, told[name])


def test_means_over_the_folds_do_not_depend_on_how_many_cases_are_read_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    generator = np.random.default_rng(0)
    for name in MEMBERS.names:
        for fold in MEMBERS.folds:
            note, place = generator.random((2, 7, 1))
            table = predictions.table(CODEBOOK, list("tuvwxyz"), np.hstack([note, place, 1 - place]))
            predictions.write(tmp_path / name / f"{fold}.parquet", CODEBOOK, table)
    gathering.new_cases(tmp_path / "whole.parquet", tmp_path, MEMBERS, CODEBOOK)
    monkeypatch.setattr(gathering, "_PART", 3)
    gathering.new_cases(tmp_path / "parts.parquet", tmp_path, MEMBERS, CODEBOOK)
    whole, parts = (gathering.read(tmp_path / f"{name}.parquet", MEMBERS, CODEBOOK) for name in ("whole", "parts"))
    for name in MEMBERS.names:
        pd.testing.assert_frame_equal(parts[name], whole[name])


def test_out_of_fold_is_one_row_a_coded_case(tmp_path: Path) -> None:
    lay(tmp_path, {0: "ace", 1: "bd"})
    tables = gathering.out_of_fold(tmp_path, MEMBERS, FOLDS, CODEBOOK)
    assert tables["one"]["Note"].to_numpy() == pytest.approx([0.1, 0.2, 0.1, 0.2, 0.1])
    assert list(tables["two"].index) == list("abcde")


def test_a_missing_table_is_named_with_its_command(tmp_path: Path) -> None:
    lay(tmp_path, {0: "ace", 1: "bd"})
    (tmp_path / "two" / "1.parquet").rename(tmp_path / "two" / "all.parquet")  # no fold's model is replaced by it
    with pytest.raises(PredictionsError, match=r"two/1\.parquet is missing.*dvc repro oof_ar@two-1"):
        gathering.out_of_fold(tmp_path, MEMBERS, FOLDS, CODEBOOK)
    (tmp_path / "one" / "0.parquet").unlink()
    with pytest.raises(PredictionsError, match=r"one/0\.parquet is missing.*dvc repro infer_t4_sc@one-0"):
        gathering.new_cases(tmp_path / "infer_t4.parquet", tmp_path, MEMBERS, CODEBOOK)


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PredictionsError, match="is missing"):
        gathering.new_cases(tmp_path / "infer_t4.parquet", tmp_path, MEMBERS, CODEBOOK)


@pytest.mark.parametrize("uids", [{0: "ace", 1: "b"}, {0: "ac", 1: "bde"}, {0: "ace", 1: "bx"}])
def test_other_cases_than_the_folds_are_refused(tmp_path: Path, uids: dict[int, str]) -> None:
    lay(tmp_path, uids)
    with pytest.raises(PredictionsError, match=r"expected \d cases"):
        gathering.out_of_fold(tmp_path, MEMBERS, FOLDS, CODEBOOK)


def test_a_stored_fold_that_params_lack_is_refused(tmp_path: Path) -> None:
    lay(tmp_path, {0: "ace", 1: "bd"})
    folds = pd.concat([FOLDS, pd.Series([2], index=pd.Index(["f"], name="uid"))])
    with pytest.raises(PredictionsError, match="expected 6 cases, found 5"):
        gathering.out_of_fold(tmp_path, MEMBERS, folds, CODEBOOK)


def test_new_cases_that_differ_between_folds_are_refused(tmp_path: Path) -> None:
    lay(tmp_path, {0: "xyz", 1: "xy"})
    with pytest.raises(PredictionsError, match="expected 3 cases, found 2"):
        gathering.new_cases(tmp_path / "infer_t4.parquet", tmp_path, MEMBERS, CODEBOOK)


def test_a_gathered_file_of_other_models_is_refused(tmp_path: Path) -> None:
    lay(tmp_path, {0: "xyz", 1: "zyx"})
    path = tmp_path / "infer_t4.parquet"
    with pytest.raises(PredictionsError, match="dvc repro infer_t4"):
        gathering.read(path, MEMBERS, CODEBOOK)
    gathering.new_cases(path, tmp_path, MEMBERS, CODEBOOK)
    with pytest.raises(PredictionsError, match="other models"):
        gathering.read(path, Members(sc=("one",), ar=(), folds=(0, 1), readers=(0, 1)), CODEBOOK)


def test_a_gathered_file_that_is_cut_off_is_refused(tmp_path: Path) -> None:
    lay(tmp_path, {0: "xyz", 1: "zyx"})
    path = tmp_path / "infer_t4.parquet"
    gathering.new_cases(path, tmp_path, MEMBERS, CODEBOOK)
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(
        PredictionsError, match=r"infer_t4\.parquet cannot be read as Parquet; run `dvc repro infer_t4`"
    ):
        gathering.read(path, MEMBERS, CODEBOOK)
    pd.DataFrame({"uid": ["x"]}).to_parquet(path)
    with pytest.raises(PredictionsError, match="holds other columns than predictions"):
        gathering.read(path, MEMBERS, CODEBOOK)
