"""The prepared tables."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from abstractor.base.messages.cases import CorpusError
from abstractor.data.cases import codebook
from abstractor.data.cases.codebook import Codebook
from abstractor.data.cases.prepared import (
    NOT_CODED,
    PreparedCases,
    read_prepared_cases,
    read_prepared_labels,
    write_cases,
    write_labels,
)

CASES = pd.DataFrame(
    {"Police": ["Note found.", ""], "Coroner": ["", "No note."]}, index=pd.Index(["b", "a"], name="uid"), dtype="str"
)


@pytest.fixture
def book(tmp_path: Path) -> Codebook:
    path = tmp_path / "codebook.yaml"
    path.write_text(
        "dataset: tiny\nunit: one death\nnarratives: {Police: report, Coroner: report}\nvariables:\n"
        '- {name: Note, kind: binary, definition: "A note was left."}\n'
        '- {name: Place, kind: categorical, definition: "Where.", values: {1: home, 2: street}}\n'
    )
    return codebook.load(path)


def test_cases_come_back_sorted(tmp_path: Path, book: Codebook) -> None:
    write_cases(tmp_path / "cases.parquet", book, CASES)

    pd.testing.assert_frame_equal(read_prepared_cases(tmp_path / "cases.parquet", book), CASES.sort_index())


def test_labels_come_back_as_int16(tmp_path: Path, book: Codebook) -> None:
    labels = pd.DataFrame({"Place": [2, NOT_CODED], "Note": [0, 1]}, index=CASES.index)
    write_labels(tmp_path / "labels.parquet", book, labels)
    found = read_prepared_labels(tmp_path / "labels.parquet", book)

    assert (found.dtypes == np.int16).all()
    assert found.to_dict("index") == {"a": {"Note": 1, "Place": NOT_CODED}, "b": {"Note": 0, "Place": 2}}
    assert list(found.columns) == ["Note", "Place"]


def test_the_same_cases_make_the_same_bytes(tmp_path: Path, book: Codebook) -> None:
    write_cases(tmp_path / "1.parquet", book, CASES)
    write_cases(tmp_path / "2.parquet", book, CASES.sort_index()[["Coroner", "Police"]])

    assert (tmp_path / "1.parquet").read_bytes() == (tmp_path / "2.parquet").read_bytes()


def test_refuses_missing_foreign_and_broken_files(tmp_path: Path, book: Codebook) -> None:
    path = tmp_path / "cases.parquet"
    with pytest.raises(CorpusError, match=r"cases\.parquet is missing"):
        read_prepared_cases(path, book)
    write_cases(path, book, CASES)
    with pytest.raises(CorpusError, match="other columns than the codebook"):
        read_prepared_labels(path, book)
    path.write_text("zebrafinch")
    with pytest.raises(CorpusError, match="cannot be read as Parquet") as caught:
        read_prepared_cases(path, book)
    assert "zebrafinch" not in str(caught.value)


def test_cases_are_read_part_by_part(tmp_path: Path, book: Codebook) -> None:
    uids = [f"c{n:04}" for n in range(4500)]
    cases = pd.DataFrame({"Police": uids, "Coroner": ""}, index=pd.Index(uids, name="uid"), dtype="str")
    path = tmp_path / "cases.parquet"
    write_cases(path, book, cases)
    prepared = PreparedCases(path, book)
    parts = list(prepared.parts(1000))

    assert len(prepared) == 4500
    assert [len(part) for part in parts] == [1000, 1000, 1000, 1000, 500]
    pd.testing.assert_frame_equal(pd.concat(parts), cases)
    assert pq.ParquetFile(path).num_row_groups == 3, "a reader of parts holds one row group at least"


def test_some_cases_are_read_without_the_others(tmp_path: Path, book: Codebook) -> None:
    write_cases(tmp_path / "cases.parquet", book, CASES)
    parts = PreparedCases(tmp_path / "cases.parquet", book).parts(1, pd.Index(["b"]))

    assert [part.to_dict("index") for part in parts] == [{"b": {"Police": "Note found.", "Coroner": ""}}]


def test_parts_of_missing_and_foreign_files_are_refused(tmp_path: Path, book: Codebook) -> None:
    path = tmp_path / "labels.parquet"
    with pytest.raises(CorpusError, match=r"labels\.parquet is missing"):
        PreparedCases(path, book)
    write_labels(path, book, pd.DataFrame({"Place": [2, 1], "Note": [0, 1]}, index=CASES.index))
    with pytest.raises(CorpusError, match="other columns than the codebook"):
        PreparedCases(path, book)
