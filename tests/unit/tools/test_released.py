"""No metrics file in git tells a small count, alone or beside the one of the commit before."""

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
import released
from support import ROOT

from abstractor.base.yaml_file import read_yaml
from abstractor.data.cases import codebook
from abstractor.data.cases.codebook import Codebook
from abstractor.scoring.scores import metrics, small_counts

BOOK = codebook.load(ROOT / "data/codebooks/nvdrs_youth.yaml")
CATEGORICAL = {variable.name for variable in BOOK.variables if variable.kind == "categorical"}
SMALLEST = read_yaml(ROOT / "params.yaml")["smallest_count"]


def table(cases: int = 100, mean: float = 0.51, **f1: float | None) -> dict[str, Any]:
    return {"cases": cases, "f1": {"mean": mean, **f1}}


def found(content: Any, before: Any = None) -> str:
    return released.problem(content, [before] if before else [], {"Place"}, 10) or ""


def test_the_metrics_in_git_tell_no_small_count() -> None:
    """Tries, for every told F1, all counts of right and wrong codes that have it."""
    told = 0
    for path in sorted(path for path in (ROOT / "metrics").glob("*.json") if path.name != "reliability.json"):
        content = json.loads(path.read_text(encoding="utf-8"))
        assert released.problem(content, [], CATEGORICAL, SMALLEST) is None, path.name
        told += sum(value is not None for scored in released.tables(content) for value in scored["f1"].values())
    assert told > 50


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (table(A=0.51613, B=0.5), "more decimals than 100 cases support"),
        (table(mean=0.51234, A=0.5, B=0.5), "more than 2 decimals"),
        (table(A=0.5, B=0.5) | {"log_loss": 0.51234}, "more than 2 decimals"),
        (table(A=0.98, B=0.5), "a fraction of a count below 10"),
        (table(A=0.0, B=0.5), "a fraction of a count below 10"),
        (table(30, mean=0.5, Place=0.9, A=0.5), "a fraction of a count below 10"),
        (table(A=0.5, B=None), "withheld alone"),
        ({"model": {"0": table(A=0.98, B=0.5)}}, "a fraction of a count below 10"),
        ({"kept": 40, "dropped": {"short": 4}, "suppressed": {"below": 10, "values": 1}}, "a count below 10"),
        ({"tp": 20, "fp": 1}, "a count below 10"),
        ({"rows": [{"A": 40}, {"B": 2}]}, "a count below 10"),
    ],
)
def test_what_tells_a_small_count_is_refused(content: Any, why: str) -> None:
    assert why in found(content)


def test_what_tells_none_is_let_through() -> None:
    assert found(table(A=0.5, B=0.67, Place=0.9)) == ""
    assert found(table(A=None, B=None, Place=0.9)) == ""
    assert found({"cases": None, "suppressed": {"below": 10, "values": 3}}) == ""
    assert found({"oof": {"0": {"cases": 30, "suppressed": {"below": 10, "values": 3}}}}) == ""


@pytest.mark.parametrize("more", [-9, -1, 1, 9])
def test_the_scores_of_few_cases_more_or_fewer_are_refused(more: int) -> None:
    now, then = table(100 + more, A=0.5, B=0.5), table(100, A=0.5, B=0.5)
    assert "scores of 1 to 9 cases more or fewer" in found(now, then)
    assert "scores of 1 to 9 cases more or fewer" in found({"m": {"0": now, "1": now}}, {"m": {"0": then, "1": now}})
    assert found({"m": {"0": now, "1": then}}, {"m": {"0": then, "1": now}}) == "", "the same cases, dealt anew"


@pytest.mark.parametrize("more", [-10, 0, 10])
def test_the_scores_of_many_cases_more_or_fewer_are_let_through(more: int) -> None:
    assert found(table(100 + more, A=0.5, B=0.5), table(100, A=0.5, B=0.5)) == ""


@pytest.mark.parametrize("corpus", ["mine", "other"])
@pytest.mark.parametrize("smallest", [0, 10])
def test_parameters_say_what_is_compared(corpus: str, smallest: int) -> None:
    def commit(name: str, cases: int) -> dict[str, bytes]:
        params = f"corpus: {name}\nsmallest_count: {smallest}\n"
        content = json.dumps(table(cases, A=0.5, B=0.5))
        return {"params.yaml": params.encode(), "metrics/evaluate.json": content.encode(), "metrics/x.txt": b""}

    problems = dict(released.problems(commit("mine", 101), [{}, commit(corpus, 100)], {"mine": {"Place"}}))
    refused = smallest == 10 and corpus == "mine"
    assert bool(problems.get("metrics/evaluate.json")) == refused
    broken = commit("mine", 100) | {"metrics/evaluate.json": b"{"}
    assert dict(released.problems(broken, [], {})).get("metrics/evaluate.json") == (
        "not written by a stage: it cannot be read" if smallest else None
    )


@pytest.mark.parametrize(("f1", "refused"), [("0.5", False), ("0.98", True), ("0.51613", True), ("", True)])
def test_the_plot_of_f1s_is_looked_at_too(f1: str, refused: bool) -> None:
    index = {
        "params.yaml": b"corpus: mine\nsmallest_count: 10\n",
        "metrics/ensemble.json": json.dumps(table(A=0.5, B=0.5)).encode(),
        "metrics/plots/f1.csv": f"variable,system,f1\nA,baseline,{f1}\nB,ensemble,0.5\n".encode(),
    }
    assert [path for path, why in released.problems(index, [], {}) if why] == ["metrics/plots/f1.csv"] * refused


@pytest.mark.parametrize(
    ("row", "refused"),
    [
        ("0.5,0.5,40", False),
        ("0.01,0.01,999", False),
        ("0.5,0.5,3", True),
        ("0.9,0.97,100", True),
        ("0.1,0.03,100", True),
        ("0.5,,40", True),
    ],
)
def test_the_bins_of_the_reliability_plot_are_counted(row: str, refused: bool) -> None:
    index = {"params.yaml": b"corpus: mine\nsmallest_count: 10\n"}
    index[released.BINS] = f"system,predicted,observed,count\nensemble,{row}\n".encode()
    assert [path for path, why in released.problems(index, [], {}) if why] == [released.BINS] * refused


@pytest.mark.parametrize(
    "params",
    ["corpus: mine", "- a", "corpus: [mine]\nsmallest_count: 10", "smallest_count: 10"]
    + [f"corpus: mine\nsmallest_count: {value}" for value in ("", "ten", "true", "-1", "9.5")],
)
def test_parameters_that_say_not_what_may_be_released_are_refused(params: str) -> None:
    index = {"params.yaml": f"{params}\n".encode(), "metrics/evaluate.json": b"{}"}
    assert [path for path, why in released.problems(index, [], {}) if why] == ["params.yaml"]


@pytest.mark.parametrize(
    "content",
    ["[", '{"cases": "240", "f1": {"A": 0.5}}', '{"cases": 1e999, "f1": {"A": 0.5, "B": 0.5}}', "[" * 99_999],
)
def test_metrics_of_wrong_types_are_refused_in_words(content: str) -> None:
    index = {"params.yaml": b"corpus: mine\nsmallest_count: 10\n", "metrics/evaluate.json": content.encode()}
    problems = dict(released.problems(index, [], {}))
    assert problems["metrics/evaluate.json"]


@pytest.mark.parametrize("path", ["metrics/reliability.json", "metrics/cards/m/0.json"])
def test_counts_of_no_cases_are_let_through(path: str) -> None:
    index = {"params.yaml": b"corpus: mine\nsmallest_count: 10\n", path: b'{"faults": {"tried": 3}}'}
    assert [why for _, why in released.problems(index, [], {}) if why] == []


@pytest.mark.parametrize("categorical", [False, True])
def test_all_counts_are_tried(categorical: bool) -> None:
    """Against plain enumeration, with a limit of 3."""
    cases, told = 40, set()
    for right in range(3, cases):
        for wrong in range(3, cases - right + 1 - (0 if categorical else 3)):
            f1 = right / (right + wrong) if categorical else 2 * right / (2 * right + wrong)
            told.add(round(f1, small_counts.decimals(right + wrong, 3)))
    values = [number / 100 for number in range(101)]
    assert {value for value in values if released.possible(value, cases, categorical, 3)} == told


def scored(book: Codebook, labels: pd.DataFrame, decisions: pd.DataFrame) -> dict[str, Any]:
    whole = {"cases": len(decisions), "f1": metrics.scores(book, labels, decisions)}
    return small_counts.scores(book, labels, decisions, whole, 10)


def test_two_tables_that_differ_by_one_person_are_not_both_released() -> None:
    rng = np.random.default_rng(5)
    labels = pd.DataFrame({variable.name: rng.choice(variable.codes, 120) for variable in BOOK.variables})
    guesses = pd.DataFrame({variable.name: rng.choice(variable.codes, 120) for variable in BOOK.variables})
    decisions = labels.where(rng.random(labels.shape) < 0.6, guesses)
    tables = {cases: scored(BOOK, labels, decisions[:cases]) for cases in (100, 101, 110, 120)}
    changed = [name for name in BOOK.names if tables[100]["f1"][name] != tables[101]["f1"][name]]
    assert changed, "the second table would tell of the one who was added"
    assert released.problem(tables[101], [tables[100]], CATEGORICAL, 10)
    assert released.problem(tables[110], [tables[100]], CATEGORICAL, 10) is None
    assert released.problem(tables[120], [tables[110]], CATEGORICAL, 10) is None
