"""Calibrated probabilities of one variable from those of one or more models.

The logarithmic opinion pool (Genest and Zidek 1986, Combining Probability Distributions) with a bias a code: models are
over-confident each in its own way, and know more together than the mean of their probabilities says. Of one model it is
Platt's sigmoid (Platt 1999, Probabilistic Outputs for Support Vector Machines) for a binary variable, and temperature
scaling with biases (Guo et al. 2017, arXiv 1706.04599) for another.
"""

from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize
from scipy.special import log_softmax

FLOOR = 1e-4
"""A probability below counts as this: how far below says more of a model's arithmetic than of the case."""
_BIAS_PRIOR = 0.1
"""Strength of the pull of the biases to 0: next to none, it keeps those of codes that no case has finite."""
_LEAST = 0.02
"""Smallest weight: whatever a model finds more probable must not make the pool less so."""


class Calibration(NamedTuple):
    """What makes one calibrated distribution of the models' ones."""

    weights: np.ndarray
    """(models,), not below .02; they need not add up to 1."""
    bias: np.ndarray
    """(codes,)."""


def fit(given: np.ndarray, true: np.ndarray, prior: float) -> Calibration:
    """Fit weights and biases by maximum likelihood with a ridge.

    Minimises  -sum_i log p_i(true_i) + prior/2 sum_m (w_m - 1/M)^2 + .05 sum_c b_c^2  for
    p_i(c) ~ exp(b_c + sum_m w_m log p_mi(c)), which is convex.

    Args:
        given: (models, cases, codes) probabilities.
        true: (cases,) number of each case's code.
        prior: strength of the pull to equal weights of sum 1, above 0. Without cases the weights are these.

    Returns:
        What `apply` takes.
    """
    models, cases, codes = given.shape
    # A row a case and code: sums over models, and over cases and codes, are then products with one matrix.
    logs = np.ascontiguousarray(_logs(given).reshape(models, -1).T)
    equal, hits = np.full(models, 1 / models), np.eye(codes)[true]

    def loss(values: np.ndarray) -> tuple[float, np.ndarray]:
        weights, bias = values[:models], values[models:]
        found = log_softmax((logs @ weights).reshape(cases, codes) + bias, axis=1)
        errors = np.exp(found) - hits
        pull = weights - equal
        value = -(found * hits).sum() + prior / 2 * pull @ pull + _BIAS_PRIOR / 2 * bias @ bias
        slopes = errors.ravel() @ logs + prior * pull
        return value, np.concatenate([slopes, errors.sum(axis=0) + _BIAS_PRIOR * bias])

    start, bounds = np.concatenate([equal, np.zeros(codes)]), [(_LEAST, None)] * models + [(None, None)] * codes
    values = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds).x if cases else start
    return Calibration(values[:models], values[models:])


def apply(fitted: Calibration, given: np.ndarray) -> np.ndarray:
    """(cases, codes) calibrated probabilities from `given` as of `fit`."""
    return np.asarray(np.exp(log_softmax(np.tensordot(fitted.weights, _logs(given), 1) + fitted.bias, axis=1)))


def _logs(given: np.ndarray) -> np.ndarray:
    return np.asarray(np.log(np.maximum(given, FLOOR)))
