"""Exact thresholds against brute force."""

import numpy as np
import pandas as pd
import pytest

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


def f1(scores: np.ndarray, true: np.ndarray, threshold: float) -> float:
    said = scores.astype(np.float64) >= threshold
    return float(2 * (said & (true == 1)).sum() / max(said.sum() + true.sum(), 1))


@pytest.mark.parametrize("seed", range(30))
@pytest.mark.parametrize("levels", [3, 1000])
def test_best_is_the_best_of_all_cuts(seed: int, levels: int) -> None:
    rng = np.random.default_rng(seed)
    scores = (rng.integers(0, levels + 1, 40) / levels).astype(np.float32)
    true = (rng.random(40) < 0.3).astype(np.int16)
    highest = max(f1(scores, true, cut) for cut in np.append(np.unique(scores), NEVER))
    assert f1(scores, true, best(scores, true)) == pytest.approx(highest)


def test_best_stands_midway_between_neighbours() -> None:
    assert best(np.array([0.9, 0.7, 0.2, 0.1]), np.array([1, 1, 0, 0])) == pytest.approx(0.45)
    assert best(np.array([0.9, 0.4]), np.array([1, 1])) == pytest.approx(0.2)


def test_of_equal_cuts_the_widest_gap_wins() -> None:
    # F1 is 2/3 after the first case and after the fourth.
    true = np.array([1, 0, 0, 1, 0])
    assert best(np.array([0.95, 0.7, 0.3, 0.25, 0.2]), true) == pytest.approx(0.825)
    assert best(np.array([0.95, 0.9, 0.3, 0.25, 0.02]), true) == pytest.approx(0.135)


def test_neighbouring_floats_are_separated() -> None:
    low = np.float32(0.3)
    high = np.nextafter(low, np.float32(1))
    predictions = pd.DataFrame({"Note": [high, low], "Place=4": 1.0, "Place=2": 0.0, "Place=6": 0.0}, dtype=np.float32)
    labels = pd.DataFrame({"Note": [1, 0], "Place": 4}, dtype=np.int16)
    fitted = thresholds.fit(CODEBOOK, predictions, labels)
    assert thresholds.decide(CODEBOOK, predictions, fitted)["Note"].tolist() == [1, 0]


def test_equal_scores_are_never_separated() -> None:
    assert best(np.full(5, 0.3), np.array([1, 0, 1, 0, 0])) == pytest.approx(0.15)
    assert best(np.zeros(3), np.array([1, 0, 0])) == 0


@pytest.mark.parametrize("cases", [0, 4])
def test_without_positives_nothing_is_decided_present(cases: int) -> None:
    assert best(np.linspace(0, 1, cases), np.zeros(cases)) == NEVER


def test_fit_leaves_out_what_is_not_coded() -> None:
    predictions = pd.DataFrame({"Note": [0.9, 0.8, 0.6, 0.1], "Place=4": 1.0, "Place=2": 0.0, "Place=6": 0.0})
    labels = pd.DataFrame({"Note": [-1, 1, -1, 0], "Place": -1}, dtype=np.int16)
    assert thresholds.fit(CODEBOOK, predictions, labels) == {"Note": pytest.approx(0.45)}


def test_decide_takes_the_likeliest_code_and_the_first_of_equals() -> None:
    predictions = pd.DataFrame(
        [[0.5, 0.2, 0.3, 0.5], [0.4, 0.4, 0.2, 0.4]],
        index=pd.Index(["a", "b"], name="uid"),
        columns=list(CODEBOOK.columns),
    )
    decisions = thresholds.decide(CODEBOOK, predictions, {"Note": 0.5})
    expected = pd.DataFrame({"Note": [1, 0], "Place": [6, 4]}, index=predictions.index, dtype=np.int16)
    pd.testing.assert_frame_equal(decisions, expected)
