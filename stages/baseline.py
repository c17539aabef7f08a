"""Predict every case with TF-IDF and logistic regression, the bar to clear: python stages/baseline.py."""

from pathlib import Path

from abstractor import codebook, corpus, crossfit, disclosure, files, folds, predictions
from abstractor.errors import run_script
from abstractor.params import Params
from abstractor.raw import CorpusName
from abstractor.runs import Seed


def main() -> None:
    """Write out-of-fold and new-case predictions, and the cross-fitted score."""
    from abstractor.baseline import BaselineParams, predict

    params = Params()
    seed, settings = params.get("seed", Seed), params.get("baseline", BaselineParams)
    smallest = params.get("smallest_count", disclosure.SmallestCount)
    book = codebook.load(Path(f"data/codebooks/{params.get('corpus', CorpusName)}.yaml"))
    prepared, target = Path("data/prepared"), Path("data/predictions/baseline")
    labels = corpus.read_prepared_labels(prepared / "labels.parquet", book)
    predicted = predict(
        book,
        settings,
        corpus.read_prepared_cases(prepared / "cases.parquet", book),
        labels,
        folds.read(prepared / "folds.parquet"),
        corpus.read_prepared_cases(prepared / "new_cases.parquet", book),
    )
    report = crossfit.report(book, predicted.oof, labels, seed)
    predictions.write(target / "oof.parquet", book, predicted.oof)
    predictions.write(target / "new.parquet", book, predicted.new)
    files.write_json(Path("metrics/baseline.json"), disclosure.scores(book, labels, report, smallest))
    print(f"baseline: mean F1 {report['f1']['mean']:.4f} over {len(book.variables)} variables, {report['cases']} cases")


if __name__ == "__main__":
    run_script(main)
