"""Predict the new cases with one classifier, within a T4's limits: python stages/infer_t4_sc.py MODEL FOLD."""

import argparse
from pathlib import Path

from abstractor.errors import run_script


def main() -> None:
    """Predict the new cases and write their table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("fold", type=int)
    arguments = parser.parse_args()

    from abstractor import codebook, corpus, predictions, runs
    from abstractor.params import Params

    params = Params()
    infer = params.get("infer", runs.Inference)
    compute = runs.prepare_machine(infer)

    from abstractor.sc.predict import driver

    name, fold = arguments.model, str(arguments.fold)
    book = codebook.load(Path("data/codebooks") / f"{params.get('corpus', str)}.yaml")
    cases = corpus.PreparedCases(Path("data/prepared/new_cases.parquet"), book)

    scorer = driver(book, Path("models") / name / fold, compute, infer.batch_tokens)
    tables = scorer.predict(cases.parts(infer.chunk_cases), len(cases), f"{name}/{fold}")
    predictions.write_parts(Path("data/predictions/new") / name / f"{fold}.parquet", book, tables)


if __name__ == "__main__":
    run_script(main)
