"""Put together what each fold of a model learns from: python stages/training_set.py MODEL."""

import argparse
from pathlib import Path

from abstractor.base.script import run_script


def main() -> None:
    """Write one table a training, all or none."""
    parser = argparse.ArgumentParser(description="Put together what each fold of a model learns from.")
    parser.add_argument("model", metavar="MODEL", help="a key of `models` in params.yaml")
    model = parser.parse_args().model

    from abstractor.base.files import replaced
    from abstractor.base.learns import Learns
    from abstractor.base.members import trainings
    from abstractor.data import folds
    from abstractor.data.cases import codebook
    from abstractor.data.cases.prepared import read_prepared_cases, read_prepared_labels
    from abstractor.runs.inputs import Inputs
    from abstractor.training.lessons import examples
    from abstractor.training.rounds import assemble

    inputs = Inputs()
    learns, trained = inputs.get(f"models.{model}.learns", Learns), trainings(inputs).trained
    book = codebook.load(inputs.codebook())
    cases = read_prepared_cases(inputs.file("data/prepared/cases.parquet"), book)
    labels = read_prepared_labels(inputs.file("data/prepared/labels.parquet"), book)
    path = inputs.file("data/prepared/folds.parquet")
    assignment, groups = folds.read(path), folds.read_groups(path)
    for part, choice in learns:
        inputs.file(f"data/lessons/{part}/{choice}")
    with replaced(Path(f"data/training/{model}")) as partial:
        for fold in trained:
            found = assemble.of_fold(book, learns, cases, labels, assignment, fold, Path("data/lessons"), groups)
            examples.write(partial / f"{fold}.parquet", book, found)
            print(f"{model}/{fold}: {len(found.coded)} coded cases, {len(found.made)} made ones")


if __name__ == "__main__":
    run_script(main)
