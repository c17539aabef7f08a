"""Train the adapter of one language model on one fold: python stages/train_ar.py MODEL FOLD."""

import argparse
import time
from pathlib import Path

from abstractor.base.script import run_script


def main() -> None:
    """Train, then write the model folder, the loss curve and the run card."""
    from abstractor.base.members import training

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("fold", type=training, help="a number, or all: none is held out")
    arguments = parser.parse_args()

    from abstractor.base.params import Seed
    from abstractor.data.cases import codebook
    from abstractor.machine.compute import Learning, prepare_machine
    from abstractor.models.ar.loading import import_engine
    from abstractor.runs.card import write_card, write_curve
    from abstractor.runs.inputs import Inputs
    from abstractor.training.ar.settings import ArModel

    inputs = Inputs()
    name, fold = arguments.model, arguments.fold
    settings = inputs.get(f"models.{name}", ArModel)
    import_engine(settings.engine)  # before transformers
    compute = inputs.also(prepare_machine(inputs.get("train", Learning)))

    from abstractor.models.ar.reading import Reading, save
    from abstractor.models.shared.local import check_backbone
    from abstractor.training.ar.card import card
    from abstractor.training.ar.train import train
    from abstractor.training.card import Base
    from abstractor.training.lessons import examples

    seed_of = inputs.get("seed", Seed), name, fold
    book = codebook.load(inputs.codebook())
    cases = examples.read(inputs.file(f"data/training/{name}/{fold}.parquet"), book)
    pin = inputs.file(f"models/{name}/backbone.json")
    check_backbone(pin, settings.backbone)

    start = time.monotonic()
    with inputs.kept(f"train/{name}/{fold}") as checkpoints:
        outcome = train(settings, book, cases, compute, seed_of, checkpoints)
        reading = Reading.of(settings, book)
        save(outcome.model, reading, Path(f"models/{name}/{fold}"), card(reading, book, Base.pinned(pin)).write)
        seconds = time.monotonic() - start
        write_curve(Path(f"metrics/curves/{name}/{fold}.tsv"), outcome.curve)
        used = {"parameters": settings.model_dump(), "fold": fold}
        write_card(Path(f"metrics/cards/{name}/{fold}.json"), compute.reason, seconds, **used, **outcome.summary())


if __name__ == "__main__":
    run_script(main)
