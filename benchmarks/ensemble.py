"""The ensemble's weights and thresholds against the reference's way: python benchmarks/ensemble.py [--quick].

Per variable, the reference searches the models' weights with Optuna (TPE, 10 trials) and, for each trial, a threshold
on a grid of .05 with scikit-learn's F1; here the weights come from EM and the threshold from one sort. Simulated
out-of-fold probabilities of 13 models over the 23 variables: logits of the true code, an error that all models share
in a case and one of their own, each model with its own skill and calibration. Both are fitted on four fifths of
the cases and scored on the fifth.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace

import measure
import numpy as np
import optuna
import pandas as pd
from sklearn.metrics import f1_score

from abstractor.data import predictions
from abstractor.data.cases import codebook
from abstractor.data.cases.codebook import Codebook, Variable
from abstractor.scoring.ensemble import blend
from abstractor.scoring.ensemble.blend import Blend
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


def search(book: Codebook, tables: Tables, labels: pd.DataFrame) -> Blend:
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
    return Blend(weights, cuts)


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


def ours(book: Codebook, tables: Tables, labels: pd.DataFrame) -> Blend:
    """This project's way."""
    return blend.fit(book, tables, labels, PRIOR)


def candidates(book: Codebook, tables: Tables) -> dict[str, int]:
    """Pairs of weights and threshold whose F1 a fit learns: way -> count."""
    pooled = blend.pool(book, tables, {v: dict.fromkeys(tables, 1 / len(tables)) for v in book.names})
    binaries = [variable.name for variable in book.variables if variable.kind == "binary"]
    others = len(book.variables) - len(binaries)
    return {
        "ours": sum(int(pooled[name].nunique()) for name in binaries) + others,
        "reference": TRIALS * (len(binaries) * len(GRID) + others),
    }


def exact(book: Codebook, tables: Tables, labels: pd.DataFrame) -> float:
    """Largest gap between the F1 at our thresholds and the best of all cuts by scikit-learn, on 200 cases."""
    table = next(iter(tables.values())).iloc[:200]
    cuts, gaps = thresholds.fit(book, table, labels), [0.0]
    for name, cut in cuts.items():
        true, given = labels.loc[table.index, name].to_numpy(), table[name].to_numpy(np.float64)
        if true.any():
            best = max(f1_score(true, given >= candidate) for candidate in np.unique(given))
            gaps.append(abs(best - f1_score(true, given >= cut)))
    return float(max(gaps))


def compare(book: Codebook, cases: int, models: int) -> list[measure.Result]:
    """Cross-fitted scores of both ways, then their speed on all cases."""
    tables, labels = simulate(book, cases, models)
    part, sizes = crossfit.parts(book, labels, seed=20), f"{cases} cases, {models} models, {len(book.names)} variables"
    ways = {"ours": ours, "reference": search}
    decisions = {}
    for name, fit in ways.items():
        decisions[name] = crossfit.crossfit(
            part,
            lambda others, fit=fit: fit(book, {m: t.loc[others] for m, t in tables.items()}, labels),  # type: ignore[misc]
            lambda fitted, held: _decide(book, tables, fitted, held),
        )
    f1 = {name: metrics.scores(book, labels, decided)["mean"] for name, decided in decisions.items()}
    drawn = metrics.bootstrap(book, labels, decisions, 2000, seed=20)
    interval = metrics.interval(drawn["ours"] - drawn["reference"])
    counted = candidates(book, tables)
    seconds = measure.in_turn({name: lambda fit=fit: fit(book, tables, labels) for name, fit in ways.items()}, 1)  # type: ignore[misc]
    rates = {name: counted[name] / seconds[name][0] for name in ways}
    gap = exact(book, tables, labels)
    return [
        measure.Result(
            what="cross-fitted mean F1, over the reference's way",
            sizes=sizes,
            ratio=f1["ours"] / f1["reference"],
            goal=1.0,
            same_answer=gap < 1e-12,
            difference=gap,
            note=(
                f"{f1['ours']:.4f} against {f1['reference']:.4f}, difference {interval['low']:+.4f} to "
                f"{interval['high']:+.4f} (paired bootstrap); same answer: our threshold has the best F1 of all cuts"
            ),
        ),
        measure.Result(
            what="candidates a second, over the reference's way",
            sizes=sizes,
            ratio=rates["ours"] / rates["reference"],
            goal=100.0,
            seconds=seconds,
            note=f"{counted['ours']} against {counted['reference']} pairs of weights and threshold with a known F1",
        ),
    ]


def _decide(book: Codebook, tables: Tables, fitted: Blend, held: pd.Index) -> pd.DataFrame:
    pooled = blend.pool(book, {name: table.loc[held] for name, table in tables.items()}, fitted.weights)
    return thresholds.decide(book, pooled, fitted.thresholds)


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
    results = compare(book, *((200, 3) if options.quick else (4000, 13)))
    results.append(large(book, *((2000, 3) if options.quick else (100_000, 13))))
    measure.report("ensemble", results)


if __name__ == "__main__":
    main()
