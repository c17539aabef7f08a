"""Thresholds against the exact cut of a sample, on populations whose truth is known."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit
from support.exact_cut import exact_cut, f1_at

from abstractor.data.cases.codebook import Codebook, Variable
from abstractor.scoring.scores import thresholds
from abstractor.scoring.scores.thresholds import NEVER, best

CODEBOOK = Codebook(
    "invented",
    "one case",
    {"report": "a report"},
    (
        Variable("Note", "binary", "d", "q", {0: "no", 1: "yes"}, None),
        Variable("Place", "categorical", "d", "q", {4: "a", 2: "b", 6: "c"}, None),
    ),
)


def drawn(cases: int, seed: int, sure: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities that are right where `sure` is 1, over-confident above it; and what is true."""
    rng = np.random.default_rng(seed)
    odds = 1.6 * rng.normal(size=cases) - 2.5
    return expit(sure * odds), (rng.random(cases) < expit(odds)).astype(np.int16)


@pytest.mark.parametrize("sure", [1.0, 2.5])
def test_with_many_cases_it_is_the_best_of_all_cuts(sure: float) -> None:
    scores, true = drawn(50_000, 1, sure)
    highest = f1_at(scores, true, exact_cut(scores, true))
    assert f1_at(scores, true, best(scores, true)) == pytest.approx(highest, abs=0.003)


def test_with_few_cases_it_serves_new_ones_better_than_the_best_cut_of_the_sample() -> None:
    new_scores, new_true = drawn(50_000, 0, sure=1.5)
    gains = []
    for seed in range(1, 61):
        sample = drawn(240, seed, sure=1.5)
        gains.append(
            f1_at(new_scores, new_true, best(*sample)) - f1_at(new_scores, new_true, exact_cut(*sample)),
        )
    # .016 here; three standard errors above 0 at least.
    assert np.mean(gains) > 3 * np.std(gains) / np.sqrt(len(gains)) and np.mean(gains) > 0.01


def test_where_all_scores_are_equal_all_or_none_are_present() -> None:
    cut = best(np.full(50, 0.3), (np.arange(50) < 20).astype(int))
    assert cut < 0.3
    assert best(np.zeros(3), np.array([1, 0, 0])) == 0


@pytest.mark.parametrize("cases", [0, 4])
def test_without_positives_nothing_is_decided_present(cases: int) -> None:
    assert best(np.linspace(0, 1, cases), np.zeros(cases)) == NEVER


def test_certain_scores_are_parted_between_them() -> None:
    scores = np.array([1.0] * 10 + [0.0] * 30, dtype=np.float32)
    assert 0.001 < best(scores, (scores == 1).astype(int)) < 0.999


def test_fit_leaves_out_what_is_not_coded() -> None:
    scores, true = drawn(100, 2)
    predictions = pd.DataFrame({"Note": scores, "Place=4": 1.0, "Place=2": 0.0, "Place=6": 0.0})
    labels = pd.DataFrame({"Note": np.where(np.arange(100) % 2, true, -1), "Place": -1}, dtype=np.int16)
    assert thresholds.fit(CODEBOOK, predictions, labels) == {"Note": best(scores[1::2], true[1::2])}


def test_decide_takes_the_likeliest_code_and_the_first_of_equals() -> None:
    predictions = pd.DataFrame(
        [[0.5, 0.2, 0.3, 0.5], [0.4, 0.4, 0.2, 0.4]],
        index=pd.Index(["a", "b"], name="uid"),
        columns=list(CODEBOOK.columns),
    )
    decisions = thresholds.decide(CODEBOOK, predictions, {"Note": 0.5})
    expected = pd.DataFrame({"Note": [1, 0], "Place": [6, 4]}, index=predictions.index, dtype=np.int16)
    pd.testing.assert_frame_equal(decisions, expected)
