"""List suspect labels of the cases outside one fold and correct the surest: python stages/correct_labels.py FOLD.

Models may learn from the corrected labels; no score is ever computed on them.
"""

import argparse
from contextlib import ExitStack
from pathlib import Path

from abstractor.base import files
from abstractor.base.messages import folds as messages
from abstractor.base.params import CorpusName, Params, Seed
from abstractor.base.script import run_script
from abstractor.data import folds
from abstractor.data.cases import codebook
from abstractor.data.cases.prepared import read_prepared_cases, read_prepared_labels, write_labels
from abstractor.machine.compute import go_offline
from abstractor.machine.seeds import derive_seed
from abstractor.scoring.scores import small_counts


def main() -> None:
    """Write corrected labels, the suspects for human coders, and their counts: all three or none."""
    parser = argparse.ArgumentParser(description="List suspect labels and correct the surest.")
    parser.add_argument("fold", metavar="FOLD", type=int, help="its labels are not read")
    fold = parser.parse_args().fold

    go_offline()
    from abstractor.scoring.baseline import BaselineParams
    from abstractor.training.rounds.label_errors import CorrectionParams, correct

    params = Params()
    settings, baseline = params.get("correct_labels", CorrectionParams), params.get("baseline", BaselineParams)
    smallest = params.get("smallest_count", small_counts.SmallestCount)
    book = codebook.load(Path(f"data/codebooks/{params.get('corpus', CorpusName)}.yaml"))
    prepared, lessons = Path("data/prepared"), Path("data/lessons")
    assignment = folds.read(prepared / "folds.parquet")
    if not (assignment == fold).any():
        raise messages.empty_fold(fold)
    uids = assignment.index[assignment != fold]
    cases = read_prepared_cases(prepared / "cases.parquet", book).loc[uids]
    labels = read_prepared_labels(prepared / "labels.parquet", book).loc[uids]

    seed = derive_seed(params.get("seed", Seed), "correct", fold)
    found = correct(book, settings, baseline, cases, labels, seed)
    with ExitStack() as stack:
        corrected = stack.enter_context(files.replaced(lessons / f"labels/corrected/{fold}.parquet"))
        suspects = stack.enter_context(files.replaced(lessons / f"suspects/{fold}.parquet"))
        write_labels(corrected, book, found.labels)
        found.suspects.to_parquet(suspects, index=False)
        told = small_counts.counts({name: found.counts[name] for name in book.names}, smallest)
        files.write_json(Path(f"metrics/corrections/{fold}.json"), told)
    total = found.counts["total"]
    print(f"labels outside fold {fold}: {total['suspect']} suspect, {total['corrected']} of them corrected")


if __name__ == "__main__":
    run_script(main)
