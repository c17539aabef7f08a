"""Predict a fold's held-out cases with the language model that never saw them: python stages/oof_ar.py MODEL FOLD."""

import argparse
from pathlib import Path

from abstractor.base.script import run_script


def main() -> None:
    """Predict the held-out cases, write their table and their score."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("fold", type=int)
    arguments = parser.parse_args()

    from abstractor.base import files
    from abstractor.base.params import Params, Seed
    from abstractor.data import folds, predictions
    from abstractor.data.cases import codebook
    from abstractor.data.cases.prepared import PreparedCases, read_prepared_labels
    from abstractor.machine.compute import Inference, prepare_machine
    from abstractor.runs import resume
    from abstractor.scoring.scores import crossfit, small_counts

    params = Params()
    infer = params.get("infer", Inference)
    compute = prepare_machine(infer)

    from abstractor.models.backbones.local import check_backbone
    from abstractor.predicting.ar import driver
    from abstractor.training.ar.settings import ArModel

    name, fold = arguments.model, str(arguments.fold)
    model_params = params.get(f"models.{name}", ArModel)
    codes, prepared = Path(f"data/codebooks/{params.get('corpus', str)}.yaml"), Path("data/prepared")
    book = codebook.load(codes)
    assignment = folds.read(prepared / "folds.parquet")
    uids = assignment.index[assignment == arguments.fold]
    cases = PreparedCases(prepared / "cases.parquet", book)
    labels = read_prepared_labels(prepared / "labels.parquet", book).loc[uids]
    model, pin = Path("models") / name / fold, Path("models") / name / "backbone.json"

    check_backbone(pin)
    scorer = driver(model_params, book, model, compute, infer.batch_tokens)
    path = Path("data/predictions/oof") / name / f"{fold}.parquet"
    tables = (prepared / "cases.parquet", prepared / "folds.parquet")
    inputs = (infer, compute, codes, *tables, model, pin, model_params)
    with resume.kept(f"oof/{name}/{fold}", *inputs) as done:
        parts = scorer.predict(cases.parts(infer.chunk_cases, uids), len(uids), f"{name}/{fold}", done)
        predictions.write_parts(path, book, parts)
    report = crossfit.report(book, predictions.read(path, book), labels, params.get("seed", Seed))
    report = small_counts.scores(book, labels, report, params.get("smallest_count", small_counts.SmallestCount))
    files.write_json(Path("metrics/oof") / name / f"{fold}.json", report)


if __name__ == "__main__":
    run_script(main)
