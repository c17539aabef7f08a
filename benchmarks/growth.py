"""Time and memory of stages from 1,000 to 100,000 cases: python benchmarks/growth.py [--quick].

The real stage commands in a project of their own, on demo cases that are all different; inference by a random
classifier of one small layer, since the model is not the point; simulated predictions for the ensemble. Seconds and
peak resident memory are the process' own, from its start to its end.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

import measure
import numpy as np
import pandas as pd
import yaml

from abstractor.base.yaml_file import read_yaml
from abstractor.data import predictions
from abstractor.data.cases import codebook
from abstractor.data.cases.codebook import Codebook

SIZES = (1_000, 10_000, 100_000)
LINEAR, FLAT = 1 / 1.5, 0.8
"""Seconds a case may grow by half from the second size to the third; peak memory of inference by a quarter."""
MODELS = ("sc1_minilm", "sc2_minilm")
CHUNK = 2000
"""Cases of a row group, as inference writes them."""


class Cost(NamedTuple):
    """Of one process."""

    seconds: float
    memory: float
    """Peak resident bytes."""


LAUNCH = """
import resource, subprocess, sys
code = subprocess.call(sys.argv[1:], stderr=subprocess.STDOUT)
print()
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(code)
"""
"""A small process between this one and the stage: a child's peak starts at the memory of the process it left."""


def stage(folder: Path, script: str, *arguments: str) -> Cost:
    """Run a stage's command."""
    environment = os.environ | {"PYTHONPATH": str(measure.ROOT / "src")}
    command = [sys.executable, str(measure.ROOT / "stages" / script), *arguments]
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", LAUNCH, *command],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    took = time.perf_counter() - start
    if done.returncode != 0:
        raise RuntimeError(f"{script} left with {done.returncode}:\n{done.stdout}{done.stderr}")
    return Cost(took, float(done.stdout.splitlines()[-1]) * 1024)


def project(folder: Path) -> Codebook:
    """Parameters, codebook and a small random classifier."""
    params = read_yaml(measure.ROOT / "params.yaml")
    params |= {"sc_1": [MODELS[0]], "sc_2": [MODELS[1]], "sc": list(MODELS), "ar": []}
    (folder / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
    shutil.copy(measure.ROOT / "dvc.yaml", folder / "dvc.yaml")
    (folder / "data/codebooks").mkdir(parents=True)
    shutil.copy(measure.ROOT / "data/codebooks/demo.yaml", folder / "data/codebooks/demo.yaml")
    book = codebook.load(folder / "data/codebooks/demo.yaml")
    _write_classifier(folder, book)
    return book


def _write_classifier(folder: Path, book: Codebook) -> None:
    """One layer of 32 units behind MiniLM's tokenizer, saved as the training stage would."""
    import torch
    from transformers import AutoTokenizer, BertConfig, BertModel

    from abstractor.base.files import write_json
    from abstractor.models.sc.classifier import Classifier
    from abstractor.models.sc.reading import Reading, save
    from abstractor.models.shared.local import backbone_folder
    from abstractor.runs.integrity import pin

    torch.manual_seed(0)
    tokenizer = AutoTokenizer.from_pretrained(backbone_folder("minilm"), local_files_only=True)
    config = BertConfig(
        vocab_size=len(tokenizer), hidden_size=32, intermediate_size=64, num_hidden_layers=1, num_attention_heads=2
    )
    backbone = BertModel(config)
    backbone.save_pretrained(folder / "models/backbones/minilm")
    tokenizer.save_pretrained(folder / "models/backbones/minilm")
    columns = list(book.columns)
    reading = Reading("minilm", adapter=False, form="concatenated", pooling="mean", max_tokens=512, columns=columns)
    save(Classifier(backbone, range(len(columns)), "mean", 0.0), reading, folder / "models" / MODELS[0] / "0")
    write_json(folder / "models" / MODELS[0] / "backbone.json", pin("minilm", folder / "models/backbones/minilm"))


def lay_corpus(folder: Path, drawn: measure.Corpus, fresh: measure.Corpus, cases: int) -> None:
    """Raw files of `cases` coded ones of `drawn` and as many new ones of `fresh`."""
    raw = folder / "data/raw/demo"
    shutil.rmtree(raw, ignore_errors=True)
    raw.mkdir(parents=True)
    uids = pd.Index([f"case-{number:07}" for number in range(cases)], name="uid")
    features, labels, new = (table.iloc[:cases].set_axis(uids) for table in (drawn.cases, drawn.labels, fresh.cases))
    features.to_csv(raw / "train_features.csv")
    new.to_csv(raw / "test_features.csv")
    labels.to_csv(raw / "train_labels.csv")
    labels.to_csv(raw / "submission_format.csv")


def lay_predictions(folder: Path, book: Codebook) -> None:
    """Simulated predictions of every model, fold and the baseline."""
    predicted = folder / "data/predictions"
    folds = pd.read_parquet(folder / "data/prepared/folds.parquet").set_index("uid")["fold"]
    labels = pd.read_parquet(folder / "data/prepared/labels.parquet").set_index("uid")
    whole = predictions.table(book, folds.index.tolist(), _simulated(book, labels))
    for name in MODELS:
        for fold in (0, 1):
            predictions.write(predicted / "oof" / name / f"{fold}.parquet", book, whole[folds == fold])
            parts = (whole[start : start + CHUNK] for start in range(0, len(whole), CHUNK))
            predictions.write_parts(predicted / "new" / name / f"{fold}.parquet", book, parts)
    for part in ("oof", "new"):
        predictions.write(predicted / "baseline" / f"{part}.parquet", book, whole)


def _simulated(book: Codebook, labels: pd.DataFrame) -> np.ndarray:
    rng, columns = np.random.default_rng(20), []
    for variable in book.variables:
        codes = [1] if variable.kind == "binary" else list(variable.codes)
        hits = labels[variable.name].to_numpy()[:, None] == np.array(codes)
        given = np.clip(0.2 + 0.5 * hits + 0.2 * rng.random(hits.shape), 0, 1)
        columns.append(given if variable.kind == "binary" else given / given.sum(axis=1, keepdims=True))
    return np.hstack(columns)


def costs(folder: Path, book: Codebook, drawn: measure.Corpus, fresh: measure.Corpus, cases: int) -> dict[str, Cost]:
    """Of every stage on a corpus of one size."""
    lay_corpus(folder, drawn, fresh, cases)
    found = {name: stage(folder, f"{name}.py") for name in ("prepare", "prepare_new", "find_copies")}
    found["infer_t4_sc"] = stage(folder, "infer_t4_fold.py", "sc", MODELS[0], "0")
    lay_predictions(folder, book)
    found["infer_t4"] = stage(folder, "infer_t4.py")
    found["ensemble"] = stage(folder, "ensemble.py")
    return found


def results(table: dict[int, dict[str, Cost]]) -> list[measure.Result]:
    """Growth from the second size to the third."""
    small, large = list(table)[-2:]
    found = []
    for name in table[large]:
        before, after = table[small][name], table[large][name]
        seconds = " / ".join(f"{by[name].seconds:.1f}" for by in table.values())
        memory = " / ".join(f"{by[name].memory / 1e6:.0f}" for by in table.values())
        sizes = f"{' / '.join(f'{cases:,}' for cases in table)} cases"
        shared: dict[str, Any] = {"sizes": sizes}
        found.append(
            measure.Result(
                what=f"{name}, seconds a case: {small:,} over {large:,} cases",
                ratio=(before.seconds / small) / (after.seconds / large),
                goal=LINEAR,
                note=f"{seconds} s",
                **shared,
            )
        )
        found.append(
            measure.Result(
                what=f"{name}, peak memory: {small:,} over {large:,} cases",
                ratio=before.memory / after.memory,
                goal=FLAT if name.startswith("infer") else None,
                note=f"{memory} MB",
                **shared,
            )
        )
    return found


def main() -> None:
    """Measure and report."""
    options = measure.parser(__doc__).parse_args()
    sizes = (200, 1000) if options.quick else SIZES
    drawn, fresh = (measure.demo(sizes[-1], 60, seed) for seed in (20, 21))
    with tempfile.TemporaryDirectory() as scratch:
        book = project(Path(scratch))
        table = {}
        for cases in sizes:
            table[cases] = costs(Path(scratch), book, drawn, fresh, cases)
            print({name: f"{cost.seconds:.1f} s, {cost.memory / 1e6:.0f} MB" for name, cost in table[cases].items()})
    measure.report("growth", results(table))


if __name__ == "__main__":
    main()
