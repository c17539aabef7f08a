"""Rows come in order and in the sizes asked for, whatever the row groups; other files are refused unquoted."""

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from abstractor.base.errors import UserError
from abstractor.data.cases import parquet

TABLE = pd.DataFrame({"uid": [f"c{number:02}" for number in range(11)], "value": range(11)})

COLUMNS = ["uid", "value"]
REFUSALS = parquet.Refusals(
    lambda path: UserError(f"{path.name} is missing"),
    lambda path: UserError(f"{path.name} is unreadable"),
    lambda path: UserError(f"{path.name} has other columns"),
)


def test_a_table_comes_back_as_it_went_or_with_the_types_asked_for(tmp_path: Path) -> None:
    TABLE.to_parquet(tmp_path / "t.parquet", index=False)
    pd.testing.assert_frame_equal(parquet.read(tmp_path / "t.parquet", COLUMNS, REFUSALS), TABLE)
    schema = pa.schema([("uid", pa.string()), ("value", pa.int16())])
    assert parquet.read(tmp_path / "t.parquet", schema, REFUSALS)["value"].dtype == "int16"


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (["uid"], "has other columns"),
        (["value", "uid"], "has other columns"),
        (pa.schema([("uid", pa.int16()), ("value", pa.int64())]), "has other columns"),
    ],
)
def test_other_columns_are_refused(tmp_path: Path, columns: list[str], message: str) -> None:
    TABLE.to_parquet(tmp_path / "t.parquet", index=False)
    with pytest.raises(UserError, match=rf"^t\.parquet {message}$"):
        parquet.read(tmp_path / "t.parquet", columns, REFUSALS)


def test_missing_and_damaged_files_are_refused_without_the_parsers_words(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    with pytest.raises(UserError, match=r"^t\.parquet is missing$"):
        parquet.read(path, COLUMNS, REFUSALS)
    TABLE.to_parquet(path, index=False, compression="none")
    whole = path.read_bytes()
    for damaged in (b"zebrafinch", whole[:-9], b"\0" * 200 + whole[200:]):
        path.write_bytes(damaged)
        with pytest.raises(UserError, match=r"^t\.parquet is unreadable$") as caught:
            parquet.read(path, COLUMNS, REFUSALS)
        assert caught.value.__suppress_context__


@pytest.mark.parametrize("size", [1, 3, 4, 5, 11, 99])
@pytest.mark.parametrize("group", [1, 4, 11])
def test_rows_in_order_and_in_the_sizes_asked_for(tmp_path: Path, size: int, group: int) -> None:
    TABLE.to_parquet(tmp_path / "t.parquet", index=False, row_group_size=group)
    found = list(parquet.frames(pq.ParquetFile(tmp_path / "t.parquet"), size))

    assert {len(frame) for frame in found[:-1]} <= {size}
    assert 0 < len(found[-1]) <= size
    pd.testing.assert_frame_equal(pd.concat(found, ignore_index=True), TABLE)


def test_an_empty_file_has_no_frames(tmp_path: Path) -> None:
    TABLE[:0].to_parquet(tmp_path / "t.parquet", index=False)
    assert list(parquet.frames(pq.ParquetFile(tmp_path / "t.parquet"), 3)) == []


def test_one_row_group_is_held_and_not_the_file(tmp_path: Path) -> None:
    rows, path = 200_000, tmp_path / "t.parquet"
    numbers = pd.DataFrame({"value": pd.Series(range(rows)).sample(frac=1, random_state=0).astype("float64")})
    numbers.to_parquet(path, index=False, row_group_size=rows // 100, compression="none")
    file, before = pq.ParquetFile(path), pa.total_allocated_bytes()
    held = max(pa.total_allocated_bytes() - before for _ in parquet.frames(file, rows // 100))

    assert held < path.stat().st_size / 10
