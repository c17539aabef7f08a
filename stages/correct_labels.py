"""List suspect labels of the cases outside one fold and correct the surest: python stages/correct_labels.py FOLD.

Models may learn from the corrected labels; no score is ever computed on them.
"""

import argparse
from contextlib import ExitStack
from pathlib import Path

from abstractor.base.script import run_script


def main() -> None:
    """Write corrected labels, the suspects for human coders, and their counts: all three or none."""
    from abstractor.base.members import training

    parser = argparse.ArgumentParser(description="List suspect labels and correct the surest.")
    parser.add_argument("fold", metavar="FOLD", type=training, help="its labels are not read; all: every fold's are")
    fold = parser.parse_args().fold

    from abstractor.machine.compute import go_offline

    go_offline()
    from abstractor.base import files
    from abstractor.base.params import Seed
    from abstractor.data import folds
    from abstractor.data.cases import codebook
    from abstractor.data.cases.prepared import read_prepared_cases, read_prepared_labels, write_labels
    from abstractor.machine.seeds import derive_seed
    from abstractor.runs.inputs import Inputs
    from abstractor.scoring.baseline import BaselineParams
    from abstractor.scoring.scores import small_counts
    from abstractor.training.rounds.label_errors import CorrectionParams, correct

    inputs = Inputs()
    settings, baseline = inputs.get("correct_labels", CorrectionParams), inputs.get("baseline", BaselineParams)
    smallest = inputs.get("smallest_count", small_counts.SmallestCount)
    book = codebook.load(inputs.codebook())
    path = inputs.file("data/prepared/folds.parquet")
    uids, groups = folds.outside(folds.read(path), fold), folds.read_groups(path)
    cases = read_prepared_cases(inputs.file("data/prepared/cases.parquet"), book).loc[uids]
    labels = read_prepared_labels(inputs.file("data/prepared/labels.parquet"), book).loc[uids]

    seed = derive_seed(inputs.get("seed", Seed), "correct", fold)
    found = correct(book, settings, baseline, cases, labels, seed, groups)
    with ExitStack() as stack:
        corrected = stack.enter_context(files.replaced(Path(f"data/lessons/labels/corrected/{fold}.parquet")))
        suspects = stack.enter_context(files.replaced(Path(f"data/lessons/suspects/{fold}.parquet")))
        write_labels(corrected, book, found.labels)
        found.suspects.to_parquet(suspects, index=False)
        released = small_counts.counts(found.counts, smallest, small_counts.secret(labels))
        files.write_json(Path(f"metrics/corrections/{fold}.json"), released)
    listed, changed = (small_counts.shown(released["total"][measure]) for measure in ("suspect", "corrected"))
    print(f"labels outside fold {fold}: {listed} suspect, {changed} of them corrected")


if __name__ == "__main__":
    run_script(main)
