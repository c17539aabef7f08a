"""Train one sequence classifier on one fold: python stages/train_sc.py concatenated|apart MODEL FOLD."""

import argparse
import time
from pathlib import Path

from abstractor.errors import run_script


def main() -> None:
    """Train, then write the model folder, the loss curve and the run card."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("form", choices=("concatenated", "apart"))
    parser.add_argument("model")
    parser.add_argument("fold", type=int)
    arguments = parser.parse_args()

    from abstractor import codebook, corpus, folds, runs, targets
    from abstractor.params import Params

    params = Params()
    compute = runs.prepare_machine(params.get("train", runs.Machine))

    from abstractor.sc.model import Reading, save
    from abstractor.sc.params import RDropWeight, ScModel
    from abstractor.sc.train import train
    from abstractor.training import write_curve

    name, fold = arguments.model, arguments.fold
    model_params, rdrop = params.get(f"models.{name}", ScModel), params.get("rdrop", RDropWeight)
    book = codebook.load(Path("data/codebooks") / f"{params.get('corpus', str)}.yaml")
    assignment = folds.read(Path("data/prepared/folds.parquet"))
    uids = assignment.index[assignment != fold]
    cases = corpus.read_prepared_cases(Path("data/prepared/cases.parquet"), book).loc[uids]
    labels = corpus.read_prepared_labels(Path("data/prepared/labels.parquet"), book).loc[uids]
    known = targets.of_labels(book, labels)

    start = time.monotonic()
    seed_of = (params.get("seed", runs.Seed), name, fold)
    outcome = train(model_params, rdrop, arguments.form, book, cases, known, compute, seed_of)
    seconds = time.monotonic() - start

    reading = Reading.of(model_params, arguments.form, book)
    save(outcome.model, reading, Path("models") / name / str(fold))
    write_curve(Path("metrics/curves") / name / f"{fold}.tsv", outcome.curve)
    card = {"parameters": model_params.model_dump(), "rdrop": rdrop, "fold": fold, "cases": len(cases)}
    runs.write_card(Path("metrics/cards") / name / f"{fold}.json", compute, seconds, **card, **outcome.summary())


if __name__ == "__main__":
    run_script(main)
