"""The table that passes between stages: one row a case, sorted by uid, float32 probabilities in codebook order."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from abstractor.base.files import replaced
from abstractor.base.messages import predictions as messages
from abstractor.data.cases import parquet
from abstractor.data.cases.codebook import Codebook


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
        raise messages.other_columns(name, codebook.dataset)
    if frame.index.hasnans:
        raise messages.no_uid(name)
    if not frame.index.is_unique:
        raise messages.repeated_uids(name, int(frame.index.duplicated().sum()))
    values = frame.to_numpy()
    if (
        values.dtype.kind != "f"
        or not np.isfinite(values).all()
        or values.min(initial=0.0) < 0
        or values.max(initial=0.0) > 1 + 1e-5
    ):
        raise messages.no_probabilities(name)
    for variable in codebook.variables:
        if variable.kind == "categorical":
            sums = frame[list(variable.columns)].sum(axis=1)
            if len(sums) and not np.allclose(sums, 1, atol=1e-3):
                raise messages.other_sum(name, variable.name)


def write(path: Path, codebook: Codebook, frame: pd.DataFrame) -> None:
    """Write a table, whole or not at all, as Parquet with `uid` as first column."""
    write_parts(path, codebook, [frame.sort_index()])


def write_parts(path: Path, codebook: Codebook, parts: Iterable[pd.DataFrame]) -> int:
    """Write a table part by part, one row group each, whole or not at all: it is never in memory as a whole.

    Args:
        path: of the file.
        codebook: gives the columns.
        parts: tables as from `table`, whose uids go up from part to part.

    Returns:
        Cases written.

    Raises:
        PredictionsError: a part is no predictions table, the uids do not go up, or there is no part.
    """
    schema = pa.schema([("uid", pa.string()), *((column, pa.float32()) for column in codebook.columns)])
    written, last = 0, None
    with replaced(path) as partial, pq.ParquetWriter(partial, schema) as writer:
        for part in parts:
            check(codebook, part, str(path))
            if not part.index.is_monotonic_increasing or (last is not None and len(part) and part.index[0] <= last):
                raise messages.other_order(path, written)
            writer.write_table(pa.Table.from_pandas(part.reset_index(), schema, preserve_index=False))
            written, last = written + len(part), part.index[-1] if len(part) else last
        if not written:
            raise messages.no_case(path)
    return written


def read(path: Path, codebook: Codebook) -> pd.DataFrame:
    """Read a table written by `write`; index `uid`, sorted.

    Raises:
        PredictionsError: the file is missing, unreadable or does not fit the codebook.
    """
    frame = _read(path, codebook).sort_index()
    check(codebook, frame, str(path))
    return frame


def read_uids(path: Path, codebook: Codebook) -> pd.Index:
    """The uids of a table, in its order, without its values; raises as `read` does."""
    return _read(path, codebook, ["uid"]).index


def read_parts(path: Path, codebook: Codebook, size: int) -> Iterator[pd.DataFrame]:
    """A table part by part, `size` cases each, the last one fewer; raises as `read` does."""
    file = _opened(path, codebook)
    with _refusals(codebook).parsing(path):
        for rows in parquet.frames(file, size):
            frame = rows.set_index("uid")
            check(codebook, frame, str(path))
            yield frame


def _read(path: Path, codebook: Codebook, only: list[str] | None = None) -> pd.DataFrame:
    file = _opened(path, codebook)
    with _refusals(codebook).parsing(path):
        frame: pd.DataFrame = file.read(only).to_pandas().set_index("uid")
    return frame


def _opened(path: Path, codebook: Codebook) -> pq.ParquetFile:
    file = parquet.opened(path, ["uid", *codebook.columns], _refusals(codebook))
    if file.schema_arrow.field("uid").type not in (pa.string(), pa.large_string()):
        raise messages.no_predictions(path)
    return file


def _refusals(codebook: Codebook) -> parquet.Refusals:
    return parquet.Refusals(
        messages.missing,
        messages.no_predictions,
        lambda path: messages.other_columns(str(path), codebook.dataset),
    )
