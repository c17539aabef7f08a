import numpy as np
import pandas as pd

from abstractor.data.cases.codebook import Codebook, Variable
from abstractor.training.lessons import targets

BINARY = {0: "no", 1: "yes"}
CODEBOOK = Codebook(
    "small",
    "one case",
    {"report": "a report"},
    (
        Variable("Note", "binary", "d", "q", BINARY, None),
        Variable("Place", "categorical", "d", "q", {3: "house", 1: "street", 7: "park"}, None),
    ),
)
LABELS = pd.DataFrame({"Note": [1, 0, -1], "Place": [7, -1, 3]}, pd.Index(["a", "b", "c"], name="uid"), dtype=np.int16)


def test_targets_of_labels() -> None:
    found = targets.of_labels(CODEBOOK, LABELS)
    none = np.nan
    expected = [[1, 0, 0, 1], [0, none, none, none], [none, 1, 0, 0]]
    assert list(found.columns) == ["Note", "Place=3", "Place=1", "Place=7"]
    np.testing.assert_array_equal(found, expected)
    assert (found.dtypes == np.float32).all()


def test_the_likeliest_code_of_a_targets_label_is_that_label() -> None:
    pd.testing.assert_frame_equal(targets.likeliest(CODEBOOK, targets.of_labels(CODEBOOK, LABELS)), LABELS)


def test_the_likeliest_code_of_a_soft_target() -> None:
    soft = pd.DataFrame([[0.4, 0.2, 0.5, 0.3], [0.6, 0.1, 0.2, 0.7]], list("ab"), list(CODEBOOK.columns))
    found = targets.likeliest(CODEBOOK, soft)
    assert found["Note"].tolist() == [0, 1]
    assert found["Place"].tolist() == [1, 7]
