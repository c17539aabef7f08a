"""The score against scikit-learn, intervals against their definition."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import f1_score
from sklearn.metrics import log_loss as reference_log_loss

from abstractor.data.cases.codebook import Codebook, Variable
from abstractor.scoring.scores import metrics

CODEBOOK = Codebook(
    "invented",
    "one case",
    {"report": "a report"},
    (
        Variable("Note", "binary", "d", "q", {0: "no", 1: "yes"}, None),
        Variable("Rare", "binary", "d", "q", {0: "no", 1: "yes"}, None),
        Variable("Place", "categorical", "d", "q", {1: "a", 2: "b", 6: "c"}, None),
    ),
)


def random_codes(cases: int, seed: int, *, gaps: bool = False) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    codes = np.stack([rng.random(cases) < 0.4, rng.random(cases) < 0.1, rng.choice([1, 2, 6], cases)], axis=1)
    codes = codes.astype(np.int16)
    if gaps:
        codes[rng.random(codes.shape) < 0.3] = -1
    uids = pd.Index([f"u{number:05d}" for number in range(cases)], name="uid")
    return pd.DataFrame(codes, index=uids, columns=list(CODEBOOK.names))


def reference_f1(labels: pd.DataFrame, decisions: pd.DataFrame) -> dict[str, float]:
    found = {}
    for variable in CODEBOOK.variables:
        coded = labels[variable.name] != -1
        true, said = labels.loc[coded, variable.name], decisions.loc[coded, variable.name]
        average = "binary" if variable.kind == "binary" else "micro"
        found[variable.name] = f1_score(true, said, average=average, zero_division=0)
    return {"mean": float(np.mean(list(found.values())))} | found


@pytest.mark.parametrize("gaps", [False, True])
def test_scores_are_those_of_scikit_learn(gaps: bool) -> None:
    labels, decisions = random_codes(500, 1, gaps=gaps), random_codes(500, 2)
    assert metrics.scores(CODEBOOK, labels, decisions) == pytest.approx(reference_f1(labels, decisions), abs=1e-12)


def test_cases_are_matched_by_uid() -> None:
    labels, decisions = random_codes(50, 1, gaps=True), random_codes(50, 2)
    turned = metrics.scores(CODEBOOK, labels.iloc[::-1], decisions)
    assert turned == metrics.scores(CODEBOOK, labels, decisions)


def test_nothing_true_or_said_scores_zero() -> None:
    labels = random_codes(20, 1)
    labels["Note"], labels["Rare"] = 0, -1
    assert metrics.scores(CODEBOOK, labels, labels) == {"mean": pytest.approx(1 / 3), "Note": 0, "Rare": 0, "Place": 1}


def test_f1_under_weights_is_f1_of_repeated_cases() -> None:
    labels, decisions = random_codes(40, 1, gaps=True), random_codes(40, 2)
    weights = np.random.default_rng(3).integers(0, 4, size=(1, 40))
    repeated = np.repeat(np.arange(40), weights[0])
    expected = reference_f1(labels.iloc[repeated].reset_index(), decisions.iloc[repeated].reset_index())
    found = metrics.f1(metrics.counts(CODEBOOK, labels, decisions), weights)[0]
    assert found == pytest.approx([expected[name] for name in CODEBOOK.names])


def test_bootstrap_does_not_depend_on_its_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    labels, systems = random_codes(60, 1), {"a": random_codes(60, 2), "b": random_codes(60, 3).iloc[::-1]}
    whole = metrics.bootstrap(CODEBOOK, labels, systems, 50, seed=4)
    monkeypatch.setattr(metrics, "_BLOCK", 7 * 60)
    pd.testing.assert_frame_equal(whole, metrics.bootstrap(CODEBOOK, labels, systems, 50, seed=4))


def test_a_case_that_stands_twice_tells_no_more_than_once() -> None:
    once = random_codes(60, 1), random_codes(60, 2)
    labels, decisions = (pd.concat([table, table.rename(index=lambda uid: f"{uid}-copy")]) for table in once)
    groups = labels.index.to_series().str.removesuffix("-copy")
    expected = metrics.bootstrap(CODEBOOK, once[0], {"a": once[1]}, 50, seed=4)
    found = metrics.bootstrap(CODEBOOK, labels, {"a": decisions}, 50, seed=4, groups=groups.sort_values())
    pd.testing.assert_frame_equal(found, expected)


def test_interval_holds_the_score_and_narrows_with_cases() -> None:
    widths = []
    for cases in (100, 1600):
        labels, decisions = random_codes(cases, 1), random_codes(cases, 2)
        low, high = metrics.interval(metrics.bootstrap(CODEBOOK, labels, {"a": decisions}, 400, seed=5)["a"]).values()
        assert low < metrics.scores(CODEBOOK, labels, decisions)["mean"] < high
        widths.append(high - low)
    assert widths[1] == pytest.approx(widths[0] / 4, rel=0.3)


def test_paired_differences_know_better_and_equal() -> None:
    labels, guess = random_codes(200, 1), random_codes(200, 2)
    better = guess.copy()
    better.iloc[:100] = labels.iloc[:100]
    systems = {"guess": guess, "same": guess, "better": better}
    means = metrics.bootstrap(CODEBOOK, labels, systems, 300, seed=6)
    points = {name: metrics.scores(CODEBOOK, labels, decided)["mean"] for name, decided in systems.items()}
    gain = metrics.interval(means["better"] - means["guess"])
    assert 0 < gain["low"] < points["better"] - points["guess"] < gain["high"]
    assert metrics.interval(means["same"] - means["guess"]) == {"low": 0, "high": 0}


def test_log_loss_is_that_of_scikit_learn() -> None:
    labels, rng = random_codes(300, 1, gaps=True), np.random.default_rng(7)
    given = np.concatenate([rng.random((300, 2)), rng.dirichlet([1, 1, 1], 300)], axis=1)
    predictions = pd.DataFrame(given, index=labels.index, columns=list(CODEBOOK.columns))
    expected = []
    for variable in CODEBOOK.variables:
        coded = labels[variable.name] != -1
        true, columns = labels.loc[coded, variable.name], predictions.loc[coded, list(variable.columns)]
        expected.append(reference_log_loss(true, columns.to_numpy().squeeze(), labels=list(variable.codes)))
    assert metrics.log_loss(CODEBOOK, labels, predictions) == pytest.approx(np.mean(expected))


def test_rounded_reaches_every_float() -> None:
    assert metrics.rounded({"f1": {"mean": 1 / 3}, "cases": 7}) == {"f1": {"mean": 0.33333}, "cases": 7}
