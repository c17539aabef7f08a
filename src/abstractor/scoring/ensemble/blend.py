"""The ensemble: per variable one calibrated distribution from those of all models, then a threshold."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
from pydantic import Field, FiniteFloat, ValidationError

from abstractor.base.files import write_json
from abstractor.base.messages import scores as messages
from abstractor.base.params import Strict
from abstractor.data import predictions
from abstractor.data.cases.codebook import Codebook, Variable
from abstractor.data.cases.prepared import NOT_CODED
from abstractor.scoring.scores import calibration, thresholds

PATH = Path("models/ensemble/blend.json")
"""Where the fitted ensemble lies."""
ENSEMBLE, MODELS = "ensemble", "models"
"""Names of blends beside the single systems: of all members, and of the models alone."""
LINEAR = "linear_tfidf"
"""The baseline as a member. Its words are those of the narratives, so it predicts only where these are."""


class EnsembleParams(Strict):
    """The section `ensemble` of params.yaml."""

    prior: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    """Strength of the pull of a variable's weights to those that serve all variables, above 0: of a ridge on the
    weights of the models' log-probabilities."""
    linear: bool
    """true: the baseline's TF-IDF and logistic regression is blended in as one more member, which costs no time. The
    models alone are blended as well: a T4 bundle decides by that blend, since the member's words are narrative text."""
    resamples: Annotated[int, Field(ge=100)]
    """Bootstrap resamples of an interval, 100 and up."""


@dataclass(frozen=True)
class Blend:
    """A fitted ensemble."""

    weights: dict[str, dict[str, float]]
    """Variable -> member -> weight of its log-probabilities."""
    bias: dict[str, list[float]]
    """Variable -> what is added to the log-probability of each code."""
    thresholds: dict[str, float]
    """Binary variable -> threshold on the blended probability."""


class _StoredBlend(Strict):
    """The content of the file, of one blend."""

    weights: dict[str, dict[str, FiniteFloat]]
    """As in `Blend`."""
    bias: dict[str, list[FiniteFloat]]
    """As in `Blend`."""


class _Stored(Strict):
    """The content of the file."""

    blends: dict[str, _StoredBlend]
    """By name."""
    thresholds: dict[str, dict[str, FiniteFloat]]
    """System, a blend or a single one -> binary variable -> threshold."""


def members(
    tables: Mapping[str, pd.DataFrame], baseline: pd.DataFrame, linear: bool
) -> dict[str, dict[str, pd.DataFrame]]:
    """Blend -> member -> predictions table: of all, and where the linear member is one, of the models alone."""
    if not linear:
        return {ENSEMBLE: dict(tables)}
    return {ENSEMBLE: dict(tables) | {LINEAR: baseline}, MODELS: dict(tables)}


def fit(codebook: Codebook, tables: Mapping[str, pd.DataFrame], labels: pd.DataFrame, prior: float) -> Blend:
    """Weights and biases by maximum likelihood with a prior, then thresholds on the blend, both on the coded cases.

    The weights of a variable are pulled to those that serve all variables together, since few cases of a rare code do
    not tell a useless model from a good one, and all variables do (an empirical Bayes prior: Efron and Morris 1975, doi
    10.1080/01621459.1975.10479864). A model with large log-probabilities moves the pool more, and is pulled as much
    more.

    Args:
        codebook: gives the variables.
        tables: model -> predictions table, all of the same cases.
        labels: at least those cases, int16 codes, -1 where not coded.
        prior: of `calibration.fit`.
    """
    weights, bias, given, true = {}, {}, [], []
    codes = labels.loc[next(iter(tables.values())).index]
    for variable, of_models in _by_variable(codebook, tables):
        found = codes[variable.name].to_numpy()
        coded = found != NOT_CODED
        given.append(of_models[:, coded])
        true.append((found[coded, None] == np.array(variable.codes)).argmax(axis=1))
    center = calibration.common_weights(given, true, prior)
    for variable, of_models, number in zip(codebook.variables, given, true, strict=True):
        strength = prior * np.maximum(calibration.spread(of_models), 1) if len(number) else prior
        fitted = calibration.fit(of_models, number, strength, center)
        weights[variable.name] = dict(zip(tables, fitted.weights.tolist(), strict=True))
        bias[variable.name] = fitted.bias.tolist()
    blend = Blend(weights, bias, {})
    return replace(blend, thresholds=thresholds.fit(codebook, pool(codebook, tables, blend), labels))


def pool(codebook: Codebook, tables: Mapping[str, pd.DataFrame], fitted: Blend) -> pd.DataFrame:
    """The blended predictions table; every model's table must hold the same uids, and the blend a weight for each."""
    uids = next(iter(tables.values())).index
    blended = []
    for variable, given in _by_variable(codebook, tables):
        weights = np.array([fitted.weights[variable.name][name] for name in tables])
        how = calibration.Calibration(weights, np.array(fitted.bias[variable.name]))
        blended.append(calibration.apply(how, given)[:, -len(variable.columns) :])
    return predictions.table(codebook, uids.tolist(), np.hstack(blended))


def _by_variable(codebook: Codebook, tables: Mapping[str, pd.DataFrame]) -> Iterator[tuple[Variable, np.ndarray]]:
    """Each variable with its (models, cases, codes) probabilities, cases in the order of the first table."""
    uids = next(iter(tables.values())).index
    values = [table.loc[uids].to_numpy(np.float64) for table in tables.values()]
    for variable, where in zip(codebook.variables, codebook.slices().values(), strict=True):
        yield variable, np.stack([variable.by_code(given[:, where]) for given in values])


def write(path: Path, blends: Mapping[str, Blend], cuts: Mapping[str, Mapping[str, float]]) -> None:
    """Write blends by name, and the thresholds of all systems, theirs among them."""
    stored = {name: {"weights": blend.weights, "bias": blend.bias} for name, blend in blends.items()}
    write_json(path, {"blends": stored, "thresholds": cuts})


def read(path: Path, codebook: Codebook, models: Collection[str]) -> Blend:
    """Read what `write` wrote: the blend of these members and no others.

    Args:
        path: of the file.
        codebook: gives the variables.
        models: names of the members.

    Raises:
        BlendError: the file is missing or damaged, or holds blends of other members or variables.
    """
    try:
        stored = _Stored.model_validate_json(path.read_bytes())
    except OSError:
        raise messages.missing_blend(path) from None
    except ValidationError:
        raise messages.no_blend(path) from None
    binary = {variable.name for variable in codebook.variables if variable.kind == "binary"}
    codes = {variable.name: len(variable.codes) for variable in codebook.variables}
    for name, blend in stored.blends.items():
        biases = {variable: len(values) for variable, values in blend.bias.items()}
        cuts = stored.thresholds.get(name, {})
        if cuts.keys() != binary or blend.weights.keys() != codes.keys() or biases != codes:
            raise messages.other_variables(path)
        if all(given.keys() == set(models) for given in blend.weights.values()):
            return Blend(blend.weights, blend.bias, cuts)
    raise messages.other_models(path)
