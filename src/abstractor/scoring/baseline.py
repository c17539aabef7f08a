"""The baseline: TF-IDF over words and word pairs, and one logistic regression a variable."""

from typing import Annotated, Any, NamedTuple

import numpy as np
import pandas as pd
from pydantic import Field
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from abstractor.base.messages import scores as messages
from abstractor.base.params import Strict
from abstractor.data import predictions
from abstractor.data.cases.codebook import Codebook, Variable
from abstractor.data.cases.prepared import NOT_CODED

_STEPS = 1_000


class BaselineParams(Strict):
    """The section `baseline` of params.yaml."""

    c: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    """Inverse strength of the logistic regression's L2 penalty, above 0."""
    min_df: Annotated[int, Field(ge=1)]
    """A word or pair of words must stand in so many training cases, 1 and up."""
    max_features: Annotated[int, Field(ge=1)] | None
    """Words and pairs kept, the most frequent ones, 1 and up; null: all."""


class Predicted(NamedTuple):
    """Two predictions tables."""

    oof: pd.DataFrame
    """Each training case by the model that did not see it."""
    new: pd.DataFrame
    """New cases: the mean over the folds' models."""


def predict(
    codebook: Codebook,
    params: BaselineParams,
    cases: pd.DataFrame,
    labels: pd.DataFrame,
    folds: pd.Series,
    new_cases: pd.DataFrame,
) -> Predicted:
    """Train on all folds but one, predict that one and the new cases, in turn.

    Both narratives are one text: a TF-IDF for each scored .02 lower on a real corpus.

    Args:
        codebook: gives the variables.
        params: of the features and the penalty.
        cases: index uid, narrative columns.
        labels: of the same cases, int16 codes, -1 where not coded: left out of training.
        folds: uid -> fold, of the same cases.
        new_cases: like `cases`.

    Raises:
        BaselineError: no word stands in `min_df` training cases.
    """
    labels = labels.loc[cases.index]
    oof = np.zeros((len(cases), len(codebook.columns)))
    new = np.zeros((len(new_cases), len(codebook.columns)))
    fold_of = folds.loc[cases.index].to_numpy()
    numbers = np.unique(fold_of)
    for fold in numbers:
        held = fold_of == fold
        oof[held], news = train_and_predict(codebook, params, cases[~held], labels[~held], cases[held], new_cases)
        new += news / len(numbers)
    return Predicted(
        predictions.table(codebook, cases.index.tolist(), oof),
        predictions.table(codebook, new_cases.index.tolist(), new),
    )


def train_and_predict(
    codebook: Codebook, params: BaselineParams, cases: pd.DataFrame, labels: pd.DataFrame, *others: pd.DataFrame
) -> list[np.ndarray]:
    """Train once, predict other cases.

    Args:
        codebook: gives the variables.
        params: of the features and the penalty.
        cases: to learn from; narrative columns.
        labels: of the same cases in the same order, int16 codes, -1 where not coded.
        others: tables like `cases`.

    Returns:
        For each of `others` its (cases, columns) probabilities, columns as `codebook.columns`.

    Raises:
        BaselineError: no word stands in `min_df` of the cases to learn from.
    """
    features, *other_features = _features(params, _texts(cases), *map(_texts, others))
    probabilities = [np.zeros((len(other), len(codebook.columns))) for other in others]
    for variable, where in zip(codebook.variables, codebook.slices().values(), strict=True):
        model = _train(features, labels[variable.name].to_numpy(), params.c)
        for found, other in zip(probabilities, other_features, strict=True):
            found[:, where] = _probabilities(variable, model, other)
    return probabilities


def _texts(cases: pd.DataFrame) -> np.ndarray:
    """(cases,) one text a case, an empty narrative left out."""
    return np.array(["\n".join(filter(None, row)) for row in cases.itertuples(index=False)], dtype=object)


def _features(params: BaselineParams, training: np.ndarray, *others: np.ndarray) -> list[Any]:
    """Sparse (cases, features) matrices, the training cases' first; they alone decide which features there are."""
    vectorizer = TfidfVectorizer(
        ngram_range=(1, 2), sublinear_tf=True, min_df=params.min_df, max_features=params.max_features
    )
    try:
        return [vectorizer.fit_transform(training), *map(vectorizer.transform, others)]
    except ValueError:
        raise messages.no_words(params.min_df, len(training)) from None


def _train(features: Any, true: np.ndarray, c: float) -> LogisticRegression | int | None:
    """A classifier of the coded cases; their one code where they have no other; None where nothing is coded."""
    coded = true != NOT_CODED
    codes = np.unique(true[coded])
    if len(codes) < 2:
        return int(codes[0]) if len(codes) else None
    # liblinear is the quickest exact solver of a binary problem, lbfgs the one that is multinomial.
    solver = "liblinear" if len(codes) == 2 else "lbfgs"
    return LogisticRegression(C=c, solver=solver, max_iter=_STEPS).fit(features[coded], true[coded])


def _probabilities(variable: Variable, model: LogisticRegression | int | None, features: Any) -> np.ndarray:
    """(cases, columns of the variable); a code that training never saw gets 0."""
    given = np.zeros((features.shape[0], len(variable.codes)))
    if model is None:
        given += 1 / len(variable.codes)
    elif isinstance(model, int):
        given[:, variable.codes.index(model)] = 1
    else:
        given[:, [variable.codes.index(code) for code in model.classes_]] = model.predict_proba(features)
    return given[:, 1:] if variable.kind == "binary" else given
