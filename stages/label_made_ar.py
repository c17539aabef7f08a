"""Label made cases with one member, for the students of its fold: python stages/label_made_ar.py MODEL ROUND FOLD."""

import argparse
from pathlib import Path

from abstractor.errors import run_script


def main() -> None:
    """Predict the made cases that the fold may learn from, and write their table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("round", type=int)
    parser.add_argument("fold", type=int)
    arguments = parser.parse_args()

    from abstractor import codebook, folds, made, predictions, runs
    from abstractor.params import Params

    params = Params()
    infer = params.get("infer", runs.Inference)
    compute = runs.prepare_machine(infer)

    from abstractor.ar.params import ArModel
    from abstractor.ar.predict import driver

    name, number, fold = arguments.model, str(arguments.round), arguments.fold
    book = codebook.load(Path("data/codebooks") / f"{params.get('corpus', str)}.yaml")
    writers, assignment = params.get("making", made.Writers), folds.read(Path("data/prepared/folds.parquet"))
    cases = made.visible(Path("data/lessons/cases"), book, writers, assignment, fold)

    model_params = params.get(f"models.{name}", ArModel)
    scorer = driver(model_params, book, Path("models") / name / str(fold), compute, infer.batch_tokens)
    parts = (cases[start : start + infer.chunk_cases] for start in range(0, len(cases), infer.chunk_cases))
    path = Path("data/predictions/made") / number / str(fold) / f"{name}.parquet"
    predictions.write_parts(path, book, scorer.predict(parts, len(cases), f"{name}/{fold}"))


if __name__ == "__main__":
    run_script(main)
