"""Tables as other programs write them: what is recognised, what is told of it, and what is refused."""

import decimal
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support import faults

from abstractor.base.errors import UserError
from abstractor.data.cases import codebook
from abstractor.data.cases.codebook import Codebook
from abstractor.data.raw.cases import MARKS, read_features, read_labels, read_layout, read_training, read_uids

MARKER = "zebrafinch"
ROWS = [["uid", "report_a", "report_b"], ["007", "One report.", "Calm, quiet."], ["b", "Another.", ""]]


@pytest.fixture
def book(tmp_path: Path) -> Codebook:
    path = tmp_path / "codebook.yaml"
    path.write_text(
        "dataset: tiny\nunit: one death\nnarratives: {report_a: report, report_b: report}\nvariables:\n"
        "- {name: DepressedMood, kind: binary, definition: Low mood was noted.}\n"
        "- {name: place_type, kind: categorical, definition: Where., values: {1: home, 2: street}}\n"
    )
    return codebook.load(path)


@pytest.fixture
def put(tmp_path: Path) -> Callable[..., Path]:
    def write(content: str | bytes, name: str = "file.csv") -> Path:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


def separated(mark: str) -> str:
    return "".join(mark.join(f'"{cell}"' if "," in cell else cell for cell in row) + "\n" for row in ROWS)


@pytest.mark.parametrize("mark", [",", "\t", ";", "|"])
@pytest.mark.parametrize("name", ["f.csv", "NEW.CSV", "f.tsv", "f.Txt"])
def test_the_header_tells_the_delimiter(book: Codebook, put: Callable[..., Path], mark: str, name: str) -> None:
    found = read_features(put(separated(mark), name), book)

    assert found.index.tolist() == ["007", "b"] and found.loc["007"].tolist() == ["One report.", "Calm, quiet."]


def test_reads_unicode_text_of_a_spreadsheet(book: Codebook, put: Callable[..., Path]) -> None:
    for codec in ("utf-16", "utf-8-sig"):
        found = read_features(put(separated("\t").encode(codec), "f.txt"), book)
        assert found.loc["b", "report_a"] == "Another."
    big_endian = b"\xfe\xff" + separated("\t").encode("utf-16-be")
    assert read_uids(put(big_endian, "f.txt")).tolist() == ["007", "b"]
    with pytest.raises(UserError, match="not UTF-8"):
        read_uids(put(b"\xff\xfe" + b"u\0i\0d", "f.txt"))


@pytest.mark.parametrize("name", ["UID", " Uid", "ID", "id"])
def test_takes_other_names_of_the_uid(book: Codebook, put: Callable[..., Path], name: str) -> None:
    told: list[str] = []
    path = put(f"{name};REPORT A;Report_B\na;x;y\n")
    found = read_features(path, book, told)

    assert read_uids(path).tolist() == ["a"]
    assert found.loc["a"].tolist() == ["x", "y"]
    assert sorted(line.split(": ")[1] for line in told) == [
        "column 1 is taken for uid",
        "column 2 is taken for report_a",
        "column 3 is taken for report_b",
    ]


def test_takes_other_names_of_variables_only_where_one_is_meant(book: Codebook, put: Callable[..., Path]) -> None:
    labels = read_labels(put("uid,depressed mood,PLACE-TYPE\na,1,2\n"), book, ["a"])
    assert labels.loc["a"].tolist() == [1, 2]
    layout = read_layout(put(",UID,Place Type,depressedmood\n0,a,1,2\n"), book, ["a"])
    assert layout.variables == ("place_type", "DepressedMood")
    with pytest.raises(UserError, match="no column DepressedMood"):
        read_labels(put("uid,depressedmood,DEPRESSEDMOOD,place_type\na,1,1,1\n"), book, ["a"])
    with pytest.raises(UserError, match="no column uid"):
        read_features(put("id,ID,report_a,report_b\na,b,x,y\n"), book)
    both = read_features(put("ID,uid,report_a,report_b\n1,a,x,y\n"), book)
    assert both.index.tolist() == ["a"]


def test_leaves_out_blank_rows_and_repeated_headers(book: Codebook, put: Callable[..., Path]) -> None:
    told: list[str] = []
    text = "\n,,\nuid,report_a,report_b\na,x,\n\n , ,\nuid,report_a,report_b\nuid,y,\n,,\n"
    found = read_features(put(text), book, told)

    assert found["report_a"].to_dict() == {"a": "x", "uid": "y"}
    assert told == [f"{put(text)}: 2 blank rows and 1 repeated headers are left out"]


def test_leaves_out_columns_that_say_nothing(book: Codebook, put: Callable[..., Path], tmp_path: Path) -> None:
    told: list[str] = []
    header = "DepressedMood,place_type"
    assert len(read_labels(put(f",uid,{header}\n0,a,1,1\n1,b,0,2\n"), book, ["a", "b"], told)) == 2
    assert len(read_labels(put(f"Unnamed: 0,uid,{header}\n1,a,1,1\n2,b,0,2\n"), book, ["a", "b"], told)) == 2
    assert len(read_labels(put(f"uid,{header},,\na,1,1,,\nb,0,2\n"), book, ["a", "b"], told)) == 2
    table = pd.DataFrame({"uid": ["a", "b"], "DepressedMood": [1, 0], "place_type": [1, 2]}, index=pd.Index([1, 2]))
    table.to_parquet(tmp_path / "l.parquet")
    assert len(read_labels(tmp_path / "l.parquet", book, ["a", "b"], told)) == 2
    assert len(told) == 4
    texts = pd.DataFrame({"uid": ["a", "b"], "report_a": ["x", "y"], "report_b": ["", ""]}, index=pd.Index([7, 3]))
    texts.to_parquet(tmp_path / "f.parquet")
    assert len(read_features(tmp_path / "f.parquet", book)) == 2
    for text in (f",uid,{header}\n7,a,1,1\n1,b,0,2\n", f"uid,{header},,\na,1,1,,5\nb,0,2,,\n"):
        with pytest.raises(UserError, match="name"):
            read_labels(put(text), book, ["a", "b"])


@pytest.mark.parametrize("mark", sorted(MARKS))
def test_a_mark_of_nothing_is_empty(book: Codebook, put: Callable[..., Path], mark: str) -> None:
    told: list[str] = []
    features = put(f"uid,report_a,report_b\na, {mark.upper()} ,x\nb,{mark},{mark} y\n")
    assert read_features(features, book, told)["report_a"].tolist() == ["", ""]
    assert read_features(features, book)["report_b"].tolist() == ["x", f"{mark} y"]
    spelt = sorted({mark, mark.upper()})
    told_of = ", ".join(f"{2 // len(spelt)} cells of report_a hold {each}" for each in spelt)
    assert told == [f"{features}: {told_of} and count as empty"]
    labels = put(f"uid,DepressedMood,place_type\na,{mark},2\nb,1,{mark}\n")
    assert read_labels(labels, book, ["a", "b"]).to_numpy().tolist() == [[-1, 2], [1, -1]]
    with pytest.raises(UserError, match="row 2: every narrative is empty"):
        read_features(put(f"uid,report_a,report_b\na,x,\nb,{mark},{mark}\n"), book)
    with pytest.raises(UserError, match="row 1: the uid is empty"):
        read_features(put(f"uid,report_a,report_b\n{mark},x,\n"), book)


@pytest.mark.parametrize("cell", ['"""NA"""', "\u200b", "\ufeff", "\u200bNA"])
def test_what_nobody_sees_around_a_mark_makes_no_text(book: Codebook, put: Callable[..., Path], cell: str) -> None:
    told: list[str] = []
    assert read_features(put(f"uid,report_a,report_b\na,{cell},x\n"), book, told)["report_a"].tolist() == [""]
    assert "1 cells of report_a hold " in told[0] and told[0].isprintable()


def table(path: Path, uids: pa.Array) -> Path:
    texts = [f"Report {row}." for row in range(len(uids))]
    pq.write_table(pa.table({"uid": uids, "report_a": texts, "report_b": texts}), path)
    return path


WHOLE = {
    "floats": (pa.array([20230000001.0, 2.0**53, -3.0], pa.float64()), ["20230000001", "9007199254740992", "-3"]),
    "small floats": (pa.array([2.0**24, 5.0], pa.float32()), ["16777216", "5"]),
    "whole numbers": (pa.array([2**63 - 1, 5], pa.int64()), ["9223372036854775807", "5"]),
    "large whole numbers": (pa.array([2**64 - 1, 5], pa.uint64()), ["18446744073709551615", "5"]),
    "decimals": (pa.array([decimal.Decimal("12.00"), decimal.Decimal("5.00")], pa.decimal128(20, 2)), ["12", "5"]),
    "bytes": (pa.array([b"007", b"x"], pa.binary()), ["007", "x"]),
    "categories": (pa.array(["007", "x"]).dictionary_encode(), ["007", "x"]),
}


@pytest.mark.parametrize(("uids", "expected"), WHOLE.values(), ids=WHOLE)
def test_uids_of_parquet_are_text(tmp_path: Path, book: Codebook, uids: pa.Array, expected: list[str]) -> None:
    path = table(tmp_path / "f.Parquet", uids)

    assert read_uids(path).tolist() == expected
    assert sorted(read_features(path, book).index) == sorted(expected)


@pytest.mark.parametrize(
    ("uids", "reason"),
    [
        (pa.array([1.0, 12.5]), "row 2: the uid is a rounded number"),
        (pa.array([2.0**53 + 2]), "row 1: the uid is a rounded number"),
        (pa.array([20230000001.0], pa.float32()), "row 1: the uid is a rounded number"),
        (pa.array([float("inf")]), "row 1: the uid is a rounded number"),
        (pa.array([1.0, None]), "row 2: the uid is empty"),
        (pa.array([1.0, float("nan")]), "row 2: the uid is empty"),
    ],
)
def test_refuses_uids_that_lost_digits_on_their_way(tmp_path: Path, uids: pa.Array, reason: str) -> None:
    with pytest.raises(UserError, match=reason):
        read_uids(table(tmp_path / "f.parquet", uids))


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["20230000001.0", "5.0"], ["20230000001", "5"]),
        (["007.0", "5.0"], ["007.0", "5.0"]),
        (["5.0", "a"], ["5.0", "a"]),
        (["1e5", "2023.5"], ["1e5", "2023.5"]),
        (["0012", "12"], ["0012", "12"]),
    ],
)
def test_uids_of_csv_are_whole_where_all_are_floats(
    put: Callable[..., Path], cells: list[str], expected: list[str]
) -> None:
    assert read_uids(put("uid,x\n" + "".join(f"{cell},\n" for cell in cells))).tolist() == expected


@pytest.mark.parametrize("cell", ["2.023E+10", "2e+16", '"2,023E+10"', "9007199254740994.0", f"{'9' * 5000}.0"])
def test_refuses_uids_that_a_spreadsheet_rounded(put: Callable[..., Path], cell: str, heard: faults.Heard) -> None:
    with pytest.raises(UserError, match="row 1: the uid is a rounded number") as caught:
        read_uids(put(f"uid,x\n{cell},\n"))
    heard(str(caught.value))


def test_floats_and_texts_of_the_same_uids_meet(tmp_path: Path, book: Codebook, put: Callable[..., Path]) -> None:
    features = table(tmp_path / "f.parquet", pa.array([20230000001.0, 5.0]))
    labels = put("uid,DepressedMood,place_type\n5,1,1\n20230000001,0,2\n")

    assert read_training(features, labels, book).labels.loc["5"].tolist() == [1, 1]


def test_names_every_problem_of_a_training_set(book: Codebook, put: Callable[..., Path]) -> None:
    features = put(f"uid,report_a,report_b\n,{MARKER},\n", "f.csv")
    labels = put("uid,DepressedMood,place_type\na,7,8\n", "l.csv")

    with pytest.raises(UserError) as caught:
        read_training(features, labels, book)
    lines = str(caught.value).split("\n")
    assert len(lines) == 3 and "f.csv, row 1: the uid" in lines[0]
    assert "column DepressedMood" in lines[1] and "column place_type" in lines[2]
