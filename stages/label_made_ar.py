"""Label made cases with one member, for the students of its fold: python stages/label_made_ar.py MODEL ROUND FOLD."""

import argparse
from pathlib import Path

from abstractor.base.script import run_script


def main() -> None:
    """Predict the made cases that the fold may learn from, and write their table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("round", type=int)
    parser.add_argument("fold", type=int)
    arguments = parser.parse_args()

    from abstractor.base.params import Params
    from abstractor.data import folds, predictions
    from abstractor.data.cases import codebook
    from abstractor.machine.compute import Inference, prepare_machine
    from abstractor.runs import resume
    from abstractor.training.rounds import synthetic

    params = Params()
    infer = params.get("infer", Inference)
    compute = prepare_machine(infer)

    from abstractor.models.backbones.local import check_backbone
    from abstractor.predicting.ar import driver
    from abstractor.training.ar.settings import ArModel

    name, number, fold = arguments.model, str(arguments.round), arguments.fold
    model_params = params.get(f"models.{name}", ArModel)
    codes, shared = Path(f"data/codebooks/{params.get('corpus', str)}.yaml"), Path("data/prepared/folds.parquet")
    book, writers, written = codebook.load(codes), params.get("making", synthetic.Writers), Path("data/lessons/cases")
    cases = synthetic.visible(written, book, writers, folds.read(shared), fold)
    model, pin = Path("models") / name / str(fold), Path("models") / name / "backbone.json"

    check_backbone(pin)
    scorer = driver(model_params, book, model, compute, infer.batch_tokens)
    parts = (cases[start : start + infer.chunk_cases] for start in range(0, len(cases), infer.chunk_cases))
    path = Path("data/predictions/made") / number / str(fold) / f"{name}.parquet"
    inputs = (infer, compute, codes, shared, written, writers, model, pin, model_params)
    with resume.kept(f"made/{number}/{name}/{fold}", *inputs) as done:
        predictions.write_parts(path, book, scorer.predict(parts, len(cases), f"{name}/{fold}", done))


if __name__ == "__main__":
    run_script(main)
