"""Print the baseline's out-of-fold score: python tools/baseline.py, after `dvc repro baseline`.

The stage `ensemble` scores all systems, once every model is trained. This one number is there in seconds.
"""

from pathlib import Path

from abstractor.base.params import CorpusName, Params, Seed
from abstractor.base.script import run_script
from abstractor.data import folds, predictions
from abstractor.data.cases import codebook
from abstractor.data.cases.prepared import read_prepared_labels
from abstractor.scoring.scores import crossfit, metrics


def main() -> None:
    """Score the predictions that are there."""
    params = Params()
    name, seed = params.get("corpus", CorpusName), params.get("seed", Seed)
    book = codebook.load(Path(f"data/codebooks/{name}.yaml"))
    predicted = predictions.read(Path("data/predictions/baseline/oof.parquet"), book)
    labels = read_prepared_labels(Path("data/prepared/labels.parquet"), book)
    labels = labels.loc[predicted.index]
    groups = folds.read_groups(Path("data/prepared/folds.parquet"))
    decisions = crossfit.decide(book, predicted, labels, crossfit.parts(book, labels, seed, groups))
    mean = metrics.scores(book, labels, decisions)["mean"]
    print(f"{name}: baseline, {len(predicted)} cases out-of-fold, mean F1 {mean:.4f} over {len(book.names)} variables")


if __name__ == "__main__":
    run_script(main)
