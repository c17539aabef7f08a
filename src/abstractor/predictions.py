"""The table that passes between stages: one row a case, sorted by uid, float32 probabilities in codebook order."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from abstractor.codebook import Codebook
from abstractor.errors import UserError
from abstractor.files import replaced


class PredictionsError(UserError):
    """A table of predictions is missing, incomplete or not made of probabilities."""


def table(codebook: Codebook, uids: Sequence[str], probabilities: np.ndarray) -> pd.DataFrame:
    """A checked predictions table.

    Args:
        codebook: gives the columns.
        uids: one a case, in any order.
        probabilities: (cases, columns), in the order of `uids` and `codebook.columns`.

    Returns:
        Index `uid` (sorted), float32 columns.

    Raises:
        PredictionsError: a uid stands twice, a value is no probability, or a categorical does not sum to 1.
    """
    frame = pd.DataFrame(
        probabilities.astype(np.float32), index=pd.Index(uids, name="uid"), columns=list(codebook.columns)
    )
    frame = frame.sort_index()
    check(codebook, frame, "predictions")
    return frame


def check(codebook: Codebook, frame: pd.DataFrame, name: str) -> None:
    """Refuse a table that is not what `table` makes; `name` stands in the message."""
    if list(frame.columns) != list(codebook.columns):
        raise PredictionsError(
            f"{name}: expected the columns of codebook {codebook.dataset}, found others; run its stage again"
        )
    if not frame.index.is_unique:
        raise PredictionsError(f"{name}: {int(frame.index.duplicated().sum())} uids stand twice")
    values = frame.to_numpy()
    if (
        values.dtype.kind != "f"
        or not np.isfinite(values).all()
        or values.min(initial=0.0) < 0
        or values.max(initial=0.0) > 1 + 1e-5
    ):
        raise PredictionsError(f"{name}: values outside 0 to 1 or not finite; the model that made them has diverged")
    for variable in codebook.variables:
        if variable.kind == "categorical":
            sums = frame[list(variable.columns)].sum(axis=1)
            if len(sums) and not np.allclose(sums, 1, atol=1e-3):
                raise PredictionsError(f"{name}: the probabilities of {variable.name} do not sum to 1")


def write(path: Path, codebook: Codebook, frame: pd.DataFrame) -> None:
    """Write a table, whole or not at all, as Parquet with `uid` as first column."""
    check(codebook, frame, str(path))
    with replaced(path) as partial:
        frame.sort_index().reset_index().to_parquet(partial, index=False)


def read(path: Path, codebook: Codebook) -> pd.DataFrame:
    """Read a table written by `write`; index `uid`, sorted.

    Raises:
        PredictionsError: the file is missing, unreadable or does not fit the codebook.
    """
    if not path.is_file():
        raise PredictionsError(f"{path} is missing; run the stage that makes it, or pull it: `dvc pull {path}`")
    try:
        frame = pd.read_parquet(path).set_index("uid").sort_index()
    except (OSError, ValueError, KeyError):  # the parser's own message may quote the file
        raise PredictionsError(f"{path} holds no predictions; run the stage that makes it again") from None
    check(codebook, frame, str(path))
    return frame


def read_folds(folder: Path, model: str, folds: Sequence[int], codebook: Codebook) -> list[pd.DataFrame]:
    """The tables `<folder>/<model>/<fold>.parquet`, one a fold; a missing one is refused, never skipped."""
    return [read(folder / model / f"{fold}.parquet", codebook) for fold in folds]
