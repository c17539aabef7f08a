"""The files of decisions: the submission in its asked-for format, and what every system decided."""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd
import pyarrow as pa

from abstractor.base.files import replaced
from abstractor.base.messages import scores as messages
from abstractor.data.cases import parquet
from abstractor.data.cases.codebook import Codebook
from abstractor.data.raw.cases import read_uids
from abstractor.data.raw.tables import read_table

_REFUSALS = parquet.Refusals(messages.missing_decisions, messages.no_decisions, messages.no_decisions)


def arranged(decisions: pd.DataFrame, codebook: Codebook, layout: Path) -> pd.DataFrame:
    """The decisions in the order of rows and columns of a submission format, which may list more cases.

    Raises:
        CorpusError: the format's columns are not `uid` and the codebook's variables, or it names a case twice.
        SubmissionError: the format lacks a case.
    """
    asked = read_table(layout, ["uid", *codebook.names], others=False)
    uids = [uid for uid in read_uids(layout) if uid in decisions.index]
    check_covered(layout, pd.Index(uids), decisions.index)
    return decisions.loc[uids, [name for name in asked.header if name != "uid"]]


def check_covered(path: Path, uids: pd.Index, needed: pd.Index) -> None:
    """Refuse a file of the new cases, whose uids are `uids`, that lacks one of those needed."""
    if lacking := len(needed.difference(uids)):
        raise messages.uncovered(path, len(needed), lacking)


def write(path: Path, decisions: pd.DataFrame) -> None:
    """Write a submission: `uid` and integer columns, in the order given, whole or not at all."""
    with replaced(path) as partial:
        decisions.to_csv(partial, index_label="uid", lineterminator="\n")


def read(path: Path, codebook: Codebook) -> pd.DataFrame:
    """Read a submission: index uid (sorted), int16 columns in codebook order.

    Raises:
        CorpusError: the file is missing, or its columns are not those of the codebook.
        SubmissionError: a cell is no code of its variable, or a uid stands twice.
    """
    columns = read_table(path, ["uid", *codebook.names], others=False).columns
    uids = pd.Index(columns["uid"], name="uid")
    if not uids.is_unique:
        raise messages.repeated_in_submission(path, int(uids.duplicated().sum()))
    decided = {}
    for variable in codebook.variables:
        codes = {str(code): code for code in variable.codes}
        try:
            decided[variable.name] = [codes[cell] for cell in columns[variable.name]]
        except KeyError:
            raise messages.no_code(path, variable.name) from None
    return pd.DataFrame(decided, index=uids, dtype="int16").sort_index()


def write_systems(path: Path, systems: Mapping[str, pd.DataFrame]) -> None:
    """Write what every system decided: columns `system`, `uid`, one int16 column a variable."""
    with replaced(path) as partial:
        pd.concat(systems, names=["system"]).reset_index().to_parquet(partial, index=False)


def read_systems(path: Path, codebook: Codebook) -> dict[str, pd.DataFrame]:
    """Read what `write_systems` wrote: system -> decisions on the variables of the codebook, in the order written.

    Raises:
        SubmissionError: the file is missing or holds something else.
    """
    columns = [(name, pa.int16()) for name in codebook.names]
    schema = pa.schema([("system", pa.string()), ("uid", pa.string()), *columns])
    frame = parquet.read(path, schema, _REFUSALS)
    if frame.isna().any(axis=None):
        raise messages.empty_decisions(path)
    groups = frame.groupby("system", sort=False)
    return {str(name): rows.drop(columns="system").set_index("uid") for name, rows in groups}
