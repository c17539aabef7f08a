"""Brings the predictions of all models and folds together, and refuses to go on without one that params call for."""

from collections.abc import Iterator, Mapping
from itertools import zip_longest
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from abstractor.base.files import replaced
from abstractor.base.members import Members, Training
from abstractor.base.messages import predictions as messages
from abstractor.data import predictions
from abstractor.data.cases import parquet
from abstractor.data.cases.codebook import Codebook

_PART = 2_000
"""Cases of a model gathered at a time."""
_REFUSALS = parquet.Refusals(messages.missing_gathered, messages.unreadable_gathered, messages.other_columns_gathered)


def new_cases(path: Path, folder: Path, members: Members, codebook: Codebook) -> int:
    """Write one table of all models' predictions of the new cases, each the mean over its readers.

    Columns `model`, `uid`, then the probabilities; sorted by both. Read and written part by part.

    Args:
        path: of the table.
        folder: holds `<model>/<fold>.parquet`.
        members: the models and readers to find.
        codebook: gives the columns.

    Returns:
        New cases.

    Raises:
        PredictionsError: a table is missing, or two do not hold the same cases.
    """
    paths = {
        name: [_find(folder, members, name, each, "infer_t4") for each in members.readers] for name in members.names
    }
    reference = paths[members.names[0]][0]
    schema = _schema(codebook)
    with replaced(path) as partial, pq.ParquetWriter(partial, schema) as writer:
        for name in sorted(members.names):
            cases = 0
            for mean in _means(reference, paths[name], codebook, f"infer_t4_{members.kind(name)}"):
                rows = mean.reset_index().assign(model=name)
                writer.write_table(pa.Table.from_pandas(rows, schema, preserve_index=False))
                cases += len(mean)
    return cases


def out_of_fold(folder: Path, members: Members, folds: pd.Series, codebook: Codebook) -> dict[str, pd.DataFrame]:
    """Model -> predictions table of all coded cases, each from the model that did not see it.

    Args:
        folder: holds `<model>/<fold>.parquet`.
        members: the models and folds to find.
        folds: uid -> fold, as stored.
        codebook: gives the columns.

    Raises:
        PredictionsError: a table is missing, or does not hold exactly the cases of its fold.
    """
    gathered = {}
    for name in members.names:
        tables = []
        for fold in members.folds:
            table = predictions.read(_find(folder, members, name, fold, "oof"), codebook)
            expected = folds.index[folds == fold]
            same_cases(expected, table.index, f"{folder / name / str(fold)}.parquet", f"oof_{members.kind(name)}")
            tables.append(table)
        gathered[name] = pd.concat(tables).sort_index()
        same_cases(folds.index, gathered[name].index, f"{folder / name}", "prepare")
    return gathered


def of_teachers(folder: Path, teachers: Mapping[str, str], cases: pd.Index, codebook: Codebook) -> pd.DataFrame:
    """What the members of a round say of made cases: the mean of their probabilities, all of equal weight.

    Weights fitted on out-of-fold predictions would have seen the labels of the fold that the students hold out.

    Args:
        folder: holds `<model>.parquet`.
        teachers: model -> the stage that makes its table.
        cases: uids to find.
        codebook: gives the columns.

    Returns:
        A predictions table of `cases`.

    Raises:
        PredictionsError: a table is missing, or holds other cases.
    """
    tables = []
    for name, stage in teachers.items():
        path = folder / f"{name}.parquet"
        table = predictions.read(path, codebook)
        same_cases(cases, table.index, str(path), stage)
        tables.append(table.to_numpy(np.float64))
    return predictions.table(codebook, cases.sort_values().tolist(), np.mean(tables, axis=0))


def read(path: Path, members: Members, codebook: Codebook) -> dict[str, pd.DataFrame]:
    """Read what `new_cases` wrote: model -> predictions table.

    Raises:
        PredictionsError: the file is missing or unreadable, or holds other models than `members`.
    """
    frame = parquet.read(path, _schema(codebook), _REFUSALS)
    if frame[["model", "uid"]].isna().any(axis=None):
        raise messages.no_model_or_uid(path)
    tables = {str(name): rows.drop(columns="model").set_index("uid") for name, rows in frame.groupby("model")}
    if sorted(tables) != sorted(members.names):
        raise messages.other_models(path)
    for name, table in tables.items():
        predictions.check(codebook, table, f"{path}, model {name}")
    return {name: tables[name] for name in members.names}


def same_cases(expected: pd.Index, found: pd.Index, name: str, stage: str) -> None:
    """Refuse a table whose cases are not the expected ones, in whatever order."""
    if not expected.sort_values().equals(found.sort_values()):
        raise messages.other_cases(name, len(expected), len(found), len(found.intersection(expected)), stage)


def _schema(codebook: Codebook) -> pa.Schema:
    columns = [(column, pa.float32()) for column in codebook.columns]
    return pa.schema([("model", pa.string()), ("uid", pa.string()), *columns])


def _means(reference: Path, paths: list[Path], codebook: Codebook, stage: str) -> Iterator[pd.DataFrame]:
    """Part by part, the mean of tables that hold the cases of `reference`, in its order."""
    streams = [predictions.read_parts(path, codebook, _PART) for path in (reference, *paths)]
    for parts in zip_longest(*streams):
        known, *tables = parts
        if any(table is None or known is None or not table.index.equals(known.index) for table in tables):
            for path in paths:
                found = predictions.read_uids(path, codebook)
                same_cases(predictions.read_uids(reference, codebook), found, str(path), stage)
            raise messages.other_orders(reference.parent.parent, stage)
        mean = np.mean([table.to_numpy(np.float64) for table in tables], axis=0)
        yield predictions.table(codebook, known.index.tolist(), mean)


def _find(folder: Path, members: Members, name: str, training: Training, stage: str) -> Path:
    path = folder / name / f"{training}.parquet"
    if not path.is_file():
        raise messages.missing_member(path, f"{name}/{training}", f"{stage}_{members.kind(name)}@{name}-{training}")
    return path
