"""Train one sequence classifier on one fold: python stages/train_sc.py concatenated|apart|masked MODEL FOLD."""

import argparse
import time
from pathlib import Path

from abstractor.base.script import run_script


def main() -> None:
    """Train, then write the model folder, the loss curve and the run card."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("form", choices=("concatenated", "apart", "masked"))
    parser.add_argument("model")
    parser.add_argument("fold", type=int)
    arguments = parser.parse_args()

    from abstractor.base.params import Params, Seed
    from abstractor.data.cases import codebook
    from abstractor.machine.compute import Machine, prepare_machine
    from abstractor.runs import resume
    from abstractor.runs.card import write_card
    from abstractor.training.lessons import examples

    params = Params()
    compute = prepare_machine(params.get("train", Machine))

    from abstractor.models.backbones.local import check_backbone
    from abstractor.models.sc.classifier import Reading, save
    from abstractor.models.sc.mask_classifier import card as head_card
    from abstractor.training.loop.fit import write_curve
    from abstractor.training.sc.settings import RDropWeight, ScModel
    from abstractor.training.sc.train import train

    name, fold, seed = arguments.model, arguments.fold, params.get("seed", Seed)
    model_params, rdrop = params.get(f"models.{name}", ScModel), params.get("rdrop", RDropWeight)
    codes, pin = Path(f"data/codebooks/{params.get('corpus', str)}.yaml"), Path(f"models/{name}/backbone.json")
    learned = Path(f"data/training/{name}/{fold}.parquet")
    book = codebook.load(codes)
    cases = examples.read(learned, book)

    check_backbone(pin, model_params.backbone)
    start = time.monotonic()
    inputs = (model_params, rdrop, arguments.form, seed, compute, codes, learned, pin)
    with resume.kept(f"train/{name}/{fold}", *inputs) as checkpoints:
        outcome = train(model_params, rdrop, arguments.form, book, cases, compute, (seed, name, fold), checkpoints)
        save(outcome.model, Reading.of(model_params, arguments.form, book), Path("models") / name / str(fold))
        seconds = time.monotonic() - start
        write_curve(Path("metrics/curves") / name / f"{fold}.tsv", outcome.curve)
        card = {"parameters": model_params.model_dump(), "rdrop": rdrop, "fold": fold}
        card |= head_card(outcome.model)
        write_card(Path("metrics/cards") / name / f"{fold}.json", compute.reason, seconds, **card, **outcome.summary())


if __name__ == "__main__":
    run_script(main)
