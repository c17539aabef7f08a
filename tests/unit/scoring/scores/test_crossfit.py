"""What is scored was never fitted on."""

import numpy as np
import pandas as pd
import pytest
from support.exact_cut import exact_cut

from abstractor.base.messages.scores import TooFewCasesError
from abstractor.data.cases.codebook import Codebook, Variable
from abstractor.scoring.scores import crossfit, metrics, thresholds

CODEBOOK = Codebook(
    "invented",
    "one case",
    {"report": "a report"},
    (
        Variable("Note", "binary", "d", "q", {0: "no", 1: "yes"}, None),
        Variable("Place", "categorical", "d", "q", {1: "a", 2: "b"}, None),
    ),
)


def noise(cases: int, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Labels, and predictions that know nothing of them."""
    rng, uids = np.random.default_rng(seed), pd.Index([f"u{number:04d}" for number in range(cases)], name="uid")
    labels = pd.DataFrame({"Note": rng.random(cases) < 0.2, "Place": rng.integers(1, 3, cases)}, index=uids)
    place = rng.random(cases)
    columns = {"Note": rng.random(cases), "Place=1": place, "Place=2": 1 - place}
    return labels.astype(np.int16), pd.DataFrame(columns, index=uids).astype(np.float32)


def test_parts_are_five_alike_and_repeatable() -> None:
    labels, _ = noise(100, 1)
    part = crossfit.parts(CODEBOOK, labels, seed=7)
    assert part.value_counts().between(18, 22).all() and sorted(part.unique()) == [0, 1, 2, 3, 4]
    assert labels["Note"].groupby(part).sum().max() - labels["Note"].groupby(part).sum().min() <= 2
    pd.testing.assert_series_equal(part, crossfit.parts(CODEBOOK, labels, seed=7))


def test_no_case_is_decided_by_what_was_fitted_on_it() -> None:
    labels, _ = noise(30, 1)
    part = crossfit.parts(CODEBOOK, labels, seed=7)
    seen: list[str] = []

    def apply(fitted: pd.Index, held: pd.Index) -> pd.DataFrame:
        assert not set(fitted) & set(held) and len(fitted) + len(held) == 30
        seen.extend(held)
        return pd.DataFrame({"Note": 1}, index=held)

    assert crossfit.crossfit(part, lambda others: others, apply).index.equals(labels.index)
    assert sorted(seen) == list(labels.index)


def test_a_case_changes_only_the_decisions_of_other_parts() -> None:
    labels, predictions = noise(60, 1)
    part = crossfit.parts(CODEBOOK, labels, seed=7)
    before = crossfit.decide(CODEBOOK, predictions, labels, part)
    flipped = labels.copy()
    flipped.loc[part == 2, "Note"] = 1 - flipped.loc[part == 2, "Note"]
    after = crossfit.decide(CODEBOOK, predictions, flipped, part)
    pd.testing.assert_frame_equal(before[part == 2], after[part == 2])
    assert not before[part != 2].equals(after[part != 2])


def test_cross_fitting_takes_the_optimism_out(monkeypatch: pytest.MonkeyPatch) -> None:
    # Of a rule that fits the noise of its sample.
    monkeypatch.setattr(thresholds, "best", exact_cut)
    tuned, honest = [], []
    for seed in range(20):
        labels, predictions = noise(50, seed)
        fitted = thresholds.fit(CODEBOOK, predictions, labels)
        tuned.append(metrics.scores(CODEBOOK, labels, thresholds.decide(CODEBOOK, predictions, fitted))["Note"])
        honest.append(crossfit.report(CODEBOOK, predictions, labels, seed, smallest=0)["f1"]["Note"])
    assert np.mean(tuned) > np.mean(honest) + 0.05


def test_report_is_rounded_and_covers_the_predicted_cases_only() -> None:
    labels, predictions = noise(40, 1)
    report = crossfit.report(CODEBOOK, predictions.iloc[:30], labels, seed=7, smallest=0)
    assert report["cases"] == 30 and set(report) == {"f1", "log_loss", "cases", "suppressed"}
    assert list(report["f1"]) == ["mean", "Note", "Place"]
    assert all(round(value, 5) == value for value in [*report["f1"].values(), report["log_loss"]])


def test_too_few_cases_are_refused() -> None:
    labels, predictions = noise(9, 1)
    with pytest.raises(TooFewCasesError, match="10 coded cases, found 9"):
        crossfit.report(CODEBOOK, predictions, labels, seed=7, smallest=0)
    labels, predictions = noise(10, 1)
    assert crossfit.report(CODEBOOK, predictions, labels, seed=7, smallest=0)["cases"] == 10
