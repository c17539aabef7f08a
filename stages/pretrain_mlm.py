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
    from abstractor.machine.compute import Machine, prepare_machine
    from abstractor.runs import resume
    from abstractor.runs.card import write_card
    from abstractor.training.mlm.settings import MlmParams, check_name

    params = Params()
    settings = params.get(f"mlm.{name}", MlmParams)
    check_name(name, params)
    compute = prepare_machine(params.get("train", Machine))

    from abstractor.training.loop.fit import write_curve
    from abstractor.training.mlm.train import save, train

    codes = Path(f"data/codebooks/{params.get('corpus', str)}.yaml")
    book = codebook.load(codes)
    prepared = [Path("data/prepared") / f"{part}.parquet" for part in ("cases", "new_cases")[: 1 + settings.new_cases]]
    tables = [read_prepared_cases(path, book) for path in prepared]
    texts = [text for table in tables for text in table.to_numpy().ravel()]
    seed = params.get("seed", Seed)

    start = time.monotonic()
    inputs = (settings, seed, compute, codes, *prepared, Path("models/backbones") / settings.backbone)
    with resume.kept(f"train/{name}/mlm", *inputs) as checkpoints:
        outcome = train(settings, texts, compute, (seed, name), checkpoints)
        save(outcome.model, settings.backbone, Path("models/backbones") / name)
        seconds = time.monotonic() - start
        write_curve(Path("metrics/curves") / name / "mlm.tsv", outcome.curve)
        card = {
            "parameters": settings.model_dump(),
            "transductive": True,
            "why": "every fold's held-out narratives"
            + (" and the new cases'" if settings.new_cases else "")
            + " are among those it was trained on; no label is",
        }
        write_card(Path("metrics/cards") / name / "mlm.json", compute.reason, seconds, **card, **outcome.summary())


if __name__ == "__main__":
    run_script(main)
