"""A drafted codebook: what each column becomes, and that it is refused until it is written."""

import os
import runpy
import shutil
import sys
from pathlib import Path

import pandas as pd
import pytest
from support import ROOT

from abstractor.base.errors import UserError
from abstractor.base.yaml_file import read_yaml
from abstractor.data.draft import Draft, draft
from abstractor.data.install import lay_corpus

TEXT = "Units were called and took a report of the matter"
HEADER = "Case No,ID,Summary,fracture,Body Part,town,9 lives,Told by,same,empty"


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    rows = [
        f"{900 + n},u{n},{TEXT} {n}.,{n % 4 // 3}.0,{n % 3 + 1 if n else 'NA'},Town {n % 2},{n % 2},{TEXT * 2} {n}.,1,"
        for n in range(12)
    ]
    rows.append(f"999,new,{TEXT} anew.,,,Town 3,NA,None,,")
    (tmp_path / "table.csv").write_text("\n".join([HEADER, *rows]) + "\n")
    return tmp_path / "table.csv"


def test_columns_become_variables_and_narratives(table: Path) -> None:
    out = Path("data/drafts/mine")
    found = draft("mine", table, out)

    assert found._replace(told=[]) == Draft(12, 1, ["Summary", "Told_by"], 2, 1, [1, 6, 9, 10], [])
    assert [line.partition(": ")[2] for line in found.told] == [
        "column 2 is taken for uid",
        "1 cells of Body Part hold NA and count as empty",
        "1 cells of 9 lives hold NA and count as empty",
        "1 cells of Told by hold None and count as empty",
    ]
    assert read_yaml(out / "codebook.yaml") == {
        "dataset": "mine",
        "unit": "TODO",
        "narratives": {"Summary": "TODO", "Told_by": "TODO"},
        "variables": [
            {"name": "fracture", "kind": "binary", "definition": "TODO"},
            {
                "name": "Body_Part",
                "kind": "categorical",
                "definition": "TODO",
                "values": dict.fromkeys((1, 2, 3), "TODO"),
            },
            {"name": "v_9_lives", "kind": "binary", "definition": "TODO"},
        ],
    }
    labels = pd.read_csv(out / "train_labels.csv", dtype=str, keep_default_na=False)
    assert labels.columns.tolist() == ["uid", "fracture", "Body_Part", "v_9_lives"]
    assert labels.iloc[0].tolist() == ["u0", "0", "", "0"] and labels.iloc[3].tolist() == ["u3", "1", "1", "1"]
    new = pd.read_csv(out / "test_features.csv", dtype=str, keep_default_na=False)
    assert new.to_numpy().tolist() == [["new", f"{TEXT} anew.", ""]]


def test_a_draft_is_a_corpus_once_it_is_written(table: Path) -> None:
    out = Path("data/drafts/mine")
    draft("mine", table, out)
    with pytest.raises(UserError, match=r"fracture, Body_Part, v_9_lives, Summary, Told_by and 1 more still say TODO"):
        lay_corpus("mine", out, None, Path("data"))
    assert not Path("data/raw").exists()
    book = out / "codebook.yaml"
    book.write_text(book.read_text().replace(": TODO\n", ": written\n").replace("unit: written", "unit: TODO day"))
    with pytest.raises(UserError, match="still say TODO"):
        lay_corpus("mine", out, None, Path("data"))
    book.write_text(book.read_text().replace("TODO", "written"))
    found = lay_corpus("mine", out, None, Path("data"))
    assert (found.training, found.new, found.coded) == (12, 1, False)


def test_a_reserved_name_gets_another(table: Path) -> None:
    table.write_text(table.read_text().replace("fracture", "fold"))
    found = draft("mine", table, Path("data/drafts/mine"))
    assert f"{table}: column fold is named fold_ in the draft, since fold is reserved" in found.told
    assert Path("data/drafts/mine/train_labels.csv").read_text().startswith("uid,fold_,")


def test_what_somebody_wrote_is_not_replaced(table: Path) -> None:
    out = Path("data/drafts/mine")
    draft("mine", table, out)
    (out / "codebook.yaml").write_text("mine")
    with pytest.raises(UserError, match="data/drafts/mine is there"):
        draft("mine", table, out)
    assert (out / "codebook.yaml").read_text() == "mine"
    shutil.rmtree(out)
    draft("mine", table, out)


def test_the_script_says_what_to_do_next(
    table: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["codebook.py", "mine", str(table)])
    monkeypatch.setattr(os, "umask", lambda _: 0)
    runpy.run_path(str(ROOT / "tools/codebook.py"), run_name="__main__")
    printed = capsys.readouterr().out
    assert "variables: 2 binary, 1 categorical" in printed and "columns 1, 6, 9, 10" in printed
    assert printed.endswith("data/drafts/mine/codebook.yaml, then\nmake corpus NAME=mine FROM=data/drafts/mine\n")


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        (HEADER.replace("ID", "number"), "no column uid"),
        (HEADER.replace("town", "Summary"), "column Summary stands twice"),
    ],
)
def test_refuses_tables(table: Path, header: str, reason: str) -> None:
    table.write_text(table.read_text().replace(HEADER, header))
    with pytest.raises(UserError, match=reason):
        draft("mine", table, Path("data/drafts/mine"))
    assert not any(Path("data/drafts").glob("*")) and not any(Path("data/drafts").glob(".*"))


def test_refuses_a_table_without_texts_or_without_codes(tmp_path: Path) -> None:
    for text, reason in {"uid,x\na,1\nb,0\n": "a column of texts", f"uid,x\na,{TEXT}\n": "columns of codes"}.items():
        (tmp_path / "t.csv").write_text(text)
        with pytest.raises(UserError, match=f"found no {reason}"):
            draft("mine", tmp_path / "t.csv", tmp_path / "out")
    with pytest.raises(UserError, match="the name of a corpus"):
        draft("Mine", tmp_path / "t.csv", tmp_path / "out")
