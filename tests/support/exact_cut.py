"""The threshold with the best F1 on a sample: what a rule that calibrates first is compared with."""

import numpy as np


def exact_cut(scores: np.ndarray, true: np.ndarray) -> float:
    """Of all cuts between two neighbouring scores the one with the highest F1, by one sort; 2 without positives."""
    if not true.any():
        return 2.0
    order = np.argsort(-scores, kind="stable")
    falling, hits = scores[order].astype(np.float64), np.cumsum(true[order] == 1)
    below = np.append(falling[1:], 0.0)
    cuts = np.flatnonzero((falling > below) | (np.arange(len(falling)) == len(falling) - 1))
    cut = cuts[(2 * hits[cuts] / (cuts + 1 + hits[-1])).argmax()]
    return float((falling[cut] + below[cut]) / 2)


def f1_at(scores: np.ndarray, true: np.ndarray, threshold: float) -> float:
    """F1 of saying 1 from the threshold on; 0 where nothing is true or said."""
    said = scores.astype(np.float64) >= threshold
    return float(2 * (said & (true == 1)).sum() / max(said.sum() + true.sum(), 1))
