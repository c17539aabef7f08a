"""The prepared corpus: checked cases and labels as `prepare` leaves them, for every stage behind it.

What comes from outside is read and checked by `raw`. The two are apart because every stage depends on this
module, and a better check of a raw file must not retrain a model.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from abstractor.codebook import Codebook
from abstractor.errors import UserError
from abstractor.files import replaced

NOT_CODED = -1
"""Stands for an empty label: the coder did not code this variable; masked out of loss and score."""


class CorpusError(UserError):
    """Cases or labels are missing, unreadable or not what the codebook says."""


def write_cases(path: Path, codebook: Codebook, cases: pd.DataFrame) -> None:
    """Write cases (index `uid`, narrative columns) sorted by uid, whole or not at all."""
    _write(path, cases[list(codebook.narratives)])


def write_labels(path: Path, codebook: Codebook, labels: pd.DataFrame) -> None:
    """Write labels (index `uid`, one column a variable) sorted by uid as int16, whole or not at all."""
    _write(path, labels[list(codebook.names)].astype(np.int16))


def read_prepared_cases(path: Path, codebook: Codebook) -> pd.DataFrame:
    """Read what `write_cases` wrote.

    Returns:
        Index `uid` (str, sorted); one str column a narrative of the codebook, "" where a case has none.

    Raises:
        CorpusError: the file is missing, unreadable or made with another codebook.
    """
    return _read(path, list(codebook.narratives))


def read_prepared_labels(path: Path, codebook: Codebook) -> pd.DataFrame:
    """Read what `write_labels` wrote.

    Returns:
        Index `uid` (str, sorted); one int16 column a variable: the code, or `NOT_CODED`.

    Raises:
        CorpusError: the file is missing, unreadable or made with another codebook.
    """
    return _read(path, list(codebook.names))


def _write(path: Path, frame: pd.DataFrame) -> None:
    with replaced(path) as partial:
        frame.sort_index().rename_axis("uid").reset_index().to_parquet(partial, index=False)


def _read(path: Path, columns: list[str]) -> pd.DataFrame:
    if not path.is_file():
        raise CorpusError(f"{path} is missing; make it with `dvc repro {path}`")
    try:
        frame = pd.read_parquet(path)
    except (OSError, ValueError):  # the parser's own message may quote the file
        raise CorpusError(f"{path} cannot be read as Parquet; make it again with `dvc repro -f {path}`") from None
    if list(frame.columns) != ["uid", *columns]:
        raise CorpusError(f"{path} has other columns than the codebook; make it again with `dvc repro {path}`")
    return frame.set_index("uid")
