"""Corpora laid down under data/, and the stages that prepare them: whole, or refused with all as it was."""

import os
import runpy
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import pytest
from support import ROOT

from abstractor.data import folds
from abstractor.data.cases import codebook
from abstractor.data.cases.prepared import read_prepared_cases, read_prepared_labels

STAGES = ROOT / "stages"
MARKER = "zebrafinch"

CODEBOOK = """dataset: tiny
unit: one death
narratives: {Police: police report, Coroner: coroner report}
variables:
- {name: Note, kind: binary, definition: "A note was left."}
- {name: Place, kind: categorical, definition: "Where.", values: {1: home, 2: street}}
"""
PARAMS = "corpus: tiny\nseed: 1\nfolds: [0, 1]\ncases: null\nnew_cases: null\ncopies: {similarity: 0.6}\n"
PIPELINE = "stages:\n  one: {cmd: x, params: [corpus, seed, folds, cases, new_cases, copies]}\n"
FILES = ("submission_format.csv", "test_features.csv", "test_labels.csv", "train_features.csv", "train_labels.csv")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A project with params and pipeline; beside its data, a folder `from` to bring in."""
    (tmp_path / "params.yaml").write_text(PARAMS)
    (tmp_path / "dvc.yaml").write_text(PIPELINE)
    source = tmp_path / "from"
    source.mkdir()
    (source / "codebook.yaml").write_text(CODEBOOK)
    rows = [f"t{n:02},{MARKER} report {n},{'calm' if n % 3 else ''}\n" for n in range(20)]
    (source / "train_features.csv").write_text(
        "uid,Police,Coroner,age\n" + "".join(r.replace("\n", ",9\n") for r in rows)
    )
    (source / "train_labels.csv").write_text(
        "uid,Place,Note\n" + "".join(f"t{n:02},{n % 2 + 1},{n % 4 // 3}\n" for n in range(20))
    )
    (source / "test_features.csv").write_text(f'uid,Police,Coroner\nz,{MARKER},\ny,,"No note,\n{MARKER}"\n')
    monkeypatch.chdir(tmp_path)
    before = os.umask(0o077)
    yield tmp_path
    os.umask(before)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    """Runs a stage's script in this process: exit code, and what it printed."""

    def script(name: str, *arguments: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", [name, *arguments])
        code = 0
        try:
            runpy.run_path(str(STAGES / f"{name}.py"), run_name="__main__")
        except SystemExit as end:
            code = int(end.code or 0)
        printed = capsys.readouterr()
        assert MARKER not in printed.out + printed.err
        return code, printed.out + printed.err

    return script


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_lays_down_five_files_and_the_codebook(project: Path, run: Callable[..., tuple[int, str]]) -> None:
    code, printed = run("import_corpus", "tiny", "from")

    assert code == 0
    assert "20 training cases, 2 new cases without labels" in printed
    assert "made data/raw/tiny/" in printed and "then make repro" in printed
    raw = project / "data" / "raw" / "tiny"
    assert sorted(path.name for path in raw.iterdir()) == list(FILES)
    assert (project / "data/codebooks/tiny.yaml").read_text() == CODEBOOK
    assert (raw / "train_features.csv").read_text().splitlines()[:2] == [
        "uid,Police,Coroner",
        f"t00,{MARKER} report 0,",
    ]
    assert (raw / "test_features.csv").read_text() == f'uid,Police,Coroner\nz,{MARKER},\ny,,"No note,\n{MARKER}"\n'
    assert (raw / "train_labels.csv").read_text().splitlines()[:3] == ["uid,Note,Place", "t00,0,1", "t01,0,2"]
    assert (raw / "test_labels.csv").read_text() == "uid,Note,Place\nz,,\ny,,\n"
    assert (raw / "submission_format.csv").read_text() == "uid,Note,Place\nz,0,1\ny,0,1\n"
    assert (raw / "train_features.csv").stat().st_mode & 0o777 == 0o600


def test_keeps_labels_and_order_of_a_submission_format(project: Path, run: Callable[..., tuple[int, str]]) -> None:
    (project / "from/test_labels.csv").write_text("uid,Note,Place\nz,1.0,2.0\ny,0.0,\n")
    (project / "from/submission_format.csv").write_text("uid,Place,Note\nz,1,0\ny,1,0\n")
    code, printed = run("import_corpus", "tiny", "from")

    assert code == 0 and "with labels" in printed
    assert (project / "data/raw/tiny/test_labels.csv").read_text() == "uid,Note,Place\nz,1,2\ny,0,\n"
    assert (project / "data/raw/tiny/submission_format.csv").read_text() == "uid,Place,Note\nz,1,0\ny,1,0\n"


def test_parquet_lays_down_the_same_bytes(project: Path, run: Callable[..., tuple[int, str]]) -> None:
    run("import_corpus", "tiny", "from")
    before = content(project / "data")
    for path in (project / "from").glob("*.csv"):
        pd.read_csv(path, keep_default_na=False).to_parquet(path.with_suffix(".parquet"))
        path.unlink()
    code, printed = run("import_corpus", "tiny", "from")

    assert code == 0 and "replaced data/raw/tiny/" in printed
    assert content(project / "data") == before


def test_takes_the_codebook_that_is_named_or_there(project: Path, run: Callable[..., tuple[int, str]]) -> None:
    shutil.move(project / "from/codebook.yaml", project / "other.yaml")

    code, printed = run("import_corpus", "tiny", "from")
    assert code == 2 and "from/codebook.yaml is missing" in printed
    assert run("import_corpus", "tiny", "from", "other.yaml")[0] == 0
    code, printed = run("import_corpus", "tiny", "from")
    assert code == 0 and "data/codebooks/tiny.yaml is used as it is" in printed
    assert (project / "data/codebooks/tiny.yaml").read_text() == CODEBOOK
    changed = CODEBOOK.replace("left", "found")
    (project / "from/Codebook.YML").write_text(changed)
    assert run("import_corpus", "tiny", "from")[0] == 0
    assert (project / "data/codebooks/tiny.yaml").read_text() == changed
    (project / "from/codebook.yaml").write_text(CODEBOOK)
    code, printed = run("import_corpus", "tiny", "from")
    assert code == 2 and "holds both Codebook.YML and codebook.yaml" in printed


def test_refuses_a_source_that_is_no_folder(project: Path, run: Callable[..., tuple[int, str]]) -> None:
    for source, found in {"nowhere": "nothing", "from/train_labels.csv": "a file"}.items():
        code, printed = run("import_corpus", "tiny", source)
        assert code == 2 and f"{source}: expected a folder of tables and their codebook, found {found}" in printed
    run("import_corpus", "tiny", "from")
    code, printed = run("import_new_cases", "from")
    assert code == 2 and "from is a folder; expected a file" in printed


@pytest.mark.parametrize("name", ["Tiny", "2tiny", "ti-ny", "../tiny", "", "tiny\n", "null", "no"])
def test_refuses_a_name(project: Path, run: Callable[..., tuple[int, str]], name: str) -> None:
    code, printed = run("import_corpus", name, "from")

    assert code == 2 and "the name of a corpus" in printed
    assert not (project / "data").exists()


def test_refuses_to_replace_the_demo(project: Path, run: Callable[..., tuple[int, str]]) -> None:
    code, printed = run("import_corpus", "demo", "from")

    assert code == 2 and "demo is made by its own stage" in printed


BAD_SOURCE = {
    "no test features": ("test_features.csv", None, ["neither test_features.csv nor"]),
    "no training labels": ("train_labels.csv", None, ["neither train_labels.csv nor"]),
    "an unknown code": ("train_labels.csv", "uid,Note,Place\nt00,5,1\n", ["19 of 20 cases"]),
    "an empty case": (
        "test_features.csv",
        "uid,Police,Coroner\nz,,\n",
        ["test_features.csv, row 1", "every narrative"],
    ),
    "a broken codebook": ("codebook.yaml", CODEBOOK.replace("binary", "ordinal"), ["codebook.yaml", "unknown kind"]),
    "a short format": ("submission_format.csv", "uid,Note,Place\nz,1,1\n", ["submission_format.csv", "1 of 2 cases"]),
    "a format of others": ("submission_format.csv", "uid,Note,Place\nz,1,1\ny,1,1\nx,1,1\n", ["row 3", "no case"]),
    "a format without": ("submission_format.csv", "uid,Note\nz,1\ny,1\n", ["submission_format.csv", "column Place"]),
    "labels of others": ("test_labels.csv", "uid,Note,Place\nz,1,1\ny,1,1\nx,1,1\n", ["test_labels.csv, row 3"]),
    "labels in a workbook": ("test_labels.xlsx", "", ["test_labels.xlsx would not be read"]),
    "labels zipped": ("test_labels.csv.gz", "", ["test_labels.csv.gz would not be read"]),
    "both formats": ("train_labels.parquet", "", ["holds both train_labels.csv and train_labels.parquet"]),
}


@pytest.mark.parametrize(("file", "text", "parts"), BAD_SOURCE.values(), ids=BAD_SOURCE)
def test_a_bad_source_changes_nothing(
    project: Path, run: Callable[..., tuple[int, str]], file: str, text: str | None, parts: list[str]
) -> None:
    run("import_corpus", "tiny", "from")
    before = content(project / "data")
    if text is None:
        (project / "from" / file).unlink()
    else:
        (project / "from" / file).write_text(text)
    code, printed = run("import_corpus", "tiny", "from")

    assert code == 2
    for part in parts:
        assert part in printed
    assert content(project / "data") == before


def test_new_cases_need_no_training_data(project: Path, run: Callable[..., tuple[int, str]]) -> None:
    (project / "data/codebooks").mkdir(parents=True)
    shutil.copy(project / "from/codebook.yaml", project / "data/codebooks/tiny.yaml")
    code, printed = run("import_new_cases", "from/test_features.csv")

    assert code == 0 and "tiny: 2 new cases" in printed
    raw = project / "data/raw/tiny"
    assert sorted(content(raw)) == ["submission_format.csv", "test_features.csv", "test_labels.csv"]
    assert (raw / "test_labels.csv").read_text() == "uid,Note,Place\nz,,\ny,,\n"
    assert (raw / "submission_format.csv").read_text() == "uid,Note,Place\nz,0,1\ny,0,1\n"
    assert run("prepare_new")[0] == 0
    before = content(raw)
    assert run("import_new_cases", "from/test_features.csv", "tiny")[0] == 0
    code, printed = run("import_new_cases", "from/test_features.csv", "other")
    assert code == 2 and "corpus is tiny, not other" in printed and content(raw) == before


def test_bad_new_cases_change_nothing(project: Path, run: Callable[..., tuple[int, str]]) -> None:
    run("import_corpus", "tiny", "from")
    before = content(project / "data")
    (project / "from/new.csv").write_text(f"uid,Police,Coroner\na,{MARKER},\na,{MARKER},\n")
    code, printed = run("import_new_cases", "from/new.csv")

    assert code == 2 and "row 2: the same uid as row 1" in printed
    assert content(project / "data") == before


def test_new_cases_of_the_made_up_corpus_are_refused(project: Path, run: Callable[..., tuple[int, str]]) -> None:
    (project / "data/codebooks").mkdir(parents=True)
    shutil.copy(project / "from/codebook.yaml", project / "data/codebooks/demo.yaml")
    (project / "params.yaml").write_text(PARAMS.replace("corpus: tiny", "corpus: demo"))
    code, printed = run("import_new_cases", "from/test_features.csv")

    assert code == 2 and "demo is made by its own stage" in printed
    assert not (project / "data/raw").exists()


def test_prepare_writes_cases_labels_and_folds(project: Path, run: Callable[..., tuple[int, str]]) -> None:
    run("import_corpus", "tiny", "from")
    code, printed = run("prepare")
    book, made = codebook.load(project / "data/codebooks/tiny.yaml"), project / "data/prepared"
    cases = read_prepared_cases(made / "cases.parquet", book)
    labels = read_prepared_labels(made / "labels.parquet", book)
    fold = folds.read(made / "folds.parquet")

    assert code == 0 and printed == "tiny: 20 training cases in 2 folds, 2 variables, 0 labels empty\n"
    assert cases.loc["t04"].tolist() == [f"{MARKER} report 4", "calm"]
    assert labels.loc["t07"].tolist() == [1, 2]
    assert cases.index.equals(labels.index) and cases.index.equals(fold.index)
    assert fold.value_counts().tolist() == [10, 10]
    assert run("prepare_new")[0] == 0
    assert read_prepared_cases(made / "new_cases.parquet", book).index.tolist() == ["y", "z"]


def test_prepare_cuts_slices(project: Path, run: Callable[..., tuple[int, str]]) -> None:
    run("import_corpus", "tiny", "from")
    text = PARAMS.replace("new_cases: null", "new_cases: 1").replace("\ncases: null", "\ncases: 8")
    (project / "params.yaml").write_text(text)

    assert "8 training cases" in run("prepare")[1]
    assert "1 new cases" in run("prepare_new")[1]
    assert len(pd.read_parquet(project / "data/prepared/labels.parquet")) == 8


BAD_RUN = {
    "unknown key": ("prepare", "params.yaml", PARAMS + "seeds: 1\n", ["unknown key 'seeds'", "'seed'"]),
    "seed below 0": ("prepare", "params.yaml", PARAMS.replace("seed: 1", "seed: -1"), ["seed", "found -1"]),
    "corpus of another form": (
        "prepare",
        "params.yaml",
        PARAMS.replace("tiny", "../tiny"),
        ["corpus", "found '../tiny'"],
    ),
    "one fold": ("prepare", "params.yaml", PARAMS.replace("[0, 1]", "[0]"), ["folds"]),
    "folds with a gap": ("prepare", "params.yaml", PARAMS.replace("[0, 1]", "[0, 2]"), ["folds", "[0, 2]"]),
    "no cases": ("prepare", "params.yaml", PARAMS.replace("\ncases: null", "\ncases: 0"), ["cases", "found 0"]),
    "too many cases": (
        "prepare",
        "params.yaml",
        PARAMS.replace("\ncases: null", "\ncases: 21"),
        ["21 cases", "has 20"],
    ),
    "too many folds": ("prepare", "params.yaml", PARAMS.replace("\ncases: null", "\ncases: 1"), ["2 folds", "found 1"]),
    "no corpus": ("prepare", "params.yaml", PARAMS.replace("tiny", "other"), ["data/codebooks/other.yaml is missing"]),
    "labels that shrank": ("prepare", "data/raw/tiny/train_labels.csv", "uid,Note,Place\n", ["no rows"]),
    "no training file": ("prepare", "data/raw/tiny/train_features.csv", None, ["train_features.csv is missing"]),
    "a broken codebook": (
        "prepare",
        "data/codebooks/tiny.yaml",
        CODEBOOK + CODEBOOK,
        ["line 7", "dataset stands twice"],
    ),
    "no new cases": ("prepare_new", "params.yaml", PARAMS.replace("new_cases: null", "new_cases: 3"), ["has 2"]),
    "no new-case file": ("prepare_new", "data/raw/tiny/test_features.csv", None, ["test_features.csv is missing"]),
    "a new-case file cut off": (
        "prepare_new",
        "data/raw/tiny/test_features.csv",
        f'uid,Police,Coroner\na,"{MARKER}',
        ["row 1"],
    ),
}


@pytest.mark.parametrize(("stage", "file", "text", "parts"), BAD_RUN.values(), ids=BAD_RUN)
def test_a_refused_run_leaves_earlier_outputs(
    project: Path, run: Callable[..., tuple[int, str]], stage: str, file: str, text: str | None, parts: list[str]
) -> None:
    run("import_corpus", "tiny", "from")
    assert run("prepare")[0] == run("prepare_new")[0] == 0
    before = content(project / "data/prepared")
    if text is None:
        (project / file).unlink()
    else:
        (project / file).write_text(text)
    code, printed = run(stage)

    assert code == 2 and printed.startswith("error: ")
    for part in parts:
        assert part in printed
    assert len(before) == 4 and content(project / "data/prepared") == before


def test_a_disk_that_fails_half_way_leaves_earlier_outputs(
    project: Path, run: Callable[..., tuple[int, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    run("import_corpus", "tiny", "from")
    run("prepare")
    before = content(project / "data/prepared")
    (project / "params.yaml").write_text(PARAMS.replace("\ncases: null", "\ncases: 8"))

    def full(*_: object) -> None:
        raise OSError(f"no space left for {MARKER}")

    monkeypatch.setattr(folds, "write", full)
    code, printed = run("prepare")

    assert code == 1 and "OSError" in printed
    assert content(project / "data/prepared") == before
