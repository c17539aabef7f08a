"""Mixture weights against a grid, at their limits, and in time."""

import numpy as np
import pytest

from abstractor.scoring.ensemble import weights


def likelihoods(cases: int, models: int, seed: int) -> np.ndarray:
    """Probabilities of the true code by models of equal skill with errors of their own."""
    rng = np.random.default_rng(seed)
    logits = 1.5 + 1.5 * rng.normal(size=(cases, 1)) + 0.8 * rng.normal(size=(cases, models))
    return np.asarray(1 / (1 + np.exp(-logits)))


def objective(given: np.ndarray, chosen: np.ndarray, prior: float) -> float:
    return float(np.log(given @ chosen).sum() + prior / len(chosen) * np.log(chosen).sum())


@pytest.mark.parametrize("prior", [0.0, 5.0])
@pytest.mark.parametrize("seed", range(5))
def test_two_models_reach_the_best_of_a_fine_grid(prior: float, seed: int) -> None:
    given = likelihoods(200, 2, seed)
    given[:, 1] **= 1.2
    grid = np.linspace(0.0005, 0.9995, 2000)
    best = max(objective(given, np.array([share, 1 - share]), prior) for share in grid)
    found = weights.fit(given, prior)
    assert objective(given, np.maximum(found, 1e-9), prior) >= best - 1e-4 * (len(given) + prior)


def test_many_models_reach_a_stationary_point_on_the_simplex() -> None:
    given = likelihoods(500, 13, 1)
    found = weights.fit(given, 0.0, tolerance=1e-5)
    assert found.sum() == pytest.approx(1) and (found >= 0).all()
    slopes = given.T @ (1 / (given @ found)) / len(given)
    assert slopes.max() <= 1 + 1.001e-5


def test_a_useless_model_gets_little_and_a_double_shares() -> None:
    good = likelihoods(800, 1, 1)
    found = weights.fit(np.concatenate([good, np.full_like(good, 0.2), good], axis=1), prior=1.0)
    assert found[1] < 0.02 and found[0] == pytest.approx(found[2])


def test_a_strong_prior_gives_equal_weights_and_a_weak_one_does_not() -> None:
    given = np.column_stack([np.full(50, 0.9), np.full(50, 0.3)])
    assert weights.fit(given, 1e9) == pytest.approx([0.5, 0.5], abs=1e-3)
    assert weights.fit(given, 0.1)[0] > 0.95
    shares = [weights.fit(given, prior)[0] for prior in (0.0, 1.0, 10.0, 100.0)]
    assert shares == sorted(shares, reverse=True)


def test_nothing_coded_gives_equal_weights_and_one_model_gets_all() -> None:
    assert weights.fit(np.empty((0, 4)), 0.0).tolist() == [0.25] * 4
    assert weights.fit(likelihoods(10, 1, 1), 3.0).tolist() == [1.0]
