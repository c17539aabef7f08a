"""Files of decisions."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from abstractor.base.errors import UserError
from abstractor.base.messages.cases import CorpusError
from abstractor.base.messages.scores import SubmissionError
from abstractor.data.cases.codebook import Codebook, Variable
from abstractor.scoring.ensemble import submission

CODEBOOK = Codebook(
    "invented",
    "one case",
    {"report": "a report"},
    (
        Variable("Note", "binary", "d", "q", {0: "no", 1: "yes"}, None),
        Variable("Place", "categorical", "d", "q", {1: "a", 2: "b"}, None),
    ),
)


@pytest.fixture
def decisions() -> pd.DataFrame:
    uids = pd.Index(["a", "b", "c"], name="uid")
    return pd.DataFrame({"Note": [1, 0, 1], "Place": [2, 1, 1]}, index=uids, dtype=np.int16)


def test_rows_and_columns_follow_the_format(decisions: pd.DataFrame, tmp_path: Path) -> None:
    layout = tmp_path / "submission_format.csv"
    layout.write_text("uid,Place,Note\nc,1,0\nx,1,0\na,1,0\nb,1,0\n", encoding="utf-8")
    submission.write(tmp_path / "s.csv", submission.arranged(decisions, CODEBOOK, layout))
    assert (tmp_path / "s.csv").read_text(encoding="utf-8") == "uid,Place,Note\nc,1,1\na,2,1\nb,1,0\n"
    pd.testing.assert_frame_equal(submission.read(tmp_path / "s.csv", CODEBOOK), decisions)


@pytest.mark.parametrize("text", ["uid,Place,Note\na,1,0\nb,1,0\n", "uid,Place\na,1\nb,1\nc,1\n"])
def test_a_format_that_lacks_a_case_or_a_variable_is_refused(
    decisions: pd.DataFrame, tmp_path: Path, text: str
) -> None:
    layout = tmp_path / "submission_format.csv"
    layout.write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=r"none for 1 of them|no column"):
        submission.arranged(decisions, CODEBOOK, layout)


@pytest.mark.parametrize("cell", ["left a note", "2", "-1", "1.0", "1_0", "\u0661", "9" * 5000, ""])
def test_a_submission_with_another_cell_is_refused_unquoted(tmp_path: Path, cell: str) -> None:
    path = tmp_path / "s.csv"
    path.write_text(f"uid,Note,Place\na,{cell},1\n", encoding="utf-8")
    with pytest.raises(SubmissionError, match="Note: expected codes of the codebook, found other") as caught:
        submission.read(path, CODEBOOK)
    assert "left a note" not in str(caught.value)


def test_a_uid_that_stands_twice_is_refused(decisions: pd.DataFrame, tmp_path: Path) -> None:
    path = tmp_path / "s.csv"
    path.write_text("uid,Note,Place\na,1,1\nb,1,1\nc,1,1\na,1,1\n", encoding="utf-8")
    with pytest.raises(SubmissionError, match="1 uids stand twice"):
        submission.read(path, CODEBOOK)
    with pytest.raises(CorpusError, match="the same uid as row 1"):
        submission.arranged(decisions, CODEBOOK, path)


def test_a_format_names_cases_as_their_own_file_does(decisions: pd.DataFrame, tmp_path: Path) -> None:
    path = tmp_path / "format.csv"
    path.write_text("ID,Note,Place\n2.0,0,3\n1.0,0,3\n", encoding="utf-8")
    numbered = decisions.iloc[:2].set_axis(["1", "2"])
    assert list(submission.arranged(numbered, CODEBOOK, path).index) == ["2", "1"]


def test_systems_come_back_as_written(decisions: pd.DataFrame, tmp_path: Path) -> None:
    path = tmp_path / "decisions.parquet"
    submission.write_systems(path, {"z_model": decisions, "ensemble": 1 - decisions.clip(upper=1)})
    found = submission.read_systems(path, CODEBOOK)
    assert list(found) == ["z_model", "ensemble"]
    pd.testing.assert_frame_equal(found["z_model"], decisions)
    assert list(pd.read_parquet(path).columns) == ["system", "uid", "Note", "Place"]


def test_missing_decisions_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SubmissionError, match="dvc repro ensemble"):
        submission.read_systems(tmp_path / "decisions.parquet", CODEBOOK)


@pytest.mark.parametrize(
    "table",
    [
        None,
        {"system": ["one"], "uid": ["a"], "Note": [1]},
        {"system": ["one"], "uid": [["a"]], "Note": [1], "Place": [1]},
        {"system": ["one"], "uid": ["a"], "Note": [0.5], "Place": [1]},
        {"system": ["one"], "uid": ["a"], "Note": [1], "Place": [70_000]},
        {"system": ["one"], "uid": [None], "Note": [1], "Place": [1]},
    ],
)
def test_a_file_that_holds_no_decisions_is_refused(tmp_path: Path, table: dict[str, list[object]] | None) -> None:
    path = tmp_path / "decisions.parquet"
    path.write_bytes(b"PAR1 no more PAR1") if table is None else pd.DataFrame(table).to_parquet(path)
    with pytest.raises(SubmissionError, match=r"holds no decisions|empty cells"):
        submission.read_systems(path, CODEBOOK)
