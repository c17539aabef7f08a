"""The baseline on invented reports."""

import numpy as np
import pandas as pd
import pytest

from abstractor.base.messages.scores import BaselineError
from abstractor.data.cases.codebook import Codebook, Variable
from abstractor.scoring import baseline
from abstractor.scoring.baseline import BaselineParams
from abstractor.scoring.scores import crossfit

CODEBOOK = Codebook(
    "invented",
    "one case",
    {"first": "a report", "second": "another"},
    (
        Variable("Note", "binary", "d", "q", {0: "no", 1: "yes"}, None),
        Variable("Place", "categorical", "d", "q", {1: "house", 3: "park", 5: "road"}, None),
    ),
)
PARAMS = BaselineParams(c=10.0, min_df=1, max_features=None)


def corpus(cases: int, seed: int = 1) -> tuple[pd.DataFrame, pd.DataFrame, pd.Series]:
    """Cases whose second report tells both variables, their labels, two folds."""
    rng, uids = np.random.default_rng(seed), pd.Index([f"u{number:03d}" for number in range(cases)], name="uid")
    note, place = rng.random(cases) < 0.4, rng.choice([1, 3, 5], cases)
    words = {1: "house", 3: "park", 5: "road"}
    second = [
        f"found at {words[p]}, {'note left' if n else 'nothing written'}" for n, p in zip(note, place, strict=True)
    ]
    frame = pd.DataFrame({"first": "history of low mood", "second": second}, index=uids)
    frame.loc[uids[0], "first"] = ""
    labels = pd.DataFrame({"Note": note, "Place": place}, index=uids).astype(np.int16)
    return frame, labels, pd.Series(np.arange(cases) % 2, index=uids, name="fold")


def test_it_learns_from_the_second_narrative() -> None:
    cases, labels, folds = corpus(80)
    predicted = baseline.predict(CODEBOOK, PARAMS, cases, labels, folds, cases.iloc[:7])
    assert crossfit.report(CODEBOOK, predicted.oof, labels, seed=1, smallest=0)["f1"]["mean"] > 0.95
    assert predicted.new.index.equals(cases.index[:7]) and list(predicted.new.columns) == list(CODEBOOK.columns)


def test_held_out_labels_do_not_reach_their_own_predictions() -> None:
    cases, labels, folds = corpus(40)
    flipped = labels.copy()
    flipped.loc[folds == 0, "Note"] = 1 - flipped.loc[folds == 0, "Note"]
    before, after = (baseline.predict(CODEBOOK, PARAMS, cases, each, folds, cases).oof for each in (labels, flipped))
    pd.testing.assert_frame_equal(before[folds == 0], after[folds == 0])
    assert not before[folds == 1].equals(after[folds == 1])


def test_new_cases_get_the_mean_of_the_folds() -> None:
    cases, labels, folds = corpus(40)
    new = baseline.predict(CODEBOOK, PARAMS, cases, labels, folds, cases.iloc[:4]).new
    # A corpus whose other fold is one more copy of the new cases: they are held out from the same training part.
    singles = []
    for fold in (0, 1):
        rest = cases[folds != fold]
        copies = cases.iloc[:4].set_axis([f"x{number}" for number in range(4)])
        both = pd.concat([rest, copies])
        both_labels = labels.reindex(both.index, fill_value=-1)
        both_folds = pd.Series(np.where(both.index.isin(rest.index), 0, 1), index=both.index)
        singles.append(baseline.predict(CODEBOOK, PARAMS, both, both_labels, both_folds, rest).oof.loc[copies.index])
    np.testing.assert_allclose(new.to_numpy(), (singles[0].to_numpy() + singles[1].to_numpy()) / 2, atol=1e-6)


def test_not_coded_cases_are_not_learnt_from() -> None:
    cases, labels, folds = corpus(40)
    hidden = cases.index[(labels["Place"] == 5)]
    labels.loc[hidden, "Place"] = -1
    oof = baseline.predict(CODEBOOK, PARAMS, cases, labels, folds, cases).oof
    assert (oof["Place=5"] == 0).all() and np.allclose(oof[["Place=1", "Place=3"]].sum(axis=1), 1)


@pytest.mark.parametrize(("code", "expected"), [(0, 0.0), (1, 1.0), (-1, 0.5)])
def test_a_variable_without_variety_gets_its_constant(code: int, expected: float) -> None:
    cases, labels, folds = corpus(20)
    labels["Note"] = np.int16(code)
    predicted = baseline.predict(CODEBOOK, PARAMS, cases, labels, folds, cases)
    assert (predicted.oof["Note"] == expected).all() and (predicted.new["Note"] == expected).all()


def test_rows_may_come_in_any_order() -> None:
    cases, labels, folds = corpus(30)
    straight = baseline.predict(CODEBOOK, PARAMS, cases, labels, folds, cases)
    turned = baseline.predict(CODEBOOK, PARAMS, cases, labels.iloc[::-1], folds.iloc[::-1], cases.iloc[::-1])
    pd.testing.assert_frame_equal(straight.oof, turned.oof)
    pd.testing.assert_frame_equal(straight.new, turned.new)


def test_two_runs_are_equal_to_the_last_bit() -> None:
    cases, labels, folds = corpus(30)
    first, second = (baseline.predict(CODEBOOK, PARAMS, cases, labels, folds, cases) for _ in range(2))
    assert first.oof.to_numpy().tobytes() == second.oof.to_numpy().tobytes()
    assert first.new.to_numpy().tobytes() == second.new.to_numpy().tobytes()


def test_no_common_word_is_refused_without_quoting_any() -> None:
    cases, labels, folds = corpus(20)
    params = BaselineParams(c=1.0, min_df=15, max_features=None)
    with pytest.raises(BaselineError, match="15 of 10 training cases") as caught:
        baseline.predict(CODEBOOK, params, cases, labels, folds, cases)
    assert "mood" not in str(caught.value)
