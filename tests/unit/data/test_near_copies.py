"""Copies of a case are found, by exact similarity and by nothing that hangs on chance."""

from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from abstractor.base.messages.copies import CopiesError
from abstractor.data import copies

WORDS = [f"{first}{second}" for first in ("ba", "de", "ko", "li", "mu", "ra", "su") for second in "bdfgklmnprst"]


def invent(cases: int, words: int, seed: int = 0) -> pd.DataFrame:
    """Cases of two narratives without a common phrase."""
    rng, uids = np.random.default_rng(seed), pd.Index([f"u{number:04}" for number in range(cases)], name="uid")
    texts = [" ".join(rng.choice(WORDS, words)) for _ in range(2 * cases)]
    return pd.DataFrame({"first": texts[::2], "second": texts[1::2]}, index=uids)


def similarity(one: str, other: str) -> float:
    """Of the sets of three words in a row, written out."""
    sets = []
    for text in (one, other):
        words = text.casefold().split()
        sets.append({tuple(words[at : at + 3]) for at in range(max(len(words) - 2, 1))})
    return len(sets[0] & sets[1]) / len(sets[0] | sets[1])


def test_cases_without_a_copy_stand_alone() -> None:
    cases = invent(300, 20)
    for least in (0.5, 0.6, 1.0):
        assert copies.groups(cases, least).equals(pd.Series(cases.index, cases.index, name="group"))


def test_white_space_and_capitals_make_no_other_case() -> None:
    cases = invent(20, 8)
    again = cases.map(lambda text: f"  {text.upper()}\n".replace(" ", "\t ")).rename(index=lambda uid: f"v{uid}")
    again.loc["vu0003", "second"] += " one word more"
    group = copies.groups(pd.concat([cases, again]), 1.0)
    assert group.loc[again.index].tolist() == [uid if uid != "u0003" else "vu0003" for uid in cases.index]
    assert group.loc[cases.index].tolist() == cases.index.tolist()


@pytest.mark.parametrize("amended", ["added", "changed", "left out"])
def test_a_report_with_one_amended_sentence_is_a_copy(amended: str) -> None:
    cases, other = invent(200, 30), invent(200, 8, seed=1)
    again = cases.rename(index=lambda uid: f"v{uid}")
    kept = again["second"] if amended == "added" else again["second"].str.split().str[:-8].str.join(" ")
    again["second"] = kept if amended == "left out" else kept + " " + other["first"].to_numpy()
    group = copies.groups(pd.concat([cases, again]), 0.6)
    assert group.tolist() == cases.index.tolist() * 2
    assert copies.groups(pd.concat([cases, again]), 1.0).is_unique


@pytest.mark.parametrize("least", [0.5, 0.6, 0.7, 0.8, 0.9])
def test_groups_are_those_of_all_pairs_compared(least: float) -> None:
    # Texts in every degree of similarity: some words of a common text are exchanged.
    rng, stem = np.random.default_rng(3), np.random.default_rng(4).choice(WORDS, 40)
    texts = []
    for number in range(120):
        words = stem.copy()
        changed = rng.choice(40, rng.integers(1, 12), replace=False)
        words[changed] = "x" + WORDS[number % 80] + WORDS[number // 80]
        texts.append(" ".join(words))
    expected = np.arange(len(texts))
    for one, other in combinations(range(len(texts)), 2):
        if similarity(texts[one], texts[other]) >= least:
            expected[expected == expected[other]] = expected[one]
    expected = np.array([np.flatnonzero(expected == number)[0] for number in expected])
    assert 1 < len(set(expected)) < len(texts)
    assert copies.originals(pd.DataFrame({"text": texts}), least).tolist() == expected.tolist()


def test_copies_of_copies_are_one_group_whatever_the_order() -> None:
    words = invent(1, 40)["first"].iloc[0].split()
    texts = [" ".join(words[start : start + 30]) for start in (0, 4, 8)]
    assert similarity(texts[0], texts[2]) < 0.6 <= min(similarity(*texts[:2]), similarity(*texts[1:]))
    for order in ([0, 1, 2], [2, 0, 1], [1, 2, 0]):
        assert copies.originals(pd.DataFrame({"text": [texts[place] for place in order]}), 0.6).tolist() == [0, 0, 0]


def test_very_short_narratives_are_copies_only_where_equal() -> None:
    texts = ["house", "a house", "the house", "the big house", "found in the house", "left in the house", "HOUSE"]
    assert copies.originals(pd.DataFrame({"text": texts}), 0.6).tolist() == [0, 1, 2, 3, 4, 5, 0]


def test_reports_by_one_form_are_no_copies_where_their_numbers_differ() -> None:
    form = "Employee stepped off a ladder and twisted an ankle. Reported on the night shift, badge {}."
    texts = [form.format(number) for number in range(2000)]
    amended = [f"{texts[7]} Reviewed.", f"{texts[9]} Seen again by the same office."]
    expected = [*range(2000), 7, 9]
    assert copies.originals(pd.DataFrame({"text": texts + amended}), 0.6).tolist() == expected


def test_a_number_more_makes_no_other_case_but_another_number_does() -> None:
    text = " ".join(invent(1, 30)["first"])
    texts = [f"{text} age 34", f"{text} age 34 after 2 days", f"{text} age 35", f"{text} age 35 after 2 days"]
    assert copies.originals(pd.DataFrame({"text": texts}), 0.6).tolist() == [0, 0, 2, 2]
    assert copies.originals(pd.DataFrame({"text": [*texts, f"{text} age not known"]}), 0.6).tolist() == [0, 0, 2, 2, 4]


def test_new_copies_are_named_and_one_of_several_equal_new_cases_is_none(tmp_path: Path) -> None:
    training, new = invent(50, 20), invent(10, 20, seed=5).rename(index=lambda uid: f"n{uid}")
    new.loc["nu0002"], new.loc["nu0003"] = training.loc["u0007"], training.loc["u0007"]
    new.loc["nu0008"] = new.loc["nu0005"] = new.loc["nu0004"] + " reviewed"
    path = tmp_path / "copies.parquet"
    copies.write(path, copies.among_new(training, new, 0.6))
    assert copies.read(path).to_numpy().tolist() == [
        ["nu0002", "u0007", "training"],
        ["nu0003", "u0007", "training"],
        ["nu0005", "nu0004", "new"],
        ["nu0008", "nu0004", "new"],
    ]
    copies.write(path, copies.among_new(training, new.iloc[:2], 0.6))
    assert copies.read(path).empty


def test_read_refuses_missing_and_foreign_files(tmp_path: Path) -> None:
    with pytest.raises(CopiesError, match=r"copies\.parquet is missing"):
        copies.read(tmp_path / "copies.parquet")
    pd.DataFrame({"uid": ["a"]}).to_parquet(tmp_path / "copies.parquet")
    with pytest.raises(CopiesError, match="holds no table of copies"):
        copies.read(tmp_path / "copies.parquet")


def test_a_score_takes_the_first_coded_case_of_new_copies_and_none_of_training_ones() -> None:
    found = pd.DataFrame(
        [("b", "a", copies.NEW), ("c", "a", copies.NEW), ("d", "t", copies.TRAINING)],
        columns=["uid", "copy_of", "among"],
    )
    assert copies.repeated(pd.Index(["a", "b", "c", "d", "e"]), found).tolist() == [False, True, True, True, False]
    # The first of the group has no code: the next one stands for it.
    assert copies.repeated(pd.Index(["b", "c", "e"]), found).tolist() == [False, True, False]
    assert copies.grouped(pd.Index(["e", "d", "b"]), found).tolist() == ["e", "t", "a"]
