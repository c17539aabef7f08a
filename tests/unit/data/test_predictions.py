"""The table that passes between stages."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from abstractor.base.messages.predictions import PredictionsError
from abstractor.data import predictions
from abstractor.data.cases import codebook
from abstractor.data.cases.codebook import Codebook

VALUES = np.array([[0.5, 0.2, 0.8], [0.0, 1.0, 0.0], [1.0, 0.5, 0.5]])


@pytest.fixture
def book(tmp_path: Path) -> Codebook:
    path = tmp_path / "codebook.yaml"
    path.write_text(
        "dataset: tiny\nunit: one death\nnarratives: {Police: police report}\nvariables:\n"
        '- {name: Note, kind: binary, definition: "A note was left."}\n'
        '- {name: Place, kind: categorical, definition: "Where.", values: {1: home, 2: street}}\n'
    )
    return codebook.load(path)


def test_a_table_is_sorted_and_comes_back_as_it_went(tmp_path: Path, book: Codebook) -> None:
    table = predictions.table(book, ["c", "a", "b"], VALUES)
    path = tmp_path / "oof" / "model" / "0.parquet"
    predictions.write(path, book, table)

    assert list(table.index) == ["a", "b", "c"]
    assert list(table.columns) == ["Note", "Place=1", "Place=2"]
    assert (table.dtypes == np.float32).all()
    assert table.loc["c"].tolist() == pytest.approx([0.5, 0.2, 0.8])
    pd.testing.assert_frame_equal(predictions.read(path, book), table)
    assert pd.read_parquet(path).columns[0] == "uid"


@pytest.mark.parametrize(
    ("uids", "cell", "value", "part"),
    [
        ("aab", (0, 0), 0.5, "1 uids stand twice"),
        ("abc", (0, 0), 1.1, "outside 0 to 1"),
        ("abc", (0, 0), -0.1, "outside 0 to 1"),
        ("abc", (0, 0), np.nan, "not finite"),
        ("abc", (0, 1), 0.4, "Place do not sum to 1"),
    ],
)
def test_refuses_what_is_no_probability(
    book: Codebook, uids: str, cell: tuple[int, int], value: float, part: str
) -> None:
    values = VALUES.copy()
    values[cell] = value

    with pytest.raises(PredictionsError, match=part):
        predictions.table(book, list(uids), values)


def test_refuses_missing_foreign_and_broken_files(tmp_path: Path, book: Codebook) -> None:
    folder = tmp_path / "oof"
    predictions.write(folder / "m" / "0.parquet", book, predictions.table(book, list("abc"), VALUES))

    with pytest.raises(PredictionsError, match=r"1\.parquet is missing"):
        predictions.read(folder / "m" / "1.parquet", book)
    pd.DataFrame({"uid": ["a"], "Note": [0.5]}).to_parquet(folder / "m" / "1.parquet")
    with pytest.raises(PredictionsError, match="expected the columns of codebook tiny"):
        predictions.read(folder / "m" / "1.parquet", book)
    (folder / "m" / "1.parquet").write_text("zebrafinch")
    with pytest.raises(PredictionsError, match="holds no predictions") as caught:
        predictions.read(folder / "m" / "1.parquet", book)
    assert "zebrafinch" not in str(caught.value)


def test_a_refused_table_is_not_written(tmp_path: Path, book: Codebook) -> None:
    path = tmp_path / "0.parquet"
    table = predictions.table(book, list("abc"), VALUES)
    predictions.write(path, book, table)
    before = path.read_bytes()

    with pytest.raises(PredictionsError):
        predictions.write(path, book, table.assign(Note=2.0))

    assert path.read_bytes() == before


def test_parts_make_the_table_that_the_whole_makes(tmp_path: Path, book: Codebook) -> None:
    table = predictions.table(book, list("abc"), VALUES)
    path = tmp_path / "0.parquet"

    assert predictions.write_parts(path, book, [table[:2], table[2:]]) == 3
    pd.testing.assert_frame_equal(predictions.read(path, book), table)
    assert list(predictions.read_uids(path, book)) == list("abc")
    assert [list(part.index) for part in predictions.read_parts(path, book, 2)] == [["a", "b"], ["c"]]
    assert pq.ParquetFile(path).num_row_groups == 2


@pytest.mark.parametrize("order", ["ba", "aa", ""])
def test_parts_out_of_order_or_none_at_all_leave_the_file_as_it_was(tmp_path: Path, book: Codebook, order: str) -> None:
    table, path = predictions.table(book, list("abc"), VALUES), tmp_path / "0.parquet"
    predictions.write(path, book, table)
    before = path.read_bytes()

    with pytest.raises(PredictionsError, match=r"uids that go up|found no case"):
        predictions.write_parts(path, book, [table.loc[[uid]] for uid in order])

    assert path.read_bytes() == before
    assert sorted(found.name for found in tmp_path.iterdir()) == ["0.parquet", "codebook.yaml"]
