"""CSV and Parquet files as columns of text, or a clear refusal that quotes no cell.

The parsers of pandas and pyarrow quote what they choke on, mend ragged rows and rename repeated columns; a case must
neither leak nor change, so CSV goes through the strict parser of the standard library.
"""

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from abstractor.base.messages import raw as messages

_LONGEST_CELL = 2**31 - 1
"""Characters. The CSV parser's default of 131,072 would refuse a long narrative."""
_EXPANSION, _ALWAYS = 100, 2 * 2**30
"""Of a Parquet file, how many times its size the cells may take in memory, and how many bytes they always may: a few
kilobytes of Parquet can stand for terabytes of text."""
_CELL = 50
"""Bytes of a cell in memory beside its characters."""
_ROWS = 100
"""Of a Parquet file, decoded at a time."""


class RawTable(NamedTuple):
    """A file's header and the cells of the columns that were asked for."""

    header: list[str]
    columns: dict[str, list[str]]
    """Column -> its cells, "" where empty; at least one row."""


def read_table(path: Path, names: Sequence[str], *, others: bool) -> RawTable:
    """Read the columns `names` of a `.csv` or `.parquet` file.

    Args:
        path: the file.
        names: the columns it must have, in any order.
        others: whether it may have other columns too.

    Raises:
        CorpusError: no such file, unreadable, no rows, a column missing, repeated or (without `others`) unknown.
    """
    if not path.is_file():
        raise messages.no_file(path, names)
    if path.suffix == ".csv":
        return _read_csv(path, names, others)
    if path.suffix == ".parquet":
        return _read_parquet(path, names, others)
    raise messages.other_format(path)


def _check_header(path: Path, header: list[str], names: Sequence[str], others: bool) -> None:
    places: dict[str, int] = {}
    for number, name in enumerate(header, 1):
        first = places.setdefault(name, number)
        if first < number and (name in names or not others):
            raise messages.repeated_column(path, name if name in names else None, first, number)
    missing = [name for name in names if name not in header]
    if missing:
        raise messages.missing_columns(path, missing, len(header))
    unknown = [number for number, name in enumerate(header, 1) if name not in names]
    if unknown and not others:
        raise messages.unknown_columns(path, unknown[0], len(header[unknown[0] - 1]), len(unknown))


def _read_csv(path: Path, names: Sequence[str], others: bool) -> RawTable:
    rows = _csv_rows(path)
    if not rows:
        raise messages.empty_file(path)
    header = [name.strip() for name in rows.pop(0)]
    _check_header(path, header, names, others)
    if not rows:
        raise messages.header_alone(path)
    for number, row in enumerate(rows, 1):
        if len(row) != len(header):
            raise messages.ragged_row(path, number, len(header), len(row))
    positions = {name: header.index(name) for name in names}
    return RawTable(header, {name: [row[at] for row in rows] for name, at in positions.items()})


def _csv_rows(path: Path) -> list[list[str]]:
    """All rows, header included, without the empty ones at the end."""
    csv.field_size_limit(_LONGEST_CELL)
    rows: list[list[str]] = []
    try:
        for row in csv.reader(io.StringIO(_text(path), newline=""), strict=True):
            rows.append(row)  # one by one: the rows so far say where a bad one stands
    except csv.Error:
        raise messages.open_quote(path, len(rows)) from None
    while rows and not rows[-1]:
        rows.pop()
    return rows


def _text(path: Path) -> str:
    content = path.read_bytes()
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise messages.not_utf8(path, line, error.start) from None
    nul = text.find("\0")
    if nul >= 0:
        raise messages.nul_in_line(path, text.count("\n", 0, nul) + 1)
    return text


def _read_parquet(path: Path, names: Sequence[str], others: bool) -> RawTable:
    from pyarrow import ArrowException
    from pyarrow.parquet import ParquetFile

    try:
        file = ParquetFile(path)
        header = [str(name) for name in file.schema_arrow.names]
    except (ArrowException, OSError, UnicodeDecodeError):
        raise messages.no_parquet(path) from None
    _check_header(path, header, names, others)
    if not file.metadata.num_rows:
        raise messages.no_rows(path)
    room = max(_EXPANSION * path.stat().st_size, _ALWAYS)
    taken = 0
    if sum(file.metadata.row_group(number).total_byte_size for number in range(file.num_row_groups)) > room:
        raise messages.too_large(path, _ALWAYS, _EXPANSION)
    columns: dict[str, list[str]] = {name: [] for name in names}
    for name in names:
        try:
            for batch in file.iter_batches(_ROWS, columns=[name]):
                cells = _parquet_cells(batch.column(name))
                taken += sum(map(len, cells)) + _CELL * len(cells)
                if taken > room:
                    raise messages.too_large(path, _ALWAYS, _EXPANSION)
                columns[name] += cells
        except (ArrowException, OSError, UnicodeDecodeError):
            raise messages.no_text(path, name) from None
        row = next((row for row, cell in enumerate(columns[name], 1) if "\0" in cell), None)
        if row:
            raise messages.nul_in_cell(path, row, name)
    return RawTable(header, columns)


def _parquet_cells(column: Any) -> list[str]:
    """The cells as a CSV file would hold them; a truth value stays true or false, which no label is."""
    from pyarrow import compute, string, types

    if types.is_floating(column.type):
        column = compute.if_else(compute.is_nan(column), None, column)
    return [cell or "" for cell in column.cast(string()).to_pylist()]
