"""Raw corpus files: cases, labels and submission formats as they come from outside, read and checked.

Columns are known by name, cases by uid. A message names the file, the row (1 = the first below the header) and the
column: by name if the codebook has the name, else by number (1 = the first). It never quotes what stands in a
cell, except a short number.
"""

import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, NamedTuple

import numpy as np
import pandas as pd
from pydantic import Field

from abstractor.base.messages import raw as messages
from abstractor.data.cases.codebook import Codebook, Variable
from abstractor.data.cases.prepared import NOT_CODED
from abstractor.data.raw.tables import read_table

CaseCount = Annotated[int, Field(ge=1)] | None
"""Size of a slice; None: all cases."""

_SHORT_NUMBER = re.compile(r"[+-]?[0-9]{1,4}(\.[0-9]{1,4})?")
"""A longer number may be somebody's; it is not quoted."""

_LONGEST_UID = 100
"""Characters. Predictions and submissions hold uids and travel, so a narrative that stands in their column must not."""

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


def read_features(path: Path, codebook: Codebook) -> pd.DataFrame:
    """Read and check the cases of a `.csv` or `.parquet` file.

    Other columns than `uid` and the narratives are ignored: an export has many, and no case needs refusing for them.
    A narrative loses its outer whitespace; line ends become `\\n` and characters NFC-composed, so that the same text
    makes the same tokens whichever system exported it. Nothing else changes.

    Returns:
        Index `uid` (str, sorted); one str column a narrative of the codebook, "" where a case has none.

    Raises:
        CorpusError: the file, a uid or a case breaks the rules of a raw corpus; says where and what to do.
    """
    return _features(path, codebook).sort_index()


def read_uids(path: Path) -> pd.Index:
    """The uids of a `.csv` or `.parquet` file, in its order; other columns are not read.

    Raises:
        CorpusError: the file or a uid breaks the rules of a raw corpus.
    """
    return _uids(path, read_table(path, ["uid"], others=True).columns["uid"])


def read_labels(path: Path, codebook: Codebook, uids: Sequence[str] | pd.Index) -> pd.DataFrame:
    """Read and check the labels of exactly the cases `uids`.

    A label is a code of its variable, `1` or `1.0`, or empty: not coded. Unlike features, labels with an unknown column
    are refused: it is a variable that the codebook forgot or misspelt, or a shifted row.

    Args:
        path: a `.csv` or `.parquet` file.
        codebook: gives the variables and their codes.
        uids: of all cases; one without labels is named by its place in this order (1 = the first).

    Returns:
        Index `uid` (str, sorted); one int16 column a variable: the code, or `NOT_CODED`.

    Raises:
        CorpusError: the file, a uid or a label breaks the rules of a raw corpus; says where and what to do.
    """
    columns = read_table(path, ["uid", *codebook.names], others=False).columns
    found = _uids(path, columns["uid"])
    _same_cases(path, found, pd.Index(uids))
    codes = {variable.name: _codes(path, variable, columns[variable.name]) for variable in codebook.variables}
    return pd.DataFrame(codes, index=found, dtype=np.int16).sort_index()


def read_training(features: Path, labels: Path, codebook: Codebook) -> Coded:
    """Read and check cases with their labels; every variable must be coded somewhere, or nothing could be learnt.

    Raises:
        CorpusError: as `read_features` and `read_labels`, or a variable without any label.
    """
    cases = _features(features, codebook)
    coded = Coded(cases.sort_index(), read_labels(labels, codebook, cases.index))
    for name in codebook.names:
        if (coded.labels[name] == NOT_CODED).all():
            raise messages.no_label(labels, name)
    return coded


def read_layout(path: Path, codebook: Codebook, uids: Sequence[str] | pd.Index) -> Layout:
    """Read and check the row and column order of a submission format; its cells are placeholders and not read.

    Args:
        path: a `.csv` or `.parquet` file.
        codebook: the file has `uid` and exactly its variables, in any order.
        uids: of the cases to submit; the file has exactly these, in any order.

    Raises:
        CorpusError: other columns or other uids.
    """
    table = read_table(path, ["uid", *codebook.names], others=False)
    found = _uids(path, table.columns["uid"])
    _same_cases(path, found, pd.Index(uids))
    return Layout(tuple(found), tuple(name for name in table.header if name != "uid"))


def _features(path: Path, codebook: Codebook) -> pd.DataFrame:
    """As `read_features`, in the order of the file."""
    columns = read_table(path, ["uid", *codebook.narratives], others=True).columns
    uids = _uids(path, columns["uid"])
    texts = {name: _texts(path, name, columns[name]) for name in codebook.narratives}
    frame = pd.DataFrame(texts, index=uids, dtype="str")
    empty = (frame == "").all(axis=1).to_numpy()
    if empty.any():
        raise messages.no_narrative(path, _first(empty), int(empty.sum()), list(codebook.narratives))
    return frame


def _texts(path: Path, name: str, column: Sequence[str]) -> list[str]:
    for row, text in enumerate(column, 1):
        if not text.isascii() and _overloaded(text):
            raise messages.too_many_marks(path, row, name)
    lines = (text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text for text in column)
    return [unicodedata.normalize("NFC", text).strip() for text in lines]


def _overloaded(text: str) -> bool:
    """Whether putting the marks of a character in order, as NFC does, would take the square of their number."""
    return any(sum(map(bool, map(unicodedata.combining, run))) > 30 for run in _RUN_OF_MARKS.findall(text))


def _uids(path: Path, column: Sequence[str]) -> pd.Index:
    uids = [uid.strip() for uid in column]
    for row, uid in enumerate(uids, 1):
        if not uid:
            raise messages.empty_uid(path, row)
        if not uid.isprintable():
            raise messages.unprintable_uid(path, row)
        if len(uid) > _LONGEST_UID:
            raise messages.long_uid(path, row, _LONGEST_UID, len(uid))
        if _FORMULA.match(uid):
            raise messages.computed_uid(path, row)
    index = pd.Index(uids, name="uid", dtype="str")
    repeated = index.duplicated()
    if repeated.any():
        row = _first(repeated)
        raise messages.repeated_uid(path, row, uids.index(uids[row - 1]) + 1, int(repeated.sum()))
    return index


def _same_cases(path: Path, found: pd.Index, cases: pd.Index) -> None:
    # `isin` takes a second for 100,000 strings, an index is quick.
    unknown, missing = cases.get_indexer(found) < 0, found.get_indexer(cases) < 0
    if unknown.any():
        raise messages.unknown_uid(path, _first(unknown), int(unknown.sum()), len(found))
    if missing.any():
        raise messages.missing_cases(path, int(missing.sum()), len(cases), _first(missing))


def _codes(path: Path, variable: Variable, column: Sequence[str]) -> list[int]:
    """The code of each label; pandas writes `1.0` for 1 where a column has gaps."""
    known = {"": NOT_CODED} | {f"{code}{end}": code for code in variable.codes for end in ("", ".0")}
    codes = []
    for row, label in enumerate(column, 1):
        code = known.get(label.strip())
        if code is None:
            number = _SHORT_NUMBER.fullmatch(label.strip())
            found = number.group() if number else f"a text of {len(label)} characters"
            raise messages.other_code(path, row, variable.name, variable.codes, found)
        codes.append(code)
    return codes


def _first(mask: np.ndarray) -> int:
    """Row number of the first true value."""
    return int(mask.argmax()) + 1
