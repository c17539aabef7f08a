"""Raw corpus files: what is read, and one clear refusal for each bad input."""

from collections.abc import Callable
from pathlib import Path
from time import perf_counter

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support import memory

from abstractor.base.errors import UserError
from abstractor.base.script import run_script
from abstractor.data.cases import codebook
from abstractor.data.cases.codebook import Codebook
from abstractor.data.cases.prepared import NOT_CODED
from abstractor.data.raw import tables as rawtables
from abstractor.data.raw.cases import read_features, read_labels, read_layout, read_training

MARKER = "zebrafinch"
"""Stands in every narrative and wherever text should not be; no message may hold it."""

FEATURES = f"uid,Police,Coroner\nb,{MARKER} left a note.,\na,,No note ({MARKER}).\n"
LABELS = "uid,Note,Place\na,0,2\nb,1,1\n"


@pytest.fixture
def book(tmp_path: Path) -> Codebook:
    path = tmp_path / "codebook.yaml"
    path.write_text(
        "dataset: tiny\nunit: one death\nnarratives: {Police: report, Coroner: report}\nvariables:\n"
        '- {name: Note, kind: binary, definition: "A note was left."}\n'
        '- {name: Place, kind: categorical, definition: "Where.", values: {1: home, 2: street, 3: school}}\n'
    )
    return codebook.load(path)


@pytest.fixture
def put(tmp_path: Path) -> Callable[[str | bytes], Path]:
    def write(content: str | bytes) -> Path:
        path = tmp_path / "file.csv"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


def test_reads_features(book: Codebook, put: Callable[..., Path]) -> None:
    found = read_features(put(FEATURES), book)

    assert found.index.name == "uid"
    assert found.to_dict("index") == {
        "a": {"Police": "", "Coroner": f"No note ({MARKER})."},
        "b": {"Police": f"{MARKER} left a note.", "Coroner": ""},
    }


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        ('"  Quiet, ""calm"" \n"', 'Quiet, "calm"'),
        ('"one\r\ntwo\rthree"', "one\ntwo\nthree"),
        ("Caf\u0065\u0301", "Caf\u00e9"),
        ("NA was said", "NA was said"),
        ("0012", "0012"),
        ("x" * 200_000, "x" * 200_000),
        ("word " * 200_000 + "end", "word " * 200_000 + "end"),
        ("=1+1", "=1+1"),
        ("@SUM(A1)", "@SUM(A1)"),
        ("a\x07\x1b[31mb", "a\x07\x1b[31mb"),
        ("\u0633\u0644\u0627\u0645 \u202eabc\u202c", "\u0633\u0644\u0627\u0645 \u202eabc\u202c"),
        ("\U0001f9d1\u200d\U0001f9d2 \U0001f1fa\U0001f1f8", "\U0001f9d1\u200d\U0001f9d2 \U0001f1fa\U0001f1f8"),
        ("e" + "\u0327\u0301" * 15, "\u0229" + "\u0327" * 14 + "\u0301" * 15),
        ("\u2014" * 5_000, "\u2014" * 5_000),
    ],
)
def test_keeps_narratives(book: Codebook, put: Callable[..., Path], cell: str, text: str) -> None:
    found = read_features(put(f"uid,Police,Coroner\n 007 ,{cell},\n"), book)

    assert found.loc["007", "Police"] == text


@pytest.mark.parametrize(
    "content",
    [
        FEATURES.replace("\n", "\r\n"),
        "\ufeff" + FEATURES,
        FEATURES + "\n\n",
        "sep=,\n" + FEATURES,
        FEATURES.removesuffix("\n"),
        "Coroner,extra,uid, Police \n,1,b," + f"{MARKER} left a note.\nNo note ({MARKER}).,2,a,\n",
    ],
    ids=[
        "crlf",
        "bom",
        "blank lines at the end",
        "a sep line",
        "no last line end",
        "other order and columns",
    ],
)
def test_reads_variants_alike(book: Codebook, put: Callable[..., Path], content: str) -> None:
    found = read_features(put(content), book)

    pd.testing.assert_frame_equal(found, read_features(put(FEATURES), book))


@pytest.mark.parametrize("uid", ["-12", "+3", "-0.5", "a=b", "0012", "caf\u00e9", "x" * 100])
def test_keeps_uids_that_no_spreadsheet_computes(book: Codebook, put: Callable[..., Path], uid: str) -> None:
    assert read_features(put(f"uid,Police,Coroner\n{uid},x,\n"), book).index.tolist() == [uid]


def test_tens_of_thousands_of_columns_are_read_at_once(book: Codebook, put: Callable[..., Path]) -> None:
    others = [f"c{number}" for number in range(50_000)]
    lines = [["uid", *others, "Police", "Coroner"], ["a", *["x"] * len(others), MARKER, ""]]
    before = perf_counter()
    found = read_features(put("".join(",".join(line) + "\n" for line in lines)), book)

    assert found.loc["a"].tolist() == [MARKER, ""]
    assert perf_counter() - before < 5, "as long as the square of the columns"


def test_refuses_parquet_whose_names_are_no_text(tmp_path: Path, book: Codebook) -> None:
    path = tmp_path / "f.parquet"
    pq.write_table(pa.table({"uid": ["a"], "Police": ["x"], "Coroner": ["y"], "zzzz": [1]}), path, store_schema=False)
    path.write_bytes(path.read_bytes().replace(b"zzzz", b"\xff\xff\xff\xff"))

    with pytest.raises(UserError, match="cannot be read as Parquet"):
        read_features(path, book)


def test_reads_labels(book: Codebook, put: Callable[..., Path]) -> None:
    found = read_labels(put("Place,uid,Note\n2.00,b,\n , a,01\n"), book, ["a", "b"])

    assert (found.dtypes == np.int16).all()
    assert found.to_dict("index") == {"a": {"Note": 1, "Place": NOT_CODED}, "b": {"Note": NOT_CODED, "Place": 2}}


def test_parquet_reads_as_csv_does(tmp_path: Path, book: Codebook, put: Callable[..., Path]) -> None:
    features = pd.DataFrame({"uid": [10, 9], "Police": ["Note.", None], "Coroner": [None, "No note."], "age": [1, 2]})
    labels = pd.DataFrame({"uid": ["9", "10"], "Note": [1.0, None], "Place": pd.array([None, 3], dtype="Int8")})
    features.to_parquet(tmp_path / "f.parquet")
    labels.to_parquet(tmp_path / "l.parquet")
    found = read_training(tmp_path / "f.parquet", tmp_path / "l.parquet", book)

    assert found.cases.to_dict("index") == {
        "10": {"Police": "Note.", "Coroner": ""},
        "9": {"Police": "", "Coroner": "No note."},
    }
    assert found.labels.to_dict("index") == {"10": {"Note": -1, "Place": 3}, "9": {"Note": 1, "Place": -1}}
    csv = read_features(put("uid,Police,Coroner\n9,,No note.\n10,Note.,\n"), book)
    pd.testing.assert_frame_equal(found.cases, csv)


def test_parquet_s_not_a_number_is_an_empty_label(tmp_path: Path, book: Codebook) -> None:
    table = pa.table({"uid": ["a"], "Note": [float("nan")], "Place": [2.0]})
    pq.write_table(table, tmp_path / "l.parquet")

    assert read_labels(tmp_path / "l.parquet", book, ["a"]).loc["a"].tolist() == [NOT_CODED, 2]


def test_reads_a_layout(book: Codebook, put: Callable[..., Path]) -> None:
    assert read_layout(put("uid,Place,Note\nb,1,0\na,,\n"), book, ["a", "b"]) == (("b", "a"), ("Place", "Note"))


def refusal(main: Callable[[], object], capsys: pytest.CaptureFixture[str]) -> str:
    """The message of a script that runs `main`, once the promises on refusals are checked."""
    with pytest.raises(SystemExit) as caught:
        run_script(lambda: (main(), None)[1])
    message = capsys.readouterr().err
    assert caught.value.code == 2, message
    assert message.startswith("error: ") and message.count("\n") == 1
    assert MARKER not in message
    return message


BAD_FEATURES = {
    "no uid column": ("case,Police,Coroner\na,x,y\n", ["column uid", "among its 3"]),
    "no narrative column": ("uid,Police\na,x\n", ["column Coroner", "among its 2"]),
    "no header": (f"a,{MARKER},y\n", ["column uid, Police, Coroner"]),
    "blanks between": ("uid Police Coroner\na x y\n", ["among its 1", "commas"]),
    "a column twice": ("uid,Police,Coroner,Police\na,x,y,z\n", ["column Police", "columns 2 and 4"]),
    "uid twice as a column": ("uid,Police,Coroner,uid\na,x,y,z\n", ["column uid", "columns 1 and 4"]),
    "empty uid": (FEATURES + f" ,{MARKER},\n", ["row 3", "uid is empty"]),
    "unprintable uid": (FEATURES + f'"{MARKER}\n",{MARKER},\n"c\td",x,\n', ["row 4", "unprintable"]),
    "duplicate uid": (FEATURES + f"c,x,\nb ,{MARKER},\n", ["row 4", "as row 1", "1 repeated"]),
    "every narrative empty": (
        FEATURES + "c, ,\nd,,\n",
        ["row 3", "every narrative is empty", "2 such", "Police, Coroner"],
    ),
    "not UTF-8": (FEATURES.encode() + f"c,{MARKER} caf".encode() + b"\xe9,\n", ["line 4", "not UTF-8", "byte 87"]),
    "UTF-16 without its mark": (FEATURES.encode("utf-16-le"), ["line 1", "NUL"]),
    "no rows": ("uid,Police,Coroner\n", ["header and no rows"]),
    "an empty file": ("", ["is empty"]),
    "too many cells": (FEATURES + f"c,{MARKER},so, calm\n", ["row 3", "expected 3 cells", "found 4"]),
    "too few cells": (FEATURES + f"c,{MARKER}\n", ["row 3", "expected 3 cells", "found 2"]),
    "a short row behind a blank one": ("uid,Police,Coroner\na,x,\n\nb,y\n", ["row 3", "found 2"]),
    "a header again and a uid twice": ("uid,Police,Coroner\na,x,\nuid,Police,Coroner\na,y,\n", ["row 3", "as row 1"]),
    "a comma behind which nameless columns follow": (
        f"uid,Police,Coroner,,\na,{MARKER}, then,x,\nb,y,z\n",
        ["column 4 has no name"],
    ),
    "text in a nameless column of every row": ("uid,Police,,Coroner\na,x, y,z\n", ["column 3 has no name"]),
    "a comma in a short row": (f"uid,Police,Coroner,,\na,x,y,,\nb,{MARKER}, then,x\n", ["row 2", "found 4"]),
    "a header again in another order": (FEATURES + "uid,Coroner,Police\nc,x,y\n", ["row 3", "another order"]),
    "a header again in capitals": (FEATURES + "UID,POLICE,CORONER\nc,x,y\n", ["row 3", "another order"]),
    "a title above": (f"{MARKER} of a year\n" + FEATURES, ["no column uid, Police, Coroner among its 1"]),
    "names of rows": ("uid,Police,Coroner\n1,a,x,y\n2,b,x,y\n", ["3 cells and every row one more", "row.names"]),
    "an error of a spreadsheet": (FEATURES + "c,#NAME?,x\n", ["row 3, column Police", "which is lost"]),
    "a cell that a spreadsheet could not show": (FEATURES + "c,x,########\n", ["row 3, column Coroner", "lost"]),
    "an error in place of a uid": (FEATURES + "#REF!,x,\n", ["row 3, column uid", "lost"]),
    "unclosed quote": (FEATURES + f'c,"{MARKER},\nd,x,y\n', ["row 3", "quote is not closed"]),
    "quote within": (FEATURES + f'c,"a "{MARKER}" b",\n', ["row 3", "not doubled"]),
    "unclosed quote in the header": (f'uid,"Police,Coroner\na,{MARKER},\n', ["header", "quote is not closed"]),
    "a uid that a spreadsheet computes": (FEATURES + f"=1+1,{MARKER},\n", ["row 3", "begins with =, +, - or @"]),
    "a sign before a word": (FEATURES + f"-x,{MARKER},\n", ["row 3", "begins with =, +, - or @"]),
    "a narrative as uid": (FEATURES + f"{f'{MARKER} ' * 9}end,x,\n", ["row 3", "100 characters", "found 102"]),
    "marks without end": (
        FEATURES + "c,e" + "\u0301\u0323" * 200_000 + f"{MARKER},\n",
        ["row 3, column Police", "more than 30 combining marks"],
    ),
    "half a character": (FEATURES.encode() + b"c,\xed\xa0\x80,\n", ["line 4", "not UTF-8"]),
    "NUL": (FEATURES + f"c,{MARKER}\0,\n", ["line 4", "NUL"]),
}


@pytest.mark.parametrize(("content", "parts"), BAD_FEATURES.values(), ids=BAD_FEATURES)
def test_refuses_features(
    book: Codebook, put: Callable[..., Path], content: str | bytes, parts: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    path = put(content)

    message = refusal(lambda: read_features(path, book), capsys)

    for part in [str(path), *parts]:
        assert part in message


BAD_LABELS = {
    "no variable's column": ("uid,Note\na,1\n", ["column Place"]),
    "unknown column": (f"uid,Note,Place,{MARKER}\na,1,1,1\nb,1,1,1\n", ["column 4", "10 characters"]),
    "code not in the codebook": ("uid,Note,Place\na,0,2\nb,1,7\n", ["row 2", "Place", "1 to 3", "found 7"]),
    "binary out of range": ("uid,Note,Place\na,2,2\nb,1,1\n", ["row 1", "Note", "expected 0, 1 or", "found 2"]),
    "negative": ("uid,Note,Place\na,-1,2\nb,1,1\n", ["row 1", "Note", "found -1"]),
    "no whole number": ("uid,Note,Place\na,0.5,2\nb,1,1\n", ["row 1", "Note", "found 0.5"]),
    "a truth value": ("uid,Note,Place\na,TRUE,2\nb,1,1\n", ["row 1", "Note", "write 1 and 0"]),
    "uids of another form": ("uid,Note,Place\n0a,1,2\n0b,1,1\n", ["any of its 2 rows", "differently"]),
    "a word": (f"uid,Note,Place\na,{MARKER},2\nb,1,1\n", ["row 1", "Note", "a text of 10 characters"]),
    "a long number": ("uid,Note,Place\na,5550100199,2\nb,1,1\n", ["row 1", "Note", "a text of 10 characters"]),
    "a narrative in a label": (f"uid,Note,Place\na,0,2\nb,{MARKER} said so.,1\n", ["row 2", "a text of 19 characters"]),
    "a narrative in between": (f"uid,Note,Place\na,{MARKER} said so.,0,2\n", ["row 1", "expected 3 cells", "found 4"]),
    "labels for an unknown case": (LABELS + f"{MARKER},1,1\n", ["row 3", "no case has this uid", "1 such rows of 3"]),
    "a case without labels": ("uid,Note,Place\nb,0,2\n", ["1 of 2 cases", "case 1 of the features"]),
    "duplicate uid": (LABELS + "a,1,1\n", ["row 3", "as row 1"]),
    "empty uid": (LABELS + ",1,1\n", ["row 3", "uid is empty"]),
    "no rows": ("uid,Note,Place\n", ["no rows"]),
    "a column twice": ("uid,Note,Place,Note\na,1,1,0\n", ["column Note", "columns 2 and 4"]),
    "an unknown column twice": (f"uid,Note,Place,{MARKER},{MARKER}\na,1,1,0,0\n", ["column 4", "2 such columns"]),
}


@pytest.mark.parametrize(("content", "parts"), BAD_LABELS.values(), ids=BAD_LABELS)
def test_refuses_labels(
    book: Codebook, put: Callable[..., Path], content: str, parts: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    path = put(content)

    message = refusal(lambda: read_labels(path, book, ["a", "b"]), capsys)

    for part in [str(path), *parts]:
        assert part in message


def test_refuses_a_variable_that_no_case_is_coded_on(tmp_path: Path, book: Codebook, put: Callable[..., Path]) -> None:
    (tmp_path / "labels.csv").write_text("uid,Note,Place\na,0,\nb,1,\n")

    with pytest.raises(UserError, match=r"labels\.csv: no case has a label for Place"):
        read_training(put(FEATURES), tmp_path / "labels.csv", book)


def test_names_the_case_without_labels_by_its_row(tmp_path: Path, book: Codebook, put: Callable[..., Path]) -> None:
    (tmp_path / "labels.csv").write_text("uid,Note,Place\nb,1,1\n")

    with pytest.raises(UserError, match="case 2 of the features"):
        read_training(put(FEATURES), tmp_path / "labels.csv", book)


def test_refuses_missing_and_other_files(tmp_path: Path, book: Codebook) -> None:
    (tmp_path / "f.xlsx").touch()

    with pytest.raises(UserError, match=r"none\.csv is missing; .* uid, Police, Coroner"):
        read_features(tmp_path / "none.csv", book)
    with pytest.raises(UserError, match=r"expected a \.csv, \.tsv, \.txt or \.parquet file"):
        read_features(tmp_path / "f.xlsx", book)


@pytest.mark.parametrize(
    ("columns", "parts"),
    [
        ({"Police": [MARKER]}, ["column Coroner"]),
        ({"Police": [MARKER], "Coroner": [[MARKER]]}, ["column Coroner", "expected UTF-8 text"]),
        ({"Police": [MARKER], "Coroner": [b"\xff"]}, ["column Coroner", "expected UTF-8 text"]),
        ({"Police": [MARKER + "\0"], "Coroner": [""]}, ["row 1, column Police", "NUL"]),
        ({"Police": [None], "Coroner": [""]}, ["row 1", "every narrative is empty"]),
        ({"Police": [], "Coroner": []}, ["no rows"]),
    ],
)
def test_refuses_parquet(
    tmp_path: Path,
    book: Codebook,
    columns: dict[str, list[object]],
    parts: list[str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = tmp_path / "f.parquet"
    pd.DataFrame({"uid": ["a"] * len(columns["Police"]), **columns}).to_parquet(path)

    message = refusal(lambda: read_features(path, book), capsys)

    for part in [str(path), *parts]:
        assert part in message


@pytest.mark.parametrize("rows", [1, 1_000])
def test_refuses_a_small_parquet_that_stands_for_gigabytes(
    tmp_path: Path, book: Codebook, monkeypatch: pytest.MonkeyPatch, rows: int
) -> None:
    monkeypatch.setattr(rawtables, "_ALWAYS", 50 * 2**20)
    path, size = tmp_path / "f.parquet", 2**28 // rows
    police = pa.DictionaryArray.from_arrays(pa.array([0] * rows, pa.int32()), pa.array(["x" * size]))
    table = pa.table({"uid": [str(row) for row in range(rows)], "Police": police, "Coroner": [""] * rows})
    pq.write_table(table, path, compression="zstd", store_schema=False)
    del police, table
    assert path.stat().st_size < 2**20
    if rows == 1:  # one page is too large: to be refused before it is decoded
        monkeypatch.setattr(pq.ParquetFile, "iter_batches", None)
    before = memory.reset_peak()

    with pytest.raises(UserError, match=r"f\.parquet: expected a table of at most .* found a larger one"):
        read_features(path, book)
    assert memory.peak() - before < 200


def test_refuses_a_csv_file_named_parquet(tmp_path: Path, book: Codebook, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "f.parquet").write_text(FEATURES)

    assert "Parquet" in refusal(lambda: read_features(tmp_path / "f.parquet", book), capsys)


def test_refuses_truth_values_as_labels(tmp_path: Path, book: Codebook, capsys: pytest.CaptureFixture[str]) -> None:
    pd.DataFrame({"uid": ["a"], "Note": [True], "Place": [1]}).to_parquet(tmp_path / "l.parquet")

    assert "write 1 and 0" in refusal(lambda: read_labels(tmp_path / "l.parquet", book, ["a"]), capsys)
