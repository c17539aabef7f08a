"""Predict every case with TF-IDF and logistic regression, the bar to clear: python stages/baseline.py."""

from pathlib import Path

from abstractor.base import files
from abstractor.base.params import CorpusName, Params, Seed
from abstractor.base.script import run_script
from abstractor.data import folds, predictions
from abstractor.data.cases import codebook
from abstractor.data.cases.prepared import read_prepared_cases, read_prepared_labels
from abstractor.scoring.scores import crossfit, small_counts


def main() -> None:
    """Write out-of-fold and new-case predictions, and the cross-fitted score."""
    from abstractor.scoring.baseline import BaselineParams, predict

    params = Params()
    seed, settings = params.get("seed", Seed), params.get("baseline", BaselineParams)
    smallest = params.get("smallest_count", small_counts.SmallestCount)
    book = codebook.load(Path(f"data/codebooks/{params.get('corpus', CorpusName)}.yaml"))
    prepared, target = Path("data/prepared"), Path("data/predictions/baseline")
    labels = read_prepared_labels(prepared / "labels.parquet", book)
    predicted = predict(
        book,
        settings,
        read_prepared_cases(prepared / "cases.parquet", book),
        labels,
        folds.read(prepared / "folds.parquet"),
        read_prepared_cases(prepared / "new_cases.parquet", book),
    )
    report = crossfit.report(book, predicted.oof, labels, seed)
    predictions.write(target / "oof.parquet", book, predicted.oof)
    predictions.write(target / "new.parquet", book, predicted.new)
    files.write_json(Path("metrics/baseline.json"), small_counts.scores(book, labels, report, smallest))
    print(f"baseline: mean F1 {report['f1']['mean']:.4f} over {len(book.variables)} variables, {report['cases']} cases")


if __name__ == "__main__":
    run_script(main)
