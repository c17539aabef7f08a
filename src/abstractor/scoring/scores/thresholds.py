"""From probabilities to codes: a threshold a binary variable, the likeliest code of the others."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from scipy.special import expit, logit

from abstractor.data.cases.codebook import Codebook
from abstractor.data.cases.prepared import NOT_CODED
from abstractor.scoring.scores import calibration

NEVER = 2.0
"""A threshold above every probability: the variable is never decided present."""
_PRIOR = 5.0
"""Pull of the calibration to leaving the probabilities as they are; any from 1 to 20 does as well (docs/evidence)."""


def fit(codebook: Codebook, predictions: pd.DataFrame, labels: pd.DataFrame) -> dict[str, float]:
    """The threshold of each binary variable that promises the best F1, from the coded cases of `predictions`.

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
    """The threshold with the best F1 that calibrated probabilities promise.

    The cut with the best F1 on the sample itself fits its noise, the more so the fewer cases have the code. Here the
    sample tells two numbers, those of Platt's sigmoid. Of calibrated probabilities q the F1 to expect of saying 1 to
    the k highest is 2 sum(q_1..q_k) / (k + sum(q)), and its optimum F* is reached at the threshold F*/2 (Lipton, Elkan
    and Naryanaswamy 2014, arXiv 1402.1892).

    Args:
        scores: (cases,) in 0 to 1.
        true: (cases,) of 0 and 1.

    Returns:
        On the scale of `scores`; `NEVER` without positives.
    """
    if not true.any():
        return NEVER
    given = np.stack([1 - scores, scores], axis=1).astype(np.float64)[None]
    fitted = calibration.fit(given, true, _PRIOR)
    falling = np.sort(calibration.apply(fitted, given)[:, 1])[::-1]
    expected = 2 * falling.cumsum() / (np.arange(1, len(falling) + 1) + falling.sum())
    odds = (logit(expected.max() / 2) - (fitted.bias[1] - fitted.bias[0])) / fitted.weights[0]
    # Below the smallest score that calibration tells from others there is nothing to part.
    return float(expit(odds)) if odds > logit(calibration.FLOOR) else 0.0


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
