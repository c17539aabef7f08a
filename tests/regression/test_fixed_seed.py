"""Numbers of fixed seeds: a refactor must leave them as they are; record.py wrote them."""

import json
from pathlib import Path

import numpy as np
import pytest
from regression import record
from support import tiny

from abstractor.base.params import Params
from abstractor.data import folds
from abstractor.data.cases import codebook
from abstractor.data.demo.corpus import draw
from abstractor.data.demo.settings import DemoCorpusParams
from abstractor.scoring import baseline
from abstractor.scoring.scores import crossfit

pytestmark = pytest.mark.regression


def test_training_losses_and_scores_are_as_recorded(finished: tiny.Project) -> None:
    found, expected = record.numbers(finished), json.loads(record.EXPECTED.read_text(encoding="utf-8"))
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        # Another processor may round otherwise; a change of what is computed is larger.
        np.testing.assert_allclose(found[name], values, rtol=2e-3, err_msg=name)


def test_the_demo_corpus_leaves_something_to_learn_and_to_gain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tiny.ROOT)
    params = Params()
    settings = params.get("demo_corpus", DemoCorpusParams).model_copy(update={"cases": 2000, "new_cases": 2})
    book = codebook.load(Path("data/codebooks/demo.yaml"))
    made = draw(book, settings)
    cases, labels = made["train_features"], made["train_labels"].astype("int16")
    fold = folds.assign(book, labels, 5, 0)
    predicted = baseline.predict(
        book, params.get("baseline", baseline.BaselineParams), cases, labels, fold, made["test_features"]
    )
    score = crossfit.report(book, predicted.oof, labels, 0, smallest=0)["f1"]["mean"]
    assert 0.5 < score < 0.85
