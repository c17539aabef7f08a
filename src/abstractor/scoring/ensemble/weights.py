"""How much each model counts, per variable: the weights of a mixture, by expectation maximisation.

The blend of a variable is a linear opinion pool (Stone 1961, "The opinion pool"): a weighted mean of the models'
probabilities. Its weights maximise the likelihood of the coded cases under that mixture, which EM finds without a step
size or a grid (Dempster, Laird and Rubin 1977, section 4.3). The problem is concave, so the optimum is global.
"""

import numpy as np

_TINY = np.finfo(float).tiny

_STEPS = 5_000
"""Several times what the default tolerance takes; a flat likelihood could go on for long."""


def fit(likelihoods: np.ndarray, prior: float, tolerance: float = 1e-4) -> np.ndarray:
    """Mixture weights on the simplex that maximise likelihood and prior.

    Maximises  sum_i log(sum_m w_m p_im) + (prior / M) sum_m log w_m.  As this is concave, the largest ratio of a step's
    new weights to the old, less 1, bounds what each case could still gain on average (Lindsay 1983): it ends the loop.

    Args:
        likelihoods: (cases, models), the probability that each model gives to the true code; above 0, coded cases only.
        prior: strength of a symmetric Dirichlet prior, in cases: as if so many more were spread evenly over the
            models. 0 is maximum likelihood; without cases the weights are equal.
        tolerance: end where a case could gain at most this much log-likelihood (nats).

    Returns:
        (models,) weights, zero or more, that sum to 1.
    """
    cases, models = likelihoods.shape
    weights = np.full(models, 1 / models)
    if cases == 0:
        return weights
    for _ in range(_STEPS):
        gains = likelihoods.T @ (1 / (likelihoods @ weights)) + prior / models / np.maximum(weights, _TINY)
        gains /= cases + prior
        if gains.max() <= 1 + tolerance:
            break
        weights = weights * gains
        weights /= weights.sum()
    return weights
