"""Print the baseline's out-of-fold score: python tools/baseline.py, after `dvc repro baseline`.

The stage `ensemble` scores all systems, once every model is trained. This one number is there in seconds.
"""

from pathlib import Path

from abstractor.base.params import CorpusName, Params, Seed
from abstractor.base.script import run_script
from abstractor.data import folds, predictions
from abstractor.data.cases import codebook
from abstractor.data.cases.prepared import read_prepared_labels
from abstractor.scoring.scores import crossfit
from abstractor.scoring.scores.small_counts import SmallestCount


def main() -> None:
    """Score the predictions that are there."""
    params = Params()
    name, seed = params.get("corpus", CorpusName), params.get("seed", Seed)
    smallest = params.get("smallest_count", SmallestCount)
    book = codebook.load(Path(f"data/codebooks/{name}.yaml"))
    predicted = predictions.read(Path("data/predictions/baseline/oof.parquet"), book)
    labels = read_prepared_labels(Path("data/prepared/labels.parquet"), book)
    groups = folds.read_groups(Path("data/prepared/folds.parquet"))
    scored = crossfit.report(book, predicted, labels, seed, smallest, groups)
    mean = scored["f1"]["mean"] if "f1" in scored else "withheld"
    print(f"{name}: baseline, {len(predicted)} cases out-of-fold, mean F1 {mean} over {len(book.names)} variables")


if __name__ == "__main__":
    run_script(main)
