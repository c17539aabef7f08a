"""The prepared corpus: checked cases and labels as `prepare` leaves them, for every stage behind it.

What comes from outside is read and checked in `data.raw`. The two are apart because every stage depends on this
module, and a better check of a raw file must not retrain a model.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from abstractor.base.files import replaced
from abstractor.base.messages import cases as messages
from abstractor.data.cases import parquet
from abstractor.data.cases.codebook import Codebook

NOT_CODED = -1
"""Stands for an empty label: the coder did not code this variable; masked out of loss and score."""

_ROW_GROUP = 2000
"""Cases written together: what a reader of parts must hold at least."""
_REFUSALS = parquet.Refusals(messages.missing, messages.unreadable, messages.other_columns)


def write_cases(path: Path, codebook: Codebook, cases: pd.DataFrame) -> None:
    """Write cases (index `uid`, narrative columns) sorted by uid, whole or not at all."""
    _write(path, cases[list(codebook.narratives)])


def write_labels(path: Path, codebook: Codebook, labels: pd.DataFrame) -> None:
    """Write labels (index `uid`, one column a variable) sorted by uid as int16, whole or not at all."""
    _write(path, labels[list(codebook.names)].astype(np.int16))


class PreparedCases:
    """What `write_cases` wrote, read part by part: a corpus of any size in the memory of one part."""

    def __init__(self, path: Path, codebook: Codebook) -> None:
        """Open the file.

        Raises:
            CorpusError: it is missing, unreadable or made with another codebook.
        """
        self._path, self._file = path, parquet.opened(path, ["uid", *codebook.narratives], _REFUSALS)

    def __len__(self) -> int:
        """Cases."""
        return int(self._file.metadata.num_rows)

    def parts(self, size: int, only: pd.Index | None = None) -> Iterator[pd.DataFrame]:
        """Cases in the order of their uids.

        Args:
            size: cases read at a time.
            only: uids to keep; None: all.

        Yields:
            As `read_prepared_cases`; never an empty part.
        """
        with _REFUSALS.parsing(self._path):
            for rows in parquet.frames(self._file, size):
                frame = rows.set_index("uid")
                kept = frame if only is None else frame[frame.index.isin(only)]
                if len(kept):
                    yield kept


def read_prepared_cases(path: Path, codebook: Codebook) -> pd.DataFrame:
    """Read what `write_cases` wrote.

    Returns:
        Index `uid` (str, sorted); one str column a narrative of the codebook, "" where a case has none.

    Raises:
        CorpusError: the file is missing, unreadable or made with another codebook.
    """
    return parquet.read(path, ["uid", *codebook.narratives], _REFUSALS).set_index("uid")


def read_prepared_labels(path: Path, codebook: Codebook) -> pd.DataFrame:
    """Read what `write_labels` wrote.

    Returns:
        Index `uid` (str, sorted); one int16 column a variable: the code, or `NOT_CODED`.

    Raises:
        CorpusError: the file is missing, unreadable or made with another codebook.
    """
    return parquet.read(path, ["uid", *codebook.names], _REFUSALS).set_index("uid")


def _write(path: Path, frame: pd.DataFrame) -> None:
    with replaced(path) as partial:
        table = frame.sort_index().rename_axis("uid").reset_index()
        table.to_parquet(partial, index=False, row_group_size=_ROW_GROUP)
