"""What a fold's model learns from, and the proof that nothing in it was computed with the fold's labels.

Labels are drawn at random, so that no text reveals them: whoever predicts the held-out ones knows them through a leak.
"""

import importlib.util
import json
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from support import ROOT

from abstractor.base.learns import Learns
from abstractor.base.members import Training
from abstractor.base.messages.lessons import TrainingSetError
from abstractor.base.messages.predictions import PredictionsError
from abstractor.data import folds, predictions
from abstractor.data.cases import codebook
from abstractor.data.cases.prepared import write_cases, write_labels
from abstractor.machine import compute as runs
from abstractor.machine.compute import Compute
from abstractor.training.lessons import examples
from abstractor.training.lessons.examples import Examples
from abstractor.training.rounds import assemble, synthetic

CASES = 60
"""In each of two folds."""
ECHOES = 3
"""Made cases of each coded one."""
KEYS = (
    "corpus",
    "seed",
    "folds",
    "trainings",
    "readers",
    "sc",
    "ar",
    "making",
    "teachers_sc",
    "teachers_ar",
    "infer",
    "models",
)


class Memory:
    """A member that remembers a probability for every word, and says .5 of what it never saw."""

    def __init__(self, book: codebook.Codebook, folder: Path, *_: Any) -> None:
        self.book, self.known = book, json.loads((folder / "memory.json").read_text(encoding="utf-8"))

    def predict(self, parts: Iterable[pd.DataFrame], cases: int, name: str, _: Path) -> Iterator[pd.DataFrame]:
        for part in parts:
            said = [[self.of(text)] for text in part["report"]]
            yield predictions.table(self.book, list(part.index), np.array(said))

    def of(self, text: str) -> float:
        return float(np.mean([self.known[word] for word in text.split() if word in self.known] or [0.5]))


class Project:
    """Two folds of cases, made cases of them, and a teacher a fold."""

    def __init__(self, folder: Path, shared_words: bool, named: bool) -> None:
        """Lay it down.

        Args:
            folder: empty.
            shared_words: case n has the same word in either fold, so that who saw one fold speaks of the other.
            named: a made case names its source's label, which every teacher understands.
        """
        self.folder = folder
        self.write_yaml()
        self.book = codebook.load(folder / "data/codebooks/coins.yaml")
        uids = [f"c{fold}{number:02}" for fold in (0, 1) for number in range(CASES)]
        self.labels = pd.DataFrame({"Drawn": np.random.default_rng(0).integers(0, 2, 2 * CASES)}, uids, dtype="int16")
        self.folds = pd.Series(np.repeat([0, 1], CASES), uids)
        words = [f"w{uid[2:] if shared_words else uid[1:]}" for uid in uids]
        self.cases = pd.DataFrame({"report": words}, pd.Index(uids, name="uid"), dtype="str")
        write_cases(folder / "data/prepared/cases.parquet", self.book, self.cases)
        write_labels(folder / "data/prepared/labels.parquet", self.book, self.labels)
        folds.write(folder / "data/prepared/folds.parquet", self.folds)
        for fold in (0, 1):
            self.write_made(fold, named)
            self.write_teacher(fold, saw=[1 - fold])
        self.write_teacher("all", saw=[0, 1])

    def write_yaml(self) -> None:
        variable = {"name": "Drawn", "kind": "binary", "definition": "Drawn at random."}
        book = {"dataset": "coins", "unit": "one case", "narratives": {"report": "a report"}, "variables": [variable]}
        infer = {"device": "cpu", "dtype": "float32", "threads": 1, "batch_tokens": 64, "chunk_cases": 25}
        content = {"corpus": "coins", "seed": 0, "sc": ["first"], "ar": [], "making": ["writer"], "teachers_ar": []}
        content |= {"folds": [0, 1], "trainings": [0, 1, "all"], "readers": ["all"]}
        content |= {"teachers_sc": [{"model": "first", "round": 1}], "infer": infer | {"memory_gb": None}}
        content |= {"models": {"student": {"learns": {"labels": "coded", "rewrites": "none", "made": 1}}}}
        pipeline = {"stages": {"x": {"params": list(KEYS)}}}
        for name, what in (("data/codebooks/coins", book), ("params", content), ("dvc", pipeline)):
            path = self.folder / f"{name}.yaml"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(yaml.safe_dump(what), encoding="utf-8")

    def write_made(self, fold: int, named: bool) -> None:
        rows, inside = {}, self.folds.index[self.folds == fold]
        for place, uid in enumerate(inside):
            sources = [uid, inside[place - 1], inside[place - 2]]
            answer = f" answer{self.labels.loc[uid, 'Drawn']}" if named else ""
            for echo in range(ECHOES):
                rows[f"made_{uid}_{echo}"] = [self.cases.loc[uid, "report"] + answer, *sources]
        table = pd.DataFrame.from_dict(rows, "index", columns=["report", *synthetic.SOURCES])
        synthetic.write(self.folder / f"data/lessons/cases/writer/{fold}.parquet", self.book, table)

    def write_teacher(self, fold: Training, saw: list[int]) -> None:
        """The member in the folder of `fold`, which learned the cases of the folds `saw`."""
        uids = self.folds.index[self.folds.isin(saw)]
        known = dict(zip(self.cases.loc[uids, "report"], self.labels.loc[uids, "Drawn"].tolist(), strict=True))
        path = self.folder / f"models/first/{fold}/memory.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(known | {"answer0": 0.0, "answer1": 1.0}), encoding="utf-8")

    def accuracy_on_the_fold_held_out(self, run: Callable[..., None]) -> float:
        """Of a student of fold 0 that goes by the mean target of a word in its training set."""
        for fold in ("0", "1", "all"):
            run("label_made", "sc", "first", "1", fold)
            run("label_cases", "1", fold)
        run("training_set", "student")
        learned = examples.read(self.folder / "data/training/student/0.parquet", self.book)
        assert len(learned.coded) == CASES
        rows = [(word, t) for text, t in zip(learned.cases["report"], learned.targets["Drawn"], strict=True)
                for word in text.split()]  # fmt: skip
        means = pd.DataFrame(rows, columns=["word", "target"]).groupby("word")["target"].mean()
        held = self.folds.index[self.folds == 0]
        said = self.cases.loc[held, "report"].map(means).fillna(0.5)
        return float(((said > 0.5) == (self.labels.loc[held, "Drawn"] == 1)).mean())


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., None]:
    """Runs a stage's script in the project, with members that remember words in place of networks."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("abstractor.predicting.sc.predictor", Memory)
    monkeypatch.setattr("abstractor.models.shared.local.check_backbone", lambda *_: None)  # a memory has none
    monkeypatch.setattr(runs, "prepare_machine", lambda _: Compute(torch.device("cpu"), torch.float32, "a test"))

    def main_of(stage: str, *arguments: str) -> None:
        spec = importlib.util.spec_from_file_location(stage, ROOT / "stages" / f"{stage}.py")
        assert spec is not None
        assert spec.loader is not None
        script = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(script)
        monkeypatch.setattr(sys, "argv", [stage, *arguments])
        script.main()

    return main_of


CHANCE = 0.5 + 3 * 0.5 / CASES**0.5
"""What guessing stays below, but once in a thousand times; the coins are fixed, so once and for all."""


@pytest.mark.parametrize(("shared_words", "named"), [(False, True), (True, False)])
def test_with_the_guard_the_held_out_labels_are_a_matter_of_chance(
    tmp_path: Path, run: Callable[..., None], shared_words: bool, named: bool
) -> None:
    assert Project(tmp_path, shared_words, named).accuracy_on_the_fold_held_out(run) < CHANCE


def test_without_the_guard_made_cases_give_their_sources_away(
    tmp_path: Path, run: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(synthetic, "outside", lambda cases, folds, fold: cases)
    assert Project(tmp_path, shared_words=False, named=True).accuracy_on_the_fold_held_out(run) > 0.9


def test_teachers_that_saw_the_fold_give_its_labels_away(tmp_path: Path, run: Callable[..., None]) -> None:
    project = Project(tmp_path, shared_words=True, named=False)
    for fold in (0, 1):
        project.write_teacher(fold, saw=[fold])
    assert project.accuracy_on_the_fold_held_out(run) > 0.9


def test_members_of_another_fold_do_not_change_what_a_student_learns(tmp_path: Path, run: Callable[..., None]) -> None:
    """So DVC, which goes by content, reruns it only when those that held its fold out have changed."""
    project, tables = Project(tmp_path, shared_words=True, named=False), []
    for saw in (0, 1):
        project.write_teacher(1, [saw])
        project.accuracy_on_the_fold_held_out(run)
        tables.append([(tmp_path / f"data/training/student/{fold}.parquet").read_bytes() for fold in (0, 1)])
    assert tables[0][0] == tables[1][0]
    assert tables[0][1] != tables[1][1]


def test_a_student_that_holds_nothing_out_learns_from_all_cases_and_teachers_that_saw_them(
    tmp_path: Path, run: Callable[..., None]
) -> None:
    project = Project(tmp_path, shared_words=False, named=True)
    project.accuracy_on_the_fold_held_out(run)
    learned = examples.read(tmp_path / "data/training/student/all.parquet", project.book)
    assert learned.coded.tolist() == project.folds.index.tolist()
    assert len(learned.made) == ECHOES * 2 * CASES
    assert (learned.targets.loc[project.labels.index, "Drawn"] == project.labels["Drawn"]).all()


def test_no_model_that_saw_all_cases_predicts_them_out_of_fold(
    tmp_path: Path, run: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    Project(tmp_path, shared_words=True, named=False)
    with pytest.raises(SystemExit):
        run("oof", "sc", "first", "all")
    assert "invalid int value: 'all'" in capsys.readouterr().err
    assert not (tmp_path / "data/predictions").exists()


def test_a_teacher_whose_table_is_missing_or_old_is_refused(tmp_path: Path, run: Callable[..., None]) -> None:
    project = Project(tmp_path, shared_words=True, named=False)
    with pytest.raises(PredictionsError, match=r"first\.parquet is missing"):
        run("label_cases", "1", "0")
    run("label_made", "sc", "first", "1", "0")
    project.write_made(1, named=False)
    table = pd.read_parquet(tmp_path / "data/lessons/cases/writer/1.parquet").iloc[1:].set_index("uid")
    synthetic.write(tmp_path / "data/lessons/cases/writer/1.parquet", project.book, table)
    with pytest.raises(PredictionsError, match="run stage label_made_sc again"):
        run("label_cases", "1", "0")


def test_corrected_labels_and_paraphrases_of_the_other_folds_are_used(tmp_path: Path) -> None:
    project = Project(tmp_path, shared_words=True, named=False)
    book, lessons, others = project.book, tmp_path / "data/lessons", project.folds.index[project.folds != 0]
    write_cases(lessons / "rewrites/writer/cases.parquet", book, project.cases.iloc[::2] + " again")
    write_labels(lessons / "labels/corrected/0.parquet", book, 1 - project.labels.loc[others])
    learns = Learns(labels="corrected", rewrites="writer", made="none")
    found = assemble.of_fold(book, learns, project.cases, project.labels, project.folds, 0, lessons)
    assert found.cases.index.tolist() == others.tolist()
    assert (found.targets["Drawn"] == 1 - project.labels.loc[others, "Drawn"]).all()
    assert found.rewritten.index.tolist() == others[::2].tolist()
    assert found.made.empty


def test_lessons_that_do_not_fit_the_cases_are_refused(tmp_path: Path) -> None:
    project = Project(tmp_path, shared_words=True, named=False)
    book, lessons, others = project.book, tmp_path / "data/lessons", project.folds.index[project.folds != 0]
    given = (project.cases, project.labels, project.folds, 0, lessons)
    write_labels(lessons / "labels/corrected/0.parquet", book, project.labels.loc[others[1:]])
    with pytest.raises(TrainingSetError, match="expected the 60 cases outside fold 0"):
        assemble.of_fold(book, Learns(labels="corrected", rewrites="none", made="none"), *given)
    coded = project.cases.loc[others]
    soft = pd.DataFrame({"Drawn": 0.5}, coded.index, dtype="float32")
    examples.write(lessons / "made/1/0.parquet", book, Examples(coded, soft, coded.iloc[:0], coded.index))
    with pytest.raises(TrainingSetError, match="expected made cases only"):
        assemble.of_fold(book, Learns(labels="coded", rewrites="none", made=1), *given)
