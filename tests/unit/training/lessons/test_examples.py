"""The table of what a model-fold learns from."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pydantic import TypeAdapter, ValidationError

from abstractor.base.learns import Learns
from abstractor.base.messages.lessons import ExamplesError
from abstractor.data.cases.codebook import Codebook, Variable
from abstractor.training.lessons import examples
from abstractor.training.lessons.examples import Examples

CODEBOOK = Codebook(
    "small",
    "one case",
    {"Officer": "a report", "Coroner": "a report"},
    (Variable("Note", "binary", "d", "q", {0: "no", 1: "yes"}, None),),
)
CASES = pd.DataFrame(
    {"Officer": ["one", "", "three"], "Coroner": ["", "two", "3"]}, pd.Index(["c", "a", "b"], name="uid"), dtype="str"
)
TARGETS = pd.DataFrame({"Note": [1.0, np.nan, 0.25]}, CASES.index, dtype=np.float32)


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    path, rewritten = tmp_path / "set.parquet", pd.DataFrame({"Officer": [""], "Coroner": ["zwei"]}, ["a"], dtype="str")
    examples.write(path, CODEBOOK, Examples(CASES, TARGETS, rewritten, pd.Index(["b"])))
    found = examples.read(path, CODEBOOK)

    pd.testing.assert_frame_equal(found.cases, CASES.sort_index())
    pd.testing.assert_frame_equal(found.targets, TARGETS.sort_index())
    assert found.rewritten.loc["a"].tolist() == ["", "zwei"]
    assert found.rewritten.index.tolist() == ["a"]
    assert found.made.tolist() == ["b"]
    assert found.coded.tolist() == ["a", "c"]


def test_a_table_that_is_no_training_set_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "set.parquet"
    with pytest.raises(ExamplesError, match="is missing"):
        examples.read(path, CODEBOOK)
    path.write_text("text", encoding="utf-8")
    with pytest.raises(ExamplesError, match="cannot be read"):
        examples.read(path, CODEBOOK)
    CASES.reset_index().to_parquet(path)
    with pytest.raises(ExamplesError, match="other columns"):
        examples.read(path, CODEBOOK)


@pytest.mark.parametrize(
    "change", [{"labels": "guessed"}, {"rewrites": "Some/One"}, {"made": 0}, {"made": "all"}, {"more": 1}]
)
def test_only_known_lessons_are_accepted(change: dict[str, object]) -> None:
    good = {"labels": "coded", "rewrites": "none", "made": "none"}
    TypeAdapter(Learns).validate_python(good, strict=True)
    with pytest.raises(ValidationError):
        TypeAdapter(Learns).validate_python(good | change, strict=True)
