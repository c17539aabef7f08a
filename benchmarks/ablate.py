"""Each ingredient on and off, on a slice of a real corpus: python benchmarks/ablate.py --from FOLDER [--rows NAMES].

Runs every row of benchmarks/ablation.yaml through `dvc exp run` in a clone under .scratch/, so that the working tree
stays as it is and what is not committed does not count. A row that is finished is not run again, and DVC's run cache
keeps the finished stages of one that was stopped. Writes docs/evidence/ablation.md.
"""

import argparse
import hashlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
from ablation_table import BASE, Run, page, summary
from measure import ROOT, machine
from pydantic import Field, TypeAdapter

from abstractor.base.errors import UserError
from abstractor.base.files import replaced, write_json
from abstractor.base.params import Strict
from abstractor.base.script import run_script
from abstractor.base.yaml_file import read_yaml
from abstractor.data import folds, predictions
from abstractor.data.cases import codebook
from abstractor.data.cases.prepared import read_prepared_labels

PLAN, RECIPE = ROOT / "benchmarks/ablation.yaml", "ablation"
SCRATCH = ROOT / ".scratch/ablation"
RESULTS, PAGE = ROOT / "benchmarks/results/ablation.json", ROOT / "docs/evidence/ablation.md"


class AblationError(UserError):
    """The corpus or the plan does not allow the comparison."""


class Row(Strict):
    """One line of the table."""

    title: str
    set: dict[str, Any]
    """Values for `dvc exp run -S`."""
    seeds: Annotated[list[int], Field(min_length=1)]
    model: str
    """Whose out-of-fold predictions are scored."""


class Clone:
    """A copy of the committed project with the corpus in place and the recipe applied."""

    def __init__(self, source: Path) -> None:
        """Make it, or bring it to the commit of the working tree; `source` is the corpus' folder."""
        self.folder = SCRATCH / "project"
        if not (self.folder / ".git").is_dir():
            SCRATCH.mkdir(parents=True, exist_ok=True)
            self._call(ROOT, "git", "clone", "--quiet", str(ROOT), str(self.folder))
        self.run("git", "fetch", "--quiet", "origin", "HEAD")
        self.run("git", "checkout", "--quiet", "--force", "--detach", "FETCH_HEAD")
        self.code = self.run(
            "git", "rev-parse", "HEAD:src", "HEAD:stages", "HEAD:dvc.yaml", f"HEAD:recipes/{RECIPE}.yaml"
        )
        self.run("python", "tools/recipe.py", RECIPE)
        self.params = read_yaml(self.folder / "params.yaml")
        self.run("python", "stages/import_corpus.py", self.params["corpus"], str(source))
        self.run("git", "config", "user.name", "ablation")
        self.run("git", "config", "user.email", "ablation@localhost")
        self.run("git", "add", "--all")
        self.run("git", "commit", "--quiet", "--allow-empty", "--message", "Apply the recipe")
        # What all rows share, so that no row's seconds hold it.
        self.run("dvc", "repro", "prepare", "pin_backbone", "pin_writer", quiet=False)

    def run(self, *command: str, quiet: bool = True) -> str:
        """Run a command in the clone; its output is shown or returned."""
        return self._call(self.folder, *command, quiet=quiet)

    def _call(self, folder: Path, *command: str, quiet: bool = True) -> str:
        environment = os.environ | {"PYTHONPATH": str(self.folder / "src"), "DVC_NO_ANALYTICS": "1"}
        environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"
        pipe = subprocess.PIPE if quiet else None
        done = subprocess.run(command, cwd=folder, env=environment, stdout=pipe, text=True, umask=0o077, check=False)
        if done.returncode:
            raise AblationError(f"{' '.join(command[:3])} .. ended with {done.returncode}; see its message above")
        return done.stdout or ""

    def experiment(self, row: Row, seed: int) -> tuple[pd.DataFrame, float]:
        """Train and predict one row with one seed.

        Returns:
            Out-of-fold predictions, seconds (what was cached costs none).
        """
        self.run("git", "checkout", "--quiet", "HEAD", "--", "params.yaml")
        values = row.set | {f"models.{row.model}.seed": seed}
        options = [text for key, value in values.items() for text in ("--set-param", f"{key}={notation(value)}")]
        folds_of_row = row.set.get("folds", self.params["folds"])
        targets = [f"oof_sc@{row.model}-{fold}" for fold in folds_of_row]
        start = time.monotonic()
        self.run("dvc", "exp", "run", *options, *targets, quiet=False)
        seconds = time.monotonic() - start
        paths = [self.folder / "data/predictions/oof" / row.model / f"{fold}.parquet" for fold in folds_of_row]
        return pd.concat([predictions.read(path, self.book) for path in paths]).sort_index(), seconds

    @property
    def book(self) -> codebook.Codebook:
        """The corpus' codebook."""
        return codebook.load(self.folder / "data/codebooks" / f"{self.params['corpus']}.yaml")

    def labels(self) -> pd.DataFrame:
        """Codes of the slice, as given."""
        return read_prepared_labels(self.folder / "data/prepared/labels.parquet", self.book)

    def groups(self) -> pd.Series:
        """Which cases are copies of one another."""
        return folds.read_groups(self.folder / "data/prepared/folds.parquet")


def notation(value: Any) -> str:
    """A value in the notation of `-S`: JSON without quotes around names."""
    return json.dumps(value, separators=(",", ":")).replace('"', "")


def run(clone: Clone, rows: dict[str, Row], wanted: list[str]) -> None:
    """Run what is not finished; each run's predictions and card lie in .scratch/ablation/runs."""
    for name in wanted:
        for seed in rows[name].seeds:
            key = hashlib.sha256(f"{clone.code}{rows[name].set}{rows[name].model}{seed}".encode()).hexdigest()
            card, table = (SCRATCH / "runs" / f"{name}-{seed}.{ending}" for ending in ("json", "parquet"))
            if card.is_file() and json.loads(card.read_text(encoding="utf-8"))["key"] == key:
                print(f"{name}, seed {seed}: finished before")
                continue
            print(f"{name}, seed {seed}: {rows[name].title}", flush=True)
            oof, seconds = clone.experiment(rows[name], seed)
            predictions.write(table, clone.book, oof)
            write_json(card, {"key": key, "seconds": round(seconds)})


def finished(clone: Clone, rows: dict[str, Row]) -> list[Run]:
    """The rows of which every seed has run."""
    runs = []
    for name, row in rows.items():
        cards = [SCRATCH / "runs" / f"{name}-{seed}.json" for seed in row.seeds]
        if all(card.is_file() for card in cards):
            for seed, card in zip(row.seeds, cards, strict=True):
                oof = predictions.read(card.with_suffix(".parquet"), clone.book)
                runs.append(Run(name, seed, oof, json.loads(card.read_text(encoding="utf-8"))["seconds"]))
    return runs


def main() -> None:
    """Run the rows, write results and page."""
    rows = TypeAdapter(dict[str, Row]).validate_python(read_yaml(PLAN))
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--from", dest="source", type=Path, required=True, help="folder of the OSHA corpus")
    parser.add_argument("--rows", type=lambda text: text.split(","), default=list(rows), help="names, default all")
    options = parser.parse_args()
    if unknown := [name for name in options.rows if name not in rows]:
        raise AblationError(f"--rows: expected names among {', '.join(rows)}, found {', '.join(unknown)}")
    clone = Clone(options.source.resolve())
    run(clone, rows, options.rows)
    runs = finished(clone, rows)
    if BASE not in {one.row for one in runs}:
        raise AblationError(f"expected the row {BASE} to be finished, found it is not; run it first")
    content = summary(clone.book, clone.labels(), clone.groups(), runs, int(clone.params["seed"])) | {
        "machine": machine()
    }
    write_json(RESULTS, content)
    text = page(content, {name: row.title for name, row in rows.items()}, RECIPE)
    with replaced(PAGE) as partial:
        partial.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    run_script(main)
