"""Reads a Parquet file a few rows at a time, in the memory of one row group.

`ParquetFile.iter_batches` fetches the columns of all row groups before it gives the first batch: a file of 100,000
cases is then in memory as a whole, however small the batches.
"""

from collections.abc import Iterator

import pandas as pd
import pyarrow.parquet as pq


def frames(file: pq.ParquetFile, size: int) -> Iterator[pd.DataFrame]:
    """All rows in order, `size` at a time, the last time fewer; never an empty frame.

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
