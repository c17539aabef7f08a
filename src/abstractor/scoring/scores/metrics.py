"""The score: F1 per variable and its mean, with bootstrap intervals. The only scoring path of the project.

F1 of the positive class for a binary variable, micro F1 over the codes for a categorical one; 0 where nothing is true
or predicted; cases that are not coded count for nothing. A decisions table has index `uid` and one int16 column a
variable.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from abstractor.data.cases.codebook import Codebook
from abstractor.data.cases.prepared import NOT_CODED

DECIMALS = 5
"""Of a metric, where no rule on small counts asks for fewer."""
_BLOCK = 4_000_000
"""Case weights held at once by the bootstrap (about 32 MB)."""

FEW, THIN = 5, 0.1
"""A variable with fewer true labels is thin; where more than such a share of the variables is, no interval covers."""

_SMALLEST = 1e-7
"""A probability below float32's resolution near 1 counts as this in a logarithm."""


class Counts(NamedTuple):
    """What each case adds to the counts of each variable: three (cases, variables) arrays of 0 and 1.

    A wrong code of a categorical variable is a false positive of one code and a false negative of another.
    """

    tp: np.ndarray
    fp: np.ndarray
    fn: np.ndarray


def counts(codebook: Codebook, labels: pd.DataFrame, decisions: pd.DataFrame) -> Counts:
    """Per-case counts, so that F1 under any case weights is a matrix product; rows in the order of `decisions`."""
    names = list(codebook.names)
    true, decided = labels.loc[decisions.index, names].to_numpy(), decisions[names].to_numpy()
    binary = np.array([variable.kind == "binary" for variable in codebook.variables])
    coded = true != NOT_CODED
    right, wrong = coded & (true == decided), coded & (true != decided)
    return Counts(
        tp=(right & (~binary | (true == 1))).astype(np.float64),
        fp=(wrong & (~binary | (decided == 1))).astype(np.float64),
        fn=(wrong & (~binary | (true == 1))).astype(np.float64),
    )


def f1(counted: Counts, weights: np.ndarray) -> np.ndarray:
    """F1 per variable under each row of case weights.

    Args:
        counted: of `counts`.
        weights: (resamples, cases), zero or more.

    Returns:
        (resamples, variables), in 0 to 1.
    """
    twice = 2 * (weights @ counted.tp)
    size = twice + weights @ (counted.fp + counted.fn)
    return np.asarray(np.divide(twice, size, out=np.zeros_like(twice), where=size > 0))


def scores(codebook: Codebook, labels: pd.DataFrame, decisions: pd.DataFrame) -> dict[str, float]:
    """F1 of each variable, and their mean under the key `mean`."""
    values = f1(counts(codebook, labels, decisions), np.ones((1, len(decisions))))[0]
    return {"mean": float(values.mean())} | dict(zip(codebook.names, values.tolist(), strict=True))


def bootstrap(
    codebook: Codebook,
    labels: pd.DataFrame,
    systems: Mapping[str, pd.DataFrame],
    resamples: int,
    seed: int,
    groups: pd.Series | None = None,
) -> pd.DataFrame:
    """(resamples, systems) mean F1 of `bootstrap_by_variable`; the difference of two columns is a paired bootstrap."""
    drawn = bootstrap_by_variable(codebook, labels, systems, resamples, seed, groups)
    return pd.DataFrame({name: of_it.mean(axis=1) for name, of_it in drawn.items()})


def bootstrap_by_variable(
    codebook: Codebook,
    labels: pd.DataFrame,
    systems: Mapping[str, pd.DataFrame],
    resamples: int,
    seed: int,
    groups: pd.Series | None = None,
) -> dict[str, pd.DataFrame]:
    """F1 of each system on the same resamples of the cases (drawn with replacement).

    Copies are drawn together (the cluster bootstrap of Davison and Hinkley 1997, section 3.8): a case that stands in
    the table twice tells no more than once.

    Args:
        codebook: gives variables and kinds.
        labels: at least the cases of the decisions.
        systems: name -> decisions, all on the same cases.
        resamples: number of resamples.
        seed: of the draw.
        groups: uid -> group of at least these cases; None: each stands alone.

    Returns:
        System -> (resamples, variables) F1.
    """
    uids = next(iter(systems.values())).index
    counted = {name: counts(codebook, labels, decisions.loc[uids]) for name, decisions in systems.items()}
    number = pd.factorize(uids if groups is None else groups.loc[uids])[0]
    rng, drawn = np.random.default_rng(seed), int(number.max(initial=-1)) + 1
    block, found = max(1, _BLOCK // max(len(uids), 1)), []
    for start in range(0, resamples, block):
        rows = min(block, resamples - start)
        draws = rng.integers(0, drawn, size=(rows, drawn)) + drawn * np.arange(rows)[:, None]
        times = np.bincount(draws.ravel(), minlength=rows * drawn).reshape(rows, drawn).astype(np.float64)
        weights = times[:, number]
        found.append(np.stack([f1(each, weights) for each in counted.values()]))
    tables = (pd.DataFrame(of_it, columns=list(codebook.names)) for of_it in np.concatenate(found, axis=1))
    return dict(zip(counted, tables, strict=True))


def interval(values: pd.Series) -> dict[str, float]:
    """95 % percentile interval of bootstrapped values (Efron and Tibshirani 1993, chapter 13).

    For differences of systems on the same cases: what pulls the F1 of few cases down pulls both.
    """
    low, high = np.quantile(values.to_numpy(), [0.025, 0.975])
    return {"low": float(low), "high": float(high)}


def score_interval(
    codebook: Codebook, labels: pd.DataFrame, decisions: pd.DataFrame, values: pd.Series
) -> dict[str, float | None]:
    """95 % basic bootstrap interval of a system's own mean F1 (Davison and Hinkley 1997, section 5.2).

    Of few cases F1 is biased downwards, and resamples of them once more: percentiles lie too low by twice the bias, the
    basic interval turns them round the score. Where more than a tenth of the variables has fewer than five true labels
    that does not suffice (docs/evidence/experiments.md), and there is none.

    Args:
        codebook: gives the variables.
        labels: at least the cases of the decisions.
        decisions: of the system.
        values: its bootstrapped mean F1s.

    Returns:
        `low` and `high` in 0 to 1, or both None.
    """
    counted = counts(codebook, labels, decisions)
    if ((counted.tp + counted.fn).sum(axis=0) < FEW).mean() > THIN:
        return {"low": None, "high": None}
    twice, turned = 2 * f1(counted, np.ones((1, len(decisions)))).mean(), interval(values)
    return {"low": max(float(twice) - turned["high"], 0.0), "high": min(float(twice) - turned["low"], 1.0)}


def log_loss(codebook: Codebook, labels: pd.DataFrame, predictions: pd.DataFrame) -> float:
    """Mean negative log-probability of the true code (nats): over a variable's coded cases, then over the variables."""
    losses = []
    for variable, given in true_probabilities(codebook, labels, predictions).items():
        coded = labels.loc[predictions.index, variable].to_numpy() != NOT_CODED
        if coded.any():
            losses.append(-np.log(given[coded]).mean())
    return float(np.mean(losses)) if losses else 0.0


def true_probabilities(codebook: Codebook, labels: pd.DataFrame, predictions: pd.DataFrame) -> dict[str, np.ndarray]:
    """Variable -> (cases,) float64: the probability given to the true code, 1e-7 at least; 1 where not coded."""
    found = {}
    for variable in codebook.variables:
        true = labels.loc[predictions.index, variable.name].to_numpy()
        given = variable.by_code(predictions[list(variable.columns)].to_numpy(np.float64))
        hits = true[:, None] == np.array(variable.codes)
        found[variable.name] = np.where(true == NOT_CODED, 1.0, np.maximum((given * hits).sum(axis=1), _SMALLEST))
    return found


def rounded(content: Any, decimals: int = DECIMALS) -> Any:
    """A copy of nested metrics with every float rounded, so that differences in git stay quiet; no float is -0.0."""
    if isinstance(content, dict):
        return {key: rounded(value, decimals) for key, value in content.items()}
    return round(content, decimals) + 0.0 if isinstance(content, float) else content
