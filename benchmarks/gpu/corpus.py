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
RAW, BOOK = Path("data/raw/osha"), Path("data/codebooks/osha.yaml")


def osha(setting: Setting) -> Iterator[Part]:
    """Each encoder with the values of sc1_minilm, each seed apart."""
    if setting.osha is None or not setting.encoders:
        raise Skipped("no folders were given by --osha and --encoder")
    params = read_yaml(ROOT / "params.yaml")
    values = params["models"]["sc1_minilm"] | ({"epochs": 1} if setting.small else {})
    params["corpus"] = "osha"
    params["backbones"] = {folder.name: tiny.backbone(folder) for folder in setting.encoders}
    params["models"] = {model_of(folder): values | {"backbone": folder.name} for folder in setting.encoders}
    project.lay(params)
    project.stage("import_corpus", "osha", str(setting.osha))
    for stage in ("prepare", "prepare_new"):
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
    cases, held, new = scores(model, folds)
    words = f"F1 {held:.4f} out of fold ({cases[0]} cases)"
    words += f", {new:.4f} of {cases[1]} new cases" if new is not None else ""
    minutes = ", ".join(f"{kind} {seconds / 60:.1f} min" for kind, seconds in spent.items())
    return Found(True, f"{words}; {minutes} for {len(folds)} folds")


def scores(model: str, folds: list[int]) -> tuple[tuple[int, int], float, float | None]:
    """Cases, cross-fitted mean F1 out of fold, and that of the new cases where they have labels."""
    book = codebook.load(BOOK)
    held = _table("oof", model, folds, sum_up=False)
    new = _table("new", model, folds, sum_up=True)
    labels = read_labels(RAW / "train_labels.csv", book, held.index)
    part = crossfit.parts(book, labels, seed=0)
    found = metrics.scores(book, labels, crossfit.decide(book, held, labels, part))["mean"]
    if not (RAW / "test_labels.csv").exists():
        return (len(held), len(new)), found, None
    decided = thresholds.decide(book, new, thresholds.fit(book, held, labels))
    coded = read_labels(RAW / "test_labels.csv", book, new.index)
    return (len(held), len(new)), found, metrics.scores(book, coded, decided)["mean"]


def _table(part: str, model: str, folds: list[int], sum_up: bool) -> Any:
    """Predictions of all folds: each case once (out of fold), or their mean."""
    files = [Path(f"data/predictions/{part}/{model}/{fold}.parquet") for fold in folds]
    tables = [pd.read_parquet(file).set_index("uid").sort_index() for file in files]
    if not sum_up:
        return pd.concat(tables).sort_index()
    return sum(tables[1:], start=tables[0]) / len(tables)
