"""Train one sequence classifier on one fold: python stages/train_sc.py concatenated|apart|masked MODEL FOLD."""

import argparse
import time
from pathlib import Path

from abstractor.errors import run_script


def main() -> None:
    """Train, then write the model folder, the loss curve and the run card."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("form", choices=("concatenated", "apart", "masked"))
    parser.add_argument("model")
    parser.add_argument("fold", type=int)
    arguments = parser.parse_args()

    from abstractor import codebook, examples, runs
    from abstractor.params import Params

    params = Params()
    compute = runs.prepare_machine(params.get("train", runs.Machine))

    from abstractor.pretrained import check_backbone
    from abstractor.sc.model import Reading, save
    from abstractor.sc.params import RDropWeight, ScModel
    from abstractor.sc.readout import card as head_card
    from abstractor.sc.train import train
    from abstractor.training import write_curve

    name, fold = arguments.model, arguments.fold
    model_params, rdrop = params.get(f"models.{name}", ScModel), params.get("rdrop", RDropWeight)
    book = codebook.load(Path("data/codebooks") / f"{params.get('corpus', str)}.yaml")
    learned = examples.read(Path("data/training") / name / f"{fold}.parquet", book)

    check_backbone(model_params.backbone, Path("models") / name / "backbone.json")
    start = time.monotonic()
    seed_of = (params.get("seed", runs.Seed), name, fold)
    outcome = train(model_params, rdrop, arguments.form, book, learned, compute, seed_of)
    seconds = time.monotonic() - start

    reading = Reading.of(model_params, arguments.form, book)
    save(outcome.model, reading, Path("models") / name / str(fold))
    write_curve(Path("metrics/curves") / name / f"{fold}.tsv", outcome.curve)
    card = {"parameters": model_params.model_dump(), "rdrop": rdrop, "fold": fold}
    card |= {"cases": len(learned.coded), "made_cases": len(learned.made)}
    card |= head_card(outcome.model)
    runs.write_card(Path("metrics/cards") / name / f"{fold}.json", compute, seconds, **card, **outcome.summary())


if __name__ == "__main__":
    run_script(main)
