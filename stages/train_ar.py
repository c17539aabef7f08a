"""Train the adapter of one language model on one fold: python stages/train_ar.py MODEL FOLD."""

import argparse
import time
from pathlib import Path

from abstractor.errors import run_script


def main() -> None:
    """Train, then write the model folder, the loss curve and the run card."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("fold", type=int)
    arguments = parser.parse_args()

    from abstractor import codebook, examples, runs
    from abstractor.params import Params

    params = Params()
    from abstractor.ar.adapters import import_engine, save
    from abstractor.ar.params import ArModel

    name, fold = arguments.model, arguments.fold
    model_params = params.get(f"models.{name}", ArModel)
    import_engine(model_params.engine)  # before transformers
    compute = runs.prepare_machine(params.get("train", runs.Machine))

    from abstractor.ar.train import train
    from abstractor.pretrained import check_backbone
    from abstractor.training import write_curve

    book = codebook.load(Path("data/codebooks") / f"{params.get('corpus', str)}.yaml")
    learned = examples.read(Path("data/training") / name / f"{fold}.parquet", book)

    check_backbone(model_params.backbone, Path("models") / name / "backbone.json")
    start = time.monotonic()
    seed_of = (params.get("seed", runs.Seed), name, fold)
    outcome = train(model_params, book, learned, compute, seed_of)
    seconds = time.monotonic() - start

    save(outcome.model, Path("models") / name / str(fold), model_params.backbone)
    write_curve(Path("metrics/curves") / name / f"{fold}.tsv", outcome.curve)
    card = {
        "parameters": model_params.model_dump(),
        "fold": fold,
        "cases": len(learned.coded),
        "made_cases": len(learned.made),
    }
    runs.write_card(Path("metrics/cards") / name / f"{fold}.json", compute, seconds, **card, **outcome.summary())


if __name__ == "__main__":
    run_script(main)
