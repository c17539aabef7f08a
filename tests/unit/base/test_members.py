"""The models that params call for."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from abstractor.base import members
from abstractor.base.errors import UserError
from abstractor.base.params import Params

GOOD: dict[str, Any] = {
    "sc_1": ["one"],
    "sc_2": ["two"],
    "sc_3": ["masked"],
    "sc": ["one", "two", "masked"],
    "ar": ["three"],
    "folds": [0, 1],
    "trainings": [0, 1],
    "readers": [0, 1],
}


def read(folder: Path, **changes: Any) -> members.Members:
    (folder / "params.yaml").write_text(yaml.safe_dump(GOOD | changes), encoding="utf-8")
    (folder / "dvc.yaml").write_text(yaml.safe_dump({"stages": {"x": {"params": list(GOOD)}}}), encoding="utf-8")
    return members.read(Params(folder / "params.yaml", folder / "dvc.yaml"))


def test_members_are_all_models_by_kind(tmp_path: Path) -> None:
    found = read(tmp_path)
    assert found.names == ("one", "two", "masked", "three") and found.folds == (0, 1)
    assert [found.kind(name) for name in found.names] == ["sc", "sc", "sc", "ar"]


def test_a_kind_may_be_empty(tmp_path: Path) -> None:
    assert read(tmp_path, sc_1=[], sc_2=[], sc_3=[], sc=[]).names == ("three",)
    assert read(tmp_path, ar=[], sc_2=[], sc_3=[], sc=["one"]).names == ("one",)


def test_new_cases_may_be_read_by_some_folds_or_by_a_model_of_all_cases(tmp_path: Path) -> None:
    assert read(tmp_path).readers == (0, 1)
    assert read(tmp_path, readers=[1]).readers == (1,)
    found = read(tmp_path, trainings=[0, 1, "all"], readers=["all"])
    assert (found.folds, found.readers) == ((0, 1), ("all",))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ar": ["one"]}, "one stands twice"),
        ({"sc_2": ["one"], "sc": ["one", "one", "masked"]}, "one stands twice"),
        ({"sc_3": ["one"], "sc": ["one", "two", "one"]}, "one stands twice"),
        ({"ar": ["Three"]}, "must match"),
        ({"ar": ["3b.x"]}, "must match"),
        ({"ar": ["ensemble"]}, "reserved"),
        ({"ar": ["backbones"]}, "reserved"),
        ({"ar": ["linear_tfidf"]}, "reserved"),
        ({"ar": ["models"]}, "reserved"),
        ({"sc": ["one", "masked"]}, "sc must list"),
        ({"sc": ["one", "two"]}, "sc must list"),
        ({"sc": ["one", "two", "masked", "three"]}, "sc must list"),
        ({"sc": ["one", "two", "masked", "two"]}, "sc must list"),
        ({"sc_1": [], "sc_2": [], "sc_3": [], "sc": [], "ar": []}, "needs a model"),
        ({"folds": [1, 2]}, "folds"),
        ({"folds": [0]}, "folds"),
        ({"folds": ["all", 0]}, "folds"),
        ({"readers": []}, r"readers: expected some of \[0, 1, 'all'\], each once, found \[\]"),
        ({"readers": [0, 0]}, "each once"),
        ({"readers": [2]}, "readers: expected some of"),
        ({"readers": ["none"]}, "readers"),
        ({"readers": ["all"]}, r"trainings: expected \[0, 1, 'all'\], as folds and readers need, found \[0, 1\]"),
        ({"trainings": [0, 1, "all"]}, r"trainings: expected \[0, 1\]"),
        ({"trainings": [0]}, r"trainings: expected \[0, 1\]"),
        ({"folds": [0, 1, 2]}, r"trainings: expected \[0, 1, 2\]"),
    ],
)
def test_what_cannot_be_gathered_is_refused(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        read(tmp_path, **changes)
