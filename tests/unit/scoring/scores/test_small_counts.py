"""Small counts, and scores that rest on few cases, are withheld so that no total or mean gives them away."""

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest

from abstractor.data.cases.codebook import Codebook, Variable
from abstractor.scoring.scores import small_counts

YES_NO = {0: "no", 1: "yes"}


def book(*names: str, categorical: str = "") -> Codebook:
    variables = [Variable(name, "binary", "d", "q", YES_NO, None) for name in names]
    if categorical:
        variables.append(Variable(categorical, "categorical", "d", "q", {1: "a", 2: "b", 5: "c"}, None))
    return Codebook("invented", "one case", {"report": "a report"}, tuple(variables))


def labels(cases: int, **ones: int) -> pd.DataFrame:
    """So many cases, of which the first `ones` have the variable."""
    return pd.DataFrame({name: (np.arange(cases) < count).astype(np.int16) for name, count in ones.items()})


def table(cases: int, **f1: float) -> dict[str, Any]:
    return {"cases": cases, "f1": {"mean": sum(f1.values()) / len(f1), **f1}, "log_loss": 0.4}


def test_the_f1_of_few_cases_is_withheld() -> None:
    scored, found = labels(100, Rare=9, Common=91, Half=50, Ten=10), table(100, Rare=0.4, Common=0.9, Half=0.5, Ten=0.2)
    assert small_counts.scores(book("Rare", "Common", "Half", "Ten"), scored, found, 10) == {
        "cases": 100,
        "f1": {"mean": 0.5, "Rare": None, "Common": None, "Half": 0.5, "Ten": 0.2},
        "log_loss": 0.4,
        "suppressed": {"below": 10, "values": 2},
    }
    assert found["f1"]["Rare"] == 0.4, "the table of the caller stays whole"


def test_no_f1_is_withheld_alone_or_the_mean_would_reveal_it() -> None:
    scored = labels(100, Rare=3, Half=50, Ten=10)
    released = small_counts.scores(book("Rare", "Half", "Ten"), scored, table(100, Rare=0.4, Half=0.5, Ten=0.2), 10)
    assert released["f1"] == {"mean": pytest.approx(1.1 / 3), "Rare": None, "Half": 0.5, "Ten": None}
    assert small_counts.scores(book("Rare"), labels(100, Rare=3), table(100, Rare=0.4), 10) == {
        "cases": None,
        "suppressed": {"below": 10, "values": 2},
    }


def test_what_is_not_coded_does_not_count() -> None:
    scored = labels(100, Half=50, Other=50).assign(Place=1)
    scored.loc[:90, "Half"] = -1
    scored.loc[5:, "Place"] = -1
    codes = book("Half", "Other", categorical="Place")
    assert small_counts.thin_variables(codes, scored, 10) == {"Half", "Place"}
    assert small_counts.thin_variables(codes, scored, 0) == set()


def test_too_few_cases_leave_the_note_alone() -> None:
    codes, found = book("A", "B"), table(9, A=0.4, B=0.5)
    assert small_counts.scores(codes, labels(9, A=4, B=5), found, 10) == {
        "cases": None,
        "suppressed": {"below": 10, "values": 3},
    }
    whole = small_counts.scores(codes, labels(9, A=4, B=5), found, 0)
    assert whole == found | {"suppressed": {"below": 0, "values": 0}}


def test_a_small_count_goes_with_the_next_smallest() -> None:
    rows = {name: {"n": count} for name, count in {"a": 3, "b": 40, "c": 12, "d": 0, "e": 90}.items()}
    assert small_counts.counts(rows, 10) == {
        "a": {"n": None},
        "b": {"n": 40},
        "c": {"n": None},
        "d": {"n": 0},
        "e": {"n": 90},
        "total": {"n": 145},
        "suppressed": {"below": 10, "values": 2},
    }


def test_small_counts_that_are_small_together_take_a_larger_one_with_them() -> None:
    released = small_counts.counts({name: {"n": count} for name, count in {"a": 2, "b": 3, "c": 50}.items()}, 10)
    assert [released[name]["n"] for name in ("a", "b", "c", "total")] == [None, None, None, 55]


@pytest.mark.parametrize("parts", [{"a": 3}, {"a": 3, "b": 2}, {"a": 3, "b": 0}])
def test_the_total_of_small_counts_is_withheld_where_it_would_reveal_them(parts: dict[str, int]) -> None:
    released = small_counts.counts({name: {"n": count} for name, count in parts.items()}, 10)
    assert released["total"] == {"n": None}
    assert released["a"] == {"n": None}


def test_a_difference_of_two_counts_is_a_count() -> None:
    rows = {
        "a": {"suspect": 30, "corrected": 28},
        "b": {"suspect": 60, "corrected": 20},
        "c": {"suspect": 0, "corrected": 0},
    }
    released = small_counts.counts(rows, 10)
    assert released["a"] == released["b"] == {"suspect": None, "corrected": None}
    assert released["c"] == {"suspect": 0, "corrected": 0}
    assert released["total"] == {"suspect": 90, "corrected": 48}
    assert released["suppressed"]["values"] == 4


def test_counts_of_written_texts_keep_their_keys() -> None:
    found = {"asked": 40, "kept": 25, "dropped": {"short": 12, "copied": 3}}
    assert small_counts.written(found, 10) == {
        "asked": 40,
        "kept": 25,
        "dropped": {"short": None, "copied": None},
        "suppressed": {"below": 10, "values": 2},
    }
    assert small_counts.written(found, 0) == found | {"suppressed": {"below": 0, "values": 0}}


def test_nothing_that_is_released_gives_a_small_count_away() -> None:
    """Of random tables: neither a released count, nor what the total leaves for the withheld ones."""
    rng = np.random.default_rng(1)
    for _ in range(300):
        rows = {f"v{number}": {"n": int(rng.choice([0, 2, 9, 10, 11, 30]))} for number in range(rng.integers(1, 7))}
        released = small_counts.counts(rows, 10)
        known = [released[name]["n"] for name in rows if released[name]["n"] is not None]
        hidden = [rows[name]["n"] for name in rows if released[name]["n"] is None]
        assert all(count == 0 or count >= 10 for count in known)
        if released["total"]["n"] is not None:
            assert len(hidden) != 1
            assert released["total"]["n"] - sum(known) == sum(hidden)
            assert sum(hidden) == 0 or sum(hidden) >= 10


def test_bins_are_joined_until_each_holds_enough_hits_and_misses() -> None:
    hits, misses = np.array([1, 9, 20, 30, 4]), np.array([500, 300, 20, 10, 2])
    assert small_counts.joined(hits, misses, 10).tolist() == [0, 0, 1, 2, 2]
    assert small_counts.joined(hits, misses, 0).tolist() == [0, 1, 2, 3, 4]
    assert small_counts.joined(hits, misses, 65).tolist() == [-1] * 5


def test_a_withheld_value_is_null_in_json() -> None:
    released = small_counts.scores(book("A", "B"), labels(50, A=3, B=25), table(50, A=0.4, B=0.5), 10)
    assert '"A": null' in json.dumps(released)
