"""Calibration against scikit-learn, against known truth and at its limits."""

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import expit, logit, softmax
from sklearn.linear_model import LogisticRegression

from abstractor.scoring.scores import calibration


def binary(probabilities: np.ndarray) -> np.ndarray:
    """(models, cases, 2) of (models, cases) probabilities of 1."""
    return np.stack([1 - probabilities, probabilities], axis=2)


def members(cases: int, models: int, seed: int, slope: float = 2.0) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities of models that see a signal through noise of their own, `slope` times too sure; and the truth."""
    rng = np.random.default_rng(seed)
    signal = rng.normal(size=cases)
    true = (rng.random(cases) < expit(2 * signal - 1)).astype(int)
    seen = signal + 0.8 * rng.normal(size=(models, cases))
    return expit(slope * (1.2 * seen - 1)), true


def test_one_model_gets_the_sigmoid_of_scikit_learn() -> None:
    given, true = members(500, 1, seed=0)
    fitted = calibration.fit(binary(given), true, prior=1e-6)
    # Without a penalty worth the name; scikit-learn calls no slope 1, ours has none to begin with.
    other = LogisticRegression(C=1e8).fit(logit(given[0])[:, None], true)
    assert fitted.weights[0] == pytest.approx(other.coef_[0, 0], rel=0.01)
    assert fitted.bias[1] - fitted.bias[0] == pytest.approx(other.intercept_[0], abs=0.02)


def test_many_cases_give_back_what_made_them() -> None:
    rng = np.random.default_rng(1)
    given = rng.dirichlet([1, 1, 1, 1], size=(2, 40_000))
    weights, bias = np.array([1.4, 0.3]), np.array([0.5, -0.2, 0.0, -0.3])
    odds = softmax(np.tensordot(weights, np.log(np.maximum(given, calibration.FLOOR)), 1) + bias, axis=1)
    true = (odds.cumsum(axis=1) > rng.random((len(odds), 1))).argmax(axis=1)
    fitted = calibration.fit(given, true, prior=1.0)
    np.testing.assert_allclose(fitted.weights, weights, atol=0.05)
    np.testing.assert_allclose(fitted.bias - fitted.bias[2], bias, atol=0.1)
    np.testing.assert_allclose(calibration.apply(fitted, given), odds, atol=0.03)


def test_nothing_near_the_optimum_is_better() -> None:
    given, true = members(60, 3, seed=2)
    fitted = calibration.fit(binary(given), true, prior=4.0)

    def loss(weights: np.ndarray, bias: np.ndarray) -> float:
        found = calibration.apply(calibration.Calibration(weights, bias), binary(given))
        return float(
            -np.log(found[np.arange(60), true]).sum() + 2 * ((weights - 1 / 3) ** 2).sum() + 0.05 * (bias**2).sum()
        )

    rng, least = np.random.default_rng(3), loss(*fitted)
    for size in (0.01, 0.1, 1.0):
        for _ in range(50):
            moved = np.maximum(fitted.weights + size * rng.normal(size=3), 0.02)
            assert loss(moved, fitted.bias + size * rng.normal(size=2)) > least - 1e-6


def test_a_model_that_errs_weighs_next_to_nothing_but_never_against() -> None:
    given, true = members(2000, 2, seed=4)
    given[1] = 1 - given[1]
    fitted = calibration.fit(binary(given), true, prior=1.0)
    assert fitted.weights[0] > 0.3 and fitted.weights[1] == pytest.approx(0.02)


def test_the_pull_is_to_equal_weights_of_sum_one() -> None:
    given, true = members(200, 4, seed=5)
    gaps = [np.abs(calibration.fit(binary(given), true, prior).weights - 0.25).max() for prior in (0.1, 10, 1e3, 1e7)]
    assert gaps == sorted(gaps, reverse=True) and gaps[-1] < 1e-3
    nothing = calibration.fit(binary(given[:, :0]), true[:0], 10.0)
    assert nothing.weights.tolist() == [0.25] * 4 and nothing.bias.tolist() == [0, 0]


def test_a_code_that_no_case_has_stays_finite_and_a_certain_model_does_no_harm() -> None:
    given = np.array([[[1.0, 0.0, 0.0]] * 5 + [[0.0, 1.0, 0.0]] * 5])
    fitted = calibration.fit(given, np.array([0] * 5 + [1] * 4 + [0]), prior=1.0)
    found = calibration.apply(fitted, given)
    assert np.isfinite(found).all() and found.sum(axis=1) == pytest.approx(1)
    assert 0 < found[0, 2] < 0.05 and 0.05 < found[9, 0] < 0.4


@pytest.mark.parametrize("seed", range(40))
def test_a_binary_variable_gets_what_scipy_finds(seed: int) -> None:
    """From certain, rare and contradictory answers, where full Newton steps go astray."""
    rng = np.random.default_rng(seed)
    given = expit(6 * rng.normal(size=(2, 80)) - 4)
    true = (rng.random(80) < 0.05).astype(int)
    fitted = calibration.fit(binary(given), true, prior=0.01)
    kept = np.clip(given, calibration.FLOOR, None), np.clip(1 - given, calibration.FLOOR, None)
    odds = np.log(kept[0]) - np.log(kept[1])

    def loss(values: np.ndarray) -> float:
        found = values[:2] @ odds + values[2]
        pull = 0.005 * ((values[:2] - 0.5) ** 2).sum() + 0.025 * values[2] ** 2
        return float(np.logaddexp(0, found).sum() - found @ true + pull)

    best = minimize(loss, [0.5, 0.5, 0.0], method="L-BFGS-B", bounds=[(0.02, None)] * 2 + [(None, None)]).fun
    assert loss(np.array([*fitted.weights, fitted.bias[1] - fitted.bias[0]])) <= best + 1e-6
