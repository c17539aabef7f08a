"""How much each model counts, per variable: the weights of a mixture, by expectation maximisation.

The blend of a variable is a linear opinion pool (Stone 1961, "The opinion pool"): a weighted mean of the models'
probabilities. Its weights maximise the likelihood of the coded cases under that mixture, which EM finds without a step
size or a grid (Dempster, Laird and Rubin 1977, section 4.3). The problem is concave, so the optimum is global.
"""

import numpy as np

TOLERANCE = 1e-4
"""The fit ends where the log-likelihood per case is this near (nats) to the optimum, by a proven bound."""

MAX_STEPS = 5_000


def fit(likelihoods: np.ndarray, prior: float, tolerance: float = TOLERANCE) -> np.ndarray:
    """Mixture weights on the simplex that maximise likelihood and prior.

    Maximises  sum_i log(sum_m w_m p_im) + (prior / M) sum_m log w_m.  The ratio of a step's new weights to the old
    bounds, less 1, how far a case's share of the objective still is from its maximum (Lindsay 1983), hence the end.

    Args:
        likelihoods: (cases, models), the probability that each model gives to the true code; above 0, coded cases only.
        prior: strength of a symmetric Dirichlet prior, in cases: so many more, on which all models agree to differ
            equally. 0 is maximum likelihood; without cases the weights are equal.
        tolerance: of the bound.

    Returns:
        (models,) weights, zero or more, that sum to 1.
    """
    cases, models = likelihoods.shape
    weights = np.full(models, 1 / models)
    if cases == 0:
        return weights
    for _ in range(MAX_STEPS):
        responsible = weights * (likelihoods.T @ (1 / (likelihoods @ weights)))
        updated = (responsible + prior / models) / (cases + prior)
        near = (updated / np.maximum(weights, np.finfo(float).tiny)).max() - 1 <= tolerance
        weights = updated / updated.sum()
        if near:
            break
    return weights
