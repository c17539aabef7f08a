"""Brings the predictions of all models and folds together, and refuses to go on without one that params call for."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from abstractor import predictions
from abstractor.codebook import Codebook
from abstractor.files import replaced
from abstractor.members import Members
from abstractor.predictions import PredictionsError


def new_cases(folder: Path, members: Members, codebook: Codebook) -> dict[str, pd.DataFrame]:
    """Model -> predictions table of the new cases, the mean over its folds.

    Args:
        folder: holds `<model>/<fold>.parquet`.
        members: the models and folds to find.
        codebook: gives the columns.

    Raises:
        PredictionsError: a table is missing, or two do not hold the same cases.
    """
    gathered: dict[str, pd.DataFrame] = {}
    uids = None
    for name in members.names:
        tables = [_read(folder, members, name, fold, codebook, "infer_t4") for fold in members.folds]
        for fold, table in zip(members.folds, tables, strict=True):
            uids = table.index if uids is None else uids
            same_cases(uids, table.index, f"{folder / name / str(fold)}.parquet", f"infer_t4_{members.kind(name)}")
        mean = np.mean([table.to_numpy(np.float64) for table in tables], axis=0)
        gathered[name] = predictions.table(codebook, tables[0].index.tolist(), mean)
    return gathered


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
            table = _read(folder, members, name, fold, codebook, "oof")
            expected = folds.index[folds == fold]
            same_cases(expected, table.index, f"{folder / name / str(fold)}.parquet", f"oof_{members.kind(name)}")
            tables.append(table)
        gathered[name] = pd.concat(tables).sort_index()
        same_cases(folds.index, gathered[name].index, f"{folder / name}", "prepare")
    return gathered


def write(path: Path, tables: Mapping[str, pd.DataFrame]) -> None:
    """Write tables of all models as one: columns `model`, `uid`, then the probabilities; sorted by both."""
    with replaced(path) as partial:
        frame = pd.concat({name: tables[name] for name in sorted(tables)}, names=["model"])
        frame.reset_index().to_parquet(partial, index=False)


def read(path: Path, members: Members, codebook: Codebook) -> dict[str, pd.DataFrame]:
    """Read what `write` wrote: model -> predictions table.

    Raises:
        PredictionsError: the file is missing, or holds other models than `members`.
    """
    if not path.is_file():
        raise PredictionsError(f"{path} is missing; run `dvc repro infer_t4`, or pull it: `dvc pull infer_t4`")
    frame = pd.read_parquet(path)
    tables = {str(name): rows.drop(columns="model").set_index("uid") for name, rows in frame.groupby("model")}
    if sorted(tables) != sorted(members.names):
        raise PredictionsError(f"{path} holds other models than params.yaml calls for; run `dvc repro infer_t4`")
    for name, table in tables.items():
        predictions.check(codebook, table, f"{path}, model {name}")
    return {name: tables[name] for name in members.names}


def same_cases(expected: pd.Index, found: pd.Index, name: str, stage: str) -> None:
    """Refuse a table whose cases are not the expected ones, in whatever order."""
    if not expected.sort_values().equals(found.sort_values()):
        raise PredictionsError(
            f"{name}: expected {len(expected)} cases, found {len(found)}, of which {len(found.intersection(expected))} "
            f"are expected ones; it was made from other data: run stage {stage} again"
        )


def _read(folder: Path, members: Members, name: str, fold: int, codebook: Codebook, stage: str) -> pd.DataFrame:
    path = folder / name / f"{fold}.parquet"
    if not path.is_file():
        target = f"{stage}_{members.kind(name)}@{name}-{fold}"
        raise PredictionsError(
            f"{path} is missing, though params.yaml calls for model {name} and fold {fold}; "
            f"run `dvc repro {target}`, or pull it: `dvc pull {target}`"
        )
    return predictions.read(path, codebook)
