"""Thresholds and blends on the corpus at hand: python benchmarks/blends.py [--halves N], after `make repro`.

Weights and thresholds are fitted on the out-of-fold predictions of a random half of the coded cases and scored on the
other half, N times. Thresholds: the cut with the best F1 on the half itself, and the pipeline's. Blends: the plain mean
of the members' probabilities, and the pipeline's, of the models alone and with the linear member.
"""

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.metrics import precision_recall_curve

from abstractor.base import members
from abstractor.base.params import CorpusName, Params
from abstractor.data import folds, predictions
from abstractor.data.cases import codebook
from abstractor.data.cases.codebook import Codebook
from abstractor.data.cases.prepared import NOT_CODED, read_prepared_labels
from abstractor.predicting import gathering
from abstractor.scoring.ensemble import blend
from abstractor.scoring.scores import metrics, thresholds

Cuts = Callable[[Codebook, pd.DataFrame, pd.DataFrame], dict[str, float]]


def cuts_of_the_sample(book: Codebook, table: pd.DataFrame, labels: pd.DataFrame) -> dict[str, float]:
    """The cut of each binary variable with the best F1 on the cases themselves."""
    found = {}
    for variable in book.variables:
        true = labels.loc[table.index, variable.name].to_numpy()
        coded = true != NOT_CODED
        if variable.kind == "binary" and (true[coded] == 1).any():
            precision, recall, cuts = precision_recall_curve(true[coded], table[variable.name].to_numpy()[coded])
            total = precision + recall
            f1 = np.divide(2 * precision * recall, total, out=np.zeros_like(total), where=total > 0)
            found[variable.name] = float(cuts[f1[:-1].argmax()])
        elif variable.kind == "binary":
            found[variable.name] = thresholds.NEVER
    return found


RULES: Mapping[str, Cuts] = {"best of the sample": cuts_of_the_sample, "promised F1": thresholds.fit}


def scored(
    book: Codebook, tables: Mapping[str, pd.DataFrame], labels: pd.DataFrame, prior: float, half: np.ndarray
) -> dict[tuple[str, str], float]:
    """(system, rule) -> mean F1 on the cases outside `half`."""
    uids = labels.index
    fitted_on = {name: table.loc[uids[half]] for name, table in tables.items()}
    held = {name: table.loc[uids[~half]] for name, table in tables.items()}
    systems = {name: (fitted_on[name], held[name]) for name in tables}
    for name, of_it in blend.members(fitted_on, fitted_on.pop(blend.LINEAR), linear=True).items():
        ours = blend.fit(book, of_it, labels, prior)
        others = {member: held[member] for member in of_it}
        systems[f"{name}, plain mean"] = (_mean(of_it), _mean(others))
        systems[f"{name}, log-probabilities"] = (blend.pool(book, of_it, ours), blend.pool(book, others, ours))
    found = {}
    for system, (known, new) in systems.items():
        for rule, fit in RULES.items():
            decided = thresholds.decide(book, new, fit(book, known, labels))
            found[system, rule] = metrics.scores(book, labels, decided)["mean"]
    return found


def _mean(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    parts = list(tables.values())
    return parts[0].copy() if len(parts) == 1 else sum(parts[1:], start=parts[0]) / len(parts)


def main() -> None:
    """Print mean F1s with the standard deviation over the halves, and what the pipeline's thresholds gain."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--halves", type=int, default=20)
    options = parser.parse_args()
    params = Params()
    models, prior = members.read(params), params.get("ensemble", blend.EnsembleParams).prior
    book = codebook.load(Path(f"data/codebooks/{params.get('corpus', CorpusName)}.yaml"))
    labels = read_prepared_labels(Path("data/prepared/labels.parquet"), book)
    fold = folds.read(Path("data/prepared/folds.parquet"))
    tables = gathering.out_of_fold(Path("data/predictions/oof"), models, fold, book)
    tables |= {blend.LINEAR: predictions.read(Path("data/predictions/baseline/oof.parquet"), book)}
    rng = np.random.default_rng(0)
    rows = [scored(book, tables, labels, prior, rng.random(len(labels)) < 0.5) for _ in range(options.halves)]
    for system in dict.fromkeys(name for name, _ in rows[0]):
        sample, ours = (np.array([row[system, rule] for row in rows]) for rule in RULES)
        gain = ours - sample
        print(
            f"{system:<32} {sample.mean():.4f} -> {ours.mean():.4f} (sd {ours.std():.4f}), "
            f"gain {gain.mean():+.4f} (se {gain.std() / np.sqrt(len(gain)):.4f})"
        )


if __name__ == "__main__":
    main()
