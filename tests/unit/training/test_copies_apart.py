"""No copy of a case stands on the other side of a division, and coin-flip labels stay coin flips."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from support.settings import training

from abstractor.data import copies, folds
from abstractor.data.cases.codebook import Codebook, Variable
from abstractor.scoring.baseline import BaselineParams, predict
from abstractor.scoring.scores import crossfit
from abstractor.training.lessons import examples, targets
from abstractor.training.loop.split import split
from abstractor.training.rounds import label_errors

BOOK = Codebook(
    "invented",
    "one case",
    {"first": "a report", "second": "another"},
    (
        Variable("Note", "binary", "d", "q", {0: "no", 1: "yes"}, None),
        Variable("Seen", "binary", "d", "q", {0: "no", 1: "yes"}, None),
        Variable("Place", "categorical", "d", "q", {1: "a", 2: "b", 3: "c"}, None),
    ),
)
WORDS = [f"{one}{other}" for one in ("ba", "de", "ko", "li") for other in "dgklmnrst"]
OFF = {"warmup": 0.0, "clip": 1.0, "ema": 0.0, "dropout_from": 0.0, "optimizer": "adamw", "restarts": 0}
BASELINE = BaselineParams(c=30.0, min_df=1, max_features=None)


def coin_flips(cases: int, again: str | None, seed: int = 5) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Cases with labels that nothing tells, each a second time with the words `again` behind it; None: once."""
    rng, uids = np.random.default_rng(seed), pd.Index([f"a{number:03}" for number in range(cases)], name="uid")
    texts = {name: [" ".join(rng.choice(WORDS, words)) for _ in uids] for name, words in (("first", 20), ("second", 9))}
    codes = {"Note": rng.integers(0, 2, cases), "Seen": rng.integers(0, 2, cases), "Place": rng.integers(1, 4, cases)}
    found = pd.DataFrame(texts, index=uids), pd.DataFrame(codes, index=uids).astype(np.int16)
    if again is None:
        return found
    texts, labels = (pd.concat([table, table.rename(lambda uid: f"b{uid}")]) for table in found)
    texts.iloc[cases:, 1] += again
    return texts, labels


def out_of_fold(cases: pd.DataFrame, labels: pd.DataFrame, groups: pd.Series) -> float:
    fold = folds.assign(BOOK, labels, 2, seed=7, groups=groups)
    predicted = predict(BOOK, BASELINE, cases, labels, fold, cases.iloc[:1])
    mean: float = crossfit.report(BOOK, predicted.oof, labels, 7, 0, groups)["f1"]["mean"]
    return mean


@pytest.mark.parametrize("again", ["", " (amended)", " read once more by the office in charge"])
def test_coin_flips_score_no_better_where_every_case_stands_twice(again: str) -> None:
    cases, labels = coin_flips(120, None)
    once = out_of_fold(cases, labels, copies.groups(cases, 0.75))
    cases, labels = coin_flips(120, again)
    assert out_of_fold(cases, labels, copies.groups(cases, 0.75)) < once + 0.03
    assert out_of_fold(cases, labels, pd.Series(cases.index, cases.index)) > once + 0.15, "what copies would give away"


@pytest.fixture(scope="module")
def groups() -> pd.Series:
    """Cases in groups of one to seven."""
    uids = pd.Index([f"u{number:03}" for number in range(300)], name="uid")
    numbers = np.random.default_rng(2).integers(0, 90, 300)
    return uids.to_series().groupby(numbers).transform("first").rename("group")


@pytest.fixture(scope="module")
def labels(groups: pd.Series) -> pd.DataFrame:
    rng = np.random.default_rng(3)
    codes = {"Note": rng.random(300) < 0.2, "Seen": rng.random(300) < 0.5, "Place": rng.integers(1, 4, 300)}
    return pd.DataFrame(codes, index=groups.index).astype(np.int16)


def test_folds_and_parts_hold_groups_together(groups: pd.Series, labels: pd.DataFrame) -> None:
    for part in (folds.assign(BOOK, labels, 3, 7, groups), crossfit.parts(BOOK, labels, 7, groups)):
        assert (part.groupby(groups).nunique() == 1).all()
        sizes = part.value_counts()
        assert sizes.max() < 1.4 * sizes.min()
    shuffled = folds.assign(BOOK, labels.iloc[::-1], 3, 7, groups.sample(frac=1, random_state=1))
    assert shuffled.equals(folds.assign(BOOK, labels, 3, 7, groups))


def test_cases_that_stand_alone_are_dealt_as_without_groups(labels: pd.DataFrame) -> None:
    alone = pd.Series(labels.index, labels.index)
    assert folds.assign(BOOK, labels, 3, 7, alone).equals(folds.assign(BOOK, labels, 3, 7))
    for cases in (1, 7, 150, 299, 300):
        with_groups = folds.stratified_slice(BOOK, labels, cases, 7, alone)
        assert with_groups.equals(folds.stratified_slice(BOOK, labels, cases, 7)) and len(with_groups) == cases


@pytest.mark.parametrize("cases", [1, 10, 30, 150, 290, 299])
def test_slices_take_whole_groups(groups: pd.Series, labels: pd.DataFrame, cases: int) -> None:
    for seed in range(5):
        taken = folds.stratified_slice(BOOK, labels, cases, seed, groups)
        inside = pd.Series(labels.index.isin(taken), labels.index)
        assert (inside.groupby(groups).nunique() == 1).all()
        assert cases - 7 < len(taken) <= max(cases, 7) and taken.is_monotonic_increasing


def test_what_chooses_a_checkpoint_has_no_copy_among_what_is_learnt(
    groups: pd.Series, labels: pd.DataFrame, tmp_path: Path
) -> None:
    cases = pd.DataFrame({"first": "x", "second": "y"}, index=labels.index)
    given = examples.Examples.of_coded(cases, targets.of_labels(BOOK, labels), groups)
    examples.write(tmp_path / "0.parquet", BOOK, given)
    given = examples.read(tmp_path / "0.parquet", BOOK)
    settings = training(epochs=1, batch_size=1, pool=1, learning_rate=1e-3, early_stopping=1, **OFF)
    for most in (None, 100):
        found = split(settings, BOOK, given, 7, most)
        learned, held = (set(groups.loc[part.index]) for part in (found.used, found.held))
        assert learned and held and not learned & held
        assert len(found.held) <= 30 and len(found.used) + len(found.held) <= (most or 300)


def test_inner_folds_of_the_correction_hold_groups_together(
    groups: pd.Series, labels: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    cases = pd.DataFrame({"first": "x", "second": "y"}, index=labels.index)
    seen = []

    def judged(*given: pd.DataFrame) -> list[np.ndarray]:
        learned, _, held = given[-3:]
        seen.append(held)
        assert not set(groups.loc[learned.index]) & set(groups.loc[held.index])
        return [np.tile([0.5, 0.5, 0.4, 0.3, 0.3], (len(held), 1))]

    monkeypatch.setattr(label_errors, "train_and_predict", judged)
    label_errors.judge(BOOK, BASELINE, cases, labels, 5, 7, groups)
    assert len(seen) == 5 and sum(map(len, seen)) == 300
