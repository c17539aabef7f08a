"""Calibrated probabilities of one variable from those of one or more models.

The logarithmic opinion pool (Genest and Zidek 1986, Combining Probability Distributions) with a bias a code: models are
over-confident each in its own way, and know more together than the mean of their probabilities says. Of one model it is
Platt's sigmoid (Platt 1999, Probabilistic Outputs for Support Vector Machines) for a binary variable, and temperature
scaling with biases (Guo et al. 2017, arXiv 1706.04599) for another.
"""

from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit, softmax

FLOOR = 1e-4
"""A probability below counts as this: how far below says more of a model's arithmetic than of the case."""
_BIAS_PRIOR = 0.1
"""Strength of the pull of the biases to 0: next to none, it keeps those of codes that no case has finite."""
_STEPS, _TOLERANCE, _SMALLEST_SHARE = 100, 1e-12, 1e-9
"""Of Newton's method: steps at most, the relative gain that ends it, the share of a step below which none is taken."""
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
    equal, logs = np.full(models, 1 / models), _logs(given)
    if not cases:
        return Calibration(equal, np.zeros(codes))
    if codes == 2:
        return _binary(logs[:, :, 1] - logs[:, :, 0], true, equal, prior)
    # A row a case and code: sums over models, and over cases and codes, are then products with one matrix.
    rows, numbers = np.ascontiguousarray(logs.reshape(models, -1).T), np.arange(cases)

    def loss(values: np.ndarray) -> tuple[float, np.ndarray]:
        weights, bias = values[:models], values[models:]
        found = (rows @ weights).reshape(cases, codes) + bias
        found -= found.max(axis=1, keepdims=True)
        value = -found[numbers, true].sum()
        np.exp(found, out=found)
        total = found.sum(axis=1)
        found /= total[:, None]
        found[numbers, true] -= 1
        pull = weights - equal
        value += np.log(total).sum() + prior / 2 * pull @ pull + _BIAS_PRIOR / 2 * bias @ bias
        slopes = found.ravel() @ rows + prior * pull
        return value, np.concatenate([slopes, found.sum(axis=0) + _BIAS_PRIOR * bias])

    start, bounds = np.concatenate([equal, np.zeros(codes)]), [(_LEAST, None)] * models + [(None, None)] * codes
    values = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds).x
    return Calibration(values[:models], values[models:])


def apply(fitted: Calibration, given: np.ndarray) -> np.ndarray:
    """(cases, codes) calibrated probabilities from `given` as of `fit`."""
    return np.asarray(softmax(np.tensordot(fitted.weights, _logs(given), 1) + fitted.bias, axis=1))


def _binary(odds: np.ndarray, true: np.ndarray, equal: np.ndarray, prior: float) -> Calibration:
    """`fit` of (models, cases) log odds, one number a case and model, in a few steps.

    Projected Newton steps (Bertsekas 1982, doi 10.1137/0320018), halved until the loss falls: full ones may diverge.
    """
    rows = np.column_stack([*odds, np.ones(odds.shape[1])])
    # Two biases, half of their difference each, are pulled half as much as one.
    ridge, center = np.append(np.full_like(equal, prior), _BIAS_PRIOR / 2), np.append(equal, 0.0)
    least, hits = np.append(np.full_like(equal, _LEAST), -np.inf), rows[true == 1].sum(axis=0)

    def loss(values: np.ndarray) -> float:
        return float(np.logaddexp(0, rows @ values).sum() - hits @ values + ridge @ (values - center) ** 2 / 2)

    values = center.copy()
    value = loss(values)
    for _ in range(_STEPS):
        found = expit(rows @ values)
        slopes = found @ rows - hits + ridge * (values - center)
        free = (values > least) | (slopes < 0)
        curvature = (rows * (found * (1 - found))[:, None]).T @ rows + np.diag(ridge)
        step = np.zeros_like(values)
        step[free] = np.linalg.solve(curvature[np.ix_(free, free)], slopes[free])
        share, moved = 1.0, np.maximum(values - step, least)
        while (lower := loss(moved)) > value and share > _SMALLEST_SHARE:
            share /= 2
            moved = np.maximum(values - share * step, least)
        gain, values, value = value - lower, moved if lower <= value else values, min(lower, value)
        if gain <= _TOLERANCE * abs(value):
            break
    return Calibration(values[:-1], np.array([-values[-1] / 2, values[-1] / 2]))


def _logs(given: np.ndarray) -> np.ndarray:
    return np.asarray(np.log(np.maximum(given, FLOOR)))
