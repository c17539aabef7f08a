"""Raw corpus files: cases, labels and submission formats as they come from outside, read and checked.

Columns are known by name, cases by uid. A message names the file, the row (1 = the first below the header) and the
column: by name if the codebook has the name, else by number (1 = the first). It never quotes what stands in a
cell, except a short number.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, NamedTuple

import numpy as np
import pandas as pd
from pydantic import Field

from abstractor.base.messages import raw as messages
from abstractor.base.messages import raw_notes as notes
from abstractor.data.cases.codebook import Codebook, Variable
from abstractor.data.cases.prepared import NOT_CODED
from abstractor.data.raw.problems import Problems
from abstractor.data.raw.tables import RawTable, read_table

CaseCount = Annotated[int, Field(ge=1)] | None
"""Size of a slice; None: all cases."""

_CODE = re.compile(r"0*([0-9]{1,3})(?:\.0*)?")
_SHORT_NUMBER = re.compile(r"[+-]?[0-9]{1,4}(\.[0-9]{1,4})?")
"""A longer number may be somebody's; it is not quoted."""

_LONGEST_UID = 100
"""Characters. Predictions and submissions hold uids and travel, so a narrative that stands in their column must not."""

_NUMBERS = ("nan", "-nan", "1.#ind", "-1.#ind", "1.#qnan", "-1.#qnan")
_WORDS = ("na", "n/a", "n.a.", "#na", "#n/a", "#n/a n/a", "<na>", "nat", "null", "(null)", "none", "#null!")
MARKS = frozenset((*_NUMBERS, *_WORDS, "\\n", ".", "-", "--"))
"""Whole cells, in small letters, that R, SQL, SAS, SPSS, spreadsheets and pandas write where there is nothing."""

_UNSEEN = '"\u200b\ufeff'
"""Around a mark, or alone in a cell: quotes of a cell quoted twice, and characters without width."""
_LOST = re.compile(r"#{3,}|#[^\s#]{2,14}[?!]")
"""What a spreadsheet writes in place of a cell that it could not compute or show, in any language."""
_LONGEST_MARK = max(map(len, MARKS)) + 4
_SHORT = 100
"""Characters. Longer cells are neither marks nor lost ones."""
_WHOLE_FLOAT = re.compile(r"([+-]?(?:0|[1-9][0-9]*))\.0+")
"""A whole number as pandas writes it in a column with gaps."""
_SCIENTIFIC = re.compile(r"[+-]?[0-9](?:[.,][0-9]+)?[eE]\+[0-9]+")
"""A large number as spreadsheets, pandas and R shorten it: digits are gone."""
_EXACT = 2**53
"""The largest number up to which floats hold every whole number."""

_FORMULA = re.compile(r"[=+@-](?![0-9]+(\.[0-9]+)?$)")
"""How a cell begins that a spreadsheet computes; a number with its sign is none."""

_RUN_OF_MARKS = re.compile(r"[^\w\s\x00-\u02ff]{31,}")
"""Where more than 30 combining marks may follow each other: a fast look before a slow one."""


class Coded(NamedTuple):
    """Cases with their labels."""

    cases: pd.DataFrame
    """Index `uid` (sorted); str narrative columns."""
    labels: pd.DataFrame
    """The same index; int16 columns, `NOT_CODED` where empty."""


class Layout(NamedTuple):
    """The order of a submission's rows and columns."""

    uids: tuple[str, ...]
    variables: tuple[str, ...]


def read_features(path: Path, codebook: Codebook, told: list[str] | None = None) -> pd.DataFrame:
    """Read and check the cases of a table.

    Other columns than `uid` and the narratives are ignored: an export has many, and no case needs refusing for them.
    A narrative loses its outer whitespace; line ends become `\\n` and characters NFC-composed, so that the same text
    makes the same tokens whichever system exported it; one of `MARKS` is no narrative. Nothing else changes.

    Args:
        path: the file; `tables.read_table` says of which formats.
        codebook: gives the narratives.
        told: takes a line about whatever was not taken as it stands.

    Returns:
        Index `uid` (str, sorted); one str column a narrative of the codebook, "" where a case has none.

    Raises:
        CorpusError: the file, uids or cases break the rules of a raw corpus; says where and what to do.
    """
    return _features(path, codebook, told).sort_index()


def read_uids(path: Path, told: list[str] | None = None) -> pd.Index:
    """The uids of a table, in its order; other columns are not read.

    Raises:
        CorpusError: the file or a uid breaks the rules of a raw corpus.
    """
    return _uids(path, read_table(path, ["uid"], others=True), _list(told))


def read_labels(
    path: Path, codebook: Codebook, uids: Sequence[str] | pd.Index, told: list[str] | None = None
) -> pd.DataFrame:
    """Read and check the labels of exactly the cases `uids`.

    A label is a code of its variable, `1` or `1.0`, or empty, as one of `MARKS` is too: not coded. Unlike features,
    labels with an unknown column are refused: it is a variable that the codebook forgot or misspelt, or a shifted row.

    Args:
        path: the file; `tables.read_table` says of which formats.
        codebook: gives the variables and their codes.
        uids: of all cases; one without labels is named by its place in this order (1 = the first).
        told: takes a line about whatever was not taken as it stands.

    Returns:
        Index `uid` (str, sorted); one int16 column a variable: the code, or `NOT_CODED`.

    Raises:
        CorpusError: the file, uids or labels break the rules of a raw corpus; says where and what to do.
    """
    table, told = read_table(path, ["uid", *codebook.names], others=False, told=told), _list(told)
    problems = Problems()
    with problems.gathered():
        found = _uids(path, table, told)
        _same_cases(path, table, found, pd.Index(uids))
    codes = {}
    for variable in codebook.variables:
        with problems.gathered():
            codes[variable.name] = _codes(path, variable, table, told)
    problems.settle()
    return pd.DataFrame(codes, index=found, dtype=np.int16).sort_index()


def read_training(features: Path, labels: Path, codebook: Codebook, told: list[str] | None = None) -> Coded:
    """Read and check cases with their labels; every variable must be coded somewhere, or nothing could be learnt.

    Raises:
        CorpusError: as `read_features` and `read_labels`, or a variable without any label.
    """
    problems = Problems()
    with problems.gathered():
        cases = _features(features, codebook, told)
    with problems.gathered():
        # Where the features are refused, the labels are checked against their own cases.
        coded = read_labels(labels, codebook, read_uids(labels) if problems else cases.index, told)
        for name in codebook.names:
            if (coded[name] == NOT_CODED).all():
                raise messages.no_label(labels, name)
    problems.settle()
    return Coded(cases.sort_index(), coded)


def read_layout(path: Path, codebook: Codebook, uids: Sequence[str] | pd.Index) -> Layout:
    """Read and check the row and column order of a submission format; its cells are placeholders and not read.

    Args:
        path: the file; `tables.read_table` says of which formats.
        codebook: the file has `uid` and exactly its variables, in any order.
        uids: of the cases to submit; the file has exactly these, in any order.

    Raises:
        CorpusError: other columns or other uids.
    """
    table = read_table(path, ["uid", *codebook.names], others=False)
    found = _uids(path, table, [])
    _same_cases(path, table, found, pd.Index(uids))
    return Layout(tuple(found), tuple(name for name in table.header if name != "uid"))


def _features(path: Path, codebook: Codebook, told: list[str] | None) -> pd.DataFrame:
    """As `read_features`, in the order of the file."""
    table, told = read_table(path, ["uid", *codebook.narratives], others=True, told=told), _list(told)
    problems = Problems()
    with problems.gathered():
        uids = _uids(path, table, told)
    texts = {}
    for name in codebook.narratives:
        with problems.gathered():
            texts[name] = _texts(path, name, table, told)
    problems.settle()
    frame = pd.DataFrame(texts, index=uids, dtype="str")
    empty = (frame == "").all(axis=1).to_numpy()
    if empty.any():
        raise messages.no_narrative(path, _first(table, empty), int(empty.sum()), list(codebook.narratives))
    return frame


def _list(told: list[str] | None) -> list[str]:
    return [] if told is None else told


def _texts(path: Path, name: str, table: RawTable, told: list[str]) -> list[str]:
    column = table.columns[name]
    for row, text in zip(table.rows, column, strict=True):
        if not text.isascii() and _overloaded(text):
            raise messages.too_many_marks(path, row, name)
    lines = (text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text for text in column)
    texts = [unicodedata.normalize("NFC", text).strip() for text in lines]
    short = [(row, text) for row, text in zip(table.rows, texts, strict=True) if len(text) <= _SHORT]
    marks = Counter(text for _, text in short if is_mark(text))
    for row, text in short:
        if text not in marks and _LOST.fullmatch(text):
            raise messages.lost_cell(path, row, name)
    if not marks:
        return texts
    told.append(notes.marks(path, name, marks))
    return ["" if text in marks else text for text in texts]


def is_mark(text: str) -> bool:
    """Whether a cell, without blanks around it, is filled and says that there is nothing."""
    if not text or len(text) > _LONGEST_MARK:
        return False
    bare = text.strip(_UNSEEN).lower()
    return not bare or bare in MARKS


def _overloaded(text: str) -> bool:
    """Whether putting the marks of a character in order, as NFC does, would take the square of their number."""
    return any(sum(map(bool, map(unicodedata.combining, run))) > 30 for run in _RUN_OF_MARKS.findall(text))


def _uids(path: Path, table: RawTable, told: list[str]) -> pd.Index:
    uids = _whole(path, table, [uid.strip() for uid in table.columns["uid"]], told)
    for row, uid in zip(table.rows, uids, strict=True):
        if not uid or is_mark(uid):
            raise messages.empty_uid(path, row)
        if _LOST.fullmatch(uid):
            raise messages.lost_cell(path, row, "uid")
        if not uid.isprintable():
            raise messages.unprintable_uid(path, row)
        if len(uid) > _LONGEST_UID:
            raise messages.long_uid(path, row, _LONGEST_UID, len(uid))
        if _FORMULA.match(uid):
            raise messages.computed_uid(path, row)
        if "+" in uid and _SCIENTIFIC.fullmatch(uid):
            raise messages.inexact_uid(path, row)
    index = pd.Index(uids, name="uid", dtype="str")
    repeated = index.duplicated()
    if repeated.any():
        at = int(repeated.argmax())
        first = table.rows[uids.index(uids[at])]
        raise messages.repeated_uid(path, table.rows[at], first, int(repeated.sum()))
    return index


def _whole(path: Path, table: RawTable, uids: list[str], told: list[str]) -> list[str]:
    """Uids as whole numbers if every one is such a number with .0 behind it: pandas' floats."""
    numbers = []
    for row, uid in zip(table.rows, uids, strict=True):
        number = _WHOLE_FLOAT.fullmatch(uid)
        if not number:
            return uids
        if len(uid) > _LONGEST_UID or abs(int(number[1])) > _EXACT:
            raise messages.inexact_uid(path, row)
        numbers.append(number[1])
    told.append(notes.whole_uids(path))
    return numbers


def _same_cases(path: Path, table: RawTable, found: pd.Index, cases: pd.Index) -> None:
    # `isin` takes a second for 100,000 strings, an index is quick.
    unknown, missing = cases.get_indexer(found) < 0, found.get_indexer(cases) < 0
    if unknown.all():
        raise messages.no_known_uid(path, len(found))
    if unknown.any():
        raise messages.unknown_uid(path, _first(table, unknown), int(unknown.sum()), len(found))
    if missing.any():
        raise messages.missing_cases(path, int(missing.sum()), len(cases), int(missing.argmax()) + 1)


def _codes(path: Path, variable: Variable, table: RawTable, told: list[str]) -> list[int]:
    """The code of each label; others write 1 as `1.0` where a column has gaps, as `1.00` or as `01`."""
    column, marks = table.columns[variable.name], Counter[str]()
    codes = {}
    for cell, count in Counter(column).items():  # in the order of their first rows
        label = cell.strip()
        code = int(number[1]) if (number := _CODE.fullmatch(label)) else NOT_CODED
        if not number and is_mark(label):
            marks[label] += count
        elif label and code not in variable.values:
            row = table.rows[column.index(cell)]
            raise messages.other_code(path, row, variable.name, variable.codes, _described(label))
        codes[cell] = code
    if marks:
        told.append(notes.marks(path, variable.name, marks))
    return [codes[cell] for cell in column]


def _described(label: str) -> str:
    if label.lower() in ("true", "false"):
        return "a truth value (write 1 and 0)"
    return label if _SHORT_NUMBER.fullmatch(label) else f"a text of {len(label)} characters"


def _first(table: RawTable, mask: np.ndarray) -> int:
    """Row number of the first true value."""
    return table.rows[int(mask.argmax())]
