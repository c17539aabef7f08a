"""What a model-fold learns from: one table of its coded cases and of the made ones, with a target for every column.

Everything that training reads of cases stands in this table, so that what a fold may not see is kept out in one place
(`rounds.assemble`).
"""

from pathlib import Path
from typing import NamedTuple

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from abstractor.base.files import replaced
from abstractor.base.messages import lessons as messages
from abstractor.data.cases import parquet
from abstractor.data.cases.codebook import Codebook

# No name of a codebook holds a space, so these can clash with none.
_MADE, _GROUP, _REWRITTEN = "is made", "copies of", "rewritten {}"
_REFUSALS = parquet.Refusals(messages.missing, messages.unreadable, messages.other_columns)


class Examples(NamedTuple):
    """Cases to learn from."""

    cases: pd.DataFrame
    """Index `uid` (sorted), str narratives."""
    targets: pd.DataFrame
    """The same index, float32 columns as `codebook.columns`; see `lessons.targets`."""
    rewritten: pd.DataFrame
    """Paraphrased narratives of some of the cases."""
    made: pd.Index
    """uids of the cases that a language model made up; the others are coded ones."""
    groups: pd.Series | None = None
    """uid -> group of at least the coded cases; None: each stands alone."""

    @classmethod
    def of_coded(cls, cases: pd.DataFrame, targets: pd.DataFrame, groups: pd.Series | None = None) -> "Examples":
        """Coded cases alone, none of them paraphrased."""
        return cls(cases, targets, cases.iloc[:0], cases.index[:0], groups)

    @property
    def coded(self) -> pd.Index:
        """uids of the cases that somebody coded."""
        return self.cases.index.difference(self.made)


def write(path: Path, codebook: Codebook, examples: Examples) -> None:
    """Write a training set sorted by uid, whole or not at all."""
    uids = examples.cases.index.sort_values()
    narratives = list(codebook.narratives)
    rewritten = examples.rewritten[narratives].reindex(uids).rename(columns=_REWRITTEN.format)
    parts = [examples.cases.loc[uids, narratives], rewritten, examples.targets.loc[uids]]
    frame = pd.concat(parts, axis=1).rename_axis("uid").reset_index()
    frame[_MADE] = frame["uid"].isin(examples.made)
    alone = frame["uid"]
    frame[_GROUP] = alone if examples.groups is None else alone.map(examples.groups).fillna(alone)
    with replaced(path) as partial:
        pq.write_table(pa.Table.from_pandas(frame, _schema(codebook), preserve_index=False), partial)


def read(path: Path, codebook: Codebook) -> Examples:
    """Read what `write` wrote.

    Raises:
        ExamplesError: the file is missing, unreadable or made with another codebook.
    """
    frame = parquet.read(path, _schema(codebook).names, _REFUSALS).set_index("uid")
    narratives = list(codebook.narratives)
    rewritten = frame[[_REWRITTEN.format(name) for name in narratives]].set_axis(narratives, axis=1).dropna()
    return Examples(
        frame[narratives], frame[list(codebook.columns)], rewritten, frame.index[frame[_MADE]], frame[_GROUP]
    )


def _schema(codebook: Codebook) -> pa.Schema:
    texts = [*codebook.narratives, *map(_REWRITTEN.format, codebook.narratives)]
    fields = [("uid", pa.string()), *((name, pa.string()) for name in texts)]
    fields += [(column, pa.float32()) for column in codebook.columns]
    return pa.schema([*fields, (_MADE, pa.bool_()), (_GROUP, pa.string())])
