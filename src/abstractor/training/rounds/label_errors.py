"""Labels that the other cases speak against: all are listed for a second look, the surest ones are corrected.

Confident learning (Northcutt, Jiang and Chuang 2021, arXiv 1911.00068) counts the cases that a model which never saw
them is sure to belong to another code, and suspects as many as these counts make likely to be wrong.
"""

from typing import Annotated, NamedTuple

import numpy as np
import pandas as pd
from cleanlab.filter import find_label_issues
from pydantic import Field

from abstractor.base.params import Strict
from abstractor.data import folds, predictions
from abstractor.data.cases.codebook import Codebook, Variable
from abstractor.data.cases.prepared import NOT_CODED
from abstractor.scoring.baseline import BaselineParams, train_and_predict

_FEWEST = 20
"""Coded cases; with fewer, what a model is sure of is chance."""


class CorrectionParams(Strict):
    """The section `correct_labels` of params.yaml."""

    folds: Annotated[int, Field(ge=2)]
    """Inner folds, 2 and up: each case is judged by a baseline that learnt from the others."""
    least_probability: Annotated[float, Field(ge=0.5, le=1)]
    """A suspect label is corrected where its suggested code is at least so likely, 0.5 to 1; all suspects are
    listed."""


class Correction(NamedTuple):
    """Labels after correction, and what was found."""

    labels: pd.DataFrame
    """Index uid, int16 codes, -1 where not coded, as they came but for the corrected ones."""
    suspects: pd.DataFrame
    """Columns uid, variable, given, suggested, probability (of the suggested code); the likeliest first."""
    counts: dict[str, dict[str, int]]
    """`suspect` and `corrected`, of each variable."""


def correct(
    codebook: Codebook,
    params: CorrectionParams,
    baseline: BaselineParams,
    cases: pd.DataFrame,
    labels: pd.DataFrame,
    seed: int,
    groups: pd.Series | None = None,
) -> Correction:
    """Suspect labels and correct the surest ones.

    A variable with one code, or with fewer than 20 coded cases, stays as it is.

    Args:
        codebook: gives the variables.
        params: of the correction.
        baseline: of the model that judges.
        cases: index uid, narrative columns; no case that a score will be computed on.
        labels: of the same cases, int16 codes, -1 where not coded.
        seed: of the inner folds.
        groups: uid -> group, each in one inner fold; None: each case stands alone.

    Raises:
        BaselineError: no word stands in enough cases.
        FoldsError: fewer cases than inner folds.
    """
    cases, labels = cases.sort_index(), labels.sort_index()
    judged = judge(codebook, baseline, cases, labels, params.folds, seed, groups)
    suspects = pd.concat([suspect(variable, judged, labels[variable.name]) for variable in codebook.variables])
    suspects = suspects.sort_values(["probability", "uid", "variable"], ascending=[False, True, True])
    sure = suspects[suspects["probability"] >= params.least_probability]
    corrected = labels.copy()
    for name, rows in sure.groupby("variable"):
        corrected.loc[rows["uid"], name] = rows["suggested"].to_numpy()
    counts = {
        name: {"suspect": int((suspects["variable"] == name).sum()), "corrected": int((sure["variable"] == name).sum())}
        for name in codebook.names
    }
    return Correction(corrected, suspects.reset_index(drop=True), counts)


def judge(
    codebook: Codebook,
    params: BaselineParams,
    cases: pd.DataFrame,
    labels: pd.DataFrame,
    count: int,
    seed: int,
    groups: pd.Series | None = None,
) -> pd.DataFrame:
    """A predictions table of all cases, each by a baseline of the other of `count` inner folds, as `folds.assign`ed."""
    fold = folds.assign(codebook, labels, count, seed, groups).loc[cases.index].to_numpy()
    probabilities = np.zeros((len(cases), len(codebook.columns)))
    for number in np.unique(fold):
        held = fold == number
        (probabilities[held],) = train_and_predict(codebook, params, cases[~held], labels[~held], cases[held])
    return predictions.table(codebook, cases.index.tolist(), probabilities)


def suspect(variable: Variable, judged: pd.DataFrame, given: pd.Series) -> pd.DataFrame:
    """The suspects of one variable, as `Correction.suspects`, in the order of the cases.

    Args:
        variable: gives codes and columns.
        judged: a predictions table by models that never saw the cases they judge.
        given: the variable's codes of the same cases in the same order, -1 where not coded.
    """
    coded = (given != NOT_CODED).to_numpy()
    judged, given = judged[coded], given[coded]
    codes = [code for code in variable.codes if (given == code).any()]
    if len(codes) < 2 or len(given) < _FEWEST:
        return _table(variable.name, given[:0], np.empty(0), np.empty(0))
    # A code that no case has was never learnt, and confident learning knows no such class.
    every = variable.by_code(judged[list(variable.columns)].to_numpy(np.float64))
    every = every[:, [variable.codes.index(code) for code in codes]]
    classes = pd.Index(codes).get_indexer(pd.Index(given))
    found = find_label_issues(classes, every, filter_by="confident_learning", n_jobs=1)
    return _table(variable.name, given[found], np.array(codes)[every.argmax(axis=1)][found], every.max(axis=1)[found])


def _table(name: str, given: pd.Series, suggested: np.ndarray, probability: np.ndarray) -> pd.DataFrame:
    columns = {"uid": given.index, "variable": name, "given": given.to_numpy(np.int16)}
    return pd.DataFrame(
        columns | {"suggested": suggested.astype(np.int16), "probability": probability.astype(np.float32)}
    )
