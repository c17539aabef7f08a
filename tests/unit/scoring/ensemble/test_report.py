"""The honest score of an ensemble, and its plots."""

import re

import numpy as np
import pandas as pd
import pytest

from abstractor.data.cases.codebook import Codebook, Variable
from abstractor.scoring.ensemble import report
from abstractor.scoring.ensemble.blend import EnsembleParams
from abstractor.scoring.scores import crossfit, metrics

CODEBOOK = Codebook(
    "invented",
    "one case",
    {"report": "a report"},
    (
        Variable("Note", "binary", "d", "q", {0: "no", 1: "yes"}, None),
        Variable("Place", "categorical", "d", "q", {1: "a", 2: "b", 5: "c"}, None),
    ),
)


@pytest.fixture
def labels() -> pd.DataFrame:
    rng, uids = np.random.default_rng(1), pd.Index([f"u{number:04d}" for number in range(150)], name="uid")
    codes = {"Note": rng.integers(0, 2, 150), "Place": rng.choice([1, 2, 5], 150)}
    return pd.DataFrame(codes, index=uids).astype(np.int16)


SETTINGS = EnsembleParams(prior=5.0, linear=False, resamples=100)


def guesses(labels: pd.DataFrame, skill: float, seed: int) -> pd.DataFrame:
    rng, cases = np.random.default_rng(seed), len(labels)
    note = (labels["Note"].to_numpy() * skill + rng.random(cases)) / (1 + skill)
    hot = (labels["Place"].to_numpy()[:, None] == np.array([1, 2, 5])) * skill
    place = (hot + rng.dirichlet([1, 1, 1], cases)) / (1 + skill)
    values = np.concatenate([note[:, None], place], axis=1).astype(np.float32)
    return pd.DataFrame(values, index=labels.index, columns=list(CODEBOOK.columns))


def test_every_system_is_decided_on_the_same_parts(labels: pd.DataFrame) -> None:
    tables = {"a": guesses(labels, 0.5, 2), "b": guesses(labels, 0.5, 3)}
    baseline = guesses(labels, 0.2, 4)
    scored = report.crossfitted(CODEBOOK, tables, baseline, labels, SETTINGS, seed=7)
    assert list(scored.decisions) == ["baseline", "a", "b", "ensemble"]
    for name, table in ({"baseline": baseline} | tables).items():
        alone = crossfit.report(CODEBOOK, table, labels, seed=7, smallest=0)["f1"]
        assert metrics.rounded(metrics.scores(CODEBOOK, labels, scored.decisions[name])) == alone
    assert list(scored.blended.columns) == list(CODEBOOK.columns)
    means = {name: metrics.scores(CODEBOOK, labels, table)["mean"] for name, table in scored.decisions.items()}
    assert means["ensemble"] > means["baseline"]


def test_an_ensemble_of_one_model_is_that_model(labels: pd.DataFrame) -> None:
    only, baseline = guesses(labels, 0.5, 2), guesses(labels, 0.2, 4)
    scored = report.crossfitted(CODEBOOK, {"a": only}, baseline, labels, SETTINGS, seed=7)
    # Calibrated, it ranks the cases of a part as before; the likeliest code may be another.
    same = scored.decisions["a"] == scored.decisions["ensemble"]
    assert same["Note"].mean() > 0.97 and same["Place"].mean() > 0.9
    assert metrics.log_loss(CODEBOOK, labels, scored.blended) < metrics.log_loss(CODEBOOK, labels, only)


def test_the_baseline_is_a_member_where_that_is_asked_for(labels: pd.DataFrame) -> None:
    tables, baseline = {"a": guesses(labels, 0.3, 2)}, guesses(labels, 0.6, 4)
    without = report.crossfitted(CODEBOOK, tables, baseline, labels, SETTINGS, seed=7)
    settings = SETTINGS.model_copy(update={"linear": True})
    scored = report.crossfitted(CODEBOOK, tables, baseline, labels, settings, seed=7)
    assert list(scored.decisions) == ["baseline", "a", "ensemble", "models"]
    for alike in ("baseline", "a"):
        pd.testing.assert_frame_equal(scored.decisions[alike], without.decisions[alike])
    pd.testing.assert_frame_equal(scored.decisions["models"], without.decisions["ensemble"])
    losses = [metrics.log_loss(CODEBOOK, labels, table) for table in (scored.blended, without.blended)]
    assert losses[0] < losses[1] - 0.02


def test_score_table_compares_every_system_with_the_baseline(labels: pd.DataFrame) -> None:
    wrong = labels.assign(Note=1 - labels["Note"])
    decisions = {"baseline": wrong, "a": wrong, "ensemble": labels}
    table = report.score_table(CODEBOOK, labels, decisions, resamples=200, seed=7, smallest=0)
    assert table["cases"] == 150 and table["f1"] == {"mean": 1, "Note": 1, "Place": 1}
    assert table["systems"] == {"baseline": {"f1": 0.5}, "a": {"f1": 0.5}, "ensemble": {"f1": 1}}
    assert table["difference"]["a"] == {"difference": 0, "low": 0, "high": 0}
    assert table["difference"]["ensemble"] == {"difference": 0.5, "low": 0.5, "high": 0.5}
    lines = report.lines(table).splitlines()
    assert lines[1].split() == ["ensemble", "1.0", "+0.5", "+0.5", "to", "+0.5"]
    assert lines[4:] == [
        "mean F1 of the ensemble: 1.0 to 1.0 (95 %)",
        "no_gain: 1 of 2 variables are not surely above the baseline",
    ]
    assert table["no_gain"] == ["Place"]


def test_no_gain_is_told_where_both_f1s_are(labels: pd.DataFrame) -> None:
    rng = np.random.default_rng(2)
    ours, theirs = labels.copy(), labels.copy()
    for decisions, wrong in ((ours, 20), (theirs, 40)):
        decisions.loc[rng.permutation(labels.index)[:wrong], "Note"] ^= 1
        decisions.loc[rng.permutation(labels.index)[:30], "Place"] = 5
    found = []
    for table in (theirs, labels):
        # Against itself there is nothing to gain; a baseline that is right throughout has too few wrong to be told.
        decided = {"baseline": table, "ensemble": ours}
        found.append(report.score_table(CODEBOOK, labels, decided, 200, seed=7, smallest=10)["no_gain"])
    assert found == [["Place"], []]


def test_without_enough_true_labels_there_is_no_interval(labels: pd.DataFrame) -> None:
    for few in (4, 5):
        labels["Note"] = (np.arange(150) < few).astype(np.int16)
        table = report.score_table(CODEBOOK, labels, {"baseline": labels, "ensemble": labels}, 20, 7, smallest=0)
        assert (table["interval"] == {"low": None, "high": None}) == (few == 4)
        assert ("no interval" in report.lines(table)) == (few == 4)


def test_the_terminal_says_no_more_than_the_file(labels: pd.DataFrame) -> None:
    decisions = {"baseline": labels.assign(Note=1), "ensemble": labels}
    few = report.score_table(
        CODEBOOK, labels[:9], {name: table[:9] for name, table in decisions.items()}, 20, seed=7, smallest=10
    )
    assert few["cases"] is None and report.lines(few) == "scores withheld: they rest on counts below 10"
    table = report.score_table(CODEBOOK, labels, decisions, 20, seed=7, smallest=10)
    told = {str(abs(number)) for number in numbers(table)}
    assert set(re.findall(r"\d\.\d+", report.lines(table))) <= told


def numbers(content: object) -> list[float]:
    """Every number in nested metrics."""
    if isinstance(content, dict):
        return [number for value in content.values() for number in numbers(value)]
    return [content] if isinstance(content, float) else []


def test_f1_plot_holds_what_the_score_tables_tell() -> None:
    tables = {
        "baseline": {"f1": {"mean": 0.5, "Note": None, "Place": 0.6}},
        "ensemble": {"f1": {"mean": 0.6, "Note": 0.7, "Place": 0.5}},
    }
    assert report.f1_plot(CODEBOOK, tables).to_numpy().tolist() == [
        ["Note", "ensemble", 0.7],
        ["Place", "baseline", 0.6],
        ["Place", "ensemble", 0.5],
    ]
    assert report.f1_plot(CODEBOOK, {"baseline": {"cases": None}}).empty


def test_reliability_counts_every_coded_column_once(labels: pd.DataFrame) -> None:
    labels.loc[labels.index[:50], "Place"] = -1
    given = pd.DataFrame(0.0, index=labels.index, columns=list(CODEBOOK.columns), dtype=np.float32)
    given["Note"], given["Place=1"] = np.where(labels["Note"] == 1, 0.85, 0.25), 1.0
    rows = report.reliability_plot(CODEBOOK, labels, {"ensemble": given}, smallest=0)
    assert rows["count"].sum() == 150 + 3 * 100
    by_mean = rows.set_index("predicted")
    assert by_mean.loc[0.85, "observed"] == 1 and by_mean.loc[0.25, "observed"] == 0
    assert by_mean.loc[1.0, "observed"] == pytest.approx((labels["Place"] == 1).sum() / 100, abs=1e-5)


def test_bins_with_few_hits_or_misses_are_joined(labels: pd.DataFrame) -> None:
    labels["Note"] = (np.arange(150) < 5).astype(np.int16)
    given = pd.DataFrame(0.05, index=labels.index, columns=list(CODEBOOK.columns), dtype=np.float32)
    given.iloc[:30] = 0.95
    whole = report.reliability_plot(CODEBOOK, labels, {"ensemble": given}, smallest=0)
    hits = ((labels[:30]["Note"] == 1).sum() + 30, (labels[30:]["Note"] == 1).sum() + 120)
    assert whole["count"].tolist() == [480, 120] and hits == (35, 120)
    few = 1 + int(min(hits))
    joined = report.reliability_plot(CODEBOOK, labels, {"ensemble": given}, smallest=few)
    assert joined["count"].tolist() == [600]
    assert joined["observed"].tolist() == [0.26]
    assert report.reliability_plot(CODEBOOK, labels, {"ensemble": given}, smallest=156).empty
