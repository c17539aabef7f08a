"""Predict the new cases with one model of one fold, within a T4's limits.

python stages/infer_t4_fold.py sc|ar MODEL FOLD
"""

import argparse
from importlib import import_module
from pathlib import Path

from abstractor.base.script import run_script


def main() -> None:
    """Predict the new cases and write their table."""
    from abstractor.base.members import training

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", choices=("sc", "ar"))
    parser.add_argument("model")
    parser.add_argument("fold", type=training, help="a number, or all: none is held out")
    arguments = parser.parse_args()

    from abstractor.data import predictions
    from abstractor.data.cases import codebook
    from abstractor.data.cases.prepared import PreparedCases
    from abstractor.machine.compute import Inference, prepare_machine
    from abstractor.runs.inputs import Inputs

    inputs = Inputs()
    infer = inputs.get("infer", Inference)
    compute = inputs.also(prepare_machine(infer))

    from abstractor.models.shared.local import check_backbone

    kind, name, fold = arguments.kind, arguments.model, arguments.fold
    book = codebook.load(inputs.codebook())
    cases = PreparedCases(inputs.file("data/prepared/new_cases.parquet"), book)
    check_backbone(inputs.file(f"models/{name}/backbone.json"))
    model = inputs.file(f"models/{name}/{fold}")

    load = import_module(f"abstractor.predicting.{kind}").predictor
    predictor = load(book, model, compute, infer.batch_tokens)
    with inputs.kept(f"infer_t4/{name}/{fold}") as done:
        tables = predictor.predict(cases.parts(infer.chunk_cases), len(cases), f"{name}/{fold}", done)
        predictions.write_parts(Path(f"data/predictions/new/{name}/{fold}.parquet"), book, tables)


if __name__ == "__main__":
    run_script(main)
