"""The table that passes between stages: one row a case, sorted by uid, float32 probabilities in codebook order."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from abstractor.base.errors import UserError
from abstractor.base.files import replaced
from abstractor.data.cases import parquet
from abstractor.data.cases.codebook import Codebook


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
    if frame.index.hasnans:
        raise PredictionsError(f"{name}: a row has no uid; run its stage again")
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
                raise PredictionsError(f"{path}: expected uids that go up, found a lower one after {written} cases")
            writer.write_table(pa.Table.from_pandas(part.reset_index(), schema, preserve_index=False))
            written, last = written + len(part), part.index[-1] if len(part) else last
        if not written:
            raise PredictionsError(f"{path}: expected predictions, found no case")
    return written


def read(path: Path, codebook: Codebook) -> pd.DataFrame:
    """Read a table written by `write`; index `uid`, sorted.

    Raises:
        PredictionsError: the file is missing, unreadable or does not fit the codebook.
    """
    frame = _columns(path).set_index("uid").sort_index()
    check(codebook, frame, str(path))
    return frame


def read_uids(path: Path) -> pd.Index:
    """The uids of a table, in its order, without its values; raises as `read` does."""
    uids: pd.Index = _columns(path, ["uid"]).set_index("uid").index
    return uids


def read_parts(path: Path, codebook: Codebook, size: int) -> Iterator[pd.DataFrame]:
    """A table part by part, `size` cases each, the last one fewer; raises as `read` does."""
    file = _opened(path)
    try:
        for rows in parquet.frames(file, size):
            frame = rows.set_index("uid")
            check(codebook, frame, str(path))
            yield frame
    except (OSError, KeyError, pa.ArrowException):
        raise _broken(path) from None


def _columns(path: Path, names: list[str] | None = None) -> pd.DataFrame:
    try:
        frame: pd.DataFrame = _opened(path).read(names).to_pandas()
        return frame
    except (OSError, KeyError, pa.ArrowException):
        raise _broken(path) from None


def _opened(path: Path) -> pq.ParquetFile:
    if not path.is_file():
        raise PredictionsError(f"{path} is missing; run the stage that makes it, or pull it: `dvc pull {path}`")
    try:
        file = pq.ParquetFile(path)
        texts = file.schema_arrow.field("uid").type in (pa.string(), pa.large_string())
    except (OSError, KeyError, UnicodeDecodeError, pa.ArrowException):
        raise _broken(path) from None
    if not texts:
        raise _broken(path)
    return file


def _broken(path: Path) -> PredictionsError:
    """Without the parser's own message, which may quote the file."""
    return PredictionsError(f"{path} holds no predictions; run the stage that makes it again")
