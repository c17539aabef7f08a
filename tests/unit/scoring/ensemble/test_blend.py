"""Blending on invented predictions."""

import json
from pathlib import Path

import harm
import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, logit, softmax

from abstractor.base.messages.scores import BlendError
from abstractor.data.cases.codebook import Codebook, Variable
from abstractor.scoring.ensemble import blend
from abstractor.scoring.scores import metrics, thresholds

CODEBOOK = Codebook(
    "invented",
    "one case",
    {"report": "a report"},
    (
        Variable("Note", "binary", "d", "q", {0: "no", 1: "yes"}, None),
        Variable("Place", "categorical", "d", "q", {1: "a", 2: "b", 5: "c"}, None),
    ),
)


def labelled(cases: int, skill: dict[str, tuple[float, float]]) -> tuple[pd.DataFrame, dict[str, pd.DataFrame]]:
    """Labels, and models that know each variable as well as `skill` (0 to 1) says."""
    rng, uids = np.random.default_rng(1), pd.Index([f"u{number:04d}" for number in range(cases)], name="uid")
    note, place = rng.integers(0, 2, cases), rng.choice([1, 2, 5], cases)
    tables = {}
    for name, (of_note, of_place) in skill.items():
        sure = np.where(rng.random(cases) < of_note, note, rng.random(cases)) * 0.9 + 0.05
        hot = (place[:, None] == np.array([1, 2, 5])) * of_place
        shares = (hot + rng.dirichlet([1, 1, 1], cases)) / (1 + of_place)
        values = np.concatenate([sure[:, None], shares], axis=1).astype(np.float32)
        tables[name] = pd.DataFrame(values, index=uids, columns=list(CODEBOOK.columns))
    return pd.DataFrame({"Note": note, "Place": place}, index=uids).astype(np.int16), tables


def test_each_variable_leans_on_the_model_that_knows_it() -> None:
    labels, tables = labelled(400, {"reads_notes": (0.9, 0.0), "reads_places": (0.0, 2.0)})
    fitted = blend.fit(CODEBOOK, tables, labels, prior=1.0)
    assert fitted.weights["Note"]["reads_notes"] > 5 * fitted.weights["Note"]["reads_places"]
    assert fitted.weights["Place"]["reads_places"] > 5 * fitted.weights["Place"]["reads_notes"]
    assert set(fitted.thresholds) == {"Note"}


FITTED = blend.Blend(
    {"Note": {"a": 0.4, "b": 0.9}, "Place": {"a": 1 / 3, "b": 2 / 3}},
    {"Note": [0.1, -0.1], "Place": [0.0, 0.2, 0.3]},
    {"Note": 0.1 + 0.2},
)


def test_pool_weighs_log_probabilities_by_uid() -> None:
    _, tables = labelled(10, {"a": (0.5, 0.5), "b": (0.5, 0.5)})
    pooled = blend.pool(CODEBOOK, tables, FITTED)
    odds = 0.4 * logit(tables["a"]["Note"]) + 0.9 * logit(tables["b"]["Note"]) - 0.2
    np.testing.assert_allclose(pooled["Note"], expit(odds), rtol=1e-5)
    places = ["Place=1", "Place=2", "Place=5"]
    logs = np.log(tables["a"][places]) / 3 + np.log(tables["b"][places]) * 2 / 3 + np.array([0.0, 0.2, 0.3])
    np.testing.assert_allclose(pooled[places], softmax(logs, axis=1), rtol=1e-5)
    turned = blend.pool(CODEBOOK, {"a": tables["a"], "b": tables["b"].iloc[::-1]}, FITTED)
    pd.testing.assert_frame_equal(pooled, turned)


def test_thresholds_are_those_of_the_blend() -> None:
    labels, tables = labelled(100, {"a": (0.5, 0.5), "b": (0.7, 0.2)})
    fitted = blend.fit(CODEBOOK, tables, labels, prior=1.0)
    assert fitted.thresholds == thresholds.fit(CODEBOOK, blend.pool(CODEBOOK, tables, fitted), labels)


def test_a_blend_beats_its_members_and_their_mean_where_they_are_too_sure() -> None:
    labels, tables = labelled(600, {"a": (0.4, 0.8), "b": (0.4, 0.8)})
    tables = {name: sharpened(table) for name, table in tables.items()}
    half = labels.index[:300]
    fitted = blend.fit(CODEBOOK, {name: table.loc[half] for name, table in tables.items()}, labels, prior=10.0)
    held = {name: table.drop(half) for name, table in tables.items()}
    mean = sum(held.values()) / 2
    losses = [metrics.log_loss(CODEBOOK, labels, table) for table in (*held.values(), mean)]
    assert metrics.log_loss(CODEBOOK, labels, blend.pool(CODEBOOK, held, fitted)) < min(losses) - 0.02


def sharpened(table: pd.DataFrame) -> pd.DataFrame:
    """The probabilities of a model that is three times too sure."""
    places = table.columns[1:]
    shares = softmax(3 * np.log(table[places].to_numpy()), axis=1)
    return table.assign(Note=expit(3 * logit(table["Note"])), **dict(zip(places, shares.T, strict=True)))


def test_what_is_not_coded_moves_nothing() -> None:
    labels, tables = labelled(200, {"a": (0.8, 0.5), "b": (0.3, 0.5)})
    labels.loc[labels.index[100:], "Note"] = -1
    labels.loc[labels.index[100:], "Place"] = -1
    half = {name: table.iloc[:100] for name, table in tables.items()}
    masked = blend.fit(CODEBOOK, tables, labels, prior=1.0)
    assert masked.weights["Note"] == pytest.approx(blend.fit(CODEBOOK, half, labels, prior=1.0).weights["Note"])
    labels["Note"] = np.int16(-1)
    # Without a coded case the weights are those that serve the other variables.
    alone = blend.fit(CODEBOOK, tables, labels, prior=1.0).weights
    assert alone["Note"] == pytest.approx(alone["Place"], rel=0.15)
    labels["Place"] = np.int16(-1)
    assert blend.fit(CODEBOOK, tables, labels, prior=1.0).weights["Note"] == {"a": 0.5, "b": 0.5}


def test_an_ensemble_is_read_back_to_the_last_bit(tmp_path: Path) -> None:
    alone = blend.Blend({"Note": {"a": 0.7}, "Place": {"a": 1.1}}, FITTED.bias, {"Note": 0.6})
    cuts = {"a": {"Note": 0.5}, blend.ENSEMBLE: FITTED.thresholds, blend.MODELS: alone.thresholds}
    blend.write(tmp_path / "blend.json", {blend.ENSEMBLE: FITTED, blend.MODELS: alone}, cuts)
    assert blend.read(tmp_path / "blend.json", CODEBOOK, ["a", "b"]) == FITTED
    assert blend.read(tmp_path / "blend.json", CODEBOOK, ["a"]) == alone


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"weights": {"Note": {"a": 1.0}, "Place": {"a": 1.0}}}, "other models"),
        ({"weights": {"Note": FITTED.weights["Note"]}}, "other variables"),
        ({"bias": FITTED.bias | {"Place": [0.0, 0.0]}}, "other variables"),
        ({"thresholds": {"a": {"Note": 0.5}}}, "other variables"),
        ({"thresholds": {blend.ENSEMBLE: {"Note": float("nan")}}}, "holds no fitted ensemble"),
        ({"extra": 1}, "holds no fitted ensemble"),
    ],
)
def test_an_ensemble_of_something_else_is_refused(tmp_path: Path, change: dict[str, object], message: str) -> None:
    fitted: dict[str, object] = {"weights": FITTED.weights, "bias": FITTED.bias}
    fitted |= {key: value for key, value in change.items() if key in fitted}
    content: dict[str, object] = {"thresholds": {blend.ENSEMBLE: FITTED.thresholds}} | change
    content = {key: value for key, value in content.items() if key not in fitted} | {"blends": {blend.ENSEMBLE: fitted}}
    (tmp_path / "blend.json").write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(BlendError, match=message):
        blend.read(tmp_path / "blend.json", CODEBOOK, ["a", "b"])


def test_a_missing_ensemble_says_what_makes_it(tmp_path: Path) -> None:
    with pytest.raises(BlendError, match=r"blend.json is missing; run `dvc repro ensemble`"):
        blend.read(tmp_path / "blend.json", CODEBOOK, ["a", "b"])


@pytest.mark.parametrize(("kind", "seeds"), [("noise", 2), ("sure and wrong", 4), ("collapsed", 4)])
def test_members_of_no_use_do_not_pull_the_blend_below_a_good_one(kind: str, seeds: int) -> None:
    # A pull to equal weights loses .02 and more with the first two.
    assert harm.gains([kind] * 3, 240, seeds).mean() > -0.012


def test_other_good_members_are_worth_what_they_know() -> None:
    assert harm.gains(["good"] * 3, 240, 2).mean() > 0.1
