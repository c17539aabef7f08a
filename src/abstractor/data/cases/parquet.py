"""Reads Parquet files, whole or a few rows at a time, and refuses those that are not what was expected.

A parser's own message may quote the file, so none is passed on.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from abstractor.base.errors import UserError


class Refusals(NamedTuple):
    """The errors of a kind of file, each made of the path."""

    missing: Callable[[Path], UserError]
    unreadable: Callable[[Path], UserError]
    other_columns: Callable[[Path], UserError]

    @contextmanager
    def parsing(self, path: Path) -> Iterator[None]:
        """Whatever the parser raises in the block, the file is unreadable."""
        try:
            yield
        except (OSError, ValueError, pa.ArrowException):
            raise self.unreadable(path) from None


def opened(path: Path, columns: Sequence[str], refusals: Refusals) -> pq.ParquetFile:
    """A file with exactly these columns, in this order; raises one of `refusals`."""
    if not path.is_file():
        raise refusals.missing(path)
    with refusals.parsing(path):
        file = pq.ParquetFile(path)
        names = file.schema_arrow.names
    if names != list(columns):
        raise refusals.other_columns(path)
    return file


def read(path: Path, columns: Sequence[str] | pa.Schema, refusals: Refusals) -> pd.DataFrame:
    """All rows of a file with exactly these columns, cast to the types of a schema; raises one of `refusals`."""
    schema = columns if isinstance(columns, pa.Schema) else None
    file = opened(path, schema.names if schema else columns, refusals)
    with refusals.parsing(path):
        table = file.read()
    try:
        table = table.cast(schema) if schema else table
    except (ValueError, pa.ArrowException):
        raise refusals.other_columns(path) from None
    with refusals.parsing(path):
        frame: pd.DataFrame = table.to_pandas()
    return frame


def frames(file: pq.ParquetFile, size: int) -> Iterator[pd.DataFrame]:
    """All rows in order, `size` at a time, the last time fewer; never an empty frame.

    In the memory of one row group. `ParquetFile.iter_batches` fetches the columns of all row groups before it gives the
    first batch: a file of 100,000 cases is then in memory as a whole, however small the batches.

    Raises:
        pyarrow.ArrowException, OSError: the file is damaged.
    """
    waiting: pd.DataFrame | None = None
    for number in range(file.num_row_groups):
        read = file.read_row_group(number).to_pandas()
        waiting = read if waiting is None or waiting.empty else pd.concat([waiting, read], ignore_index=True)
        while len(waiting) >= size:
            yield waiting[:size].reset_index(drop=True)
            waiting = waiting[size:]
    if waiting is not None and len(waiting):
        yield waiting.reset_index(drop=True)
