"""Made cases: which of them a fold may learn from, and who labels them."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from abstractor.base.messages.lessons import MadeError
from abstractor.base.params import Params, ParamsError
from abstractor.data.cases.codebook import Codebook, Variable
from abstractor.training.rounds import synthetic

CODEBOOK = Codebook(
    "small", "one case", {"report": "a report"}, (Variable("Note", "binary", "d", "q", {0: "no", 1: "yes"}, None),)
)
FOLDS = pd.Series([0, 0, 0, 1, 1, 1], index=[f"c{n}" for n in range(6)])


def table(**sources: str) -> pd.DataFrame:
    rows = {uid: ["text", *(f"c{n}" for n in numbers)] for uid, numbers in sources.items()}
    return pd.DataFrame.from_dict(rows, "index", columns=["report", *synthetic.SOURCES])


def write(folder: Path) -> None:
    synthetic.write(folder / "writer/0.parquet", CODEBOOK, table(m2="012", m1="021"))
    synthetic.write(folder / "writer/1.parquet", CODEBOOK, table(m3="345"))


def test_a_fold_sees_only_cases_made_from_the_other_folds(tmp_path: Path) -> None:
    write(tmp_path)
    assert synthetic.visible(tmp_path, CODEBOOK, ["writer"], FOLDS, 0).index.tolist() == ["m3"]
    found = synthetic.visible(tmp_path, CODEBOOK, ["writer"], FOLDS, 1)
    assert found.index.tolist() == ["m1", "m2"]
    assert list(found.columns) == ["report"]


def test_one_source_in_the_fold_is_enough_to_keep_a_case_out() -> None:
    cases = table(m1="013", m2="345", m3="304")
    assert synthetic.outside(cases, FOLDS, 0).index.tolist() == ["m2"]
    assert synthetic.outside(cases, FOLDS, 1).empty


def test_an_unknown_source_is_refused() -> None:
    with pytest.raises(MadeError, match="1 made cases come from cases that are not in"):
        synthetic.outside(table(m1="012", m2="019"), FOLDS, 1)


def test_a_missing_table_is_refused(tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / "writer/1.parquet").unlink()
    with pytest.raises(MadeError, match=r"writer/1\.parquet is missing, though params\.yaml calls for it"):
        synthetic.visible(tmp_path, CODEBOOK, ["writer"], FOLDS, 1)
    with pytest.raises(MadeError, match="found none; name one of"):
        synthetic.visible(tmp_path, CODEBOOK, [], FOLDS, 1)


def test_a_fold_without_any_made_case_is_refused(tmp_path: Path) -> None:
    write(tmp_path)
    synthetic.write(tmp_path / "writer/1.parquet", CODEBOOK, table().reindex(columns=["report", *synthetic.SOURCES]))
    with pytest.raises(MadeError, match=r"found none; metrics/made/ counts why they were dropped"):
        synthetic.visible(tmp_path, CODEBOOK, ["writer"], FOLDS, 0)


def read_teachers(folder: Path, number: int, **change: Any) -> dict[str, str]:
    content = {
        "sc": ["a", "b"],
        "ar": ["c"],
        "teachers_sc": [{"model": "b", "round": 1}, {"model": "a", "round": 2}],
        "teachers_ar": [{"model": "c", "round": 1}],
    }
    (folder / "params.yaml").write_text(yaml.safe_dump(content | change), encoding="utf-8")
    keys = list(content)
    (folder / "dvc.yaml").write_text(yaml.safe_dump({"stages": {"x": {"params": keys}}}), encoding="utf-8")
    return synthetic.teachers(Params(folder / "params.yaml", folder / "dvc.yaml"), number)


def test_the_teachers_of_a_round(tmp_path: Path) -> None:
    assert read_teachers(tmp_path, 1) == {"b": "label_made_sc", "c": "label_made_ar"}
    assert read_teachers(tmp_path, 2) == {"a": "label_made_sc"}


@pytest.mark.parametrize(
    ("number", "change", "message"),
    [
        (3, {}, "nobody labels for round 3"),
        (1, {"teachers_ar": [{"model": "a", "round": 1}]}, "a is not in `ar`"),
        (1, {"teachers_sc": [{"model": "b", "round": 1}] * 2}, "b stands twice"),
        (1, {"teachers_sc": [{"model": "b"}]}, "round is missing"),
    ],
)
def test_teachers_that_cannot_teach_are_refused(
    tmp_path: Path, number: int, change: dict[str, Any], message: str
) -> None:
    with pytest.raises(ParamsError, match=message):
        read_teachers(tmp_path, number, **change)
