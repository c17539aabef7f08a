"""Gather the soft labels of made cases for the students of one fold: python stages/label_cases.py ROUND FOLD."""

import argparse
from pathlib import Path

from abstractor.base.params import Params
from abstractor.base.script import run_script
from abstractor.data import folds
from abstractor.data.cases import codebook
from abstractor.scoring import gathering
from abstractor.training.lessons import examples
from abstractor.training.lessons.examples import Examples
from abstractor.training.rounds import synthetic


def main() -> None:
    """Write the made cases that the fold may learn from, with the mean of what the round's members say of them."""
    parser = argparse.ArgumentParser(description="Gather the soft labels of made cases for the students of one fold.")
    parser.add_argument("round", type=int, metavar="ROUND", help="whose members label")
    parser.add_argument("fold", type=int, metavar="FOLD", help="which they held out, as their students will")
    arguments = parser.parse_args()

    params = Params()
    number, fold = arguments.round, arguments.fold
    book = codebook.load(Path("data/codebooks") / f"{params.get('corpus', str)}.yaml")
    writers, assignment = params.get("making", synthetic.Writers), folds.read(Path("data/prepared/folds.parquet"))
    cases = synthetic.visible(Path("data/lessons/cases"), book, writers, assignment, fold)
    teachers = synthetic.teachers(params, number)
    said = gathering.of_teachers(Path("data/predictions/made") / str(number) / str(fold), teachers, cases.index, book)
    path = Path("data/lessons/made") / str(number) / f"{fold}.parquet"
    examples.write(path, book, Examples(cases, said, cases.iloc[:0], cases.index))
    print(f"round {number}, fold {fold}: {len(cases)} made cases, labelled by {len(teachers)} members")


if __name__ == "__main__":
    run_script(main)
