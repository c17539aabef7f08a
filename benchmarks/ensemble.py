"""The ensemble's weights and thresholds against the reference's way: python benchmarks/ensemble.py [--quick].

Per variable, the reference searches the models' weights with Optuna (TPE, 10 trials) and, for each trial, a threshold
on a grid of .05 with scikit-learn's F1; here both come from calibrated probabilities. Simulated out-of-fold
probabilities of 13 models over the 23 variables: logits of the true code, an error that all models share in a case and
one of their own, each model with its own skill and calibration. Both are fitted on four fifths of the cases and scored
on the fifth.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import measure
import numpy as np
import optuna
import pandas as pd
from sklearn.metrics import f1_score

from abstractor.data import predictions
from abstractor.data.cases import codebook
from abstractor.data.cases.codebook import Codebook, Variable
from abstractor.scoring.ensemble import blend
from abstractor.scoring.scores import crossfit, metrics, thresholds

TRIALS, GRID = 10, np.arange(0.05, 1.0, 0.05)
PRIOR = 10.0
"""As in params.yaml."""
MINUTE = 60.0

Tables = Mapping[str, pd.DataFrame]


def simulate(book: Codebook, cases: int, models: int, seed: int = 20) -> tuple[dict[str, pd.DataFrame], pd.DataFrame]:
    """Model -> predictions table, and the labels."""
    rng = np.random.default_rng(seed)
    uids = [f"case-{number:06}" for number in range(cases)]
    skills, slopes = rng.uniform(0.6, 1.4, models), rng.uniform(0.6, 1.8, models)
    labels, columns = {}, [[] for _ in range(models)]  # type: ignore[var-annotated]
    for variable in book.variables:
        codes = len(variable.codes)
        shares = np.array([1 - (variable.share or 0.2), variable.share or 0.2])
        shares = shares if variable.kind == "binary" else 0.6 ** np.arange(codes) / (0.6 ** np.arange(codes)).sum()
        true = rng.choice(codes, size=cases, p=shares)
        labels[variable.name] = np.array(variable.codes)[true]
        common = np.log(shares) + 1.0 * rng.normal(size=(cases, codes))
        for model in range(models):
            own = common + 2.5 * skills[model] * np.eye(codes)[true] + 1.2 * rng.normal(size=(cases, codes))
            given = np.exp(slopes[model] * (own - own.max(axis=1, keepdims=True)))
            given /= given.sum(axis=1, keepdims=True)
            columns[model].append(given[:, 1:] if variable.kind == "binary" else given)
    tables = {f"m{number:02}": predictions.table(book, uids, np.hstack(parts)) for number, parts in enumerate(columns)}
    return tables, pd.DataFrame(labels, index=pd.Index(uids, name="uid")).astype(np.int16)


class Searched(NamedTuple):
    """What the reference finds."""

    weights: dict[str, dict[str, float]]
    """Variable -> model -> share of its probability in the mean."""
    thresholds: dict[str, float]
    """Binary variable -> threshold on the mean."""


def search(book: Codebook, tables: Tables, labels: pd.DataFrame) -> Searched:
    """The reference's way."""
    weights, cuts = {}, {}
    uids = next(iter(tables.values())).index
    for variable in book.variables:
        given = np.stack([table[list(variable.columns)].to_numpy(np.float64) for table in tables.values()])
        study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=20))
        study.optimize(Objective(variable, list(tables), given, labels.loc[uids, variable.name].to_numpy()), TRIALS)
        total = sum(study.best_params.values()) or 1e-9
        weights[variable.name] = {name: value / total for name, value in study.best_params.items()}
        if variable.kind == "binary":
            cuts[variable.name] = study.best_trial.user_attrs["cut"]
    return Searched(weights, cuts)


@dataclass(frozen=True)
class Objective:
    """F1 of one variable under the weights of a trial, at the best threshold of the grid."""

    variable: Variable
    models: list[str]
    given: np.ndarray
    """(models, cases, columns)."""
    true: np.ndarray
    """(cases,) codes."""

    def __call__(self, trial: optuna.Trial) -> float:
        """Called by Optuna."""
        drawn = np.array([trial.suggest_float(name, 0.0, 1.0) for name in self.models])
        pooled = np.tensordot(drawn / max(drawn.sum(), 1e-9), self.given, axes=1)
        if self.variable.kind == "categorical":
            codes = np.array(self.variable.codes)
            return float(f1_score(self.true, codes[pooled.argmax(axis=1)], average="micro"))
        scores = [f1_score(self.true, pooled[:, 0] >= cut, zero_division=0.0) for cut in GRID]
        trial.set_user_attr("cut", float(GRID[int(np.argmax(scores))]))
        return float(max(scores))


def decide_searched(book: Codebook, tables: Tables, fitted: Searched) -> pd.DataFrame:
    """Codes of the weighted means."""
    uids = next(iter(tables.values())).index
    pooled = np.zeros((len(uids), len(book.columns)))
    for name, table in tables.items():
        for variable, where in book.slices().items():
            pooled[:, where] += fitted.weights[variable][name] * table.to_numpy(np.float64)[:, where]
    return thresholds.decide(book, predictions.table(book, uids.tolist(), pooled), fitted.thresholds)


def ours(book: Codebook, tables: Tables, labels: pd.DataFrame) -> blend.Blend:
    """This project's way."""
    return blend.fit(book, tables, labels, PRIOR)


def decide_ours(book: Codebook, tables: Tables, fitted: blend.Blend) -> pd.DataFrame:
    """Codes of the blend."""
    return thresholds.decide(book, blend.pool(book, tables, fitted), fitted.thresholds)


class Way(NamedTuple):
    """How weights and thresholds are found and used."""

    fit: Callable[[Codebook, Tables, pd.DataFrame], Any]
    decide: Callable[[Codebook, Tables, Any], pd.DataFrame]


WAYS = {"ours": Way(ours, decide_ours), "reference": Way(search, decide_searched)}


def compare(book: Codebook, cases: int, models: int) -> list[measure.Result]:
    """Cross-fitted scores of both ways, then their speed on all cases."""
    tables, labels = simulate(book, cases, models)
    part, sizes = crossfit.parts(book, labels, seed=20), f"{cases} cases, {models} models, {len(book.names)} variables"

    def of(uids: pd.Index) -> dict[str, pd.DataFrame]:
        return {name: table.loc[uids] for name, table in tables.items()}

    def crossfitted(way: Way) -> pd.DataFrame:
        return crossfit.crossfit(
            part,
            lambda others: way.fit(book, of(others), labels),
            lambda fitted, held: way.decide(book, of(held), fitted),
        )

    decisions = {name: crossfitted(way) for name, way in WAYS.items()}
    f1 = {name: metrics.scores(book, labels, decided)["mean"] for name, decided in decisions.items()}
    drawn = metrics.bootstrap(book, labels, decisions, 2000, seed=20)
    interval = metrics.interval(drawn["ours"] - drawn["reference"])
    seconds = measure.in_turn({name: lambda way=way: way.fit(book, tables, labels) for name, way in WAYS.items()}, 1)  # type: ignore[misc]
    return [
        measure.Result(
            what="cross-fitted mean F1, over the reference's way",
            sizes=sizes,
            ratio=f1["ours"] / f1["reference"],
            goal=1.0,
            note=(
                f"{f1['ours']:.4f} against {f1['reference']:.4f}, difference {interval['low']:+.4f} to "
                f"{interval['high']:+.4f} (paired bootstrap)"
            ),
        ),
        measure.Result(
            what="one fit, over the reference's way",
            sizes=sizes,
            ratio=seconds["reference"][0] / seconds["ours"][0],
            goal=10.0,
            seconds=seconds,
        ),
    ]


def large(book: Codebook, cases: int, models: int) -> measure.Result:
    """Seconds of one fit on many cases, against a minute."""
    tables, labels = simulate(book, cases, models)
    start = time.perf_counter()
    ours(book, tables, labels)
    took = time.perf_counter() - start
    return measure.Result(
        what="one fit, times faster than a minute",
        sizes=f"{cases} cases, {models} models, {len(book.names)} variables",
        ratio=MINUTE / took,
        goal=1.0,
        seconds={"ours": [took]},
    )


def main() -> None:
    """Measure and report."""
    options = measure.parser(__doc__).parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    book = codebook.load(measure.ROOT / "data/codebooks/nvdrs_youth.yaml")
    if options.quick:
        book = replace(book, variables=book.variables[-6:])
    sizes = [(200, 3)] if options.quick else [(240, 3), (1000, 3), (4000, 13)]
    results = [result for cases, models in sizes for result in compare(book, cases, models)]
    results.append(large(book, *((2000, 3) if options.quick else (100_000, 13))))
    measure.report("ensemble", results)


if __name__ == "__main__":
    main()
