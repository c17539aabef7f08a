"""Honest scores: what is tuned on predictions (thresholds, weights) is scored on cases that it was not tuned on."""

from collections.abc import Callable
from typing import Any, TypeVar

import pandas as pd

from abstractor.base.messages import scores as messages
from abstractor.data import folds
from abstractor.data.cases.codebook import Codebook
from abstractor.machine.seeds import derive_seed
from abstractor.scoring.scores import metrics, small_counts, thresholds

PARTS = 5
_SMALLEST = 2 * PARTS
_Fitted = TypeVar("_Fitted")


def parts(codebook: Codebook, labels: pd.DataFrame, seed: int, groups: pd.Series | None = None) -> pd.Series:
    """The multilabel-stratified part (0 to 4) of each labelled case, one part a group; arguments as of `folds.assign`.

    Raises:
        TooFewCasesError: fewer than ten cases.
        FoldsError: fewer groups than parts.
    """
    if len(labels) < _SMALLEST:
        raise messages.too_few_cases(_SMALLEST, len(labels))
    return folds.assign(codebook, labels, PARTS, derive_seed(seed, "parts"), groups)


def crossfit(
    part: pd.Series, fit: Callable[[pd.Index], _Fitted], apply: Callable[[_Fitted, pd.Index], pd.DataFrame]
) -> pd.DataFrame:
    """Fit on all parts but one, apply to that one, in turn.

    Args:
        part: uid -> part.
        fit: what it makes of the uids of the other parts goes to `apply`.
        apply: gives one row for each uid of the part left out.

    Returns:
        The rows of all parts, sorted by uid.
    """
    pieces = []
    for left_out in sorted(part.unique()):
        held = part == left_out
        pieces.append(apply(fit(part.index[~held]), part.index[held]))
    return pd.concat(pieces).sort_index()


def decide(codebook: Codebook, predictions: pd.DataFrame, labels: pd.DataFrame, part: pd.Series) -> pd.DataFrame:
    """Cross-fitted decisions of one system: thresholds fitted on the other parts."""
    return crossfit(
        part,
        lambda others: thresholds.fit(codebook, predictions.loc[others], labels),
        lambda fitted, held: thresholds.decide(codebook, predictions.loc[held], fitted),
    )


def report(
    codebook: Codebook,
    predictions: pd.DataFrame,
    labels: pd.DataFrame,
    seed: int,
    smallest: int,
    groups: pd.Series | None = None,
) -> dict[str, Any]:
    """The metrics of one system's out-of-fold predictions, as released: cross-fitted `f1`, `log_loss` (nats), `cases`.

    Args:
        codebook: gives the variables.
        predictions: of the cases to score.
        labels: at least those cases.
        seed: the global one.
        smallest: the smallest count to release.
        groups: uid -> group, none of which is fitted on and scored; None: each case stands alone.

    Raises:
        TooFewCasesError: fewer than ten cases.
        FoldsError: fewer groups than parts.
    """
    labels = labels.loc[predictions.index]
    decisions = decide(codebook, predictions, labels, parts(codebook, labels, seed, groups))
    content = {
        "f1": metrics.scores(codebook, labels, decisions),
        "log_loss": metrics.log_loss(codebook, labels, predictions),
        "cases": len(predictions),
    }
    return small_counts.scores(codebook, labels, decisions, content, smallest)
