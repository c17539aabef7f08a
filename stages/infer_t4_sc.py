"""Predict the new cases with one classifier, within a T4's limits: python stages/infer_t4_sc.py MODEL FOLD."""

import argparse
from pathlib import Path

from abstractor.base.script import run_script


def main() -> None:
    """Predict the new cases and write their table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("fold", type=int)
    arguments = parser.parse_args()

    from abstractor.base.params import Params
    from abstractor.data import predictions
    from abstractor.data.cases import codebook
    from abstractor.data.cases.prepared import PreparedCases
    from abstractor.machine.compute import Inference, prepare_machine
    from abstractor.runs import resume

    params = Params()
    infer = params.get("infer", Inference)
    compute = prepare_machine(infer)

    from abstractor.models.backbones.local import check_backbone
    from abstractor.predicting.sc import driver

    name, fold = arguments.model, str(arguments.fold)
    codes, new = Path(f"data/codebooks/{params.get('corpus', str)}.yaml"), Path("data/prepared/new_cases.parquet")
    book = codebook.load(codes)
    cases = PreparedCases(new, book)
    model, pin = Path("models") / name / fold, Path("models") / name / "backbone.json"

    check_backbone(pin)
    scorer = driver(book, model, compute, infer.batch_tokens)
    with resume.kept(f"infer_t4/{name}/{fold}", infer, compute, codes, new, model, pin) as done:
        tables = scorer.predict(cases.parts(infer.chunk_cases), len(cases), f"{name}/{fold}", done)
        predictions.write_parts(Path("data/predictions/new") / name / f"{fold}.parquet", book, tables)


if __name__ == "__main__":
    run_script(main)
