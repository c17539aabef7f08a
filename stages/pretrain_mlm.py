"""Train an encoder to guess masked words of the narratives: python stages/pretrain_mlm.py NAME."""

import argparse
import time
from pathlib import Path

from abstractor.base.script import run_script


def main() -> None:
    """Write the backbone models/backbones/NAME, its loss curve and its run card."""
    parser = argparse.ArgumentParser(description="Train an encoder to guess masked words of the narratives.")
    parser.add_argument("name", metavar="NAME", help="a key of `mlm` in params.yaml")
    name = parser.parse_args().name

    from abstractor.base.params import Params, Seed
    from abstractor.data.cases import codebook
    from abstractor.data.cases.prepared import read_prepared_cases
    from abstractor.machine.compute import Learning, prepare_machine
    from abstractor.runs.card import write_card, write_curve
    from abstractor.runs.inputs import Inputs
    from abstractor.training.mlm.settings import MlmParams, check_name

    inputs = Inputs()
    settings = inputs.get(f"mlm.{name}", MlmParams)
    check_name(name, Params())  # looks at names only, so that a new backbone retrains nothing
    compute = inputs.also(prepare_machine(inputs.get("train", Learning)))

    from abstractor.training.mlm.train import save, train

    book = codebook.load(inputs.codebook())
    parts = ("cases", "new_cases")[: 1 + settings.new_cases]
    tables = [read_prepared_cases(inputs.file(f"data/prepared/{part}.parquet"), book) for part in parts]
    texts = [text for table in tables for text in table.to_numpy().ravel()]
    seed = inputs.get("seed", Seed)
    inputs.file(f"models/backbones/{settings.backbone}")

    start = time.monotonic()
    with inputs.kept(f"train/{name}/mlm") as checkpoints:
        outcome = train(settings, texts, compute, (seed, name), checkpoints)
        save(outcome.model, settings.backbone, Path(f"models/backbones/{name}"))
        seconds = time.monotonic() - start
        write_curve(Path(f"metrics/curves/{name}/mlm.tsv"), outcome.curve)
        card = {
            "parameters": settings.model_dump(),
            "transductive": True,
            "why": "every fold's held-out narratives"
            + (" and the new cases'" if settings.new_cases else "")
            + " are among those it was trained on; no label is",
        }
        write_card(Path(f"metrics/cards/{name}/mlm.json"), compute.reason, seconds, **card, **outcome.summary())


if __name__ == "__main__":
    run_script(main)
