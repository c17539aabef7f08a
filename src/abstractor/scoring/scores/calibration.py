"""Calibrated probabilities of one variable from those of one or more models.

The logarithmic opinion pool (Genest and Zidek 1986, Combining Probability Distributions) with a bias a code: models are
over-confident each in its own way, and know more together than the mean of their probabilities says. Of one model it is
Platt's sigmoid (Platt 1999, Probabilistic Outputs for Support Vector Machines) for a binary variable, and temperature
scaling with biases (Guo et al. 2017, arXiv 1706.04599) for another.
"""

from collections.abc import Sequence
from itertools import pairwise
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
_ENOUGH = 10_000
"""Cases of a variable, evenly spaced, that weights common to many variables are fitted to: more cost memory alone."""
_LEAST = 0.02
"""Smallest weight: whatever a model finds more probable must not make the pool less so."""


class Calibration(NamedTuple):
    """What makes one calibrated distribution of the models' ones."""

    weights: np.ndarray
    """(models,), not below .02; they need not add up to 1."""
    bias: np.ndarray
    """(codes,)."""


def fit(
    given: np.ndarray, true: np.ndarray, prior: float | np.ndarray, center: np.ndarray | None = None
) -> Calibration:
    """Fit weights and biases by maximum likelihood with a ridge.

    Minimises  -sum_i log p_i(true_i) + 1/2 sum_m prior_m (w_m - center_m)^2 + .05 sum_c b_c^2  for
    p_i(c) ~ exp(b_c + sum_m w_m log p_mi(c)), which is convex.

    Args:
        given: (models, cases, codes) probabilities.
        true: (cases,) number of each case's code.
        prior: strength of the pull to `center`, above 0; (models,) or one for all.
        center: (models,) weights, also those without cases; None: equal ones of sum 1.

    Returns:
        What `apply` takes.
    """
    models, cases, codes = given.shape
    center = np.full(models, 1 / models) if center is None else center
    prior = np.broadcast_to(prior, (models,))
    if not cases:
        return Calibration(center, np.zeros(codes))
    if codes == 2:
        logs = _logs(given)
        return _binary(logs[:, :, 1] - logs[:, :, 0], true, center, prior)
    return _together([given], [true], center, prior)


def common_weights(given: Sequence[np.ndarray], true: Sequence[np.ndarray], prior: float) -> np.ndarray:
    """The weights that serve several variables best, each with biases of its own: what the models are worth in all.

    Args:
        given: of each variable as in `fit`, of the same models.
        true: likewise.
        prior: strength of the pull to equal weights of sum 1, above 0.

    Returns:
        (models,).
    """
    models = given[0].shape[0]
    steps = [slice(None, None, max(1, len(codes) // _ENOUGH)) for codes in true]
    given = [each[:, step] for each, step in zip(given, steps, strict=True)]
    true = [codes[step] for codes, step in zip(true, steps, strict=True)]
    return _together(given, true, np.full(models, 1 / models), np.full(models, prior)).weights


def spread(given: np.ndarray) -> np.ndarray:
    """(models,) variance over the cases of `given` as of `fit`, of log odds where there are two codes.

    A weight moves the pool by as much as the model's log-probabilities move.
    """
    logs = _logs(given)
    return np.asarray(2 * (logs - logs.mean(axis=2, keepdims=True)).var(axis=1).sum(axis=1))


def apply(fitted: Calibration, given: np.ndarray) -> np.ndarray:
    """(cases, codes) calibrated probabilities from `given` as of `fit`."""
    return np.asarray(softmax(np.tensordot(fitted.weights, _logs(given), 1) + fitted.bias, axis=1))


def _together(
    given: Sequence[np.ndarray], true: Sequence[np.ndarray], center: np.ndarray, prior: np.ndarray
) -> Calibration:
    """`fit` of one or more variables with the same weights; the biases of all, one after the other."""
    models = len(center)
    # A row a case and code: sums over models, and over cases and codes, are then products with one matrix.
    tables = [np.ascontiguousarray(_logs(each).reshape(models, -1).T) for each in given]
    ends = np.cumsum([models, *(each.shape[2] for each in given)])

    def loss(values: np.ndarray) -> tuple[float, np.ndarray]:
        weights, pull, biases = values[:models], values[:models] - center, values[models:]
        value = prior @ pull**2 / 2 + _BIAS_PRIOR / 2 * biases @ biases
        slopes = np.concatenate([prior * pull, _BIAS_PRIOR * biases])
        for rows, codes, (start, end) in zip(tables, true, pairwise(ends), strict=True):
            numbers, found = np.arange(len(codes)), (rows @ weights).reshape(-1, end - start) + values[start:end]
            found -= found.max(axis=1, keepdims=True)
            value -= found[numbers, codes].sum()
            np.exp(found, out=found)
            total = found.sum(axis=1)
            value += np.log(total).sum()
            found /= total[:, None]
            found[numbers, codes] -= 1
            slopes[:models] += found.ravel() @ rows
            slopes[start:end] += found.sum(axis=0)
        return float(value), slopes

    start, free = np.append(center, np.zeros(ends[-1] - models)), [(None, None)] * (ends[-1] - models)
    values = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=[(_LEAST, None)] * models + free).x
    return Calibration(values[:models], values[models:])


def _binary(odds: np.ndarray, true: np.ndarray, center: np.ndarray, prior: np.ndarray) -> Calibration:
    """`fit` of (models, cases) log odds, one number a case and model, in a few steps.

    Projected Newton steps (Bertsekas 1982, doi 10.1137/0320018), halved until the loss falls: full ones may diverge.
    """
    rows = np.column_stack([*odds, np.ones(odds.shape[1])])
    # Two biases, half of their difference each, are pulled half as much as one.
    ridge, center = np.append(prior, _BIAS_PRIOR / 2), np.append(center, 0.0)
    least, hits = np.append(np.full_like(prior, _LEAST), -np.inf), rows[true == 1].sum(axis=0)

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
