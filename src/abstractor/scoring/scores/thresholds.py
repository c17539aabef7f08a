"""From probabilities to codes: an exact F1-optimal threshold a binary variable, the likeliest code of the others."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from abstractor.data.cases.codebook import Codebook
from abstractor.data.cases.prepared import NOT_CODED

NEVER = 2.0
"""A threshold above every probability: the variable is never decided present."""


def fit(codebook: Codebook, predictions: pd.DataFrame, labels: pd.DataFrame) -> dict[str, float]:
    """The threshold of each binary variable that maximises F1 on the coded cases of `predictions`.

    Args:
        codebook: gives the variables.
        predictions: a predictions table.
        labels: at least its cases, int16 codes, -1 where not coded.

    Returns:
        Binary variable -> threshold; `decide` says 1 from there on.
    """
    found = {}
    for variable in codebook.variables:
        if variable.kind == "binary":
            true = labels.loc[predictions.index, variable.name].to_numpy()
            coded = true != NOT_CODED
            found[variable.name] = best(predictions[variable.name].to_numpy()[coded], true[coded])
    return found


def best(scores: np.ndarray, true: np.ndarray) -> float:
    """The exact F1-optimal threshold over a sample, by one sort.

    It never separates equal scores and stands midway between two neighbours (0 ends the row). Of cuts with the same F1
    the one in the widest gap wins, since it is the least disturbed by noise; then the highest. Without positives it is
    `NEVER`.

    Args:
        scores: (cases,) in 0 to 1, float32 or float64.
        true: (cases,) of 0 and 1.
    """
    if not true.any():
        return NEVER
    order = np.argsort(-scores, kind="stable")
    falling, hits = scores[order].astype(np.float64), np.cumsum(true[order] == 1)
    below = np.append(falling[1:], 0.0)
    cuts = np.flatnonzero((falling > below) | (np.arange(len(falling)) == len(falling) - 1))
    values = 2 * hits[cuts] / (cuts + 1 + hits[-1])
    gaps = np.where(values == values.max(), falling[cuts] - below[cuts], -1.0)
    cut = cuts[gaps.argmax()]
    return float((falling[cut] + below[cut]) / 2)


def decide(codebook: Codebook, predictions: pd.DataFrame, thresholds: Mapping[str, float]) -> pd.DataFrame:
    """Decisions: index as `predictions`, one int16 code a variable; of equally likely codes the codebook's first."""
    decided = {}
    for variable in codebook.variables:
        # float64: a threshold between two neighbouring float32 values would be rounded onto one of them.
        given = predictions[list(variable.columns)].to_numpy(np.float64)
        if variable.kind == "binary":
            decided[variable.name] = (given[:, 0] >= thresholds[variable.name]).astype(np.int16)
        else:
            decided[variable.name] = np.array(variable.codes, dtype=np.int16)[given.argmax(axis=1)]
    return pd.DataFrame(decided, index=predictions.index)
