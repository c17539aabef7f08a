"""Drafts a codebook from one table, and parts the table into what an import reads."""

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd
from ruamel.yaml import YAML

from abstractor.base.files import replaced
from abstractor.base.messages import raw as messages
from abstractor.base.messages import raw_notes as notes
from abstractor.data.cases import codebook as codebooks
from abstractor.data.cases.codebook import MAX_CODES, RESERVED
from abstractor.data.install import TODO, check_name
from abstractor.data.raw.cases import is_mark, read_uids
from abstractor.data.raw.tables import read_table
from abstractor.data.targets import write_csv

_NARRATIVES = 2
"""The most that a codebook has."""
_LONG = 40
"""Characters that the filled cells of a narrative have at least, on average."""
_CODE = re.compile(r"([0-9]{1,3})(?:\.0+)?")


class Draft(NamedTuple):
    """What was drafted."""

    training: int
    """Cases with a label."""
    new: int
    """Cases without any."""
    narratives: list[str]
    binary: int
    categorical: int
    """Variables of either kind."""
    left_out: list[int]
    """Numbers of the columns that are neither narratives nor codes, 1 = the first."""
    told: list[str]
    """Whatever was not taken as it stands, a line each."""


def draft(name: str, source: Path, out: Path) -> Draft:
    """Draft a codebook from a table of cases with their labels and part the table into features and labels.

    A column of 0 and 1 becomes a binary variable, one of 2 to 26 whole numbers that repeat a categorical one, the
    one or two of the longest texts narratives. Rows without any label become new cases.

    Args:
        name: of the corpus.
        source: the table; `raw.tables.read_table` says of which formats.
        out: the folder to make.

    Raises:
        CorpusError: the name or the table breaks the rules, `out` is there, or nothing looks like a text or a code.
        CodebookError: a column has a name that no variable may have.
    """
    check_name(name)
    if out.exists():
        raise messages.draft_there(out)
    told: list[str] = []
    uids, header = read_uids(source, told), read_table(source, ["uid"], others=True).header
    table = read_table(source, [column for column in dict.fromkeys(header) if column], others=True, told=told)
    columns = {name: _cells(source, name, cells, told) for name, cells in table.columns.items() if name != "uid"}
    codes = {name: found for name, cells in columns.items() if (found := _codes(cells))}
    lengths = {name: _mean_length(cells) for name, cells in columns.items() if name not in codes}
    texts = [name for name in sorted(lengths, key=lambda name: -lengths[name]) if lengths[name] >= _LONG][:_NARRATIVES]
    narratives = [name for name in columns if name in texts]
    if not narratives or not codes:
        raise messages.nothing_to_draft(source, bool(narratives))
    plain = _plain_names([*narratives, *codes])
    told += [notes.reserved(source, column, plain[column]) for column in plain if column in RESERVED]
    variables = [_variable(plain[name], found) for name, found in codes.items()]
    coded = [row for row in range(len(uids)) if any(found[row] for found in codes.values())]
    rest = sorted(set(range(len(uids))) - set(coded))
    book = {"dataset": name, "unit": TODO, "narratives": {plain[text]: TODO for text in narratives}}
    with replaced(out) as partial:
        partial.mkdir()
        _write_codebook(partial / "codebook.yaml", book | {"variables": variables})
        codebooks.load(partial / "codebook.yaml")
        _write(partial / "train_features.csv", uids, coded, {plain[name]: columns[name] for name in narratives})
        _write(partial / "train_labels.csv", uids, coded, {plain[name]: found for name, found in codes.items()})
        if rest:
            _write(partial / "test_features.csv", uids, rest, {plain[name]: columns[name] for name in narratives})
    binary = sum(variable["kind"] == "binary" for variable in variables)
    taken = {"uid", *narratives, *codes}
    left_out = [number for number, column in enumerate(table.header, 1) if column not in taken]
    return Draft(len(coded), len(rest), [plain[n] for n in narratives], binary, len(codes) - binary, left_out, told)


def _cells(source: Path, name: str, cells: Sequence[str], told: list[str]) -> list[str]:
    """The cells with those emptied that hold a mark of a missing value."""
    found = [cell.strip() for cell in cells]
    marks = Counter(filter(is_mark, found))
    if marks:
        told.append(notes.marks(source, name, marks))
    return ["" if cell in marks else cell for cell in found]


def _codes(cells: Sequence[str]) -> list[str] | None:
    """The cells as codes if all that are filled are, of 2 to 26 kinds, most of them more than once; else None."""
    matches = [_CODE.fullmatch(cell) if cell else None for cell in cells]
    if any(cell and not match for cell, match in zip(cells, matches, strict=True)):
        return None
    codes = [str(int(match[1])) if match else "" for match in matches]
    counts = Counter(filter(None, codes))
    few = set(counts) <= {"0", "1"} or 2 * len(counts) <= counts.total()
    return codes if 2 <= len(counts) <= MAX_CODES and few else None


def _mean_length(cells: Sequence[str]) -> float:
    filled = [len(cell) for cell in cells if cell]
    return sum(filled) / len(filled) if filled else 0


def _plain_names(columns: Sequence[str]) -> dict[str, str]:
    """A name that a codebook takes for each column, and no name twice."""
    names: dict[str, str] = {}
    for column in columns:
        name = re.sub(r"[^A-Za-z0-9]+", "_", column).strip("_") or "column"
        name = name if name[0].isalpha() else f"v_{name}"
        while name in names.values() or name in RESERVED:
            name += "_"
        names[column] = name
    return names


def _variable(name: str, codes: Sequence[str]) -> dict[str, object]:
    counts = Counter(filter(None, codes))
    if set(counts) == {"0", "1"}:
        # No share: the codebook is committed, and an exact one would tell how many cases it is of.
        return {"name": name, "kind": "binary", "definition": TODO}
    values = {code: TODO for code in sorted(map(int, counts))}
    return {"name": name, "kind": "categorical", "definition": TODO, "values": values}


def _write_codebook(path: Path, book: dict[str, object]) -> None:
    yaml = YAML()
    yaml.default_flow_style = False
    with path.open("w", encoding="utf-8") as file:
        file.write(f"# A draft: write what every {TODO} stands for, and remove what is no variable.\n")
        yaml.dump(book, file)


def _write(path: Path, uids: pd.Index, rows: Sequence[int], columns: dict[str, list[str]]) -> None:
    write_csv(path, ["uid", *columns], ([uids[row], *(cells[row] for cells in columns.values())] for row in rows))
