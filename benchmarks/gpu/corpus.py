"""Whole training and prediction on the public OSHA corpus: F1 out of fold and of the new cases, and the minutes."""

import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
from support import tiny

from abstractor.base.yaml_file import read_yaml
from abstractor.data.cases import codebook
from abstractor.data.raw.cases import read_labels
from abstractor.scoring.scores import crossfit, metrics, thresholds
from gpu import project
from gpu.steps import ROOT, Found, Part, Setting, Skipped

SEEDS = (0, 1, 2)
VALUES = {"epochs": 6, "batch_size": 16, "pool": 8}
"""Those of docs/evidence/experiments.md, so that a GPU's F1 and minutes stand beside a CPU's."""
RAW, BOOK, BASELINE = Path("data/raw/osha"), Path("data/codebooks/osha.yaml"), Path("data/predictions/baseline")


def osha(setting: Setting) -> Iterator[Part]:
    """Each encoder as sc1_minilm, each seed apart."""
    if setting.osha is None or not setting.encoders:
        raise Skipped("no folders were given by --osha and --encoder")
    params = read_yaml(ROOT / "params.yaml")
    values = params["models"]["sc1_minilm"] | VALUES | ({"epochs": 1} if setting.small else {})
    params["corpus"] = "osha"
    params["backbones"] = {folder.name: tiny.backbone(folder) for folder in setting.encoders}
    params["models"] = {model_of(folder): values | {"backbone": folder.name} for folder in setting.encoders}
    project.lay(params)
    project.stage("import_corpus", "osha", str(setting.osha))
    for stage in ("prepare", "prepare_new", "baseline"):
        project.stage(stage)
    for folder in setting.encoders:
        project.ready(model_of(folder), folder.name)
        for seed in SEEDS[: 1 if setting.small else None]:
            yield f"{folder.name}, seed {seed}", partial(learns, setting, model_of(folder), seed, params["folds"])


def model_of(folder: Path) -> str:
    """The name of the model on an encoder."""
    return f"sc1_{folder.name.lower().replace('-', '_')}"


def learns(setting: Setting, model: str, seed: int, folds: list[int]) -> Found:
    """Train and predict every fold by the stages, then score as the pipeline does."""
    project.change(model, setting.device, "auto", {"batch_tokens": 65536}, seed=seed)
    spent = dict.fromkeys(("training", "prediction"), 0.0)

    def timed(kind: str, *command: str) -> None:
        start = time.monotonic()
        project.stage(*command)
        spent[kind] += time.monotonic() - start

    for fold in map(str, folds):
        timed("training", "train_sc", "concatenated", model, fold)
        timed("prediction", "oof", "sc", model, fold)
        timed("prediction", "infer_t4_fold", "sc", model, fold)
    held, new = (_tables(part, model, folds) for part in ("oof", "new"))
    ours = scores(pd.concat(held).sort_index(), sum(new[1:], start=new[0]) / len(new))
    base = scores(*(pd.read_parquet(BASELINE / f"{part}.parquet").set_index("uid") for part in ("oof", "new")))
    words = f"F1 {ours[0]:.4f} out of fold, {ours[1]:.4f} of new cases (baseline {base[0]:.4f}, {base[1]:.4f})"
    minutes = ", ".join(f"{kind} {seconds / 60:.1f} min" for kind, seconds in spent.items())
    better = all(one > other for one, other in zip(ours, base, strict=True))
    return Found(setting.small or better, f"{words}; {minutes} for {len(folds)} folds")


def scores(held: Any, new: Any) -> tuple[float, float]:
    """Mean F1 of out-of-fold predictions, cross-fitted, and of those of the new cases, with thresholds of the first."""
    book = codebook.load(BOOK)
    labels = read_labels(RAW / "train_labels.csv", book, held.index)
    coded = read_labels(RAW / "test_labels.csv", book, new.index)
    decided = crossfit.decide(book, held, labels, crossfit.parts(book, labels, seed=0))
    other = thresholds.decide(book, new, thresholds.fit(book, held, labels))
    return metrics.scores(book, labels, decided)["mean"], metrics.scores(book, coded, other)["mean"]


def _tables(part: str, model: str, folds: list[int]) -> list[Any]:
    """Predictions of each fold's model."""
    files = [Path(f"data/predictions/{part}/{model}/{fold}.parquet") for fold in folds]
    return [pd.read_parquet(file).set_index("uid").sort_index() for file in files]
