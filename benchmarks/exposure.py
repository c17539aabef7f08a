"""How far losses give away what a model was trained on: secrets among their like, cases among others.

A secret is a code drawn from codes that are all as likely beforehand. Its exposure (Carlini et al. 2019,
arXiv 1802.08232) is the number of bits by which the model narrows the search for it: log2 of the number of codes less
log2 of its rank by loss among them.
"""

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from abstractor.scoring.scores.metrics import interval

Losses = NDArray[np.float64]


def exposure(secret: float, others: Losses) -> float:
    """Bits, from 0 to log2(others + 1); an equal loss counts as half a place.

    Args:
        secret: loss of the secret.
        others: losses of other codes, none of them the secret.
    """
    rank = 1 + (others < secret).sum() + (others == secret).sum() / 2
    return float(np.log2(len(others) + 1) - np.log2(rank))


def chance(others: int) -> float:
    """Mean exposure of a secret that a model knows nothing of: every rank is as likely."""
    return float(np.log2(others + 1) - np.log2(np.arange(1, others + 2)).mean())


def membership(members: Losses, others: Losses, resamples: int, seed: int) -> dict[str, float]:
    """How well a low loss tells the cases that a model was trained on from others.

    Returns:
        `auc`, the chance that a member has the lower loss of the two (.5: no better than guessing), and its 95 %
        bootstrap interval, `low` and `high`, both groups drawn anew.
    """
    rng = np.random.default_rng(seed)
    drawn = [_auc(rng.choice(members, len(members)), rng.choice(others, len(others))) for _ in range(resamples)]
    return {"auc": _auc(members, others)} | interval(pd.Series(drawn))


def _auc(members: Losses, others: Losses) -> float:
    is_member = np.repeat([1, 0], [len(members), len(others)])
    return float(roc_auc_score(is_member, -np.concatenate([members, others])))
