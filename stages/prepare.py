"""Check the training cases and their labels, cut a slice if asked for, and assign the folds once for all models.

python stages/prepare.py
"""

from contextlib import ExitStack
from pathlib import Path

from abstractor.base.script import run_script


def main() -> None:
    """Read the raw training files, write cases, labels and folds: all three or none."""
    from abstractor.base.files import replaced
    from abstractor.base.members import Folds, check_folds
    from abstractor.base.params import Seed
    from abstractor.data import copies, folds
    from abstractor.data.cases import codebook
    from abstractor.data.cases.prepared import NOT_CODED, write_cases, write_labels
    from abstractor.data.raw.cases import CaseCount, read_training
    from abstractor.machine.seeds import derive_seed
    from abstractor.runs.inputs import Inputs

    inputs = Inputs()
    name, seed = inputs.corpus(), inputs.get("seed", Seed)
    count, size = len(check_folds(inputs.get("folds", Folds))), inputs.get("cases", CaseCount)
    book = codebook.load(inputs.codebook())
    features, coded = (inputs.file(f"data/raw/{name}/train_{part}.csv") for part in ("features", "labels"))
    cases, labels = read_training(features, coded, book)
    groups = copies.groups(cases, inputs.get("copies", copies.CopiesParams).similarity)
    if size is not None:
        uids = folds.stratified_slice(book, labels, size, derive_seed(seed, "slice"), groups)
        cases, labels, groups = cases.loc[uids], labels.loc[uids], groups.loc[uids]
    fold = folds.assign(book, labels, count, seed, groups)
    with ExitStack() as stack:
        paths = [Path(f"data/prepared/{stem}.parquet") for stem in ("cases", "labels", "folds")]
        paths = [stack.enter_context(replaced(path)) for path in paths]
        write_cases(paths[0], book, cases)
        write_labels(paths[1], book, labels)
        folds.write(paths[2], fold, groups)
    gaps = int((labels == NOT_CODED).to_numpy().sum())
    print(f"{name}: {len(cases)} training cases in {count} folds, {len(book.variables)} variables, {gaps} labels empty")
    if repeated := len(groups) - groups.nunique():
        print(f"{name}: {repeated} training cases are copies of others; copies share a fold")


if __name__ == "__main__":
    run_script(main)
