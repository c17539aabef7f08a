"""Check the training cases and their labels, cut a slice if asked for, and assign the folds once for all models.

python stages/prepare.py
"""

from contextlib import ExitStack
from pathlib import Path

from abstractor.base.files import replaced
from abstractor.base.members import Folds, check_folds
from abstractor.base.params import CorpusName, Params, Seed
from abstractor.base.script import run_script
from abstractor.data import folds
from abstractor.data.cases import codebook
from abstractor.data.cases.prepared import NOT_CODED, write_cases, write_labels
from abstractor.data.raw.cases import CaseCount, read_training
from abstractor.machine.seeds import derive_seed


def main() -> None:
    """Read the raw training files, write cases, labels and folds: all three or none."""
    params = Params()
    name, seed = params.get("corpus", CorpusName), params.get("seed", Seed)
    count, size = len(check_folds(params.get("folds", Folds))), params.get("cases", CaseCount)
    book = codebook.load(Path(f"data/codebooks/{name}.yaml"))
    source, target = Path(f"data/raw/{name}"), Path("data/prepared")
    cases, labels = read_training(source / "train_features.csv", source / "train_labels.csv", book)
    if size is not None:
        uids = folds.stratified_slice(book, labels, size, derive_seed(seed, "slice"))
        cases, labels = cases.loc[uids], labels.loc[uids]
    fold = folds.assign(book, labels, count, seed)
    with ExitStack() as stack:
        paths = [stack.enter_context(replaced(target / f"{stem}.parquet")) for stem in ("cases", "labels", "folds")]
        write_cases(paths[0], book, cases)
        write_labels(paths[1], book, labels)
        folds.write(paths[2], fold)
    gaps = int((labels == NOT_CODED).to_numpy().sum())
    print(f"{name}: {len(cases)} training cases in {count} folds, {len(book.variables)} variables, {gaps} labels empty")


if __name__ == "__main__":
    run_script(main)
