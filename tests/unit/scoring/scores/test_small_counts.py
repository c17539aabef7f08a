"""Small counts, and scores that rest on few cases, are withheld so that no total or mean gives them away."""

import json
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
import pytest
import released

from abstractor.data.cases.codebook import Codebook, Variable
from abstractor.scoring.scores import metrics, small_counts

YES_NO = {0: "no", 1: "yes"}
KEY = b"of the labels"


def book(*names: str, categorical: str = "") -> Codebook:
    variables = [Variable(name, "binary", "d", "q", YES_NO, None) for name in names]
    if categorical:
        variables.append(Variable(categorical, "categorical", "d", "q", {1: "a", 2: "b", 5: "c"}, None))
    return Codebook("invented", "one case", {"report": "a report"}, tuple(variables))


def judged(cases: int, **counts: tuple[int, int]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Labels and decisions in which so many cases of a binary variable are true positives, then so many wrong."""
    row, labels, decisions = np.arange(cases), {}, {}
    for name, (right, wrong) in counts.items():
        labels[name] = (row < right).astype(np.int16)
        decisions[name] = (row < right + wrong).astype(np.int16)
    return pd.DataFrame(labels), pd.DataFrame(decisions)


def release(codebook: Codebook, labels: pd.DataFrame, decisions: pd.DataFrame, smallest: int = 10) -> dict[str, Any]:
    table = {"cases": len(decisions), "f1": metrics.scores(codebook, labels, decisions), "log_loss": 0.12345678}
    return small_counts.scores(codebook, labels, decisions, table, smallest)


def test_an_f1_needs_ten_right_and_ten_wrong_and_ten_that_are_neither() -> None:
    counts = {"Right": (9, 30), "Wrong": (30, 9), "Neither": (40, 51), "Told": (10, 10)}
    assert release(book(*counts), *judged(100, **counts)) == {
        "cases": 100,
        "f1": {"mean": 0.63, "Right": None, "Wrong": None, "Neither": None, "Told": 0.7},
        "log_loss": 0.12,
        "suppressed": {"below": 10, "values": 3},
    }


def test_a_categorical_f1_needs_ten_right_and_ten_wrong_of_what_is_coded() -> None:
    labels, decisions = judged(100, A=(30, 30), B=(30, 30), C=(30, 30))
    for wrong, told in ((9, None), (10, 0.8)):
        place = pd.Series(1, index=labels.index).where(labels.index < 50, -1)
        found = release(
            book("A", "B", "C", categorical="Place"),
            labels.assign(Place=place),
            decisions.assign(Place=np.where(labels.index < wrong, 5, 1)),
        )
        assert found["f1"]["Place"] == told


def test_no_f1_is_withheld_alone_or_the_mean_would_reveal_it() -> None:
    counts = {"Rare": (3, 20), "Half": (30, 30), "Ten": (10, 20)}
    found = release(book(*counts), *judged(100, **counts))
    assert {name for name, value in found["f1"].items() if value is None} == {"Rare", "Ten"}
    assert release(book("Rare"), *judged(100, Rare=(3, 20))) == {
        "cases": None,
        "suppressed": {"below": 10, "values": 2},
    }


def test_too_few_cases_leave_the_note_alone() -> None:
    counts = {"A": (3, 3), "B": (2, 4)}
    assert release(book(*counts), *judged(9, **counts)) == {"cases": None, "suppressed": {"below": 10, "values": 3}}
    whole = release(book(*counts), *judged(9, **counts), smallest=0)
    assert whole["f1"] == {"mean": 0.58333, "A": 0.66667, "B": 0.5} and whole["log_loss"] == 0.12346
    assert whole["suppressed"] == {"below": 0, "values": 0}


@pytest.mark.parametrize(("count", "decimals"), [(20, 1), (25, 1), (26, 2), (2500, 2), (2501, 3), (69_000, 3)])
def test_a_score_has_the_decimals_that_its_cases_support(count: int, decimals: int) -> None:
    assert small_counts.decimals(count, 10) == decimals
    assert small_counts.decimals(count, 0) == 5


def test_of_random_tables_no_told_f1_and_no_mean_tells_a_small_count() -> None:
    rng, told = np.random.default_rng(3), 0
    for _ in range(200):
        cases, names = int(rng.integers(10, 120)), [f"v{number}" for number in range(rng.integers(1, 6))]
        codebook = book(*names, categorical="Place")
        labels = pd.DataFrame({name: rng.random(cases) < rng.random() for name in names}).astype(np.int16)
        labels["Place"] = rng.choice([1, 2, 5], cases).astype(np.int16)
        changed = rng.random(labels.shape) < rng.choice([0.02, 0.2, 0.5])
        decisions = labels.where(~changed, (1 - labels).assign(Place=labels["Place"] % 2 + 1)).astype(np.int16)
        table = json.loads(json.dumps(release(codebook, labels, decisions)))
        assert released.tells(table, {"Place"}, 10) is None
        told += sum(value is not None for value in list(table.get("f1", {}).values())[1:])
    assert told > 100


def test_a_small_count_goes_with_another_that_the_key_chooses() -> None:
    rows = {name: {"n": count} for name, count in {"a": 3, "b": 40, "c": 12, "d": 0, "e": 90}.items()}
    found = [small_counts.counts(rows, 10, bytes([number])) for number in range(30)]
    with_it = set()
    for table in found:
        assert table["a"] == {"n": None} and table["d"] == {"n": 0} and table["total"] == {"n": 145}
        assert table["suppressed"] == {"below": 10, "values": 2}
        with_it |= {name for name in "bce" if table[name]["n"] is None}
    assert with_it == {"b", "c", "e"}
    assert small_counts.counts(rows, 10, KEY) == small_counts.counts(rows, 10, KEY)


def test_two_small_counts_that_their_sum_would_tell_take_a_larger_one_with_them() -> None:
    found = small_counts.counts({"a": {"n": 1}, "b": {"n": 9}, "c": {"n": 50}}, 10, KEY)
    assert [found[name]["n"] for name in ("a", "b", "c", "total")] == [None, None, None, 60]


@pytest.mark.parametrize("parts", [{"a": 3}, {"a": 3, "b": 2}, {"a": 3, "b": 0}, {"a": 2, "b": 9}])
def test_a_table_without_room_is_withheld_whole(parts: dict[str, int]) -> None:
    found = small_counts.counts({name: {"n": count} for name, count in parts.items()}, 10, KEY)
    assert all(found[name] == {"n": None} for name in [*parts, "total"])
    assert found["suppressed"]["values"] == len(parts) + 1


def test_a_difference_of_two_counts_is_a_count() -> None:
    rows = {
        "a": {"suspect": 30, "corrected": 28},
        "b": {"suspect": 60, "corrected": 20},
        "c": {"suspect": 0, "corrected": 0},
    }
    found = small_counts.counts(rows, 10, KEY)
    assert found["a"] == found["b"] == {"suspect": None, "corrected": None}
    assert found["c"] == {"suspect": 0, "corrected": 0}
    assert found["total"] == {"suspect": 90, "corrected": 48}
    assert found["suppressed"]["values"] == 4


def test_counts_of_written_texts_keep_their_keys() -> None:
    found = {"asked": 40, "kept": 25, "dropped": {"short": 12, "copied": 3}}
    assert set(small_counts.written(found, 10, KEY)) == {"asked", "kept", "dropped", "suppressed"}
    assert small_counts.written(found, 10, KEY)["dropped"]["copied"] is None
    assert small_counts.written(found, 0, KEY) == found | {"suppressed": {"below": 0, "values": 0}}
    assert small_counts.shown(None) == "(withheld)" and small_counts.shown(12) == "12"


def test_whoever_knows_the_rule_but_not_the_cases_cannot_narrow_a_small_count_down() -> None:
    """With a limit of 3: all tables of one total that some key would release alike."""
    keys, total = [bytes([number]) for number in range(40)], 14
    alike: dict[tuple[int | None, ...], list[tuple[int, ...]]] = {}
    for first, second, third in product(range(total + 1), repeat=3):
        cells = (first, second, third, total - first - second - third)
        if cells[-1] < 0:
            continue
        rows = {f"v{number}": {"n": cell} for number, cell in enumerate(cells)}
        for pattern in {
            tuple(row["n"] for row in list(small_counts.counts(rows, 3, key).values())[:-1]) for key in keys
        }:
            alike.setdefault(pattern, []).append(cells)
    for pattern, tables in alike.items():
        for place in range(4):
            assert pattern[place] not in (1, 2)
            if pattern[place] is None:
                found = {cells[place] for cells in tables}
                assert max(found) - min(found) >= 3 and max(found) >= 3, (pattern, found)


def test_the_key_is_of_the_confidential_rows() -> None:
    labels, _ = judged(30, A=(10, 10))
    assert small_counts.secret(labels) == small_counts.secret(labels.copy())
    assert small_counts.secret(labels) != small_counts.secret(labels.assign(A=0))
    assert small_counts.secret(labels) != small_counts.secret(labels.set_axis(labels.index + 1))


def test_bins_are_joined_until_each_holds_enough_hits_and_misses() -> None:
    hits, misses = np.array([1, 9, 20, 30, 4]), np.array([500, 300, 20, 10, 2])
    assert small_counts.joined(hits, misses, 10).tolist() == [0, 0, 1, 2, 2]
    assert small_counts.joined(hits, misses, 0).tolist() == [0, 1, 2, 3, 4]
    assert small_counts.joined(hits, misses, 65).tolist() == [-1] * 5
