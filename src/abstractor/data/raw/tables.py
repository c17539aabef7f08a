"""CSV and Parquet files as columns of text, or a clear refusal that quotes no cell.

The parsers of pandas and pyarrow quote what they choke on, mend ragged rows and rename repeated columns; a case must
neither leak nor change, so CSV goes through the strict parser of the standard library.
"""

import codecs
import csv
import io
import math
import re
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from abstractor.base.messages import raw as messages
from abstractor.base.messages import raw_notes as notes

_SEPARATED = (".csv", ".tsv", ".txt")
"""Suffixes of files whose cells stand between delimiters; the header tells which."""
_DELIMITERS = ",\t;|"
_NAMELESS = re.compile(r"|Unnamed: [0-9]+|__index_level_[0-9]+__")
"""Names of columns without a name, as spreadsheets and pandas leave them."""
_SEP_LINE = re.compile(r'"?sep=.?"?\r?\n', re.IGNORECASE)
"""A first line that tells a spreadsheet its delimiter."""
_LONGEST_CELL = 2**31 - 1
"""Characters. The CSV parser's default of 131,072 would refuse a long narrative."""
_EXPANSION, _ALWAYS = 100, 2 * 2**30
"""Of a Parquet file, how many times its size the cells may take in memory, and how many bytes they always may: a few
kilobytes of Parquet can stand for terabytes of text."""
_CELL = 50
"""Bytes of a cell in memory beside its characters."""
_LONGEST_NAME = 200
"""Characters of a cell in which the name of a column is looked for."""
_ROWS = 100
"""Of a Parquet file, decoded at a time."""


class RawTable(NamedTuple):
    """A file's header and the cells of the columns that were asked for."""

    header: list[str]
    """Columns that were asked for stand under the names asked for; those that say nothing are left out."""
    columns: dict[str, list[str]]
    """Column -> its cells, "" where empty; at least one row."""
    rows: Sequence[int]
    """Number of each row in the file, 1 = the first below the header: blank rows and repeated headers are left out."""


def suffixed(path: Path) -> bool:
    """Whether the file's name ends as one that can be read, in small letters or capitals."""
    return path.suffix.lower() in (*_SEPARATED, ".parquet")


def read_table(path: Path, names: Sequence[str], *, others: bool, told: list[str] | None = None) -> RawTable:
    """Read the columns `names` of a Parquet file or of one with commas, tabs, semicolons or bars between its cells.

    A column whose name differs from the one asked for in capitals, blanks or punctuation alone is taken for it, and
    `id` for `uid`, where no other could be meant.

    Args:
        path: the file.
        names: the columns it must have, in any order.
        others: whether it may have other columns too.
        told: takes a line about whatever was not taken as it stands.

    Raises:
        CorpusError: no such file, unreadable, no rows, a column missing, repeated or (without `others`) unknown.
    """
    told = [] if told is None else told
    if not path.is_file():
        raise messages.no_file(path, names)
    if not suffixed(path):
        raise messages.other_format(path)
    read = _read_parquet if path.suffix.lower() == ".parquet" else _read_csv
    return read(path, names, others, told)


def _renamed(path: Path, header: list[str], names: Sequence[str], told: list[str]) -> list[str]:
    """The header with the names asked for where one column alone can be meant."""
    header, asked = list(header), Counter(map(column_key, names))
    free: dict[str, list[int]] = {}
    for at, name in enumerate(header):
        if name not in names:
            free.setdefault(column_key(name), []).append(at)
    for name in set(names) - set(header):
        keys = [column_key(name), "id"] if name == "uid" else [column_key(name)]
        places = next((free[key] for key in keys if key in free), [])
        if len(places) == 1 and asked[column_key(name)] == 1:
            header[places[0]] = name
            told.append(notes.renamed(path, places[0] + 1, name))
    return header


def column_key(name: str) -> str:
    """What columns have in common that differ in capitals, blanks or punctuation alone."""
    return re.sub(r"[\W_]+", "", name).casefold()


def _check_names(path: Path, header: list[str], names: Sequence[str]) -> None:
    """Refuse columns that are missing or stand twice."""
    places: dict[str, int] = {}
    for number, name in enumerate(header, 1):
        first = places.setdefault(name, number)
        if first < number and name in names:
            raise messages.repeated_column(path, name, first, number)
    missing = [name for name in names if name not in header]
    if missing:
        raise messages.missing_columns(path, missing, len(header))


def _check_rest(
    path: Path,
    header: list[str],
    names: Sequence[str],
    others: bool,
    cells: Callable[[int], list[str]],
    told: list[str],
) -> None:
    """Refuse columns that are unknown, or have cells and no name; `cells` gives those of a column by its place."""
    unknown = [at for at, name in enumerate(header) if name not in names]
    spare = [at for at in unknown if _NAMELESS.fullmatch(header[at])]
    for at in spare:
        # An index that pandas names in Parquet moves no cell, whatever it holds.
        if not (others and header[at].startswith("__")) and not _says_nothing(cells(at)):
            raise messages.nameless_column(path, at + 1)
    if others:
        return
    if spare:
        told.append(notes.nameless(path, len(spare)))
    unknown = [at for at in unknown if at not in spare]
    if unknown:
        raise messages.unknown_columns(path, unknown[0] + 1, len(header[unknown[0]]), len(unknown))


def _known(header: list[str], names: Sequence[str], others: bool) -> list[str]:
    return header if others else [name for name in header if name in names]


def _says_nothing(cells: list[str]) -> bool:
    """Whether they are all empty, as spreadsheets add columns, or count the rows, as pandas and R do."""
    found = [cell.strip() for cell in cells]
    return not any(found) or any(found == [str(start + row) for row in range(len(found))] for start in (0, 1))


def _read_csv(path: Path, names: Sequence[str], others: bool, told: list[str]) -> RawTable:
    rows = _csv_rows(path, names)
    if not rows:
        raise messages.empty_file(path)
    above = next(at for at, row in enumerate(rows) if not _blank(row))
    header = _renamed(path, [name.strip() for name in rows[above]], names, told)
    _check_names(path, header, names)
    kept, numbers, dropped = _cases(path, rows[above:])

    def cells(at: int) -> list[str]:
        return [row[at] for row in kept]

    _check_rest(path, header, names, others, cells, told)
    if not kept:
        raise messages.header_alone(path)
    told += dropped
    return RawTable(_known(header, names, others), {name: cells(header.index(name)) for name in names}, numbers)


def _cases(path: Path, rows: list[list[str]]) -> tuple[list[list[str]], Sequence[int], list[str]]:
    """The rows below the header, their numbers, and what to tell of those left out."""
    header = [name.strip() for name in rows[0]]
    width, named = len(header), len(header)
    while named and not header[named - 1]:
        named -= 1
    keys = {"id", *filter(None, map(column_key, header))}
    kept, numbers, blank, repeated = [], [], 0, 0
    if len(rows[-1]) == width + 1:
        below = [row for row in rows[1:] if not _blank(row)]
        if all(len(row) == width + 1 for row in below) and _says_nothing([row[0] for row in below]):
            raise messages.row_names(path, width)
    # Most rows are seen by their first character to be no header.
    initials = {name[0] for name in keys}
    for number, row in enumerate(rows[1:], 1):
        first = row[0].strip() if row else ""
        if not first and _blank(row):
            blank += 1
            continue
        if first == header[0] and [cell.strip() for cell in row] == header:
            repeated += 1
            continue
        if (not first[:1].isalnum() or first[0].lower() in initials) and _is_header(row, keys):
            raise messages.other_header(path, number)
        # Spreadsheets leave out some of the empty cells at the end.
        if named <= len(row) < width and _blank(row[named:]):
            row = row + [""] * (width - len(row))
        if len(row) != width:
            raise messages.ragged_row(path, number, width, len(row))
        kept.append(row)
        numbers.append(number)
    return kept, numbers, [notes.left_out(path, blank, repeated)] if blank or repeated else []


def _is_header(row: list[str], keys: set[str]) -> bool:
    """Whether most of the columns' names stand in the row, in any order: tables were put below one another."""
    filled = (cell for cell in row if cell.strip())
    if column_key(next(filled, "")[:_LONGEST_NAME]) not in keys:
        return False
    found = keys & {column_key(cell[:_LONGEST_NAME]) for cell in row}
    return len(found) > 1 and 2 * len(found) >= len(keys)


def _blank(row: list[str]) -> bool:
    return not any(cell.strip() for cell in row)


def _delimiter(text: str, names: Sequence[str]) -> str:
    """What stands between the cells: of the first line, what parts it into most of the columns asked for."""
    line, wanted = text.lstrip().partition("\n")[0], {"id", *map(column_key, names)}
    parted = {mark: {column_key(name.strip(' \r"')) for name in line.split(mark)} for mark in _DELIMITERS}
    return max(_DELIMITERS, key=lambda mark: len(parted[mark] & wanted))


def _csv_rows(path: Path, names: Sequence[str]) -> list[list[str]]:
    """All rows, header included, without the blank ones at the end."""
    csv.field_size_limit(_LONGEST_CELL)
    text = _text(path)
    text = text[match.end() :] if (match := _SEP_LINE.match(text)) else text
    rows: list[list[str]] = []
    try:
        for row in csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text, names), strict=True):
            rows.append(row)  # one by one: the rows so far say where a bad one stands
    except csv.Error:
        raise messages.open_quote(path, len(rows)) from None
    while rows and _blank(rows[-1]):
        rows.pop()
    return rows


def _text(path: Path) -> str:
    content = path.read_bytes()
    utf16 = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))  # a spreadsheet's "Unicode text"
    try:
        text = content.decode("utf-16" if utf16 else "utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise messages.not_utf8(path, line, error.start) from None
    nul = text.find("\0")
    if nul >= 0:
        raise messages.nul_in_line(path, text.count("\n", 0, nul) + 1)
    return text


def _read_parquet(path: Path, names: Sequence[str], others: bool, told: list[str]) -> RawTable:
    from pyarrow import ArrowException
    from pyarrow.parquet import ParquetFile

    try:
        file = ParquetFile(path)
        stored = [str(name) for name in file.schema_arrow.names]
    except (ArrowException, OSError, UnicodeDecodeError):
        raise messages.no_parquet(path) from None
    header = _renamed(path, stored, names, told)
    room = max(_EXPANSION * path.stat().st_size, _ALWAYS)
    taken = 0

    def cells(at: int) -> list[str]:
        nonlocal taken
        found: list[str] = []
        # The name of an unknown column may be a text of the table.
        name = header[at] if header[at] in names else None
        try:
            for batch in file.iter_batches(_ROWS, columns=[stored[at]]):
                part = _parquet_cells(path, name, len(found), batch.column(0))
                taken += sum(map(len, part)) + _CELL * len(part)
                if taken > room:
                    raise messages.too_large(path, _ALWAYS, _EXPANSION)
                found += part
        except (ArrowException, IndexError, OSError, UnicodeDecodeError):
            raise messages.no_text(path, name or f"number {at + 1}") from None
        row = next((row for row, cell in enumerate(found, 1) if "\0" in cell), None)
        if row:
            raise messages.nul_in_cell(path, row, name or f"number {at + 1}")
        return found

    if sum(file.metadata.row_group(number).total_byte_size for number in range(file.num_row_groups)) > room:
        raise messages.too_large(path, _ALWAYS, _EXPANSION)
    _check_names(path, header, names)
    _check_rest(path, header, names, others, cells, told)
    if not file.metadata.num_rows:
        raise messages.no_rows(path)
    columns = {name: cells(header.index(name)) for name in names}
    return RawTable(_known(header, names, others), columns, range(1, file.metadata.num_rows + 1))


def _parquet_cells(path: Path, name: str | None, before: int, column: Any) -> list[str]:
    """The cells as a CSV file would hold them; a truth value stays true or false, which no label is.

    A float that is a whole number is written as one, as long as its type holds every whole number of that size.
    """
    from pyarrow import string, types

    if not types.is_floating(column.type):
        return [cell or "" for cell in column.cast(string()).to_pylist()]
    exact = {16: 2**11, 32: 2**24, 64: 2**53}[column.type.bit_width]
    numbers = [None if number is None or math.isnan(number) else float(number) for number in column.to_pylist()]
    if name == "uid":
        for row, number in enumerate(numbers, before + 1):
            if number is not None and not (number.is_integer() and abs(number) <= exact):
                raise messages.inexact_uid(path, row)
    return [
        "" if number is None else str(int(number)) if number.is_integer() and abs(number) <= exact else str(number)
        for number in numbers
    ]
