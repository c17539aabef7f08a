"""Label made cases with one member, for the students of its fold.

python stages/label_made.py sc|ar MODEL ROUND FOLD
"""

import argparse
from importlib import import_module
from pathlib import Path

from abstractor.base.script import run_script


def main() -> None:
    """Predict the made cases that the fold may learn from, and write their table."""
    from abstractor.base.members import training

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", choices=("sc", "ar"))
    parser.add_argument("model")
    parser.add_argument("round", type=int)
    parser.add_argument("fold", type=training, help="a number, or all: none is held out")
    arguments = parser.parse_args()

    from abstractor.data import folds, predictions
    from abstractor.data.cases import codebook
    from abstractor.machine.compute import Inference, prepare_machine
    from abstractor.runs.inputs import Inputs
    from abstractor.training.rounds import synthetic

    inputs = Inputs()
    infer = inputs.get("infer", Inference)
    compute = inputs.also(prepare_machine(infer))

    from abstractor.models.shared.local import check_backbone

    kind, name, number, fold = arguments.kind, arguments.model, arguments.round, arguments.fold
    book, writers = codebook.load(inputs.codebook()), inputs.get("making", synthetic.Writers)
    assignment = folds.read(inputs.file("data/prepared/folds.parquet"))
    cases = synthetic.visible(inputs.file("data/lessons/cases"), book, writers, assignment, fold)
    check_backbone(inputs.file(f"models/{name}/backbone.json"))
    model = inputs.file(f"models/{name}/{fold}")

    load = import_module(f"abstractor.predicting.{kind}").predictor
    predictor = load(book, model, compute, infer.batch_tokens)
    parts = (cases[start : start + infer.chunk_cases] for start in range(0, len(cases), infer.chunk_cases))
    with inputs.kept(f"made/{number}/{name}/{fold}") as done:
        tables = predictor.predict(parts, len(cases), f"{name}/{fold}", done)
        predictions.write_parts(Path(f"data/predictions/made/{number}/{fold}/{name}.parquet"), book, tables)


if __name__ == "__main__":
    run_script(main)
