"""The ensemble: per variable a weighted mean of the models' probabilities, then an exact threshold."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
from pydantic import Field, FiniteFloat, ValidationError

from abstractor.base.files import write_json
from abstractor.base.messages import scores as messages
from abstractor.base.params import Strict
from abstractor.data import predictions
from abstractor.data.cases.codebook import Codebook
from abstractor.data.cases.prepared import NOT_CODED
from abstractor.scoring.ensemble import weights
from abstractor.scoring.scores import metrics, thresholds

PATH = Path("models/ensemble/blend.json")
"""Where the fitted ensemble lies."""
ENSEMBLE = "ensemble"
"""Its name beside the single systems."""


class EnsembleParams(Strict):
    """The section `ensemble` of params.yaml."""

    prior: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    """Strength of the pull to equal weights, in cases, 0 (none) and up."""
    resamples: Annotated[int, Field(ge=100)]
    """Bootstrap resamples of an interval, 100 and up."""


@dataclass(frozen=True)
class Blend:
    """A fitted ensemble."""

    weights: dict[str, dict[str, float]]
    """Variable -> model -> weight; a variable's weights sum to 1."""
    thresholds: dict[str, float]
    """Binary variable -> threshold on the blended probability."""


class _Stored(Strict):
    """The content of the file."""

    weights: dict[str, dict[str, FiniteFloat]]
    """As in `Blend`."""
    thresholds: dict[str, dict[str, FiniteFloat]]
    """System -> binary variable -> threshold."""


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


def write(path: Path, fitted: Blend, cuts: Mapping[str, Mapping[str, float]]) -> None:
    """Write an ensemble with the thresholds of all systems, its own among them."""
    write_json(path, {"weights": fitted.weights, "thresholds": cuts})


def read(path: Path, codebook: Codebook, models: Collection[str]) -> Blend:
    """Read what `write` wrote.

    Args:
        path: of the file.
        codebook: gives the variables.
        models: names of the members.

    Raises:
        BlendError: the file is missing or damaged, or the ensemble is one of other models or variables.
    """
    try:
        stored = _Stored.model_validate_json(path.read_bytes())
    except OSError:
        raise messages.missing_blend(path) from None
    except ValidationError:
        raise messages.no_blend(path) from None
    cuts = stored.thresholds.get(ENSEMBLE, {})
    binary = {variable.name for variable in codebook.variables if variable.kind == "binary"}
    if cuts.keys() != binary or stored.weights.keys() != set(codebook.names):
        raise messages.other_variables(path)
    if any(given.keys() != set(models) for given in stored.weights.values()):
        raise messages.other_models(path)
    return Blend(stored.weights, cuts)
