"""Gather the soft labels of made cases for the students of one fold: python stages/label_cases.py ROUND FOLD."""

import argparse
from pathlib import Path

from abstractor.base.script import run_script


def main() -> None:
    """Write the made cases that the fold may learn from, with the mean of what the round's members say of them."""
    from abstractor.base.members import training

    parser = argparse.ArgumentParser(description="Gather the soft labels of made cases for the students of one fold.")
    parser.add_argument("round", type=int, metavar="ROUND", help="whose members label")
    parser.add_argument("fold", type=training, metavar="FOLD", help="which they held out, as their students will")
    arguments = parser.parse_args()

    from abstractor.data import folds
    from abstractor.data.cases import codebook
    from abstractor.predicting import gathering
    from abstractor.runs.inputs import Inputs
    from abstractor.training.lessons import examples
    from abstractor.training.rounds import synthetic

    inputs = Inputs()
    number, fold = arguments.round, arguments.fold
    book, writers = codebook.load(inputs.codebook()), inputs.get("making", synthetic.Writers)
    assignment = folds.read(inputs.file("data/prepared/folds.parquet"))
    cases = synthetic.visible(inputs.file("data/lessons/cases"), book, writers, assignment, fold)
    teachers = synthetic.teachers(inputs, number)
    said = gathering.of_teachers(inputs.file(f"data/predictions/made/{number}/{fold}"), teachers, cases.index, book)
    path = Path(f"data/lessons/made/{number}/{fold}.parquet")
    examples.write(path, book, examples.Examples(cases, said, cases.iloc[:0], cases.index))
    print(f"round {number}, fold {fold}: {len(cases)} made cases, labelled by {len(teachers)} members")


if __name__ == "__main__":
    run_script(main)
