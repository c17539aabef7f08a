"""The ensemble: per variable a weighted mean of the models' probabilities, then an exact threshold."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import pandas as pd
from pydantic import Field

from abstractor import metrics, predictions, thresholds
from abstractor.codebook import Codebook
from abstractor.corpus import NOT_CODED
from abstractor.ensemble import weights
from abstractor.params import Strict


class EnsembleParams(Strict):
    """The section `ensemble` of params.yaml."""

    prior: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    """Pull of the weights towards equal ones, in cases."""
    resamples: Annotated[int, Field(ge=100)]
    """Bootstrap resamples of an interval."""


@dataclass(frozen=True)
class Blend:
    """A fitted ensemble."""

    weights: dict[str, dict[str, float]]
    """Variable -> model -> weight; a variable's weights sum to 1."""
    thresholds: dict[str, float]
    """Binary variable -> threshold on the blended probability."""


def fit(codebook: Codebook, tables: Mapping[str, pd.DataFrame], labels: pd.DataFrame, prior: float) -> Blend:
    """Weights by maximum likelihood with a prior, then exact thresholds on the blend, both on the coded cases.

    Args:
        codebook: gives the variables.
        tables: model -> predictions table, all of the same cases.
        labels: at least those cases, int16 codes, -1 where not coded.
        prior: of `weights.fit`.
    """
    given = {name: metrics.true_probabilities(codebook, labels, table) for name, table in tables.items()}
    uids = next(iter(tables.values())).index
    fitted = {}
    for variable in codebook.names:
        coded = labels.loc[uids, variable].to_numpy() != NOT_CODED
        likelihoods = np.stack([given[name][variable][coded] for name in tables], axis=1)
        fitted[variable] = dict(zip(tables, weights.fit(likelihoods, prior).tolist(), strict=True))
    return Blend(fitted, thresholds.fit(codebook, pool(codebook, tables, fitted), labels))


def pool(
    codebook: Codebook, tables: Mapping[str, pd.DataFrame], fitted: Mapping[str, Mapping[str, float]]
) -> pd.DataFrame:
    """The predictions table of the weighted means; every model's table must hold the same uids."""
    uids = next(iter(tables.values())).index
    blended = np.zeros((len(uids), len(codebook.columns)))
    for name, table in tables.items():
        values = table.loc[uids].to_numpy(np.float64)
        for variable, where in codebook.slices().items():
            blended[:, where] += fitted[variable][name] * values[:, where]
    return predictions.table(codebook, uids.tolist(), blended)
