"""Predict every case with TF-IDF and logistic regression, the score to beat: python stages/baseline.py."""

from pathlib import Path

from abstractor.base.script import run_script


def main() -> None:
    """Write out-of-fold and new-case predictions."""
    from abstractor.data import folds, predictions
    from abstractor.data.cases import codebook
    from abstractor.data.cases.prepared import read_prepared_cases, read_prepared_labels
    from abstractor.runs.inputs import Inputs
    from abstractor.scoring.baseline import BaselineParams, predict

    inputs = Inputs()
    settings, book = inputs.get("baseline", BaselineParams), codebook.load(inputs.codebook())
    predicted = predict(
        book,
        settings,
        read_prepared_cases(inputs.file("data/prepared/cases.parquet"), book),
        read_prepared_labels(inputs.file("data/prepared/labels.parquet"), book),
        folds.read(inputs.file("data/prepared/folds.parquet")),
        read_prepared_cases(inputs.file("data/prepared/new_cases.parquet"), book),
    )
    predictions.write(Path("data/predictions/baseline/oof.parquet"), book, predicted.oof)
    predictions.write(Path("data/predictions/baseline/new.parquet"), book, predicted.new)
    print(f"baseline: {len(predicted.oof)} cases out-of-fold, {len(predicted.new)} new cases")


if __name__ == "__main__":
    run_script(main)
